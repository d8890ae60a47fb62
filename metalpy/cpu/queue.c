/* queue.c: life, commit and wait of a queue. */
#include "software.h"

#include <stdlib.h>

mp_status sw_queue_create(mp_device *device, mp_queue **queue, mp_error *error)
{
    (void)device;
    mp_status status = sw_check_fork(error);
    if (status)
        return status;
    mp_queue *made = calloc(1, sizeof *made);
    if (!made)
        return sw_fail(error, MP_ERROR_MEMORY, "no memory for a queue object");
    pthread_mutex_init(&made->record_lock, NULL);
    sw_condition_init(&made->done);
    made->next_serial = 1;
    atomic_init(&made->wake_serial, UINT64_MAX);
    sw_count(1);
    *queue = made;
    return MP_OK;
}

/* Nobody else knows the queue any more. */
void sw_queue_destroy(mp_queue *queue)
{
    pthread_mutex_lock(&sw_device.lock);
    if (queue->in_ready)
        sw_ready_remove(queue);
    pthread_mutex_unlock(&sw_device.lock);
    while (queue->spare) {
        struct sw_batch *batch = queue->spare;
        queue->spare = batch->next;
        sw_batch_free(batch);
    }
    sw_messages_free(queue->said);
    sw_trace_free(atomic_load_explicit(&queue->trace, memory_order_relaxed));
    pthread_mutex_destroy(&queue->record_lock);
    pthread_cond_destroy(&queue->done);
    free(queue);
    sw_count(-1);
}

void sw_queue_release(mp_queue *queue)
{
    if (!queue || sw_forked)
        return;
    pthread_mutex_lock(&queue->record_lock);
    if (queue->open)
        sw_queue_commit_open(queue, true);
    pthread_mutex_unlock(&queue->record_lock);
    pthread_mutex_lock(&sw_device.lock);
    bool idle = queue->state == SW_IDLE;
    queue->abandoned = true;
    pthread_mutex_unlock(&sw_device.lock);
    if (idle)
        sw_queue_destroy(queue);
}

void sw_queue_commit_open(mp_queue *queue, bool wake)
{
    struct sw_batch *batch = queue->open;
    queue->open = NULL;
    pthread_mutex_lock(&sw_device.lock);
    if (queue->first)
        queue->last->next = batch;
    else
        queue->first = batch;
    queue->last = batch;
    if (queue->state == SW_IDLE)
        queue->state = SW_READY;
    if (queue->state == SW_READY && wake && !queue->in_ready)
        sw_ready_push(queue, 1);
    pthread_mutex_unlock(&sw_device.lock);
}

mp_status sw_queue_commit(mp_queue *queue, mp_error *error)
{
    mp_status status = sw_check_fork(error);
    if (status)
        return status;
    pthread_mutex_lock(&queue->record_lock);
    if (queue->open)
        sw_queue_commit_open(queue, true);
    pthread_mutex_unlock(&queue->record_lock);
    return MP_OK;
}

uint64_t sw_queue_completed(mp_queue *queue)
{
    return atomic_load_explicit(&queue->completed, memory_order_acquire);
}

static void spin(mp_queue *queue, uint64_t serial)
{
    for (int i = 0; i < SW_SPINS && sw_queue_completed(queue) < serial; i++)
        sw_pause();
}

/* Under the scheduler lock: takes the driver role or a seat in the job if there is one, else sleeps. `*spun` tells
 * whether the thread has already spun for a while. */
static void help_or_sleep(mp_queue *queue, struct sw_self *self, const struct sw_errand *errand, bool *spun)
{
    uint64_t now = errand->deadline == MP_FOREVER ? 0 : sw_now();
    bool able = self && sw_may_help(queue, now, errand->deadline);
    bool joined = queue->state == SW_ACTIVE && queue->published && queue->seats > 0 &&
                  atomic_load_explicit(&queue->job.next, memory_order_relaxed) < queue->job.total;
    if (able && (queue->state == SW_READY || joined)) {
        if (joined) {
            queue->participants++;
            if (--queue->seats == 0 && queue->in_ready)
                sw_ready_remove(queue);
        } else {
            queue->state = SW_ACTIVE;
            if (queue->in_ready)
                sw_ready_remove(queue);
        }
        pthread_mutex_unlock(&sw_device.lock);
        sw_drive(queue, self, errand, joined);
        pthread_mutex_lock(&sw_device.lock);
        return;
    }
    if (queue->state == SW_READY && !queue->in_ready)
        sw_ready_push(queue, 1);
    if (!*spun) {
        *spun = true;
        pthread_mutex_unlock(&sw_device.lock);
        spin(queue, errand->serial);
        pthread_mutex_lock(&sw_device.lock);
        return;
    }
    /* Store, then look again: the driver stores `completed`, then looks at wake_serial. One of the two sees the
     * other's store. Whoever wakes the sleepers resets wake_serial, and those not yet served lower it again. */
    if (errand->serial < atomic_load(&queue->wake_serial))
        atomic_store(&queue->wake_serial, errand->serial);
    if (atomic_load(&queue->completed) < errand->serial)
        sw_wait_slice(&queue->done, errand->deadline);
}

mp_status sw_queue_wait(mp_queue *queue, uint64_t serial, uint64_t timeout_ns, mp_error *error)
{
    mp_status status = sw_check_fork(error);
    if (status)
        return status;
    pthread_mutex_lock(&queue->record_lock);
    uint64_t last = queue->next_serial - 1;
    if (serial == UINT64_MAX)
        serial = last;
    if (serial > last) {
        pthread_mutex_unlock(&queue->record_lock);
        return sw_fail(error, MP_ERROR_INVALID, "serial %llu was never recorded; the queue's last is %llu",
                       (unsigned long long)serial, (unsigned long long)last);
    }
    if (queue->open && queue->open->first_serial <= serial)
        sw_queue_commit_open(queue, false); /* no wake-up: this thread runs it */
    pthread_mutex_unlock(&queue->record_lock);

    struct sw_errand errand = {.waiting = true, .serial = serial, .deadline = sw_deadline(timeout_ns)};
    struct sw_self *self = NULL;
    bool spun = false, late = false;
    if (sw_queue_completed(queue) < serial)
        self = sw_self_get();
    pthread_mutex_lock(&sw_device.lock);
    while (sw_queue_completed(queue) < serial) {
        if (errand.deadline != MP_FOREVER && sw_now() >= errand.deadline) {
            late = true;
            break;
        }
        help_or_sleep(queue, self, &errand, &spun);
    }
    if (queue->state == SW_READY && !queue->in_ready)
        sw_ready_push(queue, 1); /* what this thread leaves undone */
    if (late) {
        status = MP_TIMEOUT;
    } else if (queue->has_failure) {
        status = queue->failure.code;
        if (error)
            *error = queue->failure;
        queue->has_failure = false;
    }
    pthread_mutex_unlock(&sw_device.lock);
    return status;
}
