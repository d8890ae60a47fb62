"""Where the pointers of one function come from, and which of its blocks run, as far as its own text tells."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from .overload_heads import SPACES
from .spmd.ir import Function, Instruction, Value

__all__ = ["Origin", "PointerFlow", "reachable_blocks"]

_NAMES = {number: name for name, number in SPACES.items()}
_COPIES = ("llvm.memcpy.", "llvm.memmove.")
_GLOBAL = re.compile(r'@("[^"]+"|[\w.$-]+)')
_NOTHING = frozenset({"null", "undef", "poison", "zeroinitializer"})
_WHOLE = {"eq": True, "ne": False}


@dataclass
class Origin:
    """What a pointer may be made from.

    Attributes
    ----------
    spaces : set of str
        Names of address spaces, and of parameters of the function.
    is_hidden : bool
        Whether it may come from elsewhere, too.
    behind : set of str
        Functions that, inlined, may show from where; the function itself is one if it reads what its callers wrote.
    """

    spaces: set[str] = field(default_factory=set)
    is_hidden: bool = False
    behind: set[str] = field(default_factory=set)


class PointerFlow:
    """The pointers of a function whose variables are in registers as far as possible.

    Parameters
    ----------
    function : Function
    space_of_global : callable
        The space of a variable of the program, by its name.
    """

    def __init__(self, function: Function, space_of_global: Callable[[str], str]) -> None:
        self._name = function.name
        self._space_of_global = space_of_global
        self.parameters = {p.text: i for i, p in enumerate(function.parameters) if p.type == "ptr"}
        self._copied = {p.text for p in function.parameters if p.attributes.startswith("byval")}
        self._defined = {i.result: i for i in function.instructions() if i.result}
        self._stored: dict[str, list[str]] = defaultdict(list)  # by variable: what is stored there
        self._copies: dict[str, list[str]] = defaultdict(list)  # from where memory is copied there
        self._seen_by: dict[str, set[str]] = defaultdict(set)  # functions that get its address, or what it holds
        self._holders: dict[str, set[str]] = defaultdict(set)  # variables that hold its address
        self._mixed: set[str] = set()  # those in which something else may be that has pointers in it
        for instruction in function.instructions():
            self._note(instruction)
        self._known: dict[str, Origin] = {}

    def _note(self, instruction: Instruction) -> None:
        operands = instruction.operands
        if not instruction.type:  # what it does is not known
            self._mixed.update(*(self._roots(operand.text) for operand in operands))
        elif instruction.op == "store" and operands[0].type == "ptr":
            for root in self._roots(operands[1].text):
                self._stored[root].append(operands[0].text)
                for held in self._roots(operands[0].text):
                    self._holders[held].add(root)
        elif instruction.op == "store" and "ptr" in operands[0].type:
            self._mixed |= self._roots(operands[1].text)
        elif instruction.op == "call" and instruction.callee.startswith(_COPIES):
            for root in self._roots(operands[0].text):
                self._copies[root].append(operands[1].text)
        elif instruction.op == "call" and not instruction.callee.startswith("llvm."):
            for operand in operands:
                for root in self._roots(operand.text) if operand.type == "ptr" else ():
                    # Of a copy, the function sees what it holds.
                    seen = f"={root}" if operand.attributes.startswith("byval") else root
                    self._seen_by[seen].add(instruction.callee)

    def _roots(self, pointer: str) -> set[str]:
        """The variables that an address may be in."""
        roots: set[str] = set()
        waiting = [pointer]
        while waiting:
            root = self._root(waiting.pop())
            if root not in roots:
                roots.add(root)
                made = self._defined.get(root)
                if made is not None and made.op in ("phi", "select"):
                    waiting += [o.text for o in made.operands[made.op == "select" :]]
        return roots

    def origin(self, value: Value) -> Origin:
        """Where the pointer comes from."""
        if value.text not in self._known:
            self._known[value.text] = self._origin(value.text)
        return self._known[value.text]

    def _origin(self, pointer: str) -> Origin:
        found, waiting, seen = Origin(), [pointer], set(_NOTHING)
        while waiting:
            pointer = waiting.pop()
            if pointer in seen:
                continue
            seen.add(pointer)
            if pointer[0] != "%":
                named = None if "inttoptr" in pointer else _GLOBAL.search(pointer)
                if named:
                    found.spaces.add(self._space_of_global(named[1].strip('"')))
                else:
                    found.is_hidden = True
            elif pointer in self.parameters:
                found.spaces.add("thread" if pointer in self._copied else pointer)
            else:
                waiting += self._step(self._defined.get(pointer), found)
        return found

    def _step(self, made: Instruction | None, found: Origin) -> list[str]:
        """What the pointer that an instruction makes is made from; `found` hears what else there is to know."""
        op = made.op if made else ""
        operands = [o.text for o in made.operands] if made else []
        if op == "alloca":
            found.spaces.add("thread")
        elif op in ("getelementptr", "freeze"):
            return operands[:1]
        elif op == "phi":
            return operands
        elif op == "select":
            return operands[1:]
        elif made and op == "call" and made.callee == "__mp_in":
            found.spaces.add(_NAMES[int(operands[0])])
        elif made and op == "call" and made.callee.startswith("llvm.threadlocal.address"):
            found.spaces.add("threadgroup")
        elif op == "load":
            return self._loaded(operands[0], found)
        elif op == "inttoptr":
            return self._of_integer(operands[0], found)
        elif made and op == "extractvalue":
            return self._member(made, found)
        elif made and op == "call":
            self._hide(made, found)
        else:
            found.is_hidden = True
        return []

    def _of_integer(self, number: str, found: Origin) -> list[str]:
        """The pointer that a number was made from, as for one that is aligned."""
        made = self._defined.get(number)
        while made is not None and made.op in ("add", "sub", "and", "or"):
            made = self._defined.get(made.operands[0].text)
        if made is not None and made.op == "ptrtoint":
            return [made.operands[0].text]
        found.is_hidden = True
        return []

    def _member(self, taken: Instruction, found: Origin) -> list[str]:
        """What was put where an extractvalue takes it from."""
        whole = self._defined.get(taken.operands[0].text)
        while whole is not None and whole.op == "insertvalue":
            if whole.extra == taken.extra:
                return [whole.operands[1].text]
            whole = self._defined.get(whole.operands[0].text)
        self._hide(whole, found)
        return []

    def _hide(self, made: Instruction | None, found: Origin) -> None:
        """What a function returned, or what is a part of something else."""
        found.is_hidden = True
        if made is not None and made.op == "call" and made.callee:
            found.behind.add(made.callee)
        elif made is not None and made.op == "load":
            self._loaded(made.operands[0].text, found)

    def _loaded(self, address: str, found: Origin) -> list[str]:
        """What may be stored at the address."""
        root = self._root(address)
        made = self._defined.get(root)
        if made is not None and made.op == "alloca":
            stored, copies = self._stored[root], self._copies[root]
            holders = self._holders[root]
            seen_by = self._seen_by[root].union(*(self._seen_by[h] | self._seen_by[f"={h}"] for h in holders))
            found.behind |= seen_by
            found.is_hidden |= bool(seen_by or holders or root in self._mixed) or not (stored or copies)
            return [
                *stored,
                *(p for source in copies if self._root(source) != root for p in self._loaded(source, found)),
            ]
        found.is_hidden = True
        if root in self.parameters:
            found.behind.add(self._name)
        elif made is not None and made.op == "call":
            found.behind.add(made.callee)
        elif made is not None and made.op in ("phi", "select"):
            behind = self._origin(root)
            found.behind |= behind.behind | ({self._name} if behind.spaces & self.parameters.keys() else set())
        return []

    def _root(self, pointer: str) -> str:
        """The variable that an address is in."""
        while (made := self._defined.get(pointer)) is not None and made.op in ("getelementptr", "freeze"):
            pointer = made.operands[0].text
        return pointer


def reachable_blocks(function: Function, answers: Mapping[str, int]) -> set[str]:
    """The names of the blocks that may run if some values are known to be these numbers."""
    if not answers:
        return set(function.blocks)
    defined = {i.result: i for i in function.instructions() if i.result}
    entry = next(iter(function.blocks))
    reached, edges = {entry}, set[tuple[str, str]]()
    home = {phi.result: name for name, block in function.blocks.items() for phi in block.phis}

    def value(text: str, depth: int = 0) -> int | None:
        """What is known of a number; of a phi, as far as its block can be reached by now."""
        if not text.startswith("%"):
            return {"true": 1, "false": 0}.get(text, int(text) if text.lstrip("-").isdigit() else None)
        made = defined.get(text)
        if text in answers or made is None or depth > 20:
            return answers.get(text)
        operands = [o.text for o in made.operands]
        if made.op == "phi":
            came = [o for o, b in zip(operands, made.targets, strict=True) if (b, home[text]) in edges]
            values = {value(o, depth + 1) for o in came}
            return values.pop() if len(values) == 1 else None
        if made.op == "icmp" and made.flags.split()[-1] in _WHOLE:
            a, b = (value(o, depth + 1) for o in operands)
            return None if a is None or b is None else int((a == b) == _WHOLE[made.flags.split()[-1]])
        if made.op in ("and", "or", "xor") and made.type == "i1":
            return _logic(made.op, *(value(o, depth + 1) for o in operands))
        if made.op == "select" and (chosen := value(operands[0], depth + 1)) is not None:
            return value(operands[1 if chosen else 2], depth + 1)
        if made.op in ("zext", "freeze"):
            return value(operands[0], depth + 1)
        return None

    before = -1
    while before != len(edges):
        before = len(edges)
        for name in list(reached):
            end = function.blocks[name].terminator
            edges |= {(name, target) for target in _targets(end, value)}
        reached |= {target for _, target in edges}
    return reached


def _logic(op: str, a: int | None, b: int | None) -> int | None:
    if op == "and" and 0 in (a, b):
        return 0
    if op == "or" and (a == 1 or b == 1):
        return 1
    if a is None or b is None:
        return None
    return {"and": a & b, "or": a | b, "xor": a ^ b}[op]


def _targets(end: Instruction, value: Callable[[str], int | None]) -> list[str]:
    if end.op == "br" and end.operands:
        known = value(end.operands[0].text)
        return end.targets if known is None else [end.targets[0 if known else 1]]
    if end.op == "switch":
        known = value(end.operands[0].text)
        if known is not None:
            cases = [value(o.text) for o in end.operands[1:]]
            return [end.targets[cases.index(known) + 1 if known in cases else 0]]
    return end.targets
