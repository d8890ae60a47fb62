"""Streams: which one takes a thread's work, order by events alone, memory in use by several of them."""

from __future__ import annotations

import contextlib
import gc
import itertools
import random
import threading

import numpy as np
import pytest

import metalpy as mp
from metalpy._core import driver, pool
from metalpy._core.stream import selected_queue
from metalpy.errors import EventTypeError, KernelFaultError
from tests.helpers.process import says

SOURCE = """
#include <metal_stdlib>
using namespace metal;
kernel void slow(device uint* out, constant uint& turns, uint i [[thread_position_in_grid]]) {
  uint x = i;
  for (uint k = 0; k < turns; ++k) x = x * 1664525u + 1013904223u + (x >> 16);
  out[i] = x | 1;
}
kernel void add(device uint* a, device const uint* b, uint i [[thread_position_in_grid]]) { a[i] += b[i]; }
kernel void append(device uint* log, constant uint& turn) { log[0] = log[0] * 31 + turn; }
kernel void fail(device int* x, constant int& by) { x[0] /= by; }
"""


@pytest.fixture(scope="session")
def slow_library():
    """The kernels of SOURCE on a device."""
    made = {}
    return lambda device: made.setdefault(device, mp.mps.compile_shader(SOURCE, device=device))


def start_slow(library, device, turns=300_000):
    """Give the current stream something to do; returns the array that it fills with odd numbers."""
    x = mp.zeros(4, mp.uint32, device)
    library(device).slow(x, turns)
    return x


@contextlib.contextmanager
def held(device):
    """What the current stream is given inside waits for the end, or for a call of what this gives."""
    event = driver.Event(device)
    selected_queue(device).wait_event(event, 1)
    try:
        yield lambda: event.signal(1)
    finally:
        event.signal(1)


def test_the_default_stream(device):
    default = mp.mps.default_stream(device)
    assert mp.mps.current_stream(device) == default
    assert default.stream_id == 0 and default.device is device
    assert default == mp.mps.Stream(device, stream_id=0) and hash(default) == hash(mp.mps.default_stream(device))
    assert default != mp.mps.Stream(device) and default != 0
    assert repr(default) == f"<metalpy.mps.Stream stream_id=0 device='{device}'>"
    assert mp.mps.Stream().device is mp.device()


def test_choosing_a_stream(device):
    one, two = mp.mps.Stream(device), mp.mps.Stream(device)
    default = mp.mps.default_stream(device)
    assert one.stream_id != two.stream_id
    with mp.mps.stream(one) as inside:
        assert inside is one
        assert mp.mps.current_stream(device) is one
        with mp.mps.stream(two), mp.mps.stream(one), mp.mps.stream(None):
            assert mp.mps.current_stream(device) is one
        assert mp.mps.current_stream(device) is one
        with pytest.raises(ZeroDivisionError), mp.mps.stream(two):
            raise ZeroDivisionError
        assert mp.mps.current_stream(device) is one
        mp.mps.set_stream(None)
        assert mp.mps.current_stream(device) is one
    assert mp.mps.current_stream(device) == default
    mp.mps.set_stream(two)
    assert mp.mps.current_stream(device) is two
    mp.mps.set_stream(default)
    assert mp.mps.current_stream(device) == default
    for wrong in (3, "mps", device):
        with pytest.raises(EventTypeError, match="expected an MPS stream"):
            mp.mps.set_stream(wrong)
        with pytest.raises(EventTypeError):
            mp.mps.stream(wrong)


def test_stream_ids(device):
    one = mp.mps.Stream(device)
    again = mp.mps.Stream(device, stream_id=one.stream_id)
    assert again == one and again is not one
    number = one.stream_id
    del one
    assert mp.mps.Stream(device, stream_id=number) == again
    del again
    gc.collect()
    with pytest.raises(ValueError, match="has no stream"):
        mp.mps.Stream(device, stream_id=number)
    assert mp.mps.Stream(device).stream_id > number


def test_the_current_stream_is_a_threads_own(device):
    mine, seen = mp.mps.Stream(device), []

    def work():
        seen.append(mp.mps.current_stream(device))
        mp.mps.set_stream(mp.mps.Stream(device))
        mp.zeros(8, device=device).fill(1)
        seen.append(mp.mps.current_stream(device))

    with mp.mps.stream(mine):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        assert mp.mps.current_stream(device) is mine
    assert seen[0] == mp.mps.default_stream(device)
    assert seen[1] not in (mine, seen[0])


def test_launches_fills_and_copies_go_to_the_current_stream(device, slow_library):
    stream = mp.mps.Stream(device)
    before = device.queue.last_recorded
    with mp.mps.stream(stream):
        x = start_slow(slow_library, device, 10)
        x.fill(5)
        y = x.copy()
        z = x + y
    assert device.queue.last_recorded == before
    assert z.tolist() == [10] * 4
    assert stream.query()


def test_query_and_synchronize(device, slow_library):
    stream = mp.mps.Stream(device)
    assert stream.query()
    stream.synchronize()
    with mp.mps.stream(stream), held(device) as release:
        start_slow(slow_library, device)
        assert not stream.query()
        release()
        stream.synchronize()
        assert stream.query()


def test_synchronize_waits_for_all_streams(device, slow_library):
    streams = [mp.mps.Stream(device) for _ in range(5)]
    for stream in streams:
        with mp.mps.stream(stream):
            start_slow(slow_library, device)
    device.synchronize()
    assert all(stream.query() for stream in streams)
    for _ in range(3):
        device.synchronize()


def test_synchronize_waits_for_streams_that_are_gone(device, slow_library):
    with mp.mps.stream(mp.mps.Stream(device)):
        x = start_slow(slow_library, device)
    gc.collect()
    device.synchronize()
    assert np.ndarray(4, np.uint32, x._block).all()  # looked at without waiting


def test_each_streams_failure_is_raised_once(device, slow_library):
    lib = slow_library(device)
    one, two = mp.mps.Stream(device), mp.mps.Stream(device)
    for stream in (one, two):
        with mp.mps.stream(stream):
            lib.fail(mp.ones(1, mp.int32, device), 0)
    for _ in range(2):
        with pytest.raises(KernelFaultError):
            device.synchronize()
    device.synchronize()
    with mp.mps.stream(one):
        lib.fail(mp.ones(1, mp.int32, device), 0)
    two.synchronize()
    with pytest.raises(KernelFaultError):
        one.synchronize()
    device.synchronize()


def test_a_dropped_streams_failure_is_raised(device, slow_library):
    with mp.mps.stream(mp.mps.Stream(device)):
        slow_library(device).fail(mp.ones(1, mp.int32, device), 0)
        mp.mps.current_stream(device).record_event().query()
    for _ in range(3):
        mp.mps.Stream(device)  # a moment at which finished queues go
    with pytest.raises(KernelFaultError):
        device.synchronize()
    device.synchronize()


@pytest.mark.parametrize("read", [np.asarray, lambda x: x.numpy(), memoryview, repr, np.from_dlpack], ids=range(5))
def test_reading_waits_for_every_stream_that_used_the_array(device, slow_library, read):
    lib = slow_library(device)
    x = mp.zeros(4, mp.uint32, device)
    streams = [mp.mps.Stream(device) for _ in range(4)]
    for stream in (*streams, streams[0]):
        with mp.mps.stream(stream):
            lib.slow(x, 300_000)
    read(x)
    assert all(stream.query() for stream in streams)


def test_reading_raises_the_failure_of_any_stream(device, slow_library):
    x = mp.ones(1, mp.int32, device)
    with mp.mps.stream(mp.mps.Stream(device)):
        slow_library(device).fail(x, 0)
    with pytest.raises(KernelFaultError):
        np.asarray(x)
    assert np.asarray(x)[0] == 1


def test_events_order_streams(device, slow_library):
    lib = slow_library(device)
    streams = [mp.mps.Stream(device) for _ in range(4)]
    log = mp.zeros(1, mp.uint32, device)
    event, expected = mp.mps.Event(), 0
    for turn in range(200):
        with mp.mps.stream(streams[turn % 4]):
            event.wait()
            lib.append(log, turn, threads=1)
            event.record()
        expected = (expected * 31 + turn) % 2**32
    assert log.item() == expected


def test_streams_wait_for_streams(device, slow_library):
    one, two = mp.mps.Stream(device), mp.mps.Stream(device)
    with mp.mps.stream(one):
        x = start_slow(slow_library, device)
    two.wait_stream(one)
    y = mp.zeros(4, mp.uint32, device)
    with mp.mps.stream(two):
        slow_library(device).add(y, x)
        done = two.record_event()
    mp.mps.default_stream(device).wait_event(done)
    assert y.tolist() == x.tolist()


WAITS = {
    "reader": lambda device, streams, event, x: x.numpy(),
    "event": lambda device, streams, event, x: event.synchronize(),
    "waiting stream": lambda device, streams, event, x: streams[-1].synchronize(),
    "device": lambda device, streams, event, x: device.synchronize(),
    "future": lambda device, streams, event, x: event.future().result(timeout=30),
    "elapsed": lambda device, streams, event, x: event.elapsed_time(event),
    "cache": lambda device, streams, event, x: pool.pool(device).empty_cache(),
}


@pytest.mark.parametrize("how", WAITS)
def test_a_chain_of_uncommitted_streams_does_not_hang(device, slow_library, how):
    streams = [mp.mps.Stream(device) for _ in range(6)]
    event = mp.mps.Event(enable_timing=True)
    x = mp.zeros(4, mp.uint32, device)
    for stream in streams:  # nothing is committed but by the waits themselves
        with mp.mps.stream(stream):
            event.wait()
            slow_library(device).slow(x, 10)
            event.record()
    WAITS[how](device, streams, event, x)
    device.synchronize()


def test_any_order_of_calls_ends(device, slow_library, rng):
    lib = slow_library(device)
    choose = random.Random(int(rng.integers(1 << 30)))
    streams = [mp.mps.Stream(device) for _ in range(4)] + [mp.mps.default_stream(device)]
    events = [mp.mps.Event(enable_timing=True) for _ in range(6)]
    arrays = [mp.zeros(16, mp.uint32, device) for _ in range(4)]
    calls = [
        lambda: choose.choice(events).record(choose.choice(streams)),
        lambda: choose.choice(events).wait(choose.choice(streams)),
        lambda: choose.choice(events).query(),
        lambda: choose.choice(events).synchronize(),
        lambda: choose.choice(streams).query(),
        lambda: choose.choice(streams).synchronize(),
        lambda: choose.choice(arrays).numpy(),
        lambda: choose.choice(arrays).fill(1),
        lambda: arrays.__setitem__(choose.randrange(4), mp.zeros(16, mp.uint32, device)),
        lambda: streams.__setitem__(choose.randrange(4), mp.mps.Stream(device)),
        lambda: lib.add(choose.choice(arrays), choose.choice(arrays)),
        device.synchronize,
    ]
    for _ in range(3000):
        with mp.mps.stream(choose.choice(streams)):
            choose.choice(calls)()
    device.synchronize()


def test_memory_freed_under_work_is_not_reused_early(device, slow_library):
    """Blocks that several streams still use keep their contents, whoever allocates meanwhile."""
    lib = slow_library(device)
    streams = [mp.mps.Stream(device) for _ in range(3)]
    ready = mp.mps.Event()
    for turn in range(1, 30):
        source = mp.full(1000, turn, mp.uint32, device)
        sums = []
        for stream in streams:
            with mp.mps.stream(stream):
                start_slow(slow_library, device, 20_000)
                sums.append(mp.zeros(1000, mp.uint32, device))
                lib.add(sums[-1], source)
                ready.record()
        address = source._block.address
        del source
        taken = mp.full(1000, 7, mp.uint32, device)  # written by the host at once
        if taken._block.address == address:
            assert all(stream.query() for stream in streams)
        for total in sums:
            assert (total.numpy() == turn).all()


def test_a_block_is_idle_when_all_streams_are_done_with_it(device, slow_library):
    one, two = mp.mps.Stream(device), mp.mps.Stream(device)
    x = mp.zeros(4, mp.uint32, device)
    with mp.mps.stream(one), held(device):
        x.fill(1)
        with mp.mps.stream(two):
            x.fill(2)
        two.synchronize()
        assert not x._block.idle
        address = x._block.address
        del x
        assert mp.zeros(4, mp.uint32, device)._block.address != address
        x = mp.zeros(4, mp.uint32, device)
    device.synchronize()
    assert x._block.idle


def test_stress_of_threads_streams_and_events(device, slow_library):
    """Each thread hands arrays through its own streams, all share the pool and one event."""
    lib = slow_library(device)
    shared, failures = mp.mps.Event(), []

    def work(seed):
        try:
            choose = random.Random(seed)
            streams = [mp.mps.Stream(device) for _ in range(3)]
            order = mp.mps.Event()
            x, expected = mp.zeros(64, mp.uint32, device), 0
            for turn in range(300):
                with mp.mps.stream(choose.choice(streams)):
                    order.wait()
                    lib.add(x, mp.full(64, turn, mp.uint32, device))
                    expected += turn
                    order.record()
                    shared.record()
                    if turn % 7 == 0:
                        shared.wait()
                if turn % 50 == 0 and x.numpy()[0] != expected:
                    failures.append((seed, turn))
                if turn % 97 == 0:
                    device.synchronize()
            if x.tolist() != [expected] * 64:
                failures.append(seed)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert failures == []


def test_streams_come_and_go(device, slow_library):
    for _ in range(500):
        with mp.mps.stream(mp.mps.Stream(device)):
            mp.zeros(4, device=device).fill(1)
    device.synchronize()
    assert len(list(itertools.islice((mp.mps.Stream(device) for _ in range(3)), 3))) == 3


@pytest.mark.parametrize("threads", ["1", "3"])
def test_with_few_threads(threads):
    """A waiting thread runs the queues that it waits for, also through events."""
    code = (
        "import metalpy as mp\n"
        "s = [mp.mps.Stream() for _ in range(5)]; e = mp.mps.Event(True); x = mp.zeros(9)\n"
        "for turn in range(200):\n"
        "    with mp.mps.stream(s[turn % 5]):\n"
        "        e.wait(); x += 1; e.record()\n"
        "e.synchronize(); e.elapsed_time(e); e.future().result(30); mp.mps.synchronize(); print(x[0].item())\n"
    )
    says("200.0\n", code, METALPY_NUM_THREADS=threads)
