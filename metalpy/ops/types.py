"""Metal's names of element types, and what NumPy's rules make of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from metalpy import dtypes
from metalpy.errors import UnsupportedError

__all__ = ["UNSIGNED", "WEAK", "compute_dtype", "metal_name", "promoted", "resolve"]

_METAL = {
    "bool": "bool", "int8": "char", "int16": "short", "int32": "int", "int64": "long", "uint8": "uchar",
    "uint16": "ushort", "uint32": "uint", "uint64": "ulong", "float16": "half", "bfloat16": "bfloat",
    "float32": "float", "complex64": "float2",
}  # fmt: skip
_NARROWER = {"float64": dtypes.float32, "longdouble": dtypes.float32, "complex128": dtypes.complex64}

# Elements that are only moved are numbers of their size to kernels.
UNSIGNED = {size: np.dtype(f"u{size}") for size in (1, 2, 4, 8)}

# Python's numbers, but bool: they take the type of the array that they meet, as in NumPy.
WEAK = (int, float, complex)

# What NumPy has as functions that are no ufuncs: the dtype of their result.
_OWN: dict[str, Callable[[Any], np.dtype[Any]]] = {
    "round": lambda dtype: dtype,
    "real": lambda dtype: dtypes.float32 if dtype.kind == "c" else dtype,
    "imag": lambda dtype: dtypes.float32 if dtype.kind == "c" else dtype,
}

Operand = np.dtype[Any] | type


@cache
def metal_name(dtype: np.dtype[Any]) -> str:
    """What Metal calls elements of a dtype."""
    try:
        return _METAL[dtype.name]
    except KeyError:
        raise UnsupportedError(f"there is no arithmetic on elements of dtype {dtype!r}") from None


@cache
def compute_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype in which kernels compute: float32 for narrower floats, as NumPy does."""
    return dtypes.float32 if dtype.name in ("float16", "bfloat16") else dtype


@cache
def is_real_float(dtype: np.dtype[Any]) -> bool:
    """True for float16, bfloat16 and float32."""
    return dtype.name in ("float16", "bfloat16", "float32")  # names are slow


# Functions that NumPy has not, and those of its that take the same types.
_LIKE = {"erf": "cbrt"}


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
    if name in _OWN:
        return operands[0], _OWN[name](operands[0])  # type: ignore[return-value]
    given = tuple(_weak(operand, operands) for operand in operands)
    ufunc: Any = getattr(np, _LIKE.get(name, name))
    try:
        found = ufunc.resolve_dtypes((*given, None))
    except TypeError:
        half = next((dtype for dtype in given if not isinstance(dtype, type) and dtype.name == "bfloat16"), None)
        if half is None:
            raise
        # There is no loop for bfloat16: as for float16
        stand_in = tuple(np.dtype("float16") if dtype is half else dtype for dtype in given)
        found = tuple(half if dtype == np.float16 else dtype for dtype in ufunc.resolve_dtypes((*stand_in, None)))
    return tuple(_NARROWER.get(dtype.name, dtype) for dtype in found)


@cache
def promoted(*operands: Operand) -> np.dtype[Any]:
    """The dtype of elements that come from several arrays, or Python numbers: NumPy's, with Metal's widths.

    Raises
    ------
    TypeError
        If there is none.
    """
    strong = [dtype for dtype in operands if not isinstance(dtype, type)]
    if len({"bfloat16", "float16"} & {dtype.name for dtype in strong}) == 2:
        strong.append(dtypes.float32)  # neither holds the other, and NumPy knows no common one
        strong = [dtype for dtype in strong if dtype.name != "bfloat16"]
    found: Any = np.result_type(*strong) if strong else None
    for number in operands:
        if isinstance(number, type):
            found = _with_number(found, number)
    return _NARROWER.get(found.name, found)  # type: ignore[no-any-return]


def _with_number(dtype: np.dtype[Any] | None, number: type) -> np.dtype[Any]:
    if dtype is None:
        return dtypes.as_dtype(number)
    if dtype.name == "bool":
        return np.result_type(dtypes.int32 if number is int else dtypes.as_dtype(number))
    if dtype.name == "bfloat16":
        return dtypes.complex64 if number is complex else dtype
    if number is int or dtype.kind == "c" or (number is float and dtype.kind == "f"):
        return dtype
    if number is float:
        return dtypes.float32
    return dtypes.complex64


def _weak(operand: Operand, operands: tuple[Operand, ...]) -> Operand:
    """What a Python number is beside the other operand where NumPy would choose otherwise."""
    other = next((entry for entry in operands if not isinstance(entry, type)), None)
    if isinstance(operand, type) and other is not None:
        if other.name == "bool" and operand is int:
            return dtypes.int32  # as everywhere in metalpy
        if other.name == "bfloat16" and operand is not complex:
            return other  # NumPy takes it for a type of its own, to which its rules for numbers do not apply
    return operand
