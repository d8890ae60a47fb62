"""Library files: what is written opens without a compiler; what is damaged or foreign is refused."""

from __future__ import annotations

import struct

import numpy as np
import pytest

import metalpy as mp
from metalpy.compiler import libraryfile
from metalpy.compiler.cache import Cache
from metalpy.compiler.compilation import compile_source
from metalpy.compiler.options import make_options
from metalpy.compiler.source import read_source
from tests.helpers.process import python

TEXT = """#include <metal_stdlib>
using namespace metal;
struct Pair { float a; int b; };
constant int power [[function_constant(3)]];
kernel void scale(device float* x, constant Pair& p, uint i [[thread_position_in_grid]]) { x[i] = x[i] * p.a + p.b; }
kernel void raise_to(device float* x, uint i [[thread_position_in_grid]]) {
  float result = 1;
  for (int k = 0; k < power; ++k) result *= x[i];
  x[i] = result;
}
kernel void total(device int* x, uint i [[thread_position_in_grid]]) {
  int sum = simd_sum(x[i]);
  threadgroup_barrier(mem_flags::mem_device);
  x[i] = sum;
}
"""


@pytest.fixture
def file(tmp_path):
    """A library file with `power` 3."""
    store = Cache(tmp_path / "cache")
    compiled = compile_source(read_source(TEXT), make_options(), store)
    path = tmp_path / "library.mtlp"
    size = libraryfile.write_library(path, compiled, compiled.constant_values({"power": 3}))
    assert size == path.stat().st_size
    return path


def check(lib):
    x = mp.array([1, 2, 3], dtype=np.float32)
    lib.scale(x, {"a": 2, "b": 1})
    assert x.tolist() == [3, 5, 7]
    lib.raise_to(x)
    assert x.tolist() == [27, 125, 343]
    n = mp.arange(32, dtype=np.int32)
    lib.total(n)
    assert n.tolist() == [496] * 32


def test_kernels_run(file):
    lib = mp.load_library(file)
    assert list(lib) == ["scale", "raise_to", "total"]
    assert [f.name for f in lib.scale.arguments[1].type.fields] == ["a", "b"]
    assert lib.scale.max_threads_per_threadgroup == 1024
    check(lib)


WITHOUT_COMPILER = """
import sys
for name in ("ziglang", "llvmlite"):
    sys.modules[name] = None
import numpy as np
import metalpy as mp
lib = mp.load_library(sys.argv[1])
x = mp.array([2, 3], dtype=np.float32)
lib.raise_to(x)
print(x.tolist(), [m for m in sys.modules if m.startswith("metalpy.compiler.") and sys.modules[m]])
try:
    mp.mps.compile_shader("kernel void k() {}")
except mp.UnsupportedError:
    print("no compiler")
"""


def test_no_compiler_is_needed(file, tmp_path):
    done = python("-c", WITHOUT_COMPILER, file, METALPY_CACHE_DIR=str(tmp_path / "empty"), METALPY_CLANG="")
    assert done.stdout.startswith("[8.0, 27.0]"), done.stderr
    assert "frontend" not in done.stdout and "lowering" not in done.stdout


def test_other_function_constants_are_compiled_from_the_file(file):
    x = mp.array([2, 3], dtype=np.float32)
    mp.load_library(file).raise_to.specialize(power=2)(x)
    assert x.tolist() == [4, 9]


def test_code_for_a_better_processor_is_made_anew(file, monkeypatch):
    monkeypatch.setattr(libraryfile, "cpu_features", lambda: frozenset())
    check(mp.load_library(file))


def test_code_for_a_better_processor_without_a_compiler(file, monkeypatch):
    monkeypatch.setattr(libraryfile, "cpu_features", lambda: frozenset())
    monkeypatch.setattr(libraryfile.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(mp.UnsupportedError, match=r"a processor that has .*, which this one lacks.*pip install"):
        mp.load_library(file)


def test_code_for_another_machine(file, monkeypatch):
    monkeypatch.setattr(libraryfile, "machine", lambda: "plan9 mips")
    with pytest.raises(mp.UnsupportedError, match=r"was compiled on \w+ \w+, and this is plan9 mips"):
        mp.load_library(file)


@pytest.mark.parametrize("where", [0, 4, 20, 200, -40, -1])
def test_damaged_file(file, where):
    data = bytearray(file.read_bytes())
    data[where] ^= 0x10
    file.write_bytes(data)
    with pytest.raises(mp.LibraryError, match=str(file)):
        mp.load_library(file)


@pytest.mark.parametrize("keep", [0, 7, 15, 16, 100, -1])
def test_truncated_file(file, keep):
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(mp.LibraryError, match=r"not a metalpy library|truncated or damaged"):
        mp.load_library(file)


def test_longer_file(file):
    file.write_bytes(file.read_bytes() + b"x")
    with pytest.raises(mp.LibraryError, match="truncated or damaged"):
        mp.load_library(file)


def test_file_of_another_format(file):
    data = file.read_bytes()
    file.write_bytes(data[:8] + struct.pack("<I", 99) + data[12:])
    with pytest.raises(mp.LibraryError, match=rf"format 99, and this metalpy reads format {libraryfile.FORMAT}\b"):
        mp.load_library(file)


def test_no_library(tmp_path):
    path = tmp_path / "kernels.metal"
    path.write_text(TEXT)
    with pytest.raises(mp.LibraryError, match="is not a metalpy library"):
        mp.load_library(path)
    with pytest.raises(FileNotFoundError):
        mp.load_library(tmp_path / "absent.mtlp")


def test_nothing_is_left_of_a_file_that_cannot_be_written(tmp_path):
    store = Cache(tmp_path / "cache")
    compiled = compile_source(read_source(TEXT), make_options(), store)
    with pytest.raises(mp.CompileError, match="power"):
        libraryfile.write_library(tmp_path / "x.mtlp", compiled, {})
    with pytest.raises(OSError):
        libraryfile.write_library(tmp_path / "no" / "x.mtlp", compiled, compiled.constant_values({"power": 1}))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache"]


def test_library_errors_are_value_errors():
    assert issubclass(mp.LibraryError, ValueError) and issubclass(mp.LibraryError, mp.MetalError)
