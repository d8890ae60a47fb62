"""Arrays and PyTorch's tensors over the same memory."""

import gc
import pickle

import numpy as np
import pytest

import metalpy as mp

torch = pytest.importorskip("torch", reason="torch is not installed")

DTYPES = ["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "bfloat16",
          "float32", "complex64"]  # fmt: skip


def bits(x):
    """The elements of an array or a tensor, as NumPy's, bfloat16 as uint16."""
    if isinstance(x, torch.Tensor):
        return (x.view(torch.uint16) if x.dtype == torch.bfloat16 else x).numpy()
    return x.numpy().view(np.uint16) if x.dtype.name == "bfloat16" else x.numpy()


def tensor(dtype):
    return torch.arange(24).reshape(2, 3, 4).to(getattr(torch, dtype))


@pytest.fixture
def in_place(device):
    """Whether the device uses any memory of the host as it is; Apple's need it aligned to pages."""
    return device.driver == "software"


@pytest.mark.parametrize("dtype", DTYPES)
def test_tensors_as_arrays(device, in_place, dtype):
    given = tensor(dtype)
    taken = mp.from_dlpack(given, device=device)
    assert taken.dtype.name == dtype
    np.testing.assert_array_equal(bits(taken), bits(given))
    copied = mp.asarray(given, device=device)
    assert copied.dtype.name == dtype
    np.testing.assert_array_equal(bits(copied), bits(given))
    if in_place:
        assert taken.numpy().ctypes.data == given.data_ptr()
        given[1, 2, 3] = 1
        assert bits(taken)[1, 2, 3] == bits(given)[1, 2, 3]
        assert bits(copied)[1, 2, 3] != bits(given)[1, 2, 3] or dtype == "bool"
        taken[0, 0, 1] = 0
        mp.mps.synchronize() if device is mp.device() else device.synchronize()
        assert not given[0, 0, 1]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("take", [torch.from_dlpack, torch.utils.dlpack.from_dlpack, torch.as_tensor, torch.tensor,
                                  lambda x: torch.from_dlpack(x.__dlpack__())],
                         ids=["from_dlpack", "utils", "as_tensor", "tensor", "capsule"])  # fmt: skip
def test_arrays_as_tensors(device, take, dtype):
    x = mp.asarray(tensor(dtype), device=device)
    taken = take(x)
    assert taken.dtype == getattr(torch, dtype)
    np.testing.assert_array_equal(bits(taken), bits(x))
    if take is torch.tensor:
        assert taken.data_ptr() != x.numpy().ctypes.data
        return
    assert taken.data_ptr() == x.numpy().ctypes.data
    x[1, 2, 3] = 1
    device.synchronize()
    assert bits(taken)[1, 2, 3] == bits(x)[1, 2, 3]
    taken[0, 0, 1] = 0
    assert bits(x)[0, 0, 1] == 0


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("view", [
    lambda x: x[1], lambda x: x[:, 1:], lambda x: x[..., ::2], lambda x: x[1, 2, 3], lambda x: x[:, :0],
    lambda x: x.T if isinstance(x, mp.Array) else x.permute(2, 1, 0), lambda x: x[1, 1, 2:],
], ids=["offset", "cut", "steps", "no axes", "empty", "transposed", "end"])  # fmt: skip
def test_views(device, in_place, view, dtype):
    given = tensor(dtype)
    expected = bits(view(given))
    taken = mp.from_dlpack(view(given), device=device)
    np.testing.assert_array_equal(bits(taken), expected)
    if in_place and taken.size:
        assert taken.numpy().ctypes.data == view(given).data_ptr()
        assert taken.numpy().strides == tuple(n * given.itemsize for n in view(given).stride())
    back = torch.from_dlpack(view(mp.asarray(given, device=device)))
    np.testing.assert_array_equal(bits(back), expected)


def test_expanded_tensors(device):
    given = torch.tensor([[1.0], [2.0]]).expand(2, 3)
    assert mp.from_dlpack(given, device=device).tolist() == [[1, 1, 1], [2, 2, 2]]
    assert mp.sum(mp.from_dlpack(given, device=device), axis=1).tolist() == [3, 6]


def test_computing_on_shared_memory(device, in_place):
    given = torch.arange(1000, dtype=torch.float32)
    x = mp.from_dlpack(given, device=device)
    x *= 2
    x += 1
    device.synchronize()
    if in_place:
        assert torch.equal(given, 2 * torch.arange(1000) + 1.0)
    result = torch.from_dlpack(mp.sqrt(x))  # waits for what is under way
    torch.testing.assert_close(result, torch.sqrt(2 * torch.arange(1000) + 1.0))


def test_memory_outlives_its_owner(device):
    given = torch.full((1 << 16,), 3.0)
    x = mp.from_dlpack(given, device=device)
    del given
    gc.collect()
    torch.full((1 << 16,), 4.0)
    assert mp.sum(x).item() == 3 << 16

    y = mp.full((1 << 16,), 5.0, device=device)
    kept = torch.from_dlpack(y)
    del y
    gc.collect()
    other = mp.full((1 << 16,), 6.0, device=device)
    assert kept.sum().item() == 5 << 16
    assert other.numpy().ctypes.data != kept.data_ptr()
    del kept
    gc.collect()


def test_what_metal_lacks(device):
    for dtype in (torch.float64, torch.complex128):
        name = str(dtype).removeprefix("torch.")
        with pytest.raises(TypeError, match=f"Metal has no {name}; use"):
            mp.from_dlpack(torch.ones(3, dtype=dtype), device=device)
        with pytest.raises(ValueError, match="without a copy"):
            mp.asarray(torch.ones(3, dtype=dtype), copy=False, device=device)
        with pytest.raises(TypeError, match=r"no float64|no complex128"):
            mp.asarray(torch.ones(3, dtype=dtype), dtype=name, device=device)
    assert mp.asarray(torch.ones(3, dtype=torch.float64), device=device).dtype == mp.float32  # as of NumPy's arrays
    with pytest.raises(TypeError, match="DLPack's type 10 of 8 bits"):
        mp.from_dlpack(torch.ones(3).to(torch.float8_e4m3fn), device=device)


def test_tensors_that_are_more_than_memory(device):
    needs_gradient = torch.ones(3, requires_grad=True)
    for given in (needs_gradient, needs_gradient * 2, torch.nn.Parameter(torch.ones(3))):
        with pytest.raises(BufferError, match="detach"):
            mp.from_dlpack(given, device=device)
        with pytest.raises(RuntimeError, match="detach"):
            mp.asarray(given, device=device)
        assert mp.from_dlpack(given.detach(), device=device).shape == (3,)
    conjugated = torch.ones(3, dtype=torch.complex64).conj()
    with pytest.raises(BufferError, match="conjugate"):
        mp.from_dlpack(conjugated, device=device)
    with pytest.raises(RuntimeError, match="resolve_conj"):
        mp.asarray(conjugated, device=device)
    negated = torch.full((3,), 1j).conj().imag
    with pytest.raises(BufferError, match="resolve_neg"):
        mp.from_dlpack(negated, device=device)
    assert mp.from_dlpack(negated.resolve_neg(), device=device).tolist() == [-1, -1, -1]
    with pytest.raises(BufferError, match="strided"):
        mp.from_dlpack(torch.eye(2).to_sparse(), device=device)
    with pytest.raises(BufferError, match="meta"):
        mp.from_dlpack(torch.ones(2, device="meta"), device=device)


def test_negative_strides_do_not_end_the_process(device):
    x = mp.arange(6, device=device)
    with pytest.raises(BufferError, match="negative strides"):
        torch.from_dlpack(x[::-1])
    assert torch.from_dlpack(x[::-1].copy()).tolist() == [5, 4, 3, 2, 1, 0]


def test_read_only_arrays(device):
    host = np.arange(4, dtype=np.float32)
    host.flags.writeable = False
    x = mp.from_dlpack(host, device=device, copy=False) if device.driver == "software" else None
    if x is not None:
        assert torch.from_dlpack(x).tolist() == [0, 1, 2, 3]
        with pytest.raises(BufferError, match=r"readonly|read-only"):
            torch.from_dlpack(x.__dlpack__())  # without a version, nothing would say so


def test_mixing_says_what_to_do(device):
    x = mp.ones((3,), device=device)
    with pytest.raises(TypeError, match="unsupported operand"):
        x + torch.ones(3)
    with pytest.raises(TypeError):
        torch.ones(3) + x
    x[...] = torch.tensor([1.0, 2.0, 3.0])
    assert x.tolist() == [1, 2, 3]


def test_files(device, tmp_path):
    safetensors = pytest.importorskip("safetensors.torch", reason="safetensors is not installed")
    tensors = {dtype: tensor(dtype) for dtype in DTYPES if dtype != "complex64"}
    safetensors.save_file(tensors, tmp_path / "of_torch.safetensors")
    arrays = mp.load(tmp_path / "of_torch.safetensors", device=device)
    assert {name: x.dtype.name for name, x in arrays.items()} == {name: name for name in tensors}
    for name, x in arrays.items():
        np.testing.assert_array_equal(bits(x), bits(tensors[name]))
    mp.save(tmp_path / "ours.safetensors", arrays)
    again = safetensors.load_file(tmp_path / "ours.safetensors")
    assert set(again) == set(tensors)
    for name, x in again.items():
        assert x.dtype == tensors[name].dtype
        assert torch.equal(bits_tensor(x), bits_tensor(tensors[name]))


def bits_tensor(x):
    return torch.from_numpy(np.array(bits(x)))


def test_pickles_beside_tensors(device):
    x, y = pickle.loads(pickle.dumps((mp.ones(3, device=device), torch.ones(3))))
    assert x.tolist() == y.tolist()
