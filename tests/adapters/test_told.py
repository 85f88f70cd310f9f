"""What `info` says of adapters and embeddings is what is in them."""

import pytest

from adapters.small import TO_Q, pair, write
from unnoise.adapters.told import told
from unnoise.weights.header import read_header


def said(path):
    return told(read_header(path))


def test_of_a_file_of_several_kinds(tmp_path):
    import torch

    tensors = pair(f"unet.{TO_Q}", 32, 32, 4) | pair("text_encoder.a", 8, 8, 2)
    tensors |= {f"unet.{TO_Q}.dora_scale": torch.ones(32, 1), "unet.conv_in.diff": torch.ones(2, 2)}
    assert said(write(tmp_path, tensors, ss_base_model_version="sd_v1")) == {
        "kind": "lora",
        "meant_for": "Stable Diffusion 1",
        "kinds": ["DoRA", "LoRA", "difference"],
        "layers": {"network": 2, "text": 1},
        "ranks": {"2": 1, "4": 1},
    }


@pytest.mark.parametrize("name", ["analog_svd_rank4.safetensors", "weapons_sd15_rank4.bin"])
def test_of_real_adapters(shared, name):
    found = said(shared / "fixtures" / "lora" / name)
    assert found["kinds"] == ["LoRA"] and found["ranks"] == {"4": 192 if "analog" in name else 128}


@pytest.mark.parametrize(
    ("name", "word", "count"),
    [("cat-toy_learned_embeds.bin", "<cat-toy>", 1), ("test_embedding.safetensors", "test_embedding", 5)],
)
def test_of_real_embeddings(shared, name, word, count):
    found = said(shared / "fixtures" / "embeddings" / name)
    assert found["kind"] == "embedding" and found["word"] == word and found["meant_for"] == "Stable Diffusion 1"
    assert list(found["vectors"].values()) == [[count, 768]]


def test_a_model_is_neither(tiny_model):
    assert said(tiny_model) is None
