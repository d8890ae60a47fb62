"""The tools of the software device: where clang, the linker and LLVM are, and what identifies them.

clang and lld come inside the ``ziglang`` package, LLVM inside ``llvmlite``. Looking them up imports neither.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import threading
from functools import cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, TypeVar

from ..errors import EnvironmentVariableError, MetalError, UnsupportedError

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Sequence

__all__ = ["Linker", "clang", "folder_stamp", "linker", "meanwhile", "run_tool", "versions"]


@cache
def _zig() -> str:
    spec = importlib.util.find_spec("ziglang")
    if spec is None or spec.origin is None:
        raise UnsupportedError(
            "the software device compiles Metal with the clang inside the 'ziglang' package, which is not installed: "
            "pip install ziglang (or set METALPY_CLANG and METALPY_LLD to a clang and ld.lld of version 22)"
        )
    return str(Path(spec.origin).parent / "zig")


def _tool(variable: str, zig_command: str) -> tuple[str, ...]:
    chosen = os.environ.get(variable)
    if not chosen:
        return (_zig(), zig_command)
    import shutil

    path = shutil.which(chosen)
    if path is None:
        raise EnvironmentVariableError(f"{variable} is set to {chosen!r}, which is no program")
    return (os.path.abspath(path),)


def clang() -> tuple[str, ...]:
    """The command that runs clang; ``METALPY_CLANG`` overrides it."""
    return _tool("METALPY_CLANG", "clang")


def linker() -> tuple[str, ...]:
    """The command that runs ld.lld; ``METALPY_LLD`` overrides it."""
    return _tool("METALPY_LLD", "ld.lld")


def run_tool(
    command: list[str], data: bytes = b"", started: Callable[[], None] = lambda: None
) -> subprocess.CompletedProcess[bytes]:
    """Run a tool with `data` on its standard input; its working directory is one where no include can be found.

    `started` is called once the tool runs: what it begins in other threads does not keep the tool from starting.
    """
    import subprocess  # here and above: a cached program must not wait for imports that it does not need

    try:
        with _memory_file() as given, _memory_file() as output:
            given.write(data)
            given.seek(0)
            with subprocess.Popen(command, stdin=given, stdout=output, stderr=subprocess.PIPE, cwd="/") as process:
                try:
                    started()
                    messages = process.communicate()[1]
                except BaseException:
                    process.kill()
                    raise
            output.seek(0)
            return subprocess.CompletedProcess(command, process.returncode, output.read(), messages)
    except OSError as error:
        raise MetalError(f"cannot run {command[0]}: {error.strerror}") from error


def _memory_file() -> IO[bytes]:
    """A file of megabytes: with a pipe the tool would wait until a thread of this process may read or write."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("metalpy"), "w+b")
    import tempfile

    return tempfile.TemporaryFile()


class Linker:
    """The linker, started before there is an object: to load it takes longer than its work.

    To be used as a context manager, which ends the process if it gets no object.

    Parameters
    ----------
    options : sequence of str, optional
        More of them, such as how to compile what comes as bitcode.
    """

    _FLAGS = "-shared --hash-style=gnu -z relro -z now -z noexecstack --gc-sections -s --threads=1".split()

    def __init__(self, options: Sequence[str] = ()) -> None:
        import subprocess

        self._options = [*self._FLAGS, *options]
        command = [*linker(), *self._options, "/dev/stdin", "-o", "-"]
        pipe = subprocess.PIPE
        try:
            self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, cwd="/")
        except OSError as error:
            raise MetalError(f"cannot run {command[0]}: {error.strerror}") from error

    def link(self, native: bytes, *others: bytes) -> bytes:
        """The shared object of an object file or of bitcode, or of several, which the linker takes from files only."""
        if others:
            return self._link_files(native, *others)
        made, messages = self._process.communicate(native)
        if self._process.returncode != 0:
            raise MetalError(f"linking a kernel failed: {messages.decode('utf-8', 'replace').strip()}")
        return made

    def _link_files(self, *objects: bytes) -> bytes:
        import tempfile

        with tempfile.TemporaryDirectory(prefix="metalpy-") as folder:
            target = Path(folder, "kernel.so")
            sources = [Path(folder, f"{number}.o") for number in range(len(objects))]
            for source, data in zip(sources, objects, strict=True):
                source.write_bytes(data)
            result = run_tool([*linker(), *self._options, *map(str, sources), "-o", str(target)])
            if result.returncode != 0:
                raise MetalError(f"linking a kernel failed: {result.stderr.decode('utf-8', 'replace').strip()}")
            return target.read_bytes()

    def __enter__(self) -> Linker:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.returncode is None:
            self._process.kill()
        with self._process:  # closes the pipes and waits
            pass


_T = TypeVar("_T")


def meanwhile(task: Callable[[Callable[[], None]], _T]) -> Callable[[], _T]:
    """Begin what waits for a tool in another thread; the function that comes back waits for it and has its result.

    `task` is called with what `run_tool` is to call once the tool runs, which is waited for: a thread that has to start
    one while this thread computes would come to it late.
    """
    done: list[Callable[[], _T]] = []
    started = threading.Event()

    def run() -> None:
        try:
            result = task(started.set)
            done.append(lambda: result)
        except BaseException as error:
            failure = error  # `error` ends with its clause

            def fail() -> _T:
                raise failure

            done.append(fail)
        finally:
            started.set()

    thread = threading.Thread(target=run, name="metalpy tool")
    thread.start()
    started.wait()

    def wait() -> _T:
        thread.join()
        return done[0]()

    return wait


@cache
def folder_stamp(folder: str) -> str:
    """Changes whenever a file in the folder or below it does, but for bytecode."""
    with os.scandir(folder) as found:
        entries = sorted((entry for entry in found if entry.name != "__pycache__"), key=lambda entry: entry.name)
    marks = []
    for entry in entries:
        if entry.is_dir():
            marks.append(f"{entry.name}/{folder_stamp(entry.path)}")
        else:
            status = entry.stat()
            marks.append(f"{entry.name}:{status.st_size}:{status.st_mtime_ns}")
    return hashlib.blake2b(";".join(marks).encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()


@cache
def _installed(package: str) -> str:
    """Name and version of an installed package, by its metadata's folder; importlib.metadata takes 15 ms to import."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return f"{package} absent"
    names = os.listdir(Path(spec.origin).parent.parent)
    metadata = [name for name in names if name.startswith(f"{package}-") and name.endswith(".dist-info")]
    return " ".join(sorted(metadata)) or f"{package} {os.stat(spec.origin).st_mtime_ns}"


def versions() -> tuple[str, ...]:
    """What identifies the compilers in a cache key."""
    chosen = [os.environ.get(v, "") for v in ("METALPY_CLANG", "METALPY_LLD")]
    stamps = [f"{c}:{os.stat(c).st_mtime_ns}" if c and os.path.exists(c) else c for c in chosen]
    return (_installed("ziglang"), _installed("llvmlite"), *stamps)
