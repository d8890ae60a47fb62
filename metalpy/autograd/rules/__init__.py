"""Gradients of primitives: for each, what the gradient of its result makes of its arguments'.

A rule gets the gradient `g` of the result, the result, and the arguments of the call. It returns the gradient of each
argument in order, or None for one that has none; trailing ones may be left out. Shapes need not fit where an argument
was broadcast, nor dtypes: whoever calls a rule sums over what was repeated, and converts.

Of complex numbers the gradient is that of a real value with respect to real and imaginary part, as a complex number.
"""

from metalpy.autograd.rules import (
    decompositions,
    elementwise,
    fourier,
    indexing,
    linalg,
    products,
    reductions,
    shapes,
    windows,
)
from metalpy.autograd.rules.table import RULES, rule

__all__ = [
    "RULES",
    "decompositions",
    "elementwise",
    "fourier",
    "indexing",
    "linalg",
    "products",
    "reductions",
    "rule",
    "shapes",
    "windows",
]
