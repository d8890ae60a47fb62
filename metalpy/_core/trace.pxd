from libc.stdint cimport uint32_t, uint64_t

from metalpy._abi cimport mp_timing

cdef bint tracing                 # whether anything below does something; look at it before you call
cdef bint waiting                 # each launch, copy and fill is to be waited for
cdef uint32_t flags               # MP_TRACE_*, for every queue


cdef uint64_t now() noexcept nogil
cdef int add_command(str kind, str name, uint64_t began, uint64_t queue, uint64_t serial, details) except -1
cdef int add_wait(uint64_t began, uint64_t queue, uint64_t serial) except -1
cdef int add_memory(str kind, uint32_t device, uint64_t size, uint64_t allocated, uint64_t reserved) except -1
cdef int add_timings(uint64_t queue, const mp_timing *timings, uint32_t count) except -1
cdef int add_device(uint32_t device, str label, str name) except -1
cdef int add_queue(uint64_t queue, uint32_t device, uint32_t number) except -1
cdef int settled() except -1


cdef class Recording:
    cdef:
        readonly list events
        readonly dict timings, threads, devices, queues
        readonly uint64_t started, limit, dropped
        readonly uint32_t flags
        readonly bint wait
        object follower               # called without arguments when there is something to take; may be None
    cdef int add(self, tuple event) except -1


cdef class Region:
    cdef:
        str kind, name
        dict details
        uint64_t began                # 0: nothing was recording
