"""Functions that make gradients of functions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any

import metalpy as mp
from metalpy.array import Array
from metalpy.autograd import tape
from metalpy.autograd.backward import pull_back
from metalpy.autograd.rules.table import rule
from metalpy.autograd.tape import Tape
from metalpy.autograd.trees import flatten, unflatten
from metalpy.errors import GradientError

__all__ = ["checkpoint", "custom_function", "grad", "no_grad", "stop_gradient", "value_and_grad", "vjp"]

Function = Callable[..., Any]


def value_and_grad(function: Function, argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Function:
    """A function that returns what `function` returns and its gradient.

    Parameters
    ----------
    function : callable
        Returns a floating-point array with one element, computed by metalpy's operations.
    argnums : int or sequence of int
        Which positional arguments to take the gradient with respect to. An argument is an array, a `metalpy.nn.Module`,
        or nested lists, tuples and dicts of arrays.
    has_aux : bool
        `function` returns a pair, of which only the first takes part.

    Returns
    -------
    callable
        Takes the arguments of `function` and returns ``(value, gradient)``. The gradient has the structure of the
        argument, that of a module is a dict of its parameters' names; with several `argnums` there is a tuple of them.

    Raises
    ------
    GradientError
        From the returned function: if the value is not one floating-point number, an argument holds no floating-point
        array, or something between them has no gradient.

    Examples
    --------
    >>> value, gradient = mp.value_and_grad(lambda x: mp.sum(x * x))(mp.array([1.0, 2.0]))
    >>> gradient.tolist()
    [2.0, 4.0]
    """
    numbers = (argnums,) if isinstance(argnums, int) else tuple(argnums)

    @wraps(function)
    def call(*args: Any, **options: Any) -> Any:
        chosen = [_argument(args, number) for number in numbers]
        sources = [x for argument in chosen for x in flatten(argument)]
        with Tape(sources).running() as own:
            result = function(*args, **options)
        value = result[0] if has_aux else result
        _check_value(value)
        found = pull_back(own, [value], [mp.ones_like(value)], sources)
        gradients = iter(mp.zeros_like(x) if g is None else g for x, g in zip(sources, found, strict=True))
        trees = tuple(unflatten(argument, gradients) for argument in chosen)
        return result, trees[0] if isinstance(argnums, int) else trees

    return call


def grad(function: Function, argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Function:
    """A function that returns the gradient of `function`: see `value_and_grad`, whose value it leaves out.

    With `has_aux` it returns a pair of the gradient and what `function` returned second.

    Examples
    --------
    >>> mp.grad(lambda x: x ** 3)(mp.array(2.0)).item()
    12.0
    """
    both = value_and_grad(function, argnums, has_aux)

    @wraps(function)
    def call(*args: Any, **options: Any) -> Any:
        result, gradient = both(*args, **options)
        return (gradient, result[1]) if has_aux else gradient

    return call


def vjp(function: Function, primals: Sequence[Array], cotangents: Sequence[Array]) -> tuple[list[Array], list[Array]]:
    """The results of `function` and the product of a vector with its Jacobian matrix.

    Parameters
    ----------
    function : callable
        From as many arrays as there are primals to an array or a sequence of arrays.
    primals : sequence of Array
        The arguments.
    cotangents : sequence of Array
        One for each result, of its shape.

    Returns
    -------
    outputs, products : list of Array
        The results; for each primal an array of its shape.
    """
    with Tape(primals).running() as own:
        result = function(*primals)
    outputs = [result] if isinstance(result, Array) else list(result)
    if [x.shape for x in outputs] != [x.shape for x in cotangents]:
        raise GradientError(f"a cotangent has the shape of its result: results have {[x.shape for x in outputs]}, "
                            f"cotangents {[x.shape for x in cotangents]}")  # fmt: skip
    found = pull_back(own, outputs, cotangents, primals)
    return outputs, [mp.zeros_like(x) if g is None else g for x, g in zip(primals, found, strict=True)]


def stop_gradient(x: Array) -> Array:
    """The same elements in the same memory, which gradients take for constants."""
    return x._derive(x.dtype, x.shape, None if x.contiguous else x.strides, x.offset)


@contextmanager
def no_grad() -> Iterator[None]:
    """What is computed in the block is a constant to gradients; ``@mp.no_grad()`` does so for a function.

    It is only of use within a function whose gradient is taken: nothing is recorded elsewhere.

    Examples
    --------
    >>> def loss(x):
    ...     with mp.no_grad():
    ...         scale = mp.max(x)
    ...     return mp.sum(x / scale)
    >>> mp.grad(loss)(mp.array([1.0, 4.0])).tolist()
    [0.25, 0.25]
    """
    with tape.suspended():
        yield


class custom_function:
    """Decorator: a function whose gradient you give, such as one that launches kernels of your own.

    Parameters
    ----------
    function : callable
        From arrays, and anything else, to an array or a tuple of arrays.

    Examples
    --------
    >>> library = mp.mps.compile_shader(
    ...     "kernel void cube(device float* y, device const float* x, uint i [[thread_position_in_grid]])"
    ...     "{ y[i] = x[i] * x[i] * x[i]; }")
    >>> @mp.custom_function
    ... def cube(x):
    ...     y = mp.empty_like(x)
    ...     library.cube(y, x)
    ...     return y
    >>> @cube.vjp
    ... def cube_vjp(primals, cotangent, output):
    ...     return cotangent * 3 * primals[0] ** 2
    >>> mp.grad(lambda x: mp.sum(cube(x)))(mp.array([1.0, 2.0])).tolist()
    [3.0, 12.0]
    """

    def __init__(self, function: Function) -> None:
        self._function = function
        self._vjp: Function | None = None
        wraps(function)(self)

    def vjp(self, function: Function) -> Function:
        """Decorator: ``function(primals, cotangent, output)`` gives the gradients of the arguments.

        `primals` has the arguments, `cotangent` the gradient of `output`, with its structure. It returns an array for
        each argument, None for one that has no gradient; one array alone if there is one argument.
        """
        self._vjp = function
        return function

    def __call__(self, *args: Any, **options: Any) -> Any:
        if self._vjp is None:
            return self._function(*args, **options)
        return tape.recorded(_CUSTOM, (*args, _Backward(self._vjp, args)), {}, lambda: self._function(*args, **options))


_CUSTOM = "a custom function"


class _Backward:
    """What a call of a custom function adds to its arguments: how to go back."""

    def __init__(self, function: Function, args: tuple[Any, ...]) -> None:
        self.function, self.args = function, args


@rule(_CUSTOM)
def _pull_custom(g: Any, output: Any, *args: Any) -> Any:
    backward: _Backward = args[-1]
    pulled = backward.function(backward.args, g, output)
    if len(backward.args) == 1 and isinstance(pulled, Array):
        return pulled
    if not isinstance(pulled, (tuple, list)) or len(pulled) != len(backward.args):
        raise GradientError(f"the vjp of a custom function returns a gradient or None for each of its "
                            f"{len(backward.args)} arguments, got {pulled!r}")  # fmt: skip
    return tuple(pulled)


def checkpoint(function: Function) -> Function:
    """A function with the same results and gradients that keeps only its arguments, and computes the rest once more.

    Parameters
    ----------
    function : callable
        From arrays and anything else, modules among them, to an array or a tuple of arrays. A module may be given
        itself.
    """

    @wraps(function)
    def call(*args: Any, **options: Any) -> Any:
        sources = tuple(x for part in (function, *args) for x in flatten(part, strict=False))

        def again(primals: Any, cotangent: Any, output: Any) -> Any:
            with Tape(sources).running() as own:
                result = function(*args, **options)
            outputs = [result] if isinstance(result, Array) else list(result)
            return tuple(pull_back(own, outputs, [cotangent] if isinstance(result, Array) else cotangent, sources))

        arguments = (*sources, _Backward(again, sources))
        return tape.recorded(_CUSTOM, arguments, {}, lambda: function(*args, **options))

    return call


def _argument(args: tuple[Any, ...], number: int) -> Any:
    if not 0 <= number < len(args):
        raise GradientError(f"argnums names argument {number}, the call has {len(args)} positional arguments")
    return args[number]


def _check_value(value: Any) -> None:
    if not isinstance(value, Array) or value.size != 1 or value.dtype.kind not in "fV":
        got = f"shape {value.shape} and dtype {value.dtype}" if isinstance(value, Array) else type(value).__name__
        raise GradientError(f"a gradient is that of an array with one floating-point element, got {got}; "
                            "sum or average it, or use mp.vjp")  # fmt: skip
