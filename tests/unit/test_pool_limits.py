"""What the pool does when memory is short: limits, watermarks, collection, retries, and the error that says so."""

import random
import sys

import pytest

import metalpy as mp
from metalpy._core.driver import Event, Queue
from metalpy._core.pool import Pool
from tests.helpers.threads import together

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
VARIABLES = [
    "METALPY_HIGH_WATERMARK_RATIO", "PYTORCH_MPS_HIGH_WATERMARK_RATIO", "METALPY_LOW_WATERMARK_RATIO",
    "PYTORCH_MPS_LOW_WATERMARK_RATIO", "METALPY_DEBUG_ALLOCATOR", "PYTORCH_DEBUG_MPS_ALLOCATOR", "METALPY_MEMORY_LIMIT",
]  # fmt: skip


@pytest.fixture(autouse=True)
def no_variables(monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def made(mock):
    return Pool(mock.device)


def device_of(mock, recommended):
    """A pool of a device that recommends so many bytes."""
    mock.recommended = recommended
    return Pool(mock.device)


def heaps(mock):
    return [size for name, size in (call for call in mock.calls if call[0] == "heap")]


def heap_sizes(made):
    return sorted(size for _, _, size, *_ in made.snapshot())


# ---- smaller heaps ----


def test_a_limit_makes_heaps_smaller(mock, made):
    made.limit = 100 * MIB
    block = made.new_block(12 * MIB)
    assert block.size == 12 * MIB
    assert heap_sizes(made) == [12 * MIB]  # for 16 MiB there is no class; a heap of 128 MiB would be too much
    assert heaps(mock) == [12 * MIB]  # and the device was not asked in vain


def test_all_of_a_limit_can_be_used(mock, made):
    made.limit = 96 * MIB
    blocks = [made.new_block(12 * MIB) for _ in range(8)]
    assert (made.allocated, made.reserved) == (96 * MIB, 96 * MIB)
    with pytest.raises(mp.OutOfMemoryError):
        made.new_block(1)
    blocks.pop()
    small = [made.new_block(256 * KIB) for _ in range(48)]
    assert made.reserved <= 96 * MIB
    assert len(small) + len(blocks) == 55


def test_a_heap_takes_a_quarter_of_what_is_left_at_most(mock, made):
    made.limit = 1536 * MIB
    kept = made.new_block(12 * MIB)
    assert heap_sizes(made) == [128 * MIB]
    assert made.new_block(1300 * MIB).size + kept.size == (1312 + 12) * MIB


def test_the_device_may_refuse_a_tier(mock, made):
    mock.largest_heap = 100 * MIB
    block = made.new_block(12 * MIB)
    assert heaps(mock) == [GIB, 128 * MIB, 12 * MIB]
    assert block.size == 12 * MIB
    mock.largest_heap = 2 * MIB
    kept = made.new_block(256)
    assert heaps(mock)[3:] == [8 * MIB, MIB]
    assert kept.size == 256


def test_the_last_resort_is_no_larger_than_the_request(mock, made):
    made.limit = 16 * KIB
    assert made.new_block(16 * KIB).size == 16 * KIB
    assert heap_sizes(made) == [16 * KIB]


# ---- the sequence of a request that finds no memory ----


def unfinished(mock, block):
    """A queue with a command that uses the block and that only a wait completes."""
    mock.automatic = False
    queue = Queue(mock.device)
    block.use(queue, queue.signal_event(Event(mock.device), 1))
    return queue


def test_idle_blocks_of_the_pool_go_first(mock, made):
    mock.budget = 1400 * MIB
    small = made.new_block(MIB)
    del small
    held = [made.new_block(544 * MIB), made.new_block(704 * MIB)]
    del held[:]
    del mock.calls[:]
    kept = made.new_block(640 * MIB)  # the 600 MiB are too small, so the 700 MiB have to go
    assert mock.calls == [("heap", 640 * MIB), ("release", 704 * MIB), ("drop heap", 704 * MIB),
                          ("heap", 640 * MIB), ("create", 640 * MIB)]  # fmt: skip
    assert made.cached == 544 * MIB + MIB
    assert made.statistics()["retries"] == 0
    assert kept.size == 640 * MIB


def test_then_the_largest_until_they_cover_the_request(mock, made):
    mock.budget = 2000 * MIB
    held = [made.new_block(size) for size in (512 * MIB, 576 * MIB, 608 * MIB)]
    del held[:]
    kept = made.new_block(1024 * MIB)
    assert [call for call in mock.calls if call[0] == "drop heap"] == [
        ("drop heap", 608 * MIB),
        ("drop heap", 576 * MIB),
    ]
    assert made.cached == 512 * MIB
    assert kept.size == 1024 * MIB


def test_then_pending_blocks_are_waited_for_and_reused(mock, made):
    mock.budget = 608 * MIB
    block = made.new_block(608 * MIB)
    unfinished(mock, block)
    address = block.address
    del block
    assert made.new_block(576 * MIB).address == address
    assert ("wait", 1) in mock.calls
    assert made.statistics()["retries"] == 1


def test_then_everything_idle_goes(mock, made):
    mock.budget = 608 * MIB
    small = made.new_block(MIB)
    unfinished(mock, small)
    del small
    assert made.new_block(608 * MIB).size == 608 * MIB
    assert heap_sizes(made) == [608 * MIB]
    assert made.statistics()["retries"] == 1


def test_a_failed_request_changes_nothing(mock, made):
    mock.budget = 10 * MIB
    kept = made.new_block(8 * MIB)
    before = made.allocated, made.cached, made.reserved, mock.used
    with pytest.raises(mp.OutOfMemoryError):
        made.new_block(4 * MIB)
    assert (made.allocated, made.cached, made.reserved, mock.used) == before
    assert made.statistics()["ooms"] == 1
    del kept
    assert made.new_block(4 * MIB).size == 4 * MIB


def test_a_driver_that_breaks_is_no_lack_of_memory(mock, made):
    mock.broken_heaps = True
    with pytest.raises(mp.ForkError):
        made.new_block(1)
    assert (made.allocated, made.reserved) == (0, 0)
    mock.broken_heaps = False
    assert made.new_block(1).size == 256


# ---- what the error says ----


def test_what_the_device_says(mock, made):
    mock.budget = 10 * MIB
    kept = made.new_block(8 * MIB)
    mock.others = MIB
    with pytest.raises(mp.OutOfMemoryError) as caught:
        made.new_block(4 * MIB)
    assert str(caught.value) == (
        "mps:0 is out of memory (8.00 MiB allocated, 8.00 MiB of it in arrays; other allocations: 1.00 MiB). "
        "Tried to allocate 4.00 MiB (4,194,304 bytes) on the shared-large pool. "
        "The device says: the mock has no memory left."
    )
    assert isinstance(caught.value, MemoryError)
    assert kept.size == 8 * MIB


def test_what_the_limit_says(mock, made):
    made.limit = 10 * MIB
    kept = made.new_block(8 * MIB)
    with pytest.raises(mp.OutOfMemoryError) as caught:
        made.new_block(4 * MIB)
    assert "; memory limit: 10,485,760 bytes). " in str(caught.value)
    assert str(caught.value).endswith("Use metalpy.mps.set_memory_limit or METALPY_MEMORY_LIMIT to raise the limit.")
    made.limit = None
    assert made.limit is None
    assert made.new_block(4 * MIB).size + kept.size == 12 * MIB
    with pytest.raises(ValueError, match="positive"):
        made.limit = 0


def test_what_the_watermark_says(mock):
    made = device_of(mock, 10 * MIB)
    kept = made.new_block(8 * MIB)
    mock.others = 7 * MIB
    with pytest.raises(mp.OutOfMemoryError) as caught:
        made.new_block(4 * MIB)
    assert str(caught.value) == (
        "mps:0 is out of memory (8.00 MiB allocated, 8.00 MiB of it in arrays; other allocations: 7.00 MiB; "
        "max allowed: 17.00 MiB). Tried to allocate 4.00 MiB (4,194,304 bytes) on the shared-large pool. "
        "Use METALPY_HIGH_WATERMARK_RATIO=0.0 or metalpy.mps.set_per_process_memory_fraction(0.0) to allow more, "
        "which may make the machine fail."
    )
    assert kept.size == 8 * MIB


def test_absurd_sizes(mock, made):
    with pytest.raises(mp.OutOfMemoryError, match="No buffer of the device can be longer than 1024"):
        made.new_block((1 << 40) + 1)
    assert mock.calls == []


def test_threads_share_a_limit(mock):
    """Whatever they do at once, it is never passed, and nothing is lost or counted twice."""
    made = device_of(mock, 150 * MIB)
    made.limit = 200 * MIB
    refused = []

    def work(number):
        rng, kept = random.Random(number), []
        for _ in range(50):
            try:
                kept.append(made.new_block(int(2 ** rng.uniform(0, 26))))
            except mp.OutOfMemoryError as error:
                refused.append(str(error))  # not its traceback, which holds blocks
                del kept[len(kept) // 2 :]
            if kept and rng.random() < 0.5:
                kept.pop(rng.randrange(len(kept)))

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    together(4, work)
    sys.setswitchinterval(before)
    assert refused
    assert 150 * MIB < made.peak_reserved <= 200 * MIB
    made.empty_cache()
    assert (made.allocated, made.cached, made.reserved, mock.used, mock.heaps) == (0, 0, 0, 0, {})


# ---- watermarks ----


def test_the_high_watermark_counts_what_others_have(mock):
    made = device_of(mock, 100 * MIB)
    assert (made.high_bytes, made.low_bytes) == (170 * MIB, 140 * MIB)
    mock.others = 160 * MIB
    with pytest.raises(mp.OutOfMemoryError):
        made.new_block(11 * MIB)
    assert made.new_block(10 * MIB).size == 10 * MIB


def test_no_ratio_is_no_limit(mock):
    made = device_of(mock, 100 * MIB)
    made.set_high_ratio(0.0)
    assert made.new_block(800 * MIB).size == 800 * MIB
    assert made.low_bytes == 140 * MIB


def test_the_low_watermark_follows_a_lower_high_one(mock):
    made = device_of(mock, 100 * MIB)
    made.set_high_ratio(0.5)
    assert (made.high_bytes, made.low_bytes, made.high_ratio) == (50 * MIB, 50 * MIB, 0.5)
    made.set_high_ratio(1.6)
    assert (made.high_bytes, made.low_bytes) == (160 * MIB, 140 * MIB)
    for bad in (-0.1, 2.1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="between 0 and 2"):
            made.set_high_ratio(bad)
    made.set_high_ratio(1e-12)
    with pytest.raises(mp.OutOfMemoryError):
        made.new_block(1)


def test_under_pressure_heaps_are_no_larger_than_needed(mock):
    made = device_of(mock, 10 * GIB)
    mock.others = 14 * GIB
    assert made.new_block(12 * MIB).size == 12 * MIB
    assert heap_sizes(made) == [12 * MIB]


def test_old_blocks_are_collected_above_the_low_watermark(mock):
    made = device_of(mock, 2000 * MIB)  # low: 2800 MiB
    held = [made.new_block(size) for size in (608 * MIB, 768 * MIB, 960 * MIB)]
    del held[:2]  # old
    for _ in range(50):
        made.new_block(1)
    del held[:]  # young
    mock.others = 500 * MIB
    del mock.calls[:]
    kept = made.new_block(512 * MIB)
    dropped = [size for name, size in mock.calls if name == "drop heap"]
    assert dropped == [608 * MIB]  # what is too much, and neither the other old one nor the young one
    assert made.statistics()["gc_runs"] == 1
    assert kept.size == 512 * MIB


def test_nothing_is_collected_below_the_low_watermark(mock):
    made = device_of(mock, 4000 * MIB)
    made.new_block(608 * MIB)
    kept = made.new_block(1024 * MIB)
    assert made.statistics()["gc_runs"] == 0
    assert made.cached == 608 * MIB
    assert kept.size == 1024 * MIB


def test_pending_blocks_are_not_collected(mock):
    made = device_of(mock, 2000 * MIB)
    block = made.new_block(960 * MIB)
    unfinished(mock, block)
    del block
    mock.others = 2000 * MIB
    made.set_high_ratio(2.0)
    kept = made.new_block(512 * MIB)
    assert made.statistics()["pending_blocks"] == 1
    assert ("release", 960 * MIB) not in mock.calls
    assert kept.size == 512 * MIB


# ---- environment variables ----


@pytest.mark.parametrize("high", ["METALPY_HIGH_WATERMARK_RATIO", "PYTORCH_MPS_HIGH_WATERMARK_RATIO"])
def test_lowering_only_the_high_ratio_works(mock, monkeypatch, high):
    monkeypatch.setenv(high, "0.7")
    made = device_of(mock, 100 * MIB)
    assert (made.high_bytes, made.low_bytes) == (70 * MIB, 70 * MIB)


@pytest.mark.parametrize("low", ["METALPY_LOW_WATERMARK_RATIO", "PYTORCH_MPS_LOW_WATERMARK_RATIO"])
def test_low_ratio(mock, monkeypatch, low):
    monkeypatch.setenv(low, "0.5")
    made = device_of(mock, 100 * MIB)
    assert (made.high_bytes, made.low_bytes, made.low_ratio) == (170 * MIB, 50 * MIB, 0.5)
    monkeypatch.setenv("METALPY_HIGH_WATERMARK_RATIO", "0.4")
    with pytest.raises(mp.EnvironmentVariableError, match=f"^{low} must be a number from 0 to 0.4, not '0.5'"):
        Pool(mock.device)
    monkeypatch.setenv("METALPY_HIGH_WATERMARK_RATIO", "0")  # unlimited
    assert Pool(mock.device).low_bytes == 50 * MIB


def test_no_low_ratio_means_no_collection(mock, monkeypatch):
    monkeypatch.setenv("METALPY_LOW_WATERMARK_RATIO", "0")
    made = device_of(mock, 2000 * MIB)
    mock.others = 2100 * MIB
    made.new_block(608 * MIB)
    kept = made.new_block(640 * MIB)
    assert made.statistics()["gc_runs"] == 0
    assert kept.size == 640 * MIB


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("METALPY_HIGH_WATERMARK_RATIO", "2.5", "a number from 0 to 2"),
        ("PYTORCH_MPS_HIGH_WATERMARK_RATIO", "much", "a number from 0 to 2"),
        ("METALPY_LOW_WATERMARK_RATIO", "nan", "a number from 0 to 1.7"),
        ("METALPY_DEBUG_ALLOCATOR", "32", "an integer from 0 to 31"),
        ("PYTORCH_DEBUG_MPS_ALLOCATOR", "yes", "an integer from 0 to 31"),
        ("METALPY_MEMORY_LIMIT", "-1", "a positive number of bytes"),
    ],
)
def test_bad_values_are_named(mock, monkeypatch, name, value, allowed):
    monkeypatch.setenv(name, value)
    references = mock.device_references
    for _ in range(2):  # the second time as well
        with pytest.raises(mp.EnvironmentVariableError, match=f"^{name} must be {allowed}.*, not '{value}'$"):
            mp.zeros(4, device=mock.device)
    assert mock.device_references == references
    monkeypatch.delenv(name)
    assert mp.zeros(4, device=mock.device).tolist() == [0, 0, 0, 0]


def test_limit_from_the_environment(mock, monkeypatch):
    monkeypatch.setenv("METALPY_MEMORY_LIMIT", "64M")
    assert Pool(mock.device).limit == 64 * MIB
