"""The counterpart of torch.mps.profiler, with timelines and statistics on every device."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterator
from contextlib import ContextDecorator, contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any

from metalpy._core import registry, trace
from metalpy.device import Device
from metalpy.device import device as _device
from metalpy.device import device_count as _device_count
from metalpy.errors import MetalError, ProfilerError, UnsupportedError

if TYPE_CHECKING:  # what makes profiles is imported by the first one
    from metalpy.profiling.profile import Profile
    from metalpy.profiling.resolve import TraceEvent
    from metalpy.profiling.statistics import Statistics

__all__ = [
    "Profile",
    "Statistics",
    "TraceEvent",
    "is_capturing_metal",
    "is_metal_capture_enabled",
    "metal_capture",
    "profile",
    "record_function",
    "start",
    "stop",
]

MAX_EVENTS = 1_000_000

_SIGNPOSTS = trace.TRACE_OPERATIONS | trace.TRACE_COPIES
_MODES = {"interval": trace.TRACE_INTERVALS, "event": trace.TRACE_EVENTS}

_lock = threading.RLock()
_running: weakref.ref[Profile] | None = None  # under _lock
_started: Profile | None = None  # under _lock: the one of start(), which nobody else holds
_captures = 0  # under _lock: documents written


def _mode_flags(mode: str) -> int:
    if not isinstance(mode, str):
        raise TypeError(f"the mode is a str, got {type(mode).__name__}")
    flags = 0
    for word in mode.split(","):
        name = word.strip().lower()
        if name not in _MODES:
            raise ProfilerError(f"the mode is 'interval', 'event' or both, as 'interval,event'; found {name!r}")
        flags |= _MODES[name]
    return flags | _SIGNPOSTS


def _start(mode: str, wait_until_completed: bool, max_events: int) -> Profile:
    global _running
    flags = _mode_flags(mode)
    with _lock:
        running = _running() if _running is not None else None
        if running is not None and running.running:
            raise ProfilerError("a profile is running already, and goes on; end it first, with stop() or its context")
        from metalpy.profiling.profile import Profile

        made = Profile(mode, flags, bool(wait_until_completed), max_events)
        made._start()
        _running = weakref.ref(made)
        return made


def start(mode: str = "interval", wait_until_completed: bool = False, *, max_events: int = MAX_EVENTS) -> None:
    """Record what happens on all devices and streams until `stop`, which returns it.

    Parameters
    ----------
    mode : str
        What Apple's Instruments is shown, too: ``"interval"``, a span for each launch, copy and fill; ``"event"``, a
        mark at the end of each; ``"interval,event"``, both. Other devices have no use for it.
    wait_until_completed : bool
        Wait for each launch, copy and fill after it is recorded. A kernel's failure is then raised by its own call.
    max_events : int
        Events that are kept; later ones are counted. An event takes some 250 bytes of memory, 450 when they are read.

    Raises
    ------
    ProfilerError
        If a profile is running, which goes on, or there is no such mode.
    TypeError
        If the mode is not a str.
    """
    global _started
    with _lock:
        _started = _start(mode, wait_until_completed, max_events)


def stop() -> Profile | None:
    """End the profile that is running, and return it; None if there is none.

    Waits for the work that was recorded. A kernel's failure is not raised here, but by the next call that waits.
    """
    global _running, _started
    with _lock:
        found = _running() if _running is not None else None
        _running = _started = None
    if found is None or not found.running:
        return None
    found._stop()
    return found


class profile:
    """Context manager that records what happens on all devices and streams; yields the `Profile`.

    ``with profile() as p: ...``, then ``p.table()``, ``p.stats()``, ``p.export_chrome_trace(path)``.

    Parameters and errors are those of `start`.
    """

    def __init__(
        self, mode: str = "interval", wait_until_completed: bool = False, *, max_events: int = MAX_EVENTS
    ) -> None:
        _mode_flags(mode)
        self._options = mode, wait_until_completed, max_events
        self._profiles: list[Profile] = []

    def __enter__(self) -> Profile:
        self._profiles.append(_start(*self._options))
        return self._profiles[-1]

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        global _running
        made = self._profiles.pop()
        with _lock:
            if _running is not None and _running() is made:
                _running = None
        made._stop()


class record_function(ContextDecorator):
    """Context manager and decorator that adds a span with a name of your own to the timeline of a running profile.

    It must not reach over an ``await``: other coroutines' spans would cross it.

    Parameters
    ----------
    name : str
    **details
        Shown with the span.
    """

    def __init__(self, name: str, **details: Any) -> None:
        if not isinstance(name, str):
            raise TypeError(f"the name is a str, got {type(name).__name__}")
        self._name = name
        self._details = details
        self._regions: list[trace.Region] = []

    def _recreate_cm(self) -> record_function:  # so that a decorated function may run in several threads
        return record_function(self._name, **self._details)

    def __enter__(self) -> record_function:
        region = trace.Region("user", self._name, self._details)
        region.__enter__()
        self._regions.append(region)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._regions.pop().__exit__(kind, error, traceback)


def is_metal_capture_enabled() -> bool:
    """True if `metal_capture` can write documents: on Apple hardware, with ``MTL_CAPTURE_ENABLED=1`` set at start."""
    return _device_count() > 0 and _device().capture_enabled


def is_capturing_metal() -> bool:
    """True while a device writes a `metal_capture` document. Opens no device."""
    return any(device.capture_running for device in registry.open_devices())


@contextmanager
def metal_capture(fname: str | os.PathLike[str]) -> Iterator[None]:
    """Context manager that writes what the default device does to a document for Xcode.

    Parameters
    ----------
    fname : path
        The document's name is that with a number before and ``.gputrace`` behind it: ``0000-name.gputrace``.

    Raises
    ------
    UnsupportedError
        If the device cannot do it, or this process may not: see `is_metal_capture_enabled`.
    MetalError
        If a capture is running, or the device cannot start one.
    KernelFaultError, TimeLimitError
        If a kernel failed; the document is complete nevertheless.
    """
    global _captures
    device = _device()
    with _lock:
        path = _capture_path(os.fspath(fname))
        _check_capture(device)
        device.synchronize()  # what was recorded before does not belong into it
        device.start_capture(os.fsencode(path))
        _captures += 1
    try:
        yield
        device.synchronize()  # work in flight would be cut off
    except BaseException:
        registry.settle()  # likewise; the next wait raises what a kernel did besides
        raise
    finally:
        device.stop_capture()


def _capture_path(fname: str) -> str:
    folder, name = os.path.split(fname)
    if not name:
        raise ProfilerError(f"a capture needs a name, got {fname!r}")
    return os.path.join(folder, f"{_captures:04d}-{name}.gputrace")


def _check_capture(device: Device) -> None:
    if device.capture_running:
        raise MetalError("a capture is running already, and goes on; leave its context first")
    if device.capture_enabled:
        return
    if device.driver == "software":
        raise UnsupportedError(
            "the software device has no Metal capture; for a timeline use "
            "metalpy.mps.profiler.profile() and its export_chrome_trace(path)"
        )
    raise UnsupportedError("Metal capture is not enabled; set MTL_CAPTURE_ENABLED=1 before the program starts")


def _forget() -> None:
    global _lock, _running, _started
    _lock, _running, _started = threading.RLock(), None, None


os.register_at_fork(after_in_child=_forget)


def __getattr__(name: str) -> Any:
    homes = {"Profile": "profile", "Statistics": "statistics", "TraceEvent": "resolve"}
    if name in homes:
        from importlib import import_module

        return getattr(import_module(f"metalpy.profiling.{homes[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
