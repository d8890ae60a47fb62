"""The tools of the software device: where clang, the linker and LLVM are, and what identifies them.

clang and lld come inside the ``ziglang`` package, LLVM inside ``llvmlite``. Looking them up imports neither.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import os
import platform
import shutil
import subprocess
from functools import cache
from pathlib import Path

from ..errors import MetalError, UnsupportedError

__all__ = ["clang", "cpu_identity", "linker", "run_tool", "versions"]


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
    try:
        return subprocess.run(command, input=data, capture_output=True, check=False, cwd="/")
    except OSError as error:
        raise MetalError(f"cannot run {command[0]}: {error.strerror}") from error


@cache
def _installed(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "absent"


def versions() -> tuple[str, ...]:
    """What identifies the compilers in a cache key."""
    chosen = [os.environ.get(v, "") for v in ("METALPY_CLANG", "METALPY_LLD")]
    stamps = [f"{c}:{os.stat(c).st_mtime_ns}" if c and os.path.exists(c) else c for c in chosen]
    return (f"ziglang {_installed('ziglang')}", f"llvmlite {_installed('llvmlite')}", *stamps)


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
