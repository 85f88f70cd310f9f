"""The KL autoencoder as diffusers has it: the same numbers, from all of its files' names, and full-size layouts."""

import json
import warnings

import pytest
import torch
from safetensors.torch import load_file, save_file

from unnoise.core.error import Refused
from unnoise.networks.autoencoder_kl import AutoencoderKL, AutoencoderKLConfig
from unnoise.nn import winograd
from unnoise.weights.maps import kl
from unnoise.weights.place import Place, filled

CPU = Place(torch.device("cpu"), torch.float32)
DOWN, UP = "DownEncoderBlock2D", "UpDecoderBlock2D"
SD = {"block_out_channels": (128, 256, 512, 512), "layers_per_block": 2, "latent_channels": 4}
FLUX = SD | {"latent_channels": 16, "scaling_factor": 0.3611, "shift_factor": 0.1159}
FLUX |= {"use_quant_conv": False, "use_post_quant_conv": False}
OLD = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}


@pytest.fixture(scope="module")
def diffusers():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its imports warn of optional packages
        return pytest.importorskip("diffusers", reason="diffusers, the library compared with, is not installed")


def theirs(diffusers, **changes):
    torch.manual_seed(0)
    sizes = {"block_out_channels": (16, 32, 32), "layers_per_block": 1, "norm_num_groups": 8, "latent_channels": 4}
    sizes |= changes
    levels = len(sizes["block_out_channels"])
    model = diffusers.AutoencoderKL(down_block_types=(DOWN,) * levels, up_block_types=(UP,) * levels, **sizes).eval()
    for parameter in model.parameters():
        if parameter.device.type != "meta":
            torch.nn.init.normal_(parameter, std=0.2)
    return model


def ours(folder, rename=lambda name: name):
    config = AutoencoderKLConfig(**kl.from_diffusers(json.loads((folder / "config.json").read_text())))
    stored = {rename(k): v for k, v in load_file(folder / "diffusion_pytorch_model.safetensors").items()}
    return filled(lambda: AutoencoderKL(config), kl.diffusers(config).ours(stored), "", CPU)


def near(found, expected):
    assert found.shape == expected.shape
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()


def draw(*shape, seed=1):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"latent_channels": 16, "use_quant_conv": False, "use_post_quant_conv": False, "shift_factor": 0.0609},
        {"mid_block_add_attention": False, "layers_per_block": 2, "scaling_factor": 1.5305},
        {"latents_mean": [-1.6, 1.9, -1.4, 2.5], "latents_std": [8.5, 5.9, 6.5, 5.2], "scaling_factor": 0.5},
    ],
    ids=["4 channels", "16 channels", "no attention", "measured latents"],
)
@pytest.mark.parametrize("way", ["direct", "winograd"])
@torch.no_grad()
def test_it_gives_the_same_numbers(tmp_path, diffusers, changes, way, monkeypatch):
    for threshold in ("CHANNELS", "CELLS"):
        monkeypatch.setattr(winograd, threshold, 1 if way == "winograd" else 10**9)
    model = theirs(diffusers, **changes)
    model.save_pretrained(tmp_path)
    mine, picture = ours(tmp_path), draw(2, 3, 24, 40).clamp(-1, 1)
    found = model.encode(picture).latent_dist
    c = model.config
    mean = torch.tensor(c.latents_mean or [c.shift_factor or 0.0])[:, None, None]
    scale = c.scaling_factor / torch.tensor(c.latents_std or [1.0])[:, None, None]
    near(mine.encode(picture), (found.mode() - mean) * scale)
    near(mine.moments(picture)[1], found.std * scale)
    sample = draw(2, c.latent_channels, 6, 10)
    near(mine.decode(sample), model.decode(sample / scale + mean).sample)


@torch.no_grad()
def test_old_names_of_its_attention(tmp_path, diffusers):
    theirs(diffusers).save_pretrained(tmp_path)

    def renamed(name):
        before, dot, part = name.partition("attentions.0.")
        return before + dot + next((part.replace(k, v) for k, v in OLD.items() if part.startswith(k + ".")), part)

    new, old = ours(tmp_path).state_dict(), ours(tmp_path, renamed).state_dict()
    assert renamed("encoder.mid_block.attentions.0.to_out.0.bias") == "encoder.mid_block.attentions.0.proj_attn.bias"
    assert all(torch.equal(new[k], old[k]) for k in new)


def test_a_file_of_latent_diffusion_s_names_is_what_diffusers_takes_it_for(tmp_path, diffusers):
    from diffusers.loaders.single_file_utils import convert_ldm_vae_checkpoint

    model = theirs(diffusers, layers_per_block=2)
    model.save_pretrained(tmp_path)
    mine = ours(tmp_path)
    table = kl.original(mine.config)
    written = table.theirs(mine.state_dict())
    assert written["encoder.mid.attn_1.q.weight"].shape == (32, 32, 1, 1)
    told = convert_ldm_vae_checkpoint({f"first_stage_model.{k}": v for k, v in written.items()}, dict(model.config))
    expected = model.state_dict()
    assert told.keys() == expected.keys()
    assert all(torch.equal(told[k], expected[k]) for k in told)
    again = table.ours({**written, "loss.logvar": torch.zeros(())})
    assert all(torch.equal(again[k], v) for k, v in mine.state_dict().items())
    said = kl.from_original({k: tuple(v.shape) for k, v in written.items()})
    assert AutoencoderKLConfig(**said, groups=8) == mine.config


@pytest.mark.parametrize("sizes", [SD, FLUX], ids=["SD", "Flux"])
def test_full_size_layouts_both_ways(diffusers, sizes):
    with torch.device("meta"):
        model = theirs(diffusers, **sizes, norm_num_groups=32)
    config = AutoencoderKLConfig(**kl.from_diffusers(json.loads(model.to_json_string())))
    with torch.device("meta"):
        mine = AutoencoderKL(config).state_dict()
    for table, stored in ((kl.diffusers(config), model.state_dict()), (kl.original(config), None)):
        written = table.theirs(mine)
        assert stored is None or {k: v.shape for k, v in written.items()} == {k: v.shape for k, v in stored.items()}
        found = table.ours(written)
        assert {k: found[k].shape for k in found} == {k: v.shape for k, v in mine.items()}
    said = kl.from_original({k: tuple(v.shape) for k, v in written.items()})
    assert AutoencoderKLConfig(**said, scaling=config.scaling, shift=config.shift) == config
    assert config.scaling == sizes.get("scaling_factor", 0.18215) and config.shift == sizes.get("shift_factor", 0)


def test_the_names_of_latent_diffusion_s_own_files():
    """A few of them, as they stand in the published ones: the way up is counted from the picture."""
    table = kl.original(AutoencoderKLConfig())
    for theirs_, ours_ in {
        "decoder.up.3.block.2.conv1.weight": "decoder.up_blocks.0.resnets.2.conv1.weight",
        "decoder.up.1.block.0.nin_shortcut.bias": "decoder.up_blocks.2.resnets.0.conv_shortcut.bias",
        "decoder.up.1.upsample.conv.weight": "decoder.up_blocks.2.upsamplers.0.conv.weight",
        "encoder.down.2.downsample.conv.bias": "encoder.down_blocks.2.downsamplers.0.conv.bias",
        "decoder.mid.block_2.norm2.weight": "decoder.mid_block.resnets.1.norm2.weight",
        "encoder.mid.attn_1.proj_out.weight": "encoder.mid_block.attentions.0.to_out.0.weight",
        "encoder.norm_out.weight": "encoder.conv_norm_out.weight",
    }.items():
        assert table.spot(theirs_).name == ours_


@pytest.mark.parametrize(
    "wrong",
    [{"act_fn": "relu"}, {"down_block_types": ["AttnDownEncoderBlock2D"]}, {"block_out_channels": []}],
)
def test_what_cannot_be_honoured_is_refused(wrong):
    with pytest.raises(Refused, match=next(iter(wrong))):
        kl.from_diffusers({"block_out_channels": [32]} | wrong)


@pytest.mark.parametrize(("channels", "look"), [(4, "sd1"), (16, "sd3")])
@torch.no_grad()
def test_the_tiny_autoencoders_of_its_latents(tmp_path, diffusers, channels, look):
    """TAESD as diffusers keeps it: the same numbers under the original names."""
    from unnoise.networks.taesd import TAESD, TAESDConfig
    from unnoise.weights.maps import taesd

    torch.manual_seed(0)
    model = diffusers.AutoencoderTiny(latent_channels=channels).eval()
    config = TAESDConfig(**taesd.from_diffusers(json.loads(model.to_json_string())))
    assert config.channels == channels
    save_file(model.state_dict(), tmp_path / "tiny.safetensors")
    table = taesd.diffusers(config)
    mine = filled(lambda: TAESD(config), table.ours(load_file(tmp_path / "tiny.safetensors")), "", CPU)
    picture, sample = draw(1, 3, 16, 24).clamp(-1, 1), draw(1, channels, 2, 3)
    near(mine.encode(picture), model.encode(picture).latents)
    near(mine.decode(sample), model.decode(sample).sample)
    assert table.theirs(mine.state_dict()).keys() == model.state_dict().keys()
