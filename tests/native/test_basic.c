/* test_basic.c: memory, errors, grids, copies and fills, events. */
#include "check.h"

#include <math.h>

static int released;
static void on_release(void *context)
{
    CHECK(context == &released);
    released++;
}

void test_memory(void)
{
    mp_device_info info;
    mp->device_info(device, &info);
    CHECK(strncmp(info.name, "metalpy software device (", 25) == 0, "%s", info.name);
    CHECK(info.core_count >= 1 && info.thread_execution_width == 32 && info.has_unified_memory);
    CHECK(info.max_buffer_length >= info.recommended_max_memory / 4);

    uint64_t before = mp->device_allocated_size(device);
    static const uint64_t sizes[] = {1, 255, 256, 4097, 1 << 18, 10 << 20};
    for (size_t i = 0; i < COUNT(sizes); i++) {
        mp_buffer *buffer = new_buffer(sizes[i]);
        CHECK((uintptr_t)mp->buffer_contents(buffer) % 256 == 0);
        CHECK(mp->buffer_size(buffer) == sizes[i]);
        CHECK(mp->buffer_address(buffer) == (uintptr_t)mp->buffer_contents(buffer));
        CHECK(mp->device_allocated_size(device) >= before + sizes[i]);
        mp->buffer_retain(buffer);
        mp->buffer_release(buffer);
        CHECK(mp->device_allocated_size(device) >= before + sizes[i]);
        mp->buffer_release(buffer);
        CHECK(mp->device_allocated_size(device) == before);
    }
    mp_buffer *none = NULL;
    FAILS(MP_ERROR_INVALID, "at least 1", mp->buffer_create(device, 0, 0, &none, error));
    FAILS(MP_ERROR_INVALID, "4611686018427387904", mp->buffer_create(device, UINT64_C(1) << 62, 0, &none, error));
    FAILS(MP_ERROR_INVALID, "limit", mp->buffer_create(device, UINT64_MAX, 0, &none, error));
    FAILS(MP_ERROR_MEMORY, "bytes", mp->buffer_create(device, info.max_buffer_length, 0, &none, error));
    CHECK(!none && mp->device_allocated_size(device) == before);

    int memory[64] = {0};
    mp_buffer *wrapped = NULL;
    FAILS(MP_ERROR_INVALID, "address", mp->buffer_wrap(device, NULL, 4, on_release, &released, &wrapped, error));
    OK(mp->buffer_wrap(device, memory, sizeof memory, on_release, &released, &wrapped, error));
    CHECK(mp->buffer_contents(wrapped) == memory && mp->device_allocated_size(device) == before);
    mp_pipeline *increment = load("increment");
    mp_queue *queue = new_queue();
    LAUNCH(queue, increment, 64, 16, at(0, wrapped));
    mp->buffer_release(wrapped);
    CHECK(released == 0); /* the recorded launch needs it */
    OK(mp->queue_wait(queue, UINT64_MAX, MP_FOREVER, error));
    CHECK(released == 1 && memory[63] == 1);
    mp->queue_release(queue);
    mp->pipeline_release(increment);
    mp->buffer_release(NULL);
    mp->library_release(NULL);
    mp->pipeline_release(NULL);
    mp->queue_release(NULL);
    mp->event_release(NULL);
    mp->device_release(NULL);
}

static mp_status open_library(const char *name, mp_library **library, mp_error *error)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s.so", getenv("KERNELS"), name);
    mp_library_desc desc = {.kind = MP_LIBRARY_NATIVE, .data = path, .size = strlen(path)};
    return mp->library_create(device, &desc, library, error);
}

void test_errors(void)
{
    mp_device *other = NULL;
    FAILS(MP_ERROR_NOT_FOUND, "index 0", mp->device_open(1, &other, error));
    mp_library *library = NULL;
    mp_pipeline *pipeline = NULL;
    FAILS(MP_ERROR_NOT_FOUND, "no_such", open_library("no_such", &library, error));
    FAILS(MP_ERROR_LIBRARY, "mp_no_such_function", open_library("unresolved", &library, error));
    FAILS(MP_ERROR_UNSUPPORTED, "kind 1", mp->library_create(device, &(mp_library_desc){.kind = 1, .data = "x", .size = 1}, &library, error));
    CHECK(!library && !other);
    OK(open_library("old_version", &library, error));
    FAILS(MP_ERROR_LIBRARY, "version 999", mp->pipeline_create(library, &(mp_pipeline_desc){.name = "old"}, &pipeline, error));
    mp->library_release(library);
    OK(open_library("no_symbol", &library, error));
    FAILS(MP_ERROR_NOT_FOUND, "'missing'", mp->pipeline_create(library, &(mp_pipeline_desc){.name = "missing"}, &pipeline, error));
    mp->library_release(library);
    CHECK(!pipeline);
    CHECK(mp->device_open(7, &other, NULL) == MP_ERROR_NOT_FOUND); /* error may be NULL */

    pipeline = load("limited");
    mp_pipeline_limits limits;
    mp->pipeline_limits(pipeline, &limits);
    CHECK(limits.max_total_threads_per_threadgroup == 64 && limits.static_threadgroup_memory == 1024);
    mp_queue *queue = new_queue();
    mp_buffer *buffer = new_buffer(1024);
    FAILS(MP_ERROR_INVALID, "limit is 64", launch(queue, pipeline, 65, 65, NULL, 0, error));
    FAILS(MP_ERROR_INVALID, "'limited'", launch(queue, pipeline, 64, 0, NULL, 0, error));
    FAILS(MP_ERROR_INVALID, "2000", launch(queue, pipeline, 2000, 2000, NULL, 0, error));
    mp_argument bad = at(31, buffer);
    FAILS(MP_ERROR_INVALID, "31", launch(queue, pipeline, 1, 1, &bad, 1, error));
    bad = group_memory(31, 16);
    FAILS(MP_ERROR_INVALID, "31", launch(queue, pipeline, 1, 1, &bad, 1, error));
    bad = group_memory(0, 32768 - 1024 + 1);
    FAILS(MP_ERROR_INVALID, "threadgroup memory", launch(queue, pipeline, 1, 1, &bad, 1, error));
    bad = group_memory(0, UINT64_MAX);
    FAILS(MP_ERROR_INVALID, "threadgroup memory", launch(queue, pipeline, 1, 1, &bad, 1, error));
    bad = at(0, buffer);
    bad.offset = 1025;
    FAILS(MP_ERROR_INVALID, "offset 1025", launch(queue, pipeline, 1, 1, &bad, 1, error));
    bad = bytes(0, NULL, 4);
    FAILS(MP_ERROR_INVALID, "by value", launch(queue, pipeline, 1, 1, &bad, 1, error));
    bad = (mp_argument){.kind = MP_ARGUMENT_RESIDENT};
    FAILS(MP_ERROR_INVALID, "resident", launch(queue, pipeline, 1, 1, &bad, 1, error));
    bad = (mp_argument){.kind = 99};
    FAILS(MP_ERROR_INVALID, "kind 99", launch(queue, pipeline, 1, 1, &bad, 1, error));
    mp_dispatch huge = {.pipeline = pipeline, .threads = {UINT32_MAX, UINT32_MAX, UINT32_MAX}, .group_size = {1, 1, 1}};
    FAILS(MP_ERROR_INVALID, "too large", mp->queue_dispatch(queue, &huge, NULL, error));

    mp_buffer *two = new_buffer(64);
    FAILS(MP_ERROR_INVALID, "outside", mp->queue_copy(queue, two, 0, buffer, 0, 65, NULL, error));
    FAILS(MP_ERROR_INVALID, "outside", mp->queue_copy(queue, two, 0, buffer, UINT64_MAX, 2, NULL, error));
    FAILS(MP_ERROR_INVALID, "overlaps", mp->queue_copy(queue, buffer, 0, buffer, 32, 33, NULL, error));
    OK(mp->queue_copy(queue, buffer, 0, buffer, 32, 32, NULL, error));
    FAILS(MP_ERROR_INVALID, "not 3", mp->queue_fill(queue, buffer, 0, 3, "abc", 3, NULL, error));
    FAILS(MP_ERROR_INVALID, "multiple", mp->queue_fill(queue, buffer, 0, 6, "abcd", 4, NULL, error));
    FAILS(MP_ERROR_INVALID, "outside", mp->queue_fill(queue, buffer, 1020, 8, "abcd", 4, NULL, error));
    FAILS(MP_ERROR_INVALID, "never recorded", mp->queue_wait(queue, 2, MP_FOREVER, error));
    OK(mp->queue_wait(queue, UINT64_MAX, MP_FOREVER, error));
    CHECK(mp->queue_completed(queue) == 1); /* failed calls recorded nothing */
    mp->buffer_release(two);
    mp->buffer_release(buffer);
    mp->pipeline_release(pipeline);
    mp->queue_release(queue);
}

/* Every thread of the grid runs exactly once, and sees the size that its group really has. */
static void check_grid(mp_queue *queue, mp_pipeline *pipeline, const uint32_t threads[3], const uint32_t group[3])
{
    uint32_t total = threads[0] * threads[1] * threads[2];
    mp_buffer *visits = new_buffer(total * 4 + 64), *sizes = new_buffer(total * 4 + 4);
    mp_dispatch dispatch = {.pipeline = pipeline, .arguments = (mp_argument[]){at(0, visits), at(1, sizes)}, .argument_count = 2};
    memcpy(dispatch.threads, threads, 12);
    memcpy(dispatch.group_size, group, 12);
    OK(mp->queue_dispatch(queue, &dispatch, NULL, error));
    OK(mp->queue_wait(queue, UINT64_MAX, MP_FOREVER, error));
    const uint32_t *seen = mp->buffer_contents(visits), *size = mp->buffer_contents(sizes);
    uint32_t wrong = 0;
    for (uint32_t i = 0; i < total; i++) {
        uint32_t p[3] = {i % threads[0], i / threads[0] % threads[1], i / threads[0] / threads[1]}, want[3];
        for (int k = 0; k < 3; k++) {
            uint32_t left = threads[k] - p[k] / group[k] * group[k];
            want[k] = left < group[k] ? left : group[k];
        }
        wrong += seen[i] != 1 || size[i] != want[0] * 1000000 + want[1] * 1000 + want[2];
    }
    for (uint32_t i = total; i < total + 16; i++)
        wrong += seen[i] != 0;
    CHECK(wrong == 0, "grid (%u, %u, %u) in groups of (%u, %u, %u): %u wrong", threads[0], threads[1], threads[2],
          group[0], group[1], group[2], wrong);
    mp->buffer_release(visits);
    mp->buffer_release(sizes);
}

void test_grid(void)
{
    static const uint32_t grids[][2][3] = {
        {{1, 1, 1}, {1, 1, 1}},       {{64, 1, 1}, {64, 1, 1}},    {{1000, 1, 1}, {256, 1, 1}},  {{5, 1, 1}, {1024, 1, 1}},
        {{100001, 1, 1}, {64, 1, 1}}, {{37, 19, 1}, {8, 8, 1}},    {{1, 77, 1}, {32, 4, 1}},     {{13, 11, 7}, {4, 4, 4}},
        {{33, 2, 9}, {32, 1, 2}},     {{3, 3, 3}, {10, 10, 10}},   {{1, 1, 1000}, {1, 1, 64}},   {{7, 1, 1}, {3, 3, 3}},
    };
    mp_pipeline *plain = load("grid"), *fibers = load("grid_fibers");
    mp_queue *queue = new_queue();
    for (size_t i = 0; i < COUNT(grids); i++) {
        check_grid(queue, plain, grids[i][0], grids[i][1]);
        if (grids[i][0][0] < 100000)
            check_grid(queue, fibers, grids[i][0], grids[i][1]);
    }
    uint64_t serial = 0; /* an empty grid is a command all the same */
    mp_dispatch empty = {.pipeline = plain, .threads = {4, 0, 1}, .group_size = {1, 1, 1}};
    OK(mp->queue_dispatch(queue, &empty, &serial, error));
    OK(mp->queue_wait(queue, serial, MP_FOREVER, error));
    CHECK(serial && mp->queue_completed(queue) == serial);
    mp->pipeline_release(plain);
    mp->pipeline_release(fibers);

    mp_pipeline *math = load("math"), *large = load("large_stack"), *byte = load("bytes");
    mp_buffer *out = new_buffer(4096);
    LAUNCH(queue, math, 1000, 100, at(0, out));
    OK(mp->queue_wait(queue, UINT64_MAX, MP_FOREVER, error));
    const float *f = mp->buffer_contents(out);
    for (int i = 0; i < 1000; i++)
        CHECK(f[i] == sinf((float)i), "sin(%d)", i);
    LAUNCH(queue, large, 8, 2, at(0, out));
    OK(mp->queue_wait(queue, UINT64_MAX, MP_FOREVER, error));
    for (uint32_t x = 0; x < 8; x++)
        CHECK(((const uint32_t *)mp->buffer_contents(out))[x] == 130560, "%u", x);
    /* Arguments by value are copied during the call; large ones, too; the last of two at one index counts. */
    unsigned char *blob = calloc(1, 100000);
    for (uint32_t i = 0; i < 100; i++) {
        uint32_t a = i, b = 1000 * i, c = 5, wrong = 77;
        blob[9999] = 3;
        LAUNCH(queue, byte, 1, 1, (mp_argument){.kind = MP_ARGUMENT_BUFFER, .buffer = out, .offset = i * 4}, bytes(1, &wrong, 4), bytes(1, &a, 4),
               bytes(2, &b, 4), bytes(3, &c, 4), bytes(4, blob, i % 2 ? 10000 : 100000), at(5, NULL));
        memset(blob, 9, 100000);
    }
    free(blob);
    OK(mp->queue_wait(queue, UINT64_MAX, MP_FOREVER, error));
    for (uint32_t i = 0; i < 100; i++)
        CHECK(((const uint32_t *)mp->buffer_contents(out))[i] == 1001 * i + 8, "launch %u", i);
    mp->buffer_release(out);
    mp->pipeline_release(math);
    mp->pipeline_release(large);
    mp->pipeline_release(byte);
    mp->queue_release(queue);
}

void test_queue(void)
{
    mp_queue *queue = new_queue();
    uint64_t size = (5u << 20) + 48;
    mp_buffer *a = new_buffer(size), *b = new_buffer(size + 3);
    static const char pattern[] = "0123456789abcdef";
    for (uint32_t width = 1; width <= 16; width *= 2) {
        OK(mp->queue_fill(queue, a, 16, size - 32, pattern, width, NULL, error));
        OK(mp->queue_fill(queue, b, 0, size + 3, "\0", 1, NULL, error));
        OK(mp->queue_copy(queue, b, 3, a, 0, size, NULL, error));
        OK(mp->queue_wait(queue, UINT64_MAX, MP_FOREVER, error));
        const char *copy = mp->buffer_contents(b);
        uint64_t wrong = 0;
        for (uint64_t i = 0; i < size; i++)
            wrong += copy[i + 3] != (i < 16 || i >= size - 16 ? 0 : pattern[i % width]);
        CHECK(wrong == 0 && copy[0] == 0, "width %u: %llu wrong", width, (unsigned long long)wrong);
    }
    OK(mp->queue_copy(queue, b, 0, a, 0, 0, NULL, error));
    OK(mp->queue_fill(queue, b, size + 3, 0, pattern, 1, NULL, error));
    /* Commands depend on each other, in order; serials count them. */
    mp_pipeline *increment = load("increment");
    mp_buffer *counters = new_buffer(4 * 50000);
    uint64_t first = 0, serial = 0;
    for (int i = 0; i < 300; i++) {
        mp_argument argument = at(0, counters);
        mp_dispatch dispatch = {.pipeline = increment, .arguments = &argument, .argument_count = 1,
                                .threads = {50000, 1, 1}, .group_size = {128, 1, 1}};
        OK(mp->queue_dispatch(queue, &dispatch, &serial, error));
        first = first ? first : serial;
        CHECK(serial == first + (uint64_t)i);
    }
    OK(mp->queue_wait(queue, first + 99, MP_FOREVER, error)); /* those behind may still run: look only at the count */
    CHECK(mp->queue_completed(queue) >= first + 99);
    OK(mp->queue_wait(queue, UINT64_MAX, MP_FOREVER, error));
    CHECK(mp->queue_completed(queue) == serial);
    for (uint32_t i = 0; i < 50000; i++)
        if (((uint32_t *)mp->buffer_contents(counters))[i] != 300) {
            CHECK(0, "counter %u is %u", i, ((uint32_t *)mp->buffer_contents(counters))[i]);
            break;
        }
    /* Without a wait: the device commits and runs what is released. */
    mp_event *event = new_event();
    LAUNCH(queue, increment, 50000, 128, at(0, counters));
    OK(mp->queue_signal_event(queue, event, 1, NULL, error));
    mp->queue_release(queue);
    OK(mp->event_wait(event, 1, MP_FOREVER, error));
    CHECK(((uint32_t *)mp->buffer_contents(counters))[49999] == 301);
    mp->event_release(event);
    mp->pipeline_release(increment);
    mp->buffer_release(counters);
    mp->buffer_release(a);
    mp->buffer_release(b);
}
