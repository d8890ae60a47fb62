"""Singular values and eigenvalues by the LAPACK that NumPy has, for devices whose memory and processors are the host's.

It reduces a matrix to few diagonals first, which takes a fraction of the work of Jacobi's rotations; those are what a
GPU can do, and what recorded graphs have. Figures are in docs/design.md.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from metalpy.array import Array
from metalpy.creation import array

__all__ = ["eigh", "eigvalsh", "svd", "svdvals"]

_MATRICES = 8  # for each processor: with more of them a kernel has work for all, where LAPACK takes one after another


def svd(x: Array, full_matrices: bool) -> tuple[Array, Array, Array] | None:
    """As `numpy.linalg.svd`, in the dtype of `x`; None if a kernel should do it."""
    found = _called(x, np.linalg.svd, full_matrices=full_matrices)
    return None if found is None else (found[0], found[1], found[2])


def svdvals(x: Array) -> Array | None:
    """Singular values in descending order; None if a kernel should do it."""
    found = _called(x, np.linalg.svd, compute_uv=False)
    return None if found is None else found[0]


def eigh(x: Array) -> tuple[Array, Array] | None:
    """As `numpy.linalg.eigh`, in the dtype of `x`; None if a kernel should do it."""
    found = _called(x, np.linalg.eigh)
    return None if found is None else (found[0], found[1])


def eigvalsh(x: Array) -> Array | None:
    """Eigenvalues in ascending order; None if a kernel should do it."""
    found = _called(x, np.linalg.eigvalsh)
    return None if found is None else found[0]


def _called(x: Array, function: Any, **options: Any) -> tuple[Array, ...] | None:
    """Arrays of what NumPy's function makes of matrices in float32 or complex64, which it waits for."""
    count = x.size // max(1, x.shape[-1] * x.shape[-2])
    if x.device.driver != "software" or x.size == 0 or x._is_recorded() or count > _MATRICES * (os.cpu_count() or 1):
        return None
    host = x.numpy()
    if not np.isfinite(host).all():  # LAPACK may then raise, or give numbers; kernels give NaN
        return None
    found = function(host, **options)
    return tuple(array(entry, device=x.device) for entry in ((found,) if isinstance(found, np.ndarray) else found))
