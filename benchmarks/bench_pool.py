"""Getting and giving back memory: through the driver's table, from the pool, and as an array."""

from __future__ import annotations

import pytest
from native_loops import Clock

import metalpy as mp
from metalpy._core import pool

clock = Clock()
SIZES = pytest.mark.parametrize("size", [256, 65536, 2**24], ids=["256B", "64KiB", "16MiB"])


@SIZES
@pytest.mark.benchmark(timer=clock)
def test_buffer_abi(benchmark, native_loops, size):
    """What the pool saves: a buffer made and released by the driver."""
    benchmark.group = f"buffer {size} bytes"
    native_loops.measure(benchmark, clock, "buffer", 100, size)


@SIZES
def test_buffer_core(benchmark, size):
    benchmark.group = f"buffer {size} bytes"
    new_block = pool.pool(mp.device()).new_block
    benchmark.pedantic(new_block, args=(size,), rounds=100, iterations=100, warmup_rounds=3)


@SIZES
def test_buffer_python(benchmark, size):
    benchmark.group = f"buffer {size} bytes"
    benchmark.pedantic(
        mp.empty, args=(size // 4,), kwargs={"dtype": mp.float32}, rounds=100, iterations=100, warmup_rounds=3
    )  # fmt: skip
