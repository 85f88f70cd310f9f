"""A record comes back as it was, or is refused: never half, never a traceback."""

import json
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.examples import RECORD, asked
from unnoise.core.error import Refused
from unnoise.media.record import LIMIT, Record, from_json

ANY_TEXT = st.text(alphabet=st.characters(), max_size=30)  # half surrogate pairs and NUL among it
NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.integers()
JSON: Any = st.recursive(
    st.none() | st.booleans() | NUMBERS | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=8,
)
LEVEL = st.tuples(*[st.floats(-1e6, 1e6)] * 3)


@given(st.dictionaries(ANY_TEXT, JSON, max_size=4), st.lists(LEVEL, max_size=4), ANY_TEXT, st.integers())
def test_round_trip(request: dict[str, Any], levels: list[Any], text: str, seed: int) -> None:
    record = replace(
        RECORD, request=request, levels=tuple(levels), model=text, seed=seed, notes=(text,), files={text: text}
    )
    written = record.json()
    assert written.isascii() and written.isprintable()
    assert from_json(written) == record
    assert from_json(written).json() == written


def test_the_text_is_canonical() -> None:
    assert asked(b=1, a=(1, 2)).json() == asked(a=[1, 2], b=1).json()
    assert json.loads(RECORD.json())["unnoise"] == 1


def test_what_is_not_json_shows_where_it_is_made() -> None:
    with pytest.raises(ValueError, match="JSON"):
        asked(guidance=float("nan"))
    with pytest.raises(TypeError):
        asked(picture=object())


@pytest.mark.parametrize(
    "change",
    [
        {"unnoise": 0},
        {"unnoise": True},
        {"unnoise": "1"},
        {"seed": 1.5},
        {"seed": True},
        {"exact": 1},
        {"files": {"a": 1}},
        {"files": []},
        {"levels": [[1, 2]]},
        {"levels": [[1, 2, "3"]]},
        {"levels": [[1, 2, True]]},
        {"levels": [[1, 2, 10**400]]},
        {"levels": [1]},
        {"notes": [1]},
        {"notes": "text"},
        {"width": None},
        {"stranger": 1},
        {"past": {}},
        {"past": [{"until": 3}]},
        {"past": [{"request": {}, "until": True}]},
        {"past": [{"request": [], "until": 3}]},
        {"past": [{"request": {}, "until": 3, "more": 1}]},
        {"past": [5]},
        {"past": [{"request": {}, "until": 1}] * 101},
        {"trail": [["ab", 1, 2, 3]]},
        {"trail": [[1, 1, 2, 3, 4]]},
        {"trail": [["ab", 1, 2, 3, "4"]]},
        {"trail": [[]]},
        {"seal": {"prompt": 1}},
        {"seal": []},
    ],
    ids=str,
)
def test_a_changed_record_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="record"):
        from_json(json.dumps(json.loads(RECORD.json()) | change))


@pytest.mark.parametrize("name", [f.name for f in fields(Record)] + ["unnoise"])
def test_a_missing_field_is_refused_unless_it_has_a_default(name: str) -> None:
    values = json.loads(RECORD.json())
    values.pop(name, None)
    if name in ("composite", "reading", "notes", "past", "trail", "seal"):
        assert from_json(json.dumps(values)) == RECORD
    else:
        with pytest.raises(Refused, match="version" if name == "unnoise" else name):
            from_json(json.dumps(values))


@pytest.mark.parametrize(
    "text",
    ["", "1", "[]", "{", "[" * 100_000, '{"unnoise":1e999}', RECORD.json().replace('"seed":5', '"seed":1e400')],
    ids=lambda text: text[:20],
)
def test_what_is_no_record_is_refused(text: str) -> None:
    with pytest.raises(Refused):
        from_json(text)


def test_numbers_beyond_floats_and_long_texts_are_refused() -> None:
    with pytest.raises(Refused):
        from_json(RECORD.json().replace('"steps":20', '"steps":1e400'))
    with pytest.raises(Refused):
        from_json(RECORD.json().replace('"steps":20', '"steps":' + "9" * 5000))
    with pytest.raises(Refused, match="longer"):
        from_json(" " * (LIMIT + 1))


def test_a_newer_record_asks_for_a_newer_unnoise() -> None:
    with pytest.raises(Refused, match="newer"):
        from_json(json.dumps(json.loads(RECORD.json()) | {"unnoise": 2, "news": 1}))


@given(st.data())
def test_a_damaged_record_is_refused_or_still_one(data: st.DataObject) -> None:
    text = RECORD.json()
    at = data.draw(st.integers(0, len(text) - 1))
    damaged = (
        text[:at] + data.draw(st.sampled_from(['"', "{", "]", ",", "0", "e", "\0", "\ud800", ""])) + text[at + 1 :]
    )
    try:
        assert isinstance(from_json(damaged), Record)
    except Refused as refused:
        assert "record" in str(refused)


LONG = replace(
    RECORD, past=({"request": {"prompt": "a", "steps": 3}, "until": 2},), trail=(("0f", 0.5, -1.0, 2.0, 1e-9),)
).sealed()


def test_past_trail_and_seal_come_back() -> None:
    assert from_json(LONG.json()) == LONG and LONG.seal


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({}, ()),
        ({"request": {**LONG.request, "prompt": "a blue whale"}}, ("prompt",)),
        ({"request": {**LONG.request, "steps": 21, "sampler": "heun"}}, ("sampler", "steps")),
        ({"request": {"prompt": "a red fox", "steps": 20}}, ("negative",)),
        ({"seed": 6}, ("seed",)),
        ({"files": {}}, ("files",)),
        ({"past": ()}, ("past",)),
        ({"width": 48, "guidance": "apg"}, ("guidance", "width")),
        ({"device": "cuda", "epoch": 2, "notes": ("x",), "exact": True}, ()),
    ],
    ids=str,
)
def test_a_seal_names_what_was_changed(change: dict[str, Any], names: tuple[str, ...]) -> None:
    changed = replace(LONG, **change)
    assert changed.altered() == from_json(changed.json()).altered() == names
    assert replace(changed, seal={}).altered() == changed.sealed().altered() == ()


def test_how_files_were_read_is_held_where_it_had_to_be_said() -> None:
    """A record without it is what records were before there was such a field."""
    plain = json.loads(LONG.json())
    assert "reading" not in plain and from_json(LONG.json()).reading == {}
    said = replace(LONG, reading={"family": "sd2:prediction=v", "ignore_keys": ["lora_*"]}).sealed()
    assert from_json(said.json()) == said and not said.altered()
    assert replace(said, reading={}).altered() == ("reading",) == replace(said, reading={"family": "sd1"}).altered()


@pytest.mark.parametrize("reading", [{"family": 7}, {"ignore_keys": "x"}, {"ignore_keys": [7]}, {"parts": {}}, []])
def test_a_reading_of_another_kind_is_refused(reading: Any) -> None:
    with pytest.raises(Refused, match="reading"):
        from_json(json.dumps(json.loads(LONG.json()) | {"reading": reading}))
