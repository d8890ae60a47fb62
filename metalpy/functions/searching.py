"""Where elements of arrays are: the greatest and the least, those that are not zero, places in sorted arrays."""

from __future__ import annotations

import struct
from functools import cache
from typing import Any

import numpy as np

from metalpy import dtypes
from metalpy._core.array import allocate
from metalpy._core.driver import Device
from metalpy.array import Array
from metalpy.errors import UnsupportedError
from metalpy.functions.cumulative import scan
from metalpy.mps.shader import ShaderLibrary, compile_file
from metalpy.ops.elementwise import assign, binary, contiguous
from metalpy.ops.layout import row_groups
from metalpy.ops.reduction import MAX_AXES, arg_reduce, check_array, normal_axis
from metalpy.ops.types import metal_name, resolve
from metalpy.shader_files import shader_folder

__all__ = ["argmax", "argmin", "nonzero", "searchsorted"]

_AXES = struct.Struct(f"=2I{MAX_AXES}I{8 * MAX_AXES}x")  # Axes of reduce.h, without strides


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


def nonzero(x: Array, /) -> tuple[Array, ...]:
    """Indices of the elements that are not zero, in C order: for each axis an int64 array.

    Waits for `x`, since the number of indices depends on it.

    Raises
    ------
    ValueError
        If `x` has no axes.
    """
    check_array("nonzero", x)
    if not x.ndim:
        raise ValueError("nonzero takes an array with one axis at least")
    if x.size > 0xFFFFFFFF or x.ndim > MAX_AXES:
        raise UnsupportedError(f"nonzero takes up to {MAX_AXES} axes and 2**32 - 1 elements, got shape {x.shape}")
    if x.size == 0:
        return tuple(allocate(Array, x.device, dtypes.int64, (0,)) for _ in x.shape)
    flags = contiguous(x) if x.dtype.kind == "b" else binary("not_equal", x, 0)
    ends, total = true_ends(flags.reshape(-1))
    out = allocate(Array, x.device, dtypes.int64, (x.ndim, total))
    if total:
        axes = _AXES.pack(x.ndim, 0, *x.shape, *[0] * (MAX_AXES - x.ndim))
        kernel = library(x.device, dtypes.float32).true_places
        grid = (x.shape[-1], x.size // x.shape[-1], 1)
        kernel(out, flags.reshape(-1), ends, axes, total, threads=grid, group_size=row_groups(kernel, grid))
    return tuple(out)


def searchsorted(x1: Array, x2: Array, /, *, side: str = "left", sorter: Array | None = None) -> Array:
    """Places in a sorted array before which elements would go so that it stays sorted, as int64.

    Parameters
    ----------
    x1 : Array
        Of real numbers, with one axis, in order: NaN last.
    x2 : Array
        What to look for.
    side : {"left", "right"}
        Before the first of equal elements, or behind the last.
    sorter : Array, optional
        Integers that put `x1` in order, as `argsort` gives them.

    Returns
    -------
    Array
        Of the shape of `x2`.
    """
    check_array("searchsorted", x1)
    check_array("searchsorted", x2)
    if x1.ndim != 1:
        raise ValueError(f"searchsorted looks in an array with one axis, got shape {x1.shape}")
    if side not in ("left", "right"):
        raise ValueError(f"side is 'left' or 'right', got {side!r}")
    if "c" in (x1.dtype.kind, x2.dtype.kind):
        raise TypeError(f"searchsorted takes real numbers, which have an order, not {x1.dtype} and {x2.dtype}")
    if sorter is not None and (check_array("searchsorted", sorter).shape != x1.shape or sorter.dtype.kind not in "iu"):
        raise ValueError(f"sorter has an integer for each element of x1, got {sorter.dtype} of shape {sorter.shape}")
    out = allocate(Array, x2.device, dtypes.int64, x2.shape)
    if not x1.size:
        out.fill(0)
    elif out.size:
        dtype = resolve("add", x1.dtype, x2.dtype)[2]
        order = out if sorter is None else _converted(sorter, dtypes.int64)
        library(x2.device, dtype).insertion_places(
            out, _converted(x2, dtype), _converted(x1, dtype), order, x1.size, sorter is not None, side == "right",
            threads=out.size,
        )  # fmt: skip
    return out


def true_ends(flags: Array) -> tuple[Array, int]:
    """How many elements of an array of bool are true up to each one, and in all; waits for them."""
    ends = scan(flags, 0, dtypes.uint32)
    return ends, int(ends[-1])


@cache
def library(device: Device, dtype: np.dtype[Any]) -> ShaderLibrary:
    """search.metal for elements of a dtype."""
    defines = {"ELEMENT": metal_name(dtype)}
    return compile_file(shader_folder() / "search.metal", defines=defines, math_mode="safe", device=device)


def _converted(x: Array, dtype: np.dtype[Any]) -> Array:
    if x.dtype == dtype:
        return contiguous(x)
    made = allocate(Array, x.device, dtype, x.shape)
    assign(made, x)
    return made


def _arg(name: str, x: Array, axis: int | None, keepdims: bool, greatest: bool) -> Array:
    check_array(name, x)
    if x.dtype.kind == "c":
        raise TypeError(f"{name} takes real numbers, which have an order, not {x.dtype}")
    return arg_reduce(x, None if axis is None else normal_axis(axis, x.ndim), keepdims, greatest)
