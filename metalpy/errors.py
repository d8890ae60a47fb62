"""Every public exception and warning of metalpy.

All derive from `MetalError`, which is a `RuntimeError`, so code that catches what the counterpart raises keeps
working. Most are also the built-in exception that a Python or NumPy user would expect for the same mistake.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

__all__ = [
    "CacheError",
    "CompileError",
    "ContainerError",
    "Diagnostic",
    "EnvironmentVariableError",
    "EventError",
    "EventTypeError",
    "FixIt",
    "ForkError",
    "GradientError",
    "GraphError",
    "KernelFaultError",
    "KernelReportedError",
    "LaunchTypeError",
    "LaunchValueError",
    "LibraryError",
    "LinAlgError",
    "MetalError",
    "MetalWarning",
    "OutOfMemoryError",
    "PackageError",
    "ProfilerError",
    "RandomStateError",
    "ScalarRangeError",
    "TimeLimitError",
    "UnsupportedError",
]


class MetalError(RuntimeError):
    """Base of all errors that metalpy raises on its own account."""


class MetalWarning(UserWarning):
    """Something went wrong where raising is impossible (a destructor), or a result may surprise."""


class FixIt(NamedTuple):
    """A change of the source that the compiler proposes.

    Attributes
    ----------
    line, column : int
        Where it starts, from 1, in the file of its diagnostic.
    end_line, end_column : int
        Where what is replaced ends; the start, for an insertion.
    text : str
        What to put there.
    """

    line: int
    column: int
    end_line: int
    end_column: int
    text: str


class Diagnostic(NamedTuple):
    """One message of the compiler, placed in the user's own source.

    Attributes
    ----------
    severity : str
        ``"error"``, ``"warning"`` or ``"note"``.
    message : str
        The compiler's text, without position.
    file : str
        Path of the file, or ``"program_source"`` for a string.
    line, column : int
        Position from 1; 0 where the compiler gives none.
    included_from : tuple of (str, int)
        Files and lines of the includes that led to `file`, the nearest first.
    fixits : tuple of FixIt
        Changes that would mend it.
    """

    severity: str
    message: str
    file: str
    line: int
    column: int
    included_from: tuple[tuple[str, int], ...] = ()
    fixits: tuple[FixIt, ...] = ()


class CompileError(MetalError, SyntaxError):
    """Metal source that does not compile.

    ``str(error)`` is the whole report with source lines and carets. The attributes of `SyntaxError` (``filename``,
    ``lineno``, ``offset``, ``text``) describe the first error.

    Attributes
    ----------
    diagnostics : tuple of Diagnostic
        Every message, in the compiler's order.
    """

    diagnostics: tuple[Diagnostic, ...]

    def __init__(self, report: str, diagnostics: tuple[Diagnostic, ...] = (), text: str | None = None) -> None:
        super().__init__(report)
        self.report = report
        self.diagnostics = tuple(diagnostics)
        first = next((d for d in self.diagnostics if d.severity == "error"), None)
        self.msg = first.message if first else report
        self.filename = first.file if first else None
        self.lineno = first.line if first else None
        self.offset = first.column if first else None
        self.text = text

    def __str__(self) -> str:
        return self.report

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.report, self.diagnostics, self.text)


class UnsupportedError(MetalError, NotImplementedError):
    """Valid Metal that this device or version of metalpy cannot run; the message names the feature."""


class LaunchTypeError(MetalError, TypeError):
    """A kernel call with the wrong number, kind or dtype of arguments."""


class LaunchValueError(MetalError, ValueError):
    """A kernel call whose sizes are out of bounds: grid, group, buffer or threadgroup memory."""


class ScalarRangeError(MetalError, OverflowError):
    """A Python number that the type declared by the kernel cannot hold."""


class OutOfMemoryError(MetalError, MemoryError):
    """No memory left; the message says what was asked for, what there is, the limits, and what to change."""


class KernelFaultError(MetalError):
    """A kernel did something illegal: touched a bad address, divided an integer by zero, or trapped."""


class KernelReportedError(MetalError):
    """A kernel reported an error: ``MP_REPORT_ERROR`` or, with ``error_buf_idx=``, ``TORCH_REPORT_ERROR``.

    Attributes
    ----------
    message : str
        The text of the report.
    file : str or None
        Where the report stands, with `line`, or the access that ``METALPY_EXECUTOR=checked`` reports;
        ``"program_source"`` in source without a file.
    line : int or None
    thread : tuple of 3 ints or None
        ``[[thread_position_in_grid]]`` of the thread that reported.
    kernel : str or None
        Name of the kernel, or of the function where only that is known.
    further : int
        How many more reports the same wait has found. A message handler gets all of them.
    """

    def __init__(
        self,
        message: str,
        file: str | None = None,
        line: int | None = None,
        thread: tuple[int, int, int] | None = None,
        kernel: str | None = None,
        further: int = 0,
    ) -> None:
        super().__init__(message, file, line, thread, kernel, further)
        self.message, self.file, self.line = message, file, line
        self.thread, self.kernel, self.further = thread, kernel, further

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}: " if self.file and self.line else ""
        who = f"kernel {self.kernel!r}" if self.kernel else "a kernel"
        where = f" in thread {self.thread}" if self.thread is not None else ""
        more = f" (and {self.further} further report{'s' if self.further > 1 else ''})" if self.further else ""
        return f"{place}{who} reported{where}: {self.message}{more}"


class TimeLimitError(MetalError, TimeoutError):
    """A kernel ran longer than the time limit and was stopped."""


class EventError(MetalError, ValueError):
    """An event cannot answer: it was not recorded, was made without timing, or belongs to another device."""


class EventTypeError(MetalError, TypeError):
    """Something else was given where an event or a stream is needed."""


class EnvironmentVariableError(MetalError, ValueError):
    """An environment variable that cannot be meant; the message names it and says what is allowed."""


class GradientError(MetalError, ValueError):
    """A gradient that cannot be taken: of what, and through what, the message says."""


class GraphError(MetalError, ValueError):
    """A recording or a graph of commands is asked for what it cannot do."""


class ProfilerError(MetalError, ValueError):
    """A profiler call that cannot be meant: an unknown mode or column, or a profile while another one runs."""


class ForkError(MetalError):
    """metalpy was used in the child of a ``fork()``; start processes with ``spawn`` instead."""


class RandomStateError(MetalError, ValueError):
    """Bytes that are no state of a random number generator."""


class LibraryError(MetalError, ValueError):
    """A file that is no compiled library, is damaged, or of another format version."""


class PackageError(MetalError, ValueError):
    """A model that cannot be packaged, or a file that is no package, is damaged, or says what cannot be."""


class ContainerError(MetalError, ValueError):
    """What a model container cannot do: names of constants it does not have, a set of constants never given."""


class CacheError(MetalError):
    """The compile cache's folder cannot be trusted: another user owns it or may write to it."""


class LinAlgError(MetalError, np.linalg.LinAlgError):
    """A matrix that has no such result: singular, or not positive definite. It is NumPy's error of that name too."""
