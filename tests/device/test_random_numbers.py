"""Distributions: exact values where they can be known, errors of the functions behind them, moments, chi-square."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

import metalpy as mp
from metalpy.shader_files import shader_folder
from tests.helpers import philox

DTYPES = ["float32", "float16", "bfloat16"]
DIGITS = {"float32": 24, "float16": 11, "bfloat16": 8}


@pytest.fixture
def generator(device):
    return mp.Generator(device, seed=1234)


@pytest.fixture
def bodies(device):
    """The functions of distributions.h, one element a thread."""
    source = """
    #include "distributions.h"
    using namespace metalpy;
    kernel void logs(device float* out, const device uint* w, uint i [[thread_position_in_grid]]) {
      out[i] = minus_log(w[i]);
    }
    kernel void circle(device float2* out, const device uint* w, uint i [[thread_position_in_grid]]) {
      out[i] = on_circle(w[i]);
    }
    kernel void high(device ulong* out, const device ulong* a, uint i [[thread_position_in_grid]]) {
      out[i] = high_product(a[2 * i], a[2 * i + 1]);
    }"""
    return mp.mps.compile_shader(source, include_dirs=shader_folder(), device=device)


def chi_square(counts, expected=None):
    """How many standard deviations the statistic is above its mean."""
    counts = np.asarray(counts, float)
    expected = counts.sum() / counts.size if expected is None else np.asarray(expected, float)
    freedom = counts.size - 1
    return (((counts - expected) ** 2 / expected).sum() - freedom) / math.sqrt(2 * freedom)


def furthest(sample, distribution):
    """Kolmogorov's and Smirnov's statistic, times the root of the sample's size: above 1.95 once in 1000."""
    x = np.sort(np.asarray(sample, np.float64).ravel())
    steps = np.arange(x.size + 1) / x.size
    below = np.asarray(distribution(x))
    return max((steps[1:] - below).max(), (below - steps[:-1]).max()) * math.sqrt(x.size)


def words_of_interest(rng):
    edges = [
        w for at in (0, 2**31, 2**32, 0xB504F334, 2**29, 2**30, 3 * 2**29, 3 * 2**30) for w in range(at - 64, at + 64)
    ]
    powers = [2**k + d for k in range(32) for d in (-1, 0, 1)]
    return np.concatenate([np.array([w for w in edges + powers if 0 <= w < 2**32], np.uint32),
                           rng.integers(0, 2**32, 1 << 20, np.uint32)])  # fmt: skip


# ---- accuracy, as shaders/distributions.h states it ----


def test_logarithm(device, bodies, rng):
    w = words_of_interest(rng)
    out = mp.empty(w.size, np.float32, device)
    bodies.logs(out, mp.array(w, device=device))
    got = out.numpy().astype(np.float64)
    u = (w.astype(np.float64) + 0.5) / 2**32
    want = np.where(u > 0.5, -np.log1p(-(2.0**32 - 0.5 - w) / 2**32), -np.log(u))
    assert np.abs(got / want - 1).max() < 2**-22
    assert got.min() >= 2.0**-33 and got.max() < 23
    order = np.argsort(w, kind="stable")
    assert (np.diff(got[order]) <= got[order][1:] * 2**-22).all()  # falls, apart from rounding


def test_circle(device, bodies, rng):
    w = words_of_interest(rng)
    out = mp.empty((w.size, 2), np.float32, device)
    bodies.circle(out, mp.array(w, device=device), threads=w.size)
    turn = w.astype(np.float64) * (2 * np.pi / 2**32)
    assert np.abs(out.numpy() - np.stack([np.cos(turn), np.sin(turn)], axis=1)).max() < 2**-23


def test_high_product(device, bodies, rng):
    a = rng.integers(0, 2**64, (1000, 2), np.uint64)
    a[:4] = [[2**64 - 1, 2**64 - 1], [2**32, 2**32], [2**32 - 1, 2**32 + 1], [0, 5]]
    out = mp.empty(1000, np.uint64, device)
    bodies.high(out, mp.array(a, device=device))
    assert out.tolist() == [int(x) * int(y) >> 64 for x, y in a]


def test_normal_numbers(device):
    n = 1 << 20
    got = mp.Generator(device, seed=3).normal(size=n).numpy().astype(np.float64)
    w = philox.words(n, 3).astype(np.float64).reshape(-1, 2)
    radius, turn = np.sqrt(-2 * np.log((w[:, 0] + 0.5) / 2**32)), w[:, 1] * (2 * np.pi / 2**32)
    want = np.stack([radius * np.cos(turn), radius * np.sin(turn)], axis=1).ravel()
    assert np.abs(got - want).max() < 2e-6
    for dtype in DTYPES[1:]:
        rounded = mp.Generator(device, seed=3).normal(-1, 2, n, dtype).numpy()
        exact = mp.Generator(device, seed=3).normal(-1, 2, n).numpy()
        assert np.array_equal(rounded, exact.astype(mp.dtypes.as_dtype(dtype)))


# ---- real numbers ----


@pytest.mark.parametrize("dtype", DTYPES)
def test_random(device, dtype):
    n, digits = 1 << 20, DIGITS[dtype]
    x = mp.Generator(device, seed=7).random(n, dtype)
    assert x.dtype == mp.dtypes.as_dtype(dtype)
    got = x.numpy().astype(np.float64)
    assert np.array_equal(got, (philox.words(n, 7) >> np.uint32(32 - digits)) / 2.0**digits)
    assert got.min() >= 0 and got.max() < 1
    assert abs(got.mean() - (1 - 2.0**-digits) / 2) < 5 * math.sqrt(1 / 12 / n)
    assert abs(got.var() - 1 / 12) < 5 * math.sqrt(1 / 180 / n)
    assert chi_square(np.bincount((got * 128).astype(int), minlength=128)) < 4


def test_uniform_fits_its_distribution(generator):
    assert furthest(generator.uniform(-3, 5, 100_000), lambda x: (x + 3) / 8) < 1.95


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("low,high", [(-1, 1), (1, 1 + 2**-6), (0, 1e-3), (-30000, 65000), (100, 101), (0, 3), (5, 5)])
def test_uniform_keeps_its_bounds(generator, dtype, low, high):
    x = generator.uniform(low, high, 100_000, dtype).numpy()
    first, last = np.array(low, x.dtype), np.array(high, x.dtype)
    assert (x >= first).all()
    assert (x < last).all() if first < last else (x == first).all()


def test_uniform_with_wide_bounds(generator):
    x = generator.uniform(-1e38, 2e38, 1000).numpy()
    assert np.isfinite(x).all() and x.min() < -8e37 and x.max() > 1.8e38


@pytest.mark.parametrize("dtype,tolerance", [("float32", 0), ("float16", 2e-3), ("bfloat16", 2e-2)])
def test_normal(generator, dtype, tolerance):
    n = 1 << 20
    z = (generator.normal(3, 2, n, dtype).numpy().astype(np.float64) - 3) / 2
    assert abs(z.mean()) < 5 / math.sqrt(n) + tolerance
    assert abs(z.std() - 1) < 5 / math.sqrt(2 * n) + tolerance
    assert abs((z**3).mean()) < 5 * math.sqrt(15 / n) + tolerance
    assert abs((z**4).mean() - 3) < 5 * math.sqrt(96 / n) + 10 * tolerance
    assert 4 < np.abs(z).max() < 6.8


def test_normal_fits_its_distribution(generator):
    x = generator.standard_normal(100_000).numpy()
    assert furthest(x, lambda x: [0.5 * math.erfc(-v / math.sqrt(2)) for v in x]) < 1.95
    pairs = x.reshape(-1, 2).astype(np.float64)
    assert abs(np.corrcoef(pairs.T)[0, 1]) < 5 / math.sqrt(len(pairs))
    assert abs(np.corrcoef((pairs**2).T)[0, 1]) < 5 / math.sqrt(len(pairs))


def test_normal_without_spread(generator):
    assert (generator.normal(2.5, 0, 100).numpy() == 2.5).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_exponential_is_never_zero(device, dtype):
    g = mp.Generator(device, seed=11)
    for scale in (1.0, 1e-6, 1e4):
        x = g.exponential(scale, (100, 32_000), dtype).numpy().astype(np.float64)
        assert (x > 0).all() and np.isfinite(x).all()


def test_exponential(generator):
    n = 1 << 20
    x = generator.exponential(3, n).numpy().astype(np.float64) / 3
    assert abs(x.mean() - 1) < 5 / math.sqrt(n)
    assert abs((x**2).mean() - 2) < 5 * math.sqrt(20 / n)
    assert furthest(x[:100_000], lambda x: -np.expm1(-x)) < 1.95
    assert (generator.exponential(0, 10).numpy() == 0).all()


# ---- integers ----


@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "bool"])
def test_integers_of_every_dtype(generator, dtype):
    limits = np.iinfo(dtype) if dtype != "bool" else None
    low, high = (limits.min, limits.max) if limits else (0, 1)
    n = 20_000
    every = generator.integers(low, high, n, dtype, endpoint=True)
    assert every.dtype == np.dtype(dtype)
    shares = (every.numpy().astype(np.float64) - low) / (high - low)
    assert abs(shares.mean() - 0.5) < 0.02
    few = generator.integers(low, min(low + 7, high + 1), n, dtype).numpy()
    assert chi_square(np.unique(few, return_counts=True)[1]) < 4
    assert few.min() == low and few.max() == min(low + 6, high)


@pytest.mark.parametrize("low,size", [(0, 1), (-5, 11), (100, 2**31), (-(2**31), 2**31 + 1), (7, 3_000_000_000),
                                      (0, 2**32 - 1), (-1, 2**32)])  # fmt: skip
def test_integers_are_lemires(device, low, size):
    """With the words that are rejected: nearly half of them for 2**31 + 1."""
    got = mp.Generator(device, seed=21).integers(low, low + size, 1001)
    want = philox.bounded(lambda n, attempt: philox.words(n, 21, attempt=attempt), 1001, low, size, 32)
    assert got.tolist() == want.tolist()


@pytest.mark.parametrize("low,size", [(0, 2**32 + 1), (-(2**62), 2**63 + 1), (-3, 3 * 2**61), (-(2**63), 2**64)])
def test_long_integers_are_lemires(device, low, size):
    got = mp.Generator(device, seed=22).integers(low, low + size, 1001)
    want = philox.bounded(lambda n, attempt: philox.pairs(n, 22, attempt=attempt), 1001, low, size, 64)
    assert got.tolist() == want.tolist()


def test_integers_have_no_bias(generator):
    """Words modulo 3 * 2**30 would fall into its first third twice as often."""
    x = generator.integers(0, 3 * 2**30, 300_000)
    assert chi_square(np.bincount(x.numpy() // 2**30)) < 4


def test_randint(device):
    a, b = mp.Generator(device, seed=4), mp.Generator(device, seed=4)
    assert a.randint(6, size=9).tolist() == b.integers(6, size=9).tolist()
    assert a.randint(2, 6, (3, 3)).tolist() == b.integers(2, 5, (3, 3), endpoint=True).tolist()


@pytest.mark.parametrize("dtype", ["bool", "u1", "i4", "i8", *DTYPES])
@pytest.mark.parametrize("p", [0, 0.3, 1])
def test_bernoulli(device, dtype, p):
    n = 100_001
    x = mp.Generator(device, seed=9).bernoulli(p, n, dtype)
    assert x.dtype == mp.dtypes.as_dtype(dtype)
    assert np.array_equal(x.numpy().astype(bool), philox.words(n, 9) < round(p * 2**32))
    assert set(np.unique(x.numpy().astype(float))) <= {0.0, 1.0}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("p", [0, 0.1, 0.5, 0.9, 1])
def test_dropout_mask(generator, dtype, p):
    mask = generator.dropout_mask((1000, 1000), p, dtype).numpy()
    assert abs((mask == 0).mean() - p) < 1e-2
    kept = mask[mask != 0]
    assert kept.size == 0 if p == 1 else (kept == np.array(1 / (1 - p), mask.dtype)).all()


# ---- order ----


@pytest.mark.parametrize("n", [0, 1, 2, 100, 2048, 2049, 100_001])
def test_permutation_has_every_element_once(generator, n):
    assert np.array_equal(np.sort(generator.permutation(n).numpy()), np.arange(n))
    assert generator.get_offset() == 2


def test_every_permutation_is_as_likely(generator):
    orders = {order: 0 for order in itertools.permutations(range(4))}
    for _ in range(2400):
        orders[tuple(generator.permutation(4).tolist())] += 1
    assert chi_square(list(orders.values())) < 4


def test_large_permutations_have_no_pattern(generator):
    """Where elements go, by sixteenths; neighbours; elements that stay."""
    n = 1 << 16
    p = generator.permutation(n).numpy()
    assert chi_square(np.histogram2d(np.arange(n), p, bins=16)[0].ravel()) < 4
    assert abs(np.corrcoef(p[1:], p[:-1])[0, 1]) < 5 / math.sqrt(n)
    assert (p == np.arange(n)).sum() < 10


@pytest.mark.parametrize("dtype", ["u1", "f2", "f4", "i8", "c8", np.dtype([("a", "u1"), ("b", "u1"), ("c", "u1")])])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_shuffle(device, dtype, axis):
    host = np.frombuffer(np.random.default_rng(1).bytes(7 * 6 * 5 * np.dtype(dtype).itemsize), dtype).reshape(7, 6, 5)
    host = np.ones((7, 6, 5), dtype) if np.dtype(dtype).kind in "fc" else host
    if np.dtype(dtype).kind in "fc":
        host = np.arange(210).reshape(7, 6, 5).astype(dtype)
    order = mp.Generator(device, seed=6).permutation(host.shape[axis]).numpy()
    want = np.take(host, order, axis=axis)
    x = mp.array(host, device=device)
    copy = mp.Generator(device, seed=6).permutation(x, axis)
    assert np.array_equal(copy.numpy(), want) and np.array_equal(x.numpy(), host)
    mp.Generator(device, seed=6).shuffle(x, axis)
    assert np.array_equal(x.numpy(), want)


def test_shuffle_of_a_view(device):
    x = mp.arange(40, device=device).reshape(8, 5)
    mp.Generator(device, seed=6).shuffle(x[1::2, 1:3])
    got = x.numpy()
    assert np.array_equal(got[::2], np.arange(40).reshape(8, 5)[::2])
    order = mp.Generator(device, seed=6).permutation(4).numpy()
    assert np.array_equal(got[1::2, 1:3], np.arange(40).reshape(8, 5)[1::2, 1:3][order])
    odd = mp.array(np.arange(9, dtype=np.uint8), device=device)[1:]  # at an odd address
    mp.Generator(device, seed=6).shuffle(odd)
    assert sorted(odd.tolist()) == list(range(1, 9))


def test_choice(generator):
    assert chi_square(np.bincount(generator.choice(7, 70_000).numpy())) < 4
    x = mp.array(np.arange(12, dtype=np.int16).reshape(3, 4), device=generator.device)
    rows = generator.choice(x, (2, 5))
    assert rows.shape == (2, 5, 4) and rows.dtype == np.int16
    assert {tuple(row) for row in rows.numpy().reshape(-1, 4).tolist()} <= {tuple(row) for row in x.tolist()}
    columns = generator.choice(x, 2, axis=1)
    assert columns.shape == (3, 2)
    assert generator.choice(x).shape == (4,)
    assert generator.choice(5).shape == ()
    assert generator.choice([3, 5], 4).numpy().max() in (3, 5)
    assert generator.choice(0, 0).shape == (0,)


def test_choice_without_replacement(generator):
    picked = generator.choice(10, (2, 5), replace=False).numpy()
    assert sorted(picked.ravel().tolist()) == list(range(10))
    firsts = [generator.choice(5, 2, replace=False).tolist() for _ in range(1000)]
    assert all(a != b for a, b in firsts)
    assert chi_square(np.bincount(np.ravel(firsts))) < 4


def test_choice_with_weights(generator):
    p = np.array([0, 0.5, 0.25, 0, 0.2, 0.05, 0])
    n = 100_000
    counts = np.bincount(generator.choice(7, n, p=p).numpy(), minlength=7)
    assert (counts[p == 0] == 0).all()
    assert chi_square(counts[p > 0], p[p > 0] * n) < 4
    assert generator.choice(3, 5, p=[0, 1, 0]).tolist() == [1] * 5
    assert generator.choice(2, 5, p=mp.array([0.0, 1.0], dtype=np.float32, device=generator.device)).tolist() == [1] * 5


def test_choice_with_weights_without_replacement(generator):
    p = [0.5, 0.3, 0.2, 0]
    made = [tuple(generator.choice(4, 2, False, p).tolist()) for _ in range(2000)]
    kinds = list(itertools.permutations(range(3), 2))
    want = [p[a] * p[b] / (1 - p[a]) * len(made) for a, b in kinds]
    assert set(made) <= set(kinds)
    assert chi_square([made.count(kind) for kind in kinds], want) < 4


# ---- bad input ----


@pytest.mark.parametrize("call,error,message", [
    (lambda g: g.random(3, "float64"), TypeError, "float32, float16 or bfloat16, not float64"),
    (lambda g: g.normal(dtype=int), TypeError, "float32, float16 or bfloat16"),
    (lambda g: g.uniform(2, 1), ValueError, "low is 2, above high"),
    (lambda g: g.uniform(0, math.inf), ValueError, "high must be finite"),
    (lambda g: g.uniform(0, 1e39), ValueError, "high is too large for float32"),
    (lambda g: g.uniform(0, 1e5, dtype="float16"), ValueError, "high is too large for float16"),
    (lambda g: g.uniform(-3e38, 3e38), ValueError, "too far apart"),
    (lambda g: g.uniform("a"), TypeError, "low is one number, got str"),
    (lambda g: g.uniform([0, 1], 2), TypeError, "low is one number, got list"),
    (lambda g: g.normal(0, -1), ValueError, "scale must not be negative"),
    (lambda g: g.normal(math.nan), ValueError, "loc must be finite"),
    (lambda g: g.exponential(-1), ValueError, "scale must not be negative"),
    (lambda g: g.integers(5, 5), ValueError, "no integer from 5 to 4"),
    (lambda g: g.integers(0), ValueError, "no integer"),
    (lambda g: g.integers(0, 256, dtype="int8"), ValueError, "int8 holds integers from -128 to 127"),
    (lambda g: g.integers(-1, 5, dtype="uint32"), ValueError, "uint32 holds"),
    (lambda g: g.integers(0, 3, dtype=bool), ValueError, "bool holds"),
    (lambda g: g.integers(2**64), ValueError, "int64 holds"),
    (lambda g: g.integers(1.5), TypeError, "low and high are integers"),
    (lambda g: g.integers(0, 5, dtype="float32"), TypeError, "integer dtypes and bool"),
    (lambda g: g.bernoulli(1.5), ValueError, "p is a probability"),
    (lambda g: g.bernoulli(math.nan), ValueError, "p must be finite"),
    (lambda g: g.bernoulli(0.5, 3, "complex64"), TypeError, "1 and 0 are made"),
    (lambda g: g.dropout_mask(3, -0.1), ValueError, "p is a probability"),
    (lambda g: g.dropout_mask(3, 0.5, int), TypeError, "float32, float16 or bfloat16"),
    (lambda g: g.permutation(-1), ValueError, "must not be negative"),
    (lambda g: g.permutation(2**32), ValueError, "at most"),
    (lambda g: g.permutation(mp.zeros(())), TypeError, "only an integer array"),
    (lambda g: g.shuffle(mp.zeros(())), ValueError, "no order"),
    (lambda g: g.permutation(mp.zeros(3), 1), ValueError, "axis 1 is out of bounds"),
    (lambda g: g.shuffle(np.zeros(3)), TypeError, "not on a ndarray"),
    (lambda g: g.choice(0, 3), ValueError, "nothing to choose from"),
    (lambda g: g.choice(3, 4, replace=False), ValueError, "4 elements cannot be chosen from 3"),
    (lambda g: g.choice(3, 2, p=[0.5, 0.5]), ValueError, "p has shape"),
    (lambda g: g.choice(2, 2, p=[0.5, 0.6]), ValueError, "p must sum to 1"),
    (lambda g: g.choice(2, 2, p=[1.5, -0.5]), ValueError, "negative"),
    (lambda g: g.choice(2, 2, False, [1, 0]), ValueError, "only 1 elements above 0"),
    (lambda g: g.choice(2, 2, p=["a", "b"]), TypeError, "real numbers"),
])  # fmt: skip
def test_bad_input(generator, call, error, message):
    with pytest.raises(error, match=message):
        call(generator)
    assert generator.get_offset() == 0


def test_read_only_arrays_are_not_shuffled(generator):
    host = np.arange(4096, dtype=np.float32)
    host.flags.writeable = False
    x = mp.from_dlpack(host, device=generator.device)
    if x.writable:
        pytest.skip("this device has copied the array")
    with pytest.raises(ValueError, match="read-only"):
        generator.shuffle(x)
