"""Where control goes when lanes have gone different ways."""

from __future__ import annotations

import random

import pytest

from metalpy.compiler.spmd.flow import EXIT
from tests.helpers.spmd import graph, plan_of

DIAMOND = {"a": "b c", "b": "d", "c": "d", "d": ""}


def test_both_ways_of_a_divergent_branch_run_in_turn():
    flow, _, plan = plan_of(graph(**DIAMOND))
    first, second = sorted("bc", key=flow.index.get)
    assert plan.turns["a"].next == {"b": first, "c": first}
    assert plan.deferred[first] == {second} and plan.turns[first].next == {"d": second}
    assert plan.deferred[second] == {"d"} and plan.turns[second].next == {"d": "d"}
    assert plan.turns["a"].certain == {"b": False, "c": False} and plan.turns[second].certain == {"d": True}
    assert (plan.turns[first].skip, plan.turns[second].skip) == (second, "d")  # no lane may have gone there
    assert plan.deferred["d"] == set() and plan.turns["d"].skip is None
    assert plan.whole == {"a", "d", EXIT}


def test_a_uniform_branch_stays_one():
    _, _, plan = plan_of(graph(**{**DIAMOND, "a": "?b c"}))
    assert plan.turns["a"].next == {"b": "b", "c": "c"} and all(plan.turns["a"].certain.values())
    assert plan.whole == {"a", "b", "c", "d", EXIT}
    assert all(turn.skip is None for turn in plan.turns.values()) and not any(plan.deferred.values())


def test_a_uniform_branch_among_lanes_that_wait():
    flow, _, plan = plan_of(graph(a="b c", b="?d e", d="f", e="f", f="g", c="g", g=""))
    waiting = plan.deferred["b"]
    for target in "de":
        assert plan.turns["b"].next[target] == min({target, *waiting}, key=flow.index.get)
    assert plan.whole == {"a", "g", EXIT}
    # Nobody has to look whether lanes wait at a block that its own branch has just sent them to.
    assert all(plan.turns["b"].certain[t] == (plan.turns["b"].next[t] == t) for t in "de")


def test_lanes_that_have_left_a_loop_wait_while_others_go_on():
    flow, _, plan = plan_of(graph(a="h", h="b x", b="h", x=""))
    (loop,) = flow.loops
    assert all(plan.deferred[name] == {"x"} for name in ("h", "b", flow.latch(loop)))
    assert plan.turns[flow.latch(loop)].next == {"h": "h"}
    assert plan.turns["h"].next == {"b": "b", "x": "b"} and plan.turns["b"].skip == "x"  # once all have left
    assert plan.whole == {"a", "x", EXIT}


def test_a_uniform_loop_needs_no_masks():
    _, _, plan = plan_of(graph(a="h", h="?b x", b="h", x=""))
    assert not any(plan.deferred.values())
    assert plan.whole == {"a", "h", "b", "mp.latch.0", "x", EXIT}


def test_what_follows_an_early_return_is_for_some_lanes():
    _, _, plan = plan_of(graph(a="x b", b="?c d", c="d", d="", x=""))
    assert plan.whole == {"a", EXIT}


# ---- any structured program, run by its plan ----


class Program:
    """Blocks of nested branches and loops with breaks, continues and returns."""

    def __init__(self, rng, loops):
        self.edges = {}
        self._rng = rng
        self._loops = loops
        self._count = 0
        self._fill(self._name(), "end", None, 4)
        self.edges["end"] = ""

    def _name(self):
        self._count += 1
        self.edges[f"n{self._count}"] = ""  # keeps the order: the entry is first
        return f"n{self._count}"

    def _branch(self, block, yes, no):
        self.edges[block] = f"{'?' if self._rng.random() < 0.4 else ''}{yes} {no}"

    def _fill(self, block, after, loop, depth):
        """Let `block` begin something that ends in `after`; `loop`: the header and what follows of the one around."""
        kinds = ["straight"] if depth == 0 else ["if", "if", "return", "break", "continue", *["loop"] * self._loops]
        kind = self._rng.choice(kinds)
        rest = self._name() if kind != "straight" else ""
        if kind == "straight":
            self.edges[block] = after
            return
        if kind == "if":
            yes, no = self._name(), self._rng.choice([rest, self._name()])
            self._branch(block, yes, no)
            self._fill(yes, rest, loop, depth - 1)
            if no != rest:
                self._fill(no, rest, loop, depth - 1)
        elif kind == "loop":
            header, body = self._name(), self._name()
            self.edges[block] = header
            self._branch(header, body, rest)
            self._fill(body, header, (header, rest), depth - 1)
        elif kind == "return" or loop is None:
            self._branch(block, "end", rest)
        else:
            self._branch(block, loop[kind == "break"], rest)
        self._fill(rest, after, loop, depth - 1)


def reachable(edges):
    """Without blocks that nothing leads to."""
    first = next(iter(edges))
    found, waiting = {first}, [first]
    while waiting:
        new = set(edges[waiting.pop()].removeprefix("?").split()) - found
        found |= new
        waiting += new
    return {name: text for name, text in edges.items() if name in found}


def run(flow, shapes, plan, rng, lanes=4):
    """Let lanes decide by chance; returns how often each block ran. Checks what the plan promises on the way."""
    everyone = set(range(lanes))
    waiting = {name: set() for name in flow.blocks}
    runs = dict.fromkeys(flow.blocks, 0)
    waiting[flow.entry] = set(everyone)
    name, looks = flow.entry, False
    while True:
        turn = plan.turns[name]
        if looks and turn.skip is not None and not waiting[name]:
            name = turn.skip
            continue
        mask, waiting[name] = waiting[name], set()
        assert mask, f"{name} runs without lanes"
        assert name not in plan.whole or mask == everyone, f"{name} runs with some lanes"
        others = {other for other, lanes in waiting.items() if lanes}
        assert others <= plan.deferred[name], f"lanes wait that {name} does not know of"
        runs[name] += 1
        assert sum(runs.values()) < 20000
        if name == EXIT:
            assert mask == everyone
            return runs
        targets = flow.succs[name]
        if name in shapes.divergent:
            for lane in mask:
                waiting[rng.choice(targets)].add(lane)
            target = targets[0]
        else:
            target = rng.choice(targets)
            waiting[target] |= mask
        name, looks = turn.next[target], not turn.certain[target]


@pytest.mark.parametrize("loops", [0, 2])
@pytest.mark.parametrize("seed", range(60))
def test_every_lane_comes_to_the_end(loops, seed):
    rng = random.Random(f"{loops} {seed}")
    flow, shapes, plan = plan_of(graph(**reachable(Program(rng, loops).edges)))
    for _ in range(10):
        runs = run(flow, shapes, plan, rng)
        if not loops:
            assert max(runs.values()) == 1  # lanes meet again wherever they can
