"""Running sums and products, and differences, against NumPy."""

import numpy as np
import pytest

import metalpy as mp

SHAPES = [(1,), (31,), (32,), (100,), (8193,), (20000,), (3, 70), (70, 3), (40, 64), (9000, 33), (5000, 2), (4, 9, 35)]


def same(x, expected, dtype, tolerance=1e-5):
    assert x.dtype.name == dtype and x.shape == expected.shape
    if x.dtype.kind in "iub":
        np.testing.assert_array_equal(x.numpy(), expected)
    else:
        wide = x.numpy().astype(np.complex128 if x.dtype.kind == "c" else np.float64)
        np.testing.assert_allclose(wide, expected, tolerance, tolerance * 100)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "int64"])
def test_sums(device, rng, shape, dtype):
    host = rng.integers(-9, 9, shape).astype(dtype)
    x = mp.array(host, device=device)
    for axis in range(-1, host.ndim):
        for initial in (False, True):
            expected = np.cumulative_sum(host.astype(np.float64), axis=axis, include_initial=initial)
            same(mp.cumulative_sum(x, axis=axis, include_initial=initial), expected, dtype)


@pytest.mark.parametrize("dtype", ["float16", "complex64", "bool", "int8", "uint16", "int32", "uint64"])
def test_dtypes(device, rng, dtype):
    host = rng.integers(0, 3, (50, 40)).astype(dtype)
    if dtype == "complex64":
        host = (host + 1j * rng.integers(-1, 2, host.shape)).astype(dtype)
    x = mp.array(host, device=device)
    wide = host.astype("complex128" if dtype == "complex64" else "float64")
    result = {"bool": "int32", "int8": "int32", "uint16": "uint32"}.get(dtype, dtype)
    for view, seen in ((x, wide), (x.T, wide.T), (x[::-1, ::2], wide[::-1, ::2])):
        same(mp.cumulative_sum(view, axis=0), np.cumsum(seen, 0), result)
        same(mp.cumulative_sum(view, axis=1), np.cumsum(seen, 1), result)
    signs = np.where(wide.real > 1, -1, 1)
    powers = mp.array(signs.astype(dtype) if dtype[0] != "u" else np.ones_like(host), device=device)
    if dtype not in ("bool", "uint64", "uint16"):
        same(mp.cumulative_prod(powers, axis=1, include_initial=True), np.cumulative_prod(signs, axis=1, include_initial=True), result)  # fmt: skip


def test_a_chosen_dtype(device):
    x = mp.array([200, 100], "uint8", device=device)
    assert mp.cumulative_sum(x, dtype="uint8").tolist() == [200, 44]
    assert mp.cumulative_sum(x, dtype="float16").dtype == np.float16
    assert mp.cumulative_prod(x, dtype=mp.int64).tolist() == [200, 20000]


def test_no_elements(device):
    x = mp.zeros((2, 0), device=device)
    assert mp.cumulative_sum(x, axis=1).shape == (2, 0)
    assert mp.cumulative_sum(x, axis=1, include_initial=True).tolist() == [[0], [0]]
    assert mp.cumulative_prod(x, axis=1, include_initial=True).tolist() == [[1], [1]]


def test_mistakes(device):
    with pytest.raises(ValueError, match="give axis="):
        mp.cumulative_sum(mp.zeros((2, 2), device=device))
    with pytest.raises(ValueError, match="one axis at least"):
        mp.cumulative_sum(mp.zeros((), device=device))
    with pytest.raises(IndexError, match="out of bounds"):
        mp.cumulative_prod(mp.zeros(3, device=device), axis=1)
    with pytest.raises(ValueError, match="n >= 0"):
        mp.diff(mp.zeros(3, device=device), n=-1)
    with pytest.raises(ValueError, match="cannot join"):
        mp.diff(mp.zeros((3, 2), device=device), prepend=mp.zeros((1, 1), device=device), axis=1)


@pytest.mark.parametrize("dtype", ["float32", "bool", "uint8", "complex64"])
def test_differences(device, rng, dtype):
    host = rng.integers(0, 5, (4, 7, 3)).astype(dtype)
    x = mp.array(host, device=device)
    for axis in range(-1, 3):
        for n in range(4):
            same(mp.diff(x, axis=axis, n=n), np.diff(host, axis=axis, n=n), dtype)
            ends = {"prepend": host[:, :1].copy(), "append": host[:, -2:].copy()}
            if axis == 1:
                given = {name: mp.array(end, device=device) for name, end in ends.items()}
                same(mp.diff(x, axis=1, n=n, **given) if n else x, np.diff(host, axis=1, n=n, **ends), dtype)
    assert mp.diff(x[:, :1], axis=1).shape == (4, 0, 3)


def test_differences_of_several_dtypes(device):
    made = mp.diff(mp.array([1, 2, 4], "int16", device=device), append=mp.array([5.5], device=device))
    assert made.dtype == np.float32 and made.tolist() == [1, 2, 1.5]
