"""Mixed work from several threads for a long time: results stay right, and memory stays flat.

    python tools/soak.py                                     # 2,000,000 operations from 8 threads
    python tools/soak.py --operations 20000 --threads 4      # a short look

Each thread takes operations at random: it allocates and drops arrays, launches kernels on streams of its own and on
streams that all share, orders them by events, reads results back, draws random numbers, empties the cache, and now and
then meets a kernel that fails. Whatever it computes, it also computes with NumPy. At each of the checkpoints all
threads stand still, the device is idle, and what is alive is counted:

* bytes of live arrays, exactly as many as at the first checkpoint;
* resident memory and file descriptors, whose median over the last third may not lie above that of the first third by
  more than the tolerance.

Ends with 0 if all of that holds.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import statistics
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import metalpy as mp
from metalpy._core import pool

SOURCE = """
#include <metal_stdlib>
using namespace metal;
kernel void add(device uint* a, device const uint* b, uint i [[thread_position_in_grid]]) { a[i] += b[i]; }
kernel void scale(device float* x, constant float& by, uint i [[thread_position_in_grid]]) { x[i] *= by; }
kernel void total(device const uint* x, device atomic_uint* sum, uint i [[thread_position_in_grid]],
                  uint t [[thread_index_in_threadgroup]], uint n [[threads_per_threadgroup]]) {
  threadgroup uint part[256];
  part[t] = x[i];
  threadgroup_barrier(mem_flags::mem_threadgroup);
  if (t != 0) return;
  uint all = 0;
  for (uint k = 0; k < n; ++k) all += part[k];
  atomic_fetch_add_explicit(sum, all, memory_order_relaxed);
}
kernel void fail(device int* x, constant int& by) { x[0] /= by; }
"""

RESIDENT_TOLERANCE = 16 << 20  # bytes that may come without a leak: the C library's arenas, a cache that fills


@dataclass
class Checkpoint:
    """What is alive while everything stands still."""

    operations: int
    seconds: float
    allocated: int  # bytes of live arrays
    reserved: int  # bytes of the device, with what is kept for reuse
    resident: int  # bytes of the process
    files: int

    @staticmethod
    def heading() -> str:
        return f"{'operations':>12} {'seconds':>8} {'allocated':>12} {'reserved':>14} {'resident':>14} {'files':>6}"

    def __str__(self) -> str:
        return (
            f"{self.operations:12,} {self.seconds:8.1f} {self.allocated:12,} {self.reserved:14,} {self.resident:14,} "
            f"{self.files:6}"
        )


class Worker:
    """One thread's operations, each of which checks what it computes."""

    def __init__(self, soak: Soak, seed: int) -> None:
        self.soak = soak
        self.choose = random.Random(seed)
        self.generator = mp.random.default_rng(seed, device=soak.device)
        self.streams = [mp.mps.Stream(soak.device) for _ in range(2)]
        self.event = mp.mps.Event(enable_timing=True)
        self.kept = self.uints(64, 0)
        self.expected = 0
        self.mix: list[tuple[Callable[[], None], int]] = [
            (self.accumulate, 40), (self.churn, 20), (self.reduce, 8), (self.arithmetic, 8), (self.hand_over, 8),
            (self.draw, 4), (self.measure, 3), (self.future, 2), (self.short_stream, 2), (self.wrap, 3),
            (self.synchronize, 1), (self.failure, 1),
        ]  # fmt: skip

    def run(self, operations: int) -> None:
        calls, weights = zip(*self.mix, strict=True)
        for call in self.choose.choices(calls, weights, k=operations):
            call()

    def settle(self) -> None:
        """Nothing but `kept` stays, at a checkpoint; it holds what all turns so far should have made of it."""
        with mp.mps.stream(self.streams[0]):
            self.event.wait()
        check(self.kept.numpy() == self.expected % 2**32)
        self.kept.fill(0)
        self.expected = 0

    def uints(self, count: int, value: int) -> mp.Array:
        return mp.full(count, value, mp.uint32, self.soak.device)

    def accumulate(self) -> None:
        """`kept` goes from stream to stream, kept in order by the event."""
        turn = self.choose.randrange(1000)
        with mp.mps.stream(self.choose.choice(self.streams + self.soak.shared)):
            self.event.wait()
            self.soak.library.add(self.kept, self.uints(64, turn))
            self.event.record()
        self.expected += turn

    def churn(self) -> None:
        sizes = [self.choose.choice([1, 8, 100, 4096, 70_000, 400_000]) for _ in range(4)]
        arrays = [mp.zeros(size, mp.uint32, self.soak.device) for size in sizes]
        self.choose.shuffle(arrays)
        arrays.pop().fill(1)  # goes while the fill may still be at work
        check(arrays[0][0].item() == 0)

    def reduce(self) -> None:
        count = self.choose.choice([1, 255, 256, 5000])
        values = np.arange(count, dtype=np.uint32)
        total = self.uints(1, 0)
        self.soak.library.total(mp.array(values, device=self.soak.device), total, threads=count, group_size=256)
        check(total.item() == values.sum(dtype=np.uint32))

    def arithmetic(self) -> None:
        x = mp.ones(1000, device=self.soak.device)
        with mp.mps.stream(self.choose.choice(self.streams)):
            y = x * 3 + 1
            self.soak.library.scale(y, 0.5)
        check(y.numpy() == 2)

    def hand_over(self) -> None:
        """An array that another stream made, after its event."""
        made, done = self.uints(256, 5), mp.mps.Event()
        with mp.mps.stream(self.streams[0]):
            self.soak.library.add(made, made.copy())
            done.record()
        with mp.mps.stream(self.streams[1]):
            done.wait()
            self.soak.library.add(made, made.copy())
        check(made.numpy() == 20)

    def draw(self) -> None:
        numbers = self.generator.random(1000).numpy()
        check((numbers >= 0) & (numbers < 1))
        check(len(np.unique(numbers)) > 900)

    def measure(self) -> None:
        start, end = mp.mps.Event(enable_timing=True), mp.mps.Event(enable_timing=True)
        start.record()
        self.uints(1000, 1).fill(2)
        end.record()
        check(start.elapsed_time(end) >= 0)

    def future(self) -> None:
        x = self.uints(16, 1)
        self.soak.library.add(x, self.uints(16, 2))
        done = mp.mps.Event()
        done.record()
        check(done.future().result(timeout=60) is done)
        check(x.numpy() == 3)

    def short_stream(self) -> None:
        x = self.uints(16, 1)
        with mp.mps.stream(mp.mps.Stream(self.soak.device)):
            self.soak.library.add(x, self.uints(16, 1))
        check(x.numpy() == 2)

    def wrap(self) -> None:
        host = np.ones(4096, np.uint32)
        wrapped = mp.asarray(host, copy=False, device=self.soak.device)
        self.soak.library.add(wrapped, self.uints(4096, 1))
        check(wrapped.numpy() == 2)
        check(host == 2)

    def synchronize(self) -> None:
        self.streams[1].synchronize()
        if self.choose.random() < 0.02:
            mp.mps.empty_cache()

    def failure(self) -> None:
        stream = mp.mps.Stream(self.soak.device)
        x = mp.ones(1, mp.int32, self.soak.device)
        with mp.mps.stream(stream):
            self.soak.library.fail(x, 0)
        try:
            stream.synchronize()
        except mp.KernelFaultError:
            return
        raise AssertionError("a kernel that divides by zero went unnoticed")


class Soak:
    """Workers that run at the same time, and stand still at each checkpoint."""

    def __init__(self, threads: int, seed: int) -> None:
        self.device = mp.device()
        self.library = mp.mps.compile_shader(SOURCE, device=self.device)
        self.shared = [mp.mps.Stream(self.device) for _ in range(2)]
        self.workers = [Worker(self, seed + number) for number in range(threads)]
        self.failures: list[BaseException] = []
        self.start = time.perf_counter()

    def leg(self, operations: int) -> None:
        """Every worker runs its share of the operations, in a thread of its own."""

        def run(worker: Worker) -> None:
            try:
                worker.run(operations // len(self.workers))
                worker.settle()
            except BaseException as failure:
                self.failures.append(failure)

        threads = [threading.Thread(target=run, args=(worker,)) for worker in self.workers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self.failures:
            raise self.failures[0]

    def checkpoint(self, operations: int) -> Checkpoint:
        self.device.synchronize()
        gc.collect()
        counters = pool.pool(self.device)
        return Checkpoint(
            operations, time.perf_counter() - self.start, counters.allocated, counters.reserved, resident_bytes(),
            open_files(),
        )  # fmt: skip


def check(holds: object) -> None:
    if not np.all(holds):
        raise AssertionError("a result is wrong")


def resident_bytes() -> int:
    status = Path("/proc/self/statm")
    if status.exists():
        return int(status.read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
    import resource  # macOS: the peak, in bytes, which is flat only if the memory is

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def open_files() -> int:
    folder = Path("/proc/self/fd") if Path("/proc/self/fd").exists() else Path("/dev/fd")
    return len(list(folder.iterdir()))


def complaints(found: list[Checkpoint], resident_tolerance: int) -> list[str]:
    """What has grown between the first checkpoint and the last."""
    third = max(1, len(found) // 3)
    said = []
    grown = {one.allocated for one in found} - {found[0].allocated}
    if grown:
        said.append(f"live arrays took {found[0].allocated:,} bytes at first, and later {sorted(grown)}")
    for name, tolerance in (("resident", resident_tolerance), ("files", 2)):
        early = statistics.median(getattr(one, name) for one in found[:third])
        late = statistics.median(getattr(one, name) for one in found[-third:])
        if late > early + tolerance:
            said.append(f"{name} grew from {early:,.0f} to {late:,.0f}")
    return said


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--operations", type=int, default=2_000_000, help="of all threads together")
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--checkpoints", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--resident-tolerance", type=int, default=RESIDENT_TOLERANCE, help="bytes")
    options = parser.parse_args()
    if options.checkpoints < 3:
        parser.error("--checkpoints must be at least 3")
    soak = Soak(options.threads, options.seed)
    print(f"{options.operations:,} operations from {options.threads} threads on {soak.device.name}")
    print(Checkpoint.heading())
    leg, found = options.operations // options.checkpoints, []
    for number in range(options.checkpoints):
        soak.leg(leg)
        found.append(soak.checkpoint((number + 1) * leg))
        print(found[-1], flush=True)
    said = complaints(found, options.resident_tolerance)
    print("flat" if not said else "NOT FLAT: " + "; ".join(said))
    sys.exit(bool(said))


if __name__ == "__main__":
    main()
