"""docs/accuracy.md is true, and precise functions are the same in every math mode.

Where an error of the page is the largest it is found again; references are those of NumPy and Python in double precision.
"""

from __future__ import annotations

import math
import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import metalpy as mp
from metalpy.compiler.compilation import compile_source
from metalpy.compiler.options import MATH_MODES, make_options
from metalpy.compiler.source import read_source
from tests.helpers.accuracy import ulp_error

pytestmark = pytest.mark.usefixtures("device")

PAGE = (Path(__file__).parents[2] / "docs" / "accuracy.md").read_text()


def sin_of_pi(x):
    n = np.rint(2 * x)
    r, quarter = np.pi * (x - n / 2), np.mod(n, 4)
    near = np.choose(np.where(np.isfinite(x), quarter, 0).astype(int), [np.sin(r), np.cos(r), -np.sin(r), -np.cos(r)])
    return np.where(x == np.rint(x), np.where(np.isfinite(x), np.copysign(0, x), np.nan), near)


def cos_of_pi(x):
    part = np.mod(np.abs(x), 2)
    return np.where(np.mod(part, 1) == 0.5, 0.0, sin_of_pi(part + 0.5))


def powr(x, y):
    return np.where(x >= 0, np.power(np.abs(x), y), np.nan)


def fdim(x, y):
    return np.where(x <= y, 0.0, x - y)


UNARY = {
    "acos": np.arccos, "acosh": np.arccosh, "asin": np.arcsin, "asinh": np.arcsinh, "atan": np.arctan,
    "atanh": np.arctanh, "cos": np.cos, "cosh": np.cosh, "cospi": cos_of_pi, "exp": np.exp, "exp2": np.exp2,
    "exp10": lambda x: np.power(10.0, x), "log": np.log, "log2": np.log2, "log10": np.log10,
    "rsqrt": lambda x: 1 / np.sqrt(x), "sin": np.sin, "sinh": np.sinh, "sinpi": sin_of_pi, "tan": np.tan,
    "tanh": np.tanh, "tanpi": lambda x: sin_of_pi(x) / cos_of_pi(x), "sqrt": np.sqrt,
}  # fmt: skip
BINARY = {"atan2": np.arctan2, "fdim": fdim, "fmod": np.fmod, "pow": np.power, "powr": powr, "divide": np.divide,
          "fmax": np.fmax, "fmin": np.fmin}  # fmt: skip
FUNCTIONS = UNARY | BINARY

SOURCE = """
#include <metal_stdlib>
using namespace metal;
#define ONE(f, space) kernel void space##_##f(device float* out, const device float* x, const device float* y, \\
    uint i [[thread_position_in_grid]]) { out[i] = space::f(x[i]); }
#define TWO(f, space) kernel void space##_##f(device float* out, const device float* x, const device float* y, \\
    uint i [[thread_position_in_grid]]) { out[i] = space::f(x[i], y[i]); }
"""


@cache
def library(space, mode="safe"):
    source = SOURCE + "".join(f"ONE({f}, {space})\n" for f in UNARY) + "".join(f"TWO({f}, {space})\n" for f in BINARY)
    return mp.mps.compile_shader(source, math_mode=mode)


def compute(name, x, y=None, space="precise", mode="safe"):
    x = np.asarray(x, np.float32)
    out = mp.zeros(x.shape, dtype=np.float32)
    y = np.zeros_like(x) if y is None else np.asarray(y, np.float32)
    getattr(library(space, mode), f"{space}_{name}")(out, mp.array(x), mp.array(y), threads=x.size)
    return np.asarray(out)


def exact(name, x, y):
    wide = np.asarray(x, np.float32).astype(np.float64), np.asarray(y, np.float32).astype(np.float64)
    with np.errstate(all="ignore"):
        return np.asarray(FUNCTIONS[name](*wide[: 1 + (name in BINARY)]), np.float64)


def rows(space):
    section = PAGE.split(f"## `{space}::`")[1].split("\n## ")[0]
    found = []
    for line in re.findall(r"^\| `.*$", section, re.MULTILINE):
        name, ulp, middle, at = (cell.strip() for cell in line.strip("|").split("|"))
        arguments = [float.fromhex(number) for number in re.findall(r"`(\S+)`", at)]
        found.append((name.strip("`"), float(ulp), middle, arguments))
    return found


@pytest.mark.parametrize("space", ["precise", "fast"])
def test_the_page_has_the_functions(space):
    names = [name for name, *_ in rows(space)]
    wanted = set(FUNCTIONS) - {"sqrt", "divide", "fmax", "fmin"}
    assert len(names) == len(set(names)) > 8
    assert set(names) == wanted if space == "precise" else set(names) < wanted


@pytest.mark.parametrize(("space", "row"), [(s, r) for s in ("precise", "fast") for r in rows(s)], ids=str)
def test_largest_errors_are_as_published(device, space, row):
    name, published, middle, arguments = row
    if not arguments:
        assert published == 0
        return
    x, y = arguments[0], arguments[-1]
    error = float(ulp_error(compute(name, [x], [y], space), exact(name, [x], [y]))[0])
    if space == "precise":
        assert error <= published + 0.01 <= float(middle) + 0.01
    if device.driver == "software":
        assert error == pytest.approx(published, abs=0.011)


SPECIAL = np.array(
    [0.0, -0.0, np.inf, -np.inf, np.nan, 1, -1, 0.5, -0.5, 2, -2, 3, -3, 1e-40, -1e-40, 2.0**-149, 3.4028235e38, -3.4028235e38,
     1.1754944e-38, 16777217.0, -16777216.0, 2.5, 150.0, -150.0, 1e30, 0.99999994, 1.0000001, 255.0, 131072.0, -131071.9],
    np.float32,
)  # fmt: skip


def assert_close(name, got, x, y, limit, mode):
    wanted = exact(name, x, y)
    with np.errstate(over="ignore"):
        rounded = wanted.astype(np.float32)
    wanted = np.where(np.isinf(rounded), rounded, wanted)
    near_overflow = np.isinf(got) & (np.abs(wanted) > 3.4028e38)
    bad = ~((ulp_error(got, wanted) <= limit) | near_overflow)
    bad |= (wanted == 0) & (np.signbit(got) != np.signbit(wanted))
    assert not bad.any(), [(name, mode, x[i], y[i], got[i], wanted[i]) for i in np.flatnonzero(bad)[:5]]


@pytest.mark.parametrize("mode", MATH_MODES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_exceptional_arguments(name, mode):
    limits = {row[0]: float(row[2]) for row in rows("precise")} | {"sqrt": 0.5, "divide": 0.5, "fmax": 0, "fmin": 0}
    x = SPECIAL
    y = np.zeros_like(x)
    if name in BINARY:
        x, y = np.repeat(SPECIAL, len(SPECIAL)), np.tile(SPECIAL, len(SPECIAL))
    if name in ("fmax", "fmin"):  # which zero is not said
        keep = (x != 0) | (y != 0)
        x, y = x[keep], y[keep]
    assert_close(name, compute(name, x, y, mode=mode), x, y, limits[name], mode)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_math_modes_change_no_bit_of_precise_functions(name):
    generator = np.random.default_rng(5)
    x, y = generator.integers(0, 2**32, (2, 20000), np.uint32).view(np.float32)
    x[::2] = generator.uniform(-3, 3, 10000)
    y[::2] = generator.uniform(-3, 3, 10000)
    safe = compute(name, x, y)
    for mode in ("relaxed", "fast"):
        np.testing.assert_array_equal(safe, compute(name, x, y, mode=mode), mode)
        zeros = safe == 0
        np.testing.assert_array_equal(np.signbit(safe[zeros]), np.signbit(compute(name, x, y, mode=mode)[zeros]), mode)


def test_fast_math_takes_the_fast_functions():
    source = """
#include <metal_stdlib>
using namespace metal;
kernel void f(device float* out, const device float* x, uint i [[thread_position_in_grid]]) {
  out[3 * i] = rsqrt(x[i]); out[3 * i + 1] = precise::rsqrt(x[i]); out[3 * i + 2] = fast::rsqrt(x[i]);
}"""
    x = np.random.default_rng(1).uniform(0.1, 9, 1000).astype(np.float32)
    for mode, same in (("safe", 1), ("fast", 2)):
        out = mp.zeros((len(x), 3))
        mp.mps.compile_shader(source, math_mode=mode).f(out, mp.array(x), threads=len(x))
        got = np.asarray(out)
        np.testing.assert_array_equal(got[:, 0], got[:, same])
        assert (got[:, 1] != got[:, 2]).any()


def test_fmod_of_every_size():
    generator = np.random.default_rng(6)
    x, y = np.abs(generator.integers(0, 2**32, (2, 50000), np.uint32).view(np.float32))
    y[::5] = generator.integers(1, 2**23, len(y[::5])).astype(np.uint32).view(np.float32)  # subnormal
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(compute("fmod", x, y), np.fmod(x.astype(np.float64), y.astype(np.float64)))


def test_large_angles():
    x = np.exp2(np.random.default_rng(7).uniform(16, 128, 20000)).astype(np.float32)
    x = x[np.isfinite(x)]
    for name in ("sin", "cos", "tan"):
        reference = np.array([getattr(math, name)(float(v)) for v in x])
        assert ulp_error(compute(name, x), reference).max() < 4


@pytest.mark.parametrize("mode", MATH_MODES)
def test_nothing_calls_the_math_library(mode):
    """But for machines without fused multiply-add, where fma itself is a call."""
    calls = [f"{space}::{f}(x[i]{', y[i]' * (f in BINARY)})" for space in ("fast", "precise") for f in FUNCTIONS]
    text = (
        "#include <metal_stdlib>\nusing namespace metal;\nkernel void f(device float* out, const device float* x,"
        "const device float* y, uint i [[thread_position_in_grid]]) { int e; float w;"
        f"out[i] = {' + '.join(calls)} + ldexp(x[i], int(y[i])) + frexp(x[i], e) + modf(x[i], w) + ilogb(y[i]); }}"
    )
    code = compile_source(read_source(text), make_options(math_mode=mode)).code("f")
    names = [*FUNCTIONS, "ldexp", "frexp", "modf", "ilogb"]
    assert not [name for name in names if f"\0{name}f\0".encode() in code or f"\0{name}\0".encode() in code]
