"""A vector program that is not valid IR, which would be our mistake, is an error and not the end of the process."""

import pytest

import metalpy as mp
from metalpy.compiler import lowering
from metalpy.errors import MetalError

SOURCE = """
kernel void one(device int* out, uint i [[thread_position_in_grid]]) { out[i] += int(i) * 3; }
"""


def test_a_broken_program_is_an_error(monkeypatch):
    if mp.device().driver != "software":
        pytest.skip("the executors are the software device's")
    vectorize = lowering.vectorize

    def broken(*arguments):
        made = vectorize(*arguments)
        made.module = made.module.replace('label %"start"\n', 'label %"start"\n"lost":\n  ret void\n', 1)
        made.module = made.module.replace(
            "store <32 x i32>", "store <32 x i32> %nothing, ptr %group\n  store <32 x i32>", 1
        )
        made.module = made.module.replace(
            '"lost":\n', '"lost":\n  %nothing = add <32 x i32> splat (i32 1), splat (i32 2)\n', 1
        )
        return made

    monkeypatch.setattr(lowering, "vectorize", broken)
    monkeypatch.setenv("METALPY_CACHE_DIR", "off")
    kernel = mp.mps.compile_shader(SOURCE).one
    with pytest.raises(MetalError, match="METALPY_EXECUTOR=reference"):
        kernel(mp.zeros(4, mp.int32))
