"""Weights are written for the data's error; in each paper's own coordinates they are what the paper says."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from unnoise.core.level import Level
from unnoise.core.prediction import EDM, Data, Epsilon, Flow, Prediction, V
from unnoise.core.schedule import Cosine, Exploding, Rectified, Schedule
from unnoise.train.weighting import EDMWeighting, MinSNR, Plain, Sigmoid, Velocity, Weighting

times = st.floats(0.01, 0.99)
schedules = st.sampled_from([Rectified(), Cosine()])
PREDICTIONS: list[Prediction] = [Epsilon(), Data(), V(), Flow(), EDM()]


def at(schedule: Schedule, t: float) -> Level:
    return schedule(torch.tensor([[t]], dtype=torch.float64))


def on_output(weighting: Weighting, prediction: Prediction, level: Level) -> Tensor:
    """The weight of the network's own squared error."""
    affine = prediction(level)
    return weighting(level, affine) * affine.out**2


@given(st.sampled_from(PREDICTIONS), schedules, times)
def test_plain_is_the_outputs_own_mean_square(prediction, schedule, t) -> None:
    assert float(on_output(Plain(), prediction, at(schedule, t))) == pytest.approx(1)


@given(times)
def test_edm_weighs_its_own_output_with_one(t) -> None:
    for spread in (0.5, 1.3):
        found = on_output(EDMWeighting(spread), EDM(spread), at(Exploding(), t))
        assert float(found) == pytest.approx(1)


@given(schedules, times)
def test_min_snr_is_snr_up_to_gamma(schedule, t) -> None:
    level = at(schedule, t)
    snr = float(level.log_snr.exp())
    assert float(MinSNR(5.0)(level, Data()(level))) == pytest.approx(min(snr, 5.0))
    # Hang et al. 2023, eq. 8 and after: min(SNR, gamma) / SNR on the noise, / (SNR + 1) on v
    assert float(on_output(MinSNR(5.0), Epsilon(), level)) == pytest.approx(min(snr, 5.0) / snr)
    assert float(on_output(MinSNR(5.0), V(), at(Cosine(), t))) == pytest.approx(
        min(s := float(at(Cosine(), t).log_snr.exp()), 5.0) / (s + 1)
    )


def test_min_snr_without_a_limit_is_ho_and_others() -> None:
    level = at(Cosine(), 0.3)
    assert float(on_output(MinSNR(float("inf")), Epsilon(), level)) == pytest.approx(1)


@given(schedules, times, st.floats(-3, 3))
def test_sigmoid_weighs_the_noise_with_a_sigmoid(schedule, t, bias) -> None:
    level = at(schedule, t)
    expected = torch.sigmoid(bias - level.log_snr)
    assert float(on_output(Sigmoid(bias), Epsilon(), level)) == pytest.approx(float(expected))


@given(schedules, st.floats(0.06, 0.99))
def test_velocity_weighs_the_flow_with_one(schedule, t) -> None:
    level = at(schedule, t)
    assert float(on_output(Velocity(0.0), Flow(), level)) == pytest.approx(1)
    kept = float(level.sigma) > 0.05
    assert not kept or float(on_output(Velocity(), Flow(), level)) == pytest.approx(1)


def test_velocity_stays_finite_at_the_clean_end() -> None:
    level = at(Rectified(), 1e-9)
    assert float(Velocity(0.05)(level, Data()(level))) == pytest.approx(400)


@given(st.sampled_from([MinSNR(), Sigmoid(), EDMWeighting(), Velocity()]), schedules, times)
def test_all_but_plain_are_the_same_for_every_prediction(weighting, schedule, t) -> None:
    level = at(schedule, t)
    found = [float(weighting(level, prediction(level))) for prediction in PREDICTIONS]
    assert found == pytest.approx([found[0]] * len(found))
