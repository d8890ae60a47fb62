"""Gradients made smaller."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import metalpy as mp
from metalpy.array import Array
from metalpy.autograd.trees import flatten, unflatten

__all__ = ["clip_grad_norm", "clip_grad_value"]


def clip_grad_norm(gradients: Any, max_norm: float) -> tuple[Any, Array]:
    """Scale gradients so that their Euclidean norm, taken over all of them, is at most `max_norm`.

    Parameters
    ----------
    gradients : Array, or lists, tuples and dicts of arrays
        As `metalpy.value_and_grad` returns them.
    max_norm : float

    Returns
    -------
    clipped, norm
        New arrays in the same structure; the norm before, of shape ``()``. Nothing waits.
    """
    arrays = flatten(gradients)
    if not arrays:
        raise ValueError("there are no gradients to clip")
    squares = [mp.sum(mp.square(x.astype(mp.float32, copy=False))) for x in arrays]
    norm = mp.sqrt(mp.sum(mp.stack(squares)))
    scale = mp.minimum(max_norm / (norm + 1e-6), 1.0)
    scaled = ((x * scale).astype(x.dtype, copy=False) for x in arrays)
    return unflatten(gradients, scaled), norm


def clip_grad_value(gradients: Any, clip_value: float) -> Any:
    """Gradients of which each element lies between ``-clip_value`` and ``clip_value``: new, in the same structure."""
    clipped: Iterator[Array] = (mp.clip(x, -clip_value, clip_value) for x in flatten(gradients))
    return unflatten(gradients, clipped)
