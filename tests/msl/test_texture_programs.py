"""Textures and samplers in programs: templates, arrays, function constants, argument buffers, threadgroups."""

import numpy as np
import pytest

import metalpy as mp
from metalpy.mps import compile_shader
from tests.helpers import images
from tests.helpers.case import library

pytestmark = pytest.mark.usefixtures("device")

HEAD = "#include <metal_stdlib>\nusing namespace metal;\n"


def lib():
    return library("textures")


def image(rng, *shape, dtype=np.float32):
    return rng.uniform(size=shape).astype(dtype)


def test_passed_to_functions(rng):
    x = image(rng, 5, 7, 4)
    target = mp.texture((5, 7), "rgba16Float")
    lib().passed(mp.texture(x), target, threads=(8, 8))
    np.testing.assert_array_equal(target.numpy(), x.astype(np.float16) * np.float16(2))


@pytest.mark.parametrize(("name", "dtype", "format"), [("float", np.float32, "rg32Float"), ("int", np.int16, "rg16Sint"),
                                                       ("ushort", np.uint8, "rg8Uint")])  # fmt: skip
def test_template_kernels(rng, name, dtype, format):
    x = (rng.uniform(-60 if name != "ushort" else 0, 60, (4, 6, 2))).astype(dtype)
    target = mp.texture((4, 6), format)
    kernel = library("texture_templates")[f"doubled_{name}"]
    kernel(mp.texture(x, format), target)
    np.testing.assert_array_equal(target.numpy(), 2 * x)
    access = "sample" if mp.device().driver == "metal" else "read"  # Metal tells no more than the source
    assert kernel.arguments[0].type.name == f"texture2d<{name}, access::{access}>"


def test_arrays_of_textures(rng):
    kernel = lib().several
    places = [(entry.name, entry.kind, entry.index) for entry in kernel.arguments]
    assert places == [("stack", "texture", 1), ("first", "texture", 0), ("last", "texture", 4),
                      ("samplers", "sampler", 0), ("out", "buffer", 0)]  # fmt: skip
    stack, first = [image(rng, 3, 4) for _ in range(3)], image(rng, 3, 4)
    last, out = mp.texture((3, 4), "r32Float"), mp.zeros((3, 4))
    edge = mp.Sampler(normalized_coordinates=False)
    zero = mp.Sampler(normalized_coordinates=False, address_mode="clamp_to_zero")
    kernel([mp.texture(x) for x in stack], mp.texture(first), last, (edge, zero), out, threads=(4, 3))
    expected = first.copy()
    for i, x in enumerate(stack):
        padded = np.pad(x, ((0, 1), (0, 1)), mode="constant" if i == 1 else "edge")
        expected += padded[1:, 1:] * np.float32(10.0**i)
    np.testing.assert_allclose(out.numpy(), expected, rtol=1e-5)
    np.testing.assert_array_equal(last.numpy(), out.numpy())


def test_gated_and_null_textures(rng):
    t, other, mask = (image(rng, 3, 4) for _ in range(3))
    for chosen in (False, True):
        kernel = lib().gated.specialize(has_mask=chosen)
        for present in (False, True):
            out = mp.zeros((3, 4))
            arguments = {"mask": mp.texture(mask)} if chosen else {}
            kernel(mp.texture(t), mp.texture(other) if present else None, out=out, threads=(4, 3), **arguments)
            expected = (t + other if present else t) * (mask if chosen else 1)
            np.testing.assert_allclose(out.numpy(), expected, rtol=1e-6)


def test_a_texture_that_is_gated_off_may_be_given(rng):
    t, mask = image(rng, 3, 4), image(rng, 3, 4)
    for given in (mp.texture(mask), None):
        out = mp.zeros((3, 4))
        lib().gated.specialize(has_mask=False)(mp.texture(t), None, given, out, threads=(4, 3))
        np.testing.assert_array_equal(out.numpy(), t)


def test_argument_buffers(rng):
    x = image(rng, 3, 4, 4)
    target = mp.texture((3, 4), "rgba32Float")
    how = mp.Sampler(normalized_coordinates=False)
    arguments = {"image": mp.texture(x), "how": how, "target": target, "scale": 3}
    lib().argument_buffer(arguments, threads=(4, 3))
    del arguments
    np.testing.assert_array_equal(target.numpy(), x * np.float32(3))
    with pytest.raises(mp.LaunchTypeError, match=r"field 'how'.*Sampler"):
        lib().argument_buffer({"image": mp.texture(x), "how": 3, "target": target, "scale": 3}, threads=1)
    with pytest.raises(mp.LaunchTypeError, match=r"field 'image'.*r32Uint"):
        wrong = mp.texture((2, 2), "r32Uint")
        lib().argument_buffer({"image": wrong, "how": how, "target": target, "scale": 3}, threads=1)


def test_samplers_of_every_kind(rng):
    x, out = image(rng, 2, 5), mp.zeros((6, 4))
    lib().samplers(
        mp.texture(x), mp.Sampler(address_mode="clamp_to_zero", normalized_coordinates=False), out, threads=6
    )
    np.testing.assert_array_equal(out.numpy()[:5], np.repeat(x[1][:, None], 4, 1))
    np.testing.assert_array_equal(out.numpy()[5], [0, 0, 0, x[1, 4]])


def test_threadgroups(rng):
    x = image(rng, 12, 16, 4, dtype=np.float16)
    out = mp.texture((3, 4), "rgba16Float")
    lib().tiles(mp.texture(x), out, threads=(16, 12), group_size=(4, 4))
    expected = x.astype(np.float32).reshape(3, 4, 4, 4, 4).mean((1, 3))
    np.testing.assert_allclose(out.numpy(), expected, rtol=1e-3)


def test_reading_back_what_was_written():
    t = mp.texture(np.ones((4, 4), np.float32))
    lib().accumulate(t)
    assert (t.numpy() == 11).all()


def test_integers(rng):
    x = rng.integers(-(2**15) + 1, 2**15, (4, 6), dtype=np.int16)
    out = mp.texture((4, 6), "r32Uint")
    lib().integers(mp.texture(x, "r16Sint"), out)
    np.testing.assert_array_equal(out.numpy(), np.abs(x.astype(np.int32)))


def test_simdgroup_functions(rng):
    x, out = image(rng, 3, 32), mp.zeros(3)
    lib().row_sums(mp.texture(x), out, threads=(32, 3), group_size=(32, 1))
    np.testing.assert_allclose(out.numpy(), x.sum(1), rtol=1e-5)


@pytest.mark.parametrize("size", [(9, 14), (5, 3), (1, 1)])
def test_resizing(rng, size):
    x = rng.integers(0, 256, (6, 7, 4), dtype=np.uint8)
    target = mp.texture(size, "rgba8Unorm")
    lib().resize(mp.texture(x), target, threads=(32, 32))
    v, u = np.mgrid[: size[0], : size[1]] + 0.5
    at = np.stack([u.ravel() / size[1], v.ravel() / size[0]], -1)
    expected = images.sample(images.decode("rgba8Unorm", x), at, filter="linear").reshape(*size, 4)
    np.testing.assert_allclose(target.numpy(), expected * 255, rtol=0, atol=0.501)


def test_sizes():
    out = mp.zeros(22, dtype=mp.uint32)
    lib().sizes(
        mp.texture((5,), "r32Float"), mp.texture((2, 6), "r16Float", texture_type="1d_array"),
        mp.texture((8, 12), "r32Sint", mipmap_level_count=3),
        mp.texture((4, 8, 8), "r8Uint", texture_type="2d_array", mipmap_level_count=None),
        mp.texture((6, 2, 2), "r8Unorm", mipmap_level_count=2), mp.texture((6, 7, 7), "r8Unorm", texture_type="cube"),
        mp.texture((3, 6, 7, 7), "r8Unorm", texture_type="cube_array"), mp.texture((9,), "r8Unorm", texture_type="buffer"),
        mp.texture((3, 4), "depth32Float"), mp.texture((3, 4, 4), "depth16Unorm", texture_type="2d_array"),
        mp.texture((8, 3, 4), "r8Unorm", texture_type="2d_ms"),
        mp.texture((6, 16, 16), "depth32Float", texture_type="cube", mipmap_level_count=None), out, threads=1,
    )  # fmt: skip
    assert out.tolist() == [5, 1, 6, 2, 12, 8, 3, 6, 2, 4, 6, 3, 7, 7, 3, 9, 3, 3, 8, 3, 16, 5]


REFUSALS = [
    ("texture2d<float, access::read> t", "t.write(0, p)", "cannot be written; declare it with access::write"),
    ("texture2d<float, access::write> t", "t.read(p)", "access::write cannot be read; declare it with access::read_write"),
    ("texture2d<float, access::read> t", "t.sample(sampler(coord::pixel), float2(p))", "need a texture with access::sample"),
    ("texture2d<float> t", "t.sample(sampler(filter::bicubic), float2(p))", "no member named 'bicubic'"),
    ("texture2d<float3> t", "t.read(p)", "float, half, int, uint, short, ushort or ulong"),
    ("texture2d<float> t [[texture(128)]]", "t.read(p)", "out of range: 0 to 127"),
    ("array<sampler, 9> t [[sampler(9)]]", "t.size()", "out of range: 0 to 15"),
    ("texture2d<float> t [[texture(1)]], array<texture2d<float>, 2> u [[texture(0)]]", "t.read(p)", "is taken by 't'"),
]  # fmt: skip


@pytest.mark.parametrize(("parameter", "use", "message"), REFUSALS)
def test_refusals(parameter, use, message):
    text = f"{HEAD}kernel void k({parameter},\n  uint2 p [[thread_position_in_grid]]) {{\n  {use};\n}}"
    with pytest.raises(mp.CompileError, match=message) as raised:
        compile_shader(text)
    first = raised.value.diagnostics[0]
    assert first.file == "program_source" and first.line in (3, 5)
    assert "__mp" not in str(raised.value)


def test_bias_is_for_fragment_functions():
    """A file may hold it, a kernel may not use it."""
    look = "t.sample(s, float2(0), bias(2))"
    fragment = f"fragment float4 shade(texture2d<float> t, sampler s) {{ return {look}; }}\n"
    x = mp.zeros(1)
    compile_shader(HEAD + fragment + "kernel void good(device float* x) { *x = 3; }").good(x)
    assert x.item() == 3
    bad = f"kernel void bad(texture2d<float> t, sampler s, device float* x) {{ *x = {look}.x; }}"
    with pytest.raises(mp.CompileError, match="'bad' calls 'bias_is_for_fragment_functions'"):
        compile_shader(HEAD + bad).bad(mp.texture((2, 2), "r8Unorm"), mp.Sampler(), x)


@pytest.mark.parametrize("name", ["bias", "level"])
def test_programs_with_such_names_of_their_own(name):
    text = (
        f"{HEAD}constant float {name} [[function_constant(0)]];\nkernel void k(device float* x) {{ *x = 2 * {name}; }}"
    )
    x = mp.zeros(1)
    compile_shader(text).k.specialize({name: 1.5})(x)
    assert x.item() == 3
