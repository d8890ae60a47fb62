"""Library files (``.mtlp``): a compiled program in one file, which opens where there is no compiler.

A file is ``magic, format version, header length, header, sections, digest``. The header is JSON and says where the
sections are: the record of the program (`records`), its IR, and the machine code of its kernels. Machine code is for
the processor that made it, or one that can do more. The IR is for any processor of that kind, so where the code does
not fit and LLVM is installed, a kernel is compiled again; the source is not needed, and not in the file. The digest is
of all that comes before it.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import struct
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import LibraryError, UnsupportedError
from .cache import Cache, default_cache, make_key
from .compilation import Compilation
from .options import Options
from .processor import code_features, cpu_features, machine
from .source import Source

__all__ = ["FORMAT", "LoadedCompilation", "library_bytes", "open_library", "read_library", "write_library"]

FORMAT = 2
_MAGIC = b"\x93MTLP\r\n\x1a"
_HEAD = struct.Struct("<8sII")
_DIGEST_BYTES = 32


def write_library(path: str | os.PathLike[str], compilation: Compilation, values: Mapping[int, object]) -> int:
    """Write a program with the machine code of all its kernels; returns the file's bytes.

    Parameters
    ----------
    path : path
        Replaced as a whole, or not at all.
    compilation : Compilation
    values : mapping of int to value
        Function constants by index, the same for all kernels; they will be the loaded library's own.

    Raises
    ------
    CompileError
        A kernel cannot be compiled to machine code.
    """
    data = library_bytes(compilation, values)
    temporary = f"{os.fspath(path)}.new-{os.getpid()}"
    try:
        with open(temporary, "wb") as file:
            file.write(data)
        os.replace(temporary, path)
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)
    return len(data)


def library_bytes(
    compilation: Compilation, values: Mapping[int, object], kernels: Sequence[str] | None = None
) -> bytes:
    """What `write_library` writes, with the machine code of some kernels only if `kernels` names them."""
    chosen = list(compilation.kernels) if kernels is None else list(kernels)
    sections = [compilation.record]
    sections += [zlib.compress(part.encode("utf-8", "surrogateescape"), 6) for part in compilation.ir()]
    sections += [compilation.code(name, values) for name in chosen]
    places = []
    at = 0
    for section in sections:
        places.append([at, len(section)])
        at += len(section)
    header = json.dumps(
        {
            "metalpy": _version(),
            "machine": machine(),
            "features": sorted(code_features()),
            "constants": sorted(values.items()),
            "kernels": chosen,
            "sections": places,
        }
    ).encode()
    body = b"".join([_HEAD.pack(_MAGIC, FORMAT, len(header)), header, *sections])
    return body + hashlib.blake2b(body, digest_size=_DIGEST_BYTES).digest()


def read_library(path: str | os.PathLike[str], store: Cache | None = None) -> Compilation:
    """Open a library file.

    Raises
    ------
    OSError
        The file cannot be read.
    LibraryError
        It is no library file, is damaged, or of another version.
    UnsupportedError
        Its machine code does not run here, and there is no compiler to make other.
    """
    return open_library(Path(path).read_bytes(), os.fsdecode(path), store)


def open_library(data: bytes, name: str, store: Cache | None = None) -> LoadedCompilation:
    """As `read_library`, of a file's bytes; `name` stands for the file in errors."""
    header, sections = _parse(data, name)
    values = {index: _hashable(value) for index, value in header["constants"]}
    fits = _fits(header, name)
    return LoadedCompilation(name, sections, header.get("kernels"), values, fits, store or default_cache())


def _parse(data: bytes, name: str) -> tuple[dict[str, Any], list[bytes]]:
    if len(data) < _HEAD.size or not data.startswith(_MAGIC):
        raise LibraryError(f"{name} is not a metalpy library: make one with `python -m metalpy compile -o {name} FILE`")
    _, version, length = _HEAD.unpack_from(data)
    if version != FORMAT:
        raise LibraryError(
            f"{name} has format {version}, and this metalpy reads format {FORMAT}: compile it again with this version"
        )
    body, digest = data[:-_DIGEST_BYTES], data[-_DIGEST_BYTES:]
    if hashlib.blake2b(body, digest_size=_DIGEST_BYTES).digest() != digest:
        raise LibraryError(f"{name} is truncated or damaged: its {len(data)} bytes do not match their checksum")
    start = _HEAD.size + length
    header = json.loads(body[_HEAD.size : start])
    return header, [body[start + at : start + at + count] for at, count in header["sections"]]


def _fits(header: Mapping[str, Any], name: str) -> bool:
    """Whether the machine code runs here; if it does not, there must be a compiler."""
    if header["machine"] != machine():
        raise UnsupportedError(
            f"{name} was compiled on {header['machine']}, and this is {machine()}: compile it again here"
        )
    lacking = sorted(set(header["features"]) - cpu_features())
    if lacking and importlib.util.find_spec("llvmlite") is None:
        raise UnsupportedError(
            f"{name} was compiled for a processor that has {', '.join(lacking)}, which this one lacks, and the "
            "compiler that could make other code is not installed: pip install llvmlite ziglang, or compile it here"
        )
    return not lacking


def _hashable(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _version() -> str:
    from metalpy import __version__

    return __version__


class LoadedCompilation(Compilation):
    """A compiled program from a file.

    Attributes
    ----------
    fits : bool
        Whether its machine code runs here.
    """

    def __init__(
        self,
        name: str,
        sections: list[bytes],
        kernels: list[str] | None,
        values: dict[int, object],
        fits: bool,
        store: Cache,
    ) -> None:
        super().__init__(sections[0], store, Source("", name, {}, is_closed=True), Options())
        count = len(self._facts["ir"])
        self._ir, code = sections[1 : 1 + count], sections[1 + count :]
        self._values = values
        self.fits = fits
        self._code = dict(zip(self.kernels if kernels is None else kernels, code, strict=True)) if fits else {}

    @property
    def recipe(self) -> None:
        return None

    def native(
        self, name: str, values: Mapping[int, object] | None = None, *, rebuild: bool = False, shape: str = ""
    ) -> Path:
        values = {**self._values, **(values or {})}
        code = self._code.get(name)
        if code is None or rebuild or values != self._values:
            return super().native(name, values, rebuild=rebuild, shape=shape)
        key = make_key("file", hashlib.blake2b(code).hexdigest())
        if self._store.load(key, ".so") is None:
            self._store.store(key, ".so", code)
        return self._store.path(key, ".so")

    def ir(self) -> tuple[str, ...]:
        return tuple(zlib.decompress(part).decode("utf-8", "surrogateescape") for part in self._ir)
