"""Denoisers: what a network is given, what becomes of its output, and which grad mode rules."""

import pytest
import torch
from torch import nn

from oracles import SCHEDULES, Gaussian
from unnoise.core.clock import Rows, Scaled
from unnoise.core.condition import Unconditional
from unnoise.core.denoiser import Bound, Denoiser, computed, device_of
from unnoise.core.level import Level, shared
from unnoise.core.prediction import EDM, PREDICTIONS, V
from unnoise.nn.native import Linear


class Echo(nn.Module):
    """Keeps what it was given and multiplies it by one weight."""

    def __init__(self, dtype=torch.float32):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(2.0, dtype=dtype))
        self.seen = []

    def forward(self, x, time, condition):
        self.seen.append((x, time, condition))
        return self.weight * x


def test_the_network_gets_scaled_x_one_time_a_sample_and_the_condition():
    network, condition = Echo(), Unconditional()
    level, x = shared(0.5, 0.6, 0.8), torch.randn(3, 4)
    data = Denoiser(network, EDM(), Scaled())(x, level, condition)
    ((scaled, time, given),) = network.seen
    row = EDM()(level)
    torch.testing.assert_close(scaled, row.scale * x)
    assert time.tolist() == [500.0] * 3 and time.dtype == torch.float32 and given is condition
    torch.testing.assert_close(data, row.skip * x + row.out * 2 * scaled)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_a_network_runs_in_its_own_dtype_and_the_guess_is_in_x_s(dtype):
    network = Echo(dtype)
    denoiser = Denoiser(network, V(), Rows())
    data = denoiser.bind(Unconditional())(torch.ones(2, 3), shared(0.5, 0.6, 0.8))
    assert network.seen[0][0].dtype == dtype == denoiser.dtype and data.dtype == torch.float32


def test_a_network_of_no_weights_runs_in_float32():
    assert Denoiser(nn.Identity(), V(), Rows()).dtype == torch.float32


def test_bound_runs_without_gradient_unless_asked():
    denoiser, level = Denoiser(Echo(), V(), Rows()), shared(0.5, 0.6, 0.8)
    x = torch.ones(1, 2, requires_grad=True)
    bound = denoiser.bind(Unconditional())
    assert not bound.output(x, level).requires_grad
    assert denoiser.bind(Unconditional(), gradient=True)(x, level).requires_grad
    assert denoiser(x, level, Unconditional()).requires_grad
    with torch.no_grad():
        assert not denoiser(x, level, Unconditional()).requires_grad
    assert torch.is_grad_enabled()


def test_output_and_data_agree():
    bound: Bound = Denoiser(Echo(), V(), Rows()).bind(Unconditional())
    level, x = shared(0.5, 0.6, 0.8), torch.randn(2, 3)
    torch.testing.assert_close(bound(x, level), V()(level).data(x, bound.output(x, level)))


def test_each_sample_may_have_its_own_level():
    network = Echo()
    t = torch.tensor([[0.25], [0.5], [1.0]])
    level, x = Level(t, (1 - t**2).sqrt(), t), torch.randn(3, 4)
    data = Denoiser(network, V(), Scaled())(x, level, Unconditional())
    assert network.seen[0][1].tolist() == [250.0, 500.0, 1000.0]
    for i, one in enumerate(t.flatten().tolist()):
        alone = Denoiser(network, V(), Scaled())(x[i : i + 1], shared(one, (1 - one**2) ** 0.5, one), Unconditional())
        torch.testing.assert_close(data[i : i + 1], alone)


class Exact(nn.Module):
    """What a perfectly trained network of this prediction gives: the target of the oracle's own guess."""

    def __init__(self, prediction, schedule, oracle):
        super().__init__()
        self.prediction, self.schedule, self.oracle = prediction, schedule, oracle
        self.register_parameter("float64", nn.Parameter(torch.zeros((), dtype=torch.float64)))

    def forward(self, scaled, time, condition):
        level = self.schedule(time[0].double().cpu())
        row = self.prediction(level)
        x = scaled / row.scale
        return row.target(x, self.oracle(x, level))


@pytest.mark.parametrize("name", PREDICTIONS)
@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
def test_every_prediction_of_one_truth_is_the_same_denoiser(name, schedule):
    oracle, level = Gaussian(), schedule(torch.tensor(0.75, dtype=torch.float64))
    x = oracle.at(level, torch.linspace(-2, 2, 9, dtype=torch.float64)[None])
    network = Exact(PREDICTIONS[name](), schedule, oracle)
    data = Denoiser(network, PREDICTIONS[name](), Scaled(1.0)).bind(Unconditional())(x, level)
    torch.testing.assert_close(data, oracle(x, level), rtol=1e-7, atol=1e-7)


def test_a_network_computes_in_the_type_of_what_does_not_follow() -> None:
    stored = Linear(4, 4).to(torch.float16)
    assert computed(nn.Sequential(stored, nn.LayerNorm(4))) == torch.float32
    assert computed(nn.Sequential(Linear(4, 4), nn.LayerNorm(4).to(torch.bfloat16))) == torch.bfloat16
    assert computed(stored) == torch.float16
    assert computed(nn.Identity()) == torch.float32
    assert device_of(nn.Sequential(stored.to("meta"), nn.LayerNorm(4))).type == "cpu"
    assert device_of(stored).type == "meta"
