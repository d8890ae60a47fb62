"""What a simdgroup keeps while it waits at a barrier."""

from __future__ import annotations

import re

import pytest

from metalpy.compiler.spmd.layout import Layout
from metalpy.compiler.spmd.suspend import split_at_barriers

VARIABLES = {"%a": "i32", "%b": "<32 x float>", "%c": "i64", "%d": "i32"}


def done(text, empty=((),), start=0):
    """The result, for each barrier what is saved there with its place, and what its region restores and zeroes."""
    lines = [line if line.endswith(":") else f"  {line}" for line in text.strip().split("\n")]
    made = split_at_barriers(lines, VARIABLES, [set(e) for e in empty], Layout(""), start)
    regions = ["\n".join(region) for region in made.lines]
    saved, restored, zeroed = {}, {}, {}
    for region in regions:
        for part in re.split(r'\n(?=")', region):
            if number := re.search(r"ret i32 (\d+)$", part):
                pairs = re.findall(r"%save\.\S+ = load .*, ptr (%\w+)\n.*i64 (\d+)", part)
                saved.setdefault(int(number[1]), {}).update((name, int(at)) for name, at in pairs)
    for number, region in enumerate(regions[1:], 1):
        back = re.findall(r"%back\.\S+ = .*i64 (\d+)\n.*\n  store .*, ptr (%\w+)", region)
        restored[number] = {name: int(at) for at, name in back}
        zeroed[number] = set(re.findall(r'"go.on":\n  store \S+.* zeroinitializer, ptr (%\w+)', region))
    return made, {n: (saved.get(n, {}), restored[n], zeroed[n]) for n in restored}


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
    before, behind = ("\n".join(region) for region in made.lines)
    assert "%x = load" not in before and "store i32 1" not in behind
    assert before.endswith("ret i32 1") and behind.index("%back") < behind.index("%x = load")


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


def test_what_was_known_to_be_zero_is_saved_where_it_is_not():
    """Lanes may come to wait between two barriers, or not; the frame holds nothing yet."""
    made, found = done(
        """
"start":
store i64 0, ptr %c
br label %"m"
"m":
; suspend 1
br label %"n"
"n":
; suspend 2
%x = load i64, ptr %c
ret i32 -1
""",
        [{"%c"}, ()],
    )
    assert "%save" in "\n".join(made.lines[1])
    assert found == {1: ({}, {}, {"%c"}), 2: ({"%c": 0}, {"%c": 0}, set())}


def test_without_barriers_there_is_one_region():
    made = split_at_barriers(['"start":', "  store i32 1, ptr %a", "  ret i32 -1"], VARIABLES, [], Layout(""), 0)
    assert made.frame_bytes == 0 and made.lines[0][-2:] == ["  store i32 1, ptr %a", "  ret i32 -1"]
    assert len(made.lines) == 1


def test_variables_that_no_barrier_keeps_together_share_a_place():
    made, found = done(
        """
"start":
store i32 1, ptr %a
br label %"m"
"m":
; suspend 1
%x = load i32, ptr %a
store i32 %x, ptr %d
br label %"n"
"n":
; suspend 2
%y = load i32, ptr %d
ret i32 -1
""",
        empty=((), ()),
    )
    assert found == {1: ({"%a": 0}, {"%a": 0}, set()), 2: ({"%d": 0}, {"%d": 0}, set())}
    assert made.frame_bytes == 64


def test_variables_that_a_barrier_keeps_together_have_their_own_places():
    _, found = done("""
"start":
store i32 1, ptr %a
store i32 2, ptr %d
br label %"m"
"m":
; suspend 1
%x = load i32, ptr %a
%y = load i32, ptr %d
ret i32 -1
""")
    assert found == {1: ({"%a": 0, "%d": 8}, {"%a": 0, "%d": 8}, set())}
