"""Functions that make arrays."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np

from metalpy._core.array import allocate as _allocate
from metalpy._core.array import wrap_memory as _wrap_memory
from metalpy.array import Array
from metalpy.device import Device
from metalpy.device import device as _device
from metalpy.dtypes import as_dtype, float32, int32, int64, narrowed
from metalpy.errors import UnsupportedError

__all__ = [
    "arange",
    "array",
    "asarray",
    "empty",
    "empty_like",
    "from_dlpack",
    "full",
    "full_like",
    "ones",
    "ones_like",
    "zeros",
    "zeros_like",
]

_FEW = 4096  # numbers that the host writes sooner than a kernel has written them

Shape: TypeAlias = int | tuple[int, ...] | list[int]
DeviceLike: TypeAlias = str | int | Device | None


def array(obj: Any, /, dtype: Any = None, copy: bool | None = True, device: DeviceLike = None) -> Array:
    """Make an array from numbers, nested sequences, or anything that NumPy understands.

    Parameters
    ----------
    obj : object
        A number, nested sequences of numbers, a NumPy array, an `Array`, or an object with the buffer protocol,
        ``__array__`` or ``__dlpack__``.
    dtype : dtype, optional
        By default what `obj` has, except that Metal's widths apply: float64 becomes float32 and complex128 complex64,
        and Python integers become int32 if all fit, else int64. NumPy integer arrays keep their type.
    copy : bool, optional
        True makes new memory. None copies only if needed: an `Array` of the wanted dtype is returned as it is. False
        never copies: a NumPy array is wrapped in place, and ValueError says why where that is impossible.
    device : str, int or Device, optional

    Returns
    -------
    Array

    Raises
    ------
    TypeError
        If `obj` has a dtype that Metal lacks, or `dtype` names float64 or complex128.
    ValueError
        If nested sequences have different lengths, or a copy is needed and `copy` is False.
    OutOfMemoryError
        If the device has no memory left.
    """
    chosen = _device(device)
    wanted = None if dtype is None else as_dtype(dtype)
    if isinstance(obj, Array):
        return _from_array(obj, wanted, copy, chosen)
    from_python = not isinstance(obj, (np.ndarray, np.generic)) and not hasattr(obj, "__array__")
    if from_python and hasattr(obj, "__dlpack__"):
        host, from_python = _shared(obj), False
    elif from_python and wanted is not None and isinstance(obj, (bool, int, float, complex, list, tuple)):
        host = np.array(obj, wanted)  # in one step, so that integers out of range raise
    else:
        host = _seen(obj)
    if from_python and isinstance(obj, (bytes, bytearray, memoryview)):
        host, from_python = np.asarray(memoryview(obj)), False
    if wanted is None:
        wanted = narrowed(host, from_python)
    if copy is False:
        if wanted != host.dtype or not isinstance(host, np.ndarray):
            raise ValueError(f"{host.dtype} cannot become {wanted} without a copy; leave out copy=False")
        if not np.may_share_memory(host, _seen(obj)) or not host.flags.c_contiguous:
            raise ValueError("only contiguous memory can be wrapped without a copy; leave out copy=False")
        return _wrapped(host, chosen)
    made = _allocate(Array, chosen, wanted, host.shape)
    made._host()[...] = host
    return made


def _seen(obj: Any) -> np.ndarray:
    """What NumPy makes of an object, by DLPack where it does not know the type: PyTorch's bfloat16."""
    try:
        return np.asarray(obj)
    except TypeError:
        if not hasattr(obj, "__dlpack__"):
            raise
    return _shared(obj)


def _shared(obj: Any) -> np.ndarray:
    from metalpy.dlpack import host_of

    return host_of(obj)


def _from_array(source: Array, wanted: np.dtype[Any] | None, copy: bool | None, device: Device) -> Array:
    same = wanted is None or wanted == source.dtype
    if same and source.device is device:
        return source.copy() if copy else source
    if copy is False:
        raise ValueError("another dtype or device needs a copy; leave out copy=False")
    return source.astype(wanted or source.dtype, copy=False, device=device)


def _wrapped(host: np.ndarray, device: Device) -> Array:
    try:
        return _wrap_memory(Array, device, host)
    except UnsupportedError as error:
        raise ValueError(f"this device cannot use the memory in place: {error}; leave out copy=False") from error


def asarray(obj: Any, /, dtype: Any = None, copy: bool | None = None, device: DeviceLike = None) -> Array:
    """Make an array, or return `obj` itself if it is an `Array` of the wanted dtype on the wanted device.

    A NumPy array is copied unless `copy` is False, so that later changes to it do not surprise a kernel at work.
    Parameters, result and errors are those of `array`.
    """
    return array(obj, dtype, copy, device)


def from_dlpack(x: Any, /, *, device: DeviceLike = None, copy: bool | None = None) -> Array:
    """Make an array over the memory of another library's array, without copying it.

    Parameters
    ----------
    x : object
        Has ``__dlpack__``, and memory that the host sees; or a capsule that ``__dlpack__`` gave.
    device : str, int or Device, optional
    copy : bool, optional
        True makes new memory, False never does. None copies only if the device cannot use the memory in place:
        Apple's need it aligned to pages.

    Returns
    -------
    Array
        Read-only if the other library says so. It keeps the memory alive.

    Raises
    ------
    TypeError
        If the elements have a dtype that Metal lacks, such as float64.
    BufferError
        If `x` is in memory that the host does not see, or its library does not give it, as PyTorch if a gradient is
        required.
    ValueError
        If a copy is needed and `copy` is False.
    """
    chosen = _device(device)
    if isinstance(x, Array) and x.device is chosen:
        return x.copy() if copy else x
    host = _shared(x)
    if not copy:
        try:
            return _wrap_memory(Array, chosen, host)
        except UnsupportedError as error:
            if copy is False:
                raise ValueError(f"this device cannot use the memory in place: {error}") from error
    made = _allocate(Array, chosen, host.dtype, host.shape)
    made._host()[...] = host
    return made


def checked_shape(shape: Shape) -> tuple[int, ...]:
    """A shape as a tuple of ints; TypeError if it is none. Extents may still be negative."""
    try:
        return (shape.__index__(),) if hasattr(shape, "__index__") else tuple(n.__index__() for n in shape)
    except (AttributeError, TypeError):
        raise TypeError(f"a shape is an integer or a sequence of integers, got {shape!r}") from None


def empty(shape: Shape, dtype: Any = None, device: DeviceLike = None) -> Array:
    """Make an array whose elements have no particular values.

    Parameters
    ----------
    shape : int or sequence of int
    dtype : dtype, optional
        float32 if not given.
    device : str, int or Device, optional
    """
    return _allocate(Array, _device(device), float32 if dtype is None else as_dtype(dtype), checked_shape(shape))


def zeros(shape: Shape, dtype: Any = None, device: DeviceLike = None) -> Array:
    """Make an array of zeros; parameters as for `empty`."""
    made = empty(shape, dtype, device)
    made._fill_new(bytes(made.itemsize))
    return made


def ones(shape: Shape, dtype: Any = None, device: DeviceLike = None) -> Array:
    """Make an array of ones; parameters as for `empty`."""
    return full(shape, 1, float32 if dtype is None else dtype, device)


def full(shape: Shape, fill_value: Any, dtype: Any = None, device: DeviceLike = None) -> Array:
    """Make an array of equal elements.

    Parameters
    ----------
    shape : int or sequence of int
    fill_value : number or Array without axes
    dtype : dtype, optional
        By default what `array` would give `fill_value`.
    device : str, int or Device, optional

    Raises
    ------
    OverflowError
        If an integer dtype cannot hold `fill_value`.
    """
    if dtype is None:
        host = np.asarray(fill_value)
        dtype = narrowed(host, not isinstance(fill_value, (np.ndarray, np.generic, Array)))
    made = empty(shape, dtype, device)
    element = np.empty((), made.dtype)
    element[...] = fill_value.numpy() if isinstance(fill_value, Array) else fill_value
    made._fill_new(element.tobytes())
    return made


def arange(start: Any, /, stop: Any = None, step: Any = 1, *, dtype: Any = None, device: DeviceLike = None) -> Array:
    """Make an array of evenly spaced numbers, as `numpy.arange` does.

    Parameters
    ----------
    start, stop, step : number
        The half-open interval, ``[0, start)`` if `stop` is None, and the spacing.
    dtype : dtype, optional
        By default int32 for integers (int64 if they do not fit), float32 for floats.
    device : str, int or Device, optional
    """
    if stop is None:
        start, stop = 0, start
    if step == 0:
        raise ValueError("the step of arange is not 0")
    wanted = None if dtype is None else as_dtype(dtype)
    is_integer = all(isinstance(number, (int, np.integer)) for number in (start, stop, step))
    count = max(0, -((start - stop) // step)) if is_integer else max(0, math.ceil((stop - start) / step))
    unusual = wanted is not None and (wanted.kind == "b" or (wanted.kind in "iu" and not is_integer))
    if count <= _FEW or unusual:
        host = np.arange(start, stop, step)
        return array(host, narrowed(host, True) if wanted is None else wanted, device=device)
    if wanted is None:
        limits = np.iinfo(np.int32)
        fits = limits.min <= min(start, start + (count - 1) * step) and max(start, stop - 1) <= limits.max
        wanted = (int32 if fits else int64) if is_integer else float32
    if wanted.kind == "c":
        return arange(start, stop, step, dtype=float32, device=device).astype(wanted)
    from metalpy.ops.moving import sequence

    return sequence(count, start, step, wanted, _device(device))


def empty_like(x: Any, /, dtype: Any = None, device: DeviceLike = None) -> Array:
    """Make an array of the shape, dtype and device of `x` whose elements have no particular values."""
    return empty(*_like(x, dtype, device))


def zeros_like(x: Any, /, dtype: Any = None, device: DeviceLike = None) -> Array:
    """Make an array of zeros of the shape, dtype and device of `x`."""
    return zeros(*_like(x, dtype, device))


def ones_like(x: Any, /, dtype: Any = None, device: DeviceLike = None) -> Array:
    """Make an array of ones of the shape, dtype and device of `x`."""
    return ones(*_like(x, dtype, device))


def full_like(x: Any, /, fill_value: Any, dtype: Any = None, device: DeviceLike = None) -> Array:
    """Make an array of equal elements of the shape, dtype and device of `x`."""
    shape, dtype, device = _like(x, dtype, device)
    return full(shape, fill_value, dtype, device)


def _like(x: Any, dtype: Any, device: DeviceLike) -> tuple[tuple[int, ...], Any, DeviceLike]:
    if isinstance(x, Array):
        return x.shape, x.dtype if dtype is None else dtype, x.device if device is None else device
    host = np.asarray(x)
    return host.shape, narrowed(host, not isinstance(x, (np.ndarray, np.generic))) if dtype is None else dtype, device
