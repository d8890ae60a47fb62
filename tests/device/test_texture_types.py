"""Cubes, arrays of images, 1D and 3D textures, buffers and samples against the reference in tests/helpers/images.py."""

import numpy as np
import pytest

import metalpy as mp
from tests.helpers import images
from tests.helpers.textures import library, points, pyramid

# ---- cubes ----

CUBE = """
kernel void look(texturecube<float> t, sampler s, device const packed_float3* at, device float4* out,
                 uint i [[thread_position_in_grid]]) { out[i] = t.sample(s, at[i]); }
kernel void look_array(texturecube_array<float> t, sampler s, device const packed_float3* at, device float4* out,
                       uint i [[thread_position_in_grid]]) { out[i] = t.sample(s, at[i], 1, level(0)); }
kernel void faces(texturecube<float, access::read_write> t, device float4* out, uint3 at [[thread_position_in_grid]]) {
  float4 v = t.read(at.xy, at.z);
  out[(at.z * 8 + at.y) * 8 + at.x] = v;
  t.write(v + 1, at.xy, at.z);
}
kernel void by_gradient(texturecube<float> t, sampler s, device const packed_float3* at, device float4* out,
                        uint i [[thread_position_in_grid]]) {
  out[i] = t.sample(s, at[i], gradientcube(float3(0, 0.25, 0), float3(0)));
}
"""


def face_points(rng, low, high, count=60):
    """Directions through each face, with the coordinates there."""
    u, v = rng.uniform(low, high, (2, 6, count))
    return np.stack([images.direction(face, u[face], v[face]) for face in range(6)]), u, v


@pytest.mark.parametrize("filter", ["nearest", "linear"])
def test_cube_faces(device, rng, filter):
    image = rng.uniform(size=(6, 8, 8, 4)).astype(np.float32)
    edge = 0.001 if filter == "nearest" else 0.07
    directions, u, v = face_points(rng, edge, 1 - edge)
    directions *= rng.uniform(0.1, 9, (6, 60, 1))  # only the direction counts
    out = mp.zeros((6, 60, 4), device=device)
    sampler = mp.Sampler(filter, filter, device=device)
    library(CUBE).look(mp.texture(image, texture_type="cube", device=device), sampler,
                       mp.array(directions, dtype=mp.float32, device=device), out, threads=360)  # fmt: skip
    for face in range(6):
        at = np.stack([u[face], v[face]], -1)
        near = np.abs(at * 8 - np.rint(at * 8)).min(-1) < 1e-3
        expected = images.sample(image[face], at, filter=filter)
        np.testing.assert_allclose(out.numpy()[face][~near], expected[~near], atol=1e-5)


def test_cube_edges_are_seamless(device, rng):
    """A linear function of the direction comes back nearly as it is, across edges and corners too."""
    n = 32
    centers = (np.arange(n) + 0.5) / n
    v, u = np.meshgrid(centers, centers, indexing="ij")

    def function(directions):
        unit = directions / np.linalg.norm(directions, axis=-1, keepdims=True)
        return unit @ np.array([0.5, -0.3, 0.8])

    image = np.stack([function(images.direction(face, u, v)) for face in range(6)]).astype(np.float32)
    directions = rng.normal(size=(2000, 3))
    near_edge = directions[:1000]
    second = np.argsort(np.abs(near_edge), axis=1)[:, 1]
    largest = np.abs(near_edge).max(1)
    near_edge[np.arange(1000), second] = np.sign(near_edge[np.arange(1000), second]) * largest * 0.999
    out = mp.zeros((2000, 4), device=device)
    sampler = mp.Sampler("linear", "linear", device=device)
    library(CUBE).look(mp.texture(image, texture_type="cube", device=device), sampler,
                       mp.array(directions, dtype=mp.float32, device=device), out, threads=2000)  # fmt: skip
    np.testing.assert_allclose(out.numpy()[:, 0], function(directions), atol=0.02)


def test_cube_arrays_and_texels(device, rng):
    image = rng.uniform(size=(2, 6, 8, 8, 4)).astype(np.float32)
    directions, u, v = face_points(rng, 0.07, 0.93)
    out = mp.zeros((6, 60, 4), device=device)
    texture = mp.texture(image, texture_type="cube_array", device=device)
    library(CUBE).look_array(texture, mp.Sampler("linear", "linear", device=device),
                             mp.array(directions, dtype=mp.float32, device=device), out, threads=360)  # fmt: skip
    expected = [images.sample(image[1, face], np.stack([u[face], v[face]], -1), filter="linear") for face in range(6)]
    np.testing.assert_allclose(out.numpy(), expected, atol=1e-5)
    cube, texels = mp.texture(image[0], texture_type="cube", device=device), mp.zeros((6, 8, 8, 4), device=device)
    library(CUBE).faces(cube, texels, threads=(8, 8, 6))
    assert (texels.numpy() == image[0]).all() and (cube.numpy() == image[0] + 1).all()


def test_cube_gradients(device, rng):
    """A step of 0.25 along y in the middle of face +x is an eighth of the face: of 32 texels four, level 2."""
    texture, levels = pyramid(device, rng, texture_type="cube")
    at = np.array([[1, 0.01, 0.01]], np.float32)
    out = mp.zeros((1, 4), device=device)
    sampler = mp.Sampler("nearest", "nearest", "nearest", device=device)
    library(CUBE).by_gradient(texture, sampler, mp.array(at, device=device), out, threads=1)
    assert (out.numpy()[0] == levels[2][0, 3, 3]).all()


# ---- the other types ----


def test_arrays_of_images(device, rng):
    kernel = library("""
kernel void k(texture2d_array<float> t, texture2d_array<float, access::write> u, device const packed_float3* at,
              device float4* out, device uint* facts, uint i [[thread_position_in_grid]]) {
  constexpr sampler s(filter::linear);
  out[i] = t.sample(s, float3(at[i]).xy, i % 5);
  if (i < 3 * 35) u.write(t.read(uint2(i % 7, i / 7 % 5), i / 35) * 2, uint2(i % 7, i / 7 % 5), i / 35);
  if (i == 0) facts[0] = t.get_array_size(), facts[1] = t.get_width(), facts[2] = t.get_height();
}
""").k
    image = rng.uniform(size=(3, 5, 7, 4)).astype(np.float32)
    at, out = points(rng)[8:], mp.zeros((392, 4), device=device)
    facts = mp.zeros(3, dtype=mp.uint32, device=device)
    texture = mp.texture(image, texture_type="2d_array", device=device)
    written = mp.texture((3, 5, 7), "rgba32Float", texture_type="2d_array", device=device)
    kernel(texture, written, mp.array(at, device=device), out, facts, threads=len(at))
    assert facts.tolist() == [3, 7, 5] and (written.numpy() == 2 * image).all()
    for i in range(len(at)):
        expected = images.sample(image[min(i % 5, 2)], at[i : i + 1], filter="linear")  # beyond the last: the last
        np.testing.assert_allclose(out.numpy()[i], expected[0], atol=1e-5)


def test_3d_texels(device, rng):
    kernel = library("""
kernel void k(texture3d<half, access::read> t, texture3d<half, access::write> u, device uint* facts,
              uint3 at [[thread_position_in_grid]]) {
  u.write(t.read(ushort3(at)) * 2.0h, at);
  facts[0] = t.get_width(), facts[1] = t.get_height(), facts[2] = t.get_depth();
}
""").k
    image = rng.uniform(size=(3, 5, 7, 2)).astype(np.float16)
    texture, written = mp.texture(image, device=device), mp.texture((3, 5, 7), "rg16Float", device=device)
    facts = mp.zeros(3, dtype=mp.uint32, device=device)
    kernel(texture, written, facts, threads=(7, 5, 3))
    assert (written.numpy() == 2 * image).all() and facts.tolist() == [7, 5, 3]


def test_1d_textures_and_buffers(device, rng):
    kernel = library("""
kernel void k(texture1d<float> line, texture1d_array<float, access::read_write> lines,
              texture_buffer<uint, access::read_write> flat, device float4* out, uint i [[thread_position_in_grid]]) {
  constexpr sampler s(filter::linear);
  out[i] = line.sample(s, (i + 1) / 9.0f) + line.read(i);
  lines.write(lines.read(i, 0) + 1, i, 1);
  flat.write(flat.read(i) + flat.get_width(), i);
}
""").k
    line = rng.uniform(size=9).astype(np.float32)
    numbers = rng.integers(0, 200, 9).astype(np.uint8)
    texture = mp.texture(line, device=device)
    lines = mp.texture(np.stack([line, line * 0]), texture_type="1d_array", device=device)
    flat = mp.texture(numbers, "r8Uint", texture_type="buffer", device=device)
    out = mp.zeros((9, 4), device=device)
    kernel(texture, lines, flat, out, threads=9)
    expected = (line + np.append(line[1:], line[-1])) / 2 + line
    np.testing.assert_allclose(out.numpy()[:, 0], expected, rtol=1e-6)
    assert (lines.numpy() == [line, line + 1]).all()
    assert (flat.numpy() == numbers + 9).all()


def test_samples(device, rng):
    kernel = library("""
kernel void k(texture2d_ms<float> t, texture2d_ms_array<float> u, device float* out, uint2 at [[thread_position_in_grid]]) {
  float sum = 0;
  for (uint i = 0; i < t.get_num_samples(); ++i) sum += t.read(at, i).x + u.read(at, 1, i).x;
  out[at.y * t.get_width() + at.x] = sum;
}
""").k
    image = rng.uniform(size=(4, 5, 7)).astype(np.float32)
    several = rng.uniform(size=(2, 4, 5, 7)).astype(np.float32)
    out = mp.zeros((5, 7), device=device)
    kernel(mp.texture(image, texture_type="2d_ms", device=device),
           mp.texture(several, texture_type="2d_ms_array", device=device), out, threads=(7, 5))  # fmt: skip
    np.testing.assert_allclose(out.numpy(), image.sum(0) + several[1].sum(0), rtol=1e-5)
