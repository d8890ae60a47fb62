"""Definitions that differ in nothing but an address space: one of each is enough once the spaces are erased.

Metal code defines ``f(device T*)`` and ``f(threadgroup T*)``, methods ``get() const device`` and ``get() const
thread``, traits for ``device T*`` and ``constant T*``. To C++ the second is a redefinition. clang says exactly where;
if the two definitions, bodies included, differ in address spaces alone, the later one is blanked (the text keeps its
length) and the program compiled again: the first stands for all. So it does where the later one is a method that
applies the first to a copy of the object. Functions and methods that do different things are the business of
`overloads`, specialisations of `specialisations`; others stay an error.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from .lexer import Token, closing, tokenize
from .source import blanked

__all__ = [
    "Definition",
    "Finder",
    "Scope",
    "Text",
    "are_twins",
    "drop_twins",
    "explain_twins",
    "lines_of",
    "place_of",
]

_SPACES = frozenset("device constant threadgroup thread threadgroup_imageblock ray_data object_data".split())
_REDEFINITION = re.compile(
    r"^(?P<file>[^\n]*?):(?P<line>\d+):(?P<column>\d+): error: (?:redefinition of |multiple overloads of "
    r"|(?:class member|constructor|conversion function) cannot be redeclared)",
)
_PREVIOUS = re.compile(
    r"^(?P<file>[^\n]*?):(?P<line>\d+):(?P<column>\d+): note: previous (?:definition|declaration) is here"
)
_EXPANDED = re.compile(r"^(?P<file>[^\n]*?):(?P<line>\d+):(?P<column>\d+): note: expanded from macro ")
_MACRO = re.compile(r"[ \t]*#[ \t]*define[ \t]+\w+(?:\([^)]*\))?")
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
    text = Text(original)
    spans: set[tuple[int, int]] = set()
    for later, earlier in places:
        for offset in text.offsets(*later):
            span = text.definition(offset)
            if span and text.are_twins(span, earlier):
                spans.add(span)
            elif span is None:
                spans |= text.twins_in_macro(offset, earlier)
    if not spans:
        spans = _in_macros(text, messages)
    for start, end in spans:
        rewritten = rewritten[:start] + blanked(rewritten[start:end]) + rewritten[end:]
    return rewritten if spans else None


def _in_macros(text: Text, messages: str) -> set[tuple[int, int]]:
    """Uses of macros that make the same definition twice."""
    from .macro_twins import repeated_uses  # few programs have such

    unexpanded = "\n".join(line for line in messages.splitlines() if not _EXPANDED.match(line))
    return {
        span
        for later, earlier in _complaints(unexpanded)
        for first, second in zip(text.offsets(*later), text.offsets(*earlier), strict=False)
        for span in repeated_uses(text, first, second)
    }


def explain_twins(original: str, messages: str) -> str:
    """What clang says, with redefinitions that differ in an address space, and in more, called by their name."""
    text = Text(original)
    lines = messages.splitlines()
    for later, earlier in _complaints(messages):
        spans = [span for offset in text.offsets(*later) if (span := text.definition(offset))]
        if any(text.differ_in_spaces(span, earlier) for span in spans):
            place = f"{later[0]}:{later[1]}:{later[2]}: error: "
            lines = [place + _UNLIKE_TWINS if line.startswith(place) else line for line in lines]
    return "\n".join(lines)


_UNLIKE_TWINS = (
    "overload for another address space that does something else: functions, methods and specialisations of one scope "
    "can be told apart, but neither friends and constructors for objects in a space, nor what is declared in several "
    "scopes"
)

_Place = tuple[str, int, int]  # file, line, column


def _complaints(messages: str) -> Iterator[tuple[_Place, _Place]]:
    """(the later definition, the earlier one) of each redefinition; in a macro where both come from one."""
    places: list[_Place] = []
    for line in messages.splitlines():
        expanded = _EXPANDED.match(line)
        match = expanded or _PREVIOUS.match(line) or _REDEFINITION.match(line)
        if match and (expanded or "note: previous" in line) and places:
            place = _place(match)
            places = [*places[:-1], place] if expanded else [*places, place]
            continue
        if ": error: " in line:
            if len(places) == 2:
                yield places[0], places[1]
            places = [_place(match)] if match else []
    if len(places) == 2:
        yield places[0], places[1]


def _place(match: re.Match[str]) -> _Place:
    return match["file"], int(match["line"]), int(match["column"])


def lines_of(text: str) -> dict[tuple[str, int], list[int]]:
    """Offsets of each (file, line) of a spliced program: several if its file is spliced in several times."""
    lines: dict[tuple[str, int], list[int]] = {}
    file, line, offset = "", 1, 0
    for content in text.split("\n"):
        mark = _LINE_MARK.match(content)
        if mark:
            file, line = re.sub(r"\\(.)", r"\1", mark[2]), int(mark[1])
        else:
            lines.setdefault((file, line), []).append(offset)
            line += 1
        offset += len(content) + 1
    return lines


def place_of(text: str, offset: int) -> tuple[str, int]:
    """(file, line) of an offset in a spliced program."""
    found = [place for place, starts in lines_of(text[: offset + 1]).items() for start in starts if start <= offset]
    return found[-1] if found else ("", 1)


class Text:
    """A spliced program with its tokens, to find definitions by file, line and column."""

    def __init__(self, text: str, lexed: list[Token] | None = None) -> None:
        self._text = text
        self.tokens = self._tokens = tokenize(text, lexed=lexed)

    @cached_property
    def directives(self) -> list[Token]:
        return [token for token in self.tokens if token[0] == "directive"]

    @cached_property
    def _index(self) -> dict[int, int]:
        return {token.start: i for i, token in enumerate(self._tokens)}

    @cached_property
    def _lines(self) -> dict[tuple[str, int], list[int]]:
        return lines_of(self._text)

    def offsets(self, file: str, line: int, column: int) -> list[int]:
        """Where the place is in the text: several times if its file is spliced in several times."""
        return [start + column - 1 for start in self._lines.get((file, line), [])]

    def token_at(self, offset: int) -> int:
        """Index of the token that an offset is in."""
        return bisect_right(self._tokens, offset, key=lambda token: token.start) - 1

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

    def twins_in_macro(self, offset: int, earlier: _Place) -> set[tuple[int, int]]:
        """Starts and ends of the twins of a definition at `earlier` in a macro that has one of them at `offset`."""
        at = self.token_at(offset)
        match = _MACRO.match(self._tokens[at].text) if at >= 0 and self._tokens[at].kind == "directive" else None
        if match is None:
            return set()
        start = self._tokens[at].start + match.end()
        macro = Text(self._tokens[at].text[match.end() :])
        first = next((span for o in self.offsets(*earlier) if (span := macro.definition(o - start))), None)
        name = next((token.text for token in macro.tokens if token.start == offset - start), None)
        spans = {macro.definition(token.start) for token in macro.tokens if token.text == name}
        return {
            (span[0] + start, span[1] + start)
            for span in spans
            if first and span and span > first and are_twins(macro.words(span), macro.words(first))
        }

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
                i = self.initializers_end(i)
                continue
            if text in ("(", "[[", "<"):
                has_parameters = has_parameters or text == "("
                i = min(closing(tokens, i), len(tokens) - 1) if closing(tokens, i) < len(tokens) else i
            i += 1
        return i

    def initializers_end(self, colon: int) -> int:
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

    def span(self, found: Definition) -> tuple[int, int]:
        """Start and end of a definition."""
        return self.tokens[found.first].start, self.tokens[found.end - 1].end

    def index(self, offset: int) -> int:
        """Index of the token that starts at `offset`."""
        return self._index[offset]

    def words(self, span: tuple[int, int]) -> list[str]:
        first = self._index[span[0]]
        last = bisect_left(self._tokens, span[1], first, key=lambda token: token.start)
        return [token.text for token in self._tokens[first:last]]

    def are_twins(self, span: tuple[int, int], earlier: _Place) -> bool:
        """Whether the definition at `span` and the one at `earlier` differ, and in nothing but address spaces."""
        for offset in self.offsets(*earlier):
            other = self.definition(offset)
            if other and other != span:
                return are_twins(self.words(span), self.words(other))
        return False

    def differ_in_spaces(self, span: tuple[int, int], earlier: _Place) -> bool:
        """Whether the definitions at `span` and at `earlier` declare the same but for address spaces."""
        head = _declared(self.words(span))
        others = [_declared(self.words(other)) for o in self.offsets(*earlier) if (other := self.definition(o))]
        return any(head != other and _erased(head) == _erased(other) for other in others)


def are_twins(words: list[str], others: list[str]) -> bool:
    """Whether two definitions differ, and in nothing but address spaces, or the first applies the second to a copy."""
    same = _erased(words) == _erased(others) or (
        _head(words) == _head(others) and _FORWARDS.search(" ".join(words)) is not None
    )
    return words != others and same


# A method for one address space that is the one for `thread` memory on a copy: `return Name(*this) + other;`
_FORWARDS = re.compile(
    r" operator ((?:\W )+)\( (?:\w+ (\w+) \)[\w ]* \{ return \w+ \( \* this \) \1\2 ; \}"
    r"|\)[\w ]* \{ return \1\w+ \( \* this \) ; \})$"
    r"| (\w+) \( (?:\w+ (\w+) \)[\w ]* \{ return \w+ \( \* this \) \. \3 \( \4 \) ; \}"
    r"|\)[\w ]* \{ return \w+ \( \* this \) \. \3 \( \) ; \})$"
)


def _head(words: list[str]) -> list[str]:
    return _erased(_declared(words))


def _declared(words: list[str]) -> list[str]:
    """What stands before the body."""
    return words[: words.index("{")] if "{" in words else words


def _erased(words: list[str]) -> list[str]:
    """Without address spaces, and without `const`, which goes with some of them only."""
    return [word for word in words if word not in _SPACES and word != "const"]


def _ends_declaration(tokens: list[Token], at: int) -> bool:
    """Whether token `at` is the last before a new declaration."""
    token = tokens[at]
    if token.kind == "directive" or token.text in (";", "{", "}"):
        return True
    return token.text == ":" and at > 0 and tokens[at - 1].text in ("public", "private", "protected")


# ---- twins that can be found without clang: each round of asking it costs as much as the program itself ----


@dataclass
class Scope:
    """What is open while the tokens are gone through: a file, a namespace, a class."""

    end: int  # index of the closing token
    is_class: bool = False
    name: str = ""  # of a class
    path: tuple[object, ...] = ()  # what is the same for all parts of a namespace
    # Functions by their heads as C++ will see them, with the conditionals around them.
    heads: dict[tuple[object, ...], tuple[int, int]] = field(default_factory=dict)


class Definition(NamedTuple):
    """A function or a class, or a function that is declared: `body` is the index of the ``{`` or ``;``."""

    first: int  # indices of tokens
    body: int
    end: int  # behind the last one
    scope: Scope
    branches: tuple[int, ...]  # of conditionals, by the indices of their directives


class Finder:
    """Definitions of a program outside functions, and those that C++ will see twice, by their heads alone."""

    def __init__(self, text: Text, rewritten: str) -> None:
        self._text, self._tokens, self._rewritten = text, text.tokens, rewritten
        self._scopes = [Scope(len(self._tokens))]
        self._branches: list[int] = []  # an open conditional's current branch: the index of its directive
        self._defined: dict[str, list[int]] = {}  # where a macro is defined or undefined

    def definitions(self) -> list[Definition]:
        """In the order of the text; of classes, their members follow."""
        return list(self._walk())

    def twins(self, definitions: Iterable[Definition]) -> list[tuple[int, int]]:
        """(start, end) of each later twin."""
        return [span for d in definitions if self._tokens[d.body].text == "{" and (span := self._later_twin(d))]

    def _walk(self) -> Iterator[Definition]:
        i = 0
        while i < len(self._tokens):
            while len(self._scopes) > 1 and i >= self._scopes[-1].end:
                self._scopes.pop()
            if self._tokens[i].kind == "directive":
                self._directive(i)
                i += 1
                continue
            head, i = self._declaration(i)
            if head is None or i > self._scopes[-1].end:
                continue
            yield Definition(*head, i, self._scopes[-1], tuple(self._branches))
            if self._is_class(head):
                name = self._class_name(head)
                path = (*self._scopes[-1].path, head[1])
                self._scopes.append(Scope(closing(self._tokens, head[1]), is_class=True, name=name, path=path))
                i = head[1] + 1

    def _directive(self, i: int) -> None:
        match = _DIRECTIVE.match(self._tokens[i].text)
        word = match["word"] if match else ""
        if word.startswith("if"):
            self._branches.append(i)
        elif word in ("else", "elif", "elifdef", "elifndef") and self._branches:
            self._branches[-1] = i
        elif word == "endif" and self._branches:
            self._branches.pop()
        elif match and word in ("define", "undef"):
            self._defined.setdefault(match["name"] or "", []).append(i)

    def _declaration(self, i: int) -> tuple[tuple[int, int] | None, int]:
        """(indices of the head's start and of what ends it, of a function or class; where the next one starts)."""
        tokens, start, has_parameters = self._tokens, i, False
        while i < len(tokens):
            text = tokens[i].text
            if tokens[i].kind == "directive":
                return None, max(i, start + 1) if i == start else i
            if text == ";" and has_parameters:
                return (start, i), i + 1
            if text == ";" or text == "}" or (text == ":" and tokens[i - 1].text in _ACCESS):
                return None, i + 1
            if text == "{":
                if has_parameters:
                    return (start, i), closing(tokens, i) + 1
                if any(t.text in _NAMESPACES for t in tokens[start:i]):
                    names = [t.text for t in tokens[start:i] if t.kind == "id" and t.text not in _UNNAMED]
                    self._scopes.append(Scope(closing(tokens, i), path=(*self._scopes[-1].path, *names)))
                    return None, i + 1
                end = closing(tokens, i) + 1
                if end < len(tokens) and tokens[end].text == ";" and self._is_class((start, i)):
                    return (start, i), end + 1
                return None, end
            if text == ":" and has_parameters:
                i = self._text.initializers_end(i)
                continue
            if text == "=" and not any(t.text == "operator" for t in tokens[max(i - 3, start) : i]):
                return None, self._statement_end(i)
            if text in ("(", "[[", "["):
                has_parameters = has_parameters or text == "("
                i = min(closing(tokens, i), len(tokens) - 1)
            elif text == "<" and tokens[i - 1].text == "template":
                i = min(closing(tokens, i), len(tokens) - 1)
            i += 1
        return None, i

    def _statement_end(self, i: int) -> int:
        while i < len(self._tokens) and self._tokens[i].text != ";":
            i = closing(self._tokens, i) + 1 if self._tokens[i].text in ("(", "{", "[", "[[") else i + 1
        return i + 1

    def _is_class(self, head: tuple[int, int]) -> bool:
        words = [t.text for t in self._tokens[head[0] : head[1]]]
        return "(" not in words and any(word in ("class", "struct", "union") for word in words)

    def _class_name(self, head: tuple[int, int]) -> str:
        texts = [t.text for t in self._tokens[head[0] : head[1]]]
        texts = texts[: texts.index(":")] if ":" in texts else texts  # what follows are its bases
        at = max((i for i, text in enumerate(texts) if text in ("class", "struct", "union")), default=-1)
        return next((text for text in texts[at + 1 :] if text.isidentifier() and text not in ("alignas", "final")), "")

    def _later_twin(self, found: Definition) -> tuple[int, int] | None:
        """Where the definition is, if it is a twin of an earlier one."""
        tokens = self._tokens[found.first : found.body]
        if any(t.text == "=" for t in tokens[-2:]):
            return None
        span = self._text.span(found)
        first = found.scope.heads.setdefault((*self.spelled(tokens), None, *found.branches), span)
        if first == span:
            return None
        words, others = self._text.words(span), self._text.words(first)
        is_twin = are_twins(words, others) and self.mean_the_same(words, self._text.index(first[0]), found.first)
        return span if is_twin else None

    def mean_the_same(self, words: Iterable[str], first: int, second: int) -> bool:
        """Whether no word is a macro that is defined anew between two tokens."""
        return all(not any(first <= at < second for at in self._defined.get(word, ())) for word in words)

    def spelled(self, tokens: list[Token]) -> Iterator[str]:
        """The tokens as C++ will see them."""
        last = ""
        for token in tokens:
            word = "const" if token.text == "constant" else token.text
            is_seen = token.text not in ("device", "thread", "threadgroup") and self._rewritten[token.start] != " "
            if is_seen and not (word == last == "const"):
                yield word
                last = word


_ACCESS = ("public", "private", "protected")
_NAMESPACES = ("namespace", "extern")
_UNNAMED = ("namespace", "extern", "inline")
_DIRECTIVE = re.compile(r"[ \t]*#[ \t]*(?P<word>\w*)(?:[ \t]+(?P<name>\w+))?")
