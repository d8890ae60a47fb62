// Vectors convert element by element.
#include <metal_stdlib>
using namespace metal;

kernel void half_from_float(device half4* out, const device float4* x, uint i [[thread_position_in_grid]]) {
  out[i] = half4(x[i]);
}
kernel void int_from_float(device int4* out, const device float4* x, uint i [[thread_position_in_grid]]) {
  out[i] = (int4)x[i];
}
kernel void uint_from_int(device uint4* out, const device int4* x, uint i [[thread_position_in_grid]]) {
  out[i] = uint4(x[i]);
}
kernel void float_from_uchar(device float4* out, const device uchar4* x, uint i [[thread_position_in_grid]]) {
  out[i] = float4(x[i]) / 255;
}
kernel void bfloat_from_half(device bfloat4* out, const device half4* x, uint i [[thread_position_in_grid]]) {
  out[i] = bfloat4(x[i]);
}
