"""What the turns say: a table of medians with their spread, ratios, the aim, and whether it is met."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from metalpy.testing import Spread

OURS = "metalpy"
SIDES = (OURS, "Intel", "PoCL", "NumPy", "Numba")
TIMES = {"us": 1e-6, "ms": 1e-3}  # other units are rates
RATES = {"GB/s": 1e9, "Gelem/s": 1e9, "GFLOP/s": 1e9}


@dataclass(frozen=True)
class Aim:
    """Either `speed` times that of the fastest side of `over`, or at most `seconds`."""

    speed: float = 0.0
    over: tuple[str, ...] = ()
    seconds: float = 0.0

    def __str__(self) -> str:
        if self.seconds:
            return f"under {self.seconds * 1e6:.3g} us" if self.seconds < 1e-3 else f"under {self.seconds * 1e3:.3g} ms"
        return f"{self.speed:.1f}x {'best peer' if len(self.over) > 1 else self.over[0]}"


@dataclass(frozen=True)
class Row:
    """A row of the table; `contender(side, small)` makes a side ready, or returns None where it has no counterpart."""

    name: str
    label: str
    unit: str
    aim: Aim
    contender: Callable[..., object]


@dataclass(frozen=True)
class Outcome:
    """A row's turns in seconds by side, and why other sides are not there."""

    row: Row
    amount: float
    turns: Mapping[str, Sequence[float]]
    missing: Mapping[str, str] = field(default_factory=dict)

    def median(self, side: str) -> float:
        return statistics.median(self.turns[side])

    @property
    def rival(self) -> str | None:
        """The fastest of those that the aim names, or else of the peers."""
        there = [side for side in self.row.aim.over or SIDES[1:3] if side in self.turns]
        return min(there, key=self.median) if there else None

    @property
    def ratio(self) -> float | None:
        """Our speed over the rival's: the median over turns that were next to each other, so that drift cancels."""
        if self.rival is None:
            return None
        return statistics.median(b / a for a, b in zip(self.turns[OURS], self.turns[self.rival], strict=True))

    @property
    def met(self) -> bool | None:
        """None if a side that is not there might decide."""
        aim = self.row.aim
        if aim.seconds:
            return self.median(OURS) < aim.seconds
        if self.ratio is not None and self.ratio < aim.speed:
            return False
        return None if any(side in self.missing for side in aim.over) else True

    def cell(self, side: str) -> str:
        """Median and half of the middle half of the turns, relative to it."""
        if side not in self.turns:
            return "not here" if side in self.missing else "-"
        spread = Spread.of(list(self.turns[side]))
        off = (spread.high - spread.low) / 2 / spread.median
        unit = self.row.unit
        value = spread.median / TIMES[unit] if unit in TIMES else self.amount / RATES[unit] / spread.median
        return f"{value:.3g} +-{off:.0%}"


HEAD = ("work", "unit", *SIDES, "ratio", "to", "aim", "met")


def lines(outcomes: Iterable[Outcome], versions: Mapping[str, str]) -> list[str]:
    """Lay the table out; below it, what is compared and what is missing."""
    outcomes = list(outcomes)
    cells = [HEAD, *(_cells(outcome) for outcome in outcomes)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(HEAD))]
    left = {0, 1, len(HEAD) - 3, len(HEAD) - 2, len(HEAD) - 1}
    text = [
        "  ".join(c.ljust(w) if i in left else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True)))
        for row in cells
    ]
    decided = [outcome.met for outcome in outcomes if outcome.met is not None]
    missing = {reason: side for outcome in outcomes for side, reason in outcome.missing.items()}
    return [
        *(line.rstrip() for line in text),
        f"{sum(decided)} of {len(decided)} aims are met; medians of turns, +- half of the middle half of them; "
        "ratio: our speed over that of the fastest side that the aim names",
        "sides: " + ", ".join(f"{side} {version}" for side, version in versions.items()),
        *(f"not here: {side}: {reason}" for reason, side in missing.items()),
    ]


def _cells(outcome: Outcome) -> tuple[str, ...]:
    ratio, met = outcome.ratio, outcome.met
    return (
        outcome.row.label,
        outcome.row.unit,
        *(outcome.cell(side) for side in SIDES),
        "-" if ratio is None else f"{ratio:.2f}x",
        outcome.rival or "-",
        str(outcome.row.aim),
        "not known" if met is None else "yes" if met else "NO",
    )
