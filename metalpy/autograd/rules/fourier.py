"""Rules of Fourier transforms: the transposed one goes the other way, divided where this one is not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import metalpy as mp
from metalpy.array import Array
from metalpy.autograd.rules.table import rule

_OTHER = {"backward": "forward", "forward": "backward", "ortho": "ortho"}


def _resized(x: Array, axis: int, extent: int) -> Array:
    """With another extent along an axis: cut, or with zeros behind."""
    axis %= x.ndim
    before = (slice(None),) * axis
    if x.shape[axis] >= extent:
        return x[(*before, slice(extent))]
    missing = (*x.shape[:axis], extent - x.shape[axis], *x.shape[axis + 1 :])
    return mp.concat([x, mp.zeros(missing, dtype=x.dtype, device=x.device)], axis=axis)


@rule("fft")
def _fft(g: Array, y: Array, x: Array, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Any:
    return _resized(mp.fft.ifft(g, axis=axis, norm=_OTHER[norm]), axis, x.shape[axis])  # type: ignore[arg-type]


@rule("ifft")
def _ifft(g: Array, y: Array, x: Array, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Any:
    return _resized(mp.fft.fft(g, axis=axis, norm=_OTHER[norm]), axis, x.shape[axis])  # type: ignore[arg-type]


@rule("rfft")
def _rfft(g: Array, y: Array, x: Array, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Any:
    length = x.shape[axis] if n is None else n
    whole = mp.fft.ifft(_resized(g, axis, length), axis=axis, norm=_OTHER[norm])  # type: ignore[arg-type]
    return _resized(mp.real(whole), axis, x.shape[axis])


@rule("irfft")
def _irfft(g: Array, y: Array, x: Array, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Any:
    # Each number but the first, and the last of an even length, stands for two.
    length = y.shape[axis]
    half = mp.fft.rfft(g, axis=axis, norm=_OTHER[norm])  # type: ignore[arg-type]
    places = mp.arange(half.shape[axis], device=x.device)
    single = (places == 0) | (2 * places == length)
    weights = mp.where(single, 1.0, 2.0).reshape((-1,) + (1,) * (x.ndim - 1 - axis % x.ndim))
    return _resized(half * weights, axis, x.shape[axis])


@rule("hfft")
def _hfft(g: Array, y: Array, x: Array, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Any:
    # The numbers given are the conjugate ones of those that irfft would take for these results.
    return mp.conj(_irfft(g, y, x, n=n, axis=axis, norm=_OTHER[norm]))


@rule("ihfft")
def _ihfft(g: Array, y: Array, x: Array, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Any:
    return _rfft(mp.conj(g), y, x, n=n, axis=axis, norm=_OTHER[norm])


def _axes(x: Array, s: Sequence[int] | None, axes: Sequence[int] | None) -> list[int]:
    if axes is not None:
        return [axis % x.ndim for axis in axes]
    return list(range(x.ndim)) if s is None else list(range(x.ndim - len(s), x.ndim))


def _several(g: Array, x: Array, axes: Sequence[int], norm: str, inverse: bool) -> Array:
    """The transposed transforms along axes, cut or continued to the extents of `x`."""
    back = mp.fft.fft if inverse else mp.fft.ifft
    for axis in axes:
        g = _resized(back(g, axis=axis, norm=_OTHER[norm]), axis, x.shape[axis])  # type: ignore[arg-type]
    return g


@rule("fftn")
def _fftn(
    g: Array, y: Array, x: Array, *, s: Sequence[int] | None = None, axes: Sequence[int] | None = None,
    norm: str = "backward",
) -> Any:  # fmt: skip
    return _several(g, x, _axes(x, s, axes), norm, False)


@rule("ifftn")
def _ifftn(
    g: Array, y: Array, x: Array, *, s: Sequence[int] | None = None, axes: Sequence[int] | None = None,
    norm: str = "backward",
) -> Any:  # fmt: skip
    return _several(g, x, _axes(x, s, axes), norm, True)


@rule("rfftn")
def _rfftn(
    g: Array, y: Array, x: Array, *, s: Sequence[int] | None = None, axes: Sequence[int] | None = None,
    norm: str = "backward",
) -> Any:  # fmt: skip
    chosen = _axes(x, s, axes)
    length = None if s is None or s[-1] == -1 else s[-1]
    return _rfft(_several(g, x, chosen[:-1], norm, False), y, x, n=length, axis=chosen[-1], norm=norm)


@rule("irfftn")
def _irfftn(
    g: Array, y: Array, x: Array, *, s: Sequence[int] | None = None, axes: Sequence[int] | None = None,
    norm: str = "backward",
) -> Any:  # fmt: skip
    chosen = _axes(x, s, axes)
    half = _irfft(g, y, x, axis=chosen[-1], norm=norm)
    return _several(half, x, chosen[:-1], norm, True)
