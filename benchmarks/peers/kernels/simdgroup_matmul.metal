// C = A B for square matrices: a simdgroup holds 4x4 matrices of 8x8, 32x32 elements of C.
#include <metal_simdgroup_matrix>
#include <metal_stdlib>
using namespace metal;

[[max_total_threads_per_threadgroup(32)]]
kernel void simdgroup_matmul(device float* c [[buffer(0)]], const device float* a [[buffer(1)]],
                             const device float* b [[buffer(2)]], constant uint& n [[buffer(3)]],
                             uint2 group [[threadgroup_position_in_grid]]) {
  const uint row = group.y * 32, column = group.x * 32;
  simdgroup_float8x8 sums[4][4];
  for (uint i = 0; i < 4; ++i)
    for (uint j = 0; j < 4; ++j) sums[i][j] = make_filled_simdgroup_matrix<float, 8, 8>(0);

  for (uint k = 0; k < n; k += 8) {
    simdgroup_float8x8 left[4], right[4];
    for (uint i = 0; i < 4; ++i) simdgroup_load(left[i], a + (row + 8 * i) * n + k, n);
    for (uint j = 0; j < 4; ++j) simdgroup_load(right[j], b + k * n + column + 8 * j, n);
    for (uint i = 0; i < 4; ++i)
      for (uint j = 0; j < 4; ++j) simdgroup_multiply_accumulate(sums[i][j], left[i], right[j], sums[i][j]);
  }
  for (uint i = 0; i < 4; ++i)
    for (uint j = 0; j < 4; ++j) simdgroup_store(sums[i][j], c + (row + 8 * i) * n + column + 8 * j, n);
}
