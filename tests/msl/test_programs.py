"""What programs in the wild rely on, found by compiling them: each test is a small program of our own."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

import metalpy as mp

pytestmark = pytest.mark.usefixtures("device")

HEAD = "#include <metal_stdlib>\nusing namespace metal;\n"


def test_barriers_are_found_by_their_argument():
    lib = mp.mps.compile_shader("""
#include <metal_stdlib>
kernel void turn(device int* x, uint i [[thread_position_in_threadgroup]]) {
  threadgroup int row[32];
  row[i] = x[i];
  threadgroup_barrier(metal::mem_flags::mem_threadgroup);
  simdgroup_barrier(metal::mem_flags::mem_none);
  x[i] = row[31 - i];
}""")
    x = mp.arange(32, dtype=np.int32)
    lib.turn(x)
    assert x.tolist() == list(range(31, -1, -1))


def test_loop_hints_that_cannot_be_followed_are_silent(capfd):
    lib = mp.mps.compile_shader(
        HEAD
        + """
kernel void add(device float* x, constant uint& n, uint i [[thread_position_in_grid]]) {
  #pragma unroll
  for (uint k = i; k < n; k += 7) x[k] += 1;
  #pragma clang loop unroll(full)
  for (uint k = i; k < n; k += 7) x[k] += 1;
  #pragma clang loop unroll_count(4) vectorize(enable)
  for (uint k = i; k < n; k += 7) x[k] = x[int(x[k])];
}"""
    )
    x = mp.zeros(3)
    lib.add(x, 3)
    mp.mps.synchronize()
    assert capfd.readouterr().err == ""


def test_volatile_vectors():
    lib = mp.mps.compile_shader(
        HEAD
        + """
struct Box { float4 v; packed_float3 p; };
static_assert(sizeof(Box) == 32, "");
kernel void f(volatile device Box& box, device float* out) {
  box.v = float4(20);
  box.p = 3.0;
  float4 twice = box.v * 2;
  packed_float3 p = box.p;
  out[0] = twice.w, out[1] = p.z;
}"""
    )
    box, out = mp.zeros(32, dtype=np.uint8), mp.zeros(2)
    lib.f(box, out, threads=1)
    assert out.tolist() == [40.0, 3.0]
    assert np.asarray(box).view(np.float32)[:7].tolist() == [20.0] * 4 + [3.0] * 3


def test_limits_and_number_of_components_of_vectors():
    lib = mp.mps.compile_shader(
        HEAD
        + """
kernel void f(device float* x, device uint* n) {
  x[0] = numeric_limits<float4>::max().w;
  x[1] = (-numeric_limits<half2>::infinity()).y;
  x[2] = numeric_limits<short3>::lowest().z;
  struct S {};
  static_assert(__is_valid_simdgroup_type<half3>::value && !__is_valid_simdgroup_type<long>::value &&
                !__is_valid_simdgroup_type<bool>::value && !__is_valid_simdgroup_type<S>::value, "");
  n[0] = vec_elements<const float3>::value;
  n[1] = vec_elements<float>::value;
}"""
    )
    x, n = mp.zeros(3), mp.zeros(2, dtype=np.uint32)
    lib.f(x, n, threads=1)
    assert x.tolist() == [np.finfo(np.float32).max, -np.inf, -32768.0]
    assert n.tolist() == [3, 0]


def test_limits_of_a_type_of_ones_own():
    lib = mp.mps.compile_shader(
        HEAD
        + """
template <typename T> struct indexed { uint i; T value; };
template <typename T> struct _numeric_limits_impl<indexed<T>> {
  static constexpr indexed<T> lowest() { return {0, numeric_limits<T>::lowest()}; }
};
kernel void f(device float* x) { x[0] = numeric_limits<const indexed<float>>::lowest().value; }"""
    )
    x = mp.zeros(1)
    lib.f(x)
    assert x.item() == np.finfo(np.float32).min


def test_sign_of_integers_is_the_users():
    lib = mp.mps.compile_shader(
        HEAD
        + """
template <typename T, typename E = typename enable_if<is_integral<T>::value>::type>
T sign(T x) { return select(select(x, T(0), x == T(0)), x > T(0) ? T(1) : T(-1), x != T(0)); }
kernel void f(device float* x) {
  x[0] = sign(-5), x[1] = sign(-2.5f), x[2] = sign(half4(-2)).y, x[3] = sign(2.5bf);
}"""
    )
    x = mp.zeros(4)
    lib.f(x, threads=1)
    assert x.tolist() == [-1.0, -1.0, -1.0, 1.0]


ASSERTING = HEAD + "kernel void f(device int* x) { assert(x[0] == 1, x[0] < 3); x[1] = 7; }"


def test_assert_ends_the_launch():
    lib = mp.mps.compile_shader(ASSERTING)
    x = mp.array([1, 0], dtype=np.int32)
    lib.f(x, threads=1)
    assert x.tolist() == [1, 7]
    x = mp.array([3, 0], dtype=np.int32)
    lib.f(x, threads=1)
    with pytest.raises(mp.KernelFaultError):
        mp.mps.synchronize()


def test_assert_without_effect():
    lib = mp.mps.compile_shader(ASSERTING, defines={"NDEBUG": 1})
    x = mp.array([3, 0], dtype=np.int32)
    lib.f(x, threads=1)
    assert x.tolist() == [3, 7]


def test_attributes_that_say_nothing_here():
    lib = mp.mps.compile_shader(
        HEAD
        + "kernel void f(device int* x [[buffer(0), access(read_write)]], constant int& y [[user(name)]]) { *x = y; }"
    )
    x = mp.zeros(1, dtype=np.int32)
    lib.f(x, 4)
    assert x.item() == 4


def test_what_was_meant_is_named_in_full():
    with pytest.raises(mp.CompileError, match=r"did you mean 'metal::sin'\?"):
        mp.mps.compile_shader("#include <metal_stdlib>\nkernel void f(device float* x) { *x = sin(*x); }")


def test_aggregates_may_declare_default_constructors():
    lib = mp.mps.compile_shader(
        HEAD
        + """
template <typename T> struct Pair {
  uint count; T sum;
  constexpr Pair<T>() = default;
  constexpr Pair<T>() threadgroup = default;
};
struct Plain { Plain() = default; Plain(const Plain&) = default; int a, b; };
struct Own { int a; Own() = default; Own(int x) : a(x + 1) {} };
kernel void f(device int* x, uint i [[thread_index_in_threadgroup]]) {
  threadgroup Pair<int> shared[2];
  shared[i] = Pair<int>{1, int(i)};
  Plain plain = {3, 4};
  Own own, other(5);
  own = other;
  x[i] = shared[i].sum + plain.b + own.a;
}"""
    )
    x = mp.zeros(2, dtype=np.int32)
    lib.f(x)
    assert x.tolist() == [10, 11]


def test_scalars_are_shifted_by_the_low_bits_of_the_amount():
    lib = mp.mps.compile_shader(
        HEAD
        + """
kernel void f(constant ulong& n, device int* x, device long* y) {
  x[0] = 1 << n, x[1] = -64 >> n, x[2] = 0x80000000u >> n, x[3] = 3;
  x[3] <<= int(n);
  y[0] = 1l << n, y[1] = 1l << (n + 32);
}"""
    )
    x, y = mp.zeros(4, dtype=np.int32), mp.zeros(2, dtype=np.int64)
    lib.f(35, x, y, threads=1)
    assert x.tolist() == [8, -8, 1 << 28, 24]
    assert y.tolist() == [1 << 35, 8]


CONSTANT_SHIFTS = """
#define SHL(a, n) ((a) << (n))
constexpr uint low(uint n) { return 5u << n; }
constant uint FAR = 3u << 100u;
constexpr constant uint KNOWN = low(33);
template <typename T, uint N> T shifted(T x) { return x << N - 1 + 2 * 16; }
template <uint N> struct Part { enum : uint { value = 0xf0u >> N + 32 }; };
kernel void f(constant uint& one, device uint* x, device ulong* y) {
  const uint n = 36;
  x[0] = 3u << 100u, x[1] = ~0u >> 33, x[2] = one << n, x[3] = SHL(1u, 40);
  x[4] = FAR, x[5] = KNOWN, x[6] = Part<4>::value, x[7] = uint(-8 >> 33);
  x[8] = uint(ushort(1) << 52), x[9] = 1u << -1, x[10] = 5, x[11] = 64;
  x[10] <<= 33, x[11] >>= one ? 34 : 35;
  x[12] = shifted<uint, 2>(3), x[13] = shifted<uint2, 2>(3).y, x[14] = 1 << 33 << 34;
  switch (one) { case 1u << 32: x[15] = 7; }
  y[0] = 1ul << 65, y[1] = 3ul << 40;
}"""


def test_constants_are_shifted_by_the_low_bits_of_the_amount():
    x, y = mp.zeros(16, dtype=np.uint32), mp.zeros(2, dtype=np.uint64)
    lib = mp.mps.compile_shader(HEAD + CONSTANT_SHIFTS)
    lib.f(1, x, y, threads=1)
    wanted = [3 << 4, 2**31 - 1, 1 << 4, 1 << 8, 3 << 4, 10, 15, 2**32 - 4, 1 << 20, 1 << 31, 10, 16, 6, 6, 8, 7]
    assert x.tolist() == wanted
    assert y.tolist() == [2, 3 << 40]
    line = HEAD.count("\n") + CONSTANT_SHIFTS[: CONSTANT_SHIFTS.index("x[1]")].count("\n") + 1
    told = [(d.line, d.severity) for d in lib.diagnostics if d.message.startswith("shift count >= width of type")]
    assert (line, "warning") in told


BFLOAT_AS_INT = """
int twice(int x) { return 2 * x; }
int back(bfloat b) { return b; }
template <typename T> T or_zero(T x, bool c) { return c ? x : 0; }
kernel void f(const device bfloat* a, device int* i, device float* y) {
  bfloat x = a[0];
  const int n = x;
  int m, both[2] = {x, 1};
  m = a[1];
  i[0] = n, i[1] = m, i[2] = a[2], i[3] = twice(x), i[4] = back(a[1]), i[5] = both[0], i[6] = 1;
  i[6] += x;
  y[0] = n > 2 ? x : 0, y[1] = n > 9 ? x : 1, y[2] = or_zero(x, true), y[3] = or_zero(2, false);
  y[4] = n > 2 ? x : 0.5f, y[5] = max(x, 3.0bf), y[6] = x * 2 + n, y[7] = n > 9 ? 7 : x;
}"""


def test_bfloats_become_integers_without_a_cast():
    a = mp.array(np.array([3.75, -2.5, 100], ml_dtypes.bfloat16))
    i, y = mp.zeros(7, dtype=np.int32), mp.zeros(8, dtype=np.float32)
    mp.mps.compile_shader(HEAD + BFLOAT_AS_INT).f(a, i, y, threads=1)
    assert i.tolist() == [3, -2, 100, 6, -2, 3, 4]
    assert y.tolist() == [3.75, 1, 3.75, 0, 3.75, 3.75, 10.5, 3.75]


OPERATORS = """
struct Num {
  int v;
  Num operator+(Num b) const { Num r = *this; r.v += b.v; return r; }
  Num operator-() const { Num r = {-v}; return r; }
  Num operator+(Num b) device const { return Num(*this) + b; }
  Num operator-() device const { return -Num(*this); }
  int times(int n) const { return n * v; }
  int times(int n) device const { return Num(*this).times(n); }
  int twice() const { return 2 * v; }
  int twice() device const { return Num(*this).twice(); }
};
kernel void f(device Num* x) { x[0] = x[0] + x[1]; x[1] = -x[1]; x[1].v = x[1].twice() + x[1].times(3); }
"""


def test_methods_that_forward_to_a_copy():
    x = mp.array([3, 4], dtype=np.int32)
    mp.mps.compile_shader(OPERATORS).f(x.view(np.uint8), threads=1)
    assert x.tolist() == [7, -20]


def test_methods_that_do_not_forward_are_other_methods():
    x = mp.array([3, 4], dtype=np.int32)
    mp.mps.compile_shader(OPERATORS.replace("Num(*this) + b", "-Num(*this) + b")).f(x.view(np.uint8), threads=1)
    assert x.tolist() == [1, -20]
