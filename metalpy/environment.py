"""Environment variables: read by name or by the counterpart's name, checked, and named when they are wrong."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import TypeVar

from metalpy.errors import EnvironmentVariableError

__all__ = ["flag", "integer", "number", "read", "size"]

T = TypeVar("T")
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def read(name: str, alias: str | None = None, *, parse: Callable[[str], T], default: T) -> T:
    """The value of an environment variable.

    Parameters
    ----------
    name : str
        The variable, ``METALPY_...``.
    alias : str, optional
        The counterpart's name of it, looked at if `name` is not set.
    parse : callable
        Makes the value of the text, which has no blanks around it. It raises ValueError with what is allowed as text:
        ``ValueError("a number from 0 to 2")``.
    default : object
        The value when neither is set. A variable that is empty or blank counts as not set.

    Raises
    ------
    EnvironmentVariableError
        If `parse` refuses the text. The message names the variable as the user set it.
    """
    for variable in (name, alias):
        text = os.environ.get(variable, "").strip() if variable else ""
        if text:
            try:
                return parse(text)
            except ValueError as error:
                raise EnvironmentVariableError(f"{variable} must be {error}, not {text!r}") from None
    return default


def number(low: float, high: float) -> Callable[[str], float]:
    """Parses a decimal number from `low` to `high`."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = low - 1
        if not low <= value <= high:  # NaN is in no range
            raise ValueError(f"a number from {low:g} to {high:g}")
        return value

    return parse


def integer(low: int, high: int) -> Callable[[str], int]:
    """Parses an integer from `low` to `high`, decimal or with a prefix such as ``0x``."""

    def parse(text: str) -> int:
        try:
            value = int(text, 0)
        except ValueError:
            value = low - 1
        if not low <= value <= high:
            raise ValueError(f"an integer from {low} to {high}")
        return value

    return parse


def size(text: str) -> int:
    """Parses a positive number of bytes: ``1000000``, ``512M``, ``512MiB``; K, M, G and T are powers of 1024."""
    match = re.fullmatch(r"(\d+)\s*([KMGT]?)(?:i?B)?", text, re.IGNORECASE)
    if match is None or int(match[1]) == 0:
        raise ValueError("a positive number of bytes such as 1000000, 512M or 4GiB")
    return int(match[1]) * _UNITS[match[2].upper()]


def flag(text: str) -> bool:
    """Anything but ``0`` switches on."""
    return text != "0"
