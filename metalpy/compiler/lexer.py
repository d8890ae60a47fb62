"""Tokens of Metal source: just enough of C++'s lexical grammar to find declarations.

clang does the language. The passes here (`rewrite`, `harvest`) only need identifiers, punctuation and literals with
their offsets, and must never trip over anything that they do not understand.
"""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["Token", "closing", "in_directive", "tokenize", "without_bodies"]


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


# A directive's body is scanned too when `directives` is false (macro bodies hold attributes and qualifiers);
# otherwise the whole logical line is one token. White space stops at line ends, where a directive may start.
# What is commonest comes first: programs are long.
_DIRECTIVE = r"(?P<directive>^[ \t]*\#(?:\\\n|/\*.*?\*/|(?!//)[^\n])*)|"
_NOT_IN_NAMES = r"\x00-#%-/:-@\[-^`{-\x7f"  # of ASCII; spelled so, since re takes 10 ms to compile \u0080-\U0010ffff
_TOKENS = (
    r"[ ]*(?:(?P<punct>::|->|\[\[|\]\]|[!#%&(-\-:-@\[\]^`{-~\x00-\x08\x0e-\x1f\x7f]"
    r"|\.(?![0-9])|/(?![/*])|\\(?!\n))"
    r'|(?P<string>(?:u8|[uUL])?R"(?P<delimiter>[^()\\\s]*)\(.*?\)(?P=delimiter)"|(?:u8|[uUL])?"(?:\\.|[^"\\\n])*")'
    r"|(?P<char>(?:u8|[uUL])?'(?:\\.|[^'\\\n])*')"
    rf"|(?P<id>[^0-9{_NOT_IN_NAMES}][^{_NOT_IN_NAMES}]*)"
    r"|(?P<number>\.?[0-9](?:[eEpP][+-]|'(?=[0-9A-Za-z_])|[0-9A-Za-z_.])*)"
    r"|(?P<skip>\n+|[ \t\r\f\v]+|\\\n|//(?:\\\n|[^\n])*|/\*.*?(?:\*/|\Z))"
    r"|(?P<quote>[\"']))"  # one that nothing closes
)
_WITH_DIRECTIVES = re.compile(_DIRECTIVE + _TOKENS, re.MULTILINE | re.DOTALL)
_FLAT = re.compile(_TOKENS, re.MULTILINE | re.DOTALL)
_BRACKETS = frozenset({"[", "[[", "]", "]]"})


def tokenize(text: str, *, directives: bool = True) -> list[Token]:
    """Split `text` into tokens, comments and white space left out.

    Parameters
    ----------
    text : str
        Source, before or after preprocessing.
    directives : bool
        True: a preprocessor line is one token of kind ``"directive"``. False: its words are tokens like any others.

    Notes
    -----
    ``]]`` is one token only where it closes ``[[``; ``a[b[0]]`` gives two ``]``.
    """
    pattern = _WITH_DIRECTIVES if directives else _FLAT
    new = tuple.__new__  # as fast again as Token(...)
    tokens = [
        new(Token, (kind, match[kind], match.start(kind)))
        for match in pattern.finditer(text)
        if (kind := match.lastgroup or "") != "skip"
    ]
    return _with_subscripts(tokens)


def _with_subscripts(tokens: list[Token]) -> list[Token]:
    """With each ``]]`` that closes no ``[[`` as the two tokens that it is."""
    brackets: list[str] = []
    out: list[Token] = []
    done = 0
    for i, (kind, word, start) in enumerate(tokens):
        if word not in _BRACKETS or kind != "punct":
            continue
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


# Braces, and what may hold some that are none: comments and literals, but not what follows the ' in 1'000.
_BRACE = re.compile(
    r"(?P<head>\)\s*)?(?P<brace>[{}])"
    r"|//(?:\\\n|[^\n])*|/\*.*?(?:\*/|\Z)"
    r'|R"(?P<delimiter>[^()\\\s]*)\(.*?\)(?P=delimiter)"|"(?:\\.|[^"\\\n])*"'
    r"|(?<![0-9A-Za-z_])'(?:\\.|[^'\\\n])*'",
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
