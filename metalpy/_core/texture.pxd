from libc.stdint cimport uint64_t

from metalpy._abi cimport mp_driver, mp_error, mp_sampler, mp_status, mp_texture, mp_texture_desc
from metalpy._core.driver cimport Device
from metalpy._core.pool cimport Block


cdef class TextureBase:
    cdef:
        const mp_driver *drv      # static
        mp_texture *handle        # owned; keeps its memory alive
        mp_texture_desc desc
        Block block               # the memory and its last uses
        readonly Device device
        readonly str pixel_format
        readonly object dtype     # numpy's, of one channel or of a packed texel
        readonly uint64_t nbytes
        readonly bint writable    # kernels may write
        str components            # "float", "int" or "uint": what kernels see
        bint is_depth
        object __weakref__
    cdef mp_status create(self, uint64_t offset, uint64_t bytes_per_row, mp_error *error) noexcept
    cdef uint64_t texels(self)
    cdef int transfer(self, int level, int element, tuple origin, tuple size, host, bint replace) except -1


cdef class SamplerBase:
    cdef:
        const mp_driver *drv      # static
        mp_sampler *handle        # owned
        readonly Device device
