"""Stable Diffusion 3 and 3.5 whole, beside diffusers' StableDiffusion3Pipeline: with T5 and without."""

import pytest

from parity import pipes
from parity.pipes import (
    SIZES,
    STRAIGHT,
    Run,
    agree,
    listed,
    ours,
    ours_loaded,
    straight,
    theirs,
    written,
)
from unnoise import describe, load
from unnoise.weights.maps import clip as clip_names
from unnoise.weights.maps import kl, mmdit
from unnoise.weights.maps import t5 as t5_names

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # diffusers' own
KINDS = {
    "3": {},
    "3.5 large": {"qk_norm": "rms_norm"},
    "3.5 medium": {"qk_norm": "rms_norm", "dual_attention_layers": (0,)},
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory, shared):
    return pipes.saved_in(tmp_path_factory.mktemp("sd3") / "model", pipes.sd3(shared))


@pytest.fixture(scope="module")
def model(saved):
    return load(str(saved[1]), "cpu")


@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_runs_as_its_scheduler_says(shared, tmp_path, kind):
    network = pipes.sd3_transformer(**KINDS[kind])
    pipeline, folder = pipes.saved_in(tmp_path / "model", pipes.sd3(shared, transformer=network))
    run = Run(width=48)
    assert kind.title() in describe(str(folder)).title
    agree(ours(tmp_path, folder, run), theirs(pipeline, run))


def test_without_t5_zeros_stand_in_its_place(shared, tmp_path):
    made = pipes.sd3(shared, text_encoder_3=None, tokenizer_3=None)
    pipeline, folder = pipes.saved_in(tmp_path / "model", made)
    assert describe(str(folder)).facts["missing"] == "t5"
    agree(ours(tmp_path, folder, Run()), theirs(pipeline, Run()))


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("name", STRAIGHT)
def test_every_sampler_goes_the_same_way(saved, model, name, size):
    """Along the times that its scheduler lists, since each of theirs lays them in its own way."""
    straight(saved[0], name)
    run = Run(width=size[0], height=size[1])
    expected = theirs(saved[0], run)
    agree(ours_loaded(model, run, name, listed(saved[0].scheduler)), expected)


def test_a_single_file_is_the_same_model_with_its_parts_inside_or_beside(saved, model, tmp_path, shared):
    straight(saved[0], "euler")
    network, codec, texts = model.denoiser.network, model.codec, model.conditioner
    alone = {
        "model.diffusion_model.": (network, mmdit.original(network.config)),
        "first_stage_model.": (codec, kl.original(codec.config)),
        "text_encoders.clip_l.transformer.": (texts.large, clip_names.original(texts.large.config, "hf")),
        "text_encoders.clip_g.transformer.": (texts.gigantic, clip_names.original(texts.gigantic.config, "hf")),
        "text_encoders.t5xxl.transformer.": (texts.t5, t5_names.original(texts.t5.config)),
    }
    words = ("--part", f"tokenizer={shared / 'fixtures' / 'tokenizers' / 't5_spiece.model'}")
    whole = written(tmp_path / "whole.safetensors", alone)
    expected = theirs(saved[0], Run())
    agree(ours(tmp_path, whole, Run(), *words), expected)
    names = [written(tmp_path / f"{i}.safetensors", {"": part}) for i, part in enumerate(alone.values())]
    beside = [word for path in names[2:] for word in ("--part", f"text={path}")]
    agree(ours(tmp_path, names[0], Run(), *words, "--part", f"vae={names[1]}", *beside), expected)
