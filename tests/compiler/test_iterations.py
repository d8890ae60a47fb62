"""Marks that keep simdgroup functions in their iteration: where they are put, and that none is left in the end."""

import llvmlite.binding as llvm
import pytest

from metalpy.compiler.assembly import Assembly
from metalpy.compiler.cache import Cache
from metalpy.compiler.compilation import compile_source
from metalpy.compiler.iterations import keep_in_iterations
from metalpy.compiler.options import make_options
from metalpy.compiler.source import read_source

SUM = "declare i32 @mp_simd_sum_i32(i32) convergent"
CONDITION = "declare i1 @condition()"


def marked(body):
    text = f'target triple = "x86_64"\n\ndefine void @entry() {{\n{body}\n}}\n\n{SUM}\n{CONDITION}\n'
    made = keep_in_iterations(text, Assembly(text), "entry")
    llvm.parse_assembly(made).verify()
    return text, made


def count(text):
    return text.count("call void @mp_repeat()"), text.count("call i1 @mp_stays()")


LOOP = """
  br label %head
head:
  %more = call i1 @condition()
  br i1 %more, label %body, label %end
body:
  {body}
next:
  br label %head
end:
  ret void"""
MEET = "call i32 @mp_simd_sum_i32(i32 1)"


@pytest.mark.parametrize(
    ("body", "marks"),
    [
        ("br label %next", (0, 0)),  # none to keep
        (f"{MEET}\n  br label %next", (1, 0)),  # in each iteration
        (f"%c = call i1 @condition()\n  br i1 %c, label %arm, label %next\narm:\n  {MEET}\n  br label %next", (1, 0)),
        (f"%c = call i1 @condition()\n  br i1 %c, label %arm, label %next\narm:\n  {MEET}\n  br label %end", (1, 1)),
        (f"%c = call i1 @condition()\n  br i1 %c, label %end, label %arm\narm:\n  {MEET}\n  br label %next", (1, 0)),
    ],
)
def test_a_loop(body, marks):
    text, made = marked(LOOP.format(body=body))
    assert count(made) == marks
    if marks == (0, 0):
        assert made == text


def test_several_ways_back_become_one():
    _, made = marked(LOOP.format(body=f"{MEET}\n  %c = call i1 @condition()\n  br i1 %c, label %head, label %next"))
    assert count(made) == (1, 0)
    assert made.count("br label %head") == 2, "on the way in, and where all iterations end"


def test_values_come_from_where_a_block_ends_now():
    body = f"""%c = call i1 @condition()
  br i1 %c, label %arm, label %next
arm:
  %x = {MEET}
  br label %join
join:
  %y = phi i32 [ %x, %arm ]
  br label %end"""
    _, made = marked(LOOP.format(body=body))
    assert count(made) == (1, 1)


@pytest.mark.parametrize("executor", ["spmd", "reference"])
def test_no_mark_is_left(executor, tmp_path, monkeypatch):
    monkeypatch.setenv("METALPY_EXECUTOR", executor)
    source = """
#include <metal_stdlib>
using namespace metal;
kernel void k(device int* x, uint i [[thread_position_in_grid]]) {
  for (int j = 0; j < x[0]; j++) {
    if (x[i] == j) { x[i] = simd_sum(j); break; }
    x[i] += simd_max(j);
  }
}"""
    made = compile_source(read_source(source), make_options(), Cache(tmp_path))
    code = made.lowered("k")
    assert code.executor == executor
    assert b"mp_repeat" not in code.code and b"mp_stays" not in code.code
