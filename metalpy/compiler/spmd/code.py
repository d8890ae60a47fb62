"""Writing LLVM IR for all lanes of a simdgroup: names, blocks, and scalars that become vectors when one asks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from .ir import vector_of
from .shape import Shape

__all__ = ["ALL", "WIDE", "Code", "Lanes"]

ALL = "splat (i1 true)"  # the mask of all lanes
# Of functions; or LLVM halves vectors for the sake of the clock.
WIDE = '"min-legal-vector-width"="512" "prefer-vector-width"="512"'


@dataclass(slots=True)
class Lanes:
    """A scalar of the kernel across the lanes.

    Attributes
    ----------
    type : str
        Of one lane.
    shape : Shape
    scalar : str
        The shape's base, where there is one.
    vector : str
        All lanes; '' until somebody asks.
    """

    type: str
    shape: Shape
    scalar: str = ""
    vector: str = ""


class Code:
    """The text of a function that is being written.

    Parameters
    ----------
    width : int
        Lanes of a vector.
    """

    def __init__(self, width: int) -> None:
        self.width = width
        self.lines: list[str] = []
        self.variables: dict[str, str] = {}  # local variables by name: types
        self.declarations: dict[str, str] = {}
        self._count = 0

    # ---- text ----

    def new(self, text: str) -> str:
        """An instruction with a result, whose name is returned."""
        self._count += 1
        name = f"%v{self._count}"
        self.lines.append(f"  {name} = {text}")
        return name

    def do(self, text: str) -> None:
        """An instruction without a result."""
        self.lines.append(f"  {text}")

    def label(self, name: str) -> None:
        """Begin a block; the one before must have ended."""
        self.lines.append(f'"{name}":')

    def fresh(self, hint: str) -> str:
        """A new label."""
        self._count += 1
        return f"{hint}.{self._count}"

    def jump(self, target: str) -> None:
        self.do(f'br label %"{target}"')

    def branch(self, condition: str, yes: str, no: str) -> None:
        self.do(f'br i1 {condition}, label %"{yes}", label %"{no}"')

    def variable(self, type_: str, hint: str = "slot") -> str:
        """A local variable, for as long as the function runs."""
        self._count += 1
        name = f"%{hint}.{self._count}"
        self.variables[name] = type_
        return name

    def load(self, variable: str) -> str:
        return self.new(f"load {self.variables[variable]}, ptr {variable}")

    def store(self, variable: str, value: str) -> None:
        self.do(f"store {self.variables[variable]} {value}, ptr {variable}")

    def call(self, type_: str, name: str, arguments: Iterable[str], attributes: str = "") -> str:
        """A call of a function that is declared on the way; the name of its result."""
        arguments = list(arguments)
        types = ", ".join(_argument_type(a) for a in arguments)
        self.declarations.setdefault(name, f"declare {type_} @{name}({types}) {attributes}".rstrip())
        text = f"call {type_} @{name}({', '.join(arguments)})"
        if type_ == "void":
            self.do(text)
            return ""
        return self.new(text)

    # ---- lanes ----

    def vector_type(self, type_: str) -> str:
        return vector_of(self.width, type_)

    @property
    def mask_type(self) -> str:
        return self.vector_type("i1")

    def constant(self, type_: str, numbers: Iterable[int]) -> str:
        """A vector of integers."""
        bits = int(type_[1:])
        parts = ", ".join(f"{type_} {_wrapped(n, bits)}" for n in numbers)
        return f"<{parts}>"

    def splat(self, type_: str, scalar: str) -> str:
        """A scalar in all lanes."""
        if scalar[0] not in "%@" and "(" not in scalar:
            return f"splat ({type_} {scalar})"
        one = self.new(f"insertelement {self.vector_type(type_)} poison, {type_} {scalar}, i32 0")
        zero = f"<{self.width} x i32> zeroinitializer"
        return self.new(f"shufflevector {self.vector_type(type_)} {one}, {self.vector_type(type_)} poison, {zero}")

    def vector(self, lanes: Lanes) -> str:
        """All lanes as a vector."""
        if not lanes.vector:
            lanes.vector = self._spread(lanes)
        return lanes.vector

    def _spread(self, lanes: Lanes) -> str:
        shape, type_ = lanes.shape, lanes.type
        assert shape.offsets is not None
        if shape.is_uniform:
            return self.splat(type_, lanes.scalar)
        if type_ == "ptr":
            steps = self.constant("i64", shape.offsets)
            return self.new(f"getelementptr i8, ptr {lanes.scalar}, {self.vector_type('i64')} {steps}")
        if shape.lanes is not None:
            return self.constant(type_, shape.lanes)
        base = self.splat(type_, lanes.scalar)
        return self.new(f"add {self.vector_type(type_)} {base}, {self.constant(type_, shape.offsets)}")

    def bits(self, mask: str) -> str:
        """A mask as an integer."""
        return self.new(f"bitcast {self.mask_type} {mask} to i{self.width}")

    def any(self, mask: str) -> str:
        """Whether any lane is set, as i1."""
        return self.new(f"icmp ne i{self.width} {self.bits(mask)}, 0")

    def all(self, mask: str) -> str:
        """Whether all lanes are set, as i1."""
        return self.new(f"icmp eq i{self.width} {self.bits(mask)}, -1")

    def both(self, a: str, b: str) -> str:
        """The lanes set in both masks; what `b` holds where `a` is not set does not matter."""
        if a == ALL:
            return b
        return self.new(f"select {self.mask_type} {a}, {self.mask_type} {b}, {self.mask_type} zeroinitializer")

    def choose(self, mask: str, type_: str, yes: str, no: str) -> str:
        """By lane `yes` where `mask` is set, else `no`; vectors."""
        if mask == ALL:
            return yes
        full = self.vector_type(type_)
        return self.new(f"select {self.mask_type} {mask}, {full} {yes}, {full} {no}")

    @contextmanager
    def each_lane(self, mask: str) -> Iterator[str]:
        """A loop over the lanes of a mask, of which there is one at least; gives the lane's number, an i32."""
        if mask == ALL:
            yield from self._all_lanes()
            return
        rest = self.variable(f"i{self.width}", "rest")
        self.store(rest, self.bits(mask))
        loop, done = self.fresh("lanes"), self.fresh("lanes.done")
        self.jump(loop)
        self.label(loop)
        word = f"i{self.width}"
        left = self.load(rest)
        lane = self.call(word, f"llvm.cttz.{word}", (f"{word} {left}", "i1 true"))
        if word != "i32":
            lane = self.new(f"{'trunc' if self.width > 32 else 'zext'} {word} {lane} to i32")
        yield lane
        fewer = self.new(f"sub {word} {left}, 1")
        next_ = self.new(f"and {word} {left}, {fewer}")
        self.store(rest, next_)
        self.branch(self.new(f"icmp ne {word} {next_}, 0"), loop, done)
        self.label(done)

    def _all_lanes(self) -> Iterator[str]:
        """A loop over all lanes."""
        counter = self.variable("i32", "lane")
        self.store(counter, "0")
        loop, done = self.fresh("lanes"), self.fresh("lanes.done")
        self.jump(loop)
        self.label(loop)
        lane = self.load(counter)
        yield lane
        next_ = self.new(f"add i32 {lane}, 1")
        self.store(counter, next_)
        self.branch(self.new(f"icmp ult i32 {next_}, {self.width}"), loop, done)
        self.label(done)

    def if_all(self, mask: str) -> Iterator[bool]:
        """Two ways to do the same: the caller writes the one for a mask of all lanes, True, then the other one."""
        some, all_, done = self.fresh("some"), self.fresh("all"), self.fresh("done")
        self.branch(self.all(mask), all_, some)
        self.label(all_)
        yield True
        self.jump(done)
        self.label(some)
        yield False
        self.jump(done)
        self.label(done)

    def spill(self, lanes: Lanes) -> str:
        """A variable in memory that holds the lanes' values one behind the other."""
        type_ = _held(lanes.type)
        vector = self.vector(lanes)
        if type_ != lanes.type:
            vector = self.new(f"zext {self.vector_type(lanes.type)} {vector} to {self.vector_type(type_)}")
        slot = self.variable(self.vector_type(type_))
        self.store(slot, vector)
        return slot

    def one_lane(self, lanes: Lanes, slot: str, lane: str) -> str:
        """The value of one lane, from where `spill` put it; uniform values need no slot."""
        if lanes.shape.is_uniform:
            return lanes.scalar
        return self.peek(lanes.type, slot, lane)

    def peek(self, type_: str, slot: str, lane: str) -> str:
        held = _held(type_)
        at = self.new(f"getelementptr {held}, ptr {slot}, i32 {lane}")
        value = self.new(f"load {held}, ptr {at}")
        return self.new(f"trunc {held} {value} to {type_}") if type_ != held else value

    def result_slot(self, type_: str) -> str:
        """A variable for a value of each lane, to be filled by `poke`."""
        return self.variable(self.vector_type(_held(type_)))

    def poke(self, type_: str, slot: str, lane: str, value: str) -> None:
        held = _held(type_)
        if type_ != held:
            value = self.new(f"zext {type_} {value} to {held}")
        at = self.new(f"getelementptr {held}, ptr {slot}, i32 {lane}")
        self.do(f"store {held} {value}, ptr {at}")

    def collected(self, type_: str, slot: str) -> str:
        """All lanes of a `result_slot`."""
        value = self.load(slot)
        held = _held(type_)
        if type_ == held:
            return value
        return self.new(f"trunc {self.vector_type(held)} {value} to {self.vector_type(type_)}")


def _held(type_: str) -> str:
    """The type in memory: of integers, one whose vectors are laid out as arrays are."""
    if type_[0] != "i":
        return type_
    bits = 8
    while bits < int(type_[1:]):
        bits *= 2
    return f"i{bits}"


def _wrapped(number: int, bits: int) -> int:
    number &= (1 << bits) - 1
    return number if bits == 1 or number < 1 << (bits - 1) else number - (1 << bits)


def _argument_type(argument: str) -> str:
    """The type of ``TYPE VALUE``, which may say ``align``."""
    depth = 0
    for i, c in enumerate(argument):
        depth += (c in "<[{(") - (c in ">]})")
        if c == " " and depth == 0:
            return argument[:i]
    return argument
