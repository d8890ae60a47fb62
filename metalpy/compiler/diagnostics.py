"""clang's messages, told about the user's own text.

clang reads a rewritten copy with generated code behind it. Lines and columns are the user's, so the source line of
a report is taken from the user's file, and whatever lies inside our headers or generated code is moved to the place
in the user's program that led there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence

from ..errors import CompileError, Diagnostic
from .entries import ENTRIES_NAME
from .harvest import Entry
from .source import PROGRAM_SOURCE, STANDARD_HEADERS, Misuse, Source

__all__ = ["compile_error", "misuse_error", "parse_diagnostics"]

MAX_SHOWN = 50  # messages in the text of a CompileError

_MESSAGE = re.compile(
    r"^(?P<file>[^\n]*?):(?P<line>\d+):(?P<column>\d+): (?P<severity>fatal error|error|warning|note): (?P<message>.*)$"
)
_BARE = re.compile(r"^(?:clang: )?(?P<severity>fatal error|error): (?P<message>.*)$")
# How C++ spells Metal's scalar types in messages.
_SPELLINGS = (
    (re.compile(r"(?<!did you mean ')\bmetal::"), ""),  # what is meant may be `sin` where there is no `using`
    (re.compile(r"\b_Float16\b"), "half"),
    (re.compile(r"\bunsigned (char|short|int|long)\b"), r"u\1"),
    (re.compile(r"\bpacked_vec<(\w+), (\d)>"), r"packed_\1\2"),
    (re.compile(r"\bvec<(\w+), (\d)>"), r"\1\2"),
    (re.compile(r"\bmatrix<(\w+), (\d), (\d)>"), r"\1\2x\3"),
    (re.compile(r"; did you mean '[^']*\b(?:__mp|mp_)[^']*'\?"), ""),
    (re.compile(r"^static assertion failed(?: due to requirement '.*?')?: "), ""),
)
_SAME_ALIAS = re.compile(r"'([^']+)' \(aka '\1'\)")


def parse_diagnostics(output: str, entries: Sequence[Entry] = ()) -> list[Diagnostic]:
    """The messages in clang's output, each moved to the user's program; snippets are dropped.

    Parameters
    ----------
    output : str
        What clang printed.
    entries : sequence of Entry
        The kernels, to place messages about generated code by.
    """
    found: list[Diagnostic] = []
    generated: list[Diagnostic] = []  # about entry points: of interest only if the user's own code is right
    misplaced: Diagnostic | None = None  # an error inside our headers, waiting for the place that led there
    for line in output.splitlines():
        match = _MESSAGE.match(line)
        if match is None:
            bare = _BARE.match(line)
            if bare:
                found.append(Diagnostic("error", _metal_names(bare["message"]), "", 0, 0))
            continue
        severity = "error" if match["severity"] == "fatal error" else match["severity"]
        message, file = _metal_names(match["message"]), match["file"]
        diagnostic = Diagnostic(severity, message, file, int(match["line"]), int(match["column"]))
        place = found
        if file == ENTRIES_NAME and 0 < diagnostic.line <= len(entries):
            entry = entries[diagnostic.line - 1]
            diagnostic = diagnostic._replace(file=entry.file, line=entry.line, column=0)
            place = generated
        if _is_ours(file) and place is found:
            misplaced = diagnostic if severity != "note" else misplaced
        elif severity == "note" and misplaced is not None:
            place.append(diagnostic._replace(severity=misplaced.severity, message=misplaced.message))
            misplaced = None
        elif severity != "note" or place is found:
            place.append(diagnostic)
    if any(d.severity == "error" for d in found):
        return found
    if misplaced is not None and not generated:
        generated.append(misplaced._replace(file="", line=0, column=0))
    return found + generated


def compile_error(
    output: str, source: Source, include_dirs: tuple[str, ...] = (), entries: Sequence[Entry] = ()
) -> CompileError:
    """The exception for a failed compilation with clang's `output`."""
    parsed = parse_diagnostics(output, entries)
    diagnostics = [_with_search_path(_pointed(d, source.files), include_dirs) for d in parsed]
    if not any(d.severity == "error" for d in diagnostics):
        return CompileError(f"{source.name}: clang failed:\n{output.strip()}")
    errors = sum(d.severity == "error" for d in diagnostics)
    shown = [d for d in diagnostics if d.severity != "warning"]
    report = "\n".join(_report(d, source.files) for d in shown[:MAX_SHOWN])
    if len(shown) > MAX_SHOWN:
        report += f"\n... and {len(shown) - MAX_SHOWN} more in .diagnostics"
    first = next(d for d in diagnostics if d.severity == "error")
    report += f"\n{errors} error{'s' if errors > 1 else ''} generated."
    return CompileError(report, tuple(diagnostics), _line(source.files, first.file, first.line))


def _pointed(diagnostic: Diagnostic, files: Mapping[str, str]) -> Diagnostic:
    """A message about an entry point bears its kernel's line, but no column: point at the line's start."""
    line = _line(files, diagnostic.file, diagnostic.line)
    if line is None or diagnostic.column:
        return diagnostic
    return diagnostic._replace(column=len(line) - len(line.lstrip()) + 1)


def misuse_error(misuse: Misuse, source: Source) -> CompileError:
    """The exception for what one of our passes found."""
    line = _line(source.files, misuse.file, misuse.line) or ""
    found = re.search(rf"\b{re.escape(misuse.word)}\b", line) if misuse.word else None
    column = (found.start() if found else len(line) - len(line.lstrip())) + 1
    diagnostic = Diagnostic("error", misuse.message, misuse.file, misuse.line, column)
    return CompileError(_report(diagnostic, source.files), (diagnostic,), line or None)


def _with_search_path(diagnostic: Diagnostic, include_dirs: tuple[str, ...]) -> Diagnostic:
    """Say of a missing include where it was looked for."""
    if not diagnostic.message.endswith("file not found"):
        return diagnostic
    folders = [repr(folder) for folder in include_dirs]
    beside = os.path.dirname(diagnostic.file) or "."
    if diagnostic.file not in ("", PROGRAM_SOURCE):
        folders.insert(0, repr(beside))
    looked = ", ".join(folders) if folders else "nowhere but the Metal headers; pass include_dirs="
    return diagnostic._replace(message=f"{diagnostic.message} (looked in {looked})")


def _is_ours(file: str) -> bool:
    return (
        file in (ENTRIES_NAME, "<scratch space>")
        or file.startswith(str(STANDARD_HEADERS))
        or file.endswith(("/metalpy_kernel.h", "/metalpy_format.h"))
    )


def _metal_names(message: str) -> str:
    for pattern, replacement in _SPELLINGS:
        message = pattern.sub(replacement, message)
    return _SAME_ALIAS.sub(r"'\1'", message)


def _line(files: Mapping[str, str], file: str, number: int) -> str | None:
    lines = files.get(file, "").split("\n")
    return lines[number - 1] if 0 < number <= len(lines) else None


def _report(diagnostic: Diagnostic, files: Mapping[str, str]) -> str:
    """One message as clang would print it: place, text, source line, caret."""
    place = f"{diagnostic.file}:{diagnostic.line}:{diagnostic.column}: " if diagnostic.file else ""
    report = f"{place}{diagnostic.severity}: {diagnostic.message}"
    line = _line(files, diagnostic.file, diagnostic.line)
    if line is None:
        return report
    before = line[: max(diagnostic.column - 1, 0)]
    indent = re.sub(r"[^\t]", " ", before)
    return f"{report}\n{line}\n{indent}^"
