"""Every public object from eight threads at once. Results are computed twice; `make test-tsan` runs the same tests."""

from __future__ import annotations

import gc
import threading

import numpy as np
import pytest

import metalpy as mp
from tests.helpers.threads import together

THREADS = 8
SOURCE = """
#include <metal_stdlib>
using namespace metal;
constant uint stride [[function_constant(0)]];
kernel void count(device atomic_uint* n) { atomic_fetch_add_explicit(n, 1, memory_order_relaxed); }
kernel void add(device uint* a, device const uint* b, uint i [[thread_position_in_grid]]) { a[i] += b[i]; }
kernel void by_stride(device uint* a, uint i [[thread_position_in_grid]]) { a[i] += stride; }
kernel void fail(device int* x, constant int& by) { x[0] /= by; }
"""


@pytest.fixture
def library(device):
    return mp.mps.compile_shader(SOURCE, device=device)


def test_a_library_and_its_kernels(device, library):
    """The first use compiles and loads: all threads get the same kernel."""
    n = mp.zeros(1, mp.uint32, device)

    def work(number):
        for _ in range(100):
            library.count(n, threads=10)
        return library.count, library["count"], dir(library)

    kernels = together(THREADS, work)
    assert n.item() == THREADS * 100 * 10
    assert len({id(first) for first, _, _ in kernels} | {id(second) for _, second, _ in kernels}) == 1


def test_specialized_kernels(device, library):
    arrays = [mp.zeros(100, mp.uint32, device) for _ in range(THREADS)]

    def work(number):
        for step in range(1, 6):
            library.by_stride.specialize(stride=step)(arrays[number])
        return [library.by_stride.specialize(stride=step) for step in range(1, 6)]

    made = together(THREADS, work)
    assert all(kernels == made[0] for kernels in made)
    assert all((array.numpy() == 15).all() for array in arrays)


def test_compiling(device):
    """The same source, and one of its own, from each thread."""

    def work(number):
        x = mp.zeros(4, mp.uint32, device)
        for value in (1000, number):
            source = f"kernel void put(device uint* x, uint i [[thread_position_in_grid]]) {{ x[i] += {value}; }}"
            mp.mps.compile_shader(source, device=device).put(x)
        with pytest.raises(mp.CompileError, match="nothing"):
            mp.mps.compile_shader(f"kernel void bad() {{ nothing{number}; }}", device=device)
        return x.tolist()

    assert together(THREADS, work) == [[1000 + number] * 4 for number in range(THREADS)]


def test_one_array(device, library):
    """All threads launch on it, read it, make views, and let go of them. Launches run one after another."""
    x = mp.zeros((10, 10), mp.uint32, device)
    ones = mp.ones(100, mp.uint32, device)

    def work(number):
        for turn in range(100):
            library.add(x, ones)
            if turn % 10 == 0:
                values = x[2:].numpy() if number % 2 else x.T.reshape(-1).numpy()
                assert values.min() > turn - 1
                assert np.from_dlpack(x).shape == (10, 10)
                assert x.copy().shape == (10, 10)

    together(THREADS, work)
    assert (x.numpy() == THREADS * 100).all()


def test_arithmetic(device):
    def work(number):
        for turn in range(20):
            x = mp.full(1000, number, mp.float32, device)
            y = x * 2 + turn
            y -= 1
            assert (y.numpy() == number * 2 + turn - 1).all()

    together(THREADS, work)


def test_one_stream(device, library):
    stream, n = mp.mps.Stream(device), mp.zeros(1, mp.uint32, device)

    def work(number):
        for turn in range(100):
            with mp.mps.stream(stream):
                library.count(n, threads=3)
            if turn % 10 == 0:
                stream.synchronize()
                stream.query()
                mp.mps.Stream(device, stream_id=stream.stream_id).record_event().synchronize()

    together(THREADS, work)
    assert n.item() == THREADS * 100 * 3


def test_one_event(device, library):
    event, n = mp.mps.Event(enable_timing=True), mp.zeros(1, mp.uint32, device)
    event.record(mp.mps.default_stream(device))
    called = []

    def work(number):
        stream = mp.mps.Stream(device)
        for turn in range(100):
            with mp.mps.stream(stream):
                event.wait()
                library.count(n, threads=1)
                event.record()
            if turn % 10 == 0:
                event.query()
                event.synchronize()
                event.elapsed_time(event)
                event.add_done_callback(called.append)
                event.future().result(60)
        stream.synchronize()

    together(THREADS, work)
    assert n.item() == THREADS * 100
    device.synchronize()
    assert len(called) == THREADS * 10


def test_one_generator(device):
    """Each draw goes to one thread: together they are the draws of one thread."""
    generator = mp.random.default_rng(5, device=device)
    expected = mp.random.default_rng(5, device=device)

    def work(number):
        drawn = [generator.random(4).tolist() for _ in range(25)]
        generator.get_state()
        generator.clone()
        return drawn

    found = [tuple(numbers) for drawn in together(THREADS, work) for numbers in drawn]
    assert sorted(found) == sorted(tuple(expected.random(4).tolist()) for _ in range(THREADS * 25))


def test_allocation(device):
    """Blocks are never in two hands; emptying the cache takes none that are used."""

    def work(number):
        kept = []
        for turn in range(200):
            kept.append(mp.full(64 << turn % 8, number, mp.uint32, device))
            if turn % 5 == 0:
                assert all((array.numpy() == number).all() for array in kept)
                kept.clear()
            if turn % 50 == 0:
                mp.mps.empty_cache()

    together(THREADS, work)


def test_each_failure_is_raised_once(device, library):
    """A failure reaches the thread that waits for the stream, and nobody else."""
    raised = []

    def work(number):
        stream = mp.mps.Stream(device)
        for _ in range(10):
            x = mp.ones(1, mp.int32, device)
            with mp.mps.stream(stream):
                library.fail(x, 0)
            try:
                stream.synchronize()
            except mp.KernelFaultError as error:
                raised.append(str(error))

    together(THREADS, work)
    device.synchronize()
    assert len(raised) == THREADS * 10


def test_devices(device):
    def work(number):
        assert mp.device(str(device)) is device
        assert mp.mps.device_count() >= 1
        device.synchronize()
        return mp.mps.current_allocated_memory() >= 0

    assert all(together(THREADS, work))


def test_threads_that_end_leave_nothing(device, library):
    """A thread's stream and what it kept go with it."""
    before = threading.active_count()
    for _ in range(10):

        def work(number):
            mp.mps.set_stream(mp.mps.Stream(device))
            x = mp.ones(100, mp.uint32, device)
            library.add(x, x.copy())

        together(THREADS, work)
    gc.collect()
    device.synchronize()
    assert threading.active_count() <= before  # threads of earlier tests may end meanwhile
    assert mp.mps.current_stream(device) == mp.mps.default_stream(device)
