"""Math functions within the errors that Metal's specification allows (single precision, precise), in ULP."""

from __future__ import annotations

import math

import ml_dtypes
import numpy as np
import pytest

import metalpy as mp
from tests.helpers.accuracy import assert_ulp
from tests.helpers.case import Case

pytestmark = pytest.mark.usefixtures("device")

rng = np.random.default_rng(3)
N = 500
TYPES = {"float": np.float32, "half": np.float16, "bfloat": ml_dtypes.bfloat16}


def pi_times(function):
    """A function of pi x, with the zeros of sine and cosine exact."""

    def reduced(x):
        turns = np.remainder(x, 2.0)
        values = function(math.pi * turns)
        return np.where(np.abs(values) < 1e-15, 0.0, values)

    return reduced


def round_away(x):
    return np.copysign(np.floor(np.abs(x) + 0.5), x)


# name: (exact function on float64, lowest and highest input, ULP allowed for float)
UNARY = {
    "acos": (np.arccos, -1, 1, 4),
    "acosh": (np.arccosh, 1, 1e4, 4),
    "asin": (np.arcsin, -1, 1, 4),
    "asinh": (np.arcsinh, -1e4, 1e4, 4),
    "atan": (np.arctan, -100, 100, 4),
    "atanh": (np.arctanh, -0.99, 0.99, 5),
    "ceil": (np.ceil, -100, 100, 0),
    "cos": (np.cos, -100, 100, 4),
    "cosh": (np.cosh, -8, 8, 4),
    "cospi": (pi_times(np.cos), -20, 20, 4),
    "exp": (np.exp, -9, 9, 4),
    "exp10": (lambda x: 10.0**x, -4, 4, 4),
    "exp2": (np.exp2, -14, 14, 4),
    "fabs": (np.abs, -100, 100, 0),
    "floor": (np.floor, -100, 100, 0),
    "fract": (lambda x: x - np.floor(x), -100, 100, 0),
    "log": (np.log, 1e-3, 1e4, 4),
    "log10": (np.log10, 1e-3, 1e4, 4),
    "log2": (np.log2, 1e-3, 1e4, 4),
    "rint": (np.rint, -100, 100, 0),
    "round": (round_away, -100, 100, 0),
    "rsqrt": (lambda x: 1 / np.sqrt(x), 1e-3, 1e4, 0.51),  # correctly rounded, but for double rounding
    "sin": (np.sin, -100, 100, 4),
    "sinh": (np.sinh, -8, 8, 4),
    "sinpi": (pi_times(np.sin), -20, 20, 4),
    "sqrt": (np.sqrt, 0, 1e4, 0.5),
    "tan": (np.tan, -1.5, 1.5, 6),
    "tanh": (np.tanh, -8, 8, 5),
    "tanpi": (pi_times(np.tan), -0.49, 0.49, 6),
    "trunc": (np.trunc, -100, 100, 0),
    "sign": (np.sign, -2, 2, 0),
    "saturate": (lambda x: np.clip(x, 0, 1), -2, 2, 0),
    "abs": (np.abs, -100, 100, 0),
}


def samples(low, high, dtype, count=N):
    x = rng.uniform(low, high, count)
    if high >= 1e3:  # all magnitudes alike
        x = np.exp(rng.uniform(np.log(max(low, 1e-3)), np.log(high), count)) * (
            np.where(x < 0, -1, 1) if low < 0 else 1
        )
    x[: min(4, count)] = [low, high, max(low, min(high, 1)), max(low, min(high, 0.5))][: min(4, count)]
    return x.astype(dtype)


@pytest.mark.parametrize("type_name", TYPES)
@pytest.mark.parametrize("name", UNARY)
def test_unary(name, type_name):
    exact, low, high, ulp = UNARY[name]
    dtype = TYPES[type_name]
    x = samples(low, high, dtype)
    if type_name != "float":
        ulp = min(ulp, 1)  # halves and bfloats go through float and round once more
        x = x[(x.astype(float) >= low) & (x.astype(float) <= high)]
    case = Case("math_unary", f"{name}_{type_name}", (x.shape, dtype), (x,), None)
    got, wide = case.run(), exact(x.astype(np.float64))
    limit = np.abs(wide) < float(ml_dtypes.finfo(dtype).max)
    assert limit.mean() > 0.9
    # A result rounds to the type even where the function is exact.
    assert_ulp(got[limit], wide[limit] if ulp else wide.astype(dtype).astype(float)[limit], max(ulp, 0))


SPECIAL = [0.0, -0.0, math.inf, -math.inf, math.nan, 1.0, -1.0]
with np.errstate(all="ignore"):
    SPECIAL_RESULTS = {
        name: UNARY[name][0](np.array(SPECIAL))
        for name in (
            "exp",
            "log",
            "sqrt",
            "sin",
            "cos",
            "tanh",
            "atan",
            "floor",
            "ceil",
            "trunc",
            "rint",
            "asin",
            "log2",
        )
    }


@pytest.mark.parametrize("name", SPECIAL_RESULTS)
def test_special_values(name):
    x = np.array(SPECIAL, np.float32)
    got = Case("math_unary", f"{name}_float", (x.shape, np.float32), (x,), None).run()
    exact = SPECIAL_RESULTS[name]
    assert_ulp(got, exact, 4)
    zeros = exact == 0
    np.testing.assert_array_equal(np.signbit(got[zeros]), np.signbit(exact[zeros]))


BINARY = {
    "atan2": (np.arctan2, (-50, 50), (-50, 50), 6),
    "copysign": (np.copysign, (-50, 50), (-50, 50), 0),
    "fdim": (lambda x, y: np.maximum(x - y, 0), (-50, 50), (-50, 50), 0.5),
    "fmax": (np.fmax, (-50, 50), (-50, 50), 0),
    "fmin": (np.fmin, (-50, 50), (-50, 50), 0),
    "fmod": (np.fmod, (-50, 50), (0.5, 9), 0),
    "pow": (np.power, (0.01, 20), (-3, 3), 16),
    "powr": (np.power, (0.01, 20), (-3, 3), 16),
    "max": (np.fmax, (-50, 50), (-50, 50), 0),
    "min": (np.fmin, (-50, 50), (-50, 50), 0),
    "step": (lambda edge, x: (x >= edge).astype(float), (-50, 50), (-50, 50), 0),
    "divide": (np.divide, (-50, 50), (0.5, 9), 2.5),
}


@pytest.mark.parametrize("type_name", ["float", "float4", "half"])
@pytest.mark.parametrize("name", BINARY)
def test_binary(name, type_name):
    exact, x_range, y_range, ulp = BINARY[name]
    dtype = np.float16 if type_name == "half" else np.float32
    x, y = samples(*x_range, dtype), samples(*y_range, dtype)
    threads = N // 4 if type_name == "float4" else N
    got = Case("math_binary", f"{name}_{type_name}", (N, dtype), (x, y), None, launch={"threads": threads}).run()
    wide = exact(x.astype(float), y.astype(float))
    finite = np.abs(wide) < np.finfo(dtype).max
    assert finite.mean() > 0.9
    assert_ulp(got[finite], wide[finite], min(ulp, 1) if type_name == "half" else ulp)


def test_nan_loses_against_a_number():
    x = np.array([math.nan, 1, math.nan], np.float32)
    y = np.array([2, math.nan, math.nan], np.float32)
    for name in ("fmax", "fmin", "max", "min"):
        got = Case("math_binary", f"{name}_float", (3, np.float32), (x, y), None).run()
        np.testing.assert_array_equal(got, [2, 1, math.nan], name)


def test_nextafter():
    x = np.array([0, 1, -1, 1, 65504, math.inf, 5], np.float32)
    y = np.array([1, 2, 0, 0, math.inf, 0, 5], np.float32)
    Case("math_binary", "nextafter_float", (7, np.float32), (x, y), np.nextafter).check()


def smoothstep(low, high, x):
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def median(x, y, z):
    return np.sort(np.stack([x, y, z]), axis=0)[1]


TERNARY = {
    "fma": (lambda x, y, z: x * y + z, 0.5),
    "mix": (lambda x, y, a: x + (y - x) * a, None),
    "clamp": (lambda x, low, high: np.clip(x, np.minimum(low, high), np.maximum(low, high)), 0),
    "smoothstep": (smoothstep, None),
    "fmax3": (lambda x, y, z: np.maximum(np.maximum(x, y), z), 0),
    "fmin3": (lambda x, y, z: np.minimum(np.minimum(x, y), z), 0),
    "fmedian3": (median, 0),
    "max3": (lambda x, y, z: np.maximum(np.maximum(x, y), z), 0),
    "min3": (lambda x, y, z: np.minimum(np.minimum(x, y), z), 0),
    "median3": (median, 0),
}


@pytest.mark.parametrize("type_name", ["float", "half2"])
@pytest.mark.parametrize("name", TERNARY)
def test_ternary(name, type_name):
    exact, ulp = TERNARY[name]
    dtype = np.float16 if type_name == "half2" else np.float32
    x, y, z = (samples(-8, 8, dtype) for _ in range(3))
    if name == "clamp":
        y, z = np.minimum(y, z), np.maximum(y, z)
    if name == "smoothstep":  # its arguments are two edges, then x
        x, y = np.minimum(x, y), np.maximum(x, y) + dtype(1)
    if name == "mix":
        z = np.abs(z) / dtype(8)
    threads = N // 2 if type_name == "half2" else N
    case = Case("math_ternary", f"{name}_{type_name}", (N, dtype), (x, y, z), None, launch={"threads": threads})
    got, wide = case.run(), exact(*(v.astype(float) for v in (x, y, z)))
    if ulp is None:  # a few roundings of numbers up to 8 (mix) or 1 (smoothstep) in size
        assert np.abs(got.astype(float) - wide).max() <= 8 * float(np.spacing(dtype(8 if name == "mix" else 1)))
    else:
        assert_ulp(got, wide, ulp)


def test_scalars_beside_vectors():
    x, t = samples(-3, 3, np.float32).reshape(-1, 4), 0.25

    def exact(x):
        x = x.astype(float)
        mixed = x + (x[:, ::-1] - x) * t
        return mixed + np.clip(x, -1, 1) + np.maximum(x, t) + smoothstep(0, 1, x)

    case = Case("math_ternary", "mixed_scalar", (x.shape, np.float32), (x, t), None, launch={"threads": len(x)})
    np.testing.assert_allclose(case.run(), exact(x), rtol=0, atol=8 * np.spacing(np.float32(8)))


def test_second_results():
    x = samples(-90, 90, np.float32)
    x = x[x != 0]
    n = len(x)
    got = Case("math_outputs", "results", ((n, 8), np.float32), (x,), None, launch={"threads": n}).run()
    fraction, whole = np.modf(x)
    mantissa, exponent = np.frexp(x)
    np.testing.assert_array_equal(got[:, 0], fraction)
    np.testing.assert_array_equal(got[:, 1], whole)
    np.testing.assert_array_equal(got[:, 2], mantissa)
    np.testing.assert_array_equal(got[:, 3], exponent)
    assert_ulp(got[:, 4], np.sin(x.astype(float)), 4)
    assert_ulp(got[:, 5], np.cos(x.astype(float)), 4)
    np.testing.assert_array_equal(got[:, 6], np.ldexp(x, 3 - np.arange(n) % 7))
    np.testing.assert_array_equal(got[:, 7], exponent - 1)


def test_second_results_of_vectors():
    x = samples(1, 90, np.float32).reshape(-1, 2)
    got = Case("math_outputs", "vectors", ((len(x), 3, 2), np.float32), (x,), None, launch={"threads": len(x)}).run()
    fraction, whole = np.modf(x)
    mantissa, exponent = np.frexp(x)
    np.testing.assert_array_equal(got[:, 0], fraction + mantissa)
    np.testing.assert_array_equal(got[:, 1], whole)
    np.testing.assert_array_equal(got[:, 2], exponent)


def test_fast_and_precise():
    x = samples(0.1, 3, np.float32)
    got = Case("fast_and_precise", "both", ((N, 10), np.float32), (x,), None, launch={"threads": N}).run()
    wide = x.astype(float)
    exact = [np.exp(wide)] * 2 + [np.log(wide)] * 2 + [
        1 / np.sqrt(wide), np.sqrt(wide), np.sin(wide), np.tanh(wide), wide**1.5, np.maximum(wide, 1) + np.cos(wide),
    ]  # fmt: skip
    for column in (1, 3, 5, 7):
        assert_ulp(got[:, column], exact[column], 5)
    np.testing.assert_allclose(got, np.stack(exact, axis=1), rtol=1e-5, atol=1e-5)


def test_powr_of_negative_numbers(device):
    """A NaN, but for whole exponents that the compiler knows, in fast mode: those stand for products."""
    source = """
    #include <metal_stdlib>
    kernel void f(device float* out, device const float* x, constant float& y, uint i [[thread_position_in_grid]]) {
      out[3 * i] = metal::powr(x[i], 3);
      out[3 * i + 1] = metal::powr(x[i], y);
      out[3 * i + 2] = metal::powr(x[i], 1.5f);
    }
    """
    x = np.float32([-2, -0.5, 0.25, 3])
    for mode in ("fast", "safe"):
        out = mp.zeros((4, 3), dtype=np.float32)
        mp.mps.compile_shader(source, math_mode=mode).f(out, mp.asarray(x), 3, threads=4)
        cubes = x**3 if mode == "fast" else np.where(x < 0, np.nan, x**3)
        with np.errstate(invalid="ignore"):
            expected = np.stack([cubes, np.where(x < 0, np.nan, x**3), x**1.5], axis=1)
        np.testing.assert_allclose(np.asarray(out), expected, rtol=1e-5)
