"""Sorting, sets and searching against NumPy."""

import numpy as np
import pytest

import metalpy as mp

DTYPES = ["float32", "float16", "bfloat16", "bool", "int8", "uint8", "int16", "int32", "uint32", "int64", "uint64"]
SHAPES = [(1,), (5,), (33,), (600,), (9000,), (30, 40), (300, 3), (2, 1300), (3, 4, 5)]


def numbers(dtype, shape, rng):
    """Many equal ones, of both signs, and of floats infinities, NaN and both zeros."""
    if dtype == "bool":
        return rng.integers(0, 2, shape).astype(bool)
    if dtype.startswith(("int", "uint")):
        limits = np.iinfo(dtype)
        some = rng.integers(max(limits.min, -40), 40, shape).astype(dtype)
        return np.where(rng.random(shape) < 0.1, rng.choice(np.array([limits.min, limits.max], dtype), shape), some)
    some = rng.integers(-40, 40, shape) / 4
    special = rng.choice([np.nan, -np.nan, np.inf, -np.inf, 0.0, -0.0], shape)
    return np.where(rng.random(shape) < 0.2, special, some).astype(mp.dtypes.as_dtype(dtype))


def wide(x):
    host = x.numpy() if isinstance(x, mp.Array) else x
    return host.astype(np.float64) if host.dtype.kind in "fV" else host


def descending_order(host, axis):
    """That of a stable sort, NaN first."""
    turned = np.argsort(np.flip(host, axis), axis=axis, stable=True)
    return np.flip(host.shape[axis] - 1 - turned, axis)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_sort(device, rng, shape, dtype):
    host = numbers(dtype, shape, rng)
    x = mp.array(host, device=device)
    for axis in range(-1, host.ndim):
        made = mp.sort(x, axis=axis)
        assert made.dtype == x.dtype and made.shape == shape
        np.testing.assert_array_equal(wide(made), np.sort(wide(host), axis=axis))
        places = mp.argsort(x, axis=axis)
        assert places.dtype == np.int64
        np.testing.assert_array_equal(places.numpy(), np.argsort(wide(host), axis=axis, stable=True))
        order = descending_order(wide(host), axis)
        np.testing.assert_array_equal(mp.argsort(x, axis=axis, descending=True).numpy(), order)
        expected = np.take_along_axis(wide(host), order, axis)
        np.testing.assert_array_equal(wide(mp.sort(x, axis=axis, descending=True)), expected)


def test_views_are_sorted_and_left_alone(device, rng):
    host = rng.integers(-99, 99, (40, 60)).astype(np.int32)
    x = mp.array(host, device=device)
    for view, seen in ((x.T, host.T), (x[::2, ::-3], host[::2, ::-3])):
        for axis in (0, 1):
            np.testing.assert_array_equal(mp.sort(view, axis=axis).numpy(), np.sort(seen, axis=axis))
    np.testing.assert_array_equal(x.numpy(), host)


def test_zeros_and_small_numbers(device):
    host = np.array([0.0, -0.0, 1e-45, -1e-45, 0.0, -0.0], np.float32)
    assert mp.argsort(mp.array(host, device=device)).tolist() == [3, 0, 1, 4, 5, 2]
    long = np.tile(host, 100)
    np.testing.assert_array_equal(mp.argsort(mp.array(long, device=device)).numpy(), np.argsort(long, stable=True))


def test_no_elements(device):
    x = mp.zeros((0, 3), device=device)
    assert mp.sort(x).shape == (0, 3) and mp.argsort(x, axis=0).shape == (0, 3)
    assert [part.size for part in mp.unique_all(x)] == [0, 0, 0, 0]
    assert mp.unique_inverse(x).inverse_indices.shape == (0, 3)
    assert [part.shape for part in mp.nonzero(x)] == [(0,), (0,)]
    assert mp.searchsorted(x[:, 0], mp.ones((2, 2), device=device)).tolist() == [[0, 0], [0, 0]]
    assert mp.searchsorted(mp.ones(2, device=device), x).shape == (0, 3)


def test_mistakes(device):
    x = mp.zeros((2, 3), device=device)
    with pytest.raises(IndexError, match="axis 2 is out of bounds"):
        mp.sort(x, axis=2)
    with pytest.raises(IndexError, match="out of bounds"):
        mp.argsort(x[0, 0])
    with pytest.raises(TypeError, match="real numbers"):
        mp.sort(x.astype("complex64"))
    with pytest.raises(ValueError, match="one axis"):
        mp.nonzero(x[0, 0])
    with pytest.raises(ValueError, match="one axis"):
        mp.searchsorted(x, x)
    with pytest.raises(ValueError, match="'left' or 'right'"):
        mp.searchsorted(x[0], x, side="middle")
    with pytest.raises(ValueError, match="sorter"):
        mp.searchsorted(x[0], x, sorter=mp.arange(2, device=device))


@pytest.mark.parametrize("shape", [(1,), (200,), (5000,), (7, 9)], ids=str)
@pytest.mark.parametrize("dtype", [*DTYPES, "complex64"])
def test_unique(device, rng, shape, dtype):
    if dtype == "complex64":
        host = (rng.integers(-2, 3, shape) + 1j * rng.integers(-2, 3, shape)).astype(dtype)
    else:
        host = numbers(dtype, shape, rng)
    expected = np.unique(wide(host), True, True, True, equal_nan=False)
    x = mp.array(host, device=device)
    made = mp.unique_all(x)
    assert made.values.dtype == x.dtype and made.inverse_indices.shape == shape
    for own, theirs in zip(made, expected, strict=True):
        is_nan = theirs != theirs
        own = wide(own).reshape(theirs.shape)
        np.testing.assert_array_equal(np.where(is_nan, 0, own), np.where(is_nan, 0, theirs))
        np.testing.assert_array_equal(own != own, is_nan)
    np.testing.assert_array_equal(wide(mp.unique_values(x)), expected[0])
    counts, inverse = mp.unique_counts(x), mp.unique_inverse(x)
    np.testing.assert_array_equal(counts.counts.numpy(), expected[3])
    np.testing.assert_array_equal(inverse.inverse_indices.numpy(), made.inverse_indices.numpy())
    np.testing.assert_array_equal(wide(counts.values), wide(inverse.values))


@pytest.mark.parametrize("dtype", ["bool", "float32", "complex64", "int8", "bfloat16"])
@pytest.mark.parametrize("shape", [(40,), (9000,), (6, 7, 8)], ids=str)
def test_nonzero(device, rng, shape, dtype):
    host = rng.integers(0, 3, shape).astype(mp.dtypes.as_dtype(dtype))
    x = mp.array(host, device=device)
    for view, seen in ((x, host), (x.T, host.T), (x[::-2], host[::-2]), (x[:0], host[:0])):
        made = mp.nonzero(view)
        assert all(part.dtype == np.int64 for part in made)
        for own, theirs in zip(made, np.nonzero(seen), strict=True):
            np.testing.assert_array_equal(own.numpy(), theirs)
    assert [part.size for part in mp.nonzero(mp.zeros((3, 3), device=device))] == [0, 0]
    assert mp.nonzero(mp.array([np.nan, 0], device=device))[0].tolist() == [0]


@pytest.mark.parametrize("dtypes", [("float32", "float32"), ("int32", "int32"), ("uint8", "int16"), ("float16", "float16"), ("int64", "float32")], ids=str)  # fmt: skip
def test_searchsorted(device, rng, dtypes):
    host, values = (
        rng.integers(0, 30, shape).astype(dtype) for shape, dtype in zip([(50,), (6, 9)], dtypes, strict=True)
    )
    if dtypes[0][0] == "f":
        host[:3] = np.nan, np.inf, -np.inf
        values[0, :4] = np.nan, np.inf, -np.inf, 100
    order = np.argsort(host, stable=True)
    in_order = mp.array(host[order], device=device)
    for side in ("left", "right"):
        expected = np.searchsorted(host[order], values, side)
        made = mp.searchsorted(in_order, mp.array(values, device=device), side=side)
        assert made.dtype == np.int64
        np.testing.assert_array_equal(made.numpy(), expected)
        turned = mp.searchsorted(in_order[::-1], mp.array(values.T.copy(), device=device).T, side=side, sorter=mp.array(np.arange(49, -1, -1, dtype=np.int32), device=device))  # fmt: skip
        np.testing.assert_array_equal(turned.numpy(), expected)
