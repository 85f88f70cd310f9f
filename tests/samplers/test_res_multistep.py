"""RES multi-step integrates a data guess that is linear in half log SNR exactly, which 2M's midpoint does not."""

import math
from itertools import pairwise

import pytest
import torch

from oracles import SCHEDULES
from unnoise.core.level import Level, half_log_snr
from unnoise.core.noise import Seeds
from unnoise.core.sampler import Sampler
from unnoise.core.state import State
from unnoise.core.trajectory import Trajectory
from unnoise.samplers.dpmpp_2m import DPMpp2M
from unnoise.samplers.res_multistep import RESMultistep
from unnoise.spacings.karras import Karras

SLOPE = 0.3


def linear(x: torch.Tensor, level: Level) -> torch.Tensor:
    return torch.full_like(x, 0.2 + SLOPE * half_log_snr(level))


def missed(sampler: Sampler, trajectory: Trajectory) -> list[float]:
    """How far each step but the first is from x' / sigma' = x / sigma + integral of exp(lambda) data d(lambda)."""
    begin = State(torch.tensor([[0.7]], dtype=torch.float64), trajectory.levels[0])
    states, off = list(sampler(linear, begin, trajectory, Seeds((0,)))), []
    for before, after in pairwise(states[:-1]):
        now, to = before.level, after.level
        first, h = float(linear(before.x, now)), half_log_snr(to) - half_log_snr(now)
        grown = first * -math.expm1(-h) + SLOPE * (h + math.expm1(-h))
        off.append(abs(float(to.sigma / now.sigma * before.x + to.alpha * grown - after.x)))
    return off


@pytest.mark.parametrize("name", ["exploding", "linear", "scaled_linear"])
def test_a_linear_guess_is_integrated_exactly(name):
    trajectory = Karras()(SCHEDULES[name], 8)
    assert max(missed(RESMultistep(), trajectory)) < 1e-12
    assert max(missed(DPMpp2M(), trajectory)) > 1e-3
