"""Metal 4 tensors: views of memory, tensors that threads hold together, and products of their tiles."""

from __future__ import annotations

from functools import cache
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import metalpy as mp
from metalpy.mps import compile_shader
from tests.helpers.case import KERNELS

pytestmark = pytest.mark.usefixtures("device")

rng = np.random.default_rng(4)
F4, F2, BF, I1, I4 = np.float32, np.float16, ml_dtypes.bfloat16, np.int8, np.int32
ONE_SIMDGROUP = {"threads": 32, "group_size": 32}

# What a lane holds of a 16 x 16 fragment, as public kernels compute it: two runs of four columns, in rows r and r + 8.
# Quads of lanes hold blocks of two rows and eight columns; along the lanes first the block below, then those to the
# right, then the lower ones.
_QUADS = [(0, 0), (2, 0), (0, 8), (2, 8), (4, 0), (6, 0), (4, 8), (6, 8)]
_LANES = [(y + dy, x + dx) for y, x in _QUADS for dy, dx in ((0, 0), (0, 4), (1, 0), (1, 4))]


@cache
def tensors() -> Any:
    return mp.compile_file(KERNELS / "tensors.metal", language_version="4.0")


def run(kernel, out, *inputs, **launch):
    out = mp.array(out)
    arguments = [mp.array(x) if isinstance(x, np.ndarray) else x for x in inputs]
    tensors()[kernel](out, *arguments, **launch)
    return np.asarray(out)


def small(shape, dtype):
    """Whole numbers whose sums of products no type rounds, but for those of half and bfloat."""
    return rng.integers(-4, 5, shape).astype(dtype)


def lane_order(m):
    """A matrix as the lanes hold it: (32, elements), fragments row by row; padded with NaN."""
    rows, columns = (-(-n // 16) * 16 for n in m.shape)
    padded = np.full((rows, columns), np.nan)
    padded[: m.shape[0], : m.shape[1]] = m.astype(float)
    fragments = [padded[i : i + 16, j : j + 16] for i in range(0, rows, 16) for j in range(0, columns, 16)]
    held = [np.concatenate([f[r + dr, c : c + 4] for f in fragments for dr in (0, 8)]) for r, c in _LANES]
    return np.stack(held)


# ---- products, read from memory ----

TYPES = {
    "float": (F4, F4, F4),
    "half": (F2, F2, F2),
    "bfloat": (BF, BF, BF),
    "half_half_float": (F2, F2, F4),
    "float_half_float": (F4, F2, F4),
    "bfloat_float_float": (BF, F4, F4),
    "char_char_int": (I1, I1, I4),
}
STORED = {"float_half_float": "nt", "bfloat_float_float": "tn", "char_char_int": "nt"}


def product(kernel, types, stored, shape):
    (m, n, k), (left, right, result) = shape, types
    a, b = small((m, k), left), small((k, n), right)
    got = run(
        f"product_{kernel}",
        np.zeros((m, n), result),
        np.ascontiguousarray(a.T) if stored[0] == "t" else a,
        np.ascontiguousarray(b.T) if stored[1] == "t" else b,
        shape,
        threads=(-(-n // 48) * 64, -(-m // 32)),
        group_size=(64, 1),
    )
    return got, a.astype(float) @ b.astype(float)


@pytest.mark.parametrize("name", TYPES)
def test_product_of_types(name):
    got, expected = product(name, TYPES[name], STORED.get(name, "nn"), (70, 53, 40))
    # summed in float, exactly here, and rounded once
    np.testing.assert_array_equal(got, expected.astype(TYPES[name][2]))


@pytest.mark.parametrize("shape", [(32, 48, 16), (64, 96, 32), (1, 1, 1), (33, 49, 17), (31, 100, 50)], ids=str)
@pytest.mark.parametrize("stored", ["nn", "nt", "tn", "tt"])
def test_product_with_edges(stored, shape):
    """The tile's depth is 16: behind the last whole one there are no more rows and columns to be read."""
    got, expected = product(stored, (F2, F2, F4), stored, shape)
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("mode", ["replaces", "adds"])
def test_product_into_memory(mode):
    a, b, before = small((14, 20), F2), small((20, 30), F2), small((14, 30), F4)
    got = run(mode, before, a, b, **ONE_SIMDGROUP)
    expected = a.astype(F4) @ b.astype(F4) + (before if mode == "adds" else 0)
    np.testing.assert_array_equal(got, expected)


def test_product_by_thread():
    a, b = small((6, 3, 7), F4), small((6, 7, 5), F4)
    got = run("by_thread", np.zeros((6, 3, 5), F4), a, b, threads=6)
    np.testing.assert_array_equal(got, a @ b)


@pytest.mark.parametrize("shape", [(64, 32, 32), (128, 64, 96), (100, 50, 70)], ids=str)
def test_tiles_in_threadgroup_memory(shape):
    m, n, k = shape
    a, b = small((m, k), F4), small((n, k), F2)
    launch = {"threads": (-(-n // 32) * 128, -(-m // 64)), "group_size": (128, 1)}
    got = run("staged", np.zeros((m, n), F4), a, b, shape, **launch)
    np.testing.assert_array_equal(got, a @ b.T.astype(F4))


def test_a_simdgroup_reads_what_it_stored():
    x = rng.standard_normal((16, 16)).astype(F4)
    np.testing.assert_array_equal(run("turned", np.zeros((16, 16), F4), x, **ONE_SIMDGROUP), x.T)


def test_a_simdgroup_reads_what_its_lanes_wrote():
    x = small((16, 16), F4)
    np.testing.assert_array_equal(run("fetched", np.zeros((16, 16), F4), x, **ONE_SIMDGROUP), x @ x)


def test_integers_are_summed_exactly():
    """Past 2**24, where floats would round."""
    m, n, k = 3, 4, 1501
    a, b = rng.integers(101, 127, (m, k)).astype(I1), rng.integers(101, 127, (n, k)).astype(I1)
    got = run("product_char_char_int", np.zeros((m, n), I4), a, b, (m, n, k), threads=(64, 1), group_size=(64, 1))
    np.testing.assert_array_equal(got, a.astype(I4) @ b.astype(I4).T)


# ---- who holds what ----


@pytest.mark.parametrize(("which", "shape"), [("left", (16, 48)), ("right", (32, 48)), ("destination", (16, 32))])
def test_layout(which, shape):
    """An operand is held as it is stored: of the transposed right one the second index is the product's column."""
    rows, columns = (lane_order(i) for i in np.indices(shape))
    got = run(f"places_{which}", np.zeros((*rows.shape, 3), np.int16), **ONE_SIMDGROUP)
    np.testing.assert_array_equal(got, np.stack([columns, rows, np.ones(rows.shape)], -1))


def test_simdgroups_share_a_tile():
    """A tile of 40 x 24 is 3 x 2 fragments: each element is some thread's, and nobody else's."""
    got = run("places_shared", np.zeros((128, 16, 3), np.int16), threads=128, group_size=128)
    valid = got[got[..., 2] == 1]
    assert sorted(map(tuple, valid[:, :2])) == [(column, row) for column in range(24) for row in range(40)]


# ---- operands that a simdgroup holds ----

HELD = {
    "nn": (F2, (16, 32, 16)),
    "nt": (F2, (16, 32, 16)),
    "tn": (BF, (16, 32, 16)),
    "tt": (F4, (16, 32, 16)),
    "large": (F4, (32, 48, 64)),
    "odd": (F4, (10, 20, 30)),
}


@pytest.mark.parametrize("name", HELD)
def test_held_operands(name):
    dtype, (m, n, k) = HELD[name]
    left, right = {"large": "tt", "odd": "nt"}.get(name, name)
    a, b = small((m, k), dtype), small((k, n), dtype)
    held_a = lane_order(a.T if left == "t" else a).astype(dtype)  # outside the tile: NaN, which nobody may read
    held_b = lane_order(b.T if right == "t" else b).astype(dtype)
    expected = lane_order(a.astype(float) @ b.astype(float) + 1)
    got = run(f"held_{name}", np.zeros(expected.shape, F4), held_a, held_b, **ONE_SIMDGROUP)
    inside = ~np.isnan(expected)
    np.testing.assert_array_equal(got[inside], expected[inside])


@pytest.mark.parametrize("active", [32, 13])
def test_operands_in_memory_and_held(active):
    a, b = small((16, 16), F4), small((16, 16), F4)
    rows, columns = (lane_order(i).astype(int) for i in np.indices((16, 16)))
    takes_part = np.zeros((16, 16), bool)
    takes_part[rows[:active], columns[:active]] = True
    got = run("half_held", np.zeros((16, 16), F4), a, b, active, **ONE_SIMDGROUP)
    np.testing.assert_array_equal(got, np.where(takes_part, (a * takes_part) @ (b * takes_part), 0))


def test_at_first():
    x = small((16, 16), F4)
    expected = np.zeros((16, 16), F4)
    expected[:5, :6] = x[:5] @ x[:, :6]
    got = run("at_first", np.full((32, 16), 7, F4), x, **ONE_SIMDGROUP)
    np.testing.assert_array_equal(got, np.hstack([np.zeros((32, 8)), lane_order(expected)]))


def test_epilogue():
    a, b, bias = small((40, 8), F2), small((8, 40), F2), small(40, F4)
    got = run("epilogue", np.zeros((40, 40), F2), a, b, bias, threads=96, group_size=96)
    expected = a.astype(F4) @ b.astype(F4) + bias * np.arange(40)[:, None]
    np.testing.assert_array_equal(got, expected.astype(F2))


# ---- views and vectors ----


def test_views():
    x = rng.integers(0, 1000, (2, 3, 4), I4)
    expected = [x[1, 1, 1], x[1, 2, 2], x[0, 1, 2], 2, 2, 1, 1, 1, 4, 12, 4, 7, 9]
    np.testing.assert_array_equal(run("views", np.zeros(13, I4), x, threads=1), expected)


def test_wide_vectors():
    b = np.arange(1, 9, dtype=F4)
    a = 2 + 3 * b
    np.testing.assert_array_equal(run("wide_vectors", np.zeros(8, F4), threads=1), a - a / b)


# ---- what is refused ----

HEADERS = "#include <MetalPerformancePrimitives/MetalPerformancePrimitives.h>\nusing namespace metal;\n"
REFUSED = {
    "tensor needs Metal 4": ("3.2", "kernel void k(device half* x) { tensor<device half, int, int> t(x); }"),
    "'mpp'; it belongs to Metal 4": ("3.2", "kernel void k() { mpp::tensor_ops::matmul2d_descriptor d(16, 16); }"),
    "'dextents'; it belongs to Metal 4": ("3.2", "kernel void k(device half* x) { dextents<int, 2> e(1, 1); }"),
    "no matching constructor for initialization": (
        "4.0",
        "kernel void k(device half* x) { tensor<device half, dextents<int, 2>> t(x, dextents<int, 2>(1, 1)); }",
    ),
    "execution_simdgroup and execution_thread": (
        "4.0",
        "kernel void k() { mpp::tensor_ops::matmul2d<mpp::tensor_ops::matmul2d_descriptor(16, 16, 16),"
        " execution_simdgroups<4>> op; op.get_left_input_cooperative_tensor<half, half, float>(); }",
    ),
    "a descriptor whose k is known": (
        "4.0",
        "kernel void k() { mpp::tensor_ops::matmul2d<mpp::tensor_ops::matmul2d_descriptor(16, 16),"
        " execution_simdgroup> op; op.get_right_input_cooperative_tensor<half, half, float>(); }",
    ),
}


@pytest.mark.parametrize("message", REFUSED)
def test_refused(message):
    version, source = REFUSED[message]
    with pytest.raises(mp.CompileError, match=message):
        compile_shader(HEADERS + source, language_version=version)


def test_older_versions_do_without():
    source = (
        HEADERS + "#ifdef __HAVE_TENSOR__\n#error\n#endif\nkernel void k(device int* x) { *x = __METAL_VERSION__; }"
    )
    x = mp.zeros(1, dtype=I4)
    compile_shader(source).k(x)
    assert int(np.asarray(x)[0]) == 320
