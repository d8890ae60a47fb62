"""Calls when events are reached, from threads of our own: devices have no way to call back.

A watcher waits for its events in order, so it takes only what comes after its last one on the same queue; anything
else goes to another watcher. Watchers are daemons, for a kernel may never end, and leave after a while without work.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from metalpy._core.driver import Event, Queue

__all__ = ["call", "notify"]

IDLE_SECONDS = 1.0


class _Watcher:
    def __init__(self) -> None:
        self._tasks: deque[tuple[Event, int, Callable[[], object]]] = deque()
        self._queue: Queue | None = None
        self._serial = 0

    def takes(self, queue: Queue, serial: int) -> bool:
        """True if it waits for nothing that may come later. Under the lock, as all that touches its fields."""
        return self._queue is None or (self._queue is queue and self._serial <= serial)

    def serves(self, queue: Queue) -> bool:
        """True if it has calls to make for a queue."""
        return self._queue is queue and bool(self._tasks)

    def add(self, event: Event, value: int, queue: Queue, serial: int, callback: Callable[[], object]) -> None:
        self._queue, self._serial = queue, serial
        self._tasks.append((event, value, callback))

    def run(self) -> None:
        while True:
            with _changed:
                if not self._tasks:
                    self._queue = None
                    if not _changed.wait_for(lambda: self._tasks, IDLE_SECONDS):
                        _watchers.remove(self)
                        return
                event, value, callback = self._tasks[0]
            event.wait(value)
            call(callback)
            with _changed:
                self._tasks.popleft()
            del event, callback


_changed = threading.Condition()
_watchers: list[_Watcher] = []


def notify(event: Event, value: int, queue: Queue, serial: int, callback: Callable[[], object]) -> None:
    """Call `callback` when `event`, signalled by command `serial` of `queue`, has reached `value`.

    At once if it has, unless calls for earlier commands of the queue are still to come: order is kept.
    """
    with _changed:
        if event.value < value or any(known.serves(queue) for known in _watchers):
            _hand_over(event, value, queue, serial, callback)
            return
    call(callback)


def _hand_over(event: Event, value: int, queue: Queue, serial: int, callback: Callable[[], object]) -> None:
    """To a watcher that takes it, or to a new one. Under the lock."""
    watcher = next((known for known in _watchers if known.takes(queue, serial)), None)
    if watcher is not None:
        watcher.add(event, value, queue, serial, callback)
        _changed.notify_all()
        return
    watcher = _Watcher()
    watcher.add(event, value, queue, serial, callback)
    thread = threading.Thread(target=watcher.run, name="metalpy event watcher", daemon=True)
    thread.start()  # before it is known: starting may fail
    _watchers.append(watcher)


def call(callback: Callable[..., object], *arguments: Any) -> None:
    """Call, and hand what it raises to `threading.excepthook`: there is nobody to raise it to."""
    try:
        callback(*arguments)
    except Exception as error:
        threading.excepthook(threading.ExceptHookArgs((type(error), error, error.__traceback__, None)))
