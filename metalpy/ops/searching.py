"""Where elements of arrays are: the greatest and the least."""

from __future__ import annotations

from metalpy.array import Array
from metalpy.ops.reduction import arg_reduce, check_array, normal_axis

__all__ = ["argmax", "argmin"]


def argmax(x: Array, /, axis: int | None = None, *, keepdims: bool = False) -> Array:
    """Places of the greatest elements along an axis, as int64.

    Parameters
    ----------
    x : Array
        Of real numbers or bool.
    axis : int, optional
        Without it, the place among all elements in C order.
    keepdims : bool
        Keep the axis, or all axes, with extent 1.

    Returns
    -------
    Array
        The first place where several are equal; that of the first NaN if there is one.

    Raises
    ------
    numpy.exceptions.AxisError
        If there is no such axis; it is an IndexError and a ValueError.
    ValueError
        If there are no elements.
    """
    return _arg("argmax", x, axis, keepdims, True)


def argmin(x: Array, /, axis: int | None = None, *, keepdims: bool = False) -> Array:
    """Places of the least elements along an axis; all as for `argmax`."""
    return _arg("argmin", x, axis, keepdims, False)


def _arg(name: str, x: Array, axis: int | None, keepdims: bool, greatest: bool) -> Array:
    check_array(name, x)
    if x.dtype.kind == "c":
        raise TypeError(f"{name} takes real numbers, which have an order, not {x.dtype}")
    return arg_reduce(x, None if axis is None else normal_axis(axis, x.ndim), keepdims, greatest)
