"""Rules of element-wise functions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import metalpy as mp
from metalpy.array import Array
from metalpy.autograd.rules.table import RULES, conjugate, rule

_LN2, _LN10 = math.log(2), math.log(10)


def _elementwise(derivatives: dict[str, Callable[[Any, Any], Any]]) -> None:
    """Rules of functions of one argument, from their derivatives: functions of argument and result."""
    for name, derivative in derivatives.items():
        RULES[name] = lambda g, y, x, derivative=derivative: g * conjugate(derivative(x, y))


_elementwise({
    "erf": lambda x, y: (2 / math.sqrt(math.pi)) * mp.exp(-x * x),
    "exp": lambda x, y: y,
    "expm1": lambda x, y: y + 1,
    "log": lambda x, y: 1 / x,
    "log1p": lambda x, y: 1 / (x + 1),
    "log2": lambda x, y: 1 / (x * _LN2),
    "log10": lambda x, y: 1 / (x * _LN10),
    "sqrt": lambda x, y: 0.5 / y,
    "square": lambda x, y: 2 * x,
    "reciprocal": lambda x, y: -y * y,
    "sin": lambda x, y: mp.cos(x),
    "cos": lambda x, y: -mp.sin(x),
    "tan": lambda x, y: 1 + y * y,
    "arcsin": lambda x, y: 1 / mp.sqrt(1 - x * x),
    "arccos": lambda x, y: -1 / mp.sqrt(1 - x * x),
    "arctan": lambda x, y: 1 / (1 + x * x),
    "sinh": lambda x, y: mp.cosh(x),
    "cosh": lambda x, y: mp.sinh(x),
    "tanh": lambda x, y: 1 - y * y,
    "arcsinh": lambda x, y: 1 / mp.sqrt(x * x + 1),
    "arccosh": lambda x, y: 1 / (mp.sqrt(x - 1) * mp.sqrt(x + 1)),
    "arctanh": lambda x, y: 1 / (1 - x * x),
})  # fmt: skip

# Steps: the gradient is 0 wherever it exists.
for _name in ("sign", "floor", "ceil", "trunc", "round"):
    RULES[_name] = lambda g, y, x, **_: mp.zeros_like(x)


@rule("positive", "real")
def _same(g: Array, y: Array, x: Array) -> Any:
    return g


@rule("absolute")
def _absolute(g: Array, y: Array, x: Array) -> Any:
    return g * mp.sign(x)  # of complex numbers too, whose derivative this is not: see the package on their gradients


@rule("relu")
def _relu(g: Array, y: Array, x: Array) -> Any:
    return mp.where(y > 0, g, mp.zeros_like(g))


@rule("conjugate")
def _conjugate(g: Array, y: Array, x: Array) -> Any:
    return mp.conj(g)


@rule("imag")
def _imag(g: Array, y: Array, x: Array) -> Any:
    return g * 1j


@rule("negative")
def _negative(g: Array, y: Array, x: Array) -> Any:
    return -g


@rule("add")
def _add(g: Array, y: Array, a: Any, b: Any) -> Any:
    return g, g


@rule("subtract")
def _subtract(g: Array, y: Array, a: Any, b: Any) -> Any:
    return g, -g


@rule("multiply")
def _multiply(g: Array, y: Array, a: Any, b: Any) -> Any:
    return _if_array(a, lambda: g * conjugate(b)), _if_array(b, lambda: g * conjugate(a))


@rule("true_divide")
def _divide(g: Array, y: Array, a: Any, b: Any) -> Any:
    return _if_array(a, lambda: g / conjugate(b)), _if_array(b, lambda: -g * conjugate(y / b))


@rule("power")
def _power(g: Array, y: Array, a: Any, b: Any) -> Any:
    # The exponent's gradient is y log a, which is 0 where a is 0; a constant exponent of 0 gives 0, not 0 * a ** -1.
    def of_base() -> Any:
        if not isinstance(b, Array):
            return g * conjugate(b * a ** (b - 1)) if b != 0 else mp.zeros_like(a)
        return g * conjugate(b * mp.pow(a, mp.where(b == 0, 1, b - 1)))

    def of_exponent() -> Any:
        base = a if isinstance(a, Array) else mp.full(b.shape, a, device=b.device)
        return g * conjugate(y * mp.log(mp.where(base != 0 if y.dtype.kind == "c" else base > 0, base, 1)))

    return _if_array(a, of_base), _if_array(b, of_exponent)


@rule("maximum", "minimum")
def _extremum(g: Array, y: Array, a: Any, b: Any) -> Any:
    # Where both are equal each gets half.
    def of(own: Any, other: Any) -> Array:
        return g * mp.where(own == other, 0.5, mp.astype(own == y, g.dtype))

    return _if_array(a, lambda: of(a, b)), _if_array(b, lambda: of(b, a))


@rule("clip")
def _clip(g: Array, y: Array, x: Array, min: Any = None, max: Any = None) -> Any:
    # Elements at a bound are not cut off; where the bounds are the wrong way round, the upper one holds.
    none = mp.zeros_like(g)
    above: Any = False if max is None else (x > max) if min is None else (x > max) | (max < min)
    below: Any = False if min is None else (x < min) if max is None else (x < min) & (min <= max)
    inside = g if above is False else mp.where(above, none, g)
    return (
        inside if below is False else mp.where(below, none, inside),
        _if_array(min, lambda: mp.where(below, g, none)),
        _if_array(max, lambda: mp.where(above, g, none)),
    )


@rule("arctan2")
def _atan2(g: Array, y: Array, a: Any, b: Any) -> Any:
    length = a * a + b * b
    return _if_array(a, lambda: g * b / length), _if_array(b, lambda: -g * a / length)


@rule("hypot")
def _hypot(g: Array, y: Array, a: Any, b: Any) -> Any:
    return _if_array(a, lambda: g * a / y), _if_array(b, lambda: g * b / y)


@rule("logaddexp")
def _logaddexp(g: Array, y: Array, a: Any, b: Any) -> Any:
    return _if_array(a, lambda: g * mp.exp(a - y)), _if_array(b, lambda: g * mp.exp(b - y))


@rule("remainder")
def _remainder(g: Array, y: Array, a: Any, b: Any) -> Any:
    return g, _if_array(b, lambda: -g * mp.floor(a / b))


@rule("copysign")
def _copysign(g: Array, y: Array, a: Any, b: Any) -> Any:
    return _if_array(a, lambda: g * mp.sign(a) * mp.sign(y)), _if_array(b, lambda: mp.zeros_like(b))


@rule("floor_divide", "nextafter")
def _no_slope(g: Array, y: Array, a: Any, b: Any) -> Any:
    return _if_array(a, lambda: mp.zeros_like(a)), _if_array(b, lambda: mp.zeros_like(b))


def _if_array(x: Any, gradient: Callable[[], Array]) -> Array | None:
    return gradient() if isinstance(x, Array) else None
