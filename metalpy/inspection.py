"""What the array API's `__array_namespace_info__` tells about metalpy."""

from __future__ import annotations

from typing import Any

import numpy as np

from metalpy import dtypes
from metalpy.creation import DeviceLike
from metalpy.device import Device, device, devices
from metalpy.functions.data_types import isdtype

__all__ = ["ArrayNamespaceInfo"]

_STANDARD = (
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "complex64",
)  # fmt: skip
_MAX_RANK = 16  # axes that kernels can walk over, if none of them can be joined


class ArrayNamespaceInfo:
    """Capabilities, devices and dtypes, under the standard's names."""

    def capabilities(self) -> dict[str, Any]:
        """Which optional parts of the standard there are."""
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": _MAX_RANK}

    def default_device(self) -> Device:
        """The device of arrays that are made without naming one."""
        return device()

    def devices(self) -> list[Device]:
        """All devices."""
        return list(devices())

    def default_dtypes(self, *, device: DeviceLike = None) -> dict[str, np.dtype[Any]]:
        """The dtypes of arrays that are made without naming one."""
        return {
            "real floating": dtypes.float32,
            "complex floating": dtypes.complex64,
            "integral": dtypes.int32,
            "indexing": dtypes.int64,
        }

    def dtypes(self, *, device: DeviceLike = None, kind: Any = None) -> dict[str, np.dtype[Any]]:
        """The standard's dtypes that arrays can have, by name, all or those of a kind; see `isdtype`.

        float16 and bfloat16, which the standard does not know, are not among them; nor are float64 and complex128,
        which Metal lacks.
        """
        found = {name: np.dtype(name) for name in _STANDARD}
        return {name: dtype for name, dtype in found.items() if kind is None or isdtype(dtype, kind)}
