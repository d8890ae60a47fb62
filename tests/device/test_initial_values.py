"""First values of parameters: their distributions."""

import math

import numpy as np
import pytest

import metalpy as mp
from metalpy import nn

pytestmark = pytest.mark.usefixtures("device")

INITIAL = {  # mean and deviation of weights of 40 x 30 x 2 x 3
    "uniform_": ((-1, 3), 1, 4 / math.sqrt(12)),
    "normal_": ((2, 0.5), 2, 0.5),
    "constant_": ((3,), 3, 0),
    "zeros_": ((), 0, 0),
    "ones_": ((), 1, 0),
    "xavier_uniform_": ((2,), 0, 2 * math.sqrt(2 / 420)),
    "xavier_normal_": ((), 0, math.sqrt(2 / 420)),
    "kaiming_uniform_": ((1, "fan_out"), 0, math.sqrt(1 / 240)),
    "kaiming_normal_": ((0, "fan_in", "relu"), 0, math.sqrt(2 / 180)),
    "trunc_normal_": ((0, 1, -1, 1), 0, 0.5396),
}


@pytest.mark.parametrize("name", INITIAL)
def test_initial_values(name):
    args, mean, deviation = INITIAL[name]
    mp.mps.manual_seed(3)
    x = mp.empty((40, 30, 2, 3))
    assert getattr(nn.init, name)(x, *args) is x
    host = x.numpy()
    assert host.mean() == pytest.approx(mean, abs=0.06 * deviation)
    assert host.std() == pytest.approx(deviation, rel=0.04)
    if "uniform" in name:
        bound = math.sqrt(3) * deviation
        assert np.abs(host - mean).max() <= bound * (1 + 1e-6)
    if name == "trunc_normal_":
        assert np.abs(host).max() <= 1


def test_initial_values_refuse():
    with pytest.raises(ValueError, match="two axes or more"):
        nn.init.xavier_uniform_(mp.empty(3))
    with pytest.raises(ValueError, match="'fan_in' or 'fan_out'"):
        nn.init.kaiming_normal_(mp.empty((3, 3)), mode="fan")
    with pytest.raises(ValueError, match="not of 'some'"):
        nn.init.calculate_gain("some")
    with pytest.raises(ValueError, match="at most 2 std outside"):
        nn.init.trunc_normal_(mp.empty(3), mean=10)
