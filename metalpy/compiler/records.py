"""What is known about a program's kernels, as bytes: kept in the cache and in library files.

A line of JSON for the program, then one for each way of declaring a kernel that occurs: a program may have thousands
of kernels, with a few hundred of these, and of types, that differ. A line is read when somebody asks for a kernel.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from typing import Any

from .reflection import Argument, Builtin, Field, KernelInfo, Type

__all__ = ["Kernels", "pack", "unpack"]

# The fields that are plain values, in the order of the rows.
_ARGUMENT = [f.name for f in fields(Argument) if f.name != "type"]
_TYPE = [f.name for f in fields(Type) if f.name not in ("shape", "element", "fields")]


def pack(facts: Mapping[str, Any], kernels: Iterable[KernelInfo]) -> bytes:
    """Facts about a program, all of them JSON's own types, and its kernels."""
    table = _TypeTable()
    kernels = tuple(kernels)
    lines: dict[tuple[int, int, str], str] = {}  # kernels of one template share what is said of them

    def line(kernel: KernelInfo) -> str:
        known = (id(kernel.arguments), id(kernel.builtins), kernel.file)
        return lines.get(known) or lines.setdefault(known, _packed(kernel, table))

    declarations: dict[str, int] = {}  # their numbers, by their lines
    index = {
        "names": [kernel.name for kernel in kernels],
        "declared": [declarations.setdefault(line(k), len(declarations)) for k in kernels],
        "lines": [kernel.line for kernel in kernels],
        "types": table.rows,
    }
    return "\n".join([json.dumps({**facts, **index}), *declarations]).encode()


def unpack(data: bytes) -> tuple[dict[str, Any], Kernels]:
    """What `pack` was given."""
    head, *declarations = data.split(b"\n")
    facts = json.loads(head)
    names, declared, lines, types = (facts.pop(key) for key in ("names", "declared", "lines", "types"))
    return facts, Kernels(names, declared, lines, declarations, types)


class Kernels(Mapping[str, KernelInfo]):
    """The kernels of a program by name, in the order of the source."""

    def __init__(
        self, names: list[str], declared: list[int], lines: list[int], declarations: list[bytes], types: list[Any]
    ) -> None:
        self._numbers = dict(zip(names, range(len(names)), strict=True))
        self._declared, self._lines, self._declarations, self._rows = declared, lines, declarations, types
        self._types: dict[int, Type] = {}
        self._made: dict[str, KernelInfo] = {}

    def __getitem__(self, name: str) -> KernelInfo:
        if name not in self._made:
            self._made[name] = self._read(name)
        return self._made[name]

    def __contains__(self, name: object) -> bool:
        return name in self._numbers

    def __iter__(self) -> Iterator[str]:
        return iter(self._numbers)

    def __len__(self) -> int:
        return len(self._numbers)

    def number(self, name: str) -> int:
        """The place of a kernel in the source's order."""
        return self._numbers[name]

    def _read(self, name: str) -> KernelInfo:
        number = self._numbers[name]
        arguments, builtins, file = json.loads(self._declarations[self._declared[number]])
        return KernelInfo(
            name=name,
            arguments=tuple(self._argument(*a) for a in arguments),
            builtins=tuple(Builtin(*b) for b in builtins),
            file=file,
            line=self._lines[number],
        )

    def _argument(self, held: int, *plain: Any) -> Argument:
        return Argument(type=self._type(held), **dict(zip(_ARGUMENT, plain, strict=True)))

    def _type(self, number: int) -> Type:
        if number not in self._types:
            shape, element, members, *plain = self._rows[number]
            self._types[number] = Type(
                shape=tuple(shape),
                element=None if element is None else self._type(element),
                fields=tuple(Field(name, offset, self._type(held)) for name, offset, held in members),
                **dict(zip(_TYPE, plain, strict=True)),
            )
        return self._types[number]


class _TypeTable:
    """Types by number; each is written once."""

    def __init__(self) -> None:
        self.rows: list[Any] = []
        self._numbers: dict[Type, int] = {}

    def number(self, of: Type) -> int:
        if of not in self._numbers:
            element = None if of.element is None else self.number(of.element)
            members = [[f.name, f.offset, self.number(f.type)] for f in of.fields]
            self._numbers[of] = len(self.rows)
            self.rows.append([of.shape, element, members, *(getattr(of, name) for name in _TYPE)])
        return self._numbers[of]


def _packed(kernel: KernelInfo, table: _TypeTable) -> str:
    """All about a kernel but its name and line."""
    arguments = [[table.number(a.type), *(getattr(a, name) for name in _ARGUMENT)] for a in kernel.arguments]
    builtins = [[b.name, b.attribute, b.type_name] for b in kernel.builtins]
    return json.dumps([arguments, builtins, kernel.file])
