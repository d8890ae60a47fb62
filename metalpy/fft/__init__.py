"""Fourier transforms of arrays: the ``fft`` extension of the Python array API, computed on the device.

Transforms have any length and are made in complex64; real numbers of other types are taken as float32. Nothing waits.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from metalpy import dtypes
from metalpy.array import Array
from metalpy.autograd.tape import primitive
from metalpy.creation import DeviceLike, array
from metalpy.fft.stockham import COMPLEX, HERMITIAN, REAL, transform
from metalpy.functions.manipulation import roll

__all__ = [
    "fft",
    "fftfreq",
    "fftn",
    "fftshift",
    "hfft",
    "ifft",
    "ifftn",
    "ifftshift",
    "ihfft",
    "irfft",
    "irfftn",
    "rfft",
    "rfftfreq",
    "rfftn",
]

Norm: TypeAlias = Literal["backward", "ortho", "forward"]


def _given(name: str, x: Any, real: bool = False) -> Array:
    if not isinstance(x, Array):
        raise TypeError(f"{name} takes arrays, got {type(x).__name__}")
    if x.dtype.kind not in "biufc" and x.dtype.name != "bfloat16":
        raise TypeError(f"{name} takes arrays of numbers, got {x.dtype}")
    if x.dtype.kind == "c":
        if real:
            raise TypeError(f"{name} takes arrays of real numbers, got {x.dtype}")
        return x
    return x.astype(dtypes.float32, copy=False)


def _scale(norm: str, length: int, forward: bool) -> float:
    if norm not in ("backward", "ortho", "forward"):
        raise ValueError(f"norm is 'backward', 'ortho' or 'forward', got {norm!r}")
    if norm == "ortho":
        return 1 / math.sqrt(length)
    return 1 / length if forward == (norm == "forward") else 1.0


def _length(n: int | None, otherwise: int) -> int:
    length = otherwise if n is None else operator.index(n)
    if length < 1:
        raise ValueError(f"a transform has a length of 1 or more, got {length}")
    return length


def _single(
    name: str, x: Any, n: int | None, axis: int, norm: str, kinds: tuple[int, int], conjugated: tuple[bool, bool],
    forward: bool,
) -> Array:  # fmt: skip
    x = _given(name, x, real=kinds[0] == REAL)
    axis = normalize_axis_index(axis, x.ndim)
    extent = x.shape[axis]
    length = _length(n, 2 * (extent - 1) if kinds[0] == HERMITIAN else extent)
    return _along(x, axis, length, kinds, conjugated, _scale(norm, length, forward))


def _along(
    x: Array, axis: int, length: int, kinds: tuple[int, int], conjugated: tuple[bool, bool], scale: float
) -> Array:
    if kinds[0] == COMPLEX and x.dtype.kind != "c":
        kinds = (REAL, kinds[1])
    elif kinds[0] == HERMITIAN:
        x = x.astype(dtypes.complex64, copy=False)
    return transform(x, axis, length, kinds, conjugated, scale)


@primitive
def fft(x: Array, /, *, n: int | None = None, axis: int = -1, norm: Norm = "backward") -> Array:
    """The discrete Fourier transform along an axis.

    Parameters
    ----------
    x : Array
    n : int, optional
        Length of the transform: `x` is cut off, or continued by zeros. By default the extent of the axis.
    axis : int
    norm : {"backward", "ortho", "forward"}
        Which direction is divided by the length; "ortho" divides both by its root.

    Returns
    -------
    Array
        Of complex64.

    Raises
    ------
    IndexError
        If there is no such axis.
    ValueError
        If `n` is less than 1, or there is no such `norm`.
    """
    return _single("fft", x, n, axis, norm, (COMPLEX, COMPLEX), (False, False), True)


@primitive
def ifft(x: Array, /, *, n: int | None = None, axis: int = -1, norm: Norm = "backward") -> Array:
    """The inverse of `fft`, with its parameters."""
    return _single("ifft", x, n, axis, norm, (COMPLEX, COMPLEX), (True, True), False)


@primitive
def rfft(x: Array, /, *, n: int | None = None, axis: int = -1, norm: Norm = "backward") -> Array:
    """The first ``n // 2 + 1`` numbers of the transform of real numbers; parameters as for `fft`."""
    return _single("rfft", x, n, axis, norm, (REAL, HERMITIAN), (False, False), True)


@primitive
def irfft(x: Array, /, *, n: int | None = None, axis: int = -1, norm: Norm = "backward") -> Array:
    """The inverse of `rfft`: real numbers, by default ``2 * (m - 1)`` for m given ones. Parameters as for `fft`."""
    return _single("irfft", x, n, axis, norm, (HERMITIAN, REAL), (True, False), False)


@primitive
def hfft(x: Array, /, *, n: int | None = None, axis: int = -1, norm: Norm = "backward") -> Array:
    """The transform, which is real, of numbers with Hermitian symmetry, of which the first half is given.

    Parameters are those of `fft`; by default the length is ``2 * (m - 1)`` for m given numbers.
    """
    return _single("hfft", x, n, axis, norm, (HERMITIAN, REAL), (False, False), True)


@primitive
def ihfft(x: Array, /, *, n: int | None = None, axis: int = -1, norm: Norm = "backward") -> Array:
    """The inverse of `hfft`: the first ``n // 2 + 1`` numbers, from real ones. Parameters as for `fft`."""
    return _single("ihfft", x, n, axis, norm, (REAL, HERMITIAN), (False, True), False)


def _lengths(
    x: Array, s: Sequence[int] | None, axes: Sequence[int] | None, halved: bool = False
) -> tuple[list[int], list[int]]:
    if axes is None:
        chosen = list(range(x.ndim)) if s is None else list(range(x.ndim - len(s), x.ndim))
    else:
        chosen = list(normalize_axis_tuple(axes, x.ndim, "axes"))
    if s is not None and len(s) != len(chosen):
        raise ValueError(f"there are {len(s)} lengths for {len(chosen)} axes")
    if s is not None and len(s) > x.ndim:
        raise ValueError(f"there are {len(s)} lengths for an array of {x.ndim} axes")
    lengths = [x.shape[axis] for axis in chosen] if s is None else [operator.index(n) for n in s]
    if halved and s is None and lengths:
        lengths[-1] = 2 * (lengths[-1] - 1)
    for place, length in enumerate(lengths):
        lengths[place] = _length(x.shape[chosen[place]] if length == -1 else length, 1)
    return chosen, lengths


def _several(name: str, x: Any, s: Sequence[int] | None, axes: Sequence[int] | None, norm: str, forward: bool) -> Array:
    x = _given(name, x)
    chosen, lengths = _lengths(x, s, axes)
    for axis, length in zip(chosen[::-1], lengths[::-1], strict=True):
        x = _along(x, axis, length, (COMPLEX, COMPLEX), (not forward, not forward), _scale(norm, length, forward))
    result: Array = x.astype(dtypes.complex64, copy=False)
    return result


@primitive
def fftn(
    x: Array, /, *, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: Norm = "backward"
) -> Array:
    """The discrete Fourier transform along several axes.

    Parameters
    ----------
    x : Array
    s : sequence of int, optional
        Length along each of `axes`; by default their extents.
    axes : sequence of int, optional
        By default all, or the last ones if `s` is given.
    norm : {"backward", "ortho", "forward"}
        As for `fft`.
    """
    return _several("fftn", x, s, axes, norm, True)


@primitive
def ifftn(
    x: Array, /, *, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: Norm = "backward"
) -> Array:
    """The inverse of `fftn`, with its parameters."""
    return _several("ifftn", x, s, axes, norm, False)


@primitive
def rfftn(
    x: Array, /, *, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: Norm = "backward"
) -> Array:
    """The transform of real numbers along several axes, `rfft` along the last of them; parameters as for `fftn`."""
    x = _given("rfftn", x, real=True)
    chosen, lengths = _lengths(x, s, axes)
    if not chosen:
        raise ValueError("rfftn needs an axis")
    scale = _scale(norm, lengths[-1], True)
    x = _along(x, chosen[-1], lengths[-1], (REAL, HERMITIAN), (False, False), scale)
    return _several("rfftn", x, lengths[:-1], chosen[:-1], norm, True)


@primitive
def irfftn(
    x: Array, /, *, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: Norm = "backward"
) -> Array:
    """The inverse of `rfftn`, with its parameters; the last length is by default ``2 * (m - 1)``."""
    x = _given("irfftn", x)
    chosen, lengths = _lengths(x, s, axes, halved=True)
    if not chosen:
        raise ValueError("irfftn needs an axis")
    x = _several("irfftn", x, lengths[:-1], chosen[:-1], norm, False)
    return _along(x, chosen[-1], lengths[-1], (HERMITIAN, REAL), (True, False), _scale(norm, lengths[-1], False))


def _frequencies(name: str, host: np.ndarray, dtype: Any, device: DeviceLike) -> Array:
    wanted = dtypes.float32 if dtype is None else dtypes.as_dtype(dtype)
    if wanted.kind != "f" and wanted.name != "bfloat16":
        raise TypeError(f"{name} gives floats, not {wanted}")
    return array(host, wanted, device=device)


def fftfreq(n: int, /, *, d: float = 1.0, dtype: Any = None, device: DeviceLike = None) -> Array:
    """The frequencies of the numbers of a transform of length `n`, for samples at a distance of `d`."""
    return _frequencies("fftfreq", np.fft.fftfreq(operator.index(n), d), dtype, device)


def rfftfreq(n: int, /, *, d: float = 1.0, dtype: Any = None, device: DeviceLike = None) -> Array:
    """The frequencies of the numbers of `rfft` of length `n`, for samples at a distance of `d`."""
    return _frequencies("rfftfreq", np.fft.rfftfreq(operator.index(n), d), dtype, device)


def _rolled(name: str, x: Any, axes: int | Sequence[int] | None, direction: int) -> Array:
    if not isinstance(x, Array):
        raise TypeError(f"{name} takes arrays, got {type(x).__name__}")
    chosen = tuple(range(x.ndim)) if axes is None else normalize_axis_tuple(axes, x.ndim, "axes")
    return roll(x, tuple(direction * (x.shape[axis] // 2) for axis in chosen), axis=chosen)


def fftshift(x: Array, /, *, axes: int | Sequence[int] | None = None) -> Array:
    """Frequency 0 in the middle of `axes`, by default of all, instead of in front."""
    return _rolled("fftshift", x, axes, 1)


def ifftshift(x: Array, /, *, axes: int | Sequence[int] | None = None) -> Array:
    """The inverse of `fftshift`."""
    return _rolled("ifftshift", x, axes, -1)
