"""Programs without Python: the stand-in minds what Metal's validation layer minds, and a long run leaves nothing."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

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
    folder = Path(request.config.getoption("--metal-standin")).parent

    def call(*arguments, program="test_misuse"):
        # Crash dumps would cost more time than all else here.
        command = ["sh", "-c", 'ulimit -c 0; exec "$@"', "sh", os.fspath(folder / program), *arguments]
        environment = os.environ | {"KERNEL": os.fspath(folder / "kernel.so")}
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)

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


def test_many_launches_in_constant_memory(run):
    done = run("100000", program="test_soak")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "each element is 100000" in done.stdout and "left: 0 handles, 0 objects" in done.stdout
