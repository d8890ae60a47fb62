"""Twins that are dropped without asking clang are ones that clang would complain about, and no others."""

import pytest

from metalpy.compiler.rewrite import blank_for_cpp
from metalpy.compiler.twins import drop_plain_twins


def dropped(text):
    """Lines that lose something besides what the rewriter blanks."""
    rewritten = blank_for_cpp(text)
    mended = drop_plain_twins(text, rewritten)
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
        # Bodies that differ: the error is clang's to raise.
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
