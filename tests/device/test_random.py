"""Generators: the engine, seeds, offsets, states, streams, and what of them depends on the device (nothing)."""

from __future__ import annotations

import copy
import pickle
import struct
import threading

import numpy as np
import pytest

import metalpy as mp
from metalpy.random.kernels import library, packed
from tests.helpers import philox

DTYPES = ["float32", "float16", "bfloat16"]


@pytest.fixture
def generator(device):
    return mp.Generator(device, seed=999)


@pytest.fixture
def default(device):
    """The default generator, left as it was."""
    made = mp.random.default_generator(device)
    state = made.get_state()
    yield made
    made.set_state(state)


def launched(device, name, parameters, count, dtype, **options):
    out = mp.empty(count, dtype, device)
    draw = packed(mp.Generator(device, seed=5)._take(), count)
    library(device)[name](out, draw, parameters, threads=-(-count // 4), **options)
    return out.numpy().copy()


# ---- the engine ----


def test_known_answers(device):
    """kat_vectors of Random123."""
    counters, keys, want = (np.array(column, np.uint32) for column in zip(*philox.KNOWN, strict=True))
    out = mp.empty((len(want), 4), np.uint32, device)
    library(device).philox(out, mp.array(counters, device=device), mp.array(keys, device=device), threads=len(want))
    assert np.array_equal(out.numpy(), want)


def test_the_reference_knows_the_answers_too():
    for counter, key, want in philox.KNOWN:
        assert philox.philox([counter], key).tolist() == [want]


@pytest.mark.parametrize("seed", [0, 1, 999, 2**32, 2**64 - 1, -1, -(2**63)])
@pytest.mark.parametrize("offset", [0, 7, 2**32 - 1, 2**64 - 1])
def test_words_are_the_engines(device, seed, offset):
    g = mp.Generator(device, seed=seed)
    g.set_offset(offset)
    for draw in range(2):
        want = philox.words(1003, seed % 2**64, (offset + draw) % 2**64)
        assert np.array_equal(g.integers(0, 2**32, 1003, np.uint32).numpy(), want)


@pytest.mark.parametrize("group", [1, 3, 32, 100, 1024])
def test_numbers_do_not_depend_on_groups(device, group):
    line = struct.pack("=4f", 0.5, 2, -1e9, 1e9)
    for name, dtype in [("uniform_float", "f4"), ("normal_half", "f2"), ("exponential_float", "f4")]:
        assert np.array_equal(
            launched(device, name, line, 1001, dtype), launched(device, name, line, 1001, dtype, group_size=group)
        )


def test_numbers_do_not_depend_on_the_number_of_elements(device):
    """What an element is does not change with how many follow it."""
    long = mp.Generator(device, seed=3).normal(size=1000).numpy()
    for n in (1, 2, 3, 4, 5, 999):
        assert np.array_equal(mp.Generator(device, seed=3).normal(size=n).numpy(), long[:n])


def test_numbers_stay(device):
    """A seed means the same in every version."""
    g = mp.Generator(device, seed=42)
    assert g.random(3).tolist() == [0.6129598617553711, 0.4685865044593811, 0.07323169708251953]
    assert g.permutation(8).tolist() == [5, 7, 4, 6, 1, 0, 3, 2]
    assert g.integers(-5, 6, 6).tolist() == [3, 2, 1, -1, -4, 2]
    assert [x.hex() for x in g.normal(size=2).tolist()] == ["0x1.96a27c0000000p-1", "-0x1.44aa280000000p+0"]
    assert [x.hex() for x in g.exponential(size=2).tolist()] == ["0x1.27d9ca0000000p+0", "0x1.39da4a0000000p+0"]


# ---- the counterpart's tests ----


def test_generator(device):
    g = mp.Generator(device).manual_seed(999)
    first = g.normal(size=5).numpy()
    state = g.get_state()
    second = g.normal(size=5).numpy()
    assert not np.array_equal(first, second)
    g.manual_seed(999)
    assert np.array_equal(g.normal(size=5).numpy(), first)
    g.set_state(state)
    assert np.array_equal(g.normal(size=5).numpy(), second)


def test_default_generator(default):
    mp.mps.manual_seed(230)
    first = mp.random.normal(size=5).numpy()
    state = mp.mps.get_rng_state()
    second = mp.random.normal(size=5).numpy()
    assert mp.random.default_generator().get_offset() == 2
    assert not np.array_equal(first, second)
    mp.mps.manual_seed(230)
    assert np.array_equal(mp.random.normal(size=5).numpy(), first)
    mp.mps.set_rng_state(state)
    assert np.array_equal(mp.random.normal(size=5).numpy(), second)
    assert np.array_equal(mp.Generator(seed=230).normal(size=5).numpy(), first)


def test_rows_differ(generator):
    x = generator.random((2, 3, 4, 5, 6)).numpy().reshape(-1, 6)
    assert len(np.unique(x, axis=0)) == len(x)


def test_state_is_as_the_counterparts(device):
    g = mp.Generator(device).manual_seed(0x0123456789ABCDEF)
    g.normal(size=3)
    state = g.get_state()
    assert (state.dtype, state.shape) == (np.uint8, (44,))
    words = struct.unpack("=7I2Q", state.tobytes())
    assert words == (1, 1, 1, 1, 1, 0x89ABCDEF, 0x01234567, 0x0123456789ABCDEF, 1)


@pytest.mark.parametrize("seed", ["5", 5.9, np.int64(5), np.float32(5.5), 5])
def test_manual_seed_takes_what_int_takes(default, seed):
    mp.mps.manual_seed(seed)
    assert mp.random.default_generator().initial_seed() == 5


def test_seed_is_another_each_time(default):
    seeds = set()
    for _ in range(4):
        assert mp.mps.seed() is None
        seeds.add(mp.random.default_generator().initial_seed())
        assert mp.random.default_generator().get_offset() == 0
    assert len(seeds) == 4
    g = mp.Generator()
    assert g.seed() == g.initial_seed()


# ---- seeds, offsets, states ----


def test_defaults(device):
    g = mp.Generator(device)
    assert (g.device, g.initial_seed(), g.get_offset(), g.stream) == (device, 67280421310721, 0, 0)
    assert "seed 67280421310721, stream 0, offset 0" in repr(g)


def test_seeding_starts_again(generator):
    g = generator.jump(3)
    g.random(5)
    assert g.manual_seed(-1) is g
    assert (g.initial_seed(), g.get_offset(), g.stream) == (2**64 - 1, 0, 0)


@pytest.mark.parametrize("seed", [2**64, -(2**63) - 1, 10**30])
def test_seed_out_of_range(generator, seed):
    for call in (
        lambda: mp.Generator(seed=seed),
        lambda: generator.manual_seed(seed),
        lambda: mp.mps.manual_seed(seed),
    ):
        with pytest.raises(mp.ScalarRangeError, match="a seed lies in") as caught:
            call()
        assert isinstance(caught.value, (RuntimeError, OverflowError))
    assert generator.initial_seed() == 999


@pytest.mark.parametrize("seed", [None, 1.5, "x", [1]])
def test_seed_of_the_wrong_type(generator, seed):
    with pytest.raises(TypeError, match="a seed is an integer"):
        generator.manual_seed(seed)


def test_manual_seed_of_nothing():
    with pytest.raises(TypeError):
        mp.mps.manual_seed(None)


def test_offset(generator):
    generator.set_offset(2)
    want = generator.random(4).numpy()
    assert generator.get_offset() == 3
    other = mp.Generator(generator.device, seed=999)
    other.random(100000)
    other.random(0)
    assert np.array_equal(other.random(4).numpy(), want)
    for bad in (-1, 2**64):
        with pytest.raises(mp.ScalarRangeError, match="an offset lies in"):
            generator.set_offset(bad)
    with pytest.raises(TypeError):
        generator.set_offset(1.5)


def test_state_may_have_any_form(generator):
    generator.random(3)
    state = generator.get_state()
    want = generator.random(3).numpy()
    spread = np.zeros(88, np.uint8)
    spread[::2] = state
    array = mp.array(state, device=generator.device)
    for form in (state, state.reshape(4, 11), spread[::2], state.tobytes(), bytearray(state), array):
        generator.set_state(form)
        assert np.array_equal(generator.random(3).numpy(), want)


def test_state_is_a_copy(generator):
    state = generator.get_state()
    state[:] = 0
    assert generator.initial_seed() == 999


@pytest.mark.parametrize("state", [None, "x", [1] * 44, 44, np.zeros(44, np.int8), np.zeros(11, np.float32)])
def test_state_of_the_wrong_type(generator, default, state):
    for call in (generator.set_state, mp.mps.set_rng_state):
        with pytest.raises(TypeError, match="RNG state must be an array of uint8"):
            call(state)


def test_state_that_is_none(generator):
    good = generator.get_state()
    damaged = good.copy()
    damaged[21] ^= 4
    stream = struct.pack("=7I2Q", 1, 1, 1, 1, 0, 999, 0, 999, 0)
    for state in (good[:36], np.zeros(45, np.uint8), good[:0]):
        with pytest.raises(mp.RandomStateError, match="RNG state is wrong size"):
            generator.set_state(state)
    for state in (np.zeros(44, np.uint8), damaged, stream):
        with pytest.raises(mp.RandomStateError, match="RNG state is damaged"):
            generator.set_state(state)
    assert np.array_equal(generator.get_state(), good)


# ---- other generators ----


@pytest.mark.parametrize("how", [mp.Generator.clone, copy.copy, copy.deepcopy], ids=["clone", "copy", "deepcopy"])
def test_clone_copies_everything(generator, how):
    g = generator.jump(7)
    g.random(3)
    twin = how(g)
    assert twin is not g and twin.device is g.device
    assert np.array_equal(twin.get_state(), g.get_state())
    assert np.array_equal(twin.random(9).numpy(), g.random(9).numpy())
    twin.random(1)
    assert twin.get_offset() == g.get_offset() + 1


def test_pickle():
    g = mp.Generator(seed=8).jump(2)
    g.random(1)
    twin = pickle.loads(pickle.dumps(g))
    assert type(twin) is mp.Generator
    assert np.array_equal(twin.random(9).numpy(), g.random(9).numpy())


def test_jump(generator):
    generator.set_offset(5)
    far = generator.jump(3)
    assert (far.stream, far.get_offset(), far.initial_seed()) == (3, 5, 999)
    assert (generator.stream, generator.get_offset()) == (0, 5)
    assert np.array_equal(far.integers(0, 2**32, 50, np.uint32).numpy(), philox.words(50, 999, 5, 3))
    assert far.jump().stream == 4
    assert far.jump(-3).stream == 0
    assert generator.jump(2**24 - 1).jump(0).stream == 2**24 - 1
    for steps in (-1, 2**24):
        with pytest.raises(ValueError, match="streams are numbered"):
            generator.jump(steps)


def test_fork(generator):
    a, b = generator.fork(2)
    c = generator.fork()
    seeds = philox.pairs(2, 999, 0).tolist() + philox.pairs(1, 999, 1).tolist()
    assert [g.initial_seed() for g in (a, b, c)] == seeds
    assert {g.device for g in (a, b, c)} == {generator.device}
    assert generator.fork(0) == []
    made = np.stack([g.integers(0, 2**32, 1000, np.uint32).numpy() for g in (a, b, c, *a.fork(2))])
    assert len(np.unique(made)) == made.size


def test_default_rng(device):
    assert mp.random.default_rng(3, device).initial_seed() == 3
    assert mp.random.default_rng().initial_seed() != mp.random.default_rng().initial_seed()


# ---- functions, threads ----


def test_functions_use_the_generator_given(device):
    g, h = mp.Generator(device, seed=1), mp.Generator(device, seed=1)
    calls = [
        ("random", (5,)), ("uniform", (1, 2, 5)), ("normal", (1, 2, 5)), ("standard_normal", (5,)),
        ("exponential", (2, 5)), ("standard_exponential", (5,)), ("integers", (3, 9, 5)), ("randint", (3, 9, 5)),
        ("bernoulli", (0.5, 5)), ("dropout_mask", (5, 0.5)), ("permutation", (5,)), ("choice", (9, 5)),
    ]  # fmt: skip
    for name, args in calls:
        got = getattr(mp.random, name)(*args, generator=g)
        assert np.array_equal(got.numpy(), getattr(h, name)(*args).numpy()), name
        assert got.device is device
    x, y = mp.arange(9, device=device), mp.arange(9, device=device)
    assert mp.random.shuffle(x, generator=g) is None
    h.shuffle(y)
    assert np.array_equal(x.numpy(), y.numpy())
    assert {name for name, _ in calls} | {"shuffle", "Generator", "default_generator", "default_rng"} == set(
        mp.random.__all__
    )


def test_threads_share_a_generator(device):
    """Every draw goes to one thread, and all that were asked for are made."""
    g, made, lock = mp.Generator(device, seed=2), [], threading.Lock()

    def work():
        for _ in range(50):
            x = g.integers(0, 2**32, 4, np.uint32).numpy().tobytes()
            with lock:
                made.append(x)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    want = {philox.words(4, 2, offset).tobytes() for offset in range(400)}
    assert len(made) == 400 and set(made) == want
    assert g.get_offset() == 400


def test_calls_that_raise_draw_nothing(generator):
    for call in (
        lambda: generator.random(dtype="float64"),
        lambda: generator.random(2.5),
        lambda: generator.random(2**50),
        lambda: generator.uniform(2, 1),
        lambda: generator.integers(3, 3),
        lambda: generator.bernoulli(2),
        lambda: generator.choice(0, 3),
        lambda: generator.choice(3, 3, p=[1, 1, 1]),
        lambda: generator.shuffle([1, 2]),
        lambda: generator.permutation(-1),
    ):
        with pytest.raises((TypeError, ValueError, MemoryError)):
            call()
    assert generator.get_offset() == 0


def test_sizes(generator):
    assert generator.random().shape == ()
    assert generator.random(3).shape == generator.random((3,)).shape == (3,)
    assert generator.random((2, 0, 3)).shape == (2, 0, 3)
    assert generator.integers(5, size=[2, 2]).shape == (2, 2)
    assert generator.random(np.int64(3)).shape == (3,)
    with pytest.raises(TypeError, match="a shape is"):
        generator.random(2.5)
    with pytest.raises(ValueError):
        generator.random(-1)
    with pytest.raises(ValueError, match="one draw makes at most"):
        generator.random(2**35)
