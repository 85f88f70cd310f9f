"""An adapter's kind of model is told by what the file says, then by its layers, and guessed from nothing else."""

import pytest

from unnoise.adapters.meant import meant_for

KOHYA = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k.lora_down.weight"


@pytest.mark.parametrize(
    ("shapes", "metadata", "title"),
    [
        ({}, {"modelspec.architecture": "stable-diffusion-xl-v1-base/lora"}, "SDXL"),
        ({}, {"modelspec.architecture": "flux-1-dev/lora"}, "FLUX.1"),
        ({}, {"ss_base_model_version": "sd_v1"}, "Stable Diffusion 1"),
        ({}, {"ss_base_model_version": "sdxl_base_v1-0"}, "SDXL"),
        ({}, {"ss_base_model_version": "sd_v2_768_v"}, "Stable Diffusion 2"),
        ({"lora_unet_double_blocks_0_img_attn_qkv.lora_down.weight": (4, 8)}, {}, "FLUX.1"),
        ({"transformer.single_transformer_blocks.0.attn.to_q.lora_A.weight": (4, 8)}, {}, "FLUX.1"),
        ({"transformer.transformer_blocks.0.attn.add_k_proj.lora_A.weight": (4, 8)}, {}, "Stable Diffusion 3"),
        ({"lora_unet_joint_blocks_0_x_block_attn_qkv.lora_down.weight": (4, 8)}, {}, "Stable Diffusion 3"),
        ({KOHYA: (4, 768)}, {}, "Stable Diffusion 1"),
        ({KOHYA: (4, 1024)}, {}, "Stable Diffusion 2"),
        ({KOHYA: (4, 2048)}, {}, "SDXL"),
        ({"unet.a.attn2.processor.to_k_lora.down.weight": (4, 768)}, {}, "Stable Diffusion 1"),
        ({"a.lora_down.weight": (4, 768)}, {}, ""),
        ({}, {}, ""),
    ],
)
def test_meant_for(shapes, metadata, title):
    assert meant_for(shapes, metadata) == title
