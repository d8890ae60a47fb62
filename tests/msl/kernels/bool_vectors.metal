// Comparisons give vectors of bool, which combine, select and reduce.
#include <metal_stdlib>
using namespace metal;

kernel void compare(device bool4* out, const device float4* a, const device float4* b, uint i [[thread_position_in_grid]]) {
  device bool4* row = out + 8 * i;
  row[0] = a[i] < b[i];
  row[1] = a[i] == b[i];
  row[2] = !(a[i] <= b[i]);
  row[3] = (a[i] != b[i]) && (a[i] > 0);
  row[4] = (a[i] > b[i]) || bool4(true, false, true, false);
  row[5] = bool4(a[i]);
  row[6] = isnan(a[i]) | (b[i] >= a[i]);
  row[7] = (a[i] > b[i]).wzyx;
}
kernel void reduce(device uint* out, const device int3* a, uint i [[thread_position_in_grid]]) {
  const bool3 positive = a[i] > 0;
  out[i] = uint(any(positive)) + 2 * uint(all(positive)) + 4 * uint(positive.x) + 8 * uint(any(a[i] == int3(1, 2, 3)));
}
kernel void choose(device float4* out, const device float4* a, const device float4* b, uint i [[thread_position_in_grid]]) {
  bool4 mask = a[i] > b[i];
  mask.x = true;
  mask[3] = !mask[3];
  out[i] = select(a[i], b[i], mask);
}
kernel void count(device int* out, const device float4* a, uint i [[thread_position_in_grid]]) {
  const int4 ones = int4(a[i] > 0.0f);
  out[i] = ones.x + ones.y + ones.z + ones.w;
}
