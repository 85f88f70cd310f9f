"""A set's layout is recognised, and a set that cannot be trained on is refused by name."""

import pickle
from pathlib import Path

import pytest
import torch

from unnoise.core.error import Refused
from unnoise.data.layouts import LAYOUTS
from unnoise.data.source import Item, Stored, items, layers, open_source


def test_every_layout_has_a_file() -> None:
    assert set(LAYOUTS) >= {"shards", "folder", "idx"}


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="nowhere"):
        open_source(tmp_path / "nowhere")


def test_a_folder_without_pictures(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing here")
    with pytest.raises(Refused, match="holds no set of pictures"):
        open_source(tmp_path)


def test_a_set_without_captions_is_refused_unless_asked_for(tmp_path: Path, png) -> None:
    (tmp_path / "a.png").write_bytes(png())
    with pytest.raises(Refused, match=r"none of the 1 pictures .* has a caption"):
        open_source(tmp_path)
    assert open_source(tmp_path, captionless=True)[0].captions == ()


def test_two_layouts_in_one_folder_are_refused(tmp_path: Path, tar, png) -> None:
    tar(tmp_path / "train-0.tar", {"a.png": png(), "a.txt": b"a"})
    (tmp_path / "train-images-idx3-ubyte").write_bytes(b"")
    with pytest.raises(Refused, match="idx or shards"):
        open_source(tmp_path)


def test_a_preview_beside_shards_does_not_confuse(tmp_path: Path, tar, png) -> None:
    tar(tmp_path / "train-0.tar", {"a.png": png(), "a.txt": b"from the shard"})
    (tmp_path / "preview.png").write_bytes(png())
    assert [item.captions for item in items(open_source(tmp_path))] == [("from the shard",)]


def test_items_travel_to_other_processes(folder: Path) -> None:
    item = open_source(folder)[0]
    assert torch.equal(pickle.loads(pickle.dumps(item.read))(), item.read())


def test_a_stored_picture_is_part_of_a_file(tmp_path: Path, png) -> None:
    data = png((1, 2, 3), (4, 5))
    (tmp_path / "many").write_bytes(b"before" + data + b"after")
    picture = Stored(tmp_path / "many", "one", 6, len(data))()
    assert picture.shape == (3, 5, 4)
    assert picture[:, 0, 0].tolist() == [1, 2, 3]


def test_a_picture_and_its_alpha_are_of_one_size() -> None:
    def item(*sides: tuple[int, int]) -> Item:
        read, *alpha = (lambda s=s: torch.zeros(1, *s, dtype=torch.uint8) for s in sides)
        return Item("x", (), {}, read, *alpha)

    assert [layer is None or layer.shape for layer in layers(item((4, 6)))] == [(1, 4, 6), True]
    assert [layer.shape for layer in layers(item((4, 6), (4, 6)))] == [(1, 4, 6)] * 2
    with pytest.raises(Refused, match="x is of 6x4 pixels and its alpha of 4x6: make them of one size"):
        layers(item((4, 6), (6, 4)))
