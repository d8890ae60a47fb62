"""Uses of a macro that differ in nothing but an address space, and make the same definition twice.

``GETTER(device); GETTER(thread);`` in a class, or in a macro that is given ``GETTER``, define one function for each
space, which are one to C++. clang says that it is defined twice, and where the outermost macro is used; which use
within which macro is meant is found here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TypeAlias

from .lexer import Token, closing, tokenize
from .twins import Text, are_twins

__all__ = ["repeated_uses"]

_DEFINED = re.compile(r"[ \t]*#[ \t]*define[ \t]+(\w+)(?:\([^)\n]*\))?")


def repeated_uses(text: Text, later: int, earlier: int) -> set[tuple[int, int]]:
    """Starts and ends of uses that repeat others, behind a definition at one offset that is one at another, too."""
    tokens = text.tokens
    uses = [_use(tokens, at) for at in (text.token_at(later), text.token_at(earlier))]
    defined = _defined(text)
    if uses[0][0].text in defined and later != earlier and _are_twins(*uses):
        return {(uses[0][0].start, uses[0][-1].end)}
    macros = list(_macros_behind(defined, {t.text for t in uses[0]}))
    if any("#" in [t.text for t in body] for _, body in macros):
        return set()  # what is made has names of its own
    return {(use[0].start + start, use[-1].end + start) for start, body in macros for use in _repeated(body)}


def _use(tokens: list[Token], at: int) -> list[Token]:
    """The use of a macro that a token is part of."""
    first = at
    is_name = at + 1 < len(tokens) and tokens[at + 1].text == "("
    while (
        not is_name
        and first > 0
        and tokens[first - 1].text not in (";", "{", "}")
        and tokens[first - 1].kind != "directive"
    ):
        first -= 1
    end = closing(tokens, first + 1) if first + 1 < len(tokens) and tokens[first + 1].text == "(" else len(tokens)
    return tokens[first : end + 1] if first <= at <= end < len(tokens) else tokens[at : at + 1]


_Bodies: TypeAlias = dict[str, list[tuple[int, list[Token]]]]


def _defined(text: Text) -> _Bodies:
    """Where the bodies of macros start, and their tokens, by the macros' names."""
    bodies: _Bodies = {}
    for directive in text.directives:
        match = _DEFINED.match(directive.text)
        if match:
            body = (directive.start + match.end(), tokenize(directive.text[match.end() :]))
            bodies.setdefault(match[1], []).append(body)
    return bodies


def _macros_behind(defined: _Bodies, words: set[str]) -> Iterator[tuple[int, list[Token]]]:
    """The bodies of the macros among some words, and of those that they lead to."""
    waiting, seen = set(words), set[str]()
    while waiting:
        word = waiting.pop()
        seen.add(word)
        for body in defined.get(word, ()):
            yield body
            waiting |= {t.text for t in body[1] if t.kind == "id"} - seen


def _repeated(body: list[Token]) -> Iterator[list[Token]]:
    """The later ones of statements of a macro's body that differ in nothing but an address space."""
    statements = list(_statements(body))
    for i, statement in enumerate(statements):
        if any(_are_twins(statement, other) for other in statements[:i]):
            yield statement


def _statements(body: list[Token]) -> Iterator[list[Token]]:
    """What ends in semicolons, without these: uses of macros, and declarations."""
    first = i = 0
    while i < len(body):
        if body[i].text == ";":
            yield body[first:i]
            first = i + 1
        elif body[i].text in ("(", "{", "["):
            i = closing(body, i)
        i += 1


def _are_twins(use: list[Token], other: list[Token]) -> bool:
    words, others = ([t.text for t in tokens] for tokens in (use, other))
    return len(words) > 1 and are_twins(words, others)
