"""Modules, losses and optimizers against PyTorch's of the same names: outputs, gradients and state."""

import numpy as np
import pytest

import metalpy as mp
from metalpy import nn, optim
from metalpy.nn import functional as F

torch = pytest.importorskip("torch", reason="torch is not installed")
pytestmark = pytest.mark.usefixtures("device")


def normal(*shape, seed=5):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def tensor(x):
    made = torch.tensor(x)
    return made.requires_grad_() if made.dtype == torch.float32 else made


def close(found, expected, tolerance=2e-5, name=""):
    expected = expected.detach().numpy()
    assert found.shape == expected.shape
    np.testing.assert_allclose(found.numpy(), expected, rtol=tolerance, atol=tolerance, err_msg=name)


INDICES = np.array([[0, 3, 1], [4, 3, 3]])
IMAGE = normal(2, 4, 7, 6)
# name of the class: pairs of arguments for making it and what it is called with
MODULES = [
    ("Linear", (6, 3), {}, (IMAGE,)),
    ("Linear", (6, 3), {"bias": False}, (IMAGE,)),
    ("Conv1d", (4, 6, 3), {"stride": 2, "padding": 1, "dilation": 2, "groups": 2}, (normal(2, 4, 11),)),
    ("Conv2d", (4, 6, 3), {}, (IMAGE,)),
    ("Conv2d", (4, 6, (3, 2)), {"stride": (2, 1), "padding": (1, 2), "dilation": (1, 2), "groups": 2}, (IMAGE,)),
    ("Conv2d", (4, 2, (2, 5)), {"padding": "same", "bias": False}, (IMAGE,)),
    ("Embedding", (5, 4), {}, (INDICES,)),
    ("Embedding", (5, 4), {"padding_idx": 3}, (INDICES,)),
    ("LayerNorm", ((7, 6),), {}, (IMAGE,)),
    ("LayerNorm", (6,), {"eps": 0.1, "bias": False}, (IMAGE,)),
    ("LayerNorm", (6,), {"elementwise_affine": False}, (IMAGE,)),
    ("RMSNorm", (6,), {}, (IMAGE,)),
    ("RMSNorm", ((7, 6),), {"eps": 0.1}, (IMAGE,)),
    ("RMSNorm", (6,), {"elementwise_affine": False}, (IMAGE,)),
    ("GroupNorm", (2, 4), {}, (IMAGE,)),
    ("GroupNorm", (4, 4), {"affine": False, "eps": 0.1}, (IMAGE,)),
    ("BatchNorm1d", (4,), {}, (normal(5, 4),)),
    ("BatchNorm1d", (4,), {"affine": False}, (normal(5, 4, 3),)),
    ("BatchNorm2d", (4,), {"momentum": 0.3}, (IMAGE,)),
    ("BatchNorm2d", (4,), {"track_running_stats": False}, (IMAGE,)),
    ("MultiheadAttention", (12, 3), {}, (normal(5, 2, 12), normal(4, 2, 12, seed=1), normal(4, 2, 12, seed=2))),
    ("MultiheadAttention", (12, 3), {"batch_first": True, "bias": False}, (normal(2, 5, 12),) * 3),
    ("TransformerEncoderLayer", (12, 3, 16, 0.0), {}, (normal(5, 2, 12),)),
    (
        "TransformerEncoderLayer",
        (12, 3, 16, 0.0),
        {"activation": "gelu", "batch_first": True, "norm_first": True, "bias": False},
        (normal(2, 5, 12),),
    ),
    ("ConvTranspose1d", (4, 6, 3), {"stride": 2, "padding": 1, "output_padding": 1}, (normal(2, 4, 5),)),
    ("ConvTranspose2d", (4, 6, 3), {}, (IMAGE,)),
    (
        "ConvTranspose2d",
        (4, 6, (3, 2)),
        {"stride": (2, 3), "padding": (1, 0), "output_padding": (1, 2), "groups": 2, "dilation": (2, 1)},
        (IMAGE,),
    ),
    ("PReLU", (), {}, (IMAGE,)),
    ("PReLU", (4,), {"init": 0.1}, (IMAGE,)),
    ("PixelShuffle", (2,), {}, (normal(2, 8, 3, 4),)),
    ("Upsample", (), {"scale_factor": 2}, (IMAGE,)),
    ("Upsample", (), {"size": (9, 4)}, (IMAGE,)),
    ("Upsample", (), {"scale_factor": (1.7, 2.5), "mode": "bilinear"}, (IMAGE,)),
    ("Upsample", (), {"size": (3, 9), "mode": "bilinear", "align_corners": True}, (IMAGE,)),
    ("Upsample", (), {"size": 13, "mode": "linear"}, (normal(2, 4, 5),)),
    ("MaxPool1d", (3,), {"stride": 2, "padding": 1}, (normal(2, 4, 11),)),
    ("MaxPool2d", (2,), {}, (IMAGE,)),
    ("MaxPool2d", ((3, 2),), {"stride": (1, 2), "padding": (1, 0)}, (IMAGE,)),
    ("AvgPool1d", (3,), {"padding": 1}, (normal(2, 4, 11),)),
    ("AvgPool2d", (3,), {"stride": 2, "padding": 1}, (IMAGE,)),
    ("AdaptiveAvgPool2d", (1,), {}, (IMAGE,)),
    ("AdaptiveAvgPool2d", ((3, 4),), {}, (IMAGE,)),
    ("Flatten", (), {}, (IMAGE,)),
    ("Flatten", (), {"start_dim": 0, "end_dim": 2}, (IMAGE,)),
    ("Dropout", (0.0,), {"inplace": False}, (IMAGE,)),
    ("Identity", (3,), {}, (IMAGE,)),
    ("ReLU", (), {}, (IMAGE,)),
    ("ReLU", (), {}, (np.zeros((3, 2), np.float32),)),
    ("ReLU6", (), {}, (4 * IMAGE,)),
    ("LeakyReLU", (0.2,), {}, (IMAGE,)),
    ("LeakyReLU", (0.2,), {}, (np.zeros((3, 2), np.float32),)),
    ("ELU", (0.7,), {}, (IMAGE,)),
    ("ELU", (0.7,), {}, (np.zeros((3, 2), np.float32),)),
    ("CELU", (0.7,), {}, (IMAGE,)),
    ("SELU", (), {}, (IMAGE,)),
    ("GELU", (), {}, (IMAGE,)),
    ("GELU", (), {"approximate": "tanh"}, (IMAGE,)),
    ("GLU", (), {"dim": 1}, (IMAGE,)),
    ("SiLU", (), {}, (IMAGE,)),
    ("Mish", (), {}, (IMAGE,)),
    ("Hardtanh", (-0.5, 0.7), {}, (IMAGE,)),
    ("Hardsigmoid", (), {}, (4 * IMAGE,)),
    ("Hardswish", (), {}, (4 * IMAGE,)),
    ("Sigmoid", (), {}, (IMAGE,)),
    ("LogSigmoid", (), {}, (9 * IMAGE,)),
    ("Tanh", (), {}, (IMAGE,)),
    ("Softplus", (), {"beta": 2.0}, (IMAGE,)),
    ("Softsign", (), {}, (IMAGE,)),
    ("Softmax", (), {"dim": 1}, (IMAGE,)),
    ("LogSoftmax", (), {"dim": -1}, (IMAGE,)),
    ("CosineSimilarity", (), {"dim": 1}, (IMAGE, normal(2, 4, 7, 6, seed=1))),
]


def label(case):
    name, args, options, given = case
    return f"{name}({', '.join(map(str, args))}{''.join(f', {k}={v}' for k, v in options.items())}) {given[0].shape}"


def pairs(name, args, options):
    """Our module and theirs, with their state, which is random."""
    theirs = getattr(torch.nn, name)(*args, **options)
    rng = np.random.default_rng(11)
    with torch.no_grad():
        for x in (*theirs.parameters(), *theirs.buffers()):
            if x.dtype == torch.float32:
                x.copy_(torch.tensor(rng.uniform(0.2, 1.2, x.shape).astype(np.float32)))
    ours = getattr(nn, name)(*args, **options)
    assert [n for n, _ in ours.named_parameters()] == [n for n, _ in theirs.named_parameters()]
    assert ours.load_state_dict(theirs.state_dict()) == ([], [])
    return ours, theirs


def compare(ours, theirs, function, reference, given):
    """Outputs, and gradients of a weighted sum with respect to the arguments and the parameters."""
    tensors = [tensor(x) for x in given]
    expected = reference(*tensors)
    weights = normal(*expected.shape, seed=9)
    (expected * torch.tensor(weights)).sum().backward()

    def total(module, arrays):
        found = function(*arrays, *(x for x in integers))
        return mp.sum(found * mp.array(weights)), found

    integers = [mp.array(x) for x in given if x.dtype != np.float32]
    arrays = [mp.array(x) for x in given if x.dtype == np.float32]
    sources = [ours, arrays] if list(ours.parameters()) and arrays else [ours] if list(ours.parameters()) else [arrays]
    (_, found), gradients = mp.value_and_grad(
        lambda *parts: total(ours, next((p for p in parts if isinstance(p, list)), arrays)),
        argnums=tuple(range(len(sources))), has_aux=True)(*sources)  # fmt: skip
    close(found, expected)
    for source, gradient in zip(sources, gradients, strict=True):
        if source is ours:
            for name, x in theirs.named_parameters():
                close(gradient[name], x.grad, 1e-4, name)
        else:
            for n, (x, y) in enumerate(zip(gradient, (t for t in tensors if t.grad is not None), strict=True)):
                close(x, y.grad, 1e-4, f"argument {n}")


def first(result):
    return result[0] if isinstance(result, tuple) else result


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("case", MODULES, ids=label)
def test_module(case, training):
    name, args, options, given = case
    ours, theirs = pairs(name, args, options)
    ours.train(training)
    theirs.train(training)
    compare(ours, theirs, lambda *x: first(ours(*x)), lambda *x: first(theirs(*x)), given)
    own = ours.state_dict()
    assert list(own) == list(theirs.state_dict())
    for key, value in theirs.state_dict().items():  # also what training moved
        close(own[key], value, name=key)
        assert own[key].dtype.name == str(value.dtype).removeprefix("torch.")
    theirs.load_state_dict({key: torch.from_dlpack(x) for key, x in own.items()})


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("masks", ["none", "causal", "added", "each head", "padding", "both"])
def test_masks_of_attention(masks, batch_first):
    ours, theirs = pairs("MultiheadAttention", (12, 3), {"batch_first": batch_first})
    shape = (2, 5, 12) if batch_first else (5, 2, 12)
    x = normal(*shape)
    causal = np.triu(np.ones((5, 5), bool), 1)
    padding = np.array([[False] * 4 + [True], [False] * 5])
    options = {
        "none": {}, "causal": {"attn_mask": causal}, "added": {"attn_mask": normal(5, 5)},
        "each head": {"attn_mask": normal(6, 5, 5)}, "padding": {"key_padding_mask": padding},
        "both": {"attn_mask": causal, "key_padding_mask": padding},
    }[masks]  # fmt: skip
    given = {key: mp.array(value) for key, value in options.items()}
    expected = {key: torch.tensor(value) for key, value in options.items()}
    for more in ({}, {"average_attn_weights": False}, {"need_weights": False}):
        found, weights = ours(*[mp.array(x)] * 3, **given, **more)
        wanted, wanted_weights = theirs(*[torch.tensor(x)] * 3, **expected, **more)
        close(found, wanted)
        assert (weights is None) == (wanted_weights is None)
        if weights is not None:
            close(weights, wanted_weights)
    if masks == "causal":
        close(ours(*[mp.array(x)] * 3, is_causal=True)[0], wanted)
        single = x[0] if batch_first else x[:, 0]
        close(ours(*[mp.array(single)] * 3, **given)[0], theirs(*[torch.tensor(single)] * 3, **expected)[0])


def test_a_model_of_torch():
    def build(nn):
        block = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU(inplace=True))
        layers = nn.ModuleDict({"features": block, "heads": nn.ModuleList([nn.Linear(4, 2), nn.Linear(4, 3)])})
        return layers

    theirs, ours = build(torch.nn), build(nn)
    assert [name for name, _ in ours.named_parameters()] == [name for name, _ in theirs.named_parameters()]
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict())
    ours.eval()
    theirs.eval()
    x = normal(2, 3, 5, 5)
    found = mp.mean(ours["features"](mp.array(x)), axis=(2, 3))
    expected = theirs["features"](torch.tensor(x)).mean((2, 3))
    for n in range(2):
        close(ours["heads"][n](found), theirs["heads"][n](expected))
    assert [type(m).__name__ for m in ours.modules()] == [type(m).__name__ for m in theirs.modules()]


def test_encoders():
    def build(nn):
        layer = nn.TransformerEncoderLayer(12, 4, 16, batch_first=True)
        return nn.TransformerEncoder(layer, 2, norm=nn.LayerNorm(12)).eval()

    ours, theirs = build(nn), build(torch.nn)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict())
    x, padding = normal(2, 5, 12), np.array([[False] * 3 + [True] * 2, [False] * 5])
    causal = np.triu(np.ones((5, 5), bool), 1)
    with torch.no_grad():
        expected = theirs(torch.tensor(x), torch.tensor(causal), torch.tensor(padding)).numpy()
    found = ours(mp.array(x), mp.array(causal), mp.array(padding)).numpy()
    np.testing.assert_allclose(found[~padding], expected[~padding], rtol=2e-5, atol=2e-5)


LOGITS, OTHERS = normal(6, 4), normal(6, 4, seed=2)
CLASSES = np.array([3, 0, 1, -100, 2, 0])
POSITIVE = np.abs(normal(4)) + 0.1
SHARES = np.exp(OTHERS) / np.exp(OTHERS).sum(1, keepdims=True)
UNIT = 1 / (1 + np.exp(-LOGITS))
LOSSES = [
    ("MSELoss", {}, (LOGITS, OTHERS)),
    ("L1Loss", {}, (LOGITS, OTHERS)),
    ("SmoothL1Loss", {"beta": 0.6}, (LOGITS, OTHERS)),
    ("SmoothL1Loss", {"beta": 0.0}, (LOGITS, OTHERS)),
    ("HuberLoss", {"delta": 0.6}, (LOGITS, OTHERS)),
    ("CrossEntropyLoss", {}, (LOGITS, CLASSES)),
    ("CrossEntropyLoss", {"ignore_index": 0, "label_smoothing": 0.2}, (LOGITS, np.abs(CLASSES) % 4)),
    ("CrossEntropyLoss", {"weight": POSITIVE}, (LOGITS, CLASSES)),
    ("CrossEntropyLoss", {"weight": POSITIVE, "label_smoothing": 0.2}, (LOGITS, CLASSES)),
    ("CrossEntropyLoss", {}, (LOGITS, SHARES)),
    ("CrossEntropyLoss", {"weight": POSITIVE, "label_smoothing": 0.2}, (LOGITS, SHARES)),
    ("CrossEntropyLoss", {"weight": POSITIVE}, (normal(2, 4, 3), np.array([[0, 1, 3], [2, 2, -100]]))),
    ("CrossEntropyLoss", {}, (LOGITS[0], np.array(2))),
    ("NLLLoss", {}, (LOGITS, CLASSES)),
    ("NLLLoss", {"weight": POSITIVE, "ignore_index": 2}, (LOGITS, np.abs(CLASSES) % 4)),
    ("BCELoss", {}, (UNIT, SHARES)),
    ("BCELoss", {"weight": POSITIVE}, (UNIT, np.round(SHARES))),
    ("BCEWithLogitsLoss", {}, (30 * LOGITS, SHARES)),
    ("BCEWithLogitsLoss", {"pos_weight": POSITIVE, "weight": POSITIVE + 1}, (LOGITS, SHARES)),
    ("KLDivLoss", {}, (LOGITS, np.where(SHARES > 0.2, SHARES, 0).astype(np.float32))),
    ("KLDivLoss", {"log_target": True}, (LOGITS, OTHERS)),
]


@pytest.mark.parametrize("reduction", ["mean", "sum", "none", "batchmean"])
@pytest.mark.parametrize("case", LOSSES, ids=lambda case: f"{case[0]}({case[1]}) {case[2][0].shape}")
@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides")
def test_loss(case, reduction):
    name, options, (x, target) = case
    if reduction == "batchmean" and name != "KLDivLoss":
        with pytest.raises(ValueError, match="reduction is"):
            getattr(nn, name)(reduction=reduction)(mp.array(x), mp.array(target))
        return
    ours, theirs = (
        getattr(library, name)(reduction=reduction, **{
            key: make(value) if isinstance(value, np.ndarray) else value for key, value in options.items()
        }) for library, make in ((nn, mp.array), (torch.nn, torch.tensor))
    )  # fmt: skip
    assert not list(ours.parameters())
    assert list(ours.state_dict()) == list(theirs.state_dict())
    given = (x, target) if name in ("MSELoss", "L1Loss", "HuberLoss", "SmoothL1Loss") else (x,)
    fixed = () if len(given) == 2 else (target,)
    compare(ours, theirs, lambda *a: ours(*a[: len(given)], *map(mp.array, fixed)),
            lambda *a: theirs(*a, *map(torch.tensor, fixed)), given)  # fmt: skip


def test_extreme_probabilities():
    x, target = np.array([0.0, 1.0, 0.0, 1.0], np.float32), np.array([0.0, 1.0, 1.0, 0.0], np.float32)
    close(F.binary_cross_entropy(mp.array(x), mp.array(target), reduction="none"),
          torch.nn.functional.binary_cross_entropy(torch.tensor(x), torch.tensor(target), reduction="none"))  # fmt: skip


Q, K, V = normal(2, 3, 5, 4), normal(2, 3, 7, 4, seed=1), normal(2, 3, 7, 6, seed=2)
FUNCTIONS = {
    "attention": (lambda f, *x: f.scaled_dot_product_attention(*x), (Q, K, V)),
    "causal attention": (lambda f, *x: f.scaled_dot_product_attention(*x, is_causal=True, scale=0.3), (Q, K, V)),
    "masked attention": (lambda f, q, k, v, m: f.scaled_dot_product_attention(q, k, v, attn_mask=m),
                         (Q, K, V, normal(5, 7))),
    "normalize": (lambda f, x: f.normalize(x, dim=-1), (IMAGE,)),
    "normalize of 1": (lambda f, x: f.normalize(x, p=1.0), (IMAGE,)),
    "pad": (lambda f, x: f.pad(x, (1, 2, -1, 3), value=0.5), (IMAGE,)),
    "linear": (lambda f, *x: f.linear(*x), (normal(3, 4), normal(5, 4), normal(5))),
    "layer_norm": (lambda f, *x: f.layer_norm(x[0], (6,), *x[1:]), (IMAGE, normal(6), normal(6))),
    "rms_norm": (lambda f, *x: f.rms_norm(x[0], (6,), *x[1:]), (IMAGE, normal(6))),
    "group_norm": (lambda f, *x: f.group_norm(x[0], 2, *x[1:]), (IMAGE, normal(4), normal(4))),
    "conv1d": (lambda f, *x: f.conv1d(*x, padding="same"), (normal(2, 4, 9), normal(3, 4, 4), normal(3))),
    "conv2d": (lambda f, *x: f.conv2d(*x, stride=2, padding="valid"), (IMAGE, normal(3, 4, 2, 3), normal(3))),
    "unfold and fold": (lambda f, x: f.fold(f.unfold(x, 3, padding=1) ** 2, (7, 6), 3, padding=1), (IMAGE,)),
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.filterwarnings("ignore:Using padding='same'")
def test_function(name):
    function, given = FUNCTIONS[name]
    compare(nn.Identity(), torch.nn.Identity(), lambda *x: function(F, *x),
            lambda *x: function(torch.nn.functional, *x), given)  # fmt: skip


def test_one_hot():
    for count in (-1, 7):
        found = F.one_hot(mp.array(INDICES), count)
        expected = torch.nn.functional.one_hot(torch.tensor(INDICES), count)
        assert (found.dtype.name, found.tolist()) == ("int64", expected.tolist())


OPTIMIZERS = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.05}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.05}),
    ("Adam", {"lr": 0.05}),
    ("Adam", {"lr": 0.05, "betas": (0.8, 0.95), "eps": 1e-3, "weight_decay": 0.1}),
    ("AdamW", {"lr": 0.05}),
    ("AdamW", {"lr": 0.05, "weight_decay": 0.3}),
    ("Adam", {"lr": 0.3, "amsgrad": True}),
    ("AdamW", {"lr": 0.3, "amsgrad": True, "betas": (0.5, 0.5)}),
]


@pytest.mark.parametrize("case", OPTIMIZERS, ids=str)
def test_twenty_steps(case):
    name, options = case
    ours, theirs = pairs("Linear", (6, 3), {})
    own, other = (getattr(library, name)(module.parameters(), **options)
                  for library, module in ((optim, ours), (torch.optim, theirs)))  # fmt: skip
    x, y = normal(8, 6), normal(8, 3, seed=3)
    step = mp.value_and_grad(lambda module: F.mse_loss(mp.tanh(module(mp.array(x))), mp.array(y)))
    for _ in range(20):
        value, gradients = step(ours)
        own.step(gradients)
        other.zero_grad()
        expected = torch.nn.functional.mse_loss(torch.tanh(theirs(torch.tensor(x))), torch.tensor(y))
        expected.backward()
        other.step()
        close(value, expected, 1e-4)
    for key, value in theirs.state_dict().items():
        close(ours.state_dict()[key], value, 2e-4, key)


SCHEDULERS = [
    ("LambdaLR", (lambda epoch: 1 / (1 + epoch),), {}),
    ("StepLR", (3,), {"gamma": 0.5}),
    ("MultiStepLR", ([2, 5, 5],), {}),
    ("ExponentialLR", (0.8,), {}),
    ("ConstantLR", (0.25, 4), {}),
    ("LinearLR", (), {}),
    ("LinearLR", (), {"start_factor": 0.1, "end_factor": 0.7, "total_iters": 8}),
    ("PolynomialLR", (7,), {"power": 2.0}),
    ("CosineAnnealingLR", (6,), {"eta_min": 0.01}),
]


def optimizers():
    ours, theirs = pairs("Linear", (2, 2), {})
    return optim.SGD(ours, lr=0.3), torch.optim.SGD(theirs.parameters(), lr=0.3)


@pytest.mark.parametrize("case", SCHEDULERS, ids=lambda case: f"{case[0]} {case[2]}")
def test_scheduler(case):
    name, args, options = case
    own, other = optimizers()
    ours = getattr(optim.lr_scheduler, name)(own, *args, **options)
    theirs = getattr(torch.optim.lr_scheduler, name)(other, *args, **options)
    for epoch in range(15):
        np.testing.assert_allclose(ours.get_last_lr(), theirs.get_last_lr(), rtol=1e-6, atol=1e-9, err_msg=str(epoch))
        assert own.lr == ours.get_last_lr()[0]
        other.step()
        ours.step()
        theirs.step()
    fresh = getattr(optim.lr_scheduler, name)(optimizers()[0], *args, **options)
    fresh.load_state_dict(ours.state_dict())
    assert fresh.get_last_lr() == ours.get_last_lr()


@pytest.mark.filterwarnings("ignore:The epoch parameter")
def test_one_scheduler_after_another():
    rates = []
    for library, optimizer in zip((optim, torch.optim), optimizers(), strict=True):
        kinds = library.lr_scheduler
        parts = [kinds.LinearLR(optimizer, 0.1, total_iters=3), kinds.CosineAnnealingLR(optimizer, 5)]
        scheduler = kinds.SequentialLR(optimizer, parts, [3])
        rates.append([])
        for _ in range(9):
            rates[-1].append(scheduler.get_last_lr()[0])
            optimizer.step() if library is torch.optim else None
            scheduler.step()
    np.testing.assert_allclose(rates[0], rates[1], rtol=1e-6)
    with pytest.raises(ValueError, match="change at 1 milestones"):
        optim.lr_scheduler.SequentialLR(optimizers()[0], parts, [])


@pytest.mark.parametrize(
    "options", [{"patience": 1}, {"mode": "max", "patience": 0, "cooldown": 2, "min_lr": 0.1}], ids=str
)
def test_plateaus(options):
    own, other = optimizers()
    ours = optim.lr_scheduler.ReduceLROnPlateau(own, factor=0.5, **options)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(other, factor=0.5, **options)
    for measure in (3, 2, 2.1, 2, 1.99999, 1, 4, 4, 4, 4, 5, 6, 5, 4):
        ours.step(measure)
        theirs.step(measure)
        np.testing.assert_allclose(ours.get_last_lr(), theirs.get_last_lr(), rtol=1e-6)


def test_clipping():
    gradients = [normal(3, 4), normal(5, seed=1)]
    for limit in (0.5, 100.0):
        parameters = [torch.nn.Parameter(torch.tensor(x)) for x in gradients]
        for parameter, x in zip(parameters, gradients, strict=True):
            parameter.grad = torch.tensor(x)
        expected = torch.nn.utils.clip_grad_norm_(parameters, limit)
        clipped, norm = optim.clip_grad_norm([mp.array(x) for x in gradients], limit)
        close(norm, expected)
        for x, parameter in zip(clipped, parameters, strict=True):
            close(x, parameter.grad)
