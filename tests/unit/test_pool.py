"""The pool's policy over a device whose work completes when the test says so."""

import gc
import threading

import pytest

import metalpy as mp
from metalpy._core.driver import Queue
from metalpy._core.memory import rounded_size
from metalpy._core.pool import Pool, pool

KIB, MIB = 1 << 10, 1 << 20


@pytest.fixture
def made(mock):
    return Pool(mock.device)


def creates(mock):
    return [size for name, size in (call for call in mock.calls if call[0] == "create")]


def test_sizes_waste_at_most_an_eighth_above_2_kib():
    sizes = [1, 255, 256, 257, 2047, 2048, 2049, 4095, 5000, MIB - 1, MIB, MIB + 1, 10**9 + 7, (1 << 40) + 1]
    for size in sizes:
        rounded = rounded_size(size)
        assert rounded >= size
        assert rounded % 256 == 0
        assert rounded - size < max(256, size / 8 + 1)
        assert rounded_size(rounded) == rounded
    assert rounded_size(1) == 256
    assert rounded_size(2049) == 2304
    assert rounded_size(MIB + 1) == MIB + MIB // 8


def test_a_freed_block_is_reused(mock, made):
    block = made.new_block(1000)
    address = block.address
    del block
    again = made.new_block(900)
    assert again.address == address
    assert creates(mock) == [1024]
    stats = made.statistics()
    assert (stats["hits"], stats["misses"], stats["frees"]) == (1, 1, 1)


def test_the_last_freed_block_of_a_size_is_first(mock, made):
    first, second = made.new_block(256), made.new_block(256)
    addresses = first.address, second.address
    del first
    del second
    assert made.new_block(256).address == addresses[1]


def test_best_fit_within_a_quarter(mock, made):
    for size in (64 * KIB, 80 * KIB, 88 * KIB):
        made.new_block(size)
    assert creates(mock) == [64 * KIB, 80 * KIB, 88 * KIB]
    kept = made.new_block(64 * KIB)
    assert kept.size == 64 * KIB
    bigger = made.new_block(64 * KIB)  # 80 KiB is exactly a quarter more
    assert bigger.size == 80 * KIB
    fresh = made.new_block(64 * KIB)  # 88 KiB would waste too much
    assert fresh.size == 64 * KIB
    assert creates(mock)[3:] == [64 * KIB]


def test_counters_add_up(mock, made):
    blocks = [made.new_block(1024) for _ in range(4)]
    assert (made.allocated, made.cached, made.reserved) == (4096, 0, 4096)
    blocks = blocks[:1]
    assert (made.allocated, made.cached, made.reserved) == (1024, 3072, 4096)
    assert (made.peak_allocated, made.peak_reserved) == (4096, 4096)
    made.reset_peak()
    assert (made.peak_allocated, made.peak_reserved) == (1024, 4096)
    made.empty_cache()
    assert (made.allocated, made.cached, made.reserved, mock.used) == (1024, 0, 1024, 1024)
    del blocks
    made.empty_cache()
    assert (made.allocated, made.cached, made.reserved, mock.used) == (0, 0, 0, 0)


def test_nothing_is_allocated_for_nothing(mock, made):
    assert made.new_block(0) is None
    assert mp.zeros((0, 3), device=mock.device).size == 0
    assert creates(mock) == []


def record(mock, queue):
    """Serial of a command that stays unfinished."""
    from metalpy._core.driver import Event

    mock.automatic = False
    return queue.signal_event(Event(mock.device), 1)


def handle_of(mock, queue):
    """The mock's handle of the queue that recorded last."""
    return max((handle for handle in mock.recorded if mock.recorded[handle] == queue.last_recorded), default=None)


def test_a_block_whose_work_runs_is_not_reused(mock, made):
    queue = Queue(mock.device)
    block = made.new_block(1024)
    address = block.address
    serial = record(mock, queue)
    block.use(queue, serial)
    assert not block.idle
    del block
    assert made.statistics()["pending_blocks"] == 1
    other = made.new_block(1024)
    assert other.address != address
    mock.complete(handle_of(mock, queue), serial)
    assert made.new_block(1024).address == address
    assert made.statistics()["pending_blocks"] == 0


@pytest.mark.parametrize("order", [1, -1])
def test_a_block_waits_for_every_queue_that_uses_it(mock, made, order):
    queues = [Queue(mock.device) for _ in range(3)]
    handles = sorted(mock.recorded)[-3:]
    block = made.new_block(1024)
    address = block.address
    for queue in queues:
        block.use(queue, record(mock, queue))
    del block
    others = []
    for handle in handles[::order]:
        others.append(made.new_block(1024))
        assert others[-1].address != address
        mock.complete(handle, 1)
    assert made.new_block(1024).address == address


def test_later_use_on_the_same_queue_counts(mock, made):
    queue = Queue(mock.device)
    block = made.new_block(1024)
    address = block.address
    block.use(queue, record(mock, queue))
    block.use(queue, record(mock, queue))
    del block
    handle = handle_of(mock, queue)
    mock.complete(handle, 1)
    other = made.new_block(1024)
    assert other.address != address
    mock.complete(handle, 2)
    assert made.new_block(1024).address == address


def test_pending_blocks_are_all_found_in_time(mock, made):
    queue = Queue(mock.device)
    blocks = [made.new_block(1024) for _ in range(100)]
    for block in blocks:
        block.use(queue, record(mock, queue))
    blocks.clear()
    del block
    mock.complete(handle_of(mock, queue), 100)
    before = len(creates(mock))
    again = [made.new_block(1024) for _ in range(100)]
    assert len(creates(mock)) == before
    assert len({block.address for block in again}) == 100


def test_no_memory_empties_the_cache_and_tries_again(mock, made):
    mock.budget = 10 * KIB
    made.new_block(8 * KIB)
    kept = made.new_block(4 * KIB)
    assert kept.size == 4 * KIB
    assert mock.calls[-3:] == [("create", 4 * KIB), ("release", 8 * KIB), ("create", 4 * KIB)]


def test_no_memory_waits_for_pending_blocks(mock, made):
    mock.budget = 8 * KIB
    queue = Queue(mock.device)
    block = made.new_block(8 * KIB)
    block.use(queue, record(mock, queue))
    del block
    assert made.new_block(8 * KIB).size == 8 * KIB
    assert ("wait", 1) in mock.calls
    assert creates(mock) == [8 * KIB] * 2  # refused once, then the waited-for block fits


def test_out_of_memory_says_what_there_is(mock, made):
    mock.budget = 10 * KIB
    kept = made.new_block(8 * KIB)
    with pytest.raises(mp.OutOfMemoryError) as caught:
        made.new_block(4 * KIB)
    assert "4,096 bytes asked for, 8,192 in use, 0 cached" in str(caught.value)
    assert "the mock has no memory left" in str(caught.value)
    assert isinstance(caught.value, MemoryError)
    assert (made.allocated, made.reserved) == (8 * KIB, 8 * KIB)
    del kept
    assert made.new_block(4 * KIB).size == 4 * KIB


def test_absurd_sizes_are_out_of_memory(mock, made):
    with pytest.raises(mp.OutOfMemoryError):
        made.new_block((1 << 63) + 1)
    with pytest.raises((mp.OutOfMemoryError, ValueError)):
        mp.empty((1 << 40, 1 << 40), device=mock.device)


def test_the_limit_counts_what_is_cached(mock, made):
    made.limit = 10 * KIB
    made.new_block(8 * KIB)
    kept = made.new_block(4 * KIB)  # makes room by dropping the 8 KiB
    assert made.reserved == 4 * KIB
    with pytest.raises(mp.OutOfMemoryError, match="limit 10,240 bytes"):
        made.new_block(8 * KIB)
    assert creates(mock) == [8 * KIB, 4 * KIB]
    made.limit = None
    assert made.limit is None
    assert made.new_block(8 * KIB).size + kept.size == 12 * KIB
    with pytest.raises(ValueError, match="positive"):
        made.limit = 0


def test_a_failure_while_waiting_for_memory_loses_no_block(mock, made):
    queue = Queue(mock.device)
    block = made.new_block(8 * KIB)
    block.use(queue, record(mock, queue))
    del block
    mock.failure = (-6, "kernel k read a bad address")
    with pytest.raises(mp.KernelFaultError, match="bad address"):
        made.empty_cache()
    assert (made.cached, made.reserved, mock.used) == (0, 0, 0)


def test_blocks_outlive_device_and_pool(mock):
    block = Pool(mock.device).new_block(1024)
    gc.collect()
    assert len(mock.buffers) == 1
    del block
    assert len(mock.buffers) == 0


def test_each_pool_holds_one_reference_to_the_device(mock):
    before = mock.device_references
    made = Pool(mock.device)
    assert mock.device_references == before + 1
    del made
    assert mock.device_references == before


def test_wrapped_memory_is_let_go(mock):
    import weakref

    import numpy as np

    host = np.arange(8, dtype=np.float32)
    alive = weakref.ref(host)
    wrapped = mp.asarray(host, copy=False, device=mock.device)
    del host
    assert alive() is not None
    assert wrapped.tolist() == [0, 1, 2, 3, 4, 5, 6, 7]
    assert pool(mock.device).allocated == 0
    del wrapped
    assert alive() is None


def test_wrapped_memory_refused_by_the_device(mock):
    import sys

    import numpy as np

    mock.refuse_wrap = True
    host = np.zeros(4, np.float32)
    count = sys.getrefcount(host)
    with pytest.raises(ValueError, match="not aligned to a page"):
        mp.asarray(host, copy=False, device=mock.device)
    assert sys.getrefcount(host) == count
    copied = mp.from_dlpack(host, device=mock.device)
    assert pool(mock.device).allocated == copied._block.size


def test_many_threads(mock, made):
    mock.automatic = True
    failures = []

    def work(seed):
        try:
            kept = []
            for number in range(300):
                kept.append(made.new_block(256 << (number * seed) % 5))
                if number % 3 == 0:
                    kept.clear()
                if number % 100 == 99:
                    made.empty_cache()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    made.empty_cache()
    assert (made.allocated, made.cached, made.reserved, mock.used) == (0, 0, 0, 0)
