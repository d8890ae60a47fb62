"""Diagonals, and products that are none of matrices."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from metalpy import dtypes
from metalpy._core.array import allocate
from metalpy.array import Array
from metalpy.autograd.tape import primitive
from metalpy.functions.products import vecdot
from metalpy.ops.elementwise import assign
from metalpy.ops.types import resolve

__all__ = ["cross", "diagonal", "outer", "trace"]


def _arrays(name: str, *given: Any) -> None:
    for x in given:
        if not isinstance(x, Array):
            raise TypeError(f"{name} takes arrays, got {type(x).__name__}")


@primitive
def outer(x1: Array, x2: Array, /) -> Array:
    """The product of each element of a vector with each of another one.

    Raises
    ------
    ValueError
        If one of them is no vector.
    """
    _arrays("outer", x1, x2)
    if x1.ndim != 1 or x2.ndim != 1:
        raise ValueError(f"outer takes vectors, got shapes {x1.shape} and {x2.shape}")
    return x1[:, None] * x2


@primitive
def diagonal(x: Array, /, *, offset: int = 0) -> Array:
    """The diagonals of the matrices along the last two axes: a view.

    Parameters
    ----------
    x : Array
    offset : int
        Which diagonal: above the main one if positive, below it if negative.
    """
    _arrays("diagonal", x)
    if x.ndim < 2:
        raise ValueError(f"diagonal: a matrix has two axes or more, got shape {x.shape}")
    return x._view_of(np.diagonal(x._host(), offset, -2, -1))


@primitive
def trace(x: Array, /, *, offset: int = 0, dtype: Any = None) -> Array:
    """Sums of diagonals.

    Parameters
    ----------
    x : Array
    offset : int
        As for `diagonal`.
    dtype : dtype, optional
        That of the result: by default that of `x`, but for integers of fewer than 32 bits.
    """
    own = diagonal(x, offset=offset)
    if dtype is not None:
        wanted = dtypes.as_dtype(dtype)
    elif own.dtype.kind in "biu" and own.dtype.itemsize < 4:
        wanted = dtypes.uint32 if own.dtype.kind == "u" else dtypes.int32
    else:
        wanted = own.dtype
    one = allocate(Array, x.device, wanted, (1,))
    one._host()[...] = 1
    own = own.astype(wanted, copy=False)
    # Its diagonal is repeated, not copied, and stands on the right, where nothing is conjugated.
    ones = one._derive(wanted, own.shape[-1:], (0,), one.offset) if own.shape[-1] else one[:0]
    return vecdot(ones, own)


@primitive
def cross(x1: Array, x2: Array, /, *, axis: int = -1) -> Array:
    """Cross products of vectors of three elements along `axis`; the other axes broadcast.

    Raises
    ------
    ValueError
        If there are not three elements along `axis`.
    IndexError
        If one of the arrays has no such axis.
    """
    _arrays("cross", x1, x2)
    vectors = []
    for x in (x1, x2):
        place = normalize_axis_index(axis, x.ndim)
        if x.shape[place] != 3:
            raise ValueError(f"cross takes vectors of 3 elements, got {x.shape[place]} along axis {axis}")
        vectors.append(x.transpose(*(other for other in range(x.ndim) if other != place), place))
    a, b = vectors
    shape = np.broadcast_shapes(a.shape, b.shape)
    out = allocate(Array, x1.device, resolve("multiply", x1.dtype, x2.dtype)[2], shape)
    for i in range(3):
        j, k = (i + 1) % 3, (i + 2) % 3
        assign(out[..., i], a[..., j] * b[..., k] - a[..., k] * b[..., j])
    last = len(shape) - 1
    place = normalize_axis_index(axis, len(shape))
    order = list(range(last))
    order.insert(place, last)
    return out.transpose(*order)
