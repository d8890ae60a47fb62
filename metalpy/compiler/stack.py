"""How much stack a kernel needs, and whether it has variables there that a wrong index may overrun."""

from __future__ import annotations

import re

from .spmd.ir import Unsupported
from .spmd.layout import Layout

__all__ = ["has_variables", "stack_of_vector_program", "stack_size"]

_SLACK = 16 * 1024  # what libm and the runtime need below a kernel's own variables
_ALLOCA = re.compile(r"^  (%\S+) = alloca (.+?)(?:(?:, i\d+ [%\w.]+)?, align \d+)?$", re.MULTILINE)
_INDEXED = re.compile(r"= getelementptr [^\n]*?ptr (%[^\s,]+),")
_LINE = 8  # bytes, on an average, for a line of a thread's program
_SPILLED = 64  # the same of a vector program: half a register
_FUNCTION = 512
_UNKNOWN = 4096  # bytes of a variable whose type is not known here


def stack_size(module: str) -> int:
    """An upper bound of the stack that a thread needs: all variables of all functions, spills allowed for.

    Parameters
    ----------
    module : str
        LLVM assembly, optimised.
    """
    memory = _sizes(module, [type_ for _, type_ in _ALLOCA.findall(module)])
    return 2 * (memory + _LINE * module.count("\n") + _FUNCTION * module.count("\ndefine ")) + _SLACK


def has_variables(module: str) -> bool:
    """Whether any variable is in memory after optimisation, where a wrong index reaches what lies around it."""
    return _ALLOCA.search(module) is not None


def stack_of_vector_program(module: str, frames: int) -> tuple[int, bool]:
    """An upper bound of the stack that a vector program needs, and whether it has variables in memory.

    Parameters
    ----------
    module : str
        LLVM assembly that is not optimised yet: variables become registers but for those that are indexed.
    frames : int
        Bytes that the threadgroup function's array of frames takes; 0 if no simdgroup uses its frame.
    """
    indexed = set(_INDEXED.findall(module))
    kept = [type_ for name, type_ in _ALLOCA.findall(module) if name in indexed and name != "%frames"]
    memory = frames + _sizes(module, kept)
    size = memory + _SPILLED * module.count("\n") + _FUNCTION * module.count("\ndefine ") + _SLACK
    return size, memory > 0


def _sizes(module: str, types: list[str]) -> int:
    layout = Layout(module)
    return sum(_size(layout, type_) for type_ in types)


def _size(layout: Layout, type_: str) -> int:
    try:
        return layout.size(type_)
    except Unsupported:
        return _UNKNOWN
