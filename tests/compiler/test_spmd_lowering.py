"""What the vectoriser makes of whole kernels, and which ones it leaves to the reference executor."""

from __future__ import annotations

import re

import llvmlite.binding as llvm
import numpy as np
import pytest

import metalpy as mp
from metalpy.compiler import lowering
from metalpy.compiler.frontend import compile_program
from metalpy.compiler.options import make_options
from metalpy.compiler.source import read_source

pytestmark = pytest.mark.usefixtures("device")

HEADER = "#include <metal_stdlib>\nusing namespace metal;\n"

HIGH_PRODUCTS = (
    HEADER
    + """
kernel void unsigned_products(device ulong* o, device const ulong* a, device const ulong* b,
                              uint i [[thread_position_in_grid]]) {
  ulong x = a[i], y = b[i];
  o[i] = (x & 1) ? mulhi(x, y) : mulhi(x, 0xcccccccccccccccdul) + mulhi(y, ulong(uint(x)));
}
kernel void signed_products(device long* o, device const long* a, device const long* b,
                            uint i [[thread_position_in_grid]]) {
  long x = a[i], y = b[i];
  o[i] = (x & 1) ? mulhi(x, y) : mulhi(x, -3000000000000000001l);
}
"""
)


def lowered(monkeypatch, text, kernel):
    monkeypatch.setenv("METALPY_EXECUTOR", "spmd")
    program = compile_program(read_source(text), make_options())
    return lowering.lower(program, [k.name for k in program.kernels].index(kernel), {})


def optimised(monkeypatch, text, kernel):
    """The module that the kernel's machine code is made of, and the executor."""
    options = lowering.linker_options
    monkeypatch.setattr(lowering, "linker_options", lambda *cpu: [*options(*cpu), "--lto-emit-llvm"])
    made = lowered(monkeypatch, text, kernel)
    return str(llvm.parse_bitcode(made.code)), made.executor


@pytest.mark.parametrize("kernel", ["unsigned_products", "signed_products"])
def test_upper_halves_of_products_need_no_wider_integers(monkeypatch, kernel):
    """LLVM multiplies vectors of 128-bit integers lane by lane."""
    module, executor = optimised(monkeypatch, HIGH_PRODUCTS, kernel)
    assert executor == "spmd"
    assert not re.search(r"mul [^\n]*i128", module)


def test_upper_halves_of_products():
    edges = [
        0,
        1,
        2,
        3,
        (1 << 32) - 1,
        1 << 32,
        (1 << 63) - 1,
        1 << 63,
        (1 << 64) - 1,
        (1 << 64) - 2,
        0xFFFFFFFF00000001,
    ]
    pairs = np.array([(x, y) for x in edges for y in edges], np.uint64)
    rng = np.random.default_rng(5)
    a, b = np.concatenate([pairs, rng.integers(0, 1 << 64, (300, 2), np.uint64)]).T.copy()
    library = mp.mps.compile_shader(HIGH_PRODUCTS)
    out = mp.zeros(a.size, dtype=np.uint64)
    library.unsigned_products(out, mp.array(a), mp.array(b))
    expected = [
        (x * y >> 64) if x & 1 else ((x * 0xCCCCCCCCCCCCCCCD >> 64) + (y * (x & 0xFFFFFFFF) >> 64)) % (1 << 64)
        for x, y in zip(a.tolist(), b.tolist(), strict=True)
    ]
    assert np.asarray(out).tolist() == expected
    out = mp.zeros(a.size, dtype=np.int64)
    c, d = a.view(np.int64), b.view(np.int64)
    library.signed_products(out, mp.array(c), mp.array(d))
    expected = [x * (y if x & 1 else -3000000000000000001) >> 64 for x, y in zip(c.tolist(), d.tolist(), strict=True)]
    assert np.asarray(out).tolist() == expected


def test_large_kernels_are_left_to_the_reference_executor(monkeypatch):
    """LLVM would be at it for minutes."""
    steps = "\n".join(f"  x = x * {2 * i + 3}u ^ (x >> {i % 7 + 1});" for i in range(4000))
    text = (
        HEADER
        + "kernel void k(device uint* o, uint i [[thread_position_in_grid]]) {{\n  uint x = o[i];\n{}\n  o[i] = x;\n}}"
    )
    assert lowered(monkeypatch, text.format(steps[: len(steps) // 10].rpartition("\n")[0]), "k").executor == "spmd"
    made = lowered(monkeypatch, text.format(steps), "k")
    assert made.executor == "reference"
    assert "lines of IR" in made.reason


def test_kernels_that_inlining_makes_large_are_not_inlined(monkeypatch):
    """Each function calls the one before twice: a few lines become millions."""
    levels = "\n".join(
        f"[[clang::noinline]] uint f{i}(uint x) {{ return f{i - 1}(x * 3u) ^ f{i - 1}(x + {i}u); }}"
        for i in range(1, 21)
    )
    text = (
        HEADER
        + f"[[clang::noinline]] uint f0(uint x) {{ return x >> 1; }}\n{levels}\n"
        + "kernel void k(device uint* o, uint i [[thread_position_in_grid]]) { o[i] = f20(o[i]); }"
    )
    assert "inlined" in lowered(monkeypatch, text, "k").reason


@pytest.mark.parametrize("sampler", ["constexpr sampler s(coord::pixel);", ""])
def test_texture_lookups_are_not_counted_line_by_line(monkeypatch, sampler):
    """Of the thousands of lines that a lookup has before it is optimised few are left."""
    lookups = "\n".join(f"  x += t.sample(s, float2(i, {i})).x;" for i in range(80))
    argument = "" if sampler else "sampler s, "
    source = f"""{HEADER}
kernel void k(texture2d<float> t, {argument}device float* o, uint i [[thread_position_in_grid]]) {{
  {sampler}
  float x = 0;
{lookups}
  o[i] = x;
}}"""
    assert lowered(monkeypatch, source, "k").executor == "spmd"


def test_atomics_in_threadgroup_memory_are_plain(monkeypatch):
    """A threadgroup runs on one thread, so nothing there needs an atomic instruction; device memory does."""
    source = """
#include <metal_stdlib>
using namespace metal;
kernel void count(device atomic_uint* out, device const uint* in, uint i [[thread_position_in_grid]],
                  uint t [[thread_index_in_threadgroup]]) {
  threadgroup atomic_uint bins[32];
  atomic_store_explicit(&bins[t % 32], 0u, memory_order_relaxed);
  threadgroup_barrier(mem_flags::mem_threadgroup);
  atomic_fetch_add_explicit(&bins[in[i] % 32], in[i], memory_order_relaxed);
  threadgroup_barrier(mem_flags::mem_threadgroup);
  if (t < 32) atomic_fetch_max_explicit(&out[t], atomic_load_explicit(&bins[t], memory_order_relaxed),
                                        memory_order_relaxed);
}
"""
    written = []
    vectorize = lowering.vectorize

    def noted(*arguments):
        written.append(vectorize(*arguments))
        return written[-1]

    monkeypatch.setattr(lowering, "vectorize", noted)
    monkeypatch.setenv("METALPY_CACHE_DIR", "off")
    monkeypatch.setenv("METALPY_EXECUTOR", "spmd")
    lowering.lower(compile_program(read_source(source), make_options()), 0, {})
    operations = set(re.findall(r"atomicrmw (?:volatile )?(\w+)", written[0].module))
    assert operations == {"umax"}


ROWS = (
    HEADER
    + """
kernel void tile(device float* o, device const float* a, constant uint& width,
                 uint lane [[thread_index_in_simdgroup]], uint i [[thread_position_in_grid]]) {
  for (uint k = 0; k < 3; ++k) {
    const device float* at = a + k * 8 + ulong(lane / 4) * width + lane % 4 * 2;
    o[i] += at[0] * (k + 1) - at[1];
  }
}
kernel void some_of_a_tile(device float* o, device const float* a, constant uint& width,
                           uint lane [[thread_index_in_simdgroup]], uint i [[thread_position_in_grid]]) {
  if (a[i] > 0.5f) o[i] = a[lane / 8 * width + lane % 8 * 2] + a[(lane / 8 + 1) * width + lane % 8 * 2];
}
kernel void left_neighbours(device float* o, device const float* a, constant uint& width,
                            uint lane [[thread_index_in_simdgroup]], uint i [[thread_position_in_grid]]) {
  const uint x = lane % 8;
  if (x > 0) o[i] = a[lane / 8 * width + x - 1];
}
kernel void columns(device float* o, device const float* a, constant uint& width,
                    uint lane [[thread_index_in_simdgroup]], uint i [[thread_position_in_grid]]) {
  const device float* at = a + ulong(lane % 4) * 2 * width + lane / 4;
  o[i] = at[0] * 3 - at[width];
}
kernel void shared_elements(device half* o, device const half* a, uint lane [[thread_index_in_simdgroup]],
                            uint i [[thread_position_in_grid]]) {
  o[i] = a[lane / 8 * 100 + lane % 8 / 3];
}
"""
)


@pytest.mark.parametrize("kernel", ["tile", "some_of_a_tile", "left_neighbours", "columns", "shared_elements"])
def test_rows_of_lanes_are_loaded_as_vectors(monkeypatch, kernel):
    module, executor = optimised(monkeypatch, ROWS, kernel)
    assert executor == "spmd"
    # Threadgroups in which the lanes lie anyhow are another function's, which gathers.
    whole = re.search(r"^define [^\n]*@mp\.group\(.*?^}", module, re.M | re.S)
    assert whole and "masked.gather" not in whole[0]


@pytest.mark.parametrize("width", [20, 33])
@pytest.mark.parametrize("threads", [64, 45])
def test_rows_of_lanes(width, threads):
    lib, n = mp.mps.compile_shader(ROWS), np.uint32(width)
    a = np.random.default_rng(7).random(16 * width + 128, np.float32)
    i = np.arange(threads)
    lane = i % 32
    source, out = mp.array(a), mp.zeros(threads, np.float32)
    lib.tile(out, source, n, threads=threads, group_size=64)
    at = lane // 4 * width + lane % 4 * 2
    expected = np.zeros(threads, np.float32)
    for k in range(3):
        expected += a[at + 8 * k] * np.float32(k + 1) - a[at + 8 * k + 1]
    np.testing.assert_allclose(out.numpy(), expected, rtol=1e-6, atol=1e-6)
    out = mp.zeros(threads, np.float32)
    lib.some_of_a_tile(out, source, n, threads=threads, group_size=64)
    at = lane // 8 * width + lane % 8 * 2
    np.testing.assert_array_equal(out.numpy(), np.where(a[i] > 0.5, a[at] + a[at + width], np.float32(0)))
    out = mp.zeros(threads, np.float32)
    lib.left_neighbours(out, source, n, threads=threads, group_size=64)  # the first lane's index would wrap around
    at = lane // 8 * width + lane % 8
    np.testing.assert_array_equal(out.numpy(), np.where(lane % 8 > 0, a[at - 1], np.float32(0)))
    out = mp.zeros(threads, np.float32)
    lib.columns(out, source, n, threads=threads, group_size=64)
    at = lane % 4 * 2 * width + lane // 4
    np.testing.assert_allclose(out.numpy(), a[at] * 3 - a[at + width], rtol=1e-6, atol=1e-6)
    few, wide = a[:400].astype(np.float16), mp.zeros(threads, np.float16)
    lib.shared_elements(wide, mp.array(few), threads=threads, group_size=64)
    np.testing.assert_array_equal(wide.numpy(), few[lane // 8 * 100 + lane % 8 // 3])


STRIDED = (
    HEADER
    + """
kernel void below(device float* o, device const float* a, constant uint& n, uint i [[thread_position_in_grid]],
                  uint threads [[threads_per_grid]]) {
  float sum = 0;
  for (uint k = i; k < n; k += threads) sum += a[k];
  o[i] = sum;
}
kernel void up_to(device float* o, device const float* a, constant int& n, uint i [[thread_position_in_grid]],
                  uint threads [[threads_per_grid]]) {
  float sum = 0;
  for (int k = i; k <= n - 1; k += threads) sum += a[k];
  o[i] = sum;
}
kernel void near_the_end_of_numbers(device float* o, device const float* a, constant uint& n,
                                    uint i [[thread_position_in_grid]], uint threads [[threads_per_grid]]) {
  float sum = 0;
  for (uint k = i - 40; k - n > 100 && k < 0xfffffff0; k += threads) sum += a[k + 40];
  o[i] = sum;
}
kernel void left_by_some(device float* o, device const float* a, constant uint& n, uint i [[thread_position_in_grid]],
                         uint threads [[threads_per_grid]]) {
  float sum = 0;
  uint rounds = 0;
  for (uint k = i; k < n; k += threads) {
    const float x = a[k];
    if (x > 0.99f) break;
    sum += x;
    ++rounds;
  }
  o[i] = sum + 1000 * rounds;
}
"""
)


@pytest.mark.parametrize("n", [0, 1, 31, 32, 33, 63, 64, 65, 1000, 1024, 1025])
@pytest.mark.parametrize("threads", [64, 40])
def test_strided_loops(n, threads):
    lib = mp.mps.compile_shader(STRIDED)
    a = np.random.default_rng(n).random(2048, np.float32)
    source = mp.array(a)

    def run(kernel):
        out = mp.full(threads, np.float32(-1))
        kernel(out, source, n, threads=threads, group_size=64)
        return out.numpy()

    sums, stopped = np.zeros(threads, np.float32), np.zeros(threads, np.float32)
    for i in range(threads):
        going, rounds = True, 0
        for x in a[i:n:threads]:
            sums[i] += x
            going &= bool(x <= np.float32(0.99))
            if going:
                stopped[i] += x
                rounds += 1
        stopped[i] += np.float32(1000 * rounds)
    np.testing.assert_array_equal(run(lib.below), sums)
    np.testing.assert_array_equal(run(lib.up_to), sums)
    np.testing.assert_array_equal(run(lib.left_by_some), stopped)
    expected = np.zeros(threads, np.float32)
    for i in range(threads):
        k = (i - 40) % (1 << 32)
        while (k - n) % (1 << 32) > 100 and k < 0xFFFFFFF0:
            expected[i] += a[(k + 40) % (1 << 32)]
            k = (k + threads) % (1 << 32)
    np.testing.assert_array_equal(run(lib.near_the_end_of_numbers), expected)


@pytest.mark.parametrize("kernel", ["below", "up_to", "left_by_some"])
def test_loops_that_all_lanes_run_together_need_no_masks(monkeypatch, kernel):
    module, _ = optimised(monkeypatch, STRIDED, kernel)
    (whole,) = re.findall(r"^define [^\n]*@mp\.group\(.*?^}", module, re.M | re.S)
    assert re.search(r"= load <32 x float>", whole)


def test_volatile_loads_keep_their_masks(monkeypatch):
    """Without one LLVM might take the load out of the loop, and a thread that waits for another would wait for ever."""
    text = (
        HEADER
        + """
kernel void wait(device uint* o, volatile device const uint* flags, uint i [[thread_position_in_grid]]) {
  uint rounds = 0;
  while (flags[i] == 0) ++rounds;
  o[i] = rounds;
}
"""
    )
    module, executor = optimised(monkeypatch, text, "wait")
    assert executor == "spmd"
    (whole,) = re.findall(r"^define [^\n]*@mp\.group\(.*?^}", module, re.M | re.S)
    assert "masked.load" in whole and not re.search(r"= load <32 x i32>", whole)


def test_labels_made_of_blocks_are_no_variables_names(monkeypatch):
    """LLVM knows labels and values by one set of names; those of the old blocks are numbers, and so are ours."""
    seen = []
    vectorize = lowering.vectorize

    def watched(*arguments):
        made = vectorize(*arguments)
        seen.append(made.module)
        return made

    monkeypatch.setattr(lowering, "vectorize", watched)
    optimised(monkeypatch, STRIDED, "left_by_some")
    (module,) = seen
    loops = {name.partition(".")[0] for name in re.findall(r'^"(\w+\.\.\w[^"]*)":', module, re.M)}
    variables = {name.partition(".")[0] for name in re.findall(r"^  %([\w.]+) = alloca", module, re.M)}
    assert {"a", "b"} <= loops
    assert not loops & variables


SUMS = (
    HEADER
    + """
[[max_total_threads_per_threadgroup(128)]]
kernel void sums(device uint* out, const device uint* in, uint i [[thread_position_in_grid]],
                 uint local [[thread_index_in_threadgroup]], uint size [[threads_per_threadgroup]]) {
  threadgroup uint shared[128];
  uint own = in[i];
  for (uint distance = 1; distance < 128; distance *= 2) {
    shared[local] = own;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    own += local >= distance ? shared[local - distance] : 0;
    threadgroup_barrier(mem_flags::mem_threadgroup);
  }
  out[i] = own + size;
}
"""
)


def vectorized(monkeypatch, text):
    """What the vectoriser makes of the kernel ``sums``."""
    seen = []

    def watched(*arguments):
        seen.append(vectorize(*arguments))
        return seen[0]

    vectorize = lowering.vectorize
    monkeypatch.setattr(lowering, "vectorize", watched)
    lowered(monkeypatch, text, "sums")
    return seen[0].module


def test_short_regions_are_written_for_each_simdgroup_of_a_full_threadgroup(monkeypatch):
    """Then what crosses barriers stays in registers."""
    assert '"full.0.rows":' in vectorized(monkeypatch, SUMS)
    module, _ = optimised(monkeypatch, SUMS, "sums")
    (whole,) = re.findall(r"^define [^\n]*@mp\.group\(.*?^}", module, re.M | re.S)
    assert len(re.findall(r" alloca \[", whole)) == 1  # frames, for threadgroups of other sizes


@pytest.mark.parametrize(("threads", "group"), [(512, 128), (500, 128), (512, 64), (300, 96), (200, 100), (128, 32)])
def test_sums_in_threadgroups_that_are_full_or_not(threads, group):
    source = np.random.default_rng(11).integers(0, 1 << 20, threads, np.uint32)
    out = mp.zeros(threads, np.uint32)
    mp.mps.compile_shader(SUMS).sums(out, mp.array(source), threads=threads, group_size=group)
    parts = [source[i : i + group] for i in range(0, threads, group)]
    expected = np.concatenate([np.cumsum(part, dtype=np.uint32) + np.uint32(part.size) for part in parts])
    assert np.asarray(out).tolist() == expected.tolist()


@pytest.mark.parametrize(
    "more",
    ["for (uint j = 0; j < size; ++j) own = own * 3u + in[j];", "uint a[9]; a[in[i] % 9] = own; own = a[own % 9];"],
)
def test_regions_with_loops_or_private_arrays_are_written_once(monkeypatch, more):
    """Copies of them would take long to compile, and save nothing."""
    module = vectorized(monkeypatch, SUMS.replace("shared[local] = own;", f"{more} shared[local] = own;"))
    assert '"to.rows":' in module and '"full.0.rows":' not in module


PLANE = (
    HEADER
    + """
[[max_total_threads_per_threadgroup(128)]]
kernel void turned(device float* out, const device float* in, constant uint& width, uint2 at [[thread_position_in_grid]],
                   uint2 local [[thread_position_in_threadgroup]], uint2 size [[threads_per_threadgroup]]) {
  threadgroup float tile[128];
  const float own = in[at.y * width + at.x];
  tile[local.y * size.x + local.x] = own;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  out[at.y * width + at.x] = own + tile[(size.y - 1 - local.y) * size.x + size.x - 1 - local.x];
}
"""
)


@pytest.mark.parametrize("group", [(16, 8), (32, 4), (64, 2), (128, 1), (16, 4), (8, 16), (16, 3)])
def test_planes_of_threads_in_threadgroups_that_are_full_or_not(group):
    """Of lanes in rows, in rows of 16, and anyhow."""
    (columns, rows), grid = group, (group[0] * 3, group[1] * 2)
    source = np.random.default_rng(12).random(grid[::-1], np.float32)
    out = mp.zeros(grid[::-1], dtype=np.float32)
    mp.mps.compile_shader(PLANE).turned(out, mp.array(source), grid[0], threads=grid, group_size=group)
    tiles = source.reshape(2, rows, 3, columns)
    np.testing.assert_array_equal(np.asarray(out), (tiles + tiles[:, ::-1, :, ::-1]).reshape(grid[::-1]))
