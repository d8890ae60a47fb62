"""Instructions of one launch of ``full`` on 16 threads with its wait, counted by callgrind.

Usage: ``python benchmarks/instructions.py core`` or ``python``: as `bench_launch.py` has them. Where functions happen
to lie moves times by some percent, and the number of instructions not at all. Needs valgrind.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
FEW, MANY = 1_000, 21_000
FULL = """
#include <metal_stdlib>
using namespace metal;
kernel void full(device float* out, constant float& val, uint idx [[thread_position_in_grid]]) { out[idx] = val; }
"""


def launch(layer: str, count: int) -> None:
    import metalpy as mp

    lib, x = mp.mps.compile_shader(FULL), mp.zeros(16)
    if layer == "core":
        full, synchronize = lib.full, mp.device().synchronize
        for _ in range(count):
            full(x, 3.0)
            synchronize()
    else:
        for _ in range(count):
            lib.full(x, 3.0)
            mp.mps.synchronize()


def instructions(layer: str, count: int) -> int:
    """Of a whole process that launches so many times."""
    # The same dictionaries each time, and none of OpenBLAS's threads, which turn idly.
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0", "OPENBLAS_NUM_THREADS": "1"}
    callgrind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    command = [*callgrind, sys.executable, __file__, layer, str(count)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=env)
    (found,) = re.findall(r"Collected : (\d+)", done.stderr)
    return int(found)


if __name__ == "__main__":
    if len(sys.argv) == 3:
        launch(sys.argv[1], int(sys.argv[2]))
    else:
        instructions(sys.argv[1], FEW)  # the first process may have to compile the kernel
        difference = instructions(sys.argv[1], MANY) - instructions(sys.argv[1], FEW)
        print(f"{difference / (MANY - FEW):.0f} instructions for a launch and its wait")
