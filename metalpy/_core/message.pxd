from libc.stdint cimport uint32_t, uint64_t

from metalpy._abi cimport mp_message

cdef enum:
    ERROR_BUFFER_SIZE = 15364     # bytes of ErrorMessages in <c10/metal/error.h>

cdef int delivering               # threads that deliver messages right now

cdef tuple heard(str device, uint32_t stream, const mp_message *message)
cdef bint is_report(tuple entry)
cdef int read_error_buffer(str device, uint32_t stream, char *contents, list reports) except -1
cdef object reported_error(list reports)
cdef int deliver_pending() except -1
