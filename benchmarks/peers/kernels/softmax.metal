// Softmax of rows, a threadgroup of 256 a row: within simdgroups by simd_max and simd_sum, then across the eight.
#include <metal_stdlib>
using namespace metal;

[[max_total_threads_per_threadgroup(256)]]
kernel void softmax(device float* out [[buffer(0)]], const device float* in [[buffer(1)]],
                    constant uint& columns [[buffer(2)]], uint row [[threadgroup_position_in_grid]],
                    uint local [[thread_index_in_threadgroup]], uint lane [[thread_index_in_simdgroup]],
                    uint simdgroup [[simdgroup_index_in_threadgroup]]) {
  threadgroup float maxima[8], sums[8];
  in += row * columns;
  out += row * columns;

  float largest = -INFINITY;
  for (uint c = local; c < columns; c += 256) largest = max(largest, in[c]);
  largest = simd_max(largest);
  if (lane == 0) maxima[simdgroup] = largest;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  largest = simd_max(maxima[lane % 8]);

  float sum = 0;
  for (uint c = local; c < columns; c += 256) {
    const float e = exp(in[c] - largest);
    out[c] = e;
    sum += e;
  }
  sum = simd_sum(sum);
  if (lane == 0) sums[simdgroup] = sum;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  sum = simd_sum(lane < 8 ? sums[lane] : 0);

  for (uint c = local; c < columns; c += 256) out[c] /= sum;
}
