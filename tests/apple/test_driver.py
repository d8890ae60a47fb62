"""Apple's driver through its table: memory, copies, fills, traces, captures, matrices and archives."""

import ctypes
import mmap
import time

import numpy as np
import pytest

import metalpy as mp
from metalpy.compiler import cache
from tests.helpers import abi
from tests.helpers.standin import Fault

FOREVER = 2**64 - 1


@pytest.fixture
def queue(table):
    made = table.made("queue_create", table.device)
    yield made
    table.driver.queue_release(made)


@pytest.fixture
def buffers(table):
    """Makes buffers with contents."""
    made = []

    def make(content, options=0):
        data = bytes(content)
        handle = table.made("buffer_create", table.device, len(data), options)
        made.append(handle)
        ctypes.memmove(table.driver.buffer_contents(handle), data, len(data))
        return handle

    yield make
    for handle in made:
        table.driver.buffer_release(handle)


def content(table, handle):
    return ctypes.string_at(table.driver.buffer_contents(handle), table.driver.buffer_size(handle))


def test_facts(table, metal):
    info = abi.DeviceInfo()
    table.driver.device_info(table.device, ctypes.byref(info))
    assert (info.name, info.gpu_family, info.has_unified_memory) == (b"Stand-in Metal device", 7, 1)
    assert metal.gpu_family == 7 and info.core_count == metal.core_count > 0
    assert info.max_buffer_length > 1 << 30 and info.recommended_max_memory > 1 << 20
    earlier = table.driver.device_now(table.device)
    assert 0 < earlier <= table.driver.device_now(table.device)


def test_opening_twice_gives_the_same_device(table):
    again = table.made("device_open", 0)
    assert again == table.device
    table.driver.device_release(again)


def test_private_memory_has_no_contents(table, queue, buffers):
    secret = table.made("buffer_create", table.device, 64, 1)
    assert table.driver.buffer_contents(secret) is None
    source, target = buffers(range(64)), buffers(64)
    table.call("queue_copy", queue, secret, 0, source, 0, 64, None)
    table.call("queue_copy", queue, target, 0, secret, 0, 64, None)
    table.call("queue_wait", queue, FOREVER, FOREVER)
    assert content(table, target) == bytes(range(64))
    table.driver.buffer_release(secret)


def test_allocated_size(table):
    before = table.driver.device_allocated_size(table.device)
    handle = table.made("buffer_create", table.device, 4096, 0)
    assert table.driver.device_allocated_size(table.device) == before + 4096
    table.driver.buffer_release(handle)
    assert table.driver.device_allocated_size(table.device) == before


@pytest.mark.parametrize("untracked", [False, True])
def test_heaps(table, queue, standin, untracked):
    size = table.driver.heap_buffer_size(table.device, 1000)
    assert size >= 1000 and size % 256 == 0
    heap = table.made("heap_create", table.device, 3 * size, 2 * untracked)
    assert table.driver.heap_available(heap) == 3 * size
    parts = [table.made("heap_buffer_create", heap, 1000) for _ in range(3)]
    assert table.driver.heap_available(heap) == 0
    status, message = table.fails("heap_buffer_create", heap, 1, ctypes.byref(ctypes.c_void_p()))
    assert status == abi.MEMORY and "in this heap" in message
    fences, barriers = standin.counter("fence"), standin.counter("barrier")
    for number, part in enumerate(parts):
        pattern = (ctypes.c_uint16 * 1)(number + 500)
        table.call("queue_fill", queue, part, 0, 1000, pattern, 2, None)
    table.call("queue_copy", queue, parts[0], 0, parts[2], 0, 1000, None)
    table.call("queue_wait", queue, FOREVER, FOREVER)
    assert content(table, parts[0]) == content(table, parts[2]) == (502).to_bytes(2, "little") * 500
    assert (standin.counter("fence") > fences) == (standin.counter("barrier") > barriers) == untracked
    table.driver.heap_release(heap)  # its buffers keep it alive
    assert content(table, parts[1])[:2] == (501).to_bytes(2, "little")
    for part in parts:
        table.driver.buffer_release(part)


def test_memory_of_others(table, queue, buffers):
    page = mmap.PAGESIZE
    memory = mmap.mmap(-1, 2 * page)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    released = []
    callback = abi.RELEASE_CALLBACK(released.append)
    out = ctypes.byref(ctypes.c_void_p())
    for start, size in ((address + 8, page), (address, page + 8)):
        status, message = table.fails("buffer_wrap", table.device, start, size, callback, 1, out)
        assert status == abi.UNSUPPORTED and "whole pages" in message
    standin_buffer = table.made("buffer_wrap", table.device, address, 2 * page, callback, 77)
    source = buffers(b"metal" * 4)
    table.call("queue_copy", queue, standin_buffer, 4, source, 0, 20, None)
    table.driver.buffer_release(standin_buffer)  # the copy still needs it
    assert released == []
    table.call("queue_wait", queue, FOREVER, FOREVER)
    assert memory[4:24] == b"metal" * 4
    deadline = time.monotonic() + 20
    while not released and time.monotonic() < deadline:  # Metal lets go of it on a thread of its own
        time.sleep(0.01)
    assert released == [77]


@pytest.mark.parametrize("size", [1, 3, 4, 64, 67, 1000])
@pytest.mark.parametrize("offsets", [(0, 0), (4, 8), (1, 0), (2, 6), (3, 3)])
def test_copies(table, queue, buffers, rng, size, offsets):
    target_offset, source_offset = offsets
    before = rng.integers(0, 256, 1100, np.uint8)
    data = rng.integers(0, 256, 1100, np.uint8)
    target, source = buffers(before.tobytes()), buffers(data.tobytes())
    table.call("queue_copy", queue, target, target_offset, source, source_offset, size, None)
    table.call("queue_wait", queue, FOREVER, FOREVER)
    before[target_offset : target_offset + size] = data[source_offset : source_offset + size]
    assert content(table, target) == before.tobytes()


@pytest.mark.parametrize("pattern", [b"\x07", b"ab", b"aa", b"wxyz", b"12345678", b"0123456789abcdef"])
@pytest.mark.parametrize("offset", [0, 4, 5])
@pytest.mark.parametrize("count", [0, 1, 2, 13])
def test_fills(table, queue, buffers, pattern, offset, count):
    before = bytes(range(256))
    target = buffers(before)
    size = len(pattern) * count
    table.call("queue_fill", queue, target, offset, size, pattern, len(pattern), None)
    table.call("queue_wait", queue, FOREVER, FOREVER)
    assert content(table, target) == before[:offset] + pattern * count + before[offset + size :]


def test_bad_copies_and_fills(table, queue, buffers):
    one, other = buffers(64), buffers(64)
    for arguments, message in (
        ((one, 0, one, 8, 16), "overlap"),
        ((one, 60, other, 0, 8), "does not fit"),
        ((one, 0, other, 2**63, 8), "does not fit"),
    ):
        assert message in table.fails("queue_copy", queue, *arguments, None)[1]
    assert "1, 2, 4, 8 or 16" in table.fails("queue_fill", queue, one, 0, 3, b"abc", 3, None)[1]
    assert "no multiple" in table.fails("queue_fill", queue, one, 0, 3, b"ab", 2, None)[1]
    assert "never recorded" in table.fails("queue_wait", queue, 99, 0)[1]


def test_times_of_commands(table, queue, buffers):
    target = buffers(4096)
    table.call("queue_set_trace", queue, 1)
    before = table.driver.device_now(table.device)
    serials = []
    for _ in range(5):
        serial = ctypes.c_uint64()
        table.call("queue_fill", queue, target, 0, 4096, b"x", 1, ctypes.byref(serial))
        serials.append(serial.value)
    table.call("queue_wait", queue, FOREVER, FOREVER)
    times = (abi.Timing * 8)()
    assert table.driver.queue_take_timings(queue, times, 2) == 2
    rest = ctypes.cast(ctypes.byref(times, 2 * ctypes.sizeof(abi.Timing)), ctypes.POINTER(abi.Timing))
    assert table.driver.queue_take_timings(queue, rest, 6) == 3
    assert [t.serial for t in times[:5]] == serials
    previous = before
    for timing in times[:5]:
        assert previous <= timing.start <= timing.end  # one after another
        previous = timing.end
    assert previous <= table.driver.device_now(table.device)


def test_signposts(table, queue, buffers, standin):
    target = buffers(64)
    standin.signposts()
    table.call("queue_set_trace", queue, 2 | 4 | 16)
    table.call("queue_fill", queue, target, 0, 64, b"x", 1, None)
    table.call("queue_copy", queue, target, 0, target, 32, 32, None)
    table.call("queue_set_trace", queue, 0)
    table.call("queue_fill", queue, target, 0, 64, b"x", 1, None)
    table.call("queue_wait", queue, FOREVER, FOREVER)
    assert standin.signposts() == [
        "begin command fill", "end command fill, command 1", "event complete fill, command 1",
        "begin command copy", "end command copy, command 2", "event complete copy, command 2",
    ]  # fmt: skip


def test_captures(table, standin, tmp_path):
    path = bytes(tmp_path / "one.gputrace")
    assert table.driver.device_capture_state(table.device) == 0
    status, message = table.fails("device_start_capture", table.device, path)
    assert status == abi.UNSUPPORTED and "MTL_CAPTURE_ENABLED=1" in message
    standin.inject(Fault.CAPTURE)
    assert table.driver.device_capture_state(table.device) == 1
    table.call("device_start_capture", table.device, path)
    assert table.driver.device_capture_state(table.device) == 3
    assert "running already" in table.fails("device_start_capture", table.device, path + b"2")[1]
    table.driver.device_stop_capture(table.device)
    table.driver.device_stop_capture(table.device)  # harmless
    assert table.driver.device_capture_state(table.device) == 1
    assert (tmp_path / "one.gputrace").exists()
    assert table.fails("device_start_capture", table.device, path)[0] == abi.UNSUPPORTED  # it exists


FLOATS = {"float32": 12, "float16": 10}


def matrix(handle, array, transposed=False, offset=0):
    rows, columns = array.shape
    return abi.Matrix(handle, offset, rows, columns, array.strides[0], FLOATS[array.dtype.name], transposed)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("transposed", [(False, False), (True, False), (False, True)])
def test_matrix_multiplication(table, queue, buffers, rng, dtype, transposed):
    left = rng.standard_normal((5, 7) if not transposed[0] else (7, 5)).astype(dtype)
    right = rng.standard_normal((7, 3) if not transposed[1] else (3, 7)).astype(dtype)
    target = rng.standard_normal((5, 3)).astype(dtype)
    handles = [buffers(a.tobytes()) for a in (target, left, right)]
    table.call("queue_matmul", queue, matrix(handles[0], target), matrix(handles[1], left, transposed[0]),
               matrix(handles[2], right, transposed[1]), 0.5, 2.0, None)  # fmt: skip
    table.call("queue_wait", queue, FOREVER, FOREVER)
    a, b = (m.T if t else m for m, t in zip((left, right), transposed, strict=True))
    expected = 0.5 * a.astype(float) @ b.astype(float) + 2.0 * target
    found = np.frombuffer(content(table, handles[0]), dtype).reshape(5, 3)
    np.testing.assert_allclose(found, expected, rtol=2e-3 if dtype == "float16" else 1e-5, atol=1e-3)


def test_softmax(table, queue, buffers, rng):
    source = (rng.standard_normal((4, 33)) * 20).astype(np.float32)
    one, other = buffers(source.tobytes()), buffers(bytes(source.nbytes))
    table.call("queue_softmax", queue, matrix(other, source), matrix(one, source), None)
    table.call("queue_wait", queue, FOREVER, FOREVER)
    powers = np.exp(source.astype(float) - source.max(axis=1, keepdims=True))
    found = np.frombuffer(content(table, other), np.float32).reshape(source.shape)
    np.testing.assert_allclose(found, powers / powers.sum(axis=1, keepdims=True), rtol=1e-5, atol=1e-7)


def test_matrices_that_cannot_be(table, queue, buffers):
    square = np.zeros((4, 4), np.float32)
    handle = buffers(square.tobytes())
    good = matrix(handle, square)
    wrong = abi.Matrix(handle, 0, 4, 3, 16, FLOATS["float32"], 0)
    assert "do not make" in table.fails("queue_matmul", queue, good, wrong, good, 1.0, 0.0, None)[1]
    outside = abi.Matrix(handle, 16, 4, 4, 16, FLOATS["float32"], 0)
    assert "does not fit" in table.fails("queue_softmax", queue, outside, good, None)[1]
    integers = abi.Matrix(handle, 0, 4, 4, 16, 6, 0)
    assert table.fails("queue_softmax", queue, integers, good, None)[0] == abi.UNSUPPORTED


def test_archives(standin, metal, tmp_path, monkeypatch):
    """A pipeline is kept in the compile cache; a spoilt archive is made anew."""
    monkeypatch.setattr("metalpy.compiler.device_program.default_cache", lambda: cache.Cache(tmp_path))
    source = "kernel void kept(device int* x) { *x = 8; }"

    def run():
        x = mp.zeros(1, dtype=mp.int32)
        mp.mps.compile_shader(source).kept(x)
        assert x.item() == 8

    run()
    (archive,) = tmp_path.glob("*/*.archive")
    hits = standin.counter("archive hit")
    run()
    assert standin.counter("archive hit") == hits + 1
    archive.write_bytes(b"spoilt")
    run()
    assert standin.counter("archive hit") == hits + 1 and archive.stat().st_size > 6
    run()
    assert standin.counter("archive hit") == hits + 2


METALLIB = (
    b"stand-in metallib\n"
    + b"""
kernel void set(device int* x, constant int& value) { *x = value; }
"""
)


@pytest.mark.parametrize("form", ["bytes", "bytearray", "path", "str"])
def test_metallib(standin, metal, tmp_path, form):
    path = tmp_path / "set.metallib"
    path.write_bytes(METALLIB)
    source = {"bytes": METALLIB, "bytearray": bytearray(METALLIB), "path": path, "str": str(path)}[form]
    lib = mp.mps.load_metallib(source)
    assert dir(lib) == ["set"]
    x = mp.zeros(1, dtype=mp.int32)
    lib.set(x, 6)
    assert x.item() == 6


def test_metallib_that_is_none(standin, metal, tmp_path):
    with pytest.raises(mp.MetalError, match=r"failed to load metallib: .*Invalid library file"):
        mp.mps.load_metallib(b"nonsense")
    with pytest.raises(mp.MetalError, match=r"failed to load metallib from '.*absent.metallib': cannot read"):
        mp.mps.load_metallib(tmp_path / "absent.metallib")
    with pytest.raises(TypeError, match="expected bytes or path, got int"):
        mp.mps.load_metallib(3)


def test_fork(standin, metal):
    """The child of a fork gets an error, and frees nothing."""
    import os

    x = mp.zeros(4)
    mp.mps.synchronize()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            mp.zeros(1 << 20)
            message = "no error"
        except mp.ForkError as error:
            message = str(error)
        except BaseException as error:
            message = repr(error)
        os.write(writer, message.encode())
        os._exit(0)
    os.close(writer)
    with open(reader, "rb") as pipe:
        assert b"used before fork()" in pipe.read()
    os.waitpid(child, 0)
    assert x[0].item() == 0


def test_what_kernels_log(standin, metal):
    """Metal hands on level, subsystem, category and text; of the kernel it tells nothing."""
    lib = mp.mps.compile_shader(
        "#include <metal_stdlib>\n#include <metal_logging>\nusing namespace metal;\n"
        'constant os_log mine("shop", "till");\n'
        "kernel void speak(constant int& n) {\n"
        '  mine.log_info("sold %d", n);\n  os_log_default.log_error("none left");\n}\n'
    )
    said = []
    handler = mp.mps.set_message_handler(said.append)
    try:
        lib.speak(3, threads=1)
        mp.mps.synchronize()
    finally:
        mp.mps.set_message_handler(handler)
    assert [(m.text, m.subsystem, m.category) for m in said] == [("sold 3", "shop", "till"), ("none left", None, None)]
    assert [m.thread for m in said] == [None, None]
