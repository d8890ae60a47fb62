"""Simdgroup functions as vector code: all 32 lanes are in one register, so that nothing has to wait.

Lanes that are not active count with the identity of the operation; what a lane reads from one that is not active is
zero. Sums and products combine halves of the simdgroup, then quarters and so on; prefix sums go by powers of two (W. D.
Hillis and G. L. Steele, "Data parallel algorithms", CACM 1986). The reference executor computes in the same order.
"""

from __future__ import annotations

import platform
import re
from functools import cache

from .code import ALL, WIDE, Code, Lanes
from .ir import Unsupported, vector_of
from .memory import mangled
from .shape import Shape

__all__ = ["combined_lanes", "simdgroup_call"]

_REDUCTION = re.compile(r"mp_simd_(sum|product|min|max|and|or|xor)_([iuf]\d+)")
_PREFIX = re.compile(r"mp_simd_prefix_(inclusive|exclusive)_(sum|product)_([iuf]\d+)")
_SHUFFLE = re.compile(r"mp_simd_shuffle_u(32|64)")


def simdgroup_call(code: Code, name: str, arguments: list[Lanes], mask: str, shape: Shape) -> Lanes | None:
    """The result of one of the runtime's simdgroup functions; None where there is none.

    Raises
    ------
    Unsupported
        A function that has no vector form.
    """
    if name == "mp_simdgroup_barrier":
        return None
    if name == "mp_simd_lane":
        return Lanes("i32", shape, "0")
    if name in ("mp_simd_active", "mp_simd_ballot"):
        return Lanes("i64", shape, _ballot(code, arguments, mask))
    if match := _REDUCTION.fullmatch(name):
        return Lanes(arguments[0].type, shape, combined_lanes(code, match[1], match[2], arguments[0], mask))
    if match := _PREFIX.fullmatch(name):
        return _prefix(code, match, arguments[0], mask, shape)
    if _SHUFFLE.fullmatch(name):
        return _shuffled(code, arguments[0], arguments[1], mask, shape)
    if name == "mp_simd_multiply_accumulate":
        return _multiplied(code, arguments, mask, shape)
    if name == "mp_simd_matmul":
        _multiply_tiles(code, arguments, mask)
        return None
    raise Unsupported(f"the simdgroup function {name}")


def _ballot(code: Code, arguments: list[Lanes], mask: str) -> str:
    if arguments:
        predicate = code.vector(arguments[0])
        set_ = code.new(f"icmp ne {code.vector_type('i32')} {predicate}, zeroinitializer")
        mask = code.both(mask, set_)
    return code.new(f"zext i{code.width} {code.bits(mask)} to i64")


# ---- reductions ----


def _identity(operation: str, kind: str) -> str:
    bits = int(kind[1:])
    if kind[0] == "f":
        return {"sum": "-0.0", "product": "1.0", "min": "0x7FF8000000000000", "max": "0x7FF8000000000000"}[operation]
    top = (1 << bits) - 1
    signed = kind[0] == "i"
    numbers = {
        "sum": 0, "or": 0, "xor": 0, "product": 1, "and": -1,
        "min": top >> 1 if signed else -1, "max": -(1 << (bits - 1)) if signed else 0,
    }  # fmt: skip
    return str(numbers[operation])


def _combined(code: Code, operation: str, kind: str, type_: str, width: int, a: str, b: str) -> str:
    full = vector_of(width, type_) if width > 1 else type_
    if operation in ("min", "max"):
        name = {"f": "num", "i": "", "u": ""}[kind[0]]
        function = {"f": f"{operation}{name}", "i": f"s{operation}", "u": f"u{operation}"}[kind[0]]
        suffix = f"v{width}{mangled(type_)}" if width > 1 else mangled(type_)
        return code.call(full, f"llvm.{function}.{suffix}", (f"{full} {a}", f"{full} {b}"))
    op = {"sum": "add", "product": "mul"}.get(operation, operation)
    return code.new(f"{'f' if kind[0] == 'f' else ''}{op} {full} {a}, {b}")


def _active_or_identity(code: Code, operation: str, kind: str, lanes: Lanes, mask: str) -> str:
    identity = code.splat(lanes.type, _identity(operation, kind))
    return code.choose(mask, lanes.type, code.vector(lanes), identity)


def combined_lanes(code: Code, operation: str, kind: str, lanes: Lanes, mask: str) -> str:
    """All active lanes of a value combined, a scalar; `kind` is its type as in ``mp_simd_sum_i32``."""
    value = _active_or_identity(code, operation, kind, lanes, mask)
    width = code.width
    while width > 1:
        source, half = vector_of(width, lanes.type), width // 2
        low = ", ".join(f"i32 {i}" for i in range(half))
        high = ", ".join(f"i32 {i + half}" for i in range(half))
        if half > 1:
            parts = [
                code.new(f"shufflevector {source} {value}, {source} poison, <{half} x i32> <{picks}>")
                for picks in (low, high)
            ]
        else:
            parts = [code.new(f"extractelement {source} {value}, i32 {i}") for i in range(2)]
        value = _combined(code, operation, kind, lanes.type, half, *parts)
        width = half
    return value


def _prefix(code: Code, match: re.Match[str], lanes: Lanes, mask: str, shape: Shape) -> Lanes:
    which, operation, kind = match.groups()
    type_, width = lanes.type, code.width
    full = code.vector_type(type_)
    identity = code.splat(type_, _identity(operation, kind))
    value = _active_or_identity(code, operation, kind, lanes, mask)
    step = 1
    while step < width:
        value = _combined(code, operation, kind, type_, width, _up(code, full, value, identity, step), value)
        step *= 2
    if which == "exclusive":
        value = _up(code, full, value, identity, 1)
        if kind[0] == "f" and operation == "sum":
            value = code.new(f"fadd {full} {value}, splat ({type_} 0.0)")  # of nothing it is +0
    return Lanes(type_, shape, vector=value)


def _up(code: Code, full: str, value: str, fill: str, step: int) -> str:
    """Each lane gets what the lane `step` before holds; the first ones get the fill."""
    picks = ", ".join(f"i32 {i - step if i >= step else code.width + i}" for i in range(code.width))
    return code.new(f"shufflevector {full} {value}, {full} {fill}, <{code.width} x i32> <{picks}>")


# ---- shuffles ----


def _shuffled(code: Code, value: Lanes, source: Lanes, mask: str, shape: Shape) -> Lanes:
    if source.shape.is_uniform:
        return _broadcast(code, value, source.scalar, mask, shape)
    full, type_ = code.vector_type(value.type), value.type
    own = code.vector(value)
    held = code.choose(_opaque(code, mask), type_, own, "zeroinitializer")
    lanes = source.shape.lanes
    if lanes is not None:
        picks = ", ".join(f"i32 {n if 0 <= n < code.width else code.width + i}" for i, n in enumerate(lanes))
        moved = code.new(f"shufflevector {full} {held}, {full} {own}, <{code.width} x i32> <{picks}>")
        return Lanes(type_, shape, vector=moved)
    index = code.vector(source)
    indices = code.vector_type("i32")
    inside = code.new(f"icmp ult {indices} {index}, splat (i32 {code.width})")
    moved = _permuted(code, value.type, held, code.new(f"and {indices} {index}, splat (i32 {code.width - 1})"))
    return Lanes(type_, shape, vector=code.choose(inside, type_, moved, own))


def _opaque(code: Code, mask: str) -> str:
    """The same mask, which LLVM takes for another one.

    LLVM 22 drops the inner of `select(mask, shuffle(select(mask, x, 0)), 0)` where x is read from memory, as constants
    are, and the elements have 8 or 16 bits, as it may find out.
    """
    if mask == ALL:
        return mask
    hidden = code.new(f'call i{code.width} asm "", "=r,0"(i{code.width} {code.bits(mask)})')
    return code.new(f"bitcast i{code.width} {hidden} to {code.mask_type}")


def _permuted(code: Code, type_: str, value: str, index: str) -> str:
    """The lanes of a vector in another order, by way of memory; targets with an instruction for it may do better."""
    slot = code.variable(code.vector_type(type_))
    code.store(slot, value)
    at = code.new(f"getelementptr {type_}, ptr {slot}, {code.vector_type('i32')} {index}")
    size = "8" if type_ == "i64" else "4"
    full, width = code.vector_type(type_), code.width
    arguments = (f"{code.vector_type('ptr')} align {size} {at}", f"{code.mask_type} splat (i1 true)", f"{full} poison")
    return code.call(full, f"llvm.masked.gather.v{width}{type_}.v{width}p0", arguments)


def _broadcast(code: Code, value: Lanes, lane: str, mask: str, shape: Shape) -> Lanes:
    """Every lane reads the same one."""
    inside = code.new(f"icmp ult i32 {lane}, {code.width}")
    if value.shape.is_uniform:
        held, own = value.scalar, value.scalar
        index = code.new(f"and i32 {lane}, {code.width - 1}")
    else:
        index = code.new(f"and i32 {lane}, {code.width - 1}")
        full = code.vector_type(value.type)
        held = code.new(f"extractelement {full} {code.vector(value)}, i32 {index}")
        own = code.new(f"extractelement {full} {code.vector(value)}, i32 0")
    active = code.new(f"extractelement {code.mask_type} {mask}, i32 {index}")
    found = code.new(f"select i1 {active}, {value.type} {held}, {value.type} 0")
    return Lanes(value.type, shape, code.new(f"select i1 {inside}, {value.type} {found}, {value.type} {own}"))


# ---- products of matrices ----

_SIDE = 8
# Which of the simdgroup's 64 elements, two of each lane, is the element of a row and a column; see metalpy_kernel.h.
_PLACES = {
    ((lane // 4 & 4) + lane // 2 % 4, (lane // 4 & 2) * 2 + lane % 2 * 2 + k): 2 * lane + k
    for lane in range(32)
    for k in range(2)
}
# Row and column of each of them, in the order of the lanes.
_ELEMENTS = sorted(_PLACES, key=_PLACES.__getitem__)
_MATRIX = vector_of(_SIDE * _SIDE, "float")
_PRODUCT = "mp.matrix.product"


def _multiplied(code: Code, arguments: list[Lanes], mask: str, shape: Shape) -> Lanes:
    """A product of 8x8 matrices and a sum."""
    held = [f"{_MATRIX} {_matrix(code, lanes, mask)}" for lanes in arguments]
    code.declarations.setdefault(_PRODUCT, _product_function(code.width))
    total = code.new(f"call {_registers()} {_MATRIX} @{_PRODUCT}({', '.join(held)})")
    full = code.vector_type("i64")
    return Lanes("i64", shape, vector=code.new(f"bitcast {_MATRIX} {total} to {full}"))


def _registers() -> str:
    """The calling convention that passes most vectors in registers."""
    return "x86_regcallcc" if platform.machine().lower() in ("x86_64", "amd64") else "fastcc"


@cache
def _product_function(width: int) -> str:
    """Columns of the first matrix times rows of the second.

    All stay in the order of the lanes, in which 16 elements are a block of 4x4: a column goes to all places of its row
    within 128 bits, and a row is 128 bits which are repeated. It is a function, because LLVM would mix the instructions
    of all products of a block, so that sums go to the stack and back at each step, and take long to do so.
    """
    code, total = Code(width), "%c"
    for k in range(_SIDE):
        column = _picked(code, "%a", [_PLACES[row, k] for row, _ in _ELEMENTS])
        row = _picked(code, "%b", [_PLACES[k, column] for _, column in _ELEMENTS])
        operands = (f"{_MATRIX} {column}", f"{_MATRIX} {row}", f"{_MATRIX} {total}")
        total = code.call(_MATRIX, f"llvm.fmuladd.v{_SIDE * _SIDE}f32", operands)
    parameters = ", ".join(f"{_MATRIX} %{name}" for name in "abc")
    head = f"define internal {_registers()} {_MATRIX} @{_PRODUCT}({parameters}) noinline nounwind willreturn {WIDE} {{"
    return "\n".join([*code.declarations.values(), head, *code.lines, f"  ret {_MATRIX} {total}", "}"])


def _matrix(code: Code, lanes: Lanes, mask: str) -> str:
    """The elements of a matrix that the lanes hold."""
    full = code.vector_type("i64")
    held = code.choose(mask, "i64", code.vector(lanes), "zeroinitializer")
    return code.new(f"bitcast {full} {held} to {_MATRIX}")


def _picked(code: Code, matrix: str, places: list[int]) -> str:
    picks = ", ".join(f"i32 {i}" for i in places)
    return code.new(f"shufflevector {_MATRIX} {matrix}, {_MATRIX} poison, <{_SIDE * _SIDE} x i32> <{picks}>")


def _multiply_tiles(code: Code, arguments: list[Lanes], mask: str) -> None:
    """The runtime's product of tiles, on the lanes' memory."""
    tables = [f"ptr {code.spill(lanes)}" for lanes in arguments[:3]]
    numbers = [f"i32 {lanes.scalar}" for lanes in arguments[3:]]
    if not all(lanes.shape.is_uniform for lanes in arguments[3:]):
        raise Unsupported("a product of tiles whose sizes differ between lanes")
    code.call("void", "mp_simdgroup_matmul", (*tables, f"i{code.width} {code.bits(mask)}", *numbers))
