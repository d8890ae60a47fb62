/* heap.c: memory that buffers are cut from. */
#include "software.h"

uint64_t sw_heap_buffer_size(mp_device *device, uint64_t size)
{
    (void)device;
    return (size + 255) / 256 * 256;
}

mp_status sw_heap_create(mp_device *device, uint64_t size, uint32_t options, mp_heap **heap, mp_error *error)
{
    (void)device, (void)size, (void)options, (void)heap;
    return sw_fail(error, MP_ERROR_UNSUPPORTED, "heaps are not written yet");
}

void sw_heap_release(mp_heap *heap)
{
    (void)heap;
}

uint64_t sw_heap_available(mp_heap *heap)
{
    (void)heap;
    return 0;
}

mp_status sw_heap_buffer_create(mp_heap *heap, uint64_t size, mp_buffer **buffer, mp_error *error)
{
    (void)heap, (void)size, (void)buffer;
    return sw_fail(error, MP_ERROR_UNSUPPORTED, "heaps are not written yet");
}
