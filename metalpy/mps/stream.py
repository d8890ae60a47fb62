"""Streams: several orders of work on one device."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from metalpy._core.driver import Device
from metalpy._core.stream import StreamBase, selected_stream
from metalpy.device import device as _device
from metalpy.errors import EventTypeError

__all__ = ["Stream", "StreamContext", "current_stream", "default_stream", "set_stream", "stream"]


class Stream(StreamBase):
    """Work that runs in the order in which it was given; the work of two streams may run at the same time.

    Launches, fills and copies go to the current stream of the calling thread, see `stream`. Nothing but events
    (`Event.wait`) orders the work of two streams. Reading an array on the host waits for all streams that use it.

    Parameters
    ----------
    device : Device or str, optional
        The default device if not given.
    stream_id : int, optional
        Another handle of a stream that exists; 0 is the default stream. A new stream if not given.

    Attributes
    ----------
    device : Device
    stream_id : int
        0 for the default stream of a device; other numbers are not used again.

    Raises
    ------
    ValueError
        If there is no stream `stream_id`.
    """

    __slots__ = ()

    def __init__(self, device: Device | str | int | None = None, *, stream_id: int | None = None) -> None:
        super().__init__(_device(device), stream_id)

    def record_event(self, event: Any = None) -> Any:
        """Record `event`, by default a new one, at the end of the stream's work, and return it."""
        from metalpy.mps.event import Event

        chosen = Event() if event is None else event
        chosen.record(self)
        return chosen

    def wait_event(self, event: Any) -> None:
        """Let what is given to the stream from now on wait for `event`."""
        event.wait(self)

    def wait_stream(self, other: Stream) -> None:
        """Let what is given to the stream from now on wait for all work given to `other` so far."""
        self.wait_event(checked(other).record_event())

    def __repr__(self) -> str:
        return f"<metalpy.mps.Stream stream_id={self.stream_id} device={str(self.device)!r}>"


def checked(candidate: Any) -> Stream:
    """`candidate`, if it is a Stream."""
    if not isinstance(candidate, Stream):
        raise EventTypeError(f"expected an MPS stream, but got {type(candidate).__name__}")
    return candidate


def default_stream(device: Device | str | int | None = None) -> Stream:
    """The stream that every thread starts with."""
    return Stream(device, stream_id=0)


def current_stream(device: Device | str | int | None = None) -> Stream:
    """The stream that takes the calling thread's work."""
    found = selected_stream(_device(device))
    return found if isinstance(found, Stream) else default_stream(device)


def set_stream(stream: Stream | None) -> None:
    """Make `stream` the calling thread's current stream of its device; None changes nothing."""
    if stream is not None:
        checked(stream)._select()


class StreamContext:
    """What `stream` returns: the stream is current inside ``with``, the previous one afterwards."""

    def __init__(self, stream: Stream | None) -> None:
        self.stream = None if stream is None else checked(stream)
        self._previous: list[Stream] = []

    def __enter__(self) -> Stream | None:
        if self.stream is not None:
            self._previous.append(current_stream(self.stream.device))
            self.stream._select()
        return self.stream

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self.stream is not None:
            self._previous.pop()._select()


def stream(stream: Stream | None) -> StreamContext:
    """Context manager in which `stream` takes the calling thread's work; None changes nothing.

    ``with metalpy.mps.stream(s): ...``
    """
    return StreamContext(stream)


Stream.__module__ = "metalpy.mps"
