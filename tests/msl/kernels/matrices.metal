// Matrices hold columns; m[c][r].
#include <metal_stdlib>
using namespace metal;

kernel void products(device float4* out, const device float4x4* m, const device float4* v, uint i [[thread_position_in_grid]]) {
  device float4* row = out + 3 * i;
  row[0] = m[i] * v[i];
  row[1] = v[i] * m[i];
  row[2] = (m[i] * transpose(m[i]))[i % 4];
}
kernel void construct(device float3x3* out, const device float3* a, uint i [[thread_position_in_grid]]) {
  device float3x3* row = out + 5 * i;
  row[0] = float3x3(2.0f);                                  // diagonal
  row[1] = float3x3(a[i], a[i].zyx, float3(1));             // columns
  row[2] = float3x3(1, 2, 3, 4, 5, 6, 7, 8, a[i].x);        // elements
  float3x3 m = float3x3(1);
  m[1][2] = a[i].y;
  m[2] = a[i];
  m[0].yz += 4;
  row[3] = m;
  row[4] = 2 * m + row[1] - float3x3(half3x3(half(1)));
}
kernel void rectangular(device float2* out, const device float3x2* m, const device float3* v, uint i [[thread_position_in_grid]]) {
  const float2x3 t = transpose(m[i]);
  out[2 * i] = m[i] * v[i];
  out[2 * i + 1] = v[i] * t;
}
kernel void determinants(device float* out, const device float2x2* a, const device float3x3* b, const device float4x4* c, uint i [[thread_position_in_grid]]) {
  out[3 * i] = determinant(a[i]);
  out[3 * i + 1] = determinant(b[i]);
  out[3 * i + 2] = determinant(c[i]);
}
static void fill(thread half4x4& reg, const device half* from) {
  for (int i = 0; i < 16; ++i) reg[i / 4][i % 4] = from[i] + 1.0h;
}
kernel void by_reference(device half4x4* out, const device half* in, uint i [[thread_position_in_grid]]) {
  half4x4 m;
  fill(m, in + 16 * i);
  out[i] = m * half(2);
}
