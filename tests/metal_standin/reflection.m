/* reflection.m: Metal's reflection classes over what the compiler said, no more than Metal tells. */
#import "standin.h"

#define NUMBER(key) [[_facts objectForKey:key] unsignedIntegerValue]

static id held(Class class, NSDictionary *facts)
{
    return [facts isKindOfClass:[NSDictionary class]] ? standin_reflected(class, facts) : nil;
}

#define FACTS_OWNER                                                                                                  \
    -(instancetype)initWithFacts : (NSDictionary *)facts                                                             \
    {                                                                                                                \
        if ((self = [super init]))                                                                                   \
            _facts = [facts retain];                                                                                 \
        return self;                                                                                                 \
    }                                                                                                                \
    -(void)dealloc                                                                                                   \
    {                                                                                                                \
        [_facts release];                                                                                            \
        [super dealloc];                                                                                             \
    }

@interface NSObject (StandinFacts)
- (instancetype)initWithFacts:(NSDictionary *)facts;
@end

id standin_reflected(Class class, NSDictionary *facts)
{
    return [[[class alloc] initWithFacts:facts] autorelease];
}

@implementation MTLFunctionConstant
FACTS_OWNER

- (NSString *)name
{
    return [_facts objectForKey:@"name"];
}

- (MTLDataType)type
{
    return NUMBER(@"type");
}

- (NSUInteger)index
{
    return NUMBER(@"index");
}

- (BOOL)required
{
    return NUMBER(@"required") != 0;
}

@end

@implementation MTLType
FACTS_OWNER

- (MTLDataType)dataType
{
    return NUMBER(@"dataType");
}

@end

@implementation MTLStructMember
FACTS_OWNER

- (NSString *)name
{
    return [_facts objectForKey:@"name"];
}

- (NSUInteger)offset
{
    return NUMBER(@"offset");
}

- (MTLDataType)dataType
{
    return NUMBER(@"dataType");
}

- (MTLStructType *)structType
{
    return held([MTLStructType class], [_facts objectForKey:@"struct"]);
}

- (MTLArrayType *)arrayType
{
    return held([MTLArrayType class], [_facts objectForKey:@"array"]);
}

- (MTLPointerType *)pointerType
{
    return held([MTLPointerType class], [_facts objectForKey:@"pointer"]);
}

- (MTLTextureReferenceType *)textureReferenceType
{
    return held([MTLTextureReferenceType class], [_facts objectForKey:@"texture"]);
}

@end

@implementation MTLStructType

- (NSArray<MTLStructMember *> *)members
{
    NSMutableArray *found = [NSMutableArray array];
    for (NSDictionary *facts in [_facts objectForKey:@"members"])
        [found addObject:standin_reflected([MTLStructMember class], facts)];
    return found;
}

@end

@implementation MTLArrayType

- (MTLDataType)elementType
{
    return NUMBER(@"elementType");
}

- (NSUInteger)arrayLength
{
    return NUMBER(@"arrayLength");
}

- (NSUInteger)stride
{
    return NUMBER(@"stride");
}

- (MTLStructType *)elementStructType
{
    return held([MTLStructType class], [_facts objectForKey:@"struct"]);
}

- (MTLArrayType *)elementArrayType
{
    return held([MTLArrayType class], [_facts objectForKey:@"array"]);
}

- (MTLPointerType *)elementPointerType
{
    return held([MTLPointerType class], [_facts objectForKey:@"pointer"]);
}

- (MTLTextureReferenceType *)elementTextureReferenceType
{
    return held([MTLTextureReferenceType class], [_facts objectForKey:@"texture"]);
}

@end

@implementation MTLTextureReferenceType

- (MTLDataType)textureDataType
{
    return NUMBER(@"textureDataType");
}

- (MTLTextureType)textureType
{
    return NUMBER(@"textureType");
}

- (MTLArgumentAccess)access
{
    return NUMBER(@"access");
}

- (BOOL)isDepthTexture
{
    return NUMBER(@"isDepth") != 0;
}

@end

@implementation MTLPointerType

- (MTLDataType)elementType
{
    return NUMBER(@"elementType");
}

- (MTLArgumentAccess)access
{
    return NUMBER(@"access");
}

- (NSUInteger)alignment
{
    return NUMBER(@"alignment");
}

- (NSUInteger)dataSize
{
    return NUMBER(@"dataSize");
}

- (MTLStructType *)elementStructType
{
    return held([MTLStructType class], [_facts objectForKey:@"struct"]);
}

- (MTLArrayType *)elementArrayType
{
    return held([MTLArrayType class], [_facts objectForKey:@"array"]);
}

@end

@implementation MTLArgument
FACTS_OWNER

- (NSString *)name
{
    return [_facts objectForKey:@"name"];
}

- (MTLArgumentType)type
{
    return NUMBER(@"type");
}

- (MTLArgumentAccess)access
{
    return NUMBER(@"access");
}

- (NSUInteger)index
{
    return NUMBER(@"index");
}

- (BOOL)isActive
{
    return YES;
}

- (NSUInteger)bufferAlignment
{
    return NUMBER(@"alignment");
}

- (NSUInteger)bufferDataSize
{
    return NUMBER(@"dataSize");
}

- (MTLDataType)bufferDataType
{
    return NUMBER(@"dataType");
}

- (MTLStructType *)bufferStructType
{
    return held([MTLStructType class], [_facts objectForKey:@"struct"]);
}

- (MTLPointerType *)bufferPointerType
{
    NSDictionary *facts = [NSDictionary
        dictionaryWithObjectsAndKeys:[_facts objectForKey:@"dataType"], @"elementType",
        [_facts objectForKey:@"access"], @"access", [_facts objectForKey:@"alignment"], @"alignment",
        [_facts objectForKey:@"dataSize"], @"dataSize", [NSNumber numberWithInt:MTLDataTypePointer], @"dataType",
        [_facts objectForKey:@"array"], @"array", nil];
    return held([MTLPointerType class], facts);
}

- (NSUInteger)threadgroupMemoryAlignment
{
    return NUMBER(@"alignment");
}

- (NSUInteger)threadgroupMemoryDataSize
{
    return NUMBER(@"dataSize");
}

- (MTLTextureType)textureType
{
    return NUMBER(@"textureType");
}

- (MTLDataType)textureDataType
{
    return NUMBER(@"textureDataType");
}

- (BOOL)isDepthTexture
{
    return NUMBER(@"isDepth") != 0;
}

- (NSUInteger)arrayLength
{
    return NUMBER(@"arrayLength");
}

@end

@implementation MTLComputePipelineReflection
FACTS_OWNER

+ (instancetype)reflectionWithArguments:(NSArray *)arguments
{
    return standin_reflected(self, [NSDictionary dictionaryWithObject:arguments forKey:@"arguments"]);
}

- (NSArray<MTLArgument *> *)arguments
{
    NSMutableArray *found = [NSMutableArray array];
    for (NSDictionary *facts in [_facts objectForKey:@"arguments"])
        [found addObject:standin_reflected([MTLArgument class], facts)];
    return found;
}

@end
