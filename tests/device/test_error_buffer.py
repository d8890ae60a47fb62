"""The counterpart's error buffer: reports that a kernel writes to memory, which every device can."""

import pytest

import metalpy as mp
from tests.helpers.messages import listening

pytestmark = pytest.mark.usefixtures("device")

BUFFER = """
#include <c10/metal/error.h>
kernel void arange(device float* out, constant int& limit, device c10::metal::ErrorMessages* errors,
                   uint i [[thread_position_in_grid]]) {
  if (int(i) >= limit) {
    TORCH_REPORT_ERROR(errors, "Index ", i, " exceeds limit ", limit);
    return;
  }
  out[i] = i;
}
"""


@pytest.fixture(scope="module")
def buffer_lib():
    made = mp.mps.compile_shader(BUFFER)
    made.arange(mp.zeros(1), 1, error_buf_idx=2)  # the default stream's error buffer stays: no test leaks it
    mp.mps.synchronize()
    return made


def test_error_buffer(buffer_lib):
    out = mp.zeros(10)
    buffer_lib.arange(out, 10, error_buf_idx=2)
    mp.mps.synchronize()
    assert out.tolist() == list(range(10))
    buffer_lib.arange(out, 5, error_buf_idx=2, group_size=1)
    with pytest.raises(RuntimeError, match=r"Index \d exceeds limit 5") as caught:
        mp.mps.synchronize()
    error = caught.value
    assert isinstance(error, mp.KernelReportedError)
    assert (error.file, error.line, error.kernel, error.thread, error.further) == (
        "program_source", 6, "arange", None, 4
    )  # fmt: skip
    mp.mps.synchronize()
    buffer_lib.arange(out, 10, error_buf_idx=2)
    assert out.tolist() == list(range(10))


def test_error_buffer_by_name_and_with_casts(buffer_lib):
    out = mp.zeros(4)
    for arguments, named in [((out, 3), {}), ((out,), {"limit": 3}), ((), {"out": out, "limit": 3})]:
        for casts in (None, "int32", {1: "int32"}):
            buffer_lib.arange(*arguments, **named, threads=4, error_buf_idx=2, arg_casts=casts)
            with pytest.raises(mp.KernelReportedError, match="Index 3 exceeds limit 3"):
                out.numpy()


def test_error_buffer_holds_thirty(buffer_lib):
    buffer_lib.arange(mp.zeros(100), 50, error_buf_idx=2)
    with listening() as said, pytest.raises(mp.KernelReportedError) as caught:
        mp.mps.synchronize()
    assert caught.value.further == 29
    assert [m.level for m in said] == ["report"] * 30 + ["lost"]
    assert said[-1].text == "20 error reports did not fit into the error buffer"


def test_error_buffers_belong_to_streams(buffer_lib):
    out = mp.zeros(10)
    stream, other = mp.mps.Stream(), mp.mps.Stream()
    with mp.mps.stream(stream):
        buffer_lib.arange(out, 9, error_buf_idx=2)
    with mp.mps.stream(other):
        buffer_lib.arange(out, 10, error_buf_idx=2)
    other.synchronize()
    with pytest.raises(mp.KernelReportedError, match="Index 9 exceeds limit 9"):
        stream.synchronize()


def test_error_messages_of_many_kinds():
    source = """
#include <c10/metal/error.h>
void check(device c10::metal::ErrorMessages& errors, long a, uchar b) {
  TORCH_REPORT_ERROR(&errors, "a=", a, " b=", b, " c=", short(-32768), " d=", ~0ul, " e=", true, " f");
}
kernel void k(device float* x, device c10::metal::ErrorMessages& errors) { check(errors, LONG_MIN, 200); }
kernel void longest(device float* x, device c10::metal::ErrorMessages& errors) {
  TORCH_REPORT_ERROR(&errors, "0123456789012345678901234567890123456789012345678901234567890123456789", 7,
    "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789",
    "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789");
}
"""
    lib = mp.mps.compile_shader(source)
    lib.k(mp.zeros(1), error_buf_idx=1)
    with pytest.raises(mp.KernelReportedError) as caught:
        mp.mps.synchronize()
    assert caught.value.message == f"a={-(1 << 63)} b=200 c=-32768 d={(1 << 64) - 1} e=1 f"
    assert (caught.value.kernel, caught.value.line) == ("check", 4)
    lib.longest(mp.zeros(1), error_buf_idx=1)
    with pytest.raises(mp.KernelReportedError) as caught:
        mp.mps.synchronize()
    assert caught.value.message == ("0123456789" * 7 + "7" + "0123456789" * 20)[:249]


@pytest.mark.parametrize(
    ("index", "error", "message"),
    [
        (5, mp.LaunchValueError, "has no buffer argument 5"),
        (0, mp.LaunchTypeError, "'out' .* is device float\\*; the error buffer needs"),
        (1, mp.LaunchTypeError, "the error buffer needs"),
        ("2", TypeError, "integer"),
    ],
)
def test_bad_error_buffer_indices(buffer_lib, index, error, message):
    with pytest.raises(error, match=message):
        buffer_lib.arange(mp.zeros(1), 1, error_buf_idx=index)


def test_error_buffer_without_its_index(buffer_lib):
    with pytest.raises(mp.LaunchTypeError, match="needs argument 'errors'"):
        buffer_lib.arange(mp.zeros(1), 1)
