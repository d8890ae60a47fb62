"""What a piece of code leaves behind on a device: native objects and bytes of arrays."""

import ctypes
import gc
import time

from metalpy._core import driver, pool

DRIVER = ctypes.CDLL(driver.__file__)
for name in ("mp_software_live_objects", "mp_software_live_code"):
    getattr(DRIVER, name).restype = ctypes.c_int64
PATIENCE = 3  # seconds: threads that serve futures keep an event and a queue for a second


def measure(device):
    """(queues, events and wrapped buffers of the driver; bytes and number of blocks that arrays have).

    Libraries and pipelines do not count, for tests share compiled programs, nor what the pool keeps for reuse.
    """
    stats = pool.pool(device).statistics()
    objects = 0
    if device.driver == "software":
        objects = DRIVER.mp_software_live_objects() - DRIVER.mp_software_live_code()
        objects -= stats["heaps"] + stats["blocks"]
    return objects, stats["allocated_bytes"], stats["live_blocks"]


class LeakCheck:
    """Context in which nothing may be left behind on `device`: AssertionError at the end if there is.

    Attributes
    ----------
    armed : bool
        False: do not check, because the code failed and its traceback holds on to things.
    patience : float
        Seconds to wait for what goes by itself.
    """

    def __init__(self, device):
        self.device = device
        self.armed = True
        self.patience = PATIENCE

    def __enter__(self):
        self.before = measure(self.device)
        return self

    def __exit__(self, kind, error, traceback):
        if kind is None and self.armed and self.grown():
            deadline = time.monotonic() + self.patience
            while self.grown(thoroughly=True) and time.monotonic() < deadline:
                time.sleep(0.05)
            after = measure(self.device)
            assert not self.grown(), (
                "left behind: queues, events and wrapped buffers; bytes; blocks: "
                f"{[now - then for now, then in zip(after, self.before, strict=True)]}"
            )

    def grown(self, thoroughly=False):
        if thoroughly:
            gc.collect()
            self.device.synchronize()
            pool.pool(self.device).empty_cache()  # blocks that wait for a queue keep it
        return any(now > then for now, then in zip(measure(self.device), self.before, strict=True))
