"""Call specs: how arrays are nested in the arguments and results of a function.

A spec is JSON: ``{"array": n}`` for the n-th array, ``{"tuple": [...]}``, ``{"list": [...]}``, ``{"dict": {...}}`` of
specs, and ``{"value": v}`` for a number, str, bool or None that is always the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from metalpy.aot.values import MOST_NESTED, decode, encode
from metalpy.array import Array
from metalpy.errors import LaunchTypeError, LaunchValueError, PackageError

__all__ = ["check_spec", "flatten", "match", "unflatten"]


def flatten(tree: Any, what: str, leaves: list[Array]) -> dict[str, Any]:
    """The spec of `tree`, whose arrays are added to `leaves`.

    Raises
    ------
    PackageError
        If there is anything but arrays, numbers, str and None in lists, tuples and dicts.
    """
    if isinstance(tree, Array):
        leaves.append(tree)
        return {"array": len(leaves) - 1}
    if isinstance(tree, (list, tuple)):
        kind = "list" if isinstance(tree, list) else "tuple"
        return {kind: [flatten(item, f"{what}[{number}]", leaves) for number, item in enumerate(tree)]}
    if isinstance(tree, dict):
        if not all(isinstance(key, str) for key in tree):
            raise PackageError(f"{what} is a dict with keys that are no str")
        return {"dict": {key: flatten(item, f"{what}[{key!r}]", leaves) for key, item in tree.items()}}
    if tree is None or isinstance(tree, (bool, int, float, str)):
        return {"value": encode(tree, _no_array, what)}
    raise PackageError(
        f"{what} is a {type(tree).__name__}; a package takes and gives arrays, and lists, tuples and dicts of them"
    )


def _no_array(x: Array) -> Any:
    raise AssertionError("a leaf of a tree that is an array")


def unflatten(spec: Any, leaves: Sequence[Any]) -> Any:
    """The tree of a spec with `leaves` as its arrays."""
    (kind, given), *_ = spec.items()
    if kind == "array":
        return leaves[given]
    if kind == "value":
        return decode(given)
    if kind == "dict":
        return {key: unflatten(item, leaves) for key, item in given.items()}
    items = [unflatten(item, leaves) for item in given]
    return tuple(items) if kind == "tuple" else items


def match(spec: Any, tree: Any, what: str = "inputs") -> list[Any]:
    """The arrays of `tree`, in the order of the spec.

    Raises
    ------
    LaunchTypeError, LaunchValueError
        If `tree` is built in another way.
    """
    (kind, given), *_ = spec.items()
    if kind == "array":
        return [tree]
    if kind == "value":
        if decode(given) != tree and decode(given) == decode(given):
            raise LaunchValueError(f"{what} was {decode(given)!r} when the package was made, got {tree!r}")
        return []
    if kind == "dict":
        if not isinstance(tree, dict) or set(tree) != set(given):
            found = sorted(map(str, tree)) if isinstance(tree, dict) else type(tree).__name__
            raise LaunchTypeError(f"{what} must be a dict with the keys {sorted(given)}, got {found}")
        return [x for key, item in given.items() for x in match(item, tree[key], f"{what}[{key!r}]")]
    if not isinstance(tree, (list, tuple)):
        raise LaunchTypeError(f"{what} must be a {kind} of {len(given)}, got {type(tree).__name__}")
    if len(tree) != len(given):
        raise LaunchValueError(f"{what} must be a {kind} of {len(given)}, got {len(tree)} entries")
    return [x for n, item in enumerate(given) for x in match(item, tree[n], f"{what}[{n}]")]


def check_spec(spec: Any, depth: int = 0) -> list[int]:
    """The numbers of the arrays in a spec that comes from a file.

    Raises
    ------
    PackageError
        If it is no spec.
    """
    if depth > MOST_NESTED or not isinstance(spec, dict) or len(spec) != 1:
        raise PackageError("the call spec is not valid")
    (kind, given), *_ = spec.items()
    if kind == "array" and type(given) is int:
        return [given]
    if kind == "value":
        if isinstance(value := decode(given), (bool, int, float, str)) or value is None:
            return []
    elif kind == "dict" and isinstance(given, dict):
        return [n for item in given.values() for n in check_spec(item, depth + 1)]
    elif kind in ("tuple", "list") and isinstance(given, list):
        return [n for item in given for n in check_spec(item, depth + 1)]
    raise PackageError(f"the call spec has an unknown entry {kind!r}")
