"""Metal Performance Primitives' convolutions against sums over the taps in NumPy."""

from __future__ import annotations

from functools import cache
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import metalpy as mp
from metalpy.mps import compile_shader
from tests.helpers.case import KERNELS

pytestmark = pytest.mark.usefixtures("device")

rng = np.random.default_rng(7)
F4, F2, BF, I1, I4 = np.float32, np.float16, ml_dtypes.bfloat16, np.int8, np.int32


@cache
def convolutions() -> Any:
    return mp.compile_file(KERNELS / "convolution2d.metal", language_version="4.0")


def small(shape, dtype):
    """Whole numbers whose sums of products no type rounds, but for those of half and bfloat."""
    return rng.integers(-4, 5, shape).astype(dtype)


def convolved(x, w, out, begin, strides=(1, 1), dilations=(1, 1)):
    """Images (batch, y, x, in) by weights (y, x, in, out); all pairs are x, y; `begin` is where the first window begins."""
    height, width = out
    result = np.zeros((len(x), height, width, w.shape[3]))
    for ky, kx in np.ndindex(*w.shape[:2]):
        for oy, ox in np.ndindex(height, width):
            y = oy * strides[1] + begin[1] + ky * dilations[1]
            at = ox * strides[0] + begin[0] + kx * dilations[0]
            if 0 <= y < x.shape[1] and 0 <= at < x.shape[2]:
                result[:, oy, ox] += x[:, y, at].astype(float) @ w[ky, kx].astype(float)
    return result


def convolve(name, types, kernel, strides=(1, 1), dilations=(1, 1), padding=(0, 0), channels=(6, 11)):
    batch, height, width = 2, 12, 17
    x, w = small((batch, height, width, channels[0]), types[0]), small((*kernel[::-1], *channels), types[1])
    wide, high = (
        (size + 2 * p - d * (k - 1) - 1) // s + 1
        for size, p, d, k, s in zip((width, height), padding, dilations, kernel, strides, strict=True)
    )
    sizes = np.array([*channels, width, height, batch, wide, high, 0, *padding], I4)
    out = mp.array(np.zeros((batch, high, wide, channels[1]), types[2]))
    groups = (batch * -(-channels[1] // 8), -(-wide // 5), -(-high // 4))
    convolutions()[f"convolve_{name}"](
        out, mp.array(x), mp.array(w), sizes.tobytes(), threads=(groups[0] * 64, *groups[1:]), group_size=(64, 1, 1)
    )
    begin = (-padding[0], -padding[1])
    return np.asarray(out), convolved(x, w, (high, wide), begin, strides, dilations)


TYPES = {
    "float": (F4, F4, F4),
    "half": (F2, F2, F2),
    "bfloat": (BF, BF, BF),
    "half_half_float": (F2, F2, F4),
    "char_char_int": (I1, I1, I4),
}


@pytest.mark.parametrize("name", TYPES)
def test_types(name):
    got, expected = convolve(name, TYPES[name], (3, 3), padding=(1, 1))
    # summed in float, exactly here, and rounded once
    np.testing.assert_array_equal(got, expected.astype(TYPES[name][2]))


SHAPES = {
    "1x1": {"kernel": (1, 1), "channels": (19, 8)},
    "even": {"kernel": (4, 2), "padding": (2, 1)},
    "wide": {"kernel": (5, 1), "padding": (4, 0), "channels": (1, 40)},
    "strides": {"kernel": (3, 2), "strides": (2, 3), "padding": (1, 0)},
    "dilations": {"kernel": (3, 2), "dilations": (2, 3), "padding": (0, 2)},
    "both": {"kernel": (2, 4), "strides": (3, 2), "dilations": (3, 2), "padding": (3, 1)},
}


@pytest.mark.parametrize("name", SHAPES)
def test_windows(name):
    got, expected = convolve(name, TYPES["float"], **SHAPES[name])
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("name", ["replaces_3", "replaces_2", "adds_3"])
def test_into_memory(name):
    """Without offsets the window's middle, or the second of two, is on the element."""
    size = int(name[-1])
    x, w, before = small((2, 5, 7, 3), F2), small((size, size, 3, 6), F2), small((2, 5, 7, 6), F4)
    out = mp.array(before)
    convolutions()[name](out, mp.array(x), mp.array(w), threads=128, group_size=128)
    expected = convolved(x, w, (5, 7), (-1, -1)) + (before if name == "adds_3" else 0)
    np.testing.assert_array_equal(np.asarray(out), expected)


def test_places():
    """Each element is some thread's, and nobody else's: channel, x, y, image."""
    out = mp.array(np.zeros((64, 32, 5), np.int16))
    convolutions().places(out, mp.zeros(1), threads=64, group_size=64)
    got = np.asarray(out)
    valid = got[got[..., 4] == 1][:, :4]
    assert sorted(map(tuple, valid)) == sorted(np.ndindex(20, 5, 3, 2))


def test_bias_of_one_dimension():
    x, w, bias = small((2, 3, 5, 4), F4), small((1, 1, 4, 20), F4), small(20, F4)
    out = mp.array(np.zeros((2, 3, 5, 20), F4))
    convolutions().with_bias(out, mp.array(x), mp.array(w), mp.array(bias), threads=64, group_size=64)
    np.testing.assert_array_equal(np.asarray(out), x @ w[0, 0] + bias)


HEADERS = """#include <MetalPerformancePrimitives/MetalPerformancePrimitives.h>
using namespace metal;
using namespace mpp::tensor_ops;
using four = dextents<int, 4>;
template <convolution2d_descriptor d, class scope> void f(device float* x) {
  tensor<device float, four, tensor_inline> t(x, four(1, 1, 1, 1));
  convolution2d<d, scope> op;
  op.run(t, t, t);
}
constant constexpr auto nhwc = convolution2d_activation_layout::nhwc;
constant constexpr auto hwio = convolution2d_weights_layout::hwio;
"""
REFUSED = {
    "one group: take slices of the channels": "f<convolution2d_descriptor(int4(4), int4(4), int2(1), nhwc, hwio, int2(1),"
    " int2(1), 2), execution_simdgroups<4>>(x);",
    "known to the compiler, and positive": "f<convolution2d_descriptor(int4(4, -1, 4, 1), int4(4), int2(1)),"
    " execution_simdgroups<4>>(x);",
    "convolution2d is for execution_simdgroups": "f<convolution2d_descriptor(int4(4), int4(4), int2(1)),"
    " execution_thread>(x);",
}


@pytest.mark.parametrize("message", REFUSED)
def test_refused(message):
    source = HEADERS + "kernel void k(device float* x) { " + REFUSED[message] + " }"
    with pytest.raises(mp.CompileError, match=message):
        compile_shader(source, language_version="4.0")
