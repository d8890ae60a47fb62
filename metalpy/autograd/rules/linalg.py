"""Rules of linear algebra: A. Griewank and A. Walther, "Evaluating Derivatives", 2008, and M. Giles, "Collected Matrix
Derivative Results for Forward and Reverse Mode Algorithmic Differentiation", 2008.
"""

from __future__ import annotations

from typing import Any

import metalpy as mp
from metalpy.array import Array
from metalpy.autograd.rules.indexing import placed
from metalpy.autograd.rules.table import conjugate, rule
from metalpy.errors import GradientError


def _adjoint(x: Array) -> Array:
    return conjugate(mp.matrix_transpose(x))  # type: ignore[no-any-return]


def _per_matrix(x: Array) -> Array:
    return x[..., None, None]


@rule("inv")
def _inv(g: Array, y: Array, x: Array) -> Any:
    return -(_adjoint(y) @ g @ _adjoint(y))


@rule("solve")
def _solve(g: Array, y: Array, a: Array, b: Array) -> Any:
    of_b = mp.linalg.solve(_adjoint(a), g)
    if b.ndim == 1:
        return -(of_b[..., :, None] @ conjugate(y)[..., None, :]), of_b
    return -(of_b @ _adjoint(y)), of_b


@rule("det")
def _det(g: Array, y: Array, x: Array) -> Any:
    return _per_matrix(g * conjugate(y)) * _adjoint(mp.linalg.inv(x))


@rule("slogdet")
def _slogdet(g: Any, y: Any, x: Array) -> Any:
    if x.dtype.kind == "c":
        raise GradientError("slogdet has a gradient for real matrices; take that of the logarithm of abs(det(x))")
    return _per_matrix(g[1]) * _adjoint(mp.linalg.inv(x))


@rule("cholesky")
def _cholesky(g: Array, y: Array, x: Array, *, upper: bool = False) -> Any:
    lower, g = (_adjoint(y), _adjoint(g)) if upper else (y, g)
    inner = mp.tril(_adjoint(lower) @ g)
    inner = inner - 0.5 * inner * mp.eye(x.shape[-1], dtype=x.dtype, device=x.device)
    inverse = mp.linalg.inv(lower)
    whole = _adjoint(inverse) @ inner @ inverse
    return 0.5 * (whole + _adjoint(whole))


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
    if ord != 2:
        raise GradientError(f"vector_norm has a gradient for ord=2, got {ord!r}")
    if not keepdims:
        axes = range(x.ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
        places = {n % x.ndim for n in axes}
        shape = tuple(1 if n in places else extent for n, extent in enumerate(x.shape))
        g, y = g.reshape(shape), y.reshape(shape)
    return mp.where(y == 0, 0, g / mp.where(y == 0, 1, y)) * x


@rule("matrix_norm")
def _matrix_norm(g: Array, y: Array, x: Array, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    if ord != "fro":
        raise GradientError(f"matrix_norm has a gradient for ord='fro', got {ord!r}")
    return _vector_norm(g, y, x, axis=(-2, -1), keepdims=keepdims)
