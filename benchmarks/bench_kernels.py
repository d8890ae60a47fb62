"""The kernels of examples/ against NumPy doing the same in the same run.

The summary behind pytest-benchmark's table gives device time, wall time and NumPy's time with their ratio.
NumPy runs on one thread here except in matrix products.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import metalpy as mp

KERNELS = Path(__file__).parent.parent / "examples" / "kernels"
rng = np.random.default_rng(2026)


class Case(NamedTuple):
    """A launch, the same in NumPy, and how far the results may be apart."""

    kernel: Any
    args: tuple[Any, ...]
    options: dict[str, Any]
    in_numpy: Callable[[], np.ndarray]
    result: Callable[[], np.ndarray]
    tolerance: float


@cache
def library(name: str) -> mp.mps.ShaderLibrary:
    return mp.compile_file(KERNELS / f"{name}.metal")


def saxpy(n: int = 1 << 22) -> Case:
    x, y = rng.random(n, dtype=np.float32), np.zeros(n, np.float32)
    device_x, device_y = mp.array(x), mp.array(y)
    a = np.float32(0.5)

    def result() -> np.ndarray:
        device_y.fill(0)
        library("saxpy").saxpy_float(device_y, device_x, 0.5)
        return np.asarray(device_y)

    return Case(library("saxpy").saxpy_float, (device_y, device_x, 0.5), {}, lambda: a * x + y, result, 1e-6)


def reduce(n: int = 1 << 22, groups: int = 64, width: int = 256) -> Case:
    x = rng.random(n, dtype=np.float32)
    partial = mp.zeros(groups)
    return Case(
        library("reduce").reduce_sum,
        (partial, mp.array(x), n),
        {"groups": groups, "group_size": width, "threadgroup_memory": {0: 4 * width}},
        lambda: x.sum(),
        lambda: np.asarray(partial).sum(),
        1e-4,
    )


def softmax(rows: int = 1024, columns: int = 1000) -> Case:
    x = rng.standard_normal((rows, columns), dtype=np.float32)
    out = mp.zeros((rows, columns))

    def in_numpy() -> np.ndarray:
        e = np.exp(x - x.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    return Case(
        library("softmax").softmax,
        (out, mp.array(x), columns),
        {"groups": rows, "group_size": 256},
        in_numpy,
        lambda: np.asarray(out),
        1e-6,
    )


def matmul(n: int = 256) -> Case:
    a, b = rng.standard_normal((2, n, n), dtype=np.float32)
    out = mp.zeros((n, n))
    return Case(
        library("matmul").matmul,
        (out, mp.array(a), mp.array(b), {"rows": n, "inner": n, "columns": n}),
        {"groups": (n // 16, n // 16), "group_size": (16, 16)},
        lambda: a @ b,
        lambda: np.asarray(out),
        1e-3,
    )


def stencil(height: int = 1024, width: int = 1024) -> Case:
    now = rng.random((height, width), dtype=np.float32)
    following = mp.zeros((height, width))

    def in_numpy() -> np.ndarray:
        out = now.copy()
        out[1:-1, 1:-1] = 0.25 * (now[1:-1, :-2] + now[1:-1, 2:] + now[:-2, 1:-1] + now[2:, 1:-1])
        return out

    return Case(
        library("stencil").heat,
        (following, mp.array(now)),
        {"threads": (width, height)},
        in_numpy,
        lambda: np.asarray(following),
        1e-6,
    )


def mandelbrot(width: int = 512, height: int = 384, limit: int = 256) -> Case:
    scale = 3.0 / width
    image = mp.zeros((height, width, 4), dtype=np.uint8)
    params = {"centre": (-0.5, 0.0), "scale": scale, "max_iterations": limit}

    def in_numpy() -> np.ndarray:
        """Which pixels are inside: the usual array program, which drops points that have left."""
        column, row = np.meshgrid(np.arange(width), np.arange(height))
        c = (-0.5 + scale * (column - width / 2) + 1j * scale * (height / 2 - row)).astype(np.complex64).ravel()
        inside = np.zeros(c.size, bool)
        left, z = np.arange(c.size), np.zeros_like(c)
        for _ in range(limit):
            stays = z.real**2 + z.imag**2 <= 64
            left, z, c = left[stays], z[stays], c[stays]
            z = z * z + c
        inside[left] = True
        return inside.reshape(height, width)

    def result() -> np.ndarray:
        return (np.asarray(image)[..., :3] == 0).all(axis=-1)

    return Case(
        library("mandelbrot").mandelbrot,
        (image, params),
        {"threads": (width, height), "group_size": (16, 16)},
        in_numpy,
        result,
        0.01,  # of the pixels: those on the border may round the other way
    )


CASES = [saxpy, reduce, softmax, matmul, stencil, mandelbrot]
cases = pytest.mark.parametrize("case", CASES, ids=[case.__name__ for case in CASES])


def _differ(got: np.ndarray, want: np.ndarray) -> float:
    if np.asarray(want).dtype == bool:
        return float((got != want).mean())
    scale = max(float(np.max(np.abs(want))), 1.0)
    return float(np.max(np.abs(np.asarray(got, np.float64) - want))) / scale


@cases
def test_device(benchmark, kernel_timer, case):
    made = case()
    benchmark.group = f"kernel {case.__name__}"
    kernel_timer(made.kernel, *made.args, rounds=15, **made.options)
    assert _differ(made.result(), made.in_numpy()) <= made.tolerance


@cases
def test_numpy(benchmark, case):
    made = case()
    benchmark.group = f"kernel {case.__name__}"
    benchmark.pedantic(made.in_numpy, rounds=5, warmup_rounds=1)
