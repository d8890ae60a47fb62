/* event.m: values that only grow, on the GPU as MTLSharedEvent and on the host with the time of the growth.
 *
 * The host is told by the completion handler of the command buffer that signals, not by the shared event: only then is
 * the time known, and only so does a failed command buffer wake its waiters. A signal therefore ends its command
 * buffer.
 */
#import "metal_driver.h"

#include <errno.h>
#include <stdlib.h>

mp_status mtl_event_create(mp_device *device, mp_event **event, mp_error *error)
{
    MTL_ENTER(error)
    mp_event *made = calloc(1, sizeof *made);
    if (made)
        made->event = [device->device newSharedEvent];
    if (!made || !made->event) {
        free(made);
        return mtl_fail(error, MP_ERROR_MEMORY, "no memory for an event object");
    }
    atomic_init(&made->references, 1);
    atomic_init(&made->value, 0);
    atomic_init(&made->time, 0);
    pthread_mutex_init(&made->lock, NULL);
    pthread_cond_init(&made->grown, NULL);
    mtl_device_retain(device);
    made->device = device;
    mtl_count(1);
    *event = made;
    return MP_OK;
    MTL_LEAVE(error)
}

void mtl_event_retain(mp_event *event)
{
    mtl_retain(&event->references);
}

void mtl_event_release(mp_event *event)
{
    if (!event || mtl_forked || !mtl_drop(&event->references))
        return;
    MTL_POOL { [event->event release]; }
    mtl_device_release(event->device);
    pthread_mutex_destroy(&event->lock);
    pthread_cond_destroy(&event->grown);
    free(event);
    mtl_count(-1);
}

uint64_t mtl_event_value(mp_event *event)
{
    return atomic_load_explicit(&event->value, memory_order_acquire);
}

uint64_t mtl_event_time(mp_event *event)
{
    return atomic_load_explicit(&event->time, memory_order_acquire);
}

void mtl_event_raise(mp_event *event, uint64_t value, uint64_t time)
{
    pthread_mutex_lock(&event->lock);
    /* "MTLSharedEvent signaledValue": setting a smaller value would take the event back. */
    if (value > event->event.signaledValue)
        event->event.signaledValue = value;
    if (value > atomic_load_explicit(&event->value, memory_order_relaxed)) {
        atomic_store_explicit(&event->time, time, memory_order_release);
        atomic_store_explicit(&event->value, value, memory_order_release);
        pthread_cond_broadcast(&event->grown);
    }
    pthread_mutex_unlock(&event->lock);
}

mp_status mtl_event_signal(mp_event *event, uint64_t value, mp_error *error)
{
    MTL_ENTER(error)
    mtl_event_raise(event, value, mtl_now());
    return MP_OK;
    MTL_LEAVE(error)
}

mp_status mtl_event_wait(mp_event *event, uint64_t value, uint64_t timeout_ns, mp_error *error)
{
    MTL_ENTER(error)
    mp_status status = MP_OK;
    struct timespec until;
    bool limited = mtl_deadline(timeout_ns, &until);
    pthread_mutex_lock(&event->lock);
    while (mtl_event_value(event) < value && status == MP_OK) {
        int result = limited ? pthread_cond_timedwait(&event->grown, &event->lock, &until)
                             : pthread_cond_wait(&event->grown, &event->lock);
        if (result == ETIMEDOUT && mtl_event_value(event) < value)
            status = MP_TIMEOUT;
    }
    pthread_mutex_unlock(&event->lock);
    return status;
    MTL_LEAVE(error)
}

/* ---- on queues ---- */

mp_status mtl_queue_signal_event(mp_queue *queue, mp_event *event, uint64_t value, uint64_t *serial, mp_error *error)
{
    MTL_ENTER(error)
    mp_status status = MP_ERROR_MEMORY;
    pthread_mutex_lock(&queue->record_lock);
    struct mtl_batch *batch = mtl_open_batch(queue, error);
    if (batch) {
        mtl_end_encoder(queue); /* events lie between passes */
        [batch->buffer encodeSignalEvent:event->event value:value];
        mtl_event_retain(event);
        batch->event = event;
        batch->event_value = value;
        mtl_recorded(queue, serial);
        mtl_commit_open(queue);
        status = MP_OK;
    }
    pthread_mutex_unlock(&queue->record_lock);
    return status;
    MTL_LEAVE(error)
}

mp_status mtl_queue_wait_event(mp_queue *queue, mp_event *event, uint64_t value, uint64_t *serial, mp_error *error)
{
    MTL_ENTER(error)
    mp_status status = MP_ERROR_MEMORY;
    pthread_mutex_lock(&queue->record_lock);
    /* What comes before must become complete without the event, so it cannot share a command buffer with the wait. */
    mtl_commit_open(queue);
    struct mtl_batch *batch = mtl_open_batch(queue, error);
    if (batch) {
        [batch->buffer encodeWaitForEvent:event->event value:value];
        mtl_recorded(queue, serial);
        status = MP_OK;
    }
    pthread_mutex_unlock(&queue->record_lock);
    return status;
    MTL_LEAVE(error)
}
