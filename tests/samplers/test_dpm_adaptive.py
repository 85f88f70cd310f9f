"""dpm_adaptive: errors follow the tolerance, at the cost its order promises; the ends of every path are met."""

import itertools
import math

import pytest
import torch

from oracles import SCHEDULES, Gaussian, Mixture, order, quantiles
from unnoise.core.error import Refused
from unnoise.core.level import Level
from unnoise.core.noise import Seeds
from unnoise.core.sampler import alone
from unnoise.core.state import State
from unnoise.core.trajectory import Trajectory
from unnoise.samplers.dpm_adaptive import LONGEST, DPMAdaptive, _reached
from unnoise.samplers.dpmpp_2m import DPMpp2M
from unnoise.spacings.exponential import Exponential
from unnoise.spacings.karras import Karras
from unnoise.spacings.uniform import Uniform

ORACLES = {"gaussian": Gaussian(), "mixture": Mixture()}
paths = pytest.mark.parametrize("name", SCHEDULES)


def noisy(name: str) -> Trajectory:
    """Without the clean end; only its first and last level count."""
    schedule = SCHEDULES[name]
    laid = (Exponential() if schedule.rows else Uniform() if name in ("rectified", "cosine") else Karras())(
        schedule, 16
    )
    return Trajectory(laid.levels[:-1], schedule, 1.0)


def run(sampler: DPMAdaptive, oracle: Gaussian | Mixture, trajectory: Trajectory) -> tuple[list[State], int, float]:
    """The states, the evaluations they cost, and the mean distance of the last one from the exact solution."""
    begin, end, calls = trajectory.levels[0], trajectory.levels[-1], []

    def counted(x: torch.Tensor, level: Level) -> torch.Tensor:
        calls.append(level)
        return oracle(x, level)

    units = quantiles(41)
    x = oracle.at(begin, units if isinstance(oracle, Gaussian) else torch.special.ndtr(units))
    states = list(sampler(counted, State(x, begin), trajectory, Seeds((0,))))
    off = (states[-1].x - oracle.moved(x, begin, end)).abs().mean() if not end.clean else torch.zeros(())
    return states, len(calls), float(off)


@paths
@pytest.mark.parametrize("oracle", ORACLES.values(), ids=ORACLES)
@pytest.mark.parametrize("rank", [2, 3])
def test_order_by_evaluations(rank, oracle, name):
    found = [run(DPMAdaptive(0.05 / part, 0.0078 / part, rank), oracle, noisy(name))[1:] for part in (8, 512)]
    (few, coarse), (many, fine) = found
    assert order(coarse, fine, many / few) > rank - 0.25


@paths
@pytest.mark.parametrize("oracle", ORACLES.values(), ids=ORACLES)
@pytest.mark.parametrize("part", [1, 10, 100])
def test_errors_follow_the_tolerance(part, oracle, name):
    """Data are of unit size, so that a step may err by some 0.05; a run's steps add up to two such at most."""
    _, cost, off = run(DPMAdaptive(0.05 / part, 0.0078 / part), oracle, noisy(name))
    assert off < 0.125 / part and cost < 60 * part**0.4


@paths
def test_it_ends_at_the_trajectory_s_end_by_accepted_steps_of_bounded_length(name):
    laid = Karras()(SCHEDULES[name], 7)
    states, *_ = run(DPMAdaptive(), Mixture(), laid)
    assert [s.step for s in states] == list(range(1, len(states) + 1))
    assert states[-1].level is laid.levels[-1] and states[-2].level is laid.levels[-2]
    halves = [float(s.level.log_snr) / 2 for s in states[:-1]]
    assert all(0 < b - a <= LONGEST + 1e-5 for a, b in itertools.pairwise(halves))
    assert states[-1].x.abs().max() < 4


@paths
def test_levels_between_the_ends_do_not_count(name):
    many, few = Karras()(SCHEDULES[name], 40), Karras()(SCHEDULES[name], 2)
    ends = [run(DPMAdaptive(), Mixture(), laid)[0][-1].x for laid in (many, few)]
    torch.testing.assert_close(*ends, rtol=1e-9, atol=1e-9)


def test_it_costs_less_than_equal_steps_of_like_error():
    laid = noisy("exploding")
    _, cost, off = run(DPMAdaptive(1e-3, 1e-4), Mixture(), laid)
    equal = Trajectory(Karras()(SCHEDULES["exploding"], cost).levels[:-1], SCHEDULES["exploding"], 1.0)
    oracle, begin = Mixture(), equal.levels[0]
    x = oracle.at(begin, torch.special.ndtr(quantiles(41)))
    *_, last = DPMpp2M()(oracle, State(x, begin), equal, Seeds((0,)))
    assert off < float((last.x - oracle.moved(x, begin, equal.levels[-1])).abs().mean())


def test_a_rejected_step_is_taken_again_shorter():
    """With the first step as long as may be, more evaluations are spent than the steps taken need."""
    laid = noisy("scaled_linear")
    states, cost, off = run(DPMAdaptive(1e-3, 1e-4, h_init=2.0), Mixture(), laid)
    assert cost > 3 * len(states) and off < 2e-3
    _, plain, _ = run(DPMAdaptive(1e-3, 1e-4, h_init=2.0, accept_safety=1e-9), Mixture(), laid)
    assert plain < cost


@pytest.mark.parametrize("options", [{"pcoeff": 0.3}, {"dcoeff": 0.2}, {"icoeff": 0.5}])
def test_every_weight_of_the_rule_changes_the_steps(options):
    plain, other = (run(DPMAdaptive(**o), Mixture(), noisy("linear"))[0] for o in ({}, options))
    assert [float(s.level.t) for s in plain] != [float(s.level.t) for s in other]


def test_a_guess_that_is_no_number_ends_the_run_as_elsewhere():
    laid = Karras()(SCHEDULES["linear"], 5)
    x = torch.zeros(1, 3, dtype=torch.float64)
    *_, last = DPMAdaptive()(lambda x, _: x * float("nan"), State(x, laid.levels[0]), laid, Seeds((0,)))
    assert last.level.clean and last.x.isnan().all()


def test_float32_never_steps_on_the_spot():
    """A tolerance that rounding cannot meet ends in steps of the least length, not in none."""
    laid = noisy("scaled_linear")
    short = Trajectory(laid.levels[:2], laid.schedule, 1.0)
    x = quantiles(9).float() * 14.6
    *_, last = DPMAdaptive(1e-12, 1e-12, h_init=0.02)(Mixture(), State(x, short.levels[0]), short, Seeds((0,)))
    assert last.level is short.levels[1]


def test_a_tolerance_that_would_take_for_ever_is_refused(monkeypatch):
    monkeypatch.setattr("unnoise.samplers.dpm_adaptive.MOST", 7)
    laid, x = noisy("scaled_linear"), quantiles(9) * 14.6
    with pytest.raises(Refused, match="more than 7 steps"):
        for state in DPMAdaptive(1e-9, 1e-9)(Mixture(), State(x, laid.levels[0], 20), laid, Seeds((0,))):
            assert state.step <= 27


def test_its_samples_run_alone_and_options_are_checked():
    assert alone(DPMAdaptive())
    for bad in ({"order": 1}, {"order": 4}, {"rtol": 0.0}, {"atol": -1.0}, {"h_init": 0.0}, {"accept_safety": 1.0}):
        with pytest.raises(Refused, match="dpm_adaptive"):
            DPMAdaptive(**bad)


def test_the_rule_is_soederlind_s():
    """Exponents (p + i + d) / k, -(p + 2 d) / k and d / k of the last errors' inverses, and a bounded growth."""
    made = DPMAdaptive(order=2, pcoeff=0.3, icoeff=0.5, dcoeff=0.2)
    expected = 1 + math.atan(1.5**0.5 * 0.7**-0.35 * 2.0**0.1 - 1)
    assert made._growth(1.5, 0.7, 2.0) == pytest.approx(expected, rel=1e-12)
    assert made._growth(1e9, 1.0, 1.0) < 1 + math.pi / 2 and made._growth(1e-9, 1.0, 1.0) > 0.2


def test_the_last_two_errors_are_remembered_in_order():
    states, *_ = run(DPMAdaptive(1e-3, 1e-4, dcoeff=0.1), Mixture(), noisy("linear"))
    kept = [{k.partition(".")[2]: float(v.mean()) for k, v in s.memory.items()} for s in states]
    assert len(kept) > 5 and len({k["inverse0"] for k in kept}) == len(kept)
    assert all(b["inverse1"] == a["inverse0"] for a, b in itertools.pairwise(kept))


@pytest.mark.parametrize("name", ["rectified", "cosine", "zero_terminal_snr"])
@pytest.mark.parametrize("atol", [0.0078, 1e-4])
def test_from_alpha_0_the_first_step_errs_by_half_of_atol_for_unit_variance(name, atol):
    oracle, laid = Gaussian(0.7, 1.0), noisy(name)
    x = oracle.at(laid.levels[0], quantiles(3, 1.0))
    first = next(DPMAdaptive(atol=atol)(oracle, State(x, laid.levels[0]), laid, Seeds((0,))))
    assert float(first.level.ratio) == pytest.approx(atol**-0.5, rel=1e-9)
    off = (first.x - oracle.moved(x, laid.levels[0], first.level)).abs().max() / float(first.level.sigma)
    assert float(off) == pytest.approx(atol / 2, rel=0.02)


def test_where_the_noise_is_linear_in_the_half_log_snr_the_last_stage_starts_exactly():
    """d(x / alpha) = -exp(-l) (a + b l) dl has an antiderivative, exp(-l) (a + b (l + 1))."""
    laid, a, b, seen = noisy("scaled_linear"), 0.3, 0.05, []

    def denoise(x: torch.Tensor, level: Level) -> torch.Tensor:
        seen.append((x, level))
        return (x - level.sigma * (a + b * level.log_snr / 2)) / level.alpha

    def primitive(level: Level) -> torch.Tensor:
        half = level.log_snr / 2
        return torch.exp(-half) * (a + b * (half + 1))

    x = quantiles(5) * 14.6
    next(DPMAdaptive(h_init=0.5, order=3)(denoise, State(x, laid.levels[0]), laid, Seeds((0,))))
    (_, start), _, (found, end) = seen[:3]
    wanted = end.alpha * (x / start.alpha + primitive(end) - primitive(start))
    torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-12)


def test_a_step_ends_at_the_last_level_only_where_it_reaches_it():
    laid = noisy("scaled_linear")
    last = laid.levels[-1]
    end = float(last.log_snr) / 2
    assert _reached(laid, end - 1e-6, last) is last and _reached(laid, end + 1, last) is last
    assert float(_reached(laid, end - 1e-3, last).log_snr) / 2 == pytest.approx(end - 1e-3, abs=1e-9)
