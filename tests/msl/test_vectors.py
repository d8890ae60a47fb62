"""Vectors and matrices: constructors, swizzles, operators, packed and bool vectors, layout."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from tests.helpers.case import Case

pytestmark = pytest.mark.usefixtures("device")

rng = np.random.default_rng(2)
N = 37
I4, F4 = np.int32, np.float32


def floats(*shape):
    return rng.standard_normal(shape, dtype=F4)


def ints(dtype, *shape, low=None, high=None):
    limits = np.iinfo(dtype)
    return rng.integers(limits.min if low is None else low, limits.max if high is None else high, shape, dtype)


def padded(x):
    """Three-component vectors as they lie in memory: four wide, the last component unspecified."""
    return np.concatenate([x, np.zeros((*x.shape[:-1], 1), x.dtype)], axis=-1)


# ---- constructors and conversions ----


def make(a, b):
    x, y = a[:, 0], a[:, 1]
    q = b.astype(F4)

    def rows(*columns):
        return np.stack(np.broadcast_arrays(*columns, x)[:-1], axis=1)

    return np.stack(
        [
            rows(x, y, 3, 4), rows(x, y, 3, 4), rows(1, x, y, 4), rows(1, 2, x, y), rows(x, y, x, y), rows(x, x, x, x),
            rows(x, y, 7, 8), q, q, np.full_like(q, 5), rows(x, y, 1, 2), rows(*q[:, :3].T, y),
        ],
        axis=1,
    )  # fmt: skip


def test_constructors():
    Case(
        "vector_constructors", "make", ((N, 12, 4), F4), (floats(N, 2), ints(I4, N, 4)), make, launch={"threads": N}
    ).check()


def test_constructor_of_a_dependent_type():
    case = Case(
        "vector_constructors", "dependent", ((N, 4), I4), (ints(I4, N, low=-99, high=99),),
        lambda a: np.stack([a, a + 1, 2 * a], axis=1), launch={"threads": N},
    )  # fmt: skip
    np.testing.assert_array_equal(case.run()[:, :3], case.expect(*case.inputs))


def test_vectors_in_program_scope():
    table = np.array([[1, 2, 3, 4], [5, 5, 5, 5]], F4) + np.array([7, 8, 9, 0], F4)
    Case("vector_constructors", "program_scope", ((4, 4), F4), (), table[[0, 1, 0, 1]], launch={"threads": 4}).check()


reals = (floats(N, 4) * 1000).astype(F4)
CONVERSIONS = [
    ("half_from_float", np.float16, reals, lambda x: x.astype(np.float16)),
    ("int_from_float", I4, reals, lambda x: np.trunc(x).astype(I4)),
    ("uint_from_int", np.uint32, ints(I4, N, 4), lambda x: x.view(np.uint32)),
    ("float_from_uchar", F4, ints(np.uint8, N, 4), lambda x: x.astype(F4) / F4(255)),
    (
        "bfloat_from_half",
        ml_dtypes.bfloat16,
        reals.astype(np.float16),
        lambda x: x.astype(F4).astype(ml_dtypes.bfloat16),
    ),
]


@pytest.mark.parametrize(("kernel", "dtype", "x", "expect"), CONVERSIONS, ids=[c[0] for c in CONVERSIONS])
def test_conversions(kernel, dtype, x, expect):
    Case("vector_conversions", kernel, ((N, 4), dtype), (x,), expect, launch={"threads": N}).check()


# ---- swizzles ----


def swizzle_read(v):
    order = [[3, 2, 1, 0], [0, 0, 1, 1], [0, 1, 2, 3], [2, 1, 0, 3], [0, 1, 2, 3], [1, 2, 3, 3], [2] * 4]
    rows = [v[:, o] for o in order]
    rows.append(np.stack([v[:, 3], v[:, 2], v[:, 1], v[np.arange(N), np.arange(N) % 4]], axis=1))
    return np.stack(rows, axis=1)


def swizzle_write(v):
    a, b, c = v.copy(), v.copy(), v.copy()
    a[:, [2, 0]] = v[:, [0, 1]]
    a[:, 3] = 10
    b[:, :3] = [2, 4, 3]
    b[:, [1, 3]] += np.array([100, 200], F4)
    c[:, 1] = -1
    c[np.arange(N), np.arange(N) % 4] += 5
    c[:, [0, 3]] = c[:, [3, 0]]
    d = np.concatenate([a[:, [1, 0]], b[:, :2] + c[:, 2:]], axis=1)
    return np.stack([a, b, c, d], axis=1)


def test_swizzle_read():
    Case("swizzles", "read", ((N, 8, 4), F4), (floats(N, 4),), swizzle_read, launch={"threads": N}).check()


def test_swizzle_write():
    Case("swizzles", "write", ((N, 4, 4), F4), (floats(N, 4),), swizzle_write, launch={"threads": N}).check()


def test_reference_to_a_component():
    i = np.arange(N)
    expected = np.stack([i, np.full(N, 42), i + 1, i - 3], axis=1)
    Case("swizzles", "by_reference", ((N, 4), I4), (), expected, launch={"threads": N}).check()


# ---- operators ----


def float_operators(a, b):
    one, two, three = F4(1), F4(2), F4(3)
    return -((a + b * two - one) / b * three) + two / b


def integer_operators(a, b):
    v = (a ^ b) + (a & 7) - (b | 8)
    v = (v << 1) >> np.array([0, 1, 2, 3], I4)
    return np.fmod(v, b) + ~a + 1


def half_operators(a, b):
    return (a + b) * np.float16(0.5) - np.float16(1)


OPERATORS = [
    # Four operations and two divisions, each correctly rounded; contraction may only bring it closer.
    ("floats", F4, 3, lambda: (padded(floats(N, 3)), padded(floats(N, 3) + 3) + F4(0.5)), float_operators, 8),
    (
        "integers",
        I4,
        4,
        lambda: (ints(I4, N, 4, low=-9999, high=9999), ints(I4, N, 4, low=1, high=999)),
        integer_operators,
        0,
    ),
    ("small", np.uint8, 4, lambda: (ints(np.uint8, N, 4), ints(np.uint8, N, 4)), lambda a, b: a * b + np.uint8(200), 0),
    ("halves", np.float16, 2, lambda: (floats(N, 2).astype("f2"), floats(N, 2).astype("f2")), half_operators, 0),
    ("longs", np.int64, 2, lambda: (ints(np.int64, N, 2), ints(np.int64, N, 2)), lambda a, b: a * b - (a >> 3), 0),
]


@pytest.mark.parametrize(
    ("kernel", "dtype", "width", "inputs", "expect", "ulp"), OPERATORS, ids=[o[0] for o in OPERATORS]
)
def test_operators(kernel, dtype, width, inputs, expect, ulp):
    case = Case(
        "vector_operators", kernel, ((N, 4 if width == 3 else width), dtype), inputs(), expect, launch={"threads": N}
    )
    got, expected = case.run()[:, :width], expect(*case.inputs)[:, :width]
    if ulp:
        scale = np.abs(expected).max()
        assert np.abs(got - expected).max() <= ulp * np.spacing(scale)
    else:
        np.testing.assert_array_equal(got, expected)


# ---- packed vectors ----


def test_packed_and_aligned():
    x = floats(N, 3)
    Case(
        "packed_vectors", "scale", ((N, 3), F4), (x, 2.5),
        lambda x, by: (x + np.array([0, 1, 0], F4)) * F4(by), launch={"threads": N},
    ).check()  # fmt: skip


def packed_arithmetic(a, b):
    v = (a + b) * F4(2)
    v[:, 0] = v[:, 1] - F4(1)
    return v - a


def test_packed_arithmetic():
    case = Case(
        "packed_vectors", "arithmetic", ((N, 3), F4), (floats(N, 3), floats(N, 3)), packed_arithmetic,
        launch={"threads": N},
    )  # fmt: skip
    case.check()


def test_packed_shorts():
    x = ints(np.int16, N, 3, low=-3000, high=3000)
    case = Case(
        "packed_vectors", "wide", ((N, 4), F4), (x,), lambda x: (x + x[:, ::-1]).astype(F4), launch={"threads": N}
    )
    np.testing.assert_array_equal(case.run()[:, :3], case.expect(x))


def test_packed_bytes():
    x = ints(np.uint8, N, 2).astype(np.float16)
    expected = np.concatenate([x.astype(np.uint8), np.tile(np.array([3, 4], np.uint8), (N, 1))], axis=1)
    Case("packed_vectors", "bytes", ((N, 4), np.uint8), (x,), expected, launch={"threads": N}).check()


# ---- bool vectors ----


def with_ties():
    a, b = floats(N, 4), floats(N, 4)
    b[::3] = a[::3]
    a[5, 2] = np.nan
    a[7] = 0
    return a, b


def compare(a, b):
    rows = [
        a < b, a == b, ~(a <= b), (a != b) & (a > 0), (a > b) | np.array([True, False, True, False]), a != 0,
        np.isnan(a) | (b >= a), (a > b)[:, ::-1],
    ]  # fmt: skip
    return np.stack(rows, axis=1)


def test_bool_vectors_compare():
    Case("bool_vectors", "compare", ((N, 8, 4), np.bool_), with_ties(), compare, launch={"threads": N}).check()


def test_bool_vectors_reduce():
    a = padded(ints(I4, N, 3, low=-5, high=5))
    a[4, :3], a[5, :3], a[6, :3] = [1, 2, 3], [4, 4, 4], [-1, -1, -1]

    def expect(a):
        p = a[:, :3] > 0
        return p.any(1) + 2 * p.all(1) + 4 * p[:, 0] + 8 * (a[:, :3] == [1, 2, 3]).any(1)

    Case("bool_vectors", "reduce", (N, np.uint32), (a,), expect, launch={"threads": N}).check()


def test_bool_vectors_choose():
    def expect(a, b):
        mask = a > b
        mask[:, 0] = True
        mask[:, 3] = ~mask[:, 3]
        return np.where(mask, b, a)

    Case("bool_vectors", "choose", ((N, 4), F4), (floats(N, 4), floats(N, 4)), expect, launch={"threads": N}).check()


def test_bool_vectors_count():
    Case("bool_vectors", "count", (N, I4), (floats(N, 4),), lambda a: (a > 0).sum(1), launch={"threads": N}).check()


# ---- layout ----


def vector_rows(size):
    """Size and alignment of two, three and four components: three take the room of four."""
    return [2 * size, 2 * size, 4 * size, 4 * size, 4 * size, 4 * size]


def packed_rows(size):
    return [2 * size, size, 3 * size, size, 4 * size, size]


def test_sizes_of_vectors():
    expected = np.ravel([vector_rows(s) for s in (1, 1, 1, 2, 2, 4, 4, 8, 8, 2, 2, 4)])
    Case("type_sizes", "vectors", (len(expected), np.uint32), (), expected, launch={"threads": 1}).check()


def test_sizes_of_packed_vectors():
    expected = np.ravel([packed_rows(s) for s in (1, 1, 2, 2, 4, 4, 2, 2, 4, 8)])
    Case("type_sizes", "packed", (len(expected), np.uint32), (), expected, launch={"threads": 1}).check()


def test_sizes_of_matrices():
    expected = [
        value
        for size in (4, 2)
        for columns in (2, 3, 4)
        for rows in (2, 4, 4)  # three rows take the room of four
        for value in (columns * rows * size, rows * size)
    ]
    Case("type_sizes", "matrices", (len(expected), np.uint32), (), np.array(expected), launch={"threads": 1}).check()


# ---- matrices: NumPy's m[i][c] is column c ----


def close(got, exact, terms):
    """Sums of `terms` products in single precision: each rounds once, at most."""
    np.testing.assert_allclose(got, exact, rtol=0, atol=terms * np.spacing(np.abs(exact).max().astype(F4)))


def test_matrix_products():
    m, v = floats(N, 4, 4), floats(N, 4)
    got = Case("matrices", "products", ((N, 3, 4), F4), (m, v), None, launch={"threads": N}).run()
    a = m.astype(float).transpose(0, 2, 1)  # rows first
    close(got[:, 0], np.einsum("nrc,nc->nr", a, v), 4)
    close(got[:, 1], np.einsum("nrc,nr->nc", a, v), 4)
    gram = a @ a.transpose(0, 2, 1)
    close(got[:, 2], gram[np.arange(N), :, np.arange(N) % 4], 4)


def test_matrix_constructors():
    a = floats(N, 3)
    got = Case("matrices", "construct", ((N, 5, 3, 4), F4), (padded(a),), None, launch={"threads": N}).run()[..., :3]
    columns = np.stack([a, a[:, ::-1], np.ones_like(a)], axis=1)
    by_element = np.tile(np.arange(1, 10, dtype=F4).reshape(3, 3), (N, 1, 1))
    by_element[:, 2, 2] = a[:, 0]
    edited = np.tile(np.eye(3, dtype=F4), (N, 1, 1))
    edited[:, 1, 2], edited[:, 2] = a[:, 1], a
    edited[:, 0, 1:] += 4
    np.testing.assert_array_equal(got[:, 0], np.tile(2 * np.eye(3), (N, 1, 1)))
    np.testing.assert_array_equal(got[:, 1], columns)
    np.testing.assert_array_equal(got[:, 2], by_element)
    np.testing.assert_array_equal(got[:, 3], edited)
    close(got[:, 4], 2.0 * edited + columns - np.eye(3), 2)


def test_rectangular_matrices():
    m, v = floats(N, 3, 2), floats(N, 3)
    got = Case("matrices", "rectangular", ((N, 2, 2), F4), (m, padded(v)), None, launch={"threads": N}).run()
    product = np.einsum("ncr,nc->nr", m.astype(float), v)
    close(got[:, 0], product, 3)
    close(got[:, 1], product, 3)


def test_determinants():
    two, three, four = floats(N, 2, 2), floats(N, 3, 3), floats(N, 4, 4)
    case = Case("matrices", "determinants", ((N, 3), F4), (two, padded(three), four), None, launch={"threads": N})
    exact = np.stack([np.linalg.det(m.astype(float)) for m in (two, three, four)], axis=1)
    np.testing.assert_allclose(case.run(), exact, rtol=0, atol=2e-5)


def test_matrix_by_reference():
    x = ints(np.int8, N, 4, 4).astype(np.float16)
    expect = Case(
        "matrices", "by_reference", ((N, 4, 4), np.float16), (x,), lambda x: (x + 1) * 2, launch={"threads": N}
    )
    expect.check()
