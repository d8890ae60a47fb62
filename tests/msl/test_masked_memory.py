"""Lanes that take no part in a load or store touch no memory: arrays here begin and end beside pages without access."""

from __future__ import annotations

import ctypes
import mmap
import os
import platform
from contextlib import contextmanager

import numpy as np
import pytest

import metalpy as mp

if mp.device().driver != "software":
    pytest.skip("hardware has its own pages", allow_module_level=True)

NONE, BOTH = 0, 3  # PROT_NONE; PROT_READ | PROT_WRITE
PAGE = mmap.PAGESIZE
LEVELS = ["native", "x86-64", "x86-64-v3"] if platform.machine() == "x86_64" else ["native"]
TYPES = {"int": np.int32, "short": np.int16, "char": np.int8, "long": np.int64}

PROGRAM = """
#define AT uint i [[thread_position_in_grid]]
template <typename T> void from(device int* y, device T* x, int n, uint i) { if (i >= uint(n)) y[i] = x[i - n]; }
template <typename T> void until(device int* y, device T* x, int n, uint i) { if (i < uint(n)) y[i] = x[i]; }
template <typename T> void write_from(device int* y, device T* x, int n, uint i) { if (i >= uint(n)) x[i - n] = T(y[i]); }
template <typename T> void write_until(device int* y, device T* x, int n, uint i) { if (i < uint(n)) x[i] = T(y[i]); }
#define ENTRY(f, T) kernel void f##_##T(device int* y, device T* x, constant int& n, AT) { f<T>(y, x, n, i); }
#define ALL(T) ENTRY(from, T) ENTRY(until, T) ENTRY(write_from, T) ENTRY(write_until, T)
ALL(int) ALL(short) ALL(char) ALL(long)

// Every third element: gathers and scatters.
#define STRIDES(T)                                                                                                      \\
  kernel void stride_read_##T(device int* y, device T* x, constant int& n, AT) { if (int(i) < n) y[i] = x[3 * i]; }     \\
  kernel void stride_write_##T(device int* y, device T* x, constant int& n, AT) { if (int(i) < n) x[3 * i] = T(y[i]); }
STRIDES(int) STRIDES(short) STRIDES(char) STRIDES(long)
// Until the end of the array; lanes leave at different times.
kernel void loop(device int* y, device int* x, constant int& n, AT) { int s = 0; for (int k = i; k < n; k += 7) s += x[k]; y[i] = s; }
// No lane at all.
kernel void nobody(device int* y, device int* x, constant int& n, AT) { if (y[i] < 0) y[i] = x[0] + x[-5] + x[i - n]; }
// All but the first of each row of 16 look to the left, and of two rows none to the row above.
kernel void plane(device int* y, device int* x, constant int& width, uint2 p [[thread_position_in_grid]]) {
  int s = 0;
  if (p.x > 0) s += x[width * p.y + p.x - 1];
  if (p.y > 1) s += x[width * (p.y - 2) + p.x];
  if (p.y < 4) x[width * (p.y + 4) + p.x] = 3;
  y[16 * p.y + p.x] = s;
}
"""


@contextmanager
def between_walls(type_):
    """Elements that fill a page, as an array and as NumPy sees it; the pages beside it cannot be accessed."""
    libc = ctypes.CDLL(None, use_errno=True)
    size = np.dtype(type_).itemsize
    memory = mp.zeros(5 * PAGE // size, dtype=type_)
    view = memory.numpy()
    skip = -view.ctypes.data % PAGE + PAGE
    pages = [ctypes.c_void_p(view.ctypes.data + skip + k * PAGE) for k in (-1, 1)]
    inner = slice(skip // size, (skip + PAGE) // size)
    try:
        for page in pages:
            assert libc.mprotect(page, ctypes.c_size_t(PAGE), NONE) == 0
        yield memory[inner], view[inner]
    finally:
        mp.mps.synchronize()
        for page in pages:
            assert libc.mprotect(page, ctypes.c_size_t(PAGE), BOTH) == 0


@pytest.fixture(params=LEVELS)
def lib(request, monkeypatch):
    monkeypatch.setenv("METALPY_CPU", request.param)
    return mp.mps.compile_shader(PROGRAM)


def launched(kernel, y, x, n, **grid):
    kernel(y, x, n, **grid)
    mp.mps.synchronize()
    assert kernel.executor == os.environ.get("METALPY_EXECUTOR", "spmd")
    return y.numpy()


@pytest.mark.parametrize("type_", TYPES)
@pytest.mark.parametrize("n", [1, 15, 40])
def test_consecutive_elements(lib, type_, n):
    with between_walls(TYPES[type_]) as (array, view):
        view[:] = np.arange(view.size) % 100
        got = launched(lib[f"from_{type_}"], mp.zeros(200, dtype=np.int32), array, n)
        np.testing.assert_array_equal(got[n:], view[: 200 - n])
        assert not got[:n].any()
        # The last lanes of a full simdgroup are beyond the end.
        got = launched(lib[f"until_{type_}"], mp.zeros(64, dtype=np.int32), array[-n:], n)
        np.testing.assert_array_equal(got[:n], view[-n:])
        assert not got[n:].any()
        numbers = np.arange(64, dtype=np.int32)
        launched(lib[f"write_until_{type_}"], mp.array(numbers), array[-n:], n)
        np.testing.assert_array_equal(view[-n:], numbers[:n])
        launched(lib[f"write_from_{type_}"], mp.array(numbers), array, n)
        np.testing.assert_array_equal(view[: 64 - n], numbers[n:])


@pytest.mark.parametrize("type_", TYPES)
@pytest.mark.parametrize("n", [1, 5, 33])
def test_scattered_elements(lib, type_, n):
    with between_walls(TYPES[type_]) as (array, view):
        view[:] = np.arange(view.size) % 100
        last = slice(-(3 * n - 2), None)
        expected = view[last][::3].copy()
        got = launched(lib[f"stride_read_{type_}"], mp.zeros(64, dtype=np.int32), array[last], n)
        np.testing.assert_array_equal(got[:n], expected)
        launched(lib[f"stride_write_{type_}"], mp.array(np.arange(64, dtype=np.int32)), array[last], n)
        np.testing.assert_array_equal(view[last][::3], np.arange(n))


@pytest.mark.parametrize("n", [1, 5, 33])
def test_loops_that_lanes_leave_at_different_times(lib, n):
    with between_walls(np.int32) as (array, view):
        view[:] = np.arange(view.size)
        got = launched(lib.loop, mp.zeros(64, dtype=np.int32), array[-n:], n)
        np.testing.assert_array_equal(got, [view[-n:][k::7].sum() for k in range(64)])


def test_no_lane_takes_part(lib):
    with between_walls(np.int32) as (array, _):
        assert not launched(lib.nobody, mp.zeros(64, dtype=np.int32), array, 60).any()


@pytest.mark.parametrize("group", [(16, 4), (16, 8), (8, 8), (16, 1)])
def test_rows_of_lanes(lib, group):
    for where in (slice(128), slice(-128, None)):
        with between_walls(np.int32) as (array, view):
            view[:] = np.arange(view.size)
            cells = view[where].reshape(8, 16)
            cells[4:] = 3  # as they are after the launch, whose groups come in any order
            expected = np.zeros((8, 16), np.int32)
            expected[:, 1:] += cells[:, :-1]
            expected[2:] += cells[:-2]
            y = mp.zeros(128, dtype=np.int32)
            got = launched(lib.plane, y, array[where], 16, threads=(16, 8), group_size=group)
            np.testing.assert_array_equal(got.reshape(8, 16), expected)
            assert (cells[4:] == 3).all()
