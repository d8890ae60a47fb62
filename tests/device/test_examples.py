"""The examples run, and say what they should."""

from __future__ import annotations

import re
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

import metalpy as mp
from tests.helpers.process import python

EXAMPLES = Path(__file__).parent.parent.parent / "examples"


def run(script, *arguments, cwd):
    done = python("-W", "error", EXAMPLES / script, *arguments, cwd=cwd, timeout=120)
    assert done.returncode == 0 and done.stderr == "", done.stdout + done.stderr
    return done.stdout


def read_png(path):
    """Pixels of an image as the demonstration writes it: 8 bits, RGBA, no filters."""
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, chunks = 8, {}
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at : at + 8])
        body = data[at + 8 : at + 8 + size]
        assert struct.unpack(">I", data[at + 8 + size : at + 12 + size])[0] == zlib.crc32(kind + body)
        chunks[kind] = chunks.get(kind, b"") + body
        at += 12 + size
    width, height, depth, colour = struct.unpack(">IIBB", chunks[b"IHDR"][:10])
    assert (depth, colour) == (8, 6)
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, 1 + 4 * width)
    assert (rows[:, 0] == 0).all()
    return rows[:, 1:].reshape(height, width, 4)


def test_demo(tmp_path):
    said = run("demo.py", cwd=tmp_path)
    lines = [line for line in said.splitlines() if ".metal" in line]
    assert len(lines) == len(list((EXAMPLES / "kernels").glob("*.metal")))
    assert all(re.search(r"\d+\.\d+ ms  (cold|cached) +\d+\.\d+ ms   same", line) for line in lines), said
    pixels = read_png(tmp_path / "out" / "mandelbrot.png")
    assert pixels.shape == (768, 1024, 4)
    assert (pixels[..., 3] == 255).all()
    assert len(np.unique(pixels.reshape(-1, 4), axis=0)) > 1000  # a picture, not a colour
    assert str(Path("out") / "mandelbrot.png") in said


def test_demo_notices_wrong_numbers(tmp_path):
    kernels = tmp_path / "examples" / "kernels"
    kernels.mkdir(parents=True)
    for path in (EXAMPLES / "kernels").iterdir():
        kernels.joinpath(path.name).write_text(path.read_text().replace("a * x[i] + y[i]", "a * x[i] - y[i]"))
    (tmp_path / "examples" / "demo.py").write_text((EXAMPLES / "demo.py").read_text())
    done = python(tmp_path / "examples" / "demo.py", "--", cwd=tmp_path, timeout=120)
    assert done.returncode == 1
    assert [line.split()[0] for line in done.stdout.splitlines() if "WRONG" in line] == ["saxpy.metal"]


def test_quickstart(tmp_path):
    said = run("quickstart.py", cwd=tmp_path)
    assert said.count("3.14") == 16
    assert "[[buffer(1)]] val: constant float, read" in said


def test_function_constants(tmp_path):
    lines = run("function_constants.py", cwd=tmp_path).splitlines()
    numbers = [[float(n) for n in re.findall(r"-?\d+\.?\d*", line)] for line in lines]
    assert numbers == [[0, 1, 4, 9, 16], [0, -0.5, -4, -13.5, -32]]


def test_argument_buffers(tmp_path):
    one, two = run("argument_buffers.py", cwd=tmp_path).splitlines()
    assert one == two and "16128" in one


def test_events_and_streams(tmp_path):
    squared, took, awaited = run("events_and_streams.py", cwd=tmp_path).splitlines()
    assert float(squared.split()[-1]) == pytest.approx(2, abs=1e-5)
    assert 0 < float(took.split()[-2]) < 60_000
    assert awaited == "awaited: 1.414214, 1.414214, 1.414214"


def test_error_messages(tmp_path):
    said = run("error_messages.py", cwd=tmp_path)
    for name in ("CompileError", "LaunchTypeError", "ScalarRangeError", "LaunchValueError"):
        assert f"{name}: " in said
    assert "program_source:6:3: error: use of undeclared identifier 'y'\n  y[i] *= by;\n  ^" in said
    assert said.endswith("[2. 2. 2. 2. 2. 2. 2. 2.]\n")


def test_random_numbers(tmp_path):
    said = run("random_numbers.py", cwd=tmp_path)
    assert run("random_numbers.py", cwd=tmp_path) == said
    assert re.search(r"again: +True", said)
    estimates = [float(x) for x in re.findall(r"about (\d\.\d+)", said)]
    assert len(set(estimates)) == 4 and all(abs(x - np.pi) < 0.02 for x in estimates)


@pytest.mark.parametrize("path", sorted((EXAMPLES / "kernels").glob("*.metal")), ids=lambda p: p.name)
def test_kernel_file_compiles(path):
    lib = mp.compile_file(path)
    assert len(lib) >= 1
    assert all(argument.name for name in lib for argument in lib[name].arguments)
