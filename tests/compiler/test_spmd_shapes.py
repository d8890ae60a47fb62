"""What values are across lanes: the same, at known distances, or anything."""

from __future__ import annotations

import pytest

from metalpy.compiler.spmd.flow import EXIT
from metalpy.compiler.spmd.ir import Unsupported, parse_function
from tests.helpers.spmd import INPUTS, WIDTH, function, graph, seen, shape, shapes_of

LANES = range(WIDTH)


def strides(step):
    return tuple(step * lane for lane in LANES)


UNIFORM = strides(0)


@pytest.mark.parametrize(
    ("body", "offsets"),
    [
        ("%r = add i32 %n, 5", UNIFORM),
        ("%r = add i32 %i, %n", strides(1)),
        ("%r = sub i32 %n, %i", strides(-1)),
        ("%r = sub i32 %i, %i", UNIFORM),
        ("%r = mul i32 12, %i", strides(12)),
        ("%r = shl nuw i32 %i, 3", strides(8)),
        ("%r = mul i32 %i, %n", None),  # the distance is not known
        ("%r = shl i32 1, %i", None),
        ("%r = mul i32 %i, %i", None),
        ("%r = xor i32 %i, 1", None),
        ("%a = shl i32 %i, 1\n %r = or disjoint i32 %a, 1", strides(2)),
        ("%r = urem i32 %i, %n", None),
        ("%r = udiv i32 %n, 3", UNIFORM),
        ("%r = sdiv i32 %i, 2", None),
        ("%f = uitofp i32 %n to float\n %r = fmul float %f, 2.0", UNIFORM),
        ("%r = uitofp i32 %i to float", None),
        ("%c = icmp eq i32 %n, 3\n %r = select i1 %c, i32 %i, i32 %i", strides(1)),
        ("%c = icmp eq i32 %n, 3\n %r = select i1 %c, i32 %i, i32 %n", None),
        ("%c = icmp eq i32 %i, 3\n %r = select i1 %c, i32 %n, i32 %n", None),
        ("%r = icmp ult i32 %i, %n", None),
        ("%r = freeze i32 %n", UNIFORM),
    ],
)
def test_arithmetic(body, offsets):
    assert shape(body).offsets == offsets


@pytest.mark.parametrize(
    ("body", "offsets"),
    [
        # %i is a multiple of 32, plus the lane.
        ("%r = lshr i32 %i, 2", tuple(lane >> 2 for lane in LANES)),
        ("%r = lshr i32 %i, 5", UNIFORM),
        ("%r = lshr i32 %i, 9", UNIFORM),
        ("%r = and i32 %i, 7", tuple(lane & 7 for lane in LANES)),
        ("%r = and i32 %i, 63", strides(1)),
        ("%r = and i32 %i, 6", None),
        ("%a = add i32 %i, 1\n %r = lshr i32 %a, 2", None),  # starts anywhere
        ("%a = add i32 %i, %n\n %r = and i32 %a, 7", None),
        ("%m = shl i32 %n, 5\n %a = add i32 %i, %m\n %r = and i32 %a, 7", tuple(lane & 7 for lane in LANES)),
        ("%r = icmp ult i32 %i, 64", UNIFORM),  # lanes fill a block, and 64 is a border
        ("%r = icmp ugt i32 %i, 63", UNIFORM),
        ("%r = icmp slt i32 %i, 96", UNIFORM),
        ("%r = icmp ult i32 %i, 65", None),
        ("%r = icmp ule i32 %i, 64", None),
        ("%r = icmp eq i32 %i, 64", None),
        ("%a = add i32 %i, 8\n %r = icmp ult i32 %a, 64", None),
    ],
)
def test_alignment_of_the_first_lane(body, offsets):
    assert shape(body).offsets == offsets


@pytest.mark.parametrize(
    ("body", "lanes"),
    [
        ("%r = call i32 @mp_simd_lane()", tuple(LANES)),
        ("%l = call i32 @mp_simd_lane()\n %r = xor i32 %l, 4", tuple(lane ^ 4 for lane in LANES)),
        ("%l = call i32 @mp_simd_lane()\n %r = urem i32 %l, 5", tuple(lane % 5 for lane in LANES)),
        ("%l = call i32 @mp_simd_lane()\n %a = trunc i32 %l to i4\n %r = sext i4 %a to i32",
         tuple((lane % 16 - 16 if lane % 16 > 7 else lane % 16) % (1 << 32) for lane in LANES)),
        ("%l = call i32 @mp_simd_lane()\n %r = icmp ult i32 %l, 3", tuple(int(lane < 3) for lane in LANES)),
        ("%r = and i32 %i, 31", tuple(LANES)),
        ("%a = and i32 %i, 3\n %r = mul i32 %a, 10", tuple(10 * (lane & 3) for lane in LANES)),
    ],
)  # fmt: skip
def test_constant_patterns(body, lanes):
    assert shape(body).lanes == lanes


@pytest.mark.parametrize(
    ("row", "x", "y"),
    [
        (32, strides(1), UNIFORM),
        (16, tuple(lane % 16 for lane in LANES), tuple(lane // 16 for lane in LANES)),
        (0, None, None),
    ],
)
def test_positions(row, x, y):
    assert shape("%r = load i32, ptr %thread", row=row).offsets == x
    assert shape("%a = getelementptr i8, ptr %thread, i64 4\n %r = load i32, ptr %a", row=row).offsets == y
    assert shape("%r = add i32 %i, 0", row=row).offsets == strides(1)
    made = shapes_of(function("%r = load <2 x i32>, ptr %thread\n ret void"), row)
    assert [s.offsets for s in made.defined("%r")] == [x, y]
    assert made.positions == {0, 1}


def test_x_in_rows_of_16_is_constant():
    assert shape("%r = load i32, ptr %thread", row=16).lanes == tuple(lane % 16 for lane in LANES)
    assert shape("%r = load i32, ptr %thread", row=32).lanes is None


# ---- numbers that wrap around ----


@pytest.mark.parametrize(
    ("body", "relaxed"),
    [
        ("%r = zext i32 %i to i64", False),
        ("%a = add i32 %i, %n\n %r = zext i32 %a to i64", True),  # some lanes may have wrapped around
        ("%a = mul i32 %i, 4\n %r = zext i32 %a to i64", False),
        ("%a = sub i32 %n, %i\n %r = sext i32 %a to i64", True),
        ("%a = add i32 %i, %n\n %r = getelementptr float, ptr %b, i32 %a", True),
        ("%a = zext i32 %i to i64\n %r = getelementptr float, ptr %b, i64 %a", False),
        ("%c = trunc i32 %i to i16\n %r = zext i16 %c to i64", False),
        ("%c = trunc i32 %i to i16\n %a = mul i16 %c, 512\n %r = sext i16 %a to i64", False),
    ],
)
def test_bases_for_addresses_only(body, relaxed):
    made = shape(body)
    assert made.offsets is not None and made.relaxed is relaxed


@pytest.mark.parametrize(
    "body",
    [
        # Lane 16 has 256, which 8 bits hold as 0.
        "%a = shl i32 %i, 4\n %c = trunc i32 %a to i8\n %r = zext i8 %c to i32",
        "%c = trunc i32 %i to i8\n %a = shl i8 %c, 4\n %r = lshr i8 %a, 4",
        "%c = trunc i32 %i to i16\n %a = shl i16 %c, 12\n %r = zext i16 %a to i64",
        "%c = trunc i32 %i to i16\n %a = mul i16 %c, 2048\n %r = sext i16 %a to i64",  # beyond the sign
        # A table is read by numbers that wrap around, as in table[uchar(i + n)].
        "%c = trunc i32 %i to i8\n %d = trunc i32 %n to i8\n %a = add i8 %c, %d\n %r = zext i8 %a to i64",
    ],
)
def test_narrow_numbers_that_wrap_around_vary(body):
    assert shape(body).offsets is None


# ---- memory, calls, vectors ----


def test_addresses_and_what_is_there():
    made = shapes_of(
        function("""
  %w = zext i32 %i to i64
  %far = getelementptr { i32, float }, ptr %b, i64 %w, i32 1
  %near = getelementptr float, ptr %b, i64 3
  %one = load float, ptr %near
  %all = load float, ptr %far
  ret void""")
    )
    assert made.defined("%far")[0].offsets == strides(8) and made.defined("%near")[0].is_uniform
    assert made.defined("%one")[0].is_uniform and made.defined("%all")[0].offsets is None


@pytest.mark.parametrize(
    ("body", "offsets"),
    [
        ("%r = call i32 @mp_simd_sum_i32(i32 %i)", UNIFORM),
        ("%r = call i32 @mp_simdgroup_index()", UNIFORM),
        ("%r = call i32 @mp_simd_shuffle_u32(i32 %i, i32 %n)", UNIFORM),
        ("%r = call i32 @mp_simd_shuffle_u32(i32 %i, i32 %i)", None),
        ("%r = call i32 @mp_simd_prefix_inclusive_sum_i32(i32 %n)", None),
        ("%f = uitofp i32 %n to float\n %r = call float @sinf(float %f)", UNIFORM),
        ("%r = call float @unknown(i32 %n)", None),
        ("%r = call i32 @llvm.umin.i32(i32 %n, i32 %i)", None),
        ("%r = atomicrmw add ptr %b, i32 1 monotonic", None),
    ],
)
def test_calls(body, offsets):
    assert shape(body).offsets == offsets


def test_vectors_by_component():
    made = shapes_of(
        function("""
  %v = insertelement <2 x i32> <i32 poison, i32 7>, i32 %i, i64 0
  %w = add <2 x i32> %v, splat (i32 4)
  %s = shufflevector <2 x i32> %w, <2 x i32> %v, <3 x i32> <i32 1, i32 0, i32 3>
  %r = extractelement <2 x i32> %w, i64 0
  %q = extractelement <2 x i32> %w, i32 %n
  ret void""")
    )
    assert [s.offsets for s in made.defined("%w")] == [strides(1), UNIFORM]
    assert [s.offsets for s in made.defined("%s")] == [UNIFORM, strides(1), UNIFORM]
    assert made.defined("%r")[0].offsets == strides(1) and made.defined("%q")[0].offsets is None


@pytest.mark.parametrize(
    ("body", "size"),
    [
        ("%q = getelementptr float, ptr %v, i64 2\n %r = load float, ptr %q", 4),
        ("%q = getelementptr float, ptr %v, i32 %i\n store <2 x float> zeroinitializer, ptr %q", 4),
        ("%q = getelementptr i8, ptr %v, i64 2\n %r = load float, ptr %q", None),  # in between two elements
        ("%q = getelementptr float, ptr %v, i64 2\n %r = load i16, ptr %q\n %s = load float, ptr %v", None),
        ("store ptr %v, ptr %v", None),
        ("store ptr %v, ptr %b", None),  # somebody else may look
        ("call void @use(ptr %v)", None),
        ("call void @llvm.lifetime.start.p0(ptr %v)\n store half 0.0, ptr %v", 2),
    ],
)
def test_variables_in_memory_interleaved_by_lane(body, size):
    made = shapes_of(function(f"%v = alloca [8 x float]\n {body}\n ret void"))
    assert made.interleaved.get("%v") == size
    assert made.defined("%v")[0].offsets == strides(size or 32)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("%r = getelementptr i8, ptr %thread, i32 %n", "thread's record"),
        ("%r = load i64, ptr %thread", "thread's record"),
        ("%r = getelementptr i8, <2 x ptr> poison, <2 x i64> zeroinitializer", "vector of pointers"),
    ],
)
def test_what_is_not_known(body, message):
    with pytest.raises(Unsupported, match=message):
        shapes_of(function(f"{body}\n ret void"))


# ---- control flow ----


@pytest.mark.parametrize(
    ("edges", "divergent", "joins"),
    [
        ({"a": "b c", "b": "d", "c": "d", "d": ""}, "a", "d"),
        ({"a": "?b c", "b": "d", "c": "d", "d": ""}, "", ""),
        ({"a": "b c", "b": "c", "c": ""}, "a", "c"),
        # Where two of three ways meet, and where all do.
        ({"a": "b c", "b": "?d e", "c": "e", "d": "f", "e": "f", "f": ""}, "a", "ef"),
        ({"a": "?b c", "b": "d e", "d": "f", "e": "f", "f": "g", "c": "g", "g": ""}, "b", "f"),
        # A way that only rejoins what it left.
        ({"a": "b c", "b": "?d e", "d": "g", "e": "g", "g": "f", "c": "f", "f": ""}, "a", "f"),
    ],
)
def test_joins(edges, divergent, joins):
    made = shapes_of(graph(**edges))
    assert made.divergent == set(divergent)
    assert made.joins - {EXIT} == set(joins)


def test_a_lane_that_ends_meets_the_others_at_the_exit_alone():
    made = shapes_of(graph(a="x b", b="", x=""))
    assert made.joins == {EXIT}


MEETING = """define void @f(ptr %group, ptr %thread) {{
entry:{inputs}
  %c = icmp eq i32 %{by}, 3
  br i1 %c, label %yes, label %no
yes:
  br label %end
no:
  br label %end
end:
  %r = phi i32 [ {yes}, %yes ], [ {no}, %no ]
  ret void
}}"""


@pytest.mark.parametrize(
    ("by", "yes", "no", "offsets"),
    [
        ("n", "%i", "%i", strides(1)), ("n", "1", "2", UNIFORM), ("n", "%i", "2", None),
        ("i", "1", "2", None), ("i", "%n", "%n", None), ("i", "1", "1", UNIFORM),
    ],
)  # fmt: skip
def test_values_that_meet(by, yes, no, offsets):
    made = shapes_of(parse_function(MEETING.format(inputs=INPUTS, by=by, yes=yes, no=no)))
    assert made.defined("%r")[0].offsets == offsets


LOOP = """define void @f(ptr %group, ptr %thread) {{
entry:{inputs}
  br label %loop
loop:
  %k = phi i32 [ {start}, %entry ], [ %next, %more ]
  %next = add i32 %k, {step}
  %c = icmp ult i32 %k, %{until}
  br i1 %c, label %more, label %end
more:
  br label %loop
end:
  %left = phi i32 [ %k, %loop ]
  %r = add i32 %k, 0
  ret void
}}"""


@pytest.mark.parametrize(
    ("start", "step", "until", "inside", "outside"),
    [
        ("0", "1", "n", UNIFORM, UNIFORM),
        ("%i", "1", "n", strides(1), None),  # the condition differs from lane to lane
        ("0", "1", "i", UNIFORM, None),  # lanes leave at different times
        ("0", "%i", "n", None, None),
    ],
)
def test_values_of_a_loop(start, step, until, inside, outside):
    text = LOOP.format(inputs=INPUTS, start=start, step=step, until=until)
    made = shapes_of(parse_function(text))
    assert made.defined("%k")[0].offsets == inside
    assert seen(made, "%k", "end").offsets == outside
    assert made.defined("%r")[0].offsets == outside and made.defined("%left")[0].offsets == outside
    assert [loop.header for loop in made.divergent_loops] == (["loop"] if outside is None else [])
    assert made.leaves_loop("%k", "end") is (outside is None)
    assert not made.leaves_loop("%k", "more") and not made.leaves_loop("%n", "end")


def test_only_the_loop_that_lanes_leave_at_different_times_diverges():
    edges = {"a": "o", "o": "?i x", "i": "i l", "l": "o", "x": ""}
    assert [loop.header for loop in shapes_of(graph(**edges)).divergent_loops] == ["i"]
    edges = {"a": "o", "o": "i x", "i": "?i l", "l": "o", "x": ""}
    assert [loop.header for loop in shapes_of(graph(**edges)).divergent_loops] == ["o"]
    edges = {"a": "o", "o": "i x", "i": "x l", "l": "o", "x": ""}  # the way out lies in the inner block
    assert [loop.header for loop in shapes_of(graph(**edges)).divergent_loops] == ["o"]
    edges = {"a": "o", "o": "?i x", "i": "j x", "j": "?i l", "l": "o", "x": ""}  # one branch leaves both
    assert sorted(loop.header for loop in shapes_of(graph(**edges)).divergent_loops) == ["i", "o"]
