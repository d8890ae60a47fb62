from cpython.ref cimport PyObject
from libc.stdint cimport uint32_t, uint64_t

from metalpy._abi cimport mp_buffer, mp_driver, mp_heap
from metalpy._core.driver cimport Queue


cdef enum:  # kinds: the pools of a device
    SCALAR      # requests of up to 8 bytes
    SMALL       # blocks of up to 1 MiB
    LARGE
    KIND_COUNT


cdef enum:  # states of a block
    ACTIVE      # a Block has it
    PENDING     # given back, and some queue still uses it
    FREE
    GONE        # given back to its heap

cdef enum:
    SMALL_LAST = 80               # bin of 1 MiB, the last one of the small pool; bin 0 is the scalar pool
    BIN_COUNT = 1024              # classes up to more than LARGEST_BYTES
    WORD_COUNT = BIN_COUNT // 64


cdef class Heap:
    """Memory of the driver that blocks are cut from."""
    cdef:
        const mp_driver *drv      # static
        mp_heap *handle           # owned; keeps its device alive
        readonly uint64_t size
        readonly uint64_t number  # from 1, in the order in which the pool made them
        int kind
        bint split                # big enough for several blocks of the size that it was made for
        uint32_t users            # blocks in it, and calls that are about to cut one
        PyObject *first           # chain of its Memory objects, which are not owned here


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
        Heap heap                 # None for wrapped memory, which belongs to somebody else
        PyObject *previous        # in the heap's chain
        PyObject *next
        uint64_t requested        # bytes that the block's user asked for
        uint64_t freed_at         # the pool's count of allocations when it came back
        tuple origin              # None, or the calls that led to the allocation
        int bin
        int state
    cdef void touch_other(self, Queue queue, uint64_t serial)
    cdef bint idle(self)
    cdef int wait(self) except -1
    cdef void join(self, Heap heap) noexcept
    cdef void leave(self) noexcept


cdef class FreeSet:
    """Idle blocks by size class; of equal blocks the last one used comes first."""
    cdef:
        list bins                     # of lists of Memory
        uint64_t filled[WORD_COUNT]   # bits of the bins that are not empty
        uint64_t bytes[KIND_COUNT]
    cdef void add(self, Memory memory) noexcept
    cdef int find(self, int first, int last) noexcept
    cdef Memory take(self, int bin)
    cdef void remove(self, Memory memory)
    cdef list blocks(self, int kind)
    cdef list drain(self, int kind, bint split)


cpdef void release_owners()
cdef extern from *:
    """
    #ifndef METALPY_MEMORY_PXD
    #define METALPY_MEMORY_PXD
    #include <stdint.h>
    #include <stdlib.h>
    typedef struct mpy_owner { PyObject *object; struct mpy_owner *next; } mpy_owner;
    #define MPY_LARGEST_BYTES ((uint64_t)1 << 48)  /* of a request, and of a limit */
    static inline int mpy_floor_log2(unsigned long long value) { return 63 - __builtin_clzll(value); }
    #endif
    """
    const uint64_t LARGEST_BYTES "MPY_LARGEST_BYTES"
    int mpy_floor_log2(unsigned long long value) noexcept nogil
    ctypedef struct mpy_owner:
        PyObject *object
        mpy_owner *next
cdef void release_owner(void *context) noexcept nogil


cdef inline void touch(Memory memory, Queue queue, uint64_t serial):
    """Note that command `serial` of `queue` uses the memory."""
    if memory.queue is queue:
        memory.serial = serial
    else:
        memory.touch_other(queue, serial)


cdef inline int bin_of(uint64_t size) noexcept:
    """Number of the size class of a request."""
    cdef int power
    if size <= 8:
        return 0
    if size <= 2048:
        return <int>((size + 255) >> 8)
    power = mpy_floor_log2(size - 1)
    if power < 20:
        return (power - 11) * 8 + <int>((size - 1) >> (power - 3)) + 1
    return SMALL_LAST + (power - 20) * 32 + <int>((size - 1) >> (power - 5)) - 31


cdef inline uint64_t class_of_bin(int bin) noexcept:
    """Bytes of a block of a size class."""
    if bin == 0:
        return 256
    if bin < 16:
        return <uint64_t>bin << 8
    if bin <= SMALL_LAST:
        return <uint64_t>(8 + bin % 8) << (bin // 8 + 7)
    bin -= SMALL_LAST
    return <uint64_t>(32 + bin % 32) << (bin // 32 + 15)


cdef inline int kind_of_bin(int bin) noexcept:
    return SCALAR if bin == 0 else SMALL if bin <= SMALL_LAST else LARGE


cdef inline int last_bin(int bin) noexcept:
    """The last bin of the pool that a bin belongs to."""
    return 0 if bin == 0 else SMALL_LAST if bin <= SMALL_LAST else BIN_COUNT - 1
