/* metalpy_kernel.h: the contract between compiled kernels and the software device.
 *
 * The compiler lowers each kernel into a shared object of its own, which exports one `mp_kernel` symbol of type
 * mp_native_kernel and imports the functions declared at the end, which the software device defines. Included by
 * the C runtime (cpu/) and, as C++, by the stand-in Metal headers (compiler/include/).
 */
#ifndef METALPY_KERNEL_H
#define METALPY_KERNEL_H

#ifdef __METAL_VERSION__
typedef unsigned int mp_u32; /* no system headers inside MSL */
#else
#include <stdint.h>
typedef uint32_t mp_u32;
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Kernels may be compiled with another default calling convention (on x86-64 regcall, which passes small structs in
 * pieces); what crosses the border keeps the system's. */
#if defined(__x86_64__) && !defined(_WIN32)
#define MP_KERNEL_ABI __attribute__((sysv_abi))
#else
#define MP_KERNEL_ABI
#endif

#define MP_KERNEL_VERSION 1
#define MP_KERNEL_SYMBOL "mp_kernel"

/* One threadgroup at work. Lives on the worker's stack; compiled code only reads it. */
typedef struct mp_group {
    void *const *buffers;            /* by [[buffer(n)]]: the address, offset applied; NULL where nothing is bound */
    void *const *threadgroup_memory; /* by [[threadgroup(n)]]: 16-byte aligned, shared by the group's threads */
    mp_u32 threads[3];               /* threads_per_grid */
    mp_u32 group_count[3];           /* threadgroups_per_grid */
    mp_u32 group_size[3];            /* dispatch_threads_per_threadgroup: the nominal size */
    mp_u32 position[3];              /* threadgroup_position_in_grid */
    mp_u32 size[3];                  /* threads_per_threadgroup: the actual size, smaller at the grid's edges */
} mp_group;

/* One thread of it. */
typedef struct mp_thread {
    mp_u32 position[3];              /* thread_position_in_threadgroup */
    mp_u32 index;                    /* thread_index_in_threadgroup */
} mp_thread;

enum { /* mp_native_kernel.flags */
    MP_KERNEL_FIBERS = 1, /* the kernel meets its neighbours (barriers, simdgroup functions): call run_thread on a
                             fiber per thread; otherwise call run_group, which loops over the threads itself */
    MP_KERNEL_MESSAGES = 2 /* the kernel may call mp_kernel_message: call run_thread for one thread after another, so
                              that the runtime knows which one speaks */
};

typedef struct mp_native_kernel {
    mp_u32 version;                  /* MP_KERNEL_VERSION */
    mp_u32 flags;
    mp_u32 static_threadgroup_memory;/* bytes of `threadgroup` variables, reached by mp_threadgroup_variable */
    mp_u32 max_threads;              /* max_total_threads_per_threadgroup */
    mp_u32 stack_size;               /* bytes one thread needs, an upper bound */
    mp_u32 reserved;
    void (MP_KERNEL_ABI *run_group)(const mp_group *group);
    void (MP_KERNEL_ABI *run_thread)(const mp_group *group, const mp_thread *thread);
} mp_native_kernel;

/* ---- what a kernel says ---- */

enum { /* mp_message_value.kind */
    MP_VALUE_SIGNED = 1,             /* integers, extended to 64 bits */
    MP_VALUE_UNSIGNED = 2,
    MP_VALUE_FLOAT = 3,              /* the bits of a float; half and bfloat are converted */
    MP_VALUE_POINTER = 4,
    MP_VALUE_STRING = 5              /* the address of a C string, read only if the format wants one */
};

/* An argument of a message: the format is applied to values whose types are known, so it may be wrong. */
typedef struct mp_message_value {
    mp_u32 kind;
    mp_u32 size;                     /* bytes of one number in the kernel */
    mp_u32 lanes;                    /* 1; of a vector 2 to 4 */
    mp_u32 reserved;
    unsigned long bits[4];
} mp_message_value;

typedef struct mp_message_site {
    mp_u32 level;                    /* MP_MESSAGE_* of metalpy_abi.h */
    mp_u32 line;
    const char *file;
    const char *format;              /* as metalpy_format.h reads it */
    const char *subsystem;           /* NULL where there is none, as category */
    const char *category;
} mp_message_site;

/* ---- what kernels call; all of them meet the other threads of the threadgroup or simdgroup ----
 *
 * `convergent` keeps the optimiser from moving a call into or out of divergent control flow. Lanes meet when they
 * wait at the same call; of several such sets the one whose call comes first goes first, so that lanes reconverge as
 * on a GPU. Calls are told apart, and ordered, by the number that the lane gave to mp_site before, or by their return
 * address if it gave none. Lanes that are elsewhere or have ended are inactive.
 */
#if defined(__METAL_VERSION__)
#define MP_KERNEL_CALL MP_KERNEL_ABI __attribute__((convergent))
#elif defined(__clang__)
#define MP_KERNEL_CALL MP_KERNEL_ABI __attribute__((convergent, visibility("default")))
#else
#define MP_KERNEL_CALL MP_KERNEL_ABI __attribute__((visibility("default")))
#endif

/* Address of the byte at `offset` of the group's static threadgroup memory, which is aligned to 64; meets nobody. */
MP_KERNEL_CALL void *mp_threadgroup_variable(mp_u32 offset);
/* Keeps a message of the caller, with copies of all strings, until the host asks; meets nobody. */
MP_KERNEL_CALL void mp_kernel_message(const mp_message_site *site, const mp_message_value *values, mp_u32 count);
MP_KERNEL_CALL mp_u32 mp_simd_lane(void);         /* the caller's lane, 0..31; meets nobody */
MP_KERNEL_CALL void mp_site(mp_u32 order);        /* the place of the caller's next call, from 1; meets nobody */
MP_KERNEL_CALL void mp_threadgroup_barrier(void); /* every thread of the group that has not ended */
MP_KERNEL_CALL void mp_simdgroup_barrier(void);   /* every lane of the simdgroup that has not ended */
/* Bit i is set if lane i takes part in this call. */
MP_KERNEL_CALL unsigned long mp_simd_active(void);
/* Bit i is set if lane i takes part in this call and passes a non-zero predicate. */
MP_KERNEL_CALL unsigned long mp_simd_ballot(mp_u32 predicate);

/* `value` of lane `lane`; of the caller if that lane is not active or not in 0..31. */
MP_KERNEL_CALL mp_u32 mp_simd_shuffle_u32(mp_u32 value, mp_u32 lane);
MP_KERNEL_CALL unsigned long mp_simd_shuffle_u64(unsigned long value, mp_u32 lane);

/* One step of a product of 8x8 matrices of float: the lane's two elements of a b + c, packed as the two elements that it
 * passes of each. Lane l holds row (l / 4 & 4) + l / 2 % 4, columns (l / 4 & 2) * 2 + l % 2 * 2 and the next; what
 * inactive lanes hold counts as zero. */
MP_KERNEL_CALL unsigned long mp_simd_multiply_accumulate(unsigned long a, unsigned long b, unsigned long c);

/* Reductions over the active lanes, in lane order; the result is the same in each of them.
 * min and max of floats follow fmin and fmax: a NaN loses against a number. */
#define MP_SIMD_REDUCTION(name, suffix, type) MP_KERNEL_CALL type mp_simd_##name##_##suffix(type value);
#define MP_SIMD_ARITHMETIC(suffix, type)                                                                               \
    MP_SIMD_REDUCTION(sum, suffix, type)                                                                               \
    MP_SIMD_REDUCTION(product, suffix, type)                                                                           \
    MP_SIMD_REDUCTION(min, suffix, type)                                                                               \
    MP_SIMD_REDUCTION(max, suffix, type)                                                                               \
    MP_SIMD_REDUCTION(prefix_inclusive_sum, suffix, type)                                                              \
    MP_SIMD_REDUCTION(prefix_exclusive_sum, suffix, type)                                                              \
    MP_SIMD_REDUCTION(prefix_inclusive_product, suffix, type)                                                          \
    MP_SIMD_REDUCTION(prefix_exclusive_product, suffix, type)
#define MP_SIMD_BITWISE(suffix, type)                                                                                  \
    MP_SIMD_REDUCTION(and, suffix, type)                                                                               \
    MP_SIMD_REDUCTION(or, suffix, type)                                                                                \
    MP_SIMD_REDUCTION(xor, suffix, type)
MP_SIMD_ARITHMETIC(i32, int)
MP_SIMD_ARITHMETIC(u32, mp_u32)
MP_SIMD_ARITHMETIC(i64, long)
MP_SIMD_ARITHMETIC(u64, unsigned long)
MP_SIMD_ARITHMETIC(f32, float)
MP_SIMD_BITWISE(u32, mp_u32)
MP_SIMD_BITWISE(u64, unsigned long)

#ifdef __cplusplus
}
#endif
#endif /* METALPY_KERNEL_H */
