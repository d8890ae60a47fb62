"""What a simdgroup keeps while it waits at a barrier."""

from __future__ import annotations

import re

import pytest

from metalpy.compiler.spmd.layout import Layout
from metalpy.compiler.spmd.suspend import suspend

VARIABLES = {"%a": "i32", "%b": "<32 x float>", "%c": "i64"}


def done(text, empty=((),), start=0):
    lines = [line if line.endswith(":") else f"  {line}" for line in text.strip().split("\n")]
    made = suspend(lines, VARIABLES, [set(e) for e in empty], Layout(""), start)
    return made, barriers(made.lines)


def barriers(lines):
    """For each barrier: the variables saved, taken from the frame and set to zero, with their places."""
    text = "\n".join(lines)
    found = {}
    for number in re.findall(r"ret i32 (\d+)\n", text):
        before = text[: text.index(f"  ret i32 {number}\n")].rsplit('":\n', 1)[1]
        behind = text[text.index(f'"resume.{number}":') : text.index(f'"after.{number}":')]
        saved = re.findall(r"%save\.\S+ = load .*, ptr (%\w+)\n.*i64 (\d+)", before)
        back = re.findall(r"%back\.\S+ = .*i64 (\d+)\n.*\n  store .*, ptr (%\w+)", behind)
        zero = re.findall(r"store \S+.* zeroinitializer, ptr (%\w+)", behind)
        found[int(number)] = ({n: int(at) for n, at in saved}, {n: int(at) for at, n in back}, set(zero))
    return found


def test_only_what_is_read_later_is_kept():
    made, found = done("""
"start":
store i32 1, ptr %a
store <32 x float> zeroinitializer, ptr %b
store i64 3, ptr %c
br label %"next"
"next":
br label %"m"
"m":
; suspend 1
%x = load i32, ptr %a
store <32 x float> splat (float 1.0), ptr %b
%y = load <32 x float>, ptr %b
ret i32 -1
""")
    assert found == {1: ({"%a": 0}, {"%a": 0}, set())}
    assert made.frame_bytes == 64
    text = "\n".join(made.lines)
    assert text.index("ret i32 1") < text.index('"resume.1":') < text.index('"after.1":') < text.index("%x = load")


def test_a_variable_that_one_way_reads():
    _, found = done("""
"start":
store i32 1, ptr %a
store i64 1, ptr %c
br label %"m"
"m":
; suspend 1
br i1 %p, label %"yes", label %"no"
"yes":
%x = load i32, ptr %a
br label %"end"
"no":
store i64 2, ptr %c
br label %"end"
"end":
%y = load i64, ptr %c
ret i32 -1
""")
    assert set(found[1][0]) == {"%a", "%c"}  # %c is overwritten on one way alone


def test_what_the_frame_holds_already_is_not_saved_again():
    _, found = done(
        """
"start":
store i32 1, ptr %a
store i64 1, ptr %c
br label %"m"
"m":
; suspend 1
store i64 2, ptr %c
br label %"n"
"n":
; suspend 2
%x = load i32, ptr %a
%y = load i64, ptr %c
ret i32 -1
""",
        [(), ()],
    )
    assert set(found[1][0]) == {"%a"}
    assert set(found[2][0]) == {"%c"} and set(found[2][1]) == {"%a", "%c"}
    assert found[1][1]["%a"] == found[2][1]["%a"]


def test_a_barrier_in_a_loop_saves_what_the_loop_changes():
    _, found = done(
        """
"start":
store i32 1, ptr %a
store i64 1, ptr %c
br label %"m"
"m":
; suspend 1
%x = load i32, ptr %a
%y = load i64, ptr %c
store i64 %y, ptr %c
br i1 %p, label %"n", label %"end"
"n":
; suspend 2
br label %"m"
"end":
ret i32 -1
""",
        [(), ()],
    )
    assert set(found[1][0]) == {"%a", "%c"}
    assert set(found[2][0]) == {"%c"} and set(found[2][1]) == {"%a", "%c"}


def test_what_is_known_to_be_zero_takes_no_room():
    made, found = done(
        """
"start":
store <32 x float> zeroinitializer, ptr %b
store i32 1, ptr %a
br label %"m"
"m":
; suspend 1
%x = load <32 x float>, ptr %b
%y = load i32, ptr %a
ret i32 -1
""",
        [{"%b", "%c"}],
    )
    assert found == {1: ({"%a": 0}, {"%a": 0}, {"%b"})}
    assert made.frame_bytes == 64


@pytest.mark.parametrize(("start", "places", "size"), [(0, (0, 64), 192), (100, (104, 128), 256)])
def test_the_frame(start, places, size):
    made, found = done(
        """
"start":
store i32 1, ptr %a
store <32 x float> zeroinitializer, ptr %b
br label %"m"
"m":
; suspend 1
%x = load <32 x float>, ptr %b
%y = load i32, ptr %a
ret i32 -1
""",
        start=start,
    )
    assert tuple(found[1][0][name] for name in ("%a", "%b")) == places  # vectors have an alignment of 64
    assert made.frame_bytes == size


def test_without_barriers_nothing_changes():
    text = '"start":\n  store i32 1, ptr %a\n  ret i32 -1'
    made = suspend(text.split("\n"), VARIABLES, [], Layout(""), 0)
    assert "\n".join(made.lines) == text and made.frame_bytes == 0
