"""Marks of steps: equal to the bit or not, and about how far apart."""

import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unnoise.tasks import _trail
from unnoise.tasks._trail import mark, parting


def drawn(count, seed=0):
    return torch.randn(count, generator=torch.Generator().manual_seed(seed))


def test_equal_samples_have_equal_marks_that_survive_json():
    x = drawn(3 * 16 * 16).view(3, 16, 16)
    assert mark(x) == mark(x.clone()) == tuple(json.loads(json.dumps(mark(x))))
    assert mark(x) == mark(x.transpose(1, 2).contiguous().transpose(1, 2))


def test_the_last_bit_of_any_value_shows():
    x = drawn(64)
    other = x.clone()
    other[17] = torch.nextafter(other[17], other[17] + 1)
    assert mark(x)[0] != mark(other)[0]


@pytest.mark.parametrize("apart", [1e-5, 1e-2, 1.0])
@pytest.mark.parametrize("count", [48, 769, 3 * 64 * 64])
def test_marks_tell_how_far_apart(apart, count):
    # The mean of four squared normal values: within a factor of 3 but once in some hundred times.
    found = [
        parting([mark(drawn(count))], [mark(drawn(count) + apart * drawn(count, s))]).apart / apart
        for s in range(1, 41)
    ]
    assert sum(1 / 3 < f < 3 for f in found) >= 38
    assert 0.8 < (sum(f**2 for f in found) / 40) ** 0.5 < 1.25


def test_of_long_samples_a_part_is_looked_at_and_all_of_it_hashed(monkeypatch):
    monkeypatch.setattr(_trail, "_MOST", 500)
    x, near = drawn(20_000), drawn(20_000)
    near[1] += 1e-6
    assert mark(x)[0] != mark(near)[0] and mark(x)[1:] == mark(near)[1:]
    found = parting([mark(x)], [mark(x + 0.01 * drawn(20_000, 5))]).apart
    assert 0.002 < found < 0.03


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_tiny_samples(count):
    assert mark(drawn(count)) == mark(drawn(count)) != mark(drawn(count, 1))


@given(st.integers(0, 4), st.integers(1, 5))
def test_the_first_step_that_parts(same, length):
    first = [mark(drawn(8, k)) for k in range(length)]
    second = [mark(drawn(8, k if k < same else 99 + k)) for k in range(length)]
    found = parting(first, second)
    assert (found is None) == (same >= length)
    if found:
        assert (found.step, found.steps) == (same + 1, length) and found.apart > 0


def test_a_run_that_ends_early_parts_there():
    trail = [mark(drawn(8, k)) for k in range(4)]
    found = parting(trail, trail[:3])
    assert found.step == 4 and found.apart != found.apart
