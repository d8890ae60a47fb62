"""The headers with the names of c10/metal: atomics, and reductions of a threadgroup."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

import metalpy as mp
from tests.helpers.case import library

pytestmark = pytest.mark.usefixtures("device")

F4, F2, BF = np.float32, np.float16, ml_dtypes.bfloat16
rng = np.random.default_rng(21)

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


def test_moments_of_a_threadgroup():
    x = rng.standard_normal(64).astype(F4) + F4(100)
    out = mp.zeros((2, 4), dtype=F4)
    library("c10_newer").moments(out, mp.array(x), threads=64, group_size=64)
    wide = x.astype(np.float64)
    exact = [wide.mean(), ((wide - wide.mean()) ** 2).sum(), 64]
    np.testing.assert_allclose(np.asarray(out)[:, :3], [exact, exact], rtol=1e-4)
