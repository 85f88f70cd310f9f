"""Adapters beside diffusers and PEFT: saved by them, attached or fused by us, the same outputs."""

import json
import warnings
from copy import deepcopy

import pytest
import torch
from safetensors.torch import load_file, save_file

from adapters.small import holding, pair
from parity import test_clip, test_flux, test_ldm_unet, test_mmdit
from parity.latent import SMALL, as_pooled, diffusers, sizes_told
from unnoise.adapters.attach import attach, fuse
from unnoise.adapters.lora import read
from unnoise.adapters.strength import Strength
from unnoise.networks.flux import FluxCondition
from unnoise.networks.ldm_unet import LDMUNetCondition
from unnoise.networks.mmdit import MMDiTCondition
from unnoise.weights.maps import ldm_unet

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # theirs
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    peft = pytest.importorskip("peft", reason="peft, the library compared with, is not installed")

ATTENTION = ["to_q", "to_k", "to_v", "to_out.0"]
CONFIGS = {
    "attention": {"target_modules": ATTENTION},
    "alpha": {"target_modules": ATTENTION, "lora_alpha": 12, "alpha_pattern": {"to_k": 3}, "rank_pattern": {"to_k": 2}},
    "over the root of the rank": {"target_modules": ATTENTION, "lora_alpha": 3, "use_rslora": True},
    "convolutions": {"target_modules": ["conv1", "conv2", "proj_in", "ff.net.0.proj", "conv_shortcut", "conv"]},
    "DoRA": {"target_modules": [*ATTENTION, "conv1", "proj_out"], "use_dora": True, "lora_alpha": 6},
    "biases": {"target_modules": ATTENTION[:3], "lora_bias": True, "lora_alpha": 8},
}


def adapted(model, name="default", seed=0, **config):
    """Put a random adapter on one of their models; its tensors, and what PEFT says of it."""
    made = peft.LoraConfig(**({"r": 4, "lora_alpha": 4} | config))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.add_adapter(made, adapter_name=name)
    random = torch.Generator().manual_seed(seed)
    for key, parameter in model.named_parameters():
        if f".{name}" in key and "lora_" in key:
            start = 1.0 if "magnitude" in key else 0.0
            parameter.data = start * parameter.data + 0.1 * torch.randn(parameter.shape, generator=random)
    told = json.loads(json.dumps(made.to_dict(), default=lambda v: sorted(v) if isinstance(v, set) else str(v)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it takes a bias for a damaged matrix
        return {k: v.clone() for k, v in peft.get_peft_model_state_dict(model, adapter_name=name).items()}, told


def near(found, expected):
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()


@pytest.fixture(scope="module", params=["sd1", "sdxl"])
def base(request, tmp_path_factory):
    """Their U-Net, saved and read by us."""
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = diffusers().UNet2DConditionModel(**SMALL[request.param] | {"layers_per_block": 1}).eval()
        model.save_pretrained(folder := tmp_path_factory.mktemp(request.param))
    return model, holding(test_ldm_unet.loaded(folder))


@pytest.fixture
def unets(base):
    """Both, theirs to be changed, and a question for them."""
    model, ours = deepcopy(base[0]), base[1]
    x, context, time = torch.randn(1, 4, 8, 16), torch.randn(1, 7, 24), torch.tensor([751.5])
    told = sizes_told(model.config, 1)
    pooled = as_pooled(told, model.config.addition_time_embed_dim)

    @torch.no_grad()
    def both(made):
        condition = LDMUNetCondition(context=context, pooled=pooled)
        return made.denoiser.network(x, time, condition), model(x, time, context, added_cond_kwargs=told).sample

    return model, ours, both


@pytest.mark.parametrize("name", CONFIGS)
def test_a_unets_adapter_saved_by_their_pipeline(unets, name, tmp_path):
    model, ours, both = unets
    before, _ = both(ours)
    tensors, told = adapted(model, **CONFIGS[name])
    diffusers().StableDiffusionPipeline.save_lora_weights(
        tmp_path, unet_lora_layers=tensors, unet_lora_adapter_metadata=told
    )
    asked = [(read(tmp_path / "pytorch_lora_weights.safetensors"), Strength())]
    for put in (attach, fuse):
        found, expected = both(put(ours, asked))
        assert (found - before).abs().max() > 1e-2 * before.abs().max()
        near(found, expected)


def test_kohyas_names_as_they_convert_them(unets, tmp_path):
    from diffusers.utils import convert_state_dict_to_kohya

    model, ours, both = unets
    tensors, _ = adapted(model, target_modules=[*ATTENTION, "conv1"], lora_alpha=4)
    before, _ = both(ours)
    kohya = convert_state_dict_to_kohya({f"unet.{k}": v for k, v in tensors.items()})
    assert all(k.startswith("lora_unet_down_blocks_0") for k in list(kohya)[:3])
    save_file({k: v.contiguous() for k, v in kohya.items()}, tmp_path / "kohya.safetensors")
    found, expected = both(attach(ours, [(read(tmp_path / "kohya.safetensors"), Strength())]))
    assert (found - before).abs().max() > 1e-2 * before.abs().max()
    near(found, expected)


def test_sgms_names_as_they_map_them(base, tmp_path):
    """kohya's scripts name SDXL's layers after Stability's own blocks, which diffusers maps by counting."""
    if base[0].config.addition_embed_type is None:
        pytest.skip("of SDXL alone")
    model, ours = deepcopy(base[0]), base[1]
    network, tensors = ours.denoiser.network, {}
    for name in (
        n for n, m in network.named_modules() if isinstance(m, torch.nn.Linear) and n.endswith(("to_q", "to_v"))
    ):
        [(theirs, _)] = ldm_unet.original(network.config).spots(name)
        tensors |= pair(f"lora_unet_{theirs.replace('.', '_')}", *network.get_submodule(name).weight.shape)
    save_file(tensors, tmp_path / "kohya.safetensors")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        read_by_them, alphas = diffusers().StableDiffusionXLPipeline.lora_state_dict(
            tmp_path / "kohya.safetensors", unet_config=model.config
        )
        model.load_lora_adapter(read_by_them, network_alphas=alphas, prefix="unet")
    x, context, told = torch.randn(1, 4, 8, 16), torch.randn(1, 7, 24), sizes_told(model.config, 1)
    condition = LDMUNetCondition(context=context, pooled=as_pooled(told, model.config.addition_time_embed_dim))
    with torch.no_grad():
        expected = model(x, torch.tensor([5.0]), context, added_cond_kwargs=told).sample
        made = attach(ours, [(read(tmp_path / "kohya.safetensors"), Strength())])
        near(made.denoiser.network(x, torch.tensor([5.0]), condition), expected)


def test_several_with_weights(unets, tmp_path):
    model, ours, both = unets
    asked = []
    for seed, (name, weight) in enumerate({"one": 0.6, "two": -0.4, "three": 1.3}.items()):
        targets = ATTENTION[: 2 + seed]
        tensors, told = adapted(model, name, seed, target_modules=targets, lora_alpha=2 + seed)
        diffusers().StableDiffusionPipeline.save_lora_weights(
            tmp_path / name, unet_lora_layers=tensors, unet_lora_adapter_metadata=told
        )
        asked.append((read(tmp_path / name / "pytorch_lora_weights.safetensors"), Strength(weight)))
    model.set_adapters(["one", "two", "three"], [0.6, -0.4, 1.3])
    for put in (attach, fuse):
        near(*both(put(ours, asked)))


def test_off_again(unets, tmp_path):
    model, ours, both = unets
    before = both(ours)
    tensors, _ = adapted(model, target_modules=ATTENTION)
    diffusers().StableDiffusionPipeline.save_lora_weights(tmp_path, unet_lora_layers=tensors)
    attach(ours, [(read(tmp_path / "pytorch_lora_weights.safetensors"), Strength())])
    model.disable_adapters()
    after = both(ours)
    assert torch.equal(after[0], before[0]) and torch.equal(after[1], before[1])


@pytest.mark.parametrize("kind", ["CLIPTextModel", "CLIPTextModelWithProjection"])
def test_a_text_encoders_adapter(kind, tmp_path):
    model = test_clip.theirs(kind)
    model.save_pretrained(tmp_path / "base")
    ours = holding(torch.nn.Identity(), test_clip.ours(tmp_path / "base"))
    targets = ["q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"]
    tensors, told = adapted(model, target_modules=targets, lora_alpha=6)
    diffusers().StableDiffusionPipeline.save_lora_weights(
        tmp_path, text_encoder_lora_layers=tensors, text_encoder_lora_adapter_metadata=told
    )
    ids = test_clip.ids(119)
    with torch.no_grad():
        expected = model(ids, output_hidden_states=True)
        for put in (attach, fuse):
            made = put(ours, [(read(tmp_path / "pytorch_lora_weights.safetensors"), Strength())])
            near(made.conditioner.encoders[0].states(ids), expected.last_hidden_state)


@torch.no_grad()
def test_fluxs_adapter(tmp_path):
    model = test_flux.theirs(guided=True)
    model.save_pretrained(tmp_path / "base")
    ours = holding(test_flux.ours(tmp_path / "base"))
    with torch.enable_grad():
        targets = [*ATTENTION, "add_q_proj", "add_k_proj", "add_v_proj", "to_add_out", "proj_mlp", "proj_out"]
        targets += ["ff.net.0.proj", "ff.net.2", "ff_context.net.2", "norm.linear", "norm1.linear", "norm_out.linear"]
        tensors, told = adapted(model, target_modules=targets, lora_alpha=3)
    diffusers().FluxPipeline.save_lora_weights(
        tmp_path, transformer_lora_layers=tensors, transformer_lora_adapter_metadata=told
    )
    x, context, pooled = torch.randn(2, 4, 8, 12), torch.randn(2, 5, 20), torch.randn(2, 12)
    time, guidance = torch.tensor([300.0, 900.0]), torch.tensor([3.5, 1.0])
    expected = test_flux.answered(model, x, time, context, pooled, guidance)
    condition = FluxCondition(context=context, pooled=pooled, guidance=guidance)
    for put in (attach, fuse):
        made = put(ours, [(read(tmp_path / "pytorch_lora_weights.safetensors"), Strength())])
        near(made.denoiser.network(x, time, condition), expected)


@torch.no_grad()
def test_fluxs_names_in_kohyas_spelling(tmp_path):
    model = test_flux.theirs(guided=True)
    model.save_pretrained(tmp_path / "base")
    ours, tensors = holding(test_flux.ours(tmp_path / "base")), {}
    for name, layer in ours.denoiser.network.named_modules():
        # diffusers cuts the single blocks' linear1 at the published width alone
        if isinstance(layer, torch.nn.Linear) and "blocks" in name and not name.endswith("linear1"):
            flat = f"lora_unet_{name.replace('.', '_')}"
            tensors |= pair(flat, *layer.weight.shape) | {f"{flat}.alpha": torch.tensor(2.0)}
    save_file(tensors, tmp_path / "kohya.safetensors")
    with torch.enable_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        read_by_them, alphas = diffusers().FluxPipeline.lora_state_dict(
            tmp_path / "kohya.safetensors", return_alphas=True
        )
        model.load_lora_adapter(read_by_them, network_alphas=alphas, prefix="transformer")
    x, context, pooled = torch.randn(2, 4, 8, 12), torch.randn(2, 5, 20), torch.randn(2, 12)
    time, guidance = torch.tensor([300.0, 900.0]), torch.tensor([3.5, 1.0])
    expected = test_flux.answered(model, x, time, context, pooled, guidance)
    condition = FluxCondition(context=context, pooled=pooled, guidance=guidance)
    made = attach(ours, [(read(tmp_path / "kohya.safetensors"), Strength())])
    near(made.denoiser.network(x, time, condition), expected)


@torch.no_grad()
@pytest.mark.parametrize("variant", list(test_mmdit.VARIANTS))
def test_sd3s_adapter(variant, tmp_path):
    model = test_mmdit.theirs(test_mmdit.VARIANTS[variant])
    model.save_pretrained(tmp_path / "base")
    ours = holding(test_mmdit.ours(tmp_path / "base"))
    with torch.enable_grad():
        targets = [*ATTENTION, "add_q_proj", "add_k_proj", "add_v_proj", "to_add_out", "ff.net.2", "norm1.linear"]
        tensors, told = adapted(model, target_modules=[*targets, "norm_out.linear"], lora_alpha=3)
    diffusers().StableDiffusion3Pipeline.save_lora_weights(
        tmp_path, transformer_lora_layers=tensors, transformer_lora_adapter_metadata=told
    )
    x, context, pooled = torch.randn(2, 4, 16, 12), torch.randn(2, 5, 20), torch.randn(2, 12)
    time = torch.tensor([300.0, 900.0])
    expected = model(x, encoder_hidden_states=context, pooled_projections=pooled, timestep=time).sample
    for put in (attach, fuse):
        made = put(ours, [(read(tmp_path / "pytorch_lora_weights.safetensors"), Strength())])
        near(made.denoiser.network(x, time, MMDiTCondition(context=context, pooled=pooled)), expected)


def test_files_of_these_libraries_are_what_we_think(tmp_path):
    """A guard for the tests above: their pipeline still writes the names that we test by."""
    model = diffusers().UNet2DConditionModel(**SMALL["sd1"])
    tensors, told = adapted(model, target_modules=["to_q"])
    diffusers().StableDiffusionPipeline.save_lora_weights(
        tmp_path, unet_lora_layers=tensors, unet_lora_adapter_metadata=told
    )
    names = load_file(tmp_path / "pytorch_lora_weights.safetensors")
    assert all(k.startswith("unet.") and k.endswith((".lora_A.weight", ".lora_B.weight")) for k in names)
