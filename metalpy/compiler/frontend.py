"""From Metal source to LLVM IR and kernel records: the front half of the compiler.

1. `source` has spliced the includes; clang's preprocessor expands the macros, for reading only;
2. `harvest` reads kernels and attributes from that;
3. `rewrite` turns the unexpanded text into C++ of the same length;
4. clang compiles it with the generated entry points behind it, and `debuginfo` reads the types back from the IR.
"""

from __future__ import annotations

import contextlib
import importlib
import re
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import CompileError, Diagnostic
from .assembly import Assembly, adapted
from .cache import Cache, default_cache
from .checks import Offence, find_offence, misuse_of
from .choosers import Separated
from .conditionals import Arms
from .debuginfo import read_constants, read_kernels
from .entries import defined_flags, write_entries
from .harvest import Harvest, Skipped, harvest
from .lexer import Token, collection_paused, lex
from .options import MATH_MODES, Options
from .overloads import separate_overloads
from .parts import part_count, without_instantiations
from .portability import doubts_of_bodies
from .precompiled import precompiled_headers
from .reflection import KernelInfo
from .rewrite import blank_for_cpp
from .source import PROGRAM_SOURCE, STANDARD_HEADERS, Misuse, Source
from .toolchain import clang, meanwhile, run_tool
from .twins import drop_twins, explain_twins

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Sequence
    from typing import TypeAlias

    _Result: TypeAlias = subprocess.CompletedProcess[bytes]

__all__ = ["Constant", "Program", "compile_program"]

_ABI_HEADERS = Path(__file__).parent.parent / "include"
_LONG = 10_000  # characters, which take 5 ms to read
_LARGE = 1 << 20  # characters of IR
MAX_ROUNDS = 8  # of compiling and mending what clang found: each shows more, in code that was not reached before

# One target for all hosts, so that the IR is the same on each; lowering turns to the processor. Only how structs are
# passed depends on it: AArch64's convention packs three words into two of 64 bits, by way of memory, which hides from
# the vectoriser what they are. What the runtime and kernels pass to each other, numbers, pointers and one vector of 16
# bytes, is passed alike.
_COMMON_FLAGS = (
    "--target=x86_64-unknown-none-elf -fno-char8_t -fomit-frame-pointer "
    "-std=gnu++20 -nostdinc -nostdinc++ -fno-color-diagnostics -fno-elide-type "
    "-fdiagnostics-parseable-fixits -ferror-limit=500"
).split()

_OUTPUT = "-S -emit-llvm -o -".split()
_COMPILE_FLAGS = (
    # The language: no 64-bit floats (a literal is `float`, in a template at least as narrow), half and bfloat in their
    # own precision, swizzles as properties, integers that wrap, loops that may run for ever, aliasing as in Metal code
    # that casts pointers freely.
    "-Xclang -cl-single-precision-constant -Xclang -mdouble=32 -Xclang -ffloat16-excess-precision=none "
    "-Xclang -fbfloat16-excess-precision=none -fdeclspec -fwrapv -fsigned-char -fno-finite-loops "
    "-fno-strict-aliasing -fno-exceptions -fno-rtti -fno-math-errno -fno-trapping-math "
    "-fno-delete-null-pointer-checks -fno-threadsafe-statics "
    # A function may hold a barrier: no call moves into or out of divergent control flow.
    "-fconvergent-functions "
    # The output: unoptimised IR meant to be optimised, with the types of what the user wrote.
    "-fPIC -fvisibility=hidden -fno-plt -O2 -Xclang -disable-llvm-passes "
    "-g -fstandalone-debug -gomit-unreferenced-methods "
    # Warnings that are as true of Metal as of C++.
    "-Wno-everything -Warray-bounds -Wassign-enum -Wbitwise-op-parentheses -Wdangling-else -Wdeprecated-declarations "
    "-Wdivision-by-zero -Wempty-body -Wenum-compare -Wfor-loop-analysis -Winfinite-recursion -Wlogical-op-parentheses "
    "-Wlogical-not-parentheses -Wmacro-redefined -Wnull-dereference -Wparentheses -Wparentheses-equality -Wreturn-type "
    "-Wself-assign -Wshadow-uncaptured-local "
    "-Wshift-count-negative -Wshift-count-overflow -Wshift-op-parentheses -Wsizeof-array-argument -Wsizeof-pointer-div "
    "-Wsometimes-uninitialized -Wstring-plus-int -Wswitch -Wtautological-compare -Wuninitialized -Wunused-comparison "
    "-Wunused-value -Wunused-variable -Wunused-but-set-variable -Wno-unused-const-variable -W#warnings"
).split()

# Types are read from debug information; of functions, the bulk of every program, there is none (MP_BEGIN does it too).
_FUNCTIONS_UNDESCRIBED = (
    '_Pragma("clang attribute push(__attribute__((nodebug)), apply_to = hasType(functionType))")\n',
    '_Pragma("clang attribute pop")\n',
)

_DIRECTIVE = re.compile(r"^[ \t]*#[ \t]*(?!line\b|include[ \t]*<metal|pragma\b)", re.MULTILINE)
# The library is there without an include, too, as it is in Metal for programs that are compiled at run time.
_STANDARD_LIBRARY = re.compile(
    r"^[ \t]*#[ \t]*(?:include|import)[ \t]*<(?:metal_|metalpy/|simd/|c10/metal/)|\bmetal::|\bnamespace[ \t]+metal\b",
    re.MULTILINE,
)
# In fast math clang says of calls what it says of operations, and of parameters that they are finite: of those of
# precise functions too, which float_control (see __mp/math_core.h) does not change.
_CALL_FLAGS = re.compile(r"(?<= call )(?:fast|reassoc nsz arcp contract afn) (?=[^@\n]*@_Z)")


@dataclass(frozen=True)
class Constant:
    """A function constant: its name in the source, index, scalar type and the symbol that stands for it in the IR."""

    name: str
    index: int
    scalar: str
    shape: tuple[int, ...]
    symbol: str


@dataclass(frozen=True)
class Program:
    """What the front end makes of a source: IR for any CPU, and what the host needs to know.

    `kernels` are in the order of the source; number ``k`` has the entry point ``__mp_thread_k`` in part
    ``k % len(ir)`` of the IR.
    """

    assemblies: tuple[Assembly, ...]  # each part a module of its own
    kernels: tuple[KernelInfo, ...]
    constants: tuple[Constant, ...]
    max_threads: tuple[int, ...]
    warnings: tuple[Diagnostic, ...] = ()
    inputs: tuple[str, ...] = ()  # symbols of the inputs that are declared outside functions
    kept: tuple[str, ...] = ()  # what `compile_program` was told about each part of the IR
    has_lines: bool = False

    @cached_property
    def ir(self) -> tuple[str, ...]:
        """What is worth keeping of each part."""
        count = len(self.assemblies)
        numbers = (range(part, len(self.kernels), count) for part in range(count))
        parts = zip(self.assemblies, numbers, strict=True)
        return tuple(_worth_keeping(assembly, kernels, self.has_lines) for assembly, kernels in parts)

    def assembly(self, k: int) -> Assembly:
        """The IR that kernel number `k` is in, with an index of its symbols."""
        return self.assemblies[k % len(self.assemblies)]


def compile_program(
    source: Source,
    options: Options,
    store: Cache | None = None,
    parts: int | None = None,
    keep: Callable[[str], str] | None = None,
) -> Program:
    """Compile a program as far as LLVM IR.

    Parameters
    ----------
    source : Source
    options : Options
    store : Cache, optional
        Where precompiled headers are kept; the process's own cache by default.
    parts : int, optional
        Into how many parts the IR is split; by default what suits the program and this machine's processors.
    keep : callable, optional
        Called with each part of the IR as soon as that is known, maybe from several threads at once.

    Raises
    ------
    CompileError
        The program is not valid Metal.
    UnsupportedError
        A kernel needs something the software device does not have.
    """
    with collection_paused(len(source.text) > _LONG):
        try:
            return _compiled(source.without_digraphs(), options, store or default_cache(), parts, keep or str)
        except Misuse as misuse:
            from .diagnostics import misuse_error  # here and below: most programs need not wait for its import

            raise misuse_error(misuse, source) from None


def _compiled(source: Source, options: Options, store: Cache, parts: int | None, keep: Callable[[str], str]) -> Program:
    headers = _Headers(source, options, store)
    if len(source.text) > _LONG:
        meanwhile(headers.precompiled)
    expanded = meanwhile(lambda started: _expand_macros(source, options, started))
    lexed = lex(source.text)
    rewritten = blank_for_cpp(source.text, lexed)
    separated = separate_overloads(source.text, rewritten, lexed)
    found = harvest(expanded(), source.name)
    count = parts or part_count(len(found.entries))
    unit = _Unit(source, options, found, separated, lexed, headers)
    try:
        made, warnings = unit.compile(count, keep)
    except CompileError:
        others = separate_overloads(source.text, rewritten, lexed, choosable=False)
        if others == separated:
            raise
        unit = _Unit(source, options, found, others, lexed, headers)
        made, warnings = unit.compile(count, keep)
    known = {k: kernel for part in made for k, kernel in part.kernels.items()}
    kernels = tuple(known[k][0] for k in range(len(known)))
    constants = tuple(Constant(*c) for c in read_constants(made[0].assembly.surroundings, found))
    inputs = _input_symbols(made[0].assembly, len(found.inputs))
    if unit.overload_sets:  # what comes of it has no debug information, and is no more than kernels reach
        made = [_with_known_spaces(part, unit, keep) for part in made]
    for part in made:
        if part.offence is not None:
            raise misuse_of(part.offence, kernels, unit.describe_functions())
    return Program(
        assemblies=tuple(part.assembly for part in made),
        kernels=kernels,
        constants=constants,
        max_threads=tuple(known[k][1] for k in range(len(known))),
        warnings=(*map(_skipped_note, found.skipped), *_doubts(source, lexed, found, options), *warnings),
        inputs=inputs,
        kept=tuple(part.kept for part in made),
        has_lines=options.lines,
    )


@dataclass(frozen=True)
class _Part:
    """What a clang has made of some of the kernels."""

    kernels: Mapping[int, tuple[KernelInfo, int]]  # by number, with their limits
    assembly: Assembly
    offence: Offence | None = None
    kept: str = ""


def _finished(
    kernels: Mapping[int, tuple[KernelInfo, int]], assembly: Assembly, unit: _Unit, keep: Callable[[str], str]
) -> _Part:
    may_have_asm = "asm" in unit.source.text or not unit.source.is_closed
    offence = find_offence(assembly, kernels, may_have_asm=may_have_asm)
    if offence is not None:
        return _Part(kernels, assembly, offence)
    return _Part(kernels, assembly, None, keep(_worth_keeping(assembly, kernels, unit.options.lines)))


def _worth_keeping(assembly: Assembly, kernels: Iterable[int], lines: bool) -> str:
    """The IR of these kernels, without debug information but lines that were asked for.

    A large program comes with the little that it has besides: to find that takes longer than to store it.
    """
    return assembly.text if len(assembly.text) > _LARGE else assembly.pruned(_roots(kernels), lines=lines)


def _import_other_half() -> None:
    """Import what lowers kernels, LLVM included, while clang runs: it takes longer than clang does."""
    name = f"{__package__}.lowering"

    def load() -> None:
        with contextlib.suppress(ImportError):  # who lowers a kernel will hear of it
            importlib.import_module(name)

    if name not in sys.modules:
        threading.Thread(target=load, name="metalpy import").start()


def _switches(messages: str) -> set[str]:
    """Flags under which more programs compile, if that is what clang complains about."""
    # Options of texture lookups whose names programs like for constants of their own; those are meant, then.
    switches = {
        f"-D__METALPY_HIDE_{n}" for n in re.findall(r"error: reference to '(bias|level)' is ambiguous", messages)
    }
    # A bfloat that becomes an int without a cast; see __mp/bfloat.h.
    bfloat_to_int = (
        r"no (?:viable|known) conversion from [^\n]*'[^'\n]*\bbfloat'[^\n]* to [^\n]*'(?:const )?int'"
        r"|assigning to 'int' from incompatible type '[^'\n]*\bbfloat'"
    )
    switches |= {"-D__METALPY_BFLOAT_TO_INT"} if re.search(bfloat_to_int, messages) else set()
    # A kernel called `main`, for which C++ has rules where programs have a host.
    return switches | ({"-ffreestanding"} if "error: 'main' must return 'int'" in messages else set())


def _roots(numbers: Iterable[int]) -> list[str]:
    """The entry points of the kernels with these numbers."""
    return [*(f"__mp_thread_{k}" for k in numbers), "__mp_group"]


def _with_known_spaces(part: _Part, unit: _Unit, keep: Callable[[str], str]) -> _Part:
    """The part with the overloads that are meant, for each of its kernels."""
    from .spaces import asks_for_spaces, resolve_spaces, without_marks

    ir = part.assembly.pruned(_roots(part.kernels), lines=unit.options.lines)
    if asks_for_spaces(part.assembly, part.kernels):
        infos = {k: kernel for k, (kernel, _) in part.kernels.items()}
        ir = resolve_spaces(adapted(ir), infos, unit.overload_sets, unit.source.text)
    else:
        ir = without_marks(ir)
    return _finished(part.kernels, Assembly(ir), unit, keep)


def _skipped_note(function: Skipped) -> Diagnostic:
    message = f"{function.kind} function '{function.name}' is skipped: metalpy runs compute kernels"
    return Diagnostic("note", message, function.file, function.line, 1)


def _doubts(source: Source, lexed: list[Token], found: Harvest, options: Options) -> Iterator[Diagnostic]:
    """Warnings about what Metal's own compiler would refuse."""
    for message, file, line in found.doubts:
        yield Diagnostic("warning", message, file, line, 1)
    yield from doubts_of_bodies(source.text, lexed, options.metal_version)


def _input_symbols(assembly: Assembly, count: int) -> tuple[str, ...]:
    bodies = (assembly.definition(f"__mp_input_{k}") for k in range(count))
    return tuple(re.search(r"@llvm\.threadlocal\.address\S*\(ptr [^@]*@([\w.$]+)", body)[1] for body in bodies)  # type: ignore[index]


def _include_flags(source: Source, options: Options) -> list[str]:
    beside = () if source.name == PROGRAM_SOURCE else (str(Path(source.name).absolute().parent),)
    folders = (*beside, *options.include_dirs)
    flags = [f"-I{folder}" for folder in folders] if not source.is_closed else []
    return [*flags, f"-I{STANDARD_HEADERS}", f"-I{_ABI_HEADERS}"]


def _version_flags(options: Options) -> list[str]:
    # Tensors have t[i, j], which is C++23.
    standard = ["-std=gnu++23"] if options.metal_version >= 400 else []
    return [f"-D__METAL_VERSION__={options.metal_version}", *standard]


def _expand_macros(source: Source, options: Options, started: Callable[[], None]) -> str:
    if not options.defines and not _DIRECTIVE.search(source.text):
        return source.text
    command = [*clang(), "-x", "c++", *_COMMON_FLAGS, *_version_flags(options), *_include_flags(source, options)]
    command += [*options.flags, "-D__METALPY_HARVEST__"]
    command += ["-include", "__mp/macros.h", "-w", "-E", "-"]
    result = run_tool(command, source.text.encode("utf-8", "surrogateescape"), started=started)
    if result.returncode != 0:
        from .diagnostics import compile_error

        raise compile_error(result.stderr.decode("utf-8", "replace"), source, options.include_dirs)
    return result.stdout.decode("utf-8", "surrogateescape")


class _Headers:
    """Which of our headers a program is compiled with, and with which flags."""

    def __init__(self, source: Source, options: Options, store: Cache) -> None:
        self._store = store
        self.flags = [*_COMMON_FLAGS, *_version_flags(options), *_COMPILE_FLAGS, *MATH_MODES[options.math_mode]]
        self.names = ["__mp/entry.h", "__mp/keywords.h"]
        if _STANDARD_LIBRARY.search(source.text):
            # Before the program, whose macros may have names that the headers use, such as T or N.
            self.names.append("metal_stdlib")

    def precompiled(self, started: Callable[[], None] = lambda: None) -> Path | None:
        """See `precompiled_headers`; who comes while they are being made waits for them."""
        own = [f"-I{STANDARD_HEADERS}", f"-I{_ABI_HEADERS}"]
        return precompiled_headers(self._store, [*self.flags, *own], self.names, started)


class _Unit:
    """A program as clang gets it: our headers, the rewritten text, the entry points."""

    def __init__(
        self,
        source: Source,
        options: Options,
        found: Harvest,
        separated: Separated,
        lexed: list[Token],
        headers: _Headers,
    ) -> None:
        self.source, self.options, self._found, self._lexed, self._headers = source, options, found, lexed, headers
        # clang finds a definition by its label only where it has read the text itself.
        self._texts = ["__mp/async_copy.h"] if '"air.' in source.text or "\\01air." in source.text else []
        self._lines_before = 0  # in front of the user's text, in what clang read last
        self._program = separated.program
        self.overload_sets = separated.sets
        self._arms = Arms(separated.insertions)

    def compile(self, parts: int, keep: Callable[[str], str]) -> tuple[list[_Part], tuple[Diagnostic, ...]]:
        """So many parts, and clang's warnings; if the program has overload sets, no more than its IR for each."""
        include_dirs = self.options.include_dirs
        told: list[Diagnostic] = []  # warnings about what was mended
        for _ in range(MAX_ROUNDS):
            made = self._run_parts(parts, keep)
            results = [result for result, _ in made]
            printed = [result.stderr.decode("utf-8", "replace") for result in results]
            messages = self._arms.restore(self._program, "".join(printed))
            is_valid = all(result.returncode == 0 for result in results)
            is_mended = self._arms.settle(self._program, messages)
            if is_mended:
                warnings = [d for d in self._warnings(messages) if d.severity == "warning"]
                told += [d for d in warnings if d.message.startswith("shift count")]
            elif is_valid:
                return [part for _, part in made if part], tuple(_told_once([*told, *self._warnings(messages)]))
            switches = _switches(messages)
            if switches - set(self._headers.flags):
                self._headers.flags += sorted(switches - set(self._headers.flags))
                continue
            without_twins = drop_twins(self.source.text, self._program, messages)
            if not is_mended and without_twins is None:
                break
            self._program = without_twins or self._program
        if parts > 1:  # messages are always those about the program as it stands
            return self.compile(1, keep)
        from .diagnostics import compile_error

        messages = explain_twins(self.source.text, messages)
        raise compile_error(messages, self.source, include_dirs, self._found.entries, self._lines_before)

    def _warnings(self, messages: str) -> list[Diagnostic]:
        if not messages:
            return []
        from .diagnostics import parse_diagnostics, placed

        found = parse_diagnostics(messages, self._found.entries)
        return placed(_told_once(found), self.source, self.options.include_dirs, self._lines_before)

    def describe_functions(self) -> str:
        """The IR again with debug information about functions: where they are."""
        return self._run("", "").stdout.decode("utf-8", "surrogateescape")

    def _run_parts(self, parts: int, keep: Callable[[str], str]) -> list[tuple[_Result, _Part | None]]:
        """What each clang says, and what is made of it if it compiled, which is done while others still run."""
        if parts == 1:
            return [self._run_part(keep, self._program)]
        from concurrent.futures import ThreadPoolExecutor

        program = without_instantiations(self.source.text, self._program, self._lexed)
        with ThreadPoolExecutor(parts) as pool:
            return list(pool.map(lambda part: self._run_part(keep, program, part, parts), range(parts)))

    def _run_part(
        self, keep: Callable[[str], str], program: str, part: int = 0, parts: int = 1
    ) -> tuple[_Result, _Part | None]:
        around = ("", "") if self.options.lines else _FUNCTIONS_UNDESCRIBED
        result = self._run(*around, program, part, parts)
        if result.returncode != 0:
            return result, None
        ir = _without_call_flags(result.stdout.decode("utf-8", "surrogateescape"), self.options)
        assembly = Assembly(ir)
        kernels = read_kernels(assembly.surroundings, self._found, range(part, len(self._found.entries), parts))
        if self.overload_sets:
            return result, _Part(kernels, assembly)
        return result, _finished(kernels, assembly, self, keep)

    def _run(self, before: str, behind: str, program: str | None = None, part: int = 0, parts: int = 1) -> _Result:
        text = defined_flags(self._found) + self.options.directives + before
        self._lines_before = text.count("\n")
        entries = write_entries(self._found, part, parts, placed=bool(self.overload_sets))
        text += self._arms.insert(program or self._program) + entries + behind
        data = text.encode("utf-8", "surrogateescape")
        flags = self._headers.flags
        command = [*clang(), "-x", "c++", *flags, *_include_flags(self.source, self.options), *_OUTPUT]
        headers = self._headers.precompiled()
        if headers is not None:
            with_headers = [*command, "-include-pch", str(headers), *_included(self._texts), "-"]
            result = run_tool(with_headers, data, started=_import_other_half)
            if result.returncode == 0 or str(headers) not in result.stderr.decode("utf-8", "replace"):
                return result
        return run_tool([*command, *_included([*self._headers.names, *self._texts]), "-"], data)


def _told_once(found: Sequence[Diagnostic]) -> list[Diagnostic]:
    """Without warnings that another part of the program has given already, and their notes."""
    kept: list[Diagnostic] = []
    seen: set[Diagnostic] = set()
    is_new = True
    for diagnostic in found:
        if diagnostic.severity != "note":
            is_new = diagnostic not in seen
            seen.add(diagnostic)
        if is_new:
            kept.append(diagnostic)
    return kept


def _included(headers: list[str]) -> list[str]:
    return [part for header in headers for part in ("-include", header)]


def _without_call_flags(ir: str, options: Options) -> str:
    """What is assumed of arithmetic stands at the operations only."""
    if options.math_mode == "safe":
        return ir
    return _CALL_FLAGS.sub("", ir.replace("nofpclass(nan inf) ", ""))
