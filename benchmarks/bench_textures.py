"""A box filter of 5 by 5 texels over 2048 by 2048, by read() and sample(), and a copy; Mpixel/s as extra_info."""

from __future__ import annotations

import numpy as np
import pytest

import metalpy as mp

EXTENT = 2048

SOURCE = """
#include <metal_stdlib>
using namespace metal;

kernel void copy(texture2d<float, access::read> a, texture2d<float, access::write> b,
                 uint2 at [[thread_position_in_grid]]) { b.write(a.read(at), at); }

kernel void box_read(texture2d<float, access::read> a, texture2d<float, access::write> b,
                     uint2 at [[thread_position_in_grid]]) {
  const int2 last = int2(a.get_width(), a.get_height()) - 1;
  float4 sum = 0;
  for (int y = -2; y <= 2; ++y)
    for (int x = -2; x <= 2; ++x) sum += a.read(uint2(clamp(int2(at) + int2(x, y), 0, last)));
  b.write(sum / 25, at);
}

kernel void box_sample(texture2d<float> a, texture2d<float, access::write> b, uint2 at [[thread_position_in_grid]]) {
  constexpr sampler s(coord::pixel, address::clamp_to_edge, filter::nearest);
  float4 sum = 0;
  for (int y = -2; y <= 2; ++y)
    for (int x = -2; x <= 2; ++x) sum += a.sample(s, float2(at) + 0.5 + float2(x, y));
  b.write(sum / 25, at);
}

kernel void box_linear(texture2d<float> a, texture2d<float, access::write> b, uint2 at [[thread_position_in_grid]]) {
  constexpr sampler s(coord::pixel, address::clamp_to_edge, filter::linear);
  float4 sum = 0;
  for (int y = -2; y <= 2; ++y)
    for (int x = -2; x <= 2; ++x) sum += a.sample(s, float2(at) + 0.75 + float2(x, y));
  b.write(sum / 25, at);
}
"""


@pytest.mark.parametrize("name", ["rgba8Unorm", "rgba16Float", "rgba32Float", "r32Float"])
@pytest.mark.parametrize("kernel", ["copy", "box_read", "box_sample", "box_linear"])
def test_texture_filter(benchmark, kernel, name):
    lib = mp.mps.compile_shader(SOURCE)
    source, target = mp.texture((EXTENT, EXTENT), name), mp.texture((EXTENT, EXTENT), name)
    source.write(np.ones((), source.dtype))
    benchmark.group = f"texture {name}"

    def run() -> None:
        lib[kernel](source, target)
        mp.mps.synchronize()

    benchmark.pedantic(run, rounds=5, warmup_rounds=1)
    if benchmark.stats:
        benchmark.extra_info["Mpixel/s"] = EXTENT * EXTENT / benchmark.stats.stats.median / 1e6
