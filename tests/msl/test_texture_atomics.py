"""Atomic functions of textures."""

import numpy as np
import pytest

import metalpy as mp
from tests.helpers.case import library

pytestmark = pytest.mark.usefixtures("device")


def integers(shape, dtype="uint32"):
    return mp.texture(np.zeros(shape, dtype), "r32Uint")


def test_threads_share_texels(rng):
    levels = rng.integers(0, 16, (33, 47), np.uint8)
    bins, tickets = integers((2, 16)), mp.zeros(levels.size, dtype=np.uint32)
    library("texture_atomics").histogram(bins, mp.texture(levels, "r8Uint"), tickets, threads=(47, 33))
    np.testing.assert_array_equal(bins.numpy()[0], np.bincount(levels.ravel(), minlength=16))
    np.testing.assert_array_equal(np.sort(tickets.numpy()), np.arange(levels.size))


@pytest.mark.parametrize(("name", "dtype", "format"), [("int", np.int32, "r32Sint"), ("uint", np.uint32, "r32Uint")])
def test_operations(rng, name, dtype, format):
    info = np.iinfo(dtype)
    t, x = (rng.integers(info.min, info.max, (1, 11), dtype, endpoint=True) for _ in range(2))
    texture, old = mp.texture(t, format), mp.array(np.full(12, 77, dtype))
    library("texture_atomics")[f"operations_{name}"](texture, old, mp.array(x[0]), threads=1)
    operations = [np.add, np.subtract, np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.minimum, np.maximum]
    expected = [f(t[0, i], x[0, i]) for i, f in enumerate(operations)] + [x[0, 7], t[0, 8], x[0, 9], x[0, 10]]
    np.testing.assert_array_equal(texture.numpy()[0], expected)
    np.testing.assert_array_equal(old.numpy(), [*t[0, :9], t[0, 10], 1, 0])


def test_kinds_of_textures():
    shapes = {"1d": (3,), "1d_array": (2, 3), "2d_array": (2, 3, 4), "3d": (2, 3, 4), "cube": (6, 2, 2),
              "cube_array": (2, 6, 2, 2), "buffer": (3,)}  # fmt: skip
    places = [(2,), (1, 2), (1, 1, 2), (1, 1, 2), (5, 0, 1), (1, 5, 0, 1), (2,)]
    textures = [mp.texture(np.zeros(s, np.uint32), "r32Uint", texture_type=t) for t, s in shapes.items()]
    library("texture_atomics").kinds(*textures, threads=1)
    for value, (place, texture) in enumerate(zip(places, textures, strict=True), 1):
        expected = np.zeros(texture.numpy().shape, np.uint32)
        expected[place] = value
        np.testing.assert_array_equal(texture.numpy(), expected)


def test_64_bits(rng):
    x = rng.integers(0, 2**64, 600, np.uint64)
    start = np.repeat(np.array([[2**64 - 1], [0]], np.uint64), 3, 1)
    texture = mp.texture(start.view(np.uint32).reshape(2, 3, 2), "rg32Uint")
    line = mp.texture(np.zeros((1, 2), np.uint32), "rg32Uint", texture_type="1d")
    library("texture_atomics").extremes(texture, line, mp.array(x), mp.zeros(1, dtype=np.uint64), threads=600)
    got = texture.numpy().copy().view(np.uint64)[..., 0]
    np.testing.assert_array_equal(got, [x.reshape(-1, 3).min(0), x.reshape(-1, 3).max(0)])
    assert line.numpy().copy().view(np.uint64).item() == x.max()


def test_texels_of_64_bits(rng):
    x = rng.integers(0, 2**64 - 1, (2, 4), np.uint64)
    texture, out = mp.texture(x.view(np.uint32).reshape(2, 4, 2), "rg32Uint"), mp.zeros(4, dtype=np.uint64)
    library("texture_atomics").read_long(texture, out)
    assert out.tolist() == x[0].tolist()
    np.testing.assert_array_equal(texture.numpy().copy().view(np.uint64)[..., 0], [x[0], x[0] + 1])


def test_other_textures_have_none():
    for kind, function, message in (
        ("uint, access::read", "fetch_add", "access::read_write"),
        ("half, access::read_write", "fetch_add", "int or uint"),
        ("uint, access::read_write", "min", "ulong"),
        ("ulong, access::read_write", "fetch_min", "int or uint"),
    ):
        with pytest.raises(mp.CompileError, match=message):
            mp.mps.compile_shader(
                "#include <metal_stdlib>\nusing namespace metal;\n"
                f"kernel void k(texture2d<{kind}> t) {{ t.atomic_{function}(uint2(0), 1); }}"
            )
