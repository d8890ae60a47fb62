"""Arrays in .npz and .safetensors files, also those of other libraries."""

from __future__ import annotations

import numpy as np
import pytest

import metalpy as mp

DTYPES = ["float32", "float16", "int8", "uint64", "bool", "complex64"]


@pytest.fixture(params=["npz", "safetensors"])
def path(request, tmp_path):
    if request.param == "safetensors":
        pytest.importorskip("safetensors", reason="safetensors is not installed")
    return tmp_path / f"arrays.{request.param}"


def test_what_is_written_is_read(device, path):
    x = mp.arange(12, device=device).reshape(3, 4)
    given = {dtype: x.astype(dtype) for dtype in DTYPES}
    given |= {"view": x[::2, ::-1], "none": x[:0], "one": x[1, 1], "file": mp.broadcast_to(x, (2, 3, 4))}
    if path.suffix == ".safetensors":
        given["bfloat16"] = x.astype("bfloat16")
    mp.save(path, given)
    found = mp.load(str(path), device=device)
    assert set(found) == set(given)
    for name, made in found.items():
        assert made.device is device and made.dtype == given[name].dtype
        np.testing.assert_array_equal(made.numpy(), given[name].numpy())


def test_files_of_others(device, path):
    hosts = {"a": np.arange(6.0).reshape(2, 3), "b": np.arange(3, dtype=np.int16)}
    if path.suffix == ".npz":
        np.savez(path, **hosts)
    else:
        from safetensors.numpy import save_file

        save_file(hosts, path)
    found = mp.load(path, device=device)
    assert found["a"].dtype == np.float32 and found["a"].tolist() == hosts["a"].tolist()
    assert found["b"].dtype == np.int16 and found["b"].tolist() == [0, 1, 2]


def test_others_read_ours(device, path):
    mp.save(path, {"x": mp.arange(3, device=device)})
    if path.suffix == ".npz":
        with np.load(path) as file:
            assert file["x"].tolist() == [0, 1, 2]
    else:
        from safetensors.numpy import load_file

        assert load_file(path)["x"].tolist() == [0, 1, 2]


def test_one_array_as_npy(device, tmp_path):
    x = mp.arange(6, device=device).reshape(2, 3)
    mp.save(tmp_path / "x.npy", x)
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), x.numpy())
    loaded = mp.load(tmp_path / "x.npy", device=device)
    assert isinstance(loaded, mp.Array) and loaded.dtype == x.dtype and mp.array_equal(loaded, x)


@pytest.mark.parametrize("ending", ["npy", "npz", "safetensors"])
@pytest.mark.parametrize("data", [b"", b"no such file \xff" * 100])
def test_damaged_files(device, tmp_path, ending, data):
    if ending == "safetensors":
        pytest.importorskip("safetensors", reason="safetensors is not installed")
    path = tmp_path / f"x.{ending}"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=f"x.{ending}' is no .* or is damaged"):
        mp.load(path, device=device)


def test_wrong_kinds_of_arguments(device, tmp_path):
    x = mp.zeros(2, device=device)
    for name, arrays, message in (
        ("x.npz", x, "given as {name: array}; got Array"),
        ("x.npz", {1: x}, "names of arrays are strings, got 1"),
        ("x.npy", {"a": x, "b": x}, "hold one array"),
    ):
        with pytest.raises(TypeError, match=message):
            mp.save(tmp_path / name, arrays)


def test_errors(device, tmp_path):
    for call in (lambda: mp.save(tmp_path / "x.txt", {}), lambda: mp.load(tmp_path / "x.csv")):
        with pytest.raises(ValueError, match=r"\.npz and \.safetensors"):
            call()
    with pytest.raises(TypeError, match="bfloat16"):
        mp.save(tmp_path / "x.npz", {"x": mp.zeros(2, "bfloat16", device)})
    np.savez(tmp_path / "objects.npz", x=np.array([{}], object))
    with pytest.raises(ValueError, match="pickle"):
        mp.load(tmp_path / "objects.npz", device=device)
    with pytest.raises(FileNotFoundError):
        mp.load(tmp_path / "nothing.npz")
