"""A set of emoji is made whole or not at all, comes out the same every time, and is what the ready set is."""

import hashlib
import json
import tarfile
from itertools import islice
from pathlib import Path

import pytest
import torch

from unnoise.core.error import Refused
from unnoise.data.emoji import make as module
from unnoise.data.emoji.make import Drawn, Made, Wanted, make
from unnoise.data.source import items, open_source
from unnoise.media import vector

COLOURS = {
    "u1f34e": (9, 0, 0),
    "u1f680": (0, 9, 0),
    "u1f44b": (0, 0, 9),
    "u1f33b": (9, 9, 0),
}  # a sunflower is held out


def made(wanted: Wanted, out: Path) -> Made:
    *_, last = make(wanted, out)
    assert isinstance(last, Made)
    return last


def digests(folder: Path) -> dict[str, str]:
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.rglob("*") if p.is_file()
    }


def test_a_set_is_made_and_read_back(tmp_path: Path, noto, fluent) -> None:
    wanted = Wanted(clones={"noto": noto(**COLOURS, u1f44b_1f3fb=(1, 1, 1)), "fluent": fluent(apple="1f34e")}, size=32)
    events = list(make(wanted, tmp_path / "out"))
    assert events[:-1] == [Drawn(5, 5)]
    about = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert isinstance(events[-1], Made) and events[-1].about == about
    assert (about["train"], about["heldout"], about["samples"], about["image_size"]) == (4, 1, 5, 32)
    assert (about["emoji"], about["concepts"], about["heldout_concepts"]) == (4, 4, 1)
    assert about["left_out"] == {"noto": {"skin tone": 1}, "fluent-3d": {}, "fluent-color": {}, "fluent-flat": {}}
    train, heldout = (list(items(open_source(tmp_path / "out", split))) for split in ("train", "heldout"))
    assert [item.captions for item in heldout] == [("sunflower, noto emoji, shaded vector art",)]
    apple = next(item for item in train if item.name == "noto_1f34e")
    tags = {"name": "red apple", "group": "Food & Drink", "style": "noto", "licence": "Apache-2.0"}
    assert tags.items() <= apple.tags.items()
    assert (apple.tags["codepoints"], apple.tags["source_path"]) == ("1F34E", "png/512/emoji_u1f34e.png")
    assert apple.read().shape == (3, 32, 32) and apple.alpha is not None and apple.alpha().shape == (1, 32, 32)
    assert apple.alpha()[0].any(1).sum() == 30  # Noto has no margin of its own, and gets one
    for file in about["files"]:
        shard = tmp_path / "out" / file["file"]
        assert hashlib.sha256(shard.read_bytes()).hexdigest() == file["sha256"]
        assert (shard.stat().st_size, file["split"]) == (file["bytes"], shard.name.partition("-")[0])
    assert {p.name for p in (tmp_path / "out" / "LICENSES").iterdir()} == {"names-NOTICE.txt", "noto-LICENSE"}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["fluentui-emoji", "noto-emoji", "out"]


def test_a_licence_that_is_a_link_out_of_its_clone_is_refused_before_the_work(tmp_path: Path, noto) -> None:
    clone = noto(**COLOURS)
    (tmp_path / "mine").write_text("a secret")
    (clone / "LICENSE").unlink(missing_ok=True)
    (clone / "LICENSE").symlink_to(tmp_path / "mine")
    events = make(Wanted(clones={"noto": clone}, size=32), tmp_path / "out")
    with pytest.raises(Refused, match="a link out of the clone"):
        next(events)
    assert not (tmp_path / "out").exists()


def test_the_same_clones_give_the_same_bytes(tmp_path: Path, noto, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = Wanted(clones={"noto": noto(**COLOURS)}, size=16, heldout=0.0)
    made(wanted, tmp_path / "a")
    monkeypatch.setattr(module, "TOGETHER", 1)
    made(wanted, tmp_path / "b")
    assert digests(tmp_path / "a") == digests(tmp_path / "b")
    with tarfile.open(tmp_path / "a" / "train-00000.tar") as archive:
        assert {(m.mtime, m.uid, m.uname, m.mode) for m in archive} == {(0, 0, "", 0o644)}
        order = [m.name.partition(".")[0] for m in archive][::3]
    assert order != sorted(order)  # shuffled, so that a shard has a bit of everything


def test_of_pictures_that_are_the_same_one_is_kept(tmp_path: Path, noto) -> None:
    red = (200, 0, 0)
    folder = noto(u1f46a=red, u1f468_200d_1f469_200d_1f466=red, u1f9d1_200d_1f9d1_200d_1f9d2=red, u1f34e=(1, 1, 1))
    about = made(Wanted(clones={"noto": folder}, size=16), tmp_path / "out").about
    assert about["train"] == 2 and about["left_out"] == {"noto": {"exact duplicate": 2}}
    assert sorted(item.tags["name"] for item in items(open_source(tmp_path / "out"))) == ["family", "red apple"]
    merged = ["family, adult, adult, child", "family, man, woman, boy"]
    assert about["merged_exact_duplicates"] == [{"style": "noto", "kept": "family", "merged": merged}]


def test_damaged_pictures_are_named_and_left_out(tmp_path: Path, noto) -> None:
    folder = noto(**COLOURS)
    (folder / "png" / "512" / "emoji_u1f34e.png").write_bytes(b"no picture")
    about = made(Wanted(clones={"noto": folder}, size=16), tmp_path / "out").about
    assert about["samples"] == 3 and about["left_out"] == {"noto": {"damaged": 1}}
    assert about["damaged"] == ["png/512/emoji_u1f34e.png is not a picture: use a PNG, JPEG, WebP, GIF or BMP file"]
    for path in (folder / "png" / "512").iterdir():
        path.write_bytes(b"")
    with pytest.raises(Refused, match=r"none of 4 pictures can be drawn, the first: png/512"):
        made(Wanted(clones={"noto": folder}, size=16), tmp_path / "other")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["noto-emoji", "out"]


def test_who_stops_in_the_middle_leaves_nothing(tmp_path: Path, noto, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TOGETHER", 1)
    events = make(Wanted(clones={"noto": noto(**COLOURS)}, size=16), tmp_path / "out")
    assert list(islice(events, 2)) == [Drawn(1, 4), Drawn(2, 4)]
    events.close()
    assert [p.name for p in tmp_path.iterdir()] == ["noto-emoji"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"size": 8}, "from 16 to 256"),
        ({"size": 512}, "from 16 to 256"),
        ({"heldout": 0.6}, "from 0 to 0.5"),
        ({"heldout": float("nan")}, "from 0 to 0.5"),
        ({"heldout": 0.0004}, "0.0004 held out: in steps of a thousandth"),
        ({"heldout": 0.0305}, "in steps of a thousandth"),
        ({"workers": -1}, "0 or more"),
        ({"clones": {}}, "no repository is given"),
        ({"styles": ("twemoji",)}, "no repository given has the style"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, noto, change, said: str) -> None:
    wanted = Wanted(**({"clones": {"noto": noto(**COLOURS)}} | change))
    with pytest.raises(Refused, match=said):
        made(wanted, tmp_path / "out")
    assert [p.name for p in tmp_path.iterdir()] == ["noto-emoji"]


def test_what_is_there_is_not_written_over(tmp_path: Path, noto) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").touch()
    with pytest.raises(Refused, match="already"):
        made(Wanted(clones={"noto": noto(**COLOURS)}), tmp_path / "out")
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["mine"]


def test_without_resvg_png_can_still_be_had(tmp_path: Path, shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vector, "there", lambda: False)
    clones = {"fluent": shared / "fixtures" / "upstream" / "fluentui-emoji"}
    with pytest.raises(Refused, match=r"fluent-color, fluent-flat.*unnoise\[data\].*--styles fluent-3d"):
        made(Wanted(clones=clones), tmp_path / "out")
    assert made(Wanted(clones=clones, styles=("fluent-3d",)), tmp_path / "out").about["train"] == 5
    with pytest.raises(Refused, match=r"pip install 'unnoise\[data\]'$"):
        made(Wanted(clones={"twemoji": shared / "fixtures" / "upstream" / "twemoji"}), tmp_path / "more")


@pytest.fixture(scope="module")
def samples(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The set made from the layout samples of all three repositories."""
    pytest.importorskip("resvg_py", reason="SVG is drawn by resvg, the extra `data`")
    upstream, out = shared / "fixtures" / "upstream", tmp_path_factory.mktemp("set") / "out"
    folders = {"fluent": "fluentui-emoji", "noto": "noto-emoji", "twemoji": "twemoji"}
    made(Wanted(clones={name: upstream / folder for name, folder in folders.items()}, workers=0), out)
    return out


def psnr(one: torch.Tensor, other: torch.Tensor) -> float:
    error = (one.double() - other.double()).square().mean()
    return float(10 * torch.log10(255**2 / error.clamp(min=1e-9)))


def test_pictures_come_out_as_in_the_ready_set(samples: Path, shared: Path) -> None:
    """Noto's were drawn by Google at 512 pixels there, and are drawn from SVG here; the others are the same files."""
    ours = {item.name: item for item in items(open_source(samples))}
    assert len(ours) == 23
    found = 0
    for theirs in items(open_source(shared / "data" / "emoji128")):
        if theirs.name not in ours:
            continue
        found += 1
        mine, noto = ours[theirs.name], theirs.name.startswith("noto")
        assert psnr(mine.read(), theirs.read()) > (40 if noto else 50), theirs.name
        assert mine.alpha is not None and theirs.alpha is not None
        apart = (mine.alpha().int() - theirs.alpha().int()).abs()
        assert apart.max() <= (24 if noto else 1) and apart.float().mean() < 0.5, theirs.name
        assert mine.captions == theirs.captions
        for tag in ("name", "style", "group", "codepoints", "licence", *(() if noto else ("source_path",))):
            assert mine.tags[tag] == theirs.tags[tag]
        assert mine.tags["keywords"] == theirs.tags["keywords"], theirs.name
    assert found == 23  # all of them are of the training split there too
