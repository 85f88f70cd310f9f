"""Files of ControlNets: told by what is in them, read for the model they are for, and refused by name otherwise."""

import json
from dataclasses import replace

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.small import holding
from adapters.steering import NET, UNET, net, tensors
from unnoise.adapters.control import WantedControl
from unnoise.adapters.controlled import Given, controlled
from unnoise.adapters.controlnet import OTHERS, read
from unnoise.adapters.told import told
from unnoise.core.error import Refused
from unnoise.core.schedule import Rectified
from unnoise.networks.controlnet import ControlNet
from unnoise.networks.flux import FluxConfig
from unnoise.networks.ldm_unet import LDMUNet
from unnoise.spacings.uniform import Uniform
from unnoise.weights.digest import sha256
from unnoise.weights.header import read_header
from unnoise.weights.maps import controlnet as maps
from unnoise.weights.place import Place
from unnoise.weights.store import write_tensors

HERE = Place(torch.device("cpu"), torch.float32)
OURS = maps.original(NET).ours({k.removeprefix("control_model."): v for k, v in tensors().items()})
CONFIG = {
    "_class_name": "ControlNetModel",
    "block_out_channels": [32, 64],
    "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
    "layers_per_block": 1,
    "cross_attention_dim": 32,
    "attention_head_dim": 8,
    "conditioning_embedding_out_channels": [4, 8, 12, 16],
}


def folder(path, config=CONFIG):
    """As diffusers saves it."""
    path.mkdir()
    text = config if isinstance(config, str) else json.dumps(config)
    (path / "config.json").write_text(text)
    named = maps.diffusers(NET).theirs({name: OURS[name] for name in OURS})
    write_tensors(path / "diffusion_pytorch_model.safetensors", named, {})
    return path


def written(path, held, kind="safetensors"):
    if kind == "pth":
        torch.save(held, path)
    else:
        write_tensors(path, held, {})
    return path


def layouts(path):
    bare = {name.removeprefix("control_model."): value for name, value in tensors().items()}
    yield folder(path / "folder")
    yield folder(path / "beside") / "diffusion_pytorch_model.safetensors"
    yield net(path / "single.safetensors")
    yield written(path / "single.pth", {"state_dict": tensors()}, "pth")
    yield written(path / "bare.safetensors", bare)
    yield written(path / "alone.safetensors", maps.diffusers(NET).theirs({name: OURS[name] for name in OURS}))
    beside = {"model.diffusion_model.out.2.bias": torch.ones(4), "betas": torch.ones(3)}
    yield written(path / "whole.safetensors", tensors() | beside)


def test_every_layout_is_the_same_network(tmp_path):
    for path in layouts(tmp_path):
        file = read(path)
        network = file.network(UNET, HERE)
        assert network.config == NET, path
        assert all(torch.equal(value, OURS[name]) for name, value in network.state_dict().items()), path
        assert list(file.files.values()) == [sha256(each) for each in file.header.files]
        assert file.network(UNET, HERE) is network


def test_in_half_precision_and_where_memory_is_bounded(tmp_path):
    path = net(tmp_path / "x.safetensors")
    half = read(path).network(UNET, Place(HERE.device, torch.bfloat16))
    assert {p.dtype for p in half.parameters()} == {torch.bfloat16}
    bounded = read(path, memory=10**6).network(UNET, Place(HERE.device, torch.bfloat16, 10**6))
    assert torch.float32 in {p.dtype for p in bounded.parameters()}  # as stored, each brought over in its turn


@pytest.mark.parametrize("start", OTHERS)
def test_kinds_that_are_not_built_are_refused_by_name(tmp_path, start):
    kind, remedy = OTHERS[start]
    for held in ({f"{start}0.weight": torch.ones(1)}, tensors() | {f"{start}x": torch.ones(1)}):
        path = written(tmp_path / "x.safetensors", held)
        with pytest.raises(Refused) as found:
            read(path)
        assert kind in found.value.what and found.value.remedy == remedy and found.value.field == "control"
        said = told(read_header(path))
        assert said is not None and said["variety"] == kind and said["runs"] is False


@pytest.mark.parametrize(
    ("held", "said"),
    [
        ({"x": torch.ones(1)}, "name a ControlNet's file"),
        ({"unet.a.lora_A.weight": torch.ones(1, 1), "unet.a.lora_B.weight": torch.ones(1, 1)}, "--lora"),
        ({"model.diffusion_model.input_blocks.0.0.weight": torch.ones(1)}, "name a ControlNet's file"),
    ],
)
def test_what_is_none(tmp_path, held, said):
    with pytest.raises(Refused, match=said):
        read(written(tmp_path / "x.safetensors", held))


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (CONFIG | {"_class_name": "ControlNetUnionModel"}, "ControlNetUnionModel"),
        (CONFIG | {"_class_name": 3}, "class '3'"),
        (CONFIG | {"controlnet_conditioning_channel_order": "bgr"}, "bgr"),
        (CONFIG | {"conditioning_channels": 4}, "conditioning_channels"),
        (CONFIG | {"block_out_channels": []}, "block_out_channels"),
        (CONFIG | {"layers_per_block": 10**9}, "10000000"),
        (CONFIG | {"cross_attention_dim": 768}, "Stable Diffusion 1, with context 768"),
        (CONFIG | {"attention_head_dim": 7}, "7 heads"),
        (CONFIG | {"down_block_types": ["CrossAttnDownBlock2D"] * 2}, "do not fit"),
        ("{", "no JSON"),
        ("[]", "no table"),
        ("[" * 10**5, "no JSON"),
    ],
)
def test_folders_that_cannot_be(tmp_path, config, said):
    with pytest.raises(Refused, match=said):
        read(folder(tmp_path / "x", config)).network(UNET, HERE)


def lacking(held):
    del held["control_model.zero_convs.1.0.bias"]
    return held


def reshaped(held):
    held["control_model.middle_block_out.0.bias"] = torch.ones(3)
    return held


def infinite(held):
    held["control_model.middle_block_out.0.bias"] = torch.full((64,), torch.inf)
    return held


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lacking, "missing: controlnet_down_blocks.1.bias"),
        (reshaped, "another shape"),
        (infinite, "not finite"),
        (lambda held: held | {"control_model.more.weight": torch.ones(1)}, "of no use here"),
        (lambda held: held | {"somewhere.else": torch.ones(1)}, "of no use here"),
        (lambda held: held | {"control_model.input_hint_block.16.weight": torch.ones(1, 1)}, "input_hint_block"),
        (lambda held: held | {"control_model.middle_block.1.proj_in.weight": torch.ones(2)}, "shape"),
        (lambda held: {k: v for k, v in held.items() if "input_hint_block.14" not in k}, "input_hint_block"),
        (lambda held: {k: v for k, v in held.items() if "attn2" not in k}, "attn2"),
        (lambda held: {k: v for k, v in held.items() if "time_embed" not in k}, "missing: time_embedding"),
    ],
)
def test_damaged_files(tmp_path, change, said):
    with pytest.raises(Refused, match=said) as found:
        read(written(tmp_path / "x.safetensors", change(tensors()))).network(UNET, HERE)
    assert "the ControlNet 'x'" in str(found.value) and "--ignore-keys" not in str(found.value)


@pytest.mark.parametrize("keep", [0, 5, 8, 100, 2000, -1])
def test_files_cut_short(tmp_path, keep):
    path = net(tmp_path / "x.safetensors")
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(Refused):
        read(path).network(UNET, HERE)


SHAPES = {name: tuple(value.shape) for name, value in tensors().items()}


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_whatever_shapes_a_file_has_it_is_read_or_refused(tmp_path, data):
    """Tensors of other shapes, missing or renamed."""
    held = dict(SHAPES)
    for name in data.draw(st.lists(st.sampled_from(sorted(SHAPES)), min_size=1, max_size=3, unique=True)):
        match data.draw(st.sampled_from(["gone", "shape", "name"])):
            case "gone":
                del held[name]
            case "shape":
                held[name] = tuple(data.draw(st.lists(st.integers(0, 40), max_size=4)))
            case _:
                held[name.replace(data.draw(st.sampled_from("0.bcw")), data.draw(st.sampled_from(["1", ".", ""])))] = (
                    held[name]
                )
    path = written(tmp_path / "x.safetensors", {name: torch.zeros(shape) for name, shape in held.items()})
    told(read_header(path))
    try:
        network = read(path).network(UNET, HERE)
    except Refused:
        return
    assert {k: tuple(v.shape) for k, v in network.state_dict().items()} == {k: tuple(OURS[k].shape) for k in OURS}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"context": 768}, "Stable Diffusion 1, with context"),
        ({"context": 1024}, "Stable Diffusion 2, with context"),
        ({"widths": (32, 32)}, "with widths"),
        ({"blocks": 2}, "with blocks"),
        ({"channels": 8}, "with channels"),
        ({"pooled": 2816, "context": 2048}, "Stable Diffusion XL, with context"),
    ],
)
def test_one_for_another_model_is_refused_and_said_to_be(tmp_path, changes, said):
    with pytest.raises(Refused, match=said):
        read(net(tmp_path / "x.safetensors", replace(NET, **changes))).network(UNET, HERE)


def test_what_info_says(tmp_path):
    path = net(tmp_path / "x.safetensors", replace(NET, context=768))
    said = {"kind": "control", "meant_for": "Stable Diffusion 1", "variety": "a ControlNet", "layout": "original"}
    assert told(read_header(path)) == said
    assert told(read_header(folder(tmp_path / "y") / "diffusion_pytorch_model.safetensors")) == said | {
        "meant_for": "unknown",
        "layout": "diffusers",
    }


def put_on(model, path, trajectory=None, **wanted):
    levels = trajectory or Uniform()(Rectified(), 4, (4, 8, 8))
    given = Given(read(path), torch.zeros(3, 8, 8, dtype=torch.uint8), WantedControl("x", "", **wanted))
    return controlled(model, [given], levels, 64, 64)


def test_models_that_take_none(tmp_path):
    from unnoise.networks.flux import Flux

    path = net(tmp_path / "x.safetensors")
    small = FluxConfig(width=32, heads=1, depth=1, singles=1, axes=(8, 12, 12), context=8, pooled=8)
    with pytest.raises(Refused, match="a Flux, takes no ControlNet"):
        put_on(holding(Flux(small)), path)
    with pytest.raises(Refused, match="8 pixels a cell"):  # the small model's sample are pixels
        put_on(holding(LDMUNet(UNET)), path)


def test_its_network_is_what_the_tests_take_it_for():
    assert set(ControlNet(NET).state_dict()) == set(OURS)
