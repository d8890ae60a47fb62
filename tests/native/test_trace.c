/* test_trace.c: when commands ran. */
#include "check.h"

#define RING MP_TRACE_CAPACITY

static uint32_t take_all(mp_queue *queue, mp_timing *timings, uint32_t capacity)
{
    uint32_t taken = 0, more;
    while ((more = mp->queue_take_timings(queue, timings + taken, capacity - taken < 7 ? capacity - taken : 7)))
        taken += more;
    return taken;
}

/* Serials go up by one, starts and ends lie in order, one after another, between two moments. */
static void check_order(const mp_timing *timings, uint32_t count, uint64_t serial, uint64_t before, uint64_t after)
{
    for (uint32_t i = 0; i < count; i++) {
        CHECK(timings[i].serial == serial + i, "%llu at %u", (unsigned long long)timings[i].serial, i);
        CHECK(timings[i].start >= before && timings[i].end >= timings[i].start && timings[i].end <= after, "at %u", i);
        before = timings[i].end;
    }
}

static void every_kind(mp_pipeline *increment)
{
    mp_timing timings[16];
    mp_queue *queue = new_queue();
    mp_event *event = new_event();
    mp_buffer *a = new_buffer(4 << 20), *b = new_buffer(4 << 20);
    uint32_t zero = 0;
    LAUNCH(queue, increment, 1, 1, at(0, a)); /* serial 1 is not traced */
    OK(mp->queue_set_trace(queue, MP_TRACE_TIMES | MP_TRACE_INTERVALS, error));
    uint64_t before = mp->device_now(device);
    LAUNCH(queue, increment, 64, 32, at(0, a));
    LAUNCH(queue, increment, 0, 32, at(0, a));
    OK(mp->queue_copy(queue, b, 0, a, 0, 4 << 20, NULL, error));
    OK(mp->queue_fill(queue, a, 0, 4 << 20, &zero, 4, NULL, error));
    OK(mp->queue_wait_event(queue, event, 1, NULL, error));
    OK(mp->queue_signal_event(queue, event, 2, NULL, error));
    OK(mp->queue_set_trace(queue, 0, error));
    LAUNCH(queue, increment, 1, 1, at(0, a)); /* nor is serial 8 */
    OK(mp->queue_commit(queue, error));
    while (mp->queue_completed(queue) < 5)
        pause_ms(1);
    pause_ms(5);
    uint64_t raised = mp->device_now(device);
    OK(mp->event_signal(event, 1, error));
    OK(mp->queue_wait(queue, UINT64_MAX, MP_FOREVER, error));
    uint64_t after = mp->device_now(device);
    uint32_t count = take_all(queue, timings, COUNT(timings));
    CHECK(count == 6, "%u", count);
    check_order(timings, count, 2, before, after);
    CHECK(timings[2].end > timings[2].start && timings[3].end > timings[3].start); /* megabytes take a while */
    CHECK(timings[4].start < raised && timings[4].end >= raised); /* the wait lasted from when it was reached */
    CHECK(timings[5].end == timings[5].start);
    CHECK(mp->queue_take_timings(queue, timings, 16) == 0);
    mp->queue_release(queue);
    mp->event_release(event);
    mp->buffer_release(a);
    mp->buffer_release(b);
}

static void overflow(mp_pipeline *increment)
{
    mp_timing *timings = calloc(RING + 1, sizeof *timings);
    mp_queue *queue = new_queue();
    mp_buffer *counter = new_buffer(4);
    CHECK(mp->queue_take_timings(queue, timings, 1) == 0); /* never traced */
    OK(mp->queue_set_trace(queue, MP_TRACE_TIMES, error));
    uint64_t before = mp->device_now(device);
    for (int i = 0; i < RING + 100; i++)
        LAUNCH(queue, increment, 1, 1, at(0, counter));
    OK(mp->queue_wait(queue, UINT64_MAX, MP_FOREVER, error));
    uint32_t count = take_all(queue, timings, RING + 1);
    CHECK(count == RING, "%u", count);
    check_order(timings, count, 101, before, mp->device_now(device));
    LAUNCH(queue, increment, 1, 1, at(0, counter));
    OK(mp->queue_wait(queue, UINT64_MAX, MP_FOREVER, error));
    CHECK(take_all(queue, timings, RING) == 1 && timings[0].serial == RING + 101);
    mp->queue_release(queue);
    mp->buffer_release(counter);
    free(timings);
}

static void failures_have_times(void)
{
    mp_timing timings[4];
    mp_pipeline *bad = load("fault");
    mp_queue *queue = new_queue();
    mp_buffer *buffer = new_buffer(4096), *mode = new_buffer(4);
    *(uint32_t *)mp->buffer_contents(mode) = 3;
    OK(mp->queue_set_trace(queue, MP_TRACE_TIMES, error));
    LAUNCH(queue, bad, 1024, 256, at(0, buffer), at(1, mode));
    CHECK(mp->queue_wait(queue, UINT64_MAX, MP_FOREVER, NULL) == MP_ERROR_FAULT);
    CHECK(take_all(queue, timings, 4) == 1 && timings[0].serial == 1);
    mp->queue_release(queue);
    mp->buffer_release(buffer);
    mp->buffer_release(mode);
    mp->pipeline_release(bad);
}

enum { TAKERS = 3, PER_QUEUE = 6000 };
static mp_queue *busy;
static _Atomic uint32_t taken_total;
static _Atomic bool recording;

/* Several threads take from a queue that runs; each time goes to one of them, in order. */
static void *taker(void *unused)
{
    (void)unused;
    mp_timing timings[5];
    uint64_t last = 0;
    for (bool again = true; again;) {
        again = recording;
        for (uint32_t count; (count = mp->queue_take_timings(busy, timings, 5)); taken_total += count)
            for (uint32_t i = 0; i < count; i++) {
                CHECK(timings[i].serial > last && timings[i].serial <= mp->queue_completed(busy));
                last = timings[i].serial;
            }
    }
    return NULL;
}

static void many_takers(mp_pipeline *increment)
{
    pthread_t threads[TAKERS];
    mp_buffer *counter = new_buffer(4);
    busy = new_queue();
    OK(mp->queue_set_trace(busy, MP_TRACE_TIMES, error));
    recording = true;
    for (int i = 0; i < TAKERS; i++)
        pthread_create(&threads[i], NULL, taker, NULL);
    for (int i = 0; i < PER_QUEUE; i++) {
        LAUNCH(busy, increment, 1, 1, at(0, counter));
        if (i % 1000 == 999)
            OK(mp->queue_set_trace(busy, MP_TRACE_TIMES, error)); /* again, which changes nothing */
    }
    OK(mp->queue_wait(busy, UINT64_MAX, MP_FOREVER, error));
    recording = false;
    for (int i = 0; i < TAKERS; i++)
        pthread_join(threads[i], NULL);
    CHECK(taken_total == PER_QUEUE, "%u", taken_total);
    mp->queue_release(busy);
    mp->buffer_release(counter);
}

void test_trace(void)
{
    mp_pipeline *increment = load("increment");
    every_kind(increment);
    overflow(increment);
    failures_have_times();
    many_takers(increment);
    mp->pipeline_release(increment);
}
