"""What an evaluation is made of: the data with nothing of it lost silently, and made pictures brought to the data."""

import gzip
import json
import struct

import pytest
import torch

from evaluate.sets import noise
from unnoise.cli._case import gathered
from unnoise.cli.evaluate import Asked
from unnoise.core.error import Refused
from unnoise.media.image import read, save


def filled(folder, images, word=""):
    """A folder of pictures, captioned where there is a word."""
    folder.mkdir(parents=True, exist_ok=True)
    for k, picture in enumerate(images):
        save(folder / f"{k:02}.png", picture)
        if word:
            told = {"caption": f"{word} {k}", "name": f"{word} {k}"}
            (folder / f"{k:02}.json").write_text(json.dumps(told))
    return folder


@pytest.fixture
def data(tmp_path):
    filled(tmp_path / "data/train", noise(8), "thing")
    filled(tmp_path / "data/heldout", noise(3, 1), "other")
    return tmp_path / "data"


@pytest.fixture
def grey(tmp_path):
    """MNIST's files, of six and four pictures."""
    folder = tmp_path / "grey"
    folder.mkdir()
    for stem, count in (("train", 6), ("t10k", 4)):
        pixels = bytes(noise(count, 3, channels=1).flatten().tolist())
        told = ((f"{stem}-images-idx3-ubyte", (count, 16, 16), pixels), (f"{stem}-labels-idx1-ubyte", (count,), None))
        for name, shape, values in told:
            head = bytes((0, 0, 8, len(shape))) + struct.pack(f">{len(shape)}I", *shape)
            (folder / f"{name}.gz").write_bytes(gzip.compress(head + (values or bytes(range(count)))))
    return folder


def found(data, pictures=None, **changes):
    return gathered(Asked(data=str(data), pictures=pictures and str(pictures), **changes), None, data / "out")


def test_a_damaged_held_out_part_is_refused(data):
    assert len(found(data).case.heldout) == 3
    assert found(data, only=("name=thing 1",)).case.heldout is None  # none of them is wanted
    (data / "heldout/02.json").write_text("{not json")
    with pytest.raises(Refused, match="heldout/02"):
        found(data)
    for file in (data / "heldout").iterdir():
        file.unlink()
    (data / "heldout").rmdir()
    assert found(data).case.heldout is None


@pytest.mark.parametrize(("split", "kind"), [("train", "training"), ("heldout", "held-out")])
def test_broken_pictures_of_the_data_are_told(data, split, kind):
    assert found(data).notes == ()
    (data / split / "01.png").write_bytes(b"no picture")
    (note,) = found(data).notes
    assert note.startswith(f"1 {kind} pictures are left out as broken") and "01.png" in note


def test_made_pictures_have_the_channels_of_the_data(grey, data, tmp_path):
    mine = filled(tmp_path / "mine", noise(4, 5))
    case = found(grey, mine).case
    assert case.made.shape == (4, 1, 16, 16) and torch.equal(case.made[2], read(mine / "02.png", 1))
    coloured = found(data, grey).case
    assert coloured.made.shape == (6, 3, 16, 16) and torch.equal(coloured.made[:, 0], coloured.made[:, 2])


def test_one_small_picture_does_not_shrink_the_others(data, tmp_path):
    mine = filled(tmp_path / "mine", noise(4, 5, size=32))
    save(mine / "00.png", noise(1, size=1)[0])
    case = found(data, mine).case
    assert case.made.shape == (4, 3, 32, 32) and case.train.images.shape[-1] == 32
    assert torch.equal(case.made[1], read(mine / "01.png"))
    with pytest.raises(Refused, match=r"are 4 pixels.*at least 8"):
        found(data, filled(tmp_path / "small", noise(4, size=4)))


def test_broken_made_pictures_are_refused(data, tmp_path):
    mine = filled(tmp_path / "mine", noise(4, 5))
    (mine / "00.png").write_bytes(b"no picture")
    with pytest.raises(Refused, match=r"1 pictures of .* are broken"):
        found(data, mine)


def test_pictures_of_another_evaluation_are_left_out(data, tmp_path):
    mine = filled(tmp_path / "mine", noise(3, 5))
    (mine / "pictures.json").write_text("{}")
    filled(mine / "more", noise(1, 6))
    filled(mine / "compositional/deep", noise(2, 7))
    assert len(found(data, mine).files) == 6
    (mine / "compositional/pictures.json").write_text("{}")
    assert [file.parent.name for file in found(data, mine).files] == ["mine"] * 3 + ["more"]
    with pytest.raises(Refused, match="evaluations within it"):
        (tmp_path / "all").mkdir()
        mine.rename(tmp_path / "all/mine")
        found(data, tmp_path / "all")


def test_whose_words_the_real_pictures_have_is_known(data, tmp_path):
    mine = filled(tmp_path / "mine", noise(3, 5), "thing")
    assert found(data, mine).case.same and found(data, mine).case.against == "real pictures of the same prompts"
    other = found(data, filled(tmp_path / "other", noise(3, 5), "nothing"))
    assert not other.case.same and other.case.against == "real pictures drawn by the seed" and "seed" in other.notes[0]


def test_each_real_picture_stands_beside_made_ones_once(data, tmp_path):
    one, other = ((data / "train" / f"0{k}.json").read_text() for k in (0, 2))
    (data / "train" / "01.json").write_text(one)  # two pictures of one caption
    mine = filled(tmp_path / "mine", noise(5, 5), "thing")
    for k, told in enumerate((one, one, one, other, other)):
        (mine / f"0{k}.json").write_text(told)
    case = found(data, mine).case
    assert sorted(d.index for d in case.drawn) == [0, 0, 1, 2, 2]
    assert len(case.real) == 5 and len(case.views[0].real) == 3


def test_two_features_of_one_name_are_refused(data):
    with pytest.raises(Refused, match="two of the features are called pixels"):
        found(data, features=("pixels", "wavelet", "pixels"))
    names = [f.name for f in found(data, features=("wavelet", "wavelet:size=32")).case.features]
    assert names == ["wavelet", "wavelet 32x32, 4 levels"]
