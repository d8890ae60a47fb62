"""What the commands of ``python -m metalpy`` have in common: options of the compiler, and values written as text."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from metalpy.compiler.options import DEFAULT_VERSION, MATH_MODES, Options, make_options

__all__ = ["add_compile_options", "chosen_options", "constant_values", "number", "relevant_constants"]


def add_compile_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how to compile."""
    group = parser.add_argument_group("how to compile")
    group.add_argument(
        "-I", dest="include_dirs", metavar="DIR", action="append", default=[], help="look for includes in DIR"
    )
    group.add_argument(
        "-D",
        dest="defines",
        metavar="NAME[=VALUE]",
        action="append",
        default=[],
        type=_define,
        help="define a macro; without a value it is 1",
    )
    group.add_argument(
        "--std",
        metavar="VERSION",
        default=DEFAULT_VERSION,
        help="language version, such as metal3.1, for __METAL_VERSION__ (default: %(default)s)",
    )
    group.add_argument(
        "--math-mode",
        choices=tuple(MATH_MODES),
        help="how much floating-point arithmetic may be rearranged (default: safe)",
    )
    group.add_argument(
        "--constants",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        type=_constant,
        help="a function constant by name or index: true, 3, 0.5, or 1,2,3 for a vector",
    )


def chosen_options(given: argparse.Namespace) -> Options:
    """Compile options as the compiler takes them.

    Raises
    ------
    TypeError, ValueError
        An option that cannot be meant.
    """
    return make_options(given.include_dirs, dict(given.defines), given.math_mode, given.std)


def constant_values(given: argparse.Namespace) -> dict[str | int, object]:
    """Function constants by name or index."""
    return dict(given.constants)


def relevant_constants(
    given: Mapping[str | int, object], constants: Mapping[str, tuple[Any, ...]]
) -> dict[str | int, object]:
    """Those of the given constants that a program has: of many files not all need have the same."""
    names = {name.rsplit("::", 1)[-1] for name in constants} | set(constants) | {c[0] for c in constants.values()}
    return {key: value for key, value in given.items() if key in names}


def number(text: str) -> bool | int | float:
    """A number or truth value, written as in Python, C or JSON."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    try:
        return int(text, 0)
    except ValueError:
        return float(text)


def _define(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name, value if "=" in text else "1"


def _constant(text: str) -> tuple[str | int, object]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    try:
        numbers = [number(part) for part in value.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{value!r} is no number, truth value or vector of numbers") from None
    return int(name) if name.isdecimal() else name, numbers[0] if len(numbers) == 1 else numbers
