"""ControlNets beside diffusers' ControlNetModel: what they add to a U-Net, names, shapes and configs."""

import json
import warnings

import pytest
import torch
from safetensors.torch import load_file

from building import stirred
from parity.latent import FULL, SMALL, as_pooled, diffusers, sizes_told
from unnoise.networks.controlnet import Control, Controlled, ControlNet, ControlNetConfig
from unnoise.networks.ldm_unet import LDMUNet, LDMUNetCondition, LDMUNetConfig
from unnoise.weights.maps import controlnet as maps
from unnoise.weights.maps import ldm_unet
from unnoise.weights.place import Place, filled

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # diffusers' own
HERE = Place(torch.device("cpu"), torch.float32)
PREFIX = "control_model."
KINDS = ["sd1", "sd2", "sdxl"]


def control_options(options, **more):
    return {k: v for k, v in options.items() if k not in ("up_block_types", "in_channels")} | more


def made(kind, options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return getattr(diffusers(), kind)(**options).eval()


@pytest.fixture(scope="module", params=KINDS)
def small(request, tmp_path_factory):
    """A U-Net and two ControlNets of diffusers, with the folder that the first of these saved itself to."""
    torch.manual_seed(0)
    options = SMALL[request.param]
    unet = made("UNet2DConditionModel", options)
    control = {"conditioning_embedding_out_channels": (4, 8, 12, 16)}
    controls = [
        stirred(made("ControlNetModel", control_options(options, **control, **more)), 0.05, seed=i)
        for i, more in enumerate(({}, {"global_pool_conditions": True}))
    ]
    folder = tmp_path_factory.mktemp(request.param)
    controls[0].save_pretrained(folder)
    return unet, controls, folder


def ours(model, kind=ControlNet, config=ControlNetConfig, table=maps):
    settings = config(**table.from_diffusers(dict(model.config)))
    return filled(lambda: kind(settings), table.diffusers(settings).ours(model.state_dict()), "", HERE)


@pytest.mark.parametrize("size", [(16, 16), (8, 24)])
@torch.no_grad()
def test_what_they_add_is_theirs_alone_and_together(small, size):
    unet, controls, _ = small
    x, context = torch.randn(2, 4, *size), torch.randn(2, 7, unet.config.cross_attention_dim)
    time, told = torch.tensor([3.0, 751.5]), sizes_told(unet.config, 2)
    pictures, weights = torch.rand(2, 2, 3, *(8 * side for side in size)), (0.7, 1.3)
    found = [
        model(x, time, context, picture, weight, added_cond_kwargs=told, return_dict=False)
        for model, picture, weight in zip(controls, pictures.unbind(1), weights, strict=True)
    ]
    network = ours(unet, LDMUNet, LDMUNetConfig, ldm_unet)
    attached = [Control(ours(model), weight) for model, weight in zip(controls, weights, strict=True)]
    pooled = as_pooled(told, unet.config.addition_time_embed_dim)
    told_ours = {"context": context, "pooled": pooled}
    for which in ((0,), (1,), (0, 1)):
        theirs = unet(
            x,
            time,
            context,
            added_cond_kwargs=told,
            down_block_additional_residuals=[sum(parts) for parts in zip(*(found[i][0] for i in which), strict=True)],
            mid_block_additional_residual=sum(found[i][1] for i in which),
        ).sample
        condition = LDMUNetCondition(**told_ours, control=pictures[:, which])
        out = Controlled(network, [attached[i] for i in which])(x, time, condition)
        assert (out - theirs).norm() < 1e-5 * theirs.norm()
        plain = network(x, time, LDMUNetCondition(**told_ours))
        assert (out - plain).norm() > 1e-3 * plain.norm()


def test_both_layouts_carry_every_tensor_there_and_back(small):
    _, controls, folder = small
    config = ControlNetConfig(**maps.from_diffusers(json.loads((folder / "config.json").read_text())))
    theirs = load_file(folder / "diffusion_pytorch_model.safetensors")
    network = filled(lambda: ControlNet(config), maps.diffusers(config).ours(theirs), "", HERE)
    again = maps.diffusers(config).theirs(network.state_dict())
    assert again.keys() == theirs.keys() and all(torch.equal(again[k], theirs[k]) for k in theirs)
    single = maps.original(config).theirs(network.state_dict())
    back = maps.original(config).ours(single)
    assert back.keys() == network.state_dict().keys()
    assert all(torch.equal(back[k], v) for k, v in network.state_dict().items())
    assert ControlNetConfig(**maps.from_original({k: tuple(v.shape) for k, v in single.items()})) == config
    converted = converter()({PREFIX + k: v for k, v in single.items()}, dict(controls[0].config))
    converted |= label({k: v for k, v in single.items() if k.startswith("label_emb")})
    assert converted.keys() == theirs.keys() and all(torch.equal(converted[k], theirs[k]) for k in theirs)


def converter():
    diffusers()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from diffusers.loaders.single_file_utils import convert_controlnet_checkpoint
    return convert_controlnet_checkpoint


def label(single):
    """The vector's embedding, which their converter leaves out."""
    names = {"label_emb.0.0": "add_embedding.linear_1", "label_emb.0.2": "add_embedding.linear_2"}
    return {k.replace(old, new): v for k, v in single.items() for old, new in names.items() if k.startswith(old)}


@pytest.mark.parametrize("name", KINDS)
def test_full_size_layouts_are_theirs(name):
    with torch.device("meta"):
        model = made("ControlNetModel", control_options(FULL[name]))
    config = ControlNetConfig(**maps.from_diffusers(dict(model.config)))
    with torch.device("meta"):
        ours = ControlNet(config).state_dict()
    theirs = {k: v.shape for k, v in model.state_dict().items()}
    assert {k: v.shape for k, v in maps.diffusers(config).theirs(ours).items()} == theirs
    assert shapes(maps.diffusers(config).ours(model.state_dict())) == shapes(ours)
    assert ControlNetConfig(**maps.from_shapes(shapes(model.state_dict())), heads=config.heads) == config
    single = maps.original(config).theirs(ours)
    assert ControlNetConfig(**maps.from_original(shapes(single))) == config
    converted = converter()({PREFIX + k: v for k, v in single.items()}, dict(model.config))
    converted |= label({k: v for k, v in single.items() if k.startswith("label_emb")})
    assert {k: v.shape for k, v in converted.items()} == theirs
    assert shapes(maps.original(config).ours(single)) == shapes(ours)


def shapes(tensors):
    return {k: tuple(v.shape) for k, v in tensors.items()}
