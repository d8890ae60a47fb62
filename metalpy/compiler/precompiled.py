"""Our own headers, precompiled: most of what clang reads for a small program is always the same.

A precompiled header is an entry of the compile cache like any other; clang does not mind the trailer behind it. If
clang refuses one all the same (another process has evicted it, or the headers have been touched), the program is
compiled with the headers as text, which gives the same result and the same messages.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from ..errors import CacheError
from .cache import Cache, make_key
from .source import STANDARD_HEADERS
from .toolchain import clang, folder_stamp, run_tool, versions

__all__ = ["precompiled_headers"]

KIND = ".pch"
_ABI_HEADERS = Path(__file__).parent.parent / "include"
_lock = threading.Lock()
_impossible: set[str] = set()  # under _lock: keys of what clang could not precompile
_sound: set[tuple[str, int]] = set()  # under _lock: files whose digest this process has compared, by path and inode


def precompiled_headers(
    store: Cache, flags: Sequence[str], headers: Sequence[str], started: Callable[[], None] = lambda: None
) -> Path | None:
    """A precompiled header of `headers` under `flags`; made if the cache has none. None: do without.

    Parameters
    ----------
    store : Cache
    flags : sequence of str
        All flags that the program will be compiled with, include folders of the headers among them.
    headers : sequence of str
        As in ``#include <...>``, in order.
    started : callable, optional
        Called once clang runs, if it has to.
    """
    key = make_key("headers", _identity(), *versions(), *flags, "", *headers)
    path = store.path(key, KIND)
    with _lock:
        if key in _impossible:
            return None
        try:
            if _mark(path) not in _sound and store.load(key, KIND) is None:
                made = _precompile(flags, headers, started)
                if made is None:
                    _impossible.add(key)
                    return None
                store.store(key, KIND, made)
            mark = _mark(path)
            if mark is not None:
                _sound.add(mark)
        except OSError as error:
            raise CacheError(f"cannot write to the compile cache: {error}") from error
    return path


def _mark(path: Path) -> tuple[str, int] | None:
    try:
        return str(path), os.stat(path).st_ino
    except OSError:
        return None


def _precompile(flags: Sequence[str], headers: Sequence[str], started: Callable[[], None]) -> bytes | None:
    import tempfile

    text = "".join(f"#include <{header}>\n" for header in headers)
    with tempfile.TemporaryDirectory(prefix="metalpy-") as folder:
        target = Path(folder, "headers.pch")
        command = [*clang(), "-x", "c++-header", *flags, "-Xclang", "-fno-pch-timestamp", "-o", str(target), "-"]
        result = run_tool(command, text.encode(), started)
        return target.read_bytes() if result.returncode == 0 else None


def _identity() -> str:
    """Changes whenever one of our headers does; names their folders, which a precompiled header remembers."""
    folders = (str(STANDARD_HEADERS), str(_ABI_HEADERS))
    return ";".join(f"{folder}:{folder_stamp(folder)}" for folder in folders)
