"""Norms of vectors and matrices, and ranks."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from metalpy import dtypes
from metalpy._core.array import allocate
from metalpy.array import Array
from metalpy.autograd.tape import primitive
from metalpy.functions.manipulation import moveaxis
from metalpy.linalg.decompositions import svdvals
from metalpy.linalg.launching import Matrices, norms, real_dtype
from metalpy.ops.elementwise import assign, contiguous
from metalpy.ops.types import metal_name

__all__ = ["matrix_norm", "matrix_rank", "norm", "tolerances", "vector_norm"]

_NORM = struct.Struct("=3If")  # Norm of shaders/vector_norm.h
_KINDS = {0.0: 0, 1.0: 1, 2.0: 2, math.inf: 3, -math.inf: 4}
_ANY_POWER = 5
_EPSILON = {"float16": 2.0**-10, "bfloat16": 2.0**-7}


def _floats(name: str, x: Any) -> Array:
    if not isinstance(x, Array):
        raise TypeError(f"{name} takes arrays, got {type(x).__name__}")
    return x.astype(dtypes.float32, copy=False) if x.dtype.kind in "biu" else x


@primitive
def vector_norm(
    x: Array, /, *, axis: int | Sequence[int] | None = None, keepdims: bool = False, ord: float = 2
) -> Array:
    """Norms of vectors: the root of the sum of the powers `ord` of magnitudes.

    Parameters
    ----------
    x : Array
    axis : int or sequence of int, optional
        Where vectors lie; all axes by default.
    keepdims : bool
        Keep these axes, with extent 1.
    ord : number
        Infinity gives the greatest magnitude, minus infinity the least, 0 the number of elements other than 0.

    Raises
    ------
    ValueError
        If vectors without elements have no norm, as for orders of infinity.
    """
    x = _floats("vector_norm", x)
    if isinstance(ord, str) or not isinstance(ord, (int, float, np.number)):
        raise ValueError(f"the order of a norm is a number, got {ord!r}")
    axes = tuple(range(x.ndim)) if axis is None else normalize_axis_tuple(axis, x.ndim, "axis")
    kept = tuple(place for place in range(x.ndim) if place not in axes)
    shape = tuple(x.shape[place] for place in kept)
    length = math.prod(x.shape[place] for place in axes)
    out = _rows(contiguous(x.transpose(kept + axes)), shape, length, float(ord))
    if keepdims:
        return out.reshape(tuple(1 if place in axes else extent for place, extent in enumerate(x.shape)))
    return out


def _rows(x: Array, shape: tuple[int, ...], length: int, order: float) -> Array:
    out = allocate(Array, x.device, real_dtype(x.dtype), shape)
    if out.size == 0:
        return out
    if length == 0:
        if math.isinf(order) or order < 0:
            raise ValueError(f"the norm of order {order} of vectors without elements is not defined")
        out.fill(0)
        return out
    facts = _NORM.pack(out.size, length, _KINDS.get(order, _ANY_POWER), order)
    norms(x.device)[f"vector_norm_{metal_name(x.dtype)}"](out, x, facts, threads=out.size * 32, group_size=32)
    return out


def norm(x: Array, /, ord: Any = None, axis: int | Sequence[int] | None = None, keepdims: bool = False) -> Array:
    """NumPy's norm: of all elements, of the vectors along an axis, or of the matrices in two.

    Parameters
    ----------
    x : Array
    ord : number or str, optional
        Without it, the root of the sum of squares.
    axis : int or pair of int, optional
    keepdims : bool
        Keep the axes, with extent 1.
    """
    if ord is None or isinstance(axis, int) or (axis is None and x.ndim == 1):
        return vector_norm(x, axis=axis, keepdims=keepdims, ord=2 if ord is None else ord)
    axes = (0, 1) if axis is None and x.ndim == 2 else tuple(axis or ())
    if len(axes) != 2:
        raise ValueError(f"a norm of order {ord!r} is one of vectors or matrices; got shape {x.shape} and axis={axis}")
    found = matrix_norm(moveaxis(x, axes, (-2, -1)), ord=ord)
    if keepdims:
        places = normalize_axis_tuple(axes, x.ndim, "axis")
        return found.reshape(tuple(1 if place in places else extent for place, extent in enumerate(x.shape)))
    return found


def matrix_norm(x: Array, /, *, keepdims: bool = False, ord: float | Literal["fro", "nuc"] | None = "fro") -> Array:
    """Norms of the matrices along the last two axes.

    Parameters
    ----------
    x : Array
    keepdims : bool
        Keep these axes, with extent 1.
    ord : {"fro", "nuc", 1, -1, 2, -2, inf, -inf}
        Frobenius; the sum of singular values; the greatest or least sum of magnitudes of a column, singular value, sum
        of a row.

    Raises
    ------
    ValueError
        If there is no such norm.
    """
    x = _floats("matrix_norm", x)
    if x.ndim < 2:
        raise ValueError(f"matrix_norm: a matrix has two axes or more, got shape {x.shape}")
    if ord is None or ord == "fro":
        return vector_norm(x, axis=(-2, -1), keepdims=keepdims)
    if ord in ("nuc", 2, -2):
        values = svdvals(x)
        out = vector_norm(values, axis=-1, ord=1 if ord == "nuc" else math.copysign(math.inf, float(ord)))
    elif ord in (1, -1, math.inf, -math.inf):
        sums = vector_norm(x, axis=-2 if abs(float(ord)) == 1 else -1, ord=1)
        out = vector_norm(sums, axis=-1, ord=math.copysign(math.inf, float(ord)))
    else:
        raise ValueError(f"ord is 'fro', 'nuc', 1, -1, 2, -2, inf or -inf, got {ord!r}")
    return out.reshape((*out.shape, 1, 1)) if keepdims else out


def matrix_rank(x: Array, /, *, rtol: Any = None) -> Array:
    """How many singular values of a matrix are not as good as 0.

    Parameters
    ----------
    x : Array
    rtol : float or Array, optional
        Singular values up to this part of the greatest are taken for 0; by default the larger extent of a matrix times
        the precision of its dtype.

    Returns
    -------
    Array
        Of int64.
    """
    given = Matrices("matrix_rank", x)
    out = given.new(dtype=dtypes.int64)
    count = min(given.rows, given.columns)
    if out.size and count:
        values = svdvals(given.x)
        norms(x.device).rank_of(out, values, tolerances("matrix_rank", given, rtol), count, threads=given.count)
    elif out.size:
        out.fill(0)
    return out


def tolerances(name: str, given: Matrices, rtol: Any) -> Array:
    """A relative tolerance for each matrix, from `rtol` or from dtype and shape."""
    out = allocate(Array, given.x.device, dtypes.float32, given.batch)
    if isinstance(rtol, Array):
        if np.broadcast_shapes(rtol.shape, given.batch) != given.batch:
            raise ValueError(f"{name}: rtol of shape {rtol.shape} does not broadcast to {given.batch}")
        assign(out, rtol)
    else:
        if rtol is None:
            rtol = max(given.rows, given.columns) * _EPSILON.get(given.dtype.name, 2.0**-23)
        out._host()[...] = rtol
    return out
