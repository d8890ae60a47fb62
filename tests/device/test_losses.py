"""Losses: against formulas in NumPy, in double precision."""

import numpy as np
import pytest

import metalpy as mp
from metalpy import nn
from metalpy.nn import functional as F
from tests.helpers.formulas import close, sigmoid

pytestmark = pytest.mark.usefixtures("device")
RNG = np.random.default_rng(3)


def normal(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def log_softmax(x):
    return x - np.log(np.exp(x).sum(1, keepdims=True))


P, Q = normal(5, 3), normal(5, 3)
CLASSES = np.array([2, 0, 1, 1, 2])
SHARES = np.exp(normal(5, 3))
SHARES /= SHARES.sum(1, keepdims=True)
PICKED = log_softmax(P.astype(np.float64))[np.arange(5), CLASSES]
LOSSES = {
    "mse": (lambda: F.mse_loss(mp.array(P), mp.array(Q)), ((P - Q) ** 2).mean()),
    "l1": (lambda: nn.L1Loss(reduction="sum")(mp.array(P), mp.array(Q)), np.abs(P - Q).sum()),
    "huber": (lambda: F.huber_loss(mp.array(P), mp.array(Q), delta=0.7),
              np.where(np.abs(P - Q) < 0.7, (P - Q) ** 2 / 2, 0.7 * (np.abs(P - Q) - 0.35)).mean()),
    "cross entropy": (lambda: F.cross_entropy(mp.array(P), mp.array(CLASSES)), -PICKED.mean()),
    "cross entropy of each": (lambda: nn.CrossEntropyLoss(reduction="none")(mp.array(P), mp.array(CLASSES)), -PICKED),
    "cross entropy, smoothed": (lambda: F.cross_entropy(mp.array(P), mp.array(CLASSES), label_smoothing=0.2),
                                -(0.8 * PICKED + 0.2 * log_softmax(P).mean(1)).mean()),
    "cross entropy of shares": (lambda: F.cross_entropy(mp.array(P), mp.array(SHARES)),
                                -(SHARES * log_softmax(P)).sum(1).mean()),
    "nll": (lambda: F.nll_loss(mp.log_softmax(mp.array(P)), mp.array(CLASSES), reduction="sum"), -PICKED.sum()),
    "smooth l1": (lambda: F.smooth_l1_loss(mp.array(P), mp.array(Q), beta=0.7),
                  np.where(np.abs(P - Q) < 0.7, (P - Q) ** 2 / 1.4, np.abs(P - Q) - 0.35).mean()),
    "cross entropy, weighted": (lambda: F.cross_entropy(mp.array(P), mp.array(CLASSES), weight=mp.array(SHARES[0])),
                                -(PICKED * SHARES[0][CLASSES]).sum() / SHARES[0][CLASSES].sum()),
    "cross entropy, ignoring": (lambda: F.cross_entropy(mp.array(P), mp.array(np.where(CLASSES == 1, -100, CLASSES))),
                                -PICKED[CLASSES != 1].mean()),
    "bce of probabilities": (lambda: F.binary_cross_entropy(mp.array(SHARES), mp.array(SHARES[::-1].copy())),
                             -(SHARES[::-1] * np.log(SHARES) + (1 - SHARES[::-1]) * np.log(1 - SHARES)).mean()),
    "bce, weighted": (lambda: F.binary_cross_entropy_with_logits(
        mp.array(P), mp.array(SHARES), reduction="sum", pos_weight=mp.array([1.0, 2.0, 3.0])),
        -(np.array([1, 2, 3]) * SHARES * np.log(sigmoid(P)) + (1 - SHARES) * np.log(sigmoid(-P))).sum()),
    "divergence": (lambda: nn.KLDivLoss(reduction="batchmean")(mp.log_softmax(mp.array(P)), mp.array(SHARES)),
                   (SHARES * (np.log(SHARES) - log_softmax(P))).sum() / 5),
    "cosine": (lambda: nn.CosineSimilarity()(mp.array(P), mp.array(Q)),
               (P * Q).sum(1) / np.sqrt((P * P).sum(1) * (Q * Q).sum(1))),
    "bce": (lambda: F.binary_cross_entropy_with_logits(mp.array(P), mp.array(SHARES)),
            -(SHARES * np.log(sigmoid(P)) + (1 - SHARES) * np.log(sigmoid(-P))).mean()),
}  # fmt: skip


@pytest.mark.parametrize("name", LOSSES)
def test_loss(name):
    ours, expected = LOSSES[name]
    close(ours(), expected)


def test_weights_of_losses_are_buffers():
    loss = nn.CrossEntropyLoss(weight=mp.array([1.0, 2.0]))
    assert list(loss.state_dict()) == ["weight"]
    assert not list(loss.parameters())
