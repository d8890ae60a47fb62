/* dispatch/dispatch.h of the stand-in: bytes in an object. */
#ifndef STANDIN_DISPATCH_H
#define STANDIN_DISPATCH_H

#include <stddef.h>

@class NSData;
typedef NSData *dispatch_data_t;
typedef void *dispatch_queue_t;
typedef void (^dispatch_block_t)(void);

#define DISPATCH_DATA_DESTRUCTOR_DEFAULT ((dispatch_block_t)0)

dispatch_data_t dispatch_data_create(const void *buffer, size_t size, dispatch_queue_t queue,
                                     dispatch_block_t destructor);
#define dispatch_release(object) [object release]

#endif
