"""Where the elements of strided arrays lie."""

from __future__ import annotations

import math
import struct
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np

from metalpy._core.prepared import PreparedLaunch, layout_key
from metalpy._core.views import extent_bytes
from metalpy.array import Array
from metalpy.errors import UnsupportedError
from metalpy.mps.shader import ShaderLibrary

__all__ = [
    "MAX_RANK",
    "Strides",
    "broadcast_shapes",
    "collapse",
    "launch_strided",
    "prepared_launches",
    "remember",
    "strided_memory",
    "walk",
]

Strides: TypeAlias = tuple[int, ...]

MAX_RANK = 16  # of the kernels' Layout
_LARGEST_GRID = 0xFFFFFFFF
_row_kernels: dict[tuple[ShaderLibrary, str, str], Any] = {}
_STEPS = {0: "0", 1: "1", 2: "2", -1: "r"}  # those that kernels may know
_NARROW = 32  # a row of fewer elements leaves lanes of a simdgroup idle


@lru_cache(maxsize=4096)
def broadcast_shapes(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """As `numpy.broadcast_shapes`."""
    return np.broadcast_shapes(*shapes)


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


def strided_memory(x: Array) -> tuple[Array, int]:
    """The memory from the lowest to the highest element of `x` as a contiguous array, and the index of its first."""
    low, high = extent_bytes(x)
    if any(step % x.itemsize for step in x.strides):
        raise UnsupportedError(f"elements of {x.itemsize} bytes at strides {x.strides} are not aligned; use x.copy()")
    count = (high - low) // x.itemsize
    return x._derive(x.dtype, (count,), None, low), (x.offset - low) // x.itemsize


@lru_cache(maxsize=4096)
def walk(
    shape: tuple[int, ...], *arrays: tuple[tuple[int, ...], Strides, int]
) -> tuple[bytes, tuple[int, int, int], tuple[tuple[int, int], ...], str]:
    """How kernels walk over arrays, of shape, strides and itemsize each, that broadcast to `shape`.

    Returns the Layout of shaders/layout.h; the grid; for each array where the memory that it covers starts, in bytes
    from its first element, and how many elements that memory has; and the arrays' steps along rows:
    0, 1, 2, r for -1, or - for others.
    """
    extents, strides = collapse(shape, [_broadcast(shape, own, steps) for own, steps, _ in arrays])
    if len(extents) > MAX_RANK:
        raise UnsupportedError(f"operators take up to {MAX_RANK} axes that cannot be joined, got {len(extents)}")
    if extents and extents[-1] < _NARROW:  # kernels compute elements in any order: rows should be long
        longest = max(range(len(extents)), key=lambda axis: extents[axis])
        extents = _last(extents, longest)
        strides = [_last(steps, longest) for steps in strides]
    missing = max(0, 3 - len(extents))
    extents = (1,) * missing + extents
    grid = (extents[-1], extents[-2], math.prod(extents[:-2]))
    if max(grid) > _LARGEST_GRID:
        raise UnsupportedError(f"operators take arrays of at most 2**32 - 1 elements an axis, got shape {shape}")
    columns, spans = [], []
    for steps, (_, _, itemsize) in zip(strides, arrays, strict=True):
        if any(step % itemsize for step in steps):
            raise UnsupportedError(f"elements of {itemsize} bytes at strides {steps} are not aligned; use x.copy()")
        reach = [(extent - 1) * step for extent, step in zip(extents[missing:], steps, strict=True)]
        low, high = sum(step for step in reach if step < 0), sum(step for step in reach if step > 0)
        spans.append((low, (high - low) // itemsize + 1))
        elements = [0] * missing + [step // itemsize for step in steps]
        columns.append(struct.pack(f"={MAX_RANK + 1}q", *elements, *[0] * (MAX_RANK - len(elements)), -low // itemsize))
    head = struct.pack(f"=I{MAX_RANK}I4x", len(extents), *extents, *[0] * (MAX_RANK - len(extents)))
    last = [steps[-1] // own[2] if steps else 1 for steps, own in zip(strides, arrays, strict=True)]
    return head + b"".join(columns), grid, tuple(spans), "".join(_STEPS.get(step, "-") for step in last)


def _last(entries: tuple[int, ...], axis: int) -> tuple[int, ...]:
    return (*entries[:axis], *entries[axis + 1 :], entries[axis])


def _broadcast(shape: tuple[int, ...], own: tuple[int, ...], strides: Strides) -> Strides:
    """Bytes from one element to the next along each axis of `shape`, 0 where the array repeats."""
    missing = len(shape) - len(own)
    return (0,) * missing + tuple(0 if extent == 1 else step for extent, step in zip(own, strides, strict=True))


prepared_launches: dict[tuple[Any, ...], PreparedLaunch] = {}  # by what `layout_key` gives
_MOST_PREPARED = 4096


def remember(key: tuple[Any, ...], prepared: PreparedLaunch) -> PreparedLaunch:
    """Keep a launch for the next call of the same kernel over arrays of the same layouts."""
    if len(prepared_launches) >= _MOST_PREPARED:
        prepared_launches.clear()
    prepared_launches[key] = prepared
    return prepared


def launch_strided(
    library: ShaderLibrary,
    name: str,
    arrays: tuple[Array, ...],
    tail: tuple[Any, ...] = (),
    kinds: tuple[Any, ...] | None = None,
) -> None:
    """Launch a kernel over arrays of any layouts, which broadcast to the shape of the first, and which has elements.

    Parameters
    ----------
    library : ShaderLibrary
    name : str
        A kernel that takes the arrays as memory, then `tail`, then the Layout of shaders/layout.h. There may be others
        for common steps along rows, see `row_kernel`. It decides which dtypes the arrays have.
    arrays : tuple of Array
    tail : tuple
    kinds : tuple of numpy.dtype or None, optional
        The elements as the kernel takes them, where it is not as their arrays have them.
    """
    key = layout_key(library, name, arrays)
    prepared = prepared_launches.get(key)
    if prepared is None:
        prepared = remember(key, _prepare(library, name, arrays, kinds or (None,) * len(arrays)))
    prepared(arrays, tail)


def _prepare(
    library: ShaderLibrary, name: str, arrays: tuple[Array, ...], kinds: tuple[np.dtype[Any] | None, ...]
) -> PreparedLaunch:
    layout, grid, spans, steps = walk(arrays[0].shape, *[(x.shape, x.strides, x.itemsize) for x in arrays])
    kernel = row_kernel(library, name, steps)
    covered = tuple((low, count, kind) for (low, count), kind in zip(spans, kinds, strict=True))
    return PreparedLaunch(kernel, grid, row_groups(kernel, grid), (layout,), covered)


def row_kernel(library: ShaderLibrary, name: str, steps: str) -> Any:
    """The kernel that knows the steps along rows, such as ``strided_110``, if there is one, else that for any."""
    try:
        return _row_kernels[library, name, steps]
    except KeyError:
        special = f"{name}_{steps}"
        kernel = library[special if special in library else name]
        _row_kernels[library, name, steps] = kernel
        return kernel


def row_groups(kernel: Any, grid: tuple[int, int, int]) -> tuple[int, int, int]:
    """Threadgroups as kernels over rows need them: each within one row."""
    return min(grid[0], kernel.max_threads_per_threadgroup), 1, 1
