"""OpenCL runtimes for the CPU as sides: Intel's from PyPI, PoCL from the system's packages.

The OpenCL loader finds runtimes by files that hold the path of a library. Wheels register none, so a folder with such
files is made here, which also keeps every other runtime of the machine out.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import tempfile
import warnings
from functools import cache, partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from .work import Launch, NotHereError, Session, Work, in_order, read_sources

SYSTEM_VENDORS = Path("/etc/OpenCL/vendors")


class OpenCL:
    """Kernels in OpenCL C on one runtime's CPU device."""

    def __init__(self, name: str, platform_name: str) -> None:
        self.name = name
        cl = loaded()
        platform = next((p for p in cl.get_platforms() if platform_name in p.name), None)
        if platform is None:
            raise NotHereError(f"{name}: the runtime is installed, but does not load")
        device = platform.get_devices(cl.device_type.CPU)[0]
        self.version = str(device.driver_version)
        self.context = cl.Context([device])
        self.queue = cl.CommandQueue(self.context)

    def session(self, work: Work) -> Session | None:
        if not work.in_opencl:
            return None
        return OpenCLSession(self, work, work.launches, read_sources(tuple(x.file for x in work.launches), ".cl"))


class OpenCLSession:
    """Work on the device; arguments are given at each launch, as metalpy's are."""

    def __init__(self, side: OpenCL, work: Work, launches: tuple[Launch, ...], source: str) -> None:
        cl = loaded()
        flags = cl.mem_flags.READ_WRITE | cl.mem_flags.COPY_HOST_PTR
        self._buffers = {
            name: cl.Buffer(side.context, flags, hostbuf=np.ascontiguousarray(values))
            for name, values in work.arrays.items()
        }
        self._result, self._like = work.result, work.arrays[work.result]
        self._queue = side.queue
        program = build(side.context, source)
        calls = [
            partial(
                cl.Kernel(program, launch.kernel),
                side.queue,
                launch.threads,
                launch.group,
                *(self._buffers[arg] if isinstance(arg, str) else arg for arg in launch.args),
            )
            for launch in launches
        ]
        self.submit = in_order(calls)
        self.wait = side.queue.finish

    def result(self) -> np.ndarray:
        found = np.empty_like(self._like)
        loaded().enqueue_copy(self._queue, found, self._buffers[self._result])
        return found


def build(context: Any, source: str) -> Any:
    """Compile a program; runtimes report success as a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return loaded().Program(context, source).build()


def intel() -> OpenCL:
    """Intel's runtime."""
    _intel_library()
    return OpenCL("Intel", "Intel(R) OpenCL")


def pocl() -> OpenCL:
    """PoCL."""
    _pocl_library()
    return OpenCL("PoCL", "Portable Computing Language")


@cache
def loaded() -> ModuleType:
    """pyopencl, seeing just the runtimes of this module."""
    with tempfile.TemporaryDirectory(prefix="opencl-vendors-") as folder:
        for library in (_intel_library, _pocl_library):
            try:
                Path(folder, f"{library.__name__.strip('_')}.icd").write_text(f"{library()}\n")
            except NotHereError:
                continue
        os.environ["OCL_ICD_VENDORS"] = folder
        try:
            cl = importlib.import_module("pyopencl")
        except ModuleNotFoundError:
            raise NotHereError("pyopencl is not installed") from None
        cl.get_platforms()  # the loader reads the folder once
    return cl


def _intel_library() -> str:
    try:
        files = importlib.metadata.files("intel-opencl-rt") or []
    except importlib.metadata.PackageNotFoundError:
        raise NotHereError("intel-opencl-rt is not installed") from None
    return str(next(Path(file.locate()).resolve() for file in files if file.name == "libintelocl.so"))


def _pocl_library() -> str:
    for file in sorted(SYSTEM_VENDORS.glob("pocl*.icd")):
        return file.read_text().strip()
    raise NotHereError("PoCL is not installed (Debian: apt install pocl-opencl-icd)")
