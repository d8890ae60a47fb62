"""Statistical tests of metalpy's random words by TestU01: what docs/random-quality.md reports.

    python tools/rng_quality.py small                        # SmallCrush on every way of using a generator
    python tools/rng_quality.py crush --feeds draw --tests 1-20

TestU01 is found where the compiler looks (Debian and its kin package it as libtestu01-0-dev), or under --testu01, the
prefix that its own `make install` was given. Words come from the same kernels as the numbers of `metalpy.random`, and
reach a driver in C, which this script compiles, through a pipe.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

import metalpy as mp
from metalpy.random.kernels import library

BLOCKS = 1 << 20  # that a feed makes at a time
SUSPECT, FAILED = 1e-3, 1e-10  # TestU01's own marks: p-values nearer than this to 0 or 1

DRIVER = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bbattery.h"
#include "swrite.h"
#include "unif01.h"

static unsigned words[1 << 16], left, at, backwards;
static unsigned long long used;

static unsigned int next(void) {
  if (!left) {
    left = fread(words, 4, 1 << 16, stdin);
    at = 0;
    if (!left) { fprintf(stderr, "the words have ended\n"); exit(2); }
  }
  unsigned w = words[at++];
  --left, ++used;
  if (!backwards) return w;
  w = (w >> 1 & 0x55555555) | (w & 0x55555555) << 1;
  w = (w >> 2 & 0x33333333) | (w & 0x33333333) << 2;
  w = (w >> 4 & 0x0F0F0F0F) | (w & 0x0F0F0F0F) << 4;
  return __builtin_bswap32(w);
}

static void report(int test, double seconds) {
  for (int k = 0; k < bbattery_NTests; ++k)
    if (bbattery_pVal[k] >= 0)
      printf("@{\"test\": %d, \"name\": \"%s\", \"p\": %.17g, \"seconds\": %.1f, \"words\": %llu}\n",
             test ? test : k + 1, bbattery_TestNames[k], bbattery_pVal[k], seconds, used);
  fflush(stdout);
}

int main(int argc, char **argv) {
  const int first = atoi(argv[3]), last = atoi(argv[4]);
  backwards = !strcmp(argv[2], "backwards");
  swrite_Basic = FALSE;
  unif01_Gen *gen = unif01_CreateExternGenBits("metalpy", next);
  if (!strcmp(argv[1], "small")) {
    bbattery_SmallCrush(gen);
    report(0, 0);
  } else {
    for (int test = first; test <= last; ++test) {
      int repeats[1024] = {0};
      repeats[test] = 1;
      chrono_Chrono *clock = chrono_Create();
      bbattery_RepeatCrush(gen, repeats);
      report(test, chrono_Val(clock, chrono_sec));
      chrono_Delete(clock);
    }
  }
  unif01_DeleteExternGenBits(gen);
  return 0;
}
"""

Feed = Callable[[], Iterator[np.ndarray]]


def draw() -> Iterator[np.ndarray]:
    """One long draw after another, as a user makes large arrays."""
    generator = mp.Generator(seed=2026)
    while True:
        yield generator.integers(0, 2**32, 4 * BLOCKS, np.uint32).numpy()


def draws() -> Iterator[np.ndarray]:
    """The first block of draw after draw: many small arrays."""
    yield from _blocks(lambda i: (i & 0xFFFFFFFF, i >> 32, 0, 0), lambda i: (2026, 0))


def streams() -> Iterator[np.ndarray]:
    """1024 streams of a seed in turn: what `jump` gives side by side."""
    yield from _blocks(lambda i: (0, 0, i >> 10, i & 1023), lambda i: (2026, 0))


def seeds() -> Iterator[np.ndarray]:
    """The first block of seed after seed: 0, 1, 2 ..."""
    yield from _blocks(lambda i: (0, 0, 0, 0), lambda i: (i & 0xFFFFFFFF, i >> 32))


FEEDS: dict[str, Feed] = {feed.__name__: feed for feed in (draw, draws, streams, seeds)}


def _blocks(counter: Callable[[np.ndarray], tuple], key: Callable[[np.ndarray], tuple]) -> Iterator[np.ndarray]:
    engine = library(mp.device()).philox
    counters, keys = mp.zeros((BLOCKS, 4), dtype=np.uint32), mp.zeros((BLOCKS, 2), dtype=np.uint32)
    out = mp.zeros((BLOCKS, 4), dtype=np.uint32)
    first = 0
    while True:
        numbers = np.arange(first, first + BLOCKS, dtype=np.uint64)
        for target, parts in ((counters.numpy(), counter(numbers)), (keys.numpy(), key(numbers))):
            for column, part in enumerate(parts):
                target[:, column] = part
        engine(out, counters, keys, threads=BLOCKS)
        yield out.numpy()
        first += BLOCKS


def build(folder: Path, prefix: str | None) -> Path:
    """The driver, compiled."""
    source, program = folder / "driver.c", folder / "driver"
    source.write_text(DRIVER)
    places = [f"-I{prefix}/include", f"-L{prefix}/lib"] if prefix else []
    done = subprocess.run(
        ["cc", "-O2", *places, str(source), "-o", str(program), "-ltestu01", "-lprobdist", "-lmylib", "-lm"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        sys.exit(f"TestU01 is needed: install libtestu01-0-dev, or name its prefix with --testu01\n{done.stderr}")
    return program


def run(program: Path, battery: str, feed: str, order: str, tests: tuple[int, int]) -> list[dict]:
    """P-values of a battery, printed as they come."""
    command = [str(program), battery, order, *map(str, tests)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin and process.stdout

    def write() -> None:
        try:
            for words in FEEDS[feed]():
                process.stdin.write(words)
        except BrokenPipeError:
            pass

    threading.Thread(target=write, daemon=True).start()
    found = []
    for line in process.stdout:
        if line.startswith(b"@"):
            one = json.loads(line[1:])
            found.append(one)
            distance = min(one["p"], 1 - one["p"])
            verdict = "FAILED" if distance < FAILED else "suspect" if distance < SUSPECT else "ok"
            print(
                f"{battery} {feed} {order} {one['test']:3} {one['name']:28} p = {one['p']:<12.6g} {verdict}", flush=True
            )
    if process.wait():
        sys.exit(f"the driver ended with {process.returncode}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("battery", choices=["small", "crush"])
    parser.add_argument("--feeds", nargs="+", choices=FEEDS, default=list(FEEDS))
    parser.add_argument("--orders", nargs="+", choices=["forwards", "backwards"], default=["forwards", "backwards"])
    parser.add_argument("--tests", default="1-96", help="numbers of Crush's tests, as 1-96")
    parser.add_argument("--testu01", help="prefix under which TestU01 is installed")
    options = parser.parse_args()
    first, _, last = options.tests.partition("-")
    with tempfile.TemporaryDirectory() as folder:
        program = build(Path(folder), options.testu01)
        print(f"metalpy {mp.__version__} on {mp.device().name}; {options.battery}")
        start, found = time.perf_counter(), []
        for feed in options.feeds:
            for order in options.orders:
                found += run(program, options.battery, feed, order, (int(first), int(last or first)))
    distances = [min(one["p"], 1 - one["p"]) for one in found]
    print(
        f"{len(found)} p-values in {time.perf_counter() - start:.0f} s: {sum(d < FAILED for d in distances)} failed, "
        f"{sum(FAILED <= d < SUSPECT for d in distances)} suspect, {2 * len(found) * SUSPECT:.2f} expected to be"
    )
    sys.exit(any(d < FAILED for d in distances))


if __name__ == "__main__":
    main()
