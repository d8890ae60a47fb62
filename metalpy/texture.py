"""Textures and samplers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from metalpy._core.texture import PIXEL_FORMATS, TEXTURE_TYPES, PixelFormat, SamplerBase, TextureBase
from metalpy.array import Array
from metalpy.device import Device
from metalpy.device import device as _device

__all__ = ["Sampler", "Texture", "texture"]

# NumPy axes in front of the channels, outermost first: what each counts.
_AXES = {
    "1d": ("width",),
    "1d_array": ("array", "width"),
    "2d": ("height", "width"),
    "2d_array": ("array", "height", "width"),
    "2d_ms": ("sample", "height", "width"),
    "cube": ("face", "height", "width"),
    "cube_array": ("array", "face", "height", "width"),
    "3d": ("depth", "height", "width"),
    "2d_ms_array": ("array", "sample", "height", "width"),
    "buffer": ("width",),
}
_DEFAULT_TYPES = {1: "1d", 2: "2d", 3: "3d"}
_DEFAULT_FORMATS = {
    "uint8": "8Unorm",
    "int8": "8Snorm",
    "uint16": "16Unorm",
    "int16": "16Snorm",
    "uint32": "32Uint",
    "int32": "32Sint",
    "float16": "16Float",
    "float32": "32Float",
}
_CHANNELS = {1: "r", 2: "rg", 4: "rgba"}
_ADDRESS_MODES = (
    "clamp_to_edge",
    "mirror_clamp_to_edge",
    "repeat",
    "mirrored_repeat",
    "clamp_to_zero",
    "clamp_to_border",
)
_FILTERS = ("nearest", "linear")
_MIP_FILTERS = ("none", "nearest", "linear")
_COMPARISONS = ("never", "less", "equal", "less_equal", "greater", "not_equal", "greater_equal", "always")
_BORDER_COLORS = ("transparent_black", "opaque_black", "opaque_white")


class Texture(TextureBase):
    """An image, or several, that kernels read, sample and write as ``texture2d<float>`` and its like.

    Made by `metalpy.texture`. NumPy sees ``(height, width)`` texels, of formats with several channels
    ``(height, width, channels)``; 3D textures have the depth in front of that, arrays their length, cubes their six
    faces in the order +x, -x, +y, -y, +z, -z, multisampled ones their samples.

    Attributes
    ----------
    pixel_format : str
        Metal's name, such as ``"rgba8Unorm"``.
    dtype : numpy.dtype
        Of one channel as NumPy sees it; of packed formats such as ``rgb10a2Unorm`` of the whole texel.
    texture_type : str
        ``"2d"``, ``"3d"``, ``"cube"`` ...
    width, height, depth : int
        Texels of the largest level along x, y and z.
    array_length, mipmap_level_count, sample_count : int
    nbytes : int
        Bytes of device memory.
    device : Device
    """

    __slots__ = ()

    @classmethod
    def from_numpy(cls, image: np.ndarray, pixel_format: str | None = None, **options: Any) -> Texture:
        """A texture with a copy of an image; parameters and errors are those of `metalpy.texture`."""
        return texture(np.asarray(image), pixel_format, **options)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of ``numpy()``."""
        return self._level_shape(0)

    def numpy(self, level: int = 0) -> np.ndarray:
        """A copy of a level of detail, in the format's own numbers (a ``rgba8Unorm`` texel is four uint8).

        Waits for kernels that use the texture.

        Raises
        ------
        KernelFaultError, TimeLimitError
            If a kernel failed since the last call that waited.
        """
        self._wait()
        image = np.empty(self._level_shape(level), self.dtype)
        origin, size = (0, 0, 0), self._level_size(level)
        for element, part in enumerate(self._by_element(image)):
            self._read(level, element, origin, size, part)
        return image

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("a texture can only be copied to the host")
        image = self.numpy()
        return image if dtype is None else image.astype(dtype)

    def write(self, data: Any, region: Any = None, level: int = 0) -> None:
        """Replace texels from the host. Waits for kernels that use the texture.

        Parameters
        ----------
        data : array
            In the format's own numbers; broadcast to the region.
        region : slice or tuple of slices, optional
            Which part, as one would index ``numpy()``: ``np.s_[10:20, :]`` are ten rows. By default all of it.
        level : int

        Raises
        ------
        TypeError
            If the data are not of the format's dtype.
        ValueError, IndexError
            If the data do not fit into the region, or the region is empty or has steps.
        """
        shape = self._level_shape(level)
        axes = len(_AXES[self.texture_type])
        bounds = _bounds(region, shape[:axes])
        extents = tuple(stop - start for start, stop in bounds)
        wanted = extents + shape[axes:]
        image = np.ascontiguousarray(np.broadcast_to(_converted(data, self.dtype, self.pixel_format), wanted))
        self._wait()
        texels = {"width": (0, 1), "height": (0, 1), "depth": (0, 1)}
        texels |= {name: bound for name, bound in zip(_AXES[self.texture_type], bounds, strict=True) if name in texels}
        spans = [texels["width"], texels["height"], texels["depth"]]
        origin, size = tuple(start for start, _ in spans), tuple(stop - start for start, stop in spans)
        elements = _elements(self.texture_type, bounds, shape)
        for element, part in zip(elements, self._by_element(image), strict=True):
            self._replace(level, element, origin, size, part)

    def generate_mipmaps(self) -> None:
        """Make every level of detail from the one before it: the mean of 2 by 2 texels, in linear light.

        The device does it, in order with the kernels.

        Raises
        ------
        MetalError
            If the texels are integers.
        """
        self._generate_mipmaps()

    def __repr__(self) -> str:
        levels = f", {self.mipmap_level_count} levels" if self.mipmap_level_count > 1 else ""
        return (
            f"<metalpy.Texture {self.texture_type} {self.pixel_format}, shape {self.shape}{levels}, on {self.device}>"
        )

    def _level_size(self, level: int) -> tuple[int, int, int]:
        if not 0 <= level < self.mipmap_level_count:
            raise IndexError(
                f"the texture has {self.mipmap_level_count} levels of detail, level {level} is none of them"
            )
        return max(self.width >> level, 1), max(self.height >> level, 1), max(self.depth >> level, 1)

    def _level_shape(self, level: int) -> tuple[int, ...]:
        width, height, depth = self._level_size(level)
        counts = {"width": width, "height": height, "depth": depth, "array": self.array_length, "face": 6}
        counts["sample"] = self.sample_count
        channels = PIXEL_FORMATS[self.pixel_format].channels
        return tuple(counts[axis] for axis in _AXES[self.texture_type]) + ((channels,) if channels > 1 else ())

    def _by_element(self, image: np.ndarray) -> list[np.ndarray]:
        """Views of a whole image, one for each array element, face or sample."""
        inner = [axis for axis in _AXES[self.texture_type] if axis in ("width", "height", "depth")]
        lead = len(_AXES[self.texture_type]) - len(inner)
        return list(image.reshape(-1, *image.shape[lead:])) if lead else [image]


def _elements(texture_type: str, bounds: list[tuple[int, int]], shape: tuple[int, ...]) -> list[int]:
    """Numbers of the array elements, faces or samples within the bounds of a region."""
    numbers = [0]
    for axis, (start, stop), extent in zip(_AXES[texture_type], bounds, shape, strict=False):
        if axis in ("array", "face", "sample"):
            numbers = [number * extent + i for number in numbers for i in range(start, stop)]
    return numbers


def _bounds(region: Any, shape: tuple[int, ...]) -> list[tuple[int, int]]:
    parts = region if isinstance(region, tuple) else () if region is None or region is Ellipsis else (region,)
    if len(parts) > len(shape):
        raise IndexError(f"a region of this texture has at most {len(shape)} slices, got {len(parts)}")
    bounds = []
    for part, extent in zip((*parts, *[slice(None)] * (len(shape) - len(parts))), shape, strict=True):
        if not isinstance(part, slice):
            raise TypeError(f"a region is made of slices, got {part!r}")
        start, stop, step = part.indices(extent)
        if step != 1 or stop <= start:
            raise ValueError(f"a region has no steps and at least one texel along each axis, got {part!r}")
        bounds.append((start, stop))
    return bounds


def _converted(data: Any, dtype: np.dtype[Any], pixel_format: str) -> np.ndarray:
    """`data` as an array of the format's dtype; numbers without a dtype of their own may become any."""
    if isinstance(data, Array):
        data = data.numpy()
    if not isinstance(data, (np.ndarray, np.generic)) and not hasattr(data, "__array__"):
        return np.array(data, dtype)
    found = np.asarray(data)
    if found.dtype == np.float64 and dtype.kind == "f":
        return found.astype(dtype)
    if found.dtype != dtype:
        raise TypeError(f"the texels of {pixel_format} are {dtype} on the host, got {found.dtype}; convert them first")
    return found


def texture(
    data: Any,
    pixel_format: str | None = None,
    *,
    texture_type: str | None = None,
    mipmap_level_count: int | None = 1,
    copy: bool = True,
    device: str | int | Device | None = None,
) -> Texture:
    """Make a texture from an image, or of a size.

    Parameters
    ----------
    data : array or tuple of int
        An image: a NumPy array, an `Array`, or what NumPy makes an array of, of shape ``(height, width)`` or
        ``(height, width, channels)`` with 1, 2 or 4 channels, and more axes in front for other types. Or a tuple of
        ints: the shape without channels, ``(height, width)``; such a texture is not initialised.
    pixel_format : str, optional
        Metal's name. By default what the dtype and the channels say: uint8 is ``r8Unorm``, ``rg8Unorm`` or
        ``rgba8Unorm``, int8 ``...8Snorm``, uint16 and int16 ``...16Unorm`` and ``...16Snorm``, float16
        ``...16Float``, float32 ``...32Float``, uint32 and int32 ``...32Uint`` and ``...32Sint``.
    texture_type : str, optional
        ``"1d"``, ``"2d"``, ``"3d"``, ``"cube"``, ``"1d_array"``, ``"2d_array"``, ``"cube_array"``, ``"2d_ms"``,
        ``"2d_ms_array"`` or ``"buffer"``. By default 1d, 2d or 3d, by the number of axes.
    mipmap_level_count : int or None, optional
        Levels of detail; None is as many as there can be. `Texture.generate_mipmaps` fills them.
    copy : bool, optional
        False makes a texture over the memory of an `Array`: both see what is written to either. Only for 2D textures
        and texture buffers of one level.
    device : str, int or Device, optional

    Returns
    -------
    Texture

    Raises
    ------
    TypeError
        If there is no format for the dtype, or the data are not of the format's.
    ValueError
        If shape, format and type do not go together, or a copy is needed and `copy` is False.
    UnsupportedError
        If the device lacks the format or type.
    OutOfMemoryError
        If the device has no memory left.
    """
    if isinstance(data, tuple) and data and all(isinstance(extent, (int, np.integer)) for extent in data):
        return _empty(tuple(int(extent) for extent in data), pixel_format, texture_type, mipmap_level_count, device)
    format = None if pixel_format is None else _format(pixel_format)
    if isinstance(data, Array):
        image = data._host()
    else:
        image = np.asarray(data, None if format is None or hasattr(data, "dtype") else format.dtype)
        image = image.astype(np.float32) if image.dtype == np.float64 else image
    chosen_type, channels = _interpreted(image.shape, format, texture_type)
    format = format or _default_format(image.dtype, channels)
    extents = image.shape[: len(_AXES[chosen_type])]
    chosen = data.device if isinstance(data, Array) and device is None else _device(device)
    if not copy:
        return _over(data, format, chosen_type, extents, mipmap_level_count, chosen)
    if isinstance(data, Array):
        image = data.numpy()
    made = _make(chosen, format, chosen_type, extents, mipmap_level_count)
    made.write(_converted(image, format.dtype, format.name).reshape(made.shape))
    return made


def _empty(
    shape: tuple[int, ...], name: str | None, texture_type: str | None, levels: int | None, device: Any
) -> Texture:
    if name is None:
        raise ValueError("a texture without data needs a pixel_format, such as 'rgba8Unorm'")
    chosen_type = _checked_type(texture_type) or _DEFAULT_TYPES.get(len(shape), "")
    if len(shape) != len(_AXES.get(chosen_type, ())):
        raise ValueError(
            f"shape {shape} is not that of a texture{f' of type {texture_type!r}' if texture_type else ''}: "
            "give the axes without the channels, such as (height, width)"
        )
    return _make(_device(device), _format(name), chosen_type, shape, levels)


def _make(
    device: Device, format: PixelFormat, texture_type: str, shape: tuple[int, ...], levels: int | None, **memory: Any
) -> Texture:
    counts = dict(zip(_AXES[texture_type], shape, strict=True))
    if 0 in shape:
        raise ValueError(f"a texture has at least one texel along each axis, got shape {shape}")
    if counts.get("face", 6) != 6:
        raise ValueError(f"a cube has 6 faces, got {counts['face']}")
    extents = tuple(counts.get(axis, 1) for axis in ("width", "height", "depth"))
    most = max(extents).bit_length() if texture_type in ("2d", "2d_array", "3d", "cube", "cube_array") else 1
    return Texture(
        device,
        format,
        TEXTURE_TYPES.index(texture_type),
        extents,
        counts.get("array", 1),
        most if levels is None else levels,
        counts.get("sample", 1),
        **memory,
    )


def _over(
    data: Any, format: PixelFormat, texture_type: str, extents: tuple[int, ...], levels: int | None, device: Device
) -> Texture:
    if not isinstance(data, Array):
        raise ValueError("only the memory of an Array can be a texture without a copy; leave out copy=False")
    if data.dtype != format.dtype or not data.contiguous or device is not data.device or data.size == 0:
        raise ValueError(
            f"an array of {data.dtype}, strides {data.strides} on {data.device} cannot be a texture of {format.name} "
            f"on {device} without a copy; leave out copy=False"
        )
    row = extents[-1] * format.texel_bytes
    return _make(device, format, texture_type, extents, levels, over=data, bytes_per_row=row)


def _format(name: str) -> PixelFormat:
    found = PIXEL_FORMATS.get(name)
    if found is None:
        raise ValueError(f"there is no pixel format {name!r}; there are {', '.join(PIXEL_FORMATS)}")
    return found


def _checked_type(texture_type: str | None) -> str | None:
    if texture_type is not None and texture_type not in _AXES:
        raise ValueError(f"there is no texture type {texture_type!r}; there are {', '.join(_AXES)}")
    return texture_type


def _interpreted(shape: tuple[int, ...], format: PixelFormat | None, texture_type: str | None) -> tuple[str, int]:
    """The texture type and the channels of an image."""
    axes = None if _checked_type(texture_type) is None else len(_AXES[texture_type or ""])
    if axes is not None and len(shape) in (axes, axes + 1):
        channels = shape[-1] if len(shape) == axes + 1 else 1
    elif format is not None:
        has_axis = format.channels > 1 or (len(shape) > 2 and shape[-1] == 1)
        channels = shape[-1] if has_axis and shape else 1
        axes = axes or len(shape) - has_axis
    else:
        has_axis = len(shape) > 2 and shape[-1] <= 4
        channels = shape[-1] if has_axis else 1
        axes = axes or len(shape) - has_axis
    if format is not None and format.channels != channels:
        raise ValueError(f"{format.name} has {format.channels} channels, the image of shape {shape} {channels}")
    if channels == 3:
        raise ValueError(
            f"the image of shape {shape} has 3 channels, and Metal has no such formats: add a fourth, for example "
            "np.dstack([image, np.full(image.shape[:2], 255, image.dtype)])"
        )
    chosen = texture_type or _DEFAULT_TYPES.get(axes or 0)
    if chosen is None or len(shape) - len(_AXES[chosen]) not in (0, 1) or channels not in _CHANNELS:
        raise ValueError(
            f"an image of shape {shape} is no texture{f' of type {texture_type!r}' if texture_type else ''}: a 2D one "
            "has (height, width) or (height, width, channels) with 1, 2 or 4 channels"
        )
    return chosen, channels


def _default_format(dtype: np.dtype[Any], channels: int) -> PixelFormat:
    suffix = _DEFAULT_FORMATS.get(dtype.name)
    if suffix is None:
        raise TypeError(f"no pixel format has channels of {dtype}; convert to one of {', '.join(_DEFAULT_FORMATS)}")
    return PIXEL_FORMATS[_CHANNELS[channels] + suffix]


class Sampler(SamplerBase):
    """How a kernel's ``sampler s [[sampler(n)]]`` looks textures up.

    Parameters
    ----------
    min_filter, mag_filter : str
        ``"nearest"`` or ``"linear"``, for levels of detail above 0 and for level 0.
    mip_filter : str
        ``"none"`` uses level 0 only, ``"nearest"`` the nearest level, ``"linear"`` mixes two.
    address_mode : str or sequence of str
        What is outside the texture, for all axes or for x, y and z: ``"clamp_to_edge"``, ``"repeat"``,
        ``"mirrored_repeat"``, ``"mirror_clamp_to_edge"``, ``"clamp_to_zero"`` or ``"clamp_to_border"``.
    normalized_coordinates : bool
        True: the texture extends from 0 to 1. False: coordinates are in texels.
    compare_function : str
        For ``sample_compare``: ``"never"``, ``"less"``, ``"less_equal"``, ``"equal"``, ``"greater"``,
        ``"greater_equal"``, ``"not_equal"`` or ``"always"``.
    border_color : str
        ``"transparent_black"``, ``"opaque_black"`` or ``"opaque_white"``.
    max_anisotropy : int
        1 to 16; the software device filters all directions alike.
    lod_clamp : tuple of two floats
        The least and the greatest level of detail.
    device : str, int or Device, optional

    Raises
    ------
    ValueError
        If there is no such filter, mode, comparison or colour, or coordinates in texels are to repeat.
    """

    __slots__ = ("_options",)

    def __init__(
        self,
        min_filter: str = "nearest",
        mag_filter: str = "nearest",
        mip_filter: str = "none",
        address_mode: str | tuple[str, ...] | list[str] = "clamp_to_edge",
        normalized_coordinates: bool = True,
        compare_function: str = "never",
        border_color: str = "transparent_black",
        max_anisotropy: int = 1,
        lod_clamp: tuple[float, float] = (0.0, math.inf),
        device: str | int | Device | None = None,
    ) -> None:
        modes = (address_mode,) * 3 if isinstance(address_mode, str) else tuple(address_mode)
        if not 1 <= len(modes) <= 3:
            raise ValueError(f"there are up to three address modes, for x, y and z, got {len(modes)}")
        numbers = tuple(_number("address_mode", mode, _ADDRESS_MODES) for mode in modes)
        if not normalized_coordinates and any(1 <= number <= 3 for number in numbers):
            raise ValueError("coordinates in texels cannot repeat or mirror; use clamp_to_edge, _zero or _border")
        if not 1 <= max_anisotropy <= 16:
            raise ValueError(f"max_anisotropy is from 1 to 16, got {max_anisotropy}")
        least, most = lod_clamp
        self._create(
            _device(device),
            numbers + (0,) * (3 - len(numbers)),
            _number("min_filter", min_filter, _FILTERS),
            _number("mag_filter", mag_filter, _FILTERS),
            _number("mip_filter", mip_filter, _MIP_FILTERS),
            normalized_coordinates,
            max_anisotropy,
            _number("compare_function", compare_function, _COMPARISONS),
            _number("border_color", border_color, _BORDER_COLORS),
            least,
            most,
        )
        self._options = (min_filter, mag_filter, mip_filter, address_mode)

    def __repr__(self) -> str:
        shown = zip(("min_filter", "mag_filter", "mip_filter", "address_mode"), self._options, strict=True)
        return f"<metalpy.Sampler {', '.join(f'{name}={value!r}' for name, value in shown)}, on {self.device}>"


def _number(what: str, name: str, names: tuple[str, ...]) -> int:
    if name not in names:
        raise ValueError(f"{what} is one of {', '.join(names)}, got {name!r}")
    return names.index(name)


Texture.__module__ = Sampler.__module__ = "metalpy"
