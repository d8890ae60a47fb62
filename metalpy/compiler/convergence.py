"""Where diverged lanes meet again: explicit order for simdgroup functions in a kernel that runs on fibers.

On a GPU the lanes of a simdgroup that took different ways join again behind the branch, and those that skip the rest
of a loop's body wait for the others before the next iteration. Fibers know nothing of that. Two things are written
into the optimised IR to make them behave alike:

* every call of a simdgroup function is preceded by ``mp_site(n)``. Lanes meet at equal `n`, the smallest first; the
  numbers follow the weak topological order of `order.py`;
* the way back to the head of a loop that holds such calls leads through a block where lanes meet, too: where
  ``mp_repeat()`` stands (`iterations.py`), or else a new one.

Machine code may lay blocks out as it likes then.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from .order import Loop, weak_order

__all__ = ["Block", "blocks_of", "order_meetings", "targets_replaced"]

_FUNCTION = re.compile(r"^define [^\n]*\{\n.*?^\}$", re.MULTILINE | re.DOTALL)
_LABEL = re.compile(r'^([\w.$-]+|"[^"]+"):')
_TERMINATORS = ("  br ", "  switch ", "  ret ", "  unreachable", "  indirectbr ")
_TARGET = re.compile(r'label %([\w.$-]+|"[^"]+")')
_MEETING = re.compile(r"\bcall\b[^\n@]*@mp_(?:simdgroup_barrier|simd_(?!lane\b)\w+)\(")
_REPEAT, _STAYS = "call void @mp_repeat()", "call i1 @mp_stays()"  # of iterations.py
_DECLARATIONS = {
    "mp_site": "declare void @mp_site(i32)",
    "mp_simdgroup_barrier": "declare void @mp_simdgroup_barrier() convergent",
}


@dataclass
class Block:
    name: str
    head: list[str]  # its label's line, if it has one
    body: list[str]
    terminator: list[str] = field(default_factory=list)

    @property
    def targets(self) -> list[str]:
        return _TARGET.findall("\n".join(self.terminator))

    @property
    def meets(self) -> bool:
        return any(_MEETING.search(line) for line in self.body)

    @property
    def repeats(self) -> bool:
        return any(_REPEAT in line for line in self.body)


def order_meetings(ir: str) -> str:
    """The module's text with its simdgroup calls in order; unchanged where a function has none."""
    numbers = iter(range(1, 1 << 31))

    def ordered(match: re.Match[str]) -> str:
        text = match[0]
        if not _MEETING.search(text) and _REPEAT not in text and _STAYS not in text:
            return text
        return _ordered_function(text, numbers)

    text = _FUNCTION.sub(ordered, ir)
    if text == ir:
        return ir
    missing = [line for name, line in _DECLARATIONS.items() if not re.search(rf"^declare [^\n]*@{name}\(", text, re.M)]
    return text + "\n" + "\n".join(missing) + "\n"


def _ordered_function(text: str, numbers: Iterator[int]) -> str:
    first, *lines, last = text.split("\n")
    blocks = {block.name: block for block in blocks_of(lines)}
    edges = {name: [t for t in block.targets if t in blocks] for name, block in blocks.items()}
    loops: list[Loop] = []
    order = weak_order(list(blocks), edges, loops)
    within = set[str]().union(*(loop.members for loop in loops))
    loops = [loop for loop in loops if any(blocks[name].meets for name in loop.members)]
    loops = [loop for loop in loops if not any(blocks[name].repeats for name in _own(loop, loops))]
    position = {name: i for i, name in enumerate(order)}
    ends: dict[str, list[Loop]] = {}  # loops by their last block, inner ones first
    for loop in reversed(loops):
        ends.setdefault(max(loop.members, key=position.__getitem__), []).append(loop)
    for name in order:
        block = blocks[name]
        block.body = [out for line in block.body for out in _with_site(line, numbers, name in within)]
        for loop in ends.get(name, ()):
            _meet_before_repeating(loop, blocks, next(numbers))
    body = [line for block in blocks.values() for line in (*block.head, *block.body, *block.terminator)]
    return "\n".join([first, *body, last])


def blocks_of(lines: list[str]) -> list[Block]:
    blocks = [Block("", [], [])]  # the entry block may have no label; nothing branches to it
    for line in lines:
        label = _LABEL.match(line) if line[:1] not in (" ", "") else None
        if label and not (blocks[-1].head or blocks[-1].body or blocks[-1].terminator):
            blocks[-1] = Block(label[1], [line], [])
        elif label:
            blocks.append(Block(label[1], [line], []))
        elif blocks[-1].terminator or line.startswith(_TERMINATORS):
            blocks[-1].terminator.append(line)
        else:
            blocks[-1].body.append(line)
    return blocks


def _own(loop: Loop, loops: list[Loop]) -> set[str]:
    """The blocks of a loop that are in no loop inside it."""
    inner = (other.members for other in loops if other is not loop and other.members < loop.members)
    return loop.members.difference(*inner)


def _with_site(line: str, numbers: Iterator[int], in_loop: bool) -> list[str]:
    if _REPEAT in line:
        line = "  call void @mp_simdgroup_barrier()"
        if not in_loop:
            return []
    elif _STAYS in line:
        return [line.partition("=")[0] + "= and i1 false, false"]
    elif not _MEETING.search(line):
        return [line]
    return [f"  call void @mp_site(i32 {next(numbers)})", line]


def targets_replaced(terminator: list[str], old: str, new: str) -> list[str]:
    """A terminator that goes to one block in place of another."""
    pattern = re.compile(re.escape(f"label %{old}") + r"(?![\w.$-])")
    return [pattern.sub(f"label %{new}", line) for line in terminator]


def _meet_before_repeating(loop: Loop, blocks: dict[str, Block], number: int) -> None:
    """Lead every edge back to the loop's header through a block of its own, where the lanes meet."""
    header = blocks[loop.header]
    for name in sorted(loop.members):
        latch = blocks[name]
        if latch.targets.count(loop.header) != 1:
            continue  # no way back, or several at once, which phis list one by one: rare enough to leave alone
        between = f"mp.repeat.{number}.{len(blocks)}"
        latch.terminator = targets_replaced(latch.terminator, loop.header, between)
        pattern = re.compile(rf", %{re.escape(name)} \]")
        header.body = [pattern.sub(f", %{between} ]", line) if " = phi " in line else line for line in header.body]
        blocks[between] = Block(
            between,
            ["", f"{between}:"],
            [f"  call void @mp_site(i32 {number})", "  call void @mp_simdgroup_barrier()"],
            [f"  br label %{loop.header}"],
        )
