"""Slices of LLVM assembly hold what is reached, and no more."""

import re

import pytest

from metalpy.compiler.assembly import Assembly, adapted, inlining, sealed

TEXT = """source_filename = "x"
target triple = "any"

%struct.S = type { i32 }
$shared = comdat any
@used = global i32 1, align 4, !dbg !4
@unused = global ptr @used
@"odd name" = constant [4 x i8] c"}\\0A@x", align 1
@given = external constant i32
@llvm.global_ctors = appending global [1 x { i32, ptr, ptr }] [{ i32, ptr, ptr } { i32 65535, ptr @init, ptr null }]

; Function Attrs: mustprogress
define internal void @init() #0 {
  store i32 3, ptr @used
  ret void
}

define void @first(ptr %0) #0 !dbg !7 {
  #dbg_value(ptr %0, !9, !DIExpression(), !8)
  %2 = load i32, ptr @given, !range !5
  %3 = call i32 @helper(ptr @"odd name"), !dbg !8
  br label %4, !llvm.loop !2
4:
  ret void, !dbg !8
}

define linkonce_odr i32 @helper(ptr %0) comdat($shared) {
  ret i32 0
}

define void @second(ptr %0) {
  call void @first.part()
  ret void
}

declare void @first.part() #0

attributes #0 = { nounwind }
!llvm.dbg.cu = !{!1}
!llvm.module.flags = !{!0}
!0 = !{i32 7, !"PIC Level", i32 2}
!1 = distinct !DICompileUnit(language: DW_LANG_C99, globals: !6)
!2 = distinct !{!2, !3}
!3 = !{!"llvm.loop.mustprogress"}
!4 = !DIGlobalVariableExpression(var: !1)
!5 = !{i32 0, i32 2}
!6 = !{!4}
!7 = distinct !DISubprogram(name: "first")
!8 = !DILocation(line: 1, scope: !7)
!9 = !DILocalVariable(name: "x")
"""


@pytest.fixture
def assembly():
    return Assembly(TEXT)


def test_what_is_reached(assembly):
    assert set(assembly.reachable(["first"])) == {
        "first", "helper", "odd name", "given", "llvm.global_ctors", "init", "used",
    }  # fmt: skip
    assert set(assembly.reachable(["first"], constructors=False)) == {"first", "helper", "odd name", "given"}
    assert set(assembly.reachable(["second"], constructors=False)) == {"second", "first.part"}


def test_calls_are_told_from_mentions(assembly):
    assert assembly.calls("first") == {"helper"}
    assert assembly.uses("first") == {"helper", "odd name", "given"}


def test_declarations_and_functions(assembly):
    assert assembly.is_declaration("first.part") and not assembly.is_declaration("first")
    assert assembly.is_function("first.part") and assembly.is_function("init") and not assembly.is_function("used")
    assert assembly.has("unused") and not assembly.has("absent")


def test_slice(assembly):
    text = assembly.slice(["first"], {"first": "entry"}, given={"given"})
    assert "@entry(ptr %0)" in text and "@first" not in text and "@second" not in text and "@unused" not in text
    assert "@given = " not in text and "load i32, ptr @given, !range !5" in text
    assert 'target triple = "any"' in text and "%struct.S = type" in text and "attributes #0" in text
    lines = text.splitlines()
    assert "!2 = distinct !{!2, !3}" in lines and "!5 = !{i32 0, i32 2}" in lines
    assert "!llvm.module.flags = !{!0}" in lines and '!0 = !{i32 7, !"PIC Level", i32 2}' in lines


def test_slice_has_no_debug_information(assembly):
    text = assembly.slice(["first"])
    assert "!dbg" not in text and "#dbg" not in text and "!DI" not in text and "llvm.dbg" not in text


def test_llvm_reads_a_slice(assembly):
    import llvmlite.binding as llvm

    module = llvm.parse_assembly(assembly.slice(["first"]))
    module.verify()
    assert {f.name for f in module.functions} == {"init", "first", "helper"}


def test_names_that_begin_alike_are_not_renamed():
    text = Assembly("define void @__mp_thread_1() {\n  call void @__mp_thread_10()\n  ret void\n}\n"
                    "define void @__mp_thread_10() {\n  ret void\n}\n")  # fmt: skip
    assert "call void @__mp_thread_10()" in text.slice(["__mp_thread_1"], {"__mp_thread_1": "__mp_thread"})


def test_adapted():
    out = adapted("""define i32 @f(i32 %a, i64 %b) #0 {
  %1 = shl i32 %a, 40
  %2 = lshr i32 %1, %a, !range !5
  %3 = ashr i64 %b, %b
  %4 = add i64 %3, 40
  br label %5, !llvm.loop !0
}

attributes #0 = { nounwind "target-cpu"="x86-64" "tune-cpu"="generic" "no-nans"="true" }
!0 = distinct !{!0, !1, !2}
!1 = !{!"llvm.loop.mustprogress"}
!2 = !{!"llvm.loop.unroll.full"}
""")
    assert out.splitlines()[1:8] == [
        "  %1 = shl i32 %a, 8",
        "  %mp.shift.0 = and i32 %a, 31",
        "  %2 = lshr i32 %1, %mp.shift.0, !range !5",
        "  %mp.shift.1 = and i64 %b, 63",
        "  %3 = ashr i64 %b, %mp.shift.1",
        "  %4 = add i64 %3, 40",
        "  br label %5, !llvm.loop !0",
    ]
    assert 'attributes #0 = { nounwind "no-nans"="true" }' in out
    assert '!{!"llvm.loop.mustprogress"}' in out and '!{!"mp.unroll.full"}' in out


SHAPED = """$shared = comdat any
@own = linkonce_odr hidden constant i32 3, comdat, align 4
@ours = internal thread_local global [4 x %"struct.a b"] undef, align 16
@given = external hidden global i32
@llvm.used = appending global [1 x ptr] [ptr @own]

define hidden void @entry(ptr noundef %0) unnamed_addr #0 {
  call void @apart.meets()
  ret void
}

define linkonce_odr hidden noundef i32 @"a helper"(ptr %0) #0 comdat($shared) align 2 {
  ret i32 0
}

define hidden void @apart() #1 {
  ret void
}

define weak_odr protected void @apart.meets() #1 comdat {
  call void @meet()
  ret void
}

declare void @meet() #0

attributes #0 = { nounwind }
attributes #1 = { noinline nounwind }
"""


def test_sealed_modules_show_nothing_but_what_is_exported():
    sealed_lines = sealed(SHAPED, {"entry"}).splitlines()
    heads = [line for line in sealed_lines if line.startswith(("@", "define", "declare", "$"))]
    assert heads == [
        "@own = internal constant i32 3, align 4",
        '@ours = internal thread_local global [4 x %"struct.a b"] undef, align 16',
        "@given = external hidden global i32",
        "@llvm.used = appending global [1 x ptr] [ptr @own]",
        "define hidden void @entry(ptr noundef %0) unnamed_addr #0 {",
        'define internal noundef i32 @"a helper"(ptr %0) #0 align 2 {',
        "define internal void @apart() #1 {",
        "define internal void @apart.meets() #1 {",
        "declare void @meet() #0",
    ]


def test_all_is_inlined_but_what_stands_apart_and_meets_nobody():
    marked = inlining(sealed(SHAPED, {"entry"}), "entry", re.compile("meet"))
    heads = {line.split("@")[1].split("(")[0]: line for line in marked.splitlines() if line.startswith("define")}
    assert heads["entry"].endswith("unnamed_addr #0 {")
    assert heads['"a helper"'].endswith("alwaysinline #0 align 2 {")
    assert heads["apart"].endswith("@apart() #1 {")
    assert heads["apart.meets"].endswith("@apart.meets() alwaysinline {")  # `noinline` went with the group


def test_llvm_reads_shaped_modules():
    import llvmlite.binding as llvm

    text = '%"struct.a b" = type { i32 }\n' + inlining(sealed(SHAPED, {"entry"}), "entry", re.compile("meet"))
    module = llvm.parse_assembly(text)
    module.verify()
    visible = [f.name for f in module.functions if not f.is_declaration and f.linkage == llvm.Linkage.external]
    assert visible == ["entry"]
