// <metal_compute>: barriers.
#pragma once
#pragma clang system_header
#include <__mp/scalar.h>
#include <metalpy_kernel.h>

MP_BEGIN
// Where only argument-dependent lookup finds the operators (see vec.h); it has to find the barriers, too.
namespace __mp::flags {
enum class mem_flags {
    mem_none = 0,
    mem_device = 1,
    mem_threadgroup = 2,
    mem_device_and_threadgroup = 3, // of Metal 1
    mem_texture = 4,
    mem_threadgroup_imageblock = 8,
    mem_object_data = 16
};
MP_CX mem_flags operator|(mem_flags a, mem_flags b) { return static_cast<mem_flags>(int(a) | int(b)); }
MP_CX mem_flags operator&(mem_flags a, mem_flags b) { return static_cast<mem_flags>(int(a) & int(b)); }

// A threadgroup runs on one OS thread: a barrier is a meeting, and no memory operation moves across a call.
MP_MEET void threadgroup_barrier(mem_flags) { mp_threadgroup_barrier(); }
template <class Scope> MP_MEET void threadgroup_barrier(mem_flags, Scope) { mp_threadgroup_barrier(); }
MP_MEET void simdgroup_barrier(mem_flags) { mp_simdgroup_barrier(); }
template <class Scope> MP_MEET void simdgroup_barrier(mem_flags, Scope) { mp_simdgroup_barrier(); }
} // namespace __mp::flags

namespace metal {
using __mp::flags::mem_flags, __mp::flags::simdgroup_barrier, __mp::flags::threadgroup_barrier;

enum memory_order {
    memory_order_relaxed = __METAL_MEMORY_ORDER_RELAXED__,
    memory_order_acquire = __METAL_MEMORY_ORDER_ACQUIRE__,
    memory_order_release = __METAL_MEMORY_ORDER_RELEASE__,
    memory_order_acq_rel = __METAL_MEMORY_ORDER_ACQ_REL__,
    memory_order_seq_cst = __METAL_MEMORY_ORDER_SEQ_CST__
};
enum thread_scope {
    thread_scope_thread = __METAL_MEMORY_SCOPE_THREAD__,
    thread_scope_threadgroup = __METAL_MEMORY_SCOPE_THREADGROUP__,
    thread_scope_device = __METAL_MEMORY_SCOPE_DEVICE__,
    thread_scope_simdgroup = __METAL_MEMORY_SCOPE_SIMDGROUP__
};
enum memory_scope {
    memory_scope_threadgroup = __METAL_MEMORY_SCOPE_THREADGROUP__,
    memory_scope_device = __METAL_MEMORY_SCOPE_DEVICE__,
    memory_scope_simdgroup = __METAL_MEMORY_SCOPE_SIMDGROUP__
};
} // namespace metal
MP_END
