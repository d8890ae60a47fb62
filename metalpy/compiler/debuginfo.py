"""Read kernels' argument types back from the debug information in LLVM IR.

clang knows every type after templates, typedefs and layout; its debug information says so in full: sizes, offsets,
field names. The metadata is read from the IR's text, node by node, only as far as the kernels' parameters reach.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cached_property, lru_cache
from typing import TypeAlias

from .harvest import Entry, Harvest, Parameter
from .reflection import Argument, Builtin, Field, KernelInfo, Type
from .source import Misuse

__all__ = ["read_constants", "read_kernels"]

MAX_BUFFERS = 31
MAX_THREADGROUP_ARGUMENTS = 31
MAX_TEXTURES = 128
MAX_SAMPLERS = 16
MAX_THREADS = 1024

_SCALARS = {  # name in debug information: (NumPy name, Metal name)
    "float": ("float32", "float"),
    "_Float16": ("float16", "half"),
    "bfloat": ("bfloat16", "bfloat"),
    "bool": ("bool", "bool"),
    "char": ("int8", "char"),
    "signed char": ("int8", "char"),
    "unsigned char": ("uint8", "uchar"),
    "short": ("int16", "short"),
    "unsigned short": ("uint16", "ushort"),
    "int": ("int32", "int"),
    "unsigned int": ("uint32", "uint"),
    "long": ("int64", "long"),
    "unsigned long": ("uint64", "ulong"),
    "long long": ("int64", "long"),
    "unsigned long long": ("uint64", "ulong"),
}
_QUALIFYING_TAGS = frozenset(
    {"DW_TAG_const_type", "DW_TAG_volatile_type", "DW_TAG_restrict_type", "DW_TAG_typedef", "DW_TAG_atomic_type"}
)
_VECTOR = re.compile(r"(?P<packed>packed_)?vec<(?:metal::)?(?P<scalar>[\w ]+), (?P<count>\d)>\Z")
_MATRIX = re.compile(r"matrix<(?:metal::)?(?P<scalar>[\w ]+), (?P<columns>\d), (?P<rows>\d)>\Z")
_ATOMIC = re.compile(r"_?atomic<(?:metal::)?(?P<scalar>[\w ]+)>\Z")

_TEXTURE = re.compile(
    r"(?P<type>(?:texture|depth)\w+)<(?P<scalar>[\w ]+), "
    r"(?:metal::access::(?P<access>\w+)|\(metal::access\)(?P<number>\d))"
)
_TENSOR = re.compile(
    r"tensor<(?:const )?(?:metal::)?(?P<element>.*?), "
    r"metal::extents<(?P<index>[\w ]+), (?P<sizes>[\w, ]+)>, metal::tensor_handle\W"
)
_DYNAMIC = 2**64 - 1
_ROLES = ("buffer", "threadgroup", "texture", "sampler")
_Signature: TypeAlias = tuple[str, int, tuple[tuple[int, ...], ...]]  # type node, parameters, indices by role
_ACCESSES = ("sample", "read", "write", "read_write")

_NODE = re.compile(r"^!(\d+) = (?:distinct )?(!DI\w+\(.*\)|!\{.*\})$", re.MULTILINE)
_GENERATED = re.compile(r'!DIGlobalVariable\(name: "(__mp_\w+)".*?, type: !(\d+)')
_FIELD = re.compile(r'(\w+): ("(?:[^"\\]|\\.)*"|![0-9]+|!DI\w+\([^)]*\)|[^,()]+)')
_REFERENCE = re.compile(r"!(\d+)|null")


def read_kernels(ir: str, harvest: Harvest, numbers: Iterable[int]) -> dict[int, tuple[KernelInfo, int]]:
    """Match what the harvest found with what clang made of it.

    Parameters
    ----------
    ir : str
        IR that has the kernels, or all of it but the functions.
    harvest : Harvest
    numbers : iterable of int
        Of the kernels, in ``harvest.entries``.

    Returns
    -------
    dict of int to (KernelInfo, int)
        What is known of each kernel, and its ``max_total_threads_per_threadgroup``.
    """
    reader = _Reader(ir, harvest.visible)
    entries = ((k, harvest.entries[k]) for k in numbers)
    return {k: (reader.kernel(k, entry), reader.limit(k, entry)) for k, entry in entries}


def read_constants(ir: str, harvest: Harvest) -> list[tuple[str, int, str, tuple[int, ...], str]]:
    """The function constants of a program: (name, index, scalar type, vector shape, symbol) of each."""
    reader = _Reader(ir)
    constants = []
    for k, constant in enumerate(harvest.constants):
        held = reader.pointee(reader.variable(f"__mp_constant_{k}"))
        symbol = reader.initializer(f"__mp_constant_{k}").rsplit("@", 1)[-1].split(",")[0].strip()
        name = constant.name.removeprefix("::")
        constants.append((name, reader.number(f"__mp_constant_index_{k}"), held.scalar or "", held.shape, symbol))
    return constants


class _Reader:
    def __init__(self, ir: str, functions: Sequence[str] = ()) -> None:
        self._ir, self._functions = ir, functions
        self._types: dict[str, Type] = {}
        self._bindings: dict[_Signature, tuple[tuple[Argument, ...], tuple[Builtin, ...]]] = {}

    @cached_property
    def _nodes(self) -> dict[str, str]:
        return {match[1]: match[2] for match in _NODE.finditer(self._ir)}

    @cached_property
    def _variables(self) -> dict[str, str]:
        """Type node of each generated global by name."""
        return dict(_GENERATED.findall(self._ir))

    @cached_property
    def _globals(self) -> dict[str, str]:
        return {
            match[1]: match[2]
            for match in re.finditer(r"^@(__mp_\w+) = [^\n]*?(?:constant|global) ([^\n]*)$", self._ir, re.MULTILINE)
        }

    # ---- generated globals ----

    def initializer(self, name: str) -> str:
        """The text of a global's type and initialiser."""
        return re.sub(r"(, align \d+|, !dbg !\d+)+$", "", self._globals[name])

    def number(self, name: str) -> int:
        """The value of an integer global."""
        match = re.match(r"i\d+ (-?\d+)", self.initializer(name))
        return int(match[1]) if match else 0

    def numbers(self, name: str, count: int) -> list[int]:
        """The values of an integer array global."""
        text = self.initializer(name)
        values = [int(v) for v in re.findall(r"i32 (-?\d+)", text.split("{", 1)[-1])]
        return values if len(values) == count else [0] * count

    def variable(self, name: str) -> str:
        """The type node of a global."""
        return self._variables[name]

    # ---- kernels ----

    def kernel(self, k: int, entry: Entry) -> KernelInfo:
        """The record of kernel number `k`."""
        # Kernels from one template are alike in this, if their types are, and there may be hundreds.
        node = self.variable(f"__mp_function_{k}")
        numbers = tuple(tuple(self._indices(k, entry, role)) for role in _ROLES)
        signature = (node, id(entry.parameters), numbers)
        if signature not in self._bindings:
            self._bindings[signature] = self._bound(entry, self._function_type(node)[1:], numbers)
        return KernelInfo(entry.name, *self._bindings[signature], entry.file, entry.line)

    def _bound(
        self, entry: Entry, types: list[str | None], indices: tuple[tuple[int, ...], ...]
    ) -> tuple[tuple[Argument, ...], tuple[Builtin, ...]]:
        arguments: list[Argument] = []
        builtins: list[Builtin] = []
        positions = dict.fromkeys(_ROLES, 0)
        numbers = dict(zip(_ROLES, indices, strict=True))
        for parameter in entry.parameters:
            node = self._member(types[parameter.place], parameter.path)
            if parameter.role in positions:
                at = positions[parameter.role]
                positions[parameter.role] += 1
                arguments.append(self._argument(parameter, numbers[parameter.role][at], node))
            else:
                builtins.append(Builtin(parameter.name, parameter.role, self.type(node).name))
        self._check_indices(entry, arguments)
        return tuple(arguments), tuple(builtins)

    def limit(self, k: int, entry: Entry) -> int:
        """``max_total_threads_per_threadgroup`` of kernel number `k`."""
        known = entry.literal_limit(MAX_THREADS)
        return min(self.number(f"__mp_limit_{k}") if known is None else known, MAX_THREADS)

    def _indices(self, k: int, entry: Entry, role: str) -> Sequence[int]:
        known = entry.literal_indices(role)
        if known is not None:
            return known
        return self.numbers(f"__mp_{role}s_{k}", sum(p.role == role for p in entry.parameters))

    def _argument(self, parameter: Parameter, index: int, node: str | None) -> Argument:
        if parameter.role in ("texture", "sampler"):
            held = self.type(node)
            access = (held.element or held).access or "read"
            return Argument(parameter.name, index, parameter.role, "", access, False, parameter.gate is not None, held)
        if parameter.is_object:
            held = self.type(node)
            access = "read_write" if held.kind == "tensor" and not self._is_const_tensor(node) else "read"
            gated = parameter.gate is not None
            return Argument(parameter.name, index, "buffer", "constant", access, True, gated, held)
        pointee_node = self._field(self._strip(node), "baseType")
        writable = parameter.address_space != "constant" and not self._is_const(pointee_node)
        return Argument(
            name=parameter.name,
            index=index,
            kind=parameter.role,
            address_space=parameter.address_space,
            access="read_write" if writable else "read",
            is_reference=parameter.is_reference,
            optional=parameter.gate is not None,
            type=self.type(pointee_node),
        )

    def _check_indices(self, entry: Entry, arguments: list[Argument]) -> None:
        seen: dict[tuple[str, int], Argument] = {}
        limits = {
            "buffer": MAX_BUFFERS,
            "threadgroup": MAX_THREADGROUP_ARGUMENTS,
            "texture": MAX_TEXTURES,
            "sampler": MAX_SAMPLERS,
        }
        for argument in arguments:
            several = argument.kind in ("texture", "sampler") and argument.type.kind == "array"
            for index in range(argument.index, argument.index + (argument.type.shape[0] if several else 1)):
                problem = None
                if not 0 <= index < limits[argument.kind]:
                    problem = f"[[{argument.kind}({index})]] is out of range: 0 to {limits[argument.kind] - 1}"
                first = seen.setdefault((argument.kind, index), argument)
                if first is not argument and not (first.optional and argument.optional):
                    problem = f"[[{argument.kind}({index})]] is taken by '{first.name}' already"
                if problem:
                    message = f"argument '{argument.name}' of kernel '{entry.name}': {problem}"
                    raise Misuse(message, entry.file, entry.line, argument.name)

    # ---- metadata ----

    def _field(self, node: str | None, name: str) -> str | None:
        if node is None:
            return None
        return _fields(self._nodes[node]).get(name)

    def _strip(self, node: str | None) -> str | None:
        """Behind typedefs and qualifiers."""
        while node is not None:
            fields = _fields(self._nodes[node])
            if fields.get("tag") not in _QUALIFYING_TAGS:
                return node
            node = fields.get("baseType")
        return None

    def _is_const(self, node: str | None) -> bool:
        while node is not None:
            fields = _fields(self._nodes[node])
            if fields.get("tag") == "DW_TAG_const_type":
                return True
            if fields.get("tag") not in _QUALIFYING_TAGS:
                return False
            node = fields.get("baseType")
        return False

    def _list(self, node: str | None) -> list[str | None]:
        return [m[1] for m in _REFERENCE.finditer(self._nodes[node].removeprefix("!{"))] if node else []

    def _member(self, node: str | None, path: Sequence[str]) -> str | None:
        """The type node of what a path leads to in a struct."""
        for name in path:
            members = self._list(self._field(self._strip(node), "elements"))
            found = (m for m in members if self._field(m, "tag") == "DW_TAG_member" and self._field(m, "name") == name)
            node = self._field(next(found, None), "baseType")
        return node

    def _function_type(self, node: str) -> list[str | None]:
        pointer = self._strip(node)
        function = self._strip(self._field(pointer, "baseType"))
        return self._list(self._field(function, "types"))

    def pointee(self, node: str) -> Type:
        """The type that a pointer type points to."""
        return self.type(self._field(self._strip(node), "baseType"))

    def type(self, node: str | None) -> Type:
        """The record of a type node."""
        bare = self._strip(node)
        if bare is None:
            return Type("void", "void", 0, 1)
        known = self._types.get(bare)
        if known is None:
            known = self._types[bare] = self._read_type(bare, self._alias(node))
        return known

    def _alias(self, node: str | None) -> str:
        """The typedef's name in front of a type, the nearest one."""
        name = ""
        while node is not None and (fields := _fields(self._nodes[node])).get("tag") in _QUALIFYING_TAGS:
            name = fields.get("name", name)
            node = fields.get("baseType")
        return name

    def _read_type(self, node: str, alias: str) -> Type:
        fields = _fields(self._nodes[node])
        size = int(fields.get("size", 0)) // 8
        tag = fields.get("tag", "DW_TAG_base_type")
        name = fields.get("name", alias)  # `typedef struct {...} Particle` names no struct
        if tag == "DW_TAG_base_type":
            scalar, metal = _SCALARS.get(name, (None, name))
            return Type(metal, "scalar" if scalar else "void", size, size or 1, scalar)
        if tag == "DW_TAG_enumeration_type":
            held = self.type(fields.get("baseType"))
            return Type(name, "scalar", size, size, held.scalar)
        if tag == "DW_TAG_pointer_type" or tag == "DW_TAG_reference_type":
            # A struct may point to itself, so what a nested pointer points to is named but not described.
            target = self._strip(fields.get("baseType"))
            alias = self._alias(fields.get("baseType"))
            target_name = "void" if target is None else _fields(self._nodes[target]).get("name", alias)
            element = Type(_SCALARS.get(target_name, (None, target_name))[1], "void", 0, 1)
            return Type(f"{element.name}*", "pointer", 8, 8, element=element)
        if tag == "DW_TAG_array_type":
            return self._array(fields)
        return self._record(name, tag, size, fields)

    def _array(self, fields: dict[str, str]) -> Type:
        element = self.type(fields.get("baseType"))
        counts = []
        for node in self._list(fields.get("elements")):
            counts.append(int(_fields(self._nodes[node or ""]).get("count", 0)))
        for count in reversed(counts):
            element = Type(
                f"{element.name}[{count}]", "array", element.size * count, element.alignment,
                shape=(count,), stride=element.size, element=element,
            )  # fmt: skip
        return element

    def _record(self, name: str, tag: str, size: int, fields: dict[str, str]) -> Type:
        if match := _VECTOR.match(name):
            scalar, metal = _SCALARS[match["scalar"]]
            count = int(match["count"])
            packed = match["packed"] or ""
            alignment = size // count if packed else size
            return Type(f"{packed}{metal}{count}", "vector", size, alignment, scalar, (count,))
        if match := _MATRIX.match(name):
            scalar, metal = _SCALARS[match["scalar"]]
            columns, rows = int(match["columns"]), int(match["rows"])
            stride = size // columns
            return Type(f"{metal}{columns}x{rows}", "matrix", size, stride, scalar, (columns, rows), stride)
        if match := _ATOMIC.match(name):
            scalar, metal = _SCALARS[match["scalar"]]
            return Type(f"atomic_{metal}", "scalar", size, size, scalar)
        if match := _TEXTURE.match(name):
            scalar, metal = _SCALARS[match["scalar"]]
            access = match["access"] or _ACCESSES[int(match["number"])]
            spelled = f"{match['type']}<{metal}, access::{access}>"
            return Type(spelled, "texture", size, size, scalar, access=access)
        if name == "sampler":
            return Type(name, "sampler", size, size)
        if name == "bfloat":
            return Type(name, "scalar", size, size, "bfloat16")
        members = self._members(fields)
        alignment = int(fields.get("align", 0)) // 8 or max((m.type.alignment for m in members), default=1)
        if name.startswith("array<") and len(members) == 1 and members[0].type.kind == "array":
            inner = members[0].type
            assert inner.element is not None
            spelled = f"array<{inner.element.name}, {inner.shape[0]}>"
            return Type(
                spelled, "array", size, alignment, shape=inner.shape, stride=inner.stride, element=inner.element
            )
        if match := _TENSOR.match(name):
            return self._tensor(match, size, members)
        if name.startswith("visible_function_table<"):
            functions = tuple(
                Field(f, k, Type(of[23:-1], "void", 0, 1)) for k, (f, of) in enumerate(self._visible) if of == name
            )
            return Type(name, "function_table", size, alignment, fields=functions)
        kind = "union" if tag == "DW_TAG_union_type" else "struct"
        return Type(name, kind, size, alignment, fields=tuple(members))

    def _tensor(self, match: re.Match[str], size: int, members: list[Field]) -> Type:
        scalar, metal = _SCALARS.get(match["element"], (None, match["element"]))
        element = Type(metal, "void", 0, 1)
        if scalar:
            bits = re.search(r"\d+$", scalar)
            each = int(bits[0]) // 8 if bits else 1
            element = Type(metal, "scalar", each, each, scalar)
        data = replace(members[0], type=replace(members[0].type, element=element))
        sizes = [int(n.rstrip("UL")) for n in match["sizes"].split(", ")]
        shape = tuple(-1 if n == _DYNAMIC else n for n in sizes)
        spelled = ", ".join("dynamic_extent" if n < 0 else str(n) for n in shape)
        name = f"tensor<{element.name}, extents<{_SCALARS[match['index']][1]}, {spelled}>>"
        return Type(name, "tensor", size, 8, element.scalar, shape, element=element, fields=(data, *members[1:]))

    def _is_const_tensor(self, node: str | None) -> bool:
        return (_fields(self._nodes[self._strip(node) or ""]).get("name", "")).startswith("tensor<const ")

    @cached_property
    def _visible(self) -> list[tuple[str, str]]:
        """[[visible]] functions with the names of the types of tables that they may be in."""
        return [
            (name.removeprefix("::"), _fields(self._nodes[table]).get("name", ""))
            for k, name in enumerate(self._functions)
            if (table := self._strip(self._field(self._strip(self.variable(f"__mp_visible_{k}")), "baseType")))
        ]

    def _members(self, fields: dict[str, str]) -> list[Field]:
        members: list[Field] = []
        for node in self._list(fields.get("elements")):
            member = _fields(self._nodes[node or ""])
            tag = member.get("tag")
            offset = int(member.get("offset", 0)) // 8
            if "DIFlagStaticMember" in member.get("flags", "") or tag not in ("DW_TAG_member", "DW_TAG_inheritance"):
                continue
            held = self.type(member.get("baseType"))
            if tag == "DW_TAG_inheritance" or not member.get("name"):  # a base class, or an anonymous struct or union
                members += [Field(f.name, offset + f.offset, f.type) for f in held.fields]
            else:
                members.append(Field(member["name"], offset, held))
        return members


@lru_cache(maxsize=4096)  # kernels share their types
def _fields(text: str) -> dict[str, str]:
    """The fields of a ``!DINode(key: value, ...)``: strings unquoted, references as bare numbers, null left out."""
    found: dict[str, str] = {}
    for match in _FIELD.finditer(text):
        value = match[2]
        if value.startswith('"'):
            value = value[1:-1]
        elif value.startswith("!") and value[1:].isdigit():
            value = value[1:]
        if value != "null":
            found.setdefault(match[1], value)
    return found
