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


@pytest.mark.parametrize("idle", [1, 1000], ids=["alone", "among 1000 idle blocks"])
def test_allocation_hit(benchmark, idle):
    """A kept block is used again and given back, with other blocks idle beside it."""
    benchmark.group = "allocation hit"
    new_block = pool.pool(mp.device()).new_block
    others = [new_block(256 * (1 + number % 40)) for number in range(idle)]
    others.clear()
    benchmark.pedantic(new_block, args=(4096,), rounds=100, iterations=100, warmup_rounds=3)


@pytest.mark.parametrize("size", [4096, 2**21], ids=["4KiB", "2MiB"])
def test_allocation_miss(benchmark, size):
    """A block cut from a heap, as after `empty_cache`; what is measured includes its release to the heap."""
    benchmark.group = "allocation miss"
    mp.mps.empty_cache()
    the_pool = pool.pool(mp.device())
    anchor = the_pool.new_block(size)  # keeps the heap

    def miss():
        the_pool.new_block(size)
        the_pool.empty_cache()

    benchmark.pedantic(miss, rounds=100, iterations=10, warmup_rounds=3)
    assert anchor.size == size


@SIZES
def test_buffer_python(benchmark, size):
    benchmark.group = f"buffer {size} bytes"
    benchmark.pedantic(
        mp.empty, args=(size // 4,), kwargs={"dtype": mp.float32}, rounds=100, iterations=100, warmup_rounds=3
    )  # fmt: skip
