"""Filters on textures: draws a picture, blurs it, finds its edges and lays it over a plane.

Writes out/image_filter.png, or image_filter.png in the folder that is given.
"""

from pathlib import Path

import numpy as np
from demo import options, write_png

import metalpy as mp

picture = options(__doc__).folder / "image_filter.png"
lib = mp.compile_file(Path(__file__).parent / "image_filters.metal")
height, width = 384, 512

card = mp.texture((height, width), "rgba8Unorm", mipmap_level_count=None)
blurred, edges, plain, smooth = (mp.texture((height, width), "rgba8Unorm") for _ in range(4))

lib.draw_card(card)  # a thread for each texel of the texture that the kernel writes
lib.box_blur(card, blurred)
lib.edges(card, edges)

# The same plane without and with levels of detail: without, the distance is all noise.
card.generate_mipmaps()
lib.plane(card, mp.Sampler("nearest", "nearest", address_mode="repeat"), plain)
lib.plane(card, mp.Sampler("linear", "linear", "linear", address_mode="repeat"), smooth)

top = np.hstack([card.numpy(), blurred.numpy(), edges.numpy()])
bottom = np.hstack([plain.numpy(), smooth.numpy(), card.numpy(1).repeat(2, 0).repeat(2, 1)])
write_png(picture, np.vstack([top, bottom]))
for name, texture in (("card", card), ("blurred", blurred), ("edges", edges), ("plain", plain), ("smooth", smooth)):
    print(f"{name:8} {texture.texture_type} {texture.pixel_format} {texture.shape}, mean {texture.numpy().mean():.1f}")
print(f"picture: {picture}")
