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

    @contextmanager
    def shared(self) -> Iterator[None]:
        with self._changed:
            self._changed.wait_for(lambda: not self._writes and not self._waiting)
            self._readers += 1
        try:
            yield
        finally:
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


class NoLock:
    """Stands for a lock where one thread is promised."""

    def shared(self) -> AbstractContextManager[None]:
        return nullcontext()

    exclusive = shared
