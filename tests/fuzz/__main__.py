"""Fuzz for as long as wanted: ``python -m tests.fuzz --seconds 600 [--seed N]``.

Seeds run in child processes, so that one that crashes or hangs is a finding and not the end. Ends with 1 if there is
any finding; each is printed as the smallest failing kernel that was found, with seed, launch and first difference.
"""

from __future__ import annotations

import argparse
import os
import pickle
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

from .generator import generate
from .language import Program
from .printer import metal
from .reduction import reduced
from .running import EXECUTORS, describe, find_difference

ROOT = Path(__file__).parents[2]
SEED_LIMIT = 60.0  # seconds for one seed, compiling included
REDUCE_LIMIT = 120.0  # for making a finding small


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=int(time.time()), help="the first seed; by default the time")
    parser.add_argument("--count", type=int, help="this many seeds, however long they take")
    parser.add_argument("--findings", type=Path, help="a folder that each finding is written to as well")
    parser.add_argument("--print", action="store_true", help="print the kernel of --seed and run nothing")
    parser.add_argument("--executors", default=",".join(EXECUTORS))
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--program", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.print:
        print(metal(generate(options.seed)))
        return 0
    executors = tuple(options.executors.split(","))
    if options.program:
        return int(find_difference(pickle.loads(options.program.read_bytes()), executors) is not None)
    if options.worker:
        return work(options.seed, executors)
    with tempfile.TemporaryDirectory(prefix="metalpy-fuzz-") as folder:
        os.environ["METALPY_CACHE_DIR"] = folder  # nothing that another build compiled, and nothing left behind
        os.environ["METALPY_CACHE_LIMIT"] = str(64 << 20)
        return Fuzzing(options, executors, Path(folder)).run()


# ---- the child: one seed after another ----


def work(seed: int, executors: tuple[str, ...]) -> int:
    """Run seeds from `seed` on until the parent closes the pipe. A line tells how each ended."""
    while True:
        try:
            program = generate(seed)
            difference = find_difference(program, executors)
            print("ok" if difference is None else "differs", flush=True)
        except Exception as error:  # of the compiler or the runtime, or a mistake in here: all are findings
            print("raises", repr(str(error).strip() or type(error).__name__), flush=True)
        if not sys.stdin.readline():
            return 0
        seed += 1


class Child:
    """A worker process, asked for seed after seed."""

    def __init__(self, seed: int, executors: tuple[str, ...]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.fuzz", "--worker", f"--seed={seed}", f"--executors={','.join(executors)}"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
        )  # fmt: skip
        self.lines: queue.Queue[str] = queue.Queue()
        self.errors: list[str] = []
        self.readers = [
            threading.Thread(target=self._read, daemon=True),
            threading.Thread(target=lambda: self.errors.extend(self.process.stderr or ()), daemon=True),
        ]
        for reader in self.readers:
            reader.start()

    def _read(self) -> None:
        for line in self.process.stdout or ():
            self.lines.put(line.strip())
        self.lines.put("")

    def outcome(self) -> str:
        """How the present seed ended."""
        try:
            line = self.lines.get(timeout=SEED_LIMIT)
        except queue.Empty:
            return f"hangs: no result after {SEED_LIMIT:g} s"
        if line:
            return line
        code = self.process.wait()
        self.readers[1].join(5)
        return f"crashes: exit status {code}\n{''.join(self.errors)[-2000:]}"

    def proceed(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()


# ---- the parent ----


class Fuzzing:
    """A run over many seeds."""

    def __init__(self, options: argparse.Namespace, executors: tuple[str, ...], folder: Path) -> None:
        self.options, self.executors, self.folder = options, executors, folder
        self.findings = 0
        self.counts: Counter[str] = Counter()

    def run(self) -> int:
        options = self.options
        print(f"executors: {', '.join(self.executors)}; seeds from {options.seed}", flush=True)
        start = told = time.monotonic()
        seed, child = options.seed, Child(options.seed, self.executors)
        while True:
            outcome = child.outcome()
            word = outcome.split()[0].rstrip(":")
            self.counts[word] += 1
            alive = word in ("ok", "differs", "raises")
            if word != "ok":
                self.found(seed, outcome)
            seed += 1
            now = time.monotonic()
            if now - told > 60:
                told = now
                print(f"{now - start:.0f} s, seeds to {seed - 1}: {self.summary()}", flush=True)
            if (seed - options.seed >= options.count) if options.count else (now - start >= options.seconds):
                break
            if alive:
                child.proceed()
            else:
                child.end()
                child = Child(seed, self.executors)
        child.end()
        print(f"seeds {options.seed} to {seed - 1}: {self.summary()}")
        return int(self.findings > 0)

    def summary(self) -> str:
        return ", ".join(f"{n} {word}" for word, n in self.counts.items())

    def found(self, seed: int, outcome: str) -> None:
        """Print a finding, made small where it is a difference, a crash or an error of the compiler."""
        self.findings += 1
        print(f"---- seed {seed} {outcome}", flush=True)
        program = generate(seed)
        text = f"seed {seed} {outcome}\n"
        if not outcome.startswith("hangs"):
            program = reduced(program, lambda candidate: self.fails(candidate, outcome), REDUCE_LIMIT)
        difference = None
        if outcome.startswith("differs"):
            difference = find_difference(program, self.executors)
        text += describe(program, difference)
        print(text, flush=True)
        if self.options.findings:
            self.options.findings.mkdir(parents=True, exist_ok=True)
            (self.options.findings / f"seed-{seed}.txt").write_text(text)

    def fails(self, program: Program, outcome: str) -> bool:
        """Whether a smaller program has the same trouble."""
        if outcome.startswith("crashes"):
            return self.ends_badly(program)
        try:
            different = find_difference(program, self.executors) is not None
        except Exception as error:
            return outcome.startswith("raises") and alike(repr(str(error).strip()), outcome)
        return different and outcome.startswith("differs")

    def ends_badly(self, program: Program) -> bool:
        """In a process of its own: whether it is killed by a signal."""
        path = self.folder / "program.pickle"
        path.write_bytes(pickle.dumps(program))
        command = [sys.executable, "-m", "tests.fuzz", "--program", str(path), "--executors", ",".join(self.executors)]
        try:
            done = subprocess.run(command, capture_output=True, timeout=SEED_LIMIT, check=False, cwd=ROOT)
        except subprocess.TimeoutExpired:
            return True
        return done.returncode < 0


def alike(message: str, outcome: str) -> bool:
    """The same error, whatever the names in it: its words before the first digit."""

    def head(text: str) -> str:
        return text.split(" ", 1)[-1].strip("'\"")[:24]

    return head(message) == head(outcome) or message.strip("'\"")[:24] in outcome


if __name__ == "__main__":
    sys.exit(main())
