/* loops.c: the C ABI layer of the benchmarks. Each function opens what it needs through a driver's table, repeats one
 * operation `count` times, and returns the nanoseconds that the repetitions took; 0 means that a call failed, and
 * `message` then says why. Compiled and called by benchmarks/native_loops.py. */

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "metalpy_abi.h"

#define EXPORT __attribute__((visibility("default")))

typedef struct bench {
    const mp_driver *driver;
    mp_device *device;
    mp_queue *queue;
    mp_library *library;
    mp_pipeline *pipeline;
    mp_buffer *source, *target;
    char message[MP_ERROR_MESSAGE_SIZE];
} bench;

static uint64_t now_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

EXPORT uint64_t bench_size(void) { return sizeof(bench); }

EXPORT const char *bench_message(const bench *b) { return b->message; }

/* `path` is the shared object of kernel `full`: (device float *out, constant float &value). */
EXPORT int bench_open(bench *b, const mp_driver *driver, const char *path, uint64_t bytes)
{
    mp_error error = {0};
    mp_library_desc desc = {.kind = MP_LIBRARY_NATIVE, .data = path, .size = strlen(path)};
    memset(b, 0, sizeof *b);
    b->driver = driver;
    mp_status status = driver->device_open(0, &b->device, &error);
    if (status == MP_OK)
        status = driver->queue_create(b->device, &b->queue, &error);
    if (status == MP_OK)
        status = driver->library_create(b->device, &desc, &b->library, &error);
    if (status == MP_OK)
        status = driver->pipeline_create(b->library, &(mp_pipeline_desc){.name = "full"}, &b->pipeline, &error);
    if (status == MP_OK)
        status = driver->buffer_create(b->device, bytes, 0, &b->source, &error);
    if (status == MP_OK)
        status = driver->buffer_create(b->device, bytes, 0, &b->target, &error);
    snprintf(b->message, sizeof b->message, "%s", error.message);
    return status == MP_OK;
}

EXPORT void bench_close(bench *b)
{
    b->driver->buffer_release(b->source);
    b->driver->buffer_release(b->target);
    b->driver->pipeline_release(b->pipeline);
    b->driver->library_release(b->library);
    b->driver->queue_release(b->queue);
    b->driver->device_release(b->device);
}

static int succeeded(bench *b, mp_status status, const mp_error *error)
{
    if (status != MP_OK)
        snprintf(b->message, sizeof b->message, "%s", error->message);
    return status == MP_OK;
}

static int wait(bench *b)
{
    mp_error error;
    return succeeded(b, b->driver->queue_wait(b->queue, UINT64_MAX, MP_FOREVER, &error), &error);
}

static int launch(bench *b, float value)
{
    mp_error error;
    mp_argument arguments[2] = {
        {.kind = MP_ARGUMENT_BUFFER, .index = 0, .buffer = b->target},
        {.kind = MP_ARGUMENT_BYTES, .index = 1, .bytes = &value, .size = sizeof value},
    };
    mp_dispatch dispatch = {
        .pipeline = b->pipeline, .arguments = arguments, .argument_count = 2,
        .threads = {16, 1, 1}, .group_size = {16, 1, 1},
    };
    return succeeded(b, b->driver->queue_dispatch(b->queue, &dispatch, NULL, &error), &error);
}

EXPORT uint64_t bench_launch_async(bench *b, uint32_t count)
{
    uint64_t start = now_ns();
    for (uint32_t i = 0; i < count; i++)
        if (!launch(b, 3.0f))
            return 0;
    uint64_t taken = now_ns() - start;
    return wait(b) ? taken : 0;
}

EXPORT uint64_t bench_launch_wait(bench *b, uint32_t count)
{
    uint64_t start = now_ns();
    for (uint32_t i = 0; i < count; i++)
        if (!launch(b, 3.0f) || !wait(b))
            return 0;
    return now_ns() - start;
}

/* A buffer made and released, without any pool above it. */
EXPORT uint64_t bench_buffer(bench *b, uint32_t count, uint64_t bytes)
{
    uint64_t start = now_ns();
    for (uint32_t i = 0; i < count; i++) {
        mp_error error;
        mp_buffer *buffer = NULL;
        if (!succeeded(b, b->driver->buffer_create(b->device, bytes, 0, &buffer, &error), &error))
            return 0;
        b->driver->buffer_release(buffer);
    }
    return now_ns() - start;
}

EXPORT uint64_t bench_copy(bench *b, uint32_t count, uint64_t bytes)
{
    uint64_t start = now_ns();
    for (uint32_t i = 0; i < count; i++) {
        mp_error error;
        mp_status status = b->driver->queue_copy(b->queue, b->target, 0, b->source, 0, bytes, NULL, &error);
        if (!succeeded(b, status, &error) || !wait(b))
            return 0;
    }
    return now_ns() - start;
}

EXPORT uint64_t bench_fill(bench *b, uint32_t count, uint64_t bytes)
{
    const float value = 3.0f;
    uint64_t start = now_ns();
    for (uint32_t i = 0; i < count; i++) {
        mp_error error;
        mp_status status = b->driver->queue_fill(b->queue, b->target, 0, bytes, &value, sizeof value, NULL, &error);
        if (!succeeded(b, status, &error) || !wait(b))
            return 0;
    }
    return now_ns() - start;
}
