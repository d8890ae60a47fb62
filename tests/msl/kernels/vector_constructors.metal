// Every way to make a vector.
#include <metal_stdlib>
using namespace metal;

kernel void make(device float4* out, const device float2* a, const device int4* b, uint i [[thread_position_in_grid]]) {
  const float2 p = a[i];
  const int4 q = b[i];
  device float4* row = out + 12 * i;
  row[0] = float4(p.x, p.y, 3, 4);
  row[1] = float4(p, 3, 4);
  row[2] = float4(1, p, 4);
  row[3] = float4(1, 2, p);
  row[4] = float4(p, p);
  row[5] = float4(p.x);
  row[6] = float4(float3(p, 7), 8);
  row[7] = float4(q);
  row[8] = static_cast<float4>(q);
  row[9] = 5;
  row[10] = {p.x, p.y, 1, 2};
  row[11] = vec<float, 4>(vec<float, 3>(q.xyz), p.y);
}

template <typename V>
static V from_lanes(int a, int b, int c) {
  return V(a, b, c);
}
kernel void dependent(device int3* out, const device int* a, uint i [[thread_position_in_grid]]) {
  out[i] = from_lanes<int3>(a[i], a[i] + 1, 2 * a[i]);
}

constant float4 table[2] = {float4(1, 2, 3, 4), float4(5)};
constant uint3 triple = uint3(7, 8, 9);
kernel void program_scope(device float4* out, uint i [[thread_position_in_grid]]) {
  out[i] = table[i % 2] + float4(float3(triple), 0);
}
