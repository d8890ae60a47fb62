/* event.c: values that only grow. Everything is under the scheduler lock but reading value and time. */
#include "software.h"

#include <stdlib.h>

mp_status sw_event_create(mp_device *device, mp_event **event, mp_error *error)
{
    (void)device;
    mp_status status = sw_check_fork(error);
    if (status)
        return status;
    mp_event *made = calloc(1, sizeof *made);
    if (!made)
        return sw_fail(error, MP_ERROR_MEMORY, "no memory for an event object");
    atomic_init(&made->references, 1);
    sw_condition_init(&made->grown);
    sw_count(1);
    *event = made;
    return MP_OK;
}

void sw_event_release(mp_event *event)
{
    if (!event || sw_forked || !sw_drop(&event->references))
        return;
    /* No queue can be parked here: its wait command would hold a reference. */
    pthread_cond_destroy(&event->grown);
    free(event);
    sw_count(-1);
}

uint64_t sw_event_value(mp_event *event)
{
    return atomic_load_explicit(&event->value, memory_order_acquire);
}

uint64_t sw_event_time(mp_event *event)
{
    return atomic_load_explicit(&event->time, memory_order_acquire);
}

void sw_event_raise(mp_event *event, uint64_t value)
{
    pthread_mutex_lock(&sw_device.lock);
    if (value > atomic_load_explicit(&event->value, memory_order_relaxed)) {
        atomic_store_explicit(&event->time, sw_now(), memory_order_release);
        atomic_store_explicit(&event->value, value, memory_order_release);
        mp_queue **link = &event->parked;
        while (*link) {
            mp_queue *queue = *link;
            if (queue->parked_value > value) {
                link = &queue->parked_next;
                continue;
            }
            *link = queue->parked_next;
            queue->state = SW_READY;
            sw_ready_push(queue, 1);
            pthread_cond_broadcast(&queue->done); /* a thread that waits for the queue may drive it, too */
        }
        pthread_cond_broadcast(&event->grown);
    }
    pthread_mutex_unlock(&sw_device.lock);
}

mp_status sw_event_signal(mp_event *event, uint64_t value, mp_error *error)
{
    mp_status status = sw_check_fork(error);
    if (status)
        return status;
    sw_event_raise(event, value);
    return MP_OK;
}

mp_status sw_event_wait(mp_event *event, uint64_t value, uint64_t timeout_ns, mp_error *error)
{
    mp_status status = sw_check_fork(error);
    if (status)
        return status;
    if (sw_event_value(event) >= value)
        return MP_OK;
    uint64_t deadline = sw_deadline(timeout_ns);
    pthread_mutex_lock(&sw_device.lock);
    while (atomic_load_explicit(&event->value, memory_order_relaxed) < value) {
        if (deadline != MP_FOREVER && sw_now() >= deadline) {
            status = MP_TIMEOUT;
            break;
        }
        sw_wait_slice(&event->grown, deadline);
    }
    pthread_mutex_unlock(&sw_device.lock);
    return status;
}
