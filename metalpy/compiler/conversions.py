"""Conversions that a processor lacks: LLVM calls functions of compiler-rt for them, and here they are.

Each hands the bits to a function of the software device (``cpu/half.c``). They are in an object of their own, linked
into the kernels that need it: so the driver exports no name that another library in the process might find.
"""

from __future__ import annotations

from functools import lru_cache

import llvmlite.binding as llvm

__all__ = ["conversions_for"]

# By the name that LLVM calls: the types that it converts from and to, and the device's function.
_FUNCTIONS = {
    "__extendhfsf2": ("half", "float", "mp_float_of_half"),
    "__truncsfhf2": ("float", "half", "mp_half_of_float"),
    "__truncdfhf2": ("double", "half", "mp_half_of_double"),
    "__truncsfbf2": ("float", "bfloat", "mp_bfloat_of_float"),
    "__truncdfbf2": ("double", "bfloat", "mp_bfloat_of_double"),
}
_BITS = {"half": "i16", "bfloat": "i16", "float": "i32", "double": "i64"}
_CARRIED = {"i16": "i32"}  # what C hands over in place of small integers


def conversions_for(native: bytes, triple: str) -> list[bytes]:
    """What to link with an object that LLVM has made for `triple`: the conversions, if it calls any."""
    return [_compiled(triple)] if any(name.encode() + b"\0" in native for name in _FUNCTIONS) else []


@lru_cache(maxsize=2)
def _compiled(triple: str) -> bytes:
    """Code for any processor of its kind."""
    machine = llvm.Target.from_triple(triple).create_target_machine(opt=2, reloc="pic")
    module = llvm.parse_assembly(f'target triple = "{triple}"\n' + "".join(map(_definition, _FUNCTIONS)))
    return bytes(machine.emit_object(module))


def _definition(name: str) -> str:
    source, target, function = _FUNCTIONS[name]
    given, wanted = _BITS[source], _BITS[target]
    taken, returned = _CARRIED.get(given, given), _CARRIED.get(wanted, wanted)
    lines = [f"  %g = bitcast {source} %value to {given}"]
    lines += [f"  %t = zext {given} %g to {taken}"] if taken != given else []
    lines += [f"  %r = call {returned} @{function}({taken} {'%t' if taken != given else '%g'})"]
    lines += [f"  %w = trunc {returned} %r to {wanted}"] if returned != wanted else []
    lines += [f"  %v = bitcast {wanted} {'%w' if returned != wanted else '%r'} to {target}", f"  ret {target} %v"]
    body = "\n".join(lines)
    return (
        f"declare {returned} @{function}({taken}) nounwind\n"
        f"define hidden {target} @{name}({source} %value) nounwind {{\n{body}\n}}\n"
    )
