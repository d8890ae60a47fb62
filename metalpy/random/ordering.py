"""Permutations and choices, out of a generator's draws."""

from __future__ import annotations

import math
import operator
import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from metalpy.array import Array
from metalpy.creation import array, checked_shape, empty
from metalpy.dtypes import int64, uint32
from metalpy.ops.types import UNSIGNED
from metalpy.random.kernels import draw_blocks, library, packed

if TYPE_CHECKING:
    from metalpy.random.generator import Generator

__all__ = ["choice", "permutation", "shuffle"]

# The numbers depend on these: they are part of what a seed means.
BUCKET = 2048  # elements that a bucket has on average, if there are not too many buckets
MAX_BUCKETS = 1024
CHUNK = 4096  # elements that a thread deals, if there are not too many threads
MAX_CHUNKS = 1024

_DEAL = struct.Struct("=4I")  # Deal of shaders/shuffle.h
_PLACES = struct.Struct("=3Q")  # Places


def permutation(generator: Generator, x: Any, axis: int = 0) -> Array:
    """See `Generator.permutation`."""
    if _is_integer(x):
        return _indices(generator, operator.index(x))
    source = x if isinstance(x, Array) else array(x, device=generator.device)
    at = _axis(source, axis)
    return _taken(source, _indices(generator, source.shape[at]), at)


def shuffle(generator: Generator, x: Array, axis: int = 0) -> None:
    """See `Generator.shuffle`."""
    if not isinstance(x, Array):
        raise TypeError(f"shuffle works on a metalpy.Array in place, not on a {type(x).__name__}")
    if not x.writable:
        raise ValueError("the array is read-only")
    at = _axis(x, axis)
    order = _indices(generator, x.shape[at])
    if x.contiguous:
        _gather(x, x.copy(), order, at)
    else:
        x[...] = _taken(x, order, at)


def choice(generator: Generator, a: Any, size: Any, replace: bool, p: Any, axis: int) -> Array:
    """See `Generator.choice`."""
    source = None if _is_integer(a) else a if isinstance(a, Array) else array(a, device=generator.device)
    at = 0 if source is None else _axis(source, axis)
    n = operator.index(a) if source is None else source.shape[at]
    shape = () if size is None else checked_shape(size)
    count = math.prod(shape)
    if n < 0 or (n == 0 and count):
        raise ValueError(f"there is nothing to choose from: a has {n} elements")
    if not replace and count > n:
        raise ValueError(f"{count} elements cannot be chosen from {n} without replacement")
    weights = None if p is None else _weights(p, n)
    if weights is None:
        places = generator.integers(0, max(n, 1), count) if replace else _indices(generator, n)[:count]
    elif replace:
        places = _weighted(generator, weights, count)
    else:
        places = _weighted_without_replacement(generator, weights, count)
    if source is None:
        return places.reshape(shape)
    found = _taken(source, places, at)
    return found.reshape(source.shape[:at] + shape + source.shape[at + 1 :])


def _is_integer(x: Any) -> bool:
    if isinstance(x, (Array, np.ndarray)) and x.ndim:
        return False
    return hasattr(x, "__index__") and not isinstance(x, (bool, np.bool_))


def _axis(x: Array, axis: int) -> int:
    if not x.ndim:
        raise ValueError("an array without axes has no order to choose or shuffle")
    at = operator.index(axis)
    if not -x.ndim <= at < x.ndim:
        raise ValueError(f"axis {axis} is out of bounds for an array of {x.ndim} axes")
    return at % x.ndim


def _indices(generator: Generator, n: int) -> Array:
    """The integers below `n` in random order, as int64."""
    if n < 0:
        raise ValueError(f"the number of elements must not be negative, got {n}")
    if n > 2**32 - 1:
        raise ValueError(f"permutations have at most 2**32 - 1 elements, not {n}")
    device = generator.device
    out, order = empty(n, int64, device), empty(n, uint32, device)
    buckets = 1
    while buckets * BUCKET < n and buckets < MAX_BUCKETS:
        buckets *= 2
    chunk = max(CHUNK, -(-n // MAX_CHUNKS) + 3 & ~3)
    chunks = -(-n // chunk)
    deal = _DEAL.pack(buckets, 33 - buckets.bit_length(), chunk, chunks)
    lib = library(device)
    starts, table = empty(buckets + 1, uint32, device), empty((buckets, chunks), uint32, device)
    dealing, shuffling = (packed(generator._take(), n) for _ in range(2))
    if n == 0:
        return out
    lib.shuffle_count(table, dealing, deal, threads=chunks)
    lib.shuffle_sum(table, starts, deal, threads=buckets)
    lib.shuffle_starts(starts, deal, threads=1)
    lib.shuffle_deal(order, table, starts, dealing, deal, threads=chunks)
    lib.shuffle_buckets(order, starts, shuffling, threads=buckets)
    lib.widen(out, order, threads=n)
    return out


def _taken(source: Array, places: Array, axis: int) -> Array:
    """A new array of the parts of `source` at `places` along `axis`."""
    whole = source if source.contiguous else source.copy()
    shape = (*source.shape[:axis], places.size, *source.shape[axis + 1 :])
    out = empty(shape, source.dtype, source.device)
    _gather(out, whole, places, axis)
    return out


def _gather(out: Array, source: Array, places: Array, axis: int) -> None:
    if out.size == 0:
        return
    if places.device is not source.device:
        raise ValueError(f"the generator is on {places.device} and the array on {source.device}")
    row = math.prod(source.shape[axis + 1 :]) * source.itemsize
    # Rows are copied in the largest units that divide them and where they begin.
    unit = next(u for u in (8, 4, 2, 1) if row % u == 0 and source.offset % u == 0 and out.offset % u == 0)
    inner = row // unit
    outer = math.prod(source.shape[:axis])
    shape = _PLACES.pack(inner, places.size, source.shape[axis])
    flat = [x.reshape(-1).view(UNSIGNED[1]).view(UNSIGNED[unit]) for x in (out, source)]
    library(source.device)[f"gather_{unit}"](*flat, places, shape, threads=(inner, places.size, outer))


# ---- weights ----


def _weights(p: Any, n: int) -> np.ndarray:
    given = np.asarray(p)
    if given.shape != (n,):
        raise ValueError(f"p has shape {given.shape} for {n} elements to choose from")
    if given.dtype.kind not in "fiub" and given.dtype.name != "bfloat16":
        raise TypeError(f"p is an array of real numbers, not {given.dtype}")
    weights = given.astype(np.float64)
    # As far from 1 as sums of rounded numbers may be.
    tolerance = math.sqrt({2: 2.0**-8, 4: 2.0**-23}.get(given.dtype.itemsize, 2.0**-52))
    if not (weights >= 0).all():
        raise ValueError("p has numbers that are negative or NaN")
    if not abs(weights.sum() - 1) <= tolerance:
        raise ValueError(f"p must sum to 1, not to {weights.sum()}")
    return weights


def _weighted(generator: Generator, weights: np.ndarray, count: int) -> Array:
    sums = np.cumsum(weights[: np.flatnonzero(weights)[-1] + 1])
    scaled = np.ldexp(sums / sums[-1], 64)
    ends = np.where(scaled < 2.0**64, scaled, 0).astype(np.uint64)
    ends[scaled >= 2.0**64] = 2**64 - 1
    device = generator.device
    out = empty(count, int64, device)
    blocks = draw_blocks(count, 2)
    draw = generator._take()
    if count:
        table = array(ends, device=device)
        library(device).weighted(out, packed(draw, count), table, len(ends), threads=blocks)
    return out


def _weighted_without_replacement(generator: Generator, weights: np.ndarray, count: int) -> Array:
    if np.count_nonzero(weights) < count:
        raise ValueError(f"p has only {np.count_nonzero(weights)} elements above 0, fewer than the {count} to choose")
    waits = generator.exponential(1.0, len(weights)).numpy().astype(np.float64)
    with np.errstate(divide="ignore"):
        keys = waits / weights
    return array(np.argsort(keys, kind="stable")[:count].astype(np.int64), device=generator.device)
