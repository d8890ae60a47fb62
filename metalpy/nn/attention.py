"""Attention as modules: with four linear layers, and in the counterpart's layout of weights and axes."""

from __future__ import annotations

import math
from typing import Any

import metalpy as mp
from metalpy.array import Array
from metalpy.nn import functional as F
from metalpy.nn.layers import Linear
from metalpy.nn.module import Module

__all__ = ["MultiHeadAttention", "MultiheadAttention"]


def _check_heads(embed_dim: int, num_heads: int) -> None:
    if num_heads < 1 or embed_dim % num_heads:
        raise ValueError(f"vectors of {embed_dim} elements cannot be split among {num_heads} heads")


class MultiHeadAttention(Module):
    """Attention of several heads, with a linear layer before and behind.

    `MultiheadAttention` is the same with the counterpart's names of parameters, order of axes and results.

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
        _check_heads(embed_dim, num_heads)
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
        found = F.scaled_dot_product_attention(*heads, attn_mask, is_causal=is_causal)
        return self.out_proj(found.transpose(0, 2, 1, 3).reshape(query.shape))  # type: ignore[no-any-return]

    def _split(self, x: Array) -> Array:
        """``(N, heads, L, elements)``."""
        return x.reshape((*x.shape[:2], self.num_heads, -1)).transpose(0, 2, 1, 3)

    def extra_repr(self) -> str:
        return f"num_heads={self.num_heads}"


class MultiheadAttention(Module):
    """Attention of several heads as `torch.nn.MultiheadAttention` has it: its weights fit, its masks mean the same.

    Parameters
    ----------
    embed_dim : int
        Elements of each vector, of argument and result.
    num_heads : int
        `embed_dim` is split evenly among them.
    dropout : float
        Probability with which a weight is left out in training.
    bias : bool
    batch_first : bool
        Arguments and result are ``(N, L, embed_dim)`` instead of ``(L, N, embed_dim)``.

    Attributes
    ----------
    in_proj_weight : Array
        ``(3 * embed_dim, embed_dim)``: for query, key and value.
    in_proj_bias : Array or None
    out_proj : Linear
    """

    def __init__(
        self, embed_dim: int, num_heads: int, dropout: float = 0.0, bias: bool = True, batch_first: bool = False,
        device: Any = None, dtype: Any = mp.float32,
    ) -> None:  # fmt: skip
        super().__init__()
        _check_heads(embed_dim, num_heads)
        self.embed_dim, self.num_heads, self.dropout, self.batch_first = embed_dim, num_heads, dropout, batch_first
        bound = math.sqrt(6 / (4 * embed_dim))  # X. Glorot and Y. Bengio, 2010, as the counterpart initialises it
        weight = mp.random.uniform(-bound, bound, (3 * embed_dim, embed_dim), dtype)
        self.in_proj_weight = weight.to_device(mp.device(device))
        self.in_proj_bias = mp.zeros((3 * embed_dim,), dtype=dtype, device=device) if bias else None
        self.out_proj = Linear(embed_dim, embed_dim, bias, device, dtype)
        if self.out_proj.bias is not None:
            self.out_proj.bias.fill(0)

    def forward(
        self, query: Array, key: Array, value: Array, key_padding_mask: Array | None = None, need_weights: bool = True,
        attn_mask: Array | None = None, average_attn_weights: bool = True, is_causal: bool = False,
    ) -> tuple[Array, Array | None]:  # fmt: skip
        """What the queries find, and the weights.

        Parameters
        ----------
        query, key, value : Array
            ``(L, N, embed_dim)``, ``(S, N, embed_dim)`` and the same, or with `batch_first` N before L and S; without
            N for a single one.
        key_padding_mask : Array, optional
            ``(N, S)``: bool, True where not to look, or numbers to add.
        need_weights : bool
            Return the weights; None otherwise.
        attn_mask : Array, optional
            ``(L, S)`` or ``(N * num_heads, L, S)``, as `key_padding_mask`.
        average_attn_weights : bool
            The weights are ``(N, L, S)``, the mean over heads, not ``(N, num_heads, L, S)``.
        is_causal : bool
            Each of the L looks at those of the S that do not come after it. Needs no mask.
        """
        if query.ndim == 2:
            batch = 0 if self.batch_first else 1
            padding = None if key_padding_mask is None else key_padding_mask[None]
            query, key, value = (mp.expand_dims(x, axis=batch) for x in (query, key, value))
            out, weights = self.forward(
                query, key, value, padding, need_weights, attn_mask, average_attn_weights, is_causal
            )
            return mp.squeeze(out, axis=batch), None if weights is None else weights[0]
        q, k, v = (self._heads(x, n) for n, x in enumerate((query, key, value)))
        mask = self._mask(q, k, key_padding_mask, attn_mask, is_causal)
        dropout = self.dropout if self.training else 0.0
        weights = None
        if need_weights:
            scores = (q / math.sqrt(q.shape[-1])) @ mp.matrix_transpose(k)
            weights = F.dropout(mp.softmax(scores if mask is None else scores + mask), dropout)
            found = weights @ v
            weights = mp.mean(weights, axis=1) if average_attn_weights else weights
        else:
            found = F.scaled_dot_product_attention(q, k, v, mask, dropout)
        found = found.transpose(0, 2, 1, 3) if self.batch_first else found.transpose(2, 0, 1, 3)
        return self.out_proj(found.reshape(query.shape)), weights

    def _heads(self, x: Array, part: int) -> Array:
        """``(N, heads, L, elements)`` of the query, the key or the value."""
        rows = slice(part * self.embed_dim, (part + 1) * self.embed_dim)
        x = F.linear(x, self.in_proj_weight[rows], None if self.in_proj_bias is None else self.in_proj_bias[rows])
        x = x.reshape((*x.shape[:2], self.num_heads, -1))
        return x.transpose(0, 2, 1, 3) if self.batch_first else x.transpose(1, 2, 0, 3)

    def _mask(
        self, query: Array, key: Array, padding: Array | None, mask: Array | None, is_causal: bool
    ) -> Array | None:
        """What to add to the scores, ``(N, heads, L, S)`` or less."""
        shape = (query.shape[2], key.shape[2])
        if is_causal and mask is None:
            mask = mp.triu(mp.ones(shape, dtype=bool, device=query.device), k=1)
        found = None if mask is None else _added(mask, query)
        if found is not None and found.ndim == 3:
            found = found.reshape((-1, self.num_heads, *shape))
        if padding is None:
            return found
        added = _added(padding, query)[:, None, None, :]
        return added if found is None else found + added

    def extra_repr(self) -> str:
        return f"{self.embed_dim}, num_heads={self.num_heads}, dropout={self.dropout}, batch_first={self.batch_first}"


def _added(mask: Array, like: Array) -> Array:
    """A mask as numbers to add."""
    if mask.dtype != mp.bool_:
        return mask
    return mp.where(mask, mp.full((), -math.inf, dtype=like.dtype, device=like.device), 0)
