"""Where control goes when lanes have gone different ways.

A block may be reached while lanes wait at others: those that a divergent branch sent there and whose turn has not come.
For each block the set of such others is computed ("deferred"), and control always goes on to the first of them in the
order of the flow. Uniform branches stay branches. This is the partial linearization of S. Moll and S. Hack ("Partial
control-flow linearization", PLDI 2018), with the masks kept at run time, so that a block without lanes is skipped.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from .flow import Flow
from .shapes import Shapes

__all__ = ["Plan", "Turn"]


@dataclass
class Turn:
    """How one block is entered and left.

    Attributes
    ----------
    skip : str or None
        Where to go if no lane waits at the block; None if some lane always does.
    guarded : bool
        Whether anyone comes here without knowing that lanes wait.
    next : dict of str to str
        For each target: the block that control goes to when lanes leave for it. Equal for all if the branch diverges.
    certain : dict of str to bool
        Whether lanes wait there for sure.
    """

    skip: str | None = None
    guarded: bool = False
    next: dict[str, str] = field(default_factory=dict)
    certain: dict[str, bool] = field(default_factory=dict)


class Plan:
    """The turns of a function's blocks.

    Attributes
    ----------
    turns : dict of str to Turn
    deferred : dict of str to set of str
        The other blocks at which lanes may wait while a block runs.
    whole : set of str
        Blocks that all lanes run together, or none.
    """

    def __init__(self, flow: Flow, shapes: Shapes) -> None:
        self._flow = flow
        self.deferred: dict[str, set[str]] = {name: set() for name in flow.blocks}
        self.turns = {name: Turn() for name in flow.blocks}
        for loop in shapes.divergent_loops:
            self.deferred[loop.header] |= flow.exits(loop)
        headers = {loop.header: loop for loop in flow.loops}
        back = {flow.latch(loop): loop.header for loop in flow.loops}
        assert set(headers) == set(back.values())
        for name in flow.blocks:
            turn = self.turns[name]
            waiting = self.deferred[name]
            if turn.guarded and waiting:
                turn.skip = self._go(waiting)
            targets = flow.succs[name]
            if name in back:
                turn.next[targets[0]], turn.certain[targets[0]] = targets[0], True
            elif name in shapes.divergent:
                first = self._go({*targets, *waiting})
                turn.next, turn.certain = dict.fromkeys(targets, first), dict.fromkeys(targets, False)
            else:
                for target in targets:
                    first = self._go({target, *waiting}, certain=target)
                    turn.next[target], turn.certain[target] = first, first == target
        some = self._dependent(shapes.divergent)
        self.whole = {name for name in flow.blocks if name not in some and not self.deferred[name]}

    def _dependent(self, divergent: set[str]) -> set[str]:
        """The blocks for which it depends on a divergent branch whether they run, directly or not.

        A block depends on a branch if it lies between a target and the place where all ways from the branch meet (J.
        Ferrante, K. Ottenstein, J. Warren, "The program dependence graph and its use in optimization", 1987).
        """
        flow, found, waiting = self._flow, set[str](), list(divergent)
        while waiting:
            branch = waiting.pop()
            for target in flow.succs[branch]:
                name = target
                while name != flow.ipdom[branch]:
                    if name not in found:
                        found.add(name)
                        if len(flow.succs[name]) > 1:
                            waiting.append(name)
                    name = flow.ipdom[name]
        return found

    def _go(self, waiting: Iterable[str], certain: str = "") -> str:
        """The block of `waiting` that comes first; the others wait on."""
        first = min(waiting, key=self._flow.index.__getitem__)
        self.deferred[first] |= set(waiting) - {first}
        if first != certain:
            self.turns[first].guarded = True
        return first
