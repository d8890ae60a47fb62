/* fiber.h: stacks of execution that take turns on one thread. */
#ifndef METALPY_FIBER_H
#define METALPY_FIBER_H

#include <stdbool.h>
#include <stddef.h>

#if defined(__SANITIZE_ADDRESS__)
#define SW_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SW_ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define SW_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SW_TSAN 1
#endif
#endif

#if !defined(SW_FIBER_UCONTEXT) && !defined(__x86_64__) && !defined(__aarch64__)
#define SW_FIBER_UCONTEXT 1
#endif

#ifdef SW_FIBER_UCONTEXT
#include <ucontext.h>
#endif
#ifdef SW_ASAN
#include <sanitizer/common_interface_defs.h>
#include <signal.h>
/* AddressSanitizer ends the process when a switch begins inside another: a kernel is not stopped in one. */
extern __thread volatile sig_atomic_t sw_fiber_switching;
#else
#define sw_fiber_switching 0
#endif
#ifdef SW_TSAN
#include <sanitizer/tsan_interface.h>
#endif

struct sw_fiber {
#ifdef SW_FIBER_UCONTEXT
    ucontext_t context;
#else
    void *stack_pointer;      /* while another one runs */
#endif
#ifdef SW_ASAN
    void *fake_stack;
    const void *bottom;
    size_t size;
#endif
#ifdef SW_TSAN
    void *tsan;
#endif
};

/* Makes `fiber` start in `entry` when it is switched to; `entry` must call sw_fiber_entered and never return. */
void sw_fiber_start(struct sw_fiber *fiber, char *stack, size_t size, void (*entry)(void));
/* Lets the calling thread's own stack take part as `fiber`. */
void sw_fiber_adopt(struct sw_fiber *fiber);
/* Frees what a sanitizer attached to a started fiber. */
void sw_fiber_end(struct sw_fiber *fiber);

#ifdef SW_FIBER_UCONTEXT
#define sw_fiber_swap(from, to) swapcontext(&(from)->context, &(to)->context)
#else
/* Pushes the callee-saved registers, stores the stack pointer in *save, and continues where `to` was left. */
void sw_fiber_swap_stacks(void **save, void *to) __attribute__((visibility("hidden")));
#define sw_fiber_swap(from, to) sw_fiber_swap_stacks(&(from)->stack_pointer, (to)->stack_pointer)
#endif

static inline void sw_fiber_entered(struct sw_fiber *fiber)
{
    (void)fiber;
#ifdef SW_ASAN
    __sanitizer_finish_switch_fiber(fiber->fake_stack, NULL, NULL);
    sw_fiber_switching = 0;
#endif
}

/* Tells the sanitizers that `to` is about to run. */
static inline void sw_fiber_announce(struct sw_fiber *from, struct sw_fiber *to)
{
    (void)from;
    (void)to;
#ifdef SW_ASAN
    sw_fiber_switching = 1;
    __sanitizer_start_switch_fiber(&from->fake_stack, to->bottom, to->size);
#endif
#ifdef SW_TSAN
    __tsan_switch_to_fiber(to->tsan, 0);
#endif
}

static inline void sw_fiber_switch(struct sw_fiber *from, struct sw_fiber *to)
{
    sw_fiber_announce(from, to);
    sw_fiber_swap(from, to);
    sw_fiber_entered(from);
}

#endif
