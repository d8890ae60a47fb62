"""Sums, means and extremes of arrays along axes; truth and counts of elements.

Types follow the Array API standard. Sums and products of integers narrower than 32 bits are int32 or uint32.
Everything is recorded on the calling thread's stream and waits for nothing.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np

from metalpy import dtypes
from metalpy.array import Array
from metalpy.autograd.tape import primitive
from metalpy.creation import full
from metalpy.dtypes import as_dtype
from metalpy.ops.reduction import (
    ALL,
    ANY,
    DIVIDE,
    ROOT,
    Axis,
    Recipe,
    check_array,
    kept_shape,
    normal_axes,
    reduce,
)
from metalpy.ops.types import compute_dtype, metal_name

__all__ = ["all", "any", "count_nonzero", "max", "mean", "min", "prod", "std", "sum", "var"]

_Dtype = np.dtype[Any]

_SUM = Recipe("Value", "Add")
_PRODUCT = Recipe("Value", "Multiply")
_MEAN = Recipe("Value", "Add", DIVIDE)
_VARIANCE = Recipe("SquaredDistance", "Add", DIVIDE)
_DEVIATION = Recipe("SquaredDistance", "Add", ROOT)
_MAXIMUM = Recipe("Value", "Maximum")
_MINIMUM = Recipe("Value", "Minimum")
_ALL = Recipe("Truth", "Add", ALL)
_ANY = Recipe("Truth", "Add", ANY)
_COUNT = Recipe("Truth", "Add")


@primitive
def sum(x: Array, /, axis: Axis = None, *, dtype: Any = None, keepdims: bool = False) -> Array:
    """Sum of the elements along axes.

    Parameters
    ----------
    x : Array
        Of numbers or bool.
    axis : int or sequence of int, optional
        The axes; all if None.
    dtype : dtype, optional
        Of the result, to which the elements are converted first. By default that of `x`, but int32 and uint32 for
        narrower integers and bool. Narrow floats are added up in float32.
    keepdims : bool
        Keep the axes, with extent 1.

    Returns
    -------
    Array
        0 where there are no elements.

    Raises
    ------
    numpy.exceptions.AxisError
        If there is no such axis; it is an IndexError and a ValueError.
    TypeError
        If `dtype` is float64 or complex128, which Metal lacks.
    """
    return _accumulated("sum", x, axis, dtype, keepdims, _SUM, 0)


@primitive
def prod(x: Array, /, axis: Axis = None, *, dtype: Any = None, keepdims: bool = False) -> Array:
    """Product of the elements along axes, 1 where there are none; parameters and errors as for `sum`."""
    return _accumulated("prod", x, axis, dtype, keepdims, _PRODUCT, 1)


@primitive
def max(x: Array, /, axis: Axis = None, *, keepdims: bool = False) -> Array:
    """Greatest element along axes; NaN if one is.

    Parameters
    ----------
    x : Array
        Of real numbers or bool.
    axis : int or sequence of int, optional
        The axes; all if None.
    keepdims : bool
        Keep the axes, with extent 1.

    Raises
    ------
    ValueError
        If there are no elements.
    """
    return _extreme("max", x, axis, keepdims, _MAXIMUM)


@primitive
def min(x: Array, /, axis: Axis = None, *, keepdims: bool = False) -> Array:
    """Least element along axes; NaN if one is. Parameters and errors as for `max`."""
    return _extreme("min", x, axis, keepdims, _MINIMUM)


@primitive
def mean(x: Array, /, axis: Axis = None, *, dtype: Any = None, keepdims: bool = False) -> Array:
    """Mean of the elements along axes.

    Parameters
    ----------
    x : Array
        Of numbers or bool.
    axis : int or sequence of int, optional
        The axes; all if None.
    dtype : dtype, optional
        Of the result: floating-point or complex. By default that of `x`, and float32 for integers.
    keepdims : bool
        Keep the axes, with extent 1.

    Returns
    -------
    Array
        NaN where there are no elements.
    """
    check_array("mean", x)
    axes = normal_axes(axis, x.ndim)
    wanted = _float_dtype(x.dtype) if dtype is None else _asked(dtype)
    if (wanted.kind != "c" and x.dtype.kind == "c") or not _is_inexact(wanted):
        raise TypeError(f"a mean of {x.dtype} cannot have dtype {wanted}")
    count = math.prod([x.shape[axis] for axis in axes])
    if count == 0:
        return full(kept_shape(x.shape, axes, keepdims), math.nan, wanted, x.device)
    return reduce(x, axes, keepdims, _MEAN, accumulator_dtype(wanted), wanted, None, count)


@primitive
def var(
    x: Array, /, axis: Axis = None, *, correction: float = 0.0, keepdims: bool = False, ddof: float | None = None
) -> Array:
    """Variance of the elements along axes: the mean of squared distances from their mean.

    Parameters
    ----------
    x : Array
        Of numbers or bool.
    axis : int or sequence of int, optional
        The axes; all if None.
    correction : number
        What the number of elements is lowered by in the divisor.
    keepdims : bool
        Keep the axes, with extent 1.
    ddof : number, optional
        NumPy's name of `correction`.

    Returns
    -------
    Array
        Of the type of `x`; float32 for integers and complex numbers. Not finite where the divisor is 0 or less.
    """
    return _spread("var", x, axis, correction if ddof is None else ddof, keepdims, _VARIANCE)


@primitive
def std(
    x: Array, /, axis: Axis = None, *, correction: float = 0.0, keepdims: bool = False, ddof: float | None = None
) -> Array:
    """Standard deviation of the elements along axes: the root of `var`, whose parameters it has."""
    return _spread("std", x, axis, correction if ddof is None else ddof, keepdims, _DEVIATION)


def all(x: Array, /, axis: Axis = None, *, keepdims: bool = False) -> Array:
    """True where all elements along axes are true, that is not zero; also where there are none.

    Parameters
    ----------
    x : Array
        Of any type; NaN is true.
    axis : int or sequence of int, optional
        The axes; all if None.
    keepdims : bool
        Keep the axes, with extent 1.
    """
    return _counted("all", x, axis, keepdims, _ALL, dtypes.bool_, True)


def any(x: Array, /, axis: Axis = None, *, keepdims: bool = False) -> Array:
    """True where one of the elements along axes is true, that is not zero; parameters as for `all`."""
    return _counted("any", x, axis, keepdims, _ANY, dtypes.bool_, False)


def count_nonzero(x: Array, /, axis: Axis = None, *, keepdims: bool = False) -> Array:
    """How many elements along axes are not zero, as int64; parameters as for `all`."""
    return _counted("count_nonzero", x, axis, keepdims, _COUNT, dtypes.int64, 0)


# ---- what they share ----


@cache
def sum_dtype(dtype: _Dtype) -> _Dtype:
    """The dtype of sums and products of elements of `dtype`."""
    if dtype.kind in "iu" and dtype.itemsize < 4:
        return dtypes.int32 if dtype.kind == "i" else dtypes.uint32
    return dtypes.int32 if dtype.kind == "b" else dtype


def accumulator_result(name: str, x: Array, dtype: Any) -> _Dtype:
    """The dtype of the sum or product `name` of `x`, of which the caller has said `dtype`."""
    wanted = sum_dtype(x.dtype) if dtype is None else _asked(dtype)
    if wanted.kind == "b" or (x.dtype.kind == "c" and wanted.kind != "c"):
        raise TypeError(f"a {name} of {x.dtype} cannot have dtype {wanted}")
    return wanted


@cache
def accumulator_dtype(dtype: _Dtype) -> _Dtype:
    """A dtype of at least 32 bits, in which kernels compute; bool is a number there."""
    return dtypes.uint32 if dtype.kind == "b" else compute_dtype(sum_dtype(dtype))


@cache
def _is_inexact(dtype: _Dtype) -> bool:
    return dtype.kind in "fc" or dtype.name == "bfloat16"


def _asked(dtype: Any) -> _Dtype:
    wanted = as_dtype(dtype)
    if wanted in (np.float64, np.complex128):
        raise TypeError(f"Metal has no {wanted}; use {'complex64' if wanted.kind == 'c' else 'float32'}")
    return wanted


@cache
def _float_dtype(dtype: _Dtype) -> _Dtype:
    metal_name(dtype)
    return dtype if _is_inexact(dtype) else dtypes.float32


def _accumulated(name: str, x: Array, axis: Axis, dtype: Any, keepdims: bool, recipe: Recipe, empty: int) -> Array:
    check_array(name, x)
    axes = normal_axes(axis, x.ndim)
    wanted = accumulator_result(name, x, dtype)
    if 0 in x.shape:
        return full(kept_shape(x.shape, axes, keepdims), empty, wanted, x.device)
    return reduce(x, axes, keepdims, recipe, accumulator_dtype(wanted), wanted)


def _extreme(name: str, x: Array, axis: Axis, keepdims: bool, recipe: Recipe) -> Array:
    check_array(name, x)
    if x.dtype.kind == "c":
        raise TypeError(f"{name} takes real numbers, which have an order, not {x.dtype}")
    axes = normal_axes(axis, x.ndim)
    if 0 in x.shape and 0 not in kept_shape(x.shape, axes, False):
        raise ValueError(f"{name} of no elements: shape {x.shape} along axes {axes}")
    return reduce(x, axes, keepdims, recipe, accumulator_dtype(x.dtype), x.dtype)


def _spread(name: str, x: Array, axis: Axis, correction: float, keepdims: bool, recipe: Recipe) -> Array:
    check_array(name, x)
    axes = normal_axes(axis, x.ndim)
    computed = accumulator_dtype(_float_dtype(x.dtype))
    result = dtypes.float32 if x.dtype.kind == "c" else _float_dtype(x.dtype)
    count = math.prod([x.shape[axis] for axis in axes])
    if count == 0:
        return full(kept_shape(x.shape, axes, keepdims), math.nan, result, x.device)
    middle = reduce(x, axes, keepdims, _MEAN, computed, computed, None, count)
    divisor = 0.0 if correction > count else float(count - correction)
    return reduce(x, axes, keepdims, recipe, dtypes.float32, result, middle, divisor)


def _counted(name: str, x: Array, axis: Axis, keepdims: bool, recipe: Recipe, result: _Dtype, empty: int) -> Array:
    check_array(name, x)
    axes = normal_axes(axis, x.ndim)
    if 0 in x.shape:
        return full(kept_shape(x.shape, axes, keepdims), empty, result, x.device)
    count = math.prod([x.shape[axis] for axis in axes])
    return reduce(x, axes, keepdims, recipe, dtypes.uint32, result, None, count)
