"""Compiling: from nothing, from the cache in a fresh process, and the compiler's two halves apart."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys

import pytest
from native_loops import Clock

import metalpy as mp
from metalpy.compiler.frontend import compile_program
from metalpy.compiler.lowering import lower
from metalpy.compiler.options import make_options
from metalpy.compiler.source import read_source

clock = Clock()

FULL = """
#include <metal_stdlib>
using namespace metal;
kernel void full(device float* out, constant float& val, uint idx [[thread_position_in_grid]]) { out[idx] = val; }
"""

_FRESH_PROCESS = """
import sys, time, metalpy as mp
mp.device()
source = sys.stdin.read()
start = time.perf_counter()
kernel = mp.mps.compile_shader(source).full
kernel.max_threads_per_threadgroup  # loads the code
print(time.perf_counter() - start)
"""


def _another(number: int) -> str:
    """A kernel that no process has compiled before; a comment would make a new text, but no new kernel."""
    return FULL.replace("= val;", f"= val + {number} + {int.from_bytes(os.urandom(3), 'little')};")


def _in_fresh_process(folder, source=FULL) -> float:
    environment = os.environ | {"METALPY_CACHE_DIR": str(folder)}
    command = [sys.executable, "-c", _FRESH_PROCESS]
    result = subprocess.run(command, input=source, capture_output=True, text=True, check=True, env=environment)
    return float(result.stdout)


@pytest.mark.benchmark(group="compile: source to callable", timer=clock)
def test_full_cold_fresh_process(benchmark, tmp_path):
    """Nothing cached: precompiling our headers, clang, LLVM's import, lowering and linking."""
    numbers = itertools.count()

    def step() -> None:
        clock.seconds += _in_fresh_process(tmp_path / str(next(numbers)))

    benchmark.pedantic(step, rounds=7, warmup_rounds=1)


@pytest.mark.benchmark(group="compile: source to callable", timer=clock)
def test_full_new_fresh_process(benchmark, tmp_path):
    """A source that is not cached, in a process where metalpy has compiled before: its headers are precompiled."""
    numbers = itertools.count()
    _in_fresh_process(tmp_path)

    def step() -> None:
        clock.seconds += _in_fresh_process(tmp_path, _another(next(numbers)))

    benchmark.pedantic(step, rounds=7, warmup_rounds=1)


@pytest.mark.benchmark(group="compile: source to callable", timer=clock)
def test_full_cached_fresh_process(benchmark, tmp_path):
    _in_fresh_process(tmp_path / "cache")

    def step() -> None:
        clock.seconds += _in_fresh_process(tmp_path / "cache")

    benchmark.pedantic(step, rounds=15)


@pytest.mark.benchmark(group="compile: source to callable")
def test_full_cold_same_process(benchmark):
    """As cold, but LLVM is imported already."""
    numbers = itertools.count(1)

    def cold() -> None:
        lib = mp.mps.compile_shader(_another(next(numbers)))
        assert lib.full.max_threads_per_threadgroup == 1024

    benchmark.pedantic(cold, rounds=7, warmup_rounds=1)


@pytest.mark.benchmark(group="compile: source to callable")
def test_full_cached_same_process(benchmark):
    mp.mps.compile_shader(FULL).full.max_threads_per_threadgroup  # noqa: B018

    def cached() -> None:
        assert mp.mps.compile_shader(FULL).full.max_threads_per_threadgroup == 1024

    benchmark.pedantic(cached, rounds=50, warmup_rounds=2)


@pytest.mark.benchmark(group="compile: parts")
def test_front_end(benchmark):
    """Metal source to LLVM IR: harvesting, clang, reflection."""
    source, options = read_source(FULL), make_options()
    benchmark.pedantic(compile_program, args=(source, options), rounds=7, warmup_rounds=1)


@pytest.mark.benchmark(group="compile: parts")
def test_lowering(benchmark):
    """LLVM IR to a linked shared object."""
    program = compile_program(read_source(FULL), make_options())
    benchmark.pedantic(lower, args=(program, 0, {}), rounds=15, warmup_rounds=1)
