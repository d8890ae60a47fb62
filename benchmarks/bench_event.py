"""Recording an event, and waiting for one on another stream."""

from __future__ import annotations

import pytest

import metalpy as mp


@pytest.mark.benchmark(group="event")
def test_event_record(benchmark):
    event = mp.mps.Event()
    benchmark.pedantic(event.record, rounds=200, iterations=100, warmup_rounds=5, teardown=_synchronize)


@pytest.mark.benchmark(group="event")
def test_event_record_on_a_stream(benchmark):
    event, stream = mp.mps.Event(enable_timing=True), mp.mps.Stream()
    benchmark.pedantic(
        event.record, args=(stream,), rounds=200, iterations=100, warmup_rounds=5, teardown=_synchronize
    )  # fmt: skip


@pytest.mark.benchmark(group="event")
def test_event_handover(benchmark):
    """Record on one stream, wait on the other, record there and wait on the first."""
    event, one, two = mp.mps.Event(), mp.mps.Stream(), mp.mps.Stream()

    def hand_over() -> None:
        event.record(one)
        event.wait(two)
        event.record(two)
        event.wait(one)

    benchmark.pedantic(hand_over, rounds=100, iterations=20, warmup_rounds=5, teardown=_synchronize)


@pytest.mark.benchmark(group="event")
def test_event_record_and_synchronize(benchmark):
    event = mp.mps.Event()

    def record_and_wait() -> None:
        event.record()
        event.synchronize()

    benchmark.pedantic(record_and_wait, rounds=100, iterations=100, warmup_rounds=5)


@pytest.mark.benchmark(group="stream")
def test_stream_switch(benchmark):
    stream = mp.mps.Stream()

    def switch() -> None:
        with mp.mps.stream(stream):
            pass

    benchmark.pedantic(switch, rounds=100, iterations=100, warmup_rounds=5)


@pytest.mark.benchmark(group="stream")
def test_launch_on_a_stream(benchmark, full_library):
    x, full = mp.zeros(16), full_library.full
    with mp.mps.stream(mp.mps.Stream()):
        benchmark.pedantic(full, args=(x, 3.0), rounds=200, iterations=100, warmup_rounds=5, teardown=_synchronize)


def _synchronize(*_args) -> None:
    mp.mps.synchronize()
