"""Operations that no device implements, by NumPy on the host: for those who ask for it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache, wraps
from typing import Any

import numpy as np

from metalpy import environment
from metalpy.array import Array
from metalpy.creation import array

__all__ = ["fallback", "on_the_host"]


def fallback(name: str) -> Callable[..., Any] | None:
    """NumPy's function `name` over arrays of a device, if ``METALPY_ENABLE_FALLBACK`` is set and NumPy has it.

    It waits for its arguments, computes on the host and makes arrays of the results on the device of the first array.
    The first call of each function warns.
    """
    function = getattr(np, name, None)
    return on_the_host(function) if callable(function) else None


def on_the_host(function: Callable[..., Any]) -> Callable[..., Any] | None:
    """As `fallback`, for a function of NumPy."""
    flag = environment.flag
    wanted = environment.read("METALPY_ENABLE_FALLBACK", "PYTORCH_ENABLE_MPS_FALLBACK", parse=flag, default=False)
    return _on_the_host(function.__name__, function) if wanted else None


@cache
def _on_the_host(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    warned = False

    @wraps(function)
    def call(*args: Any, **options: Any) -> Any:
        nonlocal warned
        if not warned:
            warned = True
            message = f"operation {name!r} is not implemented for 'mps' and runs on the host, in NumPy"
            warnings.warn(message, UserWarning, stacklevel=2)
        found = [value.device for value in (*args, *options.values()) if isinstance(value, Array)]
        result = function(*map(_to_host, args), **{key: _to_host(value) for key, value in options.items()})
        return _to_device(result, found[0]) if found else result

    return call


def _to_host(value: Any) -> Any:
    return value.numpy() if isinstance(value, Array) else value


def _to_device(value: Any, device: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_to_device(item, device) for item in value)
    return array(value, device=device) if isinstance(value, (np.ndarray, np.generic)) else value
