"""Operations without side effects: how they are written in Metal, and what they give, by NumPy.

Whatever the operands are, an operation is defined: where Metal leaves something open (division by zero, conversion
of large floats, the sign of min(-0, 0)), the text that is written keeps clear of it, and so does the function here.
Only the payload and sign of a NaN are open, and no text lets them be seen.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .language import Expr, Type

Array = Any  # of NumPy


def to_bfloat(x: Array) -> Array:
    """float32 rounded to the nearest bfloat, as float32."""
    x = np.asarray(x, np.float32)
    bits = x.view(np.uint32).astype(np.uint64)
    rounded = ((bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000).astype(np.uint32).view(np.float32)
    return np.where(np.isnan(x), np.float32(np.nan), rounded)


def in_type(x: Array, t: Type) -> Array:
    """A result in its type: rounded, or cut to the low bits."""
    return to_bfloat(x) if t.name == "bfloat" else np.asarray(x).astype(t.dtype)


def wide(x: Array) -> Array:
    """Integers without bounds."""
    return np.asarray(x).astype(object)


def wrapped(x: Array, t: Type) -> Array:
    """Integers without bounds, to the low bits of `t`."""
    low = x & (1 << t.bits) - 1
    sign = low >> t.bits - 1 if t.kind == "i" else 0 * low
    return (low - (sign << t.bits)).astype(t.dtype)


def saturated(x: Array, t: Type) -> Array:
    low, high = (-(1 << t.bits - 1), (1 << t.bits - 1) - 1) if t.kind == "i" else (0, (1 << t.bits) - 1)
    return np.minimum(np.maximum(x, low), high).astype(t.dtype)


def unsigned(x: Array, t: Type) -> Array:
    return wide(x) & (1 << t.bits) - 1


def fma(a: Array, b: Array, c: Array) -> Array:
    """Of float32, rounded once: the product is exact in double, the sum is rounded to odd there."""
    product = a.astype(np.float64) * b.astype(np.float64)
    addend = c.astype(np.float64)
    total = product + addend
    part = total - product
    error = (product - (total - part)) + (addend - part)
    inexact = np.isfinite(total) & (error != 0) & (total.view(np.int64) & 1 == 0)
    odd = np.nextafter(total, np.where(error > 0, np.inf, -np.inf))
    return np.where(inexact, odd, total).astype(np.float32)


def round_half_away(x: Array) -> Array:
    whole = np.trunc(x)
    away = np.where(np.abs(x - whole) >= 0.5, whole + np.copysign(np.ones_like(x), x), whole)
    return np.copysign(away, x)


def limits(to: Type) -> tuple[int, int]:
    """Floats are clamped to these before they are converted to an integer."""
    return (0, 200) if to.kind == "u" else (-100, 100) if to.bits == 8 else (-1000, 1000)


def convert(x: Array, source: Type, to: Type) -> Array:
    if to.name == "bool":
        return x != 0
    if source.kind == "f" and to.kind in "iu":
        low, high = limits(to)
        return np.fmin(np.fmax(x, low), high).astype(np.int32).astype(to.dtype)
    if to.name == "bfloat":
        return to_bfloat(np.asarray(x).astype(np.float32))
    return np.asarray(x).astype(to.dtype)


def conversion_text(e: Expr, arg: str) -> str:
    source = e.args[0].type
    if e.type.name == "bool":
        return f"({arg} != {source}(0))"
    if source.kind == "f" and e.type.kind in "iu":
        low, high = limits(e.type)
        return f"{e.type}(clamp({arg}, {source}({low}), {source}({high})))"
    return f"{e.type}({arg})"


def literal_text(x: Any, t: Type) -> str:
    if t.n > 1:
        return f"{t}({', '.join(literal_text(part, t.scalar) for part in x)})"
    if t.name == "bool":
        return "true" if x else "false"
    if t.kind == "f":
        return f"{t}({float(x)!r}f)" if t.name != "float" else f"{float(x)!r}f"
    suffix = {"uint": "u", "ulong": "ul"}.get(t.name, "")
    if suffix:
        return f"{int(x)}{suffix}"
    return f"{t}({int(x)})" if abs(int(x)) < 1 << 31 else f"{t}({int(x) & (1 << t.bits) - 1:#x}ul)"


def bit_field(x: Array, offset: Array, count: Array, t: Type) -> Array:
    low = unsigned(x, t) >> offset & (1 << count) - 1
    sign = (low >> np.maximum(count - 1, 0) & 1) * (count > 0) if t.kind == "i" else low * 0
    return wrapped(low - sign * (1 << count), t)


def insert_bits(base: Array, x: Array, offset: Array, count: Array, t: Type) -> Array:
    mask = (1 << count) - 1 << offset
    return wrapped(unsigned(base, t) & ~mask | unsigned(x, t) << offset & mask, t)


def quotient(a: Array, b: Array) -> Array:
    return (a - np.fmod(a, b)) // b


def divisor(b: Array, t: Type) -> Array:
    return (b & t.dtype(15)) | t.dtype(1)


def shift(x: Array, by: Array, t: Type, left: bool) -> Array:
    by = wide(by) & t.bits - 1
    return wrapped(wide(x) << by if left else wide(x) >> by, t)


def column(x: Array, t: Type) -> Array:
    """A scalar's values, to go with the components of a vector of type `t`."""
    return x[:, None] if t.n > 1 else x


def bytes_as(x: Array, to: Type) -> Array:
    raw = np.ascontiguousarray(x).view(to.dtype)
    return raw.reshape(len(x), to.n) if to.n > 1 else raw.reshape(len(x))


def sign(x: Array) -> Array:
    return np.where(x > 0, 1, np.where(x < 0, -1, np.where(x == x, x, 0)))


def bits_of(x: Array) -> Array:
    """as_type<uint> of a float, 0 for a NaN."""
    return np.where(np.isnan(x), 0, x.view(np.uint32)).astype(np.uint32)


def count_bits(x: Array, t: Type, how: str) -> Array:
    text = np.vectorize(lambda v: f"{v:0{t.bits}b}", otypes=[object])(unsigned(x, t))
    functions: dict[str, Callable[[str], int]] = {
        "popcount": lambda s: s.count("1"),
        "clz": lambda s: len(s) - len(s.lstrip("0")),
        "ctz": lambda s: len(s) - len(s.rstrip("0")),
        "reverse_bits": lambda s: int(s[::-1], 2),
    }
    return wrapped(np.vectorize(functions[how], otypes=[object])(text), t)


# Operations on operands of the result's type: text, function of the type and the operands.
INTEGER: dict[str, tuple[str, Callable[..., Array]]] = {
    "add": ("{T}({0} + {1})", lambda t, a, b: a + b),
    "sub": ("{T}({0} - {1})", lambda t, a, b: a - b),
    "mul": ("{T}({0} * {1})", lambda t, a, b: a * b),
    "and": ("{T}({0} & {1})", lambda t, a, b: a & b),
    "or": ("{T}({0} | {1})", lambda t, a, b: a | b),
    "xor": ("{T}({0} ^ {1})", lambda t, a, b: a ^ b),
    "shl": ("{T}({0} << ({1} & {T}({bits})))", lambda t, a, b: shift(a, b, t, True)),
    "shr": ("{T}({0} >> ({1} & {T}({bits})))", lambda t, a, b: shift(a, b, t, False)),
    "div": ("{T}({0} / (({1} & {T}(15)) | {T}(1)))", lambda t, a, b: quotient(a, divisor(b, t))),
    "mod": ("{T}({0} % (({1} & {T}(15)) | {T}(1)))", lambda t, a, b: np.fmod(a, divisor(b, t))),
    "min": ("min({0}, {1})", lambda t, a, b: np.minimum(a, b)),
    "max": ("max({0}, {1})", lambda t, a, b: np.maximum(a, b)),
    "absdiff": ("{T}(absdiff({0}, {1}))", lambda t, a, b: wrapped(abs(wide(a) - wide(b)), t)),
    "addsat": ("addsat({0}, {1})", lambda t, a, b: saturated(wide(a) + wide(b), t)),
    "subsat": ("subsat({0}, {1})", lambda t, a, b: saturated(wide(a) - wide(b), t)),
    "hadd": ("hadd({0}, {1})", lambda t, a, b: wrapped(wide(a) + wide(b) >> 1, t)),
    "rhadd": ("rhadd({0}, {1})", lambda t, a, b: wrapped(wide(a) + wide(b) + 1 >> 1, t)),
    "mulhi": ("mulhi({0}, {1})", lambda t, a, b: wrapped(wide(a) * wide(b) >> t.bits, t)),
    "madhi": ("madhi({0}, {1}, {2})", lambda t, a, b, c: wrapped((wide(a) * wide(b) >> t.bits) + wide(c), t)),
    "madsat": ("madsat({0}, {1}, {2})", lambda t, a, b, c: saturated(wide(a) * wide(b) + wide(c), t)),
    "rotate": (
        "rotate({0}, {1})",
        lambda t, a, b: wrapped(unsigned(a, t) * ((1 << t.bits) + 1) << (wide(b) & t.bits - 1) >> t.bits, t),
    ),
    "neg": ("{T}(-({0}))", lambda t, a: wrapped(-wide(a), t)),
    "not": ("{T}(~{0})", lambda t, a: ~a),
    "abs": ("abs({0})", lambda t, a: wrapped(abs(wide(a)), t)),
    "clz": ("clz({0})", lambda t, a: count_bits(a, t, "clz")),
    "ctz": ("ctz({0})", lambda t, a: count_bits(a, t, "ctz")),
    "popcount": ("popcount({0})", lambda t, a: count_bits(a, t, "popcount")),
    "reverse_bits": ("reverse_bits({0})", lambda t, a: count_bits(a, t, "reverse_bits")),
}
# Shifts of scalars of 32 and 64 bits whose amount is not masked in the text.
RAW_SHIFTS: dict[str, tuple[str, Callable[..., Array]]] = {
    "raw_shl": ("({0} << {1})", lambda t, a, b: shift(a, b, t, True)),
    "raw_shr": ("({0} >> {1})", lambda t, a, b: shift(a, b, t, False)),
}
FLOATING: dict[str, tuple[str, Callable[..., Array]]] = {
    "fadd": ("({0} + {1})", lambda t, a, b: a + b),
    "fsub": ("({0} - {1})", lambda t, a, b: a - b),
    "fmul": ("({0} * {1})", lambda t, a, b: a * b),
    "fdiv": ("({0} / {1})", lambda t, a, b: a / b),
    "fmin": ("(min({0}, {1}) + {T}(0.0f))", lambda t, a, b: np.fmin(a, b) + t.dtype(0)),
    "fmax": ("(max({0}, {1}) + {T}(0.0f))", lambda t, a, b: np.fmax(a, b) + t.dtype(0)),
    "fneg": ("(-({0}))", lambda t, a: -a),
    "fabs": ("fabs({0})", lambda t, a: np.abs(a)),
    "sqrt": ("sqrt({0})", lambda t, a: np.sqrt(a)),
    "floor": ("floor({0})", lambda t, a: np.floor(a)),
    "ceil": ("ceil({0})", lambda t, a: np.ceil(a)),
    "trunc": ("trunc({0})", lambda t, a: np.trunc(a)),
    "rint": ("rint({0})", lambda t, a: np.rint(a)),
    "round": ("round({0})", lambda t, a: round_half_away(a)),
    "saturate": ("(saturate({0}) + {T}(0.0f))", lambda t, a: np.fmin(np.fmax(a, t.dtype(0)), t.dtype(1)) + t.dtype(0)),
    "sign": ("sign({0})", lambda t, a: sign(a)),
    "step": ("step({0}, {1})", lambda t, a, b: np.where(b < a, 0, 1)),
}
FUSED: dict[str, tuple[str, Callable[..., Array]]] = {
    "fma": ("fma({0}, {1}, {2})", lambda t, a, b, c: fma(a, b, c)),
}
LOGICAL: dict[str, tuple[str, Callable[..., Array]]] = {
    "lnot": ("(!{0})", lambda t, a: ~a),
    "lxor": ("({0} != {1})", lambda t, a, b: a ^ b),
}
OF_TYPE = INTEGER | RAW_SHIFTS | FLOATING | FUSED | LOGICAL
ARITY = {name: text.count("{") - text.count("{T}") - text.count("{bits}") for name, (text, _) in OF_TYPE.items()}
COMPARISONS: dict[str, tuple[str, Callable[..., Array]]] = {
    "lt": ("<", np.less), "le": ("<=", np.less_equal), "gt": (">", np.greater),
    "ge": (">=", np.greater_equal), "eq": ("==", np.equal), "ne": ("!=", np.not_equal),
}  # fmt: skip


def text_of(e: Expr, args: list[str]) -> str | None:
    """An operation in Metal; None if it is none of this module."""
    if e.op in RAW_SHIFTS and e.args[0].op not in (
        "read",
        "load",
        "builtin",
    ):  # a constant by a constant may be undefined
        return OF_TYPE[e.op.removeprefix("raw_")][0].format(*args, T=e.type, bits=e.type.bits - 1)
    if e.op in OF_TYPE:
        return OF_TYPE[e.op][0].format(*args, T=e.type, bits=e.type.bits - 1)
    if e.op in COMPARISONS:
        return f"({args[0]} {COMPARISONS[e.op][0]} {args[1]})"
    t = e.type
    match e.op:
        case "literal":
            return literal_text(e.data, t)
        case "convert":
            return conversion_text(e, args[0])
        case "select":
            return f"select({args[0]}, {args[1]}, {args[2]})"
        case "all" | "any":
            return f"{e.op}({args[0]})"
        case "construct":
            return f"{t}({', '.join(args)})"
        case "swizzle":
            return f"{args[0]}.{''.join('xyzw'[k] for k in e.data)}"
        case "component":
            return f"{args[0]}[uint({args[1]}) % {e.args[0].type.n}u]"
        case "as_type":
            return f"as_type<{t}>({args[0]})"
        case "float_bits":
            return f"float_bits({args[0]})"
        case "power_of_two":
            return f"{t}(({args[0]} & 1) + 1)"
        case "extract_bits":
            return f"extract_bits({args[0]}, {args[1]} & 3u, {args[2]} % 6u)"
        case "insert_bits":
            return f"insert_bits({args[0]}, {args[1]}, {args[2]} & 3u, {args[3]} % 6u)"
    return None


def value_of(e: Expr, args: list[Array], count: int) -> Array | None:
    """What an operation gives for each of `count` threads; None if it is none of this module."""
    t = e.type
    if e.op in OF_TYPE:
        return in_type(OF_TYPE[e.op][1](t, *args), t)
    if e.op in COMPARISONS:
        return COMPARISONS[e.op][1](*args)
    match e.op:
        case "literal":
            return np.broadcast_to(np.asarray(e.data, t.dtype), (count, t.n) if t.n > 1 else (count,))
        case "convert":
            return convert(args[0], e.args[0].type, t)
        case "select":
            return np.where(args[2] if e.args[2].type.n > 1 else column(args[2], t), args[1], args[0])
        case "all":
            return args[0].all(-1)
        case "any":
            return args[0].any(-1)
        case "construct":
            return np.concatenate([a if a.ndim > 1 else a[:, None] for a in args], axis=1)
        case "swizzle":
            return args[0][:, e.data] if len(e.data) > 1 else args[0][:, e.data[0]]
        case "component":
            at = args[1].astype(np.uint32) % e.args[0].type.n
            return args[0][np.arange(count), at]
        case "as_type":
            return bytes_as(args[0], t)
        case "float_bits":
            return bits_of(args[0])
        case "power_of_two":
            return in_type((args[0] & 1) + 1, t)
        case "extract_bits":
            return bit_field(args[0], *(wide(column(x, t)) for x in (args[1] & 3, args[2] % 6)), t)
        case "insert_bits":
            return insert_bits(args[0], args[1], *(wide(column(x, t)) for x in (args[2] & 3, args[3] % 6)), t)
    return None
