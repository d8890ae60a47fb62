"""Orders in which things go away, each in a process of its own that must end in silence."""

import os

import pytest

from tests.helpers.process import says

START = """
import gc, os, sys, threading, time
import numpy as np
import metalpy as mp
from tests.helpers import kernels as k, native
from tests.helpers.process import says
device = mp.device()
x = mp.zeros(1000, device=device)
ones = mp.ones(1000, device=device)
axpy = native.axpy(device)
slow = native.slow(device)
n = mp.zeros(4, "int32", device=device)
"""


def run(code, expected=""):
    says(expected, "-X", "faulthandler", "-c", START + code)


@pytest.fixture(autouse=True)
def only_software(device):
    if device.driver != "software":
        pytest.skip("kernels written in C are for the software device")


WORK = "for _ in range(100): axpy(x, ones, 1)\n"


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("", id="idle"),
        pytest.param(WORK, id="work recorded"),
        pytest.param(WORK + "device.queue.commit()", id="work in flight"),
        pytest.param("slow(n, 20_000_000); device.queue.commit()", id="long work in flight"),
        pytest.param("slow(n, 20_000_000); threading.Thread(target=device.synchronize, daemon=True).start()",
                     id="daemon thread waits"),
        pytest.param("slow(n, 20_000_000); threading.Thread(target=device.synchronize).start()", id="thread waits"),
        pytest.param(WORK + "del x, ones; gc.collect()", id="arrays first"),
        pytest.param(WORK + "del axpy; gc.collect()", id="kernel first"),
        pytest.param("view = x.numpy(); del x, device; gc.collect(); view[0] = 1", id="numpy view last"),
        pytest.param("import builtins; builtins.keep = x, axpy, device", id="kept by builtins"),
        pytest.param("cycle = [x, axpy]; cycle.append(cycle); del x, axpy, cycle", id="cycle"),
        pytest.param("host = np.zeros(1000, np.float32); w = mp.asarray(host, copy=False); axpy(w, ones, 1); del host",
                     id="wrapped memory in flight"),
        pytest.param("host = np.zeros(1000, np.float32); w = mp.asarray(host, copy=False); "
                     "[axpy(w, ones, 1) for _ in range(99)]; device.queue.commit(); del host, w; gc.collect()",
                     id="wrapped memory dropped in flight"),
        pytest.param("import atexit; atexit.register(lambda: x.numpy()); axpy(x, ones, 1)", id="read at exit"),
        pytest.param("native.faulty(device)(n); device.queue.commit()", id="fault in flight"),
        pytest.param("mp.device().queue.wait(); os._exit(0)", id="hard exit"),
    ],
)  # fmt: skip
def test_exit_is_silent(code):
    run(code)


def test_wrapped_memory_is_released_after_the_work():
    run(
        """
import weakref
host = np.zeros(1000, np.float32)
alive = weakref.ref(host)
wrapped = mp.asarray(host, copy=False)
slow(n, 20_000_000)
axpy(wrapped, ones, 1)
device.queue.commit()
del host, wrapped
assert alive() is not None, "released while a kernel may write it"
mp.mps.synchronize()
assert alive() is None, "kept for ever"
"""
    )


def test_kernels_outlive_their_makers():
    run(
        """
kernel = native.axpy(device)
kernel(x, ones, 1)
del device
gc.collect()
kernel(x, ones, 1)
assert (x.numpy() == 2).all()
"""
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork()")
def test_forked_children_are_told():
    run(
        """
import warnings
warnings.simplefilter("ignore", DeprecationWarning)
axpy(x, ones, 1)
sys.stdout.flush()
child = os.fork()
if child == 0:
    code = 1
    try:
        for call in (lambda: axpy(x, ones, 1), mp.mps.synchronize, lambda: mp.zeros(1 << 20), lambda: x.numpy(),
                     lambda: x.fill(1), lambda: x.copy()):
            try:
                call()
            except mp.ForkError as error:
                assert "spawn" in str(error) or "fork" in str(error), error
            else:
                raise AssertionError("a forked child used the device")
        del x, ones
        gc.collect()
        code = 0
    except BaseException as error:
        sys.stderr.write(f"{error!r}")
        sys.stderr.flush()
    finally:
        os._exit(code)
assert os.waitpid(child, 0)[1] == 0
assert (x.numpy() == 1).all()
"""
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork()")
def test_a_child_forked_before_the_device_opens_may_use_it():
    code = """
import os, sys, warnings
warnings.simplefilter("ignore", DeprecationWarning)
import metalpy as mp
child = os.fork()
if child == 0:
    try:
        assert mp.arange(4).tolist() == [0, 1, 2, 3]
        mp.zeros(3).copy().numpy()
        os._exit(0)
    except BaseException as error:
        sys.stderr.write(f"{error!r}")
        sys.stderr.flush()
        os._exit(1)
assert os.waitpid(child, 0)[1] == 0
"""
    says("", code)
