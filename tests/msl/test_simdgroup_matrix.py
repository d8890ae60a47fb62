"""Matrices held by a simdgroup, and asynchronous copies."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

import metalpy as mp
from tests.helpers.case import Case, library

pytestmark = pytest.mark.usefixtures("device")

rng = np.random.default_rng(12)
F4, F2, BF = np.float32, np.float16, ml_dtypes.bfloat16
ONE_SIMDGROUP = {"threads": 32, "group_size": 32}
FILE = "simdgroup_matrices"

# Row and column of the first of the two elements of each lane, written out: quads of lanes hold blocks of 2 rows and 4
# columns; along the lanes first the blocks below, then those to the right, then the lower half.
_BLOCK = [(0, 0), (0, 2), (1, 0), (1, 2)]
_BLOCKS = [(0, 0), (2, 0), (0, 4), (2, 4), (4, 0), (6, 0), (4, 4), (6, 4)]
LANE_MAP = [(y + dy, x + dx) for y, x in _BLOCKS for dy, dx in _BLOCK]


def in_lane_order(m):
    return np.concatenate([m[y, x : x + 2] for y, x in LANE_MAP])


def test_lane_map():
    m = rng.standard_normal((8, 8)).astype(F4)
    Case(FILE, "lane_map", (64, F4), (m,), in_lane_order(m), launch=ONE_SIMDGROUP).check()
    Case(FILE, "from_lanes", ((8, 8), F4), (in_lane_order(m),), m, launch=ONE_SIMDGROUP).check()


def test_constructors():
    eye, ones = np.eye(8), np.ones((8, 8))
    Case(FILE, "filled", ((8, 32), F4), (), np.hstack([0 * eye, 3 * eye, 2 * ones, ones]), launch=ONE_SIMDGROUP).check()


def test_loads_and_stores():
    x = rng.standard_normal((14, 20)).astype(F4)
    expected = np.stack([x[2:10, 3:11], x[2:10, 3:11].T, x[:8, 5:13]])
    Case(FILE, "places", ((3, 8, 8), F4), (x, 20), expected, launch=ONE_SIMDGROUP).check()


def test_all_lanes_load_before_one_stores():
    x = rng.standard_normal((8, 8)).astype(F4)
    Case(FILE, "turn", ((8, 8), F4), (), x.T, initial=x, launch=ONE_SIMDGROUP).check()


PRODUCTS = {"float": (F4, F4), "half": (F2, F2), "bfloat": (BF, BF), "half_float": (F2, F4), "bfloat_float": (BF, F4)}


@pytest.mark.parametrize("name", PRODUCTS)
def test_product(name):
    narrow, wide = PRODUCTS[name]
    a, b = rng.standard_normal((2, 8, 8)).astype(narrow)
    c = rng.standard_normal((8, 8)).astype(wide)
    got = Case(FILE, f"product_{name}", ((8, 8), wide), (a, b, c), None, launch=ONE_SIMDGROUP).run()
    a, b, c = a.astype(float), b.astype(float), c.astype(float)
    # sums are kept in float and rounded once, to half an ULP of the type
    size = np.abs(a) @ np.abs(b) + np.abs(c)
    once = float(ml_dtypes.finfo(wide).eps) / 2 * np.abs(a @ b + c) if wide != F4 else 0
    assert (np.abs(got.astype(float) - (a @ b + c)) <= 8 * 2**-24 * size + 1.01 * once).all()


def test_helpers():
    a = rng.integers(-4, 5, (8, 8)).astype(F4)
    Case(FILE, "helpers", ((8, 8), F4), (a,), 4 * (a @ a), launch=ONE_SIMDGROUP).check()


def test_gemm():
    m, n, k = 64, 96, 48
    a, b = rng.integers(-8, 9, (m, k)).astype(F2), rng.integers(-8, 9, (k, n)).astype(F2)
    expected = a.astype(F4) @ b.astype(F4)
    out = mp.zeros((m, n), dtype=F4)
    library(FILE).gemm(out, mp.array(a), mp.array(b), (m, n, k), threads=(n // 32 * 128, m // 32), group_size=(128, 1))
    np.testing.assert_array_equal(np.asarray(out), expected)


@pytest.mark.parametrize(("mode", "edge"), [(0, "constant"), (1, "edge")])
def test_async_tile(mode, edge):
    x = rng.integers(1, 1 << 16, (9, 30)).astype(np.uint16)
    expected = np.pad(x[:4, 3:10], ((0, 2), (0, 3)), mode=edge)
    Case("async_copies", "tile", ((6, 10), np.uint16), (x, 30, mode), expected,
         launch={"threads": 64, "group_size": 64}).check()  # fmt: skip


def test_async_row():
    x = rng.standard_normal(100).astype(F4)
    Case("async_copies", "row", (100, F4), (x,), x, launch={"threads": 64, "group_size": 64}).check()
