"""Manipulation and creation functions of the array API against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

import metalpy as mp

DTYPES = ["float32", "bool", "int16", "complex64", "bfloat16"]


def same(x, expected):
    assert isinstance(x, mp.Array)
    assert (x.shape, x.dtype) == (expected.shape, expected.dtype)
    np.testing.assert_array_equal(x.numpy(), expected)


def host_array(rng, shape, dtype="float32"):
    return (rng.random(shape) * 100).astype(mp.dtypes.as_dtype(dtype))


CASES = {
    "broadcast_to": [((3, 1), ((2, 3, 4),)), ((), ((2,),)), ((1, 0), ((5, 0),))],
    "expand_dims": [((3, 4), (0,)), ((3, 4), (-1,)), ((3, 4), ((0, 2),))],
    "flip": [((3, 4), ()), ((3, 4), {"axis": 1}), ((3, 4), {"axis": (0, -1)}), ((), ())],
    "moveaxis": [((2, 3, 4), (0, 2)), ((2, 3, 4), ((0, 1), (-1, 0)))],
    "permute_dims": [((2, 3, 4), ((2, 0, 1),)), ((2, 3), ((-1, 0),))],
    "repeat": [((2, 3), (2,)), ((2, 3), (2, {"axis": 1})), ((2, 3), (0, {"axis": 0})), ((), (3,))],
    "reshape": [((2, 3), ((3, 2),)), ((2, 3), ((-1,),)), ((0, 3), ((3, 0, 2),))],
    "roll": [((2, 3), (2,)), ((2, 3), (-1, {"axis": 1})), ((4, 5), ((1, -2), {"axis": (0, 1)})),
             ((4, 5), ((1, 2), {"axis": (0, 0)})), ((0, 3), (1,)), ((4,), (9, {"axis": 0}))],
    "squeeze": [((1, 3, 1), (0,)), ((1, 3, 1), ((0, -1),)), ((1, 3), ((),))],
    "tile": [((2, 3), ((2,),)), ((2, 3), ((2, 1, 2),)), ((2, 3), ((0, 2),)), ((), ((3,),))],
    "tril": [((4, 5), ()), ((2, 4, 5), {"k": -1}), ((5, 3), {"k": 2}), ((3, 3), {"k": -9})],
    "triu": [((4, 5), ()), ((2, 4, 5), {"k": -1}), ((5, 3), {"k": 2}), ((3, 3), {"k": 9})],
}  # fmt: skip
CALLS = [(name, shape, arguments) for name, cases in CASES.items() for shape, arguments in cases]


@pytest.mark.parametrize(("name", "shape", "arguments"), CALLS, ids=lambda part: str(part).replace(" ", ""))
def test_functions_of_one_array(device, rng, name, shape, arguments):
    options = arguments if isinstance(arguments, dict) else {}
    positional = () if isinstance(arguments, dict) else arguments
    if positional and isinstance(positional[-1], dict):
        *positional, options = positional
    for dtype in DTYPES:
        host = host_array(rng, shape, dtype)
        if dtype == "bfloat16" and name in ("tril", "triu"):
            expected = getattr(np, name)(host.astype(np.float32), *positional, **options).astype(host.dtype)
        else:
            expected = getattr(np, name)(host, *positional, **options)
        same(getattr(mp, name)(mp.array(host, device=device), *positional, **options), expected)
        if len(shape) == 2 and 0 not in shape:  # another layout
            other = mp.array(np.ascontiguousarray(host.T), device=device).T
            same(getattr(mp, name)(other, *positional, **options), expected)


@pytest.mark.parametrize("dtype", DTYPES)
def test_concat_and_stack(device, rng, dtype):
    hosts = [host_array(rng, (2, extent, 3), dtype) for extent in (1, 4, 0)]
    arrays = [mp.array(host, device=device) for host in hosts]
    same(mp.concat(arrays, axis=1), np.concatenate(hosts, 1))
    same(mp.concat(arrays, axis=-2), np.concatenate(hosts, 1))
    same(mp.concat(arrays, axis=None), np.concatenate(hosts, None))
    for axis in (0, 1, -1):
        same(mp.stack([arrays[0], arrays[0][::-1]], axis=axis), np.stack([hosts[0], hosts[0][::-1]], axis))


def test_types_are_promoted(device):
    made = mp.concat([mp.array([1], "int8", device=device), mp.array([2.5], device=device)])
    assert made.dtype == np.float32 and made.tolist() == [1, 2.5]
    assert mp.stack([mp.ones(1, "uint8", device), mp.ones(1, "int8", device)]).dtype == np.int16


def test_views_are_of_the_same_memory(device):
    x = mp.zeros((2, 3), device=device)
    for view in (mp.flip(x), mp.expand_dims(x, 0), mp.permute_dims(x, (1, 0)), mp.reshape(x, (6,)), mp.unstack(x)[0]):
        view.fill(0)
        view[(0,) * view.ndim] = 5
        assert 5 in x.numpy()
    assert not mp.broadcast_to(x, (2, 2, 3)).writable
    with pytest.raises(ValueError, match="read-only"):
        mp.broadcast_to(x, (2, 2, 3)).fill(1)
    assert mp.broadcast_to(x, (2, 2, 3)).copy().writable


def test_unstack(device, rng):
    host = host_array(rng, (2, 3))
    for axis in (0, 1, -1):
        parts = mp.unstack(mp.array(host, device=device), axis=axis)
        assert [part.tolist() for part in parts] == np.moveaxis(host, axis, 0).tolist()


def test_repeats_by_an_array(device, rng):
    host = host_array(rng, (3, 2))
    x, counts = mp.array(host, device=device), mp.array([2, 0, 1], device=device)
    same(mp.repeat(x, counts, axis=0), np.repeat(host, [2, 0, 1], 0))
    same(mp.repeat(x, mp.array([2], device=device)), np.repeat(host, 2))
    with pytest.raises(ValueError, match="do not fit"):
        mp.repeat(x, counts)


def test_broadcast_arrays(device):
    x, y = mp.broadcast_arrays(mp.zeros((3, 1), device=device), mp.zeros(2, device=device))
    assert x.shape == y.shape == (3, 2)


WRONG = {
    "axis": (lambda x: mp.flip(x, axis=2), IndexError),
    "axis as a value": (lambda x: mp.concat([x], axis=-3), ValueError),
    "twice": (lambda x: mp.permute_dims(x, (0, 0)), ValueError),
    "too few axes": (lambda x: mp.permute_dims(x, (0,)), ValueError),
    "squeeze": (lambda x: mp.squeeze(x, 0), ValueError),
    "broadcast": (lambda x: mp.broadcast_to(x, (3,)), ValueError),
    "concat": (lambda x: mp.concat([x, x[0]]), ValueError),
    "concat of nothing": (lambda x: mp.concat([]), ValueError),
    "stack": (lambda x: mp.stack([x, x[:1]]), ValueError),
    "roll": (lambda x: mp.roll(x, (1, 2), axis=0), ValueError),
    "repeat": (lambda x: mp.repeat(x, -1), ValueError),
    "tile": (lambda x: mp.tile(x, (-1,)), ValueError),
    "tril": (lambda x: mp.tril(x[0]), ValueError),
    "moveaxis": (lambda x: mp.moveaxis(x, (0, 1), 0), ValueError),
    "mT": (lambda x: x[0].mT, ValueError),
}


@pytest.mark.parametrize("what", WRONG)
def test_errors(device, what):
    call, kind = WRONG[what]
    with pytest.raises(kind):
        call(mp.zeros((2, 3), device=device))


@pytest.mark.parametrize("shape", [(3, None, 0), (3, 5, 0), (5, 3, 1), (4, 4, -2), (2, 2, 7), (0, 3, 0), (3, 2, -3)])
def test_eye(device, shape):
    rows, columns, k = shape
    for dtype in ("float32", "int8", "complex64", "bool"):
        same(mp.eye(rows, columns, k=k, dtype=dtype, device=device), np.eye(rows, columns, k, dtype))


@pytest.mark.parametrize("num", [0, 1, 2, 7, 10_000])
def test_linspace(device, num):
    for start, stop, endpoint in ((0, 1, True), (-3.5, 9, False), (5, -5, True), (1 - 2j, 3 + 1j, True)):
        got = mp.linspace(start, stop, num, endpoint=endpoint, device=device)
        expected = np.linspace(start, stop, num, endpoint=endpoint)
        assert got.dtype == (np.complex64 if expected.dtype.kind == "c" else np.float32)
        np.testing.assert_allclose(got.numpy(), expected, 2e-7, 2e-7)
        if num > 1 and endpoint:
            assert got[-1].item() == np.asarray(stop, got.dtype)


@pytest.mark.parametrize(
    "arguments", [(20_000,), (3, -30_000, -2), (0.1, 1000, 0.01), (2**31 - 5, 2**31 + 5000), (-1e5, 3e5, 1.0),
                  (10_000, 0), (5, 5)]
)  # fmt: skip
def test_arange_of_many_numbers(device, arguments):
    got, expected = mp.arange(*arguments, device=device), np.arange(*arguments)
    assert got.shape == expected.shape
    assert got.dtype.kind == expected.dtype.kind
    if expected.dtype.kind == "i":
        np.testing.assert_array_equal(got.numpy(), expected)
    else:
        np.testing.assert_allclose(got.numpy(), expected, 6.1e-8)  # rounded once


@pytest.mark.parametrize("dtype", ["uint8", "float16", "bfloat16", "complex64", "int64"])
def test_arange_of_other_types(device, dtype):
    got = mp.arange(5000, dtype=dtype, device=device)
    np.testing.assert_array_equal(got.numpy(), np.arange(5000).astype(mp.dtypes.as_dtype(dtype)))


def test_arange_refuses_a_step_of_zero(device):
    with pytest.raises(ValueError, match="step"):
        mp.arange(1, 5, 0, device=device)


@pytest.mark.parametrize("indexing", ["xy", "ij"])
def test_meshgrid(device, indexing):
    hosts = [np.arange(n, dtype=np.float32) for n in (2, 3, 4)]
    for count in (0, 1, 2, 3):
        got = mp.meshgrid(*(mp.array(host, device=device) for host in hosts[:count]), indexing=indexing)
        for x, expected in zip(got, np.meshgrid(*hosts[:count], indexing=indexing), strict=True):
            same(x, expected)


def test_what_is_made_is_there_for_all_streams(device):
    """Without events between them."""
    for make in (lambda: mp.zeros(1 << 20, device=device), lambda: mp.arange(1 << 20, device=device)):
        x = make()
        with mp.mps.stream(mp.mps.Stream(device)):
            total = x + 1
        assert total[-1].item() in (1, 1 << 20)


@pytest.mark.parametrize("source", [*DTYPES, "uint8", "int64", "float16"])
@pytest.mark.parametrize("target", ["float32", "int32", "bool", "uint64", "complex64", "bfloat16"])
def test_astype(device, rng, source, target):
    host = host_array(rng, (4, 6), source)
    x = mp.array(host, device=device)
    expected = (host.real if host.dtype.kind == "c" and target not in ("complex64", "bool") else host).astype(
        mp.dtypes.as_dtype(target)
    )
    same(x.astype(target), expected)
    same(x.T[1::2].astype(target), expected.T[1::2])
    same(mp.astype(x[::-1], target), expected[::-1])


def test_fill_of_views(device):
    x = mp.zeros((4, 5), device=device)
    x[::2, 1::2].fill(3)
    x.T[4].fill(mp.array(2.5, device=device))
    host = np.zeros((4, 5), np.float32)
    host[::2, 1::2] = 3
    host.T[4] = 2.5
    same(x, host)
    with pytest.raises(ValueError, match="one number"):
        x.fill(mp.zeros(2, device=device))
