"""Kernels that have been looked up are compiled beside the first one that is launched.

Much of the time that a kernel takes to become machine code is the linker's, a process of its own. A program that has
looked up several kernels of a library will launch them. While its thread compiles one, threads here compile the
others, from the last one on, so that they meet in the middle. Two threads, because a thread waits for its linker half
of the time.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .assembly import Assembly

__all__ = ["Ahead", "likely_shape"]

_NARROW_TILE = re.compile(r" thread_local [^\n]*\[\d+ x \[(?:16|17) x (?:\w+\]|<)")
_MOST = 16  # kernels: of a library of which more were looked up nobody knows which ones will be launched

# Each is held while a kernel is compiled ahead: so many at a time in a process.
_turns = (threading.Lock(), threading.Lock())
if hasattr(os, "register_at_fork"):  # a child must not inherit locks that a thread holds which it does not have
    for _turn in _turns:
        os.register_at_fork(before=_turn.acquire, after_in_parent=_turn.release, after_in_child=_turn.release)


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
        self._idle = list(_turns)  # under _lock: what no thread of this library uses

    def expect(self, name: str) -> None:
        """A kernel was looked up."""
        with self._lock:
            self._names[name] = None

    def begin(self, name: str) -> None:
        """A kernel will be compiled by the caller now: compile others meanwhile."""
        with self._lock:
            self._names.pop(name, None)
            if not self._names or len(self._names) >= _MOST or _processors() == 1:
                return
            while self._idle:
                threading.Thread(target=self._work, args=(self._idle.pop(),), name="metalpy ahead").start()

    def _next(self, turn: threading.Lock) -> str | None:
        with self._lock:
            if self._names and threading.main_thread().is_alive():  # it ends when the interpreter begins to end
                return self._names.popitem()[0]
            self._idle.append(turn)
            return None

    def _work(self, turn: threading.Lock) -> None:
        while (name := self._next(turn)) is not None:
            with turn, contextlib.suppress(Exception):
                self._compile(name)


def likely_shape(assembly: Assembly, entry: str) -> str:
    """The shape of the threadgroups that a kernel with positions in a plane will probably be launched with.

    They are as wide as a simdgroup by default and in most programs; a tile in threadgroup memory with rows of 16 (or
    17, against conflicts of banks) is filled by threadgroups of that width. A wrong guess costs a processor some time.
    """
    variables = (name for name in assembly.reachable([entry]) if not assembly.is_function(name))
    return "half" if any(_NARROW_TILE.search(assembly.definition(name)) for name in variables) else "rows"


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
