"""What the pool's policy is about: heaps, blocks cut from them, and idle blocks by size class.

Size classes
    Up to 2 KiB the multiples of 256 bytes, up to 1 MiB eight for each power of two, above that 32. So up to an eighth
    of a small block is lost and up to a 32nd of a large one.
Work in flight
    Memory remembers the last command that uses it, on each queue. It is idle when all of them are complete.
"""

cimport cython
from cpython.ref cimport Py_DECREF

cdef extern from *:
    """
    /* Owners of wrapped memory that drivers have let go, from any thread and without the GIL: a stack that threads
       only push to and the holder of the GIL empties at once. */
    static mpy_owner *mpy_released = NULL;

    static void mpy_push_owner(void *context)
    {
        mpy_owner *owner = context;
        owner->next = __atomic_load_n(&mpy_released, __ATOMIC_RELAXED);
        while (!__atomic_compare_exchange_n(&mpy_released, &owner->next, owner, 1, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
            ;
    }

    static mpy_owner *mpy_take_released(void)
    {
        if (__atomic_load_n(&mpy_released, __ATOMIC_RELAXED) == NULL)
            return NULL;
        return __atomic_exchange_n(&mpy_released, NULL, __ATOMIC_ACQUIRE);
    }

    static int mpy_lowest_bit(unsigned long long value) { return __builtin_ctzll(value); }
    """
    void mpy_push_owner(void *context) noexcept nogil
    mpy_owner *mpy_take_released() noexcept nogil
    int mpy_lowest_bit(unsigned long long value) noexcept nogil
    void free(void *pointer) noexcept nogil


@cython.final
@cython.no_gc  # holds no object
cdef class Heap:

    def __dealloc__(self):
        if self.handle != NULL:
            with nogil:
                self.drv.heap_release(self.handle)


@cython.final
@cython.no_gc  # holds no object that could lead back to it
cdef class Memory:

    def __dealloc__(self):
        if self.heap is not None:
            self.leave()
        if self.buffer != NULL:
            with nogil:
                self.drv.buffer_release(self.buffer)
            release_owners()

    cdef void touch_other(self, Queue queue, uint64_t serial):
        cdef list others
        if self.queue is not None and self.queue.completed_serial() < self.serial:
            others = [(self.queue, self.serial)]
            if self.others is not None:
                others += [use for use in self.others if use[0] is not queue and use[0].completed < use[1]]
            self.others = others
        self.queue = queue
        self.serial = serial

    cdef bint idle(self):
        """True if no command that uses the memory is unfinished; then forgets the uses."""
        if self.queue is not None:
            if self.queue.completed_serial() < self.serial:
                return False
            self.queue = None
        if self.others is not None:
            for queue, serial in self.others:
                if (<Queue>queue).completed_serial() < <uint64_t>serial:
                    return False
            self.others = None
        return True

    cdef int wait(self) except -1:
        """Waits for every command that uses the memory; raises if a kernel failed up to there."""
        cdef Queue queue = self.queue
        cdef uint64_t serial = self.serial
        cdef list others = self.others
        if others is not None:
            for other, other_serial in others:
                (<Queue>other).wait_serial(other_serial)
            if self.others is others:  # unless another thread has used it meanwhile
                self.others = None
        if queue is not None:
            queue.wait_serial(serial)
            if self.queue is queue and self.serial == serial:  # likewise
                self.queue = None
        return 0

    cdef void join(self, Heap heap) noexcept:
        """Enters the heap's chain."""
        self.heap = heap
        self.previous = NULL
        self.next = heap.first
        if self.next != NULL:
            (<Memory>self.next).previous = <PyObject *>self
        heap.first = <PyObject *>self

    cdef void leave(self) noexcept:
        """Leaves the heap's chain."""
        if self.next != NULL:
            (<Memory>self.next).previous = self.previous
        if self.previous != NULL:
            (<Memory>self.previous).next = self.next
        else:
            self.heap.first = self.next
        self.next = self.previous = NULL


@cython.final
cdef class FreeSet:

    def __cinit__(self):
        self.bins = [[] for _ in range(BIN_COUNT)]

    cdef void add(self, Memory memory) noexcept:
        cdef int bin = memory.bin
        memory.state = FREE
        (<list>self.bins[bin]).append(memory)
        self.filled[bin >> 6] |= <uint64_t>1 << (bin & 63)
        self.bytes[memory.heap.kind] += memory.size

    cdef int find(self, int first, int last) noexcept:
        """The smallest bin from `first` to `last` that holds a block; -1 if there is none."""
        cdef int word = first >> 6
        cdef uint64_t bits = self.filled[word] & (~<uint64_t>0 << (first & 63))
        while not bits:
            word += 1
            if word > last >> 6:
                return -1
            bits = self.filled[word]
        word = (word << 6) + mpy_lowest_bit(bits)
        return word if word <= last else -1

    cdef Memory take(self, int bin):
        """The block of a bin that was used last."""
        cdef list blocks = <list>self.bins[bin]
        cdef Memory memory = <Memory>blocks.pop()
        if not blocks:
            self.filled[bin >> 6] &= ~(<uint64_t>1 << (bin & 63))
        self.bytes[memory.heap.kind] -= memory.size
        memory.state = ACTIVE
        return memory

    cdef void remove(self, Memory memory):
        """Takes out one block, which must be in the set, to be given back to its heap."""
        cdef list blocks = <list>self.bins[memory.bin]
        blocks.remove(memory)
        if not blocks:
            self.filled[memory.bin >> 6] &= ~(<uint64_t>1 << (memory.bin & 63))
        self.bytes[memory.heap.kind] -= memory.size
        memory.state = GONE

    cdef list blocks(self, int kind):
        """The blocks of one pool, the smallest first."""
        cdef int bin = 0 if kind == SCALAR else 1 if kind == SMALL else SMALL_LAST + 1
        cdef int last = last_bin(bin)
        cdef list found = []
        while bin <= last:
            bin = self.find(bin, last)
            if bin < 0:
                break
            found.extend(<list>self.bins[bin])
            bin += 1
        return found

    cdef list drain(self, int kind, bint split):
        """Takes out all blocks of one pool, or all in heaps for several, to be given back to their heaps."""
        cdef list found = self.blocks(kind)
        cdef Memory memory
        if split:
            found = [memory for memory in found if (<Memory>memory).heap.split]
        for memory in found:
            memory.state = GONE
            self.bytes[kind] -= memory.size
        for bin in {(<Memory>memory).bin for memory in found}:
            kept = [memory for memory in <list>self.bins[bin] if (<Memory>memory).state == FREE]
            self.bins[bin] = kept
            if not kept:
                self.filled[<int>bin >> 6] &= ~(<uint64_t>1 << (<int>bin & 63))
        return found


cdef void release_owner(void *context) noexcept nogil:
    mpy_push_owner(context)


cpdef void release_owners():
    """Lets go of the owners of wrapped memory that drivers no longer need."""
    cdef mpy_owner *released = mpy_take_released()
    cdef mpy_owner *following
    while released != NULL:
        following = released.next
        Py_DECREF(<object>released.object)
        free(released)
        released = following


def rounded_size(uint64_t size):
    """Bytes that a request for `size` bytes takes."""
    return class_of_bin(bin_of(size))
