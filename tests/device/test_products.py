"""Matrix products against NumPy's: values, types, broadcasting, layouts, and that they do not wait."""

from __future__ import annotations

import numpy as np
import pytest

import metalpy as mp

SHAPES = [
    ((5, 7), (7, 3)),
    ((64, 64), (64, 64)),
    ((100, 70), (70, 130)),
    ((200, 150), (150, 2)),
    ((2, 200), (200, 33)),
    ((3, 4, 5), (5, 6)),
    ((2, 1, 4, 5), (3, 5, 6)),
    ((2, 3, 4, 5), (5,)),
    ((7,), (7,)),
    ((700,), (700,)),
    ((7,), (7, 4)),
    ((3,), (2, 3, 4)),
    ((4, 7), (7,)),
    ((40, 100), (100,)),
    ((1, 1), (1, 1)),
    ((0, 3), (3, 4)),
    ((2, 0), (0, 3)),
    ((0,), (0,)),
    ((0, 4, 5), (5, 6)),
]
DTYPES = ["bool", "int8", "uint8", "int32", "uint32", "int64", "uint64", "float16", "bfloat16", "float32", "complex64"]
TOLERANCE = {"float16": 1e-3, "bfloat16": 8e-3, "float32": 1e-5, "complex64": 1e-5}


def values(dtype, shape, rng):
    """Numbers whose products add up to something that each type can hold, but for the smallest integers, which wrap."""
    host = rng.integers(0 if dtype[0] in "ub" and dtype != "bfloat16" else -3, 4, shape)
    if dtype in ("float32", "complex64"):
        host = rng.standard_normal(shape)
    if dtype == "complex64":
        host = host + 1j * rng.standard_normal(shape)
    return np.asarray(host).astype(mp.dtypes.as_dtype(dtype))


def wide(host):
    return host.astype(np.float64) if host.dtype.name in ("float16", "bfloat16", "float32") else host


def check(x, expected, dtype):
    expected = np.asarray(expected)
    assert x.shape == expected.shape
    assert x.dtype.name == dtype
    host = x.numpy()
    if dtype not in TOLERANCE:
        np.testing.assert_array_equal(host, expected.astype(dtype))
        return
    size = np.abs(expected).max(initial=1)
    np.testing.assert_allclose(host.astype(np.complex128), expected, TOLERANCE[dtype], TOLERANCE[dtype] * size)


@pytest.mark.parametrize("dtype", DTYPES)
def test_matmul(device, dtype, rng):
    for a_shape, b_shape in SHAPES:
        a, b = values(dtype, a_shape, rng), values(dtype, b_shape, rng)
        check(mp.matmul(mp.array(a, device=device), mp.array(b, device=device)), wide(a) @ wide(b), dtype)


LAYOUTS = {
    "as it is": lambda x: x,
    "transposed": lambda x: x.mT.copy().mT,
    "every second": lambda x: np.repeat(np.repeat(x, 2, -1), 2, -2)[..., ::2, 1::2],
    "backwards": lambda x: x[..., ::-1, ::-1].copy()[..., ::-1, ::-1],
    "repeated": lambda x: np.broadcast_to(x[..., :1, :], x.shape),
    "a part": lambda x: np.pad(x, [(1, 2)] * x.ndim)[(slice(1, -2),) * x.ndim],
}


@pytest.mark.parametrize("of_b", LAYOUTS)
@pytest.mark.parametrize("of_a", LAYOUTS)
def test_layouts(device, of_a, of_b, rng):
    for a_shape, b_shape in [((37, 65), (65, 70)), ((2, 90, 20), (2, 20, 3)), ((3, 1, 50), (50, 40))]:
        a, b = LAYOUTS[of_a](values("float32", a_shape, rng)), LAYOUTS[of_b](values("float32", b_shape, rng))
        check(on(device, a) @ on(device, b), wide(a) @ wide(b), "float32")


def on(device, host):
    """An Array with the strides of `host`."""
    if 0 in host.strides:
        x = mp.array(
            np.ascontiguousarray(host[tuple(slice(None) if s else slice(1) for s in host.strides)]), device=device
        )
        steps = tuple(step if kept else 0 for step, kept in zip(x.strides, host.strides, strict=True))
        return x._derive(x.dtype, host.shape, steps, 0)
    low = sum((n - 1) * step for n, step in zip(host.shape, host.strides, strict=True) if step < 0)
    high = sum((n - 1) * step for n, step in zip(host.shape, host.strides, strict=True) if step > 0)
    memory = mp.zeros((high - low) // host.itemsize + 1, host.dtype, device)
    view = memory._derive(host.dtype, host.shape, host.strides, -low)
    view[...] = host
    return view


def test_types_meet(device, rng):
    for left, right, dtype in [
        ("int8", "int16", "int16"),
        ("int32", "float32", "float32"),
        ("float16", "float32", "float32"),
        ("float32", "complex64", "complex64"),
        ("bool", "int8", "int8"),
        ("uint8", "float16", "float16"),
    ]:
        a, b = values(left, (9, 8), rng), values(right, (8, 7), rng)
        check(mp.array(a, device=device) @ mp.array(b, device=device), wide(a) @ wide(b), dtype)
        check(mp.array(a, device=device) @ b, wide(a) @ wide(b), dtype)


def test_sums_of_narrow_floats_are_rounded_once(device):
    a = np.full((1, 4096), 1, np.float16)
    b = np.full((4096, 64), 1, np.float16)
    assert (mp.array(a, device=device) @ mp.array(b, device=device)).tolist() == [[4096.0] * 64]


def test_special_numbers(device):
    a = np.array([[np.inf, 1], [np.nan, 0], [1, 2]], np.float32)
    b = np.array([[1, 0], [2, -np.inf]], np.float32)
    with np.errstate(invalid="ignore"):
        expected = a @ b
    np.testing.assert_array_equal((mp.array(a, device=device) @ mp.array(b, device=device)).numpy(), expected)


def test_operators(device, rng):
    a, b = rng.random((4, 4), np.float32), rng.random((4, 4), np.float32)
    x = mp.array(a, device=device)
    check(a @ mp.array(b, device=device), a @ b, "float32")
    check(x @ b, a @ b, "float32")
    same = x
    x @= mp.array(b, device=device)
    assert x is same
    check(x, a @ b, "float32")
    turned = mp.array(a, device=device).T
    turned @= b
    check(turned, a.T @ b, "float32")
    for other in (2, "text"):
        with pytest.raises(TypeError):
            x @ other
        with pytest.raises(TypeError):
            x @= other
    with pytest.raises(ValueError, match="the array"):
        x @= mp.ones((4, 5), device=device)


@pytest.mark.parametrize(
    ("a", "b", "words"),
    [((2, 3), (2, 3), "3 columns meet 2 rows"), ((), (3,), "one axis"), ((2, 1, 1), (3, 1, 1), "broadcast")],
)
def test_shapes_that_do_not_fit(device, a, b, words):
    with pytest.raises(ValueError, match=words):
        mp.matmul(mp.ones(a, device=device), mp.ones(b, device=device))


def test_matmul_takes_arrays_only(device):
    with pytest.raises(TypeError, match="list"):
        mp.matmul(mp.ones((1, 1), device=device), [[1]])


@pytest.mark.parametrize("dtype", ["int8", "int64", "float16", "float32", "complex64"])
def test_vecdot(device, dtype, rng):
    for a_shape, b_shape, axis in [
        ((7,), (7,), -1),
        ((300,), (300,), 0),
        ((3, 5), (3, 5), 0),
        ((3, 5), (3, 5), -2),
        ((2, 3, 100), (3, 100), -1),
        ((4, 1, 3), (5, 3), -1),
        ((50, 40, 1), (50, 40, 30), 0),
        ((3, 0), (3, 0), -1),
        ((0, 3), (0, 3), -1),
    ]:
        a, b = values(dtype, a_shape, rng), values(dtype, b_shape, rng)
        found = mp.vecdot(mp.array(a, device=device), mp.array(b, device=device), axis=axis)
        # NumPy's works along axes of one rank only
        moved = [np.moveaxis(wide(x), axis, -1) for x in (a, b)]
        check(found, np.sum(moved[0].conj() * moved[1], -1, dtype=moved[0].dtype), dtype)


def test_vecdot_axes(device):
    x = mp.ones((3, 4), device=device)
    for wrong in (2, -3):
        with pytest.raises(IndexError):
            mp.vecdot(x, x, axis=wrong)
    with pytest.raises(ValueError, match="differ along axis"):
        mp.vecdot(x, mp.ones((3, 5), device=device))


@pytest.mark.parametrize("dtype", ["int32", "float32", "complex64"])
def test_tensordot(device, dtype, rng):
    for a_shape, b_shape, axes in [
        ((3, 4, 5), (4, 5, 6), 2),
        ((3, 4), (5, 6), 0),
        ((3, 4, 5), (5, 4, 2), ((1, 2), (1, 0))),
        ((3, 4, 5), (3, 7), ((-3,), (0,))),
        ((2, 3), (2, 3), ((0, 1), (0, 1))),
        ((3, 0), (0, 2), 1),
    ]:
        a, b = values(dtype, a_shape, rng), values(dtype, b_shape, rng)
        found = mp.tensordot(mp.array(a, device=device), mp.array(b, device=device), axes=axes)
        check(found, np.tensordot(wide(a), wide(b), axes), dtype)
    with pytest.raises(ValueError, match="do not fit"):
        mp.tensordot(mp.ones((2, 3), device=device), mp.ones((4, 2), device=device), axes=1)


def test_matrix_transpose(device):
    x = mp.arange(24, device=device).reshape(2, 3, 4)
    np.testing.assert_array_equal(mp.matrix_transpose(x).numpy(), np.arange(24).reshape(2, 3, 4).mT)
    with pytest.raises(ValueError, match="two axes"):
        mp.matrix_transpose(x[0, 0])


def test_products_do_not_wait(device):
    x = mp.ones((40, 40), device=device)
    done = device.queue.completed
    y = x @ x.T @ x[::-1] @ x[0]
    assert device.queue.last_recorded >= done + 3
    assert y.tolist() == [64000.0] * 40
