"""``METALPY_EXECUTOR=checked`` finds races and accesses out of bounds, names them, and leaves right kernels alone."""

from __future__ import annotations

import numpy as np
import pytest

import metalpy as mp
from tests.helpers.process import python

HEAD = "#include <metal_stdlib>\nusing namespace metal;\n"
REDUCE = """
kernel void reduce(device float* out, const device float* in, uint i [[thread_position_in_grid]],
                   uint l [[thread_position_in_threadgroup]], uint g [[threadgroup_position_in_grid]]) {
  threadgroup float s[64];
  s[l] = in[i];
  threadgroup_barrier(mem_flags::mem_threadgroup);
  for (uint k = 32; k > 0; k /= 2) {
    if (l < k) s[l] += s[l + k];
    BARRIER
  }
  if (l == 0) out[g] = s[0];
}
"""
# Source of a kernel `k`, and how it is launched.
RACES = {
    "neighbour": (
        "kernel void k(device float* x, uint i [[thread_position_in_grid]]) { if (i) x[i - 1] = x[i] + 1; }",
        lambda k: k(mp.ones(100)),
        r"thread \(2, 0, 0\): race: writes 'x', which thread \(1, 0, 0\) reads",
    ),
    "counter": (
        "kernel void k(device uint* n, uint i [[thread_position_in_grid]]) { n[0] += i; }",
        lambda k: k(mp.zeros(1, mp.uint32), threads=64),
        "race: writes 'n', which thread .* reads at program_source:3, with no barrier",
    ),
    "threadgroups": (
        "kernel void k(device uint* n, uint i [[thread_position_in_grid]]) { n[i % 32] = i + 1; }",
        lambda k: k(mp.zeros(32, mp.uint32), threads=64, group_size=32),
        "race: writes 'n', which thread .* writes otherwise at program_source:3, with nothing to order their threadgroups",
    ),
    "atomic and plain": (
        "kernel void k(device atomic_uint* n, device uint* m, uint i [[thread_position_in_grid]]) {\n"
        "  if (i % 2) atomic_fetch_add_explicit(n, 1, memory_order_relaxed); else m[0] = i + 1; }",
        lambda k: (lambda x: k(x, x, threads=4))(mp.zeros(1, mp.uint32)),
        "race: ",
    ),
    "missing barrier": (
        REDUCE.replace("kernel void reduce", "kernel void k").replace("BARRIER", ""),
        lambda k: k(mp.zeros(2), mp.ones(128), threads=128, group_size=64),
        "race: .* 's', which thread",
    ),
    "threadgroup argument": (
        "kernel void k(device float* x, threadgroup float* s [[threadgroup(0)]], uint i [[thread_position_in_threadgroup]])"
        "{ s[i] = x[i]; x[i] = s[i ^ 1] + 1; }",
        lambda k: k(mp.arange(64, dtype=mp.float32), group_size=64, threadgroup_memory={0: 256}),
        "race: .* 's'",
    ),
}
RACES["copies of arrays"] = (  # which LLVM makes calls that copy bytes
    "struct Tile { float4 rows[8]; };\n"
    "kernel void k(device Tile* x, uint i [[thread_position_in_threadgroup]]) {\n"
    "  threadgroup Tile s[32]; s[i] = x[i]; x[i] = s[i ^ 1]; }",
    lambda k: k(mp.arange(1024, dtype=mp.float32), threads=32, group_size=32),
    "race: .* 's'",
)
OUTSIDE = {
    "behind": (
        "kernel void k(device float* x, uint i [[thread_position_in_grid]]) { x[i] = 1; }",
        lambda k: k(mp.zeros(100), threads=101),
        r"thread \(100, 0, 0\): out of bounds: writes 4 bytes of 'x', right behind the end",
    ),
    "far behind": (
        "kernel void k(device float* x, const device int* at) { x[at[0]] = 1; }",
        lambda k: k(mp.zeros(4), mp.array([1 << 28]), threads=1),
        "writes 4 bytes of 'x', 1073741808 bytes behind the end",
    ),
    "before": (
        "kernel void k(device float* x, device float* y, uint i [[thread_position_in_grid]]) { y[i] = x[int(i) - 1]; }",
        lambda k: k(mp.zeros(4), mp.zeros(4)),
        "reads 4 bytes of 'x', 4 bytes before the start",
    ),
    "partly": (
        "kernel void k(device ulong* x, device uchar* y, uint i [[thread_position_in_grid]]) {\n"
        "  x[i] = *(device ulong*)(y + 8 * i); }",
        lambda k: k(mp.zeros(2, mp.uint64), mp.zeros(12, mp.uint8)),
        "reads 8 bytes of 'y', of which 4 are there",
    ),
    "copies of arrays": (
        "struct Tile { float4 rows[8]; };\n"
        "kernel void k(device Tile* x, device Tile* y, uint i [[thread_position_in_grid]]) { y[i] = x[i]; }",
        lambda k: k(mp.zeros(96), mp.zeros(128), threads=4),
        r"thread \(3, 0, 0\): out of bounds: reads 128 bytes of 'x', right behind the end",
    ),
    "value": (
        "kernel void k(device float* x, constant float* t, uint i [[thread_position_in_grid]]) { x[i] = t[i]; }",
        lambda k: k(mp.zeros(4), mp.zeros(2), threads=4),
        "reads 4 bytes of 't', right behind the end",
    ),
    "threadgroup variable": (
        "kernel void k(device float* x, uint i [[thread_position_in_threadgroup]]) {\n"
        "  threadgroup float s[4]; s[i] = x[i]; threadgroup_barrier(mem_flags::mem_threadgroup); x[i] = s[i]; }",
        lambda k: k(mp.zeros(8), group_size=8),
        "writes 4 bytes of 's', right behind the end",
    ),
    "threadgroup argument": (
        "kernel void k(device float* x, threadgroup float* s [[threadgroup(0)]], uint i [[thread_position_in_threadgroup]])"
        "{ s[i] = x[i]; threadgroup_barrier(mem_flags::mem_threadgroup); x[i] = s[i]; }",
        lambda k: k(mp.zeros(64), group_size=64, threadgroup_memory={0: 64}),
        "writes 4 bytes of 's', right behind the end",
    ),
}
RIGHT = {
    "barriers": (
        REDUCE.replace("kernel void reduce", "kernel void k").replace(
            "BARRIER", "threadgroup_barrier(mem_flags::mem_threadgroup);"
        ),
        lambda k: k(mp.zeros(2), mp.ones(128), threads=128, group_size=64),
    ),
    "atomic functions": (
        "kernel void k(device atomic_uint* n) { atomic_fetch_add_explicit(n, 1, memory_order_relaxed); }",
        lambda k: k(mp.zeros(1, mp.uint32), threads=1000),
    ),
    "one value by many": (
        "kernel void k(device int* found, const device float* x, uint i [[thread_position_in_grid]])"
        "{ if (x[i] > 0) *found = 1; }",
        lambda k: k(mp.zeros(1, mp.int32), mp.ones(100), threads=100),
    ),
    "bytes of one word": (
        "kernel void k(device uchar* x, uint i [[thread_position_in_grid]]) { x[i] = uchar(i); }",
        lambda k: k(mp.zeros(1000, mp.uint8)),
    ),
    "simdgroups": (
        "kernel void k(device float* x, uint i [[thread_position_in_threadgroup]]) {\n"
        "  threadgroup float s[32]; s[i] = x[i]; simdgroup_barrier(mem_flags::mem_threadgroup); x[i] = s[31 - i]; }",
        lambda k: k(mp.ones(32), group_size=32),
    ),
    "threadgroup memory of two groups": (
        "kernel void k(device float* x, uint i [[thread_position_in_grid]], uint l [[thread_position_in_threadgroup]]) {\n"
        "  threadgroup float s[8]; s[l] = float(i); x[i] = s[l]; }",
        lambda k: k(mp.ones(800), group_size=8),
    ),
    "private arrays, structs, values": (
        "struct P { float a; float t[4]; };\n"
        "kernel void k(device float* x, constant P& p, uint i [[thread_position_in_grid]]) {\n"
        "  float a[8]; for (int j = 0; j < 8; j++) a[j] = p.t[j & 3] * x[i]; x[i] = a[int(x[i]) & 7] + p.a; }",
        lambda k: k(mp.ones(100), {"a": 1.0, "t": [1, 2, 3, 4]}),
    ),
    "two launches": (
        "kernel void k(device uint* n, uint i [[thread_position_in_grid]]) { n[i] += 1; }",
        lambda k: [k(mp.zeros(4, mp.uint32)) for _ in range(1)] and [k(x) for x in [mp.zeros(4, mp.uint32)] * 3],
    ),
    "textures": (
        "kernel void k(texture2d<float, access::read_write> t, uint2 at [[thread_position_in_grid]])"
        "{ t.write(t.read(at) + 1, at); }",
        lambda k: k(mp.texture((8, 8), "rgba32Float")),
    ),
}


@pytest.fixture(autouse=True)
def checked(monkeypatch):
    monkeypatch.setenv("METALPY_EXECUTOR", "checked")


def kernel(source):
    found = mp.mps.compile_shader(HEAD + source).k
    assert found.executor == "checked"
    return found


@pytest.mark.parametrize("case", [*RACES.values(), *OUTSIDE.values()], ids=[*RACES, *OUTSIDE])
def test_races_and_accesses_out_of_bounds_are_found(case):
    source, launch, message = case
    launch(kernel(source))
    with pytest.raises(mp.KernelReportedError, match=message):
        mp.mps.synchronize()


@pytest.mark.parametrize("name", RIGHT)
def test_right_kernels_are_left_alone(name):
    source, launch = RIGHT[name]
    launch(kernel(source))
    mp.mps.synchronize()


def test_what_is_out_of_bounds_is_neither_written_nor_read():
    block = mp.zeros(256)
    part, behind = block[:64], block[64:]
    source = "kernel void k(device float* x, uint i [[thread_position_in_grid]]) { x[i] = x[i] + 5; }"
    behind.fill(3)
    kernel(source)(part, threads=100)
    with pytest.raises(mp.KernelReportedError):
        mp.mps.synchronize()
    np.testing.assert_array_equal(block.numpy(), np.repeat([5, 3], [64, 192]))


def test_the_time_limit_ends_a_kernel():
    source = "kernel void k(device volatile int* x) { while (x[0] == 0) {} }"
    mp.mps.set_time_limit(0.2)
    try:
        kernel(source)(mp.zeros(1, mp.int32))
        with pytest.raises(mp.TimeLimitError):
            mp.mps.synchronize()
    finally:
        mp.mps.set_time_limit(None)


def test_results_are_those_of_the_other_executors(monkeypatch):
    source = REDUCE.replace("kernel void reduce", "kernel void k").replace(
        "BARRIER", "threadgroup_barrier(mem_flags::mem_threadgroup);"
    )
    x = mp.asarray(np.random.default_rng(0).normal(size=1024).astype(np.float32))
    results = []
    for executor in ("checked", "reference", "spmd"):
        monkeypatch.setenv("METALPY_EXECUTOR", executor)
        out = mp.zeros(16)
        mp.mps.compile_shader(HEAD + source).k(out, x, threads=1024, group_size=64)
        results.append(out.numpy().copy())
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])


def test_from_the_command_line(tmp_path):
    path = tmp_path / "k.metal"
    path.write_text("kernel void k(device float* x, uint i [[thread_position_in_grid]]) { x[i] = 1; }")
    run = ("-m", "metalpy", "run", path, "k", "--arg", "zeros:4:float32")
    done = python(*run, "--threads", 5, METALPY_EXECUTOR="checked")
    assert done.returncode == 1
    assert f"{path}:1: kernel 'k' reported in thread (4, 0, 0): out of bounds: writes 4 bytes of 'x'" in done.stderr
    assert python(*run, METALPY_EXECUTOR="checked").returncode == 0
    report = python("-m", "metalpy", "compile", "--report", path, METALPY_EXECUTOR="checked")
    assert "1 kernel: 0 spmd, 0 reference, 1 checked, 0 failed" in report.stdout
