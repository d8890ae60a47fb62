"""docs/accuracy.md: the errors of the math functions, measured.

    python tools/math_accuracy.py --step 5 > docs/accuracy.md  # every fifth float: five minutes of processor time
    python tools/math_accuracy.py --step 97 --only sin         # fewer, of one function: for who changes it
    python tools/math_accuracy.py --speed                      # of one core, in loops that clang vectorises

The functions are compiled from our headers as they are, and compared with the double precision of the C library, by
its vector functions where there are any (glibc); the worst result of each is computed again with mpmath, so an error of
that library would show.
"""

from __future__ import annotations

import argparse
import ctypes
import ctypes.util
import os
import platform
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import mpmath as mp
import numpy as np

ROOT = Path(__file__).parents[1]
HEADERS = ROOT / "metalpy" / "compiler" / "include"
HARNESS = Path(__file__).with_name("math_accuracy.cpp")
PAIRS = 1 << 30  # of arguments, for functions of two
mp.mp.dps = 60


@dataclass(frozen=True)
class Function:
    """A function: what Metal allows in ULP where it states that, in precise and in fast math."""

    name: str
    precise: float
    fast: str = ""
    binary: bool = False
    has_fast: bool = False
    # where the fast function's error is measured; elsewhere Metal promises nothing, or other things
    fast_range: tuple[float, float] | None = None


FUNCTIONS = [
    Function("acos", 4), Function("acosh", 4), Function("asin", 4), Function("asinh", 4), Function("atan", 5),
    Function("atan2", 6, binary=True), Function("atanh", 5),
    Function("cos", 4, has_fast=True, fast_range=(-1e5, 1e5)), Function("cosh", 4), Function("cospi", 4),
    Function("exp", 4, has_fast=True),
    Function("exp2", 4, has_fast=True),
    Function("exp10", 4, has_fast=True),
    Function("fdim", 0.5, binary=True), Function("fmod", 0, binary=True), Function("log", 4), Function("log2", 4),
    Function("log10", 4), Function("pow", 16, binary=True, has_fast=True),
    Function("powr", 16, binary=True, has_fast=True), Function("rsqrt", 0.51, has_fast=True),
    Function("sin", 4, has_fast=True, fast_range=(-1e5, 1e5)), Function("sinh", 4), Function("sinpi", 4),
    Function("tan", 6, has_fast=True, fast_range=(-1e5, 1e5)), Function("tanh", 5), Function("tanpi", 6),
]  # fmt: skip


class Worst(ctypes.Structure):
    """What the harness finds: see math_accuracy.cpp."""

    _fields_ = [
        ("ulp", ctypes.c_double),
        ("x", ctypes.c_float),
        ("y", ctypes.c_float),
        ("got", ctypes.c_float),
        ("tested", ctypes.c_uint64),
        ("wrong", ctypes.c_uint64),
        ("wrong_x", ctypes.c_float),
        ("wrong_y", ctypes.c_float),
    ]


def build(folder: str) -> ctypes.CDLL:
    target = Path(folder, "harness.so")
    flags = "-O3 -march=native -std=gnu++20 -nostdinc -fPIC -shared".split()
    flags += "-fwrapv -fno-math-errno -fno-sanitize=undefined".split()
    vectors = ctypes.util.find_library("mvec") is not None
    flags += ["-fveclib=libmvec"] * vectors
    command = [sys.executable, "-m", "ziglang", "cc", *flags, f"-I{HEADERS}", str(HARNESS), "-lm", "-o", str(target)]
    subprocess.run(command, check=True)
    if vectors:
        ctypes.CDLL("libmvec.so.1", ctypes.RTLD_GLOBAL)
    library = ctypes.CDLL(str(target))
    library.measure.restype = ctypes.c_int
    return library


def measure(library: ctypes.CDLL, name: str, step: int, low: float, high: float, binary: bool) -> Worst:
    """The worst of all floats of the range, or of random pairs, over all cores."""
    cores = os.cpu_count() or 1
    total = PAIRS // step if binary else (1 << 32) // step
    parts = 16 * cores

    def part(k: int) -> Worst:
        found = Worst()
        first, last = total * k // parts, total * (k + 1) // parts
        arguments = (name.encode(), ctypes.c_uint64(first), ctypes.c_uint64(last), ctypes.c_uint64(step))
        if library.measure(*arguments, ctypes.c_float(low), ctypes.c_float(high), ctypes.byref(found)) != 0:
            raise SystemExit(f"the harness has no function {name}")
        return found

    with ThreadPoolExecutor(cores) as pool:
        found = list(pool.map(part, range(parts)))
    worst = max(found, key=lambda w: w.ulp)
    worst.tested, worst.wrong = sum(w.tested for w in found), sum(w.wrong for w in found)
    for w in found:
        if w.wrong_x != 0 or w.wrong_y != 0:
            worst.wrong_x, worst.wrong_y = w.wrong_x, w.wrong_y
    return worst


EXACT = {
    "acos": mp.acos, "acosh": mp.acosh, "asin": mp.asin, "asinh": mp.asinh, "atan": mp.atan, "atan2": mp.atan2,
    "atanh": mp.atanh, "cos": mp.cos, "cosh": mp.cosh, "cospi": mp.cospi, "exp": mp.exp, "exp2": lambda x: mp.mpf(2)**x,
    "exp10": lambda x: mp.mpf(10)**x, "fdim": lambda x, y: max(x - y, mp.mpf(0)),
    "fmod": lambda x, y: mp.sign(x) * (abs(x) % abs(y)), "log": mp.log, "log2": lambda x: mp.log(x, 2),
    "log10": mp.log10, "pow": mp.power, "powr": mp.power, "rsqrt": lambda x: 1 / mp.sqrt(x), "sin": mp.sin,
    "sinh": mp.sinh, "sinpi": mp.sinpi, "tan": mp.tan, "tanh": mp.tanh,
    "tanpi": lambda x: mp.sinpi(x) / mp.cospi(x),
}  # fmt: skip


def ulp_of(function: Function, worst: Worst) -> float:
    """The error of the worst result by mpmath."""
    arguments = [mp.mpf(worst.x), mp.mpf(worst.y)][: 1 + function.binary]
    exact = EXACT[function.name.removeprefix("fast_")](*arguments)
    if exact == 0:
        return 0.0 if worst.got == 0 else float("inf")
    exponent = max(int(mp.floor(mp.log(abs(exact), 2))), -126)
    got = mp.mpf(worst.got) if np.isfinite(worst.got) else mp.sign(worst.got) * mp.mpf(2) ** 128
    return float(abs(got - exact) * mp.mpf(2) ** (23 - exponent))


def at(function: Function, worst: Worst) -> str:
    numbers = [worst.x, worst.y][: 1 + function.binary]
    return ", ".join(f"`{float(x).hex()}`" for x in numbers)


INTRODUCTION = """\
# Accuracy of the math functions

`tools/math_accuracy.py` writes this page. Errors are in units in the last place (ULP) of single precision: of the exact
result, or of the smallest normal number where that is larger. Functions of one argument were computed for {floats};
those of two for {pairs:,} pairs: random bits, numbers near 1, and for powers those that do not overflow. "At" is where
the largest error is; `tests/msl/test_accuracy.py` computes the functions there again, on every device.

`precise::` functions are what `metal::` ones are with `math_mode="safe"`, `fast::` ones with `"relaxed"` and `"fast"`.
Infinities, NaNs, zeros and subnormal numbers are as IEEE 754 and C say, in `precise::` under every math mode. What
`fast::` has no other code for is not in the second table. Results of half and bfloat are those of float, rounded once
more.

Rounding (`ceil`, `floor`, `rint`, `round`, `trunc`), `sqrt`, `fma`, division, `fmin`, `fmax`, `fabs`, `copysign`,
`ldexp`, `frexp`, `modf`, `ilogb` and `nextafter` are exact or correctly rounded.

"""

FAST = """\
Metal's bounds for fast math: 2 ULP for `rsqrt`, 3 and more for exponentials, an absolute 2^-13 for sine and cosine
between -pi and pi; `pow` is 2 to the power of y log2(x). Results below 2^-125 are not in the table: exponentials and
powers have zero there. `pow` with an infinite power of 1 is a NaN. Angles from 2^17 on lose their accuracy.

"""


def table(rows: list[tuple[str, ...]], head: str) -> str:
    lines = [f"| {head.replace('|', ' | ')} |", "|" + "---|" * (head.count("|") + 1)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def report(library: ctypes.CDLL, step: int, only: str | None) -> str:
    precise, fast = [], []
    for function in FUNCTIONS:
        if only not in (None, function.name):
            continue
        worst = measure(library, function.name, step, -np.inf, np.inf, function.binary)
        precise.append(_row(function, worst, f"{function.precise:g}"))
        if function.has_fast:
            low, high = function.fast_range or (-np.inf, np.inf)
            worst = measure(library, f"fast_{function.name}", step, low, high, function.binary)
            place = f"{low:g} to {high:g}" if function.fast_range else "all"
            fast.append(_row(replace(function, name=f"fast_{function.name}"), worst, place))
    floats = f"each {step}th of all 2^32 floats" if step > 1 else "every float"
    return (
        INTRODUCTION.format(floats=floats, pairs=PAIRS // step)
        + "## `precise::`\n\n"
        + table(precise, "function|largest error, ULP|Metal allows|at")
        + "\n## `fast::`\n\n"
        + FAST
        + table(fast, "function|largest error, ULP|arguments|at")
    )


def _row(function: Function, worst: Worst, middle: str) -> tuple[str, ...]:
    if worst.wrong:
        print(f"{function.name}: {worst.wrong} exceptional results are wrong, such as at "
              f"{worst.wrong_x!r} {worst.wrong_y!r}", file=sys.stderr)  # fmt: skip
    exact = ulp_of(function, worst) if worst.ulp else 0.0
    if abs(exact - worst.ulp) > 0.01 * max(exact, 1):
        print(f"{function.name}: {worst.ulp} ULP by the C library, {exact} by mpmath", file=sys.stderr)
    print(f"{function.name}: {exact:.3f} ULP of {worst.tested} at {at(function, worst)}", file=sys.stderr, flush=True)
    return f"`{function.name.removeprefix('fast_')}`", f"{exact:.2f}", middle, at(function, worst) if worst.ulp else ""


def speed(library: ctypes.CDLL) -> str:
    count = 1 << 14
    rows = []
    out = np.empty(count, np.float32)
    address = ctypes.c_void_p
    for function in FUNCTIONS:
        for name in (function.name, *([f"fast_{function.name}"] if function.has_fast else [])):
            x = np.random.default_rng(1).uniform(0.01, 0.99, count).astype(np.float32)
            if function.name == "acosh":
                x += 1
            y = x[::-1].copy()
            best = float("inf")
            for _ in range(20):
                start = time.perf_counter()
                pointers = address(out.ctypes.data), address(x.ctypes.data), address(y.ctypes.data)
                library.apply(name.encode(), *pointers, ctypes.c_int(count), ctypes.c_int(20))
                best = min(best, time.perf_counter() - start)
            rows.append((name, f"{20 * count / best / 1e9:.2f} Gelem/s"))
    return table(rows, f"function|one core of {platform.machine()}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--step", type=int, default=1)
    parser.add_argument("--only")
    parser.add_argument("--speed", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="metalpy-") as folder:
        library = build(folder)
        print(speed(library) if options.speed else report(library, options.step, options.only), end="")


if __name__ == "__main__":
    main()
