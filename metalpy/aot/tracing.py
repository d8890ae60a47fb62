"""From a function over arrays to the manifest of a package."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from metalpy._core.graph import Node
from metalpy.aot.buffers import Memory, State, transferred
from metalpy.aot.manifest import Command, KernelUse, Manifest, Program
from metalpy.aot.trees import flatten, unflatten
from metalpy.aot.values import encode
from metalpy.array import Array
from metalpy.compiler.compilation import Compilation
from metalpy.compiler.libraryfile import library_bytes
from metalpy.device import Device
from metalpy.errors import PackageError
from metalpy.graph import record
from metalpy.nn.module import Module

__all__ = ["Traced", "trace"]

_LINE_MARK = re.compile(r'^(#line \d+ )"((?:[^"\\\n]|\\.)*)"$', re.MULTILINE)


@dataclass
class Traced:
    """A manifest, texts of programs and compiled libraries by member, and constants as the host sees them."""

    manifest: Manifest
    sources: dict[str, str]
    libraries: dict[str, bytes]
    constants: dict[str, np.ndarray[Any, Any]]


def trace(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], device: Device, compiled: bool
) -> Traced:
    """Record a call of `function`, without running what it records.

    With `compiled` the kernels' machine code is part of it.

    Raises
    ------
    PackageError
        If it uses what a package cannot hold.
    GraphError
        If it does what a graph cannot repeat, such as reading an array from the host.
    """
    given: list[Array] = []
    in_spec = flatten((args, kwargs), "the inputs", given)
    inputs = [x.copy() for x in given]
    arguments, options = unflatten(in_spec, inputs)
    with record(device, run=False) as graph:
        result = function(*arguments, **options)
    results: list[Array] = []
    out_spec = flatten(result, "the result", results)
    for x in results:
        if x.device is not device:
            raise PackageError(f"the function gives an array on {x.device}, and the package is for {device}")
    memory = Memory(graph, inputs, _state(function, device), results)
    commands = _Commands(memory, device)
    manifest = Manifest(
        programs=commands.programs,
        kernels=commands.kernels,
        constants=memory.constants,
        buffers=memory.buffers,
        commands=memory.restored + [commands.command(node) for node in graph.nodes],
        inputs=[memory.refer(x).to_json() for x in inputs],
        outputs=[memory.refer(x).to_json() for x in results],
        call_spec=[in_spec, out_spec],
        unused=memory.unused,
    )
    libraries = commands.compiled() if compiled else {}
    return Traced(manifest, commands.sources, libraries, memory.host_constants())


def _state(function: Any, device: Device) -> State:
    """What the module, or the module that a method is of, has."""
    module = getattr(function, "__self__", function)
    if not isinstance(module, Module):
        return []
    buffers = {name for name, _ in module.named_buffers()}
    state = module.state_dict()
    for name, x in state.items():
        if x.device is not device:
            raise PackageError(f"{name!r} is on {x.device}, and the package is for {device}; call .to(device) first")
    return [(name, "buffer" if name in buffers else "parameter", x) for name, x in state.items()]


class _Commands:
    """Nodes of a graph as commands of a package, and what they need: programs and kernels."""

    def __init__(self, memory: Memory, device: Device) -> None:
        self._memory = memory
        self._device = device
        self.programs: list[Program] = []
        self.sources: dict[str, str] = {}  # text by member
        self.kernels: list[KernelUse] = []
        self._program_numbers: dict[int, int] = {}  # by id of the compilation, which its kernels keep
        self._kernel_numbers: dict[int, int] = {}
        self._used: dict[tuple[int, str], tuple[Any, Any, list[int]]] = {}  # kernels of equal programs and constants

    def command(self, node: Node) -> Command:
        if node.transfer is not None:
            parts = [self._memory.refer(x).to_json() for x in transferred(node, self._device)]
            if node.kind == "copy":
                return Command("copy", target=parts[0], source=parts[1])
            return Command("fill", target=parts[0], pattern=self._encoded(node.transfer[1], "a pattern"))
        assert node.kernel is not None
        values = []
        for argument, value in zip(node.kernel.arguments, node.values, strict=False):
            values.append(self._encoded(value, f"argument {argument.name!r} of kernel {node.name!r}"))
        casts, memory = node.options or (None, None)
        return Command(
            "launch",
            kernel=self._kernel(node.kernel),
            values=values,
            threads=list(node.threads or ()),
            group_size=list(node.group_size or ()),
            threadgroup_memory=[[key, int(size)] for key, size in memory.items()] if memory else None,
            arg_casts=[[key, cast] for key, cast in casts.items()] if isinstance(casts, dict) else casts,
        )

    def _encoded(self, value: Any, what: str) -> Any:
        return encode(value, self._memory.refer, what)

    def _kernel(self, kernel: Any) -> int:
        if id(kernel) not in self._kernel_numbers:
            if kernel.origin is None:
                raise PackageError(f"it is not known where kernel {kernel.name!r} comes from")
            compilation, constants = kernel.origin
            listed = [[index, self._encoded(value, "a function constant")] for index, value in constants.items()]
            number = self._kernel_numbers[id(kernel)] = len(self.kernels)
            used = self._used.setdefault((id(compilation), repr(listed)), (compilation, constants, []))
            used[2].append(number)
            self.kernels.append(KernelUse(self._program(compilation, kernel.name), kernel.name, listed))
        return self._kernel_numbers[id(kernel)]

    def compiled(self) -> dict[str, bytes]:
        """Libraries with the machine code of the kernels, by member; the kernels get to know theirs."""
        libraries: dict[str, bytes] = {}
        for compilation, constants, numbers in self._used.values():
            if not isinstance(compilation, Compilation):
                raise PackageError(f"only the software device gives machine code away, not {self._device}")
            member = f"programs/{len(libraries)}.mtlp"
            names = [self.kernels[number].name for number in numbers]
            libraries[member] = library_bytes(compilation, constants, names)
            for number in numbers:
                self.kernels[number].library = member
        return libraries

    def _program(self, compilation: Any, kernel: str) -> int:
        if id(compilation) in self._program_numbers:
            return self._program_numbers[id(compilation)]
        if compilation.recipe is None:
            raise PackageError(
                f"kernel {kernel!r} comes from a library that was loaded compiled; a package holds the source: use "
                "compile_shader or compile_file"
            )
        source, options = compilation.recipe
        if not source.is_closed:
            raise PackageError(f"the program of kernel {kernel!r} includes a file whose name is a macro; name the file")
        number = self._program_numbers[id(compilation)] = len(self.programs)
        defines = [list(define) for define in options.defines]
        member = self._member(_without_folders(source.text))
        self.programs.append(Program(member, defines, options.math_mode, options.language_version))
        return number

    def _member(self, text: str) -> str:
        """Where in the package a text is; programs that differ only in their defines share one."""
        for member, known in self.sources.items():
            if known == text:
                return member
        member = f"programs/{len(self.sources)}.metal"
        self.sources[member] = text
        return member


def _without_folders(text: str) -> str:
    """A program whose line marks have the names of files only: paths are nobody else's business."""
    return _LINE_MARK.sub(lambda mark: f'{mark[1]}"{os.path.basename(mark[2])}"', text)
