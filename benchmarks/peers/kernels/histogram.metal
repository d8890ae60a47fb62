// 256 bins: counted in threadgroup memory first, then added to the result.
#include <metal_stdlib>
using namespace metal;

[[max_total_threads_per_threadgroup(256)]]
kernel void histogram(device atomic_uint* counts [[buffer(0)]], const device uchar* values [[buffer(1)]],
                      constant uint& count [[buffer(2)]], uint i [[thread_position_in_grid]],
                      uint stride [[threads_per_grid]], uint local [[thread_index_in_threadgroup]]) {
  threadgroup atomic_uint bins[256];
  atomic_store_explicit(&bins[local], 0u, memory_order_relaxed);
  threadgroup_barrier(mem_flags::mem_threadgroup);
  for (uint at = i; at < count; at += stride) atomic_fetch_add_explicit(&bins[values[at]], 1u, memory_order_relaxed);
  threadgroup_barrier(mem_flags::mem_threadgroup);
  const uint found = atomic_load_explicit(&bins[local], memory_order_relaxed);
  atomic_fetch_add_explicit(&counts[local], found, memory_order_relaxed);
}
