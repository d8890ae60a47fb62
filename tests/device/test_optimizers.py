"""Optimizers: against the formulas of their papers, in double precision."""

import math

import numpy as np
import pytest

import metalpy as mp
from metalpy import optim

pytestmark = pytest.mark.usefixtures("device")


def sgd(x, gradients, lr, momentum=0.0, dampening=0.0, weight_decay=0.0, nesterov=False):
    velocity = None
    for g in gradients:
        g = g + weight_decay * x
        if momentum:
            velocity = g if velocity is None else momentum * velocity + (1 - dampening) * g
            g = g + momentum * velocity if nesterov else velocity
        x = x - lr * g
    return x


def adam(x, gradients, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, decoupled=False, amsgrad=False):
    m = v = most = np.zeros_like(x)
    for t, g in enumerate(gradients, 1):
        if decoupled:
            x = x - lr * weight_decay * x
        else:
            g = g + weight_decay * x
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g * g
        most = np.maximum(most, v)
        used = most if amsgrad else v
        x = x - lr * (m / (1 - betas[0] ** t)) / (np.sqrt(used / (1 - betas[1] ** t)) + eps)
    return x


def adamw(x, gradients, lr, weight_decay=1e-2, **options):
    return adam(x, gradients, lr, weight_decay=weight_decay, decoupled=True, **options)


CASES = {
    "sgd": (optim.SGD, sgd, {"lr": 0.1}),
    "sgd with decay": (optim.SGD, sgd, {"lr": 0.1, "weight_decay": 0.2}),
    "momentum": (optim.SGD, sgd, {"lr": 0.1, "momentum": 0.9}),
    "dampening": (optim.SGD, sgd, {"lr": 0.1, "momentum": 0.9, "dampening": 0.5, "weight_decay": 0.1}),
    "nesterov": (optim.SGD, sgd, {"lr": 0.1, "momentum": 0.8, "nesterov": True}),
    "adam": (optim.Adam, adam, {"lr": 0.01}),
    "adam with decay": (optim.Adam, adam, {"lr": 0.01, "weight_decay": 0.1, "betas": (0.8, 0.9), "eps": 1e-3}),
    "amsgrad": (optim.Adam, adam, {"lr": 0.1, "betas": (0.5, 0.3), "amsgrad": True}),
    "adamw": (optim.AdamW, adamw, {"lr": 0.01}),
    "adamw with decay": (optim.AdamW, adamw, {"lr": 0.01, "weight_decay": 0.3}),
}


@pytest.mark.parametrize("name", CASES)
def test_steps(name):
    kind, reference, options = CASES[name]
    rng = np.random.default_rng(5)
    starts = [rng.normal(size=shape).astype(np.float32) for shape in ((3, 4), (5,))]
    gradients = [[rng.normal(size=x.shape).astype(np.float32) for _ in range(7)] for x in starts]
    parameters = [mp.array(x) for x in starts]
    optimizer = kind(parameters, **options)
    for step in range(7):
        optimizer.step([mp.array(g[step]) for g in gradients])
    for x, start, own in zip(parameters, starts, gradients, strict=True):
        np.testing.assert_allclose(x.numpy(), reference(start.astype(np.float64), own, **options), rtol=1e-4, atol=1e-5)


def test_narrow_parameters():
    x = mp.array([1.0, 2.0], dtype="bfloat16")
    optimizer = optim.Adam([x], lr=0.5)
    optimizer.step([mp.array([1.0, -1.0])])
    np.testing.assert_allclose(x.astype("float32").numpy(), [0.5, 2.5], rtol=1e-2)


def test_the_learning_rate_may_change():
    x = mp.array([1.0])
    optimizer = optim.SGD([x], lr=0.5)
    optimizer.step([mp.array([1.0])])
    optimizer.lr = 0.25
    optimizer.step({"x": mp.array([1.0])})
    assert x.tolist() == [0.25]


COSINE = [0.4 * (1 + math.cos(math.pi * n / 4)) / 2 for n in range(4)]
RATES = {
    "StepLR": ((2, 0.5), [0.4, 0.4, 0.2, 0.2, 0.1]),
    "MultiStepLR": (([1, 3],), [0.4, 0.04, 0.04, 0.004, 0.004]),
    "ExponentialLR": ((0.5,), [0.4, 0.2, 0.1, 0.05, 0.025]),
    "LambdaLR": ((lambda n: n + 1,), [0.4, 0.8, 1.2, 1.6, 2.0]),
    "ConstantLR": ((0.5, 2), [0.2, 0.2, 0.4, 0.4, 0.4]),
    "LinearLR": ((0.5, 1, 2), [0.2, 0.3, 0.4, 0.4, 0.4]),
    "PolynomialLR": ((4, 2), [0.4, 0.225, 0.1, 0.025, 0.0]),
    "CosineAnnealingLR": ((4,), [*COSINE, 0.0]),
}


@pytest.mark.parametrize("name", RATES)
def test_learning_rates(name):
    args, expected = RATES[name]
    optimizer = optim.SGD([mp.ones(1)], lr=0.4)
    scheduler = getattr(optim.lr_scheduler, name)(optimizer, *args)
    found = []
    for _ in range(5):
        found.append(optimizer.lr)
        scheduler.step()
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_warming_up():
    optimizer = optim.SGD([mp.ones(1)], lr=0.4)
    parts = [
        optim.lr_scheduler.LinearLR(optimizer, 0.5, total_iters=2),
        optim.lr_scheduler.CosineAnnealingLR(optimizer, 4),
    ]
    scheduler = optim.lr_scheduler.SequentialLR(optimizer, parts, [2])
    found = []
    for _ in range(6):
        found += scheduler.get_last_lr()
        scheduler.step()
    np.testing.assert_allclose(found, [0.2, 0.3, *COSINE], atol=1e-12)


def test_plateaus():
    optimizer = optim.SGD([mp.ones(1)], lr=0.4)
    scheduler = optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=1)
    found = [scheduler.step(loss) or optimizer.lr for loss in (3, 2, 2, 2, 1, 1, 1)]
    assert found == [0.4, 0.4, 0.4, 0.2, 0.2, 0.2, 0.1]


def trained(model, optimizer, x, y, steps):
    step = mp.value_and_grad(lambda model: mp.nn.functional.mse_loss(model(x), y))
    for _ in range(steps):
        loss, gradients = step(model)
        optimizer.step(gradients)
    return loss.item()


def test_a_checkpoint_goes_on_as_if_nothing_had_been(tmp_path):
    mp.mps.manual_seed(1)
    x, y = mp.random.normal(size=(16, 3)), mp.random.normal(size=(16, 1))
    model = mp.nn.Sequential(mp.nn.Linear(3, 8), mp.nn.Tanh(), mp.nn.Linear(8, 1))
    optimizer = optim.AdamW(model.parameters(), lr=0.01)
    first = trained(model, optimizer, x, y, 5)
    saved = {name: value.numpy().copy() for name, value in model.state_dict().items()}
    kept = {name: value.numpy().copy() for name, value in optimizer.state_dict().items()}
    last = trained(model, optimizer, x, y, 5)
    again = mp.nn.Sequential(mp.nn.Linear(3, 8), mp.nn.Tanh(), mp.nn.Linear(8, 1))
    again.load_state_dict(saved)
    resumed = optim.AdamW(again.parameters(), lr=0.01)
    resumed.load_state_dict(kept)
    assert resumed.steps == 5
    assert trained(again, resumed, x, y, 5) == last < first


def test_clipping():
    gradients = {"a": mp.array([3.0, 0.0]), "b": [mp.array([[4.0]])]}
    clipped, norm = optim.clip_grad_norm(gradients, 2.5)
    assert norm.item() == 5
    np.testing.assert_allclose(clipped["a"].numpy(), [1.5, 0], rtol=1e-5)
    np.testing.assert_allclose(clipped["b"][0].numpy(), [[2]], rtol=1e-5)
    kept, _ = optim.clip_grad_norm(gradients, 10)
    assert kept["a"].tolist() == [3, 0]
    assert optim.clip_grad_value(gradients, 3.5)["b"][0].tolist() == [[3.5]]


WRONG = {
    "no parameters": (lambda: optim.SGD([], lr=1), ValueError, "no parameters"),
    "rate": (lambda: optim.SGD([mp.ones(1)], lr=-1), ValueError, "learning rate"),
    "betas": (lambda: optim.Adam([mp.ones(1)], betas=(1.0, 0.9)), ValueError, "below 1"),
    "nesterov": (lambda: optim.SGD([mp.ones(1)], nesterov=True), ValueError, "needs momentum"),
    "views": (lambda: optim.SGD([mp.ones((2, 2)).T], lr=1), ValueError, "not contiguous"),
    "integers": (lambda: optim.SGD([mp.array([1])], lr=1), mp.GradientError, "int32"),
    "shapes": (lambda: optim.SGD([mp.ones(2)], lr=1).step([mp.ones(3)]), ValueError, "gradients fit their parameters"),
    "state": (lambda: optim.Adam([mp.ones(2)]).load_state_dict({"steps": 1}), KeyError, "0.exp_avg"),
    "nothing to clip": (lambda: optim.clip_grad_norm([], 1.0), ValueError, "no gradients"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_arguments_say_so(name):
    call, kind, message = WRONG[name]
    with pytest.raises(kind, match=message):
        call()


def test_directions_are_those_of_the_loss():
    x = mp.array([3.0, -2.0])
    optimizer = optim.Adam([x], lr=0.1)
    for _ in range(300):
        optimizer.step([mp.grad(lambda x: mp.sum((x - mp.array([1.0, 1.0])) ** 2))(x)])
    np.testing.assert_allclose(x.numpy(), [1, 1], atol=1e-3)
    assert math.isfinite(float(x[0]))
