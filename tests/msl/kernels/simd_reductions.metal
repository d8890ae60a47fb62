// Reductions and scans over a simdgroup, also a partly filled one.
#include <metal_stdlib>
using namespace metal;

template <typename T>
kernel void reductions(device T* out, const device T* x, uint i [[thread_position_in_grid]]) {
  device T* row = out + 8 * i;
  row[0] = simd_sum(x[i]);
  row[1] = simd_product(x[i]);
  row[2] = simd_min(x[i]);
  row[3] = simd_max(x[i]);
  row[4] = simd_prefix_inclusive_sum(x[i]);
  row[5] = simd_prefix_exclusive_sum(x[i]);
  row[6] = simd_prefix_inclusive_product(x[i]);
  row[7] = simd_prefix_exclusive_product(x[i]);
}
template [[host_name("reductions_int")]] kernel decltype(reductions<int>) reductions<int>;
template [[host_name("reductions_uint")]] kernel decltype(reductions<uint>) reductions<uint>;
template [[host_name("reductions_short")]] kernel decltype(reductions<short>) reductions<short>;
template [[host_name("reductions_uchar")]] kernel decltype(reductions<uchar>) reductions<uchar>;
template [[host_name("reductions_float")]] kernel decltype(reductions<float>) reductions<float>;
template [[host_name("reductions_half")]] kernel decltype(reductions<half>) reductions<half>;

kernel void bitwise(device uint* out, const device uint* x, uint i [[thread_position_in_grid]]) {
  out[3 * i] = simd_and(x[i]);
  out[3 * i + 1] = simd_or(x[i]);
  out[3 * i + 2] = simd_xor(x[i]);
}
kernel void vectors(device float4* out, const device float4* x, uint i [[thread_position_in_grid]]) {
  out[2 * i] = simd_sum(x[i]);
  out[2 * i + 1] = simd_max(x[i]);
}
kernel void divergent(device int* out, const device int* x, uint i [[thread_position_in_grid]], uint lane [[thread_index_in_simdgroup]]) {
  int result;
  if (lane % 3 == 0) {
    result = simd_sum(x[i]);
  } else {
    result = -simd_max(x[i]);
  }
  out[i] = result;
}
kernel void in_loop(device int* out, uint i [[thread_position_in_grid]], uint lane [[thread_index_in_simdgroup]]) {
  int sum = 0;
  for (uint k = 0; k <= lane; ++k) sum += simd_sum(1);  // lanes drop out one by one
  out[i] = sum;
}
