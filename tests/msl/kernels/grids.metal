// Grids of one to three dimensions whose size is no multiple of the threadgroup's.
#include <metal_stdlib>
using namespace metal;

kernel void one(device uint* out, uint i [[thread_position_in_grid]]) { out[i] += i + 1; }
kernel void two(device uint* out, uint2 p [[thread_position_in_grid]], uint2 n [[threads_per_grid]]) {
  out[p.y * n.x + p.x] += p.x + 100 * p.y + 1;
}
kernel void three(device uint* out, uint3 p [[thread_position_in_grid]], uint3 n [[threads_per_grid]]) {
  out[(p.z * n.y + p.y) * n.x + p.x] += p.x + 100 * p.y + 10000 * p.z + 1;
}
kernel void edge_sizes(device uint* out, uint3 p [[thread_position_in_grid]], uint3 n [[threads_per_grid]], uint3 size [[threads_per_threadgroup]]) {
  threadgroup uint members[1];
  threadgroup atomic_uint* counter = (threadgroup atomic_uint*)members;
  atomic_store_explicit(counter, 0u, memory_order_relaxed);
  threadgroup_barrier(mem_flags::mem_threadgroup);
  atomic_fetch_add_explicit(counter, 1u, memory_order_relaxed);
  threadgroup_barrier(mem_flags::mem_threadgroup);
  out[(p.z * n.y + p.y) * n.x + p.x] = members[0] * 100 + size.x * size.y * size.z;
}
