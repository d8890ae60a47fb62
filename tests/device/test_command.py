"""``python -m metalpy compile`` and ``run``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import metalpy as mp
from metalpy import __main__ as command
from metalpy import command_compile, command_run
from tests.helpers.process import python

GOOD = """#include <metal_stdlib>
using namespace metal;
#ifndef SIZE
#define SIZE 4
#endif
struct Scale { float by; int2 plus; };
constant int power [[function_constant(2)]];
kernel void scale(device float* out [[buffer(1)]], const device float* in [[buffer(0)]], constant Scale& s,
                  uint i [[thread_position_in_grid]]) {
  out[i] = in[i] * s.by + s.plus.x + SIZE;
}
[[max_total_threads_per_threadgroup(64)]] kernel void fill(device int* x, constant int& v, threadgroup int* t,
                                                           uint i [[thread_position_in_grid]]) {
  t[0] = v;
  x[i] = t[0];
}
"""
CONSTANT = """constant int power [[function_constant(2)]];
kernel void raise_to(device float* x, uint i [[thread_position_in_grid]]) {
  float result = 1;
  for (int k = 0; k < power; ++k) result *= x[i];
  x[i] = result;
}
"""
BAD = "kernel void bad(device float* x) {\n  *x = missing;\n}\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name, text in (("good", GOOD), ("constant", CONSTANT), ("bad", BAD)):
        (tmp_path / f"{name}.metal").write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def called(capsys, *arguments):
    """(exit status, standard output, standard error) of a command."""
    try:
        status = command.main([str(a) for a in arguments])
    except SystemExit as left:
        status = left.code
    out, err = capsys.readouterr()
    return status, out, err


# ---- compile ----


def test_kernels_are_listed(folder, capsys):
    status, out, err = called(capsys, "compile", "good.metal")
    assert (status, err) == (0, "")
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert lines == [
        "good.metal: 2 kernels",
        "scale (at most 1024 threads per threadgroup)",
        "[[buffer(1)]] device float* out",
        "[[buffer(0)]] const device float* in",
        "[[buffer(2)]] constant Scale& s 16 bytes each",
        "fill (at most 64 threads per threadgroup)",
        "[[buffer(0)]] device int* x",
        "[[buffer(1)]] constant int& v",
        "[[threadgroup(0)]] threadgroup int* t",
        "function constant power [2]: int32",
    ]


@pytest.mark.parametrize("jobs", [1, 2])
def test_one_bad_file_of_several(folder, capsys, jobs):
    status, out, err = called(capsys, "compile", "good.metal", "bad.metal", "constant.metal", "-j", jobs)
    assert status == 1
    assert [line for line in out.splitlines() if not line.startswith(" ")] == [
        "good.metal: 2 kernels", "constant.metal: 1 kernel",
    ]  # fmt: skip
    assert err.startswith("bad.metal:2:8: error: use of undeclared identifier 'missing'\n  *x = missing;\n       ^\n")


def test_json(folder, capsys):
    status, out, err = called(capsys, "compile", "good.metal", "bad.metal", "--json")
    assert (status, err) == (1, "")
    good, bad = json.loads(out)
    assert good["file"] == "good.metal" and good["compiled"] and not bad["compiled"]
    assert [k["name"] for k in good["kernels"]] == ["scale", "fill"]
    scale = good["kernels"][0]
    assert scale["arguments"][2]["type"]["fields"][1]["type"]["name"] == "int2" and scale["line"] == 8
    assert good["function_constants"] == [{"name": "power", "index": 2, "type": "int32", "shape": []}]
    (diagnostic,) = bad["diagnostics"]
    assert (diagnostic["severity"], diagnostic["line"], diagnostic["column"]) == ("error", 2, 8)


def test_lowering(folder, capsys):
    status, out, _ = called(capsys, "compile", "good.metal", "--lower", "--json", "-j", 2)
    assert status == 0
    assert all(kernel["code_bytes"] > 500 for kernel in json.loads(out)[0]["kernels"])


SPEAKS = """#include <metal_logging>
kernel void speaks(device float* x, uint i [[thread_position_in_grid]]) {
  if (x[i] < 0) metal::os_log_default.log("%u", i);
}
"""


@pytest.mark.parametrize("jobs", [1, 2])
def test_report_of_executors(folder, capsys, monkeypatch, jobs):
    monkeypatch.delenv("METALPY_EXECUTOR", raising=False)
    (folder / "speaks.metal").write_text(SPEAKS)
    files = ("good.metal", "speaks.metal", "bad.metal", "constant.metal")
    status, out, err = called(capsys, "compile", "--report", "-j", jobs, *files)
    assert status == 1 and "bad.metal:2:8: error" in err and "--constants power=VALUE" in err
    counts = ["4 kernels: 2 spmd, 1 reference, 1 failed", "  1 for messages"]
    assert out.splitlines() == [
        "good.metal:", "  scale  spmd", "  fill   spmd",
        "speaks.metal:", "  speaks  reference: messages",
        "constant.metal:", "  raise_to  failed", *counts,
    ]  # fmt: skip
    _, out, _ = called(capsys, "compile", "--report", "-q", "-j", jobs, *files)
    assert out.splitlines() == counts


def test_report_of_executors_as_json(folder, capsys, monkeypatch):
    monkeypatch.setenv("METALPY_EXECUTOR", "reference")
    status, out, _ = called(capsys, "compile", "--report", "--json", "good.metal", "bad.metal", "constant.metal")
    assert status == 1
    good, _, constant = json.loads(out)
    for kernel in good["kernels"]:
        assert (kernel["executor"], kernel["executor_reason"]) == ("reference", "METALPY_EXECUTOR=reference")
    assert constant["kernels"][0]["executor"] is None and constant["kernels"][0]["code_bytes"] is None


def test_lowering_without_a_constant(folder, capsys):
    status, _, err = called(capsys, "compile", "constant.metal", "--lower", "-j", 1)
    assert status == 1
    assert "constant.metal:2: error: kernel 'raise_to' needs a value for function constant 'power'" in err
    assert "pass --constants power=VALUE" in err
    assert called(capsys, "compile", "constant.metal", "good.metal", "--lower", "--constants", "power=3")[0] == 0
    assert called(capsys, "compile", "constant.metal", "--lower", "--constants", "2=3")[0] == 0


def test_warnings_are_shown_and_are_no_errors(folder, capsys):
    (folder / "warned.metal").write_text("kernel void k(device int* x) {\n  int idle = *x;\n}\n")
    status, out, err = called(capsys, "compile", "-q", "warned.metal")
    assert (status, out) == (0, "")
    assert err.startswith("warned.metal:2:7: warning: unused variable 'idle'")
    assert called(capsys, "compile", "-q", "-Werror", "warned.metal")[0] == 1
    assert called(capsys, "compile", "-q", "-Werror", "good.metal")[0] == 0


def test_folders(folder, capsys):
    inner = folder / "all" / "inner"
    inner.mkdir(parents=True)
    for name in ("b", "a"):
        (inner / f"{name}.metal").write_text(GOOD)
    (folder / "all" / "c.metal").write_text(BAD)
    (folder / "all" / "notes.txt").write_text("no Metal")
    status, out, _ = called(capsys, "compile", "--json", "all", "good.metal")
    files = [Path("all/c.metal"), Path("all/inner/a.metal"), Path("all/inner/b.metal"), Path("good.metal")]
    assert (status, [Path(found["file"]) for found in json.loads(out)]) == (1, files)
    (folder / "empty").mkdir()
    status, _, err = called(capsys, "compile", "empty")
    assert status == 2 and "empty: no .metal file in this folder" in err


def test_includes_defines_and_language_version(folder, capsys):
    (folder / "include").mkdir()
    (folder / "include" / "part.h").write_text("#define FROM_PART 1\n")
    (folder / "uses.metal").write_text(
        "#include <part.h>\n#if !FROM_PART || A != 3 || B != 1 || __METAL_VERSION__ != 310\n#error no\n#endif\n"
    )
    assert called(capsys, "compile", "uses.metal")[0] == 1
    given = ["-I", "include", "-D", "A=3", "-D", "B", "--std", "metal3.1"]
    assert called(capsys, "compile", "uses.metal", *given)[0] == 0


def test_absent_file(folder, capsys):
    status, out, err = called(capsys, "compile", "absent.metal")
    assert (status, out, err) == (1, "", "absent.metal: No such file or directory\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ["compile"],
        ["compile", "good.metal", "--std", "9.9"],
        ["compile", "good.metal", "-D", "1x=3"],
        ["compile", "good.metal", "--constants", "power"],
        ["compile", "good.metal", "--constants", "power=x"],
        ["compile", "good.metal", "bad.metal", "-o", "x.mtlp"],
        ["run", "good.metal"],
        ["run", "good.metal", "fill", "--arg", "nonsense"],
        ["run", "good.metal", "fill", "--arg", "zeros"],
        ["run", "good.metal", "fill", "--arg", "zeros:4:nonsense"],
        ["run", "good.metal", "fill", "--arg", "@absent.npy"],
        ["run", "good.metal", "fill", "--threads", "a"],
        ["nonsense"],
    ],
    ids=" ".join,
)
def test_wrong_commands(folder, capsys, arguments):
    status, out, err = called(capsys, *arguments)
    assert (status, out) == (2, "")
    assert "usage: python -m metalpy" in err and "Traceback" not in err


def test_library_file(folder, capsys):
    status, _, err = called(capsys, "compile", "constant.metal", "-o", "out.mtlp", "--constants", "power=2")
    assert status == 0 and err.startswith("out.mtlp: ")
    x = mp.array([3, 5], dtype=np.float32)
    mp.load_library("out.mtlp").raise_to(x)
    assert x.tolist() == [9, 25]


def test_no_library_of_what_does_not_compile(folder, capsys):
    assert called(capsys, "compile", "bad.metal", "-o", "out.mtlp")[0] == 1
    assert called(capsys, "compile", "constant.metal", "-o", "out.mtlp")[0] == 1
    assert not (folder / "out.mtlp").exists()


@pytest.mark.parametrize("name", ["compile", "run"])
def test_help_tells_exit_status_and_examples(capsys, name):
    status, out, _ = called(capsys, name, "--help")
    assert status == 0 and "exit status: 0" in out and "example" in out


def test_a_process_of_its_own(folder):
    line = ["-m", "metalpy", "compile", "good.metal", "constant.metal", "--lower", "--constants", "power=2"]
    done = python(*line, cwd=folder, METALPY_CACHE_DIR="off")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("bytes of code") == 3


def test_progress_is_for_terminals():
    class Terminal:
        text = ""

        def isatty(self):
            return True

        def write(self, text):
            self.text += text

        def flush(self):
            pass

    terminal = Terminal()
    with command_compile._Progress(terminal) as progress:
        progress.expect(2)
        progress.step("folder/a.metal")
        progress.step("folder/b.metal")
    assert "1/2 a.metal" in terminal.text and "2/2 b.metal" in terminal.text
    assert terminal.text.endswith("\r\x1b[K")


# ---- run ----


def test_run(folder, capsys):
    np.save("in.npy", np.arange(6, dtype=np.float32))
    given = ["--arg", "@in.npy", "--arg", "zeros:6:float", "--arg", '{"by": 2, "plus": [1, 9]}', "-D", "SIZE=100"]
    status, out, err = called(capsys, "run", "good.metal", "scale", *given, "--save", "out.npy")
    assert (status, err) == (0, "")
    assert out.splitlines()[0] == "out: float32 (6,)"
    expected = np.arange(6, dtype=np.float32) * 2 + 101
    assert np.array_equal(np.load("out.npy"), expected)
    assert out.splitlines()[1] == str(expected)


def test_run_with_names_sizes_and_threadgroup_memory(folder, capsys):
    given = ["--arg", "v=7", "--arg", "x=zeros:8:int", "--threads", "5", "--group-size", "2"]
    status, out, _ = called(capsys, "run", "good.metal", "fill", *given, "--threadgroup-memory", "0=16")
    assert status == 0
    assert out == "x: int32 (8,)\n[7 7 7 7 7 0 0 0]\n"


def test_run_of_a_library_file(folder, capsys):
    called(capsys, "compile", "constant.metal", "-o", "out.mtlp", "--constants", "power=2")
    status, out, _ = called(capsys, "run", "out.mtlp", "raise_to", "--arg", "arange:4:float32")
    assert (status, out) == (0, "x: float32 (4,)\n[0. 1. 4. 9.]\n")
    status, out, _ = called(
        capsys, "run", "out.mtlp", "raise_to", "--arg", "arange:4:float32", "--constants", "power=3"
    )
    assert (status, out) == (0, "x: float32 (4,)\n[ 0.  1.  8. 27.]\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["bad.metal", "bad"], "use of undeclared identifier 'missing'"),
        (["good.metal", "fil"], "did you mean 'fill'"),
        (["good.metal", "fill", "--arg", "zeros:4:int"], "needs 2 --arg, got 1"),
        (["good.metal", "fill", "--arg", "zeros:4:float", "--arg", "1"], "argument 'x'"),
        (["constant.metal", "raise_to", "--arg", "zeros:4"], "function constant 'power'"),
        (["absent.metal", "fill"], "No such file"),
    ],
)
def test_runs_that_fail(folder, capsys, arguments, message):
    status, out, err = called(capsys, "run", *arguments)
    assert (status, out) == (1, "")
    assert message in err and "Traceback" not in err


def test_save_where_there_is_no_folder(folder, capsys):
    arguments = ("--constants", "power=2", "--arg", "ones:4:float32", "--save", "no/folder.npy")
    status, _, err = called(capsys, "run", "constant.metal", "raise_to", *arguments)
    assert status == 1 and err == "--save no/folder.npy: No such file or directory\n"


def test_arguments_of_other_names_and_files(folder, capsys):
    run = ("run", "good.metal", "fill", "--constants", "power=2")
    _, _, err = called(capsys, *run, "--arg", "y=zeros:4:int")
    assert "has no argument 'y'" in err
    status, _, err = called(capsys, *run, "--arg", "@good.metal")
    assert status == 2 and "@good.metal is no .npy file of numbers" in err
    status, _, err = called(capsys, *run, "--arg", "zeros:99999999999999:float")
    assert status == 2 and "Unable to allocate" in err


def test_the_source_is_not_overwritten(folder, capsys):
    status, _, err = called(capsys, "compile", "constant.metal", "-o", "./constant.metal")
    assert status == 2 and "would overwrite the source" in err
    assert (folder / "constant.metal").read_text() == CONSTANT


def test_save_of_no_array(folder, capsys):
    given = ["--arg", "zeros:4:int", "--arg", "1", "--threadgroup-memory", "t=16", "--save", "v=out.npy"]
    status, _, err = called(capsys, "run", "good.metal", "fill", *given)
    assert status == 2 and "no such array; the kernel's are: x" in err


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("zeros:3:int", np.zeros(3, np.int32)),
        ("ones:2x3:half", np.ones((2, 3), np.float16)),
        ("full:2:uint8:7", np.full(2, 7, np.uint8)),
        ("arange:2x2", np.array([[0, 1], [2, 3]], np.float32)),
    ],
)
def test_arrays_as_text(text, expected):
    name, value = command_run.parse_argument(text)
    assert name is None and value.dtype == expected.dtype and np.array_equal(value, expected)


def test_random_arrays_as_text():
    first, again, other = (command_run.parse_argument(f"random:64:float32:{seed}")[1] for seed in (1, 1, 2))
    assert np.array_equal(first, again) and not np.array_equal(first, other)
    assert first.min() >= 0 and first.max() < 1
    whole = command_run.parse_argument("random:4096:int8")[1]
    assert whole.min() == -128 and whole.max() == 127


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3", (None, 3)), ("0x10", (None, 16)), ("2.5", (None, 2.5)), ("true", (None, True)), ("1,2", (None, [1, 2])),
        ("none", (None, None)), ("v=3", ("v", 3)), ('s={"a": 1}', ("s", {"a": 1})), ("[1, 2]", (None, [1, 2])),
    ],
)  # fmt: skip
def test_values_as_text(text, expected):
    assert command_run.parse_argument(text) == expected
