/* metal_driver.h: what the files of the Apple device share.
 *
 * The driver is plain C at its boundary and Objective-C behind it, with manual retain and release: a handle of the ABI
 * is a C struct that owns references to Metal objects. Each entry runs in an autorelease pool and lets no exception
 * out. Blocks capture C pointers only, so nothing depends on what a block retains.
 */
#ifndef METAL_DRIVER_H
#define METAL_DRIVER_H

#import <Foundation/Foundation.h>
#import <Metal/Metal.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "metalpy_abi.h"

#define MTL_EXPORT_DRIVER __attribute__((visibility("default")))

/* Every entry of the table that can fail is
 *     MTL_ENTER(error) ... return MP_OK; MTL_LEAVE(error)
 * and every other one is MTL_POOL { ... }. */
#define MTL_POOL @autoreleasepool
#define MTL_ENTER(error)                                                                                             \
    mp_status fork_status = mtl_check_fork(error);                                                                   \
    if (fork_status)                                                                                                 \
        return fork_status;                                                                                          \
    @autoreleasepool {                                                                                               \
        @try {
#define MTL_LEAVE(error)                                                                                             \
        } @catch (NSException * exception) {                                                                         \
            return mtl_fail(error, MP_ERROR_INTERNAL, "Metal raised %s: %s", exception.name.UTF8String,              \
                            exception.reason.UTF8String);                                                            \
        }                                                                                                            \
    }

/* ---- driver.m ---- */
extern volatile bool mtl_forked;
mp_status mtl_check_fork(mp_error *error);
mp_status mtl_fail(mp_error *error, mp_status code, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* As mtl_fail, with an NSError's text behind a colon. */
mp_status mtl_fail_with(mp_error *error, mp_status code, NSError *reason, const char *what);
uint64_t mtl_now(void);                     /* the clock of GPUStartTime and GPUEndTime, in nanoseconds */
uint64_t mtl_nanoseconds(double seconds);   /* of that clock */
bool mtl_os_at_least(int major, int minor); /* macOS */
/* The time at which a wait with this timeout ends, for pthread_cond_timedwait; false: never. */
bool mtl_deadline(uint64_t timeout_ns, struct timespec *until);
/* Live handles and command buffers, for tests. */
void mtl_count(int change);
static inline void mtl_retain(_Atomic int32_t *references)
{
    atomic_fetch_add_explicit(references, 1, memory_order_relaxed);
}
static inline bool mtl_drop(_Atomic int32_t *references)
{
    return atomic_fetch_sub_explicit(references, 1, memory_order_acq_rel) == 1;
}

/* ---- device.m ---- */
struct mp_device {
    _Atomic int32_t references;
    uint32_t index;
    id<MTLDevice> device;                   /* owned */
    struct mp_device *next;                 /* open devices, under a lock of device.m */
    pthread_mutex_t kernels_lock;
    id<MTLComputePipelineState> kernels[3]; /* owned, under kernels_lock; see encode.m */
    id<MTLCommandQueue> copies;             /* owned, under kernels_lock; NULL until texels.m needs it */
};
void mtl_device_retain(mp_device *device);
uint32_t mtl_device_count(void);
mp_status mtl_device_open(uint32_t index, mp_device **device, mp_error *error);
void mtl_device_release(mp_device *device);
void mtl_device_info(mp_device *device, mp_device_info *info);
uint64_t mtl_device_allocated_size(mp_device *device);
mp_status mtl_device_set_time_limit(mp_device *device, uint64_t limit_ns, mp_error *error);
uint64_t mtl_device_now(mp_device *device);

/* ---- capture.m ---- */
mp_status mtl_device_start_capture(mp_device *device, const char *path, mp_error *error);
void mtl_device_stop_capture(mp_device *device);
uint32_t mtl_device_capture_state(mp_device *device);

/* ---- memory.m ---- */
struct mp_heap {
    _Atomic int32_t references;
    mp_device *device;                      /* retained */
    id<MTLHeap> heap;                       /* owned */
    MTLResourceOptions options;
};
struct mp_buffer {
    _Atomic int32_t references;
    mp_device *device;                      /* retained */
    mp_heap *heap;                          /* retained; NULL: a buffer of its own */
    id<MTLBuffer> buffer;                   /* owned */
    bool untracked;                         /* Metal orders no uses of it */
};
uint64_t mtl_heap_buffer_size(mp_device *device, uint64_t size);
mp_status mtl_heap_create(mp_device *device, uint64_t size, uint32_t options, mp_heap **heap, mp_error *error);
void mtl_heap_release(mp_heap *heap);
uint64_t mtl_heap_available(mp_heap *heap);
mp_status mtl_heap_buffer_create(mp_heap *heap, uint64_t size, mp_buffer **buffer, mp_error *error);
mp_status mtl_buffer_create(mp_device *device, uint64_t size, uint32_t options, mp_buffer **buffer, mp_error *error);
mp_status mtl_buffer_wrap(mp_device *device, void *memory, uint64_t size, mp_release_callback release, void *context,
                          mp_buffer **buffer, mp_error *error);
void mtl_buffer_retain(mp_buffer *buffer);
void mtl_buffer_release(mp_buffer *buffer);
void *mtl_buffer_contents(mp_buffer *buffer);
uint64_t mtl_buffer_address(mp_buffer *buffer);
uint64_t mtl_buffer_size(mp_buffer *buffer);

/* ---- texture.m ---- */
enum mtl_format_kind {
    MTL_FILTERED, /* linear filters, and mipmaps can be made of it */
    MTL_FLOAT32,  /* likewise where supports32BitFloatFiltering */
    MTL_INTEGER,
    MTL_DEPTH
};
struct mtl_format {
    MTLPixelFormat value;
    uint8_t bytes;
    uint8_t tier;                           /* of MTLReadWriteTextureTier, for kernels that read and write; 0: never */
    enum mtl_format_kind kind;
};
struct mp_texture {
    _Atomic int32_t references;
    mp_device *device;                      /* retained */
    mp_buffer *buffer;                      /* retained: of a linear texture; else NULL */
    id<MTLTexture> texture;                 /* owned */
    const struct mtl_format *format;        /* static */
    mp_texture_desc desc;
    uint32_t elements;                      /* array elements and faces: Metal's slices */
    bool has_rows, has_planes;
    bool untracked;                         /* Metal orders no uses of the buffer */
    uint64_t offset, row_bytes;             /* of a linear texture */
};
mp_status mtl_texture_size(mp_device *device, const mp_texture_desc *desc, uint64_t *size, mp_error *error);
mp_status mtl_texture_create(mp_device *device, const mp_texture_desc *desc, mp_buffer *buffer, uint64_t offset,
                             uint64_t bytes_per_row, mp_texture **texture, mp_error *error);
void mtl_texture_release(mp_texture *texture);
uint64_t mtl_texture_address(mp_texture *texture);

/* ---- texels.m ---- */
mp_status mtl_texture_replace(mp_texture *texture, const mp_texture_region *region, const void *bytes, mp_error *error);
mp_status mtl_texture_read(mp_texture *texture, const mp_texture_region *region, void *bytes, mp_error *error);

/* ---- sampler.m ---- */
struct mp_sampler {
    _Atomic int32_t references;
    mp_device *device;                      /* retained */
    id<MTLSamplerState> state;              /* owned */
};
mp_status mtl_sampler_create(mp_device *device, const mp_sampler_desc *desc, mp_sampler **sampler, mp_error *error);
void mtl_sampler_release(mp_sampler *sampler);
uint64_t mtl_sampler_address(mp_sampler *sampler);

/* ---- library.m ---- */
struct mp_library {
    _Atomic int32_t references;
    mp_device *device;                      /* retained */
    id<MTLLibrary> library;                 /* owned */
};
struct mp_pipeline {
    _Atomic int32_t references;
    mp_library *library;                    /* retained */
    id<MTLComputePipelineState> state;      /* owned */
    MTLComputePipelineReflection *reflection; /* owned */
    mp_pipeline_limits limits;
    uint64_t read_write[MP_MAX_TEXTURES / 64]; /* bits: textures that the kernel both reads and writes */
    char name[MP_NAME_SIZE];                /* for messages; cut if it is long */
};
mp_status mtl_library_create(mp_device *device, const mp_library_desc *desc, mp_library **library, mp_error *error);
void mtl_library_release(mp_library *library);
const char *mtl_library_compile_log(void);
void mtl_library_names(mp_library *library, mp_name_callback each, void *context);
void mtl_library_constants(mp_library *library, const char *name, mp_constant_callback each, void *context);
mp_status mtl_pipeline_create(mp_library *library, const mp_pipeline_desc *desc, mp_pipeline **pipeline,
                              mp_error *error);
void mtl_pipeline_release(mp_pipeline *pipeline);
void mtl_pipeline_limits(mp_pipeline *pipeline, mp_pipeline_limits *limits);
/* Options for the driver's own and users' source alike. Autoreleased. */
MTLCompileOptions *mtl_compile_options(const mp_library_desc *desc);

/* ---- reflection.m ---- */
void mtl_pipeline_arguments(mp_pipeline *pipeline, mp_type_callback each, void *context);
/* The scalar of a type and how many make it up; MP_SCALAR_NONE if it is none of scalars and vectors. */
uint32_t mtl_scalar_of(MTLDataType type, uint32_t *count);
/* The reverse; MTLDataTypeNone if there is no such type. */
MTLDataType mtl_type_of(uint32_t scalar, uint32_t count);

/* ---- queue.m: serial numbers, command buffers, completion ---- */
enum mtl_encoder_kind { MTL_NO_ENCODER, MTL_COMPUTE, MTL_BLIT };

/* A command buffer with the commands that it holds. */
struct mtl_batch {
    id<MTLCommandBuffer> buffer;            /* owned */
    mp_queue *queue;                        /* retained */
    uint64_t first_serial, last_serial;
    uint32_t count;
    struct mtl_batch *next;
    bool finished;                          /* under the queue's lock; those before may not be */
    bool traced;                            /* keep the times */
    uint64_t start, end;                    /* on the GPU */
    bool interval, end_event;               /* signposts that are due */
    const char *signpost_name;              /* static, or of `pipeline` */
    uint64_t signpost;
    mp_pipeline *pipeline;                  /* retained for its name; may be NULL */
    mp_event *event;                        /* retained: signalled at the end; may be NULL */
    uint64_t event_value;
    id *residents;                          /* owned: Metal holds no reference to what is only resident */
    uint32_t resident_count, resident_capacity;
};

struct mp_queue {
    _Atomic int32_t references;             /* the handle's, and one for each command buffer */
    mp_device *device;                      /* retained */
    id<MTLCommandQueue> queue;              /* owned */
    id<MTLFence> fence;                     /* owned: keeps passes in order where resources are untracked */
    struct mtl_logs *logs;                  /* owned; NULL where kernels cannot log */

    pthread_mutex_t record_lock;            /* recording; taken before `lock` */
    struct mtl_batch *open;                 /* with commands, or none */
    enum mtl_encoder_kind encoder_kind;
    id encoder;                             /* owned: id<MTLComputeCommandEncoder> or id<MTLBlitCommandEncoder> */
    bool untracked;                         /* some command has used untracked memory: passes wait for each other */
    bool untracked_textures;                /* some dispatch has used textures over such memory */
    bool needs_barrier;                     /* a dispatch of this pass has */
    struct mtl_batch *first, *last;         /* under `lock`: committed and not complete, in order */
    uint64_t next_serial;
    uint32_t trace;

    pthread_mutex_t lock;                   /* what completion handlers write */
    pthread_cond_t done;
    _Atomic uint64_t completed;
    bool has_failure;
    mp_error failure;
    mp_timing *timings;                     /* ring of MP_TRACE_CAPACITY, made when tracing begins */
    uint32_t timing_first, timing_count;
};
mp_status mtl_queue_create(mp_device *device, mp_queue **queue, mp_error *error);
void mtl_queue_release(mp_queue *queue);
mp_status mtl_queue_commit(mp_queue *queue, mp_error *error);
mp_status mtl_queue_wait(mp_queue *queue, uint64_t serial, uint64_t timeout_ns, mp_error *error);
uint64_t mtl_queue_completed(mp_queue *queue);
mp_status mtl_queue_set_trace(mp_queue *queue, uint32_t trace, mp_error *error);
uint32_t mtl_queue_take_timings(mp_queue *queue, mp_timing *timings, uint32_t capacity);
/* With record_lock: a batch that takes commands; NULL with `error` filled. */
struct mtl_batch *mtl_open_batch(mp_queue *queue, mp_error *error);
/* With record_lock: ends the pass that is being encoded. */
void mtl_end_encoder(mp_queue *queue);
/* With record_lock: counts a command that has been encoded, and commits when enough has gathered. */
void mtl_recorded(mp_queue *queue, uint64_t *serial);
/* With record_lock: hands the open batch to Metal. */
void mtl_commit_open(mp_queue *queue);
/* With record_lock, when encoding a command failed: a batch without commands must not stay open. */
void mtl_drop_empty(mp_queue *queue);

/* ---- encode.m: launches, copies, fills and mipmaps ---- */
mp_status mtl_queue_dispatch(mp_queue *queue, const mp_dispatch *dispatch, uint64_t *serial, mp_error *error);
mp_status mtl_queue_copy(mp_queue *queue, mp_buffer *target, uint64_t target_offset, mp_buffer *source,
                         uint64_t source_offset, uint64_t size, uint64_t *serial, mp_error *error);
mp_status mtl_queue_fill(mp_queue *queue, mp_buffer *target, uint64_t offset, uint64_t size, const void *pattern,
                         uint32_t pattern_size, uint64_t *serial, mp_error *error);
mp_status mtl_queue_generate_mipmaps(mp_queue *queue, mp_texture *texture, uint64_t *serial, mp_error *error);

/* ---- primitives.m: Metal Performance Shaders ---- */
mp_status mtl_queue_matmul(mp_queue *queue, const mp_matrix *target, const mp_matrix *left, const mp_matrix *right,
                           double alpha, double beta, uint64_t *serial, mp_error *error);
mp_status mtl_queue_softmax(mp_queue *queue, const mp_matrix *target, const mp_matrix *source, uint64_t *serial,
                            mp_error *error);

/* ---- event.m ---- */
struct mp_event {
    _Atomic int32_t references;
    mp_device *device;                      /* retained */
    id<MTLSharedEvent> event;               /* owned */
    pthread_mutex_t lock;
    pthread_cond_t grown;
    _Atomic uint64_t value, time;           /* as the host has been told: they change together, under lock */
};
mp_status mtl_event_create(mp_device *device, mp_event **event, mp_error *error);
void mtl_event_retain(mp_event *event);
void mtl_event_release(mp_event *event);
uint64_t mtl_event_value(mp_event *event);
uint64_t mtl_event_time(mp_event *event);
mp_status mtl_event_signal(mp_event *event, uint64_t value, mp_error *error);
mp_status mtl_event_wait(mp_event *event, uint64_t value, uint64_t timeout_ns, mp_error *error);
/* Tells the host, and waiting queues if the device did not, that the event has reached `value` at `time`. */
void mtl_event_raise(mp_event *event, uint64_t value, uint64_t time);
mp_status mtl_queue_signal_event(mp_queue *queue, mp_event *event, uint64_t value, uint64_t *serial, mp_error *error);
mp_status mtl_queue_wait_event(mp_queue *queue, mp_event *event, uint64_t value, uint64_t *serial, mp_error *error);

/* ---- signpost.m ---- */
uint64_t mtl_signpost_begin(const char *name);
void mtl_signpost_end(uint64_t signpost, const char *name, uint64_t serial);
void mtl_signpost_event(const char *name, uint64_t serial);

/* ---- logs.m: what kernels say ---- */
bool mtl_logs_exist(void);
/* NULL where the system cannot (before macOS 15); `queue` then gets a plain command queue. */
struct mtl_logs *mtl_logs_create(id<MTLDevice> device);
void mtl_logs_free(struct mtl_logs *logs);
id<MTLCommandQueue> mtl_logs_new_queue(struct mtl_logs *logs, id<MTLDevice> device, NSUInteger buffers);
uint32_t mtl_queue_take_messages(mp_queue *queue, mp_message_callback each, void *context);

#endif
