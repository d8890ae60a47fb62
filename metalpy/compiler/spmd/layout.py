"""Sizes of types in memory, by LLVM's data layout for 64-bit processors."""

from __future__ import annotations

import re
from functools import cached_property

from .ir import Unsupported, split_list

__all__ = ["Layout", "is_regular", "scalar_size", "stored_size"]

_STRUCT = re.compile(r"^(%(?:[\w.$-]+|\"[^\"]+\")) = type (.*)$", re.M)
_SCALARS = {"half": 2, "bfloat": 2, "float": 4, "double": 8, "ptr": 8}


def scalar_size(type_: str) -> int:
    """Bytes of a scalar."""
    if type_ in _SCALARS:
        return _SCALARS[type_]
    if type_[0] == "i":
        bits = int(type_[1:])
        return 1 << max((bits + 7) // 8 - 1, 0).bit_length() if bits > 8 else 1
    raise Unsupported(f"the type {type_}")


def stored_size(type_: str) -> int:
    """Bytes that a store of a number, a vector or an array writes: without what fills it up; 0 for other types."""
    if type_[0] in "[<" and type_[1] != "{":
        count, _, element = type_[1:-1].partition(" x ")
        return int(count) * stored_size(element.strip())
    if type_[0] == "i" and type_[1:].isdecimal():
        return (int(type_[1:]) + 7) // 8
    return _SCALARS.get(type_, 0)


def is_regular(type_: str) -> bool:
    """Whether a vector of the scalar is laid out as an array is; i1 and i48, for example, are packed."""
    return type_[0] != "i" or type_ in ("i8", "i16", "i32", "i64")


class Layout:
    """Sizes of a module's types.

    Parameters
    ----------
    module : str
        The module's text; only its named types matter.
    """

    def __init__(self, module: str) -> None:
        self._module = module
        self._known: dict[str, tuple[int, int]] = {}

    @cached_property
    def _structs(self) -> dict[str, str]:
        return dict(_STRUCT.findall(self._module))

    def size(self, type_: str) -> int:
        """Bytes from one element of an array to the next."""
        return self._measure(type_)[0]

    def member(self, type_: str, index: int) -> tuple[int, str]:
        """Where the member of a struct, array or vector starts, and its type."""
        type_ = self._structs.get(type_, type_) if type_[0] == "%" else type_
        if type_[0] == "[" or (type_[0] == "<" and type_[1] != "{"):
            element = type_[1:-1].partition(" x ")[2].strip()
            return index * self.size(element), element
        members, packed = _members(type_)
        at = 0
        for i, member in enumerate(members):
            size, align = self._measure(member)
            if not packed:
                at = -(-at // align) * align
            if i == index:
                return at, member
            at += size
        raise Unsupported(f"member {index} of {type_}")

    def _measure(self, type_: str) -> tuple[int, int]:
        if type_ not in self._known:
            self._known[type_] = self._compute(type_)
        return self._known[type_]

    def _compute(self, type_: str) -> tuple[int, int]:
        if type_[0] == "%":
            if type_ not in self._structs:
                raise Unsupported(f"the type {type_}")
            return self._measure(self._structs[type_])
        if type_[0] == "[":
            count, _, element = type_[1:-1].partition(" x ")
            size, align = self._measure(element.strip())
            return int(count) * size, align
        if type_[0] == "<" and type_[1] != "{":
            count, _, element = type_[1:-1].partition(" x ")
            size = int(count) * scalar_size(element.strip())
            align = 1 << (size - 1).bit_length()
            return -(-size // align) * align, align
        if type_[0] in "{<":
            members, packed = _members(type_)
            at, widest = 0, 1
            for member in members:
                size, align = self._measure(member)
                if not packed:
                    at = -(-at // align) * align
                    widest = max(widest, align)
                at += size
            return -(-at // widest) * widest, widest
        size = scalar_size(type_)
        return size, min(size, 16)


def _members(type_: str) -> tuple[list[str], bool]:
    packed = type_.startswith("<{")
    return split_list((type_[2:-2] if packed else type_[1:-1]).strip()), packed
