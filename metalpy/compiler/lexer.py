"""Tokens of Metal source: just enough of C++'s lexical grammar to find declarations.

clang does the language. The passes here (`rewrite`, `harvest`) only need identifiers, punctuation and literals with
their offsets, and must never trip over anything that they do not understand.
"""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["Token", "closing", "in_directive", "tokenize"]


class Token(NamedTuple):
    """A token: `kind` is ``"id"``, ``"number"``, ``"string"``, ``"char"``, ``"punct"`` or ``"directive"``."""

    kind: str
    text: str
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)


# A directive's body is scanned too when `directives` is false (macro bodies hold attributes and qualifiers);
# otherwise the whole logical line is one token. White space stops at line ends, where a directive may start.
_SKIP = r"(?P<skip>\n+|[ \t\r\f\v]+|\\\n|//(?:\\\n|[^\n])*|/\*.*?(?:\*/|\Z))"
_DIRECTIVE = r"(?P<directive>^[ \t]*\#(?:\\\n|/\*.*?\*/|(?!//)[^\n])*)"
_COMMON = (
    r'|(?P<string>(?:u8|[uUL])?R"(?P<delimiter>[^()\\\s]*)\(.*?\)(?P=delimiter)"|(?:u8|[uUL])?"(?:\\.|[^"\\\n])*")'
    r"|(?P<char>(?:u8|[uUL])?'(?:\\.|[^'\\\n])*')"
    r"|(?P<number>\.?[0-9](?:[eEpP][+-]|'(?=[0-9A-Za-z_])|[0-9A-Za-z_.])*)"
    r"|(?P<id>[A-Za-z_$\u0080-\U0010ffff][A-Za-z0-9_$\u0080-\U0010ffff]*)"
    r"|(?P<punct>::|->|\[\[|\]\]|.)"
)
_WITH_DIRECTIVES = re.compile(_DIRECTIVE + "|" + _SKIP + _COMMON, re.MULTILINE | re.DOTALL)
_FLAT = re.compile(_SKIP + _COMMON, re.MULTILINE | re.DOTALL)


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
    tokens: list[Token] = []
    brackets: list[str] = []
    for match in (_WITH_DIRECTIVES if directives else _FLAT).finditer(text):
        kind = match.lastgroup
        if kind == "skip":
            continue
        if kind == "delimiter":
            kind = "string"
        assert kind is not None
        word = match.group(kind)
        if kind == "punct":
            if word in ("[", "[["):
                brackets.append(word)
            elif word == "]]" and (not brackets or brackets[-1] != "[["):
                # Two subscripts end here.
                tokens.append(Token("punct", "]", match.start()))
                tokens.append(Token("punct", "]", match.start() + 1))
                del brackets[-2:]
                continue
            elif word in ("]", "]]") and brackets:
                brackets.pop()
        tokens.append(Token(kind, word, match.start(kind)))
    return tokens


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
