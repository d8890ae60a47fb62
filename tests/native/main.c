#include "check.h"

#include <time.h>

const mp_driver *mp;
mp_device *device;
_Atomic int failures;

mp_pipeline *load(const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s.so", getenv("KERNELS"), name);
    mp_library *library = NULL;
    mp_pipeline *pipeline = NULL;
    mp_library_desc desc = {.kind = MP_LIBRARY_NATIVE, .data = path, .size = strlen(path)};
    OK(mp->library_create(device, &desc, &library, error));
    OK(mp->pipeline_create(library, &(mp_pipeline_desc){.name = name}, &pipeline, error));
    mp->library_release(library);
    if (!pipeline)
        exit(1);
    return pipeline;
}

mp_buffer *new_buffer(uint64_t size)
{
    mp_buffer *buffer = NULL;
    OK(mp->buffer_create(device, size, 0, &buffer, error));
    memset(mp->buffer_contents(buffer), 0, size);
    return buffer;
}

mp_queue *new_queue(void)
{
    mp_queue *queue = NULL;
    OK(mp->queue_create(device, &queue, error));
    return queue;
}

mp_event *new_event(void)
{
    mp_event *event = NULL;
    OK(mp->event_create(device, &event, error));
    return event;
}

mp_argument at(uint32_t index, mp_buffer *buffer)
{
    return (mp_argument){.kind = MP_ARGUMENT_BUFFER, .index = index, .buffer = buffer};
}

mp_argument bytes(uint32_t index, const void *data, uint64_t size)
{
    return (mp_argument){.kind = MP_ARGUMENT_BYTES, .index = index, .bytes = data, .size = size};
}

mp_argument group_memory(uint32_t index, uint64_t size)
{
    return (mp_argument){.kind = MP_ARGUMENT_THREADGROUP, .index = index, .size = size};
}

mp_status launch(mp_queue *queue, mp_pipeline *pipeline, uint32_t threads, uint32_t group, const mp_argument *arguments,
                 uint32_t count, mp_error *error)
{
    mp_dispatch dispatch = {.pipeline = pipeline,
                            .arguments = arguments,
                            .argument_count = count,
                            .threads = {threads, 1, 1},
                            .group_size = {group, 1, 1}};
    return mp->queue_dispatch(queue, &dispatch, NULL, error);
}

double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

void pause_ms(int ms)
{
    struct timespec time = {ms / 1000, ms % 1000 * 1000000L};
    while (nanosleep(&time, &time)) {
    }
}

/* Work that was not waited for may end a little later. */
static int64_t settle(int64_t expected)
{
    for (int i = 0; i < 2000 && mp_software_live_objects() != expected; i++)
        pause_ms(1);
    return mp_software_live_objects();
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } tests[] = {{"memory", test_memory}, {"heap", test_heap},   {"errors", test_errors}, {"grid", test_grid},
                 {"simd", test_simd},     {"queue", test_queue}, {"event", test_event},   {"wait", test_wait},
                 {"fault", test_fault},   {"limit", test_limit}, {"message", test_message},
                 {"stress", test_stress}, {"trace", test_trace}, {"texture", test_texture},
                 {"process", test_process}};
    mp = mp_software_driver();
    setvbuf(stdout, NULL, _IOLBF, 0);
    CHECK(mp->abi_version == MP_ABI_VERSION && mp->struct_size == sizeof(mp_driver));
    for (size_t i = 0; i < COUNT(tests); i++) {
        if (argc > 1 && strcmp(argv[1], tests[i].name))
            continue;
        int before = failures;
        double start = seconds();
        OK(mp->device_open(0, &device, error));
        int64_t live = mp_software_live_objects();
        uint64_t allocated = mp->device_allocated_size(device);
        tests[i].run();
        CHECK(settle(live) == live, "%lld objects leaked", (long long)(mp_software_live_objects() - live));
        CHECK(mp->device_allocated_size(device) == allocated, "buffer memory leaked");
        mp->device_release(device);
        printf("%-8s %s  %.2f s\n", tests[i].name, failures == before ? "ok" : "FAILED", seconds() - start);
    }
    return failures != 0;
}
