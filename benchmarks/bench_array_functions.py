"""Functions of arrays: what a call costs until it is recorded, and large arrays of several layouts beside NumPy."""

from __future__ import annotations

import numpy as np
import pytest

import metalpy as mp

SMALL = {
    "add": lambda x, y: x + y,
    "add_number": lambda x, y: x + 1.5,
    "sin": lambda x, y: mp.sin(x),
    "broadcast": lambda x, y: x[None] + y,
    "where": lambda x, y: mp.where(y, x, x),
    "slice": lambda x, y: x[2:5],
    "set": lambda x, y: x.__setitem__(0, 1.5),
}
LARGE = {
    "add": lambda xp, x, row, mask: x + x,
    "add_row": lambda xp, x, row, mask: x + row,
    "add_column": lambda xp, x, row, mask: x + x[:, :1],
    "add_transposed": lambda xp, x, row, mask: x + x.T,
    "strided": lambda xp, x, row, mask: x[:, ::2] + 1,
    "sin": lambda xp, x, row, mask: xp.sin(x),
    "where": lambda xp, x, row, mask: xp.where(mask, x, np.float32(0)),
    "concat": lambda xp, x, row, mask: xp.concat([x, x], axis=1),
    "rows": lambda xp, x, row, mask: x[np.arange(2047, -1, -1)],
}


@pytest.mark.benchmark(group="array_call")
@pytest.mark.parametrize("name", SMALL)
def test_array_call(benchmark, name):
    x, y = mp.ones(8), mp.zeros(8) if name != "where" else mp.zeros(8, dtype=bool)
    call = SMALL[name]
    benchmark.pedantic(
        call, args=(x, y), rounds=200, iterations=100, warmup_rounds=5, teardown=lambda *_: mp.mps.synchronize()
    )


@pytest.mark.benchmark(group="array_throughput")
@pytest.mark.parametrize("library", ["metalpy", "numpy"])
@pytest.mark.parametrize("name", LARGE)
def test_array_throughput(benchmark, name, library):
    host = np.random.default_rng(0).random((2048, 2048), np.float32)
    given = (host, host[0], host > 0.5)
    xp = np if library == "numpy" else mp
    if xp is mp:
        given = tuple(mp.array(part) for part in given)

    def work():
        LARGE[name](xp, *given)
        if xp is mp:
            mp.mps.synchronize()

    benchmark.pedantic(work, rounds=10, warmup_rounds=2)
