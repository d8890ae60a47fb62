"""How much stack a kernel needs, and whether it has variables there that a wrong index may overrun."""

from __future__ import annotations

import re
from collections.abc import Mapping

import llvmlite.binding as llvm

__all__ = ["has_variables", "stack_of_vector_program", "stack_size"]

_SLACK = 16 * 1024  # what libm and the runtime need below a kernel's own variables
_ALLOCA = re.compile(r"= alloca (?:inalloca )?([^,\n]+)")
_NAMED_ALLOCA = re.compile(r"^  (%\S+) = alloca ([^,\n]+)", re.MULTILINE)
_INDEXED = re.compile(r"= getelementptr [^\n]*?ptr (%[^\s,]+),")
_SPILLED = 64  # bytes, on an average, for a line of a vector program: half a register


def stack_size(module: llvm.ModuleRef, machine: llvm.TargetMachine) -> int:
    """An upper bound of the stack that a thread needs: all variables of all functions, spills allowed for."""
    sizes = {}
    for struct_type in module.struct_types:
        match = re.match(r"(%(?:[\w.$]+|\"[^\"]+\")) = type [^o]", str(struct_type))  # not opaque
        if match:
            sizes[match[1]] = machine.target_data.get_abi_size(struct_type)
    total = 0
    for function in module.functions:
        if not function.is_declaration:
            text = str(function)
            total += sum(_type_size(t.strip(), sizes) for t in _ALLOCA.findall(text)) + 8 * text.count("\n") + 512
    return 2 * total + _SLACK


def has_variables(module: llvm.ModuleRef) -> bool:
    """Whether any variable is in memory after optimisation, where a wrong index reaches what lies around it."""
    defined = (function for function in module.functions if not function.is_declaration)
    return any(_ALLOCA.search(str(function)) for function in defined)


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
    kept = [type_ for name, type_ in _NAMED_ALLOCA.findall(module) if name in indexed and name != "%frames"]
    memory = frames + sum(_type_size(type_.strip(), {}) for type_ in kept)
    size = memory + _SPILLED * module.count("\n") + 512 * module.count("\ndefine ") + _SLACK
    return size, memory > 0


def _type_size(text: str, structs: Mapping[str, int]) -> int:
    """Bytes of an IR type, rounded up."""
    if match := re.fullmatch(r"[\[<](\d+) x (.*)[\]>]", text):
        return int(match[1]) * _type_size(match[2], structs)
    if match := re.fullmatch(r"i(\d+)", text):
        return max(int(match[1]) // 8, 1)
    if text.startswith("{"):
        return sum(_type_size(t.strip(), structs) + 8 for t in text.strip("{} ").split(","))
    return {"float": 4, "half": 2, "bfloat": 2, "double": 8, "ptr": 8}.get(text) or structs.get(text, 4096)
