"""The Fashion-MNIST recipes: one network and one set of data, three methods, and each run learns."""

import gzip
import struct
from dataclasses import replace

import pytest
import torch

from building import drawn
from unnoise.catalogue import library
from unnoise.core.error import Refused
from unnoise.core.event import Result
from unnoise.core.model import Wish
from unnoise.core.prediction import EDM, Epsilon, Flow
from unnoise.core.schedule import Betas, Exploding, Rectified
from unnoise.data.pictures import load
from unnoise.data.source import open_source
from unnoise.recipes import RECIPES
from unnoise.recipes._fashion import SIZE, classes
from unnoise.tasks.generate import Generate
from unnoise.train.trainer import Trainer

NAMES = ("fashion_ddpm", "fashion_edm", "fashion_flow")
recipes = pytest.mark.parametrize("name", NAMES)
CLASSES = 10


def idx(*shape, values):
    return gzip.compress(bytes((0, 0, 8, len(shape))) + struct.pack(f">{len(shape)}I", *shape) + bytes(values))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Forty pictures in Fashion-MNIST's files: class k is a bar of a height of 2 k + 4."""
    folder = tmp_path_factory.mktemp("data") / "fashion"
    folder.mkdir()
    for stem, count in (("train", 40), ("t10k", 10)):
        pixels = torch.zeros(count, SIZE, SIZE, dtype=torch.uint8)
        for k in range(count):
            pixels[k, 2 : 6 + 2 * (k % CLASSES), 8:20] = 200
        labels = [k % CLASSES for k in range(count)]
        (folder / f"{stem}-images-idx3-ubyte.gz").write_bytes(idx(count, SIZE, SIZE, values=pixels.flatten().tolist()))
        (folder / f"{stem}-labels-idx1-ubyte.gz").write_bytes(idx(count, values=labels))
    return folder


def run_of(name, data, **changes):
    return RECIPES[name](data=data, width=16, steps=4, batch=8, **changes).run()


@recipes
def test_without_data_it_says_what_to_get_and_where(name):
    with pytest.raises(Refused, match="train-images-idx3-ubyte") as refused:
        RECIPES[name]().run()
    assert refused.value.field == "data" and name in str(refused.value) and "https://" in str(refused.value)


@recipes
def test_it_is_conditional_on_the_classes_of_the_data(name, data):
    run = run_of(name, data)
    description = run.subject.model.description
    assert description.prompts == "classes" and description.guidance == "free"
    assert len(description.classes) == CLASSES and description.classes[:2] == ("t-shirt/top", "trouser")
    assert run.subject.model.conditioner.config.classes == run.subject.previews == description.classes
    assert run.subject.model.denoiser.network.config.classes == CLASSES
    assert (description.width, description.height, description.channels) == (SIZE, SIZE, 1)
    assert SIZE % description.multiple == 0
    assert len(run.pictures) == 40 and len(run.heldout) == 10


def test_the_three_have_one_network_with_the_same_first_weights(data):
    first, *others = [run_of(name, data) for name in NAMES]
    for other in others:
        assert other.subject.model.denoiser.network.config == first.subject.model.denoiser.network.config
        mine, theirs = first.subject.model.denoiser.state_dict(), other.subject.model.denoiser.state_dict()
        assert all(torch.equal(mine[k], theirs[k]) for k in mine)
        assert torch.equal(first.pictures.images, other.pictures.images)
        assert (other.steps, other.batch, other.optimizing) == (first.steps, first.batch, first.optimizing)


def test_their_methods_are_the_papers(data):
    ddpm, edm, flow = (run_of(name, data).subject.model for name in NAMES)
    assert ddpm.denoiser.prediction == Epsilon() and ddpm.schedule == Betas("linear", 1e-4, 0.02, 1000)
    assert edm.denoiser.prediction == EDM(0.706) and edm.schedule == Exploding(0.002, 80.0)
    assert flow.denoiser.prediction == Flow() and flow.schedule == Rectified()


@recipes
def test_a_full_size_network_is_small(name, data):
    model = RECIPES[name](data=data).run().subject.model
    assert 2e6 < sum(p.numel() for p in model.denoiser.parameters()) < 4e6


@recipes
def test_it_trains_and_draws(name, data):
    run = replace(run_of(name, data), steps=8)
    before = {k: v.clone() for k, v in run.subject.model.denoiser.state_dict().items()}
    trainer = Trainer(run)
    reports = list(trainer.steps())
    assert len(reports) == 8 and all(torch.isfinite(r.losses[0].value) for r in reports)
    assert reports[-1].losses[0].value < reports[0].losses[0].value * 2
    after = run.subject.model.denoiser.state_dict()
    assert not torch.equal(after["network.leave.weight"], before["network.leave.weight"])
    task = Generate(prompt="Trouser", model=name, seed=1, steps=2)
    results = [
        e for e in task.run(library(models={name: trainer.averaged().model}, device="cpu")) if isinstance(e, Result)
    ]
    assert results[0].pixels.shape == (1, SIZE, SIZE)


def mean_target(name, schedule, times, square):
    """The mean square of what the network is asked for, by hand: what an output of zero is off by."""
    if name == "fashion_ddpm":
        return 1.0
    if name == "fashion_flow":
        return 1.0 + square
    sigma, spread = schedule(times).sigma, 0.706
    return float(((sigma**2 * square + spread**4) / (spread**2 * (sigma**2 + spread**2))).mean())


@recipes
@torch.no_grad()
def test_untrained_the_loss_is_what_the_method_says(name, data):
    run = run_of(name, data)
    images = run.subject.model.codec.encode(run.pictures.images.float() / 127.5 - 1)
    times = torch.linspace(0.05, 1, len(images))
    labels = run.subject.model.conditioner.prepare([Wish()] * len(images))
    errors, _ = run.subject.objective.errors(images, times, drawn(*images.shape), labels)
    expected = mean_target(name, run.subject.model.schedule, times, float(images.square().mean()))
    assert float(errors.mean()) == pytest.approx(expected, rel=0.02)


def test_the_spread_of_the_data_is_what_edm_says(shared):
    folder = shared / "data" / "fashion-mnist"
    if not folder.is_dir():
        pytest.skip("Fashion-MNIST is not in the folder 'shared'")
    source = open_source(folder, "heldout")
    pixels = load(source, SIZE, workers=0).images.float() / 127.5 - 1
    assert float(pixels.std()) == pytest.approx(RECIPES["fashion_edm"]().sigma_data, abs=0.005)
    assert len(classes(source)) == CLASSES and classes(source)[9] == "ankle boot"
