// Packing colours into integers and back.
#include <metal_stdlib>
using namespace metal;

kernel void pack(device uint* out, const device float4* x, uint i [[thread_position_in_grid]]) {
  out[3 * i] = pack_float_to_unorm4x8(x[i]);
  out[3 * i + 1] = pack_float_to_snorm2x16(x[i].xy);
  out[3 * i + 2] = pack_half_to_unorm4x8(half4(x[i]));
}
kernel void unpack(device float4* out, const device uint* x, uint i [[thread_position_in_grid]]) {
  out[2 * i] = unpack_unorm4x8_to_float(x[i]);
  out[2 * i + 1] = float4(unpack_snorm2x16_to_float(x[i]), unpack_unorm2x16_to_float(x[i]));
}
