"""Element types of arrays: NumPy dtypes under Metal's choice of widths."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    bfloat16: np.dtype[Any]

__all__ = [
    "bfloat16",
    "bool_",
    "complex64",
    "float16",
    "float32",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
]

bool_ = np.dtype("bool")
int8 = np.dtype("int8")
int16 = np.dtype("int16")
int32 = np.dtype("int32")
int64 = np.dtype("int64")
uint8 = np.dtype("uint8")
uint16 = np.dtype("uint16")
uint32 = np.dtype("uint32")
uint64 = np.dtype("uint64")
float16 = np.dtype("float16")
float32 = np.dtype("float32")
complex64 = np.dtype("complex64")

_FROM_PYTHON: dict[type, np.dtype[Any]] = {bool: bool_, int: int32, float: float32, complex: complex64}


def __getattr__(name: str) -> Any:
    if name == "bfloat16":
        from ml_dtypes import bfloat16 as scalar_type  # importing it costs more than all the rest

        globals()["bfloat16"] = dtype = np.dtype(scalar_type)
        return dtype
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def as_dtype(dtype: Any) -> np.dtype[Any]:
    """The NumPy dtype that `dtype` names.

    Python's ``bool``, ``int``, ``float`` and ``complex`` mean bool, int32, float32 and complex64, as they do for
    values. ``"bfloat16"`` works without importing ml_dtypes first. Whether Metal has the type is checked where
    the array is made.
    """
    if isinstance(dtype, np.dtype):
        return dtype
    if isinstance(dtype, type) and dtype in _FROM_PYTHON:
        return _FROM_PYTHON[dtype]
    if isinstance(dtype, str) and dtype == "bfloat16":
        bfloat16: np.dtype[Any] = __getattr__("bfloat16")
        return bfloat16
    found: np.dtype[Any] = np.dtype(dtype)
    return found


def narrowed(host: np.ndarray, from_python: bool) -> np.dtype[Any]:
    """The dtype that an array made from `host` gets when the caller names none.

    float64 becomes float32 and complex128 complex64, for Metal has neither. Integers keep their type, except that
    int64 made `from_python` numbers becomes int32 if all values fit.
    """
    if host.dtype == np.float64:
        return float32
    if host.dtype == np.complex128:
        return complex64
    if from_python and host.dtype == np.int64:
        limits = np.iinfo(np.int32)
        if host.size == 0 or (host.min() >= limits.min and host.max() <= limits.max):
            return int32
    return host.dtype
