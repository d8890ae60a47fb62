/* workers.c: the threads that run kernels, and the list of queues that could use one more. */
#include "software.h"

#include <stdio.h>
#include <stdlib.h>

#define WORKER_STACK (1u << 20)
#define SLICE_NS UINT64_C(20000000)
#define EXTRA_WORKERS 64       /* beyond the device's threads, for when those are stuck */

__thread struct sw_self *sw_current __attribute__((tls_model("initial-exec")));
pthread_mutex_t sw_selves_lock = PTHREAD_MUTEX_INITIALIZER;
struct sw_self *sw_selves;

/* ---- what a thread needs in order to run kernels ---- */

static pthread_key_t self_key;
static pthread_once_t self_once = PTHREAD_ONCE_INIT;

static void self_free(void *value)
{
    struct sw_self *self = value;
    if (sw_forked)
        return;
    pthread_mutex_lock(&sw_selves_lock);
    struct sw_self **link = &sw_selves;
    while (*link != self)
        link = &(*link)->next;
    *link = self->next;
    pthread_mutex_unlock(&sw_selves_lock);
    sw_current = NULL;
    sw_fault_unprepare(self);
    sw_fibers_free(self->fibers);
    free(self->voice.bytes);
    free(self);
}

static void make_key(void)
{
    pthread_key_create(&self_key, self_free);
}

struct sw_self *sw_self_get(void)
{
    if (sw_current)
        return sw_current;
    pthread_once(&self_once, make_key);
    struct sw_self *self = aligned_alloc(64, (sizeof *self + 63) / 64 * 64);
    if (!self)
        return NULL;
    *self = (struct sw_self){.thread = pthread_self()};
    if (!sw_fault_prepare(self) || pthread_setspecific(self_key, self) != 0) {
        sw_fault_unprepare(self);
        free(self);
        return NULL;
    }
    pthread_mutex_lock(&sw_selves_lock);
    self->next = sw_selves;
    sw_selves = self;
    pthread_mutex_unlock(&sw_selves_lock);
    sw_current = self;
    return self;
}

/* ---- the ready list ---- */

void sw_ready_remove(mp_queue *queue)
{
    *(queue->ready_previous ? &queue->ready_previous->ready_next : &sw_device.ready_first) = queue->ready_next;
    *(queue->ready_next ? &queue->ready_next->ready_previous : &sw_device.ready_last) = queue->ready_previous;
    queue->in_ready = false;
    atomic_fetch_sub_explicit(&sw_device.ready_count, 1, memory_order_relaxed);
}

static void *worker_main(void *unused);

static bool start_worker(void)
{
    pthread_t thread;
    pthread_attr_t attributes;
    sigset_t all, before;
    /* Signals for the process belong to its own threads; faults cannot be blocked. */
    sigfillset(&all);
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        sigdelset(&all, faults[i]);
    for (int i = SIGRTMIN; i <= SIGRTMAX; i++)
        sigdelset(&all, i);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, WORKER_STACK);
    bool started = pthread_create(&thread, &attributes, worker_main, NULL) == 0;
    pthread_attr_destroy(&attributes);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

void sw_ready_push(mp_queue *queue, uint32_t wake)
{
    struct mp_device *device = &sw_device;
    if (!queue->in_ready) {
        queue->ready_next = NULL;
        queue->ready_previous = device->ready_last;
        *(device->ready_last ? &device->ready_last->ready_next : &device->ready_first) = queue;
        device->ready_last = queue;
        queue->in_ready = true;
        atomic_fetch_add_explicit(&device->ready_count, 1, memory_order_relaxed);
    }
    /* With one thread a worker is still needed: for queues that nobody waits for. */
    uint32_t limit = device->threads > 1 ? device->threads - 1 : 1;
    for (; wake && device->sleeping; wake--) {
        device->sleeping--;
        device->tokens++;
        pthread_cond_signal(&device->work);
    }
    for (; wake && device->workers < limit && start_worker(); wake--)
        device->workers++;
}

/* All workers can be stuck in kernels that never end, while the caller's progress depends on another queue. */
void sw_wait_slice(pthread_cond_t *condition, uint64_t deadline)
{
    uint64_t end = sw_now() + SLICE_NS;
    if (sw_condition_wait(condition, end < deadline ? end : deadline))
        return;
    struct mp_device *device = &sw_device;
    for (mp_queue *queue = device->ready_first; queue; queue = queue->ready_next) {
        if (queue->state != SW_READY || device->sleeping || device->tokens)
            continue;
        if (device->workers < device->threads + EXTRA_WORKERS && start_worker())
            device->workers++;
        break;
    }
}

/* ---- workers ---- */

/* Under the lock: takes a seat or a driver role. NULL when there is nothing to do. */
static mp_queue *take(bool *joined)
{
    mp_queue *queue;
    while ((queue = sw_device.ready_first)) {
        if (queue->state == SW_READY) {
            sw_ready_remove(queue);
            queue->state = SW_ACTIVE;
            *joined = false;
            return queue;
        }
        if (queue->state == SW_ACTIVE && queue->published && queue->seats > 0 &&
            atomic_load_explicit(&queue->job.next, memory_order_relaxed) < queue->job.total) {
            queue->participants++;
            if (--queue->seats == 0)
                sw_ready_remove(queue);
            *joined = true;
            return queue;
        }
        sw_ready_remove(queue);
    }
    return NULL;
}

static void sleep_until_woken(void)
{
    sw_device.sleeping++;
    while (sw_device.tokens == 0)
        pthread_cond_wait(&sw_device.work, &sw_device.lock);
    sw_device.tokens--;
}

static void *worker_main(void *unused)
{
    (void)unused;
    pthread_setname_np(pthread_self(), "metalpy-worker");
    struct sw_self *self = sw_self_get();
    const struct sw_errand errand = {.waiting = false, .deadline = MP_FOREVER};
    pthread_mutex_lock(&sw_device.lock);
    if (!self) {
        sw_device.workers--;
        pthread_mutex_unlock(&sw_device.lock);
        return NULL;
    }
    bool spun = false;
    for (;;) {
        bool joined;
        mp_queue *queue = take(&joined);
        if (queue) {
            pthread_mutex_unlock(&sw_device.lock);
            sw_drive(queue, self, &errand, joined);
            spun = false;
        } else if (!spun) {
            pthread_mutex_unlock(&sw_device.lock);
            for (int i = 0; i < SW_SPINS && !atomic_load_explicit(&sw_device.ready_count, memory_order_relaxed); i++)
                sw_pause();
            spun = true;
        } else {
            sleep_until_woken();
            spun = false;
            continue;
        }
        pthread_mutex_lock(&sw_device.lock);
    }
}
