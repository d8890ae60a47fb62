"""The Apple driver over the stand-in for Metal (tests/metal_standin): loading it, its compiler, faults and counters."""

import ctypes
import json
import os
import re
import struct
import sys
import traceback
from enum import IntEnum
from functools import cache
from pathlib import Path

from metalpy._core import registry
from metalpy._core.texture import TEXTURE_TYPES
from metalpy.compiler.compilation import compile_source
from metalpy.compiler.frontend import _expand_macros
from metalpy.compiler.harvest import harvest
from metalpy.compiler.options import make_options
from metalpy.compiler.source import read_source
from metalpy.errors import CompileError, MetalError

LIBRARY = Path(__file__).parents[2] / "build/objc/plain/libmetalpy_metal_standin.so"
ANSWER = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_char_p)
COMPILER = ctypes.CFUNCTYPE(None, ctypes.c_char_p, ANSWER, ctypes.c_void_p)

# MTLDataType of each scalar; vectors and matrices follow.
DATA_TYPES = {
    "float32": 3, "float16": 16, "int32": 29, "uint32": 33, "int16": 37, "uint16": 41, "int8": 45, "uint8": 49,
    "bool": 53, "int64": 81, "uint64": 85, "bfloat16": 121,
}  # fmt: skip
CODES = {"float32": "f", "float16": "e", "int32": "i", "uint32": "I", "int16": "h", "uint16": "H", "int8": "b",
         "uint8": "B", "bool": "?", "int64": "q", "uint64": "Q"}  # fmt: skip


class Fault(IntEnum):
    """As enum standin_fault of standin.h."""

    NO_DEVICE, ALLOCATION, QUEUE, LIBRARY, PIPELINE, COMMAND_BUFFER, SLOW, EXCEPTION, COMMAND_BUFFER_NIL, CAPTURE, \
        EVENT, TEXTURE, MACOS_12, MAC_GPU = range(14)  # fmt: skip


class Standin:
    """The loaded stand-in.

    Attributes
    ----------
    table : int
        Address of the Apple driver's table.
    """

    def __init__(self, path):
        software = next(t for t in registry.driver_tables() if registry.driver_name(t) == "software")
        self.library = ctypes.CDLL(os.fspath(path))
        self.library.mp_metal_driver.restype = ctypes.c_void_p
        self.library.mp_metal_live_objects.restype = ctypes.c_int64
        self.library.metal_standin_set_executor(ctypes.c_void_p(software))
        self._compiler = COMPILER(answer)  # kept: the stand-in calls it
        self.library.metal_standin_set_compiler(self._compiler)
        self.table = self.library.mp_metal_driver()

    def inject(self, fault, value=1):
        """Make `fault` happen; see standin.h for what the value means."""
        self.library.metal_standin_inject(int(fault), value)

    def live(self, name=None):
        """Live objects of a class of the stand-in, or all."""
        return self.library.metal_standin_live(name.encode() if name else None)

    def handles(self):
        """Live objects of the driver."""
        return self.library.mp_metal_live_objects()

    def counter(self, name):
        """How often something has happened."""
        return self.library.metal_standin_counter(name.encode())

    def signposts(self):
        """Lines of signposts since the last call."""
        text = ctypes.create_string_buffer(1 << 16)
        self.library.metal_standin_signposts(text, len(text))
        return text.value.decode().splitlines()


@cache
def load(path=LIBRARY):
    """The stand-in, loaded once, with its driver registered."""
    made = Standin(path)
    registry.add_driver_table(made.table)
    return made


# ---- the compiler behind the stand-in's newLibraryWithSource and pipelines: metalpy's own ----

programs = []


def answer(request, give, context):
    """Answer a request of the stand-in; nothing may be raised into it."""
    try:
        asked = json.loads(request)
        found = compile_request(asked) if "source" in asked else function_request(asked)
    except CompileError as error:
        found = {"error": re.sub(r" \(looked in [^\n]*\)$", "", error.report, flags=re.M)}  # what only we say
    except MetalError as error:
        found = {"error": str(error)}
    except BaseException:
        traceback.print_exc(file=sys.stderr)
        found = {"error": "the stand-in's compiler failed"}
    give(context, json.dumps(found).encode())


def compile_request(asked):
    """Compiles the source as Apple's compiler would see it: without the macro that metalpy's compiler has."""
    source = read_source(asked["source"].replace("__METALPY__", "__METALPY_IS_ELSEWHERE__"))
    options = make_options(None, asked["macros"], asked["math_mode"], asked["version"])
    compilation = compile_source(source, options)
    programs.append((compilation, source, options))
    required = {name: required_constants(compilation, name) for name in compilation.kernels}
    warnings = "\n".join(f"{w.file}:{w.line}:{w.column}: {w.severity}: {w.message}" for w in compilation.warnings)
    return {
        "library": len(programs) - 1,
        "key": f"{hash((source.text, options)):x}",
        "functions": {name: {"constants": constants(compilation, required[name])} for name in compilation.kernels},
        "warnings": warnings,
    }


def constants(compilation, required):
    return [
        {
            "name": name,
            "index": index,
            "type": DATA_TYPES[scalar] + (shape[0] - 1 if shape else 0),
            "required": name in required,
        }
        for name, (index, scalar, shape) in compilation.constants.items()
    ]


def required_constants(compilation, kernel):
    """Function constants without which there is no code: the compiler names them one after another."""
    required, values = set(), {}
    while compilation.constants:
        try:
            compilation.native(kernel, values)
        except CompileError as error:
            named = re.search(r"function_constant\((\d+)\)", error.report)
            if named is None or int(named[1]) in values:
                break  # something else is wrong, which the pipeline will say
            for name, (index, scalar, shape) in compilation.constants.items():
                if index == int(named[1]):
                    one = 1.0 if "float" in scalar else scalar == "bool" or 1
                    values[index] = (one,) * shape[0] if shape else one
                    required.add(name)
        except MetalError:
            break
        else:
            break
    return required


def function_request(asked):
    compilation, source, options = programs[asked["library"]]
    values = {int(index): constant_value(entry) for index, entry in asked["constants"].items()}
    kernel = compilation.kernels[asked["function"]]
    absent = gated_off(kernel, compilation, source, options, values)
    arguments = [argument(a) for a in kernel.arguments if a.name not in absent]
    return {"path": str(compilation.native(kernel.name, values)), "arguments": arguments}


def constant_value(entry):
    scalar = max((kind, name) for name, kind in DATA_TYPES.items() if kind <= entry["type"])[1]
    data, count = bytes.fromhex(entry["bytes"]), entry["type"] - DATA_TYPES[scalar] + 1
    if scalar == "bfloat16":
        items = [struct.unpack("<f", b"\0\0" + data[2 * i : 2 * i + 2])[0] for i in range(count)]
    else:
        items = list(struct.unpack(f"<{count}{CODES[scalar]}", data))
    return items[0] if count == 1 else tuple(items)


def gated_off(kernel, compilation, source, options, values):
    """Arguments that Metal's reflection does not have, because a function constant is false or not given."""
    if not any(a.optional for a in kernel.arguments):
        return set()
    indices = {name: facts[0] for name, facts in compilation.constants.items()}
    entries = {e.name: e for e in harvest(_expand_macros(source, options, started=lambda: None), source.name).entries}
    gates = {p.name: p.gate for p in entries[kernel.name].parameters if p.gate in indices}
    return {name for name, gate in gates.items() if not values.get(indices[gate])}


def argument(a):
    if a.kind in ("texture", "sampler"):
        return handle_argument(a)
    return {
        "name": a.name,
        "index": a.index,
        "type": 1 if a.kind == "threadgroup" else 0,
        "access": 0 if a.access == "read" else 1,
        "alignment": a.type.alignment,
        "dataSize": a.type.size,
        "constant": a.address_space == "constant",
        "reference": a.is_reference,
        "optional": a.optional,
        **reflected(a.type),
    }


def handle_argument(a):
    held = a.type.element if a.type.kind == "array" else a.type
    facts = {"name": a.name, "index": a.index, "optional": a.optional, "arrayLength": (a.type.shape or (1,))[0]}
    return facts | ({"type": 2, **texture_facts(held)} if a.kind == "texture" else {"type": 3, "access": 0})


def texture_facts(held):
    """A texture type as Metal's reflection has it, which tells no sampling from reading."""
    kind = held.name.partition("<")[0]
    return {
        "textureType": TEXTURE_TYPES.index(kind.removeprefix("depth").removeprefix("texture").removeprefix("_")),
        "textureDataType": DATA_TYPES[held.scalar],
        "isDepth": kind.startswith("depth"),
        "access": {"read_write": 1, "write": 2}.get(held.access, 0),
    }


def reflected(kind):
    """A type as Metal's reflection has it: no names of structs, atomics as what they hold."""
    if kind.kind in ("scalar", "vector", "matrix"):
        extra = {"scalar": 0, "vector": kind.shape[0] - 1 if kind.kind == "vector" else 0}.get(kind.kind)
        if extra is None:
            extra = 4 + (kind.shape[0] - 2) * 3 + kind.shape[1] - 2
        return {"dataType": DATA_TYPES[kind.scalar] + extra}
    if kind.kind == "array":
        inner = reflected(kind.element)
        element = {"elementType": inner.pop("dataType"), "arrayLength": kind.shape[0], "stride": kind.stride, **inner}
        return {"dataType": 2, "array": {"dataType": 2, **element}}
    if kind.kind in ("struct", "union"):
        members = [{"name": f.name, "offset": f.offset, **reflected(f.type)} for f in kind.fields]
        return {"dataType": 1, "struct": {"dataType": 1, "members": members}}
    if kind.kind == "pointer":
        inner = {"dataType": 60, "elementType": 0, "access": 1, "alignment": 1, "dataSize": 0}
        return {"dataType": 60, "pointer": inner}
    if kind.kind == "texture":
        return {"dataType": 58, "texture": {"dataType": 58, **texture_facts(kind)}}
    return {"dataType": 59 if kind.kind == "sampler" else 0}
