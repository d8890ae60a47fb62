"""Kernels against the same kernels in OpenCL C on runtimes for the CPU, and against NumPy and Numba.

A test is a row of the table that is printed at the end: all sides are checked against NumPy and then timed in turns.
pytest-benchmark keeps metalpy's turns as the result and all sides in ``extra_info``. Where benchmarks are disabled,
metalpy's side runs once at a small size.
"""

from __future__ import annotations

from dataclasses import asdict

import pytest
from native_loops import Clock
from peers.rows import ROWS
from peers.sides import Metalpy
from peers.table import OURS

from metalpy.testing import Spread

clock = Clock()


@pytest.mark.benchmark(group="peers", timer=clock)
@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_peers(request, benchmark, row):
    if benchmark.disabled:
        benchmark.pedantic(row.contender(Metalpy(), small=True).check)
        return
    outcome = request.getfixturevalue("comparison").measure(row)
    benchmark.extra_info["peers"] = {
        "sides": {name: asdict(Spread.of(seconds)) for name, seconds in outcome.turns.items()},
        "missing": dict(outcome.missing),
        "ratio": outcome.ratio,
        "met": outcome.met,
    }
    ours = iter(outcome.turns[OURS])

    def step() -> None:
        clock.seconds += next(ours)

    benchmark.pedantic(step, rounds=len(outcome.turns[OURS]))
