"""Noise: a function of seed, step and purpose, and of nothing else."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unnoise.core.error import Refused
from unnoise.core.noise import Seeds

seeds = st.integers(0, 2**64 - 1)
FROZEN = [1.1205821, -0.5617173, 0.2399695, 0.8570510]


@given(st.lists(seeds, min_size=1, max_size=5), st.integers(0, 1000), st.data())
def test_a_sample_s_noise_does_not_depend_on_its_batch(values, step, data):
    one = data.draw(st.integers(0, len(values) - 1))
    x = torch.zeros(len(values), 2, 3)
    together, alone = Seeds(tuple(values)), Seeds((values[one],))
    assert torch.equal(together(x, step)[one : one + 1], alone(x[:1], step))
    assert torch.equal(together.start((2, 3))[one : one + 1], alone.start((2, 3)))


def test_the_start_is_what_torch_draws_on_a_cpu():
    """As diffusers and ComfyUI begin: one generator a picture, seeded with the picture's own seed."""
    drawn = torch.randn((4, 8, 8), generator=torch.Generator("cpu").manual_seed(42), dtype=torch.float32)
    assert torch.equal(Seeds((41, 42)).start((4, 8, 8))[1], drawn)


def test_the_stream_is_frozen():
    """A saved picture's record rests on these numbers: the hash of "7/3/step" seeds the draw."""
    found = Seeds((7,))(torch.zeros(1, 4), 3, "step")[0]
    torch.testing.assert_close(found, torch.tensor(FROZEN), rtol=0, atol=1e-6)


def test_seeds_steps_and_purposes_have_streams_of_their_own():
    x = torch.zeros(2, 64)
    drawn = [*Seeds((1, 2))(x, 0), *Seeds((1, 2))(x, 1), *Seeds((1, 2))(x, 0, "mask"), *Seeds((1, 2)).start((64,))]
    for i, first in enumerate(drawn):
        assert all(abs(float(torch.corrcoef(torch.stack([first, other]))[0, 1])) < 0.5 for other in drawn[:i])


def test_it_is_unit_noise_in_x_s_own_dtype():
    drawn = Seeds((5,))(torch.zeros(1, 100_000, dtype=torch.float64), 0)
    assert drawn.dtype == torch.float64
    assert abs(float(drawn.mean())) < 3 / 100_000**0.5
    assert abs(float(drawn.var()) - 1) < 3 * (2 / 100_000) ** 0.5


def test_what_ran_before_changes_nothing():
    x = torch.zeros(1, 8)
    first = Seeds((3,))(x, 2)
    torch.manual_seed(0)
    torch.randn(5)
    state = torch.get_rng_state()
    assert torch.equal(Seeds((3,))(x, 2), first)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_seeds_out_of_range_are_refused(seed):
    with pytest.raises(Refused, match="2\\*\\*64 - 1"):
        Seeds((seed,))


def test_a_batch_needs_one_seed_a_sample():
    """One seed for many samples would broadcast the same noise to all of them."""
    with pytest.raises(Refused, match="one seed a sample"):
        Seeds((0,))(torch.zeros(2, 3), 0)
