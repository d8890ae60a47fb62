"""Events: order across streams, the host's waiting, time spans, futures and callbacks."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait

import pytest

import metalpy as mp
from metalpy.errors import EventError, EventTypeError, KernelFaultError, MetalError
from tests.device.test_streams import held, slow_library, start_slow
from tests.helpers.process import says

__all__ = ["slow_library"]


def test_before_the_first_record(device):
    event = mp.mps.Event()
    assert event.query() is False
    assert not event.recorded
    event.synchronize()
    event.wait()
    assert event.future().result(timeout=0) is event
    called = []
    event.add_done_callback(called.append)
    assert called == [event]
    assert "not recorded" in repr(event)


def test_record_and_wait_on_the_host(device, slow_library):
    event = mp.mps.Event()
    with held(device):
        x = start_slow(slow_library, device)
        event.record(mp.mps.default_stream(device))
        assert not event.query()
        assert "pending" in repr(event)
    event.synchronize()
    assert event.query()
    assert device.queue.completed == device.queue.last_recorded
    assert "done" in repr(event)
    assert x.numpy().all()


def test_query_alone_lets_the_work_begin(device, slow_library):
    event = mp.mps.Event()
    start_slow(slow_library, device, turns=1000)
    event.record(mp.mps.default_stream(device))
    limit = time.monotonic() + 30
    while not event.query():
        assert time.monotonic() < limit


def test_recording_again_moves_the_point(device, slow_library):
    event = mp.mps.Event()
    stream, other = mp.mps.Stream(device), mp.mps.Stream(device)
    event.record(stream)
    event.synchronize()
    with mp.mps.stream(other), held(device):
        event.record()
        assert not event.query()
    event.synchronize()
    assert other.query()


def test_a_wait_is_for_the_record_before_it(device, slow_library):
    """Though another stream reaches a later record first."""
    first, second, third = (mp.mps.Stream(device) for _ in range(3))
    event = mp.mps.Event()
    with mp.mps.stream(first), held(device):
        x = start_slow(slow_library, device)
        event.record()
        y = mp.zeros(x.shape, x.dtype, device)
        with mp.mps.stream(second):
            event.wait()
            slow_library(device).add(y, x)
        event.record(third)
        event.synchronize()
        assert not second.query()
    assert y.numpy().all()  # added only once x was there


def test_elapsed_time(device, slow_library):
    start, end = mp.mps.Event(enable_timing=True), mp.mps.Event(enable_timing=True)
    stream = mp.mps.Stream(device)
    with mp.mps.stream(stream):
        start_slow(slow_library, device, turns=1000)
        start.record()
        before = time.perf_counter()
        start_slow(slow_library, device, turns=500_000)
        end.record()
    span = start.elapsed_time(end)  # neither was waited for: it waits itself
    assert isinstance(span, float)
    assert 0 < span <= (time.perf_counter() - before) * 1e3
    assert end.elapsed_time(start) == -span
    end.synchronize()
    device.synchronize()
    assert start.elapsed_time(end) == span  # and never deadlocks after a wait
    assert start.elapsed_time(start) == 0


def test_spans_of_microseconds(device):
    events = [mp.mps.Event(enable_timing=True) for _ in range(200)]
    for event in events:
        event.record(mp.mps.default_stream(device))
    spans = [a.elapsed_time(b) for a, b in itertools.pairwise(events)]
    assert all(span >= 0 for span in spans)
    assert sum(spans) == pytest.approx(events[0].elapsed_time(events[-1]), rel=1e-6)
    assert sorted(spans)[len(spans) // 2] < 1.0  # milliseconds


def test_errors_of_elapsed_time(device):
    timed, plain = mp.mps.Event(enable_timing=True), mp.mps.Event()
    for event in (timed, plain):
        event.record(mp.mps.default_stream(device))
    fresh = mp.mps.Event(enable_timing=True)
    with pytest.raises(EventError, match="end event was made without timing"):
        timed.elapsed_time(plain)
    with pytest.raises(EventError, match="start event was made without timing"):
        plain.elapsed_time(timed)
    with pytest.raises(EventError, match="end event was not recorded"):
        timed.elapsed_time(fresh)
    with pytest.raises(ValueError, match="start event was not recorded"):
        fresh.elapsed_time(timed)
    for wrong in (None, 3, device.queue):
        with pytest.raises(EventTypeError, match="takes an Event"):
            timed.elapsed_time(wrong)


def test_wrong_streams(device):
    event = mp.mps.Event()
    for wrong in (3, "mps", device, device.queue):
        for call in (event.record, event.wait):
            with pytest.raises(MetalError, match="expected an MPS stream, but got"):
                call(wrong)
            with pytest.raises(TypeError):
                call(wrong)


def test_events_belong_to_one_device(device, mock):
    event = mp.mps.Event()
    with held(device):
        event.record(mp.mps.default_stream(device))
        with pytest.raises(EventError, match="one device"):
            event.wait(mp.mps.default_stream(mock.device))
    event.synchronize()
    event.record(mp.mps.default_stream(mock.device))
    event.synchronize()


def test_callbacks_come_in_order(device, slow_library):
    order, last = [], threading.Event()
    events = [mp.mps.Event() for _ in range(20)]
    stream = mp.mps.Stream(device)
    with mp.mps.stream(stream):
        start_slow(slow_library, device)
        for event in events:
            event.record()
    for event in events:
        event.add_done_callback(lambda done: order.append(events.index(done)))
    events[-1].add_done_callback(lambda _: last.set())
    assert last.wait(30)
    assert order == list(range(20))


def test_an_earlier_event_is_not_held_up_by_a_later_one(device, slow_library):
    early, late = mp.mps.Event(), mp.mps.Event()
    stream = mp.mps.Stream(device)
    with mp.mps.stream(stream), held(device):
        early.record()
        with held(device):
            late.record()
            later = late.future()
    with mp.mps.stream(stream), held(device) as first:
        early.record()
        with held(device):
            late.record()
            again, sooner = late.future(), early.future()
            first()
            assert sooner.result(timeout=30) is early
            assert not again.done()
    assert again.result(timeout=30) is late
    assert later.result(timeout=30) is late


def test_what_a_callback_raises_is_reported(device, slow_library, monkeypatch):
    reported, done = [], threading.Event()
    monkeypatch.setattr(threading, "excepthook", lambda args: (reported.append(args.exc_type), done.set()))

    def fail(_):
        raise KeyError

    event = mp.mps.Event()
    start_slow(slow_library, device)
    event.record(mp.mps.default_stream(device))
    event.add_done_callback(fail)
    assert done.wait(30)
    assert reported == [KeyError]
    assert event.future().result(timeout=30) is event  # the watcher lives on


def test_futures(device, slow_library):
    event = mp.mps.Event()
    start_slow(slow_library, device)
    event.record(mp.mps.default_stream(device))
    futures = [event.future() for _ in range(3)]
    assert not wait(futures, timeout=30).not_done
    assert [future.result() for future in futures] == [event] * 3
    assert event.future().done()


def test_a_cancelled_future(device, slow_library):
    event = mp.mps.Event()
    with held(device):
        event.record(mp.mps.default_stream(device))
        future = event.future()
        assert future.cancel()
    event.synchronize()
    assert event.future().result(timeout=30) is event
    assert future.cancelled()


def test_await(device, slow_library):
    async def work(number):
        stream, event = mp.mps.Stream(device), mp.mps.Event()
        with mp.mps.stream(stream):
            x = start_slow(slow_library, device, turns=1000 * number)
            event.record()
        assert await event is event
        assert event.query()
        return x

    async def main():
        return await asyncio.gather(*(work(number) for number in range(1, 9)))

    assert all(x.numpy().all() for x in asyncio.run(main()))


def test_a_future_raises_what_a_kernel_did(device):
    lib = mp.mps.compile_shader("kernel void fail(device int* x, constant int& by) { x[0] /= by; }", device=device)
    event = mp.mps.Event()
    lib.fail(mp.ones(1, dtype=mp.int32, device=device), 0)
    event.record(mp.mps.default_stream(device))
    with pytest.raises(KernelFaultError):
        event.future().result(timeout=30)
    device.synchronize()  # once

    async def main():
        lib.fail(mp.ones(1, dtype=mp.int32, device=device), 0)
        event.record(mp.mps.default_stream(device))
        await event

    with pytest.raises(KernelFaultError):
        asyncio.run(main())


def test_one_event_from_many_threads(device):
    event = mp.mps.Event(enable_timing=True)
    streams = [mp.mps.Stream(device) for _ in range(4)]
    x = mp.zeros(100, device=device)

    def work(number):
        for turn in range(200):
            stream = streams[(number + turn) % 4]
            with mp.mps.stream(stream):
                mp.zeros(64, device=device).fill(turn)
                event.record()
                event.wait(streams[number % 4])
            event.query()
            if turn % 20 == 0:
                event.synchronize()
                event.elapsed_time(event)
        return True

    with ThreadPoolExecutor(8) as pool:
        assert all(future.result(timeout=60) for future in [pool.submit(work, number) for number in range(8)])
    device.synchronize()
    assert event.query()
    assert x.tolist() == [0] * 100


@pytest.mark.parametrize("threads", ["1", "2"])
def test_a_process_ends_with_callbacks_pending(threads):
    code = (
        "import metalpy as mp\n"
        "lib = mp.mps.compile_shader('kernel void spin(device volatile int* f) { while (f[0] == 0) {} }')\n"
        "event = mp.mps.Event(); lib.spin(mp.zeros(1, dtype=mp.int32)); event.record()\n"
        "event.add_done_callback(print); future = event.future()\n"
        "print('end')\n"
    )
    says("end\n", code, METALPY_NUM_THREADS=threads)
