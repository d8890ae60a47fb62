from metalpy._core.array cimport ArrayBase
from metalpy._core.driver cimport Device
from metalpy._core.plan cimport ArgumentPlan, TypePlan
from metalpy._core.texture cimport SamplerBase, TextureBase


cdef int check_layout(Device device, ArrayBase array, ArgumentPlan argument) except -1
cdef int check_sampler(Device device, value) except -1
cdef TextureBase checked_texture(Device device, TypePlan type, value)
cdef int check_length(TypePlan type, Py_ssize_t wanted, Py_ssize_t found, str where=*) except -1
cdef int check_raw_size(TypePlan type, bint exact, Py_ssize_t size) except -1
cdef object in_argument(ArgumentPlan argument, error)
