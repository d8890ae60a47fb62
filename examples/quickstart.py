"""Metal source in, a NumPy-visible array out."""

import numpy as np

import metalpy as mp

lib = mp.mps.compile_shader("""
#include <metal_stdlib>
using namespace metal;

kernel void full(device float* out, constant float& val, uint idx [[thread_position_in_grid]]) {
  out[idx] = val;
}
""")

x = mp.zeros(16, dtype=np.float32)  # memory that kernels and NumPy share
lib.full(x, 3.14)  # asynchronous; one thread per element of the first array
print(np.asarray(x))  # waits for the kernel, copies nothing

print("kernels:", dir(lib))
for argument in lib.full.arguments:
    place = f"[[buffer({argument.index})]]"
    print(f"  {place} {argument.name}: {argument.address_space} {argument.type.name}, {argument.access}")
