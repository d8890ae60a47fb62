"""Launches of the same kernel, grid and constants over one array after another.

Array functions find out once for each layout how a kernel walks over the memory. What is left for each call is to bind
that memory, without an array object for it and without looking again at what cannot have changed.
"""

cimport cython
from libc.stdint cimport uint64_t

from metalpy._abi cimport MP_ARGUMENT_BUFFER, mp_argument, mp_dispatch
from metalpy._core.array cimport ArrayBase
from metalpy._core.dispatch cimport Kernel
from metalpy._core.driver cimport Queue
from metalpy._core.encode cimport Encoder, return_encoder, take_encoder
from metalpy._core.graph cimport recorders
from metalpy._core.grid cimport default_group, shape_of
from metalpy._core.library cimport Pipeline
from metalpy._core.plan cimport ArgumentPlan
from metalpy._core.stream cimport current_queue
from metalpy._core.trace cimport tracing


@cython.final
cdef class PreparedLaunch:
    """A kernel with its grid and its last arguments.

    Parameters
    ----------
    kernel : Kernel
        Its first arguments are arrays, then come values, then `constants`.
    threads : tuple of 3 ints
    group_size : tuple of 3 ints or None
        None for what a launch with one dimension gets by default.
    constants : tuple
    covered : tuple of tuple
        For each array: bytes from its first element to the lowest in memory, which is not positive; elements from the
        lowest to the highest, None for a contiguous array as it is; the dtype that the kernel takes them for, None for
        the array's own.
    """

    def __init__(self, Kernel kernel not None, tuple threads not None, tuple group_size, tuple constants,
                 tuple covered not None):
        cdef Py_ssize_t number
        if len(covered) > MOST_ARRAYS:
            raise ValueError(f"a prepared launch has up to {MOST_ARRAYS} arrays, got {len(covered)}")
        self.kernel = kernel
        self.threads, self.group_size = threads, group_size
        for number in range(3):
            self.grid[number] = threads[number]
            self.group[number] = 0 if group_size is None else group_size[number]
        self.constants = constants
        self.covered = tuple([(count, dtype) for _, count, dtype in covered])
        self.count = len(covered)
        for number in range(self.count):
            self.low[number] = covered[number][0]

    def __call__(self, tuple arrays not None, tuple values=()):
        """Launch over `arrays`, of the layouts that the launch was prepared for, and `values`."""
        if len(arrays) != self.count:
            raise ValueError(f"the launch was prepared for {self.count} arrays, got {len(arrays)}")
        if recorders or tracing or not self.encode(arrays, values):
            self.launch_by_values(arrays, values)

    cdef bint encode(self, tuple arrays, tuple values) except -1:
        """Launch; False if the usual way has to be taken, as it tells what is wrong."""
        cdef Kernel kernel = self.kernel
        cdef tuple plans = kernel.plans
        cdef ArgumentPlan plan
        cdef ArrayBase array
        cdef mp_argument *bound
        cdef mp_dispatch dispatch
        cdef Pipeline pipeline
        cdef Py_ssize_t number, place
        cdef uint64_t address
        cdef Encoder encoder
        if len(plans) != self.count + len(values) + len(self.constants) or len(kernel.threadgroup):
            return False
        encoder = take_encoder(kernel.device)
        try:
            for number in range(self.count):
                array = <ArrayBase?>arrays[number]
                plan = <ArgumentPlan>plans[number]
                if array.device is not kernel.device or array.block is None or (plan.writes and not array.writable):
                    return False
                bound = encoder.add(MP_ARGUMENT_BUFFER, plan.index)
                bound.buffer = array.block.memory.buffer
                bound.offset = array.offset + self.low[number]
                address = <uint64_t>array.block.memory.contents + bound.offset
                if address % <uint64_t>plan.type.alignment:
                    return False
                encoder.blocks[encoder.count - 1] = <void *>array.block
            place = self.count
            for value in values:
                encoder.bind(<ArgumentPlan>plans[place], value)
                place += 1
            for value in self.constants:
                encoder.bind(<ArgumentPlan>plans[place], value)
                place += 1
            dispatch.reserved = 0
            for number in range(3):
                dispatch.threads[number], dispatch.group_size[number] = self.grid[number], self.group[number]
            pipeline = kernel.pipeline
            if self.group_size is None:
                if pipeline is None and not kernel.most:
                    pipeline = kernel.loaded()
                default_group(1, dispatch.threads, kernel.most or pipeline.limits.max_total_threads_per_threadgroup,
                              dispatch.group_size)
            if pipeline is None or pipeline.serves:
                pipeline = kernel.suitable(shape_of(&dispatch)) if kernel.most else kernel.loaded()
            dispatch.pipeline = pipeline.handle
            dispatch.arguments = encoder.arguments
            dispatch.argument_count = encoder.count
            kernel.give(encoder, &dispatch, <Queue>current_queue(kernel.device), pipeline)
            return True
        finally:
            return_encoder(encoder)

    cdef int launch_by_values(self, tuple arrays, tuple values) except -1:
        """As anybody launches: recordings want to see the memory as arrays."""
        cdef Py_ssize_t number
        cdef ArrayBase array
        cdef list memories = []
        for number in range(self.count):
            array = <ArrayBase?>arrays[number]
            count, dtype = self.covered[number]
            memories.append(array if count is None else
                            array._derive(array.dtype if dtype is None else dtype, (count,), None,
                                          array.offset + self.low[number]))
        threads = self.threads[0] if self.group_size is None else self.threads
        self.kernel(*memories, *values, *self.constants, threads=threads, group_size=self.group_size)
        return 0


def layout_key(library, str name, tuple arrays not None):
    """What a prepared launch depends on: a kernel, and shapes and strides of arrays, whose dtypes the kernel knows."""
    cdef ArrayBase array
    cdef list key = [library, name]
    for value in arrays:
        array = <ArrayBase?>value
        key.append(array.shape)
        key.append(array.strides)
    return tuple(key)
