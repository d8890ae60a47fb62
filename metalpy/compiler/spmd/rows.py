"""Loads of lanes that lie in rows: some neighbours here, some there, such as the lanes of a matrix.

The addresses of lanes may differ by constants and by multiples of a number that all lanes agree on but nobody knows,
such as a matrix's elements per row. Lanes with the same multiples then lie as far apart as their constants say: they
are loaded as one vector, and shuffles bring all to their lanes, which is faster than to gather.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .calls import is_ignored, is_pure
from .code import ALL, Lanes
from .ir import Instruction, Value, components, vector_of
from .layout import is_regular, scalar_size
from .memory import concatenated, mangled
from .shape import ADDRESS_BITS, bits_of, is_vector, literal

if TYPE_CHECKING:
    from .vectorize import Vectorizer

__all__ = ["Places", "places", "read_rows"]

_MOST_ROWS = 8
_MOST_ELEMENTS = 128  # that are loaded, in all rows
_WIDEST_GAP = 32  # bytes in a row that nobody asks for

_Multiples = tuple[tuple[str, int], ...]  # of which uniform values, and how many of each


@dataclass
class Places:
    """Where the lanes are: one base for all, for each lane multiples of uniform values, and a constant."""

    multiples: list[_Multiples]
    offsets: list[int]

    def plus(self, other: Places, factor: int = 1) -> Places:
        """The sum with `factor` times another."""
        multiples = []
        for mine, others in zip(self.multiples, other.multiples, strict=True):
            total = dict(mine)
            for name, count in others:
                total[name] = total.get(name, 0) + count * factor
            multiples.append(tuple(sorted((name, count) for name, count in total.items() if count)))
        return Places(multiples, [a + b * factor for a, b in zip(self.offsets, other.offsets, strict=True)])


@dataclass
class _Row:
    """Lanes that are loaded together."""

    lane: int  # whose address is computed
    start: int  # bytes from there to the first element
    length: int  # in elements
    elements: dict[int, list[tuple[int, int, int]]]  # which lanes, loads and components ask for each


def places(w: Vectorizer, value: Value) -> Places | None:
    """Where the lanes' addresses, or the numbers that they are made of, lie to each other; None if nobody knows."""
    width = w.code.width
    nowhere = [() for _ in range(width)]
    shape = w.shapes.of(value, w.block)[0]
    if shape.offsets is not None:
        return Places(list(nowhere), list(shape.offsets)) if _is_at_hand(w, value) else None
    maker = _maker(w, value)
    if maker is None:
        return None
    op, operands = maker.op, maker.operands
    if op == "getelementptr":
        total = places(w, operands[0])
        for index, stride in w.shapes.steps(maker):
            step = places(w, index) if bits_of(index.type) >= ADDRESS_BITS else None
            total = total.plus(step, stride) if total and step else None
        return total
    if op in ("add", "sub") or (op == "or" and "disjoint" in maker.flags):
        a, b = (places(w, operand) for operand in operands)
        return a.plus(b, -1 if op == "sub" else 1) if a and b else None
    if op in ("zext", "sext"):
        return places(w, operands[0]) if bits_of(operands[0].type) >= ADDRESS_BITS else None
    if op == "shl" and (number := literal(operands[1])) is not None and number < ADDRESS_BITS:
        total = places(w, operands[0])
        return total and Places(list(nowhere), [0] * width).plus(total, 1 << number)
    if op == "mul":
        return _product(w, *operands) or _product(w, *reversed(operands))
    return None


def _product(w: Vectorizer, factor: Value, value: Value) -> Places | None:
    """The places of a product with a uniform factor."""
    width = w.code.width
    nowhere = Places([() for _ in range(width)], [0] * width)
    if (number := literal(factor)) is not None:
        total = places(w, value)
        return total and nowhere.plus(total, number)
    shape = w.shapes.of(value, w.block)[0]
    if shape.offsets is None or not w.shapes.of(factor, w.block)[0].is_uniform:
        return None
    if not _is_at_hand(w, factor) or not _is_at_hand(w, value):
        return None
    return Places([((factor.text, o),) if o else () for o in shape.offsets], [0] * width)


def _maker(w: Vectorizer, value: Value) -> Instruction | None:
    """The instruction that makes a varying value, if that value is still what it would make."""
    if value.text in w.shapes.interleaved or w.shapes.leaves_loop(value.text, w.block):
        return None
    block, maker = w.home.get(value.text, ("", None))
    return maker if maker is not None and maker.op != "phi" and (block == w.block or w.holds(value)) else None


def _is_at_hand(w: Vectorizer, value: Value) -> bool:
    """Whether the block that is being written may ask for a value that none of its instructions may have named."""
    return w.shapes.of(value, w.block)[0].lanes is not None or w.is_at_hand(value)


def _of_lane(w: Vectorizer, value: Value, lane: int, known: dict[tuple[str, int], str]) -> str:
    """What one lane has, of a value that has `places`; a scalar."""
    code, key = w.code, (value.text, lane)
    if key in known:
        return known[key]
    shape = w.shapes.of(value, w.block)[0]
    if shape.lanes is not None:
        made = str(shape.lanes[lane])
    elif shape.offsets is not None:
        made, offset = w.one(value).scalar, shape.offsets[lane]
        if offset and value.type == "ptr":
            made = code.new(f"getelementptr i8, ptr {made}, i64 {offset}")
        elif offset:
            made = code.new(f"add {value.type} {made}, {offset}")
    else:
        maker = w.home[value.text][1]
        parts = [_of_lane(w, operand, lane, known) for operand in maker.operands]
        typed = [f"{operand.type} {part}" for operand, part in zip(maker.operands, parts, strict=True)]
        if maker.op == "getelementptr":
            made = code.new(f"getelementptr {maker.extra}, {', '.join(typed)}")
        elif maker.op in ("zext", "sext"):
            made = code.new(f"{maker.op} {typed[0]} to {maker.type}")
        else:
            made = code.new(f"{maker.op} {maker.type} {', '.join(parts)}")
    known[key] = made
    return made


# ---- loads ----


def read_rows(w: Vectorizer, first: Instruction) -> bool:
    """Write a load, and those behind it of what lies between, row by row; False if the lanes are not in few rows."""
    accesses = _loads_from(w, first)
    if not accesses:
        return False
    type_ = components(first.type)[0]
    size = scalar_size(type_)
    rows = _rows(accesses, size)
    if rows is None or (w.mask != ALL and any(len(parts) > 1 for row in rows for parts in row.elements.values())):
        return False
    align = min(size, *(access.align or size for access, _, _ in accesses))
    whole, step = _loaded(w, first.operands[0], rows, type_, align)
    at = {part: r * step + i for r, row in enumerate(rows) for i, parts in row.elements.items() for part in parts}
    code, full = w.code, vector_of(step * _power_of_two(len(rows)), type_)
    for k, (access, _, _) in enumerate(accesses):
        w.written.add(id(access))
        made = []
        for j, shape in enumerate(w.shapes.defined(access.result)):
            picks = ", ".join(f"i32 {at[lane, k, j]}" for lane in range(code.width))
            vector = code.new(f"shufflevector {full} {whole}, {full} poison, <{code.width} x i32> <{picks}>")
            made.append(Lanes(type_, shape, vector=vector))
        w.define(access, made)
    return True


def _loads_from(w: Vectorizer, first: Instruction) -> list[tuple[Instruction, Places, int]]:
    """A load and those behind it that differ by a constant, with their places and how far they are from the first."""
    where = _accessed(w, first)
    if where is None:
        return []
    found = [(first, where, 0)]
    for other in w.following:
        if other.op == "load" and components(other.type)[0] == components(first.type)[0]:
            there = _accessed(w, other)
            if there is None or there.multiples != where.multiples:
                continue
            root, distance = _root(w, first.operands[0])
            other_root, other_distance = _root(w, other.operands[0])
            if root == other_root and abs(other_distance - distance) <= _WIDEST_GAP:
                found.append((other, there, other_distance - distance))
        elif other.op in ("store", "atomicrmw", "cmpxchg", "fence") or (
            other.op == "call" and not (is_pure(other.callee) or is_ignored(other.callee))
        ):
            break
    return found


def _accessed(w: Vectorizer, access: Instruction) -> Places | None:
    """Where the lanes load, if it is worth a look: not all at one place, not side by side, and only plain numbers."""
    pointer, types = access.operands[0], components(access.type)
    if access.extra or "volatile" in access.flags.split():
        return None
    if pointer.text in w.shapes.interleaved or pointer.text in w.shapes.thread:
        return None
    if len(set(types)) > 1 or not is_regular(types[0]) or (len(types) > 1 and not is_vector(access.type)):
        return None
    shape = w.shapes.of(pointer, w.block)[0]
    if shape.is_uniform or shape.stride() == scalar_size(types[0]):
        return None
    where = places(w, pointer)
    return where if where and len(set(where.multiples)) <= _MOST_ROWS else None


def _root(w: Vectorizer, pointer: Value) -> tuple[str, int]:
    """A pointer without the constants that were added to it, and their sum."""
    distance = 0
    while (maker := _maker(w, pointer)) is not None and maker.op == "getelementptr":
        steps = [(literal(value), stride) for value, stride in w.shapes.steps(maker)]
        if any(number is None for number, _ in steps):
            break
        distance += sum((number or 0) * stride for number, stride in steps)
        pointer = maker.operands[0]
    return pointer.text, distance


def _rows(accesses: list[tuple[Instruction, Places, int]], size: int) -> list[_Row] | None:
    """The rows that hold all that is loaded; None if there are many, or much between what is asked for."""
    first = accesses[0][1]
    groups: dict[_Multiples, list[tuple[int, tuple[int, int, int]]]] = {}
    for k, (access, _, distance) in enumerate(accesses):
        for j in range(len(components(access.type))):
            for lane, multiples in enumerate(first.multiples):
                place = first.offsets[lane] + distance + j * size
                groups.setdefault(multiples, []).append((place, (lane, k, j)))
    rows: list[_Row] = []
    for group in groups.values():
        group.sort()
        end = None
        for place, part in group:
            if end is None or place - end > _WIDEST_GAP:
                rows.append(_Row(0, 0, 0, {}))
                start = place
            index, rest = divmod(place - start, size)
            if rest:
                return None
            rows[-1].elements.setdefault(index, []).append(part)
            row, lane = rows[-1], part[0]  # the last lane tells: the first one may have wrapped around, as at an edge
            row.lane, row.start, row.length = lane, start - first.offsets[lane], index + 1
            end = place + size
    few = len(rows) <= _MOST_ROWS and _power_of_two(max(row.length for row in rows)) * len(rows) <= _MOST_ELEMENTS
    return rows if few else None


def _power_of_two(number: int) -> int:
    return 1 << (number - 1).bit_length()


def _loaded(w: Vectorizer, pointer: Value, rows: list[_Row], type_: str, align: int) -> tuple[str, int]:
    """All rows in one vector, and how many elements each takes there."""
    code, known = w.code, dict[tuple[str, int], str]()
    step = _power_of_two(max(row.length for row in rows))
    vectors = []
    for row in rows:
        at = code.new(f"getelementptr i8, ptr {_of_lane(w, pointer, row.lane, known)}, i64 {row.start}")
        full = vector_of(row.length, type_)
        if w.mask == ALL:
            vector = code.new(f"load {full}, ptr {at}, align {align}")
        else:
            lanes = [row.elements[i][0][0] if i in row.elements else code.width for i in range(row.length)]
            picks = ", ".join(f"i32 {lane}" for lane in lanes)
            mask = code.new(
                f"shufflevector {code.mask_type} {w.mask}, {code.mask_type} zeroinitializer, "
                f"<{row.length} x i32> <{picks}>"
            )
            arguments = (f"ptr align {align} {at}", f"<{row.length} x i1> {mask}", f"{full} poison")
            vector = code.call(full, f"llvm.masked.load.v{row.length}{mangled(type_)}.p0", arguments)
        if row.length < step:
            picks = ", ".join(f"i32 {i}" if i < row.length else "i32 poison" for i in range(step))
            vector = code.new(f"shufflevector {full} {vector}, {full} poison, <{step} x i32> <{picks}>")
        vectors.append(vector)
    return concatenated(code, type_, vectors, step)[0], step
