"""Keep simdgroup functions in the iteration of a loop in which they are written, whatever the optimiser does.

Lanes meet where the optimised control flow lets them (`convergence.py`, `spmd/flow.py`), and LLVM makes no promise
about that: it lets a branch skip the test at a loop's head, so that one loop becomes two, and an arm that ends with
`break` has never been part of the loop. Before it runs, every loop that holds such functions therefore gets

* ``mp_repeat()``, a call on its only way back to the head, which nothing can be moved past;
* a way back from each arm that calls such a function and then may leave: ``br i1 mp_stays()``, which is never taken,
  yet makes the arm belong to the loop.

Both are gone from what is compiled in the end. The blocks of a loop are those that lie in the text between its head and
the last way back: clang writes them in the order of the source.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from .assembly import Assembly
from .convergence import Block, blocks_of, targets_replaced
from .order import Loop, weak_order

__all__ = ["MARKS", "keep_in_iterations"]

MARKS = {
    "mp_repeat": "declare void @mp_repeat()",
    "mp_stays": "declare i1 @mp_stays()",
}
_ATTRIBUTES = "convergent nounwind willreturn memory(inaccessiblemem: readwrite)"
_CALL = re.compile(r'\bcall\b[^\n@]*@(?:([\w.$-]+)|"([^"]+)")\(')
_SIMDGROUP = re.compile(r"mp_simdgroup_barrier|mp_simd_(?!lane$)\w+")
_MADE = re.compile(r"\s+(%[\w.$-]+) = ")
_LOCAL = re.compile(r"%(?!struct\.|class\.|union\.)[\w.$-]+")  # types are none
_OURS = re.compile(r"_ZNK?(?:4__mp|5metal)")  # the loops of the headers have no ways out


def keep_in_iterations(ir: str, assembly: Assembly, entry: str) -> str:
    """The text of a module that is not optimised yet, with its loops marked; unchanged if it needs no marks.

    Parameters
    ----------
    ir : str
        What `entry` of `assembly` reaches. The entry itself, which has no loops, may have another name.
    """
    meeting = _meeting_functions(assembly, entry)
    places = []
    for name in meeting:
        if not _OURS.match(name):
            head = re.search(rf'^define [^\n@]*@"?{re.escape(name)}"?\(', ir, re.MULTILINE)
            if head is not None:
                places.append((head.start(), ir.index("\n}\n", head.end()) + 2))
    parts, end = [], 0
    for start, stop in sorted(places):
        parts += [ir[end:start], _kept(ir[start:stop], meeting)]
        end = stop
    text = "".join((*parts, ir[end:]))
    if len(text) == len(ir):
        return ir
    return text + "".join(f"\n{declaration} {_ATTRIBUTES}" for declaration in MARKS.values()) + "\n"


def _meeting_functions(assembly: Assembly, entry: str) -> set[str]:
    """The names of the functions that `entry` reaches and that call a simdgroup function, directly or not."""
    users: dict[str, list[str]] = {}
    reached = assembly.reachable([entry], constructors=False)
    for name in reached:
        if assembly.is_function(name):
            for other in assembly.uses(name):
                users.setdefault(other, []).append(name)
    found = {name for name in reached if _SIMDGROUP.fullmatch(name)}
    waiting = list(found)
    while waiting:
        new = set(users.get(waiting.pop(), ())) - found
        found |= new
        waiting += new
    return found


def _kept(text: str, meeting: Collection[str]) -> str:
    first, *lines, last = text.split("\n")
    function = _Function(first, {block.name: block for block in blocks_of(lines)}, meeting)
    function.mark()
    body = [line for block in function.blocks.values() for line in (*block.head, *block.body, *block.terminator)]
    return "\n".join([first, *body, last])


class _Function:
    """The blocks of one function, and the loops among them that hold meetings."""

    def __init__(self, head: str, blocks: dict[str, Block], meeting: Collection[str]) -> None:
        self.blocks = blocks
        self._arguments = _LOCAL.findall(head)
        self._edges = {name: [t for t in block.targets if t in blocks] for name, block in blocks.items()}
        self._number = {name: i for i, name in enumerate(blocks)}
        self._meets = [name for name, block in blocks.items() if _meets(block, meeting)]

    def mark(self) -> None:
        loops: list[Loop] = []
        weak_order(list(self.blocks), self._edges, loops)
        inside = {loop.header: self._written_in(loop) for loop in loops}
        ways: dict[str, list[str]] = {}  # from each block: where the ways back lead that are never taken
        for loop in loops:
            members = inside[loop.header]
            held = [name for name in self._meets if name in members]
            if not held:
                continue
            next_ = self._marked(loop)
            if next_ is None:
                continue
            inner = [other for other in loops if other is not loop and other.header in members]
            for name in held:
                around = next((other.header for other in inner if name in inside[other.header]), name)
                if self._may_skip(loop, members, around) and self._may_leave(loop, members, name):
                    ways.setdefault(name, []).append(next_)
        for name, targets in ways.items():
            self._lead_back(name, targets)

    def _written_in(self, loop: Loop) -> set[str]:
        """The blocks from the head to the last way back, or to where the head leads if its condition fails."""
        names = list(self.blocks)
        number = self._number
        start = number[loop.header]
        end = max(number[name] for name in loop.members) + 1
        leaves = [number[t] for t in self._edges[loop.header] if t not in loop.members and number[t] > end]
        return set(names[start : min(leaves, default=end)])

    def _backs(self, loop: Loop) -> list[str]:
        return [name for name in loop.members if loop.header in self._edges[name]]

    def _marked(self, loop: Loop) -> str | None:
        """Mark the way back; where other ways may join it, or None if the loop is none of clang's usual ones."""
        header, backs = self.blocks[loop.header], self._backs(loop)
        if any(" = phi " in line for line in header.body) or not backs:
            return None
        call = "  call void @mp_repeat()"
        only = self.blocks[backs[0]]
        if len(backs) == 1 and only is not header and only.targets == [loop.header]:
            only.body.append(call)
            return only.name if self._stands_alone(only) else None
        latch = f"mp.latch.{len(self.blocks)}"
        end = max((self.blocks[name] for name in backs), key=lambda block: self._number[block.name])
        hint = re.search(r", !llvm\.loop ![0-9]+", end.terminator[-1])
        for name in backs:
            self.blocks[name].terminator = targets_replaced(self.blocks[name].terminator, loop.header, latch)
        jump = f"  br label %{loop.header}{hint[0] if hint else ''}"
        self.blocks[latch] = Block(latch, ["", f"{latch}:"], [call], [jump])
        return latch

    def _stands_alone(self, block: Block) -> bool:
        """Whether a block may be entered from anywhere: it uses nothing but arguments, variables and its own values."""
        known = set(self._arguments)
        for line in (*next(iter(self.blocks.values())).body, *block.body):
            made = _MADE.match(line)
            if made:
                known.add(made[1])
        lines = (line.partition(" = ")[2] or line for line in block.body)
        return all(" phi " not in f" {line}" and known.issuperset(_LOCAL.findall(line)) for line in lines)

    def _may_skip(self, loop: Loop, members: Collection[str], name: str) -> bool:
        """Whether an iteration may end without coming to a block."""
        if name == loop.header:
            return False
        reached = self._reached([loop.header], members, {name})
        return any(back in reached for back in self._backs(loop))

    def _may_leave(self, loop: Loop, members: Collection[str], name: str) -> bool:
        """Whether the loop may be left on the way from a block to the end of the iteration."""
        ends = {loop.header, *self._backs(loop)} - {name}
        reached = self._reached([name], members, ends)
        return any(target not in members for one in reached - ends for target in self._edges[one])

    def _reached(self, start: list[str], members: Collection[str], around: Collection[str]) -> set[str]:
        seen, waiting = set(start), list(start)
        while waiting:
            for target in self._edges[waiting.pop()]:
                if target in members and target not in seen and target not in around:
                    seen.add(target)
                    waiting.append(target)
        return seen

    def _lead_back(self, name: str, targets: list[str]) -> None:
        block = self.blocks[name]
        for k, target in enumerate(targets):
            rest = f"mp.rest.{self._number[name]}.{k}"
            answer = f"%mp.stays.{self._number[name]}.{k}"
            block.body.append(f"  {answer} = call i1 @mp_stays()")
            made = Block(rest, ["", f"{rest}:"], [], block.terminator)
            block.terminator = [f"  br i1 {answer}, label %{target}, label %{rest}"]
            self.blocks[rest] = made
            block = made
        if block.name != name:
            old = re.compile(rf", %{re.escape(name)} \]")
            for target in set(block.targets):
                body = self.blocks[target].body if target in self.blocks else []
                body[:] = [old.sub(f", %{block.name} ]", line) if " = phi " in line else line for line in body]


def _meets(block: Block, meeting: Collection[str]) -> bool:
    calls = (_CALL.search(line) for line in block.body if "call " in line)
    return any((call[1] or call[2]) in meeting for call in calls if call)
