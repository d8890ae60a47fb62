"""Element-wise functions: NumPy's types and broadcasting in front of the kernels of ``elementwise.metal``.

Everything is recorded on the calling thread's stream; nothing here waits.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from metalpy import dtypes
from metalpy._core.array import allocate
from metalpy._core.driver import Device
from metalpy._core.views import overlaps
from metalpy.array import Array
from metalpy.autograd.tape import primitive_family, refuse_in_place
from metalpy.creation import asarray
from metalpy.errors import LaunchValueError
from metalpy.mps.shader import ShaderLibrary, compile_file
from metalpy.ops.layout import broadcast_shapes, launch_strided
from metalpy.ops.types import UNSIGNED, WEAK, compute_dtype, metal_name, resolve
from metalpy.shader_files import shader_folder

__all__ = [
    "as_operand",
    "assign",
    "assign_safely",
    "binary",
    "clipped",
    "contiguous",
    "copied",
    "in_place",
    "is_operand",
    "unary",
]

_LARGEST = 0xFFFFFFFF  # elements of one launch
_PACKED = {
    "bool": "?", "int8": "b", "int16": "h", "int32": "i", "int64": "q", "uint8": "B", "uint16": "H", "uint32": "I",
    "uint64": "Q", "float32": "f",
}  # fmt: skip

# NumPy's names, and the functors of shaders/functors.h.
UNARY = {
    "absolute": "Absolute", "arccos": "Arccos", "arccosh": "Arccosh", "arcsin": "Arcsin", "arcsinh": "Arcsinh",
    "arctan": "Arctan", "arctanh": "Arctanh", "ceil": "Ceil", "conjugate": "Conjugate", "cos": "Cos", "cosh": "Cosh",
    "erf": "Erf", "exp": "Exp", "expm1": "Expm1", "floor": "Floor", "imag": "ImaginaryPart", "invert": "Invert",
    "isfinite": "IsFinite", "isinf": "IsInf", "isnan": "IsNan", "log": "Log", "log10": "Log10", "log1p": "Log1p",
    "log2": "Log2", "logical_not": "LogicalNot", "negative": "Negative", "positive": "Positive", "real": "RealPart",
    "reciprocal": "Reciprocal", "round": "Round", "sign": "Sign", "signbit": "SignBit", "sin": "Sin", "sinh": "Sinh",
    "sqrt": "Sqrt", "square": "Square", "tan": "Tan", "tanh": "Tanh", "trunc": "Trunc",
}  # fmt: skip
BINARY = {
    "add": "Add", "arctan2": "Arctan2", "bitwise_and": "BitwiseAnd", "bitwise_or": "BitwiseOr",
    "bitwise_xor": "BitwiseXor", "clip": "Clip", "copysign": "Copysign", "equal": "Equal",
    "floor_divide": "FloorDivide", "greater": "Greater", "greater_equal": "GreaterEqual", "hypot": "Hypot",
    "left_shift": "LeftShift", "less": "Less", "less_equal": "LessEqual", "logaddexp": "LogAddExp",
    "logical_and": "LogicalAnd", "logical_or": "LogicalOr", "logical_xor": "LogicalXor", "maximum": "Maximum",
    "minimum": "Minimum", "multiply": "Multiply", "nextafter": "NextAfter", "not_equal": "NotEqual", "power": "Power",
    "remainder": "Remainder", "right_shift": "RightShift", "subtract": "Subtract", "true_divide": "TrueDivide",
}  # fmt: skip
_REFLECTED = {
    "equal": "equal", "not_equal": "not_equal", "less": "greater", "less_equal": "greater_equal", "greater": "less",
    "greater_equal": "less_equal",
}  # fmt: skip


def is_operand(value: object) -> bool:
    """True if operators take it beside an Array."""
    return isinstance(value, (Array, bool, int, float, complex, np.generic, np.ndarray))


def _compute(name: str, dtype: np.dtype[Any]) -> np.dtype[Any]:
    return dtype if name == "nextafter" else compute_dtype(dtype)


@cache
def _library(device: Device, name: str, *types: str) -> ShaderLibrary:
    """The kernels of a function: for each operand its types in memory and in computing, then the result's."""
    is_unary = len(types) == 3
    of_a, of_b = ("TYPE_A", "COMPUTE_A"), ("TYPE_B", "COMPUTE_B")
    names = (*of_a, "RESULT") if is_unary else (*of_a, *of_b, "RESULT")
    defines: dict[str, object] = dict(zip(names, types, strict=True))
    defines |= {"OPERATOR": UNARY[name] if is_unary else BINARY[name], "UNARY": int(is_unary)}
    if name == "erf":
        defines["SPECIAL"] = 1
    return compile_file(shader_folder() / "elementwise.metal", defines=defines, math_mode="safe", device=device)


# ---- one operand ----

_unary_plans: dict[tuple[str, np.dtype[Any], Device], tuple[np.dtype[Any], ShaderLibrary]] = {}


@primitive_family
def unary(name: str, a: Array) -> Array:
    """A new array with NumPy's function `name` of each element."""
    plan = _unary_plans.get((name, a.dtype, a.device))
    if plan is None:
        types = resolve(name, a.dtype)
        compute = metal_name(_compute(name, types[0]))
        library = _library(a.device, name, metal_name(a.dtype), compute, metal_name(types[1]))
        plan = _unary_plans[name, a.dtype, a.device] = types[1], library
    out = allocate(Array, a.device, plan[0], a.shape)
    if out.size:
        _launch_unary(plan[1], out, a)
    return out


def _launch_unary(library: ShaderLibrary, out: Array, a: Array) -> None:
    if a.contiguous and out.contiguous and a.shape == out.shape and a.size <= _LARGEST:
        library.dense(out, a)
    else:
        launch_strided(library, "strided", (out, a))


# ---- copies ----


def assign(out: Array, a: Array) -> None:
    """Set the elements of `out` to those of `a`, which broadcasts to its shape, converted to its dtype.

    Memory that both have in common must not matter: see `overlaps`.
    """
    if not out.size:
        return
    if out.dtype == a.dtype or out.dtype.names or a.dtype.names:
        if out.dtype == a.dtype and out.contiguous and a.contiguous and out.shape == a.shape:
            out._copy_from(a)
            return
        unsigned = UNSIGNED.get(out.itemsize)
        if unsigned is None or out.dtype != a.dtype or any(step % out.itemsize for step in (*out.strides, *a.strides)):
            out._wait()
            out._host()[...] = a.numpy()
        else:
            names = [metal_name(unsigned)] * 3
            launch_strided(_library(out.device, "positive", *names), "strided", (out, a), kinds=(unsigned, unsigned))
        return
    library = _library(
        out.device, "positive", metal_name(a.dtype), metal_name(compute_dtype(a.dtype)), metal_name(out.dtype)
    )
    _launch_unary(library, out, a)


def assign_safely(out: Array, a: Array) -> None:
    """As `assign`, also where both have memory in common."""
    if a.size and out.size and overlaps(out, a):
        a = copied(a)
    assign(out, a)


def contiguous(x: Array) -> Array:
    """`x`, or a contiguous copy of it that the device makes."""
    return x if x.contiguous else copied(x)


def copied(x: Array) -> Array:
    """A contiguous copy that the device makes."""
    out = allocate(Array, x.device, x.dtype, x.shape)
    assign(out, x)
    return out


# ---- two operands ----


class _Plan:
    """What is known about a function of operands of certain types before their values and shapes are."""

    __slots__ = ("library", "pack", "result")

    def __init__(self, result: np.dtype[Any], library: ShaderLibrary, pack: Callable[[Any], bytes] | None) -> None:
        self.result, self.library, self.pack = result, library, pack


_plans: dict[tuple[str, Any, Any, Device], _Plan] = {}


@primitive_family
def binary(name: str, a: Any, b: Any) -> Array:
    """A new array with NumPy's function `name` of each pair of elements; one operand is an Array."""
    if type(a) is Array:
        if type(b) is Array:
            plan = _plans.get((name, a.dtype, b.dtype, a.device))
            if plan is not None and b.device is a.device:
                return _two_arrays(plan, a, b)
        else:
            plan = _plans.get((name, a.dtype, type(b), a.device))
            if plan is not None:
                return _array_and_number(name, plan, "dense_scalar", "strided_scalar", a, b, a, b)
    elif type(b) is Array:
        if name in _REFLECTED:
            return binary(_REFLECTED[name], b, a)
        plan = _plans.get((name, type(a), b.dtype, b.device))
        if plan is not None:
            return _array_and_number(name, plan, "scalar_dense", "scalar_strided", b, a, a, b)
    return _binary(name, a, b)


def _two_arrays(plan: _Plan, a: Array, b: Array) -> Array:
    shape = a.shape
    if shape == b.shape:
        out = allocate(Array, a.device, plan.result, shape)
        if a.contiguous and b.contiguous and 0 < a.size <= _LARGEST:
            plan.library.dense(out, a, b)
            return out
    else:
        out = allocate(Array, a.device, plan.result, broadcast_shapes(shape, b.shape))
    if out.size:
        launch_strided(plan.library, "strided", (out, a, b))
    return out


def _array_and_number(name: str, plan: _Plan, dense: str, strided: str, x: Array, number: Any, a: Any, b: Any) -> Array:
    try:
        value = plan.pack(number)  # type: ignore[misc]
    except (struct.error, OverflowError):  # out of the type's range
        return _binary(name, a, b)
    out = allocate(Array, x.device, plan.result, x.shape)
    if x.contiguous and 0 < x.size <= _LARGEST:
        getattr(plan.library, dense)(out, x, value)
    elif x.size:
        launch_strided(plan.library, strided, (out, x), (value,))
    return out


def _binary(name: str, a: Any, b: Any) -> Array:
    device: Device = (a if isinstance(a, Array) else b).device
    a, b = as_operand(a, device), as_operand(b, device)
    types = resolve(name, _type_of(a), _type_of(b))
    shape = broadcast_shapes(_shape(a), _shape(b))
    if name in _REFLECTED and _is_beyond(b, types[0]):
        out = allocate(Array, device, dtypes.bool_, shape)
        out.fill(name in ("not_equal", *(("less", "less_equal") if b > 0 else ("greater", "greater_equal"))))
        return out
    out = allocate(Array, device, types[2], shape)
    library = _run(name, out, a, b, types)
    if library is not None:
        _remember(device, name, a, b, types, library)
    return out


_clip_plans: dict[tuple[np.dtype[Any], Device], tuple[ShaderLibrary, Callable[..., bytes]] | None] = {}


def clipped(x: Array, low: Any, high: Any) -> Array | None:
    """`x` between two Python numbers in one launch, if they fit into its dtype and kernels compute in that."""
    key = x.dtype, x.device
    if key not in _clip_plans:
        _clip_plans[key] = _clip_plan(*key)
    plan = _clip_plans[key]
    if plan is None or (x.dtype.kind != "f" and (type(low) is not int or type(high) is not int)):
        return None
    try:
        bounds = plan[1](low, high)
    except (struct.error, OverflowError):
        return None
    out = allocate(Array, x.device, x.dtype, x.shape)
    if x.contiguous and 0 < x.size <= _LARGEST:
        plan[0].dense_scalar(out, x, bounds)
    elif x.size:
        launch_strided(plan[0], "strided_scalar", (out, x), (bounds,))
    return out


def _clip_plan(dtype: np.dtype[Any], device: Device) -> tuple[ShaderLibrary, Callable[..., bytes]] | None:
    code = _PACKED.get(dtype.name)
    if code is None or dtype.kind == "b":
        return None
    name = metal_name(dtype)
    bounds = f"Bounds<{name}>"
    return _library(device, "clip", name, name, bounds, bounds, name), struct.Struct(f"=2{code}").pack


def _remember(
    device: Device, name: str, a: Any, b: Any, types: tuple[np.dtype[Any], ...], library: ShaderLibrary
) -> None:
    """Let `binary` be quick the next time."""
    if isinstance(a, Array) and isinstance(b, Array):
        _plans[name, a.dtype, b.dtype, device] = _Plan(types[2], library, None)
    elif isinstance(a, Array) and type(b) in (bool, int, float):
        if pack := _packer(name, types[1], type(b)):
            _plans[name, a.dtype, type(b), device] = _Plan(types[2], library, pack)
    elif isinstance(b, Array) and type(a) in (bool, int, float) and (pack := _packer(name, types[0], type(a))):
        _plans[name, type(a), b.dtype, device] = _Plan(types[2], library, pack)


def in_place(name: str, out: Array, b: Any) -> Array:
    """Set each element of `out` to NumPy's function `name` of it and one of `b`; returns `out`.

    Raises
    ------
    TypeError
        If the result's kind does not fit into the dtype of `out`.
    ValueError
        If `out` is read-only, or `b` does not broadcast to its shape.
    """
    refuse_in_place(name, out, b)
    if not out.writable:
        raise ValueError("the array is read-only")
    if _in_place_at_once(name, out, b):
        return out
    b = as_operand(b, out.device)
    types = resolve(name, out.dtype, _type_of(b))
    if not np.can_cast(types[2], out.dtype, "same_kind"):
        raise TypeError(f"{name} gives {types[2]}, which an array of {out.dtype} cannot take in place")
    if np.broadcast_shapes(out.shape, _shape(b)) != out.shape:
        raise ValueError(f"operand of shape {_shape(b)} does not broadcast to the array's shape {out.shape}")
    same = isinstance(b, Array) and (b.offset, b.strides, b.shape) == (out.offset, out.strides, out.shape)
    if isinstance(b, Array) and not same and b.size and out.size and overlaps(out, b):
        b = copied(b)
    _run(name, out, out, b, types)
    return out


def _in_place_at_once(name: str, out: Array, b: Any) -> bool:
    """The quick way for contiguous arrays and what `binary` has done before; False where it does not lead there."""
    is_array = type(b) is Array
    plan = _plans.get((name, out.dtype, b.dtype if is_array else type(b), out.device))
    if plan is None or plan.result != out.dtype or not (out.contiguous and 0 < out.size <= _LARGEST):
        return False
    if is_array:
        if b.shape != out.shape or not b.contiguous or b.device is not out.device:
            return False
        at_one_place = (b._block, b.offset, b.itemsize) == (out._block, out.offset, out.itemsize)
        if not at_one_place and overlaps(out, b):
            return False
        plan.library.dense(out, out, b)
        return True
    try:
        value = plan.pack(b)  # type: ignore[misc]
    except (struct.error, OverflowError):
        return False
    plan.library.dense_scalar(out, out, value)
    return True


def as_operand(value: Any, device: Device) -> Any:
    """An Array on `device` or a number; LaunchValueError for an Array elsewhere."""
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
    return host.astype(_compute(name, dtype)).tobytes()


def _packer(name: str, dtype: np.dtype[Any], kind: type) -> Callable[[Any], bytes] | None:
    """The quick way to what `_scalar_bytes` gives, which raises for numbers out of range; None if there is none."""
    if (dtype.kind in "iub" and kind is float) or (name == "power" and dtype.kind == "i"):
        return None
    code = _PACKED.get(dtype.name)
    return None if code is None else struct.Struct("=" + code).pack


def _run(name: str, out: Array, a: Any, b: Any, types: tuple[np.dtype[Any], ...]) -> ShaderLibrary | None:
    """Launch; the library that was used, None if there was nothing to do."""
    stored_a = a.dtype if isinstance(a, Array) else types[0]
    stored_b = b.dtype if isinstance(b, Array) else types[1]
    compute_a, compute_b = _compute(name, types[0]), _compute(name, types[1])
    scalar: bytes | None = None
    if not isinstance(a, Array):
        scalar, stored_a = _scalar_bytes(name, a, types[0], False), compute_a
    elif not isinstance(b, Array):
        scalar, stored_b = _scalar_bytes(name, b, types[1], True), compute_b
    if out.size == 0:
        return None
    library = _library(
        out.device, name, metal_name(stored_a), metal_name(compute_a), metal_name(stored_b), metal_name(compute_b),
        metal_name(out.dtype),
    )  # fmt: skip
    arrays = [x for x in (a, b) if isinstance(x, Array)]
    dense = out.contiguous and all(x.contiguous and x.shape == out.shape for x in arrays) and out.size <= _LARGEST
    tail = () if scalar is None else (scalar,)
    kind = "dense" if dense else "strided"
    if scalar is not None:
        kind = f"{kind}_scalar" if arrays[0] is a else f"scalar_{kind}"
    if dense:
        library[kind](out, *arrays, *tail)
    else:
        launch_strided(library, kind, (out, *arrays), tail)
    return library
