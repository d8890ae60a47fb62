"""First values of parameters: each function fills an array in place and returns it."""

from __future__ import annotations

import math
from typing import Any

import metalpy as mp
from metalpy.array import Array

__all__ = [
    "calculate_gain",
    "constant_",
    "kaiming_normal_",
    "kaiming_uniform_",
    "normal_",
    "ones_",
    "trunc_normal_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]

_GAINS = {
    "linear": 1.0,
    "sigmoid": 1.0,
    "conv1d": 1.0,
    "conv2d": 1.0,
    "tanh": 5 / 3,
    "relu": math.sqrt(2),
    "selu": 0.75,
}


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """By how much to widen weights before an activation; `param` is the slope of ``"leaky_relu"``, 0.01 by default."""
    if nonlinearity == "leaky_relu":
        return math.sqrt(2 / (1 + (0.01 if param is None else param) ** 2))
    if nonlinearity not in _GAINS:
        raise ValueError(f"there are gains of {', '.join(_GAINS)} and leaky_relu, not of {nonlinearity!r}")
    return _GAINS[nonlinearity]


def _filled(x: Array, values: Any) -> Array:
    x[...] = values
    return x


def constant_(x: Array, val: float) -> Array:
    """The same number everywhere."""
    return _filled(x, val)


def zeros_(x: Array) -> Array:
    """Zeros."""
    return _filled(x, 0)


def ones_(x: Array) -> Array:
    """Ones."""
    return _filled(x, 1)


def uniform_(x: Array, a: float = 0.0, b: float = 1.0) -> Array:
    """Evenly between `a` and `b`."""
    return _filled(x, mp.random.uniform(a, b, x.shape))


def normal_(x: Array, mean: float = 0.0, std: float = 1.0) -> Array:
    """Of a normal distribution."""
    return _filled(x, mp.random.normal(mean, std, x.shape))


def trunc_normal_(x: Array, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0) -> Array:
    """Of that part of a normal distribution that lies between `a` and `b`; waits for the device."""
    if a >= b or not a - 2 * std <= mean <= b + 2 * std:
        raise ValueError(f"the mean is at most 2 std outside of [a, b], got mean {mean}, std {std} and [{a}, {b}]")
    host = mp.random.normal(mean, std, x.shape).numpy().copy()
    while (outside := (host < a) | (host > b)).any():
        host[outside] = mp.random.normal(mean, std, int(outside.sum())).numpy()
    return _filled(x, host)


def xavier_uniform_(x: Array, gain: float = 1.0) -> Array:
    """X. Glorot and Y. Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010."""
    fan_in, fan_out = _fans(x)
    bound = gain * math.sqrt(6 / (fan_in + fan_out))
    return uniform_(x, -bound, bound)


def xavier_normal_(x: Array, gain: float = 1.0) -> Array:
    """As `xavier_uniform_`, of a normal distribution."""
    fan_in, fan_out = _fans(x)
    return normal_(x, 0, gain * math.sqrt(2 / (fan_in + fan_out)))


def kaiming_uniform_(x: Array, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu") -> Array:
    """K. He et al., "Delving Deep into Rectifiers", 2015; `a` is the slope of ``"leaky_relu"``."""
    bound = math.sqrt(3) * _deviation(x, a, mode, nonlinearity)
    return uniform_(x, -bound, bound)


def kaiming_normal_(x: Array, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu") -> Array:
    """As `kaiming_uniform_`, of a normal distribution."""
    return normal_(x, 0, _deviation(x, a, mode, nonlinearity))


def _deviation(x: Array, a: float, mode: str, nonlinearity: str) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"mode is 'fan_in' or 'fan_out', got {mode!r}")
    return calculate_gain(nonlinearity, a) / math.sqrt(_fans(x)[mode == "fan_out"])


def _fans(x: Array) -> tuple[int, int]:
    """How many elements go into one of the result, and come from one of the argument."""
    if x.ndim < 2:
        raise ValueError(f"weights have two axes or more, got shape {x.shape}")
    window = math.prod(x.shape[2:])
    return x.shape[1] * window, x.shape[0] * window
