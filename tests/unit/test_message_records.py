"""Messages of any driver: a mock one says what Apple's would, and some things that none should."""

import pytest

import metalpy as mp
from tests.helpers.messages import HEADER, listening


@pytest.fixture
def said(mock):
    with listening() as heard:
        yield heard


def test_fields(mock, said):
    mock.said = [
        {"level": 5, "line": 7, "has_thread": 1, "thread": (1, 2, 3), "kernel": b"k", "file": b"f.metal",
         "subsystem": b"a", "category": b"b", "text": "ä".encode()},
        {"level": 3, "thread": (9, 9, 9)},
    ]  # fmt: skip
    mock.device.synchronize()
    assert said == [
        mp.mps.KernelMessage("k", "fault", "ä", "a", "b", "f.metal", 7, (1, 2, 3), "mps:0", 0),
        mp.mps.KernelMessage(None, "default", "", None, None, None, None, None, "mps:0", 0),
    ]


def test_text_that_is_not_utf8_and_levels_that_do_not_exist(mock, said):
    mock.said = [{"level": 99, "text": b"\xff!"}]
    mock.device.synchronize()
    assert [(m.level, m.text) for m in said] == [("default", "\ufffd!")]


def test_printf_by_way_of_os_log(mock, said):
    mock.said = [{"level": 3, "subsystem": b"metalpy", "category": b"printf", "text": b"x\n"}]
    mock.device.synchronize()
    assert [(m.level, m.text, m.subsystem, m.category) for m in said] == [("print", "x\n", None, None)]


@pytest.mark.parametrize(
    ("text", "file", "line", "message"),
    [
        ("a/b.metal:12: no: really", "a/b.metal", 12, "no: really"),
        ("program_source:3: ", "program_source", 3, ""),
        ("without a place", None, None, "without a place"),
        ("neither: here", None, None, "neither: here"),
    ],
)
def test_reports_by_way_of_os_log(mock, said, text, file, line, message):
    report = {"level": 4, "subsystem": b"metalpy", "category": b"report", "text": text.encode()}
    mock.said = [report, {"level": 3, "text": b"between"}, report]
    with pytest.raises(mp.KernelReportedError) as caught:
        mock.device.synchronize()
    error = caught.value
    assert (error.message, error.file, error.line, error.thread, error.further) == (message, file, line, None, 1)
    assert [m.level for m in said] == ["report", "default", "report"]
    mock.device.synchronize()


def test_a_report_comes_before_the_wait_s_own_failure(mock, said):
    mock.said = [{"level": 7, "text": b"no"}]
    mock.failure = (-6, "the fault")
    with pytest.raises(mp.KernelReportedError, match="no"):
        mock.device.synchronize()
    with pytest.raises(mp.KernelFaultError, match="the fault"):
        mock.device.synchronize()
    mock.device.synchronize()


def test_headers_for_other_metal_compilers():
    """They know os_log only: our headers go by way of it, and metalpy tells such messages from others."""
    source = (
        "#undef __METALPY__\n"
        + HEADER
        + """kernel void k(device float* x) {
  printf("%d", 1);
  metalpy::printf("plain");
  MP_REPORT_ERROR("index %d", 5);
}"""
    )
    with listening() as heard:
        mp.mps.compile_shader(source).k(mp.zeros(1))
        with pytest.raises(mp.KernelReportedError, match="index 5") as caught:
            mp.mps.synchronize()
    assert [(m.level, m.text) for m in heard] == [("print", "1"), ("print", "plain"), ("report", "index 5")]
    assert (caught.value.file, caught.value.line) == ("program_source", 10)
