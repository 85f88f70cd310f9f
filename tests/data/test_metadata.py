"""Metadata that other people wrote becomes captions and tags, or a message that says where it is wrong."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unnoise.core.error import Refused
from unnoise.data.metadata import captions_in, captions_of, decoded, parsed, tags_of

json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
keys = st.sampled_from(["caption", "text", "captions", "name", "other"])


@given(st.dictionaries(keys, json))
def test_any_object_gives_plain_strings(record: dict[str, object]) -> None:
    texts = [*captions_of(record), *tags_of(record).values()]
    assert all(text and text == " ".join(text.split()) for text in texts)
    assert not tags_of(record).keys() & {"caption", "text", "captions"}


def test_captions_by_either_name() -> None:
    assert captions_of({"caption": "a cat"}) == captions_of({"text": "a cat"}) == ("a cat",)
    assert captions_of({"captions": ["a cat", "a cat", " a \n tom "]}) == ("a cat", "a tom")


def test_a_text_file_has_a_caption_a_line() -> None:
    assert captions_in("a cat\n\n  a tom \n") == ("a cat", "a tom")


def test_tags_are_strings() -> None:
    record = {"kids": False, "label": 3, "keywords": ["a", "b\xa0c"], "none": None, "deep": {"x": 1}, "file_name": "f"}
    assert tags_of(record, ("file_name",)) == {"kids": "false", "label": "3", "keywords": "a, b c"}


@pytest.mark.parametrize("data", [b"{", b"[1]", b"\xff\xfe", b"", b"[" * 100_000])
def test_what_is_no_object_is_refused_by_name(data: bytes) -> None:
    with pytest.raises(Refused, match=r"the\.json"):
        parsed(data, "the.json")


def test_text_that_is_not_utf8_is_refused_by_name() -> None:
    with pytest.raises(Refused, match=r"the\.txt"):
        decoded(b"\xff\xfe\x00", "the.txt")
