"""Files as diffusers and transformers save them: every form holds the numbers that were saved."""

import pytest
import torch

from unnoise.weights.open import open_tensors
from unnoise.weights.sharded import weights_in

diffusers = pytest.importorskip("diffusers")


@pytest.mark.parametrize("safe", [True, False], ids=["safetensors", "bin"])
@pytest.mark.parametrize("variant", ["", "fp16"])
@pytest.mark.parametrize("most", ["4KB", "1MB"], ids=["sharded", "whole"])
def test_a_part_of_a_diffusers_folder_is_found_and_read(tmp_path, safe, variant, most):
    sizes = {"encoder_block_out_channels": (8, 8), "decoder_block_out_channels": (8, 8)}
    model = diffusers.AutoencoderTiny(**sizes, num_encoder_blocks=(1, 1), num_decoder_blocks=(1, 1))
    model.save_pretrained(tmp_path, max_shard_size=most, variant=variant or None, safe_serialization=safe)
    found, theirs = open_tensors(weights_in(tmp_path, variant)), model.state_dict()
    assert found.keys() == theirs.keys() and all(torch.equal(found[k], v) for k, v in theirs.items())
    assert len(found.header.files) > 1 if most == "4KB" else len(found.header.files) == 1
    assert weights_in(tmp_path) == found.header.path


def test_a_part_of_transformers_is_found_and_read(tmp_path):
    transformers = pytest.importorskip("transformers")
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    model = transformers.CLIPTextModel(transformers.CLIPTextConfig(**sizes, vocab_size=99))
    for most in ("4KB", "1GB"):
        folder = tmp_path / most
        model.save_pretrained(folder, max_shard_size=most)
        found, theirs = open_tensors(weights_in(folder)), model.state_dict()
        assert found.keys() == theirs.keys() and all(torch.equal(found[k], v) for k, v in theirs.items())
