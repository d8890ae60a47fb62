"""Which commands of a model depend on nothing but constants."""

from __future__ import annotations

from collections.abc import Sequence

from metalpy.aot.manifest import Buffer
from metalpy.array import Array
from metalpy.errors import PackageError
from metalpy.graph import Graph

__all__ = ["fold"]


def fold(graph: Graph, arrays: Sequence[Array | None], buffers: list[Buffer]) -> tuple[list[int], list[int], set[int]]:
    """Split the commands of a graph into those that need to run once for given constants, and the others.

    A command runs every time if it uses an input, or memory that a command which runs every time writes.

    Parameters
    ----------
    graph : Graph
        All commands of the model.
    arrays : sequence of Array
        The memory of each buffer.
    buffers : list of Buffer

    Returns
    -------
    once, always : list of int
        Numbers of commands.
    kept : set of int
        Intermediate buffers that the first of them use, which no other command writes.

    Raises
    ------
    PackageError
        If a command may write to a constant.
    """
    numbers = {x._block: number for number, x in enumerate(arrays) if x is not None and x._block is not None}
    uses: list[set[int]] = []
    writes: list[set[int]] = []
    for position, node in enumerate(graph.nodes):
        known = [(numbers[block], may_write) for block, _, _, may_write in node.bindings if block in numbers]
        uses.append({number for number, _ in known})
        writes.append({number for number, may_write in known if may_write})
        if any(buffers[number].kind == "constant" for number in writes[-1]):
            raise PackageError(f"command {position}, {node.name!r}, may write to a constant")
    changing = {number for number, buffer in enumerate(buffers) if buffer.kind == "input"}
    always: set[int] = set()
    grows = True
    while grows:
        found = {position for position, used in enumerate(uses) if used & changing}
        grows = found != always
        always = found
        changing |= {number for position in always for number in writes[position]}
    once = [position for position in range(len(uses)) if position not in always]
    used_once = {number for position in once for number in uses[position]}
    return once, sorted(always), {number for number in used_once if buffers[number].kind == "intermediate"}
