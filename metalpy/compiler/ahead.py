"""Kernels that have been looked up are compiled beside the first one that is launched.

Much of the time that a kernel takes to become machine code is the linker's, a process of its own. A program that has
looked up several kernels of a library will launch them. While its thread compiles one, a thread here compiles the
others, from the last one on, so that the two meet in the middle.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable

__all__ = ["Ahead"]

_MOST = 16  # kernels: of a library of which more were looked up nobody knows which ones will be launched

_working = threading.Lock()  # held while a kernel is compiled ahead: one at a time in a process
if hasattr(os, "register_at_fork"):  # a child must not inherit locks that a thread holds which it does not have
    os.register_at_fork(before=_working.acquire, after_in_parent=_working.release, after_in_child=_working.release)


class Ahead:
    """The kernels of one library that are to be compiled ahead.

    Parameters
    ----------
    compile : callable
        Compiles the kernel of a name, unless that is done or under way. What it raises is ignored: whoever launches the
        kernel will hear of it.
    """

    def __init__(self, compile: Callable[[str], object]) -> None:
        self._compile = compile
        self._names: dict[str, None] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def expect(self, name: str) -> None:
        """A kernel was looked up."""
        with self._lock:
            self._names[name] = None

    def begin(self, name: str) -> None:
        """A kernel will be compiled by the caller now: compile others meanwhile."""
        with self._lock:
            self._names.pop(name, None)
            if self._thread is None and 0 < len(self._names) < _MOST and _processors() > 1:
                self._thread = threading.Thread(target=self._work, name="metalpy ahead")
                self._thread.start()

    def _next(self) -> str | None:
        with self._lock:
            if self._names and threading.main_thread().is_alive():  # it ends when the interpreter begins to end
                return self._names.popitem()[0]
            self._thread = None
            return None

    def _work(self) -> None:
        while (name := self._next()) is not None:
            with _working, contextlib.suppress(Exception):
                self._compile(name)


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
