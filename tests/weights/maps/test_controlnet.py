"""Configs and shapes that no ControlNet of ours has. tests/parity compares names with diffusers."""

import pytest
import torch

from unnoise.core.error import Refused
from unnoise.networks.controlnet import ControlNet, ControlNetConfig
from unnoise.weights.maps.controlnet import diffusers, from_diffusers, from_original, from_shapes, original

PLAIN = {"cross_attention_dim": 768}


@pytest.mark.parametrize(
    "wrong",
    [
        {"controlnet_conditioning_channel_order": "bgr"},
        {"conditioning_channels": 4},
        {"conditioning_embedding_out_channels": [16, 32]},
        {"conditioning_embedding_out_channels": "16"},
        {"global_pool_conditions": "yes"},
        {"encoder_hid_dim_type": "text_proj"},
        {"mid_block_type": "UNetMidBlock2D"},
        {"down_block_types": ["DownBlock2D", "UpBlock2D"]},
        {"num_control_type": 6},
        {"in_channels": 0},
    ],
    ids=str,
)
def test_options_that_are_not_built_are_refused_by_name(wrong):
    assert ControlNetConfig(**from_diffusers(PLAIN)) == ControlNetConfig()
    with pytest.raises(Refused, match=next(iter(wrong))):
        from_diffusers(PLAIN | wrong)


def test_shapes_of_no_controlnet_are_refused():
    config = ControlNetConfig(widths=(64, 64), depths=(1, 0), heads=(8, 8), context=8, hint=(4, 6, 8, 10))
    with torch.device("meta"):
        whole = {k: tuple(v.shape) for k, v in original(config).theirs(ControlNet(config).state_dict()).items()}
    assert ControlNetConfig(**from_original(whole)) == config
    for gone in ("input_hint_block.14.weight", "input_hint_block.0.weight", "input_blocks.0.0.weight"):
        with pytest.raises(Refused):
            from_original({k: v for k, v in whole.items() if k != gone})
    with pytest.raises(Refused):
        from_original({})


def test_diffusers_names_alone_tell_the_config_or_are_refused():
    config = ControlNetConfig(
        widths=(64, 96, 128), depths=(0, 2, 3), middle=3, heads=(4, 4, 4), context=8, pooled=20, hint=(4, 6, 8, 10),
        linear=True,
    )  # fmt: skip
    with torch.device("meta"):
        whole = {k: tuple(v.shape) for k, v in diffusers(config).theirs(ControlNet(config).state_dict()).items()}
    assert ControlNetConfig(**from_shapes(whole), heads=config.heads) == config
    others = (
        "conv_in.weight",
        "controlnet_cond_embedding.blocks.3.weight",
        "down_blocks.1.resnets.0.conv1.weight",
        "down_blocks.2.resnets.1.conv1.weight",
        "mid_block.attentions.0.transformer_blocks.0.attn2.to_k.weight",
    )
    for gone in others:
        with pytest.raises(Refused):
            ControlNetConfig(**from_shapes({k: v for k, v in whole.items() if k != gone}), heads=config.heads)
    with pytest.raises(Refused):
        from_shapes({})
