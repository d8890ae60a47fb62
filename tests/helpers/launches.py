"""That a library still works after a mistake."""

from __future__ import annotations

from typing import Any

import numpy as np

import metalpy as mp


def assert_works(lib: Any) -> None:
    """Launch the kernel ``scale(device float* x, constant float& by)`` of a library, and look at what it gives."""
    x = mp.array([1.0, 2.0, 3.0])
    lib.scale(x, 2.0)
    np.testing.assert_array_equal(np.asarray(x), [2, 4, 6])
