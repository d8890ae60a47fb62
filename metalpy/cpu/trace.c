/* trace.c: when commands ran. */
#include "software.h"

#include <stdlib.h>

/* The last MP_TRACE_CAPACITY times, the oldest first. Memory that was never written takes no page. */
struct sw_trace {
    pthread_mutex_t lock;
    uint32_t first;
    uint32_t count;
    mp_timing ring[MP_TRACE_CAPACITY];
};

mp_status sw_queue_set_trace(mp_queue *queue, uint32_t trace, mp_error *error)
{
    mp_status status = sw_check_fork(error);
    if (status)
        return status;
    bool timed = trace & MP_TRACE_TIMES;
    pthread_mutex_lock(&queue->record_lock);
    if (timed && !atomic_load_explicit(&queue->trace, memory_order_relaxed)) {
        struct sw_trace *made = calloc(1, sizeof *made);
        if (made) {
            pthread_mutex_init(&made->lock, NULL);
            atomic_store_explicit(&queue->trace, made, memory_order_release);
        } else {
            status = sw_fail(error, MP_ERROR_MEMORY, "no memory for the times of %d commands", MP_TRACE_CAPACITY);
        }
    }
    if (!status)
        queue->timed = timed;
    pthread_mutex_unlock(&queue->record_lock);
    return status;
}

void sw_trace_free(struct sw_trace *trace)
{
    if (!trace)
        return;
    pthread_mutex_destroy(&trace->lock);
    free(trace);
}

void sw_trace_add(mp_queue *queue, uint64_t serial, uint64_t start, uint64_t end)
{
    struct sw_trace *trace = atomic_load_explicit(&queue->trace, memory_order_acquire);
    pthread_mutex_lock(&trace->lock);
    trace->ring[(trace->first + trace->count) % MP_TRACE_CAPACITY] = (mp_timing){serial, start, end};
    if (trace->count < MP_TRACE_CAPACITY)
        trace->count++;
    else
        trace->first = (trace->first + 1) % MP_TRACE_CAPACITY;
    pthread_mutex_unlock(&trace->lock);
}

uint32_t sw_queue_take_timings(mp_queue *queue, mp_timing *timings, uint32_t capacity)
{
    struct sw_trace *trace = atomic_load_explicit(&queue->trace, memory_order_acquire);
    if (!trace || sw_forked)
        return 0;
    uint32_t taken = 0;
    pthread_mutex_lock(&trace->lock);
    uint64_t completed = sw_queue_completed(queue); /* a time is noted a moment before its command is complete */
    while (taken < capacity && trace->count && trace->ring[trace->first].serial <= completed) {
        timings[taken++] = trace->ring[trace->first];
        trace->first = (trace->first + 1) % MP_TRACE_CAPACITY;
        trace->count--;
    }
    pthread_mutex_unlock(&trace->lock);
    return taken;
}
