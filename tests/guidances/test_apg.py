"""Adaptive projected guidance: the paper's algorithm, what it is without its parts, and its memory."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unnoise.core.level import shared
from unnoise.guidances.apg import APG
from unnoise.guidances.classifier_free import ClassifierFree

LEVEL = shared(0.5, 0.6, 0.8)
scales = st.floats(0, 20)


def pairs(count=3, shape=(2, 3, 4, 4)):
    draw = torch.Generator().manual_seed(0)
    one = [torch.randn(shape, dtype=torch.float64, generator=draw) for _ in range(2 * count)]
    return [{"positive": a, "negative": b} for a, b in zip(one[::2], one[1::2], strict=True)]


def run(guidance, found):
    return [guidance({n: g[n] for n in guidance.needs(LEVEL)}, torch.zeros(()), LEVEL) for g in found]


@given(scales)
def test_without_its_parts_it_is_classifier_free(scale):
    found = pairs()
    plain = run(ClassifierFree(scale), found)
    for out, expected in zip(run(APG(scale, 1.0, 0.0, 0.0), found), plain, strict=True):
        torch.testing.assert_close(out, expected)


@given(scales, st.floats(0, 1), st.floats(-1, 0), st.floats(0, 20))
def test_it_is_the_paper_s_algorithm(scale, eta, momentum, threshold):
    """Sample by sample and with vectors, as written there."""
    found = pairs()
    outs = run(APG(scale, eta, momentum, threshold), found)
    for k in range(2):
        total = 0
        for guesses, out in zip(found, outs, strict=True):
            c, u = guesses["positive"][k].flatten(), guesses["negative"][k].flatten()
            total = (c - u) + momentum * total
            delta = total * min(1.0, threshold / float(total.norm())) if threshold else total
            unit = c / c.norm()
            along = (delta @ unit) * unit
            expected = c + (scale - 1) * ((delta - along) + eta * along)
            torch.testing.assert_close(out[k].flatten(), c if scale == 1 else expected)


def test_without_the_part_along_it_the_prompt_s_guess_keeps_its_length_along_itself():
    found = pairs(1)
    out, positive = run(APG(9.0, 0.0, 0.0, 0.0), found)[0], found[0]["positive"]
    axes = (1, 2, 3)
    torch.testing.assert_close((out * positive).sum(axes), positive.square().sum(axes))


def test_a_threshold_bounds_the_step():
    found = pairs(1)
    out = run(APG(5.0, 1.0, 0.0, 0.25), found)[0] - found[0]["positive"]
    torch.testing.assert_close(out.flatten(1).norm(dim=1), torch.full((2,), 4 * 0.25, dtype=torch.float64))


def test_memory_goes_on_where_another_left_off():
    found, whole = pairs(), APG(4.0)
    outs = run(whole, found)
    first = APG(4.0)
    run(first, found[:1])
    second = APG(4.0).with_memory({"dpmpp_2m.data": torch.zeros(1), **first.memory()})
    assert list(first.memory()) == ["apg.sum"]
    for out, expected in zip(run(second, found[1:]), outs[1:], strict=True):
        assert torch.equal(out, expected)
    assert not torch.equal(run(APG(4.0), found[1:])[0], outs[1])


def test_what_goes_on_leaves_what_it_came_from_alone():
    found, first = pairs(), APG(4.0)
    run(first, found[:1])
    before = first.memory()["apg.sum"].clone()
    run(first.with_memory(first.memory()), found[1:])
    assert torch.equal(first.memory()["apg.sum"], before)


def test_without_momentum_nothing_is_kept():
    guidance = APG(momentum=0.0)
    run(guidance, pairs())
    assert guidance.memory() == {} and APG() == APG()


def test_scale_1_is_the_prompt_alone():
    found = pairs(1)
    assert APG(1.0).needs(LEVEL) == ("positive",)
    assert torch.equal(run(APG(1.0), found)[0], found[0]["positive"])


def test_a_prompt_s_guess_of_nothing_has_no_direction():
    found = {"positive": torch.zeros(1, 2), "negative": torch.tensor([[3.0, 4.0]])}
    torch.testing.assert_close(APG(2.0, 0.0, 0.0, 0.0)(found, torch.zeros(()), LEVEL), torch.tensor([[-3.0, -4.0]]))
    assert pytest.approx(APG(2.0, 0.0, 0.0, 2.5)(found, torch.zeros(()), LEVEL)[0].tolist()) == [-1.5, -2.0]
