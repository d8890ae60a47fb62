"""What Metal says about texels and samplers, in NumPy and float64: the reference for textures."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

# Formats that are not channels of one type: their bits, lowest first, as (channel of r, g, b, a, bits).
PACKED = {
    "rgb10a2Unorm": "r10 g10 b10 a2",
    "rgb10a2Uint": "r10 g10 b10 a2",
    "bgr10a2Unorm": "b10 g10 r10 a2",
    "rg11b10Float": "r11 g11 b10",
    "rgb9e5Float": "r9 g9 b9 e5",
}


@dataclass(frozen=True)
class Format:
    """A pixel format, read from its name."""

    name: str

    @property
    def channels(self) -> str:
        if self.name in PACKED:
            return "rgb" if "Float" in self.name else "rgba"
        if self.name.startswith("depth"):
            return "r"
        return re.match(r"[rgba]+", self.name)[0]

    @property
    def bits(self) -> int:
        return int(re.search(r"\d+", self.name)[0])

    @property
    def kind(self) -> str:
        return re.search(r"Unorm|Snorm|Uint|Sint|Float", self.name)[0]

    @property
    def components(self) -> str:
        return {"Uint": "uint", "Sint": "int"}.get(self.kind, "float")

    @property
    def dtype(self) -> np.dtype:
        if self.name in PACKED:
            return np.dtype("uint32")
        scalar = {"Unorm": "uint", "Snorm": "int", "Uint": "uint", "Sint": "int", "Float": "float"}[self.kind]
        return np.dtype(f"{scalar}{self.bits}")

    @property
    def texel_shape(self) -> tuple[int, ...]:
        return () if self.name in PACKED or len(self.channels) == 1 else (len(self.channels),)

    @property
    def is_srgb(self) -> bool:
        return self.name.endswith("_srgb")

    def random(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Texels of every bit pattern but those that are no numbers."""
        full = shape + self.texel_shape
        raw = rng.integers(0, 256, (*full, self.dtype.itemsize), dtype=np.uint8)
        texels = np.ascontiguousarray(raw).view(self.dtype)[..., 0]
        if self.kind == "Float" and self.name not in PACKED:
            texels = np.where(np.isfinite(texels), texels, self.dtype.type(0.5))
        if self.name == "rg11b10Float":  # no infinite and NaN exponents
            texels &= np.uint32(~(1 << 10 | 1 << 21 | 1 << 31) & 0xFFFFFFFF)
        return texels


def srgb_to_linear(code: np.ndarray) -> np.ndarray:
    return np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4)


def linear_to_srgb(value: np.ndarray) -> np.ndarray:
    return np.where(value <= 0.0031308, value * 12.92, 1.055 * np.maximum(value, 1e-9) ** (1 / 2.4) - 0.055)


def decode(name: str, texels: np.ndarray) -> np.ndarray:
    """r, g, b, a of texels in float64 (integers in int64): 0 and 1 where the format has none."""
    format = Format(name)
    if name in PACKED:
        return _decode_packed(format, texels)
    stored = texels.reshape(texels.shape if format.texel_shape else (*texels.shape, 1)).astype(np.float64)
    if format.kind == "Unorm":
        stored = stored / (2**format.bits - 1)
    elif format.kind == "Snorm":
        stored = np.maximum(stored / (2 ** (format.bits - 1) - 1), -1)
    out = np.zeros((*stored.shape[:-1], 4))
    out[..., 3] = 1
    for number, channel in enumerate(format.channels):
        value = stored[..., number]
        out[..., "rgba".index(channel)] = srgb_to_linear(value) if format.is_srgb and channel != "a" else value
    return out if format.components == "float" else out.astype(np.int64)


def _decode_packed(format: Format, texels: np.ndarray) -> np.ndarray:
    fields, at = {}, 0
    for part in PACKED[format.name].split():
        width = int(part[1:])
        fields[part[0]] = (texels.astype(np.int64) >> at & (1 << width) - 1, width)
        at += width
    out = np.zeros((*texels.shape, 4))
    out[..., 3] = 1
    shared = fields.pop("e", None)
    for channel, (value, width) in fields.items():
        if format.kind == "Unorm":
            value = value / (2**width - 1)
        elif shared is not None:
            value = value * 2.0 ** (shared[0] - 24)
        elif format.kind == "Float":
            exponent, mantissa = value >> width - 5, (value & (1 << width - 5) - 1) / 2.0 ** (width - 5)
            value = np.where(exponent == 0, mantissa * 2.0**-14, (1 + mantissa) * 2.0 ** (exponent - 15.0))
        out[..., "rgba".index(channel)] = value
    return out if format.components == "float" else out.astype(np.int64)


def encode(name: str, values: np.ndarray) -> np.ndarray:
    """Texels of r, g, b, a: clamped, and rounded to nearest even. Not for packed floats."""
    format = Format(name)
    if name in PACKED:
        at, word = 0, np.zeros(values.shape[:-1], np.uint64)
        for part in PACKED[name].split():
            width = int(part[1:])
            value = values[..., "rgba".index(part[0])]
            most = 2**width - 1
            stored = np.rint(_clipped(value, 0, 1) * most) if format.kind == "Unorm" else np.clip(value, 0, most)
            word |= stored.astype(np.uint64) << np.uint64(at)
            at += width
        return word.astype(np.uint32)
    stored = np.stack([_encode_channel(format, channel, values) for channel in format.channels], -1)
    return stored if format.texel_shape else stored[..., 0]


def _clipped(value: np.ndarray, low: float, high: float) -> np.ndarray:
    return np.clip(np.where(np.isnan(value), 0, value), low, high)


def _encode_channel(format: Format, channel: str, values: np.ndarray) -> np.ndarray:
    value = values[..., "rgba".index(channel)]
    if format.kind == "Unorm":
        value = _clipped(value, 0, 1)
        if format.is_srgb and channel != "a":
            value = linear_to_srgb(value.astype(np.float64))
        return np.rint(value * value.dtype.type(2**format.bits - 1)).astype(format.dtype)
    if format.kind == "Snorm":
        return np.rint(_clipped(value, -1, 1) * value.dtype.type(2 ** (format.bits - 1) - 1)).astype(format.dtype)
    if format.kind == "Float":
        with np.errstate(over="ignore"):
            return value.astype(format.dtype)
    limits = np.iinfo(format.dtype)
    return np.clip(value, limits.min, limits.max).astype(format.dtype)


# ---- samplers ----


def _addressed(index: np.ndarray, extent: int, mode: str) -> np.ndarray:
    """The texel that stands for each index, -1 for the border."""
    if mode == "clamp_to_edge":
        return np.clip(index, 0, extent - 1)
    if mode == "repeat":
        return index % extent
    if mode == "mirrored_repeat":
        index = index % (2 * extent)
        return np.where(index < extent, index, 2 * extent - 1 - index)
    if mode == "mirror_clamp_to_edge":
        return np.minimum(np.where(index < 0, -1 - index, index), extent - 1)
    return np.where((index < 0) | (index >= extent), -1, index)


def sample(
    image: np.ndarray,
    at: np.ndarray,
    *,
    filter: str = "nearest",
    address: str | tuple[str, ...] = "clamp_to_edge",
    normalized: bool = True,
    offset: tuple[int, ...] = (0, 0, 0),
    border: tuple[float, ...] = (0, 0, 0, 0),
    compare: np.ndarray | None = None,
) -> np.ndarray:
    """Texels of `image` (axes z, y, x, then r g b a) at coordinates (n, axes) in the order x, y, z.

    `compare` maps texels to what is filtered in their place.
    """
    axes = image.ndim - 1
    modes = (address,) * axes if isinstance(address, str) else address
    extents = image.shape[:-1][::-1]
    position = at[:, :axes] * (np.array(extents) if normalized else 1)
    base = np.floor(position - 0.5 if filter == "linear" else position).astype(np.int64)
    weight = position - 0.5 - base
    total = np.zeros((len(at), image.shape[-1]))
    for corner in np.ndindex(*(2,) * axes) if filter == "linear" else [(0,) * axes]:
        share = np.ones(len(at))
        picked = []
        for axis in range(axes):
            if filter == "linear":
                share = share * (weight[:, axis] if corner[axis] else 1 - weight[:, axis])
            picked.append(_addressed(base[:, axis] + corner[axis] + offset[axis], extents[axis], modes[axis]))
        inside = np.all([p >= 0 for p in picked], axis=0)
        texels = np.where(inside[:, None], image[tuple(np.maximum(p, 0) for p in picked[::-1])], border)
        if compare is not None:
            texels = compare(texels)
        total += share[:, None] * texels
    return total


# Of each face of a cube +x, -x, +y, -y, +z, -z: axis and sign of itself, of its columns and of its rows.
FACES = (
    ((0, 1), (2, -1), (1, -1)),
    ((0, -1), (2, 1), (1, -1)),
    ((1, 1), (0, 1), (2, 1)),
    ((1, -1), (0, 1), (2, -1)),
    ((2, 1), (0, 1), (1, -1)),
    ((2, -1), (0, -1), (1, -1)),
)


def direction(face: int, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Directions through points of a face with coordinates from 0 to 1."""
    (major, sign), (column, column_sign), (row, row_sign) = FACES[face]
    out = np.zeros((*np.shape(u), 3))
    out[..., major] = sign
    out[..., column] = column_sign * (2 * np.asarray(u) - 1)
    out[..., row] = row_sign * (2 * np.asarray(v) - 1)
    return out
