/* device.m: the GPUs of the machine. */
#import "metal_driver.h"

#import <IOKit/IOKitLib.h>

#include <stdlib.h>
#include <string.h>

static pthread_mutex_t open_lock = PTHREAD_MUTEX_INITIALIZER;
static mp_device *opened; /* under open_lock; holds no references */

static void forked(void)
{
    mtl_forked = true;
}

static void watch_forks(void)
{
    pthread_atfork(NULL, NULL, forked);
}

uint32_t mtl_device_count(void)
{
    if (mtl_forked)
        return 0;
    MTL_POOL
    {
        /* "MTLCopyAllDevices": unlike MTLCreateSystemDefaultDevice it needs no CoreGraphics in a command-line tool. */
        NSArray<id<MTLDevice>> *devices = [MTLCopyAllDevices() autorelease];
        return (uint32_t)devices.count;
    }
}

mp_status mtl_device_open(uint32_t index, mp_device **device, mp_error *error)
{
    MTL_ENTER(error)
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    NSArray<id<MTLDevice>> *devices = [MTLCopyAllDevices() autorelease];
    if (index >= devices.count)
        return mtl_fail(error, MP_ERROR_NOT_FOUND, "there is no Metal device %u; this machine has %u", index,
                        (unsigned)devices.count);
    id<MTLDevice> found = [devices objectAtIndex:index];
    pthread_once(&once, watch_forks);
    pthread_mutex_lock(&open_lock);
    mp_device *made = opened;
    while (made && made->device != found)
        made = made->next;
    if (made) {
        mtl_retain(&made->references);
    } else if ((made = calloc(1, sizeof *made))) {
        atomic_init(&made->references, 1);
        made->index = index;
        made->device = [found retain];
        pthread_mutex_init(&made->kernels_lock, NULL);
        made->next = opened;
        opened = made;
        mtl_count(1);
    }
    pthread_mutex_unlock(&open_lock);
    if (!made)
        return mtl_fail(error, MP_ERROR_MEMORY, "no memory for a device object");
    *device = made;
    return MP_OK;
    MTL_LEAVE(error)
}

void mtl_device_retain(mp_device *device)
{
    mtl_retain(&device->references);
}

void mtl_device_release(mp_device *device)
{
    if (!device || mtl_forked)
        return;
    /* Under the lock, or another thread could find the device between the last release and its end. */
    pthread_mutex_lock(&open_lock);
    bool last = mtl_drop(&device->references);
    if (last) {
        mp_device **link = &opened;
        while (*link != device)
            link = &(*link)->next;
        *link = device->next;
    }
    pthread_mutex_unlock(&open_lock);
    if (!last)
        return;
    MTL_POOL
    {
        for (int i = 0; i < 3; i++)
            [device->kernels[i] release];
        [device->copies release];
        [device->device release];
    }
    pthread_mutex_destroy(&device->kernels_lock);
    free(device);
    mtl_count(-1);
}

/* Metal does not tell; the registry entry of the GPU's own driver does. 0: not an Apple GPU. */
static uint32_t core_count(void)
{
    io_service_t service = IOServiceGetMatchingService(MACH_PORT_NULL, IOServiceMatching("AGXAccelerator"));
    if (!service)
        return 0;
    NSNumber *cores = (NSNumber *)IORegistryEntryCreateCFProperty(service, (CFStringRef) @"gpu-core-count", NULL, 0);
    uint32_t count = [cores isKindOfClass:[NSNumber class]] ? cores.unsignedIntValue : 0;
    [cores release]; /* toll-free bridged */
    IOObjectRelease(service);
    return count;
}

/* "MTLGPUFamily": Apple families are numbered from 1001, each with all that the ones before it can. */
static uint32_t apple_family(id<MTLDevice> device)
{
    uint32_t family = 0;
    for (uint32_t n = 1; n <= 20; n++) {
        if ([device supportsFamily:(MTLGPUFamily)(1000 + n)])
            family = n;
    }
    return family;
}

void mtl_device_info(mp_device *device, mp_device_info *info)
{
    memset(info, 0, sizeof *info);
    if (mtl_forked)
        return;
    MTL_POOL
    {
        id<MTLDevice> metal = device->device;
        strncpy(info->name, metal.name.UTF8String, sizeof info->name - 1);
        info->registry_id = metal.registryID;
        info->recommended_max_memory = metal.recommendedMaxWorkingSetSize;
        info->max_buffer_length = metal.maxBufferLength;
        info->max_threads_per_threadgroup = (uint32_t)metal.maxThreadsPerThreadgroup.width;
        info->max_threadgroup_memory = (uint32_t)metal.maxThreadgroupMemoryLength;
        info->thread_execution_width = MP_THREAD_EXECUTION_WIDTH;
        info->core_count = core_count();
        info->has_unified_memory = metal.hasUnifiedMemory;
        info->gpu_family = apple_family(metal);
    }
}

uint64_t mtl_device_allocated_size(mp_device *device)
{
    if (mtl_forked)
        return 0;
    MTL_POOL { return device->device.currentAllocatedSize; }
}

mp_status mtl_device_set_time_limit(mp_device *device, uint64_t limit_ns, mp_error *error)
{
    (void)device;
    mp_status status = mtl_check_fork(error);
    if (status || limit_ns == 0)
        return status;
    return mtl_fail(error, MP_ERROR_UNSUPPORTED,
                    "macOS decides how long a kernel may run on an Apple GPU; a limit cannot be set");
}

uint64_t mtl_device_now(mp_device *device)
{
    (void)device;
    return mtl_now();
}
