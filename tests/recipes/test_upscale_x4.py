"""The upscaler's recipe: what it wants, and that its file enlarges pictures."""

import pytest
import torch

from unnoise.catalogue import library
from unnoise.core.error import Refused
from unnoise.media.image import save
from unnoise.recipes import RECIPES
from unnoise.tasks._enlarge import whole
from unnoise.train.fit import fit
from unnoise.train.trainer import Trainer


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Six pictures without words; two of them held out."""
    folder = tmp_path_factory.mktemp("pictures")
    random = torch.Generator().manual_seed(0)
    for k in range(6):
        place = folder / ("train" if k < 4 else "heldout")
        place.mkdir(exist_ok=True)
        save(place / f"{k}.png", torch.randint(0, 256, (3, 16, 16), generator=random, dtype=torch.uint8))
    return folder


def small(data, **changes):
    settings = {"size": 16, "crop": 8, "width": 8, "blocks": 1, "steps": 3, "batch": 4, "previews": 2}
    return RECIPES["upscale_x4"](data=data, **settings | changes)


def test_without_data_it_says_what_it_takes():
    with pytest.raises(Refused, match="needs pictures") as refused:
        RECIPES["upscale_x4"]().run()
    assert refused.value.field == "data"


@pytest.mark.parametrize(("field", "value"), [("size", 0), ("size", 18), ("crop", -4), ("crop", 6)])
def test_sizes_off_the_scale_are_refused(data, field, value):
    with pytest.raises(Refused, match="multiple of 4") as refused:
        small(data, **{field: value}).run()
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"width": 0}, "width 0 is no size"),
        ({"blocks": -1}, "blocks -1 is no size"),
        ({"rate": -1.0}, "a learning rate"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_the_data_are_looked_for(tmp_path, changes, said):
    with pytest.raises(Refused, match=said):
        small(tmp_path / "none", **changes).run()


def test_it_holds_out_what_the_set_does(data):
    run = small(data).run()
    assert len(run.pictures) == 4 and run.heldout is not None and len(run.heldout) == 2
    assert torch.equal(run.subject.shown, run.heldout.images)
    alone = small(data / "train").run()
    assert alone.heldout is None and len(alone.subject.shown) == 2
    assert small(data, previews=0).run().subject.shown is None


def test_its_weights_are_a_function_of_its_seed(data):
    states = [small(data, seed=seed).run().subject.objective.upscaler.state_dict() for seed in (0, 0, 1)]
    same, other = ([torch.equal(states[0][k], s[k]) for k in s] for s in states[1:])
    assert all(same) and not all(other)


def test_what_people_vary_gets_there(data):
    made = small(data, width=12, blocks=2, clean=0.25, details=0.75, crop=4).run().subject.objective
    assert (made.upscaler.config.width, made.upscaler.config.blocks, made.upscaler.scale) == (12, 2, 4)
    assert (made.degradations.clean, made.details, made.crop) == (0.25, 0.75, 4)


def test_it_trains_and_its_file_enlarges(data, tmp_path):
    run = small(data).run()
    list(fit(run, tmp_path))
    shelf = library({"mine": tmp_path / "model.safetensors"}, device="cpu")
    found = shelf.upscaler("mine")
    assert found.name == "mine" and list(found.files) == ["model.safetensors"]
    assert whole(found.network, run.pictures.images[0], 4).shape == (3, 64, 64)
    stored = {p.dtype for p in found.network.parameters()}
    assert stored == {torch.float32}  # whatever the file holds, it runs in that


def test_every_step_s_loss_is_finite(data):
    assert all(torch.isfinite(report.losses[0].value) for report in Trainer(small(data).run()).steps())
