"""Flux's names and settings: every layer has its place, those of real LoRAs too, and what we cannot run is refused."""

import json

import pytest
import torch

from building import drawn
from unnoise.core.error import Refused
from unnoise.networks.flux import Flux, FluxConfig
from unnoise.weights.keymap import Spot
from unnoise.weights.maps import flux

SMALL = FluxConfig(channels=4, width=32, heads=2, depth=2, singles=2, context=12, pooled=8, axes=(4, 4, 8))
PUBLISHED = {"attention_head_dim": 128, "guidance_embeds": True, "in_channels": 64, "num_layers": 19, "patch_size": 1}


@pytest.fixture(scope="module")
def full():
    with torch.device("meta"):
        return {k: tuple(v.shape) for k, v in Flux(FluxConfig()).state_dict().items()}


def test_there_and_back_every_tensor_is_as_it_was():
    ours = {k: drawn(*v.shape, seed=i) for i, (k, v) in enumerate(Flux(SMALL).state_dict().items())}
    for keys in (flux.original(SMALL), flux.diffusers(SMALL)):
        back = keys.ours(keys.theirs(ours))
        assert back.keys() == ours.keys()
        assert all(torch.equal(back[k], ours[k]) for k in ours)


@pytest.mark.parametrize("prefix", ["", "model.diffusion_model."])
def test_a_single_file_may_have_a_prefix(prefix):
    ours = {k: drawn(*v.shape, seed=i) for i, (k, v) in enumerate(Flux(SMALL).state_dict().items())}
    keys = flux.original(SMALL).inside(prefix, "")
    theirs = {prefix + k: v for k, v in ours.items()}
    assert {k: v.data_ptr() for k, v in keys.ours(theirs).items()} == {k: v.data_ptr() for k, v in ours.items()}
    assert keys.theirs(ours).keys() == theirs.keys()


@pytest.mark.parametrize(
    ("layer", "spot"),
    [
        ("transformer_blocks.1.attn.to_v", Spot("double_blocks.1.img_attn.qkv", (2, 3, 3))),
        ("transformer_blocks.1.attn.add_q_proj", Spot("double_blocks.1.txt_attn.qkv", (0, 1, 3))),
        ("transformer_blocks.1.attn.to_out.0", Spot("double_blocks.1.img_attn.proj")),
        ("transformer_blocks.1.norm1_context.linear", Spot("double_blocks.1.txt_mod.lin")),
        ("single_transformer_blocks.1.attn.to_k", Spot("single_blocks.1.linear1", (1, 2, 7))),
        ("single_transformer_blocks.1.proj_mlp", Spot("single_blocks.1.linear1", (3, 7, 7))),
        ("single_transformer_blocks.1.proj_out", Spot("single_blocks.1.linear2")),
        ("proj_out", Spot("final_layer.linear")),
        ("norm_out.linear", Spot("final_layer.adaLN_modulation.1", None, "swapped")),
        ("single_transformer_blocks.1.attn.to_out.0", None),
    ],
)
def test_a_layer_that_a_lora_of_diffusers_names_is_found(layer, spot):
    assert flux.diffusers(SMALL).spot(layer) == spot


@pytest.mark.parametrize(
    ("file", "prefix", "table", "ends"),
    [
        ("flux_lora_diffusers_format", "transformer.", flux.diffusers, (".lora_A.weight", ".lora_B.weight")),
        (
            "flux_lora_diffusers_no_proj_mlp_format",
            "transformer.",
            flux.diffusers,
            (".lora_A.weight", ".lora_B.weight"),
        ),
        (
            "flux_lora_diffusers_base_model_format",
            "base_model.model.",
            flux.diffusers,
            (".lora_A.weight", ".lora_B.weight"),
        ),
        ("flux_lora_aitoolkit_format", "diffusion_model.", flux.original, (".lora_A.weight", ".lora_B.weight")),
    ],
)
def test_every_layer_of_a_real_lora_is_found_and_its_rows_fit(shared, full, file, prefix, table, ends):
    keys = json.loads((shared / "fixtures" / "key_lists" / f"{file}.json").read_text())["keys"]
    before, after = ends
    layers = {name.removesuffix(end) for name in keys for end in ends if name.endswith(end)}
    assert layers and all(layer.startswith(prefix) for layer in layers)
    names = table(FluxConfig())
    for layer in layers:
        spot = names.spot(layer.removeprefix(prefix))
        assert spot is not None, layer
        rows, columns = full[spot.name + ".weight"]
        first, last, parts = spot.rows or (0, 1, 1)
        assert keys[layer + after][0] == rows * (last - first) // parts, layer
        assert keys[layer + before][-1] == columns, layer


def test_shapes_tell_the_settings(full):
    assert FluxConfig(**flux.from_original(full)) == FluxConfig()
    schnell = {k: v for k, v in full.items() if not k.startswith("guidance_in")}
    assert FluxConfig(**flux.from_original(schnell)) == FluxConfig(guidance=False)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ({"img_in.weight": (3072, 384)}, "Fill"),
        ({"img_in.weight": (3072,)}, "img_in.weight"),
        ({"double_blocks.0.img_attn.norm.key_norm.scale": (64,)}, "go together"),
        ({"double_blocks.0.img_mlp.0.weight": (12000, 3072)}, "go together"),
        ({"single_blocks.39.linear1.weight": (21504, 3072)}, "row of single_blocks"),
        ({"vector_in.in_layer.weight": (3072, 0)}, "vector_in"),
    ],
)
def test_shapes_of_another_kind_are_refused(full, damage, said):
    with pytest.raises(Refused, match=said):
        flux.from_original(full | damage)


def test_the_next_flux_is_another_kind(shared):
    shapes = json.loads((shared / "fixtures" / "key_lists" / "flux2_transformer_bfl_keys.json").read_text())["keys"]
    with pytest.raises(Refused):
        flux.from_original({k: tuple(v) for k, v in shapes.items()})


def test_a_config_json_tells_the_settings():
    notes = {"_class_name": "FluxTransformer2DModel", "_diffusers_version": "0.30", "out_channels": None}
    assert FluxConfig(**flux.from_diffusers(PUBLISHED | notes)) == FluxConfig()
    assert FluxConfig(**flux.from_diffusers({})) == FluxConfig(guidance=False)


@pytest.mark.parametrize(
    "change",
    [
        {"in_channels": 63},
        {"out_channels": 16},
        {"patch_size": 2},
        {"guidance_embeds": "yes"},
        {"axes_dims_rope": [16, 56]},
        {"axes_dims_rope": [16, 55, 57]},
        {"axes_dims_rope": [16, 56, 64]},
        {"num_single_layers": 10**9},
        {"attention_head_dim": None},
        {"quantization_config": {"load_in_4bit": True}},
    ],
    ids=str,
)
def test_what_cannot_be_honoured_is_refused(change):
    with pytest.raises(Refused, match=next(iter(change))):
        flux.from_diffusers(PUBLISHED | change)
