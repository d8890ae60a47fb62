"""What is fetched for the next threadgroup: where it lies, and what is left to the processor."""

from __future__ import annotations

import re

import numpy as np
import pytest

import metalpy as mp
from metalpy.compiler import lowering
from metalpy.compiler.spmd.prefetch import find_moves
from tests.helpers.spmd import function, plan_of

POSITION = """
  %p.at = getelementptr i8, ptr %group, i64 52
  %p = load i32, ptr %p.at, align 4
  %s.at = getelementptr i8, ptr %group, i64 40
  %s = load i32, ptr %s.at, align 4
  %c = load i32, ptr %b, align 4
"""
MEET = "\n  call void @mp_threadgroup_barrier()\n"


def fetched(made):
    flow, shapes, _ = plan_of(made)
    return find_moves(made, flow, shapes)


def moved(body, meet=MEET):
    """How far the address ``%q``, which is loaded from, moves: names and literals, with what each is multiplied by."""
    made = function(f"{POSITION}{body}\n  %r = load i32, ptr %q, align 4{meet}  ret void")
    found = fetched(made)
    loads = {id(i): i.operands[0].text for i in made.instructions() if i.op == "load"}
    assert {loads[key] for key in found} <= {"%q"}
    return {tuple(v.text for v in product): n for moves in found.values() for product, n in moves.items()}


ROW = "%m = mul i32 %p, %c\n %a = add i32 %m, %i\n"


@pytest.mark.parametrize(
    ("body", "moves"),
    [
        (ROW + "%q = getelementptr i32, ptr %b, i32 %a", {("%c",): 4}),
        (ROW + "%w = zext i32 %a to i64\n %q = getelementptr i16, ptr %b, i64 %w", {("%c",): 2}),
        (ROW + "%t = shl i32 %a, 2\n %q = getelementptr i32, ptr %b, i32 %t", {("%c",): 16}),
        (ROW + "%t = sub i32 %n, %a\n %q = getelementptr i32, ptr %b, i32 %t", {("%c",): -4}),
        (ROW + "%t = mul i32 %n, %a\n %q = getelementptr i32, ptr %b, i32 %t", {("%c", "%n"): 4}),
        (ROW + "%t = add i32 %a, %p\n %q = getelementptr i32, ptr %b, i32 %t", {("%c",): 4, (): 4}),
        ("%m = mul i32 %p, 1024\n %q = getelementptr i32, ptr %b, i32 %m", {(): 4096}),
        # Side by side, the same for all, or anywhere.
        ("%m = mul i32 %p, 1023\n %q = getelementptr i32, ptr %b, i32 %m", {}),
        ("%m = mul i32 %p, %s\n %a = add i32 %m, %i\n %q = getelementptr i32, ptr %b, i32 %a", {}),
        ("%m = mul i32 %c, %i\n %q = getelementptr i32, ptr %b, i32 %m", {}),
        ("%m = mul i32 %p, %i\n %q = getelementptr i32, ptr %b, i32 %m", {}),
        ("%m = mul i32 %p, %p\n %q = getelementptr i32, ptr %b, i32 %m", {}),
        (ROW + "%t = udiv i32 %a, 3\n %q = getelementptr i32, ptr %b, i32 %t", {}),
        (ROW + "%t = sub i32 %a, %m\n %q = getelementptr i32, ptr %b, i32 %t", {}),
    ],
)
def test_moves(body, moves):
    assert moved(body) == moves


@pytest.mark.parametrize(("step", "count"), [(256, 1), (-256, 1), (32, 0), (128, 0), (0, 1)])
def test_loops_move_as_their_starts_do(step, count):
    """Those that go along memory step by step are left to the processor."""
    body = f"""{ROW} br label %loop
loop:
  %k = phi i32 [ %a, %entry ], [ %k.next, %loop ]
  %q = getelementptr i32, ptr %b, i32 %k
  %r = load i32, ptr %q, align 4
  %k.next = add i32 %k, {step}
  %more = icmp ult i32 %k.next, %n
  br i1 %more, label %loop, label %end
end:{MEET}"""
    made = function(f"{POSITION}{body}  ret void")
    found = [[v.text for v in product] for moves in fetched(made).values() for product in moves]
    assert found == [["%c"]] * count


def test_threads_that_never_meet_need_none():
    assert moved(ROW + "%q = getelementptr i32, ptr %b, i32 %a", meet="\n") == {}


def test_only_the_first_block_that_accesses_something_fetches_it():
    access = "%q{0} = getelementptr i32, ptr %b, i32 %a\n store i32 %n, ptr %q{0}, align 4\n"
    made = function(f"{POSITION}{ROW}{access.format(0)} br label %next\nnext:\n{access.format(1)}{MEET}  ret void")
    found = fetched(made)
    stores = [i for i in made.instructions() if i.op == "store"]
    assert [id(i) in found for i in stores] == [True, False]


ROWS = """
#include <metal_stdlib>
using namespace metal;
[[max_total_threads_per_threadgroup(256)]]
kernel void rows(device uint* totals, const device uint* in, constant uint& columns,
                 uint row [[threadgroup_position_in_grid]], uint local [[thread_index_in_threadgroup]],
                 uint lane [[thread_index_in_simdgroup]]) {
  threadgroup atomic_uint total;
  if (local == 0) atomic_store_explicit(&total, 0, memory_order_relaxed);
  threadgroup_barrier(mem_flags::mem_threadgroup);
  uint sum = 0;
  for (uint c = local; c < columns; c += 256) sum += in[row * columns + c];
  sum = simd_sum(sum);
  if (lane == 0) atomic_fetch_add_explicit(&total, sum, memory_order_relaxed);
  threadgroup_barrier(mem_flags::mem_threadgroup);
  if (local == 0) totals[row] = atomic_load_explicit(&total, memory_order_relaxed);
}
"""
FETCH = re.compile(r"call void @llvm\.prefetch\.p0\(ptr (%\w+), i32 0, [^\n]*")


@pytest.mark.parametrize("columns", [192, 64 << 8, 65 << 8])  # the last ones have rows of 64 KiB and more
def test_what_is_fetched(device, monkeypatch, columns):
    """Each fetch leaves a mark: at each 64 bytes of the next row, or, if rows are long, of the own one."""

    def marking(*arguments):
        made = vectorize(*arguments)
        made.module, count = FETCH.subn(r"store i32 1, ptr \1, align 4", made.module)
        assert count
        return made

    vectorize = lowering.vectorize
    monkeypatch.setattr(lowering, "vectorize", marking)
    monkeypatch.setenv("METALPY_EXECUTOR", "spmd")
    monkeypatch.setenv("METALPY_CACHE_DIR", "off")
    rows = 3
    source = mp.zeros((rows + 1, columns), np.uint32)
    # A kernel of its own: equal ones are compiled once in a process.
    kernel = mp.mps.compile_shader(ROWS.replace("totals[row] =", f"totals[row] = {columns} +")).rows
    kernel(mp.zeros(rows, np.uint32), source, columns, threads=256 * rows, group_size=256)
    found = np.asarray(source)
    marked = range(1, rows + 1) if columns * 4 <= 1 << 16 else range(rows)
    expected = np.zeros_like(found)
    expected[list(marked), ::16] = 1
    assert found.tolist() == expected.tolist()


def test_results_are_the_same_with_rows_fetched(device):
    source = np.random.default_rng(5).integers(0, 1 << 20, (37, 1000), np.uint32)
    totals = mp.zeros(37, np.uint32)
    mp.mps.compile_shader(ROWS).rows(totals, mp.array(source), 1000, threads=256 * 37, group_size=256)
    assert np.asarray(totals).tolist() == source.sum(axis=1, dtype=np.uint32).tolist()
