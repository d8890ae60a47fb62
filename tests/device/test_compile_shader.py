"""`compile_shader` as the counterpart's tests use it, with what metalpy does better where the counterpart is weak."""

from __future__ import annotations

import math
import os

import ml_dtypes
import numpy as np
import pytest

import metalpy as mp

pytestmark = pytest.mark.usefixtures("device")

HEAD = "#include <metal_stdlib>\nusing namespace metal;\n"
compile_shader = mp.mps.compile_shader


def numpy_of(x):
    return np.asarray(x)


# ---- arange, grids ----


def test_arange():
    lib = compile_shader("kernel void arange(device half* x, uint i [[thread_position_in_grid]]) { x[i] = i; }")
    x = mp.zeros(12, dtype=mp.float16)
    lib.arange(x)  # as many threads as elements
    np.testing.assert_array_equal(numpy_of(x), np.arange(12))


def test_dispatch_3d():
    lib = compile_shader("""
        kernel void arange_x(device float* x, uint3 i [[thread_position_in_grid]]) { x[i.x + i.y + i.z] = i.x; }
        kernel void arange_y(device float* x, uint3 i [[thread_position_in_grid]]) { x[i.x + i.y + i.z] = i.y; }
        kernel void arange_z(device float* x, uint3 i [[thread_position_in_grid]]) { x[i.x + i.y + i.z] = i.z; }
    """)
    assert set(dir(lib)) == {"arange_x", "arange_y", "arange_z"}
    x, y, z = mp.zeros(12), mp.zeros(12), mp.zeros(12)
    lib.arange_x(x)
    lib.arange_y(y, threads=(1, 12))
    lib.arange_z(z, threads=[1, 1, 12])
    for got in (x, y, z):
        np.testing.assert_array_equal(numpy_of(got), np.arange(12))


# ---- arguments and casts ----

WITH_ARGUMENTS = """
kernel void arange(device float* x, constant float& start, constant float& step, uint i [[thread_position_in_grid]]) {
  x[i] = start + i * step;
}
"""
EXPECTED = np.float32(3.14) + np.arange(12, dtype=np.float32) * np.float32(0.5)
STEPS = {
    "float": 0.5,
    "float32 scalar": np.float32(0.5),
    "float64 scalar": np.float64(0.5),
    "0-d float32 array": np.array(0.5, np.float32),
    "0-d float64 array": np.array(0.5),
}


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_arange_with_arguments(step):
    x = mp.zeros(12)
    compile_shader(WITH_ARGUMENTS).arange(x, 3.14, step)
    np.testing.assert_allclose(numpy_of(x), EXPECTED, rtol=2e-7)


def test_arguments_convert_to_the_declared_type():
    lib = compile_shader("""
        kernel void store(device half* x, constant half2& pair, uint i [[thread_position_in_grid]]) {
          x[i] = pair.x + i * pair.y;
        }
    """)
    x = mp.zeros(12, dtype=mp.float16)
    lib.store(x, [3.14, 0.5])  # the counterpart needs arg_casts="fp16" here
    expected = np.float16(3.14) + np.arange(12).astype(np.float16) * np.float16(0.5)
    np.testing.assert_array_equal(numpy_of(x), expected)


def test_argument_casts():
    lib = compile_shader("""
        kernel void pair(device half* x, constant half2& start_step, uint i [[thread_position_in_grid]]) {
          x[i] = start_step.x + i * start_step.y;
        }
        kernel void mixed(device half* x, constant half& start, constant float& step, uint i [[thread_position_in_grid]]) {
          x[i] = start + i * step;
        }
    """)
    a, b = mp.zeros(12, dtype=mp.float16), mp.zeros(12, dtype=mp.float16)
    lib.pair(a, [3.14, 0.5], arg_casts="fp16")
    lib.mixed(b, 3.14, 0.5, arg_casts={1: "fp16"})
    expected = np.float16(3.14) + np.arange(12).astype(np.float16) * np.float16(0.5)
    np.testing.assert_array_equal(numpy_of(a), expected)
    np.testing.assert_array_equal(numpy_of(b), expected)


CASTS = [
    ("bf16", "bfloat"),
    ("int32", "int"),
    ("int16", "short"),
    ("int8", "char"),
    ("uint8", "uchar"),
    ("fp16", "half"),
]


@pytest.mark.parametrize(("cast", "metal"), CASTS, ids=[c[0] for c in CASTS])
def test_every_cast(cast, metal):
    lib = compile_shader(f"""
        kernel void store(device float* x, constant {metal}& v, uint i [[thread_position_in_grid]]) {{ x[i] = float(v); }}
    """)
    x = mp.zeros(2)
    lib.store(x, 100, arg_casts=cast)
    np.testing.assert_array_equal(numpy_of(x), 100)


def test_integer_casts_wrap():
    lib = compile_shader("kernel void store(device int* x, constant char& v) { *x = v; }")
    x = mp.zeros(1, dtype=mp.int32)
    lib.store(x, 300, arg_casts="int8")
    assert x.item() == 300 - 256


# ---- what a library is ----

FULL = (
    HEAD
    + """
kernel void full(device float* x, constant float& value, uint i [[thread_position_in_grid]]) { x[i] = value; }
kernel void fill_twice(device float* x, uint i [[thread_position_in_grid]]) { x[i] *= 2; }
"""
)


def test_error_checking():
    with pytest.raises(SyntaxError):
        compile_shader("Syntax error")
    lib = compile_shader(FULL)
    x = mp.zeros(12)
    with pytest.raises(TypeError):
        lib.full(np.zeros(3, np.float32), 1.0)  # host memory
    with pytest.raises(AttributeError):
        lib.no_such_kernel(x)
    with pytest.raises(RuntimeError):
        lib.full(12, 1.0)  # nothing tells how many threads
    most = lib.full.max_threads_per_threadgroup
    with pytest.raises(ValueError, match=str(most)):
        lib.full(x, 1.0, group_size=most + 5)
    with pytest.raises(ValueError, match=str(most)):
        lib.full(x, 1.0, threads=(3, most), group_size=(3, most))
    lib.full(x, 2.5)
    np.testing.assert_array_equal(numpy_of(x), 2.5)


def test_unknown_kernels_are_missing_attributes():
    lib = compile_shader(FULL)
    with pytest.raises(AttributeError, match=r"'ful'.*'full'") as raised:
        _ = lib.ful
    assert raised.value.name == "ful"
    assert hasattr(lib, "full") and not hasattr(lib, "fulll")
    assert getattr(lib, "nothing", None) is None
    with pytest.raises(KeyError):
        lib["nothing"]


def test_library_lists_exactly_its_kernels():
    lib = compile_shader(
        FULL + "static float helper(float x) { return x; }\n// kernel void commented(device float* x) {}"
    )
    assert dir(lib) == ["fill_twice", "full"]
    assert list(lib) == ["full", "fill_twice"] and len(lib) == 2 and "full" in lib
    assert "full" in repr(lib)


def test_source_without_kernels():
    for source in ("", "// a comment", HEAD, "static int f() { return 1; }"):
        assert dir(compile_shader(source)) == []


def test_kernel_without_arguments():
    kernel = compile_shader("kernel void foo() {}").foo
    assert kernel.max_threads_per_threadgroup == 1024
    assert kernel.thread_execution_width == 32
    assert kernel.static_thread_group_memory_length == 0
    chosen = os.environ.get("METALPY_EXECUTOR", "spmd")
    assert kernel.executor == ("gpu" if mp.device().driver == "metal" else chosen)
    assert kernel.arguments == ()
    kernel(threads=5)
    mp.mps.synchronize()


def test_kernels_are_the_same_object_and_outlive_the_library():
    lib = compile_shader(FULL)
    kernel = lib.full
    assert lib.full is kernel and lib["full"] is kernel
    del lib
    x = mp.zeros(3)
    kernel(x, 7.0)
    np.testing.assert_array_equal(numpy_of(x), 7)


def test_reflection():
    full = compile_shader(FULL).full
    x, value = full.arguments
    assert (x.name, x.index, x.kind, x.address_space, x.access, x.is_reference) == (
        "x", 0, "buffer", "device", "read_write", False,
    )  # fmt: skip
    assert (value.name, value.index, value.address_space, value.access, value.is_reference) == (
        "value", 1, "constant", "read", True,
    )  # fmt: skip
    assert (x.type.name, x.type.scalar, x.type.size) == ("float", "float32", 4)
    assert [b.attribute for b in full.builtins] == ["thread_position_in_grid"]
    assert "full(device float* x, constant float& value)" in repr(full)


def test_limits():
    lib = compile_shader(
        HEAD
        + """
        [[max_total_threads_per_threadgroup(128)]] kernel void limited(device float* x) {
          threadgroup float memory[100];
          memory[0] = x[0];
          threadgroup_barrier(mem_flags::mem_threadgroup);
          x[0] = memory[0] + 1;
        }
    """
    )
    assert lib.limited.max_threads_per_threadgroup == 128
    assert lib.limited.static_thread_group_memory_length == 400


def test_source_with_other_characters():
    lib = compile_shader("// na\u00efve \u2192 \U0001f600\nkernel void k(device int* x) { *x = 1; /* \u00e9 */ }")
    x = mp.zeros(1, dtype=mp.int32)
    lib.k(x)
    assert x.item() == 1


def test_windows_line_ends():
    lib = compile_shader(FULL.replace("\n", "\r\n"))
    assert dir(lib) == ["fill_twice", "full"]


# ---- includes ----


def test_include_alone():
    assert compile_shader("#include <metal_stdlib>") is not None


def test_include_dirs(tmp_path):
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "util.h").write_text(
        '#pragma once\n#include "more.h"\nstatic float twice(float x) { return TWO * x; }\n'
    )
    (tmp_path / "lib" / "more.h").write_text("#define TWO 2\n")
    source = """
        #include "lib/util.h"
        #include <lib/util.h>
        kernel void k(device float* x, uint i [[thread_position_in_grid]]) { x[i] = twice(i); }
    """
    x = mp.zeros(4)
    compile_shader(source, include_dirs=[tmp_path]).k(x)
    np.testing.assert_array_equal(numpy_of(x), [0, 2, 4, 6])
    compile_shader(source, include_dirs=str(tmp_path))


def test_file_with_an_include_beside_it(tmp_path):
    (tmp_path / "value.h").write_text("#define VALUE 42\n")
    path = tmp_path / "kernel.metal"
    path.write_text('#include "value.h"\nkernel void k(device int* x) { *x = VALUE; }\n')
    x = mp.zeros(1, dtype=mp.int32)
    mp.compile_file(path).k(x)
    assert x.item() == 42


def test_changed_include_is_noticed(tmp_path):
    path = tmp_path / "kernel.metal"
    path.write_text('#include "value.h"\nkernel void k(device int* x) { *x = VALUE; }\n')
    x = mp.zeros(1, dtype=mp.int32)
    for value in (1, 2):
        (tmp_path / "value.h").write_text(f"#define VALUE {value}\n")
        mp.compile_file(path).k(x)
        assert x.item() == value


# ---- random numbers: Philox 4x32, 10 rounds, written from its paper (Salmon and others, SC 2011) ----

PHILOX = (
    HEAD
    + """
uint4 philox(uint2 key, uint4 counter) {
  for (int round = 0; round < 10; ++round) {
    const uint low0 = 0xD2511F53u * counter.x, high0 = mulhi(0xD2511F53u, counter.x);
    const uint low1 = 0xCD9E8D57u * counter.z, high1 = mulhi(0xCD9E8D57u, counter.z);
    counter = uint4(high1 ^ counter.y ^ key.x, low1, high0 ^ counter.w ^ key.y, low0);
    key += uint2(0x9E3779B9u, 0xBB67AE85u);
  }
  return counter;
}
kernel void bits(device uint4* out, constant uint2& key, uint i [[thread_position_in_grid]]) {
  out[i] = philox(key, uint4(i, 0, 0, 0));
}
kernel void randn(device float* out, constant long2& seed_offset, uint i [[thread_position_in_grid]]) {
  const uint4 word = philox(as_type<uint2>(seed_offset.x), uint4(i, 0, as_type<uint2>(seed_offset.y)));
  const float2 u = (float2(word.xy >> 8) + 0.5f) * 0x1p-24f;
  out[i] = sqrt(-2 * log(u.x)) * cospi(2 * u.y);
}
"""
)


def philox(key, counter):
    key, counter = list(key), list(counter)
    for _ in range(10):
        a, b = 0xD2511F53 * counter[0], 0xCD9E8D57 * counter[2]
        counter = [b >> 32 ^ counter[1] ^ key[0], b % 2**32, a >> 32 ^ counter[3] ^ key[1], a % 2**32]
        key = [(key[0] + 0x9E3779B9) % 2**32, (key[1] + 0xBB67AE85) % 2**32]
    return counter


def test_random_bits():
    assert philox((0, 0), (0, 0, 0, 0)) == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]  # the paper's test vector
    out = mp.zeros((50, 4), dtype=mp.uint32)
    compile_shader(PHILOX).bits(out, [1234, 5678], threads=50)
    np.testing.assert_array_equal(numpy_of(out), [philox((1234, 5678), (i, 0, 0, 0)) for i in range(50)])


def test_randn():
    x = mp.empty(100_000)
    compile_shader(PHILOX).randn(x, mp.array([42, 0], dtype=mp.int64))
    values = numpy_of(x)
    assert abs(values.mean()) < 0.01
    assert abs(values.std() - 1) < 0.02
    assert len(np.unique(values)) > 99_000


# ---- reductions over a simdgroup ----

REDUCTIONS = (
    HEAD
    + """
// The largest value and its lane, in every lane; a NaN wins, the lowest lane of equals.
template <typename T>
static T argmax(T x, thread uint& index, uint lane) {
  bool is_nan = false;
  if constexpr (!is_integral_v<T>) is_nan = isnan(float(x));
  const uint nans = uint((simd_vote::vote_t)simd_ballot(is_nan));
  if (nans != 0) {
    index = ctz(nans);
  } else {
    T best = x;
    uint at = lane;
    for (ushort step = 16; step > 0; step /= 2) {
      const T other = simd_shuffle_xor(best, step);
      const uint other_at = simd_shuffle_xor(at, step);
      const bool exists = (lane ^ step) < 28;
      if (exists && (other > best || (other == best && other_at < at))) best = other, at = other_at;
    }
    index = simd_broadcast_first(at);
  }
  return simd_shuffle(x, ushort(index));
}
template <typename T>
kernel void reduce(device T* sums, device T* best, device uint* indices, const device T* x, uint i [[thread_position_in_grid]]) {
  sums[i] = T(simd_sum(float(x[i])));
  uint index;
  best[i] = argmax(x[i], index, i);
  indices[i] = index;
}
#define INSTANTIATE(T) template [[host_name("reduce_" #T)]] kernel decltype(reduce<T>) reduce<T>;
INSTANTIATE(float)
INSTANTIATE(half)
INSTANTIATE(bfloat)
INSTANTIATE(int)
kernel void complex_sum(device float2* out, const device float2* z, uint i [[thread_position_in_grid]]) {
  out[i] = simd_sum(z[i]);
}
static float2 multiply(float2 a, float2 b) { return float2(a.x * b.x - a.y * b.y, a.x * b.y + a.y * b.x); }
kernel void complex_product(device float2* out, const device float2* z, uint i [[thread_position_in_grid]]) {
  float2 product = z[i];
  for (ushort step = 16; step > 0; step /= 2) product = multiply(product, simd_shuffle_down(product, step));
  out[i] = product;
}
kernel void long_sum(device long* out, const device long* x, uint i [[thread_position_in_grid]]) {
  out[i] = simd_sum(x[i]) + simd_max(x[i]);
}
"""
)
TYPES = {"float": np.float32, "half": np.float16, "bfloat": ml_dtypes.bfloat16, "int": np.int32}


@pytest.mark.parametrize("name", TYPES)
def test_reductions(name, rng):
    dtype = TYPES[name]
    values = (10 * rng.standard_normal(28)).astype(dtype)
    sums, best = mp.zeros(28, dtype=dtype), mp.zeros(28, dtype=dtype)
    indices = mp.zeros(28, dtype=mp.uint32)
    kernel = getattr(compile_shader(REDUCTIONS), f"reduce_{name}")
    kernel(sums, best, indices, mp.array(values))
    wide = values.astype(float)
    assert np.abs(numpy_of(sums).astype(float) - wide.sum()).max() <= (1e-5 if name in ("float", "int") else 0.5)
    np.testing.assert_array_equal(numpy_of(best).astype(float), wide.max())
    np.testing.assert_array_equal(numpy_of(indices), wide.argmax())
    if name != "int":
        values[25] = math.nan
        kernel(sums, best, indices, mp.array(values))
        assert np.isnan(numpy_of(sums).astype(float)).all() and np.isnan(numpy_of(best).astype(float)).all()
        np.testing.assert_array_equal(numpy_of(indices), 25)


def test_reduction_of_longs(rng):
    values = rng.integers(-(2**40), 2**40, 28)
    out = mp.zeros(28, dtype=mp.int64)
    compile_shader(REDUCTIONS).long_sum(out, mp.array(values))
    np.testing.assert_array_equal(numpy_of(out), values.sum() + values.max())


def test_reductions_of_complex_numbers(rng):
    lib = compile_shader(REDUCTIONS)
    z = (rng.standard_normal(28) + 1j * rng.standard_normal(28)).astype(np.complex64)
    out = mp.zeros(28, dtype=mp.complex64)
    lib.complex_sum(out, mp.array(z))
    np.testing.assert_allclose(numpy_of(out), np.full(28, z.sum()), atol=1e-4)
    factors = np.ones(32, np.complex64)
    factors[[3, 7, 20, 31]] = 1 + 2j, 3 - 1j, -1 + 1j, 2
    out = mp.zeros(32, dtype=mp.complex64)
    lib.complex_product(out, mp.array(factors), threads=32, group_size=32)
    assert abs(numpy_of(out)[0] - (1 + 2j) * (3 - 1j) * (-1 + 1j) * 2) < 1e-4


# ---- atomics: 16-bit floats by compare-and-exchange on the word that holds them ----

ATOMICS = (
    HEAD
    + """
template <typename T>
static void add(device T* slots, uint at, T value) {
  if constexpr (sizeof(T) == 4) {
    atomic_fetch_add_explicit((device atomic<T>*)slots + at, value, memory_order_relaxed);
  } else {
    device atomic_uint* word = (device atomic_uint*)slots + at / 2;
    uint expected = atomic_load_explicit(word, memory_order_relaxed);
    vec<T, 2> pair;
    do {
      pair = as_type<vec<T, 2>>(expected);
      pair[at % 2] += value;
    } while (!atomic_compare_exchange_weak_explicit(word, &expected, as_type<uint>(pair), memory_order_relaxed,
                                                    memory_order_relaxed));
  }
}
template <typename T>
kernel void add_all(device T* slots, const device T* x, uint i [[thread_position_in_grid]]) {
  add(slots, i % 2 == 0 ? 4 : 3, x[i]);
}
#define INSTANTIATE(T) template [[host_name("add_" #T)]] kernel decltype(add_all<T>) add_all<T>;
INSTANTIATE(float)
INSTANTIATE(half)
INSTANTIATE(bfloat)
INSTANTIATE(int)
"""
)


@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize("group_size", [16, 1])
def test_atomic_add(name, group_size):
    values = np.arange(16).astype(TYPES[name])
    slots = mp.array(values)
    getattr(compile_shader(ATOMICS), f"add_{name}")(slots, mp.array(values), threads=16, group_size=group_size)
    got = numpy_of(slots).astype(float)
    assert got[3] == 67 and got[4] == 60
    np.testing.assert_array_equal(np.delete(got, [3, 4]), np.delete(np.arange(16.0), [3, 4]))


# ---- argument buffers ----

ARGUMENT_BUFFERS = """
struct Inputs {
  const device float* rows[64];
};
kernel void sum_all(constant Inputs& inputs, device float* out, uint i [[thread_position_in_grid]]) {
  float sum = 0;
  for (int r = 0; r < 64; ++r) sum += inputs.rows[r][i];
  out[i] = sum;
}
"""


@pytest.mark.parametrize("kind", [tuple, list])
def test_argument_buffers(kind, rng):
    lib = compile_shader(ARGUMENT_BUFFERS)
    host = rng.integers(-9, 9, (64, 32)).astype(np.float32)
    table, out = mp.array(host), mp.zeros(32)
    lib.sum_all(kind(table), out, threads=32)  # views of one allocation, at 64 offsets
    np.testing.assert_array_equal(numpy_of(out), host.sum(axis=0))


def test_argument_buffer_keeps_arrays_alive(rng):
    lib = compile_shader(ARGUMENT_BUFFERS)
    host = rng.integers(-9, 9, (64, 32)).astype(np.float32)
    outs = []
    for _ in range(20):
        out = mp.zeros(32)
        lib.sum_all([mp.array(row) for row in host], out, threads=32)
        outs.append(out)
    for out in outs:
        np.testing.assert_array_equal(numpy_of(out), host.sum(axis=0))


# ---- more of the language ----


def test_lambda_expressions():
    lib = compile_shader("""
        kernel void double_all(device float* x, uint i [[thread_position_in_grid]]) {
          auto twice = [](float v) { return v + v; };
          x[i] = twice(x[i]);
        }
    """)
    x = mp.array([1.0, 2.0, 3.0, 4.0])
    lib.double_all(x)
    np.testing.assert_array_equal(numpy_of(x), [2, 4, 6, 8])


def test_remainder_of_a_quotient():
    # (i / 65536) % 6, which a compiler for GPUs once got wrong.
    lib = compile_shader("""
        kernel void k(device uint* out, uint i [[thread_position_in_grid]]) { out[i] = (i / 65536) % 6; }
    """)
    x = mp.full(128, 7, dtype=mp.uint32)
    lib.k(x)
    np.testing.assert_array_equal(numpy_of(x), 0)


def test_kernel_text_from_a_file_and_a_string_agree(tmp_path):
    (tmp_path / "full.metal").write_text(FULL)
    a, b = mp.zeros(5), mp.zeros(5)
    compile_shader(FULL).full(a, 1.25)
    mp.compile_file(str(tmp_path / "full.metal")).full(b, 1.25)
    np.testing.assert_array_equal(numpy_of(a), numpy_of(b))


def test_bad_options():
    with pytest.raises(TypeError, match="str"):
        compile_shader(b"kernel void k() {}")
    with pytest.raises(ValueError, match="math_mode"):
        compile_shader(FULL, math_mode="exact")
    with pytest.raises(ValueError, match="2x"):
        compile_shader(FULL, defines={"2x": 1})
    with pytest.raises(TypeError, match="dict"):
        compile_shader(FULL, defines=["X"])
    with pytest.raises(FileNotFoundError):
        mp.compile_file("/nowhere/at/all.metal")
    with pytest.raises(TypeError, match="no_such_option"):
        compile_shader(FULL).full(mp.zeros(3), 1.0, no_such_option=1)


def test_kernels_in_namespaces():
    lib = mp.mps.compile_shader("""
        namespace a { kernel void k(device int* x) { *x = 1; } }
        namespace b::c { kernel void k(device int* x) { *x = 2; } kernel void only(device int* x) { *x = 3; } }
        kernel void other(device int* x) { *x = 4; }
    """)
    assert dir(lib) == ["a::k", "b::c::k", "b::c::only", "other"]
    assert lib.only is lib["b::c::only"]
    assert "only" in lib
    assert "k" not in lib  # there are two
    with pytest.raises(AttributeError, match="it has: a::k"):
        lib.k  # noqa: B018
    for name, value in {"a::k": 1, "b::c::k": 2, "only": 3, "other": 4}.items():
        x = mp.zeros(1, dtype=np.int32)
        lib[name](x)
        assert x[0] == value


def test_kernels_with_names_that_the_library_uses():
    names = ("_device", "_kernels", "_compilation", "__len__")
    lib = compile_shader("".join(f"kernel void {n}(device float* x) {{ x[0] += 1; }}\n" for n in names))
    x = mp.zeros(1)
    for name in names:
        assert lib[name] is lib[name]
        lib[name](x)
    assert dir(lib) == sorted(names) and len(lib) == 4 and x.item() == 4


def test_code_that_was_evicted_before_it_is_loaded_is_made_again(monkeypatch, tmp_path):
    lib = compile_shader("kernel void evicted(device float* x) { x[0] = 6; }")
    compilation = lib._compilation
    native = compilation.native

    def evicting(name, values, *, rebuild=False, shape=""):
        return native(name, values, rebuild=True, shape=shape) if rebuild else tmp_path / "gone.so"

    monkeypatch.setattr(compilation, "native", evicting)
    x = mp.zeros(1)
    lib.evicted(x)
    assert x.item() == 6
