"""The kernels of random.metal, and how a draw is handed to them."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from metalpy.creation import checked_shape, empty
from metalpy.ops.types import UNSIGNED
from metalpy.shader_files import shader_folder

if TYPE_CHECKING:
    from metalpy.array import Array
    from metalpy.device import Device
    from metalpy.mps.shader import ShaderLibrary
    from metalpy.random.stream import Draw, Stream

__all__ = ["MAX_BLOCKS", "draw_blocks", "launch", "library", "packed"]

MAX_BLOCKS = 2**32 - 1  # the counter has 32 bits for the block of a draw

_DRAW = struct.Struct("=6IQ")  # Draw of shaders/philox.h
_libraries: dict[Device, ShaderLibrary] = {}


def library(device: Device) -> ShaderLibrary:
    """random.metal, compiled for `device` once in the process."""
    if device not in _libraries:
        from metalpy.mps.shader import compile_file

        # The safe mode, for it makes the numbers the same on every device.
        _libraries.setdefault(device, compile_file(shader_folder() / "random.metal", math_mode="safe", device=device))
    return _libraries[device]


def packed(draw: Draw, count: int) -> bytes:
    """A draw of `count` elements as the kernels take it."""
    seed, offset, stream = draw
    mask = 0xFFFFFFFF
    return _DRAW.pack(seed & mask, seed >> 32, offset & mask, offset >> 32, stream, 0, count)


def draw_blocks(count: int, per_block: int) -> int:
    """Threads that make `count` elements.

    Raises
    ------
    ValueError
        If one draw has not that many.
    """
    blocks = -(-count // per_block)
    if blocks > MAX_BLOCKS:
        raise ValueError(f"one draw makes at most {MAX_BLOCKS * per_block} elements of this kind, not {count}")
    return blocks


def launch(
    name: str, generator: Stream, size: Any, dtype: np.dtype[Any], parameters: bytes, per_block: int = 4
) -> Array:
    """A new array, filled with the generator's next draw by a kernel that takes ``(out, draw, parameters)``.

    Kernels whose name ends in a size write elements of any kind as unsigned integers.
    """
    shape = () if size is None else checked_shape(size)
    count = 1
    for extent in shape:
        count *= extent
    blocks = draw_blocks(count, per_block)
    out = empty(shape, dtype, generator.device)
    draw = generator._take()  # nothing fails from here on that is the caller's mistake
    if count:
        flat = out.reshape(-1) if out.ndim != 1 else out
        target = flat.view(UNSIGNED[dtype.itemsize]) if name[-1].isdigit() else flat
        library(generator.device)[name](target, packed(draw, count), parameters, threads=blocks)
    return out
