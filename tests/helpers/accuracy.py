"""How far a floating-point result is from the exact one, in units in the last place of its own type."""

from __future__ import annotations

from typing import Any

import numpy as np

# Bits behind the point and the smallest normal exponent.
_FORMATS = {"float32": (23, -126), "float16": (10, -14), "bfloat16": (7, -126)}


def ulp_error(got: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """Distance of each element of `got` from `exact` (float64), in ULP of `got`'s type at `exact`.

    Equal infinities and two NaNs are 0 apart; any other pair with one of them is infinitely far.
    """
    bits, smallest = _FORMATS[got.dtype.name]
    exact = np.broadcast_to(np.asarray(exact, np.float64), got.shape)
    wide = got.astype(np.float64)
    with np.errstate(all="ignore"):
        exponent = np.maximum(np.floor(np.log2(np.abs(exact))), smallest)
        distance = np.abs(wide - exact) / np.exp2(np.where(np.isfinite(exponent), exponent, smallest) - bits)
    special = ~(np.isfinite(wide) & np.isfinite(exact))
    same = (wide == exact) | (np.isnan(wide) & np.isnan(exact))
    return np.where(special, np.where(same, 0.0, np.inf), distance)


def assert_ulp(got: Any, exact: Any, limit: float) -> None:
    """Fail, with the worst element, unless all of `got` is within `limit` ULP of `exact`."""
    got = np.asarray(got)
    errors = ulp_error(got, exact)
    if errors.size and not errors.max() <= limit:
        at = np.unravel_index(int(errors.argmax()), errors.shape)
        expected = np.broadcast_to(exact, got.shape)[at]
        raise AssertionError(
            f"{errors[at]:.3g} ULP of {got.dtype.name} off, {limit} allowed, at {tuple(map(int, at))}: "
            f"got {got[at]!r}, exact {expected!r}; {int((errors > limit).sum())} of {errors.size} elements are off"
        )
