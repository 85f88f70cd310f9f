"""The dynamic shift: mu on Flux's line through the sample's size."""

import math

import pytest

from unnoise.core.error import Refused
from unnoise.core.schedule import Rectified
from unnoise.spacings.dynamic import Dynamic
from unnoise.spacings.shifted import Shifted


@pytest.mark.parametrize(("shape", "mu"), [((16, 32, 32), 0.5), ((16, 128, 128), 1.15), ((16, 64, 128), 0.803333)])
def test_mu_is_the_line_s(shape, mu):
    """256 tokens, 4096, and 2048, in latents of two samples a token."""
    assert Dynamic().mu(shape) == pytest.approx(mu, rel=1e-5)
    found = [float(v.t) for v in Dynamic()(Rectified(), 5, shape).levels]
    assert found == pytest.approx([float(v.t) for v in Shifted(math.exp(Dynamic().mu(shape)))(Rectified(), 5).levels])


def test_larger_samples_spend_longer_in_noise():
    small, large = (Dynamic()(Rectified(), 5, (4, side, side)).levels[2] for side in (16, 64))
    assert float(large.t) > float(small.t)


def test_options():
    assert Dynamic(base=0.0, most=2.0).mu((16, 128, 128)) == pytest.approx(2)
    assert Dynamic(patch=8).mu((3, 128, 128)) == pytest.approx(0.5)
    assert Dynamic(patch=1).mu((8, 256)) == pytest.approx(0.5)  # a sequence
    low = Dynamic(low=0.1)(Rectified(), 3, (16, 32, 32)).levels[2]
    assert float(low.t) == pytest.approx(float(Shifted(math.exp(0.5), 0.1)(Rectified(), 3).levels[2].t))


@pytest.mark.parametrize(("made", "shape"), [(Dynamic(), ()), (Dynamic(), (4,)), (Dynamic(patch=0), (4, 8, 8))])
def test_without_a_size_it_is_refused(made, shape):
    with pytest.raises(Refused, match="sample's size") as refusal:
        made(Rectified(), 4, shape)
    assert refusal.value.field == "spacing"
