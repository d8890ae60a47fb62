// packed_float3 takes 12 bytes, float3 takes 16; both convert to each other and compute.
#include <metal_stdlib>
using namespace metal;

kernel void scale(device packed_float3* out, const device packed_float3* in, constant float& by, uint i [[thread_position_in_grid]]) {
  float3 v = in[i];
  v.y += 1;
  out[i] = v * by;
}
kernel void arithmetic(device packed_float3* out, const device packed_float3* a, const device packed_float3* b, uint i [[thread_position_in_grid]]) {
  packed_float3 v = a[i] + b[i];
  v *= 2;
  v.x = v[1] - 1;
  out[i] = v - a[i];
}
kernel void wide(device float3* out, const device packed_short3* in, uint i [[thread_position_in_grid]]) {
  out[i] = float3(short3(in[i])) + float3(in[i].zyx);
}
kernel void bytes(device packed_uchar4* out, const device packed_half2* in, uint i [[thread_position_in_grid]]) {
  const half2 v = in[i];
  out[i] = packed_uchar4(uchar(v.x), uchar(v.y), sizeof(packed_char3), sizeof(packed_half2));
}
