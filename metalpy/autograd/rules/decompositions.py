"""Rules of factorisations.

Sources: M. Giles, "Collected Matrix Derivative Results for Forward and Reverse Mode Algorithmic Differentiation", 2008;
J. Townsend, "Differentiating the Singular Value Decomposition", 2016; D. Roberts and L. Roberts, "QR and LQ
Decomposition Matrix Backpropagation Algorithms", 2020; G. Golub and V. Pereyra, "The Differentiation of
Pseudo-Inverses", 1973.

Vectors of equal eigenvalues or singular values have no gradient: what they get is infinite or NaN. That of a Hermitian
matrix is Hermitian, though only one triangle of it is read.
"""

from __future__ import annotations

from typing import Any

import metalpy as mp
from metalpy.array import Array
from metalpy.autograd.rules.table import adjoint, rule
from metalpy.errors import GradientError


def _identity(x: Array, n: int) -> Array:
    return mp.eye(n, dtype=x.dtype, device=x.device)


def _over_gaps(x: Array, values: Array) -> Array:
    """Elements over the difference of two values, that of the column minus that of the row; 0 on the diagonal."""
    one = _identity(values, values.shape[-1])
    return x * ((1 - one) / (values[..., None, :] - values[..., :, None] + one))


@rule("eigh")
def _eigh(g: Any, y: Any, x: Array) -> Any:
    vectors = y.eigenvectors
    inner = _over_gaps(adjoint(vectors) @ g[1], y.eigenvalues)
    return _hermitian(vectors @ (inner @ adjoint(vectors)) + (vectors * g[0][..., None, :]) @ adjoint(vectors))


@rule("eigvalsh")
def _eigvalsh(g: Array, y: Array, x: Array) -> Any:
    vectors = mp.linalg.eigh(x).eigenvectors
    return _hermitian((vectors * g[..., None, :]) @ adjoint(vectors))


def _hermitian(x: Array) -> Any:
    return 0.5 * (x + adjoint(x))


@rule("svd")
def _svd(g: Any, y: Any, x: Array, *, full_matrices: bool = True) -> Any:
    # Vectors beyond the first min(M, N) are any basis of a space: they are taken for constants.
    count = min(x.shape[-2:])
    left, values, right = y.U[..., :count], y.S, adjoint(y.Vh[..., :count, :])
    of_left, of_right = g[0][..., :count], adjoint(g[2][..., :count, :])
    rows, columns = values[..., :, None], values[..., None, :]
    from_left, from_right = adjoint(left) @ of_left, adjoint(right) @ of_right
    inner = _over_gaps(from_left - adjoint(from_left), values**2) * columns
    inner = inner + rows * _over_gaps(from_right - adjoint(from_right), values**2)
    inner = inner + g[1][..., None, :] * _identity(x, count)
    if x.dtype.kind == "c":  # what turns a left vector by a phase
        inner = inner + 1j * mp.imag(from_left) * _identity(values, count) / columns
    whole = left @ (inner @ adjoint(right))
    if x.shape[-2] > count:
        whole = whole + ((of_left - left @ from_left) / columns) @ adjoint(right)
    if x.shape[-1] > count:
        whole = whole + (left / columns) @ adjoint(of_right - right @ from_right)
    return whole


@rule("svdvals")
def _svdvals(g: Array, y: Array, x: Array) -> Any:
    left, _, right = mp.linalg.svd(x, full_matrices=False)
    return (left * g[..., None, :]) @ right


@rule("qr")
def _qr(g: Any, y: Any, x: Array, *, mode: str = "reduced") -> Any:
    rows, columns = x.shape[-2:]
    if mode == "complete" and rows > columns:
        raise GradientError(f"qr with mode='complete' has no gradient for matrices of {rows} x {columns}: the columns "
                            "of Q that R does not need are any basis; pass mode='reduced'")  # fmt: skip
    of_q, of_r = g
    if rows >= columns:
        return _square_qr(of_q, of_r, y.Q, y.R)
    # The columns that are too many are Q times those of R: what they ask of Q adds to its gradient.
    rest, of_rest = x[..., rows:], of_r[..., rows:]
    of_first = _square_qr(of_q + rest @ adjoint(of_rest), of_r[..., :rows], y.Q, y.R[..., :rows])
    return mp.concat([of_first, y.Q @ of_rest], axis=-1)


def _square_qr(of_q: Array, of_r: Array, q: Array, r: Array) -> Any:
    inner = r @ adjoint(of_r) - adjoint(of_q) @ q
    below = mp.tril(inner, k=-1)
    diagonal = mp.real(inner) * _identity(mp.real(inner), inner.shape[-1])  # that of R is real
    numerator = of_q + q @ (below + adjoint(below) + diagonal)
    return adjoint(mp.linalg.solve(r, adjoint(numerator)))


@rule("pinv")
def _pinv(g: Array, y: Array, x: Array, *, rtol: Any = None) -> Any:
    # Where the rank stays the same.
    of_x, up = adjoint(g), adjoint(y)
    outside = of_x @ y @ up
    inside = up @ y @ of_x
    return -(up @ g @ up) + (outside - x @ (y @ outside)) + (inside - (inside @ y) @ x)
