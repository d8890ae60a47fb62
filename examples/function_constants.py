"""One source, several kernels: function constants become literals when the kernel is specialised."""

import numpy as np

import metalpy as mp

lib = mp.mps.compile_shader("""
#include <metal_stdlib>
using namespace metal;

constant int degree [[function_constant(0)]];
constant bool negate [[function_constant(1)]];
constant float scale_value [[function_constant(2)]];
constant float scale = is_function_constant_defined(scale_value) ? scale_value : 1;

kernel void power(device float* x, uint i [[thread_position_in_grid]]) {
  float result = scale;
  for (int k = 0; k < degree; ++k) result *= x[i];   // unrolled: degree is a literal here
  x[i] = negate ? -result : result;
}
""")

square = lib.power.specialize({"degree": 2, "negate": False})
minus_half_cube = lib.power.specialize({0: 3, 1: True, 2: 0.5})  # by index works too

for kernel in (square, minus_half_cube):
    x = mp.arange(5, dtype=np.float32)
    kernel(x)
    print(np.asarray(x))
