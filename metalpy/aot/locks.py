"""A lock that many readers or one writer hold."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

__all__ = ["NoLock", "ReadersWriterLock"]


class ReadersWriterLock:
    """Readers get it together, a writer alone. A writer that waits goes before readers that come later."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._readers = 0
        self._writes = False
        self._waiting = 0  # writers
        self._reading = _Reading(self)

    def shared(self) -> AbstractContextManager[None]:
        return self._reading

    def _enter(self) -> None:
        with self._changed:
            while self._writes or self._waiting:
                self._changed.wait()
            self._readers += 1

    def _leave(self) -> None:
        with self._changed:
            self._readers -= 1
            if not self._readers:
                self._changed.notify_all()

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        with self._changed:
            self._waiting += 1
            try:
                self._changed.wait_for(lambda: not self._writes and not self._readers)
                self._writes = True
            finally:
                self._waiting -= 1
                if not self._writes:  # it was interrupted
                    self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._writes = False
                self._changed.notify_all()


class _Reading(AbstractContextManager[None]):
    """The lock held shared; one object for all readers, for each run needs it."""

    def __init__(self, lock: ReadersWriterLock) -> None:
        self._lock = lock

    def __enter__(self) -> None:
        self._lock._enter()

    def __exit__(self, *error: object) -> None:
        self._lock._leave()


class NoLock:
    """Stands for a lock where one thread is promised."""

    def shared(self) -> AbstractContextManager[None]:
        return nullcontext()

    exclusive = shared
