"""A caching allocator: policy only, above the driver's heaps and buffers.

Three pools share a device: scalars (up to 8 bytes), small blocks (up to 1 MiB) and large ones. The driver cuts blocks
from heaps, and a block that is given back is kept for the next request.

A request takes the first of these that works:

1. The smallest idle block that is at most a quarter, and at most 32 MiB, larger than its size class.
2. A new block, cut from the fullest heap with room; from a heap in which idle blocks can make room; from a new heap.
   New heaps have 8 MiB for small blocks, 32 MiB for blocks below 10 MiB, 1 GiB below 512 MiB, else what the block
   needs. They are smaller, down to what the block needs, where limits or the device do not allow that much.
3. The same after idle blocks of this pool went back to their heaps, and empty heaps to the device.
4. An idle block, or else a new one after everything idle was released, when all work in flight is complete.

Then `OutOfMemoryError`. Above the low watermark, large idle blocks that have waited longer than most are released
before anything new is taken, and heaps are not made larger than needed. Nothing new takes the device above the high
watermark, or this pool above the limit in bytes.

Steps 2 and 3 are in `reserve.pyx`, what a block and a size class are is in `memory.pyx`.

The GIL guards the state. No call that may block or take long (waiting, creating, releasing) holds it; the state is
consistent before each of them, before hooks run, and before objects go that may run code of others. A build without
the GIL needs one lock for each pool, held in `allocate`, `give_back` and the methods that Python sees, and let go
wherever the GIL is.
"""

cimport cython
from cpython.ref cimport Py_DECREF, Py_INCREF, PyObject

from metalpy._abi cimport MP_OK, mp_error, mp_release_callback, mp_status
from metalpy._core.check cimport check
from metalpy._core.driver cimport Queue
from metalpy._core.memory cimport (
    ACTIVE,
    LARGE,
    LARGEST_BYTES,
    PENDING,
    SMALL_LAST,
    Heap,
    bin_of,
    class_of_bin,
    kind_of_bin,
    last_bin,
    mpy_owner,
    release_owner,
    release_owners,
    touch,
)
from metalpy._core.observer cimport DEBUG_ALLOCATIONS, DEBUG_RECYCLES, DEBUG_TOTALS
from metalpy._core.trace cimport add_memory, tracing

from collections import deque

from metalpy._core.observer import call_stack, readable
from metalpy._core.reserve import KINDS
from metalpy.errors import OutOfMemoryError

STATES = ("active", "pending", "free")
cdef uint64_t MOST_SLACK = <uint64_t>1 << 25
cdef enum:
    COLLECT_LIMIT = 16            # pending blocks looked at for one allocation

cdef extern from "stdlib.h" nogil:
    void *malloc(size_t size)
    void c_free "free"(void *pointer)


@cython.final
cdef class Pool(Reserve):
    """The memory of one device.

    Attributes
    ----------
    allocated, cached : int
        Bytes of blocks in use; bytes of blocks kept for reuse, with those whose work still runs.
    reserved : int
        Bytes of all heaps: the two above, and what no block has been cut from.
    high_ratio, low_ratio : float
        Watermarks, in parts of the device's recommended memory; 0 is none.
    """

    def __init__(self, Device device not None):
        super().__init__(device)
        self.pending = deque()
        self.reset_accumulated()

    # ---- what Python sees; statistics and snapshot are further down ----

    def new_block(self, uint64_t size):
        """A block of at least `size` bytes; None for none."""
        return self.allocate(size) if size else None

    def empty_cache(self):
        """Wait for blocks whose work still runs, then give everything that is idle back to the device."""
        try:
            self.settle()
        finally:
            self.drop_cached()
            if self.observer.debug & DEBUG_TOTALS:
                self.observer.write(f"cache emptied; {self.totals()}")

    # ---- the way of a request ----

    cdef Block allocate(self, uint64_t size):
        cdef Block block = Block.__new__(Block)  # first: what follows must not fail once memory is taken
        cdef Memory memory
        cdef bint again = True
        cdef int bin
        release_owners()
        if size > LARGEST_BYTES:
            raise self.out_of_memory(size, SMALL_LAST + 1)
        bin = bin_of(size)
        memory = self.reuse(bin)
        if memory is None and self.pending:
            self.collect(COLLECT_LIMIT)
            memory = self.reuse(bin)
        if memory is None:
            again = False
            memory = self.create(bin)
            self.misses += 1
        else:
            self.hits += 1
        memory.state = ACTIVE
        memory.requested = size
        self.allocated += memory.size
        self.allocated_total += memory.size
        self.live += 1
        if self.allocated > self.peak_allocated:
            self.peak_allocated = self.allocated
        if self.live > self.peak_live:
            self.peak_live = self.live
        block.memory = memory
        block.pool = self
        if self.observer.active:
            self.observe("alloc", memory, again)
        if tracing:
            add_memory("use", self.identity, memory.size, self.allocated, self.reserved)
        return block

    cdef Memory reuse(self, int bin):
        """The idle block that fits best, or None."""
        cdef int found = self.free.find(bin, last_bin(bin))
        cdef Memory memory
        cdef uint64_t size
        if found < 0:
            return None
        if found != bin:
            size = class_of_bin(bin)
            if class_of_bin(found) > size + min(size // 4, MOST_SLACK):
                return None
        memory = self.free.take(found)
        self.cached -= memory.size
        return memory

    cdef Memory create(self, int bin):
        """A block that no idle one can serve: steps 2 to 4 of the module's docstring."""
        cdef uint64_t size = class_of_bin(bin)
        cdef bint pressure = bin > SMALL_LAST and 0 < self.low_bytes <= self.device_total()
        cdef Memory memory = None
        self.refusal = ""
        if size <= self.largest_buffer:  # else releasing memory would not help
            if pressure and self.free.bytes[LARGE] > size:
                self.collect_garbage()
            memory = self.cut(bin, pressure)
            if memory is None and self.release_for(bin, size):
                memory = self.cut(bin, pressure)
            if memory is None:
                self.retries += 1
                self.settle()
                memory = self.reuse(bin)
            if memory is None:
                self.drop_cached()
                memory = self.cut(bin, pressure)
        if memory is not None:
            return memory
        self.ooms += 1
        error = self.out_of_memory(size, bin)
        if self.observer.active:
            if self.observer.debug & DEBUG_TOTALS:
                self.observer.write(f"out of memory for {readable(size)}; {self.totals()}")
            self.observer.notify("oom", size, 0)
        raise error

    # ---- giving back ----

    cdef void give_back(self, Memory memory) noexcept:
        self.live -= 1
        self.allocated -= memory.size
        self.cached += memory.size
        memory.freed_at = self.hits + self.misses
        if memory.origin is not None:
            memory.origin = None
        if memory.idle():
            self.free.add(memory)
        else:
            memory.state = PENDING
            self.pending.append(memory)
        if self.observer.active:
            self.observe("free", memory, True)
        if tracing:
            add_memory("use", self.identity, memory.size, self.allocated, self.reserved)

    cdef void collect(self, Py_ssize_t at_most):
        """Moves pending blocks whose work is complete to the idle ones; looks at no more than `at_most`."""
        cdef Memory memory
        for _ in range(min(at_most, <Py_ssize_t>len(self.pending))):
            if not self.pending:  # letting go of a queue lets other threads run, and they collect too
                break
            memory = <Memory>self.pending.popleft()
            if memory.idle():
                self.free.add(memory)
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
                    self.free.add(memory)
                else:
                    self.pending.append(memory)
        return 0

    # ---- facts ----

    def out_of_memory(self, uint64_t size, int bin):
        """The error that says what was asked, what there is, and what can be done."""
        cdef uint64_t total = self.device_total()
        facts = (f"{readable(self.reserved)} allocated, {readable(self.allocated)} of it in arrays; "
                 f"other allocations: {readable(total - self.reserved)}")
        advice = ""
        if self.high_bytes:
            facts += f"; max allowed: {readable(self.high_bytes)}"
        if self.limit_bytes:
            facts += f"; memory limit: {self.limit_bytes:,} bytes"
        if size > self.largest_buffer:
            advice = f" No buffer of the device can be longer than {readable(self.largest_buffer)}."
        elif self.limit_bytes and self.reserved + size > self.limit_bytes:
            advice = " Use metalpy.mps.set_memory_limit or METALPY_MEMORY_LIMIT to raise the limit."
        elif self.high_bytes and total + size > self.high_bytes:
            advice = (" Use METALPY_HIGH_WATERMARK_RATIO=0.0 or metalpy.mps.set_per_process_memory_fraction(0.0) to "
                      "allow more, which may make the machine fail.")
        if self.refusal:
            advice += f" The device says: {self.refusal}."
        return OutOfMemoryError(f"{self.label} is out of memory ({facts}). Tried to allocate {readable(size)} "
                                f"({size:,} bytes) on the {KINDS[kind_of_bin(bin)]} pool.{advice}")

    def reset_peak(self):
        """Start the peaks again from what is in use now."""
        self.peak_allocated = self.allocated
        self.peak_reserved = self.reserved
        self.peak_live = self.live
        self.peak_heaps = self.heap_count

    def reset_accumulated(self):
        """Start everything that only grows again from 0."""
        self.base = {}
        self.base = self.counters()

    def counters(self):
        """What only grows, since the start or `reset_accumulated`."""
        return {name: value - self.base.get(name, 0) for name, value in (
            ("allocated_bytes", self.allocated_total), ("freed_bytes", self.allocated_total - self.allocated),
            ("reserved_bytes", self.reserved_total), ("unreserved_bytes", self.reserved_total - self.reserved),
            ("allocations", self.hits + self.misses), ("frees", self.hits + self.misses - self.live),
            ("heaps_made", self.heaps_made), ("heaps_dropped", self.heaps_made - self.heap_count),
            ("hits", self.hits), ("misses", self.misses), ("gc_runs", self.gc_runs), ("retries", self.retries),
            ("ooms", self.ooms),
        )}

    def statistics(self):
        """All counters as a dict of ints."""
        release_owners()
        counted = self.counters()
        return {
            "allocated_bytes": self.allocated,
            "cached_bytes": self.cached,
            "reserved_bytes": self.reserved,
            "peak_allocated_bytes": self.peak_allocated,
            "peak_reserved_bytes": self.peak_reserved,
            "limit_bytes": self.limit_bytes,
            "blocks": self.blocks,
            "live_blocks": self.live,
            "peak_live_blocks": self.peak_live,
            "pending_blocks": len(self.pending),
            "heaps": self.heap_count,
            "peak_heaps": self.peak_heaps,
            **{f"total_{name}" if name.endswith("_bytes") else name: value for name, value in counted.items()},
        }

    def snapshot(self):
        """Every heap as (number, pool, size, bytes that a new block may have, blocks), and every block of it as
        (address, size, requested, state, allocations since it was given back, origin)."""
        cdef Heap heap
        cdef Memory memory
        cdef PyObject *at
        cdef uint64_t now = self.hits + self.misses
        cdef list found = []
        for heaps in self.heaps:
            for heap in list(heaps):
                if not heap.users:  # it went meanwhile
                    continue
                heap.users += 1
                blocks = []
                at = heap.first
                while at != NULL:
                    memory = <Memory>at
                    blocks.append((self.drv.buffer_address(memory.buffer), memory.size, memory.requested,
                                   STATES[memory.state], 0 if memory.state == ACTIVE else now - memory.freed_at,
                                   memory.origin))
                    at = memory.next
                found.append((heap.number, KINDS[heap.kind], heap.size, self.drv.heap_available(heap.handle),
                              blocks))
                self.leave_heap(heap)
        return found

    # ---- observation: only when the observer is active ----

    cdef void observe(self, str kind, Memory memory, bint again) noexcept:
        """A block goes to a user or comes back."""
        cdef int debug = self.observer.debug
        if kind == "alloc":
            if self.observer.recording:
                memory.origin = call_stack()
            if debug & (DEBUG_RECYCLES if again else DEBUG_ALLOCATIONS) and self.shown(memory):
                self.observer.write(
                    f"{'reuses' if again else 'allocates'} a block of {readable(memory.size)} for "
                    f"{memory.requested:,} bytes in heap {memory.heap.number} of the "
                    f"{KINDS[memory.heap.kind]} pool" + (f"; {self.totals()}" if debug & DEBUG_TOTALS else ""))
        if self.observer.hooks:
            self.observer.notify(kind, memory.size, self.drv.buffer_address(memory.buffer))


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
        made = Pool(device)
        if device.pool is None:  # another thread may have been quicker
            device.pool = made
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
    status = device.drv.buffer_wrap(device.handle, address, size, <mp_release_callback>release_owner, context,
                                    &memory.buffer, &error)
    if status != MP_OK:
        c_free(context)
        Py_DECREF(owner)
        check(status, &error)
    memory.contents = <char *>address
    block.memory = memory
    return block
