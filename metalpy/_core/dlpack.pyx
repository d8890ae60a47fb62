"""What DLPack's capsules say about their elements, which NumPy knows by fewer names than the protocol."""

from cpython.pycapsule cimport PyCapsule_CheckExact, PyCapsule_GetPointer, PyCapsule_IsValid
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t


# The layout of https://dmlc.github.io/dlpack/latest/c_api.html, version 1.

cdef struct ElementType:
    uint8_t code
    uint8_t bits
    uint16_t lanes

cdef struct Tensor:
    void *data
    int32_t device_type
    int32_t device_id
    int32_t ndim
    ElementType dtype
    int64_t *shape
    int64_t *strides
    uint64_t byte_offset

cdef struct Versioned:
    uint32_t major
    uint32_t minor
    void *context
    void *deleter
    uint64_t flags
    Tensor tensor


cdef Tensor *tensor_in(object capsule) except NULL:
    """The tensor in a capsule that nobody has taken yet; TypeError for anything else."""
    cdef Versioned *versioned
    if PyCapsule_IsValid(capsule, "dltensor"):
        return <Tensor *>PyCapsule_GetPointer(capsule, "dltensor")
    if not PyCapsule_IsValid(capsule, "dltensor_versioned"):
        raise TypeError("this is no capsule of DLPack, or one whose memory has been taken already")
    versioned = <Versioned *>PyCapsule_GetPointer(capsule, "dltensor_versioned")
    if versioned.major != 1:
        raise BufferError(f"metalpy knows version 1 of DLPack, not {versioned.major}.{versioned.minor}")
    return &versioned.tensor


def is_capsule(x):
    """True for a capsule, of whatever."""
    return PyCapsule_CheckExact(x) != 0


def element_type(capsule):
    """(code, bits, lanes) of the elements in a capsule."""
    cdef Tensor *tensor = tensor_in(capsule)
    return tensor.dtype.code, tensor.dtype.bits, tensor.dtype.lanes


def device_of(capsule):
    """(type, number) of the device whose memory is in a capsule."""
    cdef Tensor *tensor = tensor_in(capsule)
    return tensor.device_type, tensor.device_id


def relabel(capsule, int code):
    """Give the elements in a capsule another code, of the same size."""
    tensor_in(capsule).dtype.code = code
