"""Functions of arrays against NumPy's and, where it is installed, PyTorch's on the CPU, in turn.

The summary has the least time of each, and the ratio of metalpy's to the others'. NumPy runs on one thread, PyTorch on
as many as it takes by itself. Wall times are of the launches and the wait for them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import metalpy as mp
from metalpy.nn import functional as F

try:
    import torch
except ImportError:
    torch = None

SIZES = [1 << 10, 1 << 16, 1 << 20, 1 << 24]
_rng = np.random.default_rng(2026)


def _softmax(x: np.ndarray) -> np.ndarray:
    powers = np.exp(x - x.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def _layer_norm(x: np.ndarray) -> np.ndarray:
    distance = x - x.mean(-1, keepdims=True)
    return distance / np.sqrt((distance * distance).mean(-1, keepdims=True) + 1e-5)


_FILTERS = _rng.standard_normal((32, 16, 3, 3), dtype=np.float32)


def _conv2d(x: np.ndarray) -> np.ndarray:
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1))), (3, 3), (2, 3))
    return np.tensordot(windows, _FILTERS, ((1, 4, 5), (1, 2, 3))).transpose(0, 3, 1, 2)


def _attention(x: np.ndarray) -> np.ndarray:
    return _softmax(x @ x.swapaxes(-1, -2) * np.float32(0.125)) @ x


def _square(n: int) -> tuple[int, ...]:
    side = int(n**0.5)
    return side, side


_places: dict[int, tuple[np.ndarray, Any]] = {}


def _indices(n: int) -> tuple[np.ndarray, Any]:
    """Random indices, on the host and on the device."""
    if n not in _places:
        host = _rng.integers(0, n, n)
        _places[n] = host, mp.asarray(host)
    return _places[n]


def _put(x: Any, indices: Any) -> None:
    x[indices] = 1.0


# The function, NumPy's, and the shape that it sees.
Shape = Callable[[int], tuple[int, ...]]
CASES: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any], Shape]] = {
    "add": (lambda x: x + x, lambda x: x + x, lambda n: (n,)),
    "exp": (mp.exp, np.exp, lambda n: (n,)),
    "matmul": (lambda x: x @ x, lambda x: x @ x, _square),
    "layer_norm": (lambda x: F.layer_norm(x, x.shape[-1]), _layer_norm, lambda n: (n // 1024, 1024)),
    "conv2d": (
        lambda x: F.conv2d(x, mp.asarray(_FILTERS), padding=1),
        _conv2d,
        lambda n: (n // 16384 or 1, 16, 32, 32),
    ),
    "attention": (lambda x: F.scaled_dot_product_attention(x, x, x), _attention, lambda n: (n // 16384 or 1, 256, 64)),
    "sum": (mp.sum, np.sum, lambda n: (n,)),
    "sum of rows": (lambda x: mp.sum(x, 1), lambda x: x.sum(1), lambda n: (n // 1024, 1024)),
    "sum of columns": (lambda x: mp.sum(x, 0), lambda x: x.sum(0), lambda n: (n // 1024, 1024)),
    "sum of thin rows": (lambda x: mp.sum(x, 1), lambda x: x.sum(1), lambda n: (n // 4, 4)),
    "max": (mp.max, np.max, lambda n: (n,)),
    "max of columns": (lambda x: mp.max(x, 0), lambda x: x.max(0), lambda n: (n // 1024, 1024)),
    "argmax": (mp.argmax, np.argmax, lambda n: (n,)),
    "var": (mp.var, np.var, lambda n: (n,)),
    "all": (mp.all, np.all, lambda n: (n,)),
    "cumulative_sum": (mp.cumulative_sum, np.cumsum, lambda n: (n,)),
    "softmax": (mp.softmax, _softmax, lambda n: (n // 1024, 1024)),
    "sort": (mp.sort, np.sort, lambda n: (n,)),
    "argsort": (mp.argsort, lambda x: np.argsort(x, stable=True), lambda n: (n,)),
    "sort of rows": (mp.sort, np.sort, lambda n: (n // 128, 128)),
    "unique_values": (mp.unique_values, np.unique_values, lambda n: (n,)),
    "nonzero": (mp.nonzero, np.nonzero, lambda n: (n,)),
    "where": (lambda x: mp.where(x > 0, x, 0.0), lambda x: np.where(x > 0, x, np.float32(0)), lambda n: (n,)),
    "clip": (lambda x: mp.clip(x, -1, 1), lambda x: np.clip(x, -1, 1), lambda n: (n,)),
    "step slice": (lambda x: x[::2] + x[1::2], lambda x: x[::2] + x[1::2], lambda n: (n,)),
    "concat": (lambda x: mp.concat([x, x]), lambda x: np.concatenate([x, x]), lambda n: (n,)),
    "take": (lambda x: x[_indices(x.size)[1]], lambda x: x[_indices(x.size)[0]], lambda n: (n,)),
    "put": (lambda x: _put(x, _indices(x.size)[1]), lambda x: _put(x, _indices(x.size)[0]), lambda n: (n,)),
    "mask": (lambda x: x[x > 0], lambda x: x[x > 0], lambda n: (n,)),
    "rfft of rows": (mp.fft.rfft, np.fft.rfft, lambda n: (n // 1024, 1024)),
}


# PyTorch's, for those that are none of its methods of the same name.
TORCH: dict[str, Callable[[Any], Any]] = {
    "add": lambda x: x + x,
    "matmul": lambda x: x @ x,
    "layer_norm": lambda x: torch.nn.functional.layer_norm(x, x.shape[-1:]),
    "conv2d": lambda x: torch.nn.functional.conv2d(x, torch.from_numpy(_FILTERS), padding=1),
    "attention": lambda x: torch.nn.functional.scaled_dot_product_attention(x, x, x),
    "sum of rows": lambda x: x.sum(1),
    "sum of columns": lambda x: x.sum(0),
    "sum of thin rows": lambda x: x.sum(1),
    "max of columns": lambda x: x.amax(0),
    "var": lambda x: x.var(correction=0),
    "cumulative_sum": lambda x: x.cumsum(0),
    "softmax": lambda x: x.softmax(-1),
    "argsort": lambda x: x.argsort(stable=True),
    "sort of rows": lambda x: x.sort(),
    "unique_values": lambda x: x.unique(),
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", CASES)
def test_array(benchmark, name, size):
    function, in_numpy, shape = CASES[name]
    if benchmark.disabled and size != SIZES[1]:
        pytest.skip("one size shows that it works")
    is_slow = "sort" in name or "unique" in name or name in ("matmul", "conv2d")
    if is_slow and size > 1 << 20:
        pytest.skip("NumPy takes seconds for it")
    host = _rng.standard_normal(shape(size), dtype=np.float32)
    x = mp.array(host)
    others: dict[str, tuple[Callable[[Any], Any], Any]] = {}
    if torch is not None:  # first, as its threads wait busily for a while
        others["torch"] = TORCH.get(name, lambda tensor: getattr(tensor, name)()), torch.from_numpy(host)
    others["numpy"] = in_numpy, host
    times: dict[str, list[float]] = {other: [] for other in others}

    def others_once() -> tuple[tuple[()], dict[str, Any]]:
        for other, (reference, given) in others.items():
            began = time.perf_counter()
            reference(given)
            times[other].append(time.perf_counter() - began)
        return (), {}

    def once() -> None:
        function(x)
        mp.mps.synchronize()

    once()
    benchmark.group = f"array {name}"
    benchmark.pedantic(once, setup=others_once, rounds=5 if is_slow else 15)
    benchmark.extra_info.update({other: min(taken) for other, taken in times.items()})
