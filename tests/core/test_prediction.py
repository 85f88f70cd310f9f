"""The table of predictions: data = skip x + out F(scale x), and the targets of the literature."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unnoise.core.error import Refused
from unnoise.core.level import Level, shared
from unnoise.core.prediction import EDM, PREDICTIONS, Data, Epsilon, Flow, V

inside = st.floats(1e-2, 1e2)
TARGETS = ("epsilon", "data", "v", "flow", "edm")


def textbook(name, level, data, noise):
    a, s = level.alpha, level.sigma
    return {
        "epsilon": noise,
        "data": data,
        "v": a * noise - s * data,
        "flow": noise - data,
        "edm": (s * data / 0.5 - a * 0.5 * noise) / ((a * 0.5) ** 2 + s**2).sqrt(),
    }[name]


def drawn():
    return torch.randn(2, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", PREDICTIONS)
@given(alpha=inside, sigma=inside)
def test_targets_are_the_textbook_ones_on_any_path(name, alpha, sigma):
    data, noise = drawn()
    level = shared(0.5, alpha, sigma)
    row, x = PREDICTIONS[name]()(level), level.mix(data, noise)
    target = row.target(x, data)
    torch.testing.assert_close(target, textbook(name, level, data, noise), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(row.data(x, target), data, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", PREDICTIONS)
def test_every_prediction_has_a_target_written_down_here(name):
    assert name in TARGETS


def test_edm_is_table_1_of_the_paper():
    for sigma in (0.002, 0.5, 80.0):
        row = EDM(0.5)(shared(0.5, 1.0, sigma))
        assert float(row.skip) == pytest.approx(0.25 / (sigma**2 + 0.25))
        assert float(row.out) == pytest.approx(sigma * 0.5 / (sigma**2 + 0.25) ** 0.5)
        assert float(row.scale) == pytest.approx(1 / (sigma**2 + 0.25) ** 0.5)


@given(inside, inside, st.floats(0.1, 2))
def test_edm_sees_and_regresses_on_unit_variance(alpha, sigma, spread):
    """Var(scale x) = 1 and Var(target) = 1 for data of variance spread², on any path."""
    row = EDM(spread)(shared(0.5, alpha, sigma))
    variance = (alpha * spread) ** 2 + sigma**2
    assert float(row.scale) ** 2 * variance == pytest.approx(1)
    left = ((1 - float(row.skip) * alpha) * spread) ** 2 + (float(row.skip) * sigma) ** 2
    assert left / float(row.out) ** 2 == pytest.approx(1, rel=1e-6)


@pytest.mark.parametrize("prediction", [Data(), V(), Flow(), EDM()])
def test_the_noisy_end_is_finite(prediction):
    data, noise = drawn()
    row = prediction(shared(1, 0, 1))
    target = row.target(noise, data)
    assert target.isfinite().all()
    torch.testing.assert_close(row.data(noise, target), data)


def test_epsilon_is_refused_where_there_is_no_data_in_x():
    with pytest.raises(Refused, match="v-prediction") as refusal:
        Epsilon()(shared(1, 0, 1))
    assert refusal.value.field == "spacing"


@pytest.mark.parametrize("prediction", [Epsilon(), Data(), V(), Flow(), EDM()])
def test_the_clean_end_gives_x_back(prediction):
    data, noise = drawn()
    row = prediction(shared(0, 1, 0))
    torch.testing.assert_close(row.data(data, data if isinstance(prediction, Data) else noise), data)


@pytest.mark.parametrize("name", PREDICTIONS)
def test_no_dtype_changes_and_each_sample_has_its_own_level(name):
    x = torch.ones(2, 3)
    assert PREDICTIONS[name]()(shared(0.5, 0.6, 0.8)).data(x, x).dtype == torch.float32
    alpha = torch.tensor([[0.6], [0.8]])
    many = PREDICTIONS[name]()(Level(1 - alpha, alpha, (1 - alpha**2).sqrt())).data(x, 2 * x)
    for i, a in enumerate((0.6, 0.8)):
        one = PREDICTIONS[name]()(shared(0.5, a, (1 - a**2) ** 0.5)).data(x, 2 * x)
        torch.testing.assert_close(many[i], one[i])
