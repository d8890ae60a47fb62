from libc.stdint cimport uint64_t

from metalpy._core.driver cimport Device
from metalpy._core.pool cimport Block


cdef enum ScalarCode:
    """Element types, of arrays and of what kernels declare."""
    NO_SCALAR
    BOOL
    INT8
    INT16
    INT32
    INT64
    UINT8
    UINT16
    UINT32
    UINT64
    FLOAT16
    BFLOAT16
    FLOAT32
    COMPLEX64
    RECORD       # a structured dtype
    SCALAR_COUNT


cdef class ArrayBase:
    cdef:
        Block block                     # None if there are no elements
        readonly Device device
        readonly object dtype           # a numpy dtype
        readonly tuple shape
        readonly tuple strides          # bytes
        readonly uint64_t offset        # bytes from the block's start to the first element
        readonly Py_ssize_t size, nbytes, itemsize
        readonly bint contiguous        # in C order
        readonly bint writable
        ScalarCode code
        object __weakref__
    cdef int set(self, Device device, Block block, dtype, ScalarCode code, Py_ssize_t itemsize, tuple shape,
                 tuple strides, uint64_t offset, bint writable) except -1
    cdef bint is_recorded(self) except -1
    cdef int wait(self) except -1
    cdef bint add_to_graph(self, str kind, ArrayBase source, bytes pattern) except -1
    cdef object host_view(self)


cdef ArrayBase make(type kind, Device device, Block block, dtype, ScalarCode code, Py_ssize_t itemsize, tuple shape,
                    tuple strides, uint64_t offset, bint writable)
cdef ScalarCode scalar_code(dtype) except NO_SCALAR
