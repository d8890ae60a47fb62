"""A session's comparison: the sides that are here, what they have been measured at, and the table of it."""

from __future__ import annotations

import os

from .sides import OPENERS, open_side
from .table import OURS, Outcome, Row, lines
from .turns import Contender, take_turns
from .work import NotHereError, Side


class Comparison:
    """Opens all sides; a peer that is not installed is kept with the reason."""

    def __init__(self) -> None:
        self.sides: dict[str, Side] = {}
        self.missing: dict[str, str] = {}
        self.outcomes: list[Outcome] = []
        for name in OPENERS:
            try:
                self.sides[name] = open_side(name)
            except NotHereError as error:
                self.missing[name] = str(error)

    def measure(self, row: Row) -> Outcome:
        """Check all sides of a row and time them in turns."""
        contenders: dict[str, Contender] = {}
        for name, side in self.sides.items():
            contender = row.contender(side, small=False)
            if contender is not None:
                contenders[name] = contender
        turns = take_turns(contenders)
        self.outcomes.append(Outcome(row, contenders[OURS].amount, turns, self.missing))
        return self.outcomes[-1]

    def table(self) -> list[str]:
        """Lines of the table, and how busy the machine was."""
        return [
            *lines(self.outcomes, {name: side.version for name, side in self.sides.items()}),
            f"machine: {os.cpu_count()} processors, load average {os.getloadavg()[1]:.1f} over 5 minutes",
        ]
