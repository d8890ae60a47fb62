"""Arguments by value that the host makes: tables of functions and tensors."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

import metalpy as mp
from tests.helpers.case import KERNELS

pytestmark = pytest.mark.usefixtures("device")

rng = np.random.default_rng(15)
F4, F2, I4 = np.float32, np.float16, np.int32


@cache
def tables() -> Any:
    return mp.compile_file(KERNELS / "function_tables.metal")


@cache
def tensors() -> Any:
    return mp.compile_file(KERNELS / "bound_tensors.metal", language_version="4.0")


# ---- tables of functions ----


def test_functions_of_a_table():
    out = mp.zeros(6, dtype=I4)
    tables().each(out, ["twice", "square", None, "other::negative", "twice"], 7)
    assert out.tolist() == [14, 49, -1005, -7, 14, -1005]


def test_each_launch_has_its_own_table():
    out = mp.array([3], dtype=I4)
    for name in ("square", "twice", "other::negative"):
        tables().call(out, (name,), threads=1)
    assert out.item() == -18


def test_functions_with_pointers_and_of_a_simdgroup():
    x = np.arange(64, dtype=F4)
    out = mp.array(x)
    tables().two(out, ["scale"], ["halved", "group_sum"], group_size=64)
    scaled = x * 3
    np.testing.assert_array_equal(np.asarray(out), scaled / 2 + np.repeat(scaled.reshape(2, 32).sum(1), 32) + 1)


def test_what_a_table_may_hold():
    (table,) = (a for a in tables().each.arguments if a.name == "table")
    assert (table.kind, table.index, table.type.kind) == ("buffer", 1, "function_table")
    assert [f.name for f in table.type.fields] == ["twice", "square", "other::negative"]


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (["halved"], mp.LaunchValueError, "twice, square, other::negative; got 'halved'"),
        (["each"], mp.LaunchValueError, "got 'each'"),
        ("twice", mp.LaunchTypeError, "needs a list of functions' names, got a str"),
        (None, mp.LaunchTypeError, "needs a list of functions' names"),
    ],
)
def test_what_a_table_may_not_hold(value, error, message):
    with pytest.raises(error, match=message) as caught:
        tables().call(mp.zeros(1, dtype=I4), value, threads=1)
    assert "argument 'table' of kernel 'call'" in str(caught.value)


def test_an_empty_place_that_is_called_is_a_fault():
    tables().call(mp.zeros(1, dtype=I4), [None], threads=1)
    with pytest.raises(mp.KernelFaultError, match="kernel 'call'"):
        mp.mps.synchronize()


def test_a_program_without_such_functions():
    lib = mp.mps.compile_shader(
        "#include <metal_stdlib>\nusing namespace metal;\n"
        "kernel void k(device int* x, visible_function_table<int(int)> t) { x[0] = t[0] ? t[0](1) : int(t.size()); }"
    )
    x = mp.zeros(1, dtype=I4)
    lib.k(x, [None, None], threads=1)
    assert x.item() == 2
    with pytest.raises(mp.LaunchValueError, match="of this type: none; got 'f'"):
        lib.k(x, ["f"], threads=1)


# ---- tensors ----


def test_elements_by_indices():
    x, out = rng.integers(-9, 9, (5, 3)).astype(F2), mp.zeros((3, 5))
    tensors().elements(mp.array(x), out, 2, threads=(3, 5))
    np.testing.assert_array_equal(np.asarray(out), 2 * x.T.astype(F4) + 505)


def test_one_dimension():
    x = mp.array([1, 2, 3], dtype=I4)
    tensors().line(x, threads=3)
    assert x.tolist() == [13, 23, 33]


def test_three_dimensions_and_a_part():
    x, out = rng.integers(0, 99, (2, 3, 5)).astype(I4), mp.zeros((2, 3, 4), dtype=I4)
    tensors().cube(out, mp.array(x), threads=(4, 3, 2))
    np.testing.assert_array_equal(np.asarray(out), x[:, :, 1:])


def test_product_of_bound_tensors():
    a, b = (rng.integers(-4, 5, shape).astype(F2) for shape in ((40, 24), (24, 70)))
    c = mp.zeros((40, 70))
    tensors().product(mp.array(a), mp.array(b), c, groups=(3, 3), group_size=(32, 1))
    np.testing.assert_array_equal(np.asarray(c), a.astype(F4) @ b.astype(F4))


def test_reflection_of_tensors():
    x, out, _ = sorted(tensors().elements.arguments, key=lambda a: a.index)
    assert (x.type.kind, x.type.name, x.access) == ("tensor", "tensor<half, extents<uint, 3, dynamic_extent>>", "read")
    assert (out.type.shape, out.type.element.scalar, out.access) == ((-1, -1), "float32", "read_write")


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (lambda: mp.zeros((5, 4), dtype=F2), mp.LaunchValueError, r"cannot be an array of shape \(5, 4\)"),
        (lambda: mp.zeros(15, dtype=F2), mp.LaunchValueError, r"cannot be an array of shape \(15,\)"),
        (lambda: mp.zeros((5, 3)), mp.LaunchTypeError, r"got a .*float32"),
        (lambda: mp.zeros((3, 5), dtype=F2).T, mp.LaunchValueError, "not contiguous"),
        (lambda: np.zeros((5, 3), F2), mp.LaunchTypeError, "needs an Array"),
    ],
)
def test_what_cannot_be_a_tensor(value, error, message):
    with pytest.raises(error, match=message) as caught:
        tensors().elements(value(), mp.zeros((3, 5)), 2, threads=(3, 5))
    assert "argument 'x' of kernel 'elements'" in str(caught.value)
