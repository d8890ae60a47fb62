"""The special functions of c10/metal's headers: against tables, and at poles, infinities and NaN."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import metalpy as mp
from tests.helpers.conformance import SPECIAL_ERRORS

pytestmark = pytest.mark.usefixtures("device")

F4 = np.float32

SPECIAL = json.loads((Path(__file__).parent / "special_values.json").read_text())

ORDER_FIRST, ORDER_LAST = {"polygamma"}, {name for name in SPECIAL if "polynomial" in name}


def test_every_special_function_has_a_bound():
    assert set(SPECIAL_ERRORS) == set(SPECIAL)


@cache
def special_library():
    lines = ["#include <c10/metal/special_math.h>", "using namespace metal;"]
    for name, data in SPECIAL.items():
        arguments = [f"{'xyz'[j]}[i]" for j in range(len(data["arguments"]))]
        parameters = "".join(f", const device float* {'xyz'[j]}" for j in range(len(arguments)))
        if name in ORDER_FIRST:
            arguments[0] = f"long({arguments[0]})"
        if name in ORDER_LAST:
            arguments[1] = f"long({arguments[1]})"
        call = f"c10::metal::{name}({', '.join(arguments)})"
        lines.append(
            f"kernel void {name}_kernel(device float* out{parameters}, uint i [[thread_position_in_grid]]) "
            f"{{ out[i] = {call}; }}"
        )
    return mp.mps.compile_shader("\n".join(lines))


@pytest.mark.parametrize("name", SPECIAL)
def test_special_function(name):
    data = SPECIAL[name]
    exact = np.array(data["values"])
    out = mp.zeros(len(exact), dtype=F4)
    arguments = [mp.array(np.array(column, F4)) for column in data["arguments"]]
    getattr(special_library(), f"{name}_kernel")(out, *arguments)
    relative, absolute = SPECIAL_ERRORS[name]
    np.testing.assert_allclose(np.asarray(out), exact, rtol=relative, atol=absolute)


def test_special_values():
    """Poles, infinities and NaN."""
    source = """
#include <c10/metal/special_math.h>
using namespace c10::metal;
kernel void k(device float* out, const device float* x, uint i [[thread_position_in_grid]]) {
  device float* row = out + 10 * i;
  row[0] = erf(x[i]), row[1] = erfc(x[i]), row[2] = erfinv(x[i]), row[3] = c10::metal::gamma(x[i]);
  row[4] = log_gamma(x[i]), row[5] = digamma(x[i]), row[6] = bessel_j0_forward(x[i]), row[7] = i0e(x[i]);
  row[8] = expm1f(x[i]), row[9] = log1p(x[i]);
}
"""
    inf, nan = np.inf, np.nan
    table = {
        0.0: [0, 1, 0, inf, inf, -inf, 1, 1, 0, 0],
        1.0: [0.8427008, 0.15729921, inf, 1, 0, -0.5772157, 0.7651977, 0.4657596, 1.7182818, 0.6931472],
        -1.0: [-0.8427008, 1.8427008, -inf, nan, inf, nan, 0.7651977, 0.4657596, -0.63212055, -inf],
        inf: [1, 0, nan, inf, inf, inf, nan, 0, inf, inf],
        nan: [nan] * 10,
    }
    out = mp.zeros((len(table), 10), dtype=F4)
    mp.mps.compile_shader(source).k(out, mp.array(np.array(list(table), F4)), threads=len(table))
    np.testing.assert_allclose(np.asarray(out), np.array(list(table.values())), rtol=1e-6, atol=3e-7)


def test_bessel_functions_at_infinity():
    """They are NaN as those of PyTorch, SciPy and Cephes are, though they tend to 0."""
    names = ("bessel_j0", "bessel_j1", "bessel_y0", "bessel_y1")
    calls = ", ".join(f"isnan({name}_forward(x[0]))" for name in names)
    source = f"""
#include <c10/metal/special_math.h>
using namespace c10::metal;
kernel void k(device bool4* out, const device float* x) {{ out[0] = bool4({calls}); }}
"""
    out = mp.zeros(4, dtype=bool)
    mp.mps.compile_shader(source, math_mode="safe").k(out, mp.array(np.array([np.inf], F4)), threads=1)
    assert np.asarray(out).all()
