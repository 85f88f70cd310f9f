"""Stable Diffusion 1 whole, beside diffusers' StableDiffusionPipeline: from its folder, and from a single file."""

import warnings

import pytest
import torch

from parity.pipes import SIZES, Run, agree, clip, clip_tokenizer, ours, peers, randomised, theirs, unet, vae

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # diffusers' own


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    diffusers, _ = peers()
    folder = tmp_path_factory.mktemp("sd1")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipeline = diffusers.StableDiffusionPipeline(
            vae=randomised(vae(), 1),
            text_encoder=randomised(clip(), 2),
            tokenizer=clip_tokenizer(folder / "words"),
            unet=randomised(unet(attention_head_dim=8), 3),
            scheduler=diffusers.PNDMScheduler(
                beta_schedule="scaled_linear",
                beta_start=0.00085,
                beta_end=0.012,
                skip_prk_steps=True,
                steps_offset=1,
            ),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
        pipeline.save_pretrained(folder / "model")
    return pipeline, folder / "model"


def test_as_it_was_saved(saved, tmp_path):
    pipeline, folder = saved
    agree(ours(tmp_path, folder, Run()), theirs(pipeline, Run()))
