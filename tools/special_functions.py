"""Coefficients and reference values of the special functions in <c10/metal/special_math.h>, computed with mpmath.

    python tools/special_functions.py tables   > metalpy/compiler/include/c10/metal/special_tables.h
    python tools/special_functions.py values   > tests/msl/special_values.json

Run it again only to change a function; both outputs are committed, so nothing else needs mpmath.
"""

from __future__ import annotations

import json
import random
import struct
import sys

import mpmath as mp

mp.mp.dps = 30
PER_FUNCTION = 40


def single(x):
    """The nearest number of single precision."""
    return struct.unpack("f", struct.pack("f", float(x)))[0]


# ---- Chebyshev series ----


def chebyshev(function, tolerance=2e-9):
    """Coefficients of a function on [-1, 1], cut where the rest no longer matters to single precision."""
    n = 48
    nodes = [mp.cos(mp.pi * (k + mp.mpf(1) / 2) / n) for k in range(n)]
    values = [function(x) for x in nodes]
    found = [
        2 * mp.fsum(v * mp.cos(mp.pi * j * (k + mp.mpf(1) / 2) / n) for k, v in enumerate(values)) / n for j in range(n)
    ]
    found[0] /= 2
    largest = max(abs(c) for c in found)
    keep = max(j for j, c in enumerate(found) if abs(c) > tolerance * largest) + 1
    assert keep < n - 4, f"{function.__name__} converges too slowly: {keep}"
    return found[:keep]


def scaled_erfc(t):  # erfcx(x) (1 + 2 x) with x = 2.5 (1 + t) / (1 - t)
    if t == 1:
        return 2 / mp.sqrt(mp.pi)
    x = mp.mpf(2.5) * (1 + t) / (1 - t)
    if x > 200:
        series = 1 - 1 / (2 * x**2) + 3 / (4 * x**4) - 15 / (8 * x**6)
        return series / (x * mp.sqrt(mp.pi)) * (1 + 2 * x)
    return mp.exp(x * x) * mp.erfc(x) * (1 + 2 * x)


def small_erf(t):  # erf(x) / x with x^2 = (1 + t) / 2
    x = mp.sqrt((1 + t) / 2)
    return mp.erf(x) / x if x else 2 / mp.sqrt(mp.pi)


def inverse_erf(w):  # erfinv(y) / y with w = -log(1 - y^2)
    if w < mp.mpf("1e-12"):
        return mp.sqrt(mp.pi) / 2
    y = mp.sqrt(-mp.expm1(-w))
    gap = mp.exp(-w) / (1 + y)  # 1 - y, which y itself has lost
    with mp.workdps(60):
        guess = mp.mpf(w) ** 0.5
        x = mp.findroot(lambda x: mp.log(mp.erfc(x)) - mp.log(gap), guess)
    return x / y


def near_erfinv(t):  # w in [0, 5]
    return inverse_erf(mp.mpf(5) / 2 * (1 + t))


def far_erfinv(t):  # sqrt(w) in [sqrt(5), 4.2]
    low, high = mp.sqrt(5), mp.mpf(4.2)
    return inverse_erf(((high - low) * t + high + low) ** 2 / 4)


def near_i(order):
    def near(t):  # x in [0, 8]
        x = 4 * (1 + t)
        scaled = mp.exp(-x) * mp.besseli(order, x)
        if order == 0:
            return scaled
        return scaled / x if x else mp.mpf(1) / 2

    return near


def far_i(order):
    def far(t):  # 8 / x in [0, 1]
        if t == -1:
            return 1 / mp.sqrt(2 * mp.pi)
        x = 16 / (1 + t)
        if x > 4000:
            mu = 4 * order * order
            return (1 - mp.mpf(mu - 1) / (8 * x) + mp.mpf((mu - 1) * (mu - 9)) / (2 * (8 * x) ** 2)) / mp.sqrt(
                2 * mp.pi
            )
        return mp.sqrt(x) * mp.exp(-x) * mp.besseli(order, x)

    return far


def near_k(order):
    def near(t):  # x^2 / 4 in [0, 1]
        x = mp.sqrt(2 * (1 + t))
        x = max(x, mp.mpf("1e-12"))
        if order == 0:
            return mp.besselk(0, x) + mp.log(x / 2) * mp.besseli(0, x)
        return x * (mp.besselk(1, x) - mp.log(x / 2) * mp.besseli(1, x))

    return near


def far_k(order):
    def far(t):  # 2 / x in [0, 1]
        if t == -1:
            return mp.sqrt(mp.pi / 2)
        x = 4 / (1 + t)
        return mp.sqrt(x) * mp.exp(x) * mp.besselk(order, x) if x < 1e6 else mp.sqrt(mp.pi / 2)

    return far


def near_j(order):
    def near(t):  # x^2 / 64 in [0, 1]
        x = max(8 * mp.sqrt((1 + t) / 2), mp.mpf("1e-12"))
        return mp.besselj(0, x) if order == 0 else mp.besselj(1, x) / x

    return near


def near_y(order):
    def near(t):
        x = max(8 * mp.sqrt((1 + t) / 2), mp.mpf("1e-12"))
        if order == 0:
            return mp.bessely(0, x) - 2 / mp.pi * mp.log(x) * mp.besselj(0, x)
        return (mp.bessely(1, x) - 2 / mp.pi * (mp.log(x) * mp.besselj(1, x) - 1 / x)) / x

    return near


def modulus(order, part):
    def amplitude(t):  # (8 / x)^2 in [0, 1]; J = sqrt(2 / (pi x)) (P cos - Q sin) of x - (order / 2 + 1 / 4) pi
        if t == -1:
            t = mp.mpf(-1) + mp.mpf("1e-9")
        x = 8 / mp.sqrt((1 + t) / 2)
        angle = x - (mp.mpf(order) / 2 + mp.mpf(1) / 4) * mp.pi
        scale = mp.sqrt(mp.pi * x / 2)
        j, y = mp.besselj(order, x), mp.bessely(order, x)
        c, s = mp.cos(angle), mp.sin(angle)
        return scale * (j * c + y * s) if part == "p" else scale * (y * c - j * s) * x / 8

    return amplitude


def near_gamma(t):  # x in [1, 2]
    return mp.gamma((3 + t) / 2)


def near_log_gamma(t):  # x in [1, 3]; the zeros at 1 and 2 are taken out
    x = 2 + t
    if abs(x - 1) < 1e-10 or abs(x - 2) < 1e-10:
        x += mp.mpf("1e-10")
    return mp.loggamma(x) / ((x - 1) * (x - 2))


TABLES = {
    "scaled_erfc": scaled_erfc, "small_erf": small_erf, "near_erfinv": near_erfinv, "far_erfinv": far_erfinv,
    "near_i0": near_i(0), "far_i0": far_i(0), "near_i1": near_i(1), "far_i1": far_i(1),
    "near_k0": near_k(0), "far_k0": far_k(0), "near_k1": near_k(1), "far_k1": far_k(1),
    "near_j0": near_j(0), "near_j1": near_j(1), "near_y0": near_y(0), "near_y1": near_y(1),
    "p0": modulus(0, "p"), "q0": modulus(0, "q"), "p1": modulus(1, "p"), "q1": modulus(1, "q"),
    "near_gamma": near_gamma, "near_log_gamma": near_log_gamma,
}  # fmt: skip

HEADER = """\
// Chebyshev series of the special functions, for special_math.h. Written by tools/special_functions.py.
#pragma once
#include <metal_stdlib>

namespace c10 {
namespace metal {
namespace detail {

"""


def write_tables():
    print(HEADER, end="")
    for name, function in TABLES.items():
        found = chebyshev(function)
        print(f"constant constexpr float {name}[{len(found)}] = {{")
        words = [f"{mp.nstr(c, 10)}f" if "." in mp.nstr(c, 10) else f"{mp.nstr(c, 10)}.0f" for c in found]
        for i in range(0, len(words), 5):
            print("    " + ", ".join(words[i : i + 5]) + ",")
        print("};")
    print("\n} // namespace detail\n} // namespace metal\n} // namespace c10")


# ---- reference values ----


def scaled_k(order):
    return lambda x: mp.exp(x) * mp.besselk(order, x)


def erfinv(x):
    return mp.erfinv(x) if abs(x) < 1 else mp.inf * mp.sign(x)


def hermite_he(x, n):
    return mp.mpf(2) ** (-mp.mpf(n) / 2) * mp.hermite(int(n), x / mp.sqrt(2))


def chebyshev_v(x, n):
    return mp.chebyu(n, x) - (mp.chebyu(n - 1, x) if n else 0)


def chebyshev_w(x, n):
    return mp.chebyu(n, x) + (mp.chebyu(n - 1, x) if n else 0)


def shifted(function):
    return lambda x, n: function(2 * x - 1, n)


def log_gamma(x):
    return mp.log(abs(mp.gamma(x)))


# name: (exact function, the ranges of its arguments; "integer" marks orders)
FUNCTIONS = {
    "erf": (mp.erf, (-5, 5)), "erfc": (mp.erfc, (-4, 9)), "erfinv": (erfinv, (-0.9999, 0.9999)),
    "i0": (lambda x: mp.besseli(0, x), (-40, 40)), "i0e": (lambda x: mp.exp(-abs(x)) * mp.besseli(0, x), (-90, 90)),
    "i1": (lambda x: mp.besseli(1, x), (-40, 40)), "i1e": (lambda x: mp.exp(-abs(x)) * mp.besseli(1, x), (-90, 90)),
    "gamma": (mp.gamma, (-6.3, 34)), "log_gamma": (log_gamma, (-8, 200)), "digamma": (mp.digamma, (-5, 80)),
    "expm1f": (mp.expm1, (-12, 12)), "log1p": (mp.log1p, (-0.99, 30)), "entr": (lambda x: -x * mp.log(x), (0.001, 9)),
    "spherical_bessel_j0": (lambda x: mp.sin(x) / x, (-30, 30)),
    "bessel_j0_forward": (lambda x: mp.besselj(0, x), (-60, 60)),
    "bessel_j1_forward": (lambda x: mp.besselj(1, x), (-60, 60)),
    "bessel_y0_forward": (lambda x: mp.bessely(0, x), (0.01, 60)),
    "bessel_y1_forward": (lambda x: mp.bessely(1, x), (0.05, 60)),
    "modified_bessel_i0_forward": (lambda x: mp.besseli(0, x), (-30, 30)),
    "modified_bessel_i1_forward": (lambda x: mp.besseli(1, x), (-30, 30)),
    "modified_bessel_k0_forward": (lambda x: mp.besselk(0, x), (0.01, 40)),
    "modified_bessel_k1_forward": (lambda x: mp.besselk(1, x), (0.01, 40)),
    "scaled_modified_bessel_k0_forward": (scaled_k(0), (0.01, 90)),
    "scaled_modified_bessel_k1_forward": (scaled_k(1), (0.01, 90)),
    "polygamma": (lambda n, x: mp.polygamma(int(n), x), (0, 4, "integer"), (0.1, 20)),
    "zeta": (mp.zeta, (1.1, 12), (0.3, 20)),
    "xlogy": (lambda x, y: x * mp.log(y), (-5, 5), (0.01, 20)),
    "xlog1py": (lambda x, y: x * mp.log1p(y), (-5, 5), (-0.9, 20)),
    "logaddexp": (lambda x, y: mp.log(mp.exp(x) + mp.exp(y)), (-30, 30), (-30, 30)),
    "logaddexp2": (lambda x, y: mp.log(mp.mpf(2) ** x + mp.mpf(2) ** y, 2), (-30, 30), (-30, 30)),
    "igamma": (lambda a, x: mp.gammainc(a, 0, x, regularized=True), (0.1, 60), (0.05, 70)),
    "igammac": (lambda a, x: mp.gammainc(a, x, mp.inf, regularized=True), (0.1, 60), (0.05, 70)),
    "chebyshev_polynomial_t_forward": (lambda x, n: mp.chebyt(n, x), (-1.2, 1.2), (0, 12, "integer")),
    "chebyshev_polynomial_u_forward": (lambda x, n: mp.chebyu(n, x), (-1.2, 1.2), (0, 12, "integer")),
    "chebyshev_polynomial_v_forward": (chebyshev_v, (-1.2, 1.2), (0, 12, "integer")),
    "chebyshev_polynomial_w_forward": (chebyshev_w, (-1.2, 1.2), (0, 12, "integer")),
    "shifted_chebyshev_polynomial_t_forward": (shifted(lambda x, n: mp.chebyt(n, x)), (-0.1, 1.1), (0, 12, "integer")),
    "shifted_chebyshev_polynomial_u_forward": (shifted(lambda x, n: mp.chebyu(n, x)), (-0.1, 1.1), (0, 12, "integer")),
    "shifted_chebyshev_polynomial_v_forward": (shifted(chebyshev_v), (-0.1, 1.1), (0, 12, "integer")),
    "shifted_chebyshev_polynomial_w_forward": (shifted(chebyshev_w), (-0.1, 1.1), (0, 12, "integer")),
    "hermite_polynomial_h_forward": (lambda x, n: mp.hermite(int(n), x), (-3, 3), (0, 9, "integer")),
    "hermite_polynomial_he_forward": (hermite_he, (-3, 3), (0, 9, "integer")),
}  # fmt: skip


def sample(generator, low, high, integer=None):
    return generator.randint(low, high) if integer else single(generator.uniform(low, high))


def write_values():
    generator = random.Random(5)
    out = {}
    for name, (function, *ranges) in FUNCTIONS.items():
        rows = [[sample(generator, *r) for r in ranges] for _ in range(PER_FUNCTION)]
        values = [float(mp.re(function(*map(mp.mpf, row)))) for row in rows]
        out[name] = {"arguments": [list(column) for column in zip(*rows, strict=True)], "values": values}
    print(json.dumps(out, separators=(",", ":")).replace('},"', '},\n"'))


if __name__ == "__main__":
    {"tables": write_tables, "values": write_values}[sys.argv[1]]()
