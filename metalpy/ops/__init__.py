"""Operations on arrays by metalpy's own kernels, and the registry of composite ones."""

from metalpy.ops.registry import lookup, names, register

__all__ = ["lookup", "names", "register"]
