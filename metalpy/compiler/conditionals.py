"""Expressions that are well defined in Metal and not in C++: clang says where they are, and they are mended there.

``c ? x : y`` with a bfloat and a number is ambiguous, as bfloat is a class here (see ``__mp/bfloat.h``) that converts
to the other operand's type as well as from it. Both operands are wrapped into ``__mp::arm(...)``, which makes a bfloat
a float and leaves the rest alone.

``3u << 100u`` goes by the low bits of the amount. Where the amount is a constant clang folds it to anything before the
IR can be adapted, or refuses it in a constant expression; it becomes ``3u << __mp::by + 100u`` (see ``__mp/scalar.h``).

The program is compiled again then. Insertions are kept beside the text, whose length the other passes rely on, and
columns in clang's messages are moved back.
"""

from __future__ import annotations

import re

from .lexer import Token, closing, in_directive, tokenize
from .twins import lines_of

__all__ = ["Arms"]

_OPEN, _CLOSE = "__mp::arm(", ")"
_AMBIGUOUS = re.compile(r"^([^\n]*?):(\d+):(\d+): error: conditional expression is ambiguous")
_IN_MACRO = re.compile(r"^([^\n]*?):(\d+):(\d+): note: expanded from macro")
_SHIFT = re.compile(
    r"^([^\n]*?):(\d+):(\d+): (?:warning: shift count (?:is negative|>= width of type)"
    r"|note: (?:shift count \d+ >= width of type|negative shift count))"
)
_SHIFT_OPERATOR = re.compile(r"(?:<<|>>)(=)?")
_AMOUNT, _ASSIGNED_AMOUNT = " __mp::by + ", " __mp::by |= "  # each binds as the operator in front of it needs
_PLACE = re.compile(r"^([^\n]*?):(\d+):(\d+): ", re.MULTILINE)


class Arms:
    """What was inserted into a program so far.

    Parameters
    ----------
    inserted : dict of int to str, optional
        What others insert, by offset in the program.
    """

    def __init__(self, inserted: dict[int, str] | None = None) -> None:
        self._inserted = dict(inserted or {})  # by offset in the program
        self._settled: set[int] = set()  # offsets of question marks and shifts

    def insert(self, program: str) -> str:
        """The program with the insertions."""
        pieces: list[str] = []
        done = 0
        for offset in sorted(self._inserted):
            pieces += (program[done:offset], self._inserted[offset])
            done = offset
        return "".join((*pieces, program[done:]))

    def restore(self, program: str, messages: str) -> str:
        """What clang said, with columns as if nothing had been inserted."""
        if not self._inserted:
            return messages
        lines = lines_of(program)

        def moved(match: re.Match[str]) -> str:
            file, line, column = match[1], int(match[2]), int(match[3])
            starts = lines.get((file, line), [])
            at = starts[0] + column - 1 if starts else 0
            for offset in sorted(self._inserted):
                if starts and starts[0] <= offset < at:
                    at -= min(len(self._inserted[offset]), at - offset)
            return f"{file}:{line}:{at - starts[0] + 1}: " if starts else match[0]

        return _PLACE.sub(moved, messages)

    def settle(self, program: str, messages: str) -> bool:
        """Mend each expression that the (restored) messages complain about; whether there was one."""
        shifts = self._settle_shifts(program, messages)
        return self._settle_conditionals(program, messages) or shifts

    def _settle_shifts(self, program: str, messages: str) -> bool:
        places = _complaints(_SHIFT, messages)
        lines = lines_of(program) if places else {}
        found = False
        for file, line, column in places:
            for start in lines.get((file, line), []):
                operator = _SHIFT_OPERATOR.match(program, start + column - 1)
                if operator is None or operator.start() in self._settled:
                    continue
                self._settled.add(operator.start())
                amount = _ASSIGNED_AMOUNT if operator[1] else _AMOUNT
                self._inserted[operator.end()] = amount + self._inserted.get(operator.end(), "")
                found = True
        return found

    def _settle_conditionals(self, program: str, messages: str) -> bool:
        places = _complaints(_AMBIGUOUS, messages)
        if not places:
            return False
        tokens = tokenize(program, directives=False)
        index = {token.start: i for i, token in enumerate(tokens) if token.text == "?"}
        lines = lines_of(program)
        found = False
        for file, line, column in places:
            for start in lines.get((file, line), []):
                at = index.get(start + column - 1)
                if at is None or tokens[at].start in self._settled:
                    continue
                self._settled.add(tokens[at].start)
                found = self._wrap(program, tokens, at) or found
        return found

    def _wrap(self, program: str, tokens: list[Token], at: int) -> bool:
        colon = _operand_end(program, tokens, at + 1)
        if colon >= len(tokens) or tokens[colon].text != ":":
            return False
        end = _operand_end(program, tokens, colon + 1)
        if colon == at + 1 or end == colon + 1:
            return False
        for first, behind in ((at + 1, colon), (colon + 1, end)):
            for offset, text in ((tokens[first].start, _OPEN), (tokens[behind - 1].end, _CLOSE)):
                self._inserted[offset] = self._inserted.get(offset, "") + text
        return True


def _complaints(complained: re.Pattern[str], messages: str) -> list[tuple[str, int, int]]:
    """Where the expressions may be: for one in a macro, where it is used and where each macro has it."""
    places = []
    complaint = False
    for line in messages.splitlines():
        if not _PLACE.match(line):  # a line of source, a caret
            continue
        match = complained.match(line) or (_IN_MACRO.match(line) if complaint else None)
        complaint = match is not None
        if match:
            places.append((match[1], int(match[2]), int(match[3])))
    return places


def _operand_end(program: str, tokens: list[Token], at: int) -> int:
    """Index of the token behind the operand of a conditional that begins at index `at`."""
    questions = 0
    is_macro = in_directive(program, tokens[at].start) if at < len(tokens) else False
    while at < len(tokens):
        token = tokens[at]
        if is_macro and not in_directive(program, token.start):
            return at
        if token.kind == "punct":
            if token.text in (",", ";", ")", "]", "}", "]]") or (token.text == ":" and not questions):
                return at
            questions += (token.text == "?") - (token.text == ":")
            if token.text in ("(", "[", "{") or (token.text == "<" and _opens_arguments(tokens, at)):
                at = closing(tokens, at)
        at += 1
    return at


def _opens_arguments(tokens: list[Token], at: int) -> bool:
    """Whether the ``<`` at `at` opens the template arguments of a function or type that is called."""
    end = closing(tokens, at)
    return tokens[at - 1].kind == "id" and end + 1 < len(tokens) and tokens[end + 1].text in ("(", "{", "::")
