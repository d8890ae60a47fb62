"""The order in which a function's blocks count as coming, on graphs small enough to see."""

import pytest

from metalpy.compiler.convergence import order_meetings
from metalpy.compiler.order import weak_order


@pytest.mark.parametrize(
    ("edges", "order", "loops"),
    [
        ({"a": ["b", "c"], "b": ["c"], "c": []}, "abc", []),
        ({"a": ["c", "b"], "b": ["c"], "c": []}, "abc", []),  # the join comes behind both ways
        ({"a": ["x", "h"], "h": ["x", "b"], "b": ["h"], "x": []}, "ahbx", ["hb"]),  # what follows comes behind the loop
        ({"a": ["a", "x"], "x": []}, "ax", ["a"]),
        ({"a": ["o"], "o": ["i", "x"], "i": ["j"], "j": ["i", "l"], "l": ["o"], "x": []}, "aoijlx", ["oijl", "ij"]),
    ],
)
def test_weak_order(edges, order, loops):
    found = []
    assert "".join(weak_order(list(edges), edges, found)) == order
    assert ["".join(sorted(loop.members)) for loop in found] == ["".join(sorted(loop)) for loop in loops]


def test_functions_without_meetings_stay_as_they_are():
    ir = "define void @f() {\n  ret void\n}\ndeclare i32 @mp_simd_lane()\n"
    assert order_meetings(ir) == ir


def test_a_loop_meets_on_its_way_back():
    ir = """define void @f(i1 %c) {
entry:
  br label %loop

loop:
  %i = phi i32 [ 0, %entry ], [ %j, %loop ]
  %j = call i32 @mp_simd_sum_i32(i32 %i)
  br i1 %c, label %loop, label %end

end:
  ret void
}
declare i32 @mp_simd_sum_i32(i32)
"""
    text = order_meetings(ir)
    assert "phi i32 [ 0, %entry ], [ %j, %mp.repeat.2.3 ]" in text
    assert text.index("@mp_site(i32 1)") < text.index("@mp_simd_sum_i32(i32 %i)") < text.index("@mp_site(i32 2)")
    assert "  br i1 %c, label %mp.repeat.2.3, label %end" in text


def test_a_first_block_without_a_name_that_only_leads_on_is_kept():
    ir = """define void @f(i1 %0) {
  br label %2

2:
  %3 = phi i32 [ 0, %1 ], [ %4, %2 ]
  %4 = call i32 @mp_simd_sum_i32(i32 %3)
  br i1 %0, label %2, label %5

5:
  ret void
}
"""
    assert order_meetings(ir).startswith("define void @f(i1 %0) {\n  br label %2\n\n2:\n")
