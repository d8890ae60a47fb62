"""``python -m metalpy``: facts for a bug report; compiling Metal files and trying their kernels."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

# `from metalpy import` would ask for functions of these names, and import all of them.
import metalpy.command_compile as command_compile
import metalpy.command_run as command_run


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command of ``python -m metalpy``; without one, print the report."""
    parser = argparse.ArgumentParser(prog="python -m metalpy", description="Metal compute kernels from Python.")
    commands = parser.add_subparsers(dest="command", metavar="command")
    about = commands.add_parser("report", help="versions, devices, compiler, cache and build facts (the default)")
    about.set_defaults(run=lambda options: _print_report())
    command_compile.add_command(commands)
    command_run.add_command(commands)
    options = parser.parse_args(arguments)
    try:
        return options.run(options) if options.command else _print_report()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader has seen enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _print_report() -> int:
    from metalpy.report import text

    print(text(), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
