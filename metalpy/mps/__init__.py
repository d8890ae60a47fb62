"""The counterpart of torch.mps: functions about the default device."""

from __future__ import annotations

from metalpy._core import pool as _pool
from metalpy.device import device as _device
from metalpy.device import device_count as _device_count
from metalpy.mps.event import Event
from metalpy.mps.rng import get_rng_state, manual_seed, seed, set_rng_state
from metalpy.mps.shader import ShaderLibrary, compile_shader, load_metallib
from metalpy.mps.stream import Stream, StreamContext, current_stream, default_stream, set_stream, stream

__all__ = [
    "Event",
    "ShaderLibrary",
    "Stream",
    "StreamContext",
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
    "recommended_max_memory",
    "seed",
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
    KernelFaultError, TimeLimitError
        If a kernel failed since the last call that waited; each failure is reported once.
    """
    _device().synchronize()
    _pool.release_owners()


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


def empty_cache() -> None:
    """Give memory that is kept for reuse back to the device. Waits for work that still uses some of it."""
    _pool.pool(_device()).empty_cache()


def current_allocated_memory() -> int:
    """Bytes that live arrays take, rounded up to the allocator's size classes."""
    return _pool.pool(_device()).allocated


def driver_allocated_memory() -> int:
    """Bytes that the device has given out, with what is kept for reuse."""
    return _device().allocated_size


def recommended_max_memory() -> int:
    """Bytes that buffers may take in all without hurting performance."""
    return _device().recommended_max_memory
