"""Emoji are called what CLDR calls them, and the names come with the package."""

import json
from pathlib import Path

import pytest

from unnoise.core.error import Refused
from unnoise.data.emoji import names
from unnoise.data.emoji.names import Named
from unnoise.data.emoji.points import read


def test_the_names_that_come_along() -> None:
    known = names.shipped()
    assert len(known) > 1900
    apple = known[read("1f34e")]
    assert (apple.name, apple.group) == ("red apple", "Food & Drink")
    assert apple.keywords[:3] == ("apple", "diet", "food") and len(apple.keywords) <= names.MOST
    assert known[read("1f1eb-1f1f7")].name == "flag of France"
    assert known[read("1f468-200d-1f9b0")].name == "man, red hair"
    assert known[read("1f9b0")].group == ""  # red hair by itself is a component
    groups = {one.group for one in known.values()}
    assert groups == {"", *names.GROUPS.values()}
    assert "Miles Johnson" in names.notice() and "Unicode, Inc" in names.notice() and "Mu-An" in names.notice()


def test_the_ready_set_is_called_as_we_call_it(ready) -> None:
    known = names.shipped()
    wrong = [r.tags["name"] for r in ready if _called(known[read(r.tags["codepoints"])]) != _tags(r)]
    assert wrong == []


def test_its_keywords_are_ours_but_for_a_few(ready) -> None:
    known = names.shipped()
    rest = [r for r in ready if not r.tags["style"].startswith("fluent")]
    other = [r for r in rest if ", ".join(known[read(r.tags["codepoints"])].keywords) != r.tags.get("keywords", "")]
    assert len(rest) > 1000 and len(other) < 0.03 * len(rest)  # of another year: keycaps, and people facing right


def test_labels_become_names() -> None:
    assert names.plain("flag: Côte d’Ivoire") == "flag of Côte d'Ivoire"
    assert names.plain("keycap: 1") == "keycap 1"
    assert names.plain("family: man, girl") == "family, man, girl"
    assert names.plain("man kneeling: facing right") == "man kneeling facing right"


def test_keywords_are_words_that_say_more() -> None:
    assert names.keywords("fox", ["Fox", "red_tail", "7", "animal"], ["animal", "?", "gambian\u00a0flag"]) == (
        "red tail",
        "animal",
        "gambian flag",
    )
    assert len(names.keywords("x", [f"w{k}" for k in range(20)])) == names.MOST


def test_emojibase_s_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "data.json"
    entries = [
        {"label": "flag: Nowhere", "hexcode": "1F1F3-1F1F4", "group": 9, "tags": ["NO", "flag"]},
        {"label": "red hair", "hexcode": "1F9B0", "group": 2},
    ]
    path.write_text(json.dumps(entries))
    assert names.read(path) == {
        read("1f1f3-1f1f4"): Named("flag of Nowhere", "Flags", ("no", "flag")),
        read("1f9b0"): Named("red hair", ""),
    }


@pytest.mark.parametrize(
    "text", ["", "{", "{}", "[]", "[1]", '[{"label": "x"}]', '[{"label": "x", "hexcode": "zz"}]', "[" * 9**5, "\x00"]
)
def test_another_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "data.json").write_text(text)
    with pytest.raises(Refused, match=r"not emojibase's data\.json"):
        names.read(tmp_path / "data.json")


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="cannot be read"):
        names.read(tmp_path / "none.json")
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(Refused, match="not emojibase's"):
        names.read(tmp_path / "bytes.json")


def _called(one: Named) -> tuple[str, str]:
    return one.name, one.group


def _tags(record) -> tuple[str, str]:
    return record.tags["name"], record.tags["group"]
