/* test_heap.c: buffers cut from heaps: places, sizes, joining, refusal, threads. */
#include "check.h"

#include <sys/mman.h>
#include <sys/wait.h>

#define KIB UINT64_C(1024)
#define MIB (KIB * KIB)

static mp_heap *new_heap(uint64_t size)
{
    mp_heap *heap = NULL;
    OK(mp->heap_create(device, size, 0, &heap, error));
    return heap;
}

static mp_buffer *cut(mp_heap *heap, uint64_t size)
{
    mp_buffer *buffer = NULL;
    OK(mp->heap_buffer_create(heap, size, &buffer, error));
    return buffer;
}

static uint64_t place(mp_buffer *buffer)
{
    return mp->buffer_address(buffer);
}

static void sizes(void)
{
    CHECK(mp->heap_buffer_size(device, 1) == 256 && mp->heap_buffer_size(device, 256) == 256);
    CHECK(mp->heap_buffer_size(device, 257) == 512 && mp->heap_buffer_size(device, UINT64_MAX) == UINT64_MAX);
    uint64_t before = mp->device_allocated_size(device);
    mp_heap *heap = new_heap(MIB);
    CHECK(mp->device_allocated_size(device) == before + MIB && mp->heap_available(heap) == MIB);
    mp_buffer *one = cut(heap, 1), *two = cut(heap, 1000);
    CHECK(mp->buffer_size(one) == 1 && mp->buffer_size(two) == 1000);
    CHECK(place(two) == place(one) + 256 && place(one) % 4096 == 0);
    CHECK((uint64_t)(uintptr_t)mp->buffer_contents(two) == place(two));
    CHECK(mp->heap_available(heap) == MIB - 256 - 1024);
    CHECK(mp->device_allocated_size(device) == before + MIB); /* the heap counts, not its buffers */
    memset(mp->buffer_contents(two), 1, 1000);

    mp_buffer *none = NULL;
    mp_heap *no_heap = NULL;
    FAILS(MP_ERROR_INVALID, "at least 1", mp->heap_buffer_create(heap, 0, &none, error));
    FAILS(MP_ERROR_MEMORY, "no room", mp->heap_buffer_create(heap, MIB - 1024, &none, error));
    FAILS(MP_ERROR_MEMORY, "no room", mp->heap_buffer_create(heap, 2 * MIB, &none, error));
    FAILS(MP_ERROR_MEMORY, "no room", mp->heap_buffer_create(heap, UINT64_MAX, &none, error));
    FAILS(MP_ERROR_INVALID, "at least 1", mp->heap_create(device, 0, 0, &no_heap, error));
    FAILS(MP_ERROR_INVALID, "limit", mp->heap_create(device, UINT64_MAX, 0, &no_heap, error));
    FAILS(MP_ERROR_MEMORY, "machine has", mp->heap_create(device, UINT64_C(1) << 38, 0, &no_heap, error));
    CHECK(!none && !no_heap);
    mp->heap_release(heap); /* its buffers keep it */
    CHECK(mp->device_allocated_size(device) == before + MIB);
    memset(mp->buffer_contents(two), 2, 1000);
    mp->buffer_release(one);
    mp->buffer_release(two);
    CHECK(mp->device_allocated_size(device) == before);
    mp->heap_release(NULL);

    OK(mp->heap_create(device, MIB, MP_RESOURCE_PRIVATE, &heap, error));
    one = cut(heap, 64);
    CHECK(!mp->buffer_contents(one) && place(one));
    mp->buffer_release(one);
    mp->heap_release(heap);
}

static void best_fit_and_joining(void)
{
    mp_heap *heap = new_heap(MIB);
    mp_buffer *parts[8];
    static const uint64_t size[8] = {8, 1, 4, 1, 16, 1, 6, 1};
    uint64_t used = 0;
    for (int i = 0; i < 8; i++, used += size[i - 1])
        parts[i] = cut(heap, size[i] * 4 * KIB);
    mp_buffer *rest = cut(heap, MIB - used * 4 * KIB);
    CHECK(mp->heap_available(heap) == 0);
    uint64_t where[8];
    for (int i = 0; i < 8; i++) {
        where[i] = place(parts[i]);
        if (i % 2 == 0)
            mp->buffer_release(parts[i]);
    }
    CHECK(mp->heap_available(heap) == 64 * KIB);
    mp_buffer *five = cut(heap, 20 * KIB), *four = cut(heap, 16 * KIB), *seven = cut(heap, 28 * KIB);
    CHECK(place(five) == where[6] && place(four) == where[2] && place(seven) == where[0]);
    mp->buffer_release(seven);
    mp->buffer_release(parts[1]); /* joins both sides: 32 + 4 KiB, up to `four` */
    CHECK(mp->heap_available(heap) == 64 * KIB);
    mp->buffer_release(parts[3]); /* joins the 64 KiB behind it */
    CHECK(mp->heap_available(heap) == 68 * KIB);
    mp->buffer_release(four); /* all before part 5 is one range now */
    CHECK(mp->heap_available(heap) == where[5] - where[0]);
    mp->buffer_release(five);
    mp->buffer_release(parts[7]);
    mp->buffer_release(parts[5]);
    mp->buffer_release(rest);
    CHECK(mp->heap_available(heap) == MIB);
    mp_buffer *all = cut(heap, MIB);
    CHECK(place(all) == where[0]);
    mp->buffer_release(all);
    mp->heap_release(heap);
}

/* Pages of `size` bytes at `address` that are in memory. */
static uint64_t resident(uint64_t address, uint64_t size)
{
    unsigned char pages[4096];
    uint64_t found = 0;
    if (mincore((void *)(uintptr_t)address, size, pages)) /* NOLINT: an address */
        return UINT64_MAX;
    for (uint64_t i = 0; i < size / 4096; i++)
        found += pages[i] & 1;
    return found;
}

static void memory_is_taken_late_and_given_back(void)
{
    mp_device_info info;
    mp->device_info(device, &info);
    uint64_t machine = info.recommended_max_memory / 3 * 4;
    mp_heap *huge = new_heap(machine / 2), *another = new_heap(machine / 4 * 3);
    mp_buffer *buffer = cut(huge, 4 * MIB), *small = cut(huge, 4 * KIB), *none = NULL;
    if (sysconf(_SC_PAGESIZE) == 4096) {
        CHECK(resident(place(buffer), 4 * MIB) == 0);
        memset(mp->buffer_contents(buffer), 1, 4 * MIB);
        CHECK(resident(place(buffer), 4 * MIB) == 1024);
        uint64_t where = place(buffer);
        mp->buffer_release(buffer);
        CHECK(resident(where, 4 * MIB) == 0);
    } else {
        mp->buffer_release(buffer);
    }
    mp_buffer *half = cut(another, machine / 4 * 3 - MIB); /* nothing touches it */
    FAILS(MP_ERROR_MEMORY, "machine has", mp->heap_buffer_create(huge, machine / 3, &none, error));
    FAILS(MP_ERROR_MEMORY, "machine has", mp->buffer_create(device, machine / 3, 0, &none, error));
    mp_heap *no_heap = NULL;
    FAILS(MP_ERROR_MEMORY, "machine has", mp->heap_create(device, machine / 3, 0, &no_heap, error));
    CHECK(!none && !no_heap);
    mp->buffer_release(half);
    mp->buffer_release(cut(huge, machine / 3));
    mp->buffer_release(small);
    mp->heap_release(huge);
    mp->heap_release(another);
}

static void commands_keep_ranges(void)
{
    mp_pipeline *increment = load("increment");
    mp_queue *queue = new_queue();
    mp_heap *heap = new_heap(64 * KIB);
    mp_buffer *used = cut(heap, 4 * KIB);
    memset(mp->buffer_contents(used), 0, 4 * KIB);
    uint64_t where = place(used);
    LAUNCH(queue, increment, 1024, 32, at(0, used));
    mp->buffer_release(used);
    mp_buffer *other = cut(heap, 4 * KIB); /* the recorded command still has the first range */
    CHECK(place(other) != where);
    OK(mp->queue_wait(queue, UINT64_MAX, MP_FOREVER, error));
    mp_buffer *again = cut(heap, 4 * KIB);
    CHECK(place(again) == where && ((int *)mp->buffer_contents(again))[1023] == 1);
    mp->buffer_release(other);
    mp->buffer_release(again);
    mp->heap_release(heap);
    mp->queue_release(queue);
    mp->pipeline_release(increment);
}

struct worker {
    pthread_t thread;
    mp_heap *heap;
    unsigned seed;
    unsigned char number;
};

static unsigned char mark(const struct worker *self, mp_buffer *buffer)
{
    return (unsigned char)(mp->buffer_size(buffer) ^ place(buffer) >> 8 ^ self->number);
}

/* Cuts and returns at random; a buffer's own mark must still be there at the end. */
static void *churn(void *context)
{
    struct worker *self = context;
    mp_buffer *held[32] = {0};
    int wrong = 0;
    for (int turn = 0; turn < 20000; turn++) {
        unsigned slot = (unsigned)rand_r(&self->seed) % COUNT(held);
        if (held[slot]) {
            unsigned char *bytes = mp->buffer_contents(held[slot]);
            uint64_t size = mp->buffer_size(held[slot]);
            wrong += bytes[0] != mark(self, held[slot]) || bytes[size - 1] != mark(self, held[slot]);
            mp->buffer_release(held[slot]);
            held[slot] = NULL;
        } else {
            uint64_t size = 1 + (uint64_t)rand_r(&self->seed) % 20000;
            mp_error error = {0};
            if (mp->heap_buffer_create(self->heap, size, &held[slot], &error))
                continue;
            unsigned char *bytes = mp->buffer_contents(held[slot]);
            bytes[0] = bytes[size - 1] = mark(self, held[slot]);
        }
    }
    for (size_t i = 0; i < COUNT(held); i++)
        mp->buffer_release(held[i]);
    CHECK(wrong == 0, "%d", wrong);
    return NULL;
}

static void threads(void)
{
    mp_heap *heap = new_heap(MIB); /* too small for all: refusals happen too */
    struct worker workers[4];
    for (unsigned i = 0; i < COUNT(workers); i++) {
        workers[i] = (struct worker){.heap = heap, .seed = i + 1, .number = (unsigned char)i};
        pthread_create(&workers[i].thread, NULL, churn, &workers[i]);
    }
    for (unsigned i = 0; i < COUNT(workers); i++)
        pthread_join(workers[i].thread, NULL);
    CHECK(mp->heap_available(heap) == MIB);
    mp->heap_release(heap);
}

static void forked(void)
{
#ifndef TSAN
    mp_heap *heap = new_heap(MIB);
    mp_buffer *buffer = cut(heap, 256);
    pid_t child = fork();
    if (child == 0) {
        mp_error error = {0};
        mp_heap *other = NULL;
        mp_buffer *cutting = NULL;
        int bad = mp->heap_create(device, MIB, 0, &other, &error) != MP_ERROR_FORKED;
        bad |= mp->heap_buffer_create(heap, 256, &cutting, &error) != MP_ERROR_FORKED;
        bad |= mp->heap_available(heap) != 0;
        mp->buffer_release(buffer);
        mp->heap_release(heap);
        ((char *)mp->buffer_contents(buffer))[0] = 1; /* nothing was unmapped */
        _exit(bad);
    }
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %d", status);
    mp->buffer_release(buffer);
    mp->heap_release(heap);
#endif
}

void test_heap(void)
{
    sizes();
    best_fit_and_joining();
    memory_is_taken_late_and_given_back();
    commands_keep_ranges();
    threads();
    forked();
}
