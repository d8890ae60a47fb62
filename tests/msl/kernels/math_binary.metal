// Functions of two numbers, scalar and vector.
#include <metal_stdlib>
using namespace metal;

#define BINARY(f)                                                                                              \
  kernel void f##_float(device float* out, const device float* x, const device float* y, uint i [[thread_position_in_grid]]) { \
    out[i] = f(x[i], y[i]);                                                                                   \
  }                                                                                                           \
  kernel void f##_float4(device float4* out, const device float4* x, const device float4* y, uint i [[thread_position_in_grid]]) { \
    out[i] = f(x[i], y[i]);                                                                                   \
  }                                                                                                           \
  kernel void f##_half(device half* out, const device half* x, const device half* y, uint i [[thread_position_in_grid]]) { \
    out[i] = f(x[i], y[i]);                                                                                   \
  }
BINARY(atan2) BINARY(copysign) BINARY(fdim) BINARY(fmax) BINARY(fmin) BINARY(fmod) BINARY(pow) BINARY(powr)
BINARY(max) BINARY(min) BINARY(step) BINARY(divide)
kernel void nextafter_float(device float* out, const device float* x, const device float* y, uint i [[thread_position_in_grid]]) {
  out[i] = nextafter(x[i], y[i]);
}
