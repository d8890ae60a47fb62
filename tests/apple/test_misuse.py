"""The stand-in minds what Metal's validation layer minds: otherwise a green suite over it would say little."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.helpers.native import shared_object

SINS = {
    "encode_after_end": "encoding after endEncoding",
    "commit_twice": "already committed",
    "commit_with_open_encoder": "uncommitted encoder",
    "two_encoders": "already encoding to this command buffer",
    "missing_end": "released without endEncoding",
    "unaligned_offset": "must be a multiple of 16 but was set to 4",
    "offset_outside": "offset(4096) must be <= [buffer length](1024)",
    "unset_argument": "missing Buffer binding at index 1 for y",
    "argument_too_short": "has space for 8 bytes, but argument has a length(16)",
    "too_many_bytes": "length(4097) must be from 1 to 4096",
    "index_too_high": "index(31) must be < 31",
    "oversized_group": "kernel threadgroup size limit",
    "empty_grid": "must be greater than zero",
    "no_pipeline": "pipeline state must be set",
    "odd_threadgroup_memory": "multiple of 16 bytes",
    "released_resource": "gone before its work is complete",
    "released_buffer": "has been released",
    "private_contents": "private storage has no contents",
    "empty_buffer": "zero length",
    "unaligned_pointer": "byte aligned",
    "unaligned_copy": "multiples of 4",
    "copy_outside": "beyond its buffer",
    "handler_after_commit": "after commit call",
    "event_inside_a_pass": "already encoding",
    "event_that_goes_back": "goes back from 5 to 4",
}


@pytest.fixture
def run(request, standin):
    program = Path(request.config.getoption("--metal-standin")).parent / "test_misuse"
    kernel = shared_object("DEVICE(float, 0)[x] += DEVICE(float, 1)[0];")

    def call(*arguments):
        # Crash dumps would cost more time than all else here.
        command = ["sh", "-c", 'ulimit -c 0; exec "$@"', "sh", os.fspath(program), *arguments]
        return subprocess.run(command, env=os.environ | {"KERNEL": str(kernel)}, capture_output=True, text=True, timeout=60)

    return call


def test_every_sin_is_listed(run):
    assert run().stdout.split() == list(SINS)


def test_what_is_allowed(run):
    done = run("virtue")
    assert (done.returncode, done.stdout) == (0, "fine\n"), done.stderr


@pytest.mark.parametrize("sin", SINS)
def test_sin(run, sin):
    done = run(sin)
    assert done.returncode == -signal.SIGABRT, done.stdout + done.stderr
    assert "failed assertion" in done.stderr and SINS[sin] in done.stderr
