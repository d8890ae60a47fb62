/* library.c: compiled kernels, one shared object each. */
#include "software.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static _Atomic int64_t live_code;

int64_t mp_software_live_code(void)
{
    return atomic_load(&live_code);
}

static void count_code(int change)
{
    atomic_fetch_add_explicit(&live_code, change, memory_order_relaxed);
    sw_count(change);
}

mp_status sw_library_create(mp_device *device, const mp_library_desc *desc, mp_library **library, mp_error *error)
{
    (void)device;
    mp_status status = sw_check_fork(error);
    if (status)
        return status;
    if (desc->kind != MP_LIBRARY_NATIVE)
        return sw_fail(error, MP_ERROR_UNSUPPORTED, "the software device loads shared objects only, not kind %u",
                       desc->kind);
    if (!desc->data || desc->size == 0 || memchr(desc->data, 0, desc->size))
        return sw_fail(error, MP_ERROR_INVALID, "a native library is given by the path of its shared object");

    /* Without a slash dlopen would search the system's library folders instead. */
    size_t length = desc->size;
    bool bare = !memchr(desc->data, '/', length);
    mp_library *made = calloc(1, sizeof *made);
    char *path = malloc(length + 3);
    if (!made || !path) {
        free(made);
        free(path);
        return sw_fail(error, MP_ERROR_MEMORY, "no memory for a library object");
    }
    memcpy(path, "./", 2);
    memcpy(path + (bare ? 2 : 0), desc->data, length);
    path[length + (bare ? 2 : 0)] = 0;

    if (access(path, F_OK) != 0) {
        status = sw_fail(error, MP_ERROR_NOT_FOUND, "there is no shared object '%.400s'", path);
    } else if (!(made->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL))) {
        const char *reason = dlerror();
        status = sw_fail(error, MP_ERROR_LIBRARY, "cannot load a compiled kernel: %.440s", reason ? reason : path);
    }
    if (status) {
        free(path);
        free(made);
        return status;
    }
    made->path = path;
    atomic_init(&made->references, 1);
    count_code(1);
    *library = made;
    return MP_OK;
}

void sw_library_release(mp_library *library)
{
    if (!library || sw_forked || !sw_drop(&library->references))
        return;
    dlclose(library->handle);
    free(library->path);
    free(library);
    count_code(-1);
}

/* metalpy.compiler has told everything about the program before it comes here. */
const char *sw_library_compile_log(void)
{
    return "";
}

void sw_library_names(mp_library *library, mp_name_callback each, void *context)
{
    (void)library, (void)each, (void)context;
}

void sw_library_constants(mp_library *library, const char *name, mp_constant_callback each, void *context)
{
    (void)library, (void)name, (void)each, (void)context;
}

void sw_pipeline_arguments(mp_pipeline *pipeline, mp_type_callback each, void *context)
{
    (void)pipeline, (void)each, (void)context;
}

static mp_status check_kernel(const mp_library *library, const mp_native_kernel *kernel, const char *name,
                              mp_error *error)
{
    if (!kernel)
        return sw_fail(error, MP_ERROR_NOT_FOUND, "'%.300s' exports no " MP_KERNEL_SYMBOL ", so it has no kernel '%.100s'",
                       library->path, name);
    if (kernel->version != MP_KERNEL_VERSION)
        return sw_fail(error, MP_ERROR_LIBRARY, "kernel '%.200s' was compiled for version %u of the kernel contract, not %d",
                       name, kernel->version, MP_KERNEL_VERSION);
    bool by_thread = kernel->flags & (MP_KERNEL_FIBERS | MP_KERNEL_MESSAGES);
    if (by_thread ? !kernel->run_thread : !kernel->run_group)
        return sw_fail(error, MP_ERROR_LIBRARY, "kernel '%.200s' has no entry point", name);
    if (kernel->static_threadgroup_memory > MP_MAX_THREADGROUP_MEMORY)
        return sw_fail(error, MP_ERROR_LIBRARY, "kernel '%.200s' declares %u bytes of threadgroup memory; the limit is %d",
                       name, kernel->static_threadgroup_memory, MP_MAX_THREADGROUP_MEMORY);
    return MP_OK;
}

mp_status sw_pipeline_create(mp_library *library, const mp_pipeline_desc *desc, mp_pipeline **pipeline,
                             mp_error *error)
{
    const char *name = desc->name;
    mp_status status = sw_check_fork(error);
    if (status)
        return status;
    if (desc->constant_count)
        return sw_fail(error, MP_ERROR_UNSUPPORTED,
                       "the software device's compiler puts function constants into the code, its driver takes none");
    if (!name || !*name)
        return sw_fail(error, MP_ERROR_INVALID, "a pipeline needs the name of its kernel");
    const mp_native_kernel *kernel = dlsym(library->handle, MP_KERNEL_SYMBOL);
    status = check_kernel(library, kernel, name, error);
    if (status)
        return status;
    size_t length = strlen(name) + 1;
    mp_pipeline *made = calloc(1, sizeof *made + length);
    if (!made)
        return sw_fail(error, MP_ERROR_MEMORY, "no memory for a pipeline object");
    memcpy(made->name, name, length);
    made->kernel = kernel;
    made->max_threads = kernel->max_threads;
    if (made->max_threads == 0 || made->max_threads > MP_MAX_THREADS_PER_THREADGROUP)
        made->max_threads = MP_MAX_THREADS_PER_THREADGROUP;
    made->library = library;
    sw_retain(&library->references);
    atomic_init(&made->references, 1);
    sw_fault_install();
    count_code(1);
    *pipeline = made;
    return MP_OK;
}

void sw_pipeline_release(mp_pipeline *pipeline)
{
    if (!pipeline || sw_forked || !sw_drop(&pipeline->references))
        return;
    sw_library_release(pipeline->library);
    free(pipeline);
    count_code(-1);
}

void sw_pipeline_limits(mp_pipeline *pipeline, mp_pipeline_limits *limits)
{
    uint32_t kernel = pipeline->kernel->flags;
    *limits = (mp_pipeline_limits){
        .max_total_threads_per_threadgroup = pipeline->max_threads,
        .thread_execution_width = MP_THREAD_EXECUTION_WIDTH,
        .static_threadgroup_memory = pipeline->kernel->static_threadgroup_memory,
        .flags = (kernel & MP_KERNEL_MESSAGES ? MP_PIPELINE_MESSAGES : 0) |
                 (kernel & MP_KERNEL_CHECKED ? MP_PIPELINE_CHECKED : 0) |
                 (kernel & MP_KERNEL_SIMDGROUPS ? MP_PIPELINE_SIMDGROUPS : 0),
    };
}
