"""The compile cache: private, sound under corruption and many processes, limited in size."""

from __future__ import annotations

import multiprocessing
import os
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from metalpy.compiler import cache as cache_module
from metalpy.compiler.cache import Cache, make_key
from metalpy.errors import CacheError, EnvironmentVariableError

KEY = make_key("test")


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "cache"


def test_store_and_load(folder):
    cache = Cache(folder)
    assert cache.load(KEY, ".x") is None
    path = cache.store(KEY, ".x", b"payload")
    assert path == cache.path(KEY, ".x") and path.read_bytes().startswith(b"payload")
    assert cache.load(KEY, ".x") == b"payload"
    assert cache.load(KEY, ".y") is None  # another kind is another entry
    assert Cache(folder).load(KEY, ".x") == b"payload"


@pytest.mark.parametrize("payload", [b"", b"\0" * 1000, bytes(range(256)) * 50])
def test_any_payload(folder, payload):
    cache = Cache(folder)
    cache.store(KEY, ".x", payload)
    assert cache.load(KEY, ".x") == payload


def test_keys():
    assert make_key("a", "bc") != make_key("ab", "c")
    assert make_key("a") != make_key("a", "")
    assert make_key("a", "b") == make_key("a", "b")
    assert make_key("\udce9")  # bytes that are no UTF-8


def damage_cut(data):
    return data[:-1]


def damage_half(data):
    return data[: len(data) // 2]


def damage_empty(data):
    return b""


def damage_flip(data):
    return bytes([data[0] ^ 1]) + data[1:]


def damage_trailer(data):
    return data[:-5] + bytes([data[-5] ^ 0x80]) + data[-4:]


def damage_longer(data):
    return data + b"x"


def damage_zeros(data):
    return bytes(len(data))


DAMAGES = [damage_cut, damage_half, damage_empty, damage_flip, damage_trailer, damage_longer, damage_zeros]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda d: d.__name__)
def test_damaged_entries_are_dropped(folder, damage):
    cache = Cache(folder)
    path = cache.store(KEY, ".x", b"payload" * 100)
    path.write_bytes(damage(path.read_bytes()))
    assert cache.load(KEY, ".x") is None
    assert not path.exists()
    assert (cache.statistics.rejected, cache.statistics.misses, cache.statistics.hits) == (1, 1, 0)
    cache.store(KEY, ".x", b"again")
    assert cache.load(KEY, ".x") == b"again"


def test_statistics(folder):
    cache = Cache(folder)
    cache.load(KEY, ".x")
    cache.store(KEY, ".x", b"12345")
    cache.load(KEY, ".x")
    cache.load(KEY, ".x")
    info = cache.info()
    assert (info["hits"], info["misses"], info["stores"], info["evictions"], info["rejected"]) == (2, 1, 1, 0, 0)
    assert info["entries"] == 1 and info["folder"] == str(folder) and info["bytes"] == cache.size() > 5


def test_no_temporary_files_stay(folder):
    cache = Cache(folder)
    for n in range(20):
        cache.store(make_key(str(n)), ".x", b"payload")
    names = [path.name for path in folder.rglob("*") if path.is_file()]
    assert len(names) == 20 and not any(name.startswith(".") for name in names)


def test_store_that_fails_leaves_nothing(folder, monkeypatch):
    cache = Cache(folder)

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError):
        cache.store(KEY, ".x", b"payload")
    assert [p for p in folder.rglob("*") if p.is_file()] == []


# ---- eviction ----


def test_least_recently_used_entries_go(folder):
    cache = Cache(folder, limit=20_000)
    keys = [make_key(str(n)) for n in range(60)]
    for n, key in enumerate(keys):
        path = cache.store(key, ".x", bytes(1000))
        os.utime(path, (n, n))
        cache.load(keys[0], ".x")  # in use all the time
    assert cache.size() <= 20_000 + 1100
    assert cache.statistics.evictions > 30
    fresh = Cache(folder)
    assert fresh.load(keys[0], ".x") is not None
    assert fresh.load(keys[-1], ".x") is not None
    assert fresh.load(keys[5], ".x") is None


def test_entries_of_earlier_processes_count(folder):
    for number in range(200):
        Cache(folder).store(make_key(str(number)), ".so", bytes(1000))
    grown = Cache(folder).size()
    assert grown > 200_000
    for number in range(200, 400):  # each in a process of its own, as the cache sees it
        Cache(folder, limit=100_000).store(make_key(str(number)), ".so", bytes(1000))
    assert Cache(folder).size() <= 110_000


def test_first_store_of_a_process_does_not_read_the_whole_folder(folder, monkeypatch):
    monkeypatch.setattr(Cache, "_entries", None)
    Cache(folder).store(KEY, ".x", b"payload")


def test_entry_larger_than_the_limit(folder):
    cache = Cache(folder, limit=1000)
    cache.store(KEY, ".x", bytes(5000))
    cache.store(make_key("other"), ".x", bytes(10))  # still works


def test_clear(folder):
    cache = Cache(folder)
    cache.store(KEY, ".x", b"payload")
    cache.clear()
    assert cache.size() == 0 and cache.load(KEY, ".x") is None


def test_deleted_at_any_time(folder):
    import shutil

    cache = Cache(folder)
    cache.store(KEY, ".x", b"payload")
    shutil.rmtree(folder)
    assert cache.load(KEY, ".x") is None
    assert cache.size() == 0
    cache.store(KEY, ".x", b"payload")
    assert cache.load(KEY, ".x") == b"payload"


# ---- who may use it ----


def test_folder_is_private(folder):
    previous = os.umask(0)
    try:
        cache = Cache(folder / "deep")
        path = cache.store(KEY, ".x", b"payload")
    finally:
        os.umask(previous)
    for place in (folder / "deep", path.parent):
        assert stat.S_IMODE(place.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0


@pytest.mark.parametrize("mode", [0o777, 0o720, 0o702])
def test_folder_that_others_may_write_is_refused(folder, mode):
    folder.mkdir()
    folder.chmod(mode)
    with pytest.raises(CacheError, match=f"{mode:o}") as raised:
        Cache(folder).load(KEY, ".x")
    assert str(folder) in str(raised.value) and "chmod 700" in str(raised.value)


def test_folder_that_others_may_read_is_fine(folder):
    folder.mkdir(mode=0o755)
    Cache(folder).store(KEY, ".x", b"payload")


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root can give files away")
def test_folder_of_another_user_is_refused(folder):
    folder.mkdir(mode=0o700)
    os.chown(folder, 12345, -1)
    with pytest.raises(CacheError, match="12345") as raised:
        Cache(folder).store(KEY, ".x", b"payload")
    assert "METALPY_CACHE_DIR" in str(raised.value)


def test_folder_that_is_a_file(folder):
    folder.write_text("")
    with pytest.raises(CacheError, match="not a folder"):
        Cache(folder).load(KEY, ".x")


def test_folder_that_cannot_be_made():
    with pytest.raises(CacheError, match="METALPY_CACHE_DIR"):
        Cache(Path("/proc/no/such/place")).load(KEY, ".x")


# ---- which folder ----


@pytest.fixture
def chosen(monkeypatch):
    def choose(**environment):
        for name in ("METALPY_CACHE_DIR", "METALPY_CACHE_LIMIT", "XDG_CACHE_HOME"):
            monkeypatch.delenv(name, raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(cache_module, "_default", None)
        return cache_module.default_cache()

    return choose


def test_chosen_folder(chosen, tmp_path):
    assert chosen(METALPY_CACHE_DIR=str(tmp_path / "mine")).folder == tmp_path / "mine"
    assert chosen(XDG_CACHE_HOME=str(tmp_path)).folder == tmp_path / "metalpy"
    assert chosen(HOME=str(tmp_path / "home")).folder == tmp_path / "home" / ".cache" / "metalpy"


def test_user_without_a_home(monkeypatch):
    for name in ("METALPY_CACHE_DIR", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", {}.__getitem__)  # a KeyError, as for users that the system does not know
    with pytest.raises(CacheError, match=r"no home folder.*METALPY_CACHE_DIR"):
        cache_module._chosen_folder()


def test_cache_switched_off(chosen):
    cache = chosen(METALPY_CACHE_DIR="off")
    cache.store(KEY, ".x", b"payload")
    assert cache.load(KEY, ".x") == b"payload"
    assert stat.S_IMODE(cache.folder.stat().st_mode) == 0o700
    place = cache.folder
    cache._temporary.cleanup()
    assert not place.exists()


def test_chosen_limit(chosen):
    for text, limit in (("1234", 1234), ("2M", 2 << 20), ("0", 0)):
        assert chosen(METALPY_CACHE_LIMIT=text)._limit == limit
    for wrong in ("many", "-1"):
        with pytest.raises(EnvironmentVariableError, match="METALPY_CACHE_LIMIT must be a positive number of bytes"):
            chosen(METALPY_CACHE_LIMIT=wrong)


# ---- many processes ----


def hammer(folder, number, count):
    cache = Cache(Path(folder))
    for n in range(count):
        key = make_key(str(n % 7))
        payload = bytes([n % 7]) * 20_000
        found = cache.load(key, ".x")
        assert found is None or found == payload
        cache.store(key, ".x", payload)
        assert cache.load(key, ".x") in (payload, None)
    assert cache.statistics.rejected == 0


def test_many_processes_write_the_same_entries(folder):
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=hammer, args=(str(folder), n, 60)) for n in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0


PROGRAM = """
    import sys
    import numpy as np
    import metalpy as mp
    lib = mp.mps.compile_shader('''
        #include <metal_stdlib>
        kernel void k(device float* x, uint i [[thread_position_in_grid]]) { x[i] = metal::sqrt(float(i)); }
    ''')
    x = mp.zeros(100)
    lib.k(x)
    assert np.allclose(np.asarray(x), np.sqrt(np.arange(100)))
    from metalpy.compiler.cache import default_cache
    counts = default_cache().statistics
    print(counts.hits, counts.misses, counts.rejected, "llvmlite" in sys.modules)
"""


def start(folder):
    root = str(Path(cache_module.__file__).parents[2])
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(PROGRAM)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": path, "METALPY_CACHE_DIR": str(folder)},
    )  # fmt: skip


def outcome(process):
    out, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return out.split()


def test_processes_that_build_the_same_kernel_at_once(folder):
    found = [outcome(p) for p in [start(folder) for _ in range(3)]]
    assert all(rejected == "0" for _, _, rejected, _ in found)
    hits, misses, _, imported = outcome(start(folder))
    assert int(hits) >= 2 and misses == "0"
    assert imported == "False"  # from the cache without LLVM


def test_damaged_kernel_is_rebuilt(folder):
    outcome(start(folder))
    objects = list(folder.rglob("*.so"))
    assert objects
    for path in objects:
        data = bytearray(path.read_bytes())
        data[len(data) // 3] ^= 0xFF
        path.write_bytes(data)
    _, _, rejected, imported = outcome(start(folder))
    assert (rejected, imported) == ("1", "True")
    for path in folder.rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes()[:100])
    assert int(outcome(start(folder))[2]) >= 1
    assert outcome(start(folder))[1:3] == ["0", "0"]
