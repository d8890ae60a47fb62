"""Kernels compiled for other processors than this one: the same tests, the same bits, and what is refused."""

from __future__ import annotations

import platform

import ml_dtypes
import numpy as np
import pytest

import metalpy as mp
from metalpy.compiler import processor
from metalpy.compiler.cache import Cache
from metalpy.compiler.compilation import compile_source
from metalpy.compiler.libraryfile import write_library
from metalpy.compiler.options import make_options
from metalpy.compiler.source import read_source
from tests.helpers.case import KERNELS
from tests.helpers.process import python

if mp.device().driver != "software":
    pytest.skip("METALPY_CPU is the software device's", allow_module_level=True)
if platform.machine() != "x86_64":
    pytest.skip("the levels are those of x86-64", allow_module_level=True)

LEVELS = ["x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v4"]
TEXT = "kernel void k(device float* x, uint i [[thread_position_in_grid]]) { x[i] = 1; }\n"

# Control flow, barriers, memory and simdgroups on both executors; conversions; products of matrices.
SELECTED = "nested_loops-3-100 or switched-5-7 or (private_arrays and 100) or (between and 96-3) or scalar_types"
SELECTED += " or test_vectors or (left and 100) or conversions or test_product"
FILES = [f"tests/msl/test_{name}.py" for name in ("executors", "scalar_types", "simdgroup_matrix")]


@pytest.fixture(params=LEVELS)
def level(request, monkeypatch):
    monkeypatch.setenv("METALPY_CPU", request.param)
    lacking = processor.code_features() - processor.cpu_features()
    if lacking:
        pytest.skip(f"this processor lacks {', '.join(sorted(lacking))}")
    return request.param


def test_kernels_of_each_level_pass_the_tests(level):
    done = python(
        "-m", "pytest", "-q", "-p", "no:cacheprovider", *FILES, "-k", SELECTED, METALPY_CPU=level, timeout=600
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert "skipped" not in done.stdout


@pytest.mark.parametrize("executor", ["spmd", "reference"])
def test_conversions_of_every_half(level, executor, monkeypatch, rng):
    """In vector programs, too, where LLVM calls a function for each lane if the processor has no instruction."""
    monkeypatch.setenv("METALPY_EXECUTOR", executor)
    library = mp.mps.compile_shader(
        """kernel void widen(device float* out, const device half* x, uint i [[thread_position_in_grid]]) { out[i] = x[i]; }
        kernel void narrow(device half* out, const device float* x, uint i [[thread_position_in_grid]]) { out[i] = half(x[i]); }
        kernel void brain(device bfloat* out, const device float* x, uint i [[thread_position_in_grid]]) { out[i] = bfloat(x[i]); }
        """
    )
    halves = np.arange(65536, dtype=np.uint16).view(np.float16)
    floats = rng.integers(0, 1 << 32, 100_000, dtype=np.uint32).view(np.float32)
    floats[::2] = (rng.standard_normal(50_000) * 2.0 ** rng.integers(-28, 18, 50_000)).astype(np.float32)
    for kernel, values, dtype in [
        (library.widen, halves, np.float32),
        (library.narrow, floats, np.float16),
        (library.brain, floats, ml_dtypes.bfloat16),
    ]:
        out = mp.empty(values.size, dtype=dtype)
        kernel(out, mp.array(values))
        with np.errstate(over="ignore", invalid="ignore"):
            expected = values.astype(dtype).astype(np.float32)
        np.testing.assert_array_equal(out.numpy().astype(np.float32), expected)
        assert kernel.executor == executor


MATH = ["exp", "log2", "sin", "acosh", "rsqrt", "round"]


def math_results(executor, monkeypatch):
    """What each function gives on one processor, as bits, by type."""
    monkeypatch.setenv("METALPY_EXECUTOR", executor)
    library = mp.compile_file(KERNELS / "math_unary.metal")
    numbers = np.linspace(0.01, 99, 1001)
    found = {}
    for name in MATH:
        for kind, dtype in (("float", np.float32), ("half", np.float16)):
            x, out = mp.array(numbers.astype(dtype)), mp.empty(numbers.size, dtype=dtype)
            library[f"{name}_{kind}"](out, x)
            found[f"{name}_{kind}"] = out.numpy().tobytes()
    return found


@pytest.mark.parametrize("executor", ["spmd", "reference"])
def test_math_functions_are_the_same_on_every_processor(level, executor, monkeypatch):
    made = math_results(executor, monkeypatch)
    monkeypatch.setenv("METALPY_CPU", "native")
    native = math_results(executor, monkeypatch)
    assert [name for name in made if made[name] != native[name]] == []


@pytest.mark.parametrize("text", ["x86-64-v5", "neoverse-n1", "Native"])
def test_unknown_processors_are_refused(monkeypatch, text):
    monkeypatch.setenv("METALPY_CPU", text)
    with pytest.raises(mp.EnvironmentVariableError, match=rf"METALPY_CPU must be 'x86-64' or .* not '{text}'"):
        mp.mps.compile_shader(TEXT).k(mp.zeros(4))


def test_code_that_this_processor_cannot_run_is_written_but_not_run(monkeypatch, tmp_path):
    monkeypatch.setenv("METALPY_CPU", "x86-64-v4")
    monkeypatch.setattr(processor, "cpu_features", lambda: frozenset({"avx", "avx2"}))
    with pytest.raises(mp.UnsupportedError, match=r"METALPY_CPU=x86-64-v4 .* has abm, avx512bw, .* not run here"):
        mp.mps.compile_shader(TEXT).k(mp.zeros(4))
    compiled = compile_source(read_source(TEXT), make_options(), Cache(tmp_path / "cache"))
    assert write_library(tmp_path / "k.mtlp", compiled, {}) > 0


def test_the_least_processor_needs_nothing(monkeypatch, tmp_path):
    """A library file for it opens on all others without being compiled again."""
    monkeypatch.setenv("METALPY_CPU", "x86-64")
    compiled = compile_source(read_source(TEXT), make_options(), Cache(tmp_path / "cache"))
    write_library(tmp_path / "k.mtlp", compiled, {})
    monkeypatch.setattr("metalpy.compiler.libraryfile.cpu_features", lambda: frozenset())
    monkeypatch.setattr("metalpy.compiler.libraryfile.importlib.util.find_spec", lambda name: None)
    x = mp.zeros(4)
    mp.load_library(tmp_path / "k.mtlp").k(x)
    assert x.tolist() == [1] * 4


def test_each_processor_has_entries_of_its_own(monkeypatch, tmp_path):
    store = Cache(tmp_path / "cache")
    compiled = compile_source(read_source(TEXT), make_options(), store)
    paths = set()
    for cpu in [*LEVELS, "native"]:
        monkeypatch.setenv("METALPY_CPU", cpu)
        paths.add(compiled.native("k"))
    assert len(paths) == len(LEVELS) + 1


@pytest.mark.parametrize("math_mode", ["safe", "relaxed", "fast"])
def test_fma_rounds_once(level, math_mode, rng):
    """In fast math, too, LLVM must not make a product and a sum of it where there is no instruction."""
    library = mp.mps.compile_shader(
        """#include <metal_stdlib>
        using namespace metal;
        kernel void lost(device float* out, const device float* a, const device float* b, const device float* c,
                         uint i [[thread_position_in_grid]]) { out[i] = fma(a[i], b[i], c[i]); }
        """,
        math_mode=math_mode,
    )
    a, b = rng.standard_normal((2, 1000)).astype(np.float32)
    c = -(a * b)
    out = mp.zeros(1000)
    library.lost(out, mp.array(a), mp.array(b), mp.array(c))
    expected = a.astype(float) * b + c  # 48 bits, so exact
    assert np.count_nonzero(expected) > 900
    np.testing.assert_array_equal(out.numpy(), expected.astype(np.float32))
