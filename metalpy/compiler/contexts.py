"""Overloads for different address spaces told apart function by function.

A function is copied for each combination of spaces that its arguments come in: ``f(const T* p)`` that is called with a
pointer into device memory and with the address of a variable becomes two functions, and in each of them what is asked
about ``p`` has an answer. Inlined is only what hides where a pointer comes from: functions that return one, and those
that read one from an object of their caller's. (With all calls inlined into each kernel, every pointer could be
followed; Cycles has 63 million lines then.)
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from .assembly import Assembly
from .choosers import OverloadSet
from .overload_heads import SPACES
from .pointer_flow import Origin, PointerFlow, reachable_blocks
from .spmd.ir import Function, Instruction, parse_function, without_metadata

__all__ = ["Open", "TooLarge", "answered_by_context"]

_MOST_ROUNDS = 40  # of inlining: each shows pointers that hide one call deeper
_HELPERS = re.compile(r"4__mp(?:6chosen|5asked|6placed|8space_of)")  # of ours: what they hide is known before looking
_SPACE = "__mp_space"
_LINKAGE = re.compile(r"^define (?:(?:linkonce_odr|weak_odr|internal|private|hidden|dso_local) )*")
_OF_ONE = re.compile(r" comdat(?:\([^)\n]*\))?| !dbg !\d+")  # groups and descriptions, which a copy has none of

_CALLEE = re.compile(r'@("[^"\n]+"|[\w.$-]+)\(')
_MENTION = re.compile(r'@("[^"\n]+"(?!\()|[\w.$-]+(?![\w.$(-]))')
_BY_POINTER = re.compile(r" call [^\n@]*%[\w.$-]+\(")
_IN_BUFFERS = (SPACES["device"], SPACES["constant"])

Context = tuple[str, tuple[str, ...]]  # a function, and the spaces of the parameters that matter


class Open(NamedTuple):
    """A question that has no answer, or an answer that no overload is for (`argument` is None then)."""

    number: int  # of the set
    argument: int | None
    function: str  # that asks
    entry: str  # that leads there


class TooLarge(Exception):
    """The first argument says how many lines of IR it would be."""


def answered_by_context(
    text: str,
    entries: Iterable[str],
    sets: Sequence[OverloadSet],
    inline: Callable[[str, Callable[[str], bool]], str],
    most_lines: int,
) -> tuple[str, Open | None]:
    """The module with copies of functions in which each question is answered, and the first that cannot be.

    Parameters
    ----------
    text : str
        The module's IR.
    entries : iterable of str
        The entry points of the kernels.
    sets : sequence of OverloadSet
    inline : callable
        Makes IR in which functions of some names are inlined and variables are in registers.
    most_lines : int
        What may become of the functions that have to do with it.

    Raises
    ------
    TooLarge
        Of what `most_lines` is about.
    """
    entries = list(entries)
    inlined: set[str] = set()
    left: Open | None = None

    def is_inlined(name: str) -> bool:
        return name in inlined or _HELPERS.search(name) is not None

    for _ in range(_MOST_ROUNDS):
        text = inline(text, is_inlined)
        analysis = _Analysis(text, entries)
        new = analysis.hiding() - inlined
        if not new:
            made, left = _Copies(analysis, sets).make(entries, most_lines)
            if left is None:
                return inline(made, lambda name: False), None
            new = {left.function} - inlined - {*entries}  # its callers may know more
        inlined |= new
        lines = analysis.lines_with(inlined) if new else 0
        if lines > most_lines and left is None:
            raise TooLarge(lines)
        if not new or lines > most_lines:
            break
    return text, left


class _Analysis:
    """The functions that ask for spaces or call such, and which of their parameters matter for that."""

    def __init__(self, text: str, entries: Iterable[str]) -> None:
        self.text = text
        self.assembly = assembly = Assembly(text)
        self._entries = frozenset(entries)
        reached = [n for n in assembly.reachable(entries) if assembly.is_function(n)]
        bodies = [n for n in reached if not assembly.is_declaration(n)]
        callers: dict[str, set[str]] = defaultdict(set)
        for name in bodies:
            for callee in assembly.uses(name):
                callers[callee].add(name)
        asking: set[str] = set()
        waiting = list(callers[_SPACE] | callers["__mp_no_overload"])
        while waiting:
            name = waiting.pop()
            if name not in asking:
                asking.add(name)
                waiting += callers[name]
        self.functions: dict[str, Function] = {}
        self.flows: dict[str, PointerFlow] = {}
        for name in bodies:  # in the order of the text
            if name in asking:
                self._parse(name)
        self.needed: dict[str, dict[str, int]] = defaultdict(dict)  # parameters by name, with their numbers
        self._hiding = self._behind_pointers(bodies, asking)
        todo = dict.fromkeys(self.functions)
        while todo:
            name, _ = todo.popitem()
            if self._look_through(name):
                todo |= dict.fromkeys(callers[name] & self.functions.keys())

    def _behind_pointers(self, bodies: list[str], asking: set[str]) -> set[str]:
        """Functions in which others are called by pointers, or are not only called, if some of these ask."""
        assembly = self.assembly
        candidates = [n for n in bodies if not asking.isdisjoint(assembly.uses(n))]
        naming = {n for n in candidates if not asking.isdisjoint(_named(assembly.definition(n)))}
        if not naming:
            return set()
        return naming | {name for name in bodies if _BY_POINTER.search(assembly.definition(name))}

    def _parse(self, name: str) -> None:
        self.functions[name] = parse_function(self.assembly.definition(name), strict=False)
        self.flows[name] = PointerFlow(self.functions[name], self._space_of_global)

    def _space_of_global(self, name: str) -> str:
        is_known = self.assembly.has(name) and not self.assembly.is_function(name)
        return "threadgroup" if is_known and " thread_local" in self.assembly.definition(name) else "constant"

    def asked(self, name: str, instruction: Instruction) -> list[Origin]:
        """The origins that matter of the pointers that an instruction has to do with."""
        if instruction.callee == _SPACE:
            return [self.flows[name].origin(instruction.operands[2])]
        needed = self.needed.get(instruction.callee, {}) if instruction.op == "call" else {}
        return [self.flows[name].origin(instruction.operands[i]) for i in needed.values()]

    def _look_through(self, name: str) -> bool:
        """Whether more of a function's parameters turn out to matter."""
        flow, needed = self.flows[name], self.needed[name]
        before = len(needed)
        for instruction in self.functions[name].instructions():
            for origin in self.asked(name, instruction):
                needed |= {p: flow.parameters[p] for p in sorted(origin.spaces & flow.parameters.keys())}
                self._hiding |= origin.behind
        return len(needed) > before

    def hiding(self) -> set[str]:
        """The functions that have to be inlined to see where pointers come from."""
        return {
            name
            for name in self._hiding - self._entries
            if self.assembly.has(name) and self.assembly.is_function(name) and not self.assembly.is_declaration(name)
        }

    def lines_with(self, inlined: set[str]) -> int:
        """How many lines the functions have with these inlined."""
        known: dict[str, int] = {}

        def lines(name: str) -> int:
            if name not in known:
                known[name] = 0  # of what calls itself, one turn counts
                body = self.assembly.definition(name)
                calls = re.findall(r'call [^\n@]*@("[^"\n]+"|[\w.$-]+)\(', body)
                known[name] = body.count("\n") + sum(lines(c) for c in (c.strip('"') for c in calls) if c in inlined)
            return known[name]

        return sum(map(lines, self.functions))


class _Copies:
    """Copies of functions, each for the spaces that its arguments come in somewhere."""

    def __init__(self, analysis: _Analysis, sets: Sequence[OverloadSet]) -> None:
        self._analysis, self._sets = analysis, sets
        self._names: dict[Context, str] = {}
        self._waiting: list[tuple[Context, str]] = []  # with the entry point that leads there first
        self._made: list[str] = []
        self._open: Open | None = None

    def make(self, entries: Iterable[str], most_lines: int) -> tuple[str, Open | None]:
        analysis, lines = self._analysis, 0
        replaced = {}
        for entry in entries:
            if entry not in analysis.functions:
                continue
            replaced[entry] = self._copy((entry, ()), entry, entry)
            while self._waiting and self._open is None:
                context, leading = self._waiting.pop()
                self._made.append(self._copy(context, self._names[context], leading))
                lines += self._made[-1].count("\n")
                if lines > most_lines:
                    raise TooLarge(lines)
        text = analysis.text
        for entry, body in replaced.items():
            text = text.replace(analysis.assembly.definition(entry), body, 1)
        end = text.find("\nattributes #")
        end = len(text) if end < 0 else end
        return text[:end] + "".join(f"\n{copy}\n" for copy in self._made) + text[end:], self._open

    def _copy(self, context: Context, called: str, entry: str) -> str:
        name, given = context
        analysis = self._analysis
        function = analysis.functions[name]
        spaces = dict(zip(analysis.needed[name], given, strict=True)) if given else {}
        answers = self._answers(name, spaces)
        reached = reachable_blocks(function, answers)
        changes: dict[str, str] = {}  # by what a line begins with
        found = [i for name, block in function.blocks.items() if name in reached for i in block.instructions()]
        for instruction in found:
            if instruction.callee == _SPACE and instruction.result not in answers:
                self._open = self._open or Open(*_numbers(instruction), name, entry)
        for instruction in found:
            if instruction.callee == "__mp_no_overload":
                self._open = self._open or Open(int(instruction.operands[0].text), None, name, entry)
            elif instruction.op == "call" and instruction.callee in analysis.functions:
                changes[instruction.text] = self._called(name, instruction, spaces, entry)
        return _written(analysis.assembly.definition(name), name, called, answers, changes)

    def _answers(self, name: str, spaces: Mapping[str, str]) -> dict[str, int]:
        answers = {}
        for instruction in self._analysis.functions[name].instructions():
            if instruction.callee == _SPACE:
                space = self._space(self._analysis.asked(name, instruction)[0], spaces)
                number = SPACES[space] if space else self._believed(instruction)
                if number:
                    answers[instruction.result] = number
        return answers

    def _believed(self, question: Instruction) -> int:
        """The answer that is wanted, if buffers hold such pointers; 0 if none is, see `guards`."""
        number, argument = _numbers(question)
        expected = self._sets[number].expected
        return expected[argument] if expected and expected[argument] in _IN_BUFFERS else 0

    @staticmethod
    def _space(origin: Origin, spaces: Mapping[str, str]) -> str:
        """The one space that a pointer is in; "" if that is not known."""
        found = {spaces.get(space, "") if space.startswith("%") else space for space in origin.spaces}
        return found.pop() if len(found) == 1 and not origin.is_hidden else ""

    def _called(self, name: str, call: Instruction, spaces: Mapping[str, str], entry: str) -> str:
        """The name of the copy that a call means."""
        found = tuple(self._space(origin, spaces) for origin in self._analysis.asked(name, call))
        context = (call.callee, found)
        if context not in self._names:
            self._names[context] = f"{call.callee}.in{len(self._names)}"
            self._waiting.append((context, entry))
        return self._names[context]


def _named(body: str) -> set[str]:
    """What a function names and does not call there."""
    return {name.strip('"') for name in _MENTION.findall(body)}


def _numbers(question: Instruction) -> tuple[int, int]:
    """Of the set and of the argument."""
    return int(question.operands[0].text), int(question.operands[1].text)


def _written(body: str, name: str, called: str, answers: Mapping[str, int], changes: Mapping[str, str]) -> str:
    """A function's text under another name, with answers in place of questions and calls of copies."""
    head, *lines = body.split("\n")
    if called != name:
        head = _OF_ONE.sub("", _LINKAGE.sub("define internal ", _calling(called, head)))
    for i, line in enumerate(lines):
        if "@" not in line:
            continue
        text = without_metadata(line)
        result = text.split(" = ", 1)[0]
        if f"@{_SPACE}(" in text and result in answers:
            lines[i] = f"  {result} = add i32 0, {answers[result]}"
        elif text in changes:
            lines[i] = _calling(changes[text], line)
    return "\n".join([head, *lines])


def _calling(name: str, line: str) -> str:
    """A call or the head of a function with another name."""
    return _CALLEE.sub(lambda _: f'@"{name}"(', line, count=1)
