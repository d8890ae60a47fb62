"""What of Metal's standard library is tested, as tables: functions, their exact meaning and the errors allowed.

`tests/msl/test_conformance.py` makes kernels of the tables and compares them with the references;
`tools/conformance.py` makes docs/conformance.md of them. Calls are written for arguments ``x, y, z`` of a type ``V``,
scalar or vector; references work on arrays with one row for each call and one column for each component.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np

FLOATS: dict[str, Any] = {"float": np.float32, "half": np.float16, "bfloat": ml_dtypes.bfloat16}
INTEGERS: dict[str, Any] = {
    "char": np.int8, "uchar": np.uint8, "short": np.int16, "ushort": np.uint16,
    "int": np.int32, "uint": np.uint32, "long": np.int64, "ulong": np.uint64,
}  # fmt: skip
TYPES = FLOATS | INTEGERS


@dataclass(frozen=True)
class Function:
    """One function.

    Attributes
    ----------
    name, call : str
        Its name and an expression that uses it.
    exact : callable
        The result for arrays of the arguments, in float64 (or, if `native`, in the type itself).
    ranges : tuple of (low, high)
        Of each argument.
    ulp : float
        Error allowed in single precision; results of half and bfloat are rounded from that.
    types, widths : tuple
        For which it exists.
    fast_ulp : float, optional
        Error allowed of the function in ``fast::``, where it is another.
    """

    name: str
    call: str
    exact: Callable[..., Any]
    ranges: tuple[tuple[float, float], ...] = ((-50, 50), (-50, 50), (-50, 50))
    ulp: float = 0
    types: tuple[str, ...] = tuple(FLOATS)
    widths: tuple[int, ...] = (1, 2, 3, 4)
    native: bool = False
    namespaces: bool = True
    fast_ulp: float | None = None


def F(name: str, exact: Callable[..., Any], *ranges: tuple[float, float], call: str = "", **more: Any) -> Function:
    """A function whose arguments are x, y, z as far as there are ranges."""
    arguments = ", ".join("xyz"[: max(len(ranges), 1)])
    return Function(name, call or f"{name}({arguments})", exact, ranges or ((-50, 50),), **more)


# ---- <metal_math>, <metal_common>: the errors are those of the specification's table for single precision ----


def _pi(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def of_pi_x(x: Any) -> Any:
        values = function(math.pi * np.remainder(x, 2.0))
        return np.where(np.abs(values) < 1e-15, 0.0, values)

    return of_pi_x


def _smoothstep(low: Any, high: Any, x: Any) -> Any:
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def _median(x: Any, y: Any, z: Any) -> Any:
    return np.median(np.stack([x, y, z]), axis=0)


_ONE, _WIDE, _UNIT, _POSITIVE = (-1, 1), (-50, 50), (0, 1), (0.01, 50)
MATH = [
    F("acos", np.arccos, _ONE, ulp=4), F("acosh", np.arccosh, (1, 50), ulp=4), F("asin", np.arcsin, _ONE, ulp=4),
    F("asinh", np.arcsinh, ulp=4), F("atan", np.arctan, ulp=5), F("atan2", np.arctan2, _WIDE, _WIDE, ulp=6),
    F("atanh", np.arctanh, (-0.98, 0.98), ulp=5), F("ceil", np.ceil), F("copysign", np.copysign, _WIDE, _WIDE),
    F("cos", np.cos, ulp=4), F("cosh", np.cosh, (-8, 8), ulp=4), F("cospi", _pi(np.cos), (-8, 8), ulp=4),
    F("divide", np.divide, _WIDE, _POSITIVE, ulp=0.5), F("exp", np.exp, (-9, 9), ulp=4),
    F("exp2", np.exp2, (-12, 12), ulp=4), F("exp10", lambda x: 10.0**x, (-4, 4), ulp=4), F("fabs", np.abs),
    F("abs", np.abs), F("fdim", lambda x, y: np.maximum(x - y, 0), _WIDE, _WIDE, ulp=0.5), F("floor", np.floor),
    F("fma", lambda x, y, z: x * y + z, _WIDE, _WIDE, _WIDE, ulp=0.51), F("fmax", np.fmax, _WIDE, _WIDE),
    F("fmax3", lambda x, y, z: np.fmax(x, np.fmax(y, z)), _WIDE, _WIDE, _WIDE), F("fmin", np.fmin, _WIDE, _WIDE),
    F("fmin3", lambda x, y, z: np.fmin(x, np.fmin(y, z)), _WIDE, _WIDE, _WIDE),
    F("fmedian3", _median, _WIDE, _WIDE, _WIDE), F("fmod", np.fmod, _WIDE, (0.5, 9)),
    F("fract", lambda x: x - np.floor(x), ulp=0.5), F("log", np.log, _POSITIVE, ulp=4),
    F("log2", np.log2, _POSITIVE, ulp=4), F("log10", np.log10, _POSITIVE, ulp=4), F("max", np.fmax, _WIDE, _WIDE),
    F("max3", lambda x, y, z: np.fmax(x, np.fmax(y, z)), _WIDE, _WIDE, _WIDE),
    F("median3", _median, _WIDE, _WIDE, _WIDE), F("min", np.fmin, _WIDE, _WIDE),
    F("min3", lambda x, y, z: np.fmin(x, np.fmin(y, z)), _WIDE, _WIDE, _WIDE),
    F("pow", np.power, (0.1, 9), (-3, 3), ulp=16), F("powr", np.power, (0.1, 9), (-3, 3), ulp=16),
    F("rint", np.rint), F("round", lambda x: np.copysign(np.floor(np.abs(x) + 0.5), x)),
    F("rsqrt", lambda x: 1 / np.sqrt(x), _POSITIVE, ulp=0.51, fast_ulp=2), F("sin", np.sin, ulp=4),
    F("sinh", np.sinh, (-8, 8), ulp=4), F("sinpi", _pi(np.sin), (-8, 8), ulp=4), F("sqrt", np.sqrt, (0, 50), ulp=0.5),
    F("tan", np.tan, (-1.5, 1.5), ulp=6), F("tanh", np.tanh, (-8, 8), ulp=5),
    F("tanpi", _pi(np.tan), (-0.45, 0.45), ulp=6), F("trunc", np.trunc),
    F("frexp", lambda x: np.frexp(x)[0], call="frexp_fraction(x)", namespaces=False),
    F("frexp's exponent", lambda x: np.frexp(x)[1], call="frexp_exponent(x)", namespaces=False),
    F("ilogb", lambda x: np.frexp(x)[1] - 1, _POSITIVE, call="V(ilogb(x))", namespaces=False),
    F("ldexp", lambda x, y: np.ldexp(x, np.trunc(y).astype(int)), _WIDE, (-5, 5), call="ldexp(x, whole(y))"),
    F("modf", lambda x: np.modf(x)[0], call="modf_fraction(x)", ulp=0.5, namespaces=False),
    F("modf's whole part", np.trunc, call="modf_whole(x)", namespaces=False),
    F("nextafter", np.nextafter, _WIDE, _WIDE, native=True),
    F("sincos", np.sin, call="sincos_sine(x)", ulp=4, namespaces=False),
    F("sincos's cosine", np.cos, call="sincos_cosine(x)", ulp=4, namespaces=False),
]  # fmt: skip
COMMON = [
    F("clamp", np.clip, _WIDE, (-20, 0), (1, 20)),
    F("mix", lambda x, y, a: x + (y - x) * a, (1, 2), (3, 4), _UNIT, ulp=2),
    F("saturate", lambda x: np.clip(x, 0, 1), (-2, 2)), F("sign", np.sign),
    F("smoothstep", _smoothstep, (0, 0.3), (0.6, 1), _UNIT, ulp=6),
    F("step", lambda edge, x: np.where(x < edge, 0.0, 1.0), _WIDE, _WIDE),
]  # fmt: skip


# ---- <metal_relational>; special values are among the arguments, and y is x in places ----


def _normal(x: Any) -> Any:
    return np.isfinite(x) & (np.abs(x) >= ml_dtypes.finfo(x.dtype).smallest_normal)


def _each_row(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *a: np.broadcast_to(function(*a, axis=1)[:, None], a[0].shape)


RELATIONAL = [
    F("isfinite", np.isfinite), F("isinf", np.isinf), F("isnan", np.isnan), F("isnormal", _normal),
    F("signbit", np.signbit), F("isordered", lambda x, y: ~(np.isnan(x) | np.isnan(y)), _WIDE, _WIDE),
    F("isunordered", lambda x, y: np.isnan(x) | np.isnan(y), _WIDE, _WIDE),
    F("not", lambda x, y: ~(x < y), _WIDE, _WIDE, call="not(x < y)"),
    F("all", lambda x, y: _each_row(np.all)(x < y), _WIDE, _WIDE, call="all(x < y)"),
    F("any", lambda x, y: _each_row(np.any)(x < y), _WIDE, _WIDE, call="any(x < y)"),
    F("select", lambda x, y: np.where(x < y, np.signbit(y), np.signbit(x)), _WIDE, _WIDE,
      call="signbit(select(x, y, x < y))"),
]  # fmt: skip


# ---- <metal_integer>: of Python's integers a, b, c and the type's size ----


@dataclass(frozen=True)
class Integer:
    """A function of integers; `exact` gets the arguments, the number of bits and the limits."""

    name: str
    call: str
    exact: Callable[..., int]
    types: tuple[str, ...] = tuple(INTEGERS)


def _raw(a: int, bits: int) -> int:
    return a & ((1 << bits) - 1)


def _limited(a: int, limits: tuple[int, int]) -> int:
    return min(max(a, limits[0]), limits[1])


def _field(a: int, bits: int, limits: tuple[int, int]) -> int:
    value = _raw(a, bits) >> 3 & 15
    return value - 16 if limits[0] < 0 and value & 8 else value


def _rotated(a: int, b: int, bits: int) -> int:
    turn = b % bits
    return _raw(_raw(a, bits) << turn, bits) | _raw(a, bits) >> (bits - turn)


_32 = ("int", "uint")
INTEGER = [
    Integer("abs", "abs(x)", lambda a, b, c, n, m: abs(a)),
    Integer("absdiff", "absdiff(x, y)", lambda a, b, c, n, m: abs(a - b)),
    Integer("addsat", "addsat(x, y)", lambda a, b, c, n, m: _limited(a + b, m)),
    Integer("clamp", "clamp(x, min(y, z), max(y, z))", lambda a, b, c, n, m: min(max(a, min(b, c)), max(b, c))),
    Integer("clz", "clz(x)", lambda a, b, c, n, m: n - _raw(a, n).bit_length()),
    Integer("ctz", "ctz(x)", lambda a, b, c, n, m: (_raw(a, n) & -_raw(a, n)).bit_length() - 1 if a else n),
    Integer("extract_bits", "extract_bits(x, 3, 4)", lambda a, b, c, n, m: _field(a, n, m)),
    Integer("hadd", "hadd(x, y)", lambda a, b, c, n, m: (a + b) >> 1),
    Integer("insert_bits", "insert_bits(x, y, 3, 4)", lambda a, b, c, n, m: a & ~0x78 | (b & 15) << 3),
    Integer("mad24", "mad24(x % V(4096), y % V(2048), z)",
            lambda a, b, c, n, m: int(math.fmod(a, 4096)) * int(math.fmod(b, 2048)) + c, _32),
    Integer("madhi", "madhi(x, y, z)", lambda a, b, c, n, m: (a * b >> n) + c),
    Integer("madsat", "madsat(x, y, z)", lambda a, b, c, n, m: _limited(a * b + c, m)),
    Integer("max", "max(x, y)", lambda a, b, c, n, m: max(a, b)),
    Integer("max3", "max3(x, y, z)", lambda a, b, c, n, m: max(a, b, c)),
    Integer("median3", "median3(x, y, z)", lambda a, b, c, n, m: sorted((a, b, c))[1]),
    Integer("min", "min(x, y)", lambda a, b, c, n, m: min(a, b)),
    Integer("min3", "min3(x, y, z)", lambda a, b, c, n, m: min(a, b, c)),
    Integer("mul24", "mul24(x % V(4096), y % V(2048))",
            lambda a, b, c, n, m: int(math.fmod(a, 4096)) * int(math.fmod(b, 2048)), _32),
    Integer("mulhi", "mulhi(x, y)", lambda a, b, c, n, m: a * b >> n),
    Integer("popcount", "popcount(x)", lambda a, b, c, n, m: _raw(a, n).bit_count()),
    Integer("reverse_bits", "reverse_bits(x)", lambda a, b, c, n, m: int(f"{_raw(a, n):0{n}b}"[::-1], 2)),
    Integer("rhadd", "rhadd(x, y)", lambda a, b, c, n, m: (a + b + 1) >> 1),
    Integer("rotate", "rotate(x, y)", lambda a, b, c, n, m: _rotated(a, b, n)),
    Integer("subsat", "subsat(x, y)", lambda a, b, c, n, m: _limited(a - b, m)),
    Integer("select", "select(x, y, x < y)", lambda a, b, c, n, m: b if a < b else a),
]  # fmt: skip


# ---- <metal_geometric>: rows are vectors; errors relative to the size of the arguments ----


def _row_dot(x: Any, y: Any) -> Any:
    return (x * y).sum(axis=1, keepdims=True)


def _norm(x: Any) -> Any:
    return np.sqrt(_row_dot(x, x))


def _refract(x: Any, y: Any) -> Any:
    i, n = x / _norm(x), y / _norm(y)
    along = _row_dot(n, i)
    k = 1 - 0.25 * (1 - along**2)
    return np.where(k < 0, 0, 0.5 * i - (0.5 * along + np.sqrt(np.maximum(k, 0))) * n)


def G(name: str, exact: Callable[..., Any], call: str, **more: Any) -> Function:
    """A geometric function; one that gives a scalar gives it to every component."""
    return Function(name, call, exact, ((-2, 2), (-2, 2)), widths=more.pop("widths", (2, 3, 4)), **more)


GEOMETRIC = [
    G("cross", np.cross, "cross(x, y)", widths=(3,)), G("distance", lambda x, y: _norm(x - y), "V(distance(x, y))"),
    G("distance_squared", lambda x, y: _row_dot(x - y, x - y), "V(distance_squared(x, y))"),
    G("dot", _row_dot, "V(dot(x, y))"),
    G("faceforward", lambda x, y: np.where(_row_dot(x, y) < 0, x, -x), "faceforward(x, y, x)"),
    G("length", lambda x, y: _norm(x), "V(length(x))"),
    G("length_squared", lambda x, y: _row_dot(x, x), "V(length_squared(x))"),
    G("normalize", lambda x, y: x / _norm(x), "normalize(x)"),
    G("reflect", lambda x, y: x - 2 * _row_dot(y, x) * y, "reflect(x, y)"),
    G("refract", _refract, "refract(normalize(x), normalize(y), S(0.5f))"),
]  # fmt: skip


# ---- <metal_simdgroup> and <metal_quadgroup>: of the values of a group's lanes (rows) and the lanes' numbers ----


@dataclass(frozen=True)
class Lanes:
    """A function of a group of lanes, named without its prefix; `exact(v, i, n)` for n lanes with values v at i."""

    name: str
    call: str
    exact: Callable[[Any, Any, int], Any]
    types: tuple[str, ...] = tuple(TYPES)
    groups: tuple[str, ...] = ("simd", "quad")


def _total(function: Callable[..., Any]) -> Callable[[Any, Any, int], Any]:
    return lambda v, i, n: np.broadcast_to(function(v, axis=0, dtype=v.dtype), v.shape)


def _extreme(function: Callable[..., Any]) -> Callable[[Any, Any, int], Any]:
    return lambda v, i, n: np.broadcast_to(function(v, axis=0), v.shape)


def _bits(function: Any) -> Callable[[Any, Any, int], Any]:
    return lambda v, i, n: np.broadcast_to(function.reduce(v, axis=0), v.shape)


def _scan(function: Callable[..., Any], start: int, inclusive: bool) -> Callable[[Any, Any, int], Any]:
    def scanned(v: Any, i: Any, n: int) -> Any:
        sums = function(v, axis=0, dtype=v.dtype)
        return sums if inclusive else np.concatenate([np.full_like(v[:1], start), sums[:-1]])

    return scanned


def _filled(v: Any, i: Any, n: int, step: int) -> Any:
    filler = -v
    return np.concatenate([filler[n - step :], v[: n - step]] if step > 0 else [v[-step:], filler[:-step]])


_INTEGERS = tuple(INTEGERS)
LANES = [
    Lanes("sum", "@_sum(x)", _total(np.sum)), Lanes("product", "@_product(x)", _total(np.prod)),
    Lanes("min", "@_min(x)", _extreme(np.min)), Lanes("max", "@_max(x)", _extreme(np.max)),
    Lanes("prefix_inclusive_sum", "@_prefix_inclusive_sum(x)", _scan(np.cumsum, 0, True)),
    Lanes("prefix_exclusive_sum", "@_prefix_exclusive_sum(x)", _scan(np.cumsum, 0, False)),
    Lanes("prefix_inclusive_product", "@_prefix_inclusive_product(x)", _scan(np.cumprod, 1, True)),
    Lanes("prefix_exclusive_product", "@_prefix_exclusive_product(x)", _scan(np.cumprod, 1, False)),
    Lanes("and", "@_and(x)", _bits(np.bitwise_and), _INTEGERS), Lanes("or", "@_or(x)", _bits(np.bitwise_or), _INTEGERS),
    Lanes("xor", "@_xor(x)", _bits(np.bitwise_xor), _INTEGERS),
    Lanes("broadcast", "@_broadcast(x, 2)", lambda v, i, n: np.broadcast_to(v[2], v.shape)),
    Lanes("broadcast_first", "@_broadcast_first(x)", lambda v, i, n: np.broadcast_to(v[0], v.shape)),
    Lanes("shuffle", "@_shuffle(x, (lane * 3 + 1) % width)", lambda v, i, n: v[(i * 3 + 1) % n]),
    Lanes("shuffle_xor", "@_shuffle_xor(x, 3)", lambda v, i, n: v[i ^ 3]),
    Lanes("shuffle_up", "@_shuffle_up(x, 1)", lambda v, i, n: v[np.maximum(i - 1, 0)]),
    Lanes("shuffle_down", "@_shuffle_down(x, 1)", lambda v, i, n: v[np.minimum(i + 1, n - 1)]),
    Lanes("shuffle_rotate_up", "@_shuffle_rotate_up(x, 3)", lambda v, i, n: v[(i - 3) % n]),
    Lanes("shuffle_rotate_down", "@_shuffle_rotate_down(x, 3)", lambda v, i, n: v[(i + 3) % n]),
    Lanes("shuffle_and_fill_up", "@_shuffle_and_fill_up(x, V(-x), 1)", lambda v, i, n: _filled(v, i, n, 1)),
    Lanes("shuffle_and_fill_down", "@_shuffle_and_fill_down(x, V(-x), 1)", lambda v, i, n: _filled(v, i, n, -1)),
]  # fmt: skip
# The bits that a condition true in every third lane gives.
VOTES: Mapping[str, Callable[[Any, int], Any]] = {
    "ulong(@_vote::vote_t(@_ballot(lane % 3 == 0)))": lambda i, n: sum(1 << int(k) for k in i if k % 3 == 0),
    "ulong(@_vote::vote_t(@_active_threads_mask()))": lambda i, n: (1 << n) - 1,
    "@_all(lane < width)": lambda i, n: 1,
    "@_all(lane > 0)": lambda i, n: 0,
    "@_any(lane > 2)": lambda i, n: 1,
    "@_any(lane > width)": lambda i, n: 0,
    "@_ballot(lane > 0).all()": lambda i, n: 0,
    "@_ballot(lane > 0).any()": lambda i, n: 1,
    "@_is_first()": lambda i, n: (i == 0).astype(int),
    "@_is_helper_thread()": lambda i, n: 0,
}


# ---- <metal_atomic>: the function, its types, and what becomes of (old value, operand) ----


@dataclass(frozen=True)
class Atomic:
    """An operation of atomics that leaves `after(old, operand)` behind."""

    name: str
    call: str
    after: Callable[[Any, Any], Any]
    types: tuple[str, ...] = ("int", "uint")


def _fetch(op: str, after: Callable[[Any, Any], Any], *more: str) -> Atomic:
    call = f"atomic_fetch_{op}_explicit(a, x, memory_order_relaxed)"
    return Atomic(f"atomic_fetch_{op}_explicit", call, after, ("int", "uint", *more))


ATOMICS = [
    _fetch("add", lambda a, b: a + b, "float"), _fetch("sub", lambda a, b: a - b, "float"),
    _fetch("min", min), _fetch("max", max), _fetch("and", lambda a, b: a & b), _fetch("or", lambda a, b: a | b),
    _fetch("xor", lambda a, b: a ^ b),
    Atomic("atomic_store_explicit", "(atomic_store_explicit(a, x, memory_order_relaxed), old)", lambda a, b: b,
           ("int", "uint", "bool", "float", "ulong")),
    Atomic("atomic_load_explicit", "atomic_load_explicit(a, memory_order_relaxed)", lambda a, b: a,
           ("int", "uint", "bool", "float", "ulong")),
    Atomic("atomic_exchange_explicit", "atomic_exchange_explicit(a, x, memory_order_relaxed)", lambda a, b: b,
           ("int", "uint", "bool", "float")),
    Atomic("atomic_compare_exchange_weak_explicit", "exchanged(a, old, x)", lambda a, b: b,
           ("int", "uint", "bool", "float")),
    Atomic("atomic_min_explicit", "(atomic_min_explicit(a, x, memory_order_relaxed), old)", min, ("ulong",)),
    Atomic("atomic_max_explicit", "(atomic_max_explicit(a, x, memory_order_relaxed), old)", max, ("ulong",)),
]  # fmt: skip


# ---- <metal_pack>: the fields from the low bits up, and the component that each holds ----

UNORM, SNORM = "unorm", "snorm"
PACKED: dict[str, tuple[str, str, tuple[int, ...], tuple[int, ...]]] = {
    # packed name: (name when unpacking, kind, bits of each field, component of each)
    "unorm4x8": ("unorm4x8", UNORM, (8, 8, 8, 8), (0, 1, 2, 3)),
    "snorm4x8": ("snorm4x8", SNORM, (8, 8, 8, 8), (0, 1, 2, 3)),
    "srgb_unorm4x8": ("unorm4x8_srgb", "srgb", (8, 8, 8, 8), (0, 1, 2, 3)),
    "unorm2x16": ("unorm2x16", UNORM, (16, 16), (0, 1)),
    "snorm2x16": ("snorm2x16", SNORM, (16, 16), (0, 1)),
    "unorm10a2": ("unorm10a2", UNORM, (10, 10, 10, 2), (0, 1, 2, 3)),
    "unorm565": ("unorm565", UNORM, (5, 6, 5), (2, 1, 0)),
}


# ---- constants ----

_MATHEMATICAL = {
    "E": math.e, "LOG2E": math.log2(math.e), "LOG10E": math.log10(math.e), "LN2": math.log(2), "LN10": math.log(10),
    "PI": math.pi, "PI_2": math.pi / 2, "PI_4": math.pi / 4, "1_PI": 1 / math.pi, "2_PI": 2 / math.pi,
    "2_SQRTPI": 2 / math.sqrt(math.pi), "SQRT2": math.sqrt(2), "SQRT1_2": math.sqrt(0.5),
}  # fmt: skip
_SUFFIXES = {"F": "float", "H": "half", "BF": "bfloat"}


def _format_constants() -> dict[str, tuple[str, float]]:
    found: dict[str, tuple[str, float]] = {}
    for prefix, type_name in (("FLT", "float"), ("HALF", "half"), ("BFLT", "bfloat")):
        info = ml_dtypes.finfo(FLOATS[type_name])
        digits = info.nmant + 1
        values = {
            "DIG": math.floor((digits - 1) * math.log10(2)), "MANT_DIG": digits, "RADIX": 2,
            "MAX_EXP": info.maxexp, "MIN_EXP": info.minexp + 1,
            "MAX_10_EXP": math.floor(math.log10(float(info.max))),
            "MIN_10_EXP": math.ceil(math.log10(float(info.tiny))),
            "DECIMAL_DIG": math.ceil(1 + digits * math.log10(2)),
        }  # fmt: skip
        found |= {f"{prefix}_{name}": ("int", value) for name, value in values.items()}
        limits = {"MAX": info.max, "MIN": info.tiny, "EPSILON": info.eps, "TRUE_MIN": info.smallest_subnormal}
        found |= {f"{prefix}_{name}": (type_name, float(value)) for name, value in limits.items()}
    return found


def _integer_constants() -> dict[str, tuple[str, float]]:
    names = {"CHAR": "char", "SCHAR": "char", "UCHAR": "uchar", "SHRT": "short", "USHRT": "ushort", "INT": "int",
             "UINT": "uint", "LONG": "long", "ULONG": "ulong"}  # fmt: skip
    found: dict[str, tuple[str, float]] = {"CHAR_BIT": ("int", 8)}
    for name, type_name in names.items():
        info = np.iinfo(INTEGERS[type_name])
        found[f"{name}_MAX"] = (type_name, int(info.max))
        if info.min < 0:
            found[f"{name}_MIN"] = (type_name, int(info.min))
    return found


CONSTANTS: dict[str, tuple[str, Any]] = {
    **{f"M_{n}_{s}": (t, v) for s, t in _SUFFIXES.items() for n, v in _MATHEMATICAL.items()},
    **_format_constants(), **_integer_constants(),
    "INFINITY": ("float", math.inf), "NAN": ("float", math.nan), "HUGE_VALF": ("float", math.inf),
    "HUGE_VALH": ("half", math.inf), "HUGE_VALBF": ("bfloat", math.inf),
    "MAXFLOAT": ("float", float(np.finfo("f4").max)),
    "MAXHALF": ("half", 65504.0), "MAXBFLOAT": ("bfloat", float(ml_dtypes.finfo(ml_dtypes.bfloat16).max)),
    "FP_ILOGB0": ("int", -(2**31)), "FP_ILOGBNAN": ("int", -(2**31)),
}  # fmt: skip


# ---- <c10/metal/special_math.h>: errors allowed, relative, and absolute near a zero of the function ----

# Most are a few epsilon (1.2e-7). Functions with zeros away from the origin, or that are one minus something, keep an
# absolute accuracy only.
_CLOSE, _POLYNOMIAL = (6e-7, 0.0), (2e-5, 1e-4)
SPECIAL_ERRORS: dict[str, tuple[float, float]] = {
    "erf": _CLOSE, "erfc": (1e-6, 1e-30), "erfinv": (2e-6, 0), "gamma": (2e-6, 0), "log_gamma": (6e-7, 2e-6),
    "digamma": (1e-6, 3e-6), "polygamma": (3e-6, 0), "zeta": (2e-6, 0), "igamma": (1e-5, 3e-6),
    "igammac": (1e-5, 3e-6), "expm1f": _CLOSE, "log1p": _CLOSE, "xlogy": _CLOSE, "xlog1py": _CLOSE,
    "entr": (6e-7, 1e-7), "logaddexp": (6e-7, 2e-7), "logaddexp2": (6e-7, 2e-7), "spherical_bessel_j0": (6e-7, 1e-7),
    "i0": (1.5e-6, 0), "i0e": _CLOSE, "i1": (1.5e-6, 0), "i1e": _CLOSE,
    "modified_bessel_i0_forward": (1.5e-6, 0), "modified_bessel_i1_forward": (1.5e-6, 0),
    "modified_bessel_k0_forward": (1e-6, 0), "modified_bessel_k1_forward": (1e-6, 0),
    "scaled_modified_bessel_k0_forward": (1e-6, 0), "scaled_modified_bessel_k1_forward": (1e-6, 0),
    "bessel_j0_forward": (0, 4e-7), "bessel_j1_forward": (0, 4e-7), "bessel_y0_forward": (1e-6, 5e-7),
    "bessel_y1_forward": (1e-6, 1e-6),
    **{f"{shifted}chebyshev_polynomial_{kind}_forward": _POLYNOMIAL for shifted in ("", "shifted_") for kind in "tuvw"},
    "hermite_polynomial_h_forward": _POLYNOMIAL, "hermite_polynomial_he_forward": _POLYNOMIAL,
}  # fmt: skip
