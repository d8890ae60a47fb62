"""Rules of sums, means, extremes and the like along axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import metalpy as mp
from metalpy.array import Array
from metalpy.autograd.rules.table import rule

Axis = int | Sequence[int] | None


def _axes(x: Array, axis: Axis) -> tuple[int, ...]:
    if axis is None:
        return tuple(range(x.ndim))
    return tuple(n % x.ndim for n in ((axis,) if isinstance(axis, int) else axis))


def _kept(value: Array, x: Array, axis: Axis, keepdims: bool) -> Array:
    """A reduction's result with its axes back, of extent 1, so that it broadcasts against the argument."""
    if keepdims:
        return value
    axes = _axes(x, axis)
    return value.reshape(tuple(1 if n in axes else extent for n, extent in enumerate(x.shape)))


def _spread(g: Array, x: Array, axis: Axis, keepdims: bool) -> Array:
    return mp.broadcast_to(_kept(g, x, axis, keepdims), x.shape)


def _count(x: Array, axis: Axis) -> int:
    return math.prod(x.shape[n] for n in _axes(x, axis))


@rule("sum")
def _sum(g: Array, y: Array, x: Array, axis: Axis = None, *, dtype: Any = None, keepdims: bool = False) -> Any:
    return _spread(g, x, axis, keepdims)


@rule("mean")
def _mean(g: Array, y: Array, x: Array, axis: Axis = None, *, dtype: Any = None, keepdims: bool = False) -> Any:
    return _spread(g * (1 / max(_count(x, axis), 1)), x, axis, keepdims)


@rule("prod")
def _prod(g: Array, y: Array, x: Array, axis: Axis = None, *, dtype: Any = None, keepdims: bool = False) -> Any:
    # The product of the others: by division where there is no zero; where there is one, that has all of the gradient.
    zero = x == 0
    filled = mp.where(zero, 1, x)
    zeros = _kept(mp.sum(zero, axis=axis, keepdims=keepdims), x, axis, keepdims)
    others = mp.prod(filled, axis=_axes(x, axis), keepdims=True) / filled
    return _kept(g, x, axis, keepdims) * others * mp.astype(zeros == mp.astype(zero, zeros.dtype), x.dtype)


@rule("max", "min")
def _extremum(g: Array, y: Array, x: Array, axis: Axis = None, *, keepdims: bool = False) -> Any:
    # Elements that are equally extreme share the gradient.
    chosen = mp.astype(x == _kept(y, x, axis, keepdims), g.dtype)
    return _kept(g, x, axis, keepdims) * (chosen / mp.sum(chosen, axis=_axes(x, axis), keepdims=True))


@rule("var")
def _var(
    g: Array,
    y: Array,
    x: Array,
    axis: Axis = None,
    *,
    correction: float = 0.0,
    keepdims: bool = False,
    ddof: float | None = None,
) -> Any:
    distance = x - mp.mean(x, axis=_axes(x, axis), keepdims=True)
    return _kept(g, x, axis, keepdims) * distance * (2 / (_count(x, axis) - (correction if ddof is None else ddof)))


@rule("std")
def _std(
    g: Array,
    y: Array,
    x: Array,
    axis: Axis = None,
    *,
    correction: float = 0.0,
    keepdims: bool = False,
    ddof: float | None = None,
) -> Any:
    distance = x - mp.mean(x, axis=_axes(x, axis), keepdims=True)
    scale = _kept(g / y, x, axis, keepdims) * (1 / (_count(x, axis) - (correction if ddof is None else ddof)))
    return scale * distance


@rule("logsumexp")
def _logsumexp(g: Array, y: Array, x: Array, axis: Axis = None, *, keepdims: bool = False) -> Any:
    return _kept(g, x, axis, keepdims) * mp.exp(x - _kept(y, x, axis, keepdims))


@rule("softmax")
def _softmax(g: Array, y: Array, x: Array, axis: int = -1) -> Any:
    product = g * y
    return product - y * mp.sum(product, axis=axis, keepdims=True)


@rule("log_softmax")
def _log_softmax(g: Array, y: Array, x: Array, axis: int = -1) -> Any:
    return g - mp.exp(y) * mp.sum(g, axis=axis, keepdims=True)


@rule("cumulative_sum")
def _cumulative_sum(
    g: Array, y: Array, x: Array, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False
) -> Any:
    axis = 0 if axis is None else axis % x.ndim
    if include_initial:
        g = g[(*(slice(None),) * axis, slice(1, None))]
    return mp.flip(mp.cumulative_sum(mp.flip(g, axis=axis), axis=axis), axis=axis)


@rule("cumulative_prod")
def _cumulative_prod(
    g: Array, y: Array, x: Array, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False
) -> Any:
    # The sum, over all results from an element on, of gradient times result, over the element: not where that is 0.
    axis = 0 if axis is None else axis % x.ndim
    if include_initial:
        later = (*(slice(None),) * axis, slice(1, None))
        g, y = g[later], y[later]
    return mp.flip(mp.cumulative_sum(mp.flip(g * y, axis=axis), axis=axis), axis=axis) / x


@rule("sort")
def _sort(g: Array, y: Array, x: Array, axis: int = -1, *, descending: bool = False, stable: bool = True) -> Any:
    order = mp.argsort(mp.argsort(x, axis=axis, descending=descending, stable=True), axis=axis)
    return mp.take_along_axis(g, order, axis=axis)
