/* encoders.m: passes, with what Metal's validation layer checks in them. */
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
    REQUIRE(scope == MTLBarrierScopeBuffers, @"scope %lu is unknown", (unsigned long)scope);
    standin_count("barrier");
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
        if (_offsets[index] % alignment || ([[facts objectForKey:@"constant"] boolValue] && _offsets[index] % 4))
            standin_misuse(where, @"Compute Function(%@): the offset into the buffer %@ that is bound at buffer index %lu "
                           @"must be a multiple of %lu but was set to %lu.", _pipeline->_name, name,
                           (unsigned long)index, (unsigned long)alignment, (unsigned long)_offsets[index]);
    }
    NSUInteger needed = [[facts objectForKey:@"constant"] boolValue]
                            ? [[facts objectForKey:@"dataSize"] unsignedIntegerValue]
                            : 0;
    if ([[facts objectForKey:@"reference"] boolValue] && available < needed)
        standin_misuse(where, @"Compute Function(%@): argument %@[%lu] from Buffer(%lu) with offset has space for %lu "
                       @"bytes, but argument has a length(%lu).", _pipeline->_name, name, (unsigned long)index,
                       (unsigned long)index, (unsigned long)available, (unsigned long)needed);
    return true;
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
    NSUInteger count = [_pipeline->_arguments count];
    command->arguments = calloc(count + 1, sizeof *command->arguments);
    uint32_t used = 0;
    for (NSDictionary *facts in _pipeline->_arguments) {
        if ([self take:facts as:&command->arguments[used] threadgroup:&total])
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

@implementation StandinBlitEncoder

- (void)copyFromBuffer:(id<MTLBuffer>)source
          sourceOffset:(NSUInteger)sourceOffset
              toBuffer:(id<MTLBuffer>)target
     destinationOffset:(NSUInteger)targetOffset
                  size:(NSUInteger)size
{
    [self checkOpen:_cmd];
    REQUIRE(source && target && standin_is_alive(source) && standin_is_alive(target), @"a buffer has been released");
    REQUIRE(sourceOffset % 4 == 0 && targetOffset % 4 == 0 && size % 4 == 0,
            @"offsets and size must be multiples of 4 in macOS");
    REQUIRE(sourceOffset + size <= source.length && targetOffset + size <= target.length,
            @"(sourceOffset + size) or (destinationOffset + size) is beyond its buffer");
    REQUIRE(source != target || sourceOffset + size <= targetOffset || targetOffset + size <= sourceOffset,
            @"Source and destination overlap");
    REQUIRE(size < (1ull << 31), @"a copy of %lu bytes is longer than the driver promises", (unsigned long)size);
    struct standin_command *command = [_buffer addCommand:RUN_COPY from:self];
    command->source = ((StandinBuffer *)source)->_handle;
    command->target = ((StandinBuffer *)target)->_handle;
    command->source_offset = sourceOffset;
    command->target_offset = targetOffset;
    command->size = size;
    [_buffer keep:source];
    [_buffer keep:target];
    standin_count("blit copy");
}

- (void)fillBuffer:(id<MTLBuffer>)buffer range:(NSRange)range value:(uint8_t)value
{
    [self checkOpen:_cmd];
    REQUIRE(buffer && standin_is_alive(buffer), @"the buffer has been released");
    REQUIRE(range.location % 4 == 0 && range.length % 4 == 0, @"range must be multiples of 4 in macOS");
    REQUIRE(range.length > 0 && NSMaxRange(range) <= buffer.length, @"range is beyond the buffer");
    REQUIRE(range.length < (1ull << 31), @"a fill of %lu bytes is longer than the driver promises",
            (unsigned long)range.length);
    struct standin_command *command = [_buffer addCommand:RUN_FILL from:self];
    command->target = ((StandinBuffer *)buffer)->_handle;
    command->target_offset = range.location;
    command->size = range.length;
    command->byte = value;
    [_buffer keep:buffer];
    standin_count("blit fill");
}

@end
