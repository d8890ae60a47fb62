"""From a package to what a device runs: its kernels, and graphs over given arrays."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterable, Sequence
from typing import Any

from metalpy._core.array import allocate
from metalpy._core.dispatch import ERROR_BUFFER
from metalpy.aot.archive import Package
from metalpy.aot.manifest import Command, KernelUse, Program
from metalpy.aot.values import Reference, decode, substituted
from metalpy.array import Array
from metalpy.compiler.libraryfile import open_library
from metalpy.compiler.source import PROGRAM_SOURCE, STANDARD_HEADERS, read_source
from metalpy.device import Device
from metalpy.dtypes import uint8
from metalpy.errors import CompileError, LibraryError, MetalError, PackageError, UnsupportedError
from metalpy.graph import Graph, record
from metalpy.mps.shader import ShaderLibrary, compile_shader

__all__ = ["LoadedProgram", "new_buffer"]

_OUTSIDE = re.compile(r'^[ \t]*#[ \t]*(?:include|import|embed|include_next)\b[ \t]*(?:"|<[^>\n]*\.\.)', re.MULTILINE)
_MALFORMED = (KeyError, IndexError, TypeError, ValueError, AttributeError, struct.error, zlib.error)  # what is in it
_UNWRITTEN = b"\xff"  # NaN in every type of floats: what a command forgets to write is seen


def new_buffer(device: Device, nbytes: int) -> Array:
    """Memory for an intermediate result."""
    made = allocate(Array, device, uint8, (nbytes,))
    if nbytes:
        made._fill(_UNWRITTEN)
    return made


class LoadedProgram:
    """The kernels and commands of a package on a device.

    Raises
    ------
    PackageError
        If a program does not compile, or lacks a kernel.
    """

    def __init__(self, package: Package, device: Device) -> None:
        self.device = device
        self._package = package
        manifest = package.manifest
        self._libraries: dict[str | int, ShaderLibrary | None] = {}  # by compiled member, or number of the program
        self._checked: set[str] = set()  # sources whose includes have been looked at
        self._kernels = [self._kernel(use) for use in manifest.kernels]
        self._commands = [_decoded(command) for command in manifest.commands]

    def _kernel(self, use: KernelUse) -> Any:
        """From the machine code in the package if it runs here, else from the source."""
        if use.library is not None:
            if use.library not in self._libraries:
                self._libraries[use.library] = _compiled(use.library, self._package, self.device)
            library = self._libraries[use.library]
            if library is not None:
                return _kernel_of(use, library, self._package.path, True)
        if use.program not in self._libraries:
            program = self._package.manifest.programs[use.program]
            if program.source not in self._checked:
                _check_includes(self._package.sources[program.source], f"{self._package.path}: {program.source}")
                self._checked.add(program.source)
            self._libraries[use.program] = _from_source(program, self._package, self.device)
        library = self._libraries[use.program]
        assert library is not None
        return _kernel_of(use, library, self._package.path, False)

    def record(self, arrays: Sequence[Array | None], commands: Iterable[int] | None = None) -> Graph:
        """A graph of some commands, by default of all, over an array of bytes for each buffer. Runs nothing.

        Raises
        ------
        PackageError
            If a kernel does not take its arguments, or its grid.
        """

        def array(reference: Reference) -> Array:
            return view(arrays, reference, self.device)

        with record(self.device, run=False) as graph:
            for number in range(len(self._commands)) if commands is None else commands:
                command, parts = self._commands[number]
                try:
                    self._issue(command, [substituted(part, array) for part in parts])
                except UnsupportedError:
                    raise
                except (MetalError, TypeError, ValueError, OverflowError) as error:
                    raise PackageError(f"{self._package.path}: command {number} cannot be: {error}") from error
        return graph

    def _issue(self, command: Command, parts: list[Any]) -> None:
        if command.kind == "fill":
            parts[0]._fill(parts[1])
        elif command.kind == "copy":
            parts[0]._copy_from(parts[1])
        else:
            kernel = self._kernels[command.kernel or 0]
            places = [n for n, value in enumerate(parts) if value is ERROR_BUFFER]
            given = [value for value in parts if value is not ERROR_BUFFER]
            memory, casts = command.threadgroup_memory, command.arg_casts
            kernel(
                *given,
                threads=tuple(command.threads or ()),
                group_size=tuple(command.group_size or ()),
                threadgroup_memory=dict(memory) if memory else None,
                arg_casts=dict(casts) if isinstance(casts, list) else casts,
                error_buf_idx=kernel.arguments[places[0]].index if places else None,
            )


def view(arrays: Sequence[Array | None], reference: Reference, device: Device) -> Array:
    """The array that a reference means, over the buffers' arrays."""
    if reference.buffer is None or 0 in reference.shape:
        return allocate(Array, device, reference.dtype, reference.shape)
    whole = arrays[reference.buffer]
    assert whole is not None
    return whole._derive(reference.dtype, reference.shape, reference.strides, whole.offset + reference.offset)


def _decoded(command: Command) -> tuple[Command, list[Any]]:
    """A command and what it uses; copies and fills use bytes."""
    if command.kind == "launch":
        return command, [decode(value) for value in command.values]
    target = decode(command.target)
    return command, [target, decode(command.source if command.kind == "copy" else command.pattern)]


def _compiled(member: str, package: Package, device: Device) -> ShaderLibrary | None:
    """A library of machine code; None if it is not for this device."""
    if device.driver != "software":
        return None
    try:
        compilation = open_library(package.libraries[member], f"{package.path}: {member}")
    except UnsupportedError:
        return None
    except (LibraryError, *_MALFORMED) as error:
        raise PackageError(f"{package.path}: {member} is damaged: {error}") from error
    return ShaderLibrary(compilation, device) if compilation.fits else None


def _from_source(program: Program, package: Package, device: Device) -> ShaderLibrary:
    text = package.sources[program.source]
    try:
        return compile_shader(
            text,
            defines={name: value for name, value in program.defines},
            math_mode=program.math_mode,
            language_version=program.language_version,
            device=device,
        )
    except UnsupportedError:
        raise
    except (CompileError, TypeError, ValueError) as error:
        raise PackageError(f"{package.path}: {program.source} does not compile: {error}") from error


def _check_includes(text: str, what: str) -> None:
    """Programs include nothing but the headers of Metal and of metalpy."""
    try:
        source = read_source(text, PROGRAM_SOURCE)
    except CompileError as error:
        raise PackageError(f"{what} cannot be read: {error}") from error
    others = [name for name in source.files if name != PROGRAM_SOURCE and not name.startswith(str(STANDARD_HEADERS))]
    if others or not source.is_closed or _OUTSIDE.search(text):
        raise PackageError(f"{what} includes a file that is not in the package {others or ''}")


def _kernel_of(use: KernelUse, library: ShaderLibrary, path: str, has_constants: bool) -> Any:
    if use.name not in library:
        raise PackageError(f"{path}: no kernel {use.name!r} in {library!r}")
    kernel = library[use.name]
    if has_constants or not use.constants:
        return kernel
    try:
        return kernel.specialize({index: decode(value) for index, value in use.constants})
    except (MetalError, TypeError) as error:
        raise PackageError(f"{path}: kernel {use.name!r} cannot be specialised: {error}") from error
