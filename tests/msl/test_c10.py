"""The headers with the names of c10/metal: utilities, random numbers, including, other formats, later names."""

from __future__ import annotations

import math

import ml_dtypes
import numpy as np
import pytest

import metalpy as mp
from tests.helpers.case import KERNELS, library

pytestmark = pytest.mark.usefixtures("device")

F4, F2, BF = np.float32, np.float16, ml_dtypes.bfloat16
rng = np.random.default_rng(21)

# ---- utilities ----


def test_integer_utilities():
    x, y = rng.integers(-50, 50, (2, 80)).astype(np.int32)
    y = np.where(y == 0, 7, y).astype(np.int32)
    out = mp.zeros((80, 6), dtype=np.int32)
    library("c10_utilities").integers(out, mp.array(x), mp.array(y), threads=80)
    less = np.where(y == 1, 1, y - 1)
    quotient = np.trunc(x / y).astype(int)
    rows = [x // y, x % y, np.fmod(x, y), np.maximum(x, y), np.minimum(x, y),
            np.where(y == 1, 0, np.fmod(x, less)) + quotient]  # fmt: skip
    np.testing.assert_array_equal(np.asarray(out), np.stack(rows, axis=1))


def test_float_utilities():
    x, y = rng.uniform(-9, 9, (2, 80)).astype(F4)
    x[:3], y[3] = [np.nan, -6, np.inf], np.nan
    y[1] = 3
    out = mp.zeros((80, 8), dtype=F4)
    library("c10_utilities").floats(out, mp.array(x), mp.array(y), threads=80)
    with np.errstate(invalid="ignore"):
        wide, over = x.astype(float), y.astype(float)
        rows = [np.floor(x / y), wide - over * np.floor(x / y), np.fmod(x, y), np.maximum(x, y),
                np.minimum(x.astype(BF), y.astype(BF)).astype(F4), np.floor_divide(x, y), np.hypot(x, y),
                x.astype(F2).astype(F4) + (y > 0)]  # fmt: skip
    expected = np.stack(rows, axis=1)
    expected[2, [1, 5]] = np.asarray(out)[2, [1, 5]]  # of infinities nothing is promised
    np.testing.assert_allclose(np.asarray(out), expected, rtol=1e-6, atol=1e-5)


def test_complex_utilities():
    x, y = (rng.standard_normal((2, 50)) + 1j * rng.standard_normal((2, 50))).astype(np.complex64)
    out = mp.zeros((50, 4, 2), dtype=F4)
    library("c10_utilities").complexes(out, *(mp.array(z.view(F4).reshape(50, 2)) for z in (x, y)), threads=50)
    got = np.asarray(out).reshape(50, 8).view(np.complex64)
    wide = x.astype(complex)
    np.testing.assert_allclose(got, np.stack([x * y, x / y, x.conj(), np.log1p(wide)], axis=1), rtol=2e-6, atol=1e-6)


def philox(seed, index):
    """The counterpart's way through Philox4x32, in Python's integers."""
    counter, key = [0, 0, index >> 32, index & 0xFFFFFFFF], [seed >> 32, seed & 0xFFFFFFFF]
    for _ in range(9):
        a, b = 0xD2511F53 * counter[0], 0xCD9E8D57 * counter[2]
        counter = [b >> 32 ^ counter[1] ^ key[0], b & 0xFFFFFFFF, a >> 32 ^ counter[3] ^ key[1], a & 0xFFFFFFFF]
        key = [(key[0] + 0x9E3779B9) & 0xFFFFFFFF, (key[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return counter


def test_random_numbers_have_no_bias():
    n = 40000
    words, numbers = mp.zeros((n, 4), dtype=np.uint32), mp.zeros((n, 4), dtype=F4)
    library("c10_utilities").draws(words, numbers, 42, threads=n)
    uniform = (np.asarray(words) / 2.0**32).mean(0)
    np.testing.assert_allclose(uniform, 0.5, atol=5 / np.sqrt(12 * n))
    normal = np.asarray(numbers)[:, 1]
    np.testing.assert_allclose([normal.mean(), normal.std()], [0, 1], atol=5 / np.sqrt(n))


def test_random_numbers():
    seed, n = 0x123456789ABCDEF, 100
    words, numbers = mp.zeros((n, 4), dtype=np.uint32), mp.zeros((n, 4), dtype=F4)
    library("c10_utilities").draws(words, numbers, seed, threads=n)
    expected = np.array([philox(seed, i) for i in range(n)], np.uint32)
    np.testing.assert_array_equal(np.asarray(words), expected)
    uniform = (expected[:, :2] & 0x7FFFFFFF).astype(F4) * F4(4.6566127342e-10)
    normal = np.sqrt(-2 * np.log(1 - uniform[:, 0].astype(float))) * np.cos(
        2 * np.pi * (1 - uniform[:, 1].astype(float))
    )
    got = np.asarray(numbers)
    np.testing.assert_array_equal(got[:, 0], uniform[:, 0])
    np.testing.assert_allclose(got[:, 1], normal, rtol=1e-4, atol=2e-6)
    np.testing.assert_array_equal(got[:, 2], -5 + np.trunc(uniform[:, 0] * F4(25)))


# ---- including ----


def test_instances_in_the_counterparts_spelling():
    source = """
#include <c10/metal/indexing.h>
struct minus_functor { template <typename T> T operator()(const T x) { return -x; } };
template [[host_name("minus")]] kernel void ::c10::metal::unary_dense<float, minus_functor>(
    device ::c10::metal::result_of<minus_functor, float> * output, constant float * input, constant uint & numel,
    uint index);
"""
    x = rng.standard_normal(9).astype(F4)
    out = mp.zeros(9, dtype=F4)
    mp.mps.compile_shader(source).minus(out, mp.array(x), 9, threads=3)
    np.testing.assert_array_equal(np.asarray(out), -x)


@pytest.mark.parametrize("name", ["error", "utils", "indexing", "reduction_utils"])
def test_headers_that_bring_the_constants(name):
    source = (
        f"#include <c10/metal/{name}.h>\nkernel void k(device uint* out) {{ out[0] = c10::metal::simdgroup_size; }}"
    )
    out = mp.zeros(1, dtype=np.uint32)
    mp.mps.compile_shader(source).k(out)
    assert np.asarray(out)[0] == 32


def test_names_that_special_math_makes_plain():
    source = """
#include <c10/metal/special_math.h>
kernel void k(device float* out, uint i [[thread_position_in_grid]]) { out[i] = erf(mul(abs(-0.5f), float(max_ndim))); }
"""
    from math import erf

    out = mp.zeros(1, dtype=F4)
    mp.mps.compile_shader(source).k(out)
    np.testing.assert_allclose(np.asarray(out), erf(8.0), rtol=1e-6)


def test_own_headers_come_first(tmp_path):
    (tmp_path / "c10" / "metal").mkdir(parents=True)
    (tmp_path / "c10" / "metal" / "utils.h").write_text("#define ANSWER 42\n")
    source = "#include <c10/metal/utils.h>\nkernel void k(device int* out) { out[0] = ANSWER; }\n"
    path = tmp_path / "k.metal"
    path.write_text(source)
    out = mp.zeros(1, dtype=np.int32)
    mp.compile_file(path, include_dirs=[tmp_path]).k(out)
    assert np.asarray(out)[0] == 42


# ---- other formats ----

FLOAT8 = {
    "float8_e4m3fn": ml_dtypes.float8_e4m3fn,
    "float8_e5m2": ml_dtypes.float8_e5m2,
    "float8_e8m0fnu": ml_dtypes.float8_e8m0fnu,
}


@pytest.mark.parametrize("name", FLOAT8)
def test_float8_widens(name):
    bits = np.arange(256, dtype=np.uint8)
    out = mp.zeros(256)
    library("c10_formats")[f"widen_{name}"](out, mp.array(bits))
    np.testing.assert_array_equal(np.asarray(out), bits.view(FLOAT8[name]).astype(F4))


@pytest.mark.parametrize("name", FLOAT8)
def test_float8_rounds(name):
    exact = np.arange(256, dtype=np.uint8).view(FLOAT8[name]).astype(F4)
    numbers = np.unique(exact[np.isfinite(exact) & (exact >= 0)])
    middles = (numbers[1:].astype(float) + numbers[:-1]) / 2
    x = np.concatenate([numbers, middles, np.nextafter(middles.astype(F4), 0), np.nextafter(middles.astype(F4), 9e37)])
    x = x.astype(F4)
    if name != "float8_e8m0fnu":
        x = np.concatenate([x, -x, rng.standard_normal(5000, dtype=F4) * 50])
    out = mp.zeros(len(x), dtype=np.uint8)
    library("c10_formats")[f"narrow_{name}"](out, mp.array(x))
    expected = x.astype(FLOAT8[name]).view(np.uint8)
    if name == "float8_e8m0fnu":  # in the middle the larger, where ml_dtypes takes the even one
        expected = np.where(np.isin(x, middles.astype(F4)), np.frexp(x)[1] + 127, expected)
    np.testing.assert_array_equal(np.asarray(out), expected)


def test_float8_beyond_its_range():
    x = mp.array(np.array([448, 464, 465, 1e9, np.inf, -np.inf, -1e30, 57344, 61439, 61440, np.nan], F4))
    out = mp.zeros(11, dtype=np.uint8)
    library("c10_formats").narrow_float8_e4m3fn(out, x)
    assert out.tolist() == [0x7E] * 5 + [0xFE] * 2 + [0x7E] * 3 + [0x7F]
    library("c10_formats").narrow_float8_e5m2(out, x)
    assert out.tolist() == [0x5F, 0x5F, 0x5F, 0x7C, 0x7C, 0xFC, 0xFC, 0x7B, 0x7B, 0x7C, 0x7F]


@pytest.mark.parametrize("math_mode", ["safe", "fast"])
def test_double_float(math_mode):
    a, b = (rng.standard_normal(500) * 2.0 ** rng.integers(-20, 20, 500) for _ in range(2))
    parts = [np.stack([x.astype(F4), (x - x.astype(F4)).astype(F4)], 1) for x in (a, b)]
    a, b = (p.astype(float).sum(1) for p in parts)
    out = mp.zeros((4, 500, 2))
    lib = mp.compile_file(KERNELS / "c10_formats.metal", math_mode=math_mode)
    lib.arithmetic(out, *map(mp.array, parts), threads=500)
    got = np.asarray(out).astype(float).sum(2)
    scale = np.abs([a, a, a * b, a / b])
    scale[:2] = np.maximum(np.abs(a), np.abs(b))
    assert (np.abs(got - [a + b, a - b, a * b, a / b]) / scale).max() < 2.0**-44


def test_integers_as_double_float():
    x = np.append(rng.integers(-(2**47), 2**47, 50), [0, 2**48 - 1, -(2**48) + 1])
    out = mp.zeros((len(x), 2))
    library("c10_formats").integers(out, mp.array(x), threads=len(x))
    np.testing.assert_array_equal(np.asarray(out).astype(float).sum(1), x)


# ---- names of later versions ----


def trigamma(x):
    total = np.zeros_like(x)
    for _ in range(40):
        total, x = total + 1 / x**2, x + 1
    return total + 1 / x + 1 / (2 * x**2) + 1 / (6 * x**3) - 1 / (30 * x**5)


def test_scaled_erfc_and_trigamma():
    x = np.array([0.01, 0.3, 1, 2.5, 7.75, 9.9, 10.1, 13, 24, 26], F4)
    out = mp.zeros((2, 10))
    library("c10_newer").special(out, mp.array(x), threads=10)
    scaled, second = np.asarray(out)
    exact = [math.exp(v * v) * math.erfc(v) for v in x.astype(float).tolist()]
    np.testing.assert_allclose(scaled, exact, rtol=1e-6)
    np.testing.assert_allclose(second, trigamma(x.astype(float)), rtol=3e-6)
    library("c10_newer").special(out, mp.array(-x[:3]), threads=3)
    negative = [math.exp(v * v) * math.erfc(-v) for v in x[:3].astype(float).tolist()]
    np.testing.assert_allclose(np.asarray(out).ravel()[:3], negative, rtol=1e-6)


def complex_numbers(n):
    return (rng.standard_normal((2, n)) + 1j * rng.standard_normal((2, n))).astype(np.complex64)


def test_complex_sums_of_exponentials():
    a, b = complex_numbers(40)
    a[:3], b[:3] = [-np.inf, 3, 90 + 1j], [2 + 1j, -np.inf, 1]
    out = mp.zeros(40, dtype=np.complex64)
    library("c10_newer").complex_sums(out, mp.array(a), mp.array(b))
    exact = np.log(np.exp(a.astype(complex)) + np.exp(b.astype(complex)))
    exact += 2j * np.pi * np.round((np.asarray(out) - exact).imag / (2 * np.pi))  # any branch of the logarithm
    np.testing.assert_allclose(np.asarray(out), exact, rtol=3e-6, atol=1e-6)


def test_complex_powers():
    a, b = complex_numbers(40)
    a[:3], b[:3] = [0, 0, 1], [2, 0, 0]
    out = mp.zeros(40, dtype=np.complex64)
    library("c10_newer").complex_powers(out, mp.array(a), mp.array(b))
    np.testing.assert_allclose(np.asarray(out), a.astype(complex) ** b.astype(complex), rtol=3e-6, atol=1e-6)


def test_powers_of_whole_numbers():
    a, b = (m.ravel().astype(np.int32) for m in np.meshgrid([-3, -1, 0, 1, 2, 10], [0, 1, 2, 5, 9, -1, -2]))
    expected = [
        int(x) ** int(y) if y >= 0 else {1: 1, -1: (-1) ** -int(y)}.get(int(x), 0) for x, y in zip(a, b, strict=True)
    ]
    out = mp.zeros(len(a), dtype=np.int32)
    library("c10_newer").powers(out, mp.array(a), mp.array(b))
    assert out.tolist() == expected


def test_quotients_rounded_up_and_comparisons():
    a, b = rng.integers(0, 100, 30, np.uint32), rng.integers(1, 9, 30, np.uint32)
    out = mp.zeros(30, dtype=np.uint32)
    library("c10_newer").quotients(out, mp.array(a), mp.array(b))
    np.testing.assert_array_equal(np.asarray(out), -(-a.astype(int) // b))
    less = mp.zeros(30, dtype=bool)
    library("c10_newer").le_dense_bool_int(less, mp.array(a.astype(np.int32)), mp.array(b.astype(np.int32)))
    np.testing.assert_array_equal(np.asarray(less), a <= b)


def test_nans_come_last():
    values = np.array([-np.inf, -1, 0, 2, np.inf, np.nan], F4)
    a, b = (v.ravel() for v in np.meshgrid(values, values))
    out = mp.zeros(36, dtype=bool)
    library("c10_newer").orders(out, mp.array(a), mp.array(b))
    rank = {float(v).hex(): i for i, v in enumerate(values)}
    exact = [rank[float(x).hex()] < rank[float(y).hex()] for x, y in zip(a, b, strict=True)]
    np.testing.assert_array_equal(np.asarray(out), exact)


def test_complex_numbers_as_truth_values_and_by_real_ones():
    a = np.array([0, 1j, 2, complex(np.inf, 1), 3 - 4j], np.complex64)
    b = np.array([2, 2, 4j, 2, 1 + 1j], np.complex64)
    truth, quotients = mp.zeros(5, dtype=bool), mp.zeros((5, 2), dtype=F4)
    pairs = (mp.array(v.view(F4).reshape(5, 2)) for v in (a, b))
    library("c10_newer").complex_conversions(truth, quotients, *pairs, threads=5)
    np.testing.assert_array_equal(np.asarray(truth), a != 0)
    np.testing.assert_allclose(
        np.asarray(quotients), [[0, 0], [0, 0.5], [0, -0.5], [np.inf, 0.5], [-0.5, -3.5]], rtol=1e-6
    )


def test_fused_products():
    x, y, z = rng.standard_normal((3, 30)).astype(F4)
    x[0], y[0], z[0] = 1 + 2.0**-12, 1 + 2.0**-12, -1 - 2.0**-11  # rounded twice it would be 0
    m, n, o = (v.astype(np.int32) for v in rng.integers(-99, 99, (3, 30)))
    a, b = complex_numbers(30)
    c = complex_numbers(30)[0]
    floats, whole, complexes = mp.zeros(30), mp.zeros(30, dtype=np.int32), mp.zeros(30, dtype=np.complex64)
    kernels = library("c10_newer")
    kernels.fused_float(floats, *map(mp.array, (x, y, z)))
    kernels.fused_int(whole, *map(mp.array, (m, n, o)))
    kernels.fused_float2(complexes, *map(mp.array, (a, b, c)))
    np.testing.assert_allclose(np.asarray(floats), x.astype(float) * y + z, rtol=1e-6, atol=1e-7)
    assert np.asarray(floats)[0] == 2.0**-24
    np.testing.assert_array_equal(np.asarray(whole), m * n + o)
    np.testing.assert_allclose(np.asarray(complexes), a.astype(complex) * b + c, rtol=2e-6, atol=1e-6)


def test_rounded_up():
    a, b = np.array([0, 1, 7, 8, 9, 100]), np.array([8, 8, 7, 8, 8, 32])
    out = mp.zeros(6, dtype=np.int32)
    library("c10_newer").rounded_up(out, mp.array(a.astype(np.int32)), mp.array(b.astype(np.int32)))
    np.testing.assert_array_equal(np.asarray(out), [0, 8, 7, 8, 16, 128])


def test_normal_pairs():
    words = np.concatenate([rng.integers(0, 2**32, (60, 2)), [[0, 5], [2**31, 0]]]).astype(np.uint32)
    out = mp.zeros((62, 2), dtype=F4)
    library("c10_newer").normal_pairs(out, mp.array(words), threads=62)
    u, v = ((words & 0x7FFFFFFF).astype(np.float64) * 2.0**-31).T
    length = np.sqrt(-2 * np.log(np.maximum(u, np.finfo(F4).eps)))
    exact = np.stack([length * np.cos(2 * np.pi * v), length * np.sin(2 * np.pi * v)], 1)
    np.testing.assert_allclose(np.asarray(out), exact, rtol=1e-5, atol=2e-6)
