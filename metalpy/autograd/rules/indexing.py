"""Rules of functions that choose elements, and their transposes."""

from __future__ import annotations

from typing import Any

import metalpy as mp
from metalpy import dtypes
from metalpy.array import Array
from metalpy.autograd.rules.table import rule
from metalpy.autograd.tape import primitive
from metalpy.ops import indexing


@rule("where")
def _where(g: Array, y: Array, condition: Array, a: Any, b: Any) -> Any:
    none = mp.zeros_like(g)
    return None, mp.where(condition, g, none), mp.where(condition, none, g)


@primitive
def placed(g: Array, shape: tuple[int, ...], key: Any) -> Array:
    """Zeros of a shape, with the elements of `g` added to those that a key selects."""
    parts = key if isinstance(key, tuple) else (key,)
    if any(map(indexing.is_advanced, parts)):
        whole = mp.zeros(shape, dtype=dtypes.float32, device=g.device)
        indexing.accumulate(whole, parts, g.astype(dtypes.float32, copy=False))
        return whole.astype(g.dtype, copy=False)
    whole = mp.zeros(shape, dtype=g.dtype, device=g.device)
    whole[key] = g
    return whole


@rule("__getitem__")
def _getitem(g: Array, y: Array, x: Array, key: Any) -> Any:
    return placed(g, x.shape, key)


@rule("placed")
def _placed(g: Array, y: Array, x: Array, shape: tuple[int, ...], key: Any) -> Any:
    return g[key]


@rule("take")
def _take(g: Array, y: Array, x: Array, indices: Array, axis: int | None = None) -> Any:
    at = 0 if axis is None else axis % x.ndim
    return placed(g, x.shape, (*(slice(None),) * at, indices))


@primitive
def placed_along(g: Array, shape: tuple[int, ...], indices: Array, axis: int) -> Array:
    """Zeros of a shape, with the elements of `g` added to those that `take_along_axis` takes."""
    whole = mp.zeros(shape, dtype=dtypes.float32, device=g.device)
    indexing.accumulate_along(whole, indices, axis, g.astype(dtypes.float32, copy=False))
    return whole.astype(g.dtype, copy=False)


@rule("take_along_axis")
def _take_along_axis(g: Array, y: Array, x: Array, indices: Array, axis: int = -1) -> Any:
    return placed_along(g, x.shape, indices, axis % x.ndim)


@rule("placed_along")
def _placed_along(g: Array, y: Array, x: Array, shape: tuple[int, ...], indices: Array, axis: int) -> Any:
    return mp.take_along_axis(g, indices, axis=axis)
