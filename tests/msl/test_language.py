"""Templates and host names, function constants, lambdas, implicit numbering, control flow, the preprocessor."""

from __future__ import annotations

import numpy as np
import pytest

import metalpy as mp
from tests.helpers.case import KERNELS, Case, library

pytestmark = pytest.mark.usefixtures("device")

rng = np.random.default_rng(7)
F4, I4, U4 = np.float32, np.int32, np.uint32
N = 30

# ---- templates and host names ----

NAMED = {
    "float": F4, "half": np.float16, "int": I4, "short": np.int16, "uint": U4, "long": np.int64,
}  # fmt: skip


@pytest.mark.parametrize("name", NAMED)
def test_instantiation(name):
    dtype = NAMED[name]
    Case("host_names", f"add_{name}", (N, dtype), (3,), np.arange(N) + 3).check()


def test_instantiation_from_a_macro():
    x = rng.integers(0, 200, N, np.uint8)
    Case("host_names", "convert_u8_f32_1", (N, F4), (x,), lambda x: x).check()
    Case("host_names", "convert_u8_f32_3", (N, F4), (x,), lambda x: x * F4(3)).check()
    y = rng.integers(-200, 200, N, I4)
    Case("host_names", "convert_i32_f16_3", (N, np.float16), (y,), lambda y: 3 * y).check()
    Case("host_names", "negated", (N, I4), (y,), lambda y: -2 * y).check()


@pytest.mark.parametrize(("kernel", "value"), [("renamed", 7), ("attribute_form", 8)])
def test_name_of_a_plain_kernel(kernel, value):
    Case("host_names", kernel, (N, I4), (), np.full(N, value)).check()


def test_list_of_kernels():
    names = {f"add_{n}" for n in NAMED} | {"negated", "renamed", "attribute_form"}
    names |= {f"convert_{c}_{f}" for c in ("u8_f32", "i32_f16") for f in (1, 3)}
    found = set(dir(library("host_names")))
    assert names < found
    (nested,) = found - names
    assert nested.endswith("nested")  # inside a namespace


def test_metaprogramming():
    x = rng.integers(-9, 9, 3 * N).astype(np.float16)
    Case("templates", "double_sum_half", (N, F4), (x,), lambda x: 2 * x.reshape(N, 3).astype(F4).sum(1) + 1003).check()
    y = rng.integers(-9, 9, 2 * N).astype(F4)
    Case("templates", "square_sum_float", (N, F4), (y,), lambda y: (y.reshape(N, 2) ** 2).sum(1) + 3).check()
    Case("templates", "kinds", (5, I4), (), np.array([1, 2, 0, 1, 1]), launch={"threads": 1}).check()


# ---- function constants ----

i = np.arange(N)


@pytest.mark.parametrize(
    "constants",
    [
        {"flip": True, "factor": 3, "bias": 0.5},
        {0: False, 1: -7, 2: 100},
        {"flip": np.bool_(True), 1: np.int32(2), "bias": np.float32(0.25)},
    ],
    ids=["by name", "by index", "NumPy scalars"],
)
def test_function_constants(constants):
    flip, factor, bias = constants.values()
    expected = (i * int(factor) + float(bias)) * (-1 if flip else 1)
    Case("function_constants", "compute", (N, F4), (), expected, constants=constants).check()


def test_function_constants_of_other_types():
    constants = {"small": 60000, "pair": (1.5, -2.0), "tiny": 0.125}
    Case("function_constants", "other_types", (4, F4), (), np.full(4, 60000 - 3 + 0.125), constants=constants).check()


def test_function_constant_that_may_be_missing():
    given = {"flip": False, "factor": 1, "bias": 0}
    Case("function_constants", "optional", (4, U4), (), np.full(4, 77), constants=given).check()
    Case(
        "function_constants", "optional", (4, U4), (), np.full(4, 1006), constants={**given, "optional_value": 5}
    ).check()


def test_gated_argument():
    x, extra = (rng.standard_normal(N).astype(F4) for _ in range(2))
    Case("function_constants", "gated", (N, F4), (None, x), lambda _, x: x, constants={"factor": 1}).check()
    Case("function_constants", "gated", (N, F4), (extra, x), lambda e, x: x + e, constants={"factor": 11}).check()
    gate = {a.name: a.optional for a in library("function_constants").gated.arguments}
    assert gate == {"out": False, "extra": True, "x": False}


def test_function_constant_as_a_bound():
    Case("function_constants", "unrolled", (N, I4), (), (i % 9) ** 2, constants={"factor": 9}).check()


def test_kernel_without_constants_beside_those_with():
    Case("function_constants", "unspecialised", (N, I4), (), i).check()


def test_specialisations_do_not_mix():
    kernel = library("function_constants").unrolled
    three, five = kernel.specialize({"factor": 3}), kernel.specialize({"factor": 5})
    assert three is kernel.specialize({1: 3})
    for special, factor in ((three, 3), (five, 5), (three, 3)):
        out = mp.zeros(N, dtype=I4)
        special(out)
        np.testing.assert_array_equal(np.asarray(out), (i % factor) ** 2)


# ---- smaller features ----


def test_implicit_indices():
    a = rng.integers(0, 99, N, I4)
    Case("implicit_indices", "plain", (N, I4), (a, 5), lambda a, b: a + b).check()


def test_implicit_indices_among_explicit_ones():
    kernel = library("implicit_indices").mixed
    indices = {(a.kind, a.name): a.index for a in kernel.arguments}
    assert indices == {
        ("buffer", "c"): 0, ("buffer", "out"): 1, ("buffer", "a"): 2, ("buffer", "b"): 3,
        ("threadgroup", "t"): 0, ("threadgroup", "s"): 1,
    }  # fmt: skip
    a, c = rng.integers(0, 99, (2, N), I4)
    out = mp.zeros(N, dtype=I4)
    kernel(c=mp.array(c), out=out, a=mp.array(a), b=7, group_size=N, threadgroup_memory={"s": 4 * N, "t": 4 * N})
    np.testing.assert_array_equal(np.asarray(out), a + 7 + c)


def test_references():
    Case("implicit_indices", "references", (1, I4), (1000, [1, 2, 3]), np.array([1321])).check()


def test_lambdas():
    step = 5
    expected = i + 2 * step + 4 * i + 2 + 3.5
    Case("lambdas", "apply", (N, I4), (step,), expected.astype(I4)).check()


def collatz(n):
    steps = 0
    while n != 1:
        n, steps = (3 * n + 1 if n % 2 else n // 2), steps + 1
    return steps


def test_while_loop():
    Case("control_flow", "collatz", (N, U4), (), np.array([collatz(k + 1) for k in range(N)])).check()


def test_switch():
    x = rng.integers(0, 50, N, I4)
    expected = np.select([x % 5 == 0, x % 5 == 4], [100, -1], x)
    Case("control_flow", "choose", (N, I4), (x,), expected).check()


def test_unrolled_loops():
    total = 28 * i + (sum(range(9)) - 3)
    for k in range(4):
        total = total ^ k
    Case("control_flow", "loops", (N, I4), (), total - 15).check()


# ---- preprocessor ----


def preprocessed(**defines):
    return mp.compile_file(KERNELS / "preprocessor.metal", defines={"NAME": "it", "TYPE": "float", **defines})


def test_defines():
    lib = preprocessed(SCALE="(1 + 2)", NAME="floats")
    assert dir(lib) == ["facts", "make_floats"]
    out = mp.zeros(N)
    lib.make_floats(out)
    np.testing.assert_array_equal(np.asarray(out), 3 * i)


def test_macros_of_the_compiler():
    lib = preprocessed(FLAG=True)
    out = mp.zeros(8, dtype=I4)
    lib.facts(out, threads=1)
    source = (KERNELS / "preprocessor.metal").read_text().splitlines()
    line = 1 + next(n for n, text in enumerate(source) if "__LINE__" in text)
    np.testing.assert_array_equal(np.asarray(out), [1, 12, 1, 1, 1, 4, line, 1])


NAMES_OF_HEADERS = ["T", "N", "A", "x", "i", "value", "R", "P"]


def test_macros_do_not_reach_the_headers():
    """The standard library's own sources use short names, too."""
    source = "kernel void k(device float* out, uint at [[thread_position_in_grid]]) { out[at] = metal::dot(metal::float2(TWO), metal::float2(1)); }"
    out = mp.zeros(3)
    mp.mps.compile_shader(
        "#include <metal_stdlib>\n" + source, defines={**dict.fromkeys(NAMES_OF_HEADERS, 7), "TWO": 2}
    ).k(out)
    np.testing.assert_array_equal(np.asarray(out), 4)
    lines = "".join(f"#define {name} 7\n" for name in NAMES_OF_HEADERS)
    mp.mps.compile_shader(f"{lines}#define TWO 3\n#include <metal_stdlib>\n{source}").k(out)
    np.testing.assert_array_equal(np.asarray(out), 6)


@pytest.mark.parametrize("name", ["position", "number", "buffer", "input", "from", "indices", "signature", "parameter"])
def test_macros_do_not_reach_the_generated_code(name):
    lib = mp.mps.compile_shader(f"""
        #define {name} 5
        kernel void k(device int* out, uint at [[thread_position_in_grid]]) {{ out[at] = {name}; }}
    """)
    out = mp.zeros(3, dtype=I4)
    lib.k(out)
    np.testing.assert_array_equal(np.asarray(out), 5)


def test_indented_source():
    lib = mp.mps.compile_shader("""
        #include <metal_stdlib>
        using namespace metal;
          #pragma once
        kernel void k(device float* out, uint at [[thread_position_in_grid]]) { out[at] = sqrt(4.0f); }
    """)
    out = mp.zeros(3)
    lib.k(out)
    np.testing.assert_array_equal(np.asarray(out), 2)


def test_define_that_is_off():
    lib = preprocessed(FLAG=False)
    out = mp.zeros(8, dtype=I4)
    lib.facts(out, threads=1)
    assert out[4].item() == 0


@pytest.mark.parametrize("mode", ["safe", "relaxed", "fast"])
def test_math_modes(mode):
    x = rng.uniform(0.1, 3, N).astype(F4)
    out = mp.zeros((N, 10))
    library("fast_and_precise", mode).both(out, mp.array(x), threads=N)
    got = np.asarray(out)
    np.testing.assert_allclose(got[:, 1], np.exp(x.astype(float)), rtol=1e-6)
    np.testing.assert_allclose(got[:, 9], np.maximum(x, 1) + np.cos(x.astype(float)), rtol=1e-5)
