"""Functions of NumPy about many elements at once that the array API standard does not have: order statistics, counts,
comparisons with a tolerance, sums that leave out NaN.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import metalpy.functions.elementwise as ew
from metalpy import dtypes
from metalpy.array import Array
from metalpy.creation import arange, asarray, zeros
from metalpy.functions.cumulative import diff
from metalpy.functions.grids import linspace
from metalpy.functions.manipulation import broadcast_to, concat, stack
from metalpy.functions.numpy_names import diag
from metalpy.functions.searching import searchsorted
from metalpy.functions.selection import where
from metalpy.functions.sets import unique_all
from metalpy.functions.sorting import sort
from metalpy.functions.statistics import all as every
from metalpy.functions.statistics import any as some
from metalpy.functions.statistics import max as largest
from metalpy.functions.statistics import mean, sum
from metalpy.functions.statistics import min as smallest
from metalpy.ops.reduction import normal_axis
from metalpy.ops.types import promoted

__all__ = [
    "allclose", "amax", "amin", "array_equal", "average", "bincount", "corrcoef", "cov", "digitize", "histogram",
    "interp", "isclose", "isin", "median", "nanmax", "nanmean", "nanmin", "nansum", "percentile", "ptp", "quantile",
    "trapezoid", "unique",
]  # fmt: skip

amax, amin = largest, smallest
Axis = int | Sequence[int] | None


# ---- order ----


def ptp(x: Array, /, axis: Axis = None, *, keepdims: bool = False) -> Array:
    """The largest element less the smallest, along axes."""
    x = asarray(x)
    return largest(x, axis, keepdims=keepdims) - smallest(x, axis, keepdims=keepdims)


def quantile(x: Array, q: Any, /, axis: int | None = None, *, keepdims: bool = False) -> Array:
    """The numbers below which a part `q` of the elements along an axis lies, between elements by proportion.

    Parameters
    ----------
    x : Array
        Of real numbers; integers become float32. NaN among them makes the result NaN.
    q : float or sequence of float
        From 0 to 1. Results of a sequence lie along a new first axis.
    axis : int, optional
        By default all elements are taken together.
    keepdims : bool
        Keep the axis, with extent 1.
    """
    x = asarray(x)
    parts = np.asarray(q, np.float64)
    if parts.size and not (parts.min() >= 0 and parts.max() <= 1):
        raise ValueError(f"quantiles are from 0 to 1, got {q}")
    if x.dtype.kind in "biu":
        x = x.astype(dtypes.float32)
    shape = (1,) * x.ndim
    x, at = (x.reshape(-1), 0) if axis is None else (x, normal_axis(axis, x.ndim))
    if not x.shape[at]:
        raise ValueError("an axis without elements has no quantiles")
    ordered = sort(x, axis=at)
    before = (slice(None),) * at
    last = ordered[(*before, -1)]  # where NaN is, if there is any

    def one(part: float) -> Array:
        place = part * (x.shape[at] - 1)
        low, high = (ordered[(*before, round_(place))] for round_ in (math.floor, math.ceil))
        found = where(ew.isnan(last), math.nan, low + (high - low) * (place % 1) if place % 1 else low)
        if keepdims:
            found = found.reshape(shape) if axis is None else found[(*before, None)]
        return found

    if not parts.ndim:
        return one(float(parts))
    found = stack([one(part) for part in parts.reshape(-1).tolist()])
    return found.reshape((*parts.shape, *found.shape[1:]))


def percentile(x: Array, q: Any, /, axis: int | None = None, *, keepdims: bool = False) -> Array:
    """As `quantile`, with `q` from 0 to 100."""
    return quantile(x, np.asarray(q, np.float64) / 100, axis, keepdims=keepdims)


def median(x: Array, /, axis: int | None = None, *, keepdims: bool = False) -> Array:
    """The number in the middle of the elements along an axis, or between the two there; see `quantile`."""
    return quantile(x, 0.5, axis, keepdims=keepdims)


# ---- sums ----


def average(x: Array, /, axis: int | None = None, weights: Any = None) -> Array:
    """The mean of the elements along an axis, by default of all, each counted as much as its weight says."""
    x = asarray(x)
    if weights is None:
        return mean(x if x.dtype.kind in "fcV" else x.astype(dtypes.float32), axis)
    weights = asarray(weights)
    if weights.shape != x.shape:
        if axis is None or weights.shape != (x.shape[normal_axis(axis, x.ndim)],):
            raise ValueError(
                f"weights of shape {weights.shape} do not fit elements of shape {x.shape} along axis {axis}"
            )
        weights = weights.reshape(tuple(weights.size if at == normal_axis(axis, x.ndim) else 1 for at in range(x.ndim)))
    return sum(x * weights, axis) / sum(broadcast_to(weights, x.shape), axis)


def cov(x: Array, /, rowvar: bool = True, ddof: int = 1) -> Array:
    """The covariances of variables, which are the rows of `x`, or its columns unless `rowvar`."""
    x = asarray(x)
    x = x[None] if x.ndim == 1 else x if rowvar else x.T
    apart = x - mean(x, 1, keepdims=True)
    found = (apart @ ew.conj(apart).T) / (x.shape[1] - ddof)
    return found.reshape(()) if found.size == 1 else found


def corrcoef(x: Array, /, rowvar: bool = True) -> Array:
    """The correlations of variables, see `cov`."""
    found = cov(x, rowvar)
    if not found.ndim:
        return found / found
    spread = ew.sqrt(ew.real(diag(found)) if found.dtype.kind == "c" else diag(found))
    return found / spread[:, None] / spread


def _without_nan(name: str, instead: float, reduce: Callable[..., Array]) -> Callable[..., Array]:
    def reduced(x: Array, /, axis: Axis = None, *, keepdims: bool = False) -> Array:
        x = asarray(x)
        kept = where(ew.isnan(x), instead, x) if x.dtype.kind in "fV" else x
        return reduce(kept, axis, keepdims=keepdims)

    reduced.__name__ = reduced.__qualname__ = name
    reduced.__doc__ = f"`{name[3:]}` of the elements along axes that are not NaN."
    return reduced


nansum = _without_nan("nansum", 0.0, sum)
nanmax = _without_nan("nanmax", -math.inf, largest)
nanmin = _without_nan("nanmin", math.inf, smallest)


def nanmean(x: Array, /, axis: Axis = None, *, keepdims: bool = False) -> Array:
    """`mean` of the elements along axes that are not NaN."""
    x = asarray(x)
    counted = sum(ew.logical_not(ew.isnan(x)), axis, keepdims=keepdims)
    return nansum(x, axis, keepdims=keepdims) / counted.astype(dtypes.float32)


# ---- counts and sets ----


def bincount(x: Array, /, weights: Any = None, minlength: int = 0) -> Array:
    """How often each number from 0 on is among the integers `x`, or what the `weights` there sum up to.

    Waits for the device, as the result's length depends on the numbers. Sums of weights are made on the host.
    """
    x = asarray(x)
    if x.ndim != 1 or x.dtype.kind not in "biu":
        raise TypeError(f"bincount takes integers along one axis, not {x.dtype} of shape {x.shape}")
    if weights is not None:
        return asarray(np.bincount(x.numpy(), np.asarray(weights), minlength))
    count = operator.index(minlength)
    if x.size:
        if smallest(x).item() < 0:
            raise ValueError("bincount takes numbers from 0 on")
        count = max(count, int(largest(x).item()) + 1)
    found = diff(searchsorted(sort(x), arange(count + 1, dtype=x.dtype if x.dtype.kind != "b" else None)))
    return found.astype(dtypes.int64)


def histogram(x: Array, /, bins: Any = 10, range: tuple[float, float] | None = None) -> tuple[Array, Array]:
    """How many elements lie between each two edges, and the edges.

    Parameters
    ----------
    x : Array
        Of real numbers.
    bins : int or Array
        How many bins of equal width, or their edges in ascending order. The last edge belongs to the last bin.
    range : (float, float), optional
        The outer edges of bins of equal width; by default the smallest and the largest element, which waits for the
        device.
    """
    x = asarray(x).reshape(-1)
    x = x if x.dtype.kind in "fV" else x.astype(dtypes.float32)
    if isinstance(bins, int):
        low, high = range or ((smallest(x).item(), largest(x).item()) if x.size else (0.0, 1.0))
        edges = linspace(low, high, bins + 1) if low != high else linspace(low - 0.5, high + 0.5, bins + 1)
    else:
        edges = asarray(bins)
    ordered = sort(x)
    places = searchsorted(ordered, edges.astype(x.dtype, copy=False))
    ends = searchsorted(ordered, edges[-1:].astype(x.dtype, copy=False), side="right")
    return diff(concat([places[:-1], ends])).astype(dtypes.int64), edges


def digitize(x: Array, bins: Any, /, right: bool = False) -> Array:
    """In which bin each element lies: how many edges of `bins`, which ascend, are not above it."""
    x, edges = asarray(x), asarray(bins)
    return searchsorted(
        edges, x.reshape(-1).astype(edges.dtype, copy=False), side="left" if right else "right"
    ).reshape(x.shape)


def unique(x: Array, /, return_index: bool = False, return_inverse: bool = False, return_counts: bool = False) -> Any:
    """The different elements in ascending order, and as asked for where each was first, which one each element of `x`
    is, and how often there is each. Waits for the device.
    """
    found = unique_all(asarray(x))
    values = found.values
    wanted = [(return_index, found.indices), (return_inverse, found.inverse_indices), (return_counts, found.counts)]
    chosen = tuple(part for is_wanted, part in wanted if is_wanted)
    return (values, *chosen) if chosen else values


def isin(x: Array, values: Any, /, invert: bool = False) -> Array:
    """True for elements of `x` that are among `values`."""
    x, values = asarray(x), asarray(values).reshape(-1)
    if not values.size or not x.size:
        found = zeros(x.shape, dtypes.bool_, x.device)
    else:
        ordered = sort(values.astype(promoted(x.dtype, values.dtype), copy=False))
        places = ew.minimum(searchsorted(ordered, x.reshape(-1).astype(ordered.dtype, copy=False)), values.size - 1)
        found = (ordered[places] == x.reshape(-1)).reshape(x.shape)
    return ew.logical_not(found) if invert else found


# ---- curves ----


def trapezoid(y: Array, /, x: Any = None, dx: float = 1.0, axis: int = -1) -> Array:
    """The integral of a curve through points, along an axis, by the trapezoidal rule.

    Parameters
    ----------
    y : Array
    x : Array, optional
        Where the points are: along one axis, or as many as `y` has.
    dx : float
        Their distance, without `x`.
    axis : int
    """
    y = asarray(y)
    at = normal_axis(axis, y.ndim)
    before = (slice(None),) * at
    step: Any = dx
    if x is not None:
        x = asarray(x)
        step = diff(x, axis=axis if x.ndim > 1 else -1)
        step = step.reshape(tuple(step.size if place == at else 1 for place in range(y.ndim))) if x.ndim == 1 else step
    return sum((y[(*before, slice(1, None))] + y[(*before, slice(None, -1))]) * step, at) * 0.5


def interp(x: Array, xp: Any, fp: Any, /, left: Any = None, right: Any = None) -> Array:
    """The heights at `x` of the curve of straight lines through the points (`xp`, `fp`).

    Parameters
    ----------
    x : Array
    xp, fp : Array
        Of one axis each; `xp` ascends.
    left, right : number, optional
        Before the first and behind the last point; by default the heights of these.
    """
    x, xp, fp = (asarray(v).astype(dtypes.float32, copy=False) for v in (x, xp, fp))
    if xp.ndim != 1 or xp.shape != fp.shape or not xp.size:
        raise ValueError(f"interp takes as many heights as places, along one axis, got {fp.shape} and {xp.shape}")
    flat = x.reshape(-1)
    high = ew.clip(searchsorted(xp, flat, side="right"), 1, xp.size - 1) if xp.size > 1 else searchsorted(xp, flat) * 0
    low = high - 1 if xp.size > 1 else high
    part = (flat - xp[low]) / where(xp[high] == xp[low], 1.0, xp[high] - xp[low])
    found = fp[low] + (fp[high] - fp[low]) * ew.clip(part, 0.0, 1.0)
    found = where(flat < xp[0], fp[0] if left is None else left, found)
    found = where(flat > xp[-1], fp[-1] if right is None else right, found)
    return found.reshape(x.shape)


# ---- comparisons ----


def isclose(x1: Array, x2: Array, /, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Array:
    """True where elements differ by at most ``atol + rtol * abs(x2)``."""
    a, b = asarray(x1), asarray(x2)
    near = ew.abs(a - b) <= atol + rtol * ew.abs(b) if "b" not in (a.dtype.kind, b.dtype.kind) else a == b
    found = (near & ew.isfinite(b)) | (a == b)
    return found | (ew.isnan(a) & ew.isnan(b)) if equal_nan else found


def allclose(x1: Array, x2: Array, /, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> bool:
    """Whether `isclose` is true of all elements. Waits for the device."""
    return bool(every(isclose(x1, x2, rtol, atol, equal_nan)).item())


def array_equal(x1: Array, x2: Array, /, equal_nan: bool = False) -> bool:
    """Whether two arrays have one shape and equal elements. Waits for the device."""
    a, b = asarray(x1), asarray(x2)
    if a.shape != b.shape:
        return False
    unlike = a != b
    if equal_nan:
        unlike = unlike & ~(ew.isnan(a) & ew.isnan(b))
    return not some(unlike).item()
