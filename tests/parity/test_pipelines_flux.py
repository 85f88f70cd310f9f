"""FLUX.1 whole, beside diffusers' FluxPipeline: dev, which reads its guidance, and schnell."""

import pytest

from parity import pipes
from parity.pipes import (
    NEGATIVE,
    SIZES,
    STRAIGHT,
    Run,
    agree,
    listed,
    ours,
    ours_loaded,
    peers,
    scheduled,
    straight,
    theirs,
    written,
)
from unnoise import describe, load
from unnoise.weights.gguf_writer import write_gguf
from unnoise.weights.maps import clip as clip_names
from unnoise.weights.maps import flux, kl
from unnoise.weights.maps import t5 as t5_names

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # diffusers' own
DYNAMIC = {"shift": 3.0, "use_dynamic_shifting": True}
PLAIN = {"guidance": 3.5, "negative": ""}


@pytest.fixture(scope="module")
def saved(tmp_path_factory, shared):
    return pipes.saved_in(tmp_path_factory.mktemp("flux") / "model", pipes.flux(shared))


@pytest.fixture(scope="module")
def model(saved):
    return load(str(saved[1]), "cpu")


def unpacked(made, run):
    """Their packed latents (1, N, 64) as (1, 16, h, w)."""
    latent, pixels = made
    return peers()[0].FluxPipeline._unpack_latents(latent, run.height * 4, run.width * 4, 8), pixels


def run_theirs(pipeline, run):
    return unpacked(theirs(pipeline, run), run)


def test_dev_runs_as_its_scheduler_says(saved, tmp_path):
    found = describe(str(saved[1]))
    assert (found.title, found.guidance, found.defaults["guidance"]) == ("FLUX.1 dev", "embedded", 3.5)
    run = Run(width=48, **PLAIN)
    agree(ours(tmp_path, saved[1], run), run_theirs(saved[0], run))


def test_guidance_matters_and_is_the_same(saved, model):
    scheduled(saved[0], "FlowMatchEulerDiscreteScheduler", DYNAMIC)
    first, second = (Run(guidance=scale, negative="") for scale in (1.0, 7.0))
    made = [ours_loaded(model, run, "euler", "dynamic") for run in (first, second)]
    assert float((made[0][0] - made[1][0]).abs().max()) > 0.01
    for run, each in zip((first, second), made, strict=True):
        agree(each, run_theirs(saved[0], run))


def test_schnell_needs_no_guidance(shared, tmp_path):
    scheduler = peers()[0].FlowMatchEulerDiscreteScheduler(shift=1.0)
    pipeline, folder = pipes.saved_in(tmp_path / "model", pipes.flux(shared, guided=False, scheduler=scheduler))
    found = describe(str(folder))
    assert (found.title, found.guidance, found.defaults["steps"]) == ("FLUX.1 schnell", "none", 4)
    run = Run(steps=4, guidance=1.0, negative="", more={"max_sequence_length": 256})
    agree(ours(tmp_path, folder, run), run_theirs(pipeline, run))


def test_two_calls_guide_where_they_are_asked_for(saved, model):
    """diffusers' true_cfg_scale, beside the guidance that the network reads."""
    scheduled(saved[0], "FlowMatchEulerDiscreteScheduler", DYNAMIC)
    run = Run(guidance=3.5, negative=NEGATIVE, more={"true_cfg_scale": 5.0})
    expected = run_theirs(saved[0], run)
    agree(ours_loaded(model, Run(guidance="classifier_free:scale=5"), "euler", "dynamic"), expected)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("name", STRAIGHT)
def test_every_sampler_goes_the_same_way(saved, model, name, size):
    """Along the times that its scheduler lists, since each of theirs lays them in its own way."""
    straight(saved[0], name)
    run = Run(width=size[0], height=size[1], **PLAIN)
    expected = run_theirs(saved[0], run)
    agree(ours_loaded(model, run, name, listed(saved[0].scheduler)), expected)


def test_a_single_file_is_the_same_model_with_its_parts_inside_or_beside(saved, model, tmp_path, shared):
    scheduled(saved[0], "FlowMatchEulerDiscreteScheduler", DYNAMIC)
    network, codec, texts = model.denoiser.network, model.codec, model.conditioner
    parts = {
        "model.diffusion_model.": (network, flux.original(network.config)),
        "vae.": (codec, kl.original(codec.config)),
        "text_encoders.clip_l.transformer.": (texts.clip, clip_names.original(texts.clip.config, "hf")),
        "text_encoders.t5xxl.transformer.": (texts.t5, t5_names.original(texts.t5.config)),
    }
    words = ("--part", f"tokenizer={shared / 'fixtures' / 'tokenizers' / 't5_tokenizer.json'}")
    run = Run(height=48, **PLAIN)
    expected = run_theirs(saved[0], run)
    agree(ours(tmp_path, written(tmp_path / "whole.safetensors", parts), run, *words), expected)
    names = [written(tmp_path / f"{i}.safetensors", {"": part}) for i, part in enumerate(parts.values())]
    beside = [word for path in names[2:] for word in ("--part", f"text={path}")]
    agree(ours(tmp_path, names[0], run, *words, "--part", f"vae={names[1]}", *beside), expected)
    write_gguf(tmp_path / "x.gguf", flux.original(network.config).theirs(network.state_dict()), {}, "F32")
    agree(ours(tmp_path, tmp_path / "x.gguf", run, *words, "--part", f"vae={names[1]}", *beside), expected)
