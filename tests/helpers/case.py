"""One launch of one small kernel, and what NumPy says it gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import metalpy as mp
from tests.helpers.accuracy import assert_ulp

KERNELS = Path(__file__).parent.parent / "msl" / "kernels"


@cache
def library(file: str, math_mode: str = "safe") -> Any:
    """The library of ``kernels/<file>.metal``, compiled once."""
    return mp.compile_file(KERNELS / f"{file}.metal", math_mode=math_mode)


def f32(*values: float) -> np.ndarray:
    """A float32 array, for tables."""
    return np.array(values, np.float32)


@dataclass
class Case:
    """A launch: the kernel gets a zeroed output as its first argument, then `inputs`.

    Attributes
    ----------
    file, kernel : str
    out : (shape, dtype)
        Of the output.
    inputs : sequence of arrays and scalars
    expect : function of the inputs, or array
        The output that NumPy computes.
    ulp : float
        Allowed error; 0 means bit for bit (any NaN for a NaN).
    launch : mapping
        Options of the call.
    constants : mapping
        Function constants to specialise with.
    initial : array, optional
        What the output holds before, instead of zeros.
    """

    file: str
    kernel: str
    out: tuple[Any, Any]
    inputs: Sequence[Any]
    expect: Callable[..., Any] | np.ndarray
    ulp: float = 0
    launch: Mapping[str, Any] = field(default_factory=dict)
    constants: Mapping[Any, Any] | None = None
    initial: np.ndarray | None = None
    label: str = ""

    def __str__(self) -> str:
        return "-".join(filter(None, (self.file, self.kernel, self.label)))

    def run(self) -> np.ndarray:
        """Launch and return the output."""
        kernel = getattr(library(self.file), self.kernel)
        if self.constants is not None:
            kernel = kernel.specialize(self.constants)
        shape, dtype = self.out
        out = mp.zeros(shape, dtype=dtype) if self.initial is None else mp.array(self.initial)
        arguments = [mp.array(x) if isinstance(x, np.ndarray) and x.ndim else x for x in self.inputs]
        kernel(out, *arguments, **self.launch)
        return np.asarray(out)

    def check(self) -> None:
        """Fail unless the output is what NumPy says."""
        with np.errstate(all="ignore"):
            expected = self.expect(*self.inputs) if callable(self.expect) else self.expect
        got = self.run()
        if self.ulp:
            assert_ulp(got, expected, self.ulp)
        else:
            expected = np.asarray(expected)
            assert np.broadcast_shapes(expected.shape, got.shape) == got.shape
            np.testing.assert_array_equal(got.astype(expected.dtype), expected)
