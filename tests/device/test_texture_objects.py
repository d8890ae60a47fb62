"""mp.Texture and mp.Sampler as Python sees them: making, reading, writing, passing to kernels, memory."""

import gc
import mmap

import numpy as np
import pytest

import metalpy as mp
from metalpy._core import pool
from metalpy.mps import compile_shader

HEAD = "#include <metal_stdlib>\nusing namespace metal;\n"


@pytest.fixture(scope="module")
def lib():
    return compile_shader(
        HEAD
        + """
kernel void add(texture2d<float, access::read> a [[texture(0)]], constant float& by [[buffer(0)]],
                texture2d<float, access::write> b [[texture(1)]], uint2 at [[thread_position_in_grid]]) {
  b.write(a.read(at) + by, at);
}
kernel void look(texture2d<float> t [[texture(0)]], sampler s [[sampler(0)]], device float4* out [[buffer(0)]],
                 uint i [[thread_position_in_grid]]) {
  out[i] = t.sample(s, float2(i + 0.5, 0.5) / 4);
}
kernel void count(texture2d<uint, access::write> t, uint2 at [[thread_position_in_grid]],
                  uint2 size [[threads_per_grid]]) {
  t.write(uint4(at, size), at);
}
kernel void count3(texture3d<uint, access::write> t, uint3 at [[thread_position_in_grid]],
                   uint3 size [[threads_per_grid]]) {
  t.write(uint4(at, size.x + 16 * (size.y + 16 * size.z)), at);
}
"""
    )


@pytest.mark.parametrize(("dtype", "shape", "name", "kind"), [
    ("uint8", (4, 5), "r8Unorm", "2d"), ("uint8", (4, 5, 2), "rg8Unorm", "2d"), ("uint8", (4, 5, 4), "rgba8Unorm", "2d"),
    ("int8", (4, 5, 4), "rgba8Snorm", "2d"), ("uint16", (4, 5, 2), "rg16Unorm", "2d"), ("int16", (4, 5), "r16Snorm", "2d"),
    ("float16", (4, 5, 4), "rgba16Float", "2d"), ("float32", (4, 5), "r32Float", "2d"), ("float64", (4, 5), "r32Float", "2d"),
    ("uint32", (4, 5, 4), "rgba32Uint", "2d"), ("int32", (4, 5, 1), "r32Sint", "2d"), ("float32", (7,), "r32Float", "1d"),
    ("float32", (3, 4, 5), "r32Float", "3d"), ("uint8", (3, 4, 5, 4), "rgba8Unorm", "3d"),
])  # fmt: skip
def test_default_formats(device, dtype, shape, name, kind):
    image = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    for made in (mp.texture(image, device=device), mp.Texture.from_numpy(image, device=device)):
        assert (made.pixel_format, made.texture_type) == (name, kind)
        np.testing.assert_array_equal(made.numpy().reshape(shape), image)
        assert made.dtype == (image.dtype if dtype != "float64" else np.float32)


def test_properties(device):
    made = mp.texture((3, 20, 10), "rgba8Unorm", texture_type="2d_array", mipmap_level_count=None, device=device)
    assert (made.width, made.height, made.depth, made.array_length, made.sample_count) == (10, 20, 1, 3, 1)
    assert made.mipmap_level_count == 5 and made.shape == (3, 20, 10, 4) and made.device is device
    assert made.nbytes >= 4 * 3 * (200 + 50 + 10 + 2 + 1)
    assert [made.numpy(level).shape for level in (1, 4)] == [(3, 10, 5, 4), (3, 1, 1, 4)]
    assert "2d_array rgba8Unorm" in repr(made) and "5 levels" in repr(made)
    assert "nearest" in repr(mp.Sampler(device=device))


@pytest.mark.parametrize(("make", "error", "message"), [
    (lambda d: mp.texture(np.zeros((4, 5, 3), np.uint8), device=d), ValueError, "3 channels.*add a fourth"),
    (lambda d: mp.texture(np.zeros((4, 5), bool), device=d), TypeError, "no pixel format.*bool"),
    (lambda d: mp.texture(np.zeros((4, 5), np.int64), device=d), TypeError, "no pixel format.*int64"),
    (lambda d: mp.texture(np.zeros((4, 5), np.float32), "r8Unorm", device=d), TypeError, "r8Unorm are uint8"),
    (lambda d: mp.texture(np.zeros((4, 5), np.uint8), "rgba8Unorm", device=d), ValueError, "4 channels"),
    (lambda d: mp.texture(np.zeros((4, 5), np.uint8), "RGBA8", device=d), ValueError, "no pixel format 'RGBA8'"),
    (lambda d: mp.texture((4, 5), device=d), ValueError, "needs a pixel_format"),
    (lambda d: mp.texture((4, 5), "r8Unorm", texture_type="4d", device=d), ValueError, "no texture type '4d'"),
    (lambda d: mp.texture((4, 5), "r8Unorm", texture_type="cube", device=d), ValueError, "type 'cube'"),
    (lambda d: mp.texture((5, 4, 4), "r8Unorm", texture_type="cube", device=d), ValueError, "6 faces"),
    (lambda d: mp.texture((6, 4, 5), "r8Unorm", texture_type="cube", device=d), ValueError, "square"),
    (lambda d: mp.texture((4, 0), "r8Unorm", device=d), ValueError, "at least one texel"),
    (lambda d: mp.texture((4, 20000), "r8Unorm", device=d), ValueError, "width 20000"),
    (lambda d: mp.texture((8, 8), "r8Unorm", mipmap_level_count=5, device=d), ValueError, "mipmap level count 5"),
    (lambda d: mp.texture((3, 4, 4), "r8Unorm", texture_type="2d_ms", device=d), ValueError, "2, 4 or 8 samples"),
    (lambda d: mp.texture(np.zeros((2, 2, 2, 2, 2), np.uint8), device=d), ValueError, "no texture"),
    (lambda d: mp.texture(np.zeros((2, 2)), copy=False, device=d), ValueError, "memory of an Array"),
    (lambda d: mp.texture(mp.zeros((4, 4), device=d).T, copy=False), ValueError, "leave out copy=False"),
    (lambda d: mp.texture(mp.zeros((2, 4, 8), device=d), copy=False), ValueError, "linear texture"),
    (lambda d: mp.texture(mp.zeros((4, 5), device=d)[1:], copy=False), ValueError, "multiple of 16"),
    (lambda d: mp.Texture(), TypeError, r"metalpy.texture\(\)"),
    (lambda d: mp.Sampler(min_filter="cubic", device=d), ValueError, "min_filter is one of nearest, linear"),
    (lambda d: mp.Sampler(address_mode="wrap", device=d), ValueError, "address_mode.*repeat.*'wrap'"),
    (lambda d: mp.Sampler(address_mode=("repeat",) * 4, device=d), ValueError, "three address modes"),
    (lambda d: mp.Sampler(address_mode="repeat", normalized_coordinates=False, device=d), ValueError, "cannot repeat"),
    (lambda d: mp.Sampler(max_anisotropy=17, device=d), ValueError, "1 to 16"),
])  # fmt: skip
def test_what_cannot_be_made(device, make, error, message):
    with pytest.raises(error, match=message):
        make(device)


def test_writing_regions(device):
    made = mp.texture(np.zeros((3, 5, 7, 2), np.int32), texture_type="2d_array", device=device)
    expected = np.zeros((3, 5, 7, 2), np.int32)
    for number, region in enumerate([np.s_[1:3], np.s_[:, 2:4, 1:6], np.s_[2:3, :, 6:], np.s_[0:1, -1:, :2], ...], 1):
        if number < 5:
            expected[region] = number
            made.write(number, region)
            np.testing.assert_array_equal(made.numpy(), expected)
    values = np.arange(2 * 5 * 7 * 2, dtype=np.int32).reshape(2, 5, 7, 2)
    made.write(values, np.s_[1:])
    assert (made.numpy()[1:] == values).all()
    made.write(mp.array(values[0], device=device))
    assert (made.numpy() == values[0]).all()
    assert (np.asarray(made) == made.numpy()).all() and np.asarray(made, np.float32).dtype == np.float32


def test_writing_regions_of_3d_textures_and_levels(device):
    made = mp.texture((4, 4, 8), "r8Uint", mipmap_level_count=2, device=device)
    made.write(1)
    made.write(2, level=1)
    made.write(3, np.s_[1:3, :2, 5:])
    expected = np.ones((4, 4, 8))
    expected[1:3, :2, 5:] = 3
    assert (made.numpy() == expected).all() and (made.numpy(1) == np.full((2, 2, 4), 2)).all()


@pytest.mark.parametrize(("arguments", "error", "message"), [
    ((np.zeros((4, 5), np.float32),), TypeError, "r8Unorm are uint8 on the host, got float32"),
    ((np.zeros((5, 4), np.uint8),), ValueError, "broadcast"),
    ((0, np.s_[::2]), ValueError, "no steps"),
    ((0, np.s_[4:4]), ValueError, "at least one texel"),
    ((0, np.s_[:, :, :]), IndexError, "at most 2 slices"),
    ((0, 3), TypeError, "made of slices"),
    ((0, None, 1), IndexError, "1 levels of detail"),
])  # fmt: skip
def test_bad_writes(device, arguments, error, message):
    made = mp.texture(np.ones((4, 5), np.uint8), device=device)
    with pytest.raises(error, match=message):
        made.write(*arguments)
    assert (made.numpy() == 1).all()


def test_reading_a_level_that_is_not_there(device):
    with pytest.raises(IndexError, match="level 1"):
        mp.texture((4, 5), "r8Unorm", device=device).numpy(1)


# ---- launching ----


def test_order_of_arguments(device, lib):
    """Textures, buffers and samplers are given in the order of the source."""
    image = np.arange(12, dtype=np.float32).reshape(3, 4)
    a, b = mp.texture(image, device=device), mp.texture((3, 4), "r32Float", device=device)
    lib.add(a, 2.5, b)
    assert (b.numpy() == image + 2.5).all()
    lib.add(b=b, a=a, by=1)
    assert (b.numpy() == image + 1).all()
    assert [entry.name for entry in lib.add.arguments] == ["a", "by", "b"]
    assert lib.add.signature.startswith("add(texture2d<float, access::read> a, constant float& by, texture2d<")


def test_default_grid(device, lib):
    made = mp.texture((3, 5), "rgba32Uint", device=device)
    lib.count(made)
    y, x = np.mgrid[:3, :5]
    np.testing.assert_array_equal(made.numpy(), np.stack([x, y, x * 0 + 5, x * 0 + 3], -1))
    larger = mp.texture(np.zeros((9, 9), np.float32), device=device)
    target = mp.texture(np.zeros((3, 5), np.float32), device=device)
    lib.add(larger, 1, target)  # the texture that is written tells, not the first
    assert (target.numpy() == 1).all()
    target = mp.texture(np.zeros((12, 10), np.float32), device=device)
    lib.add(larger, 1, target)
    assert (target.numpy() == 1).all()
    deep = mp.texture((2, 3, 5), "rgba32Uint", device=device)
    lib.count3(deep)
    z, y, x = np.mgrid[:2, :3, :5]
    np.testing.assert_array_equal(deep.numpy(), np.stack([x, y, z, x * 0 + 5 + 16 * (3 + 16 * 2)], -1))


def test_an_array_sets_the_grid_before_a_texture(device, lib):
    out = mp.zeros((4, 4), device=device)
    lib.look(mp.texture(np.eye(4, dtype=np.float32), device=device), mp.Sampler(device=device), out[:2].reshape(8)[:4])
    assert out.numpy()[:, 0].tolist() == [1, 0, 0, 0]
    assert (out.numpy()[:, 3] == 1).all()  # four threads, and not those of the image


@pytest.mark.parametrize(("name", "arguments", "error", "message"), [
    ("add", lambda d: (mp.texture((2, 2), "r32Float", device=d), 1), TypeError, "needs argument 'b'"),
    ("add", lambda d: (np.zeros((2, 2)), 1, None), TypeError, r"'a'.*needs a texture, got a NumPy array.*metalpy.texture\(x\)"),
    ("add", lambda d: (mp.zeros((2, 2), device=d), 1, None), TypeError, "'a'.*needs a texture, got a float32 array"),
    ("add", lambda d: (mp.texture((2, 2, 2), "r32Float", device=d), 1, None), TypeError, "'a'.*of type '3d'"),
    ("add", lambda d: (mp.texture((2, 2), "r32Uint", device=d), 1, None), TypeError, "r32Uint, whose texels are uint"),
    ("add", lambda d: (mp.texture((2, 2), "r32Float", device=d), 1, mp.texture((2, 2), "depth32Float", device=d)),
     TypeError, "'b'.*depth32Float, which kernels cannot write"),
    ("look", lambda d: (mp.texture((2, 2), "r32Float", device=d), None, mp.zeros(4, device=d)), TypeError,
     "'s'.*needs a metalpy.Sampler, got a NoneType"),
    ("look", lambda d: (mp.texture((2, 2), "r32Float", device=d), 3, mp.zeros(4, device=d)), TypeError, "'s'.*Sampler"),
])  # fmt: skip
def test_wrong_arguments(device, lib, name, arguments, error, message):
    with pytest.raises(mp.LaunchTypeError, match=message) as raised:
        lib[name](*arguments(device), threads=1)
    assert isinstance(raised.value, error)


def test_read_only_memory_is_not_written(device, lib):
    page = mmap.mmap(-1, 64 * 64 * 4)  # an Apple GPU shares whole pages only
    host = np.frombuffer(page, np.float32).reshape(64, 64)
    host.flags.writeable = False
    shared = mp.texture(mp.array(host, copy=False, device=device), copy=False)
    with pytest.raises(mp.LaunchTypeError, match="read-only"):
        lib.add(shared, 1, shared)


def test_no_grid(device):
    kernel = compile_shader(HEAD + "kernel void k(sampler s) {}").k
    with pytest.raises(mp.MetalError, match="no Array or Texture"):
        kernel(mp.Sampler(device=device))


def test_a_texture_over_an_array(device, lib):
    array = mp.zeros((3, 4, 4), device=device)
    shared = mp.texture(array, copy=False)
    assert shared.nbytes == array.nbytes and shared.device is array.device
    lib.add(mp.texture(np.ones((3, 4), np.float32), device=device), 1, shared)
    assert (array.numpy() == [2, 1, 1, 2]).all()  # waits, though the array itself was never launched
    array[0] = 7
    assert (shared.numpy()[0] == 7).all()
    rows = mp.texture(array[1:], copy=False)
    assert rows.shape == (2, 4, 4) and (rows.numpy() == [2, 1, 1, 2]).all()
    flat = mp.texture(array.reshape(-1), copy=False, texture_type="buffer")
    assert flat.width == 48


def test_work_in_flight_keeps_textures(device, lib):
    image = np.random.default_rng(3).uniform(size=(256, 256)).astype(np.float32)
    out = mp.texture((256, 256), "r32Float", device=device)
    steps = 30
    current = mp.texture(image, device=device)
    for _ in range(steps):
        following = mp.texture((256, 256), "r32Float", device=device)
        lib.add(current, 1, following)
        current = following  # the one before is dropped with its work on the way
    lib.add(current, 0, out)
    del current, following
    other = [mp.texture(np.zeros((256, 256), np.float32), device=device) for _ in range(4)]  # may take memory again
    expected = image
    for _ in range(steps):
        expected = expected + np.float32(1)
    np.testing.assert_array_equal(out.numpy(), expected)
    del other


def test_memory_is_accounted(device):
    """Metal keeps the memory of textures itself, so there the pool does not know it."""

    def in_use():
        return device.allocated_size if device.driver == "metal" else pool.pool(device).statistics()["allocated_bytes"]

    gc.collect()
    before = in_use()
    made = mp.texture((1000, 1000), "rgba8Unorm", device=device)
    assert in_use() - before >= made.nbytes == 4_000_000
    del made
    assert in_use() == before


def test_out_of_memory(device):
    with pytest.raises(mp.OutOfMemoryError):
        mp.texture((2048, 16384, 16384), "rgba32Float", texture_type="2d_array", device=device)


def test_streams_and_mipmaps_keep_the_order(device, lib):
    image = np.zeros((64, 64), np.float32)
    a = mp.texture(image, mipmap_level_count=None, device=device)
    lib.add(mp.texture(image, device=device), 3, a)
    a.generate_mipmaps()
    lib.add(mp.texture(image, device=device), 5, a)
    assert (a.numpy() == 5).all() and all((a.numpy(level) == 3).all() for level in range(1, 7))
