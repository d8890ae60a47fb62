"""The two executors of the software device on the same kernels: bit for bit the same, and right."""

from __future__ import annotations

import math
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

import metalpy as mp
from metalpy.compiler.cache import Cache
from metalpy.compiler.compilation import compile_source
from metalpy.compiler.options import make_options
from metalpy.compiler.source import read_source
from metalpy.mps.shader import ShaderLibrary

SOURCE = Path(__file__).parent / "kernels" / "executors.metal"
EXECUTORS = ("spmd", "reference")
COUNT = 1000
GROUPS = [256, 32, 100, 16, 7, 1]  # of 1000 threads: whole simdgroups, then partial ones; the last group is partial


@pytest.fixture(scope="module")
def libraries():
    """The kernels by executor."""
    if mp.device().driver != "software":
        pytest.skip("the executors are the software device's")
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        for executor in EXECUTORS:
            patch.setenv("METALPY_EXECUTOR", executor)
            found[executor] = library = mp.compile_file(SOURCE)
            assert {name: library[name].executor for name in library} == dict.fromkeys(library, executor)
    return found


@pytest.fixture
def numbers(rng):
    return rng.integers(-(1 << 20), 1 << 20, COUNT, dtype=np.int32)


def launch(libraries, name, arrays, values=(), **grid):
    """What the kernel leaves in its arrays, which both executors must agree upon."""
    results = []
    for executor in EXECUTORS:
        on_device = [mp.array(a) for a in arrays]
        libraries[executor][name](*on_device[:2], *values, *on_device[2:], **grid)
        results.append([a.numpy().copy() for a in on_device])
    for one, other in zip(*results, strict=True):
        assert one.tobytes() == other.tobytes()
    return results[0]


def early_return(v, i, n):
    return -7 if i % n == 1 else -1 if v < 0 else v * 3 + 1


def nested_loops(v, i, n):
    v, s = v & 0xFF, 0
    for j in range(v % 7 + 1):
        if j == 3 and v % 2:
            continue
        k = 0
        while k * k <= v:
            if (k ^ j) % 3 != 1:
                s += k * j + n
                if s > 150:
                    return s
            k += 1
    return s


def switched(v, i, n):
    match v & 7:
        case 0:
            return n + 5
        case 1:
            return n * 3 - v
        case 2:
            return n - v
        case 5:
            return 77
        case 6:
            return n + sum(range(v & 31))
    return n ^ v


def carried(v, i, n):
    x, k, largest = (v & 0x3FF) + 1, 0, 0
    while x > 1 and k < n * 10:
        x = 3 * x + 1 if x & 1 else x >> 1
        largest = max(largest, x)
        k += 1
    return k * 100003 + x * 7 + largest


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("n", [3, 5])
@pytest.mark.parametrize("model", [early_return, nested_loops, switched, carried], ids=lambda f: f.__name__)
def test_control_flow(libraries, numbers, model, n, group):
    untouched = np.full(COUNT, -7, np.int32)
    out, _ = launch(libraries, model.__name__, [untouched, numbers], [n], group_size=group)
    np.testing.assert_array_equal(out, [model(int(v), i, n) for i, v in enumerate(numbers)])


def groups_of(size):
    """The thread numbers of each threadgroup."""
    return [range(start, min(start + size, COUNT)) for start in range(0, COUNT, size)]


@pytest.mark.parametrize("group", GROUPS)
def test_barriers_and_private_arrays(libraries, numbers, group):
    n, expected = 11, np.zeros(COUNT, np.int32)
    out, _ = launch(libraries, "private_arrays", [expected, numbers], [n], group_size=group)
    for members in groups_of(group):
        mine = {i: [0] * 4 for i in members}
        for r in range(4):
            shared = [int(numbers[i]) + r * n for i in members]
            for at, i in enumerate(members):
                mine[i][(r + i) & 3] = shared[at] ^ shared[(at + 5 * r + 1) % len(members)]
        for i, (a, b, c, d) in mine.items():
            expected[i] = a + 3 * b + 5 * c + 7 * d
    np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("n", [3, 4])
@pytest.mark.parametrize("group", [256, 32, 96, 40])
def test_lanes_that_leave_between_barriers(libraries, numbers, group, n):
    out, _ = launch(libraries, "leaving", [np.zeros(COUNT, np.int32), numbers], [n], group_size=group)
    expected = np.zeros(COUNT, np.int64)
    for members in groups_of(group):
        for at, i in enumerate(members):
            if i % 8 == 7:
                continue
            v = int(numbers[i]) + int(numbers[members[at ^ (at % 2)]])
            if not (n > 3 and v & 1):
                v = -v if v & 2 else v + 1000 + v
            expected[i] = v
    np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("group", GROUPS)
def test_simdgroups_at_different_barriers(libraries, numbers, group):
    n = 5
    out, _ = launch(libraries, "parted", [np.zeros(COUNT, np.int32), numbers], [n], group_size=group)
    expected = np.zeros(COUNT, np.int64)
    for members in groups_of(group):
        for at, i in enumerate(members):
            simdgroup, other = at // 32, int(numbers[members[(at + 32) % len(members)]])
            v = int(numbers[i]) + (other if simdgroup % 2 else -n * other)
            for k in range(simdgroup):
                v = v * 3 + k
            expected[i] = v
    np.testing.assert_array_equal(out, expected.astype(np.int32))


GRIDS = [
    ((70,), (32,)), ((33, 9), (16, 4)), ((32, 32), (16, 16)), ((20, 10), (32, 8)), ((17, 5), (5, 3)),
    ((64, 6), (64, 3)), ((16, 7), (16, 3)), ((10, 6, 5), (4, 4, 2)), ((33, 3, 3), (32, 2, 2)), ((16, 4, 6), (16, 2, 4)),
]  # fmt: skip


@pytest.mark.parametrize(("threads", "group_size"), GRIDS)
def test_places(libraries, threads, group_size):
    x, y, z = (*threads, 1, 1)[:3]
    gx, gy, gz = (*group_size, 1, 1)[:3]
    zs, ys, xs = (axis.ravel() for axis in np.indices((z, y, x)))
    sx, sy, sz = (np.minimum(g, n - at // g * g) for g, n, at in ((gx, x, xs), (gy, y, ys), (gz, z, zs)))
    index = xs % gx + sx * (ys % gy + sy * (zs % gz))
    expected = np.stack([xs % gx + 100 * (ys % gy) + 10000 * (zs % gz), index, sx + 100 * sy + 10000 * sz, index % 32])
    grid = {"threads": threads, "group_size": group_size}
    (out,) = launch(libraries, "places", [np.zeros((len(xs), 4), np.uint32)], **grid)
    np.testing.assert_array_equal(out, expected.T)


# Threadgroups that fill simdgroups: 32 wide or more, or 16 wide and of even height. Some at the edges are smaller.
FILLED = [((1024,), (256,)), ((64, 7), (64, 3)), ((32, 32), (32, 8)), ((32, 12), (16, 8)), ((16, 8, 5), (16, 4, 2))]


@pytest.mark.parametrize("name", ["private_arrays", "leaving", "parted", "simdgroups", "nested_loops"])
def test_launches_of_filled_simdgroups(libraries, tmp_path, rng, name, monkeypatch):
    """Code that is compiled for the first launch alone, and for any after the first that does not fit."""
    monkeypatch.setenv("METALPY_EXECUTOR", "spmd")
    options = make_options()
    library = ShaderLibrary(compile_source(read_source(SOURCE.read_text()), options, Cache(tmp_path)), mp.device())
    kernel = library[name]
    numbers = rng.integers(-(1 << 20), 1 << 20, 1024, dtype=np.int32)
    for count, group in ((1024, 256), (1000, 256), (1024, 64)):
        results = []
        for one in (kernel, libraries["reference"][name]):
            out = mp.zeros(1024, dtype=np.int32)
            one(out, mp.array(numbers), 11, threads=count, group_size=group)
            results.append(out.numpy())
        np.testing.assert_array_equal(*results)
        assert results[0].any()
    assert kernel.executor == "spmd"
    assert len(list(tmp_path.glob("*/*.so"))) == 2


@pytest.mark.parametrize(("threads", "group_size"), FILLED)
def test_places_in_filled_simdgroups(libraries, tmp_path, threads, group_size):
    library = ShaderLibrary(
        compile_source(read_source(SOURCE.read_text()), make_options(), Cache(tmp_path)), mp.device()
    )
    results = []
    for one in (library.places, libraries["reference"].places):
        out = mp.zeros((math.prod(threads), 4), dtype=np.uint32)
        one(out, threads=threads, group_size=group_size)
        results.append(out.numpy())
    np.testing.assert_array_equal(*results)
    assert len(list(tmp_path.glob("*/*.so"))) == 1


@pytest.mark.parametrize("group", GROUPS)
def test_atomics(libraries, numbers, group):
    out, _ = launch(libraries, "atomics", [np.zeros(11, np.int32), numbers], [3], threads=COUNT, group_size=group)
    expected = [numbers[numbers & 7 == k].sum() for k in range(8)]
    expected += [max(0, numbers[numbers & 1 == 1].max()), 3 * COUNT, (numbers & 3).sum()]
    np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("n", [0, 1, 250, 40000])
@pytest.mark.parametrize("group", [256, 1000, 100])
def test_narrow_numbers_wrap_around(libraries, numbers, group, n):
    table = numbers[:256]
    out, _ = launch(libraries, "wrapping", [np.zeros(COUNT, np.int32), table], [n & 255, n], group_size=group)
    at = np.arange(COUNT) % group
    far = at - 3
    last = np.where((far >= 0) & (far < 1000), 5 * table[far & 255], 0)
    np.testing.assert_array_equal(out, table[(at + n) % 256] + 3 * table[(at * 4096 + n) % 65536 >> 8] + last)


@pytest.mark.parametrize("group", GROUPS)
def test_scalar_types(libraries, numbers, rng, group):
    flags, halves = rng.integers(0, 2, COUNT).astype(bool), (rng.integers(-64, 64, COUNT) / 8).astype(np.float16)
    bfloats, chars = rng.standard_normal(COUNT).astype(ml_dtypes.bfloat16), rng.integers(0, 256, COUNT, np.uint8)
    arrays = [np.zeros(COUNT, np.int32), numbers, flags, halves, bfloats, np.zeros(COUNT, np.int64),
              np.zeros(COUNT, np.uint64), chars]  # fmt: skip
    n = int(numbers[5])
    made = launch(libraries, "scalars", arrays, [n], group_size=group)
    odd = numbers & 1 == 1
    step = ((numbers & 31) / 8).astype(np.float16)
    wide = numbers.astype(np.int64) * 0x123456789
    unsigned = wide.view(np.uint64)
    expected = [
        (flags != odd) & (numbers != n), halves + np.where(odd, step, -step),
        (bfloats.astype(np.float32) * np.where(odd, 2, -0.5).astype(np.float32)).astype(ml_dtypes.bfloat16),
        (wide >> (numbers & 31)) ^ np.arange(COUNT),
        unsigned // ((numbers & 7) + 1).astype(np.uint64) + unsigned % ((numbers & 15) + 1).astype(np.uint64),
        (numbers * 3).astype(np.uint8) + chars,
    ]  # fmt: skip
    for got, want in zip(made[2:], expected, strict=True):
        assert got.tobytes() == want.tobytes()
    np.testing.assert_array_equal(made[0], expected[0] + (expected[1] * 8).astype(np.int32))


@pytest.mark.parametrize("group", GROUPS)
def test_vectors(libraries, numbers, rng, group):
    fours = rng.integers(-100, 100, (COUNT, 4)).astype(np.float32)
    threes = rng.integers(-100, 100, (COUNT, 4)).astype(np.int32)  # take the room of four
    packed = rng.integers(-100, 100, (COUNT, 3)).astype(np.float32)
    chars = rng.integers(0, 256, (COUNT, 4), np.uint8)
    arrays = [np.zeros(COUNT, np.int32), numbers, fours, threes, packed, chars]
    out, _, *made = launch(libraries, "vectors", arrays, [9], group_size=group)
    odd = numbers & 1
    other = np.stack([fours[:, 0], fours[:, 1], fours[:, 0] + fours[:, 1], numbers & 15], 1)
    four = np.where(odd[:, None] == 1, fours[:, ::-1] * 2, other).astype(np.float32)
    three = threes[:, :3].copy()
    three[np.arange(COUNT), odd] += 9
    np.testing.assert_array_equal(made[0], four)
    np.testing.assert_array_equal(made[1][:, :3], three[:, [2, 0, 1]])
    np.testing.assert_array_equal(made[2], packed + np.float32([1, 2, 3]) * (numbers & 3)[:, None])
    np.testing.assert_array_equal(made[3], chars[:, [1, 0, 3, 2]] + numbers.astype(np.uint8)[:, None])
    np.testing.assert_array_equal(out, four @ np.float32([1, 2, 4, 8]) + three[:, 0])


@pytest.mark.parametrize("group", [256, 32, 100, 16])
def test_simdgroup_functions_of_the_lanes_that_are_left(libraries, numbers, group):
    n = 5
    out, _ = launch(libraries, "simdgroups", [np.zeros(COUNT, np.int32), numbers], [n], group_size=group)
    expected = np.zeros(COUNT, np.int64)
    for members in groups_of(group):
        for start in range(0, len(members), 32):
            lanes = {i: int(numbers[i]) & 15 for i in members[start : start + 32]}
            sums = dict.fromkeys(lanes, 0)
            for k in range(15):
                active = [i for i, v in lanes.items() if k < v]
                ballot = sum(1 << (i - members[start]) for i in active if lanes[i] > 7)
                for i in active:
                    sums[i] += len(active) * (k + n)
                    if k & 1:
                        sums[i] ^= ballot & 0xFF
            first = members[start]
            for i, s in sums.items():
                expected[i] = s + lanes.get(first + ((i - first) ^ 1), 0)
    np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("group", GROUPS)
def test_vectors_without_padding(libraries, rng, group):
    given = rng.integers(-(1 << 15), 1 << 15, (COUNT, 3), dtype=np.int16)
    out, _ = launch(libraries, "packed", [np.zeros_like(given), given], [COUNT], threads=COUNT, group_size=group)
    i = np.arange(COUNT)
    held = given.copy()
    held[i, i % 3] = given[(i * 7 + 3) % COUNT, 0]
    np.testing.assert_array_equal(out, held[:, ::-1])


@pytest.mark.parametrize("group", GROUPS)
def test_structs_that_functions_return(libraries, group):
    given = np.arange(COUNT, dtype=np.float32)
    out, _ = launch(libraries, "returned", [np.zeros_like(given), given], threads=COUNT, group_size=group)
    i = np.arange(COUNT)
    made = given[:, None] * np.arange(6) + (i % 5)[:, None]
    np.testing.assert_array_equal(out, sum(made[i, (k * i) % 6] for k in range(6)))


@pytest.mark.parametrize("count", [32, 45, 5])
def test_shuffles_from_lanes_that_do_not_exist(libraries, count):
    (out,) = launch(libraries, "shuffled_twice", [np.zeros(count, np.int16)], threads=count, group_size=64)
    exists = np.arange(64) < count
    lane = np.arange(64) & 31
    rotated = np.where(exists[np.arange(64) - lane + (lane + 4) % 32], -7, 0)
    last = np.arange(64) | 3  # of the four; it is what the first one gets
    np.testing.assert_array_equal(out, np.where((lane % 4 == 0) & exists[last], rotated[last], 0)[:count])


@pytest.mark.parametrize(("high", "low"), [(3, 5), (1, 0xFFFFFFFF)])
def test_words_that_change_places(libraries, high, low):
    (out,) = launch(libraries, "swapped_words", [np.zeros(40, np.uint64)], [high, low], threads=40)
    words = low << 32 | high & 2
    assert set(out.tolist()) == {(high & 2) << 2 ^ words}


@pytest.mark.parametrize("count", [45, 64, 13])
def test_shuffles_from_a_lane_that_takes_no_part(libraries, count):
    given = np.arange(7, 71, dtype=np.int16)
    out, _ = launch(libraries, "shuffled_in_an_arm", [np.full(64, -2, np.int16), given], threads=count, group_size=64)
    i = np.arange(64)
    source = i - i % 32 + (i % 32 - 11) % 32
    got = np.where((source % 32 != 0) & (source < count), given[source], 0)
    got[i % 32 == 0] = -1
    np.testing.assert_array_equal(out, np.where((i < count) & (got != given[0]), got, -2))


@pytest.mark.parametrize("n", [20, 40])
def test_indices_that_come_again(libraries, numbers, n):
    """Of LLVM 22's loop vectorizer, which takes ``p[k % 4 + ...]`` for ``p[k + ...]``, nothing must be seen."""
    out, _ = launch(libraries, "folded", [np.zeros(COUNT, np.int32), numbers], [n])
    table = np.where(np.arange(40) < n, numbers[:40], 0).tolist()
    expected = []
    for i in range(COUNT):
        value = 0
        for k in range(16):
            value = value * 3 + table[i % 2 * 16 + k % 4 + i % 4]
        expected.append(value)
    np.testing.assert_array_equal(out, np.array(expected).astype(np.int32))
