"""Numbers as vectors: bounded, told apart, and the published formula."""

import math

import torch

from building import drawn
from unnoise.nn.embed import TimeEmbedding, sinusoidal


def test_it_is_the_published_formula():
    found = sinusoidal(torch.tensor([0.0, 3.0]), 8)
    for k in range(4):
        angle = 3.0 * 10_000 ** (-k / 4)
        assert math.isclose(found[1, k], math.cos(angle), abs_tol=1e-6)
        assert math.isclose(found[1, 4 + k], math.sin(angle), abs_tol=1e-6)
    assert found[0].tolist() == [1.0] * 4 + [0.0] * 4


def test_rows_of_a_table_are_told_apart():
    found = sinusoidal(torch.arange(1000), 256)
    assert found.dtype == torch.float32 and found.shape == (1000, 256) and found.abs().max() <= 1
    near = (found[1:] - found[:-1]).norm(dim=1)
    assert near.min() > 0.1


def test_time_becomes_a_vector_of_the_layer_s_dtype():
    for dtype in (torch.float32, torch.bfloat16):
        layer = TimeEmbedding(12, 16).to(dtype)
        out = layer(torch.tensor([1.0, 999.0, 0.5]))
        assert out.shape == (3, 12) and out.dtype == dtype
    assert not torch.equal(out[0], out[1])
    alone = TimeEmbedding(12, 16)
    assert torch.allclose(alone(drawn(3))[1:2], alone(drawn(3)[1:2]), atol=1e-6)
