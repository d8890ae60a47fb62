/* encode.m: launches, copies, fills and mipmaps into the open command buffer. */
#import "metal_driver.h"

#include <stdlib.h>
#include <string.h>

#define INLINE_BYTES 4096                    /* "setBytes:length:atIndex:": for less than 4 KB */
#define CHUNK ((UINT64_C(1) << 31) - 65536)  /* bytes of one blit: longer ones are known to go wrong */
#define THREADS_PER_CHUNK (UINT64_C(1) << 30)

/* ---- passes ---- */

static id<MTLComputeCommandEncoder> compute_encoder(mp_queue *queue, struct mtl_batch *batch)
{
    if (queue->encoder_kind != MTL_COMPUTE) {
        mtl_end_encoder(queue);
        /* A serial one: each dispatch sees what those before it have written. */
        queue->encoder = [[batch->buffer computeCommandEncoder] retain];
        queue->encoder_kind = MTL_COMPUTE;
        if (queue->untracked)
            [queue->encoder waitForFence:queue->fence];
    }
    return queue->encoder;
}

static id<MTLBlitCommandEncoder> blit_encoder(mp_queue *queue, struct mtl_batch *batch, bool untracked)
{
    if (untracked && queue->encoder_kind == MTL_BLIT)
        mtl_end_encoder(queue); /* a blit pass has no barriers */
    if (queue->encoder_kind != MTL_BLIT) {
        mtl_end_encoder(queue);
        queue->encoder = [[batch->buffer blitCommandEncoder] retain];
        queue->encoder_kind = MTL_BLIT;
        if (queue->untracked)
            [queue->encoder waitForFence:queue->fence];
    }
    return queue->encoder;
}

/* Puts a dispatch behind those before it where Metal does not ("Resource synchronization": untracked resources). */
static void order_untracked(mp_queue *queue, id<MTLComputeCommandEncoder> encoder, bool untracked)
{
    MTLBarrierScope scope = MTLBarrierScopeBuffers;
    if (queue->untracked_textures)
        scope |= MTLBarrierScopeTextures;
    if (queue->needs_barrier)
        [encoder memoryBarrierWithScope:scope];
    queue->needs_barrier = untracked;
}

static void mark_signpost(mp_queue *queue, uint32_t kind, const char *name, mp_pipeline *pipeline)
{
    if (!(queue->trace & kind) || !(queue->trace & (MP_TRACE_INTERVALS | MP_TRACE_EVENTS)))
        return;
    struct mtl_batch *batch = queue->open;
    batch->interval = queue->trace & MP_TRACE_INTERVALS;
    batch->end_event = queue->trace & MP_TRACE_EVENTS;
    batch->signpost_name = name;
    if (pipeline) {
        mtl_retain(&pipeline->references);
        batch->pipeline = pipeline;
    }
}

/* ---- launches ---- */

static mp_status check_sizes(const mp_dispatch *dispatch, mp_error *error)
{
    const mp_pipeline *pipeline = dispatch->pipeline;
    const uint32_t *group = dispatch->group_size;
    uint64_t threads = 1;
    for (int i = 0; i < 3; i++) {
        if (group[i] == 0 || group[i] > MP_MAX_THREADS_PER_THREADGROUP)
            return mtl_fail(error, MP_ERROR_INVALID,
                            "kernel '%s': threadgroup size (%u, %u, %u) needs every entry to be from 1 to %d",
                            pipeline->name, group[0], group[1], group[2], MP_MAX_THREADS_PER_THREADGROUP);
        threads *= group[i];
    }
    if (threads > pipeline->limits.max_total_threads_per_threadgroup)
        return mtl_fail(error, MP_ERROR_INVALID,
                        "kernel '%s': a threadgroup of (%u, %u, %u) has %llu threads; the kernel's limit is %u",
                        pipeline->name, group[0], group[1], group[2], (unsigned long long)threads,
                        pipeline->limits.max_total_threads_per_threadgroup);
    return MP_OK;
}

static uint32_t index_limit(uint32_t kind)
{
    return kind == MP_ARGUMENT_THREADGROUP ? MP_MAX_THREADGROUP_ARGUMENTS
           : kind == MP_ARGUMENT_TEXTURE   ? MP_MAX_TEXTURES
           : kind == MP_ARGUMENT_SAMPLER   ? MP_MAX_SAMPLERS
                                           : MP_MAX_BUFFERS;
}

/* "MTLReadWriteTextureTier": few formats can be read and written by one kernel. */
static mp_status check_texture(const mp_pipeline *pipeline, const mp_argument *argument, mp_error *error)
{
    const mp_texture *texture = argument->texture;
    if (!texture || !(pipeline->read_write[argument->index / 64] >> argument->index % 64 & 1))
        return MP_OK;
    NSUInteger tier = texture->device->device.readWriteTextureSupport;
    if (texture->format->tier != 0 && texture->format->tier <= tier)
        return MP_OK;
    return mtl_fail(error, MP_ERROR_UNSUPPORTED,
                    "kernel '%s' reads and writes texture(%u), which this GPU cannot with pixel format %lu; it can with "
                    "r32Float, r32Uint, r32Sint%s", pipeline->name, argument->index,
                    (unsigned long)texture->format->value,
                    tier == MTLReadWriteTextureTier2 ? ", and r8, rgba8, r16, rgba16 and rgba32 but for Snorm, sRGB and "
                                                       "16-bit Unorm" : "");
}

static mp_status check_argument(const mp_pipeline *pipeline, const mp_argument *argument, uint64_t *memory,
                                mp_error *error)
{
    uint32_t limit = index_limit(argument->kind);
    if (argument->kind != MP_ARGUMENT_RESIDENT && argument->index >= limit)
        return mtl_fail(error, MP_ERROR_INVALID, "kernel '%s': argument index %u is not below %u", pipeline->name,
                        argument->index, limit);
    switch (argument->kind) {
    case MP_ARGUMENT_BUFFER:
        if (argument->buffer && argument->offset > argument->buffer->buffer.length)
            return mtl_fail(error, MP_ERROR_INVALID,
                            "kernel '%s': offset %llu of buffer(%u) lies outside the buffer of %llu bytes",
                            pipeline->name, (unsigned long long)argument->offset, argument->index,
                            (unsigned long long)argument->buffer->buffer.length);
        return MP_OK;
    case MP_ARGUMENT_BYTES:
        if (!argument->bytes || argument->size == 0 || argument->size > UINT32_MAX)
            return mtl_fail(error, MP_ERROR_INVALID, "kernel '%s': buffer(%u) cannot be bound to %llu bytes by value",
                            pipeline->name, argument->index, (unsigned long long)argument->size);
        return MP_OK;
    case MP_ARGUMENT_THREADGROUP:
        *memory += argument->size > MP_MAX_THREADGROUP_MEMORY ? UINT64_C(1) << 32
                                                              : (argument->size + 15) & ~UINT64_C(15);
        return MP_OK;
    case MP_ARGUMENT_RESIDENT:
        if (!argument->buffer && !argument->texture && !argument->sampler)
            return mtl_fail(error, MP_ERROR_INVALID,
                            "kernel '%s': a resident argument needs a buffer, texture or sampler", pipeline->name);
        return MP_OK;
    case MP_ARGUMENT_TEXTURE:
        return check_texture(pipeline, argument, error);
    case MP_ARGUMENT_SAMPLER:
        if (!argument->sampler)
            return mtl_fail(error, MP_ERROR_INVALID, "kernel '%s': sampler(%u) is bound to nothing", pipeline->name,
                            argument->index);
        return MP_OK;
    default:
        return mtl_fail(error, MP_ERROR_INVALID, "kernel '%s': argument kind %u is unknown", pipeline->name,
                        argument->kind);
    }
}

static mp_status check_dispatch(mp_queue *queue, const mp_dispatch *dispatch, mp_error *error)
{
    const mp_pipeline *pipeline = dispatch->pipeline;
    mp_status status = check_sizes(dispatch, error);
    uint64_t memory = pipeline->limits.static_threadgroup_memory;
    for (uint32_t i = 0; i < dispatch->argument_count && status == MP_OK; i++)
        status = check_argument(pipeline, &dispatch->arguments[i], &memory, error);
    if (status)
        return status;
    uint64_t limit = queue->device->device.maxThreadgroupMemoryLength;
    if (memory > limit)
        return mtl_fail(error, MP_ERROR_INVALID,
                        "kernel '%s': its threadgroup memory, static and bound, exceeds the device's limit of %llu bytes",
                        pipeline->name, (unsigned long long)limit);
    return MP_OK;
}

/* Nothing says that Metal keeps alive what is only made resident, and of samplers it knows nothing: the batch does. */
static bool keep_alive(struct mtl_batch *batch, id object)
{
    if (batch->resident_count == batch->resident_capacity) {
        uint32_t capacity = batch->resident_capacity ? batch->resident_capacity * 2 : 16;
        id *grown = realloc(batch->residents, capacity * sizeof *grown);
        if (!grown)
            return false;
        batch->residents = grown;
        batch->resident_capacity = capacity;
    }
    batch->residents[batch->resident_count++] = [object retain];
    return true;
}

/* "useResource:usage:", for this pass. */
static mp_status use_resident(struct mtl_batch *batch, id<MTLComputeCommandEncoder> encoder,
                              const mp_argument *argument, mp_error *error)
{
    const mp_texture *texture = argument->texture;
    bool kept = true;
    if (argument->buffer && (kept = keep_alive(batch, argument->buffer->buffer)))
        [encoder useResource:argument->buffer->buffer usage:MTLResourceUsageRead | MTLResourceUsageWrite];
    if (texture && (kept = kept && keep_alive(batch, texture->texture)))
        [encoder useResource:texture->texture
                       usage:MTLResourceUsageRead | (texture->desc.usage & MP_TEXTURE_WRITE ? MTLResourceUsageWrite : 0)];
    if (argument->sampler)
        kept = kept && keep_alive(batch, argument->sampler->state);
    return kept ? MP_OK : mtl_fail(error, MP_ERROR_MEMORY, "no memory for a list of resident objects");
}

static bool is_untracked(const mp_argument *argument)
{
    bool buffer = argument->buffer && argument->buffer->untracked;
    bool texture = argument->texture && argument->texture->untracked;
    switch (argument->kind) {
    case MP_ARGUMENT_BUFFER:
        return buffer;
    case MP_ARGUMENT_TEXTURE:
        return texture;
    case MP_ARGUMENT_RESIDENT:
        return buffer || texture;
    default:
        return false;
    }
}

static mp_status bind_argument(mp_queue *queue, struct mtl_batch *batch, id<MTLComputeCommandEncoder> encoder,
                               const mp_argument *argument, mp_error *error)
{
    switch (argument->kind) {
    case MP_ARGUMENT_BUFFER:
        [encoder setBuffer:argument->buffer ? argument->buffer->buffer : nil
                    offset:argument->buffer ? argument->offset : 0
                   atIndex:argument->index];
        return MP_OK;
    case MP_ARGUMENT_BYTES:
        if (argument->size < INLINE_BYTES) {
            [encoder setBytes:argument->bytes length:argument->size atIndex:argument->index];
        } else {
            id<MTLBuffer> copy = [queue->device->device newBufferWithBytes:argument->bytes
                                                                    length:argument->size
                                                                   options:MTLResourceStorageModeShared];
            if (!copy)
                return mtl_fail(error, MP_ERROR_MEMORY, "no memory for %llu bytes of arguments",
                                (unsigned long long)argument->size);
            [encoder setBuffer:copy offset:0 atIndex:argument->index];
            [copy release]; /* the command buffer has it */
        }
        return MP_OK;
    case MP_ARGUMENT_THREADGROUP:
        /* "setThreadgroupMemoryLength:atIndex:": a multiple of 16 bytes. */
        [encoder setThreadgroupMemoryLength:(argument->size + 15) & ~UINT64_C(15) atIndex:argument->index];
        return MP_OK;
    case MP_ARGUMENT_TEXTURE: /* nil: a null texture */
        [encoder setTexture:argument->texture ? argument->texture->texture : nil atIndex:argument->index];
        return MP_OK;
    case MP_ARGUMENT_SAMPLER:
        [encoder setSamplerState:argument->sampler->state atIndex:argument->index];
        return MP_OK;
    default:
        return use_resident(batch, encoder, argument, error);
    }
}

static bool is_empty(const uint32_t threads[3])
{
    return threads[0] == 0 || threads[1] == 0 || threads[2] == 0;
}

/* With record_lock. */
static mp_status encode_dispatch(mp_queue *queue, const mp_dispatch *dispatch, mp_error *error)
{
    struct mtl_batch *batch = mtl_open_batch(queue, error);
    if (!batch)
        return MP_ERROR_MEMORY;
    if (is_empty(dispatch->threads)) /* Metal takes no empty grid */
        return MP_OK;
    bool untracked = false;
    for (uint32_t i = 0; i < dispatch->argument_count; i++) {
        const mp_argument *argument = &dispatch->arguments[i];
        bool here = is_untracked(argument);
        untracked |= here;
        queue->untracked_textures |= here && argument->kind != MP_ARGUMENT_BUFFER;
    }
    queue->untracked |= untracked;
    id<MTLComputeCommandEncoder> encoder = compute_encoder(queue, batch);
    [encoder setComputePipelineState:dispatch->pipeline->state];
    for (uint32_t i = 0; i < dispatch->argument_count; i++) {
        mp_status status = bind_argument(queue, batch, encoder, &dispatch->arguments[i], error);
        if (status)
            return status;
    }
    order_untracked(queue, encoder, untracked);
    const uint32_t *threads = dispatch->threads, *group = dispatch->group_size;
    /* "Calculating threadgroup and grid sizes": exact grids need non-uniform threadgroups, which Apple4 GPUs and all
     * of Mac2 have. */
    [encoder dispatchThreads:MTLSizeMake(threads[0], threads[1], threads[2])
        threadsPerThreadgroup:MTLSizeMake(group[0], group[1], group[2])];
    mark_signpost(queue, MP_TRACE_OPERATIONS, dispatch->pipeline->name, dispatch->pipeline);
    return MP_OK;
}

/* With record_lock: what follows each attempt to encode a command. */
static void conclude(mp_queue *queue, mp_status status, uint64_t *serial)
{
    if (status == MP_OK)
        mtl_recorded(queue, serial);
    else
        mtl_drop_empty(queue);
}

mp_status mtl_queue_dispatch(mp_queue *queue, const mp_dispatch *dispatch, uint64_t *serial, mp_error *error)
{
    MTL_ENTER(error)
    mp_status status = check_dispatch(queue, dispatch, error);
    if (status)
        return status;
    pthread_mutex_lock(&queue->record_lock);
    status = encode_dispatch(queue, dispatch, error);
    conclude(queue, status, serial);
    pthread_mutex_unlock(&queue->record_lock);
    return status;
    MTL_LEAVE(error)
}

/* ---- what blits cannot: patterns, and bytes that are not aligned ---- */

enum { FILL_WORDS, FILL_BYTES, COPY_BYTES };
static const char *const kernel_names[] = {"metalpy_fill_words", "metalpy_fill_bytes", "metalpy_copy_bytes"};
static const char kernel_source[] =
    "#include <metal_stdlib>\n"
    "using namespace metal;\n"
    "struct Where { ulong target; ulong source; uint words[4]; };\n"
    "kernel void metalpy_fill_words(device uchar* target [[buffer(0)]], constant Where& at [[buffer(1)]],\n"
    "                               uint i [[thread_position_in_grid]]) {\n"
    "    reinterpret_cast<device uint*>(target + at.target)[i] = at.words[i % 4];\n"
    "}\n"
    "kernel void metalpy_fill_bytes(device uchar* target [[buffer(0)]], constant Where& at [[buffer(1)]],\n"
    "                               uint i [[thread_position_in_grid]]) {\n"
    "    target[at.target + i] = uchar(at.words[i / 4 % 4] >> (i % 4 * 8));\n"
    "}\n"
    "kernel void metalpy_copy_bytes(device uchar* target [[buffer(0)]], constant Where& at [[buffer(1)]],\n"
    "                               device const uchar* source [[buffer(2)]], uint i [[thread_position_in_grid]]) {\n"
    "    target[at.target + i] = source[at.source + i];\n"
    "}\n";

struct where { /* as in the source above */
    uint64_t target, source;
    uint32_t words[4];
};

static id<MTLComputePipelineState> compile_kernel(mp_device *device, int number, mp_error *error)
{
    NSError *reason = nil;
    MTLCompileOptions *options = mtl_compile_options(&(mp_library_desc){.kind = MP_LIBRARY_SOURCE});
    id<MTLLibrary> library = [[device->device newLibraryWithSource:[NSString stringWithUTF8String:kernel_source]
                                                           options:options
                                                             error:&reason] autorelease];
    NSString *name = [NSString stringWithUTF8String:kernel_names[number]];
    id<MTLFunction> function = [[library newFunctionWithName:name] autorelease];
    id<MTLComputePipelineState> made = nil;
    if (function)
        made = [device->device newComputePipelineStateWithFunction:function error:&reason];
    if (!made)
        mtl_fail_with(error, MP_ERROR_LIBRARY, reason, "Metal refuses the driver's own kernels");
    return made;
}

/* No lock is held while the compiler runs: of two threads that come at once both compile, and one result stays. */
static id<MTLComputePipelineState> kernel(mp_device *device, int number, mp_error *error)
{
    pthread_mutex_lock(&device->kernels_lock);
    id<MTLComputePipelineState> found = device->kernels[number];
    pthread_mutex_unlock(&device->kernels_lock);
    if (found)
        return found;
    found = compile_kernel(device, number, error);
    pthread_mutex_lock(&device->kernels_lock);
    if (device->kernels[number])
        [found release];
    else
        device->kernels[number] = found;
    found = device->kernels[number];
    pthread_mutex_unlock(&device->kernels_lock);
    return found;
}

/* With record_lock: `unit` bytes for each thread. */
static void run_kernel(mp_queue *queue, struct mtl_batch *batch, id<MTLComputePipelineState> state, mp_buffer *target,
                       mp_buffer *source, struct where at, uint64_t size, uint32_t unit)
{
    id<MTLComputeCommandEncoder> encoder = compute_encoder(queue, batch);
    [encoder setComputePipelineState:state];
    [encoder setBuffer:target->buffer offset:0 atIndex:0];
    if (source)
        [encoder setBuffer:source->buffer offset:0 atIndex:2];
    order_untracked(queue, encoder, queue->untracked);
    NSUInteger most = state.maxTotalThreadsPerThreadgroup;
    for (uint64_t threads = size / unit; threads;) {
        uint64_t now = threads < THREADS_PER_CHUNK ? threads : THREADS_PER_CHUNK;
        [encoder setBytes:&at length:sizeof at atIndex:1];
        [encoder dispatchThreads:MTLSizeMake(now, 1, 1)
            threadsPerThreadgroup:MTLSizeMake(now < most ? now : most, 1, 1)];
        at.target += now * unit;
        at.source += now * unit;
        threads -= now;
    }
}

static mp_status check_range(const mp_buffer *buffer, uint64_t offset, uint64_t size, const char *what,
                             mp_error *error)
{
    uint64_t length = buffer->buffer.length;
    if (offset > length || size > length - offset)
        return mtl_fail(error, MP_ERROR_INVALID, "%s of %llu bytes at offset %llu does not fit a buffer of %llu bytes",
                        what, (unsigned long long)size, (unsigned long long)offset, (unsigned long long)length);
    return MP_OK;
}

/* `bytes` is the kernel for what a blit cannot, or nil. With record_lock. "copyFromBuffer:sourceOffset:toBuffer:destinationOffset:size:": in macOS, multiples of 4. */
static mp_status encode_copy(mp_queue *queue, mp_buffer *target, uint64_t target_offset, mp_buffer *source,
                             uint64_t source_offset, uint64_t size, uint64_t aligned,
                             id<MTLComputePipelineState> bytes, mp_error *error)
{
    struct mtl_batch *batch = mtl_open_batch(queue, error);
    if (!batch)
        return MP_ERROR_MEMORY;
    bool untracked = target->untracked || source->untracked;
    queue->untracked |= untracked;
    for (uint64_t done = 0; done < aligned; done += CHUNK) {
        uint64_t now = aligned - done < CHUNK ? aligned - done : CHUNK;
        [blit_encoder(queue, batch, untracked && done == 0) copyFromBuffer:source->buffer
                                                              sourceOffset:source_offset + done
                                                                  toBuffer:target->buffer
                                                         destinationOffset:target_offset + done
                                                                      size:now];
    }
    if (aligned < size)
        run_kernel(queue, batch, bytes, target, source,
                   (struct where){.target = target_offset + aligned, .source = source_offset + aligned},
                   size - aligned, 1);
    mark_signpost(queue, MP_TRACE_COPIES, "copy", NULL);
    return MP_OK;
}

mp_status mtl_queue_copy(mp_queue *queue, mp_buffer *target, uint64_t target_offset, mp_buffer *source,
                         uint64_t source_offset, uint64_t size, uint64_t *serial, mp_error *error)
{
    MTL_ENTER(error)
    mp_status status = check_range(target, target_offset, size, "the target", error);
    if (status == MP_OK)
        status = check_range(source, source_offset, size, "the source", error);
    if (status)
        return status;
    if (target == source && size && target_offset < source_offset + size && source_offset < target_offset + size)
        return mtl_fail(error, MP_ERROR_INVALID, "the ranges of a copy within one buffer overlap");
    uint64_t aligned = target_offset % 4 || source_offset % 4 ? 0 : size & ~UINT64_C(3);
    id<MTLComputePipelineState> bytes = aligned < size ? kernel(queue->device, COPY_BYTES, error) : nil;
    if (aligned < size && !bytes)
        return MP_ERROR_LIBRARY;
    pthread_mutex_lock(&queue->record_lock);
    status = encode_copy(queue, target, target_offset, source, source_offset, size, aligned, bytes, error);
    conclude(queue, status, serial);
    pthread_mutex_unlock(&queue->record_lock);
    return status;
    MTL_LEAVE(error)
}

static bool all_bytes_equal(const uint8_t *pattern, uint32_t size)
{
    return size == 1 || memcmp(pattern, pattern + 1, size - 1) == 0;
}

/* With record_lock; `state` nil: by blits. */
static mp_status encode_fill(mp_queue *queue, mp_buffer *target, uint64_t offset, uint64_t size,
                             const uint8_t *pattern, uint32_t pattern_size, id<MTLComputePipelineState> state,
                             uint32_t unit, mp_error *error)
{
    struct mtl_batch *batch = mtl_open_batch(queue, error);
    if (!batch)
        return MP_ERROR_MEMORY;
    queue->untracked |= target->untracked;
    if (!state) {
        for (uint64_t done = 0; done < size; done += CHUNK) {
            uint64_t now = size - done < CHUNK ? size - done : CHUNK;
            [blit_encoder(queue, batch, target->untracked && done == 0) fillBuffer:target->buffer
                                                                             range:NSMakeRange(offset + done, now)
                                                                             value:pattern[0]];
        }
    } else if (size) {
        struct where at = {.target = offset};
        for (uint32_t i = 0; i < sizeof at.words; i += pattern_size)
            memcpy((uint8_t *)at.words + i, pattern, pattern_size);
        run_kernel(queue, batch, state, target, NULL, at, size, unit);
    }
    mark_signpost(queue, MP_TRACE_COPIES, "fill", NULL);
    return MP_OK;
}

mp_status mtl_queue_fill(mp_queue *queue, mp_buffer *target, uint64_t offset, uint64_t size, const void *pattern,
                         uint32_t pattern_size, uint64_t *serial, mp_error *error)
{
    MTL_ENTER(error)
    if (!pattern || pattern_size == 0 || pattern_size > 16 || pattern_size & (pattern_size - 1))
        return mtl_fail(error, MP_ERROR_INVALID, "a fill pattern has 1, 2, 4, 8 or 16 bytes, not %u", pattern_size);
    if (size % pattern_size)
        return mtl_fail(error, MP_ERROR_INVALID, "%llu bytes are no multiple of a pattern of %u",
                        (unsigned long long)size, pattern_size);
    mp_status status = check_range(target, offset, size, "a fill", error);
    if (status)
        return status;
    /* "fillBuffer:range:value:" repeats one byte; in macOS, over multiples of 4. */
    bool words = offset % 4 == 0 && size % 4 == 0;
    id<MTLComputePipelineState> state = nil;
    if (!(words && all_bytes_equal(pattern, pattern_size)) &&
        !(state = kernel(queue->device, words ? FILL_WORDS : FILL_BYTES, error)))
        return MP_ERROR_LIBRARY;
    pthread_mutex_lock(&queue->record_lock);
    status = encode_fill(queue, target, offset, size, pattern, pattern_size, state, words ? 4 : 1, error);
    conclude(queue, status, serial);
    pthread_mutex_unlock(&queue->record_lock);
    return status;
    MTL_LEAVE(error)
}

/* ---- mipmaps ---- */

/* With record_lock. */
static mp_status encode_mipmaps(mp_queue *queue, mp_texture *texture, mp_error *error)
{
    struct mtl_batch *batch = mtl_open_batch(queue, error);
    if (!batch)
        return MP_ERROR_MEMORY;
    /* "generateMipmapsForTexture:": the texture has levels to make. */
    if (texture->desc.levels > 1)
        [blit_encoder(queue, batch, false) generateMipmapsForTexture:texture->texture];
    mark_signpost(queue, MP_TRACE_COPIES, "mipmaps", NULL);
    return MP_OK;
}

mp_status mtl_queue_generate_mipmaps(mp_queue *queue, mp_texture *texture, uint64_t *serial, mp_error *error)
{
    MTL_ENTER(error)
    enum mtl_format_kind kind = texture->format->kind;
    if (kind == MTL_INTEGER || kind == MTL_DEPTH)
        return mtl_fail(error, MP_ERROR_INVALID, "levels of detail cannot be made of %s",
                        kind == MTL_INTEGER ? "integers" : "depths");
    if (kind == MTL_FLOAT32 && !queue->device->device.supports32BitFloatFiltering)
        return mtl_fail(error, MP_ERROR_UNSUPPORTED, "this GPU does not filter 32-bit floats, so it makes no levels of "
                                                     "detail of them; 16-bit floats it does");
    pthread_mutex_lock(&queue->record_lock);
    mp_status status = encode_mipmaps(queue, texture, error);
    conclude(queue, status, serial);
    pthread_mutex_unlock(&queue->record_lock);
    return status;
    MTL_LEAVE(error)
}
