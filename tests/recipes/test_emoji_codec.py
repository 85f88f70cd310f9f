"""The codec's recipe: what it wants and learns from, and that its file is a codec the latent recipe can take."""

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
