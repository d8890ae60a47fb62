"""Grids and positions, simdgroup and quadgroup functions, atomics."""

from __future__ import annotations

import math
from functools import reduce
from itertools import accumulate
from operator import mul

import numpy as np
import pytest

import metalpy as mp
from tests.helpers.case import Case, library

pytestmark = pytest.mark.usefixtures("device")

rng = np.random.default_rng(6)
F4, I4, U4 = np.float32, np.int32, np.uint32

# ---- grids whose size is no multiple of the group ----

GRIDS = [
    ((1,), (1,)), ((1000,), (256,)), ((31,), (32,)), ((1023,), (1024,)), ((33,), (7,)), ((5,), (100,)),
    ((17, 9), (4, 4)), ((100, 3), (32, 2)), ((1, 70), (8, 8)), ((33, 33), (32, 32)),
    ((5, 6, 7), (2, 4, 3)), ((65, 2, 3), (32, 2, 2)), ((1, 1, 50), (1, 1, 7)), ((10, 10, 10), (10, 10, 10)),
]  # fmt: skip


def grid_id(grid):
    return "x".join(map(str, grid[0])) + " by " + "x".join(map(str, grid[1]))


def positions(threads):
    """x, y, z of each thread, in the order of a row-major (z, y, x) array."""
    x, y, z = (*threads, 1, 1)[:3]
    zs, ys, xs = np.indices((z, y, x))
    return xs, ys, zs


@pytest.mark.parametrize(("threads", "group_size"), GRIDS, ids=map(grid_id, GRIDS))
def test_each_thread_runs_once(threads, group_size):
    x, y, z = positions(threads)
    expected = x + 100 * y + 10000 * z + 1
    kernel = ("one", "two", "three")[len(threads) - 1]
    launch = {"threads": threads, "group_size": group_size}
    Case("grids", kernel, (expected.shape, U4), (), expected, launch=launch).check()


@pytest.mark.parametrize(("threads", "group_size"), GRIDS, ids=map(grid_id, GRIDS))
def test_edge_groups_are_smaller(threads, group_size):
    sizes = 1
    for axis, (n, g) in enumerate(zip(threads, group_size, strict=True)):
        at = positions(threads)[axis]
        sizes = sizes * np.minimum(g, n - at // g * g)
    launch = {"threads": threads, "group_size": group_size}
    Case("grids", "edge_sizes", (sizes.shape, U4), (), 101 * sizes, launch=launch).check()


THREE = [grid for grid in GRIDS if len(grid[0]) == 3] + [((40,), (64,)), ((9, 5), (4, 3))]


@pytest.mark.parametrize(("threads", "group_size"), THREE, ids=map(grid_id, THREE))
def test_every_position(threads, group_size):
    n, g = (*threads, 1, 1)[:3], (*group_size, 1, 1)[:3]
    at = np.stack(positions(threads), axis=-1)
    group, local = at // g, at % g
    size = np.minimum(g, n - group * g)
    index = local[..., 0] + size[..., 0] * (local[..., 1] + size[..., 1] * local[..., 2])
    count = size.prod(-1)

    def same(*value):
        return np.broadcast_to(np.array(value), at.shape)

    triples = [at, local, group, same(*n), same(*(-(-a // b) for a, b in zip(n, g, strict=True))), size, same(*g)]
    singles = [
        index, index % 32, index // 32, -(-count // 32), np.full_like(index, 32),
        np.full_like(index, -(-math.prod(g) // 32)),
    ]  # fmt: skip
    expected = np.concatenate([*triples, *(s[..., None] for s in singles)], axis=-1)
    launch = {"threads": threads, "group_size": group_size}
    Case("positions", "everything", (expected.shape, U4), (), expected, launch=launch).check()


def test_small_position_types():
    n, g = (23, 11), (8, 4)
    x, y, _ = (p[0] for p in positions(n))
    local, group = (x % 8, y % 4), (x // 8, y // 4)
    width, height = np.minimum(8, 23 - group[0] * 8), np.minimum(4, 11 - group[1] * 4)
    index = local[0] + width * local[1]
    expected = [
        x + 1000 * y,
        local[0] + 1000 * local[1],
        group[0] + 1000 * group[1],
        index,
        index % 32 + 1000 * (index // 32),
    ]
    expected = np.stack([*expected, width + 1000 * height], axis=-1)
    launch = {"threads": n, "group_size": g}
    Case("positions", "small_types", (expected.shape, U4), (), expected, launch=launch).check()


def test_scalar_position_types():
    i = np.arange(50)
    size = np.minimum(16, 50 - i // 16 * 16)
    rows = [i, i % 16, i // 16, np.full(50, 50), np.full(50, 4), size + 1000 * (i % 16), np.full(50, 32)]
    Case("positions", "scalars", ((50, 7), U4), (), np.stack(rows, 1), launch={"threads": 50, "group_size": 16}).check()


def test_ushort3_positions():
    x, y, z = positions((6, 5, 3))
    expected = x + 10 * y + 100 * z + 1000 * (x // 4 + y // 2 + z // 2)
    launch = {"threads": (6, 5, 3), "group_size": (4, 2, 2)}
    Case("positions", "ushort3_types", (expected.shape, np.uint16), (), expected, launch=launch).check()


# ---- simdgroups ----


def by_simdgroup(x, function, width=32):
    """`function` of each simdgroup's values; the last may be partly filled."""
    return np.concatenate([function(x[i : i + width]) for i in range(0, len(x), width)])


def reductions(x):
    """One simdgroup of the kernel, in Python's numbers."""
    values = [v.item() for v in x]
    sums, products = list(accumulate(values)), list(accumulate(values, mul))
    rows = [
        [sums[-1]] * len(x), [products[-1]] * len(x), [min(values)] * len(x), [max(values)] * len(x),
        sums, [0, *sums[:-1]], products, [1, *products[:-1]],
    ]  # fmt: skip
    return np.array(rows, object).T


@pytest.mark.parametrize("n", [32, 64, 45, 3, 1])
@pytest.mark.parametrize(
    ("name", "dtype"),
    [("int", I4), ("uint", U4), ("short", np.int16), ("uchar", np.uint8), ("float", F4), ("half", np.float16)],
)
def test_simd_reductions(name, dtype, n):
    x = rng.integers(1, 4, n).astype(dtype)
    if np.dtype(dtype).kind == "f":  # powers of two: every product and sum is exact
        x = np.where(np.arange(n) % 8 == 0, dtype(2), dtype(1))
    case = Case(
        "simd_reductions", f"reductions_{name}", ((n, 8), dtype), (x,), None, launch={"threads": n, "group_size": 64}
    )
    got, expected = case.run(), by_simdgroup(x, reductions)
    if np.dtype(dtype).kind in "iu":
        modulus = 2 ** (8 * np.dtype(dtype).itemsize)
        got, expected = got.astype(object) % modulus, expected % modulus
    np.testing.assert_array_equal(got, expected)


def test_simd_sum_of_floats():
    x = rng.standard_normal(64).astype(F4)
    got = Case("simd_reductions", "reductions_float", ((64, 8), F4), (x,), None, launch={"threads": 64}).run()
    exact = by_simdgroup(x.astype(float), lambda v: np.full(32, v.sum()))
    np.testing.assert_allclose(got[:, 0], exact, rtol=0, atol=32 * np.spacing(F4(4)))
    assert (got[:32, 0] == got[0, 0]).all()  # the same bits in every lane


def test_simd_bitwise():
    x = rng.integers(0, 2**32, 70, U4)

    def expect(v):
        return np.tile([f.reduce(v) for f in (np.bitwise_and, np.bitwise_or, np.bitwise_xor)], (len(v), 1))

    x |= 0x10
    Case("simd_reductions", "bitwise", ((70, 3), U4), (x,), by_simdgroup(x, expect), launch={"threads": 70}).check()


def test_simd_functions_of_vectors():
    x = rng.integers(-20, 20, (40, 4)).astype(F4)
    expected = by_simdgroup(x, lambda v: np.tile(np.stack([v.sum(0), v.max(0)]), (len(v), 1, 1)))
    Case("simd_reductions", "vectors", ((40, 2, 4), F4), (x,), expected, launch={"threads": 40}).check()


def test_simd_functions_in_a_branch():
    x = rng.integers(-99, 99, 64, I4)

    def expect(v):
        third = np.arange(len(v)) % 3 == 0
        return np.where(third, v[third].sum(), -v[~third].max())

    Case("simd_reductions", "divergent", (64, I4), (x,), by_simdgroup(x, expect)).check()


def test_simd_functions_in_a_loop_that_lanes_leave():
    expected = np.tile(np.cumsum(np.arange(32, 0, -1)), 2)
    Case("simd_reductions", "in_loop", (64, I4), (), expected).check()


def shuffles(v):
    lane = np.arange(32)
    zero = v.dtype.type(0)
    return np.stack(
        [
            v[(lane * 7 + 3) % 32], v[lane ^ 5], np.where(lane < 28, v[(lane + 4) % 32], zero),
            np.where(lane >= 3, v[lane - 3], zero), np.full_like(v, v[9]), np.full_like(v, v[0]),
            v[(lane + 6) % 32], v[(lane - 6) % 32],
        ],
        axis=1,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "dtype"), [("float", F4), ("half", np.float16), ("int", I4), ("ushort", np.uint16), ("uchar", np.uint8)]
)
def test_simd_shuffles(name, dtype):
    x = rng.integers(0, 250, 64).astype(dtype)
    expected = by_simdgroup(x, shuffles)
    Case("simd_shuffles", f"shuffles_{name}", ((64, 8), dtype), (x,), expected, launch={"threads": 64}).check()


def test_simd_shuffle_and_fill():
    x, y = rng.integers(0, 99, (2, 32), I4)
    up, down = np.concatenate([y[-5:], x[:-5]]), np.concatenate([x[5:], y[:5]])
    expected = np.stack([up, down], axis=1)
    Case("simd_shuffles", "fill", ((32, 2), I4), (x, y), expected, launch={"threads": 32}).check()


def test_simd_shuffle_of_vectors():
    x = rng.integers(0, 99, (32, 4)).astype(F4)
    got = Case("simd_shuffles", "vectors", ((32, 4), F4), (x,), None, launch={"threads": 32}).run()
    np.testing.assert_array_equal(got[:, :3], (x[np.arange(32) ^ 1] + x[2])[:, :3])


def test_simd_butterfly():
    x = rng.integers(0, 99, 64).astype(F4)
    expected = by_simdgroup(x, lambda v: np.full(32, v.sum()))
    Case("simd_shuffles", "butterfly", (64, F4), (x,), expected).check()


@pytest.mark.parametrize("n", [64, 40])
def test_simd_votes(n):
    x = rng.integers(1, 99, n, I4)
    x[-1], x[2] = -1, 95

    def expect(v):
        lanes = 1 << np.arange(len(v), dtype=np.uint64)
        row = [(v > 0).all(), (v > 90).any(), 0, lanes[v % 2 == 0].sum(), lanes.sum()]
        rows = np.tile(np.array(row, np.uint64), (len(v), 1))
        rows[0, 2] = 1
        return rows

    Case("simd_votes", "votes", ((n, 5), U4), (x,), by_simdgroup(x, expect), launch={"threads": n}).check()


def test_simd_first_of_a_branch():
    lane = np.arange(64) % 32
    expected = np.where((lane > 4) & (lane < 20), 1 + (lane == 5), 0)
    Case("simd_votes", "divergent", (64, U4), (), expected).check()


def test_simd_vote_objects():
    x = np.concatenate([np.full(32, 60), np.arange(32, 64), np.zeros(32)]).astype(I4)
    expected = np.repeat([3, 2, 0], 32)
    Case("simd_votes", "vote_objects", (96, U4), (x,), expected).check()


def test_quadgroups():
    x = rng.integers(0, 99, 40, I4)

    def expect(v):
        i = np.arange(4)
        return np.stack([np.full(4, v.sum()), np.full(4, v.max()), v[i ^ 1], np.full(4, v[2]), np.cumsum(v), i], axis=1)

    Case("quad_functions", "quads", ((40, 6), I4), (x,), by_simdgroup(x, expect, 4), launch={"threads": 40}).check()


# ---- atomics ----

OPERATIONS = {
    "add": np.add, "sub": np.subtract, "min": np.minimum, "max": np.maximum,
    "and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor,
}  # fmt: skip


@pytest.mark.parametrize("type_name", ["int", "uint", "float"])
@pytest.mark.parametrize("name", OPERATIONS)
def test_atomic_operations(name, type_name):
    if type_name == "float" and name not in ("add", "sub"):
        assert not hasattr(library("atomics"), f"{name}_float")  # Metal has no others
        return
    dtype = {"int": I4, "uint": U4, "float": F4}[type_name]
    n = 20_000
    x = rng.integers(0, 100, n).astype(dtype) if type_name == "float" else rng.integers(0, 2**31 - 1, n).astype(dtype)
    if type_name == "int":
        x[::2] *= -1
    start = np.array([5, 0, 100, 77, 2], dtype)
    expected = start.copy()
    OPERATIONS[name].at(expected, np.arange(n) % 5, x)
    case = Case(
        "atomics", f"{name}_{type_name}", (5, dtype), (x,), expected, initial=start,
        launch={"threads": n, "group_size": 64},
    )  # fmt: skip
    case.check()


def test_atomic_tickets():
    n = 5000
    order, counter = mp.zeros(n, dtype=U4), mp.zeros(1, dtype=U4)
    library("atomics").tickets(order, counter, threads=n, group_size=32)
    assert counter.item() == n
    np.testing.assert_array_equal(np.sort(np.asarray(order)), np.arange(n))


def test_atomic_load_store_exchange():
    slots, out = mp.zeros(100, dtype=I4), mp.zeros(100, dtype=I4)
    library("atomics").load_store_exchange(slots, out)
    np.testing.assert_array_equal(np.asarray(slots), -1)
    np.testing.assert_array_equal(np.asarray(out), 3 * np.arange(100) - 1000)


def test_atomic_compare_exchange():
    x = (2 * rng.integers(0, 50, 3000) + 1).astype(U4)
    expected = reduce(lambda a, b: a * b % 2**32, map(int, x), 1)
    slot = mp.ones(1, dtype=U4)
    library("atomics").compare_exchange(slot, mp.array(x), threads=3000, group_size=100)
    assert slot.item() == expected


def test_threadgroup_atomics():
    expected = np.tile([128 * 127 // 2, 95], (10, 1))
    Case("atomics", "in_threadgroup", ((10, 2), U4), (), expected, launch={"groups": 10, "group_size": 128}).check()


def test_atomics_of_a_dependent_type():
    Case("atomics", "dependent_int", (1, I4), (-3,), np.array([-3000]), launch={"threads": 1000}).check()
    Case("atomics", "dependent_float", (1, F4), (0.5,), np.array([500]), launch={"threads": 1000}).check()


def test_atomic_cast_from_plain_memory():
    expected = np.array([2**32 - 1] * 31 + [2**8 - 1], U4)
    Case("atomics", "cast", (32, U4), (), expected, launch={"threads": 1000, "group_size": 64}).check()


def test_64_bit_atomic_max():
    x = rng.integers(0, 2**64, 4000, np.uint64)
    Case("atomics", "wide", (1, np.uint64), (x,), lambda x: x.max(keepdims=True), launch={"threads": 4000}).check()
