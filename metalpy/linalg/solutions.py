"""Equations, inverses and determinants."""

from __future__ import annotations

import operator
from typing import Any, NamedTuple

import numpy as np

from metalpy import dtypes
from metalpy._core.array import allocate
from metalpy.array import Array
from metalpy.autograd.tape import primitive
from metalpy.functions.products import matmul, matrix_transpose
from metalpy.linalg.decompositions import svd
from metalpy.linalg.launching import Matrices, check_info, identity, launch_teams, norms
from metalpy.linalg.norms import tolerances
from metalpy.ops.elementwise import assign, contiguous
from metalpy.ops.types import resolve

__all__ = ["SlogdetResult", "det", "inv", "matrix_power", "pinv", "slogdet", "solve"]


class SlogdetResult(NamedTuple):
    """``determinant == sign * exp(logabsdet)``."""

    sign: Array
    logabsdet: Array


def _lu(given: Matrices) -> tuple[Array, Array, Array, Array]:
    """L and U in one matrix, the order of rows, the sign of the order, where a pivot is missing."""
    factors = given.copy()
    order = given.new(given.rows, dtype=dtypes.int32)
    parity, singular = (given.new(dtype=dtypes.int32) for _ in range(2))
    launch_teams(given.kernel("lu"), given.count, given.rows, factors, order, parity, singular, given.rows)
    return factors, order, parity, singular


_SINGULAR = "singular: column {} has no pivot"


def _substitute(given: Matrices, right: Array | None, columns: int) -> Array:
    n = given.rows
    out = given.new(n, columns)
    if out.size:
        factors, order, _, singular = _lu(given)
        given.kernel("substitute")(
            out, factors, order, factors if right is None else right, n, columns, int(right is None),
            groups=(-(-columns // 32), given.count), group_size=(32, 1),
        )  # fmt: skip
        check_info(singular, _SINGULAR)
    return out


@primitive
def solve(x1: Array, x2: Array, /) -> Array:
    """The x with ``x1 @ x == x2``, by LU with partial pivoting. Waits for the device.

    Parameters
    ----------
    x1 : Array
        Square matrices.
    x2 : Array
        A vector, or matrices; axes before the last two broadcast.

    Raises
    ------
    LinAlgError
        If a matrix is singular.
    ValueError
        If the shapes do not fit.
    """
    for x in (x1, x2):
        if not isinstance(x, Array):
            raise TypeError(f"solve takes arrays, got {type(x).__name__}")
    dtype = resolve("true_divide", x1.dtype, x2.dtype)[2]
    compute = dtypes.complex64 if dtype.kind == "c" else dtypes.float32
    a, b = x1.astype(compute, copy=False), x2.astype(compute, copy=False)
    is_vector = b.ndim == 1
    if is_vector:
        b = b.reshape(-1, 1)
    if a.ndim < 2 or a.shape[-1] != a.shape[-2]:
        raise ValueError(f"solve takes square matrices, got shape {x1.shape}")
    if b.ndim < 2 or b.shape[-2] != a.shape[-1]:
        raise ValueError(f"solve: matrices of shape {x1.shape} and right sides of shape {x2.shape} do not fit")
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    given = Matrices("solve", _broadcast(a, (*batch, *a.shape[-2:])), square=True)
    out = _substitute(given, contiguous(_broadcast(b, (*batch, *b.shape[-2:]))), b.shape[-1])
    out = out.astype(dtype, copy=False)
    return out[..., 0] if is_vector else out


def _broadcast(x: Array, shape: tuple[int, ...]) -> Array:
    if x.shape == shape:
        return x
    out = allocate(Array, x.device, x.dtype, shape)
    assign(out, x)
    return out


@primitive
def inv(x: Array, /) -> Array:
    """Inverses of square matrices, by LU with partial pivoting. Waits for the device.

    Raises
    ------
    LinAlgError
        If a matrix is singular.
    """
    given = Matrices("inv", x, square=True)
    return given.result(_substitute(given, None, given.rows))


def _determinants(given: Matrices) -> tuple[Array, Array, Array]:
    value, sign = given.new(), given.new()
    logarithm = given.new(dtype=dtypes.float32)
    if given.count and given.rows:
        factors, _, parity, _ = _lu(given)
        given.kernel("determinant")(value, sign, logarithm, factors, parity, given.rows, threads=given.count)
    elif given.count:
        value.fill(1)
        sign.fill(1)
        logarithm.fill(0)
    return value, sign, logarithm


@primitive
def det(x: Array, /) -> Array:
    """Determinants of square matrices."""
    given = Matrices("det", x, square=True)
    return given.result(_determinants(given)[0])


@primitive
def slogdet(x: Array, /) -> SlogdetResult:
    """Sign and logarithm of the magnitude of determinants; 0 and minus infinity for singular matrices."""
    given = Matrices("slogdet", x, square=True)
    _, sign, logarithm = _determinants(given)
    return SlogdetResult(given.result(sign), given.result(logarithm))


@primitive
def pinv(x: Array, /, *, rtol: Any = None) -> Array:
    """Pseudo-inverses, by singular values.

    Parameters
    ----------
    x : Array
    rtol : float or Array, optional
        Singular values up to this part of the greatest are taken for 0; by default the larger extent of a matrix times
        the precision of its dtype.
    """
    given = Matrices("pinv", x)
    if 0 in (given.rows, given.columns, given.count):
        return allocate(Array, x.device, given.dtype, (*given.batch, given.columns, given.rows))
    left, values, right = svd(given.x, full_matrices=False)
    inverted = given.new(values.shape[-1], dtype=dtypes.float32)
    limits = tolerances("pinv", given, rtol)
    norms(x.device).inverted(inverted, values, limits, values.shape[-1], threads=given.count)
    scaled = matrix_transpose(right) * inverted.reshape(*given.batch, 1, values.shape[-1])
    if scaled.dtype.kind != "c":
        return given.result(matmul(scaled, matrix_transpose(left)))
    # (V S^-1) U^H, with the conjugation drawn out: conj(conj(V S^-1) U^T), as V^T and U are what there is.
    return given.result(_conjugate(matmul(scaled, matrix_transpose(left))))


def _conjugate(x: Array) -> Array:
    out = contiguous(x) if not x.contiguous else x.copy()
    parts = out.view(dtypes.float32)[..., 1::2]
    parts *= -1.0
    return out


def matrix_power(x: Array, n: int, /) -> Array:
    """The product of `n` of the same square matrix; of its inverse, if `n` is negative, which waits as `inv` does.

    Raises
    ------
    LinAlgError
        If `n` is negative and a matrix is singular.
    """
    n = operator.index(n)
    if not isinstance(x, Array):
        raise TypeError(f"matrix_power takes arrays, got {type(x).__name__}")
    if x.ndim < 2 or x.shape[-1] != x.shape[-2]:
        raise ValueError(f"matrix_power takes square matrices, got shape {x.shape}")
    if n == 0:
        return identity(x, x.shape[:-2], x.shape[-1])
    if n < 0:
        x, n = inv(x), -n
    result: Array | None = None
    while True:
        if n & 1:
            result = x if result is None else matmul(result, x)
        n >>= 1
        if n == 0:
            return result.copy() if result is x else result  # type: ignore[return-value]
        x = matmul(x, x)
