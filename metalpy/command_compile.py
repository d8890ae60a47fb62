"""``python -m metalpy compile``: what is in Metal files, or what is wrong with them."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from metalpy.command_options import add_compile_options, chosen_options, constant_values, relevant_constants
from metalpy.compiler.compilation import Compilation, compile_source
from metalpy.compiler.executor import CHECKED, REFERENCE, SPMD
from metalpy.compiler.options import Options
from metalpy.compiler.source import read_source
from metalpy.errors import CompileError, MetalError

__all__ = ["add_command"]

DESCRIPTION = """\
Compile Metal files and list the kernels of each, with their arguments and limits, or its errors. Without --lower the
front end alone is run, which finds all that is wrong with a program; with it every kernel is taken down to machine
code. What is compiled stays in the compile cache. --report tells which kernels run as vector programs on the software
device, and why the others do not.
"""
EPILOG = """\
exit status: 0 if everything compiled, 1 if a file did not, 2 if the command itself was wrong.

examples:
  python -m metalpy compile kernels/*.metal
  python -m metalpy compile -q -Werror Sources          # every .metal file below Sources
  python -m metalpy compile blur.metal -I include -D TILE=16 --lower --constants radius=3
  python -m metalpy compile kernels/*.metal --report
  python -m metalpy compile blur.metal -o blur.mtlp     # then: metalpy.load_library("blur.mtlp")
"""
_SPECIALIZE = re.compile(r"use lib\..*\.specialize\(\{'(.*?)'.*")
_CHUNK = 16  # kernels that a process lowers before it takes up other work


class Lowering(NamedTuple):
    """What became of one kernel; the names are those of the JSON document."""

    code_bytes: int
    executor: str
    executor_reason: str  # why it is the reference executor, or ''


@dataclass
class Result:
    """What became of one file."""

    file: str
    kernels: list[dict[str, Any]] = field(default_factory=list)
    constants: list[dict[str, Any]] = field(default_factory=list)
    diagnostics: list[dict[str, Any]] = field(default_factory=list)
    report: str = ""  # the compiler's messages as text
    errors: list[str] = field(default_factory=list)
    lowered: dict[str, Lowering] = field(default_factory=dict)  # by kernel


def add_command(commands: Any) -> None:
    """Add ``compile`` to the commands."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "compile",
        help="compile Metal files; list their kernels or errors",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("files", metavar="FILE", nargs="+", help="a .metal file, or a folder: all .metal files in it")
    add_compile_options(parser)
    group = parser.add_argument_group("what to do")
    group.add_argument("--lower", action="store_true", help="also compile every kernel to machine code")
    group.add_argument(
        "--report",
        action="store_true",
        help="compile every kernel and print which executor runs it, why it is the reference one, and their numbers",
    )
    group.add_argument(
        "-o",
        dest="output",
        metavar="OUT.mtlp",
        help="write a library of one FILE, for metalpy.load_library, which needs no compiler",
    )
    group.add_argument("--json", action="store_true", help="print one JSON document instead of text")
    group.add_argument(
        "-q", "--quiet", action="store_true", help="print errors and warnings, and a report's numbers, only"
    )
    group.add_argument("-Werror", dest="werror", action="store_true", help="exit with 1 if there are warnings, too")
    group.add_argument("-j", "--jobs", type=int, metavar="N", help="processes to use (default: one for each CPU)")
    parser.set_defaults(run=lambda given: run(parser, given))


def run(parser: argparse.ArgumentParser, given: argparse.Namespace) -> int:
    """Do what the command line says; returns the exit status."""
    given.files = [file for path in given.files for file in _files_in(parser, path)]
    if given.output and len(given.files) != 1:
        parser.error("-o takes exactly one FILE")
    paths = (given.output, given.files[0])
    if given.output and all(map(os.path.exists, paths)) and os.path.samefile(*paths):
        parser.error(f"-o {given.output} would overwrite the source")
    try:
        options = chosen_options(given)
    except (TypeError, ValueError) as error:
        parser.error(str(error))
    lower = given.lower or given.report or bool(given.output)
    with _Progress(sys.stderr) as progress:
        results = _compile_all(given, options, lower, progress)
    if given.output and not results[0].errors:
        _write(given, options, results[0])
    if given.json:
        print(json.dumps([_as_json(result) for result in results], indent=1))
    elif given.report:
        _print_report(results, given.quiet)
    else:
        for result in results:
            _print(result, given.quiet)
    return 1 if any(result.errors or (given.werror and _has_warnings(result)) for result in results) else 0


def _files_in(parser: argparse.ArgumentParser, path: str) -> list[str]:
    if not os.path.isdir(path):
        return [path]
    found = sorted(map(str, Path(path).rglob("*.metal")))
    if not found:
        parser.error(f"{path}: no .metal file in this folder")
    return found


def _has_warnings(result: Result) -> bool:
    return any(diagnostic["severity"] == "warning" for diagnostic in result.diagnostics)


# ---- compiling ----


def _compile_all(given: argparse.Namespace, options: Options, lower: bool, progress: _Progress) -> list[Result]:
    constants = constant_values(given)
    jobs = max(1, given.jobs or _cpu_count())
    files = list(dict.fromkeys(given.files))
    if jobs == 1 or (len(files) == 1 and not lower):
        return [_compile_here(file, options, constants, lower, progress) for file in files]
    with tempfile.TemporaryDirectory(prefix="metalpy-") as folder:
        # Processes that keep nothing would each compile what another has compiled.
        cache = folder if os.environ.get("METALPY_CACHE_DIR", "").lower() in ("off", "0", "none") else None
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(jobs, context, initializer=_use_cache, initargs=(cache,)) as pool:
            return _compile_in(pool, files, options, constants, lower, progress)


def _compile_in(
    pool: ProcessPoolExecutor,
    files: Sequence[str],
    options: Options,
    constants: Mapping[str | int, object],
    lower: bool,
    progress: _Progress,
) -> list[Result]:
    progress.expect(len(files))
    results: dict[str, Result] = {}
    pending: dict[Future[Any], str] = {pool.submit(_front_end, file, options): file for file in files}
    lowering: dict[Future[Any], str] = {}
    for done in as_completed(pending):
        file = pending[done]
        results[file] = done.result()
        progress.step(file)
        names = [kernel["name"] for kernel in results[file].kernels] if lower else []
        progress.expect(len(names))
        for start in range(0, len(names), _CHUNK):
            chunk = names[start : start + _CHUNK]
            lowering[pool.submit(_lower, file, options, constants, chunk)] = file
    for done in as_completed(lowering):
        result = results[lowering[done]]
        lowered, errors = done.result()
        result.lowered |= lowered
        result.errors += errors
        progress.step(result.file, len(lowered) + len(errors))
    return [results[file] for file in files]


def _compile_here(
    file: str, options: Options, constants: Mapping[str | int, object], lower: bool, progress: _Progress
) -> Result:
    progress.expect(1)
    result = _front_end(file, options)
    progress.step(file)
    names = [kernel["name"] for kernel in result.kernels] if lower else []
    progress.expect(len(names))
    for name in names:
        lowered, errors = _lower(file, options, constants, [name])
        result.lowered |= lowered
        result.errors += errors
        progress.step(file)
    return result


def _use_cache(folder: str | None) -> None:
    if folder is not None:
        os.environ["METALPY_CACHE_DIR"] = folder


def _compilation(file: str, options: Options) -> Compilation:
    with open(file, encoding="utf-8", errors="surrogateescape") as opened:
        text = opened.read()
    return compile_source(read_source(text, file, options.include_dirs), options)


@lru_cache(maxsize=2)
def _kept_compilation(path: str, file: str, changed: int, options: Options) -> Compilation:
    """The compilation for the next kernels of a large file: reading its IR again takes seconds."""
    return _compilation(file, options)


def _front_end(file: str, options: Options) -> Result:
    """What a file has, or why it does not compile."""
    result = Result(file)
    try:
        compiled = _compilation(file, options)
    except OSError as error:
        result.errors.append(f"{file}: {error.strerror or error}")
    except CompileError as error:
        result.diagnostics = [_diagnostic(d) for d in error.diagnostics]
        result.errors.append(str(error))
    except MetalError as error:
        result.errors.append(str(error))
    else:
        result.kernels = [_kernel(compiled, name) for name in compiled.kernels]
        result.constants = [
            {"name": name, "index": index, "type": scalar, "shape": list(shape)}
            for name, (index, scalar, shape) in compiled.constants.items()
        ]
        result.diagnostics = [_diagnostic(d) for d in compiled.warnings]
        result.report = "\n".join(f"{d.file}:{d.line}:{d.column}: {d.severity}: {d.message}" for d in compiled.warnings)
    return result


def _lower(
    file: str, options: Options, constants: Mapping[str | int, object], names: Sequence[str]
) -> tuple[dict[str, Lowering], list[str]]:
    """What became of kernels, by name, and what went wrong with the others."""
    found: dict[str, Lowering] = {}
    errors: list[str] = []
    compiled = _kept_compilation(os.path.abspath(file), file, os.stat(file).st_mtime_ns, options)
    for name in names:
        try:
            values = compiled.constant_values(relevant_constants(constants, compiled.constants))
            made = compiled.lowered(name, values)
            found[name] = Lowering(len(made.code), made.executor, made.reason)
        except MetalError as error:
            where = compiled.kernels[name]
            told = _SPECIALIZE.sub(r"pass --constants \1=VALUE", str(error))
            errors.append(
                told
                if isinstance(error, CompileError) and error.diagnostics
                else f"{where.file}:{where.line}: error: {told}"
            )
    return found, errors


def _write(given: argparse.Namespace, options: Options, result: Result) -> None:
    from metalpy.compiler.libraryfile import write_library

    compiled = _compilation(given.files[0], options)
    values = compiled.constant_values(relevant_constants(constant_values(given), compiled.constants))
    try:
        size = write_library(given.output, compiled, values)
    except OSError as error:
        result.errors.append(f"cannot write {given.output}: {error.strerror}")
        return
    if not given.json and not given.quiet:
        print(f"{given.output}: {size} bytes", file=sys.stderr)


def _cpu_count() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


# ---- facts ----


def _kernel(compiled: Compilation, name: str) -> dict[str, Any]:
    info = compiled.kernels[name]
    return {**asdict(info), "max_threads_per_threadgroup": compiled.max_threads(name)}


def _diagnostic(diagnostic: Any) -> dict[str, Any]:
    facts: dict[str, Any] = diagnostic._asdict()
    facts["fixits"] = [fixit._asdict() for fixit in diagnostic.fixits]
    return facts


def _as_json(result: Result) -> dict[str, Any]:
    absent = dict.fromkeys(Lowering._fields)
    kernels = []
    for kernel in result.kernels:
        lowered = result.lowered.get(kernel["name"])
        kernels.append({**kernel, **(lowered._asdict() if lowered else absent)})
    return {
        "file": result.file,
        "compiled": not result.errors,
        "kernels": kernels,
        "function_constants": result.constants,
        "diagnostics": result.diagnostics,
        "errors": result.errors,
    }


# ---- text ----


def _print(result: Result, quiet: bool) -> None:
    for text in (result.report, *result.errors):
        if text:
            print(text, file=sys.stderr)
    if quiet or (result.errors and not result.kernels):
        return
    count = len(result.kernels)
    print(f"{result.file}: {count} kernel{'' if count == 1 else 's'}")
    for kernel in result.kernels:
        print("\n".join(_described(kernel, result.lowered.get(kernel["name"]))))
    for constant in result.constants:
        shape = f" x {constant['shape'][0]}" if constant["shape"] else ""
        print(f"  function constant {constant['name']} [{constant['index']}]: {constant['type']}{shape}")


def _described(kernel: Mapping[str, Any], lowered: Lowering | None) -> Iterator[str]:
    limit = f"at most {kernel['max_threads_per_threadgroup']} threads per threadgroup"
    code = "" if lowered is None else f", {lowered.code_bytes} bytes of code"
    yield f"  {kernel['name']}  ({limit}{code})"
    rows = []
    for argument in kernel["arguments"]:
        held = argument["type"]
        const = "const " if argument["access"] == "read" and argument["address_space"] != "constant" else ""
        mark = "&" if argument["is_reference"] else "*"
        spelled = f"{const}{argument['address_space']} {held['name']}{mark}"
        notes = [f"{held['size']} bytes each"] if held["kind"] in ("struct", "union") else []
        notes += ["optional"] if argument["optional"] else []
        rows.append((f"[[{argument['kind']}({argument['index']})]]", spelled, argument["name"], ", ".join(notes)))
    widths = [max((len(row[i]) for row in rows), default=0) for i in range(3)]
    for row in rows:
        yield (
            "    "
            + "  ".join([*(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=False)), row[3]]).rstrip()
        )


def _print_report(results: Sequence[Result], quiet: bool) -> None:
    """The executor of each kernel, and how many each executor has."""
    counts: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    for result in results:
        for text in (result.report, *result.errors):
            if text:
                print(text, file=sys.stderr)
        names = [kernel["name"] for kernel in result.kernels]
        width = max(map(len, names), default=0)
        if names and not quiet:
            print(f"{result.file}:")
        for name in names:
            made = result.lowered.get(name)
            executor, reason = (made.executor, made.executor_reason) if made else ("failed", "")
            counts[executor] += 1
            if reason:
                reasons[reason] += 1
            if not quiet:
                print(f"  {name:<{width}}  {executor}{': ' if reason else ''}{reason}")
    total = sum(counts.values())
    executors = (SPMD, REFERENCE, *([CHECKED] if counts[CHECKED] else []), "failed")
    shown = [f"{counts[name]} {name}" for name in executors]
    print(f"{total} kernel{'' if total == 1 else 's'}: {', '.join(shown)}")
    for reason, count in reasons.most_common():
        print(f"  {count} for {reason}")


class _Progress:
    """A bar on a terminal; nothing elsewhere."""

    WIDTH = 24

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._is_shown = stream.isatty()
        self._done = self._expected = 0

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *error: object) -> None:
        if self._is_shown:
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    def expect(self, count: int) -> None:
        """There is more to do."""
        self._expected += count

    def step(self, what: str, count: int = 1) -> None:
        """Some of it is done."""
        self._done += count
        if self._is_shown:
            filled = self.WIDTH * self._done // max(self._expected, 1)
            bar = "#" * filled + "." * (self.WIDTH - filled)
            self._stream.write(f"\r\x1b[K[{bar}] {self._done}/{self._expected} {os.path.basename(what)[:40]}")
            self._stream.flush()
