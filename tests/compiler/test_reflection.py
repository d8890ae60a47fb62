"""Types read back from debug information: every kind, its layout against the C rules, and the kernels' records."""

from __future__ import annotations

import numpy as np
import pytest

from metalpy.compiler.cache import Cache
from metalpy.compiler.compilation import compile_source
from metalpy.compiler.options import make_options
from metalpy.compiler.source import read_source

HEAD = "#include <metal_stdlib>\nusing namespace metal;\n"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cache")
    folder.chmod(0o700)
    return Cache(folder)


@pytest.fixture(scope="module")
def compiled(store):
    def compile_text(text, **options):
        return compile_source(read_source(HEAD + text), make_options(**options), store)

    return compile_text


@pytest.fixture(scope="module")
def type_of(compiled):
    """Reflect several types at once: a kernel with a pointer to each."""

    def reflect(*declarations, before=""):
        parameters = ", ".join(f"device {d}* x{n}" for n, d in enumerate(declarations))
        (kernel,) = compiled(f"{before}\nkernel void k({parameters}) {{}}").kernels.values()
        return [a.type for a in kernel.arguments]

    return reflect


SCALARS = {
    "bool": "bool", "char": "int8", "uchar": "uint8", "short": "int16", "ushort": "uint16", "int": "int32",
    "uint": "uint32", "long": "int64", "ulong": "uint64", "half": "float16", "bfloat": "bfloat16", "float": "float32",
}  # fmt: skip
SIZES = {
    "bool": 1,
    "char": 1,
    "uchar": 1,
    "short": 2,
    "ushort": 2,
    "int": 4,
    "uint": 4,
    "long": 8,
    "ulong": 8,
    "half": 2,
    "bfloat": 2,
    "float": 4,
}


def test_scalars(type_of):
    for name, found in zip(SCALARS, type_of(*SCALARS), strict=True):
        assert (found.name, found.kind, found.scalar) == (name, "scalar", SCALARS[name])
        assert (found.size, found.alignment, found.shape, found.fields) == (SIZES[name], SIZES[name], (), ())


def test_other_names_of_scalars(type_of):
    names = {
        "int8_t": "char",
        "uint16_t": "ushort",
        "unsigned": "uint",
        "unsigned long": "ulong",
        "size_t": "ulong",
        "int64_t": "long",
        "signed char": "char",
    }
    assert [t.name for t in type_of(*names)] == list(names.values())


def test_vectors(type_of):
    names = [f"{s}{n}" for s in SCALARS for n in (2, 3, 4)]
    for name, found in zip(names[:30], type_of(*names[:30]), strict=True):
        scalar, n = name[:-1], int(name[-1])
        room = SIZES[scalar] * (4 if n == 3 else n)
        assert (found.name, found.kind, found.scalar, found.shape) == (name, "vector", SCALARS[scalar], (n,))
        assert (found.size, found.alignment) == (room, room)


def test_packed_vectors(type_of):
    names = [f"packed_{s}{n}" for s in SCALARS if s != "bool" for n in (2, 3)]
    for name, found in zip(names, type_of(*names), strict=True):
        scalar, n = name[7:-1], int(name[-1])
        assert (found.name, found.kind, found.shape) == (name, "vector", (n,))
        assert (found.size, found.alignment) == (SIZES[scalar] * n, SIZES[scalar])


def test_matrices(type_of):
    names = [f"{s}{c}x{r}" for s in ("float", "half") for c in (2, 3, 4) for r in (2, 3, 4)]
    for name, found in zip(names, type_of(*names), strict=True):
        scalar, c, r = name[:-3], int(name[-3]), int(name[-1])
        stride = SIZES[scalar] * (4 if r == 3 else r)
        assert (found.name, found.kind, found.shape, found.stride) == (name, "matrix", (c, r), stride)
        assert (found.size, found.alignment, found.scalar) == (stride * c, stride, SCALARS[scalar])


def test_atomics(type_of):
    for name, scalar in zip(
        ("int", "uint", "float"), type_of("atomic_int", "atomic_uint", "atomic_float"), strict=True
    ):
        assert (scalar.name, scalar.kind, scalar.scalar, scalar.size) == (f"atomic_{name}", "scalar", SCALARS[name], 4)


def test_enums_and_typedefs(type_of):
    before = "enum E : ushort { a }; enum class C : int { b }; typedef float4 colour; using words = uint2;"
    enum, scoped, colour, words = type_of("E", "C", "colour", "words", before=before)
    assert (enum.name, enum.kind, enum.scalar, enum.size) == ("E", "scalar", "uint16", 2)
    assert (scoped.name, scoped.scalar) == ("C", "int32")
    assert (colour.name, words.name) == ("float4", "uint2")


def test_nameless_structs_have_the_name_of_their_typedef(type_of):
    before = """
typedef struct { float3 place; float mass; } Particle;
typedef enum : ushort { a } Kind;
typedef struct { device Particle* first; union { int i; float f; }; Kind kind; } Cloud;
typedef Cloud Renamed;"""
    particle, kind, cloud = type_of("Particle", "Kind", "Renamed", before=before)
    assert [t.name for t in (particle, kind, cloud)] == ["Particle", "Kind", "Cloud"]
    assert [(f.name, f.type.name) for f in cloud.fields] == [
        ("first", "Particle*"), ("i", "int"), ("f", "float"), ("kind", "Kind"),
    ]  # fmt: skip


STRUCTS = """
struct Inner { char c; float3 v; };
struct Base { ushort u; };
struct All : Base {
  bool flag;
  Inner inner[2];
  packed_float3 p;
  half h;
  float2x2 m;
  const device float* next;
  union { int i; float f; };
  atomic_uint counter;
  array<short, 3> shorts;
  int grid[2][3];
  static constexpr constant int ignored = 3;
  int method() const { return 1; }
};
union Word { float f; uchar bytes[4]; };
struct Node { device Node* next; int value; };
struct Empty {};
"""


def test_structs(type_of):
    everything, word, node = type_of("All", "Word", "Node", before=STRUCTS)
    assert (everything.name, everything.kind) == ("All", "struct")
    layout = {f.name: (f.offset, f.type.name) for f in everything.fields}
    assert layout == {
        "u": (0, "ushort"), "flag": (2, "bool"), "inner": (16, "Inner[2]"), "p": (80, "packed_float3"), "h": (92, "half"),
        "m": (96, "float2x2"), "next": (112, "float*"), "i": (120, "int"), "f": (120, "float"),
        "counter": (124, "atomic_uint"), "shorts": (128, "array<short, 3>"), "grid": (136, "int[3][2]"),
    }  # fmt: skip
    assert (everything.size, everything.alignment) == (160, 16)
    inner = dict((f.name, f.type) for f in everything.fields)["inner"]
    assert (inner.kind, inner.shape, inner.stride, inner.size) == ("array", (2,), 32, 64)
    assert [(f.name, f.offset) for f in inner.element.fields] == [("c", 0), ("v", 16)]
    assert (word.kind, [(f.name, f.offset, f.type.name) for f in word.fields]) == (
        "union", [("f", 0, "float"), ("bytes", 0, "uchar[4]")],
    )  # fmt: skip
    assert node.fields[0].type.kind == "pointer" and node.fields[0].type.element.name == "Node"
    assert (node.size, node.fields[1].offset) == (16, 8)


def test_nested_arrays(type_of):
    (everything,) = type_of("All", before=STRUCTS)
    grid = next(f.type for f in everything.fields if f.name == "grid")
    assert (grid.shape, grid.stride, grid.size) == ((2,), 12, 24)
    assert (grid.element.shape, grid.element.stride, grid.element.element.name) == ((3,), 4, "int")


def test_templates_of_structs(type_of):
    pair, _ = type_of(
        "Pair<int, half>", "Pair<float4, char>", before="template <class A, class B> struct Pair { A a; B b; };"
    )
    assert pair.name.replace(" ", "").startswith("Pair<int")
    assert [(f.name, f.offset) for f in pair.fields] == [("a", 0), ("b", 4)]


def test_arguments(compiled):
    (kernel,) = compiled("""
        struct P { int a; };
        [[max_total_threads_per_threadgroup(96)]]
        kernel void k(device float* out [[buffer(2)]], constant P& p, const device int* in, device const void* raw,
                      threadgroup half* t [[threadgroup(3)]], threadgroup float4* s, constant float (&table)[5],
                      device atomic_int& counter, ushort2 g [[threadgroup_position_in_grid]], uint l [[thread_index_in_simdgroup]]) {}
    """).kernels.values()
    found = {
        a.name: (a.index, a.kind, a.address_space, a.access, a.is_reference, a.type.name) for a in kernel.arguments
    }
    assert found == {
        "out": (2, "buffer", "device", "read_write", False, "float"),
        "p": (0, "buffer", "constant", "read", True, "P"),
        "in": (1, "buffer", "device", "read", False, "int"),
        "raw": (3, "buffer", "device", "read", False, "void"),
        "t": (3, "threadgroup", "threadgroup", "read_write", False, "half"),
        "s": (0, "threadgroup", "threadgroup", "read_write", False, "float4"),
        "table": (4, "buffer", "constant", "read", True, "float[5]"),
        "counter": (5, "buffer", "device", "read_write", True, "atomic_int"),
    }
    assert [(b.name, b.attribute, b.type_name) for b in kernel.builtins] == [
        ("g", "threadgroup_position_in_grid", "ushort2"), ("l", "thread_index_in_simdgroup", "uint"),
    ]  # fmt: skip
    assert kernel.line == 4 + 1  # of the kernel, in the user's text


def test_indices_from_expressions_and_templates(compiled):
    (kernel,) = compiled("""
        constant constexpr int base = 4;
        template <int N, typename T>
        kernel void k(device T* a [[buffer(base + 2)]], device T* b) { a[0] = b[N]; }
        template [[host_name("k_3")]] kernel decltype(k<3, ulong>) k<3, ulong>;
    """).kernels.values()
    assert [(a.name, a.index, a.type.name) for a in kernel.arguments] == [("a", 6, "ulong"), ("b", 0, "ulong")]


def test_function_constants(compiled):
    program = compiled("""
        constant bool a [[function_constant(0)]];
        constant float b [[function_constant(5)]];
        namespace n { constant ushort2 c [[function_constant(2)]]; }
        kernel void k(device float* x) { *x = a ? b : float(n::c.x); }
    """)
    assert program.constants == {"a": (0, "bool", ()), "b": (5, "float32", ()), "n::c": (2, "uint16", (2,))}


def test_records_survive_the_cache(compiled):
    text = (
        STRUCTS
        + "kernel void k(device All* x, constant Word& w, threadgroup Node* n, uint3 i [[thread_position_in_grid]]) {}"
    )
    first, again = compiled(text), compiled(text)
    assert first is not again
    assert first.kernels == again.kernels
    assert first.constants == again.constants


def test_vector_layout_agrees_with_numpy(type_of):
    (found,) = type_of("S", before="struct S { uchar a; half2 b; float c; long d; packed_short3 e; };")
    native = np.dtype(
        [("a", "u1"), ("b", [("x", "f2"), ("y", "f2")], ()), ("c", "f4"), ("d", "i8"), ("e", "i2", 3)], align=True
    )
    offsets = {f.name: f.offset for f in found.fields}
    assert offsets["b"] == 4  # half2 is aligned to 4 in Metal, 2 in C
    assert offsets["c"] == 8 and offsets["d"] == native.fields["d"][1] == 16 and offsets["e"] == 24
