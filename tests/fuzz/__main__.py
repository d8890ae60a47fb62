"""Fuzz for as long as wanted: ``python -m tests.fuzz --seconds 600 [--seed N]``.

Each program runs in a child process, so that one that crashes or hangs is a finding and not the end. Ends with 1 if
there is any finding; each is printed as the smallest failing kernel that was found, with seed, launch and difference.
"""

from __future__ import annotations

import argparse
import math
import os
import select
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import metalpy.compiler.lowering  # noqa: F401  # so that children need not import it

from .generator import generate
from .language import Program
from .printer import metal
from .reduction import reduced
from .running import EXECUTORS, describe, find_difference

LIMIT = 60.0  # seconds of processor time for one program, compiling included
PATIENCE = 5  # times the limit, on the clock: other processes may need the processor, too


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=int(time.time()), help="the first seed; by default the time")
    parser.add_argument("--count", type=int, help="this many seeds, however long they take")
    parser.add_argument("--executors", default=",".join(EXECUTORS))
    parser.add_argument("--reduce", type=float, default=120, help="seconds for making a finding small")
    parser.add_argument("--findings", type=Path, help="a folder that each finding is written to as well")
    parser.add_argument("--print", action="store_true", help="print the kernel of --seed and run nothing")
    options = parser.parse_args()
    if options.print:
        print(metal(generate(options.seed)))
        return 0
    with tempfile.TemporaryDirectory(prefix="metalpy-fuzz-") as folder:
        os.environ["METALPY_CACHE_DIR"] = folder  # nothing that another build compiled, and nothing left behind
        os.environ["METALPY_CACHE_LIMIT"] = str(64 << 20)
        return fuzz(options)


def fuzz(options: argparse.Namespace) -> int:
    """Run seed after seed; 1 if there was any finding."""
    executors = tuple(options.executors.split(","))
    counts: Counter[str] = Counter()
    print(f"executors: {', '.join(executors)}; seeds from {options.seed}", flush=True)
    start = told = time.monotonic()
    seed = options.seed
    while (seed - options.seed < options.count) if options.count else (time.monotonic() - start < options.seconds):
        program = generate(seed)
        outcome = outcome_of(program, executors, LIMIT)
        counts[kind(outcome)] += 1
        if outcome != "ok":
            tell(program, outcome, executors, options)
        seed += 1
        if time.monotonic() - told > 60:
            told = time.monotonic()
            print(f"{told - start:.0f} s, seeds to {seed - 1}: {summary(counts)}", flush=True)
    print(f"seeds {options.seed} to {seed - 1}: {summary(counts)}")
    return int(set(counts) != {"ok"})


def summary(counts: Counter[str]) -> str:
    return ", ".join(f"{n} {word}" for word, n in counts.items())


def kind(outcome: str) -> str:
    """Its first word; of an exception the first words, which hold no names yet."""
    return outcome[:40] if outcome.startswith("raises") else outcome.split()[0].rstrip(":")


def tell(program: Program, outcome: str, executors: tuple[str, ...], options: argparse.Namespace) -> None:
    """Make a finding small, and print it."""
    print(f"---- seed {program.seed} {outcome}", flush=True)
    limit = 10.0 if outcome.startswith("hangs") else LIMIT

    def fails(candidate: Program) -> bool:
        return kind(outcome_of(candidate, executors, limit)) == kind(outcome)

    if options.reduce:
        program = reduced(program, fails, options.reduce)
        again = outcome_of(program, executors, limit)
        outcome = again if kind(again) == kind(outcome) else f"{outcome}\n(but not each time: {again})"
    text = describe(program, outcome)
    print(text, flush=True)
    if options.findings:
        options.findings.mkdir(parents=True, exist_ok=True)
        (options.findings / f"seed-{program.seed}.txt").write_text(text)


def outcome_of(program: Program, executors: tuple[str, ...], limit: float) -> str:
    """What comes of a program, in a child process.

    "ok", or "differs", "raises", "crashes" or "hangs" with what is known. This process itself never opens a device or
    starts a thread, so forking is safe.
    """
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.dup2(theirs, 2)  # LLVM says on stderr why it aborts
        try:
            difference = find_difference(program, executors)
            outcome = "ok" if difference is None else f"differs: {difference.text}"
        except Exception as error:  # of the compiler or the runtime, or a mistake in here: all are findings
            outcome = f"raises {type(error).__name__}: {error}"
        os.write(theirs, b"\0" + outcome.encode())
        os._exit(0)
    os.close(theirs)
    said, start = b"", time.monotonic()
    while True:
        passed = time.monotonic() - start
        ready, _, _ = select.select([ours], [], [], limit - passed if passed < limit else 1)
        passed = time.monotonic() - start
        if not ready and (processor_time(pid) >= limit or passed >= PATIENCE * limit):
            os.kill(pid, signal.SIGKILL)
            said = f"\0hangs: no result after {passed:.0f} s".encode()
            break
        if not ready:
            continue
        part = os.read(ours, 1 << 16)
        if not part:
            break
        said += part
    os.close(ours)
    _, status = os.waitpid(pid, 0)
    before, found, outcome = said.decode("utf-8", "replace").rpartition("\0")
    if found:
        return outcome
    reason = signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else f"exit status {status >> 8}"
    return f"crashes: {reason}\n{(before + outcome)[-2000:]}"


def processor_time(pid: int) -> float:
    """Seconds that a process and its children which have ended took; endless where the system does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return math.inf
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    sys.exit(main())
