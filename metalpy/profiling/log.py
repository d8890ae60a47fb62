"""Profiling asked for by the environment: a line for each operation, tables at exit, signposts."""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import threading
from typing import Any

from metalpy import environment
from metalpy._core import registry, trace
from metalpy.profiling.resolve import OPERATIONS, TraceEvent, clock_offset, resolve, times_of
from metalpy.profiling.statistics import Statistics, Tally, table

__all__ = ["follow_environment"]

# METALPY_LOG_PROFILE_INFO. There are no fallbacks here, and no graphs: 4, 64 and 512 have no effect.
OPERATION_LINES, COPY_LINES, ALL_TABLES, OPERATION_TABLE, COPY_TABLE = 1, 2, 8, 16, 32
DEVICE_TIME, HOST_TIME = 128, 256

# METALPY_TRACE_SIGNPOSTS: options, then kinds.
ALL_EVENTS, ALL_INTERVALS, WAIT, WITH_SCHEDULING, INTERVALS, EVENTS = 1, 2, 4, 8, 16, 32
OPERATIONS_KIND, COPIES_KIND = 1 << 16, 1 << 17

FOLD = 4096  # events between two looks

_LOG = environment.integer(0, 1023)
_NONE = (0, False)

_lock = threading.Lock()
_done = False  # under _lock
_log: Log | None = None


def follow_environment() -> None:
    """Do what the variables ask for; the first call counts.

    Raises
    ------
    EnvironmentVariableError
        If one of them cannot be meant.
    """
    global _done, _log
    asked = environment.read("METALPY_LOG_PROFILE_INFO", "PYTORCH_MPS_LOG_PROFILE_INFO", parse=_LOG, default=0)
    marks = environment.read("METALPY_TRACE_SIGNPOSTS", "PYTORCH_MPS_TRACE_SIGNPOSTS", parse=_signposts, default=_NONE)
    with _lock:
        if _done:
            return
        _done = True
    if marks != _NONE:
        trace.set_base(*marks)
    if asked:
        _log = Log(asked)
        trace.begin(_log.recording)
        atexit.register(_log.close)
    registry.follow_trace()


def _signposts(text: str) -> tuple[int, bool]:
    """``MP_TRACE_*`` flags, and whether to wait for each command."""
    allowed = "a sum of options (1, 2, 4, 8, 16, 32) and kinds (0x10000, 0x20000, 0x40000)"
    try:
        value = environment.integer(0, 7 << 16 | 63)(text)
    except ValueError:
        value = 64
    if value & 0xFFFF > 63:
        raise ValueError(allowed)
    if value & WITH_SCHEDULING and not value & (ALL_INTERVALS | INTERVALS):
        raise ValueError(f"{allowed}, where 8 needs intervals (2 or 16)")
    flags = 0
    if value & (ALL_EVENTS | EVENTS):
        flags |= trace.TRACE_EVENTS
    if value & (ALL_INTERVALS | INTERVALS):
        flags |= trace.TRACE_INTERVALS
    everything = value & (ALL_EVENTS | ALL_INTERVALS)
    if flags and (everything or value & OPERATIONS_KIND):
        flags |= trace.TRACE_OPERATIONS
    if flags and (everything or value & COPIES_KIND):
        flags |= trace.TRACE_COPIES
    return flags, bool(value & WAIT)


class Log:
    """A recording that is read as it goes: only what still runs, and the sums, stay in memory."""

    def __init__(self, options: int) -> None:
        self.options = options
        self.recording = trace.Recording(trace.TRACE_TIMES, False, FOLD, self.fold)
        self._waiting: list[tuple[Any, ...]] = []  # commands whose times have not come
        self._tally = Tally()
        self._runs: dict[str, int] = {}
        self._offsets: dict[int, int] = {}
        self._lost = 0
        self._busy = threading.Lock()
        self._process = os.getpid()

    def fold(self) -> None:
        """Read what has come: print lines, add up."""
        if not self._busy.acquire(blocking=False):  # another thread is at it, or this one is
            return
        try:
            events, timings = self.recording.take()
            self._read([*self._waiting, *(event for event in events if event[0] in OPERATIONS)], timings)
        finally:
            self._busy.release()

    def _read(self, events: list[tuple[Any, ...]], timings: dict[int, bytearray]) -> None:
        for device in registry.open_devices():
            if device.identity not in self._offsets:
                self._offsets[device.identity] = clock_offset(device)
        times = times_of(timings)
        newest: dict[int, int] = {}
        for queue, serial in times:
            newest[queue] = max(serial, newest.get(queue, 0))
        self._waiting = [e for e in events if (e[5], e[6]) not in times and e[6] > newest.get(e[5], 0)]
        known = [e for e in events if (e[5], e[6]) in times]
        self._lost += len(events) - len(known) - len(self._waiting)  # later ones of the queue have come
        for event in resolve(known, timings, self.recording, self._offsets):
            self._tally.add(event)
            if self.options & (OPERATION_LINES if event.kind == "launch" else COPY_LINES):
                self._print(event)

    def _print(self, event: TraceEvent) -> None:
        self._runs[event.name] = run = self._runs.get(event.name, 0) + 1
        details = [f"{name}={value}" for name, value in event.details.items() if value != ""]
        if self.options & DEVICE_TIME and event.run_seconds is not None:
            details.append(f"device {event.run_seconds * 1e6:.3f} us")
        if self.options & HOST_TIME:
            details.append(f"call {(event.end - event.start) * 1e-3:.3f} us")
        place = f"{event.device} stream {event.stream}"
        _say(f"metalpy: {event.kind} {event.name} (run={run}) on {place}: {', '.join(details)}")

    def close(self) -> None:
        """Print the tables. Work that still runs is not waited for: it may have no end."""
        if os.getpid() != self._process:
            return
        registry.drain_queues()
        self.fold()
        trace.end(self.recording)
        rows = self._tally.statistics()
        for wanted, kinds, title in (
            (OPERATION_TABLE, ("launch",), "launches"),
            (COPY_TABLE, ("copy", "fill"), "copies and fills"),
        ):
            chosen: list[Statistics] = [row for row in rows if row.kind in kinds]
            if self.options & (ALL_TABLES | wanted) and chosen:
                _say(f"metalpy: {title}, by mean device time\n{table(chosen, 'mean')}")
        if self._lost or self._waiting:
            _say(f"metalpy: of {self._lost} operations the times were lost, {len(self._waiting)} had not finished")


def _say(text: str) -> None:
    """A line on stderr; where nobody listens any more, the program goes on."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError, ValueError):
            print(text, file=sys.stderr)
