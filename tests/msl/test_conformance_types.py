"""Types of the standard library, and what is built of them: sizes, constants, limits, matrices, packing, traits."""

from __future__ import annotations

import math

import ml_dtypes
import numpy as np
import pytest

import metalpy as mp
from tests.helpers import conformance as table
from tests.helpers.conformance import FLOATS, INTEGERS, TYPES

pytestmark = pytest.mark.usefixtures("device")

F4 = np.float32
HEAD = "#include <metal_stdlib>\nusing namespace metal;\n"
rng = np.random.default_rng(31)


def holds(*conditions, head=HEAD):
    """Compile a program that asserts all of these; the message of the compiler names the one that is wrong."""
    asserts = "".join(f"static_assert({c});\n" for c in conditions)
    mp.mps.compile_shader(head + asserts + "kernel void k(device int* out) { out[0] = 0; }")


# ---- sizes ----


def test_sizes_of_types():
    conditions = ["sizeof(bool) == 1", "sizeof(size_t) == 8", "sizeof(ptrdiff_t) == 8"]
    for name, dtype in (TYPES | {"bool": np.bool_}).items():
        size = np.dtype(dtype).itemsize
        conditions.append(f"sizeof({name}) == {size} && alignof({name}) == {size}")
        for n, rounded in ((2, 2), (3, 4), (4, 4)):
            conditions.append(f"sizeof({name}{n}) == {rounded * size} && alignof({name}{n}) == {rounded * size}")
            conditions.append(f"is_same_v<{name}{n}, vec<{name}, {n}>>")
            packed = f"packed_{name}{n}"
            conditions.append(f"sizeof({packed}) == {n * size} && alignof({packed}) == {size}")
            conditions.append(f"is_same_v<{packed}, packed_vec<{name}, {n}>>")
    for name, dtype in FLOATS.items():
        for c in (2, 3, 4):
            for r in (2, 3, 4):
                column = (4 if r == 3 else r) * np.dtype(dtype).itemsize
                conditions.append(f"sizeof({name}{c}x{r}) == {c * column} && alignof({name}{c}x{r}) == {column}")
                conditions.append(f"is_same_v<{name}{c}x{r}, matrix<{name}, {c}, {r}>>")
    for name, bits in (("int8_t", 8), ("uint8_t", 8), ("int16_t", 16), ("uint16_t", 16), ("int32_t", 32),
                       ("uint32_t", 32), ("int64_t", 64), ("uint64_t", 64)):  # fmt: skip
        conditions.append(f"sizeof({name}) * 8 == {bits} && is_unsigned_v<{name}> == {str(name[0] == 'u').lower()}")
    for name in ("int", "uint", "bool", "float"):
        conditions.append(
            f"sizeof(atomic_{name}) == {1 if name == 'bool' else 4} && is_same_v<atomic_{name}, atomic<{name}>>"
        )
    conditions += ["sizeof(atomic_ulong) == 8", "sizeof(array<float, 5>) == 20", "sizeof(simdgroup_float8x8) == 8"]
    holds(*conditions)


# simd/simd.h: other names of the same types
SIMD_SCALARS = {"char": "char", "uchar": "uchar", "short": "short", "ushort": "ushort", "int": "int", "uint": "uint",
                "long": "long", "ulong": "ulong", "half": "half", "float": "float"}  # fmt: skip


def test_simd_names():
    conditions = []
    for name, scalar in SIMD_SCALARS.items():
        conditions.append(f"is_same_v<simd_{name}1, {scalar}>")
        for n in (2, 3, 4):
            for spelled in (f"vector_{name}{n}", f"simd_{name}{n}", f"simd::{name}{n}"):
                conditions.append(f"is_same_v<{spelled}, {scalar}{n}>")
            conditions.append(f"is_same_v<simd_packed_{name}{n}, packed_{scalar}{n}>")
            conditions.append(f"is_same_v<simd::packed_{name}{n}, packed_{scalar}{n}>")
    for name in ("float", "half"):
        for c in (2, 3, 4):
            for r in (2, 3, 4):
                for spelled in (f"matrix_{name}{c}x{r}", f"simd_{name}{c}x{r}", f"simd::{name}{c}x{r}"):
                    conditions.append(f"is_same_v<{spelled}, {name}{c}x{r}>")
    for name in ("float", "int", "uint", "half", "char", "uchar", "short", "ushort", "long", "ulong"):
        conditions.append(f"all(simd_make_{name}2(1, 2) == {name}2(1, 2))")
        conditions.append(f"all(simd_make_{name}3(simd_make_{name}2(1, 2), 3) == {name}3(1, 2, 3))")
        conditions.append(f"all(simd_make_{name}4(1, 2, 3, 4) == {name}4(1, 2, 3, 4))")
    holds(*conditions, head="#include <metal_stdlib>\n#include <simd/simd.h>\nusing namespace metal;\n")


# ---- constants and limits ----


def test_constants():
    names = list(table.CONSTANTS)
    body = "".join(f"  out[{i}] = as_bits({name});\n" for i, name in enumerate(names))
    source = (
        HEAD
        + f"""
template <class T> ulong as_bits(T x) {{
  if constexpr (sizeof(T) == 8) return as_type<ulong>(x);
  else if constexpr (sizeof(T) == 4) return as_type<uint>(x);
  else if constexpr (sizeof(T) == 2) return as_type<ushort>(x);
  else return as_type<uchar>(x);
}}
kernel void k(device ulong* out) {{
{body}}}
"""
    )
    checks = [f"sizeof({name}) >= {np.dtype(TYPES[kind]).itemsize}" for name, (kind, _) in table.CONSTANTS.items()]
    kernels = mp.mps.compile_shader(source + "".join(f"static_assert({c});\n" for c in checks))
    out = mp.zeros(len(names), dtype=np.uint64)
    kernels.k(out, threads=1)
    for name, bits in zip(names, np.asarray(out), strict=True):
        kind, value = table.CONSTANTS[name]
        dtype = np.dtype(TYPES[kind])
        wide = np.uint32 if dtype.kind in "iu" and dtype.itemsize < 4 else f"u{dtype.itemsize}"
        got = np.array([bits]).astype(wide)
        got = got.view(np.int32 if dtype.kind in "iu" and dtype.itemsize < 4 else dtype)[0]
        exact = dtype.type(value) if kind in FLOATS else value
        assert got == exact or (math.isnan(value) and math.isnan(float(got))), (name, got, value)


@pytest.mark.parametrize("name", TYPES)
def test_numeric_limits(name):
    dtype = TYPES[name]
    whole = name in INTEGERS
    info = np.iinfo(dtype) if whole else ml_dtypes.finfo(dtype)
    signed = str(not whole or int(info.min) < 0).lower()
    limits = f"numeric_limits<{name}>"
    conditions = [
        f"{limits}::is_specialized && {limits}::is_signed == {signed} && {limits}::is_integer == {str(whole).lower()}",
        f"{limits}::radix == 2 && {limits}::has_infinity == {str(not whole).lower()}",
        f"{limits}::is_exact == {str(whole).lower()} && {limits}::is_bounded",
        f"is_same_v<decltype({limits}::max()), {name}>",
    ]
    if whole:
        conditions.append(f"{limits}::digits == {8 * info.dtype.itemsize - (int(info.min) < 0)}")
        conditions.append(f"{limits}::max() == {name}({int(info.max)}ul) && {limits}::lowest() == {limits}::min()")
        low = f"{name}(-{-int(info.min) - 1}l - 1)" if int(info.min) < 0 else f"{name}(0)"
        conditions.append(f"{limits}::min() == {low}")
    else:
        for function, value in (("max", info.max), ("min", info.tiny), ("epsilon", info.eps),
                                ("denorm_min", info.smallest_subnormal), ("lowest", info.min)):  # fmt: skip
            conditions.append(f"float({limits}::{function}()) == {float(value).hex()}f")
        conditions.append(f"{limits}::infinity() > {limits}::max() && {limits}::round_error() == {name}(0.5f)")
        conditions.append(f"{limits}::quiet_NaN() != {limits}::quiet_NaN() && {limits}::digits == {info.nmant + 1}")
        conditions.append(f"{limits}::max_exponent == {info.maxexp} && {limits}::min_exponent == {info.minexp + 1}")
    holds(*conditions)


# ---- matrices ----


def matrix_source(name, c, r):
    m = f"{name}{c}x{r}"
    products = "".join(
        f"  {{ {name}{k}x{c} b; for (int i = 0; i < {k}; ++i) b[i] = n[i % {c}][0] * {name}{c}(1) + w;\n"
        f"    store(out, m * b); }}\n"
        for k in (2, 3, 4)
    )
    square = f"  store(out, {name}2x2(determinant(m)));\n  {{ {m} a = m; a *= n; store(out, a); }}\n" if c == r else ""
    elements = ", ".join(str(i + 1) for i in range(c * r))
    columns = ", ".join(f"n[{i}]" for i in range(c))
    other = "half" if name == "float" else "float"
    return (
        HEAD
        + f"""
template <class T, int C, int R> void store(thread device float*& out, matrix<T, C, R> m) {{
  for (int i = 0; i < C; ++i)
    for (int j = 0; j < R; ++j) *out++ = float(m[i][j]);
}}
kernel void k(device float* out, const device {m}* ms, const device {name}{c}* vs, const device {name}{r}* us) {{
  const {m} m = ms[0], n = ms[1];
  const {name}{c} v = vs[0], w = vs[1];
  const {name}{r} u = us[0];
  store(out, m + n), store(out, m - n), store(out, -m), store(out, +m), store(out, m * {name}(3));
  store(out, {name}(3) * m), store(out, m / {name}(2));
  store(out, transpose(m)), store(out, {m}({name}(2))), store(out, {m}({elements})), store(out, {m}({columns}));
  store(out, {m}({other}{c}x{r}(m)));
  {m} a = m;
  a += n, a -= m, a[0] = m[1], a[1][0] = {name}(7), a *= {name}(2), a /= {name}(4);
  store(out, a);
  store(out, matrix<{name}, 2, {r}>(m * v, m * w)), store(out, matrix<{name}, 2, {c}>(u * m, u * m));
{products}{square}
  *out++ = float(m == m && !(m == n) && m != n);
}}
"""
    )


def padded(columns, dtype):
    """Columns of 3 take the room of 4."""
    rows = columns.shape[-1]
    return np.pad(columns, [(0, 0)] * (columns.ndim - 1) + [(0, rows == 3)]).astype(dtype)


def matrix_results(m, n, v, w, u, c, r):
    """What the kernel stores, by columns; matrices are arrays of columns."""
    eye = np.zeros((c, r))
    np.fill_diagonal(eye, 2)
    a = n.copy()
    a[0] = m[1]
    a[1, 0] = 7
    parts = [m + n, m - n, -m, m, 3 * m, 3 * m, m / 2, m.T, eye, np.arange(1, c * r + 1), n, m, a / 2]
    parts += [v @ m, w @ m, m @ u, m @ u]
    for k in (2, 3, 4):
        b = np.stack([n[i % c][0] + w for i in range(k)])
        parts.append(b @ m)
    if c == r:
        parts += [np.linalg.det(m) * np.eye(2), n @ m]
    return np.concatenate([*(np.asarray(p, float).ravel() for p in parts), [1]])


@pytest.mark.parametrize(("name", "c", "r"), [("float", c, r) for c in (2, 3, 4) for r in (2, 3, 4)]
                         + [(t, n, n) for t in ("half", "bfloat") for n in (2, 3, 4)])  # fmt: skip
def test_matrices(name, c, r):
    dtype = TYPES[name]
    m, n = rng.integers(-2, 3, (2, c, r)).astype(float)
    m[0, 0] = n[0, 0] + 1
    (v, w), u = rng.integers(-2, 3, (2, c)).astype(float), rng.integers(-2, 3, r).astype(float)
    exact = matrix_results(m, n, v, w, u, c, r)
    out = mp.zeros(len(exact) + 50, dtype=F4)
    arguments = padded(np.stack([m, n]), dtype), padded(np.stack([v, w]), dtype), padded(u[None], dtype)
    mp.mps.compile_shader(matrix_source(name, c, r)).k(out, *map(mp.array, arguments), threads=1)
    np.testing.assert_allclose(np.asarray(out), [*exact, *[0] * 50], atol=1e-5)  # integers, small enough for each type


# ---- packing ----


def unpacked(word, kind, bits, components):
    values = [0.0] * (max(components) + 1)
    for size, component in zip(bits, components, strict=True):
        field, top = word & (1 << size) - 1, (1 << size) - 1
        word >>= size
        if kind == table.SNORM:
            value = max((field - (1 << size) if field >> size - 1 else field) / (top >> 1), -1)
        else:
            value = field / top
            if kind == "srgb" and component < 3:
                value = value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
        values[component] = value
    return values


@pytest.mark.parametrize("type_name", ["float", "half"])
@pytest.mark.parametrize("packing", table.PACKED)
def test_packing(packing, type_name):
    unpacking, kind, bits, components = table.PACKED[packing]
    count, word = len(bits), "ushort" if sum(bits) == 16 else "uint"
    source = (
        HEAD
        + f"""
kernel void k(device {type_name}* out, device {word}* back, const device {word}* x, uint i [[thread_position_in_grid]]) {{
  const {type_name}{count} v = unpack_{unpacking}_to_{type_name}(x[i]);
  for (int j = 0; j < {count}; ++j) out[{count} * i + j] = v[j];
  back[i] = pack_{type_name}_to_{packing}(v);
}}
"""
    )
    dtype, word_type = TYPES[type_name], INTEGERS[word]
    words = rng.integers(0, np.iinfo(word_type).max, 200, word_type, endpoint=True)
    words[:2] = 0, np.iinfo(word_type).max
    out, back = mp.zeros((200, count), dtype=dtype), mp.zeros(200, dtype=word_type)
    mp.mps.compile_shader(source).k(out, back, mp.array(words), threads=200)
    exact = np.array([unpacked(int(x), kind, bits, components) for x in words])
    eps = float(np.finfo(dtype).eps)
    np.testing.assert_allclose(np.asarray(out).astype(float), exact, rtol=4 * eps, atol=2e-7)
    # packing finds the word again, but where half has lost it and where two words mean the same number
    again = [unpacked(int(x), kind, bits, components) for x in np.asarray(back)]
    steps = [1 / ((1 << size) - 1) for size in bits]
    slack = max(steps) * (0.01 if type_name == "float" else 0) + (2 * eps if type_name == "half" else 1e-6)
    np.testing.assert_allclose(again, exact, rtol=2 * eps, atol=slack + (max(steps) if kind == "srgb" else 0))


# ---- traits and containers ----

TRAITS = """
is_same_v<int, int> && !is_same_v<int, uint> && is_same<half, half>::value
is_integral_v<ulong> && is_integral_v<bool> && !is_integral_v<float> && is_integral_v<int4>
is_floating_point_v<half> && is_floating_point_v<bfloat> && !is_floating_point_v<int> && is_floating_point_v<float2>
is_arithmetic_v<bfloat> && is_arithmetic_v<char> && !is_arithmetic_v<thread int*>
is_signed_v<int> && is_unsigned_v<uchar> && is_signed_v<half> && !is_signed_v<uint>
is_arithmetic_v<float4> && is_signed_v<int2> && !is_signed_v<uint2> && is_unsigned_v<packed_uchar4>
is_same_v<make_scalar_t<const half4>, half> && is_same_v<make_scalar<packed_uint3>::type, uint>
is_same_v<make_scalar_t<float>, float> && is_same_v<make_scalar_t<Pair<int2>>, Pair<int>>
is_same_v<make_unsigned_t<int4>, uint4> && is_same_v<make_signed_t<packed_ushort3>, packed_short3>
is_scalar_v<float> && is_scalar_v<thread int*> && !is_scalar_v<float4>
is_vector_v<float4> && is_vector_v<packed_half2> && !is_vector_v<float>
is_pointer_v<device float*> && !is_pointer_v<float> && is_array_v<int[3]> && !is_array_v<int>
is_reference_v<thread int&> && is_lvalue_reference_v<thread int&> && !is_reference_v<int>
is_const_v<const int> && !is_const_v<int> && is_volatile_v<volatile int>
is_void_v<void> && !is_void_v<int> && is_enum_v<E> && is_class_v<A> && is_union_v<U> && is_function_v<int(int)>
is_base_of_v<A, B> && !is_base_of_v<B, A> && is_convertible_v<int, float> && !is_convertible_v<A, int>
is_constructible_v<float4, float> && is_default_constructible_v<A> && is_copy_constructible_v<A>
is_assignable_v<thread int&, int> && is_trivial_v<int> && is_trivially_copyable_v<float3x3> && is_standard_layout_v<A>
is_object_v<int> && is_move_assignable_v<A> && is_compound_v<A> && is_fundamental_v<float>
is_invocable_v<F, int> && !is_invocable_v<int> && is_same_v<invoke_result_t<F, int>, float>
is_same_v<remove_const_t<const int>, int> && is_same_v<remove_volatile_t<volatile int>, int>
is_same_v<remove_cv_t<const volatile int>, int> && is_same_v<remove_reference_t<thread int&>, int>
is_same_v<remove_pointer_t<device int*>, int> && is_same_v<remove_extent_t<int[3]>, int>
is_same_v<add_const_t<int>, const int> && is_same_v<add_volatile_t<int>, volatile int> && is_same_v<decay_t<const int>, int>
is_same_v<make_unsigned_t<int>, uint> && is_same_v<make_signed_t<ulong>, long> && is_same_v<underlying_type_t<E>, uchar>
is_same_v<conditional_t<true, int, float>, int> && is_same_v<conditional_t<false, int, float>, float>
is_same_v<enable_if_t<true, int>, int> && is_same_v<common_type_t<int, float>, float>
conjunction_v<true_type, true_type> && !conjunction_v<true_type, false_type> && disjunction_v<false_type, true_type>
negation_v<false_type> && bool_constant<true>::value && integral_constant<int, 4>::value == 4
alignment_of_v<float3> == 16 && rank_v<int[2][3]> == 2 && extent_v<int[2][3], 1> == 3
is_same_v<type_identity_t<int>, int> && is_same_v<remove_cvref_t<const thread int&>, int>
is_same_v<decltype(declval<int>() + declval<float>()), float> && vec_elements<float3>::value == 3
""".strip().split("\n")


def test_type_traits():
    head = (
        HEAD
        + """
struct A {}; struct B : A { int x; }; enum class E : uchar { a }; union U { int i; float f; };
struct F { float operator()(int) const { return 0; } };
template <class T> struct Pair { T first, second; };
namespace metal { template <class T> struct _make_scalar_impl<Pair<T>> { using type = Pair<make_scalar_t<T>>; }; }
"""
    )
    # two that Metal lacks, and libraries define in its namespace
    head += "namespace metal { template <class T> struct is_empty : bool_constant<__is_empty(T)> {};"
    head += " template <class...> using void_t = void; }\n"
    holds(*TRAITS, "is_empty<A>::value", "is_same_v<void_t<int>, void>", head=head)


def test_array():
    source = (
        HEAD
        + """
constant array<int, 3> table = {{1, 2, 3}};
constexpr constant array<float, 2> halves = {0.5f, 1.5f};
static_assert(halves.size() == 2 && !halves.empty() && halves[1] == 1.5f && halves.front() == 0.5f && halves.max_size() == 2);
static_assert(is_same_v<array<int, 3>::value_type, int> && array<int, 0>::size() == 0 && is_same_v<decltype(array{1, 2}), array<int, 2>>);
kernel void k(device int* out) {
  array<int, 3> a = table;
  a[1] = 20, a.at(2) += 5, a.data()[0] *= 7;
  int sum = 0;
  for (int x : a) sum += x;
  out[0] = sum, out[1] = a.back(), a.fill(4), out[2] = *(a.end() - 1) + *a.begin(), out[3] = int(table[1] + halves[1] * 2);
  array_ref<int> view(a);
  out[4] = int(view.size()) + view[0];
}
"""
    )
    out = mp.zeros(5, dtype=np.int32)
    mp.mps.compile_shader(source).k(out, threads=1)
    np.testing.assert_array_equal(np.asarray(out), [7 + 20 + 8, 8, 8, 5, 7])


def test_orders_and_scopes():
    source = (
        HEAD
        + """
kernel void k(device atomic_uint* a, uint i [[thread_position_in_grid]]) {
  threadgroup_barrier(mem_flags::mem_device | mem_flags::mem_threadgroup);
  simdgroup_barrier(mem_flags::mem_none);
  threadgroup_barrier(mem_flags::mem_texture, memory_scope_device);
  atomic_thread_fence(mem_flags::mem_device, memory_order_acquire);
  atomic_thread_fence(mem_flags::mem_threadgroup, memory_order_release, thread_scope_threadgroup);
  atomic_thread_fence(mem_flags::mem_device, memory_order_acq_rel, thread_scope_simdgroup);
  atomic_thread_fence(mem_flags::mem_device, memory_order_seq_cst, thread_scope_thread);
  atomic_fetch_add_explicit(a, i, memory_order_relaxed);
}
"""
    )
    total = mp.zeros(1, dtype=np.uint32)
    mp.mps.compile_shader(source).k(total, threads=100)
    assert np.asarray(total)[0] == 4950
