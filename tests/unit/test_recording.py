"""The profiler over a device made of Python: what drivers are asked for, clocks, losses, captures."""

import gc
import itertools
import json
import time

import pytest

import metalpy as mp
from metalpy._core import pool
from metalpy._core.driver import Event
from metalpy.mps import Stream, profiler, stream
from tests.helpers import abi
from tests.helpers import kernels as k
from tests.helpers.mock import MockDriver

FLOAT = k.scalar("float")
BOTH_KINDS = abi.TRACE_OPERATIONS | abi.TRACE_COPIES
HOUR = 3_600_000_000_000


@pytest.fixture
def kernel(mock):
    mock.clock = lambda: time.monotonic_ns() + HOUR
    return k.idle_kernel(mock.device, k.device_pointer("x", FLOAT, 0))


@pytest.fixture
def x(mock):
    return mp.zeros(12, device=mock.device)


@pytest.fixture(autouse=True)
def nothing_runs():
    yield
    assert profiler.stop() is None, "the test left a profile running"


def flags(mock):
    return set(mock.traces.values())


# ---- modes ----


@pytest.mark.parametrize(
    ("mode", "asked"),
    [
        ("interval", abi.TRACE_INTERVALS),
        ("event", abi.TRACE_EVENTS),
        (" Interval ", abi.TRACE_INTERVALS),
        ("interval,event", abi.TRACE_INTERVALS | abi.TRACE_EVENTS),
        ("EVENT , interval", abi.TRACE_INTERVALS | abi.TRACE_EVENTS),
    ],
)
def test_modes_reach_the_driver(mock, mode, asked):
    with profiler.profile(mode) as p:
        assert flags(mock) == {asked | BOTH_KINDS | abi.TRACE_TIMES}
        assert p.running
    assert flags(mock) == {0}
    assert not p.running


@pytest.mark.parametrize("mode", ["", "intervall", "interval;event", "interval,", "interval,events"])
@pytest.mark.parametrize("begin", [profiler.start, profiler.profile])
def test_unknown_modes_change_nothing(mock, mode, begin):
    found = mode.split(",")[-1]
    with pytest.raises(mp.ProfilerError, match=f"'interval', 'event' or both.*found {found!r}"):
        begin(mode)
    assert flags(mock) <= {0}
    with profiler.profile():
        pass


@pytest.mark.parametrize("mode", [None, 1, b"event", ["event"]])
def test_a_mode_is_a_str(mode):
    with pytest.raises(TypeError, match="the mode is a str, got"):
        profiler.profile(mode)
    with pytest.raises(TypeError, match="the mode is a str, got"):
        profiler.start(mode)


# ---- start and stop ----


def test_stop_gives_the_profile(kernel, x):
    assert profiler.start() is None
    kernel(x)
    p = profiler.stop()
    assert [event.kind for event in p.events] == ["launch"]
    assert profiler.stop() is None


@pytest.mark.parametrize("begin", [profiler.start, lambda: profiler.profile().__enter__()])
def test_a_nested_profile_leaves_the_outer_one_running(mock, kernel, x, begin):
    with profiler.profile() as p:
        with pytest.raises(mp.ProfilerError, match="running already"):
            begin()
        assert p.running and flags(mock) != {0}
        kernel(x)
    assert len(p.stats()) == 1


def test_stop_inside_the_context_ends_it(kernel, x):
    with profiler.profile() as p:
        kernel(x)
        assert profiler.stop() is p
        kernel(x)
        with profiler.profile() as inner:
            kernel(x)
    assert [len(profile.events) for profile in (p, inner)] == [1, 1]


def test_a_context_is_used_again(kernel, x):
    context = profiler.profile()
    with context as first:
        kernel(x)
    with context as second:
        kernel(x)
        kernel(x)
    assert [len(profile.events) for profile in (first, second)] == [1, 2]


def test_a_failed_start_changes_nothing(mock, kernel, x):
    mock.trace_failure = (abi.MEMORY, "no memory for times")
    with pytest.raises(mp.OutOfMemoryError, match="no memory for times"):
        profiler.start()
    assert flags(mock) <= {0}
    assert profiler.stop() is None
    mock.trace_failure = None
    with profiler.profile() as p:
        kernel(x)
    assert len(p.stats()) == 1


def test_the_body_may_raise(mock, kernel, x):
    with pytest.raises(ZeroDivisionError), profiler.profile() as p:
        kernel(x)
        raise ZeroDivisionError
    assert flags(mock) == {0} and len(p.stats()) == 1


def test_a_dropped_profile_does_not_leave_tracing_on(mock, kernel, x):
    context = profiler.profile()
    context.__enter__()
    assert flags(mock) != {0}
    del context
    gc.collect()
    assert flags(mock) == {0}
    with profiler.profile() as p:
        kernel(x)
    assert len(p.events) == 1


def test_start_keeps_its_profile(mock, kernel, x):
    profiler.start()
    gc.collect()
    kernel(x)
    assert len(profiler.stop().events) == 1


def test_nothing_is_asked_of_a_driver_that_is_not_profiled(mock, kernel, x):
    kernel(x)
    Stream(mock.device)
    assert mock.traces == {}


# ---- what is recorded ----


def test_commands_and_their_times(mock, kernel, x):
    y = mp.zeros(12, device=mock.device)
    raised = Event(mock.device)
    before = time.monotonic_ns()
    with profiler.profile() as p:
        kernel(x, threads=(4, 3), group_size=(2, 1))
        x.fill(1)
        y._copy_from(x)
        mock.device.queue.signal_event(raised, 1)
        mock.device.queue.wait_event(raised, 1)
    after = time.monotonic_ns()
    launch, fill, copy, signal, wait = p.events
    assert [event.kind for event in p.events] == ["launch", "fill", "copy", "signal", "wait_event"]
    assert launch.name == "k"
    assert launch.details["threads"] == (4, 3, 1) and launch.details["group_size"] == (2, 1, 1)
    assert launch.details["bound_bytes"] == 48 and fill.details == copy.details == {"bytes": 48}
    for event in p.events:
        assert (event.device, event.stream) == ("mps:0", 0)
        # The mock runs a command inside of its call, an hour ahead on its own clock.
        assert 0 <= event.start <= event.run_start + 100_000 and event.run_end <= event.end + 100_000
        assert event.run_start <= event.run_end <= after - before
    assert signal.details == wait.details == {}


def test_a_clock_that_is_the_host_s_is_not_shifted(mock, kernel, x):
    mock.clock = time.monotonic_ns
    with profiler.profile() as p:
        kernel(x)
    (launch,) = p.events
    assert launch.start <= launch.run_start <= launch.run_end <= launch.end


def test_launches_of_nothing_and_refused_calls_are_not_recorded(kernel, x):
    with profiler.profile() as p:
        kernel(x, threads=0)
        with pytest.raises(mp.LaunchTypeError):
            kernel()
    assert p.events == ()


def test_a_kernel_tells_changing_grids_apart(kernel, x):
    with profiler.profile() as p:
        for threads in (4, 4, 8, 4):
            kernel(x, threads=threads)
        kernel(x, threads=4, group_size=2)
        kernel(mp.zeros(2, device=x.device), threads=4, group_size=2)
    launches = [event.details for event in p.events if event.kind == "launch"]
    assert [d["threads"][0] for d in launches] == [4, 4, 8, 4, 4, 4]
    assert [d["group_size"][0] for d in launches] == [4, 4, 8, 4, 2, 2]
    assert [d["bound_bytes"] for d in launches] == [48] * 5 + [8]


def test_streams_and_devices_that_come_later_are_included(mock, kernel, x):
    other = MockDriver()
    with profiler.profile() as p:
        s = Stream(mock.device)
        with stream(s):
            kernel(x)
        device = other.open("mps:1")
        mp.zeros(4, device=device).fill(2)
        k.idle_kernel(device, k.device_pointer("x", FLOAT, 0))(mp.zeros(4, device=device))
    commands = [(e.kind, e.device, e.stream) for e in p.events if e.kind in ("launch", "fill")]
    assert commands[0] == ("launch", "mps:0", s.stream_id)
    assert commands[-2:] == [("fill", "mps:1", 0), ("launch", "mps:1", 0)]
    assert all(e.run_start is not None for e in p.events if e.kind in ("launch", "fill"))
    assert flags(mock) == flags(other) == {0}


def test_a_stream_that_is_gone_keeps_its_times(mock, kernel, x):
    with profiler.profile() as p:
        for _ in range(3):
            with stream(Stream(mock.device)):
                kernel(x)
        gc.collect()
    assert len({event.stream for event in p.events}) == 3
    assert p.lost == 0


def test_memory(mock):
    made = pool.pool(mock.device)
    with profiler.profile() as p:
        block = made.new_block(1000)
        size, reserved = made.allocated, made.reserved
        del block
        block = made.new_block(1000)
        del block
        made.empty_cache()
    seen = [(e.kind, e.details["bytes"], e.details["allocated"], e.details["reserved"]) for e in p.events]
    assert seen == [
        ("allocate", reserved, 0, reserved),
        ("use", size, size, reserved),
        ("use", size, 0, reserved),
        ("use", size, size, reserved),
        ("use", size, 0, reserved),
        ("free", reserved, 0, 0),
    ]


def test_waits(mock, kernel, x):
    mock.automatic = False
    with profiler.profile() as p:
        kernel(x)
        mock.device.synchronize()
        mock.device.synchronize()  # nothing is left to wait for
    assert [event.kind for event in p.events] == ["launch", "wait"]


def test_user_ranges(mock):
    calls = []

    @profiler.record_function("outer", step=3)
    def outer():
        calls.append(1)
        with profiler.record_function("inner"):
            pass

    outer()
    with profiler.record_function("began before"), profiler.profile() as p:
        outer()
    assert calls == [1, 1]
    assert [(e.name, dict(e.details)) for e in p.events] == [("outer", {"step": 3}), ("inner", {})]
    assert {e.kind for e in p.events} == {"user"}
    with pytest.raises(TypeError, match="the name is a str, got int"):
        profiler.record_function(3)


def test_what_begins_after_the_end_is_left_out(kernel, x):
    with profiler.profile() as p:
        kernel(x)
        seen = p.events
    kernel(x)
    assert len(seen) == len(p.events) == 1
    assert p.events is p.events


# ---- waiting for each command ----


def test_wait_until_completed(mock, kernel, x):
    mock.automatic = False
    raised = Event(mock.device)
    del mock.calls[:]
    with profiler.profile("event", wait_until_completed=True) as p:
        assert p.wait_until_completed
        kernel(x)
        x.fill(1)
        mock.device.queue.wait_event(raised, 1)  # may depend on what this thread does next
        assert mock.calls == [("wait", 1), ("wait", 2)]
    del mock.calls[:]
    kernel(x)
    assert mock.calls == []


def test_a_failure_belongs_to_its_call_when_each_is_waited_for(mock, kernel, x):
    mock.failure = (abi.FAULT, "kernel 'k' did something illegal")
    with profiler.profile(wait_until_completed=True) as p:
        with pytest.raises(mp.KernelFaultError, match="something illegal"):
            kernel(x)
        kernel(x)
    assert p.stats()[0].count == 2


def test_memory_is_in_use_though_the_wait_is_left(mock, kernel, x, monkeypatch):
    """Whatever ends the wait that the profile adds: the work may still run, and its memory must not be used again."""
    y = mp.zeros(12, device=mock.device)
    mock.automatic = False
    with profiler.profile(wait_until_completed=True):
        for call in (lambda: y._copy_from(x), lambda: y.fill(1), lambda: kernel(y)):
            mock.failure = (abi.FAULT, "left early")
            with monkeypatch.context() as patch:
                patch.setattr(mock, "complete", lambda *_: None)
                with pytest.raises(mp.KernelFaultError, match="left early"):
                    call()
            assert not y._block.idle
            mock.device.synchronize()
            assert y._block.idle and x._block.idle


# ---- failures and losses ----


def test_a_failure_is_left_to_the_next_wait(mock, kernel, x):
    with profiler.profile() as p:
        kernel(x)
        mock.failure = (abi.FAULT, "kernel 'k' did something illegal")
    assert p.stats()[0].count == 1
    with pytest.raises(mp.KernelFaultError, match="something illegal"):
        mock.device.synchronize()
    mock.device.synchronize()


def test_lost_times_are_counted_and_told(mock, kernel, x, tmp_path):
    mock.trace_capacity = 4
    with pytest.warns(mp.MetalWarning, match="6 commands have no device time"), profiler.profile() as p:
        for _ in range(10):
            kernel(x)
    assert p.lost == 6 and p.dropped == 0
    assert p.stats()[0].count == 4
    assert "not complete: 6 commands" in p.table() and "not complete" in repr(p)
    p.export_chrome_trace(tmp_path / "t.json")
    facts = json.loads((tmp_path / "t.json").read_text())["otherData"]
    assert facts["commands without device time"] == 6


def test_dropped_events_are_counted_and_told(kernel, x):
    with pytest.warns(mp.MetalWarning, match=r"7 events came after the first 3 \(max_events\)"):
        profiler.start(max_events=3)
        for _ in range(10):
            kernel(x)
        p = profiler.stop()
    assert (len(p.events), p.dropped, p.lost) == (3, 7, 0)


def test_no_more_commands_are_on_the_way_than_a_driver_keeps_times_of(mock, kernel, x):
    mock.automatic = False
    most = 0
    with profiler.profile() as p:
        for _ in range(20_000):
            kernel(x)
            (queue,) = mock.recorded
            most = max(most, mock.recorded[queue] - mock.completed[queue])
    assert 4096 < most < 16384
    assert p.lost == 0 and p.stats()[0].count == 20_000


def test_a_stream_that_does_not_move_is_not_waited_for(mock, kernel, x):
    mock.automatic = False
    mock.timeouts = 100  # every wait times out
    with profiler.profile() as p:
        for _ in range(10_000):
            kernel(x)
        assert 0 < mock.timeouts < 100
        mock.timeouts = 0
    assert p.lost == 0


def test_a_failure_found_on_the_way_is_left_to_the_next_wait(mock, kernel, x):
    mock.automatic = False
    mock.failure = (abi.FAULT, "kernel 'k' did something illegal")
    with profiler.profile():
        for _ in range(10_000):
            kernel(x)
        assert mock.failure is None  # the driver has told
    with pytest.raises(mp.KernelFaultError, match="something illegal"):
        mock.device.synchronize()


# ---- statistics ----


def test_statistics_add_up(mock, kernel, x):
    ticks = itertools.accumulate(itertools.cycle([0, 1000, 0, 3000, 0, 500]))
    with profiler.profile() as p:
        mock.clock = lambda: next(ticks)
        for threads in (4, (4, 2), (3, 2, 2)):
            kernel(x, threads=threads)
        mock.clock = lambda: time.monotonic_ns() + HOUR
    (row,) = p.stats()
    assert (row.name, row.kind, row.device, row.count) == ("k", "launch", "mps:0", 3)
    assert row.total == pytest.approx(4.5e-6) and row.mean == pytest.approx(1.5e-6)
    assert (row.min, row.max) == (pytest.approx(0.5e-6), pytest.approx(3e-6))
    assert row.threads_per_second == pytest.approx(24 / 4.5e-6)
    assert row.bytes_per_second is None and row.bound_bytes == 3 * 48


def test_bytes_per_second(mock, kernel, x):
    ticks = itertools.count(0, 1000)
    with profiler.profile() as p:
        mock.clock = lambda: next(ticks)
        x.fill(1)
        mock.clock = lambda: time.monotonic_ns() + HOUR
    (row,) = p.stats()
    assert row.kind == "fill" and row.bytes_per_second == pytest.approx(48 / 1e-6)
    assert row.threads_per_second is None and row.bound_bytes is None


def test_table(mock, kernel, x):
    with profiler.profile() as p:
        for _ in range(3):
            kernel(x)
        x.fill(1)
    head, rule, *rows = p.table("count").splitlines()
    assert head.split() == "name kind count total share mean min max threads/s bytes/s".split()
    assert set(rule) == {"-", " "}
    assert [row.split()[:3] for row in rows] == [["k", "launch", "3"], ["fill", "fill", "1"]]
    assert [row.split()[0] for row in p.table("name").splitlines()[2:]] == ["fill", "k"]
    assert len(p.table(limit=1).splitlines()) == 3
    with pytest.raises(mp.ProfilerError, match=r"sort_by is one of name, kind, count, .*, got 'cpu'"):
        p.table("cpu")


def test_an_empty_profile(tmp_path):
    with profiler.profile() as p:
        assert repr(p).startswith("<metalpy.mps.profiler.Profile running for ")
    assert p.stats() == [] and len(p.table().splitlines()) == 2
    assert repr(p).endswith(" ms: nothing>")
    p.export_chrome_trace(tmp_path / "t.json")
    assert json.loads((tmp_path / "t.json").read_text())["traceEvents"]


def test_a_file_that_cannot_be_written_leaves_nothing(kernel, x, tmp_path):
    with profiler.profile() as p:
        kernel(x)
    with pytest.raises(OSError, match="absent"):
        p.export_chrome_trace(tmp_path / "absent" / "t.json")
    (tmp_path / "t.json").mkdir()
    with pytest.raises(OSError, match=r"t\.json"):
        p.export_chrome_trace(tmp_path / "t.json")
    assert [path.name for path in tmp_path.iterdir()] == ["t.json"]


# ---- captures, on a device that has them ----


@pytest.fixture
def apple(mock, monkeypatch):
    monkeypatch.setattr(profiler, "_device", lambda: mock.device)
    monkeypatch.setattr(profiler, "_captures", 0)
    mock.capture_state = abi.CAPTURE_ENABLED
    return mock


def captures(mock):
    return [call for call in mock.calls if call[0] in ("start_capture", "stop_capture", "wait")]


def test_capture(apple, kernel, x):
    assert profiler.is_metal_capture_enabled() is True
    assert profiler.is_capturing_metal() is False
    apple.automatic = False
    kernel(x)
    del apple.calls[:]
    with profiler.metal_capture("scale") as nothing:
        assert nothing is None
        assert profiler.is_capturing_metal() is True
        kernel(x)
    assert profiler.is_capturing_metal() is False
    assert captures(apple) == [("wait", 1), ("start_capture", "0000-scale.gputrace"), ("wait", 2), ("stop_capture",)]


def test_captures_are_numbered_and_may_lie_in_a_folder(apple, tmp_path):
    for _ in range(2):
        with profiler.metal_capture(tmp_path / "scale"):
            pass
    paths = [call[1] for call in apple.calls if call[0] == "start_capture"]
    assert paths == [str(tmp_path / f"000{n}-scale.gputrace") for n in (0, 1)]


def test_a_capture_that_does_not_start_takes_no_number(apple):
    apple.capture_failure = (abi.INTERNAL, "failed to start capture")
    with pytest.raises(mp.MetalError, match="failed to start capture"), profiler.metal_capture("a"):
        raise AssertionError("the body must not run")
    with profiler.metal_capture("b"):
        pass
    assert [call[1] for call in apple.calls if call[0] == "start_capture"] == ["0000-b.gputrace"]


def test_a_capture_within_a_capture(apple):
    with profiler.metal_capture("a"):
        with pytest.raises(mp.MetalError, match="running already"), profiler.metal_capture("b"):
            raise AssertionError("the body must not run")
        assert profiler.is_capturing_metal()


def test_a_capture_is_stopped_before_a_failure_is_raised(apple, kernel, x):
    apple.automatic = False
    with pytest.raises(mp.KernelFaultError, match="illegal"), profiler.metal_capture("a"):
        kernel(x)
        apple.failure = (abi.FAULT, "something illegal")
    assert captures(apple)[-1] == ("stop_capture",)
    apple.device.synchronize()


def test_the_body_s_error_comes_first(apple, kernel, x):
    apple.automatic = False
    with pytest.raises(ZeroDivisionError), profiler.metal_capture("a"):
        kernel(x)
        apple.failure = (abi.FAULT, "something illegal")
        raise ZeroDivisionError
    assert captures(apple)[-2:] == [("wait", 1), ("stop_capture",)]
    with pytest.raises(mp.KernelFaultError, match="illegal"):
        apple.device.synchronize()


@pytest.mark.parametrize("name", ["", "folder/"])
def test_a_capture_needs_a_name(apple, name):
    with pytest.raises(mp.ProfilerError, match="needs a name"), profiler.metal_capture(name):
        pass
    with pytest.raises(TypeError), profiler.metal_capture(3):
        pass


def test_a_capture_that_is_not_enabled(apple):
    apple.capture_state = 0
    assert profiler.is_metal_capture_enabled() is False
    with pytest.raises(mp.UnsupportedError, match="MTL_CAPTURE_ENABLED=1"), profiler.metal_capture("a"):
        pass
