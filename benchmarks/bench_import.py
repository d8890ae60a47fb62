"""Import time in a fresh process, over what numpy's own import takes."""

from __future__ import annotations

import subprocess
import sys

import pytest
from native_loops import Clock

clock = Clock()
_PROGRAM = """
import time
start = time.perf_counter()
import numpy
middle = time.perf_counter()
{imports}
print(time.perf_counter() - middle)
"""


def _seconds(imports: str) -> float:
    program = _PROGRAM.format(imports=imports)
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return float(result.stdout)


@pytest.mark.benchmark(group="import", timer=clock)
@pytest.mark.parametrize("imports", ["import metalpy", "import metalpy; metalpy.device()"], ids=["import", "and_open"])
def test_import_over_numpy(benchmark, imports):
    def step() -> None:
        clock.seconds += _seconds(imports)

    benchmark.pedantic(step, rounds=15, warmup_rounds=1)
