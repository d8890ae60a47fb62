"""Objects over the handles of the C ABI. Policy (pooling, encoding, dispatch) lives above, in the other modules."""

cimport cython
from cpython.exc cimport PyErr_CheckSignals
from libc.string cimport memset

from metalpy._abi cimport (
    MP_ABI_VERSION,
    MP_ARGUMENT_THREADGROUP,
    MP_LIBRARY_METALLIB,
    MP_LIBRARY_METALLIB_FILE,
    MP_LIBRARY_NATIVE,
    MP_LIBRARY_SOURCE,
    MP_TIMEOUT,
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

from metalpy.errors import MetalError

cdef extern from *:
    """
    #ifndef MPY_BUILD_FLAGS
    #define MPY_BUILD_FLAGS "unknown"
    #endif
    #if defined(__SANITIZE_ADDRESS__)
    #define MPY_SANITIZER "address"
    #elif defined(__SANITIZE_THREAD__)
    #define MPY_SANITIZER "thread"
    #else
    #define MPY_SANITIZER "none"
    #endif
    #ifdef __clang__
    #define MPY_COMPILER __VERSION__
    #else
    #define MPY_COMPILER "gcc " __VERSION__
    #endif
    #define MPY_CYTHON_VERSION CYTHON_HEX_VERSION

    /* The drivers of this build, the preferred one first; NULL where there is none. */
    #include "metalpy_abi.h"
    #ifdef MPY_METAL
    static const mp_driver *mpy_metal(void) { return mp_metal_driver(); }
    #else
    static const mp_driver *mpy_metal(void) { return NULL; }
    #endif
    #ifdef MPY_SOFTWARE
    static const mp_driver *mpy_software(void) { return mp_software_driver(); }
    #else
    static const mp_driver *mpy_software(void) { return NULL; }
    #endif
    """
    const mp_driver *mpy_metal()
    const mp_driver *mpy_software()
    const char *MPY_BUILD_FLAGS
    const char *MPY_SANITIZER
    const char *MPY_COMPILER
    const unsigned int MPY_CYTHON_VERSION

LIBRARY_SOURCE = MP_LIBRARY_SOURCE
LIBRARY_METALLIB = MP_LIBRARY_METALLIB
LIBRARY_NATIVE = MP_LIBRARY_NATIVE
LIBRARY_METALLIB_FILE = MP_LIBRARY_METALLIB_FILE

# Waits return to Python this often, so that Ctrl-C raises KeyboardInterrupt.
cdef uint64_t WAIT_SLICE_NS = 50_000_000


@cython.final
cdef class Device:
    """A Metal device. Get one with `metalpy.device`; the same device is always the same object."""

    def __init__(self):
        raise TypeError("a Device cannot be created; use metalpy.device('mps')")

    def __dealloc__(self):
        if self.handle != NULL:
            with nogil:
                self.drv.device_release(self.handle)

    def __repr__(self):
        return f"<metalpy.Device {self.label} {self.name!r}>"

    def __str__(self):
        return self.label

    def synchronize(self):
        """Block until all work given to the device is done, on every stream.

        Raises
        ------
        KernelFaultError, TimeLimitError
            If a kernel failed since the last call that waited; each failure is reported once.
        """
        cdef Queue queue
        cdef list pending
        if not self.queues:
            self.queue.wait_serial(self.queue.recorded)
            return
        pending = [(queue, queue.recorded) for queue in [self.queue, *self.queues]]
        for queue, _ in pending:
            queue.commit()  # first, so that all of them run at once
        failure = None
        for queue, serial in pending:
            try:
                queue.wait_serial(serial)
            except Exception as error:  # raised when the others are done too
                if failure is None:
                    failure = error
                elif queue.failure is None:
                    queue.failure = error
        self.drop_finished_queues()
        if failure is not None:
            raise failure

    def set_time_limit(self, seconds):
        """Stop every kernel that runs longer than `seconds`; None, the default, sets no limit.

        Applies to kernels that start afterwards. The next call that waits raises `TimeLimitError`.

        Raises
        ------
        UnsupportedError
            On hardware that sets its own limit.
        """
        cdef mp_error error
        cdef uint64_t limit_ns = 0
        if seconds is not None:
            limit_ns = nanoseconds(seconds)
            if limit_ns == 0:
                raise ValueError("a time limit must be longer than 0 seconds; None sets no limit")
        check(self.drv.device_set_time_limit(self.handle, limit_ns, &error), &error)

    cdef Queue open_queue(self):
        """A new queue, of which `synchronize` knows."""
        cdef Queue queue
        self.drop_finished_queues()
        queue = Queue(self)
        self.last_number += 1
        queue.number = self.last_number
        self.queues.append(queue)
        return queue

    cdef Queue find_queue(self, uint32_t number):
        """The queue with a number; None if no stream uses it any more."""
        cdef Queue queue
        if number == 0:
            return self.queue
        for queue in self.queues:
            if queue.number == number and queue.users:
                return queue
        return None

    cdef int drop_finished_queues(self) except -1:
        """Lets go of queues without streams whose work is done; keeps their failures for the next wait."""
        cdef Queue queue
        for queue in list(self.queues):
            if queue.users == 0 and queue.completed_serial() >= queue.recorded:
                try:
                    queue.wait_serial(queue.recorded)
                except Exception as error:
                    if self.queue.failure is None:
                        self.queue.failure = error
                if queue in self.queues:  # the wait lets other threads run
                    self.queues.remove(queue)
        return 0

    @property
    def type(self):
        """Always ``"mps"``."""
        return "mps"

    @property
    def driver(self):
        """``"metal"`` for Apple hardware, ``"software"`` for the device that runs kernels on the CPU."""
        return (<bytes>self.drv.name).decode()

    @property
    def name(self):
        """What the device calls itself, such as ``"Apple M1 Max"``."""
        return (<bytes>self.info.name).decode("utf-8", "replace")

    @property
    def registry_id(self):
        """Number that tells devices of one machine apart."""
        return self.info.registry_id

    @property
    def recommended_max_memory(self):
        """Bytes that buffers may take in all without hurting performance."""
        return self.info.recommended_max_memory

    @property
    def max_buffer_length(self):
        """Bytes that one buffer may have."""
        return self.info.max_buffer_length

    @property
    def max_threads_per_threadgroup(self):
        """Threads that a threadgroup may have; a kernel's own limit may be lower."""
        return self.info.max_threads_per_threadgroup

    @property
    def max_threadgroup_memory(self):
        """Bytes of threadgroup memory that a threadgroup may use."""
        return self.info.max_threadgroup_memory

    @property
    def thread_execution_width(self):
        """Threads of a simdgroup."""
        return self.info.thread_execution_width

    @property
    def core_count(self):
        """GPU cores, or host threads that run kernels."""
        return self.info.core_count

    @property
    def gpu_family(self):
        """Number of the newest Apple GPU family that it belongs to, such as 7 for the M1; 0 if it is no Apple GPU."""
        return self.info.gpu_family

    @property
    def has_unified_memory(self):
        """True if host and device share memory."""
        return self.info.has_unified_memory != 0

    @property
    def allocated_size(self):
        """Bytes that the device has given to buffers and not got back, whoever asked for them."""
        return self.drv.device_allocated_size(self.handle)

    @property
    def now(self):
        """The device's clock, in nanoseconds; the one of `Event.time`."""
        return self.drv.device_now(self.handle)


@cython.final
cdef class Queue:
    """Commands that run one after another, in the order in which they were recorded."""

    def __init__(self, Device device not None):
        cdef mp_error error
        if self.handle != NULL:
            raise RuntimeError("a Queue is created once")
        self.drv = device.drv
        check(self.drv.queue_create(device.handle, &self.handle, &error), &error)

    def __dealloc__(self):
        if self.handle != NULL:
            with nogil:  # it commits what is open, which may start threads
                self.drv.queue_release(self.handle)

    def commit(self):
        """Let everything recorded so far start. Does not block."""
        cdef mp_error error
        cdef mp_status status
        with nogil:
            status = self.drv.queue_commit(self.handle, &error)
        check(status, &error)

    def wait(self, serial=None):
        """Block until the command with `serial`, by default the newest, and all before it are complete."""
        self.wait_serial(self.recorded if serial is None else serial)

    def signal_event(self, Event event not None, uint64_t value):
        """Record: raise `event` to `value` when all earlier commands are complete. Returns the serial."""
        cdef mp_error error
        cdef uint64_t serial
        check(self.drv.queue_signal_event(self.handle, event.handle, value, &serial, &error), &error)
        return self.note(serial)

    def wait_event(self, Event event not None, uint64_t value):
        """Record: later commands wait until `event` has reached `value`. Returns the serial."""
        cdef mp_error error
        cdef uint64_t serial
        check(self.drv.queue_wait_event(self.handle, event.handle, value, &serial, &error), &error)
        return self.note(serial)

    @property
    def completed(self):
        """Highest serial that is complete, with all before it."""
        return self.completed_serial()

    @property
    def last_recorded(self):
        """Serial of the newest command."""
        return self.recorded

    cdef uint64_t note(self, uint64_t serial) noexcept:
        if serial > self.recorded:
            self.recorded = serial
        return serial

    cdef uint64_t dispatch(self, const mp_dispatch *dispatch) except 0:
        cdef mp_error error
        cdef uint64_t serial
        check(self.drv.queue_dispatch(self.handle, dispatch, &serial, &error), &error)
        return self.note(serial)

    cdef uint64_t copy(self, mp_buffer *target, uint64_t target_offset, mp_buffer *source,
                       uint64_t source_offset, uint64_t size) except 0:
        cdef mp_error error
        cdef uint64_t serial
        check(self.drv.queue_copy(self.handle, target, target_offset, source, source_offset, size, &serial,
                                  &error), &error)
        return self.note(serial)

    cdef uint64_t fill(self, mp_buffer *target, uint64_t offset, uint64_t size, const void *pattern,
                       uint32_t pattern_size) except 0:
        cdef mp_error error
        cdef uint64_t serial
        check(self.drv.queue_fill(self.handle, target, offset, size, pattern, pattern_size, &serial,
                                  &error), &error)
        return self.note(serial)

    cdef uint64_t completed_serial(self) noexcept:
        return self.drv.queue_completed(self.handle)

    cdef int wait_serial(self, uint64_t serial) except -1:
        # Always asks the driver, also for finished work: that is how a kernel's failure gets here.
        cdef mp_error error
        cdef mp_status status
        # Before waiting: it may be the KeyboardInterrupt that ended a wait for a kernel without end.
        if self.failure is not None:
            failure, self.failure = self.failure, None
            raise failure
        while True:
            with nogil:
                status = self.drv.queue_wait(self.handle, serial, WAIT_SLICE_NS, &error)
            if status != MP_TIMEOUT:
                break
            PyErr_CheckSignals()
        return check(status, &error)


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
    """

    def __init__(self, Device device not None, uint32_t kind, bytes data not None, uint32_t math_mode=0, macros=()):
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
        "is_threadgroup": record.binding == MP_ARGUMENT_THREADGROUP,
        "index": record.index,
        "writes": bool(record.writes),
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


@cython.final
cdef class Event:
    """A value that only grows, raised by queues or the host, with the time at which it last grew."""

    def __init__(self, Device device not None):
        cdef mp_error error
        if self.handle != NULL:
            raise RuntimeError("an Event is created once")
        self.drv = device.drv
        check(self.drv.event_create(device.handle, &self.handle, &error), &error)

    def __dealloc__(self):
        if self.handle != NULL:
            with nogil:
                self.drv.event_release(self.handle)

    def signal(self, uint64_t value):
        """Raise the event from the host; a smaller value changes nothing."""
        cdef mp_error error
        check(self.drv.event_signal(self.handle, value, &error), &error)

    def wait(self, uint64_t value, timeout=None):
        """Block until the event reaches `value`; False if `timeout` seconds pass first. Commits no queue."""
        cdef mp_error error
        cdef mp_status status
        cdef uint64_t step, left = 0
        if timeout is not None:
            left = nanoseconds(timeout)
        while True:
            step = WAIT_SLICE_NS if timeout is None else min(WAIT_SLICE_NS, left)
            with nogil:
                status = self.drv.event_wait(self.handle, value, step, &error)
            if status != MP_TIMEOUT:
                check(status, &error)
                return True
            PyErr_CheckSignals()
            if timeout is not None:
                left -= step
                if left == 0:
                    return False

    @property
    def value(self):
        return self.drv.event_value(self.handle)

    @property
    def time(self):
        """Nanoseconds of `Device.now` when the event last grew; 0 if it never did."""
        return self.drv.event_time(self.handle)


cdef dict opened = {}  # (address of the driver's table, index) -> Device


cdef list added = []  # addresses of tables that are not of this build


def driver_tables():
    """Addresses of the drivers of this build, the preferred one first."""
    built = [<size_t>mpy_metal(), <size_t>mpy_software()]
    return [*added, *[table for table in built if table]]


def add_driver_table(size_t table):
    """Puts a driver before those of this build. For tests; its table must live as long as the process."""
    checked_table(table)
    if table not in added:
        added.append(table)


def driver_name(size_t table):
    """Name of the driver whose table is at an address."""
    return (<bytes>(<const mp_driver *>table).name).decode()


def device_count(size_t table):
    """Number of devices of the driver whose table is at an address. Opens none."""
    return checked_table(table).device_count()


def open_device(size_t table, uint32_t index, str label not None):
    """The device `index` of the driver whose table is at an address, opened on first use."""
    cdef Device device
    cdef mp_error error
    cdef mp_status status
    cdef mp_device *handle = NULL
    cdef const mp_driver *drv = checked_table(table)
    found = opened.get((table, index))
    if found is not None:
        return found
    with nogil:
        status = drv.device_open(index, &handle, &error)
    check(status, &error)
    device = Device.__new__(Device)
    device.drv = drv
    device.handle = handle
    device.index = index
    device.label = label
    drv.device_info(handle, &device.info)
    device.queues = []
    device.queue = Queue(device)
    # Another thread may have opened it meanwhile; the driver shares the device, so one object of the two goes.
    return opened.setdefault((table, index), device)


def forget_device(Device device not None):
    """Lets `open_device` open the device anew. For tests, whose drivers come and go."""
    for key, known in list(opened.items()):
        if known is device:
            del opened[key]


cdef const mp_driver *checked_table(size_t table) except NULL:
    cdef const mp_driver *drv = <const mp_driver *>table
    if drv.abi_version != MP_ABI_VERSION or drv.struct_size != sizeof(mp_driver):
        raise MetalError(
            f"a device driver has ABI version {drv.abi_version} and {drv.struct_size} bytes, "
            f"this build of metalpy needs {MP_ABI_VERSION} and {sizeof(mp_driver)}; rebuild metalpy"
        )
    return drv


cdef uint64_t nanoseconds(seconds) except? 0:
    cdef double value = seconds
    if not 0 <= value < 1e10:
        raise ValueError(f"seconds must be between 0 and 1e10, got {seconds!r}")
    return <uint64_t>(value * 1e9)


def build_facts():
    """How the extension modules were built, for a bug report."""
    cython_version = ".".join([str(MPY_CYTHON_VERSION >> shift & 0xFF) for shift in (24, 16, 8)])
    return {
        "compiler": MPY_COMPILER.decode(),
        "flags": MPY_BUILD_FLAGS.decode(),
        "sanitizer": MPY_SANITIZER.decode(),
        "Cython": cython_version,
        "ABI version": MP_ABI_VERSION,
        "drivers": ", ".join([driver_name(table) for table in driver_tables()]),
    }
