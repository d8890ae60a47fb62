"""Definitions that differ in nothing but an address space: one of each is enough once the spaces are erased.

Metal code defines ``f(device T*)`` and ``f(threadgroup T*)``, methods ``get() const device`` and ``get() const
thread``, traits for ``device T*`` and ``constant T*``. To C++ the second is a redefinition. clang says exactly where;
if the two differ in address spaces alone, the later one is blanked (the text keeps its length) and the program
compiled again. They are taken to do the same, as twins in public code do; the first stands for all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from .lexer import Token, closing, tokenize
from .source import blanked

__all__ = ["drop_twins"]

_SPACES = frozenset({"device", "constant", "threadgroup", "thread"})
_REDEFINITION = re.compile(
    r"^(?P<file>[^\n]*?):(?P<line>\d+):(?P<column>\d+): error: (?:redefinition of |multiple overloads of "
    r"|(?:class member|constructor|conversion function) cannot be redeclared)",
)
_PREVIOUS = re.compile(
    r"^(?P<file>[^\n]*?):(?P<line>\d+):(?P<column>\d+): note: previous (?:definition|declaration) is here"
)
_LINE_MARK = re.compile(r'#line (\d+) "((?:\\.|[^"\\])*)"')


def drop_twins(original: str, rewritten: str, messages: str) -> str | None:
    """The rewritten program without the twins that clang's `messages` complain about; None if there are none.

    Parameters
    ----------
    original : str
        The user's spliced program, address spaces in place.
    rewritten : str
        The same, of the same length, as clang saw it.
    messages : str
        What clang printed.
    """
    places = list(_complaints(messages))
    if not places:
        return None
    text = _Text(original)
    spans: set[tuple[int, int]] = set()
    for later, earlier in places:
        for offset in text.offsets(*later):
            span = text.definition(offset)
            if span and (earlier is None or text.differ_in_space(span, earlier)) and text.names_space(span):
                spans.add(span)
    for start, end in spans:
        rewritten = rewritten[:start] + blanked(rewritten[start:end]) + rewritten[end:]
    return rewritten if spans else None


_Place = tuple[str, int, int]  # file, line, column


def _complaints(messages: str) -> Iterator[tuple[_Place, _Place | None]]:
    """(the later definition, the earlier one if clang names it) of each redefinition."""
    pending: _Place | None = None
    for line in messages.splitlines():
        if match := _PREVIOUS.match(line):
            if pending:
                yield pending, (match["file"], int(match["line"]), int(match["column"]))
            pending = None
        elif ": error: " in line:
            if pending:
                yield pending, None
            match = _REDEFINITION.match(line)
            pending = (match["file"], int(match["line"]), int(match["column"])) if match else None
    if pending:
        yield pending, None


class _Text:
    """A spliced program with its tokens, to find definitions by file, line and column."""

    def __init__(self, text: str) -> None:
        self._tokens = tokenize(text)
        self._index = {token.start: i for i, token in enumerate(self._tokens)}
        self._lines: dict[tuple[str, int], list[int]] = {}
        file, line, offset = "", 1, 0
        for content in text.split("\n"):
            mark = _LINE_MARK.match(content)
            if mark:
                file, line = re.sub(r"\\(.)", r"\1", mark[2]), int(mark[1])
            else:
                self._lines.setdefault((file, line), []).append(offset)
                line += 1
            offset += len(content) + 1

    def offsets(self, file: str, line: int, column: int) -> list[int]:
        """Where the place is in the text: several times if its file is spliced in several times."""
        return [start + column - 1 for start in self._lines.get((file, line), [])]

    def definition(self, offset: int) -> tuple[int, int] | None:
        """Start and end of the definition whose name is at `offset`."""
        at = self._index.get(offset)
        if at is None:
            return None
        tokens = self._tokens
        first = at
        while first > 0 and not _ends_declaration(tokens, first - 1):
            first -= 1
        last = self._end(at)
        return (tokens[first].start, tokens[last].end) if last < len(tokens) else None

    def _end(self, at: int) -> int:
        """Index of the last token of the definition whose name is at index `at`."""
        tokens = self._tokens
        i = at
        has_parameters = False
        while i < len(tokens):
            text = tokens[i].text
            if text == ";":
                return i
            if text == "{":
                end = closing(tokens, i)
                is_class = not has_parameters and end + 1 < len(tokens) and tokens[end + 1].text == ";"
                return end + 1 if is_class else end
            if text == ":" and has_parameters:
                i = self._initializers_end(i)
                continue
            if text in ("(", "[[", "<"):
                has_parameters = has_parameters or text == "("
                i = min(closing(tokens, i), len(tokens) - 1) if closing(tokens, i) < len(tokens) else i
            i += 1
        return i

    def _initializers_end(self, colon: int) -> int:
        """Index of the `{` of the body behind a constructor's initializers."""
        tokens = self._tokens
        i = colon + 1
        while i < len(tokens):
            while i < len(tokens) and tokens[i].text not in ("(", "{"):
                i = closing(tokens, i) + 1 if tokens[i].text == "<" else i + 1
            i = closing(tokens, i) + 1 if i < len(tokens) else i
            if i >= len(tokens) or tokens[i].text != ",":
                break
            i += 1
        return i

    def _head(self, span: tuple[int, int]) -> list[str]:
        """The words of a definition before its body."""
        start = self._index[span[0]]
        words = []
        for token in self._tokens[start:]:
            if token.start >= span[1] or token.text in ("{", ";"):
                break
            words.append(token.text)
        return words

    def names_space(self, span: tuple[int, int]) -> bool:
        """Whether a definition's head names an address space at all."""
        return not _SPACES.isdisjoint(self._head(span))

    def differ_in_space(self, span: tuple[int, int], earlier: _Place) -> bool:
        """False if the definition at `earlier` is the same one, address spaces included: a real redefinition."""
        for offset in self.offsets(*earlier):
            other = self.definition(offset)
            if other and other != span and self._head(other) == self._head(span):
                return False
        return True


def _ends_declaration(tokens: list[Token], at: int) -> bool:
    """Whether token `at` is the last before a new declaration."""
    token = tokens[at]
    if token.kind == "directive" or token.text in (";", "{", "}"):
        return True
    return token.text == ":" and at > 0 and tokens[at - 1].text in ("public", "private", "protected")
