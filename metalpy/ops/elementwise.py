"""Element-wise operators: NumPy's types and broadcasting in front of the kernels of ``elementwise.metal``.

Everything is recorded on the calling thread's stream; nothing here waits.
"""

from __future__ import annotations

import struct
from functools import cache
from typing import Any

import numpy as np

from metalpy import dtypes
from metalpy._core.array import allocate
from metalpy._core.driver import Device
from metalpy.array import Array
from metalpy.creation import asarray
from metalpy.errors import LaunchValueError, UnsupportedError
from metalpy.mps.shader import ShaderLibrary, compile_file
from metalpy.ops.layout import Strides, collapse, overlaps, strided_memory
from metalpy.ops.types import WEAK, compute_dtype, metal_name, resolve
from metalpy.shader_files import shader_folder

__all__ = ["assign", "binary", "contiguous", "in_place", "is_operand", "unary"]

_MAX_RANK = 16  # of the kernels' Layout

_FUNCTORS = {
    "add": "Add", "subtract": "Subtract", "multiply": "Multiply", "true_divide": "TrueDivide",
    "floor_divide": "FloorDivide", "remainder": "Remainder", "power": "Power", "equal": "Equal",
    "not_equal": "NotEqual", "less": "Less", "less_equal": "LessEqual", "greater": "Greater",
    "greater_equal": "GreaterEqual", "positive": "Positive", "negative": "Negative", "absolute": "Absolute",
}  # fmt: skip
_REFLECTED = {
    "equal": "equal", "not_equal": "not_equal", "less": "greater", "less_equal": "greater_equal", "greater": "less",
    "greater_equal": "less_equal",
}  # fmt: skip


def is_operand(value: object) -> bool:
    """True if operators take it beside an Array."""
    return isinstance(value, (Array, bool, int, float, complex, np.generic, np.ndarray))


@cache
def _library(device: Device, name: str, *types: str) -> ShaderLibrary:
    defines: dict[str, object] = dict(zip(("A", "CA", "B", "CB", "R"), types, strict=True))
    defines |= {"OPERATOR": _FUNCTORS[name], "UNARY": int(name in ("positive", "negative", "absolute"))}
    return compile_file(shader_folder() / "elementwise.metal", defines=defines, math_mode="safe", device=device)


def unary(name: str, a: Array) -> Array:
    """A new array with NumPy's function `name` of each element."""
    compute, result = resolve(name, a.dtype)
    out = allocate(Array, a.device, result, a.shape)
    if out.size:
        types = (metal_name(a.dtype), metal_name(compute_dtype(compute)))
        library = _library(a.device, name, *types, *types, metal_name(result))
        if a.contiguous:
            library.dense(out, a)
        else:
            _launch_strided(library.strided, out, [a])
    return out


def binary(name: str, a: Any, b: Any) -> Array:
    """A new array with NumPy's function `name` of each pair of elements; one operand is an Array."""
    device: Device = (a if isinstance(a, Array) else b).device
    a, b = _operand(a, device), _operand(b, device)
    if name in _REFLECTED and not isinstance(a, Array):
        name, a, b = _REFLECTED[name], b, a
    types = resolve(name, _type_of(a), _type_of(b))
    shape = np.broadcast_shapes(_shape(a), _shape(b))
    if name in _REFLECTED and _is_beyond(b, types[0]):
        out = allocate(Array, device, dtypes.bool_, shape)
        out.fill(name in ("not_equal", *(("less", "less_equal") if b > 0 else ("greater", "greater_equal"))))
        return out
    out = allocate(Array, device, types[2], shape)
    _run(name, out, a, b, types)
    return out


def in_place(name: str, out: Array, b: Any) -> Array:
    """Set each element of `out` to NumPy's function `name` of it and one of `b`; returns `out`.

    Raises
    ------
    TypeError
        If the result's kind does not fit into the dtype of `out`.
    ValueError
        If `out` is read-only, or `b` does not broadcast to its shape.
    """
    if not out.writable:
        raise ValueError("the array is read-only")
    b = _operand(b, out.device)
    types = resolve(name, out.dtype, _type_of(b))
    if not np.can_cast(types[2], out.dtype, "same_kind"):
        raise TypeError(f"{name} gives {types[2]}, which an array of {out.dtype} cannot take in place")
    if np.broadcast_shapes(out.shape, _shape(b)) != out.shape:
        raise ValueError(f"operand of shape {_shape(b)} does not broadcast to the array's shape {out.shape}")
    same = isinstance(b, Array) and (b.offset, b.strides, b.shape) == (out.offset, out.strides, out.shape)
    if isinstance(b, Array) and not same and overlaps(out, b):
        b = _copied(b)
    _run(name, out, out, b, types)
    return out


def assign(out: Array, x: Array) -> None:
    """Set the elements of `out`, which may be a view, to those of `x`, which broadcasts to its shape, converted."""
    if out.size == 0:
        return
    dense = out.contiguous and x.contiguous and out.shape == x.shape
    if dense and out.dtype == x.dtype:
        out._copy_from(x)
        return
    types = (metal_name(x.dtype), metal_name(compute_dtype(x.dtype)))
    library = _library(out.device, "positive", *types, *types, metal_name(out.dtype))
    if dense:
        library.dense(out, x)
    else:
        _launch_strided(library.strided, out, [x])


def contiguous(x: Array) -> Array:
    """`x`, or a contiguous copy of it that the device makes."""
    return x if x.contiguous else _copied(x)


def _copied(x: Array) -> Array:
    return unary("positive", x) if x.dtype != dtypes.bool_ else binary("not_equal", x, False)


def _operand(value: Any, device: Device) -> Any:
    if isinstance(value, Array):
        if value.device is not device:
            raise LaunchValueError(f"operands are on devices {device} and {value.device}; copy one with "
                                   f"mp.array(x, device={str(device)!r})")  # fmt: skip
        return value
    return asarray(value, device=device) if isinstance(value, np.ndarray) else value


def _type_of(value: Any) -> np.dtype[Any] | type:
    if isinstance(value, (Array, np.generic)) and not isinstance(value, (float, complex)):
        return value.dtype
    if isinstance(value, bool):
        return dtypes.bool_
    if isinstance(value, np.generic):  # float64 and complex128, which are Python's numbers too
        return dtypes.complex64 if isinstance(value, complex) else dtypes.float32
    return next(kind for kind in WEAK if isinstance(value, kind))


def _shape(value: Any) -> tuple[int, ...]:
    return value.shape if isinstance(value, Array) else ()


def _is_beyond(value: Any, dtype: np.dtype[Any]) -> bool:
    """True for a Python integer that an integer dtype cannot hold."""
    if type(value) is not int or dtype.kind not in "iu":
        return False
    limits = np.iinfo(dtype)
    return not limits.min <= value <= limits.max


def _scalar_bytes(name: str, value: Any, dtype: np.dtype[Any], is_exponent: bool) -> bytes:
    """A number as kernels take it: rounded to the loop's dtype, then in the one that computes."""
    if name == "power" and is_exponent and dtype.kind == "i" and value < 0:
        raise ValueError("integers to negative integer powers are not allowed; use floats")
    if _is_beyond(value, dtype):
        raise OverflowError(f"Python integer {value} out of bounds for {dtype}")
    with np.errstate(over="ignore"):
        host = np.asarray(value).astype(dtype)
    return host.astype(compute_dtype(dtype)).tobytes()


def _run(name: str, out: Array, a: Any, b: Any, types: tuple[np.dtype[Any], ...]) -> None:
    stored_a = a.dtype if isinstance(a, Array) else types[0]
    stored_b = b.dtype if isinstance(b, Array) else types[1]
    compute_a, compute_b = compute_dtype(types[0]), compute_dtype(types[1])
    scalar: bytes | None = None
    if not isinstance(a, Array):
        scalar, stored_a = _scalar_bytes(name, a, types[0], False), compute_a
    elif not isinstance(b, Array):
        scalar, stored_b = _scalar_bytes(name, b, types[1], True), compute_b
    if out.size == 0:
        return
    if out.size > 0xFFFFFFFF:
        raise UnsupportedError(f"operators take arrays of at most 2**32 - 1 elements, got {out.size}")
    library = _library(
        out.device, name, metal_name(stored_a), metal_name(compute_a), metal_name(stored_b), metal_name(compute_b),
        metal_name(out.dtype),
    )  # fmt: skip
    arrays = [x for x in (a, b) if isinstance(x, Array)]
    dense = out.contiguous and all(x.contiguous and x.shape == out.shape for x in arrays)
    if scalar is None:
        if dense:
            library.dense(out, a, b)
        else:
            _launch_strided(library.strided, out, arrays)
    elif arrays[0] is a:
        if dense:
            library.dense_scalar(out, a, scalar)
        else:
            _launch_strided(library.strided_scalar, out, arrays, right=scalar)
    elif dense:
        library.scalar_dense(out, scalar, b)
    else:
        _launch_strided(library.scalar_strided, out, arrays, left=scalar)


def _launch_strided(
    kernel: Any, out: Array, operands: list[Array], left: bytes | None = None, right: bytes | None = None
) -> None:
    """Launch with any layouts: the arrays as memory, and where in it each element lies."""
    broadcast = [_broadcast_strides(x, out.shape) for x in operands]
    shape, strides = collapse(out.shape, [out.strides, *broadcast])
    if len(shape) > _MAX_RANK:
        raise UnsupportedError(f"operators take up to {_MAX_RANK} axes that cannot be joined, got {len(shape)}")
    memories, columns = [], []
    for x, steps in zip([out, *operands], strides, strict=True):
        memory, start = strided_memory(x)
        memories.append(memory)
        columns.append(_column(x, steps, start))
    if len(operands) == 1:  # its place is that of the side on which it stands
        columns.insert(1 if left is not None else 2, bytes(8 * (_MAX_RANK + 1)))
    layout = struct.pack(f"=I{_MAX_RANK}I4x", len(shape), *shape, *[0] * (_MAX_RANK - len(shape))) + b"".join(columns)
    values = [memories[0], *([] if left is None else [left]), *memories[1:], *([] if right is None else [right])]
    kernel(*values, layout, threads=out.size)


def _column(x: Array, steps: Strides, start: int) -> bytes:
    elements = [step // x.itemsize for step in steps]
    return struct.pack(f"={_MAX_RANK + 1}q", *elements, *[0] * (_MAX_RANK - len(elements)), start)


def _broadcast_strides(x: Array, shape: tuple[int, ...]) -> Strides:
    """Bytes from one element to the next along each axis of `shape`, 0 where `x` repeats."""
    missing = len(shape) - x.ndim
    own = (0 if extent == 1 else step for extent, step in zip(x.shape, x.strides, strict=True))
    return (0,) * missing + tuple(own)
