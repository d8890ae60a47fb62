"""What the compiler knows about a kernel's arguments: the records that launching and users read."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Argument", "Builtin", "Field", "KernelInfo", "Type"]


@dataclass(frozen=True, slots=True)
class Field:
    """A member of a struct: its name, byte offset and type."""

    name: str
    offset: int
    type: Type


@dataclass(frozen=True, slots=True)
class Type:
    """The type that a buffer argument points or refers to, as laid out in memory.

    Attributes
    ----------
    name : str
        As Metal spells it: ``"float4"``, ``"packed_half3"``, ``"float4x4"``, ``"atomic_uint"``, ``"Params"``.
    kind : str
        ``"scalar"``, ``"vector"``, ``"matrix"``, ``"array"``, ``"struct"``, ``"union"``, ``"pointer"``, ``"void"``,
        ``"texture"``, ``"sampler"``, ``"tensor"``, ``"function_table"``.
    size, alignment : int
        Bytes; size includes padding (``float3`` has 16, ``packed_float3`` 12).
    scalar : str or None
        For scalar, vector and matrix the NumPy name of a component: ``"float32"``, ``"float16"``, ``"bfloat16"``,
        ``"int8"`` to ``"int64"``, ``"uint8"`` to ``"uint64"``, ``"bool"``. An enum has its underlying integer's,
        an atomic the one it holds. Of a texture what a texel's component is in the kernel.
    shape : tuple of int
        Vector ``(n,)``, matrix ``(columns, rows)``, array ``(n,)`` (nested arrays nest in `element`), of a tensor its
        extents with -1 for those that the array decides, else ``()``.
    stride : int
        Bytes from one matrix column or array element to the next, else 0.
    element : Type or None
        Of an array, pointer or tensor.
    fields : tuple of Field
        Of a struct or union, in order; members of base classes come first. Of a table the functions that may be in it,
        their numbers as offsets.
    access : str or None
        Of a texture: ``"sample"``, ``"read"``, ``"write"`` or ``"read_write"``.
    """

    name: str
    kind: str
    size: int
    alignment: int
    scalar: str | None = None
    shape: tuple[int, ...] = ()
    stride: int = 0
    element: Type | None = None
    fields: tuple[Field, ...] = ()
    access: str | None = None


@dataclass(frozen=True, slots=True)
class Argument:
    """A buffer, threadgroup, texture or sampler argument of a kernel.

    Attributes
    ----------
    name : str
        The parameter's name in the source; may be empty.
    index : int
        ``n`` of ``[[buffer(n)]]``, ``[[threadgroup(n)]]``, ``[[texture(n)]]`` or ``[[sampler(n)]]``, also where the
        source leaves it implicit; of an array of textures or samplers the first.
    kind : str
        ``"buffer"``, ``"threadgroup"``, ``"texture"`` or ``"sampler"``.
    address_space : str
        ``"device"``, ``"constant"`` or ``"threadgroup"``; empty for textures and samplers.
    access : str
        ``"read"`` (``constant``, or a pointer or reference to const) or ``"read_write"``; of a texture also
        ``"sample"`` or ``"write"``.
    is_reference : bool
        True for ``T&`` (exactly one `type`), False for ``T*`` (any number).
    optional : bool
        True if a function constant gates the argument; it may then be None.
    type : Type
        What is pointed or referred to; of a texture or sampler its own type, or an array of it.
    """

    name: str
    index: int
    kind: str
    address_space: str
    access: str
    is_reference: bool
    optional: bool
    type: Type


@dataclass(frozen=True, slots=True)
class Builtin:
    """An input that the device supplies, such as ``uint3 gid [[thread_position_in_grid]]``."""

    name: str
    attribute: str
    type_name: str


@dataclass(frozen=True, slots=True)
class KernelInfo:
    """A compute function of a library.

    Attributes
    ----------
    name : str
        The name to look it up by: the function's own or its ``host_name``.
    arguments : tuple of Argument
        Buffers, threadgroup memory, textures and samplers, in the order of the source.
    builtins : tuple of Builtin
        Thread, threadgroup and simdgroup positions and sizes, in the order of the source.
    file, line : str, int
        Where the kernel is defined.
    """

    name: str
    arguments: tuple[Argument, ...]
    builtins: tuple[Builtin, ...]
    file: str
    line: int
