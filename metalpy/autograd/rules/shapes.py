"""Rules of functions that move elements without changing them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import metalpy as mp
from metalpy.array import Array
from metalpy.autograd.rules.table import rule

Axis = int | Sequence[int] | None


@rule("reshape")
def _reshape(g: Array, y: Array, x: Array, *_: Any, **__: Any) -> Any:
    return g.reshape(x.shape)


@rule("astype", "copy", "to_device", "broadcast_to")
def _same(g: Array, y: Array, x: Array, *_: Any, **__: Any) -> Any:
    return g


@rule("transpose")
def _transpose(g: Array, y: Array, x: Array, *axes: Any) -> Any:
    if not axes or axes == (None,):
        return g.transpose()
    order = axes[0] if isinstance(axes[0], (tuple, list)) else axes
    return g.transpose(*np.argsort([axis % x.ndim for axis in order]).tolist())


@rule("roll")
def _roll(g: Array, y: Array, x: Array, shift: Any, axis: Axis = None) -> Any:
    back = -shift if isinstance(shift, int) else tuple(-n for n in shift)
    return mp.roll(g, back, axis=axis)


@rule("concat")
def _concat(g: Array, y: Array, arrays: Sequence[Array], axis: int | None = 0) -> Any:
    if axis is None:
        flat = iter(_cut(g, [x.size for x in arrays], 0))
        return ([next(flat).reshape(x.shape) for x in arrays],)
    return (_cut(g, [x.shape[axis] for x in arrays], axis % g.ndim),)


@rule("stack")
def _stack(g: Array, y: Array, arrays: Sequence[Array], axis: int = 0) -> Any:
    return (list(mp.unstack(g, axis=axis)),)


@rule("tril")
def _tril(g: Array, y: Array, x: Array, k: int = 0) -> Any:
    return mp.tril(g, k=k)


@rule("triu")
def _triu(g: Array, y: Array, x: Array, k: int = 0) -> Any:
    return mp.triu(g, k=k)


def _cut(g: Array, extents: Sequence[int], axis: int) -> list[Array]:
    """Neighbouring parts along an axis."""
    ends = np.cumsum(extents).tolist()
    before = (slice(None),) * axis
    return [g[(*before, slice(end - extent, end))] for extent, end in zip(extents, ends, strict=True)]
