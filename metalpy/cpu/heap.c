/* heap.c: memory that buffers are cut from.
 *
 * A heap is one mapping, a chain of ranges in the order of their addresses. Free ranges are also in lists by size
 * class, eight classes for each power of two; a bit says which lists have any. A buffer gets the smallest free range
 * that holds it, and a range that becomes free swallows free neighbours.
 *
 * The system gives a mapping memory when it is touched, so a heap costs what its buffers have used: heaps of 1 GiB are
 * fine on small machines. Against the machine's memory count the buffers, not the heaps; the whole heap counts in
 * device_allocated_size, as on Apple's devices. A large range that becomes free is given back to the system at once,
 * small ones with their heap. */
#include "software.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
/* Not in large heaps: marking takes an eighth of their memory. */
#define FORBID(heap, start, length) ((heap)->size <= 1u << 26 ? __asan_poison_memory_region(start, length) : (void)0)
#define ALLOW(heap, start, length) ((heap)->size <= 1u << 26 ? __asan_unpoison_memory_region(start, length) : (void)0)
#else
#define FORBID(heap, start, length) ((void)0)
#define ALLOW(heap, start, length) ((void)0)
#endif

#define UNIT 256
#define CLASSES 256                    /* enough for SW_MAX_BUFFER_LENGTH */
#define RETURN_FROM (UINT64_C(1) << 18) /* free ranges from this size on go back to the system */

struct sw_range {
    struct sw_range *before, *after;   /* neighbours */
    struct sw_range *previous, *next;  /* in the list of its class, while free */
    uint64_t offset, size;             /* multiples of UNIT */
    bool free;
};

struct mp_heap {
    _Atomic uint32_t references;       /* the owner's and one for each buffer */
    bool hidden;
    uint8_t *memory;
    uint64_t size;                     /* whole pages */
    pthread_mutex_t lock;              /* for what follows */
    struct sw_range *first;
    struct sw_range *lists[CLASSES];
    uint64_t filled[CLASSES / 64];     /* bits of the lists that are not empty */
};

static uint32_t class_of(uint64_t size)
{
    uint64_t units = size / UNIT;
    if (units < 8)
        return (uint32_t)units;
    uint32_t power = 63 - (uint32_t)__builtin_clzll(units);
    return (power - 3) * 8 + (uint32_t)(units >> (power - 3));
}

static void list_add(mp_heap *heap, struct sw_range *range)
{
    uint32_t class = class_of(range->size);
    range->free = true;
    range->previous = NULL;
    range->next = heap->lists[class];
    if (range->next)
        range->next->previous = range;
    heap->lists[class] = range;
    heap->filled[class / 64] |= UINT64_C(1) << class % 64;
}

static void list_remove(mp_heap *heap, struct sw_range *range)
{
    uint32_t class = class_of(range->size);
    range->free = false;
    if (range->next)
        range->next->previous = range->previous;
    if (range->previous)
        range->previous->next = range->next;
    else if (!(heap->lists[class] = range->next))
        heap->filled[class / 64] &= ~(UINT64_C(1) << class % 64);
}

/* The smallest range of a list that holds `size` bytes, or NULL. */
static struct sw_range *smallest(struct sw_range *range, uint64_t size)
{
    struct sw_range *best = NULL;
    for (; range; range = range->next) {
        if (range->size == size)
            return range;
        if (range->size > size && (!best || range->size < best->size))
            best = range;
    }
    return best;
}

static struct sw_range *best_fit(mp_heap *heap, uint64_t size)
{
    uint32_t class = class_of(size);
    struct sw_range *found = smallest(heap->lists[class], size);
    if (found)
        return found;
    uint64_t mask = class % 64 == 63 ? 0 : ~UINT64_C(0) << (class % 64 + 1);
    for (uint32_t word = class / 64; word < CLASSES / 64; word++, mask = ~UINT64_C(0))
        if (heap->filled[word] & mask)
            return smallest(heap->lists[word * 64 + (uint32_t)__builtin_ctzll(heap->filled[word] & mask)], size);
    return NULL;
}

/* Cuts `size` bytes; NULL when there is no room, or no memory for the bookkeeping. */
static struct sw_range *cut(mp_heap *heap, uint64_t size)
{
    struct sw_range *range = best_fit(heap, size);
    if (!range)
        return NULL;
    if (range->size > size) {
        struct sw_range *rest = malloc(sizeof *rest);
        if (!rest)
            return NULL;
        list_remove(heap, range);
        *rest = (struct sw_range){.before = range, .after = range->after, .offset = range->offset + size,
                                  .size = range->size - size};
        if (rest->after)
            rest->after->before = rest;
        range->after = rest;
        range->size = size;
        list_add(heap, rest);
    } else {
        list_remove(heap, range);
    }
    return range;
}

/* Joins `range` and the one after it. */
static void join(mp_heap *heap, struct sw_range *range)
{
    struct sw_range *after = range->after;
    list_remove(heap, after);
    range->size += after->size;
    range->after = after->after;
    if (range->after)
        range->after->before = range;
    free(after);
}

static void put_back(mp_heap *heap, struct sw_range *range)
{
    if (range->after && range->after->free)
        join(heap, range);
    if (range->before && range->before->free) {
        struct sw_range *before = range->before;
        list_remove(heap, before);
        before->size += range->size;
        before->after = range->after;
        if (range->after)
            range->after->before = before;
        free(range);
        range = before;
    }
    list_add(heap, range);
}

/* The contents of a free range are of no use: lets the system have its whole pages. */
static void forget_pages(mp_heap *heap, const struct sw_range *range)
{
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t start = (range->offset + page - 1) / page * page;
    uint64_t end = (range->offset + range->size) / page * page;
    if (start < end)
        madvise(heap->memory + start, end - start, MADV_DONTNEED);
}

static void drop_reference(mp_heap *heap)
{
    if (!sw_drop(&heap->references))
        return;
    ALLOW(heap, heap->memory, heap->size);
    munmap(heap->memory, heap->size);
    atomic_fetch_sub(&sw_device.allocated, heap->size);
    free(heap->first); /* no buffer is left, so this range is all */
    pthread_mutex_destroy(&heap->lock);
    free(heap);
    sw_count(-1);
}

uint64_t sw_heap_buffer_size(mp_device *device, uint64_t size)
{
    (void)device;
    return size > UINT64_MAX - UNIT ? size : (size + UNIT - 1) / UNIT * UNIT;
}

mp_status sw_heap_create(mp_device *device, uint64_t size, uint32_t options, mp_heap **heap, mp_error *error)
{
    mp_status status = sw_check_fork(error);
    if (status)
        return status;
    if (size == 0)
        return sw_fail(error, MP_ERROR_INVALID, "a heap needs at least 1 byte");
    if (size > SW_MAX_BUFFER_LENGTH)
        return sw_fail(error, MP_ERROR_INVALID, "a heap of %llu bytes is longer than the device's limit of %llu",
                       (unsigned long long)size, (unsigned long long)SW_MAX_BUFFER_LENGTH);
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t reserved = (size + page - 1) / page * page;
    /* Nothing is taken yet, but a heap that could never be filled would be an empty promise. */
    void *memory = MAP_FAILED;
    if (device->memory == 0 || atomic_load(&device->committed) + reserved <= device->memory)
        memory = mmap(NULL, reserved, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    mp_heap *made = memory == MAP_FAILED ? NULL : calloc(1, sizeof *made);
    struct sw_range *whole = made ? malloc(sizeof *whole) : NULL;
    if (!whole) {
        free(made);
        if (memory != MAP_FAILED)
            munmap(memory, reserved);
        return sw_no_memory(error, "heap", size);
    }
    made->hidden = (options & MP_RESOURCE_PRIVATE) != 0;
    made->memory = memory;
    made->size = reserved;
    atomic_init(&made->references, 1);
    pthread_mutex_init(&made->lock, NULL);
    *whole = (struct sw_range){.size = reserved};
    made->first = whole;
    list_add(made, whole);
    FORBID(made, memory, reserved);
    atomic_fetch_add(&device->allocated, reserved);
    sw_count(1);
    *heap = made;
    return MP_OK;
}

void sw_heap_release(mp_heap *heap)
{
    if (heap && !sw_forked)
        drop_reference(heap);
}

uint64_t sw_heap_available(mp_heap *heap)
{
    if (sw_forked) /* another thread may have held the lock */
        return 0;
    uint64_t largest = 0;
    pthread_mutex_lock(&heap->lock);
    for (uint32_t word = CLASSES / 64; word-- > 0 && largest == 0;) {
        if (!heap->filled[word])
            continue;
        struct sw_range *range = heap->lists[word * 64 + 63 - (uint32_t)__builtin_clzll(heap->filled[word])];
        for (; range; range = range->next)
            largest = range->size > largest ? range->size : largest;
    }
    pthread_mutex_unlock(&heap->lock);
    return largest;
}

mp_status sw_heap_buffer_create(mp_heap *heap, uint64_t size, mp_buffer **buffer, mp_error *error)
{
    mp_status status = sw_check_fork(error);
    if (status)
        return status;
    if (size == 0)
        return sw_fail(error, MP_ERROR_INVALID, "a buffer needs at least 1 byte");
    uint64_t wanted = sw_heap_buffer_size(&sw_device, size);
    if (wanted > heap->size)
        return sw_fail(error, MP_ERROR_MEMORY, "a heap of %llu bytes has no room for a buffer of %llu bytes",
                       (unsigned long long)heap->size, (unsigned long long)size);
    if (!sw_commit(wanted))
        return sw_no_memory(error, "buffer", size);
    mp_buffer *made = malloc(sizeof *made);
    pthread_mutex_lock(&heap->lock);
    struct sw_range *range = made ? cut(heap, wanted) : NULL;
    pthread_mutex_unlock(&heap->lock);
    if (!range) {
        free(made);
        atomic_fetch_sub(&sw_device.committed, wanted);
        return sw_fail(error, MP_ERROR_MEMORY, "the heap has no room for a buffer of %llu bytes",
                       (unsigned long long)size);
    }
    *made = (mp_buffer){.memory = heap->memory + range->offset, .size = size, .hidden = heap->hidden, .heap = heap,
                        .range = range};
    atomic_init(&made->references, 1);
    sw_prefer_huge_pages(made->memory, wanted);
    ALLOW(heap, made->memory, wanted);
    sw_retain(&heap->references);
    sw_count(1);
    *buffer = made;
    return MP_OK;
}

void sw_heap_take_back(mp_buffer *buffer)
{
    mp_heap *heap = buffer->heap;
    uint64_t size = buffer->range->size;
    if (size >= RETURN_FROM)
        forget_pages(heap, buffer->range); /* before anybody else can get the range */
    FORBID(heap, buffer->memory, size);
    pthread_mutex_lock(&heap->lock);
    put_back(heap, buffer->range);
    pthread_mutex_unlock(&heap->lock);
    atomic_fetch_sub(&sw_device.committed, size);
    drop_reference(heap);
}
