// What Metal's compiler predefines before any header is included, __METAL_VERSION__ aside: that one comes with the
// language version on the command line.
#pragma once
#pragma clang system_header

#define __METALPY__ 1
#define __METAL__ 1
#define __METAL_MACOS__ 1
#define __METAL_FAST_MATH__ 1
#define __METAL_PRECISE_MATH__ 0
#define __METAL_MAYBE_FAST_MATH__ __METAL_FAST_MATH__
#if __METAL_VERSION__ >= 310
#define __HAVE_BFLOAT__ 1
#endif
#define __HAVE_SIMDGROUP_REDUCTION__ 1
#define __HAVE_SIMDGROUP_BARRIER__ 1
#define __HAVE_SIMDGROUP_BALLOT__ 1
#define __HAVE_SIMDGROUP_SHUFFLE__ 1
#define __HAVE_QUADGROUP__ 1
#define __HAVE_ATOMIC_FLOAT__ 1
#define __HAVE_ATOMIC_ULONG__ 1
#define __HAVE_64BIT_INTEGER__ 1
#if __METAL_VERSION__ >= 400
#define __HAVE_TENSOR__ 1
#endif

#define __METAL_MEMORY_FLAGS_NONE__ 0
#define __METAL_MEMORY_FLAGS_DEVICE__ 1
#define __METAL_MEMORY_FLAGS_THREADGROUP__ 2
#define __METAL_MEMORY_FLAGS_TEXTURE__ 4
#define __METAL_MEMORY_FLAGS_THREADGROUP_IMAGEBLOCK__ 8
#define __METAL_MEMORY_FLAGS_OBJECT_DATA__ 16

#define __METAL_MEMORY_ORDER_RELAXED__ 0
#define __METAL_MEMORY_ORDER_ACQUIRE__ 2
#define __METAL_MEMORY_ORDER_RELEASE__ 3
#define __METAL_MEMORY_ORDER_ACQ_REL__ 4
#define __METAL_MEMORY_ORDER_SEQ_CST__ 5

#define __METAL_MEMORY_SCOPE_THREAD__ 0
#define __METAL_MEMORY_SCOPE_THREADGROUP__ 1
#define __METAL_MEMORY_SCOPE_DEVICE__ 2
#define __METAL_MEMORY_SCOPE_SYSTEM__ 3
#define __METAL_MEMORY_SCOPE_SIMDGROUP__ 4
