"""Where the elements of strided arrays lie."""

from __future__ import annotations

from typing import TypeAlias

from metalpy.array import Array
from metalpy.errors import UnsupportedError

__all__ = ["Strides", "collapse", "extent_bytes", "overlaps", "strided_memory"]

Strides: TypeAlias = tuple[int, ...]


def collapse(shape: tuple[int, ...], strides: list[Strides]) -> tuple[tuple[int, ...], list[Strides]]:
    """The same order of elements with fewer axes: those of extent 1 go, neighbours that step alike are joined."""
    extents: list[int] = []
    steps: list[list[int]] = [[] for _ in strides]
    for axis, extent in enumerate(shape):
        if extent == 1:
            continue
        if extents and all(own[-1] == new[axis] * extent for own, new in zip(steps, strides, strict=True)):
            extents[-1] *= extent
            for own, new in zip(steps, strides, strict=True):
                own[-1] = new[axis]
        else:
            extents.append(extent)
            for own, new in zip(steps, strides, strict=True):
                own.append(new[axis])
    return tuple(extents), [tuple(own) for own in steps]


def extent_bytes(x: Array) -> tuple[int, int]:
    """Offsets in the block of the first byte of `x` and of the one behind its last; `x` has elements."""
    reach = [(extent - 1) * step for extent, step in zip(x.shape, x.strides, strict=True)]
    low = x.offset + sum(step for step in reach if step < 0)
    return low, x.offset + sum(step for step in reach if step > 0) + x.itemsize


def overlaps(x: Array, y: Array) -> bool:
    """True if the two may have bytes in common."""
    if x._block is None or x._block is not y._block:
        return _same_memory(x, y)
    (low, high), (other_low, other_high) = extent_bytes(x), extent_bytes(y)
    return low < other_high and other_low < high


def _same_memory(x: Array, y: Array) -> bool:
    """As `overlaps`, for arrays over different blocks: wrapped memory may be in several."""
    if x._block is None or y._block is None:
        return False
    (low, high), (other_low, other_high) = extent_bytes(x), extent_bytes(y)
    start, other_start = x._block.address, y._block.address
    return start + low < other_start + other_high and other_start + other_low < start + high


def strided_memory(x: Array) -> tuple[Array, int]:
    """The memory from the lowest to the highest element of `x` as a contiguous array, and the index of its first."""
    low, high = extent_bytes(x)
    if any(step % x.itemsize for step in x.strides):
        raise UnsupportedError(f"elements of {x.itemsize} bytes at strides {x.strides} are not aligned; use x.copy()")
    count = (high - low) // x.itemsize
    return x._derive(x.dtype, (count,), None, low), (x.offset - low) // x.itemsize
