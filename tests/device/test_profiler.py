"""The profiler on devices: complete, in order, on one clock; its files; its log."""

import gzip
import itertools
import json
import os
import re
import threading
import time
from collections import Counter, defaultdict

import numpy as np
import pytest

import metalpy as mp
from metalpy._core import driver, pool
from metalpy._core.stream import selected_queue
from metalpy.mps import Event, Stream, profiler, stream
from tests.helpers.process import python

SOURCE = """
#include <metal_stdlib>
using namespace metal;
kernel void add(device uint* x, constant uint& by, uint i [[thread_position_in_grid]]) { x[i] += by; }
kernel void turn(device uint* x, constant uint& turns, uint i [[thread_position_in_grid]]) {
  uint y = x[i];
  for (uint k = 0; k < turns; ++k) y = y * 1664525u + 1013904223u + (y >> 16);
  x[i] = y;
}
kernel void divide(device int* x, uint i [[thread_position_in_grid]]) { x[i] = 7 / x[i]; }
"""
# The overlap of half a nanosecond that rounding to microseconds may make.
HALF_NANOSECOND = 0.0005


@pytest.fixture(scope="module")
def compiled():
    found = {}
    yield lambda device: found.setdefault(device, mp.mps.compile_shader(SOURCE, device=device))
    found.clear()


@pytest.fixture
def lib(device, compiled):
    return compiled(device)


@pytest.fixture(autouse=True)
def nothing_runs():
    yield
    assert profiler.stop() is None, "the test left a profile running"


def exported(p, path):
    """The file, checked: format, tracks, nesting, arrows."""
    p.export_chrome_trace(path)
    read = gzip.open if str(path).endswith(".gz") else open
    with read(path, "rt") as file:
        trace = json.load(file)
    check_format(trace)
    return trace


def tracks(trace):
    """(process name, track name) -> its spans."""
    process, track, spans = {}, {}, defaultdict(list)
    for entry in trace["traceEvents"]:
        if entry["ph"] == "M" and entry["name"] == "process_name":
            process[entry["pid"]] = entry["args"]["name"]
        if entry["ph"] == "M" and entry["name"] == "thread_name":
            assert (entry["pid"], entry["tid"]) not in track
            track[entry["pid"], entry["tid"]] = entry["args"]["name"]
    for entry in trace["traceEvents"]:
        if entry["ph"] == "X":
            spans[process[entry["pid"]], track[entry["pid"], entry["tid"]]].append(entry)
    return spans


def check_format(trace):
    assert trace["displayTimeUnit"] in ("ms", "ns")
    required = {
        "X": {"name", "cat", "ts", "dur", "pid", "tid"}, "M": {"name", "pid", "args"}, "i": {"name", "ts", "s"},
        "C": {"name", "ts", "pid", "args"}, "s": {"id", "name", "cat", "ts", "tid"},
        "f": {"id", "name", "cat", "ts", "tid", "bp"},
    }  # fmt: skip
    for entry in trace["traceEvents"]:
        assert required[entry["ph"]] <= set(entry), entry
        assert entry["ph"] == "M" or entry["ts"] >= 0
        assert entry.get("dur", 0) >= 0
    assert len({e["tid"] for e in trace["traceEvents"] if e["ph"] == "M" and e["name"] == "thread_name"}) == sum(
        e["ph"] == "M" and e["name"] == "thread_name" for e in trace["traceEvents"]
    )
    for (process, _), spans in tracks(trace).items():
        (check_apart if process.startswith("mps") else check_nesting)(spans)
    check_arrows(trace)


def check_apart(spans):
    end = 0
    for span in sorted(spans, key=lambda span: span["ts"]):
        assert span["ts"] >= end - HALF_NANOSECOND
        end = span["ts"] + span["dur"]


def check_nesting(spans):
    stack = []
    for span in sorted(spans, key=lambda span: (span["ts"], -span["dur"])):
        end = span["ts"] + span["dur"]
        while stack and stack[-1] <= span["ts"] + HALF_NANOSECOND:
            stack.pop()
        assert not stack or end <= stack[-1] + HALF_NANOSECOND, span
        stack.append(end)


def check_arrows(trace):
    """Each starts inside the call and ends inside the run of the same operation, later."""
    entries = trace["traceEvents"]
    starts = {e["id"]: e for e in entries if e["ph"] == "s"}
    ends = {e["id"]: e for e in entries if e["ph"] == "f"}
    assert set(starts) == set(ends) and len(starts) == sum(e["ph"] == "s" for e in entries)
    spans = {(e["pid"], e["tid"], e["ts"], e["name"]) for e in entries if e["ph"] == "X"}
    names = defaultdict(set)
    for pid, tid, ts, name in spans:
        names[pid, tid, ts].add(name)
    for number, start in starts.items():
        end = ends[number]
        assert start["ts"] <= end["ts"]
        assert names[start["pid"], start["tid"], start["ts"]] & names[end["pid"], end["tid"], end["ts"]]


# ---- the counterpart's own test ----


def test_profiler_module(device, lib):
    x = mp.zeros(64, dtype=mp.uint32, device=device)
    with profiler.profile(mode="event"):
        lib.add(x, 1)
    profiler.start("interval", wait_until_completed=True)
    lib.add(x, 1)
    profiler.stop()
    assert x.tolist() == [2] * 64


# ---- completeness and order ----


def test_every_launch_appears_once(device, lib, tmp_path):
    """More than a driver keeps times of, faster than anybody waits."""
    count = 40_000
    x = mp.zeros(16, dtype=mp.uint32, device=device)
    lib.add(x, 1)
    with profiler.profile() as p:
        for _ in range(count):
            lib.add(x, 1)
    assert x.tolist() == [count + 1] * 16
    launches = [event for event in p.events if event.kind == "launch"]
    assert len(launches) == count and (p.lost, p.dropped) == (0, 0)
    runs = [(event.run_start, event.run_end) for event in launches]
    assert all(start <= end for start, end in runs)
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(runs))
    assert all(event.start <= event.run_start for event in launches)
    (row,) = p.stats()
    assert (row.name, row.count) == ("add", count)
    assert row.total == pytest.approx(sum(end - start for start, end in runs) * 1e-9)


def test_device_time_agrees_with_events(device, lib):
    x = mp.zeros(256, dtype=mp.uint32, device=device)
    lib.turn(x, 1)
    with stream(Stream(device)), profiler.profile() as p:
        marks = [Event(enable_timing=True) for _ in range(3)]
        marks[0].record(mp.mps.current_stream(device))
        lib.turn(x, 200_000)
        marks[1].record(mp.mps.current_stream(device))
        lib.turn(x, 2)
        marks[2].record(mp.mps.current_stream(device))
    long, short = (event.run_seconds for event in p.events if event.kind == "launch")
    outside = [a.elapsed_time(b) * 1e-3 for a, b in itertools.pairwise(marks)]
    assert 0 < short <= outside[1] and 0 < long <= outside[0]
    assert short < long  # a hundred thousand times the work
    (row,) = p.stats()
    assert (row.min, row.max) == (pytest.approx(short), pytest.approx(long))
    assert row.threads_per_second == pytest.approx(2 * 256 / row.total)


def test_copies_and_fills(device):
    x = mp.empty(1 << 20, device=device)
    with profiler.profile() as p:
        x.fill(3)
        y = x.copy()
    rows = {row.kind: row for row in p.stats()}
    assert set(rows) == {"fill", "copy"}
    for row in rows.values():
        assert row.count == 1 and row.bytes_per_second == pytest.approx((4 << 20) / row.total)
    del y


def test_the_timeline(device, lib, tmp_path):
    x = mp.zeros(1000, dtype=mp.uint32, device=device)
    s = Stream(device)
    with profiler.profile() as p:
        with profiler.record_function("step", number=1):
            lib.add(x, 1, threads=(10, 100), group_size=(10, 5))
            ready = mp.mps.default_stream(device).record_event()
        ready.wait(s)
        with stream(s):
            y = x.copy()
            y.fill(4)
        y.numpy()
    trace = exported(p, tmp_path / "t.json")
    found = tracks(trace)
    label = str(device)
    host, first, second = ("host", "MainThread"), (f"{label} {device.name}", "stream 0 (default)"), (
        f"{label} {device.name}", f"stream {s.stream_id}"
    )  # fmt: skip
    assert set(found) == {host, first, second}
    assert [span["name"] for span in found[first]] == ["add"]
    assert [span["name"] for span in found[second]] == ["wait for event", "copy", "fill"]
    names = Counter(span["name"] for span in found[host])
    assert names >= Counter(["step", "add", "copy", "fill", "signal event", "wait for event", "wait"])
    (run,) = found[first]
    assert run["args"] == {
        "device": label, "stream": 0, "threads": [10, 100, 1], "group_size": [10, 5, 1], "bound_bytes": 4000,
        "source": "program_source:4",
    }  # fmt: skip
    (launch,) = (event for event in p.events if event.kind == "launch")
    assert (run["ts"], run["dur"]) == (launch.run_start / 1000, (launch.run_end - launch.run_start) / 1000)
    (call,) = (span for span in found[host] if span["name"] == "add")
    assert (call["ts"], call["dur"]) == (launch.start / 1000, (launch.end - launch.start) / 1000)
    (step,) = (span for span in found[host] if span["name"] == "step")
    assert step["args"] == {"number": 1} and step["cat"] == "user"
    counters = [entry for entry in trace["traceEvents"] if entry["ph"] == "C"]
    assert counters and all(set(entry["args"]) == {"in use", "kept for reuse"} for entry in counters)
    assert counters[-1]["args"]["in use"] >= 8000
    del y


def test_compressed_files(device, lib, tmp_path):
    with profiler.profile() as p:
        lib.add(mp.zeros(8, dtype=mp.uint32, device=device), 1)
    assert exported(p, tmp_path / "t.json.gz") == exported(p, tmp_path / "t.json")


def test_memory(device):
    used = pool.pool(device)
    used.empty_cache()
    before = used.allocated
    with profiler.profile() as p:
        x = mp.empty(1 << 26, device=device)  # more than any cache has
        held = used.allocated
        del x
        used.empty_cache()
    kinds = [event.kind for event in p.events if event.kind in ("allocate", "free")]
    assert kinds.count("allocate") == 1 and kinds.count("free") >= 1
    in_use = [event.details["allocated"] for event in p.events if event.kind == "use"]
    assert held - before >= 4 << 26
    assert max(in_use) == held and in_use[-1] == before


def test_compilation(device, tmp_path, monkeypatch):
    name = f"fresh_{os.getpid()}"
    source = f"kernel void {name}(device float* x, uint i [[thread_position_in_grid]]) {{ x[i] = 5; }}"
    x = mp.zeros(4, device=device)
    cached = []
    for _ in range(2):
        with profiler.profile() as p:
            mp.mps.compile_shader(source, device=device)[name](x)
        steps = [event for event in p.events if event.kind == "compile"]
        assert [step.name for step in steps] == ["front end", "lowering", "load"]
        assert [step.details.get("kernel") for step in steps] == [None, name, name]
        cached.append([step.details.get("cached") for step in steps])
        (launch,) = (event for event in p.events if event.kind == "launch")
        assert all(launch.start <= step.start <= step.end <= launch.end for step in steps[1:])
    assert cached == [[False, False, None], [True, True, None]]


def test_a_program_that_does_not_compile_appears(device):
    with profiler.profile() as p, pytest.raises(mp.CompileError):
        mp.mps.compile_shader("kernel void broken(", device=device)
    assert [(event.kind, event.name) for event in p.events] == [("compile", "front end")]


def test_a_failing_kernel_has_a_time_and_its_failure_comes_later(device, lib):
    x = mp.zeros(4, dtype=mp.int32, device=device)
    with profiler.profile() as p:
        lib.divide(x)
    assert [row.count for row in p.stats()] == [1]
    with pytest.raises(mp.KernelFaultError, match="divided an integer by zero"):
        device.synchronize()


def test_waiting_for_each_command(device, lib):
    x = mp.zeros(4, dtype=mp.uint32, device=device)
    with profiler.profile(wait_until_completed=True) as p:
        for _ in range(20):
            lib.add(x, 1)
            assert device.queue.completed == device.queue.last_recorded
    launches = [event for event in p.events if event.kind == "launch"]
    assert all(a.run_end <= b.start for a, b in itertools.pairwise(launches))


# ---- threads ----


def test_many_threads_and_streams(device, lib, tmp_path):
    turns, workers = 300, 8
    arrays = [mp.zeros(64, dtype=mp.uint32, device=device) for _ in range(workers)]
    shared = Stream(device)
    begin = threading.Barrier(workers)

    def work(number):
        begin.wait()
        own = Stream(device)
        for turn in range(turns):
            with stream(own if turn % 3 else shared), profiler.record_function("turn"):
                lib.add(arrays[number], 1)
                if turn % 50 == 0:
                    own.synchronize()
        own.synchronize()

    threads = [threading.Thread(target=work, args=(n,), name=f"worker {n}") for n in range(workers)]
    with profiler.profile() as p:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    launches = [event for event in p.events if event.kind == "launch"]
    assert len(launches) == workers * turns and p.lost == 0
    by_thread = Counter(p.threads[event.thread] for event in launches)
    assert by_thread == {f"worker {n}": turns for n in range(workers)}
    assert Counter(event.stream for event in launches)[shared.stream_id] == workers * len(range(0, turns, 3))
    found = tracks(exported(p, tmp_path / "t.json"))
    assert len([track for process, track in found if process == "host"]) == workers
    assert len([track for process, track in found if process != "host"]) == workers + 1


def test_times_of_a_stream_that_is_gone(device, lib):
    """An array remembers the queue of its last use, so that the queue outlives its stream."""
    x = mp.zeros(8, dtype=mp.uint32, device=device)
    with profiler.profile() as p:
        own = Stream(device)
        with stream(own):
            lib.add(x, 1)
        while not own.query():  # no wait, which would fetch the times
            time.sleep(0.001)
        del own
        Stream(device)  # lets go of queues whose streams are gone and whose work is done
    (launch,) = (event for event in p.events if event.kind == "launch")
    assert launch.run_end > launch.run_start >= launch.start
    assert p.lost == 0


def test_a_launch_that_goes_on_when_the_profile_ends(device, lib):
    """It is recorded after `stop` has noted what to wait for, so it is no part of the profile."""
    x = mp.zeros(8, dtype=mp.uint32, device=device)
    gate, later = driver.Event(device), driver.Event(device)
    launching = threading.Event()

    class Threads:  # what a launch looks at after it has begun
        def __index__(self):
            launching.set()
            while p.running:
                time.sleep(0.001)
            selected_queue(device).wait_event(later, 1)
            return 8

    def work():
        with stream(Stream(device)):
            lib.add(x, 1, threads=Threads())
            gate.signal(1)

    thread = threading.Thread(target=work)
    with profiler.profile() as p, stream(Stream(device)):
        thread.start()
        launching.wait()
        selected_queue(device).wait_event(gate, 1)  # what `stop` waits for
    later.signal(1)
    thread.join()
    assert x.tolist() == [1] * 8
    assert p.lost == 0
    assert [event.kind for event in p.events if event.kind in ("launch", "wait_event")] == ["wait_event"]


def test_profiles_while_others_launch(device, lib):
    """Threads launch all the time; whatever a profile has is whole."""
    stop = threading.Event()

    def work():
        x = mp.zeros(8, dtype=mp.uint32, device=device)
        with stream(Stream(device)):
            while not stop.is_set():
                lib.add(x, 1)
                mp.mps.current_stream(device).synchronize()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(20):
            with profiler.profile() as p:
                x = mp.zeros(8, dtype=mp.uint32, device=device)
                lib.add(x, 1)
                device.synchronize()
            assert p.lost == 0
            assert all(event.run_start >= event.start for event in p.events if event.kind == "launch")
    finally:
        stop.set()
        for thread in threads:
            thread.join()


# ---- files of captures ----


def test_capture(device, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if not profiler.is_metal_capture_enabled():
        assert profiler.is_capturing_metal() is False
        wanted = "export_chrome_trace" if mp.device().driver == "software" else "MTL_CAPTURE_ENABLED"
        with pytest.raises(mp.UnsupportedError, match=wanted), profiler.metal_capture("ones"):
            raise AssertionError("the body must not run")
        assert list(tmp_path.iterdir()) == []
        return
    with profiler.metal_capture("ones"):
        assert profiler.is_capturing_metal() is True
        x = mp.ones(32)
        assert x.numpy().sum() == 32.0
    (document,) = tmp_path.iterdir()
    assert document.name == "0000-ones.gputrace" and len(list(document.iterdir())) > 3


# ---- fork, exit, environment: in processes of their own ----

PROGRAM = f"""
import os, sys, warnings
import metalpy as mp
from metalpy.mps import profiler
lib = mp.mps.compile_shader('''{SOURCE}''')
x = mp.zeros(100, dtype=mp.uint32)
"""


def run(code, **environment):
    return python("-W", "error", "-c", PROGRAM + code, timeout=120, **environment)


def test_a_forked_child_profiles_nothing_and_keeps_what_there_was(tmp_path):
    done = run("""
with profiler.profile() as p:
    lib.add(x, 1)
    mp.mps.synchronize()
    child = os.fork()
    if child == 0:
        assert profiler.stop() is None
        assert len([e for e in p.events if e.kind == "launch"]) == 1
        with profiler.record_function("in the child"):
            pass
        try:
            profiler.start()
        except mp.ForkError as error:
            assert "spawn" in str(error)
        else:
            raise AssertionError("start() in a forked child")
        assert profiler.stop() is None
if child:
    assert os.waitpid(child, 0)[1] == 0
    assert p.running is False
print(len(p.stats()), "user" in {e.kind for e in p.events})
""")
    assert (done.stderr, done.returncode) == ("", 0)
    assert sorted(done.stdout.split("\n")) == ["", "1 False", "1 False"]


def test_a_profile_that_runs_at_exit_does_no_harm():
    done = run("profiler.start()\nlib.add(x, 1)\n")
    assert (done.stderr, done.stdout, done.returncode) == ("", "", 0)


WORK = """
for _ in range(3):
    lib.add(x, 1)
y = x.copy()
y.fill(4)
mp.mps.synchronize()
"""


@pytest.mark.parametrize("name", ["METALPY_LOG_PROFILE_INFO", "PYTORCH_MPS_LOG_PROFILE_INFO"])
def test_lines_for_each_operation(name):
    done = run(WORK, **{name: str(1 | 2 | 128 | 256)})
    assert (done.stdout, done.returncode) == ("", 0)
    lines = done.stderr.splitlines()
    assert [line.split()[1:4] for line in lines] == [
        ["launch", "add", "(run=1)"], ["launch", "add", "(run=2)"], ["launch", "add", "(run=3)"],
        ["copy", "copy", "(run=1)"], ["fill", "fill", "(run=1)"],
    ]  # fmt: skip
    assert re.fullmatch(
        r"metalpy: launch add \(run=1\) on mps:0 stream 0: threads=\(100, 1, 1\), group_size=\(100, 1, 1\), "
        r"bound_bytes=400, source=program_source:4, device \d+\.\d{3} us, call \d+\.\d{3} us",
        lines[0],
    )
    assert "bytes=400" in lines[3] and "bytes=400" in lines[4]


def test_tables_at_exit():
    done = run(WORK, METALPY_LOG_PROFILE_INFO="8")
    assert done.returncode == 0
    launches, head, _, add, copies, _, _, *rest = done.stderr.splitlines()
    assert launches == "metalpy: launches, by mean device time" and head.startswith("name")
    assert add.split()[:3] == ["add", "launch", "3"]
    assert copies == "metalpy: copies and fills, by mean device time"
    assert sorted(row.split()[0] for row in rest) == ["copy", "fill"]
    only = run(WORK, METALPY_LOG_PROFILE_INFO="0x20").stderr
    assert "copies and fills" in only and "add" not in only


def test_a_log_that_nobody_reads_does_not_stop_the_program():
    done = run("import os, sys\nsys.stderr.close()\n" + WORK + "print(y.numpy().sum())", METALPY_LOG_PROFILE_INFO="11")
    assert (done.stdout, done.returncode) == ("400\n", 0)


def test_the_log_counts_what_a_profile_counts():
    done = run(
        """
with profiler.profile() as p:
    for _ in range(20_000):
        lib.add(x, 1)
print(p.stats()[0].count, p.lost)
""",
        METALPY_LOG_PROFILE_INFO="16",
    )
    assert done.stdout.split() == ["20000", "0"]
    assert done.stderr.splitlines()[3].split()[:3] == ["add", "launch", "20000"]
    assert len(done.stderr.splitlines()) == 4


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("METALPY_LOG_PROFILE_INFO", "1024", "an integer from 0 to 1023"),
        ("PYTORCH_MPS_LOG_PROFILE_INFO", "-1", "an integer from 0 to 1023"),
        ("METALPY_LOG_PROFILE_INFO", "all", "an integer from 0 to 1023"),
        ("METALPY_TRACE_SIGNPOSTS", "64", "a sum of options"),
        ("PYTORCH_MPS_TRACE_SIGNPOSTS", "0x80000", "a sum of options"),
        ("METALPY_TRACE_SIGNPOSTS", "8", "8 needs intervals"),
    ],
)
def test_bad_values_name_their_variable(name, value, message):
    done = run("", **{name: value})
    assert done.returncode == 1
    said = done.stderr.splitlines()[-1]
    assert said.startswith(f"metalpy.errors.EnvironmentVariableError: {name} must be ") and message in said
    assert said.endswith(f"not {value!r}")


@pytest.mark.parametrize("name", ["METALPY_TRACE_SIGNPOSTS", "PYTORCH_MPS_TRACE_SIGNPOSTS"])
def test_signposts_and_waiting_from_the_environment(name):
    done = run(
        """
lib.add(x, 1)
assert mp.device().queue.completed == mp.device().queue.last_recorded
with profiler.profile() as p:
    lib.add(x, 1)
assert len(p.stats()) == 1
""",
        **{name: str(4 | 16 | 1 << 16)},
    )
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


def test_results_are_the_same_with_and_without(device, lib):
    rng = np.random.default_rng(3)
    host = rng.integers(0, 1 << 32, 500, dtype=np.uint32)
    plain, profiled = mp.array(host, device=device), mp.array(host, device=device)
    lib.turn(plain, 17)
    with profiler.profile(wait_until_completed=True):
        lib.turn(profiled, 17)
    np.testing.assert_array_equal(plain.numpy(), profiled.numpy())
