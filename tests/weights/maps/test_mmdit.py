"""Stable Diffusion 3's names and settings: every layer has its place, and what we cannot run is refused."""

import pytest
import torch

from building import drawn
from unnoise.core.error import Refused
from unnoise.networks.mmdit import MMDiT, MMDiTConfig
from unnoise.weights.keymap import Spot
from unnoise.weights.maps import mmdit

SMALL = MMDiTConfig(channels=4, width=64, depth=3, heads=2, context=12, pooled=8, positions=6, normed=True, dual=(0, 1))
SHAPES = {k: tuple(v.shape) for k, v in MMDiT(SMALL).state_dict().items()}
PUBLISHED = {"num_layers": 24, "num_attention_heads": 24, "caption_projection_dim": 1536, "pos_embed_max_size": 192}


def test_there_and_back_every_tensor_is_as_it_was():
    ours = {k: drawn(*shape, seed=i) for i, (k, shape) in enumerate(SHAPES.items())}
    for keys in (mmdit.original(SMALL), mmdit.diffusers(SMALL), mmdit.diffusers(SMALL).inside("model.", "net.")):
        prefix = "net." if keys.spot("model.pos_embed.pos_embed") else ""
        mine = {prefix + k: v for k, v in ours.items()}
        back = keys.ours(keys.theirs(mine))
        assert back.keys() == mine.keys()
        assert all(torch.equal(back[k], mine[k]) for k in mine)


@pytest.mark.parametrize(
    ("layer", "spot"),
    [
        ("transformer_blocks.1.attn.to_k", Spot("joint_blocks.1.x_block.attn.qkv", (1, 2, 3))),
        ("transformer_blocks.1.attn.add_v_proj", Spot("joint_blocks.1.context_block.attn.qkv", (2, 3, 3))),
        ("transformer_blocks.1.attn2.to_q", Spot("joint_blocks.1.x_block.attn2.qkv", (0, 1, 3))),
        ("transformer_blocks.1.attn.to_out.0", Spot("joint_blocks.1.x_block.attn.proj")),
        ("transformer_blocks.1.attn.to_add_out", Spot("joint_blocks.1.context_block.attn.proj")),
        ("transformer_blocks.1.ff_context.net.0.proj", Spot("joint_blocks.1.context_block.mlp.fc1")),
        ("transformer_blocks.1.norm1_context.linear", Spot("joint_blocks.1.context_block.adaLN_modulation.1")),
        (
            "transformer_blocks.2.norm1_context.linear",
            Spot("joint_blocks.2.context_block.adaLN_modulation.1", None, "swapped"),
        ),
        ("norm_out.linear", Spot("final_layer.adaLN_modulation.1", None, "swapped")),
        ("transformer_blocks.1.attn.to_x", None),
    ],
)
def test_a_layer_that_a_lora_of_diffusers_names_is_found(layer, spot):
    assert mmdit.diffusers(SMALL).spot(layer) == spot


def test_a_layer_that_a_lora_of_the_original_names_is_found():
    keys = mmdit.original(SMALL)
    assert keys.spot("joint_blocks.0.x_block.attn2.qkv") == Spot("joint_blocks.0.x_block.attn2.qkv")
    assert keys.spot("joint_blocks.0.x_block.attn.to_q") is None
    with pytest.raises(Refused, match="of no use"):
        keys.ours({"joint_blocks.0.x_block.attn.more.weight": torch.zeros(1)})


def test_shapes_tell_the_settings():
    assert MMDiTConfig(**mmdit.from_original(SHAPES | {"pos_embed": (1, 36, 64)})) == SMALL
    plain = {k: v for k, v in SHAPES.items() if "ln_" not in k}
    assert mmdit.from_original(plain)["heads"] == 1  # heads are 64 wide where no norm tells


@pytest.mark.parametrize(
    "damage",
    [
        {"x_embedder.proj.weight": (64, 4)},
        {"x_embedder.proj.weight": (64, 0, 2, 2)},
        {"pos_embed": (1, 35, 64)},
        {"final_layer.linear.weight": (7, 64)},
        {"joint_blocks.4.x_block.attn.qkv.weight": (192, 64)},
        {"joint_blocks.x.x_block.attn.qkv.weight": (192, 64)},
        {"joint_blocks.0.x_block.attn.ln_q.weight": (48,)},
    ],
    ids=str,
)
def test_shapes_that_do_not_go_together_are_refused(damage):
    with pytest.raises(Refused):
        mmdit.from_original(SHAPES | damage)


@pytest.mark.parametrize("missing", ["x_embedder.proj.weight", "pos_embed", "y_embedder.mlp.0.weight"])
def test_a_file_without_a_tensor_that_tells_is_refused(missing):
    with pytest.raises(Refused, match=missing):
        mmdit.from_original({k: v for k, v in SHAPES.items() if k != missing})


def test_a_config_json_tells_the_settings():
    notes = {"_class_name": "SD3Transformer2DModel", "sample_size": 128, "qk_norm": None, "_diffusers_version": "0.29"}
    large = {"num_layers": 38, "num_attention_heads": 38, "qk_norm": "rms_norm", "caption_projection_dim": 2432}
    assert MMDiTConfig(**mmdit.from_diffusers(PUBLISHED | notes)) == MMDiTConfig()
    fields = mmdit.from_diffusers(PUBLISHED | large)
    assert (fields["width"], fields["depth"], fields["normed"]) == (2432, 38, True)


@pytest.mark.parametrize(
    "change",
    [
        {"qk_norm": "layer_norm"},
        {"out_channels": 32},
        {"caption_projection_dim": 1152},
        {"dual_attention_layers": [24]},
        {"dual_attention_layers": "all"},
        {"num_layers": 10**9},
        {"num_layers": True},
        {"patch_size": 0},
        {"pos_embed_max_size": None},
        {"joint_attention_dim": "4096"},
        {"quantization_config": {"load_in_4bit": True}},
    ],
    ids=str,
)
def test_what_cannot_be_honoured_is_refused(change):
    with pytest.raises(Refused, match=next(iter(change))):
        mmdit.from_diffusers(PUBLISHED | change)
