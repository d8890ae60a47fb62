"""What tests of textures share: compiled programs, places to look at, textures with levels."""

from functools import cache

import numpy as np

import metalpy as mp
from metalpy.mps import compile_shader

HEAD = "#include <metal_stdlib>\nusing namespace metal;\n"


@cache
def library(text):
    return compile_shader(HEAD + text)


def points(rng, count=400, low=-2.2, high=3.3):
    at = rng.uniform(low, high, (count, 3)).astype(np.float32)
    at[:8] = [[0, 0, 0], [1, 1, 1], [0.5, 0.5, 0.5], [-1, 2, 0], [1e6, 0, 0], [0, -1e6, 0], [0, 0, 1e7], [1, 0, 1]]
    return at


def pyramid(device, rng, extent=32, texture_type="2d"):
    """A texture whose levels have nothing to do with each other, and the levels."""
    shape = {"2d": (extent, extent), "3d": (extent,) * 3, "2d_array": (3, extent, extent), "cube": (6, extent, extent)}
    texture = mp.texture(shape[texture_type], "rgba32Float", texture_type=texture_type, mipmap_level_count=None,
                         device=device)  # fmt: skip
    levels = []
    for level in range(texture.mipmap_level_count):
        levels.append(rng.uniform(-1, 1, texture.numpy(level).shape).astype(np.float32))
        texture.write(levels[-1], level=level)
    return texture, levels
