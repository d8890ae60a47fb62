"""Package files: a zip whose members are listed, with sizes and hashes, in ``manifest.json``."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Any

import numpy as np

from metalpy.aot.manifest import FORMAT, Manifest
from metalpy.aot.values import decode_dtype
from metalpy.errors import PackageError

__all__ = ["CONSTANTS", "Package", "read_constants", "read_package", "read_tensors", "write_package"]

_MANIFEST, CONSTANTS = "manifest.json", "constants.safetensors"
_TIME = (1980, 1, 1, 0, 0, 0)  # the same for all, so that equal packages are equal files
_MOST_TEXT = 1 << 26  # bytes of the manifest and of all programs
_MOST_MEMBERS = 10_000
_DAMAGED = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError, OverflowError,
            ValueError, KeyError, IndexError)  # fmt: skip
# safetensors' names of dtypes; what it has no name for is kept as uint8.
_DTYPES = {
    "BOOL": "bool", "U8": "uint8", "I8": "int8", "U16": "uint16", "I16": "int16", "U32": "uint32", "I32": "int32",
    "U64": "uint64", "I64": "int64", "F16": "float16", "BF16": "bfloat16", "F32": "float32", "C64": "complex64",
}  # fmt: skip


@dataclass
class Package:
    """What a package file holds: its manifest, texts of programs and compiled libraries by member, constants."""

    path: str
    manifest: Manifest
    sources: dict[str, str]
    libraries: dict[str, bytes]
    constants: bytes


# ---- writing ----


def write_package(
    path: str,
    manifest: Manifest,
    sources: Mapping[str, str],
    libraries: Mapping[str, bytes],
    constants: Mapping[str, np.ndarray],
) -> None:
    """Write a package file."""
    _demand_safetensors()
    from safetensors.numpy import save

    members = {name: text.encode("utf-8", "surrogateescape") for name, text in sources.items()} | dict(libraries)
    members[CONSTANTS] = save({name: np.require(x, requirements="C") for name, x in constants.items()})
    listed = {name: {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in members.items()}
    head = {"format": FORMAT, "members": listed, **manifest.to_json()}
    text = json.dumps(head, allow_nan=False, separators=(",", ":")).encode()
    with zipfile.ZipFile(path, "w") as file:
        for name, data in ((_MANIFEST, text), *members.items()):
            entry = zipfile.ZipInfo(name, _TIME)
            entry.external_attr = 0o644 << 16
            # Weights do not get smaller, and lie in the file as they are in memory.
            entry.compress_type = zipfile.ZIP_STORED if name == CONSTANTS else zipfile.ZIP_DEFLATED
            file.writestr(entry, data)


# ---- reading ----


def read_package(path: str | os.PathLike[str]) -> Package:
    """Read a package file, and check all of it that can be checked without a device.

    Raises
    ------
    OSError
        The file cannot be read.
    PackageError
        It is no package, is truncated or damaged, is of another format, or says what cannot be.
    """
    name = os.fsdecode(path)
    with open(name, "rb") as file:
        try:
            return _read(file, name)
        except PackageError as error:
            raise PackageError(f"{name}: {error}") from None
        except RecursionError:
            raise PackageError(f"{name}: the manifest is nested too deep") from None
        except _DAMAGED as error:
            raise PackageError(f"{name}: is no package, or truncated or damaged ({error})") from None


def _read(file: IO[bytes], name: str) -> Package:
    with zipfile.ZipFile(file) as archive:
        entries = _entries(archive)
        head = json.loads(_member(archive, entries[_MANIFEST], _MOST_TEXT), parse_constant=_refused_number)
        listed = _listed(head)
        others = set(entries) - {_MANIFEST}
        if others != set(listed):
            raise PackageError(f"its members are not those of its manifest: {sorted(others ^ set(listed))}")
        manifest = Manifest.from_json(head)
        wanted = {program.source for program in manifest.programs}
        compiled = {kernel.library for kernel in manifest.kernels if kernel.library is not None}
        if {*wanted, *compiled, CONSTANTS} != set(listed) or wanted & compiled or CONSTANTS in wanted | compiled:
            raise PackageError("its members are not its programs and constants")
        if entries[CONSTANTS].compress_type != zipfile.ZIP_STORED:
            raise PackageError(f"{CONSTANTS} is compressed, which it must not be")
        if sum(entries[member].file_size for member in wanted | compiled) > _MOST_TEXT:
            raise PackageError(f"its programs have more than {_MOST_TEXT} bytes")
        data = {member: _checked(archive, entries[member], fact) for member, fact in listed.items()}
    sources = {source: data[source].decode("utf-8", "surrogateescape") for source in wanted}
    return Package(name, manifest, sources, {member: data[member] for member in compiled}, data[CONSTANTS])


def _entries(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """The members by name. Names are plain, none is there twice, and none says less of its size than it takes."""
    found: dict[str, zipfile.ZipInfo] = {}
    infos = archive.infolist()
    if len(infos) > _MOST_MEMBERS:
        raise PackageError(f"it has {len(infos)} members")
    for info in infos:
        name = info.orig_filename
        parts = name.split("/")
        if "\\" in name or "\0" in name or ":" in name or any(part in ("", ".", "..") for part in parts):
            raise PackageError(f"the name of its member {name!r} is no path inside it")
        if name in found:
            raise PackageError(f"its member {name!r} is there twice")
        if info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise PackageError(f"its member {name!r} is encrypted, or compressed in an unknown way")
        if info.compress_type == zipfile.ZIP_STORED and info.compress_size != info.file_size:
            raise PackageError(f"its member {name!r} has two sizes")
        found[name] = info
    if _MANIFEST not in found:
        raise PackageError(f"it has no {_MANIFEST}: make packages with metalpy.aot.package")
    return found


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, limit: int) -> bytes:
    if info.file_size > limit:
        raise PackageError(f"its member {info.filename!r} has {info.file_size} bytes, more than {limit}")
    with archive.open(info) as member:
        return member.read()  # no more than file_size, whatever the data would make


def _checked(archive: zipfile.ZipFile, info: zipfile.ZipInfo, fact: Mapping[str, Any]) -> bytes:
    if info.file_size != fact["size"]:
        raise PackageError(f"its member {info.filename!r} has {info.file_size} bytes, the manifest says {fact['size']}")
    data = _member(archive, info, info.file_size)
    if hashlib.sha256(data).hexdigest() != fact["sha256"]:
        raise PackageError(f"its member {info.filename!r} is not what the manifest's hash says")
    return data


def _listed(head: Any) -> dict[str, dict[str, Any]]:
    if not isinstance(head, dict) or type(head.get("format")) is not int:
        raise PackageError("its manifest has no format")
    if head["format"] != FORMAT:
        raise PackageError(f"it has format {head['format']}, and this metalpy reads format {FORMAT}: package it again")
    listed = head.get("members")
    if not isinstance(listed, dict) or not all(
        isinstance(fact, dict) and type(fact.get("size")) is int and isinstance(fact.get("sha256"), str)
        for fact in listed.values()
    ):
        raise PackageError("its manifest does not list its members")
    return listed


def _refused_number(text: str) -> None:
    raise PackageError(f"its manifest has the number {text}")


def read_constants(package: Package) -> list[np.ndarray[Any, Any]]:
    """The constants in the order of the manifest, checked against it.

    Raises
    ------
    PackageError
        If they are not those of the manifest.
    """
    found = read_tensors(package.constants, package.path)
    listed = package.manifest.constants
    if set(found) != {constant.name for constant in listed}:
        raise PackageError(f"{package.path}: its constants are not those of its manifest")
    arrays = []
    for constant in listed:
        x = found[constant.name]
        dtype, shape = decode_dtype(constant.dtype), tuple(constant.shape)
        if x.dtype != dtype or x.shape != shape:
            raise PackageError(
                f"{package.path}: constant {constant.name!r} is {x.dtype} of shape {x.shape}, the manifest says "
                f"{dtype} of shape {shape}"
            )
        arrays.append(x)
    return arrays


def read_tensors(data: bytes, path: str) -> dict[str, np.ndarray[Any, Any]]:
    """The arrays of a safetensors file by name.

    Raises
    ------
    PackageError
        If it is damaged, or has types that arrays do not have.
    """
    _demand_safetensors()
    from safetensors import SafetensorError, deserialize

    arrays = {}
    try:
        for name, entry in deserialize(data):  # type: ignore[no-untyped-call]
            dtype = decode_dtype(_DTYPES.get(entry["dtype"], entry["dtype"]))
            arrays[name] = np.frombuffer(entry["data"], dtype).reshape(entry["shape"])
    except (SafetensorError, ValueError) as error:
        raise PackageError(f"{path}: its arrays cannot be read: {error}") from None
    return arrays


def _demand_safetensors() -> None:
    if importlib.util.find_spec("safetensors") is None:
        raise ModuleNotFoundError("this needs the package safetensors: pip install safetensors", name="safetensors")
