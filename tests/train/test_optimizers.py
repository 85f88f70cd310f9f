"""The rate's rise and fall, who trains what, clipping."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from train import tiny
from unnoise.train.optimizers import Optimizing, Together


@given(st.integers(1, 500), st.integers(0, 100), st.floats(0, 1))
def test_the_factor_stays_between_nothing_and_one(steps, warmup, cooldown) -> None:
    settings = Optimizing(warmup=warmup, cooldown=cooldown)
    factors = [settings.factor(step, steps) for step in range(1, steps + 1)]
    assert all(0 < factor <= 1 for factor in factors)


def test_the_factor_rises_stays_and_falls() -> None:
    settings = Optimizing(warmup=10, cooldown=0.25)
    factors = [settings.factor(step, 100) for step in range(1, 101)]
    assert factors[:10] == pytest.approx([k / 10 for k in range(1, 11)])
    assert factors[9:76] == [1.0] * 67
    assert factors[75:] == pytest.approx([1 - k / 25 for k in range(25)])
    assert settings.factor(101, 100) == 0


@pytest.mark.parametrize("muon", [0.0, 1e-3])
def test_every_parameter_has_one_optimizer(muon: float) -> None:
    model = tiny.model()
    modules = [model.denoiser, model.conditioner]
    together = Together(modules, Optimizing(muon=muon), lambda name: "blocks." in name)
    groups = [p for o in together.optimizers for group in o.param_groups for p in group["params"]]
    wanted = {id(p): n for m in modules for n, p in m.named_parameters()}
    assert len(groups) == len(wanted)
    assert {id(p) for p in groups} == wanted.keys()
    if muon:
        taken = {wanted[id(p)] for p in together.optimizers[1].param_groups[0]["params"]}
        assert taken
        assert all("blocks." in name and name.endswith("weight") for name in taken)


def test_only_matrices_decay() -> None:
    together = Together([nn.Linear(3, 2)], Optimizing(decay=0.5), lambda _: True)
    decays = {group["params"][0].ndim: group["weight_decay"] for group in together.optimizers[0].param_groups}
    assert decays == {2: 0.5, 1: 0.0}


def test_frozen_parameters_are_left_out() -> None:
    module = nn.Linear(3, 2)
    module.bias.requires_grad_(False)
    assert len(Together([module], Optimizing(), lambda _: True).parameters) == 1


@given(st.floats(0.1, 10))
def test_clipping_bounds_the_whole_gradient_and_reports_it_before(size) -> None:
    module = nn.Linear(4, 4, bias=False)
    together = Together([module], Optimizing(clip=1.0), lambda _: True)
    module.weight.grad = torch.full((4, 4), size / 4)
    kept: list[torch.Tensor] = []
    together.optimizers[0].register_step_pre_hook(lambda *_: kept.append(module.weight.grad.norm()))
    assert float(together.step(1.0)) == pytest.approx(size)
    assert float(kept[0]) == pytest.approx(min(size, 1.0), rel=1e-4)
    assert module.weight.grad is None


def test_without_a_limit_gradients_stay_as_they_are() -> None:
    module = nn.Linear(4, 4, bias=False)
    together = Together([module], Optimizing(clip=0.0), lambda _: True)
    module.weight.grad = torch.full((4, 4), 100.0)
    kept: list[torch.Tensor] = []
    together.optimizers[0].register_step_pre_hook(lambda *_: kept.append(module.weight.grad.clone()))
    assert float(together.step(1.0)) == pytest.approx(400)
    assert torch.equal(kept[0], torch.full((4, 4), 100.0))


def test_a_step_moves_by_the_rate_times_the_factor() -> None:
    for factor in (1.0, 0.25):
        module = nn.Linear(4, 4, bias=False)
        before = module.weight.detach().clone()
        together = Together([module], Optimizing(rate=0.01, decay=0.0), lambda _: True)
        module.weight.grad = torch.ones(4, 4)
        together.step(factor)  # Adam's first step is the rate, whatever the gradient
        assert torch.allclose(before - module.weight.detach(), torch.full((4, 4), 0.01 * factor), rtol=1e-3)
