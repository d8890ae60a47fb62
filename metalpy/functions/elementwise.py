"""Element-wise functions of the Python array API: on the device and without waiting.

Types and broadcasting are NumPy's, with float32 for float64 and complex64 for complex128. Functions of one array take
anything that `asarray` does; of two, one may be a Python number. 16-bit floats are computed in float32.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from metalpy.array import Array
from metalpy.autograd.tape import primitive
from metalpy.creation import asarray
from metalpy.ops import elementwise

__all__ = [
    "abs",
    "acos",
    "acosh",
    "add",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "bitwise_and",
    "bitwise_invert",
    "bitwise_left_shift",
    "bitwise_or",
    "bitwise_right_shift",
    "bitwise_xor",
    "ceil",
    "clip",
    "conj",
    "copysign",
    "cos",
    "cosh",
    "divide",
    "equal",
    "erf",
    "exp",
    "expm1",
    "floor",
    "floor_divide",
    "greater",
    "greater_equal",
    "hypot",
    "imag",
    "isfinite",
    "isinf",
    "isnan",
    "less",
    "less_equal",
    "log",
    "log1p",
    "log2",
    "log10",
    "logaddexp",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "maximum",
    "minimum",
    "multiply",
    "negative",
    "nextafter",
    "not_equal",
    "positive",
    "pow",
    "real",
    "reciprocal",
    "remainder",
    "round",
    "sign",
    "signbit",
    "sin",
    "sinh",
    "sqrt",
    "square",
    "subtract",
    "tan",
    "tanh",
    "trunc",
]


def _unary(name: str, x: Any) -> Array:
    return elementwise.unary(name, x if type(x) is Array else asarray(x))


def _binary(name: str, x1: Any, x2: Any) -> Array:
    if type(x1) is not Array and type(x2) is not Array:
        x1 = asarray(x1)
    if not (elementwise.is_operand(x1) and elementwise.is_operand(x2)):
        x1, x2 = asarray(x1), asarray(x2)
    return elementwise.binary(name, x1, x2)


def abs(x: Any, /) -> Array:
    """The absolute value of each element; of a complex number, its length."""
    return _unary("absolute", x)


def acos(x: Any, /) -> Array:
    """The angle, from 0 to pi, of which each element is the cosine."""
    return _unary("arccos", x)


def acosh(x: Any, /) -> Array:
    """The number, from 0 on, of which each element is the hyperbolic cosine."""
    return _unary("arccosh", x)


def add(x1: Any, x2: Any, /) -> Array:
    """The sum of each pair of elements."""
    return _binary("add", x1, x2)


def asin(x: Any, /) -> Array:
    """The angle, from -pi/2 to pi/2, of which each element is the sine."""
    return _unary("arcsin", x)


def asinh(x: Any, /) -> Array:
    """The number of which each element is the hyperbolic sine."""
    return _unary("arcsinh", x)


def atan(x: Any, /) -> Array:
    """The angle, from -pi/2 to pi/2, of which each element is the tangent."""
    return _unary("arctan", x)


def atan2(x1: Any, x2: Any, /) -> Array:
    """The angle, from -pi to pi, of the point (x2, x1)."""
    return _binary("arctan2", x1, x2)


def atanh(x: Any, /) -> Array:
    """The number of which each element is the hyperbolic tangent."""
    return _unary("arctanh", x)


def bitwise_and(x1: Any, x2: Any, /) -> Array:
    """The bits that are set in both elements of each pair."""
    return _binary("bitwise_and", x1, x2)


def bitwise_invert(x: Any, /) -> Array:
    """Each element with all bits turned; of bools, their negation."""
    return _unary("invert", x)


def bitwise_left_shift(x1: Any, x2: Any, /) -> Array:
    """Each element of `x1` with its bits moved up by that of `x2`."""
    return _binary("left_shift", x1, x2)


def bitwise_or(x1: Any, x2: Any, /) -> Array:
    """The bits that are set in either element of each pair."""
    return _binary("bitwise_or", x1, x2)


def bitwise_right_shift(x1: Any, x2: Any, /) -> Array:
    """Each element of `x1` with its bits moved down by that of `x2`; the sign stays."""
    return _binary("right_shift", x1, x2)


def bitwise_xor(x1: Any, x2: Any, /) -> Array:
    """The bits that are set in one element of each pair."""
    return _binary("bitwise_xor", x1, x2)


def ceil(x: Any, /) -> Array:
    """The lowest whole number that is not below each element."""
    return _unary("ceil", x)


@primitive
def clip(x: Any, /, min: Any = None, max: Any = None) -> Array:
    """Each element, but `min` where it is less and `max` where it is greater; NaN where one of them is.

    Parameters
    ----------
    x : Array
    min, max : Array or number, optional
        They broadcast against `x`. The result has its dtype, unless they are of a higher kind, as floats beside
        integers.
    """
    found = x = asarray(x)
    if type(min) in (int, float) and type(max) in (int, float):
        at_once = elementwise.clipped(x, min, max)
        if at_once is not None:
            return at_once
    if min is not None:
        found = _bounded("maximum", found, min)
    if max is not None:
        found = _bounded("minimum", found, max)
    return found.copy() if found is x else found


def _bounded(name: str, x: Array, bound: Any) -> Array:
    """The greater or lesser of both, in the dtype of `x`; Python integers beyond its limits are these."""
    if type(bound) is int and x.dtype.kind in "iu":
        limits = np.iinfo(x.dtype)
        bound = limits.min if bound < limits.min else limits.max if bound > limits.max else bound
    found = _binary(name, x, bound)
    return found.astype(x.dtype, copy=False) if found.dtype.kind == x.dtype.kind else found


def conj(x: Any, /) -> Array:
    """Each element with the sign of its imaginary part turned."""
    return _unary("conjugate", x)


def copysign(x1: Any, x2: Any, /) -> Array:
    """The size of each element of `x1` with the sign of that of `x2`."""
    return _binary("copysign", x1, x2)


def cos(x: Any, /) -> Array:
    """The cosine of each element, in radians."""
    return _unary("cos", x)


def cosh(x: Any, /) -> Array:
    """The hyperbolic cosine of each element."""
    return _unary("cosh", x)


def divide(x1: Any, x2: Any, /) -> Array:
    """The quotient of each pair of elements."""
    return _binary("true_divide", x1, x2)


def equal(x1: Any, x2: Any, /) -> Array:
    """True where both elements of a pair are equal."""
    return _binary("equal", x1, x2)


def erf(x: Any, /) -> Array:
    """The error function of each element: twice the share of a normal distribution of variance 1/2 from 0 to it."""
    return _unary("erf", x)


def exp(x: Any, /) -> Array:
    """E to the power of each element."""
    return _unary("exp", x)


def expm1(x: Any, /) -> Array:
    """E to the power of each element, less 1; accurate near 0."""
    return _unary("expm1", x)


def floor(x: Any, /) -> Array:
    """The highest whole number that is not above each element."""
    return _unary("floor", x)


def floor_divide(x1: Any, x2: Any, /) -> Array:
    """The quotient of each pair of elements, rounded down; of integers over zero, 0.

    With infinities it is ``floor(x1 / x2)``, as the array API has it: not NumPy's NaN, and not -1 for -1 over infinity.
    """
    return _binary("floor_divide", x1, x2)


def greater(x1: Any, x2: Any, /) -> Array:
    """True where the element of `x1` is greater."""
    return _binary("greater", x1, x2)


def greater_equal(x1: Any, x2: Any, /) -> Array:
    """True where the element of `x1` is greater or equal."""
    return _binary("greater_equal", x1, x2)


def hypot(x1: Any, x2: Any, /) -> Array:
    """The square root of the sum of the squares of each pair, without overflow in between."""
    return _binary("hypot", x1, x2)


def imag(x: Any, /) -> Array:
    """The imaginary part of each element."""
    return _unary("imag", x)


def isfinite(x: Any, /) -> Array:
    """True where an element is neither infinite nor NaN."""
    return _unary("isfinite", x)


def isinf(x: Any, /) -> Array:
    """True where an element is infinite."""
    return _unary("isinf", x)


def isnan(x: Any, /) -> Array:
    """True where an element is NaN."""
    return _unary("isnan", x)


def less(x1: Any, x2: Any, /) -> Array:
    """True where the element of `x1` is less."""
    return _binary("less", x1, x2)


def less_equal(x1: Any, x2: Any, /) -> Array:
    """True where the element of `x1` is less or equal."""
    return _binary("less_equal", x1, x2)


def log(x: Any, /) -> Array:
    """The natural logarithm of each element."""
    return _unary("log", x)


def log10(x: Any, /) -> Array:
    """The logarithm to base 10 of each element."""
    return _unary("log10", x)


def log1p(x: Any, /) -> Array:
    """The natural logarithm of 1 plus each element; accurate near 0."""
    return _unary("log1p", x)


def log2(x: Any, /) -> Array:
    """The logarithm to base 2 of each element."""
    return _unary("log2", x)


def logaddexp(x1: Any, x2: Any, /) -> Array:
    """The logarithm of exp(x1) + exp(x2), without overflow in between."""
    return _binary("logaddexp", x1, x2)


def logical_and(x1: Any, x2: Any, /) -> Array:
    """True where neither element of a pair is zero."""
    return _binary("logical_and", x1, x2)


def logical_not(x: Any, /) -> Array:
    """True where an element is zero."""
    return _unary("logical_not", x)


def logical_or(x1: Any, x2: Any, /) -> Array:
    """True where an element of a pair is not zero."""
    return _binary("logical_or", x1, x2)


def logical_xor(x1: Any, x2: Any, /) -> Array:
    """True where one element of a pair is zero."""
    return _binary("logical_xor", x1, x2)


def maximum(x1: Any, x2: Any, /) -> Array:
    """The greater element of each pair; NaN if one is."""
    return _binary("maximum", x1, x2)


def minimum(x1: Any, x2: Any, /) -> Array:
    """The lesser element of each pair; NaN if one is."""
    return _binary("minimum", x1, x2)


def multiply(x1: Any, x2: Any, /) -> Array:
    """The product of each pair of elements."""
    return _binary("multiply", x1, x2)


def negative(x: Any, /) -> Array:
    """Each element with its sign turned."""
    return _unary("negative", x)


def nextafter(x1: Any, x2: Any, /) -> Array:
    """The number that follows each element of `x1` on the way to that of `x2`."""
    return _binary("nextafter", x1, x2)


def not_equal(x1: Any, x2: Any, /) -> Array:
    """True where the elements of a pair differ."""
    return _binary("not_equal", x1, x2)


def positive(x: Any, /) -> Array:
    """A copy of each element, which is a number."""
    return _unary("positive", x)


def pow(x1: Any, x2: Any, /) -> Array:
    """Each element of `x1` to the power of that of `x2`."""
    return _binary("power", x1, x2)


def real(x: Any, /) -> Array:
    """The real part of each element."""
    return _unary("real", x)


def reciprocal(x: Any, /) -> Array:
    """1 divided by each element."""
    return _unary("reciprocal", x)


def remainder(x1: Any, x2: Any, /) -> Array:
    """What is left of each element of `x1` by `floor_divide`; it has the sign of `x2`."""
    return _binary("remainder", x1, x2)


def round(x: Any, /, decimals: int = 0) -> Array:
    """The nearest whole number to each element, or number of so many decimals; halves go to the even one."""
    if decimals:
        x = asarray(x)
        scale = 10.0**decimals
        return x.copy() if x.dtype.kind in "biu" and decimals > 0 else _unary("round", x * scale) / scale
    return _unary("round", x)


def sign(x: Any, /) -> Array:
    """-1, 0 or 1 as each element is; of a complex number, itself over its length."""
    return _unary("sign", x)


def signbit(x: Any, /) -> Array:
    """True where an element's sign bit is set, that of -0.0 too."""
    return _unary("signbit", x)


def sin(x: Any, /) -> Array:
    """The sine of each element, in radians."""
    return _unary("sin", x)


def sinh(x: Any, /) -> Array:
    """The hyperbolic sine of each element."""
    return _unary("sinh", x)


def sqrt(x: Any, /) -> Array:
    """The square root of each element."""
    return _unary("sqrt", x)


def square(x: Any, /) -> Array:
    """Each element times itself."""
    return _unary("square", x)


def subtract(x1: Any, x2: Any, /) -> Array:
    """The difference of each pair of elements."""
    return _binary("subtract", x1, x2)


def tan(x: Any, /) -> Array:
    """The tangent of each element, in radians."""
    return _unary("tan", x)


def tanh(x: Any, /) -> Array:
    """The hyperbolic tangent of each element."""
    return _unary("tanh", x)


def trunc(x: Any, /) -> Array:
    """The whole part of each element."""
    return _unary("trunc", x)
