"""Configs and shapes that no U-Net of ours has; names there and back. tests/parity compares with diffusers."""

from math import prod

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unnoise.core.error import Refused
from unnoise.networks.ldm_unet import LDMUNet, LDMUNetConfig
from unnoise.weights.maps.ldm_unet import diffusers, from_diffusers, from_original, original

WRONG = [
    {"mid_block_type": None},
    {"mid_block_type": "UNetMidBlock2D"},
    {"act_fn": "gelu"},
    {"flip_sin_to_cos": False},
    {"time_cond_proj_dim": 256},
    {"class_embed_type": "projection"},
    {"num_class_embeds": 1000},
    {"encoder_hid_dim": 1024},
    {"addition_embed_type": "image"},
    {"projection_class_embeddings_input_dim": None, "addition_embed_type": "text_time"},
    {"dual_cross_attention": True},
    {"only_cross_attention": True},
    {"resnet_time_scale_shift": "scale_shift"},
    {"reverse_transformer_layers_per_block": [[1]]},
    {"transformer_layers_per_block": [1, [1, 2], 10, 1]},
    {"transformer_layers_per_block": [1, 2]},
    {"layers_per_block": [2, 2, 1, 2]},
    {"layers_per_block": 0},
    {"cross_attention_dim": [768, 768, 1024, 768]},
    {"block_out_channels": "320"},
    {"block_out_channels": []},
    {"block_out_channels": [320, -1, 1280, 1280]},
    {"block_out_channels": [10**12] * 4},
    {"attention_head_dim": {"a": 1}},
    {"attention_head_dim": True},
    {"down_block_types": ["DownBlock2D"] * 4},
    {"down_block_types": ["os.system"] * 4},
    {"down_block_types": 7},
    {"in_channels": 3},
    {"in_channels": "4"},
    {"use_linear_projection": "yes"},
    {"norm_num_groups": None},
    {"something_new": 1},
]


@pytest.mark.parametrize("wrong", WRONG, ids=[str(w)[:40] for w in WRONG])
def test_options_that_are_not_built_are_refused_by_name(wrong):
    assert LDMUNetConfig(**from_diffusers({"cross_attention_dim": 768})) == LDMUNetConfig()
    with pytest.raises(Refused, match=next(iter(wrong))):
        LDMUNetConfig(**from_diffusers({"cross_attention_dim": 768} | wrong))


def test_options_without_influence_are_not_asked_about():
    plain = {"cross_attention_dim": 768, "_class_name": "UNet2DConditionModel", "_diffusers_version": "0.6.0"}
    more = {
        "sample_size": 64,
        "upcast_attention": True,
        "dropout": 0.1,
        "something_new": None,
        "time_cond_proj_dim": None,
    }
    assert from_diffusers(plain | more) == from_diffusers(plain)


configs = st.integers(1, 3).flatmap(
    lambda levels: st.builds(
        LDMUNetConfig,
        widths=st.tuples(*[st.sampled_from([64, 128])] * levels),
        blocks=st.integers(1, 3),
        depths=st.tuples(*[st.integers(0, 2)] * levels),
        middle=st.integers(1, 2),
        heads=st.just((8,) * levels),
        context=st.sampled_from([8, 24]),
        pooled=st.sampled_from([0, 16]),
        extra=st.sampled_from([0, 5]),
    )
)


@given(configs)
@settings(max_examples=15)
def test_shapes_say_all_of_a_config_and_names_go_there_and_back(config):
    with torch.device("meta"):
        ours = LDMUNet(config).state_dict()
    single = original(config).theirs(ours)
    assert LDMUNetConfig(**from_original(shapes(single))) == config
    for table in (original(config), diffusers(config)):
        theirs = table.theirs(ours)
        assert len(theirs) == len(ours) and sum(map(numel, theirs.values())) == sum(map(numel, ours.values()))
        assert shapes(table.ours(theirs)) == shapes(ours)


def test_shapes_of_no_u_net_are_refused():
    config = LDMUNetConfig(widths=(64, 64), depths=(1, 0), heads=(8, 8), context=8)
    with torch.device("meta"):
        whole = shapes(original(config).theirs(LDMUNet(config).state_dict()))
    assert from_original(whole)
    for gone in ("out.2.weight", "input_blocks.0.0.weight", "input_blocks.1.0.in_layers.2.weight"):
        with pytest.raises(Refused):
            from_original({k: v for k, v in whole.items() if k != gone})
    for wrong in ({}, {"out.2.weight": ()}, {"out.2.weight": (0, 1)}, {"input_blocks.0.0.weight": (64, 2, 3, 3)}):
        with pytest.raises(Refused):
            from_original((whole if wrong else {}) | wrong)
    middle = "middle_block.1.transformer_blocks.0.attn2.to_k.weight"
    with pytest.raises(Refused, match="attn2"):
        from_original({k: v for k, v in whole.items() if k != middle})


def shapes(tensors):
    return {k: tuple(v.shape) for k, v in tensors.items()}


def numel(tensor):
    return prod(tensor.shape)
