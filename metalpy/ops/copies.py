"""Copies that the device makes, with any layout and another dtype."""

from __future__ import annotations

from typing import Any

import numpy as np

from metalpy._core.array import allocate
from metalpy.array import Array
from metalpy.ops.elementwise import _launch_strided, _library
from metalpy.ops.types import compute_dtype, metal_name

__all__ = ["assign", "cast"]


def assign(out: Array, x: Array) -> None:
    """Set the elements of `out` to those of `x`, which has its shape or broadcasts to it."""
    if out.size == 0:
        return
    if out.contiguous and x.contiguous and out.shape == x.shape:
        if out.dtype == x.dtype:
            out._copy_from(x)
        else:
            _copier(out, x).dense(out, x)
    else:
        _launch_strided(_copier(out, x).strided, out, [x])


def _copier(out: Array, x: Array) -> Any:
    types = (metal_name(x.dtype), metal_name(compute_dtype(x.dtype)))
    return _library(out.device, "positive", *types, *types, metal_name(out.dtype))


def cast(x: Array, dtype: np.dtype[Any]) -> Array:
    """`x`, or a copy with another dtype, into which its own converts; integers wrap, nothing waits."""
    if x.dtype == dtype:
        return x
    out = allocate(Array, x.device, dtype, x.shape)
    assign(out, x)
    return out
