"""What each value of a function is across the lanes of a simdgroup.

A value is the same in all lanes, or differs from the first lane's by offsets that are known, or varies. The analysis
starts from "the same" and weakens what does not hold until nothing changes (after R. Karrenberg and S. Hack, "Improving
performance of OpenCL on CPUs", CC 2012). Where lanes went different ways, values that meet again vary; so do values
that leave a loop which lanes leave at different times.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ..order import Loop
from .calls import is_pure, meets_uniformly
from .flow import Flow
from .ir import Function, Instruction, Unsupported, Value, components, constant_parts, member_span
from .layout import Layout, is_regular, scalar_size
from .shape import (
    ADDRESS_BITS,
    VARYING,
    Shape,
    binary,
    bits_of,
    compared,
    constants,
    converted,
    fitting,
    half_of,
    join,
    literal,
    plain,
    uniform,
)

__all__ = ["Shapes"]


def _numbers(value: Value) -> list[int | None]:
    """The components of a constant, None for those that are no integers."""
    parts = zip(components(value.type), constant_parts(value), strict=True)
    return [literal(Value(type_, text)) for type_, text in parts]


class Shapes:
    """The shapes of all values of a function.

    Parameters
    ----------
    function, flow, layout
    width : int
        Lanes.
    row : int
        How many lanes lie side by side in a row of the threadgroup, the next ones in the next row: all of them, or 16
        where threadgroups are 16 wide; 0 if nothing is known.

    Attributes
    ----------
    joins : set of str
        Blocks that lanes reach on different ways or at different times.
    divergent : set of str
        Blocks whose terminator sends lanes different ways.
    divergent_loops : list of Loop
        Loops that lanes leave at different times.
    interleaved : dict of str to int
        Pointers into variables in memory whose elements are interleaved by lane: bytes of an element. Others hold the
        copies of the lanes one behind the other.
    thread : dict of str to int
        Pointers into the record of the thread: bytes from its start.
    positions : set of int
        Which of x, y and z of the thread's position in its threadgroup matter.
    """

    def __init__(self, function: Function, flow: Flow, layout: Layout, width: int, row: int) -> None:
        self.width = width
        self.row = row
        self._function = function
        self._flow = flow
        self._layout = layout
        self._shapes: dict[str, list[Shape | None]] = {}
        self.joins: set[str] = set()
        self.divergent: set[str] = set()
        self.divergent_loops: list[Loop] = []
        self.thread: dict[str, int] = {}  # pointers into the thread's record: offsets
        self.positions: set[int] = set()
        self._block_of: dict[str, str] = {}
        self.interleaved: dict[str, int] = {}  # pointers into interleaved variables: bytes of an element
        self._find_private()
        self._run()

    # ---- asking ----

    def of(self, value: Value, block: str) -> list[Shape]:
        """The shapes of a value's components, as an instruction of `block` sees them."""
        if not value.is_local:
            return [uniform(self.width, number) for number in _numbers(value)]
        found = self._shapes.get(value.text)
        if found is None:
            found = [None] * len(components(value.type))
        if self.leaves_loop(value.text, block):
            return [VARYING] * len(found)
        return [uniform(self.width) if shape is None else shape for shape in found]

    def defined(self, name: str) -> list[Shape]:
        """The shapes of a value's components where it is defined."""
        return [uniform(self.width) if shape is None else shape for shape in self._shapes[name]]

    def leaves_loop(self, name: str, block: str) -> bool:
        """Whether `block` lies outside a loop that defines the value and that lanes leave at different times."""
        at = self._block_of.get(name)
        if at is None or at == block or not self.divergent_loops:
            return False
        return any(at in loop.members and block not in loop.members for loop in self.divergent_loops)

    # ---- the analysis ----

    def _run(self) -> None:
        flow = self._flow
        for i, parameter in enumerate(self._function.parameters):
            self._shapes[parameter.text] = [uniform(self.width)] * len(components(parameter.type))
            if i == 1:
                self.thread[parameter.text] = 0
        for name, block in flow.blocks.items():
            for instruction in block.instructions():
                if instruction.result:
                    self._block_of[instruction.result] = name
        changed = True
        while changed:
            changed = False
            for name, block in flow.blocks.items():
                for phi in block.phis:
                    changed |= self._update(phi, self._phi(phi, name))
                for instruction in block.body:
                    if instruction.result:
                        changed |= self._update(instruction, self._transfer(instruction, name))
                changed |= self._branch(block.terminator, name)

    def _update(self, instruction: Instruction, new: list[Shape | None]) -> bool:
        old = self._shapes.get(instruction.result)
        if old is not None:
            new = [join(a, b) for a, b in zip(old, new, strict=True)]
        if new == old:
            return False
        self._shapes[instruction.result] = new
        return True

    def _raw(self, value: Value, block: str) -> list[Shape | None]:
        """As `of`, with None for what is not known yet."""
        if value.is_local and value.text not in self._shapes:
            return [None] * len(components(value.type))
        return list(self.of(value, block))

    def _phi(self, phi: Instruction, block: str) -> list[Shape | None]:
        incoming = [self._raw(v, source) for v, source in zip(phi.operands, phi.targets, strict=True)]
        made: list[Shape | None] = []
        for shapes in zip(*incoming, strict=True):
            known = [shape for shape in shapes if shape is not None]
            if block in self.joins:
                same = len({v.text for v in phi.operands}) == 1 and all(s.lanes for s in known)
                made.append(known[0] if same else VARYING)
                continue
            total: Shape | None = None
            for shape in known:
                total = join(total, shape)
            made.append(total)
        return made

    def _branch(self, terminator: Instruction, block: str) -> bool:
        if block in self.divergent or len(set(terminator.targets)) < 2:
            return False
        if self.of(terminator.operands[0], block)[0].is_uniform:
            return False
        self.divergent.add(block)
        meeting = self._flow.ipdom[block]
        self.joins |= self._joins(block, meeting)
        for loop in self._flow.loops_of[block]:
            if meeting not in loop.members and loop not in self.divergent_loops:
                self.divergent_loops.append(loop)
                self.joins |= self._flow.exits(loop)
        return True

    def _joins(self, block: str, meeting: str) -> set[str]:
        """The blocks that different ways from `block` lead to; `meeting` is where all of them have come together.

        Each block is marked with the one behind which all ways to it go: a successor of `block`, or the last join.
        """
        flow = self._flow
        marks = {target: target for target in flow.succs[block]}
        joins: set[str] = set()
        changed = True
        while changed:
            changed = False
            for name in sorted(marks, key=flow.index.__getitem__):
                if name == meeting:
                    continue
                for target in flow.succs[name]:
                    mark = marks[name]
                    old = marks.get(target)
                    if old is None:
                        marks[target] = mark
                    elif old != mark and old != target:
                        marks[target] = target
                        joins.add(target)
                    elif old != mark and target not in joins and target in flow.succs[block]:
                        joins.add(target)
                    else:
                        continue
                    changed = True
        return joins | ({meeting} if len(flow.preds[meeting]) > 1 else set())

    # ---- one instruction ----

    def _transfer(self, instruction: Instruction, block: str) -> list[Shape | None]:
        count = len(components(instruction.type))
        operands = [self._raw(v, block) for v in instruction.operands]
        rule = _RULES.get(instruction.op)
        if rule is not None:
            return rule(self, instruction, operands)
        shapes = [shape for operand in operands for shape in operand]
        if any(shape is not None and not shape.is_uniform for shape in shapes):
            return [VARYING] * count
        return [uniform(self.width)] * count

    def _integer(self, instruction: Instruction, operands: list[list[Shape | None]]) -> list[Shape | None]:
        bits = int(components(instruction.type)[0][1:])
        return [self._element(instruction, a, b, bits) for a, b in zip(*operands, strict=True)]

    def _element(self, instruction: Instruction, a: Shape | None, b: Shape | None, bits: int) -> Shape | None:
        made = fitting(binary(instruction, a, b, bits), bits)
        if made is None or a is None or b is None or made.offsets is not None or self.row != self.width // 2:
            return made
        return Shape(None, half=half_of(instruction, a, b))

    def _compare(self, instruction: Instruction, operands: list[list[Shape | None]]) -> list[Shape | None]:
        made: list[Shape | None] = []
        for a, b in zip(*operands, strict=True):
            if a is None or b is None:
                made.append(None)
            elif a.is_uniform and b.is_uniform:
                made.append(uniform(self.width))
            else:
                made.append(compared(instruction.flags.split()[-1], a, b))
        return made

    def _cast(self, instruction: Instruction, operands: list[list[Shape | None]]) -> list[Shape | None]:
        made: list[Shape | None] = []
        source, result = (bits_of(components(t)[0]) for t in (instruction.operands[0].type, instruction.type))
        for shape in operands[0]:
            if shape is None:
                made.append(None)
                continue
            if shape.offsets is None:  # a stride may be that of narrow numbers which wrap around, too
                kept = shape.half == 0 or source >= ADDRESS_BITS
                made.append(shape if kept and instruction.op in ("zext", "sext", "trunc") else VARYING)
                continue
            if shape.is_uniform:
                made.append(plain(shape, self.width))
                continue
            if shape.lanes is not None and instruction.op in ("trunc", "zext", "sext"):
                made.append(converted(instruction, shape.lanes))
                continue
            safe = min(shape.offsets) >= 0 and max(shape.offsets) < shape.align
            widens = instruction.op in ("zext", "sext")
            if widens and not safe and source < ADDRESS_BITS:
                made.append(VARYING)
                continue
            changed = replace(shape, relaxed=shape.relaxed or (widens and not safe), base=None)
            made.append(fitting(changed, result))
        return made

    def _mixed(self, instruction: Instruction, operands: list[list[Shape | None]]) -> list[Shape | None]:
        """Components go in all directions."""
        shapes = [shape for operand in operands for shape in operand]
        alike = all(shape is None or shape.is_uniform for shape in shapes)
        return [uniform(self.width) if alike else VARYING] * len(components(instruction.type))

    def _select(self, instruction: Instruction, operands: list[list[Shape | None]]) -> list[Shape | None]:
        conditions, yes, no = operands
        if len(conditions) == 1:
            conditions = conditions * len(yes)
        made: list[Shape | None] = []
        for c, a, b in zip(conditions, yes, no, strict=True):
            if c is None or a is None or b is None:
                made.append(None)
            elif c.is_uniform:
                made.append(join(a, b))
            else:
                made.append(VARYING)
        return made

    def _pointer(self, instruction: Instruction, operands: list[list[Shape | None]]) -> list[Shape | None]:
        if len(operands[0]) > 1 or instruction.type != "ptr":
            raise Unsupported("a vector of pointers")
        source = instruction.operands[0].text
        if source in self.thread:
            self.thread[instruction.result] = self.thread[source] + self._constant_offset(instruction)
            return [uniform(self.width)]
        total = operands[0][0]
        if total is None or any(shape is None for operand in operands for shape in operand):
            return [None]
        scale = self.width if source in self.interleaved else 1
        offsets, half = total.offsets, total.half_stride()
        relaxed = total.relaxed
        for index, stride in self.steps(instruction):
            shape = self._raw(index, self._block_of[instruction.result])[0]
            assert shape is not None
            step = shape.half_stride()
            half = None if half is None or step is None else half + step * stride * scale
            if offsets is None or shape.offsets is None:
                offsets = None
                continue
            if not shape.is_uniform:
                exact = shape.lanes is not None or index.type == "i64"
                relaxed |= shape.relaxed or not exact
            offsets = tuple(o + i * stride * scale for o, i in zip(offsets, shape.offsets, strict=True))
        if offsets is None:
            return [Shape(None, half=half if self.row == self.width // 2 else None)]
        return [Shape(offsets, relaxed=relaxed and any(offsets))]

    def steps(self, instruction: Instruction) -> list[tuple[Value, int]]:
        """The indices of a getelementptr with the bytes that each counts; constants of structs as one of bytes."""
        type_ = instruction.extra
        steps: list[tuple[Value, int]] = []
        for i, index in enumerate(instruction.operands[1:]):
            if i == 0:
                steps.append((index, self._layout.size(type_)))
                continue
            number = literal(index)
            if number is not None:
                at, type_ = self._layout.member(type_, number)
                steps.append((Value("i64", str(at)), 1))
            else:
                at, type_ = self._layout.member(type_, 1)
                steps.append((index, at))
        return steps

    def _constant_offset(self, instruction: Instruction) -> int:
        total = 0
        for index, stride in self.steps(instruction):
            number = literal(index)
            if number is None:
                raise Unsupported("a pointer into the thread's record")
            total += number * stride
        return total

    def _load(self, instruction: Instruction, operands: list[list[Shape | None]]) -> list[Shape | None]:
        pointer = instruction.operands[0].text
        if pointer in self.thread:
            return list(self._thread_load(instruction, self.thread[pointer]))
        shape = operands[0][0]
        if shape is None:
            return [None] * len(components(instruction.type))
        made = uniform(self.width) if shape.is_uniform else VARYING
        return [made] * len(components(instruction.type))

    def _thread_load(self, instruction: Instruction, at: int) -> list[Shape]:
        parts = components(instruction.type)
        if any(part != "i32" for part in parts) or at % 4:
            raise Unsupported("a part of the thread's record")
        words = range(at // 4, at // 4 + len(parts))
        self.positions |= set(words) - {3}
        return [self._thread_word(word) for word in words]

    def _thread_word(self, word: int) -> Shape:
        """x, y and z of the thread's position, and its index."""
        lanes = range(self.width)
        first = Shape(tuple(lanes), align=self.width)
        if word == 3:
            return first
        if not self.row:
            return VARYING
        if self.row == self.width:
            return first if word == 0 else uniform(self.width)
        if word == 0:
            return constants(lane % self.row for lane in lanes)
        below = Shape(tuple(lane // self.row for lane in lanes), align=self.width // self.row)
        return below if word == 1 else uniform(self.width)

    def _extract(self, instruction: Instruction, operands: list[list[Shape | None]]) -> list[Shape | None]:
        index = literal(instruction.operands[1])
        return self._mixed(instruction, operands) if index is None else [operands[0][index]]

    def _insert(self, instruction: Instruction, operands: list[list[Shape | None]]) -> list[Shape | None]:
        index = literal(instruction.operands[2])
        if index is None:
            return self._mixed(instruction, operands)
        return [*operands[0][:index], operands[1][0], *operands[0][index + 1 :]]

    def _shuffle(self, instruction: Instruction, operands: list[list[Shape | None]]) -> list[Shape | None]:
        both = operands[0] + operands[1]
        picks = constant_parts(instruction.operands[2])
        return [uniform(self.width) if p in ("poison", "undef") else both[int(p)] for p in picks]

    def _extract_value(self, instruction: Instruction, operands: list[list[Shape | None]]) -> list[Shape | None]:
        first, end = member_span(instruction.operands[0].type, instruction.extra)
        return operands[0][first:end]

    def _insert_value(self, instruction: Instruction, operands: list[list[Shape | None]]) -> list[Shape | None]:
        first, end = member_span(instruction.operands[0].type, instruction.extra)
        return [*operands[0][:first], *operands[1], *operands[0][end:]]

    def _call(self, instruction: Instruction, operands: list[list[Shape | None]]) -> list[Shape | None]:
        count = len(components(instruction.type))
        name = instruction.callee
        if name == "mp_simd_lane":
            return [constants(range(self.width))]
        if meets_uniformly(name):
            return [uniform(self.width)] * count
        if name.startswith("mp_simd_shuffle"):
            lane = operands[1][0]
            return [None if lane is None else (uniform(self.width) if lane.is_uniform else VARYING)]
        if not is_pure(name):
            return [VARYING] * count
        return self._mixed(instruction, operands)

    def _alloca(self, instruction: Instruction, operands: list[list[Shape | None]]) -> list[Shape | None]:
        stride = self.interleaved.get(instruction.result) or self._layout.size(instruction.extra)
        stride = -(-stride // 16) * 16 if instruction.result not in self.interleaved else stride
        return [Shape(tuple(i * stride for i in range(self.width)))]

    def _varies(self, instruction: Instruction, operands: list[list[Shape | None]]) -> list[Shape | None]:
        return [VARYING] * len(components(instruction.type))

    # ---- variables in memory ----

    def _find_private(self) -> None:
        """Choose the variables whose elements are interleaved, so that equal indices lie side by side."""
        users: dict[str, list[Instruction]] = {}
        variables = []
        for instruction in self._function.instructions():
            if instruction.op == "alloca":
                variables.append(instruction)
            for value in instruction.operands:
                if value.is_local:
                    users.setdefault(value.text, []).append(instruction)
        for variable in variables:
            pointers, sizes, strides = {variable.result}, set[int](), set[int]()
            if self._accessed_only(variable.result, users, pointers, sizes, strides) and len(sizes) == 1:
                size = sizes.pop()
                if all(stride % size == 0 for stride in strides):
                    self.interleaved |= dict.fromkeys(pointers, size)

    def _accessed_only(
        self, pointer: str, users: dict[str, list[Instruction]], pointers: set[str], sizes: set[int], strides: set[int]
    ) -> bool:
        """Whether `pointer` serves for loads and stores alone; collects pointers made from it, sizes and steps."""
        for user in users.get(pointer, ()):
            if user.op == "getelementptr" and user.operands[0].text == pointer:
                for index, stride in self.steps(user):
                    number = literal(index)
                    strides.add(stride if number is None else stride * number)
                pointers.add(user.result)
                if not self._accessed_only(user.result, users, pointers, sizes, strides):
                    return False
            elif user.op in ("load", "store") and user.operands[-1].text == pointer:
                if user.op == "store" and user.operands[0].text == pointer:
                    return False
                type_ = user.type if user.op == "load" else user.operands[0].type
                if not all(is_regular(part) for part in components(type_)):
                    return False
                sizes |= {scalar_size(part) for part in components(type_)}
            elif not (user.op == "call" and user.callee.startswith("llvm.lifetime")):
                return False
        return True


_Rule = Callable[[Shapes, Instruction, list[list[Shape | None]]], list[Shape | None]]
_RULES: dict[str, _Rule] = {
    **dict.fromkeys(("add", "sub", "mul", "and", "or", "xor", "shl", "lshr", "udiv", "urem"), Shapes._integer),
    **dict.fromkeys(("trunc", "zext", "sext", "ptrtoint", "inttoptr"), Shapes._cast),
    "icmp": Shapes._compare, "select": Shapes._select, "getelementptr": Shapes._pointer, "load": Shapes._load,
    "extractelement": Shapes._extract, "insertelement": Shapes._insert, "shufflevector": Shapes._shuffle,
    "extractvalue": Shapes._extract_value, "insertvalue": Shapes._insert_value, "call": Shapes._call,
    "alloca": Shapes._alloca, "atomicrmw": Shapes._varies, "cmpxchg": Shapes._varies, "bitcast": Shapes._mixed,
}  # fmt: skip
