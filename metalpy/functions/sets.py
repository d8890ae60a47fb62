"""Different elements of arrays. All of these wait, since the number of results depends on the elements."""

from __future__ import annotations

from typing import Any, NamedTuple

from metalpy import dtypes
from metalpy._core.array import allocate
from metalpy.array import Array
from metalpy.autograd.tape import primitive
from metalpy.errors import UnsupportedError
from metalpy.functions.searching import library, true_ends
from metalpy.functions.sorting import sort_rows
from metalpy.ops.elementwise import contiguous
from metalpy.ops.reduction import check_array

__all__ = ["unique_all", "unique_counts", "unique_inverse", "unique_values"]


class UniqueAll(NamedTuple):
    """What `unique_all` gives."""

    values: Array
    indices: Array
    inverse_indices: Array
    counts: Array


class UniqueCounts(NamedTuple):
    """What `unique_counts` gives."""

    values: Array
    counts: Array


class UniqueInverse(NamedTuple):
    """What `unique_inverse` gives."""

    values: Array
    inverse_indices: Array


@primitive
def unique_all(x: Array, /) -> UniqueAll:
    """The different elements, where they are first, which of them each element is, and how often they occur.

    Parameters
    ----------
    x : Array
        Of numbers or bool. Each NaN is an element of its own; 0.0 and -0.0 are equal.

    Returns
    -------
    values : Array
        In ascending order, complex ones by real and then by imaginary part, with one axis.
    indices : Array
        Of the first of each in `x`, counted in C order.
    inverse_indices : Array
        Places in `values`, of the shape of `x`.
    counts : Array
        All three are int64.
    """
    return _unique("unique_all", x)


@primitive
def unique_counts(x: Array, /) -> UniqueCounts:
    """The different elements and how often they occur, as from `unique_all`."""
    found = _unique("unique_counts", x)
    return UniqueCounts(found.values, found.counts)


@primitive
def unique_inverse(x: Array, /) -> UniqueInverse:
    """The different elements and which of them each element is, as from `unique_all`."""
    found = _unique("unique_inverse", x)
    return UniqueInverse(found.values, found.inverse_indices)


@primitive
def unique_values(x: Array, /) -> Array:
    """The different elements, in ascending order, as from `unique_all`."""
    return _unique("unique_values", x).values


def _unique(name: str, x: Array) -> UniqueAll:
    check_array(name, x)
    if x.size > 0xFFFFFFFF:
        raise UnsupportedError(f"{name} takes arrays of at most 2**32 - 1 elements, got {x.size}")

    def made(dtype: Any, size: int) -> Array:
        return allocate(Array, x.device, dtype, (size,))

    inverse = allocate(Array, x.device, dtypes.int64, x.shape)
    if x.size == 0:
        return UniqueAll(made(x.dtype, 0), made(dtypes.int64, 0), inverse, made(dtypes.int64, 0))
    flat = contiguous(x).reshape(-1)
    lib = library(x.device, x.dtype)
    order = sort_rows(flat, False, True)
    begins = made(dtypes.bool_, x.size)
    lib.begins(begins, flat, order)
    ends, total = true_ends(begins)
    values, (indices, starts, counts) = made(x.dtype, total), (made(dtypes.int64, total) for _ in range(3))
    lib.runs(values, indices, starts, inverse, flat, order, begins, ends, threads=x.size)
    lib.run_lengths(counts, starts, total, x.size, threads=total)
    return UniqueAll(values, indices, inverse, counts)
