"""Profiles as Chrome trace JSON, the Trace Event Format that Perfetto and chrome://tracing open.

The host is a process with a track for each thread, each device is a process with a track for each stream and a counter
of its memory. An arrow leads from each call to its run on the device. Times are microseconds since the profile began.
"""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import IO, Any

from metalpy.profiling.resolve import COMMANDS, OPERATIONS, TraceEvent

__all__ = ["trace_events", "write"]

Record = dict[str, Any]


def trace_events(
    events: Sequence[TraceEvent], threads: Mapping[int, str], devices: Mapping[str, str]
) -> Iterator[Record]:
    """The entries of ``traceEvents``.

    Parameters
    ----------
    events : sequence of TraceEvent
    threads : mapping of int to str
        Names of host threads.
    devices : mapping of str to str
        Names of devices by their label.
    """
    tracks = _Tracks(events, threads, devices)
    yield from tracks.metadata()
    for number, event in enumerate(sorted(events, key=lambda event: (event.start, -event.end)), 1):
        yield from _on_host(event, tracks, number)
        yield from _on_device(event, tracks, number)


class _Tracks:
    """Numbers for processes and tracks; no two tracks have the same."""

    def __init__(self, events: Sequence[TraceEvent], threads: Mapping[int, str], devices: Mapping[str, str]) -> None:
        self.host = os.getpid()
        self._devices = devices
        self._threads = threads
        self.process = {label: self.host + number for number, label in enumerate(sorted(devices), 1)}
        streams = sorted({(event.device, event.stream) for event in events if event.stream is not None})
        tracks: list[Any] = [*sorted(threads), *streams]
        self.track = {track: number for number, track in enumerate(tracks, 1)}

    def metadata(self) -> Iterator[Record]:
        yield from _process(self.host, "host", 0)
        for order, (label, pid) in enumerate(self.process.items(), 1):
            yield from _process(pid, f"{label} {self._devices[label]}", order)
        for track, tid in self.track.items():
            if isinstance(track, tuple):
                label, stream = track
                name = f"stream {stream}" if stream else "stream 0 (default)"
                yield from _thread(self.process[label], tid, name)
            else:
                yield from _thread(self.host, tid, self._threads[track])


def _process(pid: int, name: str, order: int) -> Iterator[Record]:
    yield {"ph": "M", "name": "process_name", "pid": pid, "tid": 0, "args": {"name": name}}
    yield {"ph": "M", "name": "process_sort_index", "pid": pid, "tid": 0, "args": {"sort_index": order}}


def _thread(pid: int, tid: int, name: str) -> Iterator[Record]:
    yield {"ph": "M", "name": "thread_name", "pid": pid, "tid": tid, "args": {"name": name}}
    yield {"ph": "M", "name": "thread_sort_index", "pid": pid, "tid": tid, "args": {"sort_index": tid}}


def _on_host(event: TraceEvent, tracks: _Tracks, number: int) -> Iterator[Record]:
    at = {"pid": tracks.host, "tid": tracks.track[event.thread], "ts": event.start / 1000}
    if event.kind in ("allocate", "free"):
        yield {"ph": "i", "s": "t", "name": event.kind, "cat": "memory", **at, "args": _arguments(event)}
    if event.kind in ("allocate", "free", "use"):
        used, reserved = event.details["allocated"], event.details["reserved"]
        yield {
            "ph": "C", "name": "memory (bytes)", "cat": "memory", "pid": tracks.process[event.device or ""], "tid": 0,
            "ts": at["ts"], "args": {"in use": used, "kept for reuse": reserved - used},
        }  # fmt: skip
        return
    yield {
        "ph": "X", "name": event.name, "cat": event.kind, **at, "dur": (event.end - event.start) / 1000,
        "args": _arguments(event),
    }  # fmt: skip
    if event.kind in OPERATIONS and event.run_start is not None:
        yield {"ph": "s", "id": number, "name": event.kind, "cat": "flow", **at}


def _on_device(event: TraceEvent, tracks: _Tracks, number: int) -> Iterator[Record]:
    if event.kind not in COMMANDS or event.run_start is None or event.run_end is None:
        return
    track = tracks.track[event.device, event.stream]
    at = {"pid": tracks.process[event.device or ""], "tid": track, "ts": event.run_start / 1000}
    if event.kind == "signal":
        yield {"ph": "i", "s": "t", "name": event.name, "cat": event.kind, **at}
        return
    yield {
        "ph": "X", "name": event.name, "cat": event.kind, **at, "dur": (event.run_end - event.run_start) / 1000,
        "args": _arguments(event),
    }  # fmt: skip
    if event.kind in OPERATIONS:
        yield {"ph": "f", "bp": "e", "id": number, "name": event.kind, "cat": "flow", **at}


def _arguments(event: TraceEvent) -> Record:
    found: Record = {} if event.device is None else {"device": event.device}
    if event.stream is not None:
        found["stream"] = event.stream
    found.update(event.details)
    return found


def write(path: str | os.PathLike[str], records: Iterable[Record], facts: Mapping[str, Any]) -> None:
    """Write a trace file, compressed if its name ends with ``.gz``; the file appears when it is complete."""
    name = os.fsdecode(path)
    unfinished = f"{name}.{os.getpid()}.tmp"
    try:
        with gzip.open(unfinished, "wt") if name.endswith(".gz") else open(unfinished, "w", encoding="utf-8") as file:
            _write(file, records, facts)
        os.replace(unfinished, name)
    finally:
        if os.path.exists(unfinished):
            os.unlink(unfinished)


def _write(file: IO[str], records: Iterable[Record], facts: Mapping[str, Any]) -> None:
    # An entry a line: such files are looked at with grep, too.
    encode = json.JSONEncoder(default=str, separators=(",", ":")).encode
    file.write('{"displayTimeUnit":"ns","otherData":' + encode(dict(facts)) + ',"traceEvents":[\n')
    file.writelines((",\n" if number else "") + encode(record) for number, record in enumerate(records))
    file.write("\n]}\n")
