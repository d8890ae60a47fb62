"""Every wrong argument of a launch gets a clear, typed error; no work is left half recorded, and the next launch is right."""

from __future__ import annotations

import math

import numpy as np
import pytest

import metalpy as mp
from tests.helpers.launches import assert_works

pytestmark = pytest.mark.usefixtures("device")

HEAD = "#include <metal_stdlib>\nusing namespace metal;\n"
compile_shader = mp.mps.compile_shader

LIBRARY = (
    HEAD
    + """
struct Params { float scale; int offset; float2 pair; };
kernel void scale(device float* x, constant float& by, uint i [[thread_position_in_grid]]) { x[i] *= by; }
kernel void copy(device int* out, const device int* in, uint i [[thread_position_in_grid]]) { out[i] = in[i]; }
kernel void with_struct(device float* x, constant Params& p, uint i [[thread_position_in_grid]]) { x[i] = p.scale + p.offset; }
kernel void bytes(device uchar* x, const device void* y, const device char* z, uint i [[thread_position_in_grid]]) {}
kernel void scalars(device float* x, constant char& c, constant uchar& u, constant short& s, constant uint& n,
                    constant half& h, constant bool& b, constant long& l, constant ulong& w) {}
kernel void dynamic(device float* x, threadgroup float* t [[threadgroup(0)]], uint i [[thread_index_in_threadgroup]]) {
  t[i] = x[i];
  threadgroup_barrier(mem_flags::mem_threadgroup);
  x[i] = t[i] + 1;
}
kernel void table(device float* x, constant float (&values)[4], uint i [[thread_position_in_grid]]) { x[i] = values[i % 4]; }
"""
)


@pytest.fixture
def lib():
    """The library, with a check that it still works after the test."""
    made = compile_shader(LIBRARY)
    yield made
    assert_works(made)


# ---- arguments ----


def refuse(kind, pattern, call):
    with pytest.raises(kind, match=pattern) as raised:
        call()
    assert isinstance(raised.value, (mp.LaunchTypeError, mp.LaunchValueError, mp.ScalarRangeError))
    mp.mps.synchronize()  # no work was left half recorded
    return str(raised.value)


def test_number_of_arguments(lib):
    x = mp.ones(4)
    refuse(TypeError, r"'scale' needs argument 'by'", lambda: lib.scale(x))
    refuse(TypeError, r"'scale'.*2 arguments, got 3", lambda: lib.scale(x, 1.0, 2.0))
    refuse(TypeError, r"needs arguments 'x', 'by'", lambda: lib.scale())
    refuse(TypeError, r"'by'.*twice", lambda: lib.scale(x, 1.0, by=2.0))
    refuse(TypeError, r"bye", lambda: lib.scale(x, bye=2.0))


def test_kind_of_argument(lib):
    x = mp.ones(4)
    message = refuse(TypeError, "'x' of kernel 'scale'", lambda: lib.scale(np.ones(4, np.float32), 1.0))
    assert "NumPy" in message and "device float*" in message
    for wrong in ("text", 1.5, [1.0, 2.0], {"a": 1}):
        refuse(TypeError, "'x'.*device float", lambda wrong=wrong: lib.scale(wrong, 1.0, threads=4))
    for wrong in ("1.0", None, 1j, object(), [[1.0]], {"x": 1}):
        refuse((TypeError, ValueError), "'by'", lambda wrong=wrong: lib.scale(x, wrong))


def test_dtype_of_argument(lib):
    for dtype in (mp.int32, mp.float16, mp.uint8, mp.int64, mp.bool_):
        message = refuse(
            TypeError, "'x' of kernel 'scale'", lambda dtype=dtype: lib.scale(mp.ones(4, dtype=dtype), 1.0)
        )
        assert str(dtype) in message and "view" in message and "device float*" in message
    x = mp.ones(4, dtype=mp.int32)
    lib.scale(x.view(np.float32), 1.0)


def test_byte_and_void_pointers_take_any_array(lib):
    for dtype in (mp.float32, mp.int64, mp.bfloat16, mp.bool_, mp.complex64):
        x = mp.ones(4, dtype=dtype)
        lib.bytes(x, x, x)
    mp.mps.synchronize()


def test_read_only_array(lib):
    host = np.arange(4, dtype=np.int32)
    host.flags.writeable = False
    x = mp.from_dlpack(host) if hasattr(host, "__dlpack__") else mp.array(host)
    if np.asarray(x).flags.writeable:
        pytest.skip("this NumPy does not hand out read-only memory")
    message = refuse(ValueError, "'out' of kernel 'copy'", lambda: lib.copy(x, mp.zeros(4, dtype=mp.int32)))
    assert "read-only" in message
    out = mp.zeros(4, dtype=mp.int32)
    lib.copy(out, x)  # reading is fine
    np.testing.assert_array_equal(np.asarray(out), host)


def test_array_that_is_not_contiguous(lib):
    x = mp.ones((4, 4))
    for view in (x[:, 1], x.T, x[::2]):
        message = refuse(ValueError, "'x' of kernel 'scale'", lambda view=view: lib.scale(view, 1.0))
        assert "contiguous" in message and "copy()" in message
    lib.scale(x[1:3], 3.0)  # whole rows are
    np.testing.assert_array_equal(np.asarray(x)[:, 0], [1, 3, 3, 1])


def test_buffer_that_is_too_small(lib):
    x = mp.ones(4)
    message = refuse(ValueError, "'p' of kernel 'with_struct'", lambda: lib.with_struct(x, mp.zeros(8, dtype=mp.uint8)))
    assert "16" in message and "8" in message  # bytes needed and there
    message = refuse(ValueError, "'values' of kernel 'table'", lambda: lib.table(x, mp.zeros(3)))
    assert "16" in message and "12" in message


def test_rows_of_three_for_vectors_of_three():
    """A float3 takes the room of four floats: rows of three would be read as something else, and beyond the end."""
    made = compile_shader(
        HEAD + "kernel void twice(device float3* x, uint i [[thread_position_in_grid]]) { x[i] *= 2; }\n"
        "kernel void packed(device packed_float3* x, uint i [[thread_position_in_grid]]) { x[i] = float3(x[i]) * 2; }"
    )
    refuse(ValueError, "declare packed_float3, or pad the rows", lambda: made.twice(mp.ones((4, 3)), threads=4))
    rows = mp.ones((4, 3))
    made.packed(rows, threads=4)
    np.testing.assert_array_equal(rows.numpy(), 2)
    rows = mp.ones((4, 4))
    made.twice(rows, threads=4)
    np.testing.assert_array_equal(rows.numpy()[:, :3], 2)


@pytest.mark.parametrize("name", ["grid", "threadgroup", "block"])
def test_names_that_others_have_for_the_size(lib, name):
    refuse(TypeError, "is threads= or groups=, and group_size=", lambda: lib.scale(mp.ones(4), 1.0, **{name: 4}))


def test_struct_values(lib):
    x = mp.ones(4)
    good = {"scale": 1.5, "offset": 2, "pair": (1, 2)}
    lib.with_struct(x, good)
    np.testing.assert_array_equal(np.asarray(x), 3.5)
    refuse((TypeError, ValueError), "'p'.*scal", lambda: lib.with_struct(x, {"scal": 1.5, "offset": 2, "pair": (1, 2)}))
    refuse((TypeError, ValueError), "'p'.*pair", lambda: lib.with_struct(x, {"scale": 1.5, "offset": 2}))
    refuse((TypeError, ValueError), "'p'.*pair", lambda: lib.with_struct(x, {**good, "pair": (1, 2, 3)}))
    refuse((TypeError, ValueError), "'p'.*offset", lambda: lib.with_struct(x, {**good, "offset": 1.5}))
    refuse(OverflowError, "'p'.*offset", lambda: lib.with_struct(x, {**good, "offset": 2**31}))


SCALARS = {"c": 1, "u": 1, "s": 1, "n": 1, "h": 1.0, "b": True, "l": 1, "w": 1}
OUT_OF_RANGE = [
    ("c", 128, "-128 to 127"), ("c", -129, "-128"), ("u", 256, "0 to 255"), ("u", -1, "0 to 255"),
    ("s", 2**15, "32767"), ("n", 2**32, "4294967295"), ("n", -1, "0"), ("h", 70000.0, "float16"),
    ("l", 2**63, str(2**63 - 1)), ("w", 2**64, str(2**64 - 1)), ("w", -1, "0"), ("c", 10**30, "127"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value", "limit"), OUT_OF_RANGE, ids=[f"{n}={v}" for n, v, _ in OUT_OF_RANGE])
def test_number_out_of_range(lib, name, value, limit):
    x = mp.zeros(1)
    message = refuse(OverflowError, f"'{name}' of kernel 'scalars'", lambda: lib.scalars(x, **{**SCALARS, name: value}))
    assert limit in message
    lib.scalars(x, **SCALARS)


def test_numbers_at_the_limits(lib):
    x = mp.zeros(1)
    lib.scalars(x, -128, 255, -(2**15), 2**32 - 1, 65504.0, False, -(2**63), 2**64 - 1)
    lib.scalars(x, 127, 0, 2**15 - 1, 0, math.inf, True, 2**63 - 1, 0)
    lib.scalars(x, 0, 0, 0, 0, math.nan, np.True_, np.int8(-5), np.uint64(2**64 - 1))


def test_float_for_an_integer(lib):
    refuse(TypeError, "'n'.*1.5", lambda: lib.scalars(mp.zeros(1), **{**SCALARS, "n": 1.5}))


def test_array_of_another_length(lib):
    x = mp.ones(4)
    lib.table(x, [1, 2, 3, 4])
    for wrong in ([1, 2, 3], [1, 2, 3, 4, 5], [], [[1, 2], [3, 4]]):
        refuse((TypeError, ValueError), "'values'", lambda wrong=wrong: lib.table(x, wrong))
    np.testing.assert_array_equal(np.asarray(x), [1, 2, 3, 4])


def test_bad_casts(lib):
    x = mp.ones(4)
    refuse(ValueError, "fp64", lambda: lib.scale(x, 1.0, arg_casts="fp64"))
    refuse(TypeError, "arg_casts", lambda: lib.scale(x, 1.0, arg_casts=7))
    refuse(ValueError, "9", lambda: lib.scale(x, 1.0, arg_casts={9: "fp16"}))


# ---- grids ----


@pytest.mark.parametrize("threads", [0, (0,), (4, 0), (0, 0, 0)])
def test_zero_threads_do_nothing(lib, threads):
    x = mp.ones(4)
    lib.scale(x, 5.0, threads=threads)
    np.testing.assert_array_equal(np.asarray(x), 1)


def test_empty_array_does_nothing(lib):
    lib.scale(mp.zeros(0), 5.0)
    mp.mps.synchronize()


BAD_GRIDS = {
    "negative": ({"threads": -1}, ValueError, "threads.*-1"),
    "negative in a tuple": ({"threads": (4, -2)}, ValueError, "threads.*-2"),
    "no dimension": ({"threads": ()}, ValueError, "one to three"),
    "four dimensions": ({"threads": (1, 1, 1, 1)}, ValueError, "one to three.*4"),
    "float": ({"threads": 2.5}, TypeError, "threads.*2.5"),
    "text": ({"threads": "12"}, (TypeError, ValueError), "threads"),
    "too many": ({"threads": 2**32}, ValueError, str(2**32 - 1)),
    "group too large": ({"group_size": 1025}, ValueError, "1025.*1024"),
    "group too large in all": ({"threads": (4, 4, 4), "group_size": (32, 32, 2)}, ValueError, "2048.*1024"),
    "group of nothing": ({"group_size": 0}, ValueError, "at least one"),
    "negative group": ({"group_size": -4}, ValueError, "group_size.*-4"),
    "ranks differ": ({"threads": (4, 4), "group_size": 4}, ValueError, "group_size has 1 dim.*threads 2"),
    "groups and threads": ({"threads": 4, "groups": 1, "group_size": 4}, TypeError, "threads= and groups="),
    "groups alone": ({"groups": 2}, TypeError, "group_size"),
    "too many in groups": ({"groups": 2**31, "group_size": 4}, ValueError, str(2**32 - 1)),
}


@pytest.mark.parametrize("what", BAD_GRIDS)
def test_bad_grid(lib, what):
    options, kind, pattern = BAD_GRIDS[what]
    x = mp.ones(4)
    refuse(kind, pattern, lambda: lib.scale(x, 3.0, **options))
    np.testing.assert_array_equal(np.asarray(x), 1)


def test_threads_cannot_be_guessed():
    lib = compile_shader("kernel void k(constant int& n) {}")
    with pytest.raises(mp.MetalError, match=r"threads"):
        lib.k(3)
    lib.k(3, threads=1)
    mp.mps.synchronize()


# ---- threadgroup memory ----


def test_threadgroup_memory(lib):
    x = mp.ones(32)
    refuse(TypeError, "'dynamic' needs threadgroup memory for 't'", lambda: lib.dynamic(x))
    message = refuse(ValueError, "'dynamic'", lambda: lib.dynamic(x, threadgroup_memory={0: 32769}))
    assert "32768" in message and "32784" in message  # the limit, and what was asked for in Metal's granules of 16
    refuse(ValueError, "'t'.*-4", lambda: lib.dynamic(x, threadgroup_memory={0: -4}))
    refuse(ValueError, "'t'", lambda: lib.dynamic(x, threadgroup_memory={0: 0}))
    refuse(TypeError, "'t'|bytes", lambda: lib.dynamic(x, threadgroup_memory={0: "many"}))
    refuse(TypeError, "1", lambda: lib.dynamic(x, threadgroup_memory={0: 128, 1: 128}))
    refuse(TypeError, "is a dict such as", lambda: lib.dynamic(x, threadgroup_memory=128))
    refuse(TypeError, "threadgroup", lambda: lib.scale(x, 1.0, threadgroup_memory={0: 128}))
    lib.dynamic(x, threadgroup_memory={0: 128})
    np.testing.assert_array_equal(np.asarray(x), 2)
    lib.dynamic(x, threadgroup_memory={"t": 32768})
    np.testing.assert_array_equal(np.asarray(x), 3)


def test_too_much_static_threadgroup_memory():
    source = "kernel void k(device float* x) { threadgroup float t[8193]; t[0] = x[0]; x[0] = t[0]; }"
    with pytest.raises(mp.MetalError, match=r"3277\d|32784") as raised:
        compile_shader(source).k(mp.zeros(1))
    assert "32768" in str(raised.value)


def test_static_and_dynamic_threadgroup_memory_together():
    lib = compile_shader(
        HEAD
        + """
        kernel void k(device float* x, threadgroup float* d [[threadgroup(0)]], uint i [[thread_index_in_threadgroup]]) {
          threadgroup float s[4096];
          s[i] = d[i] = x[i];
          threadgroup_barrier(mem_flags::mem_threadgroup);
          x[i] = s[i] + d[i];
        }
    """
    )
    x = mp.ones(8)
    message = refuse(ValueError, "'k'", lambda: lib.k(x, threadgroup_memory={0: 16400}))
    assert "32784" in message and "16384" in message and "32768" in message
    lib.k(x, threadgroup_memory={0: 16384})
    np.testing.assert_array_equal(np.asarray(x), 2)
