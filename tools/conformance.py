"""docs/conformance.md, from the tables that the tests use.

python tools/conformance.py > docs/conformance.md
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.helpers import conformance as table  # noqa: E402

HEADERS = ROOT / "metalpy" / "compiler" / "include"

INTRODUCTION = """\
# Conformance

What of the Metal Shading Language's standard library (3.2) the software device has, and how exact it is. The tables
are those of the tests: `tests/msl/test_conformance.py`, `test_conformance_types.py`, `test_simdgroup_matrix.py`,
`test_tensors.py` and `test_c10*.py` call each function for each type that it is listed with and for every number of
components (vectors of half and bfloat in one length), and compare with NumPy, with Python's integers or with mpmath.
`python tools/conformance.py` writes this page, and a test compares.

Errors are bounds that the tests hold, in units in the last place (ULP) of single precision; the results of half and
bfloat come from single precision and are rounded once more. *Exact* means the same bits. The bounds are those of
Metal's table for precise math, or smaller; [accuracy.md](accuracy.md) has the errors themselves, and says which
functions `fast::` has other code for.
"""


def rows(head: str, lines: Iterable[tuple[str, ...]]) -> str:
    columns = head.split("|")
    out = ["| " + " | ".join(c.strip() for c in columns) + " |", "|" + "|".join("---" for _ in columns) + "|"]
    out += ["| " + " | ".join(line) + " |" for line in lines]
    return "\n".join(out) + "\n"


def error(ulp: float) -> str:
    return f"{ulp:g} ULP" if ulp else "exact"


def types(names: Iterable[str]) -> str:
    names = list(names)
    if names == list(table.TYPES):
        return "all numbers"
    if names == list(table.FLOATS):
        return "float, half, bfloat"
    if names == list(table.INTEGERS):
        return "all integers"
    return ", ".join(names)


def widths(found: tuple[int, ...]) -> str:
    return {(1, 2, 3, 4): "scalars, vectors", (2, 3, 4): "vectors", (3,): "vectors of 3"}[found]


def in_namespaces(f: table.Function) -> str:
    if f.fast_ulp is not None:
        return f"yes; {error(f.fast_ulp)} in `fast::`"
    return "yes" if f.namespaces else ""


def floating(group: list[table.Function], columns: str = "error") -> str:
    lines = [(f"`{f.name}`", types(f.types), widths(f.widths), error(f.ulp), in_namespaces(f)) for f in group]
    return rows(f"function | types | for | {columns} | in `fast::`, `precise::`", lines)


def geometric() -> str:
    lines = [(f"`{f.name}`", types(f.types), widths(f.widths)) for f in table.GEOMETRIC]
    note = "\nErrors: 4 epsilon relative and 40 epsilon absolute for arguments up to 2.\n"
    return rows("function | types | for", lines) + note


def lanes() -> str:
    lines = []
    for f in table.LANES:
        names = ", ".join(f"`{group}_{f.name}`" for group in f.groups)
        lines.append((names, types(f.types), "scalars, vectors", "in lane order"))
    votes = sorted(
        {re.search(r"@_(\w+)", call)[1] for call in table.VOTES} - {"vote"} | {"ballot", "active_threads_mask"}
    )
    lines += [(f"`simd_{name}`, `quad_{name}`", "", "", "exact") for name in votes]
    return rows("function | types | for | result", lines)


def unsupported() -> str:
    """The types whose use is an error that says so."""
    found = set()
    for path in sorted((HEADERS / "__mp").glob("*.h")):
        found |= set(re.findall(r'MP_UNSUPPORTED\("([^"]+)"\)', path.read_text()))
    return "\n".join(f"* {name}" for name in sorted(found)) + "\n"


def special() -> str:
    lines = []
    for name, (relative, absolute) in table.SPECIAL_ERRORS.items():
        parts = [f"{relative:g} relative"] * bool(relative) + [f"{absolute:g} absolute"] * bool(absolute)
        lines.append((f"`{name}`", " and ".join(parts)))
    return rows("function | error", lines)


MATRIX = [
    ("`floatCxR`, `halfCxR`, `bfloatCxR`, `matrix<T, C, R>`", "2 to 4 columns of 2 to 4 rows"),
    ("constructors", "from a scalar (diagonal), columns, elements, a matrix of another type"),
    ("`+` `-` `*` `/` and their assignments, `==` `!=`", "matrix with matrix, vector and scalar, as far as sizes fit"),
    ("`m[i]`, `m[i][j]`, `m.columns[i]`", "read and write"),
    ("`transpose`, `determinant`", "of all sizes, of square ones"),
]
ADDRESS_SPACES = [
    ("functions and methods that differ in address spaces",
     "also with different bodies: which one is meant follows from where a pointer comes; one that lies in a buffer is "
     "an error"),
    ("constructors, class templates, friends that differ in address spaces", "only if they do the same"),
]  # fmt: skip
FUNCTION_TABLES = [
    ("`[[visible]]` functions", "no templates, no overloads; called by name or through a table"),
    ("`visible_function_table<R(A...)>`",
     "`[]`, `size`, `empty`, empty places; filled by names, with functions of the same program"),
]  # fmt: skip
SIMDGROUP_MATRIX = [
    ("`simdgroup_matrix<T, 8, 8>`, `simdgroup_float8x8`, `simdgroup_half8x8`, `simdgroup_bfloat8x8`", ""),
    ("`thread_elements()`", "two elements, by the lane map of Apple's GPUs"),
    ("`make_filled_simdgroup_matrix`, `make_diagonal_simdgroup_matrix`", ""),
    ("`simdgroup_load`, `simdgroup_store`", "device and threadgroup memory, row length, origin, transposition"),
    ("`simdgroup_multiply`, `simdgroup_multiply_accumulate`, `*`",
     "also of mixed types; sums in float, rounded once to the result's type"),
    ("`simdgroup_async_copy` 1-D and 2-D, events", "as programs declare them, by `__asm(\"air....\")`; done at once"),
]  # fmt: skip

TENSORS = [
    ("`tensor<T, extents, tensor_inline>`",
     "device and threadgroup memory, any rank, strides"),
    ("`tensor<T, extents>` as an argument of a kernel", "an array of the host, contiguous; `t[i, j]`"),
    ("`extents`, `dextents`, `dynamic_extent`, `slice`", "sizes known to the compiler or not"),
    ("`cooperative_tensor`",
     "one, two or four dimensions; `[]`, iterators, `get_capacity`, `is_valid_element`, `get_multidimensional_index`, "
     "`load`, `store`"),
    ("`mpp::tensor_ops::matmul2d`, `matmul2d_descriptor`",
     "both modes, transposes; sums in float, of integers in int, rounded once; `relaxed_precision` changes nothing"),
    ("`reduce_rows`, `reduce_columns`, `is_iterator_compatible`, `map_iterator`",
     "sum, max, min of a tile that one simdgroup holds"),
    ("`get_left_input_cooperative_tensor(held)`, `is_compatible_as_left_input`, and right",
     "a tile that is held as the operand is, so a destination as the left operand"),
    ("`mpp::tensor_ops::convolution2d`, `convolution2d_descriptor`",
     "both modes, strides, dilations, offsets; one group; sums as above, activations outside their tensor are zero"),
    ("`execution_simdgroup`, `execution_simdgroups<N>`, `execution_thread`",
     "input cooperative tensors for one simdgroup or thread, by the fragments of Apple's GPUs"),
    ("`vec<T, 8>`, `vec<T, 16>`", "elements, `+` `-` `*` `/`; no functions"),
]  # fmt: skip


def render() -> str:
    integer = [(f"`{f.name}`", types(f.types), "scalars, vectors", "exact") for f in table.INTEGER]
    relational = [(f"`{f.name}`", types(f.types), widths(f.widths), "exact") for f in table.RELATIONAL]
    atomics = [(f"`{a.name}`", ", ".join(f"`atomic_{t}`" for t in a.types)) for a in table.ATOMICS]
    atomics.append(("`atomic_thread_fence`", "all orders and scopes; all are as strong as the strongest"))
    packs = []
    for packed, (unpacked, _, bits, _) in table.PACKED.items():
        names = [f"`{f}`" for t in ("float", "half") for f in (f"pack_{t}_to_{packed}", f"unpack_{unpacked}_to_{t}")]
        packs.append((", ".join(names), ", ".join(map(str, bits))))
    constants = ", ".join(f"`{name}`" for name in table.CONSTANTS)
    parts = [
        INTRODUCTION,
        "\n## Math\n", floating(table.MATH),
        "\n## Common\n", floating(table.COMMON),
        "\n## Integers\n", rows("function | types | for | result", integer),
        "\n## Relational\n", rows("function | types | for | result", relational),
        "\n## Geometric\n", geometric(),
        "\n## Matrices\n", rows("what | which", MATRIX),
        "\n## Matrices of a simdgroup\n", rows("what | how", SIMDGROUP_MATRIX),
        "\n## Tensors\n", "With language version 4.0 and `<metal_tensor>` or Metal Performance Primitives' headers:\n",
        rows("what | how", TENSORS),
        "\n## Address spaces\n", rows("what | how far", ADDRESS_SPACES),
        "\n## Tables of functions\n", rows("what | how far", FUNCTION_TABLES),
        "\n## Simdgroups and quadgroups\n", lanes(),
        "\n## Atomics\n", "In device and in threadgroup memory, also as `atomic<T>`.\n",
        rows("function | types", atomics),
        "\n## Packing\n", rows("functions | bits of each component", packs),
        "\n## Constants\n", constants + "\n",
        "\n## Special functions of `<c10/metal/special_math.h>`\n",
        "Plain Metal, written for metalpy; the errors hold on the ranges of `tools/special_functions.py`.\n", special(),
        "\n## Not supported\n", "Using one of these is an error that says so:\n", unsupported(),
    ]  # fmt: skip
    return "\n".join(parts)


if __name__ == "__main__":
    print(render(), end="")
