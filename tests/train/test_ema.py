"""Power-function averages weigh steps as the paper says, and stored ones give those of other widths."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from unnoise.core.error import Refused
from unnoise.train.ema import WIDEST, Average, combination, exponent, misfit


@given(st.floats(0.005, 0.288))
def test_the_exponent_gives_the_width(width) -> None:
    gamma = exponent(width)
    mean = (gamma + 1) / (gamma + 2)
    variance = (gamma + 1) / (gamma + 3) - mean**2
    assert variance**0.5 == pytest.approx(width, rel=1e-6)


def test_known_exponents() -> None:
    """Karras et al. 2024, section 3.1: gamma is 16.97 and 6.94 for widths of 5 and 10 percent."""
    assert exponent(0.05) == pytest.approx(16.97, abs=0.01)
    assert exponent(0.10) == pytest.approx(6.94, abs=0.01)
    assert exponent(WIDEST * (1 - 1e-9)) == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("width", [0.0, -0.1, 0.289, 3.0, float("nan")])
def test_other_widths_are_refused(width: float) -> None:
    with pytest.raises(Refused, match="relative width"):
        exponent(width)


def weights(average: Average, steps: int) -> Tensor:
    """How much each step's weights count, found by averaging unit vectors."""
    for step in range(steps):
        unit = torch.zeros(steps)
        unit[step] = 1
        average.update({"w": unit})
    return average.values["w"].double()


@given(st.floats(0.02, 0.28), st.integers(1, 60))
def test_a_step_counts_as_the_integral_of_the_profile(width, steps) -> None:
    average = Average({"w": torch.zeros(steps)}, width)
    share = torch.arange(steps + 1, dtype=torch.float64) / steps
    expected = (share ** (average.gamma + 1)).diff()
    torch.testing.assert_close(weights(average, steps), expected, atol=2e-6, rtol=1e-3)


def test_what_it_began_with_is_forgotten_at_the_first_step() -> None:
    average = Average({"w": torch.full((3,), 1e9)}, 0.1)
    average.update({"w": torch.ones(3)})
    assert torch.equal(average.values["w"], torch.ones(3))


def test_it_is_float32_and_its_own() -> None:
    tensor = torch.ones(2, dtype=torch.bfloat16)
    average = Average({"w": tensor}, 0.1)
    average.update({"w": tensor})
    tensor += 1
    assert average.values["w"].dtype == torch.float32
    assert average.values["w"].tolist() == [1, 1]


steps_stored = [(step, width) for step in range(25, 401, 25) for width in (0.05, 0.10)]


def test_a_stored_width_is_taken_as_it_is() -> None:
    steps, widths = zip(*steps_stored, strict=True)
    factors = combination(steps, widths, 400, 0.10)
    assert factors == pytest.approx([float(s == 400 and w == 0.10) for s, w in steps_stored], abs=1e-6)
    assert misfit(steps, widths, factors, 400, 0.10) == pytest.approx(0, abs=1e-6)


@given(st.floats(0.03, 0.25), st.sampled_from([200, 300, 400]))
def test_factors_add_up_to_one(width, target) -> None:
    kept = [(s, w) for s, w in steps_stored if s <= target]
    steps, widths = zip(*kept, strict=True)
    assert sum(combination(steps, widths, target, width)) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("width", [0.04, 0.07, 0.15, 0.2])
def test_misfit_is_the_distance_of_the_profiles(width) -> None:
    steps, widths = zip(*steps_stored, strict=True)
    factors = combination(steps, widths, 400, width)
    at = (torch.arange(8000, dtype=torch.float64) + 0.5) / 20

    def profile(step: int, wide: float) -> Tensor:
        gamma = exponent(wide)
        return torch.where(at <= step, (gamma + 1) * (at / step) ** gamma / step, torch.zeros(()).double())

    made = sum(f * profile(s, w) for f, s, w in zip(factors, steps, widths, strict=True))
    wanted = profile(400, width)
    expected = float((made - wanted).norm() / wanted.norm())
    assert misfit(steps, widths, factors, 400, width) == pytest.approx(expected, rel=0.02, abs=1e-4)
    assert expected < 0.08
