"""Rules of sums, means, extremes and the like along axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import metalpy as mp
from metalpy.array import Array
from metalpy.autograd.rules.table import conjugate, rule

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
    return _kept(g, x, axis, keepdims) * conjugate(others) * mp.astype(zeros == mp.astype(zero, zeros.dtype), x.dtype)


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


@rule("var_mean")
def _var_mean(
    g: Any, y: Any, input: Array, dim: Axis = None, *, correction: float | None = None, keepdim: bool = False
) -> Any:
    axis = dim if isinstance(dim, int) or dim else None  # no axes are all of them here
    of_variance = _var(g[0], y[0], input, axis, correction=1.0 if correction is None else correction, keepdims=keepdim)
    return of_variance + _mean(g[1], y[1], input, axis, keepdims=keepdim)


@rule("native_group_norm")
def _group_norm(
    g: Any, y: Any, input: Array, weight: Array | None, bias: Array | None, N: int, C: int, HxW: int, group: int,
    eps: float,
) -> Any:  # fmt: skip
    mean, rstd = (x[..., None] for x in y[1:])
    of_mean, of_rstd = (x[..., None] for x in g[1:])
    of_out = g[0].reshape((N, C, HxW))
    normal = (input.reshape((N, group, -1)) - mean) * rstd
    scaled = (of_out if weight is None else of_out * weight.reshape((C, 1))).reshape(normal.shape)
    slope = mp.mean(scaled * normal, axis=-1, keepdims=True)
    of_input = rstd * (scaled - mp.mean(scaled, axis=-1, keepdims=True) - normal * slope)
    of_input = of_input + (of_mean - of_rstd * rstd * rstd * normal) * (1 / max(1, normal.shape[-1]))
    per_channel = mp.sum(of_out * normal.reshape(of_out.shape), axis=(0, 2))
    return (
        of_input.reshape(input.shape),
        None if weight is None else per_channel.reshape(weight.shape),
        None if bias is None else mp.sum(of_out, axis=(0, 2)).reshape(bias.shape),
    )


@rule("std")
def _std(g: Array, y: Array, x: Array, axis: Axis = None, **options: Any) -> Any:
    slope = mp.where(y == 0, 0, g / mp.where(y == 0, 1, y))  # as the counterpart has it, where there is none
    return _var(slope * 0.5, y, x, axis, **options)


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
    return _sums_from(g, axis)


@rule("cumulative_prod")
def _cumulative_prod(
    g: Array, y: Array, x: Array, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False
) -> Any:
    # The sum, over all results from an element on, of gradient times result, over the element. The first 0 gets what
    # the products without it give; behind it all products are 0.
    axis = 0 if axis is None else axis % x.ndim
    if include_initial:
        later = (*(slice(None),) * axis, slice(1, None))
        g, y = g[later], y[later]
    zero = x == 0
    is_first = zero & (mp.cumulative_sum(zero.astype(mp.int32), axis=axis) == 1)
    without = conjugate(mp.cumulative_prod(mp.where(is_first, 1, x), axis=axis))
    found = _sums_from(g * conjugate(y), axis) / conjugate(mp.where(zero, 1, x))
    return mp.where(is_first, _sums_from(g * without, axis), found)


def _sums_from(x: Array, axis: int) -> Array:
    """From each element on to the end."""
    return mp.flip(mp.cumulative_sum(mp.flip(x, axis=axis), axis=axis), axis=axis)


@rule("sort")
def _sort(g: Array, y: Array, x: Array, axis: int = -1, *, descending: bool = False, stable: bool = True) -> Any:
    order = mp.argsort(mp.argsort(x, axis=axis, descending=descending, stable=True), axis=axis)
    return mp.take_along_axis(g, order, axis=axis)
