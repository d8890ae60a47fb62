"""In which address space a pointer is: told from where it comes, in the IR of the kernels.

Programs with overloads for different address spaces (see `overloads`) ask this by calls of ``__mp_space``. Nothing in
Metal leads from one space into another, so a pointer's space is that of the memory it was made from: an argument of the
kernel, a variable of a thread or of its threadgroup, a constant of the program. `contexts` follows pointers through
functions; here is what a program's errors and entry points have to do with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from .assembly import Assembly
from .choosers import OverloadSet
from .contexts import TooLarge, answered_by_context
from .reflection import KernelInfo
from .source import Misuse
from .twins import place_of

__all__ = ["asks_for_spaces", "resolve_spaces", "without_marks"]

_MOST_LINES = 1_000_000  # of IR of the functions that ask, with copies and some calls inlined
_ATTRIBUTES = re.compile(r"^(?:attributes #|define )[^\n]*$", re.MULTILINE)
_INLINING = re.compile(r" (?:alwaysinline|noinline|optnone)\b")
_POINTER = r"([%@][\w.$-]+|[%@]\"[^\"\n]+\"|null|undef|poison)"
_QUESTION = re.compile(r"@__mp_space\(i32[^\n,]* (\d+), i32[^\n,]* (\d+), ptr ")
_PLACED = re.compile(rf"^  (%\S+) = [^\n@]*@__mp_in\(i32[^\n,]* (\d+), ptr [^\n]*?{_POINTER}\)[^\n]*$", re.MULTILINE)


def asks_for_spaces(assembly: Assembly, numbers: Iterable[int]) -> bool:
    """Whether one of the kernels with these numbers does."""
    return "__mp_space" in assembly.reachable([f"__mp_thread_{k}" for k in numbers])


def without_marks(ir: str) -> str:
    """The IR without what the entry points say of their arguments' spaces."""
    return _PLACED.sub(r"  \1 = getelementptr i8, ptr \3, i64 0", ir)


def resolve_spaces(ir: str, kernels: Mapping[int, KernelInfo], sets: Sequence[OverloadSet], program: str) -> str:
    """The IR with every question answered.

    Parameters
    ----------
    ir : str
        What the kernels reach, without debug information, adapted: it is simplified here.
    kernels : mapping of int to KernelInfo
        Those that it has, by number.
    sets : sequence of OverloadSet
        What the questions are about, by number.
    program : str
        The user's spliced program, for the places of errors.

    Raises
    ------
    Misuse
        A space cannot be told, or no overload is for it.
    """
    entries = {f"__mp_thread_{k}": info for k, info in kernels.items()}
    text = _ATTRIBUTES.sub(lambda line: _INLINING.sub("", line[0]), ir)
    from .lowering import inlined  # LLVM is needed for such programs alone

    try:
        text, left = answered_by_context(text, entries, sets, inlined, _MOST_LINES)
    except TooLarge as error:
        raise _too_large(error.args[0], len(entries), sets, program) from None
    if left is not None:
        raise _misuse(left.number, left.argument, entries[left.entry], sets, program)
    _refuse_open_questions(Assembly(text), entries, sets, program)
    # Lowering adapts what it gets, too, and gives values these names.
    return without_marks(text).replace("%mp.shift.", "%mp.shifted.")


def _refuse_open_questions(
    assembly: Assembly, entries: Mapping[str, KernelInfo], sets: Sequence[OverloadSet], program: str
) -> None:
    """Refuse kernels that reach functions which ask and which nobody calls by name."""
    if not assembly.has("__mp_space"):
        return
    for entry, info in entries.items():
        for name in assembly.reachable([entry]):
            question = _QUESTION.search(assembly.definition(name)) if assembly.is_function(name) else None
            if question:
                raise _misuse(int(question[1]), int(question[2]), info, sets, program)


def _too_large(lines: int, count: int, sets: Sequence[OverloadSet], program: str) -> Misuse:
    message = (
        f"'{sets[0].name}' has overloads for different address spaces; to find out which ones are meant, functions of "
        f"the {count} kernels here become {lines} lines of IR, more than {_MOST_LINES}. Give the overloads names of "
        "their own, or compile fewer kernels at a time"
    )
    return Misuse(message, *place_of(program, sets[0].offset), sets[0].name)


def _misuse(number: int, argument: int | None, info: KernelInfo, sets: Sequence[OverloadSet], program: str) -> Misuse:
    """The error for a question that is open; for an answer that no overload is for if it is about no argument."""
    overloads = sets[number]
    if argument is not None:
        message = (
            f"which overload of '{overloads.name}' kernel '{info.name}' calls depends on the address space of its "
            f"{overloads.arguments[argument]}, which cannot be told here: the software device sees where a "
            "pointer comes from, and not through one that lies in a buffer"
        )
    elif overloads.expected:
        message = (
            f"kernel '{info.name}' calls this overload of '{overloads.name}' with an argument in another address "
            "space: overloads for different spaces are told apart only within one scope, under the same conditions"
        )
    else:
        message = f"kernel '{info.name}' calls '{overloads.name}' with an address space that no overload is for"
    return Misuse(message, *place_of(program, overloads.offset), overloads.name)
