from cpython.ref cimport PyObject
from libc.stdint cimport uint64_t

from metalpy._core.driver cimport Device, Event, Queue


cdef class StreamBase:
    cdef:
        readonly Device device
        Queue queue
        object __weakref__


cdef class EventBase:
    cdef:
        readonly bint enable_timing
        Device device             # of the last record; None before the first
        Event event               # the driver's; another one whenever the queue changes
        uint64_t value            # that `event` has reached when the last record is complete
        Queue queue               # of the last record
        uint64_t serial           # of the last record, on `queue`
        object __weakref__
    cdef bint reached(self) noexcept


cdef PyObject *switched_queue(Device device) except NULL


cdef inline PyObject *current_queue(Device device) except NULL:
    """The queue that takes what the calling thread gives to a device. Borrowed: the thread keeps it as its own."""
    return switched_queue(device) if device.switched else <PyObject *>device.queue
