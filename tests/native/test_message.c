/* test_message.c: what kernels say: order, room, faults, and whoever asks for it. */
#include "check.h"

struct heard {
    uint32_t count;            /* of messages that are neither reports nor about lost ones */
    uint32_t reports;
    uint32_t lost;
    uint32_t last;             /* position of the last thread */
    uint32_t twice;            /* each thread speaks so many times, on either side of a barrier */
    uint32_t group;            /* threads of a threadgroup */
    uint64_t serial;
    bool wrong;
};

static void listen(void *context, const mp_message *message)
{
    struct heard *heard = context;
    uint32_t x = 0, n = heard->count + heard->reports;
    char expected[64];
    if (message->serial < heard->serial) {
        heard->wrong = true;
        CHECK(0, "serial %llu after %llu", (unsigned long long)message->serial, (unsigned long long)heard->serial);
    }
    heard->serial = message->serial;
    if (message->level == MP_MESSAGE_LOST) {
        heard->lost += (uint32_t)strtoul(message->text, NULL, 10);
        return;
    }
    if (heard->group) /* two rounds in each threadgroup */
        x = n / (2 * heard->group) * heard->group + n % heard->group;
    else
        x = heard->count;
    if (message->level == MP_MESSAGE_REPORT) {
        heard->reports++;
        x = message->thread[0];
    } else {
        heard->count++;
    }
    snprintf(expected, sizeof expected, "%u a string %d,-1,0,0", x, (int8_t)x);
    bool right = !strcmp(message->text, expected) && message->has_thread && message->thread[0] == x &&
                 message->thread[1] == 0 && message->line == 42 && !strcmp(message->file, "speak.metal") &&
                 !strcmp(message->subsystem, "a subsystem") && !message->category &&
                 !strncmp(message->kernel, "speak", 5);
    if (!right && !heard->wrong) {
        heard->wrong = true;
        CHECK(0, "'%s' of thread %u, not '%s'", message->text, message->thread[0], expected);
    }
}

static void set_mode(mp_buffer *modes, uint32_t mode)
{
    *(volatile uint32_t *)mp->buffer_contents(modes) = mode;
}

static void order(const char *name, uint32_t group)
{
    mp_pipeline *pipeline = load(name);
    mp_queue *queue = new_queue();
    mp_buffer *modes = new_buffer(4);
    mp_pipeline_limits limits;
    mp->pipeline_limits(pipeline, &limits);
    CHECK(limits.flags == MP_PIPELINE_MESSAGES);
    for (int i = 0; i < 20; i++) {
        struct heard heard = {.group = group};
        CHECK(mp->queue_take_messages(queue, listen, &heard) == 0);
        LAUNCH(queue, pipeline, 2000, group ? group : 9, at(1, modes));
        OK(mp->queue_wait(queue, UINT64_MAX, MP_FOREVER, error));
        uint32_t taken = mp->queue_take_messages(queue, listen, &heard);
        CHECK(taken == (group ? 4000 : 2000) && heard.count == taken && !heard.lost, "%u taken, %u lost", taken,
              heard.lost);
        CHECK(mp->queue_take_messages(queue, listen, &heard) == 0);
    }
    mp->buffer_release(modes);
    mp->queue_release(queue);
    mp->pipeline_release(pipeline);
}

/* The default room is 1 MiB: which messages fit does not depend on who runs which threadgroup. */
static void room(void)
{
    mp_pipeline *pipeline = load("speak");
    mp_queue *queue = new_queue();
    mp_buffer *modes = new_buffer(4);
    uint32_t threads = 50000, count = 0;
    set_mode(modes, 2);
    for (int i = 0; i < 10; i++) {
        struct heard heard = {0};
        LAUNCH(queue, pipeline, threads, 9, at(1, modes));
        OK(mp->queue_wait(queue, UINT64_MAX, MP_FOREVER, error));
        mp->queue_take_messages(queue, listen, &heard);
        CHECK(heard.count > 1000 && heard.count < threads && heard.reports == heard.count / 1000,
              "%u messages, %u reports", heard.count, heard.reports);
        CHECK(heard.count + heard.reports + heard.lost == threads + threads / 1000, "%u lost", heard.lost);
        CHECK(i == 0 || heard.count == count, "%u messages fit, %u before", heard.count, count);
        count = heard.count;
    }
    mp->buffer_release(modes);
    mp->queue_release(queue);
    mp->pipeline_release(pipeline);
}

static void faults(void)
{
    mp_pipeline *pipeline = load("speak"), *fibers = load("speak_fibers");
    mp_queue *queue = new_queue();
    mp_buffer *modes = new_buffer(4);
    for (int i = 0; i < 10; i++) {
        for (uint32_t mode = 1; mode <= 3; mode += 2) {
            struct heard heard = {0};
            set_mode(modes, mode);
            LAUNCH(queue, pipeline, 128, 128, at(1, modes)); /* one threadgroup: nobody runs later ones */
            FAILS(MP_ERROR_FAULT, "null pointer", mp->queue_wait(queue, UINT64_MAX, MP_FOREVER, error));
            mp->queue_take_messages(queue, listen, &heard);
            CHECK(heard.count == 101 && !heard.lost, "%u messages before the fault", heard.count);
            heard = (struct heard){.group = 128};
            LAUNCH(queue, fibers, 128, 128, at(1, modes));
            FAILS(MP_ERROR_FAULT, "null pointer", mp->queue_wait(queue, UINT64_MAX, MP_FOREVER, error));
            mp->queue_take_messages(queue, listen, &heard);
            CHECK(heard.count == 128 + 101, "%u messages before the fault", heard.count);
        }
        struct heard heard = {0};
        set_mode(modes, 0);
        LAUNCH(queue, pipeline, 500, 9, at(1, modes));
        OK(mp->queue_wait(queue, UINT64_MAX, MP_FOREVER, error));
        CHECK(mp->queue_take_messages(queue, listen, &heard) == 500);
    }
    mp->buffer_release(modes);
    mp->queue_release(queue);
    mp->pipeline_release(pipeline);
    mp->pipeline_release(fibers);
}

/* A kernel that speaks without end fills its room and no more, though waits with a timeout come and go meanwhile. */
static void endless(void)
{
    mp_pipeline *pipeline = load("speak");
    mp_queue *queue = new_queue();
    mp_buffer *modes = new_buffer(4);
    set_mode(modes, 4);
    LAUNCH(queue, pipeline, 2000, 9, at(1, modes));
    OK(mp->queue_commit(queue, error));
    for (int i = 0; i < 20; i++) {
        mp_status status = mp->queue_wait(queue, UINT64_MAX, 2000000, NULL);
        CHECK(status == MP_TIMEOUT, "status %d", status);
        CHECK(mp->queue_take_messages(queue, listen, NULL) == 0); /* of commands that are complete */
    }
    set_mode(modes, 0);
    OK(mp->queue_wait(queue, UINT64_MAX, MP_FOREVER, error));
    mp->queue_release(queue); /* with what nobody has taken */
    mp->buffer_release(modes);
    mp->pipeline_release(pipeline);
}

/* Several threads wait and take while others launch; nothing is lost or told twice. */
static mp_queue *shared;
static mp_pipeline *shared_pipeline;
static mp_buffer *shared_modes;
static _Atomic uint32_t told;

static void count(void *context, const mp_message *message)
{
    (void)context;
    CHECK(message->level == MP_MESSAGE_DEFAULT);
    told++;
}

static void *speak_and_take(void *unused)
{
    (void)unused;
    for (int i = 0; i < 50; i++) {
        LAUNCH(shared, shared_pipeline, 300, 7, at(1, shared_modes));
        if (i % 3 == 0)
            OK(mp->queue_wait(shared, UINT64_MAX, MP_FOREVER, error));
        mp->queue_take_messages(shared, count, NULL);
    }
    return NULL;
}

static void many_threads(void)
{
    pthread_t threads[4];
    shared = new_queue();
    shared_pipeline = load("speak");
    shared_modes = new_buffer(4);
    told = 0;
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, speak_and_take, NULL);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    OK(mp->queue_wait(shared, UINT64_MAX, MP_FOREVER, error));
    mp->queue_take_messages(shared, count, NULL);
    CHECK(told == 4 * 50 * 300, "%u messages", told);
    LAUNCH(shared, shared_pipeline, 3000, 7, at(1, shared_modes));
    mp->queue_release(shared); /* in flight */
    mp->buffer_release(shared_modes);
    mp->pipeline_release(shared_pipeline);
}

/* A host that never asks: the queue keeps a bounded amount, and says what it did not keep. */
static void never_asked(void)
{
    mp_pipeline *pipeline = load("speak");
    mp_queue *queue = new_queue();
    mp_buffer *modes = new_buffer(4);
    struct heard heard = {0};
    uint32_t launches = 150, threads = 10000;
    for (uint32_t i = 0; i < launches; i++)
        LAUNCH(queue, pipeline, threads, 1000, at(1, modes));
    OK(mp->queue_wait(queue, UINT64_MAX, MP_FOREVER, error));
    told = 0;
    heard.wrong = true; /* texts begin anew with each launch */
    mp->queue_take_messages(queue, listen, &heard);
    CHECK(heard.count + heard.lost == launches * threads, "%u and %u lost", heard.count, heard.lost);
    CHECK(heard.lost > threads && heard.count > launches * threads / 4, "%u lost", heard.lost);
    mp->buffer_release(modes);
    mp->queue_release(queue);
    mp->pipeline_release(pipeline);
}

void test_message(void)
{
    order("speak", 0);
    order("speak_fibers", 50);
    room();
    faults();
    endless();
    many_threads();
    never_asked();
}
