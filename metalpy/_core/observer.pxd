from libc.stdint cimport uint64_t


cdef enum:
    DEBUG_TOTALS = 1
    DEBUG_ALLOCATIONS = 2
    DEBUG_RECYCLES = 4
    DEBUG_RELEASES = 8
    DEBUG_LARGE_ONLY = 16


cdef class Observer:
    cdef:
        readonly bint active      # anything below is on: all that the pool's fast path looks at
        bint recording
        int debug                 # bits
        str label                 # of the device
        tuple hooks
        set busy                  # threads that are inside of a hook
    cdef void update(self) noexcept
    cdef void notify(self, str kind, uint64_t size, uint64_t address) noexcept
    cdef void write(self, str text) noexcept
