/* test_wait.c: events across queues, timeouts, asynchronous work from several threads. */
#include "check.h"

static uint32_t word(mp_buffer *buffer, uint32_t index)
{
    return ((volatile uint32_t *)mp->buffer_contents(buffer))[index];
}

static void *signal_later(void *event)
{
    pause_ms(30);
    OK(mp->event_signal(event, 5, error));
    return NULL;
}

/* Two queues pass a counter to and fro, recorded and committed in every order. */
static void ping_pong(mp_pipeline *increment, int order)
{
    enum { TURNS = 200 };
    mp_queue *queue[2] = {new_queue(), new_queue()};
    mp_event *event = new_event();
    mp_buffer *counter = new_buffer(4);
    for (int k = 0; k < 2; k++) {
        int q = order & 1 ? 1 - k : k;
        for (uint64_t turn = 0; turn < TURNS; turn++) {
            if (turn % 2 != (uint64_t)q)
                continue;
            OK(mp->queue_wait_event(queue[q], event, turn, NULL, error));
            LAUNCH(queue[q], increment, 1, 1, at(0, counter));
            OK(mp->queue_signal_event(queue[q], event, turn + 1, NULL, error));
            if (order & 2 && turn % 3 == 0)
                OK(mp->queue_commit(queue[q], error));
        }
    }
    if (order & 4) {
        OK(mp->queue_commit(queue[0], error));
        OK(mp->queue_commit(queue[1], error));
        OK(mp->event_wait(event, TURNS, MP_FOREVER, error));
        CHECK(word(counter, 0) == TURNS, "%u", word(counter, 0));
    }
    int first = order & 8 ? 1 : 0;
    OK(mp->queue_commit(queue[1 - first], error));
    OK(mp->queue_wait(queue[first], UINT64_MAX, MP_FOREVER, error));
    OK(mp->queue_wait(queue[1 - first], UINT64_MAX, MP_FOREVER, error));
    CHECK(word(counter, 0) == TURNS && mp->event_value(event) == TURNS, "%u", word(counter, 0));
    mp->queue_release(queue[0]);
    mp->queue_release(queue[1]);
    mp->event_release(event);
    mp->buffer_release(counter);
}

void test_event(void)
{
    mp_event *event = new_event();
    CHECK(mp->event_value(event) == 0 && mp->event_time(event) == 0);
    uint64_t before = mp->device_now(device);
    OK(mp->event_signal(event, 3, error));
    uint64_t time = mp->event_time(event);
    CHECK(mp->event_value(event) == 3 && time >= before && time <= mp->device_now(device));
    OK(mp->event_signal(event, 2, error));
    CHECK(mp->event_value(event) == 3 && mp->event_time(event) == time);
    OK(mp->event_wait(event, 3, 0, error));
    double start = seconds();
    CHECK(mp->event_wait(event, 4, 20000000, NULL) == MP_TIMEOUT);
    CHECK(seconds() - start >= 0.02 && seconds() - start < 2);

    pthread_t thread;
    pthread_create(&thread, NULL, signal_later, event);
    OK(mp->event_wait(event, 5, MP_FOREVER, error));
    pthread_join(thread, NULL);

    mp_pipeline *increment = load("increment");
    mp_buffer *counter = new_buffer(64);
    mp_queue *queue = new_queue(), *parked[8];
    /* More parked queues than workers: others still make progress. */
    for (size_t i = 0; i < COUNT(parked); i++) {
        parked[i] = new_queue();
        OK(mp->queue_wait_event(parked[i], event, 10 + i, NULL, error));
        LAUNCH(parked[i], increment, 1, 1, {.kind = MP_ARGUMENT_BUFFER, .buffer = counter, .offset = 4 * i});
        OK(mp->queue_commit(parked[i], error));
    }
    LAUNCH(queue, increment, 1, 1, at(0, counter));
    OK(mp->queue_wait(queue, UINT64_MAX, MP_FOREVER, error));
    CHECK(word(counter, 0) == 1);
    CHECK(mp->queue_wait(parked[0], UINT64_MAX, 5000000, NULL) == MP_TIMEOUT);
    OK(mp->event_signal(event, 10, error));
    OK(mp->queue_wait(parked[0], UINT64_MAX, MP_FOREVER, error));
    CHECK(word(counter, 0) == 2 && word(counter, 1) == 0);
    OK(mp->event_signal(event, 99, error));
    for (size_t i = 0; i < COUNT(parked); i++) {
        if (i % 2)
            OK(mp->queue_wait(parked[i], UINT64_MAX, MP_FOREVER, error));
        mp->queue_release(parked[i]); /* the even ones end on their own */
    }
    mp->queue_release(queue);
    for (int order = 0; order < 16; order++)
        ping_pong(increment, order);
    mp->event_release(event);
    mp->pipeline_release(increment);
    mp->buffer_release(counter);
}

/* ---- timeouts ---- */

/* Holds the queue with a kernel that spins until its flag is set; a slice must end on time. */
static void endless(const char *name)
{
    mp_pipeline *spin = load(name);
    mp_buffer *out = new_buffer(4096), *flag = new_buffer(4);
    mp_queue *queue = new_queue();
    LAUNCH(queue, spin, 64, 32, at(0, out), at(1, flag));
    for (int i = 0; i < 3; i++) {
        double start = seconds();
        CHECK(mp->queue_wait(queue, UINT64_MAX, 20000000, NULL) == MP_TIMEOUT);
        double taken = seconds() - start;
        CHECK(taken >= 0.02 && taken < 1.0, "%s: %.3f s", name, taken);
    }
    CHECK(mp->queue_wait(queue, UINT64_MAX, 0, NULL) == MP_TIMEOUT);
    CHECK(mp->queue_completed(queue) == 0);
    /* Another queue works meanwhile, if only on the waiting thread. */
    mp_queue *other = new_queue();
    mp_pipeline *increment = load("increment");
    LAUNCH(other, increment, 64, 64, at(0, out));
    OK(mp->queue_wait(other, UINT64_MAX, MP_FOREVER, error));
    CHECK(word(out, 63) == 1);
    __atomic_store_n((uint32_t *)mp->buffer_contents(flag), 1, __ATOMIC_RELEASE);
    OK(mp->queue_wait(queue, UINT64_MAX, MP_FOREVER, error));
    CHECK(word(out, 0) == 7 && word(out, 63) == 7 && mp->queue_completed(queue) == 1);
    mp->queue_release(other);
    mp->pipeline_release(increment);
    mp->queue_release(queue);
    mp->buffer_release(out);
    mp->buffer_release(flag);
    mp->pipeline_release(spin);
}

/* Every worker is inside a kernel that does not end; other queues still get through, however one waits for them. */
static void stuck(void)
{
    mp_pipeline *spin = load("spin"), *fresh = load("grid");
    mp_buffer *out = new_buffer(4096), *flag = new_buffer(4);
    mp_queue *busy[5], *queue = new_queue(), *dependent = new_queue();
    mp_event *event = new_event();
    for (size_t i = 0; i < COUNT(busy); i++) {
        busy[i] = new_queue();
        LAUNCH(busy[i], spin, 1, 1, at(0, out), at(1, flag));
        OK(mp->queue_commit(busy[i], error));
    }
    double start = seconds();
    mp_status status;
    LAUNCH(queue, fresh, 64, 64, at(0, out), at(1, out));
    while ((status = mp->queue_wait(queue, UINT64_MAX, 50000000, NULL)) == MP_TIMEOUT && seconds() - start < 20) {
    }
    CHECK(status == MP_OK, "%d", status);
    OK(mp->queue_wait_event(dependent, event, 1, NULL, error));
    OK(mp->queue_signal_event(queue, event, 1, NULL, error));
    OK(mp->queue_commit(queue, error));
    OK(mp->queue_wait(dependent, UINT64_MAX, MP_FOREVER, error));
    OK(mp->queue_signal_event(queue, event, 2, NULL, error));
    OK(mp->queue_commit(queue, error));
    OK(mp->event_wait(event, 2, MP_FOREVER, error));
    CHECK(mp->queue_completed(busy[0]) == 0);
    __atomic_store_n((uint32_t *)mp->buffer_contents(flag), 1, __ATOMIC_RELEASE);
    for (size_t i = 0; i < COUNT(busy); i++) {
        if (i % 2)
            OK(mp->queue_wait(busy[i], UINT64_MAX, MP_FOREVER, error));
        mp->queue_release(busy[i]);
    }
    mp->queue_release(queue);
    mp->queue_release(dependent);
    mp->event_release(event);
    mp->buffer_release(out);
    mp->buffer_release(flag);
    mp->pipeline_release(spin);
    mp->pipeline_release(fresh);
}

void test_wait(void)
{
    stuck();
    endless("spin");
    endless("spin_fibers");

    /* A long dispatch of many short groups: the waiting thread helps, and still leaves on time. */
    mp_pipeline *slow = load("slow");
    mp_buffer *out = new_buffer(1 << 22);
    mp_queue *queue = new_queue();
    uint32_t rounds = 100;
    LAUNCH(queue, slow, 1 << 14, 64, at(0, out), bytes(1, &rounds, 4));
    OK(mp->queue_wait(queue, UINT64_MAX, MP_FOREVER, error));
    rounds = 1000;
    for (int i = 0; i < 3; i++)
        LAUNCH(queue, slow, 1 << 18, 64, at(0, out), bytes(1, &rounds, 4));
    int slices = 0;
    mp_status status;
    double worst = 0;
    do {
        double start = seconds();
        status = mp->queue_wait(queue, UINT64_MAX, 10000000, NULL);
        double taken = seconds() - start;
        worst = taken > worst ? taken : worst;
        slices++;
    } while (status == MP_TIMEOUT && slices < 100000);
    CHECK(status == MP_OK && worst < 1.0, "status %d, slice of %.3f s", status, worst);
    /* Short launches with a finite timeout must not time out. */
    mp_pipeline *increment = load("increment");
    memset(mp->buffer_contents(out), 0, 4096);
    for (int i = 0; i < 1000; i++) {
        LAUNCH(queue, increment, 256, 64, at(0, out));
        while ((status = mp->queue_wait(queue, UINT64_MAX, 50000000, NULL)) == MP_TIMEOUT) {
        }
        CHECK(status == MP_OK);
    }
    CHECK(word(out, 255) == 1000);
    mp->queue_release(queue);
    mp->buffer_release(out);
    mp->pipeline_release(slow);
    mp->pipeline_release(increment);
}

/* ---- stress ---- */

static mp_pipeline *shared_increment, *shared_reduce;
#ifdef TSAN
enum { LAUNCHES = 600, WIDEST = 64 }; /* it allows some 8,000 threads and fibers */
#else
enum { LAUNCHES = 5000, WIDEST = 1024 };
#endif

static void *hammer(void *argument)
{
    uint32_t seed = (uint32_t)(uintptr_t)argument * 7919 + 1, total = 0;
    mp_queue *queue = new_queue();
    mp_buffer *counter = new_buffer(4096), *out = new_buffer(64), *in = new_buffer(4096);
    for (uint32_t i = 0; i < 1024; i++)
        ((uint32_t *)mp->buffer_contents(in))[i] = 1;
    for (int i = 0; i < LAUNCHES; i++) {
        seed = seed * 1664525u + 1013904223u;
        uint32_t threads = 1 + (seed >> 8) % WIDEST;
        LAUNCH(queue, shared_increment, 1024, 1 + (seed >> 20) % 1024, at(0, counter));
        total++;
        if (seed % 50 == 0) {
            LAUNCH(queue, shared_reduce, threads, WIDEST, at(0, out), at(1, in));
            mp_status status;
            while ((status = mp->queue_wait(queue, UINT64_MAX, seed & 1 << 28 ? 1000000 : MP_FOREVER, NULL)) == MP_TIMEOUT) {
            }
            CHECK(status == MP_OK && word(out, 0) == threads && word(counter, 1023) == total, "%u of %u, %u of %u",
                  word(out, 0), threads, word(counter, 1023), total);
        } else if (seed % 31 == 0) {
            OK(mp->queue_commit(queue, error));
        } else if (seed % 401 == 0) { /* leave work behind, in a queue of its own buffers */
            mp->queue_release(queue);
            mp->buffer_release(counter);
            queue = new_queue();
            counter = new_buffer(4096);
            total = 0;
        }
    }
    OK(mp->queue_wait(queue, UINT64_MAX, MP_FOREVER, error));
    CHECK(word(counter, 0) == total && word(counter, 1023) == total);
    mp->queue_release(queue);
    mp->buffer_release(counter);
    mp->buffer_release(out);
    mp->buffer_release(in);
    return NULL;
}

static mp_queue *shared_queue;
static mp_buffer *shared_counter;
static void *record(void *unused)
{
    (void)unused;
    for (int i = 0; i < LAUNCHES / 4; i++) {
        LAUNCH(shared_queue, shared_increment, 256, 64, at(0, shared_counter));
        if (i % 97 == 0)
            OK(mp->queue_wait(shared_queue, UINT64_MAX, MP_FOREVER, error));
    }
    return NULL;
}

void test_stress(void)
{
    pthread_t threads[4];
    shared_increment = load("increment");
    shared_reduce = load("reduce");
    for (size_t i = 0; i < COUNT(threads); i++)
        pthread_create(&threads[i], NULL, hammer, (void *)i);
    for (size_t i = 0; i < COUNT(threads); i++)
        pthread_join(threads[i], NULL);
    /* One queue that four threads record into and wait for. */
    shared_queue = new_queue();
    shared_counter = new_buffer(1024);
    for (size_t i = 0; i < COUNT(threads); i++)
        pthread_create(&threads[i], NULL, record, NULL);
    for (size_t i = 0; i < COUNT(threads); i++)
        pthread_join(threads[i], NULL);
    OK(mp->queue_wait(shared_queue, UINT64_MAX, MP_FOREVER, error));
    CHECK(word(shared_counter, 255) == LAUNCHES / 4 * 4, "%u", word(shared_counter, 255));
    mp->queue_release(shared_queue);
    mp->buffer_release(shared_counter);
    mp->pipeline_release(shared_increment);
    mp->pipeline_release(shared_reduce);
}
