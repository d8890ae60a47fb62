"""The array API's namespace, dtypes and devices; NumPy's functions on Arrays; pickling."""

from __future__ import annotations

import copy
import pickle

import ml_dtypes
import numpy as np
import pytest

import metalpy as mp


def test_the_namespace(device):
    x = mp.zeros(2, device=device)
    assert x.__array_namespace__() is mp is x.__array_namespace__(api_version="2024.12")
    assert mp.__array_api_version__ == "2024.12"
    with pytest.raises(ValueError, match=r"2024\.12"):
        x.__array_namespace__(api_version="1999.01")
    assert (mp.pi, mp.e, mp.inf, mp.newaxis) == (np.pi, np.e, np.inf, None) and mp.nan != mp.nan
    assert mp.bool == np.bool_


def test_what_the_namespace_tells(device):
    info = mp.__array_namespace_info__()
    assert info.capabilities()["boolean indexing"] and info.capabilities()["data-dependent shapes"]
    assert info.default_device() is mp.device() and list(mp.devices()) == info.devices()
    made = {"real floating": mp.zeros(1), "integral": mp.arange(3), "complex floating": mp.array([1j])}
    for kind, x in made.items():
        assert info.default_dtypes()[kind] == x.dtype
    assert set(info.dtypes(kind="real floating")) == {"float32"}
    assert set(info.dtypes(kind=("bool", "unsigned integer"))) == {"bool", "uint8", "uint16", "uint32", "uint64"}
    for dtype in info.dtypes().values():
        assert mp.zeros(1, dtype, device).dtype == dtype


@pytest.mark.parametrize(
    ("dtype", "kinds"),
    [("float32", {"real floating", "numeric"}), ("bfloat16", {"real floating", "numeric"}), ("bool", {"bool"}),
     ("int8", {"signed integer", "integral", "numeric"}), ("uint64", {"unsigned integer", "integral", "numeric"}),
     ("complex64", {"complex floating", "numeric"})],
)  # fmt: skip
def test_isdtype(dtype, kinds):
    names = ("bool", "signed integer", "unsigned integer", "integral", "real floating", "complex floating", "numeric")
    dtype = mp.dtypes.as_dtype(dtype)
    assert {name for name in names if mp.isdtype(dtype, name)} == kinds
    assert mp.isdtype(dtype, (mp.int16, dtype)) and not mp.isdtype(dtype, mp.int16)
    with pytest.raises(ValueError, match="kinds of dtypes"):
        mp.isdtype(dtype, "float")


def test_limits():
    for dtype in ("float16", "float32"):
        ours, theirs = mp.finfo(dtype), np.finfo(dtype)
        for name in ("bits", "eps", "max", "min", "smallest_normal"):
            assert getattr(ours, name) == getattr(theirs, name)
    ours, theirs = mp.finfo("bfloat16"), ml_dtypes.finfo("bfloat16")
    for name in ("bits", "eps", "max", "min", "smallest_normal"):
        assert getattr(ours, name) == float(getattr(theirs, name))
    assert mp.finfo(mp.zeros(1, "complex64")).dtype == np.float32
    assert (mp.iinfo("uint8").max, mp.iinfo(mp.zeros(1, "int64")).min, mp.iinfo("int16").bits) == (255, -(2**63), 16)
    for call in (lambda: mp.finfo("int8"), lambda: mp.iinfo("float32")):
        with pytest.raises(ValueError, match="takes"):
            call()


@pytest.mark.parametrize("operands", [
    ("int8", "uint8"), ("int32", "float32"), ("float16", "float32"), ("uint64", "int64"), ("bool", "int8"),
    ("float32", "complex64"), ("int8", 3), ("int8", 2.5), ("float16", 2.5), ("bool", 1), ("float32", 1j), ("uint8", True),
    ("bfloat16", 1.5), ("bfloat16", "float16"),
], ids=str)  # fmt: skip
def test_result_type_is_that_of_operators(device, operands):
    values = [mp.ones(2, entry, device) if isinstance(entry, str) else entry for entry in operands]
    wanted = (values[0] * values[1]).dtype
    assert mp.result_type(*values) == wanted
    kinds = [mp.dtypes.as_dtype(entry) if isinstance(entry, str) else entry for entry in operands]
    assert mp.result_type(*kinds) == wanted


def test_can_cast(device):
    assert mp.can_cast("int8", "int16") and not mp.can_cast("int16", "int8")
    assert mp.can_cast(mp.zeros(1, "bool", device), "float32")


def test_what_metal_lacks_is_refused(device):
    for call in (lambda: mp.zeros(1, "float64", device), lambda: mp.ones(1, device=device).astype("complex128"),
                 lambda: mp.linspace(0, 1, 5, dtype="float64", device=device),
                 lambda: mp.eye(2, dtype="float64", device=device)):  # fmt: skip
        with pytest.raises(TypeError, match="Metal has no"):
            call()


def test_devices(device):
    x = mp.arange(3, device=device)
    assert x.to_device(device) is x and x.to_device(str(device)) is x
    for other in mp.devices():
        assert x.to_device(other).device is other and x.to_device(other).tolist() == [0, 1, 2]
        assert x.astype("float32", device=other).device is other
    with pytest.raises(ValueError, match="stream"):
        x.to_device(device, stream=1)


def test_matrix_transpose(device):
    x = mp.arange(24, device=device).reshape(2, 3, 4)
    np.testing.assert_array_equal(x.mT.numpy(), x.numpy().swapaxes(1, 2))


def test_functions_of_numpy_are_ours(device):
    x = mp.array([0.25, 0.5, 1.0], device=device)
    for made, expected in (
        (np.sin(x), np.sin(x.numpy())),
        (np.add(np.ones(3), x), [1.25, 1.5, 2]),
        (np.ones(3, np.float32) - x, [0.75, 0.5, 0]),
        (np.arctan2(x, x), [np.pi / 4] * 3),
        (np.concatenate([x, x], 0), [0.25, 0.5, 1] * 2),
        (np.where(x > 0.3, x, 0), [0, 0.5, 1]),
        (np.clip(x, 0.3, 0.6), [0.3, 0.5, 0.6]),
        (np.expand_dims(x, 0), [[0.25, 0.5, 1]]),
        (np.zeros_like(x), [0, 0, 0]),
        (np.add(x, x, out=mp.zeros(3, device=device)), [0.5, 1, 2]),
        (np.divmod(x, 0.5)[1], [0.25, 0, 0]),
    ):
        assert isinstance(made, mp.Array)
        np.testing.assert_allclose(made.numpy(), expected, 1e-6)
    host = np.ones(3)
    host += x
    assert isinstance(host, np.ndarray) and host.tolist() == [1.25, 1.5, 2]


def test_functions_of_numpy_about_arrays(device):
    x = mp.arange(3, device=device)
    assert np.shape(x) == (3,) and np.ndim(x) == 1 and np.array_equal(x, [0, 1, 2]) and np.allclose(x, x)


def test_functions_of_numpy_that_we_lack(device, monkeypatch):
    x = mp.array([1.0, 2.0], device=device)
    for name in ("METALPY_ENABLE_FALLBACK", "PYTORCH_ENABLE_MPS_FALLBACK"):
        monkeypatch.delenv(name, raising=False)
    # Not np.add.accumulate(x) itself: NumPy 2.4 keeps a reference to x when that raises.
    for call in (lambda: np.unwrap(x), lambda: np.i0(x), lambda: np.spacing(x), lambda: x.__array_ufunc__(np.add, "accumulate", x),
                 lambda: np.add(x, x, where=[True, False])):  # fmt: skip
        with pytest.raises(TypeError, match=r"x\.numpy\(\)"):
            call()
    with pytest.raises(TypeError, match="cannot take"):
        np.add(x, x, out=mp.zeros(2, "int32", device=device))
    monkeypatch.setenv("METALPY_ENABLE_FALLBACK", "1")
    with pytest.warns(UserWarning, match="runs on the host"):
        made = np.unwrap(x)
    assert isinstance(made, mp.Array) and made.tolist() == [1, 2]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "bool", "complex64"])
def test_pickling(device, dtype):
    x = mp.arange(12, device=device).astype(dtype).reshape(3, 4)
    for given in (x, x[::2, 1:], x[:0], mp.broadcast_to(x, (2, 3, 4))):
        for made in (pickle.loads(pickle.dumps(given)), copy.deepcopy(given)):
            assert made.dtype == given.dtype and made.device is device and made.writable
            np.testing.assert_array_equal(made.numpy(), given.numpy())


def test_pickles_of_devices_that_are_not_here(device):
    x = mp.arange(3, device=device)
    restore, (host, _) = x.__reduce__()
    assert restore(host, "mps:99").tolist() == [0, 1, 2]
