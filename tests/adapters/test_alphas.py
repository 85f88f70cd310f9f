"""What a header says of alpha is for the layers that it names."""

import json

import pytest

from unnoise.adapters.alphas import alphas, stated
from unnoise.adapters.pieces import Alpha, Where

LAYER = Where("network", "down_blocks.0.attn1.to_q", "dotted")


def test_patterns_name_layers_in_full_or_by_their_last_parts():
    found = stated({"lora_alpha": 4, "alpha_pattern": {"attn1.to_q": 2, "^down.exact$": 3, r"mid\.attn": 7}})
    assert found("down_blocks.0.attn1.to_q") == Alpha(2)
    assert found("down_blocks.0.xattn1.to_q") == Alpha(4)
    assert found("down.exact") == Alpha(3)
    assert found("mid.attn") == Alpha(7)
    assert stated({"lora_alpha": 4, "use_rslora": True})("a") == Alpha(4, root=True)


@pytest.mark.parametrize("config", [{}, {"lora_alpha": "4"}, {"lora_alpha": True}, {"alpha_pattern": [1]}])
def test_what_is_no_number_says_nothing(config):
    assert stated(config)("a") is None


def test_each_component_has_its_own(tmp_path):
    said = {"unet.lora_alpha": 4, "text_encoder_2.lora_alpha": 6, "nonsense": 1}
    found = alphas({"lora_adapter_metadata": json.dumps(said)}, tmp_path / "a.safetensors")
    assert found(LAYER) == Alpha(4)
    assert found(Where("text_2", "a", "dotted")) == Alpha(6)
    assert found(Where("text", "a", "dotted")) is None


def test_pefts_own_folder_says_it_in_a_file_beside(tmp_path):
    (tmp_path / "adapter_config.json").write_text(json.dumps({"lora_alpha": 32, "r": 8}))
    assert alphas({}, tmp_path / "adapter_model.safetensors")(LAYER) == Alpha(32)
    assert alphas({}, tmp_path / "other.safetensors")(LAYER) is None
