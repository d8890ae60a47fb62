"""Instructions that act on each component of their operands by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .code import ALL, Lanes
from .ir import Instruction, Value, components
from .memory import interleaved, joined, split
from .shape import VARYING, Shape, literal

if TYPE_CHECKING:
    from .vectorize import Vectorizer

__all__ = ["OPCODES", "write_elementwise"]

_DIVISION = frozenset("udiv sdiv urem srem".split())
_CASTS = frozenset(
    "trunc zext sext fptrunc fpext fptoui fptosi uitofp sitofp ptrtoint inttoptr bitcast ptrtoaddr".split()
)
OPCODES = (
    _CASTS
    | _DIVISION
    | frozenset("add sub mul shl lshr ashr and or xor fadd fsub fmul fdiv frem fneg icmp fcmp select freeze".split())
)


def write_elementwise(w: Vectorizer, instruction: Instruction) -> None:
    w.define(instruction, _elements(w, instruction))


def _elements(w: Vectorizer, instruction: Instruction) -> list[Lanes]:
    op = instruction.op
    operands = [w.get(value) for value in instruction.operands]
    shapes = w.shapes.defined(instruction.result)
    types = components(instruction.type)
    if op == "bitcast" and len(operands[0]) != len(types):
        return _recast(w, instruction, operands[0], shapes)
    made = []
    for k, (type_, shape) in enumerate(zip(types, shapes, strict=True)):
        parts = [operand[k] if len(operand) > 1 else operand[0] for operand in operands]
        made.append(_element(w, instruction, type_, shape, parts))
    return made


def _element(w: Vectorizer, instruction: Instruction, type_: str, shape: Shape, parts: list[Lanes]) -> Lanes:
    lanes = Lanes(type_, shape)
    if shape.lanes is not None:
        lanes.scalar = str(shape.base)
        return lanes
    if shape.offsets is not None:
        exact = all(part.shape.is_uniform for part in parts)
        lanes.scalar = _base(w, instruction, type_, parts, exact)
        if not shape.relaxed:
            return lanes
    if type_ == "i128" and (factors := _factors(w, instruction)):
        high = _high_product(w, *factors)
        signed = "sext" if instruction.op == "ashr" else "zext"
        lanes.vector = w.code.new(f"{signed} {w.code.vector_type('i64')} {high} to {w.code.vector_type(type_)}")
        return lanes
    if instruction.op == "or" and type_ == "i64" and (words := _glued_words(w, instruction)):
        mixed = interleaved(w.code, "i32", words)
        lanes.vector = w.code.new(f"bitcast <{2 * w.code.width} x i32> {mixed} to {w.code.vector_type('i64')}")
        return lanes
    vectors = [w.code.vector(part) for part in parts]
    if instruction.op == "select" and parts[0].shape.is_uniform:
        vectors[0] = parts[0].scalar
    lanes.vector = _operation(w, instruction, type_, parts, vectors)
    return lanes


def _glued_words(w: Vectorizer, instruction: Instruction) -> list[str]:
    """The lower and the upper words that a number of 64 bits is put together of here, as vectors; or nothing."""

    def made(value: Value, op: str) -> Instruction | None:
        block, maker = w.home.get(value.text, ("", instruction))
        return maker if block == w.block and maker.op == op else None

    for low, high in (instruction.operands, instruction.operands[::-1]):
        shifted = made(high, "shl")
        words = (made(low, "zext"), shifted and made(shifted.operands[0], "zext"))
        if shifted is None or shifted.operands[1].text != "32" or not all(words):
            continue
        sources = [word.operands[0] for word in words if word is not None]
        if all(source.type == "i32" for source in sources):
            return [w.code.vector(w.one(source)) for source in sources]
    return []


def _base(w: Vectorizer, instruction: Instruction, type_: str, parts: list[Lanes], exact: bool) -> str:
    """The operation on the operands' bases."""
    op, code = instruction.op, w.code
    scalars = [part.scalar for part in parts]
    source = parts[0].type
    if exact:
        flags = instruction.flags
    else:
        flags = instruction.flags.split()[-1] if op in ("icmp", "fcmp") else ""
        if op == "or":
            op = "add"
    if op in _CASTS:
        if not exact and op in ("zext", "sext") and parts[0].shape.relaxed is False:
            return _widened(w, instruction, parts[0], type_)
        return code.new(f"{op} {flags} {source} {scalars[0]} to {type_}")
    if op == "select":
        return code.new(f"select {flags} i1 {scalars[0]}, {type_} {scalars[1]}, {type_} {scalars[2]}")
    if op in ("freeze", "fneg"):
        return code.new(f"{op} {flags} {source} {scalars[0]}")
    return code.new(f"{op} {flags} {source} {scalars[0]}, {scalars[1]}")


def _widened(w: Vectorizer, instruction: Instruction, part: Lanes, type_: str) -> str:
    """A base in more bits. Where the narrow number wraps around between the first lane and the last, the lanes
    behind the border are meant: those before it have addresses that no buffer reaches. If all lanes are active, the
    first lane is before the border, and its address is to fail.
    """
    op, code, source = instruction.op, w.code, part.type
    plain = code.new(f"{op} {source} {part.scalar} to {type_}")
    last = max(part.shape.offsets or (0,))
    within = last < part.shape.align and min(part.shape.offsets or (0,)) >= 0
    if op == "sext" or last <= 0 or within or (w.mask == ALL and w.only_addresses(instruction.result)):
        return plain
    signed = code.new(f"sext {source} {part.scalar} to {type_}")
    wraps = code.new(f"icmp ugt {source} {part.scalar}, {-1 - last}")
    return code.new(f"select i1 {wraps}, {type_} {signed}, {type_} {plain}")


def _operation(w: Vectorizer, instruction: Instruction, type_: str, parts: list[Lanes], vectors: list[str]) -> str:
    op, code = instruction.op, w.code
    flags = instruction.flags
    source, full = code.vector_type(parts[0].type), code.vector_type(type_)
    if op in _DIVISION and not (parts[1].shape.is_uniform and parts[1].scalar[0] not in "%@"):
        vectors[1] = code.choose(w.mask, parts[1].type, vectors[1], f"splat ({type_} 1)")
    if op in _CASTS:
        return code.new(f"{op} {flags} {source} {vectors[0]} to {full}")
    if op == "select":
        condition = "i1" if parts[0].shape.is_uniform else code.mask_type
        return code.new(f"select {flags} {condition} {vectors[0]}, {full} {vectors[1]}, {full} {vectors[2]}")
    if op in ("freeze", "fneg"):
        return code.new(f"{op} {flags} {source} {vectors[0]}")
    return code.new(f"{op} {flags} {source} {vectors[0]}, {vectors[1]}")


def _factors(w: Vectorizer, instruction: Instruction) -> tuple[Lanes, Lanes, bool] | None:
    """The factors of a product of 64-bit integers of which `instruction` takes the upper half; whether signed."""
    if instruction.op not in ("lshr", "ashr") or instruction.operands[1].text != "64":
        return None
    block, product = w.home.get(instruction.operands[0].text, ("", instruction))
    if block != w.block or product.op != "mul":
        return None
    for extend, limits in (("zext", (0, 1 << 64)), ("sext", (-1 << 63, 1 << 63))):
        if all(_is_extended(w, value, extend, *limits) for value in product.operands):
            a, b = (w.one(value) for value in product.operands)
            return (a, b, extend == "sext") if (extend, instruction.op) != ("zext", "ashr") else None
    return None


def _is_extended(w: Vectorizer, value: Value, extend: str, least: int, limit: int, depth: int = 2) -> bool:
    """Whether a value of 128 bits comes from one of 64 or fewer."""
    if (number := literal(value)) is not None:
        return least <= number < limit
    maker = w.home[value.text][1] if value.text in w.home else None
    if maker is not None and maker.op in ("phi", "select") and depth:
        sources = maker.operands[maker.op == "select" :]
        return all(_is_extended(w, source, extend, least, limit, depth - 1) for source in sources)
    return maker is not None and maker.op == extend and int(maker.operands[0].type[1:]) <= 64


def _high_product(w: Vectorizer, a: Lanes, b: Lanes, signed: bool) -> str:
    """The upper 64 bits of products of 64-bit integers, from products of their halves: LLVM would go lane by lane."""
    code, full = w.code, w.code.vector_type("i64")

    def act(op: str, x: str, y: str) -> str:
        return code.new(f"{op} {full} {x}, {y}")

    wide = code.vector_type("i128")
    x, y = (code.new(f"trunc {wide} {code.vector(lanes)} to {full}") for lanes in (a, b))
    half, low = "splat (i64 32)", f"splat (i64 {(1 << 32) - 1})"
    # LLVM would find out what is computed here, and go lane by lane again, if it saw every mask.
    hidden = code.splat("i64", code.new(f'call i64 asm "", "=r,0"(i64 {(1 << 32) - 1})'))
    x0, x1, y0, y1 = act("and", x, low), act("lshr", x, half), act("and", y, low), act("lshr", y, half)
    first = act("add", act("mul", x1, y0), act("lshr", act("mul", x0, y0), half))
    second = act("add", act("mul", x0, y1), act("and", first, hidden))
    high = act("add", act("mul", x1, y1), act("lshr", first, half))
    high = act("add", high, act("lshr", second, half))
    if signed:
        sign = "splat (i64 63)"
        for p, q in ((x, y), (y, x)):
            high = act("sub", high, act("and", act("ashr", p, sign), q))
    return high


def _recast(w: Vectorizer, instruction: Instruction, parts: list[Lanes], shapes: list[Shape]) -> list[Lanes]:
    """A bitcast between one number of components and another, lane by lane in vectors of the whole."""
    code, width = w.code, w.code.width
    source, types = instruction.operands[0].type, components(instruction.type)
    if all(part.shape.is_uniform for part in parts):
        whole = joined(code, source, [part.scalar for part in parts])
        made = code.new(f"bitcast {source} {whole} to {instruction.type}")
        return split(code, instruction.type, made, shapes[0])
    mixed = interleaved(code, parts[0].type, [code.vector(part) for part in parts])
    count = len(types)
    full = f"<{width * count} x {types[0]}>"
    cast = code.new(f"bitcast <{width * len(parts)} x {parts[0].type}> {mixed} to {full}")
    if count == 1:
        return [Lanes(types[0], VARYING, vector=cast)]
    made_parts = []
    for k, type_ in enumerate(types):
        picks = ", ".join(f"i32 {i * count + k}" for i in range(width))
        part_ = code.new(f"shufflevector {full} {cast}, {full} poison, <{width} x i32> <{picks}>")
        made_parts.append(Lanes(type_, VARYING, vector=part_))
    return made_parts
