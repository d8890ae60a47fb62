"""Fourier transforms against NumPy's in double precision."""

from __future__ import annotations

import numpy as np
import pytest

import metalpy as mp
from metalpy import fft
from metalpy.fft import stockham
from tests.helpers.operands import values, wide

NORMS = ["backward", "ortho", "forward"]
# Each radix, what is in threadgroup memory and what is not, several in a threadgroup, large primes.
LENGTHS = [1, 2, 3, 4, 5, 6, 7, 8, 11, 16, 30, 31, 37, 64, 77, 97, 100, 256, 961, 1009, 2048, 2310, 4096, 5000, 10007]


@pytest.fixture(autouse=True)
def no_tables():
    """Tables are kept for the next call; the test of what is left behind need not see them."""
    yield
    stockham.forget_tables()


def close(x, expected, tolerance=5e-7):
    """The error is a part of the norm, as rounding in a transform spreads over all that comes out."""
    host = x.numpy()
    assert host.shape == expected.shape
    assert host.dtype == ("complex64" if expected.dtype.kind == "c" else "float32")
    assert np.linalg.norm(host - expected) <= tolerance * np.linalg.norm(expected) + 1e-30


@pytest.mark.parametrize("length", LENGTHS)
def test_lengths(device, length, rng):
    a, b = values(rng, (3, length), "complex64"), values(rng, (3, length), "float32")
    x, y = mp.array(a, device=device), mp.array(b, device=device)
    close(fft.fft(x), np.fft.fft(wide(a)))
    close(fft.fft(y), np.fft.fft(wide(b)))
    close(fft.ifft(x), np.fft.ifft(wide(a)))
    close(fft.rfft(y), np.fft.rfft(wide(b)))
    close(fft.ihfft(y), np.fft.ihfft(wide(b)))
    close(fft.irfft(x, n=length), np.fft.irfft(wide(a), n=length))
    close(fft.hfft(x, n=length), np.fft.hfft(wide(a), n=length))
    close(fft.ifft(fft.fft(x)), wide(a), 1e-6)
    close(fft.irfft(fft.rfft(y), n=length), wide(b), 1e-6)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("name", ["fft", "ifft", "rfft", "irfft", "hfft", "ihfft"])
def test_options(device, name, norm, rng):
    """Lengths that cut off or add zeros, along each axis of arrays with any layout."""
    dtype = "float32" if name in ("rfft", "ihfft") else "complex64"
    a = values(rng, (6, 5, 8), dtype)
    x = mp.array(a, device=device)
    for axis in (0, 1, 2, -1, -3):
        for n in (None, 1, 3, 5, 8, 12, 37):
            expected = getattr(np.fft, name)(wide(a), n=n, axis=axis, norm=norm)
            close(getattr(fft, name)(x, n=n, axis=axis, norm=norm), expected)
    close(getattr(fft, name)(x.T[::-1, 1:], norm=norm), getattr(np.fft, name)(wide(a.T[::-1, 1:]), norm=norm))


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("name", ["fftn", "ifftn", "rfftn", "irfftn"])
def test_several_axes(device, name, norm, rng):
    a = values(rng, (4, 5, 6), "float32" if name == "rfftn" else "complex64")
    x = mp.array(a, device=device)
    for options in (
        {},
        {"axes": (0, 2)},
        {"axes": (2, 0)},
        {"axes": (-1,)},
        {"s": (3, 8), "axes": (0, 1)},
        {"s": (4, 5, 9), "axes": (0, 1, 2)},
    ):
        close(getattr(fft, name)(x, norm=norm, **options), getattr(np.fft, name)(wide(a), norm=norm, **options), 1e-6)


def test_real_numbers_of_the_first_half(device):
    """What cannot be of a Hermitian half, an imaginary part in front, is not looked at."""
    a = np.array([1 + 5j, 2 - 1j, 3 + 7j], np.complex64)
    for n in (3, 4, 5):
        close(fft.irfft(mp.array(a, device=device), n=n), np.fft.irfft(wide(a), n=n))


def test_large_numbers_of_rows(device, rng):
    a = values(rng, (1000, 12), "complex64")
    close(fft.fft(mp.array(a, device=device)), np.fft.fft(wide(a)))
    close(fft.fft(mp.array(a, device=device), axis=0), np.fft.fft(wide(a), axis=0))


@pytest.mark.parametrize("dtype", ["int32", "uint8", "bool", "float16", "bfloat16"])
def test_other_types(device, dtype):
    a = np.array([1, 0, 2, 3]).astype(mp.dtypes.as_dtype(dtype))
    close(fft.fft(mp.array(a, device=device)), np.fft.fft(a.astype(np.float64)))
    close(fft.rfft(mp.array(a, device=device)), np.fft.rfft(a.astype(np.float64)))


def test_empty(device):
    assert fft.fft(mp.empty((0, 4), device=device)).shape == (0, 4)
    assert fft.rfft(mp.empty((0, 4), device=device)).shape == (0, 3)
    assert fft.fft(mp.empty((3, 0), device=device), n=2).tolist() == [[0, 0]] * 3


def test_frequencies(device):
    for n in (1, 2, 5, 8):
        for d in (1.0, 0.25):
            for name in ("fftfreq", "rfftfreq"):
                x = getattr(fft, name)(n, d=d, device=device)
                assert (x.dtype, x.device) == (np.float32, device)
                np.testing.assert_array_equal(x.numpy(), getattr(np.fft, name)(n, d).astype(np.float32))
    with pytest.raises(TypeError, match="floats"):
        fft.fftfreq(4, dtype=mp.int32, device=device)


@pytest.mark.parametrize("dtype", ["int8", "float32", "complex64"])
def test_shifts(device, dtype):
    for shape in [(5,), (4,), (1,), (4, 5), (3, 1, 6), (0, 3)]:
        a = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
        x = mp.array(a, device=device)
        for axes in (None, 0, -1, (0,), tuple(range(len(shape)))):
            np.testing.assert_array_equal(fft.fftshift(x, axes=axes).numpy(), np.fft.fftshift(a, axes))
            np.testing.assert_array_equal(fft.ifftshift(x, axes=axes).numpy(), np.fft.ifftshift(a, axes))


def test_bad_input(device):
    x = mp.ones((2, 3), device=device)
    with pytest.raises(ValueError, match="length of 1 or more"):
        fft.fft(x, n=0)
    with pytest.raises(ValueError, match="norm is"):
        fft.fft(x, norm="other")
    with pytest.raises(IndexError):
        fft.fft(x, axis=2)
    with pytest.raises(TypeError, match="real"):
        fft.rfft(fft.fft(x))
    with pytest.raises(TypeError, match="takes arrays"):
        fft.fft([1.0, 2.0])
    with pytest.raises(ValueError, match="lengths for"):
        fft.fftn(x, s=(3,), axes=(0, 1))


def test_transforms_do_not_wait(device):
    x = mp.ones((4, 8), device=device)
    done = device.queue.completed
    y = fft.ifft(fft.fft(x * 2, n=37), n=8, axis=-1)
    assert device.queue.completed == done
    assert y.shape == (4, 8)
