// Constants that the host gives when it specialises a kernel.
#include <metal_stdlib>
using namespace metal;

constant bool flip [[function_constant(0)]];
constant int factor [[function_constant(1)]];
constant float bias [[function_constant(2)]];
constant ushort small [[function_constant(3)]];
constant float2 pair [[function_constant(4)]];
constant uint optional_value [[function_constant(7)]];
constant half tiny [[function_constant(8)]];

constant uint derived = is_function_constant_defined(optional_value) ? optional_value + 1 : 77;
constant bool has_extra = factor > 10;

kernel void compute(device float* out, uint i [[thread_position_in_grid]]) {
  const float x = float(int(i) * factor) + bias;
  out[i] = flip ? -x : x;
}
kernel void other_types(device float* out, uint i [[thread_position_in_grid]]) {
  out[i] = float(small) + pair.x * pair.y + float(tiny);
}
kernel void optional(device uint* out, uint i [[thread_position_in_grid]]) {
  out[i] = derived;
  if (is_function_constant_defined(optional_value)) out[i] += 1000;
}
kernel void gated(device float* out [[buffer(0)]], const device float* extra [[buffer(1), function_constant(has_extra)]],
                  const device float* x [[buffer(2)]], uint i [[thread_position_in_grid]]) {
  out[i] = x[i];
  if (has_extra) out[i] += extra[i];
}
kernel void unrolled(device int* out, uint i [[thread_position_in_grid]]) {
  int table[16];
  for (int k = 0; k < factor; ++k) table[k] = k * k;
  out[i] = table[i % uint(factor)];
}
kernel void unspecialised(device int* out, uint i [[thread_position_in_grid]]) {
  out[i] = int(i);
}
