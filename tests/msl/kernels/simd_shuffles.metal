// Moving values between the lanes of a simdgroup.
#include <metal_stdlib>
using namespace metal;

template <typename T>
kernel void shuffles(device T* out, const device T* x, uint i [[thread_position_in_grid]], uint lane [[thread_index_in_simdgroup]]) {
  device T* row = out + 8 * i;
  row[0] = simd_shuffle(x[i], ushort((lane * 7 + 3) % 32));
  row[1] = simd_shuffle_xor(x[i], ushort(5));
  const T down = simd_shuffle_down(x[i], ushort(4)), up = simd_shuffle_up(x[i], ushort(3));
  row[2] = lane < 28 ? down : T(0);  // beyond the ends the value is not defined
  row[3] = lane >= 3 ? up : T(0);
  row[4] = simd_broadcast(x[i], ushort(9));
  row[5] = simd_broadcast_first(x[i]);
  row[6] = simd_shuffle_rotate_down(x[i], ushort(6));
  row[7] = simd_shuffle_rotate_up(x[i], ushort(6));
}
template [[host_name("shuffles_float")]] kernel decltype(shuffles<float>) shuffles<float>;
template [[host_name("shuffles_half")]] kernel decltype(shuffles<half>) shuffles<half>;
template [[host_name("shuffles_int")]] kernel decltype(shuffles<int>) shuffles<int>;
template [[host_name("shuffles_ushort")]] kernel decltype(shuffles<ushort>) shuffles<ushort>;
template [[host_name("shuffles_uchar")]] kernel decltype(shuffles<uchar>) shuffles<uchar>;

kernel void fill(device int* out, const device int* x, const device int* y, uint i [[thread_position_in_grid]]) {
  out[2 * i] = simd_shuffle_and_fill_up(x[i], y[i], ushort(5));
  out[2 * i + 1] = simd_shuffle_and_fill_down(x[i], y[i], ushort(5));
}
kernel void vectors(device float3* out, const device float3* x, uint i [[thread_position_in_grid]]) {
  out[i] = simd_shuffle_xor(x[i], 1) + simd_broadcast(x[i], 2);
}
kernel void butterfly(device float* out, const device float* x, uint i [[thread_position_in_grid]]) {
  float sum = x[i];
  for (ushort mask = 16; mask > 0; mask >>= 1) sum += simd_shuffle_xor(sum, mask);
  out[i] = sum;
}
