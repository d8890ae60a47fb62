"""Write a kernel for one thread as a function for the 32 threads of a simdgroup.

The new function goes through the blocks of the old one in the order of `flow.Flow`. A mask says which lanes are active
in a block; for each block that lanes may wait at there is a variable with their mask. Values that other blocks use live
in variables, too, which LLVM turns into registers afterwards: what dominated a use in the old function may not in the
new one, and a variable needs no proof.
"""

from __future__ import annotations

from dataclasses import replace

from .calls import elementwise, intrinsic_for, is_ignored
from .code import ALL, Code, Lanes
from .flow import EXIT, Flow
from .ir import Function, Instruction, Unsupported, Value, components, constant_parts, member_span
from .layout import Layout
from .linear import Plan
from .memory import joined, load, split, store
from .shapes import VARYING, Shape, Shapes, literal
from .simdgroup import simdgroup_call

__all__ = ["Vectorizer"]

_ARITHMETIC = frozenset(
    "add sub mul shl lshr ashr and or xor fadd fsub fmul fdiv frem fneg udiv sdiv urem srem".split()
)
_DIVISION = frozenset("udiv sdiv urem srem".split())
_CASTS = frozenset(
    "trunc zext sext fptrunc fpext fptoui fptosi uitofp sitofp ptrtoint inttoptr bitcast ptrtoaddr".split()
)
_KEPT_FLAGS = frozenset("fast reassoc nnan ninf nsz arcp contract afn".split())
# What is said of a base need not hold for it: it may be the value of a lane that is not active.


class Vectorizer:
    """The vector form of one function.

    Parameters
    ----------
    function : Function
        ``void (ptr group, ptr thread)``.
    layout : Layout
    width : int
        Lanes.
    row : int
        See `shapes.Shapes`.
    full : bool
        Whether all lanes are active at first.

    Raises
    ------
    Unsupported
        The function holds something that has no vector form.
    """

    def __init__(self, function: Function, layout: Layout, width: int, row: int, full: bool) -> None:
        self.function = function
        self.flow = Flow(function)
        self.shapes = Shapes(function, self.flow, layout, width, row)
        self.plan = Plan(self.flow, self.shapes)
        self.layout = layout
        self.code = Code(width)
        self._active = ALL if full else "%active"
        self._tables = _tables(function)
        self.private_bytes = 0
        self.suspensions = 0
        self.empty: list[set[str]] = []  # for each barrier: variables that hold no lanes then
        self._values: dict[str, list[Lanes]] = {}
        self._block = ""
        self._mask = ""
        self._variables: dict[tuple[str, int, str], str] = {}
        self._phis: dict[tuple[str, int, str], str] = {}
        self._waiting = {
            name: self.code.variable(self.code.mask_type, "wait")
            for name in self.flow.blocks
            if name not in self.plan.whole
        }
        self._home = {
            i.result: (name, i) for name, block in self.flow.blocks.items() for i in block.instructions() if i.result
        }
        self._escaping, self._leaving = self._find_escaping()

    # ---- the whole ----

    def run(self) -> None:
        """Write all blocks into `code`; the caller provides the entry, which defines %group, %first, %frame, %active."""
        code = self.code
        for slot in self._waiting.values():
            code.store(slot, "zeroinitializer")
        if self.flow.entry in self._waiting:
            code.store(self._waiting[self.flow.entry], self._active)
        code.jump(f"b.{self.flow.entry}")
        for name in self.flow.blocks:
            turn = self.plan.turns[name]
            if turn.skip is not None:
                code.label(f"g.{name}")
                code.branch(code.any(code.load(self._waiting[name])), f"b.{name}", self._door(turn.skip))
            code.label(f"b.{name}")
            self._write_block(name)

    def _door(self, name: str) -> str:
        """Where to enter a block that may have no lanes."""
        return f"{'b' if self.plan.turns[name].skip is None else 'g'}.{name}"

    def _write_block(self, name: str) -> None:
        self._block = name
        if name == EXIT:
            self.code.jump("mp.done")
            return
        code, block = self.code, self.flow.blocks[name]
        self._values = {}
        if block.body and block.body[0].callee == "mp_threadgroup_barrier":  # nothing may be computed before
            self.suspensions += 1
            code.do(f"; suspend {self.suspensions}")
            waiting = {*self.plan.deferred[name], name}
            self.empty.append({slot for other, slot in self._waiting.items() if other not in waiting})
        self._mask = self._active
        if name in self._waiting:
            self._mask = code.load(self._waiting[name])
            code.store(self._waiting[name], "zeroinitializer")
        for phi in block.phis:
            self._define(phi, self._load_variables(phi.result, self._phis, self.shapes.defined(phi.result), phi.type))
        for instruction in block.body:
            self._write(instruction)
        self._write_terminator(block.terminator)

    # ---- values ----

    def _find_escaping(self) -> tuple[set[str], set[str]]:
        """Values that other blocks use; and those used outside a loop that lanes leave at different times."""
        escaping, leaving, seen = set[str](), set[str](), set[tuple[str, str]]()

        def used(value: Value, block: str) -> None:
            if (value.text, block) in seen or self._home.get(value.text, (block,))[0] == block:
                return
            seen.add((value.text, block))
            if self.shapes.leaves_loop(value.text, block):
                leaving.add(value.text)
            elif self._is_repeated(value.text, block):
                for operand in self._home[value.text][1].operands:
                    used(operand, block)
            else:
                escaping.add(value.text)

        for name, block in self.flow.blocks.items():
            for phi in block.phis:
                for value, source in zip(phi.operands, phi.targets, strict=True):
                    used(value, source)
            for instruction in (*block.body, block.terminator):
                for value in instruction.operands:
                    used(value, name)
                if instruction.extra.startswith("%") and instruction.op == "call":
                    used(Value("ptr", instruction.extra), name)
        return escaping, leaving

    def _is_repeated(self, name: str, block: str) -> bool:
        """Whether `block` computes the value again rather than keep it: addresses and the like, which cost nothing."""
        _, instruction = self._home[name]
        op, sources = instruction.op, [v for v in instruction.operands if v.is_local]
        if op == "load":
            return sources[0].text in self.shapes.thread or (
                sources[0].text in self._tables and self._still_holds(sources, block)
            )
        if any(shape.offsets is None for shape in self.shapes.defined(name)) or self._home[name][1].type[0] in "<[{":
            return False
        cheap = op in ("getelementptr", "zext", "sext", "trunc") or (
            op in ("add", "sub", "shl", "and", "or", "lshr") and len(sources) == 1
        )
        return cheap and self._still_holds(sources, block)

    def _still_holds(self, sources: list[Value], block: str) -> bool:
        """Whether values are the same in `block` as where they were used: no loop has begun anew in between."""
        around = self.flow.loops_of[block]
        return all(
            all(any(loop is other for other in around) for loop in self.flow.loops_of[self._home[v.text][0]])
            for v in sources
            if v.text in self._home
        )

    def _get(self, value: Value) -> list[Lanes]:
        """The components of an operand."""
        if not value.is_local:
            types = components(value.type)
            shapes = self.shapes.of(value, self._block)
            return [Lanes(t, s, text) for t, s, text in zip(types, shapes, constant_parts(value), strict=True)]
        found = self._values.get(value.text)
        if found is None:
            found = self._fetch(value)
            self._values[value.text] = found
        return found

    def _one(self, value: Value) -> Lanes:
        (lanes,) = self._get(value)
        return lanes

    def _fetch(self, value: Value) -> list[Lanes]:
        parameters = [p.text for p in self.function.parameters]
        if value.text in parameters:
            if value.text == parameters[0]:
                return [Lanes("ptr", self.shapes.of(value, self._block)[0], "%group")]
            raise Unsupported("the address of the thread's record")
        if value.text in self.shapes.thread:
            raise Unsupported("the address of the thread's record")
        if self.shapes.leaves_loop(value.text, self._block):
            types = components(value.type)
            return [
                Lanes(t, VARYING, vector=self.code.load(self._variable(value.text, k, "left", t)))
                for k, t in enumerate(types)
            ]
        if value.text not in self._escaping:
            self._write(self._home[value.text][1])
            return self._values[value.text]
        return self._load_variables(value.text, self._variables, self.shapes.defined(value.text), value.type)

    def _variable(self, name: str, k: int, kind: str, type_: str) -> str:
        return self._slot(self._variables, name, k, kind, type_)

    def _slot(self, where: dict[tuple[str, int, str], str], name: str, k: int, kind: str, type_: str) -> str:
        key = (name, k, kind)
        if key not in where:
            where[key] = self.code.variable(type_ if kind == "base" else self.code.vector_type(type_), kind)
        return where[key]

    def _load_variables(
        self, name: str, where: dict[tuple[str, int, str], str], shapes: list[Shape], type_: str
    ) -> list[Lanes]:
        made = []
        for k, (part, shape) in enumerate(zip(components(type_), shapes, strict=True)):
            lanes = Lanes(part, shape)
            if shape.lanes is not None:
                lanes.scalar = str(shape.base)
            elif shape.offsets is not None:
                lanes.scalar = self.code.load(self._slot(where, name, k, "base", part))
            if shape.offsets is None or shape.relaxed:
                lanes.vector = self.code.load(self._slot(where, name, k, "all", part))
            made.append(lanes)
        return made

    def _store_variables(self, name: str, where: dict[tuple[str, int, str], str], values: list[Lanes]) -> None:
        for k, lanes in enumerate(values):
            shape = lanes.shape
            if shape.offsets is not None and shape.lanes is None:
                self.code.store(self._slot(where, name, k, "base", lanes.type), lanes.scalar)
            if shape.offsets is None or shape.relaxed:
                self.code.store(self._slot(where, name, k, "all", lanes.type), self.code.vector(lanes))

    def _define(self, instruction: Instruction, values: list[Lanes]) -> None:
        name = instruction.result
        self._values[name] = values
        if self._home[name][0] != self._block:
            return  # computed again
        if name in self._escaping:
            self._store_variables(name, self._variables, values)
        if name in self._leaving:  # a lane keeps what it had when it left
            for k, lanes in enumerate(values):
                slot = self._variable(name, k, "left", lanes.type)
                kept = self.code.choose(self._mask, lanes.type, self.code.vector(lanes), self.code.load(slot))
                self.code.store(slot, kept)

    # ---- going on ----

    def _write_terminator(self, terminator: Instruction) -> None:
        code, turn = self.code, self.plan.turns[self._block]
        targets = self.flow.succs[self._block]
        if self._block in self.shapes.divergent:
            for target, mask in self._shares(terminator):
                self._send(target, mask)
            code.jump(self._door(turn.next[targets[0]]))
        elif len(targets) == 1:
            self._send(targets[0], self._mask)
            code.jump(self._next(targets[0]))
        else:
            ways = {target: code.fresh("way") for target in targets}
            condition = self._one(terminator.operands[0]).scalar
            if terminator.op == "br":
                code.branch(condition, ways[terminator.targets[0]], ways[terminator.targets[1]])
            else:
                cases = zip(terminator.operands[1:], terminator.targets[1:], strict=True)
                listed = " ".join(f'{v.type} {v.text}, label %"{ways[t]}"' for v, t in cases)
                type_ = terminator.operands[0].type
                code.do(f'switch {type_} {condition}, label %"{ways[terminator.targets[0]]}" [ {listed} ]')
            fetched = self._values
            for target, way in ways.items():  # what one way computes, the other one has not
                self._values = {name: [replace(lanes) for lanes in values] for name, values in fetched.items()}
                code.label(way)
                self._send(target, self._mask)
                code.jump(self._next(target))

    def _next(self, target: str) -> str:
        turn = self.plan.turns[self._block]
        first = turn.next[target]
        return f"b.{first}" if turn.certain[target] else self._door(first)

    def _shares(self, terminator: Instruction) -> list[tuple[str, str]]:
        """Which lanes go where."""
        code = self.code
        condition = self._one(terminator.operands[0])
        vector = code.vector(condition)
        if terminator.op == "br":
            inverse = code.new(f"xor {code.mask_type} {vector}, splat (i1 true)")
            masks = [code.both(self._mask, vector), code.both(self._mask, inverse)]
            return list(zip(terminator.targets, masks, strict=True))
        full = code.vector_type(condition.type)
        rest, shares = self._mask, []
        for value, target in zip(terminator.operands[1:], terminator.targets[1:], strict=True):
            hit = code.new(f"icmp eq {full} {vector}, splat ({value.type} {value.text})")
            shares.append((target, code.both(rest, hit)))
            rest = code.both(rest, code.new(f"xor {code.mask_type} {hit}, splat (i1 true)"))
        return [*shares, (terminator.targets[0], rest)]

    def _send(self, target: str, mask: str) -> None:
        """Let the lanes of a mask wait at a block, with the values of its phis."""
        code = self.code
        if target in self._waiting:
            old = code.load(self._waiting[target])
            code.store(self._waiting[target], code.new(f"or {code.mask_type} {old}, {mask}"))
        incoming = []
        for phi in self.flow.blocks[target].phis:
            value = phi.operands[phi.targets.index(self._block)]
            incoming.append((phi, self._get(value)))
        for phi, values in incoming:
            self._store_phi(phi, values, mask, target in self.shapes.joins)

    def _store_phi(self, phi: Instruction, values: list[Lanes], mask: str, some: bool) -> None:
        code = self.code
        for k, (lanes, shape) in enumerate(zip(values, self.shapes.defined(phi.result), strict=True)):
            if shape.lanes is not None:
                continue
            if shape.offsets is not None:
                code.store(self._slot(self._phis, phi.result, k, "base", lanes.type), lanes.scalar)
            if shape.offsets is None or shape.relaxed:
                slot = self._slot(self._phis, phi.result, k, "all", lanes.type)
                vector = code.vector(lanes)
                if some:
                    vector = code.choose(mask, lanes.type, vector, code.load(slot))
                code.store(slot, vector)

    # ---- instructions ----

    def _write(self, instruction: Instruction) -> None:
        op = instruction.op
        if op in _ARITHMETIC or op in ("icmp", "fcmp", "select", "freeze") or op in _CASTS:
            self._define(instruction, self._elementwise(instruction))
        else:
            writer = _WRITERS.get(op)
            if writer is None:
                raise Unsupported(f"the instruction '{op}'")
            writer(self, instruction)

    def _elementwise(self, instruction: Instruction) -> list[Lanes]:
        op = instruction.op
        operands = [self._get(value) for value in instruction.operands]
        shapes = self.shapes.defined(instruction.result)
        types = components(instruction.type)
        if op == "bitcast" and len(operands[0]) != len(types):
            return self._recast(instruction, operands[0], shapes)
        made = []
        for k, (type_, shape) in enumerate(zip(types, shapes, strict=True)):
            parts = [operand[k] if len(operand) > 1 else operand[0] for operand in operands]
            made.append(self._element(instruction, type_, shape, parts))
        return made

    def _element(self, instruction: Instruction, type_: str, shape: Shape, parts: list[Lanes]) -> Lanes:
        lanes = Lanes(type_, shape)
        if shape.lanes is not None:
            lanes.scalar = str(shape.base)
            return lanes
        if shape.offsets is not None:
            exact = all(part.shape.is_uniform for part in parts)
            lanes.scalar = self._base(instruction, type_, parts, exact)
            if not shape.relaxed:
                return lanes
        vectors = [self.code.vector(part) for part in parts]
        if instruction.op == "select" and parts[0].shape.is_uniform:
            vectors[0] = parts[0].scalar
        lanes.vector = self._operation(instruction, type_, parts, vectors)
        return lanes

    def _base(self, instruction: Instruction, type_: str, parts: list[Lanes], exact: bool) -> str:
        """The operation on the operands' bases."""
        op, code = instruction.op, self.code
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
                return self._widened(op, parts[0], type_)
            return code.new(f"{op} {flags} {source} {scalars[0]} to {type_}")
        if op == "select":
            return code.new(f"select {flags} i1 {scalars[0]}, {type_} {scalars[1]}, {type_} {scalars[2]}")
        if op in ("freeze", "fneg"):
            return code.new(f"{op} {flags} {source} {scalars[0]}")
        return code.new(f"{op} {flags} {source} {scalars[0]}, {scalars[1]}")

    def _widened(self, op: str, part: Lanes, type_: str) -> str:
        """A base in more bits. Where the narrow number wraps around between the first lane and the last, the lanes
        behind the border are meant: those before it have addresses that no buffer reaches.
        """
        code, source = self.code, part.type
        plain = code.new(f"{op} {source} {part.scalar} to {type_}")
        last = max(part.shape.offsets or (0,))
        if op == "sext" or last <= 0 or (last < part.shape.align and min(part.shape.offsets or (0,)) >= 0):
            return plain
        signed = code.new(f"sext {source} {part.scalar} to {type_}")
        wraps = code.new(f"icmp ugt {source} {part.scalar}, {-1 - last}")
        return code.new(f"select i1 {wraps}, {type_} {signed}, {type_} {plain}")

    def _operation(self, instruction: Instruction, type_: str, parts: list[Lanes], vectors: list[str]) -> str:
        op, code = instruction.op, self.code
        flags = instruction.flags
        source, full = code.vector_type(parts[0].type), code.vector_type(type_)
        if op in _DIVISION and not (parts[1].shape.is_uniform and parts[1].scalar[0] not in "%@"):
            vectors[1] = code.choose(self._mask, parts[1].type, vectors[1], f"splat ({type_} 1)")
        if op in _CASTS:
            return code.new(f"{op} {flags} {source} {vectors[0]} to {full}")
        if op == "select":
            condition = "i1" if parts[0].shape.is_uniform else code.mask_type
            return code.new(f"select {flags} {condition} {vectors[0]}, {full} {vectors[1]}, {full} {vectors[2]}")
        if op in ("freeze", "fneg"):
            return code.new(f"{op} {flags} {source} {vectors[0]}")
        return code.new(f"{op} {flags} {source} {vectors[0]}, {vectors[1]}")

    def _recast(self, instruction: Instruction, parts: list[Lanes], shapes: list[Shape]) -> list[Lanes]:
        """A bitcast between one number of components and another, lane by lane in vectors of the whole."""
        code, width = self.code, self.code.width
        source, types = instruction.operands[0].type, components(instruction.type)
        if all(part.shape.is_uniform for part in parts):
            whole = joined(code, source, [part.scalar for part in parts])
            made = code.new(f"bitcast {source} {whole} to {instruction.type}")
            return split(code, instruction.type, made, shapes[0])
        mixed = _interleaved(code, [part.type for part in parts], [code.vector(part) for part in parts])
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

    # ---- memory ----

    def _write_load(self, instruction: Instruction) -> None:
        source = instruction.operands[0].text
        if source in self.shapes.thread:
            self._define(instruction, self._thread_parts(instruction, self.shapes.thread[source]))
            return
        shapes = self.shapes.defined(instruction.result)
        step = self._step(source)
        pointer = self._one(instruction.operands[0])
        self._define(
            instruction, load(self.code, instruction, pointer, self._mask, shapes[0], step, source in self._tables)
        )

    def _write_store(self, instruction: Instruction) -> None:
        value, target = instruction.operands
        store(self.code, instruction, self._get(value), self._one(target), self._mask, self._step(target.text))

    def _step(self, pointer: str) -> int:
        """Bytes between the components of what an interleaved variable holds."""
        return self.shapes.interleaved.get(pointer, 0) * self.code.width

    def _thread_parts(self, instruction: Instruction, at: int) -> list[Lanes]:
        made = []
        for k, shape in enumerate(self.shapes.defined(instruction.result)):
            word = at // 4 + k
            name = ("%x", "%y", "%z", "%first")[word]
            if shape.lanes is not None:
                made.append(Lanes("i32", shape, str(shape.base)))
            elif shape.offsets is None:
                made.append(Lanes("i32", shape, vector=name))
            else:
                made.append(Lanes("i32", shape, name))
        return made

    def _write_alloca(self, instruction: Instruction) -> None:
        code, shapes = self.code, self.shapes
        size = self.layout.size(instruction.extra)
        stride = size if instruction.result in shapes.interleaved else -(-size // 16) * 16
        start = -(-self.private_bytes // 64) * 64
        self.private_bytes = start + stride * code.width
        scalar = code.new(f"getelementptr i8, ptr %private, i64 {start}")
        self._define(instruction, [Lanes("ptr", shapes.defined(instruction.result)[0], scalar)])

    def _write_pointer(self, instruction: Instruction) -> None:
        if instruction.result in self.shapes.thread:
            return
        code = self.code
        (shape,) = self.shapes.defined(instruction.result)
        source = instruction.operands[0]
        base = self._one(source)
        indices = [self._one(value) for value in instruction.operands[1:]]
        made = Lanes("ptr", shape)
        if source.text in self.shapes.interleaved:
            self._interleaved_pointer(instruction, base, made)
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
                start = (
                    f"ptr {base.scalar}" if base.shape.is_uniform else f"{code.vector_type('ptr')} {code.vector(base)}"
                )
                made.vector = code.new(f"getelementptr {instruction.extra}, {start}, {', '.join(parts)}")
        self._define(instruction, [made])

    def _interleaved_pointer(self, instruction: Instruction, base: Lanes, made: Lanes) -> None:
        """Elements of one lane are as far apart as there are lanes."""
        code = self.code
        steps = [(self._one(value), stride * code.width) for value, stride in self.shapes.steps(instruction)]
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

    # ---- vectors and aggregates of the kernel ----

    def _write_extract(self, instruction: Instruction) -> None:
        parts = self._get(instruction.operands[0])
        index = literal(instruction.operands[1])
        if index is not None:
            self._define(instruction, [parts[index]])
            return
        lanes = self._one(instruction.operands[1])
        result = parts[0]
        for k, part in enumerate(parts[1:], 1):
            result = self._selected(lanes, k, part, result)
        self._define(instruction, [self._as(result, self.shapes.defined(instruction.result)[0])])

    def _write_insert(self, instruction: Instruction) -> None:
        parts, new = list(self._get(instruction.operands[0])), self._one(instruction.operands[1])
        index = literal(instruction.operands[2])
        if index is not None:
            parts[index] = new
        else:
            lanes = self._one(instruction.operands[2])
            parts = [self._selected(lanes, k, new, part) for k, part in enumerate(parts)]
        shapes = self.shapes.defined(instruction.result)
        self._define(instruction, [self._as(p, s) for p, s in zip(parts, shapes, strict=True)])

    def _selected(self, index: Lanes, k: int, hit: Lanes, miss: Lanes) -> Lanes:
        """`hit` where the index is k."""
        code = self.code
        if index.shape.is_uniform and hit.shape.is_uniform and miss.shape.is_uniform:
            same = code.new(f"icmp eq {index.type} {index.scalar}, {k}")
            value = code.new(f"select i1 {same}, {hit.type} {hit.scalar}, {hit.type} {miss.scalar}")
            return Lanes(hit.type, hit.shape, value)
        full = code.vector_type(index.type)
        same = code.new(f"icmp eq {full} {code.vector(index)}, splat ({index.type} {k})")
        value = code.choose(same, hit.type, code.vector(hit), code.vector(miss))
        return Lanes(hit.type, VARYING, vector=value)

    def _as(self, lanes: Lanes, shape: Shape) -> Lanes:
        """A value in the form that its shape asks for: one that was found to vary may be known better."""
        if shape.offsets is None:
            return Lanes(lanes.type, shape, vector=self.code.vector(lanes))
        return lanes

    def _write_shuffle(self, instruction: Instruction) -> None:
        parts = self._get(instruction.operands[0]) + self._get(instruction.operands[1])
        shapes = self.shapes.defined(instruction.result)
        made = []
        for pick, shape in zip(constant_parts(instruction.operands[2]), shapes, strict=True):
            if pick in ("poison", "undef"):
                made.append(Lanes(parts[0].type, shape, "poison"))
            else:
                made.append(parts[int(pick)])
        self._define(instruction, made)

    def _write_extract_value(self, instruction: Instruction) -> None:
        first, end = member_span(instruction.operands[0].type, instruction.extra)
        self._define(instruction, self._get(instruction.operands[0])[first:end])

    def _write_insert_value(self, instruction: Instruction) -> None:
        first, end = member_span(instruction.operands[0].type, instruction.extra)
        whole, new = self._get(instruction.operands[0]), self._get(instruction.operands[1])
        self._define(instruction, [*whole[:first], *new, *whole[end:]])

    # ---- calls ----

    def _write_call(self, instruction: Instruction) -> None:
        name = instruction.callee
        if is_ignored(name):
            return
        if name == "mp_threadgroup_barrier":
            return  # at the start of a block, see _write_block
        if name == "mp_simdgroup_index":
            index = self.code.new("lshr i32 %first, 5")
            self._define(instruction, [Lanes("i32", self.shapes.defined(instruction.result)[0], index)])
        elif name == "mp_threadgroup_variable":
            (offset,) = (self._one(v).scalar for v in instruction.operands)
            value = self.code.new(f"call align 16 ptr @mp_threadgroup_variable(i32 {offset})")
            self._define(instruction, [Lanes("ptr", self.shapes.defined(instruction.result)[0], value)])
        elif name.startswith("mp_simd"):
            shape = self.shapes.defined(instruction.result)[0] if instruction.result else VARYING
            arguments = [self._one(value) for value in instruction.operands]
            result = simdgroup_call(self.code, name, arguments, self._mask, shape)
            if result is not None:
                self._define(instruction, [result])
        elif name.startswith("mp_kernel_message"):
            raise Unsupported("messages")
        elif elementwise(name) is not None:
            self._write_intrinsic(instruction)
        elif name.startswith("llvm.vector.reduce."):
            self._write_reduction(instruction)
        elif name.startswith("llvm.") and not name.startswith(_LANE_INTRINSICS):
            raise Unsupported(f"the intrinsic {name}")
        else:
            self._call_each(instruction)

    def _write_intrinsic(self, instruction: Instruction) -> None:
        code, name = self.code, instruction.callee
        fixed = elementwise(name) or ()
        operands = [self._get(value) for value in instruction.operands]
        shapes = self.shapes.defined(instruction.result)
        flags = f"{instruction.flags} " if instruction.flags else ""
        if instruction.type[0] == "{":
            self._write_overflow(instruction, operands, shapes)
            return
        made = []
        for k, (type_, shape) in enumerate(zip(components(instruction.type), shapes, strict=True)):
            parts = [operand[k] if len(operand) > 1 else operand[0] for operand in operands]
            if shape.is_uniform:
                listed = ", ".join(f"{p.type} {p.scalar}" for p in parts)
                types = ", ".join(p.type for p in parts)
                scalar_name = _scalar_intrinsic(name)
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
        self._define(instruction, made)

    def _write_overflow(self, instruction: Instruction, operands: list[list[Lanes]], shapes: list[Shape]) -> None:
        """Arithmetic that says whether it overflowed."""
        code, name = self.code, instruction.callee
        (a,), (b,) = operands
        if shapes[0].is_uniform:
            whole = code.new(f"call {instruction.type} @{name}({a.type} {a.scalar}, {b.type} {b.scalar})")
            self._define(instruction, split(code, instruction.type, whole, shapes[0]))
            return
        full, wide = code.vector_type(a.type), intrinsic_for(name, code.width)
        pair = f"{{ {full}, {code.mask_type} }}"
        code.declarations.setdefault(wide, f"declare {pair} @{wide}({full}, {full})")
        whole = code.new(f"call {pair} @{wide}({full} {code.vector(a)}, {full} {code.vector(b)})")
        parts = [code.new(f"extractvalue {pair} {whole}, {k}") for k in range(2)]
        self._define(
            instruction,
            [Lanes(a.type, shapes[0], vector=parts[0]), Lanes("i1", shapes[1], vector=parts[1])],
        )

    def _write_reduction(self, instruction: Instruction) -> None:
        """Over the components of a kernel's vector, within each lane."""
        kind = instruction.callee.split(".")[3]
        start = [self._one(instruction.operands[0])] if kind in ("fadd", "fmul") else []
        parts = [*start, *self._get(instruction.operands[-1])]
        op = {"fadd": "fadd", "fmul": "fmul", "add": "add", "mul": "mul", "and": "and", "or": "or", "xor": "xor"}.get(
            kind
        )
        if op is None:
            raise Unsupported(f"the intrinsic {instruction.callee}")
        code, (shape,) = self.code, self.shapes.defined(instruction.result)
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
        self._define(instruction, [made])

    def _call_each(self, instruction: Instruction) -> None:
        """Call a function for one active lane after another; once, if it is pure and the arguments are the same."""
        code = self.code
        values = [self._get(value) for value in instruction.operands]
        callee = [] if instruction.extra.startswith("@") else [self._one(Value("ptr", instruction.extra))]
        shapes = self.shapes.defined(instruction.result) if instruction.result else []
        prefix = f"call {instruction.flags} {instruction.convention} {instruction.type}"

        def call(pick: dict[int, str]) -> str:
            listed = []
            for value, parts in zip(instruction.operands, values, strict=True):
                texts = [pick.get(id(part), part.scalar) for part in parts]
                listed.append(
                    f"{value.type} {joined(code, value.type.split(' ')[0] if value.type.startswith('ptr') else value.type, texts)}"
                )
            target = pick.get(id(callee[0]), callee[0].scalar) if callee else instruction.extra
            text = f"{prefix} {target}({', '.join(listed)})"
            if instruction.type == "void":
                code.do(text)
                return ""
            return code.new(text)

        if instruction.result and all(shape.is_uniform for shape in shapes):
            self._define(instruction, split(code, instruction.type, call({}), shapes[0]))
            return
        every = [part for parts in (*values, callee) for part in parts if not part.shape.is_uniform]
        slots = {id(part): code.spill(part) for part in every}
        types = components(instruction.type) if instruction.result else []
        results = [code.result_slot(type_) for type_ in types]
        with code.each_lane(self._mask) as lane:
            got = call({id(part): code.peek(part.type, slots[id(part)], lane) for part in every})
            if instruction.result:
                for part, slot in zip(split(code, instruction.type, got, VARYING_ONE), results, strict=True):
                    code.poke(part.type, slot, lane, part.scalar)
        if instruction.result:
            pairs = zip(types, results, shapes, strict=True)
            self._define(instruction, [Lanes(t, s, vector=code.collected(t, slot)) for t, slot, s in pairs])

    # ---- atomics ----

    def _write_atomic(self, instruction: Instruction) -> None:
        code = self.code
        pointer, *values = (self._one(value) for value in instruction.operands)
        every = [lanes for lanes in (pointer, *values) if not lanes.shape.is_uniform]
        slots = {id(lanes): code.spill(lanes) for lanes in every}
        types = components(instruction.type)
        results = [code.result_slot(type_) for type_ in types]
        with code.each_lane(self._mask) as lane:
            one = {id(lanes): code.peek(lanes.type, slots[id(lanes)], lane) for lanes in every}
            at, *parts = (one.get(id(lanes), lanes.scalar) for lanes in (pointer, *values))
            listed = ", ".join(f"{v.type} {text}" for v, text in zip(values, parts, strict=True))
            text = f"{instruction.op} {instruction.flags} ptr {at}, {listed} {instruction.extra}"
            got = code.new(f"{text}, align {instruction.align}" if instruction.align else text)
            for part, slot in zip(split(code, instruction.type, got, VARYING_ONE), results, strict=True):
                code.poke(part.type, slot, lane, part.scalar)
        self._define(
            instruction,
            [Lanes(t, VARYING, vector=code.collected(t, slot)) for t, slot in zip(types, results, strict=True)],
        )

    def _write_fence(self, instruction: Instruction) -> None:
        self.code.do(f"fence {instruction.extra}")


VARYING_ONE = Shape((0,))  # a scalar of a single lane
_LANE_INTRINSICS = (
    "llvm.memcpy", "llvm.memmove", "llvm.memset", "llvm.trap", "llvm.exp", "llvm.log", "llvm.sin", "llvm.cos",
    "llvm.pow", "llvm.ldexp", "llvm.tan", "llvm.frexp", "llvm.powi", "llvm.asin", "llvm.acos", "llvm.atan",
    "llvm.sinh", "llvm.cosh", "llvm.lround", "llvm.lrint", "llvm.modf",
)  # fmt: skip
_WRITERS = {
    "load": Vectorizer._write_load, "store": Vectorizer._write_store, "alloca": Vectorizer._write_alloca,
    "getelementptr": Vectorizer._write_pointer, "extractelement": Vectorizer._write_extract,
    "insertelement": Vectorizer._write_insert, "shufflevector": Vectorizer._write_shuffle,
    "extractvalue": Vectorizer._write_extract_value, "insertvalue": Vectorizer._write_insert_value,
    "call": Vectorizer._write_call, "atomicrmw": Vectorizer._write_atomic, "cmpxchg": Vectorizer._write_atomic,
    "fence": Vectorizer._write_fence,
}  # fmt: skip


def _tables(function: Function) -> set[str]:
    """Pointers to what the runtime fills before a threadgroup starts: its record and the tables of arguments."""
    record, tables = {function.parameters[0].text}, set[str]()
    for instruction in function.instructions():
        source = instruction.operands[0].text if instruction.operands else ""
        if instruction.op == "getelementptr":
            for found in (record, tables):
                if source in found:
                    found.add(instruction.result)
        elif instruction.op == "load" and instruction.type == "ptr" and source in record:
            tables.add(instruction.result)
    return record | tables


def _scalar_intrinsic(name: str) -> str:
    """The form for scalars of an intrinsic that may be for vectors."""
    import re

    return re.sub(r"\.v\d+(?=[ifbp])", ".", name)


def _interleaved(code: Code, types: list[str], vectors: list[str]) -> str:
    """One vector in which the components of each lane lie together."""
    from .memory import _concatenated

    if len(vectors) == 1:
        return vectors[0]
    count, width = len(vectors), code.width
    all_, length = _concatenated(code, types[0], vectors)
    picks = ", ".join(f"i32 {i % count * width + i // count}" for i in range(width * count))
    source = f"<{length} x {types[0]}>"
    return code.new(f"shufflevector {source} {all_}, {source} poison, <{width * count} x i32> <{picks}>")
