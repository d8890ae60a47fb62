"""Each fault that Metal can have: its documented exception, and a usable library afterwards."""

import gc

import numpy as np
import pytest

import metalpy as mp
from metalpy._core import registry
from tests.helpers.standin import Fault

ADD = "kernel void add(device float* x, constant float& y, uint i [[thread_position_in_grid]]) { x[i] += y; }"


@pytest.fixture
def lib(metal):
    made = mp.mps.compile_shader(ADD)
    made.add(mp.zeros(1), 0.0)  # ready before the fault
    mp.mps.synchronize()
    return made


@pytest.fixture(autouse=True)
def works_afterwards(request, metal):
    """After the test the device computes, and nothing that it made is left."""
    standin = request.getfixturevalue("standin")
    mp.mps.synchronize()
    mp.mps.empty_cache()
    gc.collect()
    yield
    for fault in Fault:
        standin.inject(fault, 0)
    x = mp.arange(5, dtype=mp.float32)
    mp.mps.compile_shader(ADD).add(x, 1.5)
    np.testing.assert_array_equal(np.asarray(x), np.arange(5) + np.float32(1.5))


def test_no_device(standin, monkeypatch):
    monkeypatch.delenv("METALPY_DRIVER", raising=False)
    standin.inject(Fault.NO_DEVICE)
    assert registry.device_count(standin.table) == 0
    states = {state.name: state for state in mp.backends.mps.drivers()}
    assert "finds no device" in states["metal"].reason and not states["metal"].available
    assert states["software"].devices == ("mps:0",)
    with pytest.raises(mp.MetalError, match="no Metal device 7; this machine has 0"):
        registry.open_device(standin.table, 7, "mps:7")


def test_memory_that_is_refused(standin):
    standin.inject(Fault.ALLOCATION, 100)
    with pytest.raises(mp.OutOfMemoryError, match="The device says: no memory for a buffer"):
        mp.zeros(1 << 20)
    standin.inject(Fault.ALLOCATION, 0)
    assert mp.zeros(1 << 20).size == 1 << 20


def test_memory_that_comes_at_the_second_attempt(standin):
    standin.inject(Fault.ALLOCATION, 1)  # the pool empties its cache and asks again
    assert mp.ones(1 << 20)[5].item() == 1


def test_no_command_queue(standin):
    standin.inject(Fault.QUEUE)
    with pytest.raises(mp.OutOfMemoryError, match="command queue"):
        mp.mps.Stream()
    assert mp.mps.Stream() is not None


def test_no_command_buffer(standin, lib):
    x = mp.zeros(4)
    mp.mps.synchronize()
    standin.inject(Fault.COMMAND_BUFFER_NIL)
    with pytest.raises(mp.OutOfMemoryError, match="command buffer"):
        lib.add(x, 1.0)
    lib.add(x, 2.0)
    np.testing.assert_array_equal(np.asarray(x), 2)


def test_no_event(standin):
    standin.inject(Fault.EVENT)
    with pytest.raises(mp.OutOfMemoryError, match="event"):
        mp.mps.Event().record()
    mp.mps.Event().record()


def test_compiler_that_fails(standin):
    standin.inject(Fault.LIBRARY)
    with pytest.raises(mp.MetalError, match="refuses the library: Compiler encountered an internal error") as caught:
        mp.mps.compile_shader("kernel void never_seen(device int* x) { *x = 3; }")
    assert not isinstance(caught.value, SyntaxError)  # the source is not to blame


def test_pipeline_that_fails(standin):
    lib = mp.mps.compile_shader("kernel void never_made(device int* x) { *x = 3; }")
    standin.inject(Fault.PIPELINE)
    with pytest.raises(mp.MetalError, match="pipeline of the kernel: Compiler encountered an internal error"):
        lib.never_made(mp.zeros(1, dtype=mp.int32))
    x = mp.zeros(1, dtype=mp.int32)
    lib.never_made(x)
    assert x.item() == 3


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (1, mp.KernelFaultError),  # internal
        (2, mp.TimeLimitError),
        (3, mp.KernelFaultError),  # page fault
        (4, mp.KernelFaultError),  # access revoked
        (7, mp.UnsupportedError),  # not permitted
        (8, mp.OutOfMemoryError),
        (9, mp.KernelFaultError),  # invalid resource
        (11, mp.KernelFaultError),  # device removed
        (12, mp.KernelFaultError),  # stack overflow
    ],
)
def test_command_buffer_that_fails(standin, lib, code, error):
    x = mp.zeros(3)
    mp.mps.synchronize()
    standin.inject(Fault.COMMAND_BUFFER, code)
    lib.add(x, 1.0)
    with pytest.raises(error, match=f"Injected error {code}"):
        mp.mps.synchronize()
    mp.mps.synchronize()  # reported once
    lib.add(x, 2.0)
    np.testing.assert_array_equal(np.asarray(x), 2)  # what failed did not run


def test_the_first_failure_is_kept(standin, lib, metal):
    x = mp.zeros(3)
    mp.mps.synchronize()
    for code in (8, 3):
        standin.inject(Fault.COMMAND_BUFFER, code)
        lib.add(x, 1.0)
        metal.queue.commit()
        while metal.queue.completed < metal.queue.last_recorded:
            pass
    with pytest.raises(mp.OutOfMemoryError, match="Injected error 8"):
        mp.mps.synchronize()


def test_a_failed_command_buffer_lets_its_waiters_go(standin, lib):
    x = mp.zeros(3)
    mp.mps.synchronize()
    event, stream = mp.mps.Event(), mp.mps.Stream()
    standin.inject(Fault.COMMAND_BUFFER, 3)
    lib.add(x, 1.0)
    event.record()  # in the command buffer that fails
    with mp.mps.stream(stream):
        event.wait()
        y = mp.ones(3)
        lib.add(y, 1.0)
        np.testing.assert_array_equal(np.asarray(y), 2)
    with pytest.raises(mp.KernelFaultError):
        mp.mps.synchronize()
    assert event.query()


def test_completion_that_is_late(standin, lib):
    standin.inject(Fault.SLOW, 20)
    x = mp.zeros(1000)
    for _ in range(60):
        lib.add(x, 1.0)
    event = mp.mps.Event()
    event.record()
    assert not event.query()
    np.testing.assert_array_equal(np.asarray(x), 60)


def test_an_exception_of_metal_does_not_get_out(standin):
    standin.inject(Fault.EXCEPTION)
    with pytest.raises(mp.MetalError, match="raised StandinException: raised on request"):
        mp.zeros(1 << 22)


def test_nothing_is_left(standin, metal):
    """The same round twice leaves as many objects as once."""

    def round_of_work():
        lib = mp.mps.compile_shader(ADD)
        stream = mp.mps.Stream()
        event = mp.mps.Event()
        with mp.mps.stream(stream):
            x = mp.full((300,), 1.0)
            for _ in range(130):
                lib.add(x, 1.0)
            event.record()
        event.wait()
        assert x[7].item() == 131
        del lib, stream, event, x
        mp.mps.synchronize()
        mp.mps.empty_cache()
        gc.collect()

    round_of_work()
    before = standin.live(), standin.handles()
    for _ in range(3):
        round_of_work()
    assert (standin.live(), standin.handles()) <= before
