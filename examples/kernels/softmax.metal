// Softmax of the rows of a matrix: a threadgroup a row, reductions by simdgroups and then across them.
#include <metal_stdlib>
#include "common.h"
using namespace metal;

struct Max {
  static constexpr constant float identity = -INFINITY;
  static float within_simdgroup(float x) { return simd_max(x); }
};

struct Sum {
  static constexpr constant float identity = 0;
  static float within_simdgroup(float x) { return simd_sum(x); }
};

/// Folds `x` over all threads of the threadgroup; every thread gets the result.
template <typename Operation>
float reduce(float x, threadgroup float* scratch, uint lane, uint simdgroup, uint simdgroups) {
  x = Operation::within_simdgroup(x);
  threadgroup_barrier(mem_flags::mem_threadgroup);  // the last use of scratch is over
  if (lane == 0) scratch[simdgroup] = x;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  return Operation::within_simdgroup(lane < simdgroups ? scratch[lane] : Operation::identity);
}

kernel void softmax(device float* out                [[buffer(0)]],
                    const device float* in           [[buffer(1)]],
                    constant uint& columns           [[buffer(2)]],
                    uint row                         [[threadgroup_position_in_grid]],
                    uint thread_index                [[thread_index_in_threadgroup]],
                    uint width                       [[threads_per_threadgroup]],
                    uint lane                        [[thread_index_in_simdgroup]],
                    uint simdgroup                   [[simdgroup_index_in_threadgroup]],
                    uint simdgroups                  [[simdgroups_per_threadgroup]]) {
  threadgroup float scratch[simd_width];
  in += row * columns;
  out += row * columns;

  float largest = -INFINITY;
  for (uint c = thread_index; c < columns; c += width) largest = max(largest, in[c]);
  largest = reduce<Max>(largest, scratch, lane, simdgroup, simdgroups);

  float total = 0;
  for (uint c = thread_index; c < columns; c += width) total += exp(in[c] - largest);
  total = reduce<Sum>(total, scratch, lane, simdgroup, simdgroups);

  for (uint c = thread_index; c < columns; c += width) out[c] = exp(in[c] - largest) / total;
}
