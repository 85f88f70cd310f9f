"""Whole pipelines with adapters beside diffusers': LoRA in the network and the text encoders, and learnt words."""

import warnings

import pytest
import torch

from parity import pipes
from parity.pipes import TABLE, TABLED, Run, agree, ours, scheduled, theirs
from parity.test_lora import ATTENTION, adapted

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # diffusers' own
EULER = ("--sampler", "euler", "--spacing", "leading:offset=1,start=unit")
TEXT = ["q_proj", "v_proj", "fc1"]


@pytest.fixture
def sd1(tmp_path):
    pipeline, folder = pipes.saved_in(tmp_path / "model", pipes.sd1())
    scheduled(pipeline, *TABLED["euler"], **TABLE)
    return pipeline, folder


def test_a_lora_of_network_and_text(sd1, tmp_path):
    pipeline, folder = sd1
    plain = ours(tmp_path, folder, Run(), *EULER)
    network, told = adapted(pipeline.unet, target_modules=[*ATTENTION, "conv1"], lora_alpha=6)
    text, said = adapted(pipeline.text_encoder, target_modules=TEXT, lora_alpha=2)
    pipeline.unload_lora_weights()
    pipeline.save_lora_weights(
        tmp_path,
        unet_lora_layers=network,
        text_encoder_lora_layers=text,
        unet_lora_adapter_metadata=told,
        text_encoder_lora_adapter_metadata=said,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipeline.load_lora_weights(tmp_path, adapter_name="style")
        pipeline.set_adapters(["style"], [{"unet": 0.7, "text_encoder": 0.4}])
    file = tmp_path / "pytorch_lora_weights.safetensors"
    made = ours(tmp_path, folder, Run(), *EULER, "--lora", f"{file}:network=0.7,text=0.4")
    agree(made, theirs(pipeline, Run()))
    streamed = ours(tmp_path, folder, Run(), *EULER, "--lora", f"{file}:network=0.7,text=0.4", "--memory", "1MB")
    agree(streamed, made)
    assert (made[0] - plain[0]).abs().max() > 0.05 * plain[0].abs().max()


@pytest.mark.parametrize("count", [1, 3])
def test_a_learnt_word(sd1, tmp_path, monkeypatch, count):
    pipeline, folder = sd1
    vectors = torch.randn(count, 64) * 0.5
    torch.save({"<newt>": vectors.squeeze(0)}, tmp_path / "newt.bin")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipeline.load_textual_inversion(str(tmp_path / "newt.bin"))
    monkeypatch.setattr(pipes, "PROMPT", "a picture of <newt>, in the snow")
    plain = ours(tmp_path, folder, Run(), *EULER)
    made = ours(tmp_path, folder, Run(), *EULER, "--embedding", str(tmp_path / "newt.bin"))
    agree(made, theirs(pipeline, Run()))
    assert (made[0] - plain[0]).abs().max() > 0.01 * plain[0].abs().max()
    monkeypatch.setattr(pipes, "PROMPT", "a picture of newt, in the snow")
    assert torch.equal(ours(tmp_path, folder, Run(), *EULER, "--embedding", str(tmp_path / "newt.bin"))[0], made[0])
