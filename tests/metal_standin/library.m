/* library.m: source, functions, pipelines and their archives. The compiler is metalpy's own, behind standin_ask. */
#import "standin.h"

#include <string.h>

/* ---- options ---- */

@implementation MTLCompileOptions

- (instancetype)init
{
    if ((self = [super init])) {
        _fastMath = YES;
        _mathMode = -1;
        _languageVersion = 3 << 16 | 2;
    }
    return self;
}

- (void)dealloc
{
    [_macros release];
    [super dealloc];
}

- (id)copyWithZone:(NSZone *)zone
{
    MTLCompileOptions *made = [[[self class] allocWithZone:zone] init];
    made->_macros = [_macros copy];
    made->_fastMath = _fastMath;
    made->_mathMode = _mathMode;
    made->_languageVersion = _languageVersion;
    return made;
}

- (NSDictionary *)preprocessorMacros
{
    return _macros;
}

- (void)setPreprocessorMacros:(NSDictionary *)macros
{
    [_macros autorelease];
    _macros = [macros copy];
}

- (BOOL)fastMathEnabled
{
    return _fastMath;
}

- (void)setFastMathEnabled:(BOOL)enabled
{
    _fastMath = enabled;
}

/* Of macOS 15, so not in the header: the driver finds it at run time. */
- (void)setMathMode:(NSInteger)mode
{
    REQUIRE(mode >= 0 && mode <= 2, @"math mode %ld is unknown", (long)mode);
    _mathMode = mode;
}

- (void)setMathFloatingPointFunctions:(NSInteger)functions
{
    REQUIRE(functions == 0 || functions == 1, @"math functions %ld are unknown", (long)functions);
}

- (void)setEnableLogging:(BOOL)enabled
{
    (void)enabled;
}

- (MTLLanguageVersion)languageVersion
{
    return _languageVersion;
}

- (void)setLanguageVersion:(MTLLanguageVersion)version
{
    REQUIRE(version >> 16 >= 1 && version >> 16 <= 4, @"language version %lx is unknown", (unsigned long)version);
    _languageVersion = version;
}

- (NSString *)mathModeName
{
    NSArray *names = [NSArray arrayWithObjects:@"safe", @"relaxed", @"fast", nil];
    return [names objectAtIndex:_mathMode >= 0 ? (NSUInteger)_mathMode : _fastMath ? 2 : 0];
}

@end

@implementation MTLFunctionConstantValues

- (instancetype)init
{
    if ((self = [super init]))
        _values = [[NSMutableDictionary alloc] init];
    return self;
}

- (void)dealloc
{
    [_values release];
    [super dealloc];
}

- (id)copyWithZone:(NSZone *)zone
{
    MTLFunctionConstantValues *made = [[[self class] allocWithZone:zone] init];
    [made->_values setDictionary:_values];
    return made;
}

/* Kept as hexadecimal bytes and type: metalpy's compiler makes values of them. */
- (void)setConstantValue:(const void *)value type:(MTLDataType)type atIndex:(NSUInteger)index
{
    REQUIRE(type != MTLDataTypeNone, @"function constant %lu has no type", (unsigned long)index);
    static const struct {
        MTLDataType first;
        int bytes;
    } sizes[] = {{3, 4}, {16, 2}, {29, 4}, {33, 4}, {37, 2}, {41, 2}, {45, 1}, {49, 1}, {53, 1}, {81, 8}, {85, 8}, {121, 2}};
    int size = 0;
    for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        if (type >= sizes[i].first && type < sizes[i].first + 4)
            size = sizes[i].bytes * (int)(type - sizes[i].first + 1);
    }
    REQUIRE(size > 0, @"function constants have no type %lu", (unsigned long)type);
    NSMutableString *bytes = [NSMutableString string];
    for (int i = 0; i < size; i++)
        [bytes appendFormat:@"%02x", ((const unsigned char *)value)[i]];
    NSDictionary *entry = [NSDictionary dictionaryWithObjectsAndKeys:bytes, @"bytes",
                                        [NSNumber numberWithUnsignedInteger:type], @"type", nil];
    [_values setObject:entry forKey:[NSString stringWithFormat:@"%lu", (unsigned long)index]];
}

- (NSDictionary *)values
{
    return _values;
}

@end

/* ---- libraries ---- */

StandinLibrary *standin_compile(NSString *source, MTLCompileOptions *options, NSError **error)
{
    if (standin_take_fault(FAULT_LIBRARY)) {
        if (error)
            *error = standin_error(MTLLibraryErrorDomain, MTLLibraryErrorInternal, @"Compiler encountered an internal error");
        return nil;
    }
    if (!options)
        options = [[[MTLCompileOptions alloc] init] autorelease];
    NSDictionary *macros = options.preprocessorMacros ? (id)options.preprocessorMacros : [NSDictionary dictionary];
    NSString *version = [NSString stringWithFormat:@"%lu.%lu", (unsigned long)options.languageVersion >> 16,
                                                   (unsigned long)options.languageVersion & 0xffff];
    NSDictionary *answer = standin_ask([NSDictionary
        dictionaryWithObjectsAndKeys:source, @"source", [options mathModeName], @"math_mode", macros, @"macros", version,
                                     @"version", nil]);
    NSString *text = [answer objectForKey:@"error"];
    if (text) {
        if (error)
            *error = standin_error(MTLLibraryErrorDomain, MTLLibraryErrorCompileFailure, text);
        return nil;
    }
    NSString *warnings = [answer objectForKey:@"warnings"];
    if (error && warnings.length)
        *error = standin_error(MTLLibraryErrorDomain, MTLLibraryErrorCompileWarning, warnings);
    return [[StandinLibrary alloc] initWithAnswer:answer];
}

@implementation StandinLibrary

- (instancetype)initWithAnswer:(NSDictionary *)answer
{
    if ((self = [super init]))
        _answer = [answer retain];
    return self;
}

- (void)dealloc
{
    [_answer release];
    [super dealloc];
}

- (NSNumber *)number
{
    return [_answer objectForKey:@"library"];
}

- (NSString *)key
{
    return [_answer objectForKey:@"key"];
}

- (NSDictionary *)functionFacts:(NSString *)name
{
    return [[_answer objectForKey:@"functions"] objectForKey:name];
}

- (NSArray<NSString *> *)functionNames
{
    return [[_answer objectForKey:@"functions"] allKeys];
}

- (id<MTLFunction>)newFunctionWithName:(NSString *)name
{
    REQUIRE(name != nil, @"functionName must not be nil.");
    if (![self functionFacts:name])
        return nil;
    return [[StandinFunction alloc] initWithLibrary:self name:name constants:nil];
}

- (id<MTLFunction>)newFunctionWithName:(NSString *)name
                        constantValues:(MTLFunctionConstantValues *)values
                                 error:(NSError **)error
{
    REQUIRE(name != nil && values != nil, @"name and constantValues must not be nil.");
    NSString *problem = nil;
    StandinFunction *made = nil;
    if (![self functionFacts:name]) {
        problem = [NSString stringWithFormat:@"Function %@ was not found in the library", name];
    } else {
        made = [[StandinFunction alloc] initWithLibrary:self name:name constants:[values values]];
        NSString *missing = [made missingConstant];
        if (missing)
            problem = [NSString stringWithFormat:@"Missing value for function constant %@", missing];
    }
    if (!problem)
        return made;
    [made release];
    if (error)
        *error = standin_error(MTLLibraryErrorDomain, MTLLibraryErrorFunctionNotFound, problem);
    return nil;
}

@end

@implementation StandinFunction

- (instancetype)initWithLibrary:(StandinLibrary *)library name:(NSString *)name constants:(NSDictionary *)constants
{
    if ((self = [super init])) {
        _library = [library retain];
        _name = [name copy];
        _constants = [constants copy];
    }
    return self;
}

- (void)dealloc
{
    [_library release];
    [_name release];
    [_constants release];
    [super dealloc];
}

- (MTLFunctionType)functionType
{
    return MTLFunctionTypeKernel;
}

- (NSString *)name
{
    return _name;
}

- (NSDictionary<NSString *, MTLFunctionConstant *> *)functionConstantsDictionary
{
    NSMutableDictionary *found = [NSMutableDictionary dictionary];
    for (NSDictionary *facts in [[_library functionFacts:_name] objectForKey:@"constants"])
        [found setObject:standin_reflected([MTLFunctionConstant class], facts) forKey:[facts objectForKey:@"name"]];
    return found;
}

- (NSString *)missingConstant
{
    for (NSDictionary *facts in [[_library functionFacts:_name] objectForKey:@"constants"]) {
        NSString *index = [[facts objectForKey:@"index"] stringValue];
        if ([[facts objectForKey:@"required"] boolValue] && ![_constants objectForKey:index])
            return [facts objectForKey:@"name"];
    }
    return nil;
}

- (NSDictionary *)request
{
    return [NSDictionary dictionaryWithObjectsAndKeys:[_library number], @"library", _name, @"function",
                         _constants ? _constants : [NSDictionary dictionary], @"constants", nil];
}

- (NSString *)key
{
    NSMutableArray *parts = [NSMutableArray arrayWithObjects:[_library key], _name, nil];
    for (NSString *index in [[_constants allKeys] sortedArrayUsingSelector:@selector(compare:)])
        [parts addObject:[NSString stringWithFormat:@"%@=%@", index, [[_constants objectForKey:index] objectForKey:@"bytes"]]];
    return [parts componentsJoinedByString:@" "];
}

@end

/* ---- archives ---- */

@implementation MTLBinaryArchiveDescriptor

- (void)dealloc
{
    [_url release];
    [super dealloc];
}

- (id)copyWithZone:(NSZone *)zone
{
    MTLBinaryArchiveDescriptor *made = [[[self class] allocWithZone:zone] init];
    made.url = _url;
    return made;
}

- (NSURL *)url
{
    return _url;
}

- (void)setUrl:(NSURL *)url
{
    [_url autorelease];
    _url = [url copy];
}

@end

@implementation StandinArchive

- (instancetype)initWithDescriptor:(MTLBinaryArchiveDescriptor *)descriptor error:(NSError **)error
{
    if (!(self = [super init]))
        return nil;
    _entries = [[NSMutableDictionary alloc] init];
    if (!descriptor.url)
        return self;
    NSData *data = [NSData dataWithContentsOfFile:[descriptor.url path]];
    id read = data ? [NSJSONSerialization JSONObjectWithData:data options:0 error:NULL] : nil;
    if (![read isKindOfClass:[NSDictionary class]]) {
        if (error)
            *error = standin_error(@"MTLBinaryArchiveDomain", 1, @"Invalid binary archive");
        [self release];
        return nil;
    }
    [_entries setDictionary:read];
    return self;
}

- (void)dealloc
{
    [_entries release];
    [super dealloc];
}

- (NSDictionary *)entryFor:(StandinFunction *)function
{
    return [_entries objectForKey:[function key]];
}

- (BOOL)addComputePipelineFunctionsWithDescriptor:(MTLComputePipelineDescriptor *)descriptor error:(NSError **)error
{
    (void)error;
    REQUIRE(descriptor.computeFunction != nil, @"computeFunction must not be nil.");
    StandinFunction *function = (StandinFunction *)descriptor.computeFunction;
    NSDictionary *answer = standin_ask([function request]);
    if ([answer objectForKey:@"path"])
        [_entries setObject:answer forKey:[function key]];
    return [answer objectForKey:@"path"] != nil;
}

- (BOOL)serializeToURL:(NSURL *)url error:(NSError **)error
{
    (void)error;
    return [[NSJSONSerialization dataWithJSONObject:_entries options:0 error:NULL] writeToFile:[url path] atomically:NO];
}

@end

/* ---- pipelines ---- */

@implementation MTLComputePipelineDescriptor

- (void)dealloc
{
    [_label release];
    [_function release];
    [_archives release];
    [super dealloc];
}

- (id)copyWithZone:(NSZone *)zone
{
    MTLComputePipelineDescriptor *made = [[[self class] allocWithZone:zone] init];
    made.label = _label;
    made.computeFunction = _function;
    made.binaryArchives = _archives;
    return made;
}

- (NSString *)label
{
    return _label;
}

- (void)setLabel:(NSString *)label
{
    [_label autorelease];
    _label = [label copy];
}

- (id<MTLFunction>)computeFunction
{
    return _function;
}

- (void)setComputeFunction:(id<MTLFunction>)function
{
    [_function autorelease];
    _function = [function retain];
}

- (NSArray *)binaryArchives
{
    return _archives;
}

- (void)setBinaryArchives:(NSArray *)archives
{
    [_archives autorelease];
    _archives = [archives copy];
}

@end

@implementation StandinPipeline

/* What the compiler answers for a function: from an archive if one has it. */
static NSDictionary *compiled(StandinFunction *function, NSArray *archives)
{
    for (StandinArchive *archive in archives) {
        NSDictionary *answer = [archive entryFor:function];
        if (answer) {
            standin_count("archive hit");
            return answer;
        }
    }
    if (archives.count)
        standin_count("archive miss");
    return standin_ask([function request]);
}

- (NSString *)load:(NSDictionary *)answer name:(NSString *)name
{
    NSString *path = [answer objectForKey:@"path"];
    if (!path)
        return [answer objectForKey:@"error"];
    mp_error error;
    mp_library_desc desc = {.kind = MP_LIBRARY_NATIVE, .data = path.UTF8String, .size = strlen(path.UTF8String)};
    mp_pipeline_desc pipeline = {.name = name.UTF8String};
    if (standin_executor->library_create(standin_device, &desc, &_library, &error) != MP_OK ||
        standin_executor->pipeline_create(_library, &pipeline, &_handle, &error) != MP_OK)
        return [NSString stringWithUTF8String:error.message];
    standin_executor->pipeline_limits(_handle, &_limits);
    _arguments = [[answer objectForKey:@"arguments"] retain];
    _name = [name copy];
    return nil;
}

- (instancetype)initWithFunction:(StandinFunction *)function archives:(NSArray *)archives error:(NSError **)error
{
    if (!(self = [super init]))
        return nil;
    NSString *problem = nil;
    NSString *missing = [function missingConstant];
    if (standin_take_fault(FAULT_PIPELINE))
        problem = @"Compiler encountered an internal error";
    else if (missing)
        problem = [NSString stringWithFormat:@"Function %@ needs a value for %@", function.name, missing];
    else
        problem = [self load:compiled(function, archives) name:function.name];
    if (!problem)
        return self;
    if (error)
        *error = standin_error(@"AGXMetal", 3, problem);
    [self release];
    return nil;
}

- (void)dealloc
{
    standin_executor->pipeline_release(_handle);
    standin_executor->library_release(_library);
    [_arguments release];
    [_name release];
    [super dealloc];
}

- (NSUInteger)maxTotalThreadsPerThreadgroup
{
    return _limits.max_total_threads_per_threadgroup;
}

- (NSUInteger)threadExecutionWidth
{
    return _limits.thread_execution_width;
}

- (NSUInteger)staticThreadgroupMemoryLength
{
    return _limits.static_threadgroup_memory;
}

@end
