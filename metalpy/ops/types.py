"""Metal's names of element types, and what NumPy's rules make of them."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from metalpy import dtypes
from metalpy.errors import UnsupportedError

__all__ = ["WEAK", "compute_dtype", "metal_name", "resolve"]

_METAL = {
    "bool": "bool", "int8": "char", "int16": "short", "int32": "int", "int64": "long", "uint8": "uchar",
    "uint16": "ushort", "uint32": "uint", "uint64": "ulong", "float16": "half", "bfloat16": "bfloat",
    "float32": "float", "complex64": "float2",
}  # fmt: skip
_NARROWER = {"float64": dtypes.float32, "longdouble": dtypes.float32, "complex128": dtypes.complex64}

# Python's numbers, but bool: they take the type of the array that they meet, as in NumPy.
WEAK = (int, float, complex)

Operand = np.dtype[Any] | type


def metal_name(dtype: np.dtype[Any]) -> str:
    """What Metal calls elements of a dtype."""
    try:
        return _METAL[dtype.name]
    except KeyError:
        raise UnsupportedError(f"there is no arithmetic on elements of dtype {dtype!r}") from None


def compute_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype in which kernels compute: float32 for narrower floats, as NumPy does."""
    return dtypes.float32 if dtype.name in ("float16", "bfloat16") else dtype


@cache
def resolve(name: str, *operands: Operand) -> tuple[np.dtype[Any], ...]:
    """Dtypes in which NumPy's function `name` takes its operands, and that of its result, with Metal's widths.

    An operand is a dtype, or int, float or complex for a Python number.

    Raises
    ------
    TypeError
        If the function does not take them.
    """
    for operand in operands:
        if not isinstance(operand, type):
            metal_name(operand)
    first, *rest = (_weak(operand, operands) for operand in operands)
    ufunc: Any = getattr(np, name)
    found = ufunc.resolve_dtypes((first, *rest, None))
    return tuple(_NARROWER.get(dtype.name, dtype) for dtype in found)


def _weak(operand: Operand, operands: tuple[Operand, ...]) -> Operand:
    """What a Python number is beside the other operand where NumPy would choose otherwise."""
    other = next((entry for entry in operands if not isinstance(entry, type)), None)
    if isinstance(operand, type) and other is not None:
        if other.name == "bool" and operand is int:
            return dtypes.int32  # as everywhere in metalpy
        if other.name == "bfloat16" and operand is not complex:
            return other  # NumPy takes it for a type of its own, to which its rules for numbers do not apply
    return operand
