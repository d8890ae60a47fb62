"""From a recording's tuples and the driver's times to events."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from metalpy._core import trace
from metalpy._core.driver import Device

__all__ = ["COMMANDS", "OPERATIONS", "TraceEvent", "clock_offset", "resolve", "times_of"]

OPERATIONS = ("launch", "copy", "fill")
COMMANDS = (*OPERATIONS, "signal", "wait_event")
MEMORY = ("allocate", "free", "use")
_NOTHING: Mapping[str, Any] = MappingProxyType({})
_TIMING = struct.Struct("=QQQ")  # mp_timing


class TraceEvent(NamedTuple):
    """Something that happened while a profile ran.

    Attributes
    ----------
    kind : str
        ``"launch"``, ``"copy"``, ``"fill"``, ``"signal"``, ``"wait_event"``: commands, recorded by a host thread and
        run by a device. ``"wait"``: the host waited. ``"compile"``. ``"user"``: `record_function`. ``"allocate"``,
        ``"free"``: memory that the device gave or took back. ``"use"``: memory in use changed.
    name : str
        The kernel's, or what happened.
    start, end : int
        The call on the host, in nanoseconds since the profile began.
    thread : int
        A key of `Profile.threads`.
    device : str or None
        ``"mps:0"``.
    stream : int or None
    run_start, run_end : int or None
        When the device ran a command, on the same clock; None if that is not known.
    details : mapping
        A launch has ``threads``, ``group_size``, ``bound_bytes`` (of the arrays among its arguments, whatever it reads
        of them) and ``source``; copies and fills have ``bytes``.
    """

    kind: str
    name: str
    start: int
    end: int
    thread: int
    device: str | None = None
    stream: int | None = None
    run_start: int | None = None
    run_end: int | None = None
    details: Mapping[str, Any] = _NOTHING

    @property
    def run_seconds(self) -> float | None:
        """How long the device ran a command."""
        if self.run_start is None or self.run_end is None:
            return None
        return (self.run_end - self.run_start) * 1e-9


def clock_offset(device: Device) -> int:
    """What the device's clock shows more than the host's, in nanoseconds; 0 where they are the same clock."""
    best: tuple[int, int] | None = None
    same = True
    for _ in range(8):
        before, there, after = trace.monotonic(), device.now, trace.monotonic()
        same = same and before <= there <= after
        sample = (after - before, there - (before + after) // 2)
        best = sample if best is None else min(best, sample)
    assert best is not None
    return 0 if same else best[1]


def times_of(timings: Mapping[int, bytes | bytearray]) -> dict[tuple[int, int], tuple[int, int]]:
    """Start and end by queue and serial, on the device's clock."""
    return {
        (queue, serial): (start, end)
        for queue, data in timings.items()
        for serial, start, end in _TIMING.iter_unpack(data)
    }


def resolve(
    raw: Iterable[tuple[Any, ...]],
    timings: Mapping[int, bytes | bytearray],
    recording: trace.Recording,
    offsets: Mapping[int, int],
) -> Iterator[TraceEvent]:
    """Events of a recording, in the order in which they were reported.

    Parameters
    ----------
    raw, timings
        What the recording has, or what was taken from it.
    recording : Recording
        Knows the queues and devices.
    offsets : mapping of int to int
        What each device's clock shows more than the host's.
    """
    times = times_of(timings)
    origin = recording.started
    for kind, name, began, ended, thread, place, serial, details in raw:
        device = place if kind in MEMORY else recording.queues.get(place, (0, 0))[0]
        label = recording.devices.get(device, (None, None))[0]
        stream = recording.queues[place][1] if place in recording.queues and kind not in MEMORY else None
        run: tuple[int | None, int | None] = (None, None)
        if kind in COMMANDS and (place, serial) in times:
            start, end = times[place, serial]
            shift = origin + offsets.get(device, 0)
            run = (start - shift, end - shift)
        run_start, run_end = run
        described = _details(kind, details)
        yield TraceEvent(
            kind, name, began - origin, ended - origin, thread, label, stream, run_start, run_end, described
        )


def _details(kind: str, details: Any) -> Mapping[str, Any]:
    if kind == "launch":
        return dict(zip(("threads", "group_size", "bound_bytes", "source"), details, strict=True))
    if kind in ("copy", "fill"):
        return {"bytes": details}
    if kind in MEMORY:
        return dict(zip(("bytes", "allocated", "reserved"), details, strict=True))
    return details or _NOTHING


TraceEvent.__module__ = "metalpy.mps.profiler"  # where users find it
