"""Losses, as functions of arrays."""

from __future__ import annotations

import metalpy as mp
from metalpy.array import Array

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "mse_loss",
    "nll_loss",
    "smooth_l1_loss",
]


def _reduced(x: Array, reduction: str) -> Array:
    if reduction == "mean":
        return mp.mean(x)
    if reduction == "sum":
        return mp.sum(x)
    if reduction != "none":
        raise ValueError(f"reduction is 'mean', 'sum' or 'none', got {reduction!r}")
    return x


def _same_shape(x: Array, target: Array) -> None:
    if x.shape != target.shape:  # broadcast, (N, 1) and (N,) would give N x N differences
        raise ValueError(f"a loss takes targets of the shape of its argument, got shapes {x.shape} and {target.shape}")


def mse_loss(x: Array, target: Array, reduction: str = "mean") -> Array:
    """Squares of the differences.

    Parameters
    ----------
    x, target : Array
        Of the same shape.
    reduction : {"mean", "sum", "none"}

    Raises
    ------
    ValueError
        If the shapes differ, or there is no such reduction.
    """
    _same_shape(x, target)
    return _reduced(mp.square(x - target), reduction)


def l1_loss(x: Array, target: Array, reduction: str = "mean") -> Array:
    """Absolute values of the differences; parameters as for `mse_loss`."""
    _same_shape(x, target)
    return _reduced(mp.abs(x - target), reduction)


def huber_loss(x: Array, target: Array, reduction: str = "mean", delta: float = 1.0) -> Array:
    """Half the square of differences up to `delta`, beyond it ``delta * (|difference| - delta / 2)``."""
    _same_shape(x, target)
    size = mp.abs(x - target)
    near = mp.minimum(size, delta)
    return _reduced(near * (size - 0.5 * near), reduction)


def smooth_l1_loss(x: Array, target: Array, reduction: str = "mean", beta: float = 1.0) -> Array:
    """`huber_loss` with ``delta=beta``, divided by `beta`; `l1_loss` if that is 0."""
    return huber_loss(x, target, reduction, beta) * (1 / beta) if beta else l1_loss(x, target, reduction)


def cross_entropy(
    x: Array, target: Array, weight: Array | None = None, ignore_index: int = -100, reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Array:  # fmt: skip
    """Minus the logarithm of the softmax along axis 1 at the right class.

    Parameters
    ----------
    x : Array
        ``(N, classes)``, or ``(N, classes, ...)``; ``(classes,)`` for a single one.
    target : Array
        Integers ``(N, ...)``, the right classes; or probabilities of the shape of `x`.
    weight : Array, optional
        ``(classes,)``: how much each class counts.
    ignore_index : int
        Targets that do not count.
    reduction : {"mean", "sum", "none"}
        The mean is weighted, and over the targets that count.
    label_smoothing : float
        How much of each target goes to all classes evenly.
    """
    axis = min(1, x.ndim - 1)
    logarithms = mp.log_softmax(x, axis=axis)
    if target.shape == x.shape and target.dtype.kind in "fV":
        target = target * (1 - label_smoothing) + label_smoothing / x.shape[axis]
        terms = target * logarithms if weight is None else target * logarithms * _along_classes(weight, x)
        found = -mp.sum(terms, axis=axis)
        return mp.sum(found) * (1 / max(found.size, 1)) if reduction == "mean" else _reduced(found, reduction)
    chosen, share = _chosen(logarithms, target, weight, ignore_index)
    if not label_smoothing:
        return _weighted(-chosen, share, reduction)
    every = mp.mean(logarithms if weight is None else logarithms * _along_classes(weight, x), axis=axis)
    every = mp.where(target == ignore_index, 0, every)
    return _weighted(-((1 - label_smoothing) * chosen + label_smoothing * every), share, reduction)


def nll_loss(
    x: Array, target: Array, weight: Array | None = None, ignore_index: int = -100, reduction: str = "mean"
) -> Array:
    """As `cross_entropy`, of logarithms of probabilities."""
    chosen, share = _chosen(x, target, weight, ignore_index)
    return _weighted(-chosen, share, reduction)


def _along_classes(weight: Array, x: Array) -> Array:
    return weight.reshape((-1,) + (1,) * max(0, x.ndim - 2))


def _chosen(x: Array, target: Array, weight: Array | None, ignore_index: int) -> tuple[Array, Array]:
    """The elements at the right classes, times the weight of each, and that weight: 0 for what is ignored."""
    axis = min(1, x.ndim - 1)
    wanted = (*x.shape[:axis], *x.shape[axis + 1 :])
    if target.dtype.kind not in "iu" or target.shape != wanted:
        raise ValueError(f"targets are integers of shape {wanted} for classes of shape {x.shape}, got "
                         f"shape {target.shape} and dtype {target.dtype}")  # fmt: skip
    counts = target != ignore_index
    places = mp.where(counts, target, 0)
    chosen = mp.squeeze(mp.take_along_axis(x, mp.expand_dims(places, axis=axis), axis=axis), axis=axis)
    share = counts.astype(x.dtype) if weight is None else counts * mp.take(weight, places.reshape(-1)).reshape(wanted)
    return chosen * share, share


def _weighted(x: Array, share: Array, reduction: str) -> Array:
    return mp.sum(x) / mp.sum(share) if reduction == "mean" else _reduced(x, reduction)


def binary_cross_entropy_with_logits(
    x: Array, target: Array, weight: Array | None = None, reduction: str = "mean", pos_weight: Array | None = None
) -> Array:
    """Minus the logarithm of the probability of `target`, from 0 to 1, where ``sigmoid(x)`` is that of 1.

    Parameters
    ----------
    x, target : Array
        Of the same shape.
    weight : Array, optional
        Broadcasts to that shape: how much each element counts.
    reduction : {"mean", "sum", "none"}
    pos_weight : Array, optional
        How much ones count, compared with zeros.
    """
    _same_shape(x, target)
    if pos_weight is None:
        found = mp.logaddexp(x, 0) - x * target
    else:
        found = (1 - target) * x + (1 + (pos_weight - 1) * target) * mp.logaddexp(-x, 0)
    return _reduced(found if weight is None else found * weight, reduction)


def binary_cross_entropy(x: Array, target: Array, weight: Array | None = None, reduction: str = "mean") -> Array:
    """As `binary_cross_entropy_with_logits`, of probabilities; their logarithms are cut off at -100."""
    _same_shape(x, target)
    found = -(target * _logarithm(x) + (1 - target) * _logarithm(1 - x))
    return _reduced(found if weight is None else found * weight, reduction)


def _logarithm(x: Array) -> Array:
    is_positive = x > 0
    return mp.where(is_positive, mp.maximum(mp.log(mp.where(is_positive, x, 1)), -100), -100)


def kl_div(x: Array, target: Array, reduction: str = "mean", log_target: bool = False) -> Array:
    """``target * (log(target) - x)`` where `x` has logarithms of probabilities; 0 where `target` is 0.

    Parameters
    ----------
    x, target : Array
        Of the same shape.
    reduction : {"mean", "batchmean", "sum", "none"}
        "batchmean" is the sum divided by the first extent, which is the mean divergence of distributions.
    log_target : bool
        `target`, too, has logarithms.
    """
    _same_shape(x, target)
    shares = mp.exp(target) if log_target else target
    found = shares * ((target if log_target else mp.log(mp.where(target > 0, target, 1))) - x)
    if reduction == "batchmean":
        return mp.sum(found) * (1 / x.shape[0])
    return _reduced(found, reduction)
