"""Rotations of 64 bits by 32, which LLVM 22 gets wrong on x86.

``and (rotate x, 32), mask`` is selected without the `and` where LLVM knows enough about x and the result is part of an
address: the upper half stays in the index. Such code comes from two numbers of 32 bits that a program swaps, as the
indices of a tensor are. If nothing is known about x, all is well, so x goes through assembly that does nothing.
"""

from __future__ import annotations

import re

__all__ = ["with_opaque_rotations"]

_ROTATION = re.compile(
    r"^(?P<head>  (?P<result>%\S+) = .*@llvm\.fsh[lr]\.i64\()i64 (?P<value>%[^,]+), i64 (?P=value), i64 32\)",
    re.MULTILINE,
)


def with_opaque_rotations(module: str) -> str:
    """LLVM assembly whose rotations of one i64 by half its width hide what is rotated."""

    def hidden(found: re.Match[str]) -> str:
        opaque = f"%mp.opaque.{re.sub(r'[^A-Za-z0-9.]', '_', found['result'][1:])}"
        hide = f'  {opaque} = call i64 asm "", "=r,0"(i64 {found["value"]})\n'
        return f"{hide}{found['head']}i64 {opaque}, i64 {opaque}, i64 32)"

    return _ROTATION.sub(hidden, module)
