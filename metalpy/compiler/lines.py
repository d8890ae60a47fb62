"""Lines of the program in its IR, for the checked executor: what is kept of debug information, and read back.

Instructions refer to a location (``!dbg``): a line in a scope, and if a call was inlined, the location of the call. A
scope leads to a function and a file. All else that clang says of functions is left out: it describes their types, and
the types of those, and would be most of a small program.
"""

from __future__ import annotations

import re

from .entries import ENTRIES_NAME
from .source import is_own_file

__all__ = ["UNIT", "Lines", "described_line", "undescribed"]

UNIT = re.compile(r"^!llvm\.dbg\.cu = [^\n]*\n", re.M)  # without it LLVM drops the rest
_ATTACHED = re.compile(r",? !dbg !\d+|^ +#dbg_[^\n]*\n", re.M)
_RECORD = re.compile(r"^ +#dbg_[^\n]*\n", re.M)
# The nodes that say too much, and what is kept of them.
_KEPT = {
    "DILocation": ("line", "scope", "inlinedAt"),
    "DISubprogram": ("file", "line", "unit"),
    "DICompileUnit": ("language", "file"),
}
_DETAILED = re.compile(rf"^(!\d+ = (?:distinct )?!)({'|'.join(_KEPT)})\((.*)\)$")
_NODE = re.compile(
    r"^!(\d+) = (?:distinct )?!DI(?:Location|LexicalBlock|LexicalBlockFile|Subprogram|File)\((.*)\)$", re.M
)
_FIELD = re.compile(r'(\w+): ("[^"]*"|[^,]+)')
_ESCAPED = re.compile(rb"\\([0-9A-Fa-f]{2})")


def undescribed(definition: str, *, lines: bool = False) -> str:
    """A symbol's definition without debug information; if asked for, with the lines of a function's instructions."""
    if "dbg" not in definition:
        return definition
    return (_RECORD if lines and definition.startswith("define ") else _ATTACHED).sub("", definition)


def described_line(node: str) -> str:
    """A node of metadata as it is needed for lines; others come back as they are."""
    match = _DETAILED.match(node)
    if match is None:
        return node
    start, kind, text = match.groups()
    fields = dict(_FIELD.findall(text))
    kept = [f"{name}: {fields[name]}" for name in _KEPT[kind] if name in fields]
    if kind == "DISubprogram":
        kept += [f"scope: {fields['file']}", "spFlags: DISPFlagDefinition"]
    elif kind == "DICompileUnit":
        kept.append("emissionKind: LineTablesOnly")
    return f"{start}{kind}({', '.join(kept)})"


class Lines:
    """The locations in a module's text."""

    def __init__(self, module: str) -> None:
        self._nodes = {match[1]: dict(_FIELD.findall(match[2])) for match in _NODE.finditer(module)}
        self._known: dict[str, tuple[str, int] | None] = {}

    def place(self, number: str) -> tuple[str, int] | None:
        """File and line of a location: the innermost of the program's own, for metalpy's headers that of the call.

        None if the optimiser has lost it.
        """
        if number not in self._known:
            self._known[number] = self._found(number)
        return self._known[number]

    def _found(self, number: str) -> tuple[str, int] | None:
        location = self._nodes.get(number, {})
        while location:
            line = int(location.get("line", 0))
            file = self._file(location["scope"][1:])
            if line and file not in ("", ENTRIES_NAME) and not is_own_file(file):
                return file, line
            location = self._nodes.get(location.get("inlinedAt", "")[1:], {})
        return None

    def _file(self, scope: str) -> str:
        number = self._nodes.get(scope, {}).get("file", "")[1:]
        name = self._nodes.get(number, {}).get("filename", "")[1:-1]
        data = _ESCAPED.sub(lambda match: bytes([int(match[1], 16)]), name.encode("utf-8", "surrogateescape"))
        return data.decode("utf-8", "surrogateescape")
