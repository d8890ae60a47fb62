"""Python in a process of its own."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).parents[2]


def python(*command, timeout=60, cwd=ROOT, **environment):
    """Run ``python *command`` with metalpy in reach; a lone argument is a program. Returns the completed process."""
    if len(command) == 1:
        command = ("-c", textwrap.dedent(command[0]))
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return subprocess.run(
        [sys.executable, *map(str, command)], capture_output=True, text=True, timeout=timeout, check=False, cwd=cwd,
        env={**os.environ, "PYTHONPATH": path, **environment},
    )  # fmt: skip


def says(expected, *command, **options):
    """Check that ``python(*command)`` ends well and prints `expected`, and nothing to stderr."""
    done = python(*command, **options)
    assert (done.returncode, done.stdout, done.stderr) == (0, expected, "")
