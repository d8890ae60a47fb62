/* device.c: the one software device of a process. It is static and never torn down: its workers may still run when
 * the process exits, and joining them there could hang. */
#include "software.h"

#include <dlfcn.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>

struct mp_device sw_device = {.lock = PTHREAD_MUTEX_INITIALIZER};

static pthread_mutex_t open_lock = PTHREAD_MUTEX_INITIALIZER;
static bool prepared; /* under open_lock */

static void forked(void)
{
    sw_forked = 1;
}

/* Kernels import mp_* and libm's functions by name, while Python loads extension modules with local scope: put both
 * into the global scope. For a main executable this fails harmlessly; it is linked with -rdynamic instead. */
static void promote_symbols(void)
{
    Dl_info info;
    if (dladdr((void *)&sw_device, &info) && info.dli_fname)
        dlopen(info.dli_fname, RTLD_NOW | RTLD_GLOBAL | RTLD_NOLOAD);
    dlopen("libm.so.6", RTLD_NOW | RTLD_GLOBAL);
    dlerror();
}

static mp_status count_threads(uint32_t *threads, mp_error *error)
{
    const char *text = getenv("METALPY_NUM_THREADS");
    if (text && *text) {
        char *end;
        errno = 0;
        long value = strtol(text, &end, 10);
        if (errno || *end || value < 1 || value > 4096)
            return sw_fail(error, MP_ERROR_INVALID, "METALPY_NUM_THREADS must be a number from 1 to 4096, not '%.60s'",
                           text);
        *threads = (uint32_t)value;
        return MP_OK;
    }
    cpu_set_t set;
    int count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : get_nprocs();
    *threads = count > 0 ? (uint32_t)count : 1;
    return MP_OK;
}

static mp_status prepare(mp_error *error)
{
    if (prepared)
        return MP_OK;
    mp_status status = count_threads(&sw_device.threads, error);
    if (!status)
        status = sw_messages_open(error);
    if (status)
        return status;
    struct sysinfo system;
    if (sysinfo(&system) == 0)
        sw_device.memory = ((uint64_t)system.totalram + system.totalswap) * system.mem_unit;
    sw_condition_init(&sw_device.work);
    promote_symbols();
    pthread_atfork(NULL, NULL, forked);
    prepared = true;
    return MP_OK;
}

uint32_t sw_device_count(void)
{
    return 1;
}

mp_status sw_device_open(uint32_t index, mp_device **device, mp_error *error)
{
    mp_status status = sw_check_fork(error);
    if (status)
        return status;
    if (index != 0)
        return sw_fail(error, MP_ERROR_NOT_FOUND, "there is no software device %u; the only one has index 0", index);
    pthread_mutex_lock(&open_lock);
    status = prepare(error);
    pthread_mutex_unlock(&open_lock);
    if (status)
        return status;
    sw_fault_install();
    sw_retain(&sw_device.handles);
    *device = &sw_device;
    return MP_OK;
}

void sw_device_release(mp_device *device)
{
    /* The next owner must not inherit a limit that it never asked for. */
    if (device && !sw_forked && sw_drop(&device->handles))
        atomic_store(&device->time_limit, 0);
}

static void cpu_model(char *model, size_t size)
{
    snprintf(model, size, "CPU");
    FILE *file = fopen("/proc/cpuinfo", "re");
    if (!file)
        return;
    char line[256];
    while (fgets(line, sizeof line, file)) {
        char *colon = strchr(line, ':');
        if (colon && strncmp(line, "model name", 10) == 0) {
            colon += strspn(colon, ": \t");
            colon[strcspn(colon, "\n")] = 0;
            snprintf(model, size, "%s", colon);
            break;
        }
    }
    fclose(file);
}

void sw_device_info(mp_device *device, mp_device_info *info)
{
    static char model[MP_NAME_SIZE - 32];
    pthread_mutex_lock(&open_lock);
    if (!model[0])
        cpu_model(model, sizeof model);
    pthread_mutex_unlock(&open_lock);
    memset(info, 0, sizeof *info);
    snprintf(info->name, sizeof info->name, "metalpy software device (%s)", model);
    info->registry_id = UINT64_C(0x6d65746c70790001);
    info->recommended_max_memory = device->memory / 4 * 3;
    info->max_buffer_length = SW_MAX_BUFFER_LENGTH;
    info->max_threads_per_threadgroup = MP_MAX_THREADS_PER_THREADGROUP;
    info->max_threadgroup_memory = MP_MAX_THREADGROUP_MEMORY;
    info->thread_execution_width = MP_THREAD_EXECUTION_WIDTH;
    info->core_count = device->threads;
    info->has_unified_memory = 1;
}

uint64_t sw_device_allocated_size(mp_device *device)
{
    return atomic_load_explicit(&device->allocated, memory_order_relaxed);
}

mp_status sw_device_set_time_limit(mp_device *device, uint64_t limit_ns, mp_error *error)
{
    mp_status status = sw_check_fork(error);
    if (status)
        return status;
    if (limit_ns && sw_stop_signal() == 0)
        return sw_fail(error, MP_ERROR_UNSUPPORTED, "no real-time signal is free, so kernels cannot be stopped");
    atomic_store(&device->time_limit, limit_ns);
    return MP_OK;
}

uint64_t sw_device_now(mp_device *device)
{
    (void)device;
    return sw_now();
}

mp_status sw_device_start_capture(mp_device *device, const char *path, mp_error *error)
{
    (void)device;
    return sw_fail(error, MP_ERROR_UNSUPPORTED,
                   "the software device writes no .gputrace documents such as '%s'; metalpy.mps.profiler.profile() "
                   "writes a timeline", path);
}

void sw_device_stop_capture(mp_device *device)
{
    (void)device;
}

uint32_t sw_device_capture_state(mp_device *device)
{
    (void)device;
    return 0;
}
