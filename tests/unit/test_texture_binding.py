"""What reaches the driver for textures and samplers, on a device made of Python."""

import gc

import numpy as np
import pytest

import metalpy as mp
from metalpy.compiler.reflection import Argument, Type
from tests.helpers import kernels as k


def texture(name, index, scalar="float32", access="sample", optional=False, count=None):
    spelled = {"float32": "float", "uint32": "uint"}[scalar]
    kind = Type(f"{name}<{spelled}, access::{access}>", "texture", 8, 8, scalar, access=access)
    if count:
        kind = Type(f"array<{kind.name}, {count}>", "array", 8 * count, 8, shape=(count,), stride=8, element=kind)
    return Argument(f"t{index}", index, "texture", "", access, False, optional, kind)


def sampler(index):
    return Argument(f"s{index}", index, "sampler", "", "read", False, False, Type("sampler", "sampler", 8, 8))


def made(mock, shape, name, **options):
    return mp.texture(shape, name, device=mock.device, **options)


def test_binding(mock):
    array = k.device_pointer("x", k.scalar("float"), 0)
    two_more = texture("texture2d", 5, count=2)
    launch = k.idle_kernel(mock.device, texture("texture2d", 3), array, sampler(1), two_more)
    one, two, three = (made(mock, (2, 4), "rgba8Unorm") for _ in range(3))
    filter = mp.Sampler(device=mock.device)
    launch(one, mp.zeros(7, device=mock.device), filter, [two, three])
    one_handle, two_handle, three_handle = mock.textures
    assert mock.launches[0].textures == {3: one_handle, 5: two_handle, 6: three_handle}
    assert list(mock.launches[0].samplers) == [1] and list(mock.samplers) == list(mock.launches[0].samplers.values())
    assert list(mock.launches[0].buffers) == [0] and mock.launches[0].threads == (7, 1, 1)


def test_null_textures(mock):
    launch = k.idle_kernel(mock.device, texture("texture2d", 0), texture("texture2d", 1, optional=True))
    launch(None, threads=1)
    assert mock.launches[0].textures == {0: None, 1: None}


def test_arrays_need_their_length(mock):
    launch = k.idle_kernel(mock.device, texture("texture2d", 0, count=2))
    with pytest.raises(mp.LaunchValueError, match="2 elements, got 1"):
        launch([None], threads=1)
    with pytest.raises(mp.LaunchTypeError, match="needs a sequence"):
        launch(made(mock, (2, 2), "r8Unorm"), threads=1)


def test_descriptions(mock):
    kept = made(mock, (3, 8, 16), "rgba16Float", texture_type="2d_array", mipmap_level_count=4)
    facts, buffer, offset, row = next(iter(mock.textures.values()))
    assert (facts["type"], facts["pixel_format"], facts["width"], facts["height"]) == (3, 115, 16, 8)
    assert (facts["depth"], facts["array_length"], facts["levels"], facts["samples"], facts["usage"]) == (1, 3, 4, 1, 3)
    assert (buffer, offset, row) == (None, 0, 0)
    depth = made(mock, (4, 4), "depth32Float")
    assert list(mock.textures.values())[1][0]["usage"] == 1
    assert depth.nbytes == 64 and kept.nbytes == 8 * 3 * (128 + 32 + 8 + 2)


def test_samplers(mock):
    kept = mp.Sampler("linear", "nearest", "linear", ("repeat", "clamp_to_zero"), True, "less_equal",
                      "opaque_white", 4, (1, 2), device=mock.device)  # fmt: skip
    assert next(iter(mock.samplers.values())) == {
        "address_modes": (2, 4, 0), "min_filter": 1, "mag_filter": 0, "mip_filter": 2, "normalized_coordinates": 1,
        "max_anisotropy": 4, "compare_function": 3, "border_color": 2, "lod_min_clamp": 1.0, "lod_max_clamp": 2.0,
    }  # fmt: skip
    del kept
    assert mock.samplers == {}


def test_memory_in_a_buffer(mock):
    mock.keeps_textures = False
    kept = made(mock, (2, 4), "r8Unorm")
    _, buffer, offset, _ = next(iter(mock.textures.values()))
    assert buffer in mock.buffers and offset == 0 and kept.nbytes == 128
    array = mp.zeros((4, 8), dtype=mp.uint8, device=mock.device)
    shared = mp.texture(array[2:], copy=False)
    _, buffer, offset, row = list(mock.textures.values())[1]
    assert buffer in mock.buffers and (offset, row) == (16, 8)
    del shared


def test_releasing(mock):
    made(mock, (2, 4), "r8Unorm")
    gc.collect()
    assert mock.textures == {}


def test_host_copies_wait(mock):
    mock.automatic = False
    kept = made(mock, (3, 8, 16), "rg32Float", texture_type="2d_array")
    launch = k.idle_kernel(mock.device, texture("texture2d_array", 0))
    launch(kept, threads=1)
    mock.calls.clear()
    kept.numpy()
    assert mock.calls[0] == ("wait", 1)
    assert mock.calls[1:] == [("read", 0, element, (0, 0, 0), (16, 8, 1), 128) for element in range(3)]
    mock.calls.clear()
    kept.write(np.ones((2, 3, 5, 2), np.float32), np.s_[1:, 2:5, 4:9])
    assert mock.calls == [("replace", 0, element, (4, 2, 0), (5, 3, 1), 40) for element in (1, 2)]


def test_mipmaps_are_recorded(mock):
    mock.automatic = False
    kept = made(mock, (8, 8), "r8Unorm", mipmap_level_count=None)
    kept.generate_mipmaps()
    assert mock.calls[-1] == ("generate_mipmaps", next(iter(mock.textures)))
    kept.numpy(3)
    assert ("wait", 1) in mock.calls


def test_argument_buffers(mock):
    fields = {"t": texture("texture2d", 0).type, "s": sampler(0).type, "n": k.scalar("int")}
    launch = k.idle_kernel(mock.device, k.constant("a", k.struct("Arguments", **fields), 0))
    image, filter = made(mock, (2, 2), "r8Unorm"), mp.Sampler(device=mock.device)
    launch({"t": image, "s": filter, "n": 5}, threads=1)
    (handle,) = mock.textures
    address, state, number = np.frombuffer(mock.launches[0].values[0], "u8,u8,i4,i4").tolist()[0][:3]
    assert (address, state, number) == (handle + 1, next(iter(mock.samplers)) + 2, 5)
    assert mock.launches[0].resident == [handle, next(iter(mock.samplers))]


def test_a_device_that_lacks_a_format(mock):
    with pytest.raises(mp.UnsupportedError, match="rgb9e5Float"):
        made(mock, (2, 2), "rgb9e5Float")


def test_a_texture_of_another_device(mock):
    launch = k.idle_kernel(mock.device, texture("texture2d", 0))
    with pytest.raises(mp.LaunchValueError, match="the kernel on"):
        launch(mp.texture((2, 2), "r8Unorm"), threads=1)
