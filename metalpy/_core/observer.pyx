"""Who hears of a pool's allocations: hooks, the history of source lines, and debug output on stderr.

Nothing here can fail the pool. What a hook raises goes to `sys.unraisablehook`, and what the pool does because of a
hook, in the hook's own thread, is not reported, so a hook that allocates does not call itself.
"""

cimport cython
from cpython.exc cimport PyErr_SetObject, PyErr_WriteUnraisable

import sys
import threading
from typing import NamedTuple

DEEPEST = 64  # calls that are kept of a stack


class AllocationEvent(NamedTuple):
    """What a pool has done, as hooks get it.

    Attributes
    ----------
    kind : str
        ``"alloc"`` and ``"free"``: a block goes to an array and comes back. ``"heap_alloc"`` and ``"heap_free"``: the
        device gives memory to the pool and gets it back. ``"oom"``: a request that fails.
    size : int
        Bytes: of the block or heap; for ``"oom"`` as asked for, rounded up to the size class.
    address : int
        Of the block's first byte; 0 for the other kinds.
    device : str
        Such as ``"mps:0"``.
    """

    kind: str
    size: int
    address: int
    device: str


class HookHandle:
    """A hook that is in place; `remove` takes it away."""

    def __init__(self, observer, entry):
        self._observer = observer
        self._entry = entry

    def remove(self):
        """Take the hook away. A second call does nothing."""
        self._observer.drop(self._entry)


@cython.final
cdef class Observer:

    def __init__(self, str label not None, int debug):
        self.label = label
        self.debug = debug
        self.hooks = ()
        self.busy = set()
        self.update()

    def add(self, hook):
        """Call ``hook(event)`` from now on; returns the handle that removes it."""
        if not callable(hook):
            raise TypeError(f"a hook is called with an event, and {hook!r} cannot be called")
        entry = (hook,)  # told apart by identity: a hook may be added twice
        self.hooks += (entry,)
        self.update()
        return HookHandle(self, entry)

    def drop(self, entry):
        self.hooks = tuple([kept for kept in self.hooks if kept is not entry])
        self.update()

    def record(self, bint enabled):
        """Keep, or no longer keep, the calls that lead to each allocation."""
        self.recording = enabled
        self.update()

    cdef void update(self) noexcept:
        self.active = self.recording or self.debug != 0 or len(self.hooks) > 0

    cdef void notify(self, str kind, uint64_t size, uint64_t address) noexcept:
        """Calls the hooks. The pool's state must be consistent: they may do anything."""
        if not self.hooks:
            return
        thread = threading.get_ident()
        if thread in self.busy:
            return
        event = AllocationEvent(kind, size, address, self.label)
        self.busy.add(thread)
        for hook, in self.hooks:
            try:
                hook(event)
            except BaseException as error:
                report_failure(error, hook)
        self.busy.discard(thread)

    cdef void write(self, str text) noexcept:
        """A line of debug output."""
        try:
            if sys.stderr is not None:
                sys.stderr.write(f"metalpy {self.label}: {text}\n")
        except Exception:  # stderr is closed: nowhere to say so
            pass


cdef void report_failure(error, hook) noexcept:
    PyErr_SetObject(type(error), error)
    PyErr_WriteUnraisable(hook)


def call_stack():
    """(file, line, function) of each Python call that is running, the innermost first."""
    frames = []
    try:
        frame = sys._getframe(0)
    except ValueError:  # called from no Python function at all
        return ()
    while frame is not None and len(frames) < DEEPEST:
        frames.append((frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_qualname))
        frame = frame.f_back
    return tuple(frames)


def readable(size):
    """A number of bytes as people read it."""
    for unit, scale in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size >= scale:
            return f"{size / scale:.2f} {unit}"
    return f"{size} bytes"
