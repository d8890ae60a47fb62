"""Reflection records by hand, and kernels that run nothing."""

import numpy as np

from metalpy._core.dispatch import Kernel
from metalpy._core.library import LIBRARY_SOURCE, Library
from metalpy.compiler.reflection import Argument, Field, KernelInfo, Type

SCALARS = {
    "float": "float32",
    "half": "float16",
    "bfloat": "bfloat16",
    "bool": "bool",
    "char": "int8",
    "uchar": "uint8",
    "short": "int16",
    "ushort": "uint16",
    "int": "int32",
    "uint": "uint32",
    "long": "int64",
    "ulong": "uint64",
}


def scalar(name):
    size = 2 if name == "bfloat" else np.dtype(SCALARS[name]).itemsize
    return Type(name, "scalar", size, size, SCALARS[name])


def vector(name, count, packed=False):
    inner = scalar(name)
    size = inner.size * (4 if count == 3 and not packed else count)
    spelled = f"{'packed_' if packed else ''}{name}{count}"
    return Type(spelled, "vector", size, inner.size if packed else size, inner.scalar, (count,))


def matrix(name, columns, rows):
    column = vector(name, rows)
    return Type(f"{name}{columns}x{rows}", "matrix", column.size * columns, column.alignment, column.scalar,
                (columns, rows), column.size)  # fmt: skip


def array(element, count):
    return Type(f"{element.name}[{count}]", "array", element.size * count, element.alignment, None, (count,),
                element.size, element)  # fmt: skip


def pointer(element):
    return Type(f"device {element.name}*", "pointer", 8, 8, None, (), 0, element)


def struct(name, **members):
    offset, alignment, fields = 0, 1, []
    for member, kind in members.items():
        offset = -(-offset // kind.alignment) * kind.alignment
        fields.append(Field(member, offset, kind))
        offset += kind.size
        alignment = max(alignment, kind.alignment)
    return Type(name, "struct", -(-offset // alignment) * alignment, alignment, fields=tuple(fields))


def union(name, **members):
    size, alignment = (max(getattr(m, what) for m in members.values()) for what in ("size", "alignment"))
    fields = tuple(Field(member, 0, kind) for member, kind in members.items())
    return Type(name, "union", size, alignment, fields=fields)


VOID = Type("void", "void", 0, 1)


def device_pointer(name, kind, index, const=False):
    return Argument(name, index, "buffer", "device", "read" if const else "read_write", False, False, kind)


def constant(name, kind, index, reference=True, optional=False):
    return Argument(name, index, "buffer", "constant", "read", reference, optional, kind)


def threadgroup(name, kind, index):
    return Argument(name, index, "threadgroup", "threadgroup", "read_write", False, False, kind)


def info(name, *arguments):
    return KernelInfo(name, arguments, (), "program_source", 1)


def idle_kernel(device, *arguments, name="k"):
    """A kernel of a mock device: launching it leaves a record."""
    library = Library(device, LIBRARY_SOURCE, b"")
    return Kernel(device, info(name, *arguments), lambda: library.pipeline(name))
