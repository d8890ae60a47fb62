"""Twins that are dropped without asking clang are ones that clang would complain about, and no others."""

import pytest

from metalpy.compiler.overloads import separate_overloads
from metalpy.compiler.rewrite import blank_for_cpp


def dropped(text):
    """Lines that lose something besides what the rewriter blanks."""
    rewritten = blank_for_cpp(text)
    mended = separate_overloads(text, rewritten).program
    assert len(mended) == len(text) and mended.count("\n") == text.count("\n")
    pairs = zip(rewritten.splitlines(), mended.splitlines(), strict=True)
    return [number for number, (before, after) in enumerate(pairs, 1) if before != after]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("int f(device int* p) { return *p; }\nint f(threadgroup int* p) { return *p; }\n", [2]),
        ("int f(const device int* p) { return *p; }\nint f(constant int* p) { return *p; }\n", [2]),
        ("struct A {\n  int g() const device { return 1; }\n  int g() const thread { return 1; }\n};\n", [3]),
        ("struct A {\n  int g() const device { return 1; }\n  int g() const constant { return 1; }\n};\n", [3]),
        ("struct A {\n  A() thread : x(0) {}\n  A() threadgroup : x(0) {}\n  int x;\n};\n", [3]),
        ("namespace n {\nint f(device int* p) { return 1; }\nint f(thread int* p) { return 1; }\n}\n", [3]),
        ("template <class T>\nT f(device T* p) { return *p; }\ntemplate <class T>\nT f(thread T* p) { return *p; }\n", [3, 4]),
        (
            "template <class T>\nstruct P<device T*> { using t = T; };\ntemplate <class T>\nstruct P<thread T*> { using t = T; };\n",
            [3, 4],
        ),
        ("#if A\nint f(device int* p) { return 1; }\nint f(thread int* p) { return 1; }\n#endif\n", [3]),
        ("thread A& operator+=(thread A& a, A b) { return a; }\ndevice A& operator+=(device A& a, A b) { return a; }\n", [2]),
    ],
)  # fmt: skip
def test_twins(text, lines):
    assert dropped(text) == lines


@pytest.mark.parametrize(
    "text",
    [
        # Bodies that differ: both stay, under names of their own.
        "int f(device int* p) { return 1; }\nint f(thread int* p) { return 2; }\n",
        # Not the same to C++: overloads that stay.
        "int f(const device int* p) { return 1; }\nint f(thread int* p) { return 1; }\n",
        "struct A {\n  int g() const device { return 1; }\n  int g() thread { return 1; }\n};\n",
        "int f(device int* p) { return 1; }\nint f(thread float* p) { return 1; }\n",
        # The very same twice is the user's mistake.
        "int f(device int* p) { return 1; }\nint f(device int* p) { return 1; }\n",
        "template <class T> struct P<device T*> { using t = T; };\ntemplate <class T> struct P<thread T*> { };\n",
        # Scopes of their own.
        "struct A {\n  int g() device { return 1; }\n};\nstruct B {\n  int g() thread { return 1; }\n};\n",
        "namespace a {\nint f(device int* p) { return 1; }\n}\nnamespace b {\nint f(thread int* p) { return 1; }\n}\n",
        # One or the other is compiled.
        "#if A\nint f(device int* p) { return 1; }\n#else\nint f(thread int* p) { return 1; }\n#endif\n",
        "#if A\nint f(device int* p) { return 1; }\n#endif\nint f(thread int* p) { return 1; }\n",
        # The same words mean something else by then.
        "#define T int\nint f(device T* p) { return 1; }\n#undef T\n#define T float\nint f(thread T* p) { return 1; }\n",
        # Kernels and calls.
        "kernel void k(device int* p) { *p = 1; }\nint x = f(1);\nkernel void l(device int* p) { *p = 1; }\n",
    ],
)
def test_others(text):
    assert dropped(text) == []


@pytest.mark.parametrize(
    ("text", "name", "arguments"),
    [
        ("int f(device int* p) { return 1; }\nint f(thread int* p) { return 2; }\n", "f", ("argument 1",)),
        # C++ would tell these apart, by const alone.
        ("int f(int a, const device int* p) { return 1; }\nint f(int b, thread int* q) { return 2; }\n", "f", ("argument 2",)),
        ("struct A {\n  int operator[](int i) const device { return 1; }\n  int operator[](int i) const thread { return 2; }\n};\n",
         "operator[]", ("object",)),
        ("struct A {\n  int v;\n  A(device int* p) : v(1) {}\n  A(thread int* p) : v(2) {}\n};\n", "A", ("argument 1",)),
        # One stands for two of the spaces.
        ("int f(device int* p) { return 1; }\nint f(constant int* p) { return 1; }\nint f(thread int* p) { return 2; }\n",
         "f", ("argument 1",)),
        # An int converts to the float of the one for the other space.
        ("int f(device int* p, float x) { return 1; }\nint f(thread int* p, int x) { return 2; }\n", "f", ("argument 1",)),
    ],
)  # fmt: skip
def test_sets_of_overloads(text, name, arguments):
    separated = separate_overloads(text, blank_for_cpp(text))
    assert [(s.name, s.arguments) for s in separated.sets] == [(name, arguments)]
    assert len(separated.program) == len(text)


@pytest.mark.parametrize(
    "text",
    [
        "int f(device int* p) { return 1; }\nint f(thread float* p) { return 2; }\n",
        "int f(device int* p) { return 1; }\nint f(thread int* p, int n) { return 2; }\n",
        # No number converts to the one for the other space, or there is none that C++ might take wrongly.
        "int f(device int* p, float2 x) { return 1; }\nint f(thread int* p, float4 x) { return 2; }\n",
        "int f(device int* p, float x) { return 1; }\nint f(thread int* p, float x) { return 1; }\n"
        "int f(device int* p, float4 x) { return 2; }\n",
        "struct A {\n  A() device { v = 1; }\n  A() thread { v = 2; }\n  int v;\n};\n",
        "struct A {\n  thread int& f(int i) thread { return v; }\n  const thread int& f(int i) const thread { return v; }\n};\n",
        "#if A\nint f(device int* p) { return 1; }\n#else\nint f(thread int* p) { return 2; }\n#endif\n",
        "kernel void k(device int* p) { *p = 1; }\nkernel void k(constant int* p) { }\n",
    ],
)
def test_no_sets_of_overloads(text):
    assert not separate_overloads(text, blank_for_cpp(text)).sets
