/* fiber.c: the switch itself. Only callee-saved registers need saving, as for any call; the floating-point control
 * words are the same in all kernels. A jump ends it rather than a return, which the processor would mispredict. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include "fiber.h"

#include <pthread.h>
#include <stdint.h>
#include <string.h>

#ifdef SW_ASAN
__thread volatile sig_atomic_t sw_fiber_switching __attribute__((tls_model("initial-exec")));
#endif

#ifndef SW_FIBER_UCONTEXT

#if defined(__x86_64__)
#define SAVED 7 /* words: r15 r14 r13 r12 rbx rbp, return address */
#define ENTRY 6
__asm__(".text\n"
        ".p2align 4\n"
        ".globl sw_fiber_swap_stacks\n"
        ".hidden sw_fiber_swap_stacks\n"
        ".type sw_fiber_swap_stacks, @function\n"
        "sw_fiber_swap_stacks:\n"
        "    pushq %rbp\n"
        "    pushq %rbx\n"
        "    pushq %r12\n"
        "    pushq %r13\n"
        "    pushq %r14\n"
        "    pushq %r15\n"
        "    movq %rsp, (%rdi)\n"
        "    movq %rsi, %rsp\n"
        "    popq %r15\n"
        "    popq %r14\n"
        "    popq %r13\n"
        "    popq %r12\n"
        "    popq %rbx\n"
        "    popq %rbp\n"
        "    popq %rcx\n"
        "    jmpq *%rcx\n"
        ".size sw_fiber_swap_stacks, . - sw_fiber_swap_stacks\n");
#elif defined(__aarch64__)
#define SAVED 20 /* words: x19-x28, x29, x30, d8-d15 */
#define ENTRY 11
__asm__(".text\n"
        ".p2align 4\n"
        ".globl sw_fiber_swap_stacks\n"
        ".hidden sw_fiber_swap_stacks\n"
        ".type sw_fiber_swap_stacks, %function\n"
        "sw_fiber_swap_stacks:\n"
        "    sub sp, sp, #160\n"
        "    stp x19, x20, [sp, #0]\n"
        "    stp x21, x22, [sp, #16]\n"
        "    stp x23, x24, [sp, #32]\n"
        "    stp x25, x26, [sp, #48]\n"
        "    stp x27, x28, [sp, #64]\n"
        "    stp x29, x30, [sp, #80]\n"
        "    stp d8, d9, [sp, #96]\n"
        "    stp d10, d11, [sp, #112]\n"
        "    stp d12, d13, [sp, #128]\n"
        "    stp d14, d15, [sp, #144]\n"
        "    mov x9, sp\n"
        "    str x9, [x0]\n"
        "    mov sp, x1\n"
        "    ldp x19, x20, [sp, #0]\n"
        "    ldp x21, x22, [sp, #16]\n"
        "    ldp x23, x24, [sp, #32]\n"
        "    ldp x25, x26, [sp, #48]\n"
        "    ldp x27, x28, [sp, #64]\n"
        "    ldp x29, x30, [sp, #80]\n"
        "    ldp d8, d9, [sp, #96]\n"
        "    ldp d10, d11, [sp, #112]\n"
        "    ldp d12, d13, [sp, #128]\n"
        "    ldp d14, d15, [sp, #144]\n"
        "    add sp, sp, #160\n"
        "    br x30\n"
        ".size sw_fiber_swap_stacks, . - sw_fiber_swap_stacks\n");
#endif

static void set_entry(struct sw_fiber *fiber, char *stack, size_t size, void (*entry)(void))
{
    uintptr_t top = ((uintptr_t)stack + size) & ~(uintptr_t)15;
#if defined(__x86_64__)
    top -= 8; /* a call leaves the stack pointer 8 below a multiple of 16; no caller: a null return address */
    memset((void *)top, 0, 8);
#endif
    uintptr_t *words = (uintptr_t *)top - SAVED;
    memset(words, 0, SAVED * sizeof *words);
    words[ENTRY] = (uintptr_t)entry;
    fiber->stack_pointer = words;
}

#else

static void set_entry(struct sw_fiber *fiber, char *stack, size_t size, void (*entry)(void))
{
    getcontext(&fiber->context);
    fiber->context.uc_stack.ss_sp = stack;
    fiber->context.uc_stack.ss_size = size;
    fiber->context.uc_link = NULL;
    makecontext(&fiber->context, entry, 0);
}

#endif

void sw_fiber_start(struct sw_fiber *fiber, char *stack, size_t size, void (*entry)(void))
{
    set_entry(fiber, stack, size, entry);
#ifdef SW_ASAN
    fiber->fake_stack = NULL;
    fiber->bottom = stack;
    fiber->size = size;
#endif
#ifdef SW_TSAN
    fiber->tsan = __tsan_create_fiber(0);
#endif
}

void sw_fiber_adopt(struct sw_fiber *fiber)
{
    (void)fiber;
#ifdef SW_ASAN
    if (!fiber->size) {
        pthread_attr_t attributes;
        void *bottom;
        size_t size;
        pthread_getattr_np(pthread_self(), &attributes);
        pthread_attr_getstack(&attributes, &bottom, &size);
        pthread_attr_destroy(&attributes);
        fiber->bottom = bottom;
        fiber->size = size;
    }
#endif
#ifdef SW_TSAN
    fiber->tsan = __tsan_get_current_fiber();
#endif
}

void sw_fiber_end(struct sw_fiber *fiber)
{
    (void)fiber;
#ifdef SW_TSAN
    __tsan_destroy_fiber(fiber->tsan);
#endif
}
