"""Methods of arrays that NumPy and the counterpart share; each calls the function of its name in `metalpy`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from metalpy.array import Array
    from metalpy.ops.reduction import Axis

__all__ = ["Methods"]


def _flat(x: Any, axis: int | None) -> Array:
    from metalpy.ops.elementwise import contiguous

    return x if axis is not None else contiguous(x).reshape(-1)


class Methods:
    """Reductions along axes and their like, as methods: ``x.sum(0)`` is ``metalpy.sum(x, 0)``."""

    __slots__ = ()

    def sum(self, axis: Axis = None, dtype: Any = None, keepdims: bool = False) -> Array:
        """See `metalpy.sum`."""
        from metalpy.ops.statistics import sum

        return sum(self, axis, dtype=dtype, keepdims=keepdims)  # type: ignore[arg-type]

    def prod(self, axis: Axis = None, dtype: Any = None, keepdims: bool = False) -> Array:
        """See `metalpy.prod`."""
        from metalpy.ops.statistics import prod

        return prod(self, axis, dtype=dtype, keepdims=keepdims)  # type: ignore[arg-type]

    def mean(self, axis: Axis = None, dtype: Any = None, keepdims: bool = False) -> Array:
        """See `metalpy.mean`."""
        from metalpy.ops.statistics import mean

        return mean(self, axis, dtype=dtype, keepdims=keepdims)  # type: ignore[arg-type]

    def var(self, axis: Axis = None, correction: float = 0.0, keepdims: bool = False) -> Array:
        """See `metalpy.var`."""
        from metalpy.ops.statistics import var

        return var(self, axis, correction=correction, keepdims=keepdims)  # type: ignore[arg-type]

    def std(self, axis: Axis = None, correction: float = 0.0, keepdims: bool = False) -> Array:
        """See `metalpy.std`."""
        from metalpy.ops.statistics import std

        return std(self, axis, correction=correction, keepdims=keepdims)  # type: ignore[arg-type]

    def max(self, axis: Axis = None, keepdims: bool = False) -> Array:
        """See `metalpy.max`."""
        from metalpy.ops.statistics import max

        return max(self, axis, keepdims=keepdims)  # type: ignore[arg-type]

    def min(self, axis: Axis = None, keepdims: bool = False) -> Array:
        """See `metalpy.min`."""
        from metalpy.ops.statistics import min

        return min(self, axis, keepdims=keepdims)  # type: ignore[arg-type]

    def all(self, axis: Axis = None, keepdims: bool = False) -> Array:
        """See `metalpy.all`."""
        from metalpy.ops.statistics import all

        return all(self, axis, keepdims=keepdims)  # type: ignore[arg-type]

    def any(self, axis: Axis = None, keepdims: bool = False) -> Array:
        """See `metalpy.any`."""
        from metalpy.ops.statistics import any

        return any(self, axis, keepdims=keepdims)  # type: ignore[arg-type]

    def argmax(self, axis: int | None = None, keepdims: bool = False) -> Array:
        """See `metalpy.argmax`."""
        from metalpy.ops.searching import argmax

        return argmax(self, axis, keepdims=keepdims)  # type: ignore[arg-type]

    def argmin(self, axis: int | None = None, keepdims: bool = False) -> Array:
        """See `metalpy.argmin`."""
        from metalpy.ops.searching import argmin

        return argmin(self, axis, keepdims=keepdims)  # type: ignore[arg-type]

    def argsort(self, axis: int = -1, descending: bool = False) -> Array:
        """See `metalpy.argsort`."""
        from metalpy.ops.sorting import argsort

        return argsort(self, axis, descending=descending)  # type: ignore[arg-type]

    def cumsum(self, axis: int | None = None, dtype: Any = None) -> Array:
        """See `metalpy.cumulative_sum`; without `axis`, of all elements in C order."""
        from metalpy.ops.cumulative import cumulative_sum

        return cumulative_sum(_flat(self, axis), axis=axis, dtype=dtype)

    def cumprod(self, axis: int | None = None, dtype: Any = None) -> Array:
        """See `metalpy.cumulative_prod`; without `axis`, of all elements in C order."""
        from metalpy.ops.cumulative import cumulative_prod

        return cumulative_prod(_flat(self, axis), axis=axis, dtype=dtype)
