/* kernels.c: kernels as the compiler would emit them, written by hand. Each is built into a shared object of its own
 * with -DK_<name>. Buffer 0 is the output unless said otherwise. */
#include "../../metalpy/include/metalpy_kernel.h"

#define EXPORT __attribute__((visibility("default")))
#define OUT(type) ((type *)group->buffers[0])
#define IN(type, n) ((const type *)group->buffers[n])

/* A kernel whose threads do not meet: run_group loops over them. */
#define LOOP_KERNEL(stack)                                                                                             \
    static void run_group(const mp_group *group)                                                                       \
    {                                                                                                                  \
        for (mp_u32 z = 0; z < group->size[2]; z++)                                                                    \
            for (mp_u32 y = 0; y < group->size[1]; y++)                                                                \
                for (mp_u32 x = 0; x < group->size[0]; x++)                                                            \
                    body(group, group->position[0] * group->group_size[0] + x,                                         \
                         group->position[1] * group->group_size[1] + y,                                                \
                         group->position[2] * group->group_size[2] + z);                                               \
    }                                                                                                                  \
    EXPORT const mp_native_kernel mp_kernel = {MP_KERNEL_VERSION, 0, 0, 1024, stack, 0, run_group, 0};
#define FIBER_KERNEL(memory, threads, stack)                                                                           \
    EXPORT const mp_native_kernel mp_kernel = {                                                                        \
        MP_KERNEL_VERSION, MP_KERNEL_FIBERS, memory, threads, stack, 0, 0, run_thread};
#define BODY static void body(const mp_group *group, mp_u32 x, mp_u32 y, mp_u32 z)
#define THREAD static void run_thread(const mp_group *group, const mp_thread *thread)
#define UNUSED(v) (void)(v)

static inline mp_u32 global_x(const mp_group *group, const mp_thread *thread)
{
    return group->position[0] * group->group_size[0] + thread->position[0];
}

#if defined(K_saxpy) /* y = a*x + y: y, x, a */
BODY { UNUSED(y); UNUSED(z); OUT(float)[x] = *IN(float, 2) * IN(float, 1)[x] + OUT(float)[x]; }
LOOP_KERNEL(256)

#elif defined(K_texture) /* texture 1 at x = texture 0 at x, looked up by sampler 0, plus 1; texture 2 is missing */
BODY
{
    UNUSED(y);
    UNUSED(z);
    const mp_texture_view *target = group->textures[1];
    mp_texel found = mp_texture_sample_2d(group->textures[0], group->samplers[0], (float)x + 0.5f, 0.5f);
    if (!group->textures[2])
        target->store(target->memory + target->level[0].offset + 4 * x, found + 1);
}
LOOP_KERNEL(1024)

#elif defined(K_increment)
BODY { UNUSED(y); UNUSED(z); OUT(mp_u32)[x] += 1; }
LOOP_KERNEL(256)

#elif defined(K_grid) /* counts visits and records the sizes each thread sees */
BODY
{
    mp_u32 index = (z * group->threads[1] + y) * group->threads[0] + x;
    __atomic_fetch_add(&OUT(mp_u32)[index], 1, __ATOMIC_RELAXED);
    ((mp_u32 *)group->buffers[1])[index] = group->size[0] * 1000000 + group->size[1] * 1000 + group->size[2];
}
LOOP_KERNEL(256)

#elif defined(K_grid_fibers)
THREAD
{
    mp_u32 x = global_x(group, thread);
    mp_u32 y = group->position[1] * group->group_size[1] + thread->position[1];
    mp_u32 z = group->position[2] * group->group_size[2] + thread->position[2];
    mp_u32 index = (z * group->threads[1] + y) * group->threads[0] + x;
    mp_u32 expected = (thread->position[2] * group->size[1] + thread->position[1]) * group->size[0] + thread->position[0];
    mp_threadgroup_barrier();
    if (thread->index == expected)
        __atomic_fetch_add(&OUT(mp_u32)[index], 1, __ATOMIC_RELAXED);
    ((mp_u32 *)group->buffers[1])[index] = group->size[0] * 1000000 + group->size[1] * 1000 + group->size[2];
}
FIBER_KERNEL(0, 1024, 256)

#elif defined(K_reduce) /* out[group] = sum of in, by a tree in threadgroup memory */
static __thread mp_u32 shared[1024];
THREAD
{
    mp_u32 i = thread->index, count = group->size[0];
    shared[i] = IN(mp_u32, 1)[global_x(group, thread)];
    mp_threadgroup_barrier();
    mp_u32 width = 1;
    while (width < count)
        width *= 2;
    for (mp_u32 step = width / 2; step; step /= 2) {
        if (i < step && i + step < count)
            shared[i] += shared[i + step];
        mp_threadgroup_barrier();
    }
    if (i == 0)
        OUT(mp_u32)[group->position[0]] = shared[0];
}
FIBER_KERNEL(4096, 1024, 512)

#elif defined(K_dynamic) /* reverses each group through threadgroup(3); threadgroup(1) must not overlap it */
THREAD
{
    mp_u32 *a = group->threadgroup_memory[3], *b = group->threadgroup_memory[1];
    mp_u32 i = thread->index, n = group->size[0];
    a[i] = IN(mp_u32, 1)[global_x(group, thread)];
    b[i] = 0xffffffffu;
    mp_threadgroup_barrier();
    int good = group->threadgroup_memory[0] == 0 && ((unsigned long)a & 15) == 0 && ((unsigned long)b & 15) == 0;
    OUT(mp_u32)[global_x(group, thread)] = good ? a[n - 1 - i] : 0xdeadbeefu;
}
FIBER_KERNEL(0, 1024, 512)

#elif defined(K_multiply) /* a product of matrices by the lanes that buffer 1 has; a, b and c are buffers 2 to 4 */
THREAD
{
    mp_u32 x = global_x(group, thread);
    if (IN(mp_u32, 1)[x])
        OUT(unsigned long)[x] = mp_simd_multiply_accumulate(IN(unsigned long, 2)[x], IN(unsigned long, 3)[x],
                                                            IN(unsigned long, 4)[x]);
}
FIBER_KERNEL(0, 1024, 512)

#elif defined(K_matmul) /* c (buffer 0) += a b of 32x48 and 48x32 by the lanes that buffer 1 has, b held transposed */
THREAD
{
    mp_u32 x = global_x(group, thread);
    if (IN(mp_u32, 1)[x])
        mp_simd_matmul(IN(float, 2) + 48 * x, IN(float, 3) + 48 * x, OUT(float) + 32 * x, 2 | 2 << 8 | 3 << 16, 2);
}
FIBER_KERNEL(0, 1024, 512)

#elif defined(K_simd) /* every simdgroup function: out[test * threads + x]; active is `in` predicate (buffer 1) */
#define PUT(test, value) OUT(unsigned long)[(unsigned long)(test) * group->threads[0] + x] = (unsigned long)(value)
static inline unsigned long bits(float f)
{
    union { float f; mp_u32 u; } box;
    box.f = f;
    return box.u;
}
#define INTEGERS(base, suffix, type, cast)                                                                             \
    PUT(base + 0, (cast)mp_simd_sum_##suffix((type)v));                                                                \
    PUT(base + 1, (cast)mp_simd_product_##suffix((type)v));                                                            \
    PUT(base + 2, (cast)mp_simd_min_##suffix((type)v));                                                                \
    PUT(base + 3, (cast)mp_simd_max_##suffix((type)v));                                                                \
    PUT(base + 4, (cast)mp_simd_prefix_inclusive_sum_##suffix((type)v));                                               \
    PUT(base + 5, (cast)mp_simd_prefix_exclusive_sum_##suffix((type)v));                                               \
    PUT(base + 6, (cast)mp_simd_prefix_inclusive_product_##suffix((type)v));                                           \
    PUT(base + 7, (cast)mp_simd_prefix_exclusive_product_##suffix((type)v));
THREAD
{
    mp_u32 x = global_x(group, thread);
    if (!IN(mp_u32, 1)[x])
        return;
    long v = IN(long, 2)[x];
    float f = IN(float, 3)[x];
    INTEGERS(0, i32, int, mp_u32)
    INTEGERS(8, u32, mp_u32, mp_u32)
    INTEGERS(16, i64, long, unsigned long)
    INTEGERS(24, u64, unsigned long, unsigned long)
    PUT(32, bits(mp_simd_sum_f32(f)));
    PUT(33, bits(mp_simd_product_f32(f)));
    PUT(34, bits(mp_simd_min_f32(f)));
    PUT(35, bits(mp_simd_max_f32(f)));
    PUT(36, bits(mp_simd_prefix_inclusive_sum_f32(f)));
    PUT(37, bits(mp_simd_prefix_exclusive_sum_f32(f)));
    PUT(38, bits(mp_simd_prefix_inclusive_product_f32(f)));
    PUT(39, bits(mp_simd_prefix_exclusive_product_f32(f)));
    PUT(40, mp_simd_and_u32((mp_u32)v));
    PUT(41, mp_simd_or_u32((mp_u32)v));
    PUT(42, mp_simd_xor_u32((mp_u32)v));
    PUT(43, mp_simd_and_u64((unsigned long)v));
    PUT(44, mp_simd_or_u64((unsigned long)v));
    PUT(45, mp_simd_xor_u64((unsigned long)v));
    PUT(46, mp_simd_active());
    PUT(47, mp_simd_ballot((mp_u32)v & 6));
    PUT(48, mp_simd_shuffle_u32((mp_u32)v, (x + 5) % 40));
    PUT(49, mp_simd_shuffle_u64((unsigned long)v, (x * 7 + 1) % 32));
}
FIBER_KERNEL(0, 1024, 4096)

#elif defined(K_diverge) /* both arms of a branch meet; arms and what follows see the right lanes */
THREAD
{
    mp_u32 x = global_x(group, thread), lane = thread->index % 32;
    unsigned long arm;
    if (lane % 3 == 0)
        arm = mp_simd_active();
    else
        arm = mp_simd_ballot(lane & 1);
    unsigned long all = mp_simd_active();
    mp_simdgroup_barrier();
    OUT(unsigned long)[2 * x] = arm;
    OUT(unsigned long)[2 * x + 1] = all;
}
FIBER_KERNEL(0, 1024, 512)

#elif defined(K_trips) /* lane i goes round i times: each turn sees the lanes still in the loop */
THREAD
{
    mp_u32 x = global_x(group, thread), lane = thread->index % 32;
    mp_u32 total = 0;
    for (mp_u32 i = 0; i < lane; i++)
        total += (mp_u32)__builtin_popcountl(mp_simd_active());
    OUT(mp_u32)[2 * x] = total;
    OUT(mp_u32)[2 * x + 1] = (mp_u32)__builtin_popcountl(mp_simd_active());
}
FIBER_KERNEL(0, 1024, 512)

#elif defined(K_wild) /* barriers that only some reach, different counts per thread: must end all the same */
THREAD
{
    mp_u32 x = global_x(group, thread), i = thread->index;
    for (mp_u32 k = 0; k < i % 5; k++)
        mp_threadgroup_barrier();
    if (i % 7 == 3)
        return;
    if (i % 2)
        mp_simdgroup_barrier();
    else
        mp_threadgroup_barrier();
    OUT(mp_u32)[x] = 1;
}
FIBER_KERNEL(0, 1024, 512)

#elif defined(K_barriers) /* `*in` barriers, for timing */
THREAD
{
    mp_u32 n = *IN(mp_u32, 1);
    for (mp_u32 i = 0; i < n; i++)
        mp_threadgroup_barrier();
    OUT(mp_u32)[global_x(group, thread)] = n;
}
FIBER_KERNEL(0, 1024, 512)

#elif defined(K_math) /* imports from libm */
float sinf(float);
BODY { UNUSED(y); UNUSED(z); OUT(float)[x] = sinf((float)x); }
LOOP_KERNEL(1024)

#elif defined(K_spin) /* busy until *in becomes non-zero */
BODY
{
    UNUSED(x); UNUSED(y); UNUSED(z);
    while (!__atomic_load_n(IN(mp_u32, 1), __ATOMIC_ACQUIRE)) {}
    OUT(mp_u32)[x] = 7;
}
LOOP_KERNEL(256)

#elif defined(K_spin_fibers)
THREAD
{
    mp_threadgroup_barrier();
    while (!__atomic_load_n(IN(mp_u32, 1), __ATOMIC_ACQUIRE)) {}
    OUT(mp_u32)[global_x(group, thread)] = 7;
}
FIBER_KERNEL(0, 1024, 256)

#elif defined(K_slow) /* *in rounds of arithmetic */
BODY
{
    UNUSED(y); UNUSED(z);
    mp_u32 v = x, n = *IN(mp_u32, 1);
    for (mp_u32 i = 0; i < n; i++)
        v = v * 1664525u + 1013904223u + (v >> 16);
    OUT(mp_u32)[x] = v;
}
LOOP_KERNEL(256)

#elif defined(K_fault) /* *in: 1 null, 2 wild, 3 division, 4 trap, 5 non-canonical, 6 and 7 misaligned; in threadgroup 3 */
static volatile int zero;
BODY
{
    UNUSED(y); UNUSED(z);
    if (group->position[0] == 3) {
        switch (*IN(mp_u32, 1)) {
        case 1: *(volatile int *)8 = 1; break;
        case 2: *(volatile int *)0x7fff00000000 = 1; break;
        case 3: zero = 7 / zero; break;
        case 4: __builtin_trap();
        case 5: *(volatile int *)0x1234567812345678 = 1; break;
#ifdef __x86_64__
        case 6: __asm__ volatile("movaps %%xmm1, (%0)" : : "r"((char *)group->buffers[0] + 4) : "memory"); break;
        case 7: __asm__ volatile("movdqa (%0), %%xmm9" : : "r"((char *)group->buffers[0] + 4) : "xmm9"); break;
#endif
        }
    }
    OUT(mp_u32)[x] = 5;
}
LOOP_KERNEL(256)

#elif defined(K_fault_fibers) /* the same inside a fiber; 6 overflows the stack */
static volatile int zero;
static int __attribute__((noinline)) deep(volatile int *from)
{
    volatile int here[256];
    here[0] = *from + 1;
    return here[0] ? deep(here) + here[1] : 0;
}
THREAD
{
    mp_threadgroup_barrier();
    if (group->position[0] == 1 && thread->index == 9) {
        volatile int start = 0;
        switch (*IN(mp_u32, 1)) {
        case 1: *(volatile int *)8 = 1; break;
        case 3: zero = 7 / zero; break;
        case 6: zero = deep(&start); break;
        }
    }
    mp_threadgroup_barrier();
    OUT(mp_u32)[global_x(group, thread)] = 5;
}
FIBER_KERNEL(0, 1024, 512)

#elif defined(K_overflow) /* overflows the stack of a plain loop */
static int __attribute__((noinline)) deep(volatile int *from)
{
    volatile int here[256];
    here[0] = *from + 1;
    return here[0] ? deep(here) + here[1] : 0;
}
BODY { UNUSED(y); UNUSED(z); volatile int start = 0; OUT(mp_u32)[x] = (mp_u32)deep(&start); }
LOOP_KERNEL(256)

#elif defined(K_large_stack) /* a thread needs 4 MiB */
BODY
{
    UNUSED(y); UNUSED(z);
    volatile unsigned char big[4u << 20];
    for (mp_u32 i = 0; i < sizeof big; i += 4096)
        big[i] = (unsigned char)(x + i / 4096);
    mp_u32 sum = 0;
    for (mp_u32 i = 0; i < sizeof big; i += 4096)
        sum += big[i];
    OUT(mp_u32)[x] = sum;
}
LOOP_KERNEL((4u << 20) + 4096)

#elif defined(K_limited) /* at most 64 threads a group, 1 KiB of threadgroup memory */
static __thread mp_u32 shared[256];
THREAD { shared[thread->index] = 1; OUT(mp_u32)[global_x(group, thread)] = shared[thread->index]; }
FIBER_KERNEL(1024, 64, 256)

#elif defined(K_bytes) /* adds four arguments by value: buffers 1..4; buffer 5 must be null */
BODY
{
    UNUSED(y); UNUSED(z);
    OUT(mp_u32)[x] = group->buffers[5] || group->buffers[30] ? 0 : *IN(mp_u32, 1) + *IN(mp_u32, 2) + *IN(mp_u32, 3) +
        IN(unsigned char, 4)[9999];
}
LOOP_KERNEL(256)

#elif defined(K_speak) || defined(K_speak_fibers) /* says its position; what else by buffer 1: see test_message.c */
static void say(mp_u32 level, const char *format, mp_u32 x)
{
    mp_message_site site = {level, 42, "speak.metal", format, "a subsystem", 0};
    mp_message_value values[3] = {{MP_VALUE_UNSIGNED, 4, 1, 0, {x}},
                                  {MP_VALUE_STRING, 8, 1, 0, {(unsigned long)"a string"}},
                                  {MP_VALUE_SIGNED, 1, 4, 0, {x, ~0ul, 0, 0}}};
    mp_kernel_message(&site, values, 3);
}
THREAD
{
    mp_u32 x = global_x(group, thread), mode = *IN(mp_u32, 1);
    say(3, "%u %s %v4hhd", x);
#if defined(K_speak_fibers)
    mp_threadgroup_barrier();
    say(3, "%u %s %v4hhd", x);
#endif
    if (mode == 1 && x == 100)
        *(volatile int *)8 = 1;
    if (mode == 2 && x % 1000 == 999)
        say(7, "%u %s %v4hhd", x);
    if (mode == 3 && x == 100)
        say(3, (const char *)8, x);
    while (mode == 4 && x == 100 && *(volatile mp_u32 *)IN(mp_u32, 1) == 4)
        say(3, "%u %s %v4hhd", x);
}
#if defined(K_speak)
EXPORT const mp_native_kernel mp_kernel = {MP_KERNEL_VERSION, MP_KERNEL_MESSAGES, 0, 1024, 512, 0, 0, run_thread};
#else
EXPORT const mp_native_kernel mp_kernel = {
    MP_KERNEL_VERSION, MP_KERNEL_FIBERS | MP_KERNEL_MESSAGES, 0, 1024, 512, 0, 0, run_thread};
#endif

#elif defined(K_old_version)
static void run_group(const mp_group *group) { UNUSED(group); }
EXPORT const mp_native_kernel mp_kernel = {999, 0, 0, 1024, 256, 0, run_group, 0};

#elif defined(K_no_symbol)
EXPORT int something_else = 1;

#elif defined(K_unresolved)
void mp_no_such_function(void);
BODY { UNUSED(group); UNUSED(x); UNUSED(y); UNUSED(z); mp_no_such_function(); }
LOOP_KERNEL(256)
#endif
