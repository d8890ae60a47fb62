"""Operations of several kernels, under the counterpart's names and signatures: variance and group normalisation."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from functools import cache
from typing import Any

from metalpy import dtypes
from metalpy._core.driver import Device
from metalpy.array import Array
from metalpy.autograd.tape import primitive
from metalpy.creation import empty, full
from metalpy.mps.shader import ShaderLibrary, compile_file
from metalpy.ops.elementwise import contiguous
from metalpy.ops.types import is_real_float, metal_name
from metalpy.shader_files import shader_folder

__all__ = ["native_group_norm", "native_group_norm_backward", "var_mean"]

_WIDEST = 256  # threads that add up a row
_GROUPS = struct.Struct("=5If")  # Groups of shaders/norms.metal


@cache
def _library(device: Device) -> ShaderLibrary:
    return compile_file(shader_folder() / "norms.metal", math_mode="safe", device=device)


def _kernel(name: str, x: Array) -> Any:
    return _library(x.device)[f"{name}_{metal_name(x.dtype)}"]


def _check_float(name: str, *arrays: Array | None) -> None:
    given = [x for x in arrays if x is not None]
    for x in given:
        if not isinstance(x, Array):
            raise TypeError(f"{name} takes arrays, got {type(x).__name__}")
        if not is_real_float(x.dtype):
            raise TypeError(f"{name} takes arrays of floats, got {x.dtype}")
        if x.dtype != given[0].dtype or x.device is not given[0].device:
            raise TypeError(f"{name} takes arrays of one dtype and device, got {x.dtype} on {x.device} "
                            f"beside {given[0].dtype} on {given[0].device}")  # fmt: skip


def _launch_rows(kernel: Any, rows: int, length: int, *arguments: Any) -> None:
    """A threadgroup for each row, of as many threads as have something to do."""
    kernel(*arguments, groups=rows, group_size=min(_WIDEST, max(32, -(-length // 32) * 32)))


def _axes(dim: int | Sequence[int] | None, ndim: int) -> tuple[int, ...]:
    if dim is None:
        return tuple(range(ndim))
    wanted = (dim,) if isinstance(dim, int) else tuple(dim)
    for axis in wanted:
        if not -ndim <= axis < ndim:
            raise IndexError(f"axis {axis} is out of bounds for an array with {ndim} axes")
    axes = tuple(axis % ndim for axis in wanted)
    if len(set(axes)) != len(axes):
        raise ValueError(f"an axis is named twice in {wanted}")
    return tuple(sorted(axes)) or tuple(range(ndim))


@primitive
def var_mean(
    input: Array, dim: int | Sequence[int] | None = None, *, correction: float | None = None, keepdim: bool = False
) -> tuple[Array, Array]:
    """Variance and mean along some axes.

    Parameters
    ----------
    input : Array
        Of floats.
    dim : int or sequence of int, optional
        The axes; all if None or empty.
    correction : number, optional
        What the number of elements is lowered by in the divisor of the variance; 1 if None.
    keepdim : bool
        Keep the axes, with extent 1.

    Returns
    -------
    variance, mean : Array
        NaN where there are no elements; the variance is not finite where the divisor is 0 or less.
    """
    _check_float("var_mean", input)
    axes = _axes(dim, input.ndim)
    kept = [axis for axis in range(input.ndim) if axis not in axes]
    shape = tuple(input.shape[axis] for axis in kept)
    kept_shape = tuple(1 if axis in axes else extent for axis, extent in enumerate(input.shape))
    length = math.prod(input.shape[axis] for axis in axes)
    out_shape = kept_shape if keepdim else shape
    if length == 0:
        variance, mean = (full(out_shape, math.nan, input.dtype, input.device) for _ in range(2))
        return variance, mean
    variance, mean = (empty(out_shape, input.dtype, input.device) for _ in range(2))
    if variance.size:
        divisor = max(0.0, length - (1 if correction is None else correction))
        rows = contiguous(input.transpose(*kept, *axes))
        _launch_rows(_kernel("moments", input), variance.size, length, variance, mean, rows, length, divisor)
    return variance, mean


def _check_groups(name: str, input: Array, weight: Array | None, bias: Array | None, sizes: Sequence[int]) -> None:
    examples, channels, area, groups = sizes
    if groups < 1 or channels % groups:
        raise ValueError(f"{name}: {channels} channels cannot be split into {groups} groups")
    if input.size != examples * channels * area:
        raise ValueError(f"{name}: an array of shape {input.shape} has not {examples} x {channels} x {area} elements")
    for what, x in (("weight", weight), ("bias", bias)):
        if x is not None and x.size != channels:
            raise ValueError(f"{name}: {what} has {x.size} elements, there are {channels} channels")


@primitive
def native_group_norm(
    input: Array, weight: Array | None, bias: Array | None, N: int, C: int, HxW: int, group: int, eps: float
) -> tuple[Array, Array, Array]:
    """Normalise each group of channels to mean 0 and variance 1, then scale and shift each channel.

    Parameters
    ----------
    input : Array
        `N` examples of `C` channels of `HxW` elements.
    weight, bias : Array or None
        For each channel.
    group : int
        Groups, into which the channels are split evenly.
    eps : float
        Added to the variance.

    Returns
    -------
    out, mean, rstd : Array
        The result; mean and one over the deviation of each group, of shape ``(N, group)``.
    """
    _check_float("native_group_norm", input, weight, bias)
    _check_groups("native_group_norm", input, weight, bias, (N, C, HxW, group))
    device = input.device
    out = empty(input.shape, input.dtype, device)
    mean, rstd = (empty((N, group), input.dtype, device) for _ in range(2))
    if N == 0:
        return out, mean, rstd
    if input.size == 0:
        mean.fill(0)
        rstd.fill(math.nan)
        return out, mean, rstd
    x = contiguous(input)
    exact_variance, exact_mean = (empty((N, group), dtypes.float32, device) for _ in range(2))
    length = C // group * HxW
    facts = _GROUPS.pack(C, group, HxW, weight is not None, bias is not None, eps)
    _launch_rows(
        _kernel("exact_moments", x), N * group, length, exact_variance, exact_mean, x, length, float(length)
    )  # fmt: skip
    _kernel("group_statistics", x)(mean, rstd, exact_mean, exact_variance, facts)
    scale = x if weight is None else contiguous(weight)
    shift = x if bias is None else contiguous(bias)
    _kernel("group_norm", x)(out, x, exact_mean, exact_variance, scale, shift, facts)
    return out, mean, rstd


@primitive
def native_group_norm_backward(
    grad_out: Array, input: Array, mean: Array, rstd: Array, weight: Array | None, N: int, C: int, HxW: int,
    group: int, output_mask: Sequence[bool] = (True, True, True),
) -> tuple[Array | None, Array | None, Array | None]:  # fmt: skip
    """The gradients of `native_group_norm` with respect to input, weight and bias.

    Parameters
    ----------
    grad_out : Array
        The gradient with respect to its result.
    input, weight, N, C, HxW, group
        As they were given to it.
    mean, rstd : Array
        As they came from it.
    output_mask : sequence of 3 bools
        Which of the gradients are wanted; None takes the place of the others.
    """
    name = "native_group_norm_backward"
    _check_float(name, grad_out, input, mean, rstd, weight)
    _check_groups(name, input, weight, None, (N, C, HxW, group))
    _check_groups(name, grad_out, None, None, (N, C, HxW, group))
    if mean.size != N * group or rstd.size != N * group:
        raise ValueError(f"{name}: mean and rstd have {N} x {group} elements, got {mean.shape} and {rstd.shape}")
    device, dtype = input.device, input.dtype
    wants_input, wants_weight, wants_bias = output_mask
    of_input = empty(input.shape, dtype, device) if wants_input else None
    of_weight, of_bias = (empty(C, dtype, device) for _ in range(2))
    if input.size == 0:
        of_weight.fill(0)
        of_bias.fill(0)
    else:
        gradient, x, mean, rstd = (contiguous(entry) for entry in (grad_out, input, mean, rstd))
        scale = x if weight is None else contiguous(weight)
        facts = _GROUPS.pack(C, group, HxW, weight is not None, False, 0.0)
        products, sums = (empty((N, C), dtypes.float32, device) for _ in range(2))
        _launch_rows(_kernel("channel_sums", x), N * C, HxW, products, sums, gradient, x, facts)
        if of_input is not None:
            coefficients = empty((N, group), dtypes.complex64, device)
            _kernel("group_coefficients", x)(coefficients, products, sums, mean, rstd, scale, facts)
            _kernel("input_gradient", x)(of_input, gradient, x, rstd, scale, coefficients, facts)
        if wants_weight or wants_bias:
            _kernel("parameter_gradients", x)(of_weight, of_bias, products, sums, mean, rstd, facts, N, threads=C)
    return of_input, of_weight if wants_weight else None, of_bias if wants_bias else None
