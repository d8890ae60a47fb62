from libc.stdint cimport uint32_t, uint64_t

from metalpy._abi cimport mp_device, mp_driver
from metalpy._core.memory cimport FreeSet, Heap, Memory
from metalpy._core.observer cimport Observer


cdef class Reserve:
    cdef:
        const mp_driver *drv      # static
        mp_device *handle         # owned: the pool may outlive its Device
        str label                 # of the device
        uint32_t identity         # the Device's, for recordings
        FreeSet free
        list heaps                # a list of Heap for each kind
        readonly Observer observer
        str refusal               # what the device said when it last refused memory

        # limits; 0: none
        readonly uint64_t recommended, high_bytes, low_bytes, limit_bytes
        readonly double high_ratio, low_ratio
        uint64_t largest_buffer

        # now
        readonly uint64_t allocated, cached
        readonly uint64_t reserved  # bytes of all heaps, with those that are being created
        readonly uint64_t live, heap_count
        uint64_t blocks           # in use and kept
        # since the start or a reset
        readonly uint64_t peak_allocated, peak_reserved, peak_live, peak_heaps
        # since the start: resets subtract `base`
        readonly uint64_t hits, misses, allocated_total, reserved_total, heaps_made, gc_runs, ooms, retries

    cdef Memory cut(self, int bin, bint pressure)
    cdef Memory cut_from(self, Heap heap, int bin)
    cdef Heap heap_with_room(self, int kind, uint64_t needed)
    cdef Heap heap_with_room_made(self, int bin, uint64_t needed)
    cdef Heap new_heap(self, int kind, uint64_t needed, bint pressure)
    cdef Heap open_heap(self, int kind, uint64_t size, uint64_t needed)
    cdef void leave_heap(self, Heap heap) noexcept
    cdef void release(self, Memory memory) noexcept
    cdef int release_for(self, int bin, uint64_t needed) except -1
    cdef int release_neighbour(self, int bin) except -1
    cdef int collect_garbage(self) except -1
    cdef uint64_t device_total(self) noexcept
    cdef uint64_t allowance(self) noexcept
    cdef void note_refusal(self, const char *message)
    cdef int drop_cached(self) except -1
    cdef void observe_heap(self, str kind, Heap heap) noexcept
