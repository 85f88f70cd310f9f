"""The latent-diffusion U-Net beside diffusers' UNet2DConditionModel: outputs, names, shapes and configs."""

import json
import warnings

import pytest
import torch
from safetensors.torch import load_file

from parity.latent import FULL, SMALL, as_pooled, diffusers, sizes_told
from unnoise.networks.ldm_unet import LDMUNet, LDMUNetCondition, LDMUNetConfig
from unnoise.nn import winograd
from unnoise.weights.maps import ldm_unet as maps
from unnoise.weights.place import Place, filled

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # diffusers' own
HERE = Place(torch.device("cpu"), torch.float32)
PREFIX = "model.diffusion_model."


@pytest.fixture(scope="module", params=list(SMALL))
def small(request, tmp_path_factory):
    """A random model of diffusers, and the folder that it saved itself to."""
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = diffusers().UNet2DConditionModel(**SMALL[request.param]).eval()
        folder = tmp_path_factory.mktemp(request.param)
        model.save_pretrained(folder)
    return model, folder


def loaded(folder):
    """The folder's network, as a family loads it."""
    config = LDMUNetConfig(**maps.from_diffusers(json.loads((folder / "config.json").read_text())))
    tensors = load_file(folder / "diffusion_pytorch_model.safetensors")
    return filled(lambda: LDMUNet(config), maps.diffusers(config).ours(tensors), "", HERE)


def far(ours, theirs):
    return (ours - theirs).norm() / theirs.norm()


@pytest.mark.parametrize("size", [(16, 16), (8, 24), (13, 22)])
@pytest.mark.parametrize("way", ["direct", "winograd"])
@torch.no_grad()
def test_the_output_is_theirs(small, size, way, monkeypatch):
    for threshold in ("CHANNELS", "CELLS"):
        monkeypatch.setattr(winograd, threshold, 1 if way == "winograd" else 10**9)
    model, folder = small
    network = loaded(folder)
    x, context = torch.randn(2, model.config.in_channels, *size), torch.randn(2, 7, model.config.cross_attention_dim)
    time, told = torch.tensor([3.0, 751.5]), sizes_told(model.config, 2)
    theirs = model(x, time, context, added_cond_kwargs=told).sample
    pooled = as_pooled(told, model.config.addition_time_embed_dim)
    extra = x[:, 4:] if model.config.in_channels > 4 else None
    condition = LDMUNetCondition(context=context, pooled=pooled, extra=extra)
    assert far(network(x[:, :4], time, condition), theirs) < 1e-5


@torch.no_grad()
def test_a_mask_is_their_attention_mask(small):
    model, folder = small
    x, context = torch.randn(2, model.config.in_channels, 8, 8), torch.randn(2, 7, model.config.cross_attention_dim)
    time, told = torch.tensor([3.0, 751.5]), sizes_told(model.config, 2)
    mask = torch.arange(7)[None] < torch.tensor([[7], [4]])
    theirs = model(x, time, context, encoder_attention_mask=mask, added_cond_kwargs=told).sample
    pooled = as_pooled(told, model.config.addition_time_embed_dim)
    extra = x[:, 4:] if model.config.in_channels > 4 else None
    condition = LDMUNetCondition(context=context, mask=mask, pooled=pooled, extra=extra)
    assert far(loaded(folder)(x[:, :4], time, condition), theirs) < 1e-5


def test_both_layouts_carry_every_tensor_there_and_back(small):
    _, folder = small
    network = loaded(folder)
    config, ours = network.config, network.state_dict()
    theirs = load_file(folder / "diffusion_pytorch_model.safetensors")
    again = maps.diffusers(config).theirs(ours)
    assert again.keys() == theirs.keys() and all(torch.equal(again[k], theirs[k]) for k in theirs)
    single = maps.original(config).theirs(ours)
    back = maps.original(config).ours(single)
    assert back.keys() == ours.keys() and all(torch.equal(back[k], ours[k]) for k in ours)
    assert LDMUNetConfig(**maps.from_original({k: tuple(v.shape) for k, v in single.items()})) == config


def test_their_converter_takes_our_single_file_for_one_of_theirs(small):
    model, folder = small
    network = loaded(folder)
    single = {PREFIX + k: v for k, v in maps.original(network.config).theirs(network.state_dict()).items()}
    converted = converter()(single, dict(model.config))
    theirs = model.state_dict()
    assert converted.keys() == theirs.keys() and all(torch.equal(converted[k], theirs[k]) for k in theirs)


def converter():
    diffusers()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint
    return convert_ldm_unet_checkpoint


@pytest.mark.parametrize("name", list(FULL))
def test_full_size_layouts_are_theirs(name):
    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = diffusers().UNet2DConditionModel(**FULL[name])
    config = LDMUNetConfig(**maps.from_diffusers(dict(model.config)))
    with torch.device("meta"):
        ours = LDMUNet(config).state_dict()
    theirs = {k: v.shape for k, v in model.state_dict().items()}
    folder = maps.diffusers(config)
    assert {k: v.shape for k, v in folder.theirs(ours).items()} == theirs
    assert {k: v.shape for k, v in folder.ours(model.state_dict()).items()} == {k: v.shape for k, v in ours.items()}
    single = maps.original(config).theirs(ours)
    assert LDMUNetConfig(**maps.from_original({k: tuple(v.shape) for k, v in single.items()})) == config
    converted = converter()({PREFIX + k: v for k, v in single.items()}, dict(model.config))
    assert {k: v.shape for k, v in converted.items()} == theirs
    back = maps.original(config).ours(single)
    assert {k: v.shape for k, v in back.items()} == {k: v.shape for k, v in ours.items()}
