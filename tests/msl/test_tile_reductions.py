"""Rows and columns of tiles that a simdgroup holds, and what is made of them."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

import metalpy as mp
from metalpy.mps import compile_shader
from tests.helpers.case import KERNELS

pytestmark = pytest.mark.usefixtures("device")

rng = np.random.default_rng(8)
F4, F2 = np.float32, np.float16
ONE_SIMDGROUP = {"threads": 32, "group_size": 32}
OPERATIONS = {"sum": (0, np.sum, 0), "max": (1, np.max, -1e4), "min": (2, np.min, 1e4)}
SHAPES = {"whole": (32, 48, F4), "odd": (21, 10, F4), "half": (16, 20, F2)}


@cache
def reductions() -> Any:
    return mp.compile_file(KERNELS / "tile_reductions.metal", language_version="4.0")


def small(*shape):
    """Whole numbers whose sums of products no type rounds."""
    return rng.integers(-4, 5, shape).astype(F4)


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("shape", SHAPES)
def test_rows_and_columns(shape, operation):
    """Elements outside the tile do not count: all are on one side of zero."""
    (m, n, dtype), (code, reference, identity) = SHAPES[shape], OPERATIONS[operation]
    a, b = small(m, 9), small(9, n)
    a[:, 0], b[0] = 20, -10 if operation == "max" else 10
    rows, columns = mp.array(np.zeros(m, dtype)), mp.array(np.zeros(n, dtype))
    reductions()[f"reduce_{shape}"](rows, columns, mp.array(a), mp.array(b), 9, code, identity, **ONE_SIMDGROUP)
    expected = (a @ b).astype(dtype)
    if (shape, operation) == ("half", "sum"):  # rounded on the way
        np.testing.assert_allclose(np.asarray(rows), reference(expected.astype(F4), 1), rtol=2e-3)
        np.testing.assert_allclose(np.asarray(columns), reference(expected.astype(F4), 0), rtol=2e-3)
    else:
        np.testing.assert_array_equal(np.asarray(rows), reference(expected, 1))
        np.testing.assert_array_equal(np.asarray(columns), reference(expected, 0))


def test_attention():
    q, k, v = (rng.standard_normal(s).astype(F2) for s in ((16, 32), (48, 32), (48, 32)))
    out, scale = mp.array(np.zeros((16, 32), F4)), 0.2
    reductions().attend(out, mp.array(q), mp.array(k), mp.array(v), scale, **ONE_SIMDGROUP)
    scores = np.exp(q.astype(float) @ k.T.astype(float) * scale)
    expected = scores @ v.astype(float) / scores.sum(1, keepdims=True)
    np.testing.assert_allclose(np.asarray(out), expected, rtol=1e-5, atol=1e-6)


def test_bias_of_one_dimension():
    a, b, bias, out = small(20, 7), small(7, 24), small(24), mp.array(np.zeros((20, 24), F4))
    reductions().biased(out, mp.array(a), mp.array(b), mp.array(bias), threads=128, group_size=128)
    np.testing.assert_array_equal(np.asarray(out), a @ b + bias)


HEADERS = """#include <MetalPerformancePrimitives/MetalPerformancePrimitives.h>
using namespace metal;
using namespace mpp::tensor_ops;
template <int M, int K, class scope> using product = matmul2d<matmul2d_descriptor(M, 32, K), scope>;
"""
REFUSED = {
    "rows and columns are reduced by execution_simdgroup": "product<16, 16, execution_simdgroups<4>> op;"
    " op.get_row_reduction_destination_cooperative_tensor<float, float, float>();",
    "an element for each row": "product<16, 16, execution_simdgroup> op; product<32, 16, execution_simdgroup> other;"
    " auto tile = op.get_destination_cooperative_tensor<float, float, float>();"
    " auto rows = other.get_row_reduction_destination_cooperative_tensor<float, float, float>();"
    " reduce_rows(tile, rows);",
    "of another shape or scope": "product<16, 16, execution_simdgroup> op;"
    " auto tile = op.get_destination_cooperative_tensor<float, float, float>();"
    " op.get_left_input_cooperative_tensor<float, float, float>(tile);",
}


@pytest.mark.parametrize("message", REFUSED)
def test_refused(message):
    with pytest.raises(mp.CompileError, match=message):
        compile_shader(HEADERS + "kernel void k() { " + REFUSED[message] + " }", language_version="4.0")
