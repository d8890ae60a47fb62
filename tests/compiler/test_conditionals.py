"""Conditional expressions with a bfloat on one side."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

import metalpy as mp
from metalpy.compiler.conditionals import Arms

HEAD = "#include <metal_stdlib>\nusing namespace metal;\n"
ERROR = (
    "f.metal:{}:{}: error: conditional expression is ambiguous; 'bfloat' can be converted to 'float' and vice versa\n"
)


def wrapped(line):
    """A line of a program after its first conditional was settled, `@` for what is inserted in front."""
    program = f'#line 1 "f.metal"\n{line}\n'
    arms = Arms()
    settled = arms.settle(program, ERROR.format(1, line.index("?") + 1))
    text = arms.insert(program).split("\n")[1]
    return text.replace("__mp::arm(", "@") if settled else None


@pytest.mark.parametrize(("line", "expected"), [
    ("y = c ? x : 0.5f;", "y = c ? @x) : @0.5f);"),
    ("f(c ? a[i] : 1.0f, 2);", "f(c ? @a[i]) : @1.0f), 2);"),
    ("return c ? g(x, 1) : h<a, b>(y);", "return c ? @g(x, 1)) : @h<a, b>(y));"),
    ("y = c ? d ? x : 0.f : z;", "y = c ? @d ? x : 0.f) : @z);"),
    ("y = c ? x : ns::z + 1", "y = c ? @x) : @ns::z + 1)"),
    ("#define R(x) ((x) > 0 ? (x) : 0.f)", "#define R(x) ((x) > 0 ? @(x)) : @0.f))"),
    ("#define S(x) (x) > 0 ? (x) : 0.f", "#define S(x) (x) > 0 ? @(x)) : @0.f)"),
    ("y = c ? x;", None),
])  # fmt: skip
def test_operands(line, expected):
    assert wrapped(line) == expected


def test_columns_are_restored():
    program = '#line 1 "f.metal"\ny = c ? x : 0.f; z = q;\nother\n'
    arms = Arms()
    assert arms.settle(program, ERROR.format(1, 7))
    line = arms.insert(program).split("\n")[1]
    message = f"f.metal:1:{line.index('q') + 1}: error: no q\nf.metal:2:1: note: here\nelsewhere.h:1:30: note: there\n"
    assert arms.restore(program, message) == (
        "f.metal:1:22: error: no q\nf.metal:2:1: note: here\nelsewhere.h:1:30: note: there\n"
    )
    assert not arms.settle(program, ERROR.format(1, 7))  # done before: it is something else


KERNEL = (
    HEAD
    + """
#define RELU(x) ((x) > 0 ? (x) : 0.25f)
template <class T> T leaky(T x, float k) { return x > T(0) ? x : k * x; }
template <class T> T half_or(T x) { return x > T(1) ? T(2) : x > T(0) ? x : 0.5f; }
kernel void k(device bfloat* o, device float* p, const device bfloat* x, uint i [[thread_position_in_grid]]) {
  o[i] = leaky(x[i], 0.5f) + RELU(x[i]) + (i > 2u ? x[i] : 1.0f);
  p[i] = leaky(p[i], 2.0f) + half_or(x[i]) + (i % 2 ? 1.0f / 3.0f : x[i]);
}
"""
)


@pytest.mark.usefixtures("device")
def test_values():
    x = np.array([-2, 3, -4, 5, 0.5, -0.25], ml_dtypes.bfloat16)
    p = np.array([1, -1, 2, -2, 3, -3], np.float32)
    out, second = mp.zeros(6, dtype=x.dtype), mp.array(p)
    mp.mps.compile_shader(KERNEL).k(out, second, mp.array(x))
    f, i = x.astype(np.float32), np.arange(6)
    leaky = np.where(f > 0, f, 0.5 * f)
    np.testing.assert_array_equal(
        np.asarray(out), (leaky + np.where(f > 0, f, 0.25) + np.where(i > 2, f, 1)).astype(x.dtype)
    )
    third = np.float32(1) / np.float32(3)  # the result is a float, so this is not rounded to bfloat
    expected = np.where(p > 0, p, 2 * p) + np.where(f > 1, 2, np.where(f > 0, f, 0.5)) + np.where(i % 2, third, f)
    np.testing.assert_array_equal(np.asarray(second), expected.astype(np.float32))


def test_other_errors_keep_their_columns():
    line = "kernel void k(device bfloat* o) { o[0] = o[1] > 0 ? o[1] : 1.f; o[2] = nothing; }"
    with pytest.raises(mp.CompileError) as caught:
        mp.mps.compile_shader(HEAD + line)
    (error,) = caught.value.diagnostics
    assert (error.line, error.column) == (3, line.index("nothing") + 1)
    assert "nothing" in error.message


@pytest.mark.usefixtures("device")
def test_truth_becomes_bfloat():
    source = (
        HEAD
        + """
struct NoMask {
  constexpr operator bool() { return true; }
  constexpr operator bool() const threadgroup { return true; }
  constexpr operator bool() const device { return true; }
};
kernel void k(device bfloat* o) {
  NoMask mask;
  bfloat y = mask;
  o[0] = y + bfloat(mask);
}
"""
    )
    out = mp.zeros(1, dtype=ml_dtypes.bfloat16)
    mp.mps.compile_shader(source).k(out, threads=1)
    assert np.asarray(out)[0] == 2


@pytest.mark.parametrize(
    ("line", "mended"),
    [
        ("x = a << 100;", "x = a << __mp::by +  100;"),
        ("x = a >>-1;", "x = a >> __mp::by + -1;"),
        ("x <<= 99;", "x <<= __mp::by |=  99;"),
    ],
)
def test_constant_shifts(line, mended):
    program = f'#line 1 "p"\n{line}\n'
    column = max(line.find("<<"), line.find(">>")) + 1
    arms = Arms()
    message = f"p:1:{column}: warning: shift count >= width of type [-Wshift-count-overflow]\n"
    assert arms.settle(program, message)
    assert arms.insert(program).split("\n")[1] == mended
    assert not arms.settle(program, message)
    constant = f"p:1:1: error: not a constant\np:1:{column}: note: shift count 100 >= width of type 'uint' (32 bits)\n"
    assert Arms().settle(program, constant)
