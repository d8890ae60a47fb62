"""From Metal source to LLVM IR and kernel records: the front half of the compiler.

1. `source` has spliced the includes; clang's preprocessor expands the macros, for reading only;
2. `harvest` reads kernels and attributes from that;
3. `rewrite` turns the unexpanded text into C++ of the same length;
4. clang compiles it with the generated entry points behind it, and `debuginfo` reads the types back from the IR.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from ..errors import Diagnostic
from .debuginfo import read_kernels
from .diagnostics import compile_error, misuse_error, parse_diagnostics
from .entries import defined_flags, write_entries
from .harvest import Harvest, Skipped, harvest
from .options import MATH_MODES, Options
from .reflection import KernelInfo
from .rewrite import blank_for_cpp
from .source import PROGRAM_SOURCE, STANDARD_HEADERS, Misuse, Source
from .toolchain import clang, run_tool
from .twins import drop_twins, explain_twins

__all__ = ["Constant", "Program", "compile_program"]

_ABI_HEADERS = Path(__file__).parent.parent / "include"
METAL_VERSION = 320
MAX_ROUNDS = 8  # of compiling and dropping twins: each shows more of them, in code that was not reached before

_COMMON_FLAGS = (
    "-x c++ -std=gnu++20 -nostdinc -nostdinc++ -fno-color-diagnostics -fno-caret-diagnostics -ferror-limit=500 "
    f"-D__METAL_VERSION__={METAL_VERSION}"
).split()

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
    "-fPIC -fvisibility=hidden -fno-plt -O2 -Xclang -disable-llvm-passes -S -emit-llvm -o - "
    "-g -fstandalone-debug -gomit-unreferenced-methods "
    "-Wno-everything"
).split()

_DIRECTIVE = re.compile(r"^[ \t]*#[ \t]*(?!line\b|include[ \t]*<metal|pragma\b)", re.MULTILINE)
_STANDARD_INCLUDE = re.compile(
    r"^[ \t]*#[ \t]*(?:include|import)[ \t]*<(?:metal_|metalpy/|simd/|c10/metal/)", re.MULTILINE
)
# IR for any CPU: which one is decided when a kernel is lowered.
_TARGET_ATTRIBUTES = re.compile(r' "(?:target-cpu|target-features|tune-cpu|stack-protector-buffer-size)"="[^"]*"')
# `#pragma unroll` and its kin say what is good on a GPU; LLVM would print a warning wherever it cannot follow them.
_LOOP_HINTS = re.compile(r'!"llvm\.loop\.(?=(?:unroll|vectorize|interleave|distribute)\.(?:enable|full|count|width)")')
# A scalar is shifted by the low bits of the amount, as on a GPU; C++ leaves it open.
_SHIFT = re.compile(r"^( +%\S+ = (?:shl|lshr|ashr) i(8|16|32|64|128) [^,\n]+, )([^,\n]+)(.*)$", re.MULTILINE)


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

    `kernels` are in the order of the source; number ``k`` has the entry points ``__mp_thread_k`` and ``__mp_group_k``.
    """

    ir: str
    kernels: tuple[KernelInfo, ...]
    constants: tuple[Constant, ...]
    max_threads: tuple[int, ...]
    warnings: tuple[Diagnostic, ...] = ()
    inputs: tuple[str, ...] = ()  # symbols of the inputs that are declared outside functions


def compile_program(source: Source, options: Options) -> Program:
    """Compile a program as far as LLVM IR.

    Raises
    ------
    CompileError
        The program is not valid Metal.
    UnsupportedError
        A kernel needs something the software device does not have.
    """
    try:
        found = harvest(_expand_macros(source, options), source.name)
        ir, warnings = _compile(source, options, found)
        kernels, constants, limits = read_kernels(ir, found)
    except Misuse as misuse:
        raise misuse_error(misuse, source) from None
    return Program(
        ir=ir,
        kernels=kernels,
        constants=tuple(Constant(*c) for c in constants),
        max_threads=limits,
        warnings=(*map(_skipped_note, found.skipped), *warnings),
        inputs=_input_symbols(ir, len(found.inputs)),
    )


def _skipped_note(function: Skipped) -> Diagnostic:
    message = f"{function.kind} function '{function.name}' is skipped: metalpy runs compute kernels"
    return Diagnostic("note", message, function.file, function.line, 1)


def _input_symbols(ir: str, count: int) -> tuple[str, ...]:
    bodies = (ir.split(f"@__mp_input_{k}(", 1)[1].split("\n}", 1)[0] for k in range(count))
    return tuple(re.search(r"@llvm\.threadlocal\.address\S*\(ptr [^@]*@([\w.$]+)", body)[1] for body in bodies)  # type: ignore[index]


def _include_flags(source: Source, options: Options) -> list[str]:
    beside = () if source.name == PROGRAM_SOURCE else (str(Path(source.name).absolute().parent),)
    folders = (*beside, *options.include_dirs)
    flags = [f"-I{folder}" for folder in folders] if not source.is_closed else []
    return [*flags, f"-I{STANDARD_HEADERS}", f"-I{_ABI_HEADERS}"]


def _expand_macros(source: Source, options: Options) -> str:
    if not options.defines and not _DIRECTIVE.search(source.text):
        return source.text
    command = [*clang(), *_COMMON_FLAGS, *_include_flags(source, options), *options.flags, "-D__METALPY_HARVEST__"]
    command += ["-include", "__mp/macros.h", "-w", "-E", "-"]
    result = run_tool(command, source.text.encode("utf-8", "surrogateescape"))
    if result.returncode != 0:
        raise compile_error(result.stderr.decode("utf-8", "replace"), source, options.include_dirs)
    return result.stdout.decode("utf-8", "surrogateescape")


def _compile(source: Source, options: Options, found: Harvest) -> tuple[str, tuple[Diagnostic, ...]]:
    command = [*clang(), *_COMMON_FLAGS, *_COMPILE_FLAGS, *MATH_MODES[options.math_mode]]
    command += [*_include_flags(source, options), "-include", "__mp/entry.h", "-include", "__mp/keywords.h"]
    if _STANDARD_INCLUDE.search(source.text):
        # Before the program, whose macros may have names that the headers use, such as T or N.
        command += ["-include", "metal_stdlib"]
    command.append("-")
    before = defined_flags(found) + options.directives
    program, behind = blank_for_cpp(source.text), write_entries(found)
    for _ in range(MAX_ROUNDS):
        result = run_tool(command, (before + program + behind).encode("utf-8", "surrogateescape"))
        messages = result.stderr.decode("utf-8", "replace")
        if result.returncode == 0:
            ir = _TARGET_ATTRIBUTES.sub("", result.stdout.decode("utf-8", "surrogateescape"))
            ir = _masked_shifts(_LOOP_HINTS.sub('!"mp.', ir))
            return ir, tuple(parse_diagnostics(messages, found.entries))
        without_twins = drop_twins(source.text, program, messages)
        if without_twins is None:
            break
        program = without_twins
    raise compile_error(explain_twins(source.text, messages), source, options.include_dirs, found.entries)


def _masked_shifts(ir: str) -> str:
    number = count()

    def mask(match: re.Match[str]) -> str:
        start, width, amount, rest = match.groups()
        if amount.isdecimal():
            return f"{start}{int(amount) % int(width)}{rest}"
        masked = f"%mp.shift.{next(number)}"
        return f"  {masked} = and i{width} {amount}, {int(width) - 1}\n{start}{masked}{rest}"

    return _SHIFT.sub(mask, ir)
