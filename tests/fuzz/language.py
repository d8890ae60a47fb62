"""The typed syntax trees of generated kernels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

# name: (dtype of its values in the evaluator, bits, kind); a bfloat is kept as the float32 that it stands for
SCALARS = {
    "bool": (np.bool_, 8, "b"),
    "char": (np.int8, 8, "i"),
    "uchar": (np.uint8, 8, "u"),
    "short": (np.int16, 16, "i"),
    "ushort": (np.uint16, 16, "u"),
    "int": (np.int32, 32, "i"),
    "uint": (np.uint32, 32, "u"),
    "long": (np.int64, 64, "i"),
    "ulong": (np.uint64, 64, "u"),
    "half": (np.float16, 16, "f"),
    "bfloat": (np.float32, 16, "f"),
    "float": (np.float32, 32, "f"),
}
INTEGERS = [name for name, (_, _, kind) in SCALARS.items() if kind in "iu"]
FLOATS = ["half", "bfloat", "float"]
NUMBERS = INTEGERS + FLOATS


@dataclass(frozen=True)
class Type:
    """A scalar, or a vector of `n` components."""

    name: str
    n: int = 1

    def __str__(self) -> str:
        return self.name if self.n == 1 else f"{self.name}{self.n}"

    @property
    def dtype(self) -> Any:
        return SCALARS[self.name][0]

    @property
    def bits(self) -> int:
        return SCALARS[self.name][1]

    @property
    def kind(self) -> str:
        return SCALARS[self.name][2]

    @property
    def scalar(self) -> Type:
        return Type(self.name)

    def with_name(self, name: str) -> Type:
        return Type(name, self.n)


BOOL, CHAR, INT, UINT, LONG, ULONG, FLOAT, USHORT = map(
    Type, ("bool", "char", "int", "uint", "long", "ulong", "float", "ushort")
)


@dataclass
class Expr:
    """An operation of `operations`, or one of those that the evaluator knows by name."""

    op: str
    type: Type
    args: list[Expr] = field(default_factory=list)
    data: Any = None


@dataclass(eq=False)
class Var:
    """A private variable, or an array of `length`; `text` has a place for the index of an array."""

    text: str
    type: Type
    length: int = 0


@dataclass
class Place:
    """What is assigned to: a variable, an element of an array, a component of a vector."""

    var: Var
    index: Expr | None = None
    component: Expr | None = None

    @property
    def type(self) -> Type:
        return self.var.type if self.component is None else self.var.type.scalar


@dataclass
class Struct:
    """A struct type and its one variable; the fields are variables of their own to everything but the printer."""

    name: str
    fields: list[tuple[str, Type, int]]
    length: int
    vars: list[Var]


@dataclass(eq=False)
class Function:
    """A helper. `reference` is a parameter that it may change: a ``thread T&``, or a ``thread T*`` for an array."""

    name: str
    result: Type
    parameters: list[Var]
    reference: Var | None
    locals: list[Var]
    body: list[Stmt]
    noinline: bool = False


@dataclass
class Stmt:
    """Any statement; which fields are used depends on `kind` (see evaluator.Evaluator)."""

    kind: str
    place: Place | None = None
    exprs: list[Expr] = field(default_factory=list)
    blocks: list[list[Stmt]] = field(default_factory=list)
    data: Any = None


@dataclass
class Program:
    """A kernel and its launch."""

    seed: int
    grid: tuple[int, ...]
    group: tuple[int, ...]
    vars: list[Var]
    structs: list[Struct]
    functions: list[Function]
    body: list[Stmt]
    record: list[tuple[str, Type]]  # fields of the struct that one input has an array of
    layouts: dict[str, str]  # of the output buffer of each scalar type
    slots: int  # of each output buffer and thread

    @property
    def threads(self) -> int:
        return int(np.prod(self.grid))


def record_layout(fields: list[tuple[str, Type]]) -> tuple[list[int], int]:
    """Offsets of the fields of a struct in device memory, and its size."""
    offsets, end, alignment = [], 0, 1
    for _, t in fields:
        size = t.bits // 8 * (1, 1, 2, 4, 4)[t.n]
        end = -(-end // size) * size
        offsets.append(end)
        end += size
        alignment = max(alignment, size)
    return offsets, -(-end // alignment) * alignment


def blocks(program: Program) -> Iterator[list[Stmt]]:
    """All lists of statements, outer ones first."""

    def inside(block: list[Stmt]) -> Iterator[list[Stmt]]:
        yield block
        for statement in block:
            for inner in statement.blocks:
                yield from inside(inner)

    yield from inside(program.body)
    for function in program.functions:
        yield from inside(function.body)


def operands(statement: Stmt) -> Iterator[tuple[list[Expr], int]]:
    """Where the expressions of a statement are, those of inner statements apart."""

    def inside(args: list[Expr]) -> Iterator[tuple[list[Expr], int]]:
        for k, expr in enumerate(args):
            yield args, k
            yield from inside(expr.args)

    yield from inside(statement.exprs)
    for name in ("index", "component"):
        expr = getattr(statement.place, name, None)
        if expr is not None:
            yield from inside(expr.args)


def expressions(program: Program) -> Iterator[Expr]:
    """All expressions of a program."""
    for block in blocks(program):
        for statement in block:
            for name in ("index", "component"):
                expr = getattr(statement.place, name, None)
                if expr is not None:
                    yield expr
            for args, k in operands(statement):
                yield args[k]
