"""Functions that make numbers on grids, and matrices: the array API's creation functions beside `metalpy.creation`."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from metalpy.array import Array
from metalpy.autograd.tape import primitive
from metalpy.creation import _FEW, DeviceLike, array, asarray, zeros
from metalpy.device import device as _device
from metalpy.dtypes import as_dtype, complex64, float32
from metalpy.functions.manipulation import broadcast_to
from metalpy.ops import moving

__all__ = ["eye", "linspace", "meshgrid", "tril", "triu"]


def eye(
    n_rows: int, n_cols: int | None = None, /, *, k: int = 0, dtype: Any = None, device: DeviceLike = None
) -> Array:
    """Make a matrix of zeros with ones on a diagonal.

    Parameters
    ----------
    n_rows : int
    n_cols : int, optional
        `n_rows` if not given.
    k : int
        Which diagonal: column less row of its elements.
    dtype : dtype, optional
        float32 if not given.
    device : str, int or Device, optional
    """
    columns = n_rows if n_cols is None else n_cols
    made = zeros((n_rows, columns), dtype, device)
    length = min(n_rows, columns - k) if k >= 0 else min(n_rows + k, columns)
    if length > 0:
        first = k if k >= 0 else -k * columns
        diagonal = made.reshape(-1)[first : first + (length - 1) * (columns + 1) + 1 : columns + 1]
        if made._is_recorded():
            diagonal.fill(1)
        else:
            diagonal._host()[...] = 1
    return made


def linspace(
    start: complex, stop: complex, /, num: int, *, dtype: Any = None, device: DeviceLike = None, endpoint: bool = True
) -> Array:
    """Make an array of `num` evenly spaced numbers from `start` to `stop`.

    Parameters
    ----------
    start, stop : number
    num : int
    dtype : dtype, optional
        float32, or complex64 for complex numbers, if not given.
    device : str, int or Device, optional
    endpoint : bool
        If false, `stop` is what would follow the last number.
    """
    if num < 0:
        raise ValueError(f"linspace makes 0 or more numbers, not {num}")
    is_complex = isinstance(start, complex) or isinstance(stop, complex)
    wanted = (complex64 if is_complex else float32) if dtype is None else as_dtype(dtype)
    if num <= _FEW or wanted.kind in "iubc":
        host = np.linspace(start, stop, num, endpoint=endpoint, dtype=wanted if wanted.kind in "iu" else None)
        return array(host, wanted, device=device)
    step = (float(stop) - float(start)) / (num - 1 if endpoint else num)  # type: ignore[arg-type]
    made = moving.sequence(num, float(start), step, wanted, _device(device))  # type: ignore[arg-type]
    if endpoint and not made._is_recorded():
        made._host()[-1] = stop
    return made


def meshgrid(*arrays: Array, indexing: str = "xy") -> list[Array]:
    """Coordinates on the grid of one-dimensional arrays.

    Parameters
    ----------
    *arrays : Array
        The coordinates along each axis.
    indexing : {"xy", "ij"}
        The first axis of the results is that of the second array, or that of the first one.

    Returns
    -------
    list of Array
        For each array, its numbers at all places of the grid, in memory of their own.
    """
    if indexing not in ("xy", "ij"):
        raise ValueError(f"indexing is 'xy' or 'ij', got {indexing!r}")
    given = [asarray(x) for x in arrays]
    if any(x.ndim > 1 for x in given):
        raise ValueError("meshgrid takes arrays of one axis")
    order = list(range(len(given)))
    if indexing == "xy" and len(given) > 1:
        order[:2] = 1, 0
    shape = [0] * len(given)
    for x, axis in zip(given, order, strict=True):
        shape[axis] = x.size
    found = []
    for x, axis in zip(given, order, strict=True):
        own = [1] * len(given)
        own[axis] = x.size
        found.append(broadcast_to(x.reshape(tuple(own)), tuple(shape)).copy())
    return found


@primitive
def tril(x: Array, /, k: int = 0) -> Array:
    """The matrices in the last two axes with zeros above the diagonal `k`."""
    return moving.triangle(asarray(x), operator.index(k), True)


@primitive
def triu(x: Array, /, k: int = 0) -> Array:
    """The matrices in the last two axes with zeros below the diagonal `k`."""
    return moving.triangle(asarray(x), operator.index(k), False)
