"""Integer division on processors that make nothing of a zero: a trap, where x86's instructions have a fault.

LLVM says that a division by zero, and of the smallest integer by -1, may do anything. AArch64's instructions give 0 and
the smallest integer.
"""

from __future__ import annotations

import re

from .spmd.ir import split_list

__all__ = ["with_checks", "with_known_faults"]

_OPERATIONS = ("udiv", "urem", "sdiv", "srem")
_DIVISION = re.compile(r"^  (?:%\S+|%\"[^\"]*\") = ([us])(?:div|rem) +(?:exact +)?(<[^>]+>|i\d+) (.*)$", re.MULTILINE)
_FAULTS = re.compile(r"x86_64|i[3-6]86")  # processors, as triples begin, on which divisions are checked as they are
# The runtime knows the trap by this number, which is clang's for such divisions (see cpu/fault.c).
_TRAP = 3


# Divisions by a zero that is known before anything is optimised, each by the word that a search finds soonest.
_BY_ZERO = [
    re.compile(rf"= {op} (?:exact )?(i\d+|<[^>]+>) [^,\n]+, (?:0|zeroinitializer)(?=[,\n])") for op in _OPERATIONS
]


def with_known_faults(module: str) -> str:
    """A module's text with a trap in place of each division by a zero that is written there.

    Such a division LLVM takes for code that is never reached: the loop around one may have no end then.
    """
    for pattern in _BY_ZERO:
        module = pattern.sub(r"= add \1 zeroinitializer, zeroinitializer\n  call void @llvm.trap()", module)
    if "call void @llvm.trap()" in module and "declare void @llvm.trap()" not in module:
        module += "\ndeclare void @llvm.trap()\n"
    return module


def with_checks(module: str, triple: str) -> str:
    """A module's text with a check before every integer division, if it is for a processor that has none.

    Parameters
    ----------
    module : str
        LLVM assembly. Checks are calls of small functions, to be inlined.
    triple : str
        The processor.
    """
    if _FAULTS.match(triple):
        return module
    checks: dict[str, str] = {}

    def checked(found: re.Match[str]) -> str:
        sign, type_, rest = found.groups()
        dividend, divisor = split_list(rest)[:2]
        if divisor[0] != "%":  # a constant; clang warns of 0
            return found[0]
        name = f"mp.check.{sign}{re.sub(r'[^a-z0-9]', '', type_)}"
        checks[name] = _check(name, type_, sign == "s")
        return f"  call void @{name}({type_} {dividend}, {type_} {divisor})\n{found[0]}"

    made = _DIVISION.sub(checked, module)
    return "\n".join([made, *checks.values()])


def _check(name: str, type_: str, signed: bool) -> str:
    """A function that ends in a trap if any lane's division has no result."""
    lanes, bits = re.findall(r"\d+", type_) if type_[0] == "<" else ("", type_[1:])
    test = f"<{lanes} x i1>" if lanes else "i1"
    least = f"{-1 << (int(bits) - 1)}"
    minus_one = "-1"
    if lanes:
        least, minus_one = f"splat (i{bits} {least})", f"splat (i{bits} -1)"
    lines = [f"  %bad = icmp eq {type_} %b, {'zeroinitializer' if lanes else '0'}"]
    if signed:
        lines += [
            f"  %negates = icmp eq {type_} %b, {minus_one}",
            f"  %least = icmp eq {type_} %a, {least}",
            # A select, as lanes that take no part may hold poison in %a.
            f"  %over = select {test} %negates, {test} %least, {test} {'zeroinitializer' if lanes else 'false'}",
            f"  %any = or {test} %bad, %over",
        ]
    result = "%any" if signed else "%bad"
    if lanes:
        lines.append(f"  %some = call i1 @llvm.vector.reduce.or.v{lanes}i1({test} {result})")
        result = "%some"
    head = f"define internal void @{name}({type_} %a, {type_} %b) alwaysinline nounwind {{"
    tail = [
        f"  br i1 {result}, label %trap, label %fine",
        "trap:",
        f"  call void @llvm.ubsantrap(i8 {_TRAP})",
        "  unreachable",
        "fine:",
        "  ret void",
        "}",
    ]
    return "\n".join([head, *lines, *tail])
