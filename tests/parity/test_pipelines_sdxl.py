"""Stable Diffusion XL whole, beside diffusers' StableDiffusionXLPipeline: two text encoders, and pictures' sizes."""

import warnings

import pytest
import torch

from parity.pipes import (
    SIZES,
    TABLE,
    TABLED,
    Run,
    agree,
    alike,
    clip,
    clip_tokenizer,
    ours,
    peers,
    randomised,
    scheduled,
    theirs,
    unet,
    vae,
    written,
)
from unnoise import load
from unnoise.families import sdxl
from unnoise.weights.maps import clip as clip_names
from unnoise.weights.maps import kl, ldm_unet

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # diffusers' own
EULER = ("--sampler", "euler", "--spacing", "leading:offset=1,start=unit")


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    diffusers, _ = peers()
    folder = tmp_path_factory.mktemp("sdxl")
    network = unet(
        attention_head_dim=(1, 1),
        block_out_channels=(64, 64),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        use_linear_projection=True,
        transformer_layers_per_block=(1, 2),
        cross_attention_dim=128,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=64 + 6 * 8,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipeline = diffusers.StableDiffusionXLPipeline(
            vae=randomised(vae(scaling_factor=0.13025), 1),
            text_encoder=randomised(clip(), 2),
            text_encoder_2=randomised(clip(projects=True, hidden_act="gelu"), 4),
            tokenizer=clip_tokenizer(folder / "words"),
            tokenizer_2=clip_tokenizer(folder / "more words", "!"),
            unet=randomised(network, 3),
            scheduler=diffusers.EulerDiscreteScheduler(**TABLE, timestep_spacing="leading"),
            add_watermarker=False,
        )
        pipeline.save_pretrained(folder / "model")
    return pipeline, folder / "model"


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
