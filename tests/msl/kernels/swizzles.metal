// Reading and writing components by name and by index.
#include <metal_stdlib>
using namespace metal;

kernel void read(device float4* out, const device float4* in, uint i [[thread_position_in_grid]]) {
  const float4 v = in[i];
  device float4* row = out + 8 * i;
  row[0] = v.wzyx;
  row[1] = v.xxyy;
  row[2] = v.rgba;
  row[3] = v.bgra;
  row[4] = float4(v.xy, v.zw);
  row[5] = float4(v.yzw, v.a);
  row[6] = in[i].zzzz;
  row[7] = float4(v[3], v[2], v[1], v[i % 4]);
}
kernel void write(device float4* out, const device float4* in, uint i [[thread_position_in_grid]]) {
  float4 a = in[i], b = in[i], c = in[i];
  a.zx = a.xy;
  a.w = 10;
  b.xyz = float3(1, 2, 3);
  b.rg *= 2;
  b.yw += float2(100, 200);
  c[1] = -1;
  c[i % 4] += 5;
  c.xw = c.wx;
  device float4* row = out + 4 * i;
  row[0] = a;
  row[1] = b;
  row[2] = c;
  row[3].xy = a.yx;  // straight into device memory
  row[3].zw = b.xy + c.zw;
}
kernel void by_reference(device int4* out, uint i [[thread_position_in_grid]]) {
  int4 v = int4(i);
  thread int& y = v.y;
  y = 42;
  v.z++;
  v.w -= 3;
  out[i] = v;
}
