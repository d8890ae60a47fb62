// Sum of an array: each threadgroup folds its part in a binary tree and writes one partial sum.
#include <metal_stdlib>
using namespace metal;

kernel void reduce_sum(device float* partial         [[buffer(0)]],
                       const device float* x         [[buffer(1)]],
                       constant uint& count          [[buffer(2)]],
                       threadgroup float* scratch    [[threadgroup(0)]],   // one float a thread, sized by the host
                       uint id                       [[thread_position_in_grid]],
                       uint stride                   [[threads_per_grid]],
                       uint local                    [[thread_index_in_threadgroup]],
                       uint group                    [[threadgroup_position_in_grid]],
                       uint width                    [[threads_per_threadgroup]]) {
  float sum = 0;
  for (uint i = id; i < count; i += stride) sum += x[i];
  scratch[local] = sum;
  threadgroup_barrier(mem_flags::mem_threadgroup);

  for (uint half_width = width / 2; half_width > 0; half_width /= 2) {
    if (local < half_width) scratch[local] += scratch[local + half_width];
    threadgroup_barrier(mem_flags::mem_threadgroup);
  }
  if (local == 0) partial[group] = scratch[0];
}
