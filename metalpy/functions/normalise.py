"""Softmax, its logarithm, and the logarithm of a sum of exponentials: without overflow in between."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np

from metalpy import dtypes
from metalpy._core.array import allocate
from metalpy._core.driver import Device
from metalpy.array import Array
from metalpy.autograd.tape import primitive
from metalpy.creation import full
from metalpy.mps.shader import ShaderLibrary, compile_file
from metalpy.ops.elementwise import contiguous
from metalpy.ops.reduction import LOG, Axis, Recipe, check_array, kept_shape, normal_axes, normal_axis, reduce
from metalpy.ops.types import is_real_float, metal_name
from metalpy.shader_files import shader_folder

__all__ = ["log_softmax", "logsumexp", "softmax"]

_LONG = 4096  # elements of a row that several simdgroups share


@primitive
def logsumexp(x: Array, /, axis: Axis = None, *, keepdims: bool = False) -> Array:
    """Logarithm of the sum of the exponentials of the elements along axes.

    Parameters
    ----------
    x : Array
        Of real floats.
    axis : int or sequence of int, optional
        The axes; all if None.
    keepdims : bool
        Keep the axes, with extent 1.

    Returns
    -------
    Array
        -inf where there are no elements.

    Raises
    ------
    numpy.exceptions.AxisError
        If there is no such axis; it is an IndexError and a ValueError.
    TypeError
        If `x` is not of real floats.
    """
    _check_float("logsumexp", x)
    return _logsumexp(x, normal_axes(axis, x.ndim), keepdims, x.dtype)


@primitive
def softmax(x: Array, /, axis: int = -1) -> Array:
    """Exponentials of the elements over their sum along an axis.

    Parameters
    ----------
    x : Array
        Of real floats.
    axis : int

    Raises
    ------
    numpy.exceptions.AxisError
        If there is no such axis; it is an IndexError and a ValueError.
    TypeError
        If `x` is not of real floats.
    """
    return _softmax("softmax", x, axis, False)


@primitive
def log_softmax(x: Array, /, axis: int = -1) -> Array:
    """Logarithms of what `softmax` gives; all as there."""
    return _softmax("log_softmax", x, axis, True)


def _check_float(name: str, x: Any) -> None:
    if not is_real_float(check_array(name, x).dtype):
        raise TypeError(f"{name} takes an array of real floats, got {x.dtype}")


def _logsumexp(x: Array, axes: tuple[int, ...], keepdims: bool, result: np.dtype[Any]) -> Array:
    if 0 in x.shape:
        return full(kept_shape(x.shape, axes, keepdims), -math.inf, result, x.device)
    greatest = reduce(x, axes, keepdims, Recipe("Value", "Maximum"), dtypes.float32, dtypes.float32)
    return reduce(x, axes, keepdims, Recipe("Exponential", "Add", LOG), dtypes.float32, result, greatest)


def _softmax(name: str, x: Array, axis: int, wants_log: bool) -> Array:
    _check_float(name, x)
    at = normal_axis(axis, x.ndim)
    out = allocate(Array, x.device, x.dtype, x.shape)
    if not out.size:
        return out
    library, source = _library(x.device, x.dtype), contiguous(x)
    length, inner = x.shape[at], math.prod(x.shape[at + 1 :])
    outer = x.size // (length * inner)
    if inner == 1 and length <= _LONG:
        together = 1 if outer <= 128 else 4
        library.rows(out, source, outer, length, wants_log, groups=-(-outer // together), group_size=32 * together)
    else:
        logs = _logsumexp(source, (at,), False, dtypes.float32)
        library.scaled(out, source, logs, wants_log, threads=(inner, length, outer))
    return out


@cache
def _library(device: Device, dtype: np.dtype[Any]) -> ShaderLibrary:
    defines = {"ELEMENT": metal_name(dtype)}
    return compile_file(shader_folder() / "softmax.metal", defines=defines, math_mode="safe", device=device)
