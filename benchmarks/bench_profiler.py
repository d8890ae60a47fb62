"""What the profiler costs: a launch, a wait and an allocation while it is off, and while it is on.

Off, they are the launches of bench_launch.py again, so that one table has both; the cost of the profiler's mere
existence is ``make bench-compare BASE=<commit before it> ONLY="launch or pool"``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext

import pytest

import metalpy as mp
from metalpy.mps import profiler


@pytest.fixture(params=["off", "on"])
def profiling(request) -> Iterator[str]:
    with profiler.profile(max_events=10_000_000) if request.param == "on" else nullcontext():
        yield request.param


@pytest.mark.benchmark(group="profiler_launch")
def test_profiled_launch(benchmark, full_library, profiling):
    x, full = mp.zeros(16), full_library.full
    benchmark.pedantic(
        full, args=(x, 3.0), rounds=200, iterations=100, warmup_rounds=5, teardown=_synchronize
    )  # fmt: skip


@pytest.mark.benchmark(group="profiler_wait")
def test_profiled_launch_and_wait(benchmark, full_library, profiling):
    x, full, synchronize = mp.zeros(16), full_library.full, mp.device().synchronize

    def launch_and_wait() -> None:
        full(x, 3.0)
        synchronize()

    benchmark.pedantic(launch_and_wait, rounds=100, iterations=100, warmup_rounds=5)


@pytest.mark.benchmark(group="profiler_allocation")
def test_profiled_allocation(benchmark, profiling):
    benchmark.pedantic(mp.empty, args=(1000,), rounds=200, iterations=100, warmup_rounds=5)


@pytest.mark.benchmark(group="profiler_range")
def test_profiled_range(benchmark, profiling):
    def enter_and_leave() -> None:
        with profiler.record_function("step"):
            pass

    benchmark.pedantic(enter_and_leave, rounds=200, iterations=100, warmup_rounds=5)


@pytest.mark.benchmark(group="profiler_export")
def test_export_10000_launches(benchmark, full_library, tmp_path):
    x = mp.zeros(16)
    with profiler.profile() as p:
        for _ in range(10_000):
            full_library.full(x, 3.0)
    benchmark.pedantic(p.export_chrome_trace, args=(tmp_path / "trace.json",), rounds=5, warmup_rounds=1)


def _synchronize(*_args) -> None:
    mp.mps.synchronize()
