"""The examples run, and say what they should."""

from __future__ import annotations

import json
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


@pytest.mark.parametrize("script", ["demo.py", "image_filter.py"])
def test_help_makes_no_folder(script, tmp_path):
    assert run(script, "--help", cwd=tmp_path).startswith(f"usage: {script} [-h] [folder]")
    assert list(tmp_path.iterdir()) == []


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


def test_memory(tmp_path):
    arrays, line, loop, peak, failed, unlimited = run("memory.py", cwd=tmp_path).splitlines()
    assert arrays == "in arrays: 3.75 MiB"  # 256 * 256 floats * (1 + 2 + 4 + 8)
    assert re.match(r"  3\.75 MiB from line \d+ \(.*layers", line)
    assert loop == "10 turns of a loop: 9 reused, 1 new"
    assert peak == "peak: 35.75 MiB"
    assert failed.startswith("OutOfMemoryError for 32 MiB: Use metalpy.mps.set_memory_limit")
    assert unlimited == "and without the limit: 32 MiB"


def test_error_messages(tmp_path):
    said = run("error_messages.py", cwd=tmp_path)
    for name in ("CompileError", "LaunchTypeError", "ScalarRangeError", "LaunchValueError"):
        assert f"{name}: " in said
    assert "program_source:6:3: error: use of undeclared identifier 'y'\n  y[i] *= by;\n  ^" in said
    assert said.endswith("[2. 2. 2. 2. 2. 2. 2. 2.]\n")


def test_kernel_messages(tmp_path):
    said = run("kernel_messages.py", cwd=tmp_path)
    assert said.startswith("thread 0 starts at 2.50\nthread 1 starts at 5.00\n")
    assert "heard from thread (1, 0, 0): print: thread 1 starts at 5.00\n" in said
    assert re.search(r"thread \(3, 0, 0\): error of newton: 1296\.19\d\d after 9 steps: still off by", said)
    assert "raised: no square root of -1.000000 (thread (2, 0, 0), line " in said
    assert "raised by the error buffer: Index 7 exceeds limit 7\n" in said


def test_profiling(tmp_path):
    said = run("profiling.py", cwd=tmp_path)
    assert "21 launches, 1 copy," in said.splitlines()[0]
    rows = {line.split()[0]: line.split() for line in said.splitlines()[3:]}
    assert (rows["heat"][2], rows["largest"][2], rows["copy"][2]) == ("20", "1", "1")
    entries = json.loads((tmp_path / "profile.json").read_text())["traceEvents"]
    assert f"profile.json: {len(entries)} entries" in said
    assert sum(entry["ph"] == "X" and entry["name"] == "heat" for entry in entries) == 2 * 20  # host and device


def test_random_numbers(tmp_path):
    said = run("random_numbers.py", cwd=tmp_path)
    assert run("random_numbers.py", cwd=tmp_path) == said
    assert re.search(r"again: +True", said)
    estimates = [float(x) for x in re.findall(r"about (\d\.\d+)", said)]
    assert len(set(estimates)) == 4 and all(abs(x - np.pi) < 0.02 for x in estimates)


def test_image_filter(tmp_path):
    said = run("image_filter.py", ".", cwd=tmp_path)
    means = {line.split()[0]: float(line.split()[-1]) for line in said.splitlines() if "mean" in line}
    assert list(means) == ["card", "blurred", "edges", "plain", "smooth"]
    assert abs(means["card"] - means["blurred"]) < 1 and abs(means["plain"] - means["smooth"]) < 2
    picture = read_png(tmp_path / "image_filter.png").astype(float)[..., :3]
    height, width = (extent // part for extent, part in zip(picture.shape, (2, 3), strict=False))
    card, blurred, edges = (picture[:height, n * width : (n + 1) * width] for n in range(3))
    plain, smooth = (picture[height:, n * width : (n + 1) * width] for n in range(2))

    def roughness(part):
        return np.abs(np.diff(part, axis=1)).mean()

    assert roughness(smooth[: height // 8]) < 0.3 * roughness(plain[: height // 8])  # far away
    padded = np.pad(card, ((2, 2), (2, 2), (0, 0)), mode="edge")
    mean = np.mean([padded[y : y + height, x : x + width] for y in range(5) for x in range(5)], axis=0)
    assert np.abs(blurred - mean).max() <= 0.501
    assert (edges == edges[..., :1]).all()


def trained(script, *arguments, cwd):
    """What a program that trains says; its progress goes to the standard error."""
    done = python(EXAMPLES / script, *arguments, cwd=cwd, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "served from 8 threads, all answers equal: True" in done.stdout
    return done.stdout


def test_train_digits(tmp_path):
    said = trained("train_digits.py", "--epochs", "8", cwd=tmp_path)
    assert float(re.search(r"([\d.]+)% of 360 unseen digits are right", said)[1]) >= 95
    assert (tmp_path / "train_digits.png").stat().st_size > 1000
    assert (tmp_path / "digits.mpkg").exists()


def test_char_transformer(tmp_path):
    said = trained("char_transformer.py", "--steps", "300", cwd=tmp_path)
    assert float(re.search(r"([\d.]+)% of the letters are the text's", said)[1]) >= 90


@pytest.mark.parametrize("path", sorted((EXAMPLES / "kernels").glob("*.metal")), ids=lambda p: p.name)
def test_kernel_file_compiles(path):
    lib = mp.compile_file(path)
    assert len(lib) >= 1
    assert all(argument.name for name in lib for argument in lib[name].arguments)
