"""Launching, with kernels written by hand: what the compiler's kernels build on."""

import signal
import threading
import time

import numpy as np
import pytest

import metalpy as mp
from metalpy._core.driver import Event
from metalpy._core.library import LIBRARY_NATIVE, Library
from tests.helpers import kernels as k
from tests.helpers import native


@pytest.fixture(autouse=True)
def only_software(device):
    if device.driver != "software":
        pytest.skip("kernels written in C are for the software device")


@pytest.fixture
def slow(device):
    """slow(out, seconds, ...) launches a kernel whose every thread takes that long."""
    kernel = native.slow(device)
    if not speed:
        x = mp.zeros(1, "int32", device)
        kernel(x, 1_000_000)  # loads the code
        device.synchronize()
        start = time.perf_counter()
        kernel(x, 50_000_000)
        device.synchronize()
        speed.append(50_000_000 / (time.perf_counter() - start))
    return lambda out, seconds, **options: kernel(out, int(seconds * speed[0]), **options)


speed = []  # turns per second of the slow kernel on this machine


def test_arange(device):
    x = mp.zeros(12, device=device)
    native.arange(device)(x)
    assert x.tolist() == list(range(12))


@pytest.mark.parametrize("threads", [1, 5, 1000, (7,), None])
def test_the_grid_is_exact(device, threads):
    x = mp.full(2000, -1, "float32", device)
    native.arange(device)(x, threads=threads, group_size=64)
    count = 2000 if threads is None else threads if isinstance(threads, int) else threads[0]
    expected = np.full(2000, -1, np.float32)
    expected[:count] = np.arange(count)
    np.testing.assert_array_equal(x.numpy(), expected)


def test_three_dimensions(device):
    body = "DEVICE(int, 0)[(z * 5 + y) * 7 + x] += x + 100 * y + 10000 * z;"
    kernel = native.kernel(device, "xyz", body, k.device_pointer("out", k.scalar("int"), 0))
    z, y, x = np.meshgrid(np.arange(3), np.arange(5), np.arange(7), indexing="ij")
    for group_size in (None, (2, 2, 2), (7, 5, 3), (4, 1, 1)):
        out = mp.zeros((3, 5, 7), "int32", device)
        kernel(out, threads=(7, 5, 3), group_size=group_size)
        np.testing.assert_array_equal(out.numpy(), x + 100 * y + 10000 * z)


def test_values_and_offsets(device, rng):
    host = rng.standard_normal(100).astype(np.float32)
    out, values = mp.zeros(100, device=device), mp.array(host, device=device)
    kernel = native.axpy(device)
    kernel(out[10:60], values[20:70], 2)
    kernel(out[10:60], values=values[20:70], a=mp.array(0.5, device=device))
    expected = np.zeros(100, np.float32)
    expected[10:60] += np.float32(2) * host[20:70]
    expected[10:60] += np.float32(0.5) * host[20:70]
    np.testing.assert_allclose(out.numpy(), expected, rtol=1e-6)


def test_structs_and_large_values(device, rng):
    params = k.struct("Params", scale=k.scalar("float"), table=k.array(k.scalar("float"), 2000))
    body = "const float *p = DEVICE(const float, 1); DEVICE(float, 0)[x] = p[0] * p[1 + x];"
    kernel = native.kernel(device, "s", body, k.device_pointer("out", k.scalar("float"), 0), k.constant("p", params, 1))
    table = rng.standard_normal(2000).astype(np.float32)
    out = mp.zeros(2000, device=device)
    for scale in (2.0, -1.0):
        kernel(out, {"scale": scale, "table": table})
        np.testing.assert_array_equal(out.numpy(), np.float32(scale) * table)


def test_argument_buffers(device):
    rows = mp.array(np.arange(64 * 32, dtype=np.float32).reshape(64, 32), device=device)
    kind = k.struct("Inputs", args=k.array(k.pointer(k.scalar("float")), 64))
    body = "float sum = 0; for (int i = 0; i < 64; i++) sum += DEVICE(float *, 1)[i][x]; DEVICE(float, 0)[x] = sum;"
    kernel = native.kernel(
        device, "sum", body, k.device_pointer("out", k.scalar("float"), 0), k.constant("in", kind, 1)
    )
    out = mp.zeros(32, device=device)
    kernel(out, tuple(rows))
    np.testing.assert_array_equal(out.numpy(), rows.numpy().sum(0))


def test_arrays_of_addresses_stay_alive(device):
    kind = k.pointer(k.scalar("int"))
    body = "DEVICE(int, 0)[x] = DEVICE(int *, 1)[0][x];"
    kernel = native.kernel(
        device, "deref", body, k.device_pointer("out", k.scalar("int"), 0), k.constant("in", kind, 1)
    )
    outs = []
    for number in range(200):
        out = mp.zeros(256, "int32", device)
        source = mp.full(256, number, "int32", device)
        kernel(out, [source] if number % 2 else source)
        outs.append(out)
    assert [out.numpy()[[0, -1]].tolist() for out in outs] == [[n, n] for n in range(200)]


def test_threadgroup_memory_is_there(device):
    body = "((int *)group->threadgroup_memory[0])[x] = x; DEVICE(int, 0)[x] = ((int *)group->threadgroup_memory[0])[x];"
    kernel = native.kernel(
        device, "t", body, k.device_pointer("out", k.scalar("int"), 0), k.threadgroup("tile", k.scalar("int"), 0)
    )
    out = mp.zeros(256, "int32", device)
    kernel(out, threadgroup_memory={"tile": 1024})
    assert out.tolist() == list(range(256))


def test_launches_run_in_order(device):
    x = mp.zeros(1000, device=device)
    ones = mp.ones(1000, device=device)
    kernel = native.axpy(device)
    for number in range(300):
        kernel(x, ones, 1)
        if number % 50 == 49:
            x.fill(number)
    kernel(x, ones, 0.5)
    assert (x.numpy() == 299.5).all()
    y = x.copy()
    x.fill(1)
    assert (y.numpy() == 299.5).all()


def test_temporaries_are_not_reused_while_they_are_read(device):
    kernel = native.axpy(device)
    out = mp.zeros(5000, device=device)
    for number in range(500):
        kernel(out, mp.full(5000, number, "float32", device), 1)
    assert (out.numpy() == sum(range(500))).all()


def test_many_threads_launch(device):
    kernel = native.axpy(device)
    outs = [mp.zeros(500, device=device) for _ in range(4)]
    failures = []

    def work(out):
        try:
            for number in range(200):
                kernel(out, mp.full(500, number, "float32", device), 1)
                if number % 20 == 0:
                    out.numpy()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(out,)) for out in outs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    for out in outs:
        assert (out.numpy() == sum(range(200))).all()


def test_empty_launches(device):
    x = mp.zeros(0, device=device)
    native.arange(device)(x)
    native.arange(device)(x, threads=0)
    device.synchronize()


def test_launching_does_not_wait(device, slow):
    x = mp.zeros(1, "int32", device)
    start = time.perf_counter()
    slow(x, 1.0)
    launched = time.perf_counter() - start
    assert x.item() == 1
    waited = time.perf_counter() - start
    assert launched < 0.5 < waited  # on a busy machine, too


def test_reading_one_array_does_not_wait_for_later_work(device, slow):
    x, y = mp.zeros(1, "int32", device), mp.zeros(1, device=device)
    native.arange(device)(y)
    device.queue.commit()
    slow(x, 0.5)
    start = time.perf_counter()
    assert y.item() == 0
    assert time.perf_counter() - start < 0.4
    assert x.item() == 1


def test_waiting_lets_other_threads_run(device, slow):
    x = mp.zeros(1, "int32", device)
    slow(x, 0.3)
    waiting = threading.Thread(target=device.synchronize)
    waiting.start()
    turns = 0
    while waiting.is_alive():
        turns += 1
        time.sleep(0.001)
    assert turns > 20


def test_a_fault_is_raised_once_at_the_next_wait(device):
    x, y = mp.zeros(4, "int32", device), mp.zeros(4, device=device)
    native.faulty(device)(x)
    native.arange(device)(y)
    with pytest.raises(mp.KernelFaultError, match="faulty"):
        device.synchronize()
    device.synchronize()
    assert y.tolist() == [0, 1, 2, 3]
    native.faulty(device)(x)
    with pytest.raises(mp.KernelFaultError):
        np.asarray(x)
    np.asarray(x)


def test_the_time_limit_stops_a_kernel(device, slow):
    x = mp.zeros(1, "int32", device)
    device.set_time_limit(0.05)
    try:
        start = time.perf_counter()
        slow(x, 20)
        with pytest.raises(mp.TimeLimitError):
            device.synchronize()
        assert time.perf_counter() - start < 5
    finally:
        device.set_time_limit(None)
    slow(x, 0.1)
    assert x.item() == 1


@pytest.mark.parametrize("read", [np.asarray, mp.Array.numpy, lambda x: x.device.synchronize()])
def test_ctrl_c_ends_a_wait(device, slow, read):
    # The waiting thread may run kernels itself and looks up between threadgroups.
    groups = 100
    out = mp.zeros(groups, "int32", device)
    slow(out, 0.01, threads=groups, group_size=1)
    threading.Timer(0.1, signal.raise_signal, [signal.SIGINT]).start()
    start = time.perf_counter()
    with pytest.raises(KeyboardInterrupt):
        read(out)
    assert time.perf_counter() - start < 0.4
    device.synchronize()
    assert out.tolist() == [1] * groups


def test_libraries_that_cannot_be_loaded(device, tmp_path):
    with pytest.raises(mp.MetalError, match=r"nothing\.so"):
        Library(device, LIBRARY_NATIVE, b"/nonexistent/nothing.so")
    (tmp_path / "text.so").write_text("no code")
    with pytest.raises(mp.MetalError):
        Library(device, LIBRARY_NATIVE, bytes(tmp_path / "text.so"))


def test_limits_come_from_the_code(device):
    kernel = native.kernel(device, "l", "", k.device_pointer("x", k.scalar("float"), 0), memory=512, threads=256)
    assert kernel.max_threads_per_threadgroup == 256
    assert kernel.static_thread_group_memory_length == 512
    assert kernel.thread_execution_width == 32
    x = mp.zeros(1000, device=device)
    kernel(x)
    with pytest.raises(mp.LaunchValueError, match="257 threads, kernel 'l' allows 256"):
        kernel(x, group_size=257)


def test_events(device):
    event = Event(device)
    assert (event.value, event.time) == (0, 0)
    serial = device.queue.signal_event(event, 3)
    device.queue.commit()
    assert event.wait(3, timeout=10)
    assert event.value == 3 and 0 < event.time <= device.now
    device.queue.wait(serial)
    assert device.queue.completed >= serial
    assert event.wait(4, timeout=0.02) is False
    event.signal(4)
    assert event.wait(4)


def test_mps_functions(device):
    assert mp.mps.is_available() and mp.mps.device_count() >= 1
    x = mp.zeros(1000, device=device)
    native.arange(device)(x)
    mp.mps.synchronize()
    assert mp.mps.driver_allocated_memory() >= mp.mps.current_allocated_memory() > 0
    mp.mps.empty_cache()
    assert mp.mps.recommended_max_memory() > 0
    mp.mps.set_time_limit(None)


def test_devices_by_name(device):
    assert mp.device() is mp.device("mps") is mp.device("mps:0") is mp.device(0) is mp.devices()[0]
    assert mp.device(device) is device
    assert str(mp.device()) == "mps:0"
    assert mp.device().type == "mps"
    for wrong in ("cuda", "mps:", "mps:-1", "mps:x", -1, True, 1.0, object()):
        with pytest.raises(ValueError, match="a device is"):
            mp.device(wrong)
    with pytest.raises(mp.MetalError, match="no device mps:99"):
        mp.device("mps:99")
