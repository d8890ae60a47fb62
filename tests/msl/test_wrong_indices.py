"""Indices out of bounds: the kernel fails, not the process, and nothing beside its arrays is touched."""

from __future__ import annotations

import numpy as np
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


WRAPPING = """
#define AT uint i [[thread_position_in_grid]]
kernel void read(device int* y, device int* x, constant uint& n, AT) { y[i] = x[i - n]; }
kernel void write(device int* y, device int* x, constant uint& n, AT) { x[i - n] = y[i]; }
kernel void guarded(device int* y, device int* x, constant uint& n, AT) { if (i >= n) y[i] = x[i - n]; }
kernel void guarded_write(device int* y, device int* x, constant uint& n, AT) { if (i >= n) x[i - n] = y[i]; }
kernel void looped(device int* y, device int* x, constant uint& n, AT) {
  int sum = 0;
  for (uint j = i >= n ? i - n : i; j <= i; ++j) sum += x[j];
  y[i] = sum;
}
"""


@pytest.mark.parametrize("executor", ["spmd", "reference"])
@pytest.mark.parametrize("n", [1, 16, 31])
def test_indices_that_wrap_around_within_a_simdgroup(executor, n, monkeypatch):
    """The first lanes' are 4 Gi elements away, in no array; as a vector they would begin just before it."""
    monkeypatch.setenv("METALPY_EXECUTOR", executor)
    lib = mp.mps.compile_shader(WRAPPING)
    numbers = np.arange(128, dtype=np.int32)
    for name in ("read", "write"):
        memory, y = mp.array(numbers), mp.zeros(64, dtype=np.int32)
        lib[name](y, memory[64:], n)
        # Where memory lies at the upper end of all addresses, 16 GiB behind it there are none that x86 would tell.
        with pytest.raises(mp.KernelFaultError, match=f"'{name}' accessed (an invalid )?address"):
            mp.mps.synchronize()
        np.testing.assert_array_equal(memory.numpy()[:64], numbers[:64])
        assert lib[name].executor == executor
    memory, y = mp.array(numbers), mp.zeros(64, dtype=np.int32)
    lib.guarded(y, memory[64:], n)
    np.testing.assert_array_equal(y.numpy(), np.where(numbers[:64] >= n, 64 + numbers[:64] - n, 0))
    lib.looped(y, memory[64:], n)
    first = np.where(numbers[:64] >= n, numbers[:64] - n, numbers[:64])
    np.testing.assert_array_equal(y.numpy(), [sum(range(64 + a, 64 + i + 1)) for i, a in enumerate(first)])
    lib.guarded_write(y, memory[64:], n)
    np.testing.assert_array_equal(memory.numpy()[:64], numbers[:64])
    np.testing.assert_array_equal(memory.numpy()[64 : 128 - n], y.numpy()[n:])
