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
from itertools import accumulate
from operator import itemgetter
from typing import NamedTuple

__all__ = ["Token", "closing", "collection_paused", "in_directive", "lex", "tokenize", "without_bodies"]


class Token(NamedTuple):
    """A token.

    `kind` is ``"id"``, ``"number"``, ``"string"``, ``"char"``, ``"punct"``, ``"directive"`` or ``"quote"``, which is
    one that nothing closes.
    """

    kind: str
    text: str
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)


# Everything is a lexeme, white space and comments too: where one starts follows from the lengths of those before, and
# `findall` without groups is the fastest that `re` has. White space stops at line ends, where a directive may start.
_NOT_IN_NAMES = r"\x00-#%-/:-@\[-^`{-\x7f"  # of ASCII; spelled so, since re takes 10 ms to compile \u0080-\U0010ffff
_RAW_STRING = r'(?:u8|[uUL])?R"(?P<delimiter>[^()\\\s]*)\(.*?\)(?P=delimiter)"|'
_LEXEME = (
    r"[ ]+|(?:u8|[uUL])?(?:\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*')"
    rf"|[^0-9{_NOT_IN_NAMES}][^{_NOT_IN_NAMES}]*|::|->|\[\[|\]\]"
    r"|\.?[0-9](?:[eEpP][+-]|'(?=[0-9A-Za-z_])|[0-9A-Za-z_.])*"
    r"|\n+|[ \t\r\f\v]+|\\\n|//(?:\\\n|[^\n])*|/\*.*?(?:\*/|\Z)|."
)
_LEXEMES = re.compile(_LEXEME, re.DOTALL)
_RAW_LEXEMES = re.compile(_RAW_STRING + _LEXEME, re.DOTALL)
_DIRECTIVE = re.compile(r"[ \t]*\#(?:\\\n|/\*.*?\*/|(?!//)[^\n])*", re.DOTALL)
_LINE_WITH_HASH = re.compile(r"^[ \t]*#", re.MULTILINE)
_BRACKETS = frozenset({"[", "[[", "]", "]]"})
_start = itemgetter(2)
_MANY = 10000  # lexemes; some milliseconds


class _Kinds(dict[str, str]):
    """Kinds of lexemes by their first character; "" where that does not tell."""

    def __missing__(self, first: str) -> str:
        return "id"  # a letter that is not ASCII


_KINDS = _Kinds(
    {chr(code): "punct" for code in range(128)}
    | dict.fromkeys("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_$", "id")
    | dict.fromkeys("0123456789", "number")
    | dict.fromkeys(" \t\r\f\v\n", "skip")
    | dict.fromkeys("uULR\"'./\\", "")
)


def _kind(lexeme: str) -> str:
    """The kind where the first character does not tell."""
    first, last = lexeme[0], lexeme[-1]
    if last in "\"'" and first not in "/\\":
        return "quote" if len(lexeme) == 1 else "string" if last == '"' else "char"
    if first in "uULR":
        return "id"
    if len(lexeme) == 1:
        return "punct"
    return "number" if first == "." else "skip"


def lex(text: str) -> list[Token]:
    """The tokens of `text`, comments and white space left out; ``]]`` is one token wherever it stands."""
    raw = 'R"' in text
    lexemes = [match[0] for match in _RAW_LEXEMES.finditer(text)] if raw else _LEXEMES.findall(text)
    new, kinds = tuple.__new__, _KINDS  # as fast again as Token(...)
    with collection_paused(len(lexemes) > _MANY):
        return [
            new(Token, (kind, lexeme, start))
            for lexeme, start in zip(lexemes, accumulate(map(len, lexemes), initial=0), strict=False)
            if (kind := kinds[lexeme[0]] or _kind(lexeme)) != "skip"
        ]


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
    return _with_subscripts(_with_directives(text, tokens) if directives else tokens)


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


def _with_subscripts(tokens: list[Token]) -> list[Token]:
    """With each ``]]`` that closes no ``[[`` as the two tokens that it is."""
    brackets: list[str] = []
    out: list[Token] = []
    done = 0
    for i in [i for i, token in enumerate(tokens) if token[1] in _BRACKETS]:
        _, word, start = tokens[i]
        if word in ("[", "[["):
            brackets.append(word)
        elif word == "]]" and (not brackets or brackets[-1] != "[["):
            out += tokens[done:i]
            out += (Token("punct", "]", start), Token("punct", "]", start + 1))
            done = i + 1
            del brackets[-2:]
        elif brackets:
            brackets.pop()
    return out + tokens[done:] if done else tokens


_PAIRS = {"(": ")", "[": "]", "{": "}", "[[": "]]"}


def closing(tokens: list[Token], at: int) -> int:
    """Index of the token that closes the bracket at index `at`; ``len(tokens)`` if none does.

    ``<`` is matched as a template argument list: brackets nest inside it and ``;`` or ``{`` give up on it.
    """
    opener = tokens[at].text
    if opener == "<":
        return _closing_angle(tokens, at)
    depth = 0
    closer = _PAIRS[opener]
    for i in range(at, len(tokens)):
        text = tokens[i].text
        if tokens[i].kind != "punct":
            continue
        if text == opener:
            depth += 1
        elif text == closer:
            depth -= 1
            if depth == 0:
                return i
    return len(tokens)


def _closing_angle(tokens: list[Token], at: int) -> int:
    depth = 0
    i = at
    while i < len(tokens):
        text = tokens[i].text
        if tokens[i].kind == "punct":
            if text == "<":
                depth += 1
            elif text == ">":
                depth -= 1
                if depth == 0:
                    return i
            elif text in ("(", "[", "[["):
                i = closing(tokens, i)
            elif text in (";", "{", "}", ")"):
                return len(tokens)
        i += 1
    return len(tokens)


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
