"""Calls: intrinsics and simdgroup functions as vector code, all others lane by lane."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .calls import elementwise, intrinsic_for, is_ignored, scalar_intrinsic
from .code import Lanes
from .ir import Instruction, Unsupported, Value, components
from .memory import joined, split
from .shape import ONE, VARYING, Shape
from .simdgroup import simdgroup_call

if TYPE_CHECKING:
    from .vectorize import Vectorizer

__all__ = ["write_call", "write_fence"]

_KEPT_FLAGS = frozenset("fast reassoc nnan ninf nsz arcp contract afn".split())
_LANE_INTRINSICS = (
    "llvm.memcpy", "llvm.memmove", "llvm.memset", "llvm.trap", "llvm.exp", "llvm.log", "llvm.sin", "llvm.cos",
    "llvm.pow", "llvm.ldexp", "llvm.tan", "llvm.frexp", "llvm.powi", "llvm.asin", "llvm.acos", "llvm.atan",
    "llvm.sinh", "llvm.cosh", "llvm.lround", "llvm.lrint", "llvm.modf",
)  # fmt: skip


def write_call(w: Vectorizer, instruction: Instruction) -> None:
    name = instruction.callee
    if is_ignored(name):
        return
    if name == "mp_threadgroup_barrier":
        return  # at the start of a block, see _write_block
    if name == "mp_simdgroup_index":
        index = w.code.new("lshr i32 %first, 5")
        w.define(instruction, [Lanes("i32", w.shapes.defined(instruction.result)[0], index)])
    elif name == "mp_stays":
        w.define(instruction, [Lanes("i1", w.shapes.defined(instruction.result)[0], "false")])
    elif name == "mp_threadgroup_variable":
        (offset,) = (w.one(v).scalar for v in instruction.operands)
        value = w.code.new(f"getelementptr i8, ptr %shared, i32 {offset}")
        w.define(instruction, [Lanes("ptr", w.shapes.defined(instruction.result)[0], value)])
    elif name.startswith("mp_simd"):
        shape = w.shapes.defined(instruction.result)[0] if instruction.result else VARYING
        arguments = [w.one(value) for value in instruction.operands]
        result = simdgroup_call(w.code, name, arguments, w.mask, shape)
        if result is not None:
            w.define(instruction, [result])
    elif name.startswith("mp_kernel_message"):
        raise Unsupported("messages")
    elif elementwise(name) is not None:
        write_intrinsic(w, instruction)
    elif name.startswith("llvm.vector.reduce."):
        write_reduction(w, instruction)
    elif name.startswith("llvm.") and not name.startswith(_LANE_INTRINSICS):
        raise Unsupported(f"the intrinsic {name}")
    else:
        _call_each(w, instruction)


def write_intrinsic(w: Vectorizer, instruction: Instruction) -> None:
    code, name = w.code, instruction.callee
    fixed = elementwise(name) or ()
    operands = [w.get(value) for value in instruction.operands]
    shapes = w.shapes.defined(instruction.result)
    flags = f"{instruction.flags} " if instruction.flags else ""
    if instruction.type[0] == "{":
        write_overflow(w, instruction, operands, shapes)
        return
    made = []
    for k, (type_, shape) in enumerate(zip(components(instruction.type), shapes, strict=True)):
        parts = [operand[k] if len(operand) > 1 else operand[0] for operand in operands]
        if shape.is_uniform:
            listed = ", ".join(f"{p.type} {p.scalar}" for p in parts)
            types = ", ".join(p.type for p in parts)
            scalar_name = scalar_intrinsic(name)
            code.declarations.setdefault(scalar_name, f"declare {type_} @{scalar_name}({types})")
            made.append(Lanes(type_, shape, code.new(f"call {flags}{type_} @{scalar_name}({listed})")))
            continue
        texts = [
            f"{p.type} {p.scalar}" if i in fixed else f"{code.vector_type(p.type)} {code.vector(p)}"
            for i, p in enumerate(parts)
        ]
        types = ", ".join(p.type if i in fixed else code.vector_type(p.type) for i, p in enumerate(parts))
        wide, full = intrinsic_for(name, code.width), code.vector_type(type_)
        code.declarations.setdefault(wide, f"declare {full} @{wide}({types})")
        made.append(Lanes(type_, shape, vector=code.new(f"call {flags}{full} @{wide}({', '.join(texts)})")))
    w.define(instruction, made)


def write_overflow(w: Vectorizer, instruction: Instruction, operands: list[list[Lanes]], shapes: list[Shape]) -> None:
    """Arithmetic that says whether it overflowed."""
    code, name = w.code, instruction.callee
    (a,), (b,) = operands
    if shapes[0].is_uniform:
        whole = code.new(f"call {instruction.type} @{name}({a.type} {a.scalar}, {b.type} {b.scalar})")
        w.define(instruction, split(code, instruction.type, whole, shapes[0]))
        return
    full, wide = code.vector_type(a.type), intrinsic_for(name, code.width)
    pair = f"{{ {full}, {code.mask_type} }}"
    code.declarations.setdefault(wide, f"declare {pair} @{wide}({full}, {full})")
    whole = code.new(f"call {pair} @{wide}({full} {code.vector(a)}, {full} {code.vector(b)})")
    parts = [code.new(f"extractvalue {pair} {whole}, {k}") for k in range(2)]
    w.define(
        instruction,
        [Lanes(a.type, shapes[0], vector=parts[0]), Lanes("i1", shapes[1], vector=parts[1])],
    )


def write_reduction(w: Vectorizer, instruction: Instruction) -> None:
    """Over the components of a kernel's vector, within each lane."""
    kind = instruction.callee.split(".")[3]
    start = [w.one(instruction.operands[0])] if kind in ("fadd", "fmul") else []
    parts = [*start, *w.get(instruction.operands[-1])]
    op = {"fadd": "fadd", "fmul": "fmul", "add": "add", "mul": "mul", "and": "and", "or": "or", "xor": "xor"}.get(kind)
    if op is None:
        raise Unsupported(f"the intrinsic {instruction.callee}")
    code, (shape,) = w.code, w.shapes.defined(instruction.result)
    flags = " ".join(w for w in instruction.flags.split() if w in _KEPT_FLAGS)
    uniform = shape.is_uniform
    texts = [part.scalar if uniform else code.vector(part) for part in parts]
    type_ = parts[0].type if uniform else code.vector_type(parts[0].type)
    total = texts[0]
    for text in texts[1:]:
        total = code.new(f"{op} {flags} {type_} {total}, {text}")
    made = Lanes(parts[0].type, shape)
    if uniform:
        made.scalar = total
    else:
        made.vector = total
    w.define(instruction, [made])


def _call_each(w: Vectorizer, instruction: Instruction) -> None:
    """Call a function for one active lane after another; once, if it is pure and the arguments are the same."""
    code = w.code
    values = [w.get(value) for value in instruction.operands]
    callee = [] if instruction.extra.startswith("@") else [w.one(Value("ptr", instruction.extra))]
    shapes = w.shapes.defined(instruction.result) if instruction.result else []
    prefix = f"call {instruction.flags} {instruction.convention} {instruction.type}"

    def call(pick: dict[int, str]) -> str:
        listed = []
        for value, parts in zip(instruction.operands, values, strict=True):
            texts = [pick.get(id(part), part.scalar) for part in parts]
            listed.append(f"{value.type} {value.attributes} {joined(code, value.type, texts)}")
        target = pick.get(id(callee[0]), callee[0].scalar) if callee else instruction.extra
        text = f"{prefix} {target}({', '.join(listed)})"
        if instruction.type == "void":
            code.do(text)
            return ""
        return code.new(text)

    if instruction.result and all(shape.is_uniform for shape in shapes):
        w.define(instruction, split(code, instruction.type, call({}), shapes[0]))
        return
    every = [part for parts in (*values, callee) for part in parts if not part.shape.is_uniform]
    slots = {id(part): code.spill(part) for part in every}
    types = components(instruction.type) if instruction.result else []
    results = [code.result_slot(type_) for type_ in types]
    with code.each_lane(w.mask) as lane:
        got = call({id(part): code.peek(part.type, slots[id(part)], lane) for part in every})
        if instruction.result:
            for part, slot in zip(split(code, instruction.type, got, ONE), results, strict=True):
                code.poke(part.type, slot, lane, part.scalar)
    if instruction.result:
        pairs = zip(types, results, shapes, strict=True)
        w.define(instruction, [Lanes(t, s, vector=code.collected(t, slot)) for t, slot, s in pairs])


def write_fence(w: Vectorizer, instruction: Instruction) -> None:
    w.code.do(f"fence {instruction.extra}")
