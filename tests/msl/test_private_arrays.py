"""Indices far outside an array in private memory: the kernel fails, not the process."""

from __future__ import annotations

import pytest

import metalpy as mp
from tests.helpers.process import python

if mp.device().driver != "software":
    pytest.skip("what becomes of such kernels is told of the software device only", allow_module_level=True)

PROGRAM = '''
import sys
import numpy as np
import metalpy as mp

lib = mp.mps.compile_shader("""
#include <metal_stdlib>
using namespace metal;
#define BEGIN int a[16]; for (int k = 0; k < 16; ++k) a[k] = x[k];
#define END x[i & 15] = a[x[i & 15] & 15];
#define AT uint i [[thread_position_in_grid]]
kernel void upwards(device int* x, constant int& n, AT) { BEGIN for (int k = 0; k < n; ++k) a[k] = k + x[k & 15]; END }
kernel void downwards(device int* x, constant int& n, AT) { BEGIN for (int k = 0; k < n; ++k) a[-k] = k + x[k & 15]; END }
kernel void at_once(device int* x, constant int& n, AT) { BEGIN a[n] = 3; END }
kernel void with_barriers(device int* x, constant int& n, AT) {
  BEGIN
  threadgroup_barrier(mem_flags::mem_device);
  for (int k = 0; k < n; ++k) a[k] = k + x[k & 15];
  threadgroup_barrier(mem_flags::mem_device);
  END
}
kernel void fine(device int* x, AT) { x[i] = i; }
""")
for name, n in [("upwards", 50000), ("downwards", 50000), ("at_once", 100000), ("at_once", -100000), ("with_barriers", 50000)]:
    for threads in (1, 3000):
        x = mp.zeros(16, dtype=np.int32)
        try:
            lib[name](x, n, threads=threads)
            mp.mps.synchronize()
        except mp.KernelFaultError as error:
            assert name in str(error), error
        else:
            print(name, n, threads, "no fault")
        assert lib[name].executor == sys.argv[1]
        y = mp.zeros(5000, dtype=np.int32)
        lib.fine(y)
        assert y.numpy().sum() == 4999 * 2500
print("survived")
'''


@pytest.mark.parametrize("executor", ["spmd", "reference"])
def test_indices_far_outside_are_faults(executor):
    done = python("-c", PROGRAM, executor, METALPY_EXECUTOR=executor)
    assert (done.returncode, done.stdout) == (0, "survived\n"), done.stderr
