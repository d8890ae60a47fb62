"""Graphs: commands that are recorded once, as they run, and given to a queue again and again.

A thread that records finds its graph in the dictionary that CPython keeps for it, as its stream (see stream.pyx). The
modules that give commands to queues look at `recorders` first, so that nobody pays for what nobody uses.
"""

cimport cython
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.ref cimport PyObject
from libc.string cimport memcpy

from metalpy._abi cimport MP_ARGUMENT_BUFFER, MP_ARGUMENT_BYTES, MP_ARGUMENT_RESIDENT
from metalpy._core.memory cimport touch
from metalpy._core.stream cimport current_queue
from metalpy._core.trace cimport now, tracing

from metalpy.errors import GraphError

cdef extern from "Python.h":
    PyObject *PyThreadState_GetDict()

cdef object KEY = object()        # of the recording thread's graph in its dictionary


@cython.final
cdef class Node:

    def __cinit__(self, str kind not None, str name not None, kernel=None, tuple values=(), options=None,
                  details=None, bint speaks=False):
        self.kind = kind
        self.name = name
        self.kernel = kernel
        self.values = values
        self.options = options
        self.details = details
        self.speaks = speaks
        self.errors = -1

    def __dealloc__(self):
        PyMem_Free(self.arguments)
        PyMem_Free(self.bytes)

    @property
    def uses(self):
        """Tuple of (Block or None, True if the command may write there) of each argument."""
        cdef uint32_t number
        cdef list found = []
        for number in range(self.count):
            writes = number == 0
            if self.kernel is not None:
                writes = self.kernel._writes(self.arguments[number].kind, self.arguments[number].index)
            found.append((self.blocks[number], writes))
        return tuple(found)

    @property
    def bindings(self):
        """Tuple of (Block, offset, if the command may read, if it may write) of each argument that has memory.

        What is reached by an address inside another argument may be read and written.
        """
        cdef mp_argument *argument
        cdef list found = []
        for number, (block, writes) in enumerate(self.uses):
            argument = &self.arguments[<uint32_t>number]
            if block is not None and argument.kind in (MP_ARGUMENT_BUFFER, MP_ARGUMENT_RESIDENT):
                by_address = argument.kind == MP_ARGUMENT_RESIDENT
                found.append((block, argument.offset, by_address or not writes, writes))
        return tuple(found)

    @property
    def transfer(self):
        """Of a copy or a fill: its bytes, and the bytes that a fill repeats or None; None of a launch."""
        if self.kernel is not None:
            return None
        if self.kind == "copy":
            return self.arguments[0].size, None
        return self.arguments[0].size, (<char *>self.arguments[1].bytes)[:self.arguments[1].size]

    @property
    def threads(self):
        """The grid of a launch: threads along x, y and z; None for other commands."""
        cdef const uint32_t *extents = self.dispatch.threads
        return (extents[0], extents[1], extents[2]) if self.kind == "launch" else None

    @property
    def group_size(self):
        """Threads of a threadgroup along x, y and z; None for other commands."""
        cdef const uint32_t *extents = self.dispatch.group_size
        return (extents[0], extents[1], extents[2]) if self.kind == "launch" else None

    cdef int take(self, const mp_dispatch *dispatch, list blocks) except -1:
        """Copies a command that is encoded, in place of the present one."""
        cdef mp_argument *arguments = NULL
        cdef char *target
        cdef uint64_t total = 0
        cdef uint32_t number
        for number in range(dispatch.argument_count):
            if dispatch.arguments[number].kind == MP_ARGUMENT_BYTES:
                total += aligned(dispatch.arguments[number].size)
        arguments = <mp_argument *>PyMem_Malloc(max(1, dispatch.argument_count) * sizeof(mp_argument))
        target = <char *>PyMem_Malloc(max(<uint64_t>1, total))
        if arguments == NULL or target == NULL:
            PyMem_Free(arguments)
            PyMem_Free(target)
            raise MemoryError()
        PyMem_Free(self.arguments)
        PyMem_Free(self.bytes)
        self.arguments, self.bytes = arguments, target
        self.count = dispatch.argument_count
        memcpy(arguments, dispatch.arguments, self.count * sizeof(mp_argument))
        for number in range(self.count):
            if arguments[number].kind == MP_ARGUMENT_BYTES:
                memcpy(target, arguments[number].bytes, arguments[number].size)
                arguments[number].bytes = target
                target += aligned(arguments[number].size)
        self.dispatch = dispatch[0]
        self.dispatch.arguments = arguments
        self.blocks = blocks
        return 0

    cdef uint64_t give(self, Queue queue) except 0:
        """Records the command on a queue; returns its serial."""
        cdef mp_argument *first = self.arguments
        if self.kernel is not None:
            return queue.dispatch(&self.dispatch)
        if self.kind == "copy":
            return queue.copy(first.buffer, first.offset, first[1].buffer, first[1].offset, first.size)
        return queue.fill(first.buffer, first.offset, first.size, first[1].bytes, <uint32_t>first[1].size)


cdef inline uint64_t aligned(uint64_t size) noexcept:
    return (size + 15) & ~<uint64_t>15


cdef class GraphBase:
    """Base of `metalpy.Graph`."""

    def __cinit__(self, Device device not None, bint runs=True):
        self.device = device
        self.runs = runs
        self.commands = []
        self.blocks = {}

    @property
    def nodes(self):
        return tuple(self.commands)

    def _begin(self):
        """Record what the calling thread gives to the device from now on, until `_end`."""
        global recorders
        cdef dict own = thread_dictionary()
        if KEY in own:
            raise GraphError("this thread records a graph already; end that recording first")
        own[KEY] = self
        self.thread = own
        recorders += 1

    def _end(self):
        global recorders
        del self.thread[KEY]  # of the thread that began, whichever ends it
        recorders -= 1

    def __reduce__(self):
        raise TypeError("a Graph uses memory of its device and cannot be copied or pickled; record it again, or see "
                        "metalpy.aot.package")

    cdef int add(self, Node node, const mp_dispatch *dispatch, list blocks) except -1:
        node.take(dispatch, blocks)
        self.commands.append(node)
        self.hold(blocks)
        return 0

    def hold(self, list blocks):
        """Keep blocks for as long as the graph lives, so that nobody else gets their memory."""
        self.blocks.update([(block, None) for block in blocks if block is not None])

    def _find(self, block, uint64_t offset, uint64_t nbytes):
        """[(number of a node, argument, bytes from the start)]: who uses `nbytes` of a block from `offset` on."""
        cdef Node node
        cdef mp_argument *argument
        cdef list found = []
        cdef uint32_t number
        for position, node in enumerate(self.commands):
            for number in range(node.count):
                if node.blocks[number] is not block:
                    continue
                argument = &node.arguments[number]
                if argument.kind == MP_ARGUMENT_RESIDENT:
                    raise GraphError(f"{node.name!r} reaches the array by an address inside another argument, which "
                                     "cannot be replaced; copy into the array that was recorded")
                if not offset <= argument.offset < offset + nbytes:
                    raise GraphError(f"{node.name!r} also uses other parts of the array's memory; replace the whole "
                                     "array of which this one is a view")
                found.append((position, number, argument.offset - offset))
        return found

    def _rebind(self, dict bound):
        """Let arguments have other memory for all runs from now on; `bound` is as in `_replay`."""
        cdef Node node
        cdef Block block
        cdef uint32_t argument
        for number, places in bound.items():
            node = <Node>self.commands[number]
            for argument, block, offset in places:
                node.arguments[argument].buffer = block.memory.buffer
                node.arguments[argument].offset = offset
                node.blocks[argument] = block
        self.blocks = {}
        for node in self.commands:
            self.hold(node.blocks)

    def _replay(self, dict bound):
        """Record all commands on the calling thread's queue.

        `bound` has lists of (argument, Block, offset) by the number of a node: what takes an argument's place in this
        replay. Nothing between a replacement and the command it is for lets other threads in.
        """
        cdef Queue queue = <Queue>current_queue(self.device)
        cdef Node node
        cdef Block block
        cdef uint64_t serial = 0, began
        cdef Py_ssize_t number
        if recorders and recording_graph(self.device) is not None:
            raise GraphError("a graph cannot run while the thread records one")
        try:
            for number in range(len(self.commands)):
                node = <Node>self.commands[number]
                began = now() if tracing else 0
                if node.errors >= 0:
                    node.arguments[node.errors].buffer = queue.error_buffer(self.device)
                if bound is None or number not in bound:
                    serial = node.give(queue)
                else:
                    serial = give_replaced(node, queue, <list>bound[number])
                if node.speaks:
                    queue.spoken = serial
                if node.errors >= 0:
                    queue.errors_serial = serial
                if began:
                    queue.record(node.kind, node.name, began, serial, node.details)
        finally:
            if serial:
                for block in self.blocks:
                    touch(block.memory, queue, serial)
                if bound is not None:
                    for places in bound.values():
                        for _, block, _ in places:
                            touch(block.memory, queue, serial)


cdef uint64_t give_replaced(Node node, Queue queue, list places) except 0:
    """As `Node.give`, with other memory in some arguments."""
    cdef Block block
    cdef mp_argument *arguments = node.arguments
    cdef uint32_t number
    cdef list kept = [(number, arguments[number].offset) for number, _, _ in places]
    for number, block, offset in places:
        arguments[number].buffer = block.memory.buffer
        arguments[number].offset = offset
    try:
        return node.give(queue)
    finally:
        for number, offset in kept:
            arguments[number].buffer = (<Block>node.blocks[number]).memory.buffer
            arguments[number].offset = offset


cdef dict thread_dictionary():
    cdef PyObject *own = PyThreadState_GetDict()
    if own == NULL:
        raise MemoryError()
    return <dict>own


cdef GraphBase recording_graph(Device device):
    """The graph that the calling thread records for a device, or None."""
    cdef GraphBase graph = <GraphBase>thread_dictionary().get(KEY)
    return graph if graph is not None and graph.device is device else None
