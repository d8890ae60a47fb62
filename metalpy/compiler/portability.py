"""What compiles here and Metal's own compiler refuses: told as warnings, for programs that are to run there, too."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter

from ..errors import Diagnostic
from .declarations import ADDRESS_SPACES, number_kind, parameter_name
from .lexer import Token
from .twins import place_of

__all__ = ["doubt_of_kernel", "doubt_of_variable", "doubts_of_bodies"]

# Inputs that have one type for all of them, but for the width of their numbers.
_POSITIONS = frozenset(
    "thread_position_in_grid thread_position_in_threadgroup threadgroup_position_in_grid threads_per_grid "
    "threadgroups_per_grid threads_per_threadgroup dispatch_threads_per_threadgroup grid_origin grid_size".split()
)
_POSITION_TYPE = re.compile(r"u(?:int|short)([23]?)")
_LIMIT = "max_total_threads_per_threadgroup"

# Patterns that begin with what is rare, and what stands before that: an `re` that begins with a choice is slow.
_TYPES = r"\b(?:u?(?:char|short|int|long)|float|bool|size_t|auto|unsigned|u?int(?:8|16|32|64)_t)"
_HALF = re.compile(r"half[ \t]*[=;,)\[]"), re.compile(rf"{_TYPES}[ \t]+\Z")
_LAMBDA = re.compile(r"\[[ \t]*(?:[&=]|\w[\w, \t&]*)?\][ \t]*\("), re.compile(r"(?:[=(,]|\breturn)[ \t]*\Z")
_BEFORE = 40  # characters
FIRST_WITH_LAMBDAS = 400  # as __METAL_VERSION__ has it


def doubt_of_kernel(declaration: list[Token], inputs: Iterable[tuple[str, str, str]]) -> str | None:
    """What Metal would say of a kernel's head, with role, type and name of its parameters; None if nothing."""
    if _has_limit_behind(declaration):
        return f"Metal refuses [[{_LIMIT}(n)]] here: it stands in front of the kernel"
    first: tuple[str, str] | None = None
    for role, type_name, name in inputs:
        match = _POSITION_TYPE.fullmatch(type_name) if role in _POSITIONS else None
        if match and first and match[1] != first[0]:
            return (
                f"Metal refuses '{first[1]}' beside '{type_name} {name}': positions and sizes are all scalars, or all "
                "vectors of one length"
            )
        if match:
            first = match[1], f"{type_name} {name}"
    return None


def _has_limit_behind(declaration: list[Token]) -> bool:
    """Whether the limit of threads stands behind ``kernel`` or ``void``, where it would belong to a type."""
    inside, is_behind = False, False
    for i, token in enumerate(declaration):
        if token.text in ("[[", "]]"):
            inside = token.text == "[["
        elif inside and is_behind and token.text == _LIMIT:
            return declaration[i - 2].text in ("kernel", "void", ")", "]]")
        elif not inside:
            is_behind = is_behind or token.text in ("kernel", "void")
    return False


def doubt_of_variable(declaration: list[Token]) -> str | None:
    """What Metal would say of a constant outside functions; None if nothing."""
    texts = [t.text for t in declaration]
    end = next((i for i, text in enumerate(texts) if text in ("=", "(", "[[")), len(texts))
    head = texts[:end]
    words = [word for word in head if word not in ("static", "inline", "constexpr", "const")]
    if len(words) in (0, 1, len(head)) or "operator" in words or number_kind(words[:1]) is None:
        return None
    if ADDRESS_SPACES & set(words) or texts[end : end + 1] in (["("], ["[["]):
        return None
    name = parameter_name(declaration[:end])
    return f"Metal refuses '{name}' outside functions without an address space: declare it constant"


def doubts_of_bodies(text: str, lexed: Sequence[Token], metal_version: int) -> Iterator[Diagnostic]:
    """Warnings about what functions hold.

    Parameters
    ----------
    text : str
        The spliced program.
    lexed : sequence of Token
        What `lexer.lex` makes of it.
    metal_version : int
        As ``__METAL_VERSION__`` has it.
    """
    yield from _warnings(_HALF, "Metal refuses a variable of this name, which is a type's: half", text, lexed)
    if metal_version < FIRST_WITH_LAMBDAS:
        yield from _warnings(_LAMBDA, "Metal has no lambda expressions before version 4.0", text, lexed)


def _warnings(
    pattern: tuple[re.Pattern[str], re.Pattern[str]], message: str, text: str, lexed: Sequence[Token]
) -> Iterator[Diagnostic]:
    for match in pattern[0].finditer(text):
        offset = match.start()
        if pattern[1].search(text, max(offset - _BEFORE, 0), offset) is None:
            continue
        i = bisect_left(lexed, offset, key=itemgetter(2))
        if i < len(lexed) and lexed[i].start == offset:  # and not in a comment, say
            file, line = place_of(text, offset)
            yield Diagnostic("warning", message, file, line, offset - text.rfind("\n", 0, offset))
