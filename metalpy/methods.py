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
