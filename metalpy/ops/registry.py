"""Which function implements a named operation on a kind of device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from metalpy.errors import UnsupportedError

__all__ = ["lookup", "names", "register"]

_implementations: dict[tuple[str, str], Callable[..., Any]] = {}


def register(name: str, device: str, implementation: Callable[..., Any]) -> None:
    """Make `implementation` the one of `name` for devices of a type, such as ``"mps"``.

    Raises
    ------
    ValueError
        If another one is registered already.
    """
    known = _implementations.setdefault((name, device), implementation)
    if known is not implementation:
        raise ValueError(f"{name!r} for {device!r} is registered already, as {known!r}")


def lookup(name: str, device: str = "mps") -> Callable[..., Any]:
    """The implementation of `name` for devices of a type.

    Without one, and with ``METALPY_ENABLE_FALLBACK=1``, it is NumPy's function of that name, which runs on the host.

    Raises
    ------
    UnsupportedError
        If there is none; it is a `NotImplementedError`.
    """
    _load(device)
    found = _implementations.get((name, device))
    if found is None and device == "mps":
        from metalpy.ops.fallback import fallback

        found = fallback(name)
    if found is None:
        known = ", ".join(names(device)) or "none"
        raise UnsupportedError(
            f"no operation {name!r} is registered for {device!r}; there are: {known}. "
            "METALPY_ENABLE_FALLBACK=1 lets NumPy's functions run on the host"
        )
    return found


def names(device: str = "mps") -> tuple[str, ...]:
    """Names that `lookup` knows for devices of a type."""
    _load(device)
    return tuple(sorted(name for name, kind in _implementations if kind == device))


def _load(device: str) -> None:
    if device == "mps":
        from metalpy.backends import mps

        mps._init()
