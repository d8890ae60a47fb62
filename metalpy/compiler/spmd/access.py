"""Memory: loads and stores, addresses, and the variables that the lanes have each for themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .code import Lanes
from .ir import Instruction
from .memory import load, store
from .prefetch import write_prefetch
from .records import loaded_record, read_record, stored_record, write_record
from .rows import read_rows
from .shape import literal

if TYPE_CHECKING:
    from .vectorize import Vectorizer

__all__ = ["write_alloca", "write_load", "write_pointer", "write_store"]


def write_load(w: Vectorizer, instruction: Instruction) -> None:
    source = instruction.operands[0].text
    if source in w.shapes.thread:
        w.define(instruction, _thread_parts(w, instruction, w.shapes.thread[source]))
        return
    if id(instruction) in w.written:
        return
    write_prefetch(w, instruction)
    record = loaded_record(w, instruction)
    if record is not None:
        w.written |= {id(access) for access, _ in record.accesses}
        read_record(w, record)
        return
    if read_rows(w, instruction):
        return
    shapes = w.shapes.defined(instruction.result)
    step = _step(w, source)
    pointer = w.one(instruction.operands[0])
    w.define(instruction, load(w.code, instruction, pointer, w.mask, shapes[0], step, source in w.tables))


def write_store(w: Vectorizer, instruction: Instruction) -> None:
    if id(instruction) in w.written:
        return
    write_prefetch(w, instruction)
    record = w.records.pop(id(instruction), None) or stored_record(w, instruction)
    if record is not None and record.accesses[-1][0] is instruction:
        write_record(w, record)
        return
    if record is not None:  # the last one will write them all
        w.written |= {id(access) for access, _ in record.accesses[:-1]}
        w.records[id(record.accesses[-1][0])] = record
        return
    value, target = instruction.operands
    store(w.code, instruction, w.get(value), w.one(target), w.mask, _step(w, target.text))


def _step(w: Vectorizer, pointer: str) -> int:
    """Bytes between the components of what an interleaved variable holds."""
    return w.shapes.interleaved.get(pointer, 0) * w.code.width


def _thread_parts(w: Vectorizer, instruction: Instruction, at: int) -> list[Lanes]:
    made = []
    for k, shape in enumerate(w.shapes.defined(instruction.result)):
        word = at // 4 + k
        name = ("%x", "%y", "%z", "%first")[word]
        if shape.lanes is not None:
            made.append(Lanes("i32", shape, str(shape.base)))
        elif shape.offsets is None:
            made.append(Lanes("i32", shape, vector=name))
        else:
            made.append(Lanes("i32", shape, name))
    return made


def write_alloca(w: Vectorizer, instruction: Instruction) -> None:
    code, shapes = w.code, w.shapes
    size = w.layout.size(instruction.extra)
    stride = size if instruction.result in shapes.interleaved else -(-size // 16) * 16
    start = -(-w.private_bytes // 64) * 64
    w.private_bytes = start + stride * code.width
    scalar = code.new(f"getelementptr i8, ptr %private, i64 {start}")
    w.define(instruction, [Lanes("ptr", shapes.defined(instruction.result)[0], scalar)])


def write_pointer(w: Vectorizer, instruction: Instruction) -> None:
    if instruction.result in w.shapes.thread:
        return
    code = w.code
    (shape,) = w.shapes.defined(instruction.result)
    source = instruction.operands[0]
    base = w.one(source)
    indices = [w.one(value) for value in instruction.operands[1:]]
    made = Lanes("ptr", shape)
    if source.text in w.shapes.interleaved:
        _interleaved_pointer(w, instruction, base, made)
    else:
        if shape.offsets is not None:
            listed = ", ".join(f"{i.type} {i.scalar}" for i in indices)
            flags = instruction.flags if all(i.shape.is_uniform for i in (base, *indices)) else ""
            made.scalar = code.new(f"getelementptr {flags} {instruction.extra}, ptr {base.scalar}, {listed}")
        if shape.offsets is None or shape.relaxed:
            parts = []
            for lanes, value in zip(indices, instruction.operands[1:], strict=True):
                plain = lanes.shape.is_uniform or literal(value) is not None
                type_ = lanes.type if plain else code.vector_type(lanes.type)
                parts.append(f"{type_} {lanes.scalar if plain else code.vector(lanes)}")
            start = f"ptr {base.scalar}" if base.shape.is_uniform else f"{code.vector_type('ptr')} {code.vector(base)}"
            made.vector = code.new(f"getelementptr {instruction.extra}, {start}, {', '.join(parts)}")
    w.define(instruction, [made])


def _interleaved_pointer(w: Vectorizer, instruction: Instruction, base: Lanes, made: Lanes) -> None:
    """Elements of one lane are as far apart as there are lanes."""
    code = w.code
    steps = [(w.one(value), stride * code.width) for value, stride in w.shapes.steps(instruction)]
    if made.shape.offsets is not None:
        total = base.scalar
        for lanes, stride in steps:
            index = lanes.scalar
            if lanes.type != "i64":
                index = code.new(f"sext {lanes.type} {index} to i64")
            far = code.new(f"mul i64 {index}, {stride}")
            total = code.new(f"getelementptr i8, ptr {total}, i64 {far}")
        made.scalar = total
    if made.shape.offsets is None or made.shape.relaxed:
        vector, full = code.vector(base), code.vector_type("i64")
        for lanes, stride in steps:
            index = code.vector(lanes)
            if lanes.type != "i64":
                index = code.new(f"sext {code.vector_type(lanes.type)} {index} to {full}")
            far = code.new(f"mul {full} {index}, splat (i64 {stride})")
            vector = code.new(f"getelementptr i8, {code.vector_type('ptr')} {vector}, {full} {far}")
        made.vector = vector
