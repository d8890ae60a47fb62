"""Code on a device: libraries, their pipelines, and what the device itself knows of them."""

cimport cython
from libc.stdint cimport uint32_t
from libc.string cimport memset

from metalpy._abi cimport (
    MP_LIBRARY_METALLIB,
    MP_LIBRARY_METALLIB_FILE,
    MP_LIBRARY_NATIVE,
    MP_LIBRARY_SOURCE,
    mp_constant,
    mp_constant_record,
    mp_error,
    mp_library_desc,
    mp_macro,
    mp_pipeline_desc,
    mp_status,
    mp_type_record,
)
from metalpy._core.check cimport check
from metalpy._core.driver cimport Device

LIBRARY_SOURCE = MP_LIBRARY_SOURCE
LIBRARY_METALLIB = MP_LIBRARY_METALLIB
LIBRARY_NATIVE = MP_LIBRARY_NATIVE
LIBRARY_METALLIB_FILE = MP_LIBRARY_METALLIB_FILE


@cython.final
cdef class Library:
    """Code loaded on a device.

    Parameters
    ----------
    device : Device
    kind : int
        ``LIBRARY_SOURCE``, ``LIBRARY_METALLIB``, ``LIBRARY_METALLIB_FILE`` or ``LIBRARY_NATIVE``.
    data : bytes
        What `kind` says: Metal source in UTF-8, the contents or the path of a ``.metallib``, or the path of a shared
        object.
    math_mode : int
        Of source: 0 safe, 1 relaxed, 2 fast.
    macros : sequence of (bytes, bytes)
        Of source: names and values.
    language_version : int
        Of source: major << 16 | minor; 0: the newest that the device's compiler has.
    """

    def __init__(self, Device device not None, uint32_t kind, bytes data not None, uint32_t math_mode=0, macros=(),
                 uint32_t language_version=0):
        cdef mp_error error
        cdef mp_status status
        cdef mp_library_desc desc
        cdef mp_macro[256] names
        cdef uint32_t number = 0
        if self.handle != NULL:
            raise RuntimeError("a Library is created once")
        self.drv = device.drv
        self.device = device
        memset(&desc, 0, sizeof(desc))
        desc.kind = kind
        desc.data = data  # NUL terminated, as bytes objects are
        desc.size = len(data)
        desc.math_mode = math_mode
        if len(macros) > 256:
            raise ValueError(f"at most 256 macros can be defined, got {len(macros)}")
        for name, value in macros:
            names[number].name = name
            names[number].value = value
            number += 1
        desc.macros = names
        desc.macro_count = number
        desc.language_version = language_version
        with nogil:
            status = self.drv.library_create(device.handle, &desc, &self.handle, &error)
        check(status, &error)

    def __dealloc__(self):
        if self.handle != NULL:
            with nogil:
                self.drv.library_release(self.handle)

    def names(self):
        """Names of the kernels, if the device can list them."""
        found = []
        self.drv.library_names(self.handle, add_name, <void *>found)
        return found

    def constants(self, str name not None):
        """Function constants of a kernel: (name, index, scalar code, count, required) each."""
        found = []
        encoded = name.encode()
        self.drv.library_constants(self.handle, encoded, add_constant, <void *>found)
        return found

    def pipeline(self, str name not None, constants=(), bytes archive=None):
        """The compute pipeline of a kernel.

        Parameters
        ----------
        name : str
        constants : sequence of (index, scalar code, count, bytes)
            Values for function constants.
        archive : bytes, optional
            Path of a file that the device may keep the compiled pipeline in.

        Raises
        ------
        MetalError
            The library has no such kernel, or the device cannot compile it.
        LaunchValueError
            A function constant is missing.
        """
        cdef Pipeline pipeline = Pipeline.__new__(Pipeline)
        cdef mp_error error
        cdef mp_status status
        cdef mp_pipeline_desc desc
        cdef mp_constant[64] values
        cdef uint32_t number = 0
        encoded = name.encode()
        if len(constants) > 64:
            raise ValueError(f"at most 64 function constants can be given, got {len(constants)}")
        memset(&desc, 0, sizeof(desc))
        for index, scalar, count, data in constants:
            values[number].index = index
            values[number].scalar = scalar
            values[number].count = count
            values[number].value = <const char *>data
            number += 1
        desc.name = encoded
        desc.constants = values
        desc.constant_count = number
        if archive is not None:
            desc.archive = archive
        pipeline.drv = self.drv
        pipeline.device = self.device
        pipeline.name = name
        with nogil:
            status = self.drv.pipeline_create(self.handle, &desc, &pipeline.handle, &error)
        check(status, &error)
        self.drv.pipeline_limits(pipeline.handle, &pipeline.limits)
        return pipeline


def compile_log(Device device not None):
    """What the device's compiler said of the source that this thread last gave it."""
    return (<bytes>device.drv.library_compile_log()).decode("utf-8", "replace")


cdef void add_name(void *context, const char *name) noexcept with gil:
    (<list>context).append((<bytes>name).decode("utf-8", "replace"))


cdef void add_constant(void *context, const mp_constant_record *record) noexcept with gil:
    name = (<bytes>record.name).decode("utf-8", "replace")
    (<list>context).append((name, record.index, record.scalar, record.count, bool(record.required)))


cdef void add_record(void *context, const mp_type_record *record) noexcept with gil:
    (<list>context).append({
        "depth": record.depth,
        "kind": record.kind,
        "scalar": record.scalar,
        "counts": (record.counts[0], record.counts[1]),
        "binding": record.binding,
        "index": record.index,
        "writes": record.writes,
        "offset": record.offset,
        "size": record.size,
        "alignment": record.alignment,
        "stride": record.stride,
        "name": (<bytes>record.name).decode("utf-8", "replace") if record.name != NULL else "",
    })


@cython.final
cdef class Pipeline:
    """A kernel of a library, ready to run. Made by `Library.pipeline`."""

    def __init__(self):
        raise TypeError("a Pipeline cannot be created directly; use Library.pipeline()")

    def __dealloc__(self):
        if self.handle != NULL:
            with nogil:
                self.drv.pipeline_release(self.handle)

    def arguments(self):
        """The device's own reflection: one dict for each ``mp_type_record``; empty if it has none."""
        found = []
        self.drv.pipeline_arguments(self.handle, add_record, <void *>found)
        return found

    @property
    def max_threads_per_threadgroup(self):
        return self.limits.max_total_threads_per_threadgroup

    @property
    def thread_execution_width(self):
        return self.limits.thread_execution_width

    @property
    def static_threadgroup_memory(self):
        return self.limits.static_threadgroup_memory
