"""Gradients of recorded calls, from the last to the first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import metalpy as mp
from metalpy.array import Array
from metalpy.autograd.rules import RULES
from metalpy.autograd.tape import Call, Tape, arrays_in
from metalpy.errors import GradientError

__all__ = ["pull_back"]


def pull_back(tape: Tape, outputs: Sequence[Array], cotangents: Sequence[Array], sources: Sequence[Array]) -> list[Any]:
    """Gradients with respect to each source of the sum of ``outputs * cotangents``; None where nothing depends on it.

    Parameters
    ----------
    tape : Tape
        Its calls led to the outputs.
    outputs, cotangents : sequence of Array
        Of the same shapes.
    sources : sequence of Array
    """
    found: dict[int, Array] = {}
    for x, gradient in zip(outputs, cotangents, strict=True):
        _add(found, x, gradient)
    kept = {id(x) for x in sources}
    for call in reversed(tape.calls):
        results = list(arrays_in(call.output))
        if any(id(x) in found for x in results):
            _pull_call(tape, found, call, results)
        for x in results:
            if id(x) not in kept:
                found.pop(id(x), None)
    return [found.get(id(x)) for x in sources]


def _pull_call(tape: Tape, found: dict[int, Array], call: Call, results: list[Array]) -> None:
    rule = RULES.get(call.name)
    if rule is None:
        raise GradientError(
            f"{call.name} has no gradient; mp.stop_gradient(x) treats its argument as a constant, and "
            "mp.custom_function gives a function of your own one"
        )
    gradients = [found.get(id(x)) for x in results]
    if isinstance(call.output, Array):
        gradient: Any = gradients[0]
    else:
        gradient = [mp.zeros_like(x) if g is None else g for x, g in zip(results, gradients, strict=True)]
    pulled = rule(gradient, call.output, *call.args, **call.options)
    if not isinstance(pulled, tuple):
        pulled = (pulled,)
    for argument, own in zip(call.args, pulled, strict=False):
        for x, part in _pairs(argument, own):
            if part is not None and tape.depends(x):
                _add(found, x, _fitted(part, x))


def _pairs(argument: Any, gradient: Any) -> list[tuple[Array, Array]]:
    """Arrays within an argument, each with its gradient."""
    if gradient is None:
        return []
    if isinstance(argument, Array):
        return [(argument, gradient)]
    if isinstance(argument, (list, tuple)):
        return [pair for item, own in zip(argument, gradient, strict=True) for pair in _pairs(item, own)]
    return []


def _fitted(gradient: Array, x: Array) -> Array:
    """A gradient with the shape and dtype of the array that it is for: summed where that was repeated."""
    if gradient.dtype.kind == "c" and x.dtype.kind != "c":
        gradient = mp.real(gradient)
    if gradient.shape != x.shape:
        missing = gradient.ndim - x.ndim
        axes = [axis for axis in range(gradient.ndim)
                if axis < missing or (x.shape[axis - missing] == 1 and gradient.shape[axis] != 1)]  # fmt: skip
        if axes:
            gradient = mp.sum(gradient, axis=tuple(axes), dtype=gradient.dtype)
        gradient = gradient.reshape(x.shape)
    return gradient if gradient.dtype == x.dtype else gradient.astype(x.dtype)


def _add(found: dict[int, Array], x: Array, gradient: Array) -> None:
    known = found.get(id(x))
    found[id(x)] = gradient if known is None else known + gradient
