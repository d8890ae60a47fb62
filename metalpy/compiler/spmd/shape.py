"""What one scalar is across the lanes, and what arithmetic makes of it."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cache

from .ir import Instruction, Value, components

__all__ = [
    "ADDRESS_BITS",
    "ONE",
    "VARYING",
    "Shape",
    "binary",
    "bits_of",
    "compared",
    "constants",
    "converted",
    "fitting",
    "half_of",
    "is_vector",
    "join",
    "literal",
    "plain",
    "uniform",
]

_ENDLESS = 1 << 20  # the alignment of zero
ADDRESS_BITS = 32  # indices of fewer bits do wrap around in programs; of 32 they would reach beyond all buffers


@dataclass(frozen=True, slots=True)
class Shape:
    """One scalar across the lanes: lane i has ``base + offsets[i]``.

    Attributes
    ----------
    offsets : tuple of int, or None
        None: nothing is known.
    base : int, optional
        The base, where it is a constant.
    align : int
        A power of two that divides the base.
    relaxed : bool
        The base is good for addresses only: lanes in which a narrower number wrapped around differ.
    half : int, optional
        Of a value without offsets: the difference between neighbours in each half of the lanes, where it is known.
    """

    offsets: tuple[int, ...] | None
    base: int | None = None
    align: int = 1
    relaxed: bool = False
    half: int | None = None

    @property
    def is_uniform(self) -> bool:
        return self.offsets is not None and not any(self.offsets)

    @property
    def lanes(self) -> tuple[int, ...] | None:
        """The value of each lane, where it is a constant."""
        if self.base is None or self.offsets is None:
            return None
        return tuple(self.base + o for o in self.offsets)

    def half_stride(self) -> int | None:
        """The difference between neighbours in either half of the lanes, if it is the same."""
        if self.offsets is None:
            return self.half
        middle = len(self.offsets) // 2
        step = self.offsets[1] - self.offsets[0] if middle > 1 else 0
        run = [i * step for i in range(middle)]
        halves = (self.offsets[:middle], self.offsets[middle:])
        return step if all([o - part[0] for o in part] == run for part in halves) else None

    def stride(self) -> int | None:
        """The difference between neighbours, if it is the same everywhere."""
        if self.offsets is None:
            return None
        step = self.offsets[1] - self.offsets[0]
        return step if self.offsets == tuple(i * step for i in range(len(self.offsets))) else None


VARYING = Shape(None)
ONE = Shape((0,))  # of a scalar that belongs to a single lane


@cache
def uniform(width: int, base: int | None = None, align: int = 1) -> Shape:
    return Shape((0,) * width, base, align if base is None else (base & -base or _ENDLESS))


def constants(values: Iterable[int]) -> Shape:
    """Constants, one for each lane."""
    first, *others = values
    return Shape((0, *(n - first for n in others)), first, first & -first or _ENDLESS)


def is_vector(type_: str) -> bool:
    return type_[0] == "<"


def literal(value: Value) -> int | None:
    """The number that an integer constant stands for."""
    text = value.text
    if value.type[0] != "i" or text[0] in "%@":
        return None
    if text in ("true", "false"):
        return int(text == "true")
    try:
        return int(text)
    except ValueError:
        return None


def plain(shape: Shape, width: int) -> Shape:
    return uniform(width, None, shape.align) if shape.base is None else uniform(width, shape.base)


def bits_of(type_: str) -> int:
    return 64 if type_ == "ptr" else int(type_[1:])


def fitting(shape: Shape | None, bits: int) -> Shape | None:
    """A shape of numbers of so many bits: beyond the sign's bit nothing is known of where lanes lie."""
    most = 1 << (bits - 1)
    return shape if shape is None or shape.align <= most else replace(shape, align=most)


def join(a: Shape | None, b: Shape | None) -> Shape | None:
    if a is None or b is None or a == b:
        return a if b is None else b
    if a.offsets is None or a.offsets != b.offsets:
        half = a.half_stride()
        return Shape(None, half=half if half == b.half_stride() else None)
    base = a.base if a.base == b.base else None
    return Shape(a.offsets, base, min(a.align, b.align), a.relaxed or b.relaxed)


_EVALUATE: dict[str, Callable[[int, int], int]] = {
    "add": operator.add, "sub": operator.sub, "mul": operator.mul, "and": operator.and_, "or": operator.or_,
    "xor": operator.xor, "shl": operator.lshift, "lshr": operator.rshift,
    "udiv": lambda a, b: a // b if b else 0, "urem": lambda a, b: a % b if b else 0,
}  # fmt: skip


def binary(instruction: Instruction, a: Shape | None, b: Shape | None, bits: int) -> Shape | None:
    if a is None or b is None:
        return None
    if a.offsets is None or b.offsets is None:
        return VARYING
    op = "add" if instruction.op == "or" and "disjoint" in instruction.flags else instruction.op
    width = len(a.offsets)
    if a.is_uniform and b.is_uniform:
        return uniform(width, None, _uniform_align(op, a, b))
    if a.lanes is not None and b.lanes is not None and op in _EVALUATE:
        mask = (1 << bits) - 1
        values = [_EVALUATE[op](x & mask, y & mask) & mask for x, y in zip(a.lanes, b.lanes, strict=True)]
        return constants(values)
    if op in ("add", "sub"):
        act = operator.add if op == "add" else operator.sub
        offsets = tuple(map(act, a.offsets, b.offsets))
        return Shape(offsets, None, min(a.align, b.align), a.relaxed or b.relaxed)
    if op == "mul" and a.is_uniform:
        a, b = b, a
    factor = b.base if b.is_uniform else None
    if factor is None or a.offsets is None:
        return VARYING
    if op == "shl":
        op, factor = "mul", 1 << factor
    if op == "mul":
        offsets = tuple(o * factor for o in a.offsets)
        return Shape(offsets, None, min(a.align * (factor & -factor or _ENDLESS), _ENDLESS), a.relaxed)
    if a.relaxed or min(a.offsets) < 0 or max(a.offsets) >= a.align:
        return VARYING
    if op == "and" and factor >= 0 and (factor & (factor + 1)) == 0:
        if factor < a.align:
            return constants([o & factor for o in a.offsets])
        return Shape(a.offsets, None, a.align)
    if op == "lshr":
        if 1 << factor <= a.align:
            return Shape(tuple(o >> factor for o in a.offsets), None, a.align >> factor)
        return uniform(width)
    return VARYING


def half_of(instruction: Instruction, a: Shape, b: Shape) -> int | None:
    """The stride in each half of the lanes of a result that has no offsets."""
    x, y, op = a.half_stride(), b.half_stride(), instruction.op
    if x is None or y is None:
        return None
    if x == y == 0:
        return 0
    if op == "add" or (op == "or" and "disjoint" in instruction.flags):
        return x + y
    if op == "sub":
        return x - y
    if op == "shl" and b.base is not None:
        return x << b.base
    factor = b.base if b.is_uniform else a.base if a.is_uniform else None
    return (x + y) * factor if op == "mul" and factor is not None else None


def _uniform_align(op: str, a: Shape, b: Shape) -> int:
    if op in ("add", "sub", "or", "xor"):
        return min(a.align, b.align)
    if op == "mul":
        return min(a.align * b.align, _ENDLESS)
    if op == "shl" and b.base is not None and b.base < 64:
        return min(a.align << b.base, _ENDLESS)
    if op == "and":
        return max(a.align, b.align)
    return 1


def converted(instruction: Instruction, lanes: tuple[int, ...]) -> Shape:
    """Constants in more or fewer bits."""
    bits = int(components(instruction.operands[0].type)[0][1:])
    values = [n & ((1 << bits) - 1) for n in lanes]
    if instruction.op == "sext":
        values = [n - (n >> (bits - 1) << bits) for n in values]
    mask = (1 << int(components(instruction.type)[0][1:])) - 1
    return constants([n & mask for n in values])


_COMPARE: dict[str, Callable[[int, int], bool]] = {
    "eq": operator.eq, "ne": operator.ne, "ult": operator.lt, "ule": operator.le, "ugt": operator.gt,
    "uge": operator.ge,
}  # fmt: skip


def compared(predicate: str, a: Shape, b: Shape) -> Shape:
    if _aligned_bound(predicate, a, b):
        return uniform(len(a.offsets or ()))
    if a.lanes is None or b.lanes is None or predicate not in _COMPARE or min((*a.lanes, *b.lanes)) < 0:
        return VARYING
    return constants([int(_COMPARE[predicate](x, y)) for x, y in zip(a.lanes, b.lanes, strict=True)])


def _aligned_bound(predicate: str, a: Shape, b: Shape) -> bool:
    """Whether all lanes lie on the same side of a constant, since they fill an aligned block and it is a border."""
    if b.base is None or not b.is_uniform or a.offsets is None or a.relaxed or min(a.offsets) < 0:
        return False
    border = b.base + (predicate in ("ule", "ugt", "sle", "sgt"))
    return predicate[0] in "us" and max(a.offsets) < a.align and border % a.align == 0
