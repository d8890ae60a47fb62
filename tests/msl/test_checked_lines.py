"""``METALPY_EXECUTOR=checked`` tells the lines of accesses: those of the program's text that the markers stand in."""

from __future__ import annotations

import re

import numpy as np
import pytest

import metalpy as mp
from metalpy.compiler.frontend import compile_program
from metalpy.compiler.options import Options
from metalpy.compiler.source import read_source

HEAD = "#include <metal_stdlib>\nusing namespace metal;\n"
PARAMETERS = "device float* x, device float* y, uint i [[thread_position_in_grid]]"
FIRST = f"kernel void k({PARAMETERS}) {{\n"


def threads(count, **options):
    return lambda k: k(mp.zeros(8), mp.zeros(64), threads=count, **options)


# Source of a kernel `k`, whose access out of bounds is in the line with "HERE", and how it is launched.
OUTSIDE = {
    "statement": (FIRST + "  y[i] = 1;\n  float a = 2;\n  x[i] = a; // HERE\n}", threads(9)),
    "second line of a statement": (FIRST + "  y[i] = y[i] +\n    x[i] * // HERE\n    2;\n}", threads(9)),
    "helper": (
        "float at(device const float* x, uint i) {\n  return x[i + 1]; // HERE\n}\n"
        + FIRST
        + "  float a = at(x, i);\n  y[i] = a;\n}",
        threads(8),
    ),
    "method of a class template": (
        "template <class T> struct View {\n  device T* p;\n  T get(int i) const {\n    return p[i]; // HERE\n  }\n};\n"
        + FIRST
        + "  View<float> v{x};\n  y[i] = v.get(i - 1);\n}",
        threads(8),
    ),
    "lambda": (
        FIRST + "  auto twice = [&](uint j) {\n    return 2 * x[j]; // HERE\n  };\n  y[i] = twice(i);\n}",
        threads(9),
    ),
    "macro": ("#define AT(x, j) \\\n  ((x)[(j) + 1])\n" + FIRST + "  y[i] =\n    AT(x, i); // HERE\n}", threads(8)),
    "nested loops": (
        FIRST
        + "  for (int j = 0; j < 3; j++)\n    for (int m = 0; m < 3; m++) {\n      y[i] += 1;\n"
        + "      x[4 * j + m] += y[i]; // HERE\n    }\n}",
        threads(1),
    ),
    "what does not change in a loop": (
        FIRST
        + "  float sum = 0;\n  for (int j = 0; j < int(y[0]) + 2; j++) {\n    float a =\n      x[8 + i]; // HERE\n"
        + "    sum += a * y[j];\n  }\n  y[i] = sum;\n}",
        threads(1),
    ),
    "sum in memory": (FIRST + "  for (int j = 0; j < 100; j++)\n    x[i] += j; // HERE\n}", threads(9)),
    "one branch": (
        FIRST + "  if (i % 2 == 0)\n    x[i] = 1; // HERE\n  else\n    x[i] = 2;\n}",
        threads(9),
    ),
    "other branch": (
        FIRST + "  if (i % 2)\n    x[i] = 1;\n  else\n    x[i] = 2; // HERE\n}",
        threads(9),
    ),
    "function of the library": (
        "kernel void k(device atomic_uint* n, device float* y, uint i [[thread_position_in_grid]]) {\n  y[i] = 1;\n"
        "  atomic_fetch_add_explicit(&n[i], 1, memory_order_relaxed); // HERE\n}",
        lambda k: k(mp.zeros(8, mp.uint32), mp.zeros(64), threads=9),
    ),
    "function of a header of metalpy's that is spliced": (
        "#include <c10/metal/reduction_utils.h>\n"
        "float total(threadgroup float* data, float x, uint i, uint n) {\n"
        "  return c10::metal::threadgroup_sum(data, x, i, n); // HERE\n}\n"
        "kernel void k(device float* x, threadgroup float* s [[threadgroup(0)]], uint i [[thread_position_in_grid]],"
        "uint n [[threads_per_threadgroup]]) {\n  x[i] = total(s, 1, i, n);\n}",
        lambda k: k(mp.zeros(256), group_size=256, threadgroup_memory={0: 16}),
    ),
    "overloads for address spaces": (
        "float first(device const float* x, uint i) {\n  return x[i]; // HERE\n}\n"
        "float first(thread const float* x, uint i) {\n  return x[i] + 1;\n}\n"
        + FIRST
        + "  float own[2] = {1, y[i]};\n  y[i] = first(own, i & 1) + first(x, i);\n}",
        threads(9),
    ),
    "input declared outside functions": (
        "uint at [[thread_position_in_grid]];\nvoid put(device float* x) {\n  x[at] = 1; // HERE\n}\n"
        "kernel void k(device float* x) {\n  put(x);\n}",
        lambda k: k(mp.zeros(8), threads=9),
    ),
    "copy of a struct": (
        "struct Tile { float4 rows[8]; };\n"
        "kernel void k(device Tile* x, device Tile* y, uint i [[thread_position_in_grid]]) {\n"
        "  Tile t = y[0];\n  x[i] = t; // HERE\n}",
        lambda k: k(mp.zeros(32), mp.zeros(64), threads=2),
    ),
    "threadgroup memory": (
        FIRST
        + "  threadgroup float s[4];\n  s[i & 3] = y[i];\n  threadgroup_barrier(mem_flags::mem_threadgroup);\n"
        + "  float a = s[i]; // HERE\n  threadgroup_barrier(mem_flags::mem_threadgroup);\n  y[i] = a;\n}",
        threads(8, group_size=8),
    ),
}

# Source of a kernel `k`, whose access in the line with "LATER" is told of, as it races with the one with "EARLIER".
RACES = {
    "write and read": (
        FIRST + "  threadgroup float s[64];\n  s[i] = x[i & 7] + i; // LATER\n  y[i] = s[63 - i]; // EARLIER\n}",
        "writes 's', which thread (31, 0, 0) reads at {}, with no barrier between them",
        threads(64, group_size=64),
    ),
    "two writes": (
        FIRST + "  if (i == 0)\n    y[3] = 1; // EARLIER\n  if (i == 1)\n    y[3] = 2; // LATER\n}",
        "writes 'y', which thread (0, 0, 0) writes otherwise at {}, with no barrier between them",
        threads(2),
    ),
    "read by a helper of what another wrote": (
        "void put(device float* y, uint i) {\n  y[i] = i + 1; // EARLIER\n}\n"
        "float get(device float* y, uint i) {\n  return y[i - 1]; // LATER\n}\n"
        + FIRST
        + "  put(y, i);\n  if (i) x[i] = get(y, i);\n}",
        "reads 'y', which thread (0, 0, 0) writes at {}, with no barrier between them",
        threads(2),
    ),
    "function that is not inlined": (
        "__attribute__((noinline)) void put(device float* x, uint i) {\n  x[i / 2] = i; // EARLIER, LATER\n}\n"
        + FIRST
        + "  put(x, i + 2);\n}",
        "writes memory, which thread (0, 0, 0) writes otherwise at {}, with no barrier between them",
        threads(2),
    ),
    "one line": (
        FIRST + "  y[i & 7] += 1; // EARLIER, LATER\n}",
        "reads 'y', which thread (0, 0, 0) writes at {}, with nothing to order their threadgroups",
        threads(9, group_size=8),
    ),
}


@pytest.fixture(autouse=True)
def checked(monkeypatch):
    monkeypatch.setenv("METALPY_EXECUTOR", "checked")


def line_of(text, marker):
    found = [number for number, line in enumerate(text.split("\n"), 1) if marker in line]
    assert len(found) == 1
    return found[0]


def report_of(launch, kernel):
    launch(kernel)
    with pytest.raises(mp.KernelReportedError) as caught:
        mp.mps.synchronize()
    return caught.value


@pytest.mark.parametrize("case", OUTSIDE.values(), ids=OUTSIDE)
def test_a_wrong_index_is_told_with_its_line(case):
    source, launch = HEAD + case[0], case[1]
    error = report_of(launch, mp.mps.compile_shader(source).k)
    assert "out of bounds" in error.message
    assert (error.file, error.line, error.kernel) == ("program_source", line_of(source, "HERE"), "k")


@pytest.mark.parametrize("case", RACES.values(), ids=RACES)
def test_a_race_is_told_with_both_lines(case):
    source, message, launch = HEAD + case[0], case[1], case[2]
    error = report_of(launch, mp.mps.compile_shader(source).k)
    assert error.message == "race: " + message.format(f"program_source:{line_of(source, 'EARLIER')}")
    assert (error.file, error.line) == ("program_source", line_of(source, "LATER"))


@pytest.mark.parametrize("folder", ["headers", "with, (odd: 1) na\u00efve name"])
def test_accesses_in_included_files(tmp_path, folder):
    header, file = tmp_path / folder / "access.h", tmp_path / "k.metal"
    header.parent.mkdir()
    header.write_text(
        "#pragma once\n\ninline float get(device const float* x, uint i) {\n  return x[i + 1]; // READ\n}\n"
        "#define PUT(x, i, a) x[i] = a\n"
    )
    file.write_text(HEAD + '#include "access.h"\n' + FIRST + "  PUT(x, i, 1); // WRITTEN\n  x[i] = get(x, i);\n}\n")
    error = report_of(threads(8), mp.compile_file(file, include_dirs=[header.parent]).k)
    read = f"{header}:{line_of(header.read_text(), 'READ')}"
    assert error.message == f"race: writes 'x', which thread (0, 0, 0) reads at {read}, with no barrier between them"
    assert (error.file, error.line) == (str(file), line_of(file.read_text(), "WRITTEN"))


def test_lines_of_a_text_that_has_moved():
    # What the compiler makes of both is the same but for the lines.
    for lines in ("", "\n\n"):
        source, launch = HEAD + OUTSIDE["helper"][0].replace("  return", f"{lines}  return"), OUTSIDE["helper"][1]
        assert report_of(launch, mp.mps.compile_shader(source).k).line == line_of(source, "HERE")


@pytest.mark.parametrize("case", [OUTSIDE["helper"], (RACES["two writes"][0], RACES["two writes"][2])])
def test_a_program_that_was_compiled_without_lines_has_those_of_kernels(monkeypatch, case):
    source, launch = HEAD + case[0], case[1]
    monkeypatch.setenv("METALPY_EXECUTOR", "spmd")
    lib = mp.mps.compile_shader(source)
    monkeypatch.setenv("METALPY_EXECUTOR", "checked")
    error = report_of(launch, lib.k)
    assert (error.file, error.line) == ("program_source", line_of(source, "kernel void k"))
    assert "program_source" not in error.message


@pytest.mark.parametrize("executor", ["spmd", "reference"])
def test_lines_are_of_no_matter_to_other_executors(monkeypatch, capfd, executor):
    source = HEAD + FIRST + "  #pragma unroll\n  for (int j = 0; j < 3; j++)\n    x[i] += y[i + j];\n}"
    kernel = mp.mps.compile_shader(source).k
    monkeypatch.setenv("METALPY_EXECUTOR", executor)
    x = mp.zeros(8)
    kernel(x, mp.arange(10, dtype=mp.float32))
    np.testing.assert_array_equal(x.numpy(), 3 * np.arange(8) + 3)
    assert kernel.executor == executor
    assert capfd.readouterr().err == ""


def test_programs_have_no_lines_unless_they_are_checked():
    source = read_source(HEAD + OUTSIDE["nested loops"][0])
    plain, lined = (compile_program(source, Options(lines=lines)) for lines in (False, True))
    roots = ["__mp_thread_0", "__mp_group"]
    assert "!dbg" in lined.ir[0]
    assert "!DILocation" in lined.assembly(0).slice(roots, lines=True)
    for ir in (plain.ir[0], lined.assembly(0).slice(roots)):
        assert not re.search("dbg|!DI", ir)
