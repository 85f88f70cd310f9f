"""Webdataset shards are read by offset, by split, and refused by name when broken."""

import json
from pathlib import Path

import pytest

from unnoise.core.error import Refused
from unnoise.data.layouts.shards import layout
from unnoise.data.source import items, open_source


def _json(**about: object) -> bytes:
    return json.dumps(about).encode()


def test_members_of_one_name_are_one_item(tmp_path: Path, tar, png) -> None:
    members = {
        "sub.dir/a.b.png": png((9, 9, 9)),
        "sub.dir/a.png": png((1, 2, 3)),
        "sub.dir/a.alpha.png": png((70, 70, 70)),
        "sub.dir/a.json": _json(caption="a cat, drawn", name="cat", style="drawn", keywords=["pet", "tom"]),
        "b.txt": b"a dog\na hound",
        "b.JPG": png((4, 5, 6)),
        "c.json": _json(caption="no picture"),
    }
    tar(tmp_path / "train-00000.tar", members)
    first, second = open_source(tmp_path)
    assert first.captions == ("a cat, drawn",)
    assert first.tags == {"name": "cat", "style": "drawn", "keywords": "pet, tom"}
    assert first.read()[:, 0, 0].tolist() == [1, 2, 3]
    assert first.alpha is not None and first.alpha()[:, 0, 0].tolist() == [70]
    assert (second.name, second.captions, second.alpha) == ("b", ("a dog", "a hound"), None)
    assert second.read()[:, 0, 0].tolist() == [4, 5, 6]


def test_splits_and_extras_go_by_the_shards_name(tmp_path: Path, tar, png) -> None:
    for name in ("train-0", "train-1", "heldout-0", "extra-more-train-0", "extra-more-heldout-0"):
        tar(tmp_path / f"{name}.tar", {f"{name}.png": png(), f"{name}.txt": b"x"})

    def names(split: str) -> list[str]:
        return [item.name for item in items(open_source(tmp_path, split))]

    assert names("train") == ["train-0", "train-1"]
    assert names("heldout") == ["heldout-0"]
    assert names("train+extra") == ["train-0", "train-1", "extra-more-train-0"]
    assert names("heldout+extra") == ["heldout-0", "extra-more-heldout-0"]
    with pytest.raises(Refused, match=r"no shard test-\*\.tar"):
        names("test")
    with pytest.raises(Refused, match="'heldout' cannot be added"):
        names("train+heldout")


def test_shards_without_a_split_are_for_training(tmp_path: Path, tar, png) -> None:
    tar(tmp_path / "0000.tar", {"a.png": png(), "a.txt": b"x"})
    assert len(open_source(tmp_path)) == 1
    assert len(open_source(tmp_path / "0000.tar")) == 1
    with pytest.raises(Refused, match="no shard heldout"):
        open_source(tmp_path, "heldout")
    with pytest.raises(Refused, match="one shard and has no split 'heldout'"):
        open_source(tmp_path / "0000.tar", "heldout")


def test_broken_shards_are_named(tmp_path: Path, tar, png) -> None:
    good = tar(tmp_path / "whole", {"a.png": png(size=(90, 90)), "a.txt": b"x" * 2000}).read_bytes()
    shard = tmp_path / "train-7.tar"
    damaged = good[:1024] + b"\xff" * 512 + good[1536:]
    for data in (b"no tar at all", b"", damaged, good[:700], good[:1024], good[:1100], good[:3000], b"\x1f\x8b" + good):
        shard.write_bytes(data)
        with pytest.raises(Refused, match=r"train-7\.tar"):
            open_source(tmp_path)


def test_broken_captions_are_named(tmp_path: Path, tar, png) -> None:
    for name, data in {"a.json": b"{", "a.txt": b"\xff\xfe"}.items():
        tar(tmp_path / "train-0.tar", {"a.png": png(), name: data})
        with pytest.raises(Refused, match=rf"train-0\.tar.*{name}"):
            open_source(tmp_path)


def test_a_caption_of_a_megabyte_is_refused(tmp_path: Path, tar, png) -> None:
    tar(tmp_path / "train-0.tar", {"a.png": png(), "a.txt": b"x" * (1 << 21)})
    with pytest.raises(Refused, match="too long for a caption"):
        open_source(tmp_path)


def test_one_name_twice_is_refused(tmp_path: Path, tar, png) -> None:
    tar(tmp_path / "train-0.tar", {"a.png": png(), "a.PNG": png()})
    with pytest.raises(Refused, match="two members"):
        open_source(tmp_path)


def test_an_empty_shard_is_refused(tmp_path: Path, tar) -> None:
    tar(tmp_path / "train-0.tar", {})
    with pytest.raises(Refused, match="has no picture in its split 'train'"):
        open_source(tmp_path)


def test_the_emoji_set(shared: Path) -> None:
    path = shared / "data" / "emoji128"
    assert layout.claims(path) == 2
    heldout = open_source(path, "heldout")
    assert len(heldout) == 254
    assert len(open_source(path, "heldout+extra")) == 290
    sunflower = next(item for item in items(heldout) if item.alpha and item.name == "fluent-3d_1f33b")
    rgb, alpha = sunflower.read(), sunflower.alpha()
    assert alpha.shape == (1, 128, 128)
    assert alpha.min() == 0 and alpha.max() == 255
    assert rgb[:, alpha[0] == 0].float().mean() > 254  # the picture lies on white
    item = next(item for item in items(heldout) if item.name == "twemoji_1f1ec-1f1f9")
    assert item.captions == ("flag of Guatemala, twemoji, flat cartoon vector art",)
    assert item.tags["group"] == "Flags"
    assert item.read().shape == (3, 128, 128)
