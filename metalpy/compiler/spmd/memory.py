"""Loads and stores of all lanes at once, as simple as the addresses allow."""

from __future__ import annotations

import re
from dataclasses import replace

from .code import ALL, Code, Lanes
from .ir import Instruction, Unsupported, components, split_list, vector_of
from .layout import scalar_size
from .shape import VARYING, Shape, is_vector

__all__ = ["advanced", "concatenated", "interleaved", "joined", "load", "mangled", "split", "store"]


def load(
    code: Code, instruction: Instruction, pointer: Lanes, mask: str, shape: Shape, step: int, constant: bool
) -> list[Lanes]:
    """The components of what each lane loads.

    Parameters
    ----------
    pointer : Lanes
        The address.
    mask : str
        The lanes that take part.
    shape : Shape
        Of the result.
    step : int
        Bytes from one component to the next if they are interleaved with the other lanes', else 0.
    constant : bool
        Whether nothing ever stores to what is read.
    """
    parts = components(instruction.type)
    if pointer.shape.is_uniform:
        return _uniform_load(code, instruction, pointer, shape, constant)
    if instruction.extra:
        return _one_by_one_load(code, instruction, pointer, mask, shape)
    if narrow := _pieces(instruction.type):
        pieces = load(code, replace(instruction, type=narrow), pointer, mask, shape, step, constant)
        return [Lanes(instruction.type, shape, vector=_glued(code, instruction.type, pieces))]
    size = scalar_size(parts[0])
    if not _even(instruction.type, parts):
        raise Unsupported(f"a load of {instruction.type}")
    align = min(instruction.align or size, size)  # what all components are aligned to
    if len(parts) > 1 and not step and pointer.shape.offsets is None and pointer.shape.half is None:
        return _gather_packed(code, parts, pointer, mask, shape, align)
    places = (advanced(code, pointer, k * (step or size)) for k in range(len(parts)))
    loaded = [_load_part(code, t, at, mask, align) for t, at in zip(parts, places, strict=True)]
    return [Lanes(t, shape, vector=vector) for t, vector in zip(parts, loaded, strict=True)]


def store(code: Code, instruction: Instruction, values: list[Lanes], pointer: Lanes, mask: str, step: int) -> None:
    """Store the components of each lane's value; of several lanes at one address the last one wins."""
    if pointer.shape.is_uniform:
        _uniform_store(code, instruction, values, pointer, mask)
        return
    if instruction.extra:
        _one_by_one_store(code, instruction, values, pointer, mask)
        return
    if narrow := _pieces(values[0].type):
        pieces = _cut(code, values[0], narrow)
        whole = replace(instruction, operands=[replace(v, type=narrow) for v in instruction.operands[:1]])
        store(code, whole, pieces, pointer, mask, step)
        return
    size = scalar_size(values[0].type)
    if len(values) > 1 and not _even(instruction.operands[0].type, [v.type for v in values]):
        raise Unsupported(f"a store of {instruction.operands[0].type}")
    align = min(instruction.align or size, size)  # what all components are aligned to
    for k, value in enumerate(values):
        at = advanced(code, pointer, k * (step or size))
        _store_part(code, value.type, code.vector(value), at, mask, align)


def _pieces(type_: str) -> str:
    """An integer that is as long as no power of two, such as i48, as a vector of shorter ones; '' for other types."""
    if not re.fullmatch(r"i\d+", type_):
        return ""
    size, rest = divmod(int(type_[1:]), 8)
    if rest or size in (1, 2, 4, 8):
        return ""
    piece = min(size & -size, 8)
    return vector_of(size // piece, f"i{8 * piece}")


def _glued(code: Code, type_: str, pieces: list[Lanes]) -> str:
    full, total = code.vector_type(type_), ""
    for k, piece in enumerate(pieces):
        wide = code.new(f"zext {code.vector_type(piece.type)} {code.vector(piece)} to {full}")
        if k:
            moved = code.new(f"shl {full} {wide}, splat ({type_} {k * int(piece.type[1:])})")
            wide = code.new(f"or {full} {total}, {moved}")
        total = wide
    return total


def _cut(code: Code, lanes: Lanes, narrow: str) -> list[Lanes]:
    full, made = code.vector_type(lanes.type), []
    for k, piece in enumerate(components(narrow)):
        moved = code.new(f"lshr {full} {code.vector(lanes)}, splat ({lanes.type} {k * int(piece[1:])})")
        cut = code.new(f"trunc {full} {moved} to {code.vector_type(piece)}")
        made.append(Lanes(piece, VARYING, vector=cut))
    return made


def _even(type_: str, parts: list[str]) -> bool:
    """Whether the components lie in memory one behind the other."""
    if len(parts) == 1:
        return parts[0] != "i1"
    return is_vector(type_) and parts[0] != "i1"


def advanced(code: Code, pointer: Lanes, distance: int) -> Lanes:
    """Addresses a few bytes on."""
    if not distance:
        return pointer
    moved = Lanes("ptr", pointer.shape)
    if pointer.scalar:
        moved.scalar = code.new(f"getelementptr i8, ptr {pointer.scalar}, i64 {distance}")
    if pointer.vector and (pointer.shape.offsets is None or pointer.shape.relaxed):
        vector = f"{code.vector_type('ptr')} {code.vector(pointer)}"
        moved.vector = code.new(f"getelementptr i8, {vector}, i64 {distance}")
    return moved


# ---- the same address in all lanes ----


def _uniform_load(code: Code, instruction: Instruction, pointer: Lanes, shape: Shape, constant: bool) -> list[Lanes]:
    words = f"{instruction.flags} " if instruction.flags else ""
    ordering = f" {instruction.extra}" if instruction.extra else ""
    type_ = instruction.type
    known = ", !invariant.load !{}" if constant else ""
    whole = code.new(f"load {words}{type_}, ptr {pointer.scalar}{ordering}, align {instruction.align}{known}")
    return split(code, type_, whole, shape)


def split(code: Code, type_: str, whole: str, shape: Shape) -> list[Lanes]:
    """The components of a first-class value."""
    parts = components(type_)
    if len(parts) == 1 and type_ == parts[0]:
        return [Lanes(type_, shape, whole)]
    return [Lanes(part, shape, code.new(text)) for part, text in zip(parts, _part_texts(type_, whole), strict=True)]


def _part_texts(type_: str, whole: str) -> list[str]:
    parts = components(type_)
    if is_vector(type_):
        return [f"extractelement {type_} {whole}, i32 {k}" for k in range(len(parts))]
    if any(member not in parts for member in _flat_members(type_)):
        raise Unsupported(f"a value of type {type_}")
    return [f"extractvalue {type_} {whole}, {k}" for k in range(len(parts))]


def _flat_members(type_: str) -> list[str]:
    if type_[0] == "{":
        return split_list(type_[1:-1].strip())
    return [type_[1:-1].partition(" x ")[2].strip()]


def joined(code: Code, type_: str, parts: list[str]) -> str:
    """A first-class value of its components."""
    types = components(type_)
    if len(types) == 1 and type_ == types[0]:
        return parts[0]
    whole = "poison"
    for k, (part, part_type) in enumerate(zip(parts, types, strict=True)):
        if is_vector(type_):
            whole = code.new(f"insertelement {type_} {whole}, {part_type} {part}, i32 {k}")
        else:
            whole = code.new(f"insertvalue {type_} {whole}, {part_type} {part}, {k}")
    return whole


def _uniform_store(code: Code, instruction: Instruction, values: list[Lanes], pointer: Lanes, mask: str) -> None:
    words = f"{instruction.flags} " if instruction.flags else ""
    ordering = f" {instruction.extra}" if instruction.extra else ""
    type_ = instruction.operands[0].type
    if all(value.shape.is_uniform for value in values):
        parts = [value.scalar for value in values]
    else:
        word = f"i{code.width}"
        zeros = "0" if mask == ALL else code.call(word, f"llvm.ctlz.{word}", (f"{word} {code.bits(mask)}", "i1 true"))
        last = code.new(f"sub {word} {code.width - 1}, {zeros}")
        parts = [
            value.scalar
            if value.shape.is_uniform
            else code.new(f"extractelement {code.vector_type(value.type)} {code.vector(value)}, {word} {last}")
            for value in values
        ]
    whole = joined(code, type_, parts)
    code.do(f"store {words}{type_} {whole}, ptr {pointer.scalar}{ordering}, align {instruction.align}")


# ---- side by side, or anywhere ----


def _load_part(code: Code, type_: str, pointer: Lanes, mask: str, align: int) -> str:
    full, width = code.vector_type(type_), code.width
    suffix = f"v{width}{mangled(type_)}"
    if pointer.shape.stride() == scalar_size(type_):
        if mask == ALL:
            return code.new(f"load {full}, ptr {pointer.scalar}, align {align}")
        return code.call(
            full,
            f"llvm.masked.load.{suffix}.p0",
            (f"ptr align {align} {pointer.scalar}", f"{code.mask_type} {mask}", f"{full} poison"),
        )
    if pointer.shape.offsets is None and pointer.shape.half == scalar_size(type_):
        return _load_rows(code, type_, pointer, mask, align)
    if mask == ALL and (halves := _halves(pointer.shape, scalar_size(type_))):
        return _load_halves(code, type_, pointer, halves, align)
    size = scalar_size(type_)
    if size < 4:
        if align >= size:
            return _gather_narrow(code, type_, pointer, mask)
        part = Instruction("load", "", type_, [], align=align)
        return _one_by_one_load(code, part, pointer, mask, pointer.shape)[0].vector
    pointers = f"{code.vector_type('ptr')} align {align} {code.vector(pointer)}"
    return code.call(
        full,
        f"llvm.masked.gather.{suffix}.v{width}p0",
        (pointers, f"{code.mask_type} {mask}", f"{full} poison"),
    )


def _halves(shape: Shape, size: int) -> list[tuple[int, bool]]:
    """Where each half of the lanes reads, if it reads neighbours or, True, a single place; empty if it does neither."""
    if shape.offsets is None:
        return []
    half, found = len(shape.offsets) // 2, []
    for start in (0, half):
        offsets = [o - shape.offsets[start] for o in shape.offsets[start : start + half]]
        if any(offsets) and offsets != [i * size for i in range(half)]:
            return []
        found.append((shape.offsets[start], not any(offsets)))
    return found


def _load_halves(code: Code, type_: str, pointer: Lanes, halves: list[tuple[int, bool]], align: int) -> str:
    half = code.width // 2
    part = vector_of(half, type_)
    made = []
    for offset, same in halves:
        at = code.new(f"getelementptr i8, ptr {pointer.scalar}, i64 {offset}")
        if same:
            one = code.new(f"load {type_}, ptr {at}, align {align}")
            one = code.new(f"insertelement {part} poison, {type_} {one}, i32 0")
            zeros = f"<{half} x i32> zeroinitializer"
            made.append(code.new(f"shufflevector {part} {one}, {part} poison, {zeros}"))
        else:
            made.append(code.new(f"load {part}, ptr {at}, align {align}"))
    picks = ", ".join(f"i32 {i}" for i in range(code.width))
    return code.new(f"shufflevector {part} {made[0]}, {part} {made[1]}, <{code.width} x i32> <{picks}>")


def _gather_packed(code: Code, parts: list[str], pointer: Lanes, mask: str, shape: Shape, align: int) -> list[Lanes]:
    """Neighbouring components in words as wide as can be, which are then cut up."""
    size, made = scalar_size(parts[0]), list[Lanes]()
    while len(made) < len(parts):
        left = len(parts) - len(made)
        together = next(n for n in (4, 2, 1) if n <= left and n * size <= 8)
        at = advanced(code, pointer, len(made) * size)
        if together == 1:
            made.append(Lanes(parts[0], shape, vector=_load_part(code, parts[0], at, mask, align)))
            continue
        word, narrow = f"i{8 * size * together}", f"i{8 * size}"
        words, narrows = code.vector_type(word), code.vector_type(narrow)
        pointers = f"{code.vector_type('ptr')} align {align} {code.vector(at)}"
        name = f"llvm.masked.gather.v{code.width}{word}.v{code.width}p0"
        whole = code.call(words, name, (pointers, f"{code.mask_type} {mask}", f"{words} poison"))
        for k in range(together):
            shifted = code.new(f"lshr {words} {whole}, splat ({word} {8 * size * k})") if k else whole
            cut = code.new(f"trunc {words} {shifted} to {narrows}")
            if narrow != parts[0]:
                cut = code.new(f"bitcast {narrows} {cut} to {code.vector_type(parts[0])}")
            made.append(Lanes(parts[0], shape, vector=cut))
    return made


def _rows(code: Code, type_: str, pointer: Lanes, mask: str) -> list[tuple[str, str, str]]:
    """Where each half of the lanes has its elements, its part of the mask, and which lanes it is.

    The last lane tells: the first one may have wrapped around, as ``x - 1`` does at an edge.
    """
    half, size, made = code.width // 2, scalar_size(type_), []
    vector = f"{code.vector_type('ptr')} {code.vector(pointer)}"
    for start in (0, half):
        last = code.new(f"extractelement {vector}, i32 {start + half - 1}")
        picks = f"<{half} x i32> <{', '.join(f'i32 {start + i}' for i in range(half))}>"
        part = ALL
        if mask != ALL:
            part = code.new(f"shufflevector {code.mask_type} {mask}, {code.mask_type} poison, {picks}")
        made.append((code.new(f"getelementptr i8, ptr {last}, i64 {-(half - 1) * size}"), part, picks))
    return made


def _load_rows(code: Code, type_: str, pointer: Lanes, mask: str, align: int) -> str:
    """Two rows of neighbours."""
    half = code.width // 2
    part, made = vector_of(half, type_), []
    for at, some, _ in _rows(code, type_, pointer, mask):
        arguments = (f"ptr align {align} {at}", f"<{half} x i1> {some}", f"{part} poison")
        made.append(code.call(part, f"llvm.masked.load.v{half}{mangled(type_)}.p0", arguments))
    picks = ", ".join(f"i32 {i}" for i in range(code.width))
    return code.new(f"shufflevector {part} {made[0]}, {part} {made[1]}, <{code.width} x i32> <{picks}>")


def _store_rows(code: Code, type_: str, value: str, pointer: Lanes, mask: str, align: int) -> None:
    half, full = code.width // 2, code.vector_type(type_)
    part = vector_of(half, type_)
    for at, some, picks in _rows(code, type_, pointer, mask):
        row = code.new(f"shufflevector {full} {value}, {full} poison, {picks}")
        arguments = (f"{part} {row}", f"ptr align {align} {at}", f"<{half} x i1> {some}")
        code.call("void", f"llvm.masked.store.v{half}{mangled(type_)}.p0", arguments)


def _gather_narrow(code: Code, type_: str, pointer: Lanes, mask: str) -> str:
    """Parts of words from the words that they are in, which lie in the same page: processors gather words."""
    longs, ints, bits = code.vector_type("i64"), code.vector_type("i32"), f"i{8 * scalar_size(type_)}"
    pointers = f"{code.vector_type('ptr')} {code.vector(pointer)}"
    address = code.new(f"ptrtoint {pointers} to {longs}")
    place = code.new(f"and {longs} {address}, splat (i64 3)")
    back = code.new(f"sub {longs} zeroinitializer, {place}")
    words = code.new(f"getelementptr i8, {pointers}, {longs} {back}")
    arguments = (f"{code.vector_type('ptr')} align 4 {words}", f"{code.mask_type} {mask}", f"{ints} poison")
    word = code.call(ints, f"llvm.masked.gather.v{code.width}i32.v{code.width}p0", arguments)
    shift = code.new(f"shl {ints} {code.new(f'trunc {longs} {place} to {ints}')}, splat (i32 3)")
    moved = code.new(f"lshr {ints} {word}, {shift}")
    narrow = code.new(f"trunc {ints} {moved} to {code.vector_type(bits)}")
    if bits == type_:
        return narrow
    return code.new(f"bitcast {code.vector_type(bits)} {narrow} to {code.vector_type(type_)}")


def _store_part(code: Code, type_: str, value: str, pointer: Lanes, mask: str, align: int) -> None:
    full, width = code.vector_type(type_), code.width
    suffix = f"v{width}{mangled(type_)}"
    if pointer.shape.stride() == scalar_size(type_):
        if mask == ALL:
            code.do(f"store {full} {value}, ptr {pointer.scalar}, align {align}")
            return
        arguments = (f"{full} {value}", f"ptr align {align} {pointer.scalar}", f"{code.mask_type} {mask}")
        code.call("void", f"llvm.masked.store.{suffix}.p0", arguments)
        return
    if pointer.shape.offsets is None and pointer.shape.half == scalar_size(type_):
        _store_rows(code, type_, value, pointer, mask, align)
        return
    if scalar_size(type_) < 4:  # processors scatter words; LLVM would write 32 branches
        part = Instruction("store", "", "void", [], align=align)
        _one_by_one_store(code, part, [Lanes(type_, VARYING, vector=value)], pointer, mask)
        return
    pointers = f"{code.vector_type('ptr')} align {align} {code.vector(pointer)}"
    code.call(
        "void", f"llvm.masked.scatter.{suffix}.v{width}p0", (f"{full} {value}", pointers, f"{code.mask_type} {mask}")
    )


def mangled(type_: str) -> str:
    """A type's name in the names of intrinsics."""
    return {"float": "f32", "half": "f16", "bfloat": "bf16", "double": "f64", "ptr": "p0"}.get(type_, type_)


# ---- vectors that lie one behind the other ----


def concatenated(code: Code, type_: str, vectors: list[str], length: int) -> tuple[str, int]:
    """One vector of several of `length`, and its own length, a power of two times theirs."""
    while len(vectors) > 1:
        if len(vectors) % 2:
            vectors = [*vectors, "poison"]
        source = vector_of(length, type_)
        picks = ", ".join(f"i32 {i}" for i in range(2 * length))
        vectors = [
            code.new(f"shufflevector {source} {a}, {source} {b}, <{2 * length} x i32> <{picks}>")
            for a, b in zip(vectors[::2], vectors[1::2], strict=True)
        ]
        length *= 2
    return vectors[0], length


def interleaved(code: Code, type_: str, vectors: list[str]) -> str:
    """One vector in which the components of each lane lie together."""
    if len(vectors) == 1:
        return vectors[0]
    count, width = len(vectors), code.width
    all_, length = concatenated(code, type_, vectors, code.width)
    picks = ", ".join(f"i32 {i % count * width + i // count}" for i in range(width * count))
    source = vector_of(length, type_)
    return code.new(f"shufflevector {source} {all_}, {source} poison, <{width * count} x i32> <{picks}>")


# ---- one lane after another: atomics ----


def _one_by_one_load(code: Code, instruction: Instruction, pointer: Lanes, mask: str, varying: Shape) -> list[Lanes]:
    type_ = instruction.type
    addresses, result = code.spill(pointer), code.result_slot(type_)
    with code.each_lane(mask) as lane:
        at = code.peek("ptr", addresses, lane)
        words = f"{instruction.flags} " if instruction.flags else ""
        value = code.new(f"load {words}{type_}, ptr {at} {instruction.extra}, align {instruction.align}")
        code.poke(type_, result, lane, value)
    return [Lanes(type_, varying, vector=code.collected(type_, result))]


def _one_by_one_store(code: Code, instruction: Instruction, values: list[Lanes], pointer: Lanes, mask: str) -> None:
    (value,) = values
    addresses = code.spill(pointer)
    slot = "" if value.shape.is_uniform else code.spill(value)
    with code.each_lane(mask) as lane:
        at = code.peek("ptr", addresses, lane)
        words = f"{instruction.flags} " if instruction.flags else ""
        one = code.one_lane(value, slot, lane)
        code.do(f"store {words}{value.type} {one}, ptr {at} {instruction.extra}, align {instruction.align}")
