/* system.m: the few functions of macOS that the driver needs, apart from Metal. */
#import "standin.h"

#include <IOKit/IOKitLib.h>
#include <mach/mach_time.h>
#include <os/signpost.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* ---- IOKit ---- */

CFMutableDictionaryRef IOServiceMatching(const char *name)
{
    return strcmp(name, "AGXAccelerator") == 0 ? (CFMutableDictionaryRef)1 : NULL;
}

io_service_t IOServiceGetMatchingService(mach_port_t port, CFDictionaryRef matching)
{
    (void)port;
    return matching ? 7 : 0;
}

CFTypeRef IORegistryEntryCreateCFProperty(io_registry_entry_t entry, CFStringRef key, CFAllocatorRef allocator,
                                          IOOptionBits options)
{
    (void)allocator, (void)options;
    if (entry != 7 || ![(NSString *)key isEqual:@"gpu-core-count"])
        return NULL;
    mp_device_info info;
    standin_executor->device_info(standin_device, &info);
    return (CFTypeRef)[[NSNumber alloc] initWithUnsignedInt:info.core_count];
}

kern_return_t IOObjectRelease(io_object_t object)
{
    (void)object;
    return 0;
}

/* ---- clocks ---- */

int mach_timebase_info(mach_timebase_info_data_t *info)
{
    info->numer = 125; /* as on Apple silicon: a tick is 125/3 ns */
    info->denom = 3;
    return 0;
}

uint64_t mach_absolute_time(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return ((uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec) / 125 * 3;
}

/* ---- dispatch ---- */

dispatch_data_t dispatch_data_create(const void *buffer, size_t size, dispatch_queue_t queue,
                                     dispatch_block_t destructor)
{
    (void)queue, (void)destructor;
    return [[NSData alloc] initWithBytes:buffer length:size];
}

/* ---- signposts ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char text[1 << 16];
static size_t used;
static uint64_t last_signpost;

os_log_t os_log_create(const char *subsystem, const char *category)
{
    (void)subsystem, (void)category;
    return (os_log_t)1;
}

os_signpost_id_t os_signpost_id_generate(os_log_t log)
{
    (void)log;
    pthread_mutex_lock(&lock);
    uint64_t made = ++last_signpost;
    pthread_mutex_unlock(&lock);
    return made;
}

void standin_signpost(os_log_t log, os_signpost_id_t signpost, const char *kind, const char *name, const char *format,
                      ...)
{
    (void)log, (void)signpost;
    char plain[256], line[512];
    size_t length = 0;
    for (const char *from = format; *from && length < sizeof plain - 2; from++) {
        plain[length++] = *from;
        if (*from == '%' && strncmp(from + 1, "{public}", 8) == 0)
            from += 8;
    }
    plain[length] = 0;
    va_list arguments;
    va_start(arguments, format);
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wformat-nonliteral"
    vsnprintf(line, sizeof line, plain, arguments);
#pragma clang diagnostic pop
    va_end(arguments);
    pthread_mutex_lock(&lock);
    int added = snprintf(text + used, sizeof text - used, "%s %s %s\n", kind, name, line);
    if (added > 0 && used + (size_t)added < sizeof text)
        used += (size_t)added;
    pthread_mutex_unlock(&lock);
}

int metal_standin_signposts(char *into, int size)
{
    pthread_mutex_lock(&lock);
    int length = snprintf(into, (size_t)size, "%.*s", (int)used, text);
    used = 0;
    pthread_mutex_unlock(&lock);
    return length;
}

/* ---- Foundation ---- */

@implementation NSProcessInfo (Standin)

- (NSOperatingSystemVersion)operatingSystemVersion
{
    return (NSOperatingSystemVersion){15, 4, 0}; /* which speaks Metal 3.2, as the software device by default */
}

@end
