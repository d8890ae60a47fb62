"""metalpy.backends.mps, the registry of operations and the composite ones, and the introduction of the MPS note."""

from __future__ import annotations

import sys
import threading

import numpy as np
import pytest

import metalpy as mp
from metalpy import ops
from metalpy.backends import mps as backend
from metalpy.errors import MetalError, UnsupportedError
from metalpy.ops import fallback, registry
from tests.helpers.process import python


def run(code, **environment):
    done = python(code, **environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_the_introduction_of_the_mps_note(capsys):
    # Check that MPS is available
    if not mp.backends.mps.is_available():
        if not mp.backends.mps.is_built():
            print("MPS not available because the current install was not built with MPS enabled.")
        else:
            print("MPS not available because there is no MPS-enabled device on this machine.")
    else:
        mps_device = mp.device("mps")

        # Create a Tensor directly on the mps device
        x = mp.ones(5, device=mps_device)
        # Or
        x = mp.ones(5, device="mps")

        # Any operation happens on the GPU
        y = x * 2

        assert y.tolist() == [2] * 5 and y.device is mps_device
        assert capsys.readouterr().out == ""


def test_facts_about_the_device():
    assert backend.is_built() is True
    assert backend.is_available() is True
    assert backend.get_name() == mp.device().name
    assert backend.get_core_count() == mp.device().core_count > 0


def test_drivers(monkeypatch):
    monkeypatch.delenv("METALPY_DRIVER", raising=False)
    states = {state.name: state for state in backend.drivers()}
    assert set(states) == {"metal", "software"}
    labels = [label for state in backend.drivers() for label in state.devices]
    assert labels == [str(device) for device in mp.devices()]
    for state in states.values():
        assert state.available == bool(state.devices) == (state.reason == "")
        assert all(mp.device(label).driver == state.name for label in state.devices)
    if sys.platform != "darwin":
        assert not states["metal"].built and "macOS only" in states["metal"].reason


def test_choosing_a_driver():
    show = "import metalpy as mp; b = mp.backends.mps; print(b.is_available(), b.is_built(), *[d.driver for d in mp.devices()])"
    assert run(show, METALPY_DRIVER="software") == ["True", "True", "software"]
    if sys.platform == "darwin":
        return
    assert run(show, METALPY_DRIVER="metal") == ["False", "False"]
    why = "import metalpy as mp\ntry: mp.ones(3)\nexcept mp.MetalError as e: print(e)"
    assert "METALPY_DRIVER=metal," in run(why, METALPY_DRIVER="metal")
    state = "import metalpy as mp; print(mp.backends.mps.drivers()[1].reason)"
    assert run(state, METALPY_DRIVER="metal") == ["METALPY_DRIVER", "is", "'metal'"]


def test_an_unknown_driver_is_an_error_that_names_the_variable(monkeypatch):
    monkeypatch.setenv("METALPY_DRIVER", "cuda")
    with pytest.raises(MetalError, match="METALPY_DRIVER is 'cuda'"):
        backend.is_available()


@pytest.mark.parametrize(
    ("version", "asked", "answer"),
    [((13, 0), (13, 0), True), ((12, 7), (13, 0), False), ((14, 6), (14, 5), True), ((15, 1), (15, 2), False),
     ((26, 0), (15, 9), True), ((99, 3), (99, 4), False), ((99, 3), (98, 70), True), (None, (1, 0), False)],
)  # fmt: skip
def test_versions_of_macos(monkeypatch, version, asked, answer):
    monkeypatch.setattr(backend, "_macos_version", lambda: version)
    assert backend.is_macos_or_newer(*asked) is answer
    if asked[0] == 13:
        assert backend.is_macos13_or_newer(asked[1]) is answer


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS has a version")
def test_other_systems_are_no_macos():
    assert not backend.is_macos_or_newer(10, 0)
    assert not backend.is_macos13_or_newer()


@pytest.mark.parametrize(
    ("text", "parsed"), [("14.6.1", (14, 6)), ("26", (26, 0)), ("15.2", (15, 2)), ("", (0, 0))]
)  # fmt: skip
def test_reading_the_version(monkeypatch, text, parsed):
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(backend, "_sysctl", lambda name: "")
    monkeypatch.setattr("platform.mac_ver", lambda: (text, ("", "", ""), ""))
    assert backend._macos_version() == parsed


# ---- the registry ----


def test_the_composites_are_registered_once():
    assert set(ops.names()) >= {"native_group_norm", "native_group_norm_backward", "var_mean"}
    before = {name: ops.lookup(name) for name in ops.names()}
    threads = [threading.Thread(target=backend._init) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {name: ops.lookup(name) for name in ops.names()} == before


def test_registering(monkeypatch):
    monkeypatch.setattr(registry, "_implementations", dict(registry._implementations))
    ops.register("twice", "mps", abs)
    ops.register("twice", "mps", abs)
    assert ops.lookup("twice") is abs
    with pytest.raises(ValueError, match="registered already"):
        ops.register("twice", "mps", len)
    with pytest.raises(UnsupportedError, match="no operation 'thrice'"):
        ops.lookup("thrice")
    assert ops.names("other") == ()


@pytest.mark.parametrize("variable", ["METALPY_ENABLE_FALLBACK", "PYTORCH_ENABLE_MPS_FALLBACK"])
def test_fallback(device, monkeypatch, variable):
    fallback._on_the_host.cache_clear()
    x = mp.array([3.0, 1.0, 2.0], device=device)
    with pytest.raises(NotImplementedError, match="METALPY_ENABLE_FALLBACK"):
        ops.lookup("sort")
    monkeypatch.setenv(variable, "1")
    with pytest.warns(UserWarning, match="'sort' is not implemented for 'mps' and runs on the host") as warned:
        for _ in range(2):
            ordered = ops.lookup("sort")(x)
    assert len(warned) == 1
    assert ordered.device is device and ordered.dtype == mp.float32 and ordered.tolist() == [1, 2, 3]
    with pytest.warns(UserWarning, match="'unique'"):
        values, counts = ops.lookup("unique")(x, return_counts=True)
    assert values.device is device and counts.tolist() == [1, 1, 1]
    with pytest.raises(UnsupportedError, match="no operation 'no_such'"):
        ops.lookup("no_such")


# ---- variance and group normalisation ----


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("dim", [None, 1, -1, (0, 2), (3, 0), ()])
def test_var_mean(device, rng, dtype, dim):
    host = rng.normal(3, 2, (4, 6, 5, 7)).astype(mp.dtypes.as_dtype(dtype))
    exact, axes = host.astype(np.float64), None if dim in (None, ()) else dim
    for correction, keepdim in ((None, False), (0, True), (2.5, False)):
        variance, mean = ops.lookup("var_mean")(
            mp.array(host, device=device), dim, correction=correction, keepdim=keepdim
        )
        assert variance.dtype == mean.dtype == host.dtype
        count = exact.size // exact.mean(axis=axes).size
        expected = exact.var(axis=axes, keepdims=keepdim) * count / (count - (1 if correction is None else correction))
        tolerance = {"float32": 1e-5, "float16": 2e-3, "bfloat16": 1e-2}[dtype]
        assert variance.shape == expected.shape
        np.testing.assert_allclose(variance.numpy().astype(float), expected, tolerance)
        np.testing.assert_allclose(mean.numpy().astype(float), exact.mean(axis=axes, keepdims=keepdim), tolerance)


def test_var_mean_at_the_edges(device):
    var_mean = ops.lookup("var_mean")
    variance, mean = var_mean(mp.zeros((3, 0), device=device), 1)
    assert np.isnan(variance.numpy()).all() and np.isnan(mean.numpy()).all() and mean.shape == (3,)
    variance, mean = var_mean(mp.ones((3, 1), device=device), 1)
    assert np.isnan(variance.numpy()).all() and mean.tolist() == [1] * 3
    variance, mean = var_mean(mp.zeros((0, 3), device=device), 1)
    assert variance.shape == mean.shape == (0,)
    turned = mp.arange(12, dtype="float32", device=device).reshape(3, 4).T
    np.testing.assert_allclose(var_mean(turned, 0)[1].numpy(), turned.numpy().mean(0))
    for wrong, error in ((2, IndexError), ((0, 0), ValueError)):
        with pytest.raises(error):
            var_mean(turned, wrong)
    with pytest.raises(TypeError, match="floats"):
        var_mean(mp.arange(3, device=device))


def group_norm(x, weight, bias, groups, eps):
    rows = x.reshape(x.shape[0], groups, -1)
    mean, variance = rows.mean(-1), rows.var(-1)
    rstd = 1 / np.sqrt(variance + eps)
    out = ((rows - mean[..., None]) * rstd[..., None]).reshape(x.shape)
    shape = (1, -1, *[1] * (x.ndim - 2))
    out = out if weight is None else out * weight.reshape(shape)
    return out if bias is None else out + bias.reshape(shape), mean, rstd


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("sizes", [(2, 6, 35, 3), (1, 4, 1, 4), (3, 8, 400, 1)], ids=str)
def test_group_norm_and_its_gradients(device, rng, sizes, affine):
    n, c, area, groups = sizes
    x = rng.normal(1, 2, (n, c, area))
    weight, bias = (rng.normal(size=c) if affine else None for _ in range(2))
    on = lambda host: None if host is None else mp.array(host.astype(np.float32), device=device)  # noqa: E731
    out, mean, rstd = ops.lookup("native_group_norm")(on(x), on(weight), on(bias), n, c, area, groups, 1e-5)
    for got, expected in zip((out, mean, rstd), group_norm(x, weight, bias, groups, 1e-5), strict=True):
        np.testing.assert_allclose(got.numpy(), expected, 2e-4, 2e-5)

    if sizes[2] == 1:
        return  # the variance is 0: nothing to differentiate
    gradient = rng.normal(size=x.shape)
    backward = ops.lookup("native_group_norm_backward")
    got = backward(on(gradient), on(x), mean, rstd, on(weight), n, c, area, groups, [True] * 3)

    def loss(x, weight, bias):
        return (group_norm(x, weight, bias, groups, 1e-5)[0] * gradient).sum()

    def slope(which, index):
        """Of the loss in one element, by differences."""
        sides = []
        for step in (1e-5, -1e-5):
            moved = [
                np.array(x),
                np.ones(c) if weight is None else weight.copy(),
                np.zeros(c) if bias is None else bias.copy(),
            ]
            moved[which][index] += step
            sides.append(loss(*moved))
        return (sides[0] - sides[1]) / 2e-5

    for which, shape in enumerate((x.shape, (c,), (c,))):
        assert got[which].shape == shape
        for _ in range(5):
            index = tuple(int(rng.integers(extent)) for extent in shape)
            assert got[which].numpy()[index] == pytest.approx(slope(which, index), rel=5e-3, abs=5e-3)
    masked = backward(on(gradient), on(x), mean, rstd, on(weight), n, c, area, groups, [False, True, False])
    assert masked[0] is masked[2] is None
    np.testing.assert_array_equal(masked[1].numpy(), got[1].numpy())


def test_group_norm_checks_its_sizes(device):
    norm, x = ops.lookup("native_group_norm"), mp.ones((2, 6, 5), device=device)
    for sizes in ((2, 6, 5, 4), (2, 6, 4, 3), (2, 6, 5, 0)):
        with pytest.raises(ValueError, match="native_group_norm"):
            norm(x, None, None, *sizes, 1e-5)
    with pytest.raises(ValueError, match="weight"):
        norm(x, mp.ones(5, device=device), None, 2, 6, 5, 3, 1e-5)
    out, mean, rstd = norm(mp.ones((0, 6, 5), device=device), None, None, 0, 6, 5, 3, 1e-5)
    assert out.size == mean.size == rstd.size == 0
