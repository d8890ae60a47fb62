"""Write a kernel for one thread as a function for the 32 threads of a simdgroup.

The new function goes through the blocks of the old one in the order of `flow.Flow`. A mask says which lanes are active
in a block; for each block that lanes may wait at there is a variable with their mask. Values that other blocks use live
in variables, too, which LLVM turns into registers afterwards: what dominated a use in the old function may not in the
new one, and a variable needs no proof.
"""

from __future__ import annotations

from dataclasses import replace

from . import access, arithmetic, atomics, invoke, pieces
from .code import ALL, Code, Lanes
from .flow import EXIT, Flow
from .ir import Function, Instruction, Unsupported, Value, components, constant_parts
from .layout import Layout
from .linear import Plan
from .prefetch import find_moves
from .records import Record
from .shape import VARYING, Shape
from .shapes import Shapes

__all__ = ["Vectorizer"]

_LARGEST_LOOP, _LARGEST_BRANCH = 150, 40  # instructions that are written twice
_INVERSE = {
    "uge": "ult",
    "ugt": "ule",
    "ult": "uge",
    "ule": "ugt",
    "sge": "slt",
    "sgt": "sle",
    "slt": "sge",
    "sle": "sgt",
}
_SWAPPED = {"ugt": "ult", "uge": "ule", "sgt": "slt", "sge": "sle"}


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

    Attributes
    ----------
    code : Code
    shapes : Shapes
    mask : str
        The lanes that run the block that is being written.
    tables : set of str
        Pointers to what the runtime fills before a threadgroup starts.
    threadgroup_pointers : set of str
        Pointers into threadgroup memory.
    used : set of str
        Values that some instruction uses.
    block : str
        The block that is being written.
    following : list of Instruction
        What follows in it.
    written : set of int
        Identities of loads and stores that others were written with.
    records : dict of int to Record
        By their last stores: stores to be written together.
    moves : dict of int to Moves
        The accesses to be prefetched for the next threadgroup; see `prefetch.find_moves`.
    home : dict of str to (str, Instruction)
        The block and the instruction that define a value.
    private_bytes : int
        Memory for variables of the lanes so far.

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
        self.tables = _tables(function)
        self.threadgroup_pointers = atomics.threadgroup_pointers(function)
        self.used = {v.text for i in function.instructions() for v in i.operands}
        self.private_bytes = 0
        self.following: list[Instruction] = []
        self.written: set[int] = set()
        self.records: dict[int, Record] = {}
        self.suspensions = 0
        self.empty: list[set[str]] = []  # for each barrier: variables that hold no lanes then
        self._values: dict[str, list[Lanes]] = {}
        self.block = ""
        self.mask = ""
        self._variables: dict[tuple[str, int, str], str] = {}
        self._phis: dict[tuple[str, int, str], str] = {}
        self._waiting = {
            name: self.code.variable(self.code.mask_type, "wait")
            for name in self.flow.blocks
            if name not in self.plan.whole
        }
        self.home = {
            i.result: (name, i) for name, block in self.flow.blocks.items() for i in block.instructions() if i.result
        }
        self.moves = find_moves(function, self.flow, self.shapes) if full else {}
        self._escaping, self._leaving = self._find_escaping()
        self._together = self._find_together() if full else set()
        self._uses = self._find_uses()

    # ---- the whole ----

    def run(self) -> None:
        """Write all blocks into `code`; the entry, which defines %group, %first and so on, is the caller's."""
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
            written = set(self.written)
            self._write_block(name)
            if name in self._together:
                self.written = written
                code.label(f"a.{name}")
                self._write_block(name, together=True)

    def _door(self, name: str) -> str:
        """Where to enter a block that may have no lanes."""
        return f"{'b' if self.plan.turns[name].skip is None else 'g'}.{name}"

    def _write_block(self, name: str, together: bool = False) -> None:
        """A block as it runs for the lanes that wait at it, or for all lanes `together`."""
        self.block = name
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
        together |= self._active == ALL and name not in self._waiting
        self.mask = ALL if together else self._active
        if name in self._waiting and not together:
            self.mask = code.load(self._waiting[name])
            code.store(self._waiting[name], "zeroinitializer")
            if name in self._together and any(loop.header == name for loop in self.flow.loops):
                some = code.fresh("some")
                code.branch(code.all(self.mask), f"a.{name}", some)
                code.label(some)
        for phi in block.phis:
            self.define(phi, self._load_variables(phi.result, self._phis, self.shapes.defined(phi.result), phi.type))
        for i, instruction in enumerate(block.body):
            self.following = block.body[i + 1 :]
            _write(self, instruction)
        self._write_terminator(block.terminator, together)

    # ---- values ----

    def _find_escaping(self) -> tuple[set[str], set[str]]:
        """Values that other blocks use; and those used outside a loop that lanes leave at different times."""
        escaping, leaving, seen = set[str](), set[str](), set[tuple[str, str]]()

        def used(value: Value, block: str) -> None:
            if (value.text, block) in seen or self.home.get(value.text, (block,))[0] == block:
                return
            seen.add((value.text, block))
            if self.shapes.leaves_loop(value.text, block):
                leaving.add(value.text)
            elif self._is_repeated(value.text, block):
                for operand in self.home[value.text][1].operands:
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
                for value in {v for product in self.moves.get(id(instruction), ()) for v in product}:
                    used(value, name)
                if instruction.extra.startswith("%") and instruction.op == "call":
                    used(Value("ptr", instruction.extra), name)
        return escaping, leaving

    def _find_together(self) -> set[str]:
        """The blocks that are written once more, for when all lanes run them together: those of small inner loops, and
        what small conditions guard.

        Lanes leave such a loop at different times, but mostly after a row of rounds that all of them take part in: with
        ``for (i = thread; i < n; i += threads)`` all but the last. In these, neighbours are loaded without a mask.
        """
        found, flow = set[str](), self.flow
        for loop in self.shapes.divergent_loops:
            if all(other is loop or not other.members < loop.members for other in flow.loops):
                found |= self._gaining(loop.members, _LARGEST_LOOP)
        for name in self.shapes.divergent - self._waiting.keys():
            for target in flow.succs[name]:
                if len(flow.succs[target]) == 1:
                    found |= self._gaining({target}, _LARGEST_BRANCH)
        return found

    def _gaining(self, blocks: set[str], most: int) -> set[str]:
        """These blocks, if it helps them to know that all lanes are there, and they have no more instructions."""
        body = [i for name in blocks for i in self.flow.blocks[name].instructions()]
        special = any(
            i.op == "alloca" or i.callee == "mp_threadgroup_barrier" or "volatile" in i.flags.split() for i in body
        )  # without a mask LLVM might load what is volatile only once
        if special or len(body) > most or not blocks <= self._waiting.keys():
            return set()
        return blocks if any(self._loads_neighbours(i) for i in body) else set()

    def _loads_neighbours(self, instruction: Instruction) -> bool:
        if instruction.op not in ("load", "store") or instruction.extra:
            return False
        (shape,) = self.shapes.of(instruction.operands[-1], self.home.get(instruction.operands[-1].text, ("",))[0])
        return shape.offsets is not None and not shape.is_uniform

    def _find_uses(self) -> dict[str, list[tuple[str, str]]]:
        """For each value the instructions that have it as an operand: what they are, and their results."""
        uses: dict[str, list[tuple[str, str]]] = {}
        for block in self.flow.blocks.values():
            for instruction in (*block.phis, *block.body, block.terminator):
                for value in instruction.operands:
                    if value.is_local:
                        uses.setdefault(value.text, []).append((instruction.op, instruction.result))
        return uses

    def _is_repeated(self, name: str, block: str) -> bool:
        """Whether `block` computes the value again rather than keep it: addresses and the like, which cost nothing."""
        _, instruction = self.home[name]
        op, sources = instruction.op, [v for v in instruction.operands if v.is_local]
        if op == "load":
            return sources[0].text in self.shapes.thread or (
                sources[0].text in self.tables and self._still_holds(sources, block)
            )
        if instruction.callee == "mp_threadgroup_variable":
            return True
        if any(shape.offsets is None for shape in self.shapes.defined(name)) or self.home[name][1].type[0] in "<[{":
            return False
        cheap = op in ("getelementptr", "zext", "sext", "trunc") or (
            op in ("add", "sub", "shl", "and", "or", "lshr") and len(sources) == 1
        )
        return cheap and self._still_holds(sources, block)

    def only_addresses(self, name: str) -> bool:
        """Whether every use of a value is an access, or part of its address, in the block where it is computed: then
        that block's lanes are all that matter to it.
        """
        return name not in self._escaping and all(
            use in ("load", "store") or (use in _ADDRESSING and self.only_addresses(result))
            for use, result in self._uses.get(name, ())
        )

    def _still_holds(self, sources: list[Value], block: str) -> bool:
        """Whether values are the same in `block` as where they were used: no loop has begun anew in between."""
        around = self.flow.loops_of[block]
        return all(
            all(any(loop is other for other in around) for loop in self.flow.loops_of[self.home[v.text][0]])
            for v in sources
            if v.text in self.home
        )

    def holds(self, value: Value) -> bool:
        """Whether a value of another block is still what it was when other values there were made of it."""
        return self._still_holds([value], self.block)

    def is_at_hand(self, value: Value) -> bool:
        """Whether `get` has a value, even if no instruction of the block that is being written uses it."""
        name = value.text
        if not value.is_local or name not in self.home:
            return not value.is_local or name == self.function.parameters[0].text
        if self.home[name][0] == self.block or name in self.shapes.thread:
            return True
        if self.shapes.leaves_loop(name, self.block):
            return False
        if name in self._escaping:
            return self.holds(value)
        operands = self.home[name][1].operands
        return self._is_repeated(name, self.block) and all(self.is_at_hand(operand) for operand in operands)

    def get(self, value: Value) -> list[Lanes]:
        """The components of an operand, for the block that is being written."""
        if not value.is_local:
            types = components(value.type)
            shapes = self.shapes.of(value, self.block)
            return [Lanes(t, s, text) for t, s, text in zip(types, shapes, constant_parts(value), strict=True)]
        found = self._values.get(value.text)
        if found is None:
            found = self._fetch(value)
            self._values[value.text] = found
        return found

    def one(self, value: Value) -> Lanes:
        """The only component of a scalar operand."""
        (lanes,) = self.get(value)
        return lanes

    def _fetch(self, value: Value) -> list[Lanes]:
        parameters = [p.text for p in self.function.parameters]
        if value.text in parameters:
            if value.text == parameters[0]:
                return [Lanes("ptr", self.shapes.of(value, self.block)[0], "%group")]
            raise Unsupported("the address of the thread's record")
        if value.text in self.shapes.thread:
            raise Unsupported("the address of the thread's record")
        if self.shapes.leaves_loop(value.text, self.block):
            types = components(value.type)
            return [
                Lanes(t, VARYING, vector=self.code.load(self._variable(value.text, k, "left", t)))
                for k, t in enumerate(types)
            ]
        if value.text not in self._escaping:
            _write(self, self.home[value.text][1])
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

    def define(self, instruction: Instruction, values: list[Lanes]) -> None:
        """Give the result of an instruction."""
        name = instruction.result
        self._values[name] = values
        if self.home[name][0] != self.block:
            return  # computed again
        if name in self._escaping:
            self._store_variables(name, self._variables, values)
        if name in self._leaving:  # a lane keeps what it had when it left
            for k, lanes in enumerate(values):
                slot = self._variable(name, k, "left", lanes.type)
                kept = self.code.choose(self.mask, lanes.type, self.code.vector(lanes), self.code.load(slot))
                self.code.store(slot, kept)

    # ---- going on ----

    def _write_terminator(self, terminator: Instruction, together: bool) -> None:
        code, turn = self.code, self.plan.turns[self.block]
        targets = self.flow.succs[self.block]
        if self.block in self.shapes.divergent:
            if together and terminator.op == "br":
                self._stay_together(terminator)
            for target, mask in self._shares(terminator):
                self._send(target, mask)
            code.jump(self._door(turn.next[targets[0]]))
        elif len(targets) == 1:
            self._go(targets[0], together)
        else:
            ways = {target: code.fresh("way") for target in targets}
            condition = self.one(terminator.operands[0]).scalar
            if terminator.op == "br":
                code.branch(condition, ways[terminator.targets[0]], ways[terminator.targets[1]])
            else:
                cases = zip(terminator.operands[1:], terminator.targets[1:], strict=True)
                listed = " ".join(f'{v.type} {v.text}, label %"{ways[t]}"' for v, t in cases)
                type_ = terminator.operands[0].type
                code.do(f'switch {type_} {condition}, label %"{ways[terminator.targets[0]]}" [ {listed} ]')
            fetched = self._values
            for target, way in ways.items():
                self._values = _copied(fetched)
                code.label(way)
                self._go(target, together)

    def _go(self, target: str, together: bool) -> None:
        """All lanes that run the block go on to `target`."""
        together &= target in self._together
        self._send(target, self.mask, waits=not together)
        self.code.jump(f"a.{target}" if together else self._next(target))

    def _stay_together(self, terminator: Instruction) -> None:
        """If all lanes go the same way, and that has a form for all lanes, go there."""
        code = self.code
        for target, expected in zip(terminator.targets, (True, False), strict=True):
            if target in self._together:
                way, parted = code.fresh("way"), code.fresh("parted")
                agreed = self._agreed(terminator.operands[0], expected)
                if not agreed:
                    bits = code.bits(code.vector(self.one(terminator.operands[0])))
                    agreed = code.new(f"icmp eq i{code.width} {bits}, {-expected}")
                code.branch(agreed, way, parted)
                code.label(way)
                fetched, self._values = self._values, _copied(self._values)
                self._go(target, True)
                self._values = fetched
                code.label(parted)

    def _agreed(self, condition: Value, expected: bool) -> str:
        """Whether all lanes' numbers are on one side of a bound that they share, found without a vector; '' if it is no
        such condition. False where one of them has wrapped around, as then they are compared one by one.
        """
        block, compare = self.home.get(condition.text, ("", None))
        if compare is None or block != self.block or compare.op != "icmp":
            return ""
        (low, high), predicate = compare.operands, compare.flags.split()[-1]
        predicate = predicate if expected else _INVERSE.get(predicate, "")
        if predicate in _SWAPPED:
            low, high, predicate = high, low, _SWAPPED[predicate]
        if predicate not in _INVERSE:
            return ""
        ends = [self.one(low), self.one(high)]
        numbers, bound = ends if ends[1].shape.is_uniform else ends[::-1]
        offsets, type_, code = numbers.shape.offsets, numbers.type, self.code
        if offsets is None or min(offsets) < 0 or numbers.shape.relaxed or numbers.shape.lanes is not None:
            return ""
        if not bound.shape.is_uniform or type_ not in ("i32", "i64"):
            return ""
        farthest, signed = max(offsets), predicate[0] == "s"
        half = 1 << (int(type_[1:]) - 1)
        if numbers is ends[0]:  # the last lane's number is the largest
            fits = code.new(f"icmp {predicate[0]}ge {type_} {bound.scalar}, {farthest - half * signed}")
            last = code.new(f"sub {type_} {bound.scalar}, {farthest}")
            inside = code.new(f"icmp {predicate} {type_} {numbers.scalar}, {last}")
        else:
            fits = code.new(f"icmp {predicate[0]}le {type_} {numbers.scalar}, {(half if signed else 0) - 1 - farthest}")
            inside = code.new(f"icmp {predicate} {type_} {bound.scalar}, {numbers.scalar}")
        return code.new(f"and i1 {fits}, {inside}")

    def _next(self, target: str) -> str:
        turn = self.plan.turns[self.block]
        first = turn.next[target]
        return f"b.{first}" if turn.certain[target] else self._door(first)

    def _shares(self, terminator: Instruction) -> list[tuple[str, str]]:
        """Which lanes go where."""
        code = self.code
        condition = self.one(terminator.operands[0])
        vector = code.vector(condition)
        if terminator.op == "br":
            inverse = code.new(f"xor {code.mask_type} {vector}, splat (i1 true)")
            masks = [code.both(self.mask, vector), code.both(self.mask, inverse)]
            return list(zip(terminator.targets, masks, strict=True))
        full = code.vector_type(condition.type)
        rest, shares = self.mask, []
        for value, target in zip(terminator.operands[1:], terminator.targets[1:], strict=True):
            hit = code.new(f"icmp eq {full} {vector}, splat ({value.type} {value.text})")
            shares.append((target, code.both(rest, hit)))
            rest = code.both(rest, code.new(f"xor {code.mask_type} {hit}, splat (i1 true)"))
        return [*shares, (terminator.targets[0], rest)]

    def _send(self, target: str, mask: str, waits: bool = True) -> None:
        """Let the lanes of a mask wait at a block, with the values of its phis."""
        code = self.code
        if waits and target in self._waiting:
            old = code.load(self._waiting[target])
            code.store(self._waiting[target], code.new(f"or {code.mask_type} {old}, {mask}"))
        incoming = []
        for phi in self.flow.blocks[target].phis:
            value = phi.operands[phi.targets.index(self.block)]
            incoming.append((phi, self.get(value)))
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


def _copied(values: dict[str, list[Lanes]]) -> dict[str, list[Lanes]]:
    """The values that one way starts with: what it computes, the other one has not."""
    return {name: [replace(lanes) for lanes in parts] for name, parts in values.items()}


_ADDRESSING = {"getelementptr", "zext", "add", "sub", "mul", "shl", "or"}  # what only_addresses looks through


def _write(writer: Vectorizer, instruction: Instruction) -> None:
    write = _WRITERS.get(instruction.op)
    if write is None:
        raise Unsupported(f"the instruction '{instruction.op}'")
    write(writer, instruction)


_WRITERS = {
    "load": access.write_load, "store": access.write_store, "alloca": access.write_alloca,
    "getelementptr": access.write_pointer, "extractelement": pieces.write_extract,
    "insertelement": pieces.write_insert, "shufflevector": pieces.write_shuffle,
    "extractvalue": pieces.write_extract_value, "insertvalue": pieces.write_insert_value,
    "call": invoke.write_call, "atomicrmw": atomics.write_atomic, "cmpxchg": atomics.write_atomic,
    "fence": invoke.write_fence,
    **dict.fromkeys(arithmetic.OPCODES, arithmetic.write_elementwise),
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
