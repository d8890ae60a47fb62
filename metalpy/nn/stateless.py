"""Activations and losses as modules, for `Sequential` and for those who like them so."""

from __future__ import annotations

from typing import Any

from metalpy.array import Array
from metalpy.nn import functional as F
from metalpy.nn.module import Module

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "GLU",
    "SELU",
    "BCELoss",
    "BCEWithLogitsLoss",
    "CosineSimilarity",
    "CrossEntropyLoss",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "HuberLoss",
    "KLDivLoss",
    "L1Loss",
    "LeakyReLU",
    "LogSigmoid",
    "LogSoftmax",
    "MSELoss",
    "Mish",
    "NLLLoss",
    "PixelShuffle",
    "ReLU",
    "ReLU6",
    "SiLU",
    "Sigmoid",
    "SmoothL1Loss",
    "Softmax",
    "Softplus",
    "Softsign",
    "Tanh",
    "Upsample",
]


class _Applied(Module):
    """A function of `functional` with options that are given once."""

    _function: Any

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.options = {name: value for name, value in options.items() if not isinstance(value, Array)}
        for name, value in options.items():
            if isinstance(value, Array):
                self.register_buffer(name, value)

    def forward(self, *args: Array) -> Array:
        arrays = {name: getattr(self, name) for name in self._buffers}
        return type(self)._function(*args, **self.options, **arrays)  # type: ignore[no-any-return]

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
        given = {**defaults, **dict(zip(defaults, values, strict=False)), **options}
        given.pop("inplace", None)  # as they are functions, a new array is made all the same
        _Applied.__init__(self, **given)

    text = f"`functional.{function.__name__}` as a module."
    body = {"__init__": __init__, "_function": staticmethod(function), "__doc__": text, "__module__": "metalpy.nn"}
    return type(name, (_Applied,), body)


ReLU = _module("ReLU", F.relu, inplace=False)
ReLU6 = _module("ReLU6", F.relu6, inplace=False)
LeakyReLU = _module("LeakyReLU", F.leaky_relu, negative_slope=0.01, inplace=False)
ELU = _module("ELU", F.elu, alpha=1.0, inplace=False)
CELU = _module("CELU", F.celu, alpha=1.0, inplace=False)
SELU = _module("SELU", F.selu, inplace=False)
PixelShuffle = _module("PixelShuffle", F.pixel_shuffle, upscale_factor=1)
Upsample = _module("Upsample", F.interpolate, size=None, scale_factor=None, mode="nearest", align_corners=False)
GELU = _module("GELU", F.gelu, approximate="none")
GLU = _module("GLU", F.glu, dim=-1)
SiLU = _module("SiLU", F.silu, inplace=False)
Mish = _module("Mish", F.mish, inplace=False)
Hardtanh = _module("Hardtanh", F.hardtanh, min_val=-1.0, max_val=1.0, inplace=False)
Hardsigmoid = _module("Hardsigmoid", F.hardsigmoid, inplace=False)
Hardswish = _module("Hardswish", F.hardswish, inplace=False)
Sigmoid = _module("Sigmoid", F.sigmoid)
LogSigmoid = _module("LogSigmoid", F.logsigmoid)
Tanh = _module("Tanh", F.tanh)
Softplus = _module("Softplus", F.softplus, beta=1.0)
Softsign = _module("Softsign", F.softsign)
Softmax = _module("Softmax", F.softmax, dim=-1)
LogSoftmax = _module("LogSoftmax", F.log_softmax, dim=-1)
MSELoss = _module("MSELoss", F.mse_loss, reduction="mean")
L1Loss = _module("L1Loss", F.l1_loss, reduction="mean")
SmoothL1Loss = _module("SmoothL1Loss", F.smooth_l1_loss, reduction="mean", beta=1.0)
HuberLoss = _module("HuberLoss", F.huber_loss, reduction="mean", delta=1.0)
CrossEntropyLoss = _module(
    "CrossEntropyLoss", F.cross_entropy, weight=None, ignore_index=-100, reduction="mean", label_smoothing=0.0
)
NLLLoss = _module("NLLLoss", F.nll_loss, weight=None, ignore_index=-100, reduction="mean")
BCELoss = _module("BCELoss", F.binary_cross_entropy, weight=None, reduction="mean")
BCEWithLogitsLoss = _module(
    "BCEWithLogitsLoss", F.binary_cross_entropy_with_logits, weight=None, reduction="mean", pos_weight=None
)
KLDivLoss = _module("KLDivLoss", F.kl_div, reduction="mean", log_target=False)
CosineSimilarity = _module("CosineSimilarity", F.cosine_similarity, dim=1, eps=1e-8)
