"""The emoji recipe: what it wants, what it leaves out, and that its model draws."""

import json

import pytest
import torch

from unnoise.catalogue import library
from unnoise.core.error import Refused
from unnoise.core.event import Result
from unnoise.media.image import to_image
from unnoise.recipes import RECIPES
from unnoise.tasks.generate import Generate
from unnoise.train.trainer import Trainer
from unnoise.weights.store import read_tensors

KEPT = ("red apple", "blue bird", "green tree", "rocket")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Four pictures, and two that the recipe leaves out, as a folder with a metadata.jsonl."""
    folder = tmp_path_factory.mktemp("emoji")
    random = torch.Generator().manual_seed(0)
    said = [{"text": name, "style": "fluent-3d", "group": "Animals & Nature"} for name in KEPT]
    said += [{"text": "flag", "style": "fluent-3d", "group": "Flags"}, {"text": "other style", "style": "noto"}]
    lines = []
    for k, record in enumerate(said):
        pixels = torch.randint(0, 256, (3, 16, 16), generator=random, dtype=torch.uint8)
        to_image(pixels).save(folder / f"{k}.png")
        lines.append(json.dumps({"file_name": f"{k}.png"} | record))
    (folder / "metadata.jsonl").write_text("\n".join(lines))
    return folder


def small(data, **changes):
    settings = {"size": 16, "width": 64, "depth": 1, "steps": 3, "batch": 4}
    return RECIPES["emoji_pixels"](data=data, **settings | changes)


def test_without_data_it_says_what_it_takes():
    with pytest.raises(Refused, match="needs its pictures") as refused:
        RECIPES["emoji_pixels"]().run()
    assert refused.value.field == "data"


@pytest.mark.parametrize(("field", "value"), [("width", 32), ("width", 200), ("size", 60), ("size", 0)])
def test_sizes_are_looked_at_before_anything_is_read(field, value):
    with pytest.raises(Refused, match="multiple of") as refused:
        small("nowhere", **{field: value}).run()
    assert refused.value.field == field


def test_other_styles_and_groups_are_left_out(data):
    run = small(data).run()
    assert [captions[0] for captions in run.pictures.captions] == list(KEPT)
    wider = small(data, styles=("fluent-3d", "noto"), leave=()).run()
    assert len(wider.pictures) == 6


def test_its_weights_are_a_function_of_its_seed(data):
    states = [small(data, seed=seed).run().subject.model.denoiser.state_dict() for seed in (0, 0, 1)]
    same, other = ([torch.equal(states[0][k], s[k]) for k in s] for s in states[1:])
    assert all(same) and not all(other)


def test_it_trains_and_draws(data):
    run = small(data).run()
    trainer = Trainer(run)
    reports = list(trainer.steps())
    assert len(reports) == 3 and all(torch.isfinite(r.losses[0].value) for r in reports)
    task = Generate(prompt="a red apple", model="emoji", seed=1, steps=2)
    shelf = library(models={"emoji": trainer.averaged().model}, device="cpu")
    results = [e for e in task.run(shelf) if isinstance(e, Result)]
    assert results[0].pixels.shape == (3, 16, 16)


def test_muon_takes_the_blocks_matrices_and_nothing_else(data):
    run = small(data).run()
    named = dict(run.subject.model.denoiser.network.named_parameters())
    assert run.matrices("network.blocks.0.mlp.first.weight") and not run.matrices("network.patches.weight")
    assert any(run.matrices(name) for name in named)


def test_it_goes_on_from_a_model(data, tiny_model):
    run = small(data, start=str(tiny_model)).run()
    trainer = Trainer(run)
    before = {k: v.detach().clone() for k, v in trainer.weights.items()}
    stored = read_tensors(tiny_model)
    assert all(torch.equal(before[k], stored[k]) for k in before)
    *_, last = trainer.steps()
    assert last.step == 3
    assert any(not torch.equal(before[k], v) for k, v in trainer.weights.items())


def test_a_model_of_another_size_is_refused(data, tiny_model):
    with pytest.raises(Refused, match="draws 16 pixels, the recipe 32"):
        small(data, start=str(tiny_model), size=32).run()
