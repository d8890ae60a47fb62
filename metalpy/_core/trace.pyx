"""What happens, for whoever records it: one flag that everybody looks at, and lists that everybody appends to.

Off, which is the rule, costs whoever could report something one look at `tracing`. On, each event is a tuple

    (kind, name, began, ended, thread, place, serial, details)

with times in nanoseconds of `now`. `place` is the identity of a queue, or of a device for memory; 0 if there is none.
The times at which commands ran come later and apart, from the driver, and are matched by whoever reads a recording.
The GIL guards the state.
"""

cimport cython
from cpython.ref cimport PyObject

from metalpy._abi cimport (
    MP_TRACE_COPIES,
    MP_TRACE_EVENTS,
    MP_TRACE_INTERVALS,
    MP_TRACE_OPERATIONS,
    MP_TRACE_TIMES,
)

import os
import threading

cdef extern from *:
    """
    #include <stdint.h>
    #include <time.h>

    #ifdef __APPLE__
    #define MPY_CLOCK CLOCK_UPTIME_RAW /* that of Metal's times: it rests while the machine sleeps */
    #else
    #define MPY_CLOCK CLOCK_MONOTONIC
    #endif
    static uint64_t mpy_now(void)
    {
        struct timespec now;
        clock_gettime(MPY_CLOCK, &now);
        return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    }
    """
    uint64_t mpy_now() noexcept nogil

cdef extern from "Python.h":
    PyObject *PyThreadState_GetDict()
    PyObject *PyDict_GetItemWithError(PyObject *dictionary, object key) except? NULL

TRACE_TIMES = MP_TRACE_TIMES
TRACE_INTERVALS = MP_TRACE_INTERVALS
TRACE_EVENTS = MP_TRACE_EVENTS
TRACE_OPERATIONS = MP_TRACE_OPERATIONS
TRACE_COPIES = MP_TRACE_COPIES

cdef tuple recordings = ()        # of Recording; replaced, never changed
cdef uint32_t base_flags = 0      # asked for by the environment, as `base_waiting`
cdef bint base_waiting = False
cdef object thread_key = object()
cdef uint64_t last_thread = 0


@cython.final
cdef class Recording:
    """Everything that happens between `begin` and `end`.

    Parameters
    ----------
    flags : int
        ``MP_TRACE_*``, what queues shall be asked for.
    wait : bool
        Wait for each launch, copy and fill after it is recorded.
    limit : int
        Events that are kept; later ones are counted in `dropped`.
    follower : callable, optional
        Called without arguments after waits and when `limit` is reached; it may `take` what there is.

    Attributes
    ----------
    events : list of tuple
    timings : dict of int to bytearray
        By queue: `mp_timing` records, as the driver gave them.
    threads : dict of int to str
    devices : dict of int to (label, name)
    queues : dict of int to (device, number of the stream)
    started : int
        When it began.
    """

    def __init__(self, uint32_t flags, bint wait=False, uint64_t limit=1_000_000, follower=None):
        self.events, self.timings, self.threads, self.devices, self.queues = [], {}, {}, {}, {}
        self.flags, self.wait, self.limit, self.follower = flags, wait, limit, follower
        self.started = mpy_now()

    def take(self):
        """(events, timings) so far; they are forgotten here."""
        taken = self.events, self.timings
        self.events, self.timings = [], {}
        return taken

    cdef int add(self, tuple event) except -1:
        cdef object thread = event[4]
        if thread not in self.threads:
            self.threads[thread] = thread_name()
        if <uint64_t>len(self.events) >= self.limit and self.follower is not None:
            self.follower()
        if <uint64_t>len(self.events) >= self.limit:
            self.dropped += 1
        else:
            self.events.append(event)
        return 0


def begin(Recording recording not None):
    """Let a recording hear of everything from now on. The caller tells the queues: see `registry.follow_trace`."""
    global recordings
    recordings = (*recordings, recording)
    refresh()


def end(Recording recording not None):
    """Let a recording hear of nothing more; harmless if it does not."""
    global recordings
    recordings = tuple([other for other in recordings if other is not recording])
    refresh()


def set_base(uint32_t trace, bint wait):
    """What queues are asked for besides what recordings ask for."""
    global base_flags, base_waiting
    base_flags, base_waiting = trace, wait
    refresh()


def is_active(Recording recording not None):
    """True between `begin` and `end`."""
    return recording in recordings


def forget():
    """Record nothing more: in a forked child, which has the parent's recordings but no device."""
    global recordings
    recordings = ()
    set_base(0, False)


cdef void refresh() noexcept:
    global tracing, waiting, flags
    cdef Recording recording
    flags, waiting = base_flags, base_waiting
    for recording in recordings:
        flags |= recording.flags
        waiting = waiting or recording.wait
    tracing = flags != 0 or waiting or len(recordings) != 0


os.register_at_fork(after_in_child=forget)


@cython.final
cdef class Region:
    """Context manager that adds a span of the calling thread to the timeline.

    Parameters
    ----------
    kind, name : str
    details : dict, optional
        ``with`` yields it, or a new one: what is in it at the end is recorded.
    """

    def __init__(self, str kind not None, str name not None, dict details=None):
        self.kind, self.name, self.details = kind, name, details

    def __enter__(self):
        self.began = mpy_now() if tracing else 0
        if self.details is None:
            self.details = {}
        return self.details

    def __exit__(self, *exception):
        if self.began and tracing:
            add((self.kind, self.name, self.began, mpy_now(), thread_number(), 0, 0, self.details))


def monotonic():
    """The clock of events, in nanoseconds."""
    return mpy_now()


cdef uint64_t now() noexcept nogil:
    return mpy_now()


cdef int add_command(str kind, str name, uint64_t began, uint64_t queue, uint64_t serial, details) except -1:
    return add((kind, name, began, mpy_now(), thread_number(), queue, serial, details)) if recordings else 0


cdef int add_wait(uint64_t began, uint64_t queue, uint64_t serial) except -1:
    return add(("wait", "wait", began, mpy_now(), thread_number(), queue, serial, None)) if recordings else 0


cdef int add_memory(str kind, uint32_t device, uint64_t size, uint64_t allocated, uint64_t reserved) except -1:
    cdef uint64_t at = mpy_now()
    return add((kind, kind, at, at, thread_number(), device, 0, (size, allocated, reserved))) if recordings else 0


cdef int add_timings(uint64_t queue, const mp_timing *timings, uint32_t count) except -1:
    cdef Recording recording
    cdef bytes data = (<const char *>timings)[:count * sizeof(mp_timing)]
    for recording in recordings:
        (<bytearray>recording.timings.setdefault(queue, bytearray())).extend(data)
    return 0


cdef int add_device(uint32_t device, str label, str name) except -1:
    cdef Recording recording
    for recording in recordings:
        recording.devices[device] = (label, name)
    return 0


cdef int add_queue(uint64_t queue, uint32_t device, uint32_t number) except -1:
    cdef Recording recording
    for recording in recordings:
        recording.queues[queue] = (device, number)
    return 0


cdef int settled() except -1:
    """After a wait: times may have come."""
    cdef Recording recording
    for recording in recordings:
        if recording.follower is not None:
            recording.follower()
    return 0


cdef int add(tuple event) except -1:
    cdef Recording recording
    for recording in recordings:
        # What began before the recording would reach out of it.
        if <uint64_t>event[2] >= recording.started:
            recording.add(event)
    return 0


cdef object thread_number():
    """The calling thread's own number; the operating system's are used again."""
    global last_thread
    cdef PyObject *own = PyThreadState_GetDict()
    cdef PyObject *found
    if own == NULL:
        return 0
    found = PyDict_GetItemWithError(own, thread_key)
    if found != NULL:
        return <object>found
    last_thread += 1
    (<dict>own)[thread_key] = last_thread
    return last_thread


cdef str thread_name():
    # Not current_thread(): for a thread that Python did not start, it would make an object that stays.
    cdef object ident = threading.get_ident()
    for thread in threading.enumerate():
        if thread.ident == ident:
            return thread.name
    return f"thread {threading.get_native_id()}"
