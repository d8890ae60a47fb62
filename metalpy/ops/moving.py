"""The kernels of moving.metal and sequence.metal: selecting, triangles, evenly spaced numbers."""

from __future__ import annotations

import math
import struct
from functools import cache
from typing import Any

import numpy as np

from metalpy._core.array import allocate
from metalpy._core.driver import Device
from metalpy.array import Array
from metalpy.mps.shader import ShaderLibrary, compile_file
from metalpy.mps.stream import Stream, stream
from metalpy.ops.elementwise import contiguous
from metalpy.ops.layout import broadcast_shapes, launch_strided
from metalpy.ops.types import UNSIGNED, metal_name
from metalpy.shader_files import shader_folder

__all__ = ["kernels", "select", "select_number", "sequence", "triangle"]


_SELECT = {size: (f"select_{size}", (kind, None, kind, kind)) for size, kind in UNSIGNED.items()}
_SELECT_NUMBER = {size: (f"select_number_{size}", (kind, None, kind)) for size, kind in UNSIGNED.items()}
_FALSE, _TRUE = b"\0", b"\1"
_TRIANGLE = struct.Struct("=IIiI")  # Triangle of shaders/moving.h
_SEQUENCE = struct.Struct("=4f")  # Sequence of shaders/sequence.metal
_INTEGERS = struct.Struct("=2q")  # Integers


@cache
def kernels(device: Device, name: str = "moving") -> ShaderLibrary:
    """A file of kernels, compiled for a device once in the process."""
    return compile_file(shader_folder() / f"{name}.metal", math_mode="safe", device=device)


def select(condition: Array, a: Array, b: Array, out: Array | None = None) -> Array:
    """Elements of `a` where `condition`, of bools, is true, else of `b`; both have one dtype, and all broadcast."""
    if out is None:
        shape = a.shape
        if condition.shape != shape or b.shape != shape:
            shape = broadcast_shapes(condition.shape, a.shape, b.shape)
        out = allocate(Array, condition.device, a.dtype, shape)
    if out.size:
        name, kinds = _SELECT[out.itemsize]
        launch_strided(kernels(out.device), name, (out, condition, a, b), kinds=kinds)
    return out


def select_number(condition: Array, x: Array, number: bytes, is_first: bool) -> Array:
    """As `select` with the bytes of a number for `b`, or for `a` if it `is_first`."""
    shape = x.shape if condition.shape == x.shape else broadcast_shapes(condition.shape, x.shape)
    out = allocate(Array, condition.device, x.dtype, shape)
    if out.size:
        name, kinds = _SELECT_NUMBER[out.itemsize]
        tail = (number, _TRUE if is_first else _FALSE)
        launch_strided(kernels(out.device), name, (out, condition, x), tail, kinds)
    return out


def triangle(x: Array, k: int, lower: bool) -> Array:
    """The part of the matrices in the last two axes on one side of a diagonal, zeros elsewhere."""
    if x.ndim < 2:
        raise ValueError(f"a triangle needs two axes, the array has shape {x.shape}")
    out = allocate(Array, x.device, x.dtype, x.shape)
    if out.size:
        *_, rows, columns = x.shape
        k = max(-rows, min(columns, k))
        kind = UNSIGNED[x.itemsize]
        threads = (columns, rows, math.prod(x.shape[:-2]))
        facts = _TRIANGLE.pack(rows, columns, k, lower)
        source = contiguous(x)
        kernels(x.device)[f"triangle_{x.itemsize}"](out.view(kind), source.view(kind), facts, threads=threads)
    return out


def sequence(count: int, start: float, step: float, dtype: np.dtype[Any], device: Device) -> Array:
    """`count` numbers, each `step` more than the one before; integers if `dtype` is.

    They are there at once, for all streams, as with all that is made from numbers; a recording gets the launch.
    """
    out = allocate(Array, device, dtype, (count,))
    if out._is_recorded():
        _write_sequence(out, start, step)
    else:
        with stream(Stream(device)):  # its own, so as to wait for nothing else
            _write_sequence(out, start, step)
        out._wait()
    return out


def _write_sequence(out: Array, start: float, step: float) -> None:
    dtype, library = out.dtype, kernels(out.device, "sequence")
    if dtype.kind in "iu":
        packed = _INTEGERS.pack(_wrapped(int(start)), _wrapped(int(step)))
        library[f"integers_{dtype.itemsize}"](out.view(UNSIGNED[dtype.itemsize]), packed)
    else:
        library[f"floats_{metal_name(dtype)}"](out, _SEQUENCE.pack(*_split(start), *_split(step)))


def _wrapped(value: int) -> int:
    """The bits of an integer of up to 64 bits as a signed one."""
    return (value + (1 << 63)) % (1 << 64) - (1 << 63)


def _split(value: float) -> tuple[float, float]:
    """A number as the sum of two of single precision."""
    first = float(np.float32(value))
    return first, float(np.float32(value - first)) if math.isfinite(first) else 0.0
