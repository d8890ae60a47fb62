"""What two commits' benchmark runs say: medians, spread, ratio, and whether the change is beyond the spread.

The commits were run in turns (base, head, base, head, ...), so the machine's drift hits both alike. One run of a
benchmark gives one number, its median. The rule for "changed":

1. the runs do not overlap: head's fastest run is slower than base's slowest one, or the reverse; and
2. the ratio of neighbouring runs (its median) is off 1 by more than `floor`.

With five runs each and no real change, chance satisfies the first condition for 1 benchmark in 126.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

FLOOR = 0.05  # smaller changes are not worth a flag even when they are real
FEWEST_RUNS = 4  # with 3 runs each, 1 benchmark in 10 would not overlap by chance

SAME, FASTER, SLOWER, UNSURE = "", "faster", "SLOWER", "few runs"


@dataclass(frozen=True)
class Change:
    """How one benchmark differs between two commits; times are seconds."""

    name: str
    base: tuple[float, ...]
    head: tuple[float, ...]
    floor: float = FLOOR

    @property
    def base_median(self) -> float:
        """Median of base's runs."""
        return statistics.median(self.base)

    @property
    def head_median(self) -> float:
        """Median of head's runs."""
        return statistics.median(self.head)

    @property
    def ratio(self) -> float:
        """Head's time over base's: the median over neighbouring runs, so that drift cancels."""
        return statistics.median(h / b for b, h in zip(self.base, self.head, strict=False))

    @property
    def overlaps(self) -> bool:
        """True if the two commits' runs cannot be told apart."""
        return min(self.head) <= max(self.base) and min(self.base) <= max(self.head)

    @property
    def verdict(self) -> str:
        """``SAME``, ``FASTER``, ``SLOWER``, or ``UNSURE`` where there are too few runs to say."""
        if min(len(self.base), len(self.head)) < FEWEST_RUNS:
            return UNSURE
        if self.overlaps or abs(self.ratio - 1) <= self.floor:
            return SAME
        return SLOWER if self.ratio > 1 else FASTER


def spread(runs: Sequence[float]) -> float:
    """Half the distance between the fastest and the slowest run, as a part of their median."""
    return (max(runs) - min(runs)) / 2 / statistics.median(runs)


def read_run(path: Path) -> dict[str, float]:
    """Seconds by benchmark from one of pytest-benchmark's JSON files; device times become entries of their own."""
    times = {}
    for benchmark in json.loads(path.read_text())["benchmarks"]:
        name = benchmark["fullname"].rsplit("/", 1)[-1]
        times[name] = benchmark["stats"]["median"]
        device = benchmark["extra_info"].get("device")
        if device:
            times[f"{name} (device)"] = device["median"]
    return {name: seconds for name, seconds in times.items() if seconds > 0}


def compare(
    base: Sequence[Mapping[str, float]], head: Sequence[Mapping[str, float]], floor: float = FLOOR
) -> tuple[list[Change], list[str], list[str]]:
    """Compare the runs of two commits.

    Returns
    -------
    tuple
        The changes of benchmarks that every run has, names that only base has, names that only head has.
    """
    in_base, in_head = _in_all(base), _in_all(head)
    changes = [
        Change(name, tuple(run[name] for run in base), tuple(run[name] for run in head), floor)
        for name in sorted(in_base & in_head)
    ]
    return changes, sorted(in_base - in_head), sorted(in_head - in_base)


def _in_all(runs: Sequence[Mapping[str, float]]) -> set[str]:
    return set.intersection(*(set(run) for run in runs)) if runs else set()


def report(changes: Iterable[Change], only_base: Sequence[str] = (), only_head: Sequence[str] = ()) -> str:
    """Lay the changes out as a table, a benchmark a line."""
    changes = list(changes)
    width = max([len(c.name) for c in changes] + [9])
    lines = [f"{'benchmark':<{width}}  {'base':>9}   +-  {'head':>9}   +-   {'ratio':>6}"]
    for c in changes:
        lines.append(
            f"{c.name:<{width}}  {duration(c.base_median)} {spread(c.base):>4.0%}  {duration(c.head_median)} "
            f"{spread(c.head):>4.0%}  {c.ratio:>6.3f}  {c.verdict}".rstrip()
        )
    lines += [f"only in base: {name}" for name in only_base]
    lines += [f"only in head: {name}" for name in only_head]
    counts = {v: sum(c.verdict == v for c in changes) for v in (SLOWER, FASTER, UNSURE)}
    lines.append(
        f"{len(changes)} compared: {counts[SLOWER]} slower, {counts[FASTER]} faster"
        + (f", {counts[UNSURE]} with fewer than {FEWEST_RUNS} runs" if counts[UNSURE] else "")
        + f"; flagged where no run of one overlaps the other's and the ratio is off by more than {_floor(changes):.0%}"
    )
    return "\n".join(lines)


def _floor(changes: Sequence[Change]) -> float:
    return changes[0].floor if changes else FLOOR


def duration(seconds: float) -> str:
    """Seconds as 9 characters in a readable unit."""
    for unit, scale in (("s ", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= scale:
            return f"{seconds / scale:>6.2f} {unit}"
    return f"{seconds / 1e-9:>6.1f} ns"
