/* test_fault.c: faults, time limits, interrupts, fork() and exit. What may end a process runs in a child. */
#include "check.h"

#include <setjmp.h>
#include <signal.h>
#include <sys/wait.h>

static void after_fault(mp_queue *queue, mp_pipeline *pipeline, mp_buffer *out, mp_buffer *mode, uint32_t threads)
{
    *(uint32_t *)mp->buffer_contents(mode) = 0;
    memset(mp->buffer_contents(out), 0, threads * 4);
    LAUNCH(queue, pipeline, threads, 64, at(0, out), at(1, mode));
    OK(mp->queue_wait(queue, UINT64_MAX, MP_FOREVER, error));
    for (uint32_t i = 0; i < threads; i++)
        if (((uint32_t *)mp->buffer_contents(out))[i] != 5) {
            CHECK(0, "thread %u did not run after a fault", i);
            return;
        }
}

static void fault(const char *name, uint32_t mode, const char *text, const char *place)
{
    mp_pipeline *pipeline = load(name);
    mp_queue *queue = new_queue();
    mp_buffer *out = new_buffer(1 << 16), *modes = new_buffer(4);
    uint32_t threads = 1 << 12;
    uint64_t serial = 0;
    for (int i = 0; i < 3; i++) {
        *(uint32_t *)mp->buffer_contents(modes) = mode;
        LAUNCH(queue, pipeline, threads, 64, at(0, out), at(1, modes));
        OK(mp->queue_fill(queue, out, 0, 4, "\xff", 1, &serial, error)); /* the queue goes on behind a failure */
        mp_error report = {0};
        mp_status status = mp->queue_wait(queue, UINT64_MAX, MP_FOREVER, &report);
        CHECK(status == MP_ERROR_FAULT && report.code == status, "%s(%u): %d %s", name, mode, status, report.message);
        CHECK(strstr(report.message, name) && strstr(report.message, text) && strstr(report.message, place),
              "%s(%u): '%s'", name, mode, report.message);
        CHECK(mp->queue_completed(queue) == serial && *(uint32_t *)mp->buffer_contents(out) == UINT32_MAX);
        OK(mp->queue_wait(queue, UINT64_MAX, MP_FOREVER, error)); /* reported once */
        after_fault(queue, pipeline, out, modes, threads);
    }
    /* On a worker. */
    *(uint32_t *)mp->buffer_contents(modes) = mode;
    LAUNCH(queue, pipeline, threads, 64, at(0, out), at(1, modes));
    OK(mp->queue_commit(queue, error));
    for (int i = 0; i < 5000 && mp->queue_completed(queue) < serial + 2; i++)
        pause_ms(1);
    CHECK(mp->queue_completed(queue) == serial + 2);
    FAILS(MP_ERROR_FAULT, text, mp->queue_wait(queue, UINT64_MAX, MP_FOREVER, error));
    mp->buffer_release(out);
    mp->buffer_release(modes);
    mp->queue_release(queue);
    mp->pipeline_release(pipeline);
}

static sigjmp_buf recovered;
static void own_handler(int number)
{
    siglongjmp(recovered, number);
}

/* Runs `body` in a child that opens the device itself; returns its wait status. The caller has no device in use that
 * the child would touch: children are made by exec, since a fork after use is an error. */
static int child(const char *what, int limit_s)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        char self[4096];
        ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
        self[length > 0 ? length : 0] = 0;
        setenv("CHILD", what, 1);
        if (!strncmp(what, "exit-", 5))
            setenv("ASAN_OPTIONS", "detect_leaks=0", 1); /* they leave things behind on purpose */
        execl(self, self, NULL);
        _exit(99);
    }
    int status = -1;
    for (int i = 0; i < limit_s * 100; i++) {
        if (waitpid(pid, &status, WNOHANG) == pid)
            return status;
        pause_ms(10);
    }
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    CHECK(0, "child '%s' hung", what);
    return -1;
}

void test_fault(void)
{
    fault("fault", 1, "address 0x8", "(3, 0, 0)");
    fault("fault", 2, "address 0x7fff00000000", "(3, 0, 0)");
    fault("fault", 3, "divided an integer by zero", "(3, 0, 0)");
    fault("fault", 4, "trap", "(3, 0, 0)");
#ifdef __x86_64__
    fault("fault", 5, "invalid address", "(3, 0, 0)");
    fault("fault", 6, "misaligned address", "(3, 0, 0)");
    fault("fault", 7, "misaligned address", "(3, 0, 0)");
#endif
    fault("fault_fibers", 1, "address 0x8", "(1, 0, 0)");
    fault("fault_fibers", 3, "divided an integer by zero", "(1, 0, 0)");
    fault("fault_fibers", 6, "overflowed its stack", "(1, 0, 0)");

    mp_pipeline *overflow = load("overflow");
    mp_queue *queue = new_queue();
    mp_buffer *out = new_buffer(256);
    LAUNCH(queue, overflow, 1, 1, at(0, out));
    FAILS(MP_ERROR_FAULT, "'overflow' overflowed its stack", mp->queue_wait(queue, UINT64_MAX, MP_FOREVER, error));
    LAUNCH(queue, overflow, 1, 1, at(0, out)); /* and on a worker's stack */
    OK(mp->queue_commit(queue, error));
    while (mp->queue_completed(queue) < 2)
        pause_ms(1);
    FAILS(MP_ERROR_FAULT, "'overflow' overflowed its stack", mp->queue_wait(queue, UINT64_MAX, MP_FOREVER, error));
    /* Memory that its owner has taken away. */
    mp->buffer_release(out);
    mp->pipeline_release(overflow);

    /* A null pointer where a buffer was left out. */
    mp_pipeline *increment = load("increment");
    OK(launch(queue, increment, 1, 1, NULL, 0, error));
    FAILS(MP_ERROR_FAULT, "null pointer", mp->queue_wait(queue, UINT64_MAX, MP_FOREVER, error));
    /* The first of two failures counts. */
    mp_pipeline *broken = load("fault");
    uint32_t mode = 3;
    mp_buffer *big = new_buffer(4096);
    LAUNCH(queue, broken, 512, 64, at(0, big), bytes(1, &mode, 4));
    OK(launch(queue, increment, 1, 1, NULL, 0, error));
    FAILS(MP_ERROR_FAULT, "'fault' divided", mp->queue_wait(queue, UINT64_MAX, MP_FOREVER, error));
    OK(mp->queue_wait(queue, UINT64_MAX, MP_FOREVER, error));
    mp->pipeline_release(broken);
    mp->pipeline_release(increment);
    mp->buffer_release(big);
    mp->queue_release(queue);

    CHECK(WIFEXITED(child("own-handler", 20)));
    int status = child("own-handler", 20);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%x", (unsigned)status);
#if !defined(ASAN) && !defined(TSAN) /* they report such faults themselves */
    status = child("real-fault", 20);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV, "%x", (unsigned)status);
    status = child("raised-fault", 20);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGFPE, "%x", (unsigned)status);
#endif
}

/* ---- time limits ---- */

static void limited(const char *name)
{
    mp_pipeline *spin = load(name), *increment = load("increment");
    mp_queue *queue = new_queue();
    mp_buffer *out = new_buffer(4096), *flag = new_buffer(4);
    for (int i = 0; i < 4; i++) {
        OK(mp->device_set_time_limit(device, 50000000, error));
        double start = seconds();
        LAUNCH(queue, spin, 256, 32, at(0, out), at(1, flag));
        if (i % 2)
            OK(mp->queue_commit(queue, error));
        mp_status status;
        mp_error report = {0};
        while ((status = mp->queue_wait(queue, UINT64_MAX, i < 2 ? MP_FOREVER : 10000000, &report)) == MP_TIMEOUT) {
        }
        double taken = seconds() - start;
        CHECK(status == MP_ERROR_TIME_LIMIT && strstr(report.message, name) && strstr(report.message, "0.050 s"),
              "%d '%s'", status, report.message);
        CHECK(taken > 0.049 && taken < 1.5, "%.3f s", taken);
        OK(mp->device_set_time_limit(device, 0, error));
        *(uint32_t *)mp->buffer_contents(flag) = 1;
        LAUNCH(queue, spin, 256, 32, at(0, out), at(1, flag));
        OK(mp->queue_wait(queue, UINT64_MAX, MP_FOREVER, error));
        CHECK(((uint32_t *)mp->buffer_contents(out))[255] == 7);
        memset(mp->buffer_contents(out), 0, 4096);
        *(uint32_t *)mp->buffer_contents(flag) = 0;
    }
    /* Many groups that are short each: stopped between groups. */
    mp_pipeline *slow = load("slow");
    mp_buffer *large = new_buffer(1 << 24);
    uint32_t rounds = 20000;
    OK(mp->device_set_time_limit(device, 20000000, error));
    LAUNCH(queue, slow, 1 << 22, 32, at(0, large), bytes(1, &rounds, 4));
    FAILS(MP_ERROR_TIME_LIMIT, "'slow'", mp->queue_wait(queue, UINT64_MAX, MP_FOREVER, error));
    LAUNCH(queue, increment, 256, 32, at(0, large)); /* within the limit */
    OK(mp->queue_wait(queue, UINT64_MAX, MP_FOREVER, error));
    OK(mp->device_set_time_limit(device, 0, error));
    mp->buffer_release(large);
    mp->pipeline_release(slow);
    mp->pipeline_release(increment);
    mp->buffer_release(out);
    mp->buffer_release(flag);
    mp->queue_release(queue);
    mp->pipeline_release(spin);
}

void test_limit(void)
{
#ifdef TSAN
    printf("limit: skipped, ThreadSanitizer delays signals until a kernel that never ends has ended\n");
    (void)limited;
#else
    limited("spin");
    limited("spin_fibers");
    int status = child("interrupt", 20);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%x", (unsigned)status);
#endif
}

/* ---- processes ---- */

__attribute__((unused)) static void in_forked_child(mp_queue *queue, mp_buffer *buffer, mp_pipeline *pipeline, mp_event *event)
{
    mp_device *other;
    mp_buffer *another;
    mp_queue *queue2;
    mp_event *event2;
    FAILS(MP_ERROR_FORKED, "spawn", mp->device_open(0, &other, error));
    FAILS(MP_ERROR_FORKED, "fork", mp->buffer_create(device, 16, 0, &another, error));
    FAILS(MP_ERROR_FORKED, "fork", mp->buffer_wrap(device, &another, 8, NULL, NULL, &another, error));
    FAILS(MP_ERROR_FORKED, "fork", mp->queue_create(device, &queue2, error));
    FAILS(MP_ERROR_FORKED, "fork", launch(queue, pipeline, 1, 1, NULL, 0, error));
    FAILS(MP_ERROR_FORKED, "fork", mp->queue_copy(queue, buffer, 0, buffer, 8, 8, NULL, error));
    FAILS(MP_ERROR_FORKED, "fork", mp->queue_fill(queue, buffer, 0, 1, "a", 1, NULL, error));
    FAILS(MP_ERROR_FORKED, "fork", mp->queue_signal_event(queue, event, 1, NULL, error));
    FAILS(MP_ERROR_FORKED, "fork", mp->queue_wait_event(queue, event, 1, NULL, error));
    FAILS(MP_ERROR_FORKED, "fork", mp->queue_commit(queue, error));
    FAILS(MP_ERROR_FORKED, "fork", mp->queue_wait(queue, UINT64_MAX, MP_FOREVER, error));
    FAILS(MP_ERROR_FORKED, "fork", mp->event_create(device, &event2, error));
    FAILS(MP_ERROR_FORKED, "fork", mp->event_signal(event, 9, error));
    FAILS(MP_ERROR_FORKED, "fork", mp->event_wait(event, 9, MP_FOREVER, error));
    FAILS(MP_ERROR_FORKED, "fork", mp->device_set_time_limit(device, 1, error));
    CHECK(mp->event_value(event) == 0 && mp->queue_completed(queue) == 0);
    mp->buffer_release(buffer);
    mp->event_release(event);
    mp->queue_release(queue);
    mp->pipeline_release(pipeline);
    mp->device_release(device);
    exit(failures != 0);
}

void test_process(void)
{
    mp_pipeline *spin = load("spin");
    mp_queue *queue = new_queue();
    mp_event *event = new_event();
    mp_buffer *out = new_buffer(4096), *flag = new_buffer(4);
    LAUNCH(queue, spin, 64, 32, at(0, out), at(1, flag));
    OK(mp->queue_commit(queue, error)); /* a worker is inside a kernel while we fork */
    pause_ms(20);
    fflush(NULL);
#ifndef TSAN /* does not support a fork of several threads that then starts none */
    int before = failures;
    pid_t pid = fork();
    if (pid == 0) {
        failures = 0;
        in_forked_child(queue, out, spin, event);
    }
    int status = -1, done = 0;
    for (int i = 0; i < 2000 && !done; i++) {
        done = waitpid(pid, &status, WNOHANG) == pid;
        pause_ms(10);
    }
    CHECK(done && WIFEXITED(status) && WEXITSTATUS(status) == 0, "forked child: %x", (unsigned)status);
    CHECK(failures == before);
    if (!done)
        kill(pid, SIGKILL);
#endif
    __atomic_store_n((uint32_t *)mp->buffer_contents(flag), 1, __ATOMIC_RELEASE);
    OK(mp->queue_wait(queue, UINT64_MAX, MP_FOREVER, error));
    mp->queue_release(queue);
    mp->event_release(event);
    mp->buffer_release(out);
    mp->buffer_release(flag);
    mp->pipeline_release(spin);

    static const char *const children[] = {"exit-busy", "exit-parked", "exit-recorded", "threads-bad", "threads-1", "threads-7"};
    for (size_t i = 0; i < COUNT(children); i++) {
        int exit_status = child(children[i], 30);
        CHECK(WIFEXITED(exit_status) && WEXITSTATUS(exit_status) == 0, "'%s': %x", children[i], (unsigned)exit_status);
    }
}

/* ---- what the children do; returns the exit status ---- */

static int own_handler_child(void)
{
    struct sigaction mine = {.sa_handler = own_handler, .sa_flags = SA_NODEFER};
    sigaction(SIGSEGV, &mine, NULL);
    sigaction(SIGFPE, &mine, NULL);
    OK(mp->device_open(0, &device, error));
    mp_pipeline *increment = load("increment");
    mp_queue *queue = new_queue();
    for (int i = 0; i < 5; i++) {
        /* Faults of others still reach the handler that was there before, every time. */
        volatile int caught = sigsetjmp(recovered, 1);
        if (!caught)
            raise(i % 2 ? SIGFPE : SIGSEGV);
        CHECK(caught == (i % 2 ? SIGFPE : SIGSEGV), "round %d", i);
#if !defined(ASAN) && !defined(TSAN)
        if (sigsetjmp(recovered, 1) == 0) {
            *(volatile int *)16 = 1;
            CHECK(0, "not reached");
        }
#endif
        OK(launch(queue, increment, 1, 1, NULL, 0, error));
        FAILS(MP_ERROR_FAULT, "null pointer", mp->queue_wait(queue, UINT64_MAX, MP_FOREVER, error));
    }
    return failures != 0;
}

static volatile sig_atomic_t interrupts;
static void count_interrupt(int number)
{
    (void)number;
    interrupts++;
}

static void *interrupt_soon(void *pid)
{
    pause_ms(300);
    kill(*(pid_t *)pid, SIGINT);
    return NULL;
}

/* A kernel that was always quick runs away on the waiting thread; Ctrl-C gets it out. */
static int interrupt_child(void)
{
    struct sigaction mine = {.sa_handler = count_interrupt};
    sigaction(SIGINT, &mine, NULL);
    OK(mp->device_open(0, &device, error));
    mp_pipeline *spin = load("spin");
    mp_queue *queue = new_queue();
    mp_buffer *out = new_buffer(4096), *flag = new_buffer(4);
    *(uint32_t *)mp->buffer_contents(flag) = 1;
    for (int i = 0; i < 20; i++) {
        LAUNCH(queue, spin, 32, 32, at(0, out), at(1, flag));
        OK(mp->queue_wait(queue, UINT64_MAX, MP_FOREVER, error));
    }
    *(uint32_t *)mp->buffer_contents(flag) = 0;
    LAUNCH(queue, spin, 32, 32, at(0, out), at(1, flag));
    pid_t pid = getpid();
    pthread_t thread;
    pthread_create(&thread, NULL, interrupt_soon, &pid);
    double start = seconds();
    mp_error report = {0};
    mp_status status;
    while ((status = mp->queue_wait(queue, UINT64_MAX, 50000000, &report)) == MP_TIMEOUT && seconds() - start < 15) {
    }
    CHECK(status == MP_ERROR_TIME_LIMIT && strstr(report.message, "'spin' was interrupted"), "%d '%s'", status, report.message);
    CHECK(interrupts == 1);
    pthread_join(thread, NULL);
    pause_ms(100); /* the hook is gone again */
    struct sigaction now;
    sigaction(SIGINT, NULL, &now);
    CHECK(now.sa_handler == count_interrupt);
    *(uint32_t *)mp->buffer_contents(flag) = 1;
    LAUNCH(queue, spin, 32, 32, at(0, out), at(1, flag));
    OK(mp->queue_wait(queue, UINT64_MAX, MP_FOREVER, error));
    return failures != 0;
}

static int exit_child(const char *what)
{
    OK(mp->device_open(0, &device, error));
    mp_buffer *out = new_buffer(1 << 16), *flag = new_buffer(4);
    for (int i = 0; i < 3; i++) {
        mp_queue *queue = new_queue();
        if (!strcmp(what, "exit-parked"))
            OK(mp->queue_wait_event(queue, new_event(), 1, NULL, error));
        LAUNCH(queue, load(strcmp(what, "exit-recorded") ? "spin" : "increment"), 64, 32, at(0, out), at(1, flag));
        if (strcmp(what, "exit-recorded"))
            OK(mp->queue_commit(queue, error));
    }
    pause_ms(20);
    return failures != 0;
}

static int threads_child(const char *count)
{
    setenv("METALPY_NUM_THREADS", count, 1);
    if (atoi(count) == 0) {
        FAILS(MP_ERROR_INVALID, "METALPY_NUM_THREADS", mp->device_open(0, &device, error));
        return failures != 0;
    }
    OK(mp->device_open(0, &device, error));
    mp_device_info info;
    mp->device_info(device, &info);
    CHECK(info.core_count == (uint32_t)atoi(count));
    test_grid();
    test_simd();
    test_queue();
    test_event();
    test_wait();
    return failures != 0;
}

/* main() is too late for a child to avoid opening the device. */
static __attribute__((constructor)) void run_child(void)
{
    const char *what = getenv("CHILD");
    if (!what)
        return;
    mp = mp_software_driver();
    if (!strcmp(what, "own-handler"))
        exit(own_handler_child());
    if (!strcmp(what, "interrupt"))
        exit(interrupt_child());
    if (!strcmp(what, "threads-bad"))
        exit(threads_child("many"));
    if (!strncmp(what, "threads-", 8))
        exit(threads_child(what + 8));
    if (!strncmp(what, "exit-", 5))
        exit(exit_child(what));
    OK(mp->device_open(0, &device, error));
    if (!strcmp(what, "real-fault"))
        *(volatile int *)16 = 1;
    if (!strcmp(what, "raised-fault"))
        raise(SIGFPE);
    exit(98);
}
