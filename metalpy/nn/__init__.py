"""Modules of neural networks, and the functions they are made of."""

from metalpy.nn import functional
from metalpy.nn.layers import *  # noqa: F403
from metalpy.nn.layers import __all__ as _layers
from metalpy.nn.module import Module, ModuleList, Parameter, Sequential
from metalpy.nn.stateless import *  # noqa: F403
from metalpy.nn.stateless import __all__ as _stateless

__all__ = ["Module", "ModuleList", "Parameter", "Sequential", "functional", *_layers, *_stateless]
