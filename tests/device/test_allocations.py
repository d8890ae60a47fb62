"""Launching allocates nothing on the heap in steady state: neither Python objects nor memory of the driver."""

from __future__ import annotations

import os
import subprocess

import pytest

from metalpy._core import registry
from tests.helpers.process import python

COUNTER = """
#include <stddef.h>
extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
static long calls;
long allocations(void) { return calls; }
void *malloc(size_t size) { __atomic_fetch_add(&calls, 1, 0); return __libc_malloc(size); }
void *calloc(size_t n, size_t size) { __atomic_fetch_add(&calls, 1, 0); return __libc_calloc(n, size); }
void *realloc(void *old, size_t size) { __atomic_fetch_add(&calls, 1, 0); return __libc_realloc(old, size); }
"""

PROGRAM = """
import ctypes, itertools
import metalpy as mp
count = ctypes.CDLL(None).allocations
count.restype = ctypes.c_long
lib = mp.mps.compile_shader('''
    kernel void full(device float* x, constant float& value, uint i [[thread_position_in_grid]]) { x[i] = value; }
''')
x = mp.zeros(16)
full = lib.full
for _ in range(3):
    for _ in itertools.repeat(None, 512):
        full(x, 3.14)
    mp.mps.synchronize()
before = count()
for _ in itertools.repeat(None, 512):
    full(x, 3.14)
print(count() - before)
"""


@pytest.mark.skipif(registry.build_facts()["sanitizer"] != "none", reason="sanitizers have a malloc of their own")
def test_launching_allocates_nothing(tmp_path):
    source, shim = tmp_path / "count.c", tmp_path / "count.so"
    source.write_text(COUNTER)
    subprocess.run([os.environ.get("CC", "cc"), "-shared", "-fPIC", str(source), "-o", str(shim)], check=True)
    done = python(PROGRAM, timeout=120, PYTHONMALLOC="malloc", LD_PRELOAD=str(shim))
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 20  # a few for the loop itself, and where the machine is slow for one more batch
