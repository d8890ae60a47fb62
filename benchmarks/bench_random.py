"""Random numbers made on the device against NumPy's Philox making them on one thread.

NumPy's is Philox4x64-10, so the numbers differ; its normal and exponential numbers come from the ziggurat method.
"""

from __future__ import annotations

import numpy as np
import pytest

import metalpy as mp

N = 1 << 22

DRAWS = {
    "random": (lambda g: g.random(N), lambda g: g.random(N, np.float32)),
    "normal": (lambda g: g.standard_normal(N), lambda g: g.standard_normal(N, np.float32)),
    "exponential": (lambda g: g.standard_exponential(N), lambda g: g.standard_exponential(N, np.float32)),
    "integers": (
        lambda g: g.integers(0, 1000, N, np.uint32),
        lambda g: g.integers(0, 1000, N, np.uint32),
    ),
    "integers_long": (lambda g: g.integers(0, 10**12, N), lambda g: g.integers(0, 10**12, N)),
    "bernoulli": (lambda g: g.bernoulli(0.3, N), lambda g: g.random(N, np.float32) < 0.3),
    "permutation": (lambda g: g.permutation(N // 4), lambda g: g.permutation(N // 4)),
}
draws = pytest.mark.parametrize("draw", DRAWS)


@draws
def test_random_metalpy(benchmark, draw):
    generator, make = mp.Generator(seed=1), DRAWS[draw][0]
    benchmark.group = f"random {draw}"

    def run() -> None:
        make(generator).numpy()

    benchmark.pedantic(run, rounds=15, warmup_rounds=2)


@draws
def test_random_of_numpy(benchmark, draw):
    generator, make = np.random.Generator(np.random.Philox(1)), DRAWS[draw][1]
    benchmark.group = f"random {draw}"
    benchmark.pedantic(make, (generator,), rounds=5, warmup_rounds=1)


def test_random_small(benchmark):
    """What a call costs before there is anything to make."""
    generator = mp.Generator(seed=1)
    benchmark.pedantic(lambda: generator.random(4).numpy(), rounds=200, iterations=10, warmup_rounds=2)
