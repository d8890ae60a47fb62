"""Specialisations that differ in an address space and do different things, told apart where a use names the space.

``Traits<device T*>`` and ``Traits<threadgroup T*>`` are one class to C++. Each such argument, of the specialisations
and wherever the text uses the template, becomes a type that says which space: ``Traits<__mp::in<1, T*>>``. What is left
are uses whose argument is the name of a type. In which space its pointers are C++ does not know, so they find a
specialisation that refuses them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from .declarations import ADDRESS_SPACES, outside_brackets, split_commas
from .lexer import Token, closing
from .twins import Definition, Finder, Text, are_twins

__all__ = ["Specialisation", "differing_specialisations", "insertions_for"]

_NUMBERS = {"device": 1, "constant": 2, "threadgroup": 3, "thread": 4}
_CLASSES = frozenset({"struct", "class", "union"})


class Specialisation(NamedTuple):
    """A specialisation with a pointer or reference in an address space among its arguments."""

    definition: Definition
    name: int  # index of the token
    head: tuple[str, ...]  # as C++ sees it


def differing_specialisations(text: Text, finder: Finder, definitions: Iterable[Definition]) -> list[Specialisation]:
    """Those of templates that have two which are one to C++ and do different things, the template itself counted."""
    definitions = list(definitions)
    found = [s for definition in definitions if (s := _specialisation(text.tokens, finder, definition)) is not None]
    groups: dict[tuple[object, ...], list[Specialisation]] = {}
    for s in found:
        groups.setdefault((id(s.definition.scope), *s.definition.branches, *s.head), []).append(s)
    names = {text.tokens[group[0].name].text for group in groups.values() if not _all_alike(text, group)}
    spaces = _spaces_of(text.tokens, found)
    names |= {name for name in _defined_templates(text.tokens, definitions) if len(spaces.get(name, ())) == 1}
    return [s for s in found if text.tokens[s.name].text in names]


def insertions_for(text: Text, found: list[Specialisation], rewritten: str) -> Iterator[tuple[int, str]]:
    """(offset, what to insert there) so that these are different classes, and uses that name a space find theirs."""
    if not found:
        return
    tokens = text.tokens
    spaces = _spaces_of(tokens, found)
    last = {s.head: s for s in found}
    for s in last.values():
        yield text.span(s.definition)[1], _refusing(tokens, s, rewritten)
    for i, token in enumerate(tokens):
        if token.text in spaces:
            for argument in _arguments(tokens, i):
                space = _space(argument)
                # Where one space has a specialisation, the template itself is for all others.
                if space and (space in spaces[token.text] or len(spaces[token.text]) == 1):
                    yield argument[0].start, f"__mp::in<{_NUMBERS[space]}, "
                    yield argument[-1].end, ">"


def _specialisation(tokens: list[Token], finder: Finder, definition: Definition) -> Specialisation | None:
    head = tokens[definition.first : definition.body]
    if len(head) < 2 or head[0].text != "template" or head[1].text != "<":
        return None
    behind = closing(head, 1) + 1
    at = next((i for i in range(behind, len(head)) if head[i].text in _CLASSES), len(head))
    name = definition.first + at + 1
    if not any(map(_space, _arguments(tokens, name))) or name >= definition.body:
        return None
    end = closing(tokens, name + 1) + 1
    return Specialisation(definition, name, tuple(finder.spelled(tokens[definition.first : end])))


def _spaces_of(tokens: list[Token], found: Iterable[Specialisation]) -> dict[str, set[str]]:
    """The spaces that each template has specialisations for."""
    spaces: dict[str, set[str]] = {}
    for s in found:
        named = set(map(_space, _arguments(tokens, s.name))) - {""}
        spaces.setdefault(tokens[s.name].text, set()).update(named)
    return spaces


def _defined_templates(tokens: list[Token], definitions: Iterable[Definition]) -> Iterator[str]:
    """The names of class templates that are more than declared."""
    for definition in definitions:
        head = tokens[definition.first : definition.body]
        if len(head) > 2 and head[0].text == "template" and head[1].text == "<" and tokens[definition.body].text == "{":
            behind = head[closing(head, 1) + 1 :]
            if len(behind) > 1 and behind[0].text in _CLASSES and [t.text for t in behind[2:3]] != ["<"]:
                yield behind[1].text


def _all_alike(text: Text, group: list[Specialisation]) -> bool:
    words = [text.words(text.span(s.definition)) for s in group]
    return all(w == words[0] or are_twins(w, words[0]) for w in words)


def _arguments(tokens: list[Token], name: int) -> list[list[Token]]:
    """The template arguments behind the name at this index."""
    end = closing(tokens, name + 1) if name + 1 < len(tokens) and tokens[name + 1].text == "<" else len(tokens)
    return [part for part in split_commas(tokens[name + 2 : end]) if part] if end < len(tokens) else []


def _space(argument: list[Token]) -> str:
    """The space of what a template argument points or refers to; "" where it names none or is no such type."""
    texts = [t.text for t in outside_brackets(argument)]
    return next((t for t in texts if t in ADDRESS_SPACES), "") if "*" in texts or "&" in texts else ""


def _refusing(tokens: list[Token], s: Specialisation, rewritten: str) -> str:
    """A specialisation for the same types without spaces, which cannot be used."""
    head = tokens[s.definition.first : closing(tokens, s.name + 1) + 1]
    words = ["const" if t.text == "constant" else rewritten[t.start : t.end].strip() for t in head]
    spelled = " ".join(word for word in words if word and word not in ADDRESS_SPACES)
    if closing(head, 1) == 2:  # template <>
        return f" {spelled};"
    name = tokens[s.name].text
    message = f"which specialisation of '{name}' is meant depends on an address space that is not named here"
    return f' {spelled} {{ static_assert(false, "{message}"); }};'
