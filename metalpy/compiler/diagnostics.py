"""clang's messages, told about the user's own text.

clang reads a rewritten copy with generated code behind it. Lines and columns are the user's, so the source line of
a report is taken from the user's file, and whatever lies inside our headers or generated code is moved to the place
in the user's program that led there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence

from ..errors import CompileError, Diagnostic, FixIt
from .entries import ENTRIES_NAME
from .harvest import Entry
from .hints import candidate_reason, hint_for
from .source import PROGRAM_SOURCE, Misuse, Source, is_own_file

__all__ = ["compile_error", "misuse_error", "parse_diagnostics", "placed", "report_of"]

MAX_SHOWN = 50  # messages in the text of a CompileError
MAX_CANDIDATES = 3  # functions of the standard library that an error tells about
_CANDIDATES = "; no candidate fits: "

_MESSAGE = re.compile(
    r"^(?P<file>[^\n]*?):(?P<line>\d+):(?P<column>\d+): (?P<severity>fatal error|error|warning|note): (?P<message>.*)$"
)
_LINE_MARK = re.compile(r'#line (\d+) "((?:\\.|[^"\\])*)"')
_BARE = re.compile(r"^(?:clang: )?(?P<severity>fatal error|error): (?P<message>.*)$")
# How C++ spells Metal's scalar types in messages.
_SPELLINGS = (
    (re.compile(r"(?<!did you mean ')\bmetal::"), ""),  # what is meant may be `sin` where there is no `using`
    (re.compile(r"\b_Float16\b"), "half"),
    (re.compile(r"\b(?:volatile )?_atomic<"), "atomic<"),
    (re.compile(r"\bunsigned (char|short|int|long)\b"), r"u\1"),
    (re.compile(r"\bpacked_vec<(\w+), (\d)>"), r"packed_\1\2"),
    (re.compile(r"\bvec<(\w+), (\d)>"), r"\1\2"),
    (re.compile(r"\bmatrix<(\w+), (\d), (\d)>"), r"\1\2x\3"),
    (re.compile(r"; did you mean '[^']*\b(?:__mp|mp_)[^']*'\?"), ""),
    (
        re.compile(r"^variable with 'loader_uninitialized' attribute must have a trivial default constructor$"),
        "threadgroup memory has no initial values, and this type has a constructor, or members with values",
    ),
    (re.compile(r"^static assertion failed(?: due to requirement '.*?')?: "), ""),
)
_DOUBLE = re.compile(r".*\bdouble_is_not_supported_in_Metal\b.*")
_SNIPPET = re.compile(r" *\d* \| ")
_FIXIT = re.compile(r'fix-it:"(?:\\.|[^"\\])*":\{(\d+):(\d+)-(\d+):(\d+)\}:"((?:\\.|[^"\\])*)"\Z')
_OUR_PRAGMA = "unterminated '#pragma clang attribute push'"  # when clang gives up in the middle of the program
_OUR_RECORDS = re.compile(r"\bmp_(?:group|thread)\b")  # clang has taken a function of ours for what is not declared
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
    place = found
    misplaced: Diagnostic | None = None  # an error inside our headers, waiting for the place that led there
    for line in output.splitlines():
        if _SNIPPET.match(line):
            continue
        match = _MESSAGE.match(line)
        if match is None:
            _add_fixit(line, place)
            bare = _BARE.match(line)
            if bare:
                found.append(Diagnostic("error", _metal_names(bare["message"]), "", 0, 0))
            continue
        if _OUR_PRAGMA in match["message"] or (found and _OUR_RECORDS.search(match["message"])):
            continue
        severity = "error" if match["severity"] == "fatal error" else match["severity"]
        message, file = _metal_names(match["message"]), match["file"]
        diagnostic = Diagnostic(severity, message, file, int(match["line"]), int(match["column"]))
        place = found
        if file == ENTRIES_NAME and severity == "warning":
            place = []
            continue
        if file == ENTRIES_NAME and 0 < diagnostic.line <= len(entries):
            entry = entries[diagnostic.line - 1]
            diagnostic = diagnostic._replace(file=entry.file, line=entry.line, column=0)
            place = generated
        if _is_ours(file) and severity == "note" and found:
            found[-1] = _with_candidate(found[-1], message)
        if _is_ours(file) and place is found:
            misplaced = diagnostic if severity != "note" else misplaced
            place = []
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


def _with_candidate(diagnostic: Diagnostic, note: str) -> Diagnostic:
    """An error about a call, with what a note says of a function in our headers; the first few are enough."""
    message, reason = diagnostic.message, candidate_reason(note)
    known = message.count(" / ") + 1 if _CANDIDATES in message else 0
    if not reason or not message.startswith("no matching") or reason in message or known == MAX_CANDIDATES:
        return diagnostic
    return diagnostic._replace(message=f"{message}{' / ' if known else _CANDIDATES}{reason}")


def _add_fixit(printed: str, place: list[Diagnostic]) -> None:
    match = _FIXIT.match(printed)
    if match and place and "__mp" not in match[5]:
        line, column, end_line, end_column = (int(match[i]) for i in range(1, 5))
        fixit = FixIt(line, column, end_line, end_column, re.sub(r"\\(.)", r"\1", match[5]))
        place[-1] = place[-1]._replace(fixits=(*place[-1].fixits, fixit))


def placed(
    found: Sequence[Diagnostic], source: Source, include_dirs: tuple[str, ...], lines_before: int = 0
) -> list[Diagnostic]:
    """Messages with all that the source and the options say about them.

    Parameters
    ----------
    found : sequence of Diagnostic
        What `parse_diagnostics` found.
    source : Source
    include_dirs : tuple of str
    lines_before : int
        Lines in front of the source in what clang read: it counts a fix-it's lines from there.
    """
    numbers = _user_lines(source.text) if any(d.fixits for d in found) else []
    return [
        _with_hint(
            _with_search_path(_pointed(_mended(d, numbers, lines_before), source.files), include_dirs), source.text
        )._replace(included_from=source.included_from(d.file))
        for d in found
    ]


def _user_lines(text: str) -> list[tuple[str, int]]:
    """(file, line) of each line of a spliced program."""
    places, file, number = [], "", 1
    for line in text.split("\n"):
        mark = _LINE_MARK.match(line)
        if mark:
            file, number = re.sub(r"\\(.)", r"\1", mark[2]), int(mark[1]) - 1
        places.append((file, number))
        number += 1
    return places


def _mended(diagnostic: Diagnostic, places: list[tuple[str, int]], lines_before: int) -> Diagnostic:
    """With the lines of its fix-its in the user's file; those of other files are left out."""
    fixits = []
    for fixit in diagnostic.fixits:
        at = [number - 1 - lines_before for number in (fixit.line, fixit.end_line)]
        if all(0 <= i < len(places) and places[i][0] == diagnostic.file for i in at):
            fixits.append(fixit._replace(line=places[at[0]][1], end_line=places[at[1]][1]))
    return diagnostic._replace(fixits=tuple(fixits))


def _with_hint(diagnostic: Diagnostic, text: str) -> Diagnostic:
    hint = hint_for(diagnostic.message, text) if diagnostic.severity == "error" else ""
    message = diagnostic.message.partition("; did you mean")[0]  # a hint knows better
    return diagnostic._replace(message=f"{message}; {hint}") if hint else diagnostic


def compile_error(
    output: str,
    source: Source,
    include_dirs: tuple[str, ...] = (),
    entries: Sequence[Entry] = (),
    lines_before: int = 0,
) -> CompileError:
    """The exception for a failed compilation with clang's `output`."""
    diagnostics = placed(parse_diagnostics(output, entries), source, include_dirs, lines_before)
    if not any(d.severity == "error" for d in diagnostics):
        return CompileError(f"{source.name}: clang failed:\n{output.strip()}")
    errors = sum(d.severity == "error" for d in diagnostics)
    told = [d for d in diagnostics if d.severity != "warning"]
    report = "\n".join(report_of(d, source.files) for d in told[:MAX_SHOWN])
    if len(told) > MAX_SHOWN:
        report += f"\n... and {len(told) - MAX_SHOWN} more in .diagnostics"
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
    stack = source.included_from(misuse.file)
    diagnostic = Diagnostic("error", misuse.message, misuse.file, misuse.line, column, stack)
    return CompileError(report_of(diagnostic, source.files), (diagnostic,), line or None)


_FRAMEWORK_HEADER = re.compile(r"^'(?:SwiftUI|CoreImage|SceneKit|RealityKit)/")


def _with_search_path(diagnostic: Diagnostic, include_dirs: tuple[str, ...]) -> Diagnostic:
    """Say of a missing include where it was looked for."""
    if not diagnostic.message.endswith("file not found"):
        return diagnostic
    if _FRAMEWORK_HEADER.search(diagnostic.message):
        reason = "a framework's header, for shaders that are no kernels"
        return diagnostic._replace(message=f"{diagnostic.message}: {reason}")
    folders = [repr(folder) for folder in include_dirs]
    beside = os.path.dirname(diagnostic.file) or "."
    if diagnostic.file not in ("", PROGRAM_SOURCE):
        folders.insert(0, repr(beside))
    looked = ", ".join(folders) if folders else "nowhere but the Metal headers; pass include_dirs="
    return diagnostic._replace(message=f"{diagnostic.message} (looked in {looked})")


def _is_ours(file: str) -> bool:
    return file in (ENTRIES_NAME, "<scratch space>") or is_own_file(file)


def _metal_names(message: str) -> str:
    message = _DOUBLE.sub("'double' is not supported in Metal", message)
    for pattern, replacement in _SPELLINGS:
        message = pattern.sub(replacement, message)
    return _SAME_ALIAS.sub(r"'\1'", message)


def _line(files: Mapping[str, str], file: str, number: int) -> str | None:
    lines = files.get(file, "").split("\n")
    return lines[number - 1] if 0 < number <= len(lines) else None


def report_of(diagnostic: Diagnostic, files: Mapping[str, str]) -> str:
    """One message as clang would print it: includes that led there, place, text, source line, caret."""
    stack = diagnostic.included_from if diagnostic.severity != "note" else ()
    includes = "".join(f"In file included from {file}:{line}:\n" for file, line in stack)
    place = f"{diagnostic.file}:{diagnostic.line}:{diagnostic.column}: " if diagnostic.file else ""
    report = f"{includes}{place}{diagnostic.severity}: {diagnostic.message}"
    line = _line(files, diagnostic.file, diagnostic.line)
    if line is None:
        return report
    before = line[: max(diagnostic.column - 1, 0)]
    indent = re.sub(r"[^\t]", " ", before)
    return f"{report}\n{line}\n{indent}^"
