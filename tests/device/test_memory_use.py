"""Memory of a device: what the functions of metalpy.mps say and do, and that nothing is used by two at a time."""

from __future__ import annotations

import gc
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import metalpy as mp
from metalpy import mps
from metalpy._core.driver import Event, Queue
from tests.helpers.leaks import LeakCheck
from tests.helpers.process import python

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30


@pytest.fixture
def clean(device):
    """The device, with nothing kept and no limits but the default ones."""
    gc.collect()
    mps.empty_cache(device)
    yield device
    mps.set_memory_limit(None, device)
    mps.set_per_process_memory_fraction(1.7, device)


# ---- what the functions say ----


def test_allocator_module(clean):
    before, driver_before = mps.current_allocated_memory(clean), mps.driver_allocated_memory(clean)
    x = mp.ones(8 * MIB, device=clean)  # 32 MiB
    assert mps.current_allocated_memory(clean) == before + 32 * MIB
    assert mps.driver_allocated_memory(clean) >= driver_before + 32 * MIB
    del x
    assert mps.current_allocated_memory(clean) == before
    mps.empty_cache(clean)
    assert mps.driver_allocated_memory(clean) == driver_before


def test_allocator_stats(clean):
    assert mps.recommended_max_memory(clean) > 0
    free, total = mps.mem_get_info(clean)
    assert total == mps.recommended_max_memory(clean)
    assert free == total - mps.driver_allocated_memory(clean)


def test_functions_default_to_the_default_device():
    for function in (
        mps.current_allocated_memory, mps.driver_allocated_memory, mps.recommended_max_memory, mps.memory_reserved,
        mps.max_memory_allocated, mps.max_memory_reserved, mps.mem_get_info, mps.memory_stats, mps.memory_snapshot,
    ):  # fmt: skip
        assert function() == function("mps") == function(0) == function(mp.device())
    with pytest.raises(ValueError, match="a device is"):
        mps.memory_stats("cuda")


def test_a_copy_and_cast_leaves_nothing(clean):
    x = mp.ones((128, 128), device=clean)

    def work():
        np.asarray(x).astype(np.float16)
        mp.asarray(np.ones((128, 128), np.float16), device=clean).astype(mp.float32)
        mps.synchronize()
        gc.collect()
        mps.empty_cache(clean)

    work()
    before = mps.driver_allocated_memory(clean), mps.current_allocated_memory(clean)
    work()
    assert (mps.driver_allocated_memory(clean), mps.current_allocated_memory(clean)) == before
    assert x.shape == (128, 128)


def test_stats_follow_what_happens(clean):
    mps.reset_peak_memory_stats(clean)
    mps.reset_accumulated_memory_stats(clean)
    before = mps.memory_stats(clean)
    x, y = mp.empty(3 * MIB, device=clean), mp.empty(MIB, device=clean)
    del x
    z = mp.empty(3 * MIB, device=clean)
    after = mps.memory_stats(clean)
    change = {name: after[name] - before[name] for name in after}
    wanted = {
        "allocated_bytes.all.current": 16 * MIB, "allocated_bytes.all.peak": 16 * MIB,
        "allocated_bytes.all.allocated": 28 * MIB, "allocated_bytes.all.freed": 12 * MIB, "allocation.all.current": 2,
        "allocation.all.peak": 2, "allocation.all.allocated": 3, "allocation.all.freed": 1, "num_hits": 1,
        "num_misses": 2, "num_ooms": 0, "segment.all.freed": 0,
    }  # fmt: skip
    assert {name: change[name] for name in wanted} == wanted
    assert change["reserved_bytes.all.current"] == change["reserved_bytes.all.allocated"] >= 16 * MIB
    assert mps.max_memory_allocated(clean) == after["allocated_bytes.all.peak"]
    assert mps.max_memory_reserved(clean) == mps.memory_reserved(clean) == after["reserved_bytes.all.current"]
    assert y.size + z.size == 4 * MIB
    del y, z
    mps.reset_peak_memory_stats(clean)
    mps.reset_accumulated_memory_stats(clean)
    after = mps.memory_stats(clean)
    assert after["allocated_bytes.all.peak"] == after["allocated_bytes.all.current"]
    assert after["allocated_bytes.all.allocated"] == after["allocation.all.freed"] == after["num_hits"] == 0


# ---- limits ----


@pytest.mark.parametrize("value", [1, 0, True, "1.0", None, np.float32(1)])
def test_a_fraction_is_a_float(clean, value):
    with pytest.raises(TypeError, match="Invalid type for fraction argument, must be `float`"):
        mps.set_per_process_memory_fraction(value, clean)


@pytest.mark.parametrize("value", [-0.1, 2.1, float("nan"), float("inf"), -float("inf")])
def test_a_fraction_is_between_0_and_2(clean, value):
    with pytest.raises(ValueError, match=r"Invalid fraction value: .* Allowed range: 0~2"):
        mps.set_per_process_memory_fraction(value, clean)


def test_a_fraction_limits_what_the_device_gives(clean):
    small = (mps.driver_allocated_memory(clean) + 40 * MIB) / mps.recommended_max_memory(clean)
    mps.set_per_process_memory_fraction(small, clean)
    kept = mp.empty(24 * MIB, dtype=mp.uint8, device=clean)
    with pytest.raises(mp.OutOfMemoryError, match=r"max allowed: .*set_per_process_memory_fraction\(0.0\)"):
        mp.empty(32 * MIB, dtype=mp.uint8, device=clean)
    mps.set_per_process_memory_fraction(0.0, clean)
    assert mp.empty(32 * MIB, dtype=mp.uint8, device=clean).size + kept.size == 56 * MIB


def test_a_limit_in_bytes(clean):
    mps.set_memory_limit(mps.memory_reserved(clean) + 100 * MIB, clean)
    kept = mp.empty(12 * MIB, dtype=mp.uint8, device=clean)
    with pytest.raises(mp.OutOfMemoryError, match="memory limit: "):
        mp.empty(96 * MIB, dtype=mp.uint8, device=clean)
    assert mp.empty(64 * MIB, dtype=mp.uint8, device=clean).size + kept.size == 76 * MIB
    for bad in (1.5, "1G", True):
        with pytest.raises(TypeError, match="number of bytes or None"):
            mps.set_memory_limit(bad, clean)
    for bad in (0, -5):
        with pytest.raises(ValueError, match="positive"):
            mps.set_memory_limit(bad, clean)
    mps.set_memory_limit(np.int64(GIB), clean)
    assert mps.memory_stats(clean)["limit_bytes"] == GIB


def test_more_than_4_gib(clean):
    """Neither touched nor copied: the test needs no memory to speak of."""
    size = 4 * GIB + 4096
    if mps.mem_get_info(clean)[0] < size:
        pytest.skip("the device recommends less than 4 GiB more")
    x = mp.empty(size, dtype=mp.uint8, device=clean)
    assert x.nbytes == size
    x[size - 1 :] = 7
    x[4 * GIB - 1 : 4 * GIB + 1] = 9
    assert x[size - 1].item() == 7 and x[4 * GIB].item() == 9


# ---- snapshot, history, hooks ----


def test_snapshot_names_the_line(clean):
    mps.record_memory_history(True, clean)
    try:
        x = mp.zeros(300, device=clean)
        line = sys._getframe().f_lineno - 1
    finally:
        mps.record_memory_history(False, clean)
    y = mp.zeros(300, device=clean)
    blocks = {block.address: block for heap in mps.memory_snapshot(clean) for block in heap.blocks}
    found = blocks[x._block.address]
    assert (found.size, found.requested_size, found.state, found.age) == (1280, 1200, "active", 0)
    assert found.source == (__file__, line, "test_snapshot_names_the_line")
    assert Path(found.stack[0].file).name == "creation.py"
    assert blocks[y._block.address].stack == () and blocks[y._block.address].source is None


def test_snapshot_adds_up(clean):
    x, y, z = (mp.empty(size, device=clean) for size in (1, 1000, 10 * MIB))
    heaps = mps.memory_snapshot(clean)
    stats = mps.memory_stats(clean)
    blocks = [block for heap in heaps for block in heap.blocks]
    assert sum(heap.size for heap in heaps) == stats["reserved_bytes.all.current"]
    assert sum(block.size for block in blocks if block.state == "active") == stats["allocated_bytes.all.current"]
    assert sum(block.size for block in blocks if block.state != "active") == stats["cached_bytes"]
    assert {"scalar", "shared-small", "shared-large"} <= {heap.pool for heap in heaps}
    for heap in heaps:
        assert sum(block.size for block in heap.blocks) + heap.largest_free <= heap.size
        for one, two in zip(heap.blocks, heap.blocks[1:], strict=False):
            assert one.address + one.size <= two.address
    assert x.size + y.size + z.size == 1001 + 10 * MIB


def test_hooks_hear_of_arrays(clean):
    heard = []
    handle = mps.add_allocation_hook(heard.append, clean)
    x = mp.empty(1000, device=clean)
    address = x._block.address
    del x
    handle.remove()
    mp.empty(1000, device=clean)
    assert [event for event in heard if "heap" not in event.kind] == [
        mps.AllocationEvent("alloc", 4096, address, str(clean)),
        mps.AllocationEvent("free", 4096, address, str(clean)),
    ]


# ---- host views ----


def test_wrapped_memory_is_seen_by_both(clean):
    host = np.arange(1024, dtype=np.float32)
    x = mp.asarray(host, copy=False, device=clean)
    x += 1  # on the device
    mps.synchronize()
    np.testing.assert_array_equal(host, np.arange(1024) + 1)
    host[:] = 5
    assert (x * 2).tolist() == [10.0] * 1024


def test_a_view_survives_its_array_and_the_cache(clean):
    x = mp.zeros(1024, device=clean)
    x += 3
    view = x.numpy()
    address = x._block.address
    del x
    gc.collect()
    mps.empty_cache(clean)
    other = mp.empty(1024, device=clean)
    other.fill(9)
    mps.synchronize()
    assert other._block.address != address
    np.testing.assert_array_equal(view, np.full(1024, 3))
    view[:] = 4  # the memory is still there to be written
    before = mps.current_allocated_memory(clean)
    del view
    assert mps.current_allocated_memory(clean) == before - 4096


# ---- leaks ----


def test_the_leak_check_sees_leaks(device):
    with LeakCheck(device):
        mp.ones(1000, device=device)
    kept = []
    for leak in (
        lambda: mp.ones(8 * MIB, device=device),
        lambda: Event(device),
        lambda: Queue(device),
        lambda: mp.asarray(np.ones(8, np.float32), copy=False, device=device),
    ):
        with pytest.raises(AssertionError, match="left behind"), LeakCheck(device) as check:
            check.patience = 0
            kept.append(leak())
        kept.clear()
    with pytest.raises(KeyError), LeakCheck(device):  # what the code raises counts, not what it holds
        kept.append(mp.ones(1, device=device))
        raise KeyError


# ---- reuse across streams ----


def test_streams_never_share_memory(clean):
    """Threads fill arrays on streams of their own, drop some unfinished, and read others back."""
    turns, failures = 150, []

    def work(number):
        rng = np.random.default_rng(number)
        stream = mps.Stream(clean)
        mine = []
        try:
            with mps.stream(stream):
                for turn in range(turns):
                    value = number * 1000 + turn
                    x = mp.empty(int(rng.integers(1, 60_000)), dtype=mp.int32, device=clean)
                    x.fill(value)
                    y = x + 1
                    mine.append((y, value + 1))
                    if turn % 4 == 0:
                        del x, y  # with work in flight
                        mine.pop(int(rng.integers(len(mine))))
                    if turn % 7 == 0:
                        kept, wanted = mine.pop(0) if mine else (mp.zeros(1, device=clean), 0)
                        assert (np.asarray(kept) == wanted).all()
                    if turn % 50 == 49:
                        mps.empty_cache(clean)
                for kept, wanted in mine:
                    assert (np.asarray(kept) == wanted).all()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


# ---- the environment ----


def test_lowering_only_the_high_watermark_works():
    done = python("import metalpy as mp; print(mp.ones(4).tolist())", PYTORCH_MPS_HIGH_WATERMARK_RATIO="0.7")
    assert (done.returncode, done.stdout, done.stderr) == (0, "[1.0, 1.0, 1.0, 1.0]\n", "")


def test_a_bad_value_is_named_and_importing_works():
    done = python("import metalpy as mp; print('imported'); mp.ones(4)", PYTORCH_MPS_HIGH_WATERMARK_RATIO="all")
    assert done.stdout == "imported\n"
    assert done.stderr.splitlines()[-1].endswith(
        "EnvironmentVariableError: PYTORCH_MPS_HIGH_WATERMARK_RATIO must be a number from 0 to 2, not 'all'"
    )


def test_a_limit_and_debug_output():
    program = "import metalpy as mp; x = mp.empty(3 << 20); x = None; mp.empty(30 << 20)"
    done = python(program, METALPY_MEMORY_LIMIT="64M", PYTORCH_DEBUG_MPS_ALLOCATOR="2")
    assert done.returncode == 1
    assert "metalpy mps:0: allocates a block of 12.00 MiB for 12,582,912 bytes" in done.stderr
    assert "memory limit: 67,108,864 bytes" in done.stderr.splitlines()[-1]
