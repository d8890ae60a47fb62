"""Conversions that the device makes."""

from __future__ import annotations

from typing import Any

import numpy as np

from metalpy._core.array import allocate
from metalpy.array import Array
from metalpy.ops.elementwise import assign

__all__ = ["cast"]


def cast(x: Array, dtype: np.dtype[Any]) -> Array:
    """`x`, or a copy with another dtype, into which its own converts; integers wrap, nothing waits."""
    if x.dtype == dtype:
        return x
    out = allocate(Array, x.device, dtype, x.shape)
    assign(out, x)
    return out
