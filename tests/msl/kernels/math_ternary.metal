// Functions of three numbers.
#include <metal_stdlib>
using namespace metal;

#define TERNARY(f)                                                                                             \
  kernel void f##_float(device float* out, const device float* x, const device float* y, const device float* z, \
                        uint i [[thread_position_in_grid]]) {                                                 \
    out[i] = f(x[i], y[i], z[i]);                                                                             \
  }                                                                                                           \
  kernel void f##_half2(device half2* out, const device half2* x, const device half2* y, const device half2* z, \
                        uint i [[thread_position_in_grid]]) {                                                 \
    out[i] = f(x[i], y[i], z[i]);                                                                             \
  }
TERNARY(fma) TERNARY(mix) TERNARY(clamp) TERNARY(smoothstep) TERNARY(fmax3) TERNARY(fmin3) TERNARY(fmedian3)
TERNARY(max3) TERNARY(min3) TERNARY(median3)
kernel void mixed_scalar(device float4* out, const device float4* x, constant float& t, uint i [[thread_position_in_grid]]) {
  out[i] = mix(x[i], x[i].wzyx, t) + clamp(x[i], -1.0f, 1.0f) + max(x[i], float4(t)) + smoothstep(0.0f, 1.0f, x[i]);
}
