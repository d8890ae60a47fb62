"""Indexing by arrays, and the functions that select, against NumPy."""

from __future__ import annotations

import random

import numpy as np
import pytest

import metalpy as mp
from metalpy.errors import LaunchValueError, UnsupportedError
from metalpy.ops import indexing
from metalpy.shader_files import shader_folder

DTYPES = ["float32", "int8", "complex64", "float16", "bool"]


def random_part(choose, rng, extent):
    """A slice, an integer, an index array, a list or a mask for an axis."""
    kind = choose.randrange(8)
    if kind == 0:
        return choose.randrange(-extent, extent)
    if kind == 1:
        return rng.integers(-extent, extent, 3)
    if kind == 2:
        return rng.integers(0, extent, (2, 1)).astype(choose.choice(["int32", "uint8", "int64", "uint64"]))
    if kind == 3:
        return [0, extent - 1, -1]
    if kind == 4:
        return rng.random(extent) < 0.5
    return slice(choose.choice([None, 0, 1, -1]), choose.choice([None, 3, -1]), choose.choice([None, 1, 2, -1, -2]))


def random_key(choose, rng, shape):
    count = choose.randrange(1, len(shape) + 1)
    split = choose.randrange(count + 1) if choose.random() < 0.3 else None
    if split is None:
        key = [random_part(choose, rng, extent) for extent in shape[:count]]
    else:
        tail = shape[len(shape) - (count - split) :]
        key = [random_part(choose, rng, extent) for extent in shape[:split]]
        key += [..., *(random_part(choose, rng, extent) for extent in tail)]
    if choose.random() < 0.25:
        key.insert(choose.randrange(len(key) + 1), None)
    if choose.random() < 0.1:
        key = [rng.random(shape[: choose.randrange(1, len(shape) + 1)]) < 0.5]
    return tuple(key)


def cases(seed, count, rng):
    choose = random.Random(seed)
    for _ in range(count):
        shape = tuple(choose.choice([1, 2, 3, 4, 5]) for _ in range(choose.randrange(1, 5)))
        host = (rng.random(shape) * 100).astype(choose.choice(DTYPES))
        order = choose.sample(range(len(shape)), len(shape))
        key = random_key(choose, rng, tuple(shape[axis] for axis in order))
        yield choose, host, order, key


def given(device, choose, key):
    """The key with some arrays on the device."""
    own = (
        mp.array(part, device=device) if isinstance(part, np.ndarray) and choose.random() < 0.5 else part
        for part in key
    )
    return tuple(own)


@pytest.mark.parametrize("seed", range(5))
def test_reading(device, rng, seed):
    for choose, host, order, key in cases(seed, 120, rng):
        x = mp.array(host, device=device).transpose(order)
        own = given(device, choose, key)
        try:
            expected = host.transpose(order)[key]
        except IndexError:
            with pytest.raises(IndexError):
                x[own]
            continue
        got = x[own]
        assert got.shape == expected.shape, (host.shape, order, key)
        np.testing.assert_array_equal(got.numpy(), expected, err_msg=str((host.shape, order, key)))


def repeats(part):
    """True for an index array that may name an element twice."""
    return isinstance(part, (list, np.ndarray)) and np.asarray(part).dtype != bool


@pytest.mark.parametrize("seed", range(5))
def test_writing(device, rng, seed):
    for choose, host, order, key in cases(100 + seed, 120, rng):
        target = host.transpose(order).copy()
        x = mp.array(np.ascontiguousarray(target.T), device=device).T
        own = given(device, choose, key)
        try:
            shape = target[key].shape
        except IndexError:
            with pytest.raises(IndexError):
                x[own] = 0
            continue
        of = choose.choice([(), shape, shape[-1:], (1, *shape)])
        if not shape or len(key) == 1:
            of = ()  # where NumPy is stricter
        if any(repeats(part) for part in key):
            of = ()
        value = np.asarray(rng.random(of) * 100).astype(host.dtype)
        target[key] = value
        x[own] = mp.array(value, device=device) if choose.random() < 0.6 else value
        np.testing.assert_array_equal(x.numpy(), target, err_msg=str((host.shape, order, key, of)))


def test_masks_with_numbers_do_not_wait_for_them(device):
    x = mp.arange(6, device=device).reshape(2, 3)
    x[x > 3] = -1
    assert x.tolist() == [[0, 1, 2], [3, -1, -1]]
    x[mp.array([True, False], device=device)] = mp.array([7, 8, 9], device=device)
    assert x.tolist() == [[7, 8, 9], [3, -1, -1]]
    x[x < 0] = np.array([5, 6])
    assert x.tolist() == [[7, 8, 9], [3, 5, 6]]


def test_bools_without_axes(device):
    x = mp.arange(3, device=device)
    host = x.numpy().copy()
    for key in (True, False, mp.array(True, device=device), mp.array(False, device=device)):
        expected = host[np.asarray(key)]
        assert x[key].shape == expected.shape and x[key].tolist() == expected.tolist()


def test_indices_of_the_host_out_of_bounds(device):
    x = mp.zeros((3, 4), device=device)
    for key in ([3], np.array([-4]), (slice(None), [0, 4]), (0, [9])):
        with pytest.raises(IndexError, match="out of bounds"):
            x[key]
        with pytest.raises(IndexError, match="out of bounds"):
            x[key] = 1
    with pytest.raises(IndexError, match="too many"):
        x[[0], [0], [0]]
    with pytest.raises(IndexError, match="mask"):
        x[[True, False]]
    with pytest.raises(IndexError, match="broadcast"):
        x[[0, 1], [0, 1, 2]]
    with pytest.raises(IndexError, match="integers or bools"):
        x[mp.zeros(2, device=device)]


def test_indices_of_the_device_out_of_bounds(device):
    x = mp.arange(3, device=device)
    wrong = mp.array([0, 5], device=device)
    x[wrong]
    with pytest.raises(mp.KernelReportedError, match="index 5 is out of bounds for an axis of 3 elements"):
        mp.mps.synchronize()


def test_reading_the_result_waits_for_the_report(device):
    x, wrong = mp.arange(3, device=device), mp.array([0, 5], device=device)
    for _ in range(100):
        found = mp.take(x, wrong)
        with pytest.raises(mp.KernelReportedError):
            found.tolist()
        x[wrong] = 0
        with pytest.raises(mp.KernelReportedError):
            x.tolist()


def test_what_is_out_of_bounds_is_left_out(device):
    """The kernel goes on with the other indices, and a wrong one writes nothing."""
    x = mp.zeros((70, 3), device=device)
    rows = np.arange(70)
    rows[40] = 70
    x[mp.array(rows, device=device)] = 7
    with pytest.raises(mp.KernelReportedError, match="index 70 is out of bounds for an axis of 70 elements"):
        mp.mps.synchronize()
    expected = np.full((70, 3), 7)
    expected[40] = 0
    np.testing.assert_array_equal(x.numpy(), expected)


@pytest.mark.parametrize("name", ["columns", "pairs", "take", "take_along_axis"])
def test_ways_out_of_bounds(device, name):
    x, wrong = mp.zeros((3, 40), device=device), mp.array([2, -41, 39], device=device)
    ways = {
        "columns": lambda: x[:, wrong],
        "pairs": lambda: x[mp.array([0, 1, 2], device=device), wrong],
        "take": lambda: mp.take(x, wrong, axis=1),
        "take_along_axis": lambda: mp.take_along_axis(x, mp.stack([wrong] * 3), axis=1),
    }
    ways[name]()
    with pytest.raises(mp.KernelReportedError, match="index -41 is out of bounds for an axis of 40 elements"):
        mp.mps.synchronize()
    mp.mps.synchronize()  # once


@pytest.mark.parametrize("index", ["int32", "int64", "uint8"])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_one_index_array_over_long_rows(device, rng, axis, index):
    """Rows of full simdgroups and parts of them, along and across the index, in every order of the axes."""
    host = rng.random((37, 70, 41), dtype=np.float32)
    x = mp.array(host, device=device)
    for order in ((0, 1, 2), (2, 0, 1)):
        for shape in ((50,), (2, 33)):
            places = rng.integers(0, 37, shape).astype(index)
            key = (*(slice(None),) * axis, places)
            on_device = (*key[:-1], mp.array(places, device=device))
            view, seen = x.transpose(*order), host.transpose(order)
            np.testing.assert_array_equal(view[on_device].numpy(), seen[key])
            np.testing.assert_array_equal(view[key].numpy(), seen[key])
    places = rng.permutation(37)[:30].astype(index)
    key = (*(slice(None),) * axis, places)
    values = rng.random(host[key].shape, dtype=np.float32)
    host[key] = values
    x[(*key[:-1], mp.array(places, device=device))] = mp.array(values, device=device)
    np.testing.assert_array_equal(x.numpy(), host)


def test_where_with_numbers(device):
    condition, x = np.arange(70) % 3 == 0, np.arange(70, dtype=np.float32)
    for first, second in ((x, -0.0), (np.nan, x), (1.5, 2), (True, False), (x[:1], 3), (x, np.float64(0.1))):
        expected = np.where(condition, first, second)
        given = [
            mp.array(entry, device=device) if isinstance(entry, np.ndarray) else entry for entry in (first, second)
        ]
        found = mp.where(mp.array(condition, device=device), *given).numpy()
        np.testing.assert_array_equal(found, expected.astype(found.dtype))
        if expected.dtype.kind == "f":
            np.testing.assert_array_equal(np.signbit(found), np.signbit(expected))


def test_values_that_do_not_fit(device):
    x = mp.zeros((3, 4), device=device)
    for key, shape in (([0, 1], (3, 4)), (slice(None), (3,)), (mp.array([True, False, True], device=device), (3, 4))):
        with pytest.raises(ValueError, match="broadcast"):
            x[key] = mp.ones(shape, device=device)
    with pytest.raises(ValueError, match="read-only"):
        mp.broadcast_to(x, (2, 3, 4))[[0]] = 1


def test_overlapping_assignment(device):
    x = mp.arange(10, device=device)
    x[1:] = x[:-1]
    assert x.tolist() == [0, 0, 1, 2, 3, 4, 5, 6, 7, 8]
    x[np.arange(10)] = x[::-1]
    assert x.tolist() == [8, 7, 6, 5, 4, 3, 2, 1, 0, 0]


def test_setting_converts(device):
    x = mp.zeros(4, "uint8", device=device)
    x[0] = 2.75
    x[1:3] = mp.array([3.5, 4.5], device=device)
    x[[3]] = mp.array([9], "int64", device=device)
    assert x.tolist() == [2, 3, 4, 9]
    with pytest.raises(OverflowError):
        x[0] = 300


def test_structs_are_indexed_by_slices_only(device):
    x = mp.zeros(3, np.dtype([("a", "i4"), ("b", "i4"), ("c", "i4")]), device=device)
    x[1] = (1, 2, 3)
    assert x[1].tolist() == (1, 2, 3)
    assert x[::2].copy().tolist() == [(0, 0, 0)] * 2
    with pytest.raises(UnsupportedError, match=r"x\.numpy"):
        x[[0]]


@pytest.mark.parametrize("dtype", DTYPES)
def test_take(device, rng, dtype):
    host = (rng.random((3, 4, 5)) * 10).astype(dtype)
    x = mp.array(host, device=device)
    for axis in (0, 1, -1):
        indices = rng.integers(-3, 3, 6)
        expected = np.take(host, indices, axis)
        for own in (indices, mp.array(indices, device=device), mp.array(indices, "int32", device=device)):
            np.testing.assert_array_equal(mp.take(x, own, axis=axis).numpy(), expected)
    np.testing.assert_array_equal(mp.take(x[0, 0], mp.array([1, 0], device=device)).numpy(), host[0, 0][[1, 0]])
    with pytest.raises(ValueError, match="axis"):
        mp.take(x, mp.array([0], device=device))
    with pytest.raises(IndexError):
        mp.take(x, mp.array([0], device=device), axis=3)


def test_take_along_axis(device, rng):
    host = rng.random((3, 4, 5)).astype(np.float32)
    for axis in (0, 1, 2, -1):
        shape = list(host.shape)
        shape[axis] = 2
        indices = rng.integers(-3, 3, shape)
        got = mp.take_along_axis(mp.array(host, device=device), mp.array(indices, device=device), axis=axis)
        np.testing.assert_array_equal(got.numpy(), np.take_along_axis(host, indices, axis))
    one = rng.integers(0, 3, (3, 1, 1))
    got = mp.take_along_axis(mp.array(host, device=device), mp.array(one, device=device), axis=0)
    np.testing.assert_array_equal(got.numpy(), np.take_along_axis(host, one, 0))


@pytest.mark.parametrize("dtype", ["float32", "int8", "complex64", "bool"])
def test_where(device, rng, dtype):
    a, b = ((rng.random((4, 5)) * 10).astype(dtype) for _ in range(2))
    condition = rng.random((4, 1)) < 0.5
    x, y, c = (mp.array(host, device=device) for host in (a, b, condition))
    np.testing.assert_array_equal(mp.where(c, x, y).numpy(), np.where(condition, a, b))
    np.testing.assert_array_equal(mp.where(c, x.T[:4], y[:, :4]).numpy(), np.where(condition, a.T[:4], b[:, :4]))


def test_types_of_where(device):
    c, n = mp.array([True, False], device=device), mp.array([1, 2], device=device)
    assert mp.where(c, n, 0.5).dtype == np.float32 and mp.where(c, n, 0.5).tolist() == [1, 0.5]
    assert mp.where(c, 1, n.astype("int8")).dtype == np.int8
    assert mp.where(n - 1, n, 7).tolist() == [7, 2]


def test_two_devices_do_not_mix(device):
    others = [other for other in mp.devices() if other is not device]
    if not others:
        pytest.skip("there is one device")
    x = mp.zeros(3, device=device)
    with pytest.raises(LaunchValueError, match="device"):
        x[mp.array([0], device=others[0])]


@pytest.mark.parametrize("version", ["2.4", "3.2"])  # floats are atomic from 3.0
def test_sums_of_elements_named_more_than_once(device, rng, monkeypatch, version):
    library = mp.compile_file(shader_folder() / "moving.metal", language_version=version, device=device)
    monkeypatch.setattr(indexing, "kernels", lambda device: library)
    host, places = np.zeros(7, np.float32), rng.integers(-7, 7, 5000)
    values = rng.integers(-9, 9, 5000).astype(np.float32)  # whose sums are exact in any order
    x = mp.array(host, device=device)
    indexing.accumulate(x, (mp.array(places, device=device),), mp.array(values, device=device))
    np.add.at(host, places, values)
    np.testing.assert_array_equal(x.numpy(), host)
