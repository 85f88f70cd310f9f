"""Stable Diffusion 2 whole, beside diffusers' StableDiffusionPipeline: predicting v, from its folder and from a single
file in OpenCLIP's names, whose text encoder has a layer more."""

import pytest
import torch

from parity import pipes
from parity.pipes import (
    SIZES,
    TABLE,
    TABLED,
    Run,
    V,
    agree,
    alike,
    ours,
    scheduled,
    theirs,
    written,
)
from unnoise import describe, load
from unnoise.families import sd2
from unnoise.networks.clip_text import CLIPText, CLIPTextConfig
from unnoise.weights.maps import clip as clip_names
from unnoise.weights.maps import kl, ldm_unet

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # diffusers' own


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    return pipes.saved_in(tmp_path_factory.mktemp("sd2") / "model", pipes.sd2())


@pytest.fixture(scope="module")
def model(saved):
    return load(str(saved[1]), "cpu")


@pytest.fixture(scope="module")
def single(model, tmp_path_factory):
    network, codec, encoder = model.denoiser.network, model.codec, model.conditioner.encoder
    config = encoder.config
    whole = CLIPText(CLIPTextConfig(**{**vars(config), "depth": config.depth + 1}))
    whole.load_state_dict(encoder.state_dict(), strict=False)
    parts = {
        "model.diffusion_model.": (network, ldm_unet.original(network.config)),
        "first_stage_model.": (codec, kl.original(codec.config)),
        "cond_stage_model.model.": (whole, clip_names.original(whole.config, "open_clip")),
    }
    extra = {
        "cond_stage_model.model.logit_scale": torch.ones(()),
        "cond_stage_model.model.text_projection": torch.eye(64),
    }
    return written(tmp_path_factory.mktemp("sd2") / "tiny.safetensors", parts, extra)


def test_a_folder_runs_as_its_scheduler_says(saved, tmp_path):
    found = describe(str(saved[1]))
    assert (found.family, found.facts["prediction"], found.defaults["sampler"]) == ("sd2", "v", "ddim")
    agree(ours(tmp_path, saved[1], Run(width=48)), theirs(saved[0], Run(width=48)))


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("name", ["euler", "ddim", "dpmpp_2m", "heun"])
def test_every_sampler_goes_the_same_way(saved, model, name, size):
    config = scheduled(saved[0], *TABLED[name], **V)
    alike(saved[0], model, config, sd2.V.noising, Run(width=size[0], height=size[1]))


def test_a_single_file_is_the_same_model(saved, single, tmp_path):
    scheduled(saved[0], *TABLED["ddim"], **V)
    way = ("--sampler", "ddim", "--spacing", "leading:offset=1,start=unit,end=row")
    agree(ours(tmp_path, single, Run(), *way), theirs(saved[0], Run()))


def test_one_that_predicts_noise_is_told_so(saved, single, tmp_path):
    scheduled(saved[0], *TABLED["euler"], **TABLE)
    way = ("--sampler", "euler", "--spacing", "leading:offset=1,start=unit", "--family", "sd2:prediction=epsilon")
    agree(ours(tmp_path, single, Run(), *way), theirs(saved[0], Run()))
