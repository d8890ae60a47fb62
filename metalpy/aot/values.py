"""Arguments of recorded launches as JSON: numbers, bytes, sequences, dicts, and references to arrays."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from metalpy._core.dispatch import ERROR_BUFFER
from metalpy.array import Array
from metalpy.dtypes import as_dtype
from metalpy.errors import PackageError

__all__ = ["Reference", "arrays_in", "decode", "decode_dtype", "encode", "encode_dtype", "is_size", "substituted"]

MOST_NESTED = 64
_LARGEST = 1 << 62
_DTYPES = frozenset("bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 bfloat16 float32 complex64".split())


@dataclass(frozen=True)
class Reference:
    """An array in a buffer of a package; `strides` None says that it is contiguous, `buffer` None that it is empty."""

    buffer: int | None
    offset: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    strides: tuple[int, ...] | None = None

    @property
    def extent(self) -> tuple[int, int]:
        """Bytes of the buffer before the lowest element, and up to the end of the highest."""
        if 0 in self.shape:
            return self.offset, self.offset
        if self.strides is None:
            return self.offset, self.offset + math.prod(self.shape) * self.dtype.itemsize
        reach = [(extent - 1) * step for extent, step in zip(self.shape, self.strides, strict=True)]
        low = self.offset + sum(step for step in reach if step < 0)
        return low, self.offset + sum(step for step in reach if step > 0) + self.dtype.itemsize

    def to_json(self) -> dict[str, Any]:
        given: dict[str, Any] = {"array": self.buffer, "offset": self.offset, "dtype": encode_dtype(self.dtype)}
        given["shape"] = list(self.shape)
        if self.strides is not None:
            given["strides"] = list(self.strides)
        return given

    @classmethod
    def from_json(cls, given: Any) -> Reference:
        allowed = {"array", "offset", "dtype", "shape", "strides"}
        if not isinstance(given, dict) or not allowed - {"strides"} <= set(given) <= allowed:
            raise PackageError(f"a reference to an array has the keys {sorted(allowed)}, got {_short(given)}")
        buffer, shape, strides = given["array"], given["shape"], given.get("strides")
        if not (buffer is None or is_size(buffer)) or not is_size(given["offset"]):
            raise PackageError(f"a reference to an array needs a buffer and an offset, got {_short(given)}")
        if not isinstance(shape, list) or len(shape) > MOST_NESTED or not all(map(is_size, shape)):
            raise PackageError(f"a shape is a list of sizes, got {_short(shape)}")
        if strides is not None and (
            not isinstance(strides, list) or len(strides) != len(shape) or not all(map(_is_step, strides))
        ):
            raise PackageError(f"strides are as many integers as the shape has, got {_short(strides)}")
        if buffer is None and 0 not in shape:
            raise PackageError(f"an array of shape {tuple(shape)} must be in a buffer")
        dtype = decode_dtype(given["dtype"])
        return cls(buffer, given["offset"], dtype, tuple(shape), None if strides is None else tuple(strides))


def is_size(value: Any) -> bool:
    """True of an integer that bytes, elements and indices may be counted with."""
    return type(value) is int and 0 <= value < _LARGEST


def _is_step(value: Any) -> bool:
    return type(value) is int and -_LARGEST < value < _LARGEST


def encode_dtype(dtype: np.dtype[Any]) -> Any:
    """A dtype's name; of a record its fields."""
    return np.lib.format.dtype_to_descr(dtype) if dtype.names else dtype.name


def decode_dtype(given: Any) -> np.dtype[Any]:
    try:
        if isinstance(given, str) and given in _DTYPES:
            return as_dtype(given)
        if isinstance(given, list) and given:
            dtype = np.lib.format.descr_to_dtype(_as_tuples(given))
            if dtype.names and not dtype.hasobject:
                return dtype
    except (TypeError, ValueError, KeyError, IndexError, AttributeError, RecursionError):
        pass
    raise PackageError(f"{_short(given)} is no dtype of arrays")


def _as_tuples(descr: list[Any]) -> list[Any]:
    """JSON has no tuples: fields and shapes are."""
    fields = []
    for field in descr:
        name, kind, *shape = field
        entry = (name, _as_tuples(kind) if isinstance(kind, list) else kind)
        fields.append((*entry, tuple(shape[0])) if shape else entry)
    return fields


def encode(value: Any, refer: Callable[[Array], Reference], what: str) -> Any:
    """`value` as JSON; `what` names it in errors."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": repr(value)}
    if isinstance(value, Array):
        return refer(value).to_json()
    if value is ERROR_BUFFER:
        return {"errors": True}
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {"bytes": _base64(bytes(value))}
    if isinstance(value, complex):
        return {"complex": [encode(value.real, refer, what), encode(value.imag, refer, what)]}
    if isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind in "biufcV" and not value.dtype.hasobject:
        host = np.ascontiguousarray(value)
        name = encode_dtype(host.dtype)
        return {"numbers": _base64(host.tobytes()), "dtype": name, "shape": list(np.shape(value))}
    if isinstance(value, (list, tuple)):
        return [encode(item, refer, what) for item in value]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {"dict": {key: encode(item, refer, what) for key, item in value.items()}}
    raise PackageError(f"{what} is a {type(value).__name__}, which a package cannot hold")


def decode(given: Any, depth: int = 0) -> Any:
    """The value again, with a `Reference` where an array was."""
    if depth > MOST_NESTED:
        raise PackageError(f"values are nested more than {MOST_NESTED} deep")
    if given is None or isinstance(given, (bool, int, float, str)):
        return given
    if isinstance(given, list):
        return [decode(item, depth + 1) for item in given]
    if isinstance(given, dict):
        keys = set(given)
        if "array" in keys:
            return Reference.from_json(given)
        if keys == {"dict"} and isinstance(given["dict"], dict):
            return {key: decode(item, depth + 1) for key, item in given["dict"].items()}
        if keys == {"errors"}:
            return ERROR_BUFFER
        if keys == {"float"} and given["float"] in ("nan", "inf", "-inf"):
            return float(given["float"])
        if keys == {"bytes"}:
            return _from_base64(given["bytes"])
        if keys == {"complex"} and isinstance(given["complex"], list) and len(given["complex"]) == 2:
            real, imaginary = (decode(part, depth + 1) for part in given["complex"])
            if isinstance(real, float) and isinstance(imaginary, float):
                return complex(real, imaginary)
        if keys == {"numbers", "dtype", "shape"}:
            return _numbers(given)
    raise PackageError(f"{_short(given)} is no value of an argument")


def _numbers(given: dict[str, Any]) -> Any:
    data, shape = _from_base64(given["numbers"]), given["shape"]
    if given["dtype"] in ("float64", "complex128"):
        dtype: np.dtype[Any] = np.dtype(given["dtype"])
    else:
        dtype = decode_dtype(given["dtype"])
    if not isinstance(shape, list) or len(shape) > MOST_NESTED or not all(map(is_size, shape)):
        raise PackageError(f"a shape is a list of sizes, got {_short(shape)}")
    if math.prod(shape) * dtype.itemsize != len(data):
        raise PackageError(f"{len(data)} bytes are no numbers of shape {tuple(shape)} and dtype {dtype}")
    host = np.frombuffer(data, dtype).reshape(shape)
    return host if shape else host[()]


def arrays_in(value: Any, kind: type[Any] = Array) -> Iterator[Any]:
    """The arrays, or what else is of class `kind`, in an argument."""
    if isinstance(value, kind):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from arrays_in(item, kind)
    elif isinstance(value, dict):
        for item in value.values():
            yield from arrays_in(item, kind)


def substituted(value: Any, array: Callable[[Reference], Array]) -> Any:
    """`value` with arrays in place of references."""
    if isinstance(value, Reference):
        return array(value)
    if isinstance(value, list):
        return [substituted(item, array) for item in value]
    if isinstance(value, dict):
        return {key: substituted(item, array) for key, item in value.items()}
    return value


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _from_base64(given: Any) -> bytes:
    try:
        return base64.b64decode(given, validate=True)
    except (TypeError, ValueError, binascii.Error):
        raise PackageError(f"{_short(given)} is not base64") from None


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
