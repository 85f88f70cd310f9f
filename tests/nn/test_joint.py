"""Streams attend together as one sequence would, and see whom they may."""

import torch
from torch.nn.functional import scaled_dot_product_attention

from building import drawn
from unnoise.nn.joint import attend_together, blind_cells, split, text_seen

CPU = torch.device("cpu")


def stream(tokens, seed):
    return tuple(drawn(2, tokens, 3, 4, seed=seed + i) for i in range(3))


def turning(angles):
    return torch.stack([angles.cos(), angles.sin()], -1)


def test_queries_keys_and_values_lie_one_after_the_other():
    fused = torch.arange(24.0).expand(2, 5, 24)
    query, key, value = split(fused, 2)
    assert query.shape == (2, 5, 2, 4)
    assert query[0, 0].flatten().tolist() == list(range(8))
    assert key[0, 0].flatten().tolist() == list(range(8, 16))
    assert value[0, 0, 1].tolist() == [20, 21, 22, 23]


def test_two_streams_are_one_sequence():
    text, cells = stream(3, 1), stream(5, 7)
    found = attend_together((text, cells))
    whole = [torch.cat(parts, 1).transpose(1, 2) for parts in zip(text, cells, strict=True)]
    expected = scaled_dot_product_attention(*whole).transpose(1, 2).flatten(2)
    assert [part.shape for part in found] == [(2, 3, 12), (2, 5, 12)]
    torch.testing.assert_close(torch.cat(found, 1), expected)


def test_places_turn_queries_and_keys_and_not_values():
    cells = stream(5, 7)
    turns = turning(torch.full((5, 2), 0.7))
    torch.testing.assert_close(attend_together([cells], turns=turns), attend_together([cells]))  # all alike: no change
    uneven = turning(drawn(5, 2))
    assert not torch.allclose(attend_together([cells], turns=uneven)[0], attend_together([cells])[0], atol=1e-3)


def test_masked_text_is_seen_by_none():
    text, cells = stream(3, 1), stream(5, 7)
    seen = text_seen(torch.tensor([[True, True, False]] * 2), 5)
    short = tuple(part[:, :2] for part in text)
    torch.testing.assert_close(attend_together((text, cells), seen)[1], attend_together((short, cells))[1])
    assert text_seen(None, 5) is None


def test_blind_cells_see_the_text_and_themselves():
    assert blind_cells(None, 1, 2, CPU)[0, 0].tolist() == [[1, 1, 1], [1, 1, 0], [1, 0, 1]]
    masked = blind_cells(text_seen(torch.tensor([[True], [False]]), 2), 1, 2, CPU)
    assert masked.shape == (2, 1, 3, 3)
    assert masked[1, 0].tolist() == [[0, 1, 1], [0, 1, 0], [0, 0, 1]]
