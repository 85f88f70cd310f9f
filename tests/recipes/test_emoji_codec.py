"""The codec's recipe: what it wants and learns from, and that its file is a codec the latent recipe can take."""

import struct

import pytest
import torch

from unnoise.catalogue import place
from unnoise.core.error import Refused
from unnoise.data.pictures import Pictures
from unnoise.data.scenes.gallery import Scenes
from unnoise.networks import CODECS
from unnoise.recipes import RECIPES
from unnoise.train.fit import fit
from unnoise.train.trainer import Trainer
from unnoise.weights.parts import read_part


def small(data, **changes):
    settings = {
        "size": 32,
        "widths": (8, 12),
        "channels": 4,
        "crop": 16,
        "steps": 3,
        "batch": 4,
        "scenes": 16,
        "rate": 1e-2,
    }
    return RECIPES["emoji_codec"](data=data, **settings | changes)


def test_without_data_it_says_what_it_takes():
    with pytest.raises(Refused, match="needs its pictures") as refused:
        RECIPES["emoji_codec"]().run()
    assert refused.value.field == "data"


def test_it_learns_from_scenes_or_from_pictures_as_they_are(emoji):
    assert isinstance(small(emoji).run().pictures, Scenes)
    plain = small(emoji, scenes=0).run()
    assert isinstance(plain.pictures, Pictures) and len(plain.pictures) == 8
    assert len(plain.heldout) == 2


def test_it_learns_from_grey_pictures_in_colour(tmp_path):
    for stem, count in (("train", 6), ("t10k", 2)):
        pixels = bytes(k % 256 for k in range(count * 784))
        for name, shape, values in (("images-idx3", (count, 28, 28), pixels), ("labels-idx1", (count,), bytes(count))):
            head = bytes((0, 0, 8, len(shape))) + struct.pack(f">{len(shape)}I", *shape)
            (tmp_path / f"{stem}-{name}-ubyte").write_bytes(head + values)
    run = small(tmp_path, scenes=0).run()
    assert (run.pictures.images.shape[1], run.heldout.images.shape[1], run.subject.shown.shape[1]) == (3, 3, 3)
    assert all(torch.isfinite(report.losses[0].value) for report in Trainer(run).steps())


@pytest.mark.parametrize(("field", "value"), [("size", 36), ("size", 0), ("size", -8), ("crop", 12), ("crop", -8)])
@pytest.mark.parametrize("scenes", [0, 16])
def test_sizes_that_the_codec_cannot_halve_are_refused(tmp_path, field, value, scenes):
    with pytest.raises(Refused, match=f"{value} pixels a side: a multiple of 8") as refused:
        small(tmp_path / "none", scenes=scenes, **{field: value}).run()  # before the data are looked for
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"widths": (0,)}, "sizes are positive"),
        ({"channels": 0}, "sizes are positive"),
        ({"rate": -1.0}, "a learning rate of -1"),
        ({"batch": 1, "crop": 8}, "a single latent: take a larger batch"),
        ({"batch": 1, "crop": 0, "size": 8}, "a single latent"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_the_data_are_looked_for(tmp_path, changes, said):
    with pytest.raises(Refused, match=said):
        small(tmp_path / "none", scenes=16, **changes).run()


@pytest.mark.parametrize("critic", [False, True])
def test_it_trains_and_its_file_is_a_codec(emoji, tmp_path, critic):
    run = small(emoji, critic=critic).run()
    before = run.subject.objective.codec.encoder.leave.weight.detach().clone()
    list(fit(run, tmp_path))
    assert not torch.equal(run.subject.objective.codec.encoder.leave.weight, before)
    codec = read_part(tmp_path / "model.safetensors", "codec", CODECS, place("cpu", "float32"))
    assert (codec.scale, codec.channels) == (8, 4)


def test_its_weights_are_a_function_of_its_seed(emoji):
    states = [small(emoji, seed=seed).run().subject.objective.codec.state_dict() for seed in (0, 0, 1)]
    same, other = ([torch.equal(states[0][k], s[k]) for k in s] for s in states[1:])
    assert all(same) and not all(other)


def test_it_goes_on_from_a_codec_of_its_sizes(emoji, tmp_path):
    list(fit(small(emoji, steps=1).run(), tmp_path))
    file = tmp_path / "model.safetensors"
    stored = read_part(file, "codec", CODECS, place("cpu", "float32")).state_dict()
    begun = Trainer(small(emoji, start=str(file)).run())
    assert all(torch.equal(p, stored[k.removeprefix("codec.")]) for k, p in begun.weights.items())
    with pytest.raises(Refused, match="other sizes"):
        small(emoji, start=str(file), channels=2).run()
