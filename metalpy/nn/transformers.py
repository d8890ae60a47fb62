"""Layers of transformers, in the counterpart's layout."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import metalpy as mp
from metalpy.array import Array
from metalpy.nn import functional as F
from metalpy.nn.attention import MultiheadAttention
from metalpy.nn.layers import Dropout, LayerNorm, Linear
from metalpy.nn.module import Module, ModuleList

__all__ = ["TransformerEncoder", "TransformerEncoderLayer"]


class TransformerEncoderLayer(Module):
    """Attention of a sequence to itself, then two linear layers, each added to what it was given.

    Parameters
    ----------
    d_model, nhead : int
        Elements of each vector; heads of the attention.
    dim_feedforward : int
        Elements between the linear layers.
    dropout : float
    activation : {"relu", "gelu"} or callable
    layer_norm_eps : float
    batch_first : bool
        Sequences are ``(N, L, d_model)`` instead of ``(L, N, d_model)``.
    norm_first : bool
        Norms before the two parts instead of behind them.
    bias : bool

    Source: A. Vaswani et al., "Attention Is All You Need", 2017; `norm_first` is that of R. Xiong et al., "On Layer
    Normalization in the Transformer Architecture", 2020.
    """

    def __init__(
        self, d_model: int, nhead: int, dim_feedforward: int = 2048, dropout: float = 0.1,
        activation: str | Callable[[Array], Array] = "relu", layer_norm_eps: float = 1e-5, batch_first: bool = False,
        norm_first: bool = False, bias: bool = True, device: Any = None, dtype: Any = mp.float32,
    ) -> None:  # fmt: skip
        super().__init__()
        if isinstance(activation, str) and activation not in ("relu", "gelu"):
            raise ValueError(f"activation is 'relu', 'gelu' or a function, got {activation!r}")
        self.self_attn = MultiheadAttention(d_model, nhead, dropout, bias, batch_first, device, dtype)
        self.linear1 = Linear(d_model, dim_feedforward, bias, device, dtype)
        self.linear2 = Linear(dim_feedforward, d_model, bias, device, dtype)
        self.norm1, self.norm2 = (LayerNorm(d_model, layer_norm_eps, True, bias, device, dtype) for _ in range(2))
        self.dropout, self.dropout1, self.dropout2 = (Dropout(dropout) for _ in range(3))
        self.activation = getattr(F, activation) if isinstance(activation, str) else activation
        self.norm_first = norm_first

    def forward(
        self, src: Array, src_mask: Array | None = None, src_key_padding_mask: Array | None = None,
        is_causal: bool = False,
    ) -> Any:  # fmt: skip
        """Of a sequence to one of its shape; masks are those of `MultiheadAttention`."""
        masks = (src_mask, src_key_padding_mask, is_causal)
        if self.norm_first:
            x = src + self._attend(self.norm1(src), *masks)
            return x + self._feed(self.norm2(x))
        x = self.norm1(src + self._attend(src, *masks))
        return self.norm2(x + self._feed(x))

    def _attend(self, x: Array, mask: Array | None, padding: Array | None, is_causal: bool) -> Any:
        found, _ = self.self_attn(x, x, x, padding, need_weights=False, attn_mask=mask, is_causal=is_causal)
        return self.dropout1(found)

    def _feed(self, x: Array) -> Any:
        return self.dropout2(self.linear2(self.dropout(self.activation(self.linear1(x)))))


class TransformerEncoder(Module):
    """Layers one after the other: `num_layers` copies of one, then a norm if there is one."""

    def __init__(self, encoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        super().__init__()
        self.layers = ModuleList(copy.deepcopy(encoder_layer) for _ in range(num_layers))
        self.norm = norm

    def forward(
        self, src: Array, mask: Array | None = None, src_key_padding_mask: Array | None = None, is_causal: bool = False
    ) -> Any:
        """As of its layers."""
        for layer in self.layers:
            src = layer(src, mask, src_key_padding_mask, is_causal)
        return src if self.norm is None else self.norm(src)
