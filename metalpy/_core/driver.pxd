from libc.stdint cimport uint32_t, uint64_t

from metalpy._abi cimport (
    mp_buffer,
    mp_device,
    mp_device_info,
    mp_dispatch,
    mp_driver,
    mp_error,
    mp_event,
    mp_message,
    mp_queue,
    mp_status,
)


cdef class Queue:
    cdef:
        const mp_driver *drv      # static
        mp_queue *handle          # owned; keeps its device alive
        uint64_t recorded         # serial of the newest command recorded here
        list failures             # exceptions that could not be raised where they appeared; the next waits do
        list reports              # error reports of kernels: what the present wait is to raise
        uint64_t spoken           # serial of the newest launch of a kernel that may say something
        mp_buffer *errors         # owned; for launches with error_buf_idx, NULL until the first
        uint64_t errors_serial    # of the newest of them
        str label                 # of the device
        readonly uint32_t number  # of its streams: 0 for the device's default queue
        uint32_t users            # streams over it
        uint64_t identity         # in recordings: no other queue of the process has the same
        uint32_t trace            # MP_TRACE_*, as the driver was told
        uint64_t taken            # serial up to which times were fetched
        object __weakref__
    cdef int follow_trace(self, Device device) except -1
    cdef int drain(self) except -1
    cdef int record(self, str kind, str name, uint64_t began, uint64_t serial, details) except -1
    cdef int wait_traced(self, uint64_t serial, uint64_t began) except -1
    cdef int make_room(self, uint64_t serial) except -1
    cdef uint64_t note(self, uint64_t serial) noexcept
    cdef uint64_t dispatch(self, const mp_dispatch *dispatch) except 0
    cdef uint64_t copy(self, mp_buffer *target, uint64_t target_offset, mp_buffer *source,
                       uint64_t source_offset, uint64_t size) except 0
    cdef uint64_t fill(self, mp_buffer *target, uint64_t offset, uint64_t size, const void *pattern,
                       uint32_t pattern_size) except 0
    cdef uint64_t completed_serial(self) noexcept
    cdef int wait_serial(self, uint64_t serial) except -1
    cdef bint hear(self) except -1
    cdef int tell(self, mp_status status, const mp_error *error) except -1
    cdef mp_buffer *error_buffer(self, Device device) except NULL


cdef class Device:
    cdef:
        const mp_driver *drv      # static
        mp_device *handle         # owned
        mp_device_info info
        readonly uint32_t index   # the driver's number for it
        readonly Queue queue      # the default queue, on which kernels, fills and copies run
        list queues               # those of streams; a dropped stream's stays until its work is done
        uint32_t last_number      # of a queue
        bint switched             # some thread has chosen another queue than the default: see stream.current_queue
        object pool               # of buffers; made on first use by pool.pool_of, which knows the type
        str label                 # "mps:0"
        readonly uint32_t identity  # in recordings: no other device of the process has the same
        object __weakref__
    cdef Queue open_queue(self)
    cdef Queue find_queue(self, uint32_t number)
    cdef int drop_finished_queues(self) except -1


cdef class Event:
    cdef:
        const mp_driver *drv      # static
        mp_event *handle          # owned; keeps its device alive
        object __weakref__
