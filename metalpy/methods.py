"""Methods of arrays that NumPy and the counterpart share; each calls the function of its name in `metalpy`.

Parameters stand in NumPy's order, since NumPy's own functions call these methods.
"""

from __future__ import annotations

from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from metalpy.array import Array
    from metalpy.ops.reduction import Axis

__all__ = ["Methods"]


@cache
def _statistics() -> ModuleType:
    from metalpy.functions import statistics

    return statistics


def _refuse(**arguments: Any) -> None:
    """For NumPy's parameters that only NumPy's defaults will do for."""
    for name, value in arguments.items():
        if value is not None:
            raise TypeError(f"{name}= is not supported here, got {value!r}")


def _flat(x: Any, axis: int | None) -> Array:
    from metalpy.ops.elementwise import contiguous

    return x if axis is not None else contiguous(x).reshape(-1)


class Methods:
    """Reductions along axes and their like, as methods: ``x.sum(0)`` is ``metalpy.sum(x, 0)``. `out` must be None."""

    __slots__ = ()

    def sum(self, axis: Axis = None, dtype: Any = None, out: None = None, keepdims: bool = False) -> Array:
        """See `metalpy.sum`."""
        if out is not None:
            _refuse(out=out)
        return _statistics().sum(self, axis, dtype=dtype, keepdims=keepdims)  # type: ignore[no-any-return]

    def prod(self, axis: Axis = None, dtype: Any = None, out: None = None, keepdims: bool = False) -> Array:
        """See `metalpy.prod`."""
        if out is not None:
            _refuse(out=out)
        return _statistics().prod(self, axis, dtype=dtype, keepdims=keepdims)  # type: ignore[no-any-return]

    def mean(self, axis: Axis = None, dtype: Any = None, out: None = None, keepdims: bool = False) -> Array:
        """See `metalpy.mean`."""
        if out is not None:
            _refuse(out=out)
        return _statistics().mean(self, axis, dtype=dtype, keepdims=keepdims)  # type: ignore[no-any-return]

    def var(
        self,
        axis: Axis = None,
        dtype: Any = None,
        out: None = None,
        ddof: float = 0,
        keepdims: bool = False,
        *,
        correction: float | None = None,
    ) -> Array:
        """See `metalpy.var`; `ddof` is another name of `correction`."""
        _refuse(dtype=dtype, out=out)
        return _statistics().var(self, axis, correction=ddof if correction is None else correction, keepdims=keepdims)  # type: ignore[no-any-return]

    def std(
        self,
        axis: Axis = None,
        dtype: Any = None,
        out: None = None,
        ddof: float = 0,
        keepdims: bool = False,
        *,
        correction: float | None = None,
    ) -> Array:
        """See `metalpy.std`; `ddof` is another name of `correction`."""
        _refuse(dtype=dtype, out=out)
        return _statistics().std(self, axis, correction=ddof if correction is None else correction, keepdims=keepdims)  # type: ignore[no-any-return]

    def max(self, axis: Axis = None, out: None = None, keepdims: bool = False) -> Array:
        """See `metalpy.max`."""
        if out is not None:
            _refuse(out=out)
        return _statistics().max(self, axis, keepdims=keepdims)  # type: ignore[no-any-return]

    def min(self, axis: Axis = None, out: None = None, keepdims: bool = False) -> Array:
        """See `metalpy.min`."""
        if out is not None:
            _refuse(out=out)
        return _statistics().min(self, axis, keepdims=keepdims)  # type: ignore[no-any-return]

    def all(self, axis: Axis = None, out: None = None, keepdims: bool = False) -> Array:
        """See `metalpy.all`."""
        if out is not None:
            _refuse(out=out)
        return _statistics().all(self, axis, keepdims=keepdims)  # type: ignore[no-any-return]

    def any(self, axis: Axis = None, out: None = None, keepdims: bool = False) -> Array:
        """See `metalpy.any`."""
        if out is not None:
            _refuse(out=out)
        return _statistics().any(self, axis, keepdims=keepdims)  # type: ignore[no-any-return]

    def argmax(self, axis: int | None = None, out: None = None, *, keepdims: bool = False) -> Array:
        """See `metalpy.argmax`."""
        from metalpy.functions.searching import argmax

        _refuse(out=out)
        return argmax(self, axis, keepdims=keepdims)  # type: ignore[arg-type]

    def argmin(self, axis: int | None = None, out: None = None, *, keepdims: bool = False) -> Array:
        """See `metalpy.argmin`."""
        from metalpy.functions.searching import argmin

        _refuse(out=out)
        return argmin(self, axis, keepdims=keepdims)  # type: ignore[arg-type]

    def argsort(
        self,
        axis: int = -1,
        kind: None = None,
        order: None = None,
        *,
        stable: bool | None = None,
        descending: bool = False,
    ) -> Array:
        """See `metalpy.argsort`; always stable."""
        from metalpy.functions.sorting import argsort

        _refuse(kind=kind, order=order)
        return argsort(self, axis, descending=descending)  # type: ignore[arg-type]

    def cumsum(self, axis: int | None = None, dtype: Any = None, out: None = None) -> Array:
        """See `metalpy.cumulative_sum`; without `axis`, of all elements in C order."""
        from metalpy.functions.cumulative import cumulative_sum

        _refuse(out=out)
        return cumulative_sum(_flat(self, axis), axis=axis, dtype=dtype)

    def cumprod(self, axis: int | None = None, dtype: Any = None, out: None = None) -> Array:
        """See `metalpy.cumulative_prod`; without `axis`, of all elements in C order."""
        from metalpy.functions.cumulative import cumulative_prod

        _refuse(out=out)
        return cumulative_prod(_flat(self, axis), axis=axis, dtype=dtype)

    def clip(
        self, min: Any = None, max: Any = None, out: None = None, *, a_min: Any = None, a_max: Any = None
    ) -> Array:
        """See `metalpy.clip`; the last two are NumPy's other names of the bounds."""
        from metalpy.functions.elementwise import clip

        _refuse(out=out)
        return clip(self, a_min if min is None else min, a_max if max is None else max)

    def round(self, decimals: int = 0, out: None = None) -> Array:
        """See `metalpy.round`."""
        from metalpy.functions.elementwise import round

        _refuse(out=out)
        return round(self, decimals)

    def conj(self) -> Array:
        """See `metalpy.conj`."""
        from metalpy.functions.elementwise import conj

        return conj(self)

    @property
    def real(self) -> Array:
        """The real parts; the array itself if it has no others."""
        from metalpy.functions.elementwise import real

        return real(self) if self.dtype.kind == "c" else self  # type: ignore[attr-defined, return-value]

    @property
    def imag(self) -> Array:
        """The imaginary parts; zeros for real numbers."""
        from metalpy.creation import zeros_like
        from metalpy.functions.elementwise import imag

        return imag(self) if self.dtype.kind == "c" else zeros_like(self)  # type: ignore[attr-defined]

    def dot(self, other: Any, out: None = None) -> Array:
        """See `metalpy.dot`."""
        from metalpy.functions.numpy_names import dot

        _refuse(out=out)
        return dot(self, other)  # type: ignore[arg-type]

    def swapaxes(self, axis1: int, axis2: int) -> Array:
        """See `metalpy.swapaxes`."""
        from metalpy.functions.numpy_names import swapaxes

        return swapaxes(self, axis1, axis2)  # type: ignore[arg-type]

    def squeeze(self, axis: Any = None) -> Array:
        """See `metalpy.squeeze`."""
        from metalpy.functions.manipulation import squeeze

        return squeeze(self, axis)  # type: ignore[arg-type]

    def repeat(self, repeats: Any, axis: int | None = None) -> Array:
        """See `metalpy.repeat`."""
        from metalpy.functions.manipulation import repeat

        return repeat(self, repeats, axis)  # type: ignore[arg-type]

    def take(self, indices: Any, axis: int | None = None, out: None = None, mode: str = "raise") -> Array:
        """See `metalpy.take`; without `axis`, of all elements in C order."""
        from metalpy.functions.selection import take

        _refuse(out=out, mode=None if mode == "raise" else mode)
        return take(_flat(self, axis), indices, axis=axis)

    def nonzero(self) -> tuple[Array, ...]:
        """See `metalpy.nonzero`."""
        from metalpy.functions.searching import nonzero

        return nonzero(self)  # type: ignore[arg-type]

    def diagonal(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Array:
        """See `metalpy.diagonal`."""
        from metalpy.functions.numpy_names import diagonal

        return diagonal(self, offset, axis1, axis2)  # type: ignore[arg-type]

    def trace(self, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: None = None) -> Array:
        """See `metalpy.trace`."""
        from metalpy.functions.numpy_names import trace

        _refuse(out=out)
        return trace(self, offset, axis1, axis2, dtype)  # type: ignore[arg-type]
