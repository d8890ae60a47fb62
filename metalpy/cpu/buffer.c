/* buffer.c: memory that kernels reach. */
#include "software.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* From this size on memory is mapped, so that a release gives it back to the system at once. */
#define MAP_FROM (UINT64_C(1) << 18)
#define HUGE_FROM (UINT64_C(4) << 20)
#define ALIGNMENT 256

static uint64_t round_up(uint64_t value, uint64_t unit)
{
    return (value + unit - 1) / unit * unit;
}

/* Linux would promise more memory than there is, and kill the process when it is touched. */
bool sw_commit(uint64_t size)
{
    uint64_t before = atomic_fetch_add(&sw_device.committed, size);
    if (sw_device.memory == 0 || before + size <= sw_device.memory)
        return true;
    atomic_fetch_sub(&sw_device.committed, size);
    return false;
}

/* Large memory is worth pages of 2 MiB: with those of 4 KiB, kernels that stream wait for translations of addresses.
 * Only whole ones, so that no more memory is taken than the buffer has. */
void sw_prefer_huge_pages(void *memory, uint64_t size)
{
#ifdef MADV_HUGEPAGE
    const uintptr_t page = UINT64_C(1) << 21;
    uintptr_t start = ((uintptr_t)memory + page - 1) & ~(page - 1), end = ((uintptr_t)memory + size) & ~(page - 1);
    if (size >= HUGE_FROM && start < end)
        madvise((void *)start, end - start, MADV_HUGEPAGE);
#else
    (void)memory;
    (void)size;
#endif
}

mp_status sw_buffer_create(mp_device *device, uint64_t size, uint32_t options, mp_buffer **buffer, mp_error *error)
{
    mp_status status = sw_check_fork(error);
    if (status)
        return status;
    if (size == 0)
        return sw_fail(error, MP_ERROR_INVALID, "a buffer needs at least 1 byte");
    if (size > SW_MAX_BUFFER_LENGTH)
        return sw_fail(error, MP_ERROR_INVALID, "a buffer of %llu bytes is longer than the device's limit of %llu",
                       (unsigned long long)size, (unsigned long long)SW_MAX_BUFFER_LENGTH);

    bool mapped = size >= MAP_FROM;
    uint64_t reserved = round_up(size, mapped ? (uint64_t)sysconf(_SC_PAGESIZE) : ALIGNMENT);
    bool committed = sw_commit(reserved);
    void *memory = NULL;
    if (committed) {
        if (mapped) {
            memory = mmap(NULL, reserved, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            if (memory == MAP_FAILED)
                memory = NULL;
            else
                sw_prefer_huge_pages(memory, reserved);
        } else {
            memory = aligned_alloc(ALIGNMENT, reserved);
        }
    }
    mp_buffer *made = memory ? malloc(sizeof *made) : NULL;
    if (!made) {
        if (memory && mapped)
            munmap(memory, reserved);
        else
            free(memory);
        if (committed)
            atomic_fetch_sub(&device->committed, reserved);
        return sw_no_memory(error, "buffer", size);
    }
    atomic_fetch_add(&device->allocated, reserved);
    *made = (mp_buffer){.mapped = mapped, .memory = memory, .size = size, .reserved = reserved,
                         .hidden = (options & MP_RESOURCE_PRIVATE) != 0};
    atomic_init(&made->references, 1);
    sw_count(1);
    *buffer = made;
    return MP_OK;
}

mp_status sw_buffer_wrap(mp_device *device, void *memory, uint64_t size, mp_release_callback release, void *context,
                         mp_buffer **buffer, mp_error *error)
{
    (void)device;
    mp_status status = sw_check_fork(error);
    if (status)
        return status;
    if (!memory || size == 0)
        return sw_fail(error, MP_ERROR_INVALID, "wrapped memory needs an address and at least 1 byte");
    mp_buffer *made = malloc(sizeof *made);
    if (!made)
        return sw_fail(error, MP_ERROR_MEMORY, "no memory for a buffer object");
    *made = (mp_buffer){.memory = memory, .size = size, .release = release, .context = context};
    atomic_init(&made->references, 1);
    sw_count(1);
    *buffer = made;
    return MP_OK;
}

void sw_buffer_retain(mp_buffer *buffer)
{
    sw_retain(&buffer->references);
}

void sw_buffer_release(mp_buffer *buffer)
{
    if (!buffer || sw_forked || !sw_drop(&buffer->references))
        return;
    if (buffer->heap) {
        sw_heap_take_back(buffer);
    } else if (buffer->reserved == 0) {
        if (buffer->release)
            buffer->release(buffer->context);
    } else {
        if (buffer->mapped)
            munmap(buffer->memory, buffer->reserved);
        else
            free(buffer->memory);
        atomic_fetch_sub(&sw_device.allocated, buffer->reserved);
        atomic_fetch_sub(&sw_device.committed, buffer->reserved);
    }
    free(buffer);
    sw_count(-1);
}

void *sw_buffer_contents(mp_buffer *buffer)
{
    return buffer->hidden ? NULL : buffer->memory;
}

uint64_t sw_buffer_address(mp_buffer *buffer)
{
    return (uint64_t)(uintptr_t)buffer->memory;
}

uint64_t sw_buffer_size(mp_buffer *buffer)
{
    return buffer->size;
}
