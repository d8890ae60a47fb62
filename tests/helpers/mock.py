"""A Metal device made of Python: it records what it is asked for, and work completes when the test says so."""

import ctypes
import mmap
import threading
from dataclasses import dataclass, field

from metalpy._core import registry

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
    textures: dict[int, int | None] = field(default_factory=dict)
    samplers: dict[int, int] = field(default_factory=dict)
    resident: list[int] = field(default_factory=list)


class MockHeap:
    """A heap of the mock: best fit over the gaps between the buffers that it has."""

    def __init__(self, size, options):
        self.size = size
        self.options = options
        self.owned = True
        self.used = {}  # offset -> size
        self.memory = mmap.mmap(-1, size)  # costs nothing until touched
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))

    def gaps(self):
        found, at = [], 0
        for offset, size in sorted(self.used.items()):
            if offset > at:
                found.append((at, offset - at))
            at = offset + size
        return [*found, (at, self.size - at)] if at < self.size else found

    def place(self, size):
        """Offset of `size` bytes that are used from now on; None if there is no room."""
        fits = [(room, offset) for offset, room in self.gaps() if room >= size]
        if not fits:
            return None
        offset = min(fits)[1]
        self.used[offset] = size
        return offset


class MockDriver:
    """One driver with one device.

    Attributes
    ----------
    automatic : bool
        True: work completes as soon as it is recorded. False: `complete` or a wait completes it.
    budget : int
        Bytes that heaps, and buffers outside of heaps, may take.
    recommended : int
        Of the device; 0, the default, makes the pool set no watermarks.
    largest_heap : int
        Longer heaps are refused.
    failure : tuple of int and str, or None
        Status and message of the next wait.
    timeouts : int
        So many waits return MP_TIMEOUT first.
    keeps_textures : bool
        The device has the memory of textures, as Apple's; else they are made over buffers.
    said : list of dict
        Fields of messages that the next `queue_take_messages` hands out.
    clock : callable
        What device_now returns.
    traces, timings : dict
        By queue: the flags of the last queue_set_trace; [(serial, start, end)] not yet taken.
    trace_capacity : int
        So many times are kept.
    trace_failure, capture_failure : tuple of int and str, or None
        Status and message of each queue_set_trace that switches something on; of the next device_start_capture.
    capture_state : int
        What device_capture_state returns.
    """

    def __init__(self, budget=1 << 36):
        self.automatic = True
        self.budget = budget
        self.recommended = 0
        self.largest_heap = 1 << 40
        self.broken_heaps = False
        self.failure = None
        self.timeouts = 0
        self.used = 0
        self.lock = threading.Lock()  # of heaps and `used`
        self.others = 0  # bytes that somebody else has of the device
        self.heaps = {}
        self.buffers = {}
        self.wrapped = {}
        self.launches = []
        self.calls = []
        self.pipelines = {}
        self.keeps_textures = True
        self.textures = {}  # handle -> (its description by name, buffer, offset, bytes per row)
        self.samplers = {}
        self.completed = {}
        self.recorded = {}
        self.limits = (1024, 32, 0)
        self.pipeline_flags = 0
        self.refuse_wrap = False
        self.said = []
        self.clock = lambda: 7
        self.traces = {}
        self.timings = {}
        self.trace_capacity = 16384
        self.trace_failure = None
        self.capture_failure = None
        self.capture_state = 0
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

    def open(self, label="mps:0"):
        device = registry.open_device(abi.address_of(self.table), 0, label)
        opened.append(device)
        return device

    @staticmethod
    def forget():
        """Let go of all devices while Python can still run their functions."""
        for device in opened:
            registry.forget_device(device)
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
        info[0].recommended_max_memory = self.recommended
        info[0].max_buffer_length = 1 << 40
        info[0].max_threads_per_threadgroup = 1024
        info[0].max_threadgroup_memory = 32768
        info[0].thread_execution_width = 32
        info[0].has_unified_memory = 1

    def device_allocated_size(self, device):
        return self.used + self.others

    def device_set_time_limit(self, device, limit, error):
        self.calls.append(("time_limit", limit))
        return abi.OK

    def device_now(self, device):
        return self.clock()

    def device_start_capture(self, device, path, error):
        if self.capture_failure is not None:
            (code, message), self.capture_failure = self.capture_failure, None
            return self.fail(error, code, message)
        self.calls.append(("start_capture", path.decode()))
        self.capture_state |= abi.CAPTURE_RUNNING
        return abi.OK

    def device_stop_capture(self, device):
        self.calls.append(("stop_capture",))
        self.capture_state &= ~abi.CAPTURE_RUNNING

    def device_capture_state(self, device):
        return self.capture_state

    def heap_buffer_size(self, device, size):
        return (size + 255) & ~255

    def heap_create(self, device, size, options, out, error):
        self.calls.append(("heap", size))
        if self.broken_heaps:
            return self.fail(error, abi.FORKED, "the mock is broken")
        if size > self.largest_heap:
            return self.fail(error, abi.MEMORY, "the mock makes no heaps of this size")
        with self.lock:
            if self.used + self.others + size > self.budget:
                return self.fail(error, abi.MEMORY, "the mock has no memory left")
            self.used += size
            out[0] = handle = self.handle()
            self.heaps[handle] = MockHeap(size, options)
        return abi.OK

    def heap_release(self, heap):
        self.calls.append(("drop heap", self.heaps[heap].size))
        with self.lock:
            self.heaps[heap].owned = False
            self.drop_unused(heap)

    def drop_unused(self, heap):
        if not self.heaps[heap].owned and not self.heaps[heap].used:
            self.used -= self.heaps.pop(heap).size

    def heap_available(self, heap):
        with self.lock:
            return max((size for _, size in self.heaps[heap].gaps()), default=0)

    def heap_buffer_create(self, heap, size, out, error):
        self.calls.append(("create", size))
        with self.lock:
            made = self.heaps[heap]
            offset = made.place((size + 255) & ~255)
            if offset is None:
                return self.fail(error, abi.MEMORY, "no room in the heap")
            out[0] = handle = self.handle()
        self.buffers[handle] = (heap, made.address + offset, size)
        return abi.OK

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
        heap, start, size = self.buffers.pop(buffer)
        if heap in self.heaps:
            with self.lock:
                del self.heaps[heap].used[start - self.heaps[heap].address]
                self.drop_unused(heap)
        elif buffer in self.wrapped:
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

    def texture_size(self, device, desc, size, error):
        if desc[0].pixel_format == 93:
            return self.fail(error, abi.UNSUPPORTED, "the mock has no rgb9e5Float")
        size[0] = 0 if self.keeps_textures else 16 * desc[0].width * desc[0].height
        return abi.OK

    def texture_create(self, device, desc, buffer, offset, bytes_per_row, out, error):
        described = {name: getattr(desc[0], name) for name, _ in abi.TextureDesc._fields_}
        out[0] = handle = self.handle()
        self.textures[handle] = (described, buffer, offset, bytes_per_row)
        return abi.OK

    def texture_release(self, texture):
        del self.textures[texture]

    def texture_address(self, texture):
        return texture + 1

    def _transfer(self, what, region):
        r = region[0]
        self.calls.append((what, r.level, r.element, tuple(r.origin), tuple(r.size), r.bytes_per_row))
        return abi.OK

    def texture_replace(self, texture, region, data, error):
        return self._transfer("replace", region)

    def texture_read(self, texture, region, data, error):
        return self._transfer("read", region)

    def sampler_create(self, device, desc, out, error):
        out[0] = handle = self.handle()
        described = {name: getattr(desc[0], name) for name, _ in abi.SamplerDesc._fields_}
        self.samplers[handle] = described | {"address_modes": tuple(desc[0].address_modes)}
        return abi.OK

    def sampler_release(self, sampler):
        del self.samplers[sampler]

    def sampler_address(self, sampler):
        return sampler + 2

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
        limits[0].flags = self.pipeline_flags

    def queue_create(self, device, out, error):
        out[0] = handle = self.handle()
        self.completed[handle] = self.recorded[handle] = 0
        return abi.OK

    def queue_release(self, queue):
        pass

    def record(self, queue, serial):
        self.recorded[queue] += 1
        if self.traces.get(queue, 0) & abi.TRACE_TIMES:
            start = self.clock()
            kept = self.timings.setdefault(queue, [])
            kept.append((self.recorded[queue], start, self.clock()))
            del kept[: -self.trace_capacity]
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
            elif argument.kind == abi.ARGUMENT_TEXTURE:
                launch.textures[argument.index] = argument.texture
            elif argument.kind == abi.ARGUMENT_SAMPLER:
                launch.samplers[argument.index] = argument.sampler
            else:
                launch.resident.append(argument.buffer or argument.texture or argument.sampler)
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

    def queue_generate_mipmaps(self, queue, texture, serial, error):
        self.calls.append(("generate_mipmaps", texture))
        return self.record(queue, serial)

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
        if trace and self.trace_failure is not None:
            return self.fail(error, *self.trace_failure)
        self.traces[queue] = trace
        return abi.OK

    def queue_take_timings(self, queue, timings, capacity):
        waiting = self.timings.get(queue, [])
        taken = [entry for entry in waiting if entry[0] <= self.completed[queue]][:capacity]
        self.timings[queue] = waiting[len(taken) :]
        for number, entry in enumerate(taken):
            timings[number] = entry
        return len(taken)

    def queue_take_messages(self, queue, each, context):
        said, self.said = self.said, []
        for fields in said:
            abi.MESSAGE_CALLBACK(each)(context, ctypes.byref(abi.Message(**fields)))
        return len(said)

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
