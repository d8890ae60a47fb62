"""Bring to the second cache what the next threadgroup will need, while this one runs.

A kernel that gives each row of a matrix to a threadgroup, as softmax does, reads a row, lets its threads meet, and
writes. Processors look some hundred instructions ahead, less than to the next row, and their prefetchers follow what
lies side by side within a page. So each threadgroup would wait for memory at its start, and again where it first
writes. Neighbours in the grid mostly run one after the other on a thread. How far an address moves from one to the next
follows from its arithmetic: it is linear in the threadgroup's position, with factors such as the number of columns. A
prefetch never faults, so a wrong guess costs no more than a little time.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .code import ALL
from .flow import Flow
from .ir import Function, Instruction, Value
from .shape import literal
from .shapes import Shapes

if TYPE_CHECKING:
    from .vectorize import Vectorizer

__all__ = ["Moves", "find_moves", "write_prefetch"]

# How far a number moves from a threadgroup to its neighbour along x: a sum of products of uniform values, each with a
# constant.
Moves = dict[tuple[Value, ...], int]
# Bytes from the start of mp_group; see metalpy_kernel.h.
_GROUP_SIZE, _POSITION, _SIZE = 40, 52, 64
_LINE, _PAGE = 64, 4096
_MOST_LINES = 16  # for one access
_ROUND, _WIDEST_STEP = "round", 5  # of a loop; more than what lanes access together
_FARTHEST = 1 << 16  # bytes; of longer rows two might not fit into the caches
_MEETING = re.compile(r"mp_(?:threadgroup_barrier|simd_(?!lane$|active$).*)")


def find_moves(function: Function, flow: Flow, shapes: Shapes) -> dict[int, Moves]:
    """The accesses to be prefetched for the next threadgroup, by identity, with how far their addresses move.

    Of several blocks that access what one pointer leads to, these are those of the first. A loop that goes along
    memory without large gaps needs none, as processors follow it; nor do threads that never meet.
    """
    if not any(_MEETING.fullmatch(i.callee) for block in flow.blocks.values() for i in block.body):
        return {}
    analysis, found, first = _Analysis(function, shapes), dict[int, Moves](), dict[str, str]()
    for name, block in flow.blocks.items():
        around = flow.loops_of[name][-1].header if flow.loops_of[name] else ""
        for phi in block.phis:
            analysis.add_phi(phi, name == around)
        for instruction in block.body:
            if instruction.op in ("load", "store") and not instruction.extra:
                pointer = instruction.operands[-1]
                offsets = shapes.of(pointer, name)[0].offsets
                moves = dict(analysis.moves_of(pointer) or {})
                step = abs(sum(moves.pop(key) for key in list(moves) if key and key[0].type == _ROUND))
                is_stream = offsets is not None and 0 < step <= _WIDEST_STEP * (max(offsets) - min(offsets))
                if analysis.is_far(moves) and first.setdefault(analysis.root(pointer), name) == name and not is_stream:
                    found[id(instruction)] = moves
            analysis.add(instruction, name)
    return found


class _Analysis:
    """How values move, found in one pass in the order of the flow.

    What a loop adds to a number in each of its rounds is in there, too, with the number's name for a factor.
    """

    def __init__(self, function: Function, shapes: Shapes) -> None:
        self._shapes = shapes
        group = function.parameters[0].text
        self._made = {i.result: i for i in function.instructions() if i.result}
        self._moves: dict[str, Moves | None] = {parameter.text: {} for parameter in function.parameters}
        self._roots: dict[str, str] = {}
        self._record = {group: 0}  # pointers into the threadgroup's record: bytes from its start
        self._near = set[str]()  # the number of threads in a threadgroup: what is as far apart lies side by side

    def moves_of(self, value: Value) -> Moves | None:
        """None where it is not known."""
        return self._moves.get(value.text) if value.is_local else {}

    def root(self, pointer: Value) -> str:
        """What a pointer was made from by steps."""
        return self._roots.get(pointer.text, pointer.text)

    def is_far(self, moves: Moves) -> bool:
        """Whether neighbours may lie in different pages."""
        return any(any(v.text not in self._near for v in product) for product in moves) or (
            abs(moves.get((), 0)) >= _PAGE
        )

    def add_phi(self, phi: Instruction, counts: bool) -> None:
        """What a loop adds is the same for all threadgroups, so its start tells; if it `counts`, it is noted."""
        known = [self.moves_of(v) for v in phi.operands if not v.is_local or v.text in self._moves]
        moves = known[0] if known and all(other == known[0] for other in known) else None
        if moves is not None and counts:
            for value in phi.operands:
                made = self._made.get(value.text)
                if made and made.op == "add" and made.operands[0].text == phi.result and literal(made.operands[1]):
                    moves = {**moves, (Value(_ROUND, phi.result),): literal(made.operands[1]) or 0}
        self._moves[phi.result] = moves

    def add(self, instruction: Instruction, block: str) -> None:
        result, source = instruction.result, instruction.operands[0].text if instruction.operands else ""
        if not result:
            return
        operands = [self.moves_of(value) for value in instruction.operands]
        self._moves[result] = self._moved(instruction, operands, block)
        if instruction.op == "getelementptr":
            self._roots[result] = self._roots.get(source, source)
            numbers = [(literal(index), stride) for index, stride in self._shapes.steps(instruction)]
            if source in self._record and all(number is not None for number, _ in numbers):
                self._record[result] = self._record[source] + sum((n or 0) * stride for n, stride in numbers)
        elif instruction.op == "load" and source in self._record:
            if self._record[source] == _POSITION:
                self._moves[result] = {(): 1}
            elif self._record[source] in (_GROUP_SIZE, _SIZE):
                self._near.add(result)

    def _moved(self, instruction: Instruction, operands: list[Moves | None], block: str) -> Moves | None:
        """How far a result moves if its operands do."""
        known = [moves for moves in operands if moves is not None]
        if len(known) < len(operands):
            return None
        if not any(known):
            return {}
        op = "add" if instruction.op == "or" and "disjoint" in instruction.flags else instruction.op
        if op in ("zext", "sext", "trunc", "freeze"):
            return known[0]
        if op in ("add", "sub"):
            return _sum(known[0], known[1], -1 if op == "sub" else 1)
        if op == "getelementptr":
            total = known[0]
            for (_, stride), moves in zip(self._shapes.steps(instruction), known[1:], strict=True):
                total = _sum(total, moves, stride)
            return total
        if op in ("mul", "shl") and not all(known):
            return self._multiplied(instruction, known, block)
        return None

    def _multiplied(self, instruction: Instruction, known: list[Moves], block: str) -> Moves | None:
        moving = 0 if known[0] else 1
        factor = instruction.operands[1 - moving]
        number = literal(factor)
        if instruction.op == "shl":
            return _sum({}, known[0], 1 << (number & 63)) if number is not None and moving == 0 else None
        if number is not None:
            return _sum({}, known[moving], number)
        if not self._shapes.of(factor, block)[0].is_uniform:
            return None
        return {(*product, factor): count for product, count in known[moving].items()}


def _sum(a: Moves, b: Moves, factor: int) -> Moves:
    total = dict(a)
    for product, count in b.items():
        total[product] = total.get(product, 0) + count * factor
    return {product: count for product, count in total.items() if count}


def write_prefetch(w: Vectorizer, access: Instruction) -> None:
    """Before an access: fetch what the next threadgroup will access here, if that is known and not too far."""
    moves = w.moves.get(id(access))
    if moves is None or w.mask != ALL or not all(w.is_at_hand(value) for product in moves for value in product):
        return
    pointer, code, is_store = w.one(access.operands[-1]), w.code, access.op == "store"
    offsets = pointer.shape.offsets
    if offsets is None or pointer.shape.is_uniform:
        return
    start, end = min(offsets), max(offsets) + w.layout.size(access.operands[0].type if is_store else access.type)
    if end - start > _MOST_LINES * _LINE:
        return
    distance = "0"
    for product, count in moves.items():
        term = str(count)
        for value in product:
            scalar = w.one(value).scalar
            wide = scalar if value.type == "i64" else code.new(f"zext {value.type} {scalar} to i64")
            term = code.new(f"mul i64 {wide}, {term}")
        distance = code.new(f"add i64 {distance}, {term}")
    fits = code.new(f"icmp ule i64 {distance}, {_FARTHEST}")
    near = code.new(f"select i1 {fits}, i64 {distance}, i64 0")
    for at in range(start, end, _LINE):  # into the second cache: the first has too few buffers for what is on its way
        here = code.new(f"getelementptr i8, ptr {pointer.scalar}, i64 {at}")
        there = code.new(f"getelementptr i8, ptr {here}, i64 {near}")
        code.call("void", "llvm.prefetch.p0", (f"ptr {there}", f"i32 {int(is_store)}", "i32 2", "i32 1"))
