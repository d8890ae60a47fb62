"""Arrays within modules, lists, tuples and dicts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from metalpy.array import Array
from metalpy.errors import GradientError

__all__ = ["flatten", "unflatten"]


def flatten(tree: Any, strict: bool = True) -> list[Array]:
    """The floating-point arrays of an argument, in a fixed order.

    Raises
    ------
    GradientError
        If there is anything else and `strict`.
    """
    if isinstance(tree, Array) and tree.dtype.kind in "fcV":
        return [tree]
    if hasattr(tree, "named_parameters"):
        return [x for _, x in tree.named_parameters()]
    if isinstance(tree, dict):
        return [x for item in tree.values() for x in flatten(item, strict)]
    if isinstance(tree, (list, tuple)):
        return [x for item in tree for x in flatten(item, strict)]
    if not strict:
        return []
    got = f"an array of {tree.dtype}" if isinstance(tree, Array) else type(tree).__name__
    raise GradientError(f"gradients are taken with respect to floating-point arrays, modules, and lists, tuples and "
                        f"dicts of them, got {got}")  # fmt: skip


def unflatten(tree: Any, values: Iterator[Any]) -> Any:
    """The structure of `tree` with the next values in place of its arrays; a dict by name for a module."""
    if isinstance(tree, Array):
        return next(values)
    if hasattr(tree, "named_parameters"):
        return {name: next(values) for name, _ in tree.named_parameters()}
    if isinstance(tree, dict):
        return {key: unflatten(item, values) for key, item in tree.items()}
    items = [unflatten(item, values) for item in tree]
    if hasattr(tree, "_fields"):
        return type(tree)(*items)
    return type(tree)(items)
