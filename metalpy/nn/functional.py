"""What modules compute, as functions of arrays."""

from __future__ import annotations

import math
from collections.abc import Sequence

import metalpy as mp
from metalpy.array import Array
from metalpy.ops.windows import Pair, fold, unfold, window_count

__all__ = [
    "avg_pool2d",
    "batch_norm",
    "binary_cross_entropy_with_logits",
    "conv1d",
    "conv2d",
    "cross_entropy",
    "dropout",
    "elu",
    "embedding",
    "fold",
    "gelu",
    "group_norm",
    "huber_loss",
    "l1_loss",
    "layer_norm",
    "leaky_relu",
    "linear",
    "log_softmax",
    "max_pool2d",
    "mse_loss",
    "nll_loss",
    "relu",
    "rms_norm",
    "scaled_dot_product_attention",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "tanh",
    "unfold",
]


# ---- activations ----


def relu(x: Array) -> Array:
    """The greater of each element and 0."""
    return mp.maximum(x, 0)


def leaky_relu(x: Array, negative_slope: float = 0.01) -> Array:
    """Each element, times `negative_slope` if it is negative."""
    return mp.maximum(x, 0) + negative_slope * mp.minimum(x, 0)


def elu(x: Array, alpha: float = 1.0) -> Array:
    """Each element if it is positive, else ``alpha * (exp(x) - 1)``."""
    return mp.maximum(x, 0) + alpha * mp.expm1(mp.minimum(x, 0))


def sigmoid(x: Array) -> Array:
    """``1 / (1 + exp(-x))``, by the hyperbolic tangent, which does not overflow."""
    return 0.5 * mp.tanh(0.5 * x) + 0.5


def silu(x: Array) -> Array:
    """``x * sigmoid(x)``."""
    return x * sigmoid(x)


def softplus(x: Array) -> Array:
    """``log(1 + exp(x))``."""
    return mp.logaddexp(x, 0)


def gelu(x: Array, approximate: str = "none") -> Array:
    """``x`` times the standard normal distribution function of x.

    Parameters
    ----------
    x : Array
    approximate : {"none", "tanh"}
        ``"tanh"`` for the approximation by a hyperbolic tangent of D. Hendrycks and K. Gimpel, "Gaussian Error Linear
        Units", 2016.
    """
    if approximate == "tanh":
        return 0.5 * x * (1 + mp.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)))
    if approximate != "none":
        raise ValueError(f"approximate is 'none' or 'tanh', got {approximate!r}")
    return 0.5 * x * (1 + mp.erf(x * math.sqrt(0.5)))


def tanh(x: Array) -> Array:
    """The hyperbolic tangent of each element."""
    return mp.tanh(x)


def softmax(x: Array, axis: int = -1) -> Array:
    """``exp(x)`` divided by its sum along an axis, without overflow."""
    return mp.softmax(x, axis=axis)


def log_softmax(x: Array, axis: int = -1) -> Array:
    """The logarithm of `softmax`, without underflow."""
    return mp.log_softmax(x, axis=axis)


# ---- products ----


def linear(x: Array, weight: Array, bias: Array | None = None) -> Array:
    """``x @ weight.T + bias``: `x` of shape ``(..., in)``, `weight` of ``(out, in)``."""
    product = x @ weight.T
    return product if bias is None else product + bias


def embedding(indices: Array, weight: Array) -> Array:
    """The rows of `weight` that integers choose: of shape ``(*indices.shape, weight.shape[1])``."""
    return mp.take(weight, indices.reshape(-1), axis=0).reshape((*indices.shape, weight.shape[1]))


def conv2d(
    x: Array, weight: Array, bias: Array | None = None, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1,
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
        Steps from window to window; zeros around the image; steps between the elements of a window.
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
    rows, columns = window_count(x.shape[2:], window, stride, padding, dilation)
    parts = unfold(x, window, stride, padding, dilation)
    parts = parts.reshape((x.shape[0], groups, -1, rows * columns))
    product = weight.reshape((groups, out // groups, -1)) @ parts
    result = product.reshape((x.shape[0], out, rows, columns))
    return result if bias is None else result + bias.reshape((1, out, 1, 1))


def conv1d(
    x: Array, weight: Array, bias: Array | None = None, stride: int = 1, padding: int = 0, dilation: int = 1,
    groups: int = 1,
) -> Array:  # fmt: skip
    """As `conv2d`, of ``(N, C, L)`` with weights ``(out, C / groups, length)``."""
    if x.ndim != 3 or weight.ndim != 3:
        raise ValueError(f"conv1d takes signals (N, C, L) and weights (out, C / groups, length), got shapes {x.shape} "
                         f"and {weight.shape}")  # fmt: skip
    image, filters = x[:, :, None, :], weight[:, :, None, :]
    return conv2d(image, filters, bias, (1, stride), (0, padding), (1, dilation), groups)[:, :, 0, :]


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


# ---- normalisation ----


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
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    if x.shape[x.ndim - len(shape) :] != shape:
        raise ValueError(f"layer_norm over axes of extents {shape} does not fit shape {x.shape}")
    axes = tuple(range(-len(shape), 0))
    return _scaled(_standardised(x, axes, eps), weight, bias)


def _standardised(x: Array, axes: tuple[int, ...], eps: float) -> Array:
    distance = x - mp.mean(x, axis=axes, keepdims=True)
    variance = mp.mean(distance * distance, axis=axes, keepdims=True)
    return distance / mp.sqrt(variance + eps)


def _scaled(x: Array, weight: Array | None, bias: Array | None) -> Array:
    x = x if weight is None else x * weight
    return x if bias is None else x + bias


def rms_norm(x: Array, weight: Array | None = None, eps: float = 1e-5) -> Array:
    """Each vector along the last axis divided by the root of the mean of its squares, then scaled."""
    return _scaled(x / mp.sqrt(mp.mean(x * x, axis=-1, keepdims=True) + eps), weight, None)


def group_norm(
    x: Array, num_groups: int, weight: Array | None = None, bias: Array | None = None, eps: float = 1e-5
) -> Array:
    """Mean 0 and variance 1 in each group of channels of ``(N, C, ...)``, then scaled and shifted by channel."""
    if x.ndim < 2 or num_groups < 1 or x.shape[1] % num_groups:
        raise ValueError(f"group_norm in {num_groups} groups does not fit shape {x.shape}")
    grouped = x.reshape((x.shape[0], num_groups, -1))
    return _by_channel(_standardised(grouped, (-1,), eps).reshape(x.shape), weight, bias)


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
            own = mp.stop_gradient(x)
            _move(running_mean, mp.mean(own, axis=axes), momentum)
            _move(running_var, mp.var(own, axis=axes, correction=float(count > 1)), momentum)
        return _by_channel(_standardised(x, axes, eps), weight, bias)
    normal = (x - running_mean.reshape(shape)) / mp.sqrt(running_var.reshape(shape) + eps)
    return _by_channel(normal, weight, bias)


def _move(running: Array, value: Array, momentum: float) -> None:
    running += momentum * (value - running)


def dropout(x: Array, p: float = 0.5, training: bool = True) -> Array:
    """Each element 0 with probability `p`, else divided by ``1 - p``; `x` itself out of training."""
    if not 0 <= p <= 1:
        raise ValueError(f"p is a probability, got {p}")
    if not training or p == 0:
        return x
    return x * mp.random.dropout_mask(x.shape, p, x.dtype)


# ---- attention ----


def scaled_dot_product_attention(
    query: Array, key: Array, value: Array, attn_mask: Array | None = None, is_causal: bool = False,
    scale: float | None = None,
) -> Array:  # fmt: skip
    """``softmax(query @ key.T * scale) @ value``.

    Parameters
    ----------
    query, key, value : Array
        ``(..., L, E)``, ``(..., S, E)`` and ``(..., S, V)``.
    attn_mask : Array, optional
        Broadcasts to ``(..., L, S)``: bool, True where to look, or numbers to add.
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
    return mp.softmax(scores, axis=-1) @ value


# ---- losses ----


def _reduced(x: Array, reduction: str) -> Array:
    if reduction == "mean":
        return mp.mean(x)
    if reduction == "sum":
        return mp.sum(x)
    if reduction != "none":
        raise ValueError(f"reduction is 'mean', 'sum' or 'none', got {reduction!r}")
    return x


def mse_loss(x: Array, target: Array, reduction: str = "mean") -> Array:
    """Squares of the differences."""
    return _reduced(mp.square(x - target), reduction)


def l1_loss(x: Array, target: Array, reduction: str = "mean") -> Array:
    """Absolute values of the differences."""
    return _reduced(mp.abs(x - target), reduction)


def huber_loss(x: Array, target: Array, reduction: str = "mean", delta: float = 1.0) -> Array:
    """Half the square of differences up to `delta`, beyond it ``delta * (|difference| - delta / 2)``."""
    size = mp.abs(x - target)
    near = mp.minimum(size, delta)
    return _reduced(near * (size - 0.5 * near), reduction)


def cross_entropy(x: Array, target: Array, reduction: str = "mean", label_smoothing: float = 0.0) -> Array:
    """Minus the logarithm of the softmax along axis 1 at the right class.

    Parameters
    ----------
    x : Array
        ``(N, classes)``, or ``(N, classes, ...)``.
    target : Array
        Integers ``(N, ...)``, the right classes; or probabilities of the shape of `x`.
    reduction : {"mean", "sum", "none"}
    label_smoothing : float
        How much of each target goes to all classes evenly.
    """
    logarithms = mp.log_softmax(x, axis=1)
    if target.shape == x.shape and target.dtype.kind in "fV":
        target = target * (1 - label_smoothing) + label_smoothing / x.shape[1]
        return _reduced(-mp.sum(target * logarithms, axis=1), reduction)
    chosen = _chosen(logarithms, target)
    if label_smoothing:
        chosen = (1 - label_smoothing) * chosen + label_smoothing * mp.mean(logarithms, axis=1)
    return _reduced(-chosen, reduction)


def nll_loss(x: Array, target: Array, reduction: str = "mean") -> Array:
    """As `cross_entropy`, of logarithms of probabilities."""
    return _reduced(-_chosen(x, target), reduction)


def _chosen(x: Array, target: Array) -> Array:
    if target.dtype.kind not in "iu" or target.shape != (*x.shape[:1], *x.shape[2:]):
        wanted = (*x.shape[:1], *x.shape[2:])
        raise ValueError(f"targets are integers of shape {wanted} for classes of shape {x.shape}, got "
                         f" shape {target.shape} and dtype {target.dtype}")  # fmt: skip
    places = mp.expand_dims(target, axis=1)
    return mp.squeeze(mp.take_along_axis(x, places, axis=1), axis=1)


def binary_cross_entropy_with_logits(x: Array, target: Array, reduction: str = "mean") -> Array:
    """Minus the logarithm of the probability of `target`, from 0 to 1, where ``sigmoid(x)`` is that of 1."""
    return _reduced(mp.logaddexp(x, 0) - x * target, reduction)
