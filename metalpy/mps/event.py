"""Events: points in the order of a stream's work."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

from metalpy._core.stream import EventBase
from metalpy.device import device as _device
from metalpy.errors import EventError, EventTypeError
from metalpy.mps.stream import Stream, checked

if TYPE_CHECKING:
    from concurrent.futures import Future

__all__ = ["Event"]


class Event(EventBase):
    """A point in the order of a stream's work, for other streams, the host, and `await` to wait for.

    Recording again moves the point; who waits already keeps waiting for the old one. Before the first record there is
    nothing to wait for: `wait` and `synchronize` return at once, and `query` is False.

    Parameters
    ----------
    enable_timing : bool
        Allow `elapsed_time`.
    """

    __slots__ = ()

    def record(self, stream: Stream | None = None) -> None:
        """Mark the end of what `stream`, by default the current one, has been given so far."""
        if stream is None:
            self._record(None, _device())
        else:
            self._record(checked(stream), None)

    def wait(self, stream: Stream | None = None) -> None:
        """Let what `stream`, by default the current one, is given from now on wait for the event. Does not block.

        Raises
        ------
        EventError
            If the event was recorded on another device.
        """
        self._wait(None if stream is None else checked(stream), None)

    def elapsed_time(self, end: Event) -> float:
        """Milliseconds of device time from this event to `end`; waits for both. Negative if `end` comes first.

        Raises
        ------
        EventError
            If one of them was made without ``enable_timing=True``, was never recorded, or is on another device.
        EventTypeError
            If `end` is no Event.
        KernelFaultError, KernelReportedError, TimeLimitError
            If a kernel of their streams failed since the last call that waited.
        """
        if not isinstance(end, Event):
            raise EventTypeError(f"elapsed_time takes an Event, got {type(end).__name__}")
        for name, event in (("start", self), ("end", end)):
            if not event.enable_timing:
                raise EventError(f"the {name} event was made without timing; make it with Event(enable_timing=True)")
            if not event.recorded:
                raise EventError(f"the {name} event was not recorded; call its record() before elapsed_time")
        return self._elapsed(end)

    def add_done_callback(self, callback: Callable[[Event], object]) -> None:
        """Call ``callback(event)`` when the work before the last record is done; at once if it is, or there is none.

        Calls for one stream come in the order of its work if they were asked for in that order.
        The call comes from the calling thread or from one of metalpy's own. What `callback` raises goes to
        `threading.excepthook`. A kernel's failure is not reported here, but by the next call that waits.
        """
        from metalpy.mps.notify import call, notify

        mark = self._mark()
        if mark is None:
            call(callback, self)
        else:
            notify(mark[0], mark[1], mark[2], mark[3], lambda: callback(self))

    def future(self) -> Future[Event]:
        """A `concurrent.futures.Future` that has the event as its result when the work before the last record is done.

        Like every call that waits, ``result()`` raises if a kernel failed since the last one.
        """
        from concurrent.futures import Future

        from metalpy.mps.notify import notify

        made: Future[Event] = Future()
        mark = self._mark()
        if mark is None:
            made.set_result(self)
            return made
        event, value, queue, serial = mark

        def resolve() -> None:
            if not made.set_running_or_notify_cancel():
                return
            try:
                queue.wait(serial)
            except Exception as failure:
                made.set_exception(failure)
            else:
                made.set_result(self)

        notify(event, value, queue, serial, resolve)
        return made

    def __await__(self) -> Generator[Any, None, Event]:
        """Wait in a coroutine for the work before the last record; raises as `synchronize` does."""
        import asyncio

        return asyncio.wrap_future(self.future()).__await__()

    def __repr__(self) -> str:
        state = "not recorded" if not self.recorded else "done" if self.query() else "pending"
        return f"<metalpy.mps.Event {state}{', timed' if self.enable_timing else ''}>"


Event.__module__ = "metalpy.mps"
