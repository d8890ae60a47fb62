/* metalpy_abi.h: the C ABI between metalpy and a Metal device.
 *
 * A driver (the software device in cpu/, the Apple device in objc/) fills one `mp_driver` table. Everything
 * above it (buffer pooling, argument encoding, dispatch) is written once against this header.
 *
 * Conventions
 *   Handles are opaque and reference counted: `*_create` returns one owned reference, `*_release` drops one,
 *   never fails and accepts NULL. A child keeps its parents alive (a buffer its device, a pipeline its library).
 *   Work in flight keeps everything that it uses alive.
 *   Functions that can fail return an mp_status and, when it is not MP_OK, fill `*error` (which may be NULL).
 *   A failed call creates nothing and leaves its out parameters alone.
 *   Every function may be called from any thread at any time unless its comment says otherwise, and none
 *   needs or takes Python's GIL. Functions marked "blocks" should be called with the GIL released.
 *   After fork() the child must not use a driver: every fallible call there returns MP_ERROR_FORKED.
 *   Sizes and offsets are bytes, times are nanoseconds.
 */
#ifndef METALPY_ABI_H
#define METALPY_ABI_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MP_ABI_VERSION 2

/* Metal's limits, the same on every device (Metal Feature Set Tables, Apple7 family). */
#define MP_MAX_BUFFERS 31                    /* [[buffer(0)]] .. [[buffer(30)]] */
#define MP_MAX_THREADGROUP_ARGUMENTS 31      /* [[threadgroup(0)]] .. [[threadgroup(30)]] */
#define MP_MAX_TEXTURES 128                  /* [[texture(0)]] .. [[texture(127)]] */
#define MP_MAX_SAMPLERS 16                   /* [[sampler(0)]] .. [[sampler(15)]] */
#define MP_MAX_THREADS_PER_THREADGROUP 1024
#define MP_MAX_THREADGROUP_MEMORY 32768
#define MP_THREAD_EXECUTION_WIDTH 32
#define MP_ERROR_MESSAGE_SIZE 512
#define MP_NAME_SIZE 128
#define MP_FOREVER UINT64_MAX                /* timeout_ns: wait without limit */
#define MP_TRACE_CAPACITY 16384              /* times of commands that a queue keeps until they are taken */

typedef int32_t mp_status;
enum {
    MP_OK = 0,
    MP_TIMEOUT = 1,              /* a wait reached its timeout; not an error, `*error` is not filled */
    MP_ERROR_INVALID = -1,       /* an argument is out of range or contradicts another */
    MP_ERROR_MEMORY = -2,        /* the device or the host has no memory left */
    MP_ERROR_UNSUPPORTED = -3,   /* this device cannot do it */
    MP_ERROR_NOT_FOUND = -4,     /* no such device, file or function */
    MP_ERROR_LIBRARY = -5,       /* the library's code was refused or cannot be loaded */
    MP_ERROR_FAULT = -6,         /* a kernel did something illegal (bad address, integer division by zero, trap) */
    MP_ERROR_TIME_LIMIT = -7,    /* a kernel ran longer than the device's time limit and was stopped */
    MP_ERROR_FORKED = -8,        /* called in the child of a fork() */
    MP_ERROR_INTERNAL = -9       /* the driver broke its own rules */
};

typedef struct mp_error {
    mp_status code;
    char message[MP_ERROR_MESSAGE_SIZE]; /* UTF-8, NUL terminated, one sentence without a final newline */
} mp_error;

typedef struct mp_device mp_device;
typedef struct mp_heap mp_heap;
typedef struct mp_buffer mp_buffer;
typedef struct mp_texture mp_texture;
typedef struct mp_sampler mp_sampler;
typedef struct mp_library mp_library;
typedef struct mp_pipeline mp_pipeline;
typedef struct mp_queue mp_queue;
typedef struct mp_event mp_event;

typedef struct mp_device_info {
    char name[MP_NAME_SIZE];               /* "Apple M1 Max", "metalpy software device (AMD EPYC)" */
    uint64_t registry_id;
    uint64_t recommended_max_memory;       /* recommendedMaxWorkingSetSize */
    uint64_t max_buffer_length;
    uint32_t max_threads_per_threadgroup;
    uint32_t max_threadgroup_memory;
    uint32_t thread_execution_width;
    uint32_t core_count;                   /* GPU cores, or host threads that run kernels */
    uint32_t has_unified_memory;           /* 1: buffer_contents works on every shared buffer */
    uint32_t gpu_family;                   /* 7 for MTLGPUFamilyApple7; 0 where there are no Apple families */
} mp_device_info;

typedef struct mp_pipeline_limits {
    uint32_t max_total_threads_per_threadgroup;
    uint32_t thread_execution_width;
    uint32_t static_threadgroup_memory;
    uint32_t flags;                        /* MP_PIPELINE_* */
} mp_pipeline_limits;

enum { /* mp_pipeline_limits.flags: bits */
    MP_PIPELINE_MESSAGES = 1,              /* the kernel may say something: see queue_take_messages */
    MP_PIPELINE_GPU = 2,                   /* it runs on a GPU */
    MP_PIPELINE_CHECKED = 8,               /* on the CPU: each access to shared memory is looked at first */
    MP_PIPELINE_SIMDGROUPS = 4             /* it runs on the CPU, a simdgroup as one vector program; neither bit: thread
                                              by thread */
};

enum { /* mp_library_desc.kind */
    MP_LIBRARY_SOURCE = 1,        /* data: MSL text (Apple) */
    MP_LIBRARY_METALLIB = 2,      /* data: the bytes of a .metallib (Apple) */
    MP_LIBRARY_NATIVE = 3,        /* data: path of a shared object made by metalpy.compiler, NUL terminated (software) */
    MP_LIBRARY_METALLIB_FILE = 4  /* data: path of a .metallib, NUL terminated (Apple) */
};

enum { /* mp_library_desc.math_mode, of source */
    MP_MATH_SAFE = 0,
    MP_MATH_RELAXED = 1,
    MP_MATH_FAST = 2
};

typedef struct mp_macro {
    const char *name;
    const char *value;
} mp_macro;

typedef struct mp_library_desc {
    uint32_t kind;
    uint32_t math_mode;
    const char *data;
    uint64_t size;              /* of data, without a terminating NUL */
    const mp_macro *macros;     /* to define before source */
    uint32_t macro_count;
    uint32_t language_version;  /* of source: 3 << 16 | 1 for Metal 3.1; 0: the newest that the system has */
} mp_library_desc;

enum { /* scalar types; a component of vectors and matrices */
    MP_SCALAR_NONE = 0,
    MP_SCALAR_BOOL,
    MP_SCALAR_INT8,
    MP_SCALAR_UINT8,
    MP_SCALAR_INT16,
    MP_SCALAR_UINT16,
    MP_SCALAR_INT32,
    MP_SCALAR_UINT32,
    MP_SCALAR_INT64,
    MP_SCALAR_UINT64,
    MP_SCALAR_FLOAT16,
    MP_SCALAR_BFLOAT16,
    MP_SCALAR_FLOAT32
};

/* A value for `constant T name [[function_constant(index)]]`: `count` scalars, 1 to 4, one behind the other. */
typedef struct mp_constant {
    uint32_t index;
    uint32_t scalar;            /* MP_SCALAR_* */
    uint32_t count;
    uint32_t reserved;
    const void *value;
} mp_constant;

typedef struct mp_pipeline_desc {
    const char *name;           /* of the kernel */
    const mp_constant *constants;
    uint32_t constant_count;
    uint32_t reserved;
    const char *archive;        /* path: the pipeline is taken from this binary archive, or put there; NULL: none */
} mp_pipeline_desc;

enum { /* mp_type_record.kind */
    MP_TYPE_UNKNOWN = 0,
    MP_TYPE_SCALAR = 1,
    MP_TYPE_VECTOR = 2,         /* counts[0] components */
    MP_TYPE_MATRIX = 3,         /* counts[0] columns, counts[1] rows, `stride` from column to column */
    MP_TYPE_ARRAY = 4,          /* counts[0] elements, `stride` apart; the next record, one deeper, is an element */
    MP_TYPE_STRUCT = 5,         /* the records that follow, one deeper, are the members */
    MP_TYPE_POINTER = 6,        /* the next record, one deeper, is what it points to */
    MP_TYPE_TEXTURE = 7,        /* counts[0]: MTLTextureType, counts[1]: 1 for a depth texture; `scalar` of a component */
    MP_TYPE_SAMPLER = 8
};

/* One step of a walk through a kernel's arguments and their types. A record of depth 0 is an argument with the type
 * that it points or refers to. */
typedef struct mp_type_record {
    uint32_t depth;
    uint32_t kind;
    uint32_t scalar;            /* MP_SCALAR_*, of scalars, vectors and matrices */
    uint32_t counts[2];
    uint32_t binding;           /* depth 0: MP_ARGUMENT_BUFFER, _THREADGROUP, _TEXTURE or _SAMPLER */
    uint32_t index;             /* depth 0: n of [[buffer(n)]], [[threadgroup(n)]] ...; of an array the first */
    uint32_t writes;            /* depth 0, and textures: 0: the kernel only reads, 1: may do both, 2: only writes */
    uint64_t offset;            /* of a member */
    uint64_t size;
    uint64_t alignment;
    uint64_t stride;
    const char *name;           /* of an argument or member; may be empty */
} mp_type_record;

typedef void (*mp_type_callback)(void *context, const mp_type_record *record);

/* A function constant of a kernel; `required`: without a value there is no pipeline. */
typedef struct mp_constant_record {
    uint32_t index;
    uint32_t scalar;            /* MP_SCALAR_*; MP_SCALAR_NONE: of a type that the ABI does not know */
    uint32_t count;             /* 1, or the components of a vector */
    uint32_t required;
    const char *name;
} mp_constant_record;

typedef void (*mp_constant_callback)(void *context, const mp_constant_record *record);
typedef void (*mp_name_callback)(void *context, const char *name);

enum { /* mp_argument.kind */
    MP_ARGUMENT_BUFFER = 1,      /* buffer + offset at [[buffer(index)]]; a NULL buffer binds a null pointer */
    MP_ARGUMENT_BYTES = 2,       /* `size` bytes at `bytes`, copied during the call, at [[buffer(index)]] */
    MP_ARGUMENT_THREADGROUP = 3, /* `size` bytes of threadgroup memory at [[threadgroup(index)]] */
    MP_ARGUMENT_RESIDENT = 4,    /* buffer, texture or sampler is reached through an address in another argument: keep
                                    it alive and resident; index is ignored */
    MP_ARGUMENT_TEXTURE = 5,     /* texture at [[texture(index)]]; NULL binds a null texture */
    MP_ARGUMENT_SAMPLER = 6      /* sampler at [[sampler(index)]] */
};

typedef struct mp_argument {
    uint32_t kind;
    uint32_t index;
    mp_buffer *buffer;       /* MP_ARGUMENT_BUFFER, MP_ARGUMENT_RESIDENT */
    const void *bytes;       /* MP_ARGUMENT_BYTES */
    uint64_t offset;         /* MP_ARGUMENT_BUFFER */
    uint64_t size;           /* MP_ARGUMENT_BYTES, MP_ARGUMENT_THREADGROUP; MP_ARGUMENT_BUFFER: bytes that are meant,
                                for drivers that check accesses; 0: all behind the offset */
    mp_texture *texture;     /* MP_ARGUMENT_TEXTURE, MP_ARGUMENT_RESIDENT */
    mp_sampler *sampler;     /* MP_ARGUMENT_SAMPLER, MP_ARGUMENT_RESIDENT */
} mp_argument;

typedef struct mp_dispatch {
    mp_pipeline *pipeline;
    const mp_argument *arguments;
    uint32_t argument_count;
    uint32_t threads[3];      /* exact grid in threads (dispatchThreads): the last threadgroups may be smaller */
    uint32_t group_size[3];   /* threads per threadgroup, each at least 1 */
    uint32_t reserved;
} mp_dispatch;

/* A matrix in row-major order. */
typedef struct mp_matrix {
    mp_buffer *buffer;
    uint64_t offset;
    uint32_t rows;
    uint32_t columns;
    uint64_t row_bytes;       /* from row to row */
    uint32_t scalar;          /* MP_SCALAR_FLOAT16 or MP_SCALAR_FLOAT32 */
    uint32_t transposed;      /* 1: an operand of queue_matmul is taken as its transpose */
} mp_matrix;

enum { /* mp_texture_desc.usage: bits, as MTLTextureUsage */
    MP_TEXTURE_READ = 1,         /* kernels read or sample */
    MP_TEXTURE_WRITE = 2         /* kernels write */
};

/* A texture. `type` is a value of MTLTextureType, `pixel_format` one of MTLPixelFormat. */
typedef struct mp_texture_desc {
    uint32_t type;
    uint32_t pixel_format;
    uint32_t width;
    uint32_t height;          /* 1 where the type has none, as depth, array_length and samples */
    uint32_t depth;
    uint32_t array_length;    /* of cube arrays: cubes */
    uint32_t levels;          /* of detail; 1: only the whole image */
    uint32_t samples;
    uint32_t usage;
    uint32_t reserved;
} mp_texture_desc;

/* Texels of one image: a level of detail of one element of an array, where each face of a cube and each sample of a
 * multisampled texture is an element. */
typedef struct mp_texture_region {
    uint32_t level;
    uint32_t element;
    uint32_t origin[3];
    uint32_t size[3];
    uint64_t bytes_per_row;   /* of the host's memory */
    uint64_t bytes_per_plane; /* from one z to the next */
} mp_texture_region;

/* A sampler. Modes are values of MTLSamplerAddressMode, filters of MTLSamplerMinMagFilter and MTLSamplerMipFilter,
 * compare_function of MTLCompareFunction, border_color of MTLSamplerBorderColor. */
typedef struct mp_sampler_desc {
    uint32_t address_modes[3];
    uint32_t min_filter;
    uint32_t mag_filter;
    uint32_t mip_filter;
    uint32_t normalized_coordinates;
    uint32_t max_anisotropy;
    uint32_t compare_function;
    uint32_t border_color;
    float lod_min_clamp;
    float lod_max_clamp;
} mp_sampler_desc;

enum { /* options of buffers and heaps: bits, as MTLResourceOptions */
    MP_RESOURCE_PRIVATE = 1,     /* only the device reaches it: buffer_contents is NULL */
    MP_RESOURCE_UNTRACKED = 2    /* heaps: the caller orders the uses of its buffers across queues */
};

enum { /* what queue_set_trace asks for: bits */
    MP_TRACE_TIMES = 1,          /* times for queue_take_timings */
    MP_TRACE_INTERVALS = 2,      /* signpost intervals from start to end of each command (Apple) */
    MP_TRACE_EVENTS = 4,         /* a signpost at the end of each command (Apple) */
    MP_TRACE_OPERATIONS = 8,     /* signposts for launches */
    MP_TRACE_COPIES = 16         /* signposts for copies and fills */
};

/* When a command ran, on the clock of device_now. */
typedef struct mp_timing {
    uint64_t serial;
    uint64_t start;
    uint64_t end;
} mp_timing;

enum { /* mp_message.level: os_log's types, then ours */
    MP_MESSAGE_DEBUG = 1,
    MP_MESSAGE_INFO = 2,
    MP_MESSAGE_DEFAULT = 3,
    MP_MESSAGE_ERROR = 4,
    MP_MESSAGE_FAULT = 5,
    MP_MESSAGE_PRINT = 6,        /* printf */
    MP_MESSAGE_REPORT = 7,       /* an error that the next wait is to raise */
    MP_MESSAGE_LOST = 8          /* text says how many messages of the command did not fit */
};

/* What a kernel said. The strings are UTF-8 and the driver's; NULL where there is none. */
typedef struct mp_message {
    uint64_t serial;             /* of the command; 0 where the device does not tell */
    uint32_t level;
    uint32_t line;               /* of the source; 0: unknown */
    uint32_t has_thread;         /* 1: thread is [[thread_position_in_grid]] */
    uint32_t thread[3];
    const char *kernel;
    const char *file;
    const char *subsystem;       /* of os_log */
    const char *category;
    const char *text;
} mp_message;

typedef void (*mp_message_callback)(void *context, const mp_message *message);

enum { /* device_capture_state: bits */
    MP_CAPTURE_ENABLED = 1,      /* this process may write .gputrace documents */
    MP_CAPTURE_RUNNING = 2
};

/* Called once when the last reference to wrapped memory is gone, from any thread. It must not call the driver. */
typedef void (*mp_release_callback)(void *context);

typedef struct mp_driver {
    uint32_t abi_version;     /* MP_ABI_VERSION */
    uint32_t struct_size;     /* sizeof(mp_driver) */
    const char *name;         /* "software", "metal" */

    /* ---- devices ---- */

    /* Number of devices; 0 if there are none. Cheap, opens nothing. */
    uint32_t (*device_count)(void);
    /* Opens device `index`. The device is shared: opening twice returns the same one, retained. MP_ERROR_INVALID: an
     * environment variable that the driver reads cannot be meant. */
    mp_status (*device_open)(uint32_t index, mp_device **device, mp_error *error);
    void (*device_release)(mp_device *device);
    /* Facts that do not change; the driver owns nothing in `info`. Never fails. */
    void (*device_info)(mp_device *device, mp_device_info *info);
    /* Bytes that the device has given to buffers and not got back, whoever asked for them. */
    uint64_t (*device_allocated_size)(mp_device *device);
    /* Stops any dispatch that runs longer than `limit_ns` with MP_ERROR_TIME_LIMIT; 0 (the default) never does.
     * Applies to dispatches that start afterwards. MP_ERROR_UNSUPPORTED where the hardware decides. */
    mp_status (*device_set_time_limit)(mp_device *device, uint64_t limit_ns, mp_error *error);
    /* The clock of event time stamps. */
    uint64_t (*device_now)(mp_device *device);

    /* Writes everything that the device does from now on to the .gputrace document `path`, until stopped.
     * MP_ERROR_UNSUPPORTED where there is no such thing, or the process may not. */
    mp_status (*device_start_capture)(mp_device *device, const char *path, mp_error *error);
    void (*device_stop_capture)(mp_device *device);
    uint32_t (*device_capture_state)(mp_device *device);

    /* ---- heaps: memory that buffers are cut from ---- */

    /* Bytes that a buffer of `size` bytes takes in a heap (heapBufferSizeAndAlign, rounded up to the alignment). */
    uint64_t (*heap_buffer_size)(mp_device *device, uint64_t size);
    /* `size` bytes; `options`: MP_RESOURCE_*. A heap's buffers keep it alive. */
    mp_status (*heap_create)(mp_device *device, uint64_t size, uint32_t options, mp_heap **heap, mp_error *error);
    void (*heap_release)(mp_heap *heap);
    /* Bytes of the largest buffer that heap_buffer_create can give now. */
    uint64_t (*heap_available)(mp_heap *heap);
    /* As buffer_create; MP_ERROR_MEMORY when the heap has no room. */
    mp_status (*heap_buffer_create)(mp_heap *heap, uint64_t size, mp_buffer **buffer, mp_error *error);

    /* ---- buffers ---- */

    /* `size` bytes (at least 1) of memory, aligned to at least 256; `options`: MP_RESOURCE_PRIVATE or 0. Contents are
     * not initialised. MP_ERROR_MEMORY when there is none, MP_ERROR_INVALID when `size` is 0 or over
     * max_buffer_length. */
    mp_status (*buffer_create)(mp_device *device, uint64_t size, uint32_t options, mp_buffer **buffer,
                               mp_error *error);
    /* A buffer over `size` bytes of the caller's memory, not copied. `release(context)` runs when the device
     * no longer needs it; `release` may be NULL. On failure it is not called.
     * Apple needs page-aligned memory and size (MP_ERROR_UNSUPPORTED otherwise). */
    mp_status (*buffer_wrap)(mp_device *device, void *memory, uint64_t size, mp_release_callback release,
                             void *context, mp_buffer **buffer, mp_error *error);
    void (*buffer_retain)(mp_buffer *buffer);
    void (*buffer_release)(mp_buffer *buffer);
    /* Host address of the memory, valid as long as the buffer is. NULL for private storage. */
    void *(*buffer_contents)(mp_buffer *buffer);
    /* Address by which kernels reach the buffer (for argument buffers). */
    uint64_t (*buffer_address)(mp_buffer *buffer);
    uint64_t (*buffer_size)(mp_buffer *buffer);

    /* ---- textures and samplers ---- */

    /* Checks `desc` and tells how many bytes of a buffer the texture takes; 0: the device keeps the memory of such
     * textures itself. MP_ERROR_UNSUPPORTED for a format or type that the device lacks. */
    mp_status (*texture_size)(mp_device *device, const mp_texture_desc *desc, uint64_t *size, mp_error *error);
    /* A texture over `buffer` from `offset` (a multiple of 16) on, which it retains. `bytes_per_row` 0: as the device
     * likes, and `buffer` is NULL where texture_size said 0. Else a linear texture: 2D or a texture buffer of one level,
     * whose rows lie so many bytes apart; the device may ask for more alignment (MP_ERROR_INVALID). Not initialised. */
    mp_status (*texture_create)(mp_device *device, const mp_texture_desc *desc, mp_buffer *buffer, uint64_t offset,
                                uint64_t bytes_per_row, mp_texture **texture, mp_error *error);
    void (*texture_release)(mp_texture *texture);
    /* The handle by which kernels reach the texture (for argument buffers; gpuResourceID). 0: the system has none. */
    uint64_t (*texture_address)(mp_texture *texture);
    /* Copies texels from or to the host's memory, at once: the caller has waited for commands that use the texture. */
    mp_status (*texture_replace)(mp_texture *texture, const mp_texture_region *region, const void *bytes,
                                 mp_error *error);
    mp_status (*texture_read)(mp_texture *texture, const mp_texture_region *region, void *bytes, mp_error *error);
    mp_status (*sampler_create)(mp_device *device, const mp_sampler_desc *desc, mp_sampler **sampler,
                                mp_error *error);
    void (*sampler_release)(mp_sampler *sampler);
    uint64_t (*sampler_address)(mp_sampler *sampler);

    /* ---- libraries and pipelines ---- */

    /* Loads code. `desc` and what it points to are only read during the call. May block on disk or a compiler.
     * MP_ERROR_LIBRARY for source that is refused: library_compile_log has the compiler's whole text. */
    mp_status (*library_create)(mp_device *device, const mp_library_desc *desc, mp_library **library,
                                mp_error *error);
    void (*library_release)(mp_library *library);
    /* What the compiler said of the source that the calling thread last gave to library_create: UTF-8, valid until the
     * thread's next call of it. Empty if it said nothing. */
    const char *(*library_compile_log)(void);
    /* Hands the name of each kernel to `each`, which must not call the driver. A device whose libraries have no list
     * hands none. */
    void (*library_names)(mp_library *library, mp_name_callback each, void *context);
    /* Hands the function constants that kernel `name` may be given; likewise. */
    void (*library_constants)(mp_library *library, const char *name, mp_constant_callback each, void *context);
    /* The compute pipeline of a kernel. MP_ERROR_NOT_FOUND if the library has no such kernel, MP_ERROR_INVALID if it
     * needs a function constant that is not given. May block on disk or a compiler. */
    mp_status (*pipeline_create)(mp_library *library, const mp_pipeline_desc *desc, mp_pipeline **pipeline,
                                 mp_error *error);
    void (*pipeline_release)(mp_pipeline *pipeline);
    void (*pipeline_limits)(mp_pipeline *pipeline, mp_pipeline_limits *limits);
    /* Walks through the kernel's arguments; `each` must not call the driver. A device without reflection of its own
     * (its compiler has told already) hands none. */
    void (*pipeline_arguments)(mp_pipeline *pipeline, mp_type_callback each, void *context);

    /* ---- queues: commands run one after another, in the order in which they were recorded ----
     *
     * Commands are recorded into the queue's open command buffer and start to run some time after it is
     * committed: by queue_commit, by a wait that needs it, or by the driver itself when enough has gathered.
     * Each command gets the queue's next serial number (from 1); serials complete in order. A command that
     * fails does not stop those behind it; the queue keeps the first failure until a queue_wait reports it.
     */

    mp_status (*queue_create)(mp_device *device, mp_queue **queue, mp_error *error);
    /* Commits what is open; the work still runs. Does not block. */
    void (*queue_release)(mp_queue *queue);
    /* Records a kernel launch. Checks what the device needs for safety: group size against the pipeline's limit,
     * static plus dynamic threadgroup memory against the device's, indices, buffer offsets inside the buffer.
     * A grid with a zero is recorded as a command that does nothing. Does not block, and in steady state does
     * not allocate. `serial` may be NULL. */
    mp_status (*queue_dispatch)(mp_queue *queue, const mp_dispatch *dispatch, uint64_t *serial, mp_error *error);
    /* Records a copy of `size` bytes; overlapping ranges of one buffer are MP_ERROR_INVALID. */
    mp_status (*queue_copy)(mp_queue *queue, mp_buffer *target, uint64_t target_offset, mp_buffer *source,
                            uint64_t source_offset, uint64_t size, uint64_t *serial, mp_error *error);
    /* Records a fill of `size` bytes with a repeated pattern of 1, 2, 4, 8 or 16 bytes (`size` a multiple). */
    mp_status (*queue_fill)(mp_queue *queue, mp_buffer *target, uint64_t offset, uint64_t size,
                            const void *pattern, uint32_t pattern_size, uint64_t *serial, mp_error *error);
    /* Records: target = alpha * left right + beta * target. MP_ERROR_UNSUPPORTED where the device has no primitive for
     * it; a kernel does as well then. */
    mp_status (*queue_matmul)(mp_queue *queue, const mp_matrix *target, const mp_matrix *left, const mp_matrix *right,
                              double alpha, double beta, uint64_t *serial, mp_error *error);
    /* Records: each row of target = softmax of that row of source; likewise. */
    mp_status (*queue_softmax)(mp_queue *queue, const mp_matrix *target, const mp_matrix *source, uint64_t *serial,
                               mp_error *error);
    /* Records: makes each level of detail of the texture from the one before it. MP_ERROR_INVALID for formats that
     * cannot be filtered. */
    mp_status (*queue_generate_mipmaps)(mp_queue *queue, mp_texture *texture, uint64_t *serial, mp_error *error);
    /* Records: when all earlier commands are complete, raise `event` to `value` and stamp the time. */
    mp_status (*queue_signal_event)(mp_queue *queue, mp_event *event, uint64_t value, uint64_t *serial,
                                    mp_error *error);
    /* Records: later commands wait until `event` has reached `value`. */
    mp_status (*queue_wait_event)(mp_queue *queue, mp_event *event, uint64_t value, uint64_t *serial,
                                  mp_error *error);
    /* Lets everything recorded so far start. Does not block. */
    mp_status (*queue_commit)(mp_queue *queue, mp_error *error);
    /* Blocks until the command with `serial` and all before it are complete (UINT64_MAX: everything recorded
     * so far), committing first if needed; the calling thread may run kernels meanwhile. MP_TIMEOUT when
     * `timeout_ns` passes first. Then, if a command up to now has failed, returns the first failure once. */
    mp_status (*queue_wait)(mp_queue *queue, uint64_t serial, uint64_t timeout_ns, mp_error *error);
    /* Highest serial that is complete, with all before it; its writes are visible to the caller. Never blocks. */
    uint64_t (*queue_completed)(mp_queue *queue);
    /* Traces commands that are recorded from now on; 0: none, the default. Bits that a device has nothing for are
     * ignored. */
    mp_status (*queue_set_trace)(mp_queue *queue, uint32_t trace, mp_error *error);
    /* Moves the times of up to `capacity` traced commands that are complete to `timings`, in order; returns how many.
     * The driver keeps MP_TRACE_CAPACITY of them and drops the oldest. */
    uint32_t (*queue_take_timings)(mp_queue *queue, mp_timing *timings, uint32_t capacity);
    /* Hands what kernels of complete commands have said to `each`, in the order of the commands and, within one,
     * of each thread, and forgets it; returns how many. `each` must not call the driver. Never blocks, and costs
     * next to nothing when there is none. */
    uint32_t (*queue_take_messages)(mp_queue *queue, mp_message_callback each, void *context);

    /* ---- events: a value that only grows, with the time at which it last grew ---- */

    mp_status (*event_create)(mp_device *device, mp_event **event, mp_error *error); /* value 0 */
    void (*event_release)(mp_event *event);
    uint64_t (*event_value)(mp_event *event);
    /* device_now() at the moment when the event last grew; 0 if it never did. */
    uint64_t (*event_time)(mp_event *event);
    /* Raises the event from the host; a smaller value changes nothing. */
    mp_status (*event_signal)(mp_event *event, uint64_t value, mp_error *error);
    /* Blocks until the event reaches `value`. It does not commit any queue: a signal that is recorded but not
     * committed is not on its way. MP_TIMEOUT when `timeout_ns` passes first. */
    mp_status (*event_wait)(mp_event *event, uint64_t value, uint64_t timeout_ns, mp_error *error);
} mp_driver;

/* The drivers, of which a build may have either or both. Tables are static and live as long as the process. */
const mp_driver *mp_software_driver(void);
const mp_driver *mp_metal_driver(void);

#ifdef __cplusplus
}
#endif
#endif /* METALPY_ABI_H */
