"""Timing: the sides of a row take turns, so that what else happens on the machine hits all of them alike."""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import perf_counter

from .work import Session, Side, Work

LAUNCHES = 100  # that are timed together
SECONDS, LEAST, MOST = 2.0, 5, 41  # a row takes turns for some seconds, within these numbers of turns
SLOW = 0.2  # seconds from which on a run needs no other before it to be warm


@dataclass(frozen=True)
class Contender:
    """A side that is ready: `check` runs the work once and raises if it is wrong, `seconds` takes a turn."""

    check: Callable[[], None]
    seconds: Callable[[], float]
    amount: float = 0.0  # of work in a turn, for rates


def take_turns(contenders: Mapping[str, Contender]) -> dict[str, list[float]]:
    """Seconds of each side's turns; turn i of one is next to turn i of another. The order changes."""
    for contender in contenders.values():
        contender.check()
    found: dict[str, list[float]] = {name: [] for name in contenders}
    order = deque(contenders)
    collecting = gc.isenabled()
    gc.disable()
    try:
        start, turn = perf_counter(), 0
        while turn < LEAST or (turn < MOST and perf_counter() - start < SECONDS):
            for name in order:
                found[name].append(contenders[name].seconds())
            order.rotate(1)
            turn += 1
    finally:
        if collecting:
            gc.enable()
    return found


def kernel(make: Callable[[bool], Work], side: Side, small: bool) -> Contender | None:
    """Launches and the wait for them. A short run has another before it, which wakes threads and fills caches."""

    def seconds(session: Session) -> float:
        taken = _seconds(session)
        return _seconds(session) if taken < SLOW else taken

    return _contender(make(small), side, seconds)


def launch_async(make: Callable[[bool], Work], side: Side, small: bool) -> Contender | None:
    """One of many launches that nobody waits for before the last; as many before them wake the device's threads."""

    def batch(session: Session) -> float:
        submit = session.submit
        start = perf_counter()
        for _ in range(LAUNCHES):
            submit()
        taken = perf_counter() - start
        session.wait()
        return taken / LAUNCHES

    return _contender(make(small), side, lambda session: (batch(session), batch(session))[1])


def launch_wait(make: Callable[[bool], Work], side: Side, small: bool) -> Contender | None:
    """One launch and the wait for it, on average; as many before them wake the device's threads."""

    def batch(session: Session) -> float:
        submit, wait = session.submit, session.wait
        start = perf_counter()
        for _ in range(LAUNCHES):
            submit()
            wait()
        return (perf_counter() - start) / LAUNCHES

    return _contender(make(small), side, lambda session: (batch(session), batch(session))[1])


def run(session: Session) -> None:
    session.submit()
    session.wait()


def _seconds(session: Session) -> float:
    start = perf_counter()
    run(session)
    return perf_counter() - start


def _contender(work: Work, side: Side, seconds: Callable[[Session], float]) -> Contender | None:
    session = side.session(work)
    if session is None:
        return None

    def check() -> None:
        run(session)
        work.check(side.name, session.result())

    return Contender(check, lambda: seconds(session), work.amount)
