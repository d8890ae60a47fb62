"""The headers with the names of c10/metal: element-wise kernels."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

import metalpy as mp
from tests.helpers.case import library

pytestmark = pytest.mark.usefixtures("device")

F4, F2, BF = np.float32, np.float16, ml_dtypes.bfloat16
rng = np.random.default_rng(21)

NUMBERS = {"float": 6, "half": 5, "bfloat": 15, "long": 4, "int": 3, "short": 2, "char": 1, "uchar": 0,
           "ushort": 27, "uint": 28, "ulong": 29}  # fmt: skip
WIDE = {"float": F4, "half": F2, "bfloat": BF, "long": np.int64, "int": np.int32, "short": np.int16, "char": np.int8,
        "uchar": np.uint8, "ushort": np.uint16, "uint": np.uint32, "ulong": np.uint64}  # fmt: skip


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
