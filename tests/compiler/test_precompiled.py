"""Precompiled headers change how long compiling takes, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from metalpy.compiler import frontend, precompiled
from metalpy.compiler.cache import Cache
from metalpy.compiler.frontend import compile_program
from metalpy.compiler.options import make_options
from metalpy.compiler.source import read_source
from metalpy.errors import CompileError

TEXT = """#include <metal_stdlib>
using namespace metal;
kernel void k(device float4* x, uint i [[thread_position_in_grid]]) { x[i] = sin(x[i].wzyx) * T; }
"""
BROKEN = """#include <metal_stdlib>
using namespace metal;
kernel void k(device float4* x, uint i [[thread_position_in_grid]]) {
  x[i] = dot(x[i], x[i].xy);
  x[i] = as_type<half>(x[i]) + missing;
}
"""


@pytest.fixture
def store(tmp_path):
    return Cache(tmp_path / "cache")


def built(store, text=TEXT, **options):
    return compile_program(read_source(text), make_options(**{"defines": {"T": 2}, **options}), store)


def entries(store):
    return sorted(path for path in store.folder.rglob(f"*{precompiled.KIND}") if not path.name.startswith("."))


@pytest.fixture
def commands(monkeypatch):
    """What clang is asked to do, `-E` apart."""
    seen = []
    run = frontend.run_tool

    def run_tool(command, data=b"", *arguments, **options):
        if "-E" not in command:
            seen.append(command)
        return run(command, data, *arguments, **options)

    monkeypatch.setattr(frontend, "run_tool", run_tool)
    return seen


def without_headers(monkeypatch):
    monkeypatch.setattr(frontend, "precompiled_headers", lambda *_: None)


def test_ir_is_that_of_the_headers_as_text(store, monkeypatch):
    with_headers = built(store)
    without_headers(monkeypatch)
    as_text = built(store)
    assert with_headers.kernels == as_text.kernels

    def definitions(program):
        return sorted(name for name in program.assembly(0).reachable(["__mp_thread_0"]))

    assert definitions(with_headers) == definitions(as_text)


def test_messages_are_those_of_the_headers_as_text(store, monkeypatch):
    with pytest.raises(CompileError) as with_headers:
        built(store, BROKEN)
    assert len(entries(store)) == 1
    without_headers(monkeypatch)
    with pytest.raises(CompileError) as as_text:
        built(store, BROKEN)
    assert with_headers.value.diagnostics == as_text.value.diagnostics
    assert str(with_headers.value) == str(as_text.value)


def test_one_serves_many_programs(store, commands):
    for number in range(3):
        built(store, TEXT + f"// {number}\n", defines={"T": number, "N": 3, "vec": "vec"})
    assert len(entries(store)) == 1
    assert all("-include-pch" in command for command in commands) and len(commands) == 3


@pytest.mark.parametrize("options", [{"math_mode": "fast"}, {"language_version": "3.0"}], ids=str)
def test_options_that_headers_see_need_another(store, options):
    built(store)
    built(store, **options)
    assert len(entries(store)) == 2


def test_headers_that_have_changed_need_another(store, tmp_path, monkeypatch):
    built(store)
    monkeypatch.setattr(precompiled, "_identity", lambda: "others")
    built(store)
    assert len(entries(store)) == 2


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty"])
def test_damaged_one_is_made_again(store, damage, monkeypatch):
    built(store)
    (path,) = entries(store)
    sound = path.read_bytes()
    middle = len(sound) // 2
    other = {
        "truncated": sound[:middle],
        "flipped": sound[:middle] + bytes([sound[middle] ^ 1]) + sound[middle + 1 :],
        "empty": b"",
    }
    path.write_bytes(other[damage])
    monkeypatch.setattr(precompiled, "_sound", set())  # as in another process
    built(store, TEXT + "// again\n")
    assert store.statistics.rejected == 1
    assert entries(store) == [path] and path.read_bytes()[-48:-32] == sound[-48:-32]


def test_one_that_vanishes_in_between_is_done_without(store, commands, monkeypatch):
    built(store)
    expected = built(store).ir
    headers = frontend.precompiled_headers

    def vanishing(*arguments):
        path = headers(*arguments)
        path.unlink()
        return path

    monkeypatch.setattr(frontend, "precompiled_headers", vanishing)
    assert built(store).kernels[0].name == "k" and expected
    assert "-include-pch" in commands[-2] and "-include-pch" not in commands[-1]


def test_deleted_one_is_made_again(store):
    built(store)
    (path,) = entries(store)
    path.unlink()
    built(store)
    assert entries(store) == [path]


def test_nothing_is_kept_with_the_cache_off():
    store = Cache(None)
    built(store)
    (path,) = entries(store)
    assert "metalpy-cache-" in str(path)
    store._temporary.cleanup()  # what the end of the process does


PROCESS = """
import sys
from metalpy.compiler.cache import Cache
from metalpy.compiler.frontend import compile_program
from metalpy.compiler.options import make_options
from metalpy.compiler.source import read_source
from pathlib import Path
program = compile_program(read_source(sys.stdin.read()), make_options(defines={"T": 2}), Cache(Path(sys.argv[1])))
print(program.kernels[0].name)
"""


def test_several_processes_at_once(store):
    command = [sys.executable, "-c", PROCESS, str(store.folder)]
    pipe = subprocess.PIPE
    running = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=os.environ) for _ in range(4)]
    assert [process.communicate(TEXT)[0] for process in running] == ["k\n"] * 4
    assert len(entries(store)) == 1
    assert [path.name for path in store.folder.rglob(".new-*")] == []
