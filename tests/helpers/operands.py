"""What tests of linear algebra and transforms share: random operands, and their precise form."""

from __future__ import annotations

import numpy as np


def values(rng: np.random.Generator, shape: tuple[int, ...], dtype: str = "float32") -> np.ndarray:
    """Standard normal numbers; of complex64, in both parts."""
    host = rng.standard_normal(shape)
    if dtype == "complex64":
        host = host + 1j * rng.standard_normal(shape)
    return host.astype(dtype)


def wide(host: np.ndarray) -> np.ndarray:
    """The same numbers in double precision, for an independent reference."""
    return host.astype(np.complex128 if host.dtype.kind == "c" else np.float64)
