"""Stable Diffusion XL whole, beside diffusers' StableDiffusionXLPipeline: two text encoders, and pictures' sizes."""

import pytest
import torch

from parity import pipes
from parity.pipes import (
    PROMPT,
    SIZES,
    TABLE,
    TABLED,
    Run,
    agree,
    alike,
    ours,
    scheduled,
    theirs,
    written,
)
from unnoise import describe, load
from unnoise.core.model import Wish
from unnoise.families import sdxl
from unnoise.weights.maps import clip as clip_names
from unnoise.weights.maps import kl, ldm_unet

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # diffusers' own
EULER = ("--sampler", "euler", "--spacing", "leading:offset=1,start=unit")


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    return pipes.saved_in(tmp_path_factory.mktemp("sdxl") / "model", pipes.sdxl())


@pytest.fixture(scope="module")
def model(saved):
    return load(str(saved[1]), "cpu")


@pytest.fixture(scope="module")
def single(model, tmp_path_factory):
    network, codec, texts = model.denoiser.network, model.codec, model.conditioner
    parts = {
        "model.diffusion_model.": (network, ldm_unet.original(network.config)),
        "first_stage_model.": (codec, kl.original(codec.config)),
        "conditioner.embedders.0.transformer.": (texts.first, clip_names.original(texts.first.config, "hf")),
        "conditioner.embedders.1.model.": (texts.second, clip_names.original(texts.second.config, "open_clip")),
    }
    extra = {"denoiser.sigmas": torch.zeros(1000)}
    return written(tmp_path_factory.mktemp("sdxl") / "tiny.safetensors", parts, extra)


@pytest.mark.parametrize("negative", ["blurry", ""])
def test_a_folder_runs_as_its_scheduler_says(saved, tmp_path, negative):
    """An empty negative prompt is zeros, as the base was trained."""
    run = Run(width=48, negative=negative)
    agree(ours(tmp_path, saved[1], run), theirs(saved[0], run))


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("name", ["euler", "ddim", "dpmpp_2m", "heun"])
def test_every_sampler_goes_the_same_way(saved, model, name, size):
    config = scheduled(saved[0], *TABLED[name], **TABLE)
    alike(saved[0], model, config, sdxl.USUAL.noising, Run(width=size[0], height=size[1]))


@pytest.mark.parametrize("negative", ["blurry", ""])
def test_a_single_file_is_the_same_model(saved, single, tmp_path, negative):
    scheduled(saved[0], *TABLED["euler"], **TABLE)
    run = Run(height=48, negative=negative)
    agree(ours(tmp_path, single, run, *EULER), theirs(saved[0], run))


def test_the_refiner_is_told_what_theirs_is(tmp_path):
    """diffusers runs it from pictures only, so what is compared is what its network is told."""
    pipeline, _ = pipes.saved_in(tmp_path / "model", pipes.refiner())
    assert describe(str(tmp_path / "model")).title == "Stable Diffusion XL refiner"
    model = load(str(tmp_path / "model"), "cpu")
    wishes = [Wish(PROMPT, 48, 32), Wish("", 48, 32, negative=True)]
    with torch.no_grad():
        context, free, pooled, free_pooled = pipeline.encode_prompt(PROMPT, negative_prompt="", device="cpu")
        sizes = ((32, 48), (0, 0), (32, 48), 6.0, 2.5, (32, 48), (0, 0), (32, 48), torch.float32, 128)
        told = [pipeline.unet.add_time_proj(ids.flatten()).flatten() for ids in pipeline._get_add_time_ids(*sizes)]
        found = model.conditioner(model.conditioner.prepare(wishes))
    expected = torch.stack([torch.cat([pooled[0], told[0]]), torch.cat([free_pooled[0], told[1]])])
    torch.testing.assert_close(found.context, torch.cat([context, free]), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(found.pooled, expected, rtol=1e-5, atol=1e-5)
    latent, _ = ours(tmp_path, tmp_path / "model", Run(width=48))
    assert latent.shape == (4, 16, 24) and latent.isfinite().all()
