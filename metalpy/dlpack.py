"""DLPack, by NumPy's ways of giving and taking it, and with bfloat16, which NumPy lacks there."""

from __future__ import annotations

from typing import Any

import numpy as np

from metalpy import dtypes
from metalpy._core.dlpack import device_of, element_type, is_capsule, relabel

__all__ = ["export", "host_of"]

_UINT, _BFLOAT = 1, 4  # codes of types in DLPack
_KINDS = ("int", "uint", "float", "handle", "bfloat", "complex", "bool")


def export(host: np.ndarray, **options: Any) -> Any:
    """A capsule over the memory of a NumPy array, with the options of ``__dlpack__``."""
    if options.get("copy"):
        host, options["copy"] = host.copy(), None
    if any(stride < 0 for stride in host.strides):  # PyTorch ends the process when it gets such memory
        raise BufferError(f"memory with negative strides, here {host.strides}, is not exported, as few libraries can "
                          "use it; pass a copy: x.copy()")  # fmt: skip
    if host.dtype.name != "bfloat16":
        return host.__dlpack__(**options)
    capsule = host.view(np.uint16).__dlpack__(**options)
    relabel(capsule, _BFLOAT)
    return capsule


def host_of(x: Any) -> np.ndarray:
    """A NumPy array over the memory of an object with ``__dlpack__``, or of a capsule.

    Raises
    ------
    TypeError
        If `x` is neither, or has elements that NumPy lacks.
    BufferError
        If the host does not see its memory, or its owner does not give it.
    """
    given = _Given(x)
    try:
        host = np.from_dlpack(given)
    except RuntimeError as error:  # NumPy's word for elements and devices that it does not know
        raise given.refusal() from error
    return host.view(dtypes.bfloat16) if given.is_bfloat16 else host


class _Given:
    """What another library gives, as NumPy takes it: bfloat16 goes by the name of uint16."""

    def __init__(self, source: Any) -> None:
        if not is_capsule(source) and not hasattr(source, "__dlpack__"):
            raise TypeError(f"from_dlpack takes an object with __dlpack__, got {type(source).__name__}; use array()")
        is_negative = getattr(source, "is_neg", None)
        if callable(is_negative) and is_negative():  # PyTorch gives the memory without a word about it
            raise BufferError("the tensor's elements are to be negated when they are read; pass x.resolve_neg()")
        self.source = source
        self.is_bfloat16 = False
        self.type, self.device = (0, 0, 0), (0, 0)

    def __dlpack_device__(self) -> tuple[int, int]:
        return device_of(self.source) if is_capsule(self.source) else self.source.__dlpack_device__()

    def __dlpack__(self, **options: Any) -> Any:
        capsule = self.source if is_capsule(self.source) else self.source.__dlpack__(**options)
        self.type, self.device = element_type(capsule), device_of(capsule)
        if self.type == (_BFLOAT, 16, 1):
            self.is_bfloat16 = True
            relabel(capsule, _UINT)
        return capsule

    def refusal(self) -> Exception:
        if self.device[0] != 1:
            return BufferError(f"the host does not see memory of DLPack's device {self.device}; copy it to the host")
        code, bits, lanes = self.type
        name = f"{_KINDS[code]}{bits}" if code < len(_KINDS) else f"DLPack's type {code} of {bits} bits"
        return TypeError(f"Metal has no {name}" + (f" x {lanes}" if lanes > 1 else ""))
