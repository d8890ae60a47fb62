"""Atomic operations, lane by lane.

A threadgroup runs on one thread of the host, so what is in its memory needs no atomic instructions: plain ones do,
which are many times faster. Where all lanes add to one place and none asks what was there, they add up first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .code import ALL, Code, Lanes
from .ir import Function, Instruction, components
from .memory import split
from .shape import ONE, VARYING
from .simdgroup import combined_lanes

if TYPE_CHECKING:
    from .vectorize import Vectorizer

__all__ = ["threadgroup_pointers", "write_atomic"]

_THREADGROUP_TABLE = 8  # where mp_group has its field threadgroup_memory
_PLAIN = {"add": "add", "sub": "sub", "and": "and", "or": "or", "xor": "xor", "fadd": "fadd", "fsub": "fsub"}
_COMPARE = {"max": "sgt", "min": "slt", "umax": "ugt", "umin": "ult"}
_ALIKE = {
    "add": "sum",
    "and": "and",
    "or": "or",
    "xor": "xor",
    "max": "max",
    "min": "min",
    "umax": "max",
    "umin": "min",
}


def threadgroup_pointers(function: Function) -> set[str]:
    """The values that point into threadgroup memory for sure."""
    group = function.parameters[0].text
    fields, tables, entries, found = set[str](), set[str](), set[str](), set[str]()
    for instruction in function.instructions():
        source = instruction.operands[0].text if instruction.operands else ""
        if instruction.op == "getelementptr":
            numbers = [v.text for v in instruction.operands[1:]]
            if source == group and instruction.extra == "i8" and numbers == [str(_THREADGROUP_TABLE)]:
                fields.add(instruction.result)
            elif source in tables:
                entries.add(instruction.result)
            elif source in found:
                found.add(instruction.result)
        elif instruction.op == "load" and instruction.type == "ptr":
            if source in fields:
                tables.add(instruction.result)
            elif source in tables or source in entries:
                found.add(instruction.result)
        elif instruction.callee == "mp_threadgroup_variable":
            found.add(instruction.result)
    return found


def write_atomic(w: Vectorizer, instruction: Instruction) -> None:
    """``atomicrmw`` and ``cmpxchg``."""
    code = w.code
    pointer, *values = (w.one(value) for value in instruction.operands)
    asked = instruction.result in w.used
    if not asked and pointer.shape.is_uniform and _operation(instruction) in _ALIKE:
        total = combined_lanes(code, _ALIKE[_operation(instruction)], _kind(instruction), values[0], w.mask)
        _perform(w, instruction, pointer.scalar, [f"{values[0].type} {total}"])
        return
    every = [lanes for lanes in (pointer, *values) if not lanes.shape.is_uniform]
    slots = {id(lanes): code.spill(lanes) for lanes in every}
    types = components(instruction.type) if asked else []
    results = [code.result_slot(type_) for type_ in types]

    def perform(mask: str) -> None:
        with code.each_lane(mask) as lane:
            at, *parts = (code.one_lane(lanes, slots.get(id(lanes), ""), lane) for lanes in (pointer, *values))
            got = _perform(w, instruction, at, [f"{v.type} {text}" for v, text in zip(values, parts, strict=True)])
            if asked:
                for part, slot in zip(split(code, instruction.type, got, ONE), results, strict=True):
                    code.poke(part.type, slot, lane, part.scalar)

    if w.mask == ALL or instruction.operands[0].text not in w.threadgroup_pointers:
        perform(w.mask)
    else:  # plain instructions are so fast that looking for the next active lane would take most of the time
        for all_ in code.if_all(w.mask):
            perform(ALL if all_ else w.mask)
    if asked:
        made = [Lanes(t, VARYING, vector=code.collected(t, slot)) for t, slot in zip(types, results, strict=True)]
        w.define(instruction, made)


def _kind(instruction: Instruction) -> str:
    """The type as the names of simdgroup functions have it."""
    return ("u" if _operation(instruction)[0] == "u" else "i") + instruction.type[1:]


def _operation(instruction: Instruction) -> str:
    """What ``atomicrmw`` does; Metal's functions say ``volatile`` as well, which no memory of a kernel needs."""
    return instruction.flags.split()[-1] if instruction.flags else ""


def _perform(w: Vectorizer, instruction: Instruction, at: str, operands: list[str]) -> str:
    """The operation of one lane; what was there before."""
    if instruction.operands[0].text in w.threadgroup_pointers:
        plain = _plainly(w.code, instruction, at, operands)
        if plain:
            return plain
    text = f"{instruction.op} {instruction.flags} ptr {at}, {', '.join(operands)} {instruction.extra}"
    return w.code.new(f"{text}, align {instruction.align}" if instruction.align else text)


def _plainly(code: Code, instruction: Instruction, at: str, operands: list[str]) -> str:
    """With instructions that are not atomic; '' if there are none for it."""
    operation = _operation(instruction)
    type_, _, value = operands[-1].partition(" ")
    if instruction.op == "cmpxchg":
        type_, _, expected = operands[0].partition(" ")
        old = code.new(f"load {type_}, ptr {at}, align {instruction.align}")
        same = code.new(f"icmp eq {type_} {old}, {expected}")
        new = code.new(f"select i1 {same}, {type_} {value}, {type_} {old}")
        code.do(f"store {type_} {new}, ptr {at}, align {instruction.align}")
        pair = code.new(f"insertvalue {instruction.type} poison, {type_} {old}, 0")
        return code.new(f"insertvalue {instruction.type} {pair}, i1 {same}, 1")
    if operation not in _PLAIN and operation not in _COMPARE and operation != "xchg":
        return ""
    old = code.new(f"load {type_}, ptr {at}, align {instruction.align}")
    if operation == "xchg":
        new = value
    elif operation in _PLAIN:
        new = code.new(f"{_PLAIN[operation]} {type_} {old}, {value}")
    else:
        more = code.new(f"icmp {_COMPARE[operation]} {type_} {old}, {value}")
        new = code.new(f"select i1 {more}, {type_} {old}, {type_} {value}")
    code.do(f"store {type_} {new}, ptr {at}, align {instruction.align}")
    return old
