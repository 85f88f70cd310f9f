"""Layers are found by every name that files have for them, and by no other."""

import json
from dataclasses import replace

import pytest

from adapters.small import FULL, TEXT, TO_Q, UNET, meta, model
from unnoise.adapters.layers import Part, part_named, parts
from unnoise.adapters.lora import layers
from unnoise.core.denoiser import Denoiser
from unnoise.networks.clip_text import CLIPText
from unnoise.networks.controlnet import Controlled
from unnoise.networks.ldm_unet import LDMUNet
from unnoise.weights.keymap import Spot


@pytest.mark.parametrize("name", FULL)
def test_no_two_layers_are_spelt_the_same_with_underscores(name):
    part = meta(name)
    assert len(part.flat) == len(part.names)
    assert {spot.name for spot in part.flat.values()} == part.layers.keys()


def test_both_namings_of_a_block_are_known():
    part = Part(LDMUNet(UNET))
    ours = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
    assert part.spot("input_blocks_1_1_transformer_blocks_0_attn1_to_q", "flat") == Spot(ours)
    assert part.spot(TO_Q.replace(".", "_"), "flat") == Spot(ours)
    assert part.spot("input_blocks.1.1.transformer_blocks.0.attn1.to_q", "dotted") == Spot(ours)
    assert part.spot("input_blocks_1_1_transformer_blocks_0_attn1_to_x", "flat") is None
    assert part.spot(TO_Q, "flat") is None


def test_rows_of_fused_layers():
    part = Part(CLIPText(TEXT))
    ours = "encoder.layers.1.self_attn.qkv"
    assert part.spot("text_model.encoder.layers.1.self_attn.k_proj", "dotted") == Spot(ours, (1, 2, 3))
    assert part.spot("text_model_encoder_layers_1_self_attn_v_proj", "flat") == Spot(ours, (2, 3, 3))
    assert part.spot("encoder.layers.1.self_attn.q_proj", "dotted") == Spot(ours, (0, 1, 3))


def test_xlabs_layers_of_flux():
    part = meta("flux")
    assert part.spot("double_blocks.3.proj_lora2", "dotted") == Spot("double_blocks.3.txt_attn.proj")
    assert part.spot("single_blocks.3.qkv_lora", "dotted") == Spot("single_blocks.3.linear1", (0, 3, 7))
    assert part.spot("single_blocks.3.proj_lora", "dotted") == Spot("single_blocks.3.linear2")


def test_numbered_layers_follow_the_walk_of_the_first_package(shared):
    """The shapes of a real file are those of the layers that its numbers stand for."""
    from unnoise.weights.header import read_header

    header = read_header(shared / "fixtures" / "lora" / "analog_svd_rank4.safetensors")
    for prefix, name in (("unet", "sd1"), ("text_encoder", "clip")):
        part = meta(name)
        assert len(part.numbered) == sum(k.startswith(prefix) and k.endswith("up") for k in header.tensors)
        for number, spot in enumerate(part.numbered):
            assert spot is not None
            rows = (spot.rows or (0, 1, 1))[2]
            out, inner = tuple(part.layers[spot.name].weight.shape)
            assert header.tensors[f"{prefix}:{number}:up"].shape == (out // rows, 4)
            assert header.tensors[f"{prefix}:{number}:down"].shape == (4, inner)


@pytest.mark.parametrize(
    "name", ["aitoolkit", "diffusers_base_model", "diffusers", "diffusers_no_proj_mlp", "kohya", "xlabs"]
)
def test_every_key_of_real_flux_files_has_its_layer_and_shape(shared, name):
    path = shared / "fixtures" / "key_lists" / f"flux_lora_{name}_format.json"
    shapes, part = json.loads(path.read_text())["keys"], meta("flux")
    found = layers(shapes, path)
    assert sum(map(len, found.values())) == len(shapes)
    for where, slots in found.items():
        spot = part.spot(where.layer, where.spelling)
        assert spot is not None, where
        first, last, of = spot.rows or (0, 1, 1)
        out, inner = tuple(part.layers[spot.name].weight.shape)
        assert shapes[slots["up"]][0] == out * (last - first) // of
        assert shapes[slots["down"]][1] == inner


def test_text_encoders_by_their_number():
    two = parts(model(2))
    assert list(two) == ["network", "text", "text_2"]
    assert two["text"].place == "encoders.0"
    assert part_named(two, "text_2") == ("text_2", two["text_2"])
    assert part_named(two, "text_3") == ("text_2", two["text_2"])


def test_a_network_within_controls_is_the_part():
    plain = model()
    denoiser = plain.denoiser
    held = replace(plain, denoiser=Denoiser(Controlled(denoiser.network, ()), denoiser.prediction, denoiser.clock))
    found = parts(held)["network"]
    assert found.place == "network" and found.module is denoiser.network
    assert found.spot(TO_Q, "dotted") == Spot(TO_Q)


def test_a_conditioner_with_an_encoder_of_its_own_is_a_part(tiny_model):
    from unnoise.catalogue import load

    own = parts(load(str(tiny_model), "cpu"))
    assert own["text"].place == ""
    assert own["text"].spot("blocks.0.mlp.out", "dotted") or "blocks.0.attention.query" in own["text"].names
    assert own["network"].names
