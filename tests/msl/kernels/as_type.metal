// as_type reinterprets bits between types of one size.
#include <metal_stdlib>
using namespace metal;

kernel void bits(device uint* out, const device float* x, uint i [[thread_position_in_grid]]) {
  out[i] = as_type<uint>(x[i]) ^ 0x80000000;
}
kernel void halves(device half2* out, const device uint* x, uint i [[thread_position_in_grid]]) {
  out[i] = as_type<half2>(x[i]);
}
kernel void bytes(device uint* out, const device uint* x, uint i [[thread_position_in_grid]]) {
  const uchar4 b = as_type<uchar4>(x[i]);
  out[i] = as_type<uint>(b.wzyx);
}
kernel void bfloats(device ushort* out, const device bfloat* x, uint i [[thread_position_in_grid]]) {
  out[i] = as_type<ushort>(x[i]) + as_type<ushort>(1.0h);
}
kernel void wide(device ulong* out, const device uint2* x, uint i [[thread_position_in_grid]]) {
  out[i] = as_type<ulong>(x[i]) + as_type<ulong>(float2(1, 0));
}
