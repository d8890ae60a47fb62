"""What events add up to, kernel by kernel, and the table of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from metalpy.errors import ProfilerError
from metalpy.profiling.resolve import OPERATIONS, TraceEvent

__all__ = ["Statistics", "Tally", "table"]


@dataclass(frozen=True, slots=True)
class Statistics:
    """How often something ran on a device, and for how long.

    Attributes
    ----------
    name : str
        The kernel's; ``"copy"`` or ``"fill"``.
    kind : str
        ``"launch"``, ``"copy"`` or ``"fill"``.
    device : str
    source : str
        ``"file:line"`` of the kernel, or empty.
    count : int
    total, mean, min, max : float
        Seconds of device time.
    threads_per_second : float or None
        Threads of all launches by their time; None for copies and fills, or if no time passed.
    bytes_per_second : float or None
        Bytes copied or filled by the time; None for launches: what a kernel reads and writes is not known.
    bound_bytes : int or None
        Bytes of the arrays that launches were given, summed over launches; None for copies and fills.
    """

    name: str
    kind: str
    device: str
    source: str
    count: int
    total: float
    mean: float
    min: float
    max: float
    threads_per_second: float | None = None
    bytes_per_second: float | None = None
    bound_bytes: int | None = None


class Tally:
    """Adds up events that ran."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str, str, str], _Row] = {}

    def add(self, event: TraceEvent) -> None:
        """Count a launch, copy or fill whose device time is known; nothing else."""
        if event.kind not in OPERATIONS or event.run_start is None or event.run_end is None:
            return
        key = (event.name, event.kind, event.device or "", event.details.get("source", ""))
        row = self._rows.get(key)
        if row is None:
            row = self._rows[key] = _Row()
        row.add(event, event.run_end - event.run_start)

    def statistics(self) -> list[Statistics]:
        """A record for each kernel, and for copies and fills, on each device; the longest total first."""
        found = [row.statistics(*key) for key, row in self._rows.items()]
        return sorted(found, key=lambda row: (-row.total, row.name))


class _Row:
    __slots__ = ("bound", "count", "longest", "moved", "shortest", "threads", "total")

    def __init__(self) -> None:
        self.count = self.total = self.longest = self.threads = self.moved = self.bound = 0
        self.shortest: int | None = None

    def add(self, event: TraceEvent, elapsed: int) -> None:
        self.count += 1
        self.total += elapsed
        self.longest = max(self.longest, elapsed)
        self.shortest = elapsed if self.shortest is None else min(self.shortest, elapsed)
        if event.kind == "launch":
            x, y, z = event.details["threads"]
            self.threads += x * y * z
            self.bound += event.details["bound_bytes"]
        else:
            self.moved += event.details["bytes"]

    def statistics(self, name: str, kind: str, device: str, source: str) -> Statistics:
        seconds = self.total * 1e-9
        launch = kind == "launch"
        return Statistics(
            name, kind, device, source, self.count, seconds, seconds / self.count, (self.shortest or 0) * 1e-9,
            self.longest * 1e-9,
            threads_per_second=self.threads / seconds if launch and seconds else None,
            bytes_per_second=self.moved / seconds if not launch and seconds else None,
            bound_bytes=self.bound if launch else None,
        )  # fmt: skip


# Heading, attribute to sort by. The share of the whole is sorted by total.
_COLUMNS = ("name", "kind", "count", "total", "share", "mean", "min", "max", "threads/s", "bytes/s")
_SORT = {
    "name": lambda row: row.name,
    "kind": lambda row: row.kind,
    "count": lambda row: -row.count,
    "total": lambda row: -row.total,
    "mean": lambda row: -row.mean,
    "min": lambda row: -row.min,
    "max": lambda row: -row.max,
    "threads/s": lambda row: -(row.threads_per_second or 0),
    "bytes/s": lambda row: -(row.bytes_per_second or 0),
}


def table(rows: Sequence[Statistics], sort_by: str = "total", limit: int | None = None) -> str:
    """A text table of statistics.

    Raises
    ------
    ProfilerError
        If there is no column `sort_by`.
    """
    if sort_by not in _SORT:
        raise ProfilerError(f"sort_by is one of {', '.join(_SORT)}, got {sort_by!r}")
    ordered = sorted(rows, key=_SORT[sort_by])
    whole = sum(row.total for row in rows)
    devices = len({row.device for row in rows}) > 1
    lines = [list(_COLUMNS)]
    for row in ordered[:limit]:
        name = f"{row.name} [{row.device}]" if devices else row.name
        lines.append([
            name, row.kind, str(row.count), _seconds(row.total), f"{row.total / whole:.1%}" if whole else "-",
            _seconds(row.mean), _seconds(row.min), _seconds(row.max),
            _rate(row.threads_per_second, 1000, ""), _rate(row.bytes_per_second, 1024, "B"),
        ])  # fmt: skip
    return "\n".join(_aligned(lines))


def _aligned(lines: list[list[str]]) -> Iterable[str]:
    """Names and kinds to the left, numbers to the right, a rule under the heading."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    for number, line in enumerate(lines):
        cells = [
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()
        if number == 0:
            yield "  ".join("-" * width for width in widths)


def _seconds(value: float) -> str:
    for scale, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "us")):
        if value >= scale:
            return f"{value / scale:.3f} {unit}"
    return f"{value * 1e9:.0f} ns"


def _rate(value: float | None, base: int, unit: str) -> str:
    if value is None:
        return "-"
    prefixes = ("", "Ki", "Mi", "Gi", "Ti") if base == 1024 else ("", "k", "M", "G", "T")
    power = 0
    while value >= base and power < len(prefixes) - 1:
        value, power = value / base, power + 1
    return f"{value:.2f} {prefixes[power]}{unit}".rstrip()


Statistics.__module__ = "metalpy.mps.profiler"  # where users find it
