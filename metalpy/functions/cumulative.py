"""Running sums and products, and differences of neighbours.

Long rows are scanned in parts, each by a simdgroup that knows the sum of what comes before it.
"""

from __future__ import annotations

import math
import struct
from functools import cache
from typing import Any

import numpy as np

from metalpy._core.array import allocate
from metalpy._core.driver import Device
from metalpy.array import Array
from metalpy.autograd.tape import primitive
from metalpy.creation import full
from metalpy.errors import UnsupportedError
from metalpy.functions.manipulation import concat
from metalpy.functions.statistics import accumulator_dtype, accumulator_result
from metalpy.mps.shader import ShaderLibrary, compile_file
from metalpy.ops.elementwise import contiguous
from metalpy.ops.reduction import Recipe, check_array, normal_axis, reduce
from metalpy.ops.types import metal_name
from metalpy.shader_files import shader_folder

__all__ = ["cumulative_prod", "cumulative_sum", "diff"]

_Dtype = np.dtype[Any]

_PART = 4096  # elements of a row that a simdgroup scans
_SCAN = struct.Struct("=6I")  # Scan of scan.metal


@primitive
def cumulative_sum(x: Array, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False) -> Array:
    """Sums of all elements up to each one along an axis.

    Parameters
    ----------
    x : Array
        Of numbers or bool, with one axis at least.
    axis : int, optional
        The axis; it must be given unless there is only one.
    dtype : dtype, optional
        Of the result; by default as for `sum`.
    include_initial : bool
        Begin with the sum of no elements, which makes the axis longer by one.

    Raises
    ------
    numpy.exceptions.AxisError
        If there is no such axis; it is an IndexError and a ValueError.
    ValueError
        If `axis` is missing.
    """
    return _cumulative("cumulative_sum", x, axis, dtype, include_initial, "Add", 0)


@primitive
def cumulative_prod(x: Array, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False) -> Array:
    """Products of all elements up to each one along an axis; all as for `cumulative_sum`."""
    return _cumulative("cumulative_prod", x, axis, dtype, include_initial, "Multiply", 1)


def diff(
    x: Array, /, *, axis: int = -1, n: int = 1, prepend: Array | None = None, append: Array | None = None
) -> Array:
    """Differences between each element and the one before it along an axis, `n` times over.

    Parameters
    ----------
    x : Array
        Of numbers; of bool elements it is whether the two differ.
    axis : int
    n : int
        How many times; 0 gives `x`.
    prepend, append : Array, optional
        What to put before and behind `x` along the axis, first.

    Raises
    ------
    numpy.exceptions.AxisError
        If there is no such axis; it is an IndexError and a ValueError.
    ValueError
        If `n` is negative, or a shape does not fit.
    """
    check_array("diff", x)
    at = normal_axis(axis, x.ndim)
    if n < 0:
        raise ValueError(f"diff takes differences n >= 0 times, got {n}")
    if n == 0:
        return x
    parts = [check_array("diff", part) for part in (prepend, x, append) if part is not None]
    made = x if len(parts) == 1 else concat(parts, axis=at)
    before = (slice(None),) * at
    for _ in range(n):
        later, earlier = made[(*before, slice(1, None))], made[(*before, slice(None, -1))]
        made = later != earlier if x.dtype.kind == "b" else later - earlier
    return made


# ---- cumulative ----


def _cumulative(
    name: str, x: Array, axis: int | None, dtype: Any, include_initial: bool, merge: str, none: int
) -> Array:
    check_array(name, x)
    if not x.ndim:
        raise ValueError(f"{name} takes an array with one axis at least")
    if axis is None and x.ndim > 1:
        raise ValueError(f"{name} of an array with {x.ndim} axes needs to know along which: give axis=")
    at = normal_axis(0 if axis is None else axis, x.ndim)
    result = accumulator_result(name, x, dtype)
    if x.size == 0:
        shape = (*x.shape[:at], x.shape[at] + include_initial, *x.shape[at + 1 :])
        return full(shape, none, result, x.device)
    return scan(x, at, result, merge, include_initial)


def scan(x: Array, axis: int, result: _Dtype, merge: str = "Add", include_initial: bool = False) -> Array:
    """A new array of running sums (`merge` names what reduce.h has for two of them); `x` has elements."""
    if x.size > 0xFFFFFFFF:
        raise UnsupportedError(f"cumulative functions take arrays of at most 2**32 - 1 elements, got {x.size}")
    length, inner = x.shape[axis], math.prod(x.shape[axis + 1 :])
    outer = x.size // (length * inner)
    shape = (*x.shape[:axis], length + include_initial, *x.shape[axis + 1 :])
    sum_dtype = accumulator_dtype(result)
    if inner > 1 and (inner < 32 or (inner * outer < 2048 and length >= 4096)):  # too few lanes in columns
        order = [*range(axis), *range(axis + 1, x.ndim), axis]
        turned = scan(x.transpose(*order), x.ndim - 1, result, merge, include_initial)
        return contiguous(turned.transpose(*np.argsort(order).tolist()))
    source = contiguous(x)
    library = _library(x.device, merge, x.dtype, sum_dtype, result)
    out = allocate(Array, x.device, result, shape)
    if inner > 1:
        library.columns(out, source, _SCAN.pack(outer, length, length, 1, include_initial, inner),
                        threads=(inner, outer))  # fmt: skip
        return out
    part = length if length <= 2 * _PART else _PART
    parts = -(-length // part)
    before = out if parts == 1 else _before_parts(source.reshape(outer, length), part, parts, sum_dtype, merge)
    if parts == 1 and result != sum_dtype:
        before = allocate(Array, x.device, sum_dtype, (1,))  # which nobody looks at
    together = 1 if outer * parts <= 128 else 4
    library.rows(out, source, before, _SCAN.pack(outer, length, part, parts, include_initial, 1),
                 groups=-(-outer * parts // together), group_size=32 * together)  # fmt: skip
    return out


def _before_parts(x: Array, part: int, parts: int, sum_dtype: _Dtype, merge: str) -> Array:
    """The sum of what comes before each part of each row."""
    outer = x.shape[0]
    whole = x[:, : (parts - 1) * part].reshape(outer, parts - 1, part)
    sums = reduce(whole, (2,), False, Recipe("Value", merge), sum_dtype, sum_dtype)
    return scan(sums, 1, sum_dtype, merge, True)


@cache
def _library(device: Device, merge: str, *types: _Dtype) -> ShaderLibrary:
    defines = dict(zip(("ELEMENT", "SUM", "RESULT"), map(metal_name, types), strict=True)) | {"MERGE": merge}
    return compile_file(shader_folder() / "scan.metal", defines=defines, math_mode="safe", device=device)
