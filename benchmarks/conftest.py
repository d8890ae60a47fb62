"""Fixtures of the benchmarks, the machine's facts in their results, and the summary of ratios."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from native_loops import NativeLoops
from peers.comparison import Comparison
from verdict import duration

import metalpy as mp
from metalpy.compiler.compilation import compile_source
from metalpy.compiler.options import make_options
from metalpy.compiler.source import read_source
from metalpy.testing import kernel_timer

__all__ = ["kernel_timer"]

_comparison = pytest.StashKey[Comparison]()

FULL = """
#include <metal_stdlib>
using namespace metal;
kernel void full(device float* out, constant float& val, uint idx [[thread_position_in_grid]]) { out[idx] = val; }
"""


@pytest.fixture(scope="session")
def full_library() -> mp.mps.ShaderLibrary:
    """The library of the smallest kernel with two arguments."""
    lib = mp.mps.compile_shader(FULL)
    lib.full(mp.zeros(16), 1.0)
    mp.mps.synchronize()
    return lib


@pytest.fixture(scope="session")
def native_loops(tmp_path_factory):
    """Loops in C over the driver's table, with `full` loaded and 16 MiB buffers."""
    if mp.device().driver != "software":
        pytest.skip("the C loops load code of the software device")
    path = compile_source(read_source(FULL), make_options()).native("full")
    loops = NativeLoops(Path(tmp_path_factory.mktemp("loops")), path, 2**24)
    yield loops
    loops.close()


@pytest.fixture(scope="session")
def comparison(request) -> Comparison:
    """The sides of bench_peers.py, whose table is printed at the end."""
    request.config.stash[_comparison] = Comparison()
    return request.config.stash[_comparison]


def pytest_benchmark_update_machine_info(config, machine_info):
    """Add the device under test to what pytest-benchmark says of the machine."""
    device = mp.device()
    machine_info["metalpy"] = {
        "version": mp.__version__,
        "device": device.name,
        "driver": device.driver,
        "cores": device.core_count,
        "numpy": np.__version__,
    }


@pytest.hookimpl(trylast=True)  # behind pytest-benchmark's tables
def pytest_terminal_summary(terminalreporter, config):
    """Print what each layer adds, the kernels against NumPy, and the kernels against those of peers."""
    session = getattr(config, "_benchmarksession", None)
    stats = {b.name: b for b in getattr(session, "benchmarks", ()) if b.stats.rounds}
    lines = [*_layers(stats), *_kernels(stats), *_arrays(stats)]
    if lines:
        terminalreporter.section("what the layers add, kernels and array functions against NumPy")
        for line in lines:
            terminalreporter.write_line(line)
    if _comparison in config.stash:
        terminalreporter.section("metalpy and its peers")
        for line in config.stash[_comparison].table():
            terminalreporter.write_line(line)


def _layers(stats):
    """Medians of the benchmarks that exist for several layers, a line for each."""
    rows: dict[str, dict[str, float]] = {}
    for name, bench in stats.items():
        for layer in ("abi", "core", "python", "numpy"):
            if f"_{layer}" in name and not name.startswith("test_numpy"):
                rows.setdefault(name.replace(f"_{layer}", ""), {})[layer] = bench.stats.median
    rows = {name: row for name, row in rows.items() if len(row) > 1}
    if rows:
        yield f"{'':28}{'C ABI':>10}{'_core':>12}{'Python':>12}{'NumPy':>12}"
    for name, row in rows.items():
        cells = (duration(row[c]) if c in row else "-" for c in ("abi", "core", "python", "numpy"))
        yield f"{name.removeprefix('test_'):26}" + "".join(f"{cell:>12}" for cell in cells)


def _kernels(stats):
    rows = []
    for name, bench in stats.items():
        if name.startswith("test_device["):
            case = name.removeprefix("test_device")
            numpy = stats.get(f"test_numpy{case}")
            rows.append((case.strip("[]"), bench.extra_info["device"]["median"], bench.stats.median, numpy))
    if rows:
        yield f"{'':28}{'device':>10}{'wall':>12}{'NumPy':>12}{'wall/NumPy':>12}"
    for case, device, wall, numpy in rows:
        cells = [duration(device), duration(wall)]
        cells += [duration(numpy.stats.median), f"{wall / numpy.stats.median:.2f}"] if numpy else ["-", "-"]
        yield f"{case:26}" + "".join(f"{cell:>12}" for cell in cells)


def _arrays(stats):
    rows = {name: bench for name, bench in stats.items() if name.startswith("test_array[") and bench.extra_info}
    others = [other for other in ("numpy", "torch") if any(other in bench.extra_info for bench in rows.values())]
    if rows:
        titles = {"numpy": "NumPy", "torch": "PyTorch"}
        yield f"{'':28}{'elements':>10}{'metalpy':>12}" + "".join(f"{titles[o]:>12}{'ratio':>8}" for o in others)
    for name, bench in rows.items():
        function, size = name.removeprefix("test_array[").removesuffix("]").rsplit("-", 1)
        cells = [(bench.extra_info[other], bench.stats.min / bench.extra_info[other]) for other in others]
        compared = "".join(f"{duration(time):>12}{ratio:>8.2f}" for time, ratio in cells)
        yield f"{function:28}{size:>10}{duration(bench.stats.min):>12}{compared}"
