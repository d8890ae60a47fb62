/* queue.m: serial numbers, command buffers and their completion.
 *
 * Commands gather in one open command buffer. It is committed when it is full, when somebody waits for it, and where
 * order demands it (events). Metal runs the command buffers of a queue in order and calls a handler when each is
 * complete; that is where serials become complete, waiters wake and failures are noted.
 */
#import "metal_driver.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A command buffer costs some tens of microseconds of the GPU's time, and nothing runs before it is committed. */
#define COMMANDS_PER_BUFFER 50
/* "newCommandQueueWithMaxCommandBufferCount:": asking for one more waits until one is complete. */
#define BUFFERS_IN_FLIGHT 256

/* ---- life ---- */

mp_status mtl_queue_create(mp_device *device, mp_queue **queue, mp_error *error)
{
    MTL_ENTER(error)
    mp_queue *made = calloc(1, sizeof *made);
    if (!made)
        return mtl_fail(error, MP_ERROR_MEMORY, "no memory for a queue object");
    made->logs = mtl_logs_create(device->device);
    made->queue = made->logs ? mtl_logs_new_queue(made->logs, device->device, BUFFERS_IN_FLIGHT)
                             : [device->device newCommandQueueWithMaxCommandBufferCount:BUFFERS_IN_FLIGHT];
    made->fence = made->queue ? [device->device newFence] : nil;
    if (!made->fence) {
        [made->queue release];
        mtl_logs_free(made->logs);
        free(made);
        return mtl_fail(error, MP_ERROR_MEMORY, "Metal makes no command queue; there may be too many");
    }
    pthread_mutex_init(&made->record_lock, NULL);
    pthread_mutex_init(&made->lock, NULL);
    pthread_cond_init(&made->done, NULL);
    atomic_init(&made->references, 1);
    atomic_init(&made->completed, 0);
    made->next_serial = 1;
    mtl_device_retain(device);
    made->device = device;
    mtl_count(1);
    *queue = made;
    return MP_OK;
    MTL_LEAVE(error)
}

static void drop_queue(mp_queue *queue)
{
    if (!mtl_drop(&queue->references))
        return;
    [queue->fence release];
    [queue->queue release];
    mtl_logs_free(queue->logs);
    pthread_mutex_destroy(&queue->record_lock);
    pthread_mutex_destroy(&queue->lock);
    pthread_cond_destroy(&queue->done);
    mtl_device_release(queue->device);
    free(queue->timings);
    free(queue);
    mtl_count(-1);
}

void mtl_queue_release(mp_queue *queue)
{
    if (!queue || mtl_forked)
        return;
    MTL_POOL
    {
        pthread_mutex_lock(&queue->record_lock);
        mtl_commit_open(queue);
        pthread_mutex_unlock(&queue->record_lock);
        drop_queue(queue);
    }
}

/* ---- completion ---- */

static void release_batch(struct mtl_batch *batch)
{
    for (uint32_t i = 0; i < batch->resident_count; i++)
        [batch->residents[i] release];
    free(batch->residents);
    mtl_pipeline_release(batch->pipeline);
    mtl_event_release(batch->event);
    [batch->buffer release];
    drop_queue(batch->queue);
    free(batch);
    mtl_count(-1);
}

/* "MTLCommandBufferError" to a status of the ABI. */
static mp_status status_of(NSError *reason)
{
    switch ((MTLCommandBufferError)reason.code) {
    case MTLCommandBufferErrorTimeout:
        return MP_ERROR_TIME_LIMIT;
    case MTLCommandBufferErrorOutOfMemory:
        return MP_ERROR_MEMORY;
    case MTLCommandBufferErrorNotPermitted:
        return MP_ERROR_UNSUPPORTED;
    default:
        return MP_ERROR_FAULT;
    }
}

/* Under `lock`. */
static void keep_failure(mp_queue *queue, id<MTLCommandBuffer> buffer)
{
    if (queue->has_failure)
        return;
    queue->has_failure = true;
    NSError *reason = buffer.error;
    mp_status status = reason ? status_of(reason) : MP_ERROR_FAULT;
    mtl_fail_with(&queue->failure, status, reason,
                  status == MP_ERROR_TIME_LIMIT ? "the GPU stopped a kernel that ran too long"
                                                : "a command failed on the GPU");
}

/* Under `lock`. */
static void keep_timing(mp_queue *queue, const struct mtl_batch *batch)
{
    if (!batch->traced || !queue->timings)
        return;
    if (queue->timing_count == MP_TRACE_CAPACITY) {
        queue->timing_first = (queue->timing_first + 1) % MP_TRACE_CAPACITY;
        queue->timing_count--;
    }
    uint32_t place = (queue->timing_first + queue->timing_count++) % MP_TRACE_CAPACITY;
    queue->timings[place] = (mp_timing){batch->last_serial, batch->start, batch->end};
}

static void close_signposts(const struct mtl_batch *batch)
{
    if (batch->interval)
        mtl_signpost_end(batch->signpost, batch->signpost_name, batch->last_serial);
    if (batch->end_event)
        mtl_signpost_event(batch->signpost_name, batch->last_serial);
}

/* The completion handler, on a thread of Metal's. */
static void finish(struct mtl_batch *batch, id<MTLCommandBuffer> buffer)
{
    mp_queue *queue = batch->queue;
    bool failed = buffer.status == MTLCommandBufferStatusError || buffer.error;
    batch->start = mtl_nanoseconds(buffer.GPUStartTime);
    batch->end = mtl_nanoseconds(buffer.GPUEndTime);
    if (batch->end == 0) /* a failed or empty one has no times */
        batch->end = mtl_now();
    if (batch->start == 0)
        batch->start = batch->end;
    close_signposts(batch);

    pthread_mutex_lock(&queue->lock);
    if (failed)
        keep_failure(queue, buffer);
    keep_timing(queue, batch);
    pthread_mutex_unlock(&queue->lock);
    /* Before the serial is complete: who waits for the command may look at the event next. A device that gave up does
     * not signal; those who wait must be let go all the same. */
    if (batch->event)
        mtl_event_raise(batch->event, batch->event_value, batch->end);

    pthread_mutex_lock(&queue->lock);
    batch->finished = true;
    struct mtl_batch *done = NULL, **tail = &done;
    while (queue->first && queue->first->finished) {
        struct mtl_batch *next = queue->first->next;
        atomic_store_explicit(&queue->completed, queue->first->last_serial, memory_order_release);
        queue->first->next = NULL;
        *tail = queue->first;
        tail = &queue->first->next;
        queue->first = next;
    }
    if (!queue->first)
        queue->last = NULL;
    pthread_cond_broadcast(&queue->done);
    pthread_mutex_unlock(&queue->lock);
    while (done) {
        struct mtl_batch *next = done->next;
        release_batch(done);
        done = next;
    }
}

/* ---- recording ---- */

void mtl_end_encoder(mp_queue *queue)
{
    if (queue->encoder_kind == MTL_NO_ENCODER)
        return;
    if (queue->untracked)
        [queue->encoder updateFence:queue->fence];
    [queue->encoder endEncoding];
    [queue->encoder release];
    queue->encoder = nil;
    queue->encoder_kind = MTL_NO_ENCODER;
    queue->needs_barrier = false;
}

struct mtl_batch *mtl_open_batch(mp_queue *queue, mp_error *error)
{
    if (queue->open)
        return queue->open;
    struct mtl_batch *batch = calloc(1, sizeof *batch);
    /* "MTLCommandQueue commandBuffer": it keeps what it uses alive until it is complete. */
    id<MTLCommandBuffer> buffer = batch ? [queue->queue commandBuffer] : nil;
    if (!buffer) {
        free(batch);
        mtl_fail(error, MP_ERROR_MEMORY, "Metal makes no command buffer");
        return NULL;
    }
    batch->buffer = [buffer retain];
    batch->queue = queue;
    batch->first_serial = queue->next_serial;
    batch->traced = queue->trace & MP_TRACE_TIMES;
    mtl_retain(&queue->references);
    mtl_count(1);
    queue->open = batch;
    return batch;
}

void mtl_drop_empty(mp_queue *queue)
{
    struct mtl_batch *batch = queue->open;
    if (!batch || batch->count)
        return;
    mtl_end_encoder(queue); /* a command buffer may be dropped without a commit, an open encoder may not */
    queue->open = NULL;
    release_batch(batch);
}

void mtl_commit_open(mp_queue *queue)
{
    struct mtl_batch *batch = queue->open;
    if (!batch)
        return;
    mtl_end_encoder(queue);
    queue->open = NULL;
    pthread_mutex_lock(&queue->lock);
    if (queue->last)
        queue->last->next = batch;
    else
        queue->first = batch;
    queue->last = batch;
    pthread_mutex_unlock(&queue->lock);
    if (batch->interval)
        [batch->buffer addScheduledHandler:^(id<MTLCommandBuffer> buffer) {
            (void)buffer;
            batch->signpost = mtl_signpost_begin(batch->signpost_name);
        }];
    [batch->buffer addCompletedHandler:^(id<MTLCommandBuffer> buffer) {
        MTL_POOL { finish(batch, buffer); }
    }];
    [batch->buffer commit];
}

void mtl_recorded(mp_queue *queue, uint64_t *serial)
{
    struct mtl_batch *batch = queue->open;
    batch->count++;
    batch->last_serial = queue->next_serial;
    if (serial)
        *serial = queue->next_serial;
    queue->next_serial++;
    /* A traced command has a command buffer of its own: Metal tells the times of no less. */
    if (batch->count == COMMANDS_PER_BUFFER || queue->trace)
        mtl_commit_open(queue);
}

mp_status mtl_queue_commit(mp_queue *queue, mp_error *error)
{
    MTL_ENTER(error)
    pthread_mutex_lock(&queue->record_lock);
    mtl_commit_open(queue);
    pthread_mutex_unlock(&queue->record_lock);
    return MP_OK;
    MTL_LEAVE(error)
}

/* ---- waiting ---- */

uint64_t mtl_queue_completed(mp_queue *queue)
{
    return atomic_load_explicit(&queue->completed, memory_order_acquire);
}

static mp_status commit_up_to(mp_queue *queue, uint64_t *serial, mp_error *error)
{
    mp_status status = MP_OK;
    pthread_mutex_lock(&queue->record_lock);
    uint64_t last = queue->next_serial - 1;
    if (*serial == UINT64_MAX)
        *serial = last;
    if (*serial > last)
        status = mtl_fail(error, MP_ERROR_INVALID, "serial %llu was never recorded; the queue's last is %llu",
                          (unsigned long long)*serial, (unsigned long long)last);
    else if (queue->open && queue->open->first_serial <= *serial)
        mtl_commit_open(queue);
    pthread_mutex_unlock(&queue->record_lock);
    return status;
}

mp_status mtl_queue_wait(mp_queue *queue, uint64_t serial, uint64_t timeout_ns, mp_error *error)
{
    MTL_ENTER(error)
    mp_status status = commit_up_to(queue, &serial, error);
    if (status)
        return status;
    struct timespec until;
    bool limited = mtl_deadline(timeout_ns, &until);
    pthread_mutex_lock(&queue->lock);
    while (mtl_queue_completed(queue) < serial && status == MP_OK) {
        int result = limited ? pthread_cond_timedwait(&queue->done, &queue->lock, &until)
                             : pthread_cond_wait(&queue->done, &queue->lock);
        if (result == ETIMEDOUT && mtl_queue_completed(queue) < serial)
            status = MP_TIMEOUT;
    }
    if (status == MP_OK && queue->has_failure) {
        status = queue->failure.code;
        if (error)
            *error = queue->failure;
        queue->has_failure = false;
    }
    pthread_mutex_unlock(&queue->lock);
    return status;
    MTL_LEAVE(error)
}

/* ---- traces ---- */

mp_status mtl_queue_set_trace(mp_queue *queue, uint32_t trace, mp_error *error)
{
    MTL_ENTER(error)
    mp_timing *timings = NULL;
    if (trace & MP_TRACE_TIMES && !(timings = calloc(MP_TRACE_CAPACITY, sizeof *timings)))
        return mtl_fail(error, MP_ERROR_MEMORY, "no memory for the times of commands");
    pthread_mutex_lock(&queue->record_lock);
    mtl_commit_open(queue);
    queue->trace = trace;
    pthread_mutex_lock(&queue->lock);
    if (!queue->timings) {
        queue->timings = timings;
        timings = NULL;
    }
    pthread_mutex_unlock(&queue->lock);
    pthread_mutex_unlock(&queue->record_lock);
    free(timings);
    return MP_OK;
    MTL_LEAVE(error)
}

uint32_t mtl_queue_take_timings(mp_queue *queue, mp_timing *timings, uint32_t capacity)
{
    if (mtl_forked)
        return 0;
    pthread_mutex_lock(&queue->lock);
    uint32_t count = queue->timing_count < capacity ? queue->timing_count : capacity;
    for (uint32_t i = 0; i < count; i++)
        timings[i] = queue->timings[(queue->timing_first + i) % MP_TRACE_CAPACITY];
    queue->timing_first = (queue->timing_first + count) % MP_TRACE_CAPACITY;
    queue->timing_count -= count;
    pthread_mutex_unlock(&queue->lock);
    return count;
}
