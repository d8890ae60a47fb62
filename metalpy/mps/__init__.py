"""The counterpart of torch.mps: functions about the default device."""

from __future__ import annotations

from metalpy._core.memory import release_owners as _release_owners
from metalpy.device import device as _device
from metalpy.device import device_count as _device_count
from metalpy.mps import profiler
from metalpy.mps.event import Event
from metalpy.mps.memory import (
    AllocationEvent,
    BlockInfo,
    Frame,
    HeapInfo,
    HookHandle,
    add_allocation_hook,
    current_allocated_memory,
    driver_allocated_memory,
    empty_cache,
    max_memory_allocated,
    max_memory_reserved,
    mem_get_info,
    memory_reserved,
    memory_snapshot,
    memory_stats,
    recommended_max_memory,
    record_memory_history,
    reset_accumulated_memory_stats,
    reset_peak_memory_stats,
    set_memory_limit,
    set_per_process_memory_fraction,
)
from metalpy.mps.messages import KernelMessage, set_message_handler
from metalpy.mps.rng import get_rng_state, manual_seed, seed, set_rng_state
from metalpy.mps.shader import ShaderLibrary, compile_shader, load_metallib
from metalpy.mps.stream import Stream, StreamContext, current_stream, default_stream, set_stream, stream

__all__ = [
    "AllocationEvent",
    "BlockInfo",
    "Event",
    "Frame",
    "HeapInfo",
    "HookHandle",
    "KernelMessage",
    "ShaderLibrary",
    "Stream",
    "StreamContext",
    "add_allocation_hook",
    "compile_shader",
    "current_allocated_memory",
    "current_stream",
    "default_stream",
    "device_count",
    "driver_allocated_memory",
    "empty_cache",
    "get_rng_state",
    "is_available",
    "load_metallib",
    "manual_seed",
    "max_memory_allocated",
    "max_memory_reserved",
    "mem_get_info",
    "memory_reserved",
    "memory_snapshot",
    "memory_stats",
    "profiler",
    "recommended_max_memory",
    "record_memory_history",
    "reset_accumulated_memory_stats",
    "reset_peak_memory_stats",
    "seed",
    "set_memory_limit",
    "set_message_handler",
    "set_per_process_memory_fraction",
    "set_rng_state",
    "set_stream",
    "set_time_limit",
    "stream",
    "synchronize",
]


def device_count() -> int:
    """Number of Metal devices. Opens none."""
    return _device_count()


def is_available() -> bool:
    """True if there is a Metal device. Opens none."""
    return _device_count() > 0


def synchronize() -> None:
    """Block until all work given to the default device is done, on every stream.

    Raises
    ------
    KernelFaultError, KernelReportedError, TimeLimitError
        If a kernel failed since the last call that waited; each failure is reported once.
    """
    _device().synchronize()
    _release_owners()


def set_time_limit(seconds: float | None) -> None:
    """Stop every kernel that runs longer than `seconds`; None, the default, sets no limit.

    Applies to kernels that start afterwards. The next call that waits raises `TimeLimitError`.

    Raises
    ------
    ValueError
        If `seconds` is 0, negative or not finite.
    UnsupportedError
        On hardware that sets its own limit.
    """
    _device().set_time_limit(seconds)
