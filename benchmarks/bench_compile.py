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

# A kernel template as large libraries have them: some arithmetic of scalars and vectors, loops, calls of helpers that
# are templates, too, and a reduction over the simdgroup. `@` is a number.
_TEMPLATE = """
struct Sizes@ { int rows, columns, stride; float scale; };
template <typename T> inline T weigh@(T value, float by) { return T(float(value) * by + @.0f); }
template <typename T, typename T4, short count>
kernel void k@(device const T* x [[buffer(0)]], device const T4* y [[buffer(1)]], device float* out [[buffer(2)]],
               constant Sizes@& sizes [[buffer(3)]], threadgroup float* shared [[threadgroup(0)]],
               uint3 group [[threadgroup_position_in_grid]], ushort lane [[thread_index_in_simdgroup]]) {
    const int row = group.x * count + group.y % count;
    device const T* line = x + row * sizes.stride;
    float sums[count] = {0};
    float4 wide = 0;
    for (int i = lane; i < sizes.columns / 4; i += 32) {
        const float4 v = float4(y[i]) * sizes.scale;
        for (short j = 0; j < count; ++j) {
            const T a = weigh@(line[4 * i + j % 4], sizes.scale);
            sums[j] += float(a) * v.x + v.y - v.z / (1.0f + abs(v.w));
            sums[j] = max(sums[j], exp(-sums[j])) + dot(v, v.wzyx);
        }
        wide += v.xyzw * float4(1, 2, 3, 4);
        wide.xy = wide.zw + v.yx;
        if (row >= sizes.rows) wide = 0;
    }
    for (short j = 0; j < count; ++j) {
        shared[lane + 32 * j] = simd_sum(sums[j]) + wide[j % 4];
        threadgroup_barrier(mem_flags::mem_threadgroup);
        if (lane == 0) out[row * count + j] = sums[j] + shared[32 * j];
    }
}
typedef decltype(k@<float, float4, 1>) type@;
template [[host_name("k@_f1")]] kernel type@ k@<float, float4, 1>;
template [[host_name("k@_f4")]] kernel type@ k@<float, float4, 4>;
template [[host_name("k@_h4")]] kernel decltype(k@<half, half4, 4>) k@<half, half4, 4>;
"""
LARGE = "#include <metal_stdlib>\nusing namespace metal;\n" + "".join(
    _TEMPLATE.replace("@", str(number)) for number in range(100)
)
MANY = "".join(
    [
        "template <int n> kernel void k(device int* x, constant int& y) { *x = y + n; }\n",
        *(f'template [[host_name("k{n}")]] kernel void k<{n}>(device int*, constant int&);\n' for n in range(1000)),
    ]
)

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


def _processor_seconds() -> float:
    """Of this process and of the tools that it has run."""
    return sum(os.times()[:4])


@pytest.mark.benchmark(group="compile: large programs")
def test_front_end_of_300_kernels(benchmark):
    """A file of 3200 lines with 100 templates, each instantiated three times."""
    source, options = read_source(LARGE), make_options()
    benchmark.pedantic(compile_program, args=(source, options), rounds=5, warmup_rounds=1)


@pytest.mark.benchmark(group="compile: large programs", timer=_processor_seconds)
def test_front_end_of_300_kernels_in_processor_time(benchmark):
    """The same by all processors together, which other work on the machine changes less."""
    source, options = read_source(LARGE), make_options()
    benchmark.pedantic(compile_program, args=(source, options), rounds=5, warmup_rounds=1)


@pytest.mark.benchmark(group="compile: large programs")
def test_open_cached_library_of_1000_kernels(benchmark):
    lib = mp.mps.compile_shader(MANY)
    assert len(list(lib)) == 1000
    benchmark.pedantic(mp.mps.compile_shader, args=(MANY,), rounds=30, warmup_rounds=1)
