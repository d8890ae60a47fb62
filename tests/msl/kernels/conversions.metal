// Conversions between scalar types: implicit, functional, C-style and static_cast.
#include <metal_stdlib>
using namespace metal;

kernel void float_to_int(device int* out, const device float* x, uint i [[thread_position_in_grid]]) {
  out[i] = int(x[i]);
}
kernel void int_to_half(device half* out, const device int* x, uint i [[thread_position_in_grid]]) {
  out[i] = (half)x[i];
}
kernel void float_to_half(device half* out, const device float* x, uint i [[thread_position_in_grid]]) {
  out[i] = static_cast<half>(x[i]);
}
kernel void float_to_bfloat(device bfloat* out, const device float* x, uint i [[thread_position_in_grid]]) {
  out[i] = bfloat(x[i]);
}
kernel void bfloat_to_float(device float* out, const device bfloat* x, uint i [[thread_position_in_grid]]) {
  out[i] = x[i];
}
kernel void half_to_long(device long* out, const device half* x, uint i [[thread_position_in_grid]]) {
  out[i] = long(x[i]);
}
kernel void ulong_to_float(device float* out, const device ulong* x, uint i [[thread_position_in_grid]]) {
  out[i] = float(x[i]);
}
kernel void int_to_uchar(device uchar* out, const device int* x, uint i [[thread_position_in_grid]]) {
  out[i] = uchar(x[i]);
}
kernel void float_to_bool(device bool* out, const device float* x, uint i [[thread_position_in_grid]]) {
  out[i] = bool(x[i]);
}
kernel void bool_to_float(device float* out, const device bool* x, uint i [[thread_position_in_grid]]) {
  out[i] = x[i] + 0.5f;
}
