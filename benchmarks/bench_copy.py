"""Moving bytes: device copies and fills at each layer, and the ways in and out of an array, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from native_loops import Clock

import metalpy as mp

clock = Clock()
BYTES = [4096, 2**24]
SIZES = pytest.mark.parametrize("size", BYTES, ids=["4KiB", "16MiB"])


@SIZES
@pytest.mark.benchmark(timer=clock)
def test_copy_abi(benchmark, native_loops, size):
    benchmark.group = f"copy {size} bytes"
    native_loops.measure(benchmark, clock, "copy", 5, size, rounds=20)


@SIZES
def test_copy_python(benchmark, size):
    benchmark.group = f"copy {size} bytes"
    x = mp.ones(size // 4, dtype=mp.float32)

    def copy() -> None:
        x.copy()
        mp.mps.synchronize()

    benchmark.pedantic(copy, rounds=20, iterations=5, warmup_rounds=2)


@SIZES
def test_copy_numpy(benchmark, size):
    benchmark.group = f"copy {size} bytes"
    x = np.ones(size // 4, dtype=np.float32)
    benchmark.pedantic(x.copy, rounds=20, iterations=5, warmup_rounds=2)


@SIZES
@pytest.mark.benchmark(timer=clock)
def test_fill_abi(benchmark, native_loops, size):
    benchmark.group = f"fill {size} bytes"
    native_loops.measure(benchmark, clock, "fill", 5, size, rounds=20)


@SIZES
def test_fill_python(benchmark, size):
    benchmark.group = f"fill {size} bytes"
    x = mp.empty(size // 4, dtype=mp.float32)

    def fill() -> None:
        x.fill(3.0)
        mp.mps.synchronize()

    benchmark.pedantic(fill, rounds=20, iterations=5, warmup_rounds=2)


@SIZES
def test_fill_numpy(benchmark, size):
    benchmark.group = f"fill {size} bytes"
    x = np.empty(size // 4, dtype=np.float32)
    benchmark.pedantic(x.fill, args=(3.0,), rounds=20, iterations=5, warmup_rounds=2)


@SIZES
def test_array_from_numpy(benchmark, size):
    benchmark.group = f"NumPy to array {size} bytes"
    x = np.ones(size // 4, dtype=np.float32)
    benchmark.pedantic(mp.array, args=(x,), rounds=20, iterations=5, warmup_rounds=2)


@SIZES
def test_numpy_view(benchmark, size):
    """Unified memory: a view, whatever the size."""
    benchmark.group = f"array to NumPy {size} bytes"
    x = mp.ones(size // 4, dtype=mp.float32)
    benchmark.pedantic(np.asarray, args=(x,), rounds=50, iterations=20, warmup_rounds=2)
