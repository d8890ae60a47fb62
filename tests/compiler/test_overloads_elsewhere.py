"""Overloads that are defined outside their class, friends, templates with defaults of their own, and what macros make."""

import numpy as np
import pytest

import metalpy as mp

HEAD = "#include <metal_stdlib>\nusing namespace metal;\n"

# What the kernel writes.
RIGHT = {
    "members defined outside": (
        [1, 2, 3, 4],
        """
struct S { int v; int f(device int* p); int f(thread int* p); int g() const device; int g() const thread; };
int S::f(device int* p) { return 1; }
int S::f(thread int* p) { return 2; }
int S::g() const device { return 3; }
int S::g() const thread { return 4; }
kernel void k(device int* o) { S s; int x; int r = ((device S*)o)->g(); o[0] = s.f(o); o[1] = s.f(&x); o[2] = r; o[3] = s.g(); }
""",
    ),
    "one of two defined outside": (
        [1, 2],
        """
struct S { int f(device int* p) { return 1; } int f(thread int* p); };
int S::f(thread int* p) { return 2; }
kernel void k(device int* o) { S s; int x; o[0] = s.f(o); o[1] = s.f(&x); }
""",
    ),
    "members of templates": (
        [1, 2, 3, 4],
        """
template <class T> struct S { T v; T f(device T* p); T f(thread T* p); };
template <class T> T S<T>::f(device T* p) { return 1; }
template <class T> T S<T>::f(thread T* p) { return 2; }
struct R { template <class T> int f(device T* p) const; template <class T> int f(thread T* p) const; };
template <class T> int R::f(device T* p) const { return 3; }
template <class T> int R::f(thread T* p) const { return 4; }
kernel void k(device int* o) { S<int> s; R r; int x; o[0] = s.f(o); o[1] = s.f(&x); o[2] = r.f(o); o[3] = r.f(&x); }
""",
    ),
    "constructors and static methods": (
        [1, 2, 3, 4],
        """
namespace n { struct S { int v; S(device int* p); S(thread int* p); static int f(device int* p); static int f(thread int* p); }; }
n::S::S(device int* p) : v(1) {}
n::S::S(thread int* p) : v{2} {}
int n::S::f(device int* p) { return 3; }
int n::S::f(thread int* p) { return 4; }
kernel void k(device int* o) { int x; o[0] = n::S(o).v; o[1] = n::S(&x).v; o[2] = n::S::f(o); o[3] = n::S::f(&x); }
""",
    ),
    "functions of a namespace": (
        [1, 2],
        """
namespace n { int f(device int* p); int f(thread int* p); }
int n::f(device int* p) { return 1; }
int n::f(thread int* p) { return 2; }
kernel void k(device int* o) { int x; o[0] = n::f(o); o[1] = n::f(&x); }
""",
    ),
    "friends": (
        [3, 4, 5, 6],
        """
struct V { int x; friend int operator+(device V& a, int b) { return 3; } friend int operator+(thread V& a, int b) { return 4; } };
template <class T> struct W { T x; friend T get(const device W& a) { return 5; } friend T get(const thread W& a) { return 6; } };
kernel void k(device int* o) { V v; W<int> w; int a = *(device V*)o + 1, b = get(*(device W<int>*)o); o[0] = a; o[1] = v + 1; o[2] = b; o[3] = get(w); }
""",
    ),
    "declared friends": (
        [3, 4],
        """
class V; int get(const device V& a); int get(const thread V& a);
class V { int x; friend int get(const device V& a); friend int get(const thread V& a); public: V() : x(4) {} };
int get(const device V& a) { return a.x + 3; }
int get(const thread V& a) { return a.x; }
kernel void k(device int* o) { V v; int r = get(*(device V*)o); o[0] = r; o[1] = get(v); }
""",
    ),
    "templates with different defaults": (
        [1, 2, 7, 4],
        """
template <class T, int N = 1> int f(device T* p) { return N; }
template <class T, int N = 2> int f(thread T* p) { return N; }
template <class T, class U = int> int g(device T* p) { return sizeof(U); }
template <class T, class U = short> int g(thread T* p) { return sizeof(U); }
kernel void k(device int* o) { int x; o[0] = f(o); o[1] = f(&x); o[2] = f<int, 7>(&x); o[3] = g(o); }
""",
    ),
    "templates whose default is of a type that is deduced": (
        [4, 12, 8],
        """
template <class T, class U = float> int f(device T* p, U u = 0) { return sizeof(U); }
template <class T, class U = half> int f(thread T* p, U u = 0) { return sizeof(U) + 10; }
kernel void k(device int* o) { int x; o[0] = f(o); o[1] = f(&x); o[2] = f(o, 1l); }
""",
    ),
    "nothing but defaults differs": (
        [1, 2, 5],
        """
int f(device int* p, int n = 1) { return n; }
int f(thread int* p, int n = 2) { return n; }
kernel void k(device int* o) { int x; o[0] = f(o); o[1] = f(&x); o[2] = f(o, 5); }
""",
    ),
    "made by macros within macros": (
        [4],
        """
#define ALL(C) ONE(C, thread); ONE(C, device); ONE(C, constant);
#define ONE(C, S) \\
  C(thread, S);   \\
  C(device, S);   \\
  C(constant, S);
#define MADE(TYPE) TYPE() thread = default; TYPE() device = default;
#define GET(S1, S2) int get(const S1 V& o) const S2 { return v + o.v; }
#define CONVERT(S) operator int() const S { return v; }
struct V { int v; MADE(V); ALL(GET); CONVERT(thread); CONVERT(device); };
kernel void k(device int* o) { V a, b; a.v = 1; b.v = 2; o[0] = a.get(b) + int(a); }
""",
    ),
    "made by macros, with names of their own": (
        [3, 2],
        """
#define GET(S, N) int get_##S(const S int* p) { return N; }
#define ALL(C) C(thread, 3); C(device, 2);
ALL(GET)
kernel void k(device int* o) { int x = 3; o[0] = get_thread(&x); o[1] = get_device(o); }
""",
    ),
    "what is deleted for objects in a space": (
        [5, 7],
        """
template <class T> struct A { T v; A() threadgroup = default; A() thread = default; A() device = delete; A(const device A&) threadgroup = delete;
  thread A& operator=(const device A&) thread = delete; device A& operator=(const device A&) device = delete; };
struct B { int v; B() device = delete; B() thread : v(7) {} };
kernel void k(device int* o) { A<int> a; a.v = 5; threadgroup A<int> t; t.v = a.v; o[0] = t.v; B b; o[1] = b.v; }
""",
    ),
}


@pytest.mark.parametrize("name", RIGHT)
@pytest.mark.parametrize("executor", ["spmd", "reference"])
def test_the_function_that_metal_takes(name, executor, monkeypatch):
    monkeypatch.setenv("METALPY_EXECUTOR", executor)
    expected, program = RIGHT[name]
    out = mp.zeros(4, dtype=np.int32)
    mp.mps.compile_shader(HEAD + program).k(out, threads=1)
    assert np.asarray(out).tolist()[: len(expected)] == expected


def test_a_friend_that_its_arguments_do_not_find_is_refused():
    program = "struct S { friend int f(device int* p) { return 1; }\nfriend int f(thread int* p) { return 2; } };"
    with pytest.raises(mp.CompileError, match="overload for another address space"):
        mp.mps.compile_shader(program)
