"""Modules of neural networks, and the functions they are made of."""

from metalpy.nn import functional, init
from metalpy.nn.attention import *  # noqa: F403
from metalpy.nn.attention import __all__ as _attention
from metalpy.nn.layers import *  # noqa: F403
from metalpy.nn.layers import __all__ as _layers
from metalpy.nn.module import Module, ModuleDict, ModuleList, Parameter, Sequential
from metalpy.nn.stateless import *  # noqa: F403
from metalpy.nn.stateless import __all__ as _stateless
from metalpy.nn.transformers import TransformerEncoder, TransformerEncoderLayer

__all__ = ["Module", "ModuleDict", "ModuleList", "Parameter", "Sequential", "TransformerEncoder",
           "TransformerEncoderLayer", "functional", "init", *_attention, *_layers,
           *_stateless]  # fmt: skip
