"""The counterpart of torch.backends: facts about what arrays and kernels run on."""

from metalpy.backends import mps

__all__ = ["mps"]
