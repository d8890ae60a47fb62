"""Functions of the Python array API that select elements: where, take, take_along_axis."""

from __future__ import annotations

from typing import Any

from metalpy import dtypes
from metalpy.array import Array
from metalpy.autograd.tape import primitive
from metalpy.creation import asarray, full
from metalpy.functions.manipulation import _axis
from metalpy.ops import indexing, moving
from metalpy.ops.types import promoted

__all__ = ["take", "take_along_axis", "where"]


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
    condition = asarray(condition)
    if x1 is None and x2 is None:
        from metalpy.functions.searching import nonzero

        return nonzero(condition)  # type: ignore[return-value]
    chosen = condition if condition.dtype == dtypes.bool_ else condition != 0
    values = [x if isinstance(x, (Array, bool, int, float, complex)) else asarray(x) for x in (x1, x2)]
    kinds: list[Any] = [type(x) if type(x) in (int, float, complex) else _dtype_of(x) for x in values]
    dtype = promoted(*kinds)
    a, b = (
        x.astype(dtype, copy=False) if isinstance(x, Array) else full((), x, dtype, condition.device) for x in values
    )
    return moving.select(chosen, a, b)


def _dtype_of(x: Any) -> Any:
    return x.dtype if isinstance(x, Array) else dtypes.bool_


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
    at = _axis(axis, x.ndim)
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
    return indexing.take_along(x, indices, _axis(axis, x.ndim))
