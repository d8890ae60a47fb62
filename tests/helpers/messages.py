"""Kernels that speak, and what they said."""

from contextlib import contextmanager

import metalpy as mp

HEADER = """#include <metal_stdlib>
#include <metal_logging>
#include <metalpy/printf.h>
#include <metalpy/report_error.h>
using namespace metal;
"""


def speaking(body, before=""):
    """The kernel ``k(device float* x, uint i)`` with `body`."""
    arguments = "device float* x, uint i [[thread_position_in_grid]]"
    return mp.mps.compile_shader(f"{HEADER}{before}\nkernel void k({arguments}) {{\n{body}\n}}\n").k


@contextmanager
def listening():
    """A list that gets what is said inside ``with``."""
    said = []
    previous = mp.mps.set_message_handler(said.append)
    try:
        yield said
        mp.mps.synchronize()
    finally:
        mp.mps.set_message_handler(previous)


def printed(body, threads=1, before=""):
    """The texts that a kernel with `body` prints."""
    with listening() as said:
        speaking(body, before)(mp.zeros(1), threads=threads)
    return [message.text for message in said]
