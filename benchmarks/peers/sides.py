"""metalpy, NumPy and Numba as sides of the comparison; OpenCL is in `opencl`."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable
from functools import partial

import numpy as np

import metalpy as mp

from . import opencl
from .work import Launch, NotHereError, OnHost, Session, Side, Work, in_order, read_sources


class Metalpy:
    """Kernels in Metal on metalpy's first device."""

    name = "metalpy"
    version = mp.__version__

    def session(self, work: Work) -> Session:
        launches = work.metal_launches or work.launches
        return MetalpySession(work, launches, read_sources(tuple(launch.file for launch in launches), ".metal"))


class MetalpySession:
    """Work on the device: `source` is compiled here and its kernels when they are first launched."""

    def __init__(self, work: Work, launches: tuple[Launch, ...], source: str) -> None:
        self._arrays = {name: mp.array(values) for name, values in work.arrays.items()}
        self._result = work.result
        library = mp.mps.compile_shader(source)
        calls = [
            partial(
                library[launch.kernel],
                # Numbers are Python's, as programs write them.
                *(self._arrays[arg] if isinstance(arg, str) else arg.item() for arg in launch.args),
                **({} if work.default_geometry else {"threads": launch.threads, "group_size": launch.group}),
            )
            for launch in launches
        ]
        self.submit = in_order(calls)
        self.wait = mp.mps.synchronize

    def result(self) -> np.ndarray:
        return np.asarray(self._arrays[self._result])


class NumPy:
    """Array programs, single-threaded except for matrix products."""

    name = "NumPy"
    version = np.__version__

    def session(self, work: Work) -> Session | None:
        return HostSession(work, work.in_numpy) if work.in_numpy else None


class Numba:
    """Loops compiled by Numba, in parallel."""

    name = "Numba"

    def __init__(self) -> None:
        try:
            with warnings.catch_warnings():  # what Numba thinks of its surroundings is not ours to mend
                warnings.simplefilter("ignore")
                self.version = str(importlib.import_module("numba").__version__)
        except ModuleNotFoundError:
            raise NotHereError("numba is not installed") from None

    def session(self, work: Work) -> Session | None:
        return HostSession(work, work.in_numba) if work.in_numba else None


class HostSession:
    """A function over copies of the arrays."""

    def __init__(self, work: Work, function: OnHost) -> None:
        self._arrays = {name: values.copy() for name, values in work.arrays.items()}
        self._result = work.result
        self.submit = partial(function, self._arrays)

    def wait(self) -> None:
        pass

    def result(self) -> np.ndarray:
        return self._arrays[self._result]


OPENERS: dict[str, Callable[[], Side]] = {
    "metalpy": Metalpy,
    "Intel": opencl.intel,
    "PoCL": opencl.pocl,
    "NumPy": NumPy,
    "Numba": Numba,
}


def open_side(name: str) -> Side:
    """Make a side ready; raises `NotHereError` where it is not installed."""
    return OPENERS[name]()
