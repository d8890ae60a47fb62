"""A small network on one image: called directly, and from a package with and without locks. Nothing waits in between.

What is measured is the time of the calling thread, not of the device.
"""

from __future__ import annotations

import time

import pytest

import metalpy as mp


@pytest.fixture
def network():
    nn = mp.nn
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 10)
    ).eval()


@pytest.mark.benchmark(group="aot_run", timer=time.thread_time)
@pytest.mark.parametrize("how", ["direct", "package", "single_threaded"])
def test_run(benchmark, network, tmp_path, how):
    x = mp.ones((1, 1, 8, 8))
    function = network
    if how != "direct":
        mp.aot.package(tmp_path / "net.mpkg", network, (x,))
        single = how == "single_threaded"
        function = mp.aot.ModelContainerRunner(tmp_path / "net.mpkg", run_single_threaded=single)
    benchmark.pedantic(
        function, args=(x,), rounds=30, iterations=100, warmup_rounds=3, teardown=lambda *_: mp.mps.synchronize()
    )  # fmt: skip


@pytest.mark.benchmark(group="aot_open")
@pytest.mark.parametrize("compiled", [False, True])
def test_open(benchmark, network, tmp_path, compiled):
    """With what it compiles in the cache, if it compiles at all."""
    mp.aot.package(tmp_path / "net.mpkg", network, (mp.ones((1, 1, 8, 8)),), compiled=compiled)
    benchmark.pedantic(mp.aot.ModelContainerRunner, args=(tmp_path / "net.mpkg",), rounds=5, warmup_rounds=1)
