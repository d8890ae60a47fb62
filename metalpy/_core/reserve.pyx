"""What a pool has of its device: heaps, the idle blocks in them, and how much more it may take."""

from libc.stdint cimport uint32_t

from metalpy._abi cimport (
    MP_ERROR_INVALID,
    MP_ERROR_MEMORY,
    MP_OK,
    MP_RESOURCE_UNTRACKED,
    mp_buffer,
    mp_device_info,
    mp_error,
    mp_heap,
    mp_status,
)
from metalpy._core.check cimport check
from metalpy._core.driver cimport Device
from metalpy._core.memory cimport (
    FREE,
    LARGE,
    LARGEST_BYTES,
    SCALAR,
    SMALL_LAST,
    bin_of,
    class_of_bin,
    kind_of_bin,
    release_owners,
)
from metalpy._core.observer cimport (
    DEBUG_ALLOCATIONS,
    DEBUG_LARGE_ONLY,
    DEBUG_RELEASES,
    DEBUG_TOTALS,
)
from metalpy._core.trace cimport add_memory, tracing

from metalpy import environment
from metalpy._core.observer import readable

cdef enum:
    KIB = 1 << 10
    MIB = 1 << 20

cdef uint64_t NO_LIMIT = ~<uint64_t>0
cdef uint64_t HEAP_GRANULE = 16 * KIB  # Apple's page, and a multiple of everybody else's

KINDS = ("scalar", "shared-small", "shared-large")
HIGHEST_RATIO = 2.0
DEFAULT_HIGH, DEFAULT_LOW = 1.7, 1.4


cdef class Reserve:
    """Base of `Pool`: everything that deals with heaps. The state is consistent before each call of the driver."""

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
        self.identity = device.identity
        self.free = FreeSet()
        self.heaps = [[] for _ in KINDS]
        self.observer = Observer(device.label, debug)
        self.drv.device_info(device.handle, &info)
        self.recommended = info.recommended_max_memory
        self.largest_buffer = info.max_buffer_length
        self.low_ratio = low
        self.set_high_ratio(high)
        check(self.drv.device_open(device.index, &self.handle, &error), &error)

    def __dealloc__(self):
        if self.handle != NULL:
            with nogil:
                self.drv.device_release(self.handle)

    # ---- how much there may be ----

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

    def totals(self):
        return (f"{readable(self.allocated)} in arrays, {readable(self.cached)} cached, {readable(self.reserved)} in "
                f"{self.heap_count} heaps, {readable(self.device_total())} on the device")

    # ---- blocks from heaps ----

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
                heap.users += 1  # so that it stays, whatever the driver lets other threads do
                room = self.drv.heap_available(heap.handle)
                if needed <= room < least:
                    best, heap = heap, best
                    least = room
                if heap is not None:
                    self.leave_heap(heap)
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
        if tracing:
            add_memory("allocate", self.identity, heap.size, self.allocated, self.reserved)
        return heap

    cdef void leave_heap(self, Heap heap) noexcept:
        """One user fewer; the last one gives the heap back to the device."""
        cdef mp_heap *handle = heap.handle
        heap.users -= 1
        if heap.users:
            return
        (<list>self.heaps[heap.kind]).remove(heap)
        self.heap_count -= 1
        heap.handle = NULL
        with nogil:
            self.drv.heap_release(handle)
        self.reserved -= heap.size  # not before the device has it: a limit must not be passed meanwhile
        if self.observer.active:
            self.observe_heap("heap_free", heap)
        if tracing:
            add_memory("free", self.identity, heap.size, self.allocated, self.reserved)

    cdef void note_refusal(self, const char *message):
        self.refusal = (<bytes>message).decode("utf-8", "replace")

    # ---- giving back ----

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

    # ---- observation: only when the observer is active ----

    def shown(self, Memory memory not None):
        """True unless debug output is limited to large blocks and this is none."""
        return not self.observer.debug & DEBUG_LARGE_ONLY or memory.bin > SMALL_LAST

    cdef void observe_heap(self, str kind, Heap heap) noexcept:
        cdef int debug = self.observer.debug
        if debug & (DEBUG_RELEASES if kind == "heap_free" else DEBUG_ALLOCATIONS):
            if not debug & DEBUG_LARGE_ONLY or heap.kind == LARGE:
                self.observer.write(
                    f"{'releases' if kind == 'heap_free' else 'makes'} heap {heap.number} of {readable(heap.size)} for "
                    f"the {KINDS[heap.kind]} pool" + (f"; {self.totals()}" if debug & DEBUG_TOTALS else ""))
        self.observer.notify(kind, heap.size, 0)


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
