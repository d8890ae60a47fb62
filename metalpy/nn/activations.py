"""Activations, as functions of arrays."""

from __future__ import annotations

import math

import metalpy as mp
from metalpy.array import Array
from metalpy.autograd.tape import primitive

__all__ = [
    "celu",
    "elu",
    "gelu",
    "glu",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "leaky_relu",
    "log_softmax",
    "logsigmoid",
    "mish",
    "prelu",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "softsign",
    "tanh",
]


@primitive
def relu(x: Array) -> Array:
    """The greater of each element and 0. The slope at 0 is 0."""
    return mp.maximum(x, 0)


def leaky_relu(x: Array, negative_slope: float | Array = 0.01) -> Array:
    """Each element, times `negative_slope` if it is not positive."""
    return mp.where(x > 0, x, negative_slope * x)


def prelu(x: Array, weight: Array) -> Array:
    """As `leaky_relu`, with a slope for all, or one for each channel along axis 1."""
    if weight.size == 1 or x.ndim < 2:
        return leaky_relu(x, weight.reshape(-1))
    return leaky_relu(x, weight.reshape((-1,) + (1,) * (x.ndim - 2)))


def hardtanh(x: Array, min_val: float = -1.0, max_val: float = 1.0) -> Array:
    """Each element, or the nearer of both bounds, where the slope is 0."""
    return mp.where(x >= max_val, max_val, mp.where(x <= min_val, min_val, x))


def relu6(x: Array) -> Array:
    """Each element between 0 and 6."""
    return hardtanh(x, 0.0, 6.0)


def elu(x: Array, alpha: float = 1.0) -> Array:
    """Each element if it is positive, else ``alpha * (exp(x) - 1)``."""
    return mp.where(x > 0, x, alpha * mp.expm1(_not_positive(x)))


def celu(x: Array, alpha: float = 1.0) -> Array:
    """Each element if it is positive, else ``alpha * (exp(x / alpha) - 1)``."""
    return mp.where(x > 0, x, alpha * mp.expm1(_not_positive(x) / alpha))


def selu(x: Array) -> Array:
    """`elu` with the constants of G. Klambauer et al., "Self-Normalizing Neural Networks", 2017."""
    return 1.0507009873554805 * elu(x, 1.6732632423543772)


def _not_positive(x: Array) -> Array:
    return mp.where(x > 0, 0, x)


def sigmoid(x: Array) -> Array:
    """``1 / (1 + exp(-x))``, by the hyperbolic tangent, which does not overflow."""
    return 0.5 * mp.tanh(0.5 * x) + 0.5


def hardsigmoid(x: Array) -> Array:
    """``relu6(x + 3) / 6``."""
    return relu6(x + 3) * (1 / 6)


def logsigmoid(x: Array) -> Array:
    """The logarithm of `sigmoid`, without underflow."""
    return -softplus(-x)


def silu(x: Array) -> Array:
    """``x * sigmoid(x)``."""
    return x * sigmoid(x)


def hardswish(x: Array) -> Array:
    """``x * hardsigmoid(x)``."""
    return x * hardsigmoid(x)


def softplus(x: Array, beta: float = 1.0) -> Array:
    """``log(1 + exp(beta * x)) / beta``, without overflow."""
    return mp.logaddexp(x, 0) if beta == 1 else mp.logaddexp(beta * x, 0) * (1 / beta)


def mish(x: Array) -> Array:
    """``x * tanh(softplus(x))``."""
    return x * mp.tanh(softplus(x))


def softsign(x: Array) -> Array:
    """``x / (1 + abs(x))``."""
    return x / (1 + mp.abs(x))


def gelu(x: Array, approximate: str = "none") -> Array:
    """``x`` times the standard normal distribution function of x.

    Parameters
    ----------
    x : Array
    approximate : {"none", "tanh"}
        ``"tanh"`` for the approximation by a hyperbolic tangent of D. Hendrycks and K. Gimpel, "Gaussian Error Linear
        Units", 2016.
    """
    if approximate == "tanh":
        return 0.5 * x * (1 + mp.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)))
    if approximate != "none":
        raise ValueError(f"approximate is 'none' or 'tanh', got {approximate!r}")
    return 0.5 * x * (1 + mp.erf(x * math.sqrt(0.5)))


def tanh(x: Array) -> Array:
    """The hyperbolic tangent of each element."""
    return mp.tanh(x)


def glu(x: Array, dim: int = -1) -> Array:
    """The first half along an axis times `sigmoid` of the second."""
    if x.shape[dim] % 2:
        raise ValueError(f"glu splits an axis in two halves, got extent {x.shape[dim]} along axis {dim}")
    before, half = (slice(None),) * (dim % x.ndim), x.shape[dim] // 2
    return x[(*before, slice(half))] * sigmoid(x[(*before, slice(half, None))])


def softmax(x: Array, dim: int = -1, *, axis: int | None = None) -> Array:
    """``exp(x)`` divided by its sum along an axis, without overflow. `axis` is another name of `dim`."""
    return mp.softmax(x, axis=dim if axis is None else axis)


def log_softmax(x: Array, dim: int = -1, *, axis: int | None = None) -> Array:
    """The logarithm of `softmax`, without underflow."""
    return mp.log_softmax(x, axis=dim if axis is None else axis)
