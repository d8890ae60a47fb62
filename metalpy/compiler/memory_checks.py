"""``METALPY_EXECUTOR=checked``: a call before each access to memory that threads share, see ``cpu/check.c``.

All of a kernel is inlined already, and little else is done to its IR, so that accesses are where they were written and
have their lines (`lines`). Addresses are followed back to where they come from: those of private variables and of the
program's constants are left alone, those of an argument are known by its name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from .lines import UNIT, Lines, undescribed
from .spmd.layout import stored_size

__all__ = ["with_memory_checks"]

_WRITES, _ATOMIC, _ARGUMENT, _VARIABLE, _THREADGROUP, _VALUE = 1, 2, 4, 8, 16, 32  # as in cpu/check.c
_NUMBER = 8  # from this bit on: 1 more than the argument's index, 0 if that is not known
_TABLES = {0: "buffers", 8: "threadgroup"}  # by offset in struct mp_group
_UNKNOWN, _EXEMPT = ("unknown", None), ("exempt", None)

_PLACE = "{ ptr, ptr, ptr, i32, i32 }"  # struct place
_MOST_NUMBERS = 0xFFFF  # those of a toucher's place
_LOCATION = re.compile(r", !dbg !(\d+)")

_TYPE = r"(?:<[^>]+>|\[[^\]]+\]|\w+)"
_FUNCTION = re.compile(
    r"^define [^\n]*?@(?P<name>[\w.$]+|\"[^\"]+\")\((?P<parameters>[^\n]*)\{\n(?P<body>.*?)^\}", re.M | re.S
)
_DEFINITION = re.compile(r"^  (%\S+) = (.*)$", re.MULTILINE)
_GEP = re.compile(r"getelementptr (?:[a-z]+ )*(?P<type>[^,]+), ptr (?P<base>[^,]+), (?P<rest>.*)")
_VARIABLE_AT = re.compile(r"@mp_threadgroup_variable\(i32 (\d+)\)")
_LOADED = re.compile(r"load ptr, ptr ([^,]+)")
_AT = r"(?P<at>[%@][\w.$]+)(?P<tail>[ ,].*)$"
_LOAD = re.compile(rf"^(?P<head>  %\S+ = load (?P<how>(?:atomic |volatile )*)(?P<type>{_TYPE}), ptr ){_AT}")
_STORE = re.compile(rf"^(?P<head>  store (?P<how>(?:atomic |volatile )*)(?P<type>{_TYPE}) (?P<value>.+?), ptr ){_AT}")
_CHANGE = re.compile(
    r"^(?P<head>  %\S+ = (?:atomicrmw (?:volatile )?\w+|cmpxchg(?: weak| volatile)*) ptr )"
    rf"(?P<at>[%@][\w.$]+)(?P<tail>, (?P<type>{_TYPE}) .*)$"
)
# What LLVM makes of copies of structs and arrays, and of loops that copy or fill.
_BULK = re.compile(
    r"^(?P<head>  (?:tail |musttail )?call void @llvm\.mem(?P<what>cpy|move|set)[\w.]*\(ptr [^%@,]*)(?P<to>[%@][\w.$]+)"
    r"(?P<middle>, (?:i8 |ptr [^%@,]*))(?P<second>[^,]+)(?P<tail>, i64 (?P<size>[^,]+),.*)$"
)


def with_memory_checks(module: str, entry: str, names: Mapping[tuple[str, int], str], place: tuple[str, int]) -> str:
    """A module's text with a check before each access.

    Parameters
    ----------
    module : str
        LLVM assembly, in which `entry` runs one thread. The lines in it are gone from the result.
    entry : str
    names : mapping of (str, int) to str
        The names of ``("buffer", index)``, ``("threadgroup", index)`` and ``("variable", offset)``, one in threadgroup
        memory.
    place : (str, int)
        The kernel's file and line: what is told of accesses whose own are not known.
    """
    checks = _Checks(entry, names, place, Lines(module))
    made = _FUNCTION.sub(checks.function, UNIT.sub("", module))
    declaration = "declare ptr @mp_check_access(ptr, i64, i32, ptr, i64)"
    return "\n".join([made, declaration, *checks.places.definitions()])


class _Checks:
    def __init__(self, entry: str, names: Mapping[tuple[str, int], str], place: tuple[str, int], lines: Lines) -> None:
        self._entry = entry
        self._names = names
        self._lines = lines
        self._location = ""  # of the instruction at hand
        self._count = 0
        self._defined: dict[str, str] = {}
        self._known: dict[str, tuple[str, int | None]] = {}
        self.places = _Places(place)

    def function(self, found: re.Match[str]) -> str:
        self._defined = dict(_DEFINITION.findall(undescribed(found["body"])))
        parameters = re.findall(r"%[\w.]+(?=[,)])", found["parameters"])
        self._known = {}
        if found["name"] == self._entry:
            self._known = {parameters[0]: ("group", 0), parameters[1]: _EXEMPT}
        body = "\n".join(self._checked(line) for line in found["body"].split("\n"))
        start = found.start("body") - found.start()
        return undescribed(found[0][:start]) + body + "}"

    def _checked(self, line: str) -> str:
        location = _LOCATION.search(line)
        self._location = location[1] if location else ""
        line = undescribed(line)
        if bulk := _BULK.match(line):
            lines, to = self._check(bulk["to"], bulk["size"], _WRITES)
            second = bulk["second"]
            if bulk["what"] != "set":
                more, second = self._check(second, bulk["size"], 0)
                lines += more
            return f"{lines}{bulk['head']}{to}{bulk['middle']}{second}{bulk['tail']}"
        match = _LOAD.match(line) or _STORE.match(line) or _CHANGE.match(line)
        size = stored_size(match["type"]) if match else 0
        if match is None or not size:
            return line
        kind = _WRITES if match.re is not _LOAD else 0
        if match.re is _CHANGE or "atomic" in match["how"]:
            kind |= _ATOMIC
        written = (match["type"], match["value"]) if match.re is _STORE else None
        lines, at = self._check(match["at"], str(size), kind, written)
        return f"{lines}{match['head']}{at}{match['tail']}"

    def _check(self, at: str, size: str, kind: int, written: tuple[str, str] | None = None) -> tuple[str, str]:
        """Instructions that look at an access, none if it needs no look, and the address that it is to use."""
        what, number = self._origin(at, frozenset())
        kinds = {"buffer": _ARGUMENT, "argument": _THREADGROUP, "variable": _VARIABLE, "unknown": 0}
        if what not in kinds:
            return "", at
        kind |= kinds[what]
        self._count += 1
        lines, value = "", "0"
        if written and (bits := _as_bits(*written, f"%mp.v{self._count}")):
            lines, value = bits
            kind |= _VALUE
        name = "threadgroup memory" if what in ("variable", "argument") else ""
        if number is not None:
            name = self._names.get(("threadgroup" if what == "argument" else what, number), name)
        if what == "buffer" and number is not None:
            kind |= number + 1 << _NUMBER
        place = self.places.address(name, self._lines.place(self._location))
        details = f"i64 {size}, i32 {kind}, ptr {place}, i64 {value}"
        checked = f"%mp.c{self._count}"
        return f"{lines}  {checked} = call ptr @mp_check_access(ptr {at}, {details})\n", checked

    def _origin(self, value: str, above: frozenset[str]) -> tuple[str, int | None]:
        """Where an address comes from, and at which offset of a table, or which argument it is."""
        if value in self._known:
            return self._known[value]
        if value.startswith("@"):
            return _EXEMPT
        text = self._defined.get(value)
        if text is None or value in above:
            return _UNKNOWN
        found = self._followed(text, above | {value})
        if value not in above and not above:
            self._known[value] = found
        return found

    def _followed(self, text: str, above: frozenset[str]) -> tuple[str, int | None]:
        if match := _GEP.match(text):
            what, offset = self._origin(match["base"], above)
            if what in ("group", *_TABLES.values()):
                step = re.fullmatch(r"i64 (\d+)", match["rest"]) if match["type"] == "i8" else None
                return what, None if step is None or offset is None else offset + int(step[1])
            return what, offset
        if match := _LOADED.match(text):
            what, offset = self._origin(match[1], above)
            if what == "group":
                return (_TABLES[offset], 0) if offset in _TABLES else _UNKNOWN
            if what in _TABLES.values():
                number = None if offset is None else offset // 8
                return ("buffer", number) if what == "buffers" else ("argument", number)
            return _UNKNOWN
        if text.startswith("alloca"):
            return _EXEMPT
        if match := _VARIABLE_AT.search(text):
            return "variable", int(match[1])
        if text.startswith(("phi ptr", "select")):
            values = re.findall(r"\[ ([^,]+),", text) if text.startswith("phi") else re.findall(r"ptr ([^,\n]+)", text)
            origins = {
                self._origin(v, above) for v in values if v not in above and v not in ("null", "poison", "undef")
            }
            if len(origins) == 1:
                return origins.pop()
            if len({what for what, _ in origins}) == 1:
                return origins.pop()[0], None
        return _UNKNOWN


class _Places:
    """What is told of accesses: the name of the memory, file and line; a table of structs in the module."""

    def __init__(self, kernel: tuple[str, int]) -> None:
        self._kernel = kernel
        self._numbers: dict[tuple[str, tuple[str, int] | None], int] = {}
        self._texts: dict[str, str] = {}  # globals by what they hold

    def address(self, name: str, place: tuple[str, int] | None) -> str:
        number = self._numbers.setdefault((name, place), len(self._numbers))
        return f"getelementptr ({_PLACE}, ptr @mp.places, i64 {number})"

    def definitions(self) -> list[str]:
        places = [f"{_PLACE} {self._struct(*key, number)}" for key, number in self._numbers.items()]
        table = f"@mp.places = private constant [{len(places)} x {_PLACE}] [{', '.join(places)}]"
        texts = [f"{symbol} = private constant {_string(text)}" for text, symbol in self._texts.items()]
        return [*texts, table]

    def _struct(self, name: str, place: tuple[str, int] | None, number: int) -> str:
        file, line = place or self._kernel
        texts = [self._texts.setdefault(text, f"@mp.text.{len(self._texts)}") for text in (name, file)]
        told = number + 1 if place and number < _MOST_NUMBERS else 0
        return f"{{ ptr {texts[0]}, ptr {texts[1]}, ptr @mp.places, i32 {line}, i32 {told} }}"


def _as_bits(type_: str, value: str, name: str) -> tuple[str, str] | None:
    """Instructions that make an i64 of a value of up to 64 bits, and the i64; None for other types."""
    bits = {"float": 32, "half": 16, "bfloat": 16, "double": 64}.get(type_, 0)
    lines = ""
    if bits:
        lines = f"  {name}.b = bitcast {type_} {value} to i{bits}\n"
        value = f"{name}.b"
    elif match := re.fullmatch(r"i(8|16|32|64)", type_):
        bits = int(match[1])
    else:
        return None
    if bits == 64:
        return lines, value
    return f"{lines}  {name} = zext i{bits} {value} to i64\n", name


def _string(text: str) -> str:
    data = text.encode("utf-8", "surrogateescape") + b"\0"
    escaped = "".join(f"\\{byte:02X}" for byte in data)
    return f'[{len(data)} x i8] c"{escaped}"'
