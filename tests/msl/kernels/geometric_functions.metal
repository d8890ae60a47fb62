// Functions of vectors as points.
#include <metal_stdlib>
using namespace metal;

kernel void scalars(device float* out, const device float3* a, const device float3* b, uint i [[thread_position_in_grid]]) {
  device float* row = out + 7 * i;
  row[0] = dot(a[i], b[i]);
  row[1] = length(a[i]);
  row[2] = length_squared(a[i]);
  row[3] = distance(a[i], b[i]);
  row[4] = distance_squared(a[i], b[i]);
  row[5] = dot(a[i].xy, b[i].yx);
  row[6] = length(float4(a[i], 2));
}
kernel void vectors(device packed_float3* out, const device float3* a, const device float3* b, uint i [[thread_position_in_grid]]) {
  device packed_float3* row = out + 5 * i;
  row[0] = cross(a[i], b[i]);
  row[1] = normalize(a[i]);
  row[2] = reflect(a[i], normalize(b[i]));
  row[3] = faceforward(a[i], b[i], a[i]);
  row[4] = refract(normalize(a[i]), normalize(b[i]), 0.5f);
}
kernel void halves(device half* out, const device half4* a, const device half4* b, uint i [[thread_position_in_grid]]) {
  out[i] = dot(a[i], b[i]) + length(a[i].xy);
}
// A scalar stands for a vector of it.
kernel void with_scalars(device float* out, const device float3* a, const device packed_float3* b, uint i [[thread_position_in_grid]]) {
  device float* row = out + 4 * i;
  row[0] = dot(a[i], 1);
  row[1] = dot(2.0h, b[i]);
  row[2] = distance(a[i], 0.5f);
  row[3] = distance_squared(a[i], b[i]);
}
