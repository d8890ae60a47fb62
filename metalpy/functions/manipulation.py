"""Manipulation functions of the Python array API.

Results are views of the same memory where that is possible, else copies that the device makes without waiting.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from metalpy._core.array import allocate
from metalpy._core.views import broadcasted
from metalpy.array import Array
from metalpy.autograd.tape import primitive
from metalpy.creation import asarray
from metalpy.errors import LaunchValueError
from metalpy.ops.elementwise import assign
from metalpy.ops.layout import broadcast_shapes
from metalpy.ops.reduction import normal_axis
from metalpy.ops.types import promoted

__all__ = [
    "broadcast_arrays",
    "broadcast_to",
    "concat",
    "expand_dims",
    "flip",
    "moveaxis",
    "permute_dims",
    "repeat",
    "reshape",
    "roll",
    "squeeze",
    "stack",
    "tile",
    "unstack",
]

Axes = int | Sequence[int]


def distinct_axes(axes: Any, ndim: int) -> tuple[int, ...]:
    """Axes in the order in which they are given, counted from the first; ValueError if one is named twice."""
    given = tuple(axes) if isinstance(axes, (tuple, list)) else (axes,)
    found = tuple(normal_axis(axis, ndim) for axis in given)
    if len(set(found)) != len(found):
        raise ValueError(f"an axis is named twice in {given}")
    return found


@primitive
def broadcast_to(x: Array, /, shape: tuple[int, ...]) -> Array:
    """A read-only view of another shape in which `x` repeats.

    Raises
    ------
    ValueError
        If `x` does not broadcast to `shape`.
    """
    x = asarray(x)
    wanted = (shape,) if isinstance(shape, int) else tuple(shape)
    found = broadcasted(x, wanted)
    if found is None:
        raise ValueError(f"an array of shape {x.shape} does not broadcast to {wanted}")
    return found


def broadcast_arrays(*arrays: Array) -> list[Array]:
    """The arrays as read-only views of the shape to which they broadcast together."""
    given = [asarray(x) for x in arrays]
    shape = broadcast_shapes(*[x.shape for x in given])
    return [broadcast_to(x, shape) for x in given]


def _joined(name: str, arrays: Any) -> tuple[list[Array], np.dtype[Any]]:
    """The arrays to be joined, and their common dtype."""
    given = [x if type(x) is Array else asarray(x) for x in arrays]
    if not given:
        raise ValueError(f"{name} needs at least one array")
    device, dtype, is_mixed = given[0].device, given[0].dtype, False
    for x in given:
        if x.device is not device:
            raise LaunchValueError(f"{name}: arrays are on devices {device} and {x.device}")
        is_mixed = is_mixed or x.dtype is not dtype
    return given, promoted(*[x.dtype for x in given]) if is_mixed else dtype


@primitive
def concat(arrays: Sequence[Array], /, axis: int | None = 0) -> Array:
    """Join arrays along an axis that they have.

    Parameters
    ----------
    arrays : sequence of Array
        Their shapes differ along `axis` only; dtypes are promoted.
    axis : int or None
        With None the arrays are joined flat.
    """
    given, dtype = _joined("concat", arrays)
    if axis is None:
        given, axis = [x.reshape(-1) for x in given], 0
    first = given[0]
    at = normal_axis(axis, first.ndim)
    for x in given:
        if x.ndim != first.ndim or x.shape[:at] != first.shape[:at] or x.shape[at + 1 :] != first.shape[at + 1 :]:
            raise ValueError(f"cannot join arrays of shapes {first.shape} and {x.shape} along axis {at}")
    shape = (*first.shape[:at], sum(x.shape[at] for x in given), *first.shape[at + 1 :])
    out = allocate(Array, first.device, dtype, shape)
    start, before = 0, (slice(None),) * at
    for x in given:
        assign(out[(*before, slice(start, start + x.shape[at]))], x)
        start += x.shape[at]
    return out


@primitive
def stack(arrays: Sequence[Array], /, axis: int = 0) -> Array:
    """Join arrays of one shape along a new axis, at place `axis` of the result; dtypes are promoted."""
    given, dtype = _joined("stack", arrays)
    shape = given[0].shape
    for x in given:
        if x.shape != shape:
            raise ValueError(f"stack takes arrays of one shape, got {shape} and {x.shape}")
    at = normal_axis(axis, len(shape) + 1)
    out = allocate(Array, given[0].device, dtype, (*shape[:at], len(given), *shape[at:]))
    before = (slice(None),) * at
    for number, x in enumerate(given):
        assign(out[(*before, number)], x)
    return out


def unstack(x: Array, /, axis: int = 0) -> tuple[Array, ...]:
    """The parts of `x` at each index along an axis, as views."""
    x = asarray(x)
    at = normal_axis(axis, x.ndim)
    before = (slice(None),) * at
    return tuple(x[(*before, number)] for number in range(x.shape[at]))


def expand_dims(x: Array, /, axis: Axes = 0) -> Array:
    """A view with further axes of extent 1, at places `axis` of the result."""
    x = asarray(x)
    count = len(axis) if isinstance(axis, (tuple, list)) else 1
    new = distinct_axes(axis, x.ndim + count)
    return x[tuple(None if place in new else slice(None) for place in range(x.ndim + count))]


def squeeze(x: Array, /, axis: Axes | None = None) -> Array:
    """A view without some axes, whose extent is 1; without all of those by default.

    Raises
    ------
    ValueError
        If the extent of one is not 1.
    """
    x = asarray(x)
    gone = [at for at in range(x.ndim) if x.shape[at] == 1] if axis is None else distinct_axes(axis, x.ndim)
    for place in gone:
        if x.shape[place] != 1:
            raise ValueError(f"axis {place} has extent {x.shape[place]}, only those of extent 1 can be squeezed")
    return x[tuple(0 if place in gone else slice(None) for place in range(x.ndim))]


def flip(x: Array, /, axis: Axes | None = None) -> Array:
    """A view with the elements along some axes, by default all, in reverse order."""
    x = asarray(x)
    turned = range(x.ndim) if axis is None else distinct_axes(axis, x.ndim)
    return x[tuple(slice(None, None, -1 if place in turned else 1) for place in range(x.ndim))]


def permute_dims(x: Array, /, axes: tuple[int, ...]) -> Array:
    """A view with the axes in the order `axes`."""
    x = asarray(x)
    order = distinct_axes(tuple(axes), x.ndim)
    if len(order) != x.ndim:
        raise ValueError(f"permute_dims needs all {x.ndim} axes, got {tuple(axes)}")
    return x.transpose(order)


def moveaxis(x: Array, source: Axes, destination: Axes, /) -> Array:
    """A view with some axes at other places; the others keep their order."""
    x = asarray(x)
    old, new = distinct_axes(source, x.ndim), distinct_axes(destination, x.ndim)
    if len(old) != len(new):
        raise ValueError(f"as many places as axes are needed, got {len(new)} for {len(old)}")
    order = [axis for axis in range(x.ndim) if axis not in old]
    for place, axis in sorted(zip(new, old, strict=True)):
        order.insert(place, axis)
    return x.transpose(order)


def reshape(x: Array, /, shape: tuple[int, ...], *, copy: bool | None = None) -> Array:
    """See `Array.reshape`."""
    return asarray(x).reshape(shape if isinstance(shape, int) else tuple(shape), copy=copy)


@primitive
def roll(x: Array, /, shift: Axes, axis: Axes | None = None) -> Array:
    """A copy with the elements moved along some axes; those that leave at one end come in at the other.

    Parameters
    ----------
    x : Array
    shift : int or tuple of int
        Places, for each axis.
    axis : int or tuple of int, optional
        Without it the elements are moved in C order, over all axes.
    """
    x = asarray(x)
    if axis is None:
        if isinstance(shift, (tuple, list)):
            raise ValueError("roll takes one shift if there is no axis")
        return roll(x.reshape(-1), shift, axis=0).reshape(x.shape)
    axes = tuple(axis) if isinstance(axis, (tuple, list)) else (axis,)
    shifts: tuple[Any, ...] = tuple(shift) if isinstance(shift, (tuple, list)) else (shift,) * len(axes)
    if len(shifts) == 1:
        shifts *= len(axes)
    if len(shifts) != len(axes):
        raise ValueError(f"as many shifts as axes are needed, got {len(shifts)} for {len(axes)}")
    moved = [0] * x.ndim
    for place, distance in zip(axes, shifts, strict=True):
        moved[normal_axis(place, x.ndim)] += operator.index(distance)
    out = allocate(Array, x.device, x.dtype, x.shape)
    if out.size:
        _roll(out, x, [distance % extent for distance, extent in zip(moved, x.shape, strict=True)], 0)
    return out


def _roll(out: Array, x: Array, shifts: list[int], axis: int) -> None:
    """Copy the pieces that stay together: two for each axis that moves."""
    while axis < len(shifts) and not shifts[axis]:
        axis += 1
    if axis == len(shifts):
        assign(out, x)
        return
    before, distance = (slice(None),) * axis, shifts[axis]
    _roll(out[(*before, slice(distance, None))], x[(*before, slice(None, -distance))], shifts, axis + 1)
    _roll(out[(*before, slice(None, distance))], x[(*before, slice(-distance, None))], shifts, axis + 1)


def tile(x: Array, repetitions: tuple[int, ...], /) -> Array:
    """A copy in which the whole array repeats, so many times along each axis."""
    x = asarray(x)
    times = (repetitions,) if isinstance(repetitions, int) else tuple(repetitions)
    shape = (1,) * (len(times) - x.ndim) + x.shape
    times = (1,) * (len(shape) - len(times)) + times
    if any(count < 0 for count in times):
        raise ValueError(f"repetitions are 0 or more, got {times}")
    between = [extent for own in shape for extent in (1, own)]
    spread = [extent for own, count in zip(shape, times, strict=True) for extent in (count, own)]
    result = tuple(own * count for own, count in zip(shape, times, strict=True))
    return broadcast_to(x.reshape(tuple(between)), tuple(spread)).copy().reshape(result)


def repeat(x: Array, repeats: int | Array, /, axis: int | None = None) -> Array:
    """A copy in which each element along an axis repeats.

    Parameters
    ----------
    x : Array
    repeats : int or Array of int
        How often, each or all alike. An array is read on the host, which waits for it: the result's shape depends
        on it.
    axis : int, optional
        Without it the array is taken flat.
    """
    x = asarray(x)
    if axis is None:
        x, axis = x.reshape(-1), 0
    at = normal_axis(axis, x.ndim)
    if isinstance(repeats, (Array, np.ndarray, list, tuple)):
        counts = np.asarray(repeats)
        if counts.dtype.kind not in "iu" or counts.ndim > 1:
            raise TypeError(f"repeats are integers along one axis, got {counts.dtype} of shape {counts.shape}")
        if counts.size != 1:
            if counts.size != x.shape[at]:
                raise ValueError(f"{counts.size} repeats do not fit {x.shape[at]} elements along axis {at}")
            places = np.repeat(np.arange(x.shape[at]), counts)
            return x[(*(slice(None),) * at, places)]
        repeats = counts.item()
    times = operator.index(repeats)
    if times < 0:
        raise ValueError(f"elements repeat 0 or more times, not {times}")
    spread = (*x.shape[: at + 1], times, *x.shape[at + 1 :])
    result = (*x.shape[:at], x.shape[at] * times, *x.shape[at + 1 :])
    return broadcast_to(x.reshape((*x.shape[: at + 1], 1, *x.shape[at + 1 :])), spread).copy().reshape(result)
