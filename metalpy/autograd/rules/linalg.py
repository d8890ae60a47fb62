"""Rules of linear algebra: A. Griewank and A. Walther, "Evaluating Derivatives", 2008, and M. Giles, "Collected Matrix
Derivative Results for Forward and Reverse Mode Algorithmic Differentiation", 2008.
"""

from __future__ import annotations

import math
from typing import Any

import metalpy as mp
from metalpy.array import Array
from metalpy.autograd.rules.indexing import placed
from metalpy.autograd.rules.table import adjoint, conjugate, rule


def _per_matrix(x: Array) -> Array:
    return x[..., None, None]


@rule("inv")
def _inv(g: Array, y: Array, x: Array) -> Any:
    return -(adjoint(y) @ g @ adjoint(y))


@rule("solve")
def _solve(g: Array, y: Array, a: Array, b: Array) -> Any:
    of_b = mp.linalg.solve(adjoint(a), g)
    if b.ndim == 1:
        return -(of_b[..., :, None] @ conjugate(y)[..., None, :]), of_b
    return -(of_b @ adjoint(y)), of_b


@rule("det")
def _det(g: Array, y: Array, x: Array) -> Any:
    return _per_matrix(g * conjugate(y)) * adjoint(mp.linalg.inv(x))


@rule("slogdet")
def _slogdet(g: Any, y: Any, x: Array) -> Any:
    slope = g[1]
    if x.dtype.kind == "c":  # the sign turns; that of a real determinant jumps
        slope = slope - 1j * mp.imag(mp.conj(g[0]) * y[0])
    return _per_matrix(slope) * adjoint(mp.linalg.inv(x))


@rule("cholesky")
def _cholesky(g: Array, y: Array, x: Array, *, upper: bool = False) -> Any:
    lower, g = (adjoint(y), adjoint(g)) if upper else (y, g)
    inner = mp.tril(adjoint(lower) @ g)
    inner = inner - 0.5 * inner * mp.eye(x.shape[-1], dtype=x.dtype, device=x.device)
    inverse = mp.linalg.inv(lower)
    whole = adjoint(inverse) @ inner @ inverse
    return 0.5 * (whole + adjoint(whole))


def _on_diagonal(g: Array, x: Array, offset: int) -> Array:
    """Zeros like `x`, with the elements of `g` on a diagonal of each matrix."""
    rows, columns = x.shape[-2:]
    first, right = max(0, -offset), max(0, offset)
    count = max(0, min(rows - first, columns - right))
    steps = mp.arange(count, device=x.device)
    return placed(g, x.shape, (..., steps + first, steps + right))


@rule("diagonal")
def _diagonal(g: Array, y: Array, x: Array, *, offset: int = 0) -> Any:
    return _on_diagonal(g, x, offset)


@rule("trace")
def _trace(g: Array, y: Array, x: Array, *, offset: int = 0, dtype: Any = None) -> Any:
    count = max(0, min(x.shape[-2] - max(0, -offset), x.shape[-1] - max(0, offset)))
    return _on_diagonal(mp.broadcast_to(g[..., None], (*g.shape, count)), x, offset)


@rule("outer")
def _outer(g: Array, y: Array, a: Array, b: Array) -> Any:
    return g @ conjugate(b), conjugate(a) @ g


@rule("cross")
def _cross(g: Array, y: Array, a: Array, b: Array, *, axis: int = -1) -> Any:
    return mp.linalg.cross(conjugate(b), g, axis=axis), mp.linalg.cross(g, conjugate(a), axis=axis)


@rule("vector_norm")
def _vector_norm(g: Array, y: Array, x: Array, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    if not keepdims:
        places = {n % x.ndim for n in _places(x, axis)}
        shape = tuple(1 if n in places else extent for n, extent in enumerate(x.shape))
        g, y = g.reshape(shape), y.reshape(shape)
    if ord == 2:
        return mp.where(y == 0, 0, g / mp.where(y == 0, 1, y)) * x
    size = mp.abs(x)
    if ord == 0:
        return mp.zeros_like(x)
    if ord == 1:
        return g * mp.sign(x)
    if math.isinf(ord):  # elements that are equally extreme share the gradient
        chosen = mp.astype(size == y, g.dtype)
        return g * mp.sign(x) * chosen / mp.sum(chosen, axis=_places(x, axis), keepdims=True)
    share = mp.where(size == 0, 0, mp.where(size == 0, 1, size) / mp.where(y == 0, 1, y))
    return g * mp.sign(x) * mp.where(share == 0, 0, mp.pow(mp.where(share == 0, 1, share), ord - 1))


def _places(x: Array, axis: Any) -> tuple[int, ...]:
    if axis is None:
        return tuple(range(x.ndim))
    return (axis,) if isinstance(axis, int) else tuple(axis)
