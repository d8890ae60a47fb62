"""Matrix products: NumPy's rules in front of the kernels of ``matmul.metal``.

Everything is recorded on the calling thread's stream; nothing here waits. Operands are read where they lie, with any
strides. Sums of float16 and bfloat16 are made in float32 and rounded once.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from metalpy import dtypes
from metalpy._core.array import allocate
from metalpy._core.driver import Device
from metalpy.array import Array
from metalpy.autograd.tape import primitive
from metalpy.errors import UnsupportedError
from metalpy.mps.shader import ShaderLibrary, compile_file
from metalpy.ops.elementwise import as_operand, assign, contiguous
from metalpy.ops.layout import Strides, collapse, strided_memory
from metalpy.ops.types import metal_name, resolve
from metalpy.shader_files import shader_folder

__all__ = ["matmul", "matrix_transpose", "tensordot", "vecdot"]

_MAX_RANK = 8  # of Product in shaders/matmul.h
_PRODUCT = struct.Struct(f"={6 + _MAX_RANK}I{2 * _MAX_RANK + 6}q")
_LANES = 32
_LONG = 32  # from here on a simdgroup makes a sum, below it a thread


class _Plan(NamedTuple):
    """How a product is launched: it depends on types, shapes and strides alone."""

    kernel: Any
    facts: bytes
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    grid: dict[str, Any]
    sums: bytes | None = None  # how many sums there are; None for tiles
    swapped: bool = False  # the operands change places
    partial: tuple[np.dtype[Any], tuple[int, ...]] | None = None  # of the sums, if the result cannot hold them


def _sum_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype in which products of elements are added up."""
    if dtype.kind == "u":
        return dtypes.uint64 if dtype.itemsize == 8 else dtypes.uint32
    if dtype.kind in "ib":
        return dtypes.int64 if dtype.itemsize == 8 else dtypes.int32
    return dtypes.complex64 if dtype.kind == "c" else dtypes.float32


@cache
def _library(device: Device, *types: np.dtype[Any]) -> ShaderLibrary:
    defines: dict[str, object] = dict(zip(("LEFT", "RIGHT", "RESULT", "SUM"), map(metal_name, types), strict=True))
    wide = types[-1].itemsize == 8
    defines |= {"BLOCK_COLUMNS": 1 if wide else 2, "BLOCK_DEPTH": _depth(types[-1])}
    return compile_file(shader_folder() / "matmul.metal", defines=defines, math_mode="safe", device=device)


def _depth(sums: np.dtype[Any]) -> int:
    return 48 if sums.itemsize == 8 else 64


def is_matrix(value: object) -> bool:
    """True if products take it beside an Array."""
    return isinstance(value, (Array, np.ndarray))


def _operands(name: str, *given: Any) -> tuple[Any, ...]:
    first = next((x for x in given if isinstance(x, Array)), None)
    if first is None or not all(map(is_matrix, given)):
        kinds = ", ".join(type(x).__name__ for x in given)
        raise TypeError(f"{name} takes arrays, got {kinds}")
    return tuple(as_operand(x, first.device) for x in given)


# ---- launching ----


def _elements(x_dtype: np.dtype[Any], strides: Strides) -> Strides:
    return tuple(step // x_dtype.itemsize for step in strides)


def _first(shape: tuple[int, ...], strides: Strides) -> int:
    """Elements from the lowest to the first one, for strides in elements."""
    return -sum((extent - 1) * step for extent, step in zip(shape, strides, strict=True) if step < 0)


def _facts(
    rows: int, columns: int, inner: int, tile: int, batch: tuple[int, ...], steps: list[Strides], ends: Sequence[int],
    conjugate: bool = False,
) -> bytes:  # fmt: skip
    if max(rows, columns, inner, *batch, 0) > 0xFFFFFFFF:
        raise UnsupportedError(f"products have up to 2**32 - 1 rows, columns and terms, got {rows}, {columns}, {inner}")
    if len(batch) > _MAX_RANK:
        raise UnsupportedError(f"products take up to {_MAX_RANK} axes of matrices that cannot be joined, "
                               f"got {len(batch)}")  # fmt: skip
    unused = [0] * (_MAX_RANK - len(batch))
    a, b = steps
    where = (*batch, *unused, *a, *unused, *b, *unused, *ends)
    return _PRODUCT.pack(rows, columns, inner, tile, len(batch), conjugate, *where)


def _launch(plan: _Plan, a: Array, b: Array) -> Array:
    out = allocate(Array, a.device, plan.dtype, plan.shape)
    left = a if a.contiguous else strided_memory(a)[0]
    right = b if b.contiguous else strided_memory(b)[0]
    if plan.swapped:
        left, right = right, left
    if plan.sums is not None:
        plan.kernel(out, left, right, plan.facts, plan.sums, **plan.grid)
    else:
        partial = out if plan.partial is None else allocate(Array, a.device, *plan.partial)
        plan.kernel(out, left, right, partial, plan.facts, **plan.grid)
    return out


@lru_cache(4096)
def _plan_sums(
    device: Device, a_dtype: np.dtype[Any], b_dtype: np.dtype[Any], shape: tuple[int, ...], inner: int,
    a_steps: Strides, b_steps: Strides, starts: tuple[int, int], conjugate: bool, dtype: np.dtype[Any],
) -> _Plan:  # fmt: skip
    """A sum of `inner` products for each element of `shape`; the last of the steps is along the sum."""
    batch, steps = collapse(shape, [a_steps[:-1], b_steps[:-1]])
    ends = (*starts, 0, a_steps[-1], b_steps[-1], 0)
    facts = _facts(1, 1, inner, 1, batch, steps, ends, conjugate=conjugate)
    library = _library(device, a_dtype, b_dtype, dtype, _sum_dtype(dtype))
    count = math.prod(shape)
    if count * _LANES > 0xFFFFFFFF:
        raise UnsupportedError(f"products of vectors give up to 2**27 - 1 elements, got {count}")
    if inner < _LONG or (count >= 1024 and a_steps[-1] != 1 and b_steps[-1] != 1):
        kernel, grid = library.short_sums, {"threads": count}
    else:
        kernel, grid = library.long_sums, {"threads": count * _LANES, "group_size": min(8, count) * _LANES}
    return _Plan(kernel, facts, dtype, shape, grid, struct.pack("=I", count))


def _sums(
    a: Array, b: Array, shape: tuple[int, ...], a_steps: Strides, b_steps: Strides, inner: int, conjugate: bool = False
) -> Array:
    dtype = resolve("multiply", a.dtype, b.dtype)[2]
    if inner == 0 or 0 in shape:
        return _zeros(a.device, dtype, shape)
    starts = (_first(a.shape, _elements(a.dtype, a.strides)), _first(b.shape, _elements(b.dtype, b.strides)))
    plan = _plan_sums(a.device, a.dtype, b.dtype, shape, inner, a_steps, b_steps, starts, conjugate, dtype)
    return _launch(plan, a, b)


def _zeros(device: Device, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Array:
    out = allocate(Array, device, dtype, shape)
    if out.size:
        out.fill(0)
    return out


@lru_cache(4096)
def _plan_matmul(
    device: Device, a_dtype: np.dtype[Any], a_shape: tuple[int, ...], a_strides: Strides, b_dtype: np.dtype[Any],
    b_shape: tuple[int, ...], b_strides: Strides,
) -> _Plan | tuple[np.dtype[Any], tuple[int, ...]]:  # fmt: skip
    """How to multiply; dtype and shape alone if the product has no elements or is 0."""
    if not a_shape or not b_shape:
        raise ValueError("matmul takes arrays of one axis or more; use * for scalars")
    a_steps, b_steps = _elements(a_dtype, a_strides), _elements(b_dtype, b_strides)
    starts = (_first(a_shape, a_steps), _first(b_shape, b_steps))
    left, right = len(a_shape) == 1, len(b_shape) == 1
    a_axes, a_steps = ((1, *a_shape), (0, *a_steps)) if left else (a_shape, a_steps)
    b_axes, b_steps = ((*b_shape, 1), (*b_steps, 0)) if right else (b_shape, b_steps)
    (rows, inner), columns = a_axes[-2:], b_axes[-1]
    if b_axes[-2] != inner:
        raise ValueError(f"matmul of shapes {a_shape} and {b_shape}: {inner} columns meet {b_axes[-2]} rows")
    dtype = resolve("multiply", a_dtype, b_dtype)[2]
    try:
        batch = np.broadcast_shapes(a_axes[:-2], b_axes[:-2])
    except ValueError:
        raise ValueError(f"matmul of shapes {a_shape} and {b_shape}: {a_axes[:-2]} and {b_axes[:-2]} "
                         "do not broadcast") from None  # fmt: skip
    shape = (*batch, *(() if left else (rows,)), *(() if right else (columns,)))
    if inner == 0 or 0 in shape:
        return dtype, shape
    a_batch, b_batch = (_spread(axes[:-2], steps[:-2], batch) for axes, steps in ((a_axes, a_steps), (b_axes, b_steps)))
    if columns == 1 and a_steps[-1] == 1:
        return _plan_sums(
            device, a_dtype, b_dtype, (*batch, rows), inner, (*a_batch, *a_steps[-2:]), (*b_batch, 0, b_steps[-2]),
            starts, False, dtype,
        )._replace(shape=shape)  # fmt: skip
    ends = (*starts, *a_steps[-2:], *b_steps[-2:])
    if not any(b_batch) and batch:  # one right matrix: all rows of the left ones may be those of a single matrix
        joined, (steps,) = collapse((*batch, rows), [(*a_batch, a_steps[-2])])
        if len(joined) == 1 and joined[0] <= 0xFFFFFFFF:
            batch, a_batch, b_batch, rows = (), (), (), joined[0]
            ends = (*starts, steps[0], a_steps[-1], *b_steps[-2:])
    return _plan_tiles(
        device, (a_dtype, b_dtype, dtype), shape, (rows, columns, inner), batch, [a_batch, b_batch], ends
    )


def _plan_tiles(
    device: Device, types: tuple[np.dtype[Any], ...], shape: tuple[int, ...], sizes: tuple[int, int, int],
    batch: tuple[int, ...], steps: list[Strides], ends: Sequence[int],
) -> _Plan:  # fmt: skip
    rows, columns, inner = sizes
    a_dtype, b_dtype, dtype = types
    sums = _sum_dtype(dtype)
    swapped = columns < _LANES and columns < rows  # then lanes are better along the rows
    if swapped:
        a_start, b_start, a_row, a_column, b_row, b_column = ends
        ends = (b_start, a_start, b_column, b_row, a_column, a_row)
        rows, columns, a_dtype, b_dtype, steps = columns, rows, b_dtype, a_dtype, steps[::-1]
    count = math.prod(batch)
    width = _LANES * (1 if sums.itemsize == 8 else 2)
    across = -(-columns // width)
    # Panels have 30 rows. Few groups leave processors idle, many pack columns more often than needed.
    tiles = (120, 60) if device.driver == "software" else ()
    tile = next((tile for tile in tiles if across * count * -(-rows // tile) >= 16), 30)
    joined, steps = collapse(batch, steps)
    facts = _facts(rows, columns, inner, tile, joined, steps, ends)
    grid = {"groups": (across, -(-rows // tile), count), "group_size": (_LANES, 1, 1)}
    partial = None if sums == dtype else (sums, shape if inner > _depth(sums) else (1,))
    kernel = _library(device, a_dtype, b_dtype, dtype, sums)["tiles_transposed" if swapped else "tiles"]
    return _Plan(kernel, facts, dtype, shape, grid, None, swapped, partial)


def _spread(shape: tuple[int, ...], steps: Strides, onto: tuple[int, ...]) -> Strides:
    """Elements from one to the next along the axes `onto`, 0 where an array of `shape` repeats."""
    own = (0 if extent == 1 else step for extent, step in zip(shape, steps, strict=True))
    return (0,) * (len(onto) - len(shape)) + tuple(own)


# ---- the functions ----


def matmul(x1: Any, x2: Any, /) -> Array:
    """Matrix product.

    Parameters
    ----------
    x1, x2 : Array
        Matrices are along the last two axes, and the axes before them broadcast. A vector on the left is a row, one on
        the right a column, and its axis is missing in the result.

    Returns
    -------
    Array
        Of NumPy's dtype for products.

    Raises
    ------
    ValueError
        If an operand has no axes, or the shapes do not fit.
    """
    if type(x1) is Array and type(x2) is Array and x1.device is x2.device:
        return _matmul(x1, x2)
    a, b = _operands("matmul", x1, x2)
    return _matmul(a, b)


@primitive
def _matmul(a: Array, b: Array) -> Array:
    plan = _plan_matmul(a.device, a.dtype, a.shape, a.strides, b.dtype, b.shape, b.strides)
    return _launch(plan, a, b) if isinstance(plan, _Plan) else _zeros(a.device, *plan)


def multiply_in_place(x: Array, other: Any) -> Array:
    """``x @= other``: the product takes the place of `x`, whose shape and dtype it must have."""
    if not x.writable:
        raise ValueError("the array is read-only")
    product = matmul(x, other)
    if product.shape != x.shape:
        raise ValueError(f"the product has shape {product.shape}, the array {x.shape}")
    if not np.can_cast(product.dtype, x.dtype, "same_kind"):
        raise TypeError(f"matmul gives {product.dtype}, which an array of {x.dtype} cannot take in place")
    assign(x, product)
    return x


def matrix_transpose(x: Array, /) -> Array:
    """The matrices along the last two axes, transposed: a view.

    Raises
    ------
    ValueError
        If there are fewer than two axes.
    """
    (x,) = _operands("matrix_transpose", x)
    if x.ndim < 2:
        raise ValueError(f"a matrix has two axes or more, got shape {x.shape}")
    return x.transpose(*range(x.ndim - 2), x.ndim - 1, x.ndim - 2)


@primitive
def vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Array:
    """Sums along `axis` of products of elements, of which those of `x1` are conjugated; the other axes broadcast.

    Raises
    ------
    ValueError
        If the operands differ in extent along `axis`, or do not broadcast.
    IndexError
        If one of them has no such axis.
    """
    a, b = _operands("vecdot", x1, x2)
    places = [normalize_axis_index(axis, x.ndim) for x in (a, b)]
    if axis >= 0 and a.ndim != b.ndim:
        raise ValueError(f"axis {axis} is not the same one in shapes {a.shape} and {b.shape}; count from the end")
    inner = a.shape[places[0]]
    if b.shape[places[1]] != inner:
        raise ValueError(f"vecdot of shapes {a.shape} and {b.shape}: they differ along axis {axis}")
    others = [x.shape[:place] + x.shape[place + 1 :] for x, place in zip((a, b), places, strict=True)]
    shape = np.broadcast_shapes(*others)
    steps = []
    for x, place, other in zip((a, b), places, others, strict=True):
        own = _elements(x.dtype, x.strides)
        steps.append((*_spread(other, own[:place] + own[place + 1 :], shape), own[place]))
    return _sums(a, b, shape, steps[0], steps[1], inner, conjugate=a.dtype.kind == "c")


def tensordot(x1: Any, x2: Any, /, axes: int | Sequence[Sequence[int]] = 2) -> Array:
    """Sums of products over several axes.

    Parameters
    ----------
    x1, x2 : Array
    axes : int or pair of sequences of int
        A number: the last so many axes of `x1` and the first ones of `x2`. Otherwise the axes of each, in the order
        in which they meet.

    Returns
    -------
    Array
        With the axes of `x1` that are left, then those of `x2`.

    Raises
    ------
    ValueError
        If the extents of axes that meet differ, or an axis is named twice.
    """
    a, b = _operands("tensordot", x1, x2)
    if isinstance(axes, (int, np.integer)):
        if axes < 0 or axes > min(a.ndim, b.ndim):
            raise ValueError(f"tensordot over {axes} axes of arrays with {a.ndim} and {b.ndim}")
        over_a, over_b = tuple(range(a.ndim - axes, a.ndim)), tuple(range(axes))
    else:
        over_a, over_b = (normalize_axis_tuple(of, x.ndim, "axes") for of, x in zip(axes, (a, b), strict=True))
    if tuple(a.shape[axis] for axis in over_a) != tuple(b.shape[axis] for axis in over_b):
        raise ValueError(f"tensordot of shapes {a.shape} and {b.shape}: axes {over_a} and {over_b} do not fit")
    kept_a = tuple(axis for axis in range(a.ndim) if axis not in over_a)
    kept_b = tuple(axis for axis in range(b.ndim) if axis not in over_b)
    outer_a, outer_b = (tuple(x.shape[axis] for axis in kept) for x, kept in ((a, kept_a), (b, kept_b)))
    inner = math.prod(a.shape[axis] for axis in over_a)
    left = _grouped(a, (*kept_a, *over_a), (math.prod(outer_a), inner))
    right = _grouped(b, (*over_b, *kept_b), (inner, math.prod(outer_b)))
    return _matmul(left, right).reshape((*outer_a, *outer_b))


def _grouped(x: Array, order: tuple[int, ...], shape: tuple[int, ...]) -> Array:
    """The axes in an order, then joined; a copy by the device where no strides do."""
    moved = x.transpose(order)
    try:
        return moved.reshape(shape, copy=False)
    except ValueError:
        return contiguous(moved).reshape(shape)
