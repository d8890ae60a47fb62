"""The software device's conversions to and from half and bfloat, against NumPy's and ml_dtypes' own."""

from __future__ import annotations

import ctypes

import ml_dtypes
import numpy as np
import pytest

import metalpy as mp
from metalpy._core import driver

if mp.device().driver != "software":
    pytest.skip("the functions are the software device's", allow_module_level=True)

LIBRARY = ctypes.CDLL(driver.__file__)
HALF, BFLOAT = np.float16, ml_dtypes.bfloat16
ALL = np.arange(65536, dtype=np.uint16)
UNSIGNED = {2: np.uint16, 4: np.uint32, 8: np.uint64}


def converted(name, values, target):
    """What the C function makes of each value."""
    function = getattr(LIBRARY, name)
    function.restype = ctypes.c_uint32
    function.argtypes = [ctypes.c_uint64 if values.dtype.itemsize == 8 else ctypes.c_uint32]
    bits = values.view(UNSIGNED[values.dtype.itemsize]).tolist()
    kind = UNSIGNED[np.dtype(target).itemsize]
    return np.array([function(b) for b in bits], np.uint32).astype(kind).view(target)


def critical(narrow, wide, rng):
    """All numbers of the narrow type, those half way between, the wide type's next to both, and others."""
    with np.errstate(invalid="ignore"):
        exact = np.unique(ALL.view(narrow).astype(np.float64))
    exact = exact[np.isfinite(exact)]
    middle = (exact[1:] + exact[:-1]) / 2
    past = exact[-1] + (exact[-1] - exact[-2]) / 2 * np.array([1, 2])  # where infinity begins, were there no limit
    infinity = wide(np.inf)
    with np.errstate(over="ignore"):
        points = np.concatenate([exact, middle, past, -past]).astype(wide)
        near = np.concatenate([points, np.nextafter(points, infinity), np.nextafter(points, -infinity)])
        # Of doubles, those that a float next to the point stands for.
        near = np.concatenate([near, *(points * wide(1 + k * 2.0**-24) for k in (-1.5, 0.8, 1.5))])
    bits = UNSIGNED[np.dtype(wide).itemsize]
    others = rng.integers(0, 1 << (8 * np.dtype(wide).itemsize), 20000, dtype=bits).view(wide)
    special = np.array([np.inf, -np.inf, np.nan, -np.nan, 0.0, -0.0], wide)
    return np.concatenate([near, others, special])


def same(got, expected):
    """Bit for bit, but any NaN of the same sign is as good as another."""
    bits = UNSIGNED[got.dtype.itemsize]
    nan = np.isnan(expected)
    np.testing.assert_array_equal(np.isnan(got), nan)
    np.testing.assert_array_equal(np.signbit(got), np.signbit(expected))
    np.testing.assert_array_equal(got[~nan].view(bits), expected[~nan].view(bits))


def test_every_half_is_widened():
    same(converted("mp_float_of_half", ALL.view(HALF), np.float32), ALL.view(HALF).astype(np.float32))


@pytest.mark.parametrize(
    ("name", "narrow", "wide"),
    [
        ("mp_half_of_float", HALF, np.float32),
        ("mp_half_of_double", HALF, np.float64),
        ("mp_bfloat_of_float", BFLOAT, np.float32),
    ],
)
def test_rounding(name, narrow, wide, rng):
    values = critical(narrow, wide, rng)
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        same(converted(name, values, narrow), values.astype(narrow))


def test_rounding_of_doubles_to_bfloat(rng):
    """ml_dtypes goes by way of a float; here the nearest of the candidates is chosen, in exact arithmetic."""
    values = critical(BFLOAT, np.float64, rng)
    values = values[np.abs(values) < 1e30]
    got = converted("mp_bfloat_of_double", values, BFLOAT).view(np.uint16)
    with np.errstate(invalid="ignore"):
        numbers = ALL.view(BFLOAT).astype(np.float64)
    distance = np.abs(numbers[got] - values)  # exact wherever it is close
    for step in (-1, 1):
        other = (got.astype(np.int64) + step) & 0xFFFF
        away = np.abs(numbers[other] - values)
        with np.errstate(invalid="ignore"):
            assert not np.any(away < distance)
            tie = (away == distance) & (got & 0x7FFF != 0)
        assert not np.any(tie & (got & 1 != 0))
    np.testing.assert_array_equal(got >> 15, np.signbit(values))
