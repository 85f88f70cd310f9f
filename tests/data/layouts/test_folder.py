"""A folder of pictures with captions beside them, or in a metadata.jsonl."""

import json
from pathlib import Path

import pytest

from unnoise.core.error import Refused
from unnoise.data.source import items, open_source


def test_captions_lie_beside_the_pictures(tmp_path: Path, png) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("b.png", "sub/a.PNG", "c.png", ".hidden.png"):
        (tmp_path / name).write_bytes(png())
    (tmp_path / "b.txt").write_text("a cat", encoding="utf-8-sig")
    (tmp_path / "sub" / "a.json").write_text('{"caption": "a dog", "style": "photo"}')
    found = {item.name: item for item in items(open_source(tmp_path))}
    assert list(found) == ["b.png", "c.png", "sub/a.PNG"]
    assert [item.captions for item in found.values()] == [("a cat",), (), ("a dog",)]
    assert found["sub/a.PNG"].tags == {"folder": "sub", "style": "photo"}


def test_metadata_in_lines(tmp_path: Path, png) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "a.png").write_bytes(png())
    (tmp_path / "train" / "b.png").write_bytes(png())
    lines = [
        {"file_name": "train/a.png", "text": "a cat", "label": 3},
        {"file_name": "train/b.png", "caption": "a dog"},
    ]
    (tmp_path / "metadata.jsonl").write_text("\n\n".join(map(json.dumps, lines)))
    first, second = items(open_source(tmp_path))
    assert (first.captions, first.tags) == (("a cat",), {"folder": "train", "label": "3"})
    assert second.captions == ("a dog",)
    (tmp_path / "metadata.jsonl").rename(tmp_path / "old")
    inside = [line | {"file_name": str(line["file_name"])[6:]} for line in lines]
    (tmp_path / "train" / "metadata.jsonl").write_text("\n".join(map(json.dumps, inside)))
    assert [item.captions for item in items(open_source(tmp_path))] == [("a cat",), ("a dog",)]


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ('{"file_name": "gone.png"}', "names 'gone.png'"),
        ('{"file_name": "../a.png"}', "not in the folder"),
        ('{"file_name": "/a.png"}', "not in the folder"),
        ('{"text": "x"}', "no file_name"),
        ('{"file_name": 3}', "no file_name"),
        ("nonsense", "not JSON"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, png, line: str, wrong: str) -> None:
    (tmp_path / "a.png").write_bytes(png())
    (tmp_path / "metadata.jsonl").write_text('{"file_name": "a.png", "text": "x"}\n' + line)
    with pytest.raises(Refused, match=rf"metadata\.jsonl', line 2.*{wrong}"):
        open_source(tmp_path)


def test_splits_are_subfolders(tmp_path: Path, png) -> None:
    for split in ("train", "validation"):
        (tmp_path / split).mkdir()
        (tmp_path / split / "a.png").write_bytes(png())
        (tmp_path / split / "a.txt").write_text(split)
    assert open_source(tmp_path)[0].captions == ("train",)
    assert open_source(tmp_path, "heldout")[0].captions == ("validation",)
    with pytest.raises(Refused, match="no split 'other'"):
        open_source(tmp_path, "other")


def test_what_is_held_out_is_not_trained_on(tmp_path: Path, png) -> None:
    (tmp_path / "some/test").mkdir(parents=True)
    (tmp_path / "heldout/deep").mkdir(parents=True)
    for name in ("a.png", "some/test/b.png", "heldout/c.png", "heldout/deep/d.png"):
        (tmp_path / name).write_bytes(png())
    kept, away = (open_source(tmp_path, split, captionless=True) for split in ("train", "heldout"))
    assert [item.name for item in items(kept)] == ["a.png", "some/test/b.png"]
    assert [item.name for item in items(away)] == ["heldout/c.png", "heldout/deep/d.png"]


def test_a_text_may_hold_what_unicode_calls_the_end_of_a_line(tmp_path: Path, png) -> None:
    (tmp_path / "a.png").write_bytes(png())
    line = json.dumps({"file_name": "a.png", "text": "one\u2028two\x85"}, ensure_ascii=False)
    (tmp_path / "metadata.jsonl").write_text(line + "\r\n", encoding="utf-8")
    assert open_source(tmp_path)[0].captions[0].startswith("one")


def test_an_empty_split_is_refused(tmp_path: Path, png) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "a.png").write_bytes(png())
    with pytest.raises(Refused, match="has no picture in its split 'train'"):
        open_source(tmp_path)


def test_broken_captions_are_named(tmp_path: Path, png) -> None:
    (tmp_path / "a.png").write_bytes(png())
    (tmp_path / "a.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(Refused, match=r"a\.txt"):
        open_source(tmp_path)
    (tmp_path / "a.json").write_text("[]")
    with pytest.raises(Refused, match=r"a\.json"):
        open_source(tmp_path)
