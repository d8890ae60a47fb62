"""The headers with the names of c10/metal: utilities, special functions, random numbers, atomics, reductions, indexing."""

from __future__ import annotations

import json
import math
from functools import cache
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

import metalpy as mp
from tests.helpers.case import KERNELS, library
from tests.helpers.conformance import SPECIAL_ERRORS

pytestmark = pytest.mark.usefixtures("device")

F4, F2, BF = np.float32, np.float16, ml_dtypes.bfloat16
rng = np.random.default_rng(21)
SPECIAL = json.loads((Path(__file__).parent / "special_values.json").read_text())

ORDER_FIRST, ORDER_LAST = {"polygamma"}, {name for name in SPECIAL if "polynomial" in name}


def test_every_special_function_has_a_bound():
    assert set(SPECIAL_ERRORS) == set(SPECIAL)


@cache
def special_library():
    lines = ["#include <c10/metal/special_math.h>", "using namespace metal;"]
    for name, data in SPECIAL.items():
        arguments = [f"{'xyz'[j]}[i]" for j in range(len(data["arguments"]))]
        parameters = "".join(f", const device float* {'xyz'[j]}" for j in range(len(arguments)))
        if name in ORDER_FIRST:
            arguments[0] = f"long({arguments[0]})"
        if name in ORDER_LAST:
            arguments[1] = f"long({arguments[1]})"
        call = f"c10::metal::{name}({', '.join(arguments)})"
        lines.append(
            f"kernel void {name}_kernel(device float* out{parameters}, uint i [[thread_position_in_grid]]) "
            f"{{ out[i] = {call}; }}"
        )
    return mp.mps.compile_shader("\n".join(lines))


@pytest.mark.parametrize("name", SPECIAL)
def test_special_function(name):
    data = SPECIAL[name]
    exact = np.array(data["values"])
    out = mp.zeros(len(exact), dtype=F4)
    arguments = [mp.array(np.array(column, F4)) for column in data["arguments"]]
    getattr(special_library(), f"{name}_kernel")(out, *arguments)
    relative, absolute = SPECIAL_ERRORS[name]
    np.testing.assert_allclose(np.asarray(out), exact, rtol=relative, atol=absolute)


def test_special_values():
    """Poles, infinities and NaN."""
    source = """
#include <c10/metal/special_math.h>
using namespace c10::metal;
kernel void k(device float* out, const device float* x, uint i [[thread_position_in_grid]]) {
  device float* row = out + 10 * i;
  row[0] = erf(x[i]), row[1] = erfc(x[i]), row[2] = erfinv(x[i]), row[3] = c10::metal::gamma(x[i]);
  row[4] = log_gamma(x[i]), row[5] = digamma(x[i]), row[6] = bessel_j0_forward(x[i]), row[7] = i0e(x[i]);
  row[8] = expm1f(x[i]), row[9] = log1p(x[i]);
}
"""
    inf, nan = np.inf, np.nan
    table = {
        0.0: [0, 1, 0, inf, inf, -inf, 1, 1, 0, 0],
        1.0: [0.8427008, 0.15729921, inf, 1, 0, -0.5772157, 0.7651977, 0.4657596, 1.7182818, 0.6931472],
        -1.0: [-0.8427008, 1.8427008, -inf, nan, inf, nan, 0.7651977, 0.4657596, -0.63212055, -inf],
        inf: [1, 0, nan, inf, inf, inf, 0, 0, inf, inf],
        nan: [nan] * 10,
    }
    out = mp.zeros((len(table), 10), dtype=F4)
    mp.mps.compile_shader(source).k(out, mp.array(np.array(list(table), F4)), threads=len(table))
    np.testing.assert_allclose(np.asarray(out), np.array(list(table.values())), rtol=1e-6, atol=3e-7)


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


ATOMICS = {"float": F4, "int": np.int32, "half": F2, "bfloat": BF, "short": np.int16, "char": np.int8, "uchar": np.uint8,
           "bool": np.bool_, "long": np.int64, "half2": F2, "float2": F4}  # fmt: skip
NATIVE = ("float", "int")  # the others are changed through 32-bit words


@pytest.mark.parametrize("name", ATOMICS)
def test_atomic_add(name):
    dtype, lanes = ATOMICS[name], 2 if name.endswith("2") else 1
    x = rng.integers(0, 2 if name == "bool" else 4, (40, lanes)).astype(dtype)
    x = x << 31 if name == "long" else x
    expected = np.zeros((8, lanes), dtype)
    for i, value in enumerate(x):
        expected[1 + i % 5] = expected[1 + i % 5] | value if name == "bool" else expected[1 + i % 5] + value
    out = mp.zeros(expected.nbytes // 4, dtype=dtype if name in (*NATIVE, "float2") else np.uint32)
    getattr(library("c10_utilities"), f"add_{name}")(out, mp.array(x), threads=40)
    np.testing.assert_array_equal(np.asarray(out).view(dtype).reshape(expected.shape), expected)


@pytest.mark.parametrize("name", ["float", "int", "half", "bfloat", "short", "char", "uchar", "long"])
def test_atomic_operation(name):
    x = rng.integers(-100 if name != "uchar" else 0, 100, 40).astype(ATOMICS[name])
    expected = np.zeros(8, x.dtype)
    for i, value in enumerate(x):
        expected[1 + i % 5] = max(expected[1 + i % 5], value)
    out = mp.zeros(expected.nbytes // 4, dtype=x.dtype if name in NATIVE else np.uint32)
    getattr(library("c10_utilities"), f"max_{name}")(out, mp.array(x), threads=40)
    np.testing.assert_array_equal(np.asarray(out).view(x.dtype), expected)


# ---- reductions: whole groups, one simdgroup, and groups that end inside a simdgroup ----

REDUCED = [("sum", "float"), ("sum", "half"), ("sum", "bfloat"), ("sum", "int"), ("sum", "long"), ("prod", "float"),
           ("prod", "int"), ("prod", "long"), ("max", "float"), ("max", "bfloat"), ("max", "int"), ("max", "long"),
           ("max", "ulong"), ("min", "float"), ("min", "half"), ("min", "short"), ("min", "long"), ("min", "ulong")]  # fmt: skip
FUNCTIONS = {"sum": np.sum, "prod": np.prod, "max": np.max, "min": np.min}
WIDE = ATOMICS | {"ulong": np.uint64, "uint": np.uint32, "ushort": np.uint16}


@pytest.mark.parametrize("size", [256, 32, 70, 9])
@pytest.mark.parametrize(("name", "type_name"), REDUCED)
def test_reduction(name, type_name, size):
    dtype = np.dtype(WIDE[type_name])
    x = rng.integers(1, 3, (3, size)) if name == "prod" else rng.integers(-90, 90, (3, size))
    if name == "prod" and type_name == "float":
        x = np.where(np.arange(size) < 20, x, 1)
    x = (x * (1 << 33) + rng.integers(0, 1 << 32, (3, size))) if dtype.itemsize == 8 else x
    x = x.astype(dtype)
    result = dtype if name in ("max", "min") or dtype.kind == "i" else np.dtype(F4)
    out = mp.zeros((3, 2), dtype=result)
    getattr(library("c10_reductions"), f"{name}_{type_name}")(out, mp.array(x), threads=3 * size, group_size=size)
    # within a simdgroup a bfloat stays one
    error = [1e-6, float(ml_dtypes.finfo(dtype).eps) if type_name in ("half", "bfloat") else 1e-6]
    wide = x.astype(result)
    with np.errstate(over="ignore"):
        reduced = [np.stack([FUNCTIONS[name](row[:n], axis=0).astype(result) for n in (size, 32)]) for row in wide]
    for got, exact, limit in zip(np.asarray(out).T, np.stack(reduced).T, error, strict=True):
        np.testing.assert_allclose(got.astype(float), exact.astype(float), rtol=limit)
    if dtype.itemsize == 8:
        np.testing.assert_array_equal(np.asarray(out), np.stack(reduced))


@pytest.mark.parametrize("name", ["sum", "prod"])
def test_complex_reduction(name):
    z = np.exp(1j * rng.uniform(0, 6, (2, 75))).astype(np.complex64)
    out = mp.zeros((2, 2, 2), dtype=F4)
    kernel = getattr(library("c10_reductions"), f"{name}_float2")
    kernel(out, mp.array(z.view(F4).reshape(2, 75, 2)), threads=150, group_size=75)
    got = np.asarray(out).reshape(2, 4).view(np.complex64)
    expected = [[FUNCTIONS[name](row), FUNCTIONS[name](row[:32])] for row in z.astype(complex)]
    np.testing.assert_allclose(got, expected, atol=2e-5)


@pytest.mark.parametrize("name", ["max", "min"])
def test_a_nan_wins(name):
    x = rng.standard_normal((2, 64)).astype(F4)
    x[0, 40] = np.nan
    out, index = mp.zeros((2, 2), dtype=F4), mp.zeros(2, dtype=np.uint32)
    kernels = library("c10_reductions")
    getattr(kernels, f"{name}_float")(out, mp.array(x), threads=128, group_size=64)
    getattr(kernels, f"arg{name}_float")(index, mp.array(x), threads=128, group_size=64)
    extreme = FUNCTIONS[name](x, axis=1)
    np.testing.assert_array_equal(np.asarray(out), [[np.nan, FUNCTIONS[name](x[0, :32])],
                                                    [extreme[1], FUNCTIONS[name](x[1, :32])]])  # fmt: skip
    np.testing.assert_array_equal(np.asarray(index), [40, np.argmax(x[1] == extreme[1])])


@pytest.mark.parametrize("size", [256, 20, 90])
@pytest.mark.parametrize(
    "name", ["argmax_float", "argmax_int", "argmax_long", "argmin_float", "argmin_half", "argmin_long"]
)
def test_argument_reduction(name, size):
    which, type_name = name.split("_")
    x = rng.integers(-40, 40, (3, size)).astype(WIDE[type_name])  # with ties: the first one counts
    out = mp.zeros(3, dtype=np.uint32)
    getattr(library("c10_reductions"), name)(out, mp.array(x), threads=3 * size, group_size=size)
    np.testing.assert_array_equal(np.asarray(out), getattr(np, which)(x, axis=1))


def test_welford():
    x = (rng.standard_normal((2, 77)) + 100).astype(F4)
    out = mp.zeros((2, 4), dtype=F4)
    library("c10_reductions").welford(out, mp.array(x), threads=154, group_size=77)
    wide = x.astype(float)
    squares = ((wide - wide.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)
    np.testing.assert_allclose(
        np.asarray(out)[:, :3], np.stack([wide.mean(axis=1), squares, [77, 77]], axis=1), rtol=1e-5
    )


def test_operations():
    x = np.array([3, -2, 5, 0.5], F4)
    out = mp.zeros(5, dtype=F4)
    library("c10_reductions").operations(out, mp.array(x), 4, threads=1)
    np.testing.assert_array_equal(np.asarray(out), [6.5, -15, 5, -2, 1 + 4])


# ---- indexing ----

NUMBERS = {"float": 6, "half": 5, "bfloat": 15, "long": 4, "int": 3, "short": 2, "char": 1, "uchar": 0,
           "ushort": 27, "uint": 28, "ulong": 29}  # fmt: skip


def test_unary_kernels():
    kernels = library("c10_indexing")
    x = rng.standard_normal((3, 4, 5)).astype(F4)
    out = mp.zeros(60, dtype=F4)
    kernels.twice_dense_scalar_float_float(out, mp.array(x))
    np.testing.assert_array_equal(np.asarray(out), 2 * x.ravel())
    # of the transposed array, into every second element; the grid has the innermost dimension and the others
    out = mp.zeros(120, dtype=F4)
    layout = [3, 4, 5], [80, 20, 4], [8, 24, 96], 3
    kernels.twice_strided_float_float(out, mp.array(x), *layout, threads=(3, 20))
    np.testing.assert_array_equal(np.asarray(out)[::2], 2 * x.transpose(2, 1, 0).ravel())
    kernels.scaled_strided_float_float_float(out, mp.array(x), *layout, 5.0, threads=(3, 20))
    np.testing.assert_array_equal(np.asarray(out)[::2], 5 * x.transpose(2, 1, 0).ravel())
    kernels.scaled_dense_float_float_float(out, mp.array(x), 3.0, threads=60)
    np.testing.assert_array_equal(np.asarray(out)[:60], 3 * x.ravel())


@pytest.mark.parametrize("count", [1, 4, 59, 60])
def test_four_elements_for_each_thread(count):
    kernels = library("c10_indexing")
    a, b = rng.standard_normal((2, 60)).astype(F4)
    exact = np.where(np.arange(60) < count, 2 * a, 0)
    out = mp.zeros(60, dtype=F4)
    kernels.twice_dense_float_float(out, mp.array(a), count, threads=16)
    np.testing.assert_array_equal(np.asarray(out), exact)
    out = mp.zeros(60, dtype=np.int32)
    kernels.twice_dense_castout_ilp_float(out, mp.array(a), (4, NUMBERS["int"], count), threads=16)
    np.testing.assert_array_equal(np.asarray(out), exact.astype(np.int32))
    out = mp.zeros(60, dtype=F4)
    kernels.minus_dense_ilp4_float_float(out, mp.array(a), mp.array(b), count, threads=16)
    np.testing.assert_array_equal(np.asarray(out), np.where(np.arange(60) < count, a - b, 0))


@pytest.mark.parametrize("name", NUMBERS)
def test_unary_kernels_that_come_out_as(name):
    kernels = library("c10_indexing")
    x = rng.integers(0, 60, (3, 4)).astype(F4)
    size = np.dtype(WIDE[name]).itemsize
    out = mp.zeros(12, dtype=WIDE[name])
    kernels.twice_dense_castout_float(out, mp.array(x), (size, NUMBERS[name]), threads=12)
    np.testing.assert_array_equal(np.asarray(out).astype(F4), 2 * x.ravel())
    layout = [3, 4], [16, 4], [size, 3 * size], (2, NUMBERS[name])
    kernels.twice_strided_castout_float(out, mp.array(x), *layout, threads=(3, 4))
    np.testing.assert_array_equal(np.asarray(out).astype(F4), 2 * x.T.ravel())


@pytest.mark.parametrize("name", NUMBERS)
def test_unary_kernels_that_convert(name):
    x = rng.integers(0, 60, (3, 4)).astype(WIDE[name])
    kernels = library("c10_indexing")
    for result, dtype in (("float", F4), ("long", np.int64)):
        out = mp.zeros(12, dtype=dtype)
        getattr(kernels, f"twice_dense_cast_{result}_{result}")(
            out, mp.array(x), (x.itemsize, NUMBERS[name]), threads=12
        )
        np.testing.assert_array_equal(np.asarray(out), 2 * x.ravel().astype(dtype))
    # transposed, strides in bytes, innermost dimension first
    out = mp.zeros(12, dtype=F4)
    strides = [4 * x.itemsize, x.itemsize], [4, 12]
    kernels.twice_strided_cast_float_float(out, mp.array(x), [3, 4], *strides, (2, NUMBERS[name]), threads=12)
    np.testing.assert_array_equal(np.asarray(out), 2 * x.T.ravel().astype(F4))


@pytest.mark.parametrize("name", NUMBERS)
def test_a_comparison_comes_out_as(name):
    a, b = rng.integers(0, 4, (2, 24)).astype(F4)
    out = mp.zeros(24, dtype=WIDE[name])
    size = np.dtype(WIDE[name]).itemsize
    library("c10_indexing").less_strided_castout_bool_float(
        out, mp.array(a), mp.array(b.astype(np.int32)), [24], [size], [4], [4], (1, 6, 3, NUMBERS[name]), threads=24
    )
    np.testing.assert_array_equal(np.asarray(out).astype(F4), (a < b).astype(F4))


@pytest.mark.parametrize(("name", "dtype"), [("half", F2), ("bfloat", BF), ("int", np.int32)])
def test_unary_functor(name, dtype):
    from math import erf

    x = rng.integers(-3, 4, 20).astype(dtype)
    result = "float" if name == "int" else name
    out = mp.zeros(20, dtype=F4 if name == "int" else dtype)
    getattr(library("c10_indexing"), f"erf_dense_scalar_{result}_{name}")(out, mp.array(x))
    exact = [erf(v) for v in x.astype(float)]
    np.testing.assert_allclose(
        np.asarray(out).astype(float), exact, rtol=float(ml_dtypes.finfo(np.asarray(out).dtype).eps)
    )


def test_binary_kernels():
    kernels = library("c10_indexing")
    a, b = rng.standard_normal((2, 4, 6)).astype(F4)
    rows = mp.array(b[0].copy())

    def run(name, *arguments):
        out = mp.zeros((4, 6), dtype=F4)
        getattr(kernels, f"minus_{name}")(out, *arguments, threads=24)
        return np.asarray(out)

    np.testing.assert_array_equal(run("dense_float_float", mp.array(a), mp.array(b)), a - b)
    np.testing.assert_array_equal(run("dense_broadcast_float_float", mp.array(a), rows, 6), a - b[0])
    np.testing.assert_array_equal(run("dense_broadcast_rhs_float_float", rows, mp.array(b), 6), b[0] - b)
    np.testing.assert_array_equal(run("dense_scalar_float_float", mp.array(a), rows), a - b[0, 0])
    np.testing.assert_array_equal(run("dense_scalar_lhs_float_float", rows, mp.array(b)), b[0, 0] - b)
    # strides in bytes, innermost dimension first: a with its rows in reverse columns of b
    strided = run("strided_float_float", mp.array(a), mp.array(b), [6, 4], [4, 24], [4, 24], [0, 24], (2, 0, 0))
    np.testing.assert_array_equal(strided, a - b[:, :1])
    alpha = mp.zeros((4, 6), dtype=F4)
    kernels.minus_alpha_dense_float_float_float(alpha, mp.array(a), mp.array(b), 0.5)
    np.testing.assert_array_equal(np.asarray(alpha), a - F4(0.5) * b)


@pytest.mark.parametrize("left", NUMBERS)
@pytest.mark.parametrize("right", ["float", "char", "half"])
def test_binary_kernels_that_convert(left, right):
    a, b = (rng.integers(0, 20, 24).astype(WIDE[name]) for name in (left, right))
    types = (a.itemsize, b.itemsize, NUMBERS[left], NUMBERS[right])
    out = mp.zeros(24, dtype=F4)
    kernels = library("c10_indexing")
    kernels.minus_dense_cast_float_float(out, mp.array(a), mp.array(b), types, threads=24)
    np.testing.assert_array_equal(np.asarray(out), a.astype(F4) - b.astype(F4))
    strides = ([24], [4], [a.itemsize], [b.itemsize])
    kernels.minus_strided_cast_float_float(out, mp.array(b), mp.array(a), *strides[:2], *strides[:1:-1],
                                     (1, NUMBERS[right], NUMBERS[left], 0), threads=24)  # fmt: skip
    np.testing.assert_array_equal(np.asarray(out), b.astype(F4) - a.astype(F4))
    kernels.minus_dense_broadcast_cast_float_float(out, mp.array(a), mp.array(b), 5, types, threads=24)
    np.testing.assert_array_equal(np.asarray(out), a.astype(F4) - np.resize(b[:5], 24).astype(F4))


def test_halves_are_computed_in_float():
    a, b = np.array([2048, 0.1], F2), np.array([-1, 0.2], F2)
    out = mp.zeros(2, dtype=F2)
    library("c10_indexing").minus_dense_half_half(out, mp.array(a), mp.array(b))
    np.testing.assert_array_equal(np.asarray(out), (a.astype(F4) - b.astype(F4)).astype(F2))


def test_ternary_kernels():
    a, b, c = rng.standard_normal((3, 30)).astype(F4)
    out = mp.zeros(30, dtype=F4)
    kernels = library("c10_indexing")
    kernels.lerp_dense_float_float(out, mp.array(a), mp.array(b), mp.array(c))
    np.testing.assert_array_equal(np.asarray(out), a + c * (b - a))
    half = b.astype(F2)
    kernels.lerp_dense_cast_float(out, mp.array(a), mp.array(half), mp.array(c), (4, 2, 4), (6, 5, 6), threads=30)
    np.testing.assert_array_equal(np.asarray(out), a + c * (half.astype(F4) - a))
    kernels.lerp_strided_float_float(out, mp.array(a), mp.array(b), mp.array(c), [5, 6], [4, 20], [4, 20], [0, 4], [4, 0],
                                     2, threads=30)  # fmt: skip
    x, y, z = a.reshape(6, 5), b[:6, None], c[None, :5]
    np.testing.assert_array_equal(np.asarray(out).reshape(6, 5), x + z * (y - x))


def test_ternary_kernels_with_a_number():
    a, b, c = rng.standard_normal((3, 30)).astype(F4)
    half = b.astype(F2)
    kernels = library("c10_indexing")
    arrays = mp.array(a), mp.array(b), mp.array(c)

    def run(name, *arguments, dtype=F4):
        out = mp.zeros(30, dtype=dtype)
        getattr(kernels, f"weighted_{name}")(out, *arguments, threads=30)
        return np.asarray(out)

    expected = a + F4(0.5) * b * c
    np.testing.assert_array_equal(run("dense_float_float_float", *arrays, 0.5), expected)
    mixed = run("dense_cast_float_float", arrays[0], mp.array(half), arrays[2], 0.5, (4, 2, 4), (6, 5, 6))
    np.testing.assert_array_equal(mixed, a + F4(0.5) * half.astype(F4) * c)
    places = [5, 6], [4, 20], [4, 20], [0, 4], [4, 0], 2
    x, y, z = a.reshape(6, 5), b[:6, None], c[None, :5]
    strided = run("strided_float_float_float", *arrays, 0.5, *places)
    np.testing.assert_array_equal(strided.reshape(6, 5), x + F4(0.5) * y * z)
    strided = run("strided_cast_float_float", *arrays, 0.5, *places, (6, 6, 6, 0))
    np.testing.assert_array_equal(strided.reshape(6, 5), x + F4(0.5) * y * z)
    # 1e-6 is almost nothing as a half: the number is a float, and the sum too
    small = np.full(30, 2048, F2)
    out = run("dense_half_half_float", mp.zeros(30, dtype=F2), mp.array(small), mp.array(small), 1e-6, dtype=F2)
    np.testing.assert_array_equal(out, np.full(30, F4(1e-6) * F4(2048) * F4(2048)).astype(F2))


@pytest.mark.parametrize("name", NUMBERS)
def test_store(name):
    x = rng.integers(0, 100, 20).astype(F4)
    out = mp.zeros(20, dtype=WIDE[name])
    library("c10_indexing").stores(out, mp.array(x), NUMBERS[name], np.dtype(WIDE[name]).itemsize, threads=20)
    np.testing.assert_array_equal(np.asarray(out).astype(F4), x)


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


def test_moments_of_a_threadgroup():
    x = rng.standard_normal(64).astype(F4) + F4(100)
    out = mp.zeros((2, 4), dtype=F4)
    library("c10_newer").moments(out, mp.array(x), threads=64, group_size=64)
    wide = x.astype(np.float64)
    exact = [wide.mean(), ((wide - wide.mean()) ** 2).sum(), 64]
    np.testing.assert_allclose(np.asarray(out)[:, :3], [exact, exact], rtol=1e-4)
