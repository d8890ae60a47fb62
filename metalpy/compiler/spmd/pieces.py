"""Vectors and aggregates of the kernel, whose components are kept apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .code import Lanes
from .ir import Instruction, constant_parts, member_span
from .shape import VARYING, Shape, literal

if TYPE_CHECKING:
    from .vectorize import Vectorizer

__all__ = ["write_extract", "write_extract_value", "write_insert", "write_insert_value", "write_shuffle"]


def write_extract(w: Vectorizer, instruction: Instruction) -> None:
    parts = w.get(instruction.operands[0])
    index = literal(instruction.operands[1])
    if index is not None:
        w.define(instruction, [parts[index]])
        return
    lanes = w.one(instruction.operands[1])
    result = parts[0]
    for k, part in enumerate(parts[1:], 1):
        result = _selected(w, lanes, k, part, result)
    w.define(instruction, [_as(w, result, w.shapes.defined(instruction.result)[0])])


def write_insert(w: Vectorizer, instruction: Instruction) -> None:
    parts, new = list(w.get(instruction.operands[0])), w.one(instruction.operands[1])
    index = literal(instruction.operands[2])
    if index is not None:
        parts[index] = new
    else:
        lanes = w.one(instruction.operands[2])
        parts = [_selected(w, lanes, k, new, part) for k, part in enumerate(parts)]
    shapes = w.shapes.defined(instruction.result)
    w.define(instruction, [_as(w, p, s) for p, s in zip(parts, shapes, strict=True)])


def _selected(w: Vectorizer, index: Lanes, k: int, hit: Lanes, miss: Lanes) -> Lanes:
    """`hit` where the index is k."""
    code = w.code
    if index.shape.is_uniform and hit.shape.is_uniform and miss.shape.is_uniform:
        same = code.new(f"icmp eq {index.type} {index.scalar}, {k}")
        value = code.new(f"select i1 {same}, {hit.type} {hit.scalar}, {hit.type} {miss.scalar}")
        return Lanes(hit.type, hit.shape, value)
    full = code.vector_type(index.type)
    same = code.new(f"icmp eq {full} {code.vector(index)}, splat ({index.type} {k})")
    value = code.choose(same, hit.type, code.vector(hit), code.vector(miss))
    return Lanes(hit.type, VARYING, vector=value)


def _as(w: Vectorizer, lanes: Lanes, shape: Shape) -> Lanes:
    """A value in the form that its shape asks for: one that was found to vary may be known better."""
    if shape.offsets is None:
        return Lanes(lanes.type, shape, vector=w.code.vector(lanes))
    return lanes


def write_shuffle(w: Vectorizer, instruction: Instruction) -> None:
    parts = w.get(instruction.operands[0]) + w.get(instruction.operands[1])
    shapes = w.shapes.defined(instruction.result)
    made = []
    for pick, shape in zip(constant_parts(instruction.operands[2]), shapes, strict=True):
        if pick in ("poison", "undef"):
            made.append(Lanes(parts[0].type, shape, "poison"))
        else:
            made.append(parts[int(pick)])
    w.define(instruction, made)


def write_extract_value(w: Vectorizer, instruction: Instruction) -> None:
    first, end = member_span(instruction.operands[0].type, instruction.extra)
    w.define(instruction, w.get(instruction.operands[0])[first:end])


def write_insert_value(w: Vectorizer, instruction: Instruction) -> None:
    first, end = member_span(instruction.operands[0].type, instruction.extra)
    whole, new = w.get(instruction.operands[0]), w.get(instruction.operands[1])
    w.define(instruction, [*whole[:first], *new, *whole[end:]])
