"""Control flow of one function, brought into the shape that the vectoriser works on.

Every loop gets a block of its own that leads back to its header, every way out leads to one last block, and the
blocks have the weak topological order of `order.py`.
"""

from __future__ import annotations

from ..order import Loop, weak_order
from .ir import Block, Function, Instruction, Unsupported, Value

__all__ = ["EXIT", "Flow"]

EXIT = "mp.exit"  # the block where lanes end


class Flow:
    """A function's blocks and how they hang together.

    Attributes
    ----------
    blocks : dict of str to Block
        In weak topological order, the exit last.
    index : dict of str to int
        Positions in that order.
    succs, preds : dict of str to list of str
    loops : list of Loop
        Outer before inner; their members include the latch.
    ipdom : dict of str to str
        The block where all ways from a block meet first.
    """

    def __init__(self, function: Function) -> None:
        blocks = dict(function.blocks)
        _join_ends(blocks)
        edges = {name: block.targets for name, block in blocks.items()}
        found: list[Loop] = []
        weak_order(list(blocks), edges, found)
        entry = next(iter(blocks))
        if any(loop.header == entry for loop in found):
            entry = _split_entry(blocks, entry)
        reached = _reached(blocks, entry)
        for name in [name for name in blocks if name not in reached]:
            del blocks[name]
        _forget_unreached(blocks)
        _add_latches(blocks, found)
        edges = {name: block.targets for name, block in blocks.items()}
        self.loops: list[Loop] = []
        names = [entry, *(name for name in blocks if name not in (entry, EXIT))]
        order = [*weak_order(names, {n: [t for t in edges[n] if t != EXIT] for n in names}, self.loops), EXIT]
        self.entry = entry
        self.blocks = {name: blocks[name] for name in order}
        self.index = {name: i for i, name in enumerate(order)}
        self.succs = edges
        self.preds: dict[str, list[str]] = {name: [] for name in order}
        for name in order:
            for target in edges[name]:
                self.preds[target].append(name)
        self._refuse_irreducible()
        self.loops_of: dict[str, list[Loop]] = {name: [] for name in order}
        for loop in self.loops:
            for name in loop.members:
                self.loops_of[name].append(loop)
        self.ipdom = self._post_dominators(order)

    def latch(self, loop: Loop) -> str:
        """The only block that leads back to the loop's header."""
        return next(name for name in self.preds[loop.header] if name in loop.members)

    def exits(self, loop: Loop) -> set[str]:
        """The blocks outside that the loop leads to."""
        return {target for name in loop.members for target in self.succs[name] if target not in loop.members}

    def _refuse_irreducible(self) -> None:
        for loop in self.loops:
            for name in loop.members - {loop.header}:
                if any(p not in loop.members for p in self.preds[name]):
                    raise Unsupported("a loop with two entries")

    def _post_dominators(self, order: list[str]) -> dict[str, str]:
        """K. Cooper, T. Harvey, K. Kennedy, "A simple, fast dominance algorithm" (2001), on the reversed graph."""
        succs = {name: list(self.succs[name]) for name in order}
        for loop in self.loops:  # a loop that never ends would leave its blocks without a way to the exit
            if not self.exits(loop):
                succs[self.latch(loop)].append(EXIT)
        preds: dict[str, list[str]] = {name: [] for name in order}
        for name in order:
            for target in succs[name]:
                preds[target].append(name)
        number: dict[str, int] = {}
        work = [(EXIT, iter(preds[EXIT]))]
        seen = {EXIT}
        while work:
            name, waiting = work[-1]
            for p in waiting:
                if p not in seen:
                    seen.add(p)
                    work.append((p, iter(preds[p])))
                    break
            else:
                number[name] = len(number)
                work.pop()
        found = {EXIT: EXIT}
        post = sorted(number, key=number.__getitem__, reverse=True)
        changed = True
        while changed:
            changed = False
            for name in post:
                if name == EXIT:
                    continue
                meet = ""
                for target in succs[name]:
                    if target in found:
                        meet = target if not meet else _meet(meet, target, found, number)
                if meet and found.get(name) != meet:
                    found[name] = meet
                    changed = True
        return found


def _meet(a: str, b: str, found: dict[str, str], number: dict[str, int]) -> str:
    while a != b:
        while number[a] < number[b]:
            a = found[a]
        while number[b] < number[a]:
            b = found[b]
    return a


def _join_ends(blocks: dict[str, Block]) -> None:
    for block in blocks.values():
        if block.terminator.op in ("ret", "unreachable"):
            block.terminator = _jump(EXIT)
    blocks[EXIT] = Block(EXIT)


def _jump(target: str) -> Instruction:
    return Instruction("br", "", "void", [], targets=[target])


def _split_entry(blocks: dict[str, Block], entry: str) -> str:
    """An entry that leads to a loop's header, in place of one that is a header."""
    rest = dict(blocks)
    blocks.clear()
    blocks["mp.entry"] = Block("mp.entry", terminator=_jump(entry))
    blocks.update(rest)
    return "mp.entry"


def _reached(blocks: dict[str, Block], entry: str) -> set[str]:
    seen, waiting = {entry, EXIT}, [entry]
    while waiting:
        new = set(blocks[waiting.pop()].targets) - seen
        seen |= new
        waiting += new
    return seen


def _forget_unreached(blocks: dict[str, Block]) -> None:
    for block in blocks.values():
        for phi in block.phis:
            kept = [(v, t) for v, t in zip(phi.operands, phi.targets, strict=True) if t in blocks]
            phi.operands = [v for v, _ in kept]
            phi.targets = [t for _, t in kept]


def _add_latches(blocks: dict[str, Block], loops: list[Loop]) -> None:
    for number, loop in enumerate(loops):
        if loop.header not in blocks:
            continue
        backs = [n for n in loop.members if n in blocks and loop.header in blocks[n].targets]
        if not backs:
            continue
        latch = Block(f"mp.latch.{number}", terminator=_jump(loop.header))
        for name in backs:
            terminator = blocks[name].terminator
            terminator.targets = [latch.name if t == loop.header else t for t in terminator.targets]
        for phi in blocks[loop.header].phis:
            _move_to_latch(phi, latch, set(backs), len(backs))
        blocks[latch.name] = latch
        for outer in loops:
            if outer is not loop and loop.header in outer.members and loop.members <= outer.members:
                outer.members.add(latch.name)
        loop.members.add(latch.name)


def _move_to_latch(phi: Instruction, latch: Block, backs: set[str], count: int) -> None:
    """What a header's phi gets from the loop it gets from the latch, where the values come together."""
    pairs = list(zip(phi.operands, phi.targets, strict=True))
    inside = [(v, t) for v, t in pairs if t in backs]
    outside = [(v, t) for v, t in pairs if t not in backs]
    if len({v.text for v, _ in inside}) == 1:
        made = inside[0][0]
    else:
        merged = Instruction("phi", f"{phi.result}.{latch.name}", phi.type, [v for v, _ in inside])
        merged.targets = [t for _, t in inside]
        latch.phis.append(merged)
        made = Value(phi.type, merged.result)
    phi.operands = [*(v for v, _ in outside), made]
    phi.targets = [*(t for _, t in outside), latch.name]
