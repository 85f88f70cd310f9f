"""A tensor's name in any dialect is understood, one in none is not."""

import pytest

from unnoise.adapters.dialects import Key, understood

BLOCK = "down_blocks.0.attentions.0.transformer_blocks.0"
FLAT = BLOCK.replace(".", "_")

NAMES = {
    f"lora_unet_{FLAT}_attn1_to_q.lora_down.weight": ("network", f"{FLAT}_attn1_to_q", "flat", "down"),
    "lora_unet_input_blocks_1_1_proj_in.lora_mid.weight": ("network", "input_blocks_1_1_proj_in", "flat", "mid"),
    "lora_te_text_model_encoder_layers_0_mlp_fc1.alpha": (
        "text",
        "text_model_encoder_layers_0_mlp_fc1",
        "flat",
        "alpha",
    ),
    "lora_te1_a.lora_up.weight": ("text", "a", "flat", "up"),
    "lora_te2_a.lora_up.weight": ("text_2", "a", "flat", "up"),
    "lora_te3_encoder_block_0.dora_scale": ("text_3", "encoder_block_0", "flat", "dora_scale"),
    "lora_transformer_single_transformer_blocks_0_attn_to_q.lora_down.weight": (
        "network",
        "single_transformer_blocks_0_attn_to_q",
        "flat",
        "down",
    ),
    "lycoris_blocks_0_q.lokr_w1": ("network", "blocks_0_q", "flat", "lokr_w1"),
    f"unet.{BLOCK}.attn1.processor.to_q_lora.down.weight": ("network", f"{BLOCK}.attn1.to_q", "dotted", "down"),
    f"{BLOCK}.attn1.processor.to_out_lora.up.weight": ("network", f"{BLOCK}.attn1.to_out.0", "dotted", "up"),
    f"unet.{BLOCK}.attn1.to_k.lora.down.weight": ("network", f"{BLOCK}.attn1.to_k", "dotted", "down"),
    f"unet.{BLOCK}.attn1.to_k.lora_A.weight": ("network", f"{BLOCK}.attn1.to_k", "dotted", "down"),
    f"unet.{BLOCK}.attn1.to_k.lora_magnitude_vector": ("network", f"{BLOCK}.attn1.to_k", "dotted", "magnitude"),
    "base_model.model.proj_out.lora_A.weight": ("network", "proj_out", "dotted", "down"),
    "base_model.model.unet.a.b.lora_B.default.weight": ("network", "a.b", "dotted", "up"),
    "unet.base_model.model.a.lora_B.bias": ("network", "a", "dotted", "bias"),
    "base_model.model.a.lora_magnitude_vector.default.weight": ("network", "a", "dotted", "magnitude"),
    "text_encoder.text_model.encoder.layers.0.self_attn.to_q_lora.down.weight": (
        "text",
        "text_model.encoder.layers.0.self_attn.q_proj",
        "dotted",
        "down",
    ),
    "text_encoder_2.text_model.a.q_proj.lora_linear_layer.up.weight": ("text_2", "text_model.a.q_proj", "dotted", "up"),
    "text_encoders.clip_g.transformer.text_model.a.lora_A.weight": ("text_2", "text_model.a", "dotted", "down"),
    "diffusion_model.double_blocks.0.img_attn.qkv.lora_A.weight": (
        "network",
        "double_blocks.0.img_attn.qkv",
        "dotted",
        "down",
    ),
    "double_blocks.3.processor.qkv_lora1.down.weight": ("network", "double_blocks.3.qkv_lora1", "dotted", "down"),
    "double_blocks.3.processor.proj_lora2.up.weight": ("network", "double_blocks.3.proj_lora2", "dotted", "up"),
    "transformer.transformer_blocks.0.ff.net.2.hada_w1_a": (
        "network",
        "transformer_blocks.0.ff.net.2",
        "dotted",
        "hada_w1_a",
    ),
    "unet:17:up": ("network", "17", "numbered", "up"),
    "text_encoder:0:down": ("text", "0", "numbered", "down"),
    "lora_unet_conv_in.diff_b": ("network", "conv_in", "flat", "diff_b"),
    "lora_unet_conv_in.oft_blocks": ("network", "conv_in", "flat", "OFT"),
    "conditioner.words.diff": ("text", "words", "dotted", "diff"),
}


@pytest.mark.parametrize("name", NAMES)
def test_understood(name):
    assert understood(name) == Key(*NAMES[name])


@pytest.mark.parametrize("name", ["", "lora_unet_", ".lora_down.weight", "unet.lora_A.weight.x", "state", "a.lora_C"])
def test_not_understood(name):
    assert understood(name) is None
