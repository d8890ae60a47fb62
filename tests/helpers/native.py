"""Kernels written by hand in C, as the compiler would emit them: launching is tested apart from compiling."""

import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import metalpy as mp
from metalpy._core.dispatch import Kernel
from metalpy._core.library import LIBRARY_NATIVE, Library

from . import kernels as k

SOURCE = """
#include "metalpy_kernel.h"
#include <stdint.h>
#define DEVICE(type, n) ((type *)group->buffers[n])
static void body(const mp_group *group, mp_u32 x, mp_u32 y, mp_u32 z) {{ (void)x; (void)y; (void)z; {body} }}
static void run_group(const mp_group *group)
{{
    for (mp_u32 z = 0; z < group->size[2]; z++)
        for (mp_u32 y = 0; y < group->size[1]; y++)
            for (mp_u32 x = 0; x < group->size[0]; x++)
                body(group, group->position[0] * group->group_size[0] + x,
                     group->position[1] * group->group_size[1] + y, group->position[2] * group->group_size[2] + z);
}}
__attribute__((visibility("default"))) const mp_native_kernel mp_kernel = {{
    MP_KERNEL_VERSION, 0, {memory}, {threads}, 1024, 0, run_group, 0}};
"""


@cache
def shared_object(body, memory=0, threads=1024):
    """Path of a kernel whose threads run the C statements `body`, with their position in x, y, z."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise RuntimeError("tests of launching need a C compiler (cc, gcc or clang)")
    folder = Path(tempfile.mkdtemp(prefix="metalpy-test-"))
    (folder / "kernel.c").write_text(SOURCE.format(body=body, memory=memory, threads=threads))
    command = [compiler, "-O2", "-shared", "-fPIC", f"-I{mp.get_include()}", "kernel.c", "-o", "kernel.so"]
    subprocess.run(command, cwd=folder, check=True)
    return folder / "kernel.so"


def kernel(device, name, body, *arguments, memory=0, threads=1024):
    """A Kernel of the software device."""

    def load():
        path = shared_object(body, memory, threads)
        return Library(device, LIBRARY_NATIVE, bytes(path)).pipeline(name)

    return Kernel(device, k.info(name, *arguments), load)


def arange(device):
    return kernel(device, "arange", "DEVICE(float, 0)[x] = x;", k.device_pointer("out", k.scalar("float"), 0))


def axpy(device):
    """Kernel out[x] += a * in[x]."""
    return kernel(
        device,
        "axpy",
        "DEVICE(float, 0)[x] += *DEVICE(float, 2) * DEVICE(float, 1)[x];",
        k.device_pointer("out", k.scalar("float"), 0),
        k.device_pointer("values", k.scalar("float"), 1, const=True),
        k.constant("a", k.scalar("float"), 2),
    )


def slow(device):
    """Turns a loop so many times, then out[x] += 1."""
    body = "for (volatile long i = 0, n = *DEVICE(long, 1); i < n; i++) ; DEVICE(int, 0)[x] += 1;"
    return kernel(
        device,
        "slow",
        body,
        k.device_pointer("out", k.scalar("int"), 0),
        k.constant("turns", k.scalar("long"), 1),
    )


def faulty(device):
    """Reads address 16."""
    body = "DEVICE(int, 0)[x] = *(volatile int *)16;"
    return kernel(device, "faulty", body, k.device_pointer("out", k.scalar("int"), 0))
