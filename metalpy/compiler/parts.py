"""A large program is compiled in parts, side by side: each clang gets all of the text and some of the kernels.

What clang does for a program of hundreds of kernels, it does nearly all for each of them (instantiating templates,
emitting code), so this costs little more than one clang that does everything. Kernel number ``k`` of `n` parts is in
part ``k % n``: kernels that stand side by side are alike, and no part gets all the large ones.

A part's entry points instantiate its kernels. What the program itself instantiates with ``template [[host_name("f")]]
kernel void f<...>(...);`` would be done by every part, and is blanked.
"""

from __future__ import annotations

import os
import re

from .lexer import Token, in_directive, lex, places
from .source import blanked

__all__ = ["part_count", "without_instantiations"]

KERNELS_PER_PART = 100  # at least; they take clang some 0.3 s
MAX_PARTS = 8  # a part takes up to 300 MB
_STATEMENT = re.compile(r'template\b(?!\s*<)(?:"(?:\\.|[^"\\\n])*"|[^;{}"])*;?', re.DOTALL)
_NOT_BEFORE = frozenset(":.>")  # `T::template f` is none
_KERNEL = re.compile(r"\bkernel\b")
_LOGICAL_LINE = re.compile(r"(?:\\\n|[^\n])*")


def part_count(kernels: int) -> int:
    """How many parts are worth while for a program with so many kernels, here."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, MAX_PARTS, kernels // KERNELS_PER_PART))


def without_instantiations(original: str, rewritten: str, lexed: list[Token] | None = None) -> str:
    """The rewritten program without the explicit instantiations of kernels in the original, in macros or not.

    `lexed` is what `lexer.lex` makes of the original, if that is known.
    """
    pieces: list[str] = []
    done = read = 0
    tokens = lex(original) if lexed is None else lexed
    for start in [tokens[i].start for i in places(tokens, ("template",))]:
        if start < read:
            continue
        found = _STATEMENT.match(original, start)
        if found is None or original[start - 1 : start] in _NOT_BEFORE or original.endswith("extern ", 0, start):
            continue
        statement, read = found[0], found.end()
        is_macro = in_directive(original, start)
        if is_macro:  # no further than its body
            statement = _LOGICAL_LINE.match(statement)[0]  # type: ignore[index]
        if _KERNEL.search(statement) is None or ("#" in statement and not is_macro):
            continue
        stop = start + len(statement)
        pieces += (rewritten[done:start], blanked(rewritten[start:stop]))
        done = stop
    return "".join((*pieces, rewritten[done:]))
