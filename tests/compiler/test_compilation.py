"""What makes a program new to the cache, and what does not; options."""

from __future__ import annotations

import os
import threading

import pytest

from metalpy.compiler.cache import Cache
from metalpy.compiler.compilation import compile_source
from metalpy.compiler.executor import SPMD, Lowered
from metalpy.compiler.options import make_options
from metalpy.compiler.source import read_source
from metalpy.errors import MetalError

TEXT = "kernel void k(device float* x, uint i [[thread_position_in_grid]]) { x[i] = 1; }\n"


@pytest.fixture
def store(tmp_path):
    return Cache(tmp_path / "cache")


def build(store, text=TEXT, **options):
    """Compile and lower; returns how many entries were not in the cache."""
    before = store.statistics.misses
    made = make_options(**options)
    compilation = compile_source(read_source(text, include_dirs=made.include_dirs), made, store)
    for name in compilation.kernels:
        compilation.native(name)
    return store.statistics.misses - before


def test_same_program_is_known(store):
    assert build(store) > 0
    assert build(store) == 0


@pytest.mark.parametrize(
    "options",
    [{"defines": {"A": 1}}, {"math_mode": "fast"}, {"math_mode": "relaxed"}],
    ids=["defines", "fast", "relaxed"],
)
def test_options_make_another_program(store, options):
    build(store)
    assert build(store, **options) > 0
    assert build(store, **options) == 0


def test_other_text_makes_another_program(store):
    build(store)
    assert build(store, TEXT.replace("= 1", "= 2")) >= 2


def test_comment_makes_no_other_kernel(store):
    """The text is new, so clang runs; what it makes of it is not, once positions are left out."""
    build(store)
    assert build(store, TEXT + "// a comment\n") <= 2


def test_included_file_is_part_of_the_program(store, tmp_path):
    header = tmp_path / "h.h"
    text = '#include "h.h"\n' + TEXT.replace("= 1", "= VALUE")
    header.write_text("#define VALUE 1\n")
    build(store, text, include_dirs=tmp_path)
    assert build(store, text, include_dirs=tmp_path) == 0
    status = header.stat()
    header.write_text("#define VALUE 2\n")
    os.utime(header, (status.st_atime, status.st_mtime))  # content counts, not time
    assert build(store, text, include_dirs=tmp_path) > 0


def test_lost_intermediate_code_is_made_again(store):
    made = make_options()
    text = TEXT + TEXT.replace("void k", "void other")
    first = compile_source(read_source(text), made, store)
    first.native("k")
    for path in store.folder.rglob("*.ir"):
        path.unlink()
    again = compile_source(read_source(text), made, store)
    assert again.native("other").exists()


def test_specialisations_are_entries_of_their_own(store):
    text = "constant int n [[function_constant(0)]];\nkernel void k(device int* x) { *x = n; }\n"
    compilation = compile_source(read_source(text), make_options(), store)
    paths = {compilation.native("k", {0: value}) for value in (1, 2, 3)}
    assert len(paths) == 3
    assert compilation.native("k", {0: 2}) in paths


def test_options_in_any_order_are_equal():
    assert make_options(defines={"A": 1, "B": 2}) == make_options(defines={"B": 2, "A": 1})
    assert make_options(defines={"A": True}) == make_options(defines={"A": 1})
    assert make_options(include_dirs="x") == make_options(include_dirs=["x"])


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({"math_mode": "quick"}, ValueError), ({"defines": {"a b": 1}}, ValueError), ({"defines": {1: 1}}, ValueError),
        ({"defines": {"A": "1\n2"}}, ValueError), ({"defines": {"A": "1\r2"}}, ValueError),
        ({"defines": {"A": "1\0"}}, ValueError), ({"defines": {"A": [1]}}, TypeError), ({"defines": "A=1"}, TypeError),
    ],
)  # fmt: skip
def test_bad_options(options, kind):
    with pytest.raises(kind):
        make_options(**options)


def test_threads_that_need_the_same_kernel_compile_it_once(store, monkeypatch):
    compilation = compile_source(read_source(TEXT), make_options(), store)
    lowered, started = [], threading.Barrier(4)

    def lower(program, number, values, shape):
        lowered.append(number)
        return Lowered(b"code", SPMD)

    def look(key, kind, load=store.load):
        found = load(key, kind)
        if kind == ".so":
            started.wait(20)  # all have looked before any stores
        return found

    monkeypatch.setattr("metalpy.compiler.lowering.lower", lower)
    monkeypatch.setattr(store, "load", look)
    paths = []
    threads = [threading.Thread(target=lambda: paths.append(compilation.native("k"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert lowered == [0]
    assert len(paths) == 4 and len(set(paths)) == 1
    monkeypatch.undo()
    paths[0].unlink()
    assert compilation.native("k").exists()


@pytest.mark.parametrize(("part", "misses"), [("versions", 3), ("_compiler_identity", 3), ("cpu_identity", 1)])
def test_another_compiler_or_processor_makes_entries_of_its_own(store, monkeypatch, part, misses):
    assert build(store) > 0
    assert build(store) == 0
    changed = ("another",) if part == "versions" else "another"
    monkeypatch.setattr(f"metalpy.compiler.compilation.{part}", lambda: changed)
    assert 0 < build(store) <= misses
    assert build(store) == 0


SEVERAL = "".join(
    f"kernel void k{n}(device int* x, {type_} i [[thread_position_in_grid]]) {{ *x = {n}; }}\n"
    for n, type_ in enumerate(("uint", "uint", "uint", "uint2"))
)


@pytest.fixture
def made_by(store, monkeypatch):
    """Threads that kernels are made by, by number; code is no code."""
    made = {}

    def lower(program, number, values, shape):
        made[number] = threading.current_thread().name
        if number == 1:
            raise MetalError("this one never works")
        return Lowered(b"code", SPMD)

    monkeypatch.setattr("metalpy.compiler.lowering.lower", lower)
    monkeypatch.setattr("metalpy.compiler.ahead._processors", lambda: 2)
    yield made
    finish()


def finish():
    for thread in threading.enumerate():
        if thread.name == "metalpy ahead":
            thread.join()


def test_kernels_that_were_looked_up_are_made_beside_the_first_launched(store, made_by):
    compilation = compile_source(read_source(SEVERAL), make_options(), store)
    for name in ("k0", "k1", "k2", "k3"):
        compilation.expect(name)
    assert made_by == {}  # looking up alone makes nothing
    compilation.native("k0", shape="rows")
    finish()
    ahead = "metalpy ahead"
    assert made_by == {0: threading.current_thread().name, 1: ahead, 2: ahead, 3: ahead}
    misses = store.statistics.misses
    compilation.native("k2", shape="rows")
    assert store.statistics.misses == misses
    with pytest.raises(MetalError, match="never works"):  # from whoever needs it
        compilation.native("k1", shape="rows")


@pytest.mark.parametrize(
    ("position", "tile", "shape"),
    [
        ("uint2", "[16][16]", "half"),
        ("uint2", "[16][17]", "half"),
        ("uint3", "[8][16]", "half"),
        ("uint2", "[32][32]", "rows"),
        ("uint2", "[256]", "rows"),
        ("uint", "[16][16]", "rows"),
    ],
)
def test_shapes_of_threadgroups_are_guessed_by_tiles(store, monkeypatch, position, tile, shape):
    shapes = {}

    def lower(program, number, values, shape):
        shapes[number] = shape
        return Lowered(b"code", SPMD)

    monkeypatch.setattr("metalpy.compiler.lowering.lower", lower)
    monkeypatch.setattr("metalpy.compiler.ahead._processors", lambda: 2)
    text = f"""#include <metal_stdlib>
    kernel void first(device int* x) {{ *x = 0; }}
    kernel void tiled(device int* x, {position} i [[thread_position_in_grid]]) {{
        threadgroup float tile{tile};
        *(threadgroup float*)tile = 1;
        threadgroup_barrier(metal::mem_flags::mem_threadgroup);
        *x = *(threadgroup float*)tile;
    }}
    """
    compilation = compile_source(read_source(text), make_options(), store)
    compilation.expect("tiled")
    compilation.native("first", shape="rows")
    finish()
    assert shapes == {0: "rows", 1: shape}


def test_nothing_is_made_ahead_of_code_for_all_shapes(store, made_by):
    """Tools ask for that; launches tell their shape."""
    compilation = compile_source(read_source(SEVERAL), make_options(), store)
    compilation.expect("k2")
    compilation.native("k0")
    finish()
    assert set(made_by) == {0}


def test_kernels_with_constants_and_of_many_are_not_made_ahead(store, made_by):
    text = "constant int n [[function_constant(0)]];\n" + SEVERAL.replace("*x = 0", "*x = n")
    with_constants = compile_source(read_source(text), make_options(), store)
    many = compile_source(read_source(SEVERAL + "//"), make_options(), store)
    for number in range(20):
        with_constants.expect(f"k{number % 3}")
        many._ahead.expect(f"name{number}")
    with_constants.native("k0", {0: 1}, shape="rows")
    many.native("k2", shape="rows")
    finish()
    assert set(made_by) == {0, 2}
