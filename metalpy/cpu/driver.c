/* driver.c: the driver table, and what every file needs. */
#include "software.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

_Atomic int64_t sw_live_objects;
volatile sig_atomic_t sw_forked;

static const mp_driver driver = {
    .abi_version = MP_ABI_VERSION,
    .struct_size = sizeof(mp_driver),
    .name = "software",

    .device_count = sw_device_count,
    .device_open = sw_device_open,
    .device_release = sw_device_release,
    .device_info = sw_device_info,
    .device_allocated_size = sw_device_allocated_size,
    .device_set_time_limit = sw_device_set_time_limit,
    .device_now = sw_device_now,

    .device_start_capture = sw_device_start_capture,
    .device_stop_capture = sw_device_stop_capture,
    .device_capture_state = sw_device_capture_state,

    .heap_buffer_size = sw_heap_buffer_size,
    .heap_create = sw_heap_create,
    .heap_release = sw_heap_release,
    .heap_available = sw_heap_available,
    .heap_buffer_create = sw_heap_buffer_create,

    .buffer_create = sw_buffer_create,
    .buffer_wrap = sw_buffer_wrap,
    .buffer_retain = sw_buffer_retain,
    .buffer_release = sw_buffer_release,
    .buffer_contents = sw_buffer_contents,
    .buffer_address = sw_buffer_address,
    .buffer_size = sw_buffer_size,

    .texture_size = sw_texture_size,
    .texture_create = sw_texture_create,
    .texture_release = sw_texture_release,
    .texture_address = sw_texture_address,
    .texture_replace = sw_texture_replace,
    .texture_read = sw_texture_read,
    .sampler_create = sw_sampler_create,
    .sampler_release = sw_sampler_release,
    .sampler_address = sw_sampler_address,

    .library_create = sw_library_create,
    .library_release = sw_library_release,
    .library_compile_log = sw_library_compile_log,
    .library_names = sw_library_names,
    .library_constants = sw_library_constants,
    .pipeline_create = sw_pipeline_create,
    .pipeline_release = sw_pipeline_release,
    .pipeline_limits = sw_pipeline_limits,
    .pipeline_arguments = sw_pipeline_arguments,

    .queue_create = sw_queue_create,
    .queue_release = sw_queue_release,
    .queue_dispatch = sw_queue_dispatch,
    .queue_copy = sw_queue_copy,
    .queue_fill = sw_queue_fill,
    .queue_matmul = sw_queue_matmul,
    .queue_softmax = sw_queue_softmax,
    .queue_generate_mipmaps = sw_queue_generate_mipmaps,
    .queue_signal_event = sw_queue_signal_event,
    .queue_wait_event = sw_queue_wait_event,
    .queue_commit = sw_queue_commit,
    .queue_wait = sw_queue_wait,
    .queue_completed = sw_queue_completed,
    .queue_set_trace = sw_queue_set_trace,
    .queue_take_timings = sw_queue_take_timings,
    .queue_take_messages = sw_queue_take_messages,

    .event_create = sw_event_create,
    .event_release = sw_event_release,
    .event_value = sw_event_value,
    .event_time = sw_event_time,
    .event_signal = sw_event_signal,
    .event_wait = sw_event_wait,
};

SW_EXPORT const mp_driver *mp_software_driver(void)
{
    return &driver;
}

int64_t mp_software_live_objects(void)
{
    return atomic_load(&sw_live_objects);
}

void sw_count(int change)
{
    atomic_fetch_add_explicit(&sw_live_objects, change, memory_order_relaxed);
}

mp_status sw_fail(mp_error *error, mp_status code, const char *format, ...)
{
    if (error) {
        va_list arguments;
        va_start(arguments, format);
        error->code = code;
        vsnprintf(error->message, sizeof error->message, format, arguments);
        va_end(arguments);
    }
    return code;
}

mp_status sw_check_fork(mp_error *error)
{
    if (!sw_forked)
        return MP_OK;
    return sw_fail(error, MP_ERROR_FORKED,
                   "metalpy was used before fork(), so its device is not usable in this child process; start "
                   "processes with the 'spawn' method, or open the device only in the child");
}

mp_status sw_no_memory(mp_error *error, const char *what, uint64_t size)
{
    return sw_fail(error, MP_ERROR_MEMORY,
                   "no memory for a %s of %llu bytes (%llu bytes are in use, the machine has %llu)", what,
                   (unsigned long long)size, (unsigned long long)atomic_load(&sw_device.committed),
                   (unsigned long long)sw_device.memory);
}

uint64_t sw_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

uint64_t sw_deadline(uint64_t timeout_ns)
{
    if (timeout_ns == MP_FOREVER)
        return MP_FOREVER;
    uint64_t now = sw_now();
    return timeout_ns >= MP_FOREVER - now ? MP_FOREVER : now + timeout_ns;
}

void sw_condition_init(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
}

bool sw_condition_wait(pthread_cond_t *condition, uint64_t deadline)
{
    if (deadline == MP_FOREVER)
        return pthread_cond_wait(condition, &sw_device.lock) == 0;
    struct timespec until = {(time_t)(deadline / UINT64_C(1000000000)), (long)(deadline % UINT64_C(1000000000))};
    return pthread_cond_timedwait(condition, &sw_device.lock, &until) == 0;
}
