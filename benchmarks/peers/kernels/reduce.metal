// A tree in threadgroup memory: each threadgroup adds up 256 elements.
#include <metal_stdlib>
using namespace metal;

[[max_total_threads_per_threadgroup(256)]]
kernel void reduce(device float* sums [[buffer(0)]], const device float* x [[buffer(1)]],
                   uint i [[thread_position_in_grid]], uint local [[thread_index_in_threadgroup]],
                   uint group [[threadgroup_position_in_grid]]) {
  threadgroup float tree[256];
  tree[local] = x[i];
  threadgroup_barrier(mem_flags::mem_threadgroup);
  for (uint half_width = 128; half_width > 0; half_width /= 2) {
    if (local < half_width) tree[local] += tree[local + half_width];
    threadgroup_barrier(mem_flags::mem_threadgroup);
  }
  if (local == 0) sums[group] = tree[0];
}
