"""Matching of arguments, grids and threadgroup memory; a mock device shows what arrives."""

import threading

import numpy as np
import pytest

import metalpy as mp
from metalpy._core.driver import Event, Queue
from tests.helpers import kernels as k

FLOAT = k.scalar("float")


@pytest.fixture
def kernel(mock):
    """k(x [[buffer(0)]], a [[buffer(1)]], b [[buffer(4)]]), declared in another order."""
    return k.idle_kernel(
        mock.device, k.constant("b", FLOAT, 4), k.device_pointer("x", FLOAT, 0), k.constant("a", FLOAT, 1)
    )


@pytest.fixture
def x(mock):
    return mp.zeros(12, device=mock.device)


def floats(launch):
    return {index: float(np.frombuffer(value, np.float32)[0]) for index, value in launch.values.items()}


def test_positions_follow_the_indices(mock, kernel, x):
    kernel(x, 1, 2)
    assert floats(mock.launches[-1]) == {1: 1.0, 4: 2.0}
    assert list(mock.launches[-1].buffers) == [0]


def test_names_and_positions_mix(mock, kernel, x):
    for call in (
        lambda: kernel(x, 1, b=2),
        lambda: kernel(x, b=2, a=1),
        lambda: kernel(b=2, a=1, x=x),
    ):
        call()
        assert floats(mock.launches[-1]) == {1: 1.0, 4: 2.0}
        assert mock.launches[-1].threads == (12, 1, 1)


@pytest.mark.parametrize(
    ("arguments", "named", "message"),
    [
        ((), {}, "needs arguments 'x', 'a', 'b'"),
        ((0, 1), {}, "needs argument 'b'"),
        ((0, 1, 2, 3), {}, "takes 3 arguments, got 4"),
        ((0, 1), {"c": 2}, "has no argument 'c'"),
        ((0, 1), {"a": 2}, "argument 'a' of kernel 'k' is given twice"),
    ],
)
def test_wrong_calls_list_the_signature(kernel, x, arguments, named, message):
    with pytest.raises(mp.LaunchTypeError, match=message) as caught:
        kernel(*(x if value == 0 else value for value in arguments), **named)
    assert "k(device float* x, constant float& a, constant float& b)" in str(caught.value)
    assert isinstance(caught.value, TypeError)


@pytest.mark.parametrize(("flags", "executor"), [(0, "reference"), (2 | 1, "gpu"), (4, "spmd"), (1, "reference")])
def test_executor(mock, kernel, flags, executor):
    mock.pipeline_flags = flags
    assert kernel.executor == executor


def test_properties(mock, kernel):
    mock.limits = (512, 32, 48)
    assert kernel.name == kernel.__name__ == "k"
    assert [argument.name for argument in kernel.arguments] == ["x", "a", "b"]
    assert kernel.max_threads_per_threadgroup == 512
    assert kernel.thread_execution_width == 32
    assert kernel.static_thread_group_memory_length == 48
    assert repr(kernel) == "<metalpy.Kernel k(device float* x, constant float& a, constant float& b)>"
    assert kernel.__doc__.startswith("k(device float* x")
    assert "threads" in type(kernel).__doc__
    assert hash(kernel) == hash(kernel)
    assert {kernel: 1}[kernel] == 1
    with pytest.raises(mp.MetalError, match="no function constants"):
        kernel.specialize(n=3)


def test_the_pipeline_is_loaded_once_and_late(mock):
    from metalpy._core.dispatch import Kernel
    from metalpy._core.library import LIBRARY_SOURCE, Library

    library = Library(mock.device, LIBRARY_SOURCE, b"")
    loads = []

    def load():
        loads.append(1)
        return library.pipeline("k")

    kernel = Kernel(mock.device, k.info("k"), load)
    assert loads == []
    kernel(threads=1)
    kernel(threads=1)
    assert loads == [1]
    with pytest.raises(mp.MetalError, match="no kernel 'missing'"):
        Kernel(mock.device, k.info("missing"), lambda: library.pipeline("missing"))(threads=1)


@pytest.mark.parametrize(
    ("threads", "group", "expected"),
    [
        (None, None, ((12, 1, 1), (12, 1, 1))),
        (5, None, ((5, 1, 1), (5, 1, 1))),
        (np.int64(5), None, ((5, 1, 1), (5, 1, 1))),
        (5000, None, ((5000, 1, 1), (1024, 1, 1))),
        ((5,), 4, ((5, 1, 1), (4, 1, 1))),
        ([6, 7], (2, 3), ((6, 7, 1), (2, 3, 1))),
        ((6, 7, 8), (2, 3, 4), ((6, 7, 8), (2, 3, 4))),
        (5, 64, ((5, 1, 1), (64, 1, 1))),
        ((1, 12), None, ((1, 12, 1), (1, 12, 1))),
        ((1, 1, 12), None, ((1, 1, 12), (1, 1, 12))),
        ((100, 100), None, ((100, 100, 1), (32, 32, 1))),
        ((4096, 2), None, ((4096, 2, 1), (512, 2, 1))),
        ((100, 2), None, ((100, 2, 1), (100, 2, 1))),
        ((64, 64, 64), None, ((64, 64, 64), (32, 32, 1))),
        ((3, 3, 3), None, ((3, 3, 3), (3, 3, 3))),
        (np.array([6, 7]), None, ((6, 7, 1), (6, 7, 1))),
    ],
)
def test_grids(mock, kernel, x, threads, group, expected):
    kernel(x, 1, 2, threads=threads, group_size=group)
    assert (mock.launches[-1].threads, mock.launches[-1].group_size) == expected


def test_default_groups_keep_the_limit(mock, kernel, x):
    mock.limits = (96, 32, 0)
    for threads in [(7, 5, 3), (100, 100, 100), (33, 1), (1, 1000), (31, 31, 31), 5000]:
        kernel(x, 1, 2, threads=threads)
        w, h, d = mock.launches[-1].group_size
        assert 1 <= w * h * d <= 96


def test_groups(mock, kernel, x):
    kernel(x, 1, 2, groups=3, group_size=64)
    assert (mock.launches[-1].threads, mock.launches[-1].group_size) == ((192, 1, 1), (64, 1, 1))
    kernel(x, 1, 2, groups=(3, 2), group_size=(8, 4))
    assert (mock.launches[-1].threads, mock.launches[-1].group_size) == ((24, 8, 1), (8, 4, 1))


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"threads": -1}, mp.LaunchValueError, "threads must be between 0 and 4294967295, got -1"),
        ({"threads": 1 << 32}, mp.LaunchValueError, "threads must be between"),
        ({"threads": ()}, mp.LaunchValueError, "one to three dimensions, got 0"),
        ({"threads": (1, 2, 3, 4)}, mp.LaunchValueError, "one to three dimensions, got 4"),
        ({"threads": 1.5}, mp.LaunchTypeError, "an int or one to three ints, got 1.5"),
        ({"threads": (1, 2.0)}, mp.LaunchTypeError, "an int or one to three ints"),
        ({"threads": "5"}, mp.LaunchTypeError, "an int or one to three ints"),
        ({"threads": 5, "group_size": (1, 2)}, mp.LaunchValueError, "group_size has 2 dimensions, threads 1"),
        ({"threads": 5, "group_size": 0}, mp.LaunchValueError, "at least one thread"),
        ({"threads": 5, "group_size": 1025}, mp.LaunchValueError, "has 1025 threads, kernel 'k' allows 1024"),
        ({"threads": (3, 4), "group_size": (3, 1024)}, mp.LaunchValueError, "3072 threads, kernel 'k' allows 1024"),
        ({"threads": (1, 1, 1), "group_size": (1 << 31, 1 << 31, 4)}, mp.LaunchValueError, "kernel 'k' allows 1024"),
        ({"groups": 3}, mp.LaunchTypeError, "groups= needs group_size="),
        ({"groups": 3, "threads": 3, "group_size": 1}, mp.LaunchTypeError, "both set the grid"),
        ({"groups": 1 << 31, "group_size": 2}, mp.LaunchValueError, "more than 4294967295 threads"),
    ],
)
def test_wrong_grids(mock, kernel, x, options, kind, message):
    with pytest.raises(kind, match=message):
        kernel(x, 1, 2, **options)
    assert mock.launches == []


def test_threads_need_something_to_count(mock):
    kernel = k.idle_kernel(mock.device, k.constant("a", FLOAT, 0))
    with pytest.raises(mp.MetalError, match="number of threads undefined"):
        kernel(1.0)
    with pytest.raises(mp.MetalError, match="number of threads undefined"):
        kernel(np.array(1.0))


def test_an_empty_grid_launches_nothing_but_is_checked(mock, kernel, x):
    kernel(x, 1, 2, threads=0)
    kernel(x[:0], 1, 2)
    kernel(x, 1, 2, threads=(3, 0))
    assert mock.launches == []
    with pytest.raises(mp.LaunchTypeError):
        kernel(x, "1", 2, threads=0)


@pytest.fixture
def shared(mock):
    return k.idle_kernel(
        mock.device,
        k.device_pointer("x", FLOAT, 0),
        k.threadgroup("tile", FLOAT, 0),
        k.threadgroup("more", FLOAT, 2),
    )


def test_threadgroup_memory(mock, shared, x):
    shared(x, threadgroup_memory={"tile": 100, 2: 16})
    assert mock.launches[-1].threadgroup == {0: 112, 2: 16}
    shared(x, threadgroup_memory={0: 32768 - 16, "more": np.int32(4)})
    assert mock.launches[-1].threadgroup == {0: 32752, 2: 16}


@pytest.mark.parametrize(
    ("memory", "kind", "message"),
    [
        (None, mp.LaunchTypeError, "needs threadgroup memory for 'tile'"),
        ({"tile": 16}, mp.LaunchTypeError, "needs threadgroup memory for 'more'"),
        ({"tile": 16, "more": 16, "less": 16}, mp.LaunchTypeError, "no threadgroup argument 'less'"),
        ({"tile": 16.0, "more": 16}, mp.LaunchTypeError, "a number of bytes, got 16.0"),
        ({"tile": 0, "more": 16}, mp.LaunchValueError, "at least 1 byte"),
        ({"tile": 32768, "more": 16}, mp.LaunchValueError, r"\(0 static, 32784 dynamic\), the device has 32768"),
    ],
)
def test_wrong_threadgroup_memory(mock, shared, x, memory, kind, message):
    with pytest.raises(kind, match=message):
        shared(x, threadgroup_memory=memory)
    assert mock.launches == []


def test_static_threadgroup_memory_counts(mock, shared, x):
    mock.limits = (1024, 32, 32768 - 32)
    shared(x, threadgroup_memory={"tile": 16, "more": 16})
    with pytest.raises(mp.LaunchValueError, match=r"\(32736 static, 48 dynamic\)"):
        shared(x, threadgroup_memory={"tile": 17, "more": 16})


def test_threadgroup_memory_is_no_argument(shared, x):
    with pytest.raises(mp.LaunchTypeError, match="'tile' is threadgroup memory; pass threadgroup_memory="):
        shared(x, tile=16)


# ---- waiting ----


def test_reading_waits_for_the_last_use_only(mock, kernel, x):
    mock.automatic = False
    kernel(x, 1, 2)
    kernel(x, 1, 2)
    x.numpy()
    assert [call for call in mock.calls if call[0] == "wait"] == [("wait", 2)]
    x.numpy()
    x.tolist()
    assert [call for call in mock.calls if call[0] == "wait"] == [("wait", 2)]
    kernel(mp.zeros(3, device=mock.device), 1, 2)
    x.numpy()
    assert [call for call in mock.calls if call[0] == "wait"] == [("wait", 2)]


@pytest.mark.parametrize("read", [np.asarray, lambda x: x.numpy(), lambda x: x.tolist(), repr, lambda x: x[0].item(),
                                  lambda x: np.from_dlpack(x)])  # fmt: skip
def test_failures_come_out_of_reads(mock, kernel, x, read):
    kernel(x, 1, 2)
    mock.failure = (-6, "kernel k read a bad address")
    with pytest.raises(mp.KernelFaultError, match="bad address"):
        read(x)
    read(x)  # each failure is reported once


def test_failures_of_the_buffer_protocol_are_not_lost(mock, kernel, x):
    kernel(x, 1, 2)
    mock.failure = (-6, "kernel k read a bad address")
    with pytest.raises(BufferError, match="bad address"):
        memoryview(x)
    with pytest.raises(mp.KernelFaultError, match="bad address"):
        mock.device.synchronize()


@pytest.mark.parametrize(
    ("status", "kind", "base"),
    [
        (-1, mp.LaunchValueError, ValueError),
        (-2, mp.OutOfMemoryError, MemoryError),
        (-3, mp.UnsupportedError, NotImplementedError),
        (-4, mp.MetalError, RuntimeError),
        (-5, mp.MetalError, RuntimeError),
        (-6, mp.KernelFaultError, RuntimeError),
        (-7, mp.TimeLimitError, TimeoutError),
        (-8, mp.ForkError, RuntimeError),
        (-9, mp.MetalError, RuntimeError),
        (-99, mp.MetalError, RuntimeError),
    ],
)
def test_every_status_has_its_exception(mock, status, kind, base):
    mock.failure = (status, "caf\u00e9")
    with pytest.raises(kind, match="caf\u00e9") as caught:
        mock.device.synchronize()
    assert type(caught.value) is kind
    assert isinstance(caught.value, base)
    mock.device.synchronize()


def test_waits_go_on_after_each_slice(mock):
    mock.timeouts = 3
    mock.device.synchronize()
    assert mock.timeouts == 0
    assert len([call for call in mock.calls if call[0] == "wait"]) == 4


def test_waits_let_other_threads_run(mock):
    mock.timeouts = 1 << 40
    running = threading.Thread(target=mock.device.synchronize)
    running.start()
    mock.timeouts = 0  # gets its turn although the other thread waits
    running.join(10)
    assert not running.is_alive()


def test_event_waits_end_in_time(mock):
    assert Event(mock.device).wait(1, timeout=0.01) is False
    with pytest.raises(ValueError, match="between 0"):
        Event(mock.device).wait(1, timeout=-1)


def test_time_limits(mock):
    mock.device.set_time_limit(1.5)
    mock.device.set_time_limit(None)
    assert [call for call in mock.calls if call[0] == "time_limit"] == [("time_limit", 1500000000), ("time_limit", 0)]
    for wrong in (0, -1, float("nan"), float("inf")):
        with pytest.raises(ValueError):
            mock.device.set_time_limit(wrong)


def test_handles_are_not_made_by_hand(mock):
    from metalpy._core.library import Pipeline

    for kind in (mp.Device, Pipeline):
        with pytest.raises(TypeError, match="cannot be created"):
            kind()
    with pytest.raises(TypeError, match=r"use metalpy.array\(\)"):
        mp.Array()
    with pytest.raises(TypeError):
        Queue(None)
    queue = Queue(mock.device)
    with pytest.raises(RuntimeError, match="created once"):
        queue.__init__(mock.device)
    assert mock.device.now == 7
    assert repr(mock.device) == "<metalpy.Device mps:0 'Mock'>"


def test_drivers_of_another_build_are_refused(mock):
    from metalpy._core import registry
    from tests.helpers import abi
    from tests.helpers.mock import MockDriver

    for field in ("abi_version", "struct_size"):
        other = MockDriver()
        setattr(other.table, field, 5)
        with pytest.raises(mp.MetalError, match="rebuild metalpy"):
            registry.open_device(abi.address_of(other.table), 0, "mps:0")
