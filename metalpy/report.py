"""The facts that a bug report needs, as plain text. A part that fails says so in its place."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
from collections.abc import Callable, Iterable

__all__ = ["text"]

Facts = Iterable[tuple[str, object]]


def text() -> str:
    """Everything, section by section."""
    return "\n\n".join(_section(title, part) for title, part in _SECTIONS)


def _section(title: str, part: Callable[[], Facts]) -> str:
    rows = []
    try:
        for name, value in part():
            rows.append((name, str(value)))  # one by one: what came before a failure is kept
    except Exception as error:  # whatever is broken is what the report is about
        rows.append(("failed", f"{type(error).__name__}: {error}"))
    width = max((len(name) for name, _ in rows), default=0)
    lines = [f"  {name:<{width}}  {value}".rstrip().replace("\n", f"\n  {'':<{width}}  ") for name, value in rows]
    return "\n".join([title, *(lines or ["  none"])])


def _try(make: Callable[[], object]) -> object:
    """A fact, or why there is none, where the others of its section should still be shown."""
    try:
        return make()
    except Exception as error:  # as in _section
        return f"failed: {type(error).__name__}: {error}"


def _versions() -> Facts:
    from metalpy import __version__

    yield "metalpy", __version__
    yield "Python", f"{platform.python_version()} ({platform.python_implementation()}, {sys.executable})"
    yield "system", f"{platform.system()} {platform.release()} {platform.machine()}, {' '.join(platform.libc_ver())}"
    for package in ("numpy", "ml_dtypes", "llvmlite", "ziglang"):
        yield package, _version(package)


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _devices() -> Facts:
    from metalpy import devices

    for device in devices():
        yield str(device), device.name
        yield "  driver", device.driver
        yield "  cores", f"{device.core_count} (CPU threads allowed: {_cpu_count()})"
        yield "  memory", f"{_bytes(device.recommended_max_memory)} recommended, unified: {device.has_unified_memory}"
        yield "  allocated", _bytes(device.allocated_size)
        yield "  largest buffer", _bytes(device.max_buffer_length)
        yield (
            "  threadgroup",
            (f"{device.max_threads_per_threadgroup} threads, {_bytes(device.max_threadgroup_memory)} of memory"),
        )
        yield "  simdgroup", f"{device.thread_execution_width} threads"


def _cpu_count() -> int | None:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def _compiler() -> Facts:
    from metalpy.compiler import toolchain

    for name, find in (("clang", toolchain.clang), ("linker", toolchain.linker)):
        yield name, _try(lambda: " ".join(find()))  # noqa: B023  called at once
        yield "  version", _try(lambda: _tool_version(find()))  # noqa: B023
    yield "LLVM in process", _try(_llvm_version)
    yield "CPU", _try(_cpu_name)


def _tool_version(command: tuple[str, ...]) -> str:
    from metalpy.compiler import toolchain

    result = toolchain.run_tool([*command, "--version"])
    output = (result.stdout or result.stderr).decode("utf-8", "replace").strip()
    return output.splitlines()[0] if output else f"exit status {result.returncode}"


def _llvm_version() -> str:
    import llvmlite.binding as llvm

    return ".".join(map(str, llvm.llvm_version_info))


def _cpu_name() -> str:
    import llvmlite.binding as llvm

    from metalpy.compiler.processor import NATIVE, chosen_cpu

    host, cpu = str(llvm.get_host_cpu_name()), chosen_cpu()
    return host if cpu == NATIVE else f"{host}; kernels are compiled for {cpu} (METALPY_CPU)"


def _cache() -> Facts:
    from metalpy.compiler.cache import default_cache

    facts = default_cache().info()
    yield "folder", facts.pop("folder")
    yield "entries", f"{facts.pop('entries')} ({_bytes(facts.pop('bytes'))} of {_bytes(facts.pop('limit'))})"
    yield "this process", ", ".join(f"{value} {name}" for name, value in facts.items())


def _build() -> Facts:
    from metalpy._core import registry

    yield from registry.build_facts().items()
    yield "folder", os.path.dirname(os.path.abspath(__file__))


def _environment() -> Facts:
    prefixes = ("METALPY_", "PYTORCH_MPS_", "PYTORCH_DEBUG_MPS_")
    return sorted((name, value) for name, value in os.environ.items() if name.startswith(prefixes))


def _bytes(count: object) -> str:
    assert isinstance(count, int)
    for unit, scale in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if count >= scale:
            return f"{count / scale:.4g} {unit}"
    return f"{count} bytes"


_SECTIONS: tuple[tuple[str, Callable[[], Facts]], ...] = (
    ("versions", _versions),
    ("devices", _devices),
    ("compiler", _compiler),
    ("compile cache", _cache),
    ("build", _build),
    ("environment", _environment),
)
