"""The part of textures and samplers that launching reads: handles, formats and where the memory is."""

from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memset

from metalpy._abi cimport (
    MP_ERROR_MEMORY,
    MP_TEXTURE_READ,
    MP_TEXTURE_WRITE,
    mp_error,
    mp_sampler_desc,
    mp_status,
    mp_texture_region,
)
from metalpy._core.array cimport ArrayBase
from metalpy._core.check cimport check
from metalpy._core.driver cimport Queue
from metalpy._core.graph cimport recorders, recording_graph
from metalpy._core.memory cimport Memory, touch
from metalpy._core.pool cimport pool_of
from metalpy._core.stream cimport current_queue

from typing import NamedTuple

import numpy as np

from metalpy.errors import GraphError


class PixelFormat(NamedTuple):
    """How a texel is stored.

    Attributes
    ----------
    name : str
        Metal's name without ``MTLPixelFormat``, such as ``"rgba8Unorm"``.
    value : int
        Of ``MTLPixelFormat``.
    dtype : numpy.dtype
        Of one channel; of a whole texel if `packed`.
    channels : int
        Channels on the last axis of a NumPy image; 1 means that there is no such axis.
    components : str
        What kernels see: ``"float"``, ``"int"`` or ``"uint"``.
    packed : bool
        True if the channels share one integer.
    """

    name: str
    value: int
    dtype: object
    channels: int
    components: str
    packed: bool = False

    @property
    def texel_bytes(self):
        return self.dtype.itemsize * self.channels

    @property
    def is_depth(self):
        return self.name.startswith("depth")


def _formats():
    found = []
    kinds = (("Unorm", "uint", "float"), ("Snorm", "int", "float"), ("Uint", "uint", "uint"), ("Sint", "int", "int"),
             ("Float", "float", "float"))
    numbers = {
        ("r", 8): (10, 12, 13, 14, None), ("r", 16): (20, 22, 23, 24, 25), ("r", 32): (None, None, 53, 54, 55),
        ("rg", 8): (30, 32, 33, 34, None), ("rg", 16): (60, 62, 63, 64, 65), ("rg", 32): (None, None, 103, 104, 105),
        ("rgba", 8): (70, 72, 73, 74, None), ("rgba", 16): (110, 112, 113, 114, 115),
        ("rgba", 32): (None, None, 123, 124, 125),
    }
    for (channels, bits), values in numbers.items():
        for (suffix, scalar, components), value in zip(kinds, values, strict=True):
            if value is not None:
                found.append(PixelFormat(f"{channels}{bits}{suffix}", value, np.dtype(f"{scalar}{bits}"),
                                         len(channels), components))
    byte, word = np.dtype("uint8"), np.dtype("uint32")
    found += [
        PixelFormat("a8Unorm", 1, byte, 1, "float"),
        PixelFormat("r8Unorm_srgb", 11, byte, 1, "float"),
        PixelFormat("rg8Unorm_srgb", 31, byte, 2, "float"),
        PixelFormat("rgba8Unorm_srgb", 71, byte, 4, "float"),
        PixelFormat("bgra8Unorm", 80, byte, 4, "float"),
        PixelFormat("bgra8Unorm_srgb", 81, byte, 4, "float"),
        PixelFormat("rgb10a2Unorm", 90, word, 1, "float", True),
        PixelFormat("rgb10a2Uint", 91, word, 1, "uint", True),
        PixelFormat("rg11b10Float", 92, word, 1, "float", True),
        PixelFormat("rgb9e5Float", 93, word, 1, "float", True),
        PixelFormat("bgr10a2Unorm", 94, word, 1, "float", True),
        PixelFormat("depth16Unorm", 250, np.dtype("uint16"), 1, "float"),
        PixelFormat("depth32Float", 252, np.dtype("float32"), 1, "float"),
    ]
    return {format.name: format for format in found}


PIXEL_FORMATS = _formats()
# By value of MTLTextureType.
TEXTURE_TYPES = ("1d", "1d_array", "2d", "2d_array", "2d_ms", "cube", "cube_array", "3d", "2d_ms_array", "buffer")


cdef class TextureBase:
    """Base of `metalpy.Texture`."""

    def __cinit__(self, device=None, format=None, int type=2, tuple extents=(), int array_length=1, int levels=1,
                  int samples=1, ArrayBase over=None, uint64_t bytes_per_row=0):
        """A texture of `extents` texels (width, height, depth); `over` an array whose memory is to be the texels."""
        cdef mp_error error
        cdef mp_status status
        cdef uint64_t size = 0, offset = 0
        if not isinstance(device, Device):
            raise TypeError("a Texture cannot be created directly; use metalpy.texture()")
        self.device = <Device>device
        self.drv = self.device.drv
        self.pixel_format = format.name
        self.dtype = format.dtype
        self.components = format.components
        self.is_depth = format.is_depth
        self.writable = not self.is_depth and (over is None or over.writable)
        memset(&self.desc, 0, sizeof(self.desc))
        self.desc.type = type
        self.desc.pixel_format = format.value
        self.desc.width, self.desc.height, self.desc.depth = extents
        self.desc.array_length = array_length
        self.desc.levels = levels
        self.desc.samples = samples
        self.desc.usage = MP_TEXTURE_READ | MP_TEXTURE_WRITE if self.writable else MP_TEXTURE_READ
        check(self.drv.texture_size(self.device.handle, &self.desc, &size, &error), &error)
        if over is not None:
            self.block = over.block
            offset = over.offset
            self.nbytes = over.nbytes
        elif size:
            self.block = pool_of(self.device).allocate(size)
            self.nbytes = size
        else:  # the device keeps the memory; the block only knows the last uses
            self.block = Block.__new__(Block)
            self.block.memory = Memory.__new__(Memory)
            self.block.memory.drv = self.drv
            self.nbytes = self.texels() * format.texel_bytes
        status = self.create(offset, bytes_per_row, &error)
        if status == MP_ERROR_MEMORY:  # memory that the pool keeps may be what is missing
            pool_of(self.device).empty_cache()
            status = self.create(offset, bytes_per_row, &error)
        check(status, &error)

    cdef mp_status create(self, uint64_t offset, uint64_t bytes_per_row, mp_error *error) noexcept:
        with nogil:
            return self.drv.texture_create(self.device.handle, &self.desc, self.block.memory.buffer, offset,
                                           bytes_per_row, &self.handle, error)

    def __dealloc__(self):
        if self.handle != NULL:
            with nogil:
                self.drv.texture_release(self.handle)

    def _wait(self):
        """Block until no unfinished work uses the texture."""
        self.block.memory.wait()

    def _replace(self, int level, int element, tuple origin not None, tuple size not None, host):
        """Copy texels from a contiguous NumPy array. Does not wait."""
        self.transfer(level, element, origin, size, host, True)

    def _read(self, int level, int element, tuple origin not None, tuple size not None, host):
        """Copy texels to a contiguous NumPy array. Does not wait."""
        self.transfer(level, element, origin, size, host, False)

    cdef int transfer(self, int level, int element, tuple origin, tuple size, host, bint replace) except -1:
        cdef mp_texture_region region
        cdef mp_error error
        cdef mp_status status
        cdef size_t address = host.ctypes.data
        set_region(&region, level, element, origin, size, host.nbytes)
        with nogil:
            if replace:
                status = self.drv.texture_replace(self.handle, &region, <void *>address, &error)
            else:
                status = self.drv.texture_read(self.handle, &region, <void *>address, &error)
        return check(status, &error)

    def _generate_mipmaps(self):
        """Record the making of all levels but the first."""
        cdef Queue queue = <Queue>current_queue(self.device)
        cdef uint64_t serial
        cdef mp_error error
        if recorders and recording_graph(self.device) is not None:
            raise GraphError("the making of mipmaps cannot be recorded in a graph")
        check(self.drv.queue_generate_mipmaps(queue.handle, self.handle, &serial, &error), &error)
        touch(self.block.memory, queue, queue.note(serial))

    cdef uint64_t texels(self):
        cdef uint64_t total = 0
        cdef uint32_t level
        for level in range(self.desc.levels):
            total += <uint64_t>max(self.desc.width >> level, 1u) * max(self.desc.height >> level, 1u) \
                * max(self.desc.depth >> level, 1u)
        return total * self.desc.array_length * self.desc.samples * (6 if 5 <= self.desc.type <= 6 else 1)

    @property
    def texture_type(self):
        """``"1d"``, ``"2d"``, ``"3d"``, ``"cube"``, ``"1d_array"``, ``"2d_array"``, ``"cube_array"``, ``"2d_ms"``,
        ``"2d_ms_array"`` or ``"buffer"``."""
        return TEXTURE_TYPES[self.desc.type]

    @property
    def width(self):
        """Texels along x."""
        return self.desc.width

    @property
    def height(self):
        """Texels along y; 1 if there is no such axis."""
        return self.desc.height

    @property
    def depth(self):
        """Texels along z; 1 if there is no such axis."""
        return self.desc.depth

    @property
    def array_length(self):
        """Textures in an array, cubes in an array of cubes; else 1."""
        return self.desc.array_length

    @property
    def mipmap_level_count(self):
        """Levels of detail; 1 if there is only the whole image."""
        return self.desc.levels

    @property
    def sample_count(self):
        """Samples of each texel; 1 if the texture is not multisampled."""
        return self.desc.samples


cdef void set_region(mp_texture_region *region, int level, int element, tuple origin, tuple size, uint64_t nbytes):
    cdef int axis
    region.level = level
    region.element = element
    for axis in range(3):
        region.origin[axis] = origin[axis]
        region.size[axis] = size[axis]
    region.bytes_per_plane = nbytes // max(region.size[2], 1u)
    region.bytes_per_row = region.bytes_per_plane // max(region.size[1], 1u)


cdef class SamplerBase:
    """Base of `metalpy.Sampler`."""

    def _create(self, Device device not None, tuple address_modes not None, int min_filter, int mag_filter,
                int mip_filter, bint normalized, int max_anisotropy, int compare, int border, float lod_min,
                float lod_max):
        """Make the driver's sampler; numbers are those of Metal's enumerations."""
        cdef mp_sampler_desc desc
        cdef mp_error error
        cdef int axis
        if self.handle != NULL:
            raise RuntimeError("a Sampler is created once")
        self.device = device
        self.drv = device.drv
        memset(&desc, 0, sizeof(desc))
        for axis in range(3):
            desc.address_modes[axis] = address_modes[axis]
        desc.min_filter = min_filter
        desc.mag_filter = mag_filter
        desc.mip_filter = mip_filter
        desc.normalized_coordinates = normalized
        desc.max_anisotropy = max_anisotropy
        desc.compare_function = compare
        desc.border_color = border
        desc.lod_min_clamp = lod_min
        desc.lod_max_clamp = lod_max
        check(self.drv.sampler_create(self.device.handle, &desc, &self.handle, &error), &error)

    def __dealloc__(self):
        if self.handle != NULL:
            self.drv.sampler_release(self.handle)
