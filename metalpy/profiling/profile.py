"""A profile: what happened between start and stop."""

from __future__ import annotations

import contextlib
import datetime
import os
import warnings
import weakref
from collections import Counter
from typing import Any

from metalpy._core import registry, trace
from metalpy.errors import MetalError, MetalWarning
from metalpy.profiling import chrome
from metalpy.profiling.resolve import MEMORY, OPERATIONS, TraceEvent, clock_offset, resolve, times_of
from metalpy.profiling.statistics import Statistics, Tally, table

__all__ = ["Profile"]


class Profile:
    """What `metalpy.mps.profiler.profile` and `stop` give: a timeline and statistics.

    All of it can be asked for while the profile runs, too, and has then what is known so far.

    Attributes
    ----------
    mode : str
    wait_until_completed : bool
    running : bool
    threads : dict of int to str
        Names of the host threads that took part.
    duration : float
        Seconds from start to stop, or to now.
    dropped : int
        Events that are missing because there were more than `max_events`.
    lost : int
        Launches, copies and fills without device time: the driver keeps a bounded number of times, and dropped these
        while the program neither gave it work nor waited. Counted by `stop`.
    """

    def __init__(self, mode: str, flags: int, wait_until_completed: bool, max_events: int) -> None:
        self.mode = mode
        self.wait_until_completed = wait_until_completed
        self.running = False
        self._recording = trace.Recording(flags | trace.TRACE_TIMES, wait_until_completed, max_events)
        self._began = datetime.datetime.now(datetime.UTC)
        self._end: int | None = None
        self._offsets: dict[int, int] = {}
        self._events: tuple[TraceEvent, ...] | None = None
        self._lost = 0

    def _start(self) -> None:
        """Let everything be recorded; nothing has changed if it raises."""
        trace.begin(self._recording)
        try:
            registry.follow_trace()
        except BaseException:
            _abandon(self._recording)
            raise
        self.running = True
        # A profile that is dropped without stop() must not leave tracing on.
        self._finalizer = weakref.finalize(self, _abandon, self._recording)
        self._finalizer.atexit = False
        self._look_at_devices()

    def _stop(self) -> None:
        """Wait for what was recorded, so that its times are known, and end the recording."""
        if not self.running:
            return
        self.running = False
        self._end = trace.monotonic()
        try:
            if trace.is_active(self._recording):  # not in a forked child
                registry.settle()
                self._look_at_devices()
        finally:
            self._finalizer()
            self._lost = self._count_lost()
        if missing := self._missing():
            warnings.warn(f"the profile is not complete: {missing}", MetalWarning, stacklevel=3)

    def _look_at_devices(self) -> None:
        """Compare clocks."""
        for device in registry.open_devices():
            self._offsets.setdefault(device.identity, clock_offset(device))

    def _raw(self) -> tuple[list[tuple[Any, ...]], dict[int, bytes]]:
        """The recording's events up to the end, and the driver's times.

        A call that went on at the end is left out: what it gave to a device may be more than `stop` has waited for.
        """
        end = self._end
        events = [event for event in list(self._recording.events) if end is None or event[3] <= end]
        return events, {queue: bytes(data) for queue, data in list(self._recording.timings.items())}

    def _count_lost(self) -> int:
        events, timings = self._raw()
        times = times_of(timings)
        return sum(event[0] in OPERATIONS and (event[5], event[6]) not in times for event in events)

    def _missing(self) -> str:
        parts = []
        if self.dropped:
            parts.append(f"{self.dropped} events came after the first {self._recording.limit} (max_events)")
        if self.lost:
            parts.append(f"{self.lost} commands have no device time, of more that ran unattended than a driver keeps")
        return "; ".join(parts)

    @property
    def dropped(self) -> int:
        return self._recording.dropped

    @property
    def lost(self) -> int:
        return self._lost

    @property
    def threads(self) -> dict[int, str]:
        return dict(self._recording.threads)

    @property
    def duration(self) -> float:
        return ((self._end or trace.monotonic()) - self._recording.started) * 1e-9

    @property
    def events(self) -> tuple[TraceEvent, ...]:
        """Everything that happened, in the order in which the calls began."""
        if self._events is not None:
            return self._events
        if self.running:
            registry.drain_queues()
        raw, timings = self._raw()
        raw.sort(key=lambda event: event[2])
        found = tuple(resolve(raw, timings, self._recording, self._offsets))
        if self.running or trace.is_active(self._recording):
            return found
        if self._events is None:  # unless another thread was first, and has taken what there was
            self._events = found
            self._recording.take()
        return self._events

    def stats(self) -> list[Statistics]:
        """Device time by kernel, of copies and of fills; the longest total first.

        Returns
        -------
        list of Statistics
            With ``name``, ``kind``, ``device``, ``source``, ``count``, ``total``, ``mean``, ``min``, ``max`` (seconds),
            ``threads_per_second``, ``bytes_per_second`` and ``bound_bytes``.
        """
        tally = Tally()
        for event in self.events:
            tally.add(event)
        return tally.statistics()

    def table(self, sort_by: str = "total", limit: int | None = None) -> str:
        """The statistics as text.

        Parameters
        ----------
        sort_by : str
            ``"name"``, ``"kind"``, ``"count"``, ``"total"``, ``"mean"``, ``"min"``, ``"max"``, ``"threads/s"`` or
            ``"bytes/s"``; numbers from the largest.
        limit : int, optional
            Rows to show.

        Raises
        ------
        ProfilerError
            If there is no such column.
        """
        lines = [table(self.stats(), sort_by, limit)]
        missing = self._missing()
        return "\n".join([*lines, f"not complete: {missing}"] if missing else lines)

    def export_chrome_trace(self, path: str | os.PathLike[str]) -> None:
        """Write the timeline as a file for https://ui.perfetto.dev or chrome://tracing.

        Parameters
        ----------
        path : path
            By custom it ends with ``.json``; with ``.gz`` at the end the file is compressed, which both open too.

        Raises
        ------
        OSError
            If the file cannot be written.
        """
        from metalpy import __version__

        devices = dict(self._recording.devices.values())
        known = [event for event in self.events if event.kind not in MEMORY or event.device in devices]
        facts = {
            "metalpy": __version__,
            "began": self._began.isoformat(timespec="microseconds"),
            "mode": self.mode,
            "dropped events": self.dropped,
            "commands without device time": self.lost,
        }
        chrome.write(path, chrome.trace_events(known, self.threads, devices), facts)

    def __repr__(self) -> str:
        counts = Counter(event[0] for event in self._events or self._raw()[0])
        seen = [f"{counts[kind]} {names[counts[kind] > 1]}" for kind, names in _SHOWN.items() if counts[kind]]
        state = "running for" if self.running else "of"
        missing = self._missing()
        return (
            f"<metalpy.mps.profiler.Profile {state} {self.duration * 1e3:.3f} ms: {', '.join(seen) or 'nothing'}"
            f"{', not complete' if missing else ''}>"
        )


_SHOWN = {
    "launch": ("launch", "launches"),
    "copy": ("copy", "copies"),
    "fill": ("fill", "fills"),
    "wait": ("wait", "waits"),
    "compile": ("compiler step", "compiler steps"),
    "allocate": ("allocation by the driver", "allocations by the driver"),
    "user": ("user range", "user ranges"),
}


def _abandon(recording: trace.Recording) -> None:
    """End a recording; queues that cannot be told any more, in a forked child, do not matter."""
    trace.end(recording)
    with contextlib.suppress(MetalError):
        registry.follow_trace()


Profile.__module__ = "metalpy.mps.profiler"  # where users find it
