"""Which overload a call means, where they differ in address spaces and in more: what Metal says, by hand."""

import numpy as np
import pytest

import metalpy as mp

HEAD = "#include <metal_stdlib>\nusing namespace metal;\n"

# What the kernel writes, and the program.
RIGHT = {
    "template beside plain": (
        [1, 2, 3, 4],
        """
template <class T> int f(device T* p) { return 1; }
template <class T> int f(thread T* p) { return 4; }
int f(constant int* p) { return 2; }
int f(threadgroup int* p) { return 3; }
kernel void k(device int* o, constant int* c [[buffer(1)]]) {
 threadgroup int t[1]; int x; o[0]=f(o); o[1]=f(c); o[2]=f(t); o[3]=f(&x); }
""",
    ),
    "arrays of threads": (  # T x[2] is T* x
        [3, 14, 1],
        """
int f(thread const int x[2]) { return x[0] + x[1]; }
int f(device const int* x) { int local[2] = {x[0], x[1]}; return f(local) + 10; }
int g(const thread int x[2][2]) { return 1; }
int g(device const int* x) { return 2; }
kernel void k(device int* o) {
  int x[2] = {1, 2}, y[2][2]; o[0] = f(x); o[1] = 1; o[1] = f(o); o[2] = g(y);
}
""",
    ),
    "template and plain": (
        [2, 1],
        """
template <class T> int f(device T* p) { return 1; }
int f(thread int* p) { return 2; }
kernel void k(device int* o) { int x; o[0]=f(&x); o[1]=f(o); }
""",
    ),
    "template and plain same": (
        [7, 8],
        """
template <class T> int f(device T* p) { return 1; }
int f(device int* p) { return 7; }
int f(thread int* p) { return 8; }
kernel void k(device int* o) { int x; o[0]=f(o); o[1]=f(&x); }
""",
    ),
    "template and plain const": (
        [1, 2],
        """
template <class T> int f(device T* p) { return 1; }
int f(const thread int* p) { return 2; }
kernel void k(device int* o) { int x; o[0]=f(o); o[1]=f(&x); }
""",
    ),
    "template general": (
        [1, 2],
        """
template <class T> int f(T p) { return 1; }
int f(thread int* p) { return 2; }
kernel void k(device int* o) { int x; o[0]=f(o); o[1]=f(&x); }
""",
    ),
    "template general2": (
        [1, 2, 3],
        """
template <class T> int f(T p) { return 1; }
template <class T> int f(thread T* p) { return 2; }
template <class T> int f(threadgroup T* p) { return 3; }
kernel void k(device int* o) { threadgroup int t[1]; int x; o[0]=f(o); o[1]=f(&x); o[2]=f(t); }
""",
    ),
    "defaults count": (
        [1, 2, 2],
        """
int f(device int* p, int a=0) { return 1; }
int f(thread int* p) { return 2; }
kernel void k(device int* o) { int x; o[0]=f(o); o[1]=f(&x); o[2]=f(&x); }
""",
    ),
    "defaults count2": (
        [1, 2, 1],
        """
int f(device int* p) { return 1; }
int f(thread int* p, int a=3) { return a-1; }
kernel void k(device int* o) { int x; o[0]=f(o); o[1]=f(&x); o[2]=f(&x,2); }
""",
    ),
    "defaults count3": (
        [1, 2],
        """
int f(device int* p, float a=0) { return 1; }
int f(thread int* p, int a=0, int b=1) { return 2; }
kernel void k(device int* o) { int x; o[0]=f(o); o[1]=f(&x); }
""",
    ),
    "method template": (
        [1, 2],
        """
struct A { template <class T> int f(device T* p) const { return 1; } int f(thread int* p) const { return 2; } };
kernel void k(device int* o) { int x; A a; o[0]=a.f(o); o[1]=a.f(&x); }
""",
    ),
    "method defaults": (
        [1, 2],
        """
struct A { int f(device int* p, int n = 4) const { return 1; } int f(thread int* p) const { return 2; } };
kernel void k(device int* o) { int x; A a; o[0]=a.f(o); o[1]=a.f(&x); }
""",
    ),
    "operators": (
        [1, 2, 3],
        """
struct V { int x; };
int operator+(device V& a, int b) { return 1; }
int operator+(thread V& a, int b) { return 2; }
template <class T> int operator+(threadgroup V& a, T b) { return 3; }
kernel void k(device int* o) { V v; threadgroup V t; device V* d=(device V*)o; int r0=*d+1, r1=v+1, r2=t+1; o[0]=r0;o[1]=r1;o[2]=r2; }
""",
    ),
    "explicit args": (
        [1, 2, 3],
        """
template <class T> int f(device int* p) { return 1; }
template <class T> int f(thread int* p) { return 2; }
template <class T, int N> int f(thread int* p) { return N; }
kernel void k(device int* o) { int x; o[0]=f<int>(o); o[1]=f<int>(&x); o[2]=f<int,3>(&x); }
""",
    ),
    "explicit args2": (
        [12, 25],
        """
template <int N> int f(device int* p) { return 10+N; }
template <int N, class T> int f(thread T* p) { return 20+N; }
kernel void k(device int* o) { int x; o[0]=f<2>(o); o[1]=f<5>(&x); }
""",
    ),
    "variadic": (
        [1, 2, 1, 2],
        """
template <class... A> int f(device int* p, A... a) { return 1; }
template <class... A> int f(thread int* p, A... a) { return 2; }
kernel void k(device int* o) { int x; o[0]=f(o); o[1]=f(&x); o[2]=f(o,1,2); o[3]=f(&x,1,2);}
""",
    ),
    "variadic vs plain": (
        [1, 2, 1, 4],
        """
template <class... A> int f(device int* p, A... a) { return 1; }
int f(thread int* p) { return 2; }
int f(thread int* p, int a, int b) { return 4; }
kernel void k(device int* o) { int x; o[0]=f(o); o[1]=f(&x); o[2]=f(o,1,2); o[3]=f(&x,1,2);}
""",
    ),
    "namespaces reopened": (
        [1, 2],
        """
namespace a { int f(device int* p) { return 1; } }
namespace a { int f(thread int* p) { return 2; } }
kernel void k(device int* o) { int x; o[0]=a::f(o); o[1]=a::f(&x); }
""",
    ),
    "constructor template": (
        [1, 2],
        """
struct A { int v; template <class T> A(device T* p) : v(1) {} A(thread int* p) : v(2) {} };
kernel void k(device int* o) { int x; o[0]=A(o).v; o[1]=A(&x).v; }
""",
    ),
    "constructor defaults": (
        [1, 2],
        """
struct A { int v; A(device int* p, int n=0) : v(1) {} A(thread int* p) : v(2) {} };
kernel void k(device int* o) { int x; o[0]=A(o).v; o[1]=A(&x).v; }
""",
    ),
    "method object template": (
        [1, 2],
        """
struct A { int v; template <class T> int f(T t) const device { return 1; } int f(int t) const thread { return 2; } };
kernel void k(device int* o) { A a; int r=((device A*)o)->f(1); o[0]=r; o[1]=a.f(1); }
""",
    ),
    "method object default": (
        [1, 2],
        """
struct A { int v; int f(int t=0) const device { return 1; } int f() const thread { return 2; } };
kernel void k(device int* o) { A a; int r=((device A*)o)->f(); o[0]=r; o[1]=a.f(); }
""",
    ),
    "method object const": (
        [1, 2],
        """
struct A { int v; int f() device { return 1; } int f() const thread { return 2; } };
kernel void k(device int* o) { A a; int r=((device A*)o)->f(); o[0]=r; o[1]=a.f(); }
""",
    ),
    "template more special dev": (
        [1, 2, 2],
        """
template <class T> int f(device T* p) { return 1; }
template <class T> int f(thread T* p) { return 2; }
template <class T> int f(device vec<T,2>* p) { return 3; }
kernel void k(device int* o) { int x; int2 y; o[0]=f(o); o[1]=f(&x); o[2]=f(&y); }
""",
    ),
    "pointer ref": (
        [1, 2],
        """
template <class T> int f(device T& p) { return 1; }
int f(thread int& p) { return 2; }
kernel void k(device int* o) { int x=0; int r=f(o[5]); o[0]=r; o[1]=f(x); }
""",
    ),
    "two pointer cross": (
        [1, 2, 3, 4],
        """
int f(device int* a, device int* b) { return 1; }
int f(device int* a, thread int* b) { return 2; }
template <class T> int f(thread int* a, device T* b) { return 3; }
template <class T> int f(thread T* a, thread int* b) { return 4; }
kernel void k(device int* o) { int x; o[0]=f(o,o); o[1]=f(o,&x); o[2]=f(&x,o); o[3]=f(&x,&x); }
""",
    ),
    "requires": (
        [1, 2],
        """
template <class T> requires (sizeof(T)==4) int f(device T* p) { return 1; }
template <class T> int f(thread T* p) { return 2; }
kernel void k(device int* o) { int x; o[0]=f(o); o[1]=f(&x); }
""",
    ),
    "diff pointee": (
        [1, 2],
        """
int f(device void* p) { return 1; }
int f(thread int* p) { return 2; }
kernel void k(device int* o) { int x; o[0]=f(o); o[1]=f(&x); }
""",
    ),
    "value conversion": (
        [1, 2],
        """
struct S { int x; S(device int* p): x(1) {} };
int f(S s) { return s.x; }
int f(thread int* p) { return 2; }
kernel void k(device int* o) { int x; o[0]=f(o); o[1]=f(&x); }
""",
    ),
    "base pointer": (
        [1, 2],
        """
struct B { int x; }; struct D : B { };
int f(device B* s) { return 1; }
int f(thread D* p) { return 2; }
kernel void k(device int* o) { D x; o[0]=f((device D*)o); o[1]=f(&x); }
""",
    ),
    "under a condition that holds": (
        [1, 2],
        """
#define A 1
#ifdef A
int f(const device int* p) { return 1; }
int g(device int* p) { return f(p); }
#endif
int f(const thread int* p) { return 2; }
kernel void k(device int* o) { int x; o[0]=g(o); o[1]=f(&x); }
""",
    ),
    "under a condition that does not": (
        [2],
        """
#ifdef A
int f(const device int* p) { return 1; }
int g(device int* p) { return f(p); }
#endif
int f(const thread int* p) { return 2; }
kernel void k(device int* o) { int x; o[0]=f(&x); }
""",
    ),
    "method under a condition": (
        [1, 2],
        """
#define A 1
struct S { int v;
#ifdef A
int f() const device { return 1; }
#endif
int f() const thread { return 2; } };
kernel void k(device int* o) { S s; int r=((device S*)o)->f(); o[0]=r; o[1]=s.f(); }
""",
    ),
    "macro for a space": (
        [1, 2],
        """
#define GLOBAL const device
int f(GLOBAL int* p) { return 1; }
int f(thread int* p) { return 2; }
kernel void k(device int* o) { int x; o[0]=f(o); o[1]=f(&x); }
""",
    ),
    "calls from a template": (
        [21],
        """
template <class T> int g(device T* p) { return 1; }
int g(thread int* p) { return 20; }
template <class T> int f(T p) { return g(p); }
kernel void k(device int* o) { int x; o[0]=f(o)+f(&x); }
""",
    ),
    "static methods": (
        [1, 2],
        """
struct A { static int f(device int* p) { return 1; } template <class T> static int f(thread T* p) { return 2; } };
kernel void k(device int* o) { int x; o[0]=A::f(o); o[1]=A::f(&x); }
""",
    ),
    "members of a class template": (
        [1, 2, 3],
        """
template <class T> struct A { template <class U> int f(device U* p, T t) const { return 1; } int f(thread T* p, T t) const { return 2; } int f(threadgroup T* p, float t, int n=3) const { return n; } };
kernel void k(device int* o) { threadgroup int tg[1]; int x; A<int> a; o[0]=a.f(o,1); o[1]=a.f(&x,1); o[2]=a.f(tg,1); }
""",
    ),
    "deduced results": (
        [1, 2],
        """
template <class T> auto f(device T* p) { return 1; }
auto f(thread int* p) { return 2; }
kernel void k(device int* o) { int x; o[0]=f(o); o[1]=f(&x); }
""",
    ),
    "results by reference": (
        [5, 6],
        """
struct S { int v; };
template <class T> device T& f(device T& p) { p.v=5; return p; }
thread S& f(thread S& p) { p.v=6; return p; }
kernel void k(device int* o) { S s; f(*(device S*)o); o[1]=f(s).v; }
""",
    ),
    "references to arrays": (
        [1, 2],
        """
template <class T, int N> int f(threadgroup T (&a)[N]) { return 1; }
template <class T, int N> int f(thread T (&a)[N]) { return 2; }
kernel void k(device int* o) { threadgroup int t[3]; int u[3]; o[0]=f(t); o[1]=f(u); }
""",
    ),
    "templates in a namespace": (
        [1, 2],
        """
namespace n { template <typename T> struct Q { T v; }; template <class T> int f(device Q<T>* q) { return 1; } int f(thread Q<int>* q) { return 2; } }
kernel void k(device int* o) { n::Q<int> q; o[0]=f((device n::Q<int>*)o); o[1]=f(&q); }
""",
    ),
}

# Programs that cannot be told right, by the line of the overload that C++ takes.
REFUSED = {
    "namespaces const": """
namespace a { int f(const device int* p) { return 1; } }
namespace b { int f(thread int* p) { return 2; } }
using namespace a; using namespace b;
kernel void k(device int* o) { int x; o[0]=f(o); o[1]=f(&x); }
""",
    "namespaces const template": """
namespace a { template <class T> int f(device T* p) { return 1; } }
namespace b { int f(thread int* p) { return 2; } }
using namespace a; using namespace b;
kernel void k(device int* o) { int x; o[0]=f(o); o[1]=f(&x); }
""",
    "adl": """
namespace a { struct S { int v; }; template <class T> int f(device S* s, T t) { return 1; } }
int f(thread a::S* s, int t) { return 2; }
kernel void k(device int* o) { a::S s; int r=f((device a::S*)o, 1); o[0]=r; o[1]=f(&s, 1); }
""",
    "base using": """
struct B { int f(device int* p) const { return 1; } };
struct D : B { using B::f; int f(thread int* p) const { return 2; } };
kernel void k(device int* o) { int x; D d; o[0]=d.f(o); o[1]=d.f(&x); }
""",
    "base using template": """
struct B { template <class T> int f(device T* p) const { return 1; } };
struct D : B { using B::f; int f(thread int* p) const { return 2; } };
kernel void k(device int* o) { int x; D d; o[0]=d.f(o); o[1]=d.f(&x); }
""",
    "conversion template": """
struct A { int v; template <class T> operator T() const device { return 1; } operator int() const thread { return 2; } };
kernel void k(device int* o) { A a; int r=*(device A*)o; o[0]=r; o[1]=a; }
""",
    "specialised": """
template <class T> int f(device T* p) { return 1; }
template <class T> int f(thread T* p) { return 2; }
template <> int f(device int* p) { return 5; }
kernel void k(device int* o) { int x; o[0]=f(o); o[1]=f(&x); o[2]=f((device float*)o); }
""",
    "specialised2": """
template <class T> int f(device T* p) { return 1; }
template <class T> int f(thread T* p) { return 2; }
template <> int f(thread int* p) { return 6; }
kernel void k(device int* o) { int x; o[0]=f(o); o[1]=f(&x);}
""",
    "the last one under a condition": """
#define A 1
int f(const thread int* p) { return 2; }
#ifdef A
int f(device int* p) { return 1; }
#endif
kernel void k(device int* o) { int x; o[0]=f(&x);o[1]=f(o); }
""",
}


@pytest.mark.parametrize("name", RIGHT)
@pytest.mark.parametrize("executor", ["spmd", "reference"])
def test_the_overload_that_metal_takes(name, executor, monkeypatch):
    monkeypatch.setenv("METALPY_EXECUTOR", executor)
    expected, program = RIGHT[name]
    out = mp.zeros(4, dtype=np.int32)
    kernel = mp.mps.compile_shader(HEAD + program).k
    kernel(*[out] * len(kernel.arguments), threads=1)
    assert np.asarray(out).tolist()[: len(expected)] == expected


@pytest.mark.parametrize("name", REFUSED)
def test_overloads_of_several_scopes_are_never_mistaken(name):
    with pytest.raises(mp.CompileError, match="told apart only within one scope") as caught:
        mp.mps.compile_shader(HEAD + REFUSED[name])
    assert "return" in (HEAD + REFUSED[name]).splitlines()[caught.value.lineno - 1]


def test_overloads_of_several_scopes_that_are_called_rightly():
    """Unlike spaces do not matter where C++ takes the right one, and pointers in buffers are believed."""
    program = """
namespace a { template <class T> int f(device T* p) { return 1 + p[0]; } }
int f(const thread int* p) { return 2; }
using a::f;
struct Held { device int* p [[id(0)]]; };
kernel void k(device int* o, constant Held& held) {
  const int x = 0;
  int from_buffer = f(held.p);
  o[1] = f(&x);
  o[2] = from_buffer;
}"""
    assert len(mp.mps.compile_shader(HEAD + program).k.arguments) == 2


def test_overloads_beside_function_constants():
    program = """
constant int by [[function_constant(3)]];
int f(device int* p) { return by; }
int f(thread int* p) { return 2 * by; }
kernel void k(device int* o) { int x; int of_x = f(&x); o[0] = f(o); o[1] = of_x; }"""
    out = mp.zeros(2, dtype=np.int32)
    mp.mps.compile_shader(HEAD + program).k.specialize({"by": 21})(out, threads=1)
    assert out.tolist() == [21, 42]


def test_a_template_that_is_not_made_for_pointers():
    """Metal never instantiates it with one."""
    program = """
int f(constant char* p) { return 3; }
template <class T> int f(T x) { static_assert(is_integral<T>::value, "a number"); return int(x) + 1; }
kernel void k(device int* o) { o[0] = f("text"); o[1] = f(6); }"""
    out = mp.zeros(2, dtype=np.int32)
    mp.mps.compile_shader(HEAD + program).k(out, threads=1)
    assert out.tolist() == [3, 7]
    wrong = program.replace('"text"', "o").replace("char*", "int*")
    with pytest.raises(mp.CompileError, match="a number"):
        mp.mps.compile_shader(HEAD + wrong)
