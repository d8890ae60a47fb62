"""Functions of the Python array API that select elements: where, take, take_along_axis."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from metalpy import dtypes
from metalpy.array import Array
from metalpy.autograd.tape import primitive
from metalpy.creation import asarray, full
from metalpy.ops import indexing, moving
from metalpy.ops.reduction import normal_axis
from metalpy.ops.types import promoted

__all__ = ["take", "take_along_axis", "where"]


_WEAK = {int: int, float: float, complex: complex}  # numbers that have no dtype of their own
_OPERANDS = frozenset((Array, bool, *_WEAK))


@primitive
def where(condition: Array, x1: Any = None, x2: Any = None, /) -> Array:
    """Elements of `x1` where `condition` is true, else of `x2`.

    Parameters
    ----------
    condition : Array
        Of bools; of other types it is what is not zero.
    x1, x2 : Array or number
        All three broadcast; the dtypes of these two are promoted. Without them the result is `metalpy.nonzero` of the
        condition.
    """
    if type(condition) is not Array:
        condition = asarray(condition)
    if condition.dtype is not dtypes.bool_ and condition.dtype != dtypes.bool_:
        condition = condition != 0
    if x1 is None and x2 is None:
        from metalpy.functions.searching import nonzero

        return nonzero(condition)  # type: ignore[return-value]
    x1 = x1 if type(x1) in _OPERANDS else asarray(x1)
    x2 = x2 if type(x2) in _OPERANDS else asarray(x2)
    if type(x1) is Array and type(x2) is Array and x1.dtype is x2.dtype:
        return moving.select(condition, x1, x2)
    dtype = promoted(_kind(x1), _kind(x2))
    a, b = _as_dtype(x1, dtype), _as_dtype(x2, dtype)
    if isinstance(b, bytes):
        if isinstance(a, bytes):
            a = full((), x1, dtype, condition.device)
        return moving.select_number(condition, a, b, False)
    if isinstance(a, bytes):
        return moving.select_number(condition, b, a, True)
    return moving.select(condition, a, b)


def _kind(x: Any) -> Any:
    """A dtype, or the type of a number that has none of its own."""
    return x.dtype if type(x) is Array else _WEAK.get(type(x), dtypes.bool_)


def _as_dtype(x: Any, dtype: Any) -> Array | bytes:
    """An array of a dtype, or the bytes of a number."""
    if isinstance(x, Array):
        return x if x.dtype is dtype else x.astype(dtype, copy=False)
    return _number_bytes(x, dtype, repr(x))


@lru_cache(maxsize=256)
def _number_bytes(x: complex, dtype: Any, text: str) -> bytes:
    """`text` tells 0.0 from -0.0, and 1 from True."""
    element = np.empty((), dtype)
    element[...] = x
    return element.tobytes()


@primitive
def take(x: Array, indices: Array, /, axis: int | None = None) -> Array:
    """Elements at `indices` along an axis.

    Parameters
    ----------
    x : Array
    indices : Array of int
        Negative ones count from the end. One out of bounds is an IndexError if they are on the host, else a
        `KernelReportedError` from the next call that waits.
    axis : int, optional
        May be left out for an array of one axis.
    """
    x = asarray(x)
    if axis is None:
        if x.ndim != 1:
            raise ValueError(f"take needs an axis for an array of shape {x.shape}")
        axis = 0
    at = normal_axis(axis, x.ndim)
    return indexing.get(x, (*(slice(None),) * at, indices))


@primitive
def take_along_axis(x: Array, indices: Array, /, axis: int = -1) -> Array:
    """For each place of `indices`, the element of `x` there but with that index along an axis.

    Parameters
    ----------
    x : Array
    indices : Array of int
        Of as many axes as `x`; all but `axis` broadcast. See `take` for those out of bounds.
    axis : int
    """
    x, indices = asarray(x), asarray(indices)
    if indices.ndim != x.ndim:
        raise ValueError(f"x and indices have as many axes each, got shapes {x.shape} and {indices.shape}")
    if indices.dtype.kind not in "iu":
        raise IndexError(f"indices are integers, not {indices.dtype}")
    return indexing.take_along(x, indices, normal_axis(axis, x.ndim))
