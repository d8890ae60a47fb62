"""The tools of the software device: where clang, the linker and LLVM are, and what identifies them.

clang and lld come inside the ``ziglang`` package, LLVM inside ``llvmlite``. Looking them up imports neither.
"""

from __future__ import annotations

import importlib.util
import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import MetalError, UnsupportedError

if TYPE_CHECKING:
    import subprocess

__all__ = ["clang", "linker", "run_tool", "versions"]


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
