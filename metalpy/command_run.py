"""``python -m metalpy run``: launch one kernel of a file, and show what it wrote."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from metalpy.command_options import add_compile_options, chosen_options, constant_values, number
from metalpy.errors import MetalError

__all__ = ["add_command", "parse_argument"]

DESCRIPTION = """\
Compile a Metal file, launch one of its kernels once, and print the arrays that it may write. FILE may also be a
library that `compile -o` has written.
"""
EPILOG = """\
arguments, one --arg for each that the kernel takes, in ascending order of their indices, or NAME=... in any order:
  zeros:1024:float32      ones:16x16:half      full:8:int32:7      arange:1024:float32
  random:1024x4:float32   random numbers in [0, 1), or over all values of an integer type; random:1024:float32:SEED
  @image.npy              an array from a file
  3.5    true    1,2,3    a number, or a vector by its numbers
  '{"scale": 2, "at": [0, 1]}'    a struct by its fields, as JSON
  none                    an argument that a function constant leaves out

exit status: 0 if the kernel ran, 1 if it did not compile or failed, 2 if the command itself was wrong.

example:
  python -m metalpy run saxpy.metal saxpy --arg zeros:1024:float32 --arg arange:1024:float32 --arg 2.5 \\
      --threads 1024 --save out=result.npy
"""
_DTYPES = {
    "half": "float16",
    "float": "float32",
    "int": "int32",
    "uint": "uint32",
    "short": "int16",
    "bool": "bool",
    "ushort": "uint16",
    "char": "int8",
    "uchar": "uint8",
    "long": "int64",
    "ulong": "uint64",
}


def add_command(commands: Any) -> None:
    """Add ``run`` to the commands."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "run",
        help="launch a kernel of a file, for a quick try",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", metavar="FILE", help="a .metal file, or a .mtlp library")
    parser.add_argument("kernel", metavar="KERNEL", help="the kernel's name")
    parser.add_argument(
        "--arg", dest="args", metavar="SPEC", action="append", default=[], help="an argument; see below"
    )
    parser.add_argument(
        "--threads",
        metavar="N[xM[xK]]",
        type=_size,
        help="the grid (default: one thread for each element of the first array)",
    )
    parser.add_argument("--group-size", metavar="N[xM[xK]]", type=_size, help="threads of a threadgroup")
    parser.add_argument(
        "--threadgroup-memory",
        metavar="INDEX=BYTES",
        action="append",
        default=[],
        type=_memory,
        help="bytes of a threadgroup argument",
    )
    parser.add_argument(
        "--save",
        metavar="[NAME=]FILE.npy",
        action="append",
        default=[],
        help="save an array after the run: by name, or the first that the kernel may write",
    )
    add_compile_options(parser)
    parser.set_defaults(run=lambda given: run(parser, given))


def run(parser: argparse.ArgumentParser, given: argparse.Namespace) -> int:
    """Do what the command line says; returns the exit status."""
    try:
        options = chosen_options(given)
        parsed = [parse_argument(text) for text in given.args]
    except (TypeError, ValueError, OSError, MemoryError) as error:
        parser.error(str(error))
    try:
        kernel = _kernel(given, options)
        named = _launch(kernel, parsed, given)
    except (MetalError, OSError, KeyError) as error:
        print(error.args[0] if isinstance(error, KeyError) else error, file=sys.stderr)
        return 1
    written = {a.name: named[a.name] for a in kernel.arguments if a.access == "read_write" and _is_array(named, a.name)}
    for name, array in written.items():
        print(f"{name}: {array.dtype} {array.shape}")
        print(np.array2string(np.asarray(array), threshold=64, edgeitems=4))
    return _save(given.save, named, written)


def _kernel(given: argparse.Namespace, options: Any) -> Any:
    import metalpy as mp

    if given.file.endswith(".mtlp"):
        library = mp.load_library(given.file)
    else:
        library = mp.compile_file(
            given.file,
            include_dirs=options.include_dirs,
            defines=dict(options.defines),
            math_mode=options.math_mode,
            language_version=options.language_version,
        )
    kernel = library[given.kernel]
    constants = constant_values(given)
    return kernel.specialize(constants) if constants else kernel


def _launch(kernel: Any, parsed: list[tuple[str | None, object]], given: argparse.Namespace) -> dict[str, Any]:
    """Launch and wait; returns the arguments by name."""
    import metalpy as mp

    buffers = sorted((a for a in kernel.arguments if a.kind == "buffer"), key=lambda a: a.index)
    names = [a.name for a in buffers]
    by_name = {name: value for name, value in parsed if name is not None}
    free = [name for name in names if name not in by_name]
    by_position = [value for name, value in parsed if name is None]
    for name in by_name:
        if name not in names:
            raise MetalError(f"--arg {name}=...: {kernel.signature} has no argument {name!r}")
    if len(by_position) != len(free):
        raise MetalError(f"{kernel.signature} needs {len(names)} --arg, got {len(parsed)}")
    by_name |= dict(zip(free, by_position, strict=True))
    values = [mp.array(v) if isinstance(v, np.ndarray) else v for v in (by_name[name] for name in names)]
    launch: dict[str, Any] = {"threads": given.threads, "group_size": given.group_size}
    if given.threadgroup_memory:
        launch["threadgroup_memory"] = dict(given.threadgroup_memory)
    kernel(*values, **launch)
    mp.mps.synchronize()
    return dict(zip(names, values, strict=True))


def _is_array(named: Mapping[str, Any], name: str) -> bool:
    return hasattr(named.get(name), "dtype")


def _save(wanted: list[str], named: Mapping[str, Any], written: Mapping[str, Any]) -> int:
    for text in wanted:
        name, equals, path = text.rpartition("=")
        array = named.get(name) if equals else next(iter(written.values()), None)
        if array is None or not hasattr(array, "dtype"):
            arrays = ", ".join(n for n, value in named.items() if hasattr(value, "dtype")) or "none"
            print(f"--save {text}: no such array; the kernel's are: {arrays}", file=sys.stderr)
            return 2
        try:
            np.save(path, np.asarray(array))
        except OSError as error:
            print(f"--save {text}: {error.strerror or error}", file=sys.stderr)
            return 1
    return 0


# ---- values written as text ----


def parse_argument(text: str) -> tuple[str | None, object]:
    """A kernel's argument as the help text explains them, and its name if it has one.

    Raises
    ------
    ValueError
        Text that is none of them.
    OSError
        A file that cannot be read.
    """
    name: str | None = None
    before, equals, after = text.partition("=")
    if equals and before.isidentifier():
        name, text = before, after
    if text.startswith("@"):
        return name, _loaded(text[1:])
    if text.lower() == "none":
        return name, None
    if text[:1] in ("{", "["):
        return name, json.loads(text)
    kind, *rest = text.split(":")
    if kind in _MAKERS:
        return name, _array(kind, rest, text)
    try:
        numbers = [number(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(
            f"--arg {text!r} is neither a number nor one of {', '.join(_MAKERS)}:SHAPE:DTYPE, @FILE.npy, none"
        ) from None
    return name, numbers[0] if len(numbers) == 1 else numbers


def _loaded(path: str) -> np.ndarray[Any, Any]:
    try:
        made = np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ValueError(f"@{path} is no .npy file of numbers") from error
    if not isinstance(made, np.ndarray):
        raise ValueError(f"@{path} holds several arrays; --arg takes a .npy file of one")
    return made


def _array(kind: str, rest: list[str], text: str) -> np.ndarray[Any, Any]:
    try:
        shape = _size(rest[0])
        dtype = np.dtype(_DTYPES.get(rest[1], rest[1]) if len(rest) > 1 else "float32")
        made: np.ndarray[Any, Any] = _MAKERS[kind](shape, dtype, rest[2:])
        return made
    except (IndexError, TypeError, ValueError, argparse.ArgumentTypeError) as error:
        raise ValueError(f"--arg {text!r}: {error or 'want KIND:SHAPE:DTYPE'}") from None


def _random(shape: tuple[int, ...], dtype: np.dtype[Any], rest: list[str]) -> np.ndarray[Any, Any]:
    generator = np.random.default_rng(int(rest[0]) if rest else 0)
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return generator.integers(limits.min, limits.max, shape, dtype, endpoint=True)
    if dtype.kind == "b":
        return generator.integers(0, 2, shape).astype(dtype)
    return generator.random(shape).astype(dtype)


_MAKERS: dict[str, Any] = {
    "zeros": lambda shape, dtype, rest: np.zeros(shape, dtype),
    "ones": lambda shape, dtype, rest: np.ones(shape, dtype),
    "full": lambda shape, dtype, rest: np.full(shape, number(rest[0]), dtype),
    "arange": lambda shape, dtype, rest: np.arange(np.prod(shape)).astype(dtype).reshape(shape),
    "random": _random,
}


def _size(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.lower().split("x"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no size such as 1024 or 16x16") from None


def _memory(text: str) -> tuple[int | str, int]:
    index, _, count = text.partition("=")
    try:
        return int(index) if index.isdecimal() else index, int(count)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not INDEX=BYTES") from None
