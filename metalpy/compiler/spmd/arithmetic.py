"""Instructions that act on each component of their operands by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .code import Lanes
from .ir import Instruction, components
from .memory import interleaved, joined, split
from .shapes import VARYING, Shape

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
    vectors = [w.code.vector(part) for part in parts]
    if instruction.op == "select" and parts[0].shape.is_uniform:
        vectors[0] = parts[0].scalar
    lanes.vector = _operation(w, instruction, type_, parts, vectors)
    return lanes


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
            return _widened(w, op, parts[0], type_)
        return code.new(f"{op} {flags} {source} {scalars[0]} to {type_}")
    if op == "select":
        return code.new(f"select {flags} i1 {scalars[0]}, {type_} {scalars[1]}, {type_} {scalars[2]}")
    if op in ("freeze", "fneg"):
        return code.new(f"{op} {flags} {source} {scalars[0]}")
    return code.new(f"{op} {flags} {source} {scalars[0]}, {scalars[1]}")


def _widened(w: Vectorizer, op: str, part: Lanes, type_: str) -> str:
    """A base in more bits. Where the narrow number wraps around between the first lane and the last, the lanes
    behind the border are meant: those before it have addresses that no buffer reaches.
    """
    code, source = w.code, part.type
    plain = code.new(f"{op} {source} {part.scalar} to {type_}")
    last = max(part.shape.offsets or (0,))
    if op == "sext" or last <= 0 or (last < part.shape.align and min(part.shape.offsets or (0,)) >= 0):
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
