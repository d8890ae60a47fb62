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

#define MP_KERNEL_VERSION 2
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
    const struct mp_texture_view *const *textures; /* by [[texture(n)]]; NULL where nothing is bound */
    const unsigned long *samplers;   /* by [[sampler(n)]]: see MP_SAMPLER_* */
} mp_group;

/* One thread of it. */
typedef struct mp_thread {
    mp_u32 position[3];              /* thread_position_in_threadgroup */
    mp_u32 index;                    /* thread_index_in_threadgroup */
} mp_thread;

enum { /* mp_native_kernel.flags */
    MP_KERNEL_FIBERS = 1, /* the kernel meets its neighbours (barriers, simdgroup functions): call run_thread on a
                             fiber per thread; otherwise call run_group, which loops over the threads itself */
    MP_KERNEL_MESSAGES = 2,/* the kernel may call mp_kernel_message: call run_thread for one thread after another, so
                              that the runtime knows which one speaks */
    MP_KERNEL_SIMDGROUPS = 4,/* run_group is a vector program, which runs whole simdgroups; it is called as any other */
    MP_KERNEL_CHECKED = 16,   /* calls mp_check_access, which looks at the sizes of what is bound */
    MP_KERNEL_VARIABLES = 8  /* has variables on its stack, which it might overrun: it runs between guard pages */
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

/* ---- textures ---- */

typedef float mp_texel __attribute__((vector_size(16))); /* four components; of integer formats the bits of each */

#define MP_TEXTURE_LEVELS 15                 /* of detail, at most */

typedef struct mp_texture_level {
    unsigned long offset;            /* of the first image's first texel */
    unsigned long row_bytes;
    unsigned long plane_bytes;       /* from one z to the next */
    unsigned long image_bytes;       /* from one array element, face or sample to the next */
    mp_u32 width, height, depth;
    mp_u32 reserved;
} mp_texture_level;

/* A texture as kernels see it; a texture variable in a kernel is a pointer to one. Compiled code only reads it. */
typedef struct mp_texture_view {
    unsigned char *memory;
    mp_texel (MP_KERNEL_ABI *load)(const void *texel);
    void (MP_KERNEL_ABI *store)(void *texel, mp_texel value);
    mp_u32 texel_bytes;
    mp_u32 pixel_format;             /* MTLPixelFormat */
    mp_u32 images;                   /* array length times faces times samples */
    mp_u32 array_length;
    mp_u32 levels;
    mp_u32 samples;
    mp_u32 is_integer;
    mp_u32 type;                     /* MTLTextureType */
    mp_texel border[3];              /* by border colour, 0 and 1 where the format lacks a component */
    mp_texture_level level[MP_TEXTURE_LEVELS];
} mp_texture_view;

/* A sampler is a number, so that `constexpr` ones cost nothing: bit fields by MP_SAMPLER_*, and the level clamps in
 * units of 1/256 in the upper half. */
enum {
    MP_SAMPLER_ADDRESS = 0,          /* three of 3 bits, for s, t and r: mp_address */
    MP_SAMPLER_MAG = 9,              /* 1 bit: linear */
    MP_SAMPLER_MIN = 10,             /* 1 bit: linear */
    MP_SAMPLER_MIP = 11,             /* 2 bits: 0 none, 1 nearest, 2 linear */
    MP_SAMPLER_PIXEL = 13,           /* 1 bit: coordinates are in texels */
    MP_SAMPLER_COMPARE = 14,         /* 3 bits: mp_compare */
    MP_SAMPLER_BORDER = 17,          /* 2 bits: 0 transparent black, 1 opaque black, 2 opaque white */
    MP_SAMPLER_LOD_MIN = 32,         /* 16 bits */
    MP_SAMPLER_LOD_MAX = 48          /* 16 bits; 0xffff: no limit */
};
enum { MP_ADDRESS_EDGE, MP_ADDRESS_MIRROR_EDGE, MP_ADDRESS_REPEAT, MP_ADDRESS_MIRROR, MP_ADDRESS_ZERO,
       MP_ADDRESS_BORDER };          /* as MTLSamplerAddressMode */
enum { MP_COMPARE_NEVER, MP_COMPARE_LESS, MP_COMPARE_EQUAL, MP_COMPARE_LESS_EQUAL, MP_COMPARE_GREATER,
       MP_COMPARE_NOT_EQUAL, MP_COMPARE_GREATER_EQUAL, MP_COMPARE_ALWAYS }; /* as MTLCompareFunction */

enum { /* mp_lookup.flags */
    MP_LOOKUP_LEVEL = 1,             /* level holds the level of detail; else it is 0 */
    MP_LOOKUP_GRADIENTS = 2,         /* the level of detail follows from the gradients */
    MP_LOOKUP_COMPARE = 4            /* each texel counts as 1 if it compares with `reference`, else as 0 */
};

typedef struct mp_lookup {
    float at[3];
    mp_u32 element;                  /* of an array */
    int offset[3];                   /* in texels */
    mp_u32 flags;
    float level;
    float min_level;
    float reference;
    mp_u32 component;                /* gather: which of the four */
    float gradients[2][3];           /* by x and y of the screen */
} mp_lookup;

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

/* ---- conversions that a processor may lack, by the numbers' bits; to nearest, ties to even ---- */

#define MP_CONVERSION MP_KERNEL_ABI __attribute__((const, nothrow, visibility("default")))
MP_CONVERSION mp_u32 mp_float_of_half(mp_u32 half);
MP_CONVERSION mp_u32 mp_half_of_float(mp_u32 bits);
MP_CONVERSION mp_u32 mp_half_of_double(unsigned long bits);
MP_CONVERSION mp_u32 mp_bfloat_of_float(mp_u32 bits);
MP_CONVERSION mp_u32 mp_bfloat_of_double(unsigned long bits);

/* ---- what kernels call; all but the texture functions meet the other threads of the threadgroup or simdgroup ----
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
MP_KERNEL_CALL mp_u32 mp_simdgroup_index(void);   /* the caller's simdgroup in its threadgroup; meets nobody */
MP_KERNEL_CALL void mp_site(mp_u32 order);        /* the place of the caller's next call, from 1; meets nobody */
MP_KERNEL_CALL void mp_threadgroup_barrier(void); /* every thread of the group that has not ended */
MP_KERNEL_CALL void mp_simdgroup_barrier(void);   /* every lane of the simdgroup that has not ended */
/* Bit i is set if lane i takes part in this call. */
MP_KERNEL_CALL unsigned long mp_simd_active(void);
/* Bit i is set if lane i takes part in this call and passes a non-zero predicate. */
MP_KERNEL_CALL unsigned long mp_simd_ballot(mp_u32 predicate);

/* `value` of lane `lane`: 0 if that lane is not active, the caller's own if it is not in 0..31. */
MP_KERNEL_CALL mp_u32 mp_simd_shuffle_u32(mp_u32 value, mp_u32 lane);
MP_KERNEL_CALL unsigned long mp_simd_shuffle_u64(unsigned long value, mp_u32 lane);

/* One step of a product of 8x8 matrices of float: the lane's two elements of a b + c, packed as the two elements that it
 * passes of each. Lane l holds row (l / 4 & 4) + l / 2 % 4, columns (l / 4 & 2) * 2 + l % 2 * 2 and the next; what
 * inactive lanes hold counts as zero. */
MP_KERNEL_CALL unsigned long mp_simd_multiply_accumulate(unsigned long a, unsigned long b, unsigned long c);

/* c += a b, of tiles in fragments of 16x16 floats that the lanes hold row by row of fragments, 8 elements of each: lane l
 * has columns (l / 4 & 2 | l & 1) * 4 and the next three of row (l / 4 & 4 | l / 2 & 3), then of the row 8 below.
 * `fragments` is how many c has from top to bottom, 8 bits, from left to right, 8 bits, and how many are summed over,
 * 8 bits. a is held transposed if bit 0 of `transposed` is set, b if bit 1 is. What inactive lanes hold counts as zero. */
MP_KERNEL_CALL void mp_simd_matmul(const float *a, const float *b, float *c, mp_u32 fragments, mp_u32 transposed);

/* The same for vector programs: where each lane of `set` holds its elements. */
MP_KERNEL_CALL void mp_simdgroup_matmul(float *const *a, float *const *b, float *const *c, mp_u32 set, mp_u32 fragments,
                                        mp_u32 transposed);

/* Reductions over the active lanes; the result is the same in each of them. Floats are combined half by half: lane i
 * with lane i + 16, then with i + 8 and so on, identities standing in for lanes that are not active; prefix sums go by
 * powers of two. min and max of floats follow fmin and fmax: a NaN loses against a number. */
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

/* They read memory and nothing else, so calls may be merged and moved. */
#define MP_TEXTURE_CALL MP_KERNEL_ABI __attribute__((pure, nothrow, visibility("default")))
MP_TEXTURE_CALL mp_texel mp_texture_sample(const mp_texture_view *view, unsigned long sampler, const mp_lookup *lookup);
/* The commonest lookup: level 0 of a 2D texture. */
MP_TEXTURE_CALL mp_texel mp_texture_sample_2d(const mp_texture_view *view, unsigned long sampler, float x, float y);
/* One component of the four texels that a linear filter would use: lower left, lower right, upper right, upper left. */
MP_TEXTURE_CALL mp_texel mp_texture_gather(const mp_texture_view *view, unsigned long sampler,
                                           const mp_lookup *lookup);

#ifdef __cplusplus
}
#endif
#endif /* METALPY_KERNEL_H */
