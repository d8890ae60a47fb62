"""Kernels compiled for AArch64 on any machine, and the checks of divisions that such processors need."""

from __future__ import annotations

import re

import llvmlite.binding as llvm
import numpy as np
import pytest

import metalpy as mp
from metalpy.compiler import division, lowering
from metalpy.compiler.cache import Cache
from metalpy.compiler.compilation import compile_source
from metalpy.compiler.options import make_options
from metalpy.compiler.source import read_source

AARCH64 = "aarch64-unknown-linux-gnu"
DIVISION = """
kernel void unsigned_(device uint* x, device const uint* y, uint i [[thread_position_in_grid]]) {
  if (i % 3 != 1) x[i] = x[i] / y[i];
}
kernel void signed_(device int* x, device const int* y, uint i [[thread_position_in_grid]]) {
  if (i % 3 != 1) x[i] = x[i] % y[i];
}
kernel void by_one_number(device int* x, device const int* y, uint i [[thread_position_in_grid]]) {
  x[i] = short(x[i]) / short(*y);
}
kernel void by_a_constant(device int* x, device const int* y, uint i [[thread_position_in_grid]]) { x[i] /= 7; }
"""


class Noting:
    """A machine for AArch64 that keeps the assembly of what it emits."""

    def __init__(self):
        llvm.initialize_all_targets()
        llvm.initialize_all_asmprinters()
        self._machine = llvm.Target.from_triple(AARCH64).create_target_machine(opt=2, reloc="pic", codemodel="default")
        self.assembly = ""

    def __getattr__(self, name):
        return getattr(self._machine, name)

    def emit_object(self, module):
        self.assembly = self._machine.emit_assembly(module)
        return self._machine.emit_object(module)


def lowered(text, name, tmp_path):
    """A kernel of `text` for AArch64, and its assembly."""
    compiled = compile_source(read_source(text, "text.metal"), make_options(), Cache(tmp_path))
    machine = Noting()
    made = lowering.lower(compiled._whole_program(), compiled.kernels.number(name), {}, machine=machine)
    return made, machine.assembly


@pytest.mark.parametrize("type_", ["uint", "uint2", "uint3", "ushort3"])
def test_positions_as_vectors_are_known_on_aarch64(tmp_path, monkeypatch, type_):
    monkeypatch.setenv("METALPY_EXECUTOR", "spmd")
    inputs = f"{type_} p [[thread_position_in_grid]], {type_} q [[thread_position_in_threadgroup]]"
    text = f"""using namespace metal;
    {type_} moved({type_} p, {type_} by) {{ return p + by; }}
    kernel void k(device float* x, {inputs}) {{ {type_} r = moved(p, q); x[as_type<{type_}>(r){"" if type_ == "uint" else ".y"}] += 1; }}"""
    made, assembly = lowered(text, "k", tmp_path)
    assert (made.executor, made.reason) == ("spmd", "")
    assert re.search(r"\bv\d+\.4s\b", assembly)
    assert made.code[:4] == b"\x7fELF" and int.from_bytes(made.code[18:20], "little") == 183  # EM_AARCH64


@pytest.mark.parametrize("executor", ["spmd", "reference"])
def test_divisions_that_may_fail_trap_on_aarch64(tmp_path, monkeypatch, executor):
    monkeypatch.setenv("METALPY_EXECUTOR", executor)
    for name in ("unsigned_", "signed_", "by_one_number"):
        made, assembly = lowered(DIVISION, name, tmp_path)
        assert made.executor == executor
        assert "brk\t#0x5503" in assembly, name
    _, assembly = lowered("kernel void k(device int* x) { *x /= 7; }", "k", tmp_path)
    assert executor == "spmd" or "brk" not in assembly  # a vector program divides to find its lanes


def test_divisions_are_left_alone_where_they_fault():
    assert division.with_checks("  %r = udiv i32 %a, %b\n", "x86_64-unknown-linux-gnu") == "  %r = udiv i32 %a, %b\n"


@pytest.fixture(params=["spmd", "reference"])
def checked(request, monkeypatch, device):
    """A program that is compiled for this processor as if it knew no fault of divisions."""
    if device.driver != "software":
        pytest.skip("hardware gives a number that Metal does not define")
    monkeypatch.setenv("METALPY_EXECUTOR", request.param)
    monkeypatch.setenv("METALPY_CACHE_DIR", "off")
    monkeypatch.setattr(division, "_FAULTS", re.compile("(?!)"))
    return mp.mps.compile_shader(DIVISION)


INTEGERS = {"unsigned_": np.uint32, "signed_": np.int32, "by_one_number": np.int32, "by_a_constant": np.int32}
LEAST = np.iinfo(np.int32).min


@pytest.mark.parametrize("name", INTEGERS)
def test_checks_let_results_be(checked, name):
    type_ = INTEGERS[name]
    x, y = np.arange(100, 200).astype(type_), np.arange(1, 101).astype(type_)
    x[5], y[1::3] = 2**31 - 1, 0  # those lanes take no part
    y[0] = 3
    given, by = mp.array(x), mp.array(y)
    checked[name](given, by)
    short = x.astype(np.int16).astype(np.int64)
    expected = {
        "unsigned_": lambda: x // np.maximum(y, 1), "signed_": lambda: x % np.maximum(y, 1),
        "by_one_number": lambda: np.sign(short) * (abs(short) // 3), "by_a_constant": lambda: x // 7,
    }[name]()  # fmt: skip
    active = np.arange(100) % 3 != 1 if name.endswith("signed_") else np.full(100, True)
    np.testing.assert_array_equal(given.numpy(), np.where(active, expected, x))


@pytest.mark.parametrize(
    ("name", "dividend", "divisor"),
    [("unsigned_", 5, 0), ("signed_", 5, 0), ("signed_", LEAST, -1), ("by_one_number", 5, 0)],
)
def test_checks_trap(checked, name, dividend, divisor):
    x, y = np.full(100, 5).astype(INTEGERS[name]), np.full(100, 3).astype(INTEGERS[name])
    x[99], y[99] = dividend, divisor
    y[0] = 3 if name != "by_one_number" else divisor
    given = mp.array(x)
    checked[name](given, mp.array(y))
    with pytest.raises(mp.KernelFaultError, match=f"'{name}' executed a trap"):
        mp.mps.synchronize()
