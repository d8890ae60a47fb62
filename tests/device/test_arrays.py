"""Arrays behave as NumPy's, on every device."""

import copy
import ctypes
import gc
import random
import weakref

import ml_dtypes
import numpy as np
import pytest

import metalpy as mp
from metalpy._core import pool

DTYPES = ["bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float16", "float32",
          "bfloat16", "complex64"]  # fmt: skip


def like(x, host):
    """Asserts that an Array equals a NumPy array in everything but strides."""
    assert isinstance(x, mp.Array)
    assert x.shape == host.shape
    assert x.dtype == host.dtype
    assert (x.ndim, x.size, x.nbytes, x.itemsize) == (host.ndim, host.size, host.nbytes, host.itemsize)
    np.testing.assert_array_equal(x.numpy(), host)
    return x


# ---- making ----


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_there_and_back(device, dtype):
    host = np.arange(24).reshape(2, 3, 4).astype(mp.dtypes.as_dtype(dtype))
    x = like(mp.array(host, device=device), host)
    assert x.device is device
    assert x.contiguous and x.writable
    assert not np.may_share_memory(x.numpy(), host)
    like(mp.zeros((2, 3), dtype, device), np.zeros((2, 3), host.dtype))
    like(mp.ones((2, 3), dtype, device), np.ones((2, 3), host.dtype))
    like(mp.full((2, 3), 1, dtype, device), np.ones((2, 3), host.dtype))
    assert mp.empty((2, 3), dtype, device).shape == (2, 3)


@pytest.mark.parametrize("shape", [(2**62, 2), (0, 2**62, 2**62), (2**31, 2**31, 2)])
def test_shapes_that_no_memory_has(shape):
    with pytest.raises(ValueError, match="too big"):
        mp.empty(shape)


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        (1.5, "float32"),
        (1, "int32"),
        (True, "bool"),
        (1j, "complex64"),
        ([1, 2.5], "float32"),
        ([1, 1 << 31], "int64"),
        ([-(1 << 31)], "int32"),
        ([1 << 63], "uint64"),
        ([], "float32"),
        ([[1, 2], [3, 4]], "int32"),
        (range(3), "int32"),
        (np.array([1.5]), "float32"),
        (np.array([1.5j]), "complex64"),
        (np.array([1]), "int64"),
        (np.float64(1.5), "float32"),
        (np.int64(5), "int64"),
        (np.float16(1), "float16"),
        (b"abc", "uint8"),
        (bytearray(b"abc"), "uint8"),
    ],
)
def test_default_dtypes(device, value, dtype):
    x = mp.array(value, device=device)
    assert x.dtype == dtype
    expected = np.frombuffer(value, np.uint8) if isinstance(value, (bytes, bytearray)) else np.asarray(value)
    np.testing.assert_array_equal(x.numpy(), expected)


def test_python_types_as_dtypes(device):
    for kind, name in [(float, "float32"), (int, "int32"), (bool, "bool"), (complex, "complex64")]:
        assert mp.zeros(3, kind, device).dtype == name
        assert mp.array([0, 1], kind, device=device).dtype == name
    assert mp.bfloat16 == mp.zeros(1, "bfloat16", device).dtype
    assert mp.zeros(1, mp.float16, device).dtype == np.float16


@pytest.mark.parametrize("dtype", [np.float64, np.complex128, "float64", "U3", "M8[s]", object, ">f4", np.longdouble])
def test_dtypes_that_metal_lacks(device, dtype):
    with pytest.raises(TypeError, match=r"Metal has no|byte order"):
        mp.zeros(3, dtype, device)
    with pytest.raises(TypeError, match=r"Metal has no|byte order"):
        mp.array([1], dtype, device=device)


def test_values_that_do_not_fit(device):
    with pytest.raises(OverflowError):
        mp.array([300], "uint8", device=device)
    with pytest.raises(OverflowError):
        mp.full(3, -1, "uint8", device)
    with pytest.raises(ValueError, match="inhomogeneous"):
        mp.array([[1], [1, 2]], device=device)
    with pytest.raises(TypeError, match="Metal has no"):
        mp.array(["a"], device=device)
    with pytest.raises(TypeError, match="Metal has no"):
        mp.array(None, device=device)


def test_arange(device):
    for arguments in [(12,), (2, 9), (0, 1, 0.25), (5, 0, -2), (3.0,), (0,)]:
        host = np.arange(*arguments)
        dtype = np.float32 if host.dtype == np.float64 else np.int32
        like(mp.arange(*arguments, device=device), host.astype(dtype))
    assert mp.arange(3, dtype="float16", device=device).dtype == np.float16
    assert mp.arange(1 << 40, (1 << 40) + 3, device=device).dtype == np.int64


def test_likes(device):
    x = mp.zeros((2, 3), "int16", device)
    assert mp.empty_like(x).shape == (2, 3)
    like(mp.ones_like(x), np.ones((2, 3), np.int16))
    like(mp.zeros_like(x, "float16"), np.zeros((2, 3), np.float16))
    like(mp.full_like(x, 7), np.full((2, 3), 7, np.int16))
    like(mp.zeros_like(np.ones((2, 2)), device=device), np.zeros((2, 2), np.float32))


def test_shapes(device):
    assert mp.zeros(3, device=device).shape == (3,)
    assert mp.zeros(np.int64(3), device=device).shape == (3,)
    assert mp.zeros([2, 3], device=device).shape == (2, 3)
    assert mp.zeros((), device=device).shape == ()
    for wrong in (1.5, "3", (2, 1.5), None):
        with pytest.raises(TypeError, match="a shape is"):
            mp.zeros(wrong, device=device)
    for wrong in (-1, (2, -3)):
        with pytest.raises(ValueError, match="negative"):
            mp.zeros(wrong, device=device)


def test_structured_dtypes(device):
    dtype = np.dtype([("a", "i4"), ("b", "f4", 3)])
    host = np.zeros(4, dtype)
    host["a"] = range(4)
    like(mp.array(host, device=device), host)
    like(mp.zeros(4, dtype, device), np.zeros(4, dtype))


def test_copy_or_not(device):
    host = np.arange(1024, dtype=np.float32)
    x = mp.array(host, device=device)
    assert mp.asarray(x, device=device) is x
    assert mp.array(x, copy=None, device=device) is x
    assert mp.array(x, device=device) is not x
    like(mp.array(x, "int32", device=device), host.astype(np.int32))
    with pytest.raises(ValueError, match="copy=False"):
        mp.array(x, "int32", copy=False, device=device)
    with pytest.raises(ValueError, match="copy=False"):
        mp.asarray(host.astype(np.float64), copy=False, device=device)
    with pytest.raises(ValueError, match="copy=False"):
        mp.asarray(host[::2], copy=False, device=device)
    with pytest.raises(ValueError, match="copy=False"):
        mp.asarray([1, 2], copy=False, device=device)


def test_wrapping_shares_memory(device):
    if device.driver != "software":
        pytest.skip("Apple devices need memory aligned to pages")
    host = np.arange(12, dtype=np.int32).reshape(3, 4)
    x = like(mp.asarray(host, copy=False, device=device), host)
    x[1, 1] = 77
    mp.mps.synchronize()
    assert host[1, 1] == 77
    host[0, 0] = 55
    assert x[0, 0].item() == 55
    x.fill(9)
    device.synchronize()
    assert (host == 9).all()
    alive = weakref.ref(host)
    view = x[1:]
    del host, x
    gc.collect()
    assert alive() is not None
    assert view.tolist() == [[9] * 4] * 2
    del view
    gc.collect()
    assert alive() is None


# ---- views ----

KEYS = [
    0, -1, slice(1, None), slice(None, None, -1), slice(3, 0, -2), Ellipsis, None, (0, 1), (1, slice(None), 2),
    (Ellipsis, 0), (None, 1, Ellipsis, None), (slice(None), slice(1, 2)), (1, 2, 3), slice(2, 2),
    (slice(None, None, 2),) * 3,
    np.int64(1), (), (Ellipsis, slice(None, None, -2)),
]  # fmt: skip


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_indexing_gives_views(device, key):
    host = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    x = mp.array(host, device=device)
    view = x[key]
    expected = host[key]
    like(view, np.asarray(expected))
    if view.size:
        assert np.may_share_memory(view.numpy(), x.numpy())
        view[...] = -1
        host[key] = -1
        np.testing.assert_array_equal(x.numpy(), host)
        again = view[..., None]
        like(again, np.asarray(host[key])[..., None])
    assert view.contiguous == np.asarray(expected).flags.c_contiguous


@pytest.mark.parametrize("key", [5, (0, 9), (0, 0, 0, 0)])
def test_indices_out_of_bounds(device, key):
    with pytest.raises(IndexError):
        mp.zeros((3, 4, 5), device=device)[key]


@pytest.mark.parametrize("key", [1.0, "a", (0, 2j)])
def test_other_indices_are_refused(device, key):
    with pytest.raises(TypeError, match="indexed by integers"):
        mp.zeros((3, 4, 5), device=device)[key]


def test_views_of_any_kind(device):
    """Random slices, shapes and orders of axes, one after another, have NumPy's shape, strides and elements."""
    choose = random.Random(7)
    for _ in range(300):
        shape = tuple(choose.randrange(5) if choose.random() < 0.1 else choose.randrange(1, 5)
                      for _ in range(choose.randrange(4)))  # fmt: skip
        host = np.arange(np.prod(shape, dtype=int), dtype=np.int32).reshape(shape)
        x = mp.array(host, device=device)
        for _ in range(3):
            way = choose.randrange(4)
            if way == 0:
                key = tuple(_random_part(choose, extent) for extent in host.shape[: choose.randrange(host.ndim + 1)])
                key = choose.choice([key, (*key, ...), (None, *key)])
                x, host = x[key], host[key]
            elif way == 1:
                order = choose.sample(range(host.ndim), host.ndim)
                x, host = x.transpose(*order), host.transpose(*order)
            elif way == 2:
                wanted = choose.choice([(-1,), (1, host.size), (*host.shape, 1)])
                x, host = x.reshape(wanted), np.reshape(host, wanted)
            else:
                wanted = (choose.randrange(1, 4), *(3 if extent == 1 else extent for extent in host.shape))
                x, host = mp.broadcast_to(x, wanted), np.broadcast_to(host, wanted)
            assert x.shape == host.shape
            np.testing.assert_array_equal(x.numpy(), host)
            if host.size and way != 2:  # NumPy has more than one way to say how axes of extent 1 step
                steps = zip(x.shape, x.strides, host.strides, strict=True)
                assert all(own == theirs for extent, own, theirs in steps if extent != 1)


def _random_part(choose, extent):
    if extent and choose.random() < 0.3:
        return choose.randrange(-extent, extent)
    return slice(choose.choice([None, 0, 1, -2, 9]), choose.choice([None, 3, -1]), choose.choice([None, 2, -1, -3]))


def test_copies_to_any_address(device, rng):
    host = rng.random(300_000, dtype=np.float32)
    x = mp.array(host, device=device)
    for start, shift in ((1, 0), (0, 3), (5, 5), (16, 1)):
        made = mp.zeros(300_032, device=device)
        made[shift : shift + 299_000] = x[start : start + 299_000]
        expected = np.zeros(300_032, np.float32)
        expected[shift : shift + 299_000] = host[start : start + 299_000]
        np.testing.assert_array_equal(made.numpy(), expected)


def test_setting(device):
    host = np.zeros((3, 4), np.float32)
    x = mp.array(host, device=device)
    for target in (x, host):
        target[0] = 5
        target[1:, ::2] = [[1, 2], [3, 4]]
        target[target[:, 1].tolist().index(0)] = np.arange(4)
        target[np.array([0, 2]), 3] = 9
    np.testing.assert_array_equal(x.numpy(), host)
    x[0] = x[1]
    host[0] = host[1]
    x[mp.array([True, False, True], device=device)] = 0
    host[[0, 2]] = 0
    np.testing.assert_array_equal(x.numpy(), host)
    with pytest.raises(ValueError, match="broadcast"):
        x[0] = [1, 2]


def test_reshape(device):
    host = np.arange(24, dtype=np.int32)
    x = mp.array(host, device=device)
    for shape in [(2, 12), (-1,), (2, 3, 4), (4, -1)]:
        like(x.reshape(shape), host.reshape(shape))
        like(x.reshape(*shape), host.reshape(shape))
        assert np.may_share_memory(x.reshape(shape).numpy(), x.numpy())
    turned = x.reshape(4, 6).T
    like(turned, host.reshape(4, 6).T)
    like(turned.T, host.reshape(4, 6))
    assert turned.T.contiguous and not turned.contiguous
    copied = turned.reshape(24)
    like(copied, host.reshape(4, 6).T.reshape(24))
    assert not np.may_share_memory(copied.numpy(), x.numpy())
    like(turned.ravel(), host.reshape(4, 6).T.ravel())
    with pytest.raises(ValueError):
        turned.reshape(24, copy=False)
    with pytest.raises(ValueError):
        x.reshape(5)
    assert not np.may_share_memory(x.reshape(24, copy=True).numpy(), x.numpy())
    like(x.reshape(2, 3, 4).transpose(1, 0, 2), host.reshape(2, 3, 4).transpose(1, 0, 2))
    like(x[::2].reshape(3, 4), host[::2].reshape(3, 4))


def test_view_of_another_dtype(device):
    host = np.arange(8, dtype=np.float32)
    x = mp.array(host, device=device)
    like(x.view("int32"), host.view(np.int32))
    like(x.view("uint8"), host.view(np.uint8))
    like(x.view("complex64"), host.view(np.complex64))
    like(x.view("uint16").view("bfloat16"), host.view(np.uint16).view(ml_dtypes.bfloat16))
    assert x[2:].view("uint8").offset == 8
    with pytest.raises(ValueError):
        x[:3].view("complex64")
    with pytest.raises(TypeError, match="float64"):
        x.view("float64")


def test_astype(device):
    host = np.array([1.5, -2.5, 3], np.float32)
    x = mp.array(host, device=device)
    for dtype in ("int32", "float16", "bool", "complex64", "bfloat16"):
        like(x.astype(dtype), host.astype(mp.dtypes.as_dtype(dtype)))
    assert x.astype("float32") is not x
    assert x.astype("float32", copy=False) is x
    like(x[::-1].astype("int8"), host[::-1].astype(np.int8))
    with pytest.raises(TypeError, match="float64"):
        x.astype(np.float64)


# ---- empty arrays, and arrays without axes ----


def test_empty_arrays(device):
    before = pool.pool(device).statistics()["live_blocks"]
    for shape in [(0,), (3, 0), (0, 4)]:
        x = mp.zeros(shape, "int32", device)
        host = np.zeros(shape, np.int32)
        like(x, host)
        like(x.T, host.T)
        like(x.copy(), host)
        like(x.reshape(-1), host.reshape(-1))
        like(x.astype("float32"), host.astype(np.float32))
        x.fill(3)
        x[...] = 3
        assert x.tolist() == host.tolist()
        assert np.asarray(x).shape == shape
        assert memoryview(x).shape == shape
        assert np.from_dlpack(x).shape == shape
        assert mp.from_dlpack(x) is x
        assert "shape=" in repr(x) or shape == (0,)
    assert pool.pool(device).statistics()["live_blocks"] == before
    x = mp.arange(5, device=device)[5:]
    like(x, np.zeros(0, np.int32))


def test_arrays_without_axes(device):
    x = mp.array(3, device=device)
    assert (x.shape, x.item(), int(x), float(x), complex(x), bool(x)) == ((), 3, 3, 3.0, 3 + 0j, True)
    assert [10, 20, 30, 40][x] == 40
    assert x[()].item() == 3
    with pytest.raises(TypeError, match="no length"):
        len(x)
    with pytest.raises(TypeError):
        list(x)
    with pytest.raises(TypeError, match="index"):
        [1][mp.array(0.0, device=device)]
    with pytest.raises(TypeError, match="one element"):
        int(mp.zeros(2, device=device))
    with pytest.raises(ValueError):
        bool(mp.zeros(2, device=device))
    with pytest.raises(ValueError):
        mp.zeros(2, device=device).item()


def test_sequences(device):
    x = mp.arange(6, device=device).reshape(3, 2)
    assert len(x) == 3
    assert [row.tolist() for row in x] == [[0, 1], [2, 3], [4, 5]]
    assert 4 in x and 9 not in x
    assert str(x) == "[[0 1]\n [2 3]\n [4 5]]"
    assert repr(x) == f"array([[0, 1],\n       [2, 3],\n       [4, 5]], dtype=int32, device='{device}')"
    assert hash(x) == hash(x)


# ---- copies and fills ----


@pytest.mark.parametrize("dtype", DTYPES)
def test_fill_and_copy(device, dtype):
    x = mp.zeros((5, 7), dtype, device)
    host = np.zeros((5, 7), x.dtype)
    for target in (x, host):
        target.fill(1)
    like(x, host)
    made = x.copy()
    x[2].fill(0)
    x[:, 1].fill(0)  # not contiguous
    host[2] = 0
    host[:, 1] = 0
    like(x, host)
    like(made, np.ones((5, 7), x.dtype))
    like(x.T.copy(), host.T)
    like(copy.copy(x), host)
    like(copy.deepcopy(x), host)


def test_fill_checks_values(device):
    x = mp.zeros(3, "uint8", device)
    with pytest.raises(OverflowError):
        x.fill(256)
    x.fill(mp.array(7, device=device))
    assert x.tolist() == [7, 7, 7]
    records = mp.zeros(3, np.dtype([("a", "i4"), ("b", "i8")]), device)
    records.fill((1, 2))
    assert records.tolist() == [(1, 2)] * 3


def test_large_fill_and_copy(device):
    x = mp.empty(5_000_001, "int16", device)
    x.fill(-3)
    made = x.copy()
    x.fill(4)
    assert (made.numpy() == -3).all()
    assert (x.numpy() == 4).all()


def test_read_only(device):
    host = np.arange(4096, dtype=np.float32)
    host.flags.writeable = False
    x = mp.from_dlpack(host, device=device) if device.driver == "software" else None
    if x is None:
        pytest.skip("Apple devices need memory aligned to pages")
    assert not x.writable and not x[3:].writable
    assert not x.numpy().flags.writeable
    assert memoryview(x).readonly
    for change in (lambda: x.fill(1), lambda: x.__setitem__(0, 1)):
        with pytest.raises(ValueError, match="read-only"):
            change()
    with pytest.raises(TypeError, match="not writable"):
        (ctypes.c_char * 4).from_buffer(x)
    assert x.copy().writable


# ---- protocols ----


def test_numpy_views_keep_the_memory_alive(device):
    x = mp.arange(1000, device=device)
    views = [x.numpy(), np.asarray(x), np.asarray(memoryview(x)), np.from_dlpack(x), x[3:].numpy()]
    address = x.numpy().__array_interface__["data"][0]
    assert [view.__array_interface__["data"][0] for view in views] == [address] * 4 + [address + 12]
    del x
    gc.collect()
    others = [mp.full(1000, 7, device=device) for _ in range(4)]
    for view in views:
        assert view[-1] == 999
    assert len(others) == 4
    views[0][5] = 123
    assert views[1][5] == 123


def test_array_protocol(device):
    x = mp.arange(4, device=device)
    assert np.asarray(x).dtype == np.int32
    assert np.array(x).tolist() == [0, 1, 2, 3]
    assert not np.may_share_memory(np.array(x), x.numpy())
    assert np.may_share_memory(x.__array__(), x.numpy())
    assert not np.may_share_memory(x.__array__(copy=True), x.numpy())
    assert x.__array__(np.float64).dtype == np.float64
    assert np.asarray(x, np.float32).dtype == np.float32
    with pytest.raises(ValueError, match="without a copy"):
        x.__array__(np.float64, copy=False)
    assert np.asarray(mp.ones(3, "bfloat16", device)).dtype == ml_dtypes.bfloat16
    assert (np.arange(4) + x.numpy()).tolist() == [0, 2, 4, 6]
    assert isinstance(np.negative(x), mp.Array) and np.negative(x).tolist() == [0, -1, -2, -3]


@pytest.mark.parametrize("dtype", [dtype for dtype in DTYPES if dtype != "bfloat16"])
def test_buffer_protocol(device, dtype):
    host = np.arange(12).astype(dtype).reshape(3, 4)
    x = mp.array(host, device=device)
    for view, expected in [(x, host), (x[::-1], host[::-1]), (x.T, host.T), (x[1, 2], host[1, 2])]:
        mine = memoryview(view)
        theirs = memoryview(np.asarray(expected))
        assert (mine.shape, mine.strides, mine.itemsize) == (theirs.shape, theirs.strides, theirs.itemsize)
        assert mine.nbytes == theirs.nbytes
        assert mine.tobytes() == theirs.tobytes()
        np.testing.assert_array_equal(np.asarray(mine), expected)
    with pytest.raises((BufferError, ValueError)):
        np.frombuffer(x.T, dtype)
    np.testing.assert_array_equal(np.frombuffer(x, dtype), host.ravel())


def test_bfloat16_has_no_buffer_format(device):
    with pytest.raises(BufferError, match=r"use numpy\(\)"):
        memoryview(mp.zeros(3, "bfloat16", device))


def test_dlpack(device):
    x = mp.arange(6, device=device).reshape(2, 3)
    assert x.__dlpack_device__() == (1, 0)
    host = np.from_dlpack(x)
    assert np.may_share_memory(host, x.numpy())
    assert not np.may_share_memory(np.from_dlpack(x, copy=True), x.numpy())
    with pytest.raises(BufferError, match="stream"):
        x.__dlpack__(stream=1)
    assert mp.from_dlpack(x, device=device) is x
    assert mp.from_dlpack(x, device=device, copy=True) is not x
    other = np.arange(1024, dtype=np.float32)
    taken = like(mp.from_dlpack(other, device=device), other)
    if device.driver == "software":
        assert np.may_share_memory(taken.numpy(), other)
        strided = mp.from_dlpack(other[::-2], device=device)
        like(strided, other[::-2])
        assert np.may_share_memory(strided.numpy(), other)
    assert not np.may_share_memory(mp.from_dlpack(other, device=device, copy=True).numpy(), other)
    with pytest.raises(TypeError, match="float64"):
        mp.from_dlpack(np.zeros(3), device=device)


class Other:
    """An array of another library."""

    def __init__(self, x, is_versioned):
        self.x, self.is_versioned = x, is_versioned

    def __dlpack_device__(self):
        return self.x.__dlpack_device__()

    def __dlpack__(self, *, max_version=None, dl_device=None, copy=None):
        return self.x.__dlpack__(max_version=max_version if self.is_versioned else None)


@pytest.mark.parametrize("is_versioned", [False, True])
def test_dlpack_of_bfloat16(device, is_versioned):
    x = mp.array([[1, -2.5, 3], [4, 5, 6]], dtype="bfloat16", device=device)
    taken = mp.from_dlpack(Other(x, is_versioned), device=device)
    like(taken, x.numpy())
    like(mp.from_dlpack(Other(x.T[1:], is_versioned), device=device), x.numpy().T[1:])
    assert mp.asarray(Other(x, is_versioned), device=device).tolist() == x.tolist()
    with pytest.raises((RuntimeError, BufferError)):  # NumPy has no such type, and must see that this is one
        np.from_dlpack(Other(x, is_versioned))
    if device.driver == "software":
        assert taken.writable == is_versioned  # before 1.0 nothing says that writing is fine
    if device.driver == "software" and is_versioned:
        taken[0, 0] = 7
        device.synchronize()
        assert x.tolist()[0][0] == 7


def test_dlpack_capsules(device):
    x = mp.arange(6, device=device).reshape(2, 3)
    capsule = x.__dlpack__(max_version=(1, 0))
    like(mp.from_dlpack(capsule, device=device), x.numpy())
    with pytest.raises(TypeError, match="taken already"):
        mp.from_dlpack(capsule, device=device)
    with pytest.raises(TypeError, match=r"__dlpack__, got list; use array\(\)"):
        mp.from_dlpack([1, 2], device=device)


def test_dlpack_refuses_negative_strides(device):
    x = mp.arange(6, device=device)
    with pytest.raises(BufferError, match=r"negative strides.*copy"):
        x[::-1].__dlpack__()
    assert np.from_dlpack(x[::-1], copy=True).tolist() == [5, 4, 3, 2, 1, 0]


def test_memory_counts(device):
    gc.collect()
    beside_the_pool = device.allocated_size - pool.pool(device).reserved  # textures and heaps of other tests
    counted = mp.mps.current_allocated_memory() if device is mp.device() else pool.pool(device).allocated
    x = mp.zeros(1 << 20, device=device)
    y = x[5:]
    now = pool.pool(device).allocated
    assert now - counted == 4 << 20
    del x
    assert pool.pool(device).allocated == now
    del y
    assert pool.pool(device).allocated == counted
    pool.pool(device).empty_cache()
    assert device.allocated_size - beside_the_pool == pool.pool(device).reserved
