"""Stable Diffusion 1 whole, beside diffusers' StableDiffusionPipeline: from its folder, and from a single file."""

import json

import pytest
import torch

from parity import pipes
from parity.pipes import (
    SIZES,
    TABLE,
    TABLED,
    Run,
    agree,
    alike,
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
from unnoise.families import sd1
from unnoise.weights.maps import clip as clip_names
from unnoise.weights.maps import kl, ldm_unet

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # diffusers' own


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    return pipes.saved_in(tmp_path_factory.mktemp("sd1") / "model", pipes.sd1())


@pytest.fixture(scope="module")
def model(saved):
    return load(str(saved[1]), "cpu")


@pytest.fixture(scope="module")
def single(model, tmp_path_factory):
    network, codec, encoder = model.denoiser.network, model.codec, model.conditioner.encoder
    extra = {"alphas_cumprod": torch.zeros(1000), "model_ema.decay": torch.zeros(1)}
    parts = {
        "model.diffusion_model.": (network, ldm_unet.original(network.config)),
        "first_stage_model.": (codec, kl.original(codec.config)),
        "cond_stage_model.transformer.": (encoder, clip_names.original(encoder.config, "hf")),
    }
    return written(tmp_path_factory.mktemp("sd1") / "tiny.safetensors", parts, extra)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("name", TABLED)
def test_every_sampler_goes_the_same_way(saved, model, name, size):
    config = scheduled(saved[0], *TABLED[name], **TABLE)
    alike(saved[0], model, config, sd1.USUAL.noising, Run(width=size[0], height=size[1]))


V = {"prediction_type": "v_prediction", "rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("PNDMScheduler", {"skip_prk_steps": True}),
        ("EulerDiscreteScheduler", {}),
        ("DPMSolverMultistepScheduler", {"use_karras_sigmas": True}),
        ("DDIMScheduler", V | {"clip_sample": False}),
    ],
    ids=["pndm", "euler, fractional rows", "karras", "v, zero terminal SNR"],
)
def test_a_folder_runs_as_its_scheduler_says(saved, tmp_path, name, options):
    pipeline, folder = saved
    config = scheduled(pipeline, name, options, **TABLE)
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(config))
    run = Run(steps=5, width=48)  # 5 divides the table, where DDIM and its timesteps agree
    agree(ours(tmp_path, folder, run), theirs(pipeline, run))


def test_a_single_file_is_the_same_model(saved, single, tmp_path):
    scheduled(saved[0], *TABLED["euler"], **TABLE)
    run = Run(height=48)
    made = ours(tmp_path, single, run, "--sampler", "euler", "--spacing", "leading:offset=1,start=unit")
    agree(made, theirs(saved[0], run))


def test_without_a_negative_prompt_and_without_guidance(saved, model):
    config = scheduled(saved[0], *TABLED["euler"], **TABLE)
    for run in (Run(negative=""), Run(negative="", guidance=1.0)):
        alike(saved[0], model, config, sd1.USUAL.noising, run)


def test_inpainting_without_a_picture_paints_all_of_a_grey_one(saved, tmp_path):
    codec = randomised(vae(norm_num_groups=4), 1)  # in a group of one or two channels grey would be all rounding
    with torch.no_grad():  # its encoder is sure of itself: theirs draws from what ours takes the mean of
        codec.quant_conv.weight[4:], codec.quant_conv.bias[4:] = 0.0, -30.0
    kept = {name: getattr(saved[0], name) for name in ("text_encoder", "tokenizer")}
    network = randomised(unet(attention_head_dim=8, in_channels=9), 3)
    scheduler = peers()[0].DDIMScheduler(**TABLE, clip_sample=False, set_alpha_to_one=False)
    made = pipes.sd1("StableDiffusionInpaintPipeline", **kept, vae=codec, unet=network, scheduler=scheduler)
    inpainting, _ = pipes.saved_in(tmp_path / "model", made)
    white = {"image": torch.ones(1, 3, 32, 48), "mask_image": torch.ones(1, 1, 32, 48), "strength": 1.0}
    run = Run(width=48, more=white)
    agree(ours(tmp_path, tmp_path / "model", run), theirs(inpainting, run))


def test_instruct_pix2pix_runs_without_a_picture(saved, tmp_path):
    _, folder = saved
    network = randomised(unet(attention_head_dim=8, in_channels=8), 3)
    for part in ("vae", "text_encoder", "tokenizer", "scheduler", "model_index.json"):
        (tmp_path / "model").mkdir(exist_ok=True)
        (tmp_path / "model" / part).symlink_to(folder / part)
    network.save_pretrained(tmp_path / "model" / "unet")
    latent, _ = ours(tmp_path, tmp_path / "model", Run(width=48))
    assert latent.shape == (4, 16, 24) and latent.isfinite().all()
