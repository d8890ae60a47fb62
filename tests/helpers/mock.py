"""A Metal device made of Python: it records what it is asked for, and work completes when the test says so."""

import ctypes
from dataclasses import dataclass, field

from metalpy._core import driver

from . import abi

tables = []  # drivers' tables live as long as the process: the ABI promises it
opened = []


@dataclass
class Launch:
    """A dispatch as it reached the driver: what is bound at each index, and the grid."""

    pipeline: str
    threads: tuple[int, int, int]
    group_size: tuple[int, int, int]
    values: dict[int, bytes] = field(default_factory=dict)
    buffers: dict[int, tuple[int, int]] = field(default_factory=dict)  # index -> (buffer, offset)
    threadgroup: dict[int, int] = field(default_factory=dict)
    resident: list[int] = field(default_factory=list)


class MockDriver:
    """One driver with one device.

    Attributes
    ----------
    automatic : bool
        True: work completes as soon as it is recorded. False: `complete` or a wait completes it.
    budget : int
        Bytes that buffers may take.
    failure : tuple of int and str, or None
        Status and message of the next wait.
    timeouts : int
        So many waits return MP_TIMEOUT first.
    """

    def __init__(self, budget=1 << 30):
        self.automatic = True
        self.budget = budget
        self.failure = None
        self.timeouts = 0
        self.used = 0
        self.buffers = {}
        self.wrapped = {}
        self.launches = []
        self.calls = []
        self.pipelines = {}
        self.completed = {}
        self.recorded = {}
        self.limits = (1024, 32, 0)
        self.refuse_wrap = False
        self.next_handle = 0x1000
        self.device_references = 0
        self.table = abi.Driver()
        self.table.abi_version = 2
        self.table.struct_size = ctypes.sizeof(abi.Driver)
        self.table.name = b"mock"
        for name, kind in abi.Driver._fields_[3:]:
            setattr(self.table, name, kind(getattr(self, name)))
        tables.append(self.table)
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self.table))

    def open(self):
        device = driver.open_device(abi.address_of(self.table), 0, "mps:0")
        opened.append(device)
        return device

    @staticmethod
    def forget():
        """Let go of all devices while Python can still run their functions."""
        for device in opened:
            driver.forget_device(device)
        opened.clear()

    def complete(self, queue, serial):
        self.completed[queue] = max(self.completed[queue], serial)

    def handle(self):
        self.next_handle += 16
        return self.next_handle

    def fail(self, error, code, message):
        if error:
            error[0].code = code
            error[0].message = message.encode()
        return code

    # ---- the table ----

    def device_count(self):
        return 1

    def device_open(self, index, out, error):
        self.device_references += 1
        out[0] = 1
        return abi.OK

    def device_release(self, device):
        self.device_references -= 1

    def device_info(self, device, info):
        info[0].name = b"Mock"
        info[0].max_buffer_length = 1 << 40
        info[0].max_threads_per_threadgroup = 1024
        info[0].max_threadgroup_memory = 32768
        info[0].thread_execution_width = 32
        info[0].has_unified_memory = 1

    def device_allocated_size(self, device):
        return self.used

    def device_set_time_limit(self, device, limit, error):
        self.calls.append(("time_limit", limit))
        return abi.OK

    def device_now(self, device):
        return 7

    def device_start_capture(self, device, path, error):
        return self.fail(error, abi.UNSUPPORTED, "the mock captures nothing")

    def device_stop_capture(self, device):
        pass

    def device_capture_state(self, device):
        return 0

    def heap_buffer_size(self, device, size):
        return (size + 255) & ~255

    def heap_create(self, device, size, options, out, error):
        return self.fail(error, abi.UNSUPPORTED, "the mock has no heaps")

    def heap_release(self, heap):
        pass

    def heap_available(self, heap):
        return 0

    def heap_buffer_create(self, heap, size, out, error):
        return self.fail(error, abi.UNSUPPORTED, "the mock has no heaps")

    def buffer_create(self, device, size, options, out, error):
        self.calls.append(("create", size))
        if self.used + size > self.budget:
            return self.fail(error, abi.MEMORY, "the mock has no memory left")
        self.used += size
        handle = self.handle()
        memory = ctypes.create_string_buffer(size + 256)
        start = (ctypes.addressof(memory) + 255) & ~255
        self.buffers[handle] = (memory, start, size)
        out[0] = handle
        return abi.OK

    def buffer_wrap(self, device, memory, size, release, context, out, error):
        if self.refuse_wrap:
            return self.fail(error, abi.UNSUPPORTED, "not aligned to a page")
        handle = self.handle()
        self.buffers[handle] = (None, memory, size)
        self.wrapped[handle] = (release, context)
        out[0] = handle
        return abi.OK

    def buffer_retain(self, buffer):
        raise AssertionError("nothing above the ABI retains buffers")

    def buffer_release(self, buffer):
        self.calls.append(("release", self.buffers[buffer][2]))
        _, _, size = self.buffers.pop(buffer)
        if buffer in self.wrapped:
            release, context = self.wrapped.pop(buffer)
            if release:
                abi.RELEASE_CALLBACK(release)(context)
        else:
            self.used -= size

    def buffer_contents(self, buffer):
        return self.buffers[buffer][1]

    def buffer_address(self, buffer):
        return self.buffers[buffer][1]

    def buffer_size(self, buffer):
        return self.buffers[buffer][2]

    def library_create(self, device, desc, out, error):
        out[0] = self.handle()
        return abi.OK

    def library_release(self, library):
        pass

    def library_compile_log(self):
        return 0

    def library_names(self, library, each, context):
        pass

    def library_constants(self, library, name, each, context):
        pass

    def pipeline_arguments(self, pipeline, each, context):
        pass

    def pipeline_create(self, library, desc, out, error):
        name = desc[0].name
        if name == b"missing":
            return self.fail(error, abi.NOT_FOUND, "no kernel 'missing' in this library")
        out[0] = handle = self.handle()
        self.pipelines[handle] = name.decode()
        return abi.OK

    def pipeline_release(self, pipeline):
        if pipeline:
            del self.pipelines[pipeline]

    def pipeline_limits(self, pipeline, limits):
        limits[0].max_total_threads_per_threadgroup = self.limits[0]
        limits[0].thread_execution_width = self.limits[1]
        limits[0].static_threadgroup_memory = self.limits[2]

    def queue_create(self, device, out, error):
        out[0] = handle = self.handle()
        self.completed[handle] = self.recorded[handle] = 0
        return abi.OK

    def queue_release(self, queue):
        pass

    def record(self, queue, serial):
        self.recorded[queue] += 1
        if self.automatic:
            self.completed[queue] = self.recorded[queue]
        serial[0] = self.recorded[queue]
        return abi.OK

    def queue_dispatch(self, queue, dispatch, serial, error):
        d = dispatch[0]
        launch = Launch(self.pipelines[d.pipeline], tuple(d.threads), tuple(d.group_size))
        for number in range(d.argument_count):
            argument = d.arguments[number]
            if argument.kind == abi.ARGUMENT_BYTES:
                launch.values[argument.index] = ctypes.string_at(argument.bytes, argument.size)
            elif argument.kind == abi.ARGUMENT_BUFFER:
                launch.buffers[argument.index] = (argument.buffer, argument.offset)
            elif argument.kind == abi.ARGUMENT_THREADGROUP:
                launch.threadgroup[argument.index] = argument.size
            else:
                launch.resident.append(argument.buffer)
        self.launches.append(launch)
        return self.record(queue, serial)

    def queue_copy(self, queue, target, target_offset, source, source_offset, size, serial, error):
        ctypes.memmove(self.buffers[target][1] + target_offset, self.buffers[source][1] + source_offset, size)
        return self.record(queue, serial)

    def queue_fill(self, queue, target, offset, size, pattern, pattern_size, serial, error):
        data = ctypes.string_at(pattern, pattern_size) * (size // pattern_size)
        ctypes.memmove(self.buffers[target][1] + offset, data, size)
        return self.record(queue, serial)

    def queue_matmul(self, queue, target, left, right, alpha, beta, serial, error):
        return self.fail(error, abi.UNSUPPORTED, "the mock multiplies no matrices")

    def queue_softmax(self, queue, target, source, serial, error):
        return self.fail(error, abi.UNSUPPORTED, "the mock has no softmax")

    def queue_signal_event(self, queue, event, value, serial, error):
        return self.record(queue, serial)

    def queue_wait_event(self, queue, event, value, serial, error):
        return self.record(queue, serial)

    def queue_commit(self, queue, error):
        return abi.OK

    def queue_wait(self, queue, serial, timeout, error):
        self.calls.append(("wait", serial))
        if self.timeouts:
            self.timeouts -= 1
            return abi.TIMEOUT
        self.complete(queue, min(serial, self.recorded[queue]))
        if self.failure is not None:
            (code, message), self.failure = self.failure, None
            return self.fail(error, code, message)
        return abi.OK

    def queue_completed(self, queue):
        return self.completed[queue]

    def queue_set_trace(self, queue, trace, error):
        return abi.OK

    def queue_take_timings(self, queue, timings, capacity):
        return 0

    def queue_take_messages(self, queue, each, context):
        return 0

    def event_create(self, device, out, error):
        out[0] = self.handle()
        return abi.OK

    def event_release(self, event):
        pass

    def event_value(self, event):
        return 0

    def event_time(self, event):
        return 0

    def event_signal(self, event, value, error):
        return abi.OK

    def event_wait(self, event, value, timeout, error):
        return abi.TIMEOUT
