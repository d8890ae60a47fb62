/* fault.c: kernels that do something illegal end their dispatch, not the process.
 *
 * The handlers jump out of the kernel to the frame in group.c. That is sound because kernel code owns nothing: it
 * holds no lock and allocates nothing, and the lanes of a threadgroup are thrown away as a whole. Signals that come
 * from anywhere else go to whoever handled them before.
 */
#include "software.h"
#include "fiber.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <ucontext.h>

#define NEAR_STACK 65536 /* an access this close to the stack pointer is an overflow of the stack */

static const struct {
    int number;
    const char *name;
} faults[] = {{SIGSEGV, "SIGSEGV"}, {SIGBUS, "SIGBUS"}, {SIGFPE, "SIGFPE"}, {SIGILL, "SIGILL"}, {SIGTRAP, "SIGTRAP"}};
#define FAULTS (sizeof faults / sizeof *faults)

static pthread_mutex_t install_lock = PTHREAD_MUTEX_INITIALIZER;
static struct sigaction previous[FAULTS]; /* written under install_lock before ours is in place */
/* Where the thread's handler called the previous one, until that returns. */
static __thread uintptr_t chain_frame __attribute__((tls_model("initial-exec")));

/* The caller has reset in_kernel already: further signals to stop must find nothing to do. */
static __attribute__((noreturn)) void leave_kernel(struct sw_self *self, const void *context)
{
    self->mask = ((const ucontext_t *)context)->uc_sigmask;
    const mp_group *group = self->group;
    self->fault.has_group = group != NULL;
    for (int i = 0; group && i < 3; i++)
        self->fault.group[i] = group->position[i];
    self->fault.elapsed = sw_now() - self->job->started;
    if (self->fibers)
        sw_fibers_leave(self->fibers);
    siglongjmp(self->recover, 1);
}

static uintptr_t stack_pointer(const void *context)
{
#if defined(__x86_64__)
    return (uintptr_t)((const ucontext_t *)context)->uc_mcontext.gregs[REG_RSP];
#elif defined(__aarch64__)
    return (uintptr_t)((const ucontext_t *)context)->uc_mcontext.sp;
#else
    (void)context;
    return 0;
#endif
}

static bool is_overflow(const struct sw_self *self, uintptr_t address, uintptr_t pointer)
{
    if (self->fibers && sw_fibers_guards(self->fibers, address))
        return true;
    return pointer && address + NEAR_STACK >= pointer && address < pointer + 4096;
}

/* x86 reports an instruction that wants its operand aligned like one to an address that is none: it has to be read. */
static bool wants_alignment(const void *context)
{
#if defined(__x86_64__)
    const uint8_t *code = (const uint8_t *)((const ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
    bool wide = false; /* the prefix of the integer moves */
    for (; *code == 0x66 || *code == 0xf2 || *code == 0xf3 || (*code & 0xf0) == 0x40; code++)
        wide = wide || *code == 0x66;
    switch (*code) {
    case 0x0f: /* SSE */
        code += 1;
        break;
    case 0xc5: /* AVX, AVX-512 */
        wide = (code[1] & 3) == 1;
        code += 2;
        break;
    case 0xc4:
        wide = (code[2] & 3) == 1;
        code += 3;
        break;
    case 0x62:
        wide = (code[2] & 3) == 1;
        code += 4;
        break;
    default:
        return false;
    }
    if (*code == 0x28 || *code == 0x29 || *code == 0x2b)
        return true;
    return wide && (*code == 0x6f || *code == 0x7f || *code == 0xe7);
#else
    (void)context;
    return false;
#endif
}

/* Where no instruction makes a fault of a division by zero, the compiler puts a trap: see compiler/division.py. */
static bool is_division(int number, const siginfo_t *info)
{
#if defined(__aarch64__)
    return number == SIGTRAP && *(const uint32_t *)info->si_addr == 0xd4200000 + (0x5503 << 5); /* brk #0x5503 */
#else
    (void)info;
    return number == SIGFPE;
#endif
}

static void call_previous(const struct sigaction *old, int number, siginfo_t *info, void *context)
{
    chain_frame = (uintptr_t)__builtin_frame_address(0);
    if (old->sa_flags & SA_SIGINFO)
        old->sa_sigaction(number, info, context);
    else
        old->sa_handler(number);
    chain_frame = 0;
}

/* Everything not ours. A handler may put back the one before it and raise the signal again (faulthandler does); if
 * that one is ours, the two would call each other for ever. So a signal that the thread sends itself from inside the
 * previous handler, seen by its frame lying a little deeper, gets the default action. */
static void chain(size_t index, siginfo_t *info, void *context)
{
    int number = faults[index].number;
    const struct sigaction *old = &previous[index];
    bool sent = info->si_code <= 0;
    uintptr_t frame = (uintptr_t)__builtin_frame_address(0);
    bool nested = sent && info->si_pid == getpid() && frame < chain_frame && chain_frame - frame < NEAR_STACK / 2;
    bool handled = (old->sa_flags & SA_SIGINFO) || (old->sa_handler != SIG_DFL && old->sa_handler != SIG_IGN);
    if (handled && !nested) {
        call_previous(old, number, info, context);
        return;
    }
    if (!handled && old->sa_handler == SIG_IGN && sent)
        return;
    struct sigaction standard = {.sa_handler = SIG_DFL};
    sigaction(number, &standard, NULL);
    if (sent)
        raise(number);
    /* Otherwise the faulting instruction runs again and ends the process. */
}

static void on_fault(int number, siginfo_t *info, void *context)
{
    struct sw_self *self = sw_current;
    size_t index = 0;
    while (faults[index].number != number)
        index++;
    if (!self || !self->in_kernel || info->si_code <= 0) {
        chain(index, info, context);
        return;
    }
    self->in_kernel = 0;
    struct sw_fault *fault = &self->fault;
    fault->has_address = false;
    if (is_division(number, info)) {
        fault->cause = SW_DIVISION;
    } else if (number == SIGSEGV || number == SIGBUS) {
        uintptr_t address = (uintptr_t)info->si_addr;
        fault->cause = is_overflow(self, address, stack_pointer(context)) ? SW_STACK_OVERFLOW : SW_BAD_ADDRESS;
        /* x86 does not tell the address when it is misaligned or not a canonical one. */
        fault->has_address = info->si_code != SI_KERNEL;
        if (number == SIGBUS ? info->si_code == BUS_ADRALN : !fault->has_address && wants_alignment(context))
            fault->cause = SW_MISALIGNED;
        fault->address = address;
    } else {
        fault->cause = SW_TRAP;
    }
    leave_kernel(self, context);
}

void sw_fault_install(void)
{
    pthread_mutex_lock(&install_lock);
    for (size_t i = 0; i < FAULTS; i++) {
        struct sigaction now;
        if (sigaction(faults[i].number, NULL, &now) != 0)
            continue;
        if ((now.sa_flags & SA_SIGINFO) && now.sa_sigaction == on_fault)
            continue;
        previous[i] = now;
        /* SA_NODEFER: a previous handler may raise the signal again and rely on its coming at once. */
        struct sigaction ours = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
        sigemptyset(&ours.sa_mask);
        sigaction(faults[i].number, &ours, NULL);
    }
    pthread_mutex_unlock(&install_lock);
}

/* ---- alternate stacks: a handler cannot run on the stack that overflowed ---- */

bool sw_fault_prepare(struct sw_self *self)
{
    stack_t now;
    /* A thread that already has one keeps it, so nothing needs to be restored later. */
    if (sigaltstack(NULL, &now) == 0 && !(now.ss_flags & SS_DISABLE) && now.ss_size >= 8192)
        return true;
    void *memory = mmap(NULL, SW_ALTERNATE_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return false;
    stack_t ours = {.ss_sp = memory, .ss_size = SW_ALTERNATE_STACK};
    sigaltstack(&ours, NULL);
    self->alternate_stack = memory;
    return true;
}

void sw_fault_unprepare(struct sw_self *self)
{
    if (!self->alternate_stack)
        return;
    stack_t now;
    if (sigaltstack(NULL, &now) == 0 && now.ss_sp == self->alternate_stack) {
        stack_t none = {.ss_flags = SS_DISABLE};
        sigaltstack(&none, NULL);
    }
    munmap(self->alternate_stack, SW_ALTERNATE_STACK);
    self->alternate_stack = NULL;
}

/* ---- being stopped ---- */

static void on_stop(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)info;
    struct sw_self *self = sw_current;
    if (!self)
        return;
    atomic_store(&self->stop_sent, false);
    if (!self->in_kernel || sw_fiber_switching)
        return; /* the loop over chunks looks at the clock itself; the monitor tries again */
    uint64_t now = sw_now(), deadline = atomic_load(&self->deadline), expected = atomic_load(&self->expected);
    if (deadline && now >= deadline)
        self->fault.cause = SW_TOO_LONG;
    else if (expected && now > expected && atomic_load(&self->interrupted))
        self->fault.cause = SW_INTERRUPTED;
    else
        return; /* meant for a kernel that has ended meanwhile */
    self->in_kernel = 0;
    self->fault.has_address = false;
    leave_kernel(self, context);
}

int sw_stop_signal(void)
{
    static int chosen; /* under install_lock */
    pthread_mutex_lock(&install_lock);
    for (int number = SIGRTMAX - 1; !chosen && number > SIGRTMIN; number--) {
        struct sigaction now;
        if (sigaction(number, NULL, &now) != 0 || (now.sa_flags & SA_SIGINFO) || now.sa_handler != SIG_DFL)
            continue;
        struct sigaction ours = {.sa_sigaction = on_stop, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
        sigemptyset(&ours.sa_mask);
        if (sigaction(number, &ours, NULL) == 0)
            chosen = number;
    }
    pthread_mutex_unlock(&install_lock);
    return chosen;
}

/* ---- messages ---- */

void sw_fault_message(const struct sw_job *job, mp_error *error)
{
    const struct sw_command *command = job->command;
    const struct sw_fault *fault = &job->fault;
    char who[200], where[64] = "", what[160];
    mp_status code = MP_ERROR_FAULT;
    if (command->kind == SW_DISPATCH)
        snprintf(who, sizeof who, "kernel '%.180s'", command->u.dispatch.pipeline->name);
    else
        snprintf(who, sizeof who, command->kind == SW_COPY   ? "a copy"
                                           : command->kind == SW_FILL ? "a fill"
                                                                      : "making mipmaps");
    if (fault->has_group)
        snprintf(where, sizeof where, " in threadgroup (%u, %u, %u)", fault->group[0], fault->group[1],
                 fault->group[2]);
    switch (fault->cause) {
    case SW_BAD_ADDRESS:
        if (!fault->has_address)
            snprintf(what, sizeof what, "accessed an invalid address outside its buffers");
        else if (fault->address < 4096)
            snprintf(what, sizeof what, "accessed address 0x%llx through a null pointer (is every buffer bound?)",
                     (unsigned long long)fault->address);
        else
            snprintf(what, sizeof what, "accessed address 0x%llx outside its buffers",
                     (unsigned long long)fault->address);
        break;
    case SW_MISALIGNED:
        if (fault->has_address)
            snprintf(what, sizeof what, "accessed address 0x%llx, which is misaligned for the access",
                     (unsigned long long)fault->address);
        else
            snprintf(what, sizeof what, "accessed a misaligned address");
        break;
    case SW_STACK_OVERFLOW:
        snprintf(what, sizeof what, "overflowed its stack");
        break;
    case SW_DIVISION:
        snprintf(what, sizeof what, "divided an integer by zero (or the smallest integer by -1)");
        break;
    case SW_TRAP:
        snprintf(what, sizeof what, "executed a trap instruction");
        break;
    case SW_TOO_LONG:
        code = MP_ERROR_TIME_LIMIT;
        snprintf(what, sizeof what, "was stopped after %.3f s, over the device's time limit of %.3f s",
                 (double)fault->elapsed * 1e-9, (double)(job->deadline - job->started) * 1e-9);
        break;
    case SW_INTERRUPTED:
        code = MP_ERROR_TIME_LIMIT;
        snprintf(what, sizeof what, "was interrupted after %.3f s", (double)fault->elapsed * 1e-9);
        break;
    case SW_NO_STACKS:
        code = MP_ERROR_MEMORY;
        snprintf(what, sizeof what, "found no memory for the stacks of its threads");
        break;
    default:
        code = MP_ERROR_INTERNAL;
        snprintf(what, sizeof what, "failed for an unknown reason");
    }
    sw_fail(error, code, "%s %s%s", who, what, where);
}
