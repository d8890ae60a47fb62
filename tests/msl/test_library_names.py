"""Names of Metal's library that few programs use, found missing in public ones."""

from __future__ import annotations

import numpy as np
import pytest

import metalpy as mp
from metalpy.mps import compile_shader
from tests.helpers import images

pytestmark = pytest.mark.usefixtures("device")

HEAD = "#include <metal_stdlib>\nusing namespace metal;\n"


def test_the_library_without_an_include():
    """As Metal has it for programs that are compiled at run time; types' names need no namespace either."""
    lib = compile_shader("""
struct Spec { vector_float2 a; vector_uint3 b; };
kernel void f(device float* out, constant Spec& spec) {
  threadgroup_barrier(metal::mem_flags::mem_device_and_threadgroup);
  *out = spec.a.y + spec.b.z + metal::rotate(0x80000001u, 1u) + simd::max(spec.a, vector_float2(3)).x;
}""")
    out = mp.zeros(1)
    lib.f(out, {"a": (1, 0.5), "b": (1, 2, 7)})
    assert out.item() == 0.5 + 7 + 3 + 3


def test_vectors_of_one():
    lib = compile_shader(f"""{HEAD}
template <class T, int N> float4 wide(vec<T, N> v);
template <> float4 wide(vec<float, 1> v) {{ return v.xxxx; }}
kernel void f(device packed_vec<half, 1>* h, const device vec<float, 1>* in, device float4* out,
              uint i [[thread_position_in_grid]]) {{
  vec<float, 1> v = in[i];
  v += 2;
  v = v * v - 1;
  v[0] += 1;
  h[i] = packed_vec<half, 1>(half(v.x));
  if ((v < 20).x) v = max(v, vec<float, 1>(9));
  out[i] = wide(v) + (-v).rr.xyxy / 2;
}}""")
    x = np.arange(5, dtype=np.float32)
    h, out = mp.zeros(5, dtype=np.float16), mp.zeros((5, 4))
    lib.f(h, mp.array(x), out)
    squares = (x + 2) ** 2
    assert h.tolist() == squares.tolist()
    raised = np.where(squares < 20, np.maximum(squares, 9), squares)
    np.testing.assert_array_equal(out.numpy(), np.repeat(raised[:, None] / 2, 4, axis=1))


def test_tessellation_factors():
    lib = compile_shader(f"""{HEAD}
kernel void f(device MTLQuadTessellationFactorsHalf* quads, device MTLTriangleTessellationFactorsHalf* triangles,
              uint i [[thread_position_in_grid]]) {{
  for (int k = 0; k < 4; ++k) quads[i].edgeTessellationFactor[k] = 10 * i + k;
  for (int k = 0; k < 2; ++k) quads[i].insideTessellationFactor[k] = 10 * i + 4 + k;
  for (int k = 0; k < 3; ++k) triangles[i].edgeTessellationFactor[k] = 10 * i + k;
  triangles[i].insideTessellationFactor = 10 * i + 3;
}}""")
    quads, triangles = mp.zeros((4, 6), dtype=np.float16), mp.zeros((4, 4), dtype=np.float16)
    lib.f(quads, triangles, threads=4)
    rows = 10 * np.arange(4)[:, None]
    np.testing.assert_array_equal(quads.numpy(), rows + np.arange(6))
    np.testing.assert_array_equal(triangles.numpy(), rows + np.arange(4))


def test_arguments_of_indirect_commands():
    """In the layouts that the host's commands read."""
    lib = compile_shader(f"""{HEAD}
kernel void f(device MTLDispatchThreadgroupsIndirectArguments* groups, device MTLDispatchThreadsIndirectArguments* all,
              device MTLDrawPrimitivesIndirectArguments* draw, device MTLDrawIndexedPrimitivesIndirectArguments* indexed,
              device MTLStageInRegionIndirectArguments* region, device MTLDrawPatchIndirectArguments* patch) {{
  groups->threadgroupsPerGrid[2] = 1;
  all->threadsPerThreadgroup[1] = 2;
  draw->baseInstance = 3;
  indexed->baseVertex = -4;
  indexed->baseInstance = 5;
  region->stageInSize[0] = 6;
  patch->patchStart = 7;
}}""")
    words = [mp.zeros(n, dtype=np.uint32) for n in (3, 6, 4, 5, 6, 4)]
    lib.f(*(w.view(np.uint8) for w in words), threads=1)
    right = {(0, 2): 1, (1, 4): 2, (2, 3): 3, (3, 3): 2**32 - 4, (3, 4): 5, (4, 3): 6, (5, 2): 7}
    assert {(n, i): x for n, w in enumerate(words) for i, x in enumerate(w.tolist()) if x} == right


def test_sparse_lookups():
    """Every texel is resident."""
    lib = compile_shader(f"""{HEAD}
kernel void f(texture2d<float> t, depth2d<float> d, device float4* out) {{
  constexpr sampler s(filter::linear), c(compare_func::less);
  const sparse_color<float4> color = t.sparse_sample(s, float2(0.5), level(0));
  out[0] = color.resident() ? color.value() : float4(-1);
  out[1] = t.sparse_gather(s, float2(0.5)).value();
  out[2].x = d.sparse_sample(s, float2(0.5)).value();
  out[2].y = d.sparse_sample_compare(c, float2(0.5), 2).value();
}}""")
    image = np.array([[1, 2], [3, 6]], np.float32)
    out = mp.zeros((3, 4))
    lib.f(mp.texture(image), mp.texture(image, "depth32Float"), out)
    assert out.tolist() == [[3, 0, 0, 1], [3, 6, 2, 1], [3, 1, 0, 0]]


PIXELS = {
    "r8unorm<float>": (np.uint8, 1, 255),
    "rg8unorm<half2>": (np.uint8, 2, 255),
    "rgba8unorm<float4>": (np.uint8, 4, 255),
    "rg8snorm<float2>": (np.int8, 2, 127),
    "r16unorm<float>": (np.uint16, 1, 65535),
    "rgba16unorm<float4>": (np.uint16, 4, 65535),
    "rgba16snorm<float4>": (np.int16, 4, 32767),
}


@pytest.mark.parametrize("pixel", PIXELS)
def test_pixel_types(pixel):
    """Memory in a pixel format, in structures and arrays, read and written as floats."""
    dtype, count, scale = PIXELS[pixel]
    value = pixel.partition("<")[2].rstrip(">")
    floats = {1: "float", 2: "packed_float2", 4: "packed_float4"}[count]
    lib = compile_shader(f"""{HEAD}
struct Pixel {{ {pixel} color; }};
kernel void read(const device Pixel* in, device {floats}* out, uint i [[thread_position_in_grid]]) {{
  const {value} v = in[i].color;
  out[i] = {floats}(v);
}}
kernel void write(device Pixel* out, const device {floats}* in, uint i [[thread_position_in_grid]]) {{
  out[i].color = {value}(in[i]);
}}""")
    limits = np.iinfo(dtype)
    stored = np.random.default_rng(3).integers(limits.min, limits.max, (50, count), dtype=dtype, endpoint=True)
    read = mp.zeros((50, count))
    lib.read(mp.array(stored), read, threads=50)
    tolerance = 1e-3 if "half" in pixel else 1e-7
    np.testing.assert_allclose(read.numpy(), np.maximum(stored / scale, -1), atol=tolerance)
    written = mp.zeros((50, count), dtype=dtype)
    given = np.random.default_rng(4).uniform(-1.5, 1.5, (50, count)).astype(np.float32)
    if "half" in pixel:
        given = given.astype(np.float16).astype(np.float32)
    lib.write(written, mp.array(given), threads=50)
    low = -1 if limits.min < 0 else 0
    exact = np.clip(given.astype(np.float64), low, 1) * scale
    assert np.abs(written.numpy() - exact).max() <= 0.51  # the product rounds in float


def test_pixel_types_of_words():
    lib = compile_shader(f"""{HEAD}
static_assert(sizeof(rgb10a2<half4>) == 4 && sizeof(srgba8unorm<half4>) == 4, "");
kernel void f(device rgb10a2<float4>* words, device srgba8unorm<float4>* colors, const device float4* in,
              device float4* out) {{
  *words = *in;
  *colors = *in;
  out[0] = *words;
  out[1] = *colors;
}}""")
    words, colors, out = mp.zeros(1, dtype=np.uint32), mp.zeros(4, dtype=np.uint8), mp.zeros((2, 4))
    lib.f(words, colors, mp.array([1, 0.5, 0, 1], dtype=np.float32), out)
    assert words.item() == 1023 | 512 << 10 | 3 << 30
    assert colors.tolist() == [255, 188, 0, 255]
    np.testing.assert_allclose(out.numpy(), [[1, 512 / 1023, 0, 1], [1, 0.502887, 0, 1]], atol=1e-5)


@pytest.mark.parametrize("value", ["float", "half"])
@pytest.mark.parametrize(("pixel", "name"), [("rg11b10f", "rg11b10Float"), ("rgb9e5", "rgb9e5Float")])
def test_pixel_types_of_small_floats(pixel, name, value, rng):
    """Bit for bit what a texture of the format stores, and what it stands for."""
    lib = compile_shader(f"""{HEAD}
kernel void f(device {pixel}<{value}3>* words, const device float4* in, device float4* out,
              texture2d<float, access::write> t, uint i [[thread_position_in_grid]]) {{
  words[i] = {value}3(in[i].xyz);
  t.write(in[i], uint2(i, 0));
  out[i] = float4(float3({value}3(words[i])), 1);
}}""")
    values = np.exp2(rng.uniform(-20, 15.9, (4096, 4))) * rng.choice([1, 1, 1, 0, -1], (4096, 4))
    values[:3] = [[0, 1, 65504, 0], [65408, 1, 0.5, 0], [np.inf, np.nan, -0.0, 0]]
    values = values.astype(np.float16 if value == "half" else np.float32).astype(np.float32)
    words, out, texture = mp.zeros(4096, dtype=np.uint32), mp.zeros((4096, 4)), mp.texture((1, 4096), name)
    lib.f(words, mp.array(values), out, texture, threads=4096)
    np.testing.assert_array_equal(words.numpy(), texture.numpy()[0])
    usual = slice(3, None)  # neither infinite nor NaN
    stands_for = images.decode(name, words.numpy()[usual]).astype(np.float16 if value == "half" else np.float32)
    np.testing.assert_array_equal(out.numpy()[usual], stands_for)


def test_pixel_types_have_a_number_of_components():
    with pytest.raises(mp.CompileError, match="rg8unorm is read as a value of 2"):
        compile_shader(f"{HEAD}kernel void f(device rg8unorm<float4>* p) {{ p[0] = float4(1); }}")


def test_functions_of_fragment_functions():
    """They stand beside kernels, which may not reach them."""
    text = f"""{HEAD}
float line(float3 p) {{ return length(fwidth(p)); }}
half edge(half x) {{ if (x < 0 || !get_num_samples()) discard_fragment(); return dfdx(x) + dfdy(x); }}
fragment float4 shade(float4 p [[position]]) {{ return line(p.xyz) + edge(1) + get_sample_position(0).x; }}
kernel void f(device float* out) {{ *out = 4; }}
"""
    out = mp.zeros(1)
    compile_shader(text).f(out)
    assert out.item() == 4
    bad = "kernel void bad(device float* out) { *out = line(*out); }"
    with pytest.raises(mp.CompileError, match="'bad' calls 'derivatives_are_for_fragment_functions'"):
        compile_shader(text + bad)


def test_vectors_of_longer_ones():
    """The components that are left over go, where the program asks for it."""
    lib = compile_shader(f"""{HEAD}
kernel void f(device float* out, constant float4& v, uint3 i [[thread_position_in_grid]]) {{
  const float3 a = float3(v);
  const half2 b = half2(v), c = half2(float3(v.yzw));
  const int2 d = int2(i + 5);
  const packed_float3 e = packed_float3(v);
  const float all[] = {{a.x, a.y, a.z, b.x, b.y, c.x, c.y, float(d.x), float(d.y), e.x, e.z}};
  for (int k = 0; k < 11; ++k) out[k] = all[k];
}}""")
    out = mp.zeros(11)
    lib.f(out, (1, 2, 3, 4), threads=1)
    assert out.tolist() == [1, 2, 3, 1, 2, 2, 3, 5, 5, 1, 3]


def test_vectors_are_not_shortened_unasked():
    with pytest.raises(mp.CompileError, match=r"no viable conversion from '(const )?float4' to 'float3'"):
        compile_shader(f"{HEAD}kernel void f(device float3* out, constant float4& v) {{ float3 a = v; *out = a; }}")
