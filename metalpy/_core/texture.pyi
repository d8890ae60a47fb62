from typing import Any, NamedTuple

import numpy as np

from metalpy._core.array import ArrayBase
from metalpy._core.driver import Device

class PixelFormat(NamedTuple):
    name: str
    value: int
    dtype: np.dtype[Any]
    channels: int
    components: str
    packed: bool = ...
    @property
    def texel_bytes(self) -> int: ...
    @property
    def is_depth(self) -> bool: ...

PIXEL_FORMATS: dict[str, PixelFormat]
TEXTURE_TYPES: tuple[str, ...]

class TextureBase:
    def __init__(
        self,
        device: Device,
        format: PixelFormat,
        type: int = ...,
        extents: tuple[int, ...] = ...,
        array_length: int = ...,
        levels: int = ...,
        samples: int = ...,
        over: ArrayBase | None = ...,
        bytes_per_row: int = ...,
    ) -> None: ...
    def _wait(self) -> None: ...
    def _replace(
        self, level: int, element: int, origin: tuple[int, ...], size: tuple[int, ...], host: np.ndarray
    ) -> None: ...
    def _read(
        self, level: int, element: int, origin: tuple[int, ...], size: tuple[int, ...], host: np.ndarray
    ) -> None: ...
    def _generate_mipmaps(self) -> None: ...
    @property
    def device(self) -> Device: ...
    @property
    def pixel_format(self) -> str: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...
    @property
    def nbytes(self) -> int: ...
    @property
    def writable(self) -> bool: ...
    @property
    def texture_type(self) -> str: ...
    @property
    def width(self) -> int: ...
    @property
    def height(self) -> int: ...
    @property
    def depth(self) -> int: ...
    @property
    def array_length(self) -> int: ...
    @property
    def mipmap_level_count(self) -> int: ...
    @property
    def sample_count(self) -> int: ...

class SamplerBase:
    def _create(
        self,
        device: Device,
        address_modes: tuple[int, ...],
        min_filter: int,
        mag_filter: int,
        mip_filter: int,
        normalized: bool,
        max_anisotropy: int,
        compare: int,
        border: int,
        lod_min: float,
        lod_max: float,
    ) -> None: ...
    @property
    def device(self) -> Device: ...
