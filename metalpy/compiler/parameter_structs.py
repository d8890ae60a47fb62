"""Structs that a kernel takes by value and that hold its resources: each member is an argument of its own.

``struct P { device float* a [[buffer(0)]]; uint i [[thread_position_in_grid]]; }; kernel void f(P p)`` takes what
``kernel void f(device float* a [[buffer(0)]], uint i [[thread_position_in_grid]])`` does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .declarations import ADDRESS_SPACES, outside_brackets, split_attributes
from .lexer import Token, closing

__all__ = ["ParameterStructs"]

_CLASSES = ("struct", "class")
_NO_MEMBER = frozenset({"static", "using", "typedef", "friend", "constexpr", "template", "enum", "static_assert"})


class ParameterStructs:
    """The classes of a program by name, as far as kernels may take them as arguments."""

    def __init__(self, attributes: Iterable[str]) -> None:
        self._attributes = frozenset(attributes)  # that make a member an argument
        self._bodies: dict[str, list[Token]] = {}
        self._aliases: dict[str, list[Token]] = {}

    def note(self, declaration: list[Token]) -> None:
        """Remember a declaration if it is that of a class, or of another name for one."""
        if declaration[0].text == "template" and len(declaration) > 1 and declaration[1].text == "<":
            declaration = declaration[closing(declaration, 1) + 1 :]
        if len(declaration) < 3:
            return
        if declaration[0].text == "using" and declaration[2].text == "=":
            self._aliases[declaration[1].text] = [t for t in declaration[3:] if t.text != ";"]
            return
        is_typedef = declaration[0].text == "typedef"
        brace = next((i for i, t in enumerate(declaration) if t.text == "{"), len(declaration))
        if is_typedef and brace == len(declaration) and declaration[-2].kind == "id":
            self._aliases[declaration[-2].text] = declaration[1:-2]
            return
        head = outside_brackets(split_attributes(declaration[is_typedef:brace])[1])
        if brace == len(declaration) or not head or head[0].text not in _CLASSES:
            return
        if any(t.text in (":", "(") for t in head):
            return  # one with a base, or a function
        end = closing(declaration, brace)
        body, behind = declaration[brace + 1 : end], declaration[end + 1 :]
        names = [t.text for t in head[1:] if t.kind == "id" and t.text != "final"]
        if names and "<" not in [t.text for t in head]:  # specialisations may have other members
            self._bodies[names[-1]] = body
        if is_typedef and behind:
            self._bodies[behind[0].text] = body

    def members(self, parameter: list[Token], name: str) -> list[list[Token]] | None:
        """The members of the struct that is a parameter's type; None if it is no struct that holds resources."""
        word = _type_word(split_attributes(parameter)[1], name)
        body = self._body(word) if word else None
        if body is None:
            return None
        members = list(_members(body))
        return members if any(map(self._is_resource, members)) else None

    def meant(self, plain: list[Token], name: str) -> list[Token]:
        """The declaration of a parameter without attributes, or the type that its type is another name for."""
        word = _type_word(plain, name)
        for _ in range(8):  # aliases of aliases
            if word not in self._aliases:
                break
            plain = self._aliases[word]
            word = _type_word(plain, "")
        return plain

    def _body(self, name: str) -> list[Token] | None:
        for _ in range(8):
            if name not in self._aliases:
                break
            name = _type_word(self._aliases[name], "")
        return self._bodies.get(name)

    def _is_resource(self, member: list[Token]) -> bool:
        attributes, plain = split_attributes(member)
        outer = [t.text for t in outside_brackets(plain)]
        is_address = bool({"*", "&"} & set(outer)) and any(word in ADDRESS_SPACES for word in outer)
        is_handle = any(word.startswith(("texture", "depth")) or word == "sampler" for word in outer[:-1])
        is_nested = any(self._holds_resources(word) for word in outer[:-1])
        return is_address or is_handle or is_nested or not self._attributes.isdisjoint(attributes)

    def _holds_resources(self, name: str) -> bool:
        body = self._body(name)
        return body is not None and any(map(self._is_resource, _members(body)))


def _type_word(plain: list[Token], name: str) -> str:
    """What the type of a declaration of `name` is called, if that is by value."""
    outer = outside_brackets(plain)
    if {"*", "&", "["} & {t.text for t in outer}:
        return ""
    words = [t.text for t in outer if t.kind == "id" and t.text not in (name, "const", "struct", "typename")]
    return words[-1] if words else ""


def _members(body: list[Token]) -> Iterator[list[Token]]:
    """The declarations of a class's data members."""
    i = 0
    while i < len(body):
        start, is_function = i, False
        while i < len(body) and body[i].text != ";":
            if body[i].text == "{":
                i = closing(body, i)
                if is_function:
                    break
            elif body[i].text in ("(", "[[", "["):
                is_function = is_function or body[i].text == "("
                i = closing(body, i)
            elif body[i].text == ":" and body[i - 1].text in ("public", "private", "protected"):
                start = i + 1
            i += 1
        i += 1
        declaration = [t for t in body[start : i - 1] if t.kind != "directive"]
        first = declaration[0].text if declaration else ""
        is_member = len(declaration) > 1 and first not in (*_NO_MEMBER, *_CLASSES, "union") and not is_function
        if is_member and "operator" not in [t.text for t in declaration]:
            yield declaration
