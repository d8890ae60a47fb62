// Operators work element by element, and between a vector and a scalar.
#include <metal_stdlib>
using namespace metal;

kernel void floats(device float3* out, const device float3* a, const device float3* b, uint i [[thread_position_in_grid]]) {
  float3 v = a[i] + b[i] * 2.0f - 1;
  v /= b[i];
  v *= 3;
  out[i] = -v + 2.0f / b[i];
}
kernel void integers(device int4* out, const device int4* a, const device int4* b, uint i [[thread_position_in_grid]]) {
  int4 v = (a[i] ^ b[i]) + (a[i] & 7) - (b[i] | 8);
  v = v << 1;
  v >>= int4(0, 1, 2, 3);
  v = v % b[i] + ~a[i];
  v++;
  out[i] = +v;
}
kernel void small(device uchar4* out, const device uchar4* a, const device uchar4* b, uint i [[thread_position_in_grid]]) {
  out[i] = a[i] * b[i] + uchar4(200);  // wraps at 8 bits
}
kernel void halves(device half2* out, const device half2* a, const device half2* b, uint i [[thread_position_in_grid]]) {
  out[i] = (a[i] + b[i]) * half(0.5) - 1.0h;
}
kernel void longs(device long2* out, const device long2* a, const device long2* b, uint i [[thread_position_in_grid]]) {
  out[i] = a[i] * b[i] - (a[i] >> 3);
}
