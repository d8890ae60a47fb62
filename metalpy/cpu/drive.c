/* drive.c: runs a queue's commands, alone or with helpers. */
#include "software.h"

#define PUBLISH_NS 20000     /* work shorter than this is not worth a wake-up */
#define CHUNK_NS 100000      /* claim about this much at a time: clock checks stay fine, counters uncontended */
#define CHUNK_MIN_NS 2000
#define COPY_NS 1000000      /* a generous guess for one chunk of a copy */

/* ---- estimates ---- */

static uint64_t group_threads(const struct sw_command *command)
{
    const uint32_t *size = command->u.dispatch.group_size;
    return (uint64_t)size[0] * size[1] * size[2];
}

static inline uint64_t ns_of_unit(const struct sw_command *command, _Atomic uint64_t *thread_ps)
{
    uint64_t ps = atomic_load_explicit(thread_ps, memory_order_relaxed);
    return ps ? ps * group_threads(command) / 1000 + 1 : 0;
}

/* Nanoseconds that one unit (threadgroup, chunk of a copy) takes at worst by experience; 0: no experience. */
static inline uint64_t unit_ns(const struct sw_command *command)
{
    if (command->kind != SW_DISPATCH)
        return command->kind == SW_LEVELS ? 0 : COPY_NS;
    return ns_of_unit(command, &command->u.dispatch.pipeline->cost);
}

/* What it mostly takes. */
static inline uint64_t usual_ns(const struct sw_command *command)
{
    return command->kind == SW_DISPATCH ? ns_of_unit(command, &command->u.dispatch.pipeline->usual) : unit_ns(command);
}

static void measure(const struct sw_command *command, uint64_t units, uint64_t elapsed)
{
    if (command->kind != SW_DISPATCH)
        return;
    struct mp_pipeline *pipeline = command->u.dispatch.pipeline;
    uint64_t worst = atomic_load_explicit(&pipeline->cost, memory_order_relaxed);
    uint64_t usual = atomic_load_explicit(&pipeline->usual, memory_order_relaxed);
    uint64_t sample = elapsed / units * 1000 / group_threads(command) + 1;
    uint64_t next = worst - worst / 8; /* forget slow samples slowly: one preempted thread is not the rule */
    next = sample > next ? sample : next;
    if (next != worst)
        atomic_store_explicit(&pipeline->cost, next, memory_order_relaxed);
    /* A thread that was preempted for a while may have taken a thousand times as long as usual. */
    uint64_t counted = sample < 4 * usual ? sample : 4 * usual;
    next = usual ? (7 * usual + counted + 7) / 8 : sample;
    if (next != usual)
        atomic_store_explicit(&pipeline->usual, next, memory_order_relaxed);
}

static bool is_work(const struct sw_command *command)
{
    return command->kind >= SW_DISPATCH && command->kind <= SW_LEVELS;
}

/* A caller that waits with a timeout gets no way out of a running threadgroup: a group can be neither left half done
 * nor moved to another thread (its threadgroup memory and fibers are the thread's). So such a caller runs a kernel itself
 * only when experience says that a group takes a small part of the time left; kernels without experience go to a
 * worker. Should a formerly fast kernel run away nevertheless, Ctrl-C still stops it: see monitor.c. */
bool sw_may_help(const mp_queue *queue, uint64_t now, uint64_t deadline)
{
    if (deadline == MP_FOREVER)
        return true;
    if (now >= deadline || !(queue->state == SW_READY || queue->published))
        return false;
    const struct sw_command *command = &queue->first->commands[queue->cursor];
    if (!is_work(command))
        return true;
    uint64_t unit = unit_ns(command);
    return unit && unit <= (deadline - now) / 4;
}

/* The same for a thread that holds the driver role. */
static bool must_leave(const mp_queue *queue, const struct sw_errand *errand)
{
    if (atomic_load_explicit(&queue->completed, memory_order_relaxed) >= errand->serial)
        return true;
    if (errand->deadline == MP_FOREVER)
        return false;
    const struct sw_command *command = &queue->first->commands[queue->cursor];
    if (!is_work(command))
        return false;
    uint64_t now = sw_now(), unit = unit_ns(command);
    return now >= errand->deadline || unit == 0 || unit > (errand->deadline - now) / 4;
}

/* ---- the job ---- */

/* How many units to claim of those that are left: fewer towards the end, so that all participants end together (C.
 * Polychronopoulos and D. Kuck, "Guided self-scheduling", 1987). */
static uint64_t chunk_size(uint64_t left, uint64_t unit)
{
    if (left == 1) /* small launches are common, and divisions slow */
        return 1;
    uint64_t chunk = left / (4 * (uint64_t)sw_device.threads);
    if (unit == 0)
        return chunk < 1 ? 1 : chunk < 16 ? chunk : 16;
    uint64_t least = CHUNK_MIN_NS / unit, most = CHUNK_NS / unit;
    if (chunk < least)
        chunk = least;
    if (chunk > most)
        chunk = most;
    return chunk ? chunk : 1;
}

static void start_job(mp_queue *queue, const struct sw_command *command)
{
    struct sw_job *job = &queue->job;
    job->command = command;
    if (command->kind == SW_DISPATCH) {
        const uint32_t *count = command->u.dispatch.group_count;
        job->total = (uint64_t)count[0] * count[1] * count[2];
        job->chunk = chunk_size(job->total, usual_ns(command));
    } else {
        uint64_t size = command->kind == SW_COPY ? command->u.copy.size : command->u.fill.size;
        job->total = command->kind == SW_LEVELS ? 1 : (size + SW_COPY_CHUNK - 1) / SW_COPY_CHUNK;
        job->chunk = 1;
    }
    uint64_t limit = atomic_load_explicit(&sw_device.time_limit, memory_order_relaxed);
    job->started = sw_now();
    job->deadline = limit && command->kind == SW_DISPATCH ? job->started + limit : 0;
    atomic_store_explicit(&job->next, 0, memory_order_relaxed);
    atomic_store_explicit(&job->failed, false, memory_order_relaxed);
    job->fault.cause = SW_NO_FAULT;
    queue->job_open = true;
}

static bool exhausted(const struct sw_job *job)
{
    return atomic_load_explicit(&job->next, memory_order_relaxed) >= job->total ||
           atomic_load_explicit(&job->failed, memory_order_relaxed);
}

/* Lets other threads take part; the caller is the only participant so far. */
static void publish(mp_queue *queue)
{
    const struct sw_job *job = &queue->job;
    uint64_t next = atomic_load_explicit(&job->next, memory_order_relaxed);
    uint64_t chunks = next < job->total ? (job->total - next + job->chunk - 1) / job->chunk : 0;
    uint32_t seats = sw_device.threads - 1;
    if (chunks < seats)
        seats = (uint32_t)chunks;
    if (seats == 0)
        return;
    pthread_mutex_lock(&sw_device.lock);
    queue->participants = 1;
    queue->published = true;
    queue->seats = seats;
    sw_ready_push(queue, seats);
    /* A thread that waits for this queue may take a seat, too. */
    if (atomic_load_explicit(&queue->wake_serial, memory_order_relaxed) != UINT64_MAX)
        pthread_cond_broadcast(&queue->done);
    pthread_mutex_unlock(&sw_device.lock);
}

static void stop_job(struct sw_job *job, const struct sw_fault *fault)
{
    if (!atomic_exchange(&job->failed, true))
        job->fault = *fault; /* read only after everyone left */
}

/* Who must be back in time reckons with the worst; a time limit has the monitor. */
static uint64_t next_chunk(const struct sw_job *job, bool hurries)
{
    uint64_t next = atomic_load_explicit(&job->next, memory_order_relaxed);
    if (job->total <= 1 || next >= job->total)
        return 1;
    return chunk_size(job->total - next, (hurries ? unit_ns : usual_ns)(job->command));
}

/* Claims and runs chunks until there are none or the thread must leave. */
static void work(mp_queue *queue, struct sw_self *self, const struct sw_errand *errand)
{
    struct sw_job *job = &queue->job;
    uint64_t unit = usual_ns(job->command);
    bool hurries = errand->waiting && errand->deadline != MP_FOREVER;
    if (!queue->published && job->total > job->chunk && (unit == 0 || unit * job->total > PUBLISH_NS))
        publish(queue);
    if (job->deadline || hurries) {
        atomic_store(&self->deadline, job->deadline);
        atomic_store(&self->expected, hurries ? errand->deadline : 0);
        sw_monitor_watch();
    }
    uint64_t now = sw_now();
    while (!exhausted(job)) {
        if (errand->waiting && now >= errand->deadline)
            break;
        if (job->deadline && now >= job->deadline) {
            struct sw_fault late = {.cause = SW_TOO_LONG, .elapsed = now - job->started};
            stop_job(job, &late);
            break;
        }
        uint64_t chunk = next_chunk(job, hurries);
        uint64_t first = atomic_fetch_add_explicit(&job->next, chunk, memory_order_relaxed);
        if (first >= job->total)
            break;
        uint64_t end = job->total - first > chunk ? first + chunk : job->total;
        uint64_t before = now;
        if (!sw_run_units(self, job, first, end)) {
            stop_job(job, &self->fault);
            break;
        }
        now = sw_now();
        measure(job->command, end - first, now - before);
        if (!queue->published && end < job->total && now - job->started > PUBLISH_NS) {
            publish(queue);
            now = sw_now();
        }
    }
    sw_messages_leave(self, job);
    if (atomic_load_explicit(&self->deadline, memory_order_relaxed))
        atomic_store_explicit(&self->deadline, 0, memory_order_relaxed);
    if (atomic_load_explicit(&self->expected, memory_order_relaxed)) {
        atomic_store_explicit(&self->expected, 0, memory_order_relaxed);
        atomic_store_explicit(&self->interrupted, false, memory_order_relaxed);
    }
}

/* Under the lock: the queue has work and nobody at it. */
static void offer(mp_queue *queue)
{
    queue->published = false;
    queue->state = SW_READY;
    sw_ready_push(queue, 1);
    pthread_cond_broadcast(&queue->done);
}

static void hand_over(mp_queue *queue)
{
    pthread_mutex_lock(&sw_device.lock);
    offer(queue);
    pthread_mutex_unlock(&sw_device.lock);
}

/* Leaves the job. True if the caller left last and the job is done: it is the driver. Otherwise the queue may be
 * gone when this returns. */
static bool leave(mp_queue *queue)
{
    const struct sw_job *job = &queue->job;
    if (!queue->published) { /* alone, so this cannot change meanwhile */
        if (exhausted(job))
            return true;
        hand_over(queue);
        return false;
    }
    bool driver = false;
    pthread_mutex_lock(&sw_device.lock);
    if (--queue->participants == 0) {
        queue->published = false;
        driver = exhausted(job);
        if (!driver)
            offer(queue);
    } else if (!exhausted(job)) {
        queue->seats++;
        sw_ready_push(queue, 1);
    }
    pthread_mutex_unlock(&sw_device.lock);
    return driver;
}

static void close_job(mp_queue *queue)
{
    const struct sw_job *job = &queue->job;
    queue->job_open = false;
    if (job->said)
        sw_messages_close(queue, queue->first->first_serial + queue->cursor);
    if (!atomic_load_explicit(&job->failed, memory_order_relaxed))
        return;
    mp_error failure;
    sw_fault_message(job, &failure);
    pthread_mutex_lock(&sw_device.lock);
    if (!queue->has_failure) {
        queue->has_failure = true;
        queue->failure = failure;
    }
    pthread_mutex_unlock(&sw_device.lock);
}

/* ---- commands ---- */

/* True when the event has not come so far: the driver role is gone. */
static bool park(mp_queue *queue, mp_event *event, uint64_t value)
{
    if (sw_event_value(event) >= value)
        return false;
    pthread_mutex_lock(&sw_device.lock);
    bool parked = sw_event_value(event) < value;
    if (parked) {
        queue->state = SW_PARKED;
        queue->parked_value = value;
        queue->parked_next = event->parked;
        event->parked = queue;
    }
    pthread_mutex_unlock(&sw_device.lock);
    return parked;
}

/* Under the lock or with the driver role, after `completed` was stored. */
static bool someone_waits_for(mp_queue *queue, uint64_t serial)
{
    return atomic_load(&queue->wake_serial) <= serial;
}

static void wake_waiting(mp_queue *queue)
{
    atomic_store(&queue->wake_serial, UINT64_MAX);
    pthread_cond_broadcast(&queue->done);
}

/* Notes when a command ran that is about to be complete. */
static void __attribute__((noinline, cold)) note_times(mp_queue *queue, const struct sw_command *command)
{
    uint64_t end = sw_now(), start = end;
    if (is_work(command))
        start = queue->job.started;
    else if (command->kind == SW_WAIT)
        start = queue->waiting_since;
    queue->waiting_since = 0;
    sw_trace_add(queue, queue->first->first_serial + queue->cursor, start, end);
}

/* Completes the current command. False when nothing is left: the driver role and perhaps the queue are gone. */
static bool finish(mp_queue *queue)
{
    struct sw_batch *batch = queue->first;
    uint64_t serial = batch->first_serial + queue->cursor;
    sw_command_release(&batch->commands[queue->cursor]); /* before anyone hears that it is complete */
    if (++queue->cursor < batch->count) {
        atomic_store(&queue->completed, serial);
        if (someone_waits_for(queue, serial)) {
            pthread_mutex_lock(&sw_device.lock);
            wake_waiting(queue);
            pthread_mutex_unlock(&sw_device.lock);
        }
        return true;
    }

    sw_batch_clear(batch);
    bool destroy = false;
    pthread_mutex_lock(&sw_device.lock);
    queue->cursor = 0;
    queue->first = batch->next;
    bool more = queue->first != NULL;
    if (queue->spare_count < SW_SPARE_BATCHES) {
        batch->next = queue->spare;
        queue->spare = batch;
        queue->spare_count++;
        batch = NULL;
    }
    if (!more) {
        queue->last = NULL;
        queue->state = SW_IDLE;
        destroy = queue->abandoned;
    }
    /* In the same section as the state: whoever sees the last command complete may release an idle queue. */
    atomic_store(&queue->completed, serial);
    if (someone_waits_for(queue, serial))
        wake_waiting(queue);
    pthread_mutex_unlock(&sw_device.lock);
    if (batch)
        sw_batch_free(batch);
    if (destroy)
        sw_queue_destroy(queue);
    return more;
}

void sw_drive(mp_queue *queue, struct sw_self *self, const struct sw_errand *errand, bool joined)
{
    bool served = false;
    for (;;) {
        /* A queue that is always fed must not keep a worker from others: take turns after each batch. */
        if (served && queue->cursor == 0 && !errand->waiting &&
            atomic_load_explicit(&sw_device.ready_count, memory_order_relaxed)) {
            hand_over(queue);
            return;
        }
        if (!joined && errand->waiting && must_leave(queue, errand)) {
            hand_over(queue);
            return;
        }
        struct sw_command *command = &queue->first->commands[queue->cursor];
        switch (command->kind) {
        case SW_NOTHING:
            break;
        case SW_SIGNAL:
            sw_event_raise(command->u.event.event, command->u.event.value);
            break;
        case SW_WAIT:
            if (command->timed && !queue->waiting_since)
                queue->waiting_since = sw_now();
            if (park(queue, command->u.event.event, command->u.event.value))
                return;
            break;
        default:
            if (!joined && !queue->job_open)
                start_job(queue, command);
            joined = false;
            work(queue, self, errand);
            if (!leave(queue))
                return;
            close_job(queue);
        }
        if (command->timed)
            note_times(queue, command);
        if (!finish(queue))
            return;
        served = true;
    }
}
