"""What mistakes look like: each is a typed exception that says what was asked, what was found and what to do."""

import numpy as np

import metalpy as mp

SOURCE = """
#include <metal_stdlib>
using namespace metal;

kernel void scale(device float* x, constant float& by, uint i [[thread_position_in_grid]]) {
  x[i] *= by;
}
"""


def show(what, call):
    try:
        call()
    except mp.MetalError as error:
        print(f"--- {what}\n{type(error).__name__}: {error}\n")
    else:
        raise AssertionError(f"{what}: no error")


lib = mp.mps.compile_shader(SOURCE)
x = mp.ones(8)

show("a mistake in the source", lambda: mp.mps.compile_shader(SOURCE.replace("x[i] *=", "y[i] *=")))
show("an argument too few", lambda: lib.scale(x))
show("another element type", lambda: lib.scale(mp.ones(8, dtype=np.int32), 2.0))
show("a number that does not fit", lambda: lib.scale(x, 1e300))
show("a threadgroup that is too large", lambda: lib.scale(x, 2.0, threads=4096, group_size=2048))

lib.scale(x, 2.0)  # nothing above left a trace
print(np.asarray(x))
