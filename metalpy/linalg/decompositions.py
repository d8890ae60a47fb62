"""Factorisations: Cholesky, QR, singular values, eigenvalues of Hermitian matrices."""

from __future__ import annotations

import struct
from typing import Literal, NamedTuple

from metalpy import dtypes
from metalpy.array import Array
from metalpy.autograd.tape import primitive
from metalpy.linalg import host
from metalpy.linalg.launching import Matrices, check_info, identity, launch_teams, stack

__all__ = ["EighResult", "QRResult", "SVDResult", "cholesky", "eigh", "eigvalsh", "qr", "svd", "svdvals"]

_QR = struct.Struct("=3I")  # these three of shaders/linalg.h
_JACOBI = struct.Struct("=4I")
_ARRANGE = struct.Struct("=7I")


class EighResult(NamedTuple):
    """Eigenvalues in ascending order; unit eigenvectors, in the columns."""

    eigenvalues: Array
    eigenvectors: Array


class QRResult(NamedTuple):
    """A matrix with orthonormal columns, and an upper triangular one."""

    Q: Array
    R: Array


class SVDResult(NamedTuple):
    """Left vectors in columns, singular values in descending order, conjugated right vectors in rows."""

    U: Array
    S: Array
    Vh: Array


@primitive
def cholesky(x: Array, /, *, upper: bool = False) -> Array:
    """The triangular L with ``L @ L.conj().mT == x``, or its conjugate transpose if `upper`.

    Reads the lower triangle of `x`. Waits for the device.

    Raises
    ------
    LinAlgError
        If a matrix is not positive definite.
    """
    given = Matrices("cholesky", x, square=True)
    out = given.new(given.rows, given.rows)
    if out.size:
        failed = given.new(dtype=dtypes.int32)
        source = given.x if given.x.contiguous else given.copy()
        launch_teams(given.kernel("cholesky"), given.count, given.rows, out, source, failed, given.rows, int(upper))
        check_info(failed, "not positive definite: the pivot of column {} is not positive")
    return given.result(out)


@primitive
def qr(x: Array, /, *, mode: Literal["reduced", "complete"] = "reduced") -> QRResult:
    """``x == Q @ R``, by Householder reflections. The diagonal of R is not negative.

    Parameters
    ----------
    x : Array
        Matrices of M x N.
    mode : {"reduced", "complete"}
        Q has min(M, N) columns, or M.

    Raises
    ------
    ValueError
        If there is no such mode.
    """
    if mode not in ("reduced", "complete"):
        raise ValueError(f"mode is 'reduced' or 'complete', got {mode!r}")
    given = Matrices("qr", x)
    vectors = given.rows if mode == "complete" else min(given.rows, given.columns)
    q, r = _qr(given, given.columns_copy(), given.rows, given.columns, vectors)
    return QRResult(given.result(stack(q)), given.result(r))


def _qr(given: Matrices, columns: Array, m: int, n: int, vectors: int) -> tuple[Array, Array]:
    """The columns of Q, one after another, and R, of matrices that come as `n` columns of `m` and are overwritten."""
    q, r = given.new(vectors, m), given.new(vectors, n)
    if q.size and n:
        launch_teams(given.kernel("qr"), given.count, m, q, r, columns, _QR.pack(m, n, vectors))
    elif q.size:
        q = identity(q, given.batch, m)
    return q, r


@primitive
def svd(x: Array, /, *, full_matrices: bool = True) -> SVDResult:
    """``x == U @ diag(S) @ Vh``, by Jacobi rotations of columns.

    The software device waits for `x` and leaves it to LAPACK, by NumPy, unless there are many matrices or a graph is
    recorded. The same holds of `svdvals`, `eigh` and `eigvalsh`.

    Parameters
    ----------
    x : Array
        Matrices of M x N.
    full_matrices : bool
        U and Vh are M x M and N x N; otherwise they have min(M, N) columns and rows.
    """
    given = Matrices("svd", x)
    found = host.svd(given.x, full_matrices)
    if found is not None:
        left, values, right = found
        return SVDResult(given.result(left), given.result(values), given.result(right))
    wide = given.rows < given.columns  # then the transposed matrix is factored, and the sides change places
    m, n = max(given.rows, given.columns), min(given.rows, given.columns)
    values, work, vectors = _singular(given, m, n, True)
    # The columns of `work` are orthogonal, but those of length 0 say nothing: QR makes a basis that goes on from the
    # others.
    left, _ = _qr(given, work, m, n, m if full_matrices else n)
    if wide:
        return SVDResult(given.result(stack(vectors)), given.result(values), given.result(left))
    return SVDResult(given.result(stack(left)), given.result(values), given.result(vectors))


@primitive
def svdvals(x: Array, /) -> Array:
    """Singular values in descending order."""
    given = Matrices("svdvals", x)
    found = host.svdvals(given.x)
    if found is not None:
        return given.result(found)
    m, n = max(given.rows, given.columns), min(given.rows, given.columns)
    return given.result(_singular(given, m, n, False)[0])


def _singular(given: Matrices, m: int, n: int, wants_vectors: bool) -> tuple[Array, Array, Array]:
    """Singular values, orthogonal columns, conjugated right vectors: of the matrix or, if it is wide, its transpose."""
    values = given.new(n, dtype=dtypes.float32)
    work = given.copy() if given.rows < given.columns else given.columns_copy()
    return _jacobi(given, values, work, m, n, wants_vectors, None)


def _jacobi(
    given: Matrices, values: Array, work: Array, m: int, n: int, wants_vectors: bool, hermitian: Array | None
) -> tuple[Array, Array, Array]:
    if values.size == 0:
        return values, work, given.new(n, n)
    vectors = given.new(n, n) if wants_vectors else work
    facts = _JACOBI.pack(m, n, wants_vectors, hermitian is not None)
    source = work if hermitian is None else hermitian
    launch_teams(given.kernel("jacobi"), given.count, n, work, vectors, values, source, facts)
    has_work = wants_vectors and hermitian is None
    sorted_values = given.new(n, dtype=dtypes.float32)
    sorted_work = given.new(n, m) if has_work else work
    sorted_vectors = given.new(n, n) if wants_vectors else work
    total = given.count * n
    facts = _ARRANGE.pack(m, n, total, hermitian is not None, hermitian is None, has_work, wants_vectors)
    given.kernel("arrange")(
        sorted_values, sorted_work, sorted_vectors, values, work, vectors, facts, threads=total * 32, group_size=32
    )
    return sorted_values, sorted_work, sorted_vectors


@primitive
def eigh(x: Array, /) -> EighResult:
    """Eigenvalues and eigenvectors of Hermitian matrices, by Jacobi rotations. Reads the lower triangle of `x`."""
    given = Matrices("eigh", x, square=True)
    found = host.eigh(given.x)
    if found is not None:
        return EighResult(given.result(found[0]), given.result(found[1]))
    values, vectors = _hermitian(given)
    return EighResult(values, given.result(stack(vectors)))


@primitive
def eigvalsh(x: Array, /) -> Array:
    """Eigenvalues of Hermitian matrices in ascending order. Reads the lower triangle of `x`."""
    given = Matrices("eigvalsh", x, square=True)
    found = host.eigvalsh(given.x)
    return _hermitian(given)[0] if found is None else given.result(found)


def _hermitian(given: Matrices) -> tuple[Array, Array]:
    """Eigenvalues and the transposed eigenvectors."""
    n = given.rows
    values = given.new(n, dtype=dtypes.float32)
    values, _, vectors = _jacobi(given, values, given.new(n, n), n, n, True, given.copy())
    return given.result(values), vectors
