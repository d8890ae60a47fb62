"""The tools of the software device: where clang, the linker and LLVM are, and what identifies them.

clang and lld come inside the ``ziglang`` package, LLVM inside ``llvmlite``. Looking them up imports neither.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
import re
import sys
import threading
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ..errors import MetalError, UnsupportedError

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

__all__ = ["clang", "cpu_features", "cpu_identity", "linker", "machine", "meanwhile", "run_tool", "versions"]


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
        raise MetalError(f"{variable} is set to {chosen!r}, which is no program")
    return (os.path.abspath(path),)


def clang() -> tuple[str, ...]:
    """The command that runs clang; ``METALPY_CLANG`` overrides it."""
    return _tool("METALPY_CLANG", "clang")


def linker() -> tuple[str, ...]:
    """The command that runs ld.lld; ``METALPY_LLD`` overrides it."""
    return _tool("METALPY_LLD", "ld.lld")


def run_tool(command: list[str], data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run a tool with `data` on its standard input; its working directory is one where no include can be found."""
    import subprocess  # here and above: a cached program must not wait for imports that it does not need

    try:
        return subprocess.run(command, input=data, capture_output=True, check=False, cwd="/")
    except OSError as error:
        raise MetalError(f"cannot run {command[0]}: {error.strerror}") from error


_T = TypeVar("_T")


def meanwhile(task: Callable[[], _T]) -> Callable[[], _T]:
    """Begin what waits for a tool in another thread; the function that comes back waits for it and has its result."""
    done: list[Callable[[], _T]] = []

    def run() -> None:
        try:
            result = task()
            done.append(lambda: result)
        except BaseException as error:
            failure = error  # `error` ends with its clause

            def fail() -> _T:
                raise failure

            done.append(fail)

    thread = threading.Thread(target=run, name="metalpy tool")
    thread.start()

    def wait() -> _T:
        thread.join()
        return done[0]()

    return wait


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


def machine() -> str:
    """System and processor architecture."""
    return f"{sys.platform} {platform.machine()}"


# Of what /proc/cpuinfo lists: what code that LLVM makes from ordinary code may use. All of it, where names differ.
_USED_FEATURES = re.compile(r"abm|adx|avx|bmi|cmov|cx16|f16c|fma|gfni|lahf|movbe|pni|popcnt|sse|ssse|vpclmul|x?sha")


@cache
def cpu_features() -> frozenset[str]:
    """Instruction set extensions of this processor, as the operating system names them."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            first = file.read(8192).split("\n\n", 1)[0]
    except OSError:
        return frozenset()
    lists = re.findall(r"^(flags|Features)\s*:(.*)$", first, re.MULTILINE)
    return frozenset(
        name for kind, names in lists for name in names.split() if kind != "flags" or _USED_FEATURES.match(name)
    )


@cache
def cpu_identity() -> str:
    """What identifies this machine's instruction set in a cache key."""
    facts = [platform.machine()]
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            first = file.read(8192).split("\n\n", 1)[0]
        wanted = ("model name", "flags", "features", "cpu implementer", "cpu part", "cpu family", "model\t", "stepping")
        facts += [line for line in first.splitlines() if line.lower().startswith(wanted)]
    except OSError:
        facts.append(platform.processor())
    return hashlib.blake2b("\n".join(facts).encode(), digest_size=16).hexdigest()
