/* memory.m: buffers and the heaps that they may be cut from. */
#import "metal_driver.h"

#import "later.h"

#include <stdlib.h>
#include <unistd.h>

/* Storage is shared by default: Apple GPUs reach the host's memory at full speed ("Choosing a resource storage mode
 * for Apple GPUs"). */
static MTLResourceOptions resource_options(uint32_t options)
{
    MTLResourceOptions result = options & MP_RESOURCE_PRIVATE ? MTLResourceStorageModePrivate
                                                              : MTLResourceStorageModeShared;
    return result | (options & MP_RESOURCE_UNTRACKED ? MTLResourceHazardTrackingModeUntracked
                                                     : MTLResourceHazardTrackingModeTracked);
}

static mp_status check_size(mp_device *device, uint64_t size, mp_error *error)
{
    if (size == 0)
        return mtl_fail(error, MP_ERROR_INVALID, "a buffer needs at least 1 byte");
    uint64_t limit = device->device.maxBufferLength;
    if (size > limit)
        return mtl_fail(error, MP_ERROR_INVALID, "a buffer of %llu bytes is longer than the device's limit of %llu",
                        (unsigned long long)size, (unsigned long long)limit);
    return MP_OK;
}

/* Before there is anything in Metal that would have to be undone. NULL with `error` filled. */
static mp_buffer *allocate(mp_error *error)
{
    mp_buffer *made = calloc(1, sizeof *made);
    if (!made)
        mtl_fail(error, MP_ERROR_MEMORY, "no memory for a buffer object");
    return made;
}

/* Takes over the reference to `metal`. */
static void finish(mp_buffer *made, mp_device *device, mp_heap *heap, id<MTLBuffer> metal, bool untracked)
{
    atomic_init(&made->references, 1);
    mtl_device_retain(device);
    made->device = device;
    made->buffer = metal;
    made->untracked = untracked;
    if (heap) {
        mtl_retain(&heap->references);
        made->heap = heap;
    }
    mtl_count(1);
}

static mp_status no_memory(mp_device *device, uint64_t size, const char *where, mp_error *error)
{
    return mtl_fail(error, MP_ERROR_MEMORY, "no memory for a buffer of %llu bytes%s (%llu bytes are in use, %llu are "
                    "recommended)", (unsigned long long)size, where,
                    (unsigned long long)device->device.currentAllocatedSize,
                    (unsigned long long)device->device.recommendedMaxWorkingSetSize);
}

/* ---- heaps ---- */

static MTLSizeAndAlign in_heap(mp_device *device, uint64_t size, MTLResourceOptions options)
{
    MTLSizeAndAlign need = [device->device heapBufferSizeAndAlignWithLength:size options:options];
    if (need.align < 256)
        need.align = 256;
    need.size = (need.size + need.align - 1) / need.align * need.align;
    return need;
}

uint64_t mtl_heap_buffer_size(mp_device *device, uint64_t size)
{
    if (mtl_forked)
        return size;
    MTL_POOL { return in_heap(device, size, MTLResourceStorageModeShared).size; }
}

mp_status mtl_heap_create(mp_device *device, uint64_t size, uint32_t options, mp_heap **heap, mp_error *error)
{
    MTL_ENTER(error)
    mp_status status = check_size(device, size, error);
    if (status)
        return status;
    MTLHeapDescriptor *descriptor = [[[MTLHeapDescriptor alloc] init] autorelease];
    descriptor.size = size;
    /* "MTLHeapDescriptor hazardTrackingMode": a heap is untracked unless it is told. */
    descriptor.resourceOptions = resource_options(options);
    id<MTLHeap> metal = [device->device newHeapWithDescriptor:descriptor];
    if (!metal)
        return no_memory(device, size, " in a heap", error);
    mp_heap *made = calloc(1, sizeof *made);
    if (!made) {
        [metal release];
        return mtl_fail(error, MP_ERROR_MEMORY, "no memory for a heap object");
    }
    atomic_init(&made->references, 1);
    mtl_device_retain(device);
    made->device = device;
    made->heap = metal;
    made->options = resource_options(options);
    mtl_count(1);
    *heap = made;
    return MP_OK;
    MTL_LEAVE(error)
}

void mtl_heap_release(mp_heap *heap)
{
    if (!heap || mtl_forked || !mtl_drop(&heap->references))
        return;
    MTL_POOL { [heap->heap release]; }
    mtl_device_release(heap->device);
    free(heap);
    mtl_count(-1);
}

uint64_t mtl_heap_available(mp_heap *heap)
{
    if (mtl_forked)
        return 0;
    MTL_POOL { return [heap->heap maxAvailableSizeWithAlignment:256]; }
}

mp_status mtl_heap_buffer_create(mp_heap *heap, uint64_t size, mp_buffer **buffer, mp_error *error)
{
    MTL_ENTER(error)
    mp_status status = check_size(heap->device, size, error);
    if (status)
        return status;
    mp_buffer *made = allocate(error);
    if (!made)
        return MP_ERROR_MEMORY;
    id<MTLBuffer> metal = [heap->heap newBufferWithLength:size options:heap->options];
    if (!metal) {
        free(made);
        return no_memory(heap->device, size, " in this heap", error);
    }
    finish(made, heap->device, heap, metal, heap->options & MTLResourceHazardTrackingModeUntracked);
    *buffer = made;
    return MP_OK;
    MTL_LEAVE(error)
}

/* ---- buffers ---- */

mp_status mtl_buffer_create(mp_device *device, uint64_t size, uint32_t options, mp_buffer **buffer, mp_error *error)
{
    MTL_ENTER(error)
    mp_status status = check_size(device, size, error);
    if (status)
        return status;
    mp_buffer *made = allocate(error);
    if (!made)
        return MP_ERROR_MEMORY;
    id<MTLBuffer> metal = [device->device newBufferWithLength:size options:resource_options(options)];
    if (!metal) {
        free(made);
        return no_memory(device, size, "", error);
    }
    finish(made, device, NULL, metal, options & MP_RESOURCE_UNTRACKED);
    *buffer = made;
    return MP_OK;
    MTL_LEAVE(error)
}

mp_status mtl_buffer_wrap(mp_device *device, void *memory, uint64_t size, mp_release_callback release, void *context,
                          mp_buffer **buffer, mp_error *error)
{
    MTL_ENTER(error)
    if (!memory || size == 0)
        return mtl_fail(error, MP_ERROR_INVALID, "wrapped memory needs an address and at least 1 byte");
    uint64_t page = (uint64_t)getpagesize();
    /* "newBufferWithBytesNoCopy:length:options:deallocator:": whole pages only. */
    if ((uintptr_t)memory % page || size % page)
        return mtl_fail(error, MP_ERROR_UNSUPPORTED,
                        "an Apple GPU shares whole pages of %llu bytes only; %llu bytes at %p are none",
                        (unsigned long long)page, (unsigned long long)size, memory);
    mp_status status = check_size(device, size, error);
    if (status)
        return status;
    mp_buffer *made = allocate(error);
    if (!made)
        return MP_ERROR_MEMORY;
    void (^deallocator)(void *, NSUInteger) = ^(void *pointer, NSUInteger length) {
        (void)pointer, (void)length;
        if (release)
            release(context);
    };
    id<MTLBuffer> metal = [device->device newBufferWithBytesNoCopy:memory
                                                            length:size
                                                           options:MTLResourceStorageModeShared
                                                       deallocator:deallocator];
    if (!metal) {
        free(made);
        return no_memory(device, size, " over existing memory", error);
    }
    finish(made, device, NULL, metal, false);
    *buffer = made;
    return MP_OK;
    MTL_LEAVE(error)
}

void mtl_buffer_retain(mp_buffer *buffer)
{
    mtl_retain(&buffer->references);
}

void mtl_buffer_release(mp_buffer *buffer)
{
    if (!buffer || mtl_forked || !mtl_drop(&buffer->references))
        return;
    MTL_POOL { [buffer->buffer release]; } /* command buffers that use it hold references of their own */
    mtl_heap_release(buffer->heap);
    mtl_device_release(buffer->device);
    free(buffer);
    mtl_count(-1);
}

void *mtl_buffer_contents(mp_buffer *buffer)
{
    if (mtl_forked)
        return NULL;
    MTL_POOL
    {
        /* "MTLBuffer contents": NULL for private storage; validation wants it not to be asked for. */
        return buffer->buffer.storageMode == MTLStorageModePrivate ? NULL : buffer->buffer.contents;
    }
}

uint64_t mtl_buffer_address(mp_buffer *buffer)
{
    if (mtl_forked)
        return 0;
    MTL_POOL
    {
        if (![buffer->buffer respondsToSelector:@selector(gpuAddress)])
            return 0; /* before macOS 13 */
        return [(id<MtlLaterBuffer>)buffer->buffer gpuAddress];
    }
}

uint64_t mtl_buffer_size(mp_buffer *buffer)
{
    if (mtl_forked)
        return 0;
    MTL_POOL { return buffer->buffer.length; }
}
