"""Matrix products, factorisations and Fourier transforms against NumPy's, in processor time of all threads.

Processor time makes the two comparable: NumPy's factorisations run on one thread, its products on as many as it likes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import metalpy as mp
from metalpy import fft, linalg

rng = np.random.default_rng(2026)

pytestmark = pytest.mark.benchmark(timer=time.process_time)


def measure(benchmark: Any, group: str, call: Callable[[], Any], flops: float | None = None) -> None:
    benchmark.group = group
    benchmark.pedantic(call, rounds=10, iterations=1, warmup_rounds=1)
    if flops and benchmark.stats is not None:
        benchmark.extra_info["GFLOP per second of a processor"] = flops / benchmark.stats.stats.min / 1e9


def waiting(call: Callable[[], Any]) -> Callable[[], None]:
    def run() -> None:
        call()
        mp.mps.synchronize()

    return run


SIZES = pytest.mark.parametrize("n", [64, 256, 1024])
LAYOUTS = pytest.mark.parametrize("layout", ["a @ b", "a.T @ b", "a @ b.T"])


def operands(n: int, layout: str) -> tuple[np.ndarray, np.ndarray]:
    a, b = (rng.random((n, n), np.float32) for _ in range(2))
    return (a.T if layout.startswith("a.T") else a), (b.T if layout.endswith("b.T") else b)


@LAYOUTS
@SIZES
def test_matmul(benchmark: Any, n: int, layout: str) -> None:
    x, y = (mp.array(part) for part in operands(n, "a @ b"))
    x, y = (x.T if layout.startswith("a.T") else x), (y.T if layout.endswith("b.T") else y)
    measure(benchmark, f"{layout}, {n} x {n}", waiting(lambda: x @ y), 2.0 * n**3)


@LAYOUTS
@SIZES
def test_matmul_numpy(benchmark: Any, n: int, layout: str) -> None:
    a, b = operands(n, layout)
    measure(benchmark, f"{layout}, {n} x {n}", lambda: a @ b, 2.0 * n**3)


FUNCTIONS = pytest.mark.parametrize("name", ["cholesky", "inv", "det", "qr", "svd", "eigh"])
SHAPES = pytest.mark.parametrize("shape", [(1000, 8, 8), (128, 128), (512, 512)], ids=str)


def matrices(shape: tuple[int, ...]) -> np.ndarray:
    a = rng.standard_normal(shape).astype(np.float32)
    return a @ np.swapaxes(a, -1, -2) + shape[-1] * np.eye(shape[-1], dtype=np.float32)


@FUNCTIONS
@SHAPES
def test_factorisation(benchmark: Any, name: str, shape: tuple[int, ...]) -> None:
    x = mp.array(matrices(shape))
    measure(benchmark, f"{name} {shape}", waiting(lambda: getattr(linalg, name)(x)))


@FUNCTIONS
@SHAPES
def test_factorisation_numpy(benchmark: Any, name: str, shape: tuple[int, ...]) -> None:
    a = matrices(shape)
    with np.errstate(over="ignore"):
        measure(benchmark, f"{name} {shape}", lambda: getattr(np.linalg, name)(a))


TRANSFORMS = pytest.mark.parametrize("shape", [(10000, 16), (256, 1024), (64, 1009), (1, 1 << 20)], ids=str)


@TRANSFORMS
def test_fft(benchmark: Any, shape: tuple[int, int]) -> None:
    x = mp.array(rng.standard_normal(shape).astype(np.complex64))
    measure(benchmark, f"fft {shape}", waiting(lambda: fft.fft(x)))


@TRANSFORMS
def test_fft_numpy(benchmark: Any, shape: tuple[int, int]) -> None:
    a = rng.standard_normal(shape).astype(np.complex64)
    measure(benchmark, f"fft {shape}", lambda: np.fft.fft(a))
