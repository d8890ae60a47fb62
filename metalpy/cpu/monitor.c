/* monitor.c: a thread that pulls others out of kernels which run too long.
 *
 * It watches two deadlines of each thread. `deadline` comes from the device's time limit: past it the kernel is
 * stopped. `expected` is when a caller that waits with a timeout meant to be back (see sw_may_help): being late is no
 * reason to stop a kernel, but the caller is then deaf to Ctrl-C, so from then on a SIGINT stops the kernel, after
 * its usual handler has run. The hook on SIGINT is in place only while somebody is late.
 *
 * The thread starts at the first deadline and sleeps for good when there was none for a second.
 */
#include "software.h"

#include <stdlib.h>

#define SLICE_NS UINT64_C(20000000)
#define SHORTEST_NS UINT64_C(500000)
#define IDLE_SLICES 50

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wake;
static bool started;               /* under lock */
static _Atomic bool awake;         /* written under lock; false only while the thread sleeps for good */

static struct sigaction usual;     /* SIGINT's, while hooked */
static bool hooked;                /* monitor thread only */
static _Atomic bool interrupted;   /* set by the hook */

static void on_interrupt(int number, siginfo_t *info, void *context)
{
    if (usual.sa_flags & SA_SIGINFO) {
        usual.sa_sigaction(number, info, context);
    } else if (usual.sa_handler == SIG_DFL) {
        sigaction(SIGINT, &usual, NULL);
        raise(SIGINT);
    } else if (usual.sa_handler != SIG_IGN) {
        usual.sa_handler(number);
    }
    atomic_store(&interrupted, true); /* the monitor does the rest */
}

static void hook(bool want)
{
    struct sigaction now;
    if (want == hooked)
        return;
    if (want) {
        if (sigaction(SIGINT, NULL, &usual) != 0)
            return;
        if (!(usual.sa_flags & SA_SIGINFO) && usual.sa_handler == SIG_IGN)
            return;
        atomic_store(&interrupted, false);
        struct sigaction ours = {.sa_sigaction = on_interrupt, .sa_flags = usual.sa_flags | SA_SIGINFO};
        ours.sa_mask = usual.sa_mask;
        hooked = sigaction(SIGINT, &ours, NULL) == 0;
    } else {
        if (sigaction(SIGINT, NULL, &now) == 0 && (now.sa_flags & SA_SIGINFO) && now.sa_sigaction == on_interrupt)
            sigaction(SIGINT, &usual, NULL);
        hooked = false;
    }
}

/* Signals whom it must; returns how long it may sleep, MP_FOREVER if nobody has a deadline. */
static uint64_t look(int stop)
{
    uint64_t now = sw_now(), sleep = MP_FOREVER;
    bool late = false, interrupt = atomic_load(&interrupted);
    pthread_mutex_lock(&sw_selves_lock);
    for (struct sw_self *self = sw_selves; self; self = self->next) {
        uint64_t deadline = atomic_load(&self->deadline), expected = atomic_load(&self->expected);
        if ((deadline || expected) && sleep > SLICE_NS)
            sleep = SLICE_NS;
        if (deadline > now && deadline - now < sleep)
            sleep = deadline - now;
        if (expected && now > expected + SLICE_NS) {
            late = true;
            if (interrupt)
                atomic_store(&self->interrupted, true);
        } else {
            atomic_store(&self->interrupted, false);
        }
        if ((deadline && deadline <= now) || atomic_load(&self->interrupted)) {
            if (!atomic_exchange(&self->stop_sent, true) && pthread_kill(self->thread, stop) != 0)
                atomic_store(&self->stop_sent, false);
            sleep = SHORTEST_NS; /* again, should this one miss the kernel */
        }
    }
    pthread_mutex_unlock(&sw_selves_lock);
    if (interrupt && !late)
        atomic_store(&interrupted, false);
    hook(late);
    return sleep;
}

static void *monitor_main(void *unused)
{
    (void)unused;
    int stop = sw_stop_signal();
    unsigned idle = 0;
    pthread_setname_np(pthread_self(), "metalpy-monitor");
    pthread_mutex_lock(&lock);
    for (;;) {
        pthread_mutex_unlock(&lock);
        uint64_t sleep = look(stop);
        pthread_mutex_lock(&lock);
        idle = sleep == MP_FOREVER ? idle + 1 : 0;
        if (idle > IDLE_SLICES) {
            /* Sleep for good, unless somebody has set a deadline and then still saw us awake. */
            atomic_store(&awake, false);
            pthread_mutex_unlock(&lock);
            sleep = look(stop);
            pthread_mutex_lock(&lock);
            while (sleep == MP_FOREVER && !atomic_load(&awake))
                pthread_cond_wait(&wake, &lock);
            atomic_store(&awake, true);
            idle = 0;
            continue;
        }
        /* New deadlines can be as short as the limit. */
        uint64_t limit = atomic_load(&sw_device.time_limit), slice = SLICE_NS;
        if (limit && limit / 4 < slice)
            slice = limit / 4;
        if (slice < SHORTEST_NS)
            slice = SHORTEST_NS;
        if (sleep > slice)
            sleep = slice;
        uint64_t until = sw_now() + sleep;
        struct timespec time = {(time_t)(until / UINT64_C(1000000000)), (long)(until % UINT64_C(1000000000))};
        pthread_cond_timedwait(&wake, &lock, &time);
    }
    return NULL;
}

static void start(void)
{
    pthread_t thread;
    pthread_attr_t attributes;
    sigset_t all, before;
    sw_condition_init(&wake);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, 1 << 17);
    started = sw_stop_signal() && pthread_create(&thread, &attributes, monitor_main, NULL) == 0;
    pthread_attr_destroy(&attributes);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void sw_monitor_watch(void)
{
    if (atomic_load(&awake))
        return;
    pthread_mutex_lock(&lock);
    if (!started)
        start();
    if (started && !atomic_load(&awake)) {
        atomic_store(&awake, true);
        pthread_cond_signal(&wake);
    }
    pthread_mutex_unlock(&lock);
}
