"""Memory of a device: what is in use, what is kept, how much is allowed, and who asked for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from metalpy._core.observer import AllocationEvent, HookHandle
from metalpy._core.pool import Pool
from metalpy._core.pool import pool as _pool
from metalpy.device import Device
from metalpy.device import device as _device

__all__ = [
    "AllocationEvent",
    "BlockInfo",
    "Frame",
    "HeapInfo",
    "HookHandle",
    "add_allocation_hook",
    "current_allocated_memory",
    "driver_allocated_memory",
    "empty_cache",
    "max_memory_allocated",
    "max_memory_reserved",
    "mem_get_info",
    "memory_reserved",
    "memory_snapshot",
    "memory_stats",
    "recommended_max_memory",
    "record_memory_history",
    "reset_accumulated_memory_stats",
    "reset_peak_memory_stats",
    "set_memory_limit",
    "set_per_process_memory_fraction",
]

_DeviceLike = str | int | Device | None
_PACKAGE = str(Path(__file__).parent.parent)


class Frame(NamedTuple):
    """One call of a stack: file, line from 1, function."""

    file: str
    line: int
    function: str


@dataclass(frozen=True)
class BlockInfo:
    """A block of a heap, as `memory_snapshot` found it.

    Attributes
    ----------
    address : int
        By which kernels reach it; the host too, where the device has unified memory.
    size, requested_size : int
        Bytes of the block; bytes that the array asked for, or the last one did.
    state : str
        ``"active"``: an array has it. ``"pending"``: given back while work still used it. ``"free"``: kept for reuse.
    age : int
        Allocations on this device since the block was given back; 0 if it is active.
    stack : tuple of Frame
        The calls that led to the allocation, the innermost first. Empty unless `record_memory_history` was on.
    """

    address: int
    size: int
    requested_size: int
    state: str
    age: int
    stack: tuple[Frame, ...]

    @property
    def source(self) -> Frame | None:
        """The innermost call outside of metalpy: the line that asked for the memory. None if it was not recorded."""
        return next((frame for frame in self.stack if not frame.file.startswith(_PACKAGE)), None)


@dataclass(frozen=True)
class HeapInfo:
    """Memory that the device has given to one of its pools, as `memory_snapshot` found it.

    Attributes
    ----------
    number : int
        From 1, in the order in which the heaps were made.
    pool : str
        ``"scalar"``, ``"shared-small"`` or ``"shared-large"``.
    size, largest_free : int
        Bytes; bytes of the largest block that could still be cut from it.
    blocks : tuple of BlockInfo
        In the order of their addresses.
    """

    number: int
    pool: str
    size: int
    largest_free: int
    blocks: tuple[BlockInfo, ...]


def _pool_of(device: _DeviceLike) -> Pool:
    return _pool(_device(device))


def empty_cache(device: _DeviceLike = None) -> None:
    """Give memory that is kept for reuse back to the device. Waits for work that still uses some of it.

    A heap in which an array lives stays, and other arrays may use what is left of it.

    Raises
    ------
    KernelFaultError, TimeLimitError
        If a kernel failed since the last call that waited. The memory is given back all the same.
    """
    _pool_of(device).empty_cache()


def current_allocated_memory(device: _DeviceLike = None) -> int:
    """Bytes that live arrays take, rounded up to the allocator's size classes."""
    return _pool_of(device).allocated


def driver_allocated_memory(device: _DeviceLike = None) -> int:
    """Bytes that the device has given to this process: heaps with all that is unused in them, and everything else."""
    return _device(device).allocated_size


def recommended_max_memory(device: _DeviceLike = None) -> int:
    """Bytes that buffers may take in all without hurting performance."""
    return _device(device).recommended_max_memory


def memory_reserved(device: _DeviceLike = None) -> int:
    """Bytes of all heaps: what arrays use, what is kept for reuse, and what nothing has used yet."""
    return _pool_of(device).reserved


def max_memory_allocated(device: _DeviceLike = None) -> int:
    """Highest `current_allocated_memory` since the start or `reset_peak_memory_stats`."""
    return _pool_of(device).peak_allocated


def max_memory_reserved(device: _DeviceLike = None) -> int:
    """Highest `memory_reserved` since the start or `reset_peak_memory_stats`."""
    return _pool_of(device).peak_reserved


def mem_get_info(device: _DeviceLike = None) -> tuple[int, int]:
    """Bytes that can still be taken within what the device recommends, and the bytes that it recommends."""
    found = _device(device)
    total = found.recommended_max_memory
    return max(0, total - found.allocated_size), total


def set_per_process_memory_fraction(fraction: float, device: _DeviceLike = None) -> None:
    """Limit what the device may give out to `fraction` times `recommended_max_memory`, the high watermark.

    What is allocated stays, also above the limit. Where the low watermark, above which old blocks are given back, lies
    higher, it moves down with this one.

    Parameters
    ----------
    fraction : float
        From 0 to 2; 0.0 sets no limit. The default is 1.7.
    device : str, int or Device, optional

    Raises
    ------
    TypeError
        If `fraction` is no float.
    ValueError
        If it is below 0, above 2 or not a number.
    """
    if not isinstance(fraction, float):
        raise TypeError(f"Invalid type for fraction argument, must be `float`, got {type(fraction).__name__}")
    if not 0 <= fraction <= 2:
        raise ValueError(f"Invalid fraction value: {fraction}. Allowed range: 0~2")
    _pool_of(device).set_high_ratio(fraction)


def set_memory_limit(limit: int | None, device: _DeviceLike = None) -> None:
    """Limit the bytes that metalpy reserves on the device; None sets no limit but the high watermark.

    Kept blocks count and are given back when the limit is reached; what live arrays have stays, also above it. Heaps
    are smaller under a limit, so that all of it can be used.

    Raises
    ------
    TypeError
        If `limit` is neither an integer nor None.
    ValueError
        If it is not positive.
    """
    if limit is not None and (isinstance(limit, bool) or not hasattr(limit, "__index__")):
        raise TypeError(f"a memory limit is a number of bytes or None, got {limit!r}")
    _pool_of(device).limit = None if limit is None else limit.__index__()


def memory_stats(device: _DeviceLike = None) -> dict[str, int]:
    """Counters of the allocator.

    Returns
    -------
    dict
        ``<what>.all.<which>``, where `what` is ``allocated_bytes`` and ``allocation`` (bytes and number of blocks that
        arrays have) or ``reserved_bytes`` and ``segment`` (bytes and number of heaps), and `which` is ``current``,
        ``peak``, ``allocated`` (all that was ever taken) or ``freed``. ``cached_bytes`` and ``pending_blocks``: kept
        for reuse, and those of them whose work still runs. ``num_hits`` and ``num_misses``: allocations that a kept
        block served, and others. ``num_gc_runs``: how often old blocks were given back. ``num_alloc_retries``: how
        often all work had to be waited for. ``num_ooms``: how often there was no memory. ``limit_bytes``: as set;
        0 for none.
    """
    counted = _pool_of(device).statistics()
    names = {
        "allocated_bytes": ("allocated_bytes", "peak_allocated_bytes", "total_allocated_bytes", "total_freed_bytes"),
        "reserved_bytes": ("reserved_bytes", "peak_reserved_bytes", "total_reserved_bytes", "total_unreserved_bytes"),
        "allocation": ("live_blocks", "peak_live_blocks", "allocations", "frees"),
        "segment": ("heaps", "peak_heaps", "heaps_made", "heaps_dropped"),
    }
    stats = {
        f"{what}.all.{which}": counted[name]
        for what, sources in names.items()
        for which, name in zip(("current", "peak", "allocated", "freed"), sources, strict=True)
    }
    stats |= {name: counted[name] for name in ("cached_bytes", "pending_blocks", "limit_bytes")}
    stats |= {f"num_{name}": counted[name] for name in ("hits", "misses", "gc_runs", "ooms")}
    stats["num_alloc_retries"] = counted["retries"]
    return stats


def reset_peak_memory_stats(device: _DeviceLike = None) -> None:
    """Start the peaks again from what is in use now."""
    _pool_of(device).reset_peak()


def reset_accumulated_memory_stats(device: _DeviceLike = None) -> None:
    """Start the counters that only grow again from 0: ``allocated``, ``freed`` and ``num_...`` of `memory_stats`."""
    _pool_of(device).reset_accumulated()


def memory_snapshot(device: _DeviceLike = None) -> list[HeapInfo]:
    """Every heap with every block that it has, in use or kept."""
    return [
        HeapInfo(number, pool, size, largest, tuple(sorted(map(_block, blocks), key=lambda block: block.address)))
        for number, pool, size, largest, blocks in _pool_of(device).snapshot()
    ]


def _block(found: tuple[int, int, int, str, int, tuple[tuple[str, int, str], ...] | None]) -> BlockInfo:
    address, size, requested, state, age, origin = found
    return BlockInfo(address, size, requested, state, age, tuple(Frame(*call) for call in origin or ()))


def record_memory_history(enabled: bool = True, device: _DeviceLike = None) -> None:
    """Keep, or no longer keep, the Python calls that lead to each allocation, for `memory_snapshot`.

    Costs a few microseconds for each allocation while it is on, and nothing while it is off.
    """
    _pool_of(device).observer.record(enabled)


def add_allocation_hook(hook: Callable[[AllocationEvent], object], device: _DeviceLike = None) -> HookHandle:
    """Call a function whenever the device's memory is used.

    Parameters
    ----------
    hook : callable
        Called with an `AllocationEvent`, in the thread that allocates or lets go, after the fact. It may do anything;
        what it allocates itself is not reported. What it raises goes to `sys.unraisablehook` and harms nothing.
    device : str, int or Device, optional

    Returns
    -------
    HookHandle
        ``remove()`` takes the hook away.

    Raises
    ------
    TypeError
        If `hook` cannot be called.
    """
    return _pool_of(device).observer.add(hook)
