"""What the functions of linear algebra share: checks of matrices, and launches of its kernels."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np

from metalpy import dtypes
from metalpy._core.array import allocate
from metalpy._core.driver import Device
from metalpy.array import Array
from metalpy.errors import LinAlgError
from metalpy.mps.shader import ShaderLibrary, compile_file
from metalpy.ops.elementwise import contiguous
from metalpy.ops.types import compute_dtype, metal_name
from metalpy.shader_files import shader_folder

__all__ = ["Matrices", "check_info", "identity", "launch_teams", "norms", "real_dtype", "stack"]


@cache
def _factorisations(device: Device, dtype: np.dtype[Any]) -> ShaderLibrary:
    defines = {"NUMBER": metal_name(dtype)}
    return compile_file(shader_folder() / "linalg.metal", defines=defines, math_mode="safe", device=device)


@cache
def norms(device: Device) -> ShaderLibrary:
    """The kernels of ``vector_norm.metal``."""
    return compile_file(shader_folder() / "vector_norm.metal", math_mode="safe", device=device)


def launch_teams(entry: Any, count: int, rows: int, *arguments: Any) -> None:
    """A threadgroup for each of `count` matrices.

    On the software device a threadgroup runs on one processor, and more simdgroups would only take turns.
    """
    width = 32 if entry.device.driver == "software" else min(256, max(32, 32 * rows))
    entry(*arguments, groups=count, group_size=width)


def real_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return dtypes.float32 if dtype.kind == "c" else dtype


class Matrices:
    """Checked matrices in a dtype in which kernels compute.

    Attributes
    ----------
    x : Array
        In float32 or complex64, with any strides.
    rows, columns, count : int
        Of a matrix; how many matrices.
    batch : tuple of int
        The axes before the last two.
    dtype : numpy.dtype
        That of results.
    """

    def __init__(self, name: str, x: Any, square: bool = False) -> None:
        if not isinstance(x, Array):
            raise TypeError(f"{name} takes arrays, got {type(x).__name__}")
        if x.ndim < 2:
            raise ValueError(f"{name}: a matrix has two axes or more, got shape {x.shape}")
        if x.dtype.kind not in "biufc" and x.dtype.name != "bfloat16":
            raise TypeError(f"{name} takes arrays of numbers, got {x.dtype}")
        self.rows, self.columns = x.shape[-2:]
        if square and self.rows != self.columns:
            raise ValueError(f"{name} takes square matrices, got {self.rows} x {self.columns}")
        if max(self.rows * self.columns, self.rows**2, self.columns**2) > 0x7FFFFFFF:
            raise ValueError(f"{name} takes matrices of at most 2**31 - 1 elements, got {self.rows} x {self.columns}")
        narrow = compute_dtype(x.dtype) != x.dtype
        self.dtype = x.dtype if narrow or x.dtype.kind == "c" else dtypes.float32
        self.x = x.astype(dtypes.float32 if narrow else self.dtype, copy=False)
        self.batch = x.shape[:-2]
        self.count = math.prod(self.batch)

    def new(self, *shape: int, dtype: np.dtype[Any] | None = None) -> Array:
        """A new array of `shape` for each matrix."""
        return allocate(Array, self.x.device, dtype or self.x.dtype, (*self.batch, *shape))

    def copy(self) -> Array:
        """A contiguous copy that may be overwritten."""
        dense = contiguous(self.x)
        return dense.copy() if dense is self.x else dense

    def columns_copy(self) -> Array:
        """The columns one after another, in memory that may be overwritten."""
        turned = self.x.transpose(*range(self.x.ndim - 2), self.x.ndim - 1, self.x.ndim - 2)
        dense = contiguous(turned)
        return dense.copy() if dense is turned else dense

    def kernel(self, name: str) -> Any:
        return _factorisations(self.x.device, self.x.dtype)[name]

    def result(self, x: Array) -> Array:
        """`x` in the dtype of results."""
        return x.astype(self.dtype if x.dtype.kind == "c" or self.dtype.kind != "c" else x.dtype, copy=False)


def check_info(info: Array, message: str) -> None:
    """Wait for what a kernel says of each matrix; LinAlgError with `message` and a number unless that is 0."""
    found = info.numpy()
    if found.any():
        where = np.argwhere(found)[0]
        which = f"matrix {tuple(map(int, where))}: " if found.ndim else ""
        raise LinAlgError(which + message.format(int(found[tuple(where)]) - 1))


def identity(like: Array, batch: tuple[int, ...], n: int) -> Array:
    """Identity matrices; the host writes them."""
    made = allocate(Array, like.device, like.dtype, (*batch, n, n))
    made._host()[...] = np.eye(n)
    return made


def stack(x: Array) -> Array:
    """The last two axes exchanged, contiguous."""
    return contiguous(x.transpose(*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))
