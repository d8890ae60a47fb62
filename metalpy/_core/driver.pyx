"""Objects over the handles of the C ABI. Policy (pooling, encoding, dispatch) lives above, in the other modules."""

cimport cython
from cpython.exc cimport PyErr_CheckSignals
from libc.string cimport memset

from metalpy._abi cimport (
    MP_CAPTURE_ENABLED,
    MP_CAPTURE_RUNNING,
    MP_ERROR_FORKED,
    MP_ERROR_TIME_LIMIT,
    MP_OK,
    MP_TIMEOUT,
    MP_TRACE_CAPACITY,
    MP_TRACE_TIMES,
    mp_error,
    mp_status,
    mp_timing,
)
from metalpy._core.check cimport check
from metalpy._core.message cimport (
    ERROR_BUFFER_SIZE,
    deliver_pending,
    delivering,
    heard,
    is_report,
    read_error_buffer,
    reported_error,
)
from metalpy._core.trace cimport (
    add_command,
    add_device,
    add_queue,
    add_timings,
    add_wait,
    flags,
    now,
    settled,
    tracing,
    waiting,
)

from metalpy._core.message import pending as said

cdef extern from *:
    """
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

cdef extern from "Python.h":
    int PyGC_Disable()
    int PyGC_Enable()


# Waits return to Python this often, so that Ctrl-C raises KeyboardInterrupt.
cdef uint64_t WAIT_SLICE_NS = 50_000_000

# Times of traced commands are fetched after so many commands. No more than half of what a driver keeps are in flight.
cdef uint64_t DRAIN_COMMANDS = 1024
cdef uint64_t IN_FLIGHT = MP_TRACE_CAPACITY // 2

cdef uint64_t last_queue = 0      # identities given out


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
        KernelFaultError, KernelReportedError, TimeLimitError
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
                else:
                    queue.failures.append(error)
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

    def start_capture(self, bytes path not None):
        """Write everything that the device does from now on to a ``.gputrace`` document, until `stop_capture`."""
        cdef mp_error error
        cdef mp_status status
        cdef const char *c_path = path
        with nogil:
            status = self.drv.device_start_capture(self.handle, c_path, &error)
        check(status, &error)

    def stop_capture(self):
        with nogil:
            self.drv.device_stop_capture(self.handle)

    @property
    def capture_enabled(self):
        """True if this process may write ``.gputrace`` documents of the device."""
        return self.drv.device_capture_state(self.handle) & MP_CAPTURE_ENABLED != 0

    @property
    def capture_running(self):
        return self.drv.device_capture_state(self.handle) & MP_CAPTURE_RUNNING != 0

    cdef Queue open_queue(self):
        """A new queue, of which `synchronize` knows."""
        cdef Queue queue
        self.drop_finished_queues()
        queue = Queue(self)
        self.last_number += 1
        queue.number = self.last_number
        if tracing:
            queue.follow_trace(self)
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
                failures, queue.failures = queue.failures, []
                self.queue.failures += failures
                try:
                    queue.wait_serial(queue.recorded)
                except Exception as error:
                    self.queue.failures += [error, *queue.failures]
                queue.drain()  # memory that it used last may keep it alive, but nobody looks for it here any more
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
        global last_queue
        cdef mp_error error
        if self.handle != NULL:
            raise RuntimeError("a Queue is created once")
        self.drv = device.drv
        self.label = device.label
        self.failures = []
        self.reports = []
        check(self.drv.queue_create(device.handle, &self.handle, &error), &error)
        last_queue += 1
        self.identity = last_queue

    def __dealloc__(self):
        if self.handle != NULL:
            with nogil:  # it commits what is open, which may start threads
                self.drv.queue_release(self.handle)
                if self.errors != NULL:
                    self.drv.buffer_release(self.errors)

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
        cdef uint64_t began = now() if tracing else 0
        check(self.drv.queue_signal_event(self.handle, event.handle, value, &serial, &error), &error)
        self.note(serial)
        if began:
            self.record("signal", "signal event", began, serial, None)
        return serial

    def wait_event(self, Event event not None, uint64_t value):
        """Record: later commands wait until `event` has reached `value`. Returns the serial."""
        cdef mp_error error
        cdef uint64_t serial
        cdef uint64_t began = now() if tracing else 0
        check(self.drv.queue_wait_event(self.handle, event.handle, value, &serial, &error), &error)
        self.note(serial)
        if began:
            self.record("wait_event", "wait for event", began, serial, None)
        return serial

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
        cdef uint64_t began = 0
        # Before waiting: it may be the KeyboardInterrupt that ended a wait for a kernel without end.
        if self.failures:
            raise self.failures.pop(0)
        if tracing and self.completed_serial() < serial:
            began = now()
        while True:
            with nogil:
                status = self.drv.queue_wait(self.handle, serial, WAIT_SLICE_NS, &error)
            if status != MP_TIMEOUT:
                break
            PyErr_CheckSignals()
        if status == MP_ERROR_TIME_LIMIT:
            PyErr_CheckSignals()  # if Ctrl-C ended the kernel, then the wait as well
        if began:
            self.wait_traced(serial, began)
        if self.hear():
            return self.tell(status, &error)
        return check(status, &error)

    cdef bint hear(self) except -1:
        """Fetches what kernels have said; True if a wait must see to its being delivered."""
        cdef bint found = self.drv.queue_take_messages(self.handle, note_message, <void *>self) > 0
        cdef char *contents
        if self.errors != NULL and self.errors_serial <= self.completed_serial():
            contents = <char *>self.drv.buffer_contents(self.errors)
            if (<uint32_t *>contents)[0]:
                read_error_buffer(self.label, self.number, contents, self.reports)
                found = True
        return found or delivering > 0  # another thread may be at what this queue's kernels have said

    cdef int tell(self, mp_status status, const mp_error *error) except -1:
        """Has messages delivered, then raises the first failure: a report, a fault, then what a handler raised."""
        cdef list failures = []
        cdef list reports = self.reports
        if reports:
            self.reports = []
            failures.append(reported_error(reports))
        try:
            check(status, error)
        except Exception as failure:
            failures.append(failure)
        try:
            deliver_pending()
        except Exception as failure:
            failures.append(failure)
        except BaseException:
            self.failures += failures
            raise
        if failures:
            self.failures += failures[1:]
            raise failures[0]
        return 0

    def flush_messages(self, timeout):
        """Deliver what kernels have said, waiting up to `timeout` seconds for launches that may still say something.

        Returns at once if there are none. Raises as a wait does.
        """
        cdef mp_error error
        cdef mp_status status = MP_OK
        cdef uint64_t timeout_ns = nanoseconds(timeout)
        if self.spoken > self.completed_serial():
            with nogil:
                status = self.drv.queue_wait(self.handle, self.spoken, timeout_ns, &error)
            if status == MP_TIMEOUT or status == MP_ERROR_FORKED:
                status = MP_OK
        if self.hear() or status != MP_OK:
            self.tell(status, &error)

    cdef mp_buffer *error_buffer(self, Device device) except NULL:
        """Where kernels write ErrorMessages: made on first use, empty."""
        cdef mp_error error
        cdef mp_buffer *made = NULL
        if self.errors == NULL:
            check(self.drv.buffer_create(device.handle, ERROR_BUFFER_SIZE, 0, &made, &error), &error)
            memset(self.drv.buffer_contents(made), 0, ERROR_BUFFER_SIZE)
            self.errors = made
        return self.errors

    cdef int wait_traced(self, uint64_t serial, uint64_t began) except -1:
        """The end of a wait: its span, and times that have come."""
        add_wait(began, self.identity, serial)
        self.drain()
        return settled()

    cdef int follow_trace(self, Device device) except -1:
        """Tells the driver what is to be traced from now on, and recordings whose queue this is."""
        cdef mp_error error
        check(self.drv.queue_set_trace(self.handle, flags, &error), &error)
        if self.trace != flags:
            self.trace = flags
            self.taken = self.recorded
        if tracing:
            add_device(device.identity, device.label, device.name)
            add_queue(self.identity, device.identity, self.number)
        return 0

    cdef int drain(self) except -1:
        """Fetches the times of what is complete."""
        cdef mp_timing timings[256]
        cdef uint32_t count = 256
        while self.trace & MP_TRACE_TIMES and count == 256:
            count = self.drv.queue_take_timings(self.handle, timings, 256)
            if count:
                add_timings(self.identity, timings, count)
                self.taken = max(self.taken, timings[count - 1].serial)
        return 0

    cdef int make_room(self, uint64_t serial) except -1:
        """Waits for command `serial`, or until nothing moves: a driver keeps the times of so many and no more."""
        cdef mp_error error
        cdef mp_status status
        cdef uint64_t before
        while True:
            before = self.completed_serial()
            with nogil:
                status = self.drv.queue_wait(self.handle, serial, WAIT_SLICE_NS, &error)
            self.drain()
            if status != MP_TIMEOUT:
                break
            PyErr_CheckSignals()
            if self.completed_serial() == before:  # it may depend on what this thread does next
                return 0
        try:
            check(status, &error)
        except Exception as failure:  # whose turn is the next wait
            self.failures.append(failure)
        return 0

    cdef int record(self, str kind, str name, uint64_t began, uint64_t serial, details) except -1:
        """Tells recordings of a command, and waits for it if they want that. What it uses has been noted before."""
        if not self.trace and not waiting:
            return 0
        add_command(kind, name, began, self.identity, serial, details)
        if serial % DRAIN_COMMANDS == 0:
            self.drain()
            if serial - self.taken > IN_FLIGHT and self.trace & MP_TRACE_TIMES:
                self.make_room(serial - IN_FLIGHT // 2)
        if waiting and details is not None:  # what has no details is about events: others may be about to raise them
            self.wait_serial(serial)
        return 0


cdef void note_message(void *context, const mp_message *message) noexcept with gil:
    # Without the cyclic collector, which could run any code: it must not call the driver, nor let other threads in
    # between the driver's order and that of `message.pending`.
    cdef Queue queue = <Queue>context
    cdef tuple entry
    cdef int collecting = PyGC_Disable()
    try:
        entry = heard(queue.label, queue.number, message)
        said.append(entry)
        if is_report(entry):
            queue.reports.append(entry)
    finally:
        if collecting:
            PyGC_Enable()


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


def built_tables():
    """Addresses of the drivers of this build, the preferred one first."""
    return [table for table in (<size_t>mpy_metal(), <size_t>mpy_software()) if table]


cdef uint64_t nanoseconds(seconds) except? 0:
    cdef double value = seconds
    if not 0 <= value < 1e10:
        raise ValueError(f"seconds must be between 0 and 1e10, got {seconds!r}")
    return <uint64_t>(value * 1e9)
