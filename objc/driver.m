/* driver.m: the driver table, errors and clocks. */
#import "metal_driver.h"

#include <errno.h>
#include <mach/mach_time.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

volatile bool mtl_forked;
static _Atomic int64_t live_objects;

static const mp_driver driver = {
    .abi_version = MP_ABI_VERSION,
    .struct_size = sizeof(mp_driver),
    .name = "metal",

    .device_count = mtl_device_count,
    .device_open = mtl_device_open,
    .device_release = mtl_device_release,
    .device_info = mtl_device_info,
    .device_allocated_size = mtl_device_allocated_size,
    .device_set_time_limit = mtl_device_set_time_limit,
    .device_now = mtl_device_now,

    .device_start_capture = mtl_device_start_capture,
    .device_stop_capture = mtl_device_stop_capture,
    .device_capture_state = mtl_device_capture_state,

    .heap_buffer_size = mtl_heap_buffer_size,
    .heap_create = mtl_heap_create,
    .heap_release = mtl_heap_release,
    .heap_available = mtl_heap_available,
    .heap_buffer_create = mtl_heap_buffer_create,

    .buffer_create = mtl_buffer_create,
    .buffer_wrap = mtl_buffer_wrap,
    .buffer_retain = mtl_buffer_retain,
    .buffer_release = mtl_buffer_release,
    .buffer_contents = mtl_buffer_contents,
    .buffer_address = mtl_buffer_address,
    .buffer_size = mtl_buffer_size,

    .texture_size = mtl_texture_size,
    .texture_create = mtl_texture_create,
    .texture_release = mtl_texture_release,
    .texture_address = mtl_texture_address,
    .texture_replace = mtl_texture_replace,
    .texture_read = mtl_texture_read,
    .sampler_create = mtl_sampler_create,
    .sampler_release = mtl_sampler_release,
    .sampler_address = mtl_sampler_address,

    .library_create = mtl_library_create,
    .library_release = mtl_library_release,
    .library_compile_log = mtl_library_compile_log,
    .library_names = mtl_library_names,
    .library_constants = mtl_library_constants,
    .pipeline_create = mtl_pipeline_create,
    .pipeline_release = mtl_pipeline_release,
    .pipeline_limits = mtl_pipeline_limits,
    .pipeline_arguments = mtl_pipeline_arguments,

    .queue_create = mtl_queue_create,
    .queue_release = mtl_queue_release,
    .queue_dispatch = mtl_queue_dispatch,
    .queue_copy = mtl_queue_copy,
    .queue_fill = mtl_queue_fill,
    .queue_generate_mipmaps = mtl_queue_generate_mipmaps,
    .queue_matmul = mtl_queue_matmul,
    .queue_softmax = mtl_queue_softmax,
    .queue_signal_event = mtl_queue_signal_event,
    .queue_wait_event = mtl_queue_wait_event,
    .queue_commit = mtl_queue_commit,
    .queue_wait = mtl_queue_wait,
    .queue_completed = mtl_queue_completed,
    .queue_set_trace = mtl_queue_set_trace,
    .queue_take_timings = mtl_queue_take_timings,
    .queue_take_messages = mtl_queue_take_messages,

    .event_create = mtl_event_create,
    .event_release = mtl_event_release,
    .event_value = mtl_event_value,
    .event_time = mtl_event_time,
    .event_signal = mtl_event_signal,
    .event_wait = mtl_event_wait,
};

MTL_EXPORT_DRIVER const mp_driver *mp_metal_driver(void)
{
    return &driver;
}

MTL_EXPORT_DRIVER int64_t mp_metal_live_objects(void)
{
    return atomic_load(&live_objects);
}

void mtl_count(int change)
{
    atomic_fetch_add_explicit(&live_objects, change, memory_order_relaxed);
}

mp_status mtl_fail(mp_error *error, mp_status code, const char *format, ...)
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

mp_status mtl_fail_with(mp_error *error, mp_status code, NSError *reason, const char *what)
{
    const char *text = reason.localizedDescription.UTF8String;
    return mtl_fail(error, code, "%s: %s", what, text ? text : "Metal gives no reason");
}

mp_status mtl_check_fork(mp_error *error)
{
    if (!mtl_forked)
        return MP_OK;
    return mtl_fail(error, MP_ERROR_FORKED,
                    "metalpy was used before fork(), so its device is not usable in this child process; start "
                    "processes with the 'spawn' method, or open the device only in the child");
}

uint64_t mtl_now(void)
{
    static mach_timebase_info_data_t base; /* written by whoever comes, always the same */
    if (base.denom == 0)
        mach_timebase_info(&base);
    uint64_t ticks = mach_absolute_time();
    /* In parts, or the product would overflow within days. */
    return ticks / base.denom * base.numer + ticks % base.denom * base.numer / base.denom;
}

uint64_t mtl_nanoseconds(double seconds)
{
    return seconds > 0 ? (uint64_t)(seconds * 1e9) : 0;
}

bool mtl_os_at_least(int major, int minor)
{
    NSOperatingSystemVersion version = [[NSProcessInfo processInfo] operatingSystemVersion];
    return version.majorVersion > major || (version.majorVersion == major && version.minorVersion >= minor);
}

/* macOS has no pthread_condattr_setclock, so waits are against the time of day: a change of the clock shortens or
 * lengthens one wait, and callers look again. */
bool mtl_deadline(uint64_t timeout_ns, struct timespec *until)
{
    if (timeout_ns == MP_FOREVER)
        return false;
    clock_gettime(CLOCK_REALTIME, until);
    uint64_t nanoseconds = (uint64_t)until->tv_nsec + timeout_ns % UINT64_C(1000000000);
    until->tv_sec += (time_t)(timeout_ns / UINT64_C(1000000000) + nanoseconds / UINT64_C(1000000000));
    until->tv_nsec = (long)(nanoseconds % UINT64_C(1000000000));
    return true;
}
