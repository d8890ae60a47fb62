"""Rules of matrix products."""

from __future__ import annotations

from typing import Any

import metalpy as mp
from metalpy.array import Array
from metalpy.autograd.rules.table import conjugate, rule


@rule("_matmul")
def _matmul(g: Array, y: Array, a: Array, b: Array) -> Any:
    left = a[None, :] if a.ndim == 1 else a
    right = b[:, None] if b.ndim == 1 else b
    matrix = g
    if b.ndim == 1:
        matrix = matrix[..., None]
    if a.ndim == 1:
        matrix = matrix[..., None, :]
    of_left = matrix @ conjugate(mp.matrix_transpose(right))
    of_right = conjugate(mp.matrix_transpose(left)) @ matrix
    return (of_left[..., 0, :] if a.ndim == 1 else of_left), (of_right[..., 0] if b.ndim == 1 else of_right)


@rule("vecdot")
def _vecdot(g: Array, y: Array, a: Array, b: Array, *, axis: int = -1) -> Any:
    g = mp.expand_dims(g, axis=axis)
    return conjugate(g) * b, g * a
