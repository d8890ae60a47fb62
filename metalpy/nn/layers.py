"""Layers: modules with parameters, or with options."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import metalpy as mp
from metalpy.array import Array
from metalpy.nn import functional as F
from metalpy.nn.module import Module
from metalpy.ops.windows import Pair, pair

__all__ = [
    "AdaptiveAvgPool2d",
    "AvgPool1d",
    "AvgPool2d",
    "BatchNorm1d",
    "BatchNorm2d",
    "Conv1d",
    "Conv2d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "Dropout",
    "Embedding",
    "Flatten",
    "GroupNorm",
    "Identity",
    "LayerNorm",
    "Linear",
    "MaxPool1d",
    "MaxPool2d",
    "PReLU",
    "RMSNorm",
]


def _uniform(shape: tuple[int, ...], fan_in: int, device: Any, dtype: Any) -> Array:
    """Weights between +-1/sqrt(fan_in), as the counterpart initialises linear and convolution layers."""
    bound = 1 / math.sqrt(fan_in) if fan_in else 0.0
    return mp.random.uniform(-bound, bound, shape, dtype).to_device(mp.device(device))


class Linear(Module):
    """``x @ weight.T + bias``.

    Parameters
    ----------
    in_features, out_features : int
        Extents of the last axis of the argument and of the result.
    bias : bool
    device : str, int or Device, optional
    dtype : dtype

    Attributes
    ----------
    weight : Array
        ``(out_features, in_features)``.
    bias : Array or None
        ``(out_features,)``.
    """

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, device: Any = None, dtype: Any = mp.float32
    ) -> None:
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.weight = _uniform((out_features, in_features), in_features, device, dtype)
        self.bias = _uniform((out_features,), in_features, device, dtype) if bias else None

    def forward(self, x: Array) -> Array:
        return F.linear(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


class _Convolution(Module):
    """What convolutions of any number of axes share: weights, and the options of their function."""

    _function: Any

    def __init__(
        self, in_channels: int, out_channels: int, window: tuple[int, ...], bias: bool, device: Any, dtype: Any,
        **options: Any,
    ) -> None:  # fmt: skip
        super().__init__()
        groups = options["groups"]
        if groups < 1 or in_channels % groups or out_channels % groups:
            raise ValueError(f"{in_channels} and {out_channels} channels cannot be split into {groups} groups")
        self.options = options
        shape = (out_channels, in_channels // groups, *window)
        self.weight = _uniform(shape, math.prod(shape[1:]), device, dtype)
        self.bias = _uniform((out_channels,), math.prod(shape[1:]), device, dtype) if bias else None

    def forward(self, x: Array) -> Array:
        return type(self)._function(x, self.weight, self.bias, **self.options)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        out, inner, *window = self.weight.shape
        listed = "".join(f", {name}={value}" for name, value in self.options.items())
        return f"{inner * self.options['groups']}, {out}, kernel_size={tuple(window)}{listed}"


class Conv2d(_Convolution):
    """`functional.conv2d` with weights of its own.

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size, stride, padding, dilation : int or pair of int
    groups : int
    bias : bool
    device : str, int or Device, optional
    dtype : dtype

    Attributes
    ----------
    weight : Array
        ``(out_channels, in_channels / groups, *kernel_size)``.
    bias : Array or None
        ``(out_channels,)``.
    """

    _function = staticmethod(F.conv2d)

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Pair, stride: Pair = 1, padding: Pair | str = 0,
        dilation: Pair = 1, groups: int = 1, bias: bool = True, device: Any = None, dtype: Any = mp.float32,
    ) -> None:  # fmt: skip
        super().__init__(in_channels, out_channels, pair(kernel_size), bias, device, dtype,
                         stride=stride, padding=padding, dilation=dilation, groups=groups)  # fmt: skip


class Conv1d(_Convolution):
    """`functional.conv1d` with weights of its own; parameters as for `Conv2d`."""

    _function = staticmethod(F.conv1d)

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, padding: int | str = 0,
        dilation: int = 1, groups: int = 1, bias: bool = True, device: Any = None, dtype: Any = mp.float32,
    ) -> None:  # fmt: skip
        super().__init__(in_channels, out_channels, (kernel_size,), bias, device, dtype,
                         stride=stride, padding=padding, dilation=dilation, groups=groups)  # fmt: skip


class _Transposed(_Convolution):
    """Convolutions whose weights have the channels of the argument first."""

    def __init__(
        self, in_channels: int, out_channels: int, window: tuple[int, ...], bias: bool, device: Any, dtype: Any,
        **options: Any,
    ) -> None:  # fmt: skip
        super().__init__(out_channels, in_channels, window, False, device, dtype, **options)
        if bias:
            self.bias = _uniform((out_channels,), math.prod(self.weight.shape[1:]), device, dtype)

    def extra_repr(self) -> str:
        inner, out, *window = self.weight.shape
        listed = "".join(f", {name}={value}" for name, value in self.options.items())
        return f"{inner}, {out * self.options['groups']}, kernel_size={tuple(window)}{listed}"


class ConvTranspose2d(_Transposed):
    """`functional.conv_transpose2d` with weights of its own, ``(in_channels, out_channels / groups, *kernel_size)``."""

    _function = staticmethod(F.conv_transpose2d)

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Pair, stride: Pair = 1, padding: Pair = 0,
        output_padding: Pair = 0, groups: int = 1, bias: bool = True, dilation: Pair = 1, device: Any = None,
        dtype: Any = mp.float32,
    ) -> None:  # fmt: skip
        super().__init__(in_channels, out_channels, pair(kernel_size), bias, device, dtype, stride=stride,
                         padding=padding, output_padding=output_padding, groups=groups, dilation=dilation)  # fmt: skip


class ConvTranspose1d(_Transposed):
    """`functional.conv_transpose1d` with weights of its own; parameters as for `ConvTranspose2d`."""

    _function = staticmethod(F.conv_transpose1d)

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, padding: int = 0,
        output_padding: int = 0, groups: int = 1, bias: bool = True, dilation: int = 1, device: Any = None,
        dtype: Any = mp.float32,
    ) -> None:  # fmt: skip
        super().__init__(in_channels, out_channels, (kernel_size,), bias, device, dtype, stride=stride,
                         padding=padding, output_padding=output_padding, groups=groups, dilation=dilation)  # fmt: skip


class PReLU(Module):
    """`functional.prelu` with a weight of its own, for all or for each of `num_parameters` channels."""

    def __init__(
        self, num_parameters: int = 1, init: float = 0.25, device: Any = None, dtype: Any = mp.float32
    ) -> None:
        super().__init__()
        self.weight = mp.full((num_parameters,), init, dtype=dtype, device=device)

    def forward(self, x: Array) -> Array:
        return F.prelu(x, self.weight)

    def extra_repr(self) -> str:
        return f"num_parameters={self.weight.size}"


class Embedding(Module):
    """Rows of a table, chosen by integers.

    Parameters
    ----------
    num_embeddings, embedding_dim : int
        Rows, and elements of one.
    padding_idx : int, optional
        A row that is 0 at first, and has no gradient.

    Attributes
    ----------
    weight : Array
        ``(num_embeddings, embedding_dim)``, of the standard normal distribution at first.
    """

    def __init__(
        self, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None, device: Any = None,
        dtype: Any = mp.float32,
    ) -> None:  # fmt: skip
        super().__init__()
        self.padding_idx = padding_idx
        self.weight = mp.random.normal(0, 1, (num_embeddings, embedding_dim), dtype).to_device(mp.device(device))
        if padding_idx is not None:
            self.weight[padding_idx] = 0

    def forward(self, indices: Array) -> Array:
        return F.embedding(indices, self.weight, self.padding_idx)

    def extra_repr(self) -> str:
        return "{}, {}".format(*self.weight.shape)


class LayerNorm(Module):
    """`functional.layer_norm` with weights of its own, 1 and 0 at first."""

    def __init__(
        self, normalized_shape: int | Sequence[int], eps: float = 1e-5, elementwise_affine: bool = True,
        bias: bool = True, device: Any = None, dtype: Any = mp.float32,
    ) -> None:  # fmt: skip
        super().__init__()
        self.normalized_shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        self.eps = eps
        self.weight = mp.ones(self.normalized_shape, dtype=dtype, device=device) if elementwise_affine else None
        affine = elementwise_affine and bias
        self.bias = mp.zeros(self.normalized_shape, dtype=dtype, device=device) if affine else None

    def forward(self, x: Array) -> Array:
        return F.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}"


class RMSNorm(Module):
    """`functional.rms_norm` with a weight of its own, 1 at first."""

    def __init__(
        self, normalized_shape: int | Sequence[int], eps: float | None = None, elementwise_affine: bool = True,
        device: Any = None, dtype: Any = mp.float32,
    ) -> None:  # fmt: skip
        super().__init__()
        self.normalized_shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        self.eps = eps
        self.weight = mp.ones(self.normalized_shape, dtype=dtype, device=device) if elementwise_affine else None

    def forward(self, x: Array) -> Array:
        return F.rms_norm(x, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}"


class GroupNorm(Module):
    """`functional.group_norm` with weights of its own, 1 and 0 at first."""

    def __init__(
        self, num_groups: int, num_channels: int, eps: float = 1e-5, affine: bool = True, device: Any = None,
        dtype: Any = mp.float32,
    ) -> None:  # fmt: skip
        super().__init__()
        if num_groups < 1 or num_channels % num_groups:
            raise ValueError(f"{num_channels} channels cannot be split into {num_groups} groups")
        self.num_groups, self.eps = num_groups, eps
        self.weight = mp.ones((num_channels,), dtype=dtype, device=device) if affine else None
        self.bias = mp.zeros((num_channels,), dtype=dtype, device=device) if affine else None

    def forward(self, x: Array) -> Array:
        return F.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return f"{self.num_groups}, eps={self.eps}"


class _BatchNorm(Module):
    """`functional.batch_norm` with weights of its own, and with the mean and variance that run as buffers."""

    _shapes: ClassVar[dict[int, str]]
    running_mean: Array | None
    running_var: Array | None
    num_batches_tracked: Array | None

    def __init__(
        self, num_features: int, eps: float = 1e-5, momentum: float = 0.1, affine: bool = True,
        track_running_stats: bool = True, device: Any = None, dtype: Any = mp.float32,
    ) -> None:  # fmt: skip
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.weight = mp.ones((num_features,), dtype=dtype, device=device) if affine else None
        self.bias = mp.zeros((num_features,), dtype=dtype, device=device) if affine else None
        runs = track_running_stats
        self.register_buffer("running_mean", mp.zeros((num_features,), dtype=dtype, device=device) if runs else None)
        self.register_buffer("running_var", mp.ones((num_features,), dtype=dtype, device=device) if runs else None)
        self.register_buffer("num_batches_tracked", mp.zeros((), dtype=mp.int64, device=device) if runs else None)

    def forward(self, x: Array) -> Array:
        if x.ndim not in self._shapes or x.shape[1] != self.num_features:
            wanted = " or ".join(self._shapes.values())
            raise ValueError(f"{type(self).__name__} takes {wanted} with C = {self.num_features}, got shape {x.shape}")
        if self.training and self.num_batches_tracked is not None:
            self.num_batches_tracked += 1
        return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, self.training,
                            self.momentum, self.eps)  # fmt: skip

    def extra_repr(self) -> str:
        return f"{self.num_features}, eps={self.eps}, momentum={self.momentum}"


class BatchNorm1d(_BatchNorm):
    """`functional.batch_norm` of vectors or signals, with weights of its own; parameters as for `BatchNorm2d`."""

    _shapes: ClassVar[dict[int, str]] = {2: "vectors (N, C)", 3: "signals (N, C, L)"}


class BatchNorm2d(_BatchNorm):
    """`functional.batch_norm` of images, with weights of its own.

    Parameters
    ----------
    num_features : int
        Channels.
    eps, momentum : float
    affine : bool
        Whether there are `weight` and `bias`.
    track_running_stats : bool
        Whether there are `running_mean`, `running_var` and `num_batches_tracked`, which training changes.
    """

    _shapes: ClassVar[dict[int, str]] = {4: "images (N, C, H, W)"}


class Dropout(Module):
    """`functional.dropout`, in training only. `inplace` changes nothing: the result is always a new array."""

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Array) -> Array:
        return F.dropout(x, self.p, self.training)

    def extra_repr(self) -> str:
        return f"p={self.p}"


class _Pool(Module):
    _function: Any

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0) -> None:
        super().__init__()
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding

    def forward(self, x: Array) -> Array:
        return type(self)._function(x, self.kernel_size, self.stride, self.padding)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxPool1d(_Pool):
    """`functional.max_pool1d`."""

    _function = staticmethod(F.max_pool1d)


class MaxPool2d(_Pool):
    """`functional.max_pool2d`."""

    _function = staticmethod(F.max_pool2d)


class AvgPool1d(_Pool):
    """`functional.avg_pool1d`."""

    _function = staticmethod(F.avg_pool1d)


class AvgPool2d(_Pool):
    """`functional.avg_pool2d`."""

    _function = staticmethod(F.avg_pool2d)


class AdaptiveAvgPool2d(Module):
    """`functional.adaptive_avg_pool2d`."""

    def __init__(self, output_size: Pair) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(self, x: Array) -> Array:
        return F.adaptive_avg_pool2d(x, self.output_size)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class Identity(Module):
    """Its argument. Arguments for making it are ignored."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__()

    def forward(self, x: Any) -> Any:
        return x


class Flatten(Module):
    """All axes from `start_dim` to `end_dim` as one."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, x: Array) -> Array:
        first, last = self.start_dim % x.ndim, self.end_dim % x.ndim
        return x.reshape((*x.shape[:first], math.prod(x.shape[first : last + 1]), *x.shape[last + 1 :]))
