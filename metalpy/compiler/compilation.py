"""A compiled program: its kernels' records at once, each kernel's native code when it is first asked for.

Both halves of the compiler sit behind the cache here. A program whose entries are all cached is ready without
running clang and without importing LLVM.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
import zlib
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._core.trace import Region
from ..errors import Diagnostic, FixIt, LaunchTypeError, MetalError
from .ahead import Ahead, likely_shape
from .cache import Cache, default_cache, make_key
from .executor import CHECKED, Lowered, chosen_executor
from .options import Options
from .processor import cpu_identity
from .records import pack, unpack
from .source import Misuse, Source
from .toolchain import folder_stamp, versions

if TYPE_CHECKING:
    from .frontend import Program

__all__ = ["Compilation", "checked_constants", "compile_source"]

_PROGRAM, _IR, _KERNEL = ".program", ".ir", ".so"
_LARGE = 1 << 20  # bytes of IR, which take longer to compress than a thread to start
_writing: dict[str, threading.Thread] = {}  # by key of such IR


def compile_source(source: Source, options: Options, store: Cache | None = None) -> Compilation:
    """Compile a program, or take it from the cache.

    Parameters
    ----------
    source : Source
    options : Options
    store : Cache, optional
        The process's own by default.

    Raises
    ------
    CompileError, UnsupportedError
        As `frontend.compile_program`.
    """
    options = replace(options, lines=chosen_executor() == CHECKED)
    with Region("compile", "front end", {"file": source.name}) as noted:
        return _compile(source, options, store or default_cache(), noted)


def _compile(source: Source, options: Options, store: Cache, noted: dict[str, Any]) -> Compilation:
    """`compile_source`; `noted` hears whether the cache had it."""
    key = make_key("program", _compiler_identity(), *versions(), source.name, source.text, repr(options))
    # Text that leaves includes to the preprocessor does not say all that the program depends on.
    data = store.load(key, _PROGRAM) if source.is_closed else None
    noted["cached"] = data is not None
    if data is not None:
        return Compilation(data, store, source, options)
    from .frontend import compile_program

    program = compile_program(source, options, store, keep=lambda part: _keep(part, store))
    facts: dict[str, Any] = {
        "constants": [asdict(c) for c in program.constants],
        "max_threads": list(program.max_threads),
        "inputs": list(program.inputs),
        "warnings": [list(w) for w in program.warnings],
        "ir": program.kept,
    }
    record = pack(facts, program.kernels)
    if source.is_closed:
        store.store(key, _PROGRAM, record)
    return Compilation(record, store, source, options, program)


def _keep(part: str, store: Cache) -> str:
    """Store a part of a program's IR, a large one in the background; returns its key."""
    data = part.encode("utf-8", "surrogateescape")
    key = make_key("ir", hashlib.sha256(data).hexdigest())
    if len(data) < _LARGE:
        store.store(key, _IR, zlib.compress(data, 1))
    else:  # who needs it before has it in memory
        _writing[key] = threading.Thread(target=_write, args=(key, data, store), name="metalpy cache")
        _writing[key].start()
    return key


def _write(key: str, data: bytes, store: Cache) -> None:
    with contextlib.suppress(MetalError, OSError):  # IR that the cache does not have is made again
        store.store(key, _IR, zlib.compress(data, 1))
    _writing.pop(key, None)


class Compilation:
    """A compiled program.

    Attributes
    ----------
    kernels : mapping of str to KernelInfo
        By name, in the order of the source.
    constants : dict of str to (index, scalar type, vector shape)
        Function constants by name.
    warnings : tuple of Diagnostic
    record : bytes
        What is known about the program, as `records.pack` writes it.
    """

    def __init__(
        self,
        record: bytes,
        store: Cache,
        source: Source,
        options: Options,
        program: Program | None = None,
    ) -> None:
        self.record = record
        self._facts, self.kernels = unpack(record)
        self._store = store
        self._source = source
        self._options = options
        self._program = program
        self._lock = threading.Lock()
        self._made: set[str] = set()  # keys of kernels that this object has lowered
        self._making: dict[str, threading.Event] = {}  # under _lock: those that a thread lowers now
        self._ahead = Ahead(self._lower_ahead)
        self.constants = {c["name"]: (c["index"], c["scalar"], tuple(c["shape"])) for c in self._facts["constants"]}
        self.warnings = tuple(_diagnostic(*w) for w in self._facts["warnings"])

    @property
    def recipe(self) -> tuple[Source, Options] | None:
        """What it was compiled from; None if it came compiled."""
        return self._source, self._options

    def constant_values(self, given: Mapping[str | int, object]) -> dict[int, object]:
        """Function constants by index from values by name or index, checked against their types.

        Raises
        ------
        LaunchTypeError
            No such constant, or a value of the wrong kind.
        """
        return checked_constants(self.constants, given)

    def max_threads(self, name: str) -> int:
        """The most threads that a threadgroup of the kernel may have."""
        limits: list[int] = self._facts["max_threads"]
        return limits[self.kernels.number(name)]

    def native(
        self, name: str, values: Mapping[int, object] | None = None, *, rebuild: bool = False, shape: str = ""
    ) -> Path:
        """Path of the shared object of a kernel, specialised by function constants; compiled if need be.

        Parameters
        ----------
        name : str
        values : mapping of int to value
            What `constant_values` returned.
        rebuild : bool
            Make it anew even if the cache has it.
        shape : str
            It will run only such threadgroups; see `spmd.program.vectorize`. By default it runs all of them.
        """
        with Region("compile", "lowering", {"kernel": name, "file": self._source.name}) as noted:
            return self._native(name, values or {}, rebuild, shape, noted)

    def _native(
        self, name: str, values: Mapping[int, object], rebuild: bool, shape: str, noted: dict[str, Any]
    ) -> Path:
        """`native`; `noted` hears whether the cache had it."""
        # The same index may stand for differently typed constants in two programs, but the IR's digest is in the key.
        compilers = (_compiler_identity(), *versions(), chosen_executor())
        ir = self._facts["ir"][self.kernels.number(name) % len(self._facts["ir"])]
        info = self.kernels[name]
        place = f"{info.file}:{info.line}" if chosen_executor() == CHECKED else ""  # the code reports it
        facts = ("kernel", *compilers, place, ir, name, repr(sorted(values.items())), cpu_identity())
        key = make_key(*facts)
        if shape and (rebuild or not self._store.path(key, _KERNEL).exists()):  # what runs all is as good
            key = make_key(*facts, shape)
        noted["cached"] = not rebuild and self._store.load(key, _KERNEL) is not None
        if noted["cached"]:
            return self._store.path(key, _KERNEL)
        if shape and not rebuild:
            self._ahead.begin(name)
        while True:
            with self._lock:
                path = self._store.path(key, _KERNEL)
                if not rebuild and key in self._made and path.exists():  # by another thread, while this one waited
                    noted["cached"] = True
                    return path
                other = self._making.get(key)
                if other is None:
                    made = self._making[key] = threading.Event()
                    break
            other.wait()
        try:
            path = self._store.store(key, _KERNEL, self._lowered(name, values, shape).code)
            self._made.add(key)
            return path
        finally:
            with self._lock:
                del self._making[key]
            made.set()

    def _lowered(self, name: str, values: Mapping[int, object], shape: str) -> Lowered:
        from .lowering import lower

        try:
            return lower(self._whole_program(), self.kernels.number(name), values, shape)
        except Misuse as misuse:
            from .diagnostics import misuse_error

            raise misuse_error(misuse, self._source) from None

    def expect(self, name: str) -> None:
        """A kernel was looked up: it may be compiled when another one is launched."""
        if not self.constants:  # nobody knows yet what they will be
            self._ahead.expect(name)

    def _lower_ahead(self, name: str) -> None:
        shape = "rows"
        if any(builtin.type_name[-1] in "23" for builtin in self.kernels[name].builtins):
            k = self.kernels.number(name)
            shape = likely_shape(self._whole_program().assembly(k), f"__mp_thread_{k}")
        self._native(name, {}, False, shape, {})

    def code(self, name: str, values: Mapping[int, object] | None = None) -> bytes:
        """The shared object that `native` gives the path of."""
        path = self.native(name, values)
        code = self._store.load(path.stem, _KERNEL)
        return self.native(name, values, rebuild=True).read_bytes() if code is None else code

    def lowered(self, name: str, values: Mapping[int, object] | None = None) -> Lowered:
        """The same, and how it runs."""
        return Lowered.read(self.code(name, values))

    def ir(self) -> tuple[str, ...]:
        """The parts of the program's IR: from the cache, or from the source again if the cache has lost one."""
        for key in self._facts["ir"]:
            if writer := _writing.get(key):
                writer.join()
        packed = [self._store.load(key, _IR) for key in self._facts["ir"]]
        if None not in packed:
            return tuple(zlib.decompress(part or b"").decode("utf-8", "surrogateescape") for part in packed)
        from .frontend import compile_program

        return compile_program(self._source, self._options, self._store, len(packed)).ir

    def _whole_program(self) -> Program:
        if self._program is None:
            from .assembly import Assembly
            from .frontend import Constant, Program

            self._program = Program(
                assemblies=tuple(map(Assembly, self.ir())),
                kernels=tuple(self.kernels.values()),
                constants=tuple(Constant(**(c | {"shape": tuple(c["shape"])})) for c in self._facts["constants"]),
                max_threads=tuple(self._facts["max_threads"]),
                inputs=tuple(self._facts["inputs"]),
            )
        return self._program


def checked_constants(
    constants: Mapping[str, tuple[int, str, tuple[int, ...]]], given: Mapping[str | int, object]
) -> dict[int, object]:
    """Function constants by index from values by name or index, checked against their types.

    Raises
    ------
    LaunchTypeError
        No such constant, or a value of the wrong kind.
    """
    by_index = {index: (name, scalar, shape) for name, (index, scalar, shape) in constants.items()}
    by_name = {name.rsplit("::", 1)[-1]: index for name, (index, _, _) in constants.items()}
    by_name |= {name: index for name, (index, _, _) in constants.items()}
    values: dict[int, object] = {}
    for key, value in given.items():
        index = by_name.get(key) if isinstance(key, str) else key
        if index is None or index not in by_index:
            known = ", ".join(f"{n} [{i}]" for n, (i, _, _) in constants.items()) or "none"
            raise LaunchTypeError(f"no function constant {key!r}; this library has: {known}")
        name, scalar, shape = by_index[index]
        values[index] = _constant_value(name, scalar, shape, value)
    return dict(sorted(values.items()))


def _diagnostic(
    severity: str, message: str, file: str, line: int, column: int, stack: list[list[Any]], fixits: list[list[Any]]
) -> Diagnostic:
    includes = tuple((name, number) for name, number in stack)
    return Diagnostic(severity, message, file, line, column, includes, tuple(FixIt(*fixit) for fixit in fixits))


def _constant_value(name: str, scalar: str, shape: tuple[int, ...], value: object) -> object:
    import numpy as np

    if shape:
        items = list(value) if isinstance(value, (list, tuple, np.ndarray)) else []
        if len(items) != shape[0]:
            raise LaunchTypeError(f"function constant '{name}' is a vector of {shape[0]} {scalar}, got {value!r}")
        return tuple(_constant_value(name, scalar, (), item) for item in items)
    if isinstance(value, np.generic):
        value = value.item()
    if scalar == "bool" and isinstance(value, (bool, int)) and value in (0, 1):
        return bool(value)
    if scalar.startswith(("int", "uint")) and isinstance(value, int) and not isinstance(value, bool):
        limits = np.iinfo(scalar)
        if limits.min <= value <= limits.max:
            return value
    elif (
        scalar in ("float32", "float16", "bfloat16") and isinstance(value, (int, float)) and not isinstance(value, bool)
    ):
        return float(value)
    raise LaunchTypeError(f"function constant '{name}' is {scalar}, which cannot be {value!r}")


def _compiler_identity() -> str:
    """Changes whenever any file of the compiler or its headers does."""
    here = Path(__file__).parent
    return f"{folder_stamp(str(here))};{folder_stamp(str(here.parent / 'include'))}"
