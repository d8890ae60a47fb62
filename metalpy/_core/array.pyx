"""The part of arrays that launching reads without asking Python: where the elements are and what they are."""

from cpython.buffer cimport PyBUF_FORMAT, PyBUF_STRIDES, PyBUF_WRITABLE
from cpython.bytes cimport PyBytes_AS_STRING
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.stdint cimport uint32_t
from libc.string cimport memset

from metalpy._abi cimport MP_ARGUMENT_BUFFER, MP_ARGUMENT_BYTES, mp_argument, mp_dispatch
from metalpy._core.driver cimport Queue
from metalpy._core.graph cimport GraphBase, Node, recorders, recording_graph
from metalpy._core.memory cimport touch
from metalpy._core.pool cimport pool_of, wrap
from metalpy._core.stream cimport current_queue
from metalpy._core.trace cimport now, tracing

import numpy as np

from metalpy.errors import GraphError


cdef extern from *:
    """
    static PyObject *mpy_new_object(PyObject *kind, PyObject *arguments) {
      return ((PyTypeObject *)kind)->tp_new((PyTypeObject *)kind, arguments, NULL);
    }
    """
    object new_object "mpy_new_object"(object kind, object arguments)

# NumPy's names, which reflection uses too.
SCALAR_CODES = {
    "bool": BOOL, "int8": INT8, "int16": INT16, "int32": INT32, "int64": INT64, "uint8": UINT8, "uint16": UINT16,
    "uint32": UINT32, "uint64": UINT64, "float16": FLOAT16, "bfloat16": BFLOAT16, "float32": FLOAT32,
    "complex64": COMPLEX64,
}

# What the buffer protocol calls each; bfloat16 has no name there.
cdef dict FORMATS = {
    BOOL: b"?", INT8: b"b", INT16: b"h", INT32: b"i", INT64: b"q", UINT8: b"B", UINT16: b"H", UINT32: b"I",
    UINT64: b"Q", FLOAT16: b"e", FLOAT32: b"f", COMPLEX64: b"Zf",
}

cdef dict known_codes = {}  # dtype -> ScalarCode
cdef object token = object()
cdef tuple only_token = (token,)
cdef Py_ssize_t MOST_BYTES = (<size_t>1 << 63) - 1


cdef class ArrayBase:
    """Base of `metalpy.Array`: elements of one dtype in a device's memory, which the host sees too."""

    def __cinit__(self, device=None, Block block=None, dtype=None, tuple shape=(), tuple strides=None,
                  uint64_t offset=0, bint writable=True):
        if device is token:  # `make` sets the rest
            return
        if not isinstance(device, Device):
            raise TypeError("an Array cannot be created directly; use metalpy.array(), empty(), zeros() ...")
        self.set(<Device>device, block, dtype, scalar_code(dtype), dtype.itemsize, shape, strides, offset, writable)

    cdef int set(self, Device device, Block block, dtype, ScalarCode code, Py_ssize_t itemsize, tuple shape,
                 tuple strides, uint64_t offset, bint writable) except -1:
        cdef Py_ssize_t extent
        self.device = device
        self.block = block
        self.dtype = dtype
        self.code = code
        self.shape = shape
        self.offset = offset
        self.writable = writable
        self.itemsize = itemsize
        self.size = 1
        for extent in shape:
            self.size *= extent
        self.nbytes = self.size * itemsize
        self.strides = c_strides(shape, itemsize) if strides is None else strides
        self.contiguous = strides is None or self.size == 0 or is_c_contiguous(shape, strides, itemsize)
        return 0

    @property
    def ndim(self):
        return len(self.shape)

    def __getbuffer__(self, Py_buffer *view, int flags):
        cdef Py_ssize_t *layout = NULL
        cdef int ndim = <int>len(self.shape)
        cdef int axis
        cdef Queue queue
        if self.code not in FORMATS:
            raise BufferError(f"the buffer protocol has no format for {self.dtype}; use numpy()")
        if flags & PyBUF_WRITABLE and not self.writable:
            raise BufferError("the array is read-only")
        if not (flags & PyBUF_STRIDES) == PyBUF_STRIDES and not self.contiguous:
            raise BufferError("the array is not contiguous")
        try:
            self.wait()
        except BaseException as failure:
            # NumPy drops what goes wrong here and asks __array__ next: the next wait must raise it.
            queue = self.device.queue if self.block is None else self.block.memory.queue
            if queue is None:
                queue = self.device.queue
            queue.failures.insert(0, failure)
            raise BufferError(f"the array's pending work failed: {failure}") from failure
        if ndim:
            layout = <Py_ssize_t *>PyMem_Malloc(2 * ndim * sizeof(Py_ssize_t))
            if layout == NULL:
                raise MemoryError()
            for axis in range(ndim):
                layout[axis] = self.shape[axis]
                layout[ndim + axis] = self.strides[axis]
        view.buf = <char *>b"" if self.block is None else self.block.memory.contents + self.offset
        view.obj = self
        view.len = self.nbytes
        view.itemsize = self.itemsize
        view.readonly = not self.writable
        view.ndim = ndim
        view.format = PyBytes_AS_STRING(FORMATS[self.code]) if flags & PyBUF_FORMAT else NULL
        view.shape = layout
        view.strides = layout + ndim
        view.suboffsets = NULL
        view.internal = layout

    def __releasebuffer__(self, Py_buffer *view):
        PyMem_Free(view.internal)

    def _wait(self):
        """Block until no unfinished work uses the array's memory."""
        self.wait()

    def _host(self):
        """A NumPy view of the elements. Does not wait."""
        return self.host_view()

    def _fill(self, bytes pattern not None):
        """Record a fill of a contiguous array with the bytes of one element."""
        cdef Queue queue = <Queue>current_queue(self.device)
        cdef uint64_t began = now() if tracing else 0
        cdef uint64_t serial
        if self.block is not None:
            if recorders and self.add_to_graph("fill", None, pattern):
                return
            serial = queue.fill(self.block.memory.buffer, self.offset, self.nbytes, <const char *>pattern,
                                <uint32_t>len(pattern))
            touch(self.block.memory, queue, serial)
            if began:
                queue.record("fill", "fill", began, serial, self.nbytes)

    def _fill_new(self, bytes pattern not None):
        """Set every element of an array that nobody uses yet to the bytes of one: at once, for the streams of all.

        A recording gets it as a fill.
        """
        if self.is_recorded():
            self._fill(pattern)
        elif self.block is not None and pattern.count(0) == len(pattern):
            memset(self.block.memory.contents + self.offset, 0, self.nbytes)
        elif self.block is not None:
            self.host_view()[...] = np.frombuffer(pattern, self.dtype)[0]

    def _is_recorded(self):
        """True while the calling thread records a graph of the array's device."""
        return self.is_recorded()

    cdef bint is_recorded(self) except -1:
        return bool(recorders) and recording_graph(self.device) is not None

    def _copy_from(self, ArrayBase source not None):
        """Record a copy between contiguous arrays of one device and as many bytes."""
        cdef Queue queue = <Queue>current_queue(self.device)
        cdef uint64_t began = now() if tracing else 0
        cdef uint64_t serial
        if self.nbytes != source.nbytes or not self.contiguous or not source.contiguous:
            raise ValueError("both arrays must be contiguous and have the same number of bytes")
        if self.block is not None:
            if recorders and self.add_to_graph("copy", source, None):
                return
            serial = queue.copy(self.block.memory.buffer, self.offset, source.block.memory.buffer, source.offset,
                                self.nbytes)
            touch(self.block.memory, queue, serial)
            touch(source.block.memory, queue, serial)
            if began:
                queue.record("copy", "copy", began, serial, self.nbytes)

    cdef bint add_to_graph(self, str kind, ArrayBase source, bytes pattern) except -1:
        """Tells the calling thread's recording, if there is one, of a copy or a fill; True if that is all."""
        cdef GraphBase graph = recording_graph(self.device)
        cdef mp_argument[2] arguments
        cdef mp_dispatch command
        if graph is None:
            return False
        memset(arguments, 0, sizeof(arguments))
        memset(&command, 0, sizeof(command))
        arguments[0].kind = MP_ARGUMENT_BUFFER
        arguments[0].buffer, arguments[0].offset = self.block.memory.buffer, self.offset
        arguments[0].size = self.nbytes
        if source is None:
            arguments[1].kind = MP_ARGUMENT_BYTES
            arguments[1].bytes, arguments[1].size = <const char *>pattern, len(pattern)
        else:
            arguments[1].kind = MP_ARGUMENT_BUFFER
            arguments[1].buffer, arguments[1].offset = source.block.memory.buffer, source.offset
        command.arguments, command.argument_count = arguments, 2
        graph.add(Node(kind, kind, details=self.nbytes), &command,
                  [self.block, None if source is None else source.block])
        return not graph.runs

    def _derive(self, dtype, tuple shape not None, tuple strides, uint64_t offset, bint writable=True):
        """Another array over the same memory; read-only if this one is or `writable` is false."""
        cdef ScalarCode code = self.code
        cdef Py_ssize_t itemsize = self.itemsize
        if dtype is not self.dtype:
            code, itemsize = scalar_code(dtype), dtype.itemsize
        return make(type(self), self.device, self.block, dtype, code, itemsize, shape, strides, offset,
                    self.writable and writable)

    @property
    def _block(self):
        return self.block

    cdef int wait(self) except -1:
        if recorders and recording_graph(self.device) is not None:
            raise GraphError("reading an array from the host, or writing to it, is not part of a recorded graph: "
                             "do it before or after the recording")
        if self.block is not None:
            self.block.memory.wait()
        return 0

    cdef object host_view(self):
        if self.block is None:
            return np.empty(self.shape, self.dtype)
        view = np.ndarray(self.shape, self.dtype, self.block, self.offset, self.strides)
        if not self.writable:
            view.flags.writeable = False
        return view


def allocate(type kind not None, Device device not None, dtype, tuple shape not None):
    """A new array of class `kind` whose elements have no particular values."""
    cdef ScalarCode code = scalar_code(dtype)
    cdef Py_ssize_t itemsize = dtype.itemsize
    cdef Py_ssize_t extent, nbytes = itemsize
    cdef bint is_empty = itemsize == 0
    cdef Block block = None
    for extent in shape:
        if extent < 0:
            raise ValueError(f"negative dimensions are not allowed, got shape {shape}")
        if extent == 0:  # NumPy, too, refuses strides that overflow, though there be no elements
            is_empty = True
        elif extent > MOST_BYTES // max(nbytes, 1):
            raise ValueError(f"an array of shape {shape} and dtype {dtype} is too big")
        else:
            nbytes *= extent
    if not is_empty:
        block = pool_of(device).allocate(nbytes)
    return make(kind, device, block, dtype, code, itemsize, shape, None, 0, True)


def wrap_memory(type kind not None, Device device not None, host):
    """An array of class `kind` over the memory of the NumPy array `host`, not copied. Keeps `host` alive."""
    cdef Block block
    cdef size_t low, high
    scalar_code(host.dtype)
    if host.size == 0:
        return kind(device, None, host.dtype, host.shape)
    low, high = np.lib.array_utils.byte_bounds(host)
    block = wrap(device, <void *>low, high - low, host)
    return kind(device, block, host.dtype, host.shape, host.strides, <size_t>host.ctypes.data - low,
                host.flags.writeable)


cdef ArrayBase make(type kind, Device device, Block block, dtype, ScalarCode code, Py_ssize_t itemsize, tuple shape,
                    tuple strides, uint64_t offset, bint writable):
    """An array without the way through Python's calling conventions."""
    cdef ArrayBase made = <ArrayBase>new_object(kind, only_token)
    made.set(device, block, dtype, code, itemsize, shape, strides, offset, writable)
    return made


cdef ScalarCode scalar_code(dtype) except NO_SCALAR:
    """Code of a numpy dtype; TypeError if Metal has no such type."""
    found = known_codes.get(dtype)
    if found is not None:
        return <ScalarCode><int>found
    if dtype.names is not None and not dtype.hasobject:
        found = RECORD
    elif dtype.isnative and dtype.name in SCALAR_CODES:
        found = SCALAR_CODES[dtype.name]
    elif dtype.name in ("float64", "complex128", "longdouble", "float128", "complex256"):
        raise TypeError(f"Metal has no {dtype.name}; use {'complex64' if dtype.kind == 'c' else 'float32'}")
    elif not dtype.isnative:
        raise TypeError(f"arrays have the machine's byte order, got {dtype!r}; convert with astype first")
    else:
        raise TypeError(f"Metal has no equivalent of dtype {dtype!r}")
    known_codes[dtype] = found
    return <ScalarCode><int>found


cdef tuple c_strides(tuple shape, Py_ssize_t itemsize):
    cdef list strides = [0] * len(shape)
    cdef Py_ssize_t axis, step = itemsize
    for axis in range(len(shape) - 1, -1, -1):
        strides[axis] = step
        step *= max(<Py_ssize_t>shape[axis], 1)
    return tuple(strides)


cdef bint is_c_contiguous(tuple shape, tuple strides, Py_ssize_t itemsize) except -1:
    cdef Py_ssize_t axis, extent, step = itemsize
    for axis in range(len(shape) - 1, -1, -1):
        extent = shape[axis]
        if extent != 1 and <Py_ssize_t>strides[axis] != step:
            return False
        step *= extent
    return True
