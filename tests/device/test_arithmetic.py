"""Operators of arrays against NumPy's: values, types, broadcasting, layouts, and that they do not wait."""

from __future__ import annotations

import operator
import threading

import ml_dtypes
import numpy as np
import pytest

import metalpy as mp
from metalpy.errors import LaunchValueError, UnsupportedError

ARITHMETIC = [operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod, operator.pow]
COMPARISONS = [operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge]
NARROW = {"float64": "float32", "complex128": "complex64"}
TOLERANCE = {"float32": 2e-6, "complex64": 2e-5, "float16": 1e-3, "bfloat16": 1e-2}


def name(function):
    return function.__name__


def values(dtype, shape, rng, nonzero=False):
    """Numbers of both signs where the type has them, small enough for powers."""
    if dtype == "bool":
        return rng.integers(0, 2, shape).astype(bool)
    low = 0 if dtype.startswith("u") else -5
    host = rng.integers(low, 6, shape).astype(np.float64)
    if dtype.startswith(("float", "bfloat", "complex")):
        host += rng.integers(0, 4, shape) / 4
    if nonzero:
        host[host == 0] = 1
    if dtype == "complex64":
        return (host + 1j * rng.integers(-2, 3, shape)).astype(np.complex64)
    return host.astype(mp.dtypes.as_dtype(dtype))


def same(x, expected):
    """Asserts that an Array has NumPy's values, in the type that metalpy makes of NumPy's."""
    expected = np.asarray(expected)
    assert isinstance(x, mp.Array)
    assert x.shape == expected.shape
    wanted = NARROW.get(expected.dtype.name, expected.dtype.name)
    assert x.dtype.name == wanted
    host = x.numpy()
    if wanted not in TOLERANCE:
        np.testing.assert_array_equal(host, expected)
        return
    kind = np.complex128 if wanted == "complex64" else np.float64
    np.testing.assert_allclose(host.astype(kind), expected.astype(kind), TOLERANCE[wanted], TOLERANCE[wanted] / 10)


def expect(function, *operands):
    """What NumPy says; without its warnings about zeros."""
    with np.errstate(all="ignore"):
        return function(*operands)


@pytest.mark.parametrize("function", [*ARITHMETIC, *COMPARISONS], ids=name)
@pytest.mark.parametrize(
    "dtypes",
    [("float32", "float32"), ("int32", "int32"), ("uint8", "uint8"), ("int64", "int64"), ("float16", "float16"),
     ("bfloat16", "bfloat16"), ("complex64", "complex64"), ("int16", "float32"), ("bool", "int16"),
     ("uint64", "int64"), ("float32", "complex64")],
    ids="-".join,
)  # fmt: skip
def test_two_arrays(device, rng, function, dtypes):
    a, b = values(dtypes[0], (4, 9), rng), values(dtypes[1], (4, 9), rng, nonzero=True)
    if function is operator.pow and b.dtype.kind == "i" and a.dtype.kind in "iub":
        b = abs(b)  # NumPy raises for negative ones, which needs a look at the values
    try:
        expected = expect(function, a, b)
    except TypeError:
        with pytest.raises(TypeError):
            function(mp.array(a, device=device), mp.array(b, device=device))
        return
    same(function(mp.array(a, device=device), mp.array(b, device=device)), expected)


@pytest.mark.parametrize("function", [*ARITHMETIC, *COMPARISONS], ids=name)
@pytest.mark.parametrize("dtype", ["int32", "float16"])
def test_python_numbers(device, rng, function, dtype):
    a = values(dtype, (17,), rng, nonzero=True)
    x = mp.array(a, device=device)
    for number in (2, 3, 2.5, True):
        if dtype == "uint8" and function is operator.pow and number == 2.5:
            continue  # NumPy takes float16 for it
        same(function(x, number), expect(function, a, number))
        if function is operator.pow and a.dtype.kind == "i":
            continue  # negative exponents
        same(function(number, x), expect(function, number, a))


def test_python_numbers_beside_bool_and_bfloat16(device):
    x = mp.array([True, False], device=device)
    assert (x + 2).dtype == np.int32 and (x + 2).tolist() == [3, 2]
    assert (x + True).dtype == np.bool_
    y = mp.array([1.5, 2], "bfloat16", device=device)
    assert (y * 2).dtype == (y * 0.5).dtype == ml_dtypes.bfloat16
    assert (y * 2).tolist() == [3, 4]
    assert (y * 2j).dtype == np.complex64


def test_numpy_operands(device):
    x = mp.arange(3, device=device)
    same(x + np.int64(1), np.arange(3, dtype=np.int64) + 1)
    for made in (
        x * np.float64(2.5),
        np.float64(2.5) * x,
        np.float32(2.5) * x,
        np.full(3, 2.5) * x,
        x * np.full(3, 2.5),
    ):
        assert isinstance(made, mp.Array)
        assert made.dtype == np.float32 and made.tolist() == [0, 2.5, 5]
    assert isinstance(np.add(np.ones(3), x), mp.Array)


def test_integers_of_python_that_do_not_fit(device):
    x = mp.array([1, 200], "uint8", device=device)
    host = x.numpy().copy()
    for number in (-1, 256, 1 << 80, -(1 << 80)):
        with pytest.raises(OverflowError):
            _ = x + number
        for function in COMPARISONS:
            same(function(x, number), function(host, number))
            same(function(number, x), function(number, host))


def test_signed_and_unsigned_are_compared_by_value(device):
    a, b = np.array([-1, 5, 2**62], np.int64), np.array([2**64 - 1, 5, 2**63], np.uint64)
    for function in COMPARISONS:
        same(function(mp.array(a, device=device), mp.array(b, device=device)), function(a, b))
        same(function(mp.array(b, device=device), mp.array(a, device=device)), function(b, a))


def test_division_by_zero(device):
    a = np.array([-7, 0, 7, -(2**31)], np.int32)
    x = mp.array(a, device=device)
    assert (x // 0).tolist() == (x % 0).tolist() == [0] * 4
    same(x // -1, expect(operator.floordiv, a, np.int32(-1)))
    same(x % -1, expect(operator.mod, a, np.int32(-1)))
    f = np.array([-7, 0, 7, np.inf, np.nan], np.float32)
    for function in (operator.truediv, operator.floordiv, operator.mod):
        for number in (0.0, -0.0, np.inf, -2.0):
            expected = expect(function, f, np.float32(number))
            if function is operator.floordiv:  # the array API's results for infinities; NumPy's are NaN, and -1 for -7
                infinite = np.isinf(f) | np.isinf(number)
                expected[infinite] = np.floor(expect(operator.truediv, f, np.float32(number)))[infinite]
            got = function(mp.array(f, device=device), number).numpy()
            np.testing.assert_array_equal(got, expected)
            signed = ~np.isnan(expected)  # the sign of a NaN is the processor's choice
            np.testing.assert_array_equal(np.signbit(got[signed]), np.signbit(expected[signed]))


def test_powers_of_integers(device):
    x = mp.array([-2, -1, 0, 1, 3], device=device)
    assert (x**5).tolist() == [-32, -1, 0, 1, 243]
    assert (2 ** mp.arange(5, device=device)).tolist() == [1, 2, 4, 8, 16]
    with pytest.raises(ValueError, match="negative"):
        _ = x**-1
    assert (x ** mp.array([-1, -3, 2, -4, -1], device=device)).tolist() == [0, -1, 0, 1, 0]


@pytest.mark.parametrize("dtype", ["int8", "uint16", "int64", "float16", "bfloat16", "float32", "complex64"])
def test_one_operand(device, rng, dtype):
    a = values(dtype, (3, 5), rng)
    x = mp.array(a, device=device)
    same(-x, -a)
    same(+x, +a)
    same(abs(x), abs(a))
    same(-x.T[1:], -a.T[1:])
    assert +x is not x


def test_what_bool_has_not(device):
    x = mp.array([True], device=device)
    for wrong in (lambda: -x, lambda: x - x, lambda: +x):
        with pytest.raises(TypeError):
            wrong()


@pytest.mark.parametrize(
    ("a", "b"), [((2, 3), (3,)), ((4, 1), (1, 5)), ((), (3,)), ((2, 1, 4), (3, 1)), ((0, 3), (1, 3)), ((1,), (0,)),
                 ((), ())]
)  # fmt: skip
def test_broadcasting(device, rng, a, b):
    a, b = values("float32", a, rng) if a else np.float32(3), values("int16", b, rng) if b else np.int16(4)
    a, b = np.asarray(a), np.asarray(b)
    x, y = mp.array(a, device=device), mp.array(b, device=device)
    same(x * y, a * b)
    same(y - x, b - a)
    same(x < y, a < b)


def test_shapes_that_do_not_match(device):
    with pytest.raises(ValueError, match="broadcast"):
        _ = mp.zeros(3, device=device) + mp.zeros(4, device=device)
    x = mp.zeros(3, device=device)
    with pytest.raises(ValueError, match="broadcast"):
        x += mp.zeros((2, 3), device=device)


VIEWS = [
    lambda x: x[::2], lambda x: x[::-1], lambda x: x[:, ::-2], lambda x: x.T, lambda x: x[1:, 2:4],
    lambda x: x[None, ..., 1], lambda x: x.transpose(2, 0, 1)[::-1],
]  # fmt: skip


@pytest.mark.parametrize("view", VIEWS)
def test_strided_operands(device, rng, view):
    a = values("int32", (4, 6, 5), rng)
    x = mp.array(a, device=device)
    part = view(a)
    b = values("int32", part.shape, rng)
    y = mp.array(b, device=device)
    same(view(x) + y, part + b)
    same(y - view(x), b - part)
    same(view(x) * 3, part * 3)
    same(7 - view(x), 7 - part)
    assert (view(x) + y).contiguous
    target = view(x)
    target *= 2
    part *= 2
    target -= y
    part -= b
    np.testing.assert_array_equal(x.numpy(), a)


def test_in_place_keeps_memory_and_dtype(device):
    x = mp.array([1.5, 2.5, 4], "float16", device=device)
    alias = x.view("uint16")
    before = x
    x += mp.array([1.0, 1, 1], device=device)
    x *= 2
    x **= 2
    assert x is before and x.dtype == np.float16
    assert x.tolist() == [25, 49, 100]
    np.testing.assert_array_equal(alias.numpy(), x.numpy().view(np.uint16))
    n = mp.arange(4, device=device)
    for wrong in (1.5, mp.ones(4, device=device), 1j):
        with pytest.raises(TypeError, match="in place"):
            n += wrong
    with pytest.raises(TypeError):
        n /= 2
    n //= 2
    n %= 2
    assert n.tolist() == [0, 0, 1, 1]


def test_in_place_on_overlapping_memory(device):
    for shift in (lambda x: (x[1:], x[:-1]), lambda x: (x[:-1], x[1:]), lambda x: (x, x[::-1])):
        host = np.arange(1000)
        x = mp.array(host, device=device)
        target, source = shift(x)
        target += source
        target, source = shift(host)
        target += source
        np.testing.assert_array_equal(x.numpy(), host)


def test_read_only_arrays(device):
    host = np.ones(1024, np.float32)
    host.flags.writeable = False
    x = mp.from_dlpack(host, device=device)
    if x.writable:
        pytest.skip("the device made a copy")
    assert (x + 1)[0].item() == 2
    with pytest.raises(ValueError, match="read-only"):
        x += 1


def test_operands_of_other_kinds(device):
    x = mp.zeros(3, device=device)
    for other in ("a", None, object(), [1, 2, 3]):
        with pytest.raises(TypeError):
            _ = x + other
        with pytest.raises(TypeError):
            x -= other
        assert (x == other) is False
        assert (x != other) is True
    with pytest.raises(UnsupportedError):
        _ = mp.zeros(2, np.dtype([("a", "i4")]), device) + 1


def test_devices_do_not_mix(device, mock):
    with pytest.raises(LaunchValueError, match="devices"):
        _ = mp.zeros(3, device=device) + mp.zeros(3, device=mock.device)


def test_arrays_stay_hashable(device):
    x = mp.zeros(3, device=device)
    assert {x: 1}[x] == 1


def test_many_axes(device):
    host = np.arange(2**10).reshape((2,) * 10)
    x = mp.array(host, device=device)
    turned = tuple(range(0, 10, 2)) + tuple(range(1, 10, 2))
    same(x.transpose(*turned) + x, host.transpose(turned) + host)


def test_operators_do_not_wait(device):
    x = mp.ones(1000, device=device)
    done = device.queue.completed
    y = ((x * 2 + x)[::-1] - 1) / 2
    assert device.queue.last_recorded >= done + 4
    assert y.tolist() == [1] * 1000


def test_many_threads_compute(device):
    failures = []

    def work(seed):
        host = np.random.default_rng(seed).integers(0, 100, 500).astype(np.int32)
        x = mp.array(host, device=device)
        for _ in range(30):
            x = (x * 3 + seed) % 1009
            host = (host * 3 + seed) % 1009
        if not np.array_equal(x.numpy(), host):
            failures.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
