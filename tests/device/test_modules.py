"""Modules, layers and losses: against formulas in NumPy, in double precision."""

import math

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


X = normal(4, 6) * 3
ACTIVATIONS = {
    "relu": (F.relu, lambda x: np.maximum(x, 0)),
    "leaky_relu": (lambda x: F.leaky_relu(x, 0.1), lambda x: np.where(x > 0, x, 0.1 * x)),
    "elu": (F.elu, lambda x: np.where(x > 0, x, np.expm1(x))),
    "gelu": (F.gelu, lambda x: x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))),
    "gelu by tanh": (lambda x: F.gelu(x, "tanh"),
                     lambda x: x * 0.5 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))),
    "silu": (F.silu, lambda x: x * sigmoid(x)),
    "sigmoid": (F.sigmoid, sigmoid),
    "softplus": (F.softplus, lambda x: np.logaddexp(x.astype(np.float64), 0)),
    "tanh": (F.tanh, np.tanh),
    "relu6": (F.relu6, lambda x: np.clip(x, 0, 6)),
    "hardtanh": (lambda x: F.hardtanh(x, -0.5, 2), lambda x: np.clip(x, -0.5, 2)),
    "hardsigmoid": (F.hardsigmoid, lambda x: np.clip(x + 3, 0, 6) / 6),
    "hardswish": (F.hardswish, lambda x: x * np.clip(x + 3, 0, 6) / 6),
    "celu": (lambda x: F.celu(x, 0.5), lambda x: np.where(x > 0, x, 0.5 * np.expm1(x / 0.5))),
    "selu": (F.selu, lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(x))),
    "mish": (F.mish, lambda x: x * np.tanh(np.logaddexp(x, 0))),
    "softsign": (F.softsign, lambda x: x / (1 + np.abs(x))),
    "logsigmoid": (F.logsigmoid, lambda x: np.log(sigmoid(x))),
    "glu": (F.glu, lambda x: x[:, :3] * sigmoid(x[:, 3:])),
    "softplus of 2": (lambda x: F.softplus(x, 2.0), lambda x: np.logaddexp(2 * x, 0) / 2),
    "normalize": (F.normalize, lambda x: x / np.sqrt((x * x).sum(1, keepdims=True))),
    "pad": (lambda x: F.pad(x, (2, 1, -1, 3), value=4), lambda x: np.pad(x[1:], ((0, 3), (2, 1)), constant_values=4)),
    "softmax": (F.softmax, lambda x: np.exp(x) / np.exp(x).sum(-1, keepdims=True)),
    "log_softmax": (lambda x: F.log_softmax(x, axis=0), lambda x: x - np.log(np.exp(x).sum(0, keepdims=True))),
}  # fmt: skip


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation(name):
    ours, reference = ACTIVATIONS[name]
    close(ours(mp.array(X)), reference(X.astype(np.float64)))


def test_activations_do_not_overflow():
    extreme = mp.array([-1e4, 1e4])
    assert F.sigmoid(extreme).tolist() == [0, 1]
    assert F.softplus(extreme).tolist() == [0, 1e4]
    assert F.gelu(extreme).tolist() == [0, 1e4]


def reference_conv2d(x, w, b, stride, padding, dilation, groups):
    (sy, sx), (py, px), (dy, dx) = stride, padding, dilation
    x = np.pad(x.astype(np.float64), ((0, 0), (0, 0), (py, py), (px, px)))
    n, _, h, wide = x.shape
    out, inner, kh, kw = w.shape
    rows, columns = (h - dy * (kh - 1) - 1) // sy + 1, (wide - dx * (kw - 1) - 1) // sx + 1
    y = np.zeros((n, out, rows, columns))
    for o in range(out):
        first = o // (out // groups) * inner
        for i in range(kh):
            for j in range(kw):
                part = x[
                    :, first : first + inner, i * dy : i * dy + sy * rows : sy, j * dx : j * dx + sx * columns : sx
                ]
                y[:, o] += np.einsum("nchw,c->nhw", part[:, :, :rows, :columns], w[o, :, i, j].astype(np.float64))
    return y if b is None else y + b[None, :, None, None]


CONVOLUTIONS = {
    "plain": dict(size=3),
    "strided": dict(size=(2, 3), stride=(2, 1)),
    "padded": dict(size=3, padding=(2, 1)),
    "dilated": dict(size=2, dilation=(2, 3), padding=1),
    "grouped": dict(size=3, groups=2, padding=1),
    "depthwise": dict(size=3, groups=4, bias=False),
    "all": dict(size=(3, 2), stride=(2, 3), padding=(1, 2), dilation=(2, 1), groups=2),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_conv2d(name):
    options = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1, "bias": True, **CONVOLUTIONS[name]}
    size = options.pop("size")
    layer = nn.Conv2d(4, 8, size, **options)
    x = normal(2, 4, 7, 9)
    bias = options.pop("bias")
    pairs = [
        v if isinstance(v, tuple) else (v, v) for v in (options["stride"], options["padding"], options["dilation"])
    ]
    expected = reference_conv2d(
        x, layer.weight.numpy(), layer.bias.numpy() if bias else None, *pairs, options["groups"]
    )
    close(layer(mp.array(x)), expected)


def test_conv1d():
    layer = nn.Conv1d(3, 5, 4, stride=2, padding=3, dilation=2)
    x = normal(2, 3, 20)
    expected = reference_conv2d(x[:, :, None], layer.weight.numpy()[:, :, None], layer.bias.numpy(), (1, 2), (0, 3),
                                (1, 2), 1)  # fmt: skip
    close(layer(mp.array(x)), expected[:, :, 0])


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_gradients_of_conv2d(name):
    # The result is linear in each argument, so the products with any directions must agree.
    options = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1, **CONVOLUTIONS[name]}
    size = options.pop("size")
    options.pop("bias", None)
    window = size if isinstance(size, tuple) else (size, size)
    x, w = normal(2, 4, 7, 9), normal(8, 4 // options["groups"], *window)
    pairs = [
        v if isinstance(v, tuple) else (v, v) for v in (options["stride"], options["padding"], options["dilation"])
    ]
    g = normal(*reference_conv2d(x, w, None, *pairs, options["groups"]).shape)
    _, gradients = mp.value_and_grad(
        lambda x, w: mp.sum(F.conv2d(x, w, None, *pairs, options["groups"]) * mp.array(g)), argnums=(0, 1)
    )(mp.array(x), mp.array(w))
    dx, dw = normal(*x.shape), normal(*w.shape)
    for gradient, direction, moved in (
        (gradients[0], dx, reference_conv2d(dx, w, None, *pairs, options["groups"])),
        (gradients[1], dw, reference_conv2d(x, dw, None, *pairs, options["groups"])),
    ):
        np.testing.assert_allclose(
            (gradient.numpy().astype(np.float64) * direction).sum(), (g * moved).sum(), rtol=1e-4
        )


def test_pooling():
    x = normal(2, 3, 6, 8)
    blocks = x.reshape(2, 3, 3, 2, 4, 2)
    close(F.max_pool2d(mp.array(x), 2), blocks.max((3, 5)))
    close(F.avg_pool2d(mp.array(x), 2), blocks.mean((3, 5)))
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (2, 3))[:, :, ::2, ::2]
    close(nn.MaxPool2d(3, stride=2, padding=1)(mp.array(x)), windows.max((-1, -2)))
    close(nn.AvgPool1d(2)(mp.array(x[:, :, 0])), x[:, :, 0].reshape(2, 3, 4, 2).mean(-1))
    close(nn.MaxPool1d(2)(mp.array(x[:, :, 0])), x[:, :, 0].reshape(2, 3, 4, 2).max(-1))
    close(nn.AdaptiveAvgPool2d((3, 4))(mp.array(x)), blocks.mean((3, 5)))
    uneven = np.stack([x[..., :3].mean((2, 3)), x[..., 2:6].mean((2, 3)), x[..., 5:].mean((2, 3))], axis=-1)
    close(F.adaptive_avg_pool2d(mp.array(x), (1, 3)), uneven[:, :, None])
    negative = mp.array(-np.abs(x) - 1)
    assert (F.max_pool2d(negative, 3, 1, 1).numpy() < 0).all()  # nothing from beyond the edges
    gradient = mp.grad(lambda x: mp.sum(F.max_pool2d(x, 2)))(mp.array(x)).numpy()
    np.testing.assert_array_equal(gradient, np.kron(blocks.max((3, 5)), np.ones((2, 2))) == x)


def standardised(x, axes, eps=1e-5):
    x = x.astype(np.float64)
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + eps)


def test_norms():
    x, w, b = normal(4, 6, 5), normal(6, 5), normal(6, 5)
    close(F.layer_norm(mp.array(x), (6, 5), mp.array(w), mp.array(b)), standardised(x, (1, 2)) * w + b)
    layer = nn.RMSNorm(5, eps=1e-5)
    layer.weight[...] = w[0]
    close(layer(mp.array(x)), x / np.sqrt((x.astype(np.float64) ** 2).mean(-1, keepdims=True) + 1e-5) * w[0])
    group = nn.GroupNorm(3, 6)
    group.weight[...], group.bias[...] = w[:, 0], b[:, 0]
    expected = standardised(x.reshape(4, 3, 10), (2,)).reshape(x.shape) * w[:, :1] + b[:, :1]
    close(group(mp.array(x)), expected)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_norms_of_narrow_floats(dtype):
    """Squares of these numbers are beyond float16."""
    x = mp.array(normal(4, 6, 5) * 400, dtype=dtype)
    host, tolerance = x.numpy().astype(np.float64), 1e-3 if dtype == "float16" else 8e-3
    layer = nn.BatchNorm1d(6, dtype=dtype)
    found = {
        "layer": F.layer_norm(x, 5), "root": F.rms_norm(x, 5), "group": F.group_norm(x, 2), "batch": layer(x)
    }  # fmt: skip
    expected = {
        "layer": standardised(host, (2,)), "root": host / np.sqrt((host**2).mean(-1, keepdims=True)),
        "group": standardised(host.reshape(4, 2, 15), (2,)).reshape(host.shape), "batch": standardised(host, (0, 2)),
    }  # fmt: skip
    for name, y in found.items():
        assert y.dtype.name == dtype
        np.testing.assert_allclose(
            y.numpy().astype(float), expected[name], rtol=tolerance, atol=tolerance, err_msg=name
        )
    assert layer.running_mean.dtype.name == dtype
    np.testing.assert_allclose(layer.running_mean.numpy().astype(float), 0.1 * host.mean((0, 2)), rtol=2 * tolerance)


def test_batch_norm():
    layer = nn.BatchNorm2d(3)
    first, second = normal(4, 3, 5, 5) + 2, normal(4, 3, 5, 5) * 2
    close(layer(mp.array(first)), standardised(first, (0, 2, 3)))
    layer(mp.array(second))
    mean = np.zeros(3)
    var = np.ones(3)
    for x in (first, second):
        mean += 0.1 * (x.mean((0, 2, 3)) - mean)
        var += 0.1 * (x.var((0, 2, 3), ddof=1) - var)
    close(layer.running_mean, mean)
    close(layer.running_var, var)
    layer.eval()
    expected = (first - mean[:, None, None]) / np.sqrt(var[:, None, None] + 1e-5)
    close(layer(mp.array(first)), expected)
    assert [name for name, _ in layer.named_parameters()] == ["weight", "bias"]
    assert list(layer.state_dict()) == ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]


def test_batch_norm_in_training_has_gradients():
    layer, x = nn.BatchNorm2d(2), mp.array(normal(3, 2, 4, 4))
    gradients = mp.grad(lambda layer: mp.sum(layer(x) ** 3))(layer)
    expected = (standardised(x.numpy(), (0, 2, 3)) ** 3).sum((0, 2, 3)) * 3
    close(gradients["weight"], expected, 1e-3)
    assert abs(layer.running_mean.numpy()).max() > 0


def test_dropout():
    layer = nn.Dropout(0.25)
    x = mp.ones(100000)
    y = layer(x).numpy()
    assert set(np.unique(y)) == {np.float32(0), np.float32(1 / 0.75)}
    assert abs((y == 0).mean() - 0.25) < 0.01
    assert layer.eval()(x) is x
    with pytest.raises(ValueError, match="p is a probability"):
        F.dropout(x, 1.5)


def test_embedding_and_its_gradient():
    layer = nn.Embedding(10, 4)
    places = np.array([[1, 3, 1], [9, 0, 1]])
    close(layer(mp.array(places)), layer.weight.numpy()[places])
    g = normal(2, 3, 4)
    gradient = mp.grad(lambda layer: mp.sum(layer(mp.array(places)) * mp.array(g)))(layer)["weight"]
    expected = np.zeros((10, 4), np.float32)
    np.add.at(expected, places, g)
    close(gradient, expected)


def reference_attention(q, k, v, mask):
    scores = q.astype(np.float64) @ k.swapaxes(-1, -2) / math.sqrt(q.shape[-1])
    scores = np.where(mask, scores, -np.inf)
    e = np.exp(scores - scores.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True) @ v


def test_attention():
    q, k, v = normal(2, 3, 5, 8), normal(2, 3, 7, 8), normal(2, 3, 7, 4)
    mask = RNG.random((5, 7)) < 0.7
    mask[:, 0] = True
    ours = [mp.array(x) for x in (q, k, v)]
    close(F.scaled_dot_product_attention(*ours), reference_attention(q, k, v, True))
    close(F.scaled_dot_product_attention(*ours, attn_mask=mp.array(mask)), reference_attention(q, k, v, mask))
    close(F.scaled_dot_product_attention(*ours, is_causal=True), reference_attention(q, k, v, np.tri(5, 7, dtype=bool)))
    added = np.where(mask, 0, -1e9).astype(np.float32)
    close(F.scaled_dot_product_attention(*ours, attn_mask=mp.array(added)), reference_attention(q, k, v, mask))


def test_multi_head_attention():
    layer, x = nn.MultiHeadAttention(12, 3), normal(2, 5, 12)

    def project(linear, x):
        return x @ linear.weight.numpy().T + linear.bias.numpy()

    q, k, v = (
        project(part, x).reshape(2, 5, 3, 4).swapaxes(1, 2) for part in (layer.q_proj, layer.k_proj, layer.v_proj)
    )
    found = reference_attention(q, k, v, np.tri(5, dtype=bool)).swapaxes(1, 2).reshape(2, 5, 12)
    close(layer(mp.array(x), is_causal=True), project(layer.out_proj, found))


@pytest.mark.parametrize("batch_first", [True, False])
def test_attention_in_one_matrix(batch_first):
    """Both kinds of module, with the same weights."""
    ours, x = nn.MultiheadAttention(12, 3, batch_first=batch_first), normal(2, 5, 12)
    other = nn.MultiHeadAttention(12, 3)
    ours.in_proj_bias[...] = normal(36)
    for n, part in enumerate((other.q_proj, other.k_proj, other.v_proj)):
        part.weight[...] = ours.in_proj_weight[12 * n : 12 * n + 12]
        part.bias[...] = ours.in_proj_bias[12 * n : 12 * n + 12]
    other.out_proj.load_state_dict(ours.out_proj.state_dict())
    given = mp.array(x if batch_first else x.swapaxes(0, 1))
    expected = other(mp.array(x), is_causal=True).numpy()
    masked = mp.array(np.triu(np.ones((5, 5), bool), 1))
    for options in ({"is_causal": True}, {"attn_mask": masked}, {"attn_mask": masked, "need_weights": False}):
        found, weights = ours(given, given, given, **options)
        close(found, expected if batch_first else expected.swapaxes(0, 1))
    assert weights is None
    _, weights = ours(given, given, given, key_padding_mask=mp.array([[False] * 5, [False, True] * 2 + [True]]))
    np.testing.assert_allclose(weights.numpy().sum(-1), np.ones((2, 5)), rtol=1e-5)
    assert not weights.numpy()[1][:, [1, 3, 4]].any()
    _, single = ours(*[given[0] if batch_first else given[:, 0]] * 3)
    assert single.shape == (5, 5)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = [nn.Linear(3, 3) for _ in range(2)]
        self.named = {"last": nn.Linear(3, 2, bias=False)}
        self.scale = mp.ones(2)
        self.register_buffer("seen", mp.zeros(1))
        self.places = mp.array([1, 2])  # integers are state, no parameters
        self.tied = self.scale

    def forward(self, x):
        for layer in self.layers:
            x = mp.tanh(layer(x))
        return self.named["last"](x) * self.scale


NAMES = ["layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.1.bias", "named.last.weight", "scale"]


def test_names_of_a_tree():
    block = Block()
    assert [name for name, _ in block.named_parameters()] == NAMES
    assert list(block.state_dict()) == [*NAMES, "seen", "places", "tied"]
    assert [name for name, _ in block.named_buffers()] == ["seen"]
    assert [name for name, _ in block.named_modules()] == ["", "layers.0", "layers.1", "named.last"]
    assert sum(x.size for x in block.parameters()) == 9 + 3 + 9 + 3 + 6 + 2
    assert not block.eval().layers[1].training
    assert block.train().layers[1].training


def test_gradients_go_by_name():
    block = Block()
    gradients = mp.grad(lambda block, x: mp.sum(block(x)))(block, mp.ones((4, 3)))
    assert list(gradients) == NAMES
    assert all(gradients[name].shape == x.shape for name, x in block.named_parameters())


def test_state_goes_from_module_to_module():
    one, other = Block(), Block()
    x = mp.ones((4, 3))
    held = other.layers[0].weight
    assert other.load_state_dict(one.state_dict()) == ([], [])
    np.testing.assert_array_equal(one(x).numpy(), other(x).numpy())
    assert other.layers[0].weight is held  # in place: optimizers and graphs keep their arrays


def test_state_that_does_not_fit_changes_nothing():
    block = Block()
    before = {name: x.numpy().copy() for name, x in block.state_dict().items()}
    state = {name: x.numpy() + 1 for name, x in block.state_dict().items()}
    with pytest.raises(KeyError, match="missing \\['scale'\\]"):
        block.load_state_dict({name: x for name, x in state.items() if name != "scale"})
    with pytest.raises(KeyError, match="unexpected \\['other'\\]"):
        block.load_state_dict({**state, "other": before["scale"]})
    with pytest.raises(ValueError, match=r"'scale' has shape \(2,\), the state's has \(3,\)"):
        block.load_state_dict({**state, "scale": np.ones(3)})
    for name, x in block.state_dict().items():
        np.testing.assert_array_equal(x.numpy(), before[name])
    assert block.load_state_dict({"scale": np.array([5, 6]), "other": 1}, strict=False) == (
        [name for name in before if name != "scale"], ["other"])  # fmt: skip
    assert block.scale.tolist() == [5, 6]


def test_to_device_and_dtype():
    block = Block()
    x = mp.ones((2, 3))
    assert block.to("mps") is block
    assert block.to(mp.device("mps:0")).scale.device is mp.device()
    block.to("mps", "float16")
    assert {str(p.dtype) for p in block.parameters()} == {"float16"}
    assert block.places.dtype.kind == "i"
    assert block(x.astype("float16")).dtype == np.float16
    assert block.to(mp.float32).scale.dtype == np.float32


def test_sequences_of_modules():
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.ModuleList([nn.Linear(3, 1)])[0])
    assert [name for name, _ in net.named_parameters()] == ["0.weight", "0.bias", "2.weight", "2.bias"]
    assert len(net) == 3
    assert net(mp.ones((5, 2))).shape == (5, 1)
    assert repr(net).splitlines()[1] == "  (0): Linear(in_features=2, out_features=3, bias=True)"


def test_modules_by_name():
    net = nn.ModuleDict({"first": nn.Linear(2, 3)})
    net["second"] = nn.Sequential(nn.Identity(), nn.Linear(3, 1, bias=False))
    assert [name for name, _ in net.named_parameters()] == ["first.weight", "first.bias", "second.1.weight"]
    assert (list(net), len(net), "first" in net) == (["first", "second"], 2, True)
    assert net.get_submodule("second.1") is net["second"][1]
    with pytest.raises(KeyError, match=r"no module 'third'; named_modules"):
        net.get_submodule("third")
    seen = []
    assert net.apply(lambda module: seen.append(type(module).__name__)) is net
    assert seen == ["Linear", "Identity", "Linear", "Sequential", "ModuleDict"]
    assert {x.dtype.name for x in net.bfloat16().parameters()} == {"bfloat16"}
    assert {x.dtype.name for x in net.half().parameters()} == {"float16"}
    assert {x.dtype.name for x in net.float().parameters()} == {"float32"}
    net.add_module("third", nn.ReLU(inplace=True))
    assert [name for name, _ in net.named_children()] == ["first", "second", "third"]


def test_padding_rows_have_no_gradient():
    layer = nn.Embedding(5, 2, padding_idx=-1)
    assert layer.weight[4].tolist() == [0, 0]
    gradient = mp.grad(lambda layer: mp.sum(layer(mp.array([4, 1, 4]))))(layer)["weight"]
    assert gradient.tolist() == [[0, 0], [1, 1], [0, 0], [0, 0], [0, 0]]


def test_slopes_at_zero():
    x = mp.array([-1.0, 0.0, 1.0])
    for name, expected in (("relu", [0, 0, 1]), ("leaky_relu", [0.01, 0.01, 1]), ("relu6", [0, 0, 1])):
        found = mp.grad(lambda x, name=name: mp.sum(getattr(F, name)(x)))(x)
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-6)


def test_same_padding():
    x, w = normal(1, 2, 5, 6), normal(3, 2, 2, 3)
    padded = np.pad(x, ((0, 0), (0, 0), (0, 1), (1, 1)))
    expected = reference_conv2d(padded, w, None, (1, 1), (0, 0), (1, 1), 1)
    close(F.conv2d(mp.array(x), mp.array(w), padding="same"), expected)
    close(nn.functional.conv2d(mp.array(padded), mp.array(w), padding="valid"), expected)


def test_lists_of_modules_are_cut_and_changed():
    net = nn.Sequential({"first": nn.Linear(2, 3), "act": mp.tanh, "last": nn.Linear(3, 1)})
    assert [name for name, _ in net.named_parameters()] == ["first.weight", "first.bias", "last.weight", "last.bias"]
    x = mp.ones((4, 2))
    close(net(x), net[-1](mp.tanh(net[0](x))).numpy())
    head = net[:2]
    assert (type(head), len(head), head(x).shape) == (nn.Sequential, 2, (4, 3))
    net[-1] = nn.Linear(3, 5, bias=False)
    assert net(x).shape == (4, 5)
    assert [name for name, _ in net.named_parameters()] == ["first.weight", "first.bias", "last.weight"]
    modules = nn.ModuleList([nn.Linear(1, 1)]).append(nn.Linear(1, 2)).extend([nn.Linear(1, 3)])
    assert [name for name, _ in modules.named_parameters()][::2] == ["0.weight", "1.weight", "2.weight"]
    assert [part.out_features for part in modules[1:]] == [2, 3]


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_transposed_convolutions(name):
    """``<conv(x), y> == <x, transposed(y)>``: what makes it the transposed one."""
    options = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1, **CONVOLUTIONS[name]}
    stride, padding, dilation, size = (
        v if isinstance(v, tuple) else (v, v) for v in map(options.get, ("stride", "padding", "dilation", "size"))
    )
    x, w = normal(2, 4, 7, 9), normal(8, 4 // options["groups"], *size)
    forward = reference_conv2d(x, w, None, stride, padding, dilation, options["groups"])
    y = normal(*forward.shape)
    more = tuple(
        (x.shape[2 + n] + 2 * padding[n] - dilation[n] * (w.shape[2 + n] - 1) - 1) % stride[n] for n in range(2)
    )
    found = F.conv_transpose2d(mp.array(y), mp.array(w), None, stride, padding, more, options["groups"], dilation)
    assert found.shape == x.shape
    np.testing.assert_allclose((found.numpy() * x).sum(), (forward * y).sum(), rtol=1e-4)


def test_upsampling():
    x = normal(2, 8, 3, 4)
    close(F.interpolate(mp.array(x), scale_factor=2), x.repeat(2, 2).repeat(2, 3))
    close(nn.Upsample(size=(3, 2))(mp.array(x)), x[..., ::2])
    close(
        F.interpolate(mp.array(x[:, :, 0]), size=7, mode="linear", align_corners=True),
        np.stack([np.interp(np.linspace(0, 3, 7), range(4), row) for row in x[:, :, 0].reshape(-1, 4)]).reshape(
            2, 8, 7
        ),
    )
    shuffled = F.pixel_shuffle(mp.array(x), 2).numpy()
    assert shuffled.shape == (2, 2, 6, 8)
    for c, i, j in np.ndindex(2, 2, 2):
        np.testing.assert_array_equal(shuffled[:, c, i::2, j::2], x[:, 4 * c + 2 * i + j])
    slopes = normal(8)
    close(F.prelu(mp.array(x), mp.array(slopes)), np.where(x > 0, x, slopes[:, None, None] * x))


@pytest.mark.parametrize("norm_first", [False, True])
def test_transformers(norm_first):
    layer = nn.TransformerEncoderLayer(12, 3, 16, batch_first=True, norm_first=norm_first, dropout=0.0)
    x = mp.array(normal(2, 5, 12))

    def feed(x):
        return layer.linear2(F.relu(layer.linear1(x)))

    def attend(x):
        return layer.self_attn(x, x, x, is_causal=True)[0]

    if norm_first:
        middle = x + attend(layer.norm1(x))
        expected = middle + feed(layer.norm2(middle))
    else:
        middle = layer.norm1(x + attend(x))
        expected = layer.norm2(middle + feed(middle))
    close(layer(x, is_causal=True), expected.numpy())
    encoder = nn.TransformerEncoder(layer, 2, norm=nn.Identity())
    assert encoder.layers[0].linear1.weight is not encoder.layers[1].linear1.weight
    assert len(dict(encoder.named_parameters())) == 2 * len(dict(layer.named_parameters()))
    close(encoder(x, is_causal=True), layer(layer(x, is_causal=True), is_causal=True).numpy())


WRONG = {
    "output padding": (lambda: F.conv_transpose2d(mp.ones((1, 1, 2, 2)), mp.ones((1, 1, 2, 2)), output_padding=1),
                       "below the stride"),
    "transposed channels": (lambda: F.conv_transpose1d(mp.ones((1, 3, 2)), mp.ones((2, 1, 2))), "3 channels in 1 groups"),
    "interpolation": (lambda: F.interpolate(mp.ones((1, 1, 2)), 3, mode="bilinear"), "or 'linear'"),
    "size and scale": (lambda: F.interpolate(mp.ones((1, 1, 2)), 3, 2.0), "one of size and scale_factor"),
    "pixels": (lambda: F.pixel_shuffle(mp.ones((6, 2, 2)), 2), "a multiple of 4 channels"),
    "activation": (lambda: nn.TransformerEncoderLayer(4, 2, activation="tanh"), "'relu', 'gelu' or a function"),
    "same with steps": (lambda: F.conv2d(mp.ones((1, 1, 4, 4)), mp.ones((1, 1, 2, 2)), stride=2, padding="same"),
                        "'same' with a stride of 1"),
    "targets of another shape": (lambda: F.mse_loss(mp.ones((3, 1)), mp.ones(3)), "of the shape of its argument"),
    "halves": (lambda: F.glu(mp.ones((2, 3))), "two halves"),
    "batch": (lambda: nn.BatchNorm1d(3)(mp.ones((2, 4))), "with C = 3"),
    "channels": (lambda: F.conv2d(mp.ones((1, 3, 4, 4)), mp.ones((2, 4, 2, 2))), "3 channels in 1 groups"),
    "rank": (lambda: F.conv2d(mp.ones((3, 4, 4)), mp.ones((2, 3, 2, 2))), "takes images"),
    "window": (lambda: F.conv2d(mp.ones((1, 1, 2, 2)), mp.ones((1, 1, 3, 3))), "does not fit into an image"),
    "stride": (lambda: F.max_pool2d(mp.ones((1, 1, 4, 4)), 2, stride=0), "1 or more"),
    "heads": (lambda: nn.MultiHeadAttention(10, 3), "cannot be split among 3 heads"),
    "groups": (lambda: nn.GroupNorm(4, 6), "cannot be split into 4 groups"),
    "norm": (lambda: F.layer_norm(mp.ones((2, 3)), 4), "does not fit shape"),
    "targets": (lambda: F.cross_entropy(mp.ones((2, 3)), mp.ones(2)), "targets are integers"),
    "reduction": (lambda: F.mse_loss(mp.ones(2), mp.ones(2), "most"), "'mean', 'sum' or 'none'"),
    "approximation": (lambda: F.gelu(mp.ones(2), "some"), "'none' or 'tanh'"),
    "two masks": (lambda: F.scaled_dot_product_attention(*[mp.ones((2, 2))] * 3, mp.ones((2, 2)), is_causal=True),
                  "of its own"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_wrong_shapes_say_so(name):
    call, message = WRONG[name]
    with pytest.raises(ValueError, match=message):
        call()


def test_options_of_activations():
    assert repr(nn.LeakyReLU(0.2)) == "LeakyReLU(negative_slope=0.2)"
    with pytest.raises(TypeError, match="has no option 'slope'; it has negative_slope"):
        nn.LeakyReLU(slope=1)
    with pytest.raises(TypeError, match="takes 0 options"):
        nn.Sigmoid(1)
    with pytest.raises(NotImplementedError, match="Module has no forward"):
        nn.Module()(1)
