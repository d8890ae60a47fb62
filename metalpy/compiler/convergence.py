"""Where diverged lanes meet again: explicit order for simdgroup functions in a kernel that runs on fibers.

On a GPU the lanes of a simdgroup that took different ways join again behind the branch, and those that skip the rest
of a loop's body wait for the others before the next iteration. Fibers know nothing of that. Two things are written
into the optimised IR to make them behave alike:

* every call of a simdgroup function is preceded by ``mp_site(n)``. Lanes meet at equal `n`, the smallest first; the
  numbers follow the weak topological order of `order.py`;
* the way back to the head of a loop that holds such calls leads through a block where lanes meet, too.

Machine code may lay blocks out as it likes then.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from .order import Loop, weak_order

__all__ = ["order_meetings"]

_FUNCTION = re.compile(r"^define [^\n]*\{\n.*?^\}$", re.MULTILINE | re.DOTALL)
_LABEL = re.compile(r'^([\w.$-]+|"[^"]+"):')
_TERMINATOR = re.compile(r"^\s+(?:br|switch|ret|unreachable|indirectbr)\b")
_TARGET = re.compile(r'label %([\w.$-]+|"[^"]+")')
_MEETING = re.compile(r"\bcall\b[^\n@]*@mp_(?:simdgroup_barrier|simd_(?!lane\b)\w+)\(")
_DECLARATIONS = {
    "mp_site": "declare void @mp_site(i32)",
    "mp_simdgroup_barrier": "declare void @mp_simdgroup_barrier() convergent",
}


@dataclass
class _Block:
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


def order_meetings(ir: str) -> str:
    """The module's text with its simdgroup calls in order; unchanged where a function has none."""
    numbers = iter(range(1, 1 << 31))

    def ordered(match: re.Match[str]) -> str:
        return _ordered_function(match[0], numbers) if _MEETING.search(match[0]) else match[0]

    text = _FUNCTION.sub(ordered, ir)
    if text == ir:
        return ir
    missing = [line for name, line in _DECLARATIONS.items() if not re.search(rf"^declare [^\n]*@{name}\(", text, re.M)]
    return text + "\n" + "\n".join(missing) + "\n"


def _ordered_function(text: str, numbers: Iterator[int]) -> str:
    first, *lines, last = text.split("\n")
    blocks = {block.name: block for block in _blocks(lines)}
    edges = {name: [t for t in block.targets if t in blocks] for name, block in blocks.items()}
    loops: list[Loop] = []
    order = weak_order(list(blocks), edges, loops)
    loops = [loop for loop in loops if any(blocks[name].meets for name in loop.members)]
    position = {name: i for i, name in enumerate(order)}
    ends: dict[str, list[Loop]] = {}  # loops by their last block, inner ones first
    for loop in reversed(loops):
        ends.setdefault(max(loop.members, key=position.__getitem__), []).append(loop)
    for name in order:
        block = blocks[name]
        block.body = [out for line in block.body for out in _with_site(line, numbers)]
        for loop in ends.get(name, ()):
            _meet_before_repeating(loop, blocks, next(numbers))
    body = [line for block in blocks.values() for line in (*block.head, *block.body, *block.terminator)]
    return "\n".join([first, *body, last])


def _blocks(lines: list[str]) -> list[_Block]:
    blocks = [_Block("", [], [])]  # the entry block may have no label; nothing branches to it
    for line in lines:
        label = _LABEL.match(line)
        if label and not blocks[-1].body and not blocks[-1].head:
            blocks[-1] = _Block(label[1], [line], [])
        elif label:
            blocks.append(_Block(label[1], [line], []))
        elif blocks[-1].terminator or _TERMINATOR.match(line):
            blocks[-1].terminator.append(line)
        else:
            blocks[-1].body.append(line)
    return blocks


def _with_site(line: str, numbers: Iterator[int]) -> list[str]:
    if not _MEETING.search(line):
        return [line]
    return [f"  call void @mp_site(i32 {next(numbers)})", line]


def _meet_before_repeating(loop: Loop, blocks: dict[str, _Block], number: int) -> None:
    """Lead every edge back to the loop's header through a block of its own, where the lanes meet."""
    header = blocks[loop.header]
    for name in sorted(loop.members):
        latch = blocks[name]
        if latch.targets.count(loop.header) != 1:
            continue  # no way back, or several at once, which phis list one by one: rare enough to leave alone
        between = f"mp.repeat.{number}.{len(blocks)}"
        old, new = f"label %{loop.header}", f"label %{between}"
        latch.terminator = [re.sub(re.escape(old) + r"(?![\w.$-])", new, line) for line in latch.terminator]
        pattern = re.compile(rf", %{re.escape(name)} \]")
        header.body = [pattern.sub(f", %{between} ]", line) if " = phi " in line else line for line in header.body]
        blocks[between] = _Block(
            between,
            ["", f"{between}:"],
            [f"  call void @mp_site(i32 {number})", "  call void @mp_simdgroup_barrier()"],
            [f"  br {old}"],
        )
