"""Control flow as the vectoriser wants it."""

from __future__ import annotations

import pytest

from metalpy.compiler.spmd.flow import EXIT, Flow
from metalpy.compiler.spmd.ir import Unsupported, parse_function
from tests.helpers.spmd import graph


def test_all_ends_lead_to_one_block():
    flow = Flow(graph(a="b c", b="", c="d", d=""))
    assert flow.succs == {"a": ["b", "c"], "b": [EXIT], "c": ["d"], "d": [EXIT], EXIT: []}
    assert list(flow.blocks)[-1] == EXIT
    assert sorted(flow.preds[EXIT]) == ["b", "d"]


def test_where_ways_meet():
    flow = Flow(graph(a="b c", b="d e", c="f", d="f", e="", f=""))
    assert flow.ipdom == {"a": EXIT, "b": EXIT, "c": "f", "d": "f", "e": EXIT, "f": EXIT, EXIT: EXIT}
    flow = Flow(graph(a="b c", b="d e", d="f", e="f", f="c", c=""))
    assert (flow.ipdom["a"], flow.ipdom["b"], flow.ipdom["f"]) == ("c", "f", "c")


def test_what_is_behind_a_loop_comes_behind_it():
    flow = Flow(graph(a="h", h="x b", b="h", x=""))
    assert list(flow.blocks) == ["a", "h", "b", "mp.latch.0", "x", EXIT]
    assert [flow.index[name] for name in flow.blocks] == [0, 1, 2, 3, 4, 5]


def test_each_loop_gets_a_latch():
    flow = Flow(graph(a="o", o="i x", i="j k", j="i", k="i l", l="o", x=""))
    outer, inner = flow.loops
    assert (outer.header, inner.header) == ("o", "i")
    assert inner.members == {"i", "j", "k", flow.latch(inner)}
    assert outer.members == inner.members | {"o", "l", flow.latch(outer)}
    assert flow.preds["i"] == ["o", flow.latch(inner)]
    assert sorted(flow.preds[flow.latch(inner)]) == ["j", "k"]
    assert (flow.exits(inner), flow.exits(outer)) == ({"l"}, {"x"})
    assert [loop.header for loop in flow.loops_of["j"]] == ["o", "i"]


def test_values_of_several_ways_back_come_together_in_the_latch():
    flow = Flow(
        parse_function("""define void @f(ptr %group, ptr %thread) {
a:
  br label %h
h:
  %i = phi i32 [ 0, %a ], [ %j, %b ], [ %k, %c ]
  %s = phi i32 [ 0, %a ], [ %i, %b ], [ %i, %c ]
  %j = add i32 %i, 1
  %k = add i32 %i, 2
  br i1 poison, label %b, label %c
b:
  br i1 poison, label %h, label %x
c:
  br label %h
x:
  ret void
}""")
    )
    i, s = flow.blocks["h"].phis
    (merged,) = flow.blocks["mp.latch.0"].phis  # of %s both values are the same
    assert dict(zip(merged.targets, (v.text for v in merged.operands), strict=True)) == {"b": "%j", "c": "%k"}
    assert (i.targets, [v.text for v in i.operands]) == (["a", "mp.latch.0"], ["0", merged.result])
    assert (s.targets, [v.text for v in s.operands]) == (["a", "mp.latch.0"], ["0", "%i"])


def test_an_entry_that_is_a_loop():
    flow = Flow(graph(a="a x", x=""))
    assert flow.entry == "mp.entry" and flow.succs["mp.entry"] == ["a"]
    assert flow.loops[0].members == {"a", "mp.latch.0"}


def test_blocks_that_nothing_reaches():
    flow = Flow(
        parse_function("""define void @f(ptr %group, ptr %thread) {
a:
  br label %b
dead:
  br label %b
b:
  %r = phi i32 [ 1, %a ], [ 2, %dead ]
  ret void
}""")
    )
    assert list(flow.blocks) == ["a", "b", EXIT]
    assert flow.blocks["b"].phis[0].targets == ["a"]


def test_a_loop_without_end():
    flow = Flow(graph(a="h x", h="b", b="h", x=""))
    assert flow.exits(flow.loops[0]) == set()
    assert flow.ipdom["b"] == "mp.latch.0" and flow.ipdom["mp.latch.0"] == EXIT and flow.ipdom["a"] == EXIT


def test_a_loop_with_two_entries():
    with pytest.raises(Unsupported, match="two entries"):
        Flow(graph(a="b c", b="c x", c="b", x=""))
