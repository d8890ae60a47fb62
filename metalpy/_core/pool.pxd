from libc.stdint cimport uint32_t, uint64_t

from metalpy._abi cimport mp_buffer, mp_device, mp_driver
from metalpy._core.driver cimport Device, Queue


cdef class Memory:
    """One buffer of the driver and the work that last used it."""
    cdef:
        const mp_driver *drv      # static
        mp_buffer *buffer         # owned; keeps its device alive
        char *contents
        uint64_t size             # a size class, or the exact size of wrapped memory
        Queue queue               # of the last use; None if there is none to wait for
        uint64_t serial           # of the last use, on `queue`
        list others               # None, or [(Queue, serial)]: last uses on other queues
    cdef void touch_other(self, Queue queue, uint64_t serial)
    cdef bint idle(self)
    cdef int wait(self) except -1


cdef class Block:
    """Memory in use. When the last array over it is gone, the memory goes back to the pool."""
    cdef:
        Memory memory
        Pool pool                 # None for wrapped memory, which belongs to somebody else


cdef class Pool:
    cdef:
        const mp_driver *drv      # static
        mp_device *handle         # owned: the pool may outlive its Device
        uint32_t identity         # the Device's, for recordings
        list bins                 # of lists of idle Memory, by size class
        object pending            # deque of Memory given back before its work was complete
        readonly uint64_t allocated, cached, peak_allocated, peak_reserved, limit_bytes
        readonly uint64_t reserved  # allocated + cached + what is being created right now
        readonly uint64_t hits, misses, frees
        uint64_t live
    cdef Block allocate(self, uint64_t size)
    cdef Memory take(self, uint64_t size)
    cdef Memory create(self, uint64_t size)
    cdef void give_back(self, Memory memory) noexcept
    cdef void collect(self, Py_ssize_t at_most)
    cdef int settle(self) except -1
    cdef int drop_cached(self) except -1


cdef Pool pool_of(Device device)
cdef Block wrap(Device device, void *address, uint64_t size, object owner)


cdef inline void touch(Memory memory, Queue queue, uint64_t serial):
    """Note that command `serial` of `queue` uses the memory."""
    if memory.queue is queue:
        memory.serial = serial
    else:
        memory.touch_other(queue, serial)
