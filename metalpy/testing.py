"""Timing kernels, in a script or as a pytest fixture.

In a script::

    print(metalpy.testing.time_kernel(lib.saxpy, out, x, y, 2.0))

With pytest and pytest-benchmark, put ``from metalpy.testing import kernel_timer`` into a ``conftest.py``; then::

    def test_saxpy(kernel_timer):
        timing = kernel_timer(lib.saxpy, out, x, y, 2.0)
        assert timing.device.median < 1e-3

The benchmark's own result is the wall time of a launch and its wait; the device time is in its ``extra_info``.
"""

from __future__ import annotations

import gc
import statistics
from collections.abc import Callable
from dataclasses import asdict, dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any

from metalpy._core.driver import Event
from metalpy._core.stream import selected_queue
from metalpy.array import Array
from metalpy.device import Device, device

if TYPE_CHECKING:
    from metalpy import Kernel

__all__ = ["KernelTiming", "Spread", "kernel_timer", "time_kernel"]


@dataclass(frozen=True)
class Spread:
    """How long something took, in seconds, over some rounds.

    Attributes
    ----------
    median, low, high : float
        The middle round, and the ends of the middle half of the rounds.
    fastest : float
    rounds : int
    """

    median: float
    low: float
    high: float
    fastest: float
    rounds: int

    @classmethod
    def of(cls, seconds: list[float]) -> Spread:
        """Summarise rounds."""
        low, median, high = statistics.quantiles(seconds, n=4, method="inclusive") if seconds[1:] else seconds * 3
        return cls(median, low, high, min(seconds), len(seconds))

    def __str__(self) -> str:
        scale, unit = next((s, u) for s, u in ((1, "s"), (1e-3, "ms"), (1e-6, "us"), (0, "ns")) if self.median >= s)
        scale = scale or 1e-9
        return f"{self.median / scale:.3g} {unit} ({self.low / scale:.3g} to {self.high / scale:.3g})"


@dataclass(frozen=True)
class KernelTiming:
    """How long a kernel launch takes.

    Attributes
    ----------
    device : Spread
        From when the device starts the launch to when it is done, by the device's clock.
    wall : Spread
        From the call to the return of the wait for it, by the host's clock.
    """

    device: Spread
    wall: Spread

    def __str__(self) -> str:
        return f"device {self.device}, wall {self.wall}, {self.wall.rounds} rounds"


def time_kernel(kernel: Kernel, *args: Any, rounds: int = 30, warmup: int = 3, **options: Any) -> KernelTiming:
    """Measure a kernel launch.

    Parameters
    ----------
    kernel : Kernel
    *args
        The kernel's arguments. What it writes is written once for each round.
    rounds, warmup : int
        Launches that are measured, and launches before them that are not.
    **options
        The call's own options, such as ``threads=``, and keyword arguments of the kernel.

    Returns
    -------
    KernelTiming
    """
    if rounds < 1:
        raise ValueError(f"rounds must be at least 1, got {rounds}")
    target = _device_of(args, options)
    stopwatch = _Stopwatch(target)
    for _ in range(warmup):
        kernel(*args, **options)
    target.synchronize()
    collecting = gc.isenabled()
    gc.disable()
    try:
        # The marks of the device's clock would cost wall time, so the two are measured in rounds of their own.
        device_seconds, wall_seconds = [], []
        for _ in range(rounds):
            device_seconds.append(stopwatch.time(lambda: kernel(*args, **options)))
            start = perf_counter()
            kernel(*args, **options)
            target.synchronize()
            wall_seconds.append(perf_counter() - start)
    finally:
        if collecting:
            gc.enable()
    return KernelTiming(Spread.of(device_seconds), Spread.of(wall_seconds))


class _Stopwatch:
    """Times what a call gives to the device, between two marks in the order of its commands."""

    def __init__(self, target: Device) -> None:
        self._device = target
        self._start, self._end = Event(target), Event(target)
        self._value = 0

    def time(self, launch: Callable[[], object]) -> float:
        self._value += 1
        queue = selected_queue(self._device)
        queue.signal_event(self._start, self._value)
        launch()
        queue.signal_event(self._end, self._value)
        self._device.synchronize()
        return (self._end.time - self._start.time) * 1e-9


def _device_of(args: tuple[Any, ...], options: dict[str, Any]) -> Device:
    found = next((value for value in (*args, *options.values()) if isinstance(value, Array)), None)
    return found.device if found is not None else device()


try:
    import pytest
except ModuleNotFoundError:  # pytest is not needed for time_kernel
    pass
else:

    @pytest.fixture
    def kernel_timer(benchmark: Any) -> Callable[..., KernelTiming]:
        """Time a kernel launch: ``kernel_timer(kernel, *args, rounds=30, **options)``, as `time_kernel`."""

        def timer(kernel: Kernel, *args: Any, rounds: int = 30, warmup: int = 3, **options: Any) -> KernelTiming:
            if benchmark.disabled:  # --benchmark-disable asks whether it runs, not how fast
                rounds, warmup = 1, 0
            target = _device_of(args, options)
            timing = time_kernel(kernel, *args, rounds=rounds, warmup=warmup, **options)
            benchmark.extra_info["device"] = asdict(timing.device)

            def launch_and_wait() -> None:
                kernel(*args, **options)
                target.synchronize()

            benchmark.pedantic(launch_and_wait, rounds=rounds)
            return timing

        return timer
