"""Arrays in a device's memory."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np

from metalpy._core.array import ArrayBase
from metalpy._core.array import allocate as _allocate
from metalpy._core.views import reshaped, transposed, view_at
from metalpy.autograd.tape import primitive, refuse_in_place
from metalpy.device import device as _device
from metalpy.dtypes import as_dtype
from metalpy.errors import MetalError
from metalpy.methods import Methods
from metalpy.numpy_protocol import NumpyProtocol
from metalpy.operators import Operators, _elementwise

__all__ = ["Array"]

_INDEX_TYPES = (int, np.integer, slice, types.EllipsisType, types.NoneType)


def _indexing(part: Any) -> ModuleType:
    from metalpy.ops import indexing

    if not indexing.is_advanced(part):
        raise TypeError(
            f"arrays are indexed by integers, slices, ..., None, and arrays of integers or bools, not by "
            f"{type(part).__name__}"
        )
    return indexing


def _dropped(value: Array, shape: tuple[int, ...]) -> Array:
    """`value` without leading axes of extent 1 that `shape` has not, after a look whether it broadcasts."""
    while value.ndim > len(shape) and value.shape[0] == 1:
        value = value.reshape(value.shape[1:])
    if np.broadcast_shapes(value.shape, shape) != shape:
        raise ValueError(f"an array of shape {value.shape} does not broadcast to {shape}")
    return value


class Array(Operators, Methods, NumpyProtocol, ArrayBase):
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
    def T(self) -> Array:
        """The array with its axes in reverse order."""
        return self.transpose()

    @property
    def mT(self) -> Array:
        """The matrices in the last two axes, transposed.

        Raises
        ------
        ValueError
            If there are fewer than two axes.
        """
        if len(self.shape) < 2:
            raise ValueError(f"mT needs two axes, the array has shape {self.shape}")
        axes = range(len(self.shape))
        return self.transpose(*axes[:-2], axes[-1], axes[-2])

    def __array_namespace__(self, /, *, api_version: str | None = None) -> ModuleType:
        """The module `metalpy`, which follows the Python array API.

        Raises
        ------
        ValueError
            For a version of the standard that metalpy does not know.
        """
        if api_version not in (None, "2021.12", "2022.12", "2023.12", "2024.12"):
            raise ValueError(f"metalpy follows the array API up to 2024.12, not {api_version!r}")
        return sys.modules["metalpy"]

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
            If a stride is negative, which some libraries do not survive, unless `copy` is true; and for read-only
            arrays to a consumer that asks for a version of DLPack before 1.0.
        """
        if stream is not None:
            raise BufferError("memory seen from the host has no streams: stream must be None")
        from metalpy.dlpack import export

        return export(self.numpy(), max_version=max_version, dl_device=dl_device, copy=copy)

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0)  # kDLCPU

    def to_numpy(self) -> np.ndarray:
        """See `numpy`; libraries that draw and tabulate look for this name."""
        return self.numpy()

    def tobytes(self) -> bytes:
        """The elements' bytes, in C order."""
        return self.numpy().tobytes()

    def item(self, *place: int) -> Any:
        """The only element as a Python number, or the one at an index, in C order if that is one number.

        Raises
        ------
        ValueError
            If there is not exactly one, and no index.
        IndexError
            If the index is out of bounds.
        """
        return self.numpy().item(*place)

    def tolist(self) -> Any:
        """The elements as nested lists of Python numbers; a number if there are no axes."""
        return self.numpy().tolist()

    def __repr__(self) -> str:
        values = np.array2string(self.numpy(), separator=", ", prefix="array(")
        shape = f", shape={self.shape}" if self.size == 0 and self.shape != (0,) else ""
        return f"array({values}{shape}, dtype={self.dtype}, device='{self.device}')"

    def __str__(self) -> str:
        return str(self.numpy())

    def __format__(self, how: str) -> str:
        return format(self.item() if how and self.size == 1 else self.numpy(), how)

    def __round__(self, digits: int | None = None) -> Any:
        return round(self._only_element("a whole number"), digits) if digits is None else self.round(digits)

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

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_"):
            from metalpy.foreign_names import of_array

            raise AttributeError(
                f"{type(self).__name__!r} object has no attribute {name!r}{of_array(name)}", name=name, obj=self
            )
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self)

    def _only_element(self, target: str) -> Any:
        if self.size != 1:
            raise TypeError(f"only an array with one element can become {target}, this one has shape {self.shape}")
        return self.item()

    # ---- views ----

    @primitive
    def __getitem__(self, key: Any) -> Array:
        """The elements at `key`, as in NumPy.

        Integers, slices, ``...`` and None, and tuples of them, give a view of the same memory. An integer for each
        axis gives an array without axes, not a number: see `item`. Arrays of integers or bools, and lists, select a
        copy, which the device makes; masks are waited for, as the shape of the result depends on them. An index out
        of bounds in an array on the device is reported by `KernelReportedError`, from the next call that waits.

        Raises
        ------
        IndexError
            If an integer that the host knows is out of bounds, there are too many of them, or a mask has another
            shape.
        TypeError
            For anything else.
        """
        parts = key if isinstance(key, tuple) else (key,)
        found = view_at(self, parts)
        if found is not None:
            return found
        for part in parts:
            if not isinstance(part, _INDEX_TYPES) or isinstance(part, bool):
                return _indexing(part).get(self, parts)  # type: ignore[no-any-return]
        if not any(part is Ellipsis for part in parts):
            parts = (*parts, Ellipsis)
        return self._view_of(self._host()[parts])

    def __setitem__(self, key: Any, value: Any) -> None:
        """Set the elements at `key`, in order with the kernels and without waiting.

        Keys are those of reading. Where an index array names an element twice, either value may be the one that
        stays. Masks are waited for unless `value` is a number, or broadcasts without them.

        Raises
        ------
        IndexError, TypeError
            As for reading.
        ValueError
            If the array is read-only, or `value` does not broadcast to what is selected.
        """
        refuse_in_place("assignment to elements", self, value)
        if not self.writable:
            raise ValueError("the array is read-only")
        parts = key if isinstance(key, tuple) else (key,)
        for part in parts:
            if not isinstance(part, _INDEX_TYPES) or isinstance(part, bool):
                indexing = _indexing(part)
                given = self._as_elements(value).astype(self.dtype, copy=False)
                return indexing.put(self, parts, given)  # type: ignore[no-any-return]
        view = self[key]
        if not isinstance(value, Array) and np.ndim(value) == 0:
            view.fill(value)
        elif self.itemsize in (1, 2, 4, 8):
            _elementwise().assign_safely(view, _dropped(self._as_elements(value), view.shape))
        else:
            view._wait()
            view._host()[...] = value.numpy() if isinstance(value, Array) else value

    def _as_elements(self, value: Any) -> Array:
        """`value` as an array on the device of this one, of its dtype if it comes from the host."""
        if isinstance(value, Array):  # another dtype is converted where it is written
            return value.to_device(self.device)
        if hasattr(value, "__dlpack__") and not isinstance(value, (np.ndarray, np.generic)):
            from metalpy.creation import asarray

            return asarray(value, device=self.device)
        host = value if isinstance(value, (np.ndarray, np.generic)) else np.array(value, self.dtype)
        made = _allocate(Array, self.device, self.dtype, host.shape)
        made._host()[...] = host
        return made

    @primitive
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
        found = reshaped(source, wanted) if type(wanted) is tuple else None
        if found is not None:
            return found
        try:
            return source._view_of(np.reshape(source._host(), wanted, copy=False))
        except ValueError:
            if copy is False or self.contiguous:
                raise
            return self.copy().reshape(wanted)

    def ravel(self) -> Array:
        """The elements along one axis, in C order; a copy if the array is not contiguous."""
        return self.reshape(-1)

    def flatten(self) -> Array:
        """A copy of the elements along one axis, in C order."""
        return self.copy().reshape(-1)

    @primitive
    def transpose(self, *axes: Any) -> Array:
        """The array with its axes in the order `axes`, by default reversed."""
        order = axes or tuple(range(self.ndim - 1, -1, -1))
        found = transposed(self, order[0] if len(order) == 1 and type(order[0]) is tuple else order)
        return self._view_of(self._host().transpose(*axes)) if found is None else found

    @primitive
    def view(self, dtype: Any) -> Array:
        """The same bytes as elements of another dtype.

        If the sizes differ, the last axis changes and must be contiguous; ValueError if its bytes do not divide.
        """
        wanted = as_dtype(dtype)
        if wanted.itemsize == self.itemsize:
            return self._derive(wanted, self.shape, self.strides, self.offset)
        return self._view_of(self._host().view(wanted))

    def _view_of(self, host: np.ndarray) -> Array:
        """An array over the part of this one's memory that the NumPy array `host`, a view of it, covers."""
        if self._block is None or host.size == 0:
            return self._derive(host.dtype, host.shape, None, self.offset)
        offset = host.__array_interface__["data"][0] - self._block.address
        return self._derive(host.dtype, host.shape, host.strides, offset)

    def sort(self, axis: int = -1) -> None:
        """Sort in place along an axis; see `metalpy.sort`, which makes another array."""
        from metalpy.functions.sorting import sort

        self[...] = sort(self, axis)

    # ---- copies ----

    @primitive
    def copy(self) -> Array:
        """A contiguous copy, which the device makes in order with the kernels."""
        made = _allocate(Array, self.device, self.dtype, self.shape)
        _elementwise().assign(made, self)
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        """By value, with the name of the device; where that is not there, the default device takes it."""
        return _unpickled, (self.numpy(), str(self.device))

    def __copy__(self) -> Array:
        return self.copy()

    def __deepcopy__(self, memo: dict[int, Any]) -> Array:
        return self.copy()

    @primitive
    def astype(self, dtype: Any, copy: bool = True, device: Any = None) -> Array:
        """A copy with the elements converted as NumPy does; the array itself if nothing changes and `copy` is False.

        The device converts, in order with the kernels. Of complex numbers that become real ones the real part stays.

        Parameters
        ----------
        dtype : dtype
        copy : bool
        device : str, int or Device, optional
            Where the result is; by default where the array is.

        Raises
        ------
        TypeError
            For float64 and complex128, which Metal lacks.
        """
        wanted = as_dtype(dtype)
        if device is not None and _device(device) is not self.device:
            return self.astype(wanted, copy=False).to_device(device)
        if wanted == self.dtype:
            return self.copy() if copy else self
        made = _allocate(Array, self.device, wanted, self.shape)
        _elementwise().assign(made, self)
        return made

    @primitive
    def to_device(self, device: Any, /, *, stream: Any = None) -> Array:
        """The array itself if it is on `device`, else a copy there, which waits for the kernels that use the array.

        Raises
        ------
        ValueError
            If `stream` is not None: launches and copies go to the current stream of their device.
        """
        if stream is not None:
            raise ValueError("to_device takes no stream; use `with metalpy.mps.stream(s):` around it")
        wanted = _device(device)
        if wanted is self.device:
            return self
        made = _allocate(Array, wanted, self.dtype, self.shape)
        made._host()[...] = self.numpy()
        return made

    def fill(self, value: Any) -> None:
        """Set every element, in order with the kernels.

        Raises
        ------
        OverflowError
            If an integer type cannot hold `value`.
        ValueError
            If the array is read-only.
        """
        refuse_in_place("fill", self)
        if not self.writable:
            raise ValueError("the array is read-only")
        if isinstance(value, Array):
            if value.size != 1:
                raise ValueError(f"fill takes one number, got an array of shape {value.shape}")
            _elementwise().assign_safely(self, value.reshape(()))
            return
        element = np.empty((), self.dtype)
        element[...] = value
        if self.itemsize not in (1, 2, 4, 8, 16):
            self._wait()
            self._host()[...] = element
        elif self.contiguous:
            self._fill(element.tobytes())
        else:
            one = _allocate(Array, self.device, self.dtype, ())
            one._fill(element.tobytes())
            _elementwise().assign(self, one)


def _unpickled(host: np.ndarray, name: str) -> Array:
    try:
        device = _device(name)
    except MetalError:
        device = _device()
    made = _allocate(Array, device, host.dtype, host.shape)
    made._host()[...] = host
    return made


Array.__module__ = "metalpy"
