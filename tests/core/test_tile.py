"""Tiles: every pixel is made once, by a tile that sees enough of the picture around it."""

import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from unnoise.core.tile import spans, tiles

sides = st.integers(1, 40)


@given(sides, sides, st.integers(0, 9))
def test_spans_make_an_axis_once_and_see_what_they_need(length, side, reach):
    found = spans(length, side, reach)
    assert [k for span in found for k in range(span.start, span.stop)] == list(range(length))
    for span in found:
        assert 1 <= span.stop - span.start <= side
        assert span.seen_start == max(0, span.start - reach) and span.seen_stop == min(length, span.stop + reach)
    sizes = [span.stop - span.start for span in found]
    assert max(sizes) - min(sizes) <= 1 and len(found) == -(-length // side)


@given(sides, sides, st.integers(1, 20), st.integers(1, 4), st.integers(1, 3))
def test_what_looks_no_farther_than_the_margin_has_no_seams(height, width, side, reach, scale):
    picture = torch.rand(2, height, width, generator=torch.Generator().manual_seed(height * 41 + width))

    def work(x):
        mean = F.avg_pool2d(x, 2 * reach + 1, 1, reach, count_include_pad=False)
        return mean.repeat_interleave(scale, 1).repeat_interleave(scale, 2)

    whole = torch.full((2, scale * height, scale * width), torch.nan)
    for tile in tiles(height, width, side, reach):
        seen = tile.of(picture)
        assert max(seen.shape[1:]) <= side + 2 * reach
        tile.put(work(seen), whole, scale)
    torch.testing.assert_close(whole, work(picture))


def test_a_margin_that_is_too_small_shows():
    picture = torch.arange(8.0).repeat(8, 1)[None]
    whole = torch.zeros(1, 8, 8)
    for tile in tiles(8, 8, 4, 0):
        tile.put(F.avg_pool2d(tile.of(picture), 3, 1, 1, count_include_pad=False), whole, 1)
    assert not torch.allclose(whole, F.avg_pool2d(picture, 3, 1, 1, count_include_pad=False))
