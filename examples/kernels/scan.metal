// Inclusive prefix sum: within simdgroups, then over them; a second kernel adds what the earlier threadgroups hold.
#include <metal_stdlib>
#include "common.h"
using namespace metal;

kernel void scan_groups(device int* out              [[buffer(0)]],
                        device int* totals           [[buffer(1)]],  // one a threadgroup
                        const device int* in         [[buffer(2)]],
                        uint id                      [[thread_position_in_grid]],
                        uint group                   [[threadgroup_position_in_grid]],
                        uint local                   [[thread_index_in_threadgroup]],
                        uint width                   [[threads_per_threadgroup]],
                        uint lane                    [[thread_index_in_simdgroup]],
                        uint simdgroup               [[simdgroup_index_in_threadgroup]],
                        uint simdgroups              [[simdgroups_per_threadgroup]]) {
  threadgroup int before[simd_width];

  const int x = in[id];
  const int inclusive = simd_prefix_inclusive_sum(x);
  const int simdgroup_total = simd_sum(x);
  if (lane == 0) before[simdgroup] = simdgroup_total;
  threadgroup_barrier(mem_flags::mem_threadgroup);

  if (simdgroup == 0) {
    const int mine = lane < simdgroups ? before[lane] : 0;
    before[lane] = simd_prefix_exclusive_sum(mine);
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);

  const int result = before[simdgroup] + inclusive;
  out[id] = result;
  if (local == width - 1) totals[group] = result;
}

kernel void add_offsets(device int* out              [[buffer(0)]],
                        const device int* totals     [[buffer(1)]],
                        uint id                      [[thread_position_in_grid]],
                        uint group                   [[threadgroup_position_in_grid]]) {
  int offset = 0;
  for (uint i = 0; i < group; ++i) offset += totals[i];
  out[id] += offset;
}
