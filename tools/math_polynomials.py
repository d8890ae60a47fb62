"""The polynomials of the math functions in metalpy/compiler/include/__mp/math_*.h, fitted with mpmath and NumPy.

    python tools/math_polynomials.py > metalpy/compiler/include/__mp/math_polynomials.h

Each is the best in the sense of Chebyshev, nearly: a least-squares fit whose weights grow where the error is large
(Lawson's algorithm). Coefficients are rounded to single precision one after another, the low ones first, and the rest
is fitted again around them. Run it again only to change a function; the header is committed.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mpmath as mp
import numpy as np

mp.mp.dps = 40
NODES, ROUNDS = 600, 200
SAMPLES = 3000  # where the error that the header states is looked for


def single(x: Any) -> float:
    """The nearest number of single precision."""
    return struct.unpack("f", struct.pack("f", float(x)))[0]


@dataclass(frozen=True)
class Fit:
    """``terms`` coefficients of `target` on [low, high]; errors count by `weight`.

    The weight is what one unit of error in the polynomial is, relative to the result of the function it serves.
    """

    name: str
    meaning: str
    target: Callable[[Any], Any]
    low: float
    high: float
    terms: int
    weight: Callable[[Any], Any] = lambda x: mp.mpf(1)

    def coefficients(self) -> list[float]:
        """Rounded to single precision, that of the constant term first."""
        angles = (np.arange(NODES) + 0.5) * np.pi / NODES
        nodes = (self.low + self.high) / 2 + (self.high - self.low) / 2 * np.cos(angles)
        values = np.array([float(self.target(mp.mpf(x))) for x in nodes])
        weights = np.array([abs(float(self.weight(mp.mpf(x)))) for x in nodes])
        scale = max(abs(self.low), abs(self.high))
        found: list[float] = []
        for _ in range(self.terms):
            left = self.terms - len(found)
            rest = values - sum(c * nodes**k for k, c in enumerate(found))
            basis = np.stack([(nodes / scale) ** k for k in range(len(found), self.terms)], axis=1)
            best = _lawson(basis, rest, weights)
            assert len(best) == left
            found.append(single(best[0] / scale ** len(found)))
        return found

    def error(self, coefficients: list[float]) -> float:
        """The largest weighted error."""
        worst = mp.mpf(0)
        for k in range(SAMPLES + 1):
            x = mp.mpf(self.low) + (mp.mpf(self.high) - self.low) * k / SAMPLES
            worst = max(worst, abs((mp.polyval([mp.mpf(c) for c in coefficients[::-1]], x) - self.target(x))
                                   * self.weight(x)))  # fmt: skip
        return float(worst)


def _lawson(basis: np.ndarray, values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    share = np.full(len(values), 1 / len(values))
    best, smallest = np.zeros(basis.shape[1]), np.inf
    for _ in range(ROUNDS):
        root = np.sqrt(share) * weights
        found = np.linalg.lstsq(basis * root[:, None], values * root, rcond=None)[0]
        error = np.abs(basis @ found - values) * weights
        if error.max() < smallest:
            best, smallest = found, error.max()
        if error.max() == 0:
            break
        share = share * error
        share /= share.sum()
    return best


def series(function: Callable[[Any], Any], x: Any, at_zero: Any) -> Any:
    return function(x) if x != 0 else mp.mpf(at_zero)


def root(function: Callable[[Any], Any], order: int) -> Callable[[Any], Any]:
    """As a function of z = x^2: (function(x) / x - 1) / z, the tail of an odd function that begins with x."""

    def tail(z: Any) -> Any:
        if z < mp.mpf("1e-16"):
            z = mp.mpf("1e-16")
        x = mp.sqrt(z)
        return (function(x) / x - order) / z

    return tail


def relative(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The weight of such a tail: x^3 relative to function(x)."""
    return lambda z: mp.mpf(0) if z <= 0 else mp.sqrt(z) ** 3 / function(mp.sqrt(z))


def exp_tail(base: Any) -> Callable[[Any], Any]:
    """(base^r - 1 - r ln base) / r^2, or ln(base)^2 / 2 at 0."""

    def tail(r: Any) -> Any:
        if abs(r) < mp.mpf("1e-12"):
            r = mp.mpf("1e-12")
        return (mp.expm1(r * mp.log(base)) - r * mp.log(base)) / r**2

    return tail


def log_tail(base: Any) -> Callable[[Any], Any]:
    """(log(1 + f) - f + f^2 / 2) / f^3, of logarithms to `base`: their scale is in it."""

    def tail(f: Any) -> Any:
        if abs(f) < mp.mpf("1e-9"):
            f = mp.mpf("1e-9")
        return (mp.log1p(f) - f + f**2 / 2) / f**3 / mp.log(base)

    return tail


def atanh_tail(z: Any) -> Any:
    """What is left of the series of atanh behind its second term."""
    if z < mp.mpf("1e-12"):
        return mp.mpf(1) / 5
    return (root(mp.atanh, 1)(z) - mp.mpf(1) / 3) / z


def log_weight(f: Any) -> Any:
    return f**3 / mp.log1p(f) if abs(f) > mp.mpf("1e-9") else f**2


E, LOW_ROOT, HIGH_ROOT = mp.e, -0.2930, 0.4143  # sqrt(1/2) - 1 and sqrt(2) - 1, and a little more
FITS = [
    Fit("exp_tail", "(e^r - 1 - r) / r^2", exp_tail(E), -0.3473, 0.3473, 5, lambda r: r**2 / mp.exp(r)),
    Fit("exp2_tail", "(2^r - 1 - r ln 2) / r^2", exp_tail(mp.mpf(2)), -0.501, 0.501, 5,
        lambda r: r**2 / mp.mpf(2) ** r),
    Fit("exp10_tail", "(10^r - 1 - r ln 10) / r^2", exp_tail(mp.mpf(10)), -0.1508, 0.1508, 5,
        lambda r: r**2 / mp.mpf(10) ** r),
    Fit("log_tail", "(log(1 + f) - f + f^2 / 2) / f^3", log_tail(E), LOW_ROOT, HIGH_ROOT, 9, log_weight),
    Fit("atanh_tail", "((atanh(s) / s - 1) / z - 1 / 3) / z, of z = s^2", atanh_tail, 0, 0.0296, 3,
        lambda z: z * relative(mp.atanh)(z)),
    Fit("sin_tail", "(sin(r) / r - 1) / z, of z = r^2", root(mp.sin, 1), 0, 1.6**2, 4, relative(mp.sin)),
    Fit("sinpi_tail", "(sin(pi r) / r - pi) / z, of z = r^2", root(lambda r: mp.sin(mp.pi * r), mp.pi), 0, 0.25, 4,
        relative(lambda r: mp.sin(mp.pi * r))),
    Fit("tan_tail", "(tan(r) / r - 1) / z, of z = r^2", root(mp.tan, 1), 0, 0.80**2, 6, relative(mp.tan)),
    Fit("asin_tail", "(asin(x) / x - 1) / z, of z = x^2", root(mp.asin, 1), 0, 0.25, 5, relative(mp.asin)),
    Fit("atan_tail", "(atan(x) / x - 1) / z, of z = x^2", root(mp.atan, 1), 0, 1, 9, relative(mp.atan)),
    Fit("sinh_tail", "(sinh(x) / x - 1) / z, of z = x^2", root(mp.sinh, 1), 0, 1, 4, relative(mp.sinh)),
    Fit("tanh_tail", "(tanh(x) / x - 1) / z, of z = x^2", root(mp.tanh, 1), 0, 0.625**2, 5, relative(mp.tanh)),
]  # fmt: skip


def literal(x: float) -> str:
    mantissa, exponent = x.hex().split("p")
    return f"{mantissa.rstrip('0').rstrip('.')}p{int(exponent)}f"


def render() -> str:
    out = [
        "// Polynomials of the math functions. Made by tools/math_polynomials.py; do not edit. Errors are relative to",
        "// the result of the function that a polynomial serves.",
        "#pragma once",
        "#pragma clang system_header",
        "#include <__mp/math_core.h>",
        "",
        "MP_EXACT_BEGIN",
        "namespace __mp::math {",
    ]
    for fit in FITS:
        found = fit.coefficients()
        error = fit.error(found)
        out.append(f"// {fit.meaning}, on [{fit.low:g}, {fit.high:g}], error 2^{np.log2(error):.1f}")
        out.append(f"MP_FN float {fit.name}(float x) {{")
        out.append(f"    float y = {literal(found[-1])};")
        out += [f"    y = fma(y, x, {literal(c)});" for c in found[-2::-1]]
        out += ["    return y;", "}"]
    out += ["} // namespace __mp::math", "MP_EXACT_END"]
    return "\n".join(out) + "\n"


if __name__ == "__main__":
    print(render(), end="")
