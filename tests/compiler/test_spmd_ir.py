"""Reading LLVM's text."""

from __future__ import annotations

import pytest

from metalpy.compiler.spmd.ir import (
    Unsupported,
    Value,
    components,
    constant_parts,
    member_span,
    parse_function,
    split_list,
)
from metalpy.compiler.spmd.layout import Layout


def only(line):
    """The instruction of a function that has one and a return."""
    made = parse_function(f"define void @f(ptr %p) {{\n  {line}\n  ret void\n}}")
    (block,) = made.blocks.values()
    (instruction,) = [*block.phis, *block.body]
    return instruction


@pytest.mark.parametrize(
    ("line", "op", "type_", "operands", "flags"),
    [
        ("%r = add nuw nsw i32 %a, 3", "add", "i32", [("i32", "%a"), ("i32", "3")], "nuw nsw"),
        ("%r = or disjoint i32 %a, 1", "or", "i32", [("i32", "%a"), ("i32", "1")], "disjoint"),
        ("%r = fmul reassoc nnan <2 x float> %a, splat (float 2.0)", "fmul", "<2 x float>",
         [("<2 x float>", "%a"), ("<2 x float>", "splat (float 2.0)")], "reassoc nnan"),
        ("%r = icmp samesign ult i64 %a, -1", "icmp", "i1", [("i64", "%a"), ("i64", "-1")], "samesign ult"),
        ("%r = fcmp fast olt <4 x float> %a, %b", "fcmp", "<4 x i1>", [("<4 x float>", "%a"), ("<4 x float>", "%b")],
         "fast olt"),
        ("%r = zext nneg <3 x i8> %a to <3 x i32>", "zext", "<3 x i32>", [("<3 x i8>", "%a")], "nneg"),
        ("%r = select i1 %c, ptr %a, ptr null", "select", "ptr", [("i1", "%c"), ("ptr", "%a"), ("ptr", "null")], ""),
        ("store volatile i32 %a, ptr %p, align 8, !tbaa !3", "store", "void", [("i32", "%a"), ("ptr", "%p")],
         "volatile"),
        ("%r = fneg float %a, !dbg !12", "fneg", "float", [("float", "%a")], ""),
    ],
)  # fmt: skip
def test_instructions(line, op, type_, operands, flags):
    made = only(line)
    assert (made.op, made.type, made.flags) == (op, type_, flags)
    assert [(v.type, v.text) for v in made.operands] == operands


@pytest.mark.parametrize(
    ("line", "type_", "align", "ordering"),
    [
        ("%r = load i32, ptr %p, align 4, !invariant.load !2", "i32", 4, ""),
        ("%r = load <4 x float>, ptr %p, align 8", "<4 x float>", 8, ""),
        ("%r = load { i32, [2 x i8] }, ptr %p, align 4", "{ i32, [2 x i8] }", 4, ""),
        ("%r = load atomic i32, ptr %p monotonic, align 4", "i32", 4, "monotonic"),
    ],
)
def test_loads(line, type_, align, ordering):
    made = only(line)
    assert (made.type, made.align, made.extra) == (type_, align, ordering)
    assert made.operands == [Value("ptr", "%p")]


def test_atomics():
    made = only('%r = atomicrmw volatile umax ptr %p, i32 %a syncscope("singlethread") monotonic, align 4')
    assert (made.op, made.type, made.flags, made.align) == ("atomicrmw", "i32", "volatile umax", 4)
    assert [v.text for v in made.operands] == ["%p", "%a"]
    made = only("%r = cmpxchg weak ptr %p, i32 %a, i32 %b monotonic monotonic, align 4")
    assert (made.type, made.flags, [v.text for v in made.operands]) == ("{ i32, i1 }", "weak", ["%p", "%a", "%b"])


@pytest.mark.parametrize(
    ("line", "callee", "operands"),
    [
        ("%r = tail call fast float @llvm.fma.f32(float %a, float 1.0, float %b) #4", "llvm.fma.f32",
         ["%a", "1.0", "%b"]),
        ('call x86_regcallcc void @"a name"(ptr noundef nonnull align 8 dereferenceable(16) %p)', "a name", ["%p"]),
        ("%r = call noundef range(i32 0, 32) i32 @mp_simd_lane()", "mp_simd_lane", []),
        ("%r = call i32 (ptr, ...) @printf(ptr @text, i32 1)", "printf", ["@text", "1"]),
        ("call void %callback(i32 3)", "", ["3"]),
    ],
)  # fmt: skip
def test_calls(line, callee, operands):
    made = only(line)
    assert (made.op, made.callee, [v.text for v in made.operands]) == ("call", callee, operands)


def test_a_function():
    made = parse_function("""define internal void @"f g"(ptr noundef %0, { ptr, i32 } %1) local_unnamed_addr #0 {
  br label %3, !llvm.loop !4

3:                                                ; preds = %3, %2
  %4 = phi i32 [ 0, %2 ], [ %5, %3 ]
  %5 = add i32 %4, 1
  switch i32 %5, label %3 [
    i32 -7, label %6
    i32 9, label %6
  ]

6:
  ret void
}""")
    assert made.name == "f g" and [p.type for p in made.parameters] == ["ptr", "{ ptr, i32 }"]
    assert list(made.blocks) == ["2", "3", "6"]  # an entry without a name has the number behind the parameters'
    (phi,) = made.blocks["3"].phis
    assert (phi.targets, [v.text for v in phi.operands]) == (["2", "3"], ["0", "%5"])
    switch = made.blocks["3"].terminator
    assert [v.text for v in switch.operands] == ["%5", "-7", "9"]
    assert switch.targets == ["3", "6", "6"] and made.blocks["3"].targets == ["3", "6"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("%r = va_arg ptr %p, i32", "the instruction 'va_arg'"),
        ("%r = alloca i32, i64 %n, align 4", "size is not constant"),
        ('call void asm sideeffect "nop", ""()', "inline assembly"),
        ("%r = extractvalue %struct %a, 0", "a member of %struct"),
    ],
)
def test_what_is_not_known(line, message):
    with pytest.raises(Unsupported, match=message):
        only(line)


def test_lists():
    assert split_list('i32 1, { i8, [2 x i8] } %a, <2 x i1> <i1 true, i1 false>, ptr @"x, y"') == [
        "i32 1", "{ i8, [2 x i8] } %a", "<2 x i1> <i1 true, i1 false>", 'ptr @"x, y"',
    ]  # fmt: skip
    assert split_list("") == []


def test_components():
    assert components("{ i32, <2 x half>, [2 x { i8, ptr }] }") == ["i32", "half", "half", "i8", "ptr", "i8", "ptr"]
    assert member_span("{ i32, <2 x half>, [2 x { i8, ptr }] }", "2,1") == (5, 7)
    assert member_span("{ i32, <2 x half>, [2 x { i8, ptr }] }", "1") == (1, 3)
    with pytest.raises(Unsupported, match="%struct"):
        components("[2 x %struct]")


@pytest.mark.parametrize(
    ("value", "parts"),
    [
        (("i32", "-5"), ["-5"]),
        (("<3 x i32>", "<i32 1, i32 poison, i32 3>"), ["1", "poison", "3"]),
        (("<2 x float>", "splat (float 1.5)"), ["1.5", "1.5"]),
        (("{ i32, ptr, half }", "zeroinitializer"), ["0", "null", "0.0"]),
        (("<2 x i8>", "undef"), ["undef", "undef"]),
        (("{ i32, <2 x i1> }", "{ i32 4, <2 x i1> <i1 true, i1 false> }"), ["4", "true", "false"]),
    ],
)
def test_constants(value, parts):
    assert constant_parts(Value(*value)) == parts


@pytest.mark.parametrize(
    ("type_", "size"),
    [
        ("i1", 1), ("i24", 4), ("half", 2), ("ptr", 8), ("<3 x float>", 16), ("<2 x i8>", 2), ("[3 x i16]", 6),
        ("{ i8, i32, i8 }", 12), ("<{ i8, i32, i8 }>", 6), ("{ i8, <4 x float> }", 32), ("%pair", 16),
        ("[2 x %pair]", 32), ("{ i64, i8, [5 x i8] }", 16),
    ],
)  # fmt: skip
def test_sizes_in_memory(type_, size):
    assert Layout("%pair = type { i32, ptr }\n").size(type_) == size


def test_members_in_memory():
    layout = Layout("%pair = type { i8, <3 x float>, [2 x i16] }\n")
    assert [layout.member("%pair", i) for i in range(3)] == [(0, "i8"), (16, "<3 x float>"), (32, "[2 x i16]")]
    assert layout.member("[4 x %pair]", 2) == (96, "%pair")
    with pytest.raises(Unsupported, match="%other"):
        layout.size("%other")


def test_names_of_blocks_in_quotes():
    text = """define void @f(i32 %0) {
  switch i32 %0, label %"a$.exit" [
    i32 1, label %"b$"
  ]

"b$":                                             ; preds = %1
  br label %"a$.exit"

"a$.exit":                                        ; preds = %"b$", %1
  %2 = phi i32 [ 1, %"b$" ], [ 2, %1 ]
  ret void
}"""
    blocks = parse_function(text).blocks
    assert [*blocks] == ["1", "b$", "a$.exit"]
    assert blocks["1"].terminator.targets == ["a$.exit", "b$"]
    assert blocks["b$"].terminator.targets == ["a$.exit"]
    assert blocks["a$.exit"].phis[0].targets == ["b$", "1"]
