"""Tokens of Metal source: just enough of C++'s lexical grammar to find declarations.

clang does the language. The passes here (`rewrite`, `harvest`) only need identifiers, punctuation and literals with
their offsets, and must never trip over anything that they do not understand.
"""

from __future__ import annotations

import gc
import re
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from operator import itemgetter

from .._core.lexer import Token, closing, places, with_subscripts
from .._core.lexer import lex as _lex

__all__ = ["Token", "closing", "collection_paused", "in_directive", "lex", "places", "tokenize", "without_bodies"]


_DIRECTIVE = re.compile(r"[ \t]*\#(?:\\\n|/\*.*?\*/|(?!//)[^\n])*", re.DOTALL)
_LINE_WITH_HASH = re.compile(r"^[ \t]*#", re.MULTILINE)
_start = itemgetter(2)
_MANY = 50_000  # characters, of whose tokens the garbage collector would take some milliseconds


def lex(text: str) -> list[Token]:
    """The tokens of `text`, comments and white space left out; ``]]`` is one token wherever it stands."""
    with collection_paused(len(text) > _MANY):
        return _lex(text)


@contextmanager
def collection_paused(when: bool) -> Iterator[None]:
    """While many tokens are made the garbage collector would look at them all over again, which takes as long."""
    pauses = when and gc.isenabled()
    if pauses:
        gc.disable()
    try:
        yield
    finally:
        if pauses:
            gc.enable()


def tokenize(text: str, *, directives: bool = True, lexed: list[Token] | None = None) -> list[Token]:
    """Split `text` into tokens, comments and white space left out.

    Parameters
    ----------
    text : str
        Source, before or after preprocessing.
    directives : bool
        True: a preprocessor line is one token of kind ``"directive"``. False: its words are tokens like any others.
    lexed : list of Token, optional
        What `lex` makes of the text, if that is known.

    Notes
    -----
    ``]]`` is one token only where it closes ``[[``; ``a[b[0]]`` gives two ``]``.
    """
    tokens = lex(text) if lexed is None else lexed
    return with_subscripts(_with_directives(text, tokens) if directives else tokens)


def _with_directives(text: str, tokens: list[Token]) -> list[Token]:
    """With one token in place of those of each preprocessor line."""
    out: list[Token] = []
    done = end = 0  # in tokens, in text
    for match in _LINE_WITH_HASH.finditer(text):
        start, behind = match.span()
        i = bisect_left(tokens, behind - 1, done, key=_start)
        if start < end or i == len(tokens) or tokens[i].start != behind - 1 or tokens[i].text != "#":
            continue  # in a comment, say
        end = _DIRECTIVE.match(text, start).end()  # type: ignore[union-attr]
        out += tokens[done:i]
        out.append(Token("directive", text[start:end], start))
        done = bisect_left(tokens, end, i, key=_start)
    return out + tokens[done:]


def in_directive(text: str, offset: int) -> bool:
    """Whether what is at `offset` stands in a preprocessor line."""
    start = text.rfind("\n", 0, offset) + 1
    while start > 1 and text[start - 2] == "\\":
        start = text.rfind("\n", 0, start - 1) + 1
    return text[start:offset].lstrip().startswith("#")


# Braces, and what may hold some that are none: comments and literals, but not what follows the ' in 1'000. Nearly no
# character begins any of these, and one look ahead finds that out four times as fast as trying them all.
_BRACE = re.compile(
    r"(?=[){}/R\"'])(?:"
    r"(?P<head>\)\s*)?(?P<brace>[{}])"
    r"|//(?:\\\n|[^\n])*|/\*.*?(?:\*/|\Z)"
    r'|R"(?P<delimiter>[^()\\\s]*)\(.*?\)(?P=delimiter)"|"(?:\\.|[^"\\\n])*"'
    r"|(?<![0-9A-Za-z_])'(?:\\.|[^'\\\n])*')",
    re.DOTALL,
)


def without_bodies(text: str) -> str:
    """The text, of the same length, with spaces in place of what is between the braces of functions."""
    pieces: list[str] = []
    done = depth = 0
    for match in _BRACE.finditer(text):
        brace = match["brace"]
        if brace is None:
            continue
        if depth:
            depth += 1 if brace == "{" else -1
            if depth == 0:
                pieces.append(" " * (match.end() - 1 - done))
                done = match.end() - 1
        elif brace == "{" and match["head"] and not _is_namespace(text, match.start()):
            depth = 1
            pieces.append(text[done : match.end()])
            done = match.end()
    pieces.append(text[done:])
    return "".join(pieces)


def _is_namespace(text: str, end: int) -> bool:
    """Whether the declaration that `text` before `end` is the head of is a namespace with attributes."""
    start = max(text.rfind(mark, 0, end) for mark in ";{}")
    return "namespace" in text[start + 1 : end]
