"""Functions that make images larger: transposed convolutions, interpolation, shuffled pixels."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import metalpy as mp
from metalpy.array import Array
from metalpy.ops.windows import Pair, fold, pair

__all__ = ["conv_transpose1d", "conv_transpose2d", "interpolate", "pixel_shuffle"]


def conv_transpose2d(
    x: Array, weight: Array, bias: Array | None = None, stride: Pair = 1, padding: Pair = 0, output_padding: Pair = 0,
    groups: int = 1, dilation: Pair = 1,
) -> Array:  # fmt: skip
    """The gradient of `conv2d` with respect to its images, as a function: each element spreads over a window.

    Parameters
    ----------
    x : Array
        ``(N, C, H, W)``.
    weight : Array
        ``(C, out / groups, height, width)``.
    bias : Array, optional
        ``(out,)``.
    stride, padding, dilation : int or pair of int
        As `conv2d` has them: padding cuts off.
    output_padding : int or pair of int
        What is added to the extents of the result, below the stride.
    groups : int

    Returns
    -------
    Array
        ``(N, out, H', W')`` with ``H' = (H - 1) stride - 2 padding + dilation (height - 1) + output_padding + 1``.

    Raises
    ------
    ValueError
        If shapes do not fit.
    """
    if x.ndim != 4 or weight.ndim != 4:
        raise ValueError(f"conv_transpose2d takes images (N, C, H, W) and weights (C, out / groups, height, width), "
                         f"got shapes {x.shape} and {weight.shape}")  # fmt: skip
    channels = x.shape[1]
    if groups < 1 or channels % groups or weight.shape[0] != channels:
        raise ValueError(f"conv_transpose2d of {channels} channels in {groups} groups does not fit weights of shape "
                         f"{weight.shape}")  # fmt: skip
    window = (weight.shape[2], weight.shape[3])
    steps, edges, more, spread = (pair(value) for value in (stride, padding, output_padding, dilation))
    if any(not 0 <= more[n] < steps[n] for n in range(2)):
        raise ValueError(f"output_padding is 0 or more and below the stride {steps}, got {more}")
    rows, columns = (
        (x.shape[2 + n] - 1) * steps[n] - 2 * edges[n] + spread[n] * (window[n] - 1) + more[n] + 1 for n in range(2)
    )
    filters = weight.reshape((groups, channels // groups, -1))
    parts = mp.matrix_transpose(filters) @ x.reshape((x.shape[0], groups, channels // groups, -1))
    parts = parts.reshape((x.shape[0], groups * filters.shape[2], -1))
    result = fold(parts, (rows, columns), window, stride, padding, dilation)
    return result if bias is None else result + bias.reshape((1, -1, 1, 1))


def conv_transpose1d(
    x: Array, weight: Array, bias: Array | None = None, stride: int = 1, padding: int = 0, output_padding: int = 0,
    groups: int = 1, dilation: int = 1,
) -> Array:  # fmt: skip
    """As `conv_transpose2d`, of ``(N, C, L)`` with weights ``(C, out / groups, length)``."""
    if x.ndim != 3 or weight.ndim != 3:
        raise ValueError(f"conv_transpose1d takes signals (N, C, L) and weights (C, out / groups, length), got shapes "
                         f"{x.shape} and {weight.shape}")  # fmt: skip
    options = ((1, stride), (0, padding), (0, output_padding), groups, (1, dilation))
    return conv_transpose2d(x[:, :, None, :], weight[:, :, None, :], bias, *options)[:, :, 0, :]


def interpolate(
    x: Array, size: Any = None, scale_factor: Any = None, mode: str = "nearest", align_corners: bool = False
) -> Array:
    """Images ``(N, C, H, W)`` or signals ``(N, C, L)`` with other extents.

    Parameters
    ----------
    x : Array
    size : int or sequence of int, optional
        The new extents.
    scale_factor : float or sequence of float, optional
        Or by how much they grow.
    mode : {"nearest", "linear", "bilinear"}
        The element at the place, or the mean of those around it, weighted by distance: linear for signals, bilinear for
        images.
    align_corners : bool
        The middles of the outermost elements stay where they are, not their edges.

    Raises
    ------
    ValueError
        If there is no such mode for the axes of `x`, or not just one of `size` and `scale_factor` is given.
    """
    if x.ndim not in (3, 4) or mode not in ("nearest", "linear" if x.ndim == 3 else "bilinear"):
        raise ValueError(f"interpolate takes signals with mode 'nearest' or 'linear', and images with 'nearest' or "
                         f"'bilinear', got shape {x.shape} and {mode!r}")  # fmt: skip
    if (size is None) == (scale_factor is None):
        raise ValueError("interpolate takes one of size and scale_factor")
    for place, axis in enumerate(range(2, x.ndim)):
        wanted = size if scale_factor is None else scale_factor
        wanted = wanted if isinstance(wanted, (int, float)) else wanted[place]
        count = int(wanted if scale_factor is None else math.floor(x.shape[axis] * wanted))
        step = x.shape[axis] / count if scale_factor is None else 1 / wanted
        if mode == "nearest":
            places = np.minimum(np.arange(count) * np.float32(step), x.shape[axis] - 1).astype(np.int32)
            x = mp.take(x, mp.array(places, device=x.device), axis=axis)
        else:
            weights = mp.asarray(_weights(x.shape[axis], count, step, align_corners), dtype=x.dtype, device=x.device)
            x = weights @ x if axis == 2 and x.ndim == 4 else x @ weights.T
    return x


def _weights(extent: int, count: int, step: float, align_corners: bool) -> np.ndarray:
    """What each of `count` new elements has of the old ones."""
    if align_corners:
        places = np.arange(count) * ((extent - 1) / (count - 1) if count > 1 else 0.0)
    else:
        places = np.maximum((np.arange(count) + 0.5) * step - 0.5, 0)
    first = np.minimum(places.astype(int), extent - 1)
    share = places - first
    host = np.zeros((count, extent))
    np.add.at(host, (np.arange(count), first), 1 - share)
    np.add.at(host, (np.arange(count), np.minimum(first + 1, extent - 1)), share)
    return host


def pixel_shuffle(x: Array, upscale_factor: int) -> Array:
    """Images ``(..., C r r, H, W)`` as ``(..., C, H r, W r)``, where r is `upscale_factor`."""
    factor = upscale_factor
    if x.ndim < 3 or factor < 1 or x.shape[-3] % (factor * factor):
        raise ValueError(
            f"pixel_shuffle by {factor} takes a multiple of {factor * factor} channels, got shape {x.shape}"
        )
    *batch, channels, rows, columns = x.shape
    parts = x.reshape((-1, channels // factor**2, factor, factor, rows, columns)).transpose(0, 1, 4, 2, 5, 3)
    return parts.reshape((*batch, channels // factor**2, rows * factor, columns * factor))
