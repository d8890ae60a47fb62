"""Metal's reflection, translated, says what the software device's compiler says of the same kernels."""

from pathlib import Path

import pytest

import metalpy as mp
from metalpy._core import registry
from metalpy.compiler.reflection import Type

ROOT = Path(__file__).parents[2]
FILES = [*sorted((ROOT / "tests/msl/kernels").glob("*.metal")), *sorted((ROOT / "examples/kernels").glob("*.metal"))]
# One takes macros from outside; Apple's driver binds neither tensors nor tables of functions yet.
LEFT_OUT = "preprocessor bound_tensors function_tables".split()
METAL_4 = frozenset({"convolution2d", "tensors", "tile_reductions"})  # which need this language version
FILES = [path for path in FILES if path.stem not in LEFT_OUT]


def plain(held: Type):
    """What Metal tells of a type: no names, atomics as what they hold, pointers as addresses."""
    if held.kind == "pointer":
        return ("pointer", held.size)
    if held.kind == "texture":  # its type and what its components are, not the access
        return (held.kind, held.size, held.scalar, held.name.partition(",")[0])
    kind = "struct" if held.kind == "union" else held.kind
    fields = tuple((f.name, f.offset, plain(f.type)) for f in held.fields)
    return (kind, held.size, held.scalar, held.shape, held.stride, held.element and plain(held.element), fields)


def described(argument):
    held = argument.type.size if argument.kind == "threadgroup" else plain(argument.type)
    access = "read" if argument.access == "sample" else argument.access  # Metal does not tell these two apart
    return (argument.name, argument.index, argument.kind, argument.address_space, access,
            argument.is_reference, argument.optional, held)  # fmt: skip


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_arguments(standin, metal, path):
    software = next(t for t in registry.driver_tables() if registry.driver_name(t) == "software")
    version = {"language_version": "4.0"} if path.stem in METAL_4 else {}
    reference = mp.compile_file(path, device=registry.open_device(software, 0, "mps:1"), **version)
    lib = mp.compile_file(path, device=metal, **version)
    assert set(lib) == set(reference) and len(lib) > 0
    for name in lib:
        try:
            lib[name].max_threads_per_threadgroup  # noqa: B018  makes the pipeline
        except mp.MetalError as error:
            assert "function constant" in str(error), name
            continue
        source = lib._compilation._entries.get(name)
        if source is None:  # made by macros: Metal knows no more than this
            keep = (0, 1, 2, 4)
        else:
            keep = range(8)
            assert (
                lib[name].__doc__.partition("Defined at")[2] == reference[name].__doc__.partition("Defined at")[2] != ""
            )
            assert [b[:2] for b in described_builtins(lib[name])] == [
                b[:2] for b in described_builtins(reference[name])
            ]
        found = [tuple(described(a)[i] for i in keep) for a in lib[name].arguments]
        assert found == [tuple(described(a)[i] for i in keep) for a in reference[name].arguments], name


def described_builtins(kernel):
    return [(b.name, b.attribute, b.type_name) for b in kernel.builtins]


def test_most_kernels_are_read_from_the_source(standin, metal):
    known = unknown = 0
    for path in FILES:
        if path.stem in METAL_4:
            continue
        program = mp.compile_file(path, device=metal)._compilation
        known += len(program._entries)
        unknown += len(program.kernels) - len(program._entries)
    assert known > 150 and unknown > 150  # the tests have many that macros make


def test_kernels_that_macros_make(standin, metal):
    lib = mp.mps.compile_shader(
        "#define MAKE(T, NAME) kernel void NAME(device T* x, constant T& y, uint i [[thread_position_in_grid]]) "
        "{ x[i] = y; }\nMAKE(float, set_float)\nMAKE(int, set_int)\n"
    )
    assert dir(lib) == ["set_float", "set_int"]
    x = mp.zeros(3, dtype=mp.int32)
    lib.set_int(x, 9)
    assert x[2].item() == 9
    assert lib.set_int.signature == "set_int(device int* x, constant int* y)"  # Metal does not tell references


def test_lines_of_errors_in_included_files(standin, metal, tmp_path):
    (tmp_path / "broken.h").write_text("inline float twice(float x) {\n  return 2 * y;\n}\n")
    (tmp_path / "main.metal").write_text('#include "broken.h"\nkernel void k(device float* x) { *x = twice(*x); }\n')
    with pytest.raises(mp.CompileError) as caught:
        mp.compile_file(tmp_path / "main.metal", device=metal)
    (first, *_) = [d for d in caught.value.diagnostics if d.severity == "error"]
    assert (first.file, first.line, first.column) == (str(tmp_path / "broken.h"), 2, 14)
    assert "return 2 * y;\n             ^" in str(caught.value)


def test_options_reach_the_compiler(standin, metal):
    source = "kernel void k(device int* x) { *x = VALUE; }"
    x = mp.zeros(1, dtype=mp.int32)
    for value in (3, 4):
        mp.mps.compile_shader(source, defines={"VALUE": value}).k(x)
        assert x.item() == value


def test_tables_of_functions_are_refused_by_name(standin, metal):
    lib = mp.mps.compile_shader(
        "#include <metal_stdlib>\nusing namespace metal;\n"
        "kernel void k(device int* x, visible_function_table<int(int)> table) { x[0] = table[0](1); }"
    )
    with pytest.raises(mp.UnsupportedError, match="'table' of kernel 'k' is a visible_function_table"):
        lib.k(mp.zeros(1, dtype=mp.int32), ["f"])
