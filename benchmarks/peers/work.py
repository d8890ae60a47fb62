"""What is computed, told once for all sides: arrays, launches, and the result that NumPy says is right."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

KERNELS = Path(__file__).parent / "kernels"

Arrays = Mapping[str, np.ndarray]
OnHost = Callable[[Arrays], None]


@dataclass(frozen=True)
class Launch:
    """A kernel of ``kernels/<file>.metal`` or ``.cl``, its arguments (names of arrays, or numbers), its geometry."""

    file: str
    kernel: str
    args: tuple[str | np.generic, ...]
    threads: tuple[int, ...]
    group: tuple[int, ...]


@dataclass(frozen=True)
class Work:
    """One piece of work at one size.

    Attributes
    ----------
    arrays
        What each side starts from; each gets a copy.
    launches
        In this order, by metalpy and by OpenCL.
    result
        Name of the array that is checked.
    expected
        What it holds after one run.
    tolerance
        Largest difference to that, relative to the largest element; 0: equal.
    may_differ
        Part of the elements that may be further off than `tolerance`.
    amount
        Of bytes, elements or floating-point operations, for the rate.
    metal_launches
        Metal's launches where they are not OpenCL's.
    default_geometry
        True if the launches have metalpy's default geometry, which is then not given, as most code does.
    in_opencl
        False where OpenCL C has no counterpart.
    in_numpy, in_numba
        The same on the arrays of a host.
    """

    arrays: Arrays
    launches: tuple[Launch, ...]
    result: str
    expected: np.ndarray
    tolerance: float = 0.0
    may_differ: float = 0.0
    amount: float = 0.0
    metal_launches: tuple[Launch, ...] = ()
    default_geometry: bool = False
    in_opencl: bool = True
    in_numpy: OnHost | None = None
    in_numba: OnHost | None = None

    def check(self, side: str, found: np.ndarray) -> None:
        """Raise unless `found` is the result."""
        want = self.expected
        if found.shape != want.shape or found.dtype != want.dtype:
            raise WrongResultError(f"{side}: {found.dtype} {found.shape}, expected {want.dtype} {want.shape}")
        apart = np.abs(found.astype(np.float64) - want)
        wrong = ~(apart <= self.tolerance * np.abs(want).max())  # a NaN is wrong
        if wrong.mean() > self.may_differ:
            at = np.unravel_index(np.argmax(wrong), wrong.shape)
            raise WrongResultError(
                f"{side}: {int(wrong.sum())} of {want.size} elements of '{self.result}' are not NumPy's; "
                f"the first is at {tuple(map(int, at))}: {found[at]}, NumPy has {want[at]}"
            )


class WrongResultError(Exception):
    """A side has computed something else than NumPy."""


class NotHereError(Exception):
    """A peer is not installed; the message says what to install."""


class Session(Protocol):
    """Work that a side has made ready: compiled, with its arrays in place."""

    def submit(self) -> object:
        """Give the launches to the device."""

    def wait(self) -> object:
        """Wait for all of them."""

    def result(self) -> np.ndarray:
        """Return the array that is checked."""


class Side(Protocol):
    """Something that can do the work."""

    name: str  # in the table
    version: str

    def session(self, work: Work) -> Session | None:
        """Make work ready, or return None where this side has no counterpart."""


def in_order(calls: Sequence[Callable[[], object]]) -> Callable[[], object]:
    """One call that makes all of them; of a single one it adds nothing to what is measured."""
    if len(calls) == 1:
        return calls[0]

    def make_all() -> None:
        for call in calls:
            call()

    return make_all


def read_sources(files: tuple[str, ...], suffix: str) -> str:
    """The text of kernel files as one program."""
    return "\n".join((KERNELS / f"{file}{suffix}").read_text() for file in dict.fromkeys(files))
