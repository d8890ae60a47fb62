"""Softmax and logsumexp against NumPy in double precision."""

import numpy as np
import pytest

import metalpy as mp

SHAPES = [(1,), (10,), (5000,), (20, 65), (9, 6000), (100, 7), (3, 40, 34)]
TOLERANCE = {"float32": 1e-5, "float16": 2e-3, "bfloat16": 2e-2}


def exact_logsumexp(host, axis, keepdims=True):
    greatest = host.max(axis, keepdims=True)
    made = np.log(np.exp(host - greatest).sum(axis, keepdims=True)) + greatest
    return made if keepdims else made.squeeze(axis)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_all(device, rng, shape, dtype):
    host = (rng.standard_normal(shape) * 20).astype(mp.dtypes.as_dtype(dtype))
    wide, tolerance = host.astype(np.float64), TOLERANCE[dtype]
    for x, seen in ((mp.array(host, device=device), wide), (mp.array(host, device=device).T, wide.T)):
        for axis in range(-1, host.ndim):
            log = seen - exact_logsumexp(seen, axis)
            for made, expected in (
                (mp.softmax(x, axis=axis), np.exp(log)),
                (mp.log_softmax(x, axis=axis), log),
                (mp.logsumexp(x, axis=axis), exact_logsumexp(seen, axis, False)),
            ):
                assert made.dtype == x.dtype and made.shape == expected.shape
                np.testing.assert_allclose(made.numpy().astype(np.float64), expected, tolerance, tolerance)
        total = mp.logsumexp(x, keepdims=True)
        np.testing.assert_allclose(total.numpy().astype(np.float64), exact_logsumexp(seen, None), tolerance)


def test_large_numbers_and_infinities(device):
    x = mp.array([[1e30, 1e30], [-np.inf, 0], [-np.inf, -np.inf], [np.inf, 0], [np.nan, 0]], device=device)
    np.testing.assert_array_equal(mp.logsumexp(x, axis=1).numpy(), np.float32([1e30, 0, -np.inf, np.inf, np.nan]))
    np.testing.assert_array_equal(mp.softmax(x).numpy()[:2], [[0.5, 0.5], [0, 1]])
    assert np.isnan(mp.softmax(x).numpy()[[2, 4]]).all()


def test_mistakes(device):
    with pytest.raises(TypeError, match="real floats"):
        mp.softmax(mp.zeros(3, "int32", device=device))
    with pytest.raises(IndexError, match="out of bounds"):
        mp.log_softmax(mp.zeros(3, device=device), axis=1)
    assert mp.softmax(mp.zeros((0, 3), device=device)).shape == (0, 3)
    assert mp.logsumexp(mp.zeros((0, 3), device=device), axis=0).tolist() == [-np.inf] * 3
