"""Activations and losses as modules, for `Sequential` and for those who like them so."""

from __future__ import annotations

from typing import Any

from metalpy.array import Array
from metalpy.nn import functional as F
from metalpy.nn.module import Module

__all__ = [
    "ELU",
    "GELU",
    "BCEWithLogitsLoss",
    "CrossEntropyLoss",
    "HuberLoss",
    "L1Loss",
    "LeakyReLU",
    "LogSoftmax",
    "MSELoss",
    "NLLLoss",
    "ReLU",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Tanh",
]


class _Applied(Module):
    """A function of `functional` with options that are given once."""

    _function: Any

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.options = options

    def forward(self, *args: Array) -> Array:
        return type(self)._function(*args, **self.options)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={value!r}" for name, value in self.options.items())


def _module(name: str, function: Any, **defaults: Any) -> type[Module]:
    """A module class over a function, whose options may be given by position, too."""

    def __init__(self: Any, *values: Any, **options: Any) -> None:
        if len(values) > len(defaults):
            raise TypeError(f"{name} takes {len(defaults)} options, got {len(values)}")
        for option in options:
            if option not in defaults:
                raise TypeError(f"{name} has no option {option!r}; it has {', '.join(defaults) or 'none'}")
        _Applied.__init__(self, **{**defaults, **dict(zip(defaults, values, strict=False)), **options})

    text = f"`functional.{function.__name__}` as a module."
    body = {"__init__": __init__, "_function": staticmethod(function), "__doc__": text, "__module__": "metalpy.nn"}
    return type(name, (_Applied,), body)


ReLU = _module("ReLU", F.relu)
LeakyReLU = _module("LeakyReLU", F.leaky_relu, negative_slope=0.01)
ELU = _module("ELU", F.elu, alpha=1.0)
GELU = _module("GELU", F.gelu, approximate="none")
SiLU = _module("SiLU", F.silu)
Sigmoid = _module("Sigmoid", F.sigmoid)
Tanh = _module("Tanh", F.tanh)
Softplus = _module("Softplus", F.softplus)
Softmax = _module("Softmax", F.softmax, axis=-1)
LogSoftmax = _module("LogSoftmax", F.log_softmax, axis=-1)
MSELoss = _module("MSELoss", F.mse_loss, reduction="mean")
L1Loss = _module("L1Loss", F.l1_loss, reduction="mean")
HuberLoss = _module("HuberLoss", F.huber_loss, reduction="mean", delta=1.0)
CrossEntropyLoss = _module("CrossEntropyLoss", F.cross_entropy, reduction="mean", label_smoothing=0.0)
NLLLoss = _module("NLLLoss", F.nll_loss, reduction="mean")
BCEWithLogitsLoss = _module("BCEWithLogitsLoss", F.binary_cross_entropy_with_logits, reduction="mean")
