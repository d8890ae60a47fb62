"""The order in which the blocks of a function take turns: a weak topological order of its control flow.

In it a loop is contiguous and everything behind it comes later (F. Bourdoncle, "Efficient chaotic iteration strategies
with widenings", FMPA 1993). Both executors let diverged lanes run in this order, so lanes meet again at the same
places.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Loop", "weak_order"]


@dataclass
class Loop:
    """A strongly connected part of the control flow, and the block where it is entered."""

    header: str
    members: set[str]


def weak_order(nodes: list[str], edges: dict[str, list[str]], loops: list[Loop]) -> list[str]:
    """Nodes in weak topological order; appends the loops found, outer before inner. `nodes` starts with the entry."""
    order: list[str] = []
    inside = set(nodes)
    for component in _components(nodes, edges):
        head = component[0]
        if len(component) == 1 and head not in edges[head]:
            order.append(head)
            continue
        members = set(component)
        loops.append(Loop(head, members))
        inner = {n: [t for t in edges[n] if t in members and t != head] for n in component}
        order.append(head)
        order += weak_order(component[1:], inner, loops)
    assert len(order) == len(inside)
    return order


def _components(nodes: list[str], edges: dict[str, list[str]]) -> list[list[str]]:
    """Strongly connected components in topological order, each with the node that is reached first in front.

    Tarjan's algorithm ("Depth-first search and linear graph algorithms", 1972) with an explicit stack.
    """
    allowed = set(nodes)
    number: dict[str, int] = {}
    low: dict[str, int] = {}
    pending: list[str] = []
    on_stack: set[str] = set()
    found: list[list[str]] = []
    for root in nodes:
        if root in number:
            continue
        work = [(root, iter(edges[root]))]
        number[root] = low[root] = len(number)
        pending.append(root)
        on_stack.add(root)
        while work:
            node, targets = work[-1]
            for target in targets:
                if target not in allowed:
                    continue
                if target not in number:
                    number[target] = low[target] = len(number)
                    pending.append(target)
                    on_stack.add(target)
                    work.append((target, iter(edges[target])))
                    break
                if target in on_stack:
                    low[node] = min(low[node], number[target])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == number[node]:
                    at = pending.index(node)
                    component = pending[at:]
                    del pending[at:]
                    on_stack.difference_update(component)
                    found.append(component)
    return found[::-1]
