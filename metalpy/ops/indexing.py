"""Indexing by arrays of integers and bools, with NumPy's rules, by the kernels of moving.metal.

A key becomes a view, by its slices, and for each element of what its index arrays broadcast to an offset from the
view's elements. Index arrays on the host are checked here; those on the device by the kernel, which reports.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np

from metalpy import dtypes
from metalpy._core.array import allocate
from metalpy._core.driver import Device
from metalpy._core.prepared import PreparedLaunch, layout_key
from metalpy._core.views import extent_bytes, overlaps
from metalpy.array import Array
from metalpy.creation import array
from metalpy.errors import LaunchValueError, UnsupportedError
from metalpy.functions.manipulation import broadcast_to
from metalpy.ops.elementwise import copied
from metalpy.ops.layout import (
    Strides,
    broadcast_shapes,
    launch_strided,
    prepared_launches,
    remember,
    row_groups,
    row_kernel,
    walk,
)
from metalpy.ops.moving import kernels, select
from metalpy.ops.types import UNSIGNED

__all__ = ["accumulate", "accumulate_along", "get", "is_advanced", "put", "take_along"]

_AXIS = struct.Struct("=3qII")  # Axis of shaders/moving.h
_EXTENT = struct.Struct("=q")


def is_advanced(part: Any) -> bool:
    """True for what selects by arrays: lists, arrays, bools."""
    return isinstance(part, (Array, np.ndarray, list, bool, np.bool_))


@dataclass
class _Selection:
    """What a key selects."""

    view: Array  # of the slices; strides 0 along the axes of the index arrays
    offsets: Array  # elements from the view's; has the view's shape, strides 0 along the axes of slices
    source: Array  # whose memory has all elements

    def launch(self, name: str, other: Array) -> None:
        """`take` the elements into `other`, of the view's shape, or `put` them there from it."""
        x, view, size = self.source, self.view, self.view.itemsize
        if any(step % size for step in x.strides):
            raise UnsupportedError(f"elements of {size} bytes at strides {x.strides} cannot be indexed; use x.copy()")
        layout, grid, spans, steps = walk(
            view.shape, *[(a.shape, a.strides, a.itemsize) for a in (other, view, self.offsets)]
        )
        low, high = extent_bytes(x)
        memory = x._derive(UNSIGNED[size], ((high - low) // size,), None, low)
        start = (view.offset + spans[1][0] - low) // size
        first = other._derive(UNSIGNED[size], (spans[0][1],), None, other.offset + spans[0][0])
        places = self.offsets._derive(dtypes.int64, (spans[2][1],), None, self.offsets.offset + spans[2][0])
        kernel = row_kernel(kernels(x.device), name if name == "accumulate" else f"{name}_{size}", steps)
        kernel(first, memory, places, start, layout, threads=grid, group_size=row_groups(kernel, grid))


# ---- one index array ----


def _one_index(x: Array, parts: tuple[Any, ...]) -> tuple[Array, int, Any] | None:
    """The view of a key's slices, and the axis of it that the only index array of the key indexes; None for others."""
    place = -1
    for number, part in enumerate(parts):
        if type(part) is slice or part is None or part is Ellipsis:
            continue
        if place >= 0 or not isinstance(part, (Array, np.ndarray, list)):
            return None
        place = number
    index = parts[place]
    if isinstance(index, list):
        index = np.asarray(index)
    is_mask = index.dtype.kind == "b" and index.ndim > 0
    if not is_mask and index.dtype.kind not in "iu":
        return None
    axis, view = 0, x
    if is_mask and (index.ndim > 1 or len(parts) > 1):  # those of one axis alone are as quick as indices
        if len(parts) > 1 or index.shape != x.shape or not x.contiguous:
            return None
        view, index = x.reshape(-1), index.reshape(-1)
    if is_mask:
        _check_mask(index.shape, view.shape)
        index = np.flatnonzero(np.asarray(index))
    if len(parts) > 1:
        before = parts[:place]
        slices = sum(type(part) is slice for part in parts)
        if any(part is Ellipsis for part in before):
            axis = x.ndim - slices - 2
        axis += len(before)
        view = x[(*before, slice(None), *parts[place + 1 :])]
    if not view.shape or view.size == 0 or index.size == 0:
        return None
    return view, axis, index if is_mask else _checked(index, view.shape[axis])


def _at_index(name: str, x: Array, axis: int, index: Any, other: Array | None = None) -> Array:
    """`take` elements of `x` at the indices of an array, whose axes take the place of `axis`, or `put` them there."""
    index, wrong = _placed(x, index)
    if other is None:
        other = allocate(Array, x.device, x.dtype, (*x.shape[:axis], *index.shape, *x.shape[axis + 1 :]))
    key = layout_key((x.device, axis, x.itemsize, index.itemsize), name, (other, x, index))
    prepared = prepared_launches.get(key)
    if prepared is None:
        new = (0,) * index.ndim
        steps = ((*x.strides[:axis], *new, *x.strides[axis + 1 :]),
                 ((0,) * axis + index.strides + (0,) * (x.ndim - axis - 1)))  # fmt: skip
        prepared = _prepare(key, name, x, axis, index, steps, other)
    _run(prepared, (other, x, index, wrong), other if name == "take" else x, x.shape[axis])
    return other


def _placed(x: Array, index: Any) -> tuple[Array, Array]:
    """An index array as kernels take it, and memory for the index that is out of bounds.

    Those of the host have been looked at and need none, so that something stands in its place.
    """
    if isinstance(index, Array):
        index = _on_device(x, index)
        if index.dtype not in (dtypes.int32, dtypes.int64):
            index = index.astype(dtypes.int64)
        wrong = allocate(Array, x.device, dtypes.int64, (2,))
        wrong._fill(bytes(16))
        return index, wrong
    index = array(index, device=x.device)
    return index, index


def _prepare(
    key: tuple[Any, ...], name: str, x: Array, axis: int, index: Array, steps: tuple[Strides, Strides], other: Array
) -> PreparedLaunch:
    """The launch for `steps` of `x` and of the indices along the axes of `other`."""
    size = x.itemsize
    if any(step % size for step in x.strides):
        raise UnsupportedError(f"elements of {size} bytes at strides {x.strides} cannot be indexed; use x.copy()")
    layout, grid, spans, rows = walk(
        other.shape, (other.shape, other.strides, size), (other.shape, steps[0], size),
        (other.shape, steps[1], index.itemsize),
    )  # fmt: skip
    low, high = extent_bytes(x)
    covered = (
        (*spans[0], UNSIGNED[size]), (low - x.offset, (high - low) // size, UNSIGNED[size]), (*spans[2], None),
        (0, 2, None),
    )  # fmt: skip
    start = (x.offset + spans[1][0] - low) // size
    facts = _AXIS.pack(x.shape[axis], x.strides[axis] // size, start, 0, 0)
    kernel = row_kernel(kernels(x.device), f"{name}_{'int' if index.itemsize == 4 else 'long'}_{size}", rows)
    prepared = PreparedLaunch(kernel, grid, row_groups(kernel, grid), (facts, layout), covered)
    return remember(key, prepared)


def _run(prepared: PreparedLaunch, arrays: tuple[Array, Array, Array, Array], written: Array, extent: int) -> None:
    prepared(arrays)
    *_, index, wrong = arrays
    if wrong is not index:
        _reporter(index.device, extent)((wrong, written))


@lru_cache(maxsize=1024)
def _reporter(device: Device, extent: int) -> PreparedLaunch:
    """The launch that reports an index that another one has found to be out of bounds.

    It takes what that one has written, too, so that who waits for those elements waits for the report.
    """
    one = (1, 1, 1)
    covered = ((0, 2, None), (0, 1, UNSIGNED[1]))
    return PreparedLaunch(kernels(device).check_indices, one, one, (_EXTENT.pack(extent),), covered)


# ---- keys of any kind ----


def get(x: Array, parts: tuple[Any, ...]) -> Array:
    """A copy of the elements that a key with index arrays selects."""
    _check(x)
    if (one := _one_index(x, parts)) is not None:
        return _at_index("take", *one)
    found = _select(x, parts)
    out = allocate(Array, x.device, x.dtype, found.view.shape)
    if out.size:
        found.launch("take", out)
    return out


def put(x: Array, parts: tuple[Any, ...], value: Array) -> None:
    """Set the elements that a key with index arrays selects to those of `value`, which has their dtype."""
    _check(x)
    if len(parts) == 1 and _is_mask(parts[0]) and parts[0].ndim and value.ndim <= x.ndim - parts[0].ndim:
        mask = _on_device(x, parts[0])
        _check_mask(mask.shape, x.shape)
        if x.size:
            mask = mask.reshape(mask.shape + (1,) * (x.ndim - mask.ndim))
            select(mask, broadcast_to(_apart(value, x), x.shape), x, out=x)
        return
    one = _one_index(x, parts)
    if one is None:
        found = _select(x, parts)
        shape = found.view.shape
    else:
        view, axis, index = one
        shape = (*view.shape[:axis], *index.shape, *view.shape[axis + 1 :])
    while value.ndim > len(shape) and value.shape[0] == 1:
        value = value.reshape(value.shape[1:])
    if one is not None:
        _at_index("put", view, axis, index, broadcast_to(_apart(value, x), shape))
    elif found.view.size:
        found.launch("put", broadcast_to(_apart(value, x), shape))
    else:
        broadcast_to(value, shape)


def accumulate(x: Array, parts: tuple[Any, ...], value: Array) -> None:
    """Add to the elements of `x` that a key with index arrays selects, to each as often as it is named.

    Both are float32. The order in which an element's summands are added is the device's.
    """
    found = _select(x, parts)
    if found.view.size:
        found.launch("accumulate", broadcast_to(value, found.view.shape))


def take_along(x: Array, indices: Array, axis: int) -> Array:
    """Elements of `x` at indices along an axis; all other axes of both broadcast."""
    _check(x)
    shape = _shape_along(x, indices, axis)
    out = allocate(Array, x.device, x.dtype, shape)
    if not out.size:
        return out
    if not x.size:
        raise IndexError(f"there is nothing to take from an array of shape {x.shape}")
    index, wrong = _placed(x, indices)
    key = layout_key((x.device, axis, x.itemsize, index.itemsize), "along", (out, x, index))
    prepared = prepared_launches.get(key)
    if prepared is None:
        own = x._derive(x.dtype, (*x.shape[:axis], 1, *x.shape[axis + 1 :]), x.strides, x.offset)
        steps = broadcast_to(own, shape).strides, broadcast_to(index, shape).strides
        prepared = _prepare(key, "take", x, axis, index, steps, out)
    _run(prepared, (out, x, index, wrong), out, x.shape[axis])
    return out


def accumulate_along(x: Array, indices: Array, axis: int, value: Array) -> None:
    """Add to the elements of `x` that `take_along` takes, of float32, those of `value`, of that shape."""
    if value.size:
        _select_along(x, indices, axis, value.shape).launch("accumulate", value)


def _shape_along(x: Array, indices: Array, axis: int) -> tuple[int, ...]:
    own = (*x.shape[:axis], 1, *x.shape[axis + 1 :])
    shape = broadcast_shapes(own, (*indices.shape[:axis], 1, *indices.shape[axis + 1 :]))
    return (*shape[:axis], indices.shape[axis], *shape[axis + 1 :])


def _select_along(x: Array, indices: Array, axis: int, shape: tuple[int, ...]) -> _Selection:
    if not x.size:
        raise IndexError(f"there is nothing to take from an array of shape {x.shape}")
    own = (*x.shape[:axis], 1, *x.shape[axis + 1 :])
    offsets = _offsets(x, [(axis, indices)], indices.shape)
    strides = tuple(0 if place == axis else step for place, step in enumerate(x.strides))
    view = broadcast_to(x._derive(x.dtype, own, strides, x.offset), shape)
    return _Selection(view, broadcast_to(offsets, shape), x)


def _check(x: Array) -> None:
    if x.itemsize not in UNSIGNED:
        raise UnsupportedError(
            f"elements of {x.itemsize} bytes are not indexed by arrays; index x.numpy() for a copy of chosen elements"
        )


def _apart(value: Array, x: Array) -> Array:
    """`value`, or a copy if it shares memory with `x`."""
    return copied(value) if value.size and x.size and overlaps(x, value) else value


def _is_mask(part: Any) -> bool:
    return isinstance(part, (Array, np.ndarray)) and part.dtype == np.bool_


def _on_device(x: Array, part: Any) -> Array:
    if isinstance(part, Array):
        if part.device is not x.device:
            raise LaunchValueError(f"the array is on device {x.device}, an index on {part.device}")
        return part
    return array(part, device=x.device)


def _check_mask(mask: tuple[int, ...], shape: tuple[int, ...]) -> None:
    if mask != shape[: len(mask)]:
        raise IndexError(f"a mask of shape {mask} does not match the indexed axes of shape {shape[: len(mask)]}")


def _select(x: Array, parts: tuple[Any, ...]) -> _Selection:
    basic, indices = _split(x, parts)
    view = x[tuple(basic)]
    # Axes of the view that indices belong to: an index takes the place of a slice or, for a bool, of a new axis.
    places = [at for at, part in enumerate(basic) if not isinstance(part, int)]
    arrays = [(places.index(at), index) for _, at, index in indices]
    numbers = [number for number, _, _ in indices]
    together = all(second - first <= 1 for first, second in pairwise(numbers))
    common = _common_shape([index for _, index in arrays])
    chosen = [axis for axis, _ in arrays]
    rest = [axis for axis in range(view.ndim) if axis not in chosen]
    split = sum(axis < chosen[0] for axis in rest) if together else 0
    before, after = rest[:split], rest[split:]
    shape = (*(view.shape[a] for a in before), *common, *(view.shape[a] for a in after))
    strides = (*(view.strides[a] for a in before), *(0,) * len(common), *(view.strides[a] for a in after))
    if 0 in shape:
        offsets = allocate(Array, x.device, dtypes.int64, shape)
        _offsets(view, [pair for pair in arrays if not isinstance(pair[1], Array)], common)  # for its errors
        return _Selection(x._derive(x.dtype, shape, None, x.offset), offsets, x)
    offsets = _offsets(view, arrays, common).reshape(common + (1,) * len(after))
    seen = x._derive(x.dtype, shape, strides, view.offset)
    return _Selection(seen, broadcast_to(offsets, shape), x)


def _split(x: Array, parts: tuple[Any, ...]) -> tuple[list[Any], list[tuple[int, int, Any]]]:
    """The key with slices in place of the index arrays, and these, with their number in the key and their place."""
    parts = tuple(np.asarray(part) if isinstance(part, (list, bool, np.bool_)) else part for part in parts)
    parts = tuple(part.astype(np.int64) if _is_empty_list(part) else part for part in parts)
    taken = sum(_axes_of(part) for part in parts)
    if taken > x.ndim:
        raise IndexError(f"too many indices: the array has {x.ndim} axes, {taken} were indexed")
    if not any(part is Ellipsis for part in parts):
        parts = (*parts, Ellipsis)
    basic: list[Any] = []
    indices: list[tuple[int, int, Any]] = []
    axis = 0
    for number, part in enumerate(parts):
        if part is Ellipsis:
            basic.extend([slice(None)] * (x.ndim - taken))
            axis += x.ndim - taken
        elif part is None:
            basic.append(None)
        elif isinstance(part, slice):
            basic.append(part)
            axis += 1
        elif _is_mask(part):
            _check_mask(part.shape, x.shape[axis:])
            found = np.nonzero(np.atleast_1d(np.asarray(part)))
            for places in found:
                indices.append((number, len(basic), places))
                basic.append(slice(None) if part.ndim else None)
            axis += part.ndim
        else:
            indices.append((number, len(basic), _checked(part, x.shape[axis])))
            basic.append(slice(None))
            axis += 1
    return basic, indices


def _is_empty_list(part: Any) -> bool:
    return isinstance(part, np.ndarray) and part.size == 0 and part.dtype == np.float64


def _axes_of(part: Any) -> int:
    if part is None or part is Ellipsis:
        return 0
    return part.ndim if _is_mask(part) else 1


def _checked(index: Any, extent: int) -> Any:
    """An array of integers; one of the host with all indices counted from the start."""
    if isinstance(index, Array):
        if index.dtype.kind not in "iu":
            raise IndexError(f"arrays used as indices are of integers or bools, not {index.dtype}")
        return index
    host = np.asarray(index)
    if host.dtype.kind not in "iu":
        raise IndexError(f"arrays used as indices are of integers or bools, not {host.dtype}")
    wrong = host[(host < -extent) | (host >= extent)]
    if wrong.size:
        raise IndexError(f"index {wrong[0]} is out of bounds for an axis of {extent} elements")
    host = host.astype(np.int64)
    return np.where(host < 0, host + extent, host)


def _common_shape(indices: list[Any]) -> tuple[int, ...]:
    shapes = [index.shape for index in indices]
    try:
        return broadcast_shapes(*shapes)
    except ValueError:
        raise IndexError(f"index arrays of shapes {', '.join(map(str, shapes))} do not broadcast") from None


def _offsets(view: Array, indices: list[tuple[int, Any]], shape: tuple[int, ...]) -> Array:
    """Elements from the view's first that index arrays, of its axes, lead to."""
    host = np.zeros(shape, np.int64)
    there = []
    for axis, index in indices:
        if isinstance(index, Array):
            there.append((axis, index))
        else:
            host = host + index * (view.strides[axis] // view.itemsize)
    if not there or 0 in shape:
        return array(host, device=view.device)
    made = len(there) < len(indices)
    out = array(host, device=view.device) if made else allocate(Array, view.device, dtypes.int64, shape)
    for axis, index in there:
        index, wrong = _placed(view, index)
        name = "offsets_int" if index.dtype == dtypes.int32 else "offsets_long"
        facts = _AXIS.pack(view.shape[axis], view.strides[axis] // view.itemsize, 0, not made, 0)
        launch_strided(kernels(view.device), name, (out, index), (wrong, facts))
        _reporter(view.device, view.shape[axis])((wrong, out))
        made = True
    return out
