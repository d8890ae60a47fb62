"""A caching allocator over the driver's buffers: policy only.

Size classes
    A request is rounded up to a multiple of 256 bytes and, from 2 KiB, of an eighth of the power of two below it,
    so that at most an eighth is lost. One list of idle buffers for each class.
Best fit
    A request takes the smallest idle buffer that holds it and is at most a quarter larger than its class.
Work in flight
    Memory remembers the last command that uses it, on each queue. What is given back before that command is
    complete waits in `pending` and is not reused until the queue says so.
No memory
    Wait for the pending blocks, take one of them if it fits, else give all idle buffers back to the driver, and
    ask once more. Then OutOfMemoryError.

The GIL guards the state. No call that may block or take long (waiting, creating, releasing) holds it; the state is
consistent before each of them.
"""

cimport cython
from cpython.ref cimport Py_DECREF, Py_INCREF, PyObject

from metalpy._abi cimport MP_ERROR_INVALID, MP_ERROR_MEMORY, MP_OK, mp_error, mp_release_callback, mp_status
from metalpy._core.check cimport check

from collections import deque

from metalpy.errors import OutOfMemoryError

cdef enum:
    BIN_COUNT = 320               # classes up to 2**49 bytes
    SMALLEST_BYTES = 256
    COLLECT_LIMIT = 16            # pending blocks looked at for one allocation

cdef uint64_t LARGEST_BYTES = <uint64_t>1 << 48


cdef extern from *:
    """
    #include <stdlib.h>

    /* Owners of wrapped memory that drivers have let go, from any thread and without the GIL: a stack that threads
       only push to and the holder of the GIL empties at once. */
    typedef struct mpy_owner { PyObject *object; struct mpy_owner *next; } mpy_owner;
    static mpy_owner *mpy_released = NULL;

    static void mpy_release_owner(void *context)
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

    static int mpy_floor_log2(unsigned long long value) { return 63 - __builtin_clzll(value); }
    """
    ctypedef struct mpy_owner:
        PyObject *object
        mpy_owner *next
    void mpy_release_owner(void *context) noexcept nogil
    mpy_owner *mpy_take_released() noexcept nogil
    int mpy_floor_log2(unsigned long long value) noexcept nogil
    void *malloc(size_t size) noexcept nogil
    void free(void *pointer) noexcept nogil


@cython.final
cdef class Pool:
    """The buffers of one device.

    Attributes
    ----------
    allocated, cached : int
        Bytes of blocks in use; bytes kept for reuse, with those whose work still runs.
    reserved : int
        Both together.
    peak_allocated, peak_reserved : int
        Highest values since the start or `reset_peak`.
    hits, misses, frees : int
        Allocations served by a kept buffer; by the driver; blocks given back.
    """

    def __init__(self, Device device not None):
        cdef mp_error error
        if self.handle != NULL:
            raise RuntimeError("a Pool is created once")
        self.drv = device.drv
        self.bins = [[] for _ in range(BIN_COUNT)]
        self.pending = deque()
        check(self.drv.device_open(device.index, &self.handle, &error), &error)

    def __dealloc__(self):
        if self.handle != NULL:
            with nogil:
                self.drv.device_release(self.handle)

    def new_block(self, uint64_t size):
        """A block of at least `size` bytes; None for none."""
        return self.allocate(size) if size else None

    def empty_cache(self):
        """Wait for blocks whose work still runs, then give every idle buffer back to the driver."""
        try:
            self.settle()
        finally:
            self.drop_cached()

    def reset_peak(self):
        """Start the peaks again from what is in use now."""
        self.peak_allocated = self.allocated
        self.peak_reserved = self.reserved

    def statistics(self):
        """All counters as a dict of ints."""
        release_owners()
        return {
            "allocated_bytes": self.allocated,
            "cached_bytes": self.cached,
            "reserved_bytes": self.reserved,
            "peak_allocated_bytes": self.peak_allocated,
            "peak_reserved_bytes": self.peak_reserved,
            "limit_bytes": self.limit_bytes,
            "live_blocks": self.live,
            "pending_blocks": len(self.pending),
            "hits": self.hits,
            "misses": self.misses,
            "frees": self.frees,
        }

    @property
    def limit(self):
        """Bytes that may be reserved in all; None for no limit but the device's."""
        return self.limit_bytes or None

    @limit.setter
    def limit(self, value):
        if value is not None and value <= 0:
            raise ValueError("the limit must be a positive number of bytes; None sets no limit")
        self.limit_bytes = 0 if value is None else value

    cdef Block allocate(self, uint64_t size):
        cdef Block block = Block.__new__(Block)  # first: what follows must not fail once memory is taken
        cdef Memory memory
        release_owners()
        if size > LARGEST_BYTES:
            raise self.out_of_memory(size, "")
        size = size_class(size)
        memory = self.take(size)
        if memory is None and self.pending:
            self.collect(COLLECT_LIMIT)
            memory = self.take(size)
        if memory is None:
            memory = self.create(size)
        else:
            self.hits += 1
        self.allocated += memory.size
        self.live += 1
        if self.allocated > self.peak_allocated:
            self.peak_allocated = self.allocated
        block.memory = memory
        block.pool = self
        return block

    cdef Memory take(self, uint64_t size):
        """An idle buffer for a request of class `size`, or None."""
        cdef uint64_t largest = size + size // 4
        cdef int index = bin_of(size)
        cdef list bin
        cdef Memory memory
        while index < BIN_COUNT:
            bin = <list>self.bins[index]
            if bin:
                memory = <Memory>bin[len(bin) - 1]  # the last one used is the one in the processor's caches
                if memory.size > largest:
                    return None
                bin.pop()
                self.cached -= memory.size
                return memory
            if class_of_bin(index) > largest:
                return None
            index += 1
        return None

    cdef Memory create(self, uint64_t size):
        """A new buffer; see the module's docstring for what happens when there is no memory."""
        cdef Memory memory
        cdef mp_error error
        cdef mp_status status
        cdef bint again
        detail = ""
        for again in (False, True):
            if again:
                self.settle()
                memory = self.take(size)
                if memory is not None:
                    self.hits += 1
                    return memory
                self.drop_cached()
            if self.limit_bytes == 0 or self.reserved + size <= self.limit_bytes:
                memory = Memory.__new__(Memory)
                memory.drv = self.drv
                memory.size = size
                self.reserved += size  # before the GIL goes, or two threads could pass the limit together
                with nogil:
                    status = self.drv.buffer_create(self.handle, size, 0, &memory.buffer, &error)
                if status == MP_OK:
                    memory.contents = <char *>self.drv.buffer_contents(memory.buffer)
                    self.misses += 1
                    if self.reserved > self.peak_reserved:
                        self.peak_reserved = self.reserved
                    return memory
                self.reserved -= size
                if status != MP_ERROR_MEMORY and status != MP_ERROR_INVALID:
                    check(status, &error)
                detail = (<bytes>error.message).decode("utf-8", "replace")
                if status == MP_ERROR_INVALID:  # longer than any buffer: freeing memory would not help
                    raise self.out_of_memory(size, detail)
        raise self.out_of_memory(size, detail)

    def out_of_memory(self, uint64_t size, str detail):
        limit = f"{self.limit_bytes:,} bytes" if self.limit_bytes else "none set"
        return OutOfMemoryError(
            f"out of memory: {size:,} bytes asked for, {self.allocated:,} in use, {self.cached:,} cached, "
            f"limit {limit}{'; the device says: ' + detail if detail else ''}"
        )

    cdef void give_back(self, Memory memory) noexcept:
        self.frees += 1
        self.live -= 1
        self.allocated -= memory.size
        self.cached += memory.size
        if memory.idle():
            (<list>self.bins[bin_of(memory.size)]).append(memory)
        else:
            self.pending.append(memory)

    cdef void collect(self, Py_ssize_t at_most):
        """Moves pending blocks whose work is complete to the idle ones; looks at no more than `at_most`."""
        cdef Memory memory
        for _ in range(min(at_most, <Py_ssize_t>len(self.pending))):
            if not self.pending:  # letting go of a queue lets other threads run, and they collect too
                break
            memory = <Memory>self.pending.popleft()
            if memory.idle():
                (<list>self.bins[bin_of(memory.size)]).append(memory)
            else:
                self.pending.append(memory)

    cdef int settle(self) except -1:
        """Waits for the work of every pending block and makes them idle."""
        cdef Memory memory
        release_owners()
        while self.pending:
            memory = <Memory>self.pending.popleft()
            try:
                memory.wait()
            finally:  # a kernel's failure may come out of the wait; the block is as good as any afterwards
                if memory.idle():
                    (<list>self.bins[bin_of(memory.size)]).append(memory)
                else:
                    self.pending.append(memory)
        return 0

    cdef int drop_cached(self) except -1:
        """Gives every idle buffer back to the driver."""
        cdef list dropped = []
        cdef list bin
        cdef Memory memory
        for bin in self.bins:
            if bin:
                dropped.extend(bin)
                bin.clear()
        for memory in dropped:
            self.cached -= memory.size
            self.reserved -= memory.size
        return 0  # the buffers are released with `dropped`


@cython.final
@cython.no_gc  # holds no object that could lead back to it
cdef class Memory:

    def __dealloc__(self):
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


@cython.final
@cython.no_gc  # as Memory; and __dealloc__ needs both fields
cdef class Block:

    def __dealloc__(self):
        if self.pool is not None:
            self.pool.give_back(self.memory)

    def __getbuffer__(self, Py_buffer *view, int flags):
        """The raw bytes: what NumPy views of an array hold on to. Does not wait for work in flight."""
        view.buf = self.memory.contents
        view.obj = self
        view.len = <Py_ssize_t>self.memory.size
        view.itemsize = 1
        view.readonly = 0
        view.ndim = 1
        view.format = NULL
        view.shape = &view.len
        view.strides = &view.itemsize
        view.suboffsets = NULL
        view.internal = NULL

    def use(self, Queue queue not None, uint64_t serial):
        """Note that command `serial` of `queue` uses the block."""
        touch(self.memory, queue, serial)

    @property
    def size(self):
        """Bytes, as rounded up to the size class."""
        return self.memory.size

    @property
    def address(self):
        """Host address of the first byte."""
        return <size_t>self.memory.contents

    @property
    def idle(self):
        """True if no unfinished command uses the block."""
        return self.memory.idle()


cdef Pool pool_of(Device device):
    """The pool of a device, made on first use."""
    if device.pool is None:
        device.pool = Pool(device)
    return <Pool>device.pool


def pool(Device device not None):
    """The pool of a device, made on first use."""
    return pool_of(device)


cdef Block wrap(Device device, void *address, uint64_t size, object owner):
    """A block over memory that `owner` keeps alive, until the device no longer needs it."""
    cdef Block block = Block.__new__(Block)
    cdef Memory memory = Memory.__new__(Memory)
    cdef mp_error error
    cdef mp_status status
    cdef mpy_owner *context = <mpy_owner *>malloc(sizeof(mpy_owner))
    if context == NULL:
        raise MemoryError()
    release_owners()
    context.object = <PyObject *>owner
    Py_INCREF(owner)
    memory.drv = device.drv
    memory.size = size
    status = device.drv.buffer_wrap(device.handle, address, size, <mp_release_callback>mpy_release_owner, context,
                                    &memory.buffer, &error)
    if status != MP_OK:
        free(context)
        Py_DECREF(owner)
        check(status, &error)
    memory.contents = <char *>address
    block.memory = memory
    return block


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
    return size_class(size)


cdef uint64_t size_class(uint64_t size) noexcept:
    cdef uint64_t granule = SMALLEST_BYTES
    if size == 0:
        return SMALLEST_BYTES
    if size > 2048:
        granule = <uint64_t>1 << (mpy_floor_log2(size) - 3)
    return (size + granule - 1) & ~(granule - 1)


cdef int bin_of(uint64_t size) noexcept:
    """Number of a size class: 1 to 8 below 2 KiB, then eight for each power of two."""
    cdef int power
    if size < 2048:
        return <int>(size >> 8)
    power = mpy_floor_log2(size)
    return (power - 11) * 8 + <int>(size >> (power - 3))


cdef uint64_t class_of_bin(int index) noexcept:
    if index < 16:
        return <uint64_t>index << 8
    return <uint64_t>(8 + index % 8) << (index // 8 + 7)
