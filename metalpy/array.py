"""Arrays in a device's memory."""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Any

import numpy as np

from metalpy._core.array import ArrayBase
from metalpy._core.array import allocate as _allocate
from metalpy.dtypes import as_dtype
from metalpy.methods import Methods
from metalpy.operators import Operators

__all__ = ["Array"]

_INDEX_TYPES = (int, np.integer, slice, types.EllipsisType, types.NoneType)


class Array(Operators, Methods, ArrayBase):
    """Elements of one dtype in a device's memory, which the host sees too.

    Made by `metalpy.array`, `zeros`, `empty` and their like. Reading from the host, in whatever way, first waits for
    the kernels that use the array. Indexing, `reshape`, `T` and `view` give arrays over the same memory. Operators
    work element by element, on the device and without waiting, with NumPy's types and broadcasting; float64 and
    complex128 become float32 and complex64.

    Attributes
    ----------
    shape, strides : tuple of int
        Elements, and bytes from one to the next, along each axis.
    dtype : numpy.dtype
    ndim, size, nbytes, itemsize : int
        Axes; elements; bytes of all elements and of one.
    device : Device
    offset : int
        Bytes from the start of the memory to the first element.
    contiguous, writable : bool
        True if the elements lie in C order without gaps, as kernels need them; if they may be written.
    """

    __slots__ = ()

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def T(self) -> Array:
        """The array with its axes in reverse order."""
        return self._view_of(self._host().T)

    # ---- to the host ----

    def numpy(self) -> np.ndarray:
        """A NumPy array over the same memory, which it keeps alive.

        Waits for kernels that use the array. It does not wait for those launched afterwards: call
        `metalpy.mps.synchronize` before looking at the result through an older view.

        Raises
        ------
        KernelFaultError, KernelReportedError, TimeLimitError
            If a kernel failed since the last call that waited.
        """
        self._wait()
        return self._host()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        host = self.numpy()
        if dtype is not None and np.dtype(dtype) != host.dtype:
            if copy is False:
                raise ValueError(f"{self.dtype} cannot be seen as {np.dtype(dtype)} without a copy")
            return host.astype(dtype)
        return host.copy() if copy else host

    def __dlpack__(
        self,
        *,
        stream: Any = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> Any:
        """A DLPack capsule over the same memory, as host memory. Waits for kernels that use the array.

        Raises
        ------
        BufferError
            For bfloat16 (export ``x.view("uint16")``), and for read-only arrays to a consumer that asks for a version
            of DLPack before 1.0.
        """
        if stream is not None:
            raise BufferError("memory seen from the host has no streams: stream must be None")
        return self.numpy().__dlpack__(max_version=max_version, dl_device=dl_device, copy=copy)

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0)  # kDLCPU

    def item(self) -> Any:
        """The only element as a Python number; ValueError if there is not exactly one."""
        return self.numpy().item()

    def tolist(self) -> Any:
        """The elements as nested lists of Python numbers; a number if there are no axes."""
        return self.numpy().tolist()

    def __repr__(self) -> str:
        values = np.array2string(self.numpy(), separator=", ", prefix="array(")
        shape = f", shape={self.shape}" if self.size == 0 and self.shape != (0,) else ""
        return f"array({values}{shape}, dtype={self.dtype}, device='{self.device}')"

    def __str__(self) -> str:
        return str(self.numpy())

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("an array without axes has no length")
        return self.shape[0]

    def __iter__(self) -> Iterator[Array]:
        for index in range(len(self)):
            yield self[index]

    def __contains__(self, value: Any) -> bool:
        return value in self.numpy()

    def __bool__(self) -> bool:
        return bool(self.numpy())

    def __int__(self) -> int:
        return int(self._only_element("int"))

    def __float__(self) -> float:
        return float(self._only_element("float"))

    def __complex__(self) -> complex:
        return complex(self._only_element("complex"))

    def __index__(self) -> int:
        if self.shape or self.dtype.kind not in "iu":
            raise TypeError("only an integer array without axes can be an index")
        return int(self.item())

    def _only_element(self, target: str) -> Any:
        if self.size != 1:
            raise TypeError(f"only an array with one element can become {target}, this one has shape {self.shape}")
        return self.item()

    # ---- views ----

    def __getitem__(self, key: Any) -> Array:
        """The elements at `key`, over the same memory.

        Integers, slices, ``...`` and None, and tuples of them, as in NumPy. An integer for each axis gives an array
        without axes, not a number: see `item`.

        Raises
        ------
        IndexError
            If an integer is out of bounds, or there are too many of them.
        TypeError
            For lists, arrays and masks, which select a copy: use ``x.numpy()[key]``.
        """
        parts = key if isinstance(key, tuple) else (key,)
        for part in parts:
            if not isinstance(part, _INDEX_TYPES) or isinstance(part, bool):
                raise TypeError(
                    f"arrays are indexed by integers, slices, ... and None, got {type(part).__name__}; "
                    "index x.numpy() for a copy of chosen elements"
                )
        if not any(part is Ellipsis for part in parts):
            parts = (*parts, Ellipsis)
        return self._view_of(self._host()[parts])

    def __setitem__(self, key: Any, value: Any) -> None:
        """Set elements from the host. Waits for kernels that use the array; `key` may be anything NumPy takes."""
        if isinstance(value, Array):
            value = value.numpy()
        if isinstance(key, Array):
            key = key.numpy()
        host = self.numpy()
        if not self.writable:
            raise ValueError("the array is read-only")
        host[key] = value

    def reshape(self, *shape: Any, copy: bool | None = None) -> Array:
        """The same elements under another shape; one extent may be -1.

        Parameters
        ----------
        *shape : int or tuple of int
        copy : bool, optional
            False raises ValueError where the layout makes a copy necessary; True always copies.
        """
        wanted = shape[0] if len(shape) == 1 and not isinstance(shape[0], int) else shape
        source = self.copy() if copy else self
        try:
            return source._view_of(np.reshape(source._host(), wanted, copy=False))
        except ValueError:
            if copy is False or self.contiguous:
                raise
            return self.copy().reshape(wanted)

    def ravel(self) -> Array:
        """The elements along one axis, in C order; a copy if the array is not contiguous."""
        return self.reshape(-1)

    def transpose(self, *axes: Any) -> Array:
        """The array with its axes in the order `axes`, by default reversed."""
        return self._view_of(self._host().transpose(*axes))

    def view(self, dtype: Any) -> Array:
        """The same bytes as elements of another dtype.

        If the sizes differ, the last axis changes and must be contiguous; ValueError if its bytes do not divide.
        """
        return self._view_of(self._host().view(as_dtype(dtype)))

    def _view_of(self, host: np.ndarray) -> Array:
        """An array over the part of this one's memory that the NumPy array `host`, a view of it, covers."""
        if self._block is None or host.size == 0:
            return self._derive(host.dtype, host.shape, None, self.offset)
        offset = host.__array_interface__["data"][0] - self._block.address
        return self._derive(host.dtype, host.shape, host.strides, offset)

    # ---- copies ----

    def copy(self) -> Array:
        """A contiguous copy. The device makes it, in order with the kernels, if this array is contiguous."""
        made = _allocate(Array, self.device, self.dtype, self.shape)
        if self.contiguous:
            made._copy_from(self)
        else:
            made._host()[...] = self.numpy()
        return made

    def __copy__(self) -> Array:
        return self.copy()

    def __deepcopy__(self, memo: dict[int, Any]) -> Array:
        return self.copy()

    def astype(self, dtype: Any, copy: bool = True) -> Array:
        """A copy with the elements converted as NumPy does; the array itself if nothing changes and `copy` is False.

        Raises
        ------
        TypeError
            For float64 and complex128, which Metal lacks.
        """
        wanted = as_dtype(dtype)
        if wanted == self.dtype:
            return self.copy() if copy else self
        made = _allocate(Array, self.device, wanted, self.shape)
        made._host()[...] = self.numpy()
        return made

    def fill(self, value: Any) -> None:
        """Set every element. The device does it, in order with the kernels, if the array is contiguous.

        Raises
        ------
        OverflowError
            If an integer type cannot hold `value`.
        ValueError
            If the array is read-only.
        """
        if not self.writable:
            raise ValueError("the array is read-only")
        if not self.contiguous or self.itemsize not in (1, 2, 4, 8, 16):
            self[...] = value
            return
        element = np.empty((), self.dtype)
        element[...] = value.numpy() if isinstance(value, Array) else value
        self._fill(element.tobytes())


Array.__module__ = "metalpy"
