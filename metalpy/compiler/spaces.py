"""In which address space a pointer is: told from where it comes, in the IR of each kernel.

Programs with overloads for different address spaces (see `overloads`) ask this by calls of ``__mp_space``. Nothing in
Metal leads from one space into another, so a pointer's space is that of the memory it was made from: an argument of the
kernel, a variable of a thread or of its threadgroup, a constant of the program. Once all is inlined but the overloads,
that can be seen, one overload is left at each place, and it is inlined in turn. Programs that are too large for that
are the business of `contexts`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from .assembly import Assembly
from .contexts import TooLarge, answered_by_context
from .overloads import MARK, SPACES, OverloadSet
from .reflection import KernelInfo
from .source import Misuse
from .spmd.ir import Unsupported
from .spmd.size import lines_when_inlined
from .twins import place_of

__all__ = ["asks_for_spaces", "resolve_spaces", "without_marks"]

# Lines of IR, all kernels together, when all calls are inlined: up to which that is the first choice, and the last
# one. Half a million took LLVM 37 s of processor time.
_FEW_LINES, _MOST_LINES = 20_000, 1_000_000
_MOST_COPIED = 2_000_000  # lines of functions, copied and with some calls inlined
_ATTRIBUTES = re.compile(r"^(?:attributes #|define )[^\n]*$", re.MULTILINE)
_INLINING = re.compile(r" (?:alwaysinline|noinline|optnone)\b")
_KEPT = re.compile(rf"{MARK}\d+_\d+_(?!.*\.opened)|^__mp_(?:thread_\d+|group)$")
_POINTER = r"([%@][\w.$-]+|[%@]\"[^\"\n]+\"|null|undef|poison)"
_QUESTION = re.compile(
    r"^  (%\S+) = [^\n@]*@__mp_space\(i32[^\n,]* (\d+), i32[^\n,]* (\d+), ptr ([^\n]*)\)[^)\n]*$", re.MULTILINE
)
_GLOBAL_PART = re.compile(r"getelementptr [^\n]*?ptr (@[^\s,)]+)[^\n]*\)$")  # an address in a variable of the program

_PLACED = re.compile(rf"^  (%\S+) = [^\n@]*@__mp_in\(i32[^\n,]* (\d+), ptr [^\n]*?{_POINTER}\)[^\n]*$", re.MULTILINE)
_NO_OVERLOAD = re.compile(r"call [^\n@]*@__mp_no_overload\(i32[^\n]* (\d+)\)")
_CALL = re.compile(rf"(call [^\n@]*@)([\w.$]*{MARK}\d+_\d+_[\w.$]*)(?=\()")
_OVERLOAD = re.compile(rf"^define [^\n@]*@([\w.$]*{MARK}[\w.$]*)\(", re.MULTILINE)
_DEFINED = re.compile(r"^  (%\S+) = (.*)$", re.MULTILINE)
_STORED = re.compile(rf"^  store ptr {_POINTER}, ptr {_POINTER}", re.MULTILINE)


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
    lines = lines_when_inlined(ir, entries)
    text = _resolved(text, entries, sets, program, lines)
    # Lowering adapts what it gets, too, and gives values these names.
    return without_marks(text).replace("%mp.shift.", "%mp.shifted.")


def _resolved(
    text: str, entries: Mapping[str, KernelInfo], sets: Sequence[OverloadSet], program: str, lines: int
) -> str:
    """The module with every question answered, of so many lines when all calls are inlined."""
    from .lowering import inlined  # LLVM is needed for such programs alone

    if lines <= _FEW_LINES:
        return _answered_inlined(text, entries, sets, program)
    try:
        told, left = answered_by_context(text, entries, sets, inlined, _MOST_COPIED)
    except (TooLarge, Unsupported):
        told, left = "", None
    if told and left is None:
        return told
    if lines <= _MOST_LINES:
        return _answered_inlined(text, entries, sets, program)
    if left is None:
        raise _too_large(lines, len(entries), sets, program)
    raise _misuse(left.number, left.argument, entries[left.entry], sets, program)


def _answered_inlined(
    text: str, entries: Mapping[str, KernelInfo], sets: Sequence[OverloadSet], program: str
) -> str:
    """The module with all but the overloads inlined into each kernel, and each question answered there."""
    text = _inlined(text)
    # Overloads may call overloads of their set, but none leads to itself.
    depth = len(set(_OVERLOAD.findall(text)))
    for number in range(depth + 1):
        text = _inlined(_answered(text, entries))
        opened = _opened(text, entries, number)
        if opened == text:
            break
        text = _inlined(opened)
    else:
        _refuse_recursion(Assembly(text), entries, sets, program)
    assembly = Assembly(text := _trusted(text, sets))
    for name, info in entries.items():
        _refuse_open_questions(assembly.definition(name), info, sets, program)
    return text


def _inlined(text: str) -> str:
    from .lowering import inlined

    return inlined(text, lambda name: not _KEPT.search(name))


def _too_large(lines: int, count: int, sets: Sequence[OverloadSet], program: str) -> Misuse:
    message = (
        f"'{sets[0].name}' has overloads for different address spaces; which ones are meant is found out with calls "
        f"inlined, and that makes up to {lines} lines of IR of the {count} kernels here, more than {_MOST_LINES}. Give "
        "the overloads names of their own, or compile fewer kernels at a time"
    )
    return Misuse(message, *place_of(program, sets[0].offset), sets[0].name)


def _answered(text: str, entries: Iterable[str]) -> str:
    """The module with the numbers of spaces in place of the questions that can be answered."""
    assembly = Assembly(text)
    thread_local = {name for name in assembly.reachable(entries) if _is_thread_local(assembly, name)}
    for name in entries:
        body = assembly.definition(name)
        if "@__mp_space(" in body:
            origins = _Origins(body, thread_local)

            def answer(match: re.Match[str], origins: _Origins = origins) -> str:
                part = _GLOBAL_PART.search(match[4])
                spaces = origins.of(part[1] if part else match[4].split()[-1])
                return f"  {match[1]} = add i32 0, {SPACES[spaces.pop()]}" if len(spaces) == 1 else match[0]

            text = text.replace(body, _QUESTION.sub(answer, body), 1)
    return text


def _trusted(text: str, sets: Sequence[OverloadSet]) -> str:
    """The module with the answers that are wanted to questions of `guards` about pointers that were loaded.

    Buffers hold no others than such into device and constant memory.
    """

    def answer(match: re.Match[str]) -> str:
        expected = sets[int(match[2])].expected
        space = expected[int(match[3])] if expected else 0
        is_possible = space in (SPACES["device"], SPACES["constant"])
        return f"  {match[1]} = add i32 0, {space}" if is_possible else match[0]

    trusted = _QUESTION.sub(answer, text)
    return text if trusted == text else _inlined(trusted)


def _is_thread_local(assembly: Assembly, name: str) -> bool:
    return not assembly.is_function(name) and " thread_local" in assembly.definition(name)


def _opened(text: str, entries: Iterable[str], number: int) -> str:
    """The module with copies of the overloads that kernels call, in their place, to be inlined."""
    assembly = Assembly(text)
    suffix = f".opened{number}"
    copies: dict[str, str] = {}
    for name in entries:
        body = assembly.definition(name)
        if "@__mp_space(" in body:
            continue  # not all that is called here is meant
        for callee in {match[2] for match in _CALL.finditer(body)}:
            copy = assembly.definition(callee).replace(f"@{callee}(", f"@{callee}{suffix}(", 1)
            copies[callee] = (
                re.sub(r" comdat(?:\([^)]*\))?| !dbg !\d+", "", copy.split("\n", 1)[0]) + "\n" + copy.split("\n", 1)[1]
            )
        text = text.replace(body, _CALL.sub(rf"\g<1>\g<2>{suffix}", body), 1)
    end = text.find("\nattributes #")
    return text[:end] + "".join(f"\n{copy}\n" for copy in copies.values()) + text[end:] if copies else text


class _Origins:
    """The address spaces of the pointers in a function into which all is inlined."""

    def __init__(self, body: str, thread_local: set[str]) -> None:
        self._thread_local = thread_local
        self._defined = dict(_DEFINED.findall(body))
        self._stored: dict[str, list[str]] = {}
        for value, target in _STORED.findall(body):
            self._stored.setdefault(self._root(target), []).append(value)

    def of(self, pointer: str, seen: frozenset[str] = frozenset()) -> set[str]:
        """Names of spaces: one, or none if nothing is known."""
        if pointer.startswith("@"):
            return {"threadgroup" if pointer[1:].strip('"') in self._thread_local else "constant"}
        if pointer in seen or pointer not in self._defined:
            return set()
        text = self._defined[pointer]
        seen |= {pointer}
        if text.startswith("alloca "):
            return {"thread"}
        if "@__mp_in(" in text:
            number = int(re.findall(r"@__mp_in\(i32[^\n,]* (\d+)", text)[0])
            return {name for name, value in SPACES.items() if value == number}
        if "@llvm.threadlocal.address" in text:
            return {"threadgroup"}
        if text.startswith("load ptr, ptr "):
            root = self._root(re.findall(_POINTER, text)[0])
            if not self._defined.get(root, "").startswith("alloca "):
                return set()
            return self._all(self._stored.get(root, []), seen)
        return self._all(_sources(text), seen)

    def _all(self, pointers: Sequence[str], seen: frozenset[str]) -> set[str]:
        """The spaces of what may be any of several; none if one that is no null is not known."""
        found: set[str] = set()
        for pointer in pointers:
            if pointer in ("null", "undef", "poison") or pointer in seen:
                continue
            spaces = self.of(pointer, seen)
            if not spaces:
                return set()
            found |= spaces
        return found

    def _root(self, pointer: str) -> str:
        """The variable that an address is in."""
        while self._defined.get(pointer, "").startswith("getelementptr "):
            pointer = _sources(self._defined[pointer])[0]
        return pointer


def _sources(text: str) -> list[str]:
    """The pointers that an instruction makes its pointer from."""
    if text.startswith("getelementptr "):
        found = re.search(rf"ptr {_POINTER}", text)
        return [found[1]] if found else []
    if text.startswith("phi ptr "):
        return re.findall(rf"\[ {_POINTER}, ", text)
    if text.startswith("select "):
        return re.findall(rf"ptr {_POINTER}", text)
    if text.startswith("freeze ptr "):
        return re.findall(_POINTER, text)
    return []


def _refuse_recursion(
    assembly: Assembly, entries: Mapping[str, KernelInfo], sets: Sequence[OverloadSet], program: str
) -> None:
    for name, info in entries.items():
        call = _CALL.search(assembly.definition(name))
        if call:
            overloads = sets[int(re.findall(rf"{MARK}(\d+)_", call[2])[0])]
            message = f"function '{overloads.name}' of kernel '{info.name}' calls itself; Metal has no recursion"
            raise Misuse(message, *place_of(program, overloads.offset), overloads.name)


def _refuse_open_questions(body: str, info: KernelInfo, sets: Sequence[OverloadSet], program: str) -> None:
    question, missing = _QUESTION.search(body), _NO_OVERLOAD.search(body)
    if question:
        raise _misuse(int(question[2]), int(question[3]), info, sets, program)
    if missing:
        raise _misuse(int(missing[1]), None, info, sets, program)


def _misuse(
    number: int, argument: int | None, info: KernelInfo, sets: Sequence[OverloadSet], program: str
) -> Misuse:
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
