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

The GIL guards the state. No call that may block or take long (waiting, creating, releasing) holds it; the state is
consistent before each of them, before hooks run, and before objects go that may run code of others. A build without
the GIL needs one lock for each pool, held in `allocate`, `give_back` and the methods that Python sees, and let go
wherever the GIL is.
"""

cimport cython
from cpython.ref cimport Py_DECREF, Py_INCREF, PyObject
from libc.stdint cimport uint32_t

from metalpy._abi cimport (
    MP_ERROR_INVALID,
    MP_ERROR_MEMORY,
    MP_OK,
    MP_RESOURCE_UNTRACKED,
    mp_buffer,
    mp_device_info,
    mp_error,
    mp_release_callback,
    mp_status,
)
from metalpy._core.check cimport check
from metalpy._core.driver cimport Queue
from metalpy._core.memory cimport (
    ACTIVE,
    FREE,
    LARGE,
    PENDING,
    SCALAR,
    SMALL,
    SMALL_LAST,
    bin_of,
    class_of_bin,
    kind_of_bin,
    last_bin,
    mpy_owner,
    release_owner,
    release_owners,
    touch,
)
from metalpy._core.observer cimport (
    DEBUG_ALLOCATIONS,
    DEBUG_LARGE_ONLY,
    DEBUG_RECYCLES,
    DEBUG_RELEASES,
    DEBUG_TOTALS,
)

from collections import deque

from metalpy import environment
from metalpy._core.observer import call_stack, readable
from metalpy.errors import OutOfMemoryError

cdef enum:
    COLLECT_LIMIT = 16            # pending blocks looked at for one allocation
    KIB = 1 << 10
    MIB = 1 << 20

cdef uint64_t LARGEST_BYTES = <uint64_t>1 << 48
cdef uint64_t NO_LIMIT = ~<uint64_t>0
cdef uint64_t HEAP_GRANULE = 16 * KIB  # Apple's page, and a multiple of everybody else's

KINDS = ("scalar", "shared-small", "shared-large")
STATES = ("active", "pending", "free")
HIGHEST_RATIO = 2.0
DEFAULT_HIGH, DEFAULT_LOW = 1.7, 1.4

cdef extern from "stdlib.h" nogil:
    void *malloc(size_t size)
    void c_free "free"(void *pointer)


@cython.final
cdef class Pool:
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
        cdef mp_error error
        cdef mp_device_info info
        if self.handle != NULL:
            raise RuntimeError("a Pool is created once")
        high = environment.read("METALPY_HIGH_WATERMARK_RATIO", "PYTORCH_MPS_HIGH_WATERMARK_RATIO",
                                parse=environment.number(0, HIGHEST_RATIO), default=DEFAULT_HIGH)
        low = environment.read("METALPY_LOW_WATERMARK_RATIO", "PYTORCH_MPS_LOW_WATERMARK_RATIO",
                               parse=environment.number(0, high or HIGHEST_RATIO), default=DEFAULT_LOW)
        debug = environment.read("METALPY_DEBUG_ALLOCATOR", "PYTORCH_DEBUG_MPS_ALLOCATOR",
                                 parse=environment.integer(0, 31), default=0)
        self.limit_bytes = environment.read("METALPY_MEMORY_LIMIT", parse=environment.size, default=0)
        self.drv = device.drv
        self.label = device.label
        self.free = FreeSet()
        self.pending = deque()
        self.heaps = [[] for _ in KINDS]
        self.observer = Observer(device.label, debug)
        self.drv.device_info(device.handle, &info)
        self.recommended = info.recommended_max_memory
        self.largest_buffer = info.max_buffer_length
        self.low_ratio = low
        self.set_high_ratio(high)
        self.base = {}
        self.reset_accumulated()
        check(self.drv.device_open(device.index, &self.handle, &error), &error)

    def __dealloc__(self):
        if self.handle != NULL:
            with nogil:
                self.drv.device_release(self.handle)

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

    def set_high_ratio(self, double ratio):
        """Let the device give out `ratio` times what it recommends, at most; 0 sets no limit.

        The low watermark follows where it would be above. Nothing that is already allocated changes.
        """
        if not 0 <= ratio <= HIGHEST_RATIO:
            raise ValueError(f"a watermark ratio is between 0 and {HIGHEST_RATIO:g}, got {ratio!r}")
        cdef double low = self.low_ratio if ratio == 0 else min(self.low_ratio, ratio)
        self.high_ratio = ratio
        self.high_bytes = <uint64_t>(ratio * <double>self.recommended)
        if ratio and self.recommended:
            self.high_bytes = max(self.high_bytes, <uint64_t>1)  # 0 would be no limit
        self.low_bytes = <uint64_t>(low * <double>self.recommended)

    @property
    def limit(self):
        """Bytes that may be reserved in all; None for no limit but the watermark and the device's."""
        return self.limit_bytes or None

    @limit.setter
    def limit(self, value):
        if value is not None and value <= 0:
            raise ValueError("the limit must be a positive number of bytes; None sets no limit")
        self.limit_bytes = 0 if value is None else min(value, LARGEST_BYTES)

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
            if class_of_bin(found) > size + min(size // 4, <uint64_t>32 * MIB):
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

    cdef Memory cut(self, int bin, bint pressure):
        """A new block from a heap that there is or a new one; None if there is no memory."""
        cdef int kind = kind_of_bin(bin)
        cdef uint64_t needed = self.drv.heap_buffer_size(self.handle, class_of_bin(bin))
        cdef Memory memory = None
        cdef Heap heap = self.heap_with_room(kind, needed)
        if heap is None:
            heap = self.heap_with_room_made(bin, needed)
        if heap is not None:
            memory = self.cut_from(heap, bin)
        if memory is None:  # no room, or another thread was quicker
            heap = self.new_heap(kind, needed, pressure)
            if heap is not None:
                memory = self.cut_from(heap, bin)
        return memory

    cdef Memory cut_from(self, Heap heap, int bin):
        """A new block of a heap whose `users` counts the caller; None, and no longer counted, if there is no room."""
        cdef Memory memory = Memory.__new__(Memory)
        cdef mp_error error
        cdef mp_status status
        memory.drv = self.drv
        memory.bin = bin
        memory.size = class_of_bin(bin)
        with nogil:
            status = self.drv.heap_buffer_create(heap.handle, memory.size, &memory.buffer, &error)
        if status == MP_OK:
            memory.contents = <char *>self.drv.buffer_contents(memory.buffer)
            memory.join(heap)
            self.blocks += 1
            return memory
        self.leave_heap(heap)
        if status != MP_ERROR_MEMORY:
            check(status, &error)
        self.note_refusal(error.message)
        return None

    # ---- heaps ----

    cdef Heap heap_with_room(self, int kind, uint64_t needed):
        """The fullest heap with room for a block, with the caller counted among its users; None if there is none."""
        cdef Heap heap, best = None
        cdef uint64_t room, least = NO_LIMIT
        for heap in <list>self.heaps[kind]:
            if heap.split:
                room = self.drv.heap_available(heap.handle)
                if needed <= room < least:
                    best, least = heap, room
        if best is None or not best.users:  # given back meanwhile, if the driver let other threads run
            return None
        best.users += 1
        return best

    cdef Heap heap_with_room_made(self, int bin, uint64_t needed):
        """Room for a block where idle blocks were; None if that does not help."""
        cdef int kind = kind_of_bin(bin)
        cdef uint64_t idle = 0
        cdef list blocks = [memory for memory in self.free.blocks(kind) if (<Memory>memory).heap.split]
        cdef Memory memory
        for memory in blocks:
            if memory.bin > bin:  # larger than reuse would like: cut it up
                heap = memory.heap
                heap.users += 1
                self.free.remove(memory)
                self.release(memory)
                return heap
            idle += memory.size
        # Many small blocks: let them join rather than take a heap that would double what is idle.
        if idle >= needed and idle >= heap_size(kind, needed, False) // 2:
            for memory in self.free.drain(kind, True):
                self.release(memory)
            return self.heap_with_room(kind, needed)
        return None

    cdef Heap new_heap(self, int kind, uint64_t needed, bint pressure):
        """A heap for a block, with the caller counted among its users; None if there is no memory for one."""
        cdef uint64_t least = rounded_up(needed, HEAP_GRANULE)
        cdef uint64_t size = max(heap_size(kind, needed, pressure), least)
        cdef Heap heap
        if kind == LARGE and size < 2 * needed:
            self.release_neighbour(bin_of(needed))
        while True:
            # A heap for several blocks takes a quarter of what is left at most, or large blocks would find no place.
            if size <= (self.allowance() // 4 if size >= 2 * needed else self.allowance()):
                heap = self.open_heap(kind, size, needed)
                if heap is not None:
                    return heap
            if size == least:
                return None
            size = size // 8 if size // 8 >= 2 * needed and size // 8 >= HEAP_GRANULE else least

    cdef Heap open_heap(self, int kind, uint64_t size, uint64_t needed):
        """A heap of `size` bytes from the driver; None if it refuses."""
        cdef Heap heap = Heap.__new__(Heap)
        cdef mp_error error
        cdef mp_status status
        cdef uint32_t options = MP_RESOURCE_UNTRACKED if kind == SCALAR else 0
        heap.drv = self.drv
        heap.kind = kind
        heap.size = size
        heap.split = size >= 2 * needed
        heap.users = 1
        self.reserved += size  # before the GIL goes, or two threads could pass a limit together
        with nogil:
            status = self.drv.heap_create(self.handle, size, options, &heap.handle, &error)
        if status != MP_OK:
            self.reserved -= size
            if status != MP_ERROR_MEMORY and status != MP_ERROR_INVALID:
                check(status, &error)
            self.note_refusal(error.message)
            return None
        self.heaps_made += 1
        self.heap_count += 1
        self.reserved_total += size
        self.peak_reserved = max(self.peak_reserved, self.reserved)
        self.peak_heaps = max(self.peak_heaps, self.heap_count)
        heap.number = self.heaps_made
        (<list>self.heaps[kind]).append(heap)
        if self.observer.active:
            self.observe_heap("heap_alloc", heap)
        return heap

    cdef void leave_heap(self, Heap heap) noexcept:
        """One user fewer; the last one gives the heap back to the device."""
        heap.users -= 1
        if heap.users:
            return
        (<list>self.heaps[heap.kind]).remove(heap)
        self.heap_count -= 1
        self.reserved -= heap.size
        if self.observer.active:
            self.observe_heap("heap_free", heap)

    cdef uint64_t device_total(self) noexcept:
        """Bytes that the device has given out, to whoever; at least what this pool has."""
        return max(self.reserved, self.drv.device_allocated_size(self.handle))

    cdef uint64_t allowance(self) noexcept:
        """Bytes that may still be taken from the device."""
        cdef uint64_t total, left = NO_LIMIT
        if self.high_bytes:
            total = self.device_total()
            left = self.high_bytes - total if total < self.high_bytes else 0
        if self.limit_bytes:
            left = min(left, self.limit_bytes - self.reserved if self.reserved < self.limit_bytes else 0)
        return left

    cdef void note_refusal(self, const char *message):
        self.refusal = (<bytes>message).decode("utf-8", "replace")

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

    cdef void release(self, Memory memory) noexcept:
        """Gives a block that is out of the free set back to its heap, and the heap, if empty, to the device."""
        cdef Heap heap = memory.heap
        cdef mp_buffer *buffer
        cdef bint debug = self.observer.debug & DEBUG_RELEASES and self.shown(memory)
        if debug:
            self.observer.write(f"releases a block of {readable(memory.size)} to heap {heap.number}")
        self.cached -= memory.size
        self.blocks -= 1
        memory.leave()
        memory.heap = None
        buffer = memory.buffer
        memory.buffer = NULL
        with nogil:
            self.drv.buffer_release(buffer)
        self.leave_heap(heap)
        release_owners()

    cdef int release_for(self, int bin, uint64_t needed) except -1:
        """Releases idle blocks of one pool: the first that is large enough, else the largest until they make it."""
        cdef list blocks = self.free.blocks(kind_of_bin(bin))
        cdef Memory memory
        cdef uint64_t released = 0
        for memory in blocks:
            if memory.bin >= bin:
                self.free.remove(memory)
                self.release(memory)
                return 1
        while blocks and released < needed:
            memory = blocks.pop()
            if memory.state == FREE:  # unless another thread has taken it meanwhile
                released += memory.size
                self.free.remove(memory)
                self.release(memory)
        return released > 0

    cdef int release_neighbour(self, int bin) except -1:
        """Releases the largest idle block that is too small by an eighth at most: a growing buffer left it."""
        cdef uint64_t least = class_of_bin(bin) // 8 * 7
        cdef list blocks = [memory for memory in self.free.blocks(LARGE) if (<Memory>memory).bin < bin]
        cdef Memory memory
        if blocks and (<Memory>blocks[len(blocks) - 1]).size >= least:
            memory = <Memory>blocks[len(blocks) - 1]
            self.free.remove(memory)
            self.release(memory)
        return 0

    cdef int collect_garbage(self) except -1:
        """Releases large idle blocks older than their mean, the oldest first, until the low watermark is reached."""
        cdef uint64_t now = self.hits + self.misses
        cdef uint64_t total = self.device_total()
        cdef uint64_t goal = total - self.low_bytes if total > self.low_bytes else 0
        cdef uint64_t released = 0, ages
        cdef list blocks
        cdef Memory memory
        self.gc_runs += 1
        while released < goal:
            blocks = self.free.blocks(LARGE)
            if not blocks:
                break
            ages = 0
            for memory in blocks:
                ages += now - memory.freed_at
            blocks.sort(key=freed_at)
            for memory in blocks:
                if released >= goal or (now - memory.freed_at) * <uint64_t>len(blocks) < ages:
                    break
                if memory.state == FREE:  # unless another thread has taken it meanwhile
                    released += memory.size
                    self.free.remove(memory)
                    self.release(memory)
        if self.observer.debug & DEBUG_TOTALS:
            self.observer.write(f"collected {readable(released)} of old blocks; {self.totals()}")
        return 0

    cdef int drop_cached(self) except -1:
        """Gives every idle block back to its heap, and the empty heaps to the device."""
        cdef Memory memory
        cdef int kind
        for kind in range(<int>len(KINDS)):
            for memory in self.free.drain(kind, False):
                self.release(memory)
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

    def totals(self):
        return (f"{readable(self.allocated)} in arrays, {readable(self.cached)} cached, {readable(self.reserved)} in "
                f"{self.heap_count} heaps, {readable(self.device_total())} on the device")

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
        return found

    # ---- observation: only when the observer is active ----

    def shown(self, Memory memory not None):
        """True unless debug output is limited to large blocks and this is none."""
        return not self.observer.debug & DEBUG_LARGE_ONLY or memory.bin > SMALL_LAST

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

    cdef void observe_heap(self, str kind, Heap heap) noexcept:
        cdef int debug = self.observer.debug
        if debug & (DEBUG_RELEASES if kind == "heap_free" else DEBUG_ALLOCATIONS):
            if not debug & DEBUG_LARGE_ONLY or heap.kind == LARGE:
                self.observer.write(
                    f"{'releases' if kind == 'heap_free' else 'makes'} heap {heap.number} of {readable(heap.size)} for "
                    f"the {KINDS[heap.kind]} pool" + (f"; {self.totals()}" if debug & DEBUG_TOTALS else ""))
        self.observer.notify(kind, heap.size, 0)


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


def freed_at(Memory memory not None):
    return memory.freed_at


cdef uint64_t heap_size(int kind, uint64_t needed, bint pressure) noexcept:
    """Bytes of a new heap for a block, as the counterpart chooses them."""
    if kind != LARGE:
        return 8 * MIB
    if needed < 10 * MIB:
        return 32 * MIB
    if needed < 512 * MIB and not pressure:
        return 1024 * MIB
    return rounded_up(needed, 2 * MIB)


cdef uint64_t rounded_up(uint64_t value, uint64_t unit) noexcept:
    return (value + unit - 1) // unit * unit
