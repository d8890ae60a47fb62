"""The compile cache on disk: content-addressed, shared by processes, safe to delete at any time.

An entry is one file, ``<two hex digits>/<key><kind>``: its payload, then a trailer with the payload's digest. An ELF
object stays loadable with the trailer behind it. Entries appear by an atomic rename, so readers see all of one or
none; what does not match its digest is dropped and made anew. Since entries hold code that will run, the folder must
belong to this user and nobody else may write to it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .. import environment
from ..errors import CacheError

if TYPE_CHECKING:
    import tempfile

__all__ = ["Cache", "CacheStatistics", "cache_info", "clear_cache", "default_cache", "make_key"]

FORMAT = "metalpy-cache-1"
_MAGIC = b"\nmetalpy-entry-1\n"
_DIGEST_BYTES = 32
DEFAULT_LIMIT = 512 * 2**20
_GROUPS = 256  # folders that entries are spread over
_EVICTION_TARGET = 0.8  # of the limit, so that not every store has to evict


@dataclass
class CacheStatistics:
    """What this process has asked of the cache.

    Attributes
    ----------
    hits, misses : int
        Look-ups that found a sound entry, and those that did not.
    stores, evictions : int
        Entries written, and entries removed to stay under the size limit.
    rejected : int
        Entries found corrupted or truncated; each also counts as a miss.
    """

    hits: int = 0
    misses: int = 0
    stores: int = 0
    evictions: int = 0
    rejected: int = 0


def make_key(*parts: str) -> str:
    """The address of an entry: a digest of everything that it depends on."""
    digest = hashlib.blake2b(digest_size=20)
    for part in (FORMAT, *parts):
        data = part.encode("utf-8", "surrogateescape")
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()


class Cache:
    """A folder of compiled code.

    Parameters
    ----------
    folder : path or None
        Where entries live; made when first needed. None: nothing is kept beyond the process (a private temporary
        folder that goes with it).
    limit : int
        Bytes; the least recently used entries go when the sum passes it.
    """

    def __init__(self, folder: Path | None, limit: int = DEFAULT_LIMIT) -> None:
        self._folder = folder
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._is_trusted = False
        self._limit = limit
        self._lock = threading.Lock()
        self._estimate: int | None = None  # bytes when the folder was last measured and stored since; None: not yet
        self.statistics = CacheStatistics()

    @property
    def folder(self) -> Path:
        """The folder, made and checked.

        Raises
        ------
        CacheError
            It belongs to another user, or others may write to it.
        """
        if not self._is_trusted:
            with self._lock:
                if self._folder is None:
                    import tempfile

                    self._temporary = tempfile.TemporaryDirectory(prefix="metalpy-cache-", ignore_cleanup_errors=True)
                    self._folder = Path(self._temporary.name)
                _make_private(self._folder)
                self._is_trusted = True
        assert self._folder is not None
        return self._folder

    def path(self, key: str, kind: str) -> Path:
        """Where the entry of `key` is or would be."""
        return self.folder / key[:2] / (key + kind)

    def load(self, key: str, kind: str) -> bytes | None:
        """The payload of an entry, or None if there is no sound one."""
        path = self.path(key, kind)
        try:
            data = path.read_bytes()
        except OSError:
            data = None
        with self._lock:
            if data is None:
                self.statistics.misses += 1
                return None
            payload = _unseal(data)
            if payload is None:
                self.statistics.rejected += 1
                self.statistics.misses += 1
            else:
                self.statistics.hits += 1
        with contextlib.suppress(OSError):
            if payload is None:
                path.unlink()
            else:
                os.utime(path)  # the time of last use, for eviction
        return payload

    def store(self, key: str, kind: str, payload: bytes) -> Path:
        """Write an entry; whoever writes the same key at the same time writes the same."""
        import tempfile  # not needed by those who only read

        path = self.path(key, kind)
        try:
            path.parent.mkdir(mode=0o700, exist_ok=True)
        except FileNotFoundError:  # somebody has deleted the whole folder
            _make_private(self.folder)
            path.parent.mkdir(mode=0o700, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(_seal(payload))
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
        with self._lock:
            self.statistics.stores += 1
        self._evict(len(payload) + len(_MAGIC) + _DIGEST_BYTES, path.parent)
        return path

    def size(self) -> int:
        """Bytes of all entries now."""
        return sum(size for _, size, _ in self._entries())

    def clear(self) -> None:
        """Remove every entry. Code that is loaded stays usable."""
        for _, _, path in self._entries():
            with contextlib.suppress(OSError):
                os.unlink(path)

    def info(self) -> dict[str, object]:
        """The folder, its size and limit in bytes, the number of entries, and this process's statistics."""
        entries = self._entries()
        return {
            "folder": str(self.folder),
            "entries": len(entries),
            "bytes": sum(size for _, size, _ in entries),
            "limit": self._limit,
            **asdict(self.statistics),
        }

    def _entries(self) -> list[tuple[float, int, str]]:
        """(time of last use, bytes, path) of every entry."""
        groups = _listed(self.folder)
        return [entry for group in groups if len(group.name) == 2 for entry in _measured(group.path)]

    def _evict(self, stored: int, group: Path) -> None:
        # Many short processes may each store one entry, and to measure a large folder takes a second: at a process's
        # first store one group, which differs from key to key, stands for all. Then only what is stored is counted.
        sample = _GROUPS * sum(size for _, size, _ in _measured(group)) if self._estimate is None else 0
        with self._lock:
            self._estimate = sample if self._estimate is None else self._estimate + stored
            if self._estimate <= self._limit:
                return
        entries = sorted(self._entries())
        total = sum(size for _, size, _ in entries)
        with self._lock:
            self._estimate = total
        if total <= self._limit:
            return
        for _, size, path in entries:
            if total <= self._limit * _EVICTION_TARGET:
                break
            with contextlib.suppress(OSError):
                os.unlink(path)
                total -= size
                with self._lock:
                    self._estimate = total
                    self.statistics.evictions += 1


def _listed(folder: str | Path) -> list[os.DirEntry[str]]:
    """What is in a folder; nothing if it is none, or somebody has deleted it."""
    try:
        with os.scandir(folder) as found:
            return list(found)
    except OSError:
        return []


def _measured(group: str | Path) -> list[tuple[float, int, str]]:
    """(time of last use, bytes, path) of the entries in a group."""
    found = []
    for entry in _listed(group):
        with contextlib.suppress(OSError):
            status = entry.stat()
            found.append((status.st_mtime, status.st_size, entry.path))
    return found


def _seal(payload: bytes) -> bytes:
    return payload + _MAGIC + hashlib.blake2b(payload, digest_size=_DIGEST_BYTES).digest()


def _unseal(data: bytes) -> bytes | None:
    end = len(data) - _DIGEST_BYTES - len(_MAGIC)
    if end < 0 or data[end : end + len(_MAGIC)] != _MAGIC:
        return None
    payload = data[:end]
    matches = hashlib.blake2b(payload, digest_size=_DIGEST_BYTES).digest() == data[-_DIGEST_BYTES:]
    return payload if matches else None


def _make_private(folder: Path) -> None:
    """Make the folder for this user alone, or refuse one that is not."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        status = os.stat(folder)
    except OSError as error:
        raise CacheError(
            f"cannot make the compile cache's folder {folder}: {error.strerror}; "
            "set METALPY_CACHE_DIR to a folder of your own, or to 'off'"
        ) from error
    if not stat.S_ISDIR(status.st_mode):
        raise CacheError(f"METALPY_CACHE_DIR: {folder} is not a folder")
    if hasattr(os, "getuid"):
        if status.st_uid != os.getuid():
            raise CacheError(
                f"the compile cache's folder {folder} belongs to user {status.st_uid}, not to you ({os.getuid()}): "
                "code from it would run as you. Set METALPY_CACHE_DIR to a folder of your own"
            )
        if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise CacheError(
                f"others may write to the compile cache's folder {folder} (mode {stat.S_IMODE(status.st_mode):o}), and "
                f"code from it would run as you. Make it private: chmod 700 {folder}"
            )


def default_cache() -> Cache:
    """The process's cache, by ``METALPY_CACHE_DIR`` (a folder, or ``off``) and ``METALPY_CACHE_LIMIT`` (bytes)."""
    global _default
    with _default_lock:
        if _default is None:
            _default = Cache(_chosen_folder(), _chosen_limit())
        return _default


def cache_info() -> dict[str, object]:
    """Facts about the compile cache.

    Returns
    -------
    dict
        ``folder``; ``entries`` and ``bytes`` in it, and its ``limit`` in bytes; this process's ``hits``, ``misses``,
        ``stores``, ``evictions`` and ``rejected`` (entries found corrupted).

    Raises
    ------
    CacheError
        The folder cannot be made or trusted.
    """
    return default_cache().info()


def clear_cache() -> None:
    """Remove everything from the compile cache. Libraries that are in use stay usable."""
    default_cache().clear()


_default: Cache | None = None
_default_lock = threading.Lock()


def _chosen_folder() -> Path | None:
    chosen = os.environ.get("METALPY_CACHE_DIR")
    if chosen is not None and chosen.lower() in ("off", "0", "none"):
        return None
    folder = Path(chosen) if chosen else Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "metalpy")
    try:
        return folder.expanduser().absolute()
    except RuntimeError:  # in containers users need not have a home
        raise CacheError(
            f"the compile cache belongs into {folder}, and this user has no home folder; "
            "set METALPY_CACHE_DIR to a folder of your own, or to 'off'"
        ) from None


def _chosen_limit() -> int:
    return environment.read("METALPY_CACHE_LIMIT", parse=_limit, default=DEFAULT_LIMIT)


def _limit(text: str) -> int:
    return 0 if text == "0" else environment.size(text)
