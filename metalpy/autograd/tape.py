"""Tapes: what was computed from which arrays, so that gradients can be taken backwards through it.

A primitive is a function whose gradient a rule tells (see `rules`); what it does inside is its own affair. While a
thread has tapes, each call of a primitive that involves an array of interest is noted on them. Without tapes a
primitive costs one look at the thread's state more.

Source: reverse accumulation over a list of primitives, as in Autograd (D. Maclaurin, "Modeling, Inference and
Optimization with Composable Differentiable Procedures", 2016, chapter 4).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import wraps
from inspect import signature
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from metalpy.errors import GradientError

if TYPE_CHECKING:
    from metalpy.array import Array

__all__ = ["Call", "Tape", "arrays_in", "is_traced", "primitive", "primitive_family", "primitives", "recorded",
           "refuse_in_place", "suspended"]  # fmt: skip

Function = TypeVar("Function", bound=Callable[..., Any])


class _State(threading.local):
    tapes: tuple[Tape, ...] = ()


_state = _State()


class Call(NamedTuple):
    """A call of a primitive: its name, arguments by position, options, and what it returned."""

    name: str
    args: tuple[Any, ...]
    options: dict[str, Any]
    output: Any


class Tape:
    """The calls that led from arrays of interest to others, in order."""

    def __init__(self, sources: Iterable[Array]) -> None:
        self.calls: list[Call] = []
        self._known = {id(x): x for x in sources}  # the arrays too: an identity must not be used again

    def depends(self, x: object) -> bool:
        """True if the array is a source or was computed from one."""
        return id(x) in self._known

    def note(self, call: Call) -> None:
        if any(map(self.depends, arrays_in((call.args, call.options)))):
            given = {id(x) for x in arrays_in((call.args, call.options))}  # what returns its argument is no step
            outputs = [x for x in arrays_in(call.output) if x.dtype.kind in "fcV" and id(x) not in given]
            if outputs:
                self.calls.append(call)
                self._known.update((id(x), x) for x in outputs)

    @contextmanager
    def running(self) -> Iterator[Tape]:
        """Note what this thread does."""
        before = _state.tapes
        _state.tapes = (*before, self)
        try:
            yield self
        finally:
            _state.tapes = before


@contextmanager
def suspended() -> Iterator[None]:
    """Note nothing of what this thread does."""
    before, _state.tapes = _state.tapes, ()
    try:
        yield
    finally:
        _state.tapes = before


def is_traced(*values: object) -> bool:
    """True if a tape of this thread is interested in one of the arrays among the values."""
    if not _state.tapes:
        return False
    return any(tape.depends(x) for tape in _state.tapes for x in arrays_in(values))


def arrays_in(value: Any) -> Iterator[Array]:
    """The arrays in a value, and in the lists, tuples and dicts within."""
    from metalpy.array import Array

    if isinstance(value, Array):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from arrays_in(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from arrays_in(item)


primitives: dict[str, Callable[..., Any]] = {}


def primitive(function: Function) -> Function:
    """Decorator: the function's gradient is what the rule of its name says, not that of what it calls."""
    name = function.__name__
    parameters = signature(function)

    @wraps(function)
    def call(*args: Any, **options: Any) -> Any:
        if not _state.tapes:
            return function(*args, **options)
        bound = parameters.bind(*args, **options)
        return recorded(name, bound.args, bound.kwargs, lambda: function(*args, **options))

    primitives[name] = function
    return call  # type: ignore[return-value]


def primitive_family(function: Function) -> Function:
    """As `primitive`, for a function whose first argument is the name of what it does."""

    @wraps(function)
    def call(name: str, *args: Any) -> Any:
        if not _state.tapes:
            return function(name, *args)
        return recorded(name, args, {}, lambda: function(name, *args))

    return call  # type: ignore[return-value]


def recorded(name: str, args: tuple[Any, ...], options: dict[str, Any], function: Callable[[], Any]) -> Any:
    """What `function` returns, noted as a call of primitive `name` with these arguments."""
    tapes = _state.tapes
    with suspended():
        output = function()
    call = Call(name, args, options, output)
    for tape in tapes:
        tape.note(call)
    return output


def refuse_in_place(what: str, *values: object) -> None:
    """Raise GradientError if the values take part in a gradient: what is noted must stay as it is."""
    if _state.tapes and is_traced(*values):
        raise GradientError(
            f"{what} changes an array in place while gradients are taken through it; make a new array instead, "
            "or use mp.stop_gradient(x)"
        )
