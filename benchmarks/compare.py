"""Build two commits beside each other, run their benchmarks in turns, and say what changed.

``make bench-compare BASE=<commit>`` calls this. Needs only Python and git: each commit gets a git worktree and a
virtual environment under ``.benchmarks/trees/``, which stay for the next time. Head's benchmarks run on both
builds, so both do the same work; one that base cannot run is listed as only in head.

Exit status: 0 nothing slower, 1 something slower beyond the spread, 2 it could not be compared.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from verdict import FLOOR, SLOWER, compare, read_run, report

ROOT = Path(__file__).resolve().parent.parent
STORE = ROOT / ".benchmarks"
TREES = STORE / "trees"


class CannotCompareError(Exception):
    """A step that the comparison needs has failed."""


def git(*arguments: str) -> str:
    """Output of a git command in this repository."""
    result = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise CannotCompareError(f"git {' '.join(arguments)}: {result.stderr.strip()}")
    return result.stdout.strip()


def build(commit: str) -> Path:
    """The worktree of a commit with metalpy installed in its ``.venv``; made unless it is there."""
    tree = TREES / commit[:12]
    done = tree / ".venv" / ".built"
    if done.exists():
        return tree
    print(f"building {commit[:12]} in {tree.relative_to(ROOT)}", flush=True)
    if not tree.exists():
        git("worktree", "add", "--detach", "--force", str(tree), commit)
    run_quietly([sys.executable, "-m", "venv", str(tree / ".venv")])
    pip = [str(tree / ".venv/bin/pip"), "install", "-q", "--disable-pip-version-check"]
    run_quietly([*pip, f"{tree}[test]"])
    done.touch()
    return tree


def run_quietly(command: Sequence[str]) -> None:
    """Run a command; its output matters only when it fails."""
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=TREES)
    if result.returncode != 0:
        raise CannotCompareError(f"{' '.join(command)}\n{result.stdout}{result.stderr}")


def measure(tree: Path, suite: Path, result: Path, only: str | None, environment: dict[str, str]) -> dict[str, float]:
    """One run of the benchmarks in `suite` with the metalpy of `tree`."""
    # pytest's own script: `python -m pytest` would put the folder it starts in on the path.
    command = [str(tree / ".venv/bin/pytest"), "-q", "--benchmark-only", f"--benchmark-json={result}", str(suite)]
    command += ["-k", only] if only else []
    finished = subprocess.run(command, capture_output=True, text=True, check=False, cwd=suite, env=environment)
    if finished.returncode not in (0, 1) or not result.exists():  # 1: some benchmarks failed, the others count
        raise CannotCompareError(f"{' '.join(command)}\n{finished.stdout[-4000:]}{finished.stderr[-2000:]}")
    return read_run(result)


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare two commits; see the module's docstring."""
    parser = argparse.ArgumentParser(description="Which benchmarks changed between two commits?")
    parser.add_argument("base", help="the commit to compare with")
    parser.add_argument("--head", default="HEAD", help="the commit in question (default: HEAD)")
    parser.add_argument("--runs", type=int, default=5, help="runs of each commit (default: 5)")
    parser.add_argument("--only", help="benchmarks to run, as pytest's -k")
    parser.add_argument("--floor", type=float, default=FLOOR, help="smallest relative change to flag (default: 0.05)")
    options = parser.parse_args(arguments)
    try:
        base, head = (git("rev-parse", "--verify", f"{c}^{{commit}}") for c in (options.base, options.head))
        if git("status", "--porcelain", "--untracked-files=no"):
            print("note: commits are compared; what is not committed here is not part of it")
        TREES.mkdir(parents=True, exist_ok=True)
        trees = {commit: build(commit) for commit in (base, head)}
        suite = trees[head] / "benchmarks"
        runs: dict[str, list[dict[str, float]]] = {"base": [], "head": []}
        for number in range(options.runs):
            for side, commit in (("base", base), ("head", head)):
                print(f"run {number + 1} of {options.runs}: {side} {commit[:12]}", flush=True)
                environment = os.environ | {"METALPY_CACHE_DIR": str(TREES / f"cache-{commit[:12]}")}
                environment.pop("PYTHONPATH", None)
                result = STORE / f"compare-{base[:12]}-{head[:12]}-{side}-{number}.json"
                result.unlink(missing_ok=True)
                runs[side].append(measure(trees[commit], suite, result, options.only, environment))
        changes, only_base, only_head = compare(runs["base"], runs["head"], options.floor)
        if not changes:
            raise CannotCompareError("the two commits have no benchmark in common that runs")
    except CannotCompareError as error:
        print(f"cannot compare: {error}", file=sys.stderr)
        return 2
    print(f"\nbase {git('log', '-1', '--format=%h %s', base)}\nhead {git('log', '-1', '--format=%h %s', head)}\n")
    print(report(changes, only_base, only_head))
    return 1 if any(change.verdict == SLOWER for change in changes) else 0


if __name__ == "__main__":
    sys.exit(main())
