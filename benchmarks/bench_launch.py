"""Launching ``full`` on 16 threads: the same work at each layer, so that the table shows what each adds.

``abi`` records through the driver's table in C, ``core`` calls a Kernel that is at hand, ``python`` looks it up on the
library first, as most code does.
"""

from __future__ import annotations

import pytest
from native_loops import Clock

import metalpy as mp

clock = Clock()


@pytest.mark.benchmark(group="launch_async", timer=clock)
def test_launch_async_abi(benchmark, native_loops):
    native_loops.measure(benchmark, clock, "launch_async", 100)


@pytest.mark.benchmark(group="launch_async")
def test_launch_async_core(benchmark, full_library):
    x, full = mp.zeros(16), full_library.full
    benchmark.pedantic(
        full, args=(x, 3.0), rounds=200, iterations=100, warmup_rounds=5, teardown=_synchronize
    )  # fmt: skip


@pytest.mark.benchmark(group="launch_async")
def test_launch_async_python(benchmark, full_library):
    x = mp.zeros(16)

    def launch(lib) -> None:
        lib.full(x, 3.0)

    benchmark.pedantic(
        launch, args=(full_library,), rounds=200, iterations=100, warmup_rounds=5, teardown=_synchronize
    )  # fmt: skip


@pytest.mark.benchmark(group="launch_wait", timer=clock)
def test_launch_wait_abi(benchmark, native_loops):
    native_loops.measure(benchmark, clock, "launch_wait", 100)


@pytest.mark.benchmark(group="launch_wait")
def test_launch_wait_core(benchmark, full_library):
    x, full, synchronize = mp.zeros(16), full_library.full, mp.device().synchronize

    def launch_and_wait() -> None:
        full(x, 3.0)
        synchronize()

    benchmark.pedantic(launch_and_wait, rounds=100, iterations=100, warmup_rounds=5)


@pytest.mark.benchmark(group="launch_wait")
def test_launch_wait_python(benchmark, full_library):
    x = mp.zeros(16)

    def launch_and_wait(lib) -> None:
        lib.full(x, 3.0)
        mp.mps.synchronize()

    benchmark.pedantic(launch_and_wait, args=(full_library,), rounds=100, iterations=100, warmup_rounds=5)


@pytest.mark.benchmark(group="launch_async")
def test_graph_of_1000_launches(benchmark, full_library):
    """Time of a whole graph: a thousandth of it is a node's."""
    x = mp.zeros(16)
    with mp.record() as graph:
        for _ in range(1000):
            full_library.full(x, 3.0)
    benchmark.pedantic(graph.launch, rounds=200, warmup_rounds=5, teardown=_synchronize)


def _synchronize(*_args) -> None:
    mp.mps.synchronize()
