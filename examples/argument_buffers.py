"""More arrays than the 31 buffers that a kernel may take: a list of arrays becomes one table of addresses."""

import numpy as np

import metalpy as mp

lib = mp.mps.compile_shader("""
#include <metal_stdlib>
using namespace metal;

struct Rows {
  const device float* row[64];
};

kernel void sum_rows(device float* out, constant Rows& rows, uint column [[thread_position_in_grid]]) {
  float sum = 0;
  for (uint r = 0; r < 64; ++r) sum += rows.row[r][column];
  out[column] = sum;
}
""")

table = mp.array(np.arange(64 * 8, dtype=np.float32).reshape(64, 8))
out = mp.zeros(8)
lib.sum_rows(out, [table[r] for r in range(64)])  # views of one array count as arrays of their own
print(np.asarray(out))
print(np.asarray(table).sum(axis=0))
