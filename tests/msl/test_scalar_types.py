"""Scalar types: arithmetic at their own width and precision, conversions, literals."""

from __future__ import annotations

import math

import ml_dtypes
import numpy as np
import pytest

from tests.helpers.case import Case

pytestmark = pytest.mark.usefixtures("device")

rng = np.random.default_rng(1)
N = 77
bfloat16 = ml_dtypes.bfloat16
INTEGERS = {
    "char": np.int8, "uchar": np.uint8, "short": np.int16, "ushort": np.uint16,
    "int": np.int32, "uint": np.uint32, "long": np.int64, "ulong": np.uint64,
}  # fmt: skip
FLOATS = {"half": np.float16, "bfloat": bfloat16, "float": np.float32}


def integers(dtype, low=None, high=None):
    limits = np.iinfo(dtype)
    return rng.integers(
        limits.min if low is None else low, limits.max if high is None else high, N, dtype, endpoint=True
    )


def arithmetic(a, b):
    t = (a + b) * a.dtype.type(3)
    t = t - (a ^ b)
    return ~(t | (a & a.dtype.type(5)))


def division(a, b):
    # In Python's integers, rounding towards zero as C does.
    def one(x, y):
        quotient = abs(x) // abs(y) * (1 if (x < 0) == (y < 0) else -1)
        return quotient * 2 - (x - quotient * y)

    bits = 8 * a.dtype.itemsize
    wide = [one(int(x), int(y)) % 2**bits for x, y in zip(a, b, strict=True)]
    return np.array(wide, f"u{a.dtype.itemsize}").view(a.dtype)


def shifts(a):
    width = 8 * a.dtype.itemsize
    amount = np.arange(len(a)).astype(a.dtype) % a.dtype.type(width - 1)
    return (a >> a.dtype.type(3)) ^ (a << amount)


def nonzero(dtype):
    values = integers(dtype)
    values[(values == 0) | (values == dtype(-1 if np.iinfo(dtype).min else 1))] = 3
    return values


def polynomial(x):
    one, three = x.dtype.type(1), x.dtype.type(3)
    return (x * x + one) / three - x


def integer_cases():
    for name, dtype in INTEGERS.items():
        a, b = integers(dtype), integers(dtype)
        a[0], b[0] = np.iinfo(dtype).max, np.iinfo(dtype).max
        yield Case("integer_types", f"arithmetic_{name}", (N, dtype), (a, b), arithmetic)
        yield Case("integer_types", f"division_{name}", (N, dtype), (integers(dtype), nonzero(dtype)), division)
        yield Case("integer_types", f"shifts_{name}", (N, dtype), (integers(dtype),), shifts)


def float_cases():
    for name, dtype in FLOATS.items():
        x = (4 * rng.standard_normal(N)).astype(dtype)
        # Each operation rounds once in its own type, so the result is exact.
        yield Case("float_types", f"polynomial_{name}", (N, dtype), (x,), polynomial)


def conversion_cases():
    def case(kernel, out, x, expect):
        return Case("conversions", kernel, (x.shape, out), (x,), expect)

    reals = (rng.standard_normal(N) * 10.0 ** rng.integers(-3, 5, N)).astype(np.float32)
    reals[:8] = [0, -0.0, 1.5, -1.5, 2.9999, 65519, -65504, 1e-7]
    yield case("float_to_int", np.int32, reals, lambda x: np.trunc(x).astype(np.int32))
    yield case("int_to_half", np.float16, rng.integers(-70000, 70000, N, np.int32), lambda x: x.astype(np.float16))
    yield case("float_to_half", np.float16, reals, lambda x: x.astype(np.float16))
    yield case("float_to_bfloat", bfloat16, reals, lambda x: x.astype(bfloat16))
    yield case("bfloat_to_float", np.float32, reals.astype(bfloat16), lambda x: x.astype(np.float32))
    yield case(
        "half_to_long", np.int64, np.clip(reals, -6e4, 6e4).astype(np.float16), lambda x: np.trunc(x).astype(np.int64)
    )
    yield case("ulong_to_float", np.float32, integers(np.uint64), lambda x: x.astype(np.float32))
    yield case("int_to_uchar", np.uint8, integers(np.int32), lambda x: x.astype(np.uint8))
    yield case("float_to_bool", np.bool_, np.where(np.arange(N) % 3, reals, 0).astype(np.float32), lambda x: x != 0)
    yield case("bool_to_float", np.float32, rng.random(N) < 0.5, lambda x: x + np.float32(0.5))


def literal_cases():
    half = np.float16
    values = [
        1.5, np.float32(0.1), 2.5, 0.125, 3.25, half(1e-3), 12, 1e6, 11, 127, 65, 15, 2.0**64, 4, 2, 2,
        half(0.1) + half(0.2), np.float32(1) / np.float32(3),
    ]  # fmt: skip
    yield Case("literals", "values", (len(values), np.float32), (), np.array(values, np.float32), launch={"threads": 1})
    floats = [
        math.pi, math.e, math.sqrt(2), math.log(2), 1 / math.pi, float(half(math.pi)),
        np.finfo("f4").max, np.finfo("f4").tiny, np.finfo("f4").eps, 65504, math.inf, -math.inf, math.nan, math.inf,
        np.finfo("f4").max, np.finfo("f4").min, math.inf, 65504, 2.0**-10, float(ml_dtypes.finfo(bfloat16).max),
    ]  # fmt: skip
    yield Case(
        "constants_of_the_library", "floats", (len(floats), np.float32), (), np.array(floats, np.float32),
        launch={"threads": 1},
    )  # fmt: skip
    whole = [127, -(2**15), 2**31 - 1, 2**32 - 1, -(2**63), -(2**31), 2**15 - 1, 255, 31, 0]
    yield Case(
        "constants_of_the_library", "integers", (len(whole), np.int64), (), np.array(whole), launch={"threads": 1}
    )
    sizes = [1, 1, 2, 2, 4, 4, 8, 8, 8, 8, 8, 8, 1, 4, 1, 2, 2, 4, 8]
    yield Case("fixed_width_types", "sizes", (len(sizes), np.uint32), (), np.array(sizes), launch={"threads": 1})


@pytest.mark.parametrize("case", [*integer_cases()], ids=str)
def test_integers(case):
    case.check()


@pytest.mark.parametrize("case", [*float_cases()], ids=str)
def test_floats(case):
    case.check()


@pytest.mark.parametrize("case", [*conversion_cases()], ids=str)
def test_conversions(case):
    case.check()


@pytest.mark.parametrize("case", [*literal_cases()], ids=str)
def test_literals(case):
    case.check()
