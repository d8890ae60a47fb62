"""Kernels that are too large: LLVM takes minutes for what becomes of them, and seconds for one thread's program."""

from __future__ import annotations

import re

from .ir import Unsupported

__all__ = ["refuse_large", "refuse_large_when_inlined"]

# Lines of IR. Measured on public kernels: 8000 lines of a thread's optimised function take 2 to 4 seconds, 15000 half a
# minute, 23000 two minutes. Before optimisation there are two to ten times as many, if all calls are inlined.
_MOST_LINES, _MOST_INLINED = 10_000, 200_000

# Looking a texel up is thousands of lines, nearly all of which go: what a sampler in the program asks for is known, and
# where it is an argument LLVM leaves the call.
_LOOKUP = re.compile(r"_ZN4__mp8textures")
_LOOKUP_LINES = 100

_FUNCTION = re.compile(r'^define [^\n@]*@("[^"\n]+"|[\w.$-]+)\([^\n]*\{\n(.*?)^\}$', re.M | re.S)
_CALL = re.compile(r'call [^\n@]*@("[^"\n]+"|[\w.$-]+)\(')


def refuse_large(function: str) -> None:
    """Refuse an optimised function; raises `Unsupported`."""
    lines = function.count("\n")
    if lines > _MOST_LINES:
        raise Unsupported(f"{lines} lines of IR, more than {_MOST_LINES}")


def refuse_large_when_inlined(module: str, entry: str) -> None:
    """Refuse a function that becomes too large with all that it calls in place of the calls; raises `Unsupported`."""
    if (found := _lines_when_inlined(module, entry)) > _MOST_INLINED:
        raise Unsupported(f"{found} lines of IR with all calls inlined, more than {_MOST_INLINED}")


def _lines_when_inlined(module: str, entry: str) -> int:
    """How many lines a function has with all that it calls in place of the calls."""
    bodies = {name: body for name, body in _FUNCTION.findall(module)}
    known: dict[str, int] = {}

    def lines(name: str) -> int:
        if name not in known:
            known[name] = 0  # of what calls itself, one turn counts
            body = bodies.get(name, "")
            known[name] = body.count("\n") + sum(map(lines, _CALL.findall(body)))
            if _LOOKUP.match(name):
                known[name] = min(known[name], _LOOKUP_LINES)
        return known[name]

    return lines(entry)
