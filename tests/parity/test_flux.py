"""Flux's transformer as diffusers has it: the same numbers from the files it saves, and every full-size layout."""

import json

import pytest
import torch
from safetensors.torch import load_file

from building import drawn
from unnoise.networks.flux import Flux, FluxConfig
from unnoise.nn.patch import patchify, unpatchify
from unnoise.weights.maps import flux
from unnoise.weights.place import Place, filled

diffusers = pytest.importorskip("diffusers", reason="diffusers, the library compared with, is not installed")

CPU = Place(torch.device("cpu"), torch.float32)
TINY = {
    "in_channels": 16,
    "num_layers": 2,
    "num_single_layers": 2,
    "attention_head_dim": 16,
    "num_attention_heads": 2,
    "joint_attention_dim": 20,
    "pooled_projection_dim": 12,
    "axes_dims_rope": (4, 4, 8),
}
# As Black Forest Labs published them.
FULL = {
    "in_channels": 64,
    "num_layers": 19,
    "num_single_layers": 38,
    "attention_head_dim": 128,
    "num_attention_heads": 24,
    "joint_attention_dim": 4096,
    "pooled_projection_dim": 768,
    "patch_size": 1,
}
kinds = pytest.mark.parametrize("guided", [True, False], ids=["dev", "schnell"])


def theirs(guided):
    torch.manual_seed(0)
    model = diffusers.FluxTransformer2DModel(**TINY, guidance_embeds=guided).eval()
    for parameter in model.parameters():  # also those that start as zeros and ones
        torch.nn.init.normal_(parameter, std=0.3)
    return model


def ours(folder):
    config = FluxConfig(**flux.from_diffusers(json.loads((folder / "config.json").read_text())))
    tensors = flux.diffusers(config).ours(load_file(folder / "diffusion_pytorch_model.safetensors"))
    return filled(lambda: Flux(config), tensors, "", CPU)


def answered(model, x, time, context, pooled, guidance):
    """What diffusers' transformer says of a sample, packed and unpacked as its pipeline does."""
    size = (x.shape[2] // 2, x.shape[3] // 2)
    rows, columns = torch.meshgrid(torch.arange(size[0]), torch.arange(size[1]), indexing="ij")
    places = torch.stack([torch.zeros_like(rows), rows, columns], -1).flatten(0, 1).float()
    tokens = model(
        hidden_states=patchify(x, 2),
        encoder_hidden_states=context,
        pooled_projections=pooled,
        timestep=time / 1000,
        img_ids=places,
        txt_ids=torch.zeros(context.shape[1], 3),
        guidance=guidance,
    ).sample
    return unpatchify(tokens, 2, size)


@kinds
@torch.no_grad()
def test_it_gives_the_same_numbers(tmp_path, guided):
    model = theirs(guided)
    model.save_pretrained(tmp_path)
    mine = ours(tmp_path)
    time = torch.tensor([125.0, 750.0])  # of these, a thousandth times a thousand is the same number again
    context, pooled = drawn(2, 7, 20, seed=2), drawn(2, 12, seed=3)
    guidance = torch.tensor([3.5, 1.0]) if guided else None
    said = Flux.Condition(context=context, pooled=pooled, guidance=guidance)
    for high, wide in ((16, 16), (8, 24)):
        x = drawn(2, 4, high, wide)
        found, expected = mine(x, time, said), answered(model, x, time, context, pooled, guidance)
        assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@torch.no_grad()
def test_in_half_precision_it_errs_no_more_than_diffusers(tmp_path, dtype):
    model = theirs(True)
    for parameter in model.parameters():
        parameter.mul_(0.3)
    model.save_pretrained(tmp_path)
    mine = ours(tmp_path)
    inputs = [drawn(2, 4, 16, 16), drawn(2, 7, 20, seed=2), drawn(2, 12, seed=3), torch.tensor([3.5, 1.0])]
    time = torch.tensor([125.0, 750.0])
    exact = answered(model, inputs[0], time, *inputs[1:])
    x, context, pooled, guidance = (v.to(dtype) for v in inputs)
    peer = answered(model.to(dtype), x, time, context, pooled, guidance)
    found = mine.to(dtype)(x, time, Flux.Condition(context=context, pooled=pooled, guidance=guidance))
    assert found.dtype == dtype
    assert (found - exact).norm() <= 1.2 * (peer - exact).norm()


@kinds
def test_every_key_and_shape_of_a_full_size_model_is_diffusers(guided):
    config = FULL | {"guidance_embeds": guided}
    with torch.device("meta"):
        expected = diffusers.FluxTransformer2DModel(**config).state_dict()
        settings = FluxConfig(**flux.from_diffusers(config))
        network = Flux(settings).state_dict()
    keys = flux.diffusers(settings)
    made = keys.theirs(network)
    assert {k: v.shape for k, v in made.items()} == {k: v.shape for k, v in expected.items()}
    back = keys.ours(expected)
    assert {k: back[k].shape for k in back} == {k: v.shape for k, v in network.items()}


@kinds
def test_a_full_size_single_file_has_our_names_and_tells_our_settings(guided):
    settings = FluxConfig(guidance=guided)
    with torch.device("meta"):
        network = Flux(settings).state_dict()
    original = flux.original(settings)
    assert {k: v.shape for k, v in original.theirs(network).items()} == {k: v.shape for k, v in network.items()}
    assert list(original.ours(network)) == list(network)
    assert FluxConfig(**flux.from_original({k: tuple(v.shape) for k, v in network.items()})) == settings
    assert FluxConfig(**flux.from_diffusers(FULL | {"guidance_embeds": guided})) == settings


@kinds
def test_diffusers_own_converter_agrees_on_a_single_file(guided):
    from diffusers.loaders.single_file_utils import convert_flux_transformer_checkpoint_to_diffusers

    settings = FluxConfig(depth=1, singles=1, guidance=guided)
    with torch.device("meta"):
        shapes = {k: v.shape for k, v in Flux(settings).state_dict().items()}
    # The converter knows one width, so rows are all there, and columns few.
    single = {k: drawn(shape[0], *(2 for _ in shape[1:]), seed=i) for i, (k, shape) in enumerate(shapes.items())}
    expected = convert_flux_transformer_checkpoint_to_diffusers(dict(single))
    made = flux.diffusers(settings).theirs(single)
    assert made.keys() == expected.keys()
    assert all(torch.equal(made[k], expected[k]) for k in made)
    back = flux.diffusers(settings).ours(expected)
    assert all(torch.equal(back[k], single[k]) for k in single)
