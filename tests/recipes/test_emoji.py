"""The latent recipe: scenes encoded once, a model over a codec's latents that trains, draws and goes on."""

import copy
import io
import tarfile
from dataclasses import replace

import pytest
import torch

from unnoise import describe, load
from unnoise.catalogue import library
from unnoise.core.error import Refused
from unnoise.core.event import Result
from unnoise.data.latents import Latents
from unnoise.data.scenes.gallery import Scenes
from unnoise.data.scenes.sprites import Shelf, Sprites, cut
from unnoise.recipes import RECIPES, _emoji
from unnoise.tasks.generate import Generate
from unnoise.train.fit import fit
from unnoise.train.preflight import broken
from unnoise.train.trainer import Trainer


@pytest.fixture(scope="module")
def codec(emoji, tmp_path_factory):
    out = tmp_path_factory.mktemp("codec")
    sizes = {"size": 32, "widths": (8, 12), "channels": 4, "crop": 16, "batch": 4, "rate": 1e-2}
    list(fit(RECIPES["emoji_codec"](data=emoji, scenes=16, steps=2, **sizes).run(), out))
    return out / "model.safetensors"


@pytest.fixture
def small(emoji, codec, tmp_path):
    def make(**changes):
        settings = {"size": 32, "width": 64, "depth": 1, "steps": 3, "batch": 4, "scenes": 24}
        places = {"data": emoji, "codec": str(codec), "latents": tmp_path / "latents", "styles": ("fluent-3d", "noto")}
        return RECIPES["emoji"](**settings | places | changes)

    return make


def test_without_data_it_says_what_it_takes():
    with pytest.raises(Refused, match="needs its pictures") as refused:
        RECIPES["emoji"]().run()
    assert refused.value.field == "data"


def test_scenes_are_encoded_once_and_kept(small, tmp_path):
    first = small().run().pictures
    assert isinstance(first, Latents) and first.samples.shape == (24, 4, 4, 4)
    (file,) = (tmp_path / "latents").iterdir()
    made = file.stat().st_mtime_ns
    again = small().run().pictures
    assert torch.equal(again.samples, first.samples) and file.stat().st_mtime_ns == made
    small(scenes=16).run()
    small(alone=0.0).run()
    assert len(list((tmp_path / "latents").iterdir())) == 3


def test_one_pixel_of_one_thing_makes_other_latents(emoji, monkeypatch):
    scenes = Scenes(shelf=Shelf(emoji))
    told, things = _emoji.told_of(scenes), cut(scenes.shelf).all
    assert _emoji.told_of(replace(scenes, workers=1)) == told  # nothing else of a machine's makes others
    pixels = things[-1].pixels.copy()
    pixels[5, 5, 0] ^= 1
    monkeypatch.setattr(_emoji, "cut", lambda _: Sprites((*things[:-1], replace(things[-1], pixels=pixels))))
    assert _emoji.told_of(scenes) != told


def test_things_that_cannot_be_cut_out_are_told(small, emoji, tmp_path):
    data = tmp_path / "torn"
    data.mkdir()
    with (
        tarfile.open(emoji / "train-00000.tar") as whole,
        tarfile.open(data / "train-00000.tar", "w") as torn,
    ):
        for member in whole:
            content = whole.extractfile(member).read()
            member.size = len(content := content[:60] if member.name == "noto_star.alpha.png" else content)
            torn.addfile(member, io.BytesIO(content))
    (said,) = broken(small(data=data).run().pictures)
    assert "noto_star.alpha.png" in said


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"size": 40}, "40 pixels a side: with this codec a multiple of 16"),
        ({"size": 0}, "0 pixels a side: with this codec a multiple of 16"),
        ({"alone": 1.5}, "a share of 1.5 alone: from 0 to 1"),
        ({"alone": -0.1}, "from 0 to 1"),
        ({"alone": float("nan")}, "from 0 to 1"),
        ({"scenes": 0}, "0 scenes: take at least 1"),
        ({"width": 32}, "width 32 is no multiple of 64: try 64"),
        ({"width": 200}, "width 200 is no multiple of 64: try 192"),
        ({"rate": -1.0}, "a learning rate of -1: give 0 or more"),
        ({"muon": float("inf")}, "a learning rate of inf"),
        ({"pieces": 3}, "a batch of 4 in 3 pieces: take a divisor"),
        ({"batch": 0}, "a batch of 0: take at least 1"),
        ({"house": "twemoji"}, "no picture has the style 'twemoji': name one of fluent-3d, noto"),
    ],
)
def test_sizes_and_shares_are_looked_at_before_a_scene_is_encoded(small, tmp_path, changes, said):
    with pytest.raises(Refused, match=said):
        small(**changes).run()
    assert not (tmp_path / "latents").exists()


def test_without_styles_all_are_learnt_and_held_out(small):
    run = small(styles=()).run()
    assert len(run.heldout) == 2
    assert {tags["style"] for tags in run.heldout.tags} == {"fluent-3d", "noto"}


@pytest.mark.parametrize(
    ("changes", "house"),
    [
        ({}, "fluent-3d"),
        ({"house": "noto"}, "noto"),
        ({"styles": ("twemoji", "noto", "fluent-3d")}, "noto"),
        ({"styles": ()}, ""),
    ],
)
def test_a_house_style_is_the_first_that_is_there(small, changes, house):
    pictures = small(alone=1.0, scenes=200, **changes).run().pictures
    told = dict.fromkeys(("fluent-3d", "noto"), 0)
    for captions, tags in zip(pictures.captions, pictures.tags, strict=True):
        told[tags["style"]] += all(caption.endswith(" style") for caption in captions)
    drawn = [tags["style"] for tags in pictures.tags]
    for style in told:
        assert (told[style] == drawn.count(style)) == (bool(house) and style != house), told
    assert not house or 70 < drawn.count(house) < 130


def test_it_trains_and_draws(small):
    trainer = Trainer(small().run())
    reports = list(trainer.steps())
    assert len(reports) == 3 and all(torch.isfinite(r.losses[0].value) for r in reports)
    model = trainer.averaged().model
    assert (model.description.width, model.description.multiple, model.codec.scale) == (32, 16, 8)
    task = Generate(prompt="a red apple", model="emoji", seed=1, steps=2, width=48, height=32)
    results = [e for e in task.run(library(models={"emoji": model}, device="cpu")) if isinstance(e, Result)]
    assert results[0].pixels.shape == (3, 32, 48)


def test_the_file_holds_the_codec_as_it_was(small, codec, tmp_path):
    list(fit(small().run(), tmp_path / "run"))
    model = load(str(tmp_path / "run" / "model.safetensors"), "cpu")
    wanted = small().run().subject.model.codec.state_dict()
    assert all(torch.equal(v, wanted[k]) for k, v in model.codec.state_dict().items())
    again = small(codec=str(tmp_path / "run" / "model.safetensors")).run()
    assert again.subject.model.codec.config == model.codec.config


def test_its_weights_are_a_function_of_its_seed(small):
    states = [small(seed=seed).run().subject.model.denoiser.state_dict() for seed in (0, 0, 1)]
    same, other = ([torch.equal(states[0][k], s[k]) for k in s] for s in states[1:])
    assert all(same) and not all(other)


def test_it_goes_on_from_its_own_model_alone(small, tmp_path, tiny_model):
    list(fit(small().run(), tmp_path / "run"))
    file = str(tmp_path / "run" / "model.safetensors")
    network = load(file, "cpu").denoiser.state_dict()
    run = small(start=file, codec=None).run()
    begun = Trainer(run)
    assert all(torch.equal(p, network[k]) for k, p in begun.weights.items() if k.startswith("network."))
    assert run.subject.model.conditioner.vocabulary == load(file, "cpu").conditioner.vocabulary
    list(fit(run, tmp_path / "more"))
    assert describe(str(tmp_path / "more" / "model.safetensors")).facts["steps"] == "6"  # three of each
    with pytest.raises(Refused, match="was not made by this recipe"):
        small(start=str(tiny_model), codec=None).run()
    with pytest.raises(Refused, match="has its own codec"):
        small(start=file).run()


def test_a_trunk_gives_its_blocks_and_words_and_no_more(small, tiny_model, tmp_path):
    old = load(str(tiny_model), "cpu", "float32")
    kept, size = old.denoiser.network.state_dict(), old.denoiser.network.config.width
    model = small(trunk=str(tiny_model), width=128, depth=3).run().subject.model
    made = model.denoiser.network
    assert (made.config.width, made.config.channels, made.config.patch) == (size, 4, 2)
    same = {key for key, value in made.state_dict().items() if value.shape == kept[key].shape}
    assert {"patches.weight", "head.out.weight"} == {key for key in kept if key not in same and "weight" in key}
    assert all(torch.equal(made.state_dict()[key], kept[key]) for key in same)
    words = old.conditioner.state_dict()
    assert all(torch.equal(value, words[key]) for key, value in model.conditioner.state_dict().items())
    assert model.conditioner.vocabulary == old.conditioner.vocabulary
    (again,) = (small(trunk=str(tiny_model)).run().subject.model.denoiser.network,)
    assert torch.equal(again.patches.weight, made.patches.weight)  # what is new is a function of the seed
    list(fit(small(trunk=str(tiny_model)).run(), tmp_path / "run"))
    file = str(tmp_path / "run" / "model.safetensors")
    with pytest.raises(Refused, match="has its own trunk"):
        small(start=file, codec=None, trunk=file).run()


def test_what_has_no_such_trunk_is_refused(small, codec, tiny_model, monkeypatch):
    with pytest.raises(Refused, match="no whole model"):
        small(trunk=str(codec)).run()
    model = load(str(tiny_model), "cpu", "float32")
    other = replace(model, denoiser=replace_network(model.denoiser))
    monkeypatch.setattr("unnoise.catalogue.load", lambda *_: other)
    with pytest.raises(Refused, match="no transformer that can be taken over") as refused:
        small(trunk="other").run()
    assert refused.value.field == "trunk"


def replace_network(denoiser):
    """The same denoiser around a network of another kind."""
    made = copy.copy(denoiser)
    made._modules = {**denoiser._modules, "network": torch.nn.Identity()}
    return made


def test_a_batch_in_pieces_trains_as_well(small):
    reports = list(Trainer(small(pieces=2).run()).steps())
    assert len(reports) == 3 and all(torch.isfinite(r.losses[0].value) for r in reports)
    with pytest.raises(Refused, match="a divisor of the batch"):
        small(pieces=3).run()


def test_what_is_no_codec_is_refused(small, tiny_model):
    with pytest.raises(Refused, match="emoji_codec"):
        small(codec="nonesuch").run()
    with pytest.raises(Refused, match="holds no codec that makes latents"):
        small(codec=str(tiny_model)).run()


def test_the_kinds_of_scenes_keep_their_shares(small):
    def kinds(share):
        return [tags["kind"] for tags in small(alone=share, scenes=200).run().pictures.tags]

    assert set(kinds(1.0)) == {"alone"}
    assert "alone" not in kinds(0.0)
