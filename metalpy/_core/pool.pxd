from libc.stdint cimport uint64_t

from metalpy._core.driver cimport Device
from metalpy._core.memory cimport Memory
from metalpy._core.reserve cimport Reserve


cdef class Block:
    """Memory in use. When the last array over it is gone, the memory goes back to the pool."""
    cdef:
        Memory memory
        Pool pool                 # None for wrapped memory, which belongs to somebody else


cdef class Pool(Reserve):
    cdef:
        object pending            # deque of Memory given back before its work was complete
        dict base                 # what only grows, at the last reset

    cdef Block allocate(self, uint64_t size)
    cdef Memory reuse(self, int bin)
    cdef Memory create(self, int bin)
    cdef void give_back(self, Memory memory) noexcept
    cdef void collect(self, Py_ssize_t at_most)
    cdef int settle(self) except -1
    cdef void observe(self, str kind, Memory memory, bint again) noexcept


cdef Pool pool_of(Device device)
cdef Block wrap(Device device, void *address, uint64_t size, object owner)
