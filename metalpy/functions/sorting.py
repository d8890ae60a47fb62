"""Sorting along an axis, on the device.

Rows are sorted by counting digits of 8 bits, short ones by a network: both take as long for any order of the elements,
and are stable.
"""

from __future__ import annotations

import struct
from functools import cache
from typing import Any

import numpy as np

from metalpy import dtypes
from metalpy._core.array import allocate
from metalpy._core.driver import Device
from metalpy.array import Array
from metalpy.autograd.tape import primitive
from metalpy.errors import UnsupportedError
from metalpy.functions.cumulative import scan
from metalpy.mps.shader import ShaderLibrary, compile_file
from metalpy.ops.elementwise import contiguous
from metalpy.ops.reduction import check_array, normal_axis
from metalpy.ops.types import UNSIGNED, metal_name
from metalpy.shader_files import shader_folder

__all__ = ["argsort", "sort"]

_SHORT = 1024  # elements of a row that a simdgroup has in registers
_PART = 4096  # elements of a row that a simdgroup counts and deals
_KEYS = {1: "uchar", 2: "ushort", 4: "uint", 8: "ulong"}
_KINDS = {"b": 0, "u": 0, "i": 1, "f": 2, "V": 2, "c": 3}  # Kind of sort.metal; ml_dtypes are "V"
_NAN = {"float16": 0x7C01, "bfloat16": 0x7F81, "float32": 0x7F800001, "complex64": 0x7F800001}
_FORMATS = {size: struct.Struct(f"=10I{code}{padding}x") for size, code, padding in
            ((1, "B", 3), (2, "H", 2), (4, "I", 0), (8, "Q", 0))}  # fmt: skip  # Sort of sort.metal


@primitive
def sort(x: Array, /, axis: int = -1, *, descending: bool = False, stable: bool = True) -> Array:
    """The elements in order along an axis.

    Parameters
    ----------
    x : Array
        Of real numbers or bool, with one axis at least.
    axis : int
    descending : bool
        The greatest first.
    stable : bool
        Every sort keeps the order of equal elements, but puts -0.0 before 0.0.

    Returns
    -------
    Array
        NaN comes last, or first if `descending`.

    Raises
    ------
    numpy.exceptions.AxisError
        If there is no such axis; it is an IndexError and a ValueError.
    """
    return _sorted("sort", x, axis, descending, False)


def argsort(x: Array, /, axis: int = -1, *, descending: bool = False, stable: bool = True) -> Array:
    """The places, as int64, from which `sort` takes the elements along an axis; all as for `sort`.

    Equal elements, as which -0.0 and 0.0 count here, keep their order.
    """
    return _sorted("argsort", x, axis, descending, True)


def _sorted(name: str, x: Array, axis: int, descending: bool, wants_places: bool) -> Array:
    _order(check_array(name, x).dtype)
    if x.dtype.kind == "c":
        raise TypeError(f"{name} takes real numbers, which have an order, not {x.dtype}")
    at = normal_axis(axis, x.ndim)
    if x.size == 0:
        return allocate(Array, x.device, dtypes.int64 if wants_places else x.dtype, x.shape)
    if at == x.ndim - 1:
        return sort_rows(contiguous(x), descending, wants_places)
    order = [*range(at), *range(at + 1, x.ndim), at]
    turned = sort_rows(contiguous(x.transpose(*order)), descending, wants_places)
    return contiguous(turned.transpose(*np.argsort(order).tolist()))


def sort_rows(x: Array, descending: bool, wants_places: bool) -> Array:
    """Sort along the last axis of a contiguous array that has elements; complex ones by real, then imaginary part."""
    length = x.shape[-1]
    if length > 0xFFFFFFFF:
        raise UnsupportedError(f"sorting takes rows of at most 2**32 - 1 elements, got {length}")
    library = _library(x.device, x.itemsize)
    keys = x.view(UNSIGNED[x.itemsize])
    rows = x.size // length
    part = min(_PART, length)
    parts = -(-length // part)
    out = allocate(Array, x.device, dtypes.int64 if wants_places else keys.dtype, x.shape)
    facts = (rows, length, part, parts)
    pack = _FORMATS[x.itemsize].pack
    kind, nan = _order(x.dtype)
    how = (kind, descending, wants_places, nan)
    if length <= _SHORT:
        parameters = pack(*facts, 0, True, True, *how)
        held = 1 << max(0, (length - 1).bit_length() - 5)  # keys in each lane
        kernel = library[f"short_{'indices' if wants_places else 'keys'}_{held}"]
        together = 1 if rows <= 64 else 8
        kernel(out, keys, parameters, groups=-(-rows // together), group_size=32 * together)
        return out if wants_places else out.view(x.dtype)
    table = allocate(Array, x.device, dtypes.uint32, (rows, 256 * parts))
    grid: dict[str, Any] = {"groups": rows * parts, "group_size": 32}
    places = table  # of keys; not looked at before there are any
    passes = 1 if x.dtype.kind == "b" else x.itemsize
    for number in range(passes):
        is_last = number == passes - 1
        parameters = pack(*facts, 8 * number, number == 0, is_last, *how)
        library.count_digits(table, keys, parameters, **grid)
        starts = scan(table, 1, dtypes.uint32, "Add", True)
        if not wants_places:
            target = out if is_last else allocate(Array, x.device, keys.dtype, x.shape)
            library.deal_keys(target, keys, starts, parameters, **grid)
        elif is_last:
            library.deal_indices(out, keys, places, starts, parameters, **grid)
            break
        else:
            target = allocate(Array, x.device, keys.dtype, x.shape)
            new_places = allocate(Array, x.device, dtypes.uint32, x.shape)
            library.deal_pairs(target, new_places, keys, places, starts, parameters, **grid)
            places = new_places
        keys = target
    return out if wants_places else out.view(x.dtype)


@cache
def _order(dtype: np.dtype[Any]) -> tuple[int, int]:
    """Kind of sort.metal, and for floats the bits of the least NaN."""
    metal_name(dtype)
    return _KINDS[dtype.kind], _NAN.get(dtype.name, 0)


@cache
def _library(device: Device, size: int) -> ShaderLibrary:
    defines = {"KEY": _KEYS[size], "COMPLEX": int(size == 8)}
    return compile_file(shader_folder() / "sort.metal", defines=defines, math_mode="safe", device=device)
