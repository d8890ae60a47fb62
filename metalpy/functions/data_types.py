"""Functions about dtypes of the Python array API, and its constants."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from metalpy import dtypes
from metalpy.array import Array
from metalpy.creation import DeviceLike, asarray
from metalpy.dtypes import as_dtype
from metalpy.dtypes import bool_ as bool  # the standard's name
from metalpy.ops.types import promoted

__all__ = [
    "astype",
    "bool",
    "can_cast",
    "e",
    "finfo",
    "iinfo",
    "inf",
    "isdtype",
    "nan",
    "newaxis",
    "pi",
    "result_type",
]

e = math.e
inf = math.inf
nan = math.nan
newaxis = None
pi = math.pi

_KINDS = {
    "bool": "b",
    "signed integer": "i",
    "unsigned integer": "u",
    "integral": "iu",
    "real floating": "f",
    "complex floating": "c",
    "numeric": "iufc",
}


@dataclass(frozen=True)
class FloatInfo:
    """Limits of a floating-point dtype; of complex numbers, those of their parts."""

    dtype: np.dtype[Any]
    bits: int
    eps: float
    max: float
    min: float
    smallest_normal: float


@dataclass(frozen=True)
class IntegerInfo:
    """Limits of an integer dtype."""

    dtype: np.dtype[Any]
    bits: int
    max: int
    min: int


def _kind(dtype: np.dtype[Any]) -> str:
    """As `numpy.dtype.kind`, with bfloat16 among the floats."""
    return "f" if dtype.name == "bfloat16" else dtype.kind


def _dtype_of(x: Any) -> np.dtype[Any]:
    return x.dtype if isinstance(x, Array) else as_dtype(x)


def astype(x: Array, dtype: Any, /, *, copy: Any = True, device: DeviceLike = None) -> Array:
    """See `Array.astype`."""
    return asarray(x).astype(dtype, copy=copy, device=device)


def can_cast(from_: Any, to: Any, /) -> Any:
    """True if a dtype, or that of an array, can be converted to another without loss, by NumPy's rules."""
    return np.can_cast(_dtype_of(from_), as_dtype(to))


def finfo(type: Any, /) -> FloatInfo:
    """Limits of a floating-point or complex dtype, or of that of an array.

    Raises
    ------
    ValueError
        For other dtypes.
    """
    dtype = _dtype_of(type)
    if _kind(dtype) not in "fc":
        raise ValueError(f"finfo takes floating-point dtypes, got {dtype}; integers have iinfo")
    if dtype.name == "bfloat16":
        return FloatInfo(dtype, 16, 2.0**-7, (2 - 2.0**-7) * 2.0**127, -(2 - 2.0**-7) * 2.0**127, 2.0**-126)
    found = np.finfo(dtype)
    part = dtypes.float32 if dtype.kind == "c" else dtype
    limits = (float(number) for number in (found.eps, found.max, found.min, found.smallest_normal))
    return FloatInfo(part, found.bits, *limits)


def iinfo(type: Any, /) -> IntegerInfo:
    """Limits of an integer dtype, or of that of an array.

    Raises
    ------
    ValueError
        For other dtypes.
    """
    dtype = _dtype_of(type)
    if dtype.kind not in "iu":
        raise ValueError(f"iinfo takes integer dtypes, got {dtype}")
    found = np.iinfo(dtype)
    return IntegerInfo(dtype, found.bits, int(found.max), int(found.min))


def isdtype(dtype: Any, kind: Any) -> Any:
    """True if a dtype is of a kind.

    Parameters
    ----------
    dtype : dtype
    kind : dtype, str or tuple of them
        ``"bool"``, ``"signed integer"``, ``"unsigned integer"``, ``"integral"``, ``"real floating"``,
        ``"complex floating"`` or ``"numeric"``.
    """
    if isinstance(kind, tuple):
        return any(isdtype(dtype, one) for one in kind)
    if isinstance(kind, str) and kind in _KINDS:
        return _kind(as_dtype(dtype)) in _KINDS[kind]
    if isinstance(kind, str):
        raise ValueError(f"kinds of dtypes are {', '.join(map(repr, _KINDS))}, got {kind!r}")
    return as_dtype(dtype) == as_dtype(kind)


def result_type(*arrays_and_dtypes: Any) -> np.dtype[Any]:
    """The dtype that operators give arrays, dtypes and Python numbers."""
    if not arrays_and_dtypes:
        raise ValueError("result_type takes at least one array or dtype")
    kinds: list[Any] = [type(x) if type(x) in (int, float, complex) else _dtype_of_any(x) for x in arrays_and_dtypes]
    return promoted(*kinds)


def _dtype_of_any(x: Any) -> np.dtype[Any]:
    if isinstance(x, (Array, np.ndarray, np.generic)):
        return x.dtype
    return dtypes.bool_ if x is True or x is False else as_dtype(x)
