/* bench.c: what a launch and a switch cost. Best of several rounds, since the machine may be shared. */
#include "check.h"

const mp_driver *mp;
mp_device *device;
_Atomic int failures;

static double now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static mp_pipeline *open_kernel(const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s.so", getenv("KERNELS"), name);
    mp_library *library;
    mp_pipeline *pipeline;
    mp_library_desc desc = {.kind = MP_LIBRARY_NATIVE, .data = path, .size = strlen(path)};
    OK(mp->library_create(device, &desc, &library, error));
    OK(mp->pipeline_create(library, &(mp_pipeline_desc){.name = name}, &pipeline, error));
    return pipeline;
}

#define BEST(label, unit, count, ...)                                                                                  \
    do {                                                                                                               \
        double best = 1e30;                                                                                            \
        for (int round = 0; round < 15; round++) {                                                                     \
            double start = now_ns();                                                                                   \
            __VA_ARGS__                                                                                                \
            double taken = (now_ns() - start) / (count);                                                               \
            best = taken < best ? taken : best;                                                                        \
        }                                                                                                              \
        printf("%-52s %10.1f %s\n", label, best, unit);                                                                \
    } while (0)

int main(void)
{
    mp = mp_software_driver();
    OK(mp->device_open(0, &device, error));
    mp_device_info info;
    mp->device_info(device, &info);
    printf("%s, %u threads\n", info.name, info.core_count);
    mp_queue *queue;
    mp_buffer *a, *b;
    OK(mp->queue_create(device, &queue, error));
    OK(mp->buffer_create(device, 64 << 20, 0, &a, error));
    OK(mp->buffer_create(device, 64 << 20, 0, &b, error));
    memset(mp->buffer_contents(a), 0, 64 << 20);
    memset(mp->buffer_contents(b), 0, 64 << 20);
    mp_pipeline *saxpy = open_kernel("saxpy"), *barriers = open_kernel("barriers");
    float factor = 2;
    mp_argument arguments[3] = {{.kind = MP_ARGUMENT_BUFFER, .index = 0, .buffer = a},
                                {.kind = MP_ARGUMENT_BUFFER, .index = 1, .buffer = b},
                                {.kind = MP_ARGUMENT_BYTES, .index = 2, .bytes = &factor, .size = 4}};
    mp_dispatch tiny = {.pipeline = saxpy, .arguments = arguments, .argument_count = 3, .threads = {1, 1, 1}, .group_size = {1, 1, 1}};
    mp_dispatch small = {.pipeline = saxpy, .arguments = arguments, .argument_count = 3, .threads = {256, 1, 1}, .group_size = {256, 1, 1}};
    mp_dispatch large = {.pipeline = saxpy, .arguments = arguments, .argument_count = 3, .threads = {1 << 24, 1, 1}, .group_size = {256, 1, 1}};

    double recorded = 1e30;
    for (int round = 0; round < 2000; round++) {
        double start = now_ns();
        for (int i = 0; i < 60; i++)
            mp->queue_dispatch(queue, &tiny, NULL, NULL);
        double taken = (now_ns() - start) / 60;
        recorded = taken < recorded ? taken : recorded;
        mp->queue_wait(queue, UINT64_MAX, MP_FOREVER, NULL);
    }
    printf("%-52s %10.1f ns\n", "record a launch (2 buffers, 1 scalar)", recorded);
    BEST("record and run, 1000 launches of 1 thread, each", "ns", 1000,
         for (int i = 0; i < 1000; i++) mp->queue_dispatch(queue, &tiny, NULL, NULL);
         mp->queue_wait(queue, UINT64_MAX, MP_FOREVER, NULL););
    BEST("launch + wait, 1 thread", "ns", 10000, for (int i = 0; i < 10000; i++) {
        mp->queue_dispatch(queue, &tiny, NULL, NULL);
        mp->queue_wait(queue, UINT64_MAX, MP_FOREVER, NULL);
    });
    BEST("launch + wait, 256 threads", "ns", 10000, for (int i = 0; i < 10000; i++) {
        mp->queue_dispatch(queue, &small, NULL, NULL);
        mp->queue_wait(queue, UINT64_MAX, MP_FOREVER, NULL);
    });
    BEST("launch + wait with a timeout of 50 ms, 256 threads", "ns", 10000, for (int i = 0; i < 10000; i++) {
        mp->queue_dispatch(queue, &small, NULL, NULL);
        mp->queue_wait(queue, UINT64_MAX, 50000000, NULL);
    });
    BEST("saxpy of 16 M floats", "us", 1000.0, {
        mp->queue_dispatch(queue, &large, NULL, NULL);
        mp->queue_wait(queue, UINT64_MAX, MP_FOREVER, NULL);
    });
    BEST("copy of 64 MiB", "us", 1000.0, {
        mp->queue_copy(queue, a, 0, b, 0, 64 << 20, NULL, NULL);
        mp->queue_wait(queue, UINT64_MAX, MP_FOREVER, NULL);
    });
    static const uint32_t sizes[] = {2, 32, 256, 1024};
    for (size_t i = 0; i < COUNT(sizes); i++) {
        uint32_t count = 1000;
        char label[64];
        mp_argument two[2] = {arguments[0], {.kind = MP_ARGUMENT_BYTES, .index = 1, .bytes = &count, .size = 4}};
        mp_dispatch fiber = {.pipeline = barriers, .arguments = two, .argument_count = 2, .threads = {sizes[i], 1, 1}, .group_size = {sizes[i], 1, 1}};
        snprintf(label, sizeof label, "fiber switch, %u threads at a barrier", sizes[i]);
        BEST(label, "ns", (double)count * sizes[i], {
            mp->queue_dispatch(queue, &fiber, NULL, NULL);
            mp->queue_wait(queue, UINT64_MAX, MP_FOREVER, NULL);
        });
    }
    return failures != 0;
}
