"""What a package says about a model: its programs, kernels, buffers, commands and how it is called."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from metalpy.aot.trees import check_spec
from metalpy.aot.values import Reference, arrays_in, decode, is_size
from metalpy.errors import PackageError

__all__ = ["FORMAT", "Buffer", "Command", "Constant", "KernelUse", "Manifest", "Program"]

FORMAT = 1
_LARGEST_GRID = 0xFFFFFFFF


@dataclass
class Program:
    """A source file of the package and how to compile it."""

    source: str
    defines: list[list[str]]
    math_mode: str
    language_version: str


@dataclass
class KernelUse:
    """A kernel of a program with values for its function constants, ``[index, value]`` each.

    `library` is a member that has its machine code with these values.
    """

    program: int
    name: str
    constants: list[list[Any]]
    library: str | None = None


@dataclass
class Constant:
    """An array that the commands read, of a module by its names in ``state_dict``.

    `kind` is ``"parameter"`` or ``"buffer"`` of a module, or ``"tensor"``.
    """

    name: str
    fqns: list[str]
    kind: str
    dtype: Any
    shape: list[int]


@dataclass
class Buffer:
    """Memory of the commands: ``"input"`` number `index`, ``"constant"`` number `index`, or ``"intermediate"``."""

    kind: str
    nbytes: int
    index: int | None = None


@dataclass
class Command:
    """A launch, copy or fill. Copies and fills have `target` and `nbytes`, and `source` or `pattern`."""

    kind: str
    kernel: int | None = None
    values: list[Any] = field(default_factory=list)
    threads: list[int] | None = None
    group_size: list[int] | None = None
    threadgroup_memory: list[list[Any]] | None = None
    arg_casts: Any = None
    target: Any = None
    source: Any = None
    pattern: Any = None


_SECTIONS: dict[str, type[Any]] = {
    "programs": Program, "kernels": KernelUse, "constants": Constant, "buffers": Buffer, "commands": Command,
}  # fmt: skip


@dataclass
class Manifest:
    """All of it. `inputs` and `outputs` are references as JSON; `unused` are names in ``state_dict`` without a use."""

    programs: list[Program]
    kernels: list[KernelUse]
    constants: list[Constant]
    buffers: list[Buffer]
    commands: list[Command]
    inputs: list[Any]
    outputs: list[Any]
    call_spec: list[Any]
    unused: list[str]

    def to_json(self) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for entry in fields(self):
            value = getattr(self, entry.name)
            made[entry.name] = [_entry(item) for item in value] if entry.name in _SECTIONS else value
        return made

    @classmethod
    def from_json(cls, given: Any) -> Manifest:
        """A manifest from a file, checked as far as possible before anything is made of it.

        Raises
        ------
        PackageError
            If something is missing, of the wrong type, or refers to what is not there.
        """
        if not isinstance(given, dict):
            raise PackageError("the manifest is not an object")
        parts: dict[str, Any] = {}
        for entry in fields(cls):
            value = given.get(entry.name)
            if not isinstance(value, list):
                raise PackageError(f"the manifest has no list of {entry.name}")
            kind = _SECTIONS.get(entry.name)
            parts[entry.name] = value if kind is None else [_read(kind, item) for item in value]
        made = cls(**parts)
        _check(made)
        return made


def _entry(item: Any) -> dict[str, Any]:
    """Fields that have another value than the class gives them."""
    return {e.name: getattr(item, e.name) for e in fields(item) if getattr(item, e.name) not in (None, []) or
            e.name in ("constants", "fqns", "shape", "defines")}  # fmt: skip


_TYPES = {"str": str, "int": int, "list": list}


def _read(kind: type[Any], given: Any) -> Any:
    """An entry of a section; fields are of the types that the class names."""
    if not isinstance(given, dict):
        raise PackageError(f"an entry of the manifest is a {type(given).__name__} instead of an object")
    known = {entry.name: str(entry.type) for entry in fields(kind)}
    for name, value in given.items():
        wanted = _TYPES.get(known.get(name, "").partition("[")[0].partition(" ")[0])
        if name not in known or (wanted and type(value) is not wanted):
            raise PackageError(f"a {kind.__name__.lower()} of the manifest has a bad entry {name!r}")
    try:
        return kind(**given)
    except TypeError as error:
        raise PackageError(f"a {kind.__name__.lower()} of the manifest is not complete: {error}") from None


# ---- checks ----


def _demand(holds: bool, message: str) -> None:
    if not holds:
        raise PackageError(message)


def _check(m: Manifest) -> None:
    for program in m.programs:
        _demand(all(isinstance(d, list) and len(d) == 2 and all(isinstance(s, str) for s in d)
                    for d in program.defines), "the defines of a program are not valid")  # fmt: skip
    for kernel in m.kernels:
        _demand(0 <= kernel.program < len(m.programs), f"kernel {kernel.name!r} is of a program that is not there")
        _demand(all(isinstance(c, list) and len(c) == 2 and type(c[0]) is int for c in kernel.constants),
                f"the function constants of kernel {kernel.name!r} are not valid")  # fmt: skip
    _check_constants(m)
    for number, buffer in enumerate(m.buffers):
        _check_buffer(m, number, buffer)
    for name, references in (("input", m.inputs), ("output", m.outputs)):
        for number, given in enumerate(references):
            reference = _within(m, given, f"{name} {number}")
            _demand(name == "output" or (reference.strides is None and reference.offset == 0),
                    f"input {number} is not contiguous at the start of its buffer")  # fmt: skip
    for number, command in enumerate(m.commands):
        _check_command(m, f"command {number}", command)
    _demand(len(m.call_spec) == 2, "the call spec is not valid")
    for spec, references in zip(m.call_spec, (m.inputs, m.outputs), strict=True):
        _demand(sorted(check_spec(spec)) == list(range(len(references))), "the call spec has other arrays")
    arguments = m.call_spec[0].get("tuple", ())
    _demand(len(arguments) == 2 and "tuple" in arguments[0] and "dict" in arguments[1], "the call spec is not valid")
    _demand(all(isinstance(name, str) for name in m.unused), "the list of unused names is not valid")


def _check_constants(m: Manifest) -> None:
    names = [constant.name for constant in m.constants]
    fqns = [fqn for constant in m.constants for fqn in constant.fqns]
    _demand(all(isinstance(fqn, str) for fqn in fqns), "a constant has a name that is no str")
    _demand(len(set(names)) == len(names) and len(set(fqns)) == len(fqns), "two constants have the same name")
    for c in m.constants:
        _demand(bool(c.fqns) and c.kind in ("parameter", "buffer", "tensor"), f"constant {c.name!r} is not valid")
        Reference.from_json({"array": 0, "offset": 0, "dtype": c.dtype, "shape": c.shape})


def _check_buffer(m: Manifest, number: int, buffer: Buffer) -> None:
    _demand(is_size(buffer.nbytes), f"buffer {number} has {buffer.nbytes} bytes")
    if buffer.kind == "intermediate":
        return
    _demand(buffer.kind in ("input", "constant"), f"buffer {number} is of unknown kind {buffer.kind!r}")
    held = m.inputs if buffer.kind == "input" else m.constants
    _demand(buffer.index is not None and 0 <= buffer.index < len(held), f"buffer {number} is of no {buffer.kind}")
    entry = held[buffer.index or 0]
    if buffer.kind == "constant":
        entry = {"array": number, "offset": 0, "dtype": entry.dtype, "shape": entry.shape}
    reference = Reference.from_json(entry)
    low, high = reference.extent
    _demand(reference.buffer == number and high - low == buffer.nbytes,
            f"buffer {number} has another size than its {buffer.kind}")  # fmt: skip


def _within(m: Manifest, given: Any, what: str) -> Reference:
    """A reference of the manifest, after a look whether it is in its buffer."""
    reference = given if isinstance(given, Reference) else Reference.from_json(given)
    if reference.buffer is not None:
        _demand(reference.buffer < len(m.buffers), f"{what} is in buffer {reference.buffer}, which is not there")
        low, high = reference.extent
        size = m.buffers[reference.buffer].nbytes
        _demand(0 <= low <= high <= size, f"{what} is bytes {low} to {high} of a buffer of {size} bytes")
    return reference


def _check_command(m: Manifest, what: str, c: Command) -> None:
    if c.kind == "launch":
        _demand(c.kernel is not None and 0 <= c.kernel < len(m.kernels), f"{what} is of a kernel that is not there")
        for extents in (c.threads, c.group_size):
            _demand(extents is not None and len(extents) == 3
                    and all(type(n) is int and 0 < n <= _LARGEST_GRID for n in extents),
                    f"{what} has a grid that is not valid")  # fmt: skip
        for entry in c.threadgroup_memory or ():
            _demand(isinstance(entry, list) and len(entry) == 2 and isinstance(entry[0], (str, int))
                    and is_size(entry[1]), f"{what} has threadgroup memory that is not valid")  # fmt: skip
        for reference in arrays_in([decode(value) for value in c.values], Reference):
            _within(m, reference, f"an argument of {what}")
            _demand(reference.strides is None, f"an argument of {what} is not contiguous")
        decode(c.arg_casts)
        return
    _demand(c.kind in ("copy", "fill"), f"{what} is of unknown kind {c.kind!r}")
    target = _within(m, c.target, f"the target of {what}")
    if c.kind == "copy":
        source = _within(m, c.source, f"the source of {what}")
        _demand(source.extent[1] - source.extent[0] == target.extent[1] - target.extent[0],
                f"source and target of {what} differ in size")  # fmt: skip
    else:
        pattern = decode(c.pattern)
        _demand(isinstance(pattern, bytes) and len(pattern) in (1, 2, 4, 8, 16)
                and (target.extent[1] - target.extent[0]) % len(pattern) == 0,
                f"{what} has a pattern that is not valid")  # fmt: skip
