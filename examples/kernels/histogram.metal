// 256 bins: counted in threadgroup memory first, then added to the result, so that few threads meet at an address.
#include <metal_stdlib>
using namespace metal;

constant constexpr uint bins = 256;

kernel void histogram(device atomic_uint* counts     [[buffer(0)]],
                      const device uchar* values     [[buffer(1)]],
                      constant uint& count           [[buffer(2)]],
                      uint id                        [[thread_position_in_grid]],
                      uint stride                    [[threads_per_grid]],
                      uint local                     [[thread_index_in_threadgroup]],
                      uint width                     [[threads_per_threadgroup]]) {
  threadgroup atomic_uint mine[bins];
  for (uint i = local; i < bins; i += width) atomic_store_explicit(&mine[i], 0u, memory_order_relaxed);
  threadgroup_barrier(mem_flags::mem_threadgroup);

  for (uint i = id; i < count; i += stride) atomic_fetch_add_explicit(&mine[values[i]], 1u, memory_order_relaxed);
  threadgroup_barrier(mem_flags::mem_threadgroup);

  for (uint i = local; i < bins; i += width) {
    const uint found = atomic_load_explicit(&mine[i], memory_order_relaxed);
    if (found != 0) atomic_fetch_add_explicit(&counts[i], found, memory_order_relaxed);
  }
}
