// The first of the prefix sum's kernels with simdgroup functions: within simdgroups, then over the eight.
#include <metal_stdlib>
using namespace metal;

[[max_total_threads_per_threadgroup(256)]]
kernel void simd_scan_blocks(device uint* out [[buffer(0)]], device uint* totals [[buffer(1)]],
                             const device uint* in [[buffer(2)]], uint i [[thread_position_in_grid]],
                             uint local [[thread_index_in_threadgroup]], uint block [[threadgroup_position_in_grid]],
                             uint lane [[thread_index_in_simdgroup]],
                             uint simdgroup [[simdgroup_index_in_threadgroup]]) {
  threadgroup uint sums[8];
  const uint within = simd_prefix_inclusive_sum(in[i]);
  if (lane == 31) sums[simdgroup] = within;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  const uint before = simd_sum(lane < simdgroup ? sums[lane] : 0);
  out[i] = before + within;
  if (local == 255) totals[block] = before + within;
}
