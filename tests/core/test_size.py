"""Amounts of memory."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unnoise.core.error import Refused
from unnoise.core.size import read_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("2GB", 2 * 10**9),
        ("2g", 2 * 10**9),
        ("1.5 GiB", 3 * 2**29),
        (" 800 MB ", 8 * 10**8),
        ("4096", 4096),
        (4096, 4096),
        ("1kib", 1024),
    ],
)
def test_sizes_are_read_as_people_write_them(text: str | int, size: int) -> None:
    assert read_size(text) == size


@pytest.mark.parametrize("text", ["", "GB", "-1GB", "2XB", "2 G B", "nan", "1e9", "0", "0.1", "2GB3", 0, -4, "9" * 400])
def test_what_is_no_amount_is_refused(text: str | int) -> None:
    with pytest.raises(Refused, match="no amount of memory"):
        read_size(text)


@given(st.text(max_size=30))
def test_any_text_is_an_amount_or_refused(text: str) -> None:
    with contextlib.suppress(Refused):
        assert read_size(text) > 0
