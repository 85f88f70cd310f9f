"""The weights of multi-step methods, against published numbers and against integrals taken numerically."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unnoise.core.level import shared
from unnoise.core.state import State
from unnoise.samplers._mean import Point, ahead, carried, leaps, mean, phi, recalled, remembered, weights

ADAMS_BASHFORTH = {
    1: (1,),
    2: (3 / 2, -1 / 2),
    3: (23 / 12, -16 / 12, 5 / 12),
    4: (55 / 24, -59 / 24, 37 / 24, -9 / 24),
}
ADAMS_MOULTON = {2: (1 / 2, 1 / 2), 3: (5 / 12, 8 / 12, -1 / 12), 4: (9 / 24, 19 / 24, -5 / 24, 1 / 24)}


@pytest.mark.parametrize("count", ADAMS_BASHFORTH)
def test_equal_steps_give_adams_bashforth_s_weights(count):
    assert weights([-float(k) for k in range(count)], 0.0) == pytest.approx(ADAMS_BASHFORTH[count], abs=1e-14)
    guesses = [torch.eye(count, dtype=torch.float64)[k] for k in range(count)]
    assert ahead(guesses).tolist() == pytest.approx(ADAMS_BASHFORTH[count], abs=1e-14)


@pytest.mark.parametrize("count", ADAMS_MOULTON)
def test_a_node_at_the_end_gives_adams_moulton_s_weights(count):
    assert weights([1.0 - k for k in range(count)], 0.0) == pytest.approx(ADAMS_MOULTON[count], abs=1e-14)


@given(
    z=st.floats(-12, 12),
    nodes=st.lists(st.integers(-40, 10), min_size=1, max_size=4, unique=True),
    powers=st.lists(st.floats(-2, 2), min_size=4, max_size=4),
)
def test_weights_integrate_polynomials_exactly(z, nodes, powers):
    """Against Gauss and Legendre's rule of forty nodes, for a polynomial of one degree less than there are guesses."""
    places = [n / 10 for n in nodes]

    def polynomial(s: float) -> float:
        return sum(c * s**j for j, c in enumerate(powers[: len(places)]))

    # Golub and Welsch: the nodes are the eigenvalues of a tridiagonal matrix, the weights the first entries squared.
    k = torch.arange(1, 40, dtype=torch.float64)
    off = k / (4 * k**2 - 1).sqrt()
    values, vectors = torch.linalg.eigh(torch.diag(off, 1) + torch.diag(off, -1))
    at, share = (values + 1) / 2, vectors[0] ** 2
    decay = (z * (1 - at)).exp() * share
    expected = sum(float(d) * polynomial(float(s)) for d, s in zip(decay, at, strict=True)) / float(decay.sum())
    shares = weights(places, z)
    size = sum(abs(w * polynomial(s)) for w, s in zip(shares, places, strict=True))
    assert sum(shares) == pytest.approx(1, abs=1e-10 * max(1.0, sum(map(abs, shares))))
    assert sum(w * polynomial(s) for w, s in zip(shares, places, strict=True)) == pytest.approx(
        expected, abs=1e-9 * max(size, 1.0)
    )


@pytest.mark.parametrize("k", range(6))
@pytest.mark.parametrize("z", [-30.0, -1.0, -1 + 1e-12, -1e-9, 0.0, 1e-3, 0.7, 1 - 1e-12, 1.0, 20.0])
def test_phi_is_its_series(k, z):
    """phi_k(z) = sum of z^n / (n + k)!, in whole fractions where terms of both signs would lose digits."""
    from fractions import Fraction

    exact = Fraction(z)
    series = sum(exact**n / math.factorial(n + k) for n in range(140))
    assert phi(k, z) == pytest.approx(float(series), rel=1e-11)


def test_far_guesses_count_for_nothing_and_endless_steps_take_the_first():
    a, b, c = (torch.tensor([v], dtype=torch.float64) for v in (1.0, 2.0, 5.0))
    near = [Point(1.0, a), Point(1.5, b)]
    torch.testing.assert_close(mean([*near, Point(math.inf, c)], 0.5), mean(near, 0.5))
    torch.testing.assert_close(mean([*near, Point(1e12, c)], 0.5), mean(near, 0.5), rtol=1e-9, atol=1e-9)
    assert mean([Point(-math.inf, a)], 0.5) is a
    assert mean([Point(0.5, a), Point(0.1, b)], math.inf) is a


def test_a_step_that_is_carried_is_euler_s():
    x, data = torch.tensor([0.3], dtype=torch.float64), torch.tensor([0.1], dtype=torch.float64)
    now, to = shared(0.8, 0.6, 0.8), shared(0.4, 0.9, 0.4)
    noise = now.noise_in(x, data)
    torch.testing.assert_close(carried(x, now, to, noise, data), to.mix(data, noise))
    nothing = shared(1.0, 0.0, 1.0)
    torch.testing.assert_close(carried(x, nothing, to, x, data), to.mix(data, x))


def test_only_long_steps_from_much_noise_leap():
    def at(ratio: float):
        return shared(0.5, 1.0, ratio)

    assert leaps(at(80.0), at(7.9)) and leaps(shared(1.0, 0.0, 1.0), at(1e3)) and leaps(at(10.1), at(0.01))
    assert not leaps(at(80.0), at(8.1)) and not leaps(at(9.9), at(0.01))


def test_memory_gives_points_back_in_order():
    points = [Point(float(k), torch.full((2,), float(k))) for k in range(3)]
    state = State(torch.zeros(2), shared(0.5, 1.0, 1.0), memory=remembered("a", points))
    assert [(p.at, p.guess.tolist()) for p in recalled(state, "a")] == [(p.at, p.guess.tolist()) for p in points]
    assert recalled(state, "b") == []
