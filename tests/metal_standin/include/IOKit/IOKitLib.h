/* IOKit/IOKitLib.h of the stand-in: one property of one service. */
#ifndef STANDIN_IOKIT_H
#define STANDIN_IOKIT_H

#include <stdint.h>

typedef uint32_t mach_port_t;
typedef mach_port_t io_object_t;
typedef io_object_t io_service_t;
typedef io_object_t io_registry_entry_t;
typedef int kern_return_t;
typedef uint32_t IOOptionBits;
typedef const void *CFTypeRef;
typedef const struct standin_string *CFStringRef;
typedef const struct standin_allocator *CFAllocatorRef;
typedef struct standin_dictionary *CFMutableDictionaryRef;
typedef const struct standin_dictionary *CFDictionaryRef;

#define MACH_PORT_NULL ((mach_port_t)0)

CFMutableDictionaryRef IOServiceMatching(const char *name);
io_service_t IOServiceGetMatchingService(mach_port_t port, CFDictionaryRef matching);
CFTypeRef IORegistryEntryCreateCFProperty(io_registry_entry_t entry, CFStringRef key, CFAllocatorRef allocator,
                                          IOOptionBits options);
kern_return_t IOObjectRelease(io_object_t object);

#endif
