"""What kernels say: delivered by the calls that wait, in order, each once."""

from __future__ import annotations

import atexit
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass

from metalpy._core import message, registry

__all__ = ["KernelMessage", "set_message_handler"]

NOTICE = 25  # os_log's default level lies between logging.INFO and logging.WARNING
EXIT_SECONDS = 2.0
PATIENCE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class KernelMessage:
    """Something that a kernel has said.

    Attributes
    ----------
    kernel : str or None
        Its name.
    level : str
        ``"print"`` for `printf`; ``"debug"``, ``"info"``, ``"default"``, ``"error"`` or ``"fault"`` for `os_log`;
        ``"report"`` for an error report, which is raised too; ``"lost"`` where messages did not fit into the buffer.
    text : str
    subsystem, category : str or None
        Of the `os_log` object.
    file : str or None
        Where the call stands, with `line`; ``"program_source"`` in source without a file.
    line : int or None
    thread : tuple of 3 ints or None
        ``[[thread_position_in_grid]]``.
    device : str
        Such as ``"mps:0"``.
    stream_id : int
    """

    kernel: str | None
    level: str
    text: str
    subsystem: str | None
    category: str | None
    file: str | None
    line: int | None
    thread: tuple[int, int, int] | None
    device: str
    stream_id: int


Handler = Callable[[KernelMessage], object]

_handler: Handler | None = None
_lock = threading.Lock()
_owner: int | None = None  # the thread that holds the lock


def set_message_handler(handler: Handler | None) -> Handler | None:
    """Have `handler` called with each `KernelMessage`, instead of showing it; None shows messages again.

    Without a handler `printf` goes to ``sys.stdout`` and `os_log` to the logger ``"metalpy.kernel"``, which writes to
    ``sys.stderr`` if `logging` has no handlers. Error reports are not shown, for the wait raises them.

    The handler runs on the thread that waits. It may launch and wait itself; messages that such a wait finds come when
    it has returned. What it raises comes out of the wait, after all messages have been delivered.

    Returns
    -------
    callable or None
        The previous handler.
    """
    global _handler
    if handler is not None and not callable(handler):
        raise TypeError(f"a message handler is a callable or None, got {handler!r}")
    previous, _handler = _handler, handler
    return previous


def _deliver() -> None:
    """Empty what is pending. Waits for another thread that is at it, so that messages are out when a wait returns."""
    global _owner
    if _owner == threading.get_ident():
        return  # called from a handler: the loop below goes on with what has come
    if not _lock.acquire(timeout=PATIENCE_SECONDS):
        return  # a handler waits for this thread, perhaps; whoever holds the lock delivers the rest
    failures: list[Exception] = []
    _owner = threading.get_ident()
    try:
        while message.pending:
            try:
                (_handler or _show)(KernelMessage(*message.pending.popleft()))
            except Exception as failure:
                failures.append(failure)
    finally:
        _owner = None
        _lock.release()
    if failures:
        if len(failures) > 1:
            failures[0].add_note(f"the message handler raised {len(failures) - 1} more times")
        raise failures[0]


def _show(said: KernelMessage) -> None:
    if said.level == "print":
        if sys.stdout is not None:
            sys.stdout.write(said.text)
    elif said.level != "report":
        _log(said)


def _log(said: KernelMessage) -> None:
    import logging

    levels = {"debug": logging.DEBUG, "info": logging.INFO, "default": NOTICE, "error": logging.ERROR}
    level = levels.get(said.level, logging.WARNING if said.level == "lost" else logging.CRITICAL)
    if logging.getLevelName(NOTICE) == f"Level {NOTICE}":
        logging.addLevelName(NOTICE, "NOTICE")
    logger = logging.getLogger("metalpy.kernel")
    if logger.level == logging.NOTSET:
        logger.setLevel(NOTICE)  # the root's level would hide os_log's default one
    if not logger.isEnabledFor(level):
        return
    text = said.text
    if said.level == "lost":
        text = f"{said.kernel or 'a kernel'}: {text} (METALPY_LOG_BUFFER_SIZE)"
    if logger.hasHandlers():
        extra = {"subsystem": said.subsystem, "category": said.category, "thread_position": said.thread}
        place = (said.file or "", said.line or 0)
        logger.handle(logger.makeRecord(logger.name, level, *place, "%s", (text,), None, said.kernel, extra))
    elif sys.stderr is not None:
        origin = f" [{said.subsystem or ''}:{said.category or ''}]" if said.subsystem or said.category else ""
        print(f"{logger.name} {logging.getLevelName(level)}{origin} {text}", file=sys.stderr)


def _flush_at_exit() -> None:
    """Deliver what nobody has waited for."""
    for queue in registry.all_queues():
        try:
            queue.flush_messages(EXIT_SECONDS)
        except Exception as failure:
            sys.excepthook(type(failure), failure, failure.__traceback__)


message.set_delivery(_deliver)
atexit.register(_flush_at_exit)

KernelMessage.__module__ = "metalpy.mps"
