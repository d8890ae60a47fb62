// Questions about floating numbers.
#include <metal_stdlib>
using namespace metal;

template <typename T>
kernel void classify(device uchar* out, const device T* x, const device T* y, uint i [[thread_position_in_grid]]) {
  device uchar* row = out + 7 * i;
  row[0] = isnan(x[i]);
  row[1] = isinf(x[i]);
  row[2] = isfinite(x[i]);
  row[3] = isnormal(x[i]);
  row[4] = isordered(x[i], y[i]);
  row[5] = isunordered(x[i], y[i]);
  row[6] = signbit(x[i]);
}
template [[host_name("classify_float")]] kernel decltype(classify<float>) classify<float>;
template [[host_name("classify_half")]] kernel decltype(classify<half>) classify<half>;

kernel void choose(device float* out, const device float* x, const device int* y, uint i [[thread_position_in_grid]]) {
  out[i] = select(x[i], -x[i], y[i] > 3) + select(1, 100, isnan(x[i]));
}
