"""Windows of images as columns of a matrix, and back: what convolution and pooling are made of."""

from __future__ import annotations

import struct
from functools import cache
from typing import TypeAlias

from metalpy._core.array import allocate
from metalpy._core.driver import Device
from metalpy.array import Array
from metalpy.autograd.tape import primitive
from metalpy.mps.shader import ShaderLibrary, compile_file
from metalpy.ops.elementwise import contiguous
from metalpy.ops.types import metal_name
from metalpy.shader_files import shader_folder

__all__ = ["Pair", "fold", "pair", "unfold", "window_count"]

Pair: TypeAlias = int | tuple[int, int]
_FACTS = struct.Struct("=14If")  # Windows of shaders/windows.metal


@cache
def _library(device: Device, element: str) -> ShaderLibrary:
    return compile_file(shader_folder() / "windows.metal", defines={"T": element}, math_mode="safe", device=device)


def pair(value: Pair) -> tuple[int, int]:
    """Two numbers, from one or two."""
    first, second = (value, value) if isinstance(value, int) else value
    return first, second


def window_count(image: tuple[int, ...], window: Pair, stride: Pair, padding: Pair, dilation: Pair) -> tuple[int, int]:
    """Rows and columns of windows in an image with zeros around it.

    Raises
    ------
    ValueError
        If there are none, or a step is below 1.
    """
    counts = []
    for extent, size, step, around, spread in zip(
        image, pair(window), pair(stride), pair(padding), pair(dilation), strict=True
    ):
        if size < 1 or step < 1 or spread < 1 or around < 0:
            raise ValueError(f"a window of {window} with stride {stride}, padding {padding} and dilation {dilation}: "
                             "all but the padding are 1 or more")  # fmt: skip
        counts.append((extent + 2 * around - spread * (size - 1) - 1) // step + 1)
    if min(counts) < 1:
        raise ValueError(f"a window of {pair(window)} with dilation {pair(dilation)} does not fit into an image of "
                         f"{tuple(image)} with padding {pair(padding)}")  # fmt: skip
    return counts[0], counts[1]


def _facts(shape: tuple[int, ...], window: Pair, stride: Pair, padding: Pair, dilation: Pair, outside: float) -> bytes:
    counts = window_count(shape[2:], window, stride, padding, dilation)
    return _FACTS.pack(
        shape[0] * shape[1], *shape[2:], *counts, *pair(window), *pair(stride), *pair(padding), *pair(dilation), 0,
        outside,
    )  # fmt: skip


@primitive
def unfold(
    x: Array, window: Pair, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1, outside: float = 0.0
) -> Array:
    """The windows of images.

    Parameters
    ----------
    x : Array
        ``(N, C, H, W)``, of floats.
    window, stride, padding, dilation : int or pair of int
        Size; steps from window to window; how far they reach over the edges; steps between their elements.
    outside : float
        What is there beyond the edges.

    Returns
    -------
    Array
        ``(N, C * elements of a window, windows)``.
    """
    x = contiguous(x)
    size = pair(window)
    rows, columns = window_count(x.shape[2:], window, stride, padding, dilation)
    out = allocate(Array, x.device, x.dtype, (x.shape[0], x.shape[1] * size[0] * size[1], rows * columns))
    if out.size:
        facts = _facts(x.shape, window, stride, padding, dilation, outside)
        lines = x.shape[0] * x.shape[1] * size[0] * size[1] * rows
        _library(x.device, metal_name(x.dtype)).unfold(out, x, facts, threads=(columns, lines))
    return out


@primitive
def fold(
    columns: Array, image: tuple[int, int], window: Pair, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1
) -> Array:
    """Images of which each element is the sum of its occurrences in windows: the transpose of `unfold`.

    Parameters
    ----------
    columns : Array
        ``(N, C * elements of a window, windows)``, of floats.
    image : pair of int
        H and W.

    Returns
    -------
    Array
        ``(N, C, H, W)``.
    """
    columns = contiguous(columns)
    size = pair(window)
    shape = (columns.shape[0], columns.shape[1] // (size[0] * size[1]), *image)
    out = allocate(Array, columns.device, columns.dtype, shape)
    if out.size:
        facts = _facts(shape, window, stride, padding, dilation, 0.0)
        threads = (image[1], shape[0] * shape[1] * image[0])
        _library(columns.device, metal_name(columns.dtype)).fold(out, columns, facts, threads=threads)
    return out
