"""``python -m metalpy``: facts for a bug report."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from metalpy import report


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command of ``python -m metalpy``; without one, print the report."""
    parser = argparse.ArgumentParser(prog="python -m metalpy", description="Metal compute kernels from Python.")
    commands = parser.add_subparsers(dest="command", metavar="command")
    # Further commands are added here, each with `set_defaults(run=...)`.
    about = commands.add_parser("report", help="versions, devices, compiler, cache and build facts (the default)")
    about.set_defaults(run=lambda options: _print_report())
    options = parser.parse_args(arguments)
    return options.run(options) if options.command else _print_report()


def _print_report() -> int:
    try:
        print(report.text(), flush=True)
    except BrokenPipeError:  # the reader has seen enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


if __name__ == "__main__":
    sys.exit(main())
