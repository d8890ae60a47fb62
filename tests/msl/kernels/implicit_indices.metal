// Arguments without [[buffer(n)]] take the free indices in order.
#include <metal_stdlib>
using namespace metal;

kernel void plain(device int* out, const device int* a, constant int& b, uint i [[thread_position_in_grid]]) {
  out[i] = a[i] + b;
}
kernel void mixed(device int* out [[buffer(1)]], const device int* a, constant int& b, const device int* c [[buffer(0)]],
                  uint i [[thread_position_in_grid]], threadgroup int* s, threadgroup int* t [[threadgroup(0)]],
                  uint l [[thread_index_in_threadgroup]]) {
  s[l] = a[i];
  t[l] = b;
  out[i] = s[l] + t[l] + c[i];
}
kernel void references(device int& total, constant int& a, constant int (&table)[3]) {
  total = a + table[0] + 10 * table[1] + 100 * table[2];
}
