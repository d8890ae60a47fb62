"""Element-wise functions against NumPy's, in double precision where there is one."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

import metalpy as mp

# Ours, NumPy's, and the numbers that are asked for: all real ones, or an interval.
FLOAT_FUNCTIONS = {
    "acos": ("arccos", (-1, 1)), "acosh": ("arccosh", (1, 50)), "asin": ("arcsin", (-1, 1)),
    "asinh": ("arcsinh", (-50, 50)), "atan": ("arctan", (-50, 50)), "atanh": ("arctanh", (-0.9, 0.9)),
    "cos": ("cos", (-20, 20)), "cosh": ("cosh", (-8, 8)), "exp": ("exp", (-8, 8)), "expm1": ("expm1", (-4, 8)),
    "log": ("log", (0.01, 90)), "log10": ("log10", (0.01, 90)), "log1p": ("log1p", (-0.9, 90)),
    "log2": ("log2", (0.01, 90)), "sin": ("sin", (-20, 20)), "sinh": ("sinh", (-8, 8)), "sqrt": ("sqrt", (0, 90)),
    "tan": ("tan", (-1.5, 1.5)), "tanh": ("tanh", (-8, 8)), "reciprocal": ("reciprocal", (0.1, 9)),
}  # fmt: skip
OTHER_FUNCTIONS = {
    "abs": "absolute", "bitwise_invert": "invert", "ceil": "ceil", "conj": "conjugate", "floor": "floor",
    "imag": "imag", "isfinite": "isfinite", "isinf": "isinf", "isnan": "isnan", "logical_not": "logical_not",
    "negative": "negative", "positive": "positive", "real": "real", "round": "round", "sign": "sign",
    "signbit": "signbit", "square": "square", "trunc": "trunc",
}  # fmt: skip
BINARY = {
    "add": "add", "atan2": "arctan2", "bitwise_and": "bitwise_and", "bitwise_left_shift": "left_shift",
    "bitwise_or": "bitwise_or", "bitwise_right_shift": "right_shift", "bitwise_xor": "bitwise_xor",
    "copysign": "copysign", "divide": "true_divide", "equal": "equal", "floor_divide": "floor_divide",
    "greater": "greater", "hypot": "hypot", "less_equal": "less_equal", "logaddexp": "logaddexp",
    "logical_and": "logical_and", "logical_or": "logical_or", "logical_xor": "logical_xor", "maximum": "maximum",
    "minimum": "minimum", "multiply": "multiply", "not_equal": "not_equal", "pow": "power",
    "remainder": "remainder", "subtract": "subtract",
}  # fmt: skip
NARROW = {"float64": "float32", "complex128": "complex64"}
TOLERANCE = {"float32": 3e-6, "complex64": 5e-6, "float16": 1.5e-3, "bfloat16": 1.2e-2}
SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 1.5, 3e38, -1e-40, np.inf, -np.inf, np.nan]


def close(x, expected):
    """Asserts that an Array has these values, in the type that metalpy makes of theirs."""
    expected = np.asarray(expected)
    assert isinstance(x, mp.Array)
    wanted = NARROW.get(expected.dtype.name, expected.dtype.name)
    assert (x.shape, x.dtype.name) == (expected.shape, wanted)
    if wanted not in TOLERANCE:
        np.testing.assert_array_equal(x.numpy(), expected)
        return
    kind = np.complex128 if wanted == "complex64" else np.float64
    np.testing.assert_allclose(x.numpy().astype(kind), expected.astype(kind), TOLERANCE[wanted], 1e-37)


def exact(name, dtype, *operands):
    """NumPy's result from double precision, in the dtype that its function has for operands of `dtype`."""
    function = getattr(np, name)
    with np.errstate(all="ignore"):
        found = function(*(a.astype(np.complex128 if dtype == "complex64" else np.float64) for a in operands))
        return found.astype(function(*operands).dtype)


# Every combination compiles a kernel: types that differ in how they are read and written are tried with a few.
NARROW_FLOATS = [(name, dtype) for name in ("exp", "log1p", "sqrt") for dtype in ("float16", "bfloat16", "int16")]


@pytest.mark.parametrize(
    ("name", "dtype"),
    [*((name, dtype) for name in FLOAT_FUNCTIONS for dtype in ("float32", "complex64")), *NARROW_FLOATS],
)
def test_functions_of_floats(device, rng, name, dtype):
    reference, (low, high) = FLOAT_FUNCTIONS[name]
    host = rng.uniform(low, high, (5, 30))
    if dtype == "complex64":
        host = host + 1j * rng.uniform(-3, 3, host.shape)
    host = (np.trunc(host) if dtype == "int16" else host).astype(mp.dtypes.as_dtype(dtype))
    with np.errstate(all="ignore"):
        expected = exact(reference, dtype, host)
    if dtype == "int16":  # NumPy's float32
        assert expected.dtype == np.float32
    x = mp.array(host, device=device)
    close(getattr(mp, name)(x), expected)
    if name in ("exp", "sqrt"):
        close(getattr(mp, name)(x.T[::2]), expected.T[::2])


@pytest.mark.parametrize("dtype", ["float32", "float16", "complex64", "int8", "uint64", "bool"])
@pytest.mark.parametrize("name", OTHER_FUNCTIONS)
def test_functions_of_any_type(device, rng, name, dtype):
    host = rng.integers(0 if dtype == "uint64" else -100, 100, 40) / (4 if dtype.startswith("float") else 1)
    if dtype == "complex64":
        host = host / 4 + 1j * rng.integers(-9, 9, 40) / 2
    host = host.astype(dtype)
    if host.dtype.kind == "f":
        host[:5] = [np.inf, -np.inf, np.nan, -0.0, 0.0]
    x = mp.array(host, device=device)
    if dtype == "bool" and name == "round":
        return close(mp.round(x), host)  # NumPy makes float16 of it
    try:
        expected = getattr(np, OTHER_FUNCTIONS[name])(host)
    except TypeError:
        with pytest.raises(TypeError):
            getattr(mp, name)(x)
        return None
    return close(getattr(mp, name)(x), expected)


NARROW_PAIRS = [(name, dtype) for name in ("bitwise_xor", "logical_and", "maximum", "multiply", "bitwise_right_shift", "hypot")
                for dtype in ("bfloat16", "uint8", "int64", "bool")]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "dtype"),
    [*((name, dtype) for name in BINARY for dtype in ("float32", "complex64", "int32")), *NARROW_PAIRS],
)
def test_functions_of_two(device, rng, name, dtype):
    a, b = (rng.integers(0 if dtype == "uint8" else -6, 7, (4, 9)) for _ in range(2))
    if dtype in ("float32", "bfloat16"):
        a, b = a + rng.integers(0, 4, a.shape) / 4, b + rng.integers(0, 4, a.shape) / 4
    if dtype == "complex64":
        a, b = a + 1j * rng.integers(-3, 4, a.shape), b + 1j * rng.integers(-3, 4, a.shape)
    a, b = (host.astype(mp.dtypes.as_dtype(dtype)) for host in (a, b))
    if name in ("divide", "floor_divide", "remainder") or (name == "pow" and dtype == "complex64"):
        a[a == 0], b[b == 0] = 1, 1
    if name == "pow" and dtype not in ("bool", "complex64"):
        a, b = abs(a), abs(b)
    stand_in = (a.astype(np.float16), b.astype(np.float16)) if dtype == "bfloat16" else (a, b)
    try:
        with np.errstate(all="ignore"):
            expected = getattr(np, BINARY[name])(*stand_in)
    except TypeError:
        with pytest.raises(TypeError):
            getattr(mp, name)(mp.array(a, device=device), mp.array(b, device=device))
        return
    if dtype in ("float32", "bfloat16") and expected.dtype.kind == "f":
        expected = exact(BINARY[name], dtype, a, b).astype(a.dtype)
    x, y = mp.array(a, device=device), mp.array(b, device=device)
    close(getattr(mp, name)(x, y), expected)
    if dtype == "float32":
        close(getattr(mp, name)(x[:, ::-2], y[:, ::-2]), expected[:, ::-2])


@pytest.mark.parametrize("name", sorted(FLOAT_FUNCTIONS))
def test_special_numbers(device, name):
    host = np.array(SPECIAL, np.float32)
    with np.errstate(all="ignore"):
        expected = getattr(np, FLOAT_FUNCTIONS[name][0])(host.astype(np.float64)).astype(np.float32)
    got = getattr(mp, name)(mp.array(host, device=device)).numpy()
    known = np.abs(expected) >= np.finfo(np.float32).tiny  # below, and for angles of 1e38, the last bits differ
    known |= ~np.isfinite(expected) | (expected == 0)
    np.testing.assert_allclose(got[known], expected[known], 1e-5)
    signed = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(got)[signed], np.signbit(expected)[signed])


COMPLEX = ["acos", "acosh", "asin", "asinh", "atan", "atanh", "cos", "cosh", "exp", "expm1", "log", "log10", "log1p",
           "log2", "sin", "sinh", "sqrt", "tan", "tanh"]  # fmt: skip


@pytest.mark.parametrize("name", COMPLEX)
def test_complex_numbers_of_any_size(device, rng, name):
    """Relative to the length of the result: numbers of many sizes, near the unit circle, and near branch points."""
    sizes = 10.0 ** rng.integers(-6, 7, (2, 3000))
    parts = rng.normal(size=(2, 3000)) * sizes
    turn = np.exp(1j * rng.uniform(-np.pi, np.pi, 500))
    near = 1 + 1e-3 * (rng.normal(size=500) + 1j * rng.normal(size=500))
    host = np.concatenate([parts[0] + 1j * parts[1], turn, near, -near, near - 1, 1j * near]).astype(np.complex64)
    with np.errstate(all="ignore"):
        expected = getattr(np, FLOAT_FUNCTIONS[name][0])(host.astype(np.complex128))
        got = getattr(mp, name)(mp.array(host, device=device)).numpy()
        with np.errstate(over="ignore"):
            there = np.isfinite(expected.astype(np.complex64))
        assert np.isfinite(got[there]).all()
        error = np.abs(got[there] - expected[there]) / np.maximum(np.abs(expected[there]), 1e-30)
    assert error.max() < 1e-6


@pytest.mark.parametrize("name", COMPLEX)
def test_complex_infinities_and_zeros(device, name):
    parts = [0.0, -0.0, 1.0, -2.0, np.inf, -np.inf]
    host = np.array([complex(a, b) for a in parts for b in parts], np.complex64)
    with np.errstate(all="ignore"):
        expected = getattr(np, FLOAT_FUNCTIONS[name][0])(host)
    got = getattr(mp, name)(mp.array(host, device=device)).numpy()
    for part in ("real", "imag"):
        ours, theirs = getattr(got, part), getattr(expected, part)
        compared = ~np.isnan(expected)  # the sign of an infinity beside a NaN is not specified
        np.testing.assert_allclose(ours[compared], theirs[compared], 1e-5, 1e-30)


@pytest.mark.parametrize(
    ("name", "z", "expected"),
    [
        ("tanh", complex(np.inf, 2), complex(1, 0.0)),
        ("tanh", complex(np.inf, -2), complex(1, -0.0)),
        ("tanh", complex(-np.inf, 2), complex(-1, 0.0)),
        ("expm1", complex(-0.0, 0.0), complex(0.0, 0.0)),
        ("expm1", complex(-0.0, -0.0), complex(0.0, -0.0)),
    ],
)
def test_zeros_that_the_standard_signs(device, name, z, expected):
    got = getattr(mp, name)(mp.array([z], dtype=np.complex64, device=device)).numpy()
    assert got.tobytes() == np.array([expected], np.complex64).tobytes()


@pytest.mark.parametrize("dtype", [np.float32, np.float16, ml_dtypes.bfloat16])
def test_nextafter(device, dtype):
    a = np.array([1, -1, 0, -0.0, 2, 1], dtype)
    b = np.array([2, 0, 1, -1, 2, np.nan], dtype)
    got = mp.nextafter(mp.array(a, device=device), mp.array(b, device=device)).numpy()
    bits = np.int32 if got.itemsize == 4 else np.int16
    step = a.view(bits) + np.array([1, -1, 0, 0, 0, 0], bits)
    np.testing.assert_array_equal(got.view(bits)[[0, 1]], step[[0, 1]])
    assert got.view(bits)[2] == 1 and got.view(bits)[3] == np.iinfo(bits).min + 1
    assert got[4] == 2 and np.isnan(got[5])


def test_nan_wins_in_maximum_and_minimum(device):
    a, b = np.array([1, np.nan, 3, np.inf], np.float32), np.array([np.nan, 1, 2, np.nan], np.float32)
    x, y = mp.array(a, device=device), mp.array(b, device=device)
    np.testing.assert_array_equal(mp.maximum(x, y).numpy(), np.maximum(a, b))
    np.testing.assert_array_equal(mp.minimum(x, y).numpy(), np.minimum(a, b))


def test_shifts_beyond_the_width(device):
    x = mp.array([-8, 8], device=device)
    assert mp.bitwise_left_shift(x, 40).tolist() == [0, 0]
    assert (x >> 40).tolist() == [-1, 0]
    assert (x << 1).tolist() == [-16, 16] and (1 << mp.array([3], device=device)).tolist() == [8]


def test_operators_of_bits(device):
    x = mp.array([True, False, True], device=device)
    y = mp.array([True, True, False], device=device)
    assert (x & y).tolist() == [True, False, False] and (x | y).tolist() == [True, True, True]
    assert (x ^ True).tolist() == [False, True, False] and (~x).tolist() == [False, True, False]
    n = mp.array([6, 5], device=device)
    n &= 4
    n |= 1
    assert n.tolist() == [5, 5] and (~n).tolist() == [-6, -6] and (3 ^ n).tolist() == [6, 6]
    with pytest.raises(TypeError):
        _ = mp.ones(2, device=device) & 1


def test_divmod(device):
    quotient, rest = divmod(mp.array([7, -7], device=device), 3)
    assert quotient.tolist() == [2, -3] and rest.tolist() == [1, 2]
    quotient, rest = divmod(7, mp.array([2, -2], device=device))
    assert quotient.tolist() == [3, -4] and rest.tolist() == [1, -1]


@pytest.mark.parametrize("dtype", ["float32", "int32", "uint8", "float16"])
def test_clip(device, rng, dtype):
    host = rng.integers(0, 100, (3, 7)).astype(dtype)
    x, low = mp.array(host, device=device), np.full((3, 1), 20, dtype)
    for bounds in ((10, 50), (None, 50), (10, None), (None, None)):
        close(mp.clip(x, *bounds), np.clip(host, *bounds) if bounds != (None, None) else host)
    close(mp.clip(x, mp.array(low, device=device), 60), np.clip(host, low, np.asarray(60, dtype)))
    assert mp.clip(x) is not x
    if dtype == "uint8":
        close(mp.clip(x, -5, 300), host)


def test_the_first_operand_may_be_a_number(device):
    x = mp.array([1.0, 2.0], device=device)
    assert mp.subtract(3, x).tolist() == [2, 1] and mp.pow(2, x).tolist() == [2, 4]
    assert mp.add(1.5, 2).tolist() == 3.5 and mp.sin(0).tolist() == 0


def test_empty_arrays_and_those_without_axes(device):
    assert mp.exp(mp.zeros((0, 3), device=device)).shape == (0, 3)
    assert mp.exp(mp.zeros((), device=device)).tolist() == 1
    assert mp.hypot(mp.zeros((0, 1), device=device), mp.zeros(3, device=device)).shape == (0, 3)


def test_nothing_waits(device):
    """A kernel that reports makes the next wait raise: none of these may be the one."""
    lib = mp.mps.compile_shader("""
#include <metalpy/report_error.h>
kernel void fail(device float* x, uint i [[thread_position_in_grid]]) { MP_REPORT_ERROR("here"); x[i] = 1; }
""", device=device)  # fmt: skip
    x = mp.zeros(4, device=device)
    lib.fail(x)
    y = mp.where(mp.maximum(mp.sin(x), x[::-1]) > 0.5, x, 0.0).astype("int32")
    z = mp.concat([y, mp.roll(y, 1)]).reshape(2, 4)[:, mp.array([1, 0], device=device)]
    z[0] = 7
    z[mp.array([[True, False], [False, True]], device=device)] = 8
    with pytest.raises(mp.KernelReportedError):
        z.tolist()
    assert z.tolist() == [[8, 7], [1, 8]]
