// Inclusive prefix sum in three kernels: of each 256 elements in threadgroup memory, of the blocks' totals by one
// threadgroup, and the addition of what earlier blocks hold.
#include <metal_stdlib>
using namespace metal;

[[max_total_threads_per_threadgroup(256)]]
kernel void scan_blocks(device uint* out [[buffer(0)]], device uint* totals [[buffer(1)]],
                        const device uint* in [[buffer(2)]], uint i [[thread_position_in_grid]],
                        uint local [[thread_index_in_threadgroup]], uint block [[threadgroup_position_in_grid]]) {
  threadgroup uint sums[256];
  sums[local] = in[i];
  threadgroup_barrier(mem_flags::mem_threadgroup);
  for (uint distance = 1; distance < 256; distance *= 2) {
    const uint before = local >= distance ? sums[local - distance] : 0;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    sums[local] += before;
    threadgroup_barrier(mem_flags::mem_threadgroup);
  }
  out[i] = sums[local];
  if (local == 255) totals[block] = sums[local];
}

/// Each of 256 threads adds up its share of the totals, and starts at what the threads before it have.
[[max_total_threads_per_threadgroup(256)]]
kernel void scan_totals(device uint* totals [[buffer(0)]], constant uint& blocks [[buffer(1)]],
                        uint local [[thread_index_in_threadgroup]]) {
  threadgroup uint sums[256];
  const uint share = (blocks + 255) / 256, start = min(local * share, blocks), end = min(start + share, blocks);
  uint sum = 0;
  for (uint i = start; i < end; ++i) sum += totals[i];
  sums[local] = sum;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  uint before = 0;
  for (uint t = 0; t < local; ++t) before += sums[t];
  for (uint i = start; i < end; ++i) totals[i] = before += totals[i];
}

[[max_total_threads_per_threadgroup(256)]]
kernel void add_totals(device uint* out [[buffer(0)]], const device uint* totals [[buffer(1)]],
                       uint i [[thread_position_in_grid]], uint block [[threadgroup_position_in_grid]]) {
  if (block > 0) out[i] += totals[block - 1];
}
