"""A program that the device compiles itself: Apple's compiler gets the spliced source, Metal's reflection comes back.

Metal tells the size and layout of a kernel's arguments. What it leaves out (pointer or reference, address space, names
of structs, inputs such as the thread's position) is read from the source where a kernel stands there in plain text; a
kernel that macros make, or that comes from a ``.metallib``, does without: its arguments count as pointers.
"""

from __future__ import annotations

import contextlib
import os
import platform
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from .._core import library as core
from .._core.texture import TEXTURE_TYPES
from ..errors import CacheError, CompileError, Diagnostic, LaunchValueError, MetalError, UnsupportedError
from .cache import default_cache, make_key
from .compilation import checked_constants
from .diagnostics import compile_error, parse_diagnostics
from .harvest import Entry, Parameter, harvest
from .options import DEFAULT_VERSION, Options
from .reflection import Argument, Builtin, Field, KernelInfo, Type
from .source import Misuse, Source

if TYPE_CHECKING:
    from .._core.driver import Device
    from .._core.library import Library, Pipeline

__all__ = ["DeviceProgram", "compile_on_device", "load_on_device"]

# By MP_SCALAR_* of the ABI: NumPy's name and Metal's.
_SCALARS = (
    ("", ""),
    ("bool", "bool"),
    ("int8", "char"),
    ("uint8", "uchar"),
    ("int16", "short"),
    ("uint16", "ushort"),
    ("int32", "int"),
    ("uint32", "uint"),
    ("int64", "long"),
    ("uint64", "ulong"),
    ("float16", "half"),
    ("bfloat16", "bfloat"),
    ("float32", "float"),
)
_CODES = {name: code for code, (name, _) in enumerate(_SCALARS) if name}
_KINDS = ("void", "scalar", "vector", "matrix", "array", "struct", "pointer", "texture", "sampler")  # by MP_TYPE_*
_ROLES = {1: "buffer", 3: "threadgroup", 5: "texture", 6: "sampler"}  # by MP_ARGUMENT_*
_HANDLES = ("texture", "sampler")
_ACCESSES = ("sample", "read_write", "write")  # what Metal tells: it does not know sampling from reading
_ACCESS = re.compile(r"\baccess::(\w+)")
_MATH_MODES = {"safe": 0, "relaxed": 1, "fast": 2}


def compile_on_device(device: Device, source: Source, options: Options) -> DeviceProgram:
    """Compile a program with the device's own compiler.

    Raises
    ------
    CompileError
        The source is not valid Metal.
    MetalError
        The compiler failed for another reason.
    """
    macros = [(name.encode(), value.encode()) for name, value in options.defines]
    data = source.text.encode("utf-8", "replace")  # stray bytes can only be in comments
    try:
        library = core.Library(
            device, core.LIBRARY_SOURCE, data, _MATH_MODES[options.math_mode], macros, _language(options)
        )
    except MetalError:
        log = core.compile_log(device)
        if any(message.severity == "error" for message in parse_diagnostics(log)):
            raise compile_error(log, source, options.include_dirs) from None
        raise
    identity = (source.text, repr(options)) if source.is_closed else None
    warnings = tuple(parse_diagnostics(core.compile_log(device)))
    return DeviceProgram(library, _entries(source), identity, source.name, warnings, (source, options))


def _language(options: Options) -> int:
    """As the driver takes it; what was not asked for is left to the device's compiler."""
    if options.language_version == DEFAULT_VERSION:
        return 0
    major, minor = options.language_version.split(".")
    return int(major) << 16 | int(minor)


def load_on_device(device: Device, source: bytes | str) -> DeviceProgram:
    """Load a ``.metallib``, given by its bytes or its path.

    Raises
    ------
    MetalError
        There is no such file, or it is not a library for this device.
    """
    if isinstance(source, bytes):
        library = core.Library(device, core.LIBRARY_METALLIB, source)
    else:
        library = core.Library(device, core.LIBRARY_METALLIB_FILE, os.fsencode(source))
    return DeviceProgram(library, {}, None, "" if isinstance(source, bytes) else source)


class DeviceProgram:
    """A library of the device, as `ShaderLibrary` uses one.

    Attributes
    ----------
    kernels : dict of str to None
        Names, in the order of the source where it is known.
    warnings : tuple of Diagnostic
    recipe : (Source, Options) or None
        What it was compiled from; None if it came compiled.
    """

    def __init__(
        self,
        library: Library,
        entries: dict[str, Entry],
        identity: tuple[str, ...] | None,
        file: str,
        warnings: tuple[Diagnostic, ...] = (),
        recipe: tuple[Source, Options] | None = None,
    ) -> None:
        self.warnings = warnings
        self.recipe = recipe
        self._library = library
        self._entries = entries
        self._identity = identity
        self._file = file
        places = {name: place for place, name in enumerate(entries)}
        names = sorted(library.names(), key=lambda name: (places.get(name, len(places)), name))
        self.kernels: dict[str, None] = dict.fromkeys(names)
        self._lock = threading.Lock()

    @cached_property
    def constants(self) -> dict[str, tuple[int, str, tuple[int, ...]]]:
        """Function constants by name: index, scalar type, vector shape."""
        found = {}
        for kernel in self.kernels:
            for name, index, scalar, count, _ in self._library.constants(kernel):
                found[name] = (index, _SCALARS[scalar][0], (count,) if count > 1 else ())
        return dict(sorted(found.items(), key=lambda entry: entry[1][0]))

    def constant_values(self, given: Mapping[str | int, object]) -> dict[int, object]:
        """As `Compilation.constant_values`."""
        return checked_constants(self.constants, given)

    def kernel(self, name: str, values: Mapping[int, object]) -> tuple[KernelInfo, Callable[[], Pipeline]]:
        """The record of a kernel and what loads it.

        Of a kernel that lacks a function constant Metal tells nothing: the record has what the source says, and
        launching raises.
        """
        entry = self._entries.get(name)
        objects = [p for p in entry.parameters if p.is_object] if entry else []
        if objects:
            raise UnsupportedError(
                f"argument '{objects[0].name}' of kernel '{name}' is a {objects[0].type_name}; Apple's driver of "
                "metalpy binds neither tensors nor tables of functions yet"
            )
        try:
            pipeline = self._library.pipeline(name, self._encoded(values), self._archive(name, values))
        except LaunchValueError as error:
            reason = str(error)

            def fail() -> Pipeline:
                raise LaunchValueError(f"{reason}; give it with .specialize()")

            return self._info(name, entry, _declared(entry) if entry else ()), fail
        arguments = _arguments(pipeline.arguments(), entry)
        return self._info(name, entry, arguments), lambda: pipeline

    def _info(self, name: str, entry: Entry | None, arguments: tuple[Argument, ...]) -> KernelInfo:
        if entry is None:
            return KernelInfo(name, arguments, (), self._file, 0)
        builtins = tuple(
            Builtin(p.name, p.role, p.type_name) for p in entry.parameters if p.role not in _ROLES.values()
        )
        return KernelInfo(name, arguments, builtins, entry.file, entry.line)

    def _encoded(self, values: Mapping[int, object]) -> list[tuple[int, int, int, bytes]]:
        """Function constants as the driver takes them."""
        kinds = {index: (scalar, shape) for index, scalar, shape in self.constants.values()} if values else {}
        encoded = []
        for index, value in values.items():
            scalar, shape = kinds[index]
            items = value if isinstance(value, tuple) else (value,)
            data = b"".join(_constant_bytes(scalar, item) for item in items)
            # A vector of three is read as four.
            encoded.append(
                (index, _CODES[scalar], shape[0] if shape else 1, data.ljust(len(data) // len(items) * 4, b"\0"))
            )
        return encoded

    def _archive(self, name: str, values: Mapping[int, object]) -> bytes | None:
        """Where the compile cache keeps the pipeline; None if the text does not determine it."""
        if self._identity is None:
            return None
        device = self._library.device
        facts = (device.name, platform.platform(), name, repr(sorted(values.items())))
        try:
            path = default_cache().path(make_key("archive", *self._identity, *facts), ".archive")
            path.parent.mkdir(mode=0o700, exist_ok=True)
        except (OSError, CacheError):
            return None
        return os.fsencode(path)


def _constant_bytes(scalar: str, value: object) -> bytes:
    import numpy as np

    if scalar == "bfloat16":
        import ml_dtypes

        return np.asarray(value, ml_dtypes.bfloat16).tobytes()
    return np.asarray(value, scalar).tobytes()


def _entries(source: Source) -> dict[str, Entry]:
    """The kernels that stand in the source in plain text; none where macros or branches make reading it unsafe."""
    with contextlib.suppress(Misuse, CompileError, MetalError):
        return {entry.name: entry for entry in harvest(source.text, source.name).entries}
    return {}


# ---- records of the driver to those of the compiler ----


def _arguments(records: Sequence[dict[str, Any]], entry: Entry | None) -> tuple[Argument, ...]:
    declared = {(p.role, p.name): p for p in entry.parameters} if entry else {}
    walk = iter(records)
    pending = next(walk, None)
    found = []
    while pending is not None:
        record = pending
        role = _ROLES[record["binding"]]
        parameter = declared.pop((role, record["name"]), None)
        held, pending = _type(record, walk, parameter.type_name if parameter else "")
        found.append(_argument(record, role, held, parameter))
    # A function constant has taken these away: they may be given, and are not looked at.
    found += [_untyped(p, int(p.index)) for p in declared.values() if p.gate and p.index and p.index.isdecimal()]
    order = {p.name: place for place, p in enumerate(entry.parameters)} if entry else {}
    kinds = list(_ROLES.values())  # where the source does not tell: buffers, threadgroup memory, textures, samplers
    return tuple(sorted(found, key=lambda a: (order.get(a.name, -1), kinds.index(a.kind), a.index)))


def _argument(record: dict[str, Any], role: str, held: Type, parameter: Parameter | None) -> Argument:
    if role in _HANDLES:
        access = (held.element or held).access or "read"
        gated = parameter is not None and parameter.gate is not None
        return Argument(record["name"], record["index"], role, "", access, False, gated, held)
    space = "threadgroup" if role == "threadgroup" else "device" if record["writes"] else "constant"
    return Argument(
        name=record["name"],
        index=record["index"],
        kind=role,
        address_space=parameter.address_space if parameter else space,
        access="read_write" if record["writes"] else "read",
        is_reference=parameter.is_reference if parameter else False,
        optional=parameter is not None and parameter.gate is not None,
        type=held,
    )


def _declared(entry: Entry) -> tuple[Argument, ...]:
    """Arguments as far as the source tells: where an index is no plain number it is counted."""
    found = []
    for role in _ROLES.values():
        parameters = [p for p in entry.parameters if p.role == role]
        for place, parameter in enumerate(parameters):
            index = int(parameter.index) if parameter.index and parameter.index.isdecimal() else place
            found.append(_untyped(parameter, index))
    return tuple(found)


def _untyped(parameter: Parameter, index: int) -> Argument:
    held = Type(parameter.type_name, "void", 0, 1)
    return Argument(parameter.name, index, parameter.role, parameter.address_space, "read_write",
                    parameter.is_reference, parameter.gate is not None, held)  # fmt: skip


def _type(record: dict[str, Any], walk: Iterator[dict[str, Any]], name: str = "") -> tuple[Type, dict[str, Any] | None]:
    """The type of a record, and the record after all that belongs to it."""
    kind = _KINDS[record["kind"]]
    if kind in _HANDLES:
        return _handle(record, kind, name), next(walk, None)
    scalar, metal = _SCALARS[record["scalar"]]
    size, alignment, stride = record["size"], record["alignment"], record["stride"]
    shape = tuple(count for count in record["counts"] if count)
    parts: list[tuple[dict[str, Any], Type]] = []
    pending = next(walk, None)
    while pending is not None and pending["depth"] > record["depth"]:
        part = pending
        held, pending = _type(part, walk, name if kind == "array" and part["kind"] >= _KINDS.index("texture") else "")
        parts.append((part, held))
    element = parts[0][1] if parts and kind in ("array", "pointer") else None
    fields = tuple(Field(part["name"], part["offset"], held) for part, held in parts) if kind == "struct" else ()
    if kind == "vector":
        packed = "packed_" if alignment < size else ""
        name = f"{packed}{metal}{shape[0]}"
    elif kind == "matrix":
        name = f"{metal}{shape[0]}x{shape[1]}"
    elif kind == "array" and element is not None and element.kind in _HANDLES:
        name = f"array<{element.name}, {shape[0]}>"
    elif kind == "array":
        name = f"{element.name if element else 'void'}[{shape[0]}]"
    elif kind == "pointer":
        name = f"{element.name if element else 'void'}*"
        element = element or Type("void", "void", 0, 1)
    elif kind == "scalar":
        name = metal
    else:
        name = name or kind
    return Type(name, kind, size, alignment, scalar or None, shape, stride, element, fields), pending


def _handle(record: dict[str, Any], kind: str, spelled: str) -> Type:
    """A texture or sampler; `spelled` is its type in the source, if that is known and says the access."""
    size, alignment = record["size"], record["alignment"]
    if kind == "sampler":
        return Type(kind, kind, size, alignment)
    scalar, metal = _SCALARS[record["scalar"]]
    texture_type, is_depth = record["counts"]
    said = _ACCESS.search(spelled)
    access = said[1] if said else _ACCESSES[record["writes"]]
    dimensions = TEXTURE_TYPES[texture_type].replace("buffer", "_buffer")
    name = f"{'depth' if is_depth else 'texture'}{dimensions}<{metal}, access::{access}>"
    return Type(name, kind, size, alignment, scalar, access=access)
