"""Integer, relational, geometric and packing functions; as_type."""

from __future__ import annotations

import math

import ml_dtypes
import numpy as np
import pytest

from tests.helpers.case import Case

pytestmark = pytest.mark.usefixtures("device")

rng = np.random.default_rng(4)
N = 60
F4, U4 = np.float32, np.uint32
INTEGERS = {
    "char": np.int8, "uchar": np.uint8, "short": np.int16, "ushort": np.uint16,
    "int": np.int32, "uint": np.uint32, "long": np.int64, "ulong": np.uint64,
}  # fmt: skip


def integers(dtype, *shape):
    limits = np.iinfo(dtype)
    x = rng.integers(limits.min, limits.max, shape or N, dtype, endpoint=True)
    x.flat[:3] = [limits.min, limits.max, 0]
    return x


def integer_functions(a, b, c, i, dtype):
    """One row of the kernel, in Python's unbounded integers."""
    limits = np.iinfo(dtype)
    bits = 8 * np.dtype(dtype).itemsize
    unsigned = a % 2**bits
    pattern = f"{unsigned:0{bits}b}"
    turn = i % bits

    def saturated(x):
        return min(max(x, int(limits.min)), int(limits.max))

    return [
        abs(a - b),
        saturated(a + b),
        saturated(a - b),
        bits - unsigned.bit_length(),
        bits if unsigned == 0 else (unsigned & -unsigned).bit_length() - 1,
        unsigned.bit_count(),
        (a + b) >> 1,
        (a + b + 1) >> 1,
        (a * b) >> bits,
        ((a * b) >> bits) + c,
        int(pattern[::-1], 2),
        (unsigned << turn | unsigned >> (bits - turn)),
        min(max(a, min(b, c)), max(b, c)),
        max(a, b, c),
        min(a, b, c),
        sorted((a, b, c))[1],
    ]


@pytest.mark.parametrize("name", INTEGERS)
def test_integer_functions(name):
    dtype = INTEGERS[name]
    a, b, c = integers(dtype), integers(dtype)[::-1].copy(), integers(dtype)
    got = Case("integer_functions", f"functions_{name}", ((N, 16), dtype), (a, b, c), None, launch={"threads": N}).run()
    modulus = 2 ** (8 * np.dtype(dtype).itemsize)
    for i in range(N):
        row = integer_functions(int(a[i]), int(b[i]), int(c[i]), i, dtype)
        expected = [x % modulus for x in row]
        assert [int(x) % modulus for x in got[i]] == expected, (name, i, a[i], b[i], c[i])


def test_bit_fields():
    a, b = integers(U4), integers(U4)

    def row(x, y, at):
        field = x >> at & 0x7F
        signed = field - 128 if field & 0x40 else field
        mask = 0x1FF << at
        return [
            field, signed % 2**32, (x & ~mask | (y << at) & mask) % 2**32,
            (x & 0xFFFFFF) * (y & 0xFF) % 2**32, (x & 0xFFFF) * (y & 0xFF) + 11,
        ]  # fmt: skip

    expected = np.array([row(int(x), int(y), i % 20) for i, (x, y) in enumerate(zip(a, b, strict=True))], np.uint64)
    Case("integer_functions", "bit_fields", ((N, 5), U4), (a, b), expected, launch={"threads": N}).check()


def test_integer_functions_of_vectors():
    a = integers(U4, N, 4)

    def expect(a):
        wide = a.astype(np.uint64)
        turn = np.array([1, 2, 3, 4], np.uint64)
        count = np.bitwise_count(wide)
        leading = np.array([32 - int(x).bit_length() for x in a.flat]).reshape(a.shape)
        rotated = wide << turn | wide >> (np.uint64(32) - turn)
        first = np.abs((wide[:, :1] >> np.uint64(1)).astype(np.int64) - 1000)
        total = count + leading.astype(np.uint64) + rotated + np.maximum(wide, np.uint64(5)) + first.astype(np.uint64)
        return (total % np.uint64(2**32)).astype(U4)

    Case("integer_functions", "vectors", ((N, 4), U4), (a,), expect, launch={"threads": N}).check()


@pytest.mark.parametrize(("name", "dtype"), [("float", F4), ("half", np.float16)])
def test_classification(name, dtype):
    tiny = np.finfo(dtype).tiny
    x = np.array([0, -0.0, 1, -2.5, math.inf, -math.inf, math.nan, tiny, tiny / 2, -tiny, np.finfo(dtype).max], dtype)
    y = np.array([0, 1, math.nan, 1, 1, 1, 1, math.nan, 1, 1, 1], dtype)

    def expect(x, y):
        unordered = np.isnan(x) | np.isnan(y)
        normal = np.isfinite(x) & (np.abs(x) >= tiny)
        return np.stack(
            [np.isnan(x), np.isinf(x), np.isfinite(x), normal, ~unordered, unordered, np.signbit(x)], axis=1
        )

    Case(
        "relational_functions", f"classify_{name}", ((len(x), 7), np.uint8), (x, y), expect, launch={"threads": len(x)}
    ).check()


def test_select():
    x, y = rng.standard_normal(N).astype(F4), rng.integers(0, 8, N, np.int32)
    x[3] = math.nan

    def expect(x, y):
        return np.where(y > 3, -x, x) + np.where(np.isnan(x), F4(100), F4(1))

    Case("relational_functions", "choose", (N, F4), (x, y), expect).check()


# ---- geometric functions: sums of a few products, so errors are relative to the largest term ----


def points():
    a, b = np.zeros((2, N, 4), F4)
    a[:, :3], b[:, :3] = rng.standard_normal((2, N, 3))
    return a, b


def row_dot(a, b):
    return (a * b).sum(axis=-1)


def test_geometric_scalars():
    a, b = points()
    got = Case("geometric_functions", "scalars", ((N, 7), F4), (a, b), None, launch={"threads": N}).run()
    u, v = a[:, :3].astype(float), b[:, :3].astype(float)
    exact = [
        row_dot(u, v), np.linalg.norm(u, axis=1), row_dot(u, u), np.linalg.norm(u - v, axis=1), row_dot(u - v, u - v),
        row_dot(u[:, :2], v[:, 1::-1]), np.sqrt(row_dot(u, u) + 4),
    ]  # fmt: skip
    np.testing.assert_allclose(got, np.stack(exact, axis=1), rtol=4e-7, atol=1e-6)


def test_geometric_functions_of_vectors_and_scalars():
    a, b = points()
    packed = np.ascontiguousarray(b[:, :3])
    got = Case("geometric_functions", "with_scalars", ((N, 4), F4), (a, packed), None, launch={"threads": N}).run()
    u, v = a[:, :3].astype(float), b[:, :3].astype(float)
    exact = [u.sum(axis=1), 2 * v.sum(axis=1), np.linalg.norm(u - 0.5, axis=1), row_dot(u - v, u - v)]
    np.testing.assert_allclose(got, np.stack(exact, axis=1), rtol=4e-7, atol=1e-6)


def test_geometric_vectors():
    a, b = points()
    got = Case("geometric_functions", "vectors", ((N, 5, 3), F4), (a, b), None, launch={"threads": N}).run()
    u, v = a[:, :3].astype(float), b[:, :3].astype(float)
    i, n = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (u, v))
    cosine = row_dot(n, i)[:, None]
    k = 1 - 0.25 * (1 - cosine**2)
    exact = [
        np.cross(u, v), i, u - 2 * row_dot(n, u)[:, None] * n, np.where(row_dot(u, v)[:, None] < 0, u, -u),
        np.where(k < 0, 0, 0.5 * i - (0.5 * cosine + np.sqrt(np.maximum(k, 0))) * n),
    ]  # fmt: skip
    np.testing.assert_allclose(got, np.stack(exact, axis=1), rtol=1e-6, atol=2e-6)


def test_geometric_halves():
    a, b = rng.standard_normal((2, N, 4)).astype(np.float16)
    got = Case("geometric_functions", "halves", (N, np.float16), (a, b), None, launch={"threads": N}).run()
    u, v = a.astype(float), b.astype(float)
    np.testing.assert_allclose(got.astype(float), row_dot(u, v) + np.linalg.norm(u[:, :2], axis=1), rtol=0, atol=0.02)


# ---- bits ----


def test_as_type():
    x = rng.standard_normal(N).astype(F4)
    Case("as_type", "bits", (N, U4), (x,), lambda x: (-x).view(U4)).check()
    words = integers(U4)
    halves = Case("as_type", "halves", ((N, 2), np.float16), (words,), None, launch={"threads": N}).run()
    np.testing.assert_array_equal(halves.view(U4).ravel(), words)
    Case("as_type", "bytes", (N, U4), (words,), lambda x: x.byteswap()).check()
    b = x.astype(ml_dtypes.bfloat16)
    Case(
        "as_type", "bfloats", (N, np.uint16), (b,), lambda b: b.view(np.uint16) + np.float16(1).view(np.uint16)
    ).check()
    pairs = integers(U4, N, 2)
    one = np.array([1, 0], F4).view(np.uint64)
    Case(
        "as_type", "wide", (N, np.uint64), (pairs,), lambda p: p.view(np.uint64).ravel() + one, launch={"threads": N}
    ).check()


def test_pack():
    x = rng.uniform(-1.2, 1.2, (N, 4)).astype(F4)
    got = Case("packing", "pack", ((N, 3), U4), (x,), None, launch={"threads": N}).run()
    unorm = np.rint(np.clip(x, 0, 1) * 255).astype(np.int64)
    found = got[:, 0].copy().view(np.uint8).reshape(N, 4)
    np.testing.assert_array_equal(found, unorm)
    snorm = np.rint(np.clip(x[:, :2], -1, 1) * 32767).astype(np.int64)
    np.testing.assert_array_equal(got[:, 1].copy().view(np.int16).reshape(N, 2), snorm)
    halves = np.rint(np.clip(x.astype(np.float16).astype(float), 0, 1) * 255)
    assert np.abs(got[:, 2].copy().view(np.uint8).reshape(N, 4) - halves).max() <= 1


def test_unpack():
    x = integers(U4)
    got = Case("packing", "unpack", ((N, 2, 4), F4), (x,), None, launch={"threads": N}).run()
    bytes_ = x.view(np.uint8).reshape(N, 4) / 255
    signed = np.maximum(x.view(np.int16).reshape(N, 2) / 32767, -1)
    unsigned = x.view(np.uint16).reshape(N, 2) / 65535
    np.testing.assert_allclose(got[:, 0], bytes_, rtol=2e-7)
    np.testing.assert_allclose(got[:, 1], np.concatenate([signed, unsigned], axis=1), rtol=2e-7)
