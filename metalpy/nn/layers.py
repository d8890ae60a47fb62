"""Layers: modules with parameters, or with options."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import metalpy as mp
from metalpy.array import Array
from metalpy.nn import functional as F
from metalpy.nn.module import Module
from metalpy.ops.windows import Pair, pair

__all__ = [
    "AvgPool2d",
    "BatchNorm2d",
    "Conv1d",
    "Conv2d",
    "Dropout",
    "Embedding",
    "Flatten",
    "GroupNorm",
    "LayerNorm",
    "Linear",
    "MaxPool2d",
    "MultiHeadAttention",
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
        self, in_channels: int, out_channels: int, kernel_size: Pair, stride: Pair = 1, padding: Pair = 0,
        dilation: Pair = 1, groups: int = 1, bias: bool = True, device: Any = None, dtype: Any = mp.float32,
    ) -> None:  # fmt: skip
        super().__init__(in_channels, out_channels, pair(kernel_size), bias, device, dtype,
                         stride=stride, padding=padding, dilation=dilation, groups=groups)  # fmt: skip


class Conv1d(_Convolution):
    """`functional.conv1d` with weights of its own; parameters as for `Conv2d`."""

    _function = staticmethod(F.conv1d)

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, padding: int = 0,
        dilation: int = 1, groups: int = 1, bias: bool = True, device: Any = None, dtype: Any = mp.float32,
    ) -> None:  # fmt: skip
        super().__init__(in_channels, out_channels, (kernel_size,), bias, device, dtype,
                         stride=stride, padding=padding, dilation=dilation, groups=groups)  # fmt: skip


class Embedding(Module):
    """Rows of a table, chosen by integers.

    Parameters
    ----------
    num_embeddings, embedding_dim : int
        Rows, and elements of one.

    Attributes
    ----------
    weight : Array
        ``(num_embeddings, embedding_dim)``, of the standard normal distribution at first.
    """

    def __init__(self, num_embeddings: int, embedding_dim: int, device: Any = None, dtype: Any = mp.float32) -> None:
        super().__init__()
        self.weight = mp.random.normal(0, 1, (num_embeddings, embedding_dim), dtype).to_device(mp.device(device))

    def forward(self, indices: Array) -> Array:
        return F.embedding(indices, self.weight)

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

    def __init__(self, normalized_shape: int, eps: float = 1e-5, device: Any = None, dtype: Any = mp.float32) -> None:
        super().__init__()
        self.eps = eps
        self.weight = mp.ones((normalized_shape,), dtype=dtype, device=device)

    def forward(self, x: Array) -> Array:
        return F.rms_norm(x, self.weight, self.eps)

    def extra_repr(self) -> str:
        return f"{self.weight.shape[0]}, eps={self.eps}"


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


class BatchNorm2d(Module):
    """`functional.batch_norm` of images, with the mean and variance that run as buffers."""

    running_mean: Array
    running_var: Array

    def __init__(
        self, num_features: int, eps: float = 1e-5, momentum: float = 0.1, affine: bool = True, device: Any = None,
        dtype: Any = mp.float32,
    ) -> None:  # fmt: skip
        super().__init__()
        self.eps, self.momentum = eps, momentum
        self.weight = mp.ones((num_features,), dtype=dtype, device=device) if affine else None
        self.bias = mp.zeros((num_features,), dtype=dtype, device=device) if affine else None
        self.register_buffer("running_mean", mp.zeros((num_features,), dtype=dtype, device=device))
        self.register_buffer("running_var", mp.ones((num_features,), dtype=dtype, device=device))

    def forward(self, x: Array) -> Array:
        if x.ndim != 4:
            raise ValueError(f"BatchNorm2d takes images (N, C, H, W), got shape {x.shape}")
        return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, self.training,
                            self.momentum, self.eps)  # fmt: skip

    def extra_repr(self) -> str:
        return f"{self.running_mean.shape[0]}, eps={self.eps}, momentum={self.momentum}"


class Dropout(Module):
    """`functional.dropout`, in training only."""

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Array) -> Array:
        return F.dropout(x, self.p, self.training)

    def extra_repr(self) -> str:
        return f"p={self.p}"


class MaxPool2d(Module):
    """`functional.max_pool2d`."""

    def __init__(self, kernel_size: Pair, stride: Pair | None = None, padding: Pair = 0) -> None:
        super().__init__()
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding

    def forward(self, x: Array) -> Array:
        return F.max_pool2d(x, self.kernel_size, self.stride, self.padding)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool2d(MaxPool2d):
    """`functional.avg_pool2d`."""

    def forward(self, x: Array) -> Array:
        return F.avg_pool2d(x, self.kernel_size, self.stride, self.padding)


class Flatten(Module):
    """All axes from `start_dim` on as one."""

    def __init__(self, start_dim: int = 1) -> None:
        super().__init__()
        self.start_dim = start_dim

    def forward(self, x: Array) -> Array:
        return x.reshape((*x.shape[: self.start_dim], math.prod(x.shape[self.start_dim :])))


class MultiHeadAttention(Module):
    """Attention of several heads, with a linear layer before and behind.

    Parameters
    ----------
    embed_dim : int
        Elements of each vector, of argument and result.
    num_heads : int
        `embed_dim` is split evenly among them.
    bias : bool

    Attributes
    ----------
    q_proj, k_proj, v_proj, out_proj : Linear
    """

    def __init__(
        self, embed_dim: int, num_heads: int, bias: bool = True, device: Any = None, dtype: Any = mp.float32
    ) -> None:
        super().__init__()
        if num_heads < 1 or embed_dim % num_heads:
            raise ValueError(f"vectors of {embed_dim} elements cannot be split among {num_heads} heads")
        self.num_heads = num_heads
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (
            Linear(embed_dim, embed_dim, bias, device, dtype) for _ in range(4)
        )

    def forward(
        self, query: Array, key: Array | None = None, value: Array | None = None, attn_mask: Array | None = None,
        is_causal: bool = False,
    ) -> Array:  # fmt: skip
        """Of ``(N, L, embed_dim)``, and ``(N, S, embed_dim)`` for `key` and `value`, by default `query` itself."""
        key = query if key is None else key
        value = key if value is None else value
        heads = (self._split(self.q_proj(query)), self._split(self.k_proj(key)), self._split(self.v_proj(value)))
        found = F.scaled_dot_product_attention(*heads, attn_mask, is_causal)
        return self.out_proj(found.transpose(0, 2, 1, 3).reshape(query.shape))  # type: ignore[no-any-return]

    def _split(self, x: Array) -> Array:
        """``(N, heads, L, elements)``."""
        return x.reshape((*x.shape[:2], self.num_heads, -1)).transpose(0, 2, 1, 3)

    def extra_repr(self) -> str:
        return f"num_heads={self.num_heads}"
