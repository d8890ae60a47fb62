"""Where rules are kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["RULES", "adjoint", "conjugate", "rule"]

RULES: dict[str, Callable[..., Any]] = {}


def rule(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator: the gradient of the primitives with these names."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        for name in names:
            RULES[name] = function
        return function

    return register


def conjugate(x: Any) -> Any:
    """What the gradient of a product has of the other factor."""
    import metalpy as mp

    if isinstance(x, complex):
        return x.conjugate()
    return mp.conj(x) if isinstance(x, mp.Array) and x.dtype.kind == "c" else x


def adjoint(x: Any) -> Any:
    """The conjugate transpose of matrices."""
    import metalpy as mp

    return conjugate(mp.matrix_transpose(x))
