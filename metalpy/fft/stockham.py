"""One-dimensional transforms of rows, by the kernels of ``fft.metal``."""

from __future__ import annotations

import math
import struct
from functools import cache, lru_cache
from typing import NamedTuple

import numpy as np

from metalpy import dtypes
from metalpy._core.array import allocate
from metalpy._core.driver import Device
from metalpy.array import Array
from metalpy.mps.shader import ShaderLibrary, compile_file
from metalpy.ops.elementwise import contiguous
from metalpy.shader_files import shader_folder

__all__ = ["COMPLEX", "HERMITIAN", "REAL", "forget_tables", "transform"]

COMPLEX, REAL, HERMITIAN = range(3)  # NumberKind of shaders/fft.h

_TRANSFORM = struct.Struct("=10If21I")  # Transform of shaders/fft.h
_MAX_PASSES = 20
_LARGEST_PRIME = 31  # larger ones are left to convolutions
_ROOM = 2048  # numbers that a threadgroup's memory holds twice


@cache
def _library(device: Device) -> ShaderLibrary:
    return compile_file(shader_folder() / "fft.metal", math_mode="safe", device=device)


@cache
def _radices(length: int) -> tuple[int, ...] | None:
    """Radices whose product is `length`; None if one of them would be a large prime."""
    found: list[int] = []
    for radix in (8, 4, 2, *range(3, _LARGEST_PRIME + 1, 2)):
        while length % radix == 0:
            found.append(radix)
            length //= radix
    return tuple(found) if length == 1 and len(found) <= _MAX_PASSES else None


def _on_device(device: Device, host: np.ndarray) -> Array:
    made = allocate(Array, device, dtypes.complex64, host.shape)
    made._host()[...] = host
    return made


@lru_cache(16)
def _roots(device: Device, length: int) -> Array:
    """Powers of the first root of unity, rounded from float64; then those of each pass, for 32 lanes at least."""
    powers, done = [np.arange(length)], 1
    for radix in _radices(length) or ():
        step = length // (radix * done)
        powers.append((np.arange(1, radix)[:, None] * (np.arange(max(done, 32)) % done) * step).ravel())
        done *= radix
    return _on_device(device, np.exp(-2j * np.pi * np.concatenate(powers) / length))


class _Chirp(NamedTuple):
    padded: int
    chirp: Array
    transformed: Array  # of the conjugated chirp, over the padded length


@lru_cache(16)
def _chirp(device: Device, length: int) -> _Chirp:
    padded = next(n for n in range(2 * length - 1, 4 * length) if n % 8 == 0 and _is_smooth(n))
    squares = np.arange(length, dtype=np.uint64) ** 2 % (2 * length)
    chirp = np.exp(-1j * np.pi * squares.astype(np.float64) / length)
    around = np.zeros(padded, np.complex128)
    around[:length] = chirp.conj()
    around[padded - length + 1 :] = chirp[:0:-1].conj()
    return _Chirp(padded, _on_device(device, chirp), _on_device(device, np.fft.fft(around)))


def forget_tables() -> None:
    """Free the memory of roots of unity that are kept for the next transform of their length."""
    _roots.cache_clear()
    _chirp.cache_clear()


def _is_smooth(n: int) -> bool:
    for prime in (2, 3, 5):
        while n % prime == 0:
            n //= prime
    return n == 1


def transform(
    x: Array, axis: int, length: int, kinds: tuple[int, int], conjugated: tuple[bool, bool], scale: float
) -> Array:
    """The transform of length `length` along an axis, forward but for what conjugation makes of it.

    Parameters
    ----------
    x : Array
        Of float32 or complex64; cut off or continued by zeros.
    kinds : pair of {COMPLEX, REAL, HERMITIAN}
        What comes in: HERMITIAN is the first half of numbers that are conjugated at the mirrored place. What goes out:
        REAL drops the imaginary parts, HERMITIAN writes the first half.
    conjugated : pair of bool
        Whether what comes in and what goes out is conjugated.
    scale : float
        A factor.
    """
    device = x.device
    x = contiguous(x)
    extent = x.shape[axis]
    inner = math.prod(x.shape[axis + 1 :])
    rows = math.prod(x.shape[:axis]) * inner
    out_count = length // 2 + 1 if kinds[1] == HERMITIAN else length
    out_dtype = dtypes.float32 if kinds[1] == REAL else dtypes.complex64
    out = allocate(Array, device, out_dtype, (*x.shape[:axis], out_count, *x.shape[axis + 1 :]))
    if out.size == 0 or extent == 0:
        if out.size:
            out.fill(0)
        return out
    radices = _radices(length)
    facts = _TRANSFORM.pack(
        length, rows, inner, extent, min(extent, length // 2 + 1 if kinds[0] == HERMITIAN else length), out_count,
        kinds[0], REAL if kinds[1] == REAL else COMPLEX, *conjugated, scale,
        len(radices or ()), *(radices or ()), *[0] * (_MAX_PASSES - len(radices or ())),
    )  # fmt: skip
    source, target = x.view(dtypes.float32).reshape(-1), out.view(dtypes.float32).reshape(-1)
    library = _library(device)
    if radices is None:
        chirp = _chirp(device, length)
        padded, factor = chirp.padded, chirp.chirp
        work = allocate(Array, device, dtypes.complex64, (rows, padded))
        facts = _TRANSFORM.pack(*_TRANSFORM.unpack(facts)[:10], scale / padded, *[0] * 21)
        library.fft_load(work, source, factor, facts, padded, threads=(padded, rows))
        work = _forward(work, padded)
        library.fft_convolve(work, chirp.transformed, padded, threads=(padded, rows))
        library.fft_store(target, _forward(work, padded), factor, facts, padded, threads=(out_count, rows))
    elif length <= _ROOM:
        _launch_rows(library, target, source, _roots(device, length), facts, rows, length)
    else:
        work = allocate(Array, device, dtypes.complex64, (rows, length))
        library.fft_load(work, source, work, facts, length, threads=(length, rows))
        work = _forward(work, length)
        library.fft_store(target, work, work, facts, length, threads=(out_count, rows))
    return out


def _launch_rows(
    library: ShaderLibrary, target: Array, source: Array, roots: Array, facts: bytes, rows: int, length: int
) -> None:
    each = max(1, min(rows, 256 // length))
    width = 32 if target.device.driver == "software" else min(256, max(32, each * length // 4))
    library.fft_rows(
        target, source, roots, facts, each, groups=-(-rows // each), group_size=width,
        threadgroup_memory={0: 16 * each * length},
    )  # fmt: skip


def _forward(work: Array, length: int) -> Array:
    """The transforms of rows of complex numbers, by a launch for each pass; `work` is overwritten."""
    library, roots = _library(work.device), _roots(work.device, length)
    other = allocate(Array, work.device, work.dtype, work.shape)
    rows, done = work.shape[0], 1
    for radix in _radices(length) or ():
        if radix in (2, 3, 4, 5, 8):
            library[f"fft_pass_{radix}"](other, work, roots, length, done, threads=(length // radix, rows))
        else:
            library.fft_pass_any(other, work, roots, length, done, radix, threads=(length, rows))
        work, other, done = other, work, done * radix
    return work
