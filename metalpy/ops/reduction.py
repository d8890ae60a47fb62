"""Reductions of arrays: which kernel of ``reduce.metal`` and ``argreduce.metal`` a layout needs, remembered.

Where the reduced elements are neighbours, a simdgroup goes along each row; where the kept ones are, lanes follow those;
else there is a thread for each result. Long rows and columns are reduced in parts, by two launches or more, so that
there is work for all cores and sums stay accurate: how they are parted depends on sizes alone.
"""

from __future__ import annotations

import math
import operator
import struct
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from typing import Any, NamedTuple

import numpy as np

from metalpy import dtypes
from metalpy._core.array import allocate
from metalpy._core.driver import Device
from metalpy._core.prepared import PreparedLaunch, layout_key
from metalpy.array import Array
from metalpy.errors import UnsupportedError
from metalpy.mps.shader import ShaderLibrary, compile_file
from metalpy.ops.elementwise import contiguous
from metalpy.ops.layout import Strides, collapse
from metalpy.ops.types import metal_name
from metalpy.shader_files import shader_folder

__all__ = [
    "ALL",
    "ANY",
    "DIVIDE",
    "LOG",
    "ROOT",
    "SAME",
    "Axis",
    "Recipe",
    "arg_reduce",
    "check_array",
    "kept_shape",
    "normal_axes",
    "normal_axis",
    "reduce",
]

Axis = int | Sequence[int] | None
_Dtype = np.dtype[Any]
_Covered = tuple[int, int | None, _Dtype | None]

MAX_AXES = 8  # of the kernels' Axes
_PART = 8192  # elements of a row that a simdgroup adds up: 256 in each lane, as many as are accurate
_COLUMN_PART = 1024
_WANTED_GROUPS = 64  # simdgroups that columns are split for
_REDUCTION = struct.Struct(f"=2I{MAX_AXES}I{MAX_AXES}q2I{MAX_AXES}I{MAX_AXES}q8I2qfI")  # Reduction of reduce.h


_WHOLE: _Covered = (0, None, None)

SAME, DIVIDE, ROOT, LOG, ANY, ALL = range(6)  # Finish of reduce.h


class Recipe(NamedTuple):
    """What reduce.h has for each element, for two results, and for the last one."""

    load: str
    merge: str
    finish: int = SAME


class _Types(NamedTuple):
    """dtypes of elements, of sums, of results, and of what elements are compared with."""

    element: _Dtype
    sum: _Dtype
    result: _Dtype
    center: _Dtype | None


class _Step(NamedTuple):
    """A launch."""

    launch: PreparedLaunch
    size: int  # of what it makes


class _Layout(NamedTuple):
    """Kept and reduced axes, joined where that is possible; strides in elements."""

    kept: tuple[int, ...]
    kept_strides: Strides
    reduced: tuple[int, ...]  # the last one is that along which kernels go
    reduced_strides: Strides
    start: int


# ---- arguments ----


def check_array(name: str, x: Any) -> Array:
    """`x`, if it is an Array."""
    if not isinstance(x, Array):
        raise TypeError(f"{name} takes an Array, got {type(x).__name__}; make one with mp.asarray(...)")
    return x


def normal_axis(axis: int, ndim: int) -> int:
    """The axis, counted from the first.

    Raises
    ------
    numpy.exceptions.AxisError
        If there is none such; it is an IndexError and a ValueError.
    """
    at = operator.index(axis)
    if not -ndim <= at < ndim:
        raise np.exceptions.AxisError(at, ndim)
    return at + ndim if at < 0 else at


def normal_axes(axis: Axis, ndim: int) -> tuple[int, ...]:
    """The axes in order, counted from the first; all if `axis` is None."""
    if axis is None:
        return tuple(range(ndim))
    if type(axis) is int and 0 <= axis < ndim:
        return (axis,)
    wanted = tuple(axis) if isinstance(axis, Iterable) else (axis,)
    axes = sorted(normal_axis(entry, ndim) for entry in wanted)
    if len(set(axes)) != len(axes):
        raise ValueError(f"an axis is named twice in {wanted}")
    return tuple(axes)


def kept_shape(shape: tuple[int, ...], axes: tuple[int, ...], keepdims: bool) -> tuple[int, ...]:
    """The shape without `axes`, or with extent 1 there."""
    if keepdims:
        return tuple(1 if axis in axes else extent for axis, extent in enumerate(shape))
    return tuple(extent for axis, extent in enumerate(shape) if axis not in axes)


# ---- the reductions ----


def reduce(
    x: Array, axes: tuple[int, ...], keepdims: bool, recipe: Recipe, sum_dtype: _Dtype, result: _Dtype,
    center: Array | None = None, divisor: float = 1.0,
) -> Array:  # fmt: skip
    """A new array of what `recipe` makes of the elements along `axes`, of which there are some.

    `center` has an element for each result, in C order, if the recipe looks at it.
    """
    types = (x.dtype, sum_dtype, result, None if center is None else center.dtype)
    key = layout_key((x.device, axes, keepdims, recipe, types, divisor), "reduce", (x,))
    plan = _plans.get(key)
    if plan is None:
        plan = _planned(x.device, x.shape, x.strides, axes, keepdims, recipe, _Types(*types), divisor)
        if len(_plans) >= _MOST_PLANS:
            _plans.clear()
        _plans[key] = plan
    steps, shape = plan
    if steps is None:  # a copy whose kept and reduced axes are neighbours
        kept = [axis for axis in range(x.ndim) if axis not in axes]
        turned = contiguous(x.transpose(*kept, *axes))
        behind = tuple(range(len(kept), x.ndim))
        return reduce(turned, behind, False, recipe, sum_dtype, result, center, divisor).reshape(shape)
    out = allocate(Array, x.device, result, shape)
    if not out.size:
        return out
    source = x
    for step in steps[:-1]:
        partial = allocate(Array, x.device, sum_dtype, (step.size,))
        step.launch((partial, source, source if center is None else center))
        source = partial
    steps[-1].launch((out, source, source if center is None else center))
    return out


def arg_reduce(x: Array, axis: int | None, keepdims: bool, greatest: bool) -> Array:
    """A new array of the places of the greatest or least elements along an axis, or in all of the array."""
    shape = (1,) * (x.ndim if keepdims else 0)
    if axis is None:
        x, axis = x if x.ndim == 1 else contiguous(x).reshape(-1), 0
    else:
        shape = kept_shape(x.shape, (axis,), keepdims)
    if math.prod(shape) == 0:
        return allocate(Array, x.device, dtypes.int64, shape)
    if x.shape[axis] == 0:
        raise ValueError("an axis without elements has no greatest or least one")
    steps = _planned_arg(x.device, x.shape, x.strides, axis, x.dtype, greatest)
    if steps is None:
        x = contiguous(x)
        steps = _planned_arg(x.device, x.shape, x.strides, axis, x.dtype, greatest)
    assert steps is not None
    out = allocate(Array, x.device, dtypes.int64, shape)
    if len(steps) == 1:
        steps[0].launch((out, x))
    else:
        candidates = allocate(Array, x.device, dtypes.int64, (steps[0].size,))
        steps[0].launch((candidates, x))
        steps[1].launch((out, x, candidates))
    return out


# ---- kernels ----


@cache
def _library(device: Device, load: str, merge: str, types: _Types) -> ShaderLibrary:
    element, sum_, result, center = (metal_name(types.element if dtype is None else dtype) for dtype in types)
    defines = {"LOAD": load, "MERGE": merge, "ELEMENT": element, "SUM": sum_, "RESULT": result, "CENTER": center}
    defines["COMPARES"] = "0" if types.center is None else "1"
    return compile_file(shader_folder() / "reduce.metal", defines=defines, math_mode="safe", device=device)


@cache
def _arg_library(device: Device, dtype: _Dtype, greatest: bool) -> ShaderLibrary:
    defines = {"ELEMENT": metal_name(dtype), "GREATER": int(greatest)}
    return compile_file(shader_folder() / "argreduce.metal", defines=defines, math_mode="safe", device=device)


# ---- plans ----


_MOST_PLANS = 4096
_plans: dict[tuple[Any, ...], tuple[list[_Step] | None, tuple[int, ...]]] = {}


def _planned(
    device: Device, shape: tuple[int, ...], strides: Strides, axes: tuple[int, ...], keepdims: bool, recipe: Recipe,
    types: _Types, divisor: float,
) -> tuple[list[_Step] | None, tuple[int, ...]]:  # fmt: skip
    """The launches, None if the layout is none that kernels take, and the shape of the result."""
    result_shape = kept_shape(shape, axes, keepdims)
    if 0 in shape:
        return [], result_shape
    layout = _layout(shape, [step // types.element.itemsize for step in strides], axes)
    if layout is None:
        return None, result_shape
    memory, steps = _covered(shape, strides, types.element.itemsize), []
    while True:
        others = memory if types.center is None else _WHOLE  # where there is nothing else, `x` stands in
        name, part, along_kept = _choose(layout)
        number = math.prod(_number(layout.reduced, part))
        load, merge, finish = recipe
        if number == 1:
            library = _library(device, load, merge, types)
            steps.append(_step(library, name, layout, part, (_WHOLE, memory, others), divisor, finish))
            return steps, result_shape
        library = _library(device, load, merge, types._replace(result=types.sum))
        steps.append(_step(library, name, layout, part, (_WHOLE, memory, others)))
        memory = _WHOLE
        count = math.prod(layout.kept)
        kept_stride, stride = (1, count) if along_kept else (number, 1)  # out[part][kept] or out[kept][part]
        layout = _Layout((count,), (kept_stride,), (number,), (stride,), 0)
        recipe = recipe._replace(load="Value")
        types = types._replace(element=types.sum)


def _layout(shape: tuple[int, ...], strides: Sequence[int], axes: tuple[int, ...]) -> _Layout | None:
    """None if there are too many axes that cannot be joined."""
    if math.prod(shape) > 0xFFFFFFFF:
        raise UnsupportedError(f"reductions take arrays of at most 2**32 - 1 elements, got {math.prod(shape)}")
    kept = [axis for axis in range(len(shape)) if axis not in axes]
    start = sum((1 - shape[axis]) * strides[axis] for axis in kept if strides[axis] < 0)
    # The order in which elements are added up is of no importance, so axes may be turned round and sorted.
    order = sorted(axes, key=lambda axis: -abs(strides[axis]))
    reduced, (reduced_strides,) = collapse(
        tuple(shape[axis] for axis in order), [tuple(abs(strides[axis]) for axis in order)]
    )
    kept_extents, (kept_strides,) = collapse(
        tuple(shape[axis] for axis in kept), [tuple(strides[axis] for axis in kept)]
    )
    if not reduced:
        reduced, reduced_strides = (1,), (1,)
    if len(kept_extents) > MAX_AXES or len(reduced) > MAX_AXES + 1:
        return None
    if not (reduced_strides[-1] == 1 and reduced[-1] >= 32):  # then the longest last, for the fewest jumps
        longest = max(range(len(reduced)), key=reduced.__getitem__)
        reduced = (*reduced[:longest], *reduced[longest + 1 :], reduced[longest])
        reduced_strides = (*reduced_strides[:longest], *reduced_strides[longest + 1 :], reduced_strides[longest])
    return _Layout(kept_extents, kept_strides, reduced, reduced_strides, start)


def _choose(layout: _Layout) -> tuple[str, tuple[int, int], bool]:
    """The kernel, outer and inner elements of a part, and if the results of parts lie along the kept axes."""
    count, length = math.prod(layout.kept), math.prod(layout.reduced)
    row = _part(layout.reduced, _PART if length > 2 * _PART else length)
    if layout.reduced_strides[-1] == 1 and layout.reduced[-1] >= 32:
        return "rows", row, False
    if layout.kept and layout.kept_strides[-1] == 1 and layout.kept[-1] >= 32:
        blocks = -(-layout.kept[-1] // 128) * (count // layout.kept[-1])
        wanted = max(-(-length // _COLUMN_PART), min(-(-_WANTED_GROUPS // blocks), length // 64), 1)
        return "columns", _part(layout.reduced, -(-length // wanted)), True
    if length >= 256 or (length >= 32 and count < 1024):
        return "strided_rows", row, False
    return "results", _part(layout.reduced, length), False


def _part(reduced: tuple[int, ...], wanted: int) -> tuple[int, int]:
    """Outer and inner elements of a part that has about `wanted`; the inner ones in units of all lanes."""
    outer, inner = math.prod(reduced[:-1]), reduced[-1]
    if inner > wanted:
        even = -(-inner // -(-inner // wanted))
        return 1, min(inner, -(-even // 128) * 128)
    return min(outer, wanted // inner), inner


def _number(reduced: tuple[int, ...], part: tuple[int, int]) -> tuple[int, int]:
    """How many parts there are of the outer and of the inner elements."""
    return -(-math.prod(reduced[:-1]) // part[0]), -(-reduced[-1] // part[1])


def _axes(shape: tuple[int, ...], strides: Strides) -> tuple[int, ...]:
    rest = (0,) * (MAX_AXES - len(shape))
    return (len(shape), 0, *shape, *rest, *strides, *rest)


def _covered(shape: tuple[int, ...], strides: Strides, itemsize: int) -> _Covered:
    """The memory of an array, as `PreparedLaunch` takes it."""
    if any(step % itemsize for step in strides):
        raise UnsupportedError(f"elements of {itemsize} bytes at strides {strides} are not aligned; use x.copy()")
    reach = [(extent - 1) * step for extent, step in zip(shape, strides, strict=True)]
    low, high = sum(step for step in reach if step < 0), sum(step for step in reach if step > 0)
    return low, (high - low) // itemsize + 1, None


def _step(
    library: ShaderLibrary, name: str, layout: _Layout, part: tuple[int, int], covered: tuple[_Covered, ...],
    divisor: float = 1.0, finish: int = SAME,
) -> _Step:  # fmt: skip
    kept, kept_strides, width = layout.kept, layout.kept_strides, 1
    if name == "columns":
        kept, kept_strides, width = kept[:-1], kept_strides[:-1], kept[-1]
    outer_number, inner_number = _number(layout.reduced, part)
    count, number = math.prod(kept), outer_number * inner_number
    parameters = _REDUCTION.pack(
        *_axes(kept, kept_strides), *_axes(layout.reduced[:-1], layout.reduced_strides[:-1]), count, width,
        math.prod(layout.reduced[:-1]), layout.reduced[-1], *part, inner_number, number,
        layout.reduced_strides[-1], layout.start, divisor, finish,
    )  # fmt: skip
    size = count * number * width
    if name in ("results", "best_of_parts"):
        return _Step(PreparedLaunch(library[name], (count, 1, 1), None, (parameters,), covered), size)
    rows = count * number
    together = 1 if rows <= 128 else 4  # simdgroups in a threadgroup
    groups, group_size = -(-rows // together), 32 * together
    threads = (groups * group_size, 1, 1)
    if name == "columns":
        threads = (-(-width // 128) * group_size, groups, 1)
    return _Step(PreparedLaunch(library[name], threads, (group_size, 1, 1), (parameters,), covered), size)


@lru_cache(maxsize=4096)
def _planned_arg(
    device: Device, shape: tuple[int, ...], strides: Strides, axis: int, dtype: _Dtype, greatest: bool
) -> list[_Step] | None:
    """The launches, the best of parts first and then the best of all; None if kernels do not take the layout."""
    elements = [step // dtype.itemsize for step in strides]
    layout = _layout(shape, elements, (axis,))
    if layout is None or elements[axis] < 0:
        return None
    library, memory = _arg_library(device, dtype, greatest), _covered(shape, strides, dtype.itemsize)
    length, count = shape[axis], math.prod(layout.kept)
    if length >= 32 and (elements[axis] == 1 or count < 1024 or length >= 256):
        part = _part(layout.reduced, _PART if length > 2 * _PART else length)
        step = _step(library, "rows" if elements[axis] == 1 else "strided_rows", layout, part, (_WHOLE, memory))
        if step.size == count:
            return [step]
        return [step, _step(library, "best_of_parts", layout, part, (_WHOLE, memory, _WHOLE))]
    return [_step(library, "results", layout, (1, length), (_WHOLE, memory))]
