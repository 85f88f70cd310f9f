"""A sheet holds each picture's own pixels where they belong, and any label fits."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from media.examples import noise
from unnoise.core.error import Refused
from unnoise.media.sheet import sheet, stacked


def places(whole: torch.Tensor, part: torch.Tensor) -> list[tuple[int, int]]:
    """Where a picture stands in a sheet: rows and columns of its upper left corner."""
    _, h, w = part.shape
    windows = whole.unfold(1, h, 1).unfold(2, w, 1)  # (3, H', W', h, w)
    same = (windows == part[:, None, None]).all(-1).all(-1).all(0)
    return [(int(y), int(x)) for y, x in same.nonzero()]


def test_pictures_stand_in_rows_and_columns() -> None:
    pictures = [[noise(3, 8, 10, seed=3 * r + c) for c in range(3)] for r in range(2)]
    whole = sheet(pictures, ["one", "two"], ["a", "b", "c"])
    assert whole.dtype == torch.uint8
    found = [[places(whole, picture) for picture in row] for row in pictures]
    assert all(len(place) == 1 for row in found for place in row)
    ys = [{place[0][0] for place in row} for row in found]
    xs = [{row[c][0][1] for row in found} for c in range(3)]
    assert [len(y) for y in ys] == [1, 1]
    assert [len(x) for x in xs] == [1, 1, 1]
    assert max(ys[0]) + 8 < min(ys[1])
    assert max(xs[0]) + 10 < min(xs[1])


def test_ground_is_white_and_labels_are_left_and_above() -> None:
    blank = torch.full((3, 64, 64), 255, dtype=torch.uint8)
    assert sheet([[blank]]).eq(255).all()
    plain, left, above = (sheet([[blank]], *labels) for labels in ((), (["x"],), ((), ["x"])))
    assert left.shape[2] > plain.shape[2]
    assert left.shape[1] == plain.shape[1]
    assert above.shape[1] > plain.shape[1]
    assert above.shape[2] == plain.shape[2]
    ink = left.lt(128).any(0)
    assert ink.any()
    assert not ink[:, left.shape[2] - 64 :].any()


def test_scale_repeats_pixels_and_grey_and_small_pictures_fit() -> None:
    small, grey = noise(3, 4, 4), noise(1, 8, 8)
    whole = sheet([[small, grey], [small]], scale=3)
    (y, x), below = places(whole, small.repeat_interleave(3, 1).repeat_interleave(3, 2))
    ((top, left),) = places(whole, grey.expand(3, 8, 8).repeat_interleave(3, 1).repeat_interleave(3, 2))
    assert (y, below[1]) == (top + 6, x)  # cells are 24 high, the small picture 12
    assert left - 24 - x in range(-6, 6)  # its cell begins 6 to its left, and a gap lies between the cells


LABELS = st.text(st.characters(), max_size=200) | st.just("word " * 5000) | st.just("x" * 5000)


@given(LABELS, LABELS)
@settings(deadline=None, max_examples=25)
def test_any_label_fits(row: str, column: str) -> None:
    pictures = [[noise(3, 16, 16, seed=k) for k in range(2)]]
    whole = sheet(pictures, [row], [column, "b"])
    assert whole.shape[2] < 100
    assert whole.shape[1] < 100
    assert all(len(places(whole, picture)) == 1 for picture in pictures[0])


def test_options_that_differ_are_told_apart_where_their_name_fills_a_line() -> None:
    labels = ["sampler sa_solver:tau=0.5,low=0.1", "sampler sa_solver:tau=1,low=0.1"]
    for side in ("rows", "columns"):
        one, other = (sheet([[noise(3, 128, 128)]], **{side: [label]}) for label in labels)
        assert not torch.equal(one, other), side


def test_long_labels_end_in_an_ellipsis() -> None:
    from PIL import ImageFont

    from unnoise.media.sheet import _broken

    font = ImageFont.load_default(12)
    lines = _broken(["a long label that goes on and on"], font, 60, 30)[0]
    assert len(lines) == 2
    assert lines[-1].endswith("…")
    assert all(font.getlength(line) <= 60 for line in lines)
    assert _broken(["two words"], font, 200, 30) == [["two words"]]


@pytest.mark.parametrize(
    ("pictures", "rows", "columns", "scale"),
    [
        ([], (), (), 1),
        ([[]], (), (), 1),
        ([[0]], ["a", "b"], (), 1),
        ([[0]], (), ["a", "b"], 1),
        ([[0]], (), (), 0),
        ([[0]], (), (), 10_000),
    ],
)
def test_what_makes_no_sheet_is_refused(
    pictures: list[list[int]], rows: list[str], columns: list[str], scale: int
) -> None:
    with pytest.raises(Refused):
        sheet([[noise(seed=k) for k in row] for row in pictures], rows, columns, scale)


def test_the_sheet_is_the_same_each_time() -> None:
    pictures = [[noise(seed=1)]]
    assert torch.equal(sheet(pictures, ["a"], ["b"]), sheet(pictures, ["a"], ["b"]))


def test_sheets_stand_one_below_the_other_under_their_titles() -> None:
    parts = [sheet([[noise(seed=k)]]) for k in range(2)]
    height, width = parts[0].shape[1:]
    found = stacked(parts, ["first", ""])
    line = found.shape[1] - 2 * height
    assert found.shape[2] == width and line > 20
    assert bool((found[:, :line] < 128).any())  # the title
    assert bool((found[:, line : line + height] == parts[0]).all())
    assert bool((found[:, line + height :] == parts[1]).all())


def test_what_cannot_be_stacked() -> None:
    with pytest.raises(Refused, match="no sheet"):
        stacked([], [])
    with pytest.raises(Refused, match="too large"):
        stacked([torch.zeros(1, 1, 1, dtype=torch.uint8).expand(3, 8192, 8192)] * 2, ["", ""])
