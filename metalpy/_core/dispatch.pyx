"""Launching: the one caller of the driver's queue_dispatch."""

cimport cython
from cpython.ref cimport PyObject
from libc.stdint cimport uint64_t

from metalpy._abi cimport (
    MP_ARGUMENT_BUFFER,
    MP_ARGUMENT_BYTES,
    MP_ARGUMENT_THREADGROUP,
    MP_PIPELINE_CHECKED,
    MP_PIPELINE_GPU,
    MP_PIPELINE_MESSAGES,
    MP_PIPELINE_SIMDGROUPS,
)
from metalpy._core.array cimport ArrayBase
from metalpy._core.driver cimport Queue
from metalpy._core.encode cimport return_encoder, take_encoder
from metalpy._core.graph cimport GraphBase, Node, recorders, recording_graph
from metalpy._core.memory cimport touch
from metalpy._core.grid cimport ANY_SHAPE, LARGEST_GRID, ROWS, default_group, parse_extents, shape_of
from metalpy._core.message cimport ERROR_BUFFER_SIZE
from metalpy._core.plan cimport STRUCT, VOID, ArgumentPlan
from metalpy._core.pool cimport Block
from metalpy._core.stream cimport current_queue
from metalpy._core.texture cimport TextureBase
from metalpy._core.trace cimport now, tracing

from collections.abc import Mapping
from operator import index

from metalpy._core.plan import declared
from metalpy.errors import LaunchTypeError, LaunchValueError, MetalError

cdef extern from "Python.h":
    PyObject *PyTuple_GET_ITEM(object tuple, Py_ssize_t index)
    Py_ssize_t PyTuple_GET_SIZE(object tuple)

cdef object missing = object()
cdef object error_buffer = object()  # stands among the values for what error_buf_idx binds
ERROR_BUFFER = error_buffer
# What other libraries call the size of a launch.
cdef frozenset SIZE_NAMES = frozenset("grid grid_size block block_size blocks global_size local_size threadgroup "
                                      "threadgroups threadgroup_size threads_per_threadgroup".split())


@cython.final
cdef class Kernel:
    """A compute function on a device, called like a Python function.

    Calling records the launch and returns at once: the work runs in order with the device's other work. Reading an
    array that it uses waits for it, `metalpy.mps.synchronize` waits for everything.

    Call parameters
    ---------------
    *args, **by_name : Array, number, sequence, dict, bytes or None
        One value for each buffer argument. Positional values go to the arguments in ascending order of
        ``[[buffer(n)]]``, which for arguments without attributes is the order of the source; the others are passed by
        the argument's name. Numbers, sequences and dicts are converted to the declared type. Texture and sampler
        arguments take a `Texture`, or None for a null texture, and a `Sampler`, arrays of them a sequence; the
        positional values of a kernel that has such arguments are in the order of the source.
    threads : int or sequence of 1 to 3 ints, optional
        The grid: exactly so many threads run. By default as many as the first Array has elements; if there is none,
        as many along each axis as the first Texture that the kernel writes has texels, else the first of all.
    groups : int or sequence of 1 to 3 ints, optional
        The grid in threadgroups, instead of `threads`; needs `group_size`.
    group_size : int or sequence of 1 to 3 ints, optional
        Threads of one threadgroup. By default, with the kernel's maximum M, ``min(threads, M)`` in one dimension; in
        two and three at most 32 along x, then as many as fit along y and z, then x is widened in steps of 32.
    threadgroup_memory : dict, optional
        Bytes for each ``[[threadgroup(n)]]`` argument, by its name or number.
    arg_casts : str or dict, optional
        Converts numbers to ``fp16``, ``bf16``, ``int32``, ``int16``, ``int8`` or ``uint8`` instead of the declared
        type, wrapping those that do not fit: a name for all of them, or names by position or argument name.
    error_buf_idx : int, optional
        Binds the stream's error buffer to the ``device ErrorMessages*`` at this buffer index, which is then not among
        the values. What the kernel writes there by ``<c10/metal/error.h>`` raises `KernelReportedError` from the next
        call that waits.

    Raises
    ------
    LaunchTypeError
        If arguments are missing, unknown, or of a kind or dtype that the kernel does not take.
    LaunchValueError
        If sizes, alignment, grid or threadgroup memory are out of bounds.
    ScalarRangeError
        If the declared type cannot hold a number.
    MetalError
        If `threads` is left out and no Array tells the number.
    """

    def __init__(self, Device device not None, info, load, str name=None, specializer=None, origin=None, most=None):
        self.device = device
        self.info = info
        self.load = load
        self.specializer = specializer
        self.origin = origin
        if most is not None:  # threads of a threadgroup, 0: no limit of its own; `load` takes a shape then
            self.most = min(most or device.info.max_threads_per_threadgroup, device.info.max_threads_per_threadgroup)
        self.kept = []
        self.name = info.name if name is None else name
        taken = in_order_of_calling(info.arguments)
        self.plans = tuple([ArgumentPlan(self.name, entry) for entry in taken])
        self.threadgroup = tuple([entry for entry in info.arguments if entry.kind == "threadgroup"])
        self.positions = {entry.name: number for number, entry in enumerate(taken) if entry.name}

    def __call__(self, *args, threads=None, groups=None, group_size=None, threadgroup_memory=None, arg_casts=None,
                 error_buf_idx=None, **by_name):
        cdef mp_dispatch dispatch
        cdef Encoder encoder
        cdef tuple values = args
        cdef Pipeline pipeline = self.pipeline
        cdef PyObject *queue
        cdef uint64_t serial
        cdef uint64_t began = now() if tracing else 0
        if pipeline is None and not self.most:
            pipeline = self.loaded()
        if error_buf_idx is not None:
            values = self.around_error_buffer(args, by_name, error_buf_idx)
        elif by_name or PyTuple_GET_SIZE(args) != PyTuple_GET_SIZE(self.plans):
            values = self.match(args, by_name)
        encoder = take_encoder(self.device)
        try:
            self.encode(encoder, values, arg_casts)
            dispatch.reserved = 0
            self.set_grid(&dispatch, values, threads, groups, group_size)
            if pipeline is None or pipeline.serves != ANY_SHAPE:
                pipeline = self.suitable(shape_of(&dispatch))
            if threadgroup_memory is not None or PyTuple_GET_SIZE(self.threadgroup):
                self.encode_threadgroup(encoder, threadgroup_memory)
            if dispatch.threads[0] and dispatch.threads[1] and dispatch.threads[2]:
                dispatch.pipeline = pipeline.handle
                dispatch.arguments = encoder.arguments
                dispatch.argument_count = encoder.count
                if recorders and self.add_to_graph(encoder, &dispatch, values, (arg_casts, threadgroup_memory)):
                    return
                queue = current_queue(self.device)
                serial = self.give(encoder, &dispatch, <Queue>queue, pipeline)
                if error_buf_idx is not None:
                    (<Queue>queue).errors_serial = serial
                if began:
                    self.record(<Queue>queue, serial, began, &dispatch, values)
        finally:
            return_encoder(encoder)

    cdef uint64_t give(self, Encoder encoder, const mp_dispatch *dispatch, Queue queue, Pipeline pipeline) except 0:
        """Gives an encoded launch to the driver; returns its serial."""
        cdef uint64_t serial = queue.dispatch(dispatch)
        cdef uint32_t number
        if pipeline.limits.flags & MP_PIPELINE_MESSAGES:
            queue.spoken = serial
        for number in range(encoder.count):
            if encoder.blocks[number] != NULL:
                touch((<Block>encoder.blocks[number]).memory, queue, serial)
        return serial

    def __repr__(self):
        return f"<metalpy.Kernel {self.signature}>"

    def specialize(self, constants=None, /, **by_name):
        """The kernel with values for its function constants.

        Parameters
        ----------
        constants : dict, optional
            Values by name or ``[[function_constant(n)]]`` number.
        **by_name : bool, int, float or sequence
            Values by name.

        Returns
        -------
        Kernel
            The same object for the same values; compiled when first needed. Constants that are not given keep the
            values of this kernel.

        Raises
        ------
        LaunchTypeError
            If the library has no such constant, or its type cannot hold a value.
        """
        if self.specializer is None:
            raise MetalError(f"kernel {self.name!r} has no function constants")
        return self.specializer({**(constants or {}), **by_name})

    @property
    def __name__(self):
        return self.name

    @property
    def __doc__(self):
        where = f"\n\nDefined at {self.info.file}:{self.info.line}." if self.info.line else ""
        return f"{self.signature}{where}"

    @property
    def signature(self):
        """The arguments as the source declares them, such as ``"scale(device float* x, constant float& factor)"``."""
        listed = [f"{declared(entry)} {entry.name}".rstrip() for entry in self.arguments]
        return f"{self.name}({', '.join(listed)})"

    @property
    def arguments(self):
        """Tuple of `metalpy.compiler.reflection.Argument`: in the order of calling, then threadgroup memory."""
        return (*in_order_of_calling(self.info.arguments), *self.threadgroup)

    @property
    def builtins(self):
        """Tuple of `metalpy.compiler.reflection.Builtin`: what the device supplies."""
        return self.info.builtins

    @property
    def max_threads_per_threadgroup(self):
        """Threads that a threadgroup of this kernel may have."""
        return self.loaded().limits.max_total_threads_per_threadgroup

    @property
    def thread_execution_width(self):
        """Threads of a simdgroup."""
        return self.loaded().limits.thread_execution_width

    @property
    def static_thread_group_memory_length(self):
        """Bytes of threadgroup memory that the kernel's own variables take."""
        return self.loaded().limits.static_threadgroup_memory

    @property
    def executor(self):
        """How the kernel runs: ``"gpu"``; on the software device ``"spmd"``, a simdgroup as one vector program, or
        ``"reference"``, thread by thread, or ``"checked"``, the same with a look at each access to shared memory.
        ``python -m metalpy compile --report`` tells why a kernel needs the reference executor.
        """
        cdef uint32_t flags = self.loaded().limits.flags
        if flags & MP_PIPELINE_GPU:
            return "gpu"
        if flags & MP_PIPELINE_CHECKED:
            return "checked"
        return "spmd" if flags & MP_PIPELINE_SIMDGROUPS else "reference"

    cdef bint add_to_graph(self, Encoder encoder, const mp_dispatch *dispatch, tuple values, tuple options) except -1:
        """Tells the calling thread's recording, if there is one, of a launch; True if that is all that is wanted."""
        cdef GraphBase graph = recording_graph(self.device)
        cdef Node node
        if graph is None:
            return False
        speaks = self.pipeline.limits.flags & MP_PIPELINE_MESSAGES != 0
        node = Node("launch", self.name, self, values, options, self.details(dispatch, values), speaks)
        graph.add(node, dispatch, used_blocks(encoder))
        self.find_error_buffer(node)
        return not graph.runs

    def _writes(self, uint32_t kind, uint32_t number):
        """True if the kernel may write through an argument of a recorded launch."""
        cdef ArgumentPlan plan
        if kind == MP_ARGUMENT_BUFFER:
            for plan in self.plans:
                if plan.index == number and not plan.is_handle:
                    return bool(plan.writes)
        return kind != MP_ARGUMENT_BYTES

    cdef int find_error_buffer(self, Node node) except -1:
        cdef Py_ssize_t position
        cdef uint32_t number
        for position in range(len(node.values)):
            if node.values[position] is error_buffer:
                for number in range(node.count):
                    if node.arguments[number].index == (<ArgumentPlan>self.plans[position]).index \
                            and node.arguments[number].kind == MP_ARGUMENT_BUFFER:
                        node.errors = <int>number
        return 0

    def _replace(self, GraphBase graph not None, Node node not None, dict by_name not None):
        """Let a recorded launch have other values for some arguments."""
        cdef Encoder encoder
        cdef mp_dispatch dispatch = node.dispatch
        cdef list changed = list(node.values)
        for name, value in by_name.items():
            if name not in self.positions:
                raise LaunchTypeError(f"kernel {self.name!r} has no argument {name!r}: {self.signature}")
            if changed[self.positions[name]] is error_buffer:
                raise LaunchTypeError(f"argument {name!r} of the recorded launch is the stream's error buffer")
            changed[self.positions[name]] = value
        values = tuple(changed)
        encoder = take_encoder(self.device)
        try:
            self.encode(encoder, values, node.options[0])
            if node.options[1] is not None or PyTuple_GET_SIZE(self.threadgroup):
                self.encode_threadgroup(encoder, node.options[1])
            dispatch.arguments = encoder.arguments
            dispatch.argument_count = encoder.count
            blocks = used_blocks(encoder)
            node.take(&dispatch, blocks)
            node.values = values
            graph.hold(blocks)
            self.find_error_buffer(node)
        finally:
            return_encoder(encoder)

    cdef int record(self, Queue queue, uint64_t serial, uint64_t began, const mp_dispatch *dispatch,
                    tuple values) except -1:
        """Tells recordings of a launch."""
        return queue.record("launch", self.name, began, serial, self.details(dispatch, values))

    cdef tuple details(self, const mp_dispatch *dispatch, tuple values):
        """What recordings are told of a launch: grid, threadgroup, bytes bound and place in the source."""
        cdef uint64_t bound = 0
        cdef bint same = self.noted is not None
        cdef int axis
        for value in values:
            if isinstance(value, ArrayBase):
                bound += (<ArrayBase>value).nbytes
            elif isinstance(value, TextureBase):
                bound += (<TextureBase>value).nbytes
        for axis in range(3):
            same = same and (self.noted_threads[axis] == dispatch.threads[axis]
                             and self.noted_group[axis] == dispatch.group_size[axis])
        if not same or self.noted_bound != bound:
            place = f"{self.info.file}:{self.info.line}" if self.info.line else ""
            threads = (dispatch.threads[0], dispatch.threads[1], dispatch.threads[2])
            group_size = (dispatch.group_size[0], dispatch.group_size[1], dispatch.group_size[2])
            self.noted = (threads, group_size, bound, place)
            self.noted_bound = bound
            for axis in range(3):
                self.noted_threads[axis], self.noted_group[axis] = dispatch.threads[axis], dispatch.group_size[axis]
        return self.noted

    cdef Pipeline loaded(self):
        if self.pipeline is None:
            self.pipeline = <Pipeline?>self.load()
            if not self.most:
                self.load = None
        return self.pipeline

    cdef Pipeline suitable(self, int shape):
        """The pipeline for a launch. The first launch gets one for its shape, which takes a fraction of the time to
        compile; from the first one that does not fit on, all get the one for any."""
        cdef Pipeline found = self.pipeline
        if found is None and shape != ANY_SHAPE:
            found = <Pipeline?>self.load("rows" if shape == ROWS else "half")
            if found.limits.flags & MP_PIPELINE_SIMDGROUPS:
                found.serves = shape
        elif found is None or found.serves != ANY_SHAPE and found.serves != shape:
            found = <Pipeline?>self.load()
        if found is not self.pipeline:
            self.kept.append(found)
            self.pipeline = found
        return found

    cdef tuple match(self, tuple args, dict by_name):
        """One value for each argument, in order, from a call's positional and named ones."""
        cdef ArgumentPlan plan
        cdef list values = list(args)
        if len(args) > len(self.plans):
            raise LaunchTypeError(f"kernel {self.name!r} takes {len(self.plans)} arguments, got {len(args)}: "
                                  f"{self.signature}")
        values += [missing] * (len(self.plans) - len(args))
        for name, value in by_name.items():
            position = self.positions.get(name)
            if position is None:
                if any([entry.name == name for entry in self.threadgroup]):
                    raise LaunchTypeError(f"{name!r} is threadgroup memory; pass "
                                          f"threadgroup_memory={{{name!r}: bytes}}")
                hint = "; the size of a launch is threads= or groups=, and group_size=" if name in SIZE_NAMES else ""
                raise LaunchTypeError(f"kernel {self.name!r} has no argument {name!r}: {self.signature}{hint}")
            if values[position] is not missing:
                raise LaunchTypeError(f"argument {name!r} of kernel {self.name!r} is given twice, by position and by "
                                      f"name: {self.signature}")
            values[position] = value
        absent = []
        for position, plan in enumerate(self.plans):
            if values[position] is missing:
                values[position] = None
                if not plan.optional:
                    absent.append(repr(plan.name))
        if absent:
            raise LaunchTypeError(f"kernel {self.name!r} needs argument{'s' * (len(absent) > 1)} {', '.join(absent)}: "
                                  f"{self.signature}")
        return tuple(values)

    cdef int encode(self, Encoder encoder, tuple values, arg_casts) except -1:
        cdef Py_ssize_t number
        if arg_casts is not None:
            return self.encode_cast(encoder, values, arg_casts)
        for number in range(PyTuple_GET_SIZE(self.plans)):
            if PyTuple_GET_ITEM(values, number) == <PyObject *>error_buffer:
                self.bind_error_buffer(encoder, <ArgumentPlan>PyTuple_GET_ITEM(self.plans, number))
                continue
            encoder.bind(<ArgumentPlan>PyTuple_GET_ITEM(self.plans, number), <object>PyTuple_GET_ITEM(values, number))
        return 0

    cdef tuple around_error_buffer(self, tuple args, dict by_name, error_buf_idx):
        """As `match`, with `error_buffer` where the error buffer belongs."""
        cdef ArgumentPlan plan
        cdef Py_ssize_t position
        wanted = index(error_buf_idx)
        for position in range(PyTuple_GET_SIZE(self.plans)):
            plan = <ArgumentPlan>self.plans[position]
            if plan.index == wanted and not plan.is_handle:
                break
        else:
            raise LaunchValueError(f"kernel {self.name!r} has no buffer argument {wanted} to be the error buffer: "
                                   f"{self.signature}")
        if plan.by_value or not (plan.type.kind == VOID or
                                 plan.type.kind == STRUCT and plan.type.size == ERROR_BUFFER_SIZE):
            raise LaunchTypeError(f"argument {plan.name!r} of kernel {self.name!r} is {plan.declaration}; the error "
                                  "buffer needs a device ErrorMessages* of <c10/metal/error.h>")
        if len(args) >= position:
            return self.match((*args[:position], error_buffer, *args[position:]), by_name)
        return self.match(args, {**by_name, plan.name: error_buffer})

    cdef int bind_error_buffer(self, Encoder encoder, ArgumentPlan plan) except -1:
        cdef PyObject *queue = current_queue(self.device)
        encoder.add(MP_ARGUMENT_BUFFER, plan.index).buffer = (<Queue>queue).error_buffer(self.device)
        return 0

    cdef int encode_cast(self, Encoder encoder, tuple values, arg_casts) except -1:
        cdef Py_ssize_t number
        cdef dict casts = {}
        if isinstance(arg_casts, str):
            casts = dict.fromkeys(range(len(values)), arg_casts)
        elif isinstance(arg_casts, dict):
            for key, cast in arg_casts.items():
                position = self.positions.get(key, key)
                if not isinstance(position, int) or not 0 <= position < len(values):
                    raise LaunchValueError(f"arg_casts names argument {key!r}, which kernel {self.name!r} does not "
                                           f"have: {self.signature}")
                casts[position] = cast
        else:
            raise LaunchTypeError(f"arg_casts is a str or a dict, got {type(arg_casts).__name__}")
        for number in range(len(values)):
            if values[number] is error_buffer:
                self.bind_error_buffer(encoder, <ArgumentPlan>self.plans[number])
            elif number not in casts:
                encoder.bind(<ArgumentPlan>self.plans[number], values[number])
            elif not isinstance(casts[number], str):
                raise LaunchTypeError(f"arg_casts maps to names of types, got {casts[number]!r}")
            else:
                encoder.bind_cast(<ArgumentPlan>self.plans[number], values[number], casts[number])
        return 0

    cdef int encode_threadgroup(self, Encoder encoder, threadgroup_memory) except -1:
        cdef uint64_t total = self.pipeline.limits.static_threadgroup_memory
        cdef uint64_t dynamic = 0
        if threadgroup_memory is not None and not isinstance(threadgroup_memory, Mapping):
            raise LaunchTypeError("threadgroup_memory is a dict such as {0: bytes} or {'name': bytes}, got "
                                  f"{threadgroup_memory!r}")
        wanted = {} if threadgroup_memory is None else dict(threadgroup_memory)
        for entry in self.threadgroup:
            if entry.name in wanted and entry.name:
                size = wanted.pop(entry.name)
            elif entry.index in wanted:
                size = wanted.pop(entry.index)
            else:
                raise LaunchTypeError(
                    f"kernel {self.name!r} needs threadgroup memory for {entry.name!r}: pass "
                    f"threadgroup_memory={{{entry.name or entry.index!r}: bytes}}")
            if not hasattr(size, "__index__"):
                raise LaunchTypeError(f"threadgroup memory is a number of bytes, got {size!r} for {entry.name!r}")
            if not 0 < size.__index__() < 1 << 32:
                raise LaunchValueError(f"threadgroup memory for {entry.name!r} must be at least 1 byte and less than "
                                       f"4 GiB, got {size}")
            length = (size.__index__() + 15) & ~15  # Metal's granule
            dynamic += <uint64_t>length
            encoder.add(MP_ARGUMENT_THREADGROUP, entry.index).size = length
        if wanted:
            raise LaunchTypeError(f"kernel {self.name!r} has no threadgroup argument {next(iter(wanted))!r}: "
                                  f"{self.signature}")
        if total + dynamic > self.device.info.max_threadgroup_memory:
            raise LaunchValueError(
                f"kernel {self.name!r} would use {total + dynamic} bytes of threadgroup memory ({total} static, "
                f"{dynamic} dynamic), the device has {self.device.info.max_threadgroup_memory}")
        return 0

    cdef int set_grid(self, mp_dispatch *dispatch, tuple values, threads, groups, group_size) except -1:
        cdef uint32_t *grid = dispatch.threads
        cdef uint32_t *group = dispatch.group_size
        cdef uint64_t most = self.most or self.pipeline.limits.max_total_threads_per_threadgroup
        cdef uint64_t extent
        cdef int axis, rank, group_rank
        if groups is not None:
            if threads is not None:
                raise LaunchTypeError("threads= and groups= both set the grid; pass one of them")
            if group_size is None:
                raise LaunchTypeError("groups= needs group_size=, the threads of one threadgroup")
            rank = parse_extents("groups", groups, grid)
        elif threads is None:
            rank = self.default_grid(values, grid)
        else:
            rank = parse_extents("threads", threads, grid)
        if group_size is None:
            default_group(rank, grid, most, group)
            return 0
        group_rank = parse_extents("group_size", group_size, group)
        if group_rank != rank:
            grid_name = "threads" if groups is None else "groups"
            raise LaunchValueError(f"group_size has {group_rank} dimensions, {grid_name} {rank}")
        if group[0] == 0 or group[1] == 0 or group[2] == 0:
            raise LaunchValueError(f"a threadgroup has at least one thread, got group_size={group_size!r}")
        extent = <uint64_t>group[0] * group[1]
        if extent > most or extent * group[2] > most:
            raise LaunchValueError(f"a threadgroup of {group_size!r} has {<object>group[0] * group[1] * group[2]} "
                                   f"threads, kernel {self.name!r} allows {most}")
        if groups is not None:
            for axis in range(3):
                extent = <uint64_t>grid[axis] * group[axis]
                if extent > LARGEST_GRID:
                    raise LaunchValueError(f"groups={groups!r} of {group_size!r} threads make more than {LARGEST_GRID} "
                                           "threads along one axis")
                grid[axis] = <uint32_t>extent
        return 0

    cdef int default_grid(self, tuple values, uint32_t *grid) except -1:
        """One thread for each element of the first array, or each texel of a texture; returns the axes."""
        cdef TextureBase texture = None
        cdef Py_ssize_t number
        grid[0] = grid[1] = grid[2] = 1
        for value in values:
            if isinstance(value, ArrayBase):
                if <uint64_t>(<ArrayBase>value).size > LARGEST_GRID:
                    raise LaunchValueError(f"the first array has {(<ArrayBase>value).size} elements, more than a grid "
                                           "can have along one axis; pass threads=")
                grid[0] = <uint32_t>(<ArrayBase>value).size
                return 1
        for number, value in enumerate(values):
            if isinstance(value, TextureBase) and (texture is None or (<ArgumentPlan>self.plans[number]).writes):
                texture = <TextureBase>value
                if (<ArgumentPlan>self.plans[number]).writes:
                    break
        if texture is None:
            raise MetalError(f"number of threads undefined: kernel {self.name!r} got no Array or Texture to take it "
                             "from; pass threads=")
        grid[0], grid[1], grid[2] = texture.desc.width, texture.desc.height, texture.desc.depth
        return 3 if grid[2] > 1 else 2 if grid[1] > 1 else 1


cdef list used_blocks(Encoder encoder):
    """For each encoded argument the Block that it uses, or None."""
    cdef uint32_t number
    return [<Block>encoder.blocks[number] if encoder.blocks[number] != NULL else None
            for number in range(encoder.count)]


def in_order_of_calling(arguments):
    """The arguments that a call gives values for: buffers by index, or all in the order of the source."""
    taken = [entry for entry in arguments if entry.kind != "threadgroup"]
    if any([entry.kind != "buffer" for entry in taken]):
        return taken
    return sorted(taken, key=by_index)


def by_index(argument):
    return argument.index
