"""What modules compute, as functions of arrays."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

import metalpy as mp
from metalpy.array import Array
from metalpy.nn import activations, losses, upsampling
from metalpy.nn.activations import *  # noqa: F403
from metalpy.nn.losses import *  # noqa: F403
from metalpy.nn.upsampling import *  # noqa: F403
from metalpy.ops.windows import Pair, fold, pair, unfold, window_count

__all__ = [
    *activations.__all__,
    *losses.__all__,
    *upsampling.__all__,
    "adaptive_avg_pool2d",
    "avg_pool1d",
    "avg_pool2d",
    "batch_norm",
    "conv1d",
    "conv2d",
    "cosine_similarity",
    "dropout",
    "embedding",
    "fold",
    "group_norm",
    "layer_norm",
    "linear",
    "max_pool1d",
    "max_pool2d",
    "normalize",
    "one_hot",
    "pad",
    "rms_norm",
    "scaled_dot_product_attention",
    "unfold",
]


# ---- products ----


def linear(x: Array, weight: Array, bias: Array | None = None) -> Array:
    """``x @ weight.T + bias``: `x` of shape ``(..., in)``, `weight` of ``(out, in)``."""
    product = x @ weight.T
    return product if bias is None else product + bias


def embedding(indices: Array, weight: Array, padding_idx: int | None = None) -> Array:
    """The rows of `weight` that integers choose: of shape ``(*indices.shape, weight.shape[1])``.

    The row `padding_idx` is a constant to gradients.
    """
    rows = mp.take(weight, indices.reshape(-1), axis=0).reshape((*indices.shape, weight.shape[1]))
    if padding_idx is None:
        return rows
    return mp.where((indices != padding_idx % weight.shape[0])[..., None], rows, mp.stop_gradient(rows))


def conv2d(
    x: Array, weight: Array, bias: Array | None = None, stride: Pair = 1, padding: Pair | str = 0, dilation: Pair = 1,
    groups: int = 1,
) -> Array:  # fmt: skip
    """Sliding products with windows of images.

    Parameters
    ----------
    x : Array
        ``(N, C, H, W)``.
    weight : Array
        ``(out, C / groups, height, width)``.
    bias : Array, optional
        ``(out,)``.
    stride, padding, dilation : int or pair of int
        Steps from window to window; zeros around the image; steps between the elements of a window. A padding of
        "valid" is 0, "same" keeps the extents, for a stride of 1.
    groups : int
        Parts into which the channels are split, each for its own part of the output.

    Returns
    -------
    Array
        ``(N, out, H', W')`` with ``H' = (H + 2 padding - dilation (height - 1) - 1) // stride + 1``.

    Raises
    ------
    ValueError
        If shapes do not fit.
    """
    if x.ndim != 4 or weight.ndim != 4:
        raise ValueError(f"conv2d takes images (N, C, H, W) and weights (out, C / groups, height, width), got shapes "
                         f"{x.shape} and {weight.shape}")  # fmt: skip
    channels, out = x.shape[1], weight.shape[0]
    if groups < 1 or channels % groups or out % groups or weight.shape[1] * groups != channels:
        raise ValueError(f"conv2d of {channels} channels in {groups} groups does not fit weights of shape "
                         f"{weight.shape}")  # fmt: skip
    window = (weight.shape[2], weight.shape[3])
    if isinstance(padding, str):
        x, padding = _padded(x, window, stride, padding, dilation), 0
    rows, columns = window_count(x.shape[2:], window, stride, padding, dilation)
    parts = unfold(x, window, stride, padding, dilation)
    parts = parts.reshape((x.shape[0], groups, -1, rows * columns))
    product = weight.reshape((groups, out // groups, -1)) @ parts
    result = product.reshape((x.shape[0], out, rows, columns))
    return result if bias is None else result + bias.reshape((1, out, 1, 1))


def _padded(x: Array, window: Pair, stride: Pair, padding: str, dilation: Pair) -> Array:
    if padding not in ("same", "valid") or (padding == "same" and pair(stride) != (1, 1)):
        raise ValueError(f"padding is a number, 'valid', or 'same' with a stride of 1, got {padding!r} and {stride}")
    if padding == "valid":
        return x
    rows, columns = (step * (extent - 1) for step, extent in zip(pair(dilation), pair(window), strict=True))
    return pad(x, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2))


def conv1d(
    x: Array, weight: Array, bias: Array | None = None, stride: int = 1, padding: int | str = 0, dilation: int = 1,
    groups: int = 1,
) -> Array:  # fmt: skip
    """As `conv2d`, of ``(N, C, L)`` with weights ``(out, C / groups, length)``."""
    if x.ndim != 3 or weight.ndim != 3:
        raise ValueError(f"conv1d takes signals (N, C, L) and weights (out, C / groups, length), got shapes {x.shape} "
                         f"and {weight.shape}")  # fmt: skip
    image, filters = x[:, :, None, :], weight[:, :, None, :]
    around = padding if isinstance(padding, str) else (0, padding)
    return conv2d(image, filters, bias, (1, stride), around, (1, dilation), groups)[:, :, 0, :]


# ---- pooling ----


def _windows(x: Array, window: Pair, stride: Pair | None, padding: Pair, outside: float) -> Array:
    """``(N, C, elements of a window, H', W')``."""
    if x.ndim != 4:
        raise ValueError(f"pooling takes images (N, C, H, W), got shape {x.shape}")
    stride = window if stride is None else stride
    rows, columns = window_count(x.shape[2:], window, stride, padding, 1)
    return unfold(x, window, stride, padding, 1, outside).reshape((*x.shape[:2], -1, rows, columns))


def max_pool2d(x: Array, kernel_size: Pair, stride: Pair | None = None, padding: Pair = 0) -> Array:
    """The greatest element of each window of images ``(N, C, H, W)``; `stride` is the window's size if None."""
    return mp.max(_windows(x, kernel_size, stride, padding, -math.inf), axis=2)


def avg_pool2d(x: Array, kernel_size: Pair, stride: Pair | None = None, padding: Pair = 0) -> Array:
    """The mean of each window of images ``(N, C, H, W)``, zeros around them included."""
    return mp.mean(_windows(x, kernel_size, stride, padding, 0.0), axis=2)


def max_pool1d(x: Array, kernel_size: int, stride: int | None = None, padding: int = 0) -> Array:
    """As `max_pool2d`, of signals ``(N, C, L)``."""
    return max_pool2d(_image(x), (1, kernel_size), (1, stride or kernel_size), (0, padding))[:, :, 0, :]


def avg_pool1d(x: Array, kernel_size: int, stride: int | None = None, padding: int = 0) -> Array:
    """As `avg_pool2d`, of signals ``(N, C, L)``."""
    return avg_pool2d(_image(x), (1, kernel_size), (1, stride or kernel_size), (0, padding))[:, :, 0, :]


def _image(x: Array) -> Array:
    if x.ndim != 3:
        raise ValueError(f"pooling of signals takes (N, C, L), got shape {x.shape}")
    return x[:, :, None, :]


def adaptive_avg_pool2d(x: Array, output_size: Pair) -> Array:
    """The means of as many windows as `output_size` says, which cover images ``(N, C, H, W)`` evenly."""
    rows, columns = pair(output_size)
    if x.ndim != 4 or rows < 1 or columns < 1:
        raise ValueError(f"adaptive_avg_pool2d takes images (N, C, H, W) and sizes of 1 or more, got shape {x.shape} "
                         f"and {output_size}")  # fmt: skip
    if x.shape[2] % rows == 0 and x.shape[3] % columns == 0:
        parts = x.reshape((*x.shape[:2], rows, x.shape[2] // rows, columns, x.shape[3] // columns))
        return mp.mean(parts, axis=(3, 5))
    along = _shares(rows, x.shape[2], x) @ x
    return along @ mp.matrix_transpose(_shares(columns, x.shape[3], x))


def _shares(count: int, extent: int, x: Array) -> Array:
    """A matrix that takes the means of `count` windows, from ``n * extent / count`` rounded down to the next up."""
    host = np.zeros((count, extent), np.float32)
    for n in range(count):
        first, last = n * extent // count, -(-(n + 1) * extent // count)
        host[n, first:last] = 1 / (last - first)
    return mp.asarray(host, dtype=x.dtype, device=x.device)


# ---- shapes ----


def pad(x: Array, pad: Sequence[int], mode: str = "constant", value: float = 0.0) -> Array:
    """More elements around an array.

    Parameters
    ----------
    x : Array
    pad : sequence of int
        How many before and after the last axis, then the one before it, and so on; negative numbers cut off.
    mode : {"constant"}
    value : float
        What they are.
    """
    if mode != "constant" or len(pad) % 2 or len(pad) > 2 * x.ndim:
        raise ValueError(f"pad takes pairs of numbers for at most {x.ndim} axes, and mode='constant', got {pad!r} and "
                         f"{mode!r}")  # fmt: skip
    for place in range(0, len(pad), 2):
        axis = x.ndim - 1 - place // 2
        before, after = pad[place], pad[place + 1]
        if before < 0 or after < 0:
            x = x[(*(slice(None),) * axis, slice(max(0, -before), x.shape[axis] - max(0, -after)))]
        parts = [_filled(x, axis, before, value), x, _filled(x, axis, after, value)]
        x = mp.concat([part for part in parts if part.shape[axis] or part is x], axis=axis)
    return x


def _filled(x: Array, axis: int, extent: int, value: float) -> Array:
    shape = (*x.shape[:axis], max(0, extent), *x.shape[axis + 1 :])
    return mp.full(shape, value, dtype=x.dtype, device=x.device)


def one_hot(x: Array, num_classes: int = -1) -> Array:
    """int64 ones at the places that integers name along a new last axis of `num_classes`, and zeros.

    By default there are as many as the greatest integer needs, for which the device is waited for.
    """
    if x.dtype.kind not in "iu":
        raise TypeError(f"one_hot takes integers, got {x.dtype}")
    count = int(mp.max(x).item()) + 1 if num_classes == -1 else num_classes
    return (x[..., None] == mp.arange(count, dtype=x.dtype, device=x.device)).astype(mp.int64)


# ---- normalisation ----


def normalize(x: Array, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Array:
    """Each vector along an axis divided by its norm of order `p`, or by `eps` if that is greater."""
    return x / mp.maximum(mp.linalg.vector_norm(x, axis=dim, keepdims=True, ord=p), eps)


def cosine_similarity(x1: Array, x2: Array, dim: int = 1, eps: float = 1e-8) -> Array:
    """The cosine of the angle between vectors along an axis; norms are `eps` at least."""
    first, second = (mp.maximum(mp.linalg.vector_norm(x, axis=dim), eps) for x in (x1, x2))
    return mp.sum(x1 * x2, axis=dim) / (first * second)


def layer_norm(
    x: Array, normalized_shape: int | Sequence[int], weight: Array | None = None, bias: Array | None = None,
    eps: float = 1e-5,
) -> Array:  # fmt: skip
    """Mean 0 and variance 1 over the last axes, then scaled and shifted.

    Parameters
    ----------
    x : Array
    normalized_shape : int or sequence of int
        Extents of those axes.
    weight, bias : Array, optional
        Of that shape.
    eps : float
        Added to the variance.
    """
    normal = _standardised(x, _last_axes("layer_norm", x, normalized_shape), eps)
    return _scaled(normal, weight, bias).astype(x.dtype, copy=False)


def _last_axes(name: str, x: Array, extents: int | Sequence[int]) -> tuple[int, ...]:
    shape = (extents,) if isinstance(extents, int) else tuple(extents)
    if not shape or x.shape[max(0, x.ndim - len(shape)) :] != shape:
        raise ValueError(f"{name} over axes of extents {shape} does not fit shape {x.shape}")
    return tuple(range(-len(shape), 0))


def _wide(x: Array) -> Array:
    """As float32 if it is narrower: squares go beyond float16, and sums lose what little bfloat16 has."""
    return x.astype(mp.float32, copy=False) if x.dtype.itemsize == 2 else x


def _standardised(x: Array, axes: tuple[int, ...], eps: float) -> Array:
    x = _wide(x)
    distance = x - mp.mean(x, axis=axes, keepdims=True)
    variance = mp.mean(distance * distance, axis=axes, keepdims=True)
    return distance / mp.sqrt(variance + eps)


def _scaled(x: Array, weight: Array | None, bias: Array | None) -> Array:
    x = x if weight is None else x * weight
    return x if bias is None else x + bias


def rms_norm(
    x: Array, normalized_shape: int | Sequence[int], weight: Array | None = None, eps: float | None = None
) -> Array:
    """Divided by the root of the mean of the squares over the last axes, then scaled.

    Parameters are those of `layer_norm`; `eps` is by default the precision of float32, in which it is computed.
    """
    axes = _last_axes("rms_norm", x, normalized_shape)
    wide = _wide(x)
    scale = mp.sqrt(mp.mean(wide * wide, axis=axes, keepdims=True) + (2.0**-23 if eps is None else eps))
    return _scaled(wide / scale, weight, None).astype(x.dtype, copy=False)


def group_norm(
    x: Array, num_groups: int, weight: Array | None = None, bias: Array | None = None, eps: float = 1e-5
) -> Array:
    """Mean 0 and variance 1 in each group of channels of ``(N, C, ...)``, then scaled and shifted by channel."""
    if x.ndim < 2 or num_groups < 1 or x.shape[1] % num_groups:
        raise ValueError(f"group_norm in {num_groups} groups does not fit shape {x.shape}")
    grouped = x.reshape((x.shape[0], num_groups, -1))
    normal = _standardised(grouped, (-1,), eps).reshape(x.shape)
    return _by_channel(normal, weight, bias).astype(x.dtype, copy=False)


def _by_channel(x: Array, weight: Array | None, bias: Array | None) -> Array:
    shape = (1, x.shape[1], *(1,) * (x.ndim - 2))
    return _scaled(x, *(None if part is None else part.reshape(shape) for part in (weight, bias)))


def batch_norm(
    x: Array, running_mean: Array | None, running_var: Array | None, weight: Array | None = None,
    bias: Array | None = None, training: bool = False, momentum: float = 0.1, eps: float = 1e-5,
) -> Array:  # fmt: skip
    """Mean 0 and variance 1 for each channel of ``(N, C, ...)``, then scaled and shifted.

    In training the batch's own mean and variance are used, and those that run are moved towards them by `momentum`, in
    place; otherwise those that run are used.
    """
    axes = (0, *range(2, x.ndim))
    shape = (1, x.shape[1], *(1,) * (x.ndim - 2))
    if training or running_mean is None or running_var is None:
        if running_mean is not None and running_var is not None:
            count = x.size // x.shape[1]
            own = _wide(mp.stop_gradient(x))
            _move(running_mean, mp.mean(own, axis=axes), momentum)
            _move(running_var, mp.var(own, axis=axes, correction=float(count > 1)), momentum)
        return _by_channel(_standardised(x, axes, eps), weight, bias).astype(x.dtype, copy=False)
    mean, variance = (_wide(part).reshape(shape) for part in (running_mean, running_var))
    normal = (x - mean) / mp.sqrt(variance + eps)
    return _by_channel(normal, weight, bias).astype(x.dtype, copy=False)


def _move(running: Array, value: Array, momentum: float) -> None:
    running += (momentum * (value - running)).astype(running.dtype, copy=False)


def dropout(x: Array, p: float = 0.5, training: bool = True) -> Array:
    """Each element 0 with probability `p`, else divided by ``1 - p``; `x` itself out of training."""
    if not 0 <= p <= 1:
        raise ValueError(f"p is a probability, got {p}")
    if not training or p == 0:
        return x
    return x * mp.random.dropout_mask(x.shape, p, x.dtype)


# ---- attention ----


def scaled_dot_product_attention(
    query: Array, key: Array, value: Array, attn_mask: Array | None = None, dropout_p: float = 0.0,
    is_causal: bool = False, scale: float | None = None,
) -> Array:  # fmt: skip
    """``softmax(query @ key.T * scale) @ value``.

    Parameters
    ----------
    query, key, value : Array
        ``(..., L, E)``, ``(..., S, E)`` and ``(..., S, V)``.
    attn_mask : Array, optional
        Broadcasts to ``(..., L, S)``: bool, True where to look, or numbers to add.
    dropout_p : float
        Probability with which a weight is left out. It holds whenever it is given: pass 0 out of training.
    is_causal : bool
        Each of the L looks at those of the S that do not come after it.
    scale : float, optional
        By default ``1 / sqrt(E)``.
    """
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    scores = (query * scale) @ mp.matrix_transpose(key)
    if is_causal:
        if attn_mask is not None:
            raise ValueError("is_causal=True is a mask of its own; pass one of both")
        attn_mask = mp.tril(mp.ones(scores.shape[-2:], dtype=bool, device=scores.device))
    if attn_mask is not None:
        scores = mp.where(attn_mask, scores, -math.inf) if attn_mask.dtype == mp.bool_ else scores + attn_mask
    return dropout(mp.softmax(scores, axis=-1), dropout_p) @ value
