"""Texels, formats and samplers of the devices against the reference in tests/helpers/images.py."""

import numpy as np
import pytest

import metalpy as mp
from metalpy._core.texture import PIXEL_FORMATS
from tests.helpers import images
from tests.helpers.textures import library, points, pyramid

FORMATS = sorted(PIXEL_FORMATS)
SCALARS = {"float": ["float", "half"], "int": ["int", "short"], "uint": ["uint", "ushort"]}
NUMPY = {"float": np.float32, "half": np.float16, "int": np.int32, "short": np.int16, "uint": np.uint32}
NUMPY["ushort"] = np.uint16
KINDS = [(name, scalar) for name in FORMATS for scalar in SCALARS[images.Format(name).components]]
# Packed floats have tests of their own.
WRITABLE = [kind for kind in KINDS if not kind[0].startswith(("depth", "rg11", "rgb9"))]
ADDRESSES = ["clamp_to_edge", "repeat", "mirrored_repeat", "clamp_to_zero", "clamp_to_border"]
# "MTLReadWriteTextureTier2": what one kernel may read and write on an Apple GPU.
TIER_2 = {"r32Float", "r32Uint", "r32Sint"} | {
    f"{channels}{bits}{kind}" for channels in ("r", "rgba") for bits in (8, 16, 32)
    for kind in ("Uint", "Sint", "Unorm" if bits == 8 else "Float")
}  # fmt: skip
BORDERS = {"transparent_black": (0, 0, 0, 0), "opaque_black": (0, 0, 0, 1), "opaque_white": (1, 1, 1, 1)}


def texel_kernels(scalar):
    return library(f"""
kernel void load(texture2d<{scalar}, access::read> t, device {scalar}4* out, uint2 at [[thread_position_in_grid]]) {{
  out[at.y * t.get_width() + at.x] = t.read(at);
}}
kernel void store(texture2d<{scalar}, access::write> t, device const {scalar}4* in,
                  uint2 at [[thread_position_in_grid]]) {{
  t.write(in[at.y * t.get_width() + at.x], at);
}}
kernel void update(texture2d<{scalar}, access::read_write> t, uint2 at [[thread_position_in_grid]]) {{
  {scalar}4 v = t.read(at);
  t.write(v.wzyx, at);
  t.fence();
}}
kernel void look(texture2d<{scalar}> t, device {scalar}4* out, uint2 at [[thread_position_in_grid]]) {{
  constexpr sampler s(coord::pixel, filter::nearest);
  out[at.y * t.get_width() + at.x] = t.sample(s, float2(at) + 0.5);
}}
""")


def texels_of(name, device, rng, shape=(19, 23)):
    raw = images.Format(name).random(rng, shape)
    return raw, mp.texture(raw, name, device=device)


def assert_components(got, expected, scalar):
    if NUMPY[scalar] is np.float32:
        np.testing.assert_array_max_ulp(got, expected.astype(np.float32), 1)
    elif NUMPY[scalar] is np.float16:
        with np.errstate(over="ignore"):
            np.testing.assert_array_equal(got, expected.astype(np.float32).astype(np.float16))
    else:  # 32-bit texels lose their upper half in 16-bit types
        np.testing.assert_array_equal(got, expected.astype(np.int64).astype(NUMPY[scalar]))


@pytest.mark.parametrize(("name", "scalar"), KINDS)
def test_reading(device, rng, name, scalar):
    raw, texture = texels_of(name, device, rng)
    out = mp.zeros((*raw.shape[:2], 4), dtype=NUMPY[scalar], device=device)
    kernels = texel_kernels(scalar)
    for kernel in (kernels.load, kernels.look):
        out.fill(7)
        kernel(texture, out, threads=raw.shape[1::-1])
        assert_components(out.numpy(), images.decode(name, raw), scalar)
    assert (texture.numpy() == raw).all()


def interesting(scalar, rng, shape):
    """Numbers around every limit, ties, and what is no number."""
    dtype = NUMPY[scalar]
    if scalar in ("float", "half"):
        values = rng.normal(size=(*shape, 4)) * rng.choice([0.3, 1, 300, 1e5], size=(*shape, 4))
        special = [0.5 / 255, 1.5 / 255, 2.5 / 1023, 1, -1, 0, -0.0, 1e-7, 3e-6, 65504, 7e4, np.inf, -np.inf, np.nan]
        special += [0.0031308, 0.00313, 0.2, 0.5, -0.5, 254.5 / 255, 0.7 / 127, 127.5 / 255]
        flat = values.reshape(-1)
        flat[: len(special)] = special
        flat[len(special) : 200] = rng.uniform(size=200 - len(special))
        with np.errstate(over="ignore"):
            return values.astype(dtype)
    limits = np.iinfo(dtype)
    values = rng.integers(limits.min, limits.max, (*shape, 4), dtype=dtype, endpoint=True)
    small = rng.integers(-300 if limits.min else 0, 300, (*shape, 4)).astype(dtype)
    return np.where(rng.integers(0, 2, values.shape), values, small)


def as_kernel_sees(values, scalar):
    """Components in the kernel's type, as wide as the device converts them from and to."""
    with np.errstate(over="ignore"):
        narrow = values.astype(np.float32 if scalar in ("float", "half") else np.int64).astype(NUMPY[scalar])
    return narrow.astype({"half": np.float32, "short": np.int32, "ushort": np.uint32}.get(scalar, NUMPY[scalar]))


@pytest.mark.parametrize(("name", "scalar"), WRITABLE)
def test_writing(device, rng, name, scalar):
    values = interesting(scalar, rng, (16, 12))
    texture = mp.texture((16, 12), name, device=device)
    texel_kernels(scalar).store(texture, mp.array(values, device=device), threads=(12, 16))
    np.testing.assert_array_equal(texture.numpy(), images.encode(name, as_kernel_sees(values, scalar)))


@pytest.mark.parametrize(("name", "scalar"), WRITABLE)
def test_reading_and_writing(device, rng, name, scalar):
    raw, texture = texels_of(name, device, rng)
    if device.driver == "metal" and name not in TIER_2:
        with pytest.raises(mp.UnsupportedError, match="reads and writes texture\\(0\\), which this GPU cannot"):
            texel_kernels(scalar).update(texture)
        return
    texel_kernels(scalar).update(texture)
    expected = images.encode(name, as_kernel_sees(images.decode(name, raw), scalar)[..., ::-1])
    np.testing.assert_array_equal(texture.numpy(), expected)


@pytest.mark.parametrize(("name", "codes"), [("r16Float", 0x7C00), ("r8Unorm", 255), ("r16Unorm", 65535), ("r8Snorm", 127),
                                             ("r16Snorm", 32767)])  # fmt: skip
def test_ties(device, name, codes):
    """Halfway between every two neighbouring codes, and next to that."""
    stored = images.Format(name).dtype
    counted = np.arange(codes + 1)
    texels = counted.astype(np.uint16).view(stored) if name == "r16Float" else counted.astype(stored)
    texels = texels[:codes] if name == "r16Float" else texels  # the last code is infinite
    exact = images.decode(name, texels)[..., 0]
    middle = ((exact[:-1] + exact[1:]) / 2).astype(np.float32)
    around = [middle, np.nextafter(middle, np.float32(0)), np.nextafter(middle, np.float32(9e9))]
    values = np.zeros((len(middle) // 9, 27, 4), np.float32)
    values[..., 0] = np.stack(around, -1)[: len(middle) // 9 * 9].reshape(-1, 27)
    texture = mp.texture(values.shape[:2], name, device=device)
    texel_kernels("float").store(texture, mp.array(values, device=device), threads=values.shape[1::-1])
    np.testing.assert_array_equal(texture.numpy(), images.encode(name, values))


@pytest.mark.parametrize("name", ["rg11b10Float", "rgb9e5Float"])
def test_small_floats_round_trip(device, rng, name):
    """Each value is written as itself, and one between two of them as the nearer."""
    raw, _ = texels_of(name, device, rng, (64, 64))
    values = images.decode(name, raw).astype(np.float32)
    out = mp.texture((64, 64), name, device=device)
    texel_kernels("float").store(out, mp.array(values, device=device), threads=(64, 64))
    np.testing.assert_array_equal(images.decode(name, out.numpy()), values)
    if name == "rg11b10Float":
        assert (out.numpy() == raw).all()
    mantissa = 6 if name == "rg11b10Float" else 9
    shifted = values * np.float32(1 + 0.4 * 2.0**-mantissa * 0.5)
    texel_kernels("float").store(out, mp.array(shifted, device=device), threads=(64, 64))
    largest = values[..., :3].max(-1, keepdims=True)
    got = images.decode(name, out.numpy())[..., :3]
    unit = np.maximum(largest if name == "rgb9e5Float" else values[..., :3], 2.0**-14) * 2.0 ** -(mantissa - 2)
    assert (np.abs(got - shifted[..., :3]) <= unit).all()


def test_small_floats_out_of_range(device):
    values = np.array([[[-1, np.inf, 1e9, 0], [np.nan, 65535, 65024, 0]]], np.float32)
    out = mp.texture((1, 2), "rg11b10Float", device=device)
    texel_kernels("float").store(out, mp.array(values, device=device), threads=(2, 1))
    word = out.numpy()[0]
    assert [int(w) & 2047 for w in word] == [0, 0x7C1]
    assert [int(w) >> 11 & 2047 for w in word] == [0x7C0, 0x7BF]  # infinite; finite stays finite
    assert [int(w) >> 22 for w in word] == [0x3DF, 0x3DF]
    out = mp.texture((1, 2), "rgb9e5Float", device=device)
    texel_kernels("float").store(out, mp.array(values, device=device), threads=(2, 1))
    np.testing.assert_array_equal(
        images.decode("rgb9e5Float", out.numpy())[0, :, :3], [[0, 65408, 65408], [0, 65408, 65024]]
    )


def test_outside_reads_zero_and_writes_nothing(device):
    kernel = library("""
kernel void k(texture2d<float, access::read_write> t, device float4* out, uint2 at [[thread_position_in_grid]]) {
  out[at.y * 8 + at.x] = t.read(at);
  if (at.x >= 3 || at.y >= 2) t.write(float4(9), at);
  t.write(float4(9), at, 1);
}
""").k
    image = np.ones((2, 3, 4), np.float32)
    texture, out = mp.texture(image, device=device), mp.zeros((8, 8, 4), device=device)
    kernel(texture, out, threads=(8, 8))
    expected = np.zeros((8, 8, 4))
    expected[:2, :3] = 1
    assert (out.numpy() == expected).all() and (texture.numpy() == 1).all()


@pytest.mark.parametrize(("kind", "index"), [("texture2d_array", "at.z"), ("texturecube", "at.z"), ("texture3d", None)])
def test_outside_of_images(device, kind, index):
    """Behind the last element of an array, the last face and the last plane there is nothing."""
    place = f"at.xy, {index}" if index else "at"
    kernel = library(f"""
kernel void k({kind}<float, access::read_write> t, device float4* out, uint3 at [[thread_position_in_grid]]) {{
  out[at.z * 4 + at.y * 2 + at.x] = t.read({place});
  if (at.z >= 6) t.write(float4(9), {place});
}}
""").k
    texture = mp.texture(np.ones((6, 2, 2), np.float32), texture_type=kind.removeprefix("texture"), device=device)
    out = mp.full((9, 4, 4), 5.0, device=device)
    kernel(texture, out, threads=(2, 2, 9))
    assert (out.numpy()[:6] == [1, 0, 0, 1]).all() and (out.numpy()[6:] == 0).all()
    assert (texture.numpy() == 1).all()


# ---- samplers ----

AXES = {"1d": "float", "2d": "float2", "3d": "float3"}
LOOK = """
kernel void look(texture{axes}<float> t, sampler s, device const packed_float3* at, device float4* out,
                 uint i [[thread_position_in_grid]]) {{
  out[i] = t.sample(s, float3(at[i]){swizzle}{offset});
}}
"""


def look(axes, offset=None):
    swizzle = {"1d": ".x", "2d": ".xy", "3d": ""}[axes]
    return library(LOOK.format(axes=axes, swizzle=swizzle, offset=f", {offset}" if offset else "")).look


def image_of(axes, rng, channels=4):
    shape = {"1d": (11,), "2d": (7, 11), "3d": (5, 7, 11)}[axes]
    return rng.uniform(-1, 1, (*shape, channels)).astype(np.float32)


def away_from_edges(at, extents, normalized=True):
    """Moves coordinates off the boundaries between texels, where one rounding decides."""
    scaled = at.astype(np.float64) * (np.array(extents) if normalized else 1)
    near = np.abs(scaled - np.rint(scaled)) < 1e-2
    return np.where(near, at + np.float32(0.03) / (np.array(extents, np.float32) if normalized else 1), at).astype(
        np.float32
    )


@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize("filter", ["nearest", "linear"])
@pytest.mark.parametrize("address", [*ADDRESSES, "mirror_clamp_to_edge"])
def test_host_samplers(device, rng, axes, filter, address):
    image = image_of(axes, rng)
    sampler = mp.Sampler(filter, filter, address_mode=address, border_color="opaque_white", device=device)
    at = points(rng)
    at[4:7] = 0.25  # so far away neighbouring floats are texels apart
    at = away_from_edges(at, (11, 7, 5))
    out = mp.zeros((len(at), 4), device=device)
    texture = mp.texture(image, texture_type=axes, device=device)
    look(axes)(texture, sampler, mp.array(at, device=device), out, threads=len(at))
    border = (1, 1, 1, 1) if address == "clamp_to_border" else (0, 0, 0, 0)
    expected = images.sample(image, at, filter=filter, address=address, border=border)
    np.testing.assert_allclose(out.numpy(), expected, atol=1e-5 if filter == "linear" else 0)


def test_mixed_address_modes(device, rng):
    image = image_of("3d", rng)
    modes = ("repeat", "clamp_to_zero", "mirrored_repeat")
    at = away_from_edges(points(rng)[8:], (11, 7, 5))
    out = mp.zeros((len(at), 4), device=device)
    sampler = mp.Sampler("linear", "linear", address_mode=modes, device=device)
    look("3d")(mp.texture(image, device=device), sampler, mp.array(at, device=device), out, threads=len(at))
    np.testing.assert_allclose(out.numpy(), images.sample(image, at, filter="linear", address=modes), atol=1e-5)


@pytest.mark.parametrize("filter", ["nearest", "linear"])
@pytest.mark.parametrize("address", ["clamp_to_edge", "clamp_to_zero", "clamp_to_border"])
def test_coordinates_in_texels(device, rng, filter, address):
    image = image_of("2d", rng)
    at = away_from_edges(points(rng, low=-5, high=17)[8:], (1, 1, 1))
    out = mp.zeros((len(at), 4), device=device)
    sampler = mp.Sampler(filter, filter, address_mode=address, normalized_coordinates=False, device=device)
    look("2d")(mp.texture(image, device=device), sampler, mp.array(at, device=device), out, threads=len(at))
    expected = images.sample(image, at, filter=filter, address=address, normalized=False)
    np.testing.assert_allclose(out.numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("name", ["r8Unorm", "rg16Float", "rgba8Unorm", "rg11b10Float", "a8Unorm", "rgba32Float"])
@pytest.mark.parametrize("color", BORDERS)
def test_border_colors(device, rng, name, color):
    """Components that the format lacks are 0 and 1 outside, too."""
    raw = images.Format(name).random(rng, (4, 4))
    out = mp.zeros((1, 4), device=device)
    sampler = mp.Sampler(address_mode="clamp_to_border", border_color=color, device=device)
    look("2d")(mp.texture(raw, name, device=device), sampler, mp.array(np.full((1, 3), 5, np.float32), device=device), out,
               threads=1)  # fmt: skip
    lacking = (0, 0, 0, 1)
    expected = [BORDERS[color][i] if "rgba"[i] in images.Format(name).channels else lacking[i] for i in range(4)]
    assert out.numpy().tolist() == [expected]


@pytest.mark.parametrize("axes", ["2d", "3d"])
def test_offsets(device, rng, axes):
    image = image_of(axes, rng)
    at = away_from_edges(points(rng)[8:], (11, 7, 5))
    out = mp.zeros((len(at), 4), device=device)
    offset = "int2(-3, 2)" if axes == "2d" else "int3(-3, 2, 1)"
    sampler = mp.Sampler("linear", "linear", address_mode="repeat", device=device)
    look(axes, offset)(mp.texture(image, device=device), sampler, mp.array(at, device=device), out, threads=len(at))
    expected = images.sample(image, at, filter="linear", address="repeat", offset=(-3, 2, 1))
    np.testing.assert_allclose(out.numpy(), expected, atol=1e-5)


@pytest.mark.parametrize(("filter", "address", "color"), [
    (filter, address, "opaque_black") for filter in ("nearest", "linear") for address in ADDRESSES
] + [("linear", "clamp_to_border", color) for color in BORDERS])  # fmt: skip
def test_constexpr_samplers(device, rng, filter, address, color):
    """The same sampler said in the source and by the host gives the same texels."""
    kernel = library(f"""
constexpr sampler outside(coord::normalized, address::{address}, filter::{filter}, border_color::{color});
kernel void k(texture2d<float> t, device const packed_float3* at, device float4* out, device float4* again,
              uint i [[thread_position_in_grid]]) {{
  constexpr sampler inside(s_address::{address}, t_address::{address}, min_filter::{filter}, mag_filter::{filter},
                           border_color::{color}, lod_clamp(0.0f, MAXFLOAT), max_anisotropy(4));
  out[i] = t.sample(outside, float3(at[i]).xy);
  again[i] = t.sample(inside, float3(at[i]).xy);
}}
""").k
    image, at = image_of("2d", rng), points(rng)
    texture, place = mp.texture(image, device=device), mp.array(at, device=device)
    results = [mp.zeros((len(at), 4), device=device) for _ in range(3)]
    sampler = mp.Sampler(filter, filter, address_mode=address, border_color=color, device=device)
    kernel(texture, place, *results[:2], threads=len(at))
    look("2d")(texture, sampler, place, results[2], threads=len(at))
    assert (results[0].numpy() == results[2].numpy()).all() and (results[1].numpy() == results[2].numpy()).all()


def test_coordinates_that_are_no_numbers(device, rng):
    at = np.array([[np.nan, 0, 0], [np.inf, 0, 0], [-np.inf, np.nan, 0]], np.float32)
    out = mp.zeros((3, 4), device=device)
    for filter in ("nearest", "linear"):
        sampler = mp.Sampler(filter, filter, address_mode="repeat", device=device)
        look("2d")(mp.texture(image_of("2d", rng), device=device), sampler, mp.array(at, device=device), out, threads=3)
        assert (np.abs(out.numpy()) <= 1).all()


# ---- levels of detail ----


LEVELS = """
kernel void at_level(texture2d<float> t, sampler s, device const packed_float3* at, device float4* out,
                     uint i [[thread_position_in_grid]]) { out[i] = t.sample(s, float3(at[i]).xy, level(at[i].z)); }
kernel void by_gradient(texture2d<float> t, sampler s, device const packed_float3* at, device float4* out,
                        uint i [[thread_position_in_grid]]) {
  float texels = exp2(at[i].z) / t.get_width();
  out[i] = t.sample(s, float3(at[i]).xy, gradient2d(float2(0.6, 0.8) * texels, float2(0, texels) * 0.5));
}
kernel void at_least(texture2d<float> t, sampler s, device const packed_float3* at, device float4* out,
                     uint i [[thread_position_in_grid]]) {
  out[i] = t.sample(s, float3(at[i]).xy, level(0), min_lod_clamp(at[i].z));
}
kernel void read_level(texture2d<float> t, device float4* out, device uint* sizes, constant uint& lod,
                       uint2 at [[thread_position_in_grid]]) {
  out[at.y * t.get_width(lod) + at.x] = t.read(at, lod);
  sizes[0] = t.get_width(lod), sizes[1] = t.get_height(lod), sizes[2] = t.get_num_mip_levels();
}
"""


def sampled_levels(levels, at, lod, filters, mip_filter):
    """(n, 4): each lookup with its own level of detail; `filters` are those of levels above 0 and of level 0."""
    out = np.zeros((len(at), 4))
    for i, value in enumerate(lod):
        value = min(value, len(levels) - 1)
        filter = filters[0] if lod[i] > 0 else filters[1]
        chosen = {"none": [(0, 1.0)], "nearest": [(int(np.floor(value + 0.5)), 1.0)]}.get(mip_filter)
        if chosen is None:
            fine = int(np.floor(value))
            chosen = [(fine, 1 - value + fine), (min(fine + 1, len(levels) - 1), value - fine)]
        for number, weight in chosen:
            out[i] += weight * images.sample(levels[number], at[i : i + 1], filter=filter)[0]
    return out


@pytest.mark.parametrize("kernel", ["at_level", "by_gradient", "at_least"])
@pytest.mark.parametrize("mip_filter", ["none", "nearest", "linear"])
@pytest.mark.parametrize("filters", [("linear", "linear"), ("nearest", "linear"), ("linear", "nearest")])
def test_levels(device, rng, kernel, mip_filter, filters):
    texture, levels = pyramid(device, rng)
    at = away_from_edges(points(rng, low=0.02, high=0.98)[8:], (32, 32, 1))
    at[:, 2] = np.where(rng.integers(0, 4, len(at)) == 0, 0, rng.uniform(0.1, 6.5, len(at)))
    at[:, 2] = np.where(np.abs(at[:, 2] % 1 - 0.5) < 0.01, 1.25, at[:, 2])
    lod = np.minimum(at[:, 2].astype(np.float64), 6.5)
    out = mp.zeros((len(at), 4), device=device)
    sampler = mp.Sampler(*filters, mip_filter, device=device)
    getattr(library(LEVELS), kernel)(texture, sampler, mp.array(at, device=device), out, threads=len(at))
    if kernel == "by_gradient":  # rounding of the logarithm must not decide about the filter
        keep = at[:, 2] > 0
        at, lod, got = at[keep], lod[keep], out.numpy()[keep]
    else:
        got = out.numpy()
    np.testing.assert_allclose(got, sampled_levels(levels, at, lod, filters, mip_filter), atol=2e-5)


def test_level_clamps(device, rng):
    texture, levels = pyramid(device, rng)
    at = np.tile(np.array([[0.3, 0.7, 0]], np.float32), (4, 1))
    at[:, 2] = 0, 1, 2.5, 9
    out = mp.zeros((4, 4), device=device)
    sampler = mp.Sampler("linear", "linear", "linear", lod_clamp=(1.5, 3.25), device=device)
    library(LEVELS).at_level(texture, sampler, mp.array(at, device=device), out, threads=4)
    expected = sampled_levels(levels, at, [1.5, 1.5, 2.5, 3.25], ("linear", "linear"), "linear")
    np.testing.assert_allclose(out.numpy(), expected, atol=1e-5)
    look("2d")(texture, sampler, mp.array(at, device=device), out, threads=4)
    np.testing.assert_allclose(out.numpy(), expected[[0] * 4], atol=1e-5)


def test_reading_levels(device, rng):
    texture, levels = pyramid(device, rng)
    for number, level in enumerate(levels):
        out, sizes = mp.zeros(level.shape, device=device), mp.zeros(3, dtype=mp.uint32, device=device)
        library(LEVELS).read_level(texture, out, sizes, number, threads=level.shape[1::-1])
        assert (out.numpy() == level).all()
        assert sizes.tolist() == [32 >> number, 32 >> number, 6]


@pytest.mark.parametrize("shape", [(8, 8), (5, 9), (1, 16), (7, 1)])
@pytest.mark.parametrize("name", ["r32Float", "rgba8Unorm", "rgba8Unorm_srgb", "rg16Float"])
def test_generating_mipmaps(device, rng, shape, name):
    raw = images.Format(name).random(rng, shape)
    if images.Format(name).kind == "Float":
        raw = (rng.uniform(-1, 1, raw.shape)).astype(raw.dtype)
    texture = mp.texture(raw, name, mipmap_level_count=None, device=device)
    texture.generate_mipmaps()
    assert texture.mipmap_level_count == max(shape).bit_length()
    for level in range(1, texture.mipmap_level_count):
        before = images.decode(name, texture.numpy(level - 1))
        height, width = max(shape[0] >> level, 1), max(shape[1] >> level, 1)
        mean = np.zeros((height, width, 4), np.float32)
        for y, x in np.ndindex(height, width):
            rows = before[2 * y : (2 * y + 2 if y + 1 < height else None)] if before.shape[0] > 1 else before
            mean[y, x] = rows[:, 2 * x : (2 * x + 2 if x + 1 < width else None)].mean((0, 1)) if before.shape[1] > 1 \
                else rows.mean((0, 1))  # fmt: skip
        got = texture.numpy(level).reshape(height, width, -1)
        mean = mean[..., : got.shape[-1]]
        if got.dtype.kind == "f":
            np.testing.assert_allclose(got, mean, rtol=2e-3 if name == "rg16Float" else 1e-6, atol=1e-6)
        else:  # the nearest code; ties may go either way after a mean in float
            if images.Format(name).is_srgb:
                mean[..., :3] = images.linear_to_srgb(mean[..., :3])
            np.testing.assert_allclose(got, mean * 255, rtol=0, atol=0.501)


def test_integers_have_no_mipmaps(device):
    texture = mp.texture((8, 8), "r8Uint", mipmap_level_count=2, device=device)
    with pytest.raises(mp.LaunchValueError, match="integers"):
        texture.generate_mipmaps()


# ---- gathering and comparing ----

GATHER = """
kernel void gather(texture2d<float> t, sampler s, device const packed_float3* at, device float4* out,
                   uint i [[thread_position_in_grid]]) {{
  out[i] = t.gather(s, float3(at[i]).xy, int2({dx}, {dy}), component::{component});
}}
"""


@pytest.mark.parametrize(("component", "offset"), [("x", (0, 0)), ("y", (2, -1)), ("w", (0, 3))])
@pytest.mark.parametrize("address", ["clamp_to_edge", "repeat", "clamp_to_zero"])
def test_gather(device, rng, component, offset, address):
    image, at = image_of("2d", rng), away_from_edges(points(rng)[8:], (22, 14, 1))
    out = mp.zeros((len(at), 4), device=device)
    kernel = library(GATHER.format(component=component, dx=offset[0], dy=offset[1])).gather
    sampler = mp.Sampler(address_mode=address, device=device)
    kernel(mp.texture(image, device=device), sampler, mp.array(at, device=device), out, threads=len(at))
    for number, (dx, dy) in enumerate([(0, 1), (1, 1), (1, 0), (0, 0)]):
        # The texel half a texel back is the upper left one of the four.
        back = at[:, :2].astype(np.float64) - 0.5 / np.array([11, 7])
        moved = (offset[0] + dx, offset[1] + dy, 0)
        expected = images.sample(image, back, address=address, offset=moved)
        np.testing.assert_array_equal(out.numpy()[:, number], expected[:, "xyzw".index(component)])


COMPARE = {
    "never": np.zeros_like, "always": np.ones_like,
    "less": lambda t: t > 0.4, "less_equal": lambda t: t >= 0.4, "greater": lambda t: t < 0.4,
    "greater_equal": lambda t: t <= 0.4, "equal": lambda t: t == 0.4, "not_equal": lambda t: t != 0.4,
}  # fmt: skip


@pytest.mark.parametrize("function", COMPARE)
@pytest.mark.parametrize("filter", ["nearest", "linear"])
def test_comparing(device, rng, function, filter):
    kernel = library(f"""
kernel void k(depth2d<float> t, sampler s, device const packed_float3* at, device float* out, device float4* gathered,
              device float* again, uint i [[thread_position_in_grid]]) {{
  constexpr sampler same(filter::{filter}, address::clamp_to_zero, compare_func::{function});
  out[i] = t.sample_compare(s, float3(at[i]).xy, 0.4f);
  again[i] = t.sample_compare(same, float3(at[i]).xy, 0.4f, level(0), int2(0));
  gathered[i] = t.gather_compare(s, float3(at[i]).xy, 0.4f);
}}
""").k
    depth = np.where(rng.integers(0, 3, (7, 11)) == 0, 0.4, rng.uniform(size=(7, 11))).astype(np.float32)
    at = away_from_edges(points(rng)[8:], (22, 14, 1))
    out, again = (mp.zeros(len(at), device=device) for _ in range(2))
    gathered = mp.zeros((len(at), 4), device=device)
    sampler = mp.Sampler(filter, filter, address_mode="clamp_to_zero", compare_function=function, device=device)
    texture = mp.texture(depth, "depth32Float", device=device)
    kernel(texture, sampler, mp.array(at, device=device), out, gathered, again, threads=len(at))

    def compare(texels):
        return COMPARE[function](np.where(texels == np.float32(0.4), 0.4, texels)).astype(float)

    expected = images.sample(depth[..., None], at, filter=filter, address="clamp_to_zero", border=(0,), compare=compare)
    np.testing.assert_allclose(out.numpy(), expected[:, 0], atol=1e-5)
    assert (again.numpy() == out.numpy()).all()
    assert set(np.unique(gathered.numpy())) <= {0.0, 1.0}
    linear = images.sample(depth[..., None], at, filter="linear", address="clamp_to_zero", border=(0,), compare=compare)
    every, none = linear[:, 0] > 1 - 1e-9, linear[:, 0] < 1e-9
    assert (gathered.numpy()[every] == 1).all() and (gathered.numpy()[none] == 0).all()


def test_depth_textures(device, rng):
    kernel = library("""
kernel void k(depth2d<float> t, device float* out, uint2 at [[thread_position_in_grid]]) {
  constexpr sampler s(coord::pixel);
  out[at.y * 11 + at.x] = t.read(at) + t.sample(s, float2(at) + 0.5);
}
""").k
    for name in ("depth32Float", "depth16Unorm"):
        raw = images.Format(name).random(rng, (7, 11))
        raw = np.abs(raw) % 1 if name == "depth32Float" else raw
        out = mp.zeros((7, 11), device=device)
        kernel(mp.texture(raw, name, device=device), out, threads=(11, 7))
        np.testing.assert_allclose(out.numpy(), 2 * images.decode(name, raw)[..., 0], rtol=1e-6)
