/* encoders.m: compute passes, with what Metal's validation layer checks in them. */
#import "standin.h"

#include <stdlib.h>
#include <string.h>

@implementation StandinEncoder

- (instancetype)initWithBuffer:(StandinCommandBuffer *)buffer
{
    if ((self = [super init]))
        _buffer = [buffer retain];
    return self;
}

- (void)dealloc
{
    REQUIRE(_ended, @"Command encoder released without endEncoding");
    [_buffer release];
    [super dealloc];
}

- (void)checkOpen:(SEL)where
{
    if (_ended)
        standin_misuse(sel_getName(where), @"encoding after endEncoding");
}

- (void)endEncoding
{
    [self checkOpen:_cmd];
    _ended = true;
    [_buffer encoderEnded:self];
}

- (void)updateFence:(id<MTLFence>)fence
{
    [self checkOpen:_cmd];
    [_buffer keep:fence];
    standin_count("fence");
}

- (void)waitForFence:(id<MTLFence>)fence
{
    [self checkOpen:_cmd];
    [_buffer keep:fence];
}

@end

@implementation StandinComputeEncoder

- (instancetype)initWithBuffer:(StandinCommandBuffer *)buffer
{
    if ((self = [super initWithBuffer:buffer]))
        _resident = [[NSMutableArray alloc] init];
    return self;
}

- (void)dealloc
{
    [_resident release];
    [super dealloc];
}

- (void)setComputePipelineState:(id<MTLComputePipelineState>)state
{
    [self checkOpen:_cmd];
    REQUIRE(state != nil, @"computePipelineState must not be nil.");
    _pipeline = (StandinPipeline *)state;
    [_buffer keep:state];
}

- (void)setBytes:(const void *)bytes length:(NSUInteger)length atIndex:(NSUInteger)index
{
    [self checkOpen:_cmd];
    REQUIRE(index < MP_MAX_BUFFERS, @"index(%lu) must be < 31.", (unsigned long)index);
    REQUIRE(bytes != NULL && length > 0 && length <= 4096, @"length(%lu) must be from 1 to 4096.", (unsigned long)length);
    NSData *copy = [NSData dataWithBytes:bytes length:length];
    [_buffer keep:copy];
    _bound[index] = copy;
}

- (void)setBuffer:(id<MTLBuffer>)buffer offset:(NSUInteger)offset atIndex:(NSUInteger)index
{
    [self checkOpen:_cmd];
    REQUIRE(index < MP_MAX_BUFFERS, @"index(%lu) must be < 31.", (unsigned long)index);
    REQUIRE(!buffer || standin_is_alive(buffer), @"the buffer has been released");
    /* Metal wants the offset inside; an argument without elements may begin at the end. */
    REQUIRE(!buffer || offset <= buffer.length, @"offset(%lu) must be <= [buffer length](%lu).", (unsigned long)offset,
            (unsigned long)buffer.length);
    [_buffer keep:buffer];
    _bound[index] = buffer;
    _offsets[index] = offset;
}

- (void)setTexture:(id<MTLTexture>)texture atIndex:(NSUInteger)index
{
    [self checkOpen:_cmd];
    REQUIRE(index < MP_MAX_TEXTURES, @"index(%lu) must be < 128.", (unsigned long)index);
    REQUIRE(!texture || standin_is_alive(texture), @"the texture has been released");
    [_buffer keep:texture];
    _textures[index] = (StandinTexture *)texture;
    _textureSet[index] = true;
}

- (void)setSamplerState:(id<MTLSamplerState>)sampler atIndex:(NSUInteger)index
{
    [self checkOpen:_cmd];
    REQUIRE(index < MP_MAX_SAMPLERS, @"index(%lu) must be < 16.", (unsigned long)index);
    REQUIRE(!sampler || standin_is_alive(sampler), @"the sampler has been released");
    [_buffer keep:sampler];
    _samplers[index] = (StandinSampler *)sampler;
}

- (void)setThreadgroupMemoryLength:(NSUInteger)length atIndex:(NSUInteger)index
{
    [self checkOpen:_cmd];
    REQUIRE(index < MP_MAX_THREADGROUP_ARGUMENTS, @"index(%lu) must be < 31.", (unsigned long)index);
    REQUIRE(length % 16 == 0, @"length(%lu) must be a multiple of 16 bytes.", (unsigned long)length);
    _threadgroup[index] = length;
}

- (void)useResource:(id<MTLResource>)resource usage:(MTLResourceUsage)usage
{
    [self checkOpen:_cmd];
    REQUIRE(resource && standin_is_alive(resource), @"the resource has been released");
    REQUIRE(usage != 0, @"usage must say how the resource is used");
    /* Not retained: it is the caller's to keep it alive. */
    [_resident addObject:[NSValue valueWithPointer:resource]];
}

- (void)memoryBarrierWithScope:(MTLBarrierScope)scope
{
    [self checkOpen:_cmd];
    REQUIRE(scope && (scope & ~(MTLBarrierScopeBuffers | MTLBarrierScopeTextures)) == 0, @"scope %lu is unknown",
            (unsigned long)scope);
    standin_count("barrier");
    if (scope & MTLBarrierScopeTextures)
        standin_count("texture barrier");
}

/* Whether a resource with this handle or address has been made resident, or is bound. */
- (bool)reaches:(uint64_t)address texture:(bool)texture
{
    for (NSValue *value in _resident) {
        id resource = [value pointerValue];
        if (!standin_is_alive(resource))
            continue;
        if (texture && [resource isKindOfClass:[StandinTexture class]] && [resource gpuResourceID].value == address)
            return true;
        if (!texture && [resource isKindOfClass:[StandinBuffer class]] &&
            address - [(StandinBuffer *)resource gpuAddress] <= [(StandinBuffer *)resource length])
            return true;
    }
    for (int i = 0; i < MP_MAX_BUFFERS && !texture; i++) {
        if ([_bound[i] isKindOfClass:[StandinBuffer class]] &&
            address - [(StandinBuffer *)_bound[i] gpuAddress] <= [_bound[i] length])
            return true;
    }
    return false;
}

/* What a struct of arguments names must be resident: a GPU would find nothing there, or the process's end. */
- (void)checkResidency:(NSDictionary *)facts type:(NSUInteger)type bytes:(const char *)bytes size:(NSUInteger)size
{
    if (type == MTLDataTypeStruct) {
        for (NSDictionary *member in [[facts objectForKey:@"struct"] objectForKey:@"members"]) {
            NSUInteger offset = [[member objectForKey:@"offset"] unsignedIntegerValue];
            if (offset < size)
                [self checkResidency:member
                                type:[[member objectForKey:@"dataType"] unsignedIntegerValue]
                               bytes:bytes + offset
                                size:size - offset];
        }
    } else if (type == MTLDataTypeArray) {
        NSDictionary *array = [facts objectForKey:@"array"];
        NSUInteger stride = [[array objectForKey:@"stride"] unsignedIntegerValue];
        NSUInteger length = [[array objectForKey:@"arrayLength"] unsignedIntegerValue];
        NSUInteger element = [[array objectForKey:@"elementType"] unsignedIntegerValue];
        bool holds = element == MTLDataTypeStruct || element == MTLDataTypeArray || element >= MTLDataTypeTexture;
        for (NSUInteger i = 0; holds && i < length && i * stride < size; i++)
            [self checkResidency:array type:element bytes:bytes + i * stride size:size - i * stride];
    } else if ((type == MTLDataTypeTexture || type == MTLDataTypePointer) && size >= sizeof(uint64_t)) {
        uint64_t address;
        memcpy(&address, bytes, sizeof address);
        if (address && ![self reaches:address texture:type == MTLDataTypeTexture])
            standin_misuse(sel_getName(@selector(dispatchThreads:threadsPerThreadgroup:)),
                           @"Compute Function(%@): %@ in an argument buffer holds a resource that is not resident",
                           _pipeline->_name, [facts objectForKey:@"name"]);
    }
}

/* One argument of the pipeline, as the executor takes it. Returns false if there is none to bind. */
- (bool)take:(NSDictionary *)facts as:(mp_argument *)argument threadgroup:(NSUInteger *)total
{
    SEL _cmd_dispatch = @selector(dispatchThreads:threadsPerThreadgroup:);
    const char *where = sel_getName(_cmd_dispatch);
    NSUInteger index = [[facts objectForKey:@"index"] unsignedIntegerValue];
    NSUInteger alignment = [[facts objectForKey:@"alignment"] unsignedIntegerValue];
    NSString *name = [facts objectForKey:@"name"];
    argument->index = (uint32_t)index;
    if ([[facts objectForKey:@"type"] unsignedIntegerValue] == MTLArgumentTypeThreadgroupMemory) {
        if (_threadgroup[index] == 0)
            standin_misuse(where, @"Compute Function(%@): missing threadgroup memory length for %@[%lu].",
                           _pipeline->_name, name, (unsigned long)index);
        argument->kind = MP_ARGUMENT_THREADGROUP;
        argument->size = _threadgroup[index];
        *total += _threadgroup[index];
        return true;
    }
    id bound = _bound[index];
    if (!bound) {
        if (![[facts objectForKey:@"optional"] boolValue])
            standin_misuse(where, @"Compute Function(%@): missing Buffer binding at index %lu for %@.", _pipeline->_name,
                           (unsigned long)index, name);
        return false;
    }
    NSUInteger available;
    bool constant = [[facts objectForKey:@"constant"] boolValue];
    const char *start = [bound isKindOfClass:[NSData class]]
                            ? [bound bytes]
                            : (const char *)standin_executor->buffer_contents(((StandinBuffer *)bound)->_handle) +
                                  _offsets[index];
    if (constant)
        [self checkResidency:facts
                        type:[[facts objectForKey:@"dataType"] unsignedIntegerValue]
                       bytes:start
                        size:[bound length] - ([bound isKindOfClass:[NSData class]] ? 0 : _offsets[index])];
    if ([bound isKindOfClass:[NSData class]]) {
        argument->kind = MP_ARGUMENT_BYTES;
        argument->size = available = [bound length];
        void *copy = malloc(available);
        memcpy(copy, [bound bytes], available);
        argument->bytes = copy;
    } else {
        argument->kind = MP_ARGUMENT_BUFFER;
        argument->buffer = ((StandinBuffer *)bound)->_handle;
        argument->offset = _offsets[index];
        available = [bound length] - _offsets[index];
        if (_offsets[index] % alignment || (constant && _offsets[index] % 4))
            standin_misuse(where, @"Compute Function(%@): the offset into the buffer %@ that is bound at buffer index %lu "
                           @"must be a multiple of %lu but was set to %lu.", _pipeline->_name, name,
                           (unsigned long)index, (unsigned long)alignment, (unsigned long)_offsets[index]);
    }
    NSUInteger needed = constant ? [[facts objectForKey:@"dataSize"] unsignedIntegerValue] : 0;
    if ([[facts objectForKey:@"reference"] boolValue] && available < needed)
        standin_misuse(where, @"Compute Function(%@): argument %@[%lu] from Buffer(%lu) with offset has space for %lu "
                       @"bytes, but argument has a length(%lu).", _pipeline->_name, name, (unsigned long)index,
                       (unsigned long)index, (unsigned long)available, (unsigned long)needed);
    return true;
}

/* What Metal minds of a texture that a kernel is given. */
- (void)checkTexture:(StandinTexture *)texture for:(NSDictionary *)facts at:(NSUInteger)index
{
    const char *where = sel_getName(@selector(dispatchThreads:threadsPerThreadgroup:));
    MTLTextureDescriptor *given = [texture descriptor];
    NSString *name = [facts objectForKey:@"name"];
    NSUInteger type = [[facts objectForKey:@"textureType"] unsignedIntegerValue];
    NSUInteger scalar = [[facts objectForKey:@"textureDataType"] unsignedIntegerValue];
    NSUInteger access = [[facts objectForKey:@"access"] unsignedIntegerValue];
    MTLDataType components = standin_format_components(given.pixelFormat);
    bool matches = scalar == MTLDataTypeInt || scalar == MTLDataTypeShort    ? components == MTLDataTypeInt
                   : scalar == MTLDataTypeUInt || scalar == MTLDataTypeUShort ? components == MTLDataTypeUInt
                                                                              : components == MTLDataTypeFloat;
    if (given.textureType != type)
        standin_misuse(where, @"Compute Function(%@): incorrect type of texture (%lu) bound at Texture binding at index "
                       @"%lu (expect %lu) for %@.", _pipeline->_name, (unsigned long)given.textureType,
                       (unsigned long)index, (unsigned long)type, name);
    if (!matches || ([[facts objectForKey:@"isDepth"] boolValue] && !standin_format_is_depth(given.pixelFormat)))
        standin_misuse(where, @"Compute Function(%@): The pixel format (%lu) of the texture bound at index %lu is "
                       @"incompatible with the data type (%lu) of the texture parameter (%@).", _pipeline->_name,
                       (unsigned long)given.pixelFormat, (unsigned long)index, (unsigned long)scalar, name);
    if (access != MTLArgumentAccessWriteOnly && !(given.usage & MTLTextureUsageShaderRead))
        standin_misuse(where, @"Compute Function(%@): Shader reads texture (%@[%lu]) whose usage (%lx) doesn't specify "
                       @"MTLTextureUsageShaderRead", _pipeline->_name, name, (unsigned long)index,
                       (unsigned long)given.usage);
    if (access != MTLArgumentAccessReadOnly && !(given.usage & MTLTextureUsageShaderWrite))
        standin_misuse(where, @"Compute Function(%@): Shader writes texture (%@[%lu]) whose usage (%lx) doesn't specify "
                       @"MTLTextureUsageShaderWrite", _pipeline->_name, name, (unsigned long)index,
                       (unsigned long)given.usage);
    if (access == MTLArgumentAccessReadWrite && !standin_format_is_read_write(given.pixelFormat))
        standin_misuse(where, @"Compute Function(%@): the pixel format (%lu) of texture (%@[%lu]) cannot be read and "
                       @"written by one function", _pipeline->_name, (unsigned long)given.pixelFormat, name,
                       (unsigned long)index);
}

/* Textures and samplers, of which an array takes several indices; returns how many arguments it has made. */
- (uint32_t)takeHandles:(NSDictionary *)facts as:(mp_argument *)arguments
{
    const char *where = sel_getName(@selector(dispatchThreads:threadsPerThreadgroup:));
    bool texture = [[facts objectForKey:@"type"] unsignedIntegerValue] == MTLArgumentTypeTexture;
    NSUInteger first = [[facts objectForKey:@"index"] unsignedIntegerValue];
    NSUInteger count = [[facts objectForKey:@"arrayLength"] unsignedIntegerValue];
    bool optional = [[facts objectForKey:@"optional"] boolValue];
    for (NSUInteger i = 0; i < count; i++) {
        NSUInteger index = first + i;
        if (!optional && !(texture ? _textureSet[index] : _samplers[index] != nil))
            standin_misuse(where, @"Compute Function(%@): missing %s binding at index %lu for %@[%lu].", _pipeline->_name,
                           texture ? "Texture" : "Sampler", (unsigned long)index, [facts objectForKey:@"name"],
                           (unsigned long)i);
        arguments[i].index = (uint32_t)index;
        arguments[i].kind = texture ? MP_ARGUMENT_TEXTURE : MP_ARGUMENT_SAMPLER;
        if (!texture) {
            arguments[i].sampler = _samplers[index]->_handle;
        } else if (_textures[index]) {
            [self checkTexture:_textures[index] for:facts at:index];
            arguments[i].texture = _textures[index]->_handle;
        }
    }
    return (uint32_t)count;
}

- (NSUInteger)argumentCount
{
    NSUInteger count = 1;
    for (NSDictionary *facts in _pipeline->_arguments) {
        NSUInteger several = [[facts objectForKey:@"arrayLength"] unsignedIntegerValue];
        count += several ? several : 1;
    }
    return count;
}

- (void)dispatchThreads:(MTLSize)grid threadsPerThreadgroup:(MTLSize)group
{
    [self checkOpen:_cmd];
    REQUIRE(_pipeline != nil, @"a compute pipeline state must be set before a dispatch");
    REQUIRE(grid.width && grid.height && grid.depth, @"(threadsPerGrid.width * threadsPerGrid.height * "
            "threadsPerGrid.depth)(0) must be greater than zero.");
    REQUIRE(group.width && group.height && group.depth, @"threadsPerThreadgroup must not be zero.");
    REQUIRE(group.width * group.height * group.depth <= _pipeline->_limits.max_total_threads_per_threadgroup,
            @"(threadsPerThreadgroup.width(%lu) * threadsPerThreadgroup.height(%lu) * threadsPerThreadgroup.depth(%lu)) "
            "must be <= %u. (kernel threadgroup size limit)", (unsigned long)group.width, (unsigned long)group.height,
            (unsigned long)group.depth, _pipeline->_limits.max_total_threads_per_threadgroup);
    struct standin_command *command = [_buffer addCommand:RUN_DISPATCH from:self];
    NSUInteger total = _pipeline->_limits.static_threadgroup_memory;
    command->arguments = calloc([self argumentCount], sizeof *command->arguments);
    uint32_t used = 0;
    for (NSDictionary *facts in _pipeline->_arguments) {
        if ([[facts objectForKey:@"type"] unsignedIntegerValue] >= MTLArgumentTypeTexture)
            used += [self takeHandles:facts as:&command->arguments[used]];
        else if ([self take:facts as:&command->arguments[used] threadgroup:&total])
            used++;
    }
    REQUIRE(total <= standin_shared_device().maxThreadgroupMemoryLength,
            @"threadgroup memory length(%lu) exceeds the device's", (unsigned long)total);
    command->residents = calloc([_resident count] + 1, sizeof *command->residents);
    for (NSValue *value in _resident)
        command->residents[command->resident_count++] = [value pointerValue];
    command->dispatch = (mp_dispatch){
        .pipeline = _pipeline->_handle,
        .arguments = command->arguments,
        .argument_count = used,
        .threads = {(uint32_t)grid.width, (uint32_t)grid.height, (uint32_t)grid.depth},
        .group_size = {(uint32_t)group.width, (uint32_t)group.height, (uint32_t)group.depth},
    };
}

- (void)dispatchThreadgroups:(MTLSize)groups threadsPerThreadgroup:(MTLSize)group
{
    [self dispatchThreads:MTLSizeMake(groups.width * group.width, groups.height * group.height,
                                      groups.depth * group.depth)
        threadsPerThreadgroup:group];
}

@end
