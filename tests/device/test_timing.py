"""Timing kernels: device time and wall time of a launch, in a script and as a fixture."""

from __future__ import annotations

import pytest

import metalpy as mp
from metalpy.testing import Spread, kernel_timer, time_kernel

__all__ = ["kernel_timer"]

SOURCE = """
#include <metal_stdlib>
using namespace metal;
kernel void count(device uint* out, constant uint& turns, uint i [[thread_position_in_grid]]) {
  uint x = i;
  for (uint k = 0; k < turns; ++k) x = x * 1664525u + 1013904223u + (x >> 16);
  out[i] = x;
}
kernel void add_one(device uint* out, uint i [[thread_position_in_grid]]) { out[i] += 1; }
"""


@pytest.fixture(scope="module")
def lib():
    return mp.mps.compile_shader(SOURCE)


def test_device_time_grows_with_the_work(lib):
    out = mp.zeros(64, dtype=mp.uint32)
    short = time_kernel(lib.count, out, 1000, rounds=9)
    long = time_kernel(lib.count, out, 100_000, rounds=9)
    assert 0 < short.device.fastest < long.device.fastest  # a hundred times the work: no load turns that round
    assert (long.device.rounds, long.wall.rounds) == (9, 9)


def test_every_round_launches_once_for_each_clock(lib):
    out = mp.zeros(8, dtype=mp.uint32)
    time_kernel(lib.add_one, out, rounds=4, warmup=3)
    assert out.tolist() == [3 + 2 * 4] * 8


def test_launch_options_are_passed_on(lib):
    out = mp.zeros(8, dtype=mp.uint32)
    time_kernel(lib.add_one, out, rounds=1, warmup=0, threads=2)
    assert out.tolist() == [2, 2, 0, 0, 0, 0, 0, 0]


def test_rounds_must_be_positive(lib):
    with pytest.raises(ValueError, match="rounds must be at least 1"):
        time_kernel(lib.add_one, mp.zeros(8, dtype=mp.uint32), rounds=0)


def test_fixture_records_device_time_beside_wall_time(lib, kernel_timer, benchmark):
    timing = kernel_timer(lib.add_one, mp.zeros(8, dtype=mp.uint32), rounds=5)
    assert benchmark.extra_info["device"]["median"] == timing.device.median > 0
    assert str(timing).startswith("device ")


def test_spread():
    spread = Spread.of([4.0, 1.0, 2.0, 3.0, 100.0])
    assert (spread.median, spread.low, spread.high, spread.fastest, spread.rounds) == (3.0, 2.0, 4.0, 1.0, 5)
    assert Spread.of([0.5]).high == 0.5
    assert str(Spread.of([2e-6] * 3)) == "2 us (2 to 2)"
