"""NumPy's functions given Arrays: metalpy's take over, by `__array_ufunc__` and `__array_function__`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np

from metalpy.methods import Methods

__all__ = ["NumpyProtocol"]

# NumPy's names of functions that metalpy has under the standard's.
_NAMES = {
    "absolute": "abs", "amax": "max", "amin": "min", "arccos": "acos", "arccosh": "acosh", "arcsin": "asin",
    "arcsinh": "asinh", "arctan": "atan", "arctan2": "atan2", "arctanh": "atanh", "concatenate": "concat",
    "conjugate": "conj", "invert": "bitwise_invert", "left_shift": "bitwise_left_shift", "power": "pow",
    "right_shift": "bitwise_right_shift", "rint": "round", "transpose": "permute_dims", "true_divide": "divide",
}  # fmt: skip
# Those that make no arrays: they look at the elements on the host, as ever.
_ON_THE_HOST = frozenset(
    "allclose array2string array_equal array_equiv array_repr array_str can_cast iscomplexobj isrealobj ndim "
    "may_share_memory save savetxt savez savez_compressed shape shares_memory size".split()
)


def _is_array(value: Any) -> bool:
    return isinstance(value, NumpyProtocol)


def _on_the_host(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return type(value)(_on_the_host(item) for item in value)
    return value.numpy() if _is_array(value) else value


@cache
def _counterpart(function: Callable[..., Any]) -> Callable[..., Any] | None:
    """The function of metalpy for one of NumPy."""
    import metalpy

    name = _NAMES.get(function.__name__, function.__name__)
    place = getattr(function, "__module__", None) or "numpy"
    owner: Any = metalpy
    for part in place.split(".")[1:2]:
        owner = getattr(metalpy, part, None) if part in ("linalg", "fft") else owner
    found = getattr(owner, name, None)
    return found if callable(found) and not isinstance(found, (type, ModuleType)) else None


def _missing(function: Any, what: str = "") -> TypeError:
    place = getattr(function, "__module__", None) or "numpy"
    name = f"{place}.{function.__name__}{what}" if place.startswith("numpy") else f"numpy.{function.__name__}{what}"
    return TypeError(f"metalpy has no {name}; {name.partition(' ')[0]}(x.numpy()) computes on the host")


@cache
def _positional(function: Callable[..., Any]) -> int | None:
    """How many arguments a function takes by position; None if any number."""
    kinds = [parameter.kind for parameter in inspect.signature(function).parameters.values()]
    if inspect.Parameter.VAR_POSITIONAL in kinds:
        return None
    return sum(kind is not inspect.Parameter.KEYWORD_ONLY for kind in kinds)


class NumpyProtocol:
    """What NumPy asks an argument that is no array of its own."""

    __slots__ = ()

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        if method != "__call__":
            raise _missing(ufunc, f".{method}")
        out = options.pop("out", None)
        if options:
            raise _missing(ufunc, f" with {', '.join(options)}=")
        if ufunc is np.divmod:
            made: Any = divmod(inputs[0], inputs[1]) if _is_array(inputs[0]) else inputs[1].__rdivmod__(inputs[0])
        else:
            function = _counterpart(ufunc)
            if function is None:
                return _fallback(ufunc, inputs, {"out": out} if out else {})
            made = function(*inputs)
        if out is None:
            return made
        for target, value in zip(out, made if isinstance(made, tuple) else (made,), strict=True):
            if not np.can_cast(value.dtype, target.dtype, "same_kind"):
                raise TypeError(f"numpy.{ufunc.__name__} gives {value.dtype}, which an array of {target.dtype} "
                                "cannot take")  # fmt: skip
            target[...] = value if _is_array(target) else value.numpy()
        return out if len(out) > 1 else out[0]

    def __array_function__(self, function: Any, types: Any, args: Any, options: Any) -> Any:
        if function.__name__ in _ON_THE_HOST:
            return function(*_on_the_host(args), **{name: _on_the_host(value) for name, value in options.items()})
        method = getattr(Methods, function.__name__, None)  # these have NumPy's parameters
        if callable(method) and args and _is_array(args[0]):
            return method(*args, **options)
        own = _counterpart(function)
        if own is None:
            return _fallback(function, args, options)
        count = _positional(own)
        if count is not None and len(args) > count:  # the standard takes by name what NumPy takes by place, too
            names = list(inspect.signature(function).parameters)[count:]
            options = {**options, **dict(zip(names, args[count:], strict=False))}
            args = args[:count]
        return own(*args, **options)


def _fallback(function: Any, args: Any, options: Any) -> Any:
    """NumPy's own function, if the environment asks for it."""
    from metalpy.ops.fallback import on_the_host

    call = on_the_host(function)
    if call is None:
        raise _missing(function)
    return call(*args, **options)
