"""A program that is compiled in parts is the same as one that is compiled whole."""

from __future__ import annotations

import os
import time

import numpy as np
import pytest

import metalpy as mp
from metalpy.compiler import compilation, frontend, parts
from metalpy.compiler.cache import Cache
from metalpy.compiler.compilation import compile_source
from metalpy.compiler.frontend import compile_program
from metalpy.compiler.libraryfile import read_library, write_library
from metalpy.compiler.options import make_options
from metalpy.compiler.parts import without_instantiations
from metalpy.compiler.rewrite import blank_for_cpp
from metalpy.compiler.source import read_source
from metalpy.errors import CacheError, CompileError

# Kernel number i adds i: templates that the program, a macro and a macro of several lines instantiate; a plain kernel,
# one in a namespace; a function constant and an input that each part needs.
PROGRAM = """#include <metal_stdlib>
using namespace metal;
constant int offset [[function_constant(0)]];
uint place [[thread_position_in_grid]];
template <int n> int more(int x) { return x + n + offset; }
template <class T, int n> [[kernel]] void add(device T* x [[buffer(0)]]) { x[place] = T(more<n>(int(x[place]))); }
template [[host_name("zero")]] [[kernel]] void add<int, 0>(device int*);
template [[host_name("one")]] kernel void add<float, 1>(device float* x [[buffer(0)]]);
typedef decltype(add<half, 2>) kernel_type;
template [[host_name("two")]] kernel kernel_type add<half, 2>;
#define ADD(name, T, n) template [[host_name(#name)]] [[kernel]] void add<T, n>(device T*);
ADD(three, short, 3) ADD(four, long, 4)
#define ADD_INT(name, n) \\
    template [[host_name(#name)]] [[kernel]] \\
    decltype(add<int, n>) add<int, n>
ADD_INT(five, 5);
kernel void six(device int* x [[buffer(0)]]) { x[place] = more<6>(x[place]); }
namespace n {
template <class T> [[kernel, max_total_threads_per_threadgroup(32)]] void add7(device T* x) { x[place] += more<7>(0); }
template [[host_name("seven")]] [[kernel]] void add7<int>(device int*);
}
"""
NAMES = "zero one two three four five six seven".split()
TYPES = "int32 float32 float16 int16 int64 int32 int32 int32".split()


@pytest.fixture
def store(tmp_path):
    return Cache(tmp_path / "cache")


def built(store, text, count):
    return compile_program(read_source(text), make_options(), store, count)


def failed(store, text, count):
    with pytest.raises(CompileError) as caught:
        built(store, text, count)
    return str(caught.value), caught.value.diagnostics


@pytest.mark.parametrize("count", [2, 3, 8])
def test_what_is_known_is_the_same(store, count):
    whole, split = built(store, PROGRAM, 1), built(store, PROGRAM, count)
    assert [kernel.name for kernel in whole.kernels] == NAMES
    for name in ("kernels", "constants", "max_threads", "inputs", "warnings"):
        assert getattr(whole, name) == getattr(split, name), name
    assert len(whole.ir) == 1 and len(split.ir) == count


def test_each_part_has_its_kernels_alone(store):
    split = built(store, PROGRAM, 3)
    for part in range(3):
        defined = [k for k in range(len(NAMES)) if f"@__mp_thread_{k}(" in split.ir[part]]
        assert defined == list(range(part, len(NAMES), 3))
    assert "@_Z3addIsLi3EEvPT_(" in split.ir[0] and "@_Z3addIsLi3EEvPT_(" not in split.ir[1]


@pytest.fixture
def in_parts(monkeypatch, tmp_path):
    """Programs are compiled in three parts, with a cache of their own."""
    store = Cache(tmp_path / "cache")
    monkeypatch.setattr(frontend, "part_count", lambda _: 3)
    monkeypatch.setattr("metalpy.compiler.compilation.default_cache", lambda: store)
    monkeypatch.setattr("metalpy.compiler.libraryfile.default_cache", lambda: store)
    return store


def check_results(library):
    kernels = dict(zip(NAMES, TYPES, strict=True))
    for number, (name, dtype) in enumerate(kernels.items()):
        values = np.arange(40).astype(dtype)
        x = mp.array(values)
        getattr(library, name).specialize({"offset": 100})(x, threads=40)
        np.testing.assert_array_equal(x.numpy(), values + np.asarray(100 + number, dtype))


def test_kernels_of_all_parts_run(in_parts):
    check_results(mp.mps.compile_shader(PROGRAM))
    assert len(list(in_parts.folder.rglob("*.ir"))) == 3


def test_part_that_the_cache_has_lost_is_made_again_as_it_was(in_parts, monkeypatch):
    library = mp.mps.compile_shader(PROGRAM)
    for path in in_parts.folder.rglob("*.ir"):
        path.unlink()
    monkeypatch.setattr(frontend, "part_count", lambda _: 1)  # on a machine with fewer cores, say
    del library
    check_results(mp.mps.compile_shader(PROGRAM))


def test_library_file_has_all_parts(in_parts, tmp_path):
    compiled = compile_source(read_source(PROGRAM), make_options(), in_parts)
    write_library(tmp_path / "library.mtlp", compiled, {0: 100})
    assert read_library(tmp_path / "library.mtlp").ir() == compiled.ir() and len(compiled.ir()) == 3
    in_parts.clear()
    check_results(mp.load_library(tmp_path / "library.mtlp"))


def test_kernels_are_told_apart_by_their_own_part(in_parts):
    """Programs that differ in one kernel have one part's code in common, and not the other's."""
    text = "".join(f"kernel void k{i}(device int* x) {{ *x = {i}; }}\n" for i in range(3))
    first, second = (
        compile_source(read_source(t), make_options(), in_parts) for t in (text, text.replace("*x = 1", "*x = 7"))
    )
    paths = [[compiled.native(f"k{i}") for i in range(3)] for compiled in (first, second)]
    assert [a == b for a, b in zip(*paths, strict=True)] == [True, False, True]


# ---- IR that is written in the background ----


def test_who_needs_large_ir_waits_until_it_is_written(in_parts, monkeypatch):
    def store_slowly(key, kind, payload, store=in_parts.store):
        time.sleep(0.2 if kind == ".ir" else 0)
        return store(key, kind, payload)

    expected = built(in_parts, PROGRAM, 3).ir
    monkeypatch.setattr(compilation, "_LARGE", 0)
    monkeypatch.setattr(in_parts, "store", store_slowly)
    compile_source(read_source(PROGRAM), make_options(), in_parts)
    monkeypatch.setattr(frontend, "compile_program", None)  # what the cache has is not made again
    assert compile_source(read_source(PROGRAM), make_options(), in_parts).ir() == expected


def test_program_works_if_its_large_ir_cannot_be_written(in_parts, monkeypatch):
    def store_others(key, kind, payload, store=in_parts.store):
        if kind == ".ir":
            raise CacheError("no space left")
        return store(key, kind, payload)

    monkeypatch.setattr(compilation, "_LARGE", 0)
    monkeypatch.setattr(in_parts, "store", store_others)
    check_results(mp.mps.compile_shader(PROGRAM))
    expected = built(in_parts, PROGRAM, 3).ir
    assert compile_source(read_source(PROGRAM), make_options(), in_parts).ir() == expected  # it is made again
    assert not list(in_parts.folder.rglob("*.ir"))


# ---- messages ----

TROUBLE = """#include <metal_stdlib>
using namespace metal;
template <class T> [[kernel]] void f(device T* x) {
  int unused;
  T local = x[0];
  x[0] = x[1].first;
}
template [[host_name("a")]] [[kernel]] void f<int2>(device int2*);
template [[host_name("b")]] [[kernel]] void f<float>(device float*);
template [[host_name("c")]] [[kernel]] void f<uint>(device int*);
"""


def test_errors_are_those_of_the_whole(store):
    assert failed(store, TROUBLE, 1) == failed(store, TROUBLE, 3)


def test_warnings_are_told_once(store):
    text = TROUBLE.replace(".first", "").replace("<uint>", "<int>")
    whole, split = built(store, text, 1), built(store, text, 3)
    told = {(w.severity, w.message, w.line, w.column) for w in whole.warnings if w.severity == "warning"}
    assert len(told) == 2
    in_parts = [(w.severity, w.message, w.line, w.column) for w in split.warnings if w.severity == "warning"]
    assert len(in_parts) == 2 and set(in_parts) == told


def test_what_clang_finds_is_mended_in_each_part(store):
    """A conditional between bfloat and float, and a name that ours hides, each in one kernel."""
    text = """#include <metal_stdlib>
    using namespace metal;
    constant float bias = 2;
    template <class T> [[kernel]] void f(device T* x) { x[0] = x[1] > T(0) ? x[1] : 0.5f; }
    template <class T> [[kernel]] void g(device T* x) { x[0] = bias; }
    template [[host_name("a")]] [[kernel]] void f<float>(device float*);
    template [[host_name("b")]] [[kernel]] void f<bfloat>(device bfloat*);
    template [[host_name("c")]] [[kernel]] void g<float>(device float*);
    """
    assert built(store, text, 3).kernels == built(store, text, 1).kernels


def test_recursion_is_found_in_any_part(store):
    text = "static int f(int n) { return n < 2 ? n : f(n - 1) + f(n - 2); }\n" + "".join(
        f"kernel void k{i}(device int* x) {{ *x = {'f(*x)' if i == 4 else i}; }}\n" for i in range(6)
    )
    assert failed(store, text, 1) == failed(store, text, 3)


# ---- how many, and what is blanked ----


@pytest.mark.parametrize(
    ("cores", "kernels", "count"),
    [(1, 5000, 1), (2, 0, 1), (2, 199, 1), (2, 200, 2), (2, 5000, 2), (64, 633, 6), (64, 5000, parts.MAX_PARTS)],
)
def test_count(monkeypatch, cores, kernels, count):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)), raising=False)
    assert parts.part_count(kernels) == count


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ('template [[host_name("a")]] kernel void f<int>(\n  device int*);\nint x;\n', [1, 2]),
        ('template [[host_name("a;{")]] [[kernel]] void f<1>(); int x;\n', [1]),
        ('#define I(n) template [[host_name(#n)]] \\\n  [[kernel]] void f<n>()\nI(1);\nkernel void k() {}\n', [1, 2]),
        ('#define I template\nkernel void k() {}\nint x;\n', []),
        ("template <class T> kernel void f(device T*) {}\n", []),
        ("template\n<class T> kernel void f(device T*);\n", []),
        ("template void f<int>(int);\nkernel void k() {}\n", []),
        ("extern template kernel void f<int>(int);\n", []),
        ("// template kernel void f<int>();\n/* template kernel void f<int>(); */\n", []),
        ("template [[kernel]] void f<int>(device int*\n#if A\n, int\n#endif\n);\n", []),
        ("void f() { x.template g<int>(kernel); T::template g<int>(kernel); p->template g<int>(kernel); }\n", []),
    ],
)  # fmt: skip
def test_instantiations_of_kernels_are_blanked(text, lines):
    rewritten = blank_for_cpp(text)
    out = without_instantiations(text, rewritten)
    assert len(out) == len(text) and out.count("\n") == text.count("\n")
    pairs = list(zip(rewritten.split("\n"), out.split("\n"), strict=True))
    assert [number for number, (before, after) in enumerate(pairs, 1) if before != after] == lines
    for number in lines:
        assert "f<" not in pairs[number - 1][1]


def test_what_stands_beside_an_instantiation_stays():
    text = 'int a; template [[host_name("f")]] [[kernel]] void f<int>(); int b;\n'
    assert without_instantiations(text, blank_for_cpp(text)).split() == ["int", "a;", "int", "b;"]


OVERLOADS = """#include <metal_stdlib>
using namespace metal;
static int f(const device int* p) { return 10; }
static int f(const thread int* p) { return 20; }
[[visible]] int twice(int x) { return 2 * x; }
kernel void a(device int* out) { out[0] = f(out); }
kernel void b(device int* out) { int own = 1; out[0] = f(&own); }
kernel void c(device int* out, visible_function_table<int(int)> t) { out[0] = t[0](out[0]); }
"""


def test_parts_tell_overloads_and_tables(in_parts):
    lib = mp.mps.compile_shader(OVERLOADS)
    out = mp.zeros(1, dtype=np.int32)
    found = []
    for name, table in (("a", ()), ("b", ()), ("c", (["twice"],))):
        lib[name](out, *table, threads=1)
        found.append(out.item())
    assert found == [10, 20, 40]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_records_of_tables_are_the_same(store, count):
    (table,) = (a for a in built(store, OVERLOADS, count).kernels[2].arguments if a.name == "t")
    assert [f.name for f in table.type.fields] == ["twice"]
