"""Shader libraries: compiled Metal source whose kernels are attributes."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from metalpy._core.dispatch import Kernel
from metalpy._core.library import LIBRARY_NATIVE, Library
from metalpy._core.trace import Region
from metalpy.compiler.compilation import Compilation, compile_source
from metalpy.compiler.executor import SPMD, chosen_executor
from metalpy.compiler.options import DEFAULT_VERSION, make_options
from metalpy.compiler.processor import refuse_foreign_code
from metalpy.compiler.source import OWN_HEADERS, PROGRAM_SOURCE, read_source
from metalpy.device import device as _device
from metalpy.errors import Diagnostic, ForkError, MetalError, UnsupportedError

if TYPE_CHECKING:
    from metalpy._core.driver import Device
    from metalpy._core.library import Pipeline
    from metalpy.compiler.device_program import DeviceProgram

__all__ = ["ShaderLibrary", "compile_file", "compile_shader", "load_library", "load_metallib"]

_PathLike = str | os.PathLike[str]


def compile_shader(
    source: str,
    *,
    include_dirs: _PathLike | Sequence[_PathLike] | None = None,
    defines: Mapping[str, object] | None = None,
    math_mode: str | None = None,
    language_version: str = DEFAULT_VERSION,
    device: Device | str | None = None,
) -> ShaderLibrary:
    """Compile Metal source given as a string.

    Parameters
    ----------
    source : str
        A program in the Metal Shading Language.
    include_dirs : path or sequence of paths, optional
        Folders in which ``#include`` looks, in order.
    defines : mapping of str to str, int, float, bool or None, optional
        Macros to define, as ``#define name value``.
    math_mode : {"safe", "relaxed", "fast"}, optional
        How much floating-point arithmetic may be rearranged. ``"safe"`` follows IEEE 754 and gives the same results
        on every machine; ``"relaxed"`` allows reassociation, reciprocals and fused multiply-add; ``"fast"`` also
        assumes that no value is NaN or infinite. By default ``"safe"``, or ``"fast"`` if the environment variable
        ``METALPY_FAST_MATH`` is set to anything but 0.
    language_version : str
        The version of Metal that the program asks about with ``__METAL_VERSION__``: ``"2.0"`` to ``"3.2"``, or
        ``"4.0"``. What the software device offers does not depend on it, unless the program makes it.
    device : Device or str, optional
        Where the kernels will run; the default device if not given.

    Returns
    -------
    ShaderLibrary
        Its attributes are the kernels.

    Raises
    ------
    CompileError
        The source is not valid Metal. It is a `SyntaxError` too; ``.diagnostics`` holds the messages as data.
    UnsupportedError
        A kernel needs something that the device does not have.
    TypeError, ValueError
        An option that cannot be meant.
    """
    if not isinstance(source, str):
        raise TypeError(f"compile_shader takes Metal source as a str, not {type(source).__name__}")
    return _compile(source, PROGRAM_SOURCE, include_dirs, defines, math_mode, language_version, device)


def compile_file(
    path: _PathLike,
    *,
    include_dirs: _PathLike | Sequence[_PathLike] | None = None,
    defines: Mapping[str, object] | None = None,
    math_mode: str | None = None,
    language_version: str = DEFAULT_VERSION,
    device: Device | str | None = None,
) -> ShaderLibrary:
    """Compile a ``.metal`` file; quoted and angled includes are looked up beside the file first.

    Parameters and errors are those of `compile_shader`.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    name = os.fsdecode(path)
    with open(name, encoding="utf-8", errors="surrogateescape") as file:
        source = file.read()
    return _compile(source, name, include_dirs, defines, math_mode, language_version, device)


def load_library(path: _PathLike, *, device: Device | str | None = None) -> ShaderLibrary:
    """Open a library that ``python -m metalpy compile -o`` has written. No compiler is needed for its kernels.

    Parameters
    ----------
    path : path
        The file. It holds code that will run as you: open only what you trust.
    device : Device or str, optional
        Where the kernels will run; the default device if not given.

    Returns
    -------
    ShaderLibrary
        Function constants have the values that the file was made with. `Kernel.specialize` with others needs the
        compiler, not the source.

    Raises
    ------
    OSError
        The file cannot be read.
    LibraryError
        It is no library, is truncated or damaged, or was made by a version of metalpy with another format.
    UnsupportedError
        Its code is for another kind of machine; or for a processor with more instructions than this one, and there is
        no compiler here that could make other code.
    """
    from metalpy.compiler.libraryfile import read_library

    return ShaderLibrary(read_library(path), _device(device))


def _compile(
    text: str,
    name: str,
    include_dirs: _PathLike | Sequence[_PathLike] | None,
    defines: Mapping[str, object] | None,
    math_mode: str | None,
    language_version: str,
    device: Device | str | None,
) -> ShaderLibrary:
    options = make_options(include_dirs, defines, math_mode, language_version)
    found = _device(device)
    if found.driver == "metal":
        from metalpy.compiler.device_program import compile_on_device  # a compiler's front: not at every import

        source = read_source(text, name, options.include_dirs, OWN_HEADERS)
        return ShaderLibrary(compile_on_device(found, source, options), found)
    return ShaderLibrary(compile_source(read_source(text, name, options.include_dirs), options), found)


def load_metallib(source: bytes | bytearray | _PathLike, *, device: Device | str | None = None) -> ShaderLibrary:
    """Load a library that Apple's tools have compiled: a ``.metallib``.

    Parameters
    ----------
    source : bytes or path
        The library itself, or where it is.
    device : Device or str, optional
        Where the kernels will run; the default device if not given.

    Returns
    -------
    ShaderLibrary
        Its attributes are the kernels. Compiled code does not tell pointers from references: sequences of numbers are
        taken for arrays of the declared type.

    Raises
    ------
    TypeError
        `source` is neither bytes nor a path.
    UnsupportedError
        The device runs no Apple code, as the software device.
    MetalError
        There is no such file, or it is not a library for this device.
    """
    if not isinstance(source, (bytes, bytearray, str, os.PathLike)):
        raise TypeError(f"expected bytes or path, got {type(source).__name__}")
    found = _device(device)
    if found.driver != "metal":
        raise UnsupportedError(
            f"a .metallib holds code for Apple GPUs, and {found} is a {found.driver} device; compile_shader takes the "
            "Metal source instead"
        )
    data = bytes(source) if isinstance(source, (bytes, bytearray)) else os.fsdecode(source)
    try:
        from metalpy.compiler.device_program import load_on_device

        return ShaderLibrary(load_on_device(found, data), found)
    except MetalError as error:
        place = "" if isinstance(data, bytes) else f" from {data!r}"
        raise error.__class__(f"failed to load metallib{place}: {error}") from None


class ShaderLibrary:
    """Compiled Metal source; each kernel is an attribute, and ``dir()`` lists exactly the kernels.

    ``lib.name`` is always the same `Kernel` object. ``lib["name"]`` reaches kernels whose host name is no Python
    identifier, or a name that the library itself uses. A kernel in namespaces is ``lib["a::b::name"]``, and
    ``lib.name`` too if there is only one. Kernels outlive their library.
    """

    def __init__(self, compilation: Compilation | DeviceProgram, device: Device) -> None:
        self._compilation = compilation
        self._device = device
        self._kernels: dict[str, Kernel] = {}

    def __getattr__(self, name: str) -> Kernel:
        # Only reached for what is not in __dict__ yet, so the next look-up is as fast as any.
        if name.startswith("__") or name in ("_compilation", "_device", "_kernels"):
            raise AttributeError(name)
        if name not in self:
            raise AttributeError(_unknown(name, list(self._compilation.kernels)), name=name, obj=self)
        kernel: Kernel = self.__dict__.setdefault(name, self[name])
        return kernel

    def __getitem__(self, name: str) -> Kernel:
        full_name = self._full_name(name)
        if full_name is None:
            raise KeyError(_unknown(name, list(self._compilation.kernels)))
        if full_name not in self._kernels:
            self._kernels.setdefault(full_name, _kernel(self._compilation, self._device, full_name, {}))
        return self._kernels[full_name]

    def _full_name(self, name: object) -> str | None:
        kernels = self._compilation.kernels
        if not isinstance(name, str):
            return None
        if name in kernels:
            return name
        qualified = [kernel for kernel in kernels if kernel.endswith("::" + name)]
        return qualified[0] if len(qualified) == 1 else None

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """What the compiler remarked on: warnings with their notes, and graphics functions that were skipped."""
        return self._compilation.warnings

    def __contains__(self, name: object) -> bool:
        return self._full_name(name) is not None

    def __iter__(self) -> Iterator[str]:
        return iter(self._compilation.kernels)

    def __len__(self) -> int:
        return len(self._compilation.kernels)

    def __dir__(self) -> list[str]:
        return list(self._compilation.kernels)

    def __repr__(self) -> str:
        return f"<metalpy.ShaderLibrary on {self._device} with kernels: {', '.join(self) or 'none'}>"


def _unknown(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    if near:
        hint = f"did you mean {' or '.join(map(repr, near))}?"
    elif known:
        shown = ", ".join(known[:8]) + (" ..." if len(known) > 8 else "")
        hint = f"it has: {shown}"
    else:
        hint = "it has no kernels"
    return f"this library has no kernel {name!r}; {hint}"


def _kernel(
    compilation: Compilation | DeviceProgram, device: Device, name: str, values: Mapping[int, object]
) -> Kernel:
    """The kernel `name` with function constants `values`; on the CPU, compiled to native code when first needed."""
    specialized: dict[tuple[object, ...], Kernel] = {}

    def specialize(constants: Mapping[str | int, object]) -> Kernel:
        chosen = {**values, **compilation.constant_values(constants)}
        key = tuple((index, repr(value)) for index, value in sorted(chosen.items()))
        if key not in specialized:
            specialized.setdefault(key, _kernel(compilation, device, name, chosen))
        return specialized[key]

    if isinstance(compilation, Compilation):
        most = compilation.max_threads(name) if chosen_executor() == SPMD else None
        native = partial(_load, compilation, device, name, values)
        if not values and most is not None:
            compilation.expect(name)
        return Kernel(device, compilation.kernels[name], native, name, specialize, (compilation, values), most)
    info, load = compilation.kernel(name, values)
    return Kernel(device, info, load, name, specialize, (compilation, values))


def _load(
    compilation: Compilation, device: Device, name: str, values: Mapping[int, object], shape: str = ""
) -> Pipeline:
    """The kernel's native code on the device, for all threadgroups or for those of a shape."""
    refuse_foreign_code()
    path = compilation.native(name, values, shape=shape)
    with Region("compile", "load", {"kernel": name}):
        try:
            library = Library(device, LIBRARY_NATIVE, os.fsencode(path))
        except ForkError:
            raise
        except MetalError:
            # Another process may have evicted the entry between the look and the load.
            path = compilation.native(name, values, rebuild=True, shape=shape)
            library = Library(device, LIBRARY_NATIVE, os.fsencode(path))
        return library.pipeline(name)
