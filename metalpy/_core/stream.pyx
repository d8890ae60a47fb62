"""Streams, which of them a thread uses, and events between them.

A thread's stream of each device is in the dictionary that CPython keeps for the thread and clears when it ends. A
device on which no thread has ever left the default stream is not looked up there.

Why waiting never hangs: a wait for an event commits the queue on which the event was recorded, then records itself.
So whatever is waited for was committed before the wait existed, and by induction so was all that it waits for.
"""

cimport cython
from cpython.ref cimport PyObject
from libc.stdint cimport int64_t


from metalpy.errors import EventError

cdef extern from "Python.h":
    PyObject *PyThreadState_GetDict()
    PyObject *PyDict_GetItemWithError(PyObject *dictionary, object key) except? NULL


@cython.no_gc_clear  # __dealloc__ needs the queue
cdef class StreamBase:
    """Base of `metalpy.mps.Stream`: a queue that threads may choose. Equal if the queues are the same."""

    def __init__(self, Device device not None, stream_id=None):
        cdef Queue queue
        if self.queue is not None:
            raise RuntimeError("a Stream is created once")
        if stream_id is None:
            queue = device.open_queue()
        else:
            queue = device.find_queue(stream_id)
            if queue is None:
                raise ValueError(f"device {device} has no stream {stream_id}; Stream() makes a new one")
        queue.users += 1
        self.device = device
        self.queue = queue

    def __dealloc__(self):
        cdef Queue queue = self.queue
        if queue is not None:
            queue.users -= 1
            if queue.users == 0 and queue.number:  # nobody is left to start what is recorded
                with nogil:
                    queue.drv.queue_commit(queue.handle, NULL)

    def __eq__(self, other):
        return self.queue is (<StreamBase>other).queue if isinstance(other, StreamBase) else NotImplemented

    def __hash__(self):
        return hash(self.queue)

    @property
    def stream_id(self):
        """0 for the default stream, else the number that the device gave it."""
        return self.queue.number

    def query(self):
        """True if all work given to the stream is done. Starts it if it has not begun."""
        if self.queue.completed_serial() >= self.queue.recorded:
            return True
        self.queue.commit()
        return False

    def synchronize(self):
        """Block until all work given to the stream is done.

        Raises
        ------
        KernelFaultError, KernelReportedError, TimeLimitError
            If a kernel of the stream failed since the last call that waited; each failure is reported once.
        """
        self.queue.wait_serial(self.queue.recorded)

    def _select(self):
        """Make it the calling thread's stream of its device."""
        cdef PyObject *own = PyThreadState_GetDict()
        if own == NULL:
            raise MemoryError()
        if self.queue is not self.device.queue:
            self.device.switched = True
            (<dict>own)[self.device] = self
        else:
            (<dict>own).pop(self.device, None)


cdef inline PyObject *chosen_stream(Device device) except? NULL:
    """The calling thread's stream of a device, borrowed; NULL for the default one."""
    cdef PyObject *own = PyThreadState_GetDict()
    return NULL if own == NULL else PyDict_GetItemWithError(own, device)


cdef PyObject *switched_queue(Device device) except NULL:
    cdef PyObject *found = chosen_stream(device)
    return <PyObject *>(device.queue if found == NULL else (<StreamBase>found).queue)


def selected_stream(Device device not None):
    """The calling thread's stream of a device; None for the default one."""
    cdef PyObject *found = chosen_stream(device) if device.switched else NULL
    return None if found == NULL else <StreamBase>found


def selected_queue(Device device not None):
    """The queue that takes what the calling thread gives to a device."""
    return <Queue>current_queue(device)


cdef class EventBase:
    """Base of `metalpy.mps.Event`: a point in the order of a stream's work.

    The driver's events only grow. Another queue may reach a later value before this one reaches an earlier, so each
    record on another queue gets a driver's event of its own.
    """

    def __init__(self, bint enable_timing=False):
        self.enable_timing = enable_timing

    def _record(self, StreamBase stream, Device device):
        """Mark the present end of `stream`, or of the calling thread's stream of `device`."""
        cdef Queue queue
        cdef Event event
        cdef uint64_t value = self.value + 1, serial
        if stream is None:
            queue = <Queue>current_queue(device)
        else:
            queue, device = stream.queue, stream.device
        event = self.event
        if event is None or self.queue is not queue:
            event, value = Event(device), 1
        serial = queue.signal_event(event, value)  # nothing is changed if it raises
        replaced = (self.event, self.queue)  # let go when all is consistent: that lets other threads run
        self.device, self.event, self.value, self.queue, self.serial = device, event, value, queue, serial
        del replaced

    def _wait(self, StreamBase stream, Device device):
        """Let what is given to the stream from now on wait for the event."""
        cdef Queue queue, signalling = self.queue
        cdef Event event = self.event
        cdef uint64_t value = self.value
        if event is None or self.reached():
            return
        if stream is None:
            queue, device = <Queue>current_queue(self.device), self.device
        else:
            queue, device = stream.queue, stream.device
        if device is not self.device:
            raise EventError(f"an event of device {self.device} cannot be waited for on device {device}; "
                             "events order the streams of one device")
        if queue is not signalling:
            signalling.commit()
            queue.wait_event(event, value)

    def query(self):
        """True if the work before the last `record` is done, False also if there was none. Starts that work."""
        cdef Queue queue = self.queue  # others may record meanwhile, so that each method works on what it found
        if queue is None:
            return False
        if self.reached():
            return True
        queue.commit()
        return self.reached()

    def synchronize(self):
        """Block until the work before the last `record` is done. Returns at once if there was no record.

        Raises
        ------
        KernelFaultError, KernelReportedError, TimeLimitError
            If a kernel of that stream failed since the last call that waited; each failure is reported once.
        """
        cdef Queue queue = self.queue
        if queue is not None:
            queue.wait_serial(self.serial)

    def _elapsed(self, EventBase end not None):
        """Milliseconds from this event to `end`, both recorded; waits for them."""
        cdef Queue start_queue = self.queue, end_queue = end.queue
        cdef Event start_event = self.event, end_event = end.event
        cdef uint64_t end_serial = end.serial, start_time
        start_queue.wait_serial(self.serial)
        start_time = start_event.drv.event_time(start_event.handle)
        end_queue.wait_serial(end_serial)
        # As a signed number: `end` may lie before.
        return (<double><int64_t>(end_event.drv.event_time(end_event.handle) - start_time)) * 1e-6

    def _mark(self):
        """(driver's event, value, queue, serial) of the last record, whose queue is committed; None before it."""
        if self.event is None:
            return None
        mark = (self.event, self.value, self.queue, self.serial)
        mark[2].commit()
        return mark

    @property
    def recorded(self):
        """True after the first `record`."""
        return self.event is not None

    cdef bint reached(self) noexcept:
        return self.event.drv.event_value(self.event.handle) >= self.value
