"""The rows of the comparison: what is computed, at which size, with which launch geometry, and what is aimed at."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from . import build, turns
from .table import Aim, Row
from .work import Arrays, Launch, OnHost, Work

BEST_PEER = ("Intel", "PoCL")
f32, u32 = np.float32, np.uint32


def numba(name: str, *args: str | np.generic) -> OnHost:
    """The function `name` of `in_numba` on these arrays and numbers."""

    def call(arrays: Arrays) -> None:
        from . import in_numba

        getattr(in_numba, name)(*(arrays[arg] if isinstance(arg, str) else arg for arg in args))

    return call


def full(small: bool) -> Work:
    n = 1 << (12 if small else 24)

    def in_numpy(arrays: Arrays) -> None:
        arrays["out"].fill(3)

    return Work(
        arrays={"out": np.zeros(n, f32)},
        launches=(Launch("full", "full", ("out", f32(3)), (n,), (256,)),),
        result="out",
        expected=np.full(n, 3, f32),
        amount=4 * n,
        in_numpy=in_numpy,
        in_numba=numba("full", "out", f32(3)),
    )


def saxpy(small: bool) -> Work:
    n = 1 << (12 if small else 24)
    x, y = random(2, n)
    scaled = np.empty_like(x)

    def in_numpy(arrays: Arrays) -> None:
        np.multiply(arrays["x"], f32(0.5), out=scaled)
        np.add(arrays["y"], scaled, out=arrays["y"])

    return Work(
        arrays={"y": y, "x": x},
        launches=(Launch("saxpy", "saxpy", ("y", "x", f32(0.5)), (n,), (256,)),),
        result="y",
        expected=f32(0.5) * x + y,
        tolerance=1e-6,
        amount=12 * n,  # two arrays read, one written
        in_numpy=in_numpy,
        in_numba=numba("saxpy", "y", "x", f32(0.5)),
    )


def exp_sin(small: bool) -> Work:
    n = 1 << (12 if small else 24)
    x = 8 * random(n) - 4
    sines = np.empty_like(x)

    def in_numpy(arrays: Arrays) -> None:
        np.exp(arrays["x"], out=arrays["out"])
        np.add(arrays["out"], np.sin(arrays["x"], out=sines), out=arrays["out"])

    return Work(
        arrays={"out": np.zeros(n, f32), "x": x},
        launches=(Launch("exp_sin", "exp_sin", ("out", "x"), (n,), (256,)),),
        result="out",
        expected=np.exp(x) + np.sin(x),
        tolerance=1e-6,
        amount=n,
        in_numpy=in_numpy,
        in_numba=numba("exp_sin", "out", "x"),
    )


def mandelbrot(small: bool) -> Work:
    n, limit = (64 if small else 1024), u32(256)
    return Work(
        arrays={"iterations": np.zeros((n, n), u32)},
        launches=(Launch("mandelbrot", "mandelbrot", ("iterations", limit), (n, n), (32, 8)),),
        result="iterations",
        expected=mandelbrot_by_numpy(n, int(limit)),
        may_differ=0.01,  # pixels at the border may round the other way, as a multiply-add rounds once or twice
        amount=n * n,
        in_numba=numba("mandelbrot", "iterations", limit),
    )


def mandelbrot_by_numpy(n: int, limit: int) -> np.ndarray:
    """The usual array program, which drops points that have left."""
    steps = np.arange(n, dtype=f32) * f32(3) / f32(n)
    cx, cy = (a.ravel() for a in np.meshgrid(f32(-2) + steps, f32(-1.5) + steps))
    iterations = np.full(n * n, limit, u32)
    at, x, y = np.arange(n * n), np.zeros_like(cx), np.zeros_like(cy)
    for i in range(limit):
        leaves = x * x + y * y > 4
        iterations[at[leaves]] = i
        at, x, y, cx, cy = (a[~leaves] for a in (at, x, y, cx, cy))
        x, y = x * x - y * y + cx, 2 * x * y + cy
    return iterations.reshape(n, n)


def reduce(small: bool) -> Work:
    n = 1 << (12 if small else 24)
    x = random(n)

    def in_numpy(arrays: Arrays) -> None:
        np.sum(arrays["x"].reshape(-1, 256), axis=1, out=arrays["sums"])

    return Work(
        arrays={"sums": np.zeros(n // 256, f32), "x": x},
        launches=(Launch("reduce", "reduce", ("sums", "x"), (n,), (256,)),),
        result="sums",
        expected=x.reshape(-1, 256).sum(axis=1),
        tolerance=1e-5,
        amount=4 * n,
        in_numpy=in_numpy,
        in_numba=numba("reduce", "sums", "x"),
    )


def matmul(small: bool) -> Work:
    n = 64 if small else 1024
    return matrix_product(n, Launch("matmul", "matmul", ("c", "a", "b", u32(n)), (n, n), (16, 16)))


def simdgroup_matmul(small: bool) -> Work:
    n = 64 if small else 1024
    launch = Launch("simdgroup_matmul", "simdgroup_matmul", ("c", "a", "b", u32(n)), (n, n // 32), (32, 1))
    return matrix_product(n, launch, in_opencl=False)


def matrix_product(n: int, launch: Launch, in_opencl: bool = True) -> Work:
    a, b = random(2, n, n) - f32(0.5)

    def in_numpy(arrays: Arrays) -> None:
        np.matmul(arrays["a"], arrays["b"], out=arrays["c"])

    return Work(
        arrays={"c": np.zeros((n, n), f32), "a": a, "b": b},
        launches=(launch,),
        result="c",
        expected=a @ b,
        tolerance=1e-5,
        amount=2 * n**3,
        in_opencl=in_opencl,
        in_numpy=in_numpy,
        in_numba=numba("matmul", "c", "a", "b"),
    )


def softmax(small: bool) -> Work:
    rows, columns = (4 if small else 4096), 1024
    x = 8 * random(rows, columns)
    if small:
        x[0, 1000] = 100  # in the last simdgroup; its exponential overflows unless it is found to be the largest
    e = np.exp(x - x.max(axis=1, keepdims=True))

    def in_numpy(arrays: Arrays) -> None:
        x, out = arrays["x"], arrays["out"]
        np.exp(np.subtract(x, x.max(axis=1, keepdims=True), out=out), out=out)
        np.divide(out, out.sum(axis=1, keepdims=True), out=out)

    return Work(
        arrays={"out": np.zeros((rows, columns), f32), "x": x},
        launches=(Launch("softmax", "softmax", ("out", "x", u32(columns)), (256 * rows,), (256,)),),
        result="out",
        expected=e / e.sum(axis=1, keepdims=True),
        tolerance=1e-5,
        amount=8 * x.size,  # read and written once, whatever the caches add
        in_numpy=in_numpy,
        in_numba=numba("softmax", "out", "x"),
    )


def histogram(small: bool) -> Work:
    n = 1 << (14 if small else 24)
    values = np.random.default_rng(2026).integers(0, 256, n, np.uint8)
    threads = n // 64  # each counts 64 bytes

    def in_numpy(arrays: Arrays) -> None:
        arrays["counts"] += np.bincount(arrays["values"], minlength=256).astype(u32)

    return Work(
        arrays={"counts": np.zeros(256, u32), "values": values},
        launches=(Launch("histogram", "histogram", ("counts", "values", u32(n)), (threads,), (256,)),),
        result="counts",
        expected=np.bincount(values, minlength=256).astype(u32),
        amount=n,
        in_numpy=in_numpy,
        in_numba=numba("histogram", "counts", "values"),
    )


def stencil(small: bool) -> Work:
    n = 64 if small else 2048
    now = random(n, n)

    def in_numpy(arrays: Arrays) -> None:
        now, out = arrays["now"], arrays["following"]
        out[:] = now
        inner = out[1:-1, 1:-1]
        for part in (now[1:-1, :-2], now[1:-1, 2:], now[:-2, 1:-1], now[2:, 1:-1]):
            inner += part
        inner *= f32(0.2)

    arrays = {"following": np.zeros((n, n), f32), "now": now}
    expected = {name: values.copy() for name, values in arrays.items()}
    in_numpy(expected)
    return Work(
        arrays=arrays,
        launches=(Launch("stencil", "stencil", ("following", "now"), (n, n), (32, 8)),),
        result="following",
        expected=expected["following"],
        tolerance=1e-6,
        amount=8 * n * n,
        in_numpy=in_numpy,
        in_numba=numba("stencil", "following", "now"),
    )


def scan(small: bool, file: str = "scan", first: str = "scan_blocks") -> Work:
    n = 1 << (14 if small else 24)
    blocks = n // 256
    values = np.random.default_rng(2026).integers(0, 200, n, u32)

    def launches(file: str, first: str) -> tuple[Launch, ...]:
        return (
            Launch(file, first, ("out", "totals", "values"), (n,), (256,)),
            Launch("scan", "scan_totals", ("totals", u32(blocks)), (256,), (256,)),
            Launch("scan", "add_totals", ("out", "totals"), (n,), (256,)),
        )

    def in_numpy(arrays: Arrays) -> None:
        np.cumsum(arrays["values"], dtype=u32, out=arrays["out"])

    return Work(
        arrays={"out": np.zeros(n, u32), "totals": np.zeros(blocks, u32), "values": values},
        launches=launches("scan", "scan_blocks"),
        metal_launches=launches(file, first),
        result="out",
        expected=np.cumsum(values, dtype=u32),
        amount=n,
        in_numpy=in_numpy,
        in_numba=numba("scan", "out", "values"),
    )


def tiny_full(small: bool) -> Work:
    """What a launch costs: 256 threads, a group. The geometry is metalpy's default, so it is not given."""
    return Work(
        arrays={"out": np.zeros(256, f32)},
        launches=(Launch("full", "full", ("out", f32(3)), (256,), (256,)),),
        default_geometry=True,
        result="out",
        expected=np.full(256, 3, f32),
    )


def random(*shape: int) -> np.ndarray:
    return np.random.default_rng(2026).random(shape, f32)


def fastest(factor: float) -> Aim:
    return Aim(factor, BEST_PEER)


NINE = (full, saxpy, exp_sin, mandelbrot, reduce, matmul, softmax, histogram, stencil)
Maker = Callable[[bool], Work]


def _kernel(name: str, label: str, unit: str, aim: Aim, make: Maker) -> Row:
    return Row(name, label, unit, aim, partial(turns.kernel, make))


ROWS = (
    Row("launch_async", "launch, asynchronous", "us", Aim(seconds=0.7e-6), partial(turns.launch_async, tiny_full)),
    Row("launch_wait", "launch and wait, 256 threads", "us", Aim(seconds=2e-6), partial(turns.launch_wait, tiny_full)),
    _kernel("full", "full, 64 MiB", "GB/s", fastest(1.0), full),
    _kernel("saxpy", "saxpy, 2 x 64 MiB", "GB/s", fastest(1.0), saxpy),
    _kernel("exp_sin", "exp + sin, 16 Mi", "Gelem/s", fastest(1.0), exp_sin),
    _kernel("mandelbrot", "Mandelbrot, 1024 x 1024, 256 iterations", "ms", Aim(1.0, ("Intel",)), mandelbrot),
    _kernel("reduce", "tree reduction, groups of 256, 16 Mi", "GB/s", fastest(1.0), reduce),
    _kernel("matmul", "matrix product, 16 x 16 tiles, N = 1024", "GFLOP/s", fastest(1.2), matmul),
    _kernel("simdgroup_matmul", "the same, simdgroup_float8x8", "GFLOP/s", Aim(0.5, ("NumPy",)), simdgroup_matmul),
    _kernel("softmax", "row softmax, 4096 x 1024", "GB/s", fastest(2.0), softmax),
    _kernel("histogram", "histogram, threadgroup atomics, 16 Mi", "Gelem/s", fastest(2.0), histogram),
    _kernel("stencil", "5-point stencil, 2048 x 2048", "GB/s", fastest(1.0), stencil),
    _kernel("scan", "prefix sum, three kernels, 16 Mi", "Gelem/s", fastest(1.5), scan),
    _kernel("simd_scan", "the same, simd_prefix_inclusive_sum", "Gelem/s", fastest(1.5),
            partial(scan, file="simd_scan", first="simd_scan_blocks")),
    Row("build_cold", "build of nine kernels, cold", "ms", fastest(1.0), partial(build.cold, NINE)),
    Row("build_cached", "build of nine kernels, cached", "ms", Aim(seconds=20e-3), partial(build.cached, NINE)),
)  # fmt: skip
