"""The C ABI layer: compiles native/loops.c and calls it, and lets pytest-benchmark record what it measured."""

from __future__ import annotations

import ctypes
import os
import shlex
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import metalpy
from metalpy._core import registry

SOURCE = Path(__file__).parent / "native" / "loops.c"


class Clock:
    """A timer for pytest-benchmark that stands still unless told how much time has passed.

    With it, a benchmark's result is what a C loop or the device's clock measured, a step of the loop at a time.
    """

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


class NativeLoops:
    """The functions of loops.c over one set of handles."""

    def __init__(self, folder: Path, kernel: Path, buffer_bytes: int) -> None:
        self._code = ctypes.CDLL(str(_compile(folder)))
        for name in ("launch_async", "launch_wait", "buffer", "copy", "fill"):
            getattr(self._code, f"bench_{name}").restype = ctypes.c_uint64
        self._code.bench_size.restype = ctypes.c_uint64
        self._code.bench_message.restype = ctypes.c_char_p
        self._handles = ctypes.create_string_buffer(self._code.bench_size())
        (table, *_) = registry.driver_tables()
        opened = self._code.bench_open(
            self._handles, ctypes.c_void_p(table), str(kernel).encode(), ctypes.c_uint64(buffer_bytes)
        )
        if not opened:
            raise RuntimeError(self._message())

    def close(self) -> None:
        """Release the handles."""
        self._code.bench_close(self._handles)

    def _message(self) -> str:
        return str(self._code.bench_message(self._handles).decode())

    def run(self, name: str, count: int, *sizes: int) -> float:
        """Seconds that one of `count` repetitions of ``bench_<name>`` took."""
        taken = getattr(self._code, f"bench_{name}")(self._handles, count, *map(ctypes.c_uint64, sizes))
        if taken == 0:
            raise RuntimeError(self._message())
        return float(taken) * 1e-9 / count

    def measure(self, benchmark: Any, clock: Clock, name: str, count: int, *sizes: int, rounds: int = 100) -> None:
        """Record ``bench_<name>`` as the result of a benchmark that is marked with ``timer=clock``."""

        def step() -> None:
            clock.seconds += self.run(name, count, *sizes)

        benchmark.pedantic(step, rounds=rounds, warmup_rounds=3)


def _compile(folder: Path) -> Path:
    target = folder / "loops.so"
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
    flags = ["-O2", "-std=gnu11", "-Wall", "-Werror", "-shared", "-fPIC", f"-I{metalpy.get_include()}"]
    subprocess.run([*compiler, *flags, str(SOURCE), "-o", str(target)], check=True)
    return target
