"""Functions of NumPy that the array API standard does not have, made of those that it has.

They have NumPy's parameters, in its order, run on the device, and have gradients where what they are made of has.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

import metalpy.functions.elementwise as ew
from metalpy import dtypes
from metalpy.array import Array
from metalpy.creation import asarray, full
from metalpy.functions.cumulative import cumulative_prod, cumulative_sum
from metalpy.functions.data_types import finfo
from metalpy.functions.grids import eye, tril
from metalpy.functions.manipulation import (
    concat,
    distinct_axes,
    expand_dims,
    flip,
    moveaxis,
    permute_dims,
    stack,
)
from metalpy.functions.products import matmul, tensordot, vecdot
from metalpy.functions.searching import nonzero
from metalpy.functions.selection import take, where
from metalpy.ops.reduction import normal_axis

__all__ = [
    "absolute", "append", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctan2", "arctanh", "argwhere",
    "around", "array_split", "atleast_1d", "atleast_2d", "atleast_3d", "column_stack", "concatenate", "conjugate",
    "copy", "cross", "cumprod", "cumsum", "deg2rad", "degrees", "diag", "diagonal", "dot", "dstack", "exp2", "fabs",
    "flatnonzero", "fliplr", "flipud", "hsplit", "hstack", "identity", "inner", "mod", "nan_to_num", "outer", "pad",
    "power", "rad2deg", "radians", "ravel", "rot90", "split", "swapaxes", "trace", "transpose", "tri", "true_divide",
    "vdot", "vsplit", "vstack",
]  # fmt: skip

absolute = fabs = ew.abs
arccos, arccosh, arcsin, arcsinh = ew.acos, ew.acosh, ew.asin, ew.asinh
arctan, arctan2, arctanh = ew.atan, ew.atan2, ew.atanh
around, conjugate, mod, power, true_divide = ew.round, ew.conj, ew.remainder, ew.pow, ew.divide


def copy(x: Array, /) -> Array:
    """See `Array.copy`."""
    return asarray(x).copy()


def exp2(x: Array, /) -> Array:
    """Two to the power of `x`."""
    x = asarray(x)
    return ew.pow(2.0 if x.dtype.kind in "fcV" else asarray(2.0), x)  # exp(x log 2) is off by 70 ulp for large x


def degrees(x: Array, /) -> Array:
    """Angles in degrees, of radians."""
    return asarray(x) * (180 / math.pi)


def radians(x: Array, /) -> Array:
    """Angles in radians, of degrees."""
    return asarray(x) * (math.pi / 180)


rad2deg, deg2rad = degrees, radians


def nan_to_num(x: Array, /, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None) -> Array:
    """`x` with other numbers in place of NaN and the infinities, by default the type's largest and smallest."""
    x = asarray(x)
    if x.dtype.kind in "biu":
        return x.copy()
    if x.dtype.kind == "c":
        raise TypeError(f"nan_to_num takes real numbers, not {x.dtype}")
    limits = finfo(x.dtype)
    x = where(ew.isnan(x), nan, x)
    x = where(x == math.inf, limits.max if posinf is None else posinf, x)
    return where(x == -math.inf, limits.min if neginf is None else neginf, x)


# ---- shapes ----


def ravel(x: Array, /) -> Array:
    """The elements along one axis, in C order; a view where there is one."""
    return asarray(x).reshape(-1)


def transpose(x: Array, /, axes: Sequence[int] | None = None) -> Array:
    """A view with the axes in the order `axes`, by default reversed."""
    x = asarray(x)
    return x.T if axes is None else permute_dims(x, tuple(axes))


def swapaxes(x: Array, axis1: int, axis2: int, /) -> Array:
    """A view with two axes exchanged."""
    x = asarray(x)
    order = list(range(x.ndim))
    one, other = normal_axis(axis1, x.ndim), normal_axis(axis2, x.ndim)
    order[one], order[other] = order[other], order[one]
    return permute_dims(x, tuple(order))


def atleast_1d(x: Array, /) -> Array:
    """`x`, with an axis if it has none."""
    x = asarray(x)
    return x if x.ndim else x.reshape(1)


def atleast_2d(x: Array, /) -> Array:
    """`x`, with new first axes if it has fewer than two."""
    x = atleast_1d(x)
    return x if x.ndim > 1 else x[None]


def atleast_3d(x: Array, /) -> Array:
    """`x`, as an image of one channel if it has fewer than three axes."""
    x = atleast_2d(x)
    return x if x.ndim > 2 else x[..., None]


def flipud(x: Array, /) -> Array:
    """A view with the rows in reverse order."""
    return flip(x, axis=0)


def fliplr(x: Array, /) -> Array:
    """A view with the columns in reverse order."""
    return flip(x, axis=1)


def rot90(x: Array, /, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Array:
    """A view turned by `k` right angles, from the first of `axes` towards the second."""
    x = asarray(x)
    first, second = distinct_axes(axes, x.ndim)
    turns = operator.index(k) % 4
    if turns == 2:
        return flip(x, axis=(first, second))
    if turns == 1:
        return swapaxes(flip(x, axis=second), first, second)
    return flip(swapaxes(x, first, second), axis=second) if turns else x[...]


# ---- joining and splitting ----


def concatenate(arrays: Sequence[Any], /, axis: int | None = 0) -> Array:
    """See `metalpy.concat`."""
    return concat(arrays, axis=axis)


def append(x: Array, values: Any, /, axis: int | None = None) -> Array:
    """`values` behind `x` along an axis; without one both flat."""
    return concat([asarray(x), asarray(values)], axis=axis)


def vstack(arrays: Sequence[Any], /) -> Array:
    """Join along the first axis; arrays of one axis are rows."""
    return concat([atleast_2d(x) for x in arrays], axis=0)


def hstack(arrays: Sequence[Any], /) -> Array:
    """Join along the second axis, arrays of one axis along that."""
    given = [atleast_1d(x) for x in arrays]
    return concat(given, axis=0 if given and given[0].ndim == 1 else 1)


def dstack(arrays: Sequence[Any], /) -> Array:
    """Join along the third axis; see `atleast_3d`."""
    return concat([atleast_3d(x) for x in arrays], axis=2)


def column_stack(arrays: Sequence[Any], /) -> Array:
    """Join along the second axis; arrays of one axis are columns."""
    return concat([expand_dims(x, 1) if x.ndim == 1 else x for x in map(atleast_1d, arrays)], axis=1)


def array_split(x: Array, indices_or_sections: Any, /, axis: int = 0) -> list[Array]:
    """Parts of `x` along an axis, as views.

    Parameters
    ----------
    x : Array
    indices_or_sections : int or sequence of int
        How many parts, of which the first may have an element more; or where parts begin, after the first.
    axis : int
    """
    x = asarray(x)
    at = normal_axis(axis, x.ndim)
    extent = x.shape[at]
    if hasattr(indices_or_sections, "__index__") and not isinstance(indices_or_sections, (list, tuple)):
        count = operator.index(indices_or_sections)
        if count < 1:
            raise ValueError(f"at least 1 part is needed, not {count}")
        ends = [number * (extent // count) + min(number, extent % count) for number in range(count + 1)]
    else:
        ends = [0, *(operator.index(end) for end in indices_or_sections), extent]
    before = (slice(None),) * at
    return [x[(*before, slice(start, end))] for start, end in pairwise(ends)]


def split(x: Array, indices_or_sections: Any, /, axis: int = 0) -> list[Array]:
    """As `array_split`, with parts that are alike if their number is given; ValueError if they cannot be."""
    x = asarray(x)
    if not isinstance(indices_or_sections, (list, tuple)) and hasattr(indices_or_sections, "__index__"):
        extent, count = x.shape[normal_axis(axis, x.ndim)], operator.index(indices_or_sections)
        if count < 1 or extent % count:
            raise ValueError(f"{extent} elements do not make {count} equal parts; array_split makes unequal ones")
    return array_split(x, indices_or_sections, axis)


def vsplit(x: Array, indices_or_sections: Any, /) -> list[Array]:
    """`split` along the first axis."""
    return split(x, indices_or_sections, 0)


def hsplit(x: Array, indices_or_sections: Any, /) -> list[Array]:
    """`split` along the second axis, of arrays with one along that."""
    x = asarray(x)
    return split(x, indices_or_sections, 1 if x.ndim > 1 else 0)


def pad(x: Array, pad_width: Any, mode: str = "constant", *, constant_values: Any = 0) -> Array:
    """`x` with more elements before and behind along each axis.

    Parameters
    ----------
    x : Array
    pad_width : int, (before, after) or a sequence of these pairs for the axes
    mode : {"constant", "edge", "reflect", "symmetric", "wrap"}
    constant_values : number
    """
    x = asarray(x)
    if mode not in ("constant", "edge", "reflect", "symmetric", "wrap"):
        raise ValueError(f"mode is 'constant', 'edge', 'reflect', 'symmetric' or 'wrap', not {mode!r}")
    widths = np.broadcast_to(np.asarray(pad_width), (x.ndim, 2)).tolist()
    for axis, (before, after) in enumerate(widths):
        if before < 0 or after < 0:
            raise ValueError(f"widths are 0 or more, got {(before, after)}")
        if not before and not after:
            continue
        if mode != "constant":
            x = take(x, asarray(np.pad(np.arange(x.shape[axis]), (before, after), mode)), axis=axis)  # type: ignore[call-overload]
            continue
        ends = [
            full((*x.shape[:axis], width, *x.shape[axis + 1 :]), constant_values, x.dtype, x.device)
            for width in (before, after)
        ]
        x = concat([ends[0], x, ends[1]], axis=axis)
    return x


# ---- matrices and products ----


def identity(n: int, /, dtype: Any = None) -> Array:
    """The identity matrix of `n` rows."""
    return eye(n, dtype=dtype)


def tri(n_rows: int, n_cols: int | None = None, /, k: int = 0, dtype: Any = None) -> Array:
    """A matrix of ones on and below diagonal `k`."""
    return tril(
        full((n_rows, n_rows if n_cols is None else n_cols), 1, dtypes.float32 if dtype is None else dtype), k=k
    )


def diagonal(x: Array, /, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Array:
    """The diagonals of the matrices in two axes, along a new last axis."""
    from metalpy.linalg import diagonal

    return diagonal(moveaxis(asarray(x), (axis1, axis2), (-2, -1)), offset=offset)


def trace(x: Array, /, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None) -> Array:
    """The sums of the diagonals of the matrices in two axes."""
    from metalpy.linalg import trace

    return trace(moveaxis(asarray(x), (axis1, axis2), (-2, -1)), offset=offset, dtype=dtype)


def diag(x: Array, /, k: int = 0) -> Array:
    """Diagonal `k` of a matrix, or a matrix with the elements of `x` there."""
    x = asarray(x)
    if x.ndim == 2:
        return diagonal(x, k)
    if x.ndim != 1:
        raise ValueError(f"diag takes one or two axes, got shape {x.shape}")
    n = x.shape[0] + abs(k)
    placed = pad(x, (max(k, 0), max(-k, 0)))  # by column
    return where(eye(n, k=k, dtype=dtypes.bool_), placed, asarray(0, dtype=x.dtype))


def dot(x1: Array, x2: Array, /) -> Array:
    """NumPy's product: along the last axis of `x1` and the last but one of `x2`; of numbers as they are."""
    x1, x2 = asarray(x1), asarray(x2)
    if not x1.ndim or not x2.ndim:
        return x1 * x2
    if x2.ndim <= 2:
        return matmul(x1, x2)
    return tensordot(x1, x2, axes=((x1.ndim - 1,), (x2.ndim - 2,)))


def inner(x1: Array, x2: Array, /) -> Array:
    """The product along the last axes of both."""
    x1, x2 = asarray(x1), asarray(x2)
    if not x1.ndim or not x2.ndim:
        return x1 * x2
    return tensordot(x1, x2, axes=((x1.ndim - 1,), (x2.ndim - 1,)))


def outer(x1: Array, x2: Array, /) -> Array:
    """The products of all elements of one with all of the other."""
    return ravel(x1)[:, None] * ravel(x2)


def cross(x1: Array, x2: Array, /, axis: int = -1) -> Array:
    """See `metalpy.linalg.cross`."""
    from metalpy.linalg import cross

    return cross(asarray(x1), asarray(x2), axis=axis)


def vdot(x1: Array, x2: Array, /) -> Array:
    """The sum of the products of elements, those of `x1` conjugated."""
    return vecdot(ravel(x1), ravel(x2))


# ---- along axes ----


def cumsum(x: Array, /, axis: int | None = None, dtype: Any = None) -> Array:
    """Sums of all elements so far along an axis, by default of all in C order."""
    x = asarray(x)
    return cumulative_sum(ravel(x) if axis is None else x, axis=axis, dtype=dtype)


def cumprod(x: Array, /, axis: int | None = None, dtype: Any = None) -> Array:
    """Products of all elements so far along an axis, by default of all in C order."""
    x = asarray(x)
    return cumulative_prod(ravel(x) if axis is None else x, axis=axis, dtype=dtype)


def flatnonzero(x: Array, /) -> Array:
    """The places, in C order, of elements that are not zero. Waits for the device."""
    return nonzero(ravel(x))[0]


def argwhere(x: Array, /) -> Array:
    """The indices of elements that are not zero, a row each. Waits for the device."""
    return stack(nonzero(atleast_1d(x)), axis=1)
