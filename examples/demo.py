"""The main job in one file: compile real .metal files, run them, check them against NumPy, draw a picture.

Run it as ``make demo`` or ``python examples/demo.py [folder for the picture]``.
"""

from __future__ import annotations

import argparse
import math
import struct
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

import metalpy as mp
from metalpy.compiler.cache import default_cache

KERNELS = Path(__file__).parent / "kernels"
rng = np.random.default_rng(2026)


class Run(NamedTuple):
    """What a demonstration hands back: its kernels, how to launch them, and how to check what they did."""

    kernels: tuple[mp.Kernel, ...]
    launch: Callable[[], None]
    threads: tuple[int, ...]
    check: Callable[[], float]  # the largest difference from NumPy's answer
    tolerance: float


def mandelbrot(lib, width: int = 1024, height: int = 768) -> Run:
    image = mp.zeros((height, width, 4), dtype=np.uint8)
    params = {"centre": (-0.743643, 0.131825), "scale": 3e-3 / width, "max_iterations": 1000}
    grid = {"threads": (width, height), "group_size": (16, 16)}

    def check() -> float:
        pixels = np.asarray(image)
        write_png(picture, pixels)
        rows, columns = rng.integers(height, size=100), rng.integers(width, size=100)
        points = [(c - width / 2, height / 2 - r) for r, c in zip(rows, columns, strict=True)]
        expected = np.array([colour(params, *point) for point in points])
        # Single precision ends elsewhere at the few points where the set is finest: count those.
        return float((np.abs(pixels[rows, columns, :3] - expected) > 8).any(axis=1).mean())

    return Run((lib.mandelbrot,), lambda: lib.mandelbrot(image, params, **grid), grid["threads"], check, 0.1)


def colour(params: dict, x: float, y: float) -> np.ndarray:
    """What the kernel computes for a pixel, in double precision."""
    c = complex(*params["centre"]) + params["scale"] * complex(x, y)
    z = 0j
    for n in range(params["max_iterations"]):
        if abs(z) > 8:
            t = math.sqrt((n + 1 - math.log2(math.log2(abs(z)) / 3)) / 96)
            return 127.5 - 127.5 * np.cos(2 * np.pi * (t + np.array([0, 0.1, 0.2])))
        z = z * z + c
    return np.zeros(3)


def saxpy(lib, n: int = 1 << 20) -> Run:
    x, y0 = rng.standard_normal((2, n), dtype=np.float32)
    y, device_x = mp.empty(n), mp.array(x)

    def launch() -> None:
        y[:] = y0
        lib.saxpy_float(y, device_x, 2.5)

    return Run((lib.saxpy_float,), launch, (n,), lambda: worst(y, np.float32(2.5) * x + y0), 1e-6)


def reduce(lib, n: int = 1 << 20, groups: int = 64, width: int = 256) -> Run:
    x = rng.random(n, dtype=np.float32)
    device_x, partial = mp.array(x), mp.zeros(groups)

    def launch() -> None:
        lib.reduce_sum(partial, device_x, n, groups=groups, group_size=width, threadgroup_memory={0: 4 * width})

    exact = x.sum(dtype=np.float64)
    return Run(
        (lib.reduce_sum,),
        launch,
        (groups * width,),
        lambda: abs(np.asarray(partial).sum(dtype=np.float64) - exact) / exact,
        1e-6,
    )


def softmax(lib, rows: int = 512, columns: int = 1000) -> Run:
    x = 4 * rng.standard_normal((rows, columns), dtype=np.float32)
    device_x, out = mp.array(x), mp.zeros((rows, columns))
    e = np.exp(x - x.max(axis=1, keepdims=True), dtype=np.float64)

    def launch() -> None:
        lib.softmax(out, device_x, columns, groups=rows, group_size=256)

    return Run((lib.softmax,), launch, (rows * 256,), lambda: worst(out, e / e.sum(axis=1, keepdims=True)), 1e-6)


def matmul(lib, rows: int = 250, inner: int = 170, columns: int = 190) -> Run:
    a = rng.standard_normal((rows, inner), dtype=np.float32)
    b = rng.standard_normal((inner, columns), dtype=np.float32)
    arrays = mp.zeros((rows, columns)), mp.array(a), mp.array(b)
    shape = {"rows": rows, "inner": inner, "columns": columns}
    groups = (-(-columns // 16), -(-rows // 16))  # whole tiles, so that every thread helps to load

    def launch() -> None:
        lib.matmul(*arrays, shape, groups=groups, group_size=(16, 16))

    return Run(
        (lib.matmul,), launch, (16 * groups[0], 16 * groups[1]), lambda: worst(arrays[0], a.astype(float) @ b), 1e-4
    )


def histogram(lib, n: int = 1 << 20) -> Run:
    values = np.minimum(rng.exponential(40, n), 255).astype(np.uint8)
    counts, device_values = mp.zeros(256, dtype=np.uint32), mp.array(values)

    def launch() -> None:
        counts.fill(0)
        lib.histogram(counts, device_values, n, threads=1 << 14, group_size=256)

    return Run((lib.histogram,), launch, (1 << 14,), lambda: worst(counts, np.bincount(values, minlength=256)), 0)


def stencil(lib, height: int = 300, width: int = 400, steps: int = 20) -> Run:
    start = np.zeros((height, width), np.float32)
    start[0], start[:, 0] = 100, 50
    a, b = mp.array(start), mp.zeros((height, width))

    def launch() -> None:
        a[:] = start
        for _ in range(steps // 2):
            lib.heat(b, a, threads=(width, height))
            lib.heat(a, b, threads=(width, height))

    def check() -> float:
        want = start.copy()
        for _ in range(steps):
            want[1:-1, 1:-1] = (want[1:-1, :-2] + want[1:-1, 2:] + want[:-2, 1:-1] + want[2:, 1:-1]) / 4
        return worst(a, want)

    return Run((lib.heat,), launch, (width, height), check, 1e-4)


def scan(lib, n: int = 100_000, width: int = 1024) -> Run:
    x = rng.integers(-50, 100, n, dtype=np.int32)
    device_x, out, totals = mp.array(x), mp.zeros(n, dtype=np.int32), mp.zeros(-(-n // width), dtype=np.int32)

    def launch() -> None:
        lib.scan_groups(out, totals, device_x, threads=n, group_size=width)
        lib.add_offsets(out, totals, threads=n, group_size=width)

    return Run((lib.scan_groups, lib.add_offsets), launch, (n,), lambda: worst(out, np.cumsum(x)), 0)


def nbody(lib, n: int = 1000, block: int = 128, step: float = 0.01, softening: float = 0.1) -> Run:
    body = np.dtype([("position", "f4", 3), ("mass", "f4"), ("velocity", "f4", 3)])
    now = np.zeros(n, body)
    now["position"], now["mass"] = rng.standard_normal((n, 3)), rng.random(n)
    device_now, following = mp.array(now), mp.zeros(n, dtype=body)
    kernel = lib.nbody.specialize({"block": block})
    groups = -(-n // block)

    def launch() -> None:
        kernel(
            following, device_now, step, softening, n,
            groups=groups, group_size=block, threadgroup_memory={0: 16 * block},
        )  # fmt: skip

    def check() -> float:
        d = now["position"][None].astype(float) - now["position"][:, None]
        r2 = (d**2).sum(-1) + softening**2
        velocity = step * (now["mass"] * r2**-1.5)[..., None] * d
        return worst(np.asarray(following)["position"], now["position"] + step * velocity.sum(1))

    return Run((kernel,), launch, (groups * block,), check, 1e-5)


DEMONSTRATIONS = [mandelbrot, saxpy, reduce, softmax, matmul, histogram, stencil, scan, nbody]


def worst(got, want) -> float:
    return float(np.max(np.abs(np.asarray(got).astype(np.float64) - want)))


def write_png(path: Path, pixels: np.ndarray) -> None:
    """Write an image of shape (height, width, 4) and dtype uint8."""
    height, width, _ = pixels.shape

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = np.zeros((height, 1 + 4 * width), np.uint8)  # each row starts with its filter: none
    rows[:, 1:] = pixels.reshape(height, -1)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(rows.tobytes(), 6))
        + chunk(b"IEND", b"")
    )


def timed(function: Callable[[], object]) -> tuple[object, float]:
    start = time.perf_counter()
    result = function()
    return result, 1e3 * (time.perf_counter() - start)


def main() -> int:
    device = mp.device()
    print(f"metalpy {mp.__version__} on {device.name} ({device.driver} device, {device.core_count} cores)\n")
    print(f"{'kernel file':18}{'threads':>12}{'compile':>12}{'':8}{'run':>11}   against NumPy")
    statistics = default_cache().statistics
    failures = 0
    for demonstration in DEMONSTRATIONS:
        name = demonstration.__name__
        misses = statistics.misses
        lib, front_ms = timed(lambda name=name: mp.compile_file(KERNELS / f"{name}.metal"))
        run = demonstration(lib)
        _, back_ms = timed(lambda run=run: [kernel.max_threads_per_threadgroup for kernel in run.kernels])
        source = "cached" if statistics.misses == misses else "cold"
        run.launch()  # the first launch also touches memory that is new
        mp.mps.synchronize()
        _, run_ms = timed(lambda run=run: (run.launch(), mp.mps.synchronize()))
        difference = run.check()
        verdict = "same" if difference <= run.tolerance else "WRONG"
        failures += verdict == "WRONG"
        threads = "x".join(map(str, run.threads))
        print(
            f"{name + '.metal':18}{threads:>12}{front_ms + back_ms:>9.1f} ms  {source:6}{run_ms:>8.2f} ms"
            f"   {verdict} (off by {difference:.1e})"
        )
    print(f"\nThe picture: {picture}")
    return failures


def options(description: str) -> argparse.Namespace:
    """What examples that draw are called with."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default="out", help="of the picture (default: out)")
    return parser.parse_args()


picture = Path("out") / "mandelbrot.png"

if __name__ == "__main__":
    picture = options(__doc__).folder / "mandelbrot.png"
    sys.exit(main())
