// Arithmetic in half, bfloat and float, each in its own precision.
#include <metal_stdlib>
using namespace metal;

template <typename T>
kernel void polynomial(device T* out, const device T* x, uint i [[thread_position_in_grid]]) {
  const T square = x[i] * x[i];
  const T shifted = square + T(1);
  out[i] = shifted / T(3) - x[i];
}

template [[host_name("polynomial_half")]] kernel decltype(polynomial<half>) polynomial<half>;
template [[host_name("polynomial_bfloat")]] kernel decltype(polynomial<bfloat>) polynomial<bfloat>;
template [[host_name("polynomial_float")]] kernel decltype(polynomial<float>) polynomial<float>;
