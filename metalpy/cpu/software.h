/* software.h: what the files of the software device share. Nothing outside cpu/ includes it.
 *
 * Threads and locks
 *   Recording into a queue takes the queue's `record_lock`. Everything about running (queue states, the ready list,
 *   participants, events) is under the one scheduler lock, `sw_device.lock`; its sections are a few dozen
 *   instructions long, and nothing is called or allocated inside that can block. Lock order: record_lock, scheduler.
 *
 * Who runs a queue
 *   At most one thread holds a queue's driver role (state ACTIVE) and takes its commands in order. A command that
 *   splits (dispatch, large copy) becomes the queue's job: participants claim chunks from an atomic counter, and
 *   whoever leaves last becomes the driver. So no thread ever blocks inside a queue, a waiting thread can leave
 *   between two threadgroups, and a queue that waits for an event is parked without holding a thread.
 */
#ifndef METALPY_SOFTWARE_H
#define METALPY_SOFTWARE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../include/metalpy_abi.h"
#include "../include/metalpy_kernel.h"
#include "software_debug.h"

#define SW_EXPORT __attribute__((visibility("default")))
#define SW_PRINTF(text, first) __attribute__((format(printf, text, first)))

#define SW_ARENA_SIZE 32768           /* argument bytes of one batch; larger needs get blocks of their own */
#define SW_BATCH_COMMANDS 64          /* a full batch commits itself */
#define SW_BATCH_THREADS (1u << 18)   /* so does one with this much work, to start it early */
#define SW_COPY_CHUNK (1u << 20)      /* bytes that a participant copies or fills at a time */
#define SW_SPARE_BATCHES 16           /* batches that a queue keeps for reuse */
#define SW_ALTERNATE_STACK 65536      /* bytes for signal handlers */
#define SW_OWN_STACK_LIMIT 262144     /* kernels that need more stack than this per thread run on a fiber */
#define SW_SPINS 100                  /* looks before a thread sleeps: a few microseconds, what a wake-up costs */

struct sw_self;
struct sw_said;

/* ---- the device ---- */

struct mp_device {
    _Atomic uint32_t handles;         /* references given out by device_open */
    uint32_t threads;                 /* threads that run kernels, the waiting one included; set once when opened */
    _Atomic uint64_t allocated;       /* bytes in heaps, and in buffers outside of heaps */
    _Atomic uint64_t committed;       /* bytes in buffers, wherever they are: what is held against `memory` */
    _Atomic uint64_t time_limit;      /* ns; 0: none */
    uint64_t memory;                  /* bytes of RAM and swap; set once when opened */

    pthread_mutex_t lock;             /* the scheduler lock */
    pthread_cond_t work;              /* idle workers sleep here */
    mp_queue *ready_first;            /* under lock: queues that a further thread can help or drive */
    mp_queue *ready_last;
    _Atomic uint32_t ready_count;     /* written under lock, read by workers that spin */
    uint32_t workers;                 /* under lock: threads started */
    uint32_t sleeping;                /* under lock: asleep and not yet chosen to be woken */
    uint32_t tokens;                  /* under lock: wake-ups that were sent and not yet received */
};
extern struct mp_device sw_device;

extern volatile sig_atomic_t sw_forked;     /* set in the child of a fork() */
extern _Atomic int64_t sw_live_objects;     /* heaps, buffers, textures, samplers, libraries, ... */

/* ---- buffers, libraries, pipelines, events ---- */

struct mp_buffer {
    _Atomic uint32_t references;
    bool mapped;                      /* memory came from mmap */
    bool hidden;                      /* private storage: the host is not told where it is */
    void *memory;
    uint64_t size;
    uint64_t reserved;                /* bytes counted in sw_device.allocated; 0 when wrapped or in a heap */
    mp_heap *heap;                    /* retained; NULL outside of heaps */
    struct sw_range *range;           /* of the heap */
    mp_release_callback release;      /* wrapped memory only */
    void *context;
};

struct mp_library {
    _Atomic uint32_t references;
    void *handle;                     /* of dlopen */
    char *path;
};

struct mp_pipeline {
    _Atomic uint32_t references;
    mp_library *library;              /* retained */
    const mp_native_kernel *kernel;   /* inside the library */
    uint32_t max_threads;
    /* Picoseconds one thread of a threadgroup takes, with slow samples remembered; 0 before the first run. Any
     * participant writes it; a lost update only loses one sample. */
    _Atomic uint64_t cost;
    _Atomic uint64_t usual;           /* the same, as it mostly is: no single sample counts for much */
    char name[];
};

struct mp_event {
    _Atomic uint32_t references;
    _Atomic uint64_t value;           /* written under the scheduler lock */
    _Atomic uint64_t time;            /* likewise, before value */
    pthread_cond_t grown;
    mp_queue *parked;                 /* under the scheduler lock: queues that wait for a value */
};

/* ---- recorded commands ---- */

enum sw_kind { SW_NOTHING, SW_DISPATCH, SW_COPY, SW_FILL, SW_LEVELS, SW_SIGNAL, SW_WAIT };

struct sw_command {
    uint16_t kind;                    /* enum sw_kind */
    bool timed;                       /* note when it ran */
    uint32_t retained_count;
    uint32_t texture_count;
    mp_buffer **retained;             /* in the arena; one reference each */
    mp_texture **textures;            /* likewise */
    union {
        struct {
            mp_pipeline *pipeline;    /* retained */
            void **buffers;           /* in the arena, MP_MAX_BUFFERS of them */
            uint32_t *threadgroup;    /* in the arena: offset + 1 of each threadgroup argument, or NULL if none */
            uint32_t threadgroup_size;/* bytes of all of them */
            uint64_t *sizes;          /* in the arena: bytes behind each of `buffers`; NULL if accesses are not checked */
            const mp_texture_view **textures; /* in the arena, MP_MAX_TEXTURES of them, or NULL if none */
            unsigned long *samplers;  /* in the arena, MP_MAX_SAMPLERS of them, or NULL if none */
            uint32_t threads[3];
            uint32_t group_size[3];
            uint32_t group_count[3];
        } dispatch;
        struct {
            uint8_t *target;
            const uint8_t *source;
            uint64_t size;
        } copy;
        struct {
            uint8_t *target;
            uint64_t size;
            uint32_t pattern_size;
            uint8_t pattern[16];
        } fill;
        struct {
            mp_event *event;          /* retained */
            uint64_t value;
        } event;
    } u;
};

struct sw_block {                     /* an arena block beyond the batch's own */
    struct sw_block *next;
    _Alignas(16) uint8_t bytes[];
};

/* Owned by the recording side until committed, then by the queue's driver. */
struct sw_batch {
    struct sw_batch *next;            /* under the scheduler lock */
    struct sw_block *blocks;
    uint64_t first_serial;
    uint64_t work;                    /* threads recorded, roughly */
    uint32_t count;
    uint32_t used;                    /* of arena */
    struct sw_command commands[SW_BATCH_COMMANDS];
    _Alignas(16) uint8_t arena[SW_ARENA_SIZE];
};

/* ---- a queue and its job ---- */

struct sw_trace;

enum sw_cause { SW_NO_FAULT, SW_BAD_ADDRESS, SW_MISALIGNED, SW_STACK_OVERFLOW, SW_DIVISION, SW_TRAP, SW_TOO_LONG,
                SW_INTERRUPTED, SW_NO_STACKS };

struct sw_fault {
    enum sw_cause cause;
    bool has_group;
    bool has_address;
    uint32_t group[3];
    uint64_t address;
    uint64_t elapsed;                 /* ns since the job's start */
};

/* The command that a queue's participants work on. `next` and `failed` are shared; the driver writes the rest
 * before it lets others in, and reads `fault` after the last one left. */
struct sw_job {
    const struct sw_command *command;
    uint64_t total;                   /* threadgroups, or chunks of a copy */
    uint64_t chunk;                   /* of them claimed first; see chunk_size */
    uint64_t started;
    uint64_t deadline;                /* by the time limit; 0: none */
    _Atomic uint64_t next;
    _Atomic bool failed;              /* claim no more; whoever sets it first fills `fault` */
    struct sw_fault fault;
    struct sw_said *said;             /* under the scheduler lock: what those who left have heard */
    uint64_t said_bytes;
};

enum sw_state {
    SW_IDLE,                          /* nothing committed */
    SW_READY,                         /* committed work, and nobody at it */
    SW_ACTIVE,                        /* a driver, or participants */
    SW_PARKED                         /* waits for an event */
};

struct mp_queue {
    pthread_mutex_t record_lock;
    struct sw_batch *open;            /* under record_lock; NULL or not empty */
    uint64_t next_serial;             /* under record_lock */
    bool timed;                       /* under record_lock: note when commands run that are recorded now */

    /* Under the scheduler lock. `first` is also read by the driver without it: only the driver changes it. */
    enum sw_state state;
    struct sw_batch *first;
    struct sw_batch *last;
    struct sw_batch *spare;
    uint32_t spare_count;
    uint32_t participants;            /* in the job */
    uint32_t seats;                   /* further participants that the job can use */
    bool published;                   /* the job takes participants */
    bool in_ready;
    bool abandoned;                   /* released by its owner: whoever drives it to the end destroys it */
    bool has_failure;
    mp_queue *ready_next;
    mp_queue *ready_previous;
    mp_queue *parked_next;
    uint64_t parked_value;
    mp_error failure;                 /* the first one not yet reported */
    struct sw_said *said;             /* messages of complete commands, not yet taken */
    struct sw_said *said_last;
    uint64_t said_bytes;
    pthread_cond_t done;              /* waiting threads sleep here */

    _Atomic uint64_t completed;       /* written by the driver */
    _Atomic bool has_said;            /* `said` may not be empty */
    _Atomic uint64_t wake_serial;     /* smallest serial that a sleeper waits for; UINT64_MAX: nobody sleeps */

    uint32_t cursor;                  /* driver: index of the current command in `first` */
    bool job_open;                    /* driver: job belongs to the current command */
    struct sw_job job;

    uint64_t waiting_since;           /* driver: when the current command, a timed SW_WAIT, was reached; 0: not yet */
    struct sw_trace *_Atomic trace;   /* owned; NULL until commands are timed for the first time */
};

/* ---- a thread that runs kernels ---- */

struct sw_fibers;

/* What a thread's kernels say until it leaves the job: see message.c. */
struct sw_voice {
    uint8_t *bytes;                   /* owned; records; NULL until needed */
    uint64_t used;
    uint64_t lost;                    /* messages that did not fit */
    uint64_t full;                    /* threadgroup of the first of them; UINT64_MAX: none */
    bool late;                        /* one error report is kept although it did not fit */
    const mp_thread *thread;          /* who runs now, in a kernel without fibers that may speak; else NULL */
};

struct sw_self {
    struct sw_self *next;             /* under sw_selves_lock */
    pthread_t thread;
    struct sw_fibers *fibers;         /* owned; NULL until needed */
    void *alternate_stack;            /* owned; NULL if the thread had its own */

    /* For the fault handlers, which run on this thread. */
    volatile sig_atomic_t in_kernel;
    sigjmp_buf recover;
    sigset_t mask;                    /* of the thread when the handler came, to be restored after the jump */
    struct sw_job *volatile job;
    const mp_group *volatile group;
    struct sw_fault fault;
    struct sw_voice voice;

    /* For the monitor thread; written by the owner. 0: none. */
    _Atomic uint64_t deadline;        /* by the time limit */
    _Atomic uint64_t expected;        /* a waiting caller hoped to be back by then */
    _Atomic bool stop_sent;           /* real-time signals queue up: at most one is on its way; cleared by its handler */
    _Atomic bool interrupted;         /* set by the monitor: leave the kernel; cleared by the owner */

    _Alignas(64) uint8_t variables[MP_MAX_THREADGROUP_MEMORY]; /* static threadgroup memory */
    _Alignas(64) uint8_t scratch[MP_MAX_THREADGROUP_MEMORY + 16 * MP_MAX_THREADGROUP_ARGUMENTS];
};

/* How far a thread drives. Workers have `waiting` false and go on until nothing is left. */
struct sw_errand {
    bool waiting;
    uint64_t serial;                  /* stop when this one is complete */
    uint64_t deadline;                /* be back by then; MP_FOREVER: whenever */
};

/* ---- driver.c ---- */

/* Fills `error` and returns `code`. */
mp_status sw_fail(mp_error *error, mp_status code, const char *format, ...) SW_PRINTF(3, 4);
mp_status sw_check_fork(mp_error *error);
/* MP_ERROR_MEMORY for `size` bytes of `what`, with what is in use. */
mp_status sw_no_memory(mp_error *error, const char *what, uint64_t size);
uint64_t sw_now(void);
void sw_count(int change); /* of live objects */
/* A condition variable on the clock of sw_now, and a wait on it until `deadline`; false when that has passed. */
void sw_condition_init(pthread_cond_t *condition);
bool sw_condition_wait(pthread_cond_t *condition, uint64_t deadline);
uint64_t sw_deadline(uint64_t timeout_ns);

static inline void sw_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static inline void sw_retain(_Atomic uint32_t *references)
{
    atomic_fetch_add_explicit(references, 1, memory_order_relaxed);
}

/* True for the last reference. */
static inline bool sw_drop(_Atomic uint32_t *references)
{
    return atomic_fetch_sub_explicit(references, 1, memory_order_acq_rel) == 1;
}

/* ---- device.c ---- */
uint32_t sw_device_count(void);
mp_status sw_device_open(uint32_t index, mp_device **device, mp_error *error);
void sw_device_release(mp_device *device);
void sw_device_info(mp_device *device, mp_device_info *info);
uint64_t sw_device_allocated_size(mp_device *device);
mp_status sw_device_set_time_limit(mp_device *device, uint64_t limit_ns, mp_error *error);
uint64_t sw_device_now(mp_device *device);
mp_status sw_device_start_capture(mp_device *device, const char *path, mp_error *error);
void sw_device_stop_capture(mp_device *device);
uint32_t sw_device_capture_state(mp_device *device);

/* ---- heap.c ---- */
uint64_t sw_heap_buffer_size(mp_device *device, uint64_t size);
mp_status sw_heap_create(mp_device *device, uint64_t size, uint32_t options, mp_heap **heap, mp_error *error);
void sw_heap_release(mp_heap *heap);
uint64_t sw_heap_available(mp_heap *heap);
mp_status sw_heap_buffer_create(mp_heap *heap, uint64_t size, mp_buffer **buffer, mp_error *error);

void sw_heap_take_back(mp_buffer *buffer); /* the memory of a buffer that is going */

/* ---- buffer.c ---- */
/* Counts bytes of buffers; false, and nothing counted, if the machine does not have that much. */
bool sw_commit(uint64_t size);
void sw_prefer_huge_pages(void *memory, uint64_t size);
mp_status sw_buffer_create(mp_device *device, uint64_t size, uint32_t options, mp_buffer **buffer, mp_error *error);
mp_status sw_buffer_wrap(mp_device *device, void *memory, uint64_t size, mp_release_callback release, void *context,
                         mp_buffer **buffer, mp_error *error);
void sw_buffer_retain(mp_buffer *buffer);
void sw_buffer_release(mp_buffer *buffer);
void *sw_buffer_contents(mp_buffer *buffer);
uint64_t sw_buffer_address(mp_buffer *buffer);
uint64_t sw_buffer_size(mp_buffer *buffer);
#define SW_MAX_BUFFER_LENGTH (UINT64_C(1) << 38)

/* ---- texture.c ---- */
mp_status sw_texture_size(mp_device *device, const mp_texture_desc *desc, uint64_t *size, mp_error *error);
mp_status sw_texture_create(mp_device *device, const mp_texture_desc *desc, mp_buffer *buffer, uint64_t offset,
                            uint64_t bytes_per_row, mp_texture **texture, mp_error *error);
void sw_texture_retain(mp_texture *texture);
void sw_texture_release(mp_texture *texture);
const mp_texture_view *sw_texture_view(const mp_texture *texture);
bool sw_texture_filterable(const mp_texture *texture);
void sw_texture_make_levels(const mp_texture *texture); /* each level of detail from the one before it */
uint64_t sw_texture_address(mp_texture *texture);
mp_status sw_texture_replace(mp_texture *texture, const mp_texture_region *region, const void *bytes, mp_error *error);
mp_status sw_texture_read(mp_texture *texture, const mp_texture_region *region, void *bytes, mp_error *error);
mp_status sw_sampler_create(mp_device *device, const mp_sampler_desc *desc, mp_sampler **sampler, mp_error *error);
void sw_sampler_release(mp_sampler *sampler);
uint64_t sw_sampler_address(mp_sampler *sampler);

/* ---- library.c ---- */
mp_status sw_library_create(mp_device *device, const mp_library_desc *desc, mp_library **library, mp_error *error);
void sw_library_release(mp_library *library);
const char *sw_library_compile_log(void);
void sw_library_names(mp_library *library, mp_name_callback each, void *context);
void sw_library_constants(mp_library *library, const char *name, mp_constant_callback each, void *context);
mp_status sw_pipeline_create(mp_library *library, const mp_pipeline_desc *desc, mp_pipeline **pipeline,
                             mp_error *error);
void sw_pipeline_release(mp_pipeline *pipeline);
void sw_pipeline_limits(mp_pipeline *pipeline, mp_pipeline_limits *limits);
void sw_pipeline_arguments(mp_pipeline *pipeline, mp_type_callback each, void *context);

/* ---- record.c: the recording side of a queue ---- */
mp_status sw_queue_dispatch(mp_queue *queue, const mp_dispatch *dispatch, uint64_t *serial, mp_error *error);
mp_status sw_queue_copy(mp_queue *queue, mp_buffer *target, uint64_t target_offset, mp_buffer *source,
                        uint64_t source_offset, uint64_t size, uint64_t *serial, mp_error *error);
mp_status sw_queue_fill(mp_queue *queue, mp_buffer *target, uint64_t offset, uint64_t size, const void *pattern,
                        uint32_t pattern_size, uint64_t *serial, mp_error *error);
mp_status sw_queue_matmul(mp_queue *queue, const mp_matrix *target, const mp_matrix *left, const mp_matrix *right,
                          double alpha, double beta, uint64_t *serial, mp_error *error);
mp_status sw_queue_softmax(mp_queue *queue, const mp_matrix *target, const mp_matrix *source, uint64_t *serial,
                           mp_error *error);
mp_status sw_queue_generate_mipmaps(mp_queue *queue, mp_texture *texture, uint64_t *serial, mp_error *error);
mp_status sw_queue_signal_event(mp_queue *queue, mp_event *event, uint64_t value, uint64_t *serial, mp_error *error);
mp_status sw_queue_wait_event(mp_queue *queue, mp_event *event, uint64_t value, uint64_t *serial, mp_error *error);
void sw_command_release(struct sw_command *command); /* drops what it retained */
void sw_batch_clear(struct sw_batch *batch);         /* frees its blocks */
void sw_batch_free(struct sw_batch *batch);

/* ---- queue.c: life, commit and wait ---- */
mp_status sw_queue_create(mp_device *device, mp_queue **queue, mp_error *error);
void sw_queue_release(mp_queue *queue);
mp_status sw_queue_commit(mp_queue *queue, mp_error *error);
mp_status sw_queue_wait(mp_queue *queue, uint64_t serial, uint64_t timeout_ns, mp_error *error);
uint64_t sw_queue_completed(mp_queue *queue);
uint32_t sw_queue_take_messages(mp_queue *queue, mp_message_callback each, void *context);
/* Hands the open batch to the scheduler; the caller holds record_lock. With `wake`, a worker hears of it. */
void sw_queue_commit_open(mp_queue *queue, bool wake);
void sw_queue_destroy(mp_queue *queue);

/* ---- trace.c: when commands ran ---- */
mp_status sw_queue_set_trace(mp_queue *queue, uint32_t trace, mp_error *error);
uint32_t sw_queue_take_timings(mp_queue *queue, mp_timing *timings, uint32_t capacity);
/* By the driver, of a timed command, before it is complete; the oldest of too many goes. */
void sw_trace_add(mp_queue *queue, uint64_t serial, uint64_t start, uint64_t end);
void sw_trace_free(struct sw_trace *trace);

/* ---- drive.c: runs a queue's commands ---- */

/* Takes commands until there are none, the errand ends or the queue parks. The caller holds the driver role, or,
 * with `joined`, sits in the job as a participant. The queue may be gone afterwards. */
void sw_drive(mp_queue *queue, struct sw_self *self, const struct sw_errand *errand, bool joined);
/* Whether a thread that must be back at `deadline` may run the queue's current command. Under the scheduler lock. */
bool sw_may_help(const mp_queue *queue, uint64_t now, uint64_t deadline);

/* ---- workers.c: threads and the ready list ---- */
struct sw_self *sw_self_get(void); /* of the calling thread; NULL if there is no memory for one */
extern __thread struct sw_self *sw_current __attribute__((tls_model("initial-exec")));
extern pthread_mutex_t sw_selves_lock;
extern struct sw_self *sw_selves; /* under sw_selves_lock */
/* Under the scheduler lock: */
void sw_ready_push(mp_queue *queue, uint32_t wake); /* wakes or starts up to `wake` workers */
void sw_ready_remove(mp_queue *queue);
/* Sleeps until woken, until `deadline`, or for a while. Work that no worker takes meanwhile gets a new one. */
void sw_wait_slice(pthread_cond_t *condition, uint64_t deadline);

/* ---- group.c: runs threadgroups ---- */

/* Runs threadgroups, or chunks of a copy, first..end-1 of the job. False when one was stopped: self->fault. */
bool sw_run_units(struct sw_self *self, struct sw_job *job, uint64_t first, uint64_t end);
/* Runs `count` threadgroups, from *group on, whose threads never meet. */
void sw_run_groups(struct sw_self *self, const mp_native_kernel *kernel, mp_group *group, uint64_t count);

/* ---- message.c: what kernels say ---- */
mp_status sw_messages_open(mp_error *error);         /* reads the environment */
void sw_messages_prepare(struct sw_self *self);      /* before a kernel that may speak runs */
void sw_messages_leave(struct sw_self *self, struct sw_job *job);
void sw_messages_close(mp_queue *queue, uint64_t serial); /* the job is done; before its command is complete */
void sw_messages_free(struct sw_said *list);

/* ---- lanes.c: the fibers of one threadgroup ---- */

/* Makes `lanes` fibers with `stack` bytes each. False without memory. */
bool sw_fibers_reserve(struct sw_self *self, uint32_t lanes, uint64_t stack);
void sw_fibers_free(struct sw_fibers *fibers);
void sw_fibers_run(struct sw_fibers *fibers, const mp_native_kernel *kernel, mp_group *group);
/* The same as sw_run_groups on a fiber, for kernels that need a stack of their own. */
void sw_fibers_run_groups(struct sw_fibers *fibers, const mp_native_kernel *kernel, mp_group *group, uint64_t count);
/* In the fault handler, before and after the jump out of a fiber. */
void sw_fibers_leave(struct sw_fibers *fibers);
void sw_fibers_left(struct sw_fibers *fibers);
bool sw_fibers_guards(const struct sw_fibers *fibers, uintptr_t address); /* address lies in a guard page */

/* ---- event.c ---- */
mp_status sw_event_create(mp_device *device, mp_event **event, mp_error *error);
void sw_event_release(mp_event *event);
uint64_t sw_event_value(mp_event *event);
uint64_t sw_event_time(mp_event *event);
mp_status sw_event_signal(mp_event *event, uint64_t value, mp_error *error);
mp_status sw_event_wait(mp_event *event, uint64_t value, uint64_t timeout_ns, mp_error *error);
void sw_event_raise(mp_event *event, uint64_t value);

/* ---- fault.c: signals ---- */
void sw_fault_install(void);               /* idempotent; also takes the handlers back if someone else took them */
bool sw_fault_prepare(struct sw_self *self); /* the alternate signal stack of the calling thread */
void sw_fault_unprepare(struct sw_self *self);
void sw_fault_message(const struct sw_job *job, mp_error *error);
int sw_stop_signal(void);                  /* the signal that pulls a thread out of a kernel; installs its handler */

/* ---- monitor.c: time limits ---- */
void sw_monitor_watch(void);               /* some thread has set a deadline */

#endif
