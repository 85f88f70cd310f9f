"""Densities by the ODE are those that are known, on every path, whichever way it ends."""

import math

import pytest
import torch

from oracles import SCHEDULES, Gaussian, Mixture, Plane, order
from unnoise.core.error import Refused
from unnoise.core.prediction import Epsilon
from unnoise.core.schedule import Betas, Rectified
from unnoise.evaluate.likelihood import Exact, Hutchinson, Path, bits, dequantised, log_density, probes

X = torch.linspace(-0.5, 1.6, 7, dtype=torch.float64)[:, None]


def normal(x, mean, variance):
    return -((x - mean) ** 2 / variance + math.log(2 * math.pi) + variance.log()) / 2


def known(oracle, path, x):
    """The exact density of data with the path's least noise, where the ODE begins: at alpha x."""
    level = path.ends[0]
    a, s2 = float(level.alpha), level.sigma**2
    if isinstance(oracle, Gaussian):
        parts = [(1.0, oracle.mean, oracle.std)]
    else:
        parts = list(zip(oracle.weights, oracle.means, oracle.stds, strict=True))
    each = [math.log(w) + normal(a * x, a * m, s2 + (a * s) ** 2) + math.log(a) for w, m, s in parts]
    return torch.logsumexp(torch.stack(each), 0).sum(1)


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("oracle", [Gaussian(), Mixture()], ids=["gaussian", "mixture"])
def test_densities_are_the_known_ones_on_every_path(oracle, name) -> None:
    path = Path(SCHEDULES[name], 48)
    found = log_density(oracle, path, X, Exact())
    # A path that does not end in noise alone starts a run from noise that knows nothing of the data's mean.
    rest = float(path.ends[1].alpha / (path.ends[1].alpha ** 2 + path.ends[1].sigma ** 2).sqrt())
    assert found.dtype == torch.float64
    assert found.tolist() == pytest.approx(known(oracle, path, X).tolist(), abs=2e-3 + 3 * rest)


@pytest.mark.parametrize("low", [None, 0.4], ids=["least noise", "much noise"])
def test_the_density_sums_to_one(low) -> None:
    grid = torch.linspace(-6, 7, 2601, dtype=torch.float64)[:, None]
    total = log_density(Mixture(), Path(Rectified(), 24, low), grid, Exact()).exp().sum() * 13 / 2600
    assert float(total) == pytest.approx(1, abs=2e-3)


def test_values_that_depend_on_each_other() -> None:
    plane, path = Plane(), Path(Rectified(), 48)
    points = torch.tensor([[-1.0, 0.5], [0.8, -0.3], [0.0, 0.0]], dtype=torch.float64)
    a, s2 = float(path.ends[0].alpha), path.ends[0].sigma ** 2
    parts = [
        math.log(w)
        + torch.distributions.MultivariateNormal(
            a * torch.tensor(m, dtype=torch.float64), a**2 * c + s2 * torch.eye(2, dtype=torch.float64)
        ).log_prob(a * points)
        for w, m, c in zip(plane.weights, plane.means, plane.covariances, strict=True)
    ]
    expected = torch.logsumexp(torch.stack(parts), 0) + 2 * math.log(a)
    assert log_density(plane, path, points, Exact()).tolist() == pytest.approx(expected.tolist(), abs=2e-3)


def test_it_converges_as_its_order_says() -> None:
    oracle, x = Gaussian(), torch.tensor([[0.2], [1.1]], dtype=torch.float64)
    errors = [
        float((log_density(oracle, p, x, Exact()) - known(oracle, p, x)).abs().max())
        for p in (Path(Rectified(), steps) for steps in (8, 16, 32))
    ]
    assert order(errors[1], errors[2]) > 3.5 and errors[2] < 1e-4


@pytest.mark.parametrize("seed", [0, 1])
def test_probes_of_independent_values_find_the_trace_exactly(seed) -> None:
    # Signs times themselves are one, so that only a derivative across values could make an error.
    oracle, path, x = Gaussian(), Path(Rectified(), 3), torch.randn(2, 3, 2, generator=torch.Generator().manual_seed(1))
    found = log_density(oracle, path, x.double(), Hutchinson(probes((2, 3, 2), 1, seed)))
    assert found.tolist() == pytest.approx(log_density(oracle, path, x.double(), Exact()).tolist(), abs=1e-9)


def test_probes_are_right_on_average() -> None:
    plane, path, x = Plane(), Path(Rectified(), 8), torch.tensor([[-0.5, 0.4]], dtype=torch.float64)
    exact = float(log_density(plane, path, x, Exact()))
    each = log_density(plane, path, x.expand(400, 2), Hutchinson(probes((400, 2), 1)))
    spread = float(each.std())
    assert spread > 0.01  # one probe alone is off
    assert float(each.mean()) == pytest.approx(exact, abs=4 * spread / 20)
    many = float(log_density(plane, path, x, Hutchinson(probes((1, 2), 50))))
    assert many == pytest.approx(exact, abs=4 * spread / 50**0.5)


def test_probes_belong_to_their_sample() -> None:
    all_of_them = probes((5, 3, 2), 4, 7)
    assert all_of_them.shape == (4, 5, 3, 2) and set(all_of_them.unique().tolist()) == {-1, 1}
    assert torch.equal(probes((2, 3, 2), 4, 7), all_of_them[:, :2])
    assert not torch.equal(all_of_them[:, 0], all_of_them[:, 1])


@pytest.mark.parametrize("seed", [99_999_999_999_999, 2**64 - 1])
def test_large_seeds_draw_as_well(seed) -> None:
    assert not torch.equal(probes((1, 64), 1, seed), probes((1, 64), 1, seed - 1))
    pixels = torch.zeros(2, 1, 8, 8, dtype=torch.uint8)
    assert not torch.equal(dequantised(pixels, seed), dequantised(pixels, seed - 1))


def test_a_path_may_start_below_its_end() -> None:
    oracle, whole = Mixture(), Path(Rectified(), 32)
    part = Path(Rectified(), 32, high=0.999)
    one, other = (log_density(oracle, p, X, Exact()) for p in (whole, part))
    assert one.tolist() == pytest.approx(other.tolist(), abs=5e-3)


def test_noise_cannot_be_predicted_without_data() -> None:
    path = Path(Betas(zero_terminal_snr=True), 4)
    assert float(path.ends[1].alpha) == 0 and path.span[1] == 0
    guess = lambda x, level: Epsilon()(level).data(x, x)  # noqa: E731
    with pytest.raises(Refused, match="alpha = 0"):
        log_density(guess, path, X, Exact())


@pytest.mark.parametrize("bad", [{"steps": 0}, {"high": 1.5}, {"low": 0.0}, {"low": 0.6, "high": 0.5}])
def test_a_path_that_leads_nowhere_is_refused(bad) -> None:
    with pytest.raises(Refused, match="0 < low < high <= 1"):
        Path(Rectified(), **bad)


def test_bits_of_known_distributions() -> None:
    # Uniform over 256 steps of width 1/127.5 takes 8 bits a value.
    assert bits(torch.tensor([-10 * math.log(256 / 127.5)]), 10, 1 / 127.5).tolist() == pytest.approx([8])
    assert bits(torch.tensor([0.0]), 3).tolist() == [0]


def test_dequantised_values_lie_within_their_steps() -> None:
    pixels = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16).repeat(3, 1, 1, 1)
    found = dequantised(pixels, 1)
    off = (found + 1) * 127.5 - pixels
    assert float(off.abs().max()) <= 0.5001 and float(off.mean()) == pytest.approx(0, abs=0.05)
    assert float(off.std()) == pytest.approx(12**-0.5, abs=0.02)
    assert torch.equal(dequantised(pixels[:1], 1), found[:1]) and not torch.equal(found[0], found[1])
