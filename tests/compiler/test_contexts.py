"""Overloads told apart by copies of functions for the spaces that their arguments come in."""

import numpy as np
import pytest

import metalpy as mp

HEAD = """
#include <metal_stdlib>
using namespace metal;
int f(device int* p) { return 1 + p[0]; }
int f(constant int* p) { return 2 + p[0]; }
int f(threadgroup int* p) { return 3 + p[0]; }
int f(thread int* p) { return 4 + p[0]; }
"""

# What the kernel writes; its second argument is 10, 11 ...
RIGHT = {
    "through functions": (
        [11, 4, 15],
        """
template <class T> int twice_down(T p) { return f(p); }
template <class T> int down(T p, int n) { return n > 3 ? twice_down(p) : 0; }
kernel void k(device int* o, device int* in) { threadgroup int t[1]; t[0] = 1; int x = 11;
  int a = down(in, 5), b = down(t, 6), c = down(&x, 7); o[0] = a; o[1] = b; o[2] = c; }
""",
    ),
    "one function for several spaces": (
        [11, 24, 4],
        """
static __attribute__((noinline)) int g(const thread int* p) { return f((thread int*)p); }
static __attribute__((noinline)) int g(const device int* p) { return f((device int*)p); }
static __attribute__((noinline)) int g(const threadgroup int* p) { return f((threadgroup int*)p); }
kernel void k(device int* o, device int* in) { threadgroup int t[1]; t[0] = 1; int x = 20;
  int a = g(in), b = g(&x), c = g(t); o[0] = a; o[1] = b; o[2] = c; }
""",
    ),
    "objects that hold pointers": (
        [11, 5, 12],
        """
template <class P> struct Held { P p; int n; int get() const { return f(p); } void by(int i) { p += i; } };
kernel void k(device int* o, device int* in) { int x = 1; Held<device int*> d{in, 1}; Held<thread int*> t{&x, 2};
  int a = d.get(), b = t.get(); d.by(1); o[2] = d.get(); o[0] = a; o[1] = b; }
""",
    ),
    "functions that return pointers": (
        [13, 5, 15],
        """
template <class P> P at(P p, int i) { return p + i; }
template <class P> P either(P p, P q, bool b) { return b ? at(p, 1) : at(q, 2); }
kernel void k(device int* o, device int* in) { int x[3] = {1, 1, 1};
  int a = f(either(in, in, o[0] != 0)), b = f(either(x + 0, x + 0, true)), c = f(at(at(in, 2), 2)); o[0] = a; o[1] = b; o[2] = c; }
""",
    ),
    "pointers that functions set": (
        [12, 5],
        """
void set(thread device int*& p, device int* q) { p = q + 1; }
struct Two { device int* p; thread int* q; };
Two two(device int* p, thread int* q) { Two t; t.p = p; t.q = q; return t; }
kernel void k(device int* o, device int* in) { device int* p = nullptr; set(p, in); int x = 1;
  int a = f(p), b = f(two(in, &x).q); o[0] = a; o[1] = b; }
""",
    ),
    "lambdas": (
        [11, 15, 4],
        """
template <class F> int call(F g) { return g(); }
kernel void k(device int* o, device int* in) { threadgroup int t[1]; t[0] = 1; int x = 11;
  auto a = [&] { return f(&x); }; auto b = [=] { return f(in); }; auto c = [=](auto p) { return f(p); };
  int first = call(b), second = a(), third = call([&] { return c(&t[0]); }); o[0] = first; o[1] = second; o[2] = third; }
""",
    ),
    "methods of objects in a space": (
        [21, 7],
        """
struct S { int v; int get() const device { return v + 11; } int get() const thread { return v + 4; } };
template <class T> struct Outer { T inner; int both() const device { return inner.get(); } int both() const thread { return inner.get(); } };
kernel void k(device int* o, device int* in) { Outer<S> s{{3}}; int a = ((device Outer<S>*)in)->both(), b = s.both(); o[0] = a; o[1] = b; }
""",
    ),
    "instructions that are seldom": (
        [12, 5, 11],
        """
struct Pair { device int* p; float v; }; struct Deep { Pair pair; };
Deep deep(device int* p) { return Deep{Pair{p, 1.0f}}; }
struct Only { thread int* p; }; Only only(thread int* p) { return {p}; }
kernel void k(device int* o, device int* in) { int x = 1; asm volatile("" :: "r"(x));
  int a = f(deep(in + 1).pair.p), b = f(only(&x).p); o[0] = a; o[1] = b; o[2] = f((device int*)(((uintptr_t)in + 3) & ~3ul)); }
""",
    ),
    "loops over pointers": (
        [36, 23],
        """
template <class P> int sum(P p, P end) { int s = 0; for (; p != end; ++p) s += f(p); return s; }
kernel void k(device int* o, device int* in) { int x[2] = {7, 8}; int a = sum(in, in + 3), b = sum(x + 0, x + 2); o[0] = a; o[1] = b; }
""",
    ),
    "copies of objects that hold pointers": (
        [11, 11],
        """
struct Large { int pad[20]; device int* p; };
int ask(Large l) { Large other = l; other.pad[3] = 1; return f(other.p); }
kernel void k(device int* o, device int* in) { Large l; l.p = in; Large m = l; int a = ask(m); o[0] = a; o[1] = ask(l); }
""",
    ),
    "overloads that call each other": (
        [113, 13],
        """
int g(device int* p, int n);
int g(thread int* p, int n) { return 10 + n; }
int g(device int* p, int n) { int x = 0; return 100 + g(&x, n); }
kernel void k(device int* o, device int* in) { int x = 0; int a = g(in, 3), b = g(&x, 3); o[0] = a; o[1] = b; }
""",
    ),
    "pointers set through pointers": (
        [12, 14, 11],
        """
struct Slot { thread device int** p; };
void set(Slot s, device int* q) { *s.p = q; }
void put(thread device int** a, thread device int** b, bool first, device int* q) { *(first ? a : b) = q; }
kernel void k(device int* o, device int* in) { device int* p = in; device int* q = in; Slot s{&p}; set(s, in + 1); int a = f(p);
  put(&p, &q, o[0] == 0, in + 3); auto g = [&] { q = in; }; int b = f(p); g(); o[2] = f(q); o[0] = a; o[1] = b; }
""",
    ),
    "what a constant argument decides": (
        [11, 4],
        """
int one(const device int* p, const thread int* q, bool first) { return f(first ? (device int*)p : (device int*)q); }
template <class P, class Q> int other(P p, Q q, bool first) { if (first) return f((P)p); return f((Q)q); }
kernel void k(device int* o, device int* in) { int x = 0; int a = one(in, &x, true), b = other(in, &x, false); o[0] = a; o[1] = b; }
""",
    ),
    "pointers to functions": (
        [11, 4, 12],
        """
int g(device int* p) { return f(p); }
template <class P> int h(P p) { return f(p); }
template <class F, class P> int call(F function, P p) { return function(p); }
int call_down(int (*function)(device int*), device int* p) { return call(function, p); }
kernel void k(device int* o, device int* in) { int x = 0; int (*second)(device int*) = h<device int*>;
  int a = call(g, in), b = call(h<thread int*>, &x), c = call_down(second, in + 1); o[0] = a; o[1] = b; o[2] = c; }
""",
    ),
    "constants of the program": (
        [7, 8],
        """
constant int table[2] = {5, 6};
template <class P> int down(P p) { return f(p); }
kernel void k(device int* o, device int* in) { int a = down(table), b = f(table + 1); o[0] = a; o[1] = b; }
""",
    ),
}

OPEN = {
    "a pointer in a buffer": """
struct Scene { device int* p; };
kernel void k(device int* o, constant Scene& scene) { o[0] = f(scene.p); }
""",
    "a pointer that is set through another": """
kernel void k(device int* o) { int x = 0; const thread int* p = &x; const thread int* q = &x; const thread int** r = o[2] ? &p : &q;
  *r = (const thread int*)o; o[0] = f((thread int*)p); }
""",
    "a pointer that may be either": """
int g(const thread int* p) { return f((thread int*)p); }
kernel void k(device int* o) { int x = 0; const thread int* p = o[1] ? (const thread int*)o : &x; o[0] = g(p); }
""",
}


@pytest.mark.parametrize("name", RIGHT)
def test_the_overload_that_metal_takes(name):
    expected, program = RIGHT[name]
    out, given = mp.zeros(4, dtype=np.int32), mp.asarray(np.arange(10, 20, dtype=np.int32))
    kernel = mp.mps.compile_shader(HEAD + program).k
    kernel(out, given, threads=1)
    assert np.asarray(out).tolist()[: len(expected)] == expected


@pytest.mark.parametrize("name", OPEN)
def test_what_cannot_be_told_is_refused(name):
    with pytest.raises(mp.CompileError, match="depends on the address space of its argument 1"):
        mp.mps.compile_shader(HEAD + OPEN[name])


def test_a_space_that_no_overload_is_for():
    program = """
int f(device int* p) { return 1; }
int f(thread int* p) { return 2; }
int g(const threadgroup int* p) { return f((threadgroup int*)p); }
kernel void k(device int* o) { threadgroup int t[1]; o[0] = g(t); }"""
    with pytest.raises(mp.CompileError, match="kernel 'k' calls 'f' with an address space that no overload is for"):
        mp.mps.compile_shader(program)


def test_inputs_outside_functions_beside_overloads():
    program = """
uint i [[thread_position_in_grid]];
int f(device int* p) { return 1 + int(i); }
int f(thread int* p) { return 2; }
kernel void k(device int* o) { int x; o[i] = 10 * f(o) + f(&x); }"""
    out = mp.zeros(3, dtype=np.int32)
    mp.mps.compile_shader(program).k(out, threads=3)
    assert out.tolist() == [12, 22, 32]


def test_a_program_whose_functions_become_too_large_says_so(monkeypatch):
    monkeypatch.setattr("metalpy.compiler.spaces._MOST_LINES", 5)
    with pytest.raises(mp.CompileError, match=r"'f' has overloads for different address spaces.* lines") as caught:
        mp.mps.compile_shader(HEAD + RIGHT["lambdas"][1] + "// too large")
    assert caught.value.lineno == 4


def test_copies_keep_the_lines_of_their_functions(monkeypatch, capfd):
    """LLVM complains on the error stream if two functions share a description, and drops them all."""
    monkeypatch.setenv("METALPY_EXECUTOR", "checked")
    expected, program = RIGHT["one function for several spaces"]
    out, given = mp.zeros(4, dtype=np.int32), mp.asarray(np.arange(10, 20, dtype=np.int32))
    mp.mps.compile_shader(HEAD + program).k(out, given, threads=1)
    assert np.asarray(out).tolist()[: len(expected)] == expected
    assert capfd.readouterr().err == ""
