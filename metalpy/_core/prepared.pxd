from libc.stdint cimport int64_t, uint32_t

from metalpy._core.dispatch cimport Kernel

cdef enum:
    MOST_ARRAYS = 8


cdef class PreparedLaunch:
    cdef:
        readonly Kernel kernel
        Py_ssize_t count          # of the arrays
        int64_t[MOST_ARRAYS] low  # bytes from each array's first element to the lowest one
        tuple covered             # for each array: elements from the lowest to the highest one, and their dtype or None
        tuple constants           # the last arguments
        tuple threads, group_size
        uint32_t[3] grid
        uint32_t[3] group
    cdef bint encode(self, tuple arrays, tuple values) except -1
    cdef int launch_by_values(self, tuple arrays, tuple values) except -1
