"""Packaging: from a function over arrays to a file."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from metalpy.aot.archive import read_package, write_package
from metalpy.aot.container import ModelContainer
from metalpy.aot.tracing import trace
from metalpy.aot.trees import flatten, unflatten
from metalpy.array import Array
from metalpy.device import Device
from metalpy.device import device as _device
from metalpy.errors import PackageError

__all__ = ["package"]


def package(
    path: str | os.PathLike[str],
    function: Callable[..., Any],
    inputs: tuple[Any, ...] | list[Any],
    *,
    kwargs: Mapping[str, Any] | None = None,
    compiled: bool = False,
) -> None:
    """Write a model to one file, which `ModelContainerRunner` runs without the Python code that it was made from.

    Parameters
    ----------
    path : path
        Replaced as a whole, or not at all.
    function : Module or callable
        Takes arrays, and gives an array or lists, tuples and dicts of them. It is called twice; from the second call
        its launches, copies and fills are recorded. The arrays of a module, or of the module that a method is of, are
        constants with the names of its ``state_dict``, other arrays that it uses are ``"constant_0"`` and so on.
    inputs : tuple
        Example arguments. Their shapes and dtypes are those of the package; numbers and strings among them are fixed.
    kwargs : mapping of str, optional
        Example keyword arguments.
    compiled : bool
        True adds the kernels' machine code, for the software device of processors that have all that this one has.
        Opening the package there compiles nothing, and needs no compiler.

    Raises
    ------
    PackageError
        If the function uses what a package cannot hold (textures, samplers, kernels from compiled libraries, arrays of
        several devices), or if the package gives other results than the function: a package keeps nothing from one
        run to the next, and draws the same random numbers in each.
    GraphError
        If the function reads an array from the host, as functions do whose result's shape depends on values.
    """
    if not isinstance(inputs, (tuple, list)):
        raise TypeError(f"inputs is a tuple of what the function takes, such as (x,); got {type(inputs).__name__}")
    leaves: list[Array] = []
    spec = flatten((tuple(inputs), dict(kwargs or {})), "the inputs", leaves)
    device = leaves[0].device if leaves else _device()
    for number, x in enumerate(leaves):
        if x.device is not device:
            raise PackageError(f"input {number} is on {x.device}, and input 0 on {device}")
    expected: list[Array] = []
    arguments, options = unflatten(spec, [x.copy() for x in leaves])
    # Before the recording, which runs nothing: what is made once, in the first call, shall not stay without values.
    flatten(function(*arguments, **options), "the result", expected)
    arguments, options = unflatten(spec, leaves)
    traced = trace(function, arguments, options, device, compiled)
    temporary = f"{os.fspath(path)}.new-{os.getpid()}"
    try:
        write_package(temporary, traced.manifest, traced.sources, traced.libraries, traced.constants)
        _verify(temporary, leaves, expected, device)
        os.replace(temporary, path)
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)


def _verify(path: str, inputs: list[Array], expected: list[Array], device: Device) -> None:
    found = ModelContainer(read_package(path), device, 1, True).run(inputs)
    for number, (x, wanted) in enumerate(zip(found, expected, strict=True)):
        if not _alike(x.numpy(), wanted.numpy()):
            raise PackageError(
                f"result {number} of the package is not what the function gives. The usual causes are an array that "
                "was made from host data, or before the call, and is then only written by kernels, such as one that "
                "is added to; random numbers; and results that depend on earlier calls"
            )


def _alike(x: np.ndarray[Any, Any], wanted: np.ndarray[Any, Any]) -> bool:
    """Equal, but for the rounding of kernels that add in any order."""
    if x.dtype != wanted.dtype or x.shape != wanted.shape:
        return False
    if x.dtype.kind not in "fcV" or x.dtype.names:
        return x.tobytes() == wanted.tobytes()
    wide = np.complex128 if x.dtype.kind == "c" else np.float64
    rounding = {1: 0.1, 2: 1e-2}.get(x.dtype.itemsize, 1e-4)
    scale = np.nanmax(np.abs(wanted.astype(wide)), initial=0, where=np.isfinite(wanted.astype(wide)))
    return np.allclose(x.astype(wide), wanted.astype(wide), rounding, rounding * float(scale) / 10, equal_nan=True)
