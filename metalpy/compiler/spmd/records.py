"""Records that lie side by side in memory, one for each lane: they are read and written as a whole.

A kernel that reads a vector or a struct often does so part by part. Loads from one record of a block are brought
together at the first, stores that fill a record at the last; what all lanes read is then taken apart by shuffles, which
is faster than to gather each part.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .calls import is_ignored, is_pure
from .code import ALL, Lanes
from .ir import Instruction, components, vector_of
from .layout import is_regular, scalar_size
from .memory import advanced, interleaved, load, store
from .shape import is_vector, literal

if TYPE_CHECKING:
    from .vectorize import Vectorizer

__all__ = ["Record", "loaded_record", "read_record", "stored_record", "write_record"]

_MOST_PARTS = 16  # of a record


@dataclass
class Record:
    """Accesses to the records of the lanes.

    Attributes
    ----------
    accesses : list of (Instruction, int)
        With the part of the record that each begins at.
    type : str
        Of all parts.
    parts : int
        From one lane's record to the next.
    start, end : int
        The parts that are accessed, and all between them.
    """

    accesses: list[tuple[Instruction, int]]
    type: str
    parts: int
    start: int
    end: int


def loaded_record(w: Vectorizer, first: Instruction) -> Record | None:
    """What the loads from the record of `first` have in common, up to the next instruction that may store."""
    found = _parts_of(w, first, first.type)
    if found is None:
        return None
    root, start, type_, count = found
    accesses = [(first, start)]
    for other in w.following:
        if other.op == "load":
            same = _parts_of(w, other, other.type)
            if same is not None and (same[0], same[2], same[3]) == (root, type_, count):
                accesses.append((other, same[1]))
        elif _touches_memory(other):
            break
    return _record(accesses, type_, count)


def stored_record(w: Vectorizer, first: Instruction) -> Record | None:
    """The stores that together fill the record of `first`, with nothing between them that looks at memory."""
    found = _parts_of(w, first, first.operands[0].type)
    if found is None:
        return None
    root, start, type_, count = found
    accesses = [(first, start)]
    filled = set(_span(first, start))
    for other in w.following:
        if len(filled) == count:
            break
        if other.op == "store":
            same = _parts_of(w, other, other.operands[0].type)
            if same is None or (same[0], same[2], same[3]) != (root, type_, count):
                return None
            if filled & set(_span(other, same[1])):
                return None
            accesses.append((other, same[1]))
            filled |= set(_span(other, same[1]))
        elif other.op == "load" or _touches_memory(other):
            return None
    if len(filled) < count or max(filled) - min(filled) >= count:
        return None
    return _record(accesses, type_, count)


def _touches_memory(instruction: Instruction) -> bool:
    if instruction.op == "call":
        return not (is_pure(instruction.callee) or is_ignored(instruction.callee))
    return instruction.op in ("store", "atomicrmw", "cmpxchg", "fence")


def _parts_of(w: Vectorizer, access: Instruction, type_: str) -> tuple[str, int, str, int] | None:
    """The record's address, the part accessed first, the type of parts, and their number; None if it is no record."""
    pointer = access.operands[-1].text
    if access.extra or pointer in w.shapes.interleaved or pointer in w.shapes.thread or pointer not in w.home:
        return None
    types = components(type_)
    if len(set(types)) > 1 or not is_regular(types[0]) or (len(types) > 1 and not is_vector(type_)):
        return None
    (shape,) = w.shapes.of(access.operands[-1], w.block)
    stride, size = shape.stride(), scalar_size(types[0])
    if not stride or stride <= size or stride % size or stride // size > _MOST_PARTS:
        return None
    root, distance = pointer, 0
    while (made := w.home[root][1]).op == "getelementptr" and made.operands[0].text in w.home:
        steps = [(literal(value), stride_) for value, stride_ in w.shapes.steps(made)]
        if any(number is None for number, _ in steps):
            break
        distance += sum((number or 0) * step for number, step in steps)
        root = made.operands[0].text
    return None if distance % size else (root, distance // size, types[0], stride // size)


def _span(access: Instruction, start: int) -> range:
    type_ = access.type if access.op == "load" else access.operands[0].type
    return range(start, start + len(components(type_)))


def _record(accesses: list[tuple[Instruction, int]], type_: str, count: int) -> Record | None:
    spans = [_span(*access) for access in accesses]
    start, end = min(s.start for s in spans), max(s.stop for s in spans)
    # Nothing behind the last lane's part may be read.
    if end - start > count or (end - start < count and count > 4):
        return None
    return Record(accesses, type_, count, start, end)


# ---- code ----


def _address(w: Vectorizer, record: Record) -> tuple[Lanes, int]:
    """The pointer of the first access, and how far before it the record's first part lies."""
    access, start = record.accesses[0]
    return w.one(access.operands[-1]), (record.start - start) * scalar_size(record.type)


def read_record(w: Vectorizer, record: Record) -> None:
    """Write all loads of a record."""
    code = w.code
    pointer, distance = _address(w, record)
    if w.mask == ALL:
        _define(w, record, _taken_apart(w, record, pointer, distance))
        return
    code.vector(pointer)  # or each of the two ways would make it for itself
    slots = {k: code.variable(code.vector_type(record.type)) for k in _used_parts(record)}
    for all_ in code.if_all(w.mask):
        made = _taken_apart(w, record, pointer, distance) if all_ else _gathered(w, record, pointer)
        for k, slot in slots.items():
            code.store(slot, made[k])
    _define(w, record, {k: code.load(slot) for k, slot in slots.items()})


def _used_parts(record: Record) -> list[int]:
    return sorted({k for access in record.accesses for k in _span(*access)})


def _define(w: Vectorizer, record: Record, parts: dict[int, str]) -> None:
    for access, start in record.accesses:
        shapes = w.shapes.defined(access.result)
        made = [
            Lanes(record.type, shape, vector=parts[k]) for k, shape in zip(_span(access, start), shapes, strict=True)
        ]
        w.define(access, made)


def _taken_apart(w: Vectorizer, record: Record, pointer: Lanes, distance: int) -> dict[int, str]:
    """All lanes' records at once."""
    code = w.code
    at = code.new(f"getelementptr i8, ptr {pointer.scalar}, i64 {distance}")
    length = (code.width - 1) * record.parts + record.end - record.start
    full = vector_of(length, record.type)
    align = _alignment(record)
    whole = code.new(f"load {full}, ptr {at}, align {align}")
    made = {}
    for k in _used_parts(record):
        picks = ", ".join(f"i32 {i * record.parts + k - record.start}" for i in range(code.width))
        made[k] = code.new(f"shufflevector {full} {whole}, {full} poison, <{code.width} x i32> <{picks}>")
    return made


def _alignment(record: Record) -> int:
    """What every part is aligned to."""
    size = scalar_size(record.type)
    return min(size, *(access.align or size for access, _ in record.accesses))


def _gathered(w: Vectorizer, record: Record, pointer: Lanes) -> dict[int, str]:
    """Part by part, for some lanes only."""
    size, made = scalar_size(record.type), {}
    first = record.accesses[0][1]
    for k in _used_parts(record):
        part = Instruction("load", "", record.type, [], align=_alignment(record))
        at = advanced(w.code, pointer, (k - first) * size)
        made[k] = load(w.code, part, at, w.mask, pointer.shape, 0, False)[0].vector
    return made


def write_record(w: Vectorizer, record: Record) -> None:
    """Write all stores of a record that they fill."""
    code = w.code
    pointer, distance = _address(w, record)
    parts: dict[int, Lanes] = {}
    for access, start in record.accesses:
        parts |= zip(_span(access, start), w.get(access.operands[0]), strict=True)
    values = [parts[k] for k in sorted(parts)]
    for lanes in (pointer, *values):
        code.vector(lanes)  # or each of the two ways would make it for itself
    for all_ in [True] if w.mask == ALL else code.if_all(w.mask):
        if all_:
            mixed = interleaved(code, record.type, [code.vector(value) for value in values])
            at = code.new(f"getelementptr i8, ptr {pointer.scalar}, i64 {distance}")
            full = vector_of(code.width * record.parts, record.type)
            code.do(f"store {full} {mixed}, ptr {at}, align {_alignment(record)}")
            continue
        for k, value in enumerate(values):
            part = Instruction("store", "", "void", [], align=_alignment(record))
            at_ = advanced(code, pointer, distance + k * scalar_size(record.type))
            store(code, part, [value], at_, w.mask, 0)
