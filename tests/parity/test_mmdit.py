"""Stable Diffusion 3's transformer as diffusers has it: the same numbers from the files it saves, every full layout."""

import json

import pytest
import torch
from safetensors.torch import load_file

from building import drawn
from unnoise.core.branch import View
from unnoise.networks.mmdit import MMDiT, MMDiTConfig
from unnoise.weights.maps import mmdit
from unnoise.weights.place import Place, filled

diffusers = pytest.importorskip("diffusers", reason="diffusers, the library compared with, is not installed")

CPU = Place(torch.device("cpu"), torch.float32)
TINY = {
    "sample_size": 16,
    "in_channels": 4,
    "out_channels": 4,
    "num_layers": 3,
    "attention_head_dim": 8,
    "num_attention_heads": 4,
    "joint_attention_dim": 20,
    "caption_projection_dim": 32,
    "pooled_projection_dim": 12,
    "pos_embed_max_size": 12,
}
NORMED = {"qk_norm": "rms_norm"}
VARIANTS = {
    "sd3 medium": {},
    "sd3.5 medium": NORMED | {"dual_attention_layers": (0, 1)},
    "sd3.5 large": NORMED,
}
COMMON = {
    "attention_head_dim": 64,
    "in_channels": 16,
    "out_channels": 16,
    "joint_attention_dim": 4096,
    "pooled_projection_dim": 2048,
    "sample_size": 128,
}
MEDIUM = COMMON | {"num_layers": 24, "num_attention_heads": 24, "caption_projection_dim": 1536}
LARGE = COMMON | {"num_layers": 38, "num_attention_heads": 38, "caption_projection_dim": 2432}
FULL = {  # as Stability AI published them
    "sd3 medium": MEDIUM | {"pos_embed_max_size": 192},
    "sd3.5 medium": MEDIUM | NORMED | {"pos_embed_max_size": 384, "dual_attention_layers": tuple(range(13))},
    "sd3.5 large": LARGE | NORMED | {"pos_embed_max_size": 192},
}
variants = pytest.mark.parametrize("changes", VARIANTS.values(), ids=VARIANTS)
full_sizes = pytest.mark.parametrize("config", FULL.values(), ids=FULL)


def theirs(changes):
    torch.manual_seed(0)
    model = diffusers.SD3Transformer2DModel(**(TINY | changes)).eval()
    for parameter in model.parameters():  # also those that start as zeros and ones
        torch.nn.init.normal_(parameter, std=0.2)
    return model


def ours(folder):
    config = MMDiTConfig(**mmdit.from_diffusers(json.loads((folder / "config.json").read_text())))
    tensors = mmdit.diffusers(config).ours(load_file(folder / "diffusion_pytorch_model.safetensors"))
    return filled(lambda: MMDiT(config), tensors, "", CPU)


def both(changes, folder):
    model = theirs(changes)
    model.save_pretrained(folder)
    return model, ours(folder)


def near(found, expected):
    assert found.shape == expected.shape
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()


@variants
@torch.no_grad()
def test_it_gives_the_same_numbers(tmp_path, changes):
    model, mine = both(changes, tmp_path)
    time, context, pooled = torch.tensor([3.0, 871.0]), drawn(2, 7, 20, seed=2), drawn(2, 12, seed=3)
    said = MMDiT.Condition(context=context, pooled=pooled)
    for high, wide in ((16, 16), (8, 24)):
        x = drawn(2, 4, high, wide)
        near(mine(x, time, said), model(x, context, pooled, time).sample)


@variants
@pytest.mark.parametrize("layers", [(1,), (0, 2)])
@torch.no_grad()
def test_skipped_layers_are_those_that_diffusers_skips(tmp_path, changes, layers):
    model, mine = both(changes, tmp_path)
    x, time, context, pooled = drawn(1, 4, 8, 8), torch.tensor([400.0]), drawn(1, 5, 20, seed=2), drawn(1, 12, seed=3)
    found = mine.view(View("skipped", layers))(x, time, MMDiT.Condition(context=context, pooled=pooled))
    near(found, model(x, context, pooled, time, skip_layers=list(layers)).sample)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@torch.no_grad()
def test_in_half_precision_it_errs_no_more_than_diffusers(tmp_path, dtype):
    model, mine = both(VARIANTS["sd3.5 medium"], tmp_path)
    for parameter in model.parameters():
        parameter.mul_(0.5)
    model.save_pretrained(tmp_path)
    mine = ours(tmp_path)
    inputs = [drawn(2, 4, 16, 16), drawn(2, 7, 20, seed=2), drawn(2, 12, seed=3)]
    time = torch.tensor([12.0, 500.0])  # whole numbers that bfloat16 holds
    exact = model(*inputs, time).sample
    x, context, pooled = (v.to(dtype) for v in inputs)
    peer = model.to(dtype)(x, context, pooled, time).sample
    found = mine.to(dtype)(x, time, MMDiT.Condition(context=context, pooled=pooled))
    assert found.dtype == dtype
    assert (found - exact).norm() <= 1.2 * (peer - exact).norm()


@full_sizes
def test_every_key_and_shape_of_a_full_size_model_is_diffusers(config):
    with torch.device("meta"):
        expected = diffusers.SD3Transformer2DModel(**config).state_dict()
        settings = MMDiTConfig(**mmdit.from_diffusers(config))
        network = MMDiT(settings).state_dict()
    keys = mmdit.diffusers(settings)
    made = keys.theirs(network)
    assert {k: v.shape for k, v in made.items()} == {k: v.shape for k, v in expected.items()}
    back = keys.ours(expected)
    assert {k: back[k].shape for k in back} == {k: v.shape for k, v in network.items()}


@full_sizes
def test_a_full_size_single_file_has_our_names_and_tells_our_settings(config):
    with torch.device("meta"):
        settings = MMDiTConfig(**mmdit.from_diffusers(config))
        network = MMDiT(settings).state_dict()
    original = mmdit.original(settings)
    assert {k: v.shape for k, v in original.theirs(network).items()} == {k: v.shape for k, v in network.items()}
    assert list(original.ours(network)) == list(network)
    assert MMDiTConfig(**mmdit.from_original({k: tuple(v.shape) for k, v in network.items()})) == settings


@variants
def test_diffusers_own_converter_agrees_on_a_single_file(changes):
    from diffusers.loaders.single_file_utils import convert_sd3_transformer_checkpoint_to_diffusers

    settings = MMDiTConfig(**mmdit.from_diffusers(TINY | changes))
    single = {k: drawn(*v.shape, seed=i) for i, (k, v) in enumerate(MMDiT(settings).state_dict().items())}
    expected = convert_sd3_transformer_checkpoint_to_diffusers(dict(single))
    made = mmdit.diffusers(settings).theirs(single)
    assert made.keys() == expected.keys()
    assert all(torch.equal(made[k], expected[k]) for k in made)
    back = mmdit.diffusers(settings).ours(expected)
    assert all(torch.equal(back[k], single[k]) for k in single)
