// Qualifiers in every order.
#include <metal_stdlib>
using namespace metal;

kernel void orders(device int* out, device const int* a, const device int* b, constant const int& c, volatile device int* d,
                   uint i [[thread_position_in_grid]]) {
  thread const int x = a[i];
  const thread int y = b[i];
  thread int z;
  z = x + y;
  device int* const target = out;
  const int volatile w = c;
  target[i] = z + w + d[i];
  d[i] = z;
}
